"""Partners read hotels, categories and rooms as their owners describe them."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from bson import ObjectId
from django.conf import settings
from django.test import Client
from drf_spectacular.generators import SchemaGenerator
from jsonschema import Draft202012Validator

from bookings import tasks
from bookings.content.photos import changes
from bookings.infrastructure.connections import collection
from bookings.infrastructure.recent_reads import announce_change
from bookings.models import ApiClient, CategoryContent, Hotel, HotelContent, Room, RoomCategory
from bookings.people.tokens import issue_token
from tests.api.test_description import in_json_schema
from tests.content.photos.pictures import photo

pytestmark = pytest.mark.mongo

PATHS = (
    "/api/hotels",
    "/api/hotels/villa",
    "/api/categories?hotelId=villa",
    "/api/rooms?hotelId=villa",
)


@pytest.fixture
def ask(database: None, client: Client) -> Any:
    token = issue_token(ApiClient.objects.create(name="partner").pk)
    return lambda path: client.get(path, headers={"authorization": f"Bearer {token}"})


@pytest.fixture
def described(ask: Any, photo_folder: Path) -> Iterator[None]:
    """A hotel and a category with texts, and a photo each."""
    hotel = Hotel.objects.create(id="villa", code="VIL", name="Villa", time_zone="Europe/Berlin")
    category = RoomCategory.objects.create(
        id="villa_double", hotel=hotel, name="Double", occupancy=2, default_price=9_000
    )
    rooms = [Room.objects.create(id=f"villa_{n}", category=category, name=f"{n}") for n in (1, 2)]
    HotelContent.objects.create(
        hotel=hotel,
        description={"en": "A **quiet** house.", "de": "Ein stilles Haus."},
        city="Lübeck",
        country="DE",
        amenities=["wifi"],
        phone="+49 451 5555",
    )
    CategoryContent.objects.create(
        category=category, size_m2=21, beds={"double": 1}, description={"en": "Wide."}
    )
    for of in (None, "villa_double"):
        photo_id = ObjectId()
        changes.add_photo(
            photo_id=photo_id, hotel_id="villa", category_id=of, content=photo(500, 300)
        )
        changes.describe_photo("villa", of, photo_id, {"en": "A bed"})
    assert tasks.convert_photos() == 2
    yield
    for room in rooms:
        room.delete()
    CategoryContent.objects.filter(pk="villa_double").delete()
    HotelContent.objects.filter(pk="villa").delete()
    category.delete()
    hotel.delete()


@pytest.mark.parametrize("path", PATHS)
def test_answers_what_its_description_says(ask: Any, described: None, path: str) -> None:
    description = SchemaGenerator().get_schema(request=None, public=True)
    described_as = path.partition("?")[0].replace("/villa", "/{hotel_id}")
    said = description["paths"][described_as]["get"]["responses"]["200"]
    schema = said["content"]["application/json"]["schema"]

    answer = ask(path)

    assert answer.status_code == 200
    rules = in_json_schema({**schema, "components": description["components"]})
    assert [error.message for error in Draft202012Validator(rules).iter_errors(answer.json())] == []


def test_describes_a_hotel_in_every_language(ask: Any, described: None) -> None:
    hotel = ask("/api/hotels/villa").json()["hotel"]

    assert hotel["description"] == {"en": "A **quiet** house.", "de": "Ein stilles Haus."}
    assert (hotel["city"], hotel["amenities"], hotel["terms"]) == ("Lübeck", ["wifi"], {})
    assert hotel["checkInFrom"] < "24:00"
    (shown,) = hotel["photos"]
    assert (shown["alt"], shown["width"], shown["height"]) == ({"en": "A bed"}, 500, 300)


def test_leads_to_pictures_that_are_there(ask: Any, described: None, client: Client) -> None:
    (category,) = ask("/api/categories?hotelId=villa").json()["categories"]

    assert (category["sizeM2"], category["beds"], category["rooms"]) == (21, {"double": 1}, 2)
    pictures = [picture for photo in category["photos"] for picture in photo["pictures"]]
    assert {picture["type"] for picture in pictures} == {"image/avif", "image/webp", "image/jpeg"}
    for picture in pictures:
        path = picture["url"].removeprefix(settings.SITE_URL)
        assert client.get(path).headers["Content-Type"] == picture["type"]


def test_says_nothing_for_what_the_owner_has_not_written(ask: Any, described: None) -> None:
    HotelContent.objects.filter(pk="villa").delete()
    collection("photos").delete_many({"hotel_id": "villa"})
    announce_change()

    hotel = ask("/api/hotels/villa").json()["hotel"]

    assert (hotel["description"], hotel["photos"], hotel["phone"]) == ({}, [], "")


def test_pages_through_rooms_whether_they_are_for_sale_or_not(ask: Any) -> None:
    Room.objects.filter(pk="room_B").update(is_sold=False)
    try:
        found, query = [], ""
        while True:
            answer = ask(f"/api/rooms?hotelId=demo&limit=1{query}").json()
            found += answer["rooms"]
            if answer["next"] is None:
                break
            query = f"&cursor={answer['next']}"
    finally:
        Room.objects.filter(pk="room_B").update(is_sold=True)

    assert [room["id"] for room in found] == sorted(
        room.pk for room in Room.objects.filter(category__hotel="demo")
    )
    assert {room["id"] for room in found if not room["forSale"]} == {"room_B"}


def test_pages_through_hotels(ask: Any) -> None:
    first = ask("/api/hotels?limit=1").json()
    second = ask(f"/api/hotels?limit=1&cursor={first['next']}").json()

    assert [each["id"] for each in first["hotels"] + second["hotels"]] == ["demo", "grand"]
    assert second["next"] is None


def test_knows_a_change_at_once(ask: Any) -> None:
    assert ask("/api/hotels/grand").json()["hotel"]["name"] != "Palace"
    hotel = Hotel.objects.get(pk="grand")
    before, hotel.name = hotel.name, "Palace"
    hotel.save()
    try:
        assert ask("/api/hotels/grand").json()["hotel"]["name"] == "Palace"
    finally:
        hotel.name = before
        hotel.save()


def test_knows_no_hotel_that_is_not_open_yet(ask: Any, described: None) -> None:
    Hotel.objects.filter(pk="villa").update(is_open=False)
    announce_change()

    for path in PATHS[1:]:
        assert ask(path).status_code in (400, 404)
    assert "villa" not in ask("/api/hotels").content.decode()


def test_lists_a_category_without_rooms(ask: Any) -> None:
    category = RoomCategory.objects.create(
        id="demo_empty", hotel_id="demo", name="Empty", occupancy=2, default_price=100
    )
    try:
        listed = ask("/api/categories?hotelId=demo").json()["categories"]
    finally:
        category.delete()

    assert {each["id"]: each["rooms"] for each in listed}["demo_empty"] == 0


@pytest.mark.parametrize(
    ("path", "status", "code"),
    [
        ("/api/hotels/none", 404, "NOT_FOUND"),
        ("/api/hotels/%F0%9F%98%80", 404, "NOT_FOUND"),
        ("/api/categories?hotelId=none", 400, "VALIDATION_ERROR"),
        ("/api/rooms?hotelId=none", 400, "VALIDATION_ERROR"),
        ("/api/rooms?hotelId=demo&limit=0", 400, "VALIDATION_ERROR"),
        ("/api/rooms?hotelId=demo&cursor=%00", 400, "VALIDATION_ERROR"),
        ("/api/hotels?page=2", 400, "VALIDATION_ERROR"),
    ],
)
def test_says_what_is_wrong(ask: Any, path: str, status: int, code: str) -> None:
    answer = ask(path)

    assert (answer.status_code, answer.json()["code"]) == (status, code)


@pytest.mark.parametrize("path", PATHS)
def test_answers_no_stranger(client: Client, database: None, path: str) -> None:
    assert client.get(path).status_code == 401
