"""A browser without JavaScript: Django's test client, with the steps that people take."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlencode

from bson import ObjectId
from django.test import Client

from bookings.infrastructure import connections
from tests.conftest import night
from tests.pages import Form, Page

ADA = {"name": "Ada", "email": "ada@example.org", "phone": "", "notes": ""}


def stays_path(
    arrival: str = "", departure: str = "", *, hotel: str = "demo", **query: object
) -> str:
    """Returns the path of the results, by default for two nights a month ahead."""
    arrival = arrival or night()
    departure = departure or night(32)
    asked = {"hotel": hotel, "arrival": arrival, "departure": departure, "guests": 2, "rooms": 1}
    return f"/stays?{urlencode({**asked, **query})}"


def open_page(browser: Client, path: str = "/", *, expect: int = 200) -> Page:
    response = browser.get(path)
    assert response.status_code == expect, response.content.decode()[:2000]
    return Page(response.content.decode())


def press(browser: Client, form: Form, *, to: str = "", expect: int = 200, **typed: str) -> Page:
    """Sends the form as it is, or with another button, and follows redirects to the last page."""
    response = browser.post(to or form.action, {**form.fields, **typed}, follow=True)
    assert response.status_code == expect, response.content.decode()[:2000]
    return Page(response.content.decode())


def ask(browser: Client, form: Form, *, to: str = "", **typed: str) -> Any:
    """Sends the form as the pages' script does; returns the response with its JSON."""
    return browser.post(
        to or form.action, {**form.fields, **typed}, headers={"accept": "application/json"}
    )


def hold(browser: Client, path: str = "", *, category: str = "demo_double") -> Page:
    """Holds a room from the results; returns the page of the hold."""
    page = press(browser, open_page(browser, path or stays_path()).hold_form(category))
    assert "Your room is held" in page.text
    return page


def confirm_form(page: Page) -> Form:
    (form,) = [form for form in page.forms if form.action.endswith("/confirm")]
    return form


def book(browser: Client, path: str = "", *, category: str = "demo_double") -> Page:
    """Holds and confirms; returns the page of the booking."""
    page = press(browser, confirm_form(hold(browser, path, category=category)), **ADA)
    assert "Your room is booked" in page.text
    return page


def stored() -> list[dict[str, Any]]:
    """Returns every booking, oldest first."""
    return list(connections.collection("bookings").find({}).sort("_id"))


def booking_path(document: dict[str, Any] | ObjectId) -> str:
    booking_id = document["_id"] if isinstance(document, dict) else document
    return f"/bookings/{booking_id}"
