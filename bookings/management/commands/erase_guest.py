import sys
from argparse import ArgumentParser
from typing import Any

from django.core.exceptions import ValidationError
from django.core.management.base import BaseCommand, CommandError

from bookings.infrastructure.quantities import quantity
from bookings.people import erasure
from bookings.people.erasure import ErasureRefused, Traces


class Command(BaseCommand):
    help = (
        "Erases everything that identifies a guest: name, address, telephone, notes and staff's "
        "reasons in their bookings, their account, letters and sessions. The bookings stay. "
        "Without --yes it only says what it would erase. Safe to repeat; a second run erases what "
        "requests wrote during the first. It cannot be undone. Backups keep the data until they "
        "are removed."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument(
            "address",
            metavar="ADDRESS",
            help="the guest's e-mail address; - reads it from standard input, so that no shell "
            "remembers it",
        )
        parser.add_argument(
            "--including-upcoming",
            action="store_true",
            help="also in stays that have not ended; the hotel then does not know who is coming",
        )
        parser.add_argument("--yes", action="store_true", help="do it")

    def handle(self, *args: Any, **options: Any) -> None:
        address = options["address"]
        if address == "-":
            address = sys.stdin.readline().strip()
        act = erasure.erase_guest if options["yes"] else erasure.find_traces
        try:
            traces = act(address, including_upcoming=options["including_upcoming"])
        except ValidationError as error:
            raise CommandError(" ".join(error.messages)) from error
        except ErasureRefused as error:
            way_out = (
                " Cancel them, wait until they end, or give --including-upcoming."
                if error.is_upcoming
                else ""
            )
            raise CommandError(f"{error}{way_out} Nothing was changed.") from error
        except KeyboardInterrupt:
            raise CommandError(
                "Stopped; what was erased stays erased, and the same command does the rest.",
                returncode=130,
            ) from None
        if not traces:
            self.stdout.write("Nothing is known of this address.")
            return
        found = _describe(traces)
        if not options["yes"]:
            self.stdout.write(f"Found: {found}. Nothing was changed; give --yes to erase it.")
            return
        self.stdout.write(f"Erased: {found}. Backups keep it until they are removed.")
        if not traces.redis_answers:
            self.stdout.write(
                "Redis does not answer; digests of the guest's requests end there within a day."
            )


def _describe(traces: Traces) -> str:
    return (
        f"{quantity(traces.bookings, 'booking')}, {quantity(traces.accounts, 'account')}, "
        f"{quantity(traces.letters, 'letter')}, {quantity(traces.sessions, 'session')}"
    )
