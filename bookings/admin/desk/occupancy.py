"""The calendar: a hotel's rooms and dates, with bookings as bars."""

from datetime import timedelta
from functools import partial
from urllib.parse import urlencode

from django.http import HttpRequest, HttpResponse
from django.urls import reverse

from bookings.admin.desk.access import BOOK, LOOK, desk_page, may_any, show
from bookings.admin.desk.cells import DeskUrls, render_nights, render_rows
from bookings.admin.desk.choosing import LENGTHS, read_choice, read_length
from bookings.admin.desk.grid import LOOKS, lay_out
from bookings.availability import occupancy
from bookings.catalogue import inventory
from bookings.domain.booking import nights_between
from bookings.infrastructure import clock
from bookings.infrastructure.compression import compress


@desk_page(LOOK)
def show_occupancy(request: HttpRequest) -> HttpResponse:
    """Shows `days` nights from the day `start` on."""
    choice = read_choice(request, day_field="start")
    if choice is None:
        return show(request, "occupancy.html", "Calendar", choice=None)
    length = read_length(request.GET.get("days", ""))
    first, end = choice.day, choice.day + timedelta(days=length)
    sections = lay_out(
        inventory.recent_house(choice.hotel.id),
        occupancy.list_occupants(choice.hotel.id, first, end),
        first,
        end,
        today=choice.today,
        now=clock.now(),
    )
    see_blocks = may_any(request, ("bookings.view_roomblock", "bookings.change_roomblock"))
    urls = DeskUrls(
        bookings=reverse("admin:bookings_bookingrecord_changelist"),
        blocks=reverse("admin:bookings_roomblock_changelist") if see_blocks else "",
        add=reverse("admin:bookings_bookingrecord_add") if may_any(request, BOOK) else "",
    )
    steps = [
        (label, "?" + urlencode({"hotel": choice.hotel.id, "start": start, "days": length}))
        for label, start in (
            (f"Previous {length} days", first - timedelta(days=length)),
            ("Today", choice.today),
            (f"Next {length} days", end),
        )
    ]
    page = show(
        request,
        "occupancy.html",
        "Calendar",
        choice=choice,
        length=length,
        lengths=LENGTHS,
        first=first,
        last=end - timedelta(days=1),
        nights=render_nights(list(nights_between(first, end)), choice.today),
        sections=[(section.category, render_rows(section.rows, urls)) for section in sections],
        steps=steps,
        looks=LOOKS.items(),
    )
    # 300 KB for a month of sixty rooms, and nothing in it is from the request but valid choices.
    page.add_post_render_callback(partial(compress, request))
    return page
