"""Photos in pages: `{% picture photo sizes="(min-width: 40em) 20rem, 100vw" %}`."""

from typing import Any

from django import template
from django.conf import settings
from django.utils.translation import get_language

from bookings.content.photos.facts import PhotoFacts
from bookings.content.photos.files import FORMATS

register = template.Library()

# What a browser shows that knows no <picture>, and what it loads before it knows the layout.
FALLBACK_WIDTH = 960


@register.inclusion_tag("photos/picture.html")
def picture(photo: PhotoFacts, sizes: str, lazy: bool = True, shape: str = "") -> dict[str, Any]:
    """A `<picture>` with every width and format.

    `sizes` says how wide the page shows the photo, as in HTML; browsers choose a width by it.
    `lazy=False` is for a photo that is seen as soon as the page opens. `shape` is a class of CSS.
    """
    by_type = [
        (kind, ", ".join(f"{photo.url(width, name)} {width}w" for width in photo.widths))
        for name, kind in FORMATS.items()
    ]
    *sources, (_, srcset) = by_type
    shown = max((width for width in photo.widths if width <= FALLBACK_WIDTH), default=0)
    return {
        "sources": sources,
        "srcset": srcset,
        "src": photo.url(shown or photo.widths[0], "jpg"),
        "sizes": sizes,
        "width": photo.width,
        "height": photo.height,
        "alt": photo.alt_in((get_language() or settings.LANGUAGE_CODE, settings.LANGUAGE_CODE)),
        "lazy": lazy,
        "shape": shape,
    }
