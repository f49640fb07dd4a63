"""Reads the URL parameters of the desk's pages: a hotel, a day, a number of days."""

from dataclasses import dataclass
from datetime import date, timedelta

from django.http import HttpRequest

from bookings.admin.own_hotels import list_recent_own
from bookings.catalogue.inventory import HORIZON_DAYS, HotelFacts
from bookings.infrastructure.recent_reads import hear_of_changes

# How many days the grid shows: a week, two, or a month.
LENGTHS = (7, 14, 31)
USUAL_LENGTH = 14

# How far from today the pages can look; no booking is further ahead.
_AROUND = timedelta(days=HORIZON_DAYS + LENGTHS[-1])


@dataclass(frozen=True)
class Choice:
    """One of the user's hotels, and a day there. Without a valid choice, it is the first hotel by
    name and its own today, which at the desk lasts until the end of day."""

    hotels: tuple[HotelFacts, ...]
    hotel: HotelFacts
    today: date
    day: date


def read_choice(request: HttpRequest, *, day_field: str) -> Choice | None:
    """What was chosen among the user's hotels; None if there are none."""
    hear_of_changes()
    hotels = tuple(list_recent_own(request))
    if not hotels:
        return None
    wanted = request.GET.get("hotel", "")
    hotel = next((hotel for hotel in hotels if hotel.id == wanted), hotels[0])
    today = hotel.desk_day()
    return Choice(hotels, hotel, today, read_day(request.GET.get(day_field, ""), today) or today)


def read_day(text: str, today: date) -> date | None:
    """The day in the text; None if it is no day, or too far from today to have bookings."""
    try:
        day = date.fromisoformat(text)
    except ValueError:
        return None
    return day if abs(day - today) <= _AROUND else None


def read_length(text: str) -> int:
    """The number of days in the text, if it is one of LENGTHS; the usual number otherwise."""
    return int(text) if text in map(str, LENGTHS) else USUAL_LENGTH
