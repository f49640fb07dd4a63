"""The booking document: how it is made, read back, and named.

One document holds a whole booking: slots, keys with their answers, price, history. So one
insert checks for a rival on the night and a twin of the key in the same instant.
"""

import secrets
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from typing import Any

from bson import ObjectId

from bookings.domain.search_terms import terms_of
from bookings.domain.stay_request import Guest, StayRequest

PENDING, CONFIRMED, CANCELLED, EXPIRED = "pending", "confirmed", "cancelled", "expired"
STATUSES = (PENDING, CONFIRMED, CANCELLED, EXPIRED)

# A block takes a room out of service. It keeps its nights by the same index as a stay does.
STAY, BLOCK = "stay", "block"

# What the desk marked about the guest. A document without the field has no mark.
EXPECTED, CHECKED_IN, CHECKED_OUT, NO_SHOW = "expected", "checked_in", "checked_out", "no_show"
PRESENCES = (EXPECTED, CHECKED_IN, CHECKED_OUT, NO_SHOW)

# The states that keep others out. Every query on slots repeats this condition, or MongoDB
# cannot use the partial index.
ACTIVE = (PENDING, CONFIRMED)

# A hold that ran out, by MongoDB's own clock. It must have an end, since an expression takes
# what is missing for less than any date.
DEAD: dict[str, Any] = {
    "status": PENDING,
    "expires_at": {"$type": "date"},
    "$expr": {"$lte": ["$expires_at", "$$NOW"]},
}

# The same, to be computed of a document that was found by something else. What becomes of this is
# kept for a day, so no process's idea of the time is asked.
IS_DEAD: dict[str, Any] = {
    "$and": [
        {"$eq": ["$status", PENDING]},
        {"$eq": [{"$type": "$expires_at"}, "date"]},
        {"$lte": ["$expires_at", "$$NOW"]},
    ]
}

# A hold may be confirmed this long after its end, while its slots are free: somebody who was
# typing a card number when it ran out should not start again.
LATE_CONFIRM = timedelta(minutes=10)

MAX_HISTORY = 200

# No 0/O or 1/I: references are read out on the telephone.
REFERENCE_LETTERS = "23456789ABCDEFGHJKLMNPQRSTUVWXYZ"


@dataclass(frozen=True)
class Price:
    """What a stay costs, in minor units of `currency`, frozen when it was booked."""

    currency: str
    nights: tuple[tuple[date, int], ...]

    @property
    def total(self) -> int:
        return sum(amount for _, amount in self.nights)


@dataclass(frozen=True)
class BookedRoom:
    room: str
    category: str
    guests: int


@dataclass(frozen=True)
class Key:
    """An idempotency key that made or adopted the booking, with the bytes it was answered.

    `until` is set for server-made keys only: after that they no longer replay.
    """

    digest: str
    made_by: str
    until: datetime | None
    fingerprint: str
    status: int
    body: bytes


@dataclass(frozen=True)
class Change:
    """One line of the history; `status` and `body` are the answer it was acknowledged with.

    `reason` is what staff gave for it, in their words.
    """

    at: datetime
    event: str
    actor: str
    key: str | None = None
    status: int | None = None
    body: bytes | None = None
    reason: str | None = None


@dataclass(frozen=True)
class Seen:
    """What tells one state of a booking from the next: its version, and how many lines its history
    has. Both are compared, since a release before versions moves the lines alone."""

    version: int
    lines: int


@dataclass(frozen=True)
class Notice:
    """News of the booking for its guest or partner, from `due_at` on.

    Made by bookings/stays/notices.py.

    `version` is the booking's that the news came with, `ends_at` the end of the hold that is
    announced by `expiring`.
    """

    id: str
    event: str
    at: datetime
    due_at: datetime
    version: int
    ends_at: datetime | None = None


@dataclass(frozen=True)
class Draft:
    """A booking that is asked for, as far as the request alone says what it will be.

    Hotel, price and rooms come with the offer, and only with all of them is there a Booking.
    `digest` is that of the key it was asked for under, and `was_guest` the guest that the owner was
    before they logged in, "" for none.
    """

    id: ObjectId
    digest: str
    caller: str
    owner: str
    was_guest: str
    user_id: str
    request: StayRequest
    created_at: datetime
    language: str


@dataclass(frozen=True)
class Booking:
    """A booking as read from, or about to be written to, the `bookings` collection.

    `category` is that of all its rooms, None if they differ. `version` grows with every change,
    whichever field it changes; the history tells of the changes that people look for.
    """

    id: ObjectId
    reference: str
    caller: str
    owner: str
    user_id: str
    hotel: str
    category: str | None
    rooms: tuple[BookedRoom, ...]
    check_in: date
    check_out: date
    guests: int
    guest: Guest
    notes: str
    price: Price
    status: str
    expires_at: datetime | None
    created_at: datetime
    updated_at: datetime
    keys: tuple[Key, ...] = ()
    history: tuple[Change, ...] = ()
    kind: str = STAY
    # Digests of server-made keys that mean another booking by now.
    retired_keys: tuple[str, ...] = ()
    # And by digest what they were answered last.
    retired_answers: Mapping[str, bytes] = field(default_factory=dict)
    presence: str = EXPECTED
    # What was not passed on yet.
    outbox: tuple[Notice, ...] = ()
    # In which language the guest is written to.
    language: str = "en"
    version: int = 1
    # The hotel's, by which the guest's phone number is read (ISO 3166).
    country: str = ""
    # From this night on the rooms are somebody else's to have, though the stay was booked longer.
    released_from: date | None = None

    @property
    def seen(self) -> Seen:
        return Seen(self.version, len(self.history))

    @property
    def slots(self) -> list[str]:
        """Every room on every night that it keeps, as the unique index sees them."""
        return slots_of(self.rooms, self.check_in, self.released_from or self.check_out)

    @property
    def room_ids(self) -> tuple[str, ...]:
        return tuple(booked.room for booked in self.rooms)

    def status_at(self, now: datetime) -> str:
        """The status as it is at `now`: a hold past its end is expired, tidied or not."""
        if self.status == PENDING and self.expires_at is not None and self.expires_at <= now:
            return EXPIRED
        return self.status

    def key_for(self, digest: str) -> Key | None:
        """The key with this digest, if the booking has it."""
        return next((key for key in self.keys if key.digest == digest), None)

    def was_made_under(self, digest: str) -> bool:
        """Whether this key made or adopted the booking, be it long ago."""
        return self.key_for(digest) is not None or digest in self.retired_keys

    def change_for(self, digest: str) -> Change | None:
        """The change that was acknowledged under this digest, if there was one."""
        return next((change for change in self.history if change.key == digest), None)

    def is_same_stay(self, other: "Booking") -> bool:
        """Whether both are the same rooms and nights for one person, booked by anyone."""
        return (
            (self.owner, self.user_id) == (other.owner, other.user_id)
            and self.hotel == other.hotel
            and self.slots == other.slots
        )


def common_category(rooms: tuple[BookedRoom, ...]) -> str | None:
    """The category of all the rooms, or None if they have several."""
    categories = {booked.category for booked in rooms}
    return categories.pop() if len(categories) == 1 else None


def slots_of(rooms: Iterable[BookedRoom], first: date, end: date) -> list[str]:
    """Each of the rooms on each night in [first, end), once and in order."""
    return sorted(
        {slot_of(night, booked.room) for night in nights_between(first, end) for booked in rooms}
    )


def slot_of(night: date, room: str) -> str:
    """`2027-02-15|room_A`: the night first, so that a stay is one range of the index."""
    return f"{night.isoformat()}|{room}"


def nights_between(check_in: date, check_out: date) -> Iterator[date]:
    """The nights of a stay: from check-in up to, and without, check-out."""
    return (check_in + timedelta(days=n) for n in range((check_out - check_in).days))


def new_id(now: datetime) -> ObjectId:
    """An id that sorts by creation, on MongoDB's clock to the second."""
    return ObjectId(int(now.timestamp()).to_bytes(4, "big") + ObjectId().binary[4:])


def new_reference(hotel_code: str) -> str:
    """`DEMO-7K3M9Q2X`: 32^8 possibilities a hotel, and a unique index behind them."""
    return f"{hotel_code}-" + "".join(secrets.choice(REFERENCE_LETTERS) for _ in range(8))


# The version, for MongoDB to compute. What a release without this field has written has none, and
# that release, which may still run beside this one, adds to the history and leaves it as it is.
LINES: dict[str, Any] = {"$cond": [{"$isArray": "$history"}, {"$size": "$history"}, 0]}
VERSION: dict[str, Any] = {"$max": [{"$cond": [{"$isNumber": "$version"}, "$version", 0]}, LINES]}


def to_document(booking: Booking) -> dict[str, Any]:
    """The document for MongoDB. Dates are text: a hotel's calendar day is no moment.

    A booking that is made has no mark of the desk yet, so `presence` comes with the first one, and
    `released_from` with a no-show's.
    """
    return {
        "_id": booking.id,
        "reference": booking.reference,
        "kind": booking.kind,
        "caller": booking.caller,
        "owner": booking.owner,
        "user_id": booking.user_id,
        "keys": [key_document(key) for key in booking.keys],
        "hotel": booking.hotel,
        **stay_document(booking),
        "guests": booking.guests,
        # Without terms none of them, since an index lists an empty list too.
        **{name: value for name, value in guest_document(booking).items() if value},
        "notes": booking.notes,
        "status": booking.status,
        "expires_at": booking.expires_at,
        "created_at": booking.created_at,
        "updated_at": booking.updated_at,
        "history": [change_document(change) for change in booking.history],
        "outbox": [notice_document(notice) for notice in booking.outbox],
        "language": booking.language,
        "version": booking.version,
        "country": booking.country,
    }


def guest_document(booking: Booking) -> dict[str, Any]:
    """Who the guest is, and what that is found by: never written one without the other."""
    return {
        "guest": vars(booking.guest),
        "search_terms": terms_of(booking.guest, country=booking.country),
    }


def stay_document(booking: Booking) -> dict[str, Any]:
    """The fields that say where and when: all that changes when a booking is moved."""
    return {
        "category": booking.category,
        "rooms": [vars(booked) for booked in booking.rooms],
        "check_in": booking.check_in.isoformat(),
        "check_out": booking.check_out.isoformat(),
        "slots": booking.slots,
        "price": {
            "total": booking.price.total,
            "currency": booking.price.currency,
            "nights": [
                {"date": night.isoformat(), "amount": amount}
                for night, amount in booking.price.nights
            ],
        },
    }


def key_document(key: Key) -> dict[str, Any]:
    return vars(key).copy()


def change_document(change: Change) -> dict[str, Any]:
    return {name: value for name, value in vars(change).items() if value is not None}


def notice_document(notice: Notice) -> dict[str, Any]:
    return {name: value for name, value in vars(notice).items() if value is not None}


def from_document(document: dict[str, Any]) -> Booking:
    """The booking in a document read with aware times."""
    price = document["price"]
    released_from = document.get("released_from")
    return Booking(
        id=document["_id"],
        reference=document["reference"],
        caller=document["caller"],
        owner=document["owner"],
        user_id=document["user_id"],
        hotel=document["hotel"],
        category=document["category"],
        rooms=tuple(BookedRoom(**booked) for booked in document["rooms"]),
        check_in=date.fromisoformat(document["check_in"]),
        check_out=date.fromisoformat(document["check_out"]),
        guests=document["guests"],
        guest=Guest(**document["guest"]),
        notes=document["notes"],
        price=Price(
            price["currency"],
            tuple(
                (date.fromisoformat(night["date"]), night["amount"]) for night in price["nights"]
            ),
        ),
        status=document["status"],
        expires_at=document["expires_at"],
        created_at=document["created_at"],
        updated_at=document["updated_at"],
        keys=tuple(Key(**key) for key in document.get("keys", ())),
        kind=document["kind"],
        history=tuple(Change(**change) for change in document["history"]),
        retired_keys=tuple(document.get("retired_keys", ())),
        retired_answers=document.get("retired_answers", {}),
        presence=document.get("presence", EXPECTED),
        outbox=tuple(Notice(**notice) for notice in document.get("outbox", ())),
        language=document.get("language", "en"),
        version=max(document.get("version", 0), len(document["history"])),
        country=document.get("country", ""),
        released_from=date.fromisoformat(released_from) if released_from else None,
    )
