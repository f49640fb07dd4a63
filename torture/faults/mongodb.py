"""Faults of the replica set."""

from __future__ import annotations

import random
from collections.abc import Generator

from torture.faults import fault
from torture.stack import Stack


@fault("mongodb", lasts_s=(3, 12), touches=("mongodb",))
def primary_killed(stack: Stack, _: random.Random) -> Generator[None]:
    """The primary dies at once, and is started again on its data."""
    member = stack.primary()
    if member is None:
        return
    member.kill()
    yield
    stack.start_member(member)
