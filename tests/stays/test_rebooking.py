"""Owners change a stay themselves: other dates, another category, or both; all or nothing."""

from __future__ import annotations

from datetime import date, datetime, timedelta
from typing import Any

import pytest
from pytest_django import Settings

from bookings import points
from bookings.domain.booking import CHECKED_IN, CHECKED_OUT, NO_SHOW
from bookings.domain.callers import Caller, caller_of_guest
from bookings.infrastructure import clock, connections
from bookings.infrastructure.deadlines import Deadline
from bookings.models import Hotel, Room, RoomCategory
from bookings.operations.doctor import recount
from bookings.refusals import InvalidIdempotencyKey, KeyReused, NotFound
from bookings.stays import lifecycle, queries, rebooking
from bookings.stays.create import Outcome
from bookings.stays.writing import changes
from locks.connection import connect
from locks.redis_lock import RedisLocks
from tests.calls import (
    CUSTOMER,
    PARTNER,
    book,
    cancel,
    change_stay,
    check_fields_agree,
    confirm,
    let_hold_end,
    stored,
)
from tests.conftest import night
from tests.hotels import put_night

pytestmark = [pytest.mark.mongo, pytest.mark.usefixtures("inn")]

STAFF = Caller("user", "staff")
RIVAL = Caller("client", "rival")
GUEST = caller_of_guest("0123456789abcdef")


@pytest.fixture(autouse=True)
def _sound(inn: None) -> Any:
    """Whatever a test does, no night is sold twice and every booking agrees with itself."""
    yield
    points.install(None)
    for booking in stored():
        check_fields_agree(booking)
    assert recount.slots().level == "ok"
    assert recount.documents().level == "ok"


def stay(
    key: str | None = "key",
    category: str = "inn_double",
    first: int = 10,
    last: int = 12,
    **more: Any,
) -> Outcome:
    what = {} if "rooms" in more or "resourceId" in more else {"categoryId": category}
    return book(key, checkIn=night(first), checkOut=night(last), **what, **more)


def amounts(outcome: Outcome) -> list[int]:
    return [each["amount"] for each in outcome.content["booking"]["price"]["nights"]]


def rooms_of(outcome: Outcome) -> list[str]:
    return [each["resourceId"] for each in outcome.content["booking"]["rooms"]]


def events() -> list[str]:
    return [change["event"] for change in stored()[0]["history"]]


def fields(outcome: Outcome) -> list[str]:
    assert outcome.code == "VALIDATION_ERROR", outcome.content
    return [error["field"] for error in outcome.content["errors"]]


def put_on_sale(room: str, is_sold: bool) -> None:
    found = Room.objects.get(id=room)
    found.is_sold = is_sold
    found.save()


# --- What becomes of rooms and nights ------------------------------------------------------


def test_gives_the_old_nights_back_and_takes_the_new_ones() -> None:
    made = stay()

    changed = change_stay(made, first=20, last=23, total=30_000)

    booking = changed.content["booking"]
    assert (booking["checkIn"], booking["checkOut"]) == (night(20), night(23))
    assert changed.content["message"] == "The stay is changed."
    assert [slot[:10] for slot in stored()[0]["slots"]] == [night(n) for n in (20, 21, 22)]
    assert stay("old", resourceId=rooms_of(made)[0]).code is None
    assert stay("new", first=20, last=21, resourceId=rooms_of(made)[0]).code == "ALREADY_BOOKED"
    assert events() == ["created", "changed"]
    assert stored()[0]["history"][-1]["actor"] == str(PARTNER)


def test_keeps_its_room_where_that_is_free_though_another_has_the_smaller_gap() -> None:
    made = stay(resourceId="inn_B")
    stay("beside", resourceId="inn_A", first=8, last=10)

    changed = change_stay(made, first=10, last=14, total=40_000)

    assert rooms_of(changed) == ["inn_B"]


def test_gets_another_room_of_the_category_where_its_own_is_taken() -> None:
    made = stay(resourceId="inn_A")
    stay("next", resourceId="inn_A", first=12, last=13, caller=RIVAL)

    changed = change_stay(made, first=10, last=13, total=30_000)

    assert rooms_of(changed) == ["inn_B"]


def test_is_no_obstacle_to_itself() -> None:
    made = stay(resourceId="inn_S", last=14)

    changed = change_stay(made, first=12, last=16, total=4 * 7_000)

    assert rooms_of(changed) == ["inn_S"]


def test_changes_nothing_where_no_room_is_free() -> None:
    made = stay(category="inn_single")
    stay("rival", category="inn_single", first=12, last=13, caller=RIVAL)
    before = stored()

    refused = change_stay(made, first=10, last=13, total=21_000)

    assert refused.code == "SOLD_OUT"
    assert stored() == before


def test_changes_over_a_dead_hold() -> None:
    stay("dead", category="inn_single", first=12, last=13, hold=True, caller=RIVAL)
    let_hold_end()
    made = stay(category="inn_single")

    changed = change_stay(made, first=11, last=13, total=14_000)

    assert changed.code is None
    assert [booking["status"] for booking in stored()] == ["expired", "confirmed"]


def test_changes_all_rooms_of_a_booking_or_none() -> None:
    made = stay(rooms=[{"categoryId": "inn_double"}, {"categoryId": "inn_single"}])
    stay("rival", category="inn_single", first=12, last=13, caller=RIVAL)

    refused = change_stay(made, first=10, last=13, total=51_000)
    changed = change_stay(made, "other", first=20, last=21, total=17_000)

    assert refused.code == "SOLD_OUT"
    assert rooms_of(changed) == rooms_of(made)
    assert amounts(changed) == [17_000]


def test_keeps_each_room_that_is_free_and_replaces_only_the_others() -> None:
    made = stay(rooms=[{"categoryId": "inn_double"}, {"categoryId": "inn_double"}])
    first, second = rooms_of(made)
    stay("rival", resourceId=first, first=12, last=13, caller=RIVAL)

    changed = change_stay(made, first=10, last=13, total=60_000)

    (other,) = {"inn_A", "inn_B", "inn_C"} - {first, second}
    assert rooms_of(changed) == [other, second]


def test_moves_to_another_category() -> None:
    made = stay(guests=1)

    changed = change_stay(made, first=10, last=12, total=14_000, categoryId="inn_single")

    assert changed.content["booking"]["categoryId"] == "inn_single"
    assert rooms_of(changed) == ["inn_S"]
    assert amounts(changed) == [7_000, 7_000]


def test_moves_all_rooms_of_one_category_to_another() -> None:
    for day in (10, 11):
        put_night("inn_cabin", night(day), price=20_000)
    made = stay(rooms=[{"categoryId": "inn_double"}])

    changed = change_stay(made, first=10, last=12, total=40_000, categoryId="inn_cabin")

    assert rooms_of(changed) == ["inn_X"]


def test_names_no_category_for_rooms_of_several() -> None:
    made = stay(rooms=[{"categoryId": "inn_double"}, {"categoryId": "inn_single"}])

    refused = change_stay(made, first=10, last=12, total=34_000, categoryId="inn_double")

    assert fields(refused) == ["categoryId"]


# --- What it costs -------------------------------------------------------------------------


def test_keeps_the_price_of_nights_that_stay_and_charges_todays_for_new_ones() -> None:
    made = stay(last=12)
    put_night("inn_double", night(11), price=99_000)
    put_night("inn_double", night(12), price=15_000)

    changed = change_stay(made, first=11, last=13, total=25_000)

    assert amounts(changed) == [10_000, 15_000]


def test_charges_todays_price_for_the_same_nights_in_another_category() -> None:
    """Unlike a move by staff, who may give a guest a better room for nothing."""
    made = stay(category="inn_single")
    put_night("inn_double", night(10), price=30_000)

    refused = change_stay(made, first=10, last=12, total=14_000, categoryId="inn_double")
    changed = change_stay(made, first=10, last=12, total=40_000, categoryId="inn_double")

    assert refused.code == "PRICE_CHANGED"
    assert amounts(changed) == [30_000, 10_000]


def test_charges_todays_price_for_a_night_that_was_given_up_and_comes_back() -> None:
    made = stay()
    change_stay(made, "away", first=20, last=22, total=20_000)
    put_night("inn_double", night(10), price=30_000)

    back = change_stay(made, "back", first=10, last=12, total=40_000)

    assert amounts(back) == [30_000, 10_000]


def test_leaves_staff_the_latest_price_of_a_night_that_its_owner_came_back_to() -> None:
    made = stay(resourceId="inn_A")
    change_stay(made, "away", first=20, last=22, total=20_000)
    put_night("inn_double", night(10), price=30_000)
    change_stay(made, "back", first=10, last=12, total=40_000)
    change_stay(made, "away-again", first=20, last=22, total=20_000)

    moved = lifecycle.move_booking(
        actor=STAFF,
        booking_id=made.content["booking"]["id"],
        key_header="move",
        deadline=Deadline.after(10),
        room_ids=("inn_A",),
        check_in=date.fromisoformat(night(10)),
        check_out=date.fromisoformat(night(12)),
    )

    assert amounts(moved) == [30_000, 10_000]


def test_says_what_it_costs_now_where_another_total_was_quoted() -> None:
    made = stay()
    before = stored()

    refused = change_stay(made, first=10, last=13, total=29_999)
    again = change_stay(made, first=10, last=13, total=30_000)

    assert refused.code == "PRICE_CHANGED"
    assert refused.content["price"]["total"] == 30_000
    assert [each["amount"] for each in refused.content["price"]["nights"]] == [10_000] * 3
    assert "30000 EUR" in refused.content["detail"]
    assert len(before[0]["history"]) == 1
    assert again.code is None


@pytest.mark.parametrize("total", [None, True, -1, "30000"])
def test_wants_the_total_that_was_shown(total: Any) -> None:
    made = stay()

    refused = change_stay(made, first=10, last=13, total=total)

    assert fields(refused) == ["quotedTotal"]
    assert events() == ["created"]


def test_adds_no_nights_in_another_currency_but_gives_some_back() -> None:
    made = stay(last=13)
    hotel = Hotel.objects.get(id="inn")
    hotel.currency = "CHF"
    hotel.save()

    longer = change_stay(made, first=10, last=14, total=40_000)
    elsewhere = change_stay(made, first=30, last=31, total=10_000)
    shorter = change_stay(made, "shorter", first=10, last=12, total=20_000)

    assert longer.code == elsewhere.code == "NOT_CHANGEABLE"
    assert "EUR" in longer.content["detail"]
    assert "CHF" in longer.content["detail"]
    assert shorter.content["booking"]["price"]["currency"] == "EUR"


# --- What is for sale ----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("day", "rule", "field"),
    [
        (12, {"closed": True}, "checkIn"),
        (10, {"min_stay": 4}, "checkOut"),
        (13, {"closed_to_departure": True}, "checkOut"),
    ],
)
def test_sells_new_nights_as_for_a_new_booking(day: int, rule: Any, field: str) -> None:
    made = stay()
    put_night("inn_double", night(day), price=10_000, **rule)

    refused = change_stay(made, first=10, last=13, total=30_000)

    assert fields(refused) == [field]


def test_does_not_arrive_on_a_day_that_is_closed_to_arrival() -> None:
    made = stay()
    put_night("inn_double", night(9), price=10_000, closed_to_arrival=True)

    assert fields(change_stay(made, first=9, last=12, total=30_000)) == ["checkIn"]


def test_keeps_nights_and_days_that_were_closed_after_it_was_booked() -> None:
    made = stay(last=13)
    put_night("inn_double", night(10), price=99_000, closed=True, closed_to_arrival=True)
    put_night("inn_double", night(13), price=10_000, closed_to_departure=True)

    refused = change_stay(made, first=11, last=14, total=30_000, categoryId="inn_single")
    shorter = change_stay(made, "shorter", first=10, last=12, total=20_000)
    same_days = change_stay(made, "same", first=10, last=12, total=20_000)
    later = change_stay(made, "later", first=11, last=13, total=20_000)

    assert refused.code == "PRICE_CHANGED"
    assert amounts(shorter) == [10_000, 10_000]
    assert same_days.code is None
    assert fields(later) == ["checkOut"]


def test_does_not_become_shorter_than_the_minimum_stay() -> None:
    put_night("inn_double", night(10), price=10_000, min_stay=3)
    made = stay(last=14)

    refused = change_stay(made, first=10, last=12, total=20_000)
    shorter = change_stay(made, first=10, last=13, total=30_000)

    assert fields(refused) == ["checkOut"]
    assert shorter.code is None


def test_finds_every_rule_of_the_other_category() -> None:
    """What the stay has in its own category says nothing about another one."""
    made = stay(guests=2)
    put_night("inn_cabin", night(10), price=20_000, closed_to_arrival=True)

    refused = change_stay(made, first=10, last=12, total=40_000, categoryId="inn_cabin")
    small = change_stay(made, first=10, last=12, total=14_000, categoryId="inn_single")

    # The cabin is not for sale on the second night.
    assert fields(refused) == ["checkIn", "checkIn"]
    assert fields(small) == ["categoryId"]
    assert "at most 1 guest" in small.content["detail"]


@pytest.mark.parametrize(
    ("first", "last", "more", "field"),
    [
        (12, 12, {}, "checkOut"),
        (10, 101, {}, "checkOut"),
        (-1, 2, {}, "checkIn"),
        (729, 731, {}, "checkOut"),
        (10, 12, {"categoryId": "nowhere"}, "categoryId"),
        (10, 12, {"categoryId": "demo_double"}, "categoryId"),
        (10, 12, {"categoryId": "no such id"}, "categoryId"),
        (10, 12, {"guests": 2}, "guests"),
    ],
)
def test_refuses_what_cannot_be(first: int, last: int, more: Any, field: str) -> None:
    made = stay()

    assert field in fields(change_stay(made, first=first, last=last, total=20_000, **more))
    assert events() == ["created"]


@pytest.mark.parametrize("is_one_kind", [True, False])
def test_becomes_shorter_where_its_rooms_sleep_fewer_by_now(is_one_kind: bool) -> None:
    rooms = [{"categoryId": "inn_double", "guests": 2}]
    rooms += [] if is_one_kind else [{"categoryId": "inn_single", "guests": 1}]
    made = stay(rooms=rooms, last=14)
    a_night = 10_000 if is_one_kind else 17_000
    double = RoomCategory.objects.get(id="inn_double")
    double.occupancy = 1
    double.save()

    longer = change_stay(made, "longer", first=10, last=15, total=5 * a_night)
    elsewhere = change_stay(made, "elsewhere", first=20, last=22, total=2 * a_night)
    shorter = change_stay(made, "shorter", first=11, last=13, total=2 * a_night)

    assert fields(longer) == fields(elsewhere) == ["categoryId"]
    assert shorter.code is None
    assert amounts(shorter) == [a_night] * 2


def test_has_at_most_so_many_nights_in_all_rooms() -> None:
    made = stay(rooms=[{"categoryId": "inn_double"}] * 3 + [{"categoryId": "inn_single"}])

    assert fields(change_stay(made, first=10, last=86, total=1)) == ["checkOut"]


def test_leaves_a_room_that_is_off_sale_where_it_needs_new_nights() -> None:
    made = stay(resourceId="inn_A", last=14)
    put_on_sale("inn_A", False)

    shorter = change_stay(made, "shorter", first=10, last=12, total=20_000)
    longer = change_stay(made, "longer", first=10, last=13, total=30_000)
    put_on_sale("inn_A", True)

    assert rooms_of(shorter) == ["inn_A"]
    assert rooms_of(longer) == ["inn_B"]


def test_gets_no_new_nights_in_a_category_without_rooms_for_sale() -> None:
    made = stay(category="inn_single", last=13)
    put_on_sale("inn_S", False)

    refused = change_stay(made, first=10, last=14, total=28_000)
    shorter = change_stay(made, first=10, last=12, total=14_000)
    put_on_sale("inn_S", True)

    assert fields(refused) == ["categoryId"]
    assert shorter.code is None


def test_is_booked_again_without_a_key_after_it_was_changed() -> None:
    """A key that the server made means the stay that it was made for, which the owner has left."""
    made = stay(None)
    kept = change_stay(made, "longer", first=10, last=13, total=30_000)
    back = change_stay(made, "back", first=10, last=12, total=20_000)
    repeated = stay(None)
    change_stay(made, "change", first=20, last=22, total=20_000)

    again = stay(None)
    replayed = stay(None)

    assert kept.code is back.code is None
    assert repeated.content["booking"]["id"] == made.content["booking"]["id"]
    assert again.answer.status == 201
    assert again.content["booking"]["id"] != made.content["booking"]["id"]
    assert replayed.answer.body == again.answer.body
    assert [each["check_in"] for each in stored()] == [night(20), night(10)]


def test_gets_no_new_nights_in_a_hotel_that_is_not_open() -> None:
    """Staff can book there for a guest, who then has a link to the booking."""
    made = stay(last=14)
    Hotel.objects.filter(id="inn").update(is_open=False)

    refused = [
        change_stay(made, "longer", first=10, last=15, total=50_000),
        change_stay(made, "other", first=10, last=12, total=14_000, categoryId="inn_single"),
    ]
    shorter = change_stay(made, "shorter", first=10, last=12, total=20_000)

    assert [fields(each) for each in refused] == [["categoryId"]] * 2
    assert shorter.code is None


# --- When, and by whom ---------------------------------------------------------------------


def test_can_be_changed_until_the_deadline_of_the_stay_as_it_is() -> None:
    hotel = Hotel.objects.get(id="inn")
    hotel.cancel_hours = 48
    hotel.save()
    made = stay(first=3, last=5)

    sooner = change_stay(made, "sooner", first=1, last=2, total=10_000)
    later = change_stay(made, "later", first=20, last=21, total=10_000)

    assert sooner.code is None
    assert later.code == "NOT_CHANGEABLE"
    assert later.content["detail"] == "The hotel's deadline for changing this stay has passed."


@pytest.mark.parametrize(
    ("presence", "said"),
    [(CHECKED_IN, "checked in"), (CHECKED_OUT, "checked in"), (NO_SHOW, "not arrived")],
)
def test_is_not_changed_once_the_desk_has_marked_it(presence: str, said: str) -> None:
    made = stay()
    connections.collection("bookings").update_one({}, {"$set": {"presence": presence}})

    refused = change_stay(made, first=10, last=13, total=30_000)

    assert refused.code == "NOT_CHANGEABLE"
    assert said in refused.content["detail"]


def test_changes_nothing_that_is_over() -> None:
    cancelled = stay("first")
    cancel(cancelled)
    held = stay("second", hold=True)
    let_hold_end()

    one = change_stay(cancelled, first=10, last=13, total=30_000)
    other = change_stay(held, first=10, last=13, total=30_000)

    assert one.code == other.code == "NOT_CHANGEABLE"
    assert "cancelled" in one.content["detail"]
    assert "run out" in other.content["detail"]


def test_changes_no_hold_that_is_dead_by_mongodbs_clock(monkeypatch: pytest.MonkeyPatch) -> None:
    held = stay(hold=True)
    let_hold_end()
    right = clock.now
    monkeypatch.setattr(clock, "now", lambda: right() - timedelta(minutes=1))

    refused = change_stay(held, first=10, last=13, total=30_000)

    assert refused.code == "TRY_AGAIN"
    assert events() == ["created"]


def test_wants_a_key_and_the_owner() -> None:
    made = stay()

    with pytest.raises(InvalidIdempotencyKey):
        change_stay(made, None, first=10, last=13, total=30_000)
    with pytest.raises(NotFound):
        change_stay(made, actor=RIVAL, first=10, last=13, total=30_000)


def test_lets_who_has_the_link_change_it() -> None:
    made = stay()
    link = Caller("guest", "fedcba9876543210", manages=(made.content["booking"]["id"],))

    assert change_stay(made, actor=link, first=10, last=13, total=30_000).code is None


def test_changes_no_block() -> None:
    made = stay()
    connections.collection("bookings").update_one({}, {"$set": {"kind": "block"}})

    try:
        with pytest.raises(NotFound):
            change_stay(made, first=10, last=13, total=30_000)
    finally:
        connections.collection("bookings").update_one({}, {"$set": {"kind": "stay"}})


def test_is_changed_so_often_and_leaves_the_desk_room_in_the_history() -> None:
    made = stay()
    for number in range(rebooking.MAX_CHANGES):
        last = 13 if number % 2 == 0 else 12
        total = (last - 10) * 10_000
        assert change_stay(made, f"k{number}", first=10, last=last, total=total).code is None

    refused = change_stay(made, "one-more", first=10, last=13, total=30_000)

    assert refused.code == "NOT_CHANGEABLE"
    assert "too often" in refused.content["detail"]


# --- Holds ---------------------------------------------------------------------------------


def test_changes_a_hold_which_its_key_confirms_afterwards() -> None:
    held = stay(hold=True)

    changed = change_stay(held, first=10, last=13, total=30_000)
    confirmed = confirm(held)

    assert changed.content["booking"]["expiresAt"] == held.content["booking"]["expiresAt"]
    assert confirmed.content["booking"]["checkOut"] == night(13)
    assert confirmed.content["booking"]["status"] == "confirmed"


def test_is_not_confirmed_unseen_where_staff_moved_it_after_its_owners_change() -> None:
    held = stay(hold=True, resourceId="inn_A")
    change_stay(held, first=10, last=13, total=30_000)
    lifecycle.move_booking(
        actor=STAFF,
        booking_id=held.content["booking"]["id"],
        key_header="move",
        deadline=Deadline.after(10),
        room_ids=("inn_A",),
        check_in=date.fromisoformat(night(10)),
        check_out=date.fromisoformat(night(12)),
    )

    assert confirm(held).code == "PRICE_CHANGED"


def test_is_not_confirmed_by_a_partner_who_has_not_seen_what_its_guest_changed() -> None:
    held = stay(hold=True)
    link = Caller("guest", "fedcba9876543210", manages=(held.content["booking"]["id"],))
    change_stay(held, actor=link, first=10, last=13, total=30_000)

    assert confirm(held).code == "PRICE_CHANGED"


def test_does_not_let_a_hold_grow_past_what_may_be_held(settings: Any) -> None:
    settings.MAX_HELD_ROOM_NIGHTS = 5
    held = stay(hold=True, caller=CUSTOMER, last=14)

    too_long = change_stay(held, actor=CUSTOMER, first=10, last=16, total=60_000)
    longer = change_stay(held, actor=CUSTOMER, first=10, last=15, total=50_000)
    settings.MAX_HELD_ROOM_NIGHTS = 2
    shorter = change_stay(held, "shorter", actor=CUSTOMER, first=10, last=14, total=40_000)

    assert too_long.code == "TOO_MANY_NIGHTS_HELD"
    assert longer.code is None
    # Above a limit that came later, less is always allowed.
    assert shorter.code is None


def test_counts_a_hold_once_for_its_remote_address(settings: Any) -> None:
    settings.MAX_HELD_ROOM_NIGHTS_PER_ADDRESS = 5
    connections.database()["hotels"].update_one(
        {"_id": "inn"}, {"$set": {"anonymous_hold_percent": 100}}
    )
    held = stay(hold=True, caller=GUEST)
    booking_id = held.content["booking"]["id"]

    def change(key: str, last: int) -> Outcome:
        payload = {
            "checkIn": night(10),
            "checkOut": night(last),
            "quotedTotal": (last - 10) * 10_000,
        }
        return rebooking.change_stay(
            actor=GUEST,
            booking_id=booking_id,
            key_header=key,
            read_payload=lambda: payload,
            deadline=Deadline.after(10),
            remote_address="192.0.2.7",
        )

    assert change("three", 13).code is None
    assert change("five", 15).code is None
    assert change("six", 16).code == "TOO_MANY_NIGHTS_HELD"


def test_asks_a_guest_in_a_crowd_as_a_new_hold_would() -> None:
    for number in range(2):
        stay(f"k{number}", hold=True, first=20, last=21, caller=caller_of_guest(f"{number}" * 16))
    held = stay("mine", hold=True, caller=GUEST)

    refused = change_stay(held, actor=GUEST, first=20, last=21, total=10_000)

    assert refused.code == "EMAIL_NEEDED"
    assert queries.find_booking(held.content["booking"]["id"]).check_in.isoformat() == night(10)


# --- Keys ----------------------------------------------------------------------------------


def test_changes_once_for_each_key() -> None:
    made = stay()
    first = change_stay(made, first=20, last=22, total=20_000)
    change_stay(made, "back", first=10, last=12, total=20_000)

    again = change_stay(made, first=20, last=22, total=20_000)
    connections.redis().flushdb()
    forgotten = change_stay(made, first=20, last=22, total=1)

    assert again.answer.body == forgotten.answer.body == first.answer.body
    assert again.replayed
    assert forgotten.replayed
    assert events() == ["created", "changed", "changed"]
    assert stored()[0]["check_in"] == night(10)


def test_does_not_change_it_back_for_a_key_that_found_it_there() -> None:
    made = stay()
    first = change_stay(made, "first", first=10, last=12, total=20_000)
    change_stay(made, "second", first=20, last=22, total=20_000)
    connections.redis().flushdb()

    again = change_stay(made, "first", first=10, last=12, total=20_000)

    assert first.content["message"] == "The booking has these dates already."
    assert again.answer.body == first.answer.body
    assert stored()[0]["check_in"] == night(20)
    assert events() == ["created", "changed_again", "changed"]


@pytest.mark.parametrize("has_forgotten", [False, True])
def test_tells_that_a_change_was_asked_for_with_another_payload(has_forgotten: bool) -> None:
    made = stay()
    change_stay(made, "earlier", first=14, last=15, total=10_000)
    first = change_stay(made, first=20, last=23, total=30_000)
    if has_forgotten:
        connections.redis().flushdb()

    other = change_stay(made, first=30, last=31, total=10_000)
    same = change_stay(made, first=20, last=23, total=30_000)
    earlier = change_stay(made, "earlier", first=15, last=16, total=10_000)

    assert other.replayed
    assert other.answer.body == first.answer.body
    assert other.payload_mismatch, "the client believes that it has the nights it asked for"
    assert (same.replayed, same.payload_mismatch) == (True, False)
    assert (earlier.replayed, earlier.payload_mismatch) == (True, True)


def test_rejects_another_payload_for_a_change_where_the_site_does(settings: Settings) -> None:
    settings.IDEMPOTENCY_ON_MISMATCH = "reject"
    made = stay()
    change_stay(made, first=20, last=23, total=30_000)

    with pytest.raises(KeyReused):
        change_stay(made, first=30, last=31, total=10_000)
    again = change_stay(made, first=20, last=23, total=30_000)

    assert again.replayed
    assert stored()[0]["check_in"] == night(20)


def test_finds_a_change_while_its_twin_works_without_redis() -> None:
    """The twin writes after the claim; the attempt finds it, and compares the payloads, too."""
    made = stay()
    first: list[Outcome] = []

    def twin(point: str) -> None:
        if point == "after_claim" and not first:
            points.install(None)
            connections.redis().flushdb()
            first.append(change_stay(made, first=20, last=23, total=30_000))

    points.install(twin)
    late = change_stay(made, first=30, last=31, total=10_000)

    assert late.answer.body == first[0].answer.body
    assert (late.replayed, late.payload_mismatch) == (True, True)
    assert events() == ["created", "changed"]


def test_replays_a_change_of_an_earlier_release_without_a_comparison() -> None:
    made = stay()
    first = change_stay(made, first=20, last=23, total=30_000)
    connections.collection("bookings").update_one({}, {"$unset": {"change_fingerprints": ""}})
    connections.redis().flushdb()

    other = change_stay(made, first=30, last=31, total=10_000)

    assert other.answer.body == first.answer.body
    assert (other.replayed, other.payload_mismatch) == (True, False)


def test_lets_an_earlier_release_read_a_history_with_changes() -> None:
    """It knows only these fields of a line."""
    change_stay(stay(), first=20, last=23, total=30_000)

    known = {"at", "event", "actor", "key", "status", "body", "reason"}
    assert {name for line in stored()[0]["history"] for name in line} <= known


def test_keeps_what_is_sold_out_under_its_key() -> None:
    made = stay(category="inn_single")
    rival = stay("rival", category="inn_single", first=12, last=13, caller=RIVAL)
    refused = change_stay(made, first=10, last=13, total=21_000)
    cancel(rival, actor=RIVAL)

    again = change_stay(made, first=10, last=13, total=21_000)
    other = change_stay(made, "other", first=10, last=13, total=21_000)

    assert again.answer.body == refused.answer.body
    assert again.replayed
    assert other.code is None


def test_keeps_no_refusal_about_a_state_that_has_passed() -> None:
    """Staff move the booking to another category between the look at it and at the rooms."""
    made = stay(category="inn_single", resourceId="inn_S")
    stay("rival", resourceId="inn_S", first=12, last=13, caller=RIVAL)

    def move(point: str) -> None:
        if point == "after_claim":
            points.install(None)
            lifecycle.move_booking(
                actor=STAFF,
                booking_id=made.content["booking"]["id"],
                key_header="move",
                deadline=Deadline.after(10),
                room_ids=("inn_A",),
                check_in=date.fromisoformat(night(10)),
                check_out=date.fromisoformat(night(12)),
            )

    points.install(move)

    refused = change_stay(made, first=10, last=13, total=21_000)
    changed = change_stay(made, first=10, last=13, total=24_000)

    # Two nights at the price that they had, and one in the double at today's.
    assert refused.code == "PRICE_CHANGED"
    assert rooms_of(changed) == ["inn_A"]
    assert amounts(changed) == [7_000, 7_000, 10_000]


# --- What comes between look and write -----------------------------------------------------


def meanwhile(monkeypatch: pytest.MonkeyPatch, act: Any) -> None:
    """Lets `act` happen once, just before the change is written."""
    original = changes._change
    acts = [act]

    def change(*arguments: Any, **options: Any) -> bool:
        if acts:
            acts.pop()()
        return original(*arguments, **options)

    monkeypatch.setattr(changes, "_change", change)


def forget_locks() -> None:
    """As if Redis did not answer: a rival would wait for the lock."""
    for key in connections.redis().scan_iter(match="lock:*"):
        connections.redis().delete(key)


def test_takes_another_room_where_a_rival_takes_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    made = stay(resourceId="inn_A")

    def book_it() -> None:
        forget_locks()
        assert stay("rival", resourceId="inn_A", first=12, last=13, caller=RIVAL).code is None

    meanwhile(monkeypatch, book_it)

    assert rooms_of(change_stay(made, first=10, last=13, total=30_000)) == ["inn_B"]


def test_is_sold_out_where_a_rival_takes_the_last_room(monkeypatch: pytest.MonkeyPatch) -> None:
    made = stay(resourceId="inn_S")

    def book_it() -> None:
        forget_locks()
        assert stay("rival", resourceId="inn_S", first=12, last=13, caller=RIVAL).code is None

    meanwhile(monkeypatch, book_it)

    assert change_stay(made, first=10, last=13, total=21_000).code == "SOLD_OUT"
    assert events() == ["created"]


def test_decides_again_where_staff_move_it(monkeypatch: pytest.MonkeyPatch) -> None:
    made = stay(resourceId="inn_A")

    def move() -> None:
        lifecycle.move_booking(
            actor=STAFF,
            booking_id=made.content["booking"]["id"],
            key_header="move",
            deadline=Deadline.after(10),
            room_ids=("inn_C",),
            check_in=date.fromisoformat(night(10)),
            check_out=date.fromisoformat(night(12)),
        )

    meanwhile(monkeypatch, move)

    assert rooms_of(change_stay(made, first=10, last=13, total=30_000)) == ["inn_C"]
    assert events() == ["created", "moved", "changed"]


def test_decides_again_where_it_is_cancelled(monkeypatch: pytest.MonkeyPatch) -> None:
    made = stay()
    meanwhile(monkeypatch, lambda: cancel(made))

    assert change_stay(made, first=10, last=13, total=30_000).code == "NOT_CHANGEABLE"
    assert events() == ["created", "cancelled"]


def test_passes_over_a_room_that_a_rival_has_locked() -> None:
    made = stay(resourceId="inn_A")
    lock = connections.locks().acquire([f"inn|{night(12)}|inn_A"], ttl_ms=5_000)

    changed = change_stay(made, first=10, last=13, total=30_000)
    connections.locks().release(lock)

    assert rooms_of(changed) == ["inn_B"]


def test_says_that_the_only_room_is_locked_and_keeps_no_lock() -> None:
    made = stay(resourceId="inn_S")
    lock = connections.locks().acquire([f"inn|{night(12)}|inn_S"], ttl_ms=5_000)

    refused = change_stay(made, first=10, last=13, total=21_000)
    connections.locks().release(lock)
    changed = change_stay(made, first=10, last=13, total=21_000)

    assert refused.code == "RESOURCE_LOCKED"
    assert changed.code is None
    assert not list(connections.redis().scan_iter(match="lock:*"))


def test_needs_no_redis(monkeypatch: pytest.MonkeyPatch) -> None:
    made = stay()
    client = connect("redis://127.0.0.1:1/0")
    monkeypatch.setattr(connections, "redis", lambda: client)
    monkeypatch.setattr(connections, "locks", lambda: RedisLocks(client))

    first = change_stay(made, first=10, last=13, total=30_000)
    again = change_stay(made, first=10, last=13, total=30_000)

    assert first.code is None
    assert again.answer.body == first.answer.body
    assert events() == ["created", "changed"]


def test_tells_its_times() -> None:
    changed = change_stay(stay(), first=10, last=13, total=30_000)

    assert list(changed.steps.durations_ms) == ["claim", "lock", "txn", "finish"]


def test_says_when_the_night_has_begun() -> None:
    """A hold that staff made for last night can still be confirmed, but not changed."""
    held = stay(hold=True, first=1, last=3)
    yesterday = (datetime.fromisoformat(night(-1))).date().isoformat()
    connections.collection("bookings").update_one(
        {},
        {
            "$set": {
                "check_in": yesterday,
                "check_out": night(0),
                "slots": [f"{yesterday}|{rooms_of(held)[0]}"],
                "price.nights": [{"date": yesterday, "amount": 10_000}],
                "price.total": 10_000,
            }
        },
    )

    refused = change_stay(held, first=-1, last=2, total=30_000)

    assert fields(refused) == ["checkIn"]
