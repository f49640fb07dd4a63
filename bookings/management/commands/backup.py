import errno
from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError
from pymongo.errors import OperationFailure

from bookings.infrastructure.connections import database
from bookings.infrastructure.mongodb.errors import FORBIDDEN, UNKNOWN_LOGIN, is_unknown_login
from bookings.infrastructure.quantities import quantity
from bookings.management.stopping import stoppable
from bookings.operations.backups.errors import BackupFailed
from bookings.operations.backups.folders import list_backups, read_manifest
from bookings.operations.backups.writing import LEFT_OUT, WINDOW_PARAMETER, write_backup


class Command(BaseCommand):
    help = (
        "Backs up the whole database as of one moment, while the site runs. Writes a folder into "
        "FOLDER, named by the time in UTC, complete or not at all; manage.py restore reads it. "
        "It holds guests' data, and only its owner can read it."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument(
            "--to", required=True, type=Path, metavar="FOLDER", help="an existing folder"
        )
        parser.add_argument(
            "--keep",
            type=int,
            metavar="N",
            help="remove the oldest whole backups of this database until N are left",
        )

    def handle(self, *args: Any, **options: Any) -> None:
        folder, keep = options["to"], options["keep"]
        if keep is not None and keep < 1:
            raise CommandError("Give --keep a number of 1 or more.")
        with stoppable(lambda: "Stopped; nothing is left of this backup."):
            try:
                name = write_backup(database(), folder, application=settings.VERSION, keep=keep)
            except BackupFailed as error:
                raise CommandError(str(error)) from error
            except OSError as error:
                raise CommandError(_explain(error, folder)) from error
            except OperationFailure as error:
                if is_unknown_login(error):
                    raise CommandError(UNKNOWN_LOGIN) from error
                if error.code != FORBIDDEN:
                    raise
                raise CommandError(
                    "MongoDB does not let this user read everything; grant it readWrite on its "
                    "database."
                ) from error
        self.stdout.write(f"Backed up: {folder / name}")
        manifest = read_manifest(folder / name)
        took_s, window_s = manifest["read_in_s"], manifest["window_s"]
        if took_s > window_s / 2:
            self.stdout.write(
                f"Soon too slow: reading took {took_s:.0f} s, and fails at {window_s} s; start "
                f"every member of MongoDB with a higher {WINDOW_PARAMETER}."
            )
        for left_out, reason in manifest["left_out"].items():
            if left_out not in LEFT_OUT:
                self.stdout.write(
                    f"Left out: {left_out}, since {reason}; a restore does not bring it back."
                )
        if missing := len(manifest["photos"]["missing"]):
            self.stdout.write(
                f"Missing: {quantity(missing, 'file')} of photos, which were deleted or converted "
                "during the backup, or are lost; manifest.json names them."
            )
        if reason := manifest["photos"].get("left_out"):
            self.stdout.write(f"Left out: the files of photos, since {reason}.")
        later = [one for one in list_backups(folder, database=database().name) if one > name]
        if later:
            self.stdout.write(
                f"A clock was ahead: {', '.join(later)} counts as newer than this one; "
                "remove it, or name the backup that you restore."
            )


def _explain(error: OSError, folder: Path) -> str:
    if error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG):
        return (
            f"No room is left in {folder}, so nothing of this backup is kept; free some, or keep "
            "fewer backups (--keep)."
        )
    return f"{error.filename or folder} cannot be written ({error.strerror}); fix that first."
