"""Making a hold last longer: once for each key, ten times at most, an hour in all."""

from __future__ import annotations

from datetime import datetime, timedelta

import pytest

from bookings import connections
from bookings.callers import Caller
from bookings.errors import InvalidIdempotencyKey, NotFound
from bookings.services import Outcome
from tests.mongo.conftest import book, cancel, confirm, extend, let_hold_end, stored


def end_of(outcome: Outcome) -> datetime:
    return datetime.fromisoformat(outcome.content["booking"]["expiresAt"])


def let_pass(**time: float) -> None:
    """Puts a booking's beginning and end back, as if that much time had passed since."""
    past = int(timedelta(**time).total_seconds() * 1000)
    connections.collection("bookings").update_many(
        {},
        [
            {
                "$set": {
                    "created_at": {"$subtract": ["$created_at", past]},
                    "expires_at": {"$subtract": ["$expires_at", past]},
                }
            }
        ],
    )


def test_lasts_the_hotels_hold_length_from_now() -> None:
    held = book(hold=True)
    let_pass(minutes=10)

    extended = extend(held)

    assert extended.answer.status == 200
    gained = end_of(extended) - end_of(held)
    assert timedelta(0) <= gained < timedelta(seconds=5)
    assert stored()[0]["expires_at"] == end_of(extended)
    assert stored()[0]["history"][-1]["event"] == "extended"


def test_extends_once_for_each_key() -> None:
    held = book(hold=True)
    let_pass(minutes=5)
    first = extend(held, "more")
    let_pass(minutes=5)

    again = extend(held, "more")
    connections.redis().flushdb()
    without_redis = extend(held, "more")
    more = extend(held, "even-more")

    assert again.answer == first.answer
    assert without_redis.answer.body == first.answer.body
    assert end_of(more) > end_of(first) - timedelta(minutes=5)
    assert [change["event"] for change in stored()[0]["history"]] == [
        "created",
        "extended",
        "extended",
    ]


def test_extends_ten_times_at_most() -> None:
    held = book(hold=True)

    codes = [extend(held, f"more-{number}").code for number in range(11)]

    assert codes == [None] * 10 + ["EXTENSION_LIMIT"]


def test_ends_an_hour_after_it_began_at_the_latest() -> None:
    held = book(hold=True)
    for number in range(4):
        let_pass(minutes=14)
        last = extend(held, f"more-{number}")

    refused = extend(held, "one-more")

    booking = stored()[0]
    assert last.code is None
    assert booking["expires_at"] - booking["created_at"] == timedelta(minutes=60)
    assert refused.code == "EXTENSION_LIMIT"


@pytest.mark.parametrize("tidied", [False, True])
def test_does_not_revive_a_dead_hold(tidied: bool) -> None:
    held = book(hold=True)
    let_hold_end()
    if tidied:
        connections.collection("bookings").update_many({}, {"$set": {"status": "expired"}})

    assert extend(held).code == "HOLD_EXPIRED"


def test_has_nothing_to_extend_once_it_is_confirmed_or_cancelled() -> None:
    confirmed, cancelled = book(hold=True), book("other", hold=True, resourceId="room_B")
    confirm(confirmed)
    cancel(cancelled)

    assert extend(confirmed).code == "EXTENSION_LIMIT"
    assert extend(cancelled).code == "HOLD_EXPIRED"


def test_wants_a_key() -> None:
    held = book(hold=True)

    with pytest.raises(InvalidIdempotencyKey):
        extend(held, None)


def test_extends_nobody_elses_hold() -> None:
    held = book(hold=True)

    with pytest.raises(NotFound):
        extend(held, actor=Caller("client", "rival"))


def test_never_ends_sooner_than_before() -> None:
    held = book(hold=True)
    hotels = connections.database()["hotels"]
    hotels.update_one({"_id": "demo"}, {"$set": {"hold_minutes": 5}})
    try:
        extended = extend(held)
    finally:
        hotels.update_one({"_id": "demo"}, {"$set": {"hold_minutes": 15}})

    assert end_of(extended) == end_of(held)
