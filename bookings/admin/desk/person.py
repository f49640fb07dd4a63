"""The page of one guest: all stays together, joining them, and the guest's rights over the data."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from django.contrib import messages
from django.core.exceptions import ValidationError
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import reverse
from django.views.decorators.http import require_http_methods, require_POST

from bookings.admin.desk.access import ACT, ERASE, LOOK, desk_page, may_any, show
from bookings.admin.desk.guests import state_of
from bookings.admin.manager.pages import note
from bookings.admin.own_hotels import list_own, name_hotels, own_hotels
from bookings.admin.records import name_people, staff
from bookings.admin.staff_requests import StaffRequest
from bookings.catalogue import inventory
from bookings.domain.booking import Booking
from bookings.domain.money import format_money
from bookings.front_desk.guest_search import find_stay_ids
from bookings.infrastructure.quantities import quantity
from bookings.infrastructure.texts import BadText, read_line
from bookings.models import BookingRecord
from bookings.people import erasure, guest_export, guest_links
from bookings.people.erasure import ErasureRefused
from bookings.people.guest_links import GuestLink, Person
from bookings.refusals import ValidationFailed

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
    names = name_people(link.by for link in person.links)
    references = {stay.id: stay.reference for stay in person.stays}
    nights = sum((stay.check_out - stay.check_in).days for stay in person.stays)
    return show(
        request,
        "person.html",
        _name_of(person),
        booking_id=booking_id,
        is_cut=person.is_cut,
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
    try:
        why = read_line(request.POST.get("note", ""))
        is_new = guest_links.join(booking_id, other_id, note=why, by=staff(request))
    except BadText as bad:
        messages.error(request, str(bad))
    except ValidationFailed as refusal:
        messages.error(request, " ".join(fault.message for fault in refusal.faults))
    else:
        person = _find(request, booking_id)
        pair = [stay.reference for stay in person.stays if str(stay.id) in (booking_id, other_id)]
        if is_new:
            record = BookingRecord(pk=booking_id, reference=pair[0])
            # Without the note, which may say something about the guest: the log is not erased.
            note(request, f"Said to be one guest’s: {' and '.join(pair)}.", about=record)
        messages.success(request, f"{' and '.join(pair)} are one guest’s now.")
    return _back_to(booking_id)


@desk_page(ACT)
@require_POST
def part_stays(request: StaffRequest, booking_id: str) -> HttpResponse:
    """Takes back that two stays are one guest's."""
    person = _find(request, booking_id)
    link_id = request.POST.get("link", "")
    if guest_links.part(link_id, by=staff(request)):
        record = BookingRecord(pk=booking_id, reference=_reference_of(person, booking_id))
        note(request, "No longer said to be one guest’s with another stay.", about=record)
        messages.success(request, "Taken back.")
    else:
        messages.warning(request, "It was taken back before.")
    return _back_to(booking_id)


@desk_page(ERASE)
@require_POST
def export_person(request: HttpRequest, booking_id: str) -> HttpResponse:
    """Sends everything that is kept of the guest, as a file of JSON."""
    person = _find(request, booking_id)
    reference = _reference_of(person, booking_id)
    note(
        request,
        f"The guest’s data was exported: {quantity(len(person.stays), 'stay')}.",
        about=BookingRecord(pk=booking_id, reference=reference),
    )
    text = json.dumps(guest_export.export_person(person), ensure_ascii=False, indent=2)
    response = HttpResponse(text, content_type="application/json; charset=utf-8")
    response["Content-Disposition"] = f'attachment; filename="guest-{reference}.json"'
    return response


@desk_page(ERASE)
@require_http_methods(["GET", "HEAD", "POST"])
def erase_person(request: HttpRequest, booking_id: str) -> HttpResponse:
    """Says what would be erased, and erases it once that is confirmed."""
    person = _find(request, booking_id)
    including_upcoming = "upcoming" in request.POST
    fault = ""
    if request.method == "POST":
        try:
            told = _erase(person, including_upcoming=including_upcoming)
        except ErasureRefused as refusal:
            fault = str(refusal)
        except ValidationError as error:
            fault = " ".join(error.messages)
        else:
            record = BookingRecord(pk=booking_id, reference=_reference_of(person, booking_id))
            note(request, f"The guest’s data was erased: {told}.", about=record)
            messages.success(request, f"Erased: {told}. Backups keep it until they are removed.")
            return _back_to(booking_id)
    return show(
        request,
        "erase_person.html",
        f"Erase {_name_of(person)}",
        booking_id=booking_id,
        stays=_shown(request, person.stays),
        addresses=person.addresses,
        is_cut=person.is_cut,
        fault=fault,
    )


def _erase(person: Person, *, including_upcoming: bool) -> str:
    """Erases the person; says in words what. Raises ErasureRefused before it erases anything."""
    if person.is_cut:
        raise ErasureRefused(
            "This guest has too many stays for one page; erase one address after the other with "
            "manage.py erase_guest. Nothing was changed."
        )
    ids = [stay.id for stay in person.stays]
    for address in person.addresses:
        erasure.find_traces(address, including_upcoming=including_upcoming)
    erased = erasure.erase_without_address(ids, including_upcoming=including_upcoming)
    accounts = 0
    for address in person.addresses:
        traces = erasure.erase_guest(address, including_upcoming=including_upcoming)
        erased += traces.bookings
        accounts += traces.accounts
    return f"{quantity(erased, 'booking')}, {quantity(accounts, 'account')}"


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


def _reference_of(person: Person, booking_id: str) -> str:
    return next((stay.reference for stay in person.stays if str(stay.id) == booking_id), "")


def _back_to(booking_id: str) -> HttpResponse:
    return HttpResponseRedirect(reverse("desk:person", args=[booking_id]))
