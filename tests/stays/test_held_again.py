"""Coming back to a hold, while it ends or changes between the look and the write.

The price and the rooms of a hold are for its holder to come back to. Once it has ended they belong
to no one, and a new hold follows the calendar.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import date
from typing import Any

import pytest

from bookings import points
from bookings.domain.callers import Caller
from bookings.infrastructure import connections
from bookings.infrastructure.deadlines import Deadline
from bookings.stays import lifecycle
from bookings.stays.writing import expiry
from tests.calls import (
    book,
    cancel,
    check_fields_agree,
    confirm,
    extend,
    let_hold_end,
    stored,
)
from tests.conftest import night
from tests.hotels import put_night

STAFF = Caller("user", "staff")
RIVAL = Caller("client", "rival")

pytestmark = [pytest.mark.mongo, pytest.mark.usefixtures("inn")]

DOUBLE = {"categoryId": "inn_double", "date": night(10)}
ROOM_A = {"resourceId": "inn_A", "date": night(10)}


@pytest.fixture(autouse=True)
def _uninstall() -> Iterator[None]:
    yield
    points.install(None)


def meanwhile(happens: Callable[[], Any]) -> None:
    """Has this happen once, when the next request has looked and locked and is about to write."""

    def happen(point: str) -> None:
        if point == "after_lock":
            points.install(None)
            happens()

    points.install(happen)


def end(held: Any) -> None:
    let_hold_end()


def end_and_sweep(held: Any) -> None:
    let_hold_end()
    expiry.expire_dead_holds(limit=10)


def move(held: Any, room: str = "inn_B") -> None:
    moved = lifecycle.move_booking(
        actor=STAFF,
        booking_id=held.content["booking"]["id"],
        key_header=f"move-to-{room}",
        deadline=Deadline.after(10),
        room_ids=(room,),
        check_in=date.fromisoformat(night(10)),
        check_out=date.fromisoformat(night(11)),
    )
    assert moved.code is None


ENDS = [end, end_and_sweep, cancel, move]


def prices() -> list[int]:
    for booking in stored():
        check_fields_agree(booking)
    return [booking["price"]["total"] for booking in stored()]


# --- The price ------------------------------------------------------------------------------


@pytest.mark.parametrize("ends", ENDS)
def test_makes_no_new_hold_at_the_price_of_one_that_is_over(ends: Callable[[Any], Any]) -> None:
    held = book("first", **ROOM_A, hold=True)
    put_night("inn_double", night(10), price=60_000)
    meanwhile(lambda: ends(held))

    again = book("second", **ROOM_A, hold=True, quotedTotal=10_000)

    assert again.code == "PRICE_CHANGED"
    assert "60000 EUR" in again.content["error"]
    assert prices() == [10_000]


@pytest.mark.parametrize("ends", ENDS)
def test_holds_at_todays_price_once_the_hold_is_over(ends: Callable[[Any], Any]) -> None:
    """The wish for the hold accepts any price; the first look finds that the night is not sold."""
    held = book("first", **ROOM_A, hold=True)
    put_night("inn_double", night(10), price=60_000, closed=True)

    def open_again() -> None:
        ends(held)
        connections.database()["nights"].update_many({}, {"$set": {"closed": False}})

    meanwhile(open_again)

    again = book("second", **ROOM_A, hold=True)

    assert again.content["booking"]["price"]["total"] == 60_000
    assert prices() == [10_000, 60_000]


def test_comes_back_to_a_hold_that_changed_meanwhile_and_is_alive() -> None:
    held = book("first", **ROOM_A, hold=True)
    put_night("inn_double", night(10), price=60_000)
    meanwhile(lambda: extend(held))

    again = book("second", **ROOM_A, hold=True, quotedTotal=10_000)

    assert again.content["booking"]["id"] == held.content["booking"]["id"]
    assert [len(booking["keys"]) for booking in stored()] == [2]
    assert prices() == [10_000]


def test_comes_back_to_no_hold_that_is_for_fewer_guests_by_now(lower: Callable[[], None]) -> None:
    """For two guests it could only come back to a hold for two; by now the room is sold for one."""
    book("first", **ROOM_A, hold=True, guests=2)
    lower()

    def come_alone() -> None:
        # The lock is in the way of this request, and of no other.
        connections.redis().flushdb()
        assert book("alone", **ROOM_A, hold=True, guests=1).code is None

    meanwhile(come_alone)

    again = book("second", **ROOM_A, hold=True, guests=2)

    assert again.code == "VALIDATION_ERROR"
    assert [booking["guests"] for booking in stored()] == [1]


@pytest.fixture
def lower() -> Callable[[], None]:
    """Limits a double of the inn to one guest, when called."""
    categories = connections.database()["room_categories"]
    return lambda: categories.update_one({"_id": "inn_double"}, {"$set": {"occupancy": 1}})


def test_makes_no_second_booking_of_a_hold_that_is_confirmed_meanwhile() -> None:
    held = book("first", **ROOM_A, hold=True)
    put_night("inn_double", night(10), price=60_000)
    meanwhile(lambda: confirm(held, "first"))

    quoted = book("second", **ROOM_A, hold=True, quotedTotal=10_000)
    at_any_price = book("third", **ROOM_A, hold=True)

    assert (quoted.code, at_any_price.code) == ("PRICE_CHANGED", "ALREADY_BOOKED")
    assert prices() == [10_000]


# --- The rooms ------------------------------------------------------------------------------


@pytest.mark.parametrize("ends", [end, end_and_sweep, cancel])
@pytest.mark.parametrize(
    ("by", "code"),
    [(ROOM_A, "VALIDATION_ERROR"), (DOUBLE, "SOLD_OUT")],
    ids=["by room", "by category"],
)
def test_makes_no_new_hold_in_a_room_that_went_off_sale(
    by: dict[str, str], code: str, ends: Callable[[Any], Any], off_sale: Callable[[str], None]
) -> None:
    fill("inn_B", "inn_C")
    held = book("first", **ROOM_A, hold=True)
    off_sale("inn_A")
    meanwhile(lambda: ends(held))

    again = book("second", **by, hold=True)

    assert again.code == code
    assert rooms().count("inn_A") == 1


def test_takes_a_free_room_once_the_hold_in_the_last_one_is_over() -> None:
    fill("inn_B", "inn_C")
    held = book("first", **DOUBLE, hold=True)

    def change_hands() -> None:
        cancel(held)
        cancel(book("inn_B", resourceId="inn_B", date=night(10)))

    meanwhile(change_hands)

    again = book("second", **DOUBLE, hold=True)

    assert again.content["booking"]["resourceId"] in ("inn_A", "inn_B")
    assert again.content["booking"]["id"] != held.content["booking"]["id"]


def test_makes_no_booking_in_another_category_that_its_first_was_moved_to() -> None:
    """The server's key means the first booking, until that is cancelled."""
    first = book(None, **DOUBLE)
    move(first, "inn_S")
    fill("inn_A", "inn_B", "inn_C")
    # Otherwise MongoDB is asked for the first booking before the claim.
    connections.redis().flushdb()
    meanwhile(lambda: cancel(first))

    again = book(None, **DOUBLE)

    assert again.code == "SOLD_OUT"
    assert rooms().count("inn_S") == 1


def test_keeps_the_category_of_a_hold_whose_room_became_another_kind() -> None:
    held = book("first", **ROOM_A, hold=True)
    connections.database()["rooms"].update_one(
        {"_id": "inn_A"}, {"$set": {"category_id": "inn_cabin"}}
    )
    put_night("inn_cabin", night(10), price=20_000)

    again = book("second", **ROOM_A, hold=True, guests=2)

    booking = again.content["booking"]
    assert booking["id"] == held.content["booking"]["id"]
    assert [room["guests"] for room in booking["rooms"]] == [2]
    assert [room["categoryId"] for room in booking["rooms"]] == ["inn_double"]
    assert prices() == [10_000]


# --- Changes of the calendar meanwhile ------------------------------------------------------


def test_asks_the_calendar_once_more_at_each_try() -> None:
    """A rival takes the chosen room, while the price goes up."""
    # The rival's booking must exist before, since the room is locked then.
    cancel(book("rival", **ROOM_A, caller=RIVAL), actor=RIVAL)

    def be_quicker() -> None:
        put_night("inn_double", night(10), price=60_000)
        connections.collection("bookings").update_one({}, {"$set": {"status": "confirmed"}})

    meanwhile(be_quicker)

    made = book("key", **DOUBLE)

    assert made.content["booking"]["price"]["total"] == 60_000


@pytest.fixture
def off_sale() -> Callable[[str], None]:
    """Takes a room of the inn off sale."""

    def take(room: str) -> None:
        connections.database()["rooms"].update_one({"_id": room}, {"$set": {"is_sold": False}})

    return take


def fill(*names: str) -> None:
    for room in names:
        assert book(room, resourceId=room, date=night(10)).code is None


def rooms() -> list[str]:
    return [booking["rooms"][0]["room"] for booking in stored()]
