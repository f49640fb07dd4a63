"""Pages in difficult colours and with logos: what axe finds, and whether they fit."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from django.contrib.auth.models import User
from PIL import Image
from playwright.sync_api import expect

from bookings.content.brand.pictures import convert
from tests.brands import set_brand
from tests.content.photos.pictures import save
from tests.journeys.looks import NARROW, WIDE, allow_axe, broken_rules, find_faults, overflowing
from tests.journeys.pages import PAGES
from tests.journeys.test_pages import MOST_BYTES, measure_loading
from tests.journeys.test_widths import HEADER_LINES, WIDTHS
from tests.journeys.visitor import Visitor

pytestmark = pytest.mark.browser

# Pages with links on every ground and every kind of button; the others are looked at with SLOW=1.
LOOKED_AT = ("offers", "hold ending")
MORE = ("hotel", "confirmed", "month", "not found")

COLOURS = {"yellow": "#ffe600", "pale grey": "#e4e4e4", "near black": "#0a0a12"}

LONGEST = "Grand Hotel Seaside Panorama and Spa Rugby"
LINKS = [
    {"texts": {"en": f"Our page {number}", "de": f"Seite {number}"}, "url": "/"}
    for number in range(8)
]


def wide_logo(colour: tuple[int, int, int]) -> bytes:
    """A wide bar on a clear ground."""
    image = Image.new("RGBA", (900, 160))
    image.paste((*colour, 255), (20, 40, 880, 120))
    return save(image, "PNG")


@pytest.mark.parametrize("javascript", [True])
@pytest.mark.parametrize(
    "name", [*LOOKED_AT, *(pytest.param(name, marks=pytest.mark.slow) for name in MORE)]
)
@pytest.mark.parametrize("colour", COLOURS)
def test_can_be_read_in_any_colour(visitor: Visitor, colour: str, name: str) -> None:
    set_brand(name=LONGEST[:40], accent=COLOURS[colour], links=LINKS)
    PAGES[name](visitor)
    page = visitor.page

    found = []
    for width in (WIDE, NARROW):
        page.set_viewport_size({"width": width, "height": 800})
        for scheme in ("light", "dark"):
            page.emulate_media(color_scheme=scheme)  # type: ignore[arg-type]
            found += find_faults(page, f"{width} px, {scheme}")

    assert found == [], "\n".join(found)
    fill = page.evaluate("getComputedStyle(document.documentElement).getPropertyValue('--fill')")
    assert fill == COLOURS[colour], "the style sheet of the colour was loaded"


@pytest.mark.parametrize("javascript", [True])
@pytest.mark.parametrize("with_logo", [True, False])
@pytest.mark.parametrize("name", ["hotel", "account"])
def test_fits_every_width_with_a_wide_logo_or_a_long_name(
    visitor: Visitor, with_logo: bool, name: str
) -> None:
    logo = convert(wide_logo((20, 20, 30)), "logo") if with_logo else None
    icon = convert(wide_logo((20, 20, 30)), "icon") if with_logo else None
    set_brand(name=LONGEST[:40], logo=logo, icon=icon)
    PAGES[name](visitor)
    page = visitor.page

    faults = []
    for width in WIDTHS:
        page.set_viewport_size({"width": width, "height": 800})
        if (lines := page.evaluate(HEADER_LINES)) > 2:
            faults.append(f"{width} px: the header has {lines} lines")
        faults += [f"{width} px: {element}" for element in overflowing(page)]

    assert faults == []
    brand = page.locator("a.brand")
    if with_logo:
        assert brand.locator("img").evaluate("image => image.naturalWidth") == 448
        expect(brand.locator("img")).to_have_attribute("alt", LONGEST[:40])
    else:
        expect(brand).to_have_text(LONGEST[:40])
    assert sum(measure_loading(page)) < MOST_BYTES


@pytest.mark.parametrize("javascript", [True, False])
def test_lets_the_owner_choose_it_and_guests_see_it_at_once(
    visitor: Visitor, tmp_path: Path
) -> None:
    User.objects.create_superuser("owner", password="correct horse")
    logo = tmp_path / "logo.png"
    logo.write_bytes(wide_logo((20, 20, 30)))
    page = visitor.page
    visitor.go("/admin/login/?next=/admin/bookings/brand/")
    page.get_by_label("Username").fill("owner")
    page.get_by_label("Password").fill("correct horse")
    page.get_by_role("button", name="Log in").click()

    page.get_by_label("Name:", exact=True).fill("Seaside")
    page.get_by_label("Accent colour").fill("#ffe600")
    page.get_by_role("button", name="Preview name and colour").click()
    button = page.locator(".in-light .sample-button").first
    expect(button).to_have_css("background-color", "rgb(255, 230, 0)")
    expect(button).to_have_css("color", "rgb(0, 0, 0)")
    page.get_by_label("Logo:", exact=True).set_input_files(logo)
    page.get_by_role("button", name="Preview name and colour").click()
    # The browser has forgotten the file, so the page says so.
    field = page.get_by_label("Logo:", exact=True)
    expect(field).to_have_value("")
    said = "logo.png was not saved. Choose the file again."
    expect(field).to_have_accessible_description(re.compile(re.escape(said)))
    field.set_input_files(logo)
    page.get_by_role("button", name="Save").click()
    expect(page.get_by_text("The brand is saved.")).to_be_visible()
    if visitor.javascript:
        allow_axe(visitor)
        assert broken_rules(page, within="#content") == []

    visitor.go("/")
    expect(page.get_by_role("link", name="Seaside")).to_be_visible()
    assert page.title().endswith("– Seaside")
    assert page.locator("a.brand img").evaluate("image => image.naturalWidth") == 448
