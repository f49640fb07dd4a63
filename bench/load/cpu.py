"""Processor time of processes together with their children, from the scheduler's own clocks."""

import time
from collections.abc import Iterable, Mapping
from pathlib import Path


def spent_s(processes: Mapping[str, Iterable[int]]) -> dict[str, float]:
    """Seconds of processor time so far, by name, for the trees of processes under these ids."""
    return {
        name: sum(_clock_s(each) for pid in pids for each in _tree(pid))
        for name, pids in processes.items()
    }


def _clock_s(pid: int) -> float:
    """The process's time in seconds, with that of its threads; 0 if it has ended.

    This is the clock that `clock_getcpuclockid` of the C library would name. It counts nanoseconds;
    /proc/PID/stat counts hundredths of a second, too coarse for a burst.
    """
    try:
        return time.clock_gettime((~pid << 3) | 2)
    except OSError:
        return 0.0


def _tree(pid: int) -> list[int]:
    found, left = [], [pid]
    while left:
        found.append(parent := left.pop())
        for thread in Path(f"/proc/{parent}/task").glob("*/children"):
            try:
                left += map(int, thread.read_text().split())
            except OSError:
                continue  # the thread has just ended
    return found
