"""Changing a booking under a key: claim, decide, compare-and-set, finish.

An operation finds its booking and decides what to change. The rest is here:

    with claim_change(booking, operation="extend", …) as change:
        for current, now in change.attempts():
            …
            change.make("extended", extended, "The hold is extended.")
    return change.outcome
"""

import dataclasses
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from bookings.domain.booking import CANCELLED, MAX_HISTORY, STAY, Booking, Change
from bookings.domain.callers import Caller
from bookings.infrastructure import clock
from bookings.infrastructure.deadlines import Deadline
from bookings.infrastructure.metrics import Operation
from bookings.infrastructure.step_timing import Steps
from bookings.points import reached
from bookings.refusals import NotAuthenticated, NotCancellable, NotFound, Refusal, TryAgain
from bookings.stays import answers, queries
from bookings.stays.hold_limits import HoldLimits
from bookings.stays.outcomes import POLICY, Outcome, answer_with, claim_key, refuse, replay
from bookings.stays.writing import changes
from idempotency import keys
from idempotency.claims import Answer, Claim

# How often an operation decides, including the first time, if other requests keep changing the
# booking before the decision is written.
CHANGE_ATTEMPTS = 3


def find_to_change(
    booking_id: str,
    viewer: Caller,
    *,
    as_staff: bool = False,
    kinds: tuple[str, ...] = (STAY,),
) -> Booking:
    """The booking with this id, if the viewer may change it. Raises NotFound."""
    owners = None if as_staff else viewer.owners_to_match(booking_id)
    booking = queries.find_booking(booking_id, owners=owners, hotels=viewer.hotels)
    if booking is None or booking.kind not in kinds:
        raise NotFound
    return booking


@contextmanager
def claim_change(
    booking: Booking,
    *,
    operation: Operation,
    key: str,
    actor: Caller,
    deadline: Deadline,
    read_payload: Callable[[], Any] | None = None,
) -> Iterator["KeyedChange"]:
    """Claims the actor's key for one operation on this booking; settles the claim on leaving.

    `booking` was read before the claim. The first attempt decides on it, and is not written if the
    booking has changed since. A Refusal raised inside the `with` is settled and becomes the
    outcome; with `read_payload` it is kept under the key if it is definite. Raises
    IdempotencyInProgress if another request holds this key's claim. A driver's error releases the
    claim, and a retry finds what was written.
    """
    steps = Steps(operation)
    digest = keys.digest_of(caller=str(actor), operation=operation, target=str(booking.id), key=key)

    latest: Booking | None = None

    def recover(digest: str) -> Answer | None:
        nonlocal latest
        latest = queries.find_booking(booking.id)
        return _acknowledged(latest, digest) if latest else None

    def reconsider(refusal: Refusal) -> Refusal:
        # A refusal writes nothing, so no version was compared. Where the booking has changed since
        # it was decided on, the refusal may be wrong; the same key decides again. It is right where
        # it is about the actor, whose deletion changes the booking as well.
        has_changed = latest is not None and latest.seen != change._current.seen
        is_about_booking = not isinstance(refusal, NotAuthenticated)
        return TryAgain() if has_changed and is_about_booking else refusal

    with claim_key(digest, recover=recover, steps=steps) as claim:
        change = KeyedChange(booking, actor, key, deadline, claim, steps, read_payload)
        try:
            yield change
        except Refusal as refusal:
            change._outcome = refuse(
                claim, refusal, key, steps, reconsider=reconsider, read_payload=read_payload
            )
        if change._outcome:
            return
        with steps.timed("finish"):
            claim.succeed(change.answer, answer_ttl_ms=POLICY.cached_ms)
    reached("before_answer")
    change._outcome = answer_with(change.answer, key, steps)


@dataclass
class KeyedChange:
    """One change of a booking under a claimed key. Create it with `claim_change`."""

    _current: Booking
    _actor: Caller
    _key: str
    _deadline: Deadline
    _claim: Claim
    steps: Steps
    _read_payload: Callable[[], Any] | None = None
    _now: datetime | None = None
    _answer: Answer | None = None
    _outcome: Outcome | None = None

    @property
    def answer(self) -> Answer:
        """The answer that acknowledges the change; available once the change is made."""
        assert self._answer is not None, "attempts end when the change is made"
        return self._answer

    @property
    def outcome(self) -> Outcome:
        """The outcome of the request; available after the `with`."""
        assert self._outcome is not None, "a change is made, refused or replayed"
        return self._outcome

    def attempts(self) -> Iterator[tuple[Booking, datetime]]:
        """Yields the booking and the time to decide by, until `make` has made the change.

        Usually it yields once. If another request changes the booking before the decision is
        written, it reads the booking again and yields again. It yields nothing if the key has its
        answer already. Raises TryAgain after CHANGE_ATTEMPTS or the deadline, NotFound if the
        booking is gone.
        """
        if self._claim.replay:
            self._outcome = self._replay(self._claim.replay)
            return
        reached("after_claim")
        for attempt in range(CHANGE_ATTEMPTS):
            self._deadline.check()
            if attempt > 0:
                self._current = self._look_again()
            if acknowledged := _acknowledged(self._current, self._claim.digest):
                # An earlier request made the change, and Redis does not know it.
                self._claim.succeed(acknowledged, answer_ttl_ms=POLICY.cached_ms)
                self._outcome = self._replay(acknowledged)
                return
            self._now = clock.now()
            yield self._current, self._now
            if self._answer:
                reached("after_commit")
                return
        raise TryAgain

    def make(
        self,
        event: str | None,
        changed: Booking,
        message: str,
        *,
        only_before: timedelta | None = None,
        reason: str | None = None,
        limits: HoldLimits | None = None,
    ) -> None:
        """Turns the booking into `changed`, unless it has changed since the attempt read it.

        The history keeps the change together with its answer, so a retry finds the answer there
        even if Redis forgot the key. With `event=None` nothing is written: the booking is already
        as requested, and final. `only_before` is how long after the hold's end the change may still
        be made, by MongoDB's clock. `reason` is the reason that staff gave. `limits` bounds what
        the holder of a hold may hold after the change. Raises AlreadyBooked if another booking has
        a slot that the change needs, NotCancellable if the history is full, and the errors of
        `judge_hold`.
        """
        assert self._now is not None, "made inside an attempt"
        answer = answers.success(changed, key=self._key, message=message, status=200, now=self._now)
        if self._read_payload:
            fingerprint = keys.fingerprint_of(self._read_payload())
            answer = dataclasses.replace(answer, fingerprint=fingerprint)
            changed = dataclasses.replace(
                changed,
                change_fingerprints={
                    **self._current.change_fingerprints,
                    self._claim.digest: fingerprint,
                },
            )
        with self.steps.timed("txn"):
            if event is not None:
                # A cancellation adds only one line, and must always be possible.
                if len(self._current.history) >= MAX_HISTORY and changed.status != CANCELLED:
                    raise NotCancellable(
                        "This was changed too often; cancel it and make a new booking."
                    )
                line = Change(
                    at=self._now,
                    event=event,
                    actor=str(self._actor),
                    key=self._claim.digest,
                    status=answer.status,
                    body=answer.body,
                    reason=reason,
                )
                is_made = changes.change_booking(
                    self._current, changed, line, only_before=only_before, limits=limits
                )
                if not is_made:
                    return
        self._answer = answer

    def is_up_to_date(self) -> bool:
        """Whether the booking is still as this attempt has read it.

        A refusal that is kept needs this look: it must not be about a state that has passed.
        """
        current = queries.find_booking(self._current.id)
        return current is not None and current.seen == self._current.seen

    def _replay(self, answer: Answer) -> Outcome:
        if self._read_payload:
            return replay(answer, self._key, self._read_payload, self.steps)
        return answer_with(answer, self._key, self.steps, replayed=True)

    def _look_again(self) -> Booking:
        current = queries.find_booking(self._current.id)
        if current is None:
            raise NotFound
        return current


def _acknowledged(booking: Booking, digest: str) -> Answer | None:
    """The answer that acknowledged the change under this digest, if it was made."""
    change = booking.change_for(digest)
    if change is None or change.status is None or change.body is None:
        return None
    return Answer(
        status=change.status,
        body=change.body,
        # Only a change that compares payloads has one, and none of an earlier release.
        fingerprint=booking.change_fingerprints.get(digest, ""),
    )
