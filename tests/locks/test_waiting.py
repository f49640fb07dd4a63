"""The pauses of `locks/waiting.py`, by a clock that only they move."""

from __future__ import annotations

from types import SimpleNamespace

import pytest

from locks import waiting
from locks.connection import RedisUnavailable
from locks.errors import LockBusy
from locks.waiting import FIRST_PAUSE_MS, LONGEST_PAUSE_MS, acquire_within

Patch = pytest.MonkeyPatch


class Clock:
    """Moves by the pauses, and remembers them and the limits that they were drawn from."""

    def __init__(self) -> None:
        self.now_s = 1000.0
        self.pauses_s: list[float] = []
        self.limits_s: list[float] = []

    def monotonic(self) -> float:
        return self.now_s

    def sleep(self, pause_s: float) -> None:
        self.pauses_s.append(pause_s)
        self.now_s += pause_s

    def draw_the_longest(self, least_s: float, limit_s: float) -> float:
        assert least_s == 0, "a pause may be none"
        self.limits_s.append(limit_s)
        return limit_s


@pytest.fixture
def clock(monkeypatch: Patch) -> Clock:
    clock = Clock()
    monkeypatch.setattr(waiting, "time", clock)
    monkeypatch.setattr(waiting, "random", SimpleNamespace(uniform=clock.draw_the_longest))
    return clock


def busy() -> None:
    raise LockBusy("a")


@pytest.mark.parametrize("wait_ms", [1, 10, 1_000, 60_000])
def test_pauses_until_the_bound_and_no_longer(clock: Clock, wait_ms: int) -> None:
    with pytest.raises(LockBusy):
        acquire_within(wait_ms, busy)

    assert clock.now_s == pytest.approx(1000 + wait_ms / 1000)


def test_draws_each_pause_from_twice_as_much_up_to_a_limit(clock: Clock) -> None:
    with pytest.raises(LockBusy):
        acquire_within(1_000, busy)

    assert [limit_s * 1000 for limit_s in clock.limits_s[:8]] == [
        *(FIRST_PAUSE_MS, 8, 16, 32, 64, LONGEST_PAUSE_MS, LONGEST_PAUSE_MS, LONGEST_PAUSE_MS)
    ]


def test_does_not_pause_unless_it_was_told_to_wait(clock: Clock) -> None:
    with pytest.raises(LockBusy):
        acquire_within(0, busy)

    assert clock.pauses_s == []


def test_does_not_wait_for_a_server_that_does_not_answer(clock: Clock) -> None:
    def unavailable() -> None:
        raise RedisUnavailable

    with pytest.raises(RedisUnavailable):
        acquire_within(1_000, unavailable)

    assert clock.pauses_s == []


def test_is_over_as_soon_as_it_succeeds(clock: Clock) -> None:
    answers = [busy, busy, lambda: "lock"]

    assert acquire_within(1_000, lambda: answers.pop(0)()) == "lock"
    assert len(clock.pauses_s) == 2
