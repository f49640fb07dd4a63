"""Processes of a service that crash, pause or lose Redis at a chosen point of a request."""

import dataclasses
import itertools
import socket
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any, cast

from redis import Redis
from redis.backoff import NoBackoff
from redis.client import Pipeline
from redis.retry import Retry

from idempotency import keys
from idempotency.answers import Answer, Effect, Kept
from idempotency.claims import LEASE_MS, Claims
from idempotency.conformance.subjects import Subject
from idempotency.errors import IdempotencyError
from idempotency.outcomes import Idempotency, KeyedOutcome, KeyedRequest, Refused
from idempotency.policy import DAY_MS, KeyPolicy

# The points of a request, in their order.
AFTER_CLAIM = "after the claim"
BEFORE_EFFECT = "before the effect"
AFTER_EFFECT = "after the effect"
AFTER_WRITE = "after the store's write"
BEFORE_FINISH = "before the finish"
AFTER_FINISH = "after the finish"

# Only a request that is replayed or refused comes here.
AFTER_LOOK = "after a look into the store"

# At these the store may be inside a transaction, for which another request may have to wait.
INSIDE_THE_WRITE = (BEFORE_EFFECT, AFTER_EFFECT)

# Answers take milliseconds. A case that waits this long has failed.
PATIENCE_S = 15.0

# Bytes and headers must never be read as text on the way.
EVERY_BYTE = bytes(range(256)) + b"\xff\xfe\0\r\n$-1\r\n$$NOW" + "ü€🏨".encode()

# The status of a refusal that is kept, and of one that is not.
GONE, BUSY = 410, 503

POLICY = KeyPolicy(kept_refusals=frozenset({GONE}))

_numbers = itertools.count(1)


class Crash(BaseException):
    """The process is dead. Nothing that catches errors may catch this."""


def new_answer(status: int = 201) -> Answer:
    """An answer that no other request has."""
    number = next(_numbers)
    return Answer(
        status=status,
        body=EVERY_BYTE + str(number).encode(),
        content_type="application/x-bytes; charset=$none",
        headers=(("Location", f"/effects/{number}"), ("X-Text", "$status"), ("X-Empty", "")),
    )


class Process:
    """One process of the service: it sends requests through a wire of its own to Redis.

    `runs` counts how often an effect was begun, even if nothing remained of it.
    """

    def __init__(
        self,
        subject: Subject,
        client: Redis,
        *,
        policy: KeyPolicy = POLICY,
        lease_ms: int = LEASE_MS,
    ) -> None:
        self.client = client
        self.subject = subject
        self.runs = 0
        self._is_dead = False
        self._at: dict[str, Callable[[], object]] = {}
        self.claims = Claims(
            cast(Redis, _Wire(self)), prefix="idempotency-conformance:", lease_ms=lease_ms
        )
        if not subject.store.is_durable and policy.remember_ms is None:
            policy = dataclasses.replace(policy, remember_ms=DAY_MS)  # it cannot keep one for ever
        self._idempotency = Idempotency(self.claims, _SeenStore(self), policy)

    def at(self, point: str, act: Callable[[], object]) -> "Process":
        """Acts once, when a request gets to the point."""
        self._at[point] = act
        return self

    def crash_at(self, point: str) -> "Process":
        """From this point on the process does nothing more, not even cleaning up."""

        def crash() -> None:
            self._is_dead = True
            raise Crash

        return self.at(point, crash)

    def reach(self, point: str) -> None:
        self.live()
        if act := self._at.pop(point, None):
            act()

    def live(self) -> None:
        """Raises Crash if the process is dead."""
        if self._is_dead:
            raise Crash

    def send(
        self,
        key: str = "key",
        *,
        caller: str = "user:1",
        operation: str = "book",
        target: str = "",
        payload: Any = "payload",
        does: Callable[[KeyedRequest], Answer] | None = None,
    ) -> KeyedOutcome | IdempotencyError:
        """One request. It has the subject's effect unless it `does` something else."""
        does = does or self.succeed
        digest = keys.digest_of(caller=caller, operation=operation, target=target, key=key)

        def effect(keyed: KeyedRequest) -> Answer:
            self.reach(BEFORE_EFFECT)
            self.runs += 1
            answer = does(keyed)
            self.reach(AFTER_EFFECT)
            return answer

        try:
            return self._idempotency.run(key, digest, lambda: payload, effect)
        except IdempotencyError as error:
            return error

    def succeed(self, keyed: KeyedRequest) -> Answer:
        """What a request does that succeeds."""
        answer = new_answer()
        self.subject.effect(keyed, answer)
        return answer

    def send_and_crash(self, **request: Any) -> None:
        """A request whose process dies at the point that was set."""
        try:
            result = self.send(**request)
        except Crash:
            return
        raise AssertionError(f"the request never came to the point of its crash: {result!r}")

    @contextmanager
    def paused_at(self, point: str, **request: Any) -> Iterator["PausedRequest"]:
        """A request in a thread of its own that waits at the point until `go_on`."""
        paused = PausedRequest()
        self.at(point, paused.pause)
        with ThreadPoolExecutor(1) as pool:
            paused.start(pool.submit(self.send, **request))
            try:
                yield paused
            finally:
                paused.release()


class PausedRequest:
    """A request that waits at a point, if it came there."""

    _future: "Future[KeyedOutcome | IdempotencyError]"

    def __init__(self) -> None:
        self._is_there = threading.Event()
        self._may_go = threading.Event()

    def pause(self) -> None:
        self._is_there.set()
        if not self._may_go.wait(PATIENCE_S):
            raise Crash

    def start(self, future: "Future[KeyedOutcome | IdempotencyError]") -> None:
        self._future = future
        # A request that ends before the point ends the wait as well.
        future.add_done_callback(lambda _: self._is_there.set())
        if not self._is_there.wait(PATIENCE_S):
            raise AssertionError("the request neither came to its point nor ended")

    def release(self) -> None:
        self._may_go.set()

    def go_on(self) -> KeyedOutcome | IdempotencyError:
        """Lets the request end; returns what it got."""
        self.release()
        return self._future.result(PATIENCE_S)


class _Wire:
    """What Claims needs of a client of Redis. It ends with its process."""

    def __init__(self, process: Process) -> None:
        self._process = process

    def __getattr__(self, name: str) -> Any:
        self._process.live()
        return getattr(self._process.client, name)

    @property
    def execute_or_undo(self) -> Callable[..., Any]:
        """Only clients that can take a command back have it; others raise AttributeError."""
        execute = self._process.client.execute_or_undo  # type: ignore[attr-defined]
        return lambda command, *, undo: self._claim(lambda: execute(command, undo=undo))

    def eval(self, *command: Any) -> Any:
        return self._claim(lambda: self._process.client.eval(*command))

    def _claim(self, send: Callable[[], Any]) -> Any:
        self._process.live()
        result = send()
        if result[0] == b"claimed":
            self._process.reach(AFTER_CLAIM)
        return result

    def pipeline(self, transaction: bool = True) -> "_WiredPipeline":
        self._process.live()
        return _WiredPipeline(self._process, transaction)


class _WiredPipeline:
    """A batch that settles a claim or gives it back."""

    def __init__(self, process: Process, transaction: bool) -> None:
        self._process = process
        self._transaction = transaction
        self._commands: list[tuple[str, tuple[Any, ...], dict[str, Any]]] = []

    def __enter__(self) -> "_WiredPipeline":
        return self

    def __exit__(self, *_: object) -> None:
        pass

    def __getattr__(self, name: str) -> Callable[..., None]:
        def queue(*args: Any, **kwargs: Any) -> None:
            self._commands.append((name, args, kwargs))

        return queue

    def execute(self) -> list[Any]:
        self._process.reach(BEFORE_FINISH)
        pipeline: Pipeline
        with self._process.client.pipeline(transaction=self._transaction) as pipeline:
            for name, args, kwargs in self._commands:
                getattr(pipeline, name)(*args, **kwargs)
            results = pipeline.execute()
        self._process.reach(AFTER_FINISH)
        return results


class _SeenStore:
    """The subject's store, which a dead process does not reach."""

    def __init__(self, process: Process) -> None:
        self._process = process
        self._store = process.subject.store

    @property
    def is_durable(self) -> bool:
        return self._store.is_durable

    def find(self, digest: str) -> Answer | None:
        self._process.live()
        found = self._store.find(digest)
        self._process.reach(AFTER_LOOK)
        return found

    def write(self, digest: str, effect: Effect, *, keep_ms: int | None) -> Kept:
        self._process.live()
        kept = self._store.write(digest, effect, keep_ms=keep_ms)
        self._process.reach(AFTER_WRITE)
        return kept


def refuse(status: int) -> Callable[[KeyedRequest], Answer]:
    """An effect that does nothing and refuses."""

    def effect(keyed: KeyedRequest) -> Answer:
        raise Refused(new_answer(status))

    return effect


@contextmanager
def unreachable_redis() -> Iterator[Redis]:
    """A client of a Redis that is down: its port is taken, and no server listens."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        port = taken.getsockname()[1]
        with Redis(host="127.0.0.1", port=port, retry=Retry(NoBackoff(), 0)) as client:
            yield client
