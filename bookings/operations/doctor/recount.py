"""Whether the stored bookings keep promises 1 and 2, whatever the indexes say.

Every check computes its result from the documents themselves, in the order in which the collection
stores them, so that no index can hide one. It reads all of them as of one moment. Otherwise a night
that is given back and sold again meanwhile would be counted twice.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import date
from typing import Any

from pymongo import ReadPreference
from pymongo.client_session import ClientSession
from pymongo.collection import Collection
from pymongo.read_concern import ReadConcern

from bookings.catalogue import inventory
from bookings.domain.booking import (
    ACTIVE,
    BLOCK,
    CANCELLED,
    CONFIRMED,
    EXPECTED,
    EXPIRED,
    NO_SHOW,
    PENDING,
    PRESENCES,
    STATUSES,
    nights_between,
    slot_of,
)
from bookings.domain.email_addresses import respell_address
from bookings.domain.search_terms import terms_of
from bookings.domain.stay_request import Guest
from bookings.infrastructure.connections import database
from bookings.infrastructure.quantities import quantity
from bookings.operations.doctor.findings import Finding, fail, ok, warn

# At most this many of the wrong ones are named.
EXAMPLES = 3

UNSORTED = {"$natural": 1}

# The status after a line of the history; lines with other events leave the status unchanged.
STATUS_AFTER = {
    "created": (PENDING, CONFIRMED),
    "blocked": (CONFIRMED,),
    "extended": (PENDING,),
    "confirmed": (CONFIRMED,),
    "confirmed_again": (CONFIRMED,),
    "expired": (EXPIRED,),
    "cancelled": (CANCELLED,),
}


def slots() -> Finding:
    """Promise 1: no night of a room is in two active bookings."""
    counted, twice, examples = _find_twice(
        {"status": {"$in": list(ACTIVE)}}, "slots", {"hotel": "$hotel", "slot": "$slots"}
    )
    if twice:
        named = "; ".join(
            f"{found['_id'].get('hotel')} {found['_id'].get('slot')} in bookings {found['first']} "
            f"and {found['last']}"
            for found in examples
        )
        return fail(
            f"{quantity(twice, 'night')} sold twice: {named}. Cancel or move one of each two."
        )
    return ok(f"{quantity(counted, 'night')} of active bookings, none sold twice.")


def keys() -> Finding:
    """Promise 2: no key made two bookings."""
    counted, twice, examples = _find_twice({}, "keys", {"digest": "$keys.digest"})
    if twice:
        named = "; ".join(
            f"{str(found['_id'].get('digest'))[:12]}… in bookings {found['first']} and "
            f"{found['last']}"
            for found in examples
        )
        return fail(f"{quantity(twice, 'key')} made two bookings: {named}. Cancel one of each two.")
    return ok(f"{quantity(counted, 'key')}, none in two bookings.")


def documents() -> Finding:
    """Whether each booking's fields agree with each other.

    Its slots must be its rooms on its nights, or the indexes guard other nights. Guests, price and
    status must be the same in every field that states them.
    """
    count = wrong = 0
    examples: list[str] = []
    with _one_moment() as (bookings, session):
        for document in bookings.find(
            {},
            {
                **dict.fromkeys(("reference", "hotel", "check_in", "check_out"), 1),
                **dict.fromkeys(("status", "slots", "rooms", "presence", "guests"), 1),
                **dict.fromkeys(("category", "price", "kind", "version", "history.event"), 1),
                "released_from": 1,
                # The type is enough, and Python may not be able to represent the date.
                "end": {"$type": "$expires_at"},
            },
            hint=list(UNSORTED.items()),
            session=session,
        ):
            count += 1
            if fault := _fault(document):
                wrong += 1
                if len(examples) < EXAMPLES:
                    examples.append(f"{document.get('reference') or document['_id']}: {fault}")
    if wrong:
        return fail(
            f"{wrong:,} of {quantity(count, 'booking')} with fields that disagree: "
            f"{'; '.join(examples)}. Fix each by hand, and find out what wrote it."
        )
    return ok(f"{quantity(count, 'booking')}, whose fields agree with each other.")


def search_terms() -> Finding:
    """Whether each booking is found by its guest's present details, and not by earlier ones."""
    count = 0
    stale: list[str] = []
    left_behind: list[str] = []
    countries = inventory.hotel_countries()
    with _one_moment() as (bookings, session):
        for document in bookings.find(
            {},
            dict.fromkeys(("reference", "hotel", "guest", "search_terms"), 1),
            hint=list(UNSORTED.items()),
            session=session,
        ):
            count += 1
            named = str(document.get("reference") or document["_id"])
            terms = document.get("search_terms", [])
            try:
                guest = Guest(**document["guest"])
                right = terms_of(guest, country=countries.get(document["hotel"], ""))
            except (AttributeError, KeyError, TypeError):
                return fail(f"The guest of {named} cannot be read; fix the booking by hand.")
            if (terms, guest.email) == (right, respell_address(guest.email)):
                continue
            (left_behind if terms and not right else stale).append(named)
    advice = "run manage.py refresh_search_terms."
    if left_behind:
        return fail(
            f"{quantity(len(left_behind), 'booking')} still found by a former guest's details: "
            f"{', '.join(left_behind[:EXAMPLES])}; {advice}"
        )
    if stale:
        return warn(
            f"{len(stale):,} of {quantity(count, 'booking')} not found by the guest's present "
            f"details: {', '.join(stale[:EXAMPLES])}; {advice}"
        )
    return ok(f"{quantity(count, 'booking')}, each found by its own guest.")


def _fault(document: dict[str, Any]) -> str | None:
    """What is wrong with the document, or None."""
    if document.get("status") not in STATUSES:
        return "its status is unknown"
    if document.get("presence", EXPECTED) not in PRESENCES:
        return "its presence is unknown"
    if document["status"] == PENDING and document["end"] != "date":
        return "it is pending without an end"
    if not isinstance(document.get("hotel"), str):
        return "it has no hotel"
    try:
        check_in = date.fromisoformat(document["check_in"])
        check_out = date.fromisoformat(document["check_out"])
        released_from = date.fromisoformat(document.get("released_from") or document["check_out"])
        rooms = {booked["room"] for booked in document["rooms"]}
        found = sorted(document["slots"])
    except (KeyError, TypeError, ValueError):
        return "its rooms, dates or slots cannot be read"
    # Compares the number first, so as not to list the nights of a thousand years.
    is_right = len(found) == (released_from - check_in).days * len(rooms) and found == sorted(
        slot_of(night, room) for night in nights_between(check_in, released_from) for room in rooms
    )
    if not found or not is_right:
        return "its slots are not its rooms on its nights"
    if released_from != check_out and document.get("presence") != NO_SHOW:
        return "its nights were given back, but its guest is no no-show"
    if released_from > check_out:
        return "it has nights after its end"
    try:
        return _disagreement(document, check_in, check_out)
    except (AttributeError, KeyError, TypeError):
        return "its guests, price, category or history cannot be read"


def _disagreement(document: dict[str, Any], check_in: date, check_out: date) -> str | None:
    """Which field disagrees with the others, or None."""
    rooms, price, events = document["rooms"], document["price"], _events_of(document)
    # A block has no guests and costs nothing.
    nights = [] if document["kind"] == BLOCK else list(nights_between(check_in, check_out))
    if document["guests"] != sum(booked["guests"] for booked in rooms):
        return "its guests are not those of its rooms"
    categories = {booked["category"] for booked in rooms}
    if document["category"] != (categories.pop() if len(categories) == 1 else None):
        return "its category is not that of its rooms"
    if [night["date"] for night in price["nights"]] != [night.isoformat() for night in nights]:
        return "its price is not for its nights"
    if price["total"] != sum(night["amount"] for night in price["nights"]):
        return "its price is not the sum of its nights"
    if document["status"] not in _said_by(events):
        return "its status is not what its history says"
    if document.get("version", len(events)) < len(events):
        return "its version is less than the lines of its history"
    return None


def _events_of(document: dict[str, Any]) -> list[str]:
    return [change["event"] for change in document["history"]]


def _said_by(events: list[str]) -> tuple[str, ...]:
    """The statuses that the history's newest event about the status allows."""
    return next((STATUS_AFTER[event] for event in reversed(events) if event in STATUS_AFTER), ())


def _find_twice(
    condition: dict[str, Any], array: str, value: dict[str, str]
) -> tuple[int, int, list[dict[str, Any]]]:
    """How many values there are, how many are in two documents, and some of the latter."""
    by_value: list[dict[str, Any]] = [
        {"$match": condition},
        {"$project": {"hotel": 1, array: 1}},
        {"$unwind": f"${array}"},
        {"$group": {"_id": value, "first": {"$min": "$_id"}, "last": {"$max": "$_id"}}},
    ]
    is_twice = {"$ne": ["$first", "$last"]}
    totals = {"_id": None, "all": {"$sum": 1}, "twice": {"$sum": {"$cond": [is_twice, 1, 0]}}}
    with _one_moment() as (bookings, session):

        def ask(*stages: dict[str, Any]) -> list[dict[str, Any]]:
            return list(
                bookings.aggregate(
                    [*by_value, *stages], hint=UNSORTED, allowDiskUse=True, session=session
                )
            )

        counted = ask({"$group": totals})
        if not counted:
            return 0, 0, []
        examples: list[dict[str, Any]] = []
        if counted[0]["twice"]:
            examples = ask({"$match": {"$expr": is_twice}}, {"$limit": EXAMPLES})
        return counted[0]["all"], counted[0]["twice"], examples


@contextmanager
def _one_moment() -> Iterator[tuple[Collection, ClientSession]]:
    """The bookings, and a session that shows all of them as they were at one moment."""
    with database().client.start_session(snapshot=True) as session:
        bookings = database().get_collection(
            "bookings", read_concern=ReadConcern(), read_preference=ReadPreference.PRIMARY
        )
        yield bookings, session
