from __future__ import annotations

import pytest
from django.utils import translation

from bookings.domain.money import format_amount, format_money, read_amount, write_amount


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


@pytest.mark.parametrize(
    ("text", "currency", "decimal_comma", "found"),
    [
        ("120.00", "EUR", False, 12_000),
        ("120", "EUR", False, 12_000),
        ("120.5", "EUR", False, 12_050),
        ("120,50", "EUR", True, 12_050),
        ("120.50", "EUR", True, 12_050),
        ("1200", "JPY", False, 1_200),
        ("1.250", "KWD", False, 1_250),
        ("120,50", "EUR", False, None),
        ("1,200", "EUR", True, None),
        ("1.200,00", "EUR", True, None),
        ("1,200.00", "EUR", False, None),
        ("0.001", "EUR", False, None),
        ("1.5", "JPY", False, None),
        ("-1", "EUR", False, None),
        ("+1", "EUR", False, None),
        ("1e3", "EUR", False, None),
        ("١٢", "EUR", False, None),
        ("", "EUR", False, None),
        ("1.", "EUR", False, None),
    ],
)
def test_reads_an_amount_or_nothing(
    text: str, currency: str, decimal_comma: bool, found: int | None
) -> None:
    assert read_amount(text, currency, decimal_comma=decimal_comma) == found


@pytest.mark.parametrize("currency", ["EUR", "JPY", "KWD"])
def test_reads_what_it_wrote(currency: str) -> None:
    for amount in (0, 1, 99, 100, 12_345, 1_000_000_000):
        assert read_amount(write_amount(amount, currency), currency) == amount


def test_writes_an_amount_again_in_another_language() -> None:
    written = []
    for language in ("en", "de", "en"):
        with translation.override(language):
            written.append(format_amount(123_450, "EUR"))

    assert written == ["1,234.50", "1.234,50", "1,234.50"]
