"""Letters: a request asks for them; the worker writes and sends them, again after a failure."""

from __future__ import annotations

import re
import smtplib
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import Any

import pytest
from bson import ObjectId
from django.contrib.auth.models import User
from django.core import mail
from django.core.mail.backends.locmem import EmailBackend
from django.utils import translation

from bookings import tasks
from bookings.domain.callers import caller_of_guest
from bookings.indexes import LETTER_LIFE
from bookings.infrastructure.connections import collection
from bookings.infrastructure.queues import single_run
from bookings.people import account_letters, accounts
from bookings.stays import manage_links
from tests.calls import PARTNER, book, cancel, let_hold_end
from tests.conftest import night

pytestmark = pytest.mark.mongo

ADDRESS = "ada@example.org"


def ask(purpose: str = account_letters.REGISTER, address: str = ADDRESS) -> None:
    account_letters.ask_for_letter(purpose=purpose, address=address)


def stored() -> dict[str, Any]:
    letter = collection("letters").find_one({})
    assert letter is not None
    return letter


def let_time_pass(ms: int) -> None:
    collection("letters").update_many(
        {"next_try_at": {"$type": "date"}},
        [{"$set": {"next_try_at": {"$subtract": ["$next_try_at", ms]}}}],
    )


class Failing(EmailBackend):
    """A mail server that refuses everything."""

    error: Exception = smtplib.SMTPServerDisconnected("gone")

    def send_messages(self, messages: Any) -> int:
        raise self.error


@pytest.fixture
def failing(settings: Any) -> Any:
    settings.EMAIL_BACKEND = f"{__name__}.Failing"
    return settings


def test_sends_one_letter_for_a_request() -> None:
    ask()

    assert [tasks.send_letters() for _ in range(3)] == [1, 0, 0]

    (letter,) = mail.outbox
    assert letter.to == [ADDRESS]
    assert letter.from_email == "Bookingsite <bookings@localhost>"
    assert letter.subject == "Your account: one more step"
    assert "http://127.0.0.1:8000/register/" in letter.body
    headers = letter.message()
    assert headers["Message-ID"] == f"<{stored()['_id']}@127.0.0.1>"
    assert headers["Auto-Submitted"] == "auto-generated"
    assert headers.get_content_type() == "text/plain"
    assert not letter.attachments


def test_keeps_no_secret() -> None:
    accounts.make_account(address=ADDRESS, name="Ada", password="correct horse")
    ask(account_letters.RESET)
    account_letters.send_letters()

    (token,) = re.findall(r"/password/(\S+)", mail.outbox[0].body)
    assert account_letters.open_letter(purpose=account_letters.RESET, token=token)
    assert set(stored()) == {"_id", "purpose", "address", "language", "created_at", "tries"}


@pytest.mark.parametrize(
    ("purpose", "subject", "link"),
    [
        (account_letters.REGISTER, "You already have an account", "/login"),
        (account_letters.REGISTER, "You already have an account", "/password"),
        (account_letters.RESET, "Your new password", "/password/"),
    ],
)
def test_writes_to_who_has_an_account(purpose: str, subject: str, link: str) -> None:
    accounts.make_account(address=ADDRESS, name="Ada", password="correct horse")
    ask(purpose)

    account_letters.send_letters()

    assert mail.outbox[0].subject == subject
    assert f"http://127.0.0.1:8000{link}" in mail.outbox[0].body
    assert "/register/" not in mail.outbox[0].body


def test_writes_to_who_has_none_and_wants_a_new_password() -> None:
    ask(account_letters.RESET)

    account_letters.send_letters()

    assert mail.outbox[0].subject == "There’s no account for this address"
    assert "http://127.0.0.1:8000/register\n" in mail.outbox[0].body


@pytest.mark.parametrize(
    ("waited_hours", "said"), [(0, "for 24 hours"), (5, "for 19 hours"), (22, "for 2 hours")]
)
def test_says_how_long_the_link_of_a_late_letter_still_works(waited_hours: int, said: str) -> None:
    ask()
    let_letter_age(waited_hours)

    assert account_letters.send_letters() == 1

    assert said in mail.outbox[0].body


def test_sends_no_letter_whose_link_is_about_to_end() -> None:
    ask()
    let_letter_age(23)

    assert account_letters.send_letters() == 0

    assert not mail.outbox
    assert "next_try_at" not in stored()


def let_letter_age(hours: int) -> None:
    """As if no worker had run for so long."""
    older = {"$subtract": ["$created_at", hours * 3_600_000]}
    collection("letters").update_one({}, [{"$set": {"created_at": older}}])


@pytest.mark.parametrize("purpose", [account_letters.REGISTER, account_letters.RESET])
def test_writes_nothing_to_who_was_shut_out(purpose: str) -> None:
    User.objects.create_user("ada", email=ADDRESS, is_active=False)
    ask(purpose)

    assert account_letters.send_letters() == 0
    assert not mail.outbox
    assert "next_try_at" not in stored()


def test_lists_a_guests_bookings_that_are_not_over() -> None:
    guest = {"name": "Ada", "email": "ADA@example.org"}
    anna, bea = caller_of_guest("a"), caller_of_guest("b")
    first = book("1", caller=anna, guest=guest, checkIn=night(10), checkOut=night(12))
    second = book("2", caller=bea, guest=guest, resourceId="room_B", hold=True)
    book("3", caller=anna, guest=guest, resourceId="room_C", hold=True)
    let_hold_end()
    collection("bookings").update_one(
        {"_id": _id(second)}, [{"$set": {"expires_at": {"$add": ["$$NOW", 600_000]}}}]
    )
    cancel(book("4", caller=anna, guest=guest, resourceId="room_D"), actor=anna)
    over = book("5", caller=anna, guest=guest, date=night(40))
    collection("bookings").update_one(
        {"_id": _id(over)}, {"$set": {"check_in": "2026-01-01", "check_out": "2026-01-02"}}
    )
    book("6", caller=PARTNER, guest=guest, date=night(50))
    book("7", caller=anna, guest={"name": "Eve", "email": "eve@example.org"}, date=night(51))
    ask(account_letters.FIND)

    account_letters.send_letters()

    body = mail.outbox[0].body
    opened = [manage_links.read_link_token(token) for token in re.findall(r"/manage/(\S+)", body)]
    assert opened == [str(_id(first)), str(_id(second))]
    assert first.content["booking"]["reference"] in body


def test_says_when_there_is_no_booking_to_find() -> None:
    ask(account_letters.FIND)

    account_letters.send_letters()

    assert "We found no upcoming bookings." in mail.outbox[0].body
    assert "/manage/" not in mail.outbox[0].body


def _id(outcome: Any) -> Any:
    return ObjectId(outcome.content["booking"]["id"])


# --- Links ---------------------------------------------------------------------------------


def test_links_to_the_site_of_the_settings(settings: Any, client: Any) -> None:
    settings.SITE_URL = "https://bookings.example"
    settings.ALLOWED_HOSTS = ["*"]
    client.post("/register", {"email": ADDRESS}, headers={"host": "evil.example"})

    account_letters.send_letters()

    body = mail.outbox[0].body
    assert set(re.findall(r"\w+://[^/\s]+", body)) == {"https://bookings.example"}
    assert mail.outbox[0].message()["Message-ID"].endswith("@bookings.example>")


def test_writes_in_the_language_it_was_asked_in(monkeypatch: pytest.MonkeyPatch) -> None:
    languages = []
    write = account_letters.render_text

    def note(*arguments: Any) -> str:
        languages.append(translation.get_language())
        return write(*arguments)

    monkeypatch.setattr(account_letters, "render_text", note)
    with translation.override("de"):
        ask()

    account_letters.send_letters()

    assert languages == ["de"]
    assert translation.get_language() == "en"


@pytest.mark.parametrize("evil", ["a@example.org\nBcc: b@example.org", "a@example.org\r\nX: y"])
def test_gives_up_a_letter_whose_header_would_be_two(evil: str) -> None:
    """No form lets such an address in; this is the last door."""
    ask(address=evil)
    collection("letters").update_one({}, {"$set": {"tries": account_letters.RETRIES.max_tries - 1}})

    assert account_letters.send_letters() == 0
    assert not mail.outbox
    assert "next_try_at" not in stored()


# --- When it fails -------------------------------------------------------------------------


@pytest.mark.parametrize(
    "error", [smtplib.SMTPServerDisconnected("x"), ConnectionRefusedError(), TimeoutError()]
)
def test_tries_again_later_and_sends_it_then(failing: Any, error: Exception) -> None:
    Failing.error = error
    ask()
    assert account_letters.send_letters() == 0
    failing.EMAIL_BACKEND = "django.core.mail.backends.locmem.EmailBackend"

    assert account_letters.send_letters() == 0
    let_time_pass(account_letters.RETRIES.first_wait_ms)
    assert account_letters.send_letters() == 1

    assert len(mail.outbox) == 1


def test_waits_twice_as_long_each_time_and_gives_up_at_last(
    failing: Any, caplog: pytest.LogCaptureFixture
) -> None:
    ask()
    waits = []
    for number in range(account_letters.RETRIES.max_tries):
        account_letters.send_letters()
        if number < account_letters.RETRIES.max_tries - 1:
            let_time_pass(account_letters.RETRIES.first_wait_ms * 2**number - 5_000)
            assert account_letters.send_letters() == 0
            waits.append(stored()["tries"])
            let_time_pass(5_000)

    let_time_pass(LETTER_LIFE // timedelta(milliseconds=1))
    account_letters.send_letters()

    assert waits == list(range(1, account_letters.RETRIES.max_tries))
    assert stored()["tries"] == account_letters.RETRIES.max_tries
    assert "next_try_at" not in stored()
    assert [record.message for record in caplog.records][-1] == "letter_given_up"
    assert ADDRESS not in str([vars(record) for record in caplog.records])


def test_sends_the_others_when_one_fails(settings: Any) -> None:
    class FailingForEve(EmailBackend):
        def send_messages(self, messages: Any) -> int:
            if "eve@example.org" in messages[0].to:
                raise smtplib.SMTPRecipientsRefused({})
            return super().send_messages(messages)

    globals()["FailingForEve"] = FailingForEve
    settings.EMAIL_BACKEND = f"{__name__}.FailingForEve"
    ask(address="eve@example.org")
    ask()

    assert account_letters.send_letters() == 1
    assert mail.outbox[0].to == [ADDRESS]


def test_sends_a_letter_again_under_the_same_id_when_the_worker_died(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    ask()
    with monkeypatch.context() as dying:
        dying.setattr(account_letters, "_settle", lambda _: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            account_letters.send_letters()

    assert account_letters.send_letters() == 0
    let_time_pass(account_letters.RETRIES.first_wait_ms)
    assert account_letters.send_letters() == 1

    first, second = (letter.message()["Message-ID"] for letter in mail.outbox)
    assert first == second


def test_starts_no_letter_when_the_time_of_a_run_is_up(monkeypatch: pytest.MonkeyPatch) -> None:
    """So that a worker that is told to stop has stopped before it is killed."""
    monkeypatch.setattr(single_run, "RUN_LIMIT_S", 0.0)
    for number in range(3):
        ask(address=f"ada{number}@example.org")

    assert [account_letters.send_letters() for _ in range(4)] == [1, 1, 1, 0]


def test_leaves_a_letter_that_it_does_not_know_to_a_newer_worker(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    ask()
    with monkeypatch.context() as older:
        older.delitem(account_letters.WRITERS, account_letters.REGISTER)
        assert account_letters.send_letters() == 0
    let_time_pass(account_letters.RETRIES.first_wait_ms)
    assert account_letters.send_letters() == 1

    refused, sent = [record for record in caplog.records if record.name == account_letters.__name__]
    assert (refused.message, vars(refused)["reason"]) == ("letter_not_sent", "UnknownPurpose")
    assert refused.exc_info is None
    assert sent.message == "letter_sent"
    results = account_letters.read_figures().results
    assert results == {"sent": 1, "not_needed": 0, "not_sent": 1, "given_up": 0}


def test_sends_the_others_when_it_does_not_know_one() -> None:
    ask("unheard-of", address="eve@example.org")
    ask()

    assert account_letters.send_letters() == 1
    assert mail.outbox[0].to == [ADDRESS]


def test_gives_each_letter_to_one_worker() -> None:
    for number in range(20):
        ask(address=f"ada{number}@example.org")

    with ThreadPoolExecutor(4) as pool:
        sent = list(pool.map(lambda _: account_letters.send_letters(), range(4)))

    assert sum(sent) == 20
    assert len({letter.to[0] for letter in mail.outbox}) == len(mail.outbox) == 20


def test_forgets_letters_after_a_day_and_looks_for_them_by_an_index() -> None:
    indexes = {index["name"]: index for index in collection("letters").list_indexes()}

    assert indexes["forgotten_later"]["expireAfterSeconds"] == 24 * 60 * 60
    assert "partialFilterExpression" in indexes["letters_to_send"]
    assert LETTER_LIFE // timedelta(milliseconds=1) > account_letters.RETRIES.first_wait_ms * (
        2**account_letters.RETRIES.max_tries
    )
