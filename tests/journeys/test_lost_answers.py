"""The network fails, a process dies, the first try is slow: one key, one booking, and clear
words."""

from __future__ import annotations

import re

import pytest
from playwright.sync_api import Locator, Route, expect

from bookings.infrastructure import connections
from tests.journeys.visitor import Visitor, statuses
from tests.site import Site

pytestmark = pytest.mark.browser

LOST = "Your connection was lost. We’ll send the same form again in"

# The heading of the page that each step leads to.
STEPS = {"hold": "Your room is held", "confirm": "Your room is booked"}

# The address of a browser while it shows its own words about a server that did not answer.
NO_PAGE = re.compile("^chrome-error:")


def lose_first_answer(visitor: Visitor) -> None:
    """The first form arrives and is carried out; its answer never comes back."""
    answered = []

    def handle(route: Route) -> None:
        if route.request.method != "POST" or answered:
            route.fallback()
            return
        answered.append(route.fetch(max_redirects=0))
        route.abort("connectionreset")

    visitor.page.route("**/*", handle)
    visitor.expect_complaint("ERR_CONNECTION_RESET")


def go_to_button(visitor: Visitor, step: str) -> Locator:
    """Returns the button of the step, on its page with everything typed in."""
    if step == "hold":
        visitor.look_for()
        return visitor.hold_button()
    visitor.hold()
    visitor.type_details()
    visitor.posted.clear()
    return visitor.confirm_button


@pytest.mark.parametrize("javascript", [True])
@pytest.mark.parametrize("step", STEPS)
def test_sends_the_same_key_until_the_network_is_back(visitor: Visitor, step: str) -> None:
    button = go_to_button(visitor, step)
    visitor.lose_the_network()

    button.click()
    visitor.expect_text(LOST)
    visitor.find_the_network()

    visitor.expect_heading(STEPS[step])
    assert len(visitor.posted) > 1
    assert len(visitor.posted_keys) == 1
    assert len(statuses()) == 1


@pytest.mark.parametrize("javascript", [True])
def test_books_once_when_an_answer_is_lost(visitor: Visitor) -> None:
    visitor.look_for()
    lose_first_answer(visitor)
    visitor.hold_button().click()
    visitor.expect_text(LOST)
    visitor.expect_heading("Your room is held")

    visitor.page.unroute_all()
    lose_first_answer(visitor)
    visitor.type_details()
    visitor.confirm_button.click()
    visitor.expect_text(LOST)
    visitor.expect_heading("Your room is booked")

    assert len(visitor.posted_keys) == 1
    assert statuses() == ["confirmed"]


@pytest.mark.parametrize("javascript", [False])
def test_books_once_when_somebody_goes_back_from_a_lost_answer(visitor: Visitor) -> None:
    visitor.look_for()
    lose_first_answer(visitor)
    visitor.hold_button().click()
    expect(visitor.page).to_have_url(NO_PAGE)
    visitor.page.go_back()
    visitor.page.get_by_role("link", name="Continue booking").click()
    visitor.expect_heading("Your room is held")

    visitor.page.unroute_all()
    lose_first_answer(visitor)
    visitor.type_details()
    visitor.confirm_button.click()
    expect(visitor.page).to_have_url(NO_PAGE)
    visitor.page.go_back()

    visitor.expect_heading("Your room is booked")
    assert statuses() == ["confirmed"]


@pytest.mark.slow
@pytest.mark.parametrize("javascript", [True])
@pytest.mark.parametrize("step", STEPS)
def test_books_once_when_the_process_dies_after_the_write(
    visitor: Visitor, site: Site, step: str
) -> None:
    button = go_to_button(visitor, step)
    visitor.expect_complaint("ERR_")
    visitor.expect_complaint("409")
    site.faults.arm("before_answer", "kill")

    button.click()
    site.faults.wait_for("killed")
    # The test does not wait for a dead claim: Redis forgets everything instead.
    connections.redis().flushdb()

    visitor.expect_heading(STEPS[step])
    assert len(visitor.posted_keys) == 1
    assert len(statuses()) == 1


def test_waits_for_a_first_try_that_is_still_at_work(visitor: Visitor, site: Site) -> None:
    visitor.look_for()
    tab = visitor.another_tab()
    tab.look_for()
    site.faults.arm("after_claim", "pause")
    visitor.expect_complaint("409")

    visitor.hold_button().click(no_wait_after=True)
    site.faults.wait_for("paused")
    tab.hold_button().click()
    tab.expect_text("Your first request is still being processed.")
    site.faults.go()
    visitor.expect_heading("Your room is held")
    if not tab.javascript:
        tab.page.get_by_role("link", name="Continue booking").or_(tab.hold_button()).click()

    tab.expect_heading("Your room is held")
    assert tab.page.url == visitor.page.url
    assert len(visitor.posted_keys) == 1
    assert statuses() == ["pending"]
