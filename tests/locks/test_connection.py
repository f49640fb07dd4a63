"""The guarded client of `locks/connection.py`, against servers that fail in every way."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from redis.exceptions import (
    BusyLoadingError,
    OutOfMemoryError,
    ReadOnlyError,
    RedisError,
    ResponseError,
)
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import TimeoutError as RedisTimeoutError

from local.servers import Server, free_port
from locks import connection
from locks.connection import (
    GuardedRedis,
    RedisUnavailable,
    breaker_of,
    connect,
)

pytestmark = pytest.mark.redis

# The promised value, written out, so that a change of the constant shows here.
TIME_OUT_S = 0.25

# The most that a refusal by the breaker may cost: no round trip, let alone a time-out.
AT_ONCE_S = 0.05


@pytest.fixture
def own_client(own_redis: Server) -> Iterator[GuardedRedis]:
    """A guarded client of a separate server."""
    client = connect(own_redis.uri)
    yield client
    client.close()


@pytest.fixture
def fast_probes(monkeypatch: pytest.MonkeyPatch) -> float:
    """Probes twenty times as often, so that no test waits for a second. Returns seconds."""
    monkeypatch.setattr(connection, "PROBE_INTERVAL_S", 0.05)
    return 0.05


def seconds_of(call: Callable[[], object], error: type[Exception]) -> float:
    started_s = time.monotonic()
    with pytest.raises(error) as caught:
        call()
    assert caught.type is error
    return time.monotonic() - started_s


def get(client: GuardedRedis) -> object:
    return client.get("key")


def get_in_batch(client: GuardedRedis) -> object:
    with client.pipeline(transaction=False) as pipeline:
        return pipeline.get("key").execute()


def get_in_transaction(client: GuardedRedis) -> object:
    with client.pipeline() as pipeline:
        return pipeline.get("key").execute()


ASKING = pytest.mark.parametrize("ask", [get, get_in_batch, get_in_transaction])


@ASKING
def test_waits_for_a_frozen_server_once(
    own_redis: Server, own_client: GuardedRedis, ask: Callable[[GuardedRedis], object]
) -> None:
    ask(own_client)
    own_redis.freeze()

    first_s = seconds_of(lambda: ask(own_client), RedisTimeoutError)
    second_s = seconds_of(lambda: ask(own_client), RedisUnavailable)

    assert TIME_OUT_S <= first_s < TIME_OUT_S + 0.25
    assert second_s < AT_ONCE_S


def test_waits_no_longer_to_connect_to_a_frozen_server(
    own_redis: Server, own_client: GuardedRedis
) -> None:
    own_redis.freeze()

    first_s = seconds_of(lambda: own_client.get("key"), RedisTimeoutError)

    assert first_s < TIME_OUT_S + 0.25


def test_answers_again_once_the_server_is_thawed(
    own_redis: Server, own_client: GuardedRedis, fast_probes: float
) -> None:
    own_client.set("key", "value")
    own_redis.freeze()
    seconds_of(lambda: own_client.get("key"), RedisTimeoutError)

    own_redis.thaw()
    time.sleep(fast_probes)

    # The client must not take an answer to the timed-out command for this one's.
    assert own_client.get("other") is None
    assert own_client.get("key") == b"value"
    assert not breaker_of(own_client).is_open


@ASKING
def test_fails_at_once_when_the_connection_is_refused(
    ask: Callable[[GuardedRedis], object],
) -> None:
    client = connect(f"redis://127.0.0.1:{free_port()}/0")

    first_s = seconds_of(lambda: ask(client), RedisConnectionError)
    second_s = seconds_of(lambda: ask(client), RedisUnavailable)

    assert first_s < TIME_OUT_S
    assert second_s < AT_ONCE_S


def test_gives_up_on_an_address_that_never_answers() -> None:
    """A full backlog drops the handshake, like a dead host behind a firewall."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", free_port()))
        listener.listen(0)
        port = listener.getsockname()[1]
        backlog = [_start_connecting(port) for _ in range(8)]
        client = connect(f"redis://127.0.0.1:{port}/0")

        first_s = seconds_of(lambda: client.get("key"), RedisTimeoutError)

        for waiting in backlog:
            waiting.close()
    assert first_s < TIME_OUT_S + 0.25


def _start_connecting(port: int) -> socket.socket:
    waiting = socket.socket()
    waiting.setblocking(False)
    waiting.connect_ex(("127.0.0.1", port))
    return waiting


@ASKING
def test_uses_stale_connections_of_a_restarted_server_without_an_error(
    own_redis: Server, own_client: GuardedRedis, ask: Callable[[GuardedRedis], object]
) -> None:
    with ThreadPoolExecutor(4) as pool:  # so that several connections are pooled
        list(pool.map(lambda _: own_client.execute_command("PING"), range(16)))

    own_redis.kill()
    own_redis.start()

    for _ in range(5):
        ask(own_client)
    assert not breaker_of(own_client).is_open


def test_fails_and_recovers_with_a_server_that_dies_and_comes_back(
    own_redis: Server, own_client: GuardedRedis, fast_probes: float
) -> None:
    own_client.get("key")
    own_redis.kill()
    with pytest.raises(RedisConnectionError):
        own_client.get("key")
    assert seconds_of(lambda: own_client.get("key"), RedisUnavailable) < AT_ONCE_S

    own_redis.start()
    time.sleep(fast_probes)

    assert own_client.get("key") is None
    assert not breaker_of(own_client).is_open


# --- A living server that cannot do its work ------------------------------------------------


def fill_memory(client: GuardedRedis) -> None:
    client.config_set("maxmemory", "1")


def become_a_replica(client: GuardedRedis) -> None:
    client.replicaof("127.0.0.1", free_port())
    client.config_set("replica-serve-stale-data", "yes")


def ask_for_replicas(client: GuardedRedis) -> None:
    client.config_set("min-replicas-to-write", "1")


def write(client: GuardedRedis) -> object:
    return client.set("key", "value")


def write_by_script(client: GuardedRedis) -> object:
    return client.eval("redis.call('SET', KEYS[1], '1') return 1", 1, "key")


def write_in_batch(client: GuardedRedis) -> object:
    with client.pipeline(transaction=False) as pipeline:
        return pipeline.get("key").set("key", "value").execute()


def write_in_transaction(client: GuardedRedis) -> object:
    with client.pipeline() as pipeline:
        return pipeline.get("key").set("key", "value").execute()


def write_in_silence(client: GuardedRedis) -> object:
    with client.pipeline(transaction=False) as pipeline:
        results = pipeline.get("key").set("key", "value").execute(raise_on_error=False)
    raise results[1]


@pytest.mark.parametrize(
    ("make_sick", "error"),
    [
        (fill_memory, OutOfMemoryError),
        (become_a_replica, ReadOnlyError),
        (ask_for_replicas, ResponseError),
    ],
)
@pytest.mark.parametrize(
    "attempt",
    [write, write_by_script, write_in_batch, write_in_transaction, write_in_silence],
)
def test_opens_when_the_server_cannot_write(
    own_client: GuardedRedis,
    make_sick: Callable[[GuardedRedis], None],
    error: type[Exception],
    attempt: Callable[[GuardedRedis], object],
) -> None:
    make_sick(own_client)

    with pytest.raises(error):
        attempt(own_client)

    assert breaker_of(own_client).is_open
    with pytest.raises(RedisUnavailable):
        own_client.get("key")


@pytest.mark.parametrize("attempt", [write, write_in_batch, write_in_silence])
def test_opens_when_the_server_cannot_persist(
    own_redis: Server, own_client: GuardedRedis, attempt: Callable[[GuardedRedis], object]
) -> None:
    """MISCONF: the last snapshot failed, and the server refuses writes until one works."""
    # A folder in the place of the file makes every snapshot fail, even for root.
    Path(own_redis.data_dir, "dump.rdb", "in-the-way").mkdir(parents=True)
    own_client.config_set("save", "3600 1000")
    own_client.bgsave()
    _wait_until(lambda: own_client.info("persistence")["rdb_last_bgsave_status"] == "err")

    with pytest.raises(ResponseError, match="MISCONF"):
        attempt(own_client)

    assert breaker_of(own_client).is_open


def test_opens_when_the_server_is_loading_its_data(
    own_redis: Server, own_client: GuardedRedis, fast_probes: float
) -> None:
    """LOADING: a server that is reading its data refuses everything meanwhile."""
    with own_client.pipeline(transaction=False) as pipeline:
        for number in range(1_000):
            pipeline.set(f"key {number}", "value" * 20)
        pipeline.execute()
    own_client.save()
    own_redis.kill()
    own_redis.argv = [
        *own_redis.argv,
        *("--key-load-delay", "500"),  # microseconds
        *("--loading-process-events-interval-bytes", "1024"),
    ]
    is_up = threading.Event()
    seen: list[tuple[type[Exception] | None, bool]] = []

    def ask_all_the_while() -> None:
        while not is_up.is_set():
            try:
                own_client.get("key 1")
                seen.append((None, breaker_of(own_client).is_open))
            except RedisError as error:
                seen.append((type(error), breaker_of(own_client).is_open))
            time.sleep(0.01)

    asking = threading.Thread(target=ask_all_the_while)
    asking.start()
    try:
        own_redis.start()
    finally:
        is_up.set()
        asking.join()
    time.sleep(fast_probes)

    assert (BusyLoadingError, True) in seen
    assert (BusyLoadingError, False) not in seen
    assert own_client.get("key 1") == b"value" * 20


def _wait_until(condition: Callable[[], bool], timeout_s: float = 5.0) -> None:
    deadline_s = time.monotonic() + timeout_s
    while not condition():
        assert time.monotonic() < deadline_s, "it did not come to pass"
        time.sleep(0.02)


def test_stays_closed_when_the_command_is_wrong(client: GuardedRedis) -> None:
    client.rpush("list", "item")

    with pytest.raises(ResponseError, match="WRONGTYPE"):
        client.get("list")
    with pytest.raises(ResponseError, match="WRONGTYPE"), client.pipeline() as pipeline:
        pipeline.get("list").execute()
    with client.pipeline(transaction=False) as pipeline:
        value, error = pipeline.get("other").get("list").execute(raise_on_error=False)

    assert (value, type(error)) == (None, ResponseError)
    assert not breaker_of(client).is_open
    assert client.get("other") is None


def test_learns_nothing_from_an_empty_batch(own_redis: Server, own_client: GuardedRedis) -> None:
    own_redis.kill()
    with pytest.raises(RedisConnectionError):
        own_client.get("key")

    with own_client.pipeline() as pipeline:
        assert pipeline.execute() == []

    assert breaker_of(own_client).is_open


def test_shares_one_breaker_among_the_clients_of_a_server(
    own_redis: Server, own_client: GuardedRedis, client: GuardedRedis
) -> None:
    another = connect(own_redis.uri.replace("/0", "/7"))
    own_redis.kill()

    with pytest.raises(RedisConnectionError):
        own_client.get("key")

    assert seconds_of(lambda: another.get("key"), RedisUnavailable) < AT_ONCE_S
    assert client.get("key") is None, "another server is none of its business"


def test_costs_many_threads_one_time_out_each_at_most(
    own_redis: Server, own_client: GuardedRedis
) -> None:
    own_client.get("key")
    own_redis.freeze()

    def ask_often(_: int) -> float:
        started_s = time.monotonic()
        for _ in range(20):
            with pytest.raises(RedisError):
                own_client.get("key")
        return time.monotonic() - started_s

    with ThreadPoolExecutor(8) as pool:
        spent_s = list(pool.map(ask_often, range(8)))

    assert max(spent_s) < TIME_OUT_S + 0.25


@pytest.mark.parametrize("transaction", [False, True])
def test_undoes_a_batch_whose_answer_was_lost(
    own_redis: Server, own_client: GuardedRedis, fast_probes: float, transaction: bool
) -> None:
    own_client.ping()  # connects, so that the batch reaches the server
    own_redis.freeze()
    with own_client.pipeline(transaction=transaction) as pipeline:
        pipeline.incr("sent")
        pipeline.set("key", "taken")
        pipeline.undo_if_lost(("DEL", "key"))
        with pytest.raises(RedisTimeoutError):
            pipeline.execute()
    own_redis.thaw()
    time.sleep(fast_probes)

    assert own_client.get("sent") == b"1"
    assert own_client.get("key") is None


@pytest.mark.parametrize("transaction", [False, True])
def test_undoes_no_batch_that_was_answered(client: GuardedRedis, transaction: bool) -> None:
    with client.pipeline(transaction=transaction) as pipeline:
        pipeline.set("key", "taken")
        pipeline.lpush("key", "no list")
        pipeline.undo_if_lost(("DEL", "key"))
        with pytest.raises(ResponseError):
            pipeline.execute()
        pipeline.get("key")
        assert pipeline.execute() == [b"taken"]
