"""Mails to guests about their bookings: written when they are sent, and true at that moment."""

from __future__ import annotations

import smtplib
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import Any

import pytest
from django.core import mail
from django.core.mail.backends.locmem import EmailBackend
from django.utils import translation
from icalendar import Calendar

from bookings import tasks
from bookings.domain.callers import Caller
from bookings.infrastructure.connections import collection
from bookings.infrastructure.deadlines import Deadline
from bookings.infrastructure.queues import single_run
from bookings.news import deliveries, guest_mails, relay
from bookings.operations import sweep
from bookings.stays import lifecycle
from tests.calls import CUSTOMER, book, cancel, change_stay, confirm, let_hold_end, stored
from tests.conftest import night, says
from tests.news.test_outbox import delivered, let_reminders_be_due, let_time_pass, move

pytestmark = pytest.mark.mongo

ADDRESS = "ada@example.org"
GUEST = {"name": "Ada Love", "email": ADDRESS, "phone": "+49 30 1234567"}


def tell() -> int:
    """Runs the tasks that beat asks for."""
    tasks.pass_on_news()
    return tasks.send_notifications()


def book_as_guest(key: str = "key", **fields: Any) -> Any:
    return book(key, caller=CUSTOMER, guest=GUEST, **fields)


def states() -> list[str]:
    return [delivery["state"] for delivery in delivered()]


def stay_file_of(message: Any) -> Any:
    ((name, content, kind),) = message.attachments
    assert name == f"{stored()[0]['reference']}.ics"
    assert kind.startswith("text/calendar")
    calendar = Calendar.from_ical(content)
    (event,) = calendar.walk("VEVENT")
    return calendar, event


class Failing(EmailBackend):
    """A mail server that refuses everything."""

    error: Exception = smtplib.SMTPServerDisconnected("gone")

    def send_messages(self, messages: Any) -> int:
        raise self.error


@pytest.fixture
def failing(settings: Any) -> Any:
    settings.EMAIL_BACKEND = f"{__name__}.Failing"
    return settings


# --- The words of mails -----------------------------------------------------------------------


def test_tells_a_guest_that_the_stay_is_booked() -> None:
    book_as_guest()

    assert [tell() for _ in range(3)] == [1, 0, 0]

    (message,) = mail.outbox
    (booking,) = stored()
    assert message.to == [ADDRESS]
    assert message.subject == f"Booked: Demo Hotel, {booking['reference']}"
    for part in (booking["reference"], "Demo Hotel", "from 15:00", "until 11:00", "EUR\xa0"):
        assert part in message.body
    assert message.message()["Message-ID"] == f"<{booking['_id']}-1-confirmed@127.0.0.1>"
    assert message.message()["Auto-Submitted"] == "auto-generated"
    calendar, event = stay_file_of(message)
    assert calendar["METHOD"] == "PUBLISH"
    assert event["UID"] == f"{booking['_id']}@bookingsite"
    assert event["DTSTART"].dt.date().isoformat() == booking["check_in"]
    assert states() == ["sent"]


def test_gives_a_link_that_opens_the_booking(client: Any) -> None:
    book_as_guest()
    tell()
    path = next(line for line in mail.outbox[0].body.splitlines() if "/manage/" in line)

    page = client.get(path.removeprefix("http://127.0.0.1:8000"), follow=True)

    assert stored()[0]["reference"] in page.content.decode()


def test_reminds_of_a_hold_that_is_about_to_end() -> None:
    book_as_guest(hold=True)
    assert tell() == 0
    let_reminders_be_due()

    assert tell() == 1

    (message,) = mail.outbox
    assert message.subject.startswith("Your hold expires soon")
    assert not message.attachments


def test_says_that_a_hold_has_ended() -> None:
    book_as_guest(hold=True)
    let_hold_end()
    sweep.expire_holds()

    assert tell() == 1

    assert mail.outbox[0].subject.startswith("Your hold has expired")
    assert "http://127.0.0.1:8000/" in mail.outbox[0].body
    assert not mail.outbox[0].attachments


def test_moves_the_stay_in_the_guests_calendar_and_takes_it_out() -> None:
    outcome = book_as_guest()
    tell()
    move(outcome)
    tell()
    cancel(outcome, actor=CUSTOMER)
    tell()

    subjects = [message.subject.partition(":")[0] for message in mail.outbox]
    assert subjects == ["Booked", "Changed", "Cancelled"]
    assert "Room" in mail.outbox[1].body
    files = [stay_file_of(message) for message in mail.outbox]
    assert len({event["UID"] for _, event in files}) == 1
    assert [event["SEQUENCE"] for _, event in files] == [1, 2, 3]
    assert [calendar["METHOD"] for calendar, _ in files] == ["PUBLISH", "PUBLISH", "CANCEL"]
    assert [event["STATUS"] for _, event in files] == ["CONFIRMED", "CONFIRMED", "CANCELLED"]


def test_takes_nothing_out_of_a_calendar_that_a_hold_was_never_in() -> None:
    outcome = book_as_guest(hold=True)
    cancel(outcome, actor=CUSTOMER)

    tell()

    assert mail.outbox[0].subject.startswith("Hold released")
    assert "Your hold has been released." in mail.outbox[0].body
    assert not mail.outbox[0].attachments


def test_shows_times_as_the_hotels_clocks_do() -> None:
    collection("hotels").update_one({"_id": "demo"}, {"$set": {"time_zone": "Asia/Tokyo"}})
    try:
        book_as_guest(hold=True)
        let_reminders_be_due()
        tell()
    finally:
        collection("hotels").update_one({"_id": "demo"}, {"$set": {"time_zone": "Europe/Berlin"}})

    ends_at = stored()[0]["expires_at"] + timedelta(hours=9)
    assert f"until {ends_at:%H:%M}, local time at the hotel" in mail.outbox[0].body


# --- Mails that are not sent ------------------------------------------------------------------


def test_writes_nothing_without_an_address() -> None:
    outcome = book(caller=CUSTOMER)
    cancel(outcome, actor=CUSTOMER)

    assert tell() == 0
    assert delivered() == []


def test_writes_nothing_to_a_guest_who_was_erased() -> None:
    book_as_guest()
    relay.pass_on_news()
    collection("bookings").update_one({}, {"$set": {"guest.email": ""}})

    assert guest_mails.send_notifications() == 0
    assert states() == ["not_needed"]
    assert not mail.outbox


def test_does_not_say_what_is_not_true_any_more() -> None:
    held = book_as_guest(hold=True)
    confirm(held, actor=CUSTOMER)
    move(held)
    move(held, "room_C")
    cancel(held, actor=CUSTOMER)

    assert tell() == 1

    assert mail.outbox[0].subject.startswith("Cancelled")
    assert states() == ["not_needed", "not_needed", "not_needed", "sent"]
    assert delivered()[0]["last_error"] == "The booking has changed since this news."


def test_says_of_two_moves_where_the_booking_is() -> None:
    held = book_as_guest()
    move(held)
    move(held, "room_C")

    assert tell() == 2

    assert [message.subject.partition(":")[0] for message in mail.outbox] == ["Booked", "Changed"]
    assert states() == ["sent", "not_needed", "sent"]


def test_does_not_say_that_the_hotel_changed_what_the_guest_changed() -> None:
    held = book_as_guest()
    tell()
    change_stay(held, actor=CUSTOMER, first=30, last=32, total=24_000)
    tell()
    move(held)
    tell()

    _, changed, moved = (message.body for message in mail.outbox)

    assert "Your booking has been changed." in changed
    assert "The hotel has changed your booking." in moved


def test_says_of_two_changes_what_the_stay_is_now() -> None:
    held = book_as_guest()
    change_stay(held, "one", actor=CUSTOMER, first=30, last=32, total=24_000)
    change_stay(held, "two", actor=CUSTOMER, first=30, last=33, total=36_000)

    assert tell() == 2

    assert [message.subject.partition(":")[0] for message in mail.outbox] == ["Booked", "Changed"]
    assert states() == ["sent", "not_needed", "sent"]


@pytest.mark.parametrize("what", ["confirm", "cancel"])
def test_reminds_nobody_who_has_acted_meanwhile(what: str) -> None:
    held = book_as_guest(hold=True)
    let_reminders_be_due()
    relay.pass_on_news()
    (confirm if what == "confirm" else cancel)(held, actor=CUSTOMER)

    guest_mails.send_notifications()

    assert not [message for message in mail.outbox if "expires soon" in message.subject]
    assert states()[0] == "not_needed"


def test_does_not_say_that_a_hold_has_ended_which_was_revived() -> None:
    held = book_as_guest(hold=True)
    let_hold_end()
    sweep.expire_holds()
    confirm(held, actor=CUSTOMER)

    tell()

    assert [message.subject.partition(":")[0] for message in mail.outbox] == ["Booked"]


# --- When it fails ----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (smtplib.SMTPServerDisconnected("gone"), "could not be reached (SMTPServerDisconnected)"),
        (smtplib.SMTPDataError(451, b"later ada@example.org"), "answered 451."),
        (ConnectionRefusedError(), "could not be reached (ConnectionRefusedError)"),
        (
            smtplib.SMTPRecipientsRefused({ADDRESS: (450, b"busy")}),
            "refused the address (450).",
        ),
    ],
)
def test_tries_again_later_under_the_same_id(
    failing: Any, monkeypatch: pytest.MonkeyPatch, error: Exception, said: str
) -> None:
    monkeypatch.setattr(Failing, "error", error)
    book_as_guest()

    assert tell() == 0

    (delivery,) = delivered()
    assert (delivery["state"], delivery["tries"]) == ("waiting", 1)
    assert said in delivery["last_error"]
    assert ADDRESS not in delivery["last_error"]
    failing.EMAIL_BACKEND = "django.core.mail.backends.locmem.EmailBackend"
    assert guest_mails.send_notifications() == 0
    let_time_pass(deliveries.RETRIES.first_wait_ms + 1)
    assert guest_mails.send_notifications() == 1
    assert mail.outbox[0].message()["Message-ID"].startswith(f"<{delivery['event_id']}@")


def test_gives_up_at_once_where_there_is_no_such_mailbox(
    failing: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    refused = smtplib.SMTPRecipientsRefused({ADDRESS: (550, b"no such user")})
    monkeypatch.setattr(Failing, "error", refused)
    book_as_guest()

    tell()

    assert states() == ["given_up"]


def test_holds_up_no_mail_by_one_that_cannot_be_written(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    book_as_guest()
    book_as_guest("other", date=night(40))
    relay.pass_on_news()
    write = guest_mails.write_stay_file

    def fail_once(*arguments: Any, **options: Any) -> bytes:
        monkeypatch.setattr(guest_mails, "write_stay_file", write)
        raise KeyError("broken")

    monkeypatch.setattr(guest_mails, "write_stay_file", fail_once)

    assert guest_mails.send_notifications() == 1

    assert sorted(states()) == ["sent", "waiting"]
    assert "notification_not_sent" in caplog.text
    let_time_pass(deliveries.RETRIES.first_wait_ms)
    assert guest_mails.send_notifications() == 1
    assert states() == ["sent", "sent"]


def test_begins_no_mail_after_its_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(single_run, "RUN_LIMIT_S", 0.0)
    for days in range(3):
        book_as_guest(f"key-{days}", date=night(30 + days))

    assert [tell() for _ in range(4)] == [1, 1, 1, 0]


def test_logs_nothing_of_the_guest(failing: Any, caplog: pytest.LogCaptureFixture) -> None:
    book_as_guest()

    tell()

    assert "notification_not_sent" in caplog.text
    assert not says(caplog.text, "ada")


def test_writes_in_the_language_of_the_booking() -> None:
    with translation.override("de"):
        book_as_guest()

    tell()

    assert stored()[0]["language"] == "de"
    assert mail.outbox[0].subject.startswith("Gebucht: Demo Hotel")
    assert translation.get_language() == "en"


def test_writes_in_the_language_in_which_it_was_confirmed() -> None:
    with translation.override("de"):
        held = book_as_guest(hold=True)
    confirm(held, actor=CUSTOMER)

    tell()

    assert mail.outbox[0].subject.startswith("Booked: ")


def test_keeps_the_guests_language_where_staff_confirms() -> None:
    with translation.override("de"):
        held = book_as_guest(hold=True)

    lifecycle.confirm_booking(
        actor=Caller("user", "desk"),
        booking_id=held.content["booking"]["id"],
        key_header=None,
        deadline=Deadline.after(10),
        as_staff=True,
    )

    assert stored()[0]["language"] == "de"


def test_takes_the_language_of_who_comes_back_to_a_hold() -> None:
    with translation.override("de"):
        book_as_guest(hold=True)
    book_as_guest("other-key", hold=True)

    assert [booking["language"] for booking in stored()] == ["en"]


def test_sends_in_one_run_at_a_time(monkeypatch: pytest.MonkeyPatch) -> None:
    """A mail server that hangs must not block all threads of a worker."""
    book_as_guest()
    relay.pass_on_news()
    beside = []
    write = guest_mails.write_stay_file

    def look_beside(*arguments: Any, **options: Any) -> bytes:
        book_as_guest("other", date=night(40))
        relay.pass_on_news()
        with ThreadPoolExecutor(1) as pool:
            beside.append(pool.submit(guest_mails.send_notifications).result())
        monkeypatch.setattr(guest_mails, "write_stay_file", write)
        return write(*arguments, **options)

    monkeypatch.setattr(guest_mails, "write_stay_file", look_beside)

    assert guest_mails.send_notifications() == 2
    assert beside == [0]
