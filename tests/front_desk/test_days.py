"""The figures of a hotel's day, and the holds that are about to run out."""

from __future__ import annotations

from datetime import date, timedelta
from typing import Any

import pytest
from django.contrib.auth.models import User

from bookings.catalogue import inventory
from bookings.front_desk import days
from bookings.front_desk.days import DayFigures
from bookings.infrastructure import clock
from bookings.infrastructure.connections import collection
from bookings.models import Room
from tests.admin.test_blocks import block
from tests.calls import book
from tests.conftest import night

pytestmark = [pytest.mark.mongo, pytest.mark.usefixtures("inn")]

TODAY = date.fromisoformat(night(20))


def figures(day: date = TODAY, *, days_later: int = 0) -> DayFigures:
    hotel = inventory.find_hotel("inn")
    assert hotel is not None
    return days.count_day(hotel, day, clock.now() + timedelta(days=days_later))


def stay(room: str, first: int, end: int, *, presence: str = "expected", **more: Any) -> str:
    dates = {"checkIn": night(20 + first), "checkOut": night(20 + end)}
    made = book(f"{room}{first}", resourceId=f"inn_{room}", **dates, **more)
    reference: str = made.content["booking"]["reference"]
    if presence != "expected":
        collection("bookings").update_one(
            {"reference": reference}, {"$set": {"presence": presence}}
        )
    return reference


def test_counts_an_empty_house() -> None:
    assert figures() == DayFigures(0, 0, 0, 0, 0, 0, rooms=5, sold=0, free=5)


def test_counts_who_came_who_left_and_who_is_there() -> None:
    stay("A", -1, 2)
    stay("B", 0, 1, presence="checked_in")
    stay("C", -2, 0, presence="checked_out")
    stay("C", 0, 1)
    stay("S", -3, 1, presence="checked_in")

    found = figures()

    assert (found.arrived, found.arrivals) == (1, 2)
    assert (found.departed, found.departures) == (1, 1)
    assert (found.in_house, found.overdue) == (2, 0)
    assert figures(days_later=20).overdue == 1
    assert (found.sold, found.rooms, found.free) == (4, 5, 1)
    assert found.percent_sold == 80


def test_counts_no_no_show_among_arrivals() -> None:
    stay("A", 0, 1, presence="no_show")

    assert (figures().arrivals, figures().arrived) == (0, 0)


def test_counts_a_hold_as_neither_sold_nor_free_and_a_dead_one_as_free() -> None:
    stay("A", 0, 1, hold=True)
    reference = stay("B", 0, 1, hold=True)
    collection("bookings").update_one(
        {"reference": reference}, [{"$set": {"expires_at": {"$subtract": ["$$NOW", 1_000]}}}]
    )

    assert (figures().sold, figures().free) == (0, 4)


def test_counts_rooms_for_sale_alone_and_no_blocked_one() -> None:
    staff = User.objects.create_superuser("staff")
    block(staff, "inn_S")
    Room.objects.filter(pk="inn_A").update(is_sold=False)
    blocked = figures(date.fromisoformat(night(10)))

    assert (blocked.rooms, blocked.free) == (3, 3)
    assert (figures().rooms, figures().free) == (4, 4)


def test_counts_none_in_percent_of_no_rooms() -> None:
    Room.objects.filter(pk__startswith="inn").update(is_sold=False)

    assert figures().percent_sold == 0


def test_names_the_holds_that_run_out_soon_the_next_one_first() -> None:
    references = [stay(room, 0, 1, hold=True, guest={"name": room}) for room in "ABCS"]
    demo = book("demo", hold=True).content["booking"]["reference"]
    for reference, seconds in zip([*references, demo], (200, 100, 600, -5, 150), strict=True):
        collection("bookings").update_one(
            {"reference": reference},
            [{"$set": {"expires_at": {"$add": ["$$NOW", seconds * 1000]}}}],
        )
    now = clock.now()

    found = days.list_ending_holds(now, only=None, limit=5)

    assert [hold.reference for hold in found] == [references[1], demo, references[0]]
    assert found[0].guest_name == "B"
    assert timedelta(seconds=90) < found[0].expires_at - now < timedelta(seconds=101)
    own = days.list_ending_holds(now, only=frozenset({"inn"}), limit=5)
    assert [hold.reference for hold in own] == [references[1], references[0]]
    assert [hold.reference for hold in days.list_ending_holds(now, only=None, limit=1)] == [
        references[1]
    ]
