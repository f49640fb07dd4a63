"""Sessions last until they expire; then beat and the worker remove them once a day."""

from __future__ import annotations

import io
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import time_machine
from django.contrib.auth.models import User
from django.contrib.sessions.models import Session
from django.core.management import call_command
from django.test import Client

from bookings import tasks
from bookings.infrastructure import clock
from bookings.infrastructure.connections import collection
from bookingsite.celery import app
from bookingsite.sessions import SessionStore

pytestmark = pytest.mark.mongo


def add_session(key: str, *, ends_in_s: float) -> None:
    expires_at = datetime.now(UTC) + timedelta(seconds=ends_in_s)
    Session.objects.create(session_key=key, session_data="", expire_date=expires_at)


def test_removes_sessions_that_are_over_and_no_others() -> None:
    add_session("over", ends_in_s=-1)
    add_session("long_over", ends_in_s=-1e6)
    add_session("under_way", ends_in_s=60)

    tasks.clear_sessions()

    assert [session.session_key for session in Session.objects.all()] == ["under_way"]
    tasks.clear_sessions()
    assert Session.objects.count() == 1


def test_removes_no_session_that_is_over_by_the_workers_clock_alone() -> None:
    add_session("under_way", ends_in_s=60)

    with time_machine.travel(datetime.now(UTC) + timedelta(hours=1)):
        tasks.clear_sessions()

    assert Session.objects.count() == 1


def test_comes_once_a_day_from_a_beat_that_is_started_anew_each_day(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    app.loader.import_default_modules()
    entry = app.conf.beat_schedule["clear-sessions"]
    begun_at = datetime(2027, 2, 15, 12, tzinfo=UTC)  # with nothing known of earlier days
    due: list[int] = []
    for hour in range(24):
        begin, end = begun_at + timedelta(hours=hour), begun_at + timedelta(hours=hour + 1)
        monkeypatch.setattr(entry["schedule"], "nowfun", lambda end=end: end)
        if entry["schedule"].is_due(begin).is_due:
            due.append(hour)

    assert len(due) == 1
    assert entry["task"] in app.tasks


def test_keeps_everybody_logged_in_when_the_demo_is_made_again(
    client: Client, settings: Any
) -> None:
    settings.DEMO_STAFF_PASSWORD = settings.DEMO_CUSTOMER_PASSWORD = "the same each time"
    call_command("seed_demo", "--users", stdout=io.StringIO())
    client.force_login(User.objects.get(username="staff"))

    call_command("seed_demo", "--users", stdout=io.StringIO())
    unchanged = client.get("/admin/").status_code
    settings.DEMO_STAFF_PASSWORD = "another"
    call_command("seed_demo", "--users", stdout=io.StringIO())

    assert unchanged == 200
    assert client.get("/admin/").status_code == 302
    assert client.login(username="staff", password="another")


def test_opens_no_session_that_is_over() -> None:
    session = SessionStore()
    session["seen"] = True
    session.create()
    assert SessionStore(session.session_key).get("seen")

    collection("django_session").update_one(
        {"session_key": session.session_key},
        {"$set": {"expire_date": clock.now() - timedelta(seconds=1)}},
    )

    over = SessionStore(session.session_key)
    assert over.get("seen") is None
    assert over.session_key is None
