"""Jobs that are taken up again: work from before a worker was killed is not repeated."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Callable
from datetime import date
from decimal import Decimal
from typing import Any

import pytest
from bson import ObjectId
from pymongo.errors import AutoReconnect

from bookings.catalogue import night_jobs, nights
from bookings.catalogue.night_changes import Wish, plan_change
from bookings.catalogue.nights import WEEKDAYS, NightRow
from bookings.infrastructure import clock
from bookings.infrastructure.connections import collection
from bookings.models import Hotel, NightsJob
from tests.conftest import night
from tests.hotels import put_night
from tests.site import ROOT

pytestmark = pytest.mark.mongo

Patch = pytest.MonkeyPatch

DAY, NEXT_DAY = night(30), night(31)
FIRST, SECOND = f"chalet_attic|{DAY}", f"chalet_attic|{NEXT_DAY}"


@pytest.fixture(autouse=True)
def use_chalet(chalet: Hotel, monkeypatch: Patch) -> None:
    """Every job here is about the chalet's nights, one in each batch."""
    monkeypatch.setattr(nights, "ROWS_A_BATCH", 1)


def prices() -> dict[str, int]:
    return {found["_id"]: found["price"] for found in collection("nights").find().sort("_id")}


def add_job(rows: list[NightRow], kind: str) -> ObjectId:
    job_id = ObjectId()
    night_jobs.add_job(
        job_id=job_id, kind=kind, hotel_id="chalet", rows=rows, summary="", user_id=None
    )
    return job_id


def ten_percent_more() -> ObjectId:
    changes = plan_change(
        hotel_id="chalet",
        category_ids=["chalet_attic"],
        first=date.fromisoformat(DAY),
        last=date.fromisoformat(NEXT_DAY),
        weekdays=WEEKDAYS,
        wish=Wish(percent=Decimal(10)),
    )
    return add_job(changes.rows, night_jobs.CHANGE)


def an_import() -> ObjectId:
    rows = [NightRow("chalet_attic", day, {"price": 11_000}, 8_000) for day in (DAY, NEXT_DAY)]
    return add_job(rows, night_jobs.IMPORT)


def new_prices() -> ObjectId:
    """For the attic, and then the suite."""
    wish = {"start": DAY, "end": DAY, "weekdays": ",".join(WEEKDAYS), "price": 11_000}
    made = NightsJob.objects.create(
        hotel_id="chalet", overwrite=True, total=2, created_at=clock.now(), **wish
    )
    return made.pk


def kill_before_second(patch: Patch, job_id: ObjectId) -> None:
    """The job's worker is gone once the first batch, or category, is written."""
    with patch.context() as patched:
        for name in ("_write_rows", "_write_nights"):
            patched.setattr(nights, name, _second_fails(getattr(nights, name)))
        with pytest.raises(AutoReconnect):
            night_jobs.work_on_jobs()
    collection("nights_jobs").update_one(
        {"_id": job_id}, [{"$set": {"lease_until": {"$subtract": ["$$NOW", 1]}}}]
    )


def _second_fails(write: Callable[..., Any]) -> Callable[..., Any]:
    calls = []

    def write_once(*arguments: Any, **options: Any) -> Any:
        calls.append(1)
        if len(calls) > 1:
            raise AutoReconnect("the worker was killed")
        return write(*arguments, **options)

    return write_once


@pytest.mark.parametrize("give", [ten_percent_more, an_import, new_prices])
@pytest.mark.parametrize("by_hand", [10_000, 5])
def test_leaves_a_price_that_was_set_by_hand_after_it(
    monkeypatch: Patch, give: Callable[[], ObjectId], by_hand: int
) -> None:
    put_night("chalet_attic", DAY, price=10_000)
    job_id = give()
    kill_before_second(monkeypatch, job_id)
    between = prices()
    collection("nights").update_one({"_id": FIRST}, {"$set": {"price": by_hand}})

    night_jobs.work_on_jobs()

    found = NightsJob.objects.get(pk=job_id)
    assert between == {FIRST: 11_000}
    assert prices()[FIRST] == by_hand
    assert len(prices()) == 2
    assert (found.state, found.done, found.total) == ("done", 2, 2)


@pytest.mark.parametrize("give", [ten_percent_more, an_import, new_prices])
def test_makes_no_night_again_that_was_deleted_after_it(
    monkeypatch: Patch, give: Callable[[], ObjectId]
) -> None:
    job_id = give()
    kill_before_second(monkeypatch, job_id)
    collection("nights").delete_one({"_id": FIRST})

    night_jobs.work_on_jobs()

    assert FIRST not in prices()
    assert len(prices()) == 1
    assert NightsJob.objects.get(pk=job_id).state == "done"


def test_tells_what_was_refused_before_it_was_killed(monkeypatch: Patch) -> None:
    put_night("chalet_attic", DAY, price=10_000)
    job_id = ten_percent_more()
    judge = nights.judge_rows

    def change_then(*arguments: Any, **options: Any) -> None:
        judge(*arguments, **options)
        collection("nights").update_one({"_id": FIRST}, {"$set": {"price": 5}})

    monkeypatch.setattr(nights, "judge_rows", change_then)
    kill_before_second(monkeypatch, job_id)

    night_jobs.work_on_jobs()

    found = NightsJob.objects.get(pk=job_id)
    assert (found.state, found.done) == ("failed", 2)
    assert found.error.startswith("1 night was changed meanwhile and left as it is")


@pytest.mark.slow
@pytest.mark.parametrize("is_noted", [False, True])
def test_has_written_a_batch_whole_or_not_at_all(is_noted: bool) -> None:
    """Killed in the middle of a batch: its writes are not there, and not noted as done."""
    put_night("chalet_attic", DAY, price=10_000)
    put_night("chalet_attic", NEXT_DAY, price=20_000)
    job_id = ten_percent_more()
    program = f"""
import django, os
django.setup()
from bookings.catalogue import night_jobs
change = night_jobs._change
def die_after_the_nights(job, fields, *more):
    if fields.get("done") and {is_noted}:
        change(job, fields, *more)
    if fields.get("done"):
        os.kill(os.getpid(), 9)
    return change(job, fields, *more)
night_jobs._change = die_after_the_nights
night_jobs.work_on_jobs()
"""
    environment = {**os.environ, "DJANGO_SETTINGS_MODULE": "tests.settings"}
    killed = subprocess.run([sys.executable, "-c", program], env=environment, cwd=ROOT, timeout=60)
    between = prices()
    collection("nights_jobs").update_one(
        {"_id": job_id}, [{"$set": {"lease_until": {"$subtract": ["$$NOW", 1]}}}]
    )

    night_jobs.work_on_jobs()

    assert killed.returncode == -signal.SIGKILL
    assert between == {FIRST: 10_000, SECOND: 20_000}
    assert prices() == {FIRST: 11_000, SECOND: 22_000}
