"""Reads what there is to sell, and holds the rule that says which stays are available.

Search, month and booking all ask this rule: `Stock.obstacles` says what hotel and calendar allow,
and `free_rooms` what bookings leave. A stay has the same room for all its nights.

Search, month and booking take the stock from what the process read in the last two seconds. Staff's
changes of bookings read it when it is asked. Which nights are taken is always read.
"""

import dataclasses
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence, Set
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any

from bookings.catalogue.calendars import Calendar, CalendarNight, Obstacle, night_of
from bookings.catalogue.inventory import (
    HORIZON_DAYS,
    CategoryFacts,
    HotelFacts,
    RoomFacts,
    category_of,
    hotel_of,
    judge_dates,
    recent_house,
    room_of,
)
from bookings.domain.booking import nights_between
from bookings.domain.stay_request import MAX_NIGHTS, MAX_SLOTS, judge_length
from bookings.infrastructure import clock
from bookings.infrastructure.connections import collection
from bookings.infrastructure.recent_reads import RecentReads

TOO_MANY_GUESTS = "TOO_MANY_GUESTS"

# The nights on which each room is taken, by the room's id; rooms without any may be missing.
Taken = Mapping[str, Set[date]]


@dataclass(frozen=True)
class Stock:
    """A category with its hotel, its days around a stay, and its rooms that are for sale."""

    hotel: HotelFacts
    category: CategoryFacts
    calendar: Calendar
    rooms: tuple[RoomFacts, ...]

    def obstacles(self, check_in: date, check_out: date, guests: int) -> list[Obstacle]:
        """Why this category's rooms, free or not, are not sold to this many guests for this stay;
        empty if they are. `judge_dates` says before whether these days can be booked at all."""
        found = self.calendar.obstacles(check_in, check_out)
        if guests > self.category.occupancy:
            message = f"This room sleeps {self.category.limit}."
            found.append(Obstacle(TOO_MANY_GUESTS, message, ()))
        return found

    def is_sold(self, check_in: date, check_out: date, guests: int, room_count: int) -> bool:
        """Whether this many rooms, with this many guests in each, are for sale for this stay."""
        return not (
            judge_length(check_in, check_out)
            or room_count * (check_out - check_in).days > MAX_SLOTS
            or judge_dates(self.hotel, check_in, check_out)
            or self.obstacles(check_in, check_out, guests)
        )

    def can_be_had(
        self, check_in: date, check_out: date, guests: int, room_count: int, taken: Taken
    ) -> bool:
        """Whether the rooms are for sale, and enough of them are free on all the nights."""
        return (
            self.is_sold(check_in, check_out, guests, room_count)
            and len(free_rooms(self.rooms, taken, check_in, check_out)) >= room_count
        )

    def first_departure(self, check_in: date) -> date | None:
        """The end of the shortest stay from this day that its minimum stay and the days closed to
        departure allow; None if that stay would be longer than MAX_NIGHTS.

        If this stay is not available, no stay from this day is: a longer one includes all its
        nights and meets the same obstacles. The calendar must reach MAX_NIGHTS days further.
        """
        arrival = self.calendar.days.get(check_in)
        for nights in range(arrival.min_stay if arrival else 1, MAX_NIGHTS + 1):
            check_out = check_in + timedelta(days=nights)
            departure = self.calendar.days.get(check_out)
            if departure is None or not departure.is_closed_to_departure:
                return check_out
        return None


def free_rooms(
    rooms: Iterable[RoomFacts], taken: Taken, check_in: date, check_out: date
) -> list[RoomFacts]:
    """The rooms that are free on every night of the stay."""
    nights = set(nights_between(check_in, check_out))
    return [room for room in rooms if nights.isdisjoint(taken.get(room.id, ()))]


class FreeCounts:
    """How many of some rooms are free, for many stays: none of them looks at every room."""

    def __init__(self, rooms: Sequence[RoomFacts], taken: Taken) -> None:
        self._count = len(rooms)
        self._taken_on: dict[date, set[str]] = defaultdict(set)
        for room in rooms:
            for night in taken.get(room.id, ()):
                self._taken_on[night].add(room.id)

    def between(self, check_in: date, check_out: date) -> int:
        """How many are free on every night of the stay; as many as `free_rooms` lists."""
        on = self._taken_on
        taken = [on[night] for night in nights_between(check_in, check_out) if night in on]
        return self._count - len(set().union(*taken))


def read_category_stock(category_ids: Iterable[str], first: date, last: date) -> dict[str, Stock]:
    """The stock of each category that exists, with all its rooms for sale, by the category's id.

    The calendar runs from `first` to `last`, both included.
    """
    found = collection("room_categories").aggregate(
        [
            {"$match": {"_id": {"$in": sorted(set(category_ids))}}},
            {"$project": {"category": ["$$ROOT"]}},
            {
                "$lookup": {
                    "from": "rooms",
                    "localField": "_id",
                    "foreignField": "category_id",
                    # A category may have thousands of rooms, and all must fit into one document.
                    "pipeline": [
                        {"$match": {"is_sold": True}},
                        {"$project": {"category_id": 1, "name": 1}},
                    ],
                    "as": "rooms",
                }
            },
            *_join_hotel_and_nights(first, last),
        ]
    )
    return {document["_id"]: _stock_of(document) for document in found}


def _join_hotel_and_nights(first: date, last: date) -> list[dict[str, Any]]:
    days = {"$match": {"date": {"$gte": first.isoformat(), "$lte": last.isoformat()}}}
    nights = _join("nights", "category._id", "category_id", "nights")
    nights["$lookup"]["pipeline"] = [days]
    return [_join("hotels", "category.hotel_id", "_id", "hotel"), nights]


def _join(name: str, local: str, foreign: str, into: str) -> dict[str, Any]:
    return {"$lookup": {"from": name, "localField": local, "foreignField": foreign, "as": into}}


# --- What this process read a moment ago ------------------------------------------------------


@dataclass(frozen=True)
class _Rooms:
    """The rooms for sale of a category, by their ids."""

    category: str
    rooms: dict[str, RoomFacts]


@dataclass(frozen=True)
class _Month:
    """A category, its hotel and the days of one month or more, all from one look.

    They are kept together, since a price means nothing without its currency. The first day of the
    next month is among them, because a stay of the last night ends then.
    """

    hotel: HotelFacts
    category: CategoryFacts
    days: dict[date, CalendarNight]


def recent_room_stock(room_id: str, first: date, last: date) -> Stock | None:
    """The stock of this room's category, with this room alone; None if the room is not for sale.

    The calendar runs from `first` to `last`, both included. What it says may be two seconds old
    (bookings/infrastructure/recent_reads.py).
    """
    rooms = _rooms_beside.get(room_id)
    if rooms is None:
        return None
    return _stock(rooms.category, (rooms.rooms[room_id],), first, last)


def recent_category_stock(category_ids: Iterable[str], first: date, last: date) -> dict[str, Stock]:
    """As `read_category_stock`, but what it says may be two seconds old."""
    ids = sorted(set(category_ids))
    if len(ids) > 1:
        # One look, so that no price of one category meets a later one of another.
        return read_category_stock(ids, first, last)
    stocks = {}
    for category_id in ids:
        rooms = _rooms_of.get(category_id)
        for_sale = tuple(rooms.rooms.values()) if rooms else ()
        if stock := _stock(category_id, for_sale, first, last):
            stocks[category_id] = stock
    return stocks


def recent_hotel_stocks(hotel_id: str, first: date, last: date) -> list[Stock]:
    """The stock of each of the hotel's categories, by name, with all their rooms for sale by id.

    The calendars run from `first` to `last`, both included. All of it may be two seconds old.
    """
    if _is_near(first) and last <= _end_of_hotel_month(first):
        months = _hotel_months.get((hotel_id, first.replace(day=1))) or ()
    else:
        # As in `_stock`: no total may be of two moments.
        months = _read_months({"hotel_id": hotel_id}, first, last)
    rooms = {
        category.id: tuple(room for room in rooms if room.is_sold)
        for category, rooms in recent_house(hotel_id)
    }
    return [
        Stock(
            hotel=month.hotel,
            category=month.category,
            calendar=Calendar(month.category, month.days),
            rooms=rooms.get(month.category.id, ()),
        )
        for month in months
    ]


def recent_month_stock(category_id: str, first: date) -> Stock | None:
    """The stock of a category for all stays that begin in a month, by the month's first day; None
    if there is no such category. All of it may be two seconds old."""
    key = (category_id, first)
    month = _long_months.get(key) if _is_near(first) else _read_long_month(key)
    if month is None:
        return None
    rooms = _rooms_of.get(category_id)
    for_sale = tuple(rooms.rooms.values()) if rooms else ()
    return Stock(month.hotel, month.category, Calendar(month.category, month.days), for_sale)


def _stock(category_id: str, rooms: tuple[RoomFacts, ...], first: date, last: date) -> Stock | None:
    if _is_in_one_month(first, last):
        month = _months.get((category_id, first.replace(day=1)))
        if month is None:
            return None
        return Stock(month.hotel, month.category, Calendar(month.category, month.days), rooms)
    # Two months that were read at two moments may have prices that were never valid together.
    stock = read_category_stock([category_id], first, last).get(category_id)
    return stock and dataclasses.replace(stock, rooms=rooms)


def _month_after(day: date) -> date:
    """The first day of the next month."""
    return (day.replace(day=1) + timedelta(days=31)).replace(day=1)


def _end_of_hotel_month(day: date) -> date:
    """The last day that is kept with a month for a hotel's searches. Two weeks more than the month
    are enough for nearly every stay that begins in it."""
    return _month_after(day) + timedelta(days=14)


def _is_in_one_month(first: date, last: date) -> bool:
    """Whether one kept month has all these days."""
    return _is_near(first) and last <= _month_after(first)


def _is_near(day: date) -> bool:
    """Whether the day could perhaps be booked. The months of others are not worth keeping."""
    return abs(day - clock.now().date()) < timedelta(days=HORIZON_DAYS + 31)


def _read_rooms_beside(room_id: str) -> _Rooms | None:
    """All rooms for sale of this room's category; None if this one is not for sale."""
    room = collection("rooms").find_one({"_id": room_id, "is_sold": True}, {"category_id": 1})
    rooms = room and _read_rooms(room["category_id"])
    return rooms if rooms and room_id in rooms.rooms else None


def _read_rooms(category_id: str) -> _Rooms | None:
    """None if the category has no rooms for sale, or does not exist."""
    rooms = collection("rooms").find(
        {"category_id": category_id, "is_sold": True}, {"category_id": 1, "name": 1}
    )
    found = {room["_id"]: room_of(room) for room in rooms}
    return _Rooms(category_id, found) if found else None


def _read_month(key: tuple[str, date]) -> _Month | None:
    category_id, first = key
    return next(iter(_read_months({"_id": category_id}, first, _month_after(first))), None)


def _read_long_month(key: tuple[str, date]) -> _Month | None:
    category_id, first = key
    # A stay of the month's last night may be as long as any, unless the calendar ends before.
    end = _month_after(first)
    last = end + min(timedelta(days=MAX_NIGHTS), date.max - end)
    return next(iter(_read_months({"_id": category_id}, first, last)), None)


def _read_hotel_month(key: tuple[str, date]) -> tuple[_Month, ...] | None:
    hotel_id, first = key
    return _read_months({"hotel_id": hotel_id}, first, _end_of_hotel_month(first)) or None


def _read_months(wanted: dict[str, str], first: date, last: date) -> tuple[_Month, ...]:
    """The wanted categories by name, with their days from `first` to `last`."""
    found = collection("room_categories").aggregate(
        [
            {"$match": wanted},
            {"$sort": {"name": 1}},
            {"$project": {"category": ["$$ROOT"]}},
            *_join_hotel_and_nights(first, last),
        ]
    )
    stocks = [_stock_of(document | {"rooms": []}) for document in found]
    return tuple(_Month(stock.hotel, stock.category, stock.calendar.days) for stock in stocks)


# A large site has some thousand rooms; each entry is a reference to its category's rooms.
_rooms_beside: RecentReads[str, _Rooms] = RecentReads(
    "rooms", _read_rooms_beside, most=20_000, also_for=lambda found: found.rooms
)
_rooms_of: RecentReads[str, _Rooms] = RecentReads("rooms", _read_rooms, most=500)
# All months that can be booked, of some forty categories.
_months: RecentReads[tuple[str, date], _Month] = RecentReads("nights", _read_month, most=1_000)
# As many nights again: an entry has four months of one category, or one month of a hotel's
# categories, of which there are often four.
_long_months: RecentReads[tuple[str, date], _Month] = RecentReads(
    "nights", _read_long_month, most=250
)
_hotel_months: RecentReads[tuple[str, date], tuple[_Month, ...]] = RecentReads(
    "nights", _read_hotel_month, most=250
)


def _stock_of(document: dict[str, Any]) -> Stock:
    # The admin deletes no hotel before its categories, and no category before its rooms.
    category = category_of(document["category"][0])
    return Stock(
        hotel=hotel_of(document["hotel"][0]),
        category=category,
        calendar=Calendar(category, dict(night_of(night) for night in document["nights"])),
        rooms=tuple(room_of(room) for room in document["rooms"]),
    )
