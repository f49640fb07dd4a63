"""Members that die, stand still or hand over, and one that must take its last writes back."""

from __future__ import annotations

import contextlib
import random

import pymongo.errors
from bson import Timestamp

from local.servers import Server
from torture.faults import Phases, fault
from torture.faults.mongodb.healing import (
    LOOK_MS,
    NO_PRIMARY,
    find_primary,
    healed,
    is_secondary,
    order,
    others,
    wait_until,
)
from torture.stack import ELECTION_TIMEOUT_MS, Stack

STEPPED_DOWN_S = 10

# The primary steps down by itself once it has heard of no other member for this long.
ALONE_S = ELECTION_TIMEOUT_MS / 1000


@fault("mongodb", lasts_s=(0.5, 10), touches=("mongodb",))
def primary_killed(stack: Stack, _: random.Random) -> Phases:
    """The primary dies at once, and is started again on its data."""
    with healed(stack):
        primary = yield from find_primary(stack)
        if primary is None:
            return NO_PRIMARY
        primary.kill()
        yield None
    return None


@fault("mongodb", lasts_s=(0.5, 10), touches=("mongodb",))
def secondary_killed(stack: Stack, dice: random.Random) -> Phases:
    """A member that follows dies at once, and is started again on its data."""
    with healed(stack):
        primary = yield from find_primary(stack)
        if primary is None:
            return NO_PRIMARY
        dice.choice(others(stack, primary)).kill()
        yield None
    return None


@fault("mongodb", lasts_s=(3, 8), touches=("mongodb",))
def primary_stepped_down(stack: Stack, dice: random.Random) -> Phases:
    """The primary gives its role away, as it does for an operator; sometimes before the others have
    its last writes."""
    with healed(stack):
        primary = yield from find_primary(stack)
        if primary is None:
            return NO_PRIMARY
        waits = dice.choice((True, False))
        # It may take longer than its answer is awaited.
        order(
            stack,
            primary,
            "replSetStepDown",
            STEPPED_DOWN_S,
            secondaryCatchUpPeriodSecs=1 if waits else 0,
            force=True,
        )
        yield None
    return None


@fault("mongodb", lasts_s=(1, 10), touches=("mongodb",))
def primary_stopped(stack: Stack, _: random.Random) -> Phases:
    """The primary stands still, and goes on as if nothing had happened."""
    with healed(stack):
        primary = yield from find_primary(stack)
        if primary is None:
            return NO_PRIMARY
        primary.freeze()
        yield None
    return None


@fault("mongodb", lasts_s=(1, 8), touches=("mongodb",))
def two_stopped(stack: Stack, dice: random.Random) -> Phases:
    """Two of three stand still, so nothing can be acknowledged."""
    with healed(stack):
        for member in dice.sample(stack.members, 2):
            member.freeze()
        yield None
    return None


@fault("mongodb", lasts_s=(1, 8), touches=("mongodb",))
def two_killed(stack: Stack, dice: random.Random) -> Phases:
    """Two of three die, so nothing can be acknowledged."""
    with healed(stack):
        _kill(dice.sample(stack.members, 2))
        yield None
    return None


@fault("mongodb", lasts_s=(0.5, 5), touches=("mongodb",))
def all_killed(stack: Stack, _: random.Random) -> Phases:
    """All members die at once, as in a house without power, and are started again."""
    with healed(stack):
        _kill(stack.members)
        yield None
    return None


@fault("mongodb", lasts_s=(22, 30), touches=("mongodb",))
def rolled_back(stack: Stack, dice: random.Random) -> Phases:
    """The primary takes writes that no other member has, and dies. The others go on without them,
    and it must take them back when it returns."""
    with healed(stack):
        primary = yield from find_primary(stack)
        if primary is None:
            return NO_PRIMARY
        rest = others(stack, primary)
        # They pull over its link. What waits there when they stand still would reach them later.
        stack.set_link(primary.name, "cut", of=_names(rest))
        for member in rest:
            member.freeze()
        alone = {"data": {"note": "only here"}, "writeConcern": {"w": 1}}
        noted = order(stack, primary, "appendOplogNote", **alone)
        yield dice.uniform(0.3, 0.8) * ALONE_S
        primary.kill()
        stack.set_link(primary.name, "reset", of=_names(rest))
        for member in rest:
            member.thaw()
        if not noted:
            return f"{primary.name} took no writes alone"
        if (yield from find_primary(stack)) is None:
            return NO_PRIMARY
        yield dice.uniform(0, 2)
        stack.set_link(primary.name, "pass")
        stack.start_member(primary)
        if not (yield from wait_until(lambda: is_secondary(stack, primary))):
            return f"{primary.name} did not come back in time"
        if not (yield from wait_until(lambda: _lacks(stack, primary, noted["operationTime"]))):
            return f"{primary.name} has kept what no other member has"
    return None


def _lacks(stack: Stack, member: Server, time_of_write: Timestamp) -> bool:
    """Whether the member says that it has no write of this time."""
    with (
        contextlib.suppress(pymongo.errors.PyMongoError),
        stack.direct(member, timeout_ms=LOOK_MS) as client,
    ):
        return client["local"]["oplog.rs"].find_one({"ts": time_of_write}) is None
    return False


def _names(members: list[Server]) -> tuple[str, ...]:
    return tuple(member.name for member in members)


def _kill(members: list[Server]) -> None:
    """Kills them as close together as can be."""
    for member in members:
        member.send_kill()
    for member in members:
        member.kill()
