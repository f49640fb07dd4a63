"""How guests find and reach a hotel: judges what an owner types, and writes it in one spelling.

The functions that read raise ValueError with an English sentence that says what to do.
"""

from collections.abc import Mapping
from functools import cache
from importlib.resources import files

import phonenumbers
from babel import Locale
from django.conf import settings
from django.utils.translation import get_language
from phonenumbers import NumberParseException, PhoneNumberFormat

from bookings.content.web_urls import read_web_url

# Where the postal code stands after the city.
_CODE_LAST = frozenset({"AU", "CA", "GB", "IE", "IN", "NZ", "US", "ZA"})


def write_address(street: str, postal_code: str, city: str, country: str) -> str:
    """The address on one line, with the country's name in the active language.

    Parts that are empty are left out. A country alone is no address.
    """
    place = [city, postal_code] if country in _CODE_LAST else [f"{postal_code} {city}".strip()]
    parts = [part for part in (street, *place) if part]
    if parts and country:
        parts.append(_names_in(get_language() or settings.LANGUAGE_CODE).get(country, country))
    return ", ".join(parts)


@cache
def countries() -> dict[str, str]:
    """The English name of each country, by its code (ISO 3166), in the order of the names."""
    lines = (files("tzdata") / "zoneinfo" / "iso3166.tab").read_text().splitlines()
    codes = [line.partition("\t")[0] for line in lines if line and not line.startswith("#")]
    names = _names_in("en")
    return dict(sorted(((code, names[code]) for code in codes), key=lambda row: row[1]))


@cache
def _names_in(language: str) -> Mapping[str, str]:
    """The names of countries in a language of the site, from Unicode's CLDR."""
    return Locale.parse(language, sep="-").territories


def read_phone(text: str, country: str) -> str:
    """The number in its international spelling, such as `+49 30 1234567`.

    A number without a country code is one of `country`, which may be empty.
    """
    try:
        number = phonenumbers.parse(text, country or None)
    except NumberParseException:
        number = None
    if number is None or not phonenumbers.is_possible_number(number):
        raise ValueError("Enter the number with its country code, such as +49 30 1234567.")
    return phonenumbers.format_number(number, PhoneNumberFormat.INTERNATIONAL)


def read_map_url(text: str) -> str:
    """The URL, which must begin with https:// and name no user."""
    try:
        is_right = read_web_url(text).scheme == "https"
    except ValueError:
        is_right = False
    if not is_right:
        raise ValueError("Enter a URL that begins with https://, such as https://maps.example/12.")
    return text
