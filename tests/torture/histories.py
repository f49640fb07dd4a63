"""Histories of one slot, drawn at random: good ones, and ones that may be anything."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import get_args

from hypothesis import strategies as st

from torture.linearizability import Kind, Op

BOOKINGS = ["A", "B", "C"]


@st.composite
def good(draw: st.DrawFn, most: int = 25) -> list[Op]:
    """One slot is used by one client after the other; then calls and answers are moved apart."""
    ops: list[Op] = []
    holder, dies_from_s, now_s = None, math.inf, 0
    freed: set[str] = set()
    for number in range(draw(st.integers(1, most))):
        now_s += draw(st.integers(0, 3))
        if holder is not None and dies_from_s <= now_s and draw(st.booleans()):
            holder = None
        booking = draw(st.sampled_from(BOOKINGS))
        until_s = draw(st.sampled_from([now_s, now_s + 2, now_s + 5, math.inf]))
        if holder is None:
            kind: Kind = draw(st.sampled_from(["take", "take", "confirm"]))
            if booking in freed:
                kind = "take"
        else:
            kind = draw(st.sampled_from(["refused", "holds", "free", "confirm", "extend"]))
            booking = "" if kind == "refused" else holder
        if kind == "free":
            holder = None
            freed.add(booking)
        elif kind in ("take", "confirm", "extend"):
            holder, dies_from_s = booking, math.inf if kind == "confirm" else until_s
            freed.discard(booking)
        is_certain = draw(st.integers(0, 5)) > 0
        ops.append(
            Op(
                number,
                now_s - draw(st.integers(0, 4)),
                now_s + draw(st.integers(0, 4)) if is_certain else math.inf,
                kind,
                booking,
                is_certain,
                until_s if kind in ("take", "extend") else math.inf,
            )
        )
    # Some without an answer took no effect.
    idle = draw(st.lists(_any_op((False,)), max_size=3))
    return _numbered([*ops, *idle])


@st.composite
def mutated(draw: st.DrawFn) -> list[Op]:
    """A short good history with one fault, which may make it a bad one."""
    ops = draw(good(6).filter(lambda ops: len(ops) <= 6))
    place = draw(st.integers(0, len(ops) - 1))
    fault = draw(st.sampled_from(["drop", "swap", "shift", "answer"]))
    if fault == "drop":
        return ops[:place] + ops[place + 1 :]
    if fault == "shift":
        later_s = draw(st.integers(-6, 6))
        op = ops[place]
        ops[place] = replace(op, began_s=op.began_s + later_s, ended_s=op.ended_s + later_s)
    elif fault == "swap":
        ops[place] = draw(_any_op())
    elif ops[place].kind not in ("refused", "holds"):
        op = ops[place]
        ops[place] = replace(op, ended_s=op.began_s + 3, is_certain=True)
    return _numbered(ops)


def anything() -> st.SearchStrategy[list[Op]]:
    return st.lists(_any_op(), max_size=6).map(_numbered)


@st.composite
def _any_op(draw: st.DrawFn, certainties: tuple[bool, ...] = (True, True, True, False)) -> Op:
    began_s = draw(st.integers(0, 12))
    certain = draw(st.sampled_from(certainties))
    kind = draw(st.sampled_from(get_args(Kind)))
    return Op(
        0,
        began_s,
        began_s + draw(st.integers(0, 5)) if certain else math.inf,
        kind,
        "" if kind == "refused" else draw(st.sampled_from(BOOKINGS)),
        certain,
        draw(st.sampled_from([began_s, began_s + 2, began_s + 5, math.inf]))
        if kind in ("take", "extend")
        else math.inf,
    )


def _numbered(ops: list[Op]) -> list[Op]:
    return [replace(op, number=number) for number, op in enumerate(ops)]
