import sys
from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError
from django.db.migrations.loader import MigrationLoader
from pymongo.database import Database
from pymongo.errors import InvalidName, OperationFailure

from bookings import connections, doctor
from bookings.backups import restoring
from bookings.backups.errors import RestoreFailed
from bookings.backups.folders import list_backups
from bookings.connections import DURABLE
from bookings.management.stopping import stoppable

SWITCH = """\
Now, with web, worker and beat stopped, everywhere:
  1. set MONGODB_NAME={name}
  2. manage.py migrate
  3. manage.py idempotency purge --all
  4. start web, worker and beat, and run manage.py doctor
Do not leave step 3 out: Redis remembers answers about bookings that this database does not have."""


class Command(BaseCommand):
    help = (
        "Restores a backup into a database that is empty, and examines what came back. Nothing is "
        "ever overwritten. Exit status 0 if nothing FAILs, else 1."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument(
            "backup",
            type=Path,
            metavar="FOLDER",
            help="a backup, or a folder of backups, of which the newest is taken",
        )
        way = parser.add_mutually_exclusive_group(required=True)
        way.add_argument(
            "--into", metavar="DATABASE", help="restore into this database, to switch to it"
        )
        way.add_argument(
            "--verify",
            action="store_true",
            help="only a drill: restore into the database named after this one and "
            f"{restoring.DRILL_SUFFIX}, examine it, and drop it",
        )

    def handle(self, *args: Any, **options: Any) -> None:
        name = options["into"] or restoring.name_drill(settings.MONGODB_NAME)
        sentence = f"Stopped; {name} is unfinished, and the same command begins anew."
        with stoppable(sentence):
            try:
                backup = _choose(options["backup"])
                work = self._drill if options["verify"] else self._restore
                sound = work(_database(name), backup)
            except RestoreFailed as error:
                raise CommandError(str(error)) from error
            except OSError as error:
                raise CommandError(
                    f"{error.filename or options['backup']} cannot be read ({error.strerror}); "
                    "mend that first."
                ) from error
            except OperationFailure as error:
                if error.code not in doctor.REFUSED_CODES:
                    raise
                raise CommandError(
                    f"MongoDB does not let this user write into {name}; name one in MONGODB_URI "
                    "that has readWrite there."
                ) from error
        if not sound:
            sys.exit(1)

    def _restore(self, database: Database, backup: Path) -> bool:
        restored = restoring.restore_backup(database, backup, known_migrations=_migrations())
        self._say(restored, backup, database.name)
        sound = self._examine(database.name)
        self.stdout.write(SWITCH.format(name=database.name))
        return sound

    def _drill(self, database: Database, backup: Path) -> bool:
        restored, _ = restoring.fill(database, backup, known_migrations=_migrations())
        self._say(restored, backup, database.name)
        sound = self._examine(database.name)
        restoring.empty(database)
        self.stdout.write(f"It was a drill: {database.name} is dropped.")
        return sound

    def _say(self, restored: restoring.Restored, backup: Path, name: str) -> None:
        self.stdout.write(
            f"{backup} is in {name}: {restored.documents} documents in {restored.collections} "
            f"collections, as they were at {restored.taken_at}."
        )

    def _examine(self, name: str) -> bool:
        """Whether the restored database passes what the doctor asks of data."""
        sound = True
        for check, finding in doctor.examine_data(name):
            self.stdout.write(f"{finding.level:<4}  {check}: {finding.text}")
            sound = sound and finding.level != "FAIL"
        return sound


def _choose(folder: Path) -> Path:
    """The folder itself if it is a backup, else the newest backup in it."""
    if not folder.is_dir():
        raise RestoreFailed(f"{folder} is no folder; name a backup, or a folder of backups.")
    names = list_backups(folder)
    return folder / names[-1] if names else folder


def _database(name: str) -> Database:
    try:
        return connections.database().client.get_database(name, write_concern=DURABLE)
    except InvalidName as error:
        raise RestoreFailed(f"{name} is no name for a database; use letters and _.") from error


def _migrations() -> set[str]:
    """Every migration that this version has."""
    return {f"{app}.{name}" for app, name in MigrationLoader(None).disk_migrations}
