from argparse import ArgumentParser
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError

from bookings.management.stopping import stoppable
from bookings.operations.backups.restoring import name_drill
from bookings.operations.replica_set import initiation


class Command(BaseCommand):
    help = (
        "Makes MongoDB's replica set from the members in MONGODB_URI, the site's user in that URI, "
        "with rights on the databases of the site and its drills alone, and the user admin for "
        "operators (MONGODB_ADMIN_PASSWORD). Needs the members' keyfile (MONGODB_KEYFILE). Safe to "
        "repeat: it keeps what is in place, and sets changed passwords."
    )
    # These checks may ask for a database, and there is none yet.
    requires_system_checks = []

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument(
            "--wait",
            type=float,
            default=60.0,
            metavar="S",
            help="wait at most S seconds for members to answer, and again for a primary "
            "(default: 60)",
        )

    def handle(self, *args: Any, **options: Any) -> None:
        with stoppable(lambda: "Stopped; what is in place stays, and the same command goes on."):
            try:
                for line in initiation.make_replica_set(
                    uri=settings.MONGODB_URI,
                    databases=(settings.MONGODB_NAME, name_drill(settings.MONGODB_NAME)),
                    keyfile=settings.MONGODB_KEYFILE,
                    admin_password=settings.MONGODB_ADMIN_PASSWORD,
                    wait_s=options["wait"],
                ):
                    self.stdout.write(line)
                    self.stdout.flush()
            except initiation.ReplicaSetError as error:
                raise CommandError(str(error)) from error
