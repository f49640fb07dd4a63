"""What a booking's owner sees before they change it: the new price, or why not and what is near."""

from dataclasses import dataclass
from datetime import date, timedelta

from bookings.availability import occupancy, search
from bookings.availability.assignment import keep_or_choose_rooms
from bookings.availability.stay_changes import StayOffer, offer_change, read_obstacles
from bookings.availability.stock import Stock, read_category_stock
from bookings.catalogue.calendars import Obstacle
from bookings.domain.booking import Booking
from bookings.domain.stay_request import ChangeWish
from bookings.refusals import Fault, SoldOut, ValidationFailed


@dataclass(frozen=True)
class ChangeFound:
    """An offer for which rooms are free; or else what is in its way.

    `occupancy` and `rooms_left` are those of the category in which `obstacles` were found.
    `faults` are about the dates themselves. `nearest` lists available stays of the category.
    """

    offer: StayOffer | None
    obstacles: tuple[Obstacle, ...] = ()
    faults: tuple[Fault, ...] = ()
    nearest: tuple[tuple[date, date], ...] = ()
    occupancy: int = 0
    rooms_left: int = 0


def find_change(booking: Booking, wish: ChangeWish) -> ChangeFound:
    """Whether the booking could have this stay instead; writes and locks nothing.

    Raises NotChangeable if the hotel has changed its currency.
    """
    try:
        offer = offer_change(booking, wish)
    except ValidationFailed as refusal:
        obstacles = read_obstacles(booking, wish)
        faults = () if obstacles else tuple(refusal.faults)
        return _with_nearest(booking, wish, ChangeFound(None, obstacles, faults))
    if not offer.has_new_nights:
        return ChangeFound(offer)
    taken = occupancy.taken_nights(booking.hotel, wish.check_in, wish.check_out, besides=booking.id)
    try:
        keep_or_choose_rooms(
            offer.wanted,
            booking.room_ids,
            taken,
            wish.check_in,
            wish.check_out,
            locked=frozenset(),
        )
    except SoldOut:
        obstacles = tuple(
            search.why_full(
                wanted.candidates,
                taken,
                wish.check_in,
                wish.check_out,
                sum(other.category == wanted.category for other in offer.wanted),
            )
            for wanted in {wanted.category: wanted for wanted in offer.wanted}.values()
        )
        # Of several categories, those that have enough rooms say nothing.
        obstacles = tuple(each for each in obstacles if each.days) or obstacles
        return _with_nearest(booking, wish, ChangeFound(None, obstacles))
    return ChangeFound(offer)


def _with_nearest(booking: Booking, wish: ChangeWish, found: ChangeFound) -> ChangeFound:
    """Adds the nearest stays in the wanted category, if all rooms are to be of one."""
    category = wish.category or booking.category
    if found.faults or category is None:
        return found
    around = timedelta(days=search.NEAREST_WITHIN_DAYS)
    first, last = wish.check_in - around, wish.check_out + around
    stock: Stock | None = read_category_stock([category], first, last).get(category)
    if stock is None or not stock.hotel.is_open:
        return found
    guests, room_count = max(booked.guests for booked in booking.rooms), len(booking.rooms)
    taken = occupancy.taken_nights(booking.hotel, first, last, besides=booking.id)
    nearest = search.find_nearest(stock, taken, wish.check_in, wish.check_out, guests, room_count)
    has_already = (booking.check_in, booking.check_out) if category == booking.category else None
    return ChangeFound(
        None,
        found.obstacles,
        nearest=tuple(stay for stay in nearest if stay != has_already),
        occupancy=stock.category.occupancy,
    )
