"""Runs of a worker's task: how long one begins new work, and that a process has one at a time."""

import threading
import time
from collections.abc import Callable
from functools import wraps

# A run begins no new work after this long; the next run comes in seconds. A worker that is told to
# end has a minute, and the last piece may take long at a slow mail server or receiver.
RUN_LIMIT_S = 20.0


class RunTime:
    """The time in which a run may begin new work, from now on."""

    def __init__(self, limit_s: float | None = None) -> None:
        self._ends_at_s = time.monotonic() + (RUN_LIMIT_S if limit_s is None else limit_s)

    @property
    def is_up(self) -> bool:
        return time.monotonic() >= self._ends_at_s


def one_at_a_time(run: Callable[[], int]) -> Callable[[], int]:
    """A run that finds another one under way in this process does nothing, and returns 0.

    A worker has several threads, and whoever keeps one run waiting must not take them all from
    the other tasks.
    """
    under_way = threading.Lock()

    @wraps(run)
    def run_alone() -> int:
        if not under_way.acquire(blocking=False):
            return 0
        try:
            return run()
        finally:
            under_way.release()

    return run_alone
