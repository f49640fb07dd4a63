"""The search terms of a guest: every spelling finds itself, however it is typed."""

from __future__ import annotations

import re
from zoneinfo import available_timezones

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from bookings.catalogue.countries import country_of
from bookings.domain.search_terms import numbers_typed, spellings_typed, terms_of
from bookings.domain.stay_request import Guest

COUNTRIES = st.sampled_from(["", "DE", "US", "IT", "JP"])


def begins_one(spelled: set[str], terms: list[str]) -> bool:
    return any(term.startswith(one) for term in terms for one in spelled)


@given(name=st.text(max_size=200), country=COUNTRIES)
@example(name="ŉ O´Hara-D’Arcy ＇ İ ﬃ ǆ", country="")
@example(name="ь ̈ サトー ½ Ⅳ", country="")
def test_finds_every_name_by_each_of_its_words(name: str, country: str) -> None:
    terms = terms_of(Guest(name=name), country=country)

    for typed in (name, name.upper(), name.lower()):
        if typed.casefold() == name.casefold():
            assert all(begins_one(spelled, terms) for spelled in spellings_typed(typed))


@given(phone=st.text(alphabet="+-()/. 0123456789x٣５", max_size=40), country=COUNTRIES)
@example(phone="1(0)2345", country="DE")
@example(phone="+" * 40, country="DE")
def test_finds_every_number_as_it_was_written(phone: str, country: str) -> None:
    terms = terms_of(Guest(phone=phone), country=country)
    typed = numbers_typed(phone, [country])

    assert not typed or begins_one(typed, terms)


@given(text=st.text(max_size=200), country=COUNTRIES)
def test_makes_terms_of_letters_and_digits_alone(text: str, country: str) -> None:
    """They become the beginning of a regular expression; marks stay with their letters."""
    guest = Guest(name=text, phone=text[:40])
    spelled = [one for word in spellings_typed(text) for one in word]

    for term in [*terms_of(guest, country=country), *spelled, *numbers_typed(text, [country])]:
        assert term
        assert not re.search(r"[\x00-\x2f\x3a-\x60\x7b-\x7f\s]", term), term


def test_has_few_terms_for_a_guest() -> None:
    guest = Guest(name="Jürgen Müller-Lüdenscheidt", phone="+49 170 1234567")

    assert terms_of(guest, country="DE") == [
        *("01701234567", "1234567", "1701234567", "491701234567"),
        *("juergen", "jurgen", "ludenscheidt", "luedenscheidt"),
        *("muellerluedenscheidt", "mullerludenscheidt"),
    ]
    assert terms_of(Guest(email="ada@example.org"), country="DE") == []


@pytest.mark.parametrize(
    ("time_zone", "country"),
    [
        ("Europe/Berlin", "DE"),
        ("Europe/Oslo", "NO"),  # whose clock is that of Berlin
        ("America/New_York", "US"),
        ("Asia/Calcutta", "IN"),  # an earlier name
        ("UTC", ""),
        ("Etc/GMT+3", ""),
    ],
)
def test_knows_the_country_of_a_time_zone(time_zone: str, country: str) -> None:
    assert country_of(time_zone) == country


def test_knows_the_country_of_nearly_every_time_zone() -> None:
    without = {zone for zone in available_timezones() if not country_of(zone)}

    assert {zone for zone in without if "/" in zone and not zone.startswith("Etc/")} == set()
