"""The admin's first page: today at one's hotel, and what needs attention."""

from __future__ import annotations

from typing import Any

import pytest
from django.contrib.auth.models import Permission, User
from django.test import Client

from bookings.infrastructure.connections import collection
from bookings.news import relay
from bookings.people import staff_hotels
from bookings.templatetags.first_page import IN_BULK
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


def test_says_that_many_holds_were_refused_at_this_hotel(
    client: Client, staff: User, settings: Any
) -> None:
    settings.MAX_LIVE_HOLDS = 0
    for number in range(IN_BULK - 1):
        refused = book(f"bulk-{number}", caller=CUSTOMER, resourceId="inn_A", hold=True)
        assert refused.code == "TOO_MANY_HOLDS"
    assert "refused" not in first_page(client, hotel="inn")

    book("one-more", caller=CUSTOMER, resourceId="inn_A", hold=True)

    page = first_page(client, hotel="inn")
    assert f"{IN_BULK} holds were refused in the last 24 hours" in page
    assert "/admin/bookings/bookingrecord/?hotel=inn&amp;status=pending" in page
    assert "refused" not in first_page(client, hotel="demo")


def test_does_without_the_count_while_redis_is_down(
    client: Client, staff: User, settings: Any
) -> None:
    settings.CACHES = {
        **settings.CACHES,
        "throttle": {**settings.CACHES["throttle"], "LOCATION": "redis://127.0.0.1:1/0"},
    }

    assert "Nothing now." in first_page(client, hotel="inn")
