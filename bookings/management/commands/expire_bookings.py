from typing import Any

from django.core.management.base import BaseCommand, CommandError

from bookings.infrastructure.quantities import quantity
from bookings.operations import sweep


class Command(BaseCommand):
    help = (
        "Expires holds that ran out, as beat's task does; for cron, or by hand. Safe to repeat, "
        "to stop, and to run beside beat."
    )

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            done = sweep.expire_holds()
        except KeyboardInterrupt:
            raise CommandError(
                "Stopped; what was expired stays expired, and the next run does the rest.",
                returncode=130,
            ) from None
        self.stdout.write(
            f"Found {quantity(done.found, 'dead hold')}: expired {done.expired}, "
            f"lost {done.races_lost} to other processes; "
            f"the oldest had been dead for {done.oldest_age_s:.0f} s"
            + (f"; {done.failed} cannot be expired, see manage.py doctor" if done.failed else "")
            + ("." if done.is_complete else ", and more are left: run this again.")
        )
