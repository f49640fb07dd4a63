import re
from argparse import ArgumentParser, ArgumentTypeError
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError

from bookings.operations.replica_set import changes
from bookings.operations.replica_set.initiation import ReplicaSetError


def read_member(text: str) -> str:
    """Refuses an empty text, too, as an unset variable would give."""
    if not re.fullmatch(r"\S+:\d{1,5}", text):
        raise ArgumentTypeError(f"a member is HOST:PORT, as the others know it, not {text!r}")
    return text


class Command(BaseCommand):
    help = (
        "Adds a member to MongoDB's replica set, removes one, or turns the only member left into a "
        "set of its own. Logs in as admin (MONGODB_ADMIN_PASSWORD) to the set that MONGODB_URI "
        "names. A member is HOST:PORT, as the other members know it."
    )
    # These checks may ask for a database, and there may be no primary.
    requires_system_checks = []

    def add_arguments(self, parser: ArgumentParser) -> None:
        change = parser.add_mutually_exclusive_group(required=True)
        change.add_argument(
            "--add",
            metavar="MEMBER",
            type=read_member,
            help="a running member, best with an empty data folder",
        )
        change.add_argument(
            "--remove", metavar="MEMBER", type=read_member, help="a member, dead or alive"
        )
        change.add_argument(
            "--only-left",
            metavar="MEMBER",
            type=read_member,
            help="force a set of this member alone, when all others are gone for good; what only "
            "they had is lost. Without --yes it changes nothing, and says when the member was last "
            "written to and what is known of the others",
        )
        parser.add_argument(
            "--gone",
            metavar="MEMBER",
            type=read_member,
            action="append",
            default=[],
            help="another member that is gone for good, although it is only silent: its name has "
            "an address, and nothing there refuses connections (with --only-left; may be repeated)",
        )
        parser.add_argument("--yes", action="store_true", help="do it (with --only-left)")

    def handle(self, *args: Any, **options: Any) -> None:
        access = {
            "uri": settings.MONGODB_URI,
            "admin_password": settings.MONGODB_ADMIN_PASSWORD,
        }
        if options["gone"] and not options["only_left"]:
            raise CommandError("Give --gone only with --only-left; --remove does not need it.")
        try:
            if name := options["add"]:
                changes.add_member(name, **access)
                said = f"{name} is added; it counts once it has copied everything."
            elif name := options["remove"]:
                changes.remove_member(name, **access)
                said = f"{name} is removed."
            elif options["yes"]:
                name = options["only_left"]
                changes.keep_last(name, given_up=options["gone"], **access)
                said = f"{name} is the primary of a set of its own."
            else:
                name = options["only_left"]
                last = changes.look_at_last(name, given_up=options["gone"], **access)
                for other in last.others:
                    self.stdout.write(str(other))
                if last.refusal:
                    raise CommandError(last.refusal)
                said = (
                    f"{name} has everything written until {last.written_at:%Y-%m-%dT%H:%M:%SZ}. "
                    "Nothing was changed; give --yes to go on with it alone."
                )
        except ReplicaSetError as error:
            raise CommandError(str(error)) from error
        self.stdout.write(said)
