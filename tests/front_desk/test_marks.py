"""Check-in, check-out, no-show and undo: changes under a key, and the changes that they block."""

from __future__ import annotations

from datetime import UTC, date, datetime
from typing import Any

import pytest

from bookings.availability import occupancy
from bookings.domain.booking import CHECKED_IN, CHECKED_OUT, EXPECTED, NO_SHOW, from_document
from bookings.domain.callers import Caller
from bookings.front_desk import figures, marks
from bookings.infrastructure import clock, connections
from bookings.infrastructure.deadlines import Deadline
from bookings.operations.doctor import recount
from bookings.people import erasure
from bookings.refusals import InvalidIdempotencyKey, NotFound, ValidationFailed
from bookings.stays import lifecycle
from bookings.stays.outcomes import Outcome
from tests.calls import book, cancel, check_fields_agree, let_hold_end, stored
from tests.conftest import night

STAFF = Caller("user", "staff")

pytestmark = [pytest.mark.mongo, pytest.mark.usefixtures("inn")]


def stay(first: int = 0, **more: Any) -> Outcome:
    """A booking of two nights, arriving today, in a hotel with the same date as here."""
    return book(resourceId="inn_A", checkIn=night(first), checkOut=night(first + 2), **more)


def mark(
    made: Outcome, what: str, key: str = "m1", seen: str | None = None, *, release: bool = False
) -> Outcome:
    """Marks the stay as a person who sees its present state, unless another mark was seen."""
    return marks.mark_stay(
        actor=STAFF,
        booking_id=made.content["booking"]["id"],
        mark=what,
        seen=stored()[0].get("presence", EXPECTED) if seen is None else seen,
        release=release,
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
    # The hotel's deadline has not passed, since the day of arrival has not begun.
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


# --- The nights of a no-show --------------------------------------------------------------------


def long_stay(end: int = 4, **more: Any) -> Outcome:
    """Four nights, from today on."""
    return book(resourceId="inn_A", checkIn=night(0), checkOut=night(end), **more)


def slots() -> list[str]:
    return [slot.partition("|")[0] for slot in stored()[0]["slots"]]


def test_gives_back_the_nights_of_a_no_show_after_tonight() -> None:
    made = long_stay()
    before = stored()[0]

    marked = mark(made, NO_SHOW, release=True)
    other = book("other", resourceId="inn_A", checkIn=night(1), checkOut=night(4))

    assert f"nights from {night(1)} on can be sold again" in marked.content["message"]
    assert other.code is None
    after = stored()[0]
    check_fields_agree(after)
    assert slots() == [night(0)]
    assert after["released_from"] == night(1)
    kept = ("status", "price", "check_in", "check_out", "rooms", "guests")
    assert [after[name] for name in kept] == [before[name] for name in kept]
    assert events() == ["created", "no_show"]
    assert after["version"] == 2
    assert recount.documents().level == "ok"
    assert recount.slots().level == "ok"


@pytest.mark.parametrize("end", [1, 4])
def test_keeps_the_nights_of_a_no_show_unless_asked_and_the_last_in_any_case(end: int) -> None:
    made = long_stay(end=end)
    before = slots()

    marked = mark(made, NO_SHOW, release=end == 1)

    assert marked.content["message"] == "The guest is marked as a no-show."
    assert slots() == before
    assert "released_from" not in stored()[0]


@pytest.mark.parametrize(
    ("check_in", "check_out", "tonight", "first"),
    [
        (10, 14, 10, 11),
        (10, 14, 12, 13),  # marked on a later day
        (10, 14, 13, None),  # in its last night
        (10, 14, 20, None),
        (10, 11, 10, None),
        # Marked after midnight, before the desk's day of arrival: its first night stays.
        (10, 14, 9, 11),
    ],
)
def test_keeps_the_night_that_has_begun(
    check_in: int, check_out: int, tonight: int, first: int | None
) -> None:
    days = [date(2027, 2, day) for day in (check_in, check_out, tonight)]

    found = marks.first_to_release(*days)

    assert found == (date(2027, 2, first) if first else None)


def test_keeps_the_night_of_yesterday_until_the_end_of_day(monkeypatch: pytest.MonkeyPatch) -> None:
    """At one in the morning the guest may still come for the night that has begun."""
    connections.database()["hotels"].update_one(
        {"_id": "inn"},
        {"$set": {"end_of_day": datetime(1, 1, 1, 5)}},  # noqa: DTZ001 a time of day
    )
    made = long_stay()
    after_midnight = datetime.fromisoformat(f"{night(1)}T01:00").replace(tzinfo=UTC)
    monkeypatch.setattr(clock, "now", lambda: after_midnight)

    mark(made, NO_SHOW, release=True)

    assert stored()[0]["released_from"] == night(1)


def test_takes_the_nights_again_when_a_no_show_is_undone() -> None:
    made = long_stay()
    before = slots()
    mark(made, NO_SHOW, release=True)

    undone = mark(made, "undo", "m2")
    again = mark(made, CHECKED_IN, "m3")

    assert (undone.code, again.code) == (None, None)
    assert slots() == before
    assert stored()[0]["released_from"] is None
    assert book("other", resourceId="inn_A", date=night(1)).code == "ALREADY_BOOKED"
    check_fields_agree(stored()[0])


def test_says_who_has_the_nights_when_a_no_show_cannot_be_undone() -> None:
    made = long_stay()
    mark(made, NO_SHOW, release=True)
    other = book("other", resourceId="inn_A", checkIn=night(2), checkOut=night(3))

    refused = mark(made, "undo", "m2")
    cancel_as_staff(other)
    undone = mark(made, "undo", "m3")

    assert refused.code == "ALREADY_BOOKED"
    name = other.content["booking"]["reference"]
    assert f"In the way: {name} (Room A, {night(2)} to {night(3)})" in refused.content["error"]
    assert undone.code is None
    assert stored()[0]["presence"] == EXPECTED


def test_takes_the_nights_again_over_a_hold_that_ran_out() -> None:
    made = long_stay()
    mark(made, NO_SHOW, release=True)
    book("hold", resourceId="inn_A", date=night(1), hold=True)
    let_hold_end()

    assert mark(made, "undo", "m2").code is None
    assert [booking["status"] for booking in stored()] == ["confirmed", "expired"]


def test_releases_once_for_each_key_though_redis_forgot_it() -> None:
    made = long_stay()
    mark(made, NO_SHOW, release=True)
    mark(made, "undo", "m2")
    connections.redis().flushdb()

    again = mark(made, NO_SHOW, release=True)

    assert again.replayed
    assert len(slots()) == 4


def test_moves_no_stay_whose_nights_were_given_back() -> None:
    made = long_stay()
    mark(made, NO_SHOW, release=True)

    refused = move(made, "inn_B", end=4)

    assert "undo the no-show first" in refused.content["errors"][0]["message"]
    mark(made, "undo", "m2")
    assert move(made, "inn_C", end=4).code is None


def test_cancels_a_no_show_whose_nights_were_given_back() -> None:
    made = long_stay()
    mark(made, NO_SHOW, release=True)

    assert cancel_as_staff(made).code is None
    check_fields_agree(stored()[0])
    assert book("other", resourceId="inn_A", date=night(0)).code is None


def test_shows_a_no_show_in_the_rooms_it_keeps() -> None:
    made = long_stay()
    mark(made, NO_SHOW, release=True)

    (occupant,) = occupancy.list_occupants("inn", date.fromisoformat(night(0)), far())

    assert (occupant.check_out, occupant.keeps_until) == (
        date.fromisoformat(night(4)),
        date.fromisoformat(night(1)),
    )
    assert occupancy.list_occupants("inn", date.fromisoformat(night(1)), far()) == []


def test_counts_the_nights_that_a_no_show_keeps() -> None:
    made = long_stay()
    mark(made, NO_SHOW, release=True)

    for first in (0, 1):
        found = figures.read_figures("inn", date.fromisoformat(night(first)), far())
        assert (found.total.sold, found.total.revenue) == ((1, 10_000), (0, 0))[first]


def far() -> date:
    return date.fromisoformat(night(9))


@pytest.mark.parametrize(
    ("damage", "fault"),
    [
        ({"presence": EXPECTED}, "its nights were given back, but its guest is no no-show"),
        ({"released_from": None}, "its slots are not its rooms on its nights"),
        ({"released_from": night(2)}, "its slots are not its rooms on its nights"),
        ({"released_from": "soon"}, "its rooms, dates or slots cannot be read"),
        ({"check_out": night(0)}, "it has nights after its end"),
    ],
)
def test_has_its_released_nights_judged_by_the_doctor(damage: dict[str, Any], fault: str) -> None:
    made = long_stay()
    mark(made, NO_SHOW, release=True)
    connections.collection("bookings").update_one({}, {"$set": damage})

    assert fault in recount.documents().text
