"""Locks on slots, in Redis: they spare rivals a wasted write, and decide nothing."""

import logging
from collections.abc import Callable, Iterable
from typing import Any

from redis.exceptions import RedisError

from bookings.infrastructure import connections, metrics
from bookings.refusals import ResourceLocked
from locks import Lock, LockBusy

logger = logging.getLogger(__name__)

# Longer than a request may last, so that the lock outlives its holder's work; short enough that
# the rivals of a dead holder need not wait long.
LOCK_TTL_MS = 12_000


def names_of(hotel: str, slots: Iterable[str]) -> list[str]:
    """The names of slots across hotels, as locks have them."""
    return [f"{hotel}|{slot}" for slot in slots]


def room_of(busy: LockBusy) -> str:
    """The id of the room whose slot is locked."""
    return busy.name.rpartition("|")[2]


def lock_slots(hotel: str, slots: Iterable[str]) -> Lock | None:
    """Locks all the slots; returns None if Redis does not answer.

    Raises LockBusy, and locks none, if another request holds one of them.
    """
    try:
        lock = connections.locks().acquire(names_of(hotel, slots), ttl_ms=LOCK_TTL_MS)
    except LockBusy:
        metrics.locks.labels("busy").inc()
        raise
    except RedisError:
        metrics.locks.labels("unknown").inc()
        return None
    metrics.locks.labels("acquired").inc()
    return lock


def check_held(lock: Lock | None) -> None:
    """Raises ResourceLocked if the lock's time was up before the write."""
    if lock and not lock.is_held:
        metrics.locks.labels("lost").inc()
        raise ResourceLocked


def release(lock: Lock | None) -> None:
    """Releases the lock at once, if no batch has released it."""
    if lock is None or lock.released:
        return
    try:
        connections.locks().release(lock)
    except RedisError:
        logger.warning("lock_release_failed")


def release_in_batch(lock: Lock | None) -> Callable[[Any], None] | None:
    """What adds the lock's release to a batch; None if there is nothing to release."""
    if lock is None:
        return None
    return lambda pipeline: connections.locks().queue_release(pipeline, lock)
