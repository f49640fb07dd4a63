"""The form that blocks rooms in a browser, with scripts and without."""

from __future__ import annotations

import pytest
from playwright.sync_api import Page, expect

from bookings.presentation.days import stay_text
from tests.calls import book
from tests.conftest import night
from tests.journeys.conftest import Visit
from tests.journeys.looks import NARROW, WIDE, allow_axe, find_faults
from tests.journeys.visitor import Visitor, stored

ADD = "/admin/bookings/roomblock/add/"

pytestmark = [pytest.mark.browser, pytest.mark.usefixtures("inn")]


@pytest.fixture
def clerk(visit_as_staff: Visit) -> Visitor:
    return visit_as_staff()


def show(visitor: Visitor, page: Page) -> None:
    """Without scripts the button shows the rooms; with them they are there already."""
    if not visitor.javascript:
        page.get_by_role("button", name="Show rooms and dates").click()


def test_blocks_picked_rooms_again_and_again_and_lifts_them_all(clerk: Visitor) -> None:
    taken = book(resourceId="inn_A", date=night(17)).content["booking"]["reference"]
    page = clerk.page
    clerk.go(f"{ADD}?hotel=demo&first={night(10)}&end={night(12)}")
    page.get_by_label("Hotel").select_option(label="Inn")
    show(clerk, page)
    # The inn's alone: the other hotel has a Room A, too.
    expect(page.get_by_label("Room X")).to_be_visible()
    page.get_by_label("Room A").check()
    page.get_by_label("Reason").select_option("Cleaning")
    page.get_by_text("Again and again").click()
    page.get_by_label("Again every … weeks").fill("1")
    page.get_by_label("Until").fill(night(24))
    page.get_by_label("Until").blur()
    show(clerk, page)
    lines = page.locator("#offered-lines li")
    expect(lines).to_have_count(3)
    expect(lines.nth(1)).to_contain_text(f"in the way: {taken}")

    page.get_by_role("button", name="Block", exact=True).click()

    expect(page.locator(".messagelist")).to_contain_text("2 blocks made")
    expect(page.locator(".messagelist")).to_contain_text(
        f"Not blocked, {stay_text(night(17), night(19))}: In the way: {taken}"
    )
    expect(page.locator("#result_list tbody tr")).to_have_count(2)
    for box in page.locator("#result_list tbody input[type=checkbox]").all():
        box.check()
    page.locator("select[name=action]").select_option("lift_selected")
    page.locator(".actions button[name=index]").click()
    page.get_by_label("Why?").fill("Clean")
    page.get_by_role("button", name="Yes, lift them").click()
    expect(page.locator(".messagelist")).to_contain_text("The block is lifted.")
    assert [each["status"] for each in stored() if each["kind"] == "block"] == ["cancelled"] * 2


@pytest.mark.parametrize("javascript", [True])
def test_keeps_ticks_and_focus_while_the_rooms_are_refreshed(clerk: Visitor) -> None:
    book(resourceId="inn_B", date=night(11))
    page = clerk.page
    clerk.go(f"{ADD}?hotel=inn&first={night(10)}&end={night(11)}")
    page.get_by_label("Room A").focus()
    with page.expect_response(lambda response: response.request.method == "POST"):
        page.keyboard.press("Space")
    expect(page.get_by_label("Room A")).to_be_checked()
    expect(page.get_by_label("Room A")).to_be_focused()

    page.get_by_label("Free from").fill(night(12))
    page.get_by_label("Free from").blur()

    expect(page.get_by_label("Room B not free")).to_be_visible()
    expect(page.get_by_label("Room A")).to_be_checked()
    expect(page.locator("#offered")).to_contain_text("4 rooms")


@pytest.mark.slow
@pytest.mark.parametrize("javascript", [True])
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_is_accessible_and_fits_a_telephone(clerk: Visitor, scheme: str) -> None:
    allow_axe(clerk)
    book(resourceId="inn_B", date=night(10))
    page = clerk.page
    page.emulate_media(color_scheme=scheme)  # type: ignore[arg-type]
    clerk.go(f"{ADD}?rooms=inn_B&first={night(10)}&end={night(11)}")
    page.get_by_text("Again and again").click()
    page.get_by_label("Again every … weeks").fill("1")
    page.get_by_label("Until").fill(night(24))
    page.get_by_label("Until").blur()
    expect(page.locator("#offered-lines li")).to_have_count(3)

    found = []
    for width in (WIDE, NARROW):
        page.set_viewport_size({"width": width, "height": 800})
        found += find_faults(page, f"{width} px", within="#content")

    assert found == [], "\n".join(found)
