"""From the search to a booking and its end, as a person does it, with JavaScript and without."""

from __future__ import annotations

import re

import pytest
from playwright.sync_api import expect

from tests.calls import let_hold_end
from tests.conftest import night
from tests.journeys.conftest import Visit
from tests.journeys.visitor import NAME, Visitor, statuses, stored

pytestmark = pytest.mark.browser


@pytest.mark.parametrize("javascript", [True, False], ids=["js", "no-js"])
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
        go_on = visitor.page.get_by_role("link", name="Continue booking")
        visitor.press_again_if_told(visitor.hold_button().or_(go_on), until="Your room is held")
        visitor.expect_heading("Your room is held")
    else:
        visitor.hold()
        visitor.type_details()
        visitor.confirm_button.dblclick()
        visitor.press_again_if_told(visitor.confirm_button, until="Your room is booked")
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
    visitor.expect_text("You’re holding this.")
    visitor.page.get_by_role("link", name="Continue booking").click()

    visitor.expect_heading("Your room is held")
    assert visitor.page.url == held_at
    assert statuses() == ["pending"]


def test_books_no_second_time_after_going_back_from_the_booking(visitor: Visitor) -> None:
    visitor.hold()
    visitor.confirm()

    visitor.page.go_back()

    # The page of the hold has become the booking's page; with JavaScript that page replaced it.
    visitor.expect_heading("Demo Hotel" if visitor.javascript else "Your room is booked")
    assert statuses() == ["confirmed"]


@pytest.mark.slow
def test_leads_to_the_booking_from_a_tab_that_was_open_before(visitor: Visitor) -> None:
    visitor.look_for()
    tab = visitor.another_tab()
    tab.look_for()
    visitor.hold_button().click()
    visitor.confirm()

    tab.hold_button().click()

    tab.expect_text("You’ve already booked this. We didn’t book it twice.")
    tab.expect_heading("Your room is booked")
    assert statuses() == ["confirmed"]


def test_confirms_once_from_two_tabs(visitor: Visitor) -> None:
    visitor.hold()
    tab = visitor.another_tab()
    tab.go(visitor.page.url)
    visitor.confirm()

    tab.type_details(name="Somebody Else")
    tab.confirm_button.click()

    tab.expect_heading("Your room is booked")
    tab.expect_text(NAME)
    assert statuses() == ["confirmed"]


def test_opens_and_cancels_from_the_manage_link_in_another_browser(visit: Visit) -> None:
    booker, other = visit(), visit()
    booker.hold()
    booker.confirm()
    link = booker.page.get_by_label("Your link to this booking").input_value()

    other.go(link)
    other.expect_heading("Your room is booked")
    other.cancel()
    other.expect_heading("This booking is cancelled")
    booker.page.reload()

    booker.expect_heading("This booking is cancelled")
    assert statuses() == ["cancelled"]


def test_does_not_find_somebody_elses_booking(visit: Visit) -> None:
    booker, other = visit(), visit()
    booker.hold()
    other.expect_complaint("404")

    response = other.go(booker.page.url)

    assert response is not None
    assert response.status == 404
    other.expect_heading("Page not found")


def test_keeps_a_hold_longer_with_what_was_typed(visitor: Visitor) -> None:
    visitor.hold()
    let_hold_end(-2)
    visitor.page.reload()
    until = visitor.page.locator("#held-until").get_attribute("datetime")
    visitor.type_details(note="A quiet room")

    visitor.press("Give me more time")

    visitor.expect_text("Your hold now lasts until")
    expect(visitor.page.locator("#held-until")).not_to_have_attribute("datetime", until)
    visitor.expect_details(note="A quiet room")
    visitor.confirm_button.click()
    visitor.expect_heading("Your room is booked")
    assert [change["event"] for change in stored()[0]["history"]] == [
        "created",
        "extended",
        "confirmed",
    ]
