"""Finding bookings by id, owner, guest or hotel, for any part of the site.

`kept_answers` finds what a key made, `rivals` what has the same slots, and `due_work` what waits
for a worker. The desk's lists and the figures have queries of their own.
"""

from collections.abc import Collection, Mapping, Sequence
from datetime import date, datetime, timedelta
from typing import Any

from bson import ObjectId
from bson.errors import InvalidId
from pymongo.client_session import ClientSession

from bookings.domain.booking import (
    ACTIVE,
    BLOCK,
    CONFIRMED,
    EXPIRED,
    LATE_CONFIRM,
    PENDING,
    STAY,
    Booking,
    from_document,
    slot_of,
)
from bookings.domain.stay_request import MAX_NIGHTS
from bookings.indexes import guests_with_address
from bookings.infrastructure import clock
from bookings.infrastructure.connections import collection

# No hold that can still be confirmed is older: a hold lasts an hour at most, and can be confirmed
# for ten minutes more.
CONFIRMABLE_FOR = timedelta(hours=2)


def find_booking(
    booking_id: str | ObjectId,
    *,
    owners: Sequence[str] | None = None,
    hotels: Collection[str] | None = None,
) -> Booking | None:
    """The booking with this id, or None. With `owners` it must belong to one of them, and with
    `hotels` be at one of those."""
    try:
        condition: dict[str, Any] = {"_id": ObjectId(booking_id)}
    except (InvalidId, TypeError):
        return None
    if owners is not None:
        condition["owner"] = {"$in": list(owners)}
    if hotels is not None:
        condition["hotel"] = {"$in": list(hotels)}
    document = collection("bookings").find_one(condition)
    return from_document(document) if document else None


def list_bookings(
    *,
    owners: Sequence[str],
    user_id: str | None = None,
    room: str | None = None,
    night: date | None = None,
    status: str | None = None,
    before: ObjectId | None = None,
    hotels: Collection[str] | None = None,
    limit: int,
) -> list[Booking]:
    """The bookings of these owners, newest first.

    `night` is a night of the stay. `before` is the id of a booking; only older ones are listed.
    With `hotels` only bookings at those are listed.
    """
    condition: dict[str, Any] = {"owner": {"$in": list(owners)}}
    if hotels is not None:
        condition["hotel"] = {"$in": list(hotels)}
    if before is not None:
        condition["_id"] = {"$lt": before}
    if user_id is not None:
        condition["user_id"] = user_id
    if room is not None:
        condition["rooms.room"] = room
    if status is not None:
        condition.update(_status_condition(status))
    if night is not None and user_id is None:
        return _list_of_night(condition, night, room, limit)
    if night is not None:
        condition["check_in"] = {"$lte": night.isoformat()}
        condition["check_out"] = {"$gt": night.isoformat()}
    # The hint is needed: with a cursor on the id, and few matches among the owner's bookings, the
    # planner may scan all bookings by id. A guest has fewer bookings than a room.
    index = (
        "bookings_of_an_owner_by_user"
        if user_id is not None
        else "bookings_of_an_owner_by_room"
        if room is not None
        else "bookings_of_an_owner_by_status"
        if status is not None
        else "bookings_of_an_owner"
    )
    documents = collection("bookings").find(condition, hint=index).sort("_id", -1).limit(limit)
    return [from_document(document) for document in documents]


def list_changed_bookings(
    *,
    owners: Sequence[str],
    since: datetime,
    until: datetime,
    after: ObjectId | None,
    hotels: Collection[str] | None = None,
    limit: int,
) -> list[Booking]:
    """The bookings of these owners that were last changed from `since` to `until`, both included,
    by the time of that change and then by id.

    `after` continues behind the booking with this id, which was last changed at `since`.
    """
    changed: dict[str, Any] = {"$gte": since, "$lte": until}
    condition: dict[str, Any] = {"owner": {"$in": list(owners)}, "updated_at": changed}
    if hotels is not None:
        condition["hotel"] = {"$in": list(hotels)}
    if after is not None:
        condition["$or"] = [{"updated_at": {"$gt": since}}, {"_id": {"$gt": after}}]
    # A partner has tens of thousands of bookings. A person has few, and MongoDB may sort them.
    is_partner = all(owner.startswith("client:") for owner in owners)
    documents = (
        collection("bookings")
        .find(condition, hint="changes_of_a_partner" if is_partner else "bookings_of_an_owner")
        .sort([("updated_at", 1), ("_id", 1)])
        .limit(limit)
    )
    return [from_document(document) for document in documents]


def _list_of_night(
    condition: dict[str, Any], night: date, room: str | None, limit: int
) -> list[Booking]:
    """The bookings that meet the condition and have this night, newest first.

    A night has at most as many bookings as the owner's hotels have rooms, and those that were
    cancelled, so MongoDB may sort them.
    """
    day = night.isoformat()
    in_any_room = {"$elemMatch": {"$gte": f"{day}|", "$lt": f"{day}}}"}}
    has_slot = {"slots": in_any_room if room is None else slot_of(night, room)}
    was_released = {
        "released_from": {"$gt": "", "$lte": day},
        "check_in": {"$lte": day},
        "check_out": {"$gt": day},
    }
    bookings = collection("bookings")
    # Two questions, since no index serves both, and no-shows are few.
    found = [
        *bookings.find(condition | has_slot, hint="bookings_of_an_owner_by_slot")
        .sort("_id", -1)
        .limit(limit),
        *bookings.find(condition | was_released, hint="released_nights_of_an_owner")
        .sort("_id", -1)
        .limit(limit),
    ]
    newest_first = sorted(found, key=lambda document: document["_id"], reverse=True)
    return [from_document(document) for document in newest_first[:limit]]


def list_guest_bookings(address: str, *, from_day: date, limit: int) -> list[Booking]:
    """Guests' bookings with this address that end on `from_day` or later, by check-in."""
    documents = (
        collection("bookings")
        .find(
            {
                **guests_with_address(address),
                **not_over(from_day),
            },
        )
        .limit(limit)
    )
    return sorted(map(from_document, documents), key=lambda booking: booking.check_in)


def list_bookings_with_address(
    spellings: list[str],
    *,
    not_over_on: date | None = None,
    session: ClientSession | None = None,
) -> list[Booking]:
    """All bookings with one of these addresses, of every owner. With `not_over_on` only those
    that `may_be_expected` on that day."""
    condition: dict[str, Any] = {"guest.email": {"$in": spellings}}
    if not_over_on is not None:
        condition |= may_be_expected(not_over_on)
    return list_all(condition, session=session)


def list_all(
    condition: Mapping[str, Any], *, session: ClientSession | None = None
) -> list[Booking]:
    """All bookings that meet the condition, which an index must answer."""
    found = collection("bookings").find(condition, session=session)
    return [from_document(document) for document in found]


def find_ids(
    condition: Mapping[str, Any], *, limit: int, session: ClientSession | None = None
) -> list[ObjectId]:
    """The ids of at most `limit` bookings that meet the condition."""
    found = collection("bookings").find(condition, {"_id": 1}, session=session).limit(limit)
    return [document["_id"] for document in found]


def may_be_repriced(hotel: str, day: date) -> bool:
    """Whether a stay of this hotel may be given new nights from this day on.

    Such stays end on this day or later, and are booked, held, or a dead hold that can still be
    confirmed.
    """
    # A block has no price.
    stays = {**may_be_expected(day), "hotel": hotel, "kind": STAY}
    # Two queries, since no index serves both. The first looks at slots as early as the longest stay
    # may begin, because a no-show may have given back all nights except the first.
    first = day - timedelta(days=MAX_NIGHTS)
    active = {"slots": {"$elemMatch": {"$gte": f"{first}|"}}, "status": {"$in": list(ACTIVE)}}
    oldest = ObjectId.from_datetime(clock.now() - CONFIRMABLE_FOR)
    ended = {"_id": {"$gte": oldest}, "status": EXPIRED}
    bookings = collection("bookings")
    return any(bookings.find_one(stays | found, {"_id": 1}) for found in (active, ended))


def not_over(day: date) -> dict[str, Any]:
    """The condition for bookings and live holds that end on this day or later."""
    return {
        "check_out": {"$gte": day.isoformat()},
        "$or": [_status_condition(CONFIRMED), _status_condition(PENDING)],
    }


def may_be_expected(day: date) -> dict[str, Any]:
    """The condition of `not_over`, with dead holds that can still be confirmed."""
    confirmable = {
        "status": {"$in": [PENDING, EXPIRED]},
        "expires_at": {"$gt": clock.now() - LATE_CONFIRM},
    }
    return {
        "check_out": {"$gte": day.isoformat()},
        "$or": [_status_condition(CONFIRMED), confirmable],
    }


def _status_condition(status: str) -> dict[str, Any]:
    """A dead hold counts as expired, whether a sweep has marked it or not."""
    now = clock.now()
    if status == PENDING:
        return {"status": PENDING, "expires_at": {"$gt": now}}
    if status == EXPIRED:
        return {"$or": [{"status": EXPIRED}, {"status": PENDING, "expires_at": {"$lte": now}}]}
    return {"status": status}


def find_referred(field: str, values: list[str]) -> set[str]:
    """Those values that some booking of any status has in this field."""
    found = collection("bookings").distinct(field, {field: {"$in": values}})
    return set(values).intersection(found)


def find_nth_newest(number: int, *, kind: str, before: ObjectId | None = None) -> ObjectId | None:
    """The id of the booking that has `number` newer ones, or None if there are not so many.

    With `before` only older bookings than that one count. It reads index keys and no documents.
    """
    # Blocks have their own index. Among stays they are so few that they may count as stays.
    condition: dict[str, Any] = {"kind": BLOCK} if kind == BLOCK else {}
    if before is not None:
        condition["_id"] = {"$lt": before}
    found = collection("bookings").find(condition, {"_id": 1}).sort("_id", -1).skip(number)
    return next((document["_id"] for document in found.limit(1)), None)
