"""Prepares what owners wrote about hotels and categories for pages, in the visitor's language."""

from dataclasses import dataclass

from django.conf import settings
from django.utils.translation import get_language
from django.utils.translation import gettext as _

from bookings.content.amenities import OF_HOTELS, OF_ROOMS, count_beds, names_of
from bookings.content.reading import AboutCategory, AboutHotel
from bookings.content.wording import Texts, Wording, word


@dataclass(frozen=True)
class ShownHotel:
    """A hotel's description and where it is. Everything may be empty."""

    description: Wording | None
    address: str
    map_url: str
    amenities: tuple[str, ...]


@dataclass(frozen=True)
class ShownCategory:
    """A category's description. Everything may be empty. `facts` are its size and beds."""

    description: Wording | None
    facts: tuple[str, ...]
    amenities: tuple[str, ...]
    who: str


def show_hotel(about: AboutHotel) -> ShownHotel:
    """The hotel as its own page describes it."""
    return ShownHotel(
        description=_in_readers_language(about.description),
        address=about.address,
        map_url=about.map_url,
        amenities=tuple(names_of(about.amenities, OF_HOTELS)),
    )


def show_category(about: AboutCategory) -> ShownCategory:
    """The category as the results and its month describe it."""
    size = [_("%(size)s m²") % {"size": about.size_m2}] if about.size_m2 else []
    return ShownCategory(
        description=_in_readers_language(about.description),
        facts=(*size, *count_beds(about.beds)),
        amenities=tuple(names_of(about.amenities, OF_ROOMS)),
        who=about.who,
    )


def _in_readers_language(texts: Texts) -> Wording | None:
    return word(texts, get_language() or settings.LANGUAGE_CODE)
