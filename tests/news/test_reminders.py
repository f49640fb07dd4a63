"""Reminders before arrival: once for each stay and day of arrival, and only while they are true."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, date, datetime, timedelta
from datetime import time as clock_time
from typing import Any

import pytest
from django.core import mail
from django.utils import translation

from bookings import tasks
from bookings.domain.booking import CHECKED_IN
from bookings.infrastructure import clock, connections
from bookings.models import Hotel
from bookings.news import guest_mails, reminders
from tests.calls import CUSTOMER, book, cancel, change_stay, confirm
from tests.conftest import night

pytestmark = [pytest.mark.mongo, pytest.mark.usefixtures("inn", "days")]

GUEST = {"name": "Ada Love", "email": "ada@example.org", "phone": ""}
DAYS = 3
ARRIVES = 10


@pytest.fixture
def days(inn: None) -> None:
    hotel = Hotel.objects.get(id="inn")
    hotel.reminder_days, hotel.time_zone = DAYS, "America/New_York"
    hotel.save()


class Time:
    """Moves this process's idea of the time."""

    def __init__(self, patch: pytest.MonkeyPatch) -> None:
        self._right = clock.now
        self.ahead = timedelta(0)
        patch.setattr(clock, "now", lambda: self._right() + self.ahead)

    def at(self, ahead_days: int, hour: int, minute: int = 0) -> None:
        """On that day, counted from today, at this time in New York."""
        day = date.fromisoformat(night(ahead_days))
        moment = clock.local_moment(day, clock_time(hour, minute), "America/New_York")
        self.ahead = moment - self._right()


@pytest.fixture
def time(monkeypatch: pytest.MonkeyPatch) -> Time:
    return Time(monkeypatch)


def stay(key: str = "key", first: int = ARRIVES, **fields: Any) -> Any:
    return book(
        key,
        caller=CUSTOMER,
        guest=GUEST,
        categoryId="inn_double",
        checkIn=night(first),
        checkOut=night(first + 2),
        **fields,
    )


def send() -> None:
    """Deliveries of a time to come are due, by MongoDB's own clock, only then."""
    connections.collection("deliveries").update_many(
        {"state": "waiting"}, {"$set": {"next_try_at": datetime(2026, 1, 1, tzinfo=UTC)}}
    )
    guest_mails.send_notifications()


def remind() -> list[str]:
    """Runs the task twice, as two workers might, and sends; returns the subjects of reminders."""
    tasks.remind_of_arrivals()
    tasks.remind_of_arrivals()
    send()
    return [message.subject for message in mail.outbox if "near" in message.subject]


def test_reminds_once_from_nine_oclock_at_the_hotel(time: Time) -> None:
    stay()

    time.at(ARRIVES - DAYS, 8, 59)
    early = remind()
    time.at(ARRIVES - DAYS, 9)
    first = remind()
    time.at(ARRIVES - 1, 12)
    later = remind()

    assert early == []
    assert len(first) == len(later) == 1
    assert first[0].startswith("Your stay is near: Inn, INN-")
    assert "Your stay is near, and we look forward to it." in mail.outbox[-1].body


def test_reminds_late_rather_than_never_but_not_after_the_arrival(time: Time) -> None:
    stay()

    time.at(ARRIVES, 14, 59)
    on_the_day = len(remind())
    connections.collection("deliveries").delete_many({})
    time.at(ARRIVES, 15)

    assert on_the_day == 1
    assert reminders.remind_of_arrivals() == 0
    assert len(remind()) == 1


def test_reminds_no_one_in_a_hotel_without_reminders(time: Time) -> None:
    stay()
    hotel = Hotel.objects.get(id="inn")
    hotel.reminder_days = 0
    hotel.save()

    time.at(ARRIVES, 12)

    assert remind() == []


def test_reminds_in_the_guests_language(time: Time) -> None:
    with translation.override("de"):
        stay()
    time.at(ARRIVES - DAYS, 9)
    tasks.remind_of_arrivals()
    send()

    assert mail.outbox[-1].subject.startswith("Ihr Aufenthalt steht bevor: Inn")


@pytest.mark.parametrize("what", ["book", "confirm", "change"])
def test_reminds_no_one_who_has_just_had_a_mail(time: Time, what: str) -> None:
    made = None
    if what != "book":
        made = stay(hold=what == "confirm", first=ARRIVES)
    if what == "change":
        time.at(ARRIVES - DAYS, 9, 1)
        change_stay(made, actor=CUSTOMER, first=ARRIVES, last=ARRIVES + 3, total=30_000)
    elif what == "confirm":
        connections.collection("bookings").update_many(
            {}, {"$set": {"expires_at": clock.now() + timedelta(days=30)}}
        )
        time.at(ARRIVES - DAYS, 9, 1)
        confirm(made, actor=CUSTOMER)
    else:
        time.at(ARRIVES - DAYS, 9, 1)
        stay()

    time.at(ARRIVES - DAYS, 12)

    assert remind() == []


def test_reminds_who_booked_a_moment_before(time: Time) -> None:
    time.at(ARRIVES - DAYS, 8, 59)
    stay()
    time.at(ARRIVES - DAYS, 9)

    assert len(remind()) == 1


def test_reminds_of_the_new_day_of_a_stay_that_was_changed(time: Time) -> None:
    made = stay()
    time.at(ARRIVES - DAYS, 9)
    assert len(remind()) == 1
    change_stay(made, actor=CUSTOMER, first=ARRIVES + 10, last=ARRIVES + 12, total=20_000)

    time.at(ARRIVES - 1, 12)
    before = len(remind())
    time.at(ARRIVES + 10 - DAYS, 9)

    assert before == 1
    assert len(remind()) == 2


@pytest.mark.parametrize("meanwhile", ["cancelled", "changed", "checked in", "erased", "too late"])
def test_sends_no_reminder_that_is_no_longer_true(time: Time, meanwhile: str) -> None:
    made = stay()
    time.at(ARRIVES - DAYS, 9)
    assert reminders.remind_of_arrivals() == 1
    if meanwhile == "too late":
        time.at(ARRIVES, 15)
    elif meanwhile == "cancelled":
        cancel(made, actor=CUSTOMER)
    elif meanwhile == "changed":
        change_stay(made, actor=CUSTOMER, first=ARRIVES + 5, last=ARRIVES + 6, total=10_000)
    else:
        fields = {"presence": CHECKED_IN} if meanwhile == "checked in" else {"guest.email": ""}
        connections.collection("bookings").update_one({}, {"$set": fields})

    send()

    assert [message for message in mail.outbox if "near" in message.subject] == []
    states = [each["state"] for each in connections.collection("deliveries").find({})]
    assert states == ["not_needed"]


@pytest.mark.parametrize("what", ["cancelled", "held", "without address", "block"])
def test_reminds_only_of_stays_that_are_booked(time: Time, what: str) -> None:
    made = stay(hold=what == "held")
    if what == "cancelled":
        cancel(made, actor=CUSTOMER)
    elif what == "without address":
        connections.collection("bookings").update_one({}, {"$set": {"guest.email": ""}})
    elif what == "block":
        connections.collection("bookings").update_one({}, {"$set": {"kind": "block"}})

    time.at(ARRIVES - DAYS, 9)

    try:
        assert reminders.remind_of_arrivals() == 0
    finally:
        connections.collection("bookings").delete_many({})


def test_reminds_once_where_two_workers_look_at_one_moment(time: Time) -> None:
    for number in range(3):
        stay(f"k{number}")
    time.at(ARRIVES - DAYS, 9)

    with ThreadPoolExecutor(4) as pool:
        counts = list(pool.map(lambda _: reminders.remind_of_arrivals(), range(4)))

    assert sum(counts) == 3
    assert connections.collection("deliveries").count_documents({"event": "arriving"}) == 3


def test_works_beside_a_release_that_does_not_know_the_field(time: Time) -> None:
    connections.database()["hotels"].update_one({"_id": "inn"}, {"$unset": {"reminder_days": ""}})
    stay()
    time.at(ARRIVES - DAYS, 9)

    assert reminders.remind_of_arrivals() == 0
