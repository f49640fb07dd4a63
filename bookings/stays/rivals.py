"""Bookings with the slots of another one: its rivals, or the same person's own hold."""

from typing import Any

from pymongo.client_session import ClientSession

from bookings.domain import account_deletion
from bookings.domain.booking import (
    ACTIVE,
    IS_DEAD,
    PENDING,
    BookedRoom,
    Booking,
    Draft,
    from_document,
)
from bookings.domain.stay_request import RoomWish
from bookings.infrastructure import clock
from bookings.infrastructure.connections import collection, database
from bookings.infrastructure.mongodb.transactions import in_transaction
from bookings.stays import kept_answers

# The most keys on one hold. A caller who comes back adds one, and each carries a stored answer.
MAX_KEYS = 50


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


def are_sold(slots: list[str], *, hotel: str, draft: Draft) -> bool:
    """Whether someone else's live booking has one of these slots, and nothing speaks for the draft.

    False does not say that the slots are free: only a write decides whether the draft gets them.
    It is False, too, if the draft's key has made a booking or if its person has one of the slots.
    Raises NotAuthenticated as a write would, if the caller's or the owner's account was deleted.
    """
    named = {"keys.digest": draft.digest}
    in_the_way = {"hotel": hotel, "slots": {"$in": slots}, "status": {"$in": list(ACTIVE)}}
    is_own = {
        "$or": [
            {"$in": [draft.digest, {"$ifNull": ["$keys.digest", []]}]},
            # Literally: a partner's id for its guest may begin with a dollar.
            {"$eq": [["$owner", "$user_id"], {"$literal": [draft.owner, draft.user_id]}]},
        ]
    }

    def look(session: ClientSession) -> list[dict[str, Any]]:
        account_deletion.let_write((draft.caller, draft.owner), session)
        found = collection("bookings").aggregate(
            [
                {"$match": {"$or": [named, in_the_way]}},
                {"$project": {"_id": 0, "is_own": is_own, "is_dead": IS_DEAD}},
            ],
            session=session,
        )
        return list(found)

    # A transaction, for its commit: a refusal that follows from this is kept, and a primary that
    # was deposed cannot commit.
    found = in_transaction(look)
    return not any(each["is_own"] for each in found) and not all(each["is_dead"] for each in found)


def find_own_stay(draft: Draft) -> Booking | None:
    """The booking that the draft's key made, or its owner's own hold for this stay.

    A category must not look sold out to a caller who has taken its last room.
    """
    made = kept_answers.find_booking_by_key(draft.digest)
    key = made.key_for(draft.digest) if made else None
    # A server-made key means this booking for a limited time. After that its rooms say nothing
    # about the request; the booking may have moved to rooms of another kind.
    if made and key and kept_answers.still_replays(key, made, clock.now()):
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


def _are_alike(wanted: tuple[RoomWish, ...], held: tuple[BookedRoom, ...]) -> bool:
    """Whether the hold has the wanted rooms: by id if every wish has one, else by category."""
    if all(wish.room for wish in wanted):
        return sorted((wish.room or "", wish.guests) for wish in wanted) == sorted(
            (booked.room, booked.guests) for booked in held
        )
    return sorted((wish.category or "", wish.guests) for wish in wanted) == sorted(
        (booked.category, booked.guests) for booked in held
    )


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
