"""A hotel's offers for a stay: rooms left, prices, reasons, nearest dates, months."""

from __future__ import annotations

import os
from collections.abc import Callable
from datetime import date, timedelta
from typing import Any

import pytest
from pymongo import MongoClient

from bookings.availability import occupancy, search
from bookings.availability.search import CategoryStay
from bookings.infrastructure import connections
from bookings.refusals import ValidationFailed
from tests.calls import book, cancel, let_hold_end
from tests.conftest import night
from tests.hotels import put_night
from tests.stays.test_write import Commands

pytestmark = [pytest.mark.mongo, pytest.mark.usefixtures("inn")]


def day(days_ahead: int) -> date:
    return date.fromisoformat(night(days_ahead))


def look(first: int = 10, last: int = 12, guests: int = 1) -> dict[str, CategoryStay]:
    stays = search.find_stays(
        hotel_id="inn", check_in=day(first), check_out=day(last), guests=guests
    )
    return {stay.category.id: stay for stay in stays}


def reasons(stay: CategoryStay) -> list[tuple[str, list[date]]]:
    return [(obstacle.code, list(obstacle.days)) for obstacle in stay.obstacles]


def fill(room: str, first: int, last: int, **more: Any) -> Any:
    made = book(
        f"{room}-{first}", resourceId=room, checkIn=night(first), checkOut=night(last), **more
    )
    assert made.code is None
    return made


def test_counts_the_rooms_that_are_free_on_all_nights() -> None:
    fill("inn_A", 11, 12)
    fill("inn_B", 12, 13)

    double = look()["inn_double"]

    assert double.rooms_left == 2
    assert double.obstacles == ()
    assert double.nearest == ()


def test_prices_the_stay_by_night_and_in_total() -> None:
    put_night("inn_double", night(11), price=15_000)

    price = look()["inn_double"].price

    assert price is not None
    assert price.nights == ((day(10), 10_000), (day(11), 15_000))
    assert price.total == 25_000


def test_offers_what_booking_then_gives() -> None:
    fill("inn_A", 10, 12)
    fill("inn_B", 10, 12)
    offered = look()

    for category, stay in offered.items():
        made = book(
            category,
            categoryId=category,
            checkIn=night(10),
            checkOut=night(12),
            **({"quotedTotal": stay.price.total} if stay.price else {}),
        )
        assert (made.code is None) == (not stay.obstacles)
        if made.code is None and stay.price:
            assert made.content["booking"]["price"]["total"] == stay.price.total


def test_says_on_which_nights_it_is_sold_out() -> None:
    for room in ("inn_A", "inn_B", "inn_C"):
        fill(room, 11, 13)

    double = look(10, 14)["inn_double"]

    assert reasons(double) == [("SOLD_OUT", [day(11), day(12)])]
    assert f"{night(11)} to {night(12)}" in double.obstacles[0].message
    assert double.rooms_left == 0


def test_says_that_no_single_room_is_free_on_all_nights() -> None:
    fill("inn_A", 10, 11)
    fill("inn_B", 11, 12)
    fill("inn_C", 12, 13)

    double = look(10, 13)["inn_double"]

    assert reasons(double) == [("NO_SINGLE_ROOM", [])]
    assert double.nearest == (
        (day(10), day(12)),
        (day(9), day(12)),
        (day(11), day(14)),
    )


@pytest.mark.parametrize(
    ("on", "restriction", "code"),
    [
        (11, {"closed": True}, "CLOSED"),
        (10, {"min_stay": 3}, "MIN_STAY"),
        (10, {"closed_to_arrival": True}, "CLOSED_TO_ARRIVAL"),
        (12, {"closed_to_departure": True}, "CLOSED_TO_DEPARTURE"),
    ],
)
def test_says_what_the_calendar_forbids(on: int, restriction: dict[str, Any], code: str) -> None:
    put_night("inn_double", night(on), **restriction)

    double = look()["inn_double"]

    assert reasons(double) == [(code, [day(on)])]
    assert double.rooms_left == 3


@pytest.mark.parametrize(
    ("on", "restriction"),
    [
        (11, {"min_stay": 3}),
        (11, {"closed_to_arrival": True}),
        (11, {"closed_to_departure": True}),
        (12, {"closed": True}),
        (12, {"min_stay": 3, "closed_to_arrival": True}),
    ],
)
def test_binds_arrival_and_departure_on_their_own_days_only(
    on: int, restriction: dict[str, Any]
) -> None:
    put_night("inn_double", night(on), **restriction)

    assert look()["inn_double"].obstacles == ()


def test_sells_a_category_without_default_only_on_its_nights() -> None:
    put_night("inn_cabin", night(10))

    cabin = look()["inn_cabin"]

    assert reasons(cabin) == [("CLOSED", [day(11)])]
    assert cabin.price is None
    assert reasons(look(10, 11)["inn_cabin"]) == []


def test_offers_a_room_to_as_many_guests_as_fit() -> None:
    found = look(guests=2)

    assert reasons(found["inn_single"]) == [("TOO_MANY_GUESTS", [])]
    assert found["inn_single"].nearest == ()
    assert found["inn_double"].obstacles == ()


def test_names_the_nearest_dates_before_and_after() -> None:
    fill("inn_S", 8, 12)
    put_night("inn_single", night(14), closed_to_departure=True)

    single = look(10, 12)["inn_single"]

    # One night from the 12th on is nearer than two from the 13th, since no stay may end on the
    # 14th.
    assert single.nearest == (
        (day(12), day(13)),
        (day(12), day(15)),
        (day(13), day(15)),
        (day(6), day(8)),
    )


def test_names_a_longer_stay_where_the_minimum_asks_for_one() -> None:
    restrict("inn_single", range(30), min_stay=5)

    assert look(10, 12)["inn_single"].nearest == ((day(10), day(15)),)


def test_names_a_shorter_stay_where_the_last_nights_are_taken() -> None:
    fill("inn_S", 13, 17)

    assert look(10, 15)["inn_single"].nearest == (
        (day(10), day(13)),
        (day(8), day(13)),
        (day(17), day(22)),
    )


def test_names_no_stay_of_another_length_that_is_farther_than_one_as_long() -> None:
    fill("inn_S", 10, 11)

    assert look(10, 11)["inn_single"].nearest == ((day(9), day(10)), (day(11), day(12)))


def test_names_stays_of_at_most_a_week_more() -> None:
    restrict("inn_single", range(1, 60), min_stay=9)

    assert look(20, 22)["inn_single"].nearest == ((day(20), day(29)),)
    assert look(20, 21)["inn_single"].nearest == ()


def test_names_no_dates_that_are_over_or_too_far_ahead() -> None:
    fill("inn_S", 1, 3)
    fill("inn_S", 728, 730)

    assert look(1, 3)["inn_single"].nearest == ((day(0), day(1)), (day(3), day(5)))
    assert look(728, 730)["inn_single"].nearest == ((day(727), day(728)), (day(726), day(728)))


def test_has_no_nearest_dates_where_all_of_a_month_is_taken() -> None:
    fill("inn_S", 1, 60)

    assert look(30, 31)["inn_single"].nearest == ()


@pytest.mark.parametrize("tidied", [False, True])
def test_does_not_count_dead_holds(tidied: bool) -> None:
    fill("inn_S", 10, 12, hold=True)
    let_hold_end()
    if tidied:
        connections.collection("bookings").update_many({}, {"$set": {"status": "expired"}})

    assert look()["inn_single"].rooms_left == 1


def test_counts_live_holds_and_gives_rooms_back_on_cancelling() -> None:
    held = fill("inn_S", 10, 12, hold=True)
    before = look()["inn_single"].rooms_left
    cancel(held)

    assert (before, look()["inn_single"].rooms_left) == (0, 1)


def test_leaves_out_rooms_that_are_not_for_sale() -> None:
    connections.database()["rooms"].update_one({"_id": "inn_S"}, {"$set": {"is_sold": False}})

    single = look()["inn_single"]

    assert reasons(single) == [("NO_ROOMS", [])]


@pytest.mark.parametrize(
    ("first", "last", "field"),
    [(10, 10, "checkOut"), (10, 9, "checkOut"), (10, 101, "checkOut"), (-2, 1, "checkIn")]
    + [(725, 731, "checkOut")],
)
def test_refuses_dates_that_cannot_be_booked(first: int, last: int, field: str) -> None:
    with pytest.raises(ValidationFailed) as refused:
        look(first, last)

    assert refused.value.faults[0].field == field


def watch(monkeypatch: pytest.MonkeyPatch, call: Callable[[], object]) -> list[dict[str, Any]]:
    """The commands that the call sends to MongoDB."""
    commands = Commands()
    client: MongoClient[Any] = MongoClient(os.environ["MONGODB_URI"], event_listeners=[commands])
    watched = client[connections.database().name]
    with monkeypatch.context() as patch:
        patch.setattr(connections, "database", lambda: watched)
        patch.setattr(occupancy, "database", lambda: watched)
        call()
    client.close()
    return [dict(event.command) for event in commands.sent]


def test_looks_at_one_moment(monkeypatch: pytest.MonkeyPatch) -> None:
    sent = watch(monkeypatch, look)

    # Otherwise a booking that is moved during the read could appear in both rooms, and a category
    # that was never sold out could be called sold out for a day.
    reads = [command for command in sent if command.get("find") == "bookings"]
    assert {read["readConcern"]["level"] for read in reads} == {"snapshot"}


# --- The month --------------------------------------------------------------------------------


def begin_between(
    first: int, last: int, category: str = "inn_single", **asked: int
) -> dict[int, int]:
    """Returns the days from `first` to `last` on which a stay can begin, with the end of the
    shortest.

    The test then searches for each of them, and really books it, at that price.
    """
    begun = {}
    for month in sorted({day(ahead).replace(day=1) for ahead in range(first, last + 1)}):
        for entry in search.read_month(
            category_id=category, year=month.year, month=month.month, **asked
        ):
            ahead = (entry.date - day(0)).days
            if entry.shortest is None or not first <= ahead <= last:
                continue
            begun[ahead] = (entry.shortest.check_out - day(0)).days
            (found,) = (
                stay
                for stay in search.find_stays(
                    hotel_id="inn",
                    check_in=entry.date,
                    check_out=entry.shortest.check_out,
                    **asked,
                )
                if stay.category.id == category
            )
            assert (found.obstacles, found.price) == ((), entry.shortest.price)
            rooms = asked.get("room_count", 1)
            made = book(
                f"{ahead}-{begun[ahead]}",
                rooms=[{"categoryId": category, "guests": asked.get("guests", 1)}] * rooms,
                checkIn=entry.date.isoformat(),
                checkOut=entry.shortest.check_out.isoformat(),
                quotedTotal=entry.shortest.price.total * rooms,
            )
            assert made.code is None, made.content
            cancel(made)
    return begun


def restrict(category: str, days: range, **restriction: Any) -> None:
    for ahead in days:
        put_night(category, night(ahead), **restriction)


def test_shows_every_day_of_a_month() -> None:
    first = (day(40).replace(day=1) + timedelta(days=31)).replace(day=1)
    ahead = (first - day(0)).days
    fill("inn_S", ahead + 4, ahead + 6)
    put_night("inn_single", night(ahead + 9), price=9_900, closed=True, min_stay=2)

    month = search.read_month(category_id="inn_single", year=first.year, month=first.month)

    assert month[0].date == first
    assert (month[-1].date + timedelta(days=1)).day == 1
    assert [entry.rooms_left for entry in month[3:7]] == [1, 0, 0, 1]
    assert [bool(entry.shortest) for entry in month[3:7]] == [True, False, False, True]
    closed = month[9]
    assert (closed.rooms_left, closed.shortest) == (1, None)
    assert closed.night is not None
    assert (closed.night.price, closed.night.is_closed, closed.night.min_stay) == (9_900, True, 2)


def test_offers_no_arrival_too_few_nights_before_a_taken_one() -> None:
    fill("inn_S", 6, 7)
    restrict("inn_single", range(1, 12), min_stay=4)

    assert begin_between(1, 8) == {1: 5, 2: 6, 7: 11, 8: 12}


def test_offers_the_shortest_stay_that_leaves_on_another_day() -> None:
    restrict("inn_single", range(10, 13), closed_to_departure=True)

    assert begin_between(8, 12) == {8: 9, 9: 13, 10: 13, 11: 13, 12: 13}


def test_offers_no_arrival_the_night_before_a_day_that_nobody_may_leave_on() -> None:
    put_night("inn_single", night(10), closed_to_departure=True)
    fill("inn_S", 10, 11)

    assert begin_between(8, 10) == {8: 9}


def test_offers_no_arrival_for_two_nights_before_a_closed_one() -> None:
    put_night("inn_single", night(10), min_stay=2)
    put_night("inn_single", night(11), closed=True)

    assert begin_between(9, 12) == {9: 10, 12: 13}


def test_offers_no_arrival_where_no_room_is_free_on_both_nights() -> None:
    fill("inn_A", 10, 11)
    fill("inn_B", 11, 12)
    fill("inn_C", 10, 12)
    put_night("inn_double", night(10), min_stay=2)
    put_night("inn_double", night(11), min_stay=1)

    assert begin_between(9, 12, "inn_double") == {9: 10, 11: 12, 12: 13}


def test_looks_into_the_month_after_for_nights_of_a_stay() -> None:
    after = (day(40).replace(day=1) + timedelta(days=32)).replace(day=1)
    last = (after - day(0)).days - 1
    fill("inn_S", last + 2, last + 3)
    restrict("inn_single", range(last - 1, last + 1), min_stay=3)

    assert begin_between(last - 2, last) == {last - 2: last - 1, last - 1: last + 2}


def test_offers_as_many_rooms_as_are_wanted_on_all_nights() -> None:
    fill("inn_A", 10, 11)
    fill("inn_B", 11, 12)
    restrict("inn_double", range(9, 13), min_stay=2)

    assert begin_between(8, 12, "inn_double", room_count=2) == {8: 9, 9: 11, 11: 13, 12: 14}


def test_offers_no_arrival_too_late_for_the_last_day_that_is_sold() -> None:
    restrict("inn_single", range(726, 730), min_stay=2)

    assert begin_between(724, 733) == {724: 725, 725: 726, 726: 728, 727: 729, 728: 730}


def test_offers_the_last_night_that_is_sold() -> None:
    assert begin_between(728, 733) == {728: 729, 729: 730}


def test_offers_no_arrival_to_more_guests_than_fit() -> None:
    assert begin_between(9, 10, "inn_double", guests=3) == {}
    assert begin_between(9, 10, "inn_double", guests=2) == {9: 10, 10: 11}


def test_offers_no_arrival_where_none_may_begin() -> None:
    put_night("inn_single", night(10), closed_to_arrival=True)

    assert begin_between(9, 11) == {9: 10, 11: 12}


def test_offers_the_longest_stay_there_is_and_none_that_is_longer() -> None:
    restrict("inn_single", range(10, 99), closed_to_departure=True)

    assert begin_between(9, 10) == {9: 99, 10: 99}

    put_night("inn_single", night(99), closed_to_departure=True)

    assert begin_between(9, 10) == {10: 100}


def test_offers_no_more_rooms_for_more_nights_than_a_booking_has() -> None:
    put_night("demo_double", night(10), min_stay=90)

    begun = [
        entry.shortest
        for room_count in (3, 4)
        for entry in search.read_month(
            category_id="demo_double",
            year=day(10).year,
            month=day(10).month,
            room_count=room_count,
        )
        if entry.date == day(10)
    ]

    assert [bool(shortest) for shortest in begun] == [True, False]


def test_prices_the_whole_of_the_shortest_stay() -> None:
    put_night("inn_single", night(10), price=5_000, min_stay=3)
    put_night("inn_single", night(11), price=6_000)

    (shortest,) = (
        entry.shortest
        for entry in search.read_month(
            category_id="inn_single", year=day(10).year, month=day(10).month
        )
        if entry.date == day(10)
    )

    assert shortest is not None
    assert shortest.price.nights == ((day(10), 5_000), (day(11), 6_000), (day(12), 7_000))


def test_shows_days_that_are_over_as_not_to_be_booked() -> None:
    yesterday = day(-1)

    month = search.read_month(category_id="inn_single", year=yesterday.year, month=yesterday.month)

    assert month[yesterday.day - 1].shortest is None
    assert month[yesterday.day - 1].rooms_left == 1


@pytest.mark.parametrize(("year", "month", "last"), [(2027, 12, 31), (9999, 11, 30)])
def test_shows_months_that_end_a_year(year: int, month: int, last: int) -> None:
    days = search.read_month(category_id="inn_single", year=year, month=month)

    assert (days[0].date, days[-1].date) == (date(year, month, 1), date(year, month, last))


def test_knows_no_month_of_an_unknown_category() -> None:
    with pytest.raises(ValidationFailed):
        search.read_month(category_id="nowhere", year=2027, month=1)


def test_reads_a_month_with_three_queries(monkeypatch: pytest.MonkeyPatch) -> None:
    sent = watch(
        monkeypatch,
        lambda: search.read_month(category_id="inn_double", year=2027, month=1),
    )

    asked = [command.get("aggregate") or command.get("find") for command in sent]
    assert [name for name in asked if name] == ["room_categories", "rooms", "bookings"]


# --- Free rooms of one night -------------------------------------------------------------------


def test_lists_free_rooms_by_the_same_rule() -> None:
    fill("inn_A", 10, 11)
    put_night("inn_single", night(10), min_stay=2)
    put_night("inn_cabin", night(10), price=22_000)

    free = search.find_free_rooms(hotel_id="inn", night=day(10))

    assert [room.room.id for room in free.rooms] == ["inn_B", "inn_C", "inn_X"]
    assert free.rooms[-1].price.total == 22_000
