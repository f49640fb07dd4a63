"""What the answers alone show: their status, and that a key's success never changes."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from torture.history import KEPT_REFUSALS, Attempt, Operation
from torture.judging.invariants import NO_ERRORS, ON_TIME, SAME_ANSWER
from torture.judging.violations import Violation, tell

# A request has 10 s, and clients wait 12 s.
LATEST_S = 11.5


def judge_answers(
    operations: Iterable[Operation],
    *,
    redis_lost: bool,
    may_be_silent: Callable[[Attempt], bool],
) -> list[Violation]:
    """Guarded by the answer in the booking, by the claim's memory, and by the order in which a
    success hides no success.

    `may_be_silent` tells of an attempt whether a process of the site was stopped or died during it.
    With `redis_lost`, Redis may have forgotten a refusal, so that the key decides again.
    """
    found = []
    for operation in operations:
        for attempt in operation.attempts:
            if attempt.status >= 500 and (attempt.status, attempt.code) != (503, "TRY_AGAIN"):
                found.append(Violation(NO_ERRORS, f"{tell([operation])}\n{attempt.problem}"))
            # A client that lost patience earlier, or whose server died, waited for less.
            if attempt.ended_s - attempt.began_s > LATEST_S and not may_be_silent(attempt):
                found.append(Violation(ON_TIME, tell([operation])))
        if _changes_its_mind(operation, redis_lost=redis_lost):
            found.append(Violation(SAME_ANSWER, tell([operation])))
    return found


def _changes_its_mind(operation: Operation, *, redis_lost: bool) -> bool:
    """Whether an attempt was told something else although one before it had a definite answer."""
    attempts = sorted(
        (each for each in operation.attempts if each.status), key=lambda each: each.ended_s
    )
    for earlier_number, earlier in enumerate(attempts):
        for later in attempts[earlier_number + 1 :]:
            if later.began_s < earlier.ended_s or later.status >= 500:
                continue
            if not earlier.digest:
                # Of a page, which shows the booking as it is by then.
                continue
            if earlier.is_success:
                if (later.status, later.digest) != (earlier.status, earlier.digest):
                    return later.code != "IDEMPOTENCY_IN_PROGRESS"
            elif earlier.code in KEPT_REFUSALS and not redis_lost:
                is_other = later.digest != earlier.digest
                return is_other and later.code != "IDEMPOTENCY_IN_PROGRESS"
    return False
