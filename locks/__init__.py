"""Short-lived exclusive locks in Redis: several names at once, all or none.

    locks = RedisLocks(connect("redis://127.0.0.1:6379/0"))

    with locks.hold(["room:7", "room:8"], ttl_ms=15_000, wait_ms=500, fenced=True) as lock:
        ...  # let the store refuse a token below the highest it has seen: lock.fence

A lock saves rivals work. It does not make writes safe: docs/locks.md begins with what it does not
promise. `Redlock` keeps locks on a majority of servers, `locks.conformance` tests a `Locks` of your
own, and `locks.django` has the command that lists locks and breaks them.
"""

from locks.connection import (
    OPERATION_TIMEOUT_S,
    GuardedPipeline,
    GuardedRedis,
    RedisUnavailable,
    check_url,
    connect,
    watch_breakers,
)
from locks.errors import LockBusy, LockError, LockLost
from locks.protocol import Locks
from locks.redis_lock import Held, Lock, RedisLocks
from locks.redlock import Redlock

__all__ = [
    # Locks: their interface, on one Redis, on a majority of several
    "Locks", "RedisLocks", "Redlock",
    # One lock as its owner has it, and as operators see it
    "Lock", "Held",
    # Errors
    "LockError", "LockBusy", "LockLost", "RedisUnavailable",
    # Connections that fail fast, to a Redis or through Sentinel
    "connect", "check_url", "watch_breakers", "OPERATION_TIMEOUT_S",
    "GuardedRedis", "GuardedPipeline",
]  # fmt: skip
