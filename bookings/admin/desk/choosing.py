"""Reads the URL parameters of the desk's pages: a hotel, a day, a number of days."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, timedelta

from django.contrib import messages
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import reverse
from django.utils.http import url_has_allowed_host_and_scheme

from bookings.admin.own_hotels import list_recent_own
from bookings.catalogue.inventory import HORIZON_DAYS, HotelFacts
from bookings.infrastructure.recent_reads import hear_of_changes
from bookings.people.chosen_hotel import choose_hotel

# How many days the grid shows: a week, two, or a month.
LENGTHS = (7, 14, 31)
USUAL_LENGTH = 14

# How far from today the pages can look; no booking is further ahead.
_AROUND = timedelta(days=HORIZON_DAYS + LENGTHS[-1])


@dataclass(frozen=True)
class Choice:
    """One of the user's hotels, and a day there. Without a valid choice, it is the hotel chosen
    before, or else the first by name, and its own today, which at the desk lasts until the end of
    day."""

    hotels: tuple[HotelFacts, ...]
    hotel: HotelFacts
    today: date
    day: date


def read_choice(request: HttpRequest, *, day_field: str) -> Choice | None:
    """What was chosen among the user's hotels; None if there are none. The page says so if
    another hotel was asked for in vain."""
    hear_of_changes()
    hotels = tuple(list_recent_own(request))
    hotel = choose_or_say(request, hotels, request.GET.get("hotel", ""))
    if hotel is None:
        return None
    today = hotel.desk_day()
    return Choice(hotels, hotel, today, read_day(request.GET.get(day_field, ""), today) or today)


def choose_or_say(
    request: HttpRequest, hotels: Sequence[HotelFacts], wanted: str
) -> HotelFacts | None:
    """The wanted one of the user's hotels, or else the one chosen before, or else the first; None
    if there are none. The page says so if another hotel was asked for in vain."""
    shown = choose_hotel(request, hotels, wanted)
    if shown is None:
        return None
    if shown.fault:
        messages.warning(request, shown.fault)
    return shown.hotel


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


def is_number(text: str) -> bool:
    """Whether the text is a number of up to nine digits."""
    return text.isascii() and text.isdigit() and len(text) < 10


def read_shift(text: str) -> int:
    """The number of days in the text, forwards or, with a minus, back; 0 if it is none, or so many
    that no booking is there."""
    days = int(text) if is_number(text.removeprefix("-")) else 0
    return days if abs(days) <= _AROUND.days else 0


def back_to_calendar(request: HttpRequest) -> HttpResponse | None:
    """The redirect to the calendar that the form was sent from, as it was shown; None if the form
    was sent from elsewhere."""
    back = request.POST.get("back", "")
    calendar = reverse("desk:occupancy")
    if back.partition("?")[0] != calendar or not url_has_allowed_host_and_scheme(back, None):
        return None
    return HttpResponseRedirect(back)
