"""What counts as an unusual price."""

from __future__ import annotations

import pytest

from bookings.catalogue.nights import NightRow
from bookings.catalogue.usual_prices import (
    count_unusual,
    is_unusual,
    median_price,
    tell_count,
    tell_unusual,
)


@pytest.mark.parametrize(
    ("price", "usual", "found"),
    [
        (1_000, 10_000, False),
        (999, 10_000, True),
        (100_000, 10_000, False),
        (100_001, 10_000, True),
        (10_000, 10_000, False),
        # There is a question of its own about what is free of charge.
        (0, 10_000, False),
        (10_000, 0, False),
        (10_000, None, False),
        (5, 9, False),
        (1, 11, True),
    ],
)
def test_is_unusual_below_a_tenth_and_above_ten_times(
    price: int, usual: int | None, found: bool
) -> None:
    assert is_unusual(price, usual) is found


@pytest.mark.parametrize(
    ("prices", "median"),
    [([], None), ([0, 0], None), ([7], 7), ([1, 9, 5], 5), ([0, 4, 8], 4), ([9, 1, 5, 3], 3)],
)
def test_takes_the_median_of_what_has_a_price(prices: list[int], median: int | None) -> None:
    assert median_price(prices) == median


def test_counts_the_rows_that_set_an_unusual_price_for_their_category() -> None:
    rows = [
        NightRow("attic", "2027-03-01", {"price": 799}, 500),
        NightRow("attic", "2027-03-02", {"price": 800}, 500),
        NightRow("attic", "2027-03-03", {"min_stay": 2}, 1),
        NightRow("suite", "2027-03-01", {"price": 799}, 500),
    ]

    assert count_unusual(rows, {"attic": 8_000, "suite": 100}) == 1
    assert tell_count(1).startswith("1 night would cost")


@pytest.mark.parametrize(
    ("price", "usual", "currency", "told"),
    [
        (
            1_199,
            12_000,
            "EUR",
            "EUR\xa011.99 is less than a tenth of the usual EUR\xa0120.00.",
        ),
        (130_000, 12_000, "JPY", "JPY\xa0130,000 is more than ten times the usual JPY\xa012,000."),
        (1, 12_000, "KWD", "KWD\xa00.001 is less than a tenth of the usual KWD\xa012.000."),
    ],
)
def test_says_both_prices_in_their_currency(
    price: int, usual: int, currency: str, told: str
) -> None:
    assert tell_unusual(price, usual, currency) == told
