"""A replaced SECRET_KEY takes nothing from anyone while the earlier one is a fallback."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.test import Client

from bookings.domain.booking import from_document
from bookings.people import account_letters
from bookings.stays import manage_links
from tests.browsing import (
    ADA,
    book,
    booking_path,
    hold,
    open_page,
    press,
    stays_path,
    stored,
)

pytestmark = pytest.mark.mongo

NEW_KEY = "the key that comes after, of as many characters as it should have"


@pytest.fixture
def rotate(settings: Any) -> Callable[..., None]:
    def rotate(*, keep: bool = True) -> None:
        settings.SECRET_KEY_FALLBACKS = [settings.SECRET_KEY] if keep else []
        settings.SECRET_KEY = NEW_KEY

    return rotate


@pytest.fixture
def browser() -> Client:
    """The browser of a person without an account."""
    return Client()


def test_still_confirms_what_was_held_before(browser: Client, rotate: Callable[..., None]) -> None:
    hold(browser)
    path = booking_path(stored()[-1])
    rotate()

    page = press(browser, open_page(browser, path).form_to(f"{path}/confirm"), **ADA)

    (booking,) = stored()
    assert booking["status"] == "confirmed"
    assert booking["reference"] in page.text


def test_still_takes_a_form_from_before_and_books_it_once(
    browser: Client, rotate: Callable[..., None]
) -> None:
    form = open_page(browser, stays_path()).hold_form("demo_double")
    press(browser, form)
    rotate()

    for _ in range(2):
        press(browser, form)

    assert len(stored()) == 1


def test_still_gives_another_key_to_who_cancelled_before(
    browser: Client, rotate: Callable[..., None]
) -> None:
    book(browser)
    path = booking_path(stored()[-1])
    press(browser, open_page(browser, path).form_to(f"{path}/cancel"))
    rotate()

    hold(browser)
    path = booking_path(stored()[-1])
    press(browser, open_page(browser, path).form_to(f"{path}/confirm"), **ADA)

    assert [booking["status"] for booking in stored()] == ["cancelled", "confirmed"]


def test_still_knows_whose_the_bookings_are(browser: Client, rotate: Callable[..., None]) -> None:
    book(browser)
    reference = stored()[0]["reference"]
    browser.cookies.pop("sessionid", None)
    rotate()

    assert reference in open_page(browser, "/bookings").text


def test_still_opens_links(browser: Client, rotate: Callable[..., None]) -> None:
    book(browser)
    booking = from_document(stored()[0])
    account_letters.ask_for_letter(purpose=account_letters.REGISTER, address="ada@example.org")
    token = manage_links.make_link_token(str(booking.id), booking.check_out)
    (letter,) = account_letters.collection("letters").find()
    secret = account_letters._signer(account_letters.REGISTER).sign(str(letter["_id"]))
    rotate()

    assert manage_links.read_link_token(token) == str(booking.id)
    assert account_letters.open_letter(purpose=account_letters.REGISTER, token=secret) is not None


def test_still_has_people_logged_in(browser: Client, rotate: Callable[..., None]) -> None:
    browser.force_login(User.objects.create_user("ada", password="correct horse"))
    rotate()

    # Twice: the first request signs the session again.
    for _ in range(2):
        assert "Log out" in open_page(browser, "/").text


def test_ends_everything_once_the_earlier_key_is_gone(
    browser: Client, rotate: Callable[..., None]
) -> None:
    hold(browser)
    path = booking_path(stored()[-1])
    rotate(keep=False)

    open_page(browser, path, expect=404)
