"""Locks on one Redis: the promises of `locks/redis_lock.py`, on a real server."""

from __future__ import annotations

import os
import random
import socket
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from redis.exceptions import ResponseError

from local.servers import Server
from locks.clock import now_s
from locks.connection import GuardedRedis, connect
from locks.errors import LockBusy, LockLost
from locks.redis_lock import MAX_TTL_MS, RedisLocks

pytestmark = pytest.mark.redis

TTL_MS = 10_000


@pytest.fixture
def locks(client: GuardedRedis) -> RedisLocks:
    return RedisLocks(client)


def test_takes_several_names_at_once(locks: RedisLocks, client: GuardedRedis) -> None:
    lock = locks.acquire(["b", "a", "c"], ttl_ms=TTL_MS)

    assert lock.is_held
    assert lock.names == ("a", "b", "c")
    assert {client.get(f"lock:{name}") for name in "abc"} == {lock.owner.encode()}
    assert all(TTL_MS - 1000 < client.pttl(f"lock:{name}") <= TTL_MS for name in "abc")


def test_takes_none_when_one_is_held(locks: RedisLocks, client: GuardedRedis) -> None:
    locks.acquire(["b"], ttl_ms=TTL_MS)

    with pytest.raises(LockBusy, match="^b$"):
        locks.acquire(["a", "b", "c"], ttl_ms=TTL_MS)

    assert sorted(client.keys()) == [b"lock:b"]


def test_takes_all_names_in_one_round_trip(own_redis: Server) -> None:
    # A separate server, since the counters are the whole server's.
    client = connect(own_redis.uri)
    locks = RedisLocks(client)
    names = [f"name {number}" for number in range(300)]
    calls_before = _round_trips(client)

    lock = locks.acquire(names, ttl_ms=TTL_MS)
    locks.extend(lock, ttl_ms=TTL_MS)
    locks.release(lock)

    assert _round_trips(client) - calls_before == 3
    assert client.dbsize() == 0

    locks.release(locks.acquire(names, ttl_ms=TTL_MS, fenced=True))

    assert _round_trips(client) - calls_before == 5


def _round_trips(client: GuardedRedis) -> int:
    return client.info("commandstats").get("cmdstat_eval", {"calls": 0})["calls"]


def test_counts_a_name_given_twice_once(locks: RedisLocks, client: GuardedRedis) -> None:
    lock = locks.acquire(["a", "a", "b"], ttl_ms=TTL_MS)

    assert lock.names == ("a", "b")
    assert locks.release(lock) is True
    assert client.dbsize() == 0


def test_refuses_to_lock_nothing(locks: RedisLocks) -> None:
    with pytest.raises(ValueError, match="at least one"):
        locks.acquire([], ttl_ms=TTL_MS)


def test_refuses_a_text_in_place_of_a_list(locks: RedisLocks, client: GuardedRedis) -> None:
    """It would lock the letters, which no one else asks for."""
    with pytest.raises(ValueError, match=r"Give a list of names to lock, such as \['room:7'\]"):
        locks.acquire("room:7", ttl_ms=TTL_MS)
    assert client.dbsize() == 0


@pytest.mark.parametrize("name", ["", None, 7, b"a", ["a"]])
def test_refuses_a_name_that_is_no_text(locks: RedisLocks, client: GuardedRedis, name: Any) -> None:
    with pytest.raises(ValueError, match="a text that is not empty"):
        locks.acquire(["a", name], ttl_ms=TTL_MS)
    assert client.dbsize() == 0


def test_takes_names_in_any_collection(locks: RedisLocks) -> None:
    for names in (("b", "a"), {"b", "a"}, {"b": 1, "a": 2}.keys()):
        lock = locks.acquire(names, ttl_ms=TTL_MS)
        assert lock.names == ("a", "b")
        locks.release(lock)


def test_lasts_thirty_days_at_most(locks: RedisLocks) -> None:
    locks.release(locks.acquire(["a"], ttl_ms=MAX_TTL_MS))

    with pytest.raises(ValueError, match="up to 2592000000 ms"):
        locks.acquire(["a"], ttl_ms=MAX_TTL_MS + 1)


@pytest.mark.parametrize("ttl_ms", [0, -1, 1.5, 1000.0, "1000", True, None])
def test_refuses_a_time_to_live_that_is_none(
    locks: RedisLocks, client: GuardedRedis, ttl_ms: Any
) -> None:
    with pytest.raises(ValueError, match="above 0 ms"):
        locks.acquire(["a"], ttl_ms=ttl_ms)
    assert client.dbsize() == 0

    lock = locks.acquire(["a"], ttl_ms=TTL_MS)
    with pytest.raises(ValueError, match="above 0 ms"):
        locks.extend(lock, ttl_ms=ttl_ms)
    assert client.pttl("lock:a") > TTL_MS - 1000, "the lock is as it was"


def test_is_taken_again_once_released(locks: RedisLocks) -> None:
    lock = locks.acquire(["a"], ttl_ms=TTL_MS)

    assert locks.release(lock) is True

    assert not lock.is_held
    assert locks.acquire(["a"], ttl_ms=TTL_MS).is_held


def test_is_taken_again_once_it_ran_out(locks: RedisLocks) -> None:
    lock = locks.acquire(["a"], ttl_ms=40)

    time.sleep(0.06)

    assert not lock.is_held, "its holder knows without asking"
    assert locks.acquire(["a"], ttl_ms=TTL_MS).is_held


def test_ends_while_its_machine_is_suspended(
    locks: RedisLocks, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Redis elsewhere goes on meanwhile, and a clock of Linux, which is not the monotonic one."""
    lock = locks.acquire(["a"], ttl_ms=TTL_MS)
    read_clock = time.clock_gettime

    def after_an_hour_suspended(clock: int) -> float:
        return read_clock(clock) + (3600 if clock == time.CLOCK_BOOTTIME else 0)

    monkeypatch.setattr(time, "clock_gettime", after_an_hour_suspended)

    assert not lock.is_held
    assert locks.acquire(["b"], ttl_ms=TTL_MS).is_held


def test_counts_its_end_from_before_it_asked(own_redis: Server) -> None:
    """The server counts from the moment of the grant, and its answer may take a while."""
    locks = RedisLocks(connect(own_redis.uri))
    locks.held()  # connects
    own_redis.freeze()
    threading.Timer(0.1, own_redis.thaw).start()

    before_s = now_s()
    lock = locks.acquire(["a"], ttl_ms=1000)
    answered_s = now_s()

    assert answered_s - before_s > 0.09
    assert before_s + 1.0 <= lock.ends_at_s < answered_s + 0.95


def test_leaves_a_rivals_lock_alone_when_released_late(
    locks: RedisLocks, client: GuardedRedis
) -> None:
    late = locks.acquire(["a", "b"], ttl_ms=30)
    time.sleep(0.05)
    rival = locks.acquire(["a"], ttl_ms=TTL_MS)

    assert locks.release(late) is False

    assert client.get("lock:a") == rival.owner.encode()
    assert rival.is_held
    with pytest.raises(LockBusy):
        locks.acquire(["a"], ttl_ms=TTL_MS)


def test_leaves_a_rivals_lock_alone_when_released_late_in_a_batch(
    locks: RedisLocks, client: GuardedRedis
) -> None:
    late = locks.acquire(["a"], ttl_ms=30)
    time.sleep(0.05)
    rival = locks.acquire(["a"], ttl_ms=TTL_MS)

    with client.pipeline(transaction=False) as pipeline:
        locks.queue_release(pipeline, late)
        freed = pipeline.execute()

    assert freed == [0]
    assert client.get("lock:a") == rival.owner.encode()


def test_is_released_in_a_batch(locks: RedisLocks, client: GuardedRedis) -> None:
    lock = locks.acquire(["a", "b"], ttl_ms=TTL_MS)

    with client.pipeline(transaction=False) as pipeline:
        pipeline.set("answer", "x")
        locks.queue_release(pipeline, lock)
        results = pipeline.execute()

    assert results == [True, 2]
    assert not lock.is_held
    assert client.keys() == [b"answer"]


def test_lasts_longer_when_extended(locks: RedisLocks, client: GuardedRedis) -> None:
    lock = locks.acquire(["a", "b"], ttl_ms=60)

    locks.extend(lock, ttl_ms=TTL_MS)
    time.sleep(0.08)

    assert lock.is_held
    assert client.pttl("lock:a") > TTL_MS - 1000
    assert client.pttl("lock:b") > TTL_MS - 1000


def test_tells_its_holder_that_it_was_lost(locks: RedisLocks, client: GuardedRedis) -> None:
    lock = locks.acquire(["a", "b"], ttl_ms=TTL_MS)
    client.delete("lock:b")

    with pytest.raises(LockLost):
        locks.extend(lock, ttl_ms=TTL_MS * 2)

    assert not lock.is_held
    assert client.pttl("lock:a") <= TTL_MS, "what is left of it was not extended"


def test_does_not_extend_what_went_to_a_rival(locks: RedisLocks, client: GuardedRedis) -> None:
    late = locks.acquire(["a"], ttl_ms=30)
    time.sleep(0.05)
    locks.acquire(["a"], ttl_ms=1000)

    with pytest.raises(LockLost):
        locks.extend(late, ttl_ms=TTL_MS)

    assert client.pttl("lock:a") <= 1000


def test_is_held_for_the_length_of_a_with(locks: RedisLocks, client: GuardedRedis) -> None:
    with locks.hold(["a"], ttl_ms=TTL_MS) as lock:
        assert lock.is_held
        assert client.exists("lock:a")

    assert not client.exists("lock:a")


def test_is_released_when_the_work_fails(locks: RedisLocks, client: GuardedRedis) -> None:
    with pytest.raises(ZeroDivisionError), locks.hold(["a"], ttl_ms=TTL_MS):
        raise ZeroDivisionError

    assert not client.exists("lock:a")


def test_never_raises_on_the_way_out_of_a_with(own_redis: Server) -> None:
    locks = RedisLocks(connect(own_redis.uri))

    with locks.hold(["a"], ttl_ms=TTL_MS):
        own_redis.kill()


def test_lists_what_is_held(locks: RedisLocks, client: GuardedRedis) -> None:
    locks.acquire(["b|2027-02-15|room_A"], ttl_ms=TTL_MS)
    locks.acquire(["a"], ttl_ms=5_000)
    client.set("lock:foreign", "somebody")
    client.rpush("lock:list", "not a lock")
    client.set("other", "key")

    a, b, foreign = locks.held()

    assert (a.name, b.name, foreign.name) == ("a", "b|2027-02-15|room_A", "foreign")
    assert a.owner == b.owner == f"{socket.gethostname()}:{os.getpid()}"
    assert 4_000 < a.expires_in_ms <= 5_000 < b.expires_in_ms <= TTL_MS
    assert a.held_for_ms is not None
    assert 0 <= a.held_for_ms < 1000
    assert (foreign.owner, foreign.held_for_ms) == ("somebody", None)


@pytest.mark.parametrize("prefix", ["lock:", "f", ""])
def test_lists_no_counter_of_tokens(client: GuardedRedis, prefix: str) -> None:
    locks = RedisLocks(client, prefix=prefix)

    lock = locks.acquire(["a"], ttl_ms=TTL_MS, fenced=True)

    assert client.hget(f"fence:{prefix}", "last") == str(lock.fence).encode()
    assert client.ttl(f"fence:{prefix}") == -1, "the counter stays"
    assert [held.name for held in locks.held()] == ["a"]


def test_counts_on_where_tokens_are_ahead_of_the_clock(
    locks: RedisLocks, client: GuardedRedis
) -> None:
    """Every token is exact: numbers of scripts are, up to 2^53."""
    client.hset("fence:lock:", "last", 2**53 - 3)

    tokens = [locks.acquire([name], ttl_ms=TTL_MS, fenced=True).fence for name in "ab"]

    assert tokens == [2**53 - 2, 2**53 - 1]
    assert client.hget("fence:lock:", "last") == str(2**53 - 1).encode()


@pytest.mark.parametrize("counter", ["a string", {"last": "no number"}])
def test_takes_no_name_if_no_token_can_be_drawn(
    locks: RedisLocks, client: GuardedRedis, counter: str | dict[str, str]
) -> None:
    """A script that fails keeps what it has written."""
    if isinstance(counter, str):
        client.set("fence:lock:", counter)
    else:
        client.hset("fence:lock:", mapping=counter)

    with pytest.raises(ResponseError):
        locks.acquire(["a"], ttl_ms=TTL_MS, fenced=True)

    assert client.keys() == [b"fence:lock:"]


@pytest.mark.parametrize("is_extended", [False, True])
def test_frees_its_other_names_where_one_is_no_lock_any_more(
    locks: RedisLocks, client: GuardedRedis, is_extended: bool
) -> None:
    lock = locks.acquire(["a", "b"], ttl_ms=TTL_MS)
    client.delete("lock:a")
    client.rpush("lock:a", "of another program")

    if is_extended:
        with pytest.raises(LockLost):
            locks.extend(lock, ttl_ms=TTL_MS)
    else:
        assert locks.release(lock) is False

    assert client.keys() == [b"lock:a"]
    assert locks.acquire(["b"], ttl_ms=TTL_MS).is_held, "nothing is left to release"


def test_lists_nothing_when_nothing_is_held(locks: RedisLocks) -> None:
    assert locks.held() == []


def test_is_broken_by_an_operator_who_learns_whose_it_was(locks: RedisLocks) -> None:
    lock = locks.acquire(["a", "b"], ttl_ms=TTL_MS)

    broken = locks.break_lock("a")

    assert broken is not None
    assert broken.owner == f"{socket.gethostname()}:{os.getpid()}"
    assert locks.break_lock("a") is None
    rival = locks.acquire(["a"], ttl_ms=TTL_MS)
    with pytest.raises(LockLost):
        locks.extend(lock, ttl_ms=TTL_MS)
    assert rival.is_held


def test_never_deadlocks_and_never_lets_two_win(client: GuardedRedis, rounds: int) -> None:
    """Threads take overlapping sets in different orders for a while; every name has one holder."""
    names = [f"room_{number}" for number in range(5)]
    holders: dict[str, int] = dict.fromkeys(names, 0)
    mutex = threading.Lock()
    seen_twice: list[str] = []

    gives_up_at_s = time.monotonic() + 20 * rounds

    def work(seed: int) -> int:
        chooser = random.Random(seed)
        locks = RedisLocks(client)
        wins = 0
        while wins < 20 * rounds and time.monotonic() < gives_up_at_s:
            wanted = chooser.sample(names, 3)
            try:
                with locks.hold(wanted, ttl_ms=TTL_MS):
                    with mutex:
                        for name in wanted:
                            holders[name] += 1
                            if holders[name] > 1:
                                seen_twice.append(name)
                    time.sleep(0.0005)
                    with mutex:
                        for name in wanted:
                            holders[name] -= 1
                wins += 1
            except LockBusy:
                time.sleep(chooser.random() / 1000)
        return wins

    with ThreadPoolExecutor(8) as pool:
        wins = list(pool.map(work, range(8)))

    assert seen_twice == []
    assert wins == [20 * rounds] * 8, "every thread got its turns"
    assert client.dbsize() == 0, "nothing is left locked"


def test_lets_exactly_one_of_many_win(client: GuardedRedis) -> None:
    start = threading.Barrier(16)

    def race(_: int) -> bool:
        start.wait()
        try:
            RedisLocks(client).acquire(["a", "b"], ttl_ms=TTL_MS)
        except LockBusy:
            return False
        return True

    with ThreadPoolExecutor(16) as pool:
        won = list(pool.map(race, range(16)))

    assert won.count(True) == 1
