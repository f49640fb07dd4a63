"""Holds: confirmed with their key, dead when they end, revived while their room is free."""

from __future__ import annotations

import pytest

from bookings.domain.callers import Caller
from bookings.infrastructure import connections
from bookings.infrastructure.deadlines import Deadline
from bookings.operations import sweep
from bookings.refusals import InvalidIdempotencyKey, KeyMismatch, NotFound
from bookings.stays import lifecycle, own_bookings
from tests.calls import (
    CUSTOMER,
    PARTNER,
    book,
    cancel,
    confirm,
    let_hold_end,
    let_server_keys_end,
    stored,
)
from tests.conftest import night

pytestmark = pytest.mark.mongo

RIVAL = Caller("client", "rival")


def test_keeps_the_room_until_it_ends() -> None:
    held = book(hold=True)

    rival = book("other", caller=RIVAL)

    assert held.content["booking"]["status"] == "pending"
    assert held.content["booking"]["expiresAt"] > held.content["booking"]["createdAt"]
    assert rival.code == "ALREADY_BOOKED"


def test_is_confirmed_with_the_key_that_made_it() -> None:
    held = book(hold=True)

    first, again = confirm(held), confirm(held)

    assert (first.answer.status, first.content["booking"]["status"]) == (200, "confirmed")
    assert first.content["booking"]["expiresAt"] is None
    assert again.answer == first.answer
    assert again.replayed
    assert [change["event"] for change in stored()[0]["history"]] == ["created", "confirmed"]


def test_is_confirmed_with_the_key_the_server_made() -> None:
    held = book(None, hold=True)

    confirmed = confirm(held, held.key)

    assert confirmed.content["booking"]["status"] == "confirmed"


@pytest.mark.parametrize(
    ("key", "error"), [("another", KeyMismatch), (None, InvalidIdempotencyKey)]
)
def test_is_not_confirmed_with_another_key_or_none(key: str | None, error: type) -> None:
    held = book(hold=True)

    with pytest.raises(error):
        confirm(held, key)

    assert stored()[0]["status"] == "pending"


def test_is_not_seen_by_another_caller_with_the_same_key() -> None:
    held = book(hold=True)

    with pytest.raises(NotFound):
        confirm(held, actor=RIVAL)


def test_confirms_once_though_redis_forgot_the_first_time() -> None:
    held = book(hold=True)
    first = confirm(held)
    connections.redis().flushdb()

    again = confirm(held)

    assert again.answer.body == first.answer.body
    assert len(stored()[0]["history"]) == 2


def test_replays_its_confirmation_after_it_was_cancelled() -> None:
    held = book(hold=True)
    first = confirm(held)
    cancel(held)
    connections.redis().flushdb()

    again = confirm(held)

    assert again.answer.body == first.answer.body


def test_gives_way_to_a_rival_once_it_is_dead() -> None:
    held = book(hold=True)
    let_hold_end()

    rival = book("other", caller=RIVAL)
    late = confirm(held)

    assert rival.answer.status == 201
    assert late.code == "HOLD_EXPIRED"
    assert [booking["status"] for booking in stored()] == ["expired", "confirmed"]


def test_gives_way_though_it_covers_more_nights_than_the_rival() -> None:
    book(hold=True, checkIn=night(10), checkOut=night(15))
    let_hold_end()

    rival = book("other", caller=RIVAL, checkIn=night(12), checkOut=night(20))

    assert rival.answer.status == 201


def test_blocks_while_one_of_two_rivals_is_alive() -> None:
    book("dead", hold=True, checkIn=night(10), checkOut=night(11))
    let_hold_end()
    book("alive", hold=True, checkIn=night(11), checkOut=night(12))

    rival = book("other", caller=RIVAL, checkIn=night(10), checkOut=night(12))

    assert rival.code == "ALREADY_BOOKED"
    assert [booking["status"] for booking in stored()] == ["pending", "pending"]


@pytest.mark.parametrize("tidied", [False, True])
def test_is_revived_by_its_own_late_confirm(tidied: bool) -> None:
    held = book(hold=True, quotedTotal=12_000)
    let_hold_end(minutes_ago=9)
    if tidied:
        sweep.expire_holds()
    # The price is the hold's, whatever the room costs by then.
    connections.database()["room_categories"].update_one(
        {"_id": "demo_double"}, {"$set": {"default_price": 99_000}}
    )

    try:
        late = confirm(held)
    finally:
        connections.database()["room_categories"].update_one(
            {"_id": "demo_double"}, {"$set": {"default_price": 12_000}}
        )

    assert late.content["booking"]["status"] == "confirmed"
    assert late.content["booking"]["price"]["total"] == 12_000


def test_is_revived_where_only_another_dead_hold_has_its_room() -> None:
    held = book(hold=True)
    let_hold_end()
    sweep.expire_holds()
    book("other", caller=RIVAL, hold=True)
    let_hold_end()

    late = confirm(held)

    # The other's hold is not tidied, so the index still knows it; but it is dead.
    assert late.content["booking"]["status"] == "confirmed"
    assert [booking["status"] for booking in stored()] == ["confirmed", "expired"]


@pytest.mark.parametrize("tidied", [False, True])
def test_is_not_revived_after_ten_minutes(tidied: bool) -> None:
    held = book(hold=True)
    let_hold_end(minutes_ago=10.1)
    if tidied:
        sweep.expire_holds()

    late = confirm(held)

    assert late.code == "HOLD_EXPIRED"
    assert stored()[0]["status"] in ("pending", "expired")


def test_loses_its_room_to_whoever_booked_after_the_sweep() -> None:
    held = book(hold=True)
    let_hold_end()
    sweep.expire_holds()
    book("other", caller=RIVAL)

    late = confirm(held)

    assert late.code == "HOLD_EXPIRED"
    assert [booking["status"] for booking in stored()] == ["expired", "confirmed"]


def test_takes_in_the_new_key_of_a_caller_who_came_back() -> None:
    held = book("first", hold=True)

    back = book("second", hold=True)
    again = book("second", hold=True)
    by_new_key = confirm(held, "second")
    connections.redis().flushdb()
    by_old_key = confirm(held, "first")

    assert back.content["booking"]["id"] == held.content["booking"]["id"]
    assert back.content["idempotencyKey"] == "second"
    assert again.answer == back.answer
    assert by_new_key.content["booking"]["status"] == "confirmed"
    assert by_old_key.content["booking"]["status"] == "confirmed"
    assert len(stored()) == 1


def test_is_confirmed_with_the_key_the_server_made_after_that_made_another_hold() -> None:
    first = book(None, hold=True, categoryId="demo_double")
    let_server_keys_end()
    second = book(None, hold=True, categoryId="demo_double")

    confirmed = confirm(first, first.key)

    assert second.key == first.key
    assert second.content["booking"]["id"] != first.content["booking"]["id"]
    assert confirmed.content["booking"]["status"] == "confirmed"


def test_replays_its_confirmation_after_the_servers_key_made_another_hold() -> None:
    held = book(None, hold=True)
    first = confirm(held, held.key)
    cancel(held)
    book(None, hold=True)
    connections.redis().flushdb()

    assert confirm(held, held.key).answer.body == first.answer.body


def test_does_not_show_a_hold_to_the_same_partners_other_guest() -> None:
    book("first", hold=True, userId="ada")

    other = book("second", hold=True, userId="bob")

    assert other.code == "ALREADY_BOOKED"


def test_is_shown_as_expired_before_it_is_tidied() -> None:
    held = book(hold=True)
    let_hold_end()

    seen = own_bookings.get_booking(viewer=PARTNER, booking_id=held.content["booking"]["id"])
    pending, _ = own_bookings.list_bookings(viewer=PARTNER, status="pending")
    expired, _ = own_bookings.list_bookings(viewer=PARTNER, status="expired")

    assert seen["status"] == "expired"
    assert pending == []
    assert [booking["id"] for booking in expired] == [seen["id"]]


def test_tidies_only_what_is_dead() -> None:
    dead = book("dead", hold=True)
    let_hold_end()
    book("alive", hold=True, resourceId="room_B")
    book("booked", resourceId="room_C")

    first, second = sweep.expire_holds(), sweep.expire_holds()

    assert (first.found, first.expired) == (1, 1)
    assert (second.found, second.expired) == (0, 0)
    status = {booking["rooms"][0]["room"]: booking["status"] for booking in stored()}
    assert status == {"room_A": "expired", "room_B": "pending", "room_C": "confirmed"}
    assert stored()[0]["reference"] == dead.content["booking"]["reference"]
    assert stored()[0]["history"][-1]["actor"] == "system"


def test_has_nothing_to_cancel_once_it_is_dead() -> None:
    held = book(hold=True)
    let_hold_end()

    assert cancel(held).code == "NOT_CANCELLABLE"


def test_is_confirmed_by_staff_without_a_key() -> None:
    held = book(hold=True, caller=CUSTOMER)

    confirmed = lifecycle.confirm_booking(
        actor=Caller("user", "staff"),
        booking_id=held.content["booking"]["id"],
        key_header=None,
        deadline=Deadline.after(10),
        as_staff=True,
    )

    assert confirmed.content["booking"]["status"] == "confirmed"
    assert stored()[0]["history"][-1]["actor"] == "user:staff"


@pytest.mark.parametrize("keys", [("first", "second"), (None, None)])
def test_is_not_answered_to_the_wish_to_book(keys: tuple[str | None, str | None]) -> None:
    book(keys[0], hold=True)

    instant = book(keys[1], hold=False)

    # A 201 would say that the room is booked, and in 15 minutes it would be gone.
    assert instant.code == "ALREADY_BOOKED"
    assert stored()[0]["status"] == "pending"
