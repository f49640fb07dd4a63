"""The lowest price of a category in the weeks ahead: of a night that a guest could have."""

from __future__ import annotations

import pytest

from bookings.availability.lowest_prices import LOOK_AHEAD_DAYS, find_lowest_prices
from bookings.catalogue import inventory
from bookings.models import Room
from tests.calls import book, let_hold_end
from tests.conftest import night
from tests.hotels import put_night

pytestmark = [pytest.mark.mongo, pytest.mark.usefixtures("inn")]


def lowest() -> dict[str, int | None]:
    hotel = inventory.find_hotel("inn")
    assert hotel
    return {each.category.id: each.price for each in find_lowest_prices(hotel)}


def test_is_the_price_of_every_night_where_no_night_has_its_own() -> None:
    assert lowest() == {"inn_cabin": None, "inn_double": 10_000, "inn_single": 7_000}


def test_is_that_of_the_cheapest_night() -> None:
    put_night("inn_double", night(11), price=8_000)
    put_night("inn_cabin", night(12), price=19_000)
    put_night("inn_cabin", night(13), price=18_000)

    assert lowest() == {"inn_cabin": 18_000, "inn_double": 8_000, "inn_single": 7_000}


def test_begins_today_and_ends_with_the_look_ahead() -> None:
    put_night("inn_double", night(-1), price=1_000)
    put_night("inn_double", night(0), price=9_000)
    put_night("inn_single", night(LOOK_AHEAD_DAYS - 1), price=6_000)
    put_night("inn_single", night(LOOK_AHEAD_DAYS), price=5_000)

    assert (lowest()["inn_double"], lowest()["inn_single"]) == (9_000, 6_000)


def test_is_not_that_of_a_closed_night() -> None:
    put_night("inn_double", night(11), price=8_000, closed=True)

    assert lowest()["inn_double"] == 10_000


def test_is_not_that_of_a_night_without_a_free_room() -> None:
    put_night("inn_single", night(11), price=6_000)
    held = book("hold", resourceId="inn_S", checkIn=night(11), checkOut=night(12), hold=True)
    assert held.code is None

    assert lowest()["inn_single"] == 7_000

    let_hold_end()
    assert lowest()["inn_single"] == 6_000


@pytest.fixture
def one_cabin_night() -> str:
    put_night("inn_cabin", night(12), price=19_000)
    return night(12)


def test_is_unknown_while_the_category_is_sold_out(one_cabin_night: str) -> None:
    assert lowest()["inn_cabin"] == 19_000
    assert book("cabin", resourceId="inn_X", date=one_cabin_night).code is None

    assert lowest()["inn_cabin"] is None


def test_leaves_out_a_category_without_rooms_for_sale() -> None:
    Room.objects.filter(pk="inn_S").update(is_sold=False)

    assert "inn_single" not in lowest()
