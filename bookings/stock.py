"""All that booking must know of the catalogue, read in one go: each round trip costs a request
about as much as its own work does."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date
from typing import Any

from bookings.calendars import Calendar, night_of
from bookings.connections import collection
from bookings.inventory import (
    CategoryFacts,
    HotelFacts,
    RoomFacts,
    category_of,
    hotel_of,
    room_of,
)


@dataclass(frozen=True)
class Stock:
    """A category with its hotel, its days around a stay, and rooms of it that are for sale."""

    hotel: HotelFacts
    category: CategoryFacts
    calendar: Calendar
    rooms: tuple[RoomFacts, ...]


def read_room_stock(room_id: str, first: date, last: date) -> Stock | None:
    """The category of this room with this room alone; None where there is none for sale.

    The calendar is from `first` to `last`, both included.
    """
    found = collection("rooms").aggregate(
        [
            {"$match": {"_id": room_id, "is_sold": True}},
            {"$project": {"rooms": ["$$ROOT"]}},
            _join("room_categories", "rooms.category_id", "_id", "category"),
            *_join_hotel_and_nights(first, last),
        ]
    )
    return next((_stock_of(document) for document in found), None)


def read_category_stock(category_ids: Iterable[str], first: date, last: date) -> dict[str, Stock]:
    """Each of these categories that there is, with all its rooms for sale, by its id."""
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


def _stock_of(document: dict[str, Any]) -> Stock:
    # The admin deletes no hotel before its categories, and no category before its rooms.
    category = category_of(document["category"][0])
    return Stock(
        hotel=hotel_of(document["hotel"][0]),
        category=category,
        calendar=Calendar(category, dict(night_of(night) for night in document["nights"])),
        rooms=tuple(room_of(room) for room in document["rooms"]),
    )
