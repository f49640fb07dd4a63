"""The counters of the flow: each event moves its own counter, and no other."""

from __future__ import annotations

import dataclasses
import threading
import time
from collections.abc import Iterator
from typing import Any

import pytest
from prometheus_client import generate_latest
from pymongo.errors import DuplicateKeyError

from bookings import points
from bookings.infrastructure import clock, connections
from bookings.infrastructure.metrics import REGISTRY
from bookings.refusals import IdempotencyInProgress
from bookings.stays import queries, slot_locks
from bookings.stays.writing import new_bookings
from idempotency import keys
from idempotency.claims import Answer, Claims
from locks.connection import connect
from locks.redis_lock import RedisLocks
from tests.bookingsite.test_metrics import samples
from tests.calls import PARTNER, book, cancel, change_stay, confirm, extend, let_hold_end
from tests.conftest import night

pytestmark = pytest.mark.mongo

Patch = pytest.MonkeyPatch


class Moved:
    """The counts since it was made, by name and labels; times are left out."""

    def __init__(self) -> None:
        self._before = self._read()

    def __call__(self, *families: str) -> dict[str, float]:
        return {
            name: value - self._before.get(name, 0.0)
            for name, value in self._read().items()
            if value != self._before.get(name, 0.0) and name.startswith(families)
        }

    @staticmethod
    def _read() -> dict[str, float]:
        return {
            name.removeprefix("bookingsite_"): value
            for name, value in samples(generate_latest(REGISTRY).decode()).items()
            if "_bucket" not in name
            and "_sum" not in name
            # Depends on what the process happened to read before.
            and "recent_reads" not in name
        }


@pytest.fixture
def moved() -> Moved:
    return Moved()


@pytest.fixture
def no_redis(monkeypatch: Patch) -> None:
    """No server listens where Redis should be."""
    client = connect("redis://127.0.0.1:1/0")
    monkeypatch.setattr(connections, "redis", lambda: client)
    monkeypatch.setattr(connections, "locks", lambda: RedisLocks(client))


@pytest.fixture(autouse=True)
def _no_points() -> Iterator[None]:
    yield
    points.install(None)


def digest_of(key: str) -> str:
    return keys.digest_of(caller=str(PARTNER), operation="create", target="", key=key)


def test_counts_a_booking_and_each_of_its_steps(moved: Moved) -> None:
    book()

    assert moved("") == {
        "claims_total operation=create result=won": 1,
        "locks_total result=acquired": 1,
        "outcomes_total code=success operation=create replayed=false": 1,
        **{
            f"step_duration_seconds_count operation=create step={step}": 1
            for step in ("claim", "lock", "txn", "finish")
        },
    }


def test_counts_a_replay_from_redis() -> None:
    book()
    moved = Moved()

    assert book().replayed

    assert moved("") == {
        "claims_total operation=create result=replayed": 1,
        "outcomes_total code=success operation=create replayed=true": 1,
        "step_duration_seconds_count operation=create step=claim": 1,
    }


def test_counts_a_key_that_somebody_works_on(moved: Moved) -> None:
    claims = Claims(connections.redis())
    with (
        claims.claim(digest_of("key"), recover=lambda _: None),
        pytest.raises(IdempotencyInProgress),
    ):
        book()

    assert moved("claims", "outcomes") == {
        "claims_total operation=create result=in_progress": 1,
        "outcomes_total code=IDEMPOTENCY_IN_PROGRESS operation=create replayed=false": 1,
    }


def test_counts_an_answer_that_only_mongodb_had() -> None:
    book()
    connections.redis().flushdb()
    moved = Moved()

    with Claims(connections.redis()).claim(digest_of("key"), recover=lambda _: None):
        assert book().replayed

    assert moved("claims", "conflicts") == {"claims_total operation=create result=recovered": 1}


def test_counts_a_success_found_behind_a_stored_refusal_as_recovered() -> None:
    book()
    connections.redis().flushdb()
    with Claims(connections.redis()).claim(digest_of("key"), recover=lambda _: None) as claim:
        claim.refuse(Answer(409, b"{}"), answer_ttl_ms=60_000)
    moved = Moved()

    assert book().answer.status == 201

    assert moved("claims") == {"claims_total operation=create result=recovered": 1}


@pytest.mark.usefixtures("no_redis")
def test_counts_claims_and_locks_that_redis_said_nothing_of(moved: Moved) -> None:
    assert book().answer.status == 201

    assert moved("claims", "locks") == {
        "claims_total operation=create result=unknown": 1,
        "locks_total result=unknown": 1,
    }


def test_counts_a_busy_lock(moved: Moved) -> None:
    lock = connections.locks().acquire([f"demo|{night()}|room_A"], ttl_ms=5_000)

    refused = book()
    connections.locks().release(lock)

    assert refused.code == "RESOURCE_LOCKED"
    assert moved("locks", "outcomes") == {
        "locks_total result=busy": 1,
        "outcomes_total code=RESOURCE_LOCKED operation=create replayed=false": 1,
    }


def test_counts_a_lock_that_ran_out_before_the_write(moved: Moved, monkeypatch: Patch) -> None:
    monkeypatch.setattr(slot_locks, "LOCK_TTL_MS", 20)
    points.install(lambda point: time.sleep(0.05) if point == "after_lock" else None)

    refused = book()

    assert refused.code == "RESOURCE_LOCKED"
    assert moved("locks") == {"locks_total result=acquired": 1, "locks_total result=lost": 1}


def test_counts_a_twin() -> None:
    book()
    connections.redis().flushdb()
    moved = Moved()

    assert book().replayed

    assert moved("claims", "conflicts", "outcomes") == {
        "claims_total operation=create result=won": 1,
        "conflicts_total cause=twin": 1,
        "outcomes_total code=success operation=create replayed=true": 1,
    }


def test_counts_a_hold_that_took_a_second_key() -> None:
    book("first", hold=True)
    moved = Moved()

    book("second", hold=True)

    assert moved("conflicts") == {"conflicts_total cause=adopted": 1}


def test_counts_a_night_that_is_taken() -> None:
    book("first")
    moved = Moved()

    assert book("second").code == "ALREADY_BOOKED"

    assert moved("conflicts", "outcomes") == {
        "conflicts_total cause=taken": 1,
        "outcomes_total code=ALREADY_BOOKED operation=create replayed=false": 1,
    }


def test_counts_dead_holds_that_were_in_the_way() -> None:
    book("first", hold=True)
    let_hold_end()
    moved = Moved()

    assert book("second").answer.status == 201

    assert moved("conflicts") == {"conflicts_total cause=dead_holds": 1}


def test_counts_a_server_made_key_that_means_a_new_wish() -> None:
    cancel(book(None))
    moved = Moved()

    assert book(None).answer.status == 201

    assert moved("conflicts") == {"conflicts_total cause=retired_key": 1}


def test_counts_a_hold_that_ended_before_its_holder_was_back(dearer: Any) -> None:
    held = book("first", hold=True)
    dearer()

    def end(point: str) -> None:
        if point == "after_lock":
            cancel(held)

    points.install(end)
    moved = Moved()

    quoted = held.content["booking"]["price"]["total"]
    assert book("second", hold=True, quotedTotal=quoted).code == "PRICE_CHANGED"

    assert moved("conflicts") == {"conflicts_total cause=stale": 1}


def test_counts_rivals_that_went_away_in_between(monkeypatch: Patch) -> None:
    made = book("first")
    original = new_bookings._resolve_conflict

    def resolve_late(*arguments: Any) -> Any:
        cancel(made)
        return original(*arguments)

    monkeypatch.setattr(new_bookings, "_resolve_conflict", resolve_late)
    moved = Moved()

    assert book("second").answer.status == 201

    assert moved("conflicts") == {"conflicts_total cause=gone": 1}


def test_counts_a_rival_that_came_between_look_and_insert() -> None:
    book("first", hold=True)
    let_hold_end()
    rivals = [DuplicateKeyError("a rival's")]

    def meet_rival(point: str) -> None:
        if point == "in_transaction" and rivals:
            raise rivals.pop()

    points.install(meet_rival)
    moved = Moved()

    made = book("second")

    assert made.answer.status == 201
    assert moved("conflicts") == {
        "conflicts_total cause=overtaken": 1,
        "conflicts_total cause=dead_holds": 1,
    }


def test_counts_transactions_that_ran_again(moved: Moved) -> None:
    holder = {"owner": str(PARTNER), "user_id": PARTNER.id}
    made: list[Any] = []
    with connections.database().client.start_session() as session, session.start_transaction():
        connections.collection("holders").update_one(
            {"_id": holder}, {"$inc": {"holds": 1}}, upsert=True, session=session
        )
        thread = threading.Thread(target=lambda: made.append(book(hold=True)))
        thread.start()
        deadline_s = time.monotonic() + 5
        while not moved("transaction") and time.monotonic() < deadline_s:
            time.sleep(0.01)
        session.abort_transaction()
    thread.join()

    assert made[0].answer.status == 201
    assert set(moved("transaction")) == {"transaction_retries_total"}


def test_counts_changes_by_what_they_are() -> None:
    held = book(hold=True)
    moved = Moved()

    extend(held)
    confirm(held)
    confirm(held)
    cancel(held)

    assert moved("claims", "outcomes") == {
        "claims_total operation=extend result=won": 1,
        "claims_total operation=confirm result=won": 1,
        "claims_total operation=confirm result=replayed": 1,
        "claims_total operation=cancel result=won": 1,
        "outcomes_total code=success operation=extend replayed=false": 1,
        "outcomes_total code=success operation=confirm replayed=false": 1,
        "outcomes_total code=success operation=confirm replayed=true": 1,
        "outcomes_total code=success operation=cancel replayed=false": 1,
    }


def test_counts_a_changed_stay_and_each_of_its_steps() -> None:
    made = book()
    moved = Moved()

    change_stay(made, first=30, last=32, total=24_000)

    assert moved("") == {
        "claims_total operation=change result=won": 1,
        "locks_total result=acquired": 1,
        "outcomes_total code=success operation=change replayed=false": 1,
        **{
            f"step_duration_seconds_count operation=change step={step}": 1
            for step in ("claim", "lock", "txn", "finish")
        },
    }


def test_counts_one_outcome_where_a_look_was_out_of_date(monkeypatch: Patch) -> None:
    """Another request confirmed the hold between the look, at the hold's end, and the refusal."""
    held = book(hold=True)
    look = queries.find_booking

    def look_too_early(*arguments: Any, **options: Any) -> Any:
        found = look(*arguments, **options)
        monkeypatch.setattr(queries, "find_booking", look)
        confirm(held)
        return dataclasses.replace(found, expires_at=clock.now())

    monkeypatch.setattr(queries, "find_booking", look_too_early)
    moved = Moved()

    assert extend(held).code == "TRY_AGAIN"
    assert moved("outcomes") == {
        "outcomes_total code=success operation=confirm replayed=false": 1,
        "outcomes_total code=TRY_AGAIN operation=extend replayed=false": 1,
    }
    assert moved("step_duration_seconds_count operation=extend step=finish") == {
        "step_duration_seconds_count operation=extend step=finish": 1
    }


def test_counts_what_was_in_the_way_of_a_late_confirm() -> None:
    first = book("first", hold=True)
    let_hold_end()
    second = book("second", hold=True)
    let_hold_end()
    moved = Moved()

    assert confirm(first, "first").answer.status == 200
    assert moved("conflicts") == {"conflicts_total cause=dead_holds": 1}
    moved = Moved()
    assert confirm(second, "second").code == "HOLD_EXPIRED"
    assert moved("conflicts") == {"conflicts_total cause=taken": 1}


def test_counts_what_ended_in_an_error(moved: Moved) -> None:
    def fail(point: str) -> None:
        if point == "after_lock":
            raise ZeroDivisionError

    points.install(fail)
    with pytest.raises(ZeroDivisionError):
        book()

    assert moved("outcomes") == {"outcomes_total code=error operation=create replayed=false": 1}
