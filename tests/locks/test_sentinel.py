"""The guarded client of a primary that changes, as its Sentinels report."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator

import pytest
from redis import Redis
from redis.exceptions import RedisError

from local.servers import Server
from locks import connection
from locks.conformance import FailoverConformance
from locks.connection import GuardedRedis, breaker_of, connect
from locks.redis_lock import RedisLocks
from tests.locks.watched import PASSWORD, Watch, watched_redis

pytestmark = pytest.mark.redis


@pytest.fixture
def watch(monkeypatch: pytest.MonkeyPatch) -> Iterator[Watch]:
    monkeypatch.setattr(connection, "_breakers", {})
    with watched_redis() as watch:
        yield watch


@pytest.fixture
def client(watch: Watch) -> Iterator[GuardedRedis]:
    client = connect(watch.url)
    client.set("before", "yes")
    client.wait(1, 2000)
    yield client
    client.close()


def ask_until_it_answers(client: GuardedRedis) -> list[float]:
    """Writes until a write succeeds; returns how many seconds each try took."""
    tries: list[float] = []
    deadline_s = time.monotonic() + 20
    while time.monotonic() < deadline_s:
        started_s = time.monotonic()
        try:
            client.set("after", "yes")
        except RedisError:
            tries.append(time.monotonic() - started_s)
            time.sleep(0.02)
        else:
            return [*tries, time.monotonic() - started_s]
    raise AssertionError("no replica took over")


def lose(watch: Watch, how: str) -> Server:
    """Takes the primary away and returns it."""
    old = watch.primary
    if how == "killed":
        old.kill()
    elif how == "frozen":
        old.freeze()
    else:
        watch.fail_over()
    return old


@pytest.mark.slow
@pytest.mark.parametrize("how", ["killed", "frozen", "demoted"])
def test_follows_the_primary(watch: Watch, client: GuardedRedis, how: str) -> None:
    old = lose(watch, how)

    if how == "demoted":
        watch.wait_for_another(old)
    tries = ask_until_it_answers(client)

    assert watch.primary is not old
    assert (client.get("before"), client.get("after")) == (b"yes", b"yes")
    assert not breaker_of(client).is_open
    first = min(sentinel.port for sentinel in watch.sentinels)
    assert breaker_of(client).address == f"bookings@127.0.0.1:{first}"
    # The breaker refuses most tries, and the others wait no longer than their time-outs: connecting
    # to a frozen server, reading from it, and asking a Sentinel.
    assert max(tries) < 2.5
    assert sorted(tries)[len(tries) // 2] < 0.3


@pytest.mark.slow
def test_locks_and_asks_in_batches_as_with_one_server(watch: Watch, client: GuardedRedis) -> None:
    locks = RedisLocks(client)

    lock = locks.acquire(["a", "b"], ttl_ms=5_000)
    with client.pipeline() as batch:
        batch.set("x", "1")
        batch.get("x")
        answers = batch.execute()
    locks.release(lock)

    assert answers == [True, b"1"]
    assert not client.exists("lock:a")


class Made(list[object]):
    """The connections that were made."""

    def note(self, connection: object) -> None:
        self.append(connection)


@pytest.mark.slow
def test_makes_no_connection_to_undo_what_a_demoted_primary_refused(
    watch: Watch, client: GuardedRedis
) -> None:
    """On another connection the release might overtake, and the request would wait for it."""
    made = Made()
    ours = client.connection_pool.get_connection()
    ours.register_connect_callback(made.note)
    client.connection_pool.release(ours)
    one, other = (watch.primary, *(each for each in watch.servers if each is not watch.primary))
    with Redis(port=one.port, password=PASSWORD) as administrator:
        administrator.replicaof("127.0.0.1", other.port)

    with pytest.raises(RedisError, match="The previous master is now a slave"):
        RedisLocks(client).acquire(["a"], ttl_ms=5_000)

    assert made == []


@pytest.mark.slow
def test_asks_the_next_sentinel_where_one_is_dead(watch: Watch) -> None:
    watch.sentinels[0].kill()

    with connect(watch.url) as late:
        assert late.ping()


@pytest.mark.slow
def test_is_refused_quickly_where_no_sentinel_answers(watch: Watch) -> None:
    for sentinel in watch.sentinels:
        sentinel.freeze()
    late = connect(watch.url)

    started_s = time.monotonic()
    with pytest.raises(RedisError):
        late.ping()
    with pytest.raises(connection.RedisUnavailable):
        late.ping()

    assert time.monotonic() - started_s < 3 * 0.25 + 1.0


@pytest.mark.slow
class TestFailover(FailoverConformance):
    @pytest.fixture
    def make_locks(self, watch: Watch) -> Callable[[], RedisLocks]:
        return lambda: RedisLocks(connect(watch.url))

    @pytest.fixture
    def fail_over(self, watch: Watch) -> Callable[[], None]:
        """Cuts the replica off at once, so that it sees no lock."""
        old = watch.primary
        replica = next(server for server in watch.servers if server is not old)
        with Redis(port=replica.port, password=PASSWORD) as administrator:
            administrator.config_set("masterauth", "wrong")
            administrator.client_kill_filter(_type="master")

            def fail_over() -> None:
                assert administrator.info("replication")["master_link_status"] == "down"
                assert administrator.keys("fence:*") == []
                old.kill()
                watch.wait_for_another(old)

            return fail_over
