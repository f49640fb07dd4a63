"""Every page: what axe finds, whether it fits a telephone, and how much it sends."""

from __future__ import annotations

import pytest
from axe_playwright_python.base import AXE_SCRIPT, AxeResults
from playwright.sync_api import Page

from tests.journeys.pages import PAGES
from tests.journeys.visitor import Visitor

pytestmark = pytest.mark.browser

RULES = {
    "runOnly": [
        *("wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa"),
        "best-practice",
    ],
    "resultTypes": ["violations"],
}

# States of pages, and pages made like another, are looked at with SLOW=1.
VARIANTS = (
    *("wrong search", "wrong month", "wrong details", "wrong login", "wrong register"),
    *("no offers", "no bookings", "hold ending", "hold over", "cancelled", "link ended"),
    *("finish register", "new password", "letter sent", "tried live", "how it works"),
    *("bookings", "account", "register", "password", "month", "no cookies", "no change"),
    *("details", "no cookies in a frame"),
)

WIDE, NARROW = 1200, 320

# The most that a page may send with everything it loads, uncompressed, to a browser with an empty
# cache.
MOST_BYTES = 60_000

OVERFLOWING = """() => {
  const width = document.documentElement.clientWidth;
  if (document.documentElement.scrollWidth <= width) return [];
  return [...document.querySelectorAll("body *")]
    .filter((element) => element.getBoundingClientRect().right > width + 0.5)
    .map((element) => element.outerHTML.slice(0, 120));
}"""


@pytest.mark.parametrize("javascript", [True])
@pytest.mark.parametrize(
    "name",
    [pytest.param(name, marks=pytest.mark.slow if name in VARIANTS else ()) for name in PAGES],
)
def test_is_accessible_and_narrow_and_small(visitor: Visitor, name: str) -> None:
    PAGES[name](visitor)
    page = visitor.page

    found = []
    page.evaluate(AXE_SCRIPT)
    for width in (WIDE, NARROW):
        page.set_viewport_size({"width": width, "height": 800})
        for scheme in ("light", "dark"):
            page.emulate_media(color_scheme=scheme)  # type: ignore[arg-type]
            results = AxeResults(page.evaluate("rules => axe.run(rules)", RULES))
            if results.violations_count:
                found.append(f"{width} px, {scheme}: {results.generate_report()}")
    sideways = page.evaluate(OVERFLOWING)
    sizes = measure_loading(page)

    assert found == [], "\n".join(found)
    assert sideways == []
    # The page, its style and its icon at least.
    assert len(sizes) >= 3
    assert 0 < sum(sizes) < MOST_BYTES


def measure_loading(page: Page) -> list[float]:
    """Measures how many bytes come over the wire for the page and for each thing that it loads."""
    network = page.context.new_cdp_session(page)
    network.send("Network.enable")
    network.send("Network.setCacheDisabled", {"cacheDisabled": True})
    sizes: list[float] = []
    network.on("Network.loadingFinished", lambda done: sizes.append(done["encodedDataLength"]))
    page.reload(wait_until="networkidle")
    return sizes
