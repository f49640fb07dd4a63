"""What faults of the replica set share: how they find its primary, and how they leave it whole."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Generator, Iterator
from contextlib import contextmanager
from typing import Any

import pymongo.errors

from local.servers import Server
from torture.stack import Stack

# A member answers within a few milliseconds. The main thread waits for it, so it asks again later.
LOOK_MS = 200
ORDER_MS = 400

# An election takes some seconds, and a copy of all data a few more.
PATIENCE_S = 30.0
POLL_S = 0.2

NO_PRIMARY = "the members elected no primary"

Waiting = Generator[float, None, bool]


def heal(stack: Stack) -> None:
    """Lets every member run, and everyone reach it."""
    for member in stack.members:
        stack.set_link(member.name, "pass")
        member.thaw()
        if not member.is_running:
            stack.start_member(member)


@contextmanager
def healed(stack: Stack) -> Iterator[None]:
    """Heals at the end, also if what was broken in between failed half-way."""
    try:
        yield
    finally:
        heal(stack)


def wait_until(is_true: Callable[[], bool]) -> Waiting:
    """Waits in phases; false if it did not come before the end of the fault."""
    deadline_s = time.monotonic() + PATIENCE_S
    while not is_true():
        asked_s = time.monotonic()
        yield POLL_S
        now_s = time.monotonic()
        # At its end, a fault is continued before it wants to be.
        if now_s > deadline_s or now_s - asked_s < POLL_S / 2:
            return False
    return True


def find_primary(stack: Stack) -> Generator[float, None, Server | None]:
    """The primary; waits for an election. None if there is none."""
    found: list[Server] = []

    def look() -> bool:
        primary = stack.primary(timeout_ms=LOOK_MS)
        found.extend([primary] if primary else [])
        return primary is not None

    return found[0] if (yield from wait_until(look)) else None


def others(stack: Stack, *but: Server) -> list[Server]:
    """The members that are none of these."""
    return [member for member in stack.members if member not in but]


def is_secondary(stack: Stack, member: Server) -> bool:
    """Whether it follows the primary with all data."""
    return bool(stack.hello(member, timeout_ms=LOOK_MS).get("secondary"))


def order(
    stack: Stack, member: Server, command: str, value: object = 1, **fields: Any
) -> dict[str, Any]:
    """What a member answered to a command; nothing if it refused, or did not answer in time."""
    with (
        contextlib.suppress(pymongo.errors.PyMongoError),
        stack.direct(member, timeout_ms=ORDER_MS) as client,
    ):
        return dict(client.admin.command(command, value, **fields))
    return {}
