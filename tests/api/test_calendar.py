"""A category's month, as the API shows it."""

from __future__ import annotations

from datetime import date, timedelta
from typing import Any

import pytest
from django.contrib.auth import get_user_model
from django.test import Client

from tests.calls import book
from tests.conftest import night
from tests.hotels import put_night

pytestmark = [pytest.mark.mongo, pytest.mark.usefixtures("inn")]


@pytest.fixture
def visitor() -> Client:
    client = Client()
    client.force_login(get_user_model()._default_manager.create_user("ada"))
    return client


def read_day(visitor: Client, day: str, category: str = "inn_single", **query: Any) -> Any:
    asked = {"categoryId": category, "month": day[:7], **query}
    answer = visitor.get("/api/calendar", asked)
    assert answer.status_code == 200, answer.content
    (found,) = [entry for entry in answer.json()["days"] if entry["date"] == day]
    return found


def test_tells_the_shortest_stay_and_its_price(visitor: Client) -> None:
    put_night("inn_single", night(), price=5_000, min_stay=2)

    day = read_day(visitor, night())

    assert day["forSale"]
    assert day["minStay"] == 2
    assert day["shortestStay"] == {
        "checkOut": night(32),
        "price": {
            "total": 12_000,
            "currency": "EUR",
            "nights": [
                {"date": night(), "amount": 5_000},
                {"date": night(31), "amount": 7_000},
            ],
        },
    }


def test_says_where_no_stay_can_begin_though_a_room_is_free(visitor: Client) -> None:
    put_night("inn_single", night(), min_stay=2)
    book(resourceId="inn_S", date=night(31))

    day = read_day(visitor, night())

    assert (day["forSale"], day["shortestStay"]) == (False, None)
    assert (day["closed"], day["roomsLeft"]) == (False, 1)


def test_offers_days_to_as_many_guests_as_are_asked_for(visitor: Client) -> None:
    assert read_day(visitor, night(), "inn_double", guests=2)["forSale"]
    assert not read_day(visitor, night(), "inn_double", guests=3)["forSale"]


@pytest.mark.parametrize("guests", ["0", "101", "x", ""])
def test_refuses_a_number_of_guests_that_is_none(visitor: Client, guests: str) -> None:
    answer = visitor.get(
        "/api/calendar", {"categoryId": "inn_single", "month": night()[:7], "guests": guests}
    )

    assert answer.status_code == 400
    assert answer.json()["errors"][0]["field"] == "guests"


def test_names_stays_of_other_lengths_too(visitor: Client) -> None:
    first = date.fromisoformat(night())
    for ahead in range(-15, 20):
        put_night("inn_single", (first + timedelta(days=ahead)).isoformat(), min_stay=3)

    answer = visitor.get(
        "/api/availability", {"hotelId": "inn", "checkIn": night(), "checkOut": night(32)}
    )

    (single,) = [c for c in answer.json()["categories"] if c["categoryId"] == "inn_single"]
    assert single["nearest"] == [{"checkIn": night(), "checkOut": night(33)}]
