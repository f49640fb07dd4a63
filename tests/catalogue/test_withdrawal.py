"""Rooms and categories that leave the catalogue while being booked: no booking loses its room."""

from __future__ import annotations

import select
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from datetime import date
from typing import Any

import pymongo
import pytest
from django.contrib.admin.models import LogEntry
from django.contrib.auth.models import User
from django.test import Client
from pymongo.errors import PyMongoError
from pymongo.synchronous.pool import Connection

from bookings import points
from bookings.domain.callers import Caller
from bookings.infrastructure import connections
from bookings.infrastructure.deadlines import Deadline
from bookings.models import Hotel, Room, RoomCategory
from bookings.stays import lifecycle
from bookings.stays.outcomes import Outcome
from tests.calls import book, stored
from tests.conftest import night

STAFF = Caller("user", "staff")
HOTELS = "/admin/bookings/hotel/"
CATEGORIES = "/admin/bookings/roomcategory/"
ROOMS = "/admin/bookings/room/"

pytestmark = [pytest.mark.mongo, pytest.mark.usefixtures("inn")]


@pytest.fixture
def desk(client: Client) -> Client:
    client.force_login(User.objects.create_superuser("staff"))
    return client


def stay(key: str = "key", **fields: Any) -> Outcome:
    dates = {"checkIn": night(10), "checkOut": night(12)}
    return book(key, **{"resourceId": "inn_A", **dates, **fields})


def move(made: Outcome, room: str, last: int = 12) -> Outcome:
    return lifecycle.move_booking(
        actor=STAFF,
        booking_id=made.content["booking"]["id"],
        key_header=f"move-{room}-{last}",
        deadline=Deadline.after(10),
        room_ids=(room,),
        check_in=date.fromisoformat(night(10)),
        check_out=date.fromisoformat(night(last)),
    )


def delete(desk: Client, address: str) -> str:
    return desk.post(f"{address}delete/", {"post": "yes"}, follow=True).content.decode()


def change_room(desk: Client, room: str, **fields: str) -> str:
    address = f"{ROOMS}{room}/change/"
    shown = desk.get(address).context["adminform"].form.initial
    sent = {name: value for name, value in {**shown, **fields}.items() if value}
    return desk.post(address, sent, follow=True).content.decode()


def let_it_settle(room: str) -> None:
    """Moves the moment when the room went off sale three minutes back, by MongoDB's clock."""
    changed = connections.collection("rooms").update_one(
        {"_id": room}, [{"$set": {"off_sale_since": {"$subtract": ["$$NOW", 3 * 60_000]}}}]
    )
    assert changed.modified_count == 1


@contextmanager
def stopped(point: str, call: Callable[[], Outcome]) -> Iterator[Callable[[], Outcome]]:
    """Runs `call` in a thread that stops at this point until its answer is asked for."""
    is_there, may_go = threading.Event(), threading.Event()

    def stop(name: str) -> None:
        if name == point and not is_there.is_set():
            is_there.set()
            assert may_go.wait(20)

    points.install(stop)
    try:
        with ThreadPoolExecutor(1) as pool:
            answer = pool.submit(call)
            assert is_there.wait(20)

            def go_on() -> Outcome:
                may_go.set()
                return answer.result(20)

            yield go_on
            may_go.set()
    finally:
        points.install(None)


# --- Rooms --------------------------------------------------------------------------------------


def test_does_not_delete_a_room_while_it_is_booked(desk: Client) -> None:
    with stopped("after_lock", stay) as go_on:
        refused = delete(desk, f"{ROOMS}inn_A/")
        made = go_on()

    assert "Room A (inn_A) is for sale" in refused
    assert made.code is None
    assert Room.objects.filter(pk="inn_A").exists()


def test_does_not_delete_a_room_that_was_for_sale_a_moment_ago(desk: Client) -> None:
    with stopped("after_lock", stay) as go_on:
        change_room(desk, "inn_A", is_sold="")
        refused = delete(desk, f"{ROOMS}inn_A/")
        made = go_on()

    assert "may still be under way" in refused
    assert made.code is None
    assert Room.objects.filter(pk="inn_A").exists()


def test_does_not_delete_a_room_while_a_booking_moves_there(desk: Client) -> None:
    made = stay()

    with stopped("in_transaction", lambda: move(made, "inn_B")) as go_on:
        refused = delete(desk, f"{ROOMS}inn_B/")
        moved = go_on()

    assert "is for sale" in refused
    assert moved.code is None
    assert Room.objects.filter(pk="inn_B").exists()


def test_deletes_a_room_that_was_off_sale_for_long_enough(desk: Client) -> None:
    change_room(desk, "inn_A", is_sold="")
    let_it_settle("inn_A")

    delete(desk, f"{ROOMS}inn_A/")

    assert not Room.objects.filter(pk="inn_A").exists()


def test_counts_the_time_off_sale_from_the_last_time(desk: Client) -> None:
    change_room(desk, "inn_A", is_sold="")
    let_it_settle("inn_A")
    change_room(desk, "inn_A", is_sold="on")
    change_room(desk, "inn_A", is_sold="")
    change_room(desk, "inn_A", name="Renamed")

    refused = delete(desk, f"{ROOMS}inn_A/")

    assert "may still be under way" in refused


@pytest.mark.parametrize("one_by_one", [True, False])
@pytest.mark.parametrize("back_on_sale", [True, False])
def test_does_not_delete_a_room_that_was_for_sale_meanwhile(
    desk: Client, monkeypatch: pytest.MonkeyPatch, one_by_one: bool, back_on_sale: bool
) -> None:
    from bookings.admin.catalogue import RoomAdmin

    change_room(desk, "inn_A", is_sold="")
    let_it_settle("inn_A")
    refuse = RoomAdmin.refuse_deletion

    def sell_then(self: Any, objects: Any) -> list[str]:
        refusals = refuse(self, objects)
        # Sold for a while, and off sale for long enough again: the process here was stopped.
        Room.objects.filter(pk="inn_A").update(is_sold=back_on_sale, off_sale_since=None)
        if not back_on_sale:
            let_it_settle("inn_A")
        return refusals

    monkeypatch.setattr(RoomAdmin, "refuse_deletion", sell_then)
    logged = LogEntry.objects.count()
    chosen = {"action": "delete_selected", "_selected_action": ["inn_A"], "post": "yes"}
    if one_by_one:
        page = delete(desk, f"{ROOMS}inn_A/")
    else:
        page = desk.post(ROOMS, chosen, follow=True).content.decode()

    why = "(inn_A) is for sale" if back_on_sale else "has just been changed, so it was not deleted"
    assert f"Room A {why}" in page
    assert "successfully" not in page.lower()
    assert LogEntry.objects.count() == logged
    assert Room.objects.filter(pk="inn_A").exists()


def test_tells_how_to_begin_where_no_one_knows_since_when(desk: Client) -> None:
    connections.database()["rooms"].update_one({"_id": "inn_A"}, {"$set": {"is_sold": False}})

    refused = delete(desk, f"{ROOMS}inn_A/")
    change_room(desk, "inn_A")
    assert "may still be under way" in delete(desk, f"{ROOMS}inn_A/")
    let_it_settle("inn_A")
    delete(desk, f"{ROOMS}inn_A/")

    assert "Save Room A (inn_A) once more" in refused
    assert not Room.objects.filter(pk="inn_A").exists()


def test_takes_many_rooms_off_sale_at_once(desk: Client) -> None:
    chosen = {"action": "take_off_sale", "_selected_action": ["inn_A", "inn_B"]}

    page = desk.post(f"{ROOMS}?category__hotel__id__exact=inn", chosen, follow=True)

    assert "Rooms taken off sale: 2." in page.content.decode()
    for room in Room.objects.filter(pk__in=["inn_A", "inn_B"]):
        assert not room.is_sold
        assert room.off_sale_since


def test_changes_the_category_of_no_room_that_may_be_on_its_way_into_a_booking(
    desk: Client,
) -> None:
    with stopped("after_lock", stay) as go_on:
        for_sale = change_room(desk, "inn_A", category="inn_single")
        change_room(desk, "inn_A", is_sold="")
        too_early = change_room(desk, "inn_A", category="inn_single")
        go_on()

    booked = stored()[0]["rooms"][0]
    assert "Take this room off sale" in for_sale
    assert "may still be under way" in too_early
    assert booked["category"] == Room.objects.get(pk="inn_A").category_id == "inn_double"


def test_changes_the_category_of_a_room_that_was_off_sale_for_long_enough(desk: Client) -> None:
    change_room(desk, "inn_A", is_sold="")
    let_it_settle("inn_A")

    both = change_room(desk, "inn_A", category="inn_single", is_sold="on")
    change_room(desk, "inn_A", category="inn_single")
    change_room(desk, "inn_A", is_sold="on")

    assert "then put it on sale" in both
    room = Room.objects.get(pk="inn_A")
    assert (room.category_id, room.is_sold, room.off_sale_since) == ("inn_single", True, None)


# --- Categories and hotels ----------------------------------------------------------------------


def test_keeps_a_category_whose_room_was_added_while_it_was_deleted(
    desk: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    from bookings.admin.catalogue import RoomCategoryAdmin

    RoomCategory.objects.create(id="inn_new", hotel_id="inn", name="New")
    refuse = RoomCategoryAdmin.refuse_deletion

    def add_then(self: Any, objects: Any) -> list[str]:
        refusals = refuse(self, objects)
        Room.objects.get_or_create(id="inn_N", category_id="inn_new", name="N")
        return refusals

    monkeypatch.setattr(RoomCategoryAdmin, "refuse_deletion", add_then)
    page = delete(desk, f"{CATEGORIES}inn_new/")

    assert "has rooms or bookings" in page
    assert RoomCategory.objects.filter(pk="inn_new", name="New").exists()


def test_keeps_a_hotel_whose_category_was_added_while_it_was_deleted(
    desk: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    from bookings.admin.catalogue import HotelAdmin

    Hotel.objects.create(id="inn_b", code="INNB", name="Inn B")
    refuse = HotelAdmin.refuse_deletion

    def add_then(self: Any, objects: Any) -> list[str]:
        refusals = refuse(self, objects)
        RoomCategory.objects.get_or_create(id="inn_new", hotel_id="inn_b", name="New")
        return refusals

    monkeypatch.setattr(HotelAdmin, "refuse_deletion", add_then)
    page = delete(desk, f"{HOTELS}inn_b/")

    assert "has room categories or bookings" in page
    assert Hotel.objects.filter(pk="inn_b", name="Inn B").exists()


def test_brings_back_a_hotel_whose_category_was_added_at_the_last_moment(
    desk: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its category looked for it before it was gone."""
    from bookings.admin.catalogue import HotelAdmin

    Hotel.objects.create(id="inn_b", code="INNB", name="Inn B")
    refuse = HotelAdmin.refuse_deletion

    def add_late(self: Any, objects: Any) -> list[str]:
        if not Hotel.objects.filter(pk="inn_b").exists():
            RoomCategory.objects.create(id="inn_new", hotel_id="inn_b", name="New")
        return refuse(self, objects)

    monkeypatch.setattr(HotelAdmin, "refuse_deletion", add_late)
    page = delete(desk, f"{HOTELS}inn_b/")

    assert "has just been changed, so it was not deleted" in page
    assert Hotel.objects.filter(pk="inn_b", name="Inn B").exists()


def test_adds_no_room_to_a_category_that_is_deleted_meanwhile(
    desk: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    RoomCategory.objects.create(id="inn_new", hotel_id="inn", name="New")
    save = Room.save

    def delete_then_save(self: Room, *arguments: Any, **options: Any) -> None:
        RoomCategory.objects.filter(pk="inn_new").delete()
        save(self, *arguments, **options)

    monkeypatch.setattr(Room, "save", delete_then_save)
    sent = {"category": "inn_new", "name": "N", "is_sold": "on"}
    page = desk.post(f"{ROOMS}add/", sent, follow=True).content.decode()

    assert "has been deleted, so nothing was saved" in page
    assert not Room.objects.filter(name="N").exists()


# --- A request that stops for long --------------------------------------------------------------


@pytest.fixture
def late(monkeypatch: pytest.MonkeyPatch) -> Callable[[str], None]:
    """Delays the next command of this name until long after the driver found that there is time."""
    send = Connection.send_message
    awaited: list[bytes] = []

    def send_late(self: Connection, message: bytes, size: int) -> None:
        is_late = bool(awaited) and awaited[0] in message
        if is_late:
            awaited.clear()
            time.sleep(1)  # as if the process had been stopped here
        send(self, message, size)
        if is_late:
            select.select([self.conn.get_conn], [], [], 10)  # until MongoDB has carried it out

    monkeypatch.setattr(Connection, "send_message", send_late)
    return lambda name: awaited.append(b"\x02" + name.encode() + b"\x00")


def test_books_nothing_that_is_written_after_the_time_of_the_request(
    late: Callable[[str], None],
) -> None:
    late("insert")
    with pytest.raises(PyMongoError), pymongo.timeout(0.8):
        stay()

    assert stored() == []


def test_moves_nothing_that_is_written_after_the_time_of_the_request(
    late: Callable[[str], None],
) -> None:
    made = stay()
    before = stored()

    late("update")
    with pytest.raises(PyMongoError), pymongo.timeout(0.8):
        move(made, "inn_B")

    assert stored() == before


# --- Stays that an earlier release left ---------------------------------------------------------


def test_lets_a_stay_be_where_it_is_though_its_room_is_gone(database: None) -> None:
    made = stay()
    connections.database()["rooms"].delete_one({"_id": "inn_A"})

    longer = move(made, "inn_A", last=13)
    elsewhere = move(made, "inn_B", last=13)

    assert (longer.code, elsewhere.code) == (None, None)
    assert longer.content["booking"]["rooms"][0]["categoryId"] == "inn_double"


def test_prices_no_new_night_of_a_category_that_is_gone(database: None) -> None:
    made = stay()
    connections.database()["rooms"].delete_many({"category_id": "inn_double"})
    connections.database()["room_categories"].delete_one({"_id": "inn_double"})

    shorter = move(made, "inn_A", last=11)
    longer = move(made, "inn_A", last=13)
    elsewhere = move(made, "inn_S", last=13)

    assert shorter.code is None
    assert longer.code == "VALIDATION_ERROR"
    assert "inn_double" in longer.content["errors"][0]["message"]
    assert elsewhere.code is None
