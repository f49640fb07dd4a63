"""What waits for each endpoint: the deliveries whose channel is `webhook`.

Only who has the lease on an endpoint tries what is due for it, the oldest first: so a delivery is
not taken by itself, as a mail is, and waits for as long as its endpoint is down. What has
`refused_since` stands aside: it alone was refused while others were taken.
"""

from collections.abc import Iterable
from datetime import datetime
from typing import Any

from bookings import failed_work
from bookings.connections import collection
from bookings.deliveries import (
    GIVEN_UP,
    MAX_COUNTED,
    MAX_ERROR,
    NOT_NEEDED,
    NOT_SENT,
    SENT,
    WAITING,
    WEBHOOK,
    count,
)

Delivery = dict[str, Any]

# An event that is refused while others are taken waits by itself, longer each time, for a day. What
# is counted is refusals: while its endpoint is down or disabled, or no worker runs, there are none.
FIRST_WAIT_MS = 60_000
LONGEST_WAIT_MS = 3_600_000
MAX_REFUSALS = 25

_WAITING = {"channel": WEBHOOK, "next_try_at": {"$type": "date"}}
_DUE: dict[str, Any] = {**_WAITING, "$expr": {"$lte": ["$next_try_at", "$$NOW"]}}


def clients_with_due(client_ids: Iterable[str]) -> set[str]:
    """Which of these clients something is due for."""
    found = collection("deliveries").aggregate(
        [{"$match": {**_DUE, "to": {"$in": list(client_ids)}}}, {"$group": {"_id": "$to"}}]
    )
    return {group["_id"] for group in found}


def find_next_due(client_id: str) -> Delivery | None:
    """What happened first of what is due; what stands aside comes after everything else."""
    return _find_due({"to": client_id}, "refused_since")


def find_probe(client_id: str, *, besides: Iterable[str]) -> Delivery | None:
    """What was refused least of what is due and in order, other than the deliveries of these ids:
    so each is tried sooner or later, however many before it are refused."""
    conditions = {"refused_since": None, "_id": {"$nin": list(besides)}}
    return _find_due({"to": client_id, **conditions}, "tries")


def _find_due(conditions: dict[str, Any], first_by: str) -> Delivery | None:
    order = (first_by, "at", "booking", "version")
    return collection("deliveries").find_one(
        {**_DUE, **conditions}, sort=[(name, 1) for name in order]
    )


def list_latest(client_id: str, *, limit: int) -> list[Delivery]:
    """For people to look at, the newest first."""
    return list(
        collection("deliveries")
        .find({"channel": WEBHOOK, "to": client_id}, {"payload": 0})
        .sort([("created_at", -1), ("at", -1), ("version", -1)])
        .limit(limit)
    )


def count_waiting(client_id: str) -> int:
    """How many wait for this client, counted up to MAX_COUNTED."""
    return collection("deliveries").count_documents(
        {**_WAITING, "to": client_id}, limit=MAX_COUNTED
    )


def settle(delivery: Delivery) -> None:
    """It was taken."""
    count(WEBHOOK, SENT)
    collection("deliveries").update_one(
        {"_id": delivery["_id"]},
        [
            {
                "$set": {
                    "state": SENT,
                    "settled_at": "$$NOW",
                    "last_error": "",
                    "tries": {"$add": ["$tries", 1]},
                }
            },
            {"$unset": ["next_try_at", "refused_since", "refusals"]},
        ],
    )


def put_off(delivery: Delivery, problem: str, until: datetime | None) -> None:
    """It waits for its endpoint, which takes nothing before `until`."""
    count(WEBHOOK, NOT_SENT)
    changed: dict[str, Any] = {"last_error": problem[:MAX_ERROR]}
    if until is not None:
        changed["next_try_at"] = until
    collection("deliveries").update_one(
        {"_id": delivery["_id"], "state": WAITING}, {"$set": changed, "$inc": {"tries": 1}}
    )


def stand_aside(delivery: Delivery, problem: str) -> bool:
    """It alone is refused: it waits by itself, or is given up after the last of its refusals, which
    returns True."""
    wait_ms = {"$multiply": [FIRST_WAIT_MS, {"$pow": [2, {"$min": ["$tries", 16]}]}]}
    next_try_at = {"$add": ["$$NOW", {"$toLong": {"$min": [wait_ms, LONGEST_WAIT_MS]}}]}
    is_over = {"$gte": ["$refusals", MAX_REFUSALS]}
    changed = collection("deliveries").find_one_and_update(
        {"_id": delivery["_id"], "state": WAITING},
        [
            {
                "$set": {
                    "refused_since": {"$ifNull": ["$refused_since", "$$NOW"]},
                    "refusals": {"$add": [{"$ifNull": ["$refusals", 0]}, 1]},
                    "last_error": {"$literal": problem[:MAX_ERROR]},
                    "next_try_at": next_try_at,
                    "tries": {"$add": ["$tries", 1]},
                }
            },
            {
                "$set": {
                    "state": {"$cond": [is_over, GIVEN_UP, "$state"]},
                    "settled_at": {"$cond": [is_over, "$$NOW", "$$REMOVE"]},
                    "next_try_at": {"$cond": [is_over, "$$REMOVE", "$next_try_at"]},
                }
            },
        ],
        return_document=True,
    )
    is_given_up = changed is not None and changed["state"] == GIVEN_UP
    count(WEBHOOK, GIVEN_UP if is_given_up else NOT_SENT)
    return is_given_up


def send_again(client_id: str, delivery_id: str) -> bool:
    """Makes one due now, whatever became of it; False if the client has none of this id."""
    result = collection("deliveries").update_one(
        {"_id": delivery_id, "channel": WEBHOOK, "to": client_id},
        [
            {"$set": {"state": WAITING, "next_try_at": "$$NOW"}},
            {"$unset": ["settled_at", "refused_since", "refusals"]},
        ],
    )
    if result.matched_count != 1:
        return False
    # What fails again is told again.
    failed_work.forget(failed_work.WEBHOOKS, [delivery_id])
    return True


def make_due(client_id: str) -> None:
    """Everything that waits for this client is due now."""
    collection("deliveries").update_many(
        {**_WAITING, "to": client_id}, [{"$set": {"next_try_at": "$$NOW"}}]
    )


def drop(client_id: str) -> None:
    """Nobody is there any more to be told."""
    collection("deliveries").update_many(
        {**_WAITING, "to": client_id},
        [{"$set": {"state": NOT_NEEDED, "settled_at": "$$NOW"}}, {"$unset": "next_try_at"}],
    )


def due_longest_s(client_ids: Iterable[str]) -> float:
    """How long something has been due for one of these clients."""
    found = list(
        collection("deliveries").aggregate(
            [
                {"$match": {**_DUE, "to": {"$in": list(client_ids)}}},
                {"$limit": MAX_COUNTED},
                {"$group": {"_id": None, "due": {"$min": "$next_try_at"}}},
                {"$project": {"due_ms": {"$subtract": ["$$NOW", "$due"]}}},
            ]
        )
    )
    return found[0]["due_ms"] / 1000 if found else 0.0
