"""A Redis that freezes while a booking's slots are being locked, and continues later."""

from __future__ import annotations

import time
from collections.abc import Iterator

import pytest
from redis import Redis

from bookings import points
from bookings.domain.callers import Caller
from bookings.infrastructure import connections
from local.servers import Server
from locks import connection
from locks.connection import connect
from locks.redis_lock import RedisLocks
from tests.calls import book, cancel

pytestmark = pytest.mark.mongo

Patch = pytest.MonkeyPatch


@pytest.fixture
def lock_redis(own_redis: Server, monkeypatch: Patch) -> Iterator[Server]:
    """Only the locks use this Redis, so that nothing else fails."""
    start_process(own_redis, monkeypatch)
    yield own_redis
    points.install(None)


def start_process(lock_redis: Server, monkeypatch: Patch) -> None:
    """From here on it is another process, which knows nothing of the first."""
    monkeypatch.setattr(connection, "_breakers", {})
    locks = RedisLocks(connect(lock_redis.uri))
    locks.held()  # connects
    monkeypatch.setattr(connections, "locks", lambda: locks)


def wait_for_what_was_sent(lock_redis: Server) -> None:
    """Waits until the server has carried it out, and so closed the connection on which it came."""
    gives_up_at_s = time.monotonic() + 5
    with Redis(port=lock_redis.port) as watching:
        while len(watching.client_list()) > 1:
            assert time.monotonic() < gives_up_at_s
            time.sleep(0.005)


def test_is_in_no_rivals_way(lock_redis: Server, monkeypatch: Patch) -> None:
    def freeze_while_it_locks(point: str) -> None:
        if point == "after_claim":
            lock_redis.freeze()
        elif point == "after_lock":
            lock_redis.thaw()

    points.install(freeze_while_it_locks)
    made = book("late")
    points.install(None)
    wait_for_what_was_sent(lock_redis)
    cancel(made)
    start_process(lock_redis, monkeypatch)

    rival = book("rival", caller=Caller("client", "rival"))

    assert (made.code, rival.code) == (None, None)
