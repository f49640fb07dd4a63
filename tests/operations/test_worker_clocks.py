"""The errors of workers' clocks: measured at each sweep, shown by doctor and metrics."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
import time_machine
from django.test import Client

from bookings import tasks
from bookings.infrastructure.connections import collection
from bookings.operations import worker_clocks
from bookings.operations.doctor import background, clocks
from bookings.people import account_letters
from tests.bookingsite.test_metrics import scrape
from tests.calls import CUSTOMER, book

pytestmark = pytest.mark.mongo

SKEW = "bookingsite_worker_clock_skew_seconds"


def sweep_on(machine: str, *, ahead_s: float, monkeypatch: pytest.MonkeyPatch) -> None:
    """Sweeps as a worker does whose clock is this far ahead."""
    monkeypatch.setattr(worker_clocks.socket, "gethostname", lambda: machine)
    with time_machine.travel(datetime.now(UTC) + timedelta(seconds=ahead_s)):
        tasks.expire_holds()


def test_is_measured_at_each_sweep(monkeypatch: pytest.MonkeyPatch, client: Client) -> None:
    assert scrape(client)[SKEW] == 0
    sweep_on("one", ahead_s=6, monkeypatch=monkeypatch)
    sweep_on("$two.example", ahead_s=-0.4, monkeypatch=monkeypatch)

    two, one = worker_clocks.read()
    assert (two.machine, one.machine) == ("$two.example", "one")
    assert one.skew_s == pytest.approx(6, abs=0.3)
    assert two.skew_s == pytest.approx(-0.4, abs=0.3)
    assert scrape(client)[SKEW] == pytest.approx(6, abs=0.3)
    found = clocks.workers()
    assert (found.level, "one by " in found.text, "two" in found.text) == ("warn", True, False)
    assert "s ahead; let NTP set both" in found.text

    sweep_on("one", ahead_s=0, monkeypatch=monkeypatch)
    assert len(worker_clocks.read()) == 2
    found = clocks.workers()
    assert (found.level, found.text[:25]) == ("ok", "Machines with workers: 2,")


def test_is_forgotten_an_hour_after_a_machine_is_gone(monkeypatch: pytest.MonkeyPatch) -> None:
    sweep_on("gone", ahead_s=6, monkeypatch=monkeypatch)
    an_hour_ago = {"$subtract": ["$$NOW", worker_clocks.KEPT_MS]}
    collection("sweeps").update_one({"_id": "clocks"}, [{"$set": {"workers.at": an_hour_ago}}])

    assert worker_clocks.read() == []
    assert clocks.workers().level == "ok"
    sweep_on("here", ahead_s=0, monkeypatch=monkeypatch)
    (stored,) = collection("sweeps").find({"_id": "clocks"})
    assert [worker["machine"] for worker in stored["workers"]] == ["here"]


def test_is_not_guessed_when_mongodb_answers_late(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(worker_clocks, "LONGEST_SAMPLE_S", 0.0)

    worker_clocks.report()

    assert worker_clocks.read() == []


def test_late_work_is_found_by_the_doctor() -> None:
    """Whatever prevents the workers from doing it."""
    book(caller=CUSTOMER, guest={"name": "Ada", "email": "ada@example.org"})
    tasks.pass_on_news()
    account_letters.ask_for_letter(purpose=account_letters.REGISTER, address="ada@example.org")
    assert background.late_work().level == "ok"
    late = {"$subtract": ["$$NOW", 130_000]}
    for name in ("letters", "deliveries"):
        collection(name).update_many({}, [{"$set": {"next_try_at": late}}])

    found = background.late_work()

    assert found.level == "warn"
    assert "a letter for 130 s, a mail to a guest for 130 s;" in found.text
