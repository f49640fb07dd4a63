"""Rooms that a booking could move to, and what it would cost there."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from functools import partial

from bookings.availability import occupancy, offers
from bookings.catalogue import inventory
from bookings.catalogue.calendars import read_calendars
from bookings.catalogue.inventory import CategoryFacts, RoomFacts
from bookings.domain.booking import EXPIRED, BookedRoom, Booking, Price
from bookings.domain.told import frozen_amounts
from bookings.infrastructure import clock


@dataclass(frozen=True)
class RoomOption:
    """A room that could replace one of the booking's rooms. `total` is the price of the whole
    booking then, in minor units, with its other rooms unchanged."""

    room: RoomFacts
    category: CategoryFacts
    total: int


def find_move_options(
    booking: Booking, check_in: date, check_out: date
) -> tuple[tuple[RoomOption, ...], ...]:
    """The options on these dates for each of the booking's rooms, in the booking's order: first the
    present room, then rooms of its category, then all others.

    Raises ValidationFailed if the booking cannot be on these dates at all. Moving judges again;
    these options only keep the desk from choosing a move that would be refused.
    """
    offers.judge_move(booking, booking.room_ids, check_in, check_out)
    house = inventory.read_house(booking.hotel)
    by_category = read_calendars((category for category, _ in house), check_in, check_out)
    now = clock.now()
    taken = {
        room
        for occupant in occupancy.list_occupants(booking.hotel, check_in, check_out)
        if occupant.id != str(booking.id) and occupant.status_at(now) != EXPIRED
        for room in occupant.rooms
    }
    hotel = inventory.find_hotel(booking.hotel)
    has_begun = hotel is not None and booking.check_in < hotel.desk_day()
    # A price cannot mix two currencies.
    has_other_prices = hotel is not None and hotel.currency != booking.price.currency
    frozen = frozen_amounts(booking)
    found = []
    for position, booked in enumerate(booking.rooms):
        options = []
        for category, rooms in house:
            categories = [
                category.id if place == position else other.category
                for place, other in enumerate(booking.rooms)
            ]
            if has_other_prices and offers.has_new_nights(
                booking.price, frozen, categories, check_in, check_out
            ):
                continue
            # New nights in a deleted category have no price; moving says so.
            calendars = [by_category[name] for name in categories if name in by_category]
            amounts = offers.reprice(
                booking.price, frozen, calendars, categories, check_in, check_out
            )
            total = Price(booking.price.currency, amounts).total
            for room in rooms:
                is_its_own = room.id == booked.room
                # Nights already spent in a room stay there.
                may_be = is_its_own or (
                    room.is_sold and not has_begun and category.occupancy >= booked.guests
                )
                if may_be and room.id not in taken:
                    options.append(RoomOption(room, category, total))
        found.append(tuple(sorted(options, key=partial(_rank, booked))))
    return tuple(found)


def price_of_move(
    booking: Booking, room_ids: Sequence[str], check_in: date, check_out: date
) -> Price:
    """What the booking would cost in these rooms, in the order of its own. Raises ValidationFailed
    if it could not be moved there even if they are free."""
    rooms = offers.judge_move(booking, room_ids, check_in, check_out)
    amounts = offers.amounts_after_move(booking, rooms, check_in, check_out)
    return Price(booking.price.currency, amounts)


def _rank(booked: BookedRoom, option: RoomOption) -> tuple[bool, bool, str, str]:
    return (
        option.room.id != booked.room,
        option.category.id != booked.category,
        option.category.name,
        option.room.id,
    )
