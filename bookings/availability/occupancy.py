"""Says who has a hotel's rooms on given nights, with one read of `bookings` by the slot index."""

from collections.abc import Iterable
from datetime import date, datetime
from typing import Any, NamedTuple

from bson import ObjectId

from bookings.domain.booking import (
    ACTIVE,
    EXPECTED,
    EXPIRED,
    IS_DEAD,
    PENDING,
    nights_between,
    slot_of,
)
from bookings.infrastructure.connections import collection, database

# The fields of an Occupant. Keys, history and answers are not read, except by `list_marked`.
_FIELDS = dict.fromkeys(
    (
        *("reference", "kind", "status", "expires_at", "presence", "check_in", "check_out"),
        *("rooms.room", "guests", "guest", "notes", "released_from", "version"),
    ),
    1,
)

# When the mark in force was set: the newest line of the history with the presence's name.
_MARKED_AT = {
    "$max": {
        "$map": {
            "input": {
                "$filter": {
                    "input": "$history",
                    "as": "line",
                    "cond": {"$eq": ["$$line.event", "$presence"]},
                }
            },
            "as": "line",
            "in": "$$line.at",
        }
    }
}


class Occupant(NamedTuple):
    """A booking or block as the desk sees it. It may be a dead hold: see `status_at`.

    A tuple, since a month of a large hotel has a thousand of these, and a frozen dataclass takes
    twice as long to make.
    """

    id: str
    reference: str
    kind: str
    status: str
    expires_at: datetime | None
    presence: str
    check_in: date
    check_out: date
    rooms: tuple[str, ...]
    guests: int
    guest_name: str
    guest_phone: str
    notes: str
    released_from: date | None = None
    marked_at: datetime | None = None
    # As stored, since the true one needs the history: it is too low if an earlier release wrote
    # last. A move that names it is then refused, and its form shows where the booking is.
    version: int = 0

    @property
    def keeps_until(self) -> date:
        """The day after the last night on which it still has its rooms."""
        return self.released_from or self.check_out

    def status_at(self, now: datetime) -> str:
        """As `Booking.status_at`: a hold past its end is expired, even before it is tidied."""
        if self.status == PENDING and self.expires_at is not None and self.expires_at <= now:
            return EXPIRED
        return self.status


def list_occupants(hotel: str, first: date, end: date) -> list[Occupant]:
    """Everyone who has a room of the hotel on a night in [first, end), including dead holds."""
    dates: dict[str, date] = {}
    return [_occupant_of(document, dates) for document in _read_active(hotel, first, end, _FIELDS)]


def list_marked(hotel: str, first: date, end: date) -> list[Occupant]:
    """As `list_occupants`, with `marked_at`. It reads the histories, so ask for few days."""
    dates: dict[str, date] = {}
    fields = {**_FIELDS, "marked_at": _MARKED_AT}
    return [_occupant_of(document, dates) for document in _read_active(hotel, first, end, fields)]


def list_in(hotel: str, rooms: Iterable[str], nights: Iterable[date]) -> list[Occupant]:
    """Everyone who has one of the rooms on one of the nights, including dead holds."""
    slots = sorted(slot_of(night, room) for night in nights for room in rooms)
    dates: dict[str, date] = {}
    found = collection("bookings").find(
        {"hotel": hotel, "slots": {"$in": slots}, "status": {"$in": list(ACTIVE)}}, _FIELDS
    )
    return [_occupant_of(document, dates) for document in found]


def taken_nights(
    hotel: str, first: date, end: date, *, besides: ObjectId | None = None
) -> dict[str, set[date]]:
    """The nights in [first, end) on which each room of the hotel is taken, by the room's id.

    Dead holds do not count, nor does the booking with the id `besides`.
    """
    low, high = f"{first.isoformat()}|", f"{end.isoformat()}|"
    taken: dict[str, set[date]] = {}
    # Very many slots name few nights, so each night's text is parsed once.
    nights = {night.isoformat(): night for night in nights_between(first, end)}
    for document in _read_active(hotel, first, end, {"slots": 1, "is_dead": IS_DEAD}):
        if document["is_dead"] or document["_id"] == besides:
            continue
        for slot in document["slots"]:
            if low <= slot < high:
                night, _, room = slot.partition("|")
                taken.setdefault(room, set()).add(nights[night])
    return taken


def _read_active(
    hotel: str, first: date, end: date, fields: dict[str, Any]
) -> list[dict[str, Any]]:
    """These fields of every active document of the hotel that has a night in [first, end).

    A snapshot shows a single moment: a booking that is just being moved never appears in both
    rooms, so the hotel never looks fuller than it is.
    """
    with database().client.start_session(snapshot=True) as session:
        return (
            collection("bookings")
            .find(
                {
                    "hotel": hotel,
                    # One range of the index, which is partial: it is used only if the query
                    # repeats the condition on the status.
                    "slots": {
                        "$elemMatch": {
                            "$gte": f"{first.isoformat()}|",
                            "$lt": f"{end.isoformat()}|",
                        }
                    },
                    "status": {"$in": list(ACTIVE)},
                },
                fields,
                session=session,
            )
            .to_list()
        )


def _occupant_of(document: dict[str, Any], dates: dict[str, date]) -> Occupant:
    guest, released_from = document["guest"], document.get("released_from")
    return Occupant(
        id=str(document["_id"]),
        reference=document["reference"],
        kind=document["kind"],
        status=document["status"],
        expires_at=document["expires_at"],
        presence=document.get("presence", EXPECTED),
        check_in=_date_of(document["check_in"], dates),
        check_out=_date_of(document["check_out"], dates),
        rooms=tuple(booked["room"] for booked in document["rooms"]),
        guests=document["guests"],
        guest_name=guest["name"],
        guest_phone=guest["phone"],
        notes=document["notes"],
        released_from=_date_of(released_from, dates) if released_from else None,
        marked_at=document.get("marked_at"),
        version=document.get("version", 0),
    )


def _date_of(text: str, dates: dict[str, date]) -> date:
    """The date of the text. Very many documents share few days, so each text is parsed once."""
    found = dates.get(text)
    if found is None:
        found = dates[text] = date.fromisoformat(text)
    return found
