"""The list of a person's own bookings on the pages."""

from __future__ import annotations

from urllib.parse import quote

import pytest
from django.test import Client

from bookings.domain.callers import Caller
from tests.browsing import book, booking_path, hold, open_page, press, stays_path, stored
from tests.calls import book as book_by_api
from tests.calls import let_hold_end
from tests.conftest import night

pytestmark = pytest.mark.mongo


@pytest.fixture
def browser() -> Client:
    return Client()


def test_shows_each_browser_its_own(browser: Client) -> None:
    theirs = book_by_api().content["booking"]["reference"]
    book(browser)

    own = open_page(browser, "/bookings")
    other = open_page(Client(), "/bookings")

    assert stored()[1]["reference"] in own.text
    assert theirs not in own.text
    assert "You have no bookings yet." in other.text


def test_shows_until_when_each_can_be_cancelled_or_is_kept(browser: Client) -> None:
    book(browser)
    hold(browser, stays_path(night(40), night(41)))

    page = open_page(browser, "/bookings")

    assert "You can cancel until" in page.text
    assert "Held until" in page.text
    assert page.links["Continue booking"] == booking_path(stored()[1])


def test_filters_by_state_as_it_is_now(browser: Client) -> None:
    page = book(browser)
    press(browser, page.form_to(f"{booking_path(stored()[0])}/cancel"))
    book(browser, stays_path(night(40), night(41)))
    hold(browser, stays_path(night(50), night(51)))
    let_hold_end()
    references = [booking["reference"] for booking in stored()]

    shown = {
        status: [
            ref
            for ref in references
            if ref in open_page(browser, f"/bookings?status={status}").text
        ]
        for status in ("", "confirmed", "pending", "cancelled", "expired")
    }

    assert shown == {
        "": references,
        "confirmed": [references[1]],
        "pending": [],
        "cancelled": [references[0]],
        "expired": [references[2]],
    }
    pending = open_page(browser, "/bookings?status=pending")
    assert "You have no bookings with this status." in pending.text


def test_leads_on_to_older_ones(browser: Client) -> None:
    hold(browser)
    owner = stored()[0]["owner"]
    kind, _, guest_id = owner.partition(":")
    for number in range(20):
        book_by_api(f"k{number}", caller=Caller(kind, guest_id), date=night(60 + number))
    references = [booking["reference"] for booking in stored()]

    newest = open_page(browser, "/bookings")
    older = open_page(browser, newest.links["Older bookings"])

    assert references[0] not in newest.text
    assert references[20] in newest.text
    assert references[0] in older.text
    assert references[20] not in older.text
    assert "Older bookings" not in older.links
    assert references[20] in open_page(browser, older.links["Newest bookings"]).text


@pytest.mark.parametrize("query", ["status=$ne", "cursor=x", "status=a%00b", "cursor=%00"])
def test_refuses_a_query_that_nobody_was_given(browser: Client, query: str) -> None:
    open_page(browser, f"/bookings?{query}", expect=400)


def test_leads_back_after_logging_in(browser: Client) -> None:
    page = open_page(browser, stays_path())

    assert page.links["Log in"] == f"/login?next={quote(stays_path(), safe='')}"
    assert open_page(browser).links["Log in"] == "/login"


def test_forgets_a_guest_at_a_computer_that_others_use(browser: Client) -> None:
    book(browser)
    reference = stored()[0]["reference"]

    page = press(browser, open_page(browser, "/bookings").form_to("/forget"))

    assert "This browser no longer shows your bookings." in page.status
    assert reference not in open_page(browser, "/bookings").text
    open_page(browser, booking_path(stored()[0]), expect=404)
    assert stored()[0]["status"] == "confirmed"
