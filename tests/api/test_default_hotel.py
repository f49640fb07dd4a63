"""Which hotel's rooms a request means if it names no hotel."""

from __future__ import annotations

from typing import Any

import pytest
from django.test import Client
from pytest_django import Settings

from bookings.infrastructure import connections
from bookings.models import ApiClient
from bookings.people.tokens import issue_token
from tests.conftest import night

pytestmark = pytest.mark.mongo

FREE = f"/api/resources/available?date={night(10)}"
STAYS = f"/api/availability?checkIn={night(10)}&checkOut={night(11)}"
EACH = pytest.mark.parametrize("path", [FREE, STAYS])


@pytest.fixture
def ask(client: Client, settings: Settings) -> Any:
    token = issue_token(ApiClient.objects.create(name="partner").pk)
    settings.DEFAULT_HOTEL = ""
    return lambda path: client.get(path, headers={"authorization": f"Bearer {token}"})


@pytest.fixture
def only_grand() -> Any:
    """Only the larger of the demo's two hotels."""
    hotels = connections.database()["hotels"]
    demo = hotels.find_one_and_delete({"_id": "demo"})
    yield
    hotels.insert_one(demo)


def hotels_in(answer: Any) -> set[str]:
    found = answer.json()
    return {found["hotelId"]} if "hotelId" in found else {r["hotelId"] for r in found["resources"]}


@EACH
def test_is_the_one_of_the_setting(ask: Any, settings: Settings, path: str) -> None:
    settings.DEFAULT_HOTEL = "grand"

    assert hotels_in(ask(path)) == {"grand"}
    assert hotels_in(ask(f"{path}&hotelId=demo")) == {"demo"}


@EACH
def test_is_the_sites_only_one_without_the_setting(ask: Any, only_grand: None, path: str) -> None:
    assert hotels_in(ask(path)) == {"grand"}


@EACH
def test_has_to_be_named_where_there_are_several(ask: Any, path: str) -> None:
    answer = ask(path)

    assert (answer.status_code, answer.json()["code"]) == (400, "VALIDATION_ERROR")
    assert answer.json()["errors"] == [
        {"field": "hotelId", "message": "Name one of the hotels: demo, grand."}
    ]


@EACH
def test_names_no_end_of_hotels(ask: Any, path: str) -> None:
    hotels = connections.database()["hotels"]
    hotels.insert_many([{"_id": f"inn_{number:03}", "code": f"I{number}"} for number in range(50)])
    try:
        (fault,) = ask(path).json()["errors"]
    finally:
        hotels.delete_many({"_id": {"$gte": "inn_", "$lt": "inn`"}})

    assert fault["message"].startswith("Name one of the hotels: demo, grand, inn_000, ")
    assert fault["message"].endswith(", inn_017 and others.")


@EACH
def test_cannot_be_meant_where_there_is_none(ask: Any, only_grand: None, path: str) -> None:
    hotels = connections.database()["hotels"]
    grand = hotels.find_one_and_delete({"_id": "grand"})
    try:
        (fault,) = ask(path).json()["errors"]
    finally:
        hotels.insert_one(grand)

    assert fault["message"] == "This site has no hotels yet."


@EACH
def test_says_so_where_the_setting_names_none(ask: Any, settings: Settings, path: str) -> None:
    settings.DEFAULT_HOTEL = "gone"

    (fault,) = ask(path).json()["errors"]

    assert fault["field"] == "hotelId"
