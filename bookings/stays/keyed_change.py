"""Changing a booking under a key: claim, decide, compare-and-set, finish."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta

from bson import ObjectId

from bookings.domain.booking import CANCELLED, MAX_HISTORY, Booking, Change
from bookings.domain.callers import Caller
from bookings.infrastructure import clock
from bookings.infrastructure.clock import Deadline
from bookings.infrastructure.metrics import Operation
from bookings.infrastructure.step_timing import Steps
from bookings.points import reached
from bookings.refusals import (
    AlreadyBooked,
    HoldExpired,
    NotCancellable,
    NotFound,
    Refusal,
    TryAgain,
)
from bookings.stays import answers, lookups, repository
from bookings.stays.outcomes import ANSWER_TTL_MS, Outcome, answer_with, claim_key, refuse
from idempotency import keys
from idempotency.claims import Answer

# How often a change is tried again when somebody else changed the booking in between.
CHANGE_ATTEMPTS = 3


@dataclass(frozen=True)
class Step:
    """What a change makes of a booking; with no event it is already as wished, for ever.

    `only_before` is how long after the hold's end it may still be made, `if_taken` makes what is
    answered if somebody else has a slot it needs, `reason` is what staff gave for it.
    """

    event: str | None
    changed: Booking
    message: str
    only_before: timedelta | None = None
    if_taken: Callable[[], Refusal] = HoldExpired
    reason: str | None = None


def change(
    booking_id: ObjectId,
    *,
    operation: Operation,
    key: str,
    actor: Caller,
    deadline: Deadline,
    decide: Callable[[Booking, datetime], Step],
) -> Outcome:
    """Claims the key, changes the booking by compare-and-set, and finishes.

    The change carries its answer into the history, so that a retry finds it there even when
    Redis forgot the key.
    """
    steps = Steps(operation)
    digest = keys.digest_of(caller=str(actor), operation=operation, target=str(booking_id), key=key)

    def recover(digest: str) -> Answer | None:
        current = lookups.find_booking(booking_id)
        return _acknowledged(current, digest) if current else None

    with claim_key(digest, recover=recover, steps=steps) as claim:
        if claim.replay:
            return answer_with(claim.replay, key, steps, replayed=True)
        reached("after_claim")
        try:
            for _ in range(CHANGE_ATTEMPTS):
                deadline.check()
                current = lookups.find_booking(booking_id)
                if current is None:
                    raise NotFound
                if acknowledged := _acknowledged(current, digest):
                    claim.succeed(acknowledged, answer_ttl_ms=ANSWER_TTL_MS)
                    return answer_with(acknowledged, key, steps, replayed=True)
                now = clock.now()
                step = decide(current, now)
                answer = answers.success(
                    step.changed, key=key, message=step.message, status=200, now=now
                )
                with steps.timed("txn"):
                    if step.event is None or _apply(current, step, now, actor, digest, answer):
                        break
            else:
                raise TryAgain
            reached("after_commit")
        except Refusal as refusal:
            return refuse(claim, refusal, key, steps)
        with steps.timed("finish"):
            claim.succeed(answer, answer_ttl_ms=ANSWER_TTL_MS)
    reached("before_answer")
    return answer_with(answer, key, steps)


def _apply(
    current: Booking, step: Step, now: datetime, actor: Caller, digest: str, answer: Answer
) -> bool:
    assert step.event is not None
    # Its end is one entry more at the most, and nobody must be kept from ending it.
    if len(current.history) >= MAX_HISTORY and step.changed.status != CANCELLED:
        raise NotCancellable("This was changed too often; cancel it and make a new booking.")
    change = Change(
        at=now,
        event=step.event,
        actor=str(actor),
        key=digest,
        status=answer.status,
        body=answer.body,
        reason=step.reason,
    )
    try:
        return repository.change_booking(
            current, step.changed, change, only_before=step.only_before
        )
    except AlreadyBooked as error:
        raise step.if_taken() from error


def _acknowledged(booking: Booking, digest: str) -> Answer | None:
    """The answer a change was acknowledged with under this digest, if it was made."""
    change = booking.change_for(digest)
    if change is None or change.status is None or change.body is None:
        return None
    return Answer(status=change.status, body=change.body)
