"""Locks on a majority of several independent Redis servers, so that a minority may fail.

The algorithm is Redlock, which the Redis documentation describes under "Distributed Locks with
Redis". Ask every server for the same names under one owner. The lock is held if a majority granted
it and time is left; otherwise release it everywhere.

Like any lock with a time to live it does not make writes safe: a server that restarts empty, a
clock that jumps or an owner that sleeps can let two owners in. So the database guards whatever must
not happen twice: by an index, or by comparing fencing tokens.

A fencing token is the highest of those that the servers drew. Before the lock counts as held, the
token is written to a majority of servers *which still hold the lock*. A later lock on one of its
names gets that name on one of these servers, after the token was written there, so its own token is
higher. Without writing back, only the server that drew it would know, and the next majority may do
without that server (docs/decisions/0066-locks-as-a-layer.md).
"""

import dataclasses
import logging
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress

from redis.exceptions import RedisError

from locks.at_once import AtOnce, ServerAnswer
from locks.clock import now_s
from locks.connection import GuardedPipeline, RedisUnavailable
from locks.errors import LockBusy, LockLost
from locks.redis_lock import (
    Lock,
    RedisLocks,
    check_not_released,
    check_ttl_ms,
    in_order,
    new_owner,
)
from locks.waiting import acquire_within

logger = logging.getLogger(__name__)

# The servers' clocks may run faster than ours. The reference implementation, linked from the
# description of the algorithm, allows one hundredth of the time to live, and 2 ms more because
# servers expire keys to the millisecond.
DRIFT_FACTOR = 0.01
DRIFT_MS = 2


class Redlock:
    """Locks on a quorum of servers. Methods raise RedisError if too few servers answer.

    It asks all servers at the same time, with one deadline. However many are dead, they cost one
    time-out together, and nothing while their breakers are open. Three rivals or more may split the
    servers between them, so that none gets a majority; with `wait_ms` they try again.
    """

    def __init__(self, servers: Sequence[RedisLocks]) -> None:
        if len(servers) < 3 or len(servers) % 2 == 0:
            raise ValueError(
                f"A quorum needs an odd number of servers, 3 or more, not {len(servers)}."
            )
        self._all = tuple(servers)
        self._servers = AtOnce(self._all)
        self._number = len(servers)
        self._majority = len(servers) // 2 + 1

    def acquire(
        self, names: Sequence[str], *, ttl_ms: int, wait_ms: int = 0, fenced: bool = False
    ) -> Lock:
        """Acquires all the names on a majority of servers, or none, for `ttl_ms`.

        Raises LockBusy if another owner holds one of them: at once, or after trying again for
        `wait_ms`. Raises RedisUnavailable if too few servers answer. With `fenced`, the lock has a
        fencing token, which takes a second round trip. Raises ValueError for no names, for one text
        in place of a list, and for impossible times.
        """
        ordered = in_order(names)
        check_ttl_ms(ttl_ms)
        return acquire_within(wait_ms, lambda: self._acquire_once(ordered, ttl_ms, fenced))

    def _acquire_once(self, names: tuple[str, ...], ttl_ms: int, fenced: bool) -> Lock:
        owner = new_owner()
        wanted = Lock(names, owner, now_s() + _valid_s(ttl_ms))

        def undo(server: RedisLocks) -> None:
            with suppress(RedisError):  # then the server's next lock releases it
                server.release(dataclasses.replace(wanted))

        answers = self._servers.ask(
            lambda server: server.acquire(names, ttl_ms=ttl_ms, owner=owner, fenced=fenced),
            if_late=undo,
        )
        granted = [answer for answer in answers if answer.error is None]
        is_won = len(granted) >= self._majority
        if is_won and (not fenced or self._agree(wanted, granted)) and wanted.is_held:
            wanted.granted_by = tuple(
                position for position, answer in enumerate(answers) if answer.error is None
            )
            return wanted
        # Only there: each server sees to what it could not answer, and remembers few such locks.
        self._release(wanted, [answer.server for answer in granted])
        refused = [answer.error for answer in answers if isinstance(answer.error, LockBusy)]
        answered = len(granted) + len(refused)
        if refused and not is_won and answered >= self._majority:
            raise refused[0]
        raise RedisUnavailable(
            f"{answered} of {self._number} lock servers answered in time; "
            f"{self._majority} are needed."
        )

    def _agree(self, wanted: Lock, granted: list[ServerAnswer]) -> bool:
        """Gives the lock the highest token; returns whether a majority knows it and holds the lock.

        A server that drew the highest itself did so while it granted the lock.
        """
        highest = max(answer.value.fence for answer in granted)
        behind = [answer.server for answer in granted if answer.value.fence < highest]
        raised = self._servers.ask(lambda server: server.raise_fence(wanted, highest), behind)
        wanted.fence = highest
        agreed = len(granted) - len(behind) + sum(answer.value is True for answer in raised)
        return agreed >= self._majority

    def extend(self, lock: Lock, *, ttl_ms: int) -> None:
        """Makes the lock last `ttl_ms` from now, on a majority of servers; its fencing token stays.

        Raises LockLost if a majority cannot hold it any longer. Raises RedisUnavailable if too few
        servers answer; then the lock counts until its earlier end, or the new one if that is
        sooner. After one server did not answer, later extensions count no longer than that one,
        which may arrive after them. Raises ValueError for an impossible time to live.
        """
        check_ttl_ms(ttl_ms)
        check_not_released(lock)
        ends_at_s = now_s() + _valid_s(min(ttl_ms, lock.may_shrink_to_ms))
        # As on each server, which gets a copy.
        lock.ends_at_s = min(lock.ends_at_s, ends_at_s)
        answers = self._servers.ask(
            lambda server: server.extend(dataclasses.replace(lock), ttl_ms=ttl_ms),
            self._servers_of(lock),
        )
        errors = [answer.error for answer in answers]
        extended = errors.count(None)
        lost = self._number - len(answers) + sum(isinstance(error, LockLost) for error in errors)
        unsent = sum(isinstance(error, RedisUnavailable) for error in errors)
        if extended + lost + unsent < self._number:
            lock.may_shrink_to_ms = min(lock.may_shrink_to_ms, ttl_ms)
        if extended >= self._majority and now_s() < ends_at_s:
            lock.ends_at_s = ends_at_s
        elif self._number - lost >= self._majority:
            raise RedisUnavailable(
                f"{self._number - extended - lost} of {self._number} lock servers fell silent."
            )
        else:
            self.release(lock)
            raise LockLost(", ".join(lock.names))

    def release(self, lock: Lock) -> bool:
        """Releases the lock on every server that granted it and answers; returns False if that is
        no majority.

        Raises nothing.
        """
        return self._release(lock, self._servers_of(lock))

    def _servers_of(self, lock: Lock) -> Sequence[RedisLocks]:
        """The servers that granted the lock. Each other one sees to what it could not answer."""
        if lock.granted_by is None:
            return self._all
        return [self._all[position] for position in lock.granted_by]

    def _release(self, lock: Lock, servers: Sequence[RedisLocks]) -> bool:
        lock.released = True
        answers = self._servers.ask(
            lambda server: server.release(dataclasses.replace(lock)), servers
        )
        for answer in answers:
            if not answer.was_asked:
                answer.server.release_later(lock)
            if answer.error is not None:
                logger.info("lock_release_failed")
        return sum(answer.value is True for answer in answers) >= self._majority

    def queue_release(self, pipeline: GuardedPipeline, lock: Lock) -> None:
        """Releases at once: the batch goes to one server, and the lock lives on others."""
        self.release(lock)

    @contextmanager
    def hold(
        self, names: Sequence[str], *, ttl_ms: int, wait_ms: int = 0, fenced: bool = False
    ) -> Iterator[Lock]:
        """Holds the lock inside a `with`; raises what `acquire` raises.

        Leaving it never raises: a failed release must not change the answer.
        """
        lock = self.acquire(names, ttl_ms=ttl_ms, wait_ms=wait_ms, fenced=fenced)
        try:
            yield lock
        finally:
            if not lock.released:
                self.release(lock)


def _valid_s(ttl_ms: float) -> float:
    """How long a majority surely keeps the lock, from just before the first server is asked."""
    return (ttl_ms * (1 - DRIFT_FACTOR) - DRIFT_MS) / 1000
