"""The page of a day: what there is to do at the desk, in lists, and what is done."""

import re
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any
from urllib.parse import urlencode

from bson import ObjectId
from django.contrib import admin, messages
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.loader import render_to_string
from django.urls import reverse
from django.utils.html import format_html
from django.utils.http import url_has_allowed_host_and_scheme
from django.views.decorators.http import require_POST

from bookings.admin.desk.access import ACT, LOOK, desk_page, may_any, show
from bookings.admin.desk.choosing import read_choice
from bookings.admin.desk.marks import BUTTONS, PRESENCE_LABELS, mark_buttons, night_to_release
from bookings.admin.desk.still_there import StillThere, tell_still_there
from bookings.admin.forms import MESSAGES, new_key
from bookings.admin.own_hotels import own_hotels
from bookings.admin.records import staff
from bookings.admin.staff_requests import StaffRequest
from bookings.availability.occupancy import Occupant
from bookings.catalogue import inventory
from bookings.domain.booking import CHECKED_IN, CHECKED_OUT, CONFIRMED, EXPECTED, STAY, Booking
from bookings.front_desk import marks
from bookings.front_desk.days import (
    DONE,
    find_who_has_not_left,
    has_not_left,
    is_overdue,
    list_around,
    sort_stays,
)
from bookings.infrastructure import clock
from bookings.models import BookingRecord
from bookings.presentation.days import day_text, with_days_in_words
from bookings.refusals import Refusal
from bookings.stays import queries, remarks
from bookings.stays.outcomes import Outcome


@dataclass(frozen=True)
class Line:
    """A stay with the marks that can be set on it now, as (mark, button). By `key`, each acts once.

    The first mark is the row's main button. `releasable` is the first night to sell again if the
    stay is marked as a no-show. `still_there` are the guests who have not left an arrival's rooms.
    """

    stay: Occupant
    rooms: str
    presence: str
    # What colleagues wrote for each other.
    remarks: tuple[str, ...]
    nights_left: int
    is_overdue: bool
    still_there: tuple[StillThere, ...]
    call: str
    buttons: tuple[tuple[str, str], ...]
    releasable: date | None
    key: str

    @property
    def main(self) -> tuple[tuple[str, str], ...]:
        """The button that staff press most, if there is one."""
        return self.buttons[:1]

    @property
    def more(self) -> tuple[tuple[str, str], ...]:
        """The other buttons."""
        return self.buttons[1:]


@desk_page(LOOK)
def show_today(request: HttpRequest) -> HttpResponse:
    """Shows a day of a hotel: its own today if no other day is chosen."""
    choice = read_choice(request, day_field="day")
    if choice is None:
        return show(request, "today.html", "Today", choice=None)
    day, now = choice.day, clock.now()
    around = list_around(choice.hotel, day)
    stays = [stay for stay in around if stay.kind == STAY and stay.status_at(now) == CONFIRMED]
    names = inventory.room_names(room for stay in stays for room in stay.rooms)
    written = remarks.list_remarks(ObjectId(stay.id) for stay in stays)
    may_act = may_any(request, ACT)
    clock_day = clock.today(choice.hotel.time_zone)
    # Of another day it is not known who will have left.
    others = [stay for stay in stays if day == choice.today and has_not_left(stay, clock_day)]

    def line_of(stay: Occupant) -> Line:
        buttons = mark_buttons(stay, CONFIRMED, clock_day) if may_act else ()
        return Line(
            stay=stay,
            rooms=", ".join(names.get(room, room) for room in stay.rooms),
            presence=PRESENCE_LABELS[stay.presence],
            remarks=tuple(
                each.text for each in written.get(ObjectId(stay.id), ()) if not each.is_deleted
            ),
            nights_left=max(0, (stay.check_out - max(day, stay.check_in)).days),
            is_overdue=is_overdue(stay, day, choice.today),
            still_there=tell_still_there(stay.rooms, others, names)
            if stay.presence == EXPECTED
            else (),
            call=_call_of(stay.guest_phone),
            buttons=buttons,
            releasable=night_to_release(stay, buttons, choice.today),
            key=new_key(),
        )

    def url(of: date) -> str:
        return "?" + urlencode({"hotel": choice.hotel.id, "day": of.isoformat()})

    return show(
        request,
        "today.html",
        f"{'Today' if day == choice.today else 'A day'} at {choice.hotel.name}",
        choice=choice,
        lists=[
            (name, sorted(map(line_of, found), key=lambda line: line.rooms))
            for name, found in sort_stays(choice.hotel, stays, day).items()
        ],
        done=DONE,
        steps=[
            ("Day before", url(day - timedelta(days=1))),
            ("Today", url(choice.today)),
            ("Day after", url(day + timedelta(days=1))),
        ],
        here=request.get_full_path(),
    )


def _call_of(phone: str) -> str:
    """The link that calls the number; "" if it has no digits."""
    number = re.sub(r"[^+0-9]", "", phone)
    return f"tel:{number}" if number.strip("+") else ""


@desk_page(ACT)
@require_POST
def mark(request: StaffRequest, booking_id: str) -> HttpResponse:
    """Sets or undoes a mark under the form's key, and redirects back to the page with the form."""
    what, key = request.POST.get("mark", ""), request.POST.get("key", "")
    booking = queries.find_booking(booking_id, hotels=own_hotels(request))
    try:
        outcome = marks.mark_stay(
            actor=staff(request),
            booking_id=booking_id,
            mark=what,
            seen=request.POST.get("seen", ""),
            release="release" in request.POST,
            # The buttons of a form share its key, but each acts separately.
            key_header=f"{what}-{key}" if key else "",
            deadline=request.deadline,
        )
    except Refusal as refusal:
        messages.error(request, _sentence_of(refusal.code, refusal.detail, refusal.extra()))
    else:
        assert booking is not None, "a booking is never deleted"
        _say(request, booking, what, outcome)
    back = request.POST.get("back", "")
    if not url_has_allowed_host_and_scheme(back, None) or not back.startswith("/"):
        back = reverse("desk:today")
    return HttpResponseRedirect(back)


def _say(request: HttpRequest, before: Booking, what: str, outcome: Outcome) -> None:
    name = _name_stay(before)
    content = outcome.content
    if outcome.code is not None:
        text = _sentence_of(outcome.code, content["error"], content)
        messages.error(request, f"{name}: {text}")
        return
    current = queries.find_booking(before.id) or before
    if outcome.replayed:
        state = current.status_at(clock.now())
        if state == CONFIRMED:
            state = PRESENCE_LABELS[current.presence]
        messages.warning(request, f"{name}: This form has already done that. It is now {state}.")
        return
    record = BookingRecord(pk=before.id, reference=before.reference)
    done = with_days_in_words(content["message"])
    admin.site.get_model_admin(BookingRecord).log_change(request, record, done)
    text = f"{name}: {done}"
    messages.success(
        request, text if what == marks.UNDO else _with_undo(request, text, before, what)
    )
    if what == CHECKED_IN:
        _say_who_is_there(request, name, current)
    if what == CHECKED_OUT and (end := _earlier_end(current)):
        messages.warning(
            request,
            format_html(
                "{}: The nights until {} are still booked. To sell them again, "
                '<a href="{}?check_out={}">move the booking to shorter dates</a>.',
                name,
                day_text(current.check_out),
                reverse("admin:bookings_bookingrecord_move", args=[current.id]),
                end,
            ),
        )


def _say_who_is_there(request: HttpRequest, name: str, booking: Booking) -> None:
    hotel = inventory.find_hotel(booking.hotel)
    found = find_who_has_not_left(hotel, booking.room_ids) if hotel else []
    # Who arrives on the day of departure has not left, either.
    others = [each for each in found if each.id != str(booking.id)]
    names = inventory.room_names(booking.room_ids) if others else {}
    for each in tell_still_there(booking.room_ids, others, names):
        messages.warning(
            request,
            format_html(
                '{}: {} is still occupied: <a href="{}">{}</a> ({}) has not checked out.',
                name,
                each.rooms,
                reverse("admin:bookings_bookingrecord_change", args=[each.guest.id]),
                each.guest.guest_name or "no name",
                each.guest.reference,
            ),
        )


def _name_stay(booking: Booking) -> str:
    """The guest and the rooms, by which the desk knows a stay, and the reference."""
    names = inventory.room_names(booking.room_ids)
    known = [booking.guest.name, *(names.get(room, room) for room in booking.room_ids)]
    return f"{', '.join(filter(None, known))} ({booking.reference})"


def _with_undo(request: HttpRequest, text: str, booking: Booking, mark: str) -> str:
    """The message with a button that takes the mark back, if it is still the newest."""
    return render_to_string(
        "admin/desk/said.html",
        {
            "text": text,
            "booking_id": booking.id,
            "buttons": [(marks.UNDO, BUTTONS[marks.UNDO])],
            "key": new_key(),
            "seen": mark,
            "whose": booking.reference,
            "back": request.POST.get("back", ""),
        },
        request,
    )


def _earlier_end(booking: Booking) -> date | None:
    """When the stay could end, if the guest left early: today, but after one night at least."""
    hotel = inventory.find_hotel(booking.hotel)
    if hotel is None:
        return None
    end = max(clock.today(hotel.time_zone), booking.check_in + timedelta(days=1))
    return end if end < booking.check_out else None


def _sentence_of(code: str, sentence: str, content: dict[str, Any]) -> str:
    """The refusal as a sentence for the desk, without names of fields and without keys."""
    if errors := content.get("errors"):
        return with_days_in_words(" ".join(error["message"] for error in errors))
    return MESSAGES.get(code, "").format(button="the button") or with_days_in_words(sentence)
