"""A total spread over the nights of a stay, as for a price that staff agreed with the guest."""

from __future__ import annotations

from datetime import date, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bookings.domain.booking import Price
from bookings.domain.stay_request import MAX_NIGHTS, MAX_TOTAL

FIRST = date(2026, 11, 30)

AMOUNTS = st.lists(st.integers(0, 10**12), min_size=1, max_size=MAX_NIGHTS)


def price(amounts: list[int]) -> Price:
    nights = tuple((FIRST + timedelta(days=n), amount) for n, amount in enumerate(amounts))
    return Price("EUR", nights)


def amounts_of(spread: Price) -> list[int]:
    return [amount for _, amount in spread.nights]


@given(AMOUNTS, st.integers(0, MAX_TOTAL))
def test_sums_to_the_total_with_each_night_within_one_unit_of_its_share(
    amounts: list[int], total: int
) -> None:
    before = price(amounts)

    after = before.spread(total)

    assert after.total == total
    assert [night for night, _ in after.nights] == [night for night, _ in before.nights]
    weights, whole = (amounts, sum(amounts)) if sum(amounts) else ([1] * len(amounts), len(amounts))
    for amount, weight in zip(amounts_of(after), weights, strict=True):
        assert amount >= 0
        assert abs(amount * whole - total * weight) < whole


@given(AMOUNTS)
def test_leaves_a_price_at_its_own_total_as_it_is(amounts: list[int]) -> None:
    assert price(amounts).spread(sum(amounts)) == price(amounts)


@pytest.mark.parametrize(
    ("amounts", "total", "expected"),
    [
        ([100, 100, 100], 100, [34, 33, 33]),
        ([10_000, 20_000], 10_001, [3_334, 6_667]),
        ([0, 0], 5, [3, 2]),
        ([0, 100], 7, [0, 7]),
        ([100, 100], 0, [0, 0]),
    ],
)
def test_gives_what_is_left_to_the_nights_that_lost_most(
    amounts: list[int], total: int, expected: list[int]
) -> None:
    assert amounts_of(price(amounts).spread(total)) == expected
