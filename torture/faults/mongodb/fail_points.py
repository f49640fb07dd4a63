"""MongoDB's own fail points: commands that it refuses, does late, or does and cannot vouch for.

They are set on every member, so they stay if the primary changes.
"""

from __future__ import annotations

import random
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from local.servers import Server
from torture.faults import Phases, fault
from torture.faults.mongodb.healing import healed, order
from torture.stack import Stack

WRITES = ("insert", "update", "delete", "findAndModify", "commitTransaction")
READS = ("find", "aggregate", "count", "distinct", "getMore")

# Of servers that shut down, hand over, or were asked while they did. Drivers ask again.
# https://github.com/mongodb/mongo/blob/master/src/mongo/base/error_codes.yml
SHUTTING_DOWN, STEPPED_DOWN, INTERRUPTED_BY_ELECTION = 91, 189, 11602
# A write that is done, but not by a majority in time.
NOT_REPLICATED = 64
TIME_EXCEEDED, WRITE_CONFLICT = 50, 112


@contextmanager
def _failing(stack: Stack, share: float, data: dict[str, Any]) -> Iterator[None]:
    """This share of the commands fails in between."""
    with healed(stack):
        try:
            for member in stack.members:
                _set(stack, member, {"activationProbability": share}, data)
            yield
        finally:
            for member in stack.members:
                # A member that cannot be told forgets it when it starts again.
                if not _set(stack, member, "off", {}):
                    member.kill()


def _set(stack: Stack, member: Server, mode: str | dict[str, float], data: dict[str, Any]) -> bool:
    return bool(order(stack, member, "configureFailPoint", "failCommand", mode=mode, data=data))


def _choose_share(dice: random.Random) -> float:
    return dice.choice((0.03, 0.2, 0.6))


@fault("mongodb", lasts_s=(2, 8), touches=("mongodb",))
def commands_refused(stack: Stack, dice: random.Random) -> Phases:
    """The members refuse some commands, as if they handed over or shut down."""
    code = dice.choice((SHUTTING_DOWN, STEPPED_DOWN, INTERRUPTED_BY_ELECTION))
    data = {"failCommands": [*WRITES, *READS], "errorCode": code}
    with _failing(stack, _choose_share(dice), data):
        yield None
    return None


@fault("mongodb", lasts_s=(2, 8), touches=("mongodb",))
def connections_closed(stack: Stack, dice: random.Random) -> Phases:
    """The members end connections over some commands, and do not do what was asked."""
    data = {"failCommands": [*WRITES, *READS], "closeConnection": True}
    with _failing(stack, _choose_share(dice), data):
        yield None
    return None


@fault("mongodb", lasts_s=(2, 8), touches=("mongodb",))
def writes_unconfirmed(stack: Stack, dice: random.Random) -> Phases:
    """Some writes are done, and the answer says that no majority has them yet."""
    error = dice.choice(
        # A member says with this code that it is about time.
        ({"code": NOT_REPLICATED, "errInfo": {"wtimeout": True}}, {"code": SHUTTING_DOWN})
    )
    data = {
        "failCommands": list(WRITES),
        "writeConcernError": {**error, "errmsg": "set by a fault"},
    }
    with _failing(stack, _choose_share(dice), data):
        yield None
    return None


@fault("mongodb", lasts_s=(2, 8), touches=("mongodb",))
def commits_unsure(stack: Stack, dice: random.Random) -> Phases:
    """Some commits fail in ways that leave open, for the site, whether they were done."""
    code, label = dice.choice(
        (
            (TIME_EXCEEDED, "UnknownTransactionCommitResult"),
            (SHUTTING_DOWN, "UnknownTransactionCommitResult"),
            (WRITE_CONFLICT, "TransientTransactionError"),
        )
    )
    data = {"failCommands": ["commitTransaction"], "errorCode": code, "errorLabels": [label]}
    with _failing(stack, _choose_share(dice), data):
        yield None
    return None


@fault("mongodb", lasts_s=(2, 8), touches=("mongodb",))
def commands_blocked(stack: Stack, dice: random.Random) -> Phases:
    """Some commands wait in the member before they are done, up to longer than the site waits."""
    data = {
        "failCommands": [*WRITES, *READS],
        "blockConnection": True,
        "blockTimeMS": dice.choice((100, 1_000, 5_000, 12_000)),
    }
    with _failing(stack, dice.choice((0.02, 0.1)), data):
        yield None
    return None
