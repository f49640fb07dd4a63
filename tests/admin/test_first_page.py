"""The admin's first page: today at one's hotel, and what needs attention."""

from __future__ import annotations

from typing import Any

import pytest
from django.contrib.auth.models import Permission, User
from django.test import Client

from bookings.infrastructure.connections import collection
from bookings.news import relay
from bookings.people import staff_hotels
from tests.calls import CUSTOMER, book
from tests.conftest import night

pytestmark = [pytest.mark.mongo, pytest.mark.usefixtures("inn")]


@pytest.fixture
def staff(client: Client) -> User:
    user = User.objects.create_user("staff", is_staff=True)
    user.user_permissions.set(
        Permission.objects.filter(codename__in=("view_bookingrecord", "view_deliveryrecord"))
    )
    client.force_login(user)
    return user


def first_page(client: Client, **query: str) -> Any:
    return client.get("/admin/", query).content.decode()


def test_shows_the_day_of_the_hotel_that_was_chosen(client: Client, staff: User) -> None:
    book("a", resourceId="inn_A", checkIn=night(0), checkOut=night(2))

    assert "<b>0 of 1</b> arrived" in first_page(client, hotel="inn")
    assert "<b>0 of 0</b> arrived" in first_page(client, hotel="demo")
    assert "<b>0 of 0</b> arrived" in first_page(client, hotel="nowhere")


def test_shows_the_day_of_ones_own_hotel_first(client: Client, staff: User) -> None:
    assert staff_hotels.set_hotels(staff.pk, frozenset({"inn"}), before=None)

    page = first_page(client, hotel="demo")

    assert "Inn, " in page
    assert "Demo Hotel" not in page


def test_names_holds_that_run_out_and_stays_without_a_mark(client: Client, staff: User) -> None:
    made = book("hold", resourceId="inn_A", hold=True, guest={"name": "Ada"})
    reference = made.content["booking"]["reference"]
    collection("bookings").update_one(
        {"reference": reference}, [{"$set": {"expires_at": {"$add": ["$$NOW", 125_000]}}}]
    )
    book("late", resourceId="inn_B", checkIn=night(0), checkOut=night(3))
    collection("bookings").update_one(
        {"rooms.room": "inn_B"},
        {"$set": {"check_in": night(-1)}, "$push": {"slots": f"{night(-1)}|inn_B"}},
    )

    page = first_page(client, hotel="inn")

    assert f"The hold {reference} for Ada runs out in 2" in page.replace("\xa0", " ")
    assert "1 stay of earlier days without a mark: say who came, and who left." in page


def test_counts_news_that_could_not_be_sent_at_ones_own_hotels(client: Client, staff: User) -> None:
    guest = {"name": "Ada", "email": "ada@example.org"}
    book("demo", caller=CUSTOMER, guest=guest)
    book("inn", caller=CUSTOMER, resourceId="inn_A", guest=guest)
    relay.pass_on_news()
    assert "Nothing now." in first_page(client, hotel="inn")
    collection("deliveries").update_many({}, {"$set": {"state": "given_up"}})

    assert "2 notifications of the last seven days could not be sent" in first_page(client)
    assert staff_hotels.set_hotels(staff.pk, frozenset({"inn"}), before=None)
    assert "1 notification of the last seven days could not be sent" in first_page(client)


def test_shows_no_day_to_those_who_may_see_no_bookings(client: Client) -> None:
    client.force_login(User.objects.create_user("cook", is_staff=True))

    assert "arrived" not in first_page(client)
