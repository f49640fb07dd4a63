"""Everything that is kept of a person, as they may ask for it (GDPR, articles 15 and 20)."""

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any

from bookings.catalogue import inventory
from bookings.domain.booking import Booking
from bookings.infrastructure import clock
from bookings.infrastructure.connections import collection
from bookings.people import account_letters, accounts
from bookings.people.guest_links import Person
from bookings.stays import remarks


def export_person(person: Person) -> dict[str, Any]:
    """A document for JSON, with days as YYYY-MM-DD, moments in UTC and amounts in minor units.

    Names of staff, keys and digests are not in it: they are not about the guest.
    """
    hotels = {hotel.id: hotel.name for hotel in inventory.list_hotels()}
    names = inventory.name_booked(room for stay in person.stays for room in stay.rooms)
    return {
        "madeAt": _moment(clock.now()),
        "isComplete": not person.is_cut,
        "stays": [_stay(stay, hotels, names) for stay in person.stays],
        "joined": [{"note": link.note, "at": _moment(link.at)} for link in person.links],
        "remarks": _remarks(person.stays),
        "notifications": _notifications(person.stays),
        "accounts": _accounts(person.addresses),
        "letters": account_letters.list_sent(person.addresses),
    }


def _stay(stay: Booking, hotels: dict[str, str], names: dict[str, str]) -> dict[str, Any]:
    return {
        "reference": stay.reference,
        "hotel": hotels.get(stay.hotel, stay.hotel),
        "rooms": [names[room_id] for room_id in stay.room_ids],
        "checkIn": stay.check_in.isoformat(),
        "checkOut": stay.check_out.isoformat(),
        "guests": stay.guests,
        "guest": vars(stay.guest),
        "notes": stay.notes,
        "language": stay.language,
        "price": {
            "currency": stay.price.currency,
            "total": stay.price.total,
            "nights": [
                {"date": night.isoformat(), "amount": amount} for night, amount in stay.price.nights
            ],
        },
        "status": stay.status_at(clock.now()),
        "presence": stay.presence,
        "createdAt": _moment(stay.created_at),
        "updatedAt": _moment(stay.updated_at),
        "history": [
            {"at": _moment(change.at), "event": change.event, "reason": change.reason}
            for change in stay.history
        ],
    }


def _remarks(stays: Sequence[Booking]) -> list[dict[str, Any]]:
    found = remarks.list_remarks(stay.id for stay in stays)
    return [
        {"reference": stay.reference, "text": remark.text, "at": _moment(remark.at)}
        for stay in stays
        for remark in found.get(stay.id, ())
        if not remark.is_deleted
    ]


def _notifications(stays: Iterable[Booking]) -> list[dict[str, Any]]:
    references = {stay.id: stay.reference for stay in stays}
    found = collection("deliveries").find({"booking": {"$in": list(references)}, "channel": "mail"})
    return [
        {
            "reference": references[each["booking"]],
            "event": each["event"],
            "at": _moment(each["at"]),
            "state": each["state"],
        }
        for each in found.sort([("booking", 1), ("at", 1)])
    ]


def _accounts(addresses: list[str]) -> list[dict[str, Any]]:
    return [
        {
            "username": user.get_username(),
            "email": user.email,
            "name": user.get_full_name(),
            "joinedAt": _moment(user.date_joined),
            "lastLoginAt": _moment(user.last_login) if user.last_login else None,
        }
        for user in accounts.find_accounts(addresses)
        if not user.is_staff
    ]


def _moment(moment: datetime) -> str:
    return moment.isoformat(timespec="seconds").replace("+00:00", "Z")
