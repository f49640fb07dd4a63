"""How much may be held without being booked: judged inside the transaction that writes a hold.

A hold costs its holder nothing and keeps rooms from everybody else. So room-nights (rooms times
nights) are bounded: those of one visitor, of everybody at one remote address, of one partner, and
those that guests without an account hold together of one category. docs/decisions/0018 says how
much that is and why.

Two holds of one moment do not see each other in their snapshots. So each writes a document of
`holders` for whatever it is counted by: the second of two has to begin again, and then sees the
first. Nothing of this asks Redis, and what is booked at once is not counted.
"""

from collections import Counter
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from django.utils.crypto import salted_hmac
from pymongo.client_session import ClientSession

from bookings.domain.booking import PENDING, Booking, nights_between
from bookings.indexes import OF_GUESTS
from bookings.infrastructure import clock, metrics
from bookings.infrastructure.connections import collection
from bookings.refusals import EmailNeeded, TooManyHolds, TooManyNightsHeld

# Where guests crowd, a hold is short and is not made much longer: others wait for the room.
CROWDED_HOLD = timedelta(minutes=5)
LONGEST_CROWDED_HOLD = timedelta(minutes=15)

# What a family or a small group takes. The only guest who holds anything of a hotel may hold so
# many of its rooms, and be it all of them.
FAMILY_ROOMS = 4


@dataclass(frozen=True)
class Source:
    """Something that many visitors may have in common, and how many room-nights they may hold.

    It is known by a keyed digest alone, which goes with the document that counts it.
    """

    digest: str
    room_nights: int


@dataclass(frozen=True)
class HoldLimits:
    """What bounds one hold. None is for what does not bind its holder.

    `holds` and `room_nights` are of the holder, `of_partner` is for all the guests of a partner
    together. `crowd_percent` is for guests without an account: the share of a category's rooms
    that they hold together before each is asked for a confirmed e-mail address. `is_confirmed` says
    that this one has one, so that only the others are kept out.
    """

    holds: int
    room_nights: int | None = None
    of_partner: int | None = None
    sources: tuple[Source, ...] = ()
    crowd_percent: int | None = None
    is_confirmed: bool = False


def digest_of(what: str) -> str:
    """What a remote address or a mailbox is known by: nobody without our key can try any on it."""
    return salted_hmac("bookings.hold_limits", what, algorithm="sha256").hexdigest()[:32]


def judge_hold(hold: Booking, limits: HoldLimits, session: ClientSession) -> None:
    """Raises TooManyHolds, TooManyNightsHeld or EmailNeeded if this hold, which is written
    already, is too much."""
    _judge_holder(hold, limits, session)
    if limits.of_partner is not None:
        _judge_partner(hold, limits.of_partner, session)
    for source in limits.sources:
        _judge_source(hold, source, session)
    if limits.crowd_percent is not None:
        for category in sorted(_categories_of(hold)):
            _mark({"category": category}, hold.created_at, session)
            # Whether there was a crowd before its last room, as if it held one after the other:
            # else two large holds would be all the rooms.
            if not limits.is_confirmed and _is_crowded(
                hold, category, limits.crowd_percent, spare=1, session=session
            ):
                raise EmailNeeded


def may_take_over(
    guest: str, holder: dict[str, str], limits: HoldLimits, session: ClientSession
) -> bool:
    """Whether this guest's holds may become the holder's too: what both hold is not too much."""
    _mark(holder, clock.now(), session)
    held = [_sum_held(of, session) for of in ({"owner": guest}, holder)]
    room_nights = sum(nights for _, nights in held)
    return sum(holds for holds, _ in held) <= limits.holds and (
        limits.room_nights is None or room_nights <= limits.room_nights
    )


def is_crowded(hold: Booking, percent: int) -> bool:
    """Whether this stored hold of a guest takes part in a crowd: on one of its nights guests hold
    more than this share of the rooms of its category.

    A guest who is the only one to hold anything of the hotel is no crowd, up to FAMILY_ROOMS.
    """
    return any(_is_crowded(hold, category, percent) for category in _categories_of(hold))


def _is_crowded(
    hold: Booking,
    category: str,
    percent: int,
    *,
    spare: int = 0,
    session: ClientSession | None = None,
) -> bool:
    """With `spare` so many rooms less are counted than guests hold."""
    first, end = hold.check_in.isoformat(), hold.check_out.isoformat()
    # By the hotel's categories, for which there is an index.
    categories = [
        found["_id"]
        for found in collection("room_categories").find(
            {"hotel_id": hold.hotel}, {"_id": 1}, session=session
        )
    ]
    live = {
        **OF_GUESTS,
        "status": PENDING,
        "expires_at": {"$gt": clock.now()},
        "rooms.category": {"$in": categories},
    }
    held: Counter[str] = Counter()
    held_by_this: Counter[str] = Counter()
    nights = [night.isoformat() for night in nights_between(hold.check_in, hold.check_out)]
    for found in collection("bookings").find(
        {**live, "check_out": {"$gt": first}, "check_in": {"$lt": end}},
        {"owner": 1, "rooms.category": 1, "check_in": 1, "check_out": 1},
        session=session,
    ):
        rooms = sum(booked["category"] == category for booked in found["rooms"])
        its_own = len(found["rooms"]) if found["owner"] == hold.owner else 0
        for night in nights:
            if found["check_in"] <= night < found["check_out"]:
                held[night] += rooms
                held_by_this[night] += its_own
    most = max(held.values(), default=0) - spare
    if most <= 0:
        return False
    room_count = collection("rooms").count_documents(
        {"category_id": category, "is_sold": True}, session=session
    )
    if most * 100 <= percent * room_count:
        return False
    if max(held_by_this.values()) > FAMILY_ROOMS:
        return True
    if session is not None:
        # Two who are let off at one moment, in whatever categories, meet here.
        _mark({"hotel": hold.hotel}, hold.created_at, session)
    # Not on these nights or of this category alone: a script would take all of each in turn.
    other = {**live, "owner": {**OF_GUESTS["owner"], "$ne": hold.owner}}
    return collection("bookings").find_one(other, {"_id": 1}, session=session) is not None


def _judge_holder(hold: Booking, limits: HoldLimits, session: ClientSession) -> None:
    holder = {"owner": hold.owner, "user_id": hold.user_id}
    _mark(holder, hold.created_at, session)
    holds, room_nights = _sum_held(holder, session)
    if holds > limits.holds:
        metrics.holds_refused.labels("holds").inc()
        raise TooManyHolds
    if limits.room_nights is not None and room_nights > limits.room_nights:
        metrics.holds_refused.labels("visitor").inc()
        raise TooManyNightsHeld


def _judge_partner(hold: Booking, limit: int, session: ClientSession) -> None:
    """All that a partner holds, for however many guests: it may name as many as it likes."""
    partner = {"owner": hold.owner}
    _mark(partner, hold.created_at, session)
    _, room_nights = _sum_held(partner, session)
    if room_nights > limit:
        metrics.holds_refused.labels("partner").inc()
        raise TooManyNightsHeld


def _judge_source(hold: Booking, source: Source, session: ClientSession) -> None:
    """The document of the source names its holds, so that no booking has to name its source."""
    name = {"source": source.digest}
    known = collection("holders").find_one({"_id": name}, session=session)
    live = list(
        collection("bookings").find(
            {
                "_id": {"$in": known["held"]},
                "status": PENDING,
                "expires_at": {"$gt": clock.now()},
            },
            {"slots": 1},
            session=session,
        )
        if known
        else ()
    )
    if len(hold.slots) + sum(len(other["slots"]) for other in live) > source.room_nights:
        metrics.holds_refused.labels("address").inc()
        raise TooManyNightsHeld
    held = [*(other["_id"] for other in live), hold.id]
    collection("holders").update_one(
        {"_id": name},
        {"$set": {"last_hold_at": hold.created_at, "held": held}},
        upsert=True,
        session=session,
    )


def _mark(name: dict[str, str], at: datetime, session: ClientSession) -> None:
    """Writes the document by which two holds of one moment meet.

    The count is what makes it a write: to set what is there already would be none, and holds can
    be made in the same millisecond.
    """
    collection("holders").update_one(
        {"_id": name},
        {"$set": {"last_hold_at": at}, "$inc": {"holds": 1}},
        upsert=True,
        session=session,
    )


def _sum_held(holder: dict[str, str], session: ClientSession) -> tuple[int, int]:
    """How many live holds they have, and how many room-nights in all."""
    live: dict[str, Any] = {**holder, "status": PENDING, "expires_at": {"$gt": clock.now()}}
    counted = collection("bookings").aggregate(
        [
            {"$match": live},
            {"$project": {"nights": {"$size": "$slots"}}},
            {"$group": {"_id": None, "holds": {"$sum": 1}, "nights": {"$sum": "$nights"}}},
        ],
        # Else the planner may go through everybody's live holds by their end.
        hint="holds_of_an_owner",
        session=session,
    )
    found = next(counted, {"holds": 0, "nights": 0})
    return found["holds"], found["nights"]


def _categories_of(hold: Booking) -> set[str]:
    return {booked.category for booked in hold.rooms}
