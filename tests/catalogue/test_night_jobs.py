"""Nights jobs: taken once, in order, renewed, and taken up again after a kill."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from datetime import timedelta
from typing import Any

import pytest
from django.contrib.auth.models import User
from pymongo.errors import AutoReconnect

from bookings import tasks
from bookings.catalogue import night_jobs, nights
from bookings.infrastructure import clock
from bookings.infrastructure.connections import collection
from bookings.models import Hotel, NightsJob
from bookingsite.celery import app
from tests.site import ROOT

pytestmark = pytest.mark.mongo

Patch = pytest.MonkeyPatch


@pytest.fixture(autouse=True)
def use_chalet(chalet: Hotel) -> None:
    """Every job here is about the chalet."""


def add_job(**changes: Any) -> NightsJob:
    """Adds a week in the chalet unless `changes` say otherwise."""
    wish = {
        "hotel_id": "chalet",
        "start": "2027-03-01",
        "end": "2027-03-07",
        "weekdays": "mon,tue,wed,thu,fri,sat,sun",
        "total": 14,
        "created_at": clock.now(),
    }
    return NightsJob.objects.create(**{**wish, **changes})


def stored(job: NightsJob) -> dict[str, Any]:
    found = collection("nights_jobs").find_one({"_id": job.pk})
    assert found is not None
    return found


def states() -> list[str]:
    return [job.state for job in NightsJob.objects.order_by("created_at", "id")]


def prices() -> list[int]:
    return sorted(collection("nights").distinct("price"))


def let_lease_end(job: NightsJob) -> None:
    collection("nights_jobs").update_one(
        {"_id": job.pk}, [{"$set": {"lease_until": {"$subtract": ["$$NOW", 1]}}}]
    )


def while_writing(patch: Patch, *meanwhile: Any) -> None:
    """Lets something happen before each category is written, in turn and once each."""
    write, waiting = nights._write_nights, list(meanwhile)

    def write_later(*arguments: Any, **options: Any) -> tuple[int, int]:
        if waiting:
            waiting.pop(0)()
        return write(*arguments, **options)

    patch.setattr(nights, "_write_nights", write_later)


def test_does_what_was_asked_for() -> None:
    job = add_job(exclude_end=True, price=5_000, weekdays="sat,sun", end="2027-03-14")

    ended = tasks.generate_nights()

    assert ended == 1
    found = stored(job)
    assert (found["state"], found["done"], found["total"]) == ("done", 6, 6)
    assert found["lease_until"] is None
    assert found["created_at"] <= found["started_at"] <= found["finished_at"]
    assert sorted(collection("nights").distinct("date")) == [
        "2027-03-06",
        "2027-03-07",
        "2027-03-13",
    ]
    assert prices() == [5_000]


def test_does_the_oldest_first_so_that_the_last_job_counts() -> None:
    add_job(price=2, overwrite=True)
    add_job(price=1, overwrite=True, created_at=clock.now() - timedelta(minutes=1))

    ended = night_jobs.work_on_jobs()

    assert ended == 2
    assert prices() == [2]


def test_does_a_job_once() -> None:
    job = add_job()
    night_jobs.work_on_jobs()
    collection("nights").delete_many({})

    assert night_jobs.work_on_jobs() == 0
    assert stored(job)["state"] == "done"
    assert prices() == []


def test_tells_how_far_it_is(monkeypatch: Patch) -> None:
    job = add_job()
    seen: list[tuple[str, int, int]] = []

    def look() -> None:
        found = stored(job)
        seen.append((found["state"], found["done"], found["total"]))

    while_writing(monkeypatch, look, look)

    night_jobs.work_on_jobs()

    assert seen == [("running", 0, 14), ("running", 7, 14)]


def test_keeps_other_workers_from_its_job_and_from_later_ones(monkeypatch: Patch) -> None:
    add_job(price=1, overwrite=True)
    add_job(price=2, overwrite=True)
    other: list[int] = []
    while_writing(monkeypatch, lambda: other.append(night_jobs.work_on_jobs()))

    ended = night_jobs.work_on_jobs()

    assert (ended, other) == (2, [0])
    assert prices() == [2]


def test_renews_its_lease_as_it_goes(monkeypatch: Patch) -> None:
    job = add_job()
    leases = []
    while_writing(
        monkeypatch,
        # As if the first category took nearly the whole lease.
        lambda: collection("nights_jobs").update_one(
            {"_id": job.pk}, [{"$set": {"lease_until": {"$add": ["$$NOW", 10]}}}]
        ),
        lambda: leases.append(stored(job)["lease_until"]),
    )

    night_jobs.work_on_jobs()

    assert leases[0] > clock.now() + timedelta(milliseconds=night_jobs.LEASE_MS - 5_000)


def test_takes_up_the_job_of_a_killed_worker_after_its_lease() -> None:
    job = add_job()
    program = """
import django, os
django.setup()
from bookings.catalogue import night_jobs, nights
write = nights._write_nights
def write_one_and_die(category, *arguments, **options):
    if category == "chalet_suite":
        os.kill(os.getpid(), 9)
    return write(category, *arguments, **options)
nights._write_nights = write_one_and_die
night_jobs.work_on_jobs()
"""
    environment = {**os.environ, "DJANGO_SETTINGS_MODULE": "tests.settings"}
    killed = subprocess.run([sys.executable, "-c", program], env=environment, cwd=ROOT, timeout=60)
    left = stored(job)

    too_early = night_jobs.work_on_jobs()
    let_lease_end(job)
    ended = night_jobs.work_on_jobs()

    assert killed.returncode == -signal.SIGKILL
    assert (left["state"], left["done"]) == ("running", 7)
    assert (too_early, ended) == (0, 1)
    assert (stored(job)["state"], stored(job)["done"]) == ("done", 14)
    assert stored(job)["started_at"] == left["started_at"]
    assert collection("nights").count_documents({}) == 14


def test_writes_nothing_more_once_another_worker_took_its_job(monkeypatch: Patch) -> None:
    first = add_job(price=1, overwrite=True)
    add_job(price=2, overwrite=True)
    other: list[int] = []

    def lose_the_job() -> None:
        let_lease_end(first)
        other.append(night_jobs.work_on_jobs())
        collection("nights").update_many({"category_id": "chalet_suite"}, {"$set": {"price": 3}})

    # The loser is between the two categories: it may no longer write the second.
    while_writing(monkeypatch, lambda: None, lose_the_job)

    ended = night_jobs.work_on_jobs()

    assert (ended, other) == (0, [2])
    assert states() == ["done", "done"]
    assert prices() == [2, 3]


def test_goes_on_if_its_lease_ran_out_and_nobody_took_the_job(monkeypatch: Patch) -> None:
    job = add_job()
    while_writing(monkeypatch, lambda: let_lease_end(job))

    assert night_jobs.work_on_jobs() == 1
    assert collection("nights").count_documents({}) == 14


def test_stops_when_its_job_is_deleted(monkeypatch: Patch) -> None:
    job = add_job()
    while_writing(monkeypatch, job.delete)

    assert night_jobs.work_on_jobs() == 0
    assert prices() == []
    assert not NightsJob.objects.exists()


def test_gives_each_job_to_one_of_many_workers(monkeypatch: Patch) -> None:
    for number in range(6):
        add_job(price=number, overwrite=True)
    generate, done = nights.generate_nights, []

    def generate_and_count(**wish: Any) -> Any:
        done.append(wish["price"])
        return generate(**wish)

    monkeypatch.setattr(nights, "generate_nights", generate_and_count)
    barrier = threading.Barrier(4)

    def work() -> None:
        barrier.wait()
        while "waiting" in states():
            night_jobs.work_on_jobs()

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert done == list(range(6))
    assert set(states()) == {"done"}
    assert prices() == [5]


def test_says_why_it_failed_and_goes_on_with_the_next() -> None:
    job = add_job(end="2027-02-01")
    add_job()

    ended = night_jobs.work_on_jobs()

    assert ended == 2
    assert states() == ["failed", "done"]
    assert stored(job)["error"] == "Choose an end that is not before the start."


def test_fails_at_a_surprise_rather_than_trying_for_ever() -> None:
    job = add_job(start="no date")

    assert night_jobs.work_on_jobs() == 1
    assert stored(job)["state"] == "failed"
    assert stored(job)["error"] == "Something went wrong; see the worker's log."


def test_leaves_the_job_to_the_next_worker_when_mongodb_fails(monkeypatch: Patch) -> None:
    job = add_job()

    def fail() -> None:
        raise AutoReconnect("the primary is gone")

    while_writing(monkeypatch, fail)

    with pytest.raises(AutoReconnect):
        night_jobs.work_on_jobs()
    left = stored(job)["state"]
    let_lease_end(job)
    ended = night_jobs.work_on_jobs()

    assert (left, ended, stored(job)["state"]) == ("running", 1, "done")


def test_outlives_the_account_of_who_asked() -> None:
    user = User.objects.create_user("leaver")
    job = add_job(requested_by=user)

    user.delete()

    assert stored(job)["requested_by_id"] is None


def test_goes_with_its_hotel() -> None:
    hotel = Hotel.objects.create(id="chalet_2", code="CHALET2", name="Second")
    add_job(hotel_id="chalet_2")

    hotel.delete()

    assert not NightsJob.objects.exists()


def test_is_on_the_schedule() -> None:
    app.loader.import_default_modules()
    scheduled = {entry["task"] for entry in app.conf.beat_schedule.values()}

    assert "bookings.generate_nights" in scheduled
    assert scheduled <= set(app.tasks)
