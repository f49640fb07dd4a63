"""Locks whose answer never came: carried out late or unseen, they are in no one's way."""

from __future__ import annotations

import select
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing, contextmanager, suppress

import pytest
from redis import Redis
from redis.exceptions import RedisError
from redis.exceptions import TimeoutError as RedisTimeoutError

from local.servers import Server
from locks import connection
from locks.clock import now_s
from locks.connection import RedisUnavailable, connect
from locks.redis_lock import RedisLocks
from locks.redlock import Redlock
from tests.locks.quorum import redis_servers

pytestmark = pytest.mark.redis

TTL_MS = 15_000

# The most slots that a stay may have: its commands come in several parts.
MANY = [f"demo|2027-02-{night:02}|room_{room:02}" for night in range(30) for room in range(10)]


def wait_until(is_so: Callable[[], bool]) -> None:
    gives_up_at_s = time.monotonic() + 5
    while not is_so():
        assert time.monotonic() < gives_up_at_s, "it never came to that"
        time.sleep(0.005)


def scripts_run(watching: Redis) -> int:
    return watching.info("commandstats")["cmdstat_eval"]["calls"]


def what_is_left(server: Server) -> list[bytes]:
    """Returns the keys, once all commands on connections closed by now have been carried out."""
    with Redis(port=server.port) as watching:
        wait_until(lambda: len(watching.client_list()) == 1)
        return sorted(watching.keys())


def close_breakers(monkeypatch: pytest.MonkeyPatch) -> None:
    """The next command is a probe."""
    monkeypatch.setattr(connection, "_breakers", {})


@pytest.mark.parametrize("names", [["a"], MANY], ids=["one", "many"])
def test_is_released_after_it_was_taken_late(own_redis: Server, names: list[str]) -> None:
    locks = RedisLocks(connect(own_redis.uri))
    locks.held()  # connects
    own_redis.freeze()

    with pytest.raises(RedisTimeoutError):
        locks.acquire(names, ttl_ms=TTL_MS)
    own_redis.thaw()

    assert what_is_left(own_redis) == []
    with Redis(port=own_redis.port) as watching:
        assert scripts_run(watching) == 2, "it was taken, and released"


def test_leaves_a_rival_alone_that_came_in_between(own_redis: Server) -> None:
    rival = RedisLocks(connect(own_redis.uri))
    lock = rival.acquire(["a"], ttl_ms=TTL_MS)
    late = RedisLocks(connect(own_redis.uri))
    late.held()  # connects
    own_redis.freeze()

    with pytest.raises(RedisTimeoutError):
        late.acquire(["a"], ttl_ms=TTL_MS)
    own_redis.thaw()

    with Redis(port=own_redis.port) as watching:
        wait_until(lambda: scripts_run(watching) == 3)
        assert watching.get("lock:a") == lock.owner.encode()


def test_is_released_everywhere_by_a_quorum() -> None:
    with redis_servers(3) as servers:
        locks = Redlock([RedisLocks(connect(server.uri)) for server in servers])
        locks.release(locks.acquire(["a"], ttl_ms=TTL_MS))  # connects
        servers[0].freeze()

        lock = locks.acquire(["a"], ttl_ms=TTL_MS)
        locks.release(lock)
        servers[0].thaw()

        with Redis(port=servers[0].port) as watching:
            wait_until(lambda: scripts_run(watching) == 4)
            assert watching.keys() == []


@contextmanager
def relay(server: Server) -> Iterator[str]:
    """Relays the server to another port, where the first answer to a script is lost."""
    is_lost = threading.Event()

    def pass_on(client: socket.socket) -> None:
        with closing(client), socket.create_connection(("127.0.0.1", server.port)) as redis:
            asked = b""
            while True:
                ready, _, _ = select.select([client, redis], [], [])
                if client in ready:
                    said = client.recv(65536)
                    if not said:
                        return
                    asked += said
                    redis.sendall(said)
                if redis in ready:
                    answer = redis.recv(65536)
                    if b"EVAL" in asked and not is_lost.is_set():
                        is_lost.set()
                        return
                    client.sendall(answer)

    with accepting(pass_on) as url:
        yield url


@contextmanager
def slow_relay(server: Server, gate: threading.Event) -> Iterator[str]:
    """Relays the server to another port, where the first extension arrives after the gate opens."""
    is_held_up = threading.Event()

    def pass_on(client: socket.socket) -> None:
        with closing(client), socket.create_connection(("127.0.0.1", server.port)) as redis:
            while True:
                ready, _, _ = select.select([client, redis], [], [])
                if client in ready:
                    said = client.recv(65536)
                    if b"PEXPIRE" in said and not is_held_up.is_set():
                        is_held_up.set()
                        gate.wait(20)
                    if not said:
                        return
                    redis.sendall(said)
                if redis in ready:
                    with suppress(OSError):  # no one waits for a late answer
                        client.sendall(redis.recv(65536))

    with accepting(pass_on) as url:
        yield url


@contextmanager
def accepting(pass_on: Callable[[socket.socket], None]) -> Iterator[str]:
    listening = socket.create_server(("127.0.0.1", 0))

    def accept() -> None:
        while True:
            try:
                client, _ = listening.accept()
            except OSError:
                return
            threading.Thread(target=pass_on, args=[client], daemon=True).start()

    threading.Thread(target=accept, daemon=True).start()
    with closing(listening):
        yield f"redis://127.0.0.1:{listening.getsockname()[1]}/0"


def test_is_released_with_the_next_one_where_its_connection_broke(
    own_redis: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    with relay(own_redis) as url, Redis(port=own_redis.port) as watching:
        locks = RedisLocks(connect(url))
        with pytest.raises(RedisError):
            locks.acquire(["a"], ttl_ms=TTL_MS)
        assert watching.keys() == [b"lock:a"], "it was taken, and no one knows"
        with pytest.raises(RedisUnavailable):
            locks.acquire(["b"], ttl_ms=TTL_MS)

        close_breakers(monkeypatch)
        locks.acquire(["a", "b"], ttl_ms=TTL_MS)


@pytest.mark.parametrize("in_batch", [False, True])
def test_is_released_with_the_next_one_where_redis_was_not_asked(
    own_redis: Server, monkeypatch: pytest.MonkeyPatch, in_batch: bool
) -> None:
    client = connect(own_redis.uri)
    locks = RedisLocks(client)
    lock = locks.acquire(["a"], ttl_ms=TTL_MS)
    own_redis.freeze()
    with pytest.raises(RedisTimeoutError):
        client.ping()
    own_redis.thaw()

    if in_batch:
        pipeline = client.pipeline(transaction=False)
        locks.queue_release(pipeline, lock)
        with pytest.raises(RedisUnavailable):
            pipeline.execute()
    else:
        with pytest.raises(RedisUnavailable):
            locks.release(lock)
    close_breakers(monkeypatch)
    locks.acquire(["b"], ttl_ms=TTL_MS)

    assert client.keys() == [b"lock:b"]
    assert not lock.is_held


@pytest.mark.parametrize("number", [1, 3])
def test_counts_no_longer_than_an_extension_that_arrives_late(
    five_servers: list[Server], monkeypatch: pytest.MonkeyPatch, number: int
) -> None:
    """It arrives after a longer one, which was answered."""
    gate = threading.Event()
    servers = five_servers[:number]
    with ExitStack() as relays:
        urls = [relays.enter_context(slow_relay(server, gate)) for server in servers]
        each = [RedisLocks(connect(url)) for url in urls]
        locks = each[0] if number == 1 else Redlock(each)
        lock = locks.acquire(["a"], ttl_ms=TTL_MS)
        with pytest.raises(RedisError):
            locks.extend(lock, ttl_ms=500)
        close_breakers(monkeypatch)
        locks.extend(lock, ttl_ms=TTL_MS)

        gate.set()

        for server in servers:
            with Redis(port=server.port) as watching:
                wait_until(lambda: not watching.exists("lock:a"))
        assert not lock.is_held


def test_counts_as_long_as_it_was_extended_without_a_server_that_was_not_asked(
    five_servers: list[Server], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(connection, "PROBE_INTERVAL_S", 60.0)
    locks = Redlock([RedisLocks(connect(server.uri)) for server in five_servers[:3]])
    lock = locks.acquire(["a"], ttl_ms=TTL_MS)
    five_servers[0].kill()
    locks.release(locks.acquire(["b"], ttl_ms=TTL_MS))  # now that server is known to be dead

    locks.extend(lock, ttl_ms=500)
    locks.extend(lock, ttl_ms=TTL_MS)

    assert lock.ends_at_s > now_s() + TTL_MS / 2000
