import sys
from typing import Any

from django.core.management.base import BaseCommand

from bookings.operations import doctor


class Command(BaseCommand):
    help = (
        "Checks MongoDB, Redis, worker, beat and every booking, and changes nothing. Prints a line "
        "for each check: ok, warn (bookings are right, something else is not) or FAIL, then the "
        "finding and what to do. Exit status 0 if nothing FAILs, else 1."
    )
    # Django's checks of settings run at start; this command reports everything else by itself.
    requires_system_checks = []

    def handle(self, *args: Any, **options: Any) -> None:
        failed = False
        for name, finding in doctor.examine():
            self.stdout.write(f"{finding.level:<4}  {name}: {finding.text}")
            self.stdout.flush()
            failed = failed or finding.level == "FAIL"
        if failed:
            sys.exit(1)
