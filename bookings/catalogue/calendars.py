"""On which days a category is sold, for how much, and for which stays.

The one rule behind search, pages, admin and booking: `Calendar.obstacles` says why a stay
cannot be sold, and nothing else decides it. Whether a room is free is another question.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any

from bookings.catalogue.inventory import CategoryFacts
from bookings.domain.booking import nights_between
from bookings.infrastructure.connections import collection

CLOSED = "CLOSED"
MIN_STAY = "MIN_STAY"
CLOSED_TO_ARRIVAL = "CLOSED_TO_ARRIVAL"
CLOSED_TO_DEPARTURE = "CLOSED_TO_DEPARTURE"


@dataclass(frozen=True)
class CalendarNight:
    """One day of a category. `price` is in minor units; the rest restricts stays.

    `min_stay` binds stays that arrive on this day, as hotels mean it; being closed to
    departure binds stays that leave on it.
    """

    price: int
    is_closed: bool = False
    min_stay: int = 1
    is_closed_to_arrival: bool = False
    is_closed_to_departure: bool = False


@dataclass(frozen=True)
class Obstacle:
    """One reason why a stay cannot be had, the days it is about, and what they allow at least."""

    code: str
    message: str
    days: tuple[date, ...]
    min_stay: int | None = None


@dataclass(frozen=True)
class Calendar:
    """A category's days, as far as they were read (see `read_calendars`)."""

    category: CategoryFacts
    days: dict[date, CalendarNight]

    def night(self, day: date) -> CalendarNight | None:
        """The day as it is sold; None where it is not for sale at all."""
        night = self.days.get(day)
        if night is None and self.category.sell_by_default:
            night = CalendarNight(self.category.default_price)
        return None if night is None or night.is_closed else night

    def list_price(self, day: date) -> int:
        """What the day costs, also where it is not for sale: for staff, who may give it away."""
        night = self.days.get(day)
        return night.price if night else self.category.default_price

    def amounts(self, check_in: date, check_out: date) -> tuple[tuple[date, int], ...] | None:
        """What each night of the stay costs; None if one of them is not for sale."""
        nights = [(day, self.night(day)) for day in nights_between(check_in, check_out)]
        amounts = tuple((day, night.price) for day, night in nights if night)
        return amounts if len(amounts) == len(nights) else None

    def obstacles(self, check_in: date, check_out: date) -> list[Obstacle]:
        """Why this category cannot be sold for this stay; empty where it can."""
        found = []
        length = (check_out - check_in).days
        closed = [day for day in nights_between(check_in, check_out) if self.night(day) is None]
        if closed:
            message = f"Not for sale on {describe_days(closed)}."
            found.append(Obstacle(CLOSED, message, tuple(closed)))
        # What a closed day restricts besides counts no more, so the stored days are asked.
        arrival, departure = self.days.get(check_in), self.days.get(check_out)
        if arrival and arrival.min_stay > length:
            message = f"A stay from {check_in} has at least {arrival.min_stay} nights."
            found.append(Obstacle(MIN_STAY, message, (check_in,), arrival.min_stay))
        if arrival and arrival.is_closed_to_arrival:
            message = f"No stay can begin on {check_in}."
            found.append(Obstacle(CLOSED_TO_ARRIVAL, message, (check_in,)))
        if departure and departure.is_closed_to_departure:
            message = f"No stay can end on {check_out}."
            found.append(Obstacle(CLOSED_TO_DEPARTURE, message, (check_out,)))
        return found


def read_calendars(
    categories: Iterable[CategoryFacts], first: date, last: date
) -> dict[str, Calendar]:
    """The calendar of each category from `first` to `last`, both included, by its id.

    For a stay `last` is the day of check-out, which may be closed to departure.
    """
    by_id = {category.id: category for category in categories}
    days: dict[str, dict[date, CalendarNight]] = {category_id: {} for category_id in by_id}
    for night in collection("nights").find(
        {
            "category_id": {"$in": list(by_id)},
            "date": {"$gte": first.isoformat(), "$lte": last.isoformat()},
        }
    ):
        day, facts = night_of(night)
        days[night["category_id"]][day] = facts
    return {category_id: Calendar(by_id[category_id], days[category_id]) for category_id in by_id}


def describe_days(days: Iterable[date]) -> str:
    """`2027-02-15, 2027-03-01 to 2027-03-04`: runs of days in a row are named by their ends."""
    runs: list[list[date]] = []
    for day in sorted(days):
        if runs and day - runs[-1][-1] == timedelta(days=1):
            runs[-1].append(day)
        else:
            runs.append([day])
    return ", ".join(f"{run[0]} to {run[-1]}" if len(run) > 1 else f"{run[0]}" for run in runs)


def night_of(document: dict[str, Any]) -> tuple[date, CalendarNight]:
    """The day and the facts in a document of `nights`."""
    return date.fromisoformat(document["date"]), CalendarNight(
        price=document["price"],
        is_closed=document["closed"],
        min_stay=document["min_stay"],
        is_closed_to_arrival=document["closed_to_arrival"],
        is_closed_to_departure=document["closed_to_departure"],
    )
