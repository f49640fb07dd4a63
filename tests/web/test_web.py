"""Booking on the pages, over HTTP: impatient people, and servers that are gone."""

from __future__ import annotations

import re
import time
from collections.abc import Callable
from datetime import date, timedelta
from typing import Any

import pytest
import requests

from bookings.infrastructure import connections
from local.servers import Server
from tests.browsing import ADA, confirm_form, stays_path
from tests.conftest import night
from tests.pages import Form, Page
from tests.site import Site, all_at_once
from tests.site_fixtures import Starter, make_user
from tests.stays.test_mongo_lost import REQUEST_LIMIT_S, prepare

pytestmark = pytest.mark.site

PASSWORD = "correct horse"


class Browser:
    """A browser without JavaScript, with one visitor's cookies."""

    def __init__(self, site: Site) -> None:
        self.site = site
        self.session = requests.Session()

    def log_in(self, username: str = "ada") -> Browser:
        (form,) = self.open("/login").forms_to("/login")
        self.send(form, username=username, password=PASSWORD)
        return self

    def open(self, path: str) -> Page:
        response = self.session.get(self.site.url + path, timeout=30)
        response.raise_for_status()
        return Page(response.text)

    def hold_form(self, arrival: str = "", category: str = "demo_double") -> Form:
        """Returns the form that holds a room for the night that begins on this day."""
        day = date.fromisoformat(arrival or night())
        path = stays_path(day.isoformat(), (day + timedelta(days=1)).isoformat())
        return self.open(path).hold_form(category)

    def send(self, form: Form, **typed: str) -> requests.Response:
        return self.session.post(
            self.site.url + form.action, data={**form.fields, **typed}, timeout=30
        )

    def clicks(self, form: Form, times: int, **typed: str) -> list[Callable[[], requests.Response]]:
        """Sends the form as a double click does: with the same cookies, and no waiting."""
        cookies = self.session.cookies.get_dict()
        return [
            lambda: requests.post(
                self.site.url + form.action,
                data={**form.fields, **typed},
                cookies=cookies,
                timeout=30,
            )
            for _ in range(times)
        ]


def find_bookings(arrival: str) -> list[dict[str, Any]]:
    return list(connections.collection("bookings").find({"check_in": arrival}))


def test_holds_and_books_once_for_double_clicks(site: Site, rounds: int) -> None:
    for number in range(4 * rounds):
        browser = Browser(site)
        arrival = night(30 + number)
        form = browser.hold_form(arrival)

        held = all_at_once(browser.clicks(form, 3))

        (booking,) = find_bookings(arrival)
        for response in held:
            assert response.status_code == 200
            if "Your room is held" not in response.text:
                # It came while the first was being processed. Its link leads to the same hold.
                page = Page(response.text)
                assert "still being processed" in page.status
        page = browser.open(f"/bookings/{booking['_id']}")
        confirmed = all_at_once(browser.clicks(confirm_form(page), 3, **ADA))
        assert {response.status_code for response in confirmed} <= {200, 409}
        assert 200 in {response.status_code for response in confirmed}
        (booking,) = find_bookings(arrival)
        assert [change["event"] for change in booking["history"]] == ["created", "confirmed"]
        assert booking["reference"] in browser.open(f"/bookings/{booking['_id']}").text


def test_offers_the_same_form_while_the_first_click_is_at_work(site: Site) -> None:
    browser = Browser(site)
    form = browser.hold_form()
    site.faults.arm("after_claim", "pause")
    first, second = browser.clicks(form, 2)

    def second_click() -> requests.Response:
        site.faults.wait_for("paused")
        try:
            return second()
        finally:
            site.faults.go()

    done, told = all_at_once([first, second_click])

    assert "Your first request is still being processed." in Page(told.text).status
    again = Page(told.text).hold_form("demo_double")
    assert again.fields["key"] == form.fields["key"]
    ended = browser.send(again)
    (booking,) = find_bookings(night())
    assert f"/bookings/{booking['_id']}" in done.url
    assert ended.url == done.url


@pytest.mark.parametrize("point", ["after_commit", "before_answer"])
def test_ends_on_the_same_booking_after_an_answer_was_lost(site: Site, point: str) -> None:
    browser = Browser(site)
    form = browser.hold_form()
    site.faults.arm(point, "kill")
    with pytest.raises(requests.ConnectionError):
        browser.send(form)
    page = Page(browser.send(form).text)
    site.faults.clear()
    site.faults.arm(point, "kill")
    with pytest.raises(requests.ConnectionError):
        browser.send(confirm_form(page), **ADA)

    page = Page(browser.send(confirm_form(page), **ADA).text)

    (booking,) = find_bookings(night())
    assert "Your room is booked" in page.text
    assert booking["reference"] in page.text
    assert [change["event"] for change in booking["history"]] == ["created", "confirmed"]


def test_serves_everything_itself(site: Site) -> None:
    browser = Browser(site)
    pages = [browser.open("/"), browser.open(stays_path()), browser.open("/bookings")]

    for page in pages:
        # A page may name itself, a vocabulary, and a map; only a click asks that server.
        assert set(re.findall(r"(?<!<a href=\")https?://[^/\"]+", page.html)) <= {
            "http://127.0.0.1:8000",
            "https://schema.org",
        }
        for file in page.files:
            assert requests.get(site.url + file, timeout=30).ok


def test_says_nothing_of_a_guest_in_the_log_or_in_an_address(site: Site) -> None:
    browser = Browser(site)
    page = Page(browser.send(browser.hold_form()).text)

    response = browser.send(confirm_form(page), **{**ADA, "name": "Grace Hopper"})

    assert "Your room is booked" in response.text
    visited = [step.url for step in [*response.history, response]]
    log = site.log_path.read_text()
    for text in ("Grace", "Hopper", "ada@example.org", "ada%40"):
        assert text not in log
        assert not [url for url in visited if text in url]


@pytest.mark.slow
def test_books_and_stays_logged_in_without_redis(start: Starter) -> None:
    make_user("ada", PASSWORD)
    site = start(REDIS_URL="redis://127.0.0.1:1/0")
    browser = Browser(site).log_in()
    form = browser.hold_form()

    held = [browser.send(form) for _ in range(2)]
    booked = Page(browser.send(confirm_form(Page(held[0].text)), **ADA).text)

    (booking,) = find_bookings(night())
    assert held[0].url == held[1].url
    assert booking["reference"] in booked.text
    assert "ada" in browser.open("/").text


@pytest.mark.slow
def test_offers_to_send_the_form_again_while_mongodb_is_frozen(
    start: Starter, environment: dict[str, str], own_mongod: Server
) -> None:
    variables, _ = prepare(environment, own_mongod)
    browser = Browser(start(**variables))
    form = browser.hold_form()
    own_mongod.freeze()

    started_s = time.monotonic()
    shown, sent = all_at_once(
        [lambda: browser.session.get(browser.site.url, timeout=30), *browser.clicks(form, 1)]
    )
    took_s = time.monotonic() - started_s
    own_mongod.thaw()

    assert took_s < REQUEST_LIMIT_S
    assert (shown.status_code, sent.status_code) == (503, 503)
    assert shown.headers["Retry-After"]
    again = Page(sent.text).form_to("/hold")
    assert again.fields["key"] == form.fields["key"]
    held = send_until_answered(browser, again)
    assert "Your room is held" in held.text
    assert send_until_answered(browser, form).url == held.url


def send_until_answered(browser: Browser, form: Form) -> requests.Response:
    """Presses the button again, as the page asks, until MongoDB has its primary back."""
    for _ in range(50):
        response = browser.send(form)
        if response.status_code != 503:
            return response
        time.sleep(0.2)
    raise AssertionError("MongoDB did not come back within 10 s")
