"""The front desk in a browser: the grid by keyboard, and every page by axe, wide and narrow."""

from __future__ import annotations

import re

import pytest
from playwright.sync_api import Page, Route, expect

from tests.conftest import night
from tests.journeys.desk import GRID, free_night
from tests.journeys.looks import NARROW, WIDE, allow_axe, broken_rules, overflowing
from tests.journeys.visitor import Visitor, stored

pytestmark = [pytest.mark.browser, pytest.mark.usefixtures("inn")]


def focused(page: Page) -> str:
    """The name of the link that has the focus: its own text, or that of its row and column."""
    return page.evaluate(NAME_OF_FOCUS).strip()


NAME_OF_FOCUS = """() => {
  const link = document.activeElement;
  const ids = link.getAttribute("aria-labelledby")?.split(" ");
  if (!ids) return link.textContent;
  const texts = ids.map((id) => document.getElementById(id).textContent.trim());
  return texts.join(" ").replace(/\\s+/g, " ").replace(", today", "");
}"""


@pytest.mark.parametrize("javascript", [True])
def test_walks_through_the_grid_by_arrow_keys(desk: Visitor) -> None:
    desk.go(GRID)
    page = desk.page
    page.get_by_role("link", name="Ada Lovelace").focus()

    walked = []
    for key in ("ArrowRight", "ArrowDown", "ArrowLeft", "ArrowUp", "End", "Home"):
        page.keyboard.press(key)
        walked.append(focused(page))
    page.keyboard.press("Tab")
    after_tab = page.evaluate("document.activeElement.closest('#grid') === null")

    assert free_night("Room A", 3).match(walked[0])
    assert free_night("Room B", 0).match(walked[2])
    assert [*walked[1:2], *walked[3:]] == [
        "Hold: 15 min: Alan Turing",
        "Checked in: Ada Lovelace",
        "Grace Hopper",
        "Checked in: Ada Lovelace",
    ]
    assert after_tab
    page.get_by_role("link", name="Grace Hopper").press("Enter")
    expect(page.get_by_role("heading", level=1).or_(page.locator("#content h1"))).to_be_visible()
    assert stored()[1]["reference"] in page.title()


@pytest.mark.parametrize("javascript", [False])
def test_walks_through_the_grid_by_tab_without_javascript(desk: Visitor) -> None:
    desk.go(GRID)
    page = desk.page
    page.get_by_role("link", name="Ada Lovelace").focus()

    page.keyboard.press("Tab")

    assert page.locator("#grid a:focus").get_attribute("href") == f"inn_A/{night(3)}/"


@pytest.mark.parametrize("javascript", [True])
def test_books_from_a_free_night_for_who_is_on_the_phone(desk: Visitor) -> None:
    desk.go(GRID)
    page = desk.page
    page.get_by_role("link", name=free_night("Room B", 4)).click()
    expect(page.get_by_label("Room:", exact=True)).to_have_value("inn_B")

    with page.expect_response(lambda response: response.request.method == "POST"):
        page.get_by_label("Check-out").fill(night(6))
        page.get_by_label("Check-out").blur()
    expect(page.locator("#id_room optgroup").first).to_have_attribute("label", re.compile("200.00"))
    page.get_by_label("Guest name").fill("Emmy Noether")
    page.get_by_role("button", name="Book", exact=True).click()

    expect(page.get_by_text("The room is booked.")).to_be_visible()
    made = stored()[-1]
    assert (made["guest"]["name"], made["check_out"]) == ("Emmy Noether", night(6))


@pytest.mark.parametrize("javascript", [True])
@pytest.mark.parametrize("address", ["/admin/bookings/bookingrecord/add/", "move/"])
def test_sees_what_was_changed_while_its_script_was_still_loading(
    desk: Visitor, address: str
) -> None:
    page = desk.page
    is_new = address.startswith("/")
    script = "new_booking" if is_new else "rooms"
    waiting: list[Route] = []
    page.route(f"**/admin_pages/{script}*.js", lambda route: waiting.append(route))
    booking = f"/admin/bookings/bookingrecord/{stored()[0]['_id']}/"
    wish = f"?hotel=inn&check_in={night(4)}&check_out={night(5)}" if is_new else ""
    with page.expect_request(f"**/admin_pages/{script}*.js"):
        page.goto(f"{address if is_new else booking + address}{wish}", wait_until="commit")
    page.get_by_label("Check-out").fill(night(9))
    page.get_by_label("Check-out").blur()

    with page.expect_response(lambda response: response.request.method == "POST") as asked:
        waiting[0].continue_()

    assert asked.value.ok


@pytest.mark.slow
@pytest.mark.parametrize("javascript", [True])
def test_is_accessible_and_fits_a_telephone(desk: Visitor) -> None:
    booking = stored()[0]["_id"]
    allow_axe(desk)
    found = []
    for address, schemes in (
        (GRID, ("light", "dark")),
        ("/admin/desk/today/?hotel=inn", ("light",)),
        ("/admin/desk/guests/?q=ada", ("dark",)),
        (f"/admin/desk/rooms/?hotel=inn&check_in={night(1)}&check_out={night(3)}", ("light",)),
        (f"/admin/bookings/bookingrecord/{booking}/move/", ("dark",)),
    ):
        desk.page.set_viewport_size({"width": WIDE, "height": 800})
        desk.go(address)
        for scheme in schemes:
            desk.page.emulate_media(color_scheme=scheme)  # type: ignore[arg-type]
            broken = broken_rules(desk.page, within="#content")
            found += [f"{address}, {scheme}: {report}" for report in broken]
        desk.page.set_viewport_size({"width": NARROW, "height": 800})
        found += [f"{address}: {element}" for element in overflowing(desk.page)]

    assert found == [], "\n".join(found)
