"""Ids that the site makes once from names, such as `seaside-101`. They never change afterwards."""

from collections.abc import Sequence

from bookings.infrastructure.connections import collection
from bookings.infrastructure.texts import to_id

MAX_ID = 64

# Leaves room for a number that tells two equal ids apart.
_MAX_MADE = MAX_ID - 6


def make_hotel_id(name: str) -> str:
    """An id for a new hotel that no hotel has at this moment."""
    return _make("hotels", [to_id(name) or "hotel"])[0]


def make_category_ids(hotel_id: str, names: Sequence[str]) -> list[str]:
    """Ids for new categories of the hotel, in the order of their names."""
    return _make("room_categories", [_within(hotel_id, name, "category") for name in names])


def make_room_ids(hotel_id: str, names: Sequence[str]) -> list[str]:
    """Ids for new rooms of the hotel, in the order of their names.

    An id that a room has at this moment gets a number, like `seaside-101-2`. If another process
    takes one before the rooms are written, the index refuses the write.
    """
    return _make("rooms", [_within(hotel_id, name, "room") for name in names])


def _within(hotel_id: str, name: str, what: str) -> str:
    # Both parts are recognisable, however long they are.
    return f"{hotel_id[:30]}-{to_id(name) or what}"


def _make(name: str, wished: Sequence[str]) -> list[str]:
    wished = [wish[:_MAX_MADE].rstrip("-") for wish in wished]
    made: dict[int, str] = {}
    number = 1
    while len(made) < len(wished):
        suffix = f"-{number}" if number > 1 else ""
        asked = {place: wish + suffix for place, wish in enumerate(wished) if place not in made}
        found = collection(name).find({"_id": {"$in": list(asked.values())}}, {"_id": 1})
        taken = {document["_id"] for document in found} | set(made.values())
        for place, candidate in asked.items():
            if candidate not in taken:
                made[place] = candidate
                taken.add(candidate)
        number += 1
    return [made[place] for place in range(len(wished))]
