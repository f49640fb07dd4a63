"""The booking: its types, its document in MongoDB, and its names.

One document holds a whole booking: slots, keys with their answers, price, history. So one insert
checks at once for a rival on a slot and for a twin of the key.
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

# A block takes a room out of service. The index that guards a stay's nights guards its nights, too.
STAY, BLOCK = "stay", "block"

# The desk's mark about the guest. A document without the field has no mark.
EXPECTED, CHECKED_IN, CHECKED_OUT, NO_SHOW = "expected", "checked_in", "checked_out", "no_show"
PRESENCES = (EXPECTED, CHECKED_IN, CHECKED_OUT, NO_SHOW)

# The statuses that keep the slots. Every query on slots repeats this condition, or MongoDB cannot
# use the partial index.
ACTIVE = (PENDING, CONFIRMED)

# A dead hold: its end has passed by MongoDB's clock. The condition asks for a date, since in an
# expression a missing field is less than any date.
DEAD: dict[str, Any] = {
    "status": PENDING,
    "expires_at": {"$type": "date"},
    "$expr": {"$lte": ["$expires_at", "$$NOW"]},
}

# The same as an expression, for documents that another condition found. Answers that follow from it
# are kept for a day, so MongoDB's clock decides and not a process's idea of the time.
IS_DEAD: dict[str, Any] = {
    "$and": [
        {"$eq": ["$status", PENDING]},
        {"$eq": [{"$type": "$expires_at"}, "date"]},
        {"$lte": ["$expires_at", "$$NOW"]},
    ]
}

# How long after its end a hold may still be confirmed, while its slots are free: a guest who is
# typing a card number at that moment should not have to start again.
LATE_CONFIRM = timedelta(minutes=10)

MAX_HISTORY = 200

# The lines of the history with which an owner gave the stay other dates or rooms, or asked for
# those that it had.
CHANGED, CHANGED_AGAIN = "changed", "changed_again"
STAY_CHANGED = (CHANGED, CHANGED_AGAIN)

# The line with which guests corrected their details, and those with which staff did: without a mail
# to the guest, and with one.
CORRECTED = "corrected"
EDITED, EDITED_AND_TOLD = "edited", "edited_told"

# The corrections that guests are told.
CORRECTIONS_TOLD = (CORRECTED, EDITED_AND_TOLD)

# The line of an erasure at the guest's request.
ERASED = "erased"

# No 0/O or 1/I: references are read out on the telephone.
REFERENCE_LETTERS = "23456789ABCDEFGHJKLMNPQRSTUVWXYZ"


@dataclass(frozen=True)
class Price:
    """The price of each night of a stay, in minor units of `currency`. A booking freezes it."""

    currency: str
    nights: tuple[tuple[date, int], ...]

    @property
    def total(self) -> int:
        """The price of the whole stay, in minor units."""
        return sum(amount for _, amount in self.nights)

    def spread(self, total: int) -> "Price":
        """The same nights for this total, each with its share of it.

        The shares are rounded down, and what is left goes one by one to the nights that lost most
        (the method of the largest remainder). If the nights were free, they share alike.
        """
        weights = [amount for _, amount in self.nights]
        whole = sum(weights)
        if not whole:
            weights, whole = [1] * len(weights), len(weights)
        shares = [divmod(total * weight, whole) for weight in weights]
        left = total - sum(share for share, _ in shares)
        by_loss = sorted(range(len(shares)), key=lambda n: (-shares[n][1], n))
        rounded_up = set(by_loss[:left])
        return Price(
            self.currency,
            tuple(
                (night, share + (n in rounded_up))
                for n, ((night, _), (share, _)) in enumerate(zip(self.nights, shares, strict=True))
            ),
        )


@dataclass(frozen=True)
class BookedRoom:
    """One room of a booking: its id, the category by which it was priced, its number of guests."""

    room: str
    category: str
    guests: int


@dataclass(frozen=True)
class Key:
    """An idempotency key of the booking, with its answer. It made the booking or was adopted.

    `made_by` is `client` or `server`. Only a server-made key has `until`, after which it no longer
    replays. `body` is the exact bytes of the answer.
    """

    digest: str
    made_by: str
    until: datetime | None
    fingerprint: str
    status: int
    body: bytes


@dataclass(frozen=True)
class Change:
    """One line of the history. `status` and `body` are the answer that acknowledged the change.

    `key` is the digest of the change's idempotency key. `reason` is the reason that staff gave.
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
    """One state of a booking: its version, and the number of lines in its history.

    A compare-and-set compares both, since a release before versions moves only the lines.
    """

    version: int
    lines: int


@dataclass(frozen=True)
class Notice:
    """A piece of news in the booking's outbox, for its guest or partner, due at `due_at`.

    bookings/stays/notices.py makes it. `version` is the booking's version after the change.
    `ends_at` is the end of the hold, for the event `expiring` only.
    """

    id: str
    event: str
    at: datetime
    due_at: datetime
    version: int
    ends_at: datetime | None = None


@dataclass(frozen=True)
class FormerAddress:
    """An e-mail address that a correction replaced, until the notice of it is passed on.

    It is no field of the notice, since an earlier release could not read the booking then.
    """

    notice: str
    email: str


@dataclass(frozen=True)
class Draft:
    """A requested booking: everything that follows from the request alone.

    The offer adds hotel, price and rooms, and only all of them together make a Booking. `digest`
    is that of the request's key. `was_guest` is the guest that the owner was before the login, ""
    if none.
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
    """A booking as read from the collection `bookings`, or as it will be written there.

    `category` is the category of all its rooms, or None if they differ. `version` grows with every
    change of any field; the history has the changes that people look for.
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
    # Digests of server-made keys that no longer mean this booking.
    retired_keys: tuple[str, ...] = ()
    # The last answer to each of them, by digest.
    retired_answers: Mapping[str, bytes] = field(default_factory=dict)
    presence: str = EXPECTED
    # News that was not passed on yet.
    outbox: tuple[Notice, ...] = ()
    former_addresses: tuple[FormerAddress, ...] = ()
    # The language of the guest's mails.
    language: str = "en"
    version: int = 1
    # The hotel's country (ISO 3166), used to parse the guest's phone number.
    country: str = ""
    # The first night that a no-show gave back for sale.
    released_from: date | None = None
    # The fingerprints of the payloads that asked for changes, by the digests of their keys. They
    # are no fields of the lines, since an earlier release could not read the booking then.
    change_fingerprints: Mapping[str, str] = field(default_factory=dict)

    @property
    def seen(self) -> Seen:
        """The state of the booking as it was read, for a compare-and-set."""
        return Seen(self.version, len(self.history))

    @property
    def was_booked(self) -> bool:
        """Whether it is or was more than a hold. A booking without a hold never had an end."""
        return (
            self.status == CONFIRMED
            or self.expires_at is None
            or any(change.event == "confirmed" for change in self.history)
        )

    @property
    def is_erased(self) -> bool:
        """Whether the guest's details were erased, and none were given since.

        Only the notes and the guest hold details. A guest may confirm an erased hold with new ones.
        """
        return self.erasures > 0 and self.guest == Guest() and not self.notes

    @property
    def erasures(self) -> int:
        """How often the guest's details were erased."""
        return sum(change.event == ERASED for change in self.history)

    @property
    def agreed_because(self) -> str:
        """Why staff sold it at another price than the calendar's; "" if they did not."""
        return next((line.reason or "" for line in self.history if line.event == "created"), "")

    @property
    def was_cancelled_by_staff(self) -> bool:
        """Whether staff cancelled it: only they give a reason."""
        return any(
            change.event == "cancelled" and change.reason is not None for change in self.history
        )

    @property
    def slots(self) -> list[str]:
        """The slots that the booking keeps: each room on each night, as in the unique index."""
        return slots_of(self.rooms, self.check_in, self.released_from or self.check_out)

    @property
    def room_ids(self) -> tuple[str, ...]:
        """The ids of the rooms, in the order of the booking."""
        return tuple(booked.room for booked in self.rooms)

    def status_at(self, now: datetime) -> str:
        """The status at `now`: a hold past its end counts as expired, even before a sweep."""
        if self.status == PENDING and self.expires_at is not None and self.expires_at <= now:
            return EXPIRED
        return self.status

    def key_for(self, digest: str) -> Key | None:
        """The key with this digest, if the booking has it."""
        return next((key for key in self.keys if key.digest == digest), None)

    def was_made_under(self, digest: str) -> bool:
        """Whether this key made the booking or was adopted by it, even if it has retired since."""
        return self.key_for(digest) is not None or digest in self.retired_keys

    def change_for(self, digest: str) -> Change | None:
        """The change that was made under this key, if there is one."""
        return next((change for change in self.history if change.key == digest), None)

    def is_same_stay(self, other: "Booking") -> bool:
        """Whether both have the same owner, person, rooms and nights. The caller may differ."""
        return (
            (self.owner, self.user_id) == (other.owner, other.user_id)
            and self.hotel == other.hotel
            and self.slots == other.slots
        )


def common_category(rooms: tuple[BookedRoom, ...]) -> str | None:
    """The category of all the rooms, or None if they differ."""
    categories = {booked.category for booked in rooms}
    return categories.pop() if len(categories) == 1 else None


def slots_of(rooms: Iterable[BookedRoom], first: date, end: date) -> list[str]:
    """The slots of these rooms on each night in [first, end), sorted, without repetition."""
    return sorted(
        {slot_of(night, booked.room) for night in nights_between(first, end) for booked in rooms}
    )


def slot_of(night: date, room: str) -> str:
    """`2027-02-15|room_A`: the night comes first, so that a stay is one range of the index."""
    return f"{night.isoformat()}|{room}"


def nights_between(check_in: date, check_out: date) -> Iterator[date]:
    """The nights of a stay: from check-in to the day before check-out."""
    return (check_in + timedelta(days=n) for n in range((check_out - check_in).days))


def new_id(now: datetime) -> ObjectId:
    """An id that sorts by the time of creation, to the second, by MongoDB's clock."""
    return ObjectId(int(now.timestamp()).to_bytes(4, "big") + ObjectId().binary[4:])


def new_reference(hotel_code: str) -> str:
    """`DEMO-7K3M9Q2X`: 32^8 possibilities for each hotel, and a unique index."""
    return f"{hotel_code}-" + "".join(secrets.choice(REFERENCE_LETTERS) for _ in range(8))


# The version as an expression for MongoDB. An earlier release wrote bookings without this field. It
# may still run beside this one; then it adds lines to the history and leaves the version as it is.
LINES: dict[str, Any] = {"$cond": [{"$isArray": "$history"}, {"$size": "$history"}, 0]}
VERSION: dict[str, Any] = {"$max": [{"$cond": [{"$isNumber": "$version"}, "$version", 0]}, LINES]}


def to_document(booking: Booking) -> dict[str, Any]:
    """The document for MongoDB. Dates are text, because a hotel's calendar day is not a moment.

    A new booking has no mark of the desk and no change. So `presence` is written with the first
    mark, `released_from` with a no-show, and `change_fingerprints` with a change.
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
        # Without terms the field is left out, since the index would list an empty array.
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
    """The guest's details and their search terms, which are always written together."""
    return {
        "guest": vars(booking.guest),
        "search_terms": terms_of(booking.guest, country=booking.country),
    }


def stay_document(booking: Booking) -> dict[str, Any]:
    """The fields that a move changes: where, when and at what price."""
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
    """The key as an element of the array `keys`."""
    return vars(key).copy()


def change_document(change: Change) -> dict[str, Any]:
    """The change as an element of the array `history`, without the fields that are None."""
    return {name: value for name, value in vars(change).items() if value is not None}


def notice_document(notice: Notice) -> dict[str, Any]:
    """The notice as an element of the array `outbox`, without the fields that are None."""
    return {name: value for name, value in vars(notice).items() if value is not None}


def from_document(document: dict[str, Any]) -> Booking:
    """The booking in a document. Its times must be aware."""
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
        former_addresses=tuple(
            FormerAddress(**former) for former in document.get("former_addresses", ())
        ),
        language=document.get("language", "en"),
        version=max(document.get("version", 0), len(document["history"])),
        country=document.get("country", ""),
        released_from=date.fromisoformat(released_from) if released_from else None,
        change_fingerprints=document.get("change_fingerprints", {}),
    )
