from typing import Any

from django.core.management.base import CommandError
from django.core.management.commands import migrate

from bookings.indexes import IndexInTheWay
from bookings.management.stopping import stoppable
from bookings.operations import migration_lease
from bookings.operations.migration_lease import Lease, LeaseLost

STOPPED_WAITING = "Stopped waiting; nothing was changed here."
STOPPED = "Stopped; what was done stays done, and manage.py migrate goes on from there."


class Command(migrate.Command):
    help = (
        "Brings collections, indexes and documents up to date. One process at a time does so; "
        "others wait for it. If it is killed or stopped, run it again and it goes on from there."
    )

    _lease: Lease | None = None

    def handle(self, *args: Any, **options: Any) -> None:
        if options["plan"] or options["check_unapplied"]:
            super().handle(*args, **options)
            return
        with stoppable(lambda: STOPPED if self._lease else STOPPED_WAITING):
            try:
                with migration_lease.held(on_waiting=self._say_waiting) as self._lease:
                    super().handle(*args, **options)
                    self._lease.check()
            except LeaseLost:
                raise CommandError(
                    "This process stalled for so long that another one migrates now; wait for that "
                    "one, and run manage.py migrate again."
                ) from None
            except IndexInTheWay as error:
                raise CommandError(str(error)) from error

    def migration_progress_callback(
        self, action: str, migration: Any = None, fake: bool = False
    ) -> None:
        # Django calls this before and after each migration.
        if self._lease:
            self._lease.check()
        super().migration_progress_callback(action, migration, fake)

    def _say_waiting(self) -> None:
        self.stderr.write(
            "Another manage.py migrate is running on this database, or was killed a moment ago; "
            "waiting for it. Ctrl-C stops waiting."
        )
