"""No browser and no proxy keeps a copy of an answer: every URL of the site, for every visitor."""

from __future__ import annotations

import re
from collections.abc import Iterator

import pytest
from django.contrib.auth.models import User
from django.http import HttpResponse
from django.test import Client
from django.urls import URLPattern, URLResolver, get_resolver

from bookings.models import ApiClient
from bookings.people import tokens
from tests.browsing import ADA, book, booking_path, confirm_form, hold, press, stored
from tests.conftest import night

pytestmark = pytest.mark.mongo

# The same for everybody.
PUBLIC = {"/api/schema", "/robots.txt", "/sitemap.xml"}


def paths(resolver: URLResolver | None = None, prefix: str = "/") -> Iterator[str]:
    """Every URL of the site, with a value for each parameter."""
    for entry in (resolver or get_resolver()).url_patterns:
        path = prefix + re.sub(r"<[^>]+>", "0" * 24, str(entry.pattern))
        if isinstance(entry, URLResolver):
            yield from paths(entry, path)
        elif isinstance(entry, URLPattern):
            yield re.sub(r"\(\?P.*|[\^$]", "x", path)


def assert_is_not_kept(response: HttpResponse, path: str) -> None:
    assert "no-store" in response.get("Cache-Control", ""), (path, response.status_code)


def log_in_staff() -> Client:
    browser = Client()
    browser.force_login(User.objects.create_superuser("boss", password="correct horse"))
    return browser


@pytest.mark.parametrize("who", ["a stranger", "staff"])
def test_lets_no_answer_be_kept(database: None, who: str) -> None:
    browser = log_in_staff() if who == "staff" else Client()
    walked = list(paths())

    for path in walked:
        for response in (browser.get(path), browser.post(path)):
            if path not in PUBLIC or response.status_code != 200:
                assert_is_not_kept(response, path)

    assert {"/api/bookings", f"/manage/{'0' * 24}", "/admin/desk/guests/"} <= set(walked)


def test_lets_no_answer_about_a_booking_be_kept() -> None:
    browser, staff = Client(), log_in_staff()
    book(browser)
    (booking,) = stored()
    page = browser.get(booking_path(booking))
    (manage,) = re.findall(r"/manage/[\w:.-]+", page.content.decode())[:1]
    record = f"/admin/bookings/bookingrecord/{booking['_id']}/change/"
    export = "/admin/bookings/nightsfile/export/?hotel=demo"

    answers = {
        path: client.get(path)
        for client, path in (
            (browser, booking_path(booking)),
            (browser, f"{booking_path(booking)}/stay.ics"),
            (browser, "/bookings"),
            (Client(), manage),
            (staff, record),
            (staff, export),
            (staff, "/admin/desk/guests/?q=ada"),
        )
    }

    assert [answer.status_code for answer in answers.values()] == [
        200,
        200,
        200,
        302,
        200,
        200,
        200,
    ]
    for path, answer in answers.items():
        assert_is_not_kept(answer, path)


def test_lets_no_answer_of_the_api_be_kept() -> None:
    token = tokens.issue_token(ApiClient.objects.create(name="partner").pk)
    partner = Client(headers={"Authorization": f"Bearer {token}"})
    wish = {"resourceId": "room_A", "date": night(), "hold": True}

    def post(path: str, body: object = None, key: str = "key") -> HttpResponse:
        return partner.post(
            path, body or {}, content_type="application/json", headers={"Idempotency-Key": key}
        )

    made = post("/api/bookings", wish)
    one = f"/api/bookings/{made.json()['booking']['id']}"
    answers = [
        made,
        post("/api/bookings", wish),
        post("/api/bookings", wish, "other"),
        partner.get("/api/bookings"),
        partner.get(one),
        post(f"{one}/extend", key="longer"),
        post(f"{one}/confirm"),
        post(f"{one}/cancel", key="cancel"),
        Client().get(one),
    ]

    assert [answer.status_code for answer in answers][-1] == 401
    for answer in answers:
        assert_is_not_kept(answer, str(answer.status_code))


def test_lets_what_is_the_same_for_everybody_be_kept() -> None:
    answer = Client().get("/api/schema")

    assert (answer.status_code, answer["Cache-Control"]) == (200, "max-age=3600")


def test_keeps_no_page_of_a_hold(database: None) -> None:
    browser = Client()
    form = confirm_form(hold(browser))

    assert_is_not_kept(browser.get(booking_path(stored()[0])), "the hold")
    press(browser, form, **ADA)
