"""The time that a request has left, on MongoDB and in all.

A task of a worker gives each of its steps the same time, so that one slow step cannot hold up the
rest. The time of day, by which holds end, is in `clock`.
"""

import contextvars
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TypeVar

import pymongo
from django.http import HttpRequest

from bookings.refusals import TryAgain

Result = TypeVar("Result")

# A request spends at most this long on MongoDB, and a little more in all. So it can still answer
# before a proxy or gunicorn's time-out (20 s) cuts it off.
MONGODB_TIMEOUT_S = 8.0
REQUEST_TIMEOUT_S = 10.0


@dataclass(frozen=True)
class Deadline:
    """The monotonic moment after which a request starts nothing more."""

    ends_at_s: float

    @classmethod
    def after(cls, seconds: float) -> "Deadline":
        """The deadline that many seconds from now."""
        return cls(time.monotonic() + seconds)

    def check(self) -> None:
        """Raises TryAgain if the time is up."""
        if time.monotonic() >= self.ends_at_s:
            raise TryAgain


class TimedRequest(HttpRequest):
    """The type of a request to which bookingsite/middleware.py has given its deadline."""

    deadline: Deadline


@contextmanager
def request_limits() -> Iterator[Deadline]:
    """Limits everything that this thread runs inside the `with` to a request's time.

    All MongoDB operations together, including the ORM's, share one budget.
    """
    with pymongo.timeout(MONGODB_TIMEOUT_S):
        yield Deadline.after(REQUEST_TIMEOUT_S)


def with_new_budget(call: Callable[[], Result]) -> Result:
    """Returns the result of `call`, which gets MongoDB's whole budget again.

    It is for requests that write after a long computation. Check the deadline first; then both
    together end before gunicorn's time-out. It runs in its own context, because a nested time-out
    of pymongo can only be shorter.
    """

    def run() -> Result:
        with request_limits():
            return call()

    return contextvars.Context().run(run)
