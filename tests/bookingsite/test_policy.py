"""The policy that every page sends about what may run in it; no page needs more."""

from __future__ import annotations

from typing import Any

import pytest
from django.contrib.auth.models import User
from django.http import HttpResponse
from django.test import Client

from bookings.domain.callers import caller_of_user
from bookings.infrastructure.mongodb import outage
from tests.calls import book
from tests.conftest import night
from tests.pages import Page

pytestmark = pytest.mark.mongo

CUSTOMER_PAGES = (
    "/",
    f"/stays?hotel=demo&arrival={night()}&departure={night(32)}&guests=2&rooms=1",
    "/stays?hotel=demo&arrival=nothing",
    "/calendar/demo_double",
    "/bookings",
    "/bookings/nothing",
    "/login",
    "/register",
    "/password",
    "/find",
    "/letter",
    "/how-it-works",
    "/nothing",
)
ADMIN_PAGES = (
    "/admin/",
    "/admin/auth/user/",
    "/admin/auth/user/add/",
    "/admin/bookings/hotel/",
    "/admin/bookings/hotel/demo/change/",
    "/admin/bookings/roomcategory/add/",
    "/admin/bookings/bookingrecord/",
    "/admin/bookings/bookingrecord/add/",
    "/admin/bookings/night/",
    "/admin/bookings/nightsjob/add/",
    "/admin/bookings/apiclient/add/",
    "/admin/bookings/roomblock/",
    "/admin/nothing/",
)
DOCS = "/api/docs"


@pytest.fixture
def staff(database: None) -> Client:
    browser = Client()
    browser.force_login(User.objects.create_superuser("staff", password="correct horse"))
    return browser


def policy_of(response: HttpResponse) -> dict[str, list[str]]:
    parts = (part.split() for part in response["Content-Security-Policy"].split(";"))
    return {words[0]: words[1:] for words in parts}


def check(response: HttpResponse) -> None:
    """Checks that the policy is strict, and that the page contains nothing it forbids."""
    policy = policy_of(response)
    allowed = {word for words in policy.values() for word in words}
    assert policy["default-src"] == policy["frame-ancestors"] == ["'none'"]
    assert policy["base-uri"] == ["'none'"]
    assert policy["form-action"] == policy["script-src"] == policy["style-src"] == ["'self'"]
    assert allowed <= {"'self'", "'none'", "data:"}
    assert response["X-Content-Type-Options"] == "nosniff"
    assert response["Referrer-Policy"] == "same-origin"
    assert response["Cross-Origin-Opener-Policy"] == "same-origin"
    assert "camera=()" in response["Permissions-Policy"]
    page = Page(response.content.decode())
    assert page.inline == []
    assert "style" not in page.attributes
    assert not [name for name in page.attributes if name.startswith("on")]


@pytest.mark.parametrize("path", [*CUSTOMER_PAGES, *ADMIN_PAGES, DOCS])
def test_is_strict_and_every_page_keeps_to_it(staff: Client, path: str) -> None:
    response = staff.get(path)

    assert response.status_code in ((400, 404) if "nothing" in path else (200,))
    check(response)
    assert ("data:" in response["Content-Security-Policy"]) == (path == DOCS)


@pytest.mark.parametrize("path", ["/register/finish", "/password/new"])
def test_is_strict_behind_a_link_that_has_ended(database: None, path: str) -> None:
    response = Client().get(path)

    assert response.status_code == 410
    check(response)


def test_is_strict_on_a_booking(database: None) -> None:
    ada = User.objects.create_user("ada")
    browser = Client()
    browser.force_login(ada)
    for room, hold in (("room_A", True), ("room_B", False)):
        made = book(room, caller=caller_of_user(ada.pk), resourceId=room, hold=hold)

        response = browser.get(f"/bookings/{made.content['booking']['id']}")

        assert response.status_code == 200
        check(response)


def test_is_strict_where_nobody_is_logged_in(database: None) -> None:
    check(Client().get("/admin/login/"))
    check(Client().get("/login"))


def test_is_strict_on_a_page_that_mongodb_is_missing_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(outage, "is_away", lambda: True)

    response = Client().get("/")

    assert response.status_code == 503
    check(response)


def test_is_strict_on_a_form_from_before_a_login(database: None) -> None:
    response = Client(enforce_csrf_checks=True).post("/login", {"username": "ada"})

    assert response.status_code == 403
    check(response)


def test_is_strict_on_a_page_that_failed(monkeypatch: pytest.MonkeyPatch, database: None) -> None:
    def fail(*_: Any, **__: Any) -> None:
        raise RuntimeError

    monkeypatch.setattr("bookings.catalogue.inventory.recent_hotels", fail)

    response = Client(raise_request_exception=False).get("/")

    assert response.status_code == 500
    check(response)


def test_runs_the_docs_from_a_file_of_their_own(staff: Client) -> None:
    script = staff.get(f"{DOCS}?script")

    assert script.status_code == 200
    assert script["Content-Type"].startswith("application/javascript")
    assert "SwaggerUIBundle" in script.content.decode()
