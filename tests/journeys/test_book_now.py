"""What hotels paste into their own websites leads guests to the rooms: from another origin, as the
admin shows it."""

from __future__ import annotations

import pytest
from django.conf import settings
from django.contrib.auth.models import User
from playwright.sync_api import Browser, expect

from tests.conftest import night
from tests.journeys.conftest import PATIENCE_MS
from tests.journeys.elsewhere import website
from tests.journeys.visitor import Visitor
from tests.site import Site

pytestmark = pytest.mark.browser


@pytest.mark.parametrize("javascript", [True])
def test_leads_guests_from_the_hotels_own_website(
    chromium: Browser, site: Site, visitor: Visitor
) -> None:
    User.objects.create_superuser("owner", password="correct horse")
    page = visitor.page
    visitor.go("/admin/login/?next=/admin/bookings/brand/book-now/%3Fhotel%3Ddemo%26language%3Dde")
    page.get_by_label("Username").fill("owner")
    page.get_by_label("Password").fill("correct horse")
    page.get_by_role("button", name="Log in").click()
    snippets = page.locator("textarea")
    expect(snippets).to_have_count(3)
    # The running site has a port of its own.
    pasted = "".join(
        snippets.nth(number).input_value().replace(settings.SITE_URL, site.url)
        for number in range(3)
    )

    context = chromium.new_context(locale="en-GB")
    context.set_default_timeout(PATIENCE_MS)
    with website() as hotel:
        hotel.put(pasted)
        guest = context.new_page()
        for number in range(2):
            guest.goto(hotel.url)
            guest.get_by_role("link", name="Jetzt buchen").nth(number).click()
            guest.wait_for_url(f"{site.url}/hotels/demo?lang=de")
            expect(guest.get_by_role("heading", level=1)).to_have_text("Demo Hotel")

        guest.goto(hotel.url)
        guest.get_by_label("Anreise").fill(night(30))
        guest.get_by_label("Abreise").fill(night(32))
        guest.get_by_label("Gäste").fill("1")
        guest.get_by_role("button", name="Zimmer anzeigen").click()

        guest.wait_for_url(f"{site.url}/stays?**")
        expect(guest.get_by_role("button", name="Buchen").first).to_be_visible()
        expect(guest.locator("html")).to_have_attribute("lang", "de")
        expect(guest.locator("[name=arrival]").first).to_have_value(night(30))
    context.close()
