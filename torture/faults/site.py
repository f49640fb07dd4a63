"""Faults of the processes that answer requests."""

from __future__ import annotations

import contextlib
import os
import random
import signal

from torture.faults import Phases, fault
from torture.stack import Stack


@fault("site", lasts_s=(0.5, 2), touches=())
def web_process_killed(stack: Stack, dice: random.Random) -> Phases:
    """One process that answers requests dies in the middle of them; gunicorn starts another."""
    pids = stack.web_pids()
    if not pids:
        return None
    with contextlib.suppress(ProcessLookupError):
        os.kill(dice.choice(pids), signal.SIGKILL)
    yield None
    return None


@fault("site", lasts_s=(16, 35), touches=("web_stopped",))
def web_process_stopped(stack: Stack, dice: random.Random) -> Phases:
    """One process stands still for longer than a lock, perhaps than a claim's lease, and continues.
    gunicorn may end it first."""
    pids = stack.web_pids()
    if not pids:
        return None
    pid = dice.choice(pids)
    try:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGSTOP)
        yield None
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGCONT)
    return None
