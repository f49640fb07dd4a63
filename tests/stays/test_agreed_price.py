"""A stay that staff sell at a price agreed with the guest."""

from __future__ import annotations

import json
from datetime import date
from typing import Any

import pytest
from django.core import mail

from bookings.domain.booking import from_document
from bookings.domain.callers import Caller
from bookings.front_desk import figures
from bookings.infrastructure.deadlines import Deadline
from bookings.news import guest_mails, relay
from bookings.stays import create, lifecycle
from bookings.stays.outcomes import Outcome
from tests.calls import book, stored
from tests.conftest import night
from tests.hotels import put_night

STAFF = Caller("user", "staff")
REASON = "A long stay"

pytestmark = [pytest.mark.mongo, pytest.mark.usefixtures("inn")]


def sell(
    total: Any = 15_001, *, key: str = "key", may_reprice: bool = True, **fields: Any
) -> Outcome:
    """Sells room A of the inn for two nights, which cost 200.00, at a price of the staff's."""
    agreed = {"total": total, "currency": "EUR", "reason": REASON, **fields.pop("agreed", {})}
    payload = {
        "resourceId": "inn_A",
        "checkIn": night(10),
        "checkOut": night(12),
        "agreedPrice": agreed,
        **fields,
    }
    if "rooms" in fields:
        del payload["resourceId"]
    return create.create_booking(
        caller=STAFF,
        key_header=key,
        read_payload=lambda: payload,
        deadline=Deadline.after(10),
        as_staff=True,
        may_reprice=may_reprice,
    )


def faults(outcome: Outcome) -> dict[str, str]:
    return {fault["field"]: fault["message"] for fault in outcome.content["errors"]}


def test_sells_at_the_agreed_total_and_keeps_the_reason() -> None:
    outcome = sell()

    price = outcome.content["booking"]["price"]
    assert price["total"] == 15_001
    assert [each["amount"] for each in price["nights"]] == [7_501, 7_500]
    assert stored()[0]["price"]["total"] == 15_001
    assert from_document(stored()[0]).agreed_because == REASON


def test_keeps_no_reason_for_a_price_of_the_calendar() -> None:
    book(resourceId="inn_A", checkIn=night(10), checkOut=night(12))

    assert "reason" not in stored()[0]["history"][0]
    assert from_document(stored()[0]).agreed_because == ""


def test_sells_several_rooms_at_one_total_for_all() -> None:
    put_night("inn_double", night(11), price=30_000)

    sell(9_999, rooms=[{"categoryId": "inn_double"}, {"categoryId": "inn_single"}])

    price = stored()[0]["price"]
    assert price["total"] == 9_999
    # 17,000 and 37,000 in the calendar
    assert [each["amount"] for each in price["nights"]] == [3_148, 6_851]


def test_is_refused_to_those_who_may_not_sell_at_another_price() -> None:
    assert faults(sell(may_reprice=False)) == {"agreedPrice": "There is no such field."}
    assert stored() == []


def test_is_no_field_of_the_api() -> None:
    outcome = book(agreedPrice={"total": 1, "currency": "EUR", "reason": REASON})

    assert faults(outcome) == {"agreedPrice": "There is no such field."}


@pytest.mark.parametrize(
    ("agreed", "field"),
    [
        ({"reason": ""}, "agreedPrice.reason"),
        ({"reason": "  "}, "agreedPrice.reason"),
        ({"reason": "x" * 201}, "agreedPrice.reason"),
        ({"total": -1}, "agreedPrice.total"),
        ({"total": 1.5}, "agreedPrice.total"),
        ({"total": None}, "agreedPrice.total"),
        ({"total": 2**53}, "agreedPrice.total"),
        ({"currency": "JPY"}, "agreedPrice.total"),
        ({"more": 1}, "agreedPrice.more"),
    ],
)
def test_is_refused_if_it_is_wrong(agreed: dict[str, Any], field: str) -> None:
    outcome = sell(agreed=agreed)

    assert list(faults(outcome)) == [field]
    assert stored() == []


def test_is_refused_beside_a_quoted_total() -> None:
    assert list(faults(sell(quotedTotal=20_000))) == ["agreedPrice.total"]


def test_replays_under_its_key_and_tells_another_price_apart() -> None:
    first, again, other = sell(), sell(), sell(14_000)

    assert again.replayed
    assert not again.payload_mismatch
    assert other.payload_mismatch
    assert [each.content["booking"]["price"]["total"] for each in (first, again, other)] == [
        15_001
    ] * 3
    assert len(stored()) == 1


def test_does_not_take_a_hold_at_another_price_for_its_own() -> None:
    sell(hold=True)

    same = sell(hold=True, key="same")
    other = sell(14_000, hold=True, key="other")

    assert same.content["booking"]["price"]["total"] == 15_001
    assert other.code == "PRICE_CHANGED"
    assert len(stored()) == 1


def test_comes_back_to_a_hold_at_its_agreed_price() -> None:
    sell(hold=True)
    put_night("inn_double", night(10), closed=True)

    same = sell(hold=True, key="same")
    other = sell(14_000, hold=True, key="other")

    assert same.content["booking"]["price"]["total"] == 15_001
    assert other.code == "VALIDATION_ERROR"


def test_does_not_sell_what_the_calendar_does_not() -> None:
    put_night("inn_double", night(10), closed=True)

    assert sell().code == "VALIDATION_ERROR"


def test_keeps_the_agreed_price_of_nights_that_a_move_leaves() -> None:
    outcome = sell(10_000)

    lifecycle.move_booking(
        actor=STAFF,
        booking_id=outcome.content["booking"]["id"],
        key_header="move",
        deadline=Deadline.after(10),
        room_ids=["inn_B"],
        check_in=date.fromisoformat(night(11)),
        check_out=date.fromisoformat(night(13)),
        seen_version=1,
    )

    nights = stored()[0]["price"]["nights"]
    assert [(each["date"], each["amount"]) for each in nights] == [
        (night(11), 5_000),
        (night(12), 10_000),
    ]


def test_counts_in_the_figures_as_it_was_sold() -> None:
    sell(10_001)

    first, last = (date.fromisoformat(night(day)) for day in (10, 11))
    assert figures.read_figures("inn", first, last).total.revenue == 10_001


def test_is_told_to_the_guest_like_any_price_and_without_the_reason() -> None:
    sell(guest={"name": "Ada", "email": "ada@example.org"})

    relay.pass_on_news()
    guest_mails.send_notifications()

    (letter,) = mail.outbox
    assert "150.01" in letter.body
    assert REASON not in str(letter.message())


def test_is_confirmed_at_the_agreed_price() -> None:
    held = sell(hold=True)

    outcome = lifecycle.confirm_booking(
        actor=STAFF,
        booking_id=held.content["booking"]["id"],
        key_header=None,
        deadline=Deadline.after(10),
        as_staff=True,
        read_seen=lambda: json.loads(json.dumps({"quotedTotal": 15_001})),
    )

    assert outcome.content["booking"]["status"] == "confirmed"
    assert outcome.content["booking"]["price"]["total"] == 15_001
