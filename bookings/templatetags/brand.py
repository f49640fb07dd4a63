"""The site's brand in templates: `{% read_brand as brand %}`."""

from django import template

from bookings.content.brand.reading import recent_brand
from bookings.content.brand.showing import ShownBrand, show_brand

register = template.Library()


@register.simple_tag
def read_brand() -> ShownBrand:
    """The brand, which may be two seconds old. Raises nothing, so that error pages can use it."""
    return show_brand(recent_brand())
