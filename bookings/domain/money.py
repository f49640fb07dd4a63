"""Amounts as people read and write them.

They are stored in minor units, so that no amount is ever rounded.
"""

import re
from decimal import Decimal
from functools import lru_cache

from django.utils.formats import number_format
from django.utils.translation import get_language, pgettext

# Currencies whose minor unit is not a hundredth, by ISO 4217.
WITHOUT_DIGITS = "BIF CLP DJF GNF ISK JPY KMF KRW PYG RWF UGX UYI VND VUV XAF XOF XPF"
WITH_THREE_DIGITS = "BHD IQD JOD KWD LYD OMR TND"

# No sign, and no thousands separator: in another country that is the decimal mark.
_PLAIN = re.compile(r"([0-9]{1,12})(?:[.,]([0-9]+))?", re.ASCII)


def format_money(minor_units: int, currency: str) -> str:
    """`EUR 1,234.50` for 123450 minor units, `JPY 1,200` for 1200; in German `1.234,50 €` and
    `1.200 JPY`. The space does not break."""
    # The catalogue of translations has the sign for a currency if people are used to one.
    name = pgettext("currency", "EUR") if currency == "EUR" else currency
    text = pgettext("money", "%(currency)s %(amount)s") % {
        "currency": name,
        "amount": format_amount(minor_units, currency),
    }
    return text.replace(" ", "\N{NO-BREAK SPACE}")


def format_amount(minor_units: int, currency: str) -> str:
    """The same without the currency, for places that name it already."""
    return _format_amount(minor_units, currency, get_language())


# A month has few different prices, and each takes longer to format than a cell to write.
@lru_cache(maxsize=2_000)
def _format_amount(minor_units: int, currency: str, _language: str | None) -> str:
    digits = count_digits(currency)
    amount = Decimal(minor_units).scaleb(-digits)
    return number_format(amount, decimal_pos=digits, use_l10n=True, force_grouping=True)


def write_amount(minor_units: int, currency: str) -> str:
    """`1234.50` for 123450 minor units of EUR: for files and forms, without the currency."""
    return f"{Decimal(minor_units).scaleb(-count_digits(currency)):f}"


def read_amount(text: str, currency: str, *, decimal_comma: bool = False) -> int | None:
    """The minor units in `1234.50`, or in `1234,50` with `decimal_comma`; None for other texts.

    It does not round: the result is None if the text has more decimals than the currency.
    """
    match = _PLAIN.fullmatch(text)
    if match is None or ("," in text and not decimal_comma):
        return None
    digits = count_digits(currency)
    fraction = (match[2] or "").ljust(digits, "0")
    if len(fraction) > digits:
        return None
    return int(match[1] + fraction)


def count_digits(currency: str) -> int:
    """How many decimals the currency has."""
    if currency in WITHOUT_DIGITS.split():
        return 0
    return 3 if currency in WITH_THREE_DIGITS.split() else 2
