"""Undo of a change of nights: it puts back what still is as the change left it, once."""

from __future__ import annotations

import threading
from collections.abc import Callable
from datetime import date
from typing import Any

import pytest
from bson import ObjectId
from pymongo.errors import OperationFailure

from bookings.catalogue import night_jobs, night_undo, nights
from bookings.catalogue.night_changes import Wish, plan_change
from bookings.catalogue.night_undo import Undone, find_last_change, undo_change
from bookings.catalogue.nights import WEEKDAYS, NightRow, set_nights
from bookings.infrastructure.connections import collection
from bookings.models import Hotel
from bookings.refusals import ValidationFailed
from tests.conftest import night
from tests.hotels import put_night

pytestmark = pytest.mark.mongo

Patch = pytest.MonkeyPatch

DAY, NEXT_DAY = night(30), night(31)
ANNA, BEN = 101, 102


@pytest.fixture(autouse=True)
def use_chalet(chalet: Hotel) -> None:
    """Every change here is about the chalet's nights."""


def add_change(wish: Wish, *, by: int = ANNA, last: str = NEXT_DAY) -> str:
    """Adds the job for the attic's two nights."""
    rows = plan_change(
        hotel_id="chalet",
        category_ids=["chalet_attic"],
        first=date.fromisoformat(DAY),
        last=date.fromisoformat(last),
        weekdays=WEEKDAYS,
        wish=wish,
    ).rows
    change_id = ObjectId()
    night_jobs.add_job(
        job_id=change_id,
        kind=night_jobs.CHANGE,
        hotel_id="chalet",
        rows=rows,
        summary=f"Change by {by}",
        user_id=None,
        allow_free=True,
        also=lambda session: night_undo.remember_change(
            change_id=change_id,
            hotel_id="chalet",
            user_id=by,
            rows=rows,
            summary=f"Change by {by}",
            session=session,
        ),
    )
    return str(change_id)


def change(wish: Wish, *, by: int = ANNA, last: str = NEXT_DAY) -> str:
    change_id = add_change(wish, by=by, last=last)
    night_jobs.work_on_jobs()
    return change_id


def undo(change_id: str, *, by: int = ANNA, hotel: str = "chalet") -> Undone:
    return undo_change(change_id=change_id, hotel_id=hotel, user_id=by)


def last(by: int = ANNA) -> tuple[str, bool] | None:
    found = find_last_change(hotel_id="chalet", user_id=by)
    return (found.id, found.is_undone) if found else None


def there() -> list[dict[str, Any]]:
    return list(collection("nights").find().sort("_id"))


def result(undone: Undone) -> tuple[int, int, bool]:
    return undone.restored, undone.kept, undone.is_new


def test_puts_nights_back_and_deletes_those_that_the_change_made() -> None:
    put_night("chalet_attic", DAY, price=9_000, min_stay=3)
    before = there()
    change_id = change(Wish(price=9_900, is_closed=True))
    between = len(there())

    undone = undo(change_id)

    assert result(undone) == (2, 0, True)
    assert (between, there()) == (2, before)


def test_leaves_and_names_a_night_that_was_changed_since() -> None:
    put_night("chalet_attic", DAY, price=9_000)
    put_night("chalet_attic", NEXT_DAY, price=9_000)
    change_id = change(Wish(price=9_900))
    change(Wish(price=7_000), by=BEN, last=DAY)

    undone = undo(change_id)

    assert result(undone) == (1, 1, True)
    assert undone.kept_nights == (("chalet_attic", DAY),)
    assert [found["price"] for found in there()] == [7_000, 9_000]


def test_leaves_a_new_night_that_was_restricted_since() -> None:
    change_id = change(Wish(price=9_900))
    change(Wish(min_stay=4), by=BEN, last=DAY)

    undone = undo(change_id)

    assert result(undone) == (1, 1, True)
    assert [(found["date"], found["price"], found["min_stay"]) for found in there()] == [
        (DAY, 9_900, 4)
    ]


def test_leaves_what_others_set_besides_on_a_night_that_it_puts_back() -> None:
    put_night("chalet_attic", DAY, price=9_000)
    change_id = change(Wish(price=9_900), last=DAY)
    change(Wish(min_stay=4), by=BEN, last=DAY)

    assert result(undo(change_id)) == (1, 0, True)
    assert [(found["price"], found["min_stay"]) for found in there()] == [(9_000, 4)]


def test_makes_no_night_again_that_was_deleted_since() -> None:
    put_night("chalet_attic", DAY, price=9_000)
    change_id = change(Wish(price=9_900), last=DAY)
    collection("nights").delete_many({})

    assert result(undo(change_id)) == (0, 1, True)
    assert there() == []


def test_is_done_once_if_asked_for_twice() -> None:
    put_night("chalet_attic", DAY, price=9_000)
    change_id = change(Wish(price=9_900), last=DAY)
    undo(change_id)
    # As the change left it: a second undo would take it for the change's own.
    collection("nights").update_one({}, {"$set": {"price": 9_900}})

    again = undo(change_id)

    assert result(again) == (1, 0, False)
    assert there()[0]["price"] == 9_900


def test_is_done_once_by_people_who_press_at_once(monkeypatch: Patch) -> None:
    monkeypatch.setattr(night_undo, "ROWS_A_BATCH", 1)
    for day in (DAY, NEXT_DAY):
        put_night("chalet_attic", day, price=9_000)
    change_id = change(Wish(price=9_900))
    barrier = threading.Barrier(6)
    results: list[Undone] = []

    def press() -> None:
        barrier.wait()
        results.append(undo(change_id))

    threads = [threading.Thread(target=press) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert sorted(result(found) for found in results) == [(2, 0, False)] * 5 + [(2, 0, True)]
    assert [found["price"] for found in there()] == [9_000, 9_000]


def test_goes_on_after_a_crash_and_puts_nothing_back_twice(monkeypatch: Patch) -> None:
    monkeypatch.setattr(night_undo, "ROWS_A_BATCH", 1)
    for day in (DAY, NEXT_DAY):
        put_night("chalet_attic", day, price=9_000)
    change_id = change(Wish(price=9_900))
    put_back = night_undo._put_back

    def crash(rows: list[NightRow], session: Any) -> list[NightRow]:
        if rows[0].day == NEXT_DAY:
            raise RuntimeError("killed")
        return put_back(rows, session)

    monkeypatch.setattr(night_undo, "_put_back", crash)
    with pytest.raises(RuntimeError):
        undo(change_id)
    between = [found["price"] for found in there()]
    collection("nights").update_one({"date": DAY}, {"$set": {"price": 9_900}})
    monkeypatch.setattr(night_undo, "_put_back", put_back)

    undone = undo(change_id)

    assert between == [9_000, 9_900]
    assert result(undone) == (2, 0, True)
    assert [found["price"] for found in there()] == [9_900, 9_000]


def test_counts_no_night_as_put_back_before_that_is_committed(monkeypatch: Patch) -> None:
    put_night("chalet_attic", DAY, price=9_000)
    change_id = change(Wish(price=9_900), last=DAY)
    undo_batch = night_undo._undo_batch

    def crash(*arguments: Any) -> Any:
        undo_batch(*arguments)
        raise RuntimeError("killed")

    monkeypatch.setattr(night_undo, "_undo_batch", crash)
    with pytest.raises(RuntimeError):
        undo(change_id)
    monkeypatch.setattr(night_undo, "_undo_batch", undo_batch)

    assert result(undo(change_id)) == (1, 0, True)
    assert there()[0]["price"] == 9_000


def test_keeps_a_change_that_comes_between_its_look_and_its_write(monkeypatch: Patch) -> None:
    put_night("chalet_attic", DAY, price=9_000)
    change_id = change(Wish(price=9_900), last=DAY)
    is_as_left, others = night_undo._is_as_left, [7_000]

    def look(row: NightRow, found: Any) -> bool:
        answer = is_as_left(row, found)
        if others:
            collection("nights").update_one({}, {"$set": {"price": others.pop()}})
        return answer

    monkeypatch.setattr(night_undo, "_is_as_left", look)

    assert result(undo(change_id)) == (0, 1, True)
    assert there()[0]["price"] == 7_000


def test_keeps_what_a_job_has_written_that_runs_at_the_same_time(monkeypatch: Patch) -> None:
    """The job is between its batches: the one night is written, and the other not yet."""
    monkeypatch.setattr(nights, "ROWS_A_BATCH", 1)
    for day in (DAY, NEXT_DAY):
        put_night("chalet_attic", day, price=9_000)
    change_id = change(Wish(price=9_900))
    rows = [NightRow("chalet_attic", day, {"price": 5_000}, 8_000) for day in (DAY, NEXT_DAY)]
    undone: list[Undone] = []
    in_transaction = nights._in_transaction

    def undo_after_the_first(write: Any) -> Any:
        progress = in_transaction(write)
        if not undone:
            undone.append(undo(change_id))
        return progress

    monkeypatch.setattr(nights, "_in_transaction", undo_after_the_first)
    set_nights(rows)

    assert [(found.restored, found.kept_nights) for found in undone] == [
        (1, (("chalet_attic", DAY),))
    ]
    # An import sets its nights whatever they are by then.
    assert [found["price"] for found in there()] == [5_000, 5_000]


def test_lets_a_change_that_waits_see_that_its_nights_were_put_back() -> None:
    put_night("chalet_attic", DAY, price=9_000)
    first = change(Wish(price=9_900), last=DAY)
    waiting = add_change(Wish(price=10_900), by=BEN, last=DAY)

    undo(first)
    night_jobs.work_on_jobs()

    assert collection("nights_jobs").find_one({"_id": ObjectId(waiting)})["state"] == "failed"
    assert there()[0]["price"] == 9_000
    assert last(BEN) is None


@pytest.mark.parametrize("whose", [{"by": BEN}, {"hotel": "demo"}])
def test_knows_no_change_of_others(whose: Any) -> None:
    change_id = change(Wish(price=9_900))

    with pytest.raises(ValidationFailed, match="no longer"):
        undo(change_id, **whose)
    assert len(there()) == 2


@pytest.mark.parametrize("change_id", ["", "mine", "6b0d7e17" * 3])
def test_knows_no_change_that_was_never_made(change_id: str) -> None:
    with pytest.raises(ValidationFailed, match="no longer"):
        undo(change_id)


def test_undoes_nothing_that_a_worker_has_not_made_yet() -> None:
    put_night("chalet_attic", DAY, price=9_900)
    change_id = add_change(Wish(price=5_000, min_stay=2), last=DAY)
    collection("nights").update_one({}, {"$set": {"price": 5_000, "min_stay": 2}})

    with pytest.raises(ValidationFailed, match="not been made yet"):
        undo(change_id)
    assert there()[0]["price"] == 5_000


def test_offers_the_newest_change_that_was_made() -> None:
    first = change(Wish(price=9_900))
    change(Wish(price=9_000), by=BEN)
    second = change(Wish(price=8_500))
    add_change(Wish(price=8_400))

    offered = last()
    undo(second)

    assert offered == (second, False)
    assert last() == (second, True)
    assert first != second


def test_offers_nothing_that_was_refused() -> None:
    put_night("chalet_attic", DAY, price=9_900)
    add_change(Wish(price=5_000), last=DAY)
    collection("nights").update_one({}, {"$set": {"price": 1}})
    night_jobs.work_on_jobs()

    assert last() is None


def test_keeps_only_the_newest_changes_of_a_person() -> None:
    change(Wish(price=1_000), by=BEN)
    made = [change(Wish(price=price)) for price in range(2_000, 2_007)]

    kept = [str(found["_id"]) for found in collection("night_changes").find({"user_id": ANNA})]

    assert sorted(kept) == sorted(made[-night_undo.KEPT_CHANGES :])
    assert last(BEN) is not None


def test_remembers_no_change_that_is_too_large(monkeypatch: Patch) -> None:
    monkeypatch.setattr(night_undo, "MAX_ROWS_TO_UNDO", 1)

    change(Wish(price=9_900))

    assert last() is None


def test_remembers_nothing_of_a_job_that_is_there_already() -> None:
    change_id = ObjectId(change(Wish(price=9_900)))
    collection("night_changes").delete_many({})
    remembered: list[bool] = []

    is_new = night_jobs.add_job(
        job_id=change_id,
        kind=night_jobs.CHANGE,
        hotel_id="chalet",
        rows=[NightRow("chalet_attic", DAY, {"price": 1}, 8_000, {"price": 9_900})],
        summary="",
        user_id=None,
        also=lambda _: remembered.append(True),
    )

    assert (is_new, remembered) == (False, [])


def test_announces_that_prices_have_changed(monkeypatch: Patch) -> None:
    change_id = change(Wish(price=9_900))
    told: list[bool] = []
    monkeypatch.setattr(night_undo, "announce_change", lambda: told.append(True))

    undo(change_id)

    assert told == [True]


def test_is_forgotten_after_a_day() -> None:
    indexes = collection("night_changes").index_information()

    assert indexes["forgotten_later"]["expireAfterSeconds"] == 24 * 60 * 60


# --- Only what the change wrote -----------------------------------------------------------------


def two_nights() -> None:
    for day in (DAY, NEXT_DAY):
        put_night("chalet_attic", day, price=9_000)


def prices() -> list[int]:
    return [found["price"] for found in there()]


def change_after(monkeypatch: Patch, colleague: Callable[[list[NightRow]], object]) -> str:
    """A colleague acts between the judging of the job and its first write."""
    write = nights.set_nights

    def write_late(rows: list[NightRow], **options: Any) -> Any:
        colleague(rows)
        return write(rows, **options)

    with monkeypatch.context() as patched:
        patched.setattr(nights, "set_nights", write_late)
        return change(Wish(price=12_000))


def test_leaves_what_a_job_that_failed_never_reached(monkeypatch: Patch) -> None:
    """The job fails after its first night. A colleague sets the second to the same price."""
    two_nights()
    write, calls = nights._write_rows, []

    def fail_at_second(*arguments: Any) -> Any:
        calls.append(1)
        if len(calls) == 2:
            raise RuntimeError("a worker's fault")
        return write(*arguments)

    monkeypatch.setattr(nights, "ROWS_A_BATCH", 1)
    monkeypatch.setattr(nights, "_write_rows", fail_at_second)
    change_id = change(Wish(price=12_000))
    between = prices()
    collection("nights").update_one({"date": NEXT_DAY}, {"$set": {"price": 12_000}})

    assert result(undo(change_id)) == (1, 0, True)
    assert (between, prices()) == ([12_000, 9_000], [9_000, 12_000])


def test_leaves_a_price_that_a_colleague_had_set_first(monkeypatch: Patch) -> None:
    two_nights()
    change_id = change_after(
        monkeypatch,
        lambda _: collection("nights").update_one({"date": NEXT_DAY}, {"$set": {"price": 12_000}}),
    )

    assert result(undo(change_id)) == (1, 0, True)
    assert prices() == [9_000, 12_000]


def test_deletes_no_night_that_a_colleague_had_made_first(monkeypatch: Patch) -> None:
    def make_first(rows: list[NightRow]) -> None:
        row = rows[0]
        made = {**nights.new_night(row.category, row.day, row.base_price), **row.values}
        collection("nights").insert_one(made)

    change_id = change_after(monkeypatch, make_first)

    assert result(undo(change_id)) == (1, 0, True)
    assert [found["date"] for found in there()] == [DAY]


def test_forgets_what_a_batch_wrote_that_was_not_committed(monkeypatch: Patch) -> None:
    """The transaction is run again, and finds that a colleague was quicker."""
    two_nights()
    record, calls = night_jobs._record_rows, []

    def conflict(*arguments: Any) -> None:
        record(*arguments)
        calls.append(1)
        if len(calls) == 1:
            error = OperationFailure("a write conflict", 112)
            error._add_error_label("TransientTransactionError")
            arguments[-1].abort_transaction()
            collection("nights").update_one({"date": NEXT_DAY}, {"$set": {"price": 12_000}})
            raise error

    monkeypatch.setattr(night_jobs, "_record_rows", conflict)
    change_id = change(Wish(price=12_000))

    assert result(undo(change_id)) == (1, 0, True)
    assert (len(calls), prices()) == (2, [9_000, 12_000])
