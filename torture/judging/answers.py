"""What the answers alone show: their status, and that a key's success never changes."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping

from torture import world
from torture.history import KEPT_REFUSALS, Attempt, Operation
from torture.judging.invariants import NO_ERRORS, ON_TIME, OTHERS, SAME_ANSWER
from torture.judging.violations import Violation, tell

# A request has 10 s, and clients wait 12 s.
LATEST_S = 11.5


def judge_answers(
    operations: Iterable[Operation],
    *,
    may_have_forgotten: Callable[[float, float], bool],
    may_be_silent: Callable[[Attempt], bool],
) -> list[Violation]:
    """Guarded by the answer in the booking, by the claim's memory, and by the order in which a
    success hides no success.

    `may_be_silent` tells of an attempt whether a process of the site was stopped or died during it.
    `may_have_forgotten` tells of two times whether Redis may have lost a refusal between them, so
    that the key decides again.
    """
    found = []
    for operation in operations:
        for attempt in operation.attempts:
            if attempt.status >= 500 and (attempt.status, attempt.code) != (503, "TRY_AGAIN"):
                found.append(Violation(NO_ERRORS, f"{tell([operation])}\n{attempt.problem}"))
            # A client that lost patience earlier, or whose server died, waited for less.
            if attempt.ended_s - attempt.began_s > LATEST_S and not may_be_silent(attempt):
                found.append(Violation(ON_TIME, tell([operation])))
        if _changes_its_mind(operation, may_have_forgotten):
            found.append(Violation(SAME_ANSWER, tell([operation])))
    return found


def judge_hotels(operations: Iterable[Operation], hotels: Mapping[str, str]) -> list[Violation]:
    """Guarded by the hotels of a token. `hotels` are those of the callers that have only one."""
    found = []
    for operation in operations:
        mine = hotels.get(operation.caller)
        rooms = [each["resourceId"] for each in (operation.answer or {}).get("rooms", ())]
        if mine and any(world.hotel_of(room) != mine for room in rooms):
            found.append(Violation(OTHERS, f"{mine} alone is theirs.\n{tell([operation])}"))
    return found


def _changes_its_mind(
    operation: Operation, may_have_forgotten: Callable[[float, float], bool]
) -> bool:
    """Whether an attempt was told something else although one before it had a definite answer."""
    attempts = sorted(
        (each for each in operation.attempts if each.status), key=lambda each: each.ended_s
    )
    for earlier_number, earlier in enumerate(attempts):
        for later in attempts[earlier_number + 1 :]:
            if later.began_s < earlier.ended_s or later.status >= 500:
                continue
            if later.code == "IDEMPOTENCY_IN_PROGRESS":
                # A process that died left its claim. What comes after that is judged all the same.
                continue
            if not earlier.digest:
                # Of a page, which shows the booking as it is by then.
                continue
            if (later.status, later.digest) == (earlier.status, earlier.digest):
                continue
            if earlier.is_success:
                return True
            is_final = earlier.code in KEPT_REFUSALS and earlier.is_kept
            if is_final and not may_have_forgotten(earlier.began_s, later.ended_s):
                return True
    return False
