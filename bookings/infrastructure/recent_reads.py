"""Keeps what this process has just read from MongoDB, so that not every request reads it again.

An entry lives for two seconds at most. A process that changes something calls `announce_change`,
which drops the process's own entries and gives `generation` in Redis a new value. Each request of
the API reads that value in the same round trip as its limits and its claim (`opening.py`). A page
that uses entries reads it first (`hear_of_changes`). If the process does not know the value, it
drops all its entries before it answers. So a change counts everywhere at once while Redis answers,
and within two seconds while it does not.

The value can only shorten the life of an entry. It is random. A counter would not do: a Redis that
lost its data would give the same numbers again.
"""

import logging
import secrets
import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Hashable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from django.db.models import Model
from django.db.models.signals import post_delete, post_save
from django.dispatch import receiver
from redis.exceptions import RedisError

from bookings.infrastructure import connections, metrics
from bookings.infrastructure.opening import Opening
from bookings.models import (
    ApiClient,
    ApiToken,
    Brand,
    CategoryContent,
    Hotel,
    HotelContent,
    Night,
    Photo,
    Room,
    RoomCategory,
    changed_at_once,
)

logger = logging.getLogger(__name__)

Key = TypeVar("Key", bound=Hashable)
Value = TypeVar("Value")

MAX_AGE_S = 2.0

# How long a thread waits for another one's read, many times what a read takes.
MAX_WAIT_S = 0.1

GENERATION = "generation"

# The models whose rows processes keep.
KEPT = (
    *(ApiClient, ApiToken, Hotel, RoomCategory, Room, Night),
    *(HotelContent, CategoryContent, Photo, Brand),
)


@dataclass(frozen=True)
class _Entry(Generic[Value]):
    value: Value
    read_at_s: float

    @property
    def is_recent(self) -> bool:
        # By the monotonic clock, since no one can set it.
        return time.monotonic() - self.read_at_s < MAX_AGE_S


class RecentReads(Generic[Key, Value]):
    """The recent results of `read`, a function that reads from MongoDB, by its argument.

    `read` returns None for what does not exist; that is not kept, so strangers cannot fill the
    memory. The entry used longest ago makes room. `also_for` names further arguments for which
    the function would return the same value, so that one read serves them all.
    """

    def __init__(
        self,
        name: metrics.RecentName,
        read: Callable[[Key], Value | None],
        *,
        most: int,
        also_for: Callable[[Value], Iterable[Key]] | None = None,
    ) -> None:
        self._name = name
        self._read = read
        self._most = most
        self._also_for = also_for
        self._entries: OrderedDict[Key, _Entry[Value]] = OrderedDict()
        self._mutex = threading.Lock()
        # One thread reads; the others wait, and find what it read.
        self._reading = threading.Lock()
        _all.append(self)

    def peek(self, key: Key) -> Value | None:
        """The value if it is kept and recent, else None. Never reads from MongoDB."""
        with self._mutex:
            entry = self._entries.get(key)
            if entry is None or not entry.is_recent:
                return None
            self._entries.move_to_end(key)
        metrics.recent_reads.labels(self._name, "hit").inc()
        return entry.value

    def get(self, key: Key) -> Value | None:
        """The value as it was at most MAX_AGE_S ago; None if it did not exist."""
        if (value := self.peek(key)) is not None:
            return value
        # A thread that waited in vain reads by itself, so a slow MongoDB makes no queue.
        is_alone = self._reading.acquire(timeout=MAX_WAIT_S)
        try:
            if (value := self.peek(key)) is not None:
                return value
            return self.read_now(key)
        finally:
            if is_alone:
                self._reading.release()

    def read_now(self, key: Key) -> Value | None:
        """Reads the value from MongoDB, and keeps it for later requests."""
        began_at_s, change = time.monotonic(), _last_change
        value = self._read(key)
        metrics.recent_reads.labels(self._name, "miss").inc()
        with self._mutex:
            # If something changed while we read, the value may be from before the change.
            if value is not None and change is _last_change:
                entry = _Entry(value, began_at_s)
                for each in (key, *(self._also_for(value) if self._also_for else ())):
                    self._entries[each] = entry
                while len(self._entries) > self._most:
                    self._entries.popitem(last=False)
        return value

    def drop(self) -> None:
        """Drops every entry."""
        with self._mutex:
            self._entries.clear()


_all: list[RecentReads] = []

# A new object for each change that this process hears of.
_last_change = object()
_known_generation: bytes | None = None


def announce_change() -> None:
    """Makes every process read again. Call it once the change is durable.

    If a process dies before this call, the others use their old entries for up to MAX_AGE_S.
    """
    _drop_all()
    try:
        connections.redis().set(GENERATION, secrets.token_hex(8))
    except RedisError:
        logger.warning("change_not_announced")


@receiver((post_save, post_delete))
def _announce_row(sender: type[Model], **_: Any) -> None:
    if sender in KEPT:
        announce_change()


@receiver(changed_at_once)
def _announce_rows(**_: Any) -> None:
    announce_change()


def last_change() -> object:
    """Another object after each change that this process has heard of.

    Who used an entry compares it with the one from before, once the value in Redis is known.
    """
    return _last_change


def queue_generation(opening: Opening, *, noted: Callable[[], None] = lambda: None) -> None:
    """Asks for the value in Redis, takes note of it, and then calls `noted`."""

    def answered(results: Sequence[Any]) -> None:
        _note_generation(results[0])
        noted()

    # If Redis does not answer, MAX_AGE_S bounds what is used.
    opening.add(("GET", GENERATION), answered=answered, failed=noted)


def hear_of_changes() -> None:
    """Asks for the value in Redis in a round trip of its own, for pages.

    No entry that is used after this call is older than the last change that was announced before
    it. Without Redis, MAX_AGE_S bounds its age.
    """
    try:
        generation = connections.redis().execute_command("GET", GENERATION)
    except RedisError:
        return
    _note_generation(generation)


def _note_generation(generation: bytes | None) -> None:
    """Drops all entries if this is not the value that this process knows."""
    global _known_generation
    if generation == _known_generation:
        return
    _drop_all()
    # Only after the drop: otherwise another thread could take an old entry for a new one.
    _known_generation = generation


def _drop_all() -> None:
    global _last_change
    _last_change = object()
    for reads in _all:
        reads.drop()
