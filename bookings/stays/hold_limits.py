"""Limits on holds, judged inside the transaction that writes a hold.

A hold costs its holder nothing and keeps rooms from all other guests. So room-nights (rooms times
nights) on hold are limited: for one visitor, for one remote address, for one partner, and for all
guests without an account in one category. docs/decisions/0018 gives the limits and the reasons.

Two holds of one moment do not see each other in their snapshots. So each writes a document of
`holders` for everything that counts it. The second transaction gets a write conflict, runs again,
and sees the first. None of this asks Redis. Bookings made without a hold do not count.
"""

from collections import Counter
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from django.conf import settings
from django.utils.crypto import salted_hmac
from pymongo.client_session import ClientSession

from bookings.domain.booking import PENDING, Booking, nights_between
from bookings.indexes import OF_GUESTS
from bookings.infrastructure import clock, metrics
from bookings.infrastructure.connections import collection
from bookings.refusals import EmailNeeded, TooManyHolds, TooManyNightsHeld

# In a crowd a hold is short, and extensions do not make it much longer: others want the room.
CROWDED_HOLD = timedelta(minutes=5)
LONGEST_CROWDED_HOLD = timedelta(minutes=15)

# The rooms of a family or a small group. A guest may hold this many rooms of a hotel, even if those
# are all it has, while no other guest holds any.
FAMILY_ROOMS = 4


@dataclass(frozen=True)
class Source:
    """Something that several visitors may share, and how many room-nights they may hold together.

    Only a keyed digest of it is stored, and only as long as the document that counts its holds.
    """

    digest: str
    room_nights: int


@dataclass(frozen=True)
class HoldLimits:
    """The limits on one hold. None means that a limit does not apply.

    `holds` and `room_nights` count the holder's own. `of_partner` limits the room-nights of all
    guests of a partner together. `crowd_percent` applies to guests without an account: if they hold
    a larger share of a category's rooms together, a further guest must confirm an e-mail address.
    `is_confirmed` says that this guest has done so.
    """

    holds: int
    room_nights: int | None = None
    of_partner: int | None = None
    sources: tuple[Source, ...] = ()
    crowd_percent: int | None = None
    is_confirmed: bool = False


def limits_of(
    *,
    owner: str,
    crowd_percent: int,
    remote_address: str | None,
    mailbox_digest: str | None,
    is_confirmed: bool = False,
) -> HoldLimits:
    """The limits on a hold, by the kind of its owner. `crowd_percent` is the hotel's.

    All guests of a partner share one remote address. So the number of holds is limited for each
    guest, and the room-nights for all of them together.
    """
    kind = owner.partition(":")[0]
    if kind == "client":
        return HoldLimits(
            holds=settings.MAX_LIVE_HOLDS, of_partner=settings.MAX_HELD_ROOM_NIGHTS_PER_PARTNER
        )
    sources = []
    if remote_address is not None:
        digest = digest_of(f"address:{remote_address}")
        sources.append(Source(digest, settings.MAX_HELD_ROOM_NIGHTS_PER_ADDRESS))
    if mailbox_digest is not None:
        # One mailbox is one visitor, in however many browsers.
        sources.append(Source(mailbox_digest, settings.MAX_HELD_ROOM_NIGHTS))
    return HoldLimits(
        holds=settings.MAX_LIVE_HOLDS,
        room_nights=settings.MAX_HELD_ROOM_NIGHTS,
        sources=tuple(sources),
        crowd_percent=crowd_percent if kind == "guest" else None,
        is_confirmed=is_confirmed,
    )


def digest_of(what: str) -> str:
    """The digest that stands for a remote address or a mailbox. It is keyed with SECRET_KEY, so no
    one else can find the address by trying."""
    return salted_hmac("bookings.hold_limits", what, algorithm="sha256").hexdigest()[:32]


def judge_hold(hold: Booking, limits: HoldLimits, session: ClientSession) -> None:
    """Raises TooManyHolds, TooManyNightsHeld or EmailNeeded if the hold exceeds a limit.

    The session's transaction has written the hold already, so it counts.
    """
    _judge_holder(hold, limits, session)
    if limits.of_partner is not None:
        _judge_partner(hold, limits.of_partner, session)
    for source in limits.sources:
        _judge_source(hold, source, session)
    if limits.crowd_percent is not None:
        for category in sorted(_categories_of(hold)):
            _mark({"category": category}, hold.created_at, session)
            # Judge as if the rooms were held one after the other, and leave out the last one. If
            # only earlier holds counted, two large ones could take all the rooms.
            if not limits.is_confirmed and _is_crowded(
                hold, category, limits.crowd_percent, spare=1, session=session
            ):
                raise EmailNeeded


def may_take_over(
    guest: str, holder: dict[str, str], limits: HoldLimits, session: ClientSession
) -> bool:
    """Whether the holder may take over this guest's holds without exceeding the limits."""
    _mark(holder, clock.now(), session)
    held = [_sum_held(of, session) for of in ({"owner": guest}, holder)]
    room_nights = sum(nights for _, nights in held)
    return sum(holds for holds, _ in held) <= limits.holds and (
        limits.room_nights is None or room_nights <= limits.room_nights
    )


def is_crowded(hold: Booking, percent: int) -> bool:
    """Whether this stored hold of a guest is part of a crowd.

    There is a crowd if, on one of its nights, guests hold more than this percentage of the
    category's rooms. A guest with up to FAMILY_ROOMS rooms is no crowd while no other guest holds a
    room of the hotel.
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
    """`spare` rooms are subtracted from what guests hold."""
    first, end = hold.check_in.isoformat(), hold.check_out.isoformat()
    # The query names the hotel's categories, since there is an index on them.
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
        # Two guests who are exempt at one moment, in whatever categories, conflict here.
        _mark({"hotel": hold.hotel}, hold.created_at, session)
    # Holds on any night and in any category count, or a script would take each in turn.
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
    """Counts what a partner holds for all its guests, since it may name any number of them."""
    partner = {"owner": hold.owner}
    _mark(partner, hold.created_at, session)
    _, room_nights = _sum_held(partner, session)
    if room_nights > limit:
        metrics.holds_refused.labels("partner").inc()
        raise TooManyNightsHeld


def _judge_source(hold: Booking, source: Source, session: ClientSession) -> None:
    """The source's document lists its holds, so that no booking has to name its source."""
    name = {"source": source.digest}
    known = collection("holders").find_one({"_id": name}, session=session)
    live = list(
        collection("bookings").find(
            {
                # A hold that was changed may be among them.
                "_id": {"$in": known["held"], "$ne": hold.id},
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
    """Writes the document that makes two holds of one moment conflict.

    The counter makes sure that this is a write. Setting a field to the value it has is none, and
    two holds can be made in the same millisecond.
    """
    collection("holders").update_one(
        {"_id": name},
        {"$set": {"last_hold_at": at}, "$inc": {"holds": 1}},
        upsert=True,
        session=session,
    )


def _sum_held(holder: dict[str, str], session: ClientSession) -> tuple[int, int]:
    """The number of the holder's live holds, and their room-nights together."""
    live: dict[str, Any] = {**holder, "status": PENDING, "expires_at": {"$gt": clock.now()}}
    counted = collection("bookings").aggregate(
        [
            {"$match": live},
            {"$project": {"nights": {"$size": "$slots"}}},
            {"$group": {"_id": None, "holds": {"$sum": 1}, "nights": {"$sum": "$nights"}}},
        ],
        # Without the hint the planner may scan all live holds by their end.
        hint="holds_of_an_owner",
        session=session,
    )
    found = next(counted, {"holds": 0, "nights": 0})
    return found["holds"], found["nights"]


def _categories_of(hold: Booking) -> set[str]:
    return {booked.category for booked in hold.rooms}
