"""Says on which days a category is sold, at what price, and for which stays.

`Calendar.obstacles` is the one rule behind search, pages, admin and booking: it alone decides why a
stay cannot be sold. Whether a room is free is a separate question.
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
    """One day of a category. `price` is in minor units; the other fields restrict stays.

    As hotels use the term, `min_stay` applies to stays that arrive on this day. Being closed to
    departure applies to stays that leave on it.
    """

    price: int
    is_closed: bool = False
    min_stay: int = 1
    is_closed_to_arrival: bool = False
    is_closed_to_departure: bool = False


@dataclass(frozen=True)
class Obstacle:
    """One reason why a stay is not available, with the days concerned and their minimum stay."""

    code: str
    message: str
    days: tuple[date, ...]
    min_stay: int | None = None


@dataclass(frozen=True)
class Calendar:
    """The days of a category that were read (see `read_calendars`)."""

    category: CategoryFacts
    days: dict[date, CalendarNight]

    def night(self, day: date) -> CalendarNight | None:
        """The day as it is sold; None if it is not for sale."""
        night = self.days.get(day)
        if night is None and self.category.sell_by_default:
            night = CalendarNight(self.category.default_price)
        return None if night is None or night.is_closed else night

    def list_price(self, day: date) -> int:
        """The day's price, even if it is not for sale: staff may book it all the same."""
        night = self.days.get(day)
        return night.price if night else self.category.default_price

    def amounts(self, check_in: date, check_out: date) -> tuple[tuple[date, int], ...] | None:
        """The price of each night of the stay; None if any night is not for sale."""
        nights = [(day, self.night(day)) for day in nights_between(check_in, check_out)]
        amounts = tuple((day, night.price) for day, night in nights if night)
        return amounts if len(amounts) == len(nights) else None

    def obstacles(self, check_in: date, check_out: date) -> list[Obstacle]:
        """Why this category cannot be sold for this stay; empty if it can."""
        found = []
        length = (check_out - check_in).days
        closed = [day for day in nights_between(check_in, check_out) if self.night(day) is None]
        if closed:
            message = f"Not for sale on {describe_days(closed)}."
            found.append(Obstacle(CLOSED, message, tuple(closed)))
        # `night` is None for a closed day, but its other restrictions still count, so the stored
        # days are read.
        arrival, departure = self.days.get(check_in), self.days.get(check_out)
        if arrival and arrival.min_stay > length:
            message = f"Minimum stay from {check_in}: {arrival.min_stay} nights."
            found.append(Obstacle(MIN_STAY, message, (check_in,), arrival.min_stay))
        if arrival and arrival.is_closed_to_arrival:
            message = f"Check-in is not possible on {check_in}."
            found.append(Obstacle(CLOSED_TO_ARRIVAL, message, (check_in,)))
        if departure and departure.is_closed_to_departure:
            message = f"Check-out is not possible on {check_out}."
            found.append(Obstacle(CLOSED_TO_DEPARTURE, message, (check_out,)))
        return found


def read_calendars(
    categories: Iterable[CategoryFacts], first: date, last: date
) -> dict[str, Calendar]:
    """The calendar of each category from `first` to `last`, both included, by the category's id.

    For a stay, `last` is the day of check-out, since it may be closed to departure.
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
    """`2027-02-15, 2027-03-01 to 2027-03-04`: a run of consecutive days is named by its ends."""
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
