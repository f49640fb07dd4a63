"""What each hotel still lacks before guests can find, trust and book it: for the admin's first page
and the set-up."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Literal
from urllib.parse import urlencode

from django.conf import settings
from django.contrib.admin.utils import quote
from django.urls import reverse

from bookings.content.photos.rows import READY
from bookings.infrastructure.connections import collection
from bookings.infrastructure.recent_reads import RecentReads

Lack = Literal[
    "categories", "rooms", "prices", "description", "photos", "address", "email", "imprint", "open"
]

# The most hotels that the first page lists.
MAX_HOTELS = 20


@dataclass(frozen=True)
class Checklist:
    """What a hotel lacks, in the order in which to look at it; empty if nothing."""

    hotel: str
    name: str
    is_open: bool
    lacks: tuple[Lack, ...]
    has_content: bool


# What to do, and the step of the set-up on which it is done.
_SET_UP: dict[Lack, tuple[str, str]] = {
    "categories": ("Add a category of rooms", "categories"),
    "rooms": ("Add rooms that are for sale", "rooms"),
    "prices": ("Give each category a price", "categories"),
    "photos": ("Add photos", "photos"),
    "open": ("Open the hotel for booking", "preview"),
}
# What to do on the page with the hotel's content.
_CONTENT: dict[Lack, str] = {
    "description": "Describe the hotel",
    "address": "Say where the hotel is: street and city",
    "email": "Give an e-mail address for guests",
    "imprint": "Write the imprint: who runs the hotel",
}


@dataclass(frozen=True)
class ToDo:
    """One thing to do, and the page of the admin on which to do it."""

    text: str
    url: str


def lines_of(found: Checklist, *, but: Lack | None = None) -> list[ToDo]:
    """What is left to do for the hotel, apart from what the page itself does."""
    return [_line(lack, found) for lack in found.lacks if lack != but]


def _line(lack: Lack, found: Checklist) -> ToDo:
    if lack in _SET_UP:
        text, step = _SET_UP[lack]
        return ToDo(text, reverse(f"setup:{step}", args=[found.hotel]))
    if found.has_content:
        url = reverse("admin:bookings_hotelcontent_change", args=[quote(found.hotel)])
    else:
        url = f"{reverse('admin:bookings_hotelcontent_add')}?{urlencode({'hotel': found.hotel})}"
    return ToDo(_CONTENT[lack], url)


def recent_checklists() -> tuple[Checklist, ...]:
    """The checklists of the first MAX_HOTELS hotels, those that are not open first, then by name.

    Read with one query for all hotels; what it says may be two seconds old.
    """
    return _checklists.get("all") or ()


def read_checklist(hotel_id: str) -> Checklist | None:
    """The checklist of this hotel as it is now; None if there is no such hotel."""
    return next(iter(_read({"_id": hotel_id})), None)


def read_checklists(hotel_ids: Iterable[str]) -> tuple[Checklist, ...]:
    """As `recent_checklists`, for these hotels alone and as they are now."""
    return _read({"_id": {"$in": sorted(hotel_ids)}})


def can_send_mail() -> bool:
    """Whether mails go further than to the log."""
    return bool(settings.EMAIL_HOST or settings.LETTERS_FOLDER)


def _read(condition: dict[str, Any]) -> tuple[Checklist, ...]:
    found = collection("hotels").aggregate(
        [
            {"$match": condition},
            # A hotel of an early release lacks the field, and is open.
            {"$project": {"name": 1, "is_open": {"$ne": ["$is_open", False]}}},
            {"$sort": {"is_open": 1, "name": 1}},
            {"$limit": MAX_HOTELS},
            _join("hotel_contents", "_id", "content", [{"$limit": 1}]),
            _join(
                "room_categories",
                "hotel_id",
                "categories",
                [
                    {"$project": {"default_price": 1}},
                    _join("rooms", "category_id", "rooms", [_FOR_SALE, *_ONE]),
                ],
            ),
            _join("photos", "hotel_id", "photos", [{"$match": {"state": READY}}, *_ONE]),
        ]
    )
    return tuple(_judge(document) for document in found)


_ONE: list[dict[str, Any]] = [{"$limit": 1}, {"$project": {"_id": 1}}]
_FOR_SALE = {"$match": {"is_sold": True}}


def _join(name: str, field: str, into: str, pipeline: list[dict[str, Any]]) -> dict[str, Any]:
    return {
        "$lookup": {
            "from": name,
            "localField": "_id",
            "foreignField": field,
            "pipeline": pipeline,
            "as": into,
        }
    }


def _judge(hotel: dict[str, Any]) -> Checklist:
    content: dict[str, Any] = next(iter(hotel["content"]), {})
    categories = hotel["categories"]
    is_open = hotel["is_open"]
    has: dict[Lack, bool] = {
        "categories": bool(categories),
        "rooms": any(category["rooms"] for category in categories),
        "prices": all(category["default_price"] for category in categories),
        "description": bool(content.get("description")),
        "photos": bool(hotel["photos"]),
        "address": bool(content.get("street") and content.get("city")),
        "email": bool(content.get("email")),
        "imprint": bool(content.get("imprint")),
        "open": is_open,
    }
    lacks = tuple(lack for lack, is_there in has.items() if not is_there)
    return Checklist(hotel["_id"], hotel["name"], is_open, lacks, bool(hotel["content"]))


_checklists: RecentReads[str, tuple[Checklist, ...]] = RecentReads(
    "checklists", lambda _all: _read({}) or None, most=1
)
