"""The clock by which owners count the end of a lock.

It never goes back, and it goes on while the machine is suspended, as Redis does elsewhere.
`time.monotonic` stands still then on Linux, and a lock would seem to be held long after its end.
"""

import time


def now_s() -> float:
    """Seconds since the machine started, on Linux; elsewhere since some moment in the past."""
    if hasattr(time, "CLOCK_BOOTTIME"):
        return time.clock_gettime(time.CLOCK_BOOTTIME)
    return time.monotonic()
