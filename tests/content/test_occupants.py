"""Who may stay: never a sentence that contradicts itself, whatever the occupancy becomes."""

from __future__ import annotations

import re

import pytest
from django.utils import translation
from hypothesis import given
from hypothesis import strategies as st

from bookings.content.amenities import BEDS, OF_HOTELS, count_beds, names_of
from bookings.content.occupants import judge_who, who_may_stay


@pytest.mark.parametrize(
    ("occupancy", "adults", "children", "sentence"),
    [
        (3, None, None, ""),
        (3, 2, None, "Up to 3 guests: at most 2 adults."),
        (3, 2, 1, "Up to 3 guests: at most 2 adults, at most 1 child."),
        (4, 1, 3, "Up to 4 guests: at most 1 adult, at most 3 children."),
        (3, None, 1, "Up to 3 guests: at most 1 child."),
        (2, 2, 0, "Up to 2 guests, adults only."),
        (2, None, 0, "Up to 2 guests, adults only."),
        (1, 1, 0, "One guest, adults only."),
        (2, 2, 2, ""),
        # The occupancy was lowered: a limit that limits nothing is not mentioned.
        (2, 3, None, ""),
        (2, 3, 1, "Up to 2 guests: at most 1 child."),
        # It was raised, and no guests could fill the room.
        (4, 2, 1, ""),
        (4, 2, 0, ""),
    ],
)
def test_says_who_may_stay(
    occupancy: int, adults: int | None, children: int | None, sentence: str
) -> None:
    assert who_may_stay(occupancy, adults=adults, children=children) == sentence


def test_says_it_in_german() -> None:
    with translation.override("de"):
        assert who_may_stay(3, adults=2, children=1) == (
            "Bis zu 3 Gäste: höchstens 2 Erwachsene, höchstens 1 Kind."
        )
        assert who_may_stay(2, adults=2, children=0) == "Bis zu 2 Gäste, nur Erwachsene."


LIMIT = st.one_of(st.none(), st.integers(min_value=0, max_value=12))


@given(st.integers(min_value=1, max_value=10), LIMIT, LIMIT)
def test_never_names_limits_that_no_party_of_this_size_can_keep(
    occupancy: int, adults: int | None, children: int | None
) -> None:
    sentence = who_may_stay(occupancy, adults=adults, children=children)

    for said in map(int, re.findall(r"at most (\d+)", sentence)):
        assert said < occupancy
    if sentence:
        assert (occupancy if adults is None else adults) + (
            occupancy if children is None else children
        ) >= occupancy
    if not judge_who(occupancy, adults=adults, children=children) and None not in (
        adults,
        children,
    ):
        assert adults <= occupancy and children <= occupancy  # type: ignore[operator]  # noqa: PT018
        assert adults + children >= occupancy  # type: ignore[operator]


def test_names_what_it_knows_in_its_own_order() -> None:
    assert names_of(["bar", "of_a_later_release", "wifi"], OF_HOTELS) == ["Wi-Fi", "Bar"]
    assert count_beds({"waterbed": 1, "sofa": 2, "double": 1}) == ["1 double bed", "2 sofa beds"]
    with translation.override("de"):
        assert names_of(["lift"], OF_HOTELS) == ["Aufzug"]
        assert count_beds({"double": 2}) == ["2 Doppelbetten"]


@pytest.mark.parametrize("code", BEDS)
def test_counts_beds_of_every_kind(code: str) -> None:
    (one,), (two,) = count_beds({code: 1}), count_beds({code: 2})

    assert one.startswith("1 ")
    assert two.startswith("2 ")
    assert one[2:] != two[2:]
