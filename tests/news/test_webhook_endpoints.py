"""Endpoints that are down for good, and workers that meet, die or come late."""

from __future__ import annotations

import smtplib
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from http.server import BaseHTTPRequestHandler
from typing import Any

import pytest
from django.contrib.auth.models import Permission, User
from django.core import mail
from django.core.mail.backends.locmem import EmailBackend

from bookings import tasks
from bookings.news.webhooks import backlog, endpoints, notes, sending
from tests.news.partners import (
    DAY_MS,
    Partner,
    fail_often,
    let_time_pass,
    send_for,
)
from tests.receivers import Receiver
from tests.servers import ROOT

pytestmark = [pytest.mark.mongo, pytest.mark.usefixtures("inside")]


# --- Endpoints that are down for good ---------------------------------------------------------


@pytest.fixture
def staff() -> User:
    return User.objects.create_superuser("manager", "manager@example.org")


def disable(partner: Partner, receiver: Receiver) -> list[str]:
    """Lets it fail for a day; returns the ids of the waiting events."""
    told = partner.tell(3)
    receiver.answer = 503
    sending.send_webhooks()
    let_time_pass(DAY_MS - 60_000)
    sending.send_webhooks()
    fail_often()
    assert partner.endpoint["is_active"]
    let_time_pass(3 * 3_600_000)
    sending.send_webhooks()
    assert not partner.endpoint["is_active"]
    return told


def test_disables_an_endpoint_that_took_nothing_for_a_day_and_notes_it_once(
    partner: Partner, receiver: Receiver, staff: User
) -> None:
    told = disable(partner, receiver)
    asked = len(receiver.received)

    let_time_pass(DAY_MS)
    assert sending.send_webhooks() == 0
    assert len(receiver.received) == asked
    assert [tasks.note_disabled_webhooks() for _ in range(3)] == [1, 0, 0]
    let_time_pass(notes.RETRIES.first_wait_ms)
    assert tasks.note_disabled_webhooks() == 0

    (note,) = mail.outbox
    assert note.to == ["manager@example.org"]
    assert note.subject == "Webhooks of partner are disabled"
    assert receiver.url in note.body
    assert "Answered 503" in note.body
    assert f"http://127.0.0.1:8000/admin/bookings/webhookendpoint/{partner.id}/change/" in note.body
    assert partner.states() == ["waiting"] * 3

    receiver.answer = 204
    endpoints.change_endpoint(partner.id, url=receiver.url, is_active=True)
    backlog.make_due(partner.client_id)
    told += partner.tell()
    assert sending.send_webhooks() == 4
    assert receiver.taken == told


def test_does_not_disable_an_endpoint_for_the_time_in_which_no_worker_asked_it(
    partner: Partner, receiver: Receiver
) -> None:
    partner.tell()
    receiver.answer = 503
    for _ in range(2):
        sending.send_webhooks()
        let_time_pass(2 * DAY_MS)

    sending.send_webhooks()

    assert partner.endpoint["is_active"]
    assert partner.endpoint["failures"] == 3
    send_for(hours=16)
    assert not partner.endpoint["is_active"]


def test_disables_at_once_an_endpoint_that_says_it_is_gone(
    partner: Partner, receiver: Receiver
) -> None:
    """The specification defines this meaning of status 410."""
    partner.tell()
    receiver.answer = 410

    sending.send_webhooks()

    assert not partner.endpoint["is_active"]
    assert partner.endpoint["disabled_at"]
    assert partner.states() == ["waiting"]


def test_writes_to_those_alone_who_can_enable_it(
    partner: Partner, receiver: Receiver, staff: User
) -> None:
    allowed = User.objects.create_user("allowed", "allowed@example.org", is_staff=True)
    allowed.user_permissions.add(Permission.objects.get(codename="change_webhookendpoint"))
    User.objects.create_user("other", "other@example.org", is_staff=True)
    User.objects.create_superuser("gone", "gone@example.org", is_active=False)
    User.objects.create_superuser("silent", "")
    customer = User.objects.create_user("customer", "customer@example.org")
    customer.user_permissions.add(Permission.objects.get(codename="change_webhookendpoint"))
    disable(partner, receiver)

    notes.send_notes()

    assert sorted(note.to[0] for note in mail.outbox) == [
        "allowed@example.org",
        "manager@example.org",
    ]


class OneBad(EmailBackend):
    """Knows no mailbox `gone@`, and is busy for `busy@`."""

    def send_messages(self, messages: Any) -> int:
        ((to,),) = [message.to for message in messages]
        codes = {"gone@example.org": 550, "busy@example.org": 451}
        if to in codes:
            asked.append(to)
            raise smtplib.SMTPRecipientsRefused({to: (codes[to], b"not here")})
        return super().send_messages(messages)


asked: list[str] = []


def test_writes_to_each_reader_once_whoever_cannot_be_reached(
    partner: Partner, receiver: Receiver, settings: Any
) -> None:
    settings.EMAIL_BACKEND = f"{__name__}.OneBad"
    asked.clear()
    for name in ("first", "gone", "busy", "last"):
        User.objects.create_superuser(name, f"{name}@example.org")
    disable(partner, receiver)

    for _ in range(notes.RETRIES.max_tries + 1):
        assert notes.send_notes() == 0
        let_time_pass(DAY_MS)

    # A server that may be back is tried again, though not for ever.
    assert [note.to for note in mail.outbox] == [["first@example.org"], ["last@example.org"]]
    assert asked.count("busy@example.org") == notes.RETRIES.max_tries
    # A missing mailbox is no reason to wait.
    endpoints.change_endpoint(partner.id, url=receiver.url, is_active=True)
    receiver.answer = 410
    backlog.make_due(partner.client_id)
    sending.send_webhooks()
    User.objects.filter(username="busy").delete()
    assert notes.send_notes() == 1
    assert [note.to for note in mail.outbox[2:]] == [["first@example.org"], ["last@example.org"]]


def test_says_so_when_no_reader_has_a_mailbox(
    partner: Partner, receiver: Receiver, settings: Any, caplog: pytest.LogCaptureFixture
) -> None:
    settings.EMAIL_BACKEND = f"{__name__}.OneBad"
    User.objects.create_superuser("gone", "gone@example.org")
    disable(partner, receiver)

    assert [notes.send_notes() for _ in range(2)] == [0, 0]

    assert caplog.records[-1].message == "webhook_note_not_sent"
    assert caplog.records[-1].reason == "NobodyToWriteTo"  # type: ignore[attr-defined]


class Refusing(EmailBackend):
    def send_messages(self, messages: Any) -> int:
        super().send_messages(messages)
        raise ConnectionResetError


def test_sends_a_note_again_under_the_same_id(
    partner: Partner, receiver: Receiver, staff: User, settings: Any
) -> None:
    disable(partner, receiver)
    settings.EMAIL_BACKEND = f"{__name__}.Refusing"
    assert notes.send_notes() == 0
    assert notes.send_notes() == 0
    settings.EMAIL_BACKEND = "django.core.mail.backends.locmem.EmailBackend"

    let_time_pass(notes.RETRIES.first_wait_ms)
    assert notes.send_notes() == 1

    first, second = (note.message()["Message-ID"] for note in mail.outbox)
    assert first == second


def test_writes_no_note_where_staff_were_quicker(
    partner: Partner, receiver: Receiver, staff: User
) -> None:
    disable(partner, receiver)
    endpoints.change_endpoint(partner.id, url=receiver.url, is_active=True)

    assert [notes.send_notes() for _ in range(2)] == [0, 0]
    assert not mail.outbox


# --- Workers that meet, die, or come late ------------------------------------------------------


def test_gives_each_endpoint_to_one_worker_at_a_time(
    partner: Partner, receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sending, "TURN_S", 0.0)
    told = partner.tell(20)
    receiver.delay_s = 0.01

    with ThreadPoolExecutor(4) as pool:
        sent = list(pool.map(lambda _: sending.send_webhooks.__wrapped__(), range(4)))
    sent.append(sending.send_webhooks())

    assert sum(sent) == 20
    assert [post.id for post in receiver.received] == told
    assert receiver.most_at_once == 1


DIES_AFTER_POST = """
import os, signal, django
django.setup()
from bookings import points
from bookings.news.webhooks import sending
points.install(lambda name: name == "after_post" and os.kill(os.getpid(), signal.SIGKILL))
sending.send_webhooks()
"""


def test_sends_again_with_the_same_id_what_a_killed_worker_had_sent(
    partner: Partner, receiver: Receiver, environment: dict[str, str]
) -> None:
    told = partner.tell(2)

    died = subprocess.run(
        [sys.executable, "-c", DIES_AFTER_POST],
        env={**environment, "WEBHOOK_PRIVATE_ADDRESSES": "yes"},
        cwd=ROOT,
        check=False,
    )

    assert died.returncode == -9
    assert [post.id for post in receiver.received] == told[:1]
    assert sending.send_webhooks() == 0
    let_time_pass(endpoints.LEASE_MS)
    assert sending.send_webhooks() == 2
    assert [post.id for post in receiver.received] == [told[0], *told]
    assert receiver.received[0].body == receiver.received[1].body


def test_puts_nothing_down_to_an_address_that_staff_changed_meanwhile(
    partner: Partner, receiver: Receiver
) -> None:
    partner.tell()

    def change(handler: BaseHTTPRequestHandler) -> None:
        endpoints.change_endpoint(partner.id, url="http://127.0.0.1:1/new", is_active=True)
        handler.send_response(500)
        handler.end_headers()

    receiver.answer = change
    taken = endpoints.take(partner.id)
    assert taken is not None
    sending._serve(taken)

    assert partner.endpoint["failing_since"] is None
    assert partner.endpoint["taken_by"] == ""
