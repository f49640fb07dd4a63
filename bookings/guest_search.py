"""Finding stays by what a guest says at the desk: a reference, a name, an e-mail, a phone number.

Every question is one that an index answers (docs/decisions/0015-finding-guests.md): whole words
of the name, the beginning of the e-mail, the exact reference, a group of digits of the phone.
"""

import re
import unicodedata
from collections.abc import Iterable
from typing import Any

from bson import ObjectId

from bookings.connections import collection
from bookings.documents import REFERENCE_LETTERS, STAY
from bookings.indexes import ADDRESS_COLLATION, with_address_from

# Nobody types, or reads, more.
MAX_WORDS = 6
MAX_TYPED = 200

# Two digits are no number that anybody is found by.
MIN_DIGITS = 4

_PHONE = re.compile(r"[\d\s()+/.-]+")
_SHORT_REFERENCE = re.compile(f"[{REFERENCE_LETTERS}]{{8}}")


def find_stay_ids(typed: str, *, hotel_codes: Iterable[str], limit: int) -> list[ObjectId]:
    """Stays that fit, at most `limit`, the newest first; no blocks.

    A reference may lack the hotel's code. Of several words one must be whole in the guest's
    name, and the others parts of it, in any order and without regard to case and accents.
    """
    # As keyboards write it: the marks of some letters may come apart from them.
    typed = unicodedata.normalize("NFC", " ".join(typed.split()))[:MAX_TYPED]
    found: set[ObjectId] = set()
    for question in _questions(typed, list(hotel_codes)):
        documents = collection("bookings").find({**question, "kind": STAY}, {"_id": 1})
        if "guest.email" in question:
            # In the order of the addresses: very many may begin so, and must not all be read.
            documents = documents.collation(ADDRESS_COLLATION)
        else:
            documents = documents.sort("_id", -1)
        found.update(document["_id"] for document in documents.limit(limit))
    return sorted(found, reverse=True)[:limit]


def _questions(typed: str, hotel_codes: list[str]) -> list[dict[str, Any]]:
    """What to ask MongoDB, each by an index of its own."""
    words = _words_of(typed)[:MAX_WORDS]
    if not words:
        return []
    if "@" in typed:
        return [with_address_from(typed)]
    reference = typed.upper()
    references = [reference]
    if _SHORT_REFERENCE.fullmatch(reference):
        references += [f"{code}-{reference}" for code in hotel_codes]
    questions: list[dict[str, Any]] = [{"reference": {"$in": references}}]
    if _PHONE.fullmatch(typed):
        if sum(map(len, words)) >= MIN_DIGITS:
            # The longest group alone: the others, such as a country's code, are in very many.
            questions.append(_containing([max(words, key=len)]))
        return questions
    questions.append(_containing(words))
    if " " not in typed:
        questions.append(with_address_from(typed))
    return questions


def _words_of(typed: str) -> list[str]:
    """What stands between signs and blanks. A mark that is written with a letter is of its word, as
    the vowels of Devanagari are."""
    return "".join(c if unicodedata.category(c)[0] in "LMN" else " " for c in typed).split()


def _containing(words: list[str]) -> dict[str, Any]:
    """All of the words; in quotation marks, since without them one would be enough."""
    return {"$text": {"$search": " ".join(f'"{word}"' for word in words)}}
