"""Switches guards off, only in the recorder's own process and its throw-away database."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from unittest import mock

from bookings.indexes import make_booking_indexes
from bookings.infrastructure import connections
from bookings.stays import lately_sold
from bookings.stays.writing import new_bookings
from idempotency import claims
from locks import redis_lock
from locks.scripts import script
from tests.scenarios import seen

# Like claim.lua and acquire.lua, but they ignore what is there.
ALWAYS_FREE = """
redis.call('DEL', KEYS[1])
redis.call('HSET', KEYS[1], 'state', 'in_progress', 'owner', ARGV[1], 'claimed_at_ms', ARGV[3])
redis.call('PEXPIRE', KEYS[1], ARGV[2])
return {'claimed'}
"""
ALWAYS_MINE = """
for _, key in ipairs(KEYS) do redis.call('SET', key, ARGV[1], 'PX', ARGV[2]) end
return 0
"""
seen.scripts.update({ALWAYS_FREE: "claim", ALWAYS_MINE: "lock"})


@contextmanager
def _without_claim() -> Iterator[None]:
    with mock.patch.object(claims, "_CLAIM", ALWAYS_FREE):
        yield


@contextmanager
def _without_lock() -> Iterator[None]:
    def pick(name: str) -> str:
        return ALWAYS_MINE if name == "acquire" else script(name)

    with mock.patch.object(redis_lock, "script", pick):
        yield


def _without_index(name: str) -> Callable[[], Iterator[None]]:
    def switch() -> Iterator[None]:
        connections.database()["bookings"].drop_index(name)
        yield
        # While the guard was off, documents may have been written that it would not have let in.
        connections.database()["bookings"].delete_many({})
        make_booking_indexes(connections.database())

    return switch


@contextmanager
def _without_lookup() -> Iterator[None]:
    """Takes every complaint of an index as another caller's booking."""
    with mock.patch.object(new_bookings, "_resolve_conflict", return_value="taken"):
        yield


SWITCHES = {
    "claim": _without_claim,
    "lock": _without_lock,
    "slots": contextmanager(_without_index("one_active_booking_per_slot")),
    "keys": contextmanager(_without_index("one_booking_per_key")),
    "lookup": _without_lookup,
}


@contextmanager
def switched_off(guards: tuple[str, ...]) -> Iterator[None]:
    """The story is about two processes, neither of which knows what the other has just sold."""
    with ExitStack() as stack:
        stack.enter_context(mock.patch.object(lately_sold, "any_of", return_value=False))
        for guard in guards:
            stack.enter_context(SWITCHES[guard]())
        yield
