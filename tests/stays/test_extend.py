"""Extending a hold: once for each key, ten times at most, an hour in all."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta

import pytest

from bookings import points
from bookings.domain.callers import Caller
from bookings.infrastructure import connections
from bookings.refusals import InvalidIdempotencyKey, NotFound
from bookings.stays.create import Outcome
from tests.calls import book, cancel, confirm, extend, let_hold_end, stored

pytestmark = pytest.mark.mongo


def end_of(outcome: Outcome) -> datetime:
    return datetime.fromisoformat(outcome.content["booking"]["expiresAt"])


def let_holds_last(minutes: int) -> None:
    connections.database()["hotels"].update_one(
        {"_id": "demo"}, {"$set": {"hold_minutes": minutes}}
    )


def let_pass(**time: float) -> None:
    """Moves a booking's beginning and end back, as if that much time had passed."""
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


@pytest.fixture(autouse=True)
def _put_back() -> Iterator[None]:
    yield
    let_holds_last(15)


def test_changes_nothing_where_the_end_would_not_move() -> None:
    held = book(hold=True)
    let_holds_last(5)
    before = stored()

    refused = extend(held)

    assert refused.code == "HELD_LONG_ENOUGH"
    assert stored() == before
    assert "closer to its end" in refused.content["error"]


def test_extends_later_under_a_key_that_could_not_yet() -> None:
    held = book(hold=True)
    let_holds_last(5)
    extend(held, "more")
    let_pass(minutes=12)

    extended = extend(held, "more")

    assert extended.code is None
    assert not extended.replayed
    assert stored()[0]["expires_at"] == end_of(extended)
    assert [change["event"] for change in stored()[0]["history"]] == ["created", "extended"]


def test_uses_up_no_try_where_the_end_would_not_move() -> None:
    held = book(hold=True)
    let_holds_last(5)
    for number in range(11):
        extend(held, f"early-{number}")
    let_pass(minutes=12)

    assert extend(held, "in-time").code is None


def test_replays_its_twins_success_though_it_would_be_refused_by_now() -> None:
    """The look that decides is from before the twin's success."""
    held = book(hold=True)
    let_pass(minutes=1)
    twins: list[Outcome] = []

    def let_twin_extend(point: str) -> None:
        if point == "after_claim" and not twins:
            points.install(None)
            connections.redis().flushdb()
            twins.append(extend(held))
            let_holds_last(5)

    points.install(let_twin_extend)
    try:
        again = extend(held)
    finally:
        points.install(None)

    assert again.replayed
    assert again.answer.body == twins[0].answer.body


def test_asks_the_hotel_for_its_holds_when_it_extends() -> None:
    """Whatever the hotel's setting was when the request came."""
    held = book(hold=True)
    let_pass(minutes=1)
    points.install(lambda point: let_holds_last(5) if point == "after_claim" else None)
    try:
        refused = extend(held)
    finally:
        points.install(None)

    assert refused.code == "HELD_LONG_ENOUGH"
