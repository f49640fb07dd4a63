"""Staff log in at the admin, in a browser that a guest uses: at the desk, say.

The admin's log-in says who the staff are, and nothing about the guest. The guest's bookings stay
theirs, even if staff look at the pages of customers.
"""

from __future__ import annotations

from typing import Any

import pytest
from django.contrib.auth.models import User
from django.test import Client

from tests.browsing import (
    booking_path,
    confirm_form,
    hold,
    open_page,
    press,
    stays_path,
    stored,
)

pytestmark = pytest.mark.mongo

PASSWORD = "a long secret"


@pytest.fixture
def staff(database: None) -> User:
    return User.objects.create_superuser("staff", password=PASSWORD)


@pytest.fixture
def held(client: Client, staff: User) -> dict[str, Any]:
    """A walk-in's hold, made in the desk's browser."""
    hold(client)
    (document,) = stored()
    return document


def log_in_at_the_admin(client: Client) -> None:
    answer = client.post("/admin/login/", {"username": "staff", "password": PASSWORD})
    assert answer.status_code == 302


@pytest.mark.parametrize("path", ["/bookings", "/bookings?status=pending", "/stays", "/"])
def test_takes_nothing_of_a_guest_by_looking(
    client: Client, held: dict[str, Any], path: str
) -> None:
    log_in_at_the_admin(client)

    page = open_page(client, stays_path() if path == "/stays" else path)

    assert held["reference"] not in page.text
    assert "Continue booking" not in page.links
    assert stored() == [held]


@pytest.mark.parametrize("what", ["", "/confirm", "/extend", "/cancel"])
def test_does_nothing_with_it_on_customers_pages(
    client: Client, held: dict[str, Any], what: str
) -> None:
    log_in_at_the_admin(client)
    path = booking_path(held)

    answer = client.post(f"{path}{what}", {"name": "Ada"}) if what else client.get(path)

    assert answer.status_code == 404
    assert stored() == [held]


def test_holds_for_staff_what_they_send_with_the_guests_form(client: Client, staff: User) -> None:
    """It is sent twice, and the staff log in in between; their wish is their own."""
    form = open_page(client, stays_path()).hold_form("demo_double")
    client.post(form.action, form.fields)
    log_in_at_the_admin(client)

    page = press(client, form)

    guests, staffs = stored()
    assert (guests["owner"][:6], staffs["owner"]) == ("guest:", f"user:{staff.pk}")
    assert staffs["caller"] == staffs["owner"]
    confirmed = press(client, confirm_form(page), name="Ada", email="ada@example.org")
    assert "Your room is booked" in confirmed.text


def test_leaves_it_to_the_guest_after_the_staffs_log_out(
    client: Client, held: dict[str, Any]
) -> None:
    log_in_at_the_admin(client)
    open_page(client, "/bookings")

    client.post("/admin/logout/")

    assert "Your room is held" in open_page(client, booking_path(held)).text


def test_takes_it_by_the_customers_log_in(
    client: Client, held: dict[str, Any], staff: User
) -> None:
    """That log-in says that guest and account are one person."""
    client.post("/login", {"username": "staff", "password": PASSWORD})

    assert stored()[0]["owner"] == f"user:{staff.pk}"
    assert "Your room is held" in open_page(client, booking_path(held)).text


def test_forgets_the_customers_log_in_when_another_comes_by_the_admin(
    client: Client, held: dict[str, Any]
) -> None:
    """The session began with a customer's log-in; staff log in without logging the customer out."""
    User.objects.create_user("ada", password=PASSWORD)
    other = Client()
    other.post("/login", {"username": "ada", "password": PASSWORD})
    other.cookies["guest"] = client.cookies["guest"]
    log_in_at_the_admin(other)

    open_page(other, "/bookings")

    assert stored() == [held]
