from typing import Any

from django.core.management.base import BaseCommand, CommandError

from bookings.stays.writing import guest_details


class Command(BaseCommand):
    help = (
        "Makes the terms by which each booking is found those of its guest, where they are not. "
        "Safe to repeat and to stop."
    )

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            changed = guest_details.refresh_search_terms()
        except KeyboardInterrupt:
            raise CommandError(
                "Stopped; what was written stays so, and the same command does the rest.",
                returncode=130,
            ) from None
        self.stdout.write(f"Wrote the terms of {changed} bookings; those of the others were right.")
