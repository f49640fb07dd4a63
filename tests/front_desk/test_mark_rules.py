"""Which marks the desk can set on a stay, and which state an undo restores."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta

import pytest

from bookings.domain.booking import (
    CHECKED_IN,
    CHECKED_OUT,
    CONFIRMED,
    EXPECTED,
    NO_SHOW,
    Change,
)
from bookings.front_desk.marks import UNDO, UNDONE, judge_mark, possible_marks, presence_before

ARRIVAL = date(2027, 2, 15)


def marks(presence: str, *, days: int, status: str = CONFIRMED) -> list[str]:
    """Returns the possible marks this many days after the arrival of a stay of two nights."""
    return possible_marks(
        status=status,
        presence=presence,
        check_in=ARRIVAL,
        check_out=ARRIVAL + timedelta(days=2),
        today=ARRIVAL + timedelta(days=days),
    )


@pytest.mark.parametrize(
    ("presence", "days", "expected"),
    [
        (EXPECTED, -1, []),
        (EXPECTED, 0, [CHECKED_IN, NO_SHOW]),
        (EXPECTED, 2, [CHECKED_IN, NO_SHOW]),  # after midnight of the last night
        (EXPECTED, 3, [NO_SHOW]),
        (CHECKED_IN, 0, [CHECKED_OUT, UNDO]),
        (CHECKED_IN, 3, [CHECKED_OUT, UNDO]),
        (CHECKED_OUT, 1, [UNDO]),
        (NO_SHOW, 0, [UNDO]),
    ],
)
def test_offers_what_fits_the_day_and_what_was_marked(
    presence: str, days: int, expected: list[str]
) -> None:
    assert marks(presence, days=days) == expected


@pytest.mark.parametrize("status", ["pending", "cancelled", "expired"])
@pytest.mark.parametrize("presence", [EXPECTED, CHECKED_IN])
def test_offers_nothing_for_what_is_not_confirmed(status: str, presence: str) -> None:
    assert marks(presence, days=0, status=status) == []


def test_says_why_in_a_sentence() -> None:
    stay = {"check_in": ARRIVAL, "check_out": ARRIVAL + timedelta(days=2)}

    said = judge_mark(
        CHECKED_IN,
        status=CONFIRMED,
        presence=EXPECTED,
        today=ARRIVAL - timedelta(days=1),
        **stay,
    )

    assert said == "The day of arrival, 2027-02-15, has not begun at the hotel."


@pytest.mark.parametrize(
    ("events", "before"),
    [
        ([], EXPECTED),
        ([CHECKED_IN], EXPECTED),
        ([CHECKED_IN, "moved", CHECKED_OUT], CHECKED_IN),
        ([CHECKED_IN, CHECKED_OUT, UNDONE], EXPECTED),
        ([NO_SHOW, UNDONE, CHECKED_IN, CHECKED_OUT], CHECKED_IN),
        ([CHECKED_IN, CHECKED_OUT, UNDONE, CHECKED_OUT], CHECKED_IN),
    ],
)
def test_goes_back_to_what_stood_before(events: list[str], before: str) -> None:
    at = datetime(2027, 2, 15, tzinfo=UTC)

    assert presence_before(Change(at, event, "user:1") for event in events) == before
