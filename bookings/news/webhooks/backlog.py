"""What waits for each endpoint: the deliveries whose channel is `webhook`.

Only the holder of an endpoint's lease tries its due deliveries, the oldest first. So workers do not
take them one by one, as they take mails, and the deliveries wait for as long as their endpoint is
down. Only the first waiting delivery of each booking, by version, is ever tried, so no event
overtakes an earlier one of its booking. A delivery with `refused_since` stands aside: the receiver
refused it while accepting others, or it waits behind a refused delivery of its booking.
"""

from collections.abc import Iterable, Iterator
from datetime import datetime
from typing import Any

from bookings.infrastructure.connections import collection
from bookings.infrastructure.queues import failed_work
from bookings.infrastructure.queues.retries import Schedule
from bookings.news import deliveries
from bookings.news.deliveries import (
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
from bookings.stays.notices import NEWS_EXPIRING

DeliveryDocument = dict[str, Any]

# An event that is refused while others are accepted waits by itself, longer each time, for a day.
# The limit counts refusals only: there are none while the endpoint is down or disabled, or while no
# worker runs. The wait grows with every try, even one in which the whole endpoint failed.
RETRIES = Schedule(first_wait_ms=60_000, longest_wait_ms=3_600_000, max_tries=25)

_WAITING = {"channel": WEBHOOK, "next_try_at": {"$type": "date"}}
# A delivery in order waits for its endpoint, never for a time of its own.
_IN_ORDER: dict[str, Any] = {**_WAITING, "refused_since": None}
_ASIDE: dict[str, Any] = {**_WAITING, "refused_since": {"$ne": None}}
_IS_TIME = {"$expr": {"$lte": ["$next_try_at", "$$NOW"]}}
_DUE: dict[str, Any] = {**_WAITING, "$or": [{"refused_since": None}, _IS_TIME]}

_PUT_IN_ORDER: list[dict[str, Any]] = [
    {"$set": {"next_try_at": "$$NOW"}},
    {"$unset": "refused_since"},
]
_BY_VERSION = {"version": 1, "at": 1}


def clients_with_due(client_ids: Iterable[str]) -> set[str]:
    """Those of these clients that have a due delivery."""
    found = collection("deliveries").aggregate(
        [{"$match": {**_DUE, "to": {"$in": list(client_ids)}}}, {"$group": {"_id": "$to"}}]
    )
    return {group["_id"] for group in found}


def find_next_due(client_id: str) -> DeliveryDocument | None:
    """The delivery to try next, or None. It is the first waiting delivery of its booking.

    The oldest delivery in order comes first. If there is none, it is one that stands aside and is
    due: the one that was refused first.
    """
    to = {"to": client_id}
    while found := _find_oldest({**_IN_ORDER, **to}):
        first = _find_first_of_booking(found)
        if first is None or "refused_since" not in first:
            return first
        _stand_behind(first)
    while found := _find_oldest({**_ASIDE, **_IS_TIME, **to}):
        first = _find_first_of_booking(found)
        if first is None or collection("deliveries").find_one({**_DUE, "_id": first["_id"]}):
            return first
        _stand_behind(first)
    return None


def find_probes(
    client_id: str, *, besides: DeliveryDocument, limit: int
) -> Iterator[DeliveryDocument]:
    """The first delivery in order of each other booking, those with the fewest tries first.

    So each is tried sooner or later, however many before it are refused. Each is read when its turn
    comes.
    """
    read = {"id": "$_id"} | {name: f"${name}" for name in ("tries", "at", "refused_since")}
    other = {"to": client_id, "booking": {"$ne": besides.get("booking")}}
    found = collection("deliveries").aggregate(
        [
            {"$match": {**_WAITING, **other}},
            {
                "$group": {
                    "_id": "$booking",
                    "first": {"$top": {"sortBy": _BY_VERSION, "output": read}},
                }
            },
            {"$match": {"first.refused_since": None}},
            {"$sort": {"first.tries": 1, "first.at": 1, "_id": 1}},
            {"$limit": limit},
        ]
    )
    for probe in list(found):
        if delivery := collection("deliveries").find_one(
            {**_IN_ORDER, "_id": probe["first"]["id"]}
        ):
            yield delivery


def _find_oldest(conditions: dict[str, Any]) -> DeliveryDocument | None:
    order = ("refused_since", "at", "booking", "version")
    return collection("deliveries").find_one(conditions, sort=[(name, 1) for name in order])


def _find_first_of_booking(delivery: DeliveryDocument) -> DeliveryDocument | None:
    """By version, since two processes may disagree by milliseconds about when a change happened."""
    same = {"to": delivery["to"], "booking": delivery.get("booking")}
    return collection("deliveries").find_one(
        {**_WAITING, **same}, sort=list(_BY_VERSION.items()), hint="deliveries_of_a_booking"
    )


def _stand_behind(first: DeliveryDocument) -> None:
    """Makes the booking's later deliveries wait until `first`, which stands aside, is settled."""
    collection("deliveries").update_many(
        {**_WAITING, "to": first["to"], "booking": first.get("booking")},
        {"$set": {name: first[name] for name in ("refused_since", "next_try_at")}},
    )


def _let_follow(delivery: DeliveryDocument) -> None:
    """Puts the deliveries that stood behind a settled one back in order."""
    collection("deliveries").update_many(
        {**_ASIDE, "to": delivery["to"], "booking": delivery.get("booking")}, _PUT_IN_ORDER
    )


def list_latest(client_id: str, *, limit: int) -> list[DeliveryDocument]:
    """The newest deliveries first, without their payload, for people to look at."""
    return list(
        collection("deliveries")
        .find({"channel": WEBHOOK, "to": client_id}, {"payload": 0})
        .sort([("created_at", -1), ("at", -1), ("version", -1)])
        .limit(limit)
    )


def count_waiting(client_id: str) -> int:
    """How many deliveries wait for this client, counted up to MAX_COUNTED."""
    return collection("deliveries").count_documents(
        {**_WAITING, "to": client_id}, limit=MAX_COUNTED
    )


def settle(delivery: DeliveryDocument) -> None:
    """Notes that the receiver accepted the delivery."""
    count(WEBHOOK, SENT)
    if "refused_since" in delivery:
        _let_follow(delivery)
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


def put_off(delivery: DeliveryDocument, problem: str, until: datetime | None) -> None:
    """Lets the delivery wait for its endpoint, which gets nothing before `until`."""
    count(WEBHOOK, NOT_SENT)
    changed: dict[str, Any] = {"last_error": problem[:MAX_ERROR]}
    if until is not None:
        changed["next_try_at"] = until
    collection("deliveries").update_one(
        {"_id": delivery["_id"], "state": WAITING}, {"$set": changed, "$inc": {"tries": 1}}
    )


def stand_aside(delivery: DeliveryDocument, problem: str) -> bool:
    """Lets a delivery wait by itself because the receiver refused only this one.

    After its last refusal, gives it up and returns True.
    """
    next_try_at = {"$add": ["$$NOW", RETRIES.wait_ms(earlier_failures="$tries")]}
    is_over = RETRIES.is_spent("$refusals")
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
    if is_given_up:
        _let_follow(delivery)
    elif changed:
        _stand_behind(changed)
    count(WEBHOOK, GIVEN_UP if is_given_up else NOT_SENT)
    return is_given_up


def is_overtaken(delivery: DeliveryDocument) -> bool:
    """Whether it announces a coming end although the receiver already knows what followed.

    Other news stays in the outbox until it is passed on, always before later news. But a relay
    drops the news of an end that will not come, and a slower relay that read it earlier may still
    write it. A delivery that was tried before is sent again, since staff asked for it.
    """
    if delivery.get("event") != NEWS_EXPIRING or delivery.get("tries"):
        return False
    later = {"booking": delivery.get("booking"), "version": {"$gt": delivery.get("version")}}
    told = {"channel": WEBHOOK, "to": delivery["to"], "state": SENT}
    return collection("deliveries").find_one({**told, **later}) is not None


def pass_over(delivery: DeliveryDocument) -> None:
    """Notes that the delivery need no longer be sent."""
    count(WEBHOOK, NOT_NEEDED)
    collection("deliveries").update_one(
        {"_id": delivery["_id"]},
        [
            {"$set": {"state": NOT_NEEDED, "settled_at": "$$NOW"}},
            {"$unset": ["next_try_at", "refused_since"]},
        ],
    )


def set_aside(delivery: DeliveryDocument, error: Exception) -> None:
    """Gives up a delivery that cannot be read, so that later ones need not wait for it."""
    deliveries.set_aside(delivery, WEBHOOK, error)
    if "refused_since" in delivery:
        _let_follow(delivery)


def send_again(client_id: str, delivery_id: str) -> bool:
    """Makes a delivery due now, whatever its state; earlier waiting ones of its booking go first.

    Returns False if the client has no delivery with this id.
    """
    again = collection("deliveries").find_one_and_update(
        {"_id": delivery_id, "channel": WEBHOOK, "to": client_id},
        [
            {"$set": {"state": WAITING, "next_try_at": "$$NOW"}},
            {"$unset": ["settled_at", "refused_since", "refusals"]},
        ],
    )
    if again is None:
        return False
    _let_follow(again)
    # If it fails again, staff are told again.
    failed_work.forget(failed_work.WEBHOOKS, [delivery_id])
    return True


def make_due(client_id: str) -> None:
    """Makes everything that waits for this client due now, in order."""
    collection("deliveries").update_many({**_WAITING, "to": client_id}, _PUT_IN_ORDER)


def drop(client_id: str) -> None:
    """Settles what waits for a client that no longer has an endpoint."""
    collection("deliveries").update_many(
        {**_WAITING, "to": client_id},
        [{"$set": {"state": NOT_NEEDED, "settled_at": "$$NOW"}}, {"$unset": "next_try_at"}],
    )


def due_longest_s(client_ids: Iterable[str]) -> float:
    """How long the oldest due delivery of these clients has been due; 0 if there is none."""
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
    # The time may lie ahead: deliveries wait for their endpoint's pause, which staff can end early.
    return max(0.0, found[0]["due_ms"] / 1000) if found else 0.0
