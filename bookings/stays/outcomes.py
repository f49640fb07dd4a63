"""The outcome of a request under a key: after the claim a replay, a refusal or a success.

Every operation with a key uses this. It connects refusals, answers and metrics to the library in
idempotency/claims.py.
"""

import dataclasses
import json
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import Any

from django.conf import settings

from bookings.infrastructure import connections, metrics, recent_reads
from bookings.infrastructure.opening import Opening
from bookings.infrastructure.step_timing import Steps
from bookings.points import reached
from bookings.refusals import IdempotencyInProgress, InvalidIdempotencyKey, KeyReused, Refusal
from bookings.stays import answers
from idempotency import (
    Answer,
    Claim,
    Claims,
    InProgress,
    InvalidKey,
    KeyPolicy,
    PayloadMismatch,
    keys,
)
from idempotency import replay as replay_first
from idempotency.claims import Also, Recover
from idempotency.outcomes import KeyedOutcome
from idempotency.policy import DAY_MS, MINUTE_MS

# A success stays in its booking. Which refusals are final is said by their class, not their status.
# docs/idempotency/key-policy.md and the API's description tell clients the same.
POLICY = KeyPolicy(
    remember_ms=None,
    # Without a key the same payload again is a double click or a retry, but only for this long.
    # Later it is a wish for another booking.
    derived_ms=2 * MINUTE_MS,
    # Most retries come within seconds; a partner's queue sleeps for a day at most.
    refusal_ms=DAY_MS,
    cached_ms=DAY_MS,
)

# A key whose request died is in doubt until its claim ends. So a claim lasts only a little longer
# than a lock, which outlasts every request (bookings/checks.py). Outliving it is safe.
CLAIM_LEASE_MS = 13_000


def describe_policy() -> str:
    """What clients may rely on, in Markdown."""
    rejects = settings.IDEMPOTENCY_ON_MISMATCH == "reject"
    policy = dataclasses.replace(POLICY, on_mismatch="reject" if rejects else "replay")
    final = sorted(kind.code for kind in Refusal.__subclasses__() if kind.is_definite)
    return policy.describe(final=(f"`{code}`" for code in final), derives=True)


@dataclass(frozen=True, kw_only=True)
class Outcome(KeyedOutcome):
    """The answer to send, and what its headers say. Only `answer_with` makes one."""

    steps: Steps

    def headers(self) -> dict[str, str]:
        return {**super().headers(), "Server-Timing": self.steps.header()}

    @property
    def code(self) -> str | None:
        """The refusal's code, or None for a success."""
        return self.content.get("code")

    @property
    def content(self) -> dict[str, Any]:
        """The answer's JSON body, parsed."""
        content: dict[str, Any] = json.loads(self.answer.body)
        return content


def read_key(header: str | None, *, accept_server_made: bool = False) -> str | None:
    """The key in the header, or None if there is no header. Raises InvalidIdempotencyKey."""
    try:
        return keys.read_key(header, accept_server_made=accept_server_made)
    except InvalidKey as error:
        raise InvalidIdempotencyKey(str(error)) from error


@contextmanager
def claim_key(
    digest: str, *, recover: Recover, steps: Steps, opening: Opening | None = None
) -> Iterator[Claim]:
    """Holds the claim on a key inside a `with`. `opening` is sent along with it.

    Raises IdempotencyInProgress if another request holds it, and what the opening raises.
    Exceptions are counted as the request's outcome, except for the opening's: such a request did
    not get as far as its key.
    """
    claims = Claims(connections.redis(), lease_ms=CLAIM_LEASE_MS)
    if opening is None:
        # What is decided after the claim must know of every change before it.
        opening = Opening()
        recent_reads.queue_generation(opening)
    try:
        with ExitStack() as stack:
            try:
                with steps.timed("claim"):
                    claim = stack.enter_context(
                        claims.claim(digest, recover=recover, company=opening)
                    )
            except InProgress as error:
                metrics.claims.labels(steps.operation, "in_progress").inc()
                raise IdempotencyInProgress(retry_after_s=error.retry_after_s) from error
            metrics.claims.labels(steps.operation, _result_of(claim)).inc()
            yield claim
    except Exception as error:
        if error is opening.raised:
            raise
        code = error.code if isinstance(error, Refusal) else "error"
        metrics.outcomes.labels(steps.operation, code, "false").inc()
        raise


def _result_of(claim: Claim) -> str:
    if claim.replay:
        return "recovered" if claim.is_recovered else "replayed"
    return "won" if claim.is_known else "unknown"


def answer_with(answer: Answer, key: str, steps: Steps, **said: Any) -> Outcome:
    """The outcome of a request with this answer; counts it. `said` are fields of Outcome."""
    outcome = Outcome(answer=answer, key=key, steps=steps, **said)
    code = "success" if answer.status < 400 else outcome.code
    metrics.outcomes.labels(steps.operation, code, "true" if outcome.replayed else "false").inc()
    return outcome


def replay(answer: Answer, key: str, read_payload: Callable[[], Any], steps: Steps) -> Outcome:
    """The first answer again. Says whether the payload differs from the first one.

    Raises KeyReused for a different payload if IDEMPOTENCY_ON_MISMATCH is `reject`.
    """

    def read() -> Any:
        try:
            return read_payload()
        except Refusal as refusal:
            return {"unreadable": refusal.code}  # like no payload that had an answer

    try:
        first = replay_first(answer, key, read, on_mismatch=settings.IDEMPOTENCY_ON_MISMATCH)
    except PayloadMismatch as error:
        raise KeyReused from error
    return answer_with(answer, key, steps, replayed=True, payload_mismatch=first.payload_mismatch)


def refuse(
    claim: Claim,
    refusal: Refusal,
    key: str,
    steps: Steps,
    *,
    also: Also | None = None,
    read_payload: Callable[[], Any] | None = None,
    reconsider: Callable[[Refusal], Refusal] | None = None,
) -> Outcome:
    """Settles the claim with a refusal. Redis keeps the refusal only if it is definite.

    `also` adds commands to the batch that settles the claim. Operations whose definite refusals are
    kept pass `read_payload`; its fingerprint is kept with them. An operation may `reconsider` a
    refusal that is not kept after the claim's last look at the durable store, and answer another
    one; it counts as one outcome. Raises IdempotencyInProgress if another request has taken the
    claim over.
    """
    answer, answer_ttl_ms = answers.problem(refusal), None
    if refusal.is_definite and read_payload:
        answer = dataclasses.replace(answer, fingerprint=keys.fingerprint_of(read_payload()))
        answer_ttl_ms = POLICY.final_refusal_ms(is_derived=keys.is_server_made(key))
    reached("before_refusal")
    with steps.timed("finish"):
        try:
            settled = claim.refuse(answer, answer_ttl_ms=answer_ttl_ms, also=also)
        except InProgress as error:
            raise IdempotencyInProgress(retry_after_s=error.retry_after_s) from error
    if settled.replayed and read_payload:
        return replay(settled.answer, key, read_payload, steps)
    if answer_ttl_ms is None and not settled.replayed and reconsider:
        refusal = reconsider(refusal)
        settled = dataclasses.replace(settled, answer=answers.problem(refusal))
    return answer_with(
        settled.answer,
        key,
        steps,
        replayed=settled.replayed,
        stored=settled.stored,
        retry_after_s=None if settled.replayed else refusal.retry_after_s,
    )
