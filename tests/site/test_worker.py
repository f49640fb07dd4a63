"""The real Celery worker and beat: holds that ran out are tidied, and nights made, unasked."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from bookings import clock, connections
from bookings.models import NightsJob
from bookingsite.celery import app
from tests.conftest import night
from tests.mongo.conftest import book, let_hold_end, stored
from tests.site.site import ROOT


@pytest.fixture
def worker_log(database: None, environment: dict[str, str], tmp_path: Path) -> Iterator[Path]:
    """Runs a worker, and a beat that fires every second; the worker's log."""
    log_path = tmp_path / "worker.log"
    variables = {**environment, "EXPIRY_INTERVAL_S": "1"}
    celery = [sys.executable, "-m", "celery", "-A", "bookingsite"]
    commands = [
        [*celery, "worker", "--concurrency", "2", "--loglevel", "INFO"],
        [*celery, "beat", "--schedule", str(tmp_path / "schedule")],
    ]
    processes = []
    for number, command in enumerate(commands):
        with (log_path if number == 0 else tmp_path / "beat.log").open("wb") as log:
            processes.append(
                subprocess.Popen(
                    command,
                    cwd=ROOT,
                    env=variables,
                    stdout=log,
                    stderr=log,
                    start_new_session=True,
                )
            )
    yield log_path
    for process in processes:
        process.terminate()
    for process in processes:
        try:
            process.wait(15)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()


@pytest.mark.slow
def test_tidies_holds_that_ran_out(worker_log: Path) -> None:
    book("dead", hold=True)
    let_hold_end()
    book("alive", hold=True, resourceId="room_B", date=night())

    deadline_s = time.monotonic() + 30
    while stored()[0]["status"] == "pending" and time.monotonic() < deadline_s:
        time.sleep(0.2)

    assert [booking["status"] for booking in stored()] == ["expired", "pending"]
    assert connections.collection("bookings").count_documents({"history.event": "expired"}) == 1
    entries = [json.loads(line) for line in worker_log.read_text().splitlines() if line[:1] == "{"]
    sweeps = [entry for entry in entries if entry["event"] == "holds_expired"]
    assert sum(entry["expired"] for entry in sweeps) == 1
    assert all(entry["task"] == "bookings.expire_holds" for entry in sweeps)
    assert len({entry["request_id"] for entry in sweeps}) == len(sweeps)


@pytest.mark.slow
def test_makes_the_nights_that_staff_asked_for(worker_log: Path) -> None:
    job = NightsJob.objects.create(
        hotel_id="grand",
        start="2027-01-01",
        end="2027-12-31",
        weekdays="sat,sun",
        total=3 * 104,
        created_at=clock.now(),
    )
    # Beat sends it too, but only every fifteen seconds.
    app.send_task("bookings.generate_nights")

    deadline_s = time.monotonic() + 30
    while NightsJob.objects.get(pk=job.pk).state != "done" and time.monotonic() < deadline_s:
        time.sleep(0.2)

    assert NightsJob.objects.get(pk=job.pk).done == 3 * 104
    assert connections.collection("nights").count_documents({}) == 3 * 104
