"""The flow's reads of bookings. Lists and figures have queries of their own."""

from collections.abc import Iterable, Sequence
from datetime import date, datetime, timedelta
from typing import Any

from bson import ObjectId
from bson.errors import InvalidId
from pymongo.client_session import ClientSession

from bookings.domain.booking import (
    ACTIVE,
    BLOCK,
    CONFIRMED,
    DEAD,
    EXPIRED,
    IS_DEAD,
    LATE_CONFIRM,
    PENDING,
    STAY,
    BookedRoom,
    Booking,
    Draft,
    Key,
    from_document,
)
from bookings.domain.stay_request import MAX_NIGHTS, RoomWish
from bookings.indexes import guests_with_address
from bookings.infrastructure import clock
from bookings.infrastructure.connections import collection, database
from bookings.models import BookingRecord, RoomBlock
from idempotency.claims import Answer
from idempotency.lookup import Effect

# The most keys on one hold. A caller who comes back adds one, and each carries a stored answer.
MAX_KEYS = 50

# No hold that can still be confirmed is older: a hold lasts an hour at most, and can be confirmed
# for ten minutes more.
CONFIRMABLE_FOR = timedelta(hours=2)

# A metric should say quickly that there are many; the exact number is not worth the wait.
MAX_COUNTED = 10_000


def find_booking(
    booking_id: str | ObjectId, *, owners: Sequence[str] | None = None
) -> Booking | None:
    """The booking with this id, or None. With `owners` it must belong to one of them."""
    try:
        condition: dict[str, Any] = {"_id": ObjectId(booking_id)}
    except (InvalidId, TypeError):
        return None
    if owners is not None:
        condition["owner"] = {"$in": list(owners)}
    document = collection("bookings").find_one(condition)
    return from_document(document) if document else None


def find_booking_by_key(digest: str) -> Booking | None:
    """The booking that was made, or adopted, under this key."""
    document = collection("bookings").find_one({"keys.digest": digest})
    return from_document(document) if document else None


def find_answer(digest: str) -> Answer | None:
    """The success that a booking keeps under this key, or None.

    It is durable: majority reads see only what cannot be rolled back.
    """
    document = collection("bookings").find_one({"keys.digest": digest})
    if document is None:
        return None
    booking = from_document(document)
    key = booking.key_for(digest)
    if key is None or not still_replays(key, booking, clock.now()):
        return None
    return Answer(status=key.status, body=key.body, fingerprint=key.fingerprint)


def find_effect(digest: str, target: str) -> Effect | None:
    """For operators: the booking that this key made. If the target is a booking's id, the change
    that the key made to that booking."""
    booking = find_booking(target) if target else find_booking_by_key(digest)
    if booking is None:
        return None
    made = booking.key_for(digest) or booking.change_for(digest)
    if made is None:
        return None
    answer = None
    if made.status is not None and made.body is not None:
        answer = Answer(status=made.status, body=made.body)
    rooms = ", ".join(booked.room for booked in booking.rooms)
    return Effect(
        label=f"{booking.reference}, {rooms}, {booking.check_in} to {booking.check_out}, "
        + booking.status_at(clock.now()),
        model=(RoomBlock if booking.kind == BLOCK else BookingRecord)._meta.label_lower,
        pk=str(booking.id),
        answer=answer,
    )


def list_bookings(
    *,
    owners: Sequence[str],
    user_id: str | None = None,
    room: str | None = None,
    night: date | None = None,
    status: str | None = None,
    before: ObjectId | None = None,
    limit: int,
) -> list[Booking]:
    """The bookings of these owners, newest first.

    `night` is a night of the stay. `before` is the id of a booking; only older ones are listed.
    """
    condition: dict[str, Any] = {"owner": {"$in": list(owners)}}
    if before is not None:
        condition["_id"] = {"$lt": before}
    if user_id is not None:
        condition["user_id"] = user_id
    if room is not None:
        condition["rooms.room"] = room
    if night is not None:
        condition["check_in"] = {"$lte": night.isoformat()}
        condition["check_out"] = {"$gt": night.isoformat()}
    if status is not None:
        condition.update(_status_condition(status))
    # The hint is needed: with a cursor on the id, and few matches among the owner's bookings, the
    # planner may scan all bookings by id.
    index = "holds_of_an_owner" if status == PENDING else "bookings_of_an_owner"
    documents = collection("bookings").find(condition, hint=index).sort("_id", -1).limit(limit)
    return [from_document(document) for document in documents]


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
    found = collection("bookings").find(condition, session=session)
    return [from_document(document) for document in found]


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


def list_in_the_way(booking: Booking, *, limit: int) -> list[Booking]:
    """Other live bookings that have one of this booking's slots now, by date."""
    with database().client.start_session(snapshot=True) as session:
        live, _ = find_rivals(booking, session)
    return sorted(live, key=lambda rival: (rival.check_in, rival.reference))[:limit]


def find_rivals(booking: Booking, session: ClientSession) -> tuple[list[Booking], list[Booking]]:
    """Other bookings that have one of this booking's slots: the live ones, then the dead holds.

    MongoDB's clock decides which holds are dead.
    """
    # The status is repeated so that the partial index is used.
    condition = {
        "hotel": booking.hotel,
        "slots": {"$in": booking.slots},
        "status": {"$in": list(ACTIVE)},
        "_id": {"$ne": booking.id},
    }
    live: list[Booking] = []
    dead: list[Booking] = []
    for document in collection("bookings").aggregate(
        [{"$match": condition}, {"$set": {"is_dead": IS_DEAD}}], session=session
    ):
        (dead if document["is_dead"] else live).append(from_document(document))
    return live, dead


def find_own_stay(draft: Draft) -> Booking | None:
    """The booking that the draft's key made, or its owner's own hold for this stay.

    A category must not look sold out to a caller who has taken its last room.
    """
    made = find_booking_by_key(draft.digest)
    key = made.key_for(draft.digest) if made else None
    # A server-made key means this booking for a limited time. After that its rooms say nothing
    # about the request; the booking may have moved to rooms of another kind.
    if made and key and still_replays(key, made, clock.now()):
        return made
    return find_own_hold(draft) if draft.request.hold else None


def find_own_hold(draft: Draft) -> Booking | None:
    """The owner's own live hold for this stay, whatever key made it.

    A wish without a room's id matches any room of its category. A hold with MAX_KEYS keys is left
    out.
    """
    wanted = draft.request
    holds = collection("bookings").find(
        {
            "owner": draft.owner,
            "user_id": draft.user_id,
            "status": PENDING,
            "$expr": {"$gt": ["$expires_at", "$$NOW"]},
            "check_in": wanted.check_in.isoformat(),
            "check_out": wanted.check_out.isoformat(),
            f"keys.{MAX_KEYS - 1}": {"$exists": False},
        }
    )
    for hold in map(from_document, holds):
        if _are_alike(wanted.rooms, hold.rooms):
            return hold
    return None


def has_hold_elsewhere(draft: Draft, *, hotel: str) -> bool:
    """Whether this person has a live hold on these nights under another owner.

    Either a guest made the hold, and it went to the account that the guest logged in to. Or the
    request is for the account, and the hold has stayed with the guest that the person was before.
    """
    theirs: list[dict[str, Any]] = []
    if draft.caller.startswith("guest:"):
        theirs.append({"caller": draft.caller, "owner": {"$ne": draft.owner}})
    if draft.was_guest:
        theirs.append({"owner": draft.was_guest})
    if not theirs:
        return False
    first, end = f"{draft.request.check_in}|", f"{draft.request.check_out}|"
    hold = collection("bookings").find_one(
        {
            "hotel": hotel,
            "slots": {"$elemMatch": {"$gte": first, "$lt": end}},
            "status": {"$in": list(ACTIVE)},
            "expires_at": {"$gt": clock.now()},
            "$or": theirs,
        },
        {"_id": 1},
    )
    return hold is not None


def _are_alike(wanted: tuple[RoomWish, ...], held: tuple[BookedRoom, ...]) -> bool:
    """Whether the hold has the wanted rooms: by id if every wish has one, else by category."""
    if all(wish.room for wish in wanted):
        return sorted((wish.room or "", wish.guests) for wish in wanted) == sorted(
            (booked.room, booked.guests) for booked in held
        )
    return sorted((wish.category or "", wish.guests) for wish in wanted) == sorted(
        (booked.category, booked.guests) for booked in held
    )


def still_replays(key: Key, booking: Booking, now: datetime) -> bool:
    """Whether the key still replays: a client's key always, a server-made key until its time is up
    or its booking is no longer active."""
    if key.until is None:
        return True
    return now < key.until and booking.status_at(now) in ACTIVE


def dead_among(booking_ids: Iterable[Any]) -> set[Any]:
    """Those of these bookings that are dead holds which no sweep has marked."""
    found = collection("bookings").find({**DEAD, "_id": {"$in": list(booking_ids)}}, {"_id": 1})
    return {hold["_id"] for hold in found}


def count_dead_holds() -> tuple[int, float]:
    """How many dead holds no sweep has marked, up to MAX_COUNTED, and for how many seconds the
    oldest one has been dead."""
    counted = list(
        collection("bookings").aggregate(
            [
                {"$match": DEAD},
                {"$sort": {"expires_at": 1}},
                {"$limit": MAX_COUNTED},
                {"$group": {"_id": None, "count": {"$sum": 1}, "first": {"$min": "$expires_at"}}},
                {"$project": {"count": 1, "age_ms": {"$subtract": ["$$NOW", "$first"]}}},
            ]
        )
    )
    return (counted[0]["count"], counted[0]["age_ms"] / 1000) if counted else (0, 0.0)


def list_outboxes(*, limit: int, besides: list[Any]) -> list[dict[str, Any]]:
    """Documents of bookings with due news, roughly in the order in which it became due.

    `besides` are ids to leave out. The documents are not parsed: a damaged one must not hide the
    others.
    """
    condition = {"outbox.due_at": {"$lte": clock.now()}, "_id": {"$nin": besides}}
    return list(collection("bookings").find(condition, hint="outboxes").limit(limit))


def oldest_due_news_age_s(*, besides: list[Any]) -> float:
    """For how many seconds the oldest due news has waited; 0 if none is due.

    `besides` are ids of bookings to leave out.
    """
    now = clock.now()
    found = list(
        collection("bookings").aggregate(
            [
                {"$match": {"outbox.due_at": {"$lte": now}, "_id": {"$nin": besides}}},
                {"$limit": MAX_COUNTED},
                {"$project": {"due_at": {"$min": "$outbox.due_at"}}},
                {"$group": {"_id": None, "due_at": {"$min": "$due_at"}}},
            ],
            hint="outboxes",
        )
    )
    return (now - found[0]["due_at"]).total_seconds() if found else 0.0
