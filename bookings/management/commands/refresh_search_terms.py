from typing import Any

from django.core.management.base import BaseCommand, CommandError

from bookings.infrastructure.quantities import quantity
from bookings.stays.writing import guest_details


class Command(BaseCommand):
    help = (
        "Corrects the search terms of each booking whose terms are not those of its guest. "
        "Safe to repeat and to stop."
    )

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            changed = guest_details.refresh_search_terms()
        except KeyboardInterrupt:
            raise CommandError(
                "Stopped; what was written stays written, and the same command does the rest.",
                returncode=130,
            ) from None
        self.stdout.write(
            f"Corrected the terms of {quantity(changed, 'booking')}; all others were right."
        )
