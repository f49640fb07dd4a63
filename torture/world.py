"""The small world in which the clients meet: two hotels, few rooms, few nights.

Few slots, so that rivals meet at each of them again and again.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

# Nights that can be sold, from so many days ahead.
FIRST_DAY, NIGHTS = 30, 10

# A hold ends within a run, many times: no hotel could set so little.
HOLD_S = 20

PRICE = 10_000


@dataclass(frozen=True)
class Category:
    id: str
    hotel: str
    rooms: tuple[str, ...]


def _category(hotel: str, name: str, rooms: int) -> Category:
    of = f"{hotel}_{name}"
    return Category(of, hotel, tuple(f"{of}_{number}" for number in range(1, rooms + 1)))


# Two of the hotels' partners may act at one hotel only.
HOTELS = ("east", "west")
CATEGORIES = (
    _category("east", "single", 4),
    _category("east", "double", 5),
    _category("west", "double", 5),
)
ROOMS = tuple(room for category in CATEGORIES for room in category.rooms)

# Room and night of these are left to the audit: no client books them.
AUDIT_ROOM = "east_audit_1"

PARTNERS = 12
# The partners with these numbers may act at one hotel.
BOUND = {0: "east", 1: "west"}
# So many of them receive webhooks.
LISTENERS = 3

# A session gets another id when the secret has changed. People whose answer with it is lost have to
# log in again, and each account does so this often at most.
LOGINS = 50


def hotel_of(room: str) -> str:
    """The hotel of a room."""
    return room.partition("_")[0]


def category_of(room: str) -> str:
    """The category of a room."""
    return room.rpartition("_")[0]


def night(number: int) -> str:
    """The night with this number, from 0, as the API writes it. Both hotels keep UTC."""
    return str(datetime.now(UTC).date() + timedelta(days=FIRST_DAY + number))


@dataclass(frozen=True)
class Prepared:
    """What the prepared site gives its clients: tokens, and the sessions of people."""

    tokens: tuple[str, ...]
    client_ids: tuple[str, ...]
    sessions: dict[str, list[str]]
    user_ids: dict[str, str]
    webhook_secrets: dict[str, str]

    @classmethod
    def read(cls, said: dict[str, Any]) -> Prepared:
        return cls(
            tokens=tuple(said["tokens"]),
            client_ids=tuple(said["client_ids"]),
            sessions=said["sessions"],
            user_ids=said["user_ids"],
            webhook_secrets=said["webhook_secrets"],
        )
