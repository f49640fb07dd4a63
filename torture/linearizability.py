"""Judges the recorded history of one slot: is there an order that explains every answer?

A history is linearizable if each operation can be given one moment between its call and its answer,
so that the operations, in the order of these moments, do what one slot in one place would do:

    free       take B               -> held by B until its end
    free       confirm B            -> booked by B, unless B was freed since it was last taken
    held by B  confirm B, extend B  -> held by B with another end
    held by B  free B               -> free
    held by B  its end has come     -> free, at any moment from then on, or never
    held by B  B is read, and another booking is refused: nothing changes

`check` returns None, or a Violation with a short part of the history that no order explains.

How to record: one `Op` for each idempotency key, from the first attempt's call to the last
attempt's answer. A change of stay is a "free" of each slot that it leaves and a "take" of each slot
that it enters. An operation without a definite answer is open for ever: it took effect once, at any
moment after its call, or never. Record it all the same, and also what still runs at the end. If the
end of its hold is unknown, `until_s` is the earliest that it can be. All times are of one clock.
Only `until_s` may come from another one, which is at most `skew_s` ahead.

The method is Wing and Gong's search ("Testing and Verifying Concurrent Objects", 1993) in Lowe's
just-in-time form ("Testing for Linearizability", 2017). Lowe's other form, known from Porcupine
(Athalye), goes through the history depth first with a cache. This one goes through time once, with
the set of all states that are still possible. A state says who holds the slot, and which of the
operations that are open now have taken effect, as bits. The set is the cache. When no operation is
open it shrinks to a state or two, so no history needs to be cut at such moments. An operation
that is open for ever costs a bit, and no branch at each later step. Slots are judged one by one,
since a history is linearizable if that of each object is (Herlihy and Wing, "Linearizability",
1990; Horn and Kroening, "Faster linearizability checking via P-compositionality", 2015).

What this cannot see: several slots at once, such as a stay that got only some of its nights; pages
that may be old, such as search results from a cache, which must not be recorded as reads; refusals
other than "already booked"; a hold that stays after its end, which the site may clear late; who may
do what; and keys, apart from their effects on the slot.
"""

from __future__ import annotations

import math
from bisect import insort
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Literal, NamedTuple

# The site keeps the ends of holds in milliseconds of the wall clock, which is adjusted as it runs.
SKEW_S = 0.05

# The most states that are tried to explain one answer. A run of 20 clients needs some hundred. A
# history that needs more is wrongly recorded, and would fill the memory.
MOST_STATES = 300_000

Kind = Literal["take", "free", "confirm", "extend", "refused", "holds"]

_WORDS: dict[Kind, str] = {
    "take": "takes the slot for",
    "free": "frees the slot from",
    "confirm": "confirms",
    "extend": "extends",
    "refused": "is refused, since the slot is taken",
    "holds": "reads that the slot is held by",
}
_READS = ("refused", "holds")


@dataclass(frozen=True)
class Op:
    """An operation on one slot, as its client saw it."""

    number: int
    began_s: float
    # Infinity if a definite answer never came.
    ended_s: float
    kind: Kind
    # Empty for "refused".
    booking: str = ""
    # False if it took effect once or never, at any moment after it began.
    is_certain: bool = True
    # For "take" and "extend": the moment from which the hold may die. Infinity if it is booked.
    until_s: float = math.inf

    def __post_init__(self) -> None:
        if self.kind not in _WORDS:
            raise ValueError(f"#{self.number} is of no known kind: {self.kind!r}.")
        if (self.kind == "refused") != (not self.booking):
            raise ValueError(f"#{self.number} needs a booking, unless it is a refusal.")
        if not -math.inf < self.began_s <= self.ended_s:
            raise ValueError(f"#{self.number} ended before it began.")
        if self.is_certain == math.isinf(self.ended_s):
            raise ValueError(f"#{self.number} is certain without an end, or open with one.")
        if math.isnan(self.until_s):
            raise ValueError(f"#{self.number} has no end that is a moment.")
        if self.kind not in ("take", "extend") and math.isfinite(self.until_s):
            raise ValueError(f'#{self.number} has an end, which only "take" and "extend" have.')


@dataclass(frozen=True)
class Violation:
    """Part of a slot's history that no order explains. Printed, it is a story."""

    slot: str
    ops: tuple[Op, ...]
    # Up to the moment of its answer there was an order, and with the answer there is none.
    unexplained: Op
    skew_s: float

    def __str__(self) -> str:
        start_s = self.ops[0].began_s
        return "\n".join(
            [
                f"Slot {self.slot}: no order of these operations explains every answer, "
                "whatever the others did.",
                *(_line(op, start_s) for op in self.ops),
                f"Nothing explains the answer to #{self.unexplained.number}. "
                f"(Holds may die up to {self.skew_s:g} s early.)",
            ]
        )


class TooManyStates(Exception):
    """Too much is open at once for a judgement. Fewer clients or shorter faults help."""


def check(slot: str, ops: Iterable[Op], *, skew_s: float = SKEW_S) -> Violation | None:
    """What no order of these operations on this slot, free at first, explains; or None."""
    history = sorted(ops, key=lambda op: (op.began_s, op.number))
    unexplained = _first_unexplained(history, skew_s)
    if unexplained is None:
        return None
    shortest = _thinned(_up_to(history, unexplained), skew_s)
    # Of two answers in one moment the other one may be left.
    left = _first_unexplained(shortest, skew_s) or unexplained
    return Violation(slot, tuple(shortest), left, skew_s)


# The search


class _Possible(NamedTuple):
    """A state that the slot may be in."""

    holder: str | None
    dies_from_s: float
    # Bits of the writes that are open and will be answered: those that took effect.
    done: int
    # Bits of the reads that are open and will be answered: those that saw what they say.
    seen: int
    # Bits of the writes without an answer: those that took effect.
    used: int
    # Bits of the bookings that were freed and not taken since, so that no confirm revives them.
    freed: int


_FIRST = _Possible(None, -math.inf, 0, 0, 0, 0)

# The holder in place of all bookings that nothing else mentions.
_SOME_BOOKING = ""


class _States:
    """Possible states, without each one that can do no more than another one can.

    With the same holder and the same effects of answered writes, a state can do all that another
    can if its hold may die as early, no read is missing that the other has seen, and each open
    write and each revival that the other still has is left to it. Open writes never need to take
    effect, so having more of them left is never worse.
    """

    def __init__(self) -> None:
        self._best: dict[tuple[str | None, int], list[_Possible]] = {}

    def add(self, new: _Possible) -> bool:
        """Whether it can do what no state could that was added before."""
        known = self._best.setdefault((new.holder, new.done), [])
        if any(_is_as_good(old, new) for old in known):
            return False
        known[:] = [old for old in known if not _is_as_good(new, old)]
        known.append(new)
        return True

    def __iter__(self) -> Iterator[_Possible]:
        for known in self._best.values():
            yield from known


def _is_as_good(one: _Possible, other: _Possible) -> bool:
    return (
        one.dies_from_s <= other.dies_from_s
        and not other.seen & ~one.seen
        and not one.used & ~other.used
        and not one.freed & ~other.freed
    )


class _Open(NamedTuple):
    """A write that has begun and not been answered."""

    bit: int
    kind: Kind
    booking: str
    until_s: float
    is_certain: bool
    # The bit of its booking in `freed`, or 0 if no confirm mentions the booking.
    revival: int

    def is_left(self, state: _Possible) -> bool:
        return not (state.done if self.is_certain else state.used) & self.bit

    def after(self, state: _Possible, holder: str | None) -> _Possible:
        freed = state.freed | self.revival if holder is None else state.freed & ~self.revival
        return _Possible(
            holder,
            self.until_s if holder is not None else -math.inf,
            state.done | self.bit if self.is_certain else state.done,
            state.seen,
            state.used if self.is_certain else state.used | self.bit,
            freed,
        )


def _first_unexplained(history: Sequence[Op], skew_s: float) -> Op | None:
    """The operation with whose answer the last possible state goes, or None if one stays."""
    # An open read changes nothing and promises nothing.
    history = [op for op in history if op.is_certain or op.kind not in _READS]
    # Only an operation that ended before another began must come before it, so at the same moment
    # calls come first.
    events = sorted(
        [(op.began_s, False, index) for index, op in enumerate(history)]
        + [(op.ended_s, True, index) for index, op in enumerate(history) if op.is_certain]
    )
    now = _Now(history, skew_s)
    possible = [_FIRST]
    for at_s, is_answer, index in events:
        if not is_answer:
            now.begin(index)
            continue
        possible = now.end(index, at_s, possible)
        if not possible:
            return history[index]
    return None


class _Now:
    """What is open at one moment of the history."""

    def __init__(self, history: Sequence[Op], skew_s: float) -> None:
        self._history = history
        self._skew_s = skew_s
        self._mentions = Counter(op.booking for op in history)
        confirmed = dict.fromkeys(op.booking for op in history if op.kind == "confirm")
        self._revivals = {booking: 1 << bit for bit, booking in enumerate(confirmed)}
        # Bits of answered operations are used again after their answers.
        self._spare_bits: list[int] = []
        self._bits = 0
        self._open_for_ever = 0
        self._bit_of: dict[int, int] = {}
        self._refusals = 0
        self._readers: Counter[str] = Counter()
        self._takers: dict[int, _Open] = {}
        self._of_holder: dict[str, dict[int, _Open]] = {}
        self._unmentioned: list[tuple[float, int, _Open]] = []

    def begin(self, index: int) -> None:
        op = self._history[index]
        bit = self._new_bit(index, op)
        if op.kind == "refused":
            self._refusals |= bit
            return
        if op.kind == "holds":
            self._readers[op.booking] |= bit
            return
        write = _Open(
            bit,
            op.kind,
            op.booking,
            op.until_s,
            op.is_certain,
            self._revivals.get(op.booking, 0),
        )
        if op.kind == "take" and not op.is_certain and self._mentions[op.booking] == 1:
            insort(self._unmentioned, (op.until_s, index, write))
            return
        if op.kind in ("take", "confirm"):
            self._takers[index] = write
        if op.kind != "take":
            self._of_holder.setdefault(op.booking, {})[index] = write

    def end(self, index: int, at_s: float, possible: list[_Possible]) -> list[_Possible]:
        """The states that are possible after this answer.

        Just in time: nothing takes effect before an answer asks for it. Every order allows that.
        Each moment can be moved to the first answer among the operation's own and those of the
        operations after it; the order stays, and ends of holds, if anything, have come.
        """
        op, bit = self._history[index], self._bit_of.pop(index)
        after = _States()
        blocked = []
        for state in possible:
            if (state.seen | state.done) & bit:
                after.add(_without(state, bit))
            elif _agrees(op, state.holder):
                # A read that agrees with a state is taken as seen in it, with no alternative. In
                # any order in which it comes later it can come now, since it changes nothing.
                after.add(state)
            else:
                blocked.append(state)
        for state in self._made_to_do(bit, at_s, blocked):
            after.add(_without(state, bit))
        self._forget(index, op, bit)
        return list(after)

    def _made_to_do(self, bit: int, at_s: float, states: list[_Possible]) -> Iterator[_Possible]:
        """The states that can follow these, up to each in which this operation has taken effect."""
        known = _States()
        todo = []
        for state in states:
            state = self._with_reads(state)
            if known.add(state):
                todo.append(state)
        tried = 0
        while todo:
            for state in self._next_states(todo.pop(), at_s):
                tried += 1
                if tried > MOST_STATES:
                    raise TooManyStates(f"More than {MOST_STATES} states may explain one answer.")
                state = self._with_reads(state)
                if (state.seen | state.done) & bit:
                    yield state
                elif known.add(state):
                    todo.append(state)

    def _next_states(self, state: _Possible, at_s: float) -> Iterator[_Possible]:
        if state.holder is None:
            for write in self._takers.values():
                if write.is_left(state) and not (
                    write.kind == "confirm" and state.freed & write.revival
                ):
                    yield write.after(state, write.booking)
            # Of takes without an answer whose bookings nothing else mentions, the one whose hold
            # may die first is enough. Only its death ends such a hold. So in an order that uses
            # another one now, and perhaps this one after that hold has died, the two can change
            # places: this one may die when the other did, and the other is due by then.
            for _, _, write in self._unmentioned:
                if write.is_left(state):
                    yield write.after(state, _SOME_BOOKING)
                    break
            return
        if state.dies_from_s - self._skew_s <= at_s:
            yield state._replace(holder=None, dies_from_s=-math.inf)
        for write in self._of_holder.get(state.holder, {}).values():
            if write.is_left(state):
                yield write.after(state, None if write.kind == "free" else state.holder)

    def _with_reads(self, state: _Possible) -> _Possible:
        """With all open reads seen that agree with it. See `end` for why it may."""
        if state.holder is None:
            return state
        seen = state.seen | self._refusals | self._readers[state.holder]
        return state if seen == state.seen else state._replace(seen=seen)

    def _new_bit(self, index: int, op: Op) -> int:
        if not op.is_certain:
            self._open_for_ever += 1
            return 1 << (self._open_for_ever - 1)
        if self._spare_bits:
            bit = self._spare_bits.pop()
        else:
            bit = 1 << self._bits
            self._bits += 1
        self._bit_of[index] = bit
        return bit

    def _forget(self, index: int, op: Op, bit: int) -> None:
        self._spare_bits.append(bit)
        if op.kind == "refused":
            self._refusals &= ~bit
        elif op.kind == "holds":
            self._readers[op.booking] &= ~bit
        else:
            self._takers.pop(index, None)
            self._of_holder.get(op.booking, {}).pop(index, None)


def _agrees(op: Op, holder: str | None) -> bool:
    """Whether this is a read that says what is so."""
    if op.kind == "refused":
        return holder is not None
    return op.kind == "holds" and op.booking == holder


def _without(state: _Possible, bit: int) -> _Possible:
    return state._replace(done=state.done & ~bit, seen=state.seen & ~bit)


# The story. It leaves out a cause only with all that it may explain. Each step makes a history that
# has an order if the history before it has one. So a step that leaves none shows nothing that was
# not there, and up to the unexplained answer there is an order still.


def _up_to(history: list[Op], last: Op) -> list[Op]:
    """The history until this answer. An operation that is answered later is still open then."""
    return [
        op if op.ended_s <= last.ended_s else replace(op, ended_s=math.inf, is_certain=False)
        for op in history
        if op.began_s <= last.ended_s
        and (op.kind not in _READS or (op.is_certain and op.ended_s <= last.ended_s))
    ]


def _thinned(history: list[Op], skew_s: float) -> list[Op]:
    """Without every booking, read and extension that is not needed for the violation."""
    parts = Parts(history)

    def is_bad(left: list[Part]) -> bool:
        return _first_unexplained(parts.only(left), skew_s) is not None

    return parts.only(_needed(parts.all, is_bad))


# A booking with all its operations, or the place of one operation.
Part = str | int


class Parts:
    """What can be left out of a history so that no violation comes of it."""

    def __init__(self, history: list[Op]) -> None:
        self._history = history
        bookings = dict.fromkeys(op.booking for op in history if op.booking)
        self._tenures = {booking: _tenure(booking, history) for booking in bookings}
        # Without a read there is less to explain. The same is so without an extension that only
        # makes a hold last.
        self._single = {
            place
            for place, op in enumerate(history)
            if op.kind in _READS or (op.kind == "extend" and _only_prolongs(op, history))
        }
        self.all: list[Part] = [*bookings, *sorted(self._single)]

    def only(self, left: Iterable[Part]) -> list[Op]:
        """The history of these parts, and of all operations that are no parts.

        Without a booking the slot is free while that booking held it. Nothing else happens to the
        slot in that time, except that others are refused. So these refusals go with it.
        """
        there = set(left)
        gone = [tenure for booking, tenure in self._tenures.items() if booking not in there]
        return [
            op
            for place, op in enumerate(self._history)
            if (place in there or place not in self._single)
            and (
                op.booking in there
                if op.booking
                else not any(_meets(op, tenure) for tenure in gone)
            )
        ]


def _needed(parts: list[str | int], is_bad: Callable[[list[str | int]], bool]) -> list[str | int]:
    """Delta debugging: tries to leave out ever smaller pieces, until no single part can go."""
    size = len(parts)
    while size:
        start, is_smaller = 0, False
        while start < len(parts):
            left = parts[:start] + parts[start + size :]
            if is_bad(left):
                parts, is_smaller = left, True
            else:
                start += size
        if size > 1 or not is_smaller:
            size //= 2
    return parts


def _tenure(booking: str, history: list[Op]) -> tuple[float, float]:
    """The first and the last moment at which this booking may have held the slot."""
    takes = [op for op in history if op.booking == booking and op.kind in ("take", "confirm")]
    starts_s = min((op.began_s for op in takes), default=math.inf)
    # After its last take it holds the slot at most until it is freed, or until an operation that
    # only another holder can do. Both are sure if they began after that take had ended.
    taken_s = max((op.ended_s for op in takes), default=-math.inf)
    ends_s = [
        op.ended_s
        for op in history
        if op.is_certain
        and op.began_s > taken_s
        and (op.kind == "free" if op.booking == booking else op.kind != "refused")
    ]
    return starts_s, min(ends_s, default=math.inf)


def _meets(op: Op, tenure: tuple[float, float]) -> bool:
    return op.began_s <= tenure[1] and op.ended_s >= tenure[0]


def _only_prolongs(extension: Op, history: list[Op]) -> bool:
    """Whether the hold may die no later without this extension, which allows all that it allows."""
    return all(
        op.kind in ("free", *_READS) or op.until_s <= extension.until_s
        for op in history
        if op.booking == extension.booking and op.began_s <= extension.ended_s
    )


def _line(op: Op, start_s: float) -> str:
    ended = f"to {op.ended_s - start_s:9.3f} s" if op.is_certain else "open".ljust(14)
    words = f"#{op.number} {_WORDS[op.kind]} {op.booking}".rstrip()
    if op.kind in ("take", "extend") and math.isfinite(op.until_s):
        words += f" until {op.until_s - start_s:.3f} s"
    return f"  {op.began_s - start_s:9.3f} {ended}  {words}"
