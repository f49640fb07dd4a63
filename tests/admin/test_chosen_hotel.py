"""The hotel that was chosen last, on pages that are opened without one."""

from __future__ import annotations

from typing import Any

import pytest
from django.contrib.auth.models import Permission, User
from django.test import Client

from bookings.people import staff_hotels
from tests.conftest import night

pytestmark = [pytest.mark.mongo, pytest.mark.usefixtures("inn")]

TODAY = "/admin/desk/today/"
PRICES = "/admin/bookings/pricecalendar/"
FIGURES = "/admin/bookings/figures/"
BOOK = "/admin/bookings/bookingrecord/add/"
BLOCK = "/admin/bookings/roomblock/add/"
PAGES = (
    BOOK,
    BLOCK,
    "/admin/",
    TODAY,
    "/admin/desk/occupancy/",
    "/admin/desk/rooms/",
    PRICES,
    "/admin/bookings/nightsfile/",
    FIGURES,
    "/admin/bookings/brand/book-now/",
)
UNKNOWN = "There is no such hotel."
CHOSEN, FIRST = '<option value="inn" selected>', '<option value="demo" selected>'


@pytest.fixture
def staff() -> User:
    return User.objects.create_superuser("staff")


@pytest.fixture
def desk(client: Client, staff: User) -> Client:
    client.force_login(staff)
    return client


def text(page: Client, url: str, **query: str) -> str:
    response: Any = page.get(url, query)
    return response.content.decode()


def test_shows_the_hotel_that_was_chosen_last_on_every_page(desk: Client) -> None:
    for chosen_on in (TODAY, "/admin/", FIGURES):
        text(desk, chosen_on, hotel="demo")
        assert {url: FIRST in text(desk, url) for url in PAGES} == dict.fromkeys(PAGES, True)
        text(desk, chosen_on, hotel="inn")
        assert {url: CHOSEN in text(desk, url) for url in PAGES} == dict.fromkeys(PAGES, True)


def test_shows_the_hotel_chosen_last_beside_a_wrong_day(desk: Client) -> None:
    text(desk, TODAY, hotel="inn")

    assert CHOSEN in text(desk, FIGURES, first="soon")


def test_remembers_no_hotel_that_the_user_has_lost(desk: Client, staff: User) -> None:
    text(desk, TODAY, hotel="inn")
    User.objects.filter(pk=staff.pk).update(is_superuser=False)
    for right in ("view_bookingrecord", "view_night", "add_bookingrecord", "add_roomblock"):
        staff.user_permissions.add(Permission.objects.get(codename=right))
    assert staff_hotels.set_hotels(staff.pk, frozenset({"demo"}), before=None)

    for url in (TODAY, PRICES, "/admin/", BOOK, BLOCK):
        page = text(desk, url)
        assert "Demo Hotel" in page
        assert UNKNOWN not in page
        assert '"inn"' not in page


@pytest.mark.parametrize("url", [url for url in PAGES if "nightsfile" not in url])
def test_says_that_a_hotel_is_unknown(desk: Client, url: str) -> None:
    text(desk, TODAY, hotel="inn")

    page = text(desk, url, hotel="nowhere")

    assert UNKNOWN in page
    # Figures say so beside the choice, and show none.
    assert CHOSEN in page or url == FIGURES
    assert CHOSEN in text(desk, url)


@pytest.mark.parametrize("url", [BOOK, BLOCK])
def test_books_and_blocks_at_the_hotel_of_the_room_that_was_chosen(desk: Client, url: str) -> None:
    text(desk, TODAY, hotel="demo")

    page = text(desk, url, room="inn_A", rooms="inn_A")

    assert CHOSEN in page
    # It is the hotel that was chosen last.
    assert CHOSEN in text(desk, TODAY)


@pytest.mark.parametrize("url", [BOOK, BLOCK])
def test_treats_a_room_of_another_hotel_like_one_that_does_not_exist(
    desk: Client, staff: User, url: str
) -> None:
    User.objects.filter(pk=staff.pk).update(is_superuser=False)
    for right in ("add_bookingrecord", "add_roomblock"):
        staff.user_permissions.add(Permission.objects.get(codename=right))
    assert staff_hotels.set_hotels(staff.pk, frozenset({"demo"}), before=None)

    page = text(desk, url, room="inn_A", rooms="inn_A")

    assert FIRST in page
    assert UNKNOWN not in page


def test_keeps_the_hotel_of_prices_whose_month_is_wrong(desk: Client) -> None:
    page = text(desk, PRICES, hotel="inn", month="2026-13")

    assert CHOSEN in page
    assert '<input type="hidden" name="hotel" value="inn"' in page
    assert "Write the month as YYYY-MM." in page


def test_changes_prices_of_the_hotel_that_the_page_showed(desk: Client) -> None:
    page = desk.get(PRICES, {"hotel": "inn"})
    form: Any = page.context["form"]
    wish = {
        "hotel": "inn",
        "key": form["key"].value(),
        "categories": ["inn_double"],
        "first": night(30),
        "last": night(30),
        "weekdays": ["mon", "tue", "wed", "thu", "fri", "sat", "sun"],
        "price": "120",
    }
    text(desk, TODAY, hotel="demo")

    shown: Any = desk.post(PRICES, wish)

    assert shown.context["hotel"].id == "inn"
    assert shown.context["plan"].hotel.id == "inn"
