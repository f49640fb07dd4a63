"""The interface of locks, on one Redis or on a quorum of several."""

from collections.abc import Sequence
from contextlib import AbstractContextManager
from typing import Protocol

from locks.connection import GuardedPipeline
from locks.redis_lock import Lock


class Locks(Protocol):
    """Locks on several names at once, all or none. Every method may raise RedisError.

    `locks.conformance` tests an implementation.
    """

    def acquire(
        self, names: Sequence[str], *, ttl_ms: int, wait_ms: int = 0, fenced: bool = False
    ) -> Lock:
        """Acquires all the names or none, for `ttl_ms`.

        Raises LockBusy if another owner holds one of them: at once, or after trying again for
        `wait_ms`. With `fenced`, the lock's `fence` is a fencing token. Raises ValueError for no
        names, for one text in place of a list, and for impossible times: whole milliseconds above
        0, and up to 30 days for `ttl_ms`.
        """

    def extend(self, lock: Lock, *, ttl_ms: int) -> None:
        """Makes the lock last `ttl_ms` from now; its fencing token stays.

        Raises LockLost if a name was lost; then the others are released. Raises ValueError for an
        impossible time to live.
        """

    def release(self, lock: Lock) -> bool:
        """Releases the names that the lock still holds; returns False if some were lost."""

    def queue_release(self, pipeline: GuardedPipeline, lock: Lock) -> None:
        """Releases the lock with a batch that the caller sends to the Redis of the locks, or at
        once if they live on several servers."""

    def hold(
        self, names: Sequence[str], *, ttl_ms: int, wait_ms: int = 0, fenced: bool = False
    ) -> AbstractContextManager[Lock]:
        """Holds the lock inside a `with`; raises what `acquire` raises. Leaving it never raises."""
