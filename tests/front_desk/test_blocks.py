"""Rooms out of service, under the same index as bookings."""

from __future__ import annotations

from datetime import date
from typing import Any

import pytest

from bookings.domain.callers import Caller
from bookings.front_desk import blocks
from bookings.infrastructure import connections
from bookings.infrastructure.deadlines import Deadline
from bookings.refusals import InvalidIdempotencyKey, NotFound
from bookings.stays import lifecycle, own_bookings
from bookings.stays.create import Outcome
from tests.calls import book, confirm, extend, let_hold_end, stored
from tests.conftest import night

STAFF = Caller("user", "staff")
OTHER_STAFF = Caller("user", "other")

pytestmark = [pytest.mark.mongo, pytest.mark.usefixtures("inn")]


def block(
    *rooms: str,
    first: int = 10,
    end: int = 12,
    key: str | None = "block",
    reason: str = "New carpet",
) -> Outcome:
    return blocks.block_rooms(
        actor=STAFF,
        room_ids=rooms or ("inn_A",),
        first=date.fromisoformat(night(first)),
        end=date.fromisoformat(night(end)),
        reason=reason,
        key_header=key,
        deadline=Deadline.after(10),
    )


def lift(outcome: Outcome, *, actor: Caller = STAFF) -> Outcome:
    return lifecycle.cancel_booking(
        actor=actor,
        booking_id=outcome.content["booking"]["id"],
        key_header=None,
        deadline=Deadline.after(10),
        staff_reason="The carpet is in.",
    )


def test_keeps_bookings_out_until_it_is_lifted() -> None:
    blocked = block("inn_A", "inn_B")

    refused = book("1", resourceId="inn_B", date=night(11))
    beside = book("2", resourceId="inn_B", date=night(12))
    lift(blocked)
    after = book("3", resourceId="inn_B", date=night(11))

    assert (refused.code, beside.code, after.code) == ("ALREADY_BOOKED", None, None)
    assert stored()[0]["kind"] == "block"
    assert stored()[0]["history"][-1]["reason"] == "The carpet is in."


def test_is_lifted_rather_than_cancelled() -> None:
    blocked = block()

    said = [lift(blocked, actor=actor).content["message"] for actor in (STAFF, STAFF, OTHER_STAFF)]

    lifted = "The block is lifted."
    assert said == [lifted, lifted, "The block was lifted before."]


def test_leaves_the_category_its_other_rooms() -> None:
    block("inn_A", "inn_B")

    made = [book(key, categoryId="inn_double", date=night(10)) for key in "12"]

    assert [outcome.code for outcome in made] == [None, "SOLD_OUT"]
    assert made[0].content["booking"]["resourceId"] == "inn_C"


def test_lists_the_bookings_in_its_way() -> None:
    first = book("1", resourceId="inn_A", date=night(11))
    second = book("2", resourceId="inn_B", date=night(10), hold=True)

    refused = block("inn_A", "inn_B")

    assert refused.code == "ALREADY_BOOKED"
    for made in (first, second):
        assert made.content["booking"]["reference"] in refused.content["error"]
    assert len(stored()) == 2


def test_is_made_over_a_dead_hold() -> None:
    book(resourceId="inn_A", date=night(10), hold=True)
    let_hold_end()

    assert block("inn_A").code is None
    assert [booking["status"] for booking in stored()] == ["expired", "confirmed"]


def test_blocks_once_for_each_key() -> None:
    first = block()
    connections.redis().flushdb()

    again = block()

    assert again.answer.body == first.answer.body
    assert len(stored()) == 1


def test_may_be_tried_again_with_its_key_once_the_way_is_free() -> None:
    made = book("1", resourceId="inn_A", date=night(11))
    refused = block()
    lift(made)

    assert refused.code == "ALREADY_BOOKED"
    assert block().code is None


def test_is_in_nobodys_list_and_is_neither_confirmed_nor_extended_nor_moved() -> None:
    blocked = block()

    listed, _ = own_bookings.list_bookings(viewer=STAFF)

    assert listed == []
    with pytest.raises(NotFound):
        confirm(blocked, "block", actor=STAFF)
    with pytest.raises(NotFound):
        extend(blocked, actor=STAFF)
    with pytest.raises(NotFound):
        lifecycle.confirm_booking(
            actor=STAFF,
            booking_id=blocked.content["booking"]["id"],
            key_header=None,
            deadline=Deadline.after(10),
            as_staff=True,
        )


@pytest.mark.parametrize(
    ("fields", "field"),
    [
        ({"rooms": ("nowhere",)}, "rooms"),
        ({"rooms": ("inn_A", "room_A")}, "rooms"),
        ({"rooms": tuple(f"room_{number}" for number in range(11))}, "rooms"),
        ({"reason": "  "}, "reason"),
        ({"reason": "a\x00b"}, "reason"),
        ({"first": 12}, "end"),
        ({"first": -1}, "first"),
        ({"end": 732}, "end"),
        ({"end": 311}, "end"),
    ],
)
def test_refuses_a_block_that_cannot_be(fields: dict[str, Any], field: str) -> None:
    rooms = fields.pop("rooms", ("inn_A",))

    refused = block(*rooms, **fields)

    assert refused.code == "VALIDATION_ERROR"
    assert field in [error["field"] for error in refused.content["errors"]]
    assert stored() == []


def test_replays_though_what_it_says_could_not_be_blocked_now() -> None:
    first = block()
    connections.database()["rooms"].update_one({"_id": "inn_A"}, {"$set": {"is_sold": False}})

    again = block()

    assert again.answer == first.answer
    assert again.replayed


def test_wants_a_key() -> None:
    with pytest.raises(InvalidIdempotencyKey):
        block(key=None)
