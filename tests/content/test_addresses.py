"""What owners type about where their hotel is and how to reach it."""

from __future__ import annotations

import pytest
from django.conf import settings
from django.utils import translation

from bookings.content import addresses


def test_knows_every_country_by_its_two_letters() -> None:
    countries = addresses.countries()

    assert len(countries) > 240
    assert countries["DE"] == "Germany"
    assert all(len(code) == 2 and code.isupper() for code in countries)
    assert list(countries.values()) == sorted(countries.values())


@pytest.mark.parametrize(
    ("parts", "line"),
    [
        (("Weg 1", "10115", "Berlin", "DE"), "Weg 1, 10115 Berlin, Germany"),
        (("1 Way", "NY 10001", "New York", "US"), "1 Way, New York, NY 10001, United States"),
        (("", "10115", "", ""), "10115"),
        (("", "", "London", "GB"), "London, United Kingdom"),
        (("", "", "", "GB"), ""),
        (("", "", "Somewhere", "XX"), "Somewhere, XX"),
        (("", "", "", ""), ""),
    ],
)
def test_writes_an_address_on_one_line(parts: tuple[str, str, str, str], line: str) -> None:
    assert addresses.write_address(*parts) == line


@pytest.mark.parametrize("language", [code for code, _name in settings.LANGUAGES])
def test_names_every_country_in_each_language_of_the_site(language: str) -> None:
    with translation.override(language):
        lines = {addresses.write_address("", "", "Town", code) for code in addresses.countries()}

    assert len(lines) == len(addresses.countries())
    assert ("Town, Deutschland" in lines) == (language == "de")
    assert not any(line.endswith(code) for line in lines for code in (" DE", " CH"))


@pytest.mark.parametrize(
    ("typed", "country", "stored"),
    [
        ("030 / 1234567", "DE", "+49 30 1234567"),
        ("+49 (0)30 1234567", "", "+49 30 1234567"),
        ("(212) 555-0100", "US", "+1 212-555-0100"),
        ("0049 30 1234567", "DE", "+49 30 1234567"),
    ],
)
def test_spells_a_telephone_number_in_one_way(typed: str, country: str, stored: str) -> None:
    assert addresses.read_phone(typed, country) == stored
    assert addresses.read_phone(stored, "") == stored


@pytest.mark.parametrize("typed", ["030 1234567", "ask Ada", "+49", "12", "+999 1234567", "+49 1"])
def test_refuses_a_number_that_no_one_can_dial(typed: str) -> None:
    with pytest.raises(ValueError, match="with its country code"):
        addresses.read_phone(typed, "")


def test_takes_the_link_to_a_map_as_it_is() -> None:
    url = "https://maps.example/place/@52.5,13.4,17z?x=a%20b#c"

    assert addresses.read_map_url(url) == url
    assert (
        addresses.read_map_url("https://karten-köln.example/ü") == "https://karten-köln.example/ü"
    )


@pytest.mark.parametrize(
    "typed",
    [
        "http://maps.example/",
        "javascript:alert(1)",
        "https:maps.example",
        "https://",
        "https://maps.example@evil.example/",
        "https://maps example/",
        "//maps.example/",
        "https://[::1",
        "https://maps.example/\n",
        "https://\\evil.example/",
        "https://maps.example\\.evil.example/",
        "https://maps.example/\\x",
        "https://ma\tps.example/",
        "https://maps.example/a\x01b",
        "https://maps.example/a\x85b",
        "https://ma%70s.example/",
        "https://maps.example:0/",
    ],
)
def test_refuses_other_links(typed: str) -> None:
    with pytest.raises(ValueError, match="begins with https://"):
        addresses.read_map_url(typed)
