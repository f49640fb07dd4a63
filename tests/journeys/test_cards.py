"""Lists of the admin on a telephone: each row is a card that names its parts, for fingers."""

from __future__ import annotations

import pytest
from playwright.sync_api import Page, expect

from tests.journeys.looks import allow_axe, find_faults
from tests.journeys.visitor import Visitor

pytestmark = [pytest.mark.browser, pytest.mark.usefixtures("inn")]

BOOKINGS = "/admin/bookings/bookingrecord/"
LISTS = (
    BOOKINGS,
    "/admin/bookings/deliveryrecord/",
    "/admin/bookings/roomblock/",
    "/admin/bookings/hotel/",
    "/admin/bookings/room/",
    "/admin/bookings/roomcategory/",
    "/admin/bookings/night/",
    "/admin/bookings/webhookendpoint/",
    "/admin/bookings/apiclient/",
    "/admin/auth/user/",
    "/admin/admin/logentry/",
    "/admin/desk/guests/?q=hopper",
    "/admin/desk/guests/retention/",
    "/admin/team/",
)

# Each cell that is seen, without the words that the style sheet puts before it.
UNLABELLED = """() => [...document.querySelectorAll(".cards tbody td")]
  .filter((cell) => cell.checkVisibility() && !cell.matches(".action-checkbox, [colspan]"))
  .filter((cell) => getComputedStyle(cell, "::before").content === "none")
  .map((cell) => cell.outerHTML.slice(0, 120))"""

# Everything to press that is lower than a finger. A box is pressed by its label.
TOO_LOW = """() => [...document.querySelectorAll(
    "#user-tools :is(a, button), .sections a,"
      + " #content :is(button, select, summary, label:has(input)),"
      + " #content input:not([type=hidden], label > [type=checkbox], label > [type=radio]),"
      + " #content :is(.button, .cards tbody th a, .object-tools a, .paginator a)")]
  .filter((one) => one.checkVisibility() && one.getBoundingClientRect().width > 1)
  .filter((one) => one.getBoundingClientRect().height < 43.5)
  .map((one) => one.outerHTML.slice(0, 120))"""


def narrow(desk: Visitor, width: int = 375) -> Page:
    desk.page.set_viewport_size({"width": width, "height": 812})
    return desk.page


@pytest.mark.parametrize("javascript", [False])
def test_names_the_parts_of_a_booking_on_a_telephone(desk: Visitor) -> None:
    page = narrow(desk)
    desk.go(BOOKINGS)

    card = page.locator("#result_list tbody tr").first
    labels = card.locator("td[data-label]").evaluate_all(
        "cells => cells.map((cell) => getComputedStyle(cell, '::before').content)"
    )
    assert labels == [
        *('"Status"', '"Hotel"', '"Rooms"', '"Check-in"'),
        *('"Check-out"', '"Guest name"', '"Total"'),
    ]
    box = card.bounding_box()
    assert box is not None
    assert box["x"] >= 0
    assert box["x"] + box["width"] <= 375
    page.get_by_role("link", name="Filter", exact=True).click()
    expect(page.get_by_role("navigation", name="Filter")).to_be_in_viewport()


@pytest.mark.parametrize("javascript", [True])
def test_stays_a_table_on_a_wide_screen(desk: Visitor) -> None:
    page = narrow(desk, 1440)
    desk.go(BOOKINGS)

    expect(page.get_by_role("columnheader", name="Check-in")).to_be_visible()
    cell = page.locator("#result_list td.field-arrival").first
    assert cell.evaluate("cell => getComputedStyle(cell, '::before').content") == "none"
    expect(page.get_by_text("Select all", exact=True)).to_be_hidden()
    expect(page.get_by_role("link", name="Filter", exact=True)).to_be_hidden()


@pytest.mark.parametrize("javascript", [True])
def test_chooses_cards_for_an_action_with_a_finger(desk: Visitor) -> None:
    page = narrow(desk)
    desk.go(BOOKINGS)

    boxes = page.locator("#result_list tbody .action-select")
    label = page.locator("#result_list tbody .action-checkbox label").first
    size = label.bounding_box()
    assert size is not None
    assert min(size["width"], size["height"]) >= 44
    label.click(position={"x": 3, "y": 3})
    expect(boxes.first).to_be_checked()
    label.click(position={"x": 3, "y": 3})
    page.get_by_text("Select all", exact=True).click()
    for box in boxes.all():
        expect(box).to_be_checked()


@pytest.mark.parametrize("javascript", [False])
def test_sorts_cards(desk: Visitor) -> None:
    page = narrow(desk)
    desk.go("/admin/bookings/room/")

    names = page.locator("#result_list tbody th")
    by_name = page.locator("#result_list thead .column-name").get_by_role("link")
    seen = []
    for _ in range(2):
        address = by_name.get_attribute("href") or ""
        by_name.click()
        page.wait_for_url(f"**/{address}")
        seen.append(names.all_inner_texts())

    upwards, downwards = sorted(seen, key=lambda rows: rows[0])
    assert upwards[0] != downwards[0]
    assert upwards == sorted(upwards)
    assert downwards == sorted(downwards, reverse=True)


@pytest.mark.parametrize("javascript", [True])
def test_shows_which_section_is_open_on_a_telephone(desk: Visitor) -> None:
    page = narrow(desk)
    desk.go("/admin/bookings/hotel/")

    nav = page.get_by_role("navigation", name="Sections")
    for link in nav.locator("[aria-current]").all():
        expect(link).to_be_in_viewport(ratio=0.99)


@pytest.mark.slow
@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("javascript", [True])
def test_shows_every_list_as_labelled_cards_for_fingers(desk: Visitor, scheme: str) -> None:
    allow_axe(desk)
    page = desk.page
    page.emulate_media(color_scheme=scheme)  # type: ignore[arg-type]
    touch = page.context.new_cdp_session(page)
    touch.send("Emulation.setTouchEmulationEnabled", {"enabled": True})
    desk.go(BOOKINGS)
    booking = page.locator("#result_list tbody th a").first.get_attribute("href")
    assert booking is not None
    person = booking.replace("/bookings/bookingrecord/", "/desk/guests/").split("change/")[0]
    faults = []
    for address in (*LISTS, booking, person):
        for width in (375, 768, 1280):
            narrow(desk, width)
            desk.go(address)
            where = f"{address} at {width} px"
            faults += find_faults(page, where)
            if width < 1000:
                found = page.evaluate(UNLABELLED)
                faults += [f"{where}: no label: {element}" for element in found]
            faults += [f"{where}: low: {element}" for element in page.evaluate(TOO_LOW)]

    assert faults == []
