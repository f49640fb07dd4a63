"""Runs of a worker's task: their time limit, and the rule of one run at a time in a process."""

import threading
import time
from collections.abc import Callable
from functools import wraps

# A run starts no new work after this long; the next run begins within seconds. A worker that must
# end has a minute, and a slow mail server or receiver may need most of it for the last item.
RUN_LIMIT_S = 20.0


class RunTime:
    """The time, from now on, in which a run may start new work."""

    def __init__(self, limit_s: float | None = None) -> None:
        self._ends_at_s = time.monotonic() + (RUN_LIMIT_S if limit_s is None else limit_s)

    @property
    def is_up(self) -> bool:
        """Whether the run must not start new work."""
        return time.monotonic() >= self._ends_at_s


def one_at_a_time(run: Callable[[], int]) -> Callable[[], int]:
    """Decorates a task's run: it does nothing and returns 0 while another run is under way in this
    process.

    A worker has several threads. One slow receiver must not occupy all of them.
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
