"""The lists of a day: which one a stay belongs to."""

from __future__ import annotations

from datetime import UTC, date, datetime, time, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bookings.catalogue import inventory
from bookings.domain.booking import CHECKED_IN, CHECKED_OUT, EXPECTED, NO_SHOW
from bookings.front_desk import days
from bookings.front_desk.days import (
    ARRIVALS,
    DEPARTURES,
    DONE,
    IN_HOUSE,
    LATE_ARRIVALS,
    LISTS,
    list_of,
)
from bookings.infrastructure import clock, connections
from tests.calls import book
from tests.conftest import night

DAY = date(2027, 2, 15)

DAYS = st.integers(-20, 20).map(lambda away: DAY + timedelta(days=away))
PRESENCES = st.sampled_from([EXPECTED, CHECKED_IN, CHECKED_OUT, NO_SHOW])


def listed(
    presence: str, first: int, end: int, marked: int | None = None, today: int = 0
) -> str | None:
    """Returns the list of a stay with these dates and this day of its mark, counted from DAY."""
    return list_of(
        presence=presence,
        check_in=DAY + timedelta(days=first),
        check_out=DAY + timedelta(days=end),
        marked_on=None if marked is None else DAY + timedelta(days=marked),
        day=DAY,
        today=DAY + timedelta(days=today),
    )


@pytest.mark.parametrize(
    ("presence", "first", "end", "marked", "expected"),
    [
        (EXPECTED, 0, 2, None, ARRIVALS),
        (EXPECTED, 1, 2, None, None),
        (EXPECTED, -1, 3, None, LATE_ARRIVALS),
        (EXPECTED, -1, 0, None, LATE_ARRIVALS),
        (EXPECTED, -3, -2, None, LATE_ARRIVALS),
        (CHECKED_IN, 0, 1, 0, IN_HOUSE),
        (CHECKED_IN, -1, 3, -1, IN_HOUSE),
        (CHECKED_IN, -2, 0, -2, DEPARTURES),
        (CHECKED_IN, -3, -2, -3, DEPARTURES),
        (CHECKED_OUT, -2, 0, 0, DONE),
        (CHECKED_OUT, -3, -2, 0, DONE),  # the room was left late
        (CHECKED_OUT, -3, 3, 0, DONE),  # left early
        (CHECKED_OUT, -3, 3, -1, None),
        (CHECKED_OUT, -3, 1, 1, DONE),  # who looks back
        (NO_SHOW, 0, 2, 0, DONE),
        (NO_SHOW, -1, 2, 0, DONE),
        (NO_SHOW, -1, 2, -1, None),
    ],
)
def test_lists_a_stay_by_what_is_to_do(
    presence: str, first: int, end: int, marked: int | None, expected: str | None
) -> None:
    assert listed(presence, first, end, marked) == expected


@pytest.mark.parametrize(
    ("presence", "first", "end", "today", "expected"),
    [
        (EXPECTED, 0, 2, -1, ARRIVALS),
        (EXPECTED, -1, 1, -1, IN_HOUSE),  # arrives today, and is there tomorrow
        (EXPECTED, -1, 0, -1, DEPARTURES),
        (EXPECTED, -2, 1, -1, LATE_ARRIVALS),
        (EXPECTED, -3, -1, -1, None),  # can still come, but leaves before
        (EXPECTED, -3, -2, -1, LATE_ARRIVALS),
        (CHECKED_IN, -3, -1, -1, None),  # leaves today
        (CHECKED_IN, -3, -2, -1, DEPARTURES),  # should have left
        (CHECKED_IN, -3, 0, -1, DEPARTURES),
    ],
)
def test_calls_no_guest_late_before_the_day_is_over(
    presence: str, first: int, end: int, today: int, expected: str | None
) -> None:
    marked = None if presence == EXPECTED else first
    assert listed(presence, first, end, marked, today) == expected


@given(PRESENCES, DAYS, st.integers(1, 30), DAYS, DAYS, DAYS)
def test_has_each_stay_of_the_day_in_one_list_and_others_in_none(
    presence: str, check_in: date, nights: int, marked_on: date, day: date, today: date
) -> None:
    check_out = check_in + timedelta(days=nights)
    marked_on = max(marked_on, check_in)

    found = list_of(
        presence=presence,
        check_in=check_in,
        check_out=check_out,
        marked_on=None if presence == EXPECTED else marked_on,
        day=day,
        today=today,
    )

    has_begun, stays_over = check_in <= day, check_out > day
    is_over = presence in (CHECKED_OUT, NO_SHOW)
    # The day is still to come, and the guest can still leave in time.
    will_have_left = not is_over and today <= check_out < day
    is_there = not will_have_left and (
        presence == CHECKED_IN or (presence == EXPECTED and today <= check_in < day)
    )
    # Each list by a rule of its own; exactly those that hold are where the stay is.
    rules = {
        ARRIVALS: presence == EXPECTED and check_in == day,
        LATE_ARRIVALS: presence == EXPECTED and check_in < min(day, today) and not will_have_left,
        IN_HOUSE: is_there and has_begun and stays_over,
        DEPARTURES: is_there and has_begun and not stays_over,
        DONE: is_over and has_begun and day <= marked_on,
    }
    assert [name for name, holds in rules.items() if holds] == ([found] if found else [])
    assert found in (*LISTS, None)
    # A guest with something left to do is never lost from sight.
    assert found or not has_begun or (is_over and marked_on < day) or will_have_left


def test_counts_a_moment_after_midnight_to_the_day_before() -> None:
    moments = [datetime(2027, 2, 16, hour, 30, tzinfo=UTC) for hour in (1, 3, 4)]

    # In February, Berlin is one hour ahead of UTC.
    days = [clock.desk_day_at(moment, "Europe/Berlin", time(5)) for moment in moments]

    assert days == [DAY, DAY, DAY + timedelta(days=1)]


@pytest.mark.mongo
@pytest.mark.usefixtures("inn")
def test_counts_the_day_and_what_is_left_of_earlier_days() -> None:
    today = date.fromisoformat(night(0))
    for room, first, end, presence in (
        ("inn_A", 0, 1, EXPECTED),
        ("inn_B", 0, 2, CHECKED_IN),
        ("inn_C", 0, 2, NO_SHOW),
        ("inn_S", 0, 3, CHECKED_OUT),
    ):
        book(room, resourceId=room, checkIn=night(first), checkOut=night(end))
        connections.collection("bookings").update_one(
            {"rooms.room": room}, {"$set": {"presence": presence}}
        )
    hotel = inventory.find_hotel("inn")
    assert hotel is not None

    found = [
        days.count_day(hotel, today + timedelta(days=ahead), clock.now()) for ahead in range(4)
    ]

    counts = [(f.arrivals, f.arrived, f.departures, f.departed, f.in_house) for f in found]
    assert counts == [(3, 2, 0, 0, 1), (0, 0, 1, 0, 1), (0, 0, 1, 0, 1), (0, 0, 1, 1, 1)]
    # Today's guests can still come and go in time, however far ahead one looks.
    assert [f.overdue for f in found] == [0, 0, 0, 0]
    later = [
        days.count_day(
            hotel, today + timedelta(days=ahead), clock.now() + timedelta(days=ahead)
        ).overdue
        for ahead in range(4)
    ]
    # On the day of departure the guest who never came is late, and the other one still leaves.
    assert later == [0, 1, 1, 2]
