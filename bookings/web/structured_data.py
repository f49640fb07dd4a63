"""What search engines read about a hotel, in the terms of schema.org."""

import json
from collections.abc import Sequence
from typing import Any

from django.utils.safestring import SafeString, mark_safe
from django.utils.translation import get_language

from bookings.availability.lowest_prices import LowestPrice
from bookings.catalogue.inventory import HotelFacts
from bookings.content.amenities import OF_HOTELS, OF_ROOMS, names_of
from bookings.content.markdown import plain_text
from bookings.content.reading import AboutCategory, AboutHotel
from bookings.content.wording import Texts, word

# A script element ends at the first of these, whatever quotes are around it.
_ESCAPES = {ord("<"): "\\u003c", ord(">"): "\\u003e", ord("&"): "\\u0026"}

# The kinds of beds in English words, in every language of the page: schema.org takes any text, and
# search engines compare it with words such as these.
_BEDS = {
    "single": "Single",
    "double": "Double",
    "queen": "Queen",
    "king": "King",
    "bunk": "Bunk bed",
    "sofa": "Sofa bed",
    "cot": "Cot",
}


def describe_hotel(
    hotel: HotelFacts,
    about: AboutHotel | None,
    *,
    url: str,
    images: Sequence[str],
    rooms: Sequence[tuple[LowestPrice, AboutCategory | None]],
    cheapest: str,
) -> SafeString:
    """A https://schema.org/Hotel as JSON-LD, safe inside a script element. Empty parts are left
    out. `cheapest` is the lowest price as people read it."""
    data: dict[str, Any] = {
        "@context": "https://schema.org",
        "@type": "Hotel",
        "@id": url,
        "name": hotel.name,
        "url": url,
        "image": list(images),
        "checkinTime": hotel.check_in_time.isoformat("minutes"),
        "checkoutTime": hotel.check_out_time.isoformat("minutes"),
        "currenciesAccepted": hotel.currency,
        "priceRange": cheapest and f"≥ {cheapest}",
        "containsPlace": [_room(lowest, content) for lowest, content in rooms],
    }
    if about:
        data |= {
            "description": _text(about.description),
            "address": _address(about),
            "telephone": about.phone,
            "email": about.email,
            "hasMap": about.map_url,
            "amenityFeature": _features(names_of(about.amenities, OF_HOTELS)),
        }
    return _as_script(_only_filled(data))


def _room(lowest: LowestPrice, about: AboutCategory | None) -> dict[str, Any]:
    category = lowest.category
    data: dict[str, Any] = {
        "@type": "HotelRoom",
        "name": category.local_name,
        "occupancy": {"@type": "QuantitativeValue", "maxValue": category.occupancy},
    }
    if about:
        data |= {
            "description": _text(about.description),
            "floorSize": about.size_m2
            and {"@type": "QuantitativeValue", "value": about.size_m2, "unitCode": "MTK"},
            "bed": [
                {"@type": "BedDetails", "typeOfBed": name, "numberOfBeds": about.beds[kind]}
                for kind, name in _BEDS.items()
                if about.beds.get(kind)
            ],
            "amenityFeature": _features(names_of(about.amenities, OF_ROOMS)),
        }
    return _only_filled(data)


def _address(about: AboutHotel) -> dict[str, str]:
    parts = _only_filled(
        {
            "streetAddress": about.street,
            "postalCode": about.postal_code,
            "addressLocality": about.city,
            "addressCountry": about.country,
        }
    )
    return {"@type": "PostalAddress", **parts} if parts else {}


def _features(names: Sequence[str]) -> list[dict[str, Any]]:
    return [
        {"@type": "LocationFeatureSpecification", "name": str(name), "value": True}
        for name in names
    ]


def _text(texts: Texts) -> str:
    wording = word(texts, get_language() or "")
    return plain_text(wording.text) if wording else ""


def _only_filled(data: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in data.items() if value}


def _as_script(data: dict[str, Any]) -> SafeString:
    return mark_safe(json.dumps(data, ensure_ascii=False).translate(_ESCAPES))
