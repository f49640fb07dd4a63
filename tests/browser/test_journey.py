"""From the search to a booking and its end, as a person does it, with JavaScript and without."""

from __future__ import annotations

import re

import pytest
from playwright.sync_api import expect

from tests.browser.conftest import Visit
from tests.browser.visitor import Visitor, statuses, stored
from tests.conftest import night


def test_searches_holds_confirms_and_cancels(visitor: Visitor) -> None:
    visitor.go("/")
    visitor.page.get_by_label("Arrival").fill(night(30))
    visitor.page.get_by_label("Departure").fill(night(32))
    visitor.press("Show rooms")
    visitor.hold_button().click()
    visitor.expect_heading("Your room is held")
    visitor.confirm()
    (booked,) = stored()
    visitor.expect_text(booked["reference"])
    visitor.cancel()
    visitor.expect_heading("This booking is cancelled")
    visitor.page.get_by_role("link", name="My bookings").click()

    expect(visitor.page.locator(".booking .status")).to_have_text("Cancelled")
    assert statuses() == ["cancelled"]


@pytest.mark.parametrize("step", ["hold", "confirm"])
def test_does_it_once_on_a_double_click(visitor: Visitor, step: str) -> None:
    if step == "hold":
        visitor.look_for()
        visitor.hold_button().dblclick()
        visitor.expect_heading("Your room is held")
    else:
        visitor.hold()
        visitor.type_details()
        visitor.confirm_button.dblclick()
        visitor.expect_heading("Your room is booked")

    (booking,) = stored()
    expect(visitor.page).to_have_url(re.compile(f"/bookings/{booking['_id']}$"))
    assert booking["status"] == {"hold": "pending", "confirm": "confirmed"}[step]


def test_shows_the_booking_again_on_a_reload(visitor: Visitor) -> None:
    visitor.hold()
    visitor.confirm()

    visitor.page.reload()

    visitor.expect_heading("Your room is booked")
    assert statuses() == ["confirmed"]


def test_leads_on_from_the_results_after_going_back_from_the_hold(visitor: Visitor) -> None:
    visitor.hold()
    held_at = visitor.page.url

    visitor.page.go_back()
    visitor.expect_text("You hold this.")
    visitor.page.get_by_role("link", name="Go on with it").click()

    visitor.expect_heading("Your room is held")
    assert visitor.page.url == held_at
    assert statuses() == ["pending"]


def test_books_no_second_time_after_going_back_from_the_booking(visitor: Visitor) -> None:
    visitor.hold()
    visitor.confirm()
    booked_at = visitor.page.url

    visitor.page.go_back()
    if visitor.confirm_button.is_visible():
        visitor.type_details()
        visitor.confirm_button.click()
        visitor.expect_heading("Your room is booked")

    expect(visitor.page).to_have_url(re.compile(f"^{booked_at}|/stays"))
    assert statuses() == ["confirmed"]
