"""Cancelling: idempotent, frees the night at once, and possible until the hotel's deadline."""

from __future__ import annotations

from datetime import date, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest

from bookings.catalogue import inventory
from bookings.domain.booking import MAX_HISTORY
from bookings.domain.callers import Caller
from bookings.infrastructure import connections
from bookings.infrastructure.deadlines import Deadline
from bookings.refusals import ValidationFailed
from bookings.stays import lifecycle
from bookings.stays.create import Outcome
from tests.calls import CUSTOMER, PARTNER, book, cancel, confirm, stored
from tests.conftest import night

pytestmark = pytest.mark.mongo


def test_frees_the_night_at_once() -> None:
    made = book("first")

    cancelled = cancel(made)
    rival = book("second", caller=CUSTOMER)

    assert (cancelled.answer.status, cancelled.content["booking"]["status"]) == (200, "cancelled")
    assert rival.answer.status == 201


def test_answers_the_same_again() -> None:
    made = book()

    first, again = cancel(made), cancel(made)
    connections.redis().flushdb()
    forgotten = cancel(made)

    assert first.answer.body == again.answer.body == forgotten.answer.body
    assert [change["event"] for change in stored()[0]["history"]] == ["created", "cancelled"]


def test_accepts_a_second_key_for_what_is_cancelled_already() -> None:
    made = book()
    cancel(made, "one")

    other = cancel(made, "two")

    assert (other.answer.status, other.content["booking"]["status"]) == (200, "cancelled")
    assert len(stored()[0]["history"]) == 2


def test_cannot_be_undone_by_a_confirmation() -> None:
    held = book(hold=True)
    cancel(held)

    assert confirm(held).code == "HOLD_EXPIRED"
    assert stored()[0]["status"] == "cancelled"


def cancel_as_staff(outcome: Outcome, reason: str) -> Outcome:
    return lifecycle.cancel_booking(
        actor=Caller("user", "staff"),
        booking_id=outcome.content["booking"]["id"],
        key_header=None,
        deadline=Deadline.after(10),
        staff_reason=reason,
    )


def test_changes_nothing_after_its_deadline() -> None:
    made = book()

    refused = lifecycle.cancel_booking(
        actor=PARTNER,
        booking_id=made.content["booking"]["id"],
        key_header=None,
        deadline=Deadline.after(0),
    )

    assert refused.code == "TRY_AGAIN"
    assert stored()[0]["status"] == "confirmed"


def test_ends_at_the_hotels_deadline_but_not_for_staff() -> None:
    made = book(date=night(1))
    # The deadline of hotel demo is check-in; move it back beyond tomorrow's.
    connections.database()["hotels"].update_one({"_id": "demo"}, {"$set": {"cancel_hours": 72}})
    try:
        refused = cancel(made)
        by_staff = cancel_as_staff(made, "The pipes burst.")
    finally:
        connections.database()["hotels"].update_one({"_id": "demo"}, {"$set": {"cancel_hours": 0}})

    assert refused.code == "NOT_CANCELLABLE"
    assert by_staff.content["booking"]["status"] == "cancelled"


def test_measures_the_deadline_on_the_hotels_own_clock() -> None:
    hotel = inventory.find_hotel("grand")
    assert hotel is not None
    # New York is four hours behind UTC in summer; check-in is at 16:00, the deadline a day before.
    arrival = datetime(2027, 7, 1, 16, tzinfo=ZoneInfo("America/New_York"))

    assert hotel.last_cancellation(date(2027, 7, 1)) == arrival - timedelta(hours=24)


@pytest.mark.parametrize("reason", ["", "  ", "x" * 201, "a\x00b"])
def test_wants_a_reason_from_staff(reason: str) -> None:
    made = book()

    with pytest.raises(ValidationFailed) as refused:
        cancel_as_staff(made, reason)

    assert refused.value.faults[0].field == "reason"
    assert stored()[0]["status"] == "confirmed"


def test_keeps_the_reason_in_the_history() -> None:
    made = book()

    cancel_as_staff(made, " The pipes burst. ")

    assert stored()[0]["history"][-1]["reason"] == "The pipes burst."
    assert stored()[0]["history"][-1]["actor"] == "user:staff"


def test_ends_a_booking_that_was_changed_as_often_as_can_be() -> None:
    made = book()
    entry = stored()[0]["history"][0]
    connections.collection("bookings").update_one({}, {"$set": {"history": [entry] * MAX_HISTORY}})

    again = confirm(made)
    cancelled = cancel(made)

    assert again.code == "NOT_CANCELLABLE"
    assert cancelled.content["booking"]["status"] == "cancelled"
