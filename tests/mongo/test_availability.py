"""What a hotel can offer for a stay: rooms left, prices, reasons, nearest dates, months."""

from __future__ import annotations

import os
from datetime import date, timedelta
from typing import Any

import pytest
from pymongo import MongoClient

from bookings import availability, connections, lookups
from bookings.availability import CategoryStay
from bookings.errors import ValidationFailed
from tests.conftest import night
from tests.mongo.conftest import book, cancel, let_hold_end, put_night
from tests.mongo.test_write import Commands

pytestmark = pytest.mark.usefixtures("inn")


def day(days_ahead: int) -> date:
    return date.fromisoformat(night(days_ahead))


def look(first: int = 10, last: int = 12, guests: int = 1) -> dict[str, CategoryStay]:
    stays = availability.find_stays(
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
    assert double.nearest == ((day(9), day(12)), (day(11), day(14)))


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

    assert single.nearest == ((day(13), day(15)), (day(6), day(8)))


def test_names_no_dates_that_are_over_or_too_far_ahead() -> None:
    fill("inn_S", 1, 3)
    fill("inn_S", 728, 730)

    assert look(1, 3)["inn_single"].nearest == ((day(3), day(5)),)
    assert look(728, 730)["inn_single"].nearest == ((day(726), day(728)),)


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

    assert refused.value.errors[0][0] == field


def test_looks_at_one_moment(monkeypatch: pytest.MonkeyPatch) -> None:
    commands = Commands()
    client: MongoClient[Any] = MongoClient(os.environ["MONGODB_URI"], event_listeners=[commands])
    watched = client[connections.database().name]
    monkeypatch.setattr(connections, "database", lambda: watched)
    monkeypatch.setattr(lookups, "database", lambda: watched)

    look()
    client.close()

    # Otherwise a booking that is moved while it is read could be seen in both rooms, and a
    # category be called sold out, for a day, that was not for a moment.
    reads = [e.command for e in commands.sent if e.command.get("find") == "bookings"]
    assert {read["readConcern"]["level"] for read in reads} == {"snapshot"}


# --- The month --------------------------------------------------------------------------------


def test_shows_every_day_of_a_month() -> None:
    first = (day(40).replace(day=1) + timedelta(days=31)).replace(day=1)
    ahead = (first - day(0)).days
    fill("inn_S", ahead + 4, ahead + 6)
    put_night("inn_single", night(ahead + 9), price=9_900, closed=True, min_stay=2)

    month = availability.read_month(category_id="inn_single", year=first.year, month=first.month)

    assert month[0].date == first
    assert (month[-1].date + timedelta(days=1)).day == 1
    assert [entry.rooms_left for entry in month[3:7]] == [1, 0, 0, 1]
    assert [entry.can_be_booked for entry in month[3:7]] == [True, False, False, True]
    closed = month[9]
    assert (closed.rooms_left, closed.can_be_booked) == (1, False)
    assert closed.night is not None
    assert (closed.night.price, closed.night.is_closed, closed.night.min_stay) == (9_900, True, 2)


def test_shows_days_that_are_over_as_not_to_be_booked() -> None:
    yesterday = day(-1)

    month = availability.read_month(
        category_id="inn_single", year=yesterday.year, month=yesterday.month
    )

    assert not month[yesterday.day - 1].can_be_booked
    assert month[yesterday.day - 1].rooms_left == 1


def test_shows_december() -> None:
    month = availability.read_month(category_id="inn_single", year=2027, month=12)

    assert (month[0].date, month[-1].date) == (date(2027, 12, 1), date(2027, 12, 31))


def test_knows_no_month_of_an_unknown_category() -> None:
    with pytest.raises(ValidationFailed):
        availability.read_month(category_id="nowhere", year=2027, month=1)


# --- Free rooms of one night -------------------------------------------------------------------


def test_lists_free_rooms_by_the_same_rule() -> None:
    fill("inn_A", 10, 11)
    put_night("inn_single", night(10), min_stay=2)
    put_night("inn_cabin", night(10), price=22_000)

    free = availability.find_free_rooms(hotel_id="inn", night=day(10))

    assert [room.room.id for room in free.rooms] == ["inn_B", "inn_C", "inn_X"]
    assert free.rooms[-1].price.total == 22_000
