"""Faults of the Redis of claims and locks."""

from __future__ import annotations

import random
from collections.abc import Generator

from torture.faults import fault
from torture.stack import Stack


@fault("redis", lasts_s=(1, 8), touches=("redis",))
def killed(stack: Stack, _: random.Random) -> Generator[None]:
    """Redis dies with all that it knew, and is started again, empty."""
    stack.redis.kill()
    yield
    stack.redis.start()
