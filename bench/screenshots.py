"""Takes the pictures of the README, on a site of its own: `python -m bench.screenshots [FOLDER]`.

They go to docs/images unless another folder is named.
"""

import re
import sys
from pathlib import Path

from playwright.sync_api import Browser, Page, sync_playwright

from bench.demo_site import (
    CHROMIUM_ARGUMENTS,
    ROOT,
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
        browser.close()


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
