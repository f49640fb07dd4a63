"""A hold that runs out while a guest types: the page says so in time, and nothing is lost."""

from __future__ import annotations

import re

import pytest
from playwright.sync_api import expect

from bookings.infrastructure import connections
from tests.calls import let_hold_end
from tests.journeys.visitor import Visitor, statuses

pytestmark = pytest.mark.browser

RUN_OUT = "Your hold has expired"

# The page's polite region, as a screen reader would hear it: every text that it showed.
LISTEN = """() => {
  const news = document.getElementById("hold-news");
  window.heard = [];
  new MutationObserver(() => window.heard.push(news.textContent))
    .observe(news, { childList: true, characterData: true, subtree: true });
}"""


@pytest.mark.parametrize("javascript", [True])
def test_warns_a_few_times_and_not_every_second(visitor: Visitor) -> None:
    visitor.page.clock.install()
    visitor.hold()
    expect(visitor.page.get_by_role("status").nth(1)).to_have_id("hold-news")
    visitor.page.evaluate(LISTEN)
    let_hold_end()

    visitor.page.clock.run_for("15:01")
    visitor.expect_heading(RUN_OUT)

    heard = visitor.page.evaluate("window.heard")
    assert [text.split(".")[0] for text in heard] == [
        "Your hold expires in 5 min",
        "Your hold expires in 2 min",
        "Your hold expires in 60 seconds",
        "Your hold expires in 30 seconds",
        RUN_OUT,
    ]


@pytest.mark.parametrize("javascript", [True])
def test_asks_the_server_before_it_says_that_it_is_over(visitor: Visitor) -> None:
    """The device's clock runs ahead, or the hold was extended in another tab."""
    visitor.page.clock.install()
    visitor.hold()

    with visitor.page.expect_response(re.compile("/bookings/[0-9a-f]+$")):
        visitor.let_the_device_pass("15:01")

    visitor.expect_heading("Your room is held")
    expect(visitor.page.locator("#held-left")).to_contain_text("14 min")
    expect(visitor.page.get_by_role("button", name="Give me more time")).to_be_visible()


@pytest.mark.parametrize("javascript", [True])
def test_goes_on_after_an_extension_that_came_late(visitor: Visitor) -> None:
    """The answer was slow, and the page had already said that the hold has ended."""
    visitor.page.clock.install()
    visitor.hold()
    let_hold_end()
    visitor.let_the_device_pass("15:01")
    visitor.expect_heading(RUN_OUT)
    expect(visitor.page.get_by_text("Release this room")).to_be_hidden()
    connections.collection("bookings").update_one(
        {}, [{"$set": {"expires_at": {"$add": ["$$NOW", 900_000]}}}]
    )

    visitor.page.evaluate("window.dispatchEvent(new Event('online'))")

    visitor.expect_heading("Your room is held")
    expect(visitor.page.get_by_role("button", name="Hold it again")).to_be_hidden()


@pytest.mark.parametrize("javascript", [True])
def test_leads_on_when_it_was_confirmed_in_another_tab(visitor: Visitor) -> None:
    visitor.hold()
    tab = visitor.another_tab()
    tab.go(visitor.page.url)
    tab.confirm()

    visitor.page.evaluate("window.dispatchEvent(new Event('online'))")

    visitor.expect_heading("Your room is booked")


@pytest.mark.parametrize("javascript", [True])
def test_shows_the_end_on_screen_and_holds_again_in_one_click(visitor: Visitor) -> None:
    visitor.page.clock.install()
    visitor.hold()
    expect(visitor.page.locator("#held-left")).to_contain_text("14 min")
    visitor.type_details(note="A quiet room")
    let_hold_end()

    visitor.let_the_device_pass("15:00")
    visitor.expect_heading(RUN_OUT)
    visitor.expect_text("We’ve kept your details.")
    visitor.expect_details(note="A quiet room")
    expect(visitor.page.get_by_role("button", name="Give me more time")).to_be_hidden()
    visitor.press("Hold it again")

    visitor.expect_heading("Your room is held")
    visitor.expect_details(note="A quiet room")
    visitor.confirm_button.click()
    visitor.expect_heading("Your room is booked")
    assert statuses() == ["expired", "confirmed"]


def test_says_that_a_hold_has_run_out_and_holds_again_in_one_click(visitor: Visitor) -> None:
    visitor.hold()
    let_hold_end()
    visitor.page.reload()
    visitor.expect_heading(RUN_OUT)
    expect(visitor.confirm_button).to_be_visible()
    visitor.type_details(note="A quiet room")

    visitor.press("Hold it again")

    visitor.expect_heading("Your room is held")
    visitor.expect_details(note="A quiet room")
    assert statuses() == ["expired", "pending"]


def test_confirms_late_while_the_room_is_free(visitor: Visitor) -> None:
    visitor.hold()
    visitor.type_details()
    let_hold_end()

    visitor.confirm_button.click()

    visitor.expect_heading("Your room is booked")
    assert statuses() == ["confirmed"]
