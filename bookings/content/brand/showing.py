"""The brand with the URLs of its parts, for templates."""

from dataclasses import dataclass

from django.urls import reverse

from bookings.content.brand import colours
from bookings.content.brand.reading import BrandFacts, Logo

# A logo is stored with twice the pixels that pages show.
_DENSITY = 2


@dataclass(frozen=True)
class ShownLogo:
    """A logo as a page shows it: URL, size in CSS pixels, and a class for its ground."""

    url: str
    width: int
    height: int
    ground: str


@dataclass(frozen=True)
class ShownBrand:
    """The brand with the URLs of its parts; an empty URL for what the owner did not choose.

    `chosen_name` is empty as long as the site has the name that it comes with.
    """

    name: str
    chosen_name: str
    style_url: str
    logo: ShownLogo | None
    icon_url: str
    large_icon_url: str


def show_brand(brand: BrandFacts) -> ShownBrand:
    """The brand as templates show it."""
    icons = {
        side: reverse("brand_icon", args=[brand.icon, side]) if brand.icon else ""
        for side in (32, 180)
    }
    return ShownBrand(
        name=brand.name,
        chosen_name=brand.chosen_name,
        style_url=_style_url(brand.accent),
        logo=_show_logo(brand.logo) if brand.logo else None,
        icon_url=icons[32],
        large_icon_url=icons[180],
    )


def _style_url(accent: str) -> str:
    if not accent:
        return ""
    return reverse("brand_style", args=[accent[1:], colours.style_digest(accent)])


def _show_logo(logo: Logo) -> ShownLogo:
    return ShownLogo(
        url=reverse("brand_logo", args=[logo.digest, logo.format]),
        width=max(1, round(logo.width / _DENSITY)),
        height=max(1, round(logo.height / _DENSITY)),
        ground=f"on-{logo.tone}" if logo.tone else "",
    )
