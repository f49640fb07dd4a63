"""The catalogue as the booking flow reads it: a room with its category and hotel, and prices."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from typing import Any

from bookings import clock
from bookings.connections import collection
from bookings.documents import Price, nights_between
from bookings.errors import ValidationFailed
from bookings.payloads import StayRequest

# Nobody plans, or prices, further ahead than two years.
HORIZON_DAYS = 730


@dataclass(frozen=True)
class HotelFacts:
    id: str
    code: str
    time_zone: str
    currency: str
    check_in_time: time
    hold_length: timedelta
    cancel_hours: int

    def last_cancellation(self, check_in: date) -> datetime:
        """Until when a guest may cancel a stay that starts on this day."""
        arrival = clock.local_moment(check_in, self.check_in_time, self.time_zone)
        return arrival - timedelta(hours=self.cancel_hours)


@dataclass(frozen=True)
class Offer:
    """One room that is for sale, at its category's price."""

    hotel: HotelFacts
    category: str
    occupancy: int
    room: str
    room_name: str
    night_price: int

    def price(self, check_in: date, check_out: date) -> Price:
        return Price(
            self.hotel.currency,
            tuple((night, self.night_price) for night in nights_between(check_in, check_out)),
        )


def find_offer(request: StayRequest) -> Offer:
    """The room asked for, if it can be sold for this stay. Raises ValidationFailed."""
    room = collection("rooms").find_one({"_id": request.resource_id, "is_sold": True})
    if room is None:
        raise ValidationFailed([("resourceId", "There is no such room.")])
    category = collection("room_categories").find_one({"_id": room["category_id"]})
    assert category is not None, "a room's category cannot be deleted before the room"
    hotel = find_hotel(category["hotel_id"])
    assert hotel is not None, "a category's hotel cannot be deleted before the category"
    offer = _offer_of(hotel, category, room)
    faults = []
    if not category["sell_by_default"]:
        faults.append(("resourceId", "This room is not for sale on these dates."))
    if request.guests > offer.occupancy:
        faults.append(("guests", f"This room takes at most {offer.occupancy} guests."))
    faults += judge_dates(hotel, request.check_in, request.check_out)
    if faults:
        raise ValidationFailed(faults)
    return offer


def judge_dates(hotel: HotelFacts, check_in: date, check_out: date) -> list[tuple[str, str]]:
    """What is wrong with these dates on the hotel's own calendar, as (field, message)."""
    today = clock.today(hotel.time_zone)
    if check_in < today:
        return [("checkIn", "This day is over at the hotel.")]
    if check_out > today + timedelta(days=HORIZON_DAYS):
        return [("checkOut", f"Stays are sold at most {HORIZON_DAYS} days ahead.")]
    return []


def find_hotel(hotel_id: str) -> HotelFacts | None:
    """The hotel with this id, or None."""
    hotel = collection("hotels").find_one({"_id": hotel_id})
    if hotel is None:
        return None
    return HotelFacts(
        id=hotel["_id"],
        code=hotel["code"],
        time_zone=hotel["time_zone"],
        currency=hotel["currency"],
        check_in_time=_time_of(hotel["check_in_time"]),
        hold_length=timedelta(minutes=hotel["hold_minutes"]),
        cancel_hours=hotel["cancel_hours"],
    )


def list_offers(hotel: HotelFacts, *, after: str = "", limit: int) -> list[Offer]:
    """The hotel's rooms for sale in order of their ids, from the one after `after`."""
    categories = {
        category["_id"]: category
        for category in collection("room_categories").find(
            {"hotel_id": hotel.id, "sell_by_default": True}
        )
    }
    rooms = (
        collection("rooms")
        .find({"category_id": {"$in": list(categories)}, "is_sold": True, "_id": {"$gt": after}})
        .sort("_id")
        .limit(limit)
    )
    return [_offer_of(hotel, categories[room["category_id"]], room) for room in rooms]


def room_names(room_ids: Iterable[str]) -> dict[str, str]:
    """What the rooms with these ids are called; ids that nobody knows are left out."""
    rooms = collection("rooms").find({"_id": {"$in": sorted(set(room_ids))}}, {"name": 1})
    return {room["_id"]: room["name"] for room in rooms}


def _offer_of(hotel: HotelFacts, category: dict[str, Any], room: dict[str, Any]) -> Offer:
    return Offer(
        hotel=hotel,
        category=category["_id"],
        occupancy=category["occupancy"],
        room=room["_id"],
        room_name=room["name"],
        night_price=category["default_price"],
    )


def _time_of(stored: datetime) -> time:
    """A time of day; the ORM stores it as a datetime, since BSON has none."""
    return stored.time()
