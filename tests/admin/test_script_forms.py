"""A form of the admin that a script sent: the answer says where it leads and keeps messages."""

from __future__ import annotations

import pytest
from django.contrib.auth.models import User
from django.test import Client
from django.urls import reverse

from tests.calls import book
from tests.conftest import night

pytestmark = [pytest.mark.mongo, pytest.mark.usefixtures("inn")]

BY_SCRIPT = {"Accept": "application/json"}


@pytest.fixture
def form() -> str:
    """The address of the form that cancels a booking."""
    made = book(resourceId="inn_A", checkIn=night(1), checkOut=night(2))
    return reverse("admin:bookings_bookingrecord_cancel", args=[made.content["booking"]["id"]])


def test_says_where_it_leads_and_keeps_the_message_for_that_page(client: Client, form: str) -> None:
    client.force_login(User.objects.create_superuser("staff"))

    answer = client.post(form, {"reason": "Storm"}, headers=BY_SCRIPT)

    page = form.replace("/cancel/", "/change/")
    assert (answer.status_code, answer.json()) == (200, {"location": page})
    assert "Location" not in answer.headers
    assert "is cancelled" in client.get(page).content.decode()


def test_says_that_it_leads_to_the_login(client: Client, form: str) -> None:
    answer = client.post(form, {"reason": "Storm"}, headers=BY_SCRIPT)

    assert answer.json()["location"].startswith("/admin/login/")


def test_leads_a_browser_there_itself(client: Client, form: str) -> None:
    client.force_login(User.objects.create_superuser("staff"))

    assert client.post(form, {"reason": "Storm"}).status_code == 302
    # What only looks at a page is led on as well.
    assert client.get("/admin/bookings/bookingrecord/none/", headers=BY_SCRIPT).status_code == 302
