"""Occupancy and revenue of a hotel by night, as they are now.

What is sold is counted by slots, as the index keeps them, and revenue is the frozen price of
each night. docs/manager.md defines every figure.
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

# In place of a category, for what bookings earn that have rooms of several.
SEVERAL = ""


@dataclass(frozen=True)
class RoomCount:
    """Rooms on a night, or the sum over several; `revenue` is in minor units.

    `priced` rooms are those that the revenue is of: all that are sold, but of one category only
    those in bookings that have no other.
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
        """What could be sold: a blocked room could not."""
        return self.rooms - self.blocked

    @property
    def occupancy(self) -> Decimal | None:
        """In percent of what is for sale; None where nothing is."""
        return 100 * Decimal(self.sold) / self.for_sale if self.for_sale > 0 else None

    @property
    def adr(self) -> Decimal | None:
        """Average daily rate: minor units for each room sold; None where none is."""
        return Decimal(self.revenue) / self.priced if self.priced else None

    @property
    def revpar(self) -> Decimal | None:
        """Revenue per available room, in minor units; None where none is for sale."""
        return Decimal(self.revenue) / self.for_sale if self.for_sale > 0 else None


@dataclass(frozen=True)
class HotelFigures:
    """A hotel's nights from `first` to `last`; `cells` are by day and category.

    `other_currencies` is what was earned in another than the hotel's present one, in minor
    units; it is in no other figure.
    """

    hotel: HotelFacts
    first: date
    last: date
    categories: tuple[CategoryFacts, ...]
    cells: dict[tuple[date, str], RoomCount]
    other_currencies: dict[str, int] = field(default_factory=dict)

    def days(self) -> Iterator[date]:
        return nights_between(self.first, self.last + timedelta(days=1))

    def of_day(self, day: date) -> RoomCount:
        return sum((self.cell(day, name) for name in self._names()), RoomCount())

    def of_category(self, category: str) -> RoomCount:
        return sum((self.cell(day, category) for day in self.days()), RoomCount())

    def cell(self, day: date, category: str) -> RoomCount:
        return self.cells.get((day, category), RoomCount())

    @property
    def total(self) -> RoomCount:
        return sum(self.cells.values(), RoomCount())

    def _names(self) -> list[str]:
        return [*(category.id for category in self.categories), SEVERAL]


def read_figures(hotel_id: str, first: date, last: date) -> HotelFigures:
    """The figures of the nights from `first` to `last`, both included.

    Raises ValidationFailed with a sentence for each fault.
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
            # A room that was taken out of sale is for sale on the nights that it is sold.
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
    """How many rooms of each category are for sale, and the ids of those that are not."""
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
    """Rooms and amounts by night, category, state and currency, read at one moment."""
    low, high = first.isoformat(), (last + timedelta(days=1)).isoformat()
    slots = {"$gte": f"{low}|", "$lt": f"{high}|"}
    # Nights that a no-show gave back are sold by who has them now.
    kept = {"$min": [high, {"$ifNull": ["$released_from", high]}]}
    pipeline: list[dict[str, Any]] = [
        {
            "$match": {
                "hotel": hotel_id,
                # One range of the index, for which the status must stand here, too.
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
        # What a hold would cost is no revenue yet.
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
    # At one moment: a booking that is being moved is never counted in both its places.
    with database().client.start_session(snapshot=True) as session:
        return list(collection("bookings").aggregate(pipeline, session=session))


def _each(items: str, condition: dict[str, Any], entry: dict[str, Any]) -> dict[str, Any]:
    chosen = {"$filter": {"input": items, "as": "each", "cond": condition}}
    return {"$map": {"input": chosen, "as": "each", "in": entry}}


def _within(value: str, low: str, high: Any) -> dict[str, Any]:
    return {"$and": [{"$gte": [value, low]}, {"$lt": [value, high]}]}


def _entry_of_slot(unsold: list[str]) -> dict[str, Any]:
    """A room on a night, of the category that it was booked as."""
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


# What a night of a booking costs; all its rooms of it in one sum.
_ENTRY_OF_NIGHT: dict[str, Any] = {
    "night": "$$each.date",
    "category": "$category",
    "amount": "$$each.amount",
    "priced": {"$size": "$rooms"},
}
