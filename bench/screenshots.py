"""Takes the README's pictures on a site of its own: `python -m bench.screenshots [FOLDER]`.

They go to docs/images unless you name another folder.
"""

import re
import sys
from datetime import date, timedelta
from pathlib import Path

from playwright.sync_api import Browser, Page, expect, sync_playwright

from bench.demo_site import (
    CHROMIUM_ARGUMENTS,
    ROOT,
    STAFF_PASSWORD,
    confirm,
    find_chromium,
    hold_a_room,
    run_demo_site,
    stays_url,
    type_details,
)

IMAGES = ROOT / "docs" / "images"

WIDE, NARROW = {"width": 1200, "height": 640}, {"width": 320, "height": 640}


def main(folder: Path = IMAGES) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    with run_demo_site() as site, sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=find_chromium(), args=CHROMIUM_ARGUMENTS
        )
        wide = open_page(browser, site, size=WIDE)
        wide.goto(site)
        take(wide, folder / "home.png")
        wide.goto(f"{site}/hotels/seaside")
        # Nothing else of the page is worth looking at before the photo is there.
        wide.wait_for_function("document.images[0].complete && document.images[0].naturalWidth > 0")
        # A photograph of a page with photographs is a tenth of the size as JPEG.
        wide.screenshot(path=folder / "hotel.jpg", type="jpeg", quality=85)
        wide.goto(stays_url(site))
        take(wide, folder / "results.png")
        wide.get_by_role("link", name=re.compile("^Prices by month.*Double")).click()
        take(wide, folder / "month.png")
        hold_a_room(wide, stays_url(site))
        type_details(wide)
        take(wide, folder / "hold.png")
        confirm(wide)
        take(wide, folder / "booking.png")
        dark = open_page(browser, site, size=WIDE, dark=True)
        dark.goto(stays_url(site))
        take(dark, folder / "results-dark.png")
        narrow = open_page(browser, site, size=NARROW)
        hold_a_room(narrow, stays_url(site))
        take(narrow, folder / "hold-narrow.png")
        desk = open_page(browser, site, size=WIDE)
        log_in(desk)
        fill_grid(desk)
        desk.goto(f"{site}/admin/desk/occupancy/?hotel=demo")
        take(desk, folder / "desk.png")
        browser.close()


def log_in(page: Page) -> None:
    page.goto("/admin/login/?next=/admin/")
    page.get_by_label("Username").fill("staff")
    page.get_by_label("Password").fill(STAFF_PASSWORD)
    page.get_by_role("button", name="Log in").click()
    expect(page.get_by_role("navigation", name="Sections")).to_be_visible()


def fill_grid(page: Page) -> None:
    """Books rooms of the small hotel for some guests and checks one in, as the desk does."""
    for room, ahead, nights, name, is_hold in (
        ("room_A", 0, 3, "Ada Lovelace", False),
        ("room_A", 4, 30, "Grace Hopper", False),
        ("room_B", 1, 5, "Alan Turing", True),
        ("room_C", 2, 4, "Emmy Noether", False),
        ("room_D", 0, 2, "Kurt Gödel", False),
    ):
        first = date.today() + timedelta(days=ahead)  # noqa: DTZ011
        query = f"room={room}&check_in={first}&check_out={first + timedelta(days=nights)}"
        page.goto(f"/admin/bookings/bookingrecord/add/?{query}")
        page.get_by_label("Guest name").fill(name)
        page.get_by_label("Guest e-mail").fill(f"{name.split()[0].lower()}@example.org")
        page.get_by_label("Hold").set_checked(is_hold)
        page.get_by_role("button", name="Book", exact=True).click()
        expect(page.locator(".messagelist")).to_contain_text("The room is")
    page.goto("/admin/desk/today/?hotel=demo")
    page.get_by_role("button", name="Check in").first.click()
    expect(page.locator(".messagelist")).to_contain_text("checked in")


def open_page(browser: Browser, site: str, *, size: dict[str, int], dark: bool = False) -> Page:
    context = browser.new_context(
        base_url=site,
        viewport=size,  # type: ignore[arg-type]
        color_scheme="dark" if dark else "light",
        locale="en-GB",
    )
    return context.new_page()


def take(page: Page, path: Path) -> None:
    page.screenshot(path=path, full_page=True)


if __name__ == "__main__":
    main(*map(Path, sys.argv[1:]))
