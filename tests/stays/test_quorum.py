"""Booking with the slot locks on a quorum of three real Redis servers (LOCK_REDIS_URLS)."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from pytest_django import Settings

from bookings import points
from bookings.domain.callers import Caller
from bookings.infrastructure import connections
from bookings.infrastructure.deadlines import Deadline
from bookings.stays import create
from bookings.stays.create import Outcome
from local.servers import Server
from locks.connection import connect
from locks.redis_lock import RedisLocks
from locks.redlock import Redlock
from tests.conftest import night
from tests.locks.quorum import redis_servers

pytestmark = [pytest.mark.mongo, pytest.mark.usefixtures("database")]


@pytest.fixture
def servers(settings: Settings) -> Iterator[list[Server]]:
    """Three servers from which the site takes its slot locks."""
    with redis_servers(3) as servers:
        settings.LOCK_REDIS_URLS = [server.uri for server in servers]
        connections.locks.cache_clear()
        yield servers
    points.install(None)
    connections.locks.cache_clear()


def book(key: str) -> Outcome:
    payload = {"resourceId": "room_A", "date": night()}
    return create.create_booking(
        caller=Caller("client", "partner"),
        key_header=key,
        read_payload=lambda: payload,
        deadline=Deadline.after(10),
    )


def slot() -> str:
    return f"demo|{night()}|room_A"


def held(servers: list[Server]) -> list[list[str]]:
    return [[lock.name for lock in RedisLocks(connect(server.uri)).held()] for server in servers]


def test_takes_the_locks_from_the_quorum_and_frees_them(servers: list[Server]) -> None:
    seen = []
    points.install(lambda name: seen.append(held(servers)) if name == "after_lock" else None)

    outcome = book("k1")

    assert isinstance(connections.locks(), Redlock)
    assert outcome.answer.status == 201
    assert seen == [[[slot()]] * 3]
    assert held(servers) == [[]] * 3
    assert connections.redis().keys("lock:*") == [], "the Redis of the claims has none"


def test_refuses_what_a_rival_has_locked_there(servers: list[Server]) -> None:
    lock = connections.locks().acquire([slot()], ttl_ms=10_000)

    refused = book("k1")
    connections.locks().release(lock)

    assert refused.code == "RESOURCE_LOCKED"
    assert book("k1").answer.status == 201


@pytest.mark.parametrize("down", [1, 2, 3])
def test_books_whatever_becomes_of_the_quorum(servers: list[Server], down: int) -> None:
    for server in servers[:down]:
        server.kill()

    first, second = book("k1"), book("k2")

    assert first.answer.status == 201
    assert second.code == "ALREADY_BOOKED"
    assert held(servers[down:]) == [[]] * (3 - down)
