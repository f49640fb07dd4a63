"""What stands at the end of guests' pages: `{% footer %}`."""

from typing import Any

from django import template
from django.conf import settings
from django.template import Context
from django.urls import reverse
from django.utils.translation import get_language

from bookings.catalogue import inventory
from bookings.catalogue.inventory import HotelFacts
from bookings.content import reading
from bookings.content.brand.reading import recent_brand
from bookings.content.legal import LEGAL
from bookings.content.wording import word
from bookings.infrastructure.embedding import is_embedded

register = template.Library()


@register.inclusion_tag("footer.html", takes_context=True)
def footer(context: Context) -> dict[str, Any]:
    """Links to the texts that the page's hotel must show, the owner's own, and on a demo to How it
    works.

    The hotel is the page's own, or the only one there is.
    """
    hotel = context.get("hotel") or getattr(context.get("booking"), "hotel", None)
    if not isinstance(hotel, HotelFacts):
        hotels = inventory.open_hotels()
        hotel = hotels[0] if len(hotels) == 1 else None
    about = reading.recent_hotel_content(hotel.id) if hotel else None
    texts = [
        (title, reverse("legal", args=[about.hotel, name]))
        for name, title in LEGAL.items()
        if about and getattr(about, name)
    ]
    language = get_language() or settings.LANGUAGE_CODE
    links = [
        {"text": wording.text, "language": wording.language, "url": link.url}
        for link in recent_brand().links
        if (wording := word(link.texts, language))
    ]
    return {"texts": texts, "links": links, "is_demo": settings.DEMO, "is_embedded": is_embedded()}
