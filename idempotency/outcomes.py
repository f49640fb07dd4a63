"""A request under a key, from its claim to its outcome.

    keyed = Idempotency(Claims(redis), MongoAnswers(client.shop.answers))
    outcome = keyed.run(key, digest, read_payload, effect)

`effect` does the work once. It gets a KeyedRequest, and returns an Answer or raises Refused.
"""

import dataclasses
import logging
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from idempotency import keys
from idempotency.answers import Answer, AnswerStore
from idempotency.claims import Claim, Claims, Settled
from idempotency.errors import NotKnown, PayloadMismatch
from idempotency.policy import KeyPolicy

logger = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True)
class KeyedOutcome:
    """The answer to send, and what its headers say.

    `stored` is False if an answer that should be kept could not be: a retry may get another one.
    """

    answer: Answer
    key: str
    replayed: bool = False
    payload_mismatch: bool = False
    stored: bool = True
    retry_after_s: int | None = None

    def headers(self) -> dict[str, str]:
        """The response's headers, with those of the answer."""
        headers = {**dict(self.answer.headers), "Idempotency-Key": keys.write_key(self.key)}
        if self.replayed:
            headers["Idempotency-Replayed"] = "true"
        if self.payload_mismatch:
            headers["Idempotency-Payload-Mismatch"] = "true"
        if not self.stored:
            headers["Idempotency-Stored"] = "false"
        if self.retry_after_s is not None:
            headers["Retry-After"] = str(self.retry_after_s)
        return headers


class Refused(Exception):
    """Raised by an effect that does nothing, with the answer that says why."""

    def __init__(self, answer: Answer) -> None:
        super().__init__(answer.status)
        self.answer = answer


@dataclass(frozen=True)
class KeyedRequest:
    """What an effect may need to know of its request.

    `transaction` is the store's, such as a session of MongoDB. An effect that writes its answer
    itself needs `fingerprint` for it, and `keep_ms`: how long it must be found, None for ever.
    """

    key: str
    digest: str
    fingerprint: str
    keep_ms: int | None
    transaction: Any


@dataclass(frozen=True)
class Idempotency:
    """Runs requests at most once for each key: `claims` keep twins apart, `answers` decide."""

    claims: Claims
    answers: AnswerStore
    policy: KeyPolicy = KeyPolicy()

    def __post_init__(self) -> None:
        """Raises ValueError for a policy that promises more than the store can keep."""
        if not self.answers.is_durable and self.policy.remember_ms is None:
            raise ValueError(
                "Only a durable store keeps answers for ever: pass a KeyPolicy with remember_ms, "
                "such as one day."
            )

    def run(
        self,
        key: str,
        digest: str,
        read_payload: Callable[[], Any],
        effect: Callable[[KeyedRequest], Answer],
    ) -> KeyedOutcome:
        """Does the work, unless the key has its answer already; returns what to send.

        `read_payload` returns the JSON-like payload, and is called only after the claim. Raises
        InProgress while another request holds the claim, PayloadMismatch if the policy rejects
        another payload, NotKnown if Redis is down and the store needs it, and what `effect` or the
        store raise, unless an earlier request has succeeded under the key. After those the key is
        free again.
        """
        is_derived = keys.is_server_made(key)
        with self.claims.claim(digest, recover=self.answers.find) as claim:
            if claim.replay:
                return self._replay(claim.replay, key, read_payload)
            if not claim.is_known and not self.answers.is_durable:
                raise NotKnown
            fingerprint = keys.fingerprint_of(read_payload())
            keep_ms = self.policy.keep_ms(is_derived=is_derived)

            def work(transaction: Any) -> Answer:
                answer = effect(KeyedRequest(key, digest, fingerprint, keep_ms, transaction))
                return dataclasses.replace(answer, fingerprint=fingerprint)

            try:
                written = self.answers.write(digest, work, keep_ms=keep_ms)
            except Refused as refused:
                answer = dataclasses.replace(refused.answer, fingerprint=fingerprint)
                return self._refuse(claim, answer, key, read_payload)
            except Exception:
                # The key's own first effect may be what the effect stumbled over, once Redis has
                # forgotten the key. Or no one heard how its transaction ended.
                if earlier := self._find_quietly(digest):
                    self._succeed(claim, earlier, key)
                    return self._replay(earlier, key, read_payload)
                raise
            settled = self._succeed(claim, written.answer, key)
            if written.is_twin or settled.replayed:
                return self._replay(settled.answer, key, read_payload)
            is_stored = settled.stored or self.answers.is_durable
            return KeyedOutcome(answer=written.answer, key=key, stored=is_stored)

    def _find_quietly(self, digest: str) -> Answer | None:
        try:
            return self.answers.find(digest)
        except Exception:
            logger.info("answer_not_looked_up")
            return None

    def _succeed(self, claim: Claim, answer: Answer, key: str) -> Settled:
        is_derived = keys.is_server_made(key)
        return claim.succeed(
            answer,
            answer_ttl_ms=self.policy.cache_ms(
                is_derived=is_derived, is_durable=self.answers.is_durable
            ),
            # Only its store knows when an answer expires: Redis would begin its time again with
            # each request that finds the answer there.
            elsewhere=self.answers.is_durable
            and self.policy.keep_ms(is_derived=is_derived) is not None,
        )

    def _refuse(
        self, claim: Claim, answer: Answer, key: str, read_payload: Callable[[], Any]
    ) -> KeyedOutcome:
        is_derived = keys.is_server_made(key)
        ttl_ms = self.policy.refused_ms(answer.status, is_derived=is_derived)
        if ttl_ms is not None and (written := self.answers.find(claim.digest)):
            # A twin took the claim over and has succeeded.
            self._succeed(claim, written, key)
            return self._replay(written, key, read_payload)
        settled = claim.refuse(answer, answer_ttl_ms=ttl_ms)
        if settled.replayed:
            return self._replay(settled.answer, key, read_payload)
        return KeyedOutcome(answer=settled.answer, key=key, stored=settled.stored)

    def _replay(self, answer: Answer, key: str, read_payload: Callable[[], Any]) -> KeyedOutcome:
        return replay(answer, key, read_payload, on_mismatch=self.policy.on_mismatch)


def replay(
    answer: Answer, key: str, read_payload: Callable[[], Any], *, on_mismatch: str
) -> KeyedOutcome:
    """The first answer again. Says whether the payload differs from the first one.

    Raises PayloadMismatch for another payload if `on_mismatch` is `reject`.
    """
    has_changed = bool(answer.fingerprint) and (
        keys.fingerprint_of(read_payload()) != answer.fingerprint
    )
    if has_changed and on_mismatch == "reject":
        raise PayloadMismatch
    return KeyedOutcome(answer=answer, key=key, replayed=True, payload_mismatch=has_changed)
