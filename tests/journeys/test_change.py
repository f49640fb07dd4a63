"""Guests change their stay in a real browser."""

from __future__ import annotations

import pytest

from tests.browsing import stored
from tests.conftest import night
from tests.journeys.visitor import Visitor

pytestmark = pytest.mark.browser


def test_changes_the_stay_once_for_a_double_press(visitor: Visitor) -> None:
    visitor.hold()
    visitor.confirm()
    visitor.page.get_by_role("link", name="Change dates or room").click()
    visitor.page.get_by_label("Departure").fill(night(33))
    visitor.press("Show the new price")
    visitor.expect_text("more than now")

    button = visitor.page.get_by_role("button", name="Change the booking")
    button.dblclick()
    visitor.press_again_if_told(button, until="Your stay is changed")
    visitor.expect_text("Your stay is changed.")

    (booking,) = stored()
    assert [line["event"] for line in booking["history"]] == ["created", "confirmed", "changed"]
    assert booking["check_out"] == night(33)


def test_shows_the_new_price_where_it_has_changed_meanwhile(visitor: Visitor, dearer: None) -> None:
    visitor.expect_complaint("409")
    visitor.hold()
    visitor.confirm()
    visitor.page.get_by_role("link", name="Change dates or room").click()
    visitor.page.get_by_label("Departure").fill(night(33))
    visitor.press("Show the new price")
    visitor.expect_text("EUR 120.00 more than now")
    dearer()  # type: ignore[misc]

    visitor.press("Change the booking")
    visitor.expect_text("The price has changed since you opened this page")
    visitor.expect_text("EUR 130.50 more than now")
    visitor.press("Change the booking")
    visitor.expect_text("Your stay is changed.")
