"""Clocks of the site's machines that are off by an hour, or jump."""

from __future__ import annotations

import random
from collections.abc import Iterator
from contextlib import contextmanager

from torture.faults import Phases, fault
from torture.stack import Stack

HOUR_S = 3600.0
PARTS = ("web", "worker", "beat")


@contextmanager
def _put_right(stack: Stack, *parts: str) -> Iterator[None]:
    try:
        yield
    finally:
        for part in parts:
            stack.set_clock(part, 0.0)


@fault("clocks", lasts_s=(5, 15), touches=("web_clock",))
def web_off(stack: Stack, dice: random.Random) -> Phases:
    """The clocks of the web servers are an hour ahead or behind."""
    with _put_right(stack, "web"):
        stack.set_clock("web", dice.choice((-HOUR_S, HOUR_S)))
        yield None
    return None


@fault("clocks", lasts_s=(5, 15), touches=("worker_clock",))
def worker_off(stack: Stack, dice: random.Random) -> Phases:
    """The worker's clock is an hour ahead or behind."""
    with _put_right(stack, "worker"):
        stack.set_clock("worker", dice.choice((-HOUR_S, HOUR_S)))
        yield None
    return None


@fault("clocks", lasts_s=(5, 15), touches=("beat_clock",))
def beat_off(stack: Stack, dice: random.Random) -> Phases:
    """Beat's clock is an hour ahead or behind."""
    with _put_right(stack, "beat"):
        stack.set_clock("beat", dice.choice((-HOUR_S, HOUR_S)))
        yield None
    return None


@fault("clocks", lasts_s=(8, 15), touches=("web_clock", "worker_clock", "beat_clock"))
def jumping(stack: Stack, dice: random.Random) -> Phases:
    """All clocks of the site jump about, each by itself, within an hour of the true time."""
    with _put_right(stack, *PARTS):
        for _ in range(10):
            stack.set_clock(dice.choice(PARTS), dice.uniform(-HOUR_S, HOUR_S))
            yield dice.uniform(0.5, 2.0)
        yield None
    return None
