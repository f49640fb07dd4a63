"""Check-in, check-out, no-show and undo: changes under a key, and what they keep others from."""

from __future__ import annotations

from datetime import date
from typing import Any

import pytest

from bookings import connections, erasure, lifecycle, stay_marks
from bookings.callers import Caller
from bookings.clock import Deadline
from bookings.doctor import recount
from bookings.documents import CHECKED_IN, CHECKED_OUT, EXPECTED, NO_SHOW, from_document
from bookings.errors import InvalidIdempotencyKey, NotFound, ValidationFailed
from bookings.outcomes import Outcome
from tests.conftest import night
from tests.mongo.conftest import book, cancel, stored

STAFF = Caller("user", "staff")

pytestmark = pytest.mark.usefixtures("inn")


def stay(first: int = 0, **more: Any) -> Outcome:
    """A booking of two nights in a hotel where it is the same day as here, arriving today."""
    return book(resourceId="inn_A", checkIn=night(first), checkOut=night(first + 2), **more)


def mark(made: Outcome, what: str, key: str = "m1", seen: str | None = None) -> Outcome:
    """Marks it as who sees it as it is, unless another mark was seen."""
    return stay_marks.mark_stay(
        actor=STAFF,
        booking_id=made.content["booking"]["id"],
        mark=what,
        seen=stored()[0].get("presence", EXPECTED) if seen is None else seen,
        key_header=key,
        deadline=Deadline.after(10),
    )


def move(made: Outcome, room: str, first: int = 0, end: int = 2) -> Outcome:
    return lifecycle.move_booking(
        actor=STAFF,
        booking_id=made.content["booking"]["id"],
        key_header=f"move {room} {first} {end}".replace(" ", "-"),
        deadline=Deadline.after(10),
        room_ids=(room,),
        check_in=date.fromisoformat(night(first)),
        check_out=date.fromisoformat(night(end)),
    )


def cancel_as_staff(made: Outcome, key: str | None = None) -> Outcome:
    return lifecycle.cancel_booking(
        actor=STAFF,
        booking_id=made.content["booking"]["id"],
        key_header=key,
        deadline=Deadline.after(10),
        staff_reason="Ill",
    )


def events() -> list[str]:
    return [change["event"] for change in stored()[0]["history"]]


def test_marks_and_undoes_with_a_line_each_in_the_history() -> None:
    made = stay()

    presences = []
    for number, what in enumerate((CHECKED_IN, CHECKED_OUT, "undo", "undo", NO_SHOW, "undo")):
        assert mark(made, what, f"m{number}").code is None
        presences.append(stored()[0]["presence"])

    assert presences == [CHECKED_IN, CHECKED_OUT, CHECKED_IN, EXPECTED, NO_SHOW, EXPECTED]
    assert events() == [
        *("created", "checked_in", "checked_out", "mark_undone", "mark_undone"),
        *("no_show", "mark_undone"),
    ]
    assert {change["actor"] for change in stored()[0]["history"][1:]} == {"user:staff"}


def test_marks_once_for_each_key_though_redis_forgot_it() -> None:
    made = stay()
    mark(made, CHECKED_IN)
    mark(made, "undo", "m2")
    connections.redis().flushdb()

    again = mark(made, CHECKED_IN)

    assert (again.code, again.replayed) == (None, True)
    assert stored()[0]["presence"] == EXPECTED
    assert events() == ["created", "checked_in", "mark_undone"]


def test_refuses_what_does_not_fit_and_keeps_no_refusal() -> None:
    made = stay()

    refused = mark(made, CHECKED_OUT)
    mark(made, CHECKED_IN, "m2")
    taken = mark(made, CHECKED_OUT)

    assert refused.code == "VALIDATION_ERROR"
    assert refused.content["errors"][0]["message"] == "The guest is not checked in."
    assert taken.code is None


def test_undoes_no_other_mark_than_the_one_that_was_seen() -> None:
    made = stay()
    mark(made, CHECKED_IN)
    mark(made, CHECKED_OUT, "m2")

    first = mark(made, "undo", "anna", seen=CHECKED_OUT)
    second = mark(made, "undo", "ben", seen=CHECKED_OUT)
    unseen = mark(made, "undo", "zoe", seen="")
    again = mark(made, "undo", "anna", seen=CHECKED_OUT)

    assert (first.code, again.code, again.replayed) == (None, None, True)
    assert "changed since" in second.content["errors"][0]["message"]
    assert unseen.code == "VALIDATION_ERROR"
    assert stored()[0]["presence"] == CHECKED_IN


def test_checks_nobody_in_before_the_day_of_arrival() -> None:
    assert mark(stay(1), CHECKED_IN).code == "VALIDATION_ERROR"
    assert "presence" not in stored()[0]


def test_marks_no_hold_and_nothing_cancelled() -> None:
    assert mark(stay(hold=True), CHECKED_IN).code == "VALIDATION_ERROR"
    made = stay(2, key="other")
    cancel(made)

    assert mark(made, NO_SHOW).code == "VALIDATION_ERROR"


def test_wants_a_stay_a_mark_and_a_key() -> None:
    made = stay()
    with pytest.raises(ValidationFailed):
        mark(made, "late")
    with pytest.raises(InvalidIdempotencyKey):
        mark(made, CHECKED_IN, "")
    connections.collection("bookings").update_one({}, {"$set": {"kind": "block"}})
    with pytest.raises(NotFound):
        mark(made, CHECKED_IN)


@pytest.mark.parametrize("marks", [(CHECKED_IN,), (CHECKED_IN, CHECKED_OUT)])
def test_lets_nobody_cancel_who_has_checked_in_until_it_is_undone(marks: tuple[str, ...]) -> None:
    made = stay(first=1)
    # The hotel's deadline is not over, since the day of arrival has not begun.
    connections.collection("bookings").update_one({}, {"$set": {"presence": marks[-1]}})

    guest, staff = cancel(made), cancel_as_staff(made)
    connections.collection("bookings").update_one({}, {"$set": {"presence": EXPECTED}})

    assert (guest.code, staff.code) == ("NOT_CANCELLABLE", "NOT_CANCELLABLE")
    assert "checked in" in guest.content["error"]
    assert "until that is undone" in staff.content["error"]
    assert cancel_as_staff(made).code is None


def test_moves_a_guest_who_is_there_to_another_room_but_not_to_another_day() -> None:
    made = stay()
    mark(made, CHECKED_IN)

    later = move(made, "inn_A", first=1, end=3)
    other_room = move(made, "inn_B", end=3)

    assert later.content["errors"][0]["field"] == "checkIn"
    assert other_room.code is None
    assert stored()[0]["presence"] == CHECKED_IN
    assert stored()[0]["rooms"][0]["room"] == "inn_B"


def test_gives_no_night_back_when_a_guest_leaves_early() -> None:
    made = stay()
    mark(made, CHECKED_IN)
    mark(made, CHECKED_OUT, "m2")

    assert book("other", resourceId="inn_A", date=night(1)).code == "ALREADY_BOOKED"
    assert move(made, "inn_A", end=1).code is None
    assert book("third", resourceId="inn_A", date=night(1)).code is None


def test_takes_a_document_without_the_field_as_expected() -> None:
    stay()

    assert "presence" not in stored()[0]
    assert from_document(stored()[0]).presence == EXPECTED


def test_is_judged_by_the_doctor() -> None:
    made = stay()
    mark(made, CHECKED_IN)
    healthy = recount.documents()
    connections.collection("bookings").update_one({}, {"$set": {"presence": "asleep"}})

    assert healthy.level == "ok"
    assert "its presence is unknown" in recount.documents().text


def test_survives_the_erasure_of_the_guest() -> None:
    made = stay(guest={"name": "Ada", "email": "ada@example.org"})
    mark(made, CHECKED_IN)

    erasure.erase_guest("ada@example.org", including_upcoming=True)

    assert stored()[0]["guest"]["name"] == ""
    assert mark(made, CHECKED_OUT, "m2").code is None
    assert mark(made, "undo", "m3").code is None
    assert stored()[0]["presence"] == CHECKED_IN
