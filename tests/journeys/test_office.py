"""The frame of the admin in a browser: sections, search, first page; wide, narrow, dark."""

from __future__ import annotations

import pytest
from playwright.sync_api import Page, expect

from tests.journeys.desk import GRID
from tests.journeys.looks import allow_axe, find_faults
from tests.journeys.visitor import Visitor

pytestmark = [pytest.mark.browser, pytest.mark.usefixtures("inn")]

PAGES = (
    "/admin/?hotel=inn",
    "/admin/bookings/bookingrecord/",
    "/admin/bookings/bookingrecord/add/?hotel=inn",
    "/admin/bookings/pricecalendar/?hotel=inn",
    "/admin/bookings/hotel/inn/change/",
    "/admin/auth/user/",
    "/admin/bookings/apiclient/add/",
    "/admin/bookings/figures/?hotel=inn",
)


def sections(page: Page) -> list[str]:
    return (
        page.get_by_role("navigation", name="Sections").locator("> ul > li > a").all_inner_texts()
    )


@pytest.mark.parametrize("javascript", [True])
def test_goes_through_the_sections_of_work(desk: Visitor) -> None:
    page = desk.page
    desk.go("/admin/?hotel=inn")

    assert sections(page) == [
        *("Today", "Calendar", "Bookings", "Guests", "Prices"),
        *("Rooms", "Team", "Connections", "Settings"),
    ]
    nav = page.get_by_role("navigation", name="Sections")
    nav.get_by_role("link", name="Prices").click()
    expect(page.get_by_role("heading", level=1, name="Price calendar")).to_be_visible()
    nav.get_by_role("link", name="Nights as CSV").click()
    expect(nav.locator("[aria-current=page]")).to_have_text("Nights as CSV")


@pytest.mark.parametrize("javascript", [True])
def test_searches_from_every_page_with_one_key(desk: Visitor) -> None:
    page = desk.page
    desk.go(GRID)

    page.keyboard.press("/")
    page.keyboard.type("hopp")
    page.keyboard.press("Enter")

    expect(page.get_by_role("rowheader", name="Grace Hopper")).to_be_visible()
    # In a field it is a sign like any other.
    field = page.locator("main input[name=q]")
    field.fill("")
    field.press_sequentially("a/b")
    assert field.input_value() == "a/b"


@pytest.mark.parametrize("javascript", [False])
def test_shows_the_day_and_leads_on_without_javascript_on_a_telephone(desk: Visitor) -> None:
    page = desk.page
    page.set_viewport_size({"width": 375, "height": 700})
    desk.go("/admin/?hotel=inn")

    expect(page.get_by_role("link", name="1 of 1 arrived")).to_be_visible()
    expect(page.get_by_role("link", name="1 of 5 rooms sold tonight")).to_be_visible()
    page.get_by_role("navigation", name="Sections").get_by_role("link", name="Bookings").click()
    link = page.get_by_role("navigation", name="Sections").get_by_role("link", name="New booking")
    box = link.bounding_box()
    assert box is not None
    assert box["height"] >= 40
    link.click()
    expect(page.get_by_role("heading", level=1, name="Book a room")).to_be_visible()


@pytest.mark.slow
@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("javascript", [True])
def test_is_accessible_on_every_width(desk: Visitor, scheme: str) -> None:
    allow_axe(desk)
    found = []
    desk.page.emulate_media(color_scheme=scheme)  # type: ignore[arg-type]
    for address in PAGES:
        desk.go(address)
        for width in (360, 768, 1440):
            desk.page.set_viewport_size({"width": width, "height": 900})
            found += find_faults(desk.page, f"{address}, {width} px")

    assert found == [], "\n".join(found)
