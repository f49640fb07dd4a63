"""The interface of locks, on one Redis or on a quorum of several."""

from collections.abc import Sequence
from contextlib import AbstractContextManager
from typing import Protocol

from locks.connection import GuardedPipeline
from locks.redis_lock import Lock


class Locks(Protocol):
    """Locks on several names at once, all or none. Every method may raise RedisError."""

    def acquire(self, names: Sequence[str], *, ttl_ms: int) -> Lock:
        """Acquires all the names or none. It never waits; raises LockBusy at once."""

    def extend(self, lock: Lock, *, ttl_ms: int) -> None:
        """Makes the lock last `ttl_ms` from now. Raises LockLost if a name was lost."""

    def release(self, lock: Lock) -> bool:
        """Releases the names that the lock still holds; returns False if some were lost."""

    def queue_release(self, pipeline: GuardedPipeline, lock: Lock) -> None:
        """Releases the lock with a batch that the caller sends to the Redis of the claims, or at
        once if the lock lives on other servers."""

    def hold(self, names: Sequence[str], *, ttl_ms: int) -> AbstractContextManager[Lock]:
        """Holds the lock inside a `with`. Leaving it never raises."""
