import sys
from argparse import ArgumentParser
from datetime import date
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from tqdm import tqdm

from bookings.catalogue import nights
from bookings.catalogue.nights import ALLOW_FREE, WEEKDAYS, Progress
from bookings.domain.stay_request import ID, parse_date
from bookings.refusals import ValidationFailed


class Command(BaseCommand):
    help = (
        "Makes the nights of all categories of a hotel in the sellable calendar. "
        "Safe to stop and to repeat: existing nights stay as they are."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--hotel", required=True, metavar="H", help="the hotel's id")
        parser.add_argument("--start", required=True, metavar="D", help="first night, YYYY-MM-DD")
        parser.add_argument(
            "--end", required=True, metavar="D", help="last night, YYYY-MM-DD, included"
        )
        parser.add_argument("--exclude-end", action="store_true", help="stop the night before")
        parser.add_argument(
            "--price",
            metavar="P",
            help="in minor units (cents); by default each category's own default price",
        )
        parser.add_argument(
            "--weekdays",
            default=",".join(WEEKDAYS),
            metavar="mon,tue,...",
            help="only the nights of these weekdays",
        )
        parser.add_argument(
            "--overwrite",
            action="store_true",
            help="also set the price of existing nights; their other rules, such as closed or "
            "minimum stay, remain",
        )
        parser.add_argument(
            "--allow-free", action="store_true", help="also make nights whose price is 0"
        )

    def handle(self, *args: Any, **options: Any) -> None:
        hotel = options["hotel"]
        if not ID.fullmatch(hotel):
            raise CommandError("There is no such hotel; its id is in the admin's list.")
        wish = {
            "hotel_id": hotel,
            "start": _date(options, "start"),
            "end": _date(options, "end"),
            "exclude_end": options["exclude_end"],
            "price": _price(options["price"]),
            "weekdays": {name.strip().lower() for name in options["weekdays"].split(",")},
            "overwrite": options["overwrite"],
            "allow_free": options["allow_free"],
        }
        with tqdm(
            unit=" nights",
            file=sys.stderr,
            disable=None,  # shows it on a terminal only
            leave=False,
            mininterval=0,  # a hotel has few enough categories to show each
        ) as bar:

            def show(progress: Progress) -> None:
                bar.total = progress.total
                bar.update(progress.done - bar.n)

            try:
                result = nights.generate_nights(**wish, on_progress=show)
            except ValidationFailed as refusal:
                texts = [
                    f"{fault.message} Give --allow-free if you mean it."
                    if fault.field == ALLOW_FREE
                    else fault.message
                    for fault in refusal.faults
                ]
                raise CommandError(" ".join(texts)) from refusal
            except KeyboardInterrupt:
                raise CommandError(
                    "Stopped; run the same command again to make what is missing.",
                    returncode=130,
                ) from None
        self.stdout.write(
            f"Nights of {hotel}: {result.made} made, {result.changed} changed, "
            f"{result.left} left as they were."
        )


def _date(options: dict[str, Any], name: str) -> date:
    day = parse_date(options[name])
    if day is None:
        raise CommandError(f"Give --{name} an existing date, written YYYY-MM-DD.")
    return day


def _price(text: str | None) -> int | None:
    if text is None:
        return None
    if not (text.isascii() and text.isdigit()):
        raise CommandError("Give --price a whole number of minor units (cents).")
    return int(text[:20])  # any longer number is too large as well
