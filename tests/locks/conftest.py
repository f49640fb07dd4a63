"""Clients and servers for tests of locks."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator

import pytest
from redis import Redis

from local.servers import Server
from locks import connection
from locks.connection import GuardedRedis, connect
from tests.locks.quorum import redis_servers


@pytest.fixture
def client() -> Iterator[GuardedRedis]:
    """The client the site uses, on this worker's own database, emptied."""
    client = connect(os.environ["REDIS_URL"])
    client.flushdb()
    yield client
    client.flushdb()
    client.close()


@pytest.fixture(scope="session")
def started() -> Iterator[Callable[[int], list[Server]]]:
    """Starts as many servers as a test first asks for; the next test gets the same."""
    kept: dict[int, list[Server]] = {}
    running = []

    def start(number: int) -> list[Server]:
        if number not in kept:
            running.append(redis_servers(number))
            kept[number] = running[-1].__enter__()
        return kept[number]

    yield start
    for servers in running:
        servers.__exit__(None, None, None)


@pytest.fixture
def one_server(
    started: Callable[[int], list[Server]], monkeypatch: pytest.MonkeyPatch
) -> list[Server]:
    return as_new(started(1), monkeypatch)


@pytest.fixture
def five_servers(
    started: Callable[[int], list[Server]], monkeypatch: pytest.MonkeyPatch
) -> list[Server]:
    return as_new(started(5), monkeypatch)


def as_new(servers: list[Server], monkeypatch: pytest.MonkeyPatch) -> list[Server]:
    """These servers empty and running, with breakers that know nothing yet."""
    for server in servers:
        server.thaw()
        if not server.is_running:
            server.start()
        with Redis(port=server.port) as client:
            client.flushall()
    monkeypatch.setattr(connection, "_breakers", {})
    return servers
