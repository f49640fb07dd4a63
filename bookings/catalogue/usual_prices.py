"""Prices that are probably typing errors: below a tenth, or above ten times, what is usual."""

from collections.abc import Iterable, Mapping, Sequence
from statistics import median_low

from bookings.catalogue import inventory
from bookings.catalogue.nights import NightRow
from bookings.domain.money import format_money
from bookings.infrastructure.quantities import quantity


def is_unusual(price: int, usual: int | None) -> bool:
    """Whether the price, in minor units like the usual one, is likely to be a mistake.

    Nothing is unusual if there is no usual price. A price of 0 has a question of its own.
    """
    if not usual or not price:
        return False
    return price * 10 < usual or price > usual * 10


def usual_price_of_hotel(hotel_id: str) -> int | None:
    """What a new category is compared with: the median of the hotel's prices, in minor units.

    None if the hotel has no category with a price yet.
    """
    return median_price(each.default_price for each in inventory.list_categories(hotel_id))


def median_price(prices: Iterable[int]) -> int | None:
    """The median of the prices above 0, in minor units; None if there are none."""
    known = [price for price in prices if price]
    return median_low(known) if known else None


def tell_unusual(price: int, usual: int, currency: str) -> str:
    """The sentence about an unusual price; both are in minor units."""
    how = "less than a tenth of" if price < usual else "more than ten times"
    return f"{format_money(price, currency)} is {how} the usual {format_money(usual, currency)}."


def count_unusual(rows: Sequence[NightRow], usual_prices: Mapping[str, int]) -> int:
    """How many rows set a price that is unusual beside that of their category, by its id."""
    return sum(
        "price" in row.values and is_unusual(row.values["price"], usual_prices[row.category])
        for row in rows
    )


def tell_count(count: int) -> str:
    """The sentence that this many nights would have unusual prices."""
    return (
        f"{quantity(count, 'night')} would cost less than a tenth, or more than ten times, of what "
        "is usual in the category."
    )
