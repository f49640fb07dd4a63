"""Faults of the world outside: the mail server and the partners' webhook receivers."""

from __future__ import annotations

import random
from collections.abc import Iterator
from contextlib import contextmanager

from torture.faults import Phases, fault
from torture.stack import Stack


@contextmanager
def _behaving(stack: Stack, mode: str) -> Iterator[None]:
    file = stack.folder / "outside" / "mode"
    try:
        file.write_text(mode)
        yield
    finally:
        file.write_text("well")


@fault("outside", lasts_s=(3, 12), touches=("outside",))
def receivers_hang(stack: Stack, _: random.Random) -> Phases:
    """Mail server and receivers take connections and do not answer."""
    with _behaving(stack, "hang"):
        yield None
    return None


@fault("outside", lasts_s=(3, 12), touches=("outside",))
def receivers_refuse(stack: Stack, _: random.Random) -> Phases:
    """Mail server and receivers take no mail and no event."""
    with _behaving(stack, "refuse"):
        yield None
    return None


@fault("outside", lasts_s=(3, 12), touches=("outside",))
def receivers_gone(stack: Stack, _: random.Random) -> Phases:
    """No one listens for mails and events."""
    try:
        stack.outside.kill()
        yield None
    finally:
        if not stack.outside.is_running:
            stack.outside.start()
    return None
