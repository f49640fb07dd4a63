"""The two rules for texts that people write: on one line, and on several."""

from __future__ import annotations

import re

import pytest

from bookings.infrastructure import texts
from tests.servers import ROOT

# Written as numbers, since neither an editor nor a reader sees most of them.
BREAKS = ["\n", "\r", "\r\n", "\x85", "\u2028", "\u2029", "\x0b", "\x0c"]
CONTROLS = ["\x00", "\x07", "\x1b", "\x1c", "\x7f", "\x80", "\x9b", "\x9f", "\ud800", "\udfff"]
UNSEEN = [
    *"\u00ad\u061c\u180e\u200b\u200e\u200f\u2060\u2064\ufeff\ufff9\U000e0041",
    *"\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069\u206a\u206f",
]


@pytest.mark.parametrize("sign", [*BREAKS, *CONTROLS, "\t"], ids=ascii)
def test_refuses_on_one_line_what_ends_it_or_controls_a_terminal(sign: str) -> None:
    with pytest.raises(texts.BadText, match="one line"):
        texts.read_line(f"Ada{sign}Lovelace")


@pytest.mark.parametrize("sign", [*CONTROLS, "\x0b", "\x0c", "\x85"], ids=ascii)
def test_refuses_on_several_lines_what_controls_a_terminal(sign: str) -> None:
    with pytest.raises(texts.BadText, match="control character"):
        texts.read_lines(f"Late.{sign}With a dog.")


@pytest.mark.parametrize("sign", ["\n", "\r", "\r\n", "\u2028", "\u2029"], ids=ascii)
def test_ends_every_line_alike(sign: str) -> None:
    assert texts.read_lines(f"Late.{sign}\tWith a dog.{sign}") == "Late.\n\tWith a dog.\n"


@pytest.mark.parametrize("sign", UNSEEN, ids=ascii)
def test_takes_out_what_is_not_seen_and_turns_or_hides_other_text(sign: str) -> None:
    assert texts.read_line(f"{sign}+49 170{sign} 1{sign}") == "+49 170 1"
    assert texts.read_lines(f"{sign}Late.\n{sign}") == "Late.\n"


@pytest.mark.parametrize(
    "name",
    [
        "Łukasz Żółć",
        "O’Hara, D'Arcy",
        "山田太郎",
        "Zoe\u0308",  # a mark of its own
        "می\u200cخواهم",  # Persian, which spells with a non-joiner
        "ශ්\u200dරී",  # Sinhala, which spells with a joiner
        "👩\u200d💻",
        "Ada\xa0Lovelace\u3000",
    ],
)
def test_keeps_what_names_are_written_with(name: str) -> None:
    assert texts.read_line(name) == name


def test_knows_an_id_that_would_not_be_kept_as_it_came() -> None:
    assert texts.is_plain_line("guest 7 of Acme")
    assert not texts.is_plain_line("guest\u202e7")
    assert not texts.is_plain_line("guest\n7")


def test_puts_on_one_line_what_was_written_before_there_was_a_rule() -> None:
    assert texts.on_one_line("Grand\r\nHotel\u202e\x07 \u2028X") == "Grand Hotel X"


def test_normalises_the_beginning_alone_of_what_is_longer_than_any_name() -> None:
    wide = "Ａ" * texts.MAX_NORMALISED

    assert texts.normalise("NFKC", wide) == "A" * texts.MAX_NORMALISED
    assert texts.normalise("NFKC", f"{wide}Ｂ") == "A" * texts.MAX_NORMALISED


def test_shortens_for_a_list() -> None:
    assert texts.shorten("Ada", 40) == "Ada"
    assert texts.shorten("x" * 90_000, 40) == f"{'x' * 39}…"


def test_normalises_in_one_place_which_bounds_the_text() -> None:
    """Django's own forms bound a user name; its filter for short texts does not bound a note."""
    elsewhere = [
        str(path.relative_to(ROOT))
        for package in ("bookings", "bookingsite", "idempotency", "locks")
        for path in (ROOT / package).rglob("*.py")
        if path != ROOT / "bookings/infrastructure/texts.py"
        and re.search(r"\bnormalize\b|\bslugify\b|\bTruncator\b", path.read_text())
    ]
    unbounded = [
        f"{path.relative_to(ROOT)}: {found}"
        for path in (ROOT / "templates").rglob("*.html")
        for found in re.findall(r"[\w.|:\"]*\|(?:truncate|slugify)\w*", path.read_text())
        if '|slice:":400"|' not in found
    ]

    assert (elsewhere, unbounded) == ([], [])
