"""The page that shows which rooms are free for a stay, with links to the booking form."""

from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any
from urllib.parse import urlencode

from django.http import HttpRequest, HttpResponse

from bookings.admin.desk.access import BLOCK_ROOMS, BOOK, desk_page, may_any, show
from bookings.admin.desk.choosing import read_choice, read_day
from bookings.availability.search import CategoryStay, find_stays
from bookings.domain.money import format_money
from bookings.domain.stay_request import MAX_GUESTS
from bookings.infrastructure.quantities import quantity
from bookings.presentation.days import stay_text, with_days_in_words
from bookings.refusals import ValidationFailed

Link = tuple[str, str]


@dataclass(frozen=True)
class CategoryLine:
    """A category for the stay: links that book it, or why it cannot be booked, and other dates.
    Links are (text, query); a room has one more query, which blocks it."""

    name: str
    price: str
    any_room: str
    rooms: tuple[tuple[str, str, str], ...]
    why_not: str
    instead: tuple[Link, ...]


@desk_page(BOOK)
def show_rooms(request: HttpRequest) -> HttpResponse:
    """Shows a hotel's free rooms for some nights and a number of guests in each room."""
    choice = read_choice(request, day_field="check_in")
    if choice is None:
        return show(request, "rooms.html", "Free rooms", choice=None)
    check_in = choice.day
    check_out = read_day(request.GET.get("check_out", ""), choice.today)
    check_out = check_out or check_in + timedelta(days=1)
    asked = request.GET.get("guests", "")
    guests = int(asked) if asked in map(str, range(1, MAX_GUESTS + 1)) else 1
    fault = ""
    stays: list[CategoryStay] = []
    try:
        stays = find_stays(
            hotel_id=choice.hotel.id,
            check_in=check_in,
            check_out=check_out,
            guests=guests,
            at_desk=True,
        )
    except ValidationFailed as refusal:
        fault = with_days_in_words(" ".join(fault.message for fault in refusal.faults))

    def query(first: date, end: date, **more: Any) -> str:
        dates = {"check_in": first.isoformat(), "check_out": end.isoformat()}
        return urlencode({"hotel": choice.hotel.id, **dates, "guests": guests, **more})

    def line_of(stay: CategoryStay) -> CategoryLine:
        return CategoryLine(
            name=stay.category.name,
            price=format_money(stay.price.total, stay.price.currency) if stay.price else "",
            any_room=query(check_in, check_out, category=stay.category.id),
            rooms=tuple(
                (
                    room.name,
                    query(check_in, check_out, room=room.id),
                    urlencode({"rooms": room.id, "first": check_in, "end": check_out}),
                )
                for room in stay.free
            ),
            why_not=with_days_in_words(" ".join(each.message for each in stay.obstacles)),
            instead=tuple(
                (_describe_dates(first, end, check_in, check_out), query(first, end))
                for first, end in stay.nearest
            ),
        )

    return show(
        request,
        "rooms.html",
        "Free rooms",
        choice=choice,
        check_out=check_out,
        guests=guests,
        fault=fault,
        lines=[line_of(stay) for stay in stays],
        may_block=may_any(request, BLOCK_ROOMS),
    )


def _describe_dates(first: date, end: date, check_in: date, check_out: date) -> str:
    """The dates of a stay that can be booked, with its length if that is not what was asked for."""
    nights = (end - first).days
    if nights == (check_out - check_in).days:
        return stay_text(first, end)
    return f"{stay_text(first, end)} ({quantity(nights, 'night')})"
