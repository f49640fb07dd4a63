"""Faults of Redis: of claims and the queue, of the lock servers (Redlock), and of Sentinels."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from local.servers import Server
from torture.faults import Phases, fault
from torture.stack import Stack

ANSWERS_LOST_S = 0.3

# Bytes. A Redis with so little takes nothing that is new.
NO_MEMORY = 1


def only(variant: str) -> Callable[[Stack], str]:
    """For `missing`: the fault is one of this variant."""
    return lambda stack: "" if stack.options.variant == variant else f"only in {variant}"


def _not_with_sentinels(stack: Stack) -> str:
    return "Sentinels change roles themselves" if stack.options.variant == "sentinel" else ""


@contextmanager
def _down(stack: Stack, servers: list[Server]) -> Iterator[None]:
    """These are dead in the meantime, and start again empty."""
    try:
        for server in servers:
            server.kill()
        yield
    finally:
        for server in servers:
            if not server.is_running:
                stack.start_redis_server(server)


@contextmanager
def _frozen(servers: list[Server]) -> Iterator[None]:
    """These keep their connections and answer nothing in the meantime."""
    try:
        for server in servers:
            server.freeze()
        yield
    finally:
        for server in servers:
            server.thaw()


# --- The Redis of claims, locks and the queue. With Sentinels: the master -----------------------


@fault("redis", lasts_s=(1, 8), touches=("redis",))
def killed(stack: Stack, _: random.Random) -> Phases:
    """Redis dies with all that it knew, and is started again, empty. With Sentinels the replica
    takes over, and the one that died comes back as a replica."""
    with _down(stack, [stack.redis_master()]):
        yield None
    return None


@fault("redis", lasts_s=(1, 8), touches=("redis",))
def frozen(stack: Stack, _: random.Random) -> Phases:
    """Redis answers nothing. With Sentinels the replica takes over, and the one that was frozen
    wakes up as a master that no longer is one."""
    with _frozen([stack.redis_master()]):
        yield None
    return None


@fault("redis", lasts_s=(1, 3), touches=("redis",))
def emptied(stack: Stack, _: random.Random) -> Phases:
    """Redis forgets all claims, answers, locks and tasks, twice, while it goes on."""
    with stack.direct_redis(stack.redis_master()) as client:
        client.flushall()
        yield 0.5
        client.flushall()
    yield None
    return None


@fault("redis", lasts_s=(2, 8), touches=("redis",))
def full(stack: Stack, _: random.Random) -> Phases:
    """Redis reads and deletes, and refuses whatever needs memory."""
    with stack.direct_redis(stack.redis_master()) as client:
        try:
            client.config_set("maxmemory", NO_MEMORY)
            yield None
        finally:
            client.config_set("maxmemory", 0)
    return None


@fault("redis", lasts_s=(2, 8), touches=("redis",), missing=_not_with_sentinels)
def read_only(stack: Stack, _: random.Random) -> Phases:
    """Redis is a replica of a master that is not there."""
    with stack.direct_redis(stack.redis) as client:
        try:
            # Nothing listens on port 1.
            client.replicaof("127.0.0.1", 1)
            yield None
        finally:
            client.replicaof("NO", "ONE")
    return None


@contextmanager
def _link(stack: Stack, name: str, mode: str, delay_s: float = 0.0) -> Iterator[None]:
    try:
        stack.set_link(name, mode, delay_s=delay_s)
        yield
    finally:
        stack.set_link(name, "pass")


@fault("redis", lasts_s=(2, 8), touches=("redis",))
def slow(stack: Stack, dice: random.Random) -> Phases:
    """Each piece comes 0.1 to 1 s late, both ways. The site waits for 0.25 s."""
    with _link(stack, stack.redis_master().name, "slow", dice.uniform(0.1, 1.0)):
        yield None
    return None


@fault("redis", lasts_s=(2, 8), touches=("redis",))
def cut(stack: Stack, _: random.Random) -> Phases:
    """The cable is pulled: nothing passes, and no one is told."""
    with _link(stack, stack.redis_master().name, "cut"):
        yield None
    return None


@fault("redis", lasts_s=(3, 8), touches=("redis",))
def answers_lost(stack: Stack, dice: random.Random) -> Phases:
    """Redis does what it is asked to do, and the answer is lost, again and again."""
    name = stack.redis_master().name
    for _ in range(8):
        with _link(stack, name, "lose"):
            yield ANSWERS_LOST_S
        # New connections need answers as well.
        yield dice.uniform(0.3, 1.0)
    yield None
    return None


# --- The three lock servers ---------------------------------------------------------------------


def _lock_servers(stack: Stack, dice: random.Random, number: int) -> list[Server]:
    return dice.sample(
        [each for each in stack.redis_servers if each.name.startswith("lock")], number
    )


@fault("redis", lasts_s=(2, 10), touches=("locks",), missing=only("redlock"))
def lock_server_killed(stack: Stack, dice: random.Random) -> Phases:
    """One of three dies with its locks. The other two are a majority."""
    with _down(stack, _lock_servers(stack, dice, 1)):
        yield None
    return None


@fault("redis", lasts_s=(2, 10), touches=("locks",), missing=only("redlock"))
def two_lock_servers_killed(stack: Stack, dice: random.Random) -> Phases:
    """Two of three die with their locks: no lock can be had."""
    with _down(stack, _lock_servers(stack, dice, 2)):
        yield None
    return None


@fault("redis", lasts_s=(2, 10), touches=("locks",), missing=only("redlock"))
def lock_server_frozen(stack: Stack, dice: random.Random) -> Phases:
    """One of three answers nothing."""
    with _frozen(_lock_servers(stack, dice, 1)):
        yield None
    return None


@fault("redis", lasts_s=(2, 10), touches=("locks",), missing=only("redlock"))
def two_lock_servers_frozen(stack: Stack, dice: random.Random) -> Phases:
    """Two of three answer nothing, and then know locks that have long ended."""
    with _frozen(_lock_servers(stack, dice, 2)):
        yield None
    return None


# --- Sentinels ----------------------------------------------------------------------------------


@fault("redis", lasts_s=(12, 20), touches=("redis",), missing=only("sentinel"))
def failed_over(stack: Stack, dice: random.Random) -> Phases:
    """The master dies or freezes for long enough that the replica takes over, and comes back."""
    master = stack.redis_master()
    with _down(stack, [master]) if dice.random() < 0.5 else _frozen([master]):
        yield 8.0
    yield None
    return None


@fault("redis", lasts_s=(2, 10), touches=("sentinels",), missing=only("sentinel"))
def sentinels_killed(stack: Stack, _: random.Random) -> Phases:
    """All three die, so no one says which Redis is the master. They start again as they were."""
    try:
        for sentinel in stack.sentinels:
            sentinel.kill()
        yield None
    finally:
        for sentinel in stack.sentinels:
            if not sentinel.is_running:
                sentinel.start()
    return None
