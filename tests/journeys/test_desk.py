"""The front desk in a browser: the grid by keyboard, and every page by axe, wide and narrow."""

from __future__ import annotations

import re
from datetime import date

import pytest
from axe_playwright_python.base import AXE_SCRIPT, AxeResults
from django.contrib.auth.models import User
from django.test import Client
from playwright.sync_api import Page, expect

from bookings.infrastructure import connections
from tests.admin.test_blocks import block
from tests.calls import book
from tests.conftest import night
from tests.journeys.conftest import Visit
from tests.journeys.test_pages import NARROW, OVERFLOWING, RULES, WIDE
from tests.journeys.visitor import Visitor, stored

GRID = "/admin/desk/occupancy/?hotel=inn&days=14"

# The colour of the admin's links changes slowly.
SETTLED = "Promise.all(document.getAnimations().map((animation) => animation.finished))"

pytestmark = [pytest.mark.browser, pytest.mark.usefixtures("inn")]


@pytest.fixture
def desk(visit: Visit) -> Visitor:
    """A person at the desk, with bookings of every look around today."""
    staff = fill_inn()
    visitor = visit()
    client = Client()
    client.force_login(staff)
    session = {"name": "sessionid", "value": client.cookies["sessionid"].value}
    visitor.page.context.add_cookies([{**session, "url": visitor.origin}])
    return visitor


def fill_inn() -> User:
    staff = User.objects.create_superuser("staff")
    for room, first, end, name, is_hold in (
        ("inn_A", 0, 3, "Ada Lovelace", False),
        ("inn_A", 5, 20, "Grace Hopper", False),
        ("inn_B", 1, 4, "Alan Turing", True),
        ("inn_C", 2, 5, "Kurt Dead", True),
    ):
        dates = {"checkIn": night(first), "checkOut": night(end)}
        book(name.replace(" ", "-"), resourceId=room, **dates, guest={"name": name}, hold=is_hold)
    block(staff, "inn_S")
    bookings = connections.collection("bookings")
    dead = {"$subtract": ["$$NOW", 60_000]}
    bookings.update_one({"guest.name": "Kurt Dead"}, [{"$set": {"expires_at": dead}}])
    bookings.update_one({"guest.name": "Ada Lovelace"}, {"$set": {"presence": "checked_in"}})
    return staff


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


def free_night(room: str, ahead: int) -> re.Pattern[str]:
    """The name of the link that books this night."""
    day = date.fromisoformat(night(ahead))
    return re.compile(f"^Book {room} {day:%a} {day.day} {day:%b}(, today)?$")


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


@pytest.mark.slow
@pytest.mark.parametrize("javascript", [True])
def test_is_accessible_and_fits_a_telephone(desk: Visitor) -> None:
    booking = stored()[0]["_id"]
    # Requests that axe itself makes to look at the page; the other tests see those of the page.
    desk.expect_complaint("Applying inline style")
    desk.expect_complaint("Couldn't load preload assets")
    # It looks for the file that a style sheet imports beside the page.
    desk.expect_complaint("widgets.css")
    found, sideways = [], []
    for address, schemes in (
        (GRID, ("light", "dark")),
        ("/admin/desk/today/?hotel=inn", ("light",)),
        ("/admin/desk/guests/?q=ada", ("dark",)),
        (f"/admin/desk/rooms/?hotel=inn&check_in={night(1)}&check_out={night(3)}", ("light",)),
        (f"/admin/bookings/bookingrecord/{booking}/move/", ("dark",)),
    ):
        desk.page.set_viewport_size({"width": WIDE, "height": 800})
        desk.go(address)
        desk.page.evaluate(AXE_SCRIPT)
        for scheme in schemes:
            desk.page.emulate_media(color_scheme=scheme)  # type: ignore[arg-type]
            desk.page.evaluate(SETTLED)
            results = AxeResults(desk.page.evaluate("rules => axe.run('#content', rules)", RULES))
            if results.violations_count:
                found.append(f"{address}, {scheme}: {results.generate_report()}")
        desk.page.set_viewport_size({"width": NARROW, "height": 800})
        sideways += [f"{address}: {element}" for element in desk.page.evaluate(OVERFLOWING)]

    assert found == [], "\n".join(found)
    assert sideways == []
