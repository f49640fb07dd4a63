"""Deliveries: what is to be sent, to which receiver, and its tries so far. Writes `deliveries`.

bookings/news/webhooks/backlog.py writes the tries of the channel `webhook`, whose deliveries wait
for their endpoint and for each other.

A process takes a delivery by compare-and-set, which also sets its next try. If the process is
killed, that next try follows. So a delivery may be sent twice, always under the same event id, but
is never lost.
"""

import dataclasses
import logging
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Literal

from bson import ObjectId
from pymongo import ReturnDocument
from pymongo.errors import BulkWriteError

from bookings.infrastructure.connections import collection
from bookings.infrastructure.queues import failed_work
from bookings.infrastructure.queues.retries import Schedule, counted
from bookings.stays.notices import FORMER

logger = logging.getLogger(__name__)

Channel = Literal["mail", "webhook"]
MAIL: Channel = "mail"
WEBHOOK: Channel = "webhook"
CHANNELS = (MAIL, WEBHOOK)

WAITING = "waiting"
SENT, NOT_NEEDED, GIVEN_UP = "sent", "not_needed", "given_up"
STATES = (WAITING, SENT, NOT_NEEDED, GIVEN_UP)

# For mails. The first wait is longer than a try lasts, unless the mail server answers drop by drop;
# then the same mail may be sent twice at once, under one id. A mail that could not be sent for a
# day is given up. This counts its tries and not its age, so that time without a worker, or spent
# waiting for one, uses up no tries.
RETRIES = Schedule(first_wait_ms=60_000, longest_wait_ms=3_600_000, max_tries=30)

MAX_ERROR = 300

# Monitoring needs to know soon that there are many, rather than exactly how many.
MAX_COUNTED = 10_000

_DUPLICATE_KEY = 11_000

# In the id of a mail that staff had sent again, between that of the news and a number.
_AGAIN = "-again-"

# Fields that few deliveries have, and those of earlier releases lack.
_RARE = ("address", "again_key")


@dataclass(frozen=True)
class Delivery:
    """One event of one booking for one receiver.

    `to` is the partner's id, and empty for a mail: the booking has its guest's address. Only a mail
    to FORMER has an `address`, until it is sent. `version` orders a booking's events. `payload` is
    the booking as the API showed it at the event. `ends_at` is the end of the hold that `expiring`
    announces. `again_key` is the key under which staff had the mail sent again.
    """

    channel: Channel
    to: str
    event_id: str
    event: str
    at: datetime
    booking: ObjectId
    reference: str
    version: int
    payload: dict[str, Any]
    created_at: datetime
    ends_at: datetime | None = None
    tries: int = 0
    address: str = ""
    again_key: str = ""

    @property
    def id(self) -> str:
        """The same for the same event and channel, so that a second delivery of it is refused."""
        return f"{self.event_id}:{self.channel}"

    @property
    def news_id(self) -> str:
        """The same for a mail and for those that staff had sent again."""
        return _number_of(self.event_id)[0]

    @property
    def again_number(self) -> int:
        """How often the news was sent again before this mail, with it; 0 for the first."""
        return _number_of(self.event_id)[1]


def _number_of(event_id: str) -> tuple[str, int]:
    """The news, and how often it was sent again before this mail of it, with it."""
    news, _, number = event_id.partition(_AGAIN)
    return news, int(number) if number.isdecimal() else 0


# The outcomes of a try. If a worker dies after a try, that try stays uncounted.
NOT_SENT = "not_sent"
RESULTS = (SENT, NOT_NEEDED, NOT_SENT, GIVEN_UP)


QUEUE_OF = {MAIL: failed_work.MAILS, WEBHOOK: failed_work.WEBHOOKS}


@dataclass(frozen=True)
class DeliveryFigures:
    """The outcomes of tries on a channel, how many deliveries wait there, and for how long the
    oldest of those has been due."""

    results: dict[str, int] = field(default_factory=lambda: dict.fromkeys(RESULTS, 0))
    waiting: int = 0
    oldest_due_age_s: float = 0.0


def record(deliveries: Iterable[Delivery]) -> int:
    """Stores the deliveries; returns how many of them were new."""
    documents = [
        {
            "_id": delivery.id,
            **vars(delivery),
            "state": WAITING,
            "next_try_at": delivery.created_at,
            "last_error": "",
        }
        for delivery in deliveries
    ]
    if not documents:
        return 0
    try:
        collection("deliveries").insert_many(documents, ordered=False)
    except BulkWriteError as error:
        failures = error.details["writeErrors"]
        if any(failure["code"] != _DUPLICATE_KEY for failure in failures):
            raise
        if error.details["writeConcernErrors"]:
            raise  # written, but perhaps not durably
        return len(documents) - len(failures)
    return len(documents)


def take_mail() -> Delivery | None:
    """The mail that has been due longest, for one try. No other process takes it before its next.

    Sets mails aside that cannot be read.
    """
    while document := _take_mail_document():
        try:
            return _from_document(document)
        except (KeyError, TypeError) as error:
            set_aside(document, MAIL, error)
    return None


def _take_mail_document() -> dict[str, Any] | None:
    wait_ms = RETRIES.wait_ms(earlier_failures={"$subtract": ["$tries", 1]})
    return collection("deliveries").find_one_and_update(
        {
            "channel": MAIL,
            "to": {"$in": ["", FORMER]},
            "next_try_at": {"$type": "date"},
            "$expr": {"$lte": ["$next_try_at", "$$NOW"]},
        },
        [
            # Works on a damaged one, too: a mail that cannot be taken would block all others.
            {"$set": {"tries": {"$add": [counted("$tries"), 1]}}},
            {"$set": {"next_try_at": {"$add": ["$$NOW", wait_ms]}}},
        ],
        sort=[("next_try_at", 1)],
        return_document=ReturnDocument.AFTER,
    )


def set_aside(document: dict[str, Any], channel: Channel, error: Exception) -> None:
    """Gives up a delivery that cannot be read and therefore not be sent. Once it can be read, staff
    may have it sent again."""
    problem = "It could not be read; the worker's log says why."
    collection("deliveries").update_one(
        {"_id": document["_id"]},
        [
            {"$set": {"state": GIVEN_UP, "last_error": problem, "settled_at": "$$NOW"}},
            {"$unset": "next_try_at"},
        ],
    )
    count(channel, GIVEN_UP)
    failed_work.note(QUEUE_OF[channel], document["_id"], error, is_over=True)
    said = {"delivery": str(document["_id"]), **failed_work.describe(error)}
    logger.error("delivery_unreadable", extra=said)


def settle(delivery: Delivery, state: str, *, error: str = "") -> None:
    """Ends the tries, unless another process has begun one meanwhile.

    Forgets a former address, unless staff may have the mail sent again.
    """
    done_with = ["next_try_at"] if state == GIVEN_UP else ["next_try_at", "address"]
    collection("deliveries").update_one(
        {"_id": delivery.id, "tries": delivery.tries},
        [
            {"$set": {"state": state, "last_error": error[:MAX_ERROR], "settled_at": "$$NOW"}},
            {"$unset": done_with},
        ],
    )
    count(delivery.channel, state)


def fail(delivery: Delivery, error: str) -> bool:
    """Leaves the delivery to its next try. After its last try, gives it up and returns True."""
    is_over = RETRIES.is_spent("$tries")
    settled = collection("deliveries").find_one_and_update(
        {"_id": delivery.id, "tries": delivery.tries, "state": WAITING},
        [
            {"$set": {"last_error": error[:MAX_ERROR]}},
            {
                "$set": {
                    "state": {"$cond": [is_over, GIVEN_UP, "$state"]},
                    "settled_at": {"$cond": [is_over, "$$NOW", "$$REMOVE"]},
                    "next_try_at": {"$cond": [is_over, "$$REMOVE", "$next_try_at"]},
                }
            },
        ],
        return_document=ReturnDocument.AFTER,
    )
    is_given_up = settled is not None and settled["state"] == GIVEN_UP
    count(delivery.channel, GIVEN_UP if is_given_up else NOT_SENT)
    return is_given_up


def give_back(delivery: Delivery) -> None:
    """Takes back the count of a try that failed through no fault of the delivery."""
    collection("deliveries").update_one(
        {"_id": delivery.id, "tries": delivery.tries}, {"$inc": {"tries": -1}}
    )


def send_again(delivery_id: str) -> bool:
    """Makes a mail due now and resets its tries; False if it does not exist, or was sent, or was
    given up and the guest has or gets another copy of it."""
    if _has_another_copy(delivery_id):
        return False
    result = collection("deliveries").update_one(
        {"_id": delivery_id, "channel": MAIL, "state": {"$in": [WAITING, GIVEN_UP]}},
        [
            {"$set": {"state": WAITING, "next_try_at": "$$NOW", "tries": 0}},
            {"$unset": "settled_at"},
        ],
    )
    if result.matched_count != 1:
        return False
    # If it fails again, staff are told again.
    failed_work.forget(failed_work.MAILS, [delivery_id])
    return True


def _has_another_copy(delivery_id: str) -> bool:
    """Whether another mail of the same news waits, or a later one was sent, so that this one, which
    was given up, is no longer needed."""
    known = {"booking": 1, "to": 1, "event_id": 1}
    given_up = collection("deliveries").find_one({"_id": delivery_id, "state": GIVEN_UP}, known)
    # A damaged one has no copy, since none can be made of it.
    if given_up is None or not known.keys() <= given_up.keys():
        return False
    news, number = _number_of(given_up["event_id"])
    others = collection("deliveries").find(
        {
            "booking": given_up["booking"],
            "channel": MAIL,
            "to": given_up["to"],
            "state": {"$in": [WAITING, SENT]},
        },
        {"event_id": 1, "state": 1},
    )
    for other in others:
        of, its_number = _number_of(other.get("event_id", ""))
        if of == news and (other["state"] == WAITING or its_number > number):
            return True
    return False


def list_mails(booking: ObjectId) -> list[tuple[Delivery, str, str]]:
    """The mails of this booking that can be read, each with its state and what went wrong."""
    found = collection("deliveries").find({"booking": booking, "channel": MAIL}).sort("at", 1)
    mails = []
    for document in found:
        try:
            mail = _from_document(document), document["state"], document["last_error"]
        except (KeyError, TypeError):
            continue
        mails.append(mail)
    return mails


def make_again(delivery: Delivery, *, key: str, number: int, now: datetime) -> bool:
    """Makes another mail of the same news; False if there is one of this number already.

    The number is in its id, so of two at once only one is made. It has an event id of its own, so
    that a mail program shows both.
    """
    again = dataclasses.replace(
        delivery,
        event_id=f"{delivery.news_id}{_AGAIN}{number}",
        created_at=now,
        tries=0,
        address="",
        again_key=key,
    )
    return record([again]) == 1


def is_again(delivery_id: str) -> bool:
    """Whether staff asked for this mail after there had been one like it."""
    return _AGAIN in delivery_id


def find_known(ids: Iterable[str]) -> set[str]:
    """Those of these deliveries that exist already."""
    found = collection("deliveries").find({"_id": {"$in": list(ids)}}, {"_id": 1})
    return {delivery["_id"] for delivery in found}


def find_latest_mail(booking: ObjectId) -> tuple[str, int] | None:
    """The state and the tries of the newest mail to the address of this booking that is or was
    needed."""
    found = collection("deliveries").find_one(
        {"booking": booking, "channel": MAIL, "to": "", "state": {"$ne": NOT_NEEDED}},
        {"state": 1, "tries": 1},
        sort=[("at", -1)],
    )
    return (found["state"], found["tries"]) if found else None


def nth_newest_at(nth: int, *, state: str | None = None) -> datetime | None:
    """When the delivery was made that has `nth` newer ones, of all or of those in this state;
    None if there are fewer. Reads the index alone."""
    condition = {} if state is None else {"state": state}
    found = (
        collection("deliveries")
        .find(condition, {"_id": 0, "created_at": 1})
        .sort("created_at", -1)
        .skip(nth)
        .limit(1)
    )
    return next((delivery["created_at"] for delivery in found), None)


def read_figures(channel: Channel) -> DeliveryFigures:
    """The channel's outcomes so far, and what waits there now, counted up to MAX_COUNTED."""
    found = list(
        collection("deliveries").aggregate(
            [
                {"$match": {"channel": channel, "next_try_at": {"$type": "date"}}},
                {"$limit": MAX_COUNTED},
                {"$group": {"_id": None, "count": {"$sum": 1}, "due": {"$min": "$next_try_at"}}},
                {"$project": {"count": 1, "due_ms": {"$subtract": ["$$NOW", "$due"]}}},
            ]
        )
    )
    tally = collection("delivery_tally").find_one({"_id": channel}) or {}
    results = {result: tally.get(result, 0) for result in RESULTS}
    if not found:
        return DeliveryFigures(results)
    return DeliveryFigures(results, found[0]["count"], max(0.0, found[0]["due_ms"] / 1000))


def count(channel: Channel, result: str) -> None:
    """Counts the outcome of a try."""
    collection("delivery_tally").update_one({"_id": channel}, {"$inc": {result: 1}}, upsert=True)


def _from_document(document: dict[str, Any]) -> Delivery:
    fields = {name: document[name] for name in Delivery.__dataclass_fields__ if name not in _RARE}
    rare = {name: document[name] for name in _RARE if name in document}
    return Delivery(**fields, **rare)
