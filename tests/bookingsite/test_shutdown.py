"""A deployment ends processes all day: their work is finished, or safe to send again."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Barrier, Event

import pytest
import requests

from bookings.catalogue.nights import WEEKDAYS
from bookings.infrastructure import clock, connections
from bookings.models import NightsJob, Room
from bookingsite.celery import app
from tests.conftest import night
from tests.site import ROOT, Site
from tests.site_fixtures import Starter
from tests.stays.test_crashes import retry_until_definite

pytestmark = pytest.mark.site

IN_FLIGHT = 200

# gunicorn.conf.py's graceful_timeout, and some more for a busy machine.
LONGEST_END_S = 25.0


@pytest.mark.slow
def test_answers_each_request_or_leaves_its_key_to_the_next_process(
    site: Site, start: Starter
) -> None:
    leaving = start()
    rooms = list(Room.objects.filter(category_id="demo_double").values_list("pk", flat=True))
    wishes = {
        f"order-{number}": {
            "userId": f"order-{number}",
            "resourceId": rooms[number % len(rooms)],
            "date": night(30 + number // len(rooms)),
        }
        for number in range(IN_FLIGHT)
    }
    everybody, first_answer = Barrier(IN_FLIGHT), Event()

    def send(key: str) -> requests.Response | None:
        everybody.wait()
        try:
            return leaving.book(key, **wishes[key])
        except requests.ConnectionError:
            return None
        finally:
            first_answer.set()

    with ThreadPoolExecutor(IN_FLIGHT) as clients:
        sent = {key: clients.submit(send, key) for key in wishes}
        first_answer.wait()
        answered_before = sum(future.done() for future in sent.values())
        leaving.process.send_signal(signal.SIGTERM)
        status = leaving.process.wait(LONGEST_END_S)
    answers = {key: future.result() for key, future in sent.items()}
    made = count_bookings()

    assert status == 0
    assert answered_before < IN_FLIGHT / 2
    # Requests that had begun were answered, and none of them with an error.
    lost = {key for key, answer in answers.items() if answer is None}
    assert answered_before < IN_FLIGHT - len(lost)
    assert {answers[key].status_code for key in wishes.keys() - lost} == {201}
    assert {made[key] for key in wishes.keys() - lost} == {1}

    def send_again(key: str) -> requests.Response:
        return retry_until_definite(site, key, 40.0, **wishes[key])[0]

    with ThreadPoolExecutor(8) as clients:
        again = dict(zip(lost, clients.map(send_again, lost), strict=True))
    for key, answer in again.items():
        assert answer.status_code == 201
        # Either the booking was there, or this request made it.
        assert (answer.headers.get("Idempotency-Replayed") == "true") == bool(made[key])
    assert count_bookings() == dict.fromkeys(wishes, 1)


@pytest.mark.slow
def test_answers_what_it_has_begun_before_it_ends(start: Starter) -> None:
    leaving = start()
    leaving.faults.arm("in_transaction", "pause")

    with ThreadPoolExecutor(1) as client:
        begun = client.submit(leaving.book, "key", resourceId="room_A", date=night(), userId="ada")
        leaving.faults.wait_for("paused")
        leaving.process.send_signal(signal.SIGTERM)
        time.sleep(1)  # for it to have had the time to end too early
        (leaving.faults.folder / "go").touch()
        answer = begun.result()

    assert answer.status_code == 201
    assert leaving.process.wait(LONGEST_END_S) == 0


def count_bookings() -> Counter[str]:
    """Returns how many bookings each key has, by the guest of the same name."""
    return Counter(booking["user_id"] for booking in connections.collection("bookings").find({}))


@pytest.fixture
def celery(
    database: None, environment: dict[str, str], tmp_path: Path
) -> Iterator[Callable[..., subprocess.Popen[bytes]]]:
    """Starts Celery as containers do."""
    processes: list[subprocess.Popen[bytes]] = []

    def start(*arguments: str) -> subprocess.Popen[bytes]:
        with (tmp_path / "log").open("ab") as log:
            process = subprocess.Popen(
                [sys.executable, "-m", "celery", "-A", "bookingsite", *arguments],
                cwd=ROOT,
                env=environment,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        processes.append(process)
        return process

    yield start
    for process in processes:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()


@pytest.mark.slow
def test_finishes_the_task_of_a_worker_that_is_told_to_end(
    celery: Callable[..., subprocess.Popen[bytes]],
) -> None:
    add_jobs(10)
    worker = celery("worker", "--pool", "threads", "--concurrency", "2", "--loglevel", "INFO")
    app.send_task("bookings.generate_nights")
    wait_until(lambda: NightsJob.objects.filter(state="done").exists())
    left = NightsJob.objects.exclude(state="done").count()

    worker.terminate()

    assert worker.wait(LONGEST_END_S) == 0
    assert left > 0
    assert set(NightsJob.objects.values_list("state", flat=True)) == {"done"}


@pytest.mark.slow
def test_leaves_the_tasks_that_a_worker_has_not_begun_to_the_next_one(
    celery: Callable[..., subprocess.Popen[bytes]],
) -> None:
    """Otherwise it would not end before it had done everything that it fetched."""
    add_jobs(5)
    app.control.purge()
    for _ in range(6):
        app.send_task("bookings.generate_nights")
    worker = celery("worker", "--pool", "threads", "--concurrency", "1", "--loglevel", "INFO")
    wait_until(lambda: NightsJob.objects.filter(state="done").exists())

    worker.terminate()

    assert worker.wait(LONGEST_END_S) == 0
    assert app.control.purge() == 5


def add_jobs(number: int) -> None:
    """Adds this many jobs for two years of nights: some seconds' work."""
    for _ in range(number):
        NightsJob.objects.create(
            hotel_id="grand",
            start="2027-01-01",
            end="2028-12-31",
            weekdays=",".join(WEEKDAYS),
            overwrite=True,
            price=10_000,
            total=3 * 731,
            created_at=clock.now(),
        )


@pytest.mark.slow
def test_ends_beat_at_once(celery: Callable[..., subprocess.Popen[bytes]], tmp_path: Path) -> None:
    beat = celery("beat", "--schedule", str(tmp_path / "schedule"), "--loglevel", "INFO")
    wait_until(lambda: any(tmp_path.glob("schedule*")))

    beat.terminate()

    assert beat.wait(5) == 0


def wait_until(happened: Callable[[], bool]) -> None:
    deadline_s = time.monotonic() + 30
    while not happened():
        assert time.monotonic() < deadline_s
        time.sleep(0.05)
