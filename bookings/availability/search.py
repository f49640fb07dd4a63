"""Finds what can be booked, with the same answer for the API, the pages and the admin.

The rule in bookings/availability/stock.py decides whether a stay is available; booking asks it too.

Everything but the bookings is what the process read in the last two seconds. So an entrance asks
Redis for changes first (bookings/infrastructure/recent_reads.py).
"""

import dataclasses
from dataclasses import dataclass
from datetime import date, timedelta

from bookings.availability import occupancy
from bookings.availability.stock import (
    TOO_MANY_GUESTS,
    FreeCounts,
    Stock,
    Taken,
    free_rooms,
    recent_hotel_stocks,
    recent_month_stock,
)
from bookings.catalogue import calendars, inventory
from bookings.catalogue.calendars import CalendarNight, Obstacle, describe_days, read_calendars
from bookings.catalogue.inventory import CategoryFacts, HotelFacts, RoomFacts
from bookings.domain.booking import Price, nights_between
from bookings.domain.stay_request import judge_length
from bookings.refusals import Fault, ValidationFailed

SOLD_OUT = "SOLD_OUT"
NO_SINGLE_ROOM = "NO_SINGLE_ROOM"
NO_ROOMS = "NO_ROOMS"

# Fewer rooms are free than the guest wants. If the guest wants one, this is SOLD_OUT.
TOO_FEW_ROOMS = "TOO_FEW_ROOMS"

# Every reason why one room of a category is not available for a stay.
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

# How far the ends of an unavailable stay are moved to find an available one.
NEAREST_WITHIN_DAYS = 14

# A stay of a different length is moved by at most a week, and is longer or shorter by at most a
# week: some hotels sell only whole weeks in summer.
OTHER_LENGTH_WITHIN_DAYS = 7

# How such a stay differs from the one asked for.
EARLIER, LATER, SHORTER, LONGER = "earlier", "later", "shorter", "longer"

# Rooms on a page. Few hotels have more; for those `next` leads to the next page.
PAGE_SIZE = 100


@dataclass(frozen=True)
class CategoryStay:
    """One category for the stay that was asked for.

    It is available if it has no obstacles; then `rooms_left` is enough. `price` is for one room,
    and None if any night is not for sale. `nearest` lists the closest stays that are available
    instead, closest first (see `find_nearest`); `free` lists the rooms that are left.
    """

    category: CategoryFacts
    rooms_left: int
    price: Price | None
    obstacles: tuple[Obstacle, ...]
    nearest: tuple[tuple[date, date], ...]
    free: tuple[RoomFacts, ...]


@dataclass(frozen=True)
class ShortestStay:
    """The end of the shortest stay from some day, and its price for one room."""

    check_out: date
    price: Price


@dataclass(frozen=True)
class CalendarDay:
    """A day of a category's month; `rooms_left` counts the rooms that are free on this night.

    `shortest` is None if no stay can begin on this day.
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
    """Rooms that are free on one night, and the id that the next page follows (None at the end)."""

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

    `guests` is the number of guests in each room.
    """
    hotel = _find_hotel(hotel_id, at_desk=at_desk)
    faults = judge_length(check_in, check_out) or inventory.judge_dates(
        hotel, check_in, check_out, at_desk=at_desk
    )
    if faults:
        raise ValidationFailed(faults)
    stocks = recent_hotel_stocks(hotel.id, check_in, check_out)
    taken = occupancy.taken_nights(hotel.id, check_in, check_out)
    found = [_look(stock, taken, check_in, check_out, guests, room_count) for stock in stocks]
    if not any(stay.obstacles for stay in found):
        return found
    # The days around the stay are read only if some category is not available.
    return _with_nearest(stocks, found, check_in, check_out, guests, room_count)


def read_month(
    *, category_id: str, year: int, month: int, guests: int = 1, room_count: int = 1
) -> list[CalendarDay]:
    """Every day of a month for one category, with the shortest stay that can begin on it.

    `guests` is the number of guests in each room. Raises ValidationFailed.
    """
    first = date(year, month, 1)
    end = date(year + month // 12, month % 12 + 1, 1)
    stock = recent_month_stock(category_id, first)
    if stock is None or not stock.hotel.is_open:
        raise ValidationFailed([Fault("categoryId", "There is no such category.")])
    departures = {}
    for day in nights_between(first, end):
        departure = stock.first_departure(day)
        if departure and stock.is_sold(day, departure, guests, room_count):
            departures[day] = departure
    # Bookings are read only as far as the longest of these stays reaches.
    taken = occupancy.taken_nights(stock.hotel.id, first, max([end, *departures.values()]))
    free = FreeCounts(stock.rooms, taken)
    return [
        _read_day(stock, free, day, departures.get(day), room_count)
        for day in nights_between(first, end)
    ]


def find_free_rooms(*, hotel_id: str, night: date, after: str = "") -> FreeRooms:
    """A page of the hotel's rooms that can be booked for this one night, by id.

    The page begins after the room with the id `after`. Raises ValidationFailed.
    """
    hotel = _find_hotel(hotel_id)
    check_out = night + timedelta(days=1)
    faults = inventory.judge_dates(hotel, night, check_out)
    if faults:
        raise ValidationFailed([Fault("date", fault.message) for fault in faults])
    stocks = recent_hotel_stocks(hotel.id, night, check_out)
    categories = {stock.category.id: stock.category for stock in stocks}
    prices = {
        stock.category.id: Price(
            stock.hotel.currency, stock.calendar.amounts(night, check_out) or ()
        )
        for stock in stocks
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


def _find_hotel(hotel_id: str, *, at_desk: bool = False) -> HotelFacts:
    hotel = inventory.recent_hotel(hotel_id)
    if hotel is None or not (hotel.is_open or at_desk):
        raise ValidationFailed([Fault("hotelId", "There is no such hotel.")])
    return hotel


def _look(
    stock: Stock, taken: Taken, check_in: date, check_out: date, guests: int, room_count: int
) -> CategoryStay:
    amounts = stock.calendar.amounts(check_in, check_out)
    free = free_rooms(stock.rooms, taken, check_in, check_out)
    obstacles = stock.obstacles(check_in, check_out, guests)
    if len(free) < room_count:
        obstacles.append(why_full(stock.rooms, taken, check_in, check_out, room_count))
    return CategoryStay(
        category=stock.category,
        rooms_left=len(free),
        price=Price(stock.hotel.currency, amounts) if amounts else None,
        obstacles=tuple(obstacles),
        nearest=(),
        free=tuple(free),
    )


def _read_day(
    stock: Stock, free: FreeCounts, day: date, departure: date | None, room_count: int
) -> CalendarDay:
    """`departure` is the end of the shortest stay for sale from this day, if there is one."""
    shortest = None
    if departure and free.between(day, departure) >= room_count:
        amounts = stock.calendar.amounts(day, departure) or ()
        shortest = ShortestStay(departure, Price(stock.hotel.currency, amounts))
    return CalendarDay(
        date=day,
        # A night that is not for sale can still have restrictions to show.
        night=stock.calendar.night(day) or stock.calendar.days.get(day),
        rooms_left=free.between(day, day + timedelta(days=1)),
        shortest=shortest,
    )


def why_full(
    rooms: tuple[RoomFacts, ...], taken: Taken, check_in: date, check_out: date, room_count: int
) -> Obstacle:
    """Why too few rooms are free for all nights, with the nights on which too few are free."""
    if not rooms:
        return Obstacle(NO_ROOMS, "No rooms of this category are for sale.", ())
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
        "Every night has a free room, but no room is free for the whole stay.",
        (),
    )


def _with_nearest(
    stocks: list[Stock],
    found: list[CategoryStay],
    check_in: date,
    check_out: date,
    guests: int,
    room_count: int,
) -> list[CategoryStay]:
    around = timedelta(days=NEAREST_WITHIN_DAYS)
    lost = {stay.category.id for stay in found if stay.obstacles}
    # Rooms that are too small are too small on all dates.
    hopeful = [
        stock
        for stock in stocks
        if stock.category.id in lost and guests <= stock.category.occupancy
    ]
    if not hopeful:
        return found
    first, last = check_in - around, check_out + around
    calendars_of = read_calendars([stock.category for stock in hopeful], first, last)
    taken = occupancy.taken_nights(hopeful[0].hotel.id, first, last)
    nearest = {}
    for stock in hopeful:
        around_stay = dataclasses.replace(stock, calendar=calendars_of[stock.category.id])
        nearest[stock.category.id] = find_nearest(
            around_stay, taken, check_in, check_out, guests, room_count
        )
    return [dataclasses.replace(stay, nearest=nearest.get(stay.category.id, ())) for stay in found]


@dataclass(frozen=True)
class _Move:
    """The number of days by which the ends of a stay are moved; negative means earlier."""

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

# Nearest first. Of equally near moves, those that keep the length come first, then those that keep
# the arrival.
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


def find_nearest(
    stock: Stock, taken: Taken, check_in: date, check_out: date, guests: int, room_count: int
) -> tuple[tuple[date, date], ...]:
    """The nearest available stays, by the number of days that their ends are moved in total.

    They are one earlier and one later stay of the same length, and one shorter and one longer stay
    if these are nearer than both of those.
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
