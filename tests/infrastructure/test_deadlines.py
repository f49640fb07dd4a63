"""The time that a request has left: one budget for MongoDB, a deadline for all."""

from __future__ import annotations

import time

import pytest
from pymongo.errors import PyMongoError

from bookings.infrastructure import deadlines
from bookings.infrastructure.connections import collection
from bookings.infrastructure.deadlines import Deadline, request_limits, with_new_budget
from bookings.refusals import TryAgain


def find_a_hotel() -> object:
    return collection("hotels").find_one({"_id": "none"})


def test_starts_nothing_more_when_its_time_is_up() -> None:
    Deadline.after(60).check()

    with pytest.raises(TryAgain):
        Deadline.after(0).check()


def test_gives_a_request_its_deadline(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(deadlines, "REQUEST_TIMEOUT_S", 0)

    with request_limits() as deadline, pytest.raises(TryAgain):
        deadline.check()


@pytest.mark.mongo
def test_has_one_budget_for_all_operations_unless_it_asks_for_a_new_one(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    find_a_hotel()  # connects
    monkeypatch.setattr(deadlines, "MONGODB_TIMEOUT_S", 0.3)

    with request_limits():
        time.sleep(0.35)  # the budget is used up
        with pytest.raises(PyMongoError) as caught:
            find_a_hotel()
        with pytest.raises(PyMongoError), request_limits():
            find_a_hotel()
        found = with_new_budget(find_a_hotel)

    assert caught.value.timeout
    assert found is None
