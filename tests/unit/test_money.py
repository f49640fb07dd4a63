from __future__ import annotations

import pytest

from bookings.money import format_money


@pytest.mark.parametrize(
    ("minor_units", "currency", "shown"),
    [
        (123_450, "EUR", "EUR\xa01,234.50"),
        (5, "USD", "USD\xa00.05"),
        (0, "EUR", "EUR\xa00.00"),
        (1_200, "JPY", "JPY\xa01,200"),
        (1_200, "KWD", "KWD\xa01.200"),
    ],
)
def test_writes_minor_units_as_the_currency_counts_them(
    minor_units: int, currency: str, shown: str
) -> None:
    assert format_money(minor_units, currency) == shown
