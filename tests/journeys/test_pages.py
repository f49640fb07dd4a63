"""Every page: what axe finds, whether it fits a telephone, and how much it sends."""

from __future__ import annotations

import pytest
from playwright.sync_api import Page

from tests.journeys.looks import NARROW, WIDE, find_faults
from tests.journeys.pages import PAGES
from tests.journeys.visitor import Visitor

pytestmark = pytest.mark.browser

# States of pages, and pages made like another, are looked at with SLOW=1.
VARIANTS = (
    *("wrong search", "wrong month", "wrong details", "wrong login", "wrong register"),
    *("no offers", "no bookings", "hold ending", "hold over", "cancelled", "link ended"),
    *("finish register", "new password", "letter sent", "tried live", "how it works"),
    *("bookings", "account", "register", "password", "month", "no cookies", "no change"),
    *("details", "no cookies in a frame"),
)

# The most that a page may send with everything it loads, uncompressed, to a browser with an empty
# cache.
MOST_BYTES = 60_000


@pytest.mark.parametrize("javascript", [True])
@pytest.mark.parametrize(
    "name",
    [pytest.param(name, marks=pytest.mark.slow if name in VARIANTS else ()) for name in PAGES],
)
def test_is_accessible_and_narrow_and_small(visitor: Visitor, name: str) -> None:
    PAGES[name](visitor)
    page = visitor.page

    found = []
    for width in (WIDE, NARROW):
        page.set_viewport_size({"width": width, "height": 800})
        for scheme in ("light", "dark"):
            page.emulate_media(color_scheme=scheme)  # type: ignore[arg-type]
            found += find_faults(page, f"{width} px, {scheme}")
    sizes = measure_loading(page)

    assert found == [], "\n".join(found)
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
