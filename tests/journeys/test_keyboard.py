"""Everything can be done with the keyboard, and the focus is always visible."""

from __future__ import annotations

import pytest
from playwright.sync_api import Locator, expect

from tests.journeys.visitor import EMAIL, NAME, Visitor, statuses

pytestmark = pytest.mark.browser

# More stops than any page has.
MOST_STOPS = 60

SHOWS_FOCUS = """() => {
  const here = document.activeElement;
  // The little calendar in a field for dates has a ring of the browser's own.
  if (here.type === "date" && !here.matches(":focus")) return true;
  const style = getComputedStyle(here);
  const box = here.getBoundingClientRect();
  const seen = box.width > 0 && box.height > 0 && box.top >= 0 && box.bottom <= innerHeight;
  return seen && style.outlineStyle !== "none" && parseFloat(style.outlineWidth) >= 2;
}"""


def tab_to(visitor: Visitor, target: Locator) -> None:
    """Presses Tab until the target has the focus; every stop on the way must show its focus."""
    for _ in range(MOST_STOPS):
        visitor.page.keyboard.press("Tab")
        here = visitor.page.evaluate("document.activeElement.outerHTML")
        if visitor.page.evaluate("document.activeElement !== document.body"):
            assert visitor.page.evaluate(SHOWS_FOCUS), f"the focus is not seen on {here}"
        if target.evaluate("element => element === document.activeElement"):
            return
    raise AssertionError(f"Tab does not reach {target}")


@pytest.mark.slow
def test_books_and_cancels_with_the_keyboard_alone(visitor: Visitor) -> None:
    keyboard = visitor.page.keyboard
    visitor.go("/")
    tab_to(visitor, visitor.page.get_by_label("Departure"))
    tab_to(visitor, visitor.page.get_by_role("button", name="Show rooms"))
    keyboard.press("Enter")
    visitor.expect_text("in total")
    tab_to(visitor, visitor.hold_button())
    keyboard.press("Space")
    visitor.expect_heading("Your room is held")
    tab_to(visitor, visitor.page.get_by_label("Name"))
    keyboard.type(NAME)
    tab_to(visitor, visitor.page.get_by_label("E-mail"))
    keyboard.type(EMAIL)
    tab_to(visitor, visitor.confirm_button)
    keyboard.press("Space")
    visitor.expect_heading("Your room is booked")
    assert statuses() == ["confirmed"]
    tab_to(visitor, visitor.page.locator("summary", has_text="Cancel this booking"))
    keyboard.press("Enter")
    tab_to(visitor, visitor.page.get_by_role("button", name="Yes, cancel it"))
    keyboard.press("Enter")

    visitor.expect_heading("This booking is cancelled")
    assert statuses() == ["cancelled"]


def test_confirms_with_enter_in_a_field(visitor: Visitor) -> None:
    visitor.hold()
    visitor.type_details()

    visitor.page.get_by_label("E-mail").press("Enter")

    visitor.expect_heading("Your room is booked")


def test_skips_to_the_content(visitor: Visitor) -> None:
    visitor.look_for()
    skip = visitor.page.get_by_role("link", name="Skip to content")

    visitor.page.keyboard.press("Tab")
    expect(skip).to_be_focused()
    expect(skip).to_be_in_viewport()
    visitor.page.keyboard.press("Enter")
    expect(visitor.page.get_by_role("main")).to_be_focused()
    visitor.page.keyboard.press("Tab")

    expect(visitor.page.get_by_label("Hotel")).to_be_focused()
