import sys
from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError
from django.db.migrations.loader import MigrationLoader
from pymongo.database import Database
from pymongo.errors import InvalidName, OperationFailure

from bookings.infrastructure import connections
from bookings.infrastructure.connections import DURABLE
from bookings.infrastructure.mongodb.errors import FORBIDDEN, UNKNOWN_LOGIN, is_unknown_login
from bookings.infrastructure.quantities import quantity
from bookings.management.stopping import stoppable
from bookings.operations import doctor
from bookings.operations.backups import photos, restoring
from bookings.operations.backups.errors import RestoreFailed
from bookings.operations.backups.folders import list_backups, read_manifest
from bookings.operations.backups.restoring import said_by

# MongoDB refuses the name, or has a database whose name differs only in upper and lower case.
_NAME_CODES = frozenset({73, 13297})

SWITCH = """\
Now stop web, worker and beat everywhere, and then:
  1. manage.py idempotency purge --all
  2. set MONGODB_NAME={name}
  3. manage.py init_replica_set, if MongoDB asks for logins: it lets the site's user write there
  4. manage.py migrate
  5. start web, worker and beat, and run manage.py doctor
Do not leave step 1 out: Redis remembers answers about bookings that this database does not have."""


class Command(BaseCommand):
    help = (
        "Restores a backup into an empty database and checks the result. It never overwrites "
        "anything. Exit status 0 if nothing FAILs, else 1."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument(
            "backup",
            type=Path,
            metavar="FOLDER",
            help="a backup, or a folder of backups, whose newest one of this site is restored",
        )
        parser.add_argument(
            "--database",
            default=settings.MONGODB_NAME,
            metavar="NAME",
            help="restore a backup of the database NAME instead: of another site, or of this one "
            "under the name it had before a restore",
        )
        way = parser.add_mutually_exclusive_group(required=True)
        way.add_argument(
            "--into", metavar="DATABASE", help="restore into this database, to switch to it"
        )
        way.add_argument(
            "--verify",
            action="store_true",
            help="only a drill: restore into a database named after this one, with "
            f"{restoring.DRILL_SUFFIX} at the end, check it, and drop it",
        )

    def handle(self, *args: Any, **options: Any) -> None:
        drill = restoring.name_drill(settings.MONGODB_NAME)
        name = drill if options["verify"] else options["into"]
        sentence = f"Stopped; {name} is unfinished, and the same command starts over."
        with stoppable(lambda: sentence):
            try:
                backup = _choose(options["backup"], options["database"])
                work = self._drill if options["verify"] else self._restore
                sound = work(_database(name), backup)
            except RestoreFailed as error:
                raise CommandError(str(error)) from error
            except BrokenPipeError:
                raise  # the pipe to the reader of the output broke, not a file
            except OSError as error:
                raise CommandError(
                    f"{error.filename or options['backup']} cannot be read ({error.strerror}); "
                    "fix that first."
                ) from error
            except OperationFailure as error:
                if error.code in _NAME_CODES:
                    raise CommandError(
                        f"MongoDB refuses a database named {name} ({said_by(error)}); choose "
                        "another name."
                    ) from error
                if is_unknown_login(error):
                    raise CommandError(UNKNOWN_LOGIN) from error
                if error.code != FORBIDDEN:
                    raise
                raise CommandError(
                    f"MongoDB does not let this user write into {name}; name one in MONGODB_URI "
                    "that has readWrite there, and dbAdmin if collections have validators."
                ) from error
        if not sound:
            sys.exit(1)

    def _restore(self, database: Database, backup: Path) -> bool:
        # First, since a restore that is refused must not bring files of deleted photos back.
        restoring.refuse_filled(database)
        put_back = photos.put_back(backup)
        restored = restoring.restore_backup(database, backup, known_migrations=_migrations())
        self._say(restored, backup, database.name)
        self._say_photos(put_back)
        sound = self._examine(database.name, is_older=restored.is_older)
        self.stdout.write(SWITCH.format(name=database.name))
        return sound

    def _drill(self, database: Database, backup: Path) -> bool:
        restored, _ = restoring.fill(database, backup, known_migrations=_migrations())
        self._say(restored, backup, database.name)
        sound = self._examine(database.name, is_older=restored.is_older)
        restoring.empty(database)
        self.stdout.write(f"This was a drill: {database.name} is dropped.")
        return sound

    def _say(self, restored: restoring.Restored, backup: Path, name: str) -> None:
        self.stdout.write(
            f"{backup} of {restored.source} is in {name}: "
            f"{quantity(restored.documents, 'document')} in "
            f"{quantity(restored.collections, 'collection')}, as they were at {restored.taken_at}."
        )

    def _say_photos(self, put_back: int | None) -> None:
        if put_back is None:
            self.stdout.write(
                "The files of photos were not put back, since photos are off here; set "
                "PHOTOS_FOLDER and unpack photos.tar of the backup there."
            )
        elif put_back:
            self.stdout.write(f"{quantity(put_back, 'file')} of photos are in the photos' folder.")

    def _examine(self, name: str, *, is_older: bool) -> bool:
        """Prints the doctor's findings on the data; True if none is FAIL."""
        sound = True
        for check, finding in doctor.examine_data(name, is_older=is_older):
            self.stdout.write(f"{finding.level:<4}  {check}: {finding.text}")
            sound = sound and finding.level != "FAIL"
        return sound


def _choose(folder: Path, source: str) -> Path:
    """The folder itself if it is a backup, else its newest backup; only of the named database."""
    if not folder.is_dir():
        raise RestoreFailed(f"{folder} is not a folder; name a backup, or a folder of backups.")
    if names := list_backups(folder, database=source):
        return folder / names[-1]
    others = {read_manifest(folder / name)["database"] for name in list_backups(folder)}
    if others:
        raise RestoreFailed(
            f"{folder} has no backup of {source}, only of {', '.join(sorted(others))}; to restore "
            "one of these, name it with --database."
        )
    found = read_manifest(folder)["database"]
    if found != source:
        raise RestoreFailed(
            f"{folder} is of the database {found}, not of {source}; if you want it, add "
            f"--database {found}."
        )
    return folder


def _database(name: str) -> Database:
    try:
        return connections.database().client.get_database(name, write_concern=DURABLE)
    except InvalidName as error:
        raise RestoreFailed(f"'{name}' cannot name a database; use letters and _.") from error


def _migrations() -> set[str]:
    """Every migration that this version has."""
    return {f"{app}.{name}" for app, name in MigrationLoader(None).disk_migrations}
