"""Answers, and where they live for good: the protocol `AnswerStore` and two stores.

Redis remembers claims and answers, and may forget both at any moment. What may not be forgotten is
kept by an AnswerStore, together with the effect that it acknowledges. `idempotency.mongodb` has a
third one.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Protocol


@dataclass(frozen=True)
class Answer:
    """An answer: its exact bytes, the headers that belong to it, and the fingerprint of the
    request's payload."""

    status: int
    body: bytes
    content_type: str = "application/json"
    fingerprint: str = ""
    headers: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True)
class Kept:
    """The answer that a store keeps. `is_twin` says that an earlier request had written it."""

    answer: Answer
    is_twin: bool = False


# Does the work and returns the answer that acknowledges it. It gets the store's transaction, or
# None. An error that it raises means that nothing was done.
Effect = Callable[[Any], Answer]


class AnswerStore(Protocol):
    """Where the answer to a key lives for good. Run `idempotency.conformance` against your own.

    `is_durable` says that effect and answer are written together or not at all, and survive the
    loss of Redis. A store that is not durable works only while Redis does.
    """

    @property
    def is_durable(self) -> bool: ...

    def find(self, digest: str) -> Answer | None:
        """The answer that was written under this digest, and has not expired since.

        It must see what can never be rolled back, and only that.
        """

    def write(self, digest: str, effect: Effect, *, keep_ms: int | None) -> Kept:
        """Runs the effect so that it and its answer become durable together.

        If an earlier request has written an answer under this digest, nothing of the effect
        remains, and that answer is returned. The answer may expire after `keep_ms`; None means
        never. One that has expired makes room, even while it is looked for. What the effect raises
        is raised after everything was undone.
        """


class RedisAnswers:
    """Keeps no answers: the record of the claim in Redis is all there is, for as long as the policy
    remembers keys. So the policy may not say "for ever".

    Choose it for effects that may happen twice at worst, such as a mail. It cannot promise one
    effect per key if a process dies between effect and answer, if the work outlasts the lease, or
    if Redis loses its memory. Without Redis a request is refused, since nothing else would stop a
    second effect.
    """

    is_durable = False

    def find(self, digest: str) -> Answer | None:
        return None

    def write(self, digest: str, effect: Effect, *, keep_ms: int | None) -> Kept:
        return Kept(effect(None))


class OwnAnswers:
    """Answers in the caller's own documents or rows, each written with its effect in one write.

    `find` looks one up by the digest, and leaves out what has expired: the effect knows how long
    its answer is kept (`KeyedRequest.keep_ms`). The effect writes the digest and the answer itself,
    under a unique index, and raises one of `twin_errors` if the digest is there already. What it
    writes may not be deleted as long as the key is remembered.

    An answer that has expired still has its digest in the index, so its key would never be free
    again. `retire` takes the digest out of a document whose answer has expired, by the same clock
    as `find`, and does nothing to any other. It is called if an effect was refused and no answer is
    found; then the effect runs once more. Leave it out only if every answer is kept for ever, which
    needs requests that all have a client's key.
    """

    is_durable = True

    def __init__(
        self,
        find: Callable[[str], Answer | None],
        *,
        twin_errors: tuple[type[Exception], ...],
        retire: Callable[[str], object] | None = None,
    ) -> None:
        self.find = find
        self._twin_errors = twin_errors
        self._retire = retire

    def write(self, digest: str, effect: Effect, *, keep_ms: int | None) -> Kept:
        try:
            return Kept(effect(None))
        except self._twin_errors:
            if written := self.find(digest):
                return Kept(written, is_twin=True)
            if self._retire is None:
                raise  # another unique index complains
        self._retire(digest)
        try:
            return Kept(effect(None))
        except self._twin_errors:
            written = self.find(digest)
            if written is None:
                raise  # another unique index complains
            return Kept(written, is_twin=True)
