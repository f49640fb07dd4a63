"""The page of one guest: all stays together, joining them, and the guest's rights over the data."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from django.contrib import messages
from django.core.exceptions import ValidationError
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import reverse
from django.utils.crypto import constant_time_compare, salted_hmac
from django.views.decorators.http import require_http_methods, require_POST

from bookings.admin.actors import name_actors
from bookings.admin.desk.access import ACT, ERASE, LOOK, desk_page, may_any, show
from bookings.admin.desk.guests import state_of
from bookings.admin.manager.pages import note
from bookings.admin.own_hotels import list_own, name_hotels, own_hotels
from bookings.admin.records import staff
from bookings.admin.staff_requests import StaffRequest
from bookings.catalogue import inventory
from bookings.domain.booking import Booking
from bookings.domain.money import format_money
from bookings.front_desk.guest_search import find_stay_ids
from bookings.infrastructure.quantities import quantity
from bookings.infrastructure.texts import BadText, read_line
from bookings.models import BookingRecord
from bookings.people import erasure, guest_export, guest_links
from bookings.people.erasure import ErasedPerson, ErasureRefused
from bookings.people.guest_links import GuestLink, Person
from bookings.presentation.days import with_days_in_words
from bookings.refusals import ValidationFailed
from bookings.stays import queries

SEEN = "seen"

SHOWN_BEFORE = (
    "The guest’s stays have changed since this page was shown, and nothing was erased. Look at "
    "what is there now."
)
TOO_MANY = (
    "This guest has too many stays for one page. Erase one address after the other with manage.py "
    "erase_guest. Nothing was erased."
)

# The stays that a search offers to join.
MAX_OFFERED = 20


@dataclass(frozen=True)
class ShownStay:
    """A stay with what its line shows."""

    booking: Booking
    hotel: str
    rooms: str
    price: str
    state: str

    @property
    def night_count(self) -> int:
        return (self.booking.check_out - self.booking.check_in).days


@desk_page(LOOK)
def show_person(request: HttpRequest, booking_id: str) -> HttpResponse:
    """All stays of the guest who has this one; with `q`, also stays that could be joined."""
    person = _find(request, booking_id)
    typed = request.GET.get("q", "").replace("\x00", "").strip()
    names = name_actors(link.by for link in person.links)
    references = {stay.id: stay.reference for stay in person.stays}
    nights = sum((stay.check_out - stay.check_in).days for stay in person.stays)
    return show(
        request,
        "person.html",
        _name_of(person),
        booking_id=booking_id,
        is_cut=person.is_cut,
        names=person.names,
        most=guest_links.MAX_STAYS,
        count=quantity(len(person.stays), "stay"),
        nights=quantity(nights, "night"),
        stays=_shown(request, person.stays),
        links=[(link, _tell(link, references), names[link.by]) for link in person.links],
        typed=typed,
        offered=_shown(request, _offered(request, person, typed)) if typed else [],
        most_note=guest_links.MAX_NOTE,
        may_join=may_any(request, ACT),
        may_erase=may_any(request, ERASE),
    )


@desk_page(ACT)
@require_POST
def join_stays(request: StaffRequest, booking_id: str) -> HttpResponse:
    """Says that another stay is this guest's."""
    other_id = request.POST.get("other", "")
    person = _find(request, booking_id)
    try:
        why = read_line(request.POST.get("note", ""))
        is_new = guest_links.join(str(person.asked.id), other_id, note=why, by=staff(request))
    except BadText as bad:
        messages.error(request, str(bad))
    except ValidationFailed as refusal:
        text = " ".join(fault.message for fault in refusal.faults)
        messages.error(request, with_days_in_words(text))
    else:
        other = queries.find_booking(other_id)
        assert other is not None, "a booking is never deleted"
        if is_new:
            # Without the note, which may say something about the guest: the log is not erased.
            text = f"Said to be one guest’s, together with {other.reference}."
            note(request, text, about=_record_of(person))
        text = f"{person.asked.reference} and {other.reference} are joined: one guest’s stays."
        messages.success(request, text)
    return _back_to(booking_id)


@desk_page(ACT)
@require_POST
def part_stays(request: StaffRequest, booking_id: str) -> HttpResponse:
    """Takes back that two stays are one guest's."""
    person = _find(request, booking_id)
    link_id = request.POST.get("link", "")
    is_of_person = any(link.id == link_id for link in person.links)
    if is_of_person and guest_links.part(link_id, by=staff(request)):
        text = "No longer said to be one guest’s with another stay."
        note(request, text, about=_record_of(person))
        messages.success(request, "Taken back.")
    else:
        messages.warning(request, "It was taken back before.")
    return _back_to(booking_id)


@desk_page(ERASE)
@require_POST
def export_person(request: HttpRequest, booking_id: str) -> HttpResponse:
    """Sends everything that is kept of the guest, as a file of JSON."""
    person = _find(request, booking_id)
    text = f"The guest’s data was exported: {quantity(len(person.stays), 'stay')}."
    note(request, text, about=_record_of(person))
    text = json.dumps(guest_export.export_person(person), ensure_ascii=False, indent=2)
    response = HttpResponse(text, content_type="application/json; charset=utf-8")
    response["Content-Disposition"] = f'attachment; filename="guest-{person.asked.reference}.json"'
    return response


@desk_page(ERASE)
@require_http_methods(["GET", "HEAD", "POST"])
def erase_person(request: HttpRequest, booking_id: str) -> HttpResponse:
    """Says what would be erased, and erases it once that is confirmed."""
    person = _find(request, booking_id)
    including_upcoming = "upcoming" in request.POST
    fault = ""
    if request.method == "POST":
        if not constant_time_compare(request.POST.get(SEEN, ""), _digest_of(person)):
            fault = SHOWN_BEFORE
        elif person.is_cut:
            fault = TOO_MANY
        else:
            try:
                erased = erasure.erase_person(person, including_upcoming=including_upcoming)
            except ErasureRefused as refusal:
                way_out = " Cancel them, or tick the box." if refusal.is_upcoming else ""
                fault = f"{refusal}{way_out} Nothing was erased."
            except ValidationError as error:
                fault = " ".join(error.messages)
            else:
                _tell_erased(request, person, erased)
                return _back_to(booking_id)
    return show(
        request,
        "erase_person.html",
        f"Erase {_name_of(person)}",
        booking_id=booking_id,
        stays=_shown(request, person.stays),
        addresses=person.addresses,
        names=person.names,
        seen=_digest_of(person),
        fault=fault,
    )


def _tell_erased(request: HttpRequest, person: Person, erased: ErasedPerson) -> None:
    told = f"{quantity(erased.bookings, 'booking')}, {quantity(erased.accounts, 'account')}"
    note(request, f"The guest’s data was erased: {told}.", about=_record_of(person))
    messages.success(request, f"Erased: {told}. Backups keep it until they are removed.")
    if erased.left:
        left = ", ".join(erased.left)
        text = f"A colleague changed {left} meanwhile, so it still names a guest: look at it."
        messages.warning(request, text)


def _digest_of(person: Person) -> str:
    """A digest of what the page shows to be erased."""
    shown = [[str(stay.id), *vars(stay.guest).values()] for stay in person.stays]
    return salted_hmac("bookings.person", json.dumps(shown), algorithm="sha256").hexdigest()


def _offered(request: HttpRequest, person: Person, typed: str) -> list[Booking]:
    ids = find_stay_ids(
        typed, hotels=list_own(request), limit=MAX_OFFERED, only=own_hotels(request)
    )
    known = {stay.id for stay in person.stays}
    return guest_links.find_stays(set(ids) - known, hotels=own_hotels(request))


def _shown(request: HttpRequest, stays: Sequence[Booking]) -> list[ShownStay]:
    hotels = dict(name_hotels(request))
    names = inventory.room_names(room for stay in stays for room in stay.room_ids)
    return [
        ShownStay(
            booking=stay,
            hotel=hotels.get(stay.hotel, stay.hotel),
            rooms=", ".join(names.get(room, room) for room in stay.room_ids),
            price=format_money(stay.price.total, stay.price.currency),
            state=state_of(stay),
        )
        for stay in stays
    ]


def _tell(link: GuestLink, references: dict[Any, str]) -> str:
    return " and ".join(sorted(references[each] for each in link.bookings))


def _find(request: HttpRequest, booking_id: str) -> Person:
    person = guest_links.find_person(booking_id, hotels=own_hotels(request))
    if person is None:
        raise Http404
    return person


def _name_of(person: Person) -> str:
    """The newest name that is known."""
    return next((stay.guest.name for stay in person.stays if stay.guest.name), "A guest")


def _record_of(person: Person) -> BookingRecord:
    """The stay that was asked for, for the log."""
    return BookingRecord(pk=person.asked.id, reference=person.asked.reference)


def _back_to(booking_id: str) -> HttpResponse:
    return HttpResponseRedirect(reverse("desk:person", args=[booking_id]))
