"""What staff read: days in words, the hotel's clock, and names instead of ids."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from typing import Any

import pytest
from django.contrib.admin.models import ADDITION, LogEntry
from django.contrib.admin.utils import quote
from django.contrib.auth.models import User
from django.test import Client

from bookings.admin.manager.pages import note
from bookings.domain.callers import Caller
from bookings.infrastructure import clock
from bookings.infrastructure.connections import collection
from bookings.models import NightsJob
from bookings.news import relay
from bookings.presentation.days import day_text, stay_text
from tests.admin.test_blocks import block
from tests.calls import CUSTOMER, book, stored
from tests.conftest import night

pytestmark = [pytest.mark.mongo, pytest.mark.usefixtures("inn")]

BOOKINGS = "/admin/bookings/bookingrecord/"
BLOCKS = "/admin/bookings/roomblock/"
MOMENT = datetime(2026, 7, 1, 22, 30, tzinfo=UTC)
AT_HOTEL = "Thu 2 Jul 2026, 07:30"


@pytest.fixture
def staff() -> User:
    return User.objects.create_superuser("staff")


@pytest.fixture
def desk(client: Client, staff: User) -> Client:
    client.force_login(staff)
    return client


@pytest.fixture
def in_tokyo() -> None:
    collection("hotels").update_one({"_id": "inn"}, {"$set": {"time_zone": "Asia/Tokyo"}})


def read(page: Client, url: str, **query: str) -> str:
    """The text of the page's content."""
    response: Any = page.get(url, query)
    assert response.status_code == 200
    content = response.content.decode().partition('id="content"')[2]
    return " ".join(re.sub(r"<[^>]*>", " ", content).split())


def assert_in_words(text: str) -> None:
    assert not re.search(r"\d{4}-\d{2}-\d{2}", text)


def test_asks_before_cancelling_in_words(desk: Client) -> None:
    dates = {"checkIn": night(10), "checkOut": night(12)}
    made = [
        book(room, resourceId=room, **dates).content["booking"]["id"] for room in ("inn_A", "inn_B")
    ]

    one = read(desk, f"{BOOKINGS}{made[0]}/cancel/")
    both: Any = desk.post(BOOKINGS, {"action": "cancel_selected", "_selected_action": made})

    assert "Cancel a booking" in one
    assert f"Inn Room A {day_text(night(10))} {day_text(night(12))}" in one
    assert_in_words(one)
    assert both.context["title"] == "Cancel bookings"


def test_tells_of_a_block_in_words(desk: Client, staff: User, in_tokyo: None) -> None:
    blocked = block(staff, "inn_A")
    collection("bookings").update_one(
        {}, {"$set": {"caller": "hotel:inn", "created_at": MOMENT, "updated_at": MOMENT}}
    )

    pages = [read(desk, f"{BLOCKS}{path}") for path in ("", f"{blocked}/change/")]
    asked = read(desk, f"{BLOCKS}{blocked}/cancel/")

    for page in (*pages, asked):
        assert day_text(night(10)) in page
        assert "hotel:inn" not in page
        assert_in_words(page)
    assert AT_HOTEL in pages[1]
    assert "Lift a room block" in asked


def test_names_a_guest_without_an_account(desk: Client) -> None:
    guest = Caller("guest", "3" * 32)
    made = book(caller=guest, resourceId="inn_A").content["booking"]["id"]

    page = read(desk, f"{BOOKINGS}{made}/change/")

    assert page.count("The guest (without an account)") == 3
    assert "3" * 32 not in page


def test_offers_other_dates_of_a_sold_out_category_in_words(desk: Client) -> None:
    book(resourceId="inn_S", date=night(10))

    page = read(desk, "/admin/desk/rooms/", hotel="inn", check_in=night(10), check_out=night(11))

    assert f"Near these dates: {stay_text(night(9), night(10))}" in page
    assert_in_words(page)


def test_names_hotel_and_days_of_a_nights_job_in_the_log(
    desk: Client, rf: Any, staff: User
) -> None:
    request = rf.get("/")
    request.user = staff
    job = NightsJob(hotel_id="inn", start=night(1), end=night(3))
    note(request, f"Set from {night(1)}.", about=job, action=ADDITION)
    note(request, "Set.", about=job, action=ADDITION)
    LogEntry.objects.filter(change_message="Set.").update(
        object_repr=f"inn, {night(1)} to {night(3)}"  # as earlier releases wrote it
    )

    page = read(desk, "/admin/admin/logentry/")

    assert page.count(f"Inn, {day_text(night(1))} to {day_text(night(3))}") == 2
    assert f"Set from {day_text(night(1))}." in page


def test_shows_a_nights_job_in_words_on_its_own_pages(desk: Client) -> None:
    job = NightsJob.objects.create(
        hotel_id="inn",
        start=night(1),
        end=night(3),
        weekdays="mon",
        total=1,
        created_at=clock.now(),
        state="failed",
        error=f"The night {night(2)} was changed.",
    )
    page = f"/admin/bookings/nightsjob/{job.pk}"

    own, history, deleting = (
        read(desk, f"{page}/{each}/") for each in ("change", "history", "delete")
    )
    deleted: Any = desk.post(f"{page}/delete/", {"post": "yes"}, follow=True)

    named = f"Inn, {day_text(night(1))} to {day_text(night(3))}"
    said = [str(message) for message in deleted.context["messages"]]
    for text in (own, history, deleting, *said):
        assert named in text
        assert_in_words(text)
    assert f"The night {day_text(night(2))} was changed." in own


def test_shows_notifications_by_the_clock_of_the_hotel(desk: Client, in_tokyo: None) -> None:
    book(caller=CUSTOMER, resourceId="inn_A", guest={"name": "Ada", "email": "ada@example.org"})
    relay.pass_on_news()
    collection("deliveries").update_many(
        {}, {"$set": {"at": MOMENT, "next_try_at": MOMENT, "last_error": "No answer."}}
    )
    (delivery,) = collection("deliveries").find({"channel": "mail"})
    address = "/admin/bookings/deliveryrecord/"

    own = f"{address}{quote(delivery['_id'])}/change/"
    pages = [read(desk, address), read(desk, own)]

    for page in pages:
        assert page.count(AT_HOTEL) == 2
        assert f"failing, next try {AT_HOTEL}" in page
    assert stored()[0]["reference"] in pages[1]
