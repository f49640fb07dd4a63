"""Faults of the site's own processes."""

from __future__ import annotations

import contextlib
import os
import random
import signal
from collections.abc import Generator

from torture.faults import fault
from torture.stack import Stack


@fault("site", lasts_s=(0.5, 2), touches=())
def web_process_killed(stack: Stack, dice: random.Random) -> Generator[None]:
    """One process that answers requests dies in the middle of them; gunicorn starts another."""
    pids = stack.web_pids()
    if pids:
        with contextlib.suppress(ProcessLookupError):
            os.kill(dice.choice(pids), signal.SIGKILL)
    yield
