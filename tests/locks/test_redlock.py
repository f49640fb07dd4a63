"""Locks on a quorum of five real servers, of which some are killed, frozen or emptied."""

from __future__ import annotations

import random
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import pytest

from local.servers import Server
from locks import at_once, connection
from locks.clock import now_s
from locks.conformance import eventually
from locks.connection import GuardedRedis, RedisUnavailable, connect
from locks.errors import LockBusy, LockLost
from locks.redis_lock import Lock, RedisLocks
from locks.redlock import Redlock
from tests.locks.kinds import LocksAround
from tests.servers import ROOT

pytestmark = pytest.mark.redis

TTL_MS = 10_000


@pytest.fixture
def servers(five_servers: list[Server], monkeypatch: pytest.MonkeyPatch) -> list[Server]:
    # No probe while a test watches, however slow the machine.
    monkeypatch.setattr(connection, "PROBE_INTERVAL_S", 60.0)
    return five_servers


@pytest.fixture
def locks(servers: list[Server]) -> Redlock:
    return make_locks(servers)


def make_locks(servers: list[Server]) -> Redlock:
    return Redlock([RedisLocks(connect(server.uri)) for server in servers])


def owners(servers: list[Server], name: str = "a") -> list[str | None]:
    """Returns who holds the name on each of these servers."""
    found = [connect(server.uri).get(f"lock:{name}") for server in servers]
    return [None if owner is None else owner.decode() for owner in found]


def kill(servers: list[Server]) -> None:
    for server in servers:
        server.kill()


def freeze(servers: list[Server]) -> None:
    for server in servers:
        server.freeze()


BREAKING = pytest.mark.parametrize("break_them", [kill, freeze])


@pytest.mark.parametrize("number", [0, 1, 2, 4])
def test_refuses_a_number_of_servers_that_has_no_clear_majority(number: int) -> None:
    server = RedisLocks(connect("redis://127.0.0.1:1/0"))

    with pytest.raises(ValueError, match="odd number"):
        Redlock([server] * number)


def test_takes_and_frees_every_name_on_every_server(servers: list[Server], locks: Redlock) -> None:
    lock = locks.acquire(["b", "a", "b"], ttl_ms=TTL_MS)

    assert lock.names == ("a", "b")
    assert lock.is_held
    assert owners(servers, "a") == owners(servers, "b") == [lock.owner] * 5
    assert locks.release(lock) is True
    assert not lock.is_held
    assert owners(servers, "a") == owners(servers, "b") == [None] * 5


def test_subtracts_the_drift_of_the_clocks(locks: Redlock) -> None:
    before_s = now_s()
    lock = locks.acquire(["a"], ttl_ms=TTL_MS)
    after_s = now_s()

    # A hundredth of ten seconds, and 2 ms.
    assert before_s + 9.898 <= lock.ends_at_s <= after_s + 9.898

    locks.extend(lock, ttl_ms=TTL_MS * 2)
    assert before_s + 19.798 <= lock.ends_at_s <= now_s() + 19.798


def test_gives_back_a_lock_with_no_time_left(servers: list[Server], locks: Redlock) -> None:
    with pytest.raises(RedisUnavailable):
        locks.acquire(["a"], ttl_ms=2)


@pytest.mark.parametrize("ttl_ms", [0, -1])
def test_refuses_a_time_to_live_that_is_none(locks: Redlock, ttl_ms: int) -> None:
    with pytest.raises(ValueError, match="above 0 ms"):
        locks.acquire(["a"], ttl_ms=ttl_ms)
    with pytest.raises(ValueError, match="at least one"):
        locks.acquire([], ttl_ms=TTL_MS)
    with pytest.raises(ValueError, match="list of names"):
        locks.acquire("room:7", ttl_ms=TTL_MS)


def test_refuses_a_rival_and_leaves_nothing_of_it(servers: list[Server], locks: Redlock) -> None:
    lock = locks.acquire(["a"], ttl_ms=TTL_MS)

    with pytest.raises(LockBusy, match="^a$"):
        make_locks(servers).acquire(["a", "b"], ttl_ms=TTL_MS)

    assert owners(servers, "a") == [lock.owner] * 5
    assert owners(servers, "b") == [None] * 5


@BREAKING
def test_works_with_two_of_five_servers_down(
    servers: list[Server], locks: Redlock, break_them: Callable[[list[Server]], None]
) -> None:
    break_them(servers[1:3])
    living = [servers[0], *servers[3:]]

    lock = locks.acquire(["a"], ttl_ms=TTL_MS)
    with pytest.raises(LockBusy):
        make_locks(servers).acquire(["a"], ttl_ms=TTL_MS)
    locks.extend(lock, ttl_ms=TTL_MS)

    assert lock.is_held
    assert owners(living) == [lock.owner] * 3
    assert locks.release(lock) is True
    assert owners(living) == [None] * 3


@BREAKING
def test_keeps_a_lock_when_two_of_five_servers_go_down(
    servers: list[Server], locks: Redlock, break_them: Callable[[list[Server]], None]
) -> None:
    lock = locks.acquire(["a"], ttl_ms=TTL_MS)

    break_them(servers[:2])

    with pytest.raises(LockBusy):
        make_locks(servers).acquire(["a"], ttl_ms=TTL_MS)
    locks.extend(lock, ttl_ms=TTL_MS)
    assert locks.release(lock) is True
    assert owners(servers[2:]) == [None] * 3


@BREAKING
def test_cannot_say_with_three_of_five_servers_down(
    servers: list[Server], locks: Redlock, break_them: Callable[[list[Server]], None]
) -> None:
    break_them(servers[1:4])

    with pytest.raises(RedisUnavailable, match="2 of 5 lock servers answered"):
        locks.acquire(["a"], ttl_ms=TTL_MS)

    assert owners([servers[0], servers[4]]) == [None] * 2, "what was taken is given back"


def test_cannot_say_even_if_a_living_server_is_in_the_way(
    servers: list[Server], locks: Redlock
) -> None:
    RedisLocks(connect(servers[0].uri)).acquire(["a"], ttl_ms=TTL_MS)
    kill(servers[1:4])

    with pytest.raises(RedisUnavailable):
        locks.acquire(["a"], ttl_ms=TTL_MS)


@BREAKING
def test_cannot_say_whether_it_was_extended_with_three_servers_down(
    servers: list[Server], locks: Redlock, break_them: Callable[[list[Server]], None]
) -> None:
    lock = locks.acquire(["a"], ttl_ms=TTL_MS)
    ends_at_s = lock.ends_at_s
    break_them(servers[2:])

    with pytest.raises(RedisUnavailable):
        locks.extend(lock, ttl_ms=TTL_MS * 2)

    assert lock.is_held, "until its old end"
    assert lock.ends_at_s == ends_at_s
    assert locks.release(lock) is False


def test_waits_for_all_frozen_servers_together_and_once(
    servers: list[Server], locks: Redlock
) -> None:
    freeze(servers[:2])

    started_s = time.monotonic()
    lock = locks.acquire(["a"], ttl_ms=TTL_MS)
    first_s = time.monotonic() - started_s
    locks.release(lock)
    locks.acquire(["a"], ttl_ms=TTL_MS)
    both_s = time.monotonic() - started_s

    assert 0.25 <= first_s < 2 * 0.25
    assert both_s - first_s < 0.1, "behind open breakers nobody waits"


def test_answers_at_the_deadline_however_long_one_server_takes(servers: list[Server]) -> None:
    """Connecting, introducing itself and asking may each take as long as a time-out."""
    gate = threading.Event()

    def late(ask: Callable[[], Lock]) -> Lock:
        gate.wait(20)
        return ask()

    locks = Redlock(
        [LocksAround(servers[0], late), *(RedisLocks(connect(one.uri)) for one in servers[1:])]
    )

    started_s = time.monotonic()
    lock = locks.acquire(["a"], ttl_ms=TTL_MS)
    took_s = time.monotonic() - started_s
    gate.set()

    assert at_once.DEADLINE_S <= took_s < 5
    assert owners(servers[1:]) == [lock.owner] * 4
    locks.release(lock)


def test_makes_up_for_a_release_that_found_no_thread(
    servers: list[Server], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(at_once, "THREADS_PER_SERVER", 1)
    gate = threading.Event()
    gate.set()

    def through_the_gate(ask: Callable[[], Lock]) -> Lock:
        gate.wait(20)
        return ask()

    locks = Redlock([LocksAround(server, through_the_gate) for server in servers])
    lock = locks.acquire(["a"], ttl_ms=TTL_MS)
    gate.clear()
    with pytest.raises(RedisUnavailable):
        locks.acquire(["b"], ttl_ms=TTL_MS)  # keeps all threads

    assert locks.release(lock) is False
    assert owners(servers) == [lock.owner] * 5
    gate.set()
    eventually(lambda: locks.acquire(["c"], ttl_ms=TTL_MS))

    assert owners(servers) == [None] * 5


def test_releases_its_locks_while_its_process_ends(servers: list[Server]) -> None:
    """No thread may begin then, and this one has its request still to finish."""
    program = f"""
import threading
from concurrent.futures import thread
from locks import RedisLocks, Redlock, connect

locks = Redlock([RedisLocks(connect(url)) for url in {[server.uri for server in servers]}])
lock = locks.acquire(["a"], ttl_ms={TTL_MS})

def finish():
    while not thread._shutdown:
        pass
    print(locks.release(lock))

threading.Thread(target=finish).start()
"""

    ended = subprocess.run(
        [sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, timeout=30
    )

    assert (ended.stdout, ended.returncode) == ("True\n", 0), ended.stderr
    assert owners(servers) == [None] * 5


def test_survives_a_server_that_restarts_empty(servers: list[Server], locks: Redlock) -> None:
    lock = locks.acquire(["a"], ttl_ms=TTL_MS)
    servers[0].kill()
    servers[0].start()

    with pytest.raises(LockBusy):
        make_locks(servers).acquire(["a"], ttl_ms=TTL_MS)
    locks.extend(lock, ttl_ms=TTL_MS)

    assert owners(servers) == [None] + [lock.owner] * 4, "and the rival gave the first one back"


def test_tells_its_holder_that_a_majority_was_lost(servers: list[Server], locks: Redlock) -> None:
    lock = locks.acquire(["a"], ttl_ms=TTL_MS)
    for server in servers[:3]:
        server.kill()
        server.start()

    with pytest.raises(LockLost):
        locks.extend(lock, ttl_ms=TTL_MS)

    assert not lock.is_held
    assert owners(servers) == [None] * 5, "the rest of it is in nobody's way"


def test_is_not_blocked_by_stale_locks_on_a_minority(servers: list[Server], locks: Redlock) -> None:
    for server in servers[:2]:
        RedisLocks(connect(server.uri)).acquire(["a"], ttl_ms=TTL_MS)

    lock = locks.acquire(["a"], ttl_ms=TTL_MS)

    assert lock.is_held
    assert owners(servers[2:]) == [lock.owner] * 3
    assert locks.release(lock) is True
    assert lock.owner not in owners(servers)
    assert None not in owners(servers[:2]), "a stale lock is not ours to free"


def test_is_blocked_by_locks_on_a_majority(servers: list[Server], locks: Redlock) -> None:
    for server in servers[:3]:
        RedisLocks(connect(server.uri)).acquire(["a"], ttl_ms=TTL_MS)

    with pytest.raises(LockBusy):
        locks.acquire(["a"], ttl_ms=TTL_MS)

    assert owners(servers[3:]) == [None] * 2


def test_leaves_a_rivals_lock_alone_when_released_late(
    servers: list[Server], locks: Redlock
) -> None:
    # Longer than five servers of a busy machine take to answer.
    late = locks.acquire(["a"], ttl_ms=500)
    time.sleep(0.55)
    assert not late.is_held
    rival = make_locks(servers).acquire(["a"], ttl_ms=TTL_MS)

    assert locks.release(late) is False

    assert owners(servers) == [rival.owner] * 5


def test_is_released_at_once_and_not_with_the_batch(
    servers: list[Server], locks: Redlock, client: GuardedRedis
) -> None:
    lock = locks.acquire(["a"], ttl_ms=TTL_MS)

    with client.pipeline() as pipeline:
        locks.queue_release(pipeline, lock)

        assert len(pipeline) == 0
    assert owners(servers) == [None] * 5


@pytest.mark.parametrize("error", [None, ZeroDivisionError])
def test_is_held_for_the_length_of_a_with(
    servers: list[Server], locks: Redlock, error: type[Exception] | None
) -> None:
    try:
        with locks.hold(["a"], ttl_ms=TTL_MS) as lock:
            assert owners(servers) == [lock.owner] * 5
            if error:
                raise error
    except ZeroDivisionError:
        pass

    assert owners(servers) == [None] * 5


def test_never_raises_on_the_way_out_of_a_with(servers: list[Server], locks: Redlock) -> None:
    with locks.hold(["a"], ttl_ms=TTL_MS):
        kill(servers)


@pytest.mark.parametrize("down", [0, 2])
def test_never_lets_two_rivals_win(servers: list[Server], rounds: int, down: int) -> None:
    kill(servers[:down])
    holders = dict.fromkeys("abc", 0)
    mutex = threading.Lock()
    seen_twice: list[str] = []

    gives_up_at_s = time.monotonic() + 20 * rounds

    def work(seed: int) -> int:
        chooser = random.Random(seed)
        locks = make_locks(servers)
        wins = 0
        while wins < 5 * rounds and time.monotonic() < gives_up_at_s:
            wanted = chooser.sample(sorted(holders), 2)
            try:
                with locks.hold(wanted, ttl_ms=TTL_MS) as lock:
                    with mutex:
                        for name in wanted:
                            holders[name] += 1
                            if holders[name] > 1:
                                seen_twice.append(name)
                    assert lock.is_held
                    with mutex:
                        for name in wanted:
                            holders[name] -= 1
                wins += 1
            except LockBusy:
                time.sleep(chooser.random() / 100)
        return wins

    with ThreadPoolExecutor(4) as pool:
        wins = list(pool.map(work, range(4)))

    assert seen_twice == []
    assert wins == [5 * rounds] * 4
    assert [connect(server.uri).dbsize() for server in servers[down:]] == [0] * (5 - down)
