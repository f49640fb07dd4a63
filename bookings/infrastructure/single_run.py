"""Runs of a worker's task, of which a process has one at a time."""

import threading
from collections.abc import Callable
from functools import wraps


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
