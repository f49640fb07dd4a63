"""Every time in the admin says by which clock it is."""

from __future__ import annotations

import datetime as dt
import html
import re
from collections.abc import Iterator
from typing import Any

import pytest
from django.contrib import admin
from django.contrib.admin.widgets import AdminDateWidget, AdminSplitDateTime, AdminTimeWidget
from django.contrib.auth.models import Permission, User
from django.forms import DateTimeField, TimeField
from django.test import Client, RequestFactory

from bookings.models import ApiClient, Hotel, NightsJob
from bookings.people import staff_hotels
from bookings.people.staff_hotels import read_hotels

pytestmark = pytest.mark.mongo


@pytest.fixture
def staff(database: None) -> User:
    return User.objects.create_superuser(
        "staff", date_joined=dt.datetime(2027, 1, 2, 3, 4, tzinfo=dt.UTC)
    )


@pytest.fixture
def hotel(database: None) -> Iterator[Hotel]:
    made = Hotel.objects.create(id="h", code="HH", name="Hotel", end_of_day="04:30")
    yield made
    made.delete()


@pytest.fixture
def desk(client: Client, staff: User) -> Client:
    client.force_login(staff)
    return client


def text_of(response: Any) -> str:
    return html.unescape(response.content.decode()).replace("\xa0", " ")


def test_names_the_zone_of_a_time_in_a_list_and_on_a_page(desk: Client) -> None:
    partner = ApiClient.objects.create(name="partner")

    pages = [desk.get(f"/admin/bookings/apiclient/{at}") for at in ("", f"{partner.pk}/change/")]

    shown = f"{partner.created_at:%a {partner.created_at.day} %b %Y, %H:%M} UTC"
    assert [shown in text_of(page) for page in pages] == [True, True]


def test_shows_when_an_account_was_made_and_lets_no_form_change_it(
    desk: Client, staff: User
) -> None:
    page = f"/admin/auth/user/{staff.pk}/change/"

    shown = text_of(desk.get(page))

    assert "Sat 2 Jan 2027, 03:04 UTC" in shown
    assert 'name="date_joined_0"' not in shown


def test_asks_for_the_times_of_a_hotel_by_the_hotels_clock(desk: Client, hotel: Hotel) -> None:

    shown = text_of(desk.get("/admin/bookings/hotel/h/change/"))

    inputs = re.findall(r"<input type=\"(\w+)\" name=\"(\w+)\" value=\"([\d:]+)\"", shown)
    assert {each for each in inputs if each[0] == "time"} == {
        ("time", "check_in_time", "15:00"),
        ("time", "check_out_time", "11:00"),
        ("time", "end_of_day", "04:30"),
    }
    assert shown.count("y the hotel's clock") >= 3


def test_compares_no_time_in_a_form_with_the_servers(rf: RequestFactory, staff: User) -> None:
    """Django's own widgets note how many hours the browser is ahead of the server."""
    request: Any = rf.get("/admin/")
    request.user = staff
    comparing = AdminDateWidget | AdminTimeWidget | AdminSplitDateTime

    fields = {
        (model.__name__, name): field
        for model, model_admin in admin.site._registry.items()
        for name, field in model_admin.get_form(request, change=True).base_fields.items()
    }

    assert ("Hotel", "end_of_day") in fields
    assert not [name for name, field in fields.items() if isinstance(field.widget, comparing)]
    assert not [name for name, field in fields.items() if isinstance(field, DateTimeField)]
    assert all(name[0] == "Hotel" for name, field in fields.items() if isinstance(field, TimeField))


def test_shows_moments_by_the_clock_of_ones_hotels(client: Client, hotel: Hotel) -> None:
    """Days begin when they begin at the hotel, too."""
    Hotel.objects.filter(pk="h").update(time_zone="Asia/Tokyo")
    clerk = User.objects.create_user("clerk", is_staff=True)
    clerk.user_permissions.set(Permission.objects.filter(codename="view_nightsjob"))
    client.force_login(clerk)
    evening = dt.datetime(2027, 1, 2, 20, 4, tzinfo=dt.UTC)
    NightsJob.objects.create(
        hotel=hotel, start="2027-02-01", end="2027-02-02", total=2, created_at=evening
    )

    def shown_with(*hotels: str) -> bool:
        staff_hotels.set_hotels(clerk.pk, frozenset(hotels), before=read_hotels(clerk.pk))
        text = text_of(client.get("/admin/bookings/nightsjob/"))
        assert "Hotel, Mon 1 Feb – Tue 2 Feb 2027" in text
        return "Sun 3 Jan 2027, 05:04 JST" in text

    assert shown_with("h")
    assert not shown_with("h", "demo")
