"""Calls of the services as an entrance makes them, with MongoDB and Redis behind."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date, datetime
from typing import Any

import pytest

from bookings.domain.callers import Caller
from bookings.infrastructure import connections
from bookings.infrastructure.clock import Deadline
from bookings.models import Hotel, RoomCategory
from bookings.stays import create, lifecycle
from bookings.stays.create import Outcome
from tests.conftest import night

PARTNER = Caller("client", "partner", may_act_for_others=True)
CUSTOMER = Caller("user", "customer")


@pytest.fixture(autouse=True)
def use_database(database: None) -> None:
    """Every test here has an empty database."""


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


def book(key: str | None = "key", *, caller: Caller = PARTNER, **fields: Any) -> Outcome:
    """Books room_A a month ahead unless `fields` say otherwise."""
    payload = {"resourceId": "room_A", "date": night(), **fields}
    if "checkIn" in fields:
        del payload["date"]
    if "categoryId" in fields or "rooms" in fields:
        del payload["resourceId"]
    return create.create_booking(
        caller=caller,
        key_header=key,
        read_payload=lambda: payload,
        deadline=Deadline.after(10),
    )


def confirm(outcome: Outcome, key: str | None = "key", *, actor: Caller = PARTNER) -> Outcome:
    return lifecycle.confirm_booking(
        actor=actor,
        booking_id=outcome.content["booking"]["id"],
        key_header=key,
        deadline=Deadline.after(10),
    )


def cancel(outcome: Outcome, key: str | None = None, *, actor: Caller = PARTNER) -> Outcome:
    return lifecycle.cancel_booking(
        actor=actor,
        booking_id=outcome.content["booking"]["id"],
        key_header=key,
        deadline=Deadline.after(10),
    )


def extend(outcome: Outcome, key: str | None = "more", *, actor: Caller = PARTNER) -> Outcome:
    return lifecycle.extend_hold(
        actor=actor,
        booking_id=outcome.content["booking"]["id"],
        key_header=key,
        deadline=Deadline.after(10),
    )


def let_hold_end(minutes_ago: float = 0.1) -> None:
    """Puts the end of every hold into the past, by MongoDB's clock."""
    connections.collection("bookings").update_many(
        {"status": "pending"},
        [{"$set": {"expires_at": {"$subtract": ["$$NOW", int(minutes_ago * 60_000)]}}}],
    )


def let_server_keys_end() -> None:
    """Puts the end of every key that the server made into the past."""
    ended = {"$subtract": ["$$key.until", 2 * 60_000]}
    key = {"$mergeObjects": ["$$key", {"until": ended}]}
    connections.collection("bookings").update_many(
        {}, [{"$set": {"keys": {"$map": {"input": "$keys", "as": "key", "in": key}}}}]
    )


def stored() -> list[dict[str, Any]]:
    """Every booking, oldest first."""
    return list(connections.collection("bookings").find({}).sort("_id"))


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


def check_fields_agree(booking: dict[str, Any]) -> None:
    """What a stored booking says in one field it says in every other."""
    check_in, check_out = (date.fromisoformat(booking[day]) for day in ("check_in", "check_out"))
    released_from = booking.get("released_from")
    keeps_until = date.fromisoformat(released_from) if released_from else check_out
    assert check_in < keeps_until <= check_out
    assert released_from is None or booking["presence"] == "no_show"
    rooms = {booked["room"] for booked in booking["rooms"]}
    categories = {booked["category"] for booked in booking["rooms"]}
    prices = booking["price"]["nights"]
    assert booking["guests"] == sum(booked["guests"] for booked in booking["rooms"])
    assert len(set(booking["slots"])) == len(booking["slots"])
    assert len(booking["slots"]) == (keeps_until - check_in).days * len(rooms)
    assert {slot.partition("|")[2] for slot in booking["slots"]} == rooms
    assert booking["category"] == (categories.pop() if len(categories) == 1 else None)
    assert booking["price"]["total"] == sum(night["amount"] for night in prices)
    if booking["kind"] == "stay":
        assert len(prices) == (check_out - check_in).days
    assert booking["version"] >= len(booking["history"])
    said = [change["event"] for change in booking["history"] if change["event"] in STATUS_AFTER]
    assert booking["status"] in STATUS_AFTER[said[-1]]


# What the newest of these in a history says of the status. Nothing else in it does.
STATUS_AFTER = {
    "created": ("pending", "confirmed"),
    "blocked": ("confirmed",),
    "extended": ("pending",),
    "confirmed": ("confirmed",),
    "expired": ("expired",),
    "cancelled": ("cancelled",),
}
