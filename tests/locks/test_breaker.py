"""The circuit breaker of `locks/connection.py`, on a clock that the test moves."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

import pytest
from redis.exceptions import (
    AuthenticationError,
    BusyLoadingError,
    DataError,
    OutOfMemoryError,
    ReadOnlyError,
    ResponseError,
)
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import TimeoutError as RedisTimeoutError

from bookings.infrastructure import metrics
from locks.connection import PROBE_INTERVAL_S, Breaker, RedisUnavailable, watch_breakers

SICK = [
    RedisConnectionError("refused"),
    RedisTimeoutError("slow"),
    AuthenticationError("no"),
    BusyLoadingError("loading"),
    OutOfMemoryError("full"),
    ReadOnlyError("a replica"),
    ResponseError("MISCONF Errors writing to the AOF file"),
    ResponseError("Command # 1 (SET a b) of pipeline caused error: MISCONF Errors writing"),
    ResponseError("NOREPLICAS Not enough good replicas to write."),
]

WELL = [
    ResponseError("WRONGTYPE Operation against a key holding the wrong kind of value"),
    ResponseError("ERR value is not an integer or out of range"),
    ResponseError("ERR the text MISCONF inside is somebody's"),
]


class Clock:
    now_s = 100.0

    def __call__(self) -> float:
        return self.now_s


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def breaker(clock: Clock) -> Breaker:
    return Breaker("127.0.0.1:1", now=clock)


def fail_with(error: Exception) -> Callable[[], Any]:
    def fail() -> None:
        raise error

    return fail


def call_failing(breaker: Breaker, error: Exception) -> None:
    with pytest.raises(type(error)):
        breaker.call(fail_with(error))


@pytest.mark.parametrize("error", SICK, ids=str)
def test_opens_at_the_first_failure(breaker: Breaker, error: Exception) -> None:
    call_failing(breaker, error)

    assert breaker.is_open
    asked: list[str] = []
    with pytest.raises(RedisUnavailable, match="127.0.0.1:1"):
        breaker.call(lambda: asked.append("server"))
    assert asked == []


@pytest.mark.parametrize("error", [*WELL, DataError("not sent"), ZeroDivisionError()], ids=str)
def test_stays_closed_when_the_command_is_at_fault(breaker: Breaker, error: Exception) -> None:
    call_failing(breaker, error)

    assert not breaker.is_open
    assert breaker.call(lambda: "answer") == "answer"


@pytest.mark.parametrize("error", SICK, ids=str)
def test_opens_at_an_error_among_the_results(breaker: Breaker, error: Exception) -> None:
    assert breaker.call(lambda: [True, error]) == [True, error]

    assert breaker.is_open


def test_stays_closed_at_a_harmless_error_among_the_results(breaker: Breaker) -> None:
    breaker.call(lambda: [True, *WELL])

    assert not breaker.is_open


def test_lets_one_probe_through_each_second(breaker: Breaker, clock: Clock) -> None:
    call_failing(breaker, RedisTimeoutError())

    for _ in range(3):
        clock.now_s += PROBE_INTERVAL_S - 0.001
        with pytest.raises(RedisUnavailable):
            breaker.call(lambda: "too early")
        clock.now_s += 0.001
        call_failing(breaker, RedisTimeoutError())


def test_lets_no_second_thread_through_while_one_probes(breaker: Breaker, clock: Clock) -> None:
    call_failing(breaker, RedisTimeoutError())
    clock.now_s += PROBE_INTERVAL_S

    def probe() -> str:
        with pytest.raises(RedisUnavailable):
            breaker.call(lambda: "a second one")
        return "answer"

    assert breaker.call(probe) == "answer"


def test_closes_when_a_probe_is_answered(breaker: Breaker, clock: Clock) -> None:
    call_failing(breaker, RedisTimeoutError())
    clock.now_s += PROBE_INTERVAL_S

    assert breaker.call(lambda: "answer") == "answer"

    assert not breaker.is_open
    assert breaker.call(lambda: "again") == "again"


def test_closes_when_a_probe_is_answered_with_a_harmless_error(
    breaker: Breaker, clock: Clock
) -> None:
    call_failing(breaker, RedisTimeoutError())
    clock.now_s += PROBE_INTERVAL_S

    call_failing(breaker, WELL[0])

    assert not breaker.is_open


def test_stays_open_when_the_probe_was_never_sent(breaker: Breaker, clock: Clock) -> None:
    call_failing(breaker, RedisTimeoutError())
    clock.now_s += PROBE_INTERVAL_S

    call_failing(breaker, DataError("not sent"))

    assert breaker.is_open


def test_admits_one_of_many_threads_that_come_at_once(breaker: Breaker, clock: Clock) -> None:
    call_failing(breaker, RedisTimeoutError())
    clock.now_s += PROBE_INTERVAL_S
    start = threading.Barrier(16)
    others_are_done = threading.Event()
    probes: list[int] = []
    refused: list[int] = []

    def probe(number: int) -> None:
        probes.append(number)
        assert others_are_done.wait(5)
        raise RedisTimeoutError

    def come(number: int) -> None:
        start.wait()
        try:
            breaker.call(lambda: probe(number))
        except RedisUnavailable:
            refused.append(number)
            if len(refused) == 15:
                others_are_done.set()
        except RedisTimeoutError:
            pass

    threads = [threading.Thread(target=come, args=(number,)) for number in range(16)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert len(probes) == 1
    assert len(refused) == 15


def test_tells_its_watcher_of_each_change_once(clock: Clock) -> None:
    told: list[tuple[str, bool]] = []
    watch_breakers(lambda address, is_open: told.append((address, is_open)))
    try:
        breaker = Breaker("watched:1", now=clock)
        for _ in range(2):
            call_failing(breaker, SICK[0])
            clock.now_s += PROBE_INTERVAL_S
        for _ in range(2):
            breaker.call(lambda: "answer")
    finally:
        watch_breakers(metrics.note_breaker)

    assert told == [("watched:1", False), ("watched:1", True), ("watched:1", False)]
