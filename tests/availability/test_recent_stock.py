"""A booking is quoted from what the process read in the last two seconds, never from two looks."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date, timedelta

import pytest

from bookings.availability import stock
from bookings.availability.stock import recent_category_stock, recent_room_stock
from bookings.infrastructure import recent_reads
from bookings.infrastructure.connections import collection
from bookings.models import Hotel, Room
from tests.announced import announced
from tests.conftest import night
from tests.hotels import put_night
from tests.site import Site

pytestmark = pytest.mark.mongo

Patch = pytest.MonkeyPatch

FIRST = (date.fromisoformat(night()).replace(day=1) + timedelta(days=31)).replace(day=1)
NEXT_MONTH = (FIRST + timedelta(days=31)).replace(day=1)


@pytest.fixture
def unannounced(inn: None, monkeypatch: Patch) -> Iterator[None]:
    """Changes are announced to no one, as if Redis were away."""
    monkeypatch.setattr(recent_reads, "announce_change", lambda: None)
    yield
    announced.unannounced()


def test_reads_a_category_once_for_all_its_rooms(unannounced: None) -> None:
    first = recent_room_stock("inn_A", FIRST, FIRST + timedelta(days=1))
    collection("rooms").update_one({"_id": "inn_B"}, {"$set": {"name": "Other"}})
    second = recent_room_stock("inn_B", FIRST, FIRST + timedelta(days=1))

    assert first
    assert second
    assert second.rooms[0].name != "Other"
    assert (first.hotel, first.calendar) == (second.hotel, second.calendar)


def test_sells_no_room_that_is_not_for_sale(inn: None) -> None:
    assert recent_room_stock("inn_A", FIRST, FIRST)
    Room.objects.filter(pk="inn_A").update(is_sold=False)
    try:
        assert recent_room_stock("inn_A", FIRST, FIRST) is None
        assert recent_room_stock("no_such_room", FIRST, FIRST) is None
    finally:
        Room.objects.filter(pk="inn_A").update(is_sold=True)


def test_sells_no_total_that_was_never_valid(unannounced: None) -> None:
    """Two months that were read at two moments have prices of two moments."""
    last = NEXT_MONTH - timedelta(days=1)
    for day in (last, NEXT_MONTH):
        put_night("inn_double", day.isoformat(), price=100)
    try:
        recent_category_stock(["inn_double"], FIRST, FIRST + timedelta(days=1))
        for day, price in ((last, 50), (NEXT_MONTH, 500)):
            collection("nights").update_one(
                {"_id": f"inn_double|{day}"}, {"$set": {"price": price}}
            )
        both = recent_room_stock("inn_A", last, NEXT_MONTH + timedelta(days=1))
    finally:
        collection("nights").delete_many({"category_id": "inn_double"})

    assert both
    assert [room.id for room in both.rooms] == ["inn_A"]
    amounts = both.calendar.amounts(last, NEXT_MONTH + timedelta(days=1))
    assert amounts
    assert [amount for _, amount in amounts] == [50, 500]


def test_keeps_the_day_on_which_a_stay_of_the_last_night_ends(unannounced: None) -> None:
    last = NEXT_MONTH - timedelta(days=1)
    put_night("inn_double", NEXT_MONTH.isoformat(), closed_to_departure=True)
    try:
        first = recent_room_stock("inn_A", last, NEXT_MONTH)
        collection("nights").delete_many({"category_id": "inn_double"})
        again = recent_room_stock("inn_A", last, NEXT_MONTH)
    finally:
        collection("nights").delete_many({"category_id": "inn_double"})

    assert first
    assert again
    assert first.calendar is not None
    assert first.calendar == again.calendar, "the second was read again"
    assert [each.code for each in again.obstacles(last, NEXT_MONTH, 1)] == ["CLOSED_TO_DEPARTURE"]


def test_reads_several_categories_at_once(unannounced: None) -> None:
    """Or a change of their hotel in between would make two hotels of it."""
    recent_category_stock(["inn_double"], FIRST, FIRST + timedelta(days=1))
    before = Hotel.objects.get(pk="inn").cancel_hours
    Hotel.objects.filter(pk="inn").update(cancel_hours=7)
    try:
        both = recent_category_stock(["inn_double", "inn_single"], FIRST, FIRST)
    finally:
        Hotel.objects.filter(pk="inn").update(cancel_hours=before)

    assert {stock.hotel.cancel_hours for stock in both.values()} == {7}


def test_keeps_nothing_of_a_category_that_does_not_exist(inn: None) -> None:
    recent_category_stock(["inn_double"], FIRST, FIRST)
    for each in range(20):
        assert recent_category_stock([f"none_{each}"], FIRST, FIRST) == {}

    assert set(stock._rooms_of._entries) == {"inn_double"}


def test_finds_every_night_of_a_stay_of_several_months(inn: None) -> None:
    found = recent_category_stock(["inn_double"], FIRST, NEXT_MONTH + timedelta(days=40))
    read = stock.read_category_stock(["inn_double"], FIRST, NEXT_MONTH + timedelta(days=40))

    nights = [FIRST, NEXT_MONTH, NEXT_MONTH + timedelta(days=40)]
    calendars = [found["inn_double"].calendar, read["inn_double"].calendar]
    assert len({tuple(each.night(day) for day in nights) for each in calendars}) == 1
    assert found["inn_double"].rooms == read["inn_double"].rooms


@pytest.mark.parametrize(
    "day", [date(1, 1, 1), date(1999, 1, 1), date(9998, 12, 30), date(9999, 12, 30)]
)
def test_keeps_nothing_of_days_that_no_one_may_book(inn: None, day: date) -> None:
    stock._months.drop()

    assert recent_room_stock("inn_A", day, day + timedelta(days=1))
    assert not stock._months._entries


@pytest.mark.site
def test_sells_at_a_new_price_in_every_process_at_once(site: Site) -> None:
    def price(each: int) -> int:
        made = site.book(f"key-{each}", resourceId="room_A", date=night(40 + each))
        total: int = made.json()["booking"]["price"]["total"]
        return total

    before = {price(each) for each in range(10)}
    collection("room_categories").update_one(
        {"_id": "demo_double"}, {"$set": {"default_price": 77_700}}
    )
    try:
        after = {price(each) for each in range(10, 20)}
    finally:
        collection("room_categories").update_one(
            {"_id": "demo_double"}, {"$set": {"default_price": 12_000}}
        )

    assert (before, after) == ({12_000}, {77_700})
