"""Claims on idempotency keys, kept in Redis.

A key is free, `in_progress` under one owner for the length of a lease, `completed` with its answer,
or `elsewhere`: then the durable store is asked for the answer each time. Redis may forget all of
this at any moment. A success must survive, so the caller writes its answer to the durable store,
together with its effect. `recover(digest)` finds it there.

    with claims.claim(digest, recover=find_answer) as claim:
        if claim.replay:
            return claim.replay
        ...
        return claim.succeed(answer, answer_ttl_ms=DAY_MS).answer
"""

import itertools
import json
import logging
import math
import os
import secrets
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

from redis import Redis
from redis.client import Pipeline
from redis.exceptions import AuthenticationError, RedisError, ResponseError

from idempotency.answers import Answer
from idempotency.errors import InProgress
from idempotency.policy import check_ms

logger = logging.getLogger(__name__)


def _script(name: str) -> str:
    """The text of `lua/<name>.lua` without its comments, since all of it is sent each time."""
    text = (Path(__file__).parent / "lua" / f"{name}.lua").read_text(encoding="utf-8")
    return "".join(line for line in text.splitlines(True) if not line.startswith("--"))


_CLAIM, _FINISH, _ABANDON = map(_script, ("claim", "finish", "abandon"))

# More than twice a request's deadline, so no owner loses the claim while it works. A process that
# died blocks its key no longer than this.
LEASE_MS = 30_000

# How long a client should wait before it retries a key that is in progress. Nearly every request
# ends within a second.
RETRY_AFTER_S = 1


@dataclass(frozen=True)
class Settled:
    """The answer to send. `stored` is False if Redis could not keep it."""

    answer: Answer
    replayed: bool = False
    stored: bool = True


# How often a process warns that it asks for claims in vain. A Redis that is away may cost thousands
# of requests a minute.
WARN_EVERY_S = 60

# The fields of a record that make its answer.
_FIELDS = ("status", "content_type", "fingerprint", "headers", "body")

# The two kinds of completed records.
SUCCESS, REFUSAL = b"success", b"refusal"

# The state of a claim if Redis does not say it.
UNKNOWN = b"unknown"

# Finds a success that Redis forgot, by its digest.
Recover = Callable[[str], Answer | None]

# Adds commands to the batch that settles a claim.
Also = Callable[[Pipeline], None]


class Company(Protocol):
    """Other commands that travel to Redis in the same round trip as a claim.

    `answered` gets their results, with exceptions in place of those that failed; `failed` is called
    if Redis does not answer. If one of them raises, the claim is given back.
    """

    def queue(self, pipeline: Pipeline) -> None: ...

    def answered(self, results: Sequence[Any]) -> None: ...

    def failed(self) -> None: ...


class AskOrUndo(Protocol):
    """A client's method `execute_or_undo`: it runs a command, and if no answer comes, sends `undo`
    behind it on the same connection. Its pipelines have `undo_if_lost(undo)`, which does the same
    for a whole batch. `locks.connection` has both."""

    def __call__(self, command: Sequence[str | int], *, undo: Sequence[str | int]) -> Any: ...


class Claims:
    """The claims of one application, in one Redis, named `<prefix><digest>`.

    A request asks Redis twice, so a Redis that is frozen costs it two time-outs of the client (and
    its retries: `Redis(host=…)` tries ten times more unless it has `retry=None`, `Redis.from_url`
    does not). The client of the locks, `locks.connect(url)`, has a circuit breaker: then it costs
    0.25 s once, and nothing until Redis answers again.

    Two projects in one database of a Redis would share answers, if caller, operation, target and
    key are the same: give each a `prefix` or a database of its own.

    A server that freezes executes the claim when it resumes, after the request went on without it.
    A client with `execute_or_undo` gives such a claim back; with any other the key stays in
    progress until the end of the lease.
    """

    def __init__(
        self,
        client: Redis,
        *,
        lease_ms: int = LEASE_MS,
        prefix: str = "idempotency:",
    ) -> None:
        """Raises ValueError for a client that returns text: then no state would be recognized; for
        one without `socket_timeout`, which waits for a frozen Redis without end; and for a lease
        that is no whole number of milliseconds."""
        check_ms("lease_ms", lease_ms)
        if client.get_encoder().decode_responses:
            raise ValueError("Use a Redis client without decode_responses: answers are bytes.")
        pool = getattr(client, "connection_pool", None)
        if pool is not None and not pool.connection_kwargs.get("socket_timeout"):
            raise ValueError(
                "Give the Redis client a socket_timeout, such as 0.25: without one a frozen Redis "
                "holds up each request."
            )
        self._client = client
        self._lease_ms = lease_ms
        self._prefix = prefix

    @contextmanager
    def claim(
        self, digest: str, *, recover: Recover, company: Company | None = None
    ) -> Iterator["Claim"]:
        """Claims the digest inside a `with`. A claim that is not settled by the end is abandoned.

        `recover` finds the success in the durable store under the digest, or returns None. It must
        see only durable data. Raises InProgress if another owner holds the claim and no success can
        be recovered. If Redis is down or does not answer, the work goes on unclaimed, and the
        durable store decides; a warning in the log says so, once a minute at most. `company`
        is asked for in the same round trip.
        """
        claim = Claim(self, digest, recover, owner=_new_owner())
        state, *rest = self._ask(claim, company)
        if state == b"elsewhere":
            claim.replay = recover(digest)
            claim.is_recovered = claim.replay is not None
            if claim.replay is None:
                state, *rest = self._ask(claim, None, store_was_asked=True)
        if state == UNKNOWN:
            # Redis may have granted the claim all the same, so `finish` tries with this owner.
            claim.is_known = False
        elif state == b"completed":
            kind, *answer = rest
            claim.replay = _read_answer(answer)
            # A success may exist beside a stored refusal: Redis forgot the claim of a request that
            # succeeded later, or was down when that request stored its success.
            if kind == REFUSAL and (success := recover(digest)):
                claim.replay, claim.is_recovered = success, True
        elif state == b"in_progress":
            # The owner may have died between its write and its answer. Then the durable store has
            # the answer, and no one has to wait for the end of the lease.
            claim.replay = recover(digest)
            if claim.replay is None:
                raise InProgress(RETRY_AFTER_S)
            claim.is_recovered = True
        try:
            yield claim
        finally:
            if claim.is_open:
                claim.abandon()

    def _ask(
        self, claim: "Claim", company: Company | None, *, store_was_asked: bool = False
    ) -> Any:
        """What the claim's script returns, or UNKNOWN if Redis does not answer. `store_was_asked`
        says that the durable store has no answer. Raises what the company raises."""
        command = (
            *(_CLAIM, 1, self._prefix + claim.digest),
            *(claim.owner, self._lease_ms, int(time.time() * 1000), int(store_was_asked)),
        )
        undo = ("EVAL", _ABANDON, 1, self._prefix + claim.digest, claim.owner)
        if company is None:
            ask: AskOrUndo | None = getattr(self._client, "execute_or_undo", None)
            try:
                return ask(("EVAL", *command), undo=undo) if ask else self._client.eval(*command)
            except RedisError as error:
                _warn(error)
                return [UNKNOWN]
        others: list[Any] | None
        try:
            with self._client.pipeline(transaction=False) as pipeline:
                company.queue(pipeline)
                pipeline.eval(*command)
                if take_back := getattr(pipeline, "undo_if_lost", None):
                    take_back(undo)
                *others, claimed = pipeline.execute(raise_on_error=False)
        except RedisError as error:
            others, claimed = None, error
        try:
            if others is None:
                company.failed()
            else:
                company.answered(others)
        except BaseException:
            # This ends the request. Even if no answer came, Redis may have granted the claim.
            claim.abandon()
            raise
        if isinstance(claimed, RedisError):
            _warn(claimed)
            return [UNKNOWN]
        return claimed

    def look_up(self, digest: str) -> "Record | None":
        """The record of a digest, for operators; None if there is none. Raises RedisError."""
        key = self._prefix + digest
        with self._client.pipeline() as pipeline:
            pipeline.hmget(key, "state", "kind", *_FIELDS)
            pipeline.pttl(key)
            (state, kind, *answer), expires_in_ms = pipeline.execute()
        if state is None:
            return None
        is_completed = state == b"completed"
        return Record(
            state=state.decode(),
            kind=kind.decode() if is_completed else "",
            expires_in_ms=expires_in_ms,
            answer=_read_answer(answer) if is_completed else None,
        )

    def forget(self, digest: str) -> bool:
        """Removes the record of a digest, for operators; returns whether there was one.

        A success stays in a durable store; one that only Redis kept is lost. Raises RedisError.
        """
        return bool(self._client.delete(self._prefix + digest))

    def digests(self) -> Iterator[str]:
        """All digests that Redis remembers, in no order. Raises RedisError."""
        for key in self._client.scan_iter(match=f"{self._prefix}*", count=500):
            yield key.decode().removeprefix(self._prefix)


_warned_at_s: dict[str, float] = {}


def _warn(error: RedisError) -> None:
    """Warns that requests go on without claims. Names the kind of error alone: its text may quote
    what was sent."""
    # A wrong password is an error of the connection for redis-py, but waiting will not help.
    is_refusal = isinstance(error, (AuthenticationError, ResponseError))
    event = "claims_refused_by_redis" if is_refusal else "claims_without_redis"
    now_s = time.monotonic()
    if now_s - _warned_at_s.get(event, -math.inf) >= WARN_EVERY_S:
        _warned_at_s[event] = now_s
        # In the message: other projects' logs may show nothing else.
        logger.warning("%s: %s", event, type(error).__name__)


def _new_owner() -> str:
    """A token that no other request has. It is no secret, so the system's generator, which lets go
    of the interpreter, is asked only once for each process. An application may seed `random`."""
    return f"{_process}-{next(_numbers):x}"


_numbers = itertools.count(1)
_process = ""


def _name_process() -> None:
    global _process
    _process = secrets.token_hex(16)


_name_process()
os.register_at_fork(after_in_child=_name_process)


@dataclass
class Claim:
    """One request's claim on a key. It ends by `succeed`, by `refuse`, or else by `abandon`.

    `replay` is the earlier answer under this key; if there is one, there is nothing to settle.
    `is_known` is False if Redis did not say whether it granted the claim. `is_recovered` says that
    the replay comes from the durable store.
    """

    _claims: Claims
    digest: str
    _recover: Recover
    owner: str
    replay: Answer | None = None
    is_known: bool = True
    is_recovered: bool = False
    is_done: bool = field(default=False)

    @property
    def is_open(self) -> bool:
        """Whether the claim still has to be settled or abandoned."""
        return not self.is_done and self.replay is None

    def succeed(
        self,
        answer: Answer,
        *,
        answer_ttl_ms: int,
        elsewhere: bool = False,
        also: Also | None = None,
    ) -> Settled:
        """Stores a success whose effect has happened. It never raises a RedisError.

        An earlier success stays and is returned as a replay, which only a store that is not durable
        lets differ. `stored` is False if Redis did not keep the answer.

        With `elsewhere` Redis keeps no answer, only a note for that long: the next request with
        this key asks the durable store before it claims the key. It is for answers that may stop
        being valid. `also` adds commands to the same batch.
        """
        self.is_done = True
        try:
            with self._claims._client.pipeline(transaction=False) as pipeline:
                # Even if another owner has the claim now: it may not have seen this success, and
                # must not store a refusal.
                if elsewhere:
                    pipeline.eval(
                        *(_FINISH, 1, self._claims._prefix + self.digest),
                        *(self.owner, answer_ttl_ms, "elsewhere"),
                    )
                else:
                    self._queue_finish(pipeline, answer, answer_ttl_ms, SUCCESS)
                if also:
                    also(pipeline)
                (state, *rest), *_ = pipeline.execute()
        except RedisError:
            logger.info("answer_not_cached")
            return Settled(answer, stored=False)
        if state == b"completed":
            return Settled(_read_answer(rest), replayed=True)
        return Settled(answer)

    def refuse(
        self, answer: Answer, *, answer_ttl_ms: int | None, also: Also | None = None
    ) -> Settled:
        """Settles the claim with a refusal, kept for `answer_ttl_ms`, or not kept if that is None.

        A kept refusal must come from a look at the durable store that included this key. A refusal
        that is not kept never hides an earlier success, since `recover` is called first. Raises
        InProgress if another owner has taken the claim over and has not finished.
        """
        if answer_ttl_ms is None:
            try:
                recovered = self._recover(self.digest)
            finally:
                self._give_back(also)
            return Settled(recovered, replayed=True) if recovered else Settled(answer)
        self.is_done = True
        try:
            with self._claims._client.pipeline(transaction=False) as pipeline:
                self._queue_finish(pipeline, answer, answer_ttl_ms, REFUSAL)
                if also:
                    also(pipeline)
                (state, *rest), *_ = pipeline.execute()
        except RedisError:
            return Settled(answer, stored=False)
        if state == b"stored":
            return Settled(answer)
        if state == b"completed":
            return Settled(_read_answer(rest), replayed=True)
        if state in (b"missing", b"elsewhere") and not self.is_known:
            return Settled(answer, stored=False)
        raise InProgress(RETRY_AFTER_S)

    def abandon(self) -> None:
        """Deletes the claim, if this owner still holds it."""
        self._give_back(None)

    def _give_back(self, also: Also | None) -> None:
        self.is_done = True
        try:
            with self._claims._client.pipeline(transaction=False) as pipeline:
                self._queue_abandon(pipeline)
                if also:
                    also(pipeline)
                pipeline.execute()
        except RedisError:
            logger.info("claim_not_given_back")

    def _queue_finish(
        self, pipeline: Pipeline, answer: Answer, answer_ttl_ms: int, kind: bytes
    ) -> None:
        pipeline.eval(
            _FINISH,
            1,
            self._claims._prefix + self.digest,
            self.owner,
            answer_ttl_ms,
            kind,
            answer.status,
            answer.content_type,
            answer.fingerprint,
            json.dumps(answer.headers) if answer.headers else "",
            answer.body,
        )

    def _queue_abandon(self, pipeline: Pipeline) -> None:
        pipeline.eval(_ABANDON, 1, self._claims._prefix + self.digest, self.owner)


@dataclass(frozen=True)
class Record:
    """The record of a digest in Redis. Only a completed record has `kind` and `answer`.

    `state` is `in_progress`, `completed` or `elsewhere`, and `kind` is `success` or `refusal`.
    """

    state: str
    kind: str
    expires_in_ms: int
    answer: Answer | None


def _read_answer(fields: list[Any]) -> Answer:
    status, content_type, fingerprint, headers, body = fields
    return Answer(
        status=int(status),
        body=bytes(body),
        content_type=content_type.decode(),
        fingerprint=fingerprint.decode(),
        # A record that an earlier release wrote has none.
        headers=tuple(map(tuple, json.loads(headers))) if headers else (),
    )
