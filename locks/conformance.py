"""A suite that every implementation of `Locks` passes. It needs pytest.

    class TestMyLocks(LocksConformance):
        @pytest.fixture
        def servers(self): ...       # what the locks live on; each case begins with it empty

        @pytest.fixture
        def make_locks(self, servers): ...      # a function without arguments that returns a Locks

        @pytest.fixture
        def make_pipeline(self, servers): ...   # a function that returns a GuardedPipeline

        @pytest.fixture
        def lose_name(self, servers): ...       # a function that frees a held name for operators

Every call of `make_locks` stands for another process. `QuorumConformance` has the same cases and
further ones, for locks on several servers of which a minority may fail; `FailoverConformance` is
for locks on a server that another one replaces.

A case waits for events. Times to live are either so long that a lock never runs out in a case, or
so short that waiting for their end takes no time.
"""

import os
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from typing import Protocol, TypeVar

import pytest
from redis.exceptions import RedisError

from locks.clock import now_s
from locks.connection import OPERATION_TIMEOUT_S, GuardedPipeline
from locks.errors import LockBusy, LockError, LockLost
from locks.protocol import Locks
from locks.redis_lock import Lock

Result = TypeVar("Result")
MakeLocks = Callable[[], Locks]
MakePipeline = Callable[[], GuardedPipeline]
LoseName = Callable[[str], None]

# Gets the function that acquires from one server; calls it when it likes, and returns its result.
Around = Callable[[Callable[[], Lock]], Lock]
MakeLocksAround = Callable[[Sequence[Around]], Locks]

# No lock of this length ends while a case runs.
LONG_MS = 600_000

# A lock of this length ends while a case waits for it. Acquiring takes less on a busy machine, too.
SHORT_MS = 400

# What has not come to pass by then never will.
PATIENCE_S = 8


class LockServer(Protocol):
    """A server that cases freeze and kill. It forgets its locks when it is killed."""

    def freeze(self) -> None: ...
    def thaw(self) -> None: ...
    def kill(self) -> None: ...
    def start(self) -> None: ...


Servers = Sequence[LockServer]
ChangeServer = Callable[[LockServer], None]


def eventually(attempt: Callable[[], Result]) -> Result:
    """The result of the first attempt that raises no error of locks or Redis."""
    gives_up_at_s = time.monotonic() + PATIENCE_S
    while True:
        try:
            return attempt()
        except (LockError, RedisError) as error:
            if time.monotonic() > gives_up_at_s:
                raise AssertionError("it never succeeded") from error
            time.sleep(0.01)


def answered(attempt: Callable[[], Result]) -> Result:
    """The result of the first attempt that raises no error of Redis. Connections may be broken."""
    gives_up_at_s = time.monotonic() + PATIENCE_S
    while True:
        try:
            return attempt()
        except RedisError as error:
            if time.monotonic() > gives_up_at_s:
                raise AssertionError("no server answered") from error
            time.sleep(0.01)


@contextmanager
def frozen(servers: Servers) -> Iterator[None]:
    """Servers that receive and do not answer, until the end of the `with`."""
    for server in servers:
        server.freeze()
    try:
        yield
    finally:
        for server in servers:
            server.thaw()


def at_once(ask: Callable[[], Lock]) -> Lock:
    return ask()


def restart(servers: Servers) -> None:
    for server in servers:
        server.kill()
        server.start()


def kill(servers: Servers) -> None:
    for server in servers:
        server.kill()


def connect_to_all(locks: Locks) -> None:
    """Has locks open their connections, so that the next request is sent at once."""
    locks.release(locks.acquire(["connect"], ttl_ms=LONG_MS))


def ends_in_time(locks: Locks, servers: Servers, ask: Callable[[], Lock]) -> bool:
    """Whether a lock ends no later than a server that grants it once it is thawed lets it.

    On a busy machine a request may begin only after that. So there are some tries, of which none
    succeeds if the end is counted from the answer.
    """
    for _ in range(5):
        eventually(lambda: connect_to_all(locks))
        with suppress(RedisError), ThreadPoolExecutor(1) as pool:
            with frozen(servers):
                asking = pool.submit(ask)
                time.sleep(OPERATION_TIMEOUT_S / 4)
                thawed_at_s = now_s()
            lock = asking.result()
            if lock.ends_at_s <= thawed_at_s + LONG_MS / 1000:
                return True
            locks.release(lock)
    return False


def fence_of(locks: Locks, ttl_ms: int = LONG_MS) -> int:
    """Takes the name `a` with a token, lets go of it, and returns the token."""
    lock = eventually(lambda: locks.acquire(["a"], ttl_ms=ttl_ms, fenced=True))
    assert lock.fence is not None
    locks.release(lock)
    return lock.fence


class LocksConformance:
    """What every implementation of `Locks` keeps."""

    @pytest.fixture
    def servers(self) -> Servers:
        raise NotImplementedError("Return the servers of the locks, empty and running.")

    @pytest.fixture
    def make_locks(self) -> MakeLocks:
        raise NotImplementedError("Return a function that makes locks on the servers.")

    @pytest.fixture
    def make_pipeline(self) -> MakePipeline:
        raise NotImplementedError("Return a function that makes a batch for the first server.")

    @pytest.fixture
    def lose_name(self) -> LoseName:
        raise NotImplementedError("Return a function that frees a name although it is held.")

    # One owner, all names or none

    def test_takes_all_names_or_none(self, make_locks: MakeLocks) -> None:
        rival = make_locks()
        make_locks().acquire(["b"], ttl_ms=LONG_MS)

        with pytest.raises(LockBusy) as refused:
            rival.acquire(["a", "b", "c"], ttl_ms=LONG_MS)

        assert refused.value.name == "b"
        rival.acquire(["a", "c"], ttl_ms=LONG_MS)

    def test_refuses_a_rival_until_it_is_released(self, make_locks: MakeLocks) -> None:
        ours, rival = make_locks(), make_locks()
        lock = ours.acquire(["a", "b"], ttl_ms=LONG_MS)

        with pytest.raises(LockBusy):
            rival.acquire(["b", "c"], ttl_ms=LONG_MS)

        assert lock.is_held
        assert ours.release(lock) is True
        assert not lock.is_held
        rival.acquire(["b", "c"], ttl_ms=LONG_MS)

    def test_lets_one_of_many_win(self, make_locks: MakeLocks) -> None:
        every = [make_locks() for _ in range(8)]
        start = threading.Barrier(8)

        def race(locks: Locks) -> bool:
            start.wait()
            with suppress(LockBusy):
                return locks.acquire(["a"], ttl_ms=LONG_MS, wait_ms=1_000).is_held
            return False

        with ThreadPoolExecutor(8) as pool:
            won = list(pool.map(race, every))

        assert won.count(True) == 1

    def test_refuses_no_names_and_impossible_times(self, make_locks: MakeLocks) -> None:
        locks = make_locks()

        with pytest.raises(ValueError, match="at least one"):
            locks.acquire([], ttl_ms=LONG_MS)
        with pytest.raises(ValueError, match="list of names"):
            locks.acquire("room", ttl_ms=LONG_MS)
        with pytest.raises(ValueError, match="above 0 ms"):
            locks.acquire(["a"], ttl_ms=0)
        with pytest.raises(ValueError, match="0 ms or longer"):
            locks.acquire(["a"], ttl_ms=LONG_MS, wait_ms=-1)
        lock = locks.acquire(["a"], ttl_ms=LONG_MS)
        with pytest.raises(ValueError, match="above 0 ms"):
            locks.extend(lock, ttl_ms=0)
        assert lock.is_held

    # Its end

    def test_runs_out(self, make_locks: MakeLocks) -> None:
        rival = make_locks()
        lock = make_locks().acquire(["a"], ttl_ms=SHORT_MS)

        eventually(lambda: rival.acquire(["a"], ttl_ms=LONG_MS))

        assert not lock.is_held, "its owner knows without asking"

    def test_ends_no_later_than_on_the_server(
        self, make_locks: MakeLocks, servers: Servers
    ) -> None:
        locks = make_locks()

        def acquire() -> Lock:
            return locks.acquire(["a"], ttl_ms=LONG_MS)

        assert ends_in_time(locks, servers, acquire)

    def test_ends_no_later_than_on_the_server_when_extended(
        self, make_locks: MakeLocks, servers: Servers
    ) -> None:
        locks = make_locks()

        def extend() -> Lock:
            locks.extend(lock, ttl_ms=LONG_MS)
            return lock

        lock = locks.acquire(["a"], ttl_ms=LONG_MS)
        assert ends_in_time(locks, servers, extend)

    def test_lasts_longer_when_extended(self, make_locks: MakeLocks) -> None:
        ours, rival = make_locks(), make_locks()
        lock = ours.acquire(["a"], ttl_ms=SHORT_MS)
        first_end_s = lock.ends_at_s

        ours.extend(lock, ttl_ms=LONG_MS)
        time.sleep(max(0, first_end_s - now_s()) + SHORT_MS / 1000)

        assert lock.is_held
        with pytest.raises(LockBusy):
            rival.acquire(["a"], ttl_ms=LONG_MS)

    # After it was lost

    def test_releases_only_what_its_owner_holds(self, make_locks: MakeLocks) -> None:
        ours, rival = make_locks(), make_locks()
        late = ours.acquire(["a"], ttl_ms=SHORT_MS)
        eventually(lambda: rival.acquire(["a"], ttl_ms=LONG_MS))

        assert ours.release(late) is False

        with pytest.raises(LockBusy):
            make_locks().acquire(["a"], ttl_ms=LONG_MS)

    def test_extends_only_what_its_owner_holds(self, make_locks: MakeLocks) -> None:
        ours, rival = make_locks(), make_locks()
        late = ours.acquire(["a"], ttl_ms=SHORT_MS)
        eventually(lambda: rival.acquire(["a"], ttl_ms=LONG_MS))

        with pytest.raises(LockLost):
            ours.extend(late, ttl_ms=LONG_MS)

        assert not late.is_held

    def test_does_not_take_by_extending_what_the_servers_forgot(
        self, make_locks: MakeLocks, servers: Servers
    ) -> None:
        ours, rival = make_locks(), make_locks()
        lock = ours.acquire(["a"], ttl_ms=LONG_MS)
        restart(servers)

        with pytest.raises(LockLost):
            answered(lambda: ours.extend(lock, ttl_ms=LONG_MS))

        assert not lock.is_held
        eventually(lambda: rival.acquire(["a"], ttl_ms=LONG_MS))

    def test_frees_the_other_names_when_it_lost_one(
        self, make_locks: MakeLocks, lose_name: LoseName
    ) -> None:
        ours, rival = make_locks(), make_locks()
        lock = ours.acquire(["a", "b"], ttl_ms=LONG_MS)
        lose_name("a")

        with pytest.raises(LockLost):
            ours.extend(lock, ttl_ms=LONG_MS)

        rival.acquire(["b"], ttl_ms=LONG_MS)

    # When no answer comes

    def test_undoes_a_lock_whose_answer_was_lost(
        self, make_locks: MakeLocks, servers: Servers
    ) -> None:
        ours, rival = make_locks(), make_locks()
        connect_to_all(ours)

        with frozen(servers), pytest.raises(RedisError):
            ours.acquire(["a"], ttl_ms=LONG_MS)

        eventually(lambda: rival.acquire(["a"], ttl_ms=LONG_MS))

    def test_ends_no_later_than_a_shorter_extension_without_an_answer(
        self, make_locks: MakeLocks, servers: Servers
    ) -> None:
        """The servers shorten it once they go on, and its owner does not get to know that."""
        ours, rival = make_locks(), make_locks()
        lock = ours.acquire(["a"], ttl_ms=LONG_MS)

        with frozen(servers), pytest.raises(RedisError):
            ours.extend(lock, ttl_ms=SHORT_MS)

        eventually(lambda: rival.acquire(["a"], ttl_ms=LONG_MS))
        assert not lock.is_held

    def test_frees_what_was_extended_without_an_answer(
        self, make_locks: MakeLocks, servers: Servers
    ) -> None:
        """The servers keep it for longer than its owner counts."""
        ours, rival = make_locks(), make_locks()
        lock = ours.acquire(["a"], ttl_ms=4 * SHORT_MS)
        ends_at_s = lock.ends_at_s

        with frozen(servers):
            with pytest.raises(RedisError):
                ours.extend(lock, ttl_ms=LONG_MS)
            with suppress(RedisError):
                assert ours.release(lock) is False
        time.sleep(max(0, ends_at_s - now_s()))
        eventually(lambda: ours.acquire(["b"], ttl_ms=LONG_MS))

        eventually(lambda: rival.acquire(["a"], ttl_ms=LONG_MS))

    def test_makes_up_for_a_release_that_failed(
        self, make_locks: MakeLocks, servers: Servers
    ) -> None:
        ours, rival = make_locks(), make_locks()
        lock = ours.acquire(["a"], ttl_ms=LONG_MS)

        with frozen(servers):
            with pytest.raises(RedisError):
                ours.acquire(["b"], ttl_ms=LONG_MS)
            with suppress(RedisError):  # now the servers are known to be silent
                assert ours.release(lock) is False
            for _ in range(100):
                with pytest.raises(RedisError):
                    ours.acquire(["b"], ttl_ms=LONG_MS)
        eventually(lambda: ours.acquire(["c"], ttl_ms=LONG_MS))

        eventually(lambda: rival.acquire(["a"], ttl_ms=LONG_MS))

    def test_releases_with_a_batch(
        self, make_locks: MakeLocks, make_pipeline: MakePipeline
    ) -> None:
        ours = make_locks()
        lock = ours.acquire(["a"], ttl_ms=LONG_MS)

        pipeline = make_pipeline()
        ours.queue_release(pipeline, lock)
        pipeline.execute()

        assert not lock.is_held
        make_locks().acquire(["a"], ttl_ms=LONG_MS)

    def test_makes_up_for_a_batch_that_failed(
        self, make_locks: MakeLocks, make_pipeline: MakePipeline, servers: Servers
    ) -> None:
        ours, rival = make_locks(), make_locks()
        lock = ours.acquire(["a"], ttl_ms=LONG_MS)

        with frozen(servers):
            with pytest.raises(RedisError):
                ours.acquire(["b"], ttl_ms=LONG_MS)
            pipeline = make_pipeline()
            ours.queue_release(pipeline, lock)
            with suppress(RedisError):
                pipeline.execute()
        eventually(lambda: ours.acquire(["c"], ttl_ms=LONG_MS))

        eventually(lambda: rival.acquire(["a"], ttl_ms=LONG_MS))

    def test_extends_nothing_that_was_released_without_an_answer(
        self, make_locks: MakeLocks, servers: Servers
    ) -> None:
        locks = make_locks()
        lock = locks.acquire(["a"], ttl_ms=LONG_MS)
        with frozen(servers):
            with pytest.raises(RedisError):
                locks.acquire(["b"], ttl_ms=LONG_MS)
            with suppress(RedisError):  # the servers are known to be silent, and not asked
                assert locks.release(lock) is False

        with pytest.raises(LockLost):
            answered(lambda: locks.extend(lock, ttl_ms=LONG_MS))

    # In a `with`

    def test_is_released_at_the_end_of_a_with(self, make_locks: MakeLocks) -> None:
        ours, rival = make_locks(), make_locks()

        with suppress(ZeroDivisionError), ours.hold(["a"], ttl_ms=LONG_MS) as lock:
            assert lock.is_held
            raise ZeroDivisionError

        rival.acquire(["a"], ttl_ms=LONG_MS)

    def test_never_raises_on_the_way_out_of_a_with(
        self, make_locks: MakeLocks, servers: Servers
    ) -> None:
        with make_locks().hold(["a"], ttl_ms=LONG_MS):
            kill(servers)

    # Waiting

    def test_waits_for_its_rivals(self, make_locks: MakeLocks) -> None:
        """The first one never lets go, and each of the others gets its turn."""
        first = make_locks().acquire(["a"], ttl_ms=4 * SHORT_MS)
        every = [make_locks() for _ in range(6)]
        inside: list[Lock] = []
        most_inside = []

        def take_a_turn(locks: Locks) -> None:
            with locks.hold(["a"], ttl_ms=LONG_MS, wait_ms=60_000) as lock:
                inside.append(lock)
                most_inside.append(len(inside))
                inside.remove(lock)

        with ThreadPoolExecutor(len(every)) as pool:
            list(pool.map(take_a_turn, every))

        assert most_inside == [1] * len(every)
        assert not first.is_held

    @pytest.mark.parametrize("wait_ms", [0, 100])
    def test_waits_no_longer_than_it_was_told(self, make_locks: MakeLocks, wait_ms: int) -> None:
        ours, rival = make_locks(), make_locks()
        lock = ours.acquire(["a"], ttl_ms=LONG_MS)

        with ThreadPoolExecutor(1) as pool:
            started_s = time.monotonic()
            waiting = pool.submit(rival.acquire, ["a"], ttl_ms=LONG_MS, wait_ms=wait_ms)
            try:
                refused = waiting.exception(timeout=PATIENCE_S)
                waited_s = time.monotonic() - started_s
            except TimeoutError:
                refused, waited_s = None, PATIENCE_S
            finally:
                ours.release(lock)  # or a thread that waits would never end

        assert isinstance(refused, LockBusy)
        assert waited_s >= wait_ms / 1000

    # Fencing tokens

    def test_has_a_token_only_if_asked(self, make_locks: MakeLocks) -> None:
        locks = make_locks()

        assert locks.acquire(["a"], ttl_ms=LONG_MS).fence is None
        assert locks.acquire(["b"], ttl_ms=LONG_MS, fenced=True).fence is not None
        with pytest.raises(LockBusy):
            locks.acquire(["a", "c"], ttl_ms=LONG_MS, fenced=True)
        with pytest.raises(LockBusy):
            locks.acquire(["b"], ttl_ms=LONG_MS)

    def test_has_rising_tokens_over_releases(self, make_locks: MakeLocks) -> None:
        one, other = make_locks(), make_locks()

        tokens = [fence_of(locks) for _ in range(10) for locks in (one, other)]

        assert tokens == sorted(set(tokens))

    def test_has_rising_tokens_over_the_end_of_a_lock(self, make_locks: MakeLocks) -> None:
        ours, rival = make_locks(), make_locks()
        late = ours.acquire(["a", "b"], ttl_ms=SHORT_MS, fenced=True)

        later = eventually(lambda: rival.acquire(["b", "c"], ttl_ms=LONG_MS, fenced=True))

        assert late.fence is not None
        assert later.fence is not None
        assert later.fence > late.fence

    def test_keeps_its_token_when_extended(self, make_locks: MakeLocks) -> None:
        locks = make_locks()
        lock = locks.acquire(["a"], ttl_ms=LONG_MS, fenced=True)
        token = lock.fence

        locks.extend(lock, ttl_ms=LONG_MS)

        assert lock.fence == token

    def test_has_rising_tokens_after_the_servers_forgot(
        self, make_locks: MakeLocks, servers: Servers
    ) -> None:
        before = [fence_of(make_locks()) for _ in range(3)]
        restart(servers)

        after = [fence_of(make_locks()) for _ in range(3)]

        assert [*before, *after] == sorted({*before, *after})

    # Processes

    def test_works_in_a_child_of_its_process(self, make_locks: MakeLocks) -> None:
        locks = make_locks()
        lock = locks.acquire(["a"], ttl_ms=LONG_MS)

        child = os.fork()
        if child == 0:
            # Whatever happens, the child must not go on with the tests.
            try:
                took = locks.acquire(["b"], ttl_ms=LONG_MS).is_held
                os._exit(0 if took else 1)
            except BaseException:
                os._exit(2)
        _, status = os.waitpid(child, 0)

        assert os.waitstatus_to_exitcode(status) == 0
        with pytest.raises(LockBusy):
            locks.acquire(["b"], ttl_ms=LONG_MS)
        assert locks.release(lock) is True


class QuorumConformance(LocksConformance):
    """What locks on five servers keep besides, of which any two may fail."""

    @pytest.fixture
    def put_ahead(self) -> ChangeServer:
        raise NotImplementedError("Make the next token of one server far higher than the others'.")

    @pytest.fixture
    def forget(self) -> ChangeServer:
        raise NotImplementedError("Have one server forget everything.")

    @pytest.fixture
    def make_locks_around(self) -> MakeLocksAround:
        raise NotImplementedError("Make locks that acquire from each server through its function.")

    def test_works_while_a_minority_is_silent(
        self, make_locks: MakeLocks, servers: Servers
    ) -> None:
        ours, rival = make_locks(), make_locks()

        with frozen(servers[1:3]):
            lock = ours.acquire(["a"], ttl_ms=LONG_MS)
            with pytest.raises(LockBusy):
                rival.acquire(["a"], ttl_ms=LONG_MS)
            ours.extend(lock, ttl_ms=LONG_MS)
            assert ours.release(lock) is True
            rival.acquire(["a"], ttl_ms=LONG_MS)

    def test_keeps_a_lock_that_a_minority_forgot(
        self, make_locks: MakeLocks, servers: Servers
    ) -> None:
        ours, rival = make_locks(), make_locks()
        lock = ours.acquire(["a"], ttl_ms=LONG_MS)

        restart(servers[:2])

        with pytest.raises(LockBusy):
            rival.acquire(["a"], ttl_ms=LONG_MS)
        ours.extend(lock, ttl_ms=LONG_MS)

    def test_cannot_say_while_a_majority_is_dead(
        self, make_locks: MakeLocks, servers: Servers
    ) -> None:
        locks = make_locks()
        lock = locks.acquire(["a"], ttl_ms=LONG_MS)
        ends_at_s = lock.ends_at_s
        kill(servers[:3])

        with pytest.raises(RedisError):
            locks.acquire(["b"], ttl_ms=LONG_MS)
        with pytest.raises(RedisError):
            locks.extend(lock, ttl_ms=2 * LONG_MS)

        assert lock.is_held, "until its earlier end"
        assert lock.ends_at_s == ends_at_s

    def test_tells_its_owner_that_a_majority_forgot(
        self, make_locks: MakeLocks, servers: Servers
    ) -> None:
        locks = make_locks()
        lock = locks.acquire(["a"], ttl_ms=LONG_MS)
        restart(servers[:3])

        with pytest.raises(LockLost):
            answered(lambda: locks.extend(lock, ttl_ms=LONG_MS))

        assert not lock.is_held
        assert locks.acquire(["a"], ttl_ms=LONG_MS).is_held, "the rest of it is in no one's way"

    def test_gives_back_what_too_few_servers_granted(
        self, make_locks: MakeLocks, servers: Servers
    ) -> None:
        ours, rival = make_locks(), make_locks()
        kill(servers[2:])
        with pytest.raises(RedisError):
            ours.acquire(["a"], ttl_ms=LONG_MS)

        servers[2].start()

        eventually(lambda: rival.acquire(["a"], ttl_ms=LONG_MS))

    def test_gives_back_what_a_refused_lock_was_granted(
        self, make_locks: MakeLocks, servers: Servers
    ) -> None:
        """Two servers know only the lock that was refused; then they are needed for a majority."""
        ours, rival, third = make_locks(), make_locks(), make_locks()
        lock = ours.acquire(["a"], ttl_ms=LONG_MS)
        restart(servers[:2])
        with pytest.raises(LockBusy):
            rival.acquire(["a"], ttl_ms=LONG_MS)

        ours.release(lock)
        kill(servers[3:])

        eventually(lambda: third.acquire(["a"], ttl_ms=LONG_MS))

    def test_undoes_what_is_granted_too_late(
        self, make_locks: MakeLocks, make_locks_around: MakeLocksAround
    ) -> None:
        gate = threading.Event()
        granted = threading.Barrier(4)

        def late(ask: Callable[[], Lock]) -> Lock:
            gate.wait(PATIENCE_S)
            lock = ask()
            granted.wait(PATIENCE_S)
            return lock

        locks = make_locks_around([late, late, late, at_once, at_once])
        with pytest.raises(RedisError):
            locks.acquire(["a"], ttl_ms=LONG_MS)

        gate.set()
        granted.wait(PATIENCE_S)

        eventually(lambda: make_locks().acquire(["a"], ttl_ms=LONG_MS))

    def test_counts_on_no_server_whose_grant_was_not_seen(
        self, make_locks: MakeLocks, servers: Servers, make_locks_around: MakeLocksAround
    ) -> None:
        """That server is about to release the lock, and might do so after it was extended."""

        def unseen(ask: Callable[[], Lock]) -> Lock:
            ask()
            raise RedisError("The connection broke before the answer.")

        locks = make_locks_around([unseen, *[at_once] * 4])
        lock = locks.acquire(["a"], ttl_ms=LONG_MS)

        with frozen(servers[3:]), pytest.raises(RedisError):
            locks.extend(lock, ttl_ms=LONG_MS)

    def test_makes_up_for_a_release_after_many_locks_of_others(
        self, make_locks: MakeLocks, servers: Servers
    ) -> None:
        """The servers that fell silent are needed later, and did not grant the many."""
        ours, rival = make_locks(), make_locks()
        lock = ours.acquire(["a"], ttl_ms=LONG_MS)

        with frozen(servers[:2]):
            ours.release(ours.acquire(["b"], ttl_ms=LONG_MS))
            ours.release(lock)  # two servers are known to be silent, and not asked
            for _ in range(100):
                ours.release(ours.acquire(["b"], ttl_ms=LONG_MS))
        # Now the silent ones are needed, and release what was left as soon as they are asked.
        for server in servers[3:]:
            server.kill()
        eventually(lambda: ours.acquire(["c"], ttl_ms=LONG_MS))

        eventually(lambda: rival.acquire(["a"], ttl_ms=LONG_MS))

    def test_asks_all_servers_at_the_same_time(self, make_locks_around: MakeLocksAround) -> None:
        asked = threading.Barrier(5)

        def meet(ask: Callable[[], Lock]) -> Lock:
            try:
                asked.wait(OPERATION_TIMEOUT_S)
            except threading.BrokenBarrierError as error:
                raise RedisError("The others were not asked meanwhile.") from error
            return ask()

        assert make_locks_around([meet] * 5).acquire(["a"], ttl_ms=LONG_MS).is_held

    def test_ends_sooner_by_the_drift_of_clocks(self, make_locks: MakeLocks) -> None:
        locks = make_locks()
        asked_at_s = now_s()

        lock = locks.acquire(["a"], ttl_ms=LONG_MS)

        assert lock.ends_at_s <= asked_at_s + 0.999 * LONG_MS / 1000

    def test_has_rising_tokens_where_one_server_is_ahead(
        self,
        make_locks: MakeLocks,
        servers: Servers,
        put_ahead: ChangeServer,
    ) -> None:
        """The second majority has one server in common with the first, and not the one ahead."""
        put_ahead(servers[0])
        kill(servers[3:])
        first = fence_of(make_locks())
        for server in servers[3:]:
            server.start()
        kill(servers[:2])

        second = fence_of(make_locks())

        assert second > first

    def test_has_no_token_of_servers_that_lost_the_lock(
        self,
        servers: Servers,
        put_ahead: ChangeServer,
        forget: ChangeServer,
        make_locks_around: MakeLocksAround,
    ) -> None:
        """Three servers forget their grants before the highest token is written back to them.

        A later lock may have been granted there before that, and would not know the token.
        """

        def then_forget(server: LockServer) -> Around:
            def around(ask: Callable[[], Lock]) -> Lock:
                lock = ask()
                forget(server)
                return lock

            return around

        put_ahead(servers[4])
        locks = make_locks_around([*map(then_forget, servers[:3]), at_once, at_once])

        with pytest.raises(RedisError):
            locks.acquire(["a"], ttl_ms=LONG_MS, fenced=True)


class FailoverConformance:
    """What locks keep on a server that another one replaces."""

    @pytest.fixture
    def make_locks(self) -> MakeLocks:
        raise NotImplementedError("Return a function that makes locks on the present primary.")

    @pytest.fixture
    def fail_over(self) -> Callable[[], None]:
        raise NotImplementedError("Have a replica take over that has not seen the last locks.")

    def test_has_rising_tokens_over_a_failover(
        self, make_locks: MakeLocks, fail_over: Callable[[], None]
    ) -> None:
        before = [fence_of(make_locks()) for _ in range(3)]

        fail_over()
        after = [fence_of(make_locks()) for _ in range(3)]

        assert [*before, *after] == sorted({*before, *after})
