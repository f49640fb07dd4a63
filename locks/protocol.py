"""What slot locks can do, wherever they live: on one Redis or on a quorum of several."""

from collections.abc import Sequence
from contextlib import AbstractContextManager
from typing import Protocol

from locks.connection import GuardedPipeline
from locks.redis_lock import Lock


class Locks(Protocol):
    """Several names at once, all or none. Every method may raise RedisError."""

    def acquire(self, names: Sequence[str], *, ttl_ms: int) -> Lock:
        """Takes all the names or none. Raises LockBusy at once; it never waits."""

    def extend(self, lock: Lock, *, ttl_ms: int) -> None:
        """Makes the lock last `ttl_ms` from now. Raises LockLost if any name is gone."""

    def release(self, lock: Lock) -> bool:
        """Frees what the lock still holds; False if some of it had been lost."""

    def queue_release(self, pipeline: GuardedPipeline, lock: Lock) -> None:
        """Frees the lock with a batch that the caller sends to the Redis of its answers, or at
        once, where the lock lives elsewhere."""

    def hold(self, names: Sequence[str], *, ttl_ms: int) -> AbstractContextManager[Lock]:
        """Holds the names inside a `with`. Leaving never raises."""
