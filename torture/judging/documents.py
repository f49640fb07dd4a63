"""Each booking by itself, and all together: what must hold for the documents at any time."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterable
from datetime import date
from typing import Any

from torture.judging.invariants import FIELDS_AGREE, ONE_PER_SLOT, VERSION_MOVES
from torture.judging.ledger import STATUS_AFTER
from torture.judging.violations import Violation

ACTIVE = ("pending", "confirmed")


def judge_slots(bookings: Iterable[dict[str, Any]]) -> list[Violation]:
    """Guarded by the unique index on hotel and slots. The bookings are of one snapshot."""
    holders: dict[tuple[str, str], list[str]] = defaultdict(list)
    for document in bookings:
        if document["status"] in ACTIVE:
            for slot in document["slots"]:
                holders[document["hotel"], slot].append(str(document["_id"]))
    return [
        Violation(
            ONE_PER_SLOT,
            f"{slot} of {hotel} belongs to {' and '.join(sorted(several))}.",
            bookings=tuple(several),
        )
        for (hotel, slot), several in holders.items()
        if len(several) > 1
    ]


def judge_fields(document: dict[str, Any]) -> list[Violation]:
    """Guarded by the one door to the collection, through which all fields are written together."""
    wrong = list(_disagreements(document))
    if not wrong:
        return []
    booking = str(document["_id"])
    return [Violation(FIELDS_AGREE, f"{booking}: {'; '.join(wrong)}.", bookings=(booking,))]


def _disagreements(document: dict[str, Any]) -> Iterable[str]:
    check_in, check_out = (date.fromisoformat(document[day]) for day in ("check_in", "check_out"))
    until = date.fromisoformat(document.get("released_from") or document["check_out"])
    rooms = {booked["room"] for booked in document["rooms"]}
    nights = [str(date.fromordinal(day)) for day in range(check_in.toordinal(), until.toordinal())]
    slots = {f"{night}|{room}" for night in nights for room in rooms}
    if not check_in < until <= check_out:
        yield "its nights end before they begin"
    if len(document["slots"]) != len(slots) or set(document["slots"]) != slots:
        yield f"its slots are {document['slots']}"
    if document["guests"] != sum(booked["guests"] for booked in document["rooms"]):
        yield "its guests do not add up"
    if document["price"]["total"] != sum(each["amount"] for each in document["price"]["nights"]):
        yield "its price does not add up"
    if document["version"] < len(document["history"]):
        yield f"its version is {document['version']} after {len(document['history'])} lines"
    said = [line["event"] for line in document["history"] if line["event"] in STATUS_AFTER]
    if said and document["status"] != STATUS_AFTER[said[-1]]:
        yield f"it is {document['status']} after {said[-1]}"
    keyed = [line["key"] for line in document["history"] if "key" in line]
    if len(keyed) != len(set(keyed)):
        yield "a key has two lines in its history"


class Versions:
    """The content of each booking by its version, from all looks so far."""

    def __init__(self) -> None:
        self._seen: dict[tuple[str, int], str] = {}
        self._newest: dict[str, int] = {}

    def look(self, document: dict[str, Any]) -> list[Violation]:
        """Guarded by the versioned write. News that was passed on leaves without a change."""
        booking, version = str(document["_id"]), document["version"]
        content = {
            name: value
            for name, value in document.items()
            if name not in ("outbox", "former_addresses", "search_terms")
        }
        text = json.dumps(content, default=str, sort_keys=True)
        wrong = []
        if self._seen.setdefault((booking, version), text) != text:
            wrong.append(f"{booking} differs at version {version}.")
        if version < self._newest.get(booking, 0):
            wrong.append(f"{booking} went back to version {version}.")
        self._newest[booking] = max(version, self._newest.get(booking, 0))
        return [Violation(VERSION_MOVES, why, bookings=(booking,)) for why in wrong]
