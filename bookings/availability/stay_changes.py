"""What other dates, or another category, would cost a booking; and whether that is for sale.

The same rule as for search and new bookings says so (docs/decisions/0022). What the booking has
already is no obstacle to it: its nights, its day of arrival and its day of departure.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import date

from bookings.availability.offers import WantedRoom
from bookings.availability.stock import TOO_MANY_GUESTS, Stock, recent_category_stock
from bookings.catalogue import calendars, inventory
from bookings.catalogue.calendars import Obstacle, describe_days
from bookings.domain.booking import Booking, Price, nights_between
from bookings.domain.stay_request import MAX_SLOTS, ChangeWish, judge_length
from bookings.domain.told import kinds_of
from bookings.refusals import Fault, NotChangeable, ValidationFailed

# The field of the request that each obstacle concerns; a night that is closed is one of the dates.
_FIELDS = {
    calendars.CLOSED: "checkIn",
    calendars.MIN_STAY: "checkOut",
    calendars.CLOSED_TO_ARRIVAL: "checkIn",
    calendars.CLOSED_TO_DEPARTURE: "checkOut",
    TOO_MANY_GUESTS: "categoryId",
}


@dataclass(frozen=True)
class StayOffer:
    """The stay that a booking could have instead, provided that rooms are free.

    `wanted` is in the order of the booking's rooms. `kept` are the nights that it has already in
    rooms of the same kinds; they keep their price, and all others cost today's.
    """

    wanted: tuple[WantedRoom, ...]
    check_in: date
    check_out: date
    kept: tuple[date, ...]
    price: Price

    @property
    def has_new_nights(self) -> bool:
        """Whether the booking needs rooms for nights that it does not have."""
        return len(self.kept) < (self.check_out - self.check_in).days


def offer_change(booking: Booking, wish: ChangeWish) -> StayOffer:
    """Checks the wish against the catalogue and the calendars.

    Raises ValidationFailed, or NotChangeable if the hotel has changed its currency.
    """
    check_in, check_out = wish.check_in, wish.check_out
    faults = judge_length(check_in, check_out)
    if wish.category and booking.category is None:
        text = "This booking has rooms of several kinds, which stay as they are; leave this out."
        faults.append(Fault("categoryId", text))
    if len(booking.rooms) * (check_out - check_in).days > MAX_SLOTS:
        text = f"A booking can have at most {MAX_SLOTS} nights in all its rooms."
        faults.append(Fault("checkOut", text))
    if faults:
        raise ValidationFailed(faults)

    categories = [wish.category or booked.category for booked in booking.rooms]
    stocks = recent_category_stock(categories, check_in, check_out)
    kept = _kept_nights(booking, categories, check_in, check_out)
    hotel = inventory.recent_hotel(booking.hotel)
    assert hotel is not None, "a hotel cannot be deleted before its bookings"
    faults += inventory.judge_dates(hotel, check_in, check_out)
    has_new_nights = len(kept) < (check_out - check_in).days
    for booked, category in zip(booking.rooms, categories, strict=True):
        stock = stocks.get(category)
        if stock is None or stock.hotel.id != booking.hotel or not stock.hotel.is_open:
            # A stay that only gets shorter needs nothing of a category that is gone, or that
            # guests cannot book yet.
            if has_new_nights:
                faults.append(Fault("categoryId", "There is no such category in this hotel."))
            continue
        if has_new_nights and not stock.rooms:
            faults.append(Fault("categoryId", "This category has no rooms for sale."))
        for obstacle in obstacles_to_change(booking, stock, check_in, check_out, booked.guests):
            faults.append(Fault(_FIELDS[obstacle.code], obstacle.message))
    if faults:
        raise ValidationFailed(list(dict.fromkeys(faults)))
    # Each stock has the hotel from the same look as its prices.
    currencies = {stock.hotel.currency for stock in stocks.values()}
    if has_new_nights and currencies != {booking.price.currency}:
        raise NotChangeable(
            f"This stay is priced in {booking.price.currency} and the hotel now sells in "
            f"{hotel.currency}; ask the hotel, or make a new booking.",
            why="currency",
        )
    return StayOffer(
        wanted=tuple(
            WantedRoom(category, booked.guests, stocks[category].rooms if has_new_nights else ())
            for booked, category in zip(booking.rooms, categories, strict=True)
        ),
        check_in=check_in,
        check_out=check_out,
        kept=kept,
        price=_price(booking, [stocks.get(name) for name in categories], kept, check_in, check_out),
    )


def read_obstacles(booking: Booking, wish: ChangeWish) -> tuple[Obstacle, ...]:
    """What the calendars and the number of guests forbid, for the pages, which word it."""
    categories = [wish.category or booked.category for booked in booking.rooms]
    stocks = recent_category_stock(categories, wish.check_in, wish.check_out)
    found = [
        obstacle
        for booked, category in zip(booking.rooms, categories, strict=True)
        if category in stocks
        for obstacle in obstacles_to_change(
            booking, stocks[category], wish.check_in, wish.check_out, booked.guests
        )
    ]
    return tuple(dict.fromkeys(found))


def obstacles_to_change(
    booking: Booking, stock: Stock, check_in: date, check_out: date, guests: int
) -> list[Obstacle]:
    """Why this category's rooms are not sold to the booking for this stay; empty if they are."""
    # A booking with rooms of several kinds keeps these kinds.
    is_its_own = booking.category in (None, stock.category.id)
    is_within = booking.check_in <= check_in and check_out <= booking.check_out
    found = []
    for obstacle in stock.obstacles(check_in, check_out, guests):
        if is_its_own and is_within and obstacle.code == TOO_MANY_GUESTS:
            continue
        if is_its_own and obstacle.code == calendars.CLOSED:
            new = tuple(
                day for day in obstacle.days if not booking.check_in <= day < booking.check_out
            )
            if not new:
                continue
            obstacle = replace(obstacle, message=f"Not for sale on {describe_days(new)}.", days=new)
        is_as_before = (
            obstacle.code == calendars.CLOSED_TO_ARRIVAL and check_in == booking.check_in
        ) or (obstacle.code == calendars.CLOSED_TO_DEPARTURE and check_out == booking.check_out)
        if not (is_its_own and is_as_before):
            found.append(obstacle)
    return found


def _kinds(booking: Booking) -> tuple[str, ...]:
    return kinds_of(booked.category for booked in booking.rooms)


def _kept_nights(
    booking: Booking, categories: Sequence[str], check_in: date, check_out: date
) -> tuple[date, ...]:
    if kinds_of(categories) != _kinds(booking):
        return ()
    first, end = max(check_in, booking.check_in), min(check_out, booking.check_out)
    return tuple(nights_between(first, end))


def _price(
    booking: Booking,
    stocks: Sequence[Stock | None],
    kept: Sequence[date],
    check_in: date,
    check_out: date,
) -> Price:
    known = {night: amount for night, amount in booking.price.nights if night in kept}

    def amount(night: date) -> int:
        if night in known:
            return known[night]
        nights = [stock.calendar.night(night) for stock in stocks if stock]
        return sum(sold.price for sold in nights if sold)

    nights = tuple((night, amount(night)) for night in nights_between(check_in, check_out))
    return Price(booking.price.currency, nights)
