"""Booking on the page, over HTTP: impatient people, and servers that are gone."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Callable

import pytest
import requests

from bookings import connections
from local.servers import Server
from tests.conftest import night
from tests.pages import Form, Page
from tests.site.conftest import Starter, make_user
from tests.site.site import ROOT, Site, all_at_once
from tests.site.test_mongo_lost import REQUEST_LIMIT_S, prepare

PASSWORD = "correct horse"


class Browser:
    """A browser without JavaScript, with one person's cookies."""

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

    def send(self, form: Form, **typed: str) -> requests.Response:
        return self.session.post(
            self.site.url + form.action, data={**form.fields, **typed}, timeout=30
        )

    def clicks(self, form: Form, times: int) -> list[Callable[[], requests.Response]]:
        """Sends the form as a double click does: with the same cookies, nobody waiting."""
        cookies = self.session.cookies.get_dict()
        return [
            lambda: requests.post(
                self.site.url + form.action, data=form.fields, cookies=cookies, timeout=30
            )
            for _ in range(times)
        ]


def find_bookings(date: str) -> list[dict]:
    return list(connections.collection("bookings").find({"check_in": date}))


def test_books_once_for_a_double_click(site: Site, rounds: int) -> None:
    make_user("ada", PASSWORD)
    browser = Browser(site).log_in()
    for number in range(8 * rounds):
        date = night(30 + number)
        form = browser.open(f"/?date={date}").booking_form("room_A")

        responses = all_at_once(browser.clicks(form, 2))

        (booking,) = find_bookings(date)
        for response in responses:
            assert response.status_code == 200
            page = Page(response.text)
            if booking["reference"] not in page.text:
                # It came while the first was at work. What it offers is the same form.
                assert page.booking_form("room_A").fields["key"] == form.fields["key"]
                page = Page(browser.send(page.booking_form("room_A")).text)
            assert booking["reference"] in page.text
        assert len(find_bookings(date)) == 1


def test_offers_the_same_form_while_the_first_click_is_at_work(site: Site) -> None:
    make_user("ada", PASSWORD)
    browser = Browser(site).log_in()
    form = browser.open(f"/?date={night()}").booking_form("room_A")
    site.faults.arm("after_claim", "pause")
    first, second = browser.clicks(form, 2)

    def second_click() -> requests.Response:
        site.faults.wait_for("paused")
        try:
            return second()
        finally:
            site.faults.go()

    done, told = all_at_once([first, second_click])

    assert "It is being booked for you this second." in Page(told.text).status
    again = Page(told.text).booking_form("room_A")
    assert again.fields["key"] == form.fields["key"]
    ended = Page(browser.send(again).text)
    (booking,) = find_bookings(night())
    assert booking["reference"] in Page(done.text).status
    assert booking["reference"] in ended.status


def test_books_with_the_same_form_again_after_the_answer_was_lost(site: Site) -> None:
    make_user("ada", PASSWORD)
    browser = Browser(site).log_in()
    form = browser.open(f"/?date={night()}").booking_form("room_A")
    site.faults.arm("before_answer", "kill")

    with pytest.raises(requests.ConnectionError):
        browser.send(form)
    page = Page(browser.send(form).text)

    (booking,) = find_bookings(night())
    assert booking["reference"] in page.status


def test_serves_its_own_style_and_nothing_from_elsewhere(site: Site) -> None:
    page = Browser(site).open("/")

    assert "http://" not in page.html
    assert "https://" not in page.html
    assert len(page.files) == 2
    for file in page.files:
        assert requests.get(site.url + file, timeout=30).ok


def test_books_and_stays_logged_in_without_redis(start: Starter) -> None:
    make_user("ada", PASSWORD)
    site = start(REDIS_URL="redis://127.0.0.1:1/0")
    browser = Browser(site).log_in()
    form = browser.open(f"/?date={night()}").booking_form("room_A")

    pages = [Page(browser.send(form).text) for _ in range(2)]

    (booking,) = find_bookings(night())
    assert [booking["reference"] in page.status for page in pages] == [True, True]
    assert "ada" in browser.open("/").text


@pytest.mark.slow
def test_offers_to_send_the_form_again_while_mongodb_is_frozen(
    start: Starter, environment: dict[str, str], own_mongod: Server
) -> None:
    variables, _ = prepare(environment, own_mongod)
    passwords = {"DEMO_STAFF_PASSWORD": PASSWORD, "DEMO_CUSTOMER_PASSWORD": PASSWORD}
    subprocess.run(
        [sys.executable, "manage.py", "seed_demo", "--users"],
        env={**environment, **variables, **passwords},
        cwd=ROOT,
        check=True,
        capture_output=True,
    )
    browser = Browser(start(**variables)).log_in("guest")
    form = browser.open(f"/?date={night()}").booking_form("room_A")
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
    (again,) = Page(sent.text).forms_to("/book")
    assert again.fields["key"] == form.fields["key"]
    page = Page(send_until_answered(browser, again).text)
    assert "Room A is booked for you" in page.status
    assert "room_A" not in page.bookable


def send_until_answered(browser: Browser, form: Form) -> requests.Response:
    """Presses the button again, as the page asks, until MongoDB has its primary back."""
    for _ in range(50):
        response = browser.send(form)
        if response.status_code != 503:
            return response
        time.sleep(0.2)
    raise AssertionError("MongoDB did not come back within 10 s")
