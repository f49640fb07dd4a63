"""A second judge of a slot's history, too slow for use and too plain to be wrong: it tries every
order, with every choice of operations without an answer, and keeps a clock."""

from __future__ import annotations

import math
from collections.abc import Sequence

from torture.linearizability import Op

# Who holds the slot, from when the hold may die, the bookings freed since they were last taken, and
# the earliest that it can be now.
Slot = tuple[str | None, float, frozenset[str], float]


def some_order_explains(ops: Sequence[Op], *, skew_s: float = 0) -> bool:
    return _can_end((None, 0, frozenset(), -math.inf), list(ops), skew_s)


def _can_end(slot: Slot, left: list[Op], skew_s: float) -> bool:
    if not any(op.is_certain for op in left):
        return True
    for place, op in enumerate(left):
        others = left[:place] + left[place + 1 :]
        for before in (slot, *_dead(slot, skew_s)):
            after = _do(op, before)
            if after is not None and _can_end(after, others, skew_s):
                return True
    return False


def _dead(slot: Slot, skew_s: float) -> list[Slot]:
    holder, dies_from_s, freed, now_s = slot
    if holder is None:
        return []
    return [(None, 0, freed, max(now_s, dies_from_s - skew_s))]


def _do(op: Op, slot: Slot) -> Slot | None:
    holder, dies_from_s, freed, now_s = slot
    now_s = max(now_s, op.began_s)
    if op.is_certain and now_s > op.ended_s:
        return None
    b = op.booking
    match op.kind:
        case "take" if holder is None:
            return b, op.until_s, freed - {b}, now_s
        case "confirm" if holder == b or (holder is None and b not in freed):
            return b, math.inf, freed, now_s
        case "extend" if holder == b:
            return b, op.until_s, freed, now_s
        case "free" if holder == b:
            return None, 0, freed | {b}, now_s
        case "refused" if holder is not None:
            return holder, dies_from_s, freed, now_s
        case "holds" if holder == b:
            return holder, dies_from_s, freed, now_s
    return None
