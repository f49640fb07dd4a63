"""Waiting for a lock: try again after random pauses, until a bound.

There is no queue. Each pause is drawn from zero to a limit that doubles ("full jitter"), so rivals
that met once are unlikely to meet again.
"""

import random
import time
from collections.abc import Callable
from typing import TypeVar

from locks.errors import LockBusy

Acquired = TypeVar("Acquired")

# The longest first pause: a few round trips to Redis.
FIRST_PAUSE_MS = 4

# The longest pause of all, so that a free lock is not left lying, and many who wait are no load.
LONGEST_PAUSE_MS = 128


def acquire_within(wait_ms: int, try_once: Callable[[], Acquired]) -> Acquired:
    """Tries until it succeeds or `wait_ms` are over; then raises the last LockBusy.

    The last try begins when the time is up, not later. Any other error ends the waiting at once.
    Raises ValueError for less than 0 ms.
    """
    if wait_ms < 0:
        raise ValueError(f"Wait 0 ms or longer for a lock, not {wait_ms}.")
    until_s = time.monotonic() + wait_ms / 1000
    pause_ms = FIRST_PAUSE_MS
    while True:
        try:
            return try_once()
        except LockBusy:
            left_s = until_s - time.monotonic()
            if left_s <= 0:
                raise
        time.sleep(min(random.uniform(0, pause_ms / 1000), left_s))
        pause_ms = min(pause_ms * 2, LONGEST_PAUSE_MS)
