"""Locks on one Redis: several names at once, all or none, in one round trip.

A lock makes rivals polite; it never makes them safe. It can run out while its holder
sleeps, so whatever must not happen twice is guarded where it is written.

One that may have been taken although no answer came is in everybody's way for nothing. Its
release follows it on the same connection (docs/decisions/0031-late-locks.md), and what may be
left all the same is freed with the next lock that this process takes.
"""

import logging
import os
import re
import secrets
import socket
import time
from collections import deque
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from typing import Any

from redis.exceptions import RedisError

from locks.connection import GuardedPipeline, GuardedRedis, RedisUnavailable
from locks.errors import LockBusy, LockLost
from locks.scripts import script

logger = logging.getLogger(__name__)

# More than the threads of a process can leave in one outage.
MAX_LEFT = 64

# What PTTL says of a key that is not there.
GONE = -2

_OWNER = re.compile(r"(?P<label>.+:\d+):(?P<since_ms>\d+):[0-9a-f]{16}", re.ASCII)


@dataclass
class Lock:
    """Names held by one owner until `ends_at_s` on this process's monotonic clock."""

    names: tuple[str, ...]
    owner: str
    ends_at_s: float
    released: bool = field(default=False)

    @property
    def is_held(self) -> bool:
        """Whether the lock is still ours as far as this process can know without asking.

        The end is counted from before the request was sent, so this turns false no later
        than the server lets the names go.
        """
        return not self.released and time.monotonic() < self.ends_at_s


@dataclass(frozen=True)
class Held:
    """One name somebody holds, as an operator sees it.

    `held_for_ms` is None if the owner's token is not one of ours; it is measured by this
    machine's clock against the holder's.
    """

    name: str
    owner: str
    held_for_ms: int | None
    expires_in_ms: int


class RedisLocks:
    """Locks kept in one Redis, named `<prefix><name>`. Every method may raise RedisError."""

    def __init__(self, client: GuardedRedis, *, prefix: str = "lock:") -> None:
        self._client = client
        self._prefix = prefix
        # What may be left of locks that have no owner any more; see `_free_left`.
        self._left: deque[Lock] = deque(maxlen=MAX_LEFT)

    def acquire(self, names: Sequence[str], *, ttl_ms: int, owner: str | None = None) -> Lock:
        """Takes all the names or none. Raises LockBusy at once; it never waits.

        `owner` is for a quorum, where one owner asks several servers.
        """
        ordered = tuple(sorted(set(names)))
        if not ordered:
            raise ValueError("Name at least one thing to lock.")
        check_ttl_ms(ttl_ms)
        self._free_left()
        asked_at_s = time.monotonic()
        lock = Lock(ordered, owner or new_owner(), asked_at_s + ttl_ms / 1000)
        try:
            busy = self._client.execute_or_undo(
                ("EVAL", script("acquire"), len(ordered), *self._keys(ordered), lock.owner, ttl_ms),
                undo=("EVAL", *self._releasing(lock)),
            )
        except RedisUnavailable:
            raise  # it was not asked
        except RedisError:
            self._left.append(lock)
            raise
        if busy:
            raise LockBusy(ordered[int(busy) - 1])
        return lock

    def extend(self, lock: Lock, *, ttl_ms: int) -> None:
        """Makes the lock last `ttl_ms` from now. Raises LockLost if any name is gone."""
        check_ttl_ms(ttl_ms)
        asked_at_s = time.monotonic()
        extended = self._client.eval(
            script("extend"), len(lock.names), *self._keys(lock.names), lock.owner, ttl_ms
        )
        if not extended:
            lock.released = True
            raise LockLost(", ".join(lock.names))
        lock.ends_at_s = asked_at_s + ttl_ms / 1000

    def release(self, lock: Lock) -> bool:
        """Frees what the lock still holds; False if any name had gone to somebody else."""
        lock.released = True
        try:
            freed = self._client.eval(*self._releasing(lock))
        except RedisError:
            self._left.append(lock)
            raise
        return int(freed) == len(lock.names)

    def queue_release(self, pipeline: GuardedPipeline, lock: Lock) -> None:
        """Adds the release to a batch that the caller sends."""
        pipeline.eval(*self._releasing(lock))
        pipeline.if_failed(lambda: self._left.append(lock))
        lock.released = True

    @contextmanager
    def hold(self, names: Sequence[str], *, ttl_ms: int) -> Iterator[Lock]:
        """Holds the names inside a `with`. Leaving never raises: cleaning up is not the answer."""
        lock = self.acquire(names, ttl_ms=ttl_ms)
        try:
            yield lock
        finally:
            if not lock.released:
                try:
                    self.release(lock)
                except RedisError:
                    logger.warning("lock_release_failed")

    def held(self) -> list[Held]:
        """Every lock on this server, by name."""
        keys = sorted(self._client.scan_iter(match=f"{self._prefix}*", count=500))
        with self._client.pipeline(transaction=False) as pipeline:
            for key in keys:
                pipeline.get(key)
                pipeline.pttl(key)
            # A key of another type is none of ours, and must not hide the others.
            answers = pipeline.execute(raise_on_error=False)
        return [
            self._describe(key.decode(), owner, expires_in_ms)
            for key, owner, expires_in_ms in zip(keys, answers[::2], answers[1::2], strict=True)
            if isinstance(owner, bytes) and expires_in_ms != GONE
        ]

    def break_lock(self, name: str) -> Held | None:
        """Frees a name whoever holds it, for an operator; says whose it was, None if nobody's."""
        key = self._prefix + name
        with self._client.pipeline() as pipeline:
            pipeline.pttl(key)
            pipeline.getdel(key)
            expires_in_ms, owner = pipeline.execute()
        return None if owner is None else self._describe(key, owner, expires_in_ms)

    def _describe(self, key: str, owner: bytes, expires_in_ms: int) -> Held:
        label, since_ms = describe_owner(owner.decode(errors="replace"))
        held_for_ms = None if since_ms is None else max(0, int(time.time() * 1000) - since_ms)
        return Held(key.removeprefix(self._prefix), label, held_for_ms, expires_in_ms)

    def _free_left(self) -> None:
        """Frees what may be left of earlier locks, in one round trip; what has run out is gone."""
        left: list[Lock] = []
        with suppress(IndexError):
            while True:
                left.append(self._left.popleft())
        left = [lock for lock in left if time.monotonic() < lock.ends_at_s]
        if not left:
            return
        pipeline = self._client.pipeline(transaction=False)
        for lock in left:
            self.queue_release(pipeline, lock)
        pipeline.execute()

    def _releasing(self, lock: Lock) -> tuple[Any, ...]:
        return script("release"), len(lock.names), *self._keys(lock.names), lock.owner

    def _keys(self, names: Sequence[str]) -> list[str]:
        return [f"{self._prefix}{name}" for name in names]


def new_owner() -> str:
    """A token nobody else has. Host, process and time are in it for `manage.py locks`."""
    return f"{socket.gethostname()}:{os.getpid()}:{int(time.time() * 1000)}:{secrets.token_hex(8)}"


def describe_owner(owner: str) -> tuple[str, int | None]:
    """Who made the token (`host:pid`) and when, in epoch ms; any other token is shown as it is."""
    if ours := _OWNER.fullmatch(owner):
        return ours["label"], int(ours["since_ms"])
    return owner, None


def check_ttl_ms(ttl_ms: int) -> None:
    """Refuses a time to live that Redis would read as *at once* or *never*."""
    if ttl_ms <= 0:
        raise ValueError(f"A lock needs a time to live above 0 ms, not {ttl_ms}.")
