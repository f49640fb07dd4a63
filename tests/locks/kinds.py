"""The two kinds of locks, made for the cases of `locks.conformance`."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from redis import Redis

from local.servers import Server
from locks import Lock, RedisLocks, Redlock, connect
from locks.conformance import Around

# Above the clock of every server, in microseconds.
FAR_AHEAD = 4_000_000_000_000_000


class LocksAround(RedisLocks):
    """Locks of a real server that are acquired through a function."""

    def __init__(self, server: Server, around: Around) -> None:
        super().__init__(connect(server.uri))
        self._around = around

    def acquire(self, *args: Any, **options: Any) -> Lock:
        acquire = super().acquire
        return self._around(lambda: acquire(*args, **options))


def break_on_each(servers: list[Server], name: str) -> None:
    for server in servers:
        RedisLocks(connect(server.uri)).break_lock(name)


def one_redis(servers: list[Server]) -> dict[str, Any]:
    """What the cases take, for locks on the first of these servers."""
    return {
        "servers": servers,
        "make_locks": lambda: RedisLocks(connect(servers[0].uri)),
        "make_pipeline": lambda: connect(servers[0].uri).pipeline(transaction=False),
        "lose_name": lambda name: break_on_each(servers, name),
    }


def quorum(servers: list[Server]) -> dict[str, Any]:
    """What the cases take, for locks on a majority of these servers."""

    def make_locks_around(around: Sequence[Around]) -> Redlock:
        return Redlock(list(map(LocksAround, servers, around)))

    def put_ahead(server: Server) -> None:
        with Redis(port=server.port) as client:
            client.hset("fence:lock:", "last", FAR_AHEAD)

    def forget(server: Server) -> None:
        with Redis(port=server.port) as client:
            client.flushall()

    return {
        "servers": servers,
        "make_locks": lambda: Redlock([RedisLocks(connect(server.uri)) for server in servers]),
        "make_pipeline": lambda: connect(servers[0].uri).pipeline(transaction=False),
        "lose_name": lambda name: break_on_each(servers, name),
        "make_locks_around": make_locks_around,
        "put_ahead": put_ahead,
        "forget": forget,
    }


KINDS: dict[str, tuple[int, Callable[[list[Server]], dict[str, Any]]]] = {
    "one": (1, one_redis),
    "quorum": (5, quorum),
}
