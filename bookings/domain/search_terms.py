"""Search terms: a booking stores them beside the guest, and a search matches their beginnings.

`terms_of` makes the terms, and `spellings_typed` and `numbers_typed` treat the typed text in the
same way. So a spelling matches, whichever side it was used on
(docs/decisions/0023-search-terms.md).
"""

import re
import unicodedata
from collections.abc import Callable, Iterable

import phonenumbers
from anyascii import anyascii
from phonenumbers import (
    Leniency,
    NumberParseException,
    PhoneNumber,
    PhoneNumberFormat,
    PhoneNumberMatcher,
)

from bookings.domain.stay_request import Guest
from bookings.infrastructure.texts import normalise

# A shorter number finds no guest. No subscriber has one: E.164 of the ITU sets no least length, but
# the shortest national numbers in use have four digits, as in Niue.
MIN_DIGITS = 4

# The ways in which keyboards write an apostrophe; in Hawaiian and other languages it is a letter.
# The normal form takes one of them apart, so this comes before it.
_APOSTROPHES = str.maketrans(dict.fromkeys("`´‘’ʹʻʼʽˈ′‵՚׳", "'"))

# The second spelling of these letters is that of passports (ICAO 9303). Their first spelling, and
# that of all other letters, is anyascii's.
_IN_PASSPORTS = str.maketrans({"ä": "ae", "ö": "oe", "ü": "ue", "ø": "oe", "å": "aa"})

# From this combining class on, marks stand above or below a letter. Lower classes are part of the
# letter, as in Devanagari and Japanese.
_ACCENTS_FROM = 200


def terms_of(guest: Guest, *, country: str) -> list[str]:
    """The terms of a guest, sorted; empty if there are no details.

    `country` is the hotel's, in ISO 3166: its phone numbers may be written without a country code.
    """
    found = _phone_terms(guest.phone, country)
    for word in _fold(guest.name, joint="-").split():
        for spell in {_in_ascii, *_ways_to_spell(word)}:
            found |= _ends([spell(part) for part in word.split("-")])
    return sorted(found - {""})


def spellings_typed(typed: str) -> list[set[str]]:
    """For each typed word, the spellings with which a matching term may begin."""
    words = _fold(typed, joint="").replace("-", " ").split()
    spelled = [{spell(word) for spell in _ways_to_spell(word)} - {""} for word in words]
    return [spellings for spellings in spelled if spellings]


def numbers_typed(typed: str, countries: Iterable[str]) -> set[str]:
    """The digits with which a term may begin that matches a typed number; empty if it is too short.

    A number with a leading zero is also read as dialled from each of the countries, and the digits
    of its international form are included.
    """
    digits = "".join(_digits(typed))
    if len(digits) < MIN_DIGITS:
        return set()
    found = {digits}
    if digits.startswith("0"):
        for country in countries:
            if number := _parse(typed, country):
                written = phonenumbers.format_number(number, PhoneNumberFormat.E164)
                found.add("".join(_digits(written)))
    return found


def may_be_number(text: str) -> bool:
    """Whether the text may be a phone number, such as `030 123 ext. 5`, by its digits alone."""
    return len("".join(_digits(text))) >= MIN_DIGITS


def _fold(text: str, *, joint: str) -> str:
    """The text in lower case and normal width, with blanks for all signs that belong to no word.

    Marks stay with their letters. Every hyphen becomes "-", every apostrophe the `joint`.
    """
    text = normalise("NFKC", text.translate(_APOSTROPHES)).casefold()
    text = normalise("NFKC", text)
    return "".join(_fold_sign(character, joint) for character in text)


def _fold_sign(character: str, joint: str) -> str:
    if character == "'":
        return joint
    category = unicodedata.category(character)
    if category[0] in "LMN":
        return character
    return "-" if category == "Pd" else " "


def _ends(parts: list[str]) -> set[str]:
    """The parts joined: all, all but the first, all but the first two, and so on.

    A search may begin with any part.
    """
    return {"".join(parts[start:]) for start in range(len(parts))}


def _ways_to_spell(word: str) -> tuple[Callable[[str], str], ...]:
    """Two ways for a Latin word. One for other scripts, where many words have the same ASCII
    letters."""
    letters = (letter for letter in word if letter.isalpha())
    if all(unicodedata.name(letter, "").startswith("LATIN") for letter in letters):
        return _in_ascii, _as_in_passports
    return (_without_accents,)


def _in_ascii(word: str) -> str:
    return "".join(letter for letter in anyascii(word).lower() if letter.isalnum())


def _as_in_passports(word: str) -> str:
    return _in_ascii(word.translate(_IN_PASSPORTS))


def _without_accents(word: str) -> str:
    apart = normalise("NFD", word)
    bare = "".join(letter for letter in apart if unicodedata.combining(letter) < _ACCENTS_FROM)
    return normalise("NFC", bare)


def _phone_terms(phone: str, country: str) -> set[str]:
    """The number as written and in its international form, from each group of digits on; and in its
    national form."""
    found = _ends(_digits(phone))
    for number in _numbers_in(phone, country):
        number.extension = None
        abroad, at_home = (
            _digits(phonenumbers.format_number(number, form))
            for form in (PhoneNumberFormat.INTERNATIONAL, PhoneNumberFormat.NATIONAL)
        )
        found |= _ends(abroad) | {"".join(at_home)}
    return {digits for digits in found if len(digits) >= MIN_DIGITS}


def _numbers_in(phone: str, country: str) -> list[PhoneNumber]:
    """The number in the text, or several if the text is too long for one."""
    if number := _parse(phone, country):
        return [number]
    several = PhoneNumberMatcher(phone, country or None, leniency=Leniency.POSSIBLE)
    return [match.number for match in several if match.number]


def _parse(phone: str, country: str) -> PhoneNumber | None:
    try:
        return phonenumbers.parse(phone, country or None)
    except NumberParseException:
        return None


def _digits(text: str) -> list[str]:
    """The groups of digits in the text, in any script.

    The zero of "+44 (0)20" is left out: no one who dials the country code dials it.
    """
    written = anyascii(normalise("NFKC", text)).replace("(0)", " ")
    return re.findall("[0-9]+", written)
