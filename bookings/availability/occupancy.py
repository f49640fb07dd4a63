"""Who has the rooms of a hotel on some nights: one read of `bookings`, by the slot index."""

from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

from bookings.domain.booking import ACTIVE, EXPECTED, EXPIRED, IS_DEAD, PENDING, nights_between
from bookings.infrastructure.connections import collection, database

# What an Occupant is made of. Keys, history and answers stay where they are.
_FIELDS = dict.fromkeys(
    (
        *("reference", "kind", "status", "expires_at", "presence", "check_in", "check_out"),
        *("rooms.room", "guests", "guest", "notes", "released_from"),
    ),
    1,
)


@dataclass(frozen=True)
class Occupant:
    """A booking or block as the desk sees it. A hold among them may be dead: see `status_at`."""

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

    @property
    def keeps_until(self) -> date:
        """The day after the last night that it has rooms for."""
        return self.released_from or self.check_out

    def status_at(self, now: datetime) -> str:
        """As `Booking.status_at`: a hold past its end is expired, tidied or not."""
        if self.status == PENDING and self.expires_at is not None and self.expires_at <= now:
            return EXPIRED
        return self.status


def list_occupants(hotel: str, first: date, end: date) -> list[Occupant]:
    """Whoever has a room of the hotel on a night in [first, end), dead holds included."""
    dates: dict[str, date] = {}
    return [_occupant_of(document, dates) for document in _read_active(hotel, first, end, _FIELDS)]


def taken_nights(hotel: str, first: date, end: date) -> dict[str, set[date]]:
    """For each room of the hotel the nights in [first, end) on which it is taken.

    Dead holds do not count.
    """
    low, high = f"{first.isoformat()}|", f"{end.isoformat()}|"
    taken: dict[str, set[date]] = {}
    # Few nights stand in very many slots, so each text is read as a date once.
    nights = {night.isoformat(): night for night in nights_between(first, end)}
    for document in _read_active(hotel, first, end, {"slots": 1, "is_dead": IS_DEAD}):
        if document["is_dead"]:
            continue
        for slot in document["slots"]:
            if low <= slot < high:
                night, _, room = slot.partition("|")
                taken.setdefault(room, set()).add(nights[night])
    return taken


def _read_active(
    hotel: str, first: date, end: date, fields: dict[str, Any]
) -> list[dict[str, Any]]:
    """These fields of every active document of the hotel that touches a night in [first, end).

    It is read at one moment: a booking that is being moved from one room to another is never seen
    in both, so the hotel never looks fuller than it is.
    """
    with database().client.start_session(snapshot=True) as session:
        return list(
            collection("bookings").find(
                {
                    "hotel": hotel,
                    # One range of the index; the status is repeated, or it would not be used.
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
    )


def _date_of(text: str, dates: dict[str, date]) -> date:
    """Few days stand in very many documents, so each text is read as a date once."""
    found = dates.get(text)
    if found is None:
        found = dates[text] = date.fromisoformat(text)
    return found
