"""How guests find and reach a hotel: judges what an owner types, and writes it in one spelling.

The functions that read raise ValueError with an English sentence that says what to do.
"""

from functools import cache
from importlib.resources import files

import phonenumbers
from phonenumbers import NumberParseException, PhoneNumberFormat

from bookings.content.web_urls import read_web_url

# Where the postal code stands after the city.
_CODE_LAST = frozenset({"AU", "CA", "GB", "IE", "IN", "NZ", "US", "ZA"})


def write_address(street: str, postal_code: str, city: str, country: str) -> str:
    """The address on one line, without the country; parts that are empty are left out."""
    place = [city, postal_code] if country in _CODE_LAST else [f"{postal_code} {city}".strip()]
    return ", ".join(part for part in (street, *place) if part)


@cache
def countries() -> dict[str, str]:
    """The English name of each country, by its code (ISO 3166), in the order of the names."""
    lines = (files("tzdata") / "zoneinfo" / "iso3166.tab").read_text().splitlines()
    rows = [line.split("\t") for line in lines if line and not line.startswith("#")]
    return dict(sorted(rows, key=lambda row: row[1]))


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
