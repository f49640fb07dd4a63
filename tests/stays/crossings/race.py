"""Two changes that meet: each race has a table of its legal ends, and any other end fails.

The two sides stand for two processes, so the clock of each is slightly wrong. With -s each test
prints how often each end came.
"""

from __future__ import annotations

import random
import threading
import time
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta

from bookings.infrastructure import connections
from bookings.refusals import Refusal
from tests.calls import stored
from tests.stays.crossings.ends import (
    Answered,
    Check,
    End,
    check_slots,
    check_successes,
    describe,
    say,
    where,
)

Side = Callable[[], Answered]
Prepare = Callable[[], tuple[Side, Side]]

# In an everyday run; ROUNDS=100 makes a thousand of them.
BASE_ROUNDS = 10

# One side starts up to this much later than the other: a part of the time of a change, and more.
LATEST_STARTS_S = (0.0, 0.005, 0.04)

# No two processes agree on the time. Writes must be right by MongoDB's clock alone.
CLOCKS_OFF_MS = (-50, 0, 50)

# How far from the beginning of a round the relevant moment is.
MOMENT_MS = (-20, 60)


class Race:
    """Runs a race for some rounds and judges the end of each."""

    def __init__(self, name: str, rounds: int) -> None:
        self._name = name
        self._rounds = rounds
        self._start = threading.Barrier(2)
        self._pool = ThreadPoolExecutor(2)
        self._clock_is_off = threading.local()

    def run(
        self,
        prepare: Prepare,
        legal: set[End],
        *,
        moment: timedelta | None = None,
        check: Check | None = None,
    ) -> None:
        """`moment` says how long after the end of every hold the relevant moment is. `check` looks
        at the bookings of each end."""
        ends: Counter[End] = Counter()
        for _ in range(self._rounds):
            for name in ("bookings", "holders"):
                connections.database()[name].delete_many({})
            sides = prepare()
            matters_at = put_holds_near(moment) if moment is not None else None
            begun_at = mongodb_now()

            answered = list(self._pool.map(self._run_side, sides))

            done_at = mongodb_now()
            bookings = stored()
            check_slots(bookings)
            check_successes(answered, bookings)
            if check:
                check(bookings)
            end: End = (*map(say, answered), *sorted(map(describe, bookings)))
            if matters_at:
                end = (where(matters_at, begun_at, done_at), *end)
            assert end in legal, f"{self._name} came to an end that is not legal: {end}"
            ends[end] += 1
        print(f"\n{self._name}, {self._rounds} rounds:")  # noqa: T201
        for end, times in sorted(ends.items()):
            print(f"{times:6} x {' | '.join(end)}")  # noqa: T201

    def _run_side(self, side: Side) -> Answered:
        self._clock_is_off.by = timedelta(milliseconds=random.choice(CLOCKS_OFF_MS))
        late_s = random.uniform(0, random.choice(LATEST_STARTS_S))
        self._start.wait()
        time.sleep(late_s)
        try:
            return side()
        except Refusal as refusal:  # a refusal before anything is claimed is raised
            return refusal.code

    def put_clock(self, right: datetime) -> datetime:
        return right + getattr(self._clock_is_off, "by", timedelta(0))

    def stop(self) -> None:
        self._pool.shutdown()


def put_holds_near(moment: timedelta) -> datetime:
    """Gives every hold an end such that the relevant moment is about now."""
    matters_at = mongodb_now() + timedelta(milliseconds=random.randint(*MOMENT_MS))
    connections.collection("bookings").update_many(
        {"status": "pending"}, {"$set": {"expires_at": matters_at - moment}}
    )
    return matters_at


def mongodb_now() -> datetime:
    local_time: datetime = connections.database().client.admin.command("hello")["localTime"]
    return local_time.replace(tzinfo=UTC)
