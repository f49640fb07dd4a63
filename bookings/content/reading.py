"""The content of hotels and categories as pages read it: as facts, kept for up to two seconds."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from bookings.content.addresses import write_address
from bookings.content.occupants import who_may_stay
from bookings.content.wording import Texts
from bookings.infrastructure.connections import collection
from bookings.infrastructure.recent_reads import RecentReads


@dataclass(frozen=True)
class AboutHotel:
    """What guests read about a hotel; everything is empty that the owner did not fill in.

    Texts are Markdown by language (`wording.word` chooses one), amenities are codes
    (`amenities.py`), `country` is a code of ISO 3166, `phone` is in its international spelling.
    """

    hotel: str
    description: Texts = field(default_factory=dict)
    amenities: tuple[str, ...] = ()
    street: str = ""
    postal_code: str = ""
    city: str = ""
    country: str = ""
    map_url: str = ""
    directions: Texts = field(default_factory=dict)
    phone: str = ""
    email: str = ""
    house_rules: Texts = field(default_factory=dict)
    arrival: Texts = field(default_factory=dict)
    terms: Texts = field(default_factory=dict)
    privacy: Texts = field(default_factory=dict)
    imprint: Texts = field(default_factory=dict)

    @property
    def address(self) -> str:
        """Street and place on one line; empty if the owner wrote neither."""
        return write_address(self.street, self.postal_code, self.city, self.country)


@dataclass(frozen=True)
class AboutCategory:
    """What guests read about the rooms of a category; everything may be empty.

    `beds` are numbers by the code of a kind, `amenities` are codes. `occupancy` is the category's.
    """

    category: str
    occupancy: int
    description: Texts = field(default_factory=dict)
    size_m2: int | None = None
    beds: Mapping[str, int] = field(default_factory=dict)
    amenities: tuple[str, ...] = ()
    adults: int | None = None
    children: int | None = None

    @property
    def who(self) -> str:
        """Who may stay, as a sentence in the active language; empty if nothing limits it."""
        return who_may_stay(self.occupancy, adults=self.adults, children=self.children)


def find_hotel_content(hotel_id: str) -> AboutHotel | None:
    """What the hotel's owner wrote; None if there is no such hotel. Takes one round trip."""
    found = collection("hotels").aggregate(
        [
            {"$match": {"_id": hotel_id}},
            {"$project": {"_id": 1}},
            _join("hotel_contents"),
        ]
    )
    return next((_about_hotel(hotel) for hotel in found), None)


def list_category_contents(hotel_id: str) -> dict[str, AboutCategory]:
    """What the owner wrote about each category of the hotel, by the category's id.

    Takes one round trip.
    """
    found = collection("room_categories").aggregate(
        [
            {"$match": {"hotel_id": hotel_id}},
            {"$project": {"occupancy": 1}},
            _join("category_contents"),
        ]
    )
    return {category["_id"]: _about_category(category) for category in found}


def recent_hotel_content(hotel_id: str) -> AboutHotel | None:
    """As `find_hotel_content`, but what it says may be two seconds old
    (bookings/infrastructure/recent_reads.py)."""
    return _hotels.get(hotel_id)


def recent_category_contents(hotel_id: str) -> dict[str, AboutCategory]:
    """As `list_category_contents`, but what it says may be two seconds old. Do not change it."""
    return _categories.get(hotel_id) or {}


def _join(name: str) -> dict[str, Any]:
    return {"$lookup": {"from": name, "localField": "_id", "foreignField": "_id", "as": "content"}}


def _about_hotel(document: dict[str, Any]) -> AboutHotel:
    content = _only(document)
    return AboutHotel(
        hotel=document["_id"],
        description=content.get("description", {}),
        amenities=tuple(content.get("amenities", ())),
        street=content.get("street", ""),
        postal_code=content.get("postal_code", ""),
        city=content.get("city", ""),
        country=content.get("country", ""),
        map_url=content.get("map_url", ""),
        directions=content.get("directions", {}),
        phone=content.get("phone", ""),
        email=content.get("email", ""),
        house_rules=content.get("house_rules", {}),
        arrival=content.get("arrival", {}),
        terms=content.get("terms", {}),
        privacy=content.get("privacy", {}),
        imprint=content.get("imprint", {}),
    )


def _about_category(document: dict[str, Any]) -> AboutCategory:
    content = _only(document)
    return AboutCategory(
        category=document["_id"],
        occupancy=document["occupancy"],
        description=content.get("description", {}),
        size_m2=content.get("size_m2"),
        beds=content.get("beds", {}),
        amenities=tuple(content.get("amenities", ())),
        adults=content.get("adults"),
        children=content.get("children"),
    )


def _only(document: dict[str, Any]) -> dict[str, Any]:
    """The joined content; empty if there is none."""
    return document["content"][0] if document["content"] else {}


# A hotel's texts may take 200 kB, and its categories' some kB each.
_hotels: RecentReads[str, AboutHotel] = RecentReads("content", find_hotel_content, most=50)
_categories: RecentReads[str, dict[str, AboutCategory]] = RecentReads(
    "content", lambda hotel_id: list_category_contents(hotel_id) or None, most=50
)
