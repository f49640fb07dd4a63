"""A hotel's rule erases guests' data some years after the stay, and nothing else."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from functools import partial
from threading import Thread
from typing import Any

import pytest
from bson import ObjectId

from bookings import points, tasks
from bookings.domain.callers import Caller
from bookings.infrastructure import clock, connections
from bookings.operations.doctor import people
from bookings.people import retention, retention_rules
from bookings.stays import remarks
from tests.calls import book, cancel

pytestmark = [pytest.mark.mongo, pytest.mark.usefixtures("database")]

OWNER = Caller("user", "owner")
ADA = {"name": "Ada Lovelace", "email": "ada@example.org", "phone": "+44 20 7946 0958"}


@pytest.fixture(autouse=True)
def _no_points() -> Iterator[None]:
    yield
    points.install(None)


def years_ago(years: int, *, days: int = 0) -> str:
    return (retention.limit_of(years) + timedelta(days=days)).isoformat()


def put_into_past(key: str, check_out: str, **fields: Any) -> ObjectId:
    """Books a stay and lets it have been made, and have ended, long ago; returns its new id."""
    made = book(key, **{"guest": ADA, "notes": "One-legged.", **fields})
    bookings = connections.collection("bookings")
    stored = bookings.find_one({"reference": made.content["booking"]["reference"]})
    assert stored is not None
    left = date.fromisoformat(check_out)
    arrived = left - timedelta(days=1)
    old = ObjectId(
        ObjectId.from_datetime(
            datetime(arrived.year, arrived.month, arrived.day, tzinfo=UTC) - timedelta(days=30)
        ).binary[:4]
        + stored["_id"].binary[4:]
    )
    bookings.delete_one({"_id": stored["_id"]})
    slots = [f"{arrived}|{stored['rooms'][0]['room']}"]
    days = {"check_in": arrived.isoformat(), "check_out": check_out, "slots": slots}
    bookings.insert_one({**stored, "_id": old, **days})
    return old


def names_left() -> set[ObjectId]:
    """The ids of the bookings that name a guest."""
    found = connections.collection("bookings").find({"guest.name": {"$gt": ""}}, {"_id": 1})
    return {each["_id"] for each in found}


def test_erases_nothing_without_a_rule() -> None:
    old = put_into_past("old", years_ago(20))

    assert tasks.keep_retention_rules() == 0
    assert names_left() == {old}


@pytest.mark.usefixtures("inn")
def test_erases_what_ended_before_the_limit_at_this_hotel() -> None:
    due = put_into_past("due", years_ago(3, days=-1))
    put_into_past(
        "mail", years_ago(3, days=-1), resourceId="room_B", guest={"email": "a@b.example"}
    )
    put_into_past("note", years_ago(3, days=-1), resourceId="room_C", guest={})
    not_yet = put_into_past("not-yet", years_ago(3))
    elsewhere = put_into_past("elsewhere", years_ago(9), resourceId="inn_A")
    cancelled = book("cancelled", resourceId="room_B", guest=ADA)
    cancel(cancelled, "c")
    upcoming = ObjectId(cancelled.content["booking"]["id"])
    assert retention_rules.set_rule("demo", 3, before=None, by=OWNER)

    erased = tasks.keep_retention_rules()

    assert erased == 3
    assert names_left() == {not_yet, elsewhere, upcoming}
    stored = connections.collection("bookings").find_one({"_id": due})
    assert stored is not None
    assert (stored["notes"], stored["history"][-1]["event"]) == ("", "erased")
    assert stored["price"]["total"] > 0
    assert stored["slots"]
    assert [each["notes"] for each in connections.collection("bookings").find()].count("") == 4


def test_forgets_what_was_noted_about_a_stay_whose_details_are_empty() -> None:
    """Staff emptied them, or there never were any."""
    old = put_into_past("old", years_ago(4), guest={}, notes="")
    remarks.add_remark(actor=OWNER, booking_id=str(old), key_header="r", text="Ada is blind.")
    retention_rules.set_rule("demo", 3, before=None, by=OWNER)

    tasks.keep_retention_rules()

    assert remarks.list_remarks([old]) == {}
    stored = connections.collection("bookings").find_one({"_id": old})
    assert stored is not None
    assert [key["fingerprint"] for key in stored["keys"]] == [""]
    assert retention.preview("demo", 3).count == 0


def test_erases_nothing_once_the_rule_is_switched_off() -> None:
    """The owner is told so while a run is about to erase."""
    put_into_past("old", years_ago(4))
    retention_rules.set_rule("demo", 3, before=None, by=OWNER)
    switch_off = partial(retention_rules.set_rule, "demo", None, before=3, by=OWNER)
    owner = Thread(target=switch_off)
    waits: list[bool] = []

    def handle(point: str) -> None:
        if point == "in_erasure":
            points.install(None)
            owner.start()
            owner.join(0.5)
            waits.append(owner.is_alive())

    points.install(handle)
    erased = tasks.keep_retention_rules()
    owner.join()

    # The owner has no answer until that batch is erased.
    assert (waits, erased) in (([True], 1), ([False], 0))
    assert retention_rules.list_rules() == {}


def test_previews_exactly_what_it_erases() -> None:
    put_into_past("a", years_ago(3, days=-1))
    put_into_past("b", years_ago(5), resourceId="room_B")
    put_into_past("c", years_ago(2), resourceId="room_C")

    told = retention.preview("demo", 3)
    retention_rules.set_rule("demo", 3, before=None, by=OWNER)

    assert (told.count, len(told.references), told.limit) == (2, 2, retention.limit_of(3))
    assert tasks.keep_retention_rules() == 2
    assert retention.preview("demo", 3).count == 0


def test_keeps_a_rule_once_a_day() -> None:
    retention_rules.set_rule("demo", 3, before=None, by=OWNER)
    assert tasks.keep_retention_rules() == 0
    late = put_into_past("late", years_ago(4))

    assert tasks.keep_retention_rules() == 0
    assert names_left() == {late}
    connections.collection("retention_rules").update_one(
        {}, [{"$set": {"kept_at": {"$subtract": ["$kept_at", 21 * 3_600_000]}}}]
    )
    assert tasks.keep_retention_rules() == 1


def test_goes_on_where_it_had_to_stop(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(retention, "WINDOW", 1)
    for number in range(3):
        put_into_past(str(number), years_ago(9 - number), resourceId=f"room_{'ABC'[number]}")
    retention_rules.set_rule("demo", 3, before=None, by=OWNER)
    monkeypatch.setattr(retention, "RunTime", lambda _: OneWindow())

    runs = [retention.keep_rules() for _ in range(4)]

    assert runs == [1, 1, 1, 0]
    assert retention_rules.list_rules()["demo"].kept_at is not None


class OneWindow:
    """Time for one window: it is up once it was asked twice."""

    asked = 0

    @property
    def is_up(self) -> bool:
        self.asked += 1
        return self.asked > 1


def test_finds_the_rest_after_a_crash(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(retention, "WINDOW", 1)
    for number in range(3):
        put_into_past(str(number), years_ago(9 - number), resourceId=f"room_{'ABC'[number]}")
    retention_rules.set_rule("demo", 3, before=None, by=OWNER)

    def die(point: str) -> None:
        if point == "after_retention_window":
            raise SystemExit

    points.install(die)
    with pytest.raises(SystemExit):
        retention.keep_rules()
    points.install(None)
    assert len(names_left()) == 2

    assert retention.keep_rules() == 2
    assert names_left() == set()


def test_stops_when_the_rule_is_switched_off_in_the_middle(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(retention, "WINDOW", 1)
    for number in range(3):
        put_into_past(str(number), years_ago(9 - number), resourceId=f"room_{'ABC'[number]}")
    retention_rules.set_rule("demo", 3, before=None, by=OWNER)

    def switch_off(point: str) -> None:
        if point == "after_retention_window":
            retention_rules.set_rule("demo", None, before=3, by=OWNER)

    points.install(switch_off)

    assert retention.keep_rules() == 1
    assert len(names_left()) == 2
    assert retention_rules.list_rules() == {}


def test_changes_only_the_rule_that_was_seen() -> None:
    changes = [
        retention_rules.set_rule("demo", years, before=before, by=OWNER)
        for years, before in ((3, None), (5, None), (7, 5), (7, 3), (None, 3), (None, 7))
    ]

    assert changes == [True, False, False, True, False, True]
    assert retention_rules.list_rules() == {}


def test_takes_the_day_after_a_leap_day_that_is_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(clock, "today", lambda _: date(2028, 2, 29))

    assert retention.limit_of(1) == date(2027, 3, 1)
    assert retention.limit_of(4) == date(2024, 2, 29)


def test_is_looked_after_by_the_doctor() -> None:
    assert people.guest_data().level == "ok"
    retention_rules.set_rule("demo", 3, before=None, by=OWNER)
    assert people.guest_data().level == "ok"
    connections.collection("retention_rules").update_one(
        {}, {"$set": {"since": clock.now() - timedelta(days=3)}}
    )

    found = people.guest_data()

    assert (found.level, "demo" in found.text) == ("warn", True)
