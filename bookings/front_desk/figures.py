"""Occupancy and revenue of a hotel by night, as they are now.

Rooms are counted by the slots that the index keeps, and revenue is the frozen price of each night.
docs/manager.md defines every figure.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import date, timedelta
from decimal import Decimal
from typing import Any

from bookings.catalogue import inventory
from bookings.catalogue.inventory import CategoryFacts, HotelFacts
from bookings.domain.booking import ACTIVE, BLOCK, CONFIRMED, PENDING, nights_between
from bookings.infrastructure import clock
from bookings.infrastructure.connections import collection, database
from bookings.refusals import Fault, ValidationFailed

MAX_NIGHTS = 366

# Stands in for the category of revenue from bookings with rooms of several categories.
SEVERAL = ""


@dataclass(frozen=True)
class RoomCount:
    """Counts of rooms on a night, or sums of them; `revenue` is in minor units.

    `priced` counts the rooms behind the revenue: all sold rooms, but for a single category only
    those in bookings without another category.
    """

    rooms: int = 0
    sold: int = 0
    held: int = 0
    blocked: int = 0
    revenue: int = 0
    priced: int = 0

    def __add__(self, other: "RoomCount") -> "RoomCount":
        return RoomCount(
            *(a + b for a, b in zip(vars(self).values(), vars(other).values(), strict=True))
        )

    @property
    def for_sale(self) -> int:
        """The rooms that could be sold: blocked rooms cannot."""
        return self.rooms - self.blocked

    @property
    def occupancy(self) -> Decimal | None:
        """Rooms sold in percent of rooms for sale; None if none are for sale."""
        return 100 * Decimal(self.sold) / self.for_sale if self.for_sale > 0 else None

    @property
    def adr(self) -> Decimal | None:
        """Average daily rate: minor units per room sold; None if none are sold."""
        return Decimal(self.revenue) / self.priced if self.priced else None

    @property
    def revpar(self) -> Decimal | None:
        """Revenue per available room, in minor units; None if none are for sale."""
        return Decimal(self.revenue) / self.for_sale if self.for_sale > 0 else None


@dataclass(frozen=True)
class HotelFigures:
    """A hotel's nights from `first` to `last`; `cells` are by day and category.

    `other_currencies` has revenue in currencies other than the hotel's present one, in minor units;
    no other figure includes it.
    """

    hotel: HotelFacts
    first: date
    last: date
    categories: tuple[CategoryFacts, ...]
    cells: dict[tuple[date, str], RoomCount]
    other_currencies: dict[str, int] = field(default_factory=dict)

    def days(self) -> Iterator[date]:
        """The nights from `first` to `last`."""
        return nights_between(self.first, self.last + timedelta(days=1))

    def of_day(self, day: date) -> RoomCount:
        """The sum over all categories on one night."""
        return sum((self.cell(day, name) for name in self._names()), RoomCount())

    def of_category(self, category: str) -> RoomCount:
        """The sum over all nights for a category's id, or for SEVERAL."""
        return sum((self.cell(day, category) for day in self.days()), RoomCount())

    def cell(self, day: date, category: str) -> RoomCount:
        """One night of one category, or of SEVERAL; zeros if there is nothing."""
        return self.cells.get((day, category), RoomCount())

    @property
    def total(self) -> RoomCount:
        """The sum over all nights and categories."""
        return sum(self.cells.values(), RoomCount())

    def _names(self) -> list[str]:
        return [*(category.id for category in self.categories), SEVERAL]


def read_figures(hotel_id: str, first: date, last: date) -> HotelFigures:
    """The figures for the nights from `first` to `last`, both included.

    Raises ValidationFailed for an unknown hotel and for a range that is empty or too long.
    """
    hotel = inventory.find_hotel(hotel_id)
    if hotel is None:
        raise ValidationFailed([Fault("hotel", "There is no such hotel.")])
    if last < first:
        raise ValidationFailed([Fault("last", "Choose a last night that is not before the first.")])
    if (last - first).days >= MAX_NIGHTS:
        raise ValidationFailed([Fault("last", f"Choose at most {MAX_NIGHTS} nights.")])
    categories = tuple(inventory.list_categories(hotel_id))
    rooms, unsold = _count_rooms([category.id for category in categories])
    cells = {
        (day, category.id): RoomCount(rooms=rooms.get(category.id, 0))
        for category in categories
        for day in nights_between(first, last + timedelta(days=1))
    }
    other_currencies: dict[str, int] = {}
    for group in _read_groups(hotel_id, first, last, unsold):
        place, amount = group["_id"], group["amount"]
        state, currency = place["state"], place["currency"]
        if currency != hotel.currency and state == "sold" and amount:
            other_currencies[currency] = other_currencies.get(currency, 0) + amount
            amount = 0
        key = (date.fromisoformat(place["night"]), place["category"] or SEVERAL)
        count = RoomCount(
            # A room that was taken off sale counts as for sale on nights when it is occupied.
            rooms=group["unsold"],
            sold=group["rooms"] if state == "sold" else 0,
            held=group["rooms"] if state == "held" else 0,
            blocked=group["rooms"] if state == "blocked" else 0,
            revenue=amount,
            priced=group["priced"] if currency == hotel.currency else 0,
        )
        cells[key] = cells.get(key, RoomCount()) + count
    return HotelFigures(hotel, first, last, categories, cells, other_currencies)


def _count_rooms(category_ids: list[str]) -> tuple[dict[str, int], list[str]]:
    """The number of rooms for sale by category, and the ids of the rooms that are not for sale."""
    counts: dict[str, int] = {}
    unsold = []
    found = collection("rooms").find(
        {"category_id": {"$in": category_ids}}, {"category_id": 1, "is_sold": 1}
    )
    for room in found:
        if room["is_sold"]:
            counts[room["category_id"]] = counts.get(room["category_id"], 0) + 1
        else:
            unsold.append(room["_id"])
    return counts, unsold


def _read_groups(hotel_id: str, first: date, last: date, unsold: list[str]) -> list[dict[str, Any]]:
    """Rooms and amounts by night, category, state and currency, all read at one moment."""
    low, high = first.isoformat(), (last + timedelta(days=1)).isoformat()
    slots = {"$gte": f"{low}|", "$lt": f"{high}|"}
    # Nights that a no-show gave back count for the booking that has them now.
    kept = {"$min": [high, {"$ifNull": ["$released_from", high]}]}
    pipeline: list[dict[str, Any]] = [
        {
            "$match": {
                "hotel": hotel_id,
                # One range of the index; MongoDB uses it only if the status is here too.
                "slots": {"$elemMatch": slots},
                "status": {"$in": list(ACTIVE)},
                "$or": [{"status": CONFIRMED}, {"expires_at": {"$gt": clock.now()}}],
            }
        },
        {
            "$project": {
                "category": 1,
                "currency": "$price.currency",
                "state": {
                    "$switch": {
                        "branches": [
                            {"case": {"$eq": ["$kind", BLOCK]}, "then": "blocked"},
                            {"case": {"$eq": ["$status", PENDING]}, "then": "held"},
                        ],
                        "default": "sold",
                    }
                },
                "entries": {
                    "$concatArrays": [
                        _each(
                            "$slots",
                            _within("$$each", f"{low}|", f"{high}|"),
                            _entry_of_slot(unsold),
                        ),
                        _each("$price.nights", _within("$$each.date", low, kept), _ENTRY_OF_NIGHT),
                    ]
                },
            }
        },
        {"$unwind": "$entries"},
        # The price of a hold is no revenue yet.
        {"$match": {"$or": [{"state": "sold"}, {"entries.rooms": 1}]}},
        {
            "$group": {
                "_id": {
                    "night": "$entries.night",
                    "category": "$entries.category",
                    "state": "$state",
                    "currency": "$currency",
                },
                **{
                    name: {"$sum": f"$entries.{name}"}
                    for name in ("rooms", "unsold", "amount", "priced")
                },
            }
        },
    ]
    # A snapshot: a booking that is being moved is never counted in both its places.
    with database().client.start_session(snapshot=True) as session:
        return list(collection("bookings").aggregate(pipeline, session=session))


def _each(items: str, condition: dict[str, Any], entry: dict[str, Any]) -> dict[str, Any]:
    chosen = {"$filter": {"input": items, "as": "each", "cond": condition}}
    return {"$map": {"input": chosen, "as": "each", "in": entry}}


def _within(value: str, low: str, high: Any) -> dict[str, Any]:
    return {"$and": [{"$gte": [value, low]}, {"$lt": [value, high]}]}


def _entry_of_slot(unsold: list[str]) -> dict[str, Any]:
    """A room on a night, under the category that it was booked as."""
    number = {"$indexOfArray": ["$rooms.room", "$$room"]}
    return {
        "$let": {
            "vars": {"room": {"$arrayElemAt": [{"$split": ["$$each", "|"]}, 1]}},
            "in": {
                "night": {"$arrayElemAt": [{"$split": ["$$each", "|"]}, 0]},
                "category": {"$arrayElemAt": ["$rooms.category", number]},
                "rooms": 1,
                "unsold": {"$cond": [{"$in": ["$$room", unsold]}, 1, 0]},
            },
        }
    }


# The price of a booking's night, which is one sum for all its rooms.
_ENTRY_OF_NIGHT: dict[str, Any] = {
    "night": "$$each.date",
    "category": "$category",
    "amount": "$$each.amount",
    "priced": {"$size": "$rooms"},
}
