"""Schedules of tries: how MongoDB computes them, and how long a run starts new work."""

from typing import Any

import pytest

from bookings.infrastructure.connections import database
from bookings.infrastructure.queues import failed_work, single_run
from bookings.infrastructure.queues.retries import Schedule, counted
from bookings.news import deliveries
from bookings.news.webhooks import backlog, endpoints, notes
from bookings.people import account_letters

pytestmark = pytest.mark.mongo


def evaluate(expression: Any, **document: Any) -> Any:
    pipeline = [{"$documents": [document]}, {"$project": {"result": expression}}]
    return next(iter(database().aggregate(pipeline))).get("result")


def waits_s(schedule: Schedule, *, failures: int) -> list[float]:
    wait_ms = schedule.wait_ms(earlier_failures="$failures")
    return [evaluate(wait_ms, failures=number) / 1000 for number in range(failures)]


def test_waits_twice_as_long_after_each_failure_up_to_the_longest_wait() -> None:
    schedule = Schedule(first_wait_ms=60_000, longest_wait_ms=300_000, max_tries=9)

    assert waits_s(schedule, failures=5) == [60, 120, 240, 300, 300]


def test_waits_the_same_each_time_if_the_first_wait_is_the_longest() -> None:
    schedule = Schedule(first_wait_ms=60_000, longest_wait_ms=60_000, max_tries=9)

    assert waits_s(schedule, failures=3) == [60, 60, 60]


def test_waits_for_a_whole_number_of_milliseconds_however_often_it_failed() -> None:
    schedule = Schedule(first_wait_ms=10_000, longest_wait_ms=3_600_000, max_tries=20)
    each = {"input": {"$range": [0, 2_000]}, "in": schedule.wait_ms(earlier_failures="$$this")}

    found = evaluate({"$map": each})

    assert found == [min(10_000 * 2**number, 3_600_000) for number in range(2_000)]
    assert {type(wait_ms) for wait_ms in found} == {int}


@pytest.mark.parametrize(("failures", "is_spent"), [(2, False), (3, True), (4, True)])
def test_gives_up_after_its_last_try_in_a_pipeline_as_in_python(
    failures: int, is_spent: bool
) -> None:
    schedule = Schedule(first_wait_ms=1_000, longest_wait_ms=2_000, max_tries=3)

    assert evaluate(schedule.is_spent("$failures"), failures=failures) is is_spent
    assert schedule.is_last(failures) is is_spent


@pytest.mark.parametrize(
    ("stored", "number"),
    [
        ({"tries": 3}, 3),
        ({"tries": 2**40}, 2**40),
        ({"tries": "3"}, 0),
        ({"tries": None}, 0),
        ({}, 0),
    ],
)
def test_counts_what_is_damaged_or_missing_as_nothing(stored: dict[str, Any], number: int) -> None:
    assert evaluate(counted("$tries"), **stored) == number


@pytest.mark.parametrize(("first", "longest", "tries"), [(0, 1, 1), (2, 1, 1), (1, 1, 0)])
def test_refuses_a_schedule_that_never_waits_or_never_tries(
    first: int, longest: int, tries: int
) -> None:
    with pytest.raises(ValueError, match=r"\.$"):
        Schedule(first_wait_ms=first, longest_wait_ms=longest, max_tries=tries)


@pytest.mark.parametrize(
    ("schedule", "figures"),
    [
        (account_letters.RETRIES, (60_000, 7_680_000, 8)),
        (notes.RETRIES, (60_000, 7_680_000, 8)),
        (deliveries.RETRIES, (60_000, 3_600_000, 30)),
        (backlog.RETRIES, (60_000, 3_600_000, 25)),
        (endpoints.RETRIES, (10_000, 3_600_000, 20)),
        (failed_work.RETRIES, (3_600_000, 3_600_000, 24)),
    ],
    ids=["letters", "notes", "deliveries", "backlog", "endpoints", "failed_work"],
)
def test_gives_each_queue_its_own_figures(
    schedule: Schedule, figures: tuple[int, int, int]
) -> None:
    assert schedule == Schedule(*figures)


def test_begins_new_work_in_a_run_until_its_time_is_up(monkeypatch: pytest.MonkeyPatch) -> None:
    assert not single_run.RunTime().is_up
    assert single_run.RunTime(0.0).is_up

    monkeypatch.setattr(single_run, "RUN_LIMIT_S", 0.0)

    assert single_run.RunTime().is_up
