"""Asks several servers at the same time, with one deadline for all of them.

Each server has threads of its own, so that one which hangs keeps no other waiting. They are made on
first use in each process, since threads do not survive a fork.
"""

import os
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, wait
from dataclasses import dataclass
from functools import partial
from typing import Any

from redis.exceptions import RedisError
from redis.exceptions import TimeoutError as RedisTimeoutError

from locks.connection import OPERATION_TIMEOUT_S, RedisUnavailable
from locks.errors import LockError
from locks.redis_lock import RedisLocks

# One time-out, and some time for the threads to begin, and to report it to the breakers.
DEADLINE_S = OPERATION_TIMEOUT_S + 0.05

# After that, threads read what has arrived. They were no slower than the servers if this whole
# process stood still meanwhile.
GRACE_S = 0.05

# As many requests may ask one server at the same time. More wait for each other.
THREADS_PER_SERVER = 32

Ask = Callable[[RedisLocks], Any]


@dataclass(frozen=True)
class ServerAnswer:
    """What one server returned, or the error instead.

    The error is RedisUnavailable if nothing was sent. `was_asked` is False if that is because all
    threads of the server were busy until the deadline.
    """

    server: RedisLocks
    value: Any = None
    error: LockError | RedisError | None = None
    was_asked: bool = True


class AtOnce:
    """Several servers that are asked at the same time. Thread-safe."""

    def __init__(self, servers: Sequence[RedisLocks]) -> None:
        self._servers = tuple(servers)
        # By process: after a fork, the threads of the parent are gone.
        self._pools: dict[int, dict[RedisLocks, ThreadPoolExecutor]] = {}

    def ask(
        self,
        ask: Ask,
        servers: Sequence[RedisLocks] | None = None,
        *,
        if_late: Ask | None = None,
    ) -> list[ServerAnswer]:
        """Asks all servers, or only those named; returns an answer of each, after the deadline at
        the latest.

        A server without an answer by then counts as unavailable. If it does what it was asked
        nevertheless, `if_late` is called with it.
        """
        if servers is None:
            servers = self._servers
        asked = [(server, self._begin(ask, server)) for server in servers]
        _, late = wait([future for _, future in asked], timeout=DEADLINE_S)
        if late:
            wait(late, timeout=GRACE_S)
        return [_answer_of(server, future, if_late) for server, future in asked]

    def _begin(self, ask: Ask, server: RedisLocks) -> "Future[Any]":
        pools = self._pools.get(os.getpid())
        if pools is None:
            made = {one: ThreadPoolExecutor(THREADS_PER_SERVER, "locks") for one in self._servers}
            # Atomic. An executor that loses here has no threads yet.
            pools = self._pools.setdefault(os.getpid(), made)
        try:
            return pools[server].submit(ask, server)
        except RuntimeError:
            # The process is ending, so no thread begins any more. Locks are still to be released.
            return _run_here(ask, server)


def _run_here(ask: Ask, server: RedisLocks) -> "Future[Any]":
    future: Future[Any] = Future()
    try:
        future.set_result(ask(server))
    except Exception as error:
        future.set_exception(error)
    return future


def _answer_of(server: RedisLocks, future: "Future[Any]", if_late: Ask | None) -> ServerAnswer:
    if not future.done():
        # What has not begun never will. The rest is told when it ends, or now if it just did.
        was_asked = not future.cancel()
        if was_asked and if_late is not None:
            future.add_done_callback(partial(_tell_late, if_late, server))
        error = RedisTimeoutError if was_asked else RedisUnavailable
        silent = error("No answer before the deadline.")
        return ServerAnswer(server, error=silent, was_asked=was_asked)
    try:
        return ServerAnswer(server, future.result())
    except (LockError, RedisError) as error:
        return ServerAnswer(server, error=error)


def _tell_late(if_late: Ask, server: RedisLocks, future: "Future[Any]") -> None:
    if future.exception() is None:
        if_late(server)
