"""How a page looks at its present width: what axe finds on it, and what does not fit."""

from __future__ import annotations

from axe_playwright_python.base import AXE_SCRIPT, AxeResults
from playwright.sync_api import Page

from tests.journeys.visitor import Visitor

WIDE, NARROW = 1200, 320

RULES = {
    "runOnly": [
        *("wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa"),
        "best-practice",
    ],
    "resultTypes": ["violations"],
}

# The colour of the admin's links changes slowly. A change that gives way to another one ends, too.
SETTLED = "Promise.allSettled(document.getAnimations().map((animation) => animation.finished))"

OVERFLOWING = """() => {
  const width = document.documentElement.clientWidth;
  if (document.documentElement.scrollWidth <= width) return [];
  return [...document.querySelectorAll("body *")]
    .filter((element) => element.getBoundingClientRect().right > width + 0.5)
    .map((element) => element.outerHTML.slice(0, 120));
}"""


def allow_axe(visitor: Visitor) -> None:
    """Allows what axe itself asks for to look at a page of the admin. Tests without axe see what
    the page asks for."""
    visitor.expect_complaint("Applying inline style")
    visitor.expect_complaint("Couldn't load preload assets")
    # It looks for the file that a style sheet imports beside the page.
    visitor.expect_complaint("widgets.css")


def find_faults(page: Page, where: str, *, within: str = "") -> list[str]:
    """Says of each fault `where` it was found. Axe looks at all of the page, or `within` a part."""
    faults = [*broken_rules(page, within=within), *overflowing(page)]
    return [f"{where}: {fault}" for fault in faults]


def broken_rules(page: Page, *, within: str = "") -> list[str]:
    """What axe finds once the page has settled, in one report."""
    page.evaluate(SETTLED)
    if not page.evaluate("'axe' in window"):
        page.evaluate(AXE_SCRIPT)
    asked = "([within, rules]) => axe.run(within || document, rules)"
    results = AxeResults(page.evaluate(asked, [within, RULES]))
    return [results.generate_report()] if results.violations_count else []


def overflowing(page: Page) -> list[str]:
    """The elements that reach over the right edge of the page."""
    found: list[str] = page.evaluate(OVERFLOWING)
    return found
