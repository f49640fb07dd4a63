"""Small hotels of the tests' own, beside the demo's."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from typing import Any

import pytest

from bookings.infrastructure import connections
from bookings.models import Hotel, HotelContent, RoomCategory


@pytest.fixture
def inn(migrated: None) -> Iterator[None]:
    """A hotel with three doubles (A, B, C), one single, and a category sold by the night only."""
    database = connections.database()
    database["hotels"].insert_one(
        {
            **database["hotels"].find_one({"_id": "demo"}),
            "_id": "inn",
            "code": "INN",
            "name": "Inn",
            "time_zone": "UTC",
            # At the desk, too, a day ends at midnight, whenever these tests run.
            "end_of_day": datetime(1, 1, 1),  # noqa: DTZ001 a time of day
        }
    )
    categories, rooms = [], []
    for category, occupancy, price, by_default, letters in (
        ("double", 2, 10_000, True, "ABC"),
        ("single", 1, 7_000, True, "S"),
        ("cabin", 4, 20_000, False, "X"),
    ):
        categories.append(
            {
                "_id": f"inn_{category}",
                "hotel_id": "inn",
                "name": category.title(),
                "occupancy": occupancy,
                "default_price": price,
                "sell_by_default": by_default,
            }
        )
        rooms += [
            {
                "_id": f"inn_{letter}",
                "category_id": f"inn_{category}",
                "name": f"Room {letter}",
                "is_sold": True,
            }
            for letter in letters
        ]
    database["room_categories"].insert_many(categories)
    database["rooms"].insert_many(rooms)
    yield
    for name in ("hotels", "room_categories", "rooms"):
        database[name].delete_many({"_id": {"$regex": "^inn"}})


def put_night(category: str, date: str, **fields: Any) -> None:
    """A day of a category's calendar: open, at 111.00, unless `fields` say otherwise."""
    connections.database()["nights"].insert_one(
        {
            "_id": f"{category}|{date}",
            "category_id": category,
            "date": date,
            "price": 11_100,
            "closed": False,
            "min_stay": 1,
            "closed_to_arrival": False,
            "closed_to_departure": False,
            **fields,
        }
    )


@pytest.fixture
def chalet(database: None) -> Iterator[Hotel]:
    """A hotel of the test's own with two categories, at 80.00 and 120.00, and no nights yet."""
    hotel = Hotel.objects.create(id="chalet", code="CHALET", name="Chalet", currency="CHF")
    for name, price in (("attic", 8_000), ("suite", 12_000)):
        RoomCategory.objects.create(
            id=f"chalet_{name}", hotel=hotel, name=name.title(), default_price=price
        )
    yield hotel
    connections.collection("nights").delete_many({"category_id": {"$regex": "^chalet_"}})
    RoomCategory.objects.filter(id__startswith="chalet_").delete()
    Hotel.objects.filter(id="chalet").delete()


@pytest.fixture
def dearer() -> Iterator[Any]:
    """Raises the demo's prices when called."""
    category = RoomCategory.objects.filter(id="demo_double")
    before = category.get().default_price
    yield lambda: category.update(default_price=13_050)
    category.update(default_price=before)


@contextmanager
def content_of_demo(**written: Any) -> Iterator[None]:
    """Gives the demo this content, or none, and then again what it comes with."""
    contents = connections.collection("hotel_contents")
    before = contents.find_one_and_delete({"_id": "demo"})
    if written:
        HotelContent.objects.create(hotel_id="demo", **written)
    try:
        yield
    finally:
        contents.delete_one({"_id": "demo"})
        if before:
            contents.insert_one(before)
