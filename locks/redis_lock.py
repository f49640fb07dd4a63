"""Locks on one Redis: several names at once, all or none, in one round trip.

A lock saves rivals work; it does not make writes safe, since it can expire while its owner sleeps.
So the database guards whatever must not happen twice: by an index, or by comparing fencing tokens.

If Redis does not answer, it may still take the lock later and block rivals for nothing. So the
release follows the request on the same connection (docs/decisions/0031-late-locks.md). What may
still be left is released with the next lock that this process acquires.
"""

import logging
import math
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

from locks.clock import now_s
from locks.connection import GuardedPipeline, GuardedRedis, RedisUnavailable
from locks.errors import LockBusy, LockLost
from locks.scripts import script
from locks.waiting import acquire_within

logger = logging.getLogger(__name__)

# More locks than the threads of a process can leave behind in one outage.
MAX_LEFT = 64

# A process that dies leaves its locks until their end. What lasts longer than this is a point in
# time by mistake, or should be a document.
MAX_TTL_MS = 30 * 24 * 60 * 60 * 1000

# The result of PTTL for a missing key.
GONE = -2

_OWNER = re.compile(r"(?P<label>.+:\d+):(?P<since_ms>\d+):[0-9a-f]{16}", re.ASCII)


@dataclass
class Lock:
    """Names held by one owner until `ends_at_s` on `locks.clock`.

    `fence` is the fencing token, if one was asked for. Of two locks that share a name, the later
    has the higher token, so a store can refuse writes with a token lower than one it has seen.
    `granted_by` are the positions of a quorum's servers that granted the lock; another server that
    took it unseen is about to release it. `may_shrink_to_ms` is the shortest time to live of the
    extensions that were sent and not answered, since they may still arrive.
    """

    names: tuple[str, ...]
    owner: str
    ends_at_s: float
    released: bool = field(default=False)
    fence: int | None = None
    granted_by: tuple[int, ...] | None = None
    may_shrink_to_ms: float = math.inf

    @property
    def is_held(self) -> bool:
        """Whether the owner still holds the lock, as far as this process knows without asking.

        The time to live is counted from before the request was sent. So this turns False no later
        than the names expire on the server.
        """
        return not self.released and now_s() < self.ends_at_s


@dataclass(frozen=True)
class Held:
    """One held name, for operators.

    `held_for_ms` is the difference between this machine's clock and the owner's. It is None if the
    owner's token does not come from this library.
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
        # Outside the prefix, and a hash: it never looks like a lock.
        self._counter = f"fence:{prefix}"
        # Locks without an owner that may be left on the server; see `_free_left`.
        self._left: deque[Lock] = deque(maxlen=MAX_LEFT)

    def acquire(
        self,
        names: Sequence[str],
        *,
        ttl_ms: int,
        wait_ms: int = 0,
        fenced: bool = False,
        owner: str | None = None,
    ) -> Lock:
        """Acquires all the names or none, for `ttl_ms`.

        Raises LockBusy if another owner holds one of them: at once, or after trying again for
        `wait_ms`. With `fenced`, the lock has a fencing token. Raises ValueError for no names, for
        one text in place of a list, and for impossible times.

        A quorum passes `owner`, because it uses one token on several servers.
        """
        ordered = in_order(names)
        check_ttl_ms(ttl_ms)
        return acquire_within(
            wait_ms, lambda: self._acquire_once(ordered, ttl_ms, fenced, owner or new_owner())
        )

    def _acquire_once(self, names: tuple[str, ...], ttl_ms: int, fenced: bool, owner: str) -> Lock:
        self._free_left()
        asked_at_s = now_s()
        lock = Lock(names, owner, asked_at_s + ttl_ms / 1000)
        keys = self._keys(names)
        command: tuple[str | int, ...]
        if fenced:
            command = ("EVAL", script("acquire_fenced"), 1 + len(keys), self._counter, *keys)
        else:
            command = ("EVAL", script("acquire"), len(keys), *keys)
        try:
            answer = self._client.execute_or_undo(
                (*command, owner, ttl_ms), undo=("EVAL", *self._releasing(lock))
            )
        except RedisUnavailable:
            raise  # nothing was sent
        except RedisError:
            self._left.append(lock)
            raise
        busy, *token = answer if fenced else [answer]
        if busy:
            raise LockBusy(names[int(busy) - 1])
        if token:
            lock.fence = int(token[0])
        return lock

    def raise_fence(self, lock: Lock, fence: int) -> bool:
        """Makes later tokens of this server exceed `fence`; returns False if the lock was lost.

        A quorum calls it with the highest token that its servers drew.
        """
        keys = self._keys(lock.names)
        held = self._client.eval(
            script("raise_fence"), 1 + len(keys), self._counter, *keys, lock.owner, fence
        )
        return bool(held)

    def extend(self, lock: Lock, *, ttl_ms: int) -> None:
        """Makes the lock last `ttl_ms` from now; its fencing token stays.

        Raises LockLost if a name was lost; then the others are released. Raises LockLost, too, for
        a lock that was released. If no answer comes, the lock counts until its earlier end, or the
        new one if that is sooner; and later extensions count no longer than this one, which may
        arrive after them. Raises ValueError for an impossible time to live.
        """
        check_ttl_ms(ttl_ms)
        check_not_released(lock)
        ends_at_s = now_s() + min(ttl_ms, lock.may_shrink_to_ms) / 1000
        # From now on the server may let it end then, whether we get to know it or not.
        lock.ends_at_s = min(lock.ends_at_s, ends_at_s)
        try:
            extended = self._client.eval(
                script("extend"), len(lock.names), *self._keys(lock.names), lock.owner, ttl_ms
            )
        except RedisUnavailable:
            raise  # nothing was sent
        except RedisError:
            lock.may_shrink_to_ms = min(lock.may_shrink_to_ms, ttl_ms)
            raise
        if not extended:
            with suppress(RedisError):  # then the next lock releases it
                self.release(lock)
            raise LockLost(", ".join(lock.names))
        lock.ends_at_s = ends_at_s

    def release(self, lock: Lock) -> bool:
        """Releases the names that the lock still holds; returns False if some were lost."""
        lock.released = True
        try:
            freed = self._client.eval(*self._releasing(lock))
        except RedisError:
            self._left.append(lock)
            raise
        return int(freed) == len(lock.names)

    def release_later(self, lock: Lock) -> None:
        """Releases the lock with the next one that is acquired; asks nothing now.

        A quorum calls it for a server that it found no time to ask.
        """
        lock.released = True
        self._left.append(lock)

    def queue_release(self, pipeline: GuardedPipeline, lock: Lock) -> None:
        """Adds the release to a batch, which the caller sends."""
        pipeline.eval(*self._releasing(lock))
        pipeline.if_failed(lambda: self._left.append(lock))
        lock.released = True

    @contextmanager
    def hold(
        self, names: Sequence[str], *, ttl_ms: int, wait_ms: int = 0, fenced: bool = False
    ) -> Iterator[Lock]:
        """Holds the lock inside a `with`; raises what `acquire` raises.

        Leaving it never raises: a failed release must not change the answer.
        """
        lock = self.acquire(names, ttl_ms=ttl_ms, wait_ms=wait_ms, fenced=fenced)
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
            # A key of another type is no lock, and must not hide the others.
            answers = pipeline.execute(raise_on_error=False)
        return [
            self._describe(key.decode(), owner, expires_in_ms)
            for key, owner, expires_in_ms in zip(keys, answers[::2], answers[1::2], strict=True)
            if isinstance(owner, bytes) and expires_in_ms != GONE
        ]

    def break_lock(self, name: str) -> Held | None:
        """Releases a name for operators, even if another owner holds it.

        Returns what was held, None if nothing.
        """
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
        """Releases locks that may be left on the server, in one round trip.

        Their own end does not tell when they are gone: they may have been extended without an
        answer, or taken late.
        """
        left: list[Lock] = []
        with suppress(IndexError):
            while True:
                left.append(self._left.popleft())
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
    """A unique token. It contains host, process and time for `manage.py locks`."""
    return f"{socket.gethostname()}:{os.getpid()}:{int(time.time() * 1000)}:{secrets.token_hex(8)}"


def describe_owner(owner: str) -> tuple[str, int | None]:
    """The maker of a token (`host:pid`) and its time in epoch ms.

    A token in another form is returned as it is, with None for the time.
    """
    if ours := _OWNER.fullmatch(owner):
        return ours["label"], int(ours["since_ms"])
    return owner, None


def in_order(names: Sequence[str]) -> tuple[str, ...]:
    """The names, each once and sorted. Raises ValueError if there is none, or one that is no text
    or empty; and for a single text, which would be locked letter by letter."""
    if isinstance(names, str):
        raise ValueError(f"Give a list of names to lock, such as [{names!r}], not one text.")
    each = tuple(names)
    if not each:
        raise ValueError("Name at least one thing to lock.")
    for name in each:
        if not isinstance(name, str) or not name:
            raise ValueError(f"The name of a lock is a text that is not empty, not {name!r}.")
    return tuple(sorted(set(each)))


def check_ttl_ms(ttl_ms: int) -> None:
    """Raises ValueError for a time to live that is no whole number above 0, since Redis would
    refuse it, or expire the names at once; and for one above MAX_TTL_MS."""
    if isinstance(ttl_ms, bool) or not isinstance(ttl_ms, int) or not 0 < ttl_ms <= MAX_TTL_MS:
        raise ValueError(
            f"A lock needs a time to live in whole ms, above 0 ms and up to {MAX_TTL_MS} ms "
            f"(30 days), not {ttl_ms!r}."
        )


def check_not_released(lock: Lock) -> None:
    """Raises LockLost for a lock that its owner released. A server without an answer may still have
    it, and is about to release it."""
    if lock.released:
        raise LockLost(", ".join(lock.names))
