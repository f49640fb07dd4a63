"""Amounts as people read them. They are kept in minor units, so that none is ever rounded."""

from decimal import Decimal

from django.utils.formats import number_format
from django.utils.translation import pgettext

# Currencies whose minor unit is not a hundredth, by ISO 4217.
WITHOUT_DIGITS = "BIF CLP DJF GNF ISK JPY KMF KRW PYG RWF UGX UYI VND VUV XAF XOF XPF"
WITH_THREE_DIGITS = "BHD IQD JOD KWD LYD OMR TND"


def format_money(minor_units: int, currency: str) -> str:
    """`EUR 1,234.50` for 123450 minor units, `JPY 1,200` for 1200; in German `1.234,50 €` and
    `1.200 JPY`. The space does not break."""
    # Where people are used to a sign for a currency, the catalogue has it.
    name = pgettext("currency", "EUR") if currency == "EUR" else currency
    text = pgettext("money", "%(currency)s %(amount)s") % {
        "currency": name,
        "amount": format_amount(minor_units, currency),
    }
    return text.replace(" ", "\N{NO-BREAK SPACE}")


def format_amount(minor_units: int, currency: str) -> str:
    """The same without the currency, for where it is told already."""
    if currency in WITHOUT_DIGITS.split():
        digits = 0
    else:
        digits = 3 if currency in WITH_THREE_DIGITS.split() else 2
    amount = Decimal(minor_units).scaleb(-digits)
    return number_format(amount, decimal_pos=digits, use_l10n=True, force_grouping=True)
