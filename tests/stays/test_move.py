"""Staff move bookings: other rooms, other dates, one transaction."""

from __future__ import annotations

from datetime import date
from typing import Any

import pytest

from bookings.domain.booking import CHECKED_OUT
from bookings.domain.callers import Caller
from bookings.front_desk.move_options import find_move_options
from bookings.infrastructure import connections
from bookings.infrastructure.deadlines import Deadline
from bookings.refusals import InvalidIdempotencyKey, NotFound
from bookings.stays import lifecycle, queries
from bookings.stays.create import Outcome
from bookings.stays.writing import changes
from tests.calls import book, cancel, confirm, let_hold_end, let_server_keys_end, stored
from tests.conftest import night
from tests.hotels import put_night

STAFF = Caller("user", "staff")
RIVAL = Caller("client", "rival")

pytestmark = [pytest.mark.mongo, pytest.mark.usefixtures("inn")]


def move(
    outcome: Outcome,
    *rooms: str,
    first: int = 10,
    last: int = 12,
    key: str | None = "move",
    quoted: tuple[int, str] | None = None,
) -> Outcome:
    return lifecycle.move_booking(
        actor=STAFF,
        booking_id=outcome.content["booking"]["id"],
        key_header=key,
        deadline=Deadline.after(10),
        room_ids=rooms,
        check_in=date.fromisoformat(night(first)),
        check_out=date.fromisoformat(night(last)),
        quoted=quoted,
    )


def stay(
    key: str = "key", room: str = "inn_A", first: int = 10, last: int = 12, **more: Any
) -> Any:
    return book(key, resourceId=room, checkIn=night(first), checkOut=night(last), **more)


def test_gives_the_old_room_back_and_takes_the_new_one() -> None:
    made = stay()

    moved = move(made, "inn_B")
    old, new = stay("old"), stay("new", "inn_B")

    assert moved.content["booking"]["resourceId"] == "inn_B"
    assert old.code is None
    assert new.code == "ALREADY_BOOKED"
    assert stored()[0]["history"][-1]["event"] == "moved"
    assert stored()[0]["history"][-1]["actor"] == "user:staff"


def test_keeps_the_price_of_the_nights_that_stay() -> None:
    made = stay(last=12)
    put_night("inn_double", night(11), price=99_000)
    put_night("inn_double", night(12), price=15_000)

    moved = move(made, "inn_B", first=11, last=13)

    amounts = [entry["amount"] for entry in moved.content["booking"]["price"]["nights"]]
    assert amounts == [10_000, 15_000]
    assert moved.content["booking"]["price"]["total"] == 25_000


def amounts(outcome: Outcome) -> list[int]:
    return [entry["amount"] for entry in outcome.content["booking"]["price"]["nights"]]


def make_dearer(category: str, *ahead: int, price: int = 25_000) -> None:
    for each in ahead:
        put_night(category, night(each), price=price)


def test_costs_what_it_cost_after_a_move_there_and_back() -> None:
    made = stay()
    make_dearer("inn_double", 10, 11, 20, 21)

    there = move(made, "inn_A", first=20, last=22, key="there")
    back = move(made, "inn_A", key="back")
    there_again = move(made, "inn_B", first=20, last=22, key="there-again")

    assert amounts(there) == [25_000, 25_000]
    assert amounts(back) == [10_000, 10_000]
    assert amounts(there_again) == [25_000, 25_000]


def test_costs_what_it_cost_where_nights_were_given_back_and_are_added_again() -> None:
    made = stay(last=14)
    make_dearer("inn_double", 12, 13)

    shorter = move(made, "inn_A", last=12, key="shorter")
    longer = move(made, "inn_A", last=14, key="longer")

    assert amounts(shorter) == [10_000, 10_000]
    assert amounts(longer) == [10_000] * 4


def test_costs_what_it_cost_in_a_kind_of_room_after_another_in_between() -> None:
    made = stay()
    make_dearer("inn_double", 10, 11)
    make_dearer("inn_cabin", 10, 11, price=40_000)

    move(made, "inn_A", first=20, last=22, key="away")
    other = move(made, "inn_X", key="other")
    back = move(made, "inn_A", key="back")
    other_again = move(made, "inn_X", key="other-again")

    assert amounts(other) == [40_000, 40_000]
    assert amounts(back) == [10_000, 10_000]
    assert amounts(other_again) == [40_000, 40_000]


def test_keeps_a_nights_price_in_another_kind_of_room_that_it_is_moved_to() -> None:
    made = stay()
    make_dearer("inn_cabin", 10, 11, price=40_000)
    make_dearer("inn_double", 10, 11)

    upgraded = move(made, "inn_X", key="up")
    move(made, "inn_X", first=20, last=22, key="away")
    back = move(made, "inn_X", key="back")

    assert amounts(upgraded) == amounts(back) == [10_000, 10_000]


def test_remembers_the_price_of_several_rooms_together() -> None:
    rooms = [{"categoryId": "inn_double"}, {"categoryId": "inn_single"}]
    made = book(rooms=rooms, checkIn=night(10), checkOut=night(12))
    make_dearer("inn_double", 10, 11, 20)

    move(made, "inn_A", "inn_S", first=20, last=21, key="away")
    back = move(made, "inn_B", "inn_S", key="back")

    assert amounts(back) == [17_000, 17_000]


def test_remembers_what_only_a_retired_key_was_told() -> None:
    """A booking without a key whose wish came once more after the two minutes."""
    made = stay(None)
    let_server_keys_end()
    stay(None)
    make_dearer("inn_double", 10, 11)

    move(made, "inn_A", first=20, last=22, key="there")
    back = move(made, "inn_A", key="back")

    assert stored()[0]["keys"] == []
    assert amounts(back) == [10_000, 10_000]


def test_leaves_the_nights_that_an_earlier_release_priced_anew_as_they_are() -> None:
    """That release had moved the stay away and back, without reading the answers."""
    made = stay()
    priced = {"price.nights.$[].amount": 25_000, "price.total": 50_000}
    connections.collection("bookings").update_one({}, {"$set": priced})

    assert amounts(move(made, "inn_B", last=13)) == [25_000, 25_000, 10_000]


def test_takes_no_price_that_was_in_another_currency() -> None:
    made = stay()
    make_dearer("inn_double", 10, 11)
    move(made, "inn_A", first=20, last=22, key="there")
    connections.collection("bookings").update_one({}, {"$set": {"price.currency": "JPY"}})

    assert move(made, "inn_A", key="back").code == "VALIDATION_ERROR"


def test_offers_a_move_back_at_the_price_that_it_had() -> None:
    made = stay()
    make_dearer("inn_double", 10, 11)
    move(made, "inn_A", first=20, last=22, key="there")
    booking = queries.find_booking(made.content["booking"]["id"])
    assert booking is not None

    (options,) = find_move_options(
        booking, date.fromisoformat(night(10)), date.fromisoformat(night(12))
    )

    totals = {option.room.id: option.total for option in options}
    assert totals["inn_A"] == totals["inn_B"] == 20_000
    assert totals["inn_S"] == 14_000


def test_overlaps_where_it_was() -> None:
    made = stay(last=14)

    moved = move(made, "inn_A", first=12, last=16)

    assert moved.code is None
    assert [slot[:10] for slot in stored()[0]["slots"]] == [night(n) for n in range(12, 16)]


def test_changes_nothing_when_the_new_room_is_taken() -> None:
    made, _ = stay(), stay("other", "inn_B", first=11, last=12, caller=RIVAL)
    before = stored()

    refused = move(made, "inn_B")

    assert refused.code == "ALREADY_BOOKED"
    assert stored() == before


def test_moves_over_a_dead_hold() -> None:
    stay("dead", "inn_B", hold=True, caller=RIVAL)
    let_hold_end()
    made = stay()

    moved = move(made, "inn_B")

    assert moved.code is None
    assert [booking["status"] for booking in stored()] == ["expired", "confirmed"]


def test_moves_over_a_dead_hold_and_its_own_old_nights() -> None:
    made = stay(last=14)
    stay("dead", "inn_A", first=14, last=15, hold=True, caller=RIVAL)
    let_hold_end()

    moved = move(made, "inn_A", first=12, last=16)

    assert moved.code is None


def test_moves_once_for_each_key() -> None:
    made = stay()
    first = move(made, "inn_B")
    connections.redis().flushdb()

    again = move(made, "inn_B")
    back = move(made, "inn_A", key="back")

    assert again.answer.body == first.answer.body
    assert back.content["booking"]["resourceId"] == "inn_A"
    assert len(stored()[0]["history"]) == 3


def test_moves_a_live_hold_which_is_confirmed_with_its_key_after() -> None:
    held = stay(hold=True)

    moved = move(held, "inn_C")
    confirmed = confirm(held)

    assert moved.content["booking"]["expiresAt"] == held.content["booking"]["expiresAt"]
    assert confirmed.content["booking"]["resourceId"] == "inn_C"


@pytest.mark.parametrize("end", ["cancelled", "dead"])
def test_moves_nothing_that_is_over(end: str) -> None:
    made = stay(hold=end == "dead")
    if end == "dead":
        let_hold_end()
    else:
        cancel(made)

    assert move(made, "inn_B").code == "VALIDATION_ERROR"


def test_moves_all_rooms_of_a_booking_or_none() -> None:
    rooms = [{"categoryId": "inn_double"}, {"categoryId": "inn_single"}]
    made = book(rooms=rooms, checkIn=night(10), checkOut=night(12))
    stay("taken", "inn_C")

    refused = move(made, "inn_C", "inn_S")
    moved = move(made, "inn_B", "inn_S", key="again")

    assert refused.code == "ALREADY_BOOKED"
    assert [room["resourceId"] for room in moved.content["booking"]["rooms"]] == ["inn_B", "inn_S"]
    assert moved.content["booking"]["price"]["total"] == 34_000


@pytest.mark.parametrize(
    ("rooms", "first", "last", "field"),
    [
        ((), 10, 12, "rooms"),
        (("inn_A", "inn_B"), 10, 12, "rooms"),
        (("nowhere",), 10, 12, "rooms"),
        (("room_A",), 10, 12, "rooms"),
        (("inn_S",), 10, 12, "rooms"),
        (("inn_B",), 12, 12, "checkOut"),
        (("inn_B",), 12, 103, "checkOut"),
        (("inn_B",), -1, 3, "checkIn"),
        (("inn_B",), 729, 731, "checkOut"),
    ],
)
def test_refuses_a_move_that_cannot_be(
    rooms: tuple[str, ...], first: int, last: int, field: str
) -> None:
    made = stay(guests=2)

    refused = move(made, *rooms, first=first, last=last)

    assert refused.code == "VALIDATION_ERROR"
    assert field in [error["field"] for error in refused.content["errors"]]


def begun(first: int, last: int) -> Outcome:
    """A stay that began in the past, as time would have made it."""
    made = stay(first=1, last=3)
    nights = [night(ahead) for ahead in range(first, last)]
    connections.collection("bookings").update_one(
        {"_id": stored()[-1]["_id"]},
        {
            "$set": {
                "check_in": night(first),
                "check_out": night(last),
                "slots": [f"{date}|inn_A" for date in nights],
            }
        },
    )
    return made


def test_lets_a_guest_who_is_in_the_house_stay_longer_or_leave_today() -> None:
    longer = move(begun(-2, 2), "inn_A", first=-2, last=3)
    connections.collection("bookings").delete_many({})
    connections.redis().flushdb()
    shorter = move(begun(-2, 2), "inn_A", first=-2, last=0)

    assert (longer.code, shorter.code) == (None, None)
    assert stored()[0]["check_out"] == night(0)


@pytest.mark.parametrize(
    ("room", "first", "last", "field"),
    [
        ("inn_B", -2, 2, "rooms"),
        ("inn_A", 0, 2, "checkIn"),
        ("inn_A", -3, 2, "checkIn"),
        ("inn_A", -2, -1, "checkOut"),
    ],
)
def test_rewrites_no_night_that_is_over(room: str, first: int, last: int, field: str) -> None:
    refused = move(begun(-2, 2), room, first=first, last=last)

    assert refused.code == "VALIDATION_ERROR"
    assert field in [error["field"] for error in refused.content["errors"]]


def test_lets_a_guest_stay_longer_on_the_day_of_departure() -> None:
    made = begun(-3, 2)

    ends_today = move(made, "inn_A", first=-3, last=0, key="shorter")
    longer = move(made, "inn_A", first=-3, last=1, key="longer")

    assert (ends_today.code, longer.code) == (None, None)
    assert stored()[0]["check_out"] == night(1)


def test_rewrites_no_night_that_was_slept_on_the_day_of_departure() -> None:
    made = begun(-3, 0)

    elsewhere = move(made, "inn_B", first=-3, last=1)
    later = move(made, "inn_A", first=0, last=1)

    assert elsewhere.content["errors"][0]["field"] == "rooms"
    assert later.content["errors"][0]["field"] == "checkIn"


def test_neither_moves_nor_lengthens_a_stay_that_is_checked_out() -> None:
    made = stay(first=0, last=3)
    connections.collection("bookings").update_one({}, {"$set": {"presence": CHECKED_OUT}})

    longer = move(made, "inn_A", first=0, last=4)
    elsewhere = move(made, "inn_B", first=0, last=3)
    shorter = move(made, "inn_A", first=0, last=1)

    assert longer.content["errors"][0]["field"] == "checkOut"
    assert elsewhere.content["errors"][0]["field"] == "rooms"
    assert "undo that" in longer.content["errors"][0]["message"]
    assert shorter.code is None


def test_moves_no_stay_that_is_over() -> None:
    refused = move(begun(-3, -1), "inn_A", first=-3, last=2)

    assert refused.content["errors"][0]["message"].startswith("This stay has ended")


def test_may_stay_in_a_room_that_is_no_longer_for_sale() -> None:
    rooms = [{"categoryId": "inn_double"}, {"categoryId": "inn_single"}]
    made = book(rooms=rooms, checkIn=night(10), checkOut=night(12))
    connections.database()["rooms"].update_many({"_id": "inn_A"}, {"$set": {"is_sold": False}})

    longer = move(made, "inn_A", "inn_S", last=13)
    other = move(stay("other", "inn_B"), "inn_A")

    assert longer.code is None
    assert other.code == "VALIDATION_ERROR"


def test_may_put_a_guest_where_the_calendar_does_not_sell() -> None:
    made = stay()
    put_night("inn_double", night(20), closed=True, min_stay=7)

    moved = move(made, "inn_B", first=20, last=21)

    assert moved.content["booking"]["price"]["total"] == 11_100


def test_says_that_nothing_changed_where_it_is_there_already() -> None:
    made = stay()

    assert move(made, "inn_A").content["message"] == "The booking is there already."
    assert stored()[0]["history"][-1]["event"] == "moved_again"


def test_does_not_move_it_back_for_a_key_that_found_it_there() -> None:
    made = stay()
    first = move(made, "inn_A", key="first")
    move(made, "inn_B", key="second")
    connections.redis().flushdb()

    again = move(made, "inn_A", key="first")

    assert again.answer.body == first.answer.body
    assert stored()[0]["rooms"][0]["room"] == "inn_B"


def test_wants_a_key_and_a_booking() -> None:
    made = stay()

    with pytest.raises(InvalidIdempotencyKey):
        move(made, "inn_B", key=None)
    with pytest.raises(NotFound):
        lifecycle.move_booking(
            actor=STAFF,
            booking_id="0" * 24,
            key_header="move",
            deadline=Deadline.after(10),
            room_ids=("inn_B",),
            check_in=date.fromisoformat(night(10)),
            check_out=date.fromisoformat(night(12)),
        )


def test_is_not_moved_onto_a_room_that_is_booked_in_between(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    made = stay()
    original = changes._change
    rivals = ["rival"]

    def change(*arguments: Any, **options: Any) -> bool:
        if rivals:
            stay(rivals.pop(), "inn_B", caller=RIVAL)
        return original(*arguments, **options)

    monkeypatch.setattr(changes, "_change", change)

    assert move(made, "inn_B").code == "ALREADY_BOOKED"
    assert stored()[0]["rooms"][0]["room"] == "inn_A"


@pytest.mark.parametrize("quoted", [(19_999, "EUR"), (20_000, "USD"), (0, "EUR")])
def test_moves_at_no_other_price_than_the_quoted_one(quoted: tuple[int, str]) -> None:
    made = stay()

    refused = move(made, "inn_B", quoted=quoted)
    moved = move(made, "inn_B", quoted=(20_000, "EUR"))

    assert (refused.code, refused.content["price"]["total"]) == ("PRICE_CHANGED", 20_000)
    assert moved.code is None
    assert [change["event"] for change in stored()[0]["history"]] == ["created", "moved"]


def test_judges_the_quoted_price_again_in_each_attempt(monkeypatch: pytest.MonkeyPatch) -> None:
    """The hold is confirmed, and a night gets dearer, while the move is being written."""
    made = stay(hold=True)
    write, calls = changes.change_booking, []

    def lose_first(*arguments: Any, **options: Any) -> bool:
        calls.append(1)
        if len(calls) == 1:
            monkeypatch.setattr(changes, "change_booking", write)
            confirm(made)
            put_night("inn_double", night(12), price=15_000)
        return write(*arguments, **options)

    monkeypatch.setattr(changes, "change_booking", lose_first)

    refused = move(made, "inn_A", first=11, last=13, quoted=(20_000, "EUR"))

    assert (refused.code, len(calls)) == ("PRICE_CHANGED", 1)
    assert [change["event"] for change in stored()[0]["history"]] == ["created", "confirmed"]


def test_repeats_a_move_whatever_the_price_is_by_then() -> None:
    made = stay()
    move(made, "inn_B", first=11, last=13, quoted=(20_000, "EUR"))
    put_night("inn_double", night(12), price=15_000)
    connections.redis().flushdb()

    again = move(made, "inn_B", first=11, last=13, quoted=(20_000, "EUR"))

    assert (again.code, again.replayed) == (None, True)
