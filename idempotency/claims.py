"""Claims on idempotency keys, kept in Redis.

A key is free, `in_progress` under one owner for the length of a lease, or `completed` with
its answer. Redis may forget all of it at any moment: what must survive is a success, and
that is written down by the caller together with its effect. `recover(digest)` finds it.

    with claims.claim(digest) as claim:
        if claim.replay:
            return claim.replay
        ...
        return claim.succeed(answer, answer_ttl_ms=DAY_MS).answer
"""

import logging
import secrets
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from redis import Redis
from redis.client import Pipeline
from redis.exceptions import RedisError

from idempotency.errors import InProgress

logger = logging.getLogger(__name__)

_LUA = Path(__file__).parent / "lua"
_CLAIM, _FINISH, _ABANDON = (
    (_LUA / f"{name}.lua").read_text(encoding="utf-8") for name in ("claim", "finish", "abandon")
)

# Twice a request's deadline and more: nobody who is still at work loses the claim, and a
# process that died blocks its key for no longer than this.
LEASE_MS = 30_000

# What a caller should wait before asking again for a key somebody is working on. Nearly
# every request is done within a second.
RETRY_AFTER_S = 1


@dataclass(frozen=True)
class Answer:
    """What was answered: exact bytes, and the fingerprint of the payload that asked."""

    status: int
    body: bytes
    content_type: str = "application/json"
    fingerprint: str = ""


@dataclass(frozen=True)
class Settled:
    """The answer to send. `stored` is False when a definite refusal could not be kept."""

    answer: Answer
    replayed: bool = False
    stored: bool = True


# How a completed record says what it holds.
SUCCESS, REFUSAL = b"success", b"refusal"

# Finds a success Redis forgot; adds commands to the batch that settles a claim.
Recover = Callable[[str], Answer | None]
Also = Callable[[Pipeline], None]


class Claims:
    """The claims of one application, in one Redis, named `<prefix><digest>`."""

    def __init__(
        self,
        client: Redis,
        *,
        lease_ms: int = LEASE_MS,
        prefix: str = "idempotency:",
    ) -> None:
        self._client = client
        self._lease_ms = lease_ms
        self._prefix = prefix

    @contextmanager
    def claim(self, digest: str, *, recover: Recover) -> Iterator["Claim"]:
        """Claims the digest for the length of a `with`; unfinished, it is given back.

        `recover` finds the success that was written down under the digest, or None; it must
        see only what is durable.
        Raises InProgress if another owner is at work and no success can be recovered. With
        Redis down or silent the work goes on unclaimed: whoever writes decides.
        """
        claim = Claim(self, digest, recover, owner=secrets.token_hex(16))
        try:
            state, *rest = self._client.eval(
                _CLAIM,
                1,
                self._prefix + digest,
                claim.owner,
                self._lease_ms,
                int(time.time() * 1000),
            )
        except RedisError:
            # It may have been carried out all the same, so the token is kept and finish tries.
            claim.is_known = False
        else:
            if state == b"completed":
                kind, *answer = rest
                claim.replay = _read_answer(answer)
                # A refusal may have been stored while a success under this key was on its way
                # and Redis forgot it, or was gone when it came to be stored.
                if kind == REFUSAL and (success := recover(digest)):
                    claim.replay, claim.is_recovered = success, True
            elif state == b"in_progress":
                # The owner may have died between its write and its answer; then the answer
                # is there already, and nobody has to wait for the lease.
                claim.replay = recover(digest)
                if claim.replay is None:
                    raise InProgress(RETRY_AFTER_S)
                claim.is_recovered = True
        try:
            yield claim
        finally:
            if claim.is_open:
                claim.abandon()

    def look_up(self, digest: str) -> "Record | None":
        """The record as an operator sees it. Raises RedisError."""
        key = self._prefix + digest
        with self._client.pipeline() as pipeline:
            pipeline.hmget(key, "state", "kind", "status", "content_type", "fingerprint", "body")
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
        """Removes the record, for an operator; a success is still in what it wrote."""
        return bool(self._client.delete(self._prefix + digest))

    def digests(self) -> Iterator[str]:
        """Every digest Redis remembers, in no order."""
        for key in self._client.scan_iter(match=f"{self._prefix}*", count=500):
            yield key.decode().removeprefix(self._prefix)


@dataclass
class Claim:
    """One request's hold on a key. Ends by `succeed`, `refuse` or, left alone, `abandon`.

    `is_known` is False where Redis did not say whether it was granted; `is_recovered` says that
    the replay did not come from Redis.
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
        return not self.is_done and self.replay is None

    def succeed(
        self, answer: Answer, *, answer_ttl_ms: int | None, also: Also | None = None
    ) -> Settled:
        """Stores a success whose effect is durable already. Nothing here can change it.

        With `answer_ttl_ms=None` it is not kept and the claim is given back: the next request
        with this key asks the durable store. `also` adds commands to the same batch.
        """
        self.is_done = True
        try:
            with self._claims._client.pipeline(transaction=False) as pipeline:
                if answer_ttl_ms is None:
                    # Whosever it is: a later owner may not have seen this success, and would
                    # store a refusal over it.
                    pipeline.delete(self._claims._prefix + self.digest)
                else:
                    self._queue_finish(pipeline, answer, answer_ttl_ms, SUCCESS)
                if also:
                    also(pipeline)
                pipeline.execute()
        except RedisError:
            logger.info("answer_not_cached")
        return Settled(answer)

    def refuse(
        self, answer: Answer, *, answer_ttl_ms: int | None, also: Also | None = None
    ) -> Settled:
        """Settles a refusal: kept for `answer_ttl_ms`, or with None not kept at all.

        A refusal to keep must come from a look at the durable store that included this key.
        One that is not kept never hides an earlier success: `recover` is asked first. Raises
        InProgress if another owner took the claim over and has not finished.
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
        if state == b"missing" and not self.is_known:
            return Settled(answer, stored=False)
        raise InProgress(RETRY_AFTER_S)

    def abandon(self) -> None:
        """Gives the claim back, if it is still ours."""
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
            answer.body,
        )

    def _queue_abandon(self, pipeline: Pipeline) -> None:
        pipeline.eval(_ABANDON, 1, self._claims._prefix + self.digest, self.owner)


@dataclass(frozen=True)
class Record:
    """What Redis remembers of a key; `kind` and `answer` are for completed ones."""

    state: str
    kind: str
    expires_in_ms: int
    answer: Answer | None


def _read_answer(fields: list[Any]) -> Answer:
    status, content_type, fingerprint, body = fields
    return Answer(
        status=int(status),
        body=bytes(body),
        content_type=content_type.decode(),
        fingerprint=fingerprint.decode(),
    )
