"""What time it is, and how long a request has left.

The time is MongoDB's, not this machine's: holds made by one process and expired by another
must be measured by one clock. It is read from `hello` and carried on by a clock that no one
sets, so that a step of the local clock changes nothing. Inside a filter use `$$NOW`; what is
kept, such as a definite refusal, must come of that, since a process may be stopped between
its look at the clock and what it decides.
"""

import contextvars
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from datetime import time as time_of_day
from typing import TypeVar
from zoneinfo import ZoneInfo

import pymongo
from django.http import HttpRequest
from pymongo import MongoClient

from bookings.infrastructure.connections import database
from bookings.refusals import TryAgain

Result = TypeVar("Result")
HostAndPort = tuple[str, int | None]

# Long enough to cost nothing; until then a time that was read well is off by DRIFT at the most.
RESYNC_S = 30.0

# How fast two clocks may drift apart: each may be adjusted by 500 millionths while it runs.
DRIFT = 0.001

# A reading that may be off by more is a slow one: it is asked again, at first at once, a few
# times, and later after a pause.
SLOW_S = 0.05
FIRST_ASKS = 3
PAUSE_S = 1.0

# A request gives up on MongoDB after this long in all, and on itself a little later, so
# that it can still say so before a proxy or gunicorn's time-out (20 s) cuts it off.
MONGODB_TIMEOUT_S = 8.0
REQUEST_TIMEOUT_S = 10.0


# What time.monotonic() reads, and where there is such a clock the time that the machine slept too.
_UNSET_CLOCK = getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC)


def _elapsed_s() -> float:
    return time.clock_gettime(_UNSET_CLOCK)


@dataclass(frozen=True)
class _Reading:
    """What a server's clock showed at some moment, give or take `error_s`.

    It was asked and it answered; the moment is half-way, so it may be off by half of what that
    took, and by the millisecond that the answer is cut to.
    """

    server: HostAndPort | None
    server_time: datetime
    read_at_s: float
    error_s: float

    def time_at(self, moment_s: float) -> datetime:
        return self.server_time + timedelta(seconds=moment_s - self.read_at_s)

    def error_at(self, moment_s: float) -> float:
        return self.error_s + DRIFT * abs(moment_s - self.read_at_s)

    def agrees_with(self, other: "_Reading") -> bool:
        """Whether one clock can have shown both."""
        apart = other.time_at(self.read_at_s) - self.server_time
        return abs(apart.total_seconds()) <= self.error_s + other.error_at(self.read_at_s)


class _MongoClock:
    """Carries on the best reading there is: of two that agree the one that may be off by less.

    A reading is never changed, only replaced, so that no thread sees half of one and half of
    another. One that contradicts the one before is right: the server's clock was set. Asked
    through another primary, which has a clock of its own, it begins again.

    So a time is off by half of the quickest answer and DRIFT since then. However slow MongoDB
    is, that is no more than half of its share of a request.
    """

    def __init__(self) -> None:
        self._mutex = threading.Lock()
        self.reading: _Reading | None = None
        self._ask_at_s = 0.0

    def now(self) -> datetime:
        reading = self.reading
        if reading is None or _is_of_another_primary(reading):
            reading = self._begin()
        elif _elapsed_s() >= self._ask_at_s:
            # Only this thread asks: the others need not wait for it.
            self._ask_at_s = _elapsed_s() + PAUSE_S
            reading = self.ask()
        return reading.time_at(_elapsed_s())

    def ask(self) -> _Reading:
        """Asks MongoDB once, and returns the best reading there is now."""
        asked = _ask()
        with self._mutex:
            kept = self.reading
            if (
                kept is None
                or kept.server != asked.server
                or not asked.agrees_with(kept)
                or asked.error_s <= kept.error_at(asked.read_at_s)
            ):
                self.reading = kept = asked
            is_slow = kept.error_at(asked.read_at_s) > SLOW_S
            self._ask_at_s = asked.read_at_s + (PAUSE_S if is_slow else RESYNC_S)
            return kept

    def _begin(self) -> _Reading:
        """The first reading of a server, which may have to wait for a connection first."""
        for _ in range(FIRST_ASKS):
            reading = self.ask()
            if reading.error_s <= SLOW_S:
                break
        return reading


def _ask() -> _Reading:
    client = database().client
    server = _primary_of(client)
    before_s = _elapsed_s()
    local_time = client.admin.command("hello")["localTime"]
    after_s = _elapsed_s()
    return _Reading(
        server=server,
        server_time=local_time.replace(tzinfo=UTC),
        read_at_s=(before_s + after_s) / 2,
        error_s=(after_s - before_s) / 2 + 0.001,
    )


def _is_of_another_primary(reading: _Reading) -> bool:
    """Whether the driver knows of another primary by now."""
    primary = _primary_of(database().client)
    return primary is not None and primary != reading.server


def _primary_of(client: MongoClient) -> HostAndPort | None:
    """What the driver has found out by itself. `client.primary` would take four times as long."""
    servers = client.topology_description.server_descriptions()
    return next((address for address, server in servers.items() if server.is_writable), None)


_clock = _MongoClock()


def now() -> datetime:
    """MongoDB's time, aware, in UTC, cut to the milliseconds that MongoDB can keep."""
    return cut_to_ms(_clock.now())


def cut_to_ms(moment: datetime) -> datetime:
    """The moment without what BSON would drop."""
    return moment.replace(microsecond=moment.microsecond // 1000 * 1000)


def today(time_zone: str) -> date:
    """The hotel's calendar day."""
    return now().astimezone(ZoneInfo(time_zone)).date()


def desk_day(time_zone: str, ends_at: time_of_day) -> date:
    """The day that it is at the hotel's desk: the day before goes on until `ends_at`."""
    local = now().astimezone(ZoneInfo(time_zone))
    return local.date() - timedelta(days=local.time() < ends_at)


def local_moment(day: date, at: time_of_day, time_zone: str) -> datetime:
    """The moment, in UTC, when the hotel's clocks show `at` on `day`.

    Of a time shown twice it is the first; one that is skipped moves forward (PEP 495).
    """
    zone = ZoneInfo(time_zone)
    return datetime.combine(day, at, tzinfo=zone).replace(fold=0).astimezone(UTC)


@dataclass(frozen=True)
class Deadline:
    """The monotonic moment after which a request starts nothing more."""

    ends_at_s: float

    @classmethod
    def after(cls, seconds: float) -> "Deadline":
        return cls(time.monotonic() + seconds)

    def check(self) -> None:
        """Raises TryAgain when the time is up."""
        if time.monotonic() >= self.ends_at_s:
            raise TryAgain


class TimedRequest(HttpRequest):
    """A request as bookingsite/middleware.py passes it on; a name for types."""

    deadline: Deadline


@contextmanager
def request_limits() -> Iterator[Deadline]:
    """Bounds everything that runs inside, on this thread, to a request's time.

    MongoDB gets one budget for all operations together, the ORM's included, so that no
    number of slow ones adds up to more.
    """
    with pymongo.timeout(MONGODB_TIMEOUT_S):
        yield Deadline.after(REQUEST_TIMEOUT_S)


def with_new_budget(call: Callable[[], Result]) -> Result:
    """What `call` returns, with all of MongoDB's budget anew: for what a request writes after it
    computed for long. Check its deadline first; both together end before gunicorn's time-out.

    It runs in a context of its own, since a time-out inside another can only be shorter.
    """

    def run() -> Result:
        with request_limits():
            return call()

    return contextvars.Context().run(run)
