"""The calendar: a hotel's rooms and dates, with bookings as bars, and where its cells lead."""

from datetime import timedelta
from functools import partial
from urllib.parse import urlencode

from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import render
from django.urls import reverse

from bookings.admin.desk.access import ACT, BLOCK_ROOMS, BOOK, LOOK, desk_page, may_any, show
from bookings.admin.desk.cells import VERB_ID, MayDo, render_nights, render_sections
from bookings.admin.desk.choosing import LENGTHS, read_choice, read_length
from bookings.admin.desk.grid import LOOKS, MOVABLE_LOOKS, lay_out, look_of, minutes_left
from bookings.admin.own_hotels import own_hotels
from bookings.availability import occupancy
from bookings.catalogue import inventory
from bookings.domain.booking import BLOCK, Booking, nights_between
from bookings.domain.money import format_money
from bookings.infrastructure import clock
from bookings.infrastructure.compression import compress
from bookings.infrastructure.quantities import quantity
from bookings.presentation.days import stay_text
from bookings.stays import queries

SEE_BLOCKS = ("bookings.view_roomblock", "bookings.change_roomblock")


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
    may = MayDo(
        open_blocks=may_any(request, SEE_BLOCKS),
        move=may_any(request, ACT),
        book=may_any(request, BOOK),
        block=may_any(request, BLOCK_ROOMS),
    )
    steps = [
        (key, label, "?" + urlencode({"hotel": choice.hotel.id, "start": start, "days": length}))
        for key, label, start in (
            ("PageUp", f"Previous {length} days", first - timedelta(days=length)),
            ("t", "Today", choice.today),
            ("PageDown", f"Next {length} days", end),
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
        sections=render_sections(sections, may),
        may=may,
        verb_id=VERB_ID,
        steps=steps,
        looks=LOOKS.items(),
    )
    # 170 KB for a month of sixty rooms, and nothing in it is from the request but valid choices.
    page.add_post_render_callback(partial(compress, request))
    return page


@desk_page(LOOK)
def open_bar(request: HttpRequest, booking_id: str) -> HttpResponse:
    """Leads to the page of the booking or block."""
    booking = _find(request, booking_id)
    return HttpResponseRedirect(reverse(_page_of(booking, "change"), args=[booking.id]))


@desk_page(LOOK)
def describe_bar(request: HttpRequest, booking_id: str) -> HttpResponse:
    """The booking or block in short: a piece of HTML that the grid shows beside its bar."""
    booking = _find(request, booking_id)
    now = clock.now()
    look = look_of(booking, now)
    names = inventory.room_names(booking.room_ids)
    until = booking.released_from or booking.check_out
    nights = quantity((until - booking.check_in).days, "night")
    facts = [
        ("Nights", f"{stay_text(booking.check_in, until)}, {nights}"),
        ("Rooms", ", ".join(names.get(room, room) for room in booking.room_ids)),
    ]
    if booking.kind == BLOCK:
        facts.append(("Reason", booking.notes))
    else:
        facts += [
            ("Guests", str(booking.guests)),
            ("Price", format_money(booking.price.total, booking.price.currency)),
            ("Telephone", booking.guest.phone),
            ("Notes", booking.notes),
        ]
    if look == "held" and booking.expires_at:
        left = quantity(minutes_left(booking.expires_at, now), "minute")
        facts.append(("Held for", f"{left} more"))
    context = {
        "booking": booking,
        "name": booking.guest.name or booking.reference,
        "look": look,
        "state": LOOKS[look],
        "facts": [(label, text) for label, text in facts if text],
        "change": _page_of(booking, "change"),
        "may_move": may_any(request, ACT) and look in MOVABLE_LOOKS,
    }
    return render(request, "admin/desk/bar_details.html", context)


@desk_page((*BOOK, *BLOCK_ROOMS))
def open_night(request: HttpRequest, room_id: str, night: str) -> HttpResponse:
    """Leads to the form that books the room from this night on or, without the right to book, to
    the one that blocks it. The forms judge room and night."""
    if may_any(request, BOOK):
        url = reverse("admin:bookings_bookingrecord_add")
        query = {"room": room_id, "check_in": night}
    else:
        url = reverse("admin:bookings_roomblock_add")
        query = {"rooms": room_id, "first": night}
    return HttpResponseRedirect(f"{url}?{urlencode(query)}")


def _find(request: HttpRequest, booking_id: str) -> Booking:
    """The booking or block at one of the user's hotels. Raises Http404."""
    booking = queries.find_booking(booking_id, hotels=own_hotels(request))
    if booking is None or (booking.kind == BLOCK and not may_any(request, SEE_BLOCKS)):
        raise Http404
    return booking


def _page_of(booking: Booking, action: str) -> str:
    model = "roomblock" if booking.kind == BLOCK else "bookingrecord"
    return f"admin:bookings_{model}_{action}"
