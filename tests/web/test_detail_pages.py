"""The page on which guests correct their details."""

from __future__ import annotations

import datetime as dt
import re
from typing import Any

import pytest
from django.test import Client

from bookings.infrastructure import connections
from bookings.stays import corrections, manage_links
from idempotency.keys import fingerprint_of
from tests.browsing import ask, book, booking_path, hold, open_page, press, stored
from tests.calls import book as book_by_api
from tests.conftest import night
from tests.pages import Form

pytestmark = pytest.mark.mongo

LINK = "Correct your details or add a request"


@pytest.fixture
def browser() -> Client:
    """The browser of a person without an account."""
    return Client()


def details_form(browser: Client) -> Form:
    path = book(browser).links[LINK]
    return open_page(browser, path).form_to(path)


def by_link() -> Client:
    other = Client()
    booking_id = str(stored()[0]["_id"])
    token = manage_links.make_link_token(booking_id, dt.date.fromisoformat(night(32)))
    other.get(f"/manage/{token}")
    return other


def test_saves_details_and_requests(browser: Client) -> None:
    form = details_form(browser)

    page = press(browser, form, name="Ada King", phone="030 123", notes="A cot, please.\nThanks")

    assert "Your details are saved." in page.status
    assert "Ada King" in page.text
    assert "A cot, please. Thanks" in page.text
    assert stored()[0]["guest"]["name"] == "Ada King"


def test_saves_once_however_often_the_button_is_pressed(browser: Client) -> None:
    form = details_form(browser)

    pages = [press(browser, form, name="Ada King") for _ in range(2)]

    assert all("Your details are saved." in page.status for page in pages)
    assert [line["event"] for line in stored()[0]["history"]].count("corrected") == 1


def test_does_not_call_saved_what_was_typed_after_the_first_press(browser: Client) -> None:
    """The first answer was lost, or the browser went back to the page as it was."""
    form = details_form(browser)
    press(browser, form, name="Ada King")

    page = press(browser, form, name="Ada King", phone="030 123", expect=409)

    assert "the booking was changed since you opened this page" in page.status
    assert stored()[0]["guest"]["phone"] == ""
    saved = press(browser, page.form_to(form.action), phone="030 123")
    assert "Your details are saved." in saved.status
    assert stored()[0]["guest"]["phone"] != ""


def test_keeps_nothing_on_which_a_name_could_be_tried(browser: Client, settings: Any) -> None:
    """The history keeps the key for ever, and an erasure leaves it there."""
    press(browser, details_form(browser), name="Ada King")
    kept = re.findall(rb'"idempotencyKey":"[^"]*:([0-9a-f]+)"', stored()[0]["history"][-1]["body"])

    said = ["Ada King", "ada@example.org", "", ""]
    assert kept
    assert not fingerprint_of(said).startswith(kept[0].decode())
    ours = corrections.key_for("k", said)
    settings.SECRET_KEY = "another-" * 10
    assert corrections.key_for("k", said) != ours


def test_shows_what_is_wrong_and_keeps_what_was_typed(browser: Client) -> None:
    form = details_form(browser)

    page = press(browser, form, name="", notes="A cot", expect=400)

    assert "We haven’t saved your details yet." in page.status
    assert "Enter your name." in page.text
    assert page.form_to(form.action).fields["notes"] == "A cot"


def test_leaves_a_number_alone_that_a_partner_wrote_as_a_text(browser: Client) -> None:
    form = details_form(browser)
    connections.collection("bookings").update_one({}, {"$set": {"guest.phone": "ask me"}})
    form = open_page(browser, form.action).form_to(form.action)

    refused = press(browser, form, name="Ada King", phone="call me", expect=400)
    page = press(browser, form, name="Ada King")

    assert "Enter a phone number, or leave this empty." in refused.text
    assert "Your details are saved." in page.status
    assert stored()[0]["guest"]["phone"] == "ask me"


def test_overwrites_nothing_that_the_page_did_not_show(browser: Client) -> None:
    form = details_form(browser)
    press(browser, form, name="Ada King")

    old = {**form.fields, "key": "another", "name": "Ada B"}
    page = press(browser, Form(form.action, "post", old), expect=409)

    assert "the booking was changed since you opened this page" in page.status
    assert page.form_to(form.action).fields["name"] == "Ada King"


def test_does_not_ask_for_the_address_by_the_link(browser: Client) -> None:
    form = details_form(browser)
    other = by_link()

    page = open_page(other, form.action)
    done = press(other, page.form_to(form.action), name="Eve", email="eve@example.org")

    assert "email" not in page.form_to(form.action).fields
    assert "Only the browser or the account with which you booked" in page.text
    assert "Your details are saved." in done.status
    assert stored()[0]["guest"]["email"] == "ada@example.org"


@pytest.mark.parametrize("seen", ["", "{}", "[]", "[1,2,3,4]", "[" * 5000])
def test_changes_nothing_for_a_damaged_form(browser: Client, seen: str) -> None:
    form = details_form(browser)

    press(browser, form, name="Ada King", seen=seen, expect=400)

    assert stored()[0]["guest"]["name"] == "Ada"


def test_says_that_a_hold_has_nothing_to_correct_yet(browser: Client) -> None:
    page = hold(browser)
    path = f"{booking_path(stored()[0])}/details"

    assert LINK not in page.links
    assert "there are no details to correct" in open_page(browser, path).text


def test_knows_no_booking_but_ones_own(browser: Client) -> None:
    booking_id = book_by_api().content["booking"]["id"]

    assert browser.get(f"/bookings/{booking_id}/details").status_code == 404
    assert browser.post(f"/bookings/{booking_id}/details", {"name": "Eve"}).status_code == 404


def test_tells_its_script_what_is_wrong(browser: Client) -> None:
    form = details_form(browser)

    told = ask(browser, form, name="").json()
    done = ask(browser, form, name="Ada King").json()

    assert told["errors"] == {"name": ["Enter your name."]}
    assert done["location"] == form.action.removesuffix("/details")
