"""Every guard of the locks: how it is switched off, and which case of conformance then fails."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from types import SimpleNamespace
from typing import Any

import pytest
from redis.exceptions import RedisError

from locks import at_once, conformance, redis_lock, redlock
from locks.clock import now_s
from locks.connection import GuardedPipeline, GuardedRedis
from locks.errors import LockBusy
from locks.redis_lock import Lock, RedisLocks
from locks.redlock import Redlock
from locks.scripts import script

Patch = pytest.MonkeyPatch


@dataclass(frozen=True)
class Guard:
    """A guard of one kind of locks (see `tests.locks.kinds`)."""

    name: str
    kind: str
    switch_off: Callable[[Patch], None]
    case: str

    def __str__(self) -> str:
        return f"{self.kind}: {self.name}"


def scripts(name: str, old: str, new: str) -> Callable[[Patch], None]:
    """Replaces a part of a script."""
    text = script(name)
    assert text.count(old) == 1, f"{name}.lua has changed"

    def switch_off(patch: Patch) -> None:
        changed = text.replace(old, new)
        patch.setattr(redis_lock, "script", lambda one: changed if one == name else script(one))

    return switch_off


def attribute(owner: object, name: str, value: object) -> Callable[[Patch], None]:
    return lambda patch: patch.setattr(owner, name, value)


def acquire_name_by_name(patch: Patch) -> None:
    one_loop = """
    for position, key in ipairs(KEYS) do
      if redis.call('EXISTS', key) == 1 then return position end
      redis.call('SET', key, ARGV[1], 'PX', ARGV[2])
    end
    return 0
    """
    patch.setattr(redis_lock, "script", lambda one: one_loop if one == "acquire" else script(one))


def execute_without_undo(client: GuardedRedis, command: Any, *, undo: Any) -> Any:
    return client.execute_command(*command)


def end_counted_from_the_answer(kind: type) -> Callable[[Patch], None]:
    acquire = kind._acquire_once  # type: ignore[attr-defined]

    def acquire_once(self: Any, names: Any, ttl_ms: int, *others: Any) -> Lock:
        lock: Lock = acquire(self, names, ttl_ms, *others)
        lock.ends_at_s = now_s() + ttl_ms / 1000
        return lock

    return attribute(kind, "_acquire_once", acquire_once)


def extended_end_counted_from_the_answer(kind: type) -> Callable[[Patch], None]:
    extend = kind.extend  # type: ignore[attr-defined]

    def extend_then_count(self: Any, lock: Lock, *, ttl_ms: int) -> None:
        extend(self, lock, ttl_ms=ttl_ms)
        lock.ends_at_s = now_s() + ttl_ms / 1000

    return attribute(kind, "extend", extend_then_count)


def end_known_from_the_answer_only(kind: type) -> Callable[[Patch], None]:
    extend = kind.extend  # type: ignore[attr-defined]

    def extend_or_keep_the_end(self: Any, lock: Lock, *, ttl_ms: int) -> None:
        ends_at_s = lock.ends_at_s
        try:
            extend(self, lock, ttl_ms=ttl_ms)
        except RedisError:
            lock.ends_at_s = ends_at_s
            raise

    return attribute(kind, "extend", extend_or_keep_the_end)


def forget_what_is_left_at_its_end(patch: Patch) -> None:
    free_left = RedisLocks._free_left

    def free_what_counts(self: RedisLocks) -> None:
        for lock in tuple(self._left):
            if now_s() >= lock.ends_at_s:
                self._left.remove(lock)
        free_left(self)

    patch.setattr(RedisLocks, "_free_left", free_what_counts)


def wait_for_ever(wait_ms: int, try_once: Callable[[], Lock]) -> Lock:
    while True:
        try:
            return try_once()
        except LockBusy:
            time.sleep(0.01)


def try_once_only(wait_ms: int, try_once: Callable[[], Lock]) -> Lock:
    return try_once()


@contextmanager
def hold_and_raise(self: Any, names: Any, *, ttl_ms: int) -> Iterator[Lock]:
    lock = self.acquire(names, ttl_ms=ttl_ms)
    try:
        yield lock
    finally:
        self.release(lock)


@contextmanager
def hold_until_it_runs_out(self: Any, names: Any, *, ttl_ms: int) -> Iterator[Lock]:
    yield self.acquire(names, ttl_ms=ttl_ms)


def highest_of_the_majority(self: Redlock, wanted: Lock, granted: list[Any]) -> bool:
    """The highest token, which is not written back."""
    wanted.fence = max(answer.value.fence for answer in granted)
    return True


def do_without_agreement(patch: Patch) -> None:
    agree = Redlock._agree

    def write_back_and_go_on(self: Redlock, wanted: Lock, granted: list[Any]) -> bool:
        agree(self, wanted, granted)
        return True

    patch.setattr(Redlock, "_agree", write_back_and_go_on)


def majority_of(number: int) -> Callable[[Patch], None]:
    make = Redlock.__init__

    def make_with(self: Redlock, servers: Any) -> None:
        make(self, servers)
        self._majority = number

    return attribute(Redlock, "__init__", make_with)


def keep_what_was_granted(patch: Patch) -> None:
    """A lock that was not won is released nowhere."""
    release = Redlock._release

    def release_the_won(self: Redlock, lock: Lock, servers: Any) -> bool:
        return lock.granted_by is not None and release(self, lock, servers)

    patch.setattr(Redlock, "_release", release_the_won)


def give_back_everywhere(patch: Patch) -> None:
    release = Redlock._release

    def release_everywhere(self: Redlock, lock: Lock, servers: Any) -> bool:
        return release(self, lock, self._all)

    patch.setattr(Redlock, "_release", release_everywhere)


def accept_any_time(patch: Patch) -> None:
    for module in (redis_lock, redlock):
        patch.setattr(module, "check_ttl_ms", lambda ttl_ms: None)


def extend_what_was_released(patch: Patch) -> None:
    for module in (redis_lock, redlock):
        patch.setattr(module, "check_not_released", lambda lock: None)


def no_drift(patch: Patch) -> None:
    patch.setattr(redlock, "DRIFT_FACTOR", 0)
    patch.setattr(redlock, "DRIFT_MS", 0)


def of_each(kind: str) -> list[Guard]:
    """Guards that both kinds have."""
    own: type = {"one": RedisLocks, "quorum": Redlock}[kind]
    module = {"one": redis_lock, "quorum": redlock}[kind]
    holds = "if redis.pcall('GET', key) == ARGV[1] then"
    misses = "if redis.pcall('GET', key) ~= ARGV[1] then"
    taken = "if redis.call('EXISTS', key) == 1 then"
    taken_fenced = "if redis.call('EXISTS', KEYS[position]) == 1 then"
    return [
        Guard(name, kind, switch_off, f"test_{case}")
        for name, switch_off, case in [
            (
                "a held name is refused",
                scripts("acquire", taken, "if false then"),
                "refuses_a_rival_until_it_is_released",
            ),
            (
                "a held name is refused to the second thread",
                scripts("acquire", taken, "if false then"),
                "lets_one_of_many_win",
            ),
            (
                "a held name is refused where tokens are drawn",
                scripts("acquire_fenced", taken_fenced, "if false then"),
                "has_a_token_only_if_asked",
            ),
            (
                "a lock has an end",
                scripts("acquire", ", 'PX', ARGV[2]", ""),
                "runs_out",
            ),
            (
                "a lock with a token has an end",
                scripts("acquire_fenced", ", 'PX', ARGV[2]", ""),
                "has_rising_tokens_over_the_end_of_a_lock",
            ),
            (
                "its owner knows the end",
                attribute(Lock, "is_held", property(lambda lock: not lock.released)),
                "runs_out",
            ),
            (
                "the end is counted from before asking",
                end_counted_from_the_answer(own),
                "ends_no_later_than_on_the_server",
            ),
            (
                "the end of an extension is counted from before asking",
                extended_end_counted_from_the_answer(own),
                "ends_no_later_than_on_the_server_when_extended",
            ),
            (
                "the server extends, too",
                scripts("extend", "redis.call('PEXPIRE', key, ARGV[2])", ""),
                "lasts_longer_when_extended",
            ),
            (
                "only the owner releases",
                scripts("release", holds, "if true then"),
                "releases_only_what_its_owner_holds",
            ),
            (
                "only the owner extends",
                scripts("extend", misses, "if redis.call('EXISTS', key) == 0 then"),
                "extends_only_what_its_owner_holds",
            ),
            (
                "what is gone is not extended",
                scripts(
                    "extend",
                    "redis.pcall('GET', key) ~= ARGV[1]",
                    "not redis.call('SET', key, ARGV[1], 'NX') "
                    "and redis.call('GET', key) ~= ARGV[1]",
                ),
                "does_not_take_by_extending_what_the_servers_forgot",
            ),
            (
                "the rest of a lost lock is released",
                attribute(RedisLocks, "release", lambda self, lock: False),
                "frees_the_other_names_when_it_lost_one",
            ),
            (
                "impossible times are refused",
                accept_any_time,
                "refuses_no_names_and_impossible_times",
            ),
            (
                "a release follows a request without an answer",
                attribute(GuardedRedis, "execute_or_undo", execute_without_undo),
                "undoes_a_lock_whose_answer_was_lost",
            ),
            (
                "a failed release is made up for",
                attribute(RedisLocks, "_free_left", lambda self: None),
                "makes_up_for_a_release_that_failed",
            ),
            (
                "an extension may count before its answer comes",
                end_known_from_the_answer_only(own),
                "ends_no_later_than_a_shorter_extension_without_an_answer",
            ),
            (
                "what is left is released even after its end",
                forget_what_is_left_at_its_end,
                "frees_what_was_extended_without_an_answer",
            ),
            (
                "what was released is not extended",
                extend_what_was_released,
                "extends_nothing_that_was_released_without_an_answer",
            ),
            (
                "a `with` releases",
                attribute(own, "hold", hold_until_it_runs_out),
                "is_released_at_the_end_of_a_with",
            ),
            (
                "waiting tries again",
                attribute(module, "acquire_within", try_once_only),
                "waits_for_its_rivals",
            ),
            (
                "waiting has a bound",
                attribute(module, "acquire_within", wait_for_ever),
                "waits_no_longer_than_it_was_told",
            ),
            (
                "tokens come from a counter",
                scripts(
                    "acquire_fenced",
                    "math.max(last + 1, clock_us)",
                    "time[1] * 1000000",
                ),
                "has_rising_tokens_over_releases",
            ),
            (
                "tokens are no less than the clock",
                scripts("acquire_fenced", "math.max(last + 1, clock_us)", "last + 1"),
                "has_rising_tokens_after_the_servers_forgot",
            ),
        ]
    ]


ONE = [
    Guard(
        "no name is taken before all are free",
        "one",
        acquire_name_by_name,
        "test_takes_all_names_or_none",
    ),
    Guard(
        "a failed batch is made up for",
        "one",
        attribute(GuardedPipeline, "if_failed", lambda self, then: None),
        "test_makes_up_for_a_batch_that_failed",
    ),
    Guard(
        "a batch releases",
        "one",
        scripts("release", "freed = freed + redis.call('DEL', key)", ""),
        "test_releases_with_a_batch",
    ),
    Guard(
        "leaving a `with` raises nothing",
        "one",
        attribute(RedisLocks, "hold", hold_and_raise),
        "test_never_raises_on_the_way_out_of_a_with",
    ),
]

WRITTEN_BACK = "has_no_token_of_servers_that_lost_the_lock"

QUORUM = [
    Guard(name, "quorum", switch_off, f"test_{case}")
    for name, switch_off, case in [
        ("a minority may fail", majority_of(5), "works_while_a_minority_is_silent"),
        ("a minority may forget", majority_of(5), "keeps_a_lock_that_a_minority_forgot"),
        ("a majority must grant", majority_of(1), "cannot_say_while_a_majority_is_dead"),
        ("a majority must extend", majority_of(1), "tells_its_owner_that_a_majority_forgot"),
        (
            "too few grants are given back",
            keep_what_was_granted,
            "gives_back_what_too_few_servers_granted",
        ),
        (
            "a refused lock gives back",
            keep_what_was_granted,
            "gives_back_what_a_refused_lock_was_granted",
        ),
        (
            "only what was granted is given back",
            give_back_everywhere,
            "makes_up_for_a_release_that_failed",
        ),
        (
            "only servers that granted a lock extend it",
            attribute(Redlock, "_servers_of", lambda self, lock: self._all),
            "counts_on_no_server_whose_grant_was_not_seen",
        ),
        (
            "only servers that granted a lock release it",
            attribute(Redlock, "_servers_of", lambda self, lock: self._all),
            "makes_up_for_a_release_after_many_locks_of_others",
        ),
        (
            "a late grant is given back",
            attribute(at_once, "_tell_late", lambda *args: None),
            "undoes_what_is_granted_too_late",
        ),
        (
            "all servers are asked at once",
            attribute(at_once.AtOnce, "_begin", lambda self, *call: at_once._run_here(*call)),
            "asks_all_servers_at_the_same_time",
        ),
        (
            "each process has its threads",
            attribute(at_once, "os", SimpleNamespace(getpid=lambda: 1)),
            "works_in_a_child_of_its_process",
        ),
        ("clocks may drift", no_drift, "ends_sooner_by_the_drift_of_clocks"),
        (
            "the highest token is written back",
            attribute(Redlock, "_agree", highest_of_the_majority),
            "has_rising_tokens_where_one_server_is_ahead",
        ),
        ("a majority agrees to a token", do_without_agreement, WRITTEN_BACK),
        (
            "only servers that hold the lock agree to a token",
            scripts(
                "raise_fence",
                "if redis.call('GET', KEYS[position]) ~= ARGV[1] then",
                "if false then",
            ),
            WRITTEN_BACK,
        ),
    ]
]

GUARDS = [*of_each("one"), *of_each("quorum"), *ONE, *QUORUM]

CASES = {"one": conformance.LocksConformance, "quorum": conformance.QuorumConformance}
