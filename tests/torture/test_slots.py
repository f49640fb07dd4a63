"""Histories of slots, as they are made of operations and of what bookings say of themselves."""

from __future__ import annotations

import math
from typing import Any

import pytest

from tests.torture.stories import (
    BOOKING,
    START_S,
    answer,
    attempt,
    body_of,
    booking,
    line,
    operation,
)
from torture.history import Operation
from torture.judging import invariants
from torture.judging.slots import judge_slot_histories, slot_histories
from torture.linearizability import Op

OTHER = "f" * 24
SLOT, NEXT = ("east", "2027-02-01|east_single_1"), ("east", "2027-02-02|east_single_1")

HOLD = operation(shown=answer())
CONFIRM = operation("confirm", number=2, shown=answer(status="confirmed", expiresAt=None))
CANCEL = operation("cancel", number=4, key="away", shown=answer(status="cancelled"))
LATER = {"checkIn": "2027-02-02", "checkOut": "2027-02-03"}


def rival(*attempts: Any, number: int) -> Operation:
    """Another booking of the same slot, for good."""
    shown = answer(id=OTHER, status="confirmed", expiresAt=None)
    return operation("book", *attempts, number=number, key="other", shown=shown)


def histories(
    operations: list[Operation], *documents: dict[str, Any]
) -> dict[tuple[str, str], list[Op]]:
    return slot_histories(operations, {str(each["_id"]): each for each in documents})


def told(ops: list[Op]) -> list[tuple[str, float, float]]:
    return [(op.kind, op.began_s - START_S, op.until_s - START_S) for op in ops]


def broken(operations: list[Operation], *documents: dict[str, Any]) -> set[str]:
    found = judge_slot_histories(operations, {str(each["_id"]): each for each in documents})
    return {violation.invariant for violation in found}


def test_follows_a_hold_to_its_booking_and_its_end() -> None:
    lines = [line(2, "confirmed", CONFIRM), line(4, "cancelled", CANCEL)]

    found = histories([HOLD, CONFIRM, CANCEL], booking(HOLD, *lines, status="cancelled"))

    assert set(found) == {SLOT}
    assert told(found[SLOT]) == [
        ("take", 1, 20),
        ("confirm", 2, math.inf),
        ("free", 4, math.inf),
    ]


def test_frees_what_a_change_leaves_and_takes_where_it_goes() -> None:
    change = operation("change", number=3, key="later", shown=answer(**LATER))

    found = histories([HOLD, change], booking(HOLD, line(3, "changed", change)))

    assert told(found[SLOT]) == [("take", 1, 20), ("free", 3, math.inf)]
    assert told(found[NEXT]) == [("take", 3, 20)]


def test_leaves_alone_what_a_change_keeps() -> None:
    longer = operation("change", number=3, key="more", shown=answer(checkOut="2027-02-03"))

    found = histories([HOLD, longer], booking(HOLD, line(3, "changed", longer)))

    assert told(found[SLOT]) == [("take", 1, 20)]
    assert told(found[NEXT]) == [("take", 3, 20)]


def test_leaves_an_operation_without_an_answer_open_for_ever() -> None:
    lost = operation("cancel", attempt(3, 0), key="away")

    (_, freed) = histories([HOLD, lost], booking(HOLD, line(3, "cancelled", lost)))[SLOT]

    assert (freed.kind, freed.is_certain, freed.ended_s) == ("free", False, math.inf)


def test_takes_a_refusal_for_one_slot_and_none_for_several() -> None:
    one = operation("book", attempt(1, 409, "ALREADY_BOOKED"), key="one")
    one.wish = {"resourceId": "east_single_1", "checkIn": "2027-02-01", "checkOut": "2027-02-02"}
    two = operation("book", attempt(1, 409, "ALREADY_BOOKED"), key="two")
    two.wish = {**one.wish, "checkOut": "2027-02-03"}

    assert [op.kind for op in histories([one, two])[SLOT]] == ["refused"]
    # Nothing had the slot at any time.
    assert broken([one]) == {invariants.LINEARIZABLE}
    assert broken([one, HOLD], booking(HOLD)) == set()


def test_finds_a_slot_that_was_sold_while_a_booking_had_it() -> None:
    lines = [line(2, "confirmed", CONFIRM), line(4, "cancelled", CANCEL)]
    mine = booking(HOLD, *lines, status="cancelled")

    for number, found in ((3, {invariants.LINEARIZABLE}), (5, set())):
        theirs = rival(number=number)
        document = booking(theirs, _id=OTHER, status="confirmed")
        assert broken([HOLD, CONFIRM, CANCEL, theirs], mine, document) == found


def test_lets_a_key_succeed_late_where_redis_forgot_its_refusal() -> None:
    lines = [line(2, "confirmed", CONFIRM), line(4, "cancelled", CANCEL)]
    mine = booking(HOLD, *lines, status="cancelled")
    refusal, success = attempt(3, 409, "ALREADY_BOOKED"), attempt(9, body=body_of(answer()))
    theirs = rival(refusal, success, number=3)

    document = booking(theirs, _id=OTHER, status="confirmed")

    assert broken([HOLD, CONFIRM, CANCEL, theirs], mine, document) == set()


def test_lets_a_hold_end_only_once_its_time_has_come() -> None:
    for at_s, found in ((15, {invariants.LINEARIZABLE}), (21, set())):
        theirs = rival(number=at_s)
        ended = booking(HOLD, line(at_s, "expired"), status="expired")
        document = booking(theirs, _id=OTHER, status="confirmed")
        assert broken([HOLD, theirs], ended, document) == found


def test_does_not_take_a_slot_for_right_that_it_could_not_judge(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("torture.linearizability.MOST_STATES", 0)
    theirs = rival(number=3)
    documents = {BOOKING: booking(HOLD), OTHER: booking(theirs, _id=OTHER)}

    (violation,) = judge_slot_histories([HOLD, theirs], documents)

    assert violation.invariant == invariants.LINEARIZABLE
    assert "was not judged: More than 0 states" in violation.story


def test_tells_the_story_by_the_slot() -> None:
    theirs = rival(number=3)
    documents = {BOOKING: booking(HOLD), OTHER: booking(theirs, _id=OTHER)}

    (violation,) = judge_slot_histories([HOLD, theirs], documents)

    assert "2027-02-01|east_single_1 of east" in violation.story
