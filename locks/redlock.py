"""Locks on a majority of several independent Redis servers, so that a minority may fail.

The algorithm is Redlock, as the Redis documentation describes it under "Distributed Locks
with Redis": ask every server for the same names under one owner; the lock counts if a
majority granted it and time is left; otherwise it is given back everywhere.

Like any lock with a time to live it makes rivals polite, not safe: a server that restarts
empty, a clock that jumps or a holder that sleeps can let two in. Whatever must not happen
twice is guarded where it is written.
"""

import dataclasses
import logging
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from redis.exceptions import RedisError

from locks.connection import GuardedPipeline, RedisUnavailable
from locks.errors import LockBusy, LockLost
from locks.redis_lock import Lock, RedisLocks, check_ttl_ms, new_owner

logger = logging.getLogger(__name__)

# The servers' clocks may run faster than ours: the reference implementation linked from the
# algorithm's description allows for a hundredth of the time to live, and for 2 ms more,
# since a server ends keys only to the millisecond.
DRIFT_FACTOR = 0.01
DRIFT_MS = 2


class Redlock:
    """Locks kept by a quorum. Every method may raise RedisError where it cannot say.

    The servers are asked in turn, always in the same order: rivals then meet at the first
    one instead of each winning a minority. A dead server costs one time-out, and nothing
    while its breaker is open.
    """

    def __init__(self, servers: Sequence[RedisLocks]) -> None:
        if len(servers) < 3 or len(servers) % 2 == 0:
            raise ValueError(f"A quorum needs an odd number of 3 or more servers: {len(servers)}.")
        self._servers = tuple(servers)
        self._majority = len(servers) // 2 + 1

    def acquire(self, names: Sequence[str], *, ttl_ms: int) -> Lock:
        """Takes all the names on a majority of servers, or none; it never waits for a rival.

        Raises LockBusy if somebody is in the way, RedisUnavailable if too few servers answer
        to say so.
        """
        owner = new_owner()
        asked_at_s = time.monotonic()
        wanted = Lock(tuple(sorted(set(names))), owner, asked_at_s + _valid_s(ttl_ms))
        busy: LockBusy | None = None
        granted = unknown = 0
        for server in self._servers:
            try:
                server.acquire(wanted.names, ttl_ms=ttl_ms, owner=owner)
                granted += 1
            except LockBusy as error:
                busy = error
            except RedisError:
                unknown += 1
        if granted >= self._majority and wanted.is_held:
            return wanted
        # Also where no answer came: the names may have been taken all the same.
        self.release(wanted)
        if busy is not None and unknown < self._majority:
            raise busy
        raise RedisUnavailable(
            f"{len(self._servers) - unknown} of {len(self._servers)} lock servers answered in "
            f"time; {self._majority} are needed."
        )

    def extend(self, lock: Lock, *, ttl_ms: int) -> None:
        """Makes the lock last `ttl_ms` from now, on a majority of servers.

        Raises LockLost if a majority can no longer be ours, and RedisUnavailable if too few
        servers answer to say; then the lock ends when it would have.
        """
        check_ttl_ms(ttl_ms)
        asked_at_s = time.monotonic()
        extended, unknown = self._ask_each(
            lambda server: server.extend(dataclasses.replace(lock), ttl_ms=ttl_ms)
        )
        ends_at_s = asked_at_s + _valid_s(ttl_ms)
        if extended >= self._majority and time.monotonic() < ends_at_s:
            lock.ends_at_s = ends_at_s
        elif extended + unknown >= self._majority:
            raise RedisUnavailable(f"{unknown} of {len(self._servers)} lock servers fell silent.")
        else:
            self.release(lock)
            raise LockLost(", ".join(lock.names))

    def release(self, lock: Lock) -> bool:
        """Frees what the lock still holds, wherever a server answers; False if that was no
        majority. Raises nothing."""
        lock.released = True
        freed = 0
        for server in self._servers:
            try:
                freed += server.release(dataclasses.replace(lock))
            except RedisError:
                logger.info("lock_release_failed")
        return freed >= self._majority

    def queue_release(self, pipeline: GuardedPipeline, lock: Lock) -> None:
        """Releases at once: the batch goes to one server, and the lock lives on others."""
        self.release(lock)

    @contextmanager
    def hold(self, names: Sequence[str], *, ttl_ms: int) -> Iterator[Lock]:
        """Holds the names inside a `with`. Leaving never raises: cleaning up is not the answer."""
        lock = self.acquire(names, ttl_ms=ttl_ms)
        try:
            yield lock
        finally:
            if not lock.released:
                self.release(lock)

    def _ask_each(self, ask: Callable[[RedisLocks], Any]) -> tuple[int, int]:
        """How many servers did as asked, and how many did not say."""
        done = unknown = 0
        for server in self._servers:
            try:
                ask(server)
                done += 1
            except LockLost:
                pass
            except RedisError:
                unknown += 1
        return done, unknown


def _valid_s(ttl_ms: int) -> float:
    """How long, from before the first server was asked, a majority surely keeps the lock."""
    return (ttl_ms * (1 - DRIFT_FACTOR) - DRIFT_MS) / 1000
