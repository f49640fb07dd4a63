"""The catalogue as the booking flow reads it: hotels, categories and rooms, as facts."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import date, datetime, time, timedelta
from typing import Any

from django.conf import settings
from django.utils.translation import get_language
from pymongo.collation import Collation

from bookings.catalogue.countries import country_of
from bookings.domain.booking import BookedRoom
from bookings.infrastructure import clock
from bookings.infrastructure.connections import collection
from bookings.infrastructure.recent_reads import RecentReads
from bookings.refusals import Fault, ValidationFailed

# Hotels do not plan or set prices further ahead than two years.
HORIZON_DAYS = 730

# The default of a hotel: by then the last guests of the night have arrived.
END_OF_DAY = time(5)
ANONYMOUS_HOLD_PERCENT = 50
# The most hotels that a refusal lists.
MAX_NAMED = 20

# An early release gave hotels no such field.
_OPEN = {"is_open": {"$ne": False}}

_ANY_CASE = Collation("en", strength=2)


@dataclass(frozen=True)
class HotelFacts:
    """A hotel's settings. Times of day are by its own clock; bookings/models.py explains them."""

    id: str
    code: str
    name: str
    time_zone: str
    currency: str
    check_in_time: time
    check_out_time: time
    hold_length: timedelta
    cancel_hours: int
    anonymous_hold_percent: int
    end_of_day: time
    release_no_shows: bool
    # Guests and partners know nothing of a hotel that is not open yet.
    is_open: bool = True
    reminder_days: int = 0

    @property
    def country(self) -> str:
        """The country (ISO 3166) of local phone numbers; empty if the time zone has no country."""
        return country_of(self.time_zone)

    def last_cancellation(self, check_in: date) -> datetime:
        """The last moment at which a guest may cancel a stay that starts on this day.

        Hours are counted by the clock on the wall, as people do: 48 hours before 15:00 is 15:00 two
        days earlier, and 36 hours before is 03:00 on the day before, even if the clocks change.
        """
        last = datetime.combine(check_in, self.check_in_time) - timedelta(hours=self.cancel_hours)
        return clock.local_moment(last.date(), last.time(), self.time_zone)

    def desk_day(self) -> date:
        """The first day whose night the desk may sell: yesterday, until the end of day."""
        return clock.desk_day(self.time_zone, self.end_of_day)

    def desk_day_at(self, moment: datetime) -> date:
        """The day at the desk at a moment."""
        return clock.desk_day_at(moment, self.time_zone, self.end_of_day)


@dataclass(frozen=True)
class CategoryFacts:
    """Rooms that are sold as equal. `default_price` is for one night, in minor units. `names` are
    those in other languages, by their codes."""

    id: str
    hotel: str
    name: str
    occupancy: int
    default_price: int
    sell_by_default: bool
    names: Mapping[str, str] = field(default_factory=dict, hash=False)

    @property
    def local_name(self) -> str:
        """The name in the active language, else the name."""
        return self.names.get(get_language() or "", self.name)

    @property
    def limit(self) -> str:
        """`at most 2 guests`."""
        return f"at most {self.occupancy} guest{'' if self.occupancy == 1 else 's'}"


@dataclass(frozen=True)
class RoomFacts:
    """A room, with the id of its category. People know it by its name, which no other room of the
    hotel has. It may be empty if only the ids were needed."""

    id: str
    category: str
    name: str
    is_sold: bool = True


def find_hotel(hotel_id: str) -> HotelFacts | None:
    """The hotel with this id, or None."""
    hotel = collection("hotels").find_one({"_id": hotel_id})
    return hotel_of(hotel) if hotel else None


def list_hotels() -> list[HotelFacts]:
    """Every hotel, by name."""
    return [hotel_of(hotel) for hotel in collection("hotels").find().sort("name")]


def recent_hotels() -> list[HotelFacts]:
    """As `list_hotels`, but what it says may be two seconds old
    (bookings/infrastructure/recent_reads.py)."""
    return list(_hotels.get("all") or ())


def recent_hotel(hotel_id: str) -> HotelFacts | None:
    """As `find_hotel`, but what it says may be two seconds old."""
    return next((hotel for hotel in recent_hotels() if hotel.id == hotel_id), None)


def open_hotels() -> list[HotelFacts]:
    """The hotels that guests may see, by name; what it says may be two seconds old."""
    return [hotel for hotel in recent_hotels() if hotel.is_open]


def open_hotel(hotel_id: str) -> HotelFacts | None:
    """The hotel, if guests may see it; what it says may be two seconds old."""
    hotel = recent_hotel(hotel_id)
    return hotel if hotel and hotel.is_open else None


def hotel_countries() -> dict[str, str]:
    """The country of each hotel, by the hotel's id; reads nothing else of the hotels."""
    hotels = collection("hotels").find({}, {"time_zone": 1})
    return {hotel["_id"]: country_of(hotel["time_zone"]) for hotel in hotels}


def find_default_hotel(*, among: frozenset[str] | None = None) -> str:
    """The id of the hotel to use if a request names none: DEFAULT_HOTEL, or the only open one.

    With `among` no others count. Raises ValidationFailed, with a list of the hotels, if there are
    several.
    """
    if settings.DEFAULT_HOTEL and (among is None or settings.DEFAULT_HOTEL in among):
        return settings.DEFAULT_HOTEL
    condition = _OPEN if among is None else {"_id": {"$in": sorted(among)}, **_OPEN}
    found = collection("hotels").find(condition, {"_id": 1}).sort("_id").limit(MAX_NAMED + 1)
    ids = [hotel["_id"] for hotel in found]
    if len(ids) == 1:
        return ids[0]
    named = ", ".join(ids[:MAX_NAMED]) + (" and others" if len(ids) > MAX_NAMED else "")
    message = f"Name one of the hotels: {named}." if ids else "This site has no hotels yet."
    raise ValidationFailed([Fault("hotelId", message)])


def find_category(category_id: str) -> CategoryFacts | None:
    """The category with this id, or None."""
    category = collection("room_categories").find_one({"_id": category_id})
    return category_of(category) if category else None


def recent_category(category_id: str) -> CategoryFacts | None:
    """As `find_category`, but what it says may be two seconds old."""
    return _categories.get(category_id)


def list_categories(hotel_id: str) -> list[CategoryFacts]:
    """The hotel's categories, by name."""
    categories = collection("room_categories").find({"hotel_id": hotel_id}).sort("name")
    return [category_of(category) for category in categories]


def find_room(room_id: str, *, only_for_sale: bool = True) -> RoomFacts | None:
    """The room with this id; None if it does not exist, or is not for sale."""
    condition: dict[str, Any] = {"_id": room_id}
    if only_for_sale:
        condition["is_sold"] = True
    room = collection("rooms").find_one(condition)
    return room_of(room) if room else None


def list_rooms(category_ids: Iterable[str], *, after: str = "", limit: int = 0) -> list[RoomFacts]:
    """The rooms for sale in these categories, by id, beginning after `after`; limit 0 means all."""
    rooms = (
        collection("rooms")
        .find({"category_id": {"$in": list(category_ids)}, "is_sold": True, "_id": {"$gt": after}})
        .sort("_id")
        .limit(limit)
    )
    return [room_of(room) for room in rooms]


def recent_house(hotel_id: str) -> list[tuple[CategoryFacts, list[RoomFacts]]]:
    """As `read_house`, but what it says may be two seconds old. Do not change the lists."""
    return _houses.get(hotel_id) or []


def read_house(hotel_id: str) -> list[tuple[CategoryFacts, list[RoomFacts]]]:
    """Every category of the hotel by name, with all its rooms by id, for sale or not.

    Takes one round trip.
    """
    rooms = {
        "from": "rooms",
        "localField": "_id",
        "foreignField": "category_id",
        "pipeline": [{"$sort": {"_id": 1}}],
        "as": "rooms",
    }
    found = collection("room_categories").aggregate(
        [{"$match": {"hotel_id": hotel_id}}, {"$sort": {"name": 1}}, {"$lookup": rooms}]
    )
    return [
        (category_of(document), [room_of(room) for room in document["rooms"]]) for document in found
    ]


def room_names(room_ids: Iterable[str]) -> dict[str, str]:
    """The names of the rooms with these ids, by id; unknown ids are left out."""
    rooms = collection("rooms").find({"_id": {"$in": sorted(set(room_ids))}}, {"name": 1})
    return {room["_id"]: name_of(room) for room in rooms}


def find_rooms_named(texts: Iterable[str], hotel_ids: Iterable[str]) -> list[RoomFacts]:
    """The rooms of these hotels with one of these names or ids, in any case, for sale or not."""
    named = {"$in": list(texts)}
    categories = collection("room_categories").find(
        {"hotel_id": {"$in": sorted(hotel_ids)}}, {"_id": 1}
    )
    rooms = collection("rooms").find(
        {
            "category_id": {"$in": [category["_id"] for category in categories]},
            "$or": [{"name": named}, {"_id": named}],
        },
        collation=_ANY_CASE,
    )
    return [room_of(room) for room in rooms]


def category_names(category_ids: Iterable[str]) -> dict[str, str]:
    """The names of the categories with these ids, in the active language and by id; unknown ids are
    left out."""
    categories = collection("room_categories").find(
        {"_id": {"$in": sorted(set(category_ids))}}, {"name": 1, "names": 1}
    )
    language = get_language() or ""
    return {
        category["_id"]: category.get("names", {}).get(language, category["name"])
        for category in categories
    }


def name_booked(booked: Iterable[BookedRoom]) -> dict[str, str]:
    """What a guest reads for each of the rooms, by its id: the category, and the room's name."""
    booked = list(booked)
    rooms = room_names(each.room for each in booked)
    categories = category_names(each.category for each in booked)
    names = {}
    for each in booked:
        category = categories.get(each.category, each.category)
        room = rooms.get(each.room, each.room)
        names[each.room] = room if room.startswith(category) else f"{category}, {room}"
    return names


def judge_dates(
    hotel: HotelFacts, check_in: date, check_out: date, *, at_desk: bool = False
) -> list[Fault]:
    """What is wrong with these dates by the hotel's own clock; empty if nothing is.

    Until the hotel's end of day, the desk may still sell the night that has begun.
    """
    today = clock.today(hotel.time_zone)
    if check_in < (hotel.desk_day() if at_desk else today):
        return [Fault("checkIn", "This day has ended at the hotel.")]
    if check_out > today + timedelta(days=HORIZON_DAYS):
        return [Fault("checkOut", f"Stays can be booked at most {HORIZON_DAYS} days ahead.")]
    return []


def hotel_of(hotel: dict[str, Any]) -> HotelFacts:
    """The facts in a document of `hotels`."""
    return HotelFacts(
        id=hotel["_id"],
        code=hotel["code"],
        name=hotel["name"],
        time_zone=hotel["time_zone"],
        currency=hotel["currency"],
        check_in_time=_time_of(hotel["check_in_time"]),
        check_out_time=_time_of(hotel["check_out_time"]),
        hold_length=timedelta(minutes=hotel["hold_minutes"]),
        cancel_hours=hotel["cancel_hours"],
        # Processes of the previous release may still add hotels without these fields.
        anonymous_hold_percent=hotel.get("anonymous_hold_percent", ANONYMOUS_HOLD_PERCENT),
        end_of_day=_time_of(hotel["end_of_day"]) if "end_of_day" in hotel else END_OF_DAY,
        release_no_shows=hotel.get("release_no_shows", True),
        is_open=hotel.get("is_open") is not False,
        reminder_days=hotel.get("reminder_days", 0),
    )


def category_of(category: dict[str, Any]) -> CategoryFacts:
    """The facts in a document of `room_categories`."""
    return CategoryFacts(
        id=category["_id"],
        hotel=category["hotel_id"],
        name=category["name"],
        occupancy=category["occupancy"],
        default_price=category["default_price"],
        sell_by_default=category["sell_by_default"],
        # A process of the release before adds categories without them.
        names=category.get("names", {}),
    )


def room_of(room: dict[str, Any]) -> RoomFacts:
    """The facts in a document of `rooms`."""
    return RoomFacts(
        id=room["_id"],
        category=room["category_id"],
        name=name_of(room),
        # Queries for rooms on sale do not read this field.
        is_sold=room.get("is_sold", True),
    )


def name_of(room: dict[str, Any]) -> str:
    """The name in a document of `rooms`, or the id if an early release gave it none."""
    name: str = room.get("name") or room["_id"]
    return name


# Sites have few hotels, and pages list them all.
_hotels: RecentReads[str, list[HotelFacts]] = RecentReads(
    "hotels", lambda _all: list_hotels() or None, most=1
)
_houses: RecentReads[str, list[tuple[CategoryFacts, list[RoomFacts]]]] = RecentReads(
    "rooms", lambda hotel_id: read_house(hotel_id) or None, most=100
)
_categories: RecentReads[str, CategoryFacts] = RecentReads("hotels", find_category, most=500)


def _time_of(stored: datetime) -> time:
    """A time of day; the ORM stores it as a datetime, since BSON has none."""
    return stored.time()
