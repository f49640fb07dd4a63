"""When a room may leave the catalogue, or its category: once no booking of it can be on its way.

A booking reads the catalogue first and is written later, and the write does not ask again: a
second read in every booking's transaction would cost as much as the insert. So the room waits
instead. It is taken off sale, which every request that begins after it sees. What began before is
over within `STILL_SOLD`, and what it has booked is there to be found. From then on nothing can
come to refer to the room until it is for sale again.

A partner leaves likewise, once its last token was revoked for that long: no booking of its own can
be on its way then.

A category whose last room has left it in this way, and a hotel without categories, need no wait of
their own: who books them books a room.
"""

from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import Any

from bookings.infrastructure.connections import collection

# How long a request that has seen the room for sale may still book it, and some more. A request
# has 8 s for all it asks of MongoDB, and looks at them once more before it commits; a process that
# is stopped in between leaves a transaction behind, which MongoDB ends after 5 s, or after 84 s
# where it was not told to (transactionLifetimeLimitSeconds).
STILL_SOLD = timedelta(minutes=2)

# By MongoDB's own clock, which also wrote the moment. What has no moment is not settled.
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
    """Whether no booking that has seen this room for sale can be on its way."""
    return collection("rooms").find_one({"_id": room_id, **_SETTLED}, {"_id": 1}) is not None


def clients_with_recent_tokens(client_ids: Iterable[Any]) -> set[Any]:
    """Those of these API clients that have a token, or had one until a moment ago: what they have
    asked for may still be written."""
    over = {"$subtract": ["$$NOW", int(STILL_SOLD.total_seconds() * 1000)]}
    condition = {
        "client_id": {"$in": list(client_ids)},
        "$or": [{"revoked_at": None}, {"$expr": {"$gt": ["$revoked_at", over]}}],
    }
    return {token["client_id"] for token in collection("api_tokens").find(condition)}


def delete_room(room_id: str, *, off_sale_since: datetime | None) -> bool:
    """Deletes the room if it is settled and has been off sale without a break since then.

    Ask `lookups.find_referred` between the look at the room and this: what was sold in between
    may have a booking.
    """
    room = {"_id": room_id, "$and": [_SETTLED, {"off_sale_since": off_sale_since}]}
    return collection("rooms").delete_one(room).deleted_count == 1
