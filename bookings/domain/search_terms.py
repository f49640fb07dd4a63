"""What a guest is found by: the beginnings of the terms that stand beside who the guest is.

One function makes the terms, and the one that spells what is typed is its mirror: whatever of the
two is written, what comes out is the same (docs/decisions/0023-search-terms.md).
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

# Fewer digits are no number that a guest is found by.
MIN_DIGITS = 4

# However keyboards write an apostrophe; in Hawaiian and others it is a letter. The normal form
# takes one of them apart, so this comes before it.
_APOSTROPHES = str.maketrans(dict.fromkeys("`´‘’ʹʻʼʽˈ′‵՚׳", "'"))

# The second spelling of these letters, as passports have it (ICAO 9303); the first one, and all
# others, are anyascii's.
_IN_PASSPORTS = str.maketrans({"ä": "ae", "ö": "oe", "ü": "ue", "ø": "oe", "å": "aa"})

# From this class on, marks stand above or below a letter. The others belong to it, as those of
# Devanagari and of Japanese do.
_ACCENTS_FROM = 200


def terms_of(guest: Guest, *, country: str) -> list[str]:
    """The terms of a guest, sorted; of no guest there are none.

    `country` is the hotel's, whose numbers may be written without its code.
    """
    found = _phone_terms(guest.phone, country)
    for word in _fold(guest.name, joint="-").split():
        for spell in {_in_ascii, *_ways_to_spell(word)}:
            found |= _ends([spell(part) for part in word.split("-")])
    return sorted(found - {""})


def spellings_typed(typed: str) -> list[set[str]]:
    """For each word that was typed, how the terms that it may begin are spelled."""
    words = _fold(typed, joint="").replace("-", " ").split()
    spelled = [{spell(word) for spell in _ways_to_spell(word)} - {""} for word in words]
    return [spellings for spellings in spelled if spellings]


def numbers_typed(typed: str, countries: Iterable[str]) -> set[str]:
    """How the terms are spelled that a typed number may begin; none if it is too short.

    One that begins as calls abroad do from one of the countries may begin without that.
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


def _fold(text: str, *, joint: str) -> str:
    """The text in small letters of normal width, with blanks for what is in no word.

    Marks stay with their letters, hyphens are "-", and each apostrophe is the `joint`.
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
    """The parts as one, and without the first, the second, ...: each may be where one begins."""
    return {"".join(parts[start:]) for start in range(len(parts))}


def _ways_to_spell(word: str) -> tuple[Callable[[str], str], ...]:
    """Two for a Latin word; one for any other, whose ASCII letters would be those of many."""
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
    """From each group of digits on: as it was written, and as it is dialled from anywhere; and
    as it is in its own country."""
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
    """The number that was written, or several where what was written is too long for one."""
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
    """The groups of digits in it, whatever script they are in.

    Without the zero of "+44 (0)20", which is for those who do not dial the code before it.
    """
    written = anyascii(normalise("NFKC", text)).replace("(0)", " ")
    return re.findall("[0-9]+", written)
