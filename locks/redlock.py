"""Locks on a majority of several independent Redis servers, so that a minority may fail.

The algorithm is Redlock, which the Redis documentation describes under "Distributed Locks with
Redis". Ask every server for the same names under one owner. The lock is held if a majority granted
it and time is left; otherwise release it everywhere.

Like any lock with a time to live it does not make writes safe: a server that restarts empty, a
clock that jumps or an owner that sleeps can let two owners in. So the database guards whatever must
not happen twice.
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

# The servers' clocks may run faster than ours. The reference implementation, linked from the
# description of the algorithm, allows one hundredth of the time to live, and 2 ms more because
# servers expire keys to the millisecond.
DRIFT_FACTOR = 0.01
DRIFT_MS = 2


class Redlock:
    """Locks on a quorum of servers. Methods raise RedisError if too few servers answer.

    It asks the servers one after the other, always in the same order. So rivals meet at the first
    server, and do not each win a minority. A dead server costs one time-out, and nothing while its
    breaker is open.
    """

    def __init__(self, servers: Sequence[RedisLocks]) -> None:
        if len(servers) < 3 or len(servers) % 2 == 0:
            raise ValueError(
                f"A quorum needs an odd number of servers, 3 or more, not {len(servers)}."
            )
        self._servers = tuple(servers)
        self._majority = len(servers) // 2 + 1

    def acquire(self, names: Sequence[str], *, ttl_ms: int) -> Lock:
        """Acquires all the names on a majority of servers, or none. It never waits for a rival.

        Raises LockBusy if another owner holds a name, RedisUnavailable if too few servers answer.
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
        # On all servers: one that did not answer may have granted the lock all the same.
        self.release(wanted)
        if busy is not None and unknown < self._majority:
            raise busy
        raise RedisUnavailable(
            f"{len(self._servers) - unknown} of {len(self._servers)} lock servers answered in "
            f"time; {self._majority} are needed."
        )

    def extend(self, lock: Lock, *, ttl_ms: int) -> None:
        """Makes the lock last `ttl_ms` from now, on a majority of servers.

        Raises LockLost if a majority cannot hold it any longer. Raises RedisUnavailable if too few
        servers answer; then the lock keeps its earlier end.
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
        """Releases the lock on every server that answers; returns False if that is no majority.

        Raises nothing.
        """
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
        """Holds the lock inside a `with`. Leaving it never raises: a failed release must not change
        the answer."""
        lock = self.acquire(names, ttl_ms=ttl_ms)
        try:
            yield lock
        finally:
            if not lock.released:
                self.release(lock)

    def _ask_each(self, ask: Callable[[RedisLocks], Any]) -> tuple[int, int]:
        """How many servers did it, and how many did not answer."""
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
    """How long a majority surely keeps the lock, from just before the first server is asked."""
    return (ttl_ms * (1 - DRIFT_FACTOR) - DRIFT_MS) / 1000
