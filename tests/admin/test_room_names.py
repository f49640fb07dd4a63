"""A room's name is unique in its hotel and shown everywhere; its id is made once and stays."""

from __future__ import annotations

import importlib
import re
from typing import Any

import pytest
from django.apps import apps
from django.contrib.auth.models import User
from django.db import connection
from django.test import Client

from bookings.catalogue import ids, inventory
from bookings.front_desk.guest_search import find_stay_ids
from bookings.infrastructure.connections import collection
from bookings.infrastructure.recent_reads import announce_change
from bookings.models import Hotel, Room, RoomCategory
from bookings.presentation.days import day_text
from bookings.stays import queries
from tests.calls import book
from tests.conftest import night
from tests.pages import Page

ROOMS = "/admin/bookings/room/"
BLOCKS = "/admin/bookings/roomblock/"
MIGRATION = importlib.import_module("bookings.migrations.0025_room_names")

pytestmark = [pytest.mark.mongo, pytest.mark.usefixtures("inn")]


@pytest.fixture
def desk(client: Client) -> Client:
    client.force_login(User.objects.create_superuser("staff"))
    return client


def text_of(response: Any) -> str:
    return Page(response.content.decode()).text


def new_room(desk: Client, name: str, category: str = "inn_double", **more: str) -> Any:
    form = {"category": category, "name": name, "is_sold": "on", **more}
    return desk.post(f"{ROOMS}add/", form, follow=True)


@pytest.fixture
def second_hotel() -> Any:
    """A second hotel, whose room has a name that the inn has, too."""
    hotel = Hotel.objects.create(id="inn-2", code="INNB", name="Second Inn")
    category = RoomCategory.objects.create(id="inn-2-double", hotel=hotel, name="Double")
    yield Room.objects.create(id="inn-2-a", category=category, name="Room A")
    for model in (Room, RoomCategory, Hotel):
        model.objects.filter(pk__startswith="inn-2").delete()


# --- Ids ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("names", "made"),
    [
        (["101"], ["seaside-101"]),
        (["Room 101", "A/1", "Loft_2"], ["seaside-room-101", "seaside-a1", "seaside-loft-2"]),
        # Equal ids of one batch differ, in the order of the names.
        (["101", "1.01", "1-01"], ["seaside-101", "seaside-101-2", "seaside-1-01"]),
        (["Грот", "北", "Süd"], ["seaside-grot", "seaside-bei", "seaside-sud"]),
        (["!!!", "?"], ["seaside-room", "seaside-room-2"]),
    ],
)
def test_makes_an_id_of_hotel_and_name(names: list[str], made: list[str]) -> None:
    assert ids.make_room_ids("seaside", names) == made


def test_makes_ids_that_are_short_enough_and_valid() -> None:
    made = ids.make_room_ids("h" * 64, ["n" * 200, "n" * 200])

    assert len(set(made)) == 2
    for room_id in made:
        Room(id=room_id, name="n").clean_fields(exclude=["category", "hotel"])


def test_numbers_an_id_that_is_taken(desk: Client) -> None:
    for name in ("7", "7.", "7!"):
        new_room(desk, name)

    assert set(Room.objects.filter(name__startswith="7").values_list("pk", flat=True)) == {
        "inn-7",
        "inn-7-2",
        "inn-7-3",
    }


def test_never_takes_an_id_that_was_typed(desk: Client) -> None:
    assert 'name="id"' not in desk.get(f"{ROOMS}add/").content.decode()

    new_room(desk, "101", id="mine")

    assert Room.objects.get(name="101").pk == "inn-101"


def test_keeps_the_id_when_the_room_gets_another_name(desk: Client) -> None:
    form = {"category": "inn_double", "name": "Lilac", "is_sold": "on", "id": "lilac"}

    desk.post(f"{ROOMS}inn_5FA/change/", form)

    assert Room.objects.get(pk="inn_A").name == "Lilac"
    assert not Room.objects.filter(pk="lilac").exists()


# --- One name for each room of a hotel ----------------------------------------------------------


@pytest.mark.parametrize("category", ["inn_double", "inn_single"])
def test_refuses_a_name_that_another_room_of_the_hotel_has(desk: Client, category: str) -> None:
    refused = new_room(desk, "Room B", category)

    assert "Inn has a room Room B already; choose another name." in text_of(refused)
    assert Room.objects.filter(name="Room B", category__hotel="inn").count() == 1


def test_refuses_to_rename_a_room_to_another_ones_name(desk: Client) -> None:
    form = {"category": "inn_double", "name": "Room B", "is_sold": "on"}

    assert "choose another name" in text_of(desk.post(f"{ROOMS}inn_5FA/change/", form))
    assert Room.objects.get(pk="inn_A").name == "Room A"


def test_takes_a_name_of_another_hotel(desk: Client, second_hotel: Room) -> None:
    new_room(desk, "Room B", "inn-2-double")

    assert Room.objects.get(name="Room B", category="inn-2-double").pk == "inn-2-room-b"


def test_lets_one_of_two_add_a_name_at_the_same_moment(
    desk: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    save = Room.save

    def come_second(self: Room, *arguments: Any, **options: Any) -> None:
        monkeypatch.setattr(Room, "save", save)
        category = RoomCategory.objects.get(pk="inn_single")
        Room.objects.create(id="inn_first", category=category, name="101")
        save(self, *arguments, **options)

    monkeypatch.setattr(Room, "save", come_second)
    page = new_room(desk, "101")

    assert "Inn has a room 101 already; choose another name." in text_of(page)
    assert [room.pk for room in Room.objects.filter(name="101")] == ["inn_first"]


# --- Rooms of the release before ----------------------------------------------------------------


def migrate() -> None:
    with connection.schema_editor(atomic=False) as editor:
        MIGRATION.name_rooms(apps, editor)
        MIGRATION.make_indexes(apps, editor)


def test_names_rooms_and_tells_equal_names_apart() -> None:
    rooms = collection("rooms")
    rooms.update_many({"_id": {"$in": ["inn_A", "inn_B", "inn_S"]}}, {"$set": {"name": "Twin"}})
    rooms.update_one({"_id": "inn_C"}, {"$unset": {"name": 1}})

    migrate()
    first = {room["_id"]: room for room in rooms.find({"_id": {"$regex": "^inn_"}})}
    migrate()

    assert {room_id: room["name"] for room_id, room in first.items()} == {
        "inn_A": "Twin",
        "inn_B": "Twin (inn_B)",
        "inn_C": "inn_C",
        "inn_S": "Twin (inn_S)",
        "inn_X": "Room X",
    }
    assert {room["hotel_id"] for room in first.values()} == {"inn"}
    assert {room["_id"]: room for room in rooms.find({"_id": {"$regex": "^inn_"}})} == first


def test_goes_on_beside_processes_that_write_no_hotel_and_no_name(desk: Client) -> None:
    migrate()
    # What the release before inserts; its rooms need no names of their own.
    old = {"category_id": "inn_double", "name": "Room A", "is_sold": True}
    collection("rooms").insert_many([{"_id": "inn_old1", **old}, {"_id": "inn_old2", **old}])
    collection("rooms").insert_one({"_id": "inn_nameless", "category_id": "inn_double"})
    announce_change()

    assert inventory.room_names(["inn_nameless", "inn_old1"]) == {
        "inn_nameless": "inn_nameless",
        "inn_old1": "Room A",
    }
    names = {room.name for _, rooms in inventory.read_house("inn") for room in rooms}
    assert {"inn_nameless", "Room A"} <= names
    # Saving it in the admin makes it one of ours.
    desk.post(
        f"{ROOMS}inn_5Fold1/change/", {"category": "inn_double", "name": "1", "is_sold": "on"}
    )
    assert Room.objects.get(pk="inn_old1").hotel_id == "inn"
    again = {"category": "inn_double", "name": "Room A", "is_sold": "on"}
    assert "choose another name" in text_of(desk.post(f"{ROOMS}inn_5Fold1/change/", again))


# --- Where names are shown ----------------------------------------------------------------------


def test_shows_names_where_staff_read_of_rooms(desk: Client) -> None:
    collection("rooms").update_one({"_id": "inn_A"}, {"$set": {"name": "Lilac"}})
    made = book(resourceId="inn_A", date=night(2), guest={"name": "Ada"}).content["booking"]
    page = f"/admin/bookings/bookingrecord/{made['id']}/"

    for url in (
        "/admin/bookings/bookingrecord/",
        f"{page}change/",
        f"{page}move/",
        f"{page}cancel/",
        "/admin/desk/guests/?q=Ada",
        f"/admin/desk/today/?hotel=inn&day={night(2)}",
        f"/admin/desk/occupancy/?hotel=inn&start={night(0)}",
    ):
        page = desk.get(url).content.decode()
        # Ids are in addresses and hidden fields, and nowhere between tags.
        texts = re.sub(r"<[^>]*>", " ", page)
        assert "Lilac" in texts, url
        assert "inn_A" not in texts, url


def test_names_the_room_that_is_in_the_way(desk: Client) -> None:
    book(resourceId="inn_A", date=night(2))
    form = {
        "key": "k",
        "hotel": "inn",
        "rooms": "inn_A",
        "first": night(2),
        "end": night(3),
        "reason": "Repair",
    }

    assert f"(Room A, {day_text(night(2))} to {day_text(night(3))})" in text_of(
        desk.post(f"{BLOCKS}add/", form)
    )


def test_reads_the_names_of_a_list_in_one_look(
    desk: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    for room in ("inn_A", "inn_B", "inn_C", "inn_S"):
        book(room, resourceId=room, date=night(2))

    asked = []
    read = inventory.room_names

    def note_and_read(room_ids: Any) -> dict[str, str]:
        asked.append(sorted(set(room_ids)))
        return read(asked[-1])

    monkeypatch.setattr(inventory, "room_names", note_and_read)
    page = desk.get("/admin/bookings/bookingrecord/")

    assert "Room A" in text_of(page)
    assert asked == [["inn_A", "inn_B", "inn_C", "inn_S"]]


def test_lets_staff_pick_the_rooms_of_a_block_by_their_names(
    desk: Client, second_hotel: Room
) -> None:
    page, other = (
        desk.get(f"{BLOCKS}add/", {"hotel": hotel}).content.decode() for hotel in ("inn", "inn-2")
    )

    assert re.findall(r'value="([^"]+)" id="id_rooms_\d+"> ([^<]+)</label>', page) == [
        *(("inn_X", "Room X"), ("inn_A", "Room A"), ("inn_B", "Room B"), ("inn_C", "Room C")),
        ("inn_S", "Room S"),
    ]
    assert "<legend>Double</legend>" in page
    assert 'value="inn-2-a"' in other


def test_finds_who_is_in_a_room(desk: Client, second_hotel: Room) -> None:
    def find(typed: str) -> set[str]:
        found = find_stay_ids(typed, hotels=inventory.list_hotels(), limit=50)
        return {stay.reference for stay in map(queries.find_booking, found) if stay}

    soon = book("1", resourceId="inn_A", checkIn=night(20), checkOut=night(22))
    late = book("2", resourceId="inn_A", checkIn=night(40), checkOut=night(41))
    other = book("3", resourceId="inn_B", date=night(20))
    there = book("4", resourceId="inn-2-a", date=night(3))
    soon, late, other, there = (
        made.content["booking"]["reference"] for made in (soon, late, other, there)
    )

    assert find("Room A") == find("room a") == {soon, there}
    assert find("inn_A") == {soon}
    assert find("Room B") == {other}
    assert find("Room") == set()
    assert late not in find("Room A")
    assert soon in text_of(desk.get("/admin/desk/guests/?q=room+a"))


# --- A category without rooms -------------------------------------------------------------------


@pytest.mark.parametrize("how", ["none", "off sale"])
def test_does_not_offer_a_category_without_rooms(client: Client, how: str) -> None:
    search = f"/stays?hotel=inn&arrival={night(2)}&departure={night(3)}&guests=1&rooms=1"
    assert "Single" in text_of(client.get(search))
    assert client.get("/calendar/inn_single").status_code == 200

    if how == "none":
        collection("rooms").delete_one({"_id": "inn_S"})
    else:
        collection("rooms").update_one({"_id": "inn_S"}, {"$set": {"is_sold": False}})
    announce_change()

    assert "Single" not in text_of(client.get(search))
    assert "Double" in text_of(client.get(search))
    assert client.get("/calendar/inn_single").status_code == 404
    assert "Single" not in text_of(client.get("/hotels/inn"))
