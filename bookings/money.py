"""Amounts as people read them. They are kept in minor units, so that none is ever rounded."""

from decimal import Decimal

# Currencies whose minor unit is not a hundredth, by ISO 4217.
WITHOUT_DIGITS = "BIF CLP DJF GNF ISK JPY KMF KRW PYG RWF UGX UYI VND VUV XAF XOF XPF"
WITH_THREE_DIGITS = "BHD IQD JOD KWD LYD OMR TND"


def format_money(minor_units: int, currency: str) -> str:
    """`EUR 1,234.50` for 123450 minor units, `JPY 1,200` for 1200; the space does not break."""
    if currency in WITHOUT_DIGITS.split():
        digits = 0
    else:
        digits = 3 if currency in WITH_THREE_DIGITS.split() else 2
    amount = Decimal(minor_units).scaleb(-digits)
    return f"{currency}\N{NO-BREAK SPACE}{amount:,f}"
