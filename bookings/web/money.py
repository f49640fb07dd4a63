"""Amounts of money as people read them."""

from decimal import Decimal

# Digits after the point, by ISO 4217; every other currency has two.
MINOR_DIGITS = {
    "BHD": 3, "BIF": 0, "CLF": 4, "CLP": 0, "DJF": 0, "GNF": 0, "IQD": 3, "ISK": 0,
    "JOD": 3, "JPY": 0, "KMF": 0, "KRW": 0, "KWD": 3, "LYD": 3, "OMR": 3, "PYG": 0,
    "RWF": 0, "TND": 3, "UGX": 0, "UYI": 0, "UYW": 4, "VND": 0, "VUV": 0, "XAF": 0,
    "XOF": 0, "XPF": 0,
}  # fmt: skip


def format_money(minor_units: int, currency: str) -> str:
    """`EUR 1,234.50` for 123450 minor units; `JPY 1,200` for 1200."""
    amount = Decimal(minor_units).scaleb(-MINOR_DIGITS.get(currency, 2))
    # A no-break space: the amount must not part from its currency.
    return f"{currency}\N{NO-BREAK SPACE}{amount:,f}"
