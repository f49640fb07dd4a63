"""Partners' endpoints: where their webhooks go, which secrets sign them, and whose turn it is.

Staff and workers write different fields of the same documents, in single updates that go by
MongoDB's clock. A worker takes a lease on an endpoint before it sends, so only one sends at a time.
If that worker is killed, the next one takes the endpoint once the lease has ended.
"""

import random
import secrets
from collections.abc import Iterable
from contextlib import suppress
from datetime import timedelta
from typing import Any

from bson import ObjectId
from django.db.models.signals import post_delete
from django.dispatch import receiver
from pymongo import ReturnDocument

from bookings.infrastructure import clock, seals
from bookings.infrastructure.connections import collection
from bookings.infrastructure.queues.retries import Schedule, counted
from bookings.models import WebhookEndpoint
from bookings.news.webhooks import backlog, signing
from bookings.news.webhooks.posting import WebhookAnswer
from bookings.news.webhooks.receiver_hotels import hotels_of_clients

Endpoint = dict[str, Any]

# Longer than three tries and the writes about them.
LEASE_MS = 60_000

# How long a partner has to change to a new secret.
OVERLAP = timedelta(hours=24)

# A receiver that restarts is back after the first pause. One that stays down is tried at most once
# an hour, some thirty times a day; with fewer tries than `max_tries`, no worker ran for part of the
# day. Each pause is up to a fifth longer, so that receivers on one server are not all tried at the
# same time.
RETRIES = Schedule(first_wait_ms=10_000, longest_wait_ms=3_600_000, max_tries=20)
JITTER = 0.2

# An endpoint that has accepted nothing for this long is disabled until staff enable it.
DISABLED_AFTER = timedelta(days=1)

MAX_ERROR = 500

GONE = 410

_IS_DUE = {"$lte": ["$next_try_at", "$$NOW"]}  # a missing time is due, too
_IS_FREE = {"$lte": ["$lease_until", "$$NOW"]}
_RELEASED: dict[str, Any] = {"taken_by": "", "lease_until": None, "served_at": "$$NOW"}
_WELL: dict[str, Any] = {
    "failures": 0,
    "failing_since": None,
    "last_error": "",
    "next_try_at": None,
    "disabled_at": None,
}


def hotels_by_receiver(client_ids: Iterable[str]) -> dict[str, frozenset[str] | None]:
    """Those of these clients that have an endpoint, with the hotels whose news they may get; None
    means all. For a disabled endpoint, news waits."""
    ids = [ObjectId(client_id) for client_id in client_ids if ObjectId.is_valid(client_id)]
    found = collection("webhook_endpoints").find({"client_id": {"$in": ids}}, {"client_id": 1})
    clients = [endpoint["client_id"] for endpoint in found]
    hotels = hotels_of_clients(clients) if clients else {}
    return {str(client_id): hotels.get(client_id) for client_id in clients}


# --- What staff do --------------------------------------------------------------------------


def new_secret() -> tuple[str, dict[str, Any]]:
    """A secret, to be shown once, and the fields of an endpoint that store it."""
    secret = signing.make_secret()
    return secret, {
        "secret": seals.seal(secret),
        "hint": signing.hint_of(secret),
        "seal_key": seals.name_of_key(),
        "secret_made_at": clock.now(),
    }


def rotate_secret(endpoint_id: ObjectId) -> str | None:
    """Makes a new secret and returns it; None if the endpoint is gone.

    Until the overlap ends, earlier secrets sign as well.
    """
    secret, fields = new_secret()
    until = {"$add": ["$$NOW", _ms(OVERLAP)]}
    earlier = {"secret": "$secret", "hint": "$hint", "until": until}
    found = collection("webhook_endpoints").find_one_and_update(
        {"_id": endpoint_id},
        [
            {"$set": {"previous": {"$concatArrays": [_still_good(), [earlier]]}}},
            {"$set": {name: {"$literal": value} for name, value in fields.items()}},
        ],
    )
    return secret if found else None


def end_earlier_secrets(endpoint_id: ObjectId) -> None:
    """Stops signing with earlier secrets at once, in case one has leaked."""
    collection("webhook_endpoints").update_one({"_id": endpoint_id}, {"$set": {"previous": []}})


def change_endpoint(endpoint_id: ObjectId, *, url: str, is_active: bool) -> None:
    """Makes the changes that staff want, and forgets past failures, so that it is tried at once.
    Past successes say nothing about a new URL, or about one that is switched on again."""
    untried = {"last_sent_at": None} if is_active else {}
    collection("webhook_endpoints").update_one(
        {"_id": endpoint_id}, {"$set": {"url": url, "is_active": is_active, **_WELL, **untried}}
    )


def try_now(endpoint_id: ObjectId) -> None:
    """Ends a pause; the record of failures stays."""
    collection("webhook_endpoints").update_one(
        {"_id": endpoint_id}, {"$set": {"next_try_at": None}}
    )


def request_test(endpoint_id: ObjectId) -> None:
    """Requests a test event, which a worker sends whether or not the endpoint is active."""
    test = {"id": f"test-{secrets.token_hex(12)}", "is_due": True, "ordered_at": "$$NOW"}
    collection("webhook_endpoints").update_one(
        {"_id": endpoint_id}, [{"$unset": "test"}, {"$set": {"test": test}}]
    )


def find_endpoint(endpoint_id: ObjectId) -> Endpoint | None:
    """The whole document; its `previous` has only the earlier secrets that still sign."""
    return next(
        collection("webhook_endpoints").aggregate(
            [{"$match": {"_id": endpoint_id}}, {"$set": {"previous": _still_good()}}]
        ),
        None,
    )


# --- What workers do ------------------------------------------------------------------------


def find_ready() -> list[Endpoint]:
    """The endpoints that may be taken, the one served longest ago first.

    Each has its `client_id`, and `has_test` says whether staff asked for a test. Clients that may
    not call the API get no webhooks either.
    """
    return list(
        collection("webhook_endpoints").aggregate(
            [
                {"$match": {"$expr": _may_be_taken()}},
                {
                    "$lookup": {
                        "from": "api_clients",
                        "localField": "client_id",
                        "foreignField": "_id",
                        "as": "client",
                    }
                },
                {"$match": {"client.is_active": True}},
                {"$sort": {"served_at": 1, "_id": 1}},
                {"$project": {"client_id": 1, "has_test": {"$eq": ["$test.is_due", True]}}},
            ]
        )
    )


def take(endpoint_id: ObjectId) -> Endpoint | None:
    """The endpoint with a lease on it; None if another worker was quicker."""
    return collection("webhook_endpoints").find_one_and_update(
        {"_id": endpoint_id, "$expr": _may_be_taken()},
        [{"$set": {"taken_by": secrets.token_hex(16), "lease_until": _lease_end()}}],
        return_document=ReturnDocument.AFTER,
    )


def release(endpoint: Endpoint) -> None:
    """Ends this worker's lease, and moves the endpoint to the end of the queue."""
    collection("webhook_endpoints").update_one(_ours(endpoint), [{"$set": _RELEASED}])


def succeed(endpoint: Endpoint) -> None:
    """Notes that the endpoint accepted something, and forgets past failures."""
    collection("webhook_endpoints").update_one(
        {**_ours(endpoint), "url": endpoint["url"]},
        [{"$set": {**_WELL, "disabled_at": "$disabled_at", "last_sent_at": "$$NOW"}}],
    )


def fail(endpoint: Endpoint, answer: WebhookAnswer) -> Endpoint | None:
    """Pauses the endpoint, twice as long each time.

    Disables it after a day of failed tries, or if it says that it is gone. Returns the endpoint
    with these changes, or None if staff changed it meanwhile.
    """
    # Damaged values count as nothing, or the endpoint would be tried again at once.
    failures = counted("$failures")
    since = {"$cond": [{"$eq": [{"$type": "$failing_since"}, "date"]}, "$failing_since", "$$NOW"]}
    pause_ms = RETRIES.wait_ms(earlier_failures=failures)
    jittered_ms = {"$toLong": {"$multiply": [pause_ms, 1 + random.uniform(0, JITTER)]}}
    # For the second stage, after the first has set the field.
    failed_ms = {"$subtract": ["$$NOW", "$failing_since"]}
    is_down = {
        "$and": [
            {"$gte": [failed_ms, _ms(DISABLED_AFTER)]},
            RETRIES.is_spent("$failures"),
        ]
    }
    is_over = {"$or": [is_down, answer.status == GONE]}
    is_disabled = {"$and": ["$is_active", is_over]}
    return collection("webhook_endpoints").find_one_and_update(
        {**_ours(endpoint), "url": endpoint.get("url")},
        [
            {
                "$set": {
                    "failing_since": since,
                    "next_try_at": {"$add": ["$$NOW", jittered_ms]},
                    "failures": {"$add": [failures, 1]},
                    "last_error": {"$literal": answer.problem[:MAX_ERROR]},
                }
            },
            {
                "$set": {
                    "disabled_at": {"$cond": [is_disabled, "$$NOW", "$disabled_at"]},
                    "note_due_at": {"$cond": [is_disabled, "$$NOW", "$note_due_at"]},
                    "note_tries": {"$cond": [is_disabled, 0, "$note_tries"]},
                    "note_written_to": {"$cond": [is_disabled, [], "$note_written_to"]},
                    "is_active": {"$and": ["$is_active", {"$not": [is_over]}]},
                }
            },
        ],
        return_document=ReturnDocument.AFTER,
    )


def answer_test(endpoint: Endpoint, answer: WebhookAnswer) -> None:
    """Stores the outcome of the test, unless another was requested since. If the present URL
    accepted it, the endpoint works."""
    is_accepted = {"$and": [answer.is_success, {"$eq": ["$url", {"$literal": endpoint["url"]}]}]}
    collection("webhook_endpoints").update_one(
        {"_id": endpoint["_id"], "test.id": endpoint["test"]["id"]},
        [
            {
                "$set": {
                    "test.is_due": False,
                    "test.answered_at": "$$NOW",
                    "test.is_success": answer.is_success,
                    "test.status": answer.status,
                    "test.text": {"$literal": answer.text},
                    "test.problem": {"$literal": "" if answer.is_success else answer.problem},
                    "test.took_ms": answer.took_ms,
                    "last_sent_at": {"$cond": [is_accepted, "$$NOW", "$last_sent_at"]},
                }
            }
        ],
    )


def drop_test(endpoint: Endpoint) -> None:
    """Removes a test that waits or is damaged, without sending it; staff may ask for another."""
    is_in_the_way = [{"test.is_due": True}, {"test": {"$not": {"$type": "object"}}}]
    collection("webhook_endpoints").update_one(
        {**_ours(endpoint), "$or": is_in_the_way}, {"$unset": {"test": ""}}
    )


def open_secrets(endpoint: Endpoint) -> list[str]:
    """The secrets that sign now, the newest first. Raises SealBroken if that one cannot be read."""
    now = clock.now()
    newest = seals.open_seal(endpoint["secret"])
    earlier = [one for one in endpoint.get("previous", []) if one["until"] > now]
    return [newest, *(secret for _, secret in reversed(_readable(earlier)))]


def seal_again() -> int:
    """Seals secrets of an earlier SECRET_KEY with today's, so that the earlier key can be removed.

    Returns the number of endpoints that it sealed. Secrets that it cannot read stay as they are.
    """
    today = seals.name_of_key()
    done = 0
    for endpoint in collection("webhook_endpoints").find({"seal_key": {"$ne": today}}):
        try:
            again = {
                "secret": seals.seal(seals.open_seal(endpoint["secret"])),
                "previous": [
                    {**earlier, "secret": seals.seal(secret)}
                    for earlier, secret in _readable(endpoint.get("previous", []))
                ],
                "seal_key": today,
            }
        except Exception:
            continue  # sending reports a damaged secret
        # A secret that staff made meanwhile stays.
        result = collection("webhook_endpoints").update_one(
            {"_id": endpoint["_id"], "secret": endpoint["secret"]}, {"$set": again}
        )
        done += result.modified_count
    return done


def count_failing() -> int:
    """How many active endpoints failed at their last try; they will be tried again."""
    return collection("webhook_endpoints").count_documents(
        {"is_active": True, "failing_since": {"$ne": None}}
    )


def count_disabled() -> int:
    """How many endpoints were disabled because they accepted nothing."""
    return collection("webhook_endpoints").count_documents(
        {"is_active": False, "disabled_at": {"$ne": None}}
    )


@receiver(post_delete, sender=WebhookEndpoint)
def drop_what_waits(instance: WebhookEndpoint, **_: Any) -> None:
    """Settles the deliveries of an endpoint, however it was deleted."""
    backlog.drop(client_id_of(instance))


def client_id_of(endpoint: WebhookEndpoint) -> str:
    """The client's id as deliveries have it. Does not fetch the client, which may be gone."""
    return str(endpoint.client_id)


def _readable(previous: list[dict[str, Any]]) -> list[tuple[dict[str, Any], str]]:
    """The earlier secrets whose seal opens, each with its plain text."""
    opened = []
    for earlier in previous:
        with suppress(seals.SealBroken):
            opened.append((earlier, seals.open_seal(earlier["secret"])))
    return opened


def _may_be_taken() -> dict[str, Any]:
    is_next = {"$or": [{"$and": ["$is_active", _IS_DUE]}, {"$eq": ["$test.is_due", True]}]}
    return {"$and": [_IS_FREE, is_next]}


def _still_good() -> dict[str, Any]:
    return {
        "$filter": {
            "input": {"$ifNull": ["$previous", []]},
            "cond": {"$gt": ["$$this.until", "$$NOW"]},
        }
    }


def _ours(endpoint: Endpoint) -> dict[str, Any]:
    return {"_id": endpoint["_id"], "taken_by": endpoint["taken_by"]}


def _lease_end() -> dict[str, Any]:
    return {"$add": ["$$NOW", LEASE_MS]}


def _ms(length: timedelta) -> int:
    return length // timedelta(milliseconds=1)
