"""What a check finds."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from torture.history import Operation


@dataclass(frozen=True)
class Violation:
    """An invariant that did not hold, and the smallest story that shows it.

    `bookings` are the ids of those it is about, whose operations belong to the story.
    `after_operations` is how many had been begun when it was found.
    """

    invariant: str
    story: str
    bookings: tuple[str, ...] = ()
    after_operations: int = 0


def smallest(violations: Iterable[Violation]) -> dict[str, tuple[int, Violation]]:
    """For each invariant, how often it broke, and the shortest of the stories."""
    found: dict[str, tuple[int, Violation]] = {}
    for each in violations:
        times, shortest = found.get(each.invariant, (0, each))
        found[each.invariant] = (times + 1, min(shortest, each, key=lambda one: len(one.story)))
    return found


def tell(operations: Iterable[Operation]) -> str:
    """The operations as a story, one line for each attempt, in the order of their beginnings."""
    attempts = sorted(
        (
            (attempt.began_s, operation, attempt)
            for operation in operations
            for attempt in operation.attempts
        ),
        key=lambda each: each[0],
    )
    if not attempts:
        return ""
    start_s = attempts[0][0]
    lines = []
    for began_s, operation, attempt in attempts:
        ended = f"{attempt.ended_s - start_s:.3f}" if attempt.ended_s else "…"
        said = f"{attempt.status} {attempt.code}".strip() if attempt.status else "no answer"
        where = operation.target or (operation.answer or {}).get("id", "")
        where = " ".join(filter(None, (where, _wished(operation))))
        lines.append(
            f"{began_s - start_s:8.3f} to {ended} s  #{operation.number} {operation.client}: "
            f"{operation.kind} {where} key {operation.key[:12]}: {said}"
            f"{' (replay)' if attempt.is_replay else ''}"
        )
    return "\n".join(lines)


def _wished(operation: Operation) -> str:
    """Where and when, as far as the client chose it."""
    wish = operation.wish
    where = wish.get("resourceId") or wish.get("categoryId") or ""
    when = "/".join(wish[day] for day in ("checkIn", "checkOut") if wish.get(day))
    return " ".join(filter(None, (where, when)))
