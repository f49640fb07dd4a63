"""The rule of the sellable calendar, and the names of days."""

from __future__ import annotations

from datetime import date, timedelta

import pytest

from bookings.catalogue.calendars import Calendar, CalendarNight, describe_days
from bookings.catalogue.inventory import CategoryFacts

FIRST = date(2028, 2, 27)


def calendar(*nights: CalendarNight | None, sell_by_default: bool = True) -> Calendar:
    category = CategoryFacts("double", "inn", "Double", 2, 10_000, sell_by_default)
    days = {FIRST + timedelta(days=n): night for n, night in enumerate(nights) if night}
    return Calendar(category, days)


@pytest.mark.parametrize(
    ("days", "text"),
    [
        ([], ""),
        ([0], "2028-02-27"),
        ([2, 0, 1, 3], "2028-02-27 to 2028-03-01"),
        ([0, 2, 3], "2028-02-27, 2028-02-29 to 2028-03-01"),
    ],
)
def test_names_runs_of_days_by_their_ends(days: list[int], text: str) -> None:
    assert describe_days(FIRST + timedelta(days=n) for n in days) == text


def test_costs_the_default_where_no_night_says_otherwise() -> None:
    amounts = calendar(None, CalendarNight(12_000)).amounts(FIRST, FIRST + timedelta(days=3))

    assert amounts == (
        (date(2028, 2, 27), 10_000),
        (date(2028, 2, 28), 12_000),
        (date(2028, 2, 29), 10_000),
    )


def test_has_no_price_for_a_stay_with_a_closed_night() -> None:
    assert (
        calendar(CalendarNight(1), CalendarNight(1, is_closed=True)).amounts(
            FIRST, FIRST + timedelta(2)
        )
        is None
    )


def test_names_every_obstacle_at_once() -> None:
    days = calendar(
        CalendarNight(1, min_stay=3, is_closed_to_arrival=True),
        None,
        CalendarNight(1, is_closed_to_departure=True),
        sell_by_default=False,
    )

    found = [obstacle.code for obstacle in days.obstacles(FIRST, FIRST + timedelta(days=2))]

    assert found == ["CLOSED", "MIN_STAY", "CLOSED_TO_ARRIVAL", "CLOSED_TO_DEPARTURE"]


def test_knows_a_list_price_also_for_nights_that_are_not_sold() -> None:
    days = calendar(CalendarNight(5_000, is_closed=True), sell_by_default=False)

    assert days.list_price(FIRST) == 5_000
    assert days.list_price(FIRST + timedelta(days=1)) == 10_000
