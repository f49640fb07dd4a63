"""Booking by category: a room is chosen, or the category is sold out; several rooms at once."""

from __future__ import annotations

from datetime import date
from typing import Any

import pytest

from bookings.availability import occupancy
from bookings.domain.callers import Caller
from bookings.infrastructure import clock, connections
from bookings.stays import create, lifecycle, rivals
from bookings.stays.writing import new_bookings
from tests.calls import book, cancel, confirm, let_hold_end, stored
from tests.conftest import night
from tests.hotels import put_night

RIVAL = Caller("client", "rival")

pytestmark = [pytest.mark.mongo, pytest.mark.usefixtures("inn")]


def double(key: str | None, first: int = 10, last: int = 11, **fields: Any) -> Any:
    """Books any double of the inn from `first` to `last` days ahead."""
    return book(key, categoryId="inn_double", checkIn=night(first), checkOut=night(last), **fields)


def room_of(outcome: Any) -> str:
    return outcome.content["booking"]["resourceId"]


def fill(*rooms: str, first: int = 10, last: int = 11) -> None:
    for room in rooms:
        key = f"{room}-{first}"
        made = book(key, resourceId=room, checkIn=night(first), checkOut=night(last))
        assert made.code is None


# --- Which room ---------------------------------------------------------------------------


def test_takes_the_first_room_by_name_where_all_are_alike() -> None:
    made = [double(f"key-{number}") for number in range(3)]

    assert [room_of(outcome) for outcome in made] == ["inn_A", "inn_B", "inn_C"]


def test_takes_the_room_in_the_smallest_gap() -> None:
    fill("inn_C", first=8, last=10)
    fill("inn_C", first=11, last=12)
    fill("inn_B", first=9, last=10)

    made = double("key")

    # C is free for this one night only, B from here on, A all the time.
    assert room_of(made) == "inn_C"


def test_counts_no_gap_further_than_a_week() -> None:
    fill("inn_B", first=30, last=31)

    made = double("key")

    assert room_of(made) == "inn_A"


def test_passes_over_a_room_that_is_locked() -> None:
    connections.locks().acquire([f"inn|{night(10)}|inn_A"], ttl_ms=5_000)

    made = double("key")

    assert room_of(made) == "inn_B"


def test_passes_over_a_room_that_is_taken_on_one_of_the_nights() -> None:
    fill("inn_A", first=12, last=13)

    made = double("key", 10, 14)

    assert room_of(made) == "inn_B"


def test_takes_the_next_room_when_a_rival_was_quicker(monkeypatch: pytest.MonkeyPatch) -> None:
    original = new_bookings.write_booking
    rivals = ["inn_A", "inn_B"]

    def write(booking: Any, **options: Any) -> Any:
        if rivals:
            monkeypatch.setattr(new_bookings, "write_booking", original)
            connections.redis().flushdb()  # or the rival would respect our lock
            fill(rivals.pop(0))
            monkeypatch.setattr(new_bookings, "write_booking", write)
        return original(booking, **options)

    monkeypatch.setattr(new_bookings, "write_booking", write)

    made = double("key")

    assert room_of(made) == "inn_C"


def test_takes_the_room_of_a_dead_hold() -> None:
    fill("inn_A", "inn_B")
    held = book("held", resourceId="inn_C", date=night(10), hold=True)
    let_hold_end()

    made = double("key", caller=RIVAL)

    assert room_of(made) == room_of(held) == "inn_C"


# --- Sold out or locked -----------------------------------------------------------------------


def test_is_sold_out_once_every_room_is_taken() -> None:
    fill("inn_A", "inn_B", "inn_C")

    refused = double("key")
    cancel(book("inn_B-10", resourceId="inn_B", date=night(10)))
    again = double("key")
    other = double("other")

    assert (refused.code, again.code) == ("SOLD_OUT", "SOLD_OUT")
    # A stored refusal is the key's answer; another key may try again.
    assert again.replayed
    assert room_of(other) == "inn_B"


def test_is_locked_rather_than_sold_out_where_a_rival_may_yet_give_up() -> None:
    fill("inn_A", "inn_B")
    lock = connections.locks().acquire([f"inn|{night(10)}|inn_C"], ttl_ms=5_000)

    refused = double("key")
    connections.locks().release(lock)
    again = double("key")

    assert refused.code == "RESOURCE_LOCKED"
    assert room_of(again) == "inn_C"


def test_is_not_sold_out_to_the_key_that_took_the_last_room() -> None:
    fill("inn_A", "inn_B")
    made = double("key")
    connections.redis().flushdb()

    again = double("key")

    assert again.answer.body == made.answer.body
    assert again.replayed
    assert len(stored()) == 3


def test_gives_the_holder_of_the_last_room_their_hold_again() -> None:
    fill("inn_A", "inn_B")
    held = double("first", hold=True)

    back = double("second", hold=True)
    rival = double("third", hold=True, caller=RIVAL)
    instant = double("fourth")

    assert back.content["booking"]["id"] == held.content["booking"]["id"]
    assert confirm(held, "second").content["booking"]["status"] == "confirmed"
    assert (rival.code, instant.code) == ("SOLD_OUT", "SOLD_OUT")


def test_is_sold_out_at_once_to_a_holder_who_came_back_too_often(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(rivals, "MAX_KEYS", 3)
    fill("inn_A", "inn_B")
    for key in ("first", "second", "third"):
        double(key, hold=True)

    assert double("fourth", hold=True).code == "SOLD_OUT"


def test_gives_up_on_a_hold_that_it_cannot_come_back_to_twice(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    fill("inn_A", "inn_B")
    double("first", hold=True)
    # As if the hold adopted its last key between the look and the write, again and again.
    found = rivals.find_own_hold
    monkeypatch.setattr(rivals, "MAX_KEYS", 1)
    monkeypatch.setattr(rivals, "find_own_hold", lambda draft: _without_limit(found, draft))

    assert double("second", hold=True).code == "RESOURCE_LOCKED"


def test_gives_up_on_a_room_that_it_loses_twice(monkeypatch: pytest.MonkeyPatch) -> None:
    fill("inn_A")
    # As if a rival released the room before each look and had it again before each write.
    monkeypatch.setattr(occupancy, "taken_nights", lambda *arguments: {})

    assert double("key").code == "ALREADY_BOOKED"


def _without_limit(found: Any, draft: Any) -> Any:
    limit, rivals.MAX_KEYS = rivals.MAX_KEYS, 50
    try:
        return found(draft)
    finally:
        rivals.MAX_KEYS = limit


def test_gives_nobody_their_hold_of_another_category() -> None:
    book("single", categoryId="inn_single", checkIn=night(10), checkOut=night(11), hold=True)
    fill("inn_A", "inn_B", "inn_C")

    assert double("key", hold=True).code == "SOLD_OUT"


def test_books_a_second_room_for_a_second_key_while_there_is_one() -> None:
    first, second = double("first", hold=True), double("second", hold=True)

    assert (room_of(first), room_of(second)) == ("inn_A", "inn_B")


def test_books_once_for_the_same_wish_without_a_key() -> None:
    first, again = double(None), double(None)

    assert again.answer.body == first.answer.body
    assert len(stored()) == 1


def test_books_another_room_without_a_key_after_a_cancellation() -> None:
    first = double(None)
    cancel(first)

    second = double(None)

    assert second.content["booking"]["id"] != first.content["booking"]["id"]


def test_is_sold_out_without_a_key_after_a_cancellation_and_three_rivals() -> None:
    cancel(double(None))
    fill("inn_A", "inn_B", "inn_C")

    assert double(None).code == "SOLD_OUT"


def test_gives_no_other_kind_of_room_since_the_first_was_moved_and_cancelled() -> None:
    first = double(None)
    lifecycle.move_booking(
        actor=Caller("user", "staff"),
        booking_id=first.content["booking"]["id"],
        key_header="move",
        deadline=create.Deadline.after(10),
        room_ids=("inn_S",),
        check_in=date.fromisoformat(night(10)),
        check_out=date.fromisoformat(night(11)),
    )
    cancel(first)
    fill("inn_A", "inn_B", "inn_C")

    assert double(None).code == "SOLD_OUT"


# --- Several rooms ----------------------------------------------------------------------------


def several(key: str | None, *categories: str, first: int = 10, last: int = 11) -> Any:
    rooms = [{"categoryId": category, "guests": 1} for category in categories]
    return book(key, rooms=rooms, checkIn=night(first), checkOut=night(last))


def test_books_several_rooms_as_one() -> None:
    made = several("key", "inn_double", "inn_single", "inn_double", last=12)

    booking = made.content["booking"]
    assert [room["resourceId"] for room in booking["rooms"]] == ["inn_A", "inn_S", "inn_B"]
    assert (booking["resourceId"], booking["categoryId"]) == (None, None)
    assert booking["price"]["total"] == 2 * (10_000 + 7_000 + 10_000)
    assert booking["price"]["nights"][0]["amount"] == 27_000
    assert len(stored()[0]["slots"]) == 6


def test_names_the_category_that_several_rooms_share() -> None:
    made = several("key", "inn_double", "inn_double")

    assert made.content["booking"]["categoryId"] == "inn_double"


def test_books_all_of_several_rooms_or_none() -> None:
    fill("inn_S")

    refused = several("key", "inn_double", "inn_single")
    too_many = several("other", *["inn_double"] * 4)

    assert (refused.code, too_many.code) == ("SOLD_OUT", "SOLD_OUT")
    assert len(stored()) == 1


def test_replays_several_rooms_named_in_another_order_without_a_key() -> None:
    first = several(None, "inn_double", "inn_single")

    again = several(None, "inn_single", "inn_double")

    assert again.answer.body == first.answer.body


def test_frees_all_rooms_with_one_cancellation() -> None:
    cancel(several("key", "inn_double", "inn_double", "inn_double"))

    assert several("other", "inn_double", "inn_double", "inn_double").code is None


@pytest.mark.parametrize(
    ("fields", "field"),
    [
        ({"resourceId": "inn_A", "categoryId": "inn_double"}, "resourceId"),
        ({"rooms": []}, "rooms"),
        ({"rooms": [{"categoryId": "inn_double"}] * 11}, "rooms"),
        ({"rooms": ["inn_double"]}, "rooms[0]"),
        ({"rooms": [{"categoryId": "inn_double", "resourceId": "inn_A"}]}, "rooms[0].resourceId"),
        ({"rooms": [{"guests": 1}]}, "rooms[0].categoryId"),
        ({"rooms": [{"categoryId": "inn_double", "guests": 3}]}, "rooms[0].guests"),
        ({"rooms": [{"categoryId": "inn_double"}], "guests": 2}, "guests"),
        ({"rooms": [{"categoryId": "nowhere"}]}, "rooms[0].categoryId"),
        (
            {"rooms": [{"categoryId": "inn_double"}, {"categoryId": "demo_double"}]},
            "rooms[1].categoryId",
        ),
        ({"categoryId": "nowhere"}, "categoryId"),
        ({"categoryId": "inn_double", "guests": 3}, "guests"),
        (
            {
                "rooms": [{"categoryId": "inn_double"}] * 4,
                "checkIn": night(10),
                "checkOut": night(86),
            },
            "rooms",
        ),
    ],
)
def test_refuses_what_cannot_be_meant(fields: dict[str, Any], field: str) -> None:
    both = {"resourceId": "inn_A"} if "resourceId" in fields else {}

    payload = {"date": night(10), **fields, **both}
    if "checkIn" in fields:
        del payload["date"]
    refused = create.create_booking(
        caller=Caller("client", "partner"),
        key_header="key",
        read_payload=lambda: payload,
        deadline=create.Deadline.after(10),
    )

    assert refused.code == "VALIDATION_ERROR"
    assert field in [error["field"] for error in refused.content["errors"]]
    assert stored() == []


# The three ways to name a room, and the name of a fault in its guests.
WAYS: dict[str, tuple[dict[str, Any], str]] = {
    "room": ({"resourceId": "inn_A"}, "guests"),
    "category": ({"categoryId": "inn_double"}, "guests"),
    "rooms": ({"rooms": [{"categoryId": "inn_double"}]}, "rooms[0].guests"),
}


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize(
    ("first", "last", "field"),
    [
        (10, 10, "checkOut"),
        (10, 9, "checkOut"),
        (10, 101, "checkOut"),
        (700, 740, "checkOut"),
        (-2, 1, "checkIn"),
    ],
    ids=["no night", "backwards", "91 nights", "beyond the horizon", "begun"],
)
def test_refuses_dates_that_cannot_be(way: str, first: int, last: int, field: str) -> None:
    which, _ = WAYS[way]

    refused = book("key", **which, checkIn=night(first), checkOut=night(last))

    assert (refused.answer.status, refused.code) == (400, "VALIDATION_ERROR")
    assert [error["field"] for error in refused.content["errors"]] == [field]
    assert stored() == []


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("guests", [0, 3, 101])
def test_refuses_guests_that_cannot_be(way: str, guests: int) -> None:
    which, field = WAYS[way]
    if way == "rooms":
        which = {"rooms": [{**room, "guests": guests} for room in which["rooms"]]}
    else:
        which = {**which, "guests": guests}

    refused = book("key", **which, date=night(10))

    assert (refused.answer.status, refused.code) == (400, "VALIDATION_ERROR")
    assert [error["field"] for error in refused.content["errors"]] == [field]
    assert stored() == []


@pytest.mark.parametrize("way", WAYS)
def test_books_ninety_nights_side_by_side_with_others(way: str) -> None:
    which, _ = WAYS[way]
    for room in ("inn_B", "inn_C"):
        fill(room, first=9, last=60)
        fill(room, first=60, last=102)

    made = [
        book(f"key-{first}", **which, checkIn=night(first), checkOut=night(last))
        for first, last in ((10, 100), (9, 10), (100, 102))
    ]

    assert [outcome.code for outcome in made] == [None, None, None]
    assert {booking["rooms"][0]["room"] for booking in stored()[-3:]} == {"inn_A"}


@pytest.mark.parametrize(
    ("which", "field"),
    [
        ({"resourceId": "inn_X"}, "resourceId"),
        ({"categoryId": "inn_cabin"}, "categoryId"),
        ({"rooms": [{"categoryId": "inn_cabin"}]}, "rooms[0].categoryId"),
    ],
)
def test_refuses_a_stay_longer_than_the_calendar(which: dict[str, Any], field: str) -> None:
    for ahead in (10, 11):
        put_night("inn_cabin", night(ahead))

    refused = book("key", **which, checkIn=night(10), checkOut=night(13))
    made = book("key", **which, checkIn=night(10), checkOut=night(12))

    assert (refused.answer.status, refused.code) == (400, "VALIDATION_ERROR")
    assert refused.content["errors"] == [
        {"field": field, "message": f"Not for sale on {night(12)}."}
    ]
    assert made.code is None


def test_refuses_a_category_without_rooms_for_sale() -> None:
    connections.database()["rooms"].update_one({"_id": "inn_S"}, {"$set": {"is_sold": False}})

    refused = book(categoryId="inn_single", date=night(10))

    assert refused.content["errors"][0]["message"] == "This category has no rooms for sale."


# --- Price and calendar -----------------------------------------------------------------------


def test_costs_what_each_night_of_the_calendar_costs() -> None:
    put_night("inn_double", night(11), price=15_000)

    made = double("key", 10, 13, quotedTotal=35_000)

    amounts = [entry["amount"] for entry in made.content["booking"]["price"]["nights"]]
    assert amounts == [10_000, 15_000, 10_000]


def test_refuses_another_total_than_was_quoted_for_all_the_rooms() -> None:
    rooms = [{"categoryId": "inn_double"}, {"categoryId": "inn_single"}]

    refused = book("key", rooms=rooms, date=night(10), quotedTotal=10_000)
    right = book("key", rooms=rooms, date=night(10), quotedTotal=17_000)

    assert refused.code == "PRICE_CHANGED"
    assert right.content["booking"]["price"]["total"] == 17_000


@pytest.mark.parametrize("by", [{"resourceId": "inn_A"}, {"categoryId": "inn_double"}])
@pytest.mark.parametrize(
    ("day", "restriction", "field"),
    [
        (11, {"closed": True}, None),
        (10, {"min_stay": 4}, "checkOut"),
        (10, {"closed_to_arrival": True}, "checkIn"),
        (13, {"closed_to_departure": True}, "checkOut"),
    ],
)
def test_keeps_to_the_calendar(
    by: dict[str, str], day: int, restriction: dict[str, Any], field: str | None
) -> None:
    put_night("inn_double", night(day), **restriction)

    refused = book("key", **by, checkIn=night(10), checkOut=night(13))

    assert refused.code == "VALIDATION_ERROR"
    assert [error["field"] for error in refused.content["errors"]] == [field or next(iter(by))]


def test_sells_a_category_that_is_sold_by_the_night_on_its_nights_only() -> None:
    put_night("inn_cabin", night(10))
    put_night("inn_cabin", night(11))

    sold = book("key", categoryId="inn_cabin", checkIn=night(10), checkOut=night(12), guests=4)
    refused = book("other", resourceId="inn_X", checkIn=night(12), checkOut=night(13))

    assert sold.content["booking"]["price"]["total"] == 22_200
    assert refused.code == "VALIDATION_ERROR"


# --- How many holds ---------------------------------------------------------------------------


def test_lets_nobody_hold_more_than_five_rooms(settings: Any) -> None:
    settings.MAX_LIVE_HOLDS = 2
    first = book("1", resourceId="inn_A", hold=True)
    book("2", resourceId="inn_B", hold=True)

    refused = book("3", resourceId="inn_C", hold=True)
    other_guest = book("4", resourceId="inn_C", hold=True, userId="bob")
    instant = book("5", resourceId="inn_S")
    confirm(first, "1")
    again = book("3", resourceId="room_A", hold=True)

    assert refused.code == "TOO_MANY_HOLDS"
    assert (other_guest.code, instant.code, again.code) == (None, None, None)


def test_does_not_count_dead_holds(settings: Any) -> None:
    settings.MAX_LIVE_HOLDS = 1
    book("1", resourceId="inn_A", hold=True)
    let_hold_end()

    assert book("2", resourceId="inn_B", hold=True).code is None


def test_replays_and_adopts_at_the_limit(settings: Any) -> None:
    settings.MAX_LIVE_HOLDS = 1
    held = book("1", resourceId="inn_A", hold=True)
    connections.redis().flushdb()

    again = book("1", resourceId="inn_A", hold=True)
    back = book("2", resourceId="inn_A", hold=True)

    assert again.answer.body == held.answer.body
    assert back.content["booking"]["id"] == held.content["booking"]["id"]


def test_counts_holds_made_over_dead_ones(settings: Any) -> None:
    settings.MAX_LIVE_HOLDS = 1
    book("1", resourceId="inn_A", hold=True, caller=RIVAL)
    let_hold_end()
    book("2", resourceId="inn_B", hold=True)

    refused = book("3", resourceId="inn_A", hold=True)

    assert refused.code == "TOO_MANY_HOLDS"
    assert len(stored()) == 2


def test_writes_its_holder_for_every_hold_of_one_millisecond(monkeypatch: Any) -> None:
    stopped = clock.now()
    monkeypatch.setattr(clock, "now", lambda: stopped)
    holders = connections.collection("holders")

    book("1", resourceId="inn_A", hold=True)
    first = holders.find_one()
    book("2", resourceId="inn_B", hold=True)
    second = holders.find_one()

    # Setting a value that is there already is no write, and two without writes do not meet.
    assert first != second


def test_lets_staff_hold_as_many_rooms_as_they_need(settings: Any) -> None:
    settings.MAX_LIVE_HOLDS = 1

    made = [
        create.create_booking(
            caller=Caller("user", "staff"),
            key_header=room,
            read_payload=lambda room=room: {  # type: ignore[misc]
                "resourceId": room,
                "date": night(),
                "hold": True,
            },
            deadline=create.Deadline.after(10),
            as_staff=True,
        )
        for room in ("inn_A", "inn_B")
    ]

    assert [outcome.code for outcome in made] == [None, None]


# --- Coming back to one's own hold ------------------------------------------------------------


def back(key: str, **fields: Any) -> Any:
    return book(key, resourceId="inn_A", date=night(10), hold=True, **fields)


def test_comes_back_at_the_price_it_is_held_for() -> None:
    held = back("first", quotedTotal=10_000)
    put_night("inn_double", night(10), price=15_000)

    at_the_old_price = back("second", quotedTotal=10_000)
    without_one = back("third")
    at_the_new_price = back("fourth", quotedTotal=15_000)

    for again in (at_the_old_price, without_one):
        assert again.content["booking"]["id"] == held.content["booking"]["id"]
        assert again.content["booking"]["price"]["total"] == 10_000
    # A price other than the quoted one is never acknowledged.
    assert at_the_new_price.code == "PRICE_CHANGED"
    assert "10000 EUR" in at_the_new_price.content["error"]


@pytest.mark.parametrize("by", [{"resourceId": "inn_A"}, {"categoryId": "inn_double"}])
def test_comes_back_though_the_night_is_no_longer_sold(by: dict[str, str]) -> None:
    held = book("first", **by, date=night(10), hold=True)
    put_night("inn_double", night(10), closed=True)

    again = book("second", **by, date=night(10), hold=True)
    instant = book("third", **by, date=night(10))
    rival = book("fourth", **by, date=night(10), hold=True, caller=RIVAL)

    assert again.content["booking"]["id"] == held.content["booking"]["id"]
    assert (instant.code, rival.code) == ("VALIDATION_ERROR", "VALIDATION_ERROR")


def test_takes_over_what_is_said_anew_when_it_comes_back() -> None:
    back("first", guest={"name": "Ada"}, notes="Late")

    more = back("second", guests=2, notes="Wheelchair")
    same = back("third", guests=2)
    too_many = back("fourth", guests=3)

    document = stored()[0]
    assert more.content["booking"]["rooms"][0]["guests"] == 2
    assert same.content["booking"]["rooms"][0]["guests"] == 2
    assert (document["guests"], document["notes"]) == (2, "Wheelchair")
    assert document["guest"]["name"] == "Ada"
    assert too_many.code == "VALIDATION_ERROR"
