"""The pages that appear when MongoDB or the session has failed, or a URL takes no GET."""

from __future__ import annotations

import re
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.http import HttpRequest
from django.shortcuts import render
from django.test import Client, RequestFactory
from django.urls import resolve
from django.utils.functional import SimpleLazyObject
from pymongo.errors import AutoReconnect

from bookings.refusals import NotFound, ServerError, TryAgain
from bookings.stays import own_bookings
from tests.browsing import booking_path, hold, stored
from tests.pages import Page
from tests.url_patterns import patterns_of_site


class Unreadable:
    """Replaces a session or its messages: every access to it fails."""

    def __getattribute__(self, name: str) -> Any:
        raise AssertionError(f"an error page asked for {name}")

    def __iter__(self) -> Any:
        raise AssertionError("an error page asked for the messages")


def unreachable_user() -> Any:
    raise AssertionError("an error page asked who is logged in")


def broken(request: HttpRequest) -> HttpRequest:
    """The request when everything behind it is gone."""
    request.user = SimpleLazyObject(unreachable_user)  # type: ignore[assignment]
    request.session = Unreadable()  # type: ignore[assignment]
    request._messages = Unreadable()  # type: ignore[attr-defined]
    request.resolver_match = resolve(request.path)
    return request


@pytest.mark.parametrize("template", ["error.html", "try_again.html", "403_csrf.html"])
@pytest.mark.parametrize("path", ["/", "/login"])
def test_needs_neither_person_nor_session(template: str, path: str) -> None:
    request = broken(RequestFactory().get(path))

    response = render(request, template, {"refusal": ServerError()})

    assert "<h1>" in response.content.decode()


def test_leads_from_an_error_to_the_bookings_and_the_search() -> None:
    request = broken(RequestFactory().get("/bookings"))

    page = Page(render(request, "error.html", {"refusal": NotFound()}).content.decode())

    assert page.links["See my bookings"] == "/bookings"
    assert page.links["Search for a room"] == "/"


def test_offers_the_same_form_again() -> None:
    sent = {"category": "demo_double", "arrival": "2031-02-15", "key": 'a"<b'}
    request = broken(RequestFactory().post("/hold", sent))

    page = Page(render(request, "try_again.html", {"refusal": TryAgain()}).content.decode())

    (form,) = page.forms_to("/hold")
    assert form.method == "post"
    assert form.fields == sent


def test_never_puts_a_password_into_the_page() -> None:
    request = broken(RequestFactory().post("/login", {"username": "ada", "password": "s3cret"}))

    response = render(request, "try_again.html", {"refusal": TryAgain()})

    assert "s3cret" not in response.content.decode()


# --- URLs of buttons ------------------------------------------------------------------------


@pytest.fixture
def staff(database: None) -> Client:
    browser = Client(raise_request_exception=False)
    browser.force_login(User.objects.create_superuser("staff", password="correct horse"))
    return browser


def urls_of_pages() -> list[str]:
    """Returns a URL for each pattern that may be a page, with an id that names nothing."""
    return [
        "/" + re.sub("<.*?>", "5f", pattern)
        for pattern in patterns_of_site()
        if not pattern.startswith(("api/", "metrics")) and "(" not in pattern
    ]


@pytest.mark.mongo
@pytest.mark.parametrize("language", ["en", "de"])
def test_answers_with_a_page_where_only_a_button_leads(staff: Client, language: str) -> None:
    headers = {"accept-language": language}
    answers = {url: staff.get(url, headers=headers) for url in urls_of_pages()}
    refused = {url: answer for url, answer in answers.items() if answer.status_code == 405}
    assert {url.split("/")[1] for url in refused} >= {"hold", "bookings", "language", "admin"}

    for url, answer in refused.items():
        page = Page(answer.content.decode())
        is_admin = url.startswith("/admin/")
        said = "öffnen" if language == "de" and not is_admin else "You can’t open this page"
        assert said in page.text, url
        assert answer["Allow"].startswith("POST"), url
        assert int(answer["Content-Length"]) == len(answer.content), url
        assert answer["Content-Type"] == "text/html; charset=utf-8", url
        assert answer["X-Frame-Options"] == "DENY", url
        assert "no-store" in answer["Cache-Control"], url
        assert ("/admin/" in page.links.values()) == is_admin, url
        assert ("/bookings" in page.links.values()) != is_admin, url
        assert "/bookings/5f" not in page.links.values(), url


@pytest.mark.slow
@pytest.mark.mongo
def test_answers_a_head_of_a_button_as_a_get_without_the_page(staff: Client) -> None:
    for url in urls_of_pages():
        got, asked = staff.get(url), staff.head(url)
        if got.status_code == 405:
            assert (asked.status_code, asked["Allow"], asked.content) == (405, got["Allow"], b"")
            assert asked["Content-Type"] == got["Content-Type"], url


@pytest.mark.mongo
@pytest.mark.parametrize("action", ["confirm", "extend", "cancel"])
def test_leads_from_a_button_back_to_the_visitors_own_booking(action: str) -> None:
    owner = Client()
    hold(owner)
    path = booking_path(stored()[0])

    links = {
        name: Page(browser.get(f"{path}/{action}").content.decode()).links
        for name, browser in (("owner", owner), ("stranger", Client()))
    }

    assert links["owner"]["Back to your booking"] == path
    assert path not in links["stranger"].values()
    assert links["stranger"]["See my bookings"] == "/bookings"


@pytest.mark.mongo
def test_answers_at_a_button_although_mongodb_fails_meanwhile(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def fail(**_: Any) -> None:
        raise AutoReconnect

    browser = Client(raise_request_exception=False)
    monkeypatch.setattr(own_bookings, "find_own_booking", fail)

    response = browser.get("/bookings/5f/confirm")

    assert response.status_code == 405
    assert "Back to your booking" not in response.content.decode()


@pytest.mark.mongo
@pytest.mark.parametrize(
    ("path", "status", "count"),
    [
        ("/hold", 405, 0),
        ("/admin/bookings/bookingrecord/5f/confirm/", 405, 0),
        ("/bookings/5f", 404, 1),  # by the view
    ],
)
def test_looks_for_no_booking_on_other_pages(
    staff: Client, monkeypatch: pytest.MonkeyPatch, path: str, status: int, count: int
) -> None:
    looks = []

    def look(**asked: Any) -> None:
        looks.append(asked)
        raise NotFound

    monkeypatch.setattr(own_bookings, "find_own_booking", look)

    assert staff.get(path).status_code == status
    assert len(looks) == count


@pytest.mark.mongo
@pytest.mark.parametrize("method", ["post", "put", "delete"])
def test_answers_with_a_page_to_a_file_that_is_sent_something(method: str) -> None:
    response = getattr(Client(enforce_csrf_checks=True), method)("/static/site.css")

    page = Page(response.content.decode())
    assert (response.status_code, response["Allow"]) == (405, "GET, HEAD")
    assert "You can’t open this page" in page.text
    assert page.links["Search for a room"] == "/"
    assert response["Content-Type"] == "text/html; charset=utf-8"
    assert int(response["Content-Length"]) == len(response.content)


@pytest.mark.mongo
def test_leads_staff_back_to_the_admin(staff: Client) -> None:
    page = Page(staff.get("/admin/nothing/").content.decode())

    assert page.links["Go to the admin"] == "/admin/"
    assert "/bookings" not in page.links.values()
