"""Decides when a room may leave the catalogue or its category: once no booking of it is under way.

A booking first reads the catalogue and is written later, and the write does not read again: a
second read in every booking's transaction would cost as much as the insert. So the room waits
instead. It is taken off sale, and every request that begins afterwards sees that. Requests that
began before have ended within `STILL_SOLD`, and the bookings that they made can be found. From then
on nothing can refer to the room until it is for sale again.

A partner leaves in the same way, once its last token has been revoked for that long: none of its
bookings can be under way then.

A category whose last room has left in this way, and a hotel without categories, need no wait of
their own, since every booking books a room.
"""

from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import Any

from bookings.infrastructure.connections import collection
from bookings.infrastructure.recent_reads import announce_change

# How long a request that has seen the room for sale may still book it, with a margin. A request
# has 8 s for all its work in MongoDB, and checks that limit again before it commits. If its process
# is stopped in between, it leaves a transaction behind. MongoDB ends that after 5 s, or after 84 s
# if its transactionLifetimeLimitSeconds was not set.
STILL_SOLD = timedelta(minutes=2)

# By MongoDB's own clock, which also wrote `off_sale_since`. A room without it is not settled.
_SETTLED: dict[str, Any] = {
    "is_sold": False,
    "off_sale_since": {"$type": "date"},
    "$expr": {
        "$lte": [
            "$off_sale_since",
            {"$subtract": ["$$NOW", int(STILL_SOLD.total_seconds() * 1000)]},
        ]
    },
}


def is_settled(room_id: str) -> bool:
    """Whether no request that has seen this room for sale can still book it."""
    return collection("rooms").find_one({"_id": room_id, **_SETTLED}, {"_id": 1}) is not None


def clients_with_recent_tokens(client_ids: Iterable[Any]) -> set[Any]:
    """The ids, of those given, of API clients that have a token or had one within `STILL_SOLD`.

    Their last requests may still be writing.
    """
    over = {"$subtract": ["$$NOW", int(STILL_SOLD.total_seconds() * 1000)]}
    condition = {
        "client_id": {"$in": list(client_ids)},
        "$or": [{"revoked_at": None}, {"$expr": {"$gt": ["$revoked_at", over]}}],
    }
    return {token["client_id"] for token in collection("api_tokens").find(condition)}


def delete_room(room_id: str, *, off_sale_since: datetime | None) -> bool:
    """Deletes the room if it is settled and has been off sale without a break since
    `off_sale_since`. Returns whether it did.

    Call `queries.find_referred` after reading the room and before this: if the room was on sale
    in between, it may have a booking.
    """
    room = {"_id": room_id, "$and": [_SETTLED, {"off_sale_since": off_sale_since}]}
    is_deleted = collection("rooms").delete_one(room).deleted_count == 1
    announce_change()
    return is_deleted
