"""What can be booked: the same answer for the API, the pages and the admin.

A category serves a stay if its calendar sells it (bookings/calendars.py) and one of its rooms
is free on all its nights (bookings/assignment.py). Booking asks these same two.
"""

import dataclasses
from collections.abc import Callable
from dataclasses import dataclass
from datetime import date, timedelta

from bookings import calendars, clock, inventory, lookups
from bookings.assignment import Taken, free_rooms
from bookings.calendars import Calendar, Night, Obstacle, describe_days, read_calendars
from bookings.documents import Price, nights_between
from bookings.errors import ValidationFailed
from bookings.inventory import HORIZON_DAYS, CategoryFacts, HotelFacts, RoomFacts
from bookings.payloads import judge_length

TOO_MANY_GUESTS = "TOO_MANY_GUESTS"
SOLD_OUT = "SOLD_OUT"
NO_SINGLE_ROOM = "NO_SINGLE_ROOM"
NO_ROOMS = "NO_ROOMS"

# Some are free, but fewer than are wanted; for who wants one, none is SOLD_OUT.
TOO_FEW_ROOMS = "TOO_FEW_ROOMS"

# Every reason why one room of a category cannot be had for a stay.
OBSTACLES = (
    calendars.CLOSED,
    calendars.MIN_STAY,
    calendars.CLOSED_TO_ARRIVAL,
    calendars.CLOSED_TO_DEPARTURE,
    TOO_MANY_GUESTS,
    SOLD_OUT,
    NO_SINGLE_ROOM,
    NO_ROOMS,
)

# How far a stay that cannot be had is moved to find one that can.
NEAREST_WITHIN_DAYS = 14

# A page of rooms; a hotel has more only rarely, and then `next` leads on.
PAGE_SIZE = 100


@dataclass(frozen=True)
class CategoryStay:
    """One category for the stay that was asked for.

    It can be had if there are no obstacles; then `rooms_left` is enough. `price` is for
    one room, None where some night is not for sale. `nearest` are the closest stays of the
    same length that can be had instead, one earlier and one later at most; `free` are the rooms
    that are left.
    """

    category: CategoryFacts
    rooms_left: int
    price: Price | None
    obstacles: tuple[Obstacle, ...]
    nearest: tuple[tuple[date, date], ...]
    free: tuple[RoomFacts, ...]


@dataclass(frozen=True)
class CalendarDay:
    """A day of a category's month; `rooms_left` counts rooms that are free on this night."""

    date: date
    night: Night | None
    rooms_left: int
    can_be_booked: bool


@dataclass(frozen=True)
class FreeRoom:
    """A room that can be booked for one night."""

    room: RoomFacts
    category: CategoryFacts
    price: Price


@dataclass(frozen=True)
class FreeRooms:
    """Rooms free on one night, and the id to go on after (None at the end)."""

    hotel: str
    night: date
    rooms: tuple[FreeRoom, ...]
    next_after: str | None


def find_stays(
    *,
    hotel_id: str,
    check_in: date,
    check_out: date,
    guests: int = 1,
    room_count: int = 1,
    at_desk: bool = False,
) -> list[CategoryStay]:
    """Every category of the hotel for this stay, by name. Raises ValidationFailed.

    `guests` is how many are in each room.
    """
    hotel = _find_hotel(hotel_id)
    faults = judge_length(check_in, check_out) or inventory.judge_dates(
        hotel, check_in, check_out, at_desk=at_desk
    )
    if faults:
        raise ValidationFailed(faults)
    categories = inventory.list_categories(hotel.id)
    rooms = _rooms_by_category(categories)
    found = _look(hotel, categories, rooms, check_in, check_out, guests, room_count)
    if not any(stay.obstacles for stay in found):
        return found
    # Only for who has to look elsewhere: the days around are read as well.
    return _with_nearest(hotel, found, rooms, check_in, check_out, room_count)


def read_month(*, category_id: str, year: int, month: int) -> list[CalendarDay]:
    """Every day of a month for one category. Raises ValidationFailed."""
    category = inventory.find_category(category_id)
    if category is None:
        raise ValidationFailed([("categoryId", "There is no such category.")])
    hotel = _find_hotel(category.hotel)
    first = date(year, month, 1)
    end = date(year + month // 12, month % 12 + 1, 1)
    calendar = read_calendars([category], first, end)[category.id]
    rooms = inventory.list_rooms([category.id])
    taken = lookups.taken_nights(hotel.id, first, end)
    today = clock.today(hotel.time_zone)
    last = today + timedelta(days=HORIZON_DAYS)
    days = []
    for day in nights_between(first, end):
        night = calendar.night(day)
        left = len(free_rooms(rooms, taken, day, day + timedelta(days=1)))
        days.append(
            CalendarDay(
                date=day,
                # A night that is not for sale may still have restrictions to show.
                night=night or calendar.days.get(day),
                rooms_left=left,
                can_be_booked=night is not None and left > 0 and today <= day < last,
            )
        )
    return days


def find_free_rooms(*, hotel_id: str, night: date, after: str = "") -> FreeRooms:
    """The hotel's rooms that can be booked for this one night, a page at a time.

    Raises ValidationFailed.
    """
    hotel = _find_hotel(hotel_id)
    check_out = night + timedelta(days=1)
    faults = inventory.judge_dates(hotel, night, check_out)
    if faults:
        raise ValidationFailed([("date", message) for _, message in faults])
    categories = {category.id: category for category in inventory.list_categories(hotel.id)}
    by_category = read_calendars(categories.values(), night, check_out)
    prices = {
        category_id: Price(hotel.currency, calendar.amounts(night, check_out) or ())
        for category_id, calendar in by_category.items()
        if not calendar.obstacles(night, check_out)
    }
    rooms = inventory.list_rooms(prices, after=after, limit=PAGE_SIZE + 1)
    page = rooms[:PAGE_SIZE]
    taken = lookups.taken_nights(hotel.id, night, check_out)
    return FreeRooms(
        hotel=hotel.id,
        night=night,
        rooms=tuple(
            FreeRoom(room, categories[room.category], prices[room.category])
            for room in free_rooms(page, taken, night, check_out)
        ),
        next_after=page[-1].id if len(rooms) > PAGE_SIZE else None,
    )


def _find_hotel(hotel_id: str) -> HotelFacts:
    hotel = inventory.find_hotel(hotel_id)
    if hotel is None:
        raise ValidationFailed([("hotelId", "There is no such hotel.")])
    return hotel


def _rooms_by_category(categories: list[CategoryFacts]) -> dict[str, list[RoomFacts]]:
    rooms: dict[str, list[RoomFacts]] = {category.id: [] for category in categories}
    for room in inventory.list_rooms(rooms):
        rooms[room.category].append(room)
    return rooms


def _look(
    hotel: HotelFacts,
    categories: list[CategoryFacts],
    rooms: dict[str, list[RoomFacts]],
    check_in: date,
    check_out: date,
    guests: int,
    room_count: int,
) -> list[CategoryStay]:
    by_category = read_calendars(categories, check_in, check_out)
    taken = lookups.taken_nights(hotel.id, check_in, check_out)
    found = []
    for category in categories:
        calendar = by_category[category.id]
        amounts = calendar.amounts(check_in, check_out)
        free = free_rooms(rooms[category.id], taken, check_in, check_out)
        obstacles = calendar.obstacles(check_in, check_out)
        if guests > category.occupancy:
            message = f"This takes {category.limit}."
            obstacles.append(Obstacle(TOO_MANY_GUESTS, message, ()))
        if len(free) < room_count:
            why = _why_full(rooms[category.id], taken, check_in, check_out, room_count)
            obstacles.append(why)
        found.append(
            CategoryStay(
                category=category,
                rooms_left=len(free),
                price=Price(hotel.currency, amounts) if amounts else None,
                obstacles=tuple(obstacles),
                nearest=(),
                free=tuple(free),
            )
        )
    return found


def _why_full(
    rooms: list[RoomFacts], taken: Taken, check_in: date, check_out: date, room_count: int
) -> Obstacle:
    """Too few rooms are free on all nights; on which nights are too few free at all?"""
    if not rooms:
        return Obstacle(NO_ROOMS, "There is no room of this kind for sale.", ())
    full = tuple(
        night
        for night in nights_between(check_in, check_out)
        if len(free_rooms(rooms, taken, night, night + timedelta(days=1))) < room_count
    )
    if room_count > 1:
        return Obstacle(TOO_FEW_ROOMS, f"Fewer than {room_count} rooms are free.", full)
    if full:
        return Obstacle(SOLD_OUT, f"Sold out on {describe_days(full)}.", full)
    return Obstacle(
        NO_SINGLE_ROOM,
        "Some room is free on every night, but none on all of them; a stay would change rooms.",
        (),
    )


def _with_nearest(
    hotel: HotelFacts,
    found: list[CategoryStay],
    rooms: dict[str, list[RoomFacts]],
    check_in: date,
    check_out: date,
    room_count: int,
) -> list[CategoryStay]:
    around = timedelta(days=NEAREST_WITHIN_DAYS)
    lost = [stay for stay in found if stay.obstacles]
    by_category = read_calendars(
        [stay.category for stay in lost], check_in - around, check_out + around
    )
    taken = lookups.taken_nights(hotel.id, check_in - around, check_out + around)

    def can_be_had(calendar: Calendar, first: date, last: date) -> bool:
        return (
            not inventory.judge_dates(hotel, first, last)
            and not calendar.obstacles(first, last)
            and len(free_rooms(rooms[calendar.category.id], taken, first, last)) >= room_count
        )

    nearest = {
        stay.category.id: _find_nearest(
            by_category[stay.category.id], check_in, check_out, can_be_had
        )
        for stay in lost
        if not any(obstacle.code == TOO_MANY_GUESTS for obstacle in stay.obstacles)
    }
    return [dataclasses.replace(stay, nearest=nearest.get(stay.category.id, ())) for stay in found]


def _find_nearest(
    calendar: Calendar,
    check_in: date,
    check_out: date,
    can_be_had: Callable[[Calendar, date, date], bool],
) -> tuple[tuple[date, date], ...]:
    nearest = []
    for sign in (-1, 1):
        for days in range(1, NEAREST_WITHIN_DAYS + 1):
            shift = timedelta(days=sign * days)
            if can_be_had(calendar, check_in + shift, check_out + shift):
                nearest.append((days, (check_in + shift, check_out + shift)))
                break
    return tuple(stay for _, stay in sorted(nearest))
