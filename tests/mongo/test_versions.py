"""Changes that cross each other, and clocks that are wrong: every change is a compare-and-set."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date, datetime, timedelta
from typing import Any

import pytest

from bookings import clock, connections, lifecycle, repository, sweep
from bookings.callers import Caller
from bookings.clock import Deadline
from tests.conftest import night
from tests.mongo.conftest import book, cancel, confirm, extend, let_hold_end, stored

Patch = pytest.MonkeyPatch


def before(patch: Patch, name: str, meanwhile: Callable[[], object]) -> None:
    """Lets something happen once, between a read and the repository's write called `name`."""
    original = getattr(repository, name)
    waiting = [meanwhile]

    def write(*arguments: Any, **options: Any) -> Any:
        if waiting:
            waiting.pop()()
        return original(*arguments, **options)

    patch.setattr(repository, name, write)


def put_clock(patch: Patch, by: timedelta) -> None:
    """Makes this process's idea of the time wrong; MongoDB's own stays right."""
    right: Callable[[], datetime] = clock.now
    patch.setattr(clock, "now", lambda: right() + by)


def events() -> list[str]:
    return [change["event"] for change in stored()[0]["history"]]


def test_does_not_confirm_what_was_cancelled_meanwhile(monkeypatch: Patch) -> None:
    held = book(hold=True)
    before(monkeypatch, "change_booking", lambda: cancel(held))

    outcome = confirm(held)

    assert outcome.code == "HOLD_EXPIRED"
    assert events() == ["created", "cancelled"]


def test_cancels_what_was_confirmed_meanwhile(monkeypatch: Patch) -> None:
    held = book(hold=True)
    before(monkeypatch, "change_booking", lambda: confirm(held))

    outcome = cancel(held)

    assert outcome.content["booking"]["status"] == "cancelled"
    assert events() == ["created", "confirmed", "cancelled"]


def test_acts_once_for_two_confirmations_whose_claims_redis_lost(monkeypatch: Patch) -> None:
    made = book()

    def twin() -> None:
        connections.redis().flushdb()
        confirm(made)

    before(monkeypatch, "change_booking", twin)

    outcome = confirm(made)

    assert outcome.answer.status == 200
    assert outcome.replayed
    assert events() == ["created", "confirmed_again"]


def test_never_sweeps_a_live_hold_by_a_clock_that_is_ahead(monkeypatch: Patch) -> None:
    book(hold=True)
    put_clock(monkeypatch, timedelta(hours=1))

    swept = sweep.expire_holds()

    assert (swept.found, swept.expired) == (0, 0)
    assert stored()[0]["status"] == "pending"


def test_never_sells_a_live_hold_by_a_clock_that_is_ahead(monkeypatch: Patch) -> None:
    book("first", hold=True)
    put_clock(monkeypatch, timedelta(hours=1))

    rival = book("second", resourceId="room_A", userId="bob")

    assert rival.code == "RESOURCE_LOCKED"
    assert [booking["status"] for booking in stored()] == ["pending"]


def test_never_revives_a_hold_too_late_by_a_clock_that_is_behind(monkeypatch: Patch) -> None:
    held = book(hold=True)
    let_hold_end(minutes_ago=11)
    put_clock(monkeypatch, -timedelta(hours=1))

    outcome = confirm(held)

    assert outcome.code == "TRY_AGAIN"
    assert stored()[0]["status"] == "pending"


def test_never_extends_a_dead_hold_by_a_clock_that_is_behind(monkeypatch: Patch) -> None:
    held = book(hold=True)
    let_hold_end()
    put_clock(monkeypatch, -timedelta(hours=1))

    outcome = extend(held)

    assert outcome.code == "TRY_AGAIN"
    assert events() == ["created"]


def test_never_moves_a_dead_hold_by_a_clock_that_is_behind(monkeypatch: Patch) -> None:
    held = book(hold=True)
    let_hold_end()
    put_clock(monkeypatch, -timedelta(hours=1))

    outcome = lifecycle.move_booking(
        actor=Caller("user", "staff"),
        booking_id=held.content["booking"]["id"],
        key_header="move",
        deadline=Deadline.after(10),
        room_ids=("room_B",),
        check_in=date.fromisoformat(night()),
        check_out=date.fromisoformat(night(31)),
    )

    assert outcome.code == "TRY_AGAIN"
    assert events() == ["created"]


def test_extends_once_for_two_requests_whose_claims_redis_lost(monkeypatch: Patch) -> None:
    held = book(hold=True)

    def twin() -> None:
        connections.redis().flushdb()
        extend(held)

    before(monkeypatch, "change_booking", twin)

    outcome = extend(held)

    assert outcome.replayed
    assert events() == ["created", "extended"]
