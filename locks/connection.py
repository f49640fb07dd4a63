"""A Redis client that fails fast: short time-outs, no retries, and a circuit breaker.

Redis only speeds things up, so a request must never wait long for it. With redis-py's default
retries one refused connection costs about 4 s. Here a dead Redis costs one time-out, and nothing
while the breaker is open.
"""

import logging
import re
import threading
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Any, cast
from urllib.parse import urlsplit

from redis import Redis
from redis.backoff import NoBackoff
from redis.client import Pipeline
from redis.connection import Connection, parse_url
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import (
    MasterDownError,
    OutOfMemoryError,
    ReadOnlyError,
    RedisError,
    ResponseError,
)
from redis.exceptions import TimeoutError as RedisTimeoutError
from redis.retry import Retry

from locks import sentinel

logger = logging.getLogger(__name__)

# Long enough for a busy server on a good network; short enough that a request that meets a frozen
# Redis twice (claim, finish) still answers within a second.
OPERATION_TIMEOUT_S = 0.25

# How often one thread asks a server that is known to be down.
PROBE_INTERVAL_S = 1.0

# Errors of the server, not of the command. LOADING arrives as BusyLoadingError, a ConnectionError.
_SICK = (
    RedisConnectionError,
    RedisTimeoutError,
    OutOfMemoryError,
    ReadOnlyError,
    MasterDownError,
)

# MISCONF (cannot persist) and NOREPLICAS (may not write alone) have no class of their own. In an
# error from a pipeline, other text comes before the code.
_SICK_CODE = re.compile(r"(?:^|caused error: )(?:MISCONF|NOREPLICAS) ")

# The number of a database at the end of a URL, which may be left out.
_NUMBER = re.compile(r"(/\d*)?")


class RedisUnavailable(RedisConnectionError):
    """The breaker is open: Redis failed a moment ago, so nothing was sent to it."""


# A command's name and arguments.
Command = Sequence[str | int]

# A function that gets the address of a breaker and whether it is open. It is called when a breaker
# is made, opens or closes.
Watcher = Callable[[str, bool], None]
_watcher: Watcher | None = None


def watch_breakers(watcher: Watcher | None) -> None:
    """Sets the watcher for all breakers of this process; None removes it."""
    global _watcher
    _watcher = watcher


def _tell(address: str, is_open: bool) -> None:
    if _watcher is not None:
        _watcher(address, is_open)


class Breaker:
    """A circuit breaker: opens at the first failure; while open, lets one probe a second through.

    Each process has one for each server, shared by all clients of that server. Thread-safe.
    """

    def __init__(self, address: str, now: Callable[[], float] = time.monotonic) -> None:
        self.address = address
        self._now = now
        self._mutex = threading.Lock()
        self._next_probe_at: float | None = None
        _tell(address, False)

    @property
    def is_open(self) -> bool:
        """Whether the server failed, and has not answered since."""
        return self._next_probe_at is not None

    def call(self, operation: Callable[[], Any]) -> Any:
        """Runs the operation, or raises RedisUnavailable without running it.

        An operation may return a list with errors in it, as a pipeline does with
        `raise_on_error=False`. They count as if they were raised.
        """
        self._admit()
        try:
            result = operation()
        except Exception as error:
            if is_sick(error):
                self._open()
            elif isinstance(error, ResponseError):
                self._close()  # the server answered, although the command failed
            raise
        if isinstance(result, list) and any(is_sick(item) for item in result):
            self._open()
        else:
            self._close()
        return result

    def _admit(self) -> None:
        if self._next_probe_at is None:
            return
        with self._mutex:
            if self._next_probe_at is None:
                return
            if self._now() < self._next_probe_at:
                raise RedisUnavailable(f"Redis at {self.address} is not answering.")
            self._next_probe_at = self._now() + PROBE_INTERVAL_S

    def _open(self) -> None:
        with self._mutex:
            was_closed = self._next_probe_at is None
            self._next_probe_at = self._now() + PROBE_INTERVAL_S
            if was_closed:
                _tell(self.address, True)  # under the mutex, so that the last call is the truth
        if was_closed:
            logger.warning("redis_breaker_opened")

    def _close(self) -> None:
        if self._next_probe_at is None:
            return
        with self._mutex:
            self._next_probe_at = None
            _tell(self.address, False)
        logger.warning("redis_breaker_closed")


def is_sick(result: object) -> bool:
    """Whether this is an error of the server, not of the command."""
    return isinstance(result, _SICK) or (
        isinstance(result, ResponseError) and _SICK_CODE.search(str(result)) is not None
    )


class GuardedRedis(Redis):
    """redis.Redis behind the breaker of its server. Methods may raise RedisError, but quickly."""

    def execute_command(self, *args: Any, **options: Any) -> Any:
        breaker = breaker_of(self)
        return breaker.call(lambda: super(GuardedRedis, self).execute_command(*args, **options))

    def execute_or_undo(self, command: Command, *, undo: Command) -> Any:
        """Runs a command. If no answer comes, sends `undo` after it.

        A frozen server executes what it has received when it resumes. So `undo` is sent on the same
        connection, which keeps the order, before the connection is closed. No one waits for its
        answer.
        """
        return self.execute_command(*command, undo=undo)

    def parse_response(self, connection: Connection, command_name: str, **options: Any) -> Any:
        undo = options.pop("undo", None)
        if undo is None:
            return super().parse_response(connection, command_name, **options)
        try:
            return connection.read_response(disconnect_on_error=False)
        except ResponseError:
            # The server answered, so it is not late. It refused the command, or a script failed in
            # the middle; such a script has to write last what must not stay.
            raise
        except BaseException:
            _send_behind(connection, undo)
            raise

    def pipeline(self, transaction: bool = True, shard_hint: Any = None) -> "GuardedPipeline":
        return GuardedPipeline(
            self.connection_pool, self.response_callbacks, transaction, shard_hint
        )


class GuardedPipeline(Pipeline):
    """A pipeline that goes through the breaker once, as a whole."""

    def __init__(self, *args: Any) -> None:
        super().__init__(*args)
        self._if_failed: list[Callable[[], None]] = []
        self._undo: list[Command] = []

    def undo_if_lost(self, undo: Command) -> None:
        """Sends `undo` after the present batch if its answers do not come, as `execute_or_undo`
        does."""
        self._undo.append(undo)

    def if_failed(self, then: Callable[[], None]) -> None:
        """Calls `then` if the present batch fails, even before it is sent."""
        self._if_failed.append(then)

    def execute(self, raise_on_error: bool = True) -> list[Any]:
        if not self.command_stack:
            return []  # nothing is sent, so the breaker learns nothing
        breaker = breaker_of(self)
        if_failed, self._if_failed = self._if_failed, []
        try:
            return breaker.call(lambda: super(GuardedPipeline, self).execute(raise_on_error))
        except RedisError:
            for then in if_failed:
                then()
            raise
        finally:
            self._undo = []

    def parse_response(self, connection: Any, command_name: str, **options: Any) -> Any:
        if self._undo:
            connection = _KeptOpen(connection)
        return super().parse_response(connection, command_name, **options)

    def _execute_pipeline(self, connection: Connection, *batch: Any) -> Any:
        return self._or_undo(
            connection, lambda: super(GuardedPipeline, self)._execute_pipeline(connection, *batch)
        )

    def _execute_transaction(self, connection: Connection, *batch: Any) -> Any:
        return self._or_undo(
            connection,
            lambda: super(GuardedPipeline, self)._execute_transaction(connection, *batch),
        )

    def _or_undo(self, connection: Connection, execute: Callable[[], Any]) -> Any:
        try:
            return execute()
        except ResponseError:
            raise  # every answer came
        except BaseException:
            if self._undo:
                _send_behind(connection, *self._undo)
            raise


class _KeptOpen:
    """A connection that stays open if an answer does not come."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def read_response(self, **options: Any) -> Any:
        return self._connection.read_response(**options, disconnect_on_error=False)


def _send_behind(connection: Connection, *undo: Command) -> None:
    """Sends commands behind one whose answer did not come, and closes the connection."""
    # Behind Sentinel the connection is already closed if the primary was demoted; then the command
    # did nothing. Sending now would open a new connection, and wait for it.
    if connection.is_connected:
        with suppress(RedisError):
            for command in undo:
                connection.send_command(*command)
        connection.disconnect()


def connect(url: str) -> GuardedRedis:
    """A client for the server at `url`, or for the primary that the Sentinels in `url` name.

    It connects on first use, so forking is safe.
    """
    return cast(
        GuardedRedis, GuardedRedis.from_pool(sentinel.Pool.from_url(url, **CONNECTION_OPTIONS))
    )


def check_url(url: str) -> None:
    """Raises ValueError if the URL is malformed. The message never contains its password."""
    if sentinel.is_watched(url):
        sentinel.parse(url)
        return
    try:
        parse_url(url)
        is_right = url.startswith("unix://") or _NUMBER.fullmatch(urlsplit(url).path) is not None
    except ValueError:
        is_right = False
    if not is_right:
        raise ValueError(
            "write it as redis://:password@host:6379/0, and percent-encode every character of the "
            "password that is no letter or digit"
        )


# django-redis makes its pools from the same options.
CONNECTION_OPTIONS: dict[str, Any] = {
    "socket_timeout": OPERATION_TIMEOUT_S,
    "socket_connect_timeout": OPERATION_TIMEOUT_S,
    "retry": Retry(NoBackoff(), 0),
}

_breakers: dict[str, Breaker] = {}
_breakers_mutex = threading.Lock()


def breaker_of(client: Redis) -> Breaker:
    """The breaker that this process keeps for the server behind the client."""
    pool = client.connection_pool
    if isinstance(pool, sentinel.WatchedPool):
        address = pool.address
    else:
        settings = pool.connection_kwargs
        address = str(settings.get("path") or f"{settings.get('host')}:{settings.get('port')}")
    breaker = _breakers.get(address)
    if breaker is None:
        with _breakers_mutex:
            breaker = _breakers.setdefault(address, Breaker(address))
    return breaker
