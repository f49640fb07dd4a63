from argparse import ArgumentParser
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError

from bookings import replica_set_members
from bookings.replica_set import ReplicaSetError


class Command(BaseCommand):
    help = (
        "Adds a member to MongoDB's replica set or removes one, or makes the last member that is "
        "left a set of its own. Logs in as admin (MONGODB_ADMIN_PASSWORD) to the set that "
        "MONGODB_URI names. A member is HOST:PORT, as the other members know it."
    )
    # They may ask for a database, and there may be no primary.
    requires_system_checks = []

    def add_arguments(self, parser: ArgumentParser) -> None:
        change = parser.add_mutually_exclusive_group(required=True)
        change.add_argument(
            "--add", metavar="MEMBER", help="one that runs, best with nothing in its data folder"
        )
        change.add_argument("--remove", metavar="MEMBER", help="one that lives or not")
        change.add_argument(
            "--only-left",
            metavar="MEMBER",
            help="force a set of this one alone, when all others are gone for good: what they had "
            "and it has not is lost. Without --yes it only says until when it was written to",
        )
        parser.add_argument("--yes", action="store_true", help="do it (with --only-left)")

    def handle(self, *args: Any, **options: Any) -> None:
        access = {
            "uri": settings.MONGODB_URI,
            "admin_password": settings.MONGODB_ADMIN_PASSWORD,
        }
        try:
            if name := options["add"]:
                replica_set_members.add_member(name, **access)
                said = f"{name} is added; once it has copied everything, it counts."
            elif name := options["remove"]:
                replica_set_members.remove_member(name, **access)
                said = f"{name} is removed."
            elif options["yes"]:
                name = options["only_left"]
                replica_set_members.keep_last(name, **access)
                said = f"{name} is the primary of a set of its own."
            else:
                name = options["only_left"]
                last_written_at = replica_set_members.look_at_last(name, **access)
                said = (
                    f"{name} has what was written until {last_written_at:%Y-%m-%dT%H:%M:%SZ}. "
                    "Nothing was changed; say --yes to go on with it alone."
                )
        except ReplicaSetError as error:
            raise CommandError(str(error)) from error
        self.stdout.write(said)
