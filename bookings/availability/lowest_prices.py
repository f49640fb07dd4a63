"""What each category of a hotel costs at least in the weeks ahead, for pages that name no dates."""

from dataclasses import dataclass
from datetime import timedelta

from bookings.availability import occupancy
from bookings.availability.stock import FreeCounts, read_category_stock
from bookings.catalogue import inventory
from bookings.catalogue.inventory import CategoryFacts, HotelFacts
from bookings.domain.booking import nights_between
from bookings.infrastructure import clock

# Two months: far enough that a hotel which is full for some weeks still shows a price.
LOOK_AHEAD_DAYS = 60


@dataclass(frozen=True)
class LowestPrice:
    """A category that has rooms for sale, and its cheapest night in the next LOOK_AHEAD_DAYS.

    `price` is for one room, in minor units of the hotel's currency, on a night that is for sale and
    has a free room; None if there is no such night.
    """

    category: CategoryFacts
    price: int | None


def find_lowest_prices(hotel: HotelFacts) -> list[LowestPrice]:
    """Every category of the hotel that has rooms for sale, by name. Takes three round trips."""
    first = clock.today(hotel.time_zone)
    last = first + timedelta(days=LOOK_AHEAD_DAYS)
    categories = inventory.list_categories(hotel.id)
    stocks = read_category_stock((category.id for category in categories), first, last)
    taken = occupancy.taken_nights(hotel.id, first, last)
    found = []
    for category in categories:
        stock = stocks.get(category.id)
        if stock is None or not stock.rooms:
            continue
        free = FreeCounts(stock.rooms, taken)
        prices = [
            night.price
            for day in nights_between(first, last)
            if (night := stock.calendar.night(day)) and free.between(day, day + timedelta(days=1))
        ]
        found.append(LowestPrice(category, min(prices, default=None)))
    return found
