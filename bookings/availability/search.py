"""What can be booked: the same answer for the API, the pages and the admin.

The rule in bookings/availability/stock.py says whether a stay can be had; booking asks it as well.
"""

import dataclasses
from dataclasses import dataclass
from datetime import date, timedelta

from bookings.availability import occupancy
from bookings.availability.stock import (
    TOO_MANY_GUESTS,
    Stock,
    Taken,
    free_rooms,
    read_category_stock,
)
from bookings.catalogue import calendars, inventory
from bookings.catalogue.calendars import CalendarNight, Obstacle, describe_days, read_calendars
from bookings.catalogue.inventory import CategoryFacts, HotelFacts, RoomFacts
from bookings.domain.booking import Price, nights_between
from bookings.domain.stay_request import MAX_NIGHTS, judge_length
from bookings.refusals import Fault, ValidationFailed

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

# How far the ends of a stay that cannot be had are moved to find one that can.
NEAREST_WITHIN_DAYS = 14

# A stay of another length is moved less, and is longer or shorter by at most as much: a week, since
# some hotels sell only whole weeks in summer.
OTHER_LENGTH_WITHIN_DAYS = 7

# In which way such a stay is another one.
EARLIER, LATER, SHORTER, LONGER = "earlier", "later", "shorter", "longer"

# A page of rooms; a hotel has more only rarely, and then `next` leads on.
PAGE_SIZE = 100


@dataclass(frozen=True)
class CategoryStay:
    """One category for the stay that was asked for.

    It can be had if there are no obstacles; then `rooms_left` is enough. `price` is for
    one room, None where some night is not for sale. `nearest` are the closest stays that can be
    had instead, the closest first (see `_find_nearest`); `free` are the rooms that are left.
    """

    category: CategoryFacts
    rooms_left: int
    price: Price | None
    obstacles: tuple[Obstacle, ...]
    nearest: tuple[tuple[date, date], ...]
    free: tuple[RoomFacts, ...]


@dataclass(frozen=True)
class ShortestStay:
    """When the shortest stay from some day ends, and what one room costs for it."""

    check_out: date
    price: Price


@dataclass(frozen=True)
class CalendarDay:
    """A day of a category's month; `rooms_left` counts rooms that are free on this night.

    `shortest` is None where no stay can begin.
    """

    date: date
    night: CalendarNight | None
    rooms_left: int
    shortest: ShortestStay | None


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
    stocks = _read_stocks(hotel, categories, rooms, check_in, check_out)
    taken = occupancy.taken_nights(hotel.id, check_in, check_out)
    found = [_look(stock, taken, check_in, check_out, guests, room_count) for stock in stocks]
    if not any(stay.obstacles for stay in found):
        return found
    # Only for who has to look elsewhere: the days around are read as well.
    return _with_nearest(hotel, found, rooms, check_in, check_out, guests, room_count)


def read_month(
    *, category_id: str, year: int, month: int, guests: int = 1, room_count: int = 1
) -> list[CalendarDay]:
    """Every day of a month for one category, and the stays that can begin on it. Raises
    ValidationFailed.

    `guests` is how many are in each room.
    """
    first = date(year, month, 1)
    end = date(year + month // 12, month % 12 + 1, 1)
    # A stay that begins in this month may end that far behind it, if the calendar has such days.
    last = end + min(timedelta(days=MAX_NIGHTS), date.max - end)
    stock = read_category_stock([category_id], first, last).get(category_id)
    if stock is None:
        raise ValidationFailed([Fault("categoryId", "There is no such category.")])
    departures = {}
    for day in nights_between(first, end):
        departure = stock.first_departure(day)
        if departure and stock.is_sold(day, departure, guests, room_count):
            departures[day] = departure
    # Bookings are read no further than some of these stays reach.
    taken = occupancy.taken_nights(stock.hotel.id, first, max([end, *departures.values()]))
    return [
        _read_day(stock, taken, day, departures.get(day), room_count)
        for day in nights_between(first, end)
    ]


def find_free_rooms(*, hotel_id: str, night: date, after: str = "") -> FreeRooms:
    """The hotel's rooms that can be booked for this one night, a page at a time.

    Raises ValidationFailed.
    """
    hotel = _find_hotel(hotel_id)
    check_out = night + timedelta(days=1)
    faults = inventory.judge_dates(hotel, night, check_out)
    if faults:
        raise ValidationFailed([Fault("date", fault.message) for fault in faults])
    categories = {category.id: category for category in inventory.list_categories(hotel.id)}
    prices = {
        stock.category.id: Price(hotel.currency, stock.calendar.amounts(night, check_out) or ())
        for stock in _read_stocks(hotel, [*categories.values()], {}, night, check_out)
        if not stock.obstacles(night, check_out, guests=1)
    }
    rooms = inventory.list_rooms(prices, after=after, limit=PAGE_SIZE + 1)
    page = rooms[:PAGE_SIZE]
    taken = occupancy.taken_nights(hotel.id, night, check_out)
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
        raise ValidationFailed([Fault("hotelId", "There is no such hotel.")])
    return hotel


def _rooms_by_category(categories: list[CategoryFacts]) -> dict[str, list[RoomFacts]]:
    rooms: dict[str, list[RoomFacts]] = {category.id: [] for category in categories}
    for room in inventory.list_rooms(rooms):
        rooms[room.category].append(room)
    return rooms


def _read_stocks(
    hotel: HotelFacts,
    categories: list[CategoryFacts],
    rooms: dict[str, list[RoomFacts]],
    first: date,
    last: date,
) -> list[Stock]:
    by_category = read_calendars(categories, first, last)
    return [
        Stock(hotel, category, by_category[category.id], tuple(rooms.get(category.id, ())))
        for category in categories
    ]


def _look(
    stock: Stock, taken: Taken, check_in: date, check_out: date, guests: int, room_count: int
) -> CategoryStay:
    amounts = stock.calendar.amounts(check_in, check_out)
    free = free_rooms(stock.rooms, taken, check_in, check_out)
    obstacles = stock.obstacles(check_in, check_out, guests)
    if len(free) < room_count:
        obstacles.append(_why_full(stock.rooms, taken, check_in, check_out, room_count))
    return CategoryStay(
        category=stock.category,
        rooms_left=len(free),
        price=Price(stock.hotel.currency, amounts) if amounts else None,
        obstacles=tuple(obstacles),
        nearest=(),
        free=tuple(free),
    )


def _read_day(
    stock: Stock, taken: Taken, day: date, departure: date | None, room_count: int
) -> CalendarDay:
    """`departure` ends the shortest stay from this day that is for sale, if there is one."""
    shortest = None
    if departure and len(free_rooms(stock.rooms, taken, day, departure)) >= room_count:
        amounts = stock.calendar.amounts(day, departure) or ()
        shortest = ShortestStay(departure, Price(stock.hotel.currency, amounts))
    return CalendarDay(
        date=day,
        # A night that is not for sale may still have restrictions to show.
        night=stock.calendar.night(day) or stock.calendar.days.get(day),
        rooms_left=len(free_rooms(stock.rooms, taken, day, day + timedelta(days=1))),
        shortest=shortest,
    )


def _why_full(
    rooms: tuple[RoomFacts, ...], taken: Taken, check_in: date, check_out: date, room_count: int
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
    guests: int,
    room_count: int,
) -> list[CategoryStay]:
    around = timedelta(days=NEAREST_WITHIN_DAYS)
    lost = [stay.category for stay in found if stay.obstacles]
    stocks = _read_stocks(hotel, lost, rooms, check_in - around, check_out + around)
    taken = occupancy.taken_nights(hotel.id, check_in - around, check_out + around)
    nearest = {
        stock.category.id: _find_nearest(stock, taken, check_in, check_out, guests, room_count)
        for stock in stocks
        # On other dates the rooms are as small.
        if guests <= stock.category.occupancy
    }
    return [dataclasses.replace(stay, nearest=nearest.get(stay.category.id, ())) for stay in found]


@dataclass(frozen=True)
class _Move:
    """By how many days the ends of a stay are moved; less than none is earlier."""

    arrival: int
    departure: int

    @property
    def distance(self) -> int:
        return abs(self.arrival) + abs(self.departure)

    @property
    def kind(self) -> str:
        if self.arrival == self.departure:
            return EARLIER if self.arrival < 0 else LATER
        return SHORTER if self.departure < self.arrival else LONGER


_SHIFTS = range(-NEAREST_WITHIN_DAYS, NEAREST_WITHIN_DAYS + 1)
_OTHER_SHIFTS = range(-OTHER_LENGTH_WITHIN_DAYS, OTHER_LENGTH_WITHIN_DAYS + 1)

# Nearest first; of those as near, the ones that keep the length, and then those that keep the
# arrival.
_MOVES = sorted(
    [
        *(_Move(days, days) for days in _SHIFTS if days),
        *(
            _Move(arrival, departure)
            for arrival in _OTHER_SHIFTS
            for departure in _OTHER_SHIFTS
            if arrival != departure and departure - arrival in _OTHER_SHIFTS
        ),
    ],
    key=lambda move: (
        move.distance,
        move.arrival != move.departure,
        abs(move.arrival),
        move.arrival,
        move.departure,
    ),
)


def _find_nearest(
    stock: Stock, taken: Taken, check_in: date, check_out: date, guests: int, room_count: int
) -> tuple[tuple[date, date], ...]:
    """The nearest stays that can be had instead, by how far their ends are moved in all.

    Of the same length they are one earlier and one later; and one shorter and one longer, as far
    as they are nearer than those.
    """
    nearest: dict[str, tuple[date, date]] = {}
    for move in _MOVES:
        is_as_long = move.kind in (EARLIER, LATER)
        if move.kind in nearest or (not is_as_long and (EARLIER in nearest or LATER in nearest)):
            continue
        first = check_in + timedelta(days=move.arrival)
        last = check_out + timedelta(days=move.departure)
        if stock.can_be_had(first, last, guests, room_count, taken):
            nearest[move.kind] = (first, last)
    return tuple(nearest.values())
