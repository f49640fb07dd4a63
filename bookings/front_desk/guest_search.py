"""Finding stays by what a guest says at the desk: a reference, a name, an e-mail, a phone number, a
room.

An index answers every question (docs/decisions/0023-search-terms.md): each asks for beginnings of
the name's words, the phone number, the e-mail address or the reference.
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any

from anyascii import anyascii
from bson import ObjectId, Regex

from bookings.catalogue.inventory import HotelFacts, find_category, find_rooms_named
from bookings.domain.booking import ACTIVE, REFERENCE_LETTERS, STAY, nights_between, slot_of
from bookings.domain.email_addresses import respell_address
from bookings.domain.search_terms import numbers_typed, spellings_typed
from bookings.domain.stay_request import Guest
from bookings.indexes import with_address_from
from bookings.infrastructure.connections import collection
from bookings.infrastructure.texts import normalise

# The nights around today on which a stay is found by its room.
ROOM_DAYS_BEFORE, ROOM_DAYS_AHEAD = 1, 30

# No one types more than this.
MAX_WORDS = 6
MAX_TYPED = 200

# While a name is typed: from how many letters on, among how many of the newest stays, and how many
# guests are offered.
MIN_LETTERS = 3
MAX_STAYS_LOOKED_AT = 50
MAX_GUESTS_OFFERED = 8

_PHONE = re.compile(r"[\d\s()+/.-]+", re.ASCII)
# Fewer letters would match too many references, and names.
_REFERENCE = re.compile(f"[{REFERENCE_LETTERS}]{{4,8}}")


def find_stay_ids(
    typed: str, *, hotels: Iterable[HotelFacts], limit: int, only: frozenset[str] | None = None
) -> list[ObjectId]:
    """The ids of at most `limit` matching stays, the newest first; no blocks.

    `hotels` are those whose codes and rooms may be typed. With `only`, stays at other hotels than
    these are not found; None means all.

    A reference may lack the hotel's code. Each word typed must begin one of the guest's names, in
    any order and without regard to case and accents. A room's whole name finds the stays in it that
    were there yesterday or come within ROOM_DAYS_AHEAD days.
    """
    typed = " ".join(typed[:MAX_TYPED].split())
    hotels = list(hotels)
    found: set[ObjectId] = set()
    for question in [*_questions(typed, hotels), *_in_room(typed, hotels)]:
        if only is not None:
            question.setdefault("hotel", {"$in": sorted(only)})
        found.update(_newest_ids(question, limit))
    return sorted(found, reverse=True)[:limit]


def _newest_ids(question: dict[str, Any], limit: int) -> list[ObjectId]:
    documents = collection("bookings").find(question, {"_id": 1})
    # E-mail addresses keep their own order: sorting would read all matches, which may be many.
    if "guest.email" not in question:
        documents = documents.sort("_id", -1)
    return [document["_id"] for document in documents.limit(limit)]


@dataclass(frozen=True)
class KnownGuest:
    """A guest as the newest stay that was found has them."""

    guest: Guest
    language: str
    hotel: str
    check_in: date
    check_out: date


def find_known_guests(
    typed: str, *, hotels: Iterable[HotelFacts], only: frozenset[str] | None = None
) -> list[KnownGuest]:
    """The guests of earlier stays at these hotels whose names, e-mail address or phone number begin
    as typed, the newest first; none before MIN_LETTERS letters. `only` as for `find_stay_ids`.

    The newest stays are looked for, and only those are read.
    """
    typed = " ".join(typed[:MAX_TYPED].split())
    named = {hotel.id: hotel for hotel in hotels}
    question = _question_for_guests(typed, named.values())
    if question is None:
        return []
    if only is not None:
        question["hotel"] = {"$in": sorted(only)}
    ids = _newest_ids(question, MAX_STAYS_LOOKED_AT)
    fields = ("guest", "language", "hotel", "check_in", "check_out")
    found: dict[tuple[str, str, str], KnownGuest] = {}
    stays = (
        collection("bookings").find({"_id": {"$in": ids}}, dict.fromkeys(fields, 1)) if ids else ()
    )
    for stay in sorted(stays, key=lambda stay: stay["_id"], reverse=True):
        guest = Guest(**stay["guest"])
        hotel = named.get(stay["hotel"])
        known = KnownGuest(
            guest=guest,
            language=stay.get("language", ""),
            hotel=hotel.name if hotel else stay["hotel"],
            check_in=date.fromisoformat(stay["check_in"]),
            check_out=date.fromisoformat(stay["check_out"]),
        )
        found.setdefault((guest.name.casefold(), guest.email, guest.phone), known)
    return list(found.values())[:MAX_GUESTS_OFFERED]


def _question_for_guests(typed: str, hotels: Iterable[HotelFacts]) -> dict[str, Any] | None:
    """The one filter for the guests that were typed; None if too little was."""
    plain = normalise("NFKC", typed)
    if sum(letter.isalnum() for letter in plain) < MIN_LETTERS:
        return None
    if "@" in plain:
        return {**with_address_from(respell_address(plain.lower())), "kind": STAY}
    if _PHONE.fullmatch(anyascii(plain)):
        numbers = numbers_typed(plain, {hotel.country for hotel in hotels})
        return _beginning_with([numbers]) if numbers else None
    words = spellings_typed(typed)[:MAX_WORDS]
    # Too many names begin with any one letter of the alphabet.
    if not any(len(spelled) > 1 or not spelled.isascii() for word in words for spelled in word):
        return None
    return _beginning_with(words)


def _questions(typed: str, hotels: list[HotelFacts]) -> list[dict[str, Any]]:
    """The filters to find, each answered by its own index."""
    plain = normalise("NFKC", typed)
    from_address = {**with_address_from(respell_address(plain.lower())), "kind": STAY}
    if "@" in plain:
        return [from_address]
    questions: list[dict[str, Any]] = []
    if beginnings := _references_typed(plain, hotels):
        questions.append({"$or": [_with_reference_from(one) for one in beginnings], "kind": STAY})
    if _PHONE.fullmatch(anyascii(plain)):
        if numbers := numbers_typed(plain, {hotel.country for hotel in hotels}):
            questions.append(_beginning_with([numbers]))
        return questions
    words = spellings_typed(typed)[:MAX_WORDS]
    # Too many names begin with any one letter of the alphabet.
    if any(len(spelled) > 1 or not spelled.isascii() for word in words for spelled in word):
        questions.append(_beginning_with(words))
    if words and " " not in plain:
        questions.append(from_address)
    return questions


def _in_room(typed: str, hotels: list[HotelFacts]) -> list[dict[str, Any]]:
    """For each hotel with a room of this name: the filter for its stays around today."""
    if not typed:
        return []
    rooms = find_rooms_named([typed], [hotel.id for hotel in hotels])
    in_hotel: dict[str, list[str]] = {}
    for room in rooms:
        category = find_category(room.category)
        if category is not None:
            in_hotel.setdefault(category.hotel, []).append(room.id)
    questions = []
    for hotel in hotels:
        if hotel.id not in in_hotel:
            continue
        today = hotel.desk_day()
        nights = nights_between(
            today - timedelta(days=ROOM_DAYS_BEFORE), today + timedelta(days=ROOM_DAYS_AHEAD)
        )
        slots = [slot_of(night, room) for night in nights for room in in_hotel[hotel.id]]
        # The index of slots answers, which leaves out cancelled and expired bookings.
        condition = {"hotel": hotel.id, "status": {"$in": list(ACTIVE)}, "kind": STAY}
        questions.append({**condition, "slots": {"$in": slots}})
    return questions


def _references_typed(typed: str, hotels: list[HotelFacts]) -> list[str]:
    """The possible beginnings of a reference typed like this: with or without the hotel's code, and
    with a hyphen, a blank or nothing in between."""
    letters = re.sub(r"[\s-]", "", typed).upper()
    return [
        f"{hotel.code}-{rest}"
        for hotel in hotels
        for rest in {letters, letters.removeprefix(hotel.code)}
        if _REFERENCE.fullmatch(rest)
    ]


def _with_reference_from(beginning: str) -> dict[str, Any]:
    return {"reference": {"$gte": beginning, "$lt": f"{beginning}\uffff"}}


def _beginning_with(words: list[set[str]]) -> dict[str, Any]:
    """A filter for stays with, for each word, a term that begins with one of its spellings. Blocks
    have no terms.

    MongoDB answers a regular expression for a mere beginning from the index alone, which it cannot
    do for a range in a list. Spellings are letters and digits, and are escaped.
    """
    return {
        "$and": [
            {"search_terms": {"$in": [Regex(f"^{re.escape(one)}") for one in sorted(word)]}}
            for word in words
        ]
    }
