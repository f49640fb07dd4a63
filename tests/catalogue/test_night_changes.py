"""Many nights at once: the result of a wish, and jobs that hold it until it is done."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import tracemalloc
from datetime import date, timedelta
from decimal import Decimal
from typing import Any

import pytest
from bson import ObjectId

from bookings.catalogue import night_jobs, nights
from bookings.catalogue.night_changes import ChangePlan, Wish, plan_change
from bookings.catalogue.nights import WEEKDAYS, NightRow, set_nights
from bookings.infrastructure import clock
from bookings.infrastructure.connections import collection
from bookings.models import Hotel, NightsJob, RoomCategory
from bookings.refusals import Fault, ValidationFailed
from tests.calls import book, stored
from tests.conftest import night
from tests.hotels import put_night
from tests.site import ROOT

pytestmark = pytest.mark.mongo

Patch = pytest.MonkeyPatch

DAY, NEXT_DAY = night(30), night(31)


@pytest.fixture(autouse=True)
def use_chalet(chalet: Hotel) -> None:
    """Every change here is about the chalet's nights."""


def plan(wish: Wish, **changes: Any) -> ChangePlan:
    """For two nights of the attic unless `changes` say otherwise."""
    asked: dict[str, Any] = {
        "hotel_id": "chalet",
        "category_ids": ["chalet_attic"],
        "first": date.fromisoformat(DAY),
        "last": date.fromisoformat(NEXT_DAY),
        "weekdays": WEEKDAYS,
        "wish": wish,
    }
    return plan_change(**{**asked, **changes})


def faults(wish: Wish, **changes: Any) -> list[Fault]:
    with pytest.raises(ValidationFailed) as caught:
        plan(wish, **changes)
    return caught.value.faults


def prices() -> dict[str, int]:
    return {found["_id"]: found["price"] for found in collection("nights").find()}


def add_job(rows: list[NightRow], job_id: ObjectId | None = None) -> ObjectId:
    job_id = job_id or ObjectId()
    night_jobs.add_job(
        job_id=job_id,
        kind=night_jobs.IMPORT,
        hotel_id="chalet",
        rows=rows,
        summary="A file",
        user_id=None,
    )
    return job_id


def job(job_id: ObjectId) -> NightsJob:
    return NightsJob.objects.get(pk=job_id)


def row(price: int, category: str = "chalet_attic", day: str = DAY) -> NightRow:
    return NightRow(category, day, {"price": price}, 8_000)


# --- The result of a wish -----------------------------------------------------------------------


def test_sets_what_is_wished_and_leaves_the_rest() -> None:
    put_night("chalet_attic", DAY, min_stay=3, closed_to_arrival=True)

    set_nights(plan(Wish(price=9_900, is_closed=True)).rows)

    old, new = collection("nights").find().sort("_id")
    assert old == {
        "_id": f"chalet_attic|{DAY}",
        "category_id": "chalet_attic",
        "date": DAY,
        "price": 9_900,
        "closed": True,
        "min_stay": 3,
        "closed_to_arrival": True,
        "closed_to_departure": False,
    }
    assert new == {**old, "_id": f"chalet_attic|{NEXT_DAY}", "date": NEXT_DAY} | {
        "min_stay": 1,
        "closed_to_arrival": False,
    }


def test_counts_what_changes_what_is_new_and_what_is_so_already() -> None:
    put_night("chalet_attic", DAY, price=9_900)
    put_night("chalet_suite", DAY, price=9_000)

    found = plan(Wish(price=9_900), category_ids=["chalet_attic", "chalet_suite"])

    assert (len(found.changes), found.new, found.same, found.missing) == (3, 2, 1, 0)


def test_makes_a_night_at_the_default_price_where_another_thing_is_set() -> None:
    set_nights(plan(Wish(min_stay=2)).rows)

    assert set(prices().values()) == {8_000}


def test_leaves_out_nights_that_are_not_for_sale_by_default() -> None:
    RoomCategory.objects.filter(id="chalet_attic").update(sell_by_default=False)
    put_night("chalet_attic", DAY)

    found = plan(Wish(price=1))

    assert (len(found.changes), found.missing) == (1, 1)


@pytest.mark.parametrize(
    ("percent", "price", "after"),
    [
        ("10", 12_345, 13_580),  # 13,579.5
        ("-10", 12_345, 11_111),  # 11,110.5
        ("0.01", 12_345, 12_346),
        ("33.33", 3, 4),
        ("-100", 12_345, 0),
        ("900", 1, 10),
    ],
)
def test_rounds_a_change_in_percent_half_up(percent: str, price: int, after: int) -> None:
    put_night("chalet_attic", DAY, price=price)

    set_nights(plan(Wish(percent=Decimal(percent)), last=date.fromisoformat(DAY)).rows)

    assert list(prices().values()) == [after]


def test_raises_prices_once_however_often_it_is_carried_out() -> None:
    put_night("chalet_attic", DAY, price=8_000)
    rows = plan(Wish(percent=Decimal(10))).rows

    set_nights(rows)
    again = set_nights(rows)

    assert set(prices().values()) == {8_800}
    assert (again.made, again.changed, again.left, again.refused) == (0, 0, 2, 0)


def test_takes_only_the_weekdays_that_are_chosen() -> None:
    week = date.fromisoformat(DAY)

    found = plan(Wish(price=1), last=week + timedelta(days=13), weekdays=["sat", "sun"])

    assert [change.day.weekday() for change in found.changes] in ([5, 6, 5, 6], [6, 5, 6, 5])


def test_changes_nothing_that_is_booked() -> None:
    book("frozen", resourceId="room_A", date=DAY)
    before = stored()

    set_nights(plan(Wish(percent=Decimal(50)), hotel_id="demo", category_ids=["demo_double"]).rows)

    assert stored() == before
    collection("nights").delete_many({})


def test_has_another_digest_when_anything_else_would_be_written() -> None:
    before = plan(Wish(percent=Decimal(10))).digest
    put_night("chalet_attic", DAY, price=8_000)

    assert plan(Wish(percent=Decimal(10))).digest == before
    collection("nights").update_one({}, {"$set": {"price": 8_100}})
    assert plan(Wish(percent=Decimal(10))).digest != before


@pytest.mark.parametrize(("amount", "after"), [(500, 9_500), (-500, 8_500), (-9_000, 0)])
def test_changes_a_price_by_an_amount(amount: int, after: int) -> None:
    put_night("chalet_attic", DAY, price=9_000)

    set_nights(plan(Wish(amount=amount), last=date.fromisoformat(DAY)).rows)

    assert list(prices().values()) == [after]


def test_refuses_to_lower_a_price_below_nothing() -> None:
    put_night("chalet_attic", DAY, price=400)

    (fault,) = faults(Wish(amount=-500))

    assert (fault.field, fault.message) == ("price", "A night cannot cost less than CHF\xa00.00.")


@pytest.mark.parametrize(
    ("wish", "changes", "field", "sentence"),
    [
        (Wish(), {}, "", "Choose something to set."),
        (Wish(price=1, percent=Decimal(1)), {}, "percent", "Give either a price or a change"),
        (Wish(amount=1, percent=Decimal(1)), {}, "percent", "Give either a price or a change"),
        (Wish(price=1, amount=1), {}, "percent", "Give either a price or a change"),
        (Wish(amount=1_000_000_001), {}, "price", "Give at most CHF\xa010,000,000.00."),
        (Wish(price=1_000_000_001), {}, "price", "Give at most CHF\xa010,000,000.00."),
        (Wish(percent=Decimal(901)), {}, "percent", "from -100 to 900 percent"),
        (Wish(percent=Decimal("-100.01")), {}, "percent", "from -100 to 900 percent"),
        (Wish(min_stay=91), {}, "min_stay", "from 1 to 90 nights"),
        (Wish(min_stay=0), {}, "min_stay", "from 1 to 90 nights"),
        (Wish(price=1), {"hotel_id": "nowhere"}, "hotel", "no such hotel"),
        (Wish(price=1), {"category_ids": []}, "categories", "Choose categories of this hotel."),
        (Wish(price=1), {"category_ids": ["demo_double"]}, "categories", "of this hotel"),
        (Wish(price=1), {"category_ids": ["chalet_attic", "x"]}, "categories", "of this hotel"),
        (Wish(price=1), {"first": date.fromisoformat(night(-2))}, "first", "from today on"),
        (Wish(price=1), {"last": date.fromisoformat(night(29))}, "last", "not before the first"),
        (Wish(price=1), {"last": date.fromisoformat(night(732))}, "last", "730 days ahead"),
        (Wish(price=1), {"weekdays": []}, "weekdays", "that occur between"),
    ],
)
def test_refuses_a_wish_with_a_fault(
    wish: Wish, changes: dict[str, Any], field: str, sentence: str
) -> None:
    (fault,) = faults(wish, **changes)

    assert fault.field == field
    assert sentence in fault.message


def test_makes_no_days_of_a_range_that_it_refuses() -> None:
    tracemalloc.start()
    try:
        found = faults(Wish(price=1), first=date.min, last=date(200, 1, 1))
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()

    assert [fault.field for fault in found] == ["first"]
    assert peak < 500_000


def test_refuses_a_price_that_no_night_can_have() -> None:
    put_night("chalet_attic", DAY, price=900_000_000)

    assert faults(Wish(percent=Decimal(20)))[0].field == "percent"


# --- Jobs ---------------------------------------------------------------------------------------


def test_does_a_small_job_at_once() -> None:
    job_id = add_job([row(1)])

    night_jobs.work_on_small(job_id)

    found = job(job_id)
    assert (found.state, found.done, found.total, found.rows) == ("done", 1, 1, None)
    assert (found.start, found.end, found.kind) == (DAY, DAY, "import")
    assert list(prices().values()) == [1]


def test_does_a_job_after_those_before_it_so_that_the_last_word_counts() -> None:
    first, second = add_job([row(1)]), add_job([row(2)])

    night_jobs.work_on_small(second)
    between = job(second).state
    night_jobs.work_on_jobs()

    assert between == "waiting"
    assert (job(first).state, job(second).state) == ("done", "done")
    assert list(prices().values()) == [2]


def test_is_added_once_under_one_id() -> None:
    job_id = add_job([row(1)])
    other_wish = [row(2)]

    is_new = night_jobs.add_job(
        job_id=job_id,
        kind=night_jobs.CHANGE,
        hotel_id="chalet",
        rows=other_wish,
        summary="",
        user_id=None,
    )
    night_jobs.work_on_jobs()

    assert not is_new
    assert list(prices().values()) == [1]


def test_is_added_once_by_forms_that_are_sent_at_once() -> None:
    job_id, barrier, made = ObjectId(), threading.Barrier(8), []

    def send() -> None:
        barrier.wait()
        made.append(
            night_jobs.add_job(
                job_id=job_id,
                kind=night_jobs.CHANGE,
                hotel_id="chalet",
                rows=[row(1)],
                summary="",
                user_id=None,
            )
        )
        night_jobs.work_on_small(job_id)

    threads = [threading.Thread(target=send) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert sorted(made) == [False] * 7 + [True]
    assert job(job_id).state == "done"


def test_writes_nothing_if_a_category_is_gone() -> None:
    job_id = add_job([row(1), row(1, "chalet_suite")])
    RoomCategory.objects.filter(id="chalet_suite").delete()

    night_jobs.work_on_jobs()

    found = job(job_id)
    assert found.state == "failed"
    assert found.error == (
        "The category chalet_suite no longer exists; no part of the job was written."
    )
    assert prices() == {}


def test_is_taken_up_again_when_its_worker_was_killed() -> None:
    rows = [row(number, day=night(number)) for number in range(1, 11)]
    job_id = add_job(rows)
    program = """
import django, os
django.setup()
from bookings.catalogue import night_jobs, nights
nights.ROWS_A_BATCH = 4
write = nights._write_rows
def write_two_and_die(batch, session):
    if batch[0].values["price"] == 9:
        os.kill(os.getpid(), 9)
    return write(batch, session)
nights._write_rows = write_two_and_die
night_jobs.work_on_jobs()
"""
    environment = {**os.environ, "DJANGO_SETTINGS_MODULE": "tests.settings"}
    killed = subprocess.run([sys.executable, "-c", program], env=environment, cwd=ROOT, timeout=60)
    left = job(job_id)

    collection("nights_jobs").update_one(
        {"_id": job_id}, [{"$set": {"lease_until": {"$subtract": ["$$NOW", 1]}}}]
    )
    night_jobs.work_on_jobs()

    assert killed.returncode == -signal.SIGKILL
    assert (left.state, left.done) == ("running", 8)
    assert (job(job_id).state, job(job_id).done) == ("done", 10)
    assert sorted(prices().values()) == list(range(1, 11))


def test_writes_nothing_more_once_another_worker_took_it(monkeypatch: Patch) -> None:
    monkeypatch.setattr(nights, "ROWS_A_BATCH", 1)
    job_id = add_job([row(1), row(1, day=NEXT_DAY)])
    write = nights._write_rows

    def lose_the_job(batch: Any, session: Any) -> tuple[int, int, int]:
        written = write(batch, session)
        if prices():
            collection("nights_jobs").update_one({"_id": job_id}, {"$set": {"taken_by": "other"}})
        return written

    monkeypatch.setattr(nights, "_write_rows", lose_the_job)

    assert night_jobs.work_on_jobs() == 0
    assert len(prices()) == 1


def test_sets_a_night_that_somebody_made_meanwhile(monkeypatch: Patch) -> None:
    make = nights.new_night

    def make_late(*arguments: Any) -> dict[str, Any]:
        monkeypatch.setattr(nights, "new_night", make)
        put_night("chalet_attic", DAY, price=5, min_stay=7)
        return make(*arguments)

    monkeypatch.setattr(nights, "new_night", make_late)

    set_nights([row(1), row(2, day=NEXT_DAY)])

    found = collection("nights").find_one({"date": DAY})
    assert found is not None
    assert (found["price"], found["min_stay"]) == (1, 7)


def raise_prices(night_is_there: bool = True) -> ObjectId:
    """Adds a job that raises two nights of the attic by 10 %; the first may be in the calendar."""
    if night_is_there:
        put_night("chalet_attic", DAY, price=10_000)
    return add_job(plan(Wish(percent=Decimal(10))).rows)


@pytest.mark.parametrize(
    "meanwhile",
    [
        lambda: set_nights([row(20_000)]),
        # As another job for 10 % more does: no one may hear that prices rose twice.
        lambda: set_nights([row(11_000)]),
        lambda: set_nights([row(8_000, day=NEXT_DAY)]),
        lambda: collection("nights").delete_one({"date": DAY}),
    ],
    ids=["another price", "the same price", "a new night", "a night less"],
)
def test_writes_nothing_if_a_night_was_changed_since_it_was_seen(meanwhile: Any) -> None:
    job_id = raise_prices()
    meanwhile()
    before = prices()

    night_jobs.work_on_jobs()

    found = job(job_id)
    assert (found.state, found.done) == ("failed", 0)
    assert found.error == (
        "1 night was changed meanwhile, so no part of the job was written; check the prices again."
    )
    assert prices() == before


def test_lets_two_jobs_set_different_things_of_one_night() -> None:
    job_id = raise_prices()
    set_nights([NightRow("chalet_attic", DAY, {"closed": True}, 8_000)])

    night_jobs.work_on_jobs()

    assert job(job_id).state == "done"
    assert sorted(prices().values()) == [8_800, 11_000]


@pytest.mark.parametrize("day", [DAY, NEXT_DAY])
def test_leaves_a_night_that_is_changed_while_it_writes(monkeypatch: Patch, day: str) -> None:
    job_id = raise_prices()
    write = nights._write_rows

    def write_late(rows: Any, session: Any) -> Any:
        set_nights_before([row(5, day=day)])
        return write(rows, session)

    def set_nights_before(rows: list[NightRow]) -> None:
        monkeypatch.setattr(nights, "_write_rows", write)
        set_nights(rows)

    monkeypatch.setattr(nights, "_write_rows", write_late)

    night_jobs.work_on_jobs()

    found = job(job_id)
    assert (found.state, found.done) == ("failed", 2)
    assert found.error == (
        "1 night was changed meanwhile and left as it is; the others are set. "
        "Check the prices again."
    )
    assert prices()[f"chalet_attic|{day}"] == 5
    assert 5 < sum(prices().values()) - 5 in (8_800, 11_000)


def test_leaves_a_night_that_changes_between_its_look_and_its_write(monkeypatch: Patch) -> None:
    job_id = raise_prices()
    group, others = nights._group_by_values, [5]

    def look_then(rows: Any) -> Any:
        if others:
            collection("nights").update_one({"date": DAY}, {"$set": {"price": others.pop()}})
        return group(rows)

    monkeypatch.setattr(nights, "_group_by_values", look_then)

    night_jobs.work_on_jobs()

    assert job(job_id).state == "failed"
    assert prices()[f"chalet_attic|{DAY}"] == 5


def test_keeps_what_an_import_before_it_sets() -> None:
    imported = add_job([row(20_000)])
    changed = raise_prices()

    night_jobs.work_on_jobs()

    assert (job(imported).state, job(changed).state) == ("done", "failed")
    assert list(prices().values()) == [20_000]


def test_is_refused_by_a_worker_that_knows_no_rows() -> None:
    """A worker of an earlier release reads the job like this, during an upgrade."""
    job_id = add_job([row(1)])
    collection("nights_jobs").update_one({"_id": job_id}, {"$unset": {"kind": 1}})

    night_jobs.work_on_jobs()

    assert job(job_id).state == "failed"
    assert prices() == {}


def test_does_a_job_of_an_earlier_release() -> None:
    collection("nights_jobs").insert_one(
        {
            "hotel_id": "chalet",
            "start": DAY,
            "end": DAY,
            "exclude_end": False,
            "price": 7,
            "weekdays": ",".join(WEEKDAYS),
            "overwrite": False,
            "state": "waiting",
            "lease_until": None,
            "created_at": clock.now(),
            "taken_by": "",
        }
    )

    night_jobs.work_on_jobs()

    assert list(prices().values()) == [7, 7]
