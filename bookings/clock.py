"""What time it is, and how long a request has left.

The time is MongoDB's, not this machine's: holds made by one process and expired by another
must be measured by one clock. It is read from `hello` and carried on by the monotonic
clock, so that a step of the local clock changes nothing. Inside a filter use `$$NOW`.
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

from bookings.connections import database
from bookings.errors import TryAgain

Answer = TypeVar("Answer")

# Two quartz clocks drift apart by far less than a millisecond in this time.
RESYNC_S = 30.0

# A request gives up on MongoDB after this long in all, and on itself a little later, so
# that it can still say so before a proxy or gunicorn's time-out (20 s) cuts it off.
MONGODB_TIMEOUT_S = 8.0
REQUEST_TIMEOUT_S = 10.0


class _MongoClock:
    def __init__(self) -> None:
        self._mutex = threading.Lock()
        self._server_time: datetime | None = None
        self._read_at_s = 0.0

    def now(self) -> datetime:
        if self._server_time is None or time.monotonic() - self._read_at_s > RESYNC_S:
            self._read()
        assert self._server_time is not None
        return self._server_time + timedelta(seconds=time.monotonic() - self._read_at_s)

    def _read(self) -> None:
        before_s = time.monotonic()
        local_time = database().client.admin.command("hello")["localTime"]
        after_s = time.monotonic()
        with self._mutex:
            self._server_time = local_time.replace(tzinfo=UTC)
            self._read_at_s = (before_s + after_s) / 2


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


@contextmanager
def request_limits() -> Iterator[Deadline]:
    """Bounds everything that runs inside, on this thread, to a request's time.

    MongoDB gets one budget for all operations together, the ORM's included, so that no
    number of slow ones adds up to more.
    """
    with pymongo.timeout(MONGODB_TIMEOUT_S):
        yield Deadline.after(REQUEST_TIMEOUT_S)


def with_new_budget(call: Callable[[], Answer]) -> Answer:
    """What `call` returns, with all of MongoDB's budget anew: for what a request writes after it
    computed for long. Check its deadline first; both together end before gunicorn's time-out.

    It runs in a context of its own, since a time-out inside another can only be shorter.
    """

    def run() -> Answer:
        with request_limits():
            return call()

    return contextvars.Context().run(run)
