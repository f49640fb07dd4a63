"""In German, and from one language to the other: a stay from search to end, and how it fits."""

from __future__ import annotations

import pytest
from playwright.sync_api import Page, expect

from tests.conftest import night
from tests.journeys.conftest import Visit
from tests.journeys.looks import NARROW, find_faults
from tests.journeys.pages import PAGES
from tests.journeys.test_pages import MOST_BYTES, measure_loading
from tests.journeys.visitor import EMAIL, NAME, Visitor, statuses

pytestmark = pytest.mark.browser

# The pages with the longest words and the widest tables, and the heaviest page.
TIGHT = ["no offers", "hold", "account", "how it works"]


def expect_language(page: Page, code: str) -> None:
    expect(page.locator("html")).to_have_attribute("lang", code)


def test_books_and_cancels_in_german(visit: Visit) -> None:
    visitor = visit(locale="de-DE")
    page = visitor.page
    visitor.go("/")
    page.get_by_label("Anreise").fill(night(30))
    page.get_by_label("Abreise").fill(night(32))
    visitor.press("Zimmer anzeigen")
    page.get_by_role("button", name="Buchen Double").click()
    visitor.expect_heading("Ihr Zimmer ist reserviert")
    visitor.expect_text("240,00\N{NO-BREAK SPACE}€")
    if visitor.javascript:
        expect(page.locator("#held-left")).to_contain_text("Min.")
    visitor.press("Reservierung verlängern")
    visitor.expect_text("Ihre Reservierung gilt jetzt bis")
    page.get_by_label("Name").fill(NAME)
    page.get_by_label("E-Mail").fill(EMAIL)
    visitor.press("Zahlungspflichtig buchen")
    visitor.expect_heading("Ihr Zimmer ist gebucht")
    page.get_by_text("Diese Buchung stornieren").click()
    visitor.press("Ja, stornieren")
    visitor.expect_heading("Diese Buchung ist storniert")
    page.get_by_role("link", name="Meine Buchungen").click()

    expect(page.locator(".booking .status")).to_have_text("Storniert")
    expect_language(page, "de")
    assert statuses() == ["cancelled"]


def test_stays_on_the_page_and_in_the_language_that_was_chosen(visitor: Visitor) -> None:
    visitor.look_for(rooms=2)
    expect_language(visitor.page, "en")
    results = visitor.page.url

    visitor.press("Deutsch")
    expect_language(visitor.page, "de")
    expect(visitor.page).to_have_url(results)
    visitor.page.get_by_role("button", name="Buchen Double").click()
    visitor.expect_heading("Ihre Zimmer sind reserviert")
    visitor.press("English")

    visitor.expect_heading("Your rooms are held")
    assert statuses() == ["pending"]


@pytest.mark.slow
@pytest.mark.parametrize("javascript", [True])
@pytest.mark.parametrize("name", TIGHT)
def test_fits_a_telephone_in_german_too(visitor: Visitor, name: str) -> None:
    page = visitor.page
    page.set_viewport_size({"width": NARROW, "height": 800})
    PAGES[name](visitor)

    visitor.press("Deutsch")
    expect_language(page, "de")
    page.wait_for_load_state("networkidle")  # or requests still under way would count as well
    found = find_faults(page, name)

    assert found == [], "\n".join(found)
    assert 0 < sum(measure_loading(page)) < MOST_BYTES
