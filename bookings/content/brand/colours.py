"""The shades of an accent colour that can be read on the site's pages, light and dark.

An owner chooses any colour. Buttons have exactly that colour, with black or white text, whichever
can be read. Links and borders stand on the pages' own colours, where a yellow or a dark blue could
not be seen: they get the nearest shade that can, by mixing in black or white.

Contrast is that of WCAG 2.2: https://www.w3.org/TR/WCAG22/#dfn-contrast-ratio.
"""

import hashlib
import re
from dataclasses import dataclass
from functools import lru_cache

Rgb = tuple[int, int, int]

BLACK: Rgb = (0, 0, 0)
WHITE: Rgb = (255, 255, 255)

# What text needs (WCAG 2.2, 1.4.3). Large text and edges need 3, and get this too.
TEXT_RATIO = 4.5

# The colours of static/site.css on which links, borders and the focus stand.
LIGHT_GROUNDS = ("#f5f6f4", "#ffffff", "#e3f1e8", "#fbf0d9", "#fbe6e3")
DARK_GROUNDS = ("#14191a", "#1d2426", "#1b3225", "#352b16", "#3a211e")

# How far a colour moves under the pointer, as parts of 256.
_HOVER = 40
_STEPS = 256

_COLOUR = re.compile(r"#?([0-9a-f]{6})", re.ASCII)


@dataclass(frozen=True)
class Shades:
    """What an accent becomes in one scheme, each as `#rrggbb`.

    `line` is for links, borders and the focus, `fill` for buttons, and `on_fill` for their text.
    """

    line: str
    line_hover: str
    fill: str
    fill_hover: str
    on_fill: str


@dataclass(frozen=True)
class Accent:
    """An accent colour with its shades for light and for dark pages."""

    colour: str
    light: Shades
    dark: Shades

    @property
    def on_fill(self) -> str:
        """The colour of the text on buttons, in words."""
        return "white" if self.light.on_fill == write_colour(WHITE) else "black"


def read_colour(text: str) -> str:
    """A colour as `#rrggbb` in small letters. Raises ValueError with a sentence for staff."""
    found = _COLOUR.fullmatch(text.strip().lower())
    if found is None:
        raise ValueError("Write the colour as # and six digits or letters a to f, such as #1a625e.")
    return f"#{found[1]}"


def shades_of(colour: str) -> Accent:
    """The shades of a colour that `read_colour` returned. There are some for every colour."""
    fill = _rgb(colour)
    on_fill = WHITE if contrast(fill, WHITE) >= TEXT_RATIO else BLACK
    # Towards the text's colour, or away from it where the text could no longer be read.
    fill_hover = _mix(fill, on_fill, _HOVER)
    if contrast(fill_hover, on_fill) < TEXT_RATIO:
        fill_hover = _mix(fill, BLACK if on_fill == WHITE else WHITE, _HOVER)

    def of_scheme(grounds: tuple[str, ...], towards: Rgb) -> Shades:
        line = _until_seen(fill, [_rgb(ground) for ground in grounds], towards)
        return Shades(
            line=write_colour(line),
            line_hover=write_colour(_mix(line, towards, 2 * _HOVER)),
            fill=write_colour(fill),
            fill_hover=write_colour(fill_hover),
            on_fill=write_colour(on_fill),
        )

    return Accent(colour, of_scheme(LIGHT_GROUNDS, BLACK), of_scheme(DARK_GROUNDS, WHITE))


def write_style(colour: str) -> str:
    """The style sheet that gives the site's custom properties (static/site.css) these shades."""
    accent = shades_of(colour)
    light, dark = write_properties(accent.light), write_properties(accent.dark)
    return (
        f":root {{ {light} }}\n"
        f"@media screen and (prefers-color-scheme: dark) {{ :root {{ {dark} }} }}\n"
    )


def write_properties(shades: Shades) -> str:
    """The custom properties with these shades, as declarations of CSS."""
    return (
        f"--accent: {shades.line}; --accent-hover: {shades.line_hover}; "
        f"--fill: {shades.fill}; --fill-hover: {shades.fill_hover}; --on-fill: {shades.on_fill};"
    )


def write_preview(colour: str) -> str:
    """The style sheet that shows both schemes side by side in the admin."""
    accent = shades_of(colour)
    light, dark = write_properties(accent.light), write_properties(accent.dark)
    return f".in-light {{ {light} }}\n.in-dark {{ {dark} }}\n"


# Every page asks again, and there is one brand.
@lru_cache(maxsize=4)
def style_digest(colour: str) -> str:
    """What the address of the style sheet carries, so that a browser may keep it for ever."""
    return hashlib.sha256(write_style(colour).encode()).hexdigest()[:16]


def contrast(one: Rgb, other: Rgb) -> float:
    """The contrast of two colours: 1 if they are the same, 21 for black on white."""
    darker, lighter = sorted((_luminance(one), _luminance(other)))
    return (lighter + 0.05) / (darker + 0.05)


def write_colour(colour: Rgb) -> str:
    return "#{:02x}{:02x}{:02x}".format(*colour)


def _rgb(colour: str) -> Rgb:
    return int(colour[1:3], 16), int(colour[3:5], 16), int(colour[5:7], 16)


def _luminance(colour: Rgb) -> float:
    """https://www.w3.org/TR/WCAG22/#dfn-relative-luminance"""
    red, green, blue = (
        part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4
        for part in (value / 255 for value in colour)
    )
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def _mix(colour: Rgb, with_: Rgb, parts: int) -> Rgb:
    """The colour with so many of 256 parts of another one."""
    red, green, blue = (
        round((one * (_STEPS - parts) + other * parts) / _STEPS)
        for one, other in zip(colour, with_, strict=True)
    )
    return red, green, blue


def _until_seen(colour: Rgb, grounds: list[Rgb], towards: Rgb) -> Rgb:
    """The nearest mixture that can be read on all grounds. Black or white always can."""
    mixtures = (_mix(colour, towards, parts) for parts in range(_STEPS + 1))
    return next(
        each for each in mixtures if all(contrast(each, ground) >= TEXT_RATIO for ground in grounds)
    )
