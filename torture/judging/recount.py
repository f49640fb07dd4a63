"""The manager's figures against a recount of the bookings."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Any

from torture import world
from torture.judging.invariants import RECOUNTED
from torture.judging.violations import Violation

# By hotel and night: rooms sold, rooms blocked, revenue in minor units.
Figures = Mapping[str, list[int]]


def judge_figures(figures: Figures, bookings: Iterable[Mapping[str, Any]]) -> list[Violation]:
    """Guarded by reading them in one snapshot, from the slots that the index keeps."""
    counted = recount(bookings)
    return [
        Violation(RECOUNTED, f"{place}: the figures say {figures.get(place)}, a recount {ours}.")
        for place, ours in counted.items()
        if figures.get(place) != ours
    ]


def recount(bookings: Iterable[Mapping[str, Any]]) -> dict[str, list[int]]:
    """The same figures, one booking after the other."""
    nights = [world.night(number) for number in range(world.NIGHTS)]
    sold, blocked, revenue = Counter[str](), Counter[str](), Counter[str]()
    for document in bookings:
        if document["status"] != "confirmed":
            continue
        is_block = document["kind"] == "block"
        for slot in document["slots"]:
            place = f"{document['hotel']} {slot.partition('|')[0]}"
            (blocked if is_block else sold)[place] += 1
        kept = {slot.partition("|")[0] for slot in document["slots"]}
        for night in document["price"]["nights"]:
            if not is_block and night["date"] in kept:
                revenue[f"{document['hotel']} {night['date']}"] += night["amount"]
    places = [f"{hotel} {night}" for hotel in world.HOTELS for night in nights]
    return {place: [sold[place], blocked[place], revenue[place]] for place in places}
