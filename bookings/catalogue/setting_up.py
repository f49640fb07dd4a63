"""Setting up a hotel: adds it closed, adds categories and rooms in bulk, and opens it.

What is sent twice, by a double click or the browser's back button, is added once: names decide.
"""

import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from django.db import IntegrityError
from pymongo.client_session import ClientSession
from pymongo.errors import BulkWriteError

from bookings.catalogue import inventory
from bookings.catalogue.ids import make_category_ids, make_hotel_id, make_room_ids
from bookings.catalogue.inventory import CategoryFacts, RoomFacts
from bookings.catalogue.nights import DUPLICATE_KEY
from bookings.infrastructure import clock
from bookings.infrastructure.connections import collection
from bookings.infrastructure.mongodb.transactions import in_transaction
from bookings.infrastructure.recent_reads import announce_change
from bookings.infrastructure.texts import BadText, read_line, to_id
from bookings.models import Hotel, HotelContent, RoomCategory

# How many rooms one text may name.
MAX_ROOMS_AT_ONCE = 500
MAX_ROOM_NAME = 200

# `101-110`, `A1-A9`, `A1-9`, `Room 1 - Room 4`; dashes of any length.
_RANGE = re.compile(
    r"(?P<before>[^0-9]*)(?P<first>[0-9]{1,9})\s*[-\u2013\u2014]\s*(?P=before)?(?P<last>[0-9]{1,9})",
    re.IGNORECASE,
)

# How often an id or a code is made again if someone else takes it at the same moment.
_ATTEMPTS = 5


class SetUpAlready(Exception):
    """A hotel of this name is being set up already: `hotel` is its id."""

    def __init__(self, hotel: str) -> None:
        self.hotel = hotel
        super().__init__("A hotel of this name is being set up already.")


class ChangedMeanwhile(Exception):
    """Someone else has changed this since it was read; nothing was written."""


class NotThere(Exception):
    """The hotel or category was deleted meanwhile; nothing was written."""


class NothingToSell(Exception):
    """The hotel has no room for sale, so it cannot open."""


@dataclass(frozen=True)
class AddedRooms:
    """What became of the names for one category: those that were added, and those it had before."""

    added: tuple[str, ...] = ()
    known: tuple[str, ...] = ()


# --- The hotel ----------------------------------------------------------------------------------


def add_hotel(*, name: str, hotel_id: str = "", **fields: Any) -> str:
    """Adds a hotel that is not open yet, and returns its id, which is made from the name if empty.

    `fields` are fields of the model. Raises SetUpAlready if a hotel of this name is not open yet.
    An id that another hotel has is an IntegrityError.
    """
    for attempt in range(1, _ATTEMPTS + 1):
        # In this order: who comes second finds either the hotel or its id.
        made_id = hotel_id or make_hotel_id(name)
        if known := _find_closed(name):
            raise SetUpAlready(known)
        hotel = Hotel(
            id=made_id,
            code=_make_code(name),
            name=name,
            is_open=False,
            **fields,
        )
        try:
            hotel.save(force_insert=True)
        except IntegrityError:
            if attempt == _ATTEMPTS or (hotel_id and Hotel.objects.filter(pk=hotel_id).exists()):
                raise
        else:
            return hotel.pk
    raise AssertionError("the last attempt returns or raises")


def change_hotel(hotel_id: str, *, before: Mapping[str, Any], after: Mapping[str, Any]) -> None:
    """Changes fields of the hotel, and `email` of its content, from what they were read as.

    Raises ChangedMeanwhile if one of them is not what was read; then all stay as they are.
    """
    was, email = before["email"], after["email"]
    values = {name: value for name, value in after.items() if before[name] != value}
    values.pop("email", None)
    if email != was:
        _change_email(hotel_id, before=was, after=email)
    unchanged = {name: value for name, value in before.items() if name != "email"}
    if values and not Hotel.objects.filter(pk=hotel_id, **unchanged).update(**values):
        HotelContent.objects.filter(pk=hotel_id, email=email).update(email=was)
        raise ChangedMeanwhile


def _change_email(hotel_id: str, *, before: str, after: str) -> None:
    """Raises ChangedMeanwhile. A hotel without content has an empty address."""
    if HotelContent.objects.filter(pk=hotel_id, email=before).update(email=after):
        return
    if before:
        raise ChangedMeanwhile
    try:
        HotelContent(hotel_id=hotel_id, email=after).save(force_insert=True)
    except IntegrityError:
        raise ChangedMeanwhile from None
    # A deletion of the hotel deletes content after the hotel, so one of us sees the other.
    if not Hotel.objects.filter(pk=hotel_id).exists():
        HotelContent.objects.filter(pk=hotel_id).delete()
        raise ChangedMeanwhile


def open_hotel(hotel_id: str) -> None:
    """Lets guests and partners see and book the hotel. Raises NothingToSell, or NotThere."""
    if not can_sell(hotel_id):
        raise NothingToSell
    if not Hotel.objects.filter(pk=hotel_id).update(is_open=True):
        raise NotThere


def can_sell(hotel_id: str) -> bool:
    """Whether the hotel has a room for sale."""
    return any(room.is_sold for _, rooms in inventory.read_house(hotel_id) for room in rooms)


def _find_closed(name: str) -> str:
    """The id of a hotel of this name that is not open yet; empty if there is none."""
    found = collection("hotels").find_one({"name": name, "is_open": False}, {"_id": 1})
    return found["_id"] if found else ""


def _make_code(name: str) -> str:
    """A code for references, such as `SEASI`, that no hotel has at this moment."""
    letters = to_id(name).replace("-", "").upper()[:5]
    letters = letters if len(letters) >= 2 else f"{letters}HOTEL"[:5]
    taken = {hotel["code"] for hotel in collection("hotels").find({}, {"code": 1})}
    number = 1
    code = letters
    while code in taken:
        number += 1
        code = f"{letters}{number}"[-8:]
    return code


# --- Categories ---------------------------------------------------------------------------------


def add_category(hotel_id: str, *, name: str, occupancy: int, default_price: int) -> str:
    """Adds a category and returns its id; `default_price` is in minor units.

    Raises NotThere if the hotel was deleted meanwhile, and ChangedMeanwhile if it has a category of
    this name, in any case: someone else may have added it at the same moment.
    """
    # In this order: who comes second finds either the category or its id.
    (category_id,) = make_category_ids(hotel_id, [name])
    if name.casefold() in {each.name.casefold() for each in inventory.list_categories(hotel_id)}:
        raise ChangedMeanwhile
    category = RoomCategory(
        id=category_id,
        hotel_id=hotel_id,
        name=name,
        occupancy=occupancy,
        default_price=default_price,
    )
    try:
        category.save(force_insert=True)
    except IntegrityError:
        raise ChangedMeanwhile from None
    # A deletion of the hotel looks for categories after it has deleted, so one of us sees it.
    if not Hotel.objects.filter(pk=hotel_id).exists():
        category.delete()
        raise NotThere
    return category_id


def change_category(category: CategoryFacts, **after: Any) -> None:
    """Changes name, occupancy and price (minor units) of the category from what they were read as.
    Raises ChangedMeanwhile."""
    before = {name: getattr(category, name) for name in after}
    values = {name: value for name, value in after.items() if before[name] != value}
    this = RoomCategory.objects.filter(pk=category.id, **before)
    if values and not this.update(**values):
        raise ChangedMeanwhile


# --- Rooms --------------------------------------------------------------------------------------


def read_room_names(text: str) -> list[str]:
    """The names in `101-110, 201` or `A1-A9`, in their order, each once.

    Leading zeros stay: `001-010`. Raises ValueError with a sentence that says what to do.
    """
    names: dict[str, None] = {}
    for piece in re.split(r"[,;\n]", text):
        for name in _read_piece(" ".join(piece.split())):
            names[name] = None
        if len(names) > MAX_ROOMS_AT_ONCE:
            raise ValueError(_TOO_MANY)
    return list(names)


_TOO_MANY = f"Add at most {MAX_ROOMS_AT_ONCE} rooms at a time."


def _read_piece(piece: str) -> list[str]:
    found = _RANGE.fullmatch(piece)
    if found is None:
        if len(piece) > MAX_ROOM_NAME:
            raise ValueError(f"Use at most {MAX_ROOM_NAME} characters for the name of a room.")
        try:
            return [read_line(piece)] if piece else []
        except BadText as bad:
            raise ValueError(str(bad)) from None
    before, first, last = found["before"], int(found["first"]), int(found["last"])
    if last < first:
        raise ValueError(f"Write the smaller number first: {before}{last}-{before}{first}.")
    if last - first >= MAX_ROOMS_AT_ONCE:
        raise ValueError(_TOO_MANY)
    digits = len(found["first"])
    return [f"{before}{number:0{digits}}" for number in range(first, last + 1)]


def judge_room_names(
    names: Sequence[str], category_id: str, house: Collection[tuple[CategoryFacts, list[RoomFacts]]]
) -> str:
    """A sentence if rooms of other categories of the hotel have some of these names; else empty."""
    elsewhere = {
        room.name: category.name
        for category, rooms in house
        if category.id != category_id
        for room in rooms
    }
    taken = [f"{name} ({elsewhere[name]})" for name in names if name in elsewhere]
    if not taken:
        return ""
    shown = ", ".join(taken[:10]) + (" and others" if len(taken) > 10 else "")
    return f"These rooms are in another category already: {shown}. Leave them out."


def add_rooms(hotel_id: str, category_id: str, names: Sequence[str]) -> AddedRooms:
    """Adds rooms of these names to the category, all or none, and puts them on sale.

    Rooms that the category has already stay as they are. In a hotel that is not open they go on
    sale, too: a process that died may have left them off. Raises ChangedMeanwhile if someone else
    added one of the names at the same moment, and NotThere if the category was deleted.
    """
    known = {
        room.name: room
        for category, rooms in inventory.read_house(hotel_id)
        if category.id == category_id
        for room in rooms
    }
    new = [name for name in names if name not in known]
    ids = make_room_ids(hotel_id, new)
    now = clock.now()
    documents = [
        {
            "_id": room_id,
            "category_id": category_id,
            "hotel_id": hotel_id,
            "name": name,
            # On sale only once the category was found after the insert; see RoomAdmin.
            "is_sold": False,
            "off_sale_since": now,
        }
        for room_id, name in zip(ids, new, strict=True)
    ]

    def write(session: ClientSession) -> None:
        collection("rooms").insert_many(documents, session=session)

    if documents:
        try:
            in_transaction(write)
        except BulkWriteError as error:
            if {fault["code"] for fault in error.details["writeErrors"]} != {DUPLICATE_KEY}:
                raise
            raise ChangedMeanwhile from None
        finally:
            # Even after an error: the commit may have been made all the same.
            announce_change()
        these = {"_id": {"$in": ids}}
        if inventory.find_category(category_id) is None:
            collection("rooms").delete_many({**these, "is_sold": False})
            announce_change()
            raise NotThere
        _put_on_sale(ids)
    hotel = inventory.find_hotel(hotel_id)
    if hotel is not None and not hotel.is_open:
        there = (known[name] for name in names if name in known)
        _put_on_sale([room.id for room in there if not room.is_sold])
    return AddedRooms(tuple(new), tuple(name for name in names if name in known))


def _put_on_sale(room_ids: Sequence[str]) -> None:
    if room_ids:
        sold = {"$set": {"is_sold": True, "off_sale_since": None}}
        collection("rooms").update_many({"_id": {"$in": list(room_ids)}}, sold)
        announce_change()
