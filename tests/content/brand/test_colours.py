"""Every accent colour becomes shades that can be read wherever the site's pages use them."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from django.conf import settings
from hypothesis import example, given
from hypothesis import strategies as st

from bookings.content.brand import colours
from bookings.content.brand.colours import DARK_GROUNDS, LIGHT_GROUNDS, Shades, shades_of

COLOURS = st.tuples(*(st.integers(0, 255) for _ in range(3))).map(colours.write_colour)

# What links, borders and the focus stand on (static/*.css).
GROUNDS = ("page", "surface", "good", "warn", "bad")


def ratio(one: str, other: str) -> float:
    """The contrast of two colours, from the formula in WCAG 2.2, apart from the site's own code."""

    def luminance(colour: str) -> float:
        parts = [int(colour[at : at + 2], 16) / 255 for at in (1, 3, 5)]
        linear = [
            part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts
        ]
        return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]

    high, low = sorted((luminance(one), luminance(other)), reverse=True)
    return (high + 0.05) / (low + 0.05)


@given(COLOURS)
@example("#ffff00")
@example("#f0f0f0")
@example("#0a0a12")
@example("#777777")
@example("#000000")
@example("#ffffff")
def test_reaches_its_contrast_everywhere(colour: str) -> None:
    accent = shades_of(colour)
    for shades, grounds in ((accent.light, LIGHT_GROUNDS), (accent.dark, DARK_GROUNDS)):
        assert shades.fill == colour
        for ground in grounds:
            assert ratio(shades.line, ground) >= 4.5
            assert ratio(shades.line_hover, ground) >= 4.5
        assert ratio(shades.on_fill, shades.fill) >= 4.5
        assert ratio(shades.on_fill, shades.fill_hover) >= 4.5


@given(COLOURS)
def test_keeps_a_colour_that_can_be_read(colour: str) -> None:
    accent = shades_of(colour)
    if all(ratio(colour, ground) >= 4.5 for ground in LIGHT_GROUNDS):
        assert accent.light.line == colour
    if all(ratio(colour, ground) >= 4.5 for ground in DARK_GROUNDS):
        assert accent.dark.line == colour


def test_takes_the_nearest_shade() -> None:
    """One step less would not be enough."""
    yellow = shades_of("#ffff00")

    assert yellow.dark.line == "#ffff00"
    assert yellow.light.line == "#6e6e00"
    assert ratio("#6f6f00", "#fbe6e3") < 4.5


def test_knows_the_grounds_of_the_style_sheet() -> None:
    style = Path(settings.BASE_DIR, "static", "site.css").read_text()
    light, dark = (_properties(part) for part in style.split("@media screen", 1))

    assert tuple(light[name] for name in GROUNDS) == LIGHT_GROUNDS
    assert tuple(dark[name] for name in GROUNDS) == DARK_GROUNDS


def test_shows_the_colours_of_the_style_sheet_in_the_admin() -> None:
    style = Path(settings.BASE_DIR, "static", "site.css").read_text()
    sample = Path(settings.BASE_DIR, "static", "admin_pages", "brand.css").read_text()
    light, dark = (_properties(part) for part in style.split("@media screen", 1))
    parts = re.findall(r"\.in-(light|dark) \{([^}]*)\}", sample)

    for scheme, text in parts[:2]:
        shown = {**light, **(dark if scheme == "dark" else {})}
        for name, value in _properties(text).items():
            own = shown[name]
            assert value == (shown["accent"] if own == "var(--accent)" else own), (scheme, name)


def _properties(text: str) -> dict[str, str]:
    """The first value of each custom property."""
    found: dict[str, str] = {}
    for name, value in re.findall(r"--([a-z-]+): ([^;]+);", text):
        found.setdefault(name, value)
    return found


@pytest.mark.parametrize("text", ["#1A625E", "1a625e", "  #1a625e "])
def test_reads_a_colour(text: str) -> None:
    assert colours.read_colour(text) == "#1a625e"


@pytest.mark.parametrize(
    "text", ["#12345", "#1234567", "red", "#12345g", "#１２３４５６", "", "#fff;}", "#123456\n}"]
)
def test_refuses_what_is_no_colour(text: str) -> None:
    with pytest.raises(ValueError, match="six digits"):
        colours.read_colour(text)


def test_writes_only_colours_into_the_style_sheet() -> None:
    text = colours.write_style("#ffff00")

    rest = re.sub(r"--(accent|fill|on-fill)(-hover)?: #[0-9a-f]{6};", "", text)
    assert rest.split() == [
        *(":root", "{", "}"),
        *(
            "@media",
            "screen",
            "and",
            "(prefers-color-scheme:",
            "dark)",
            "{",
            ":root",
            "{",
            "}",
            "}",
        ),
    ]


def test_tells_the_shades_apart() -> None:
    assert shades_of("#1a625e").light == Shades(
        line="#1a625e",
        line_hover=shades_of("#1a625e").light.line_hover,
        fill="#1a625e",
        fill_hover=shades_of("#1a625e").light.fill_hover,
        on_fill="#ffffff",
    )
    assert shades_of("#ffff00").on_fill == "black"
