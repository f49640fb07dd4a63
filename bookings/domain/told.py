"""The stay as callers were told about it, read from the answers that a booking keeps.

A booking contains each of its successful answers, to the byte. So it knows what a caller saw under
a key, and every price that was ever frozen for a night. Nothing else has to be stored, and bookings
of earlier releases know it, too.
"""

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date

from bookings.domain.booking import STAY_CHANGED, BookedRoom, Booking, Price

# The categories of a booking's rooms, sorted, each as often as the booking has such rooms.
Kinds = tuple[str, ...]

# The price of a night for all rooms of a booking together, by the night and their kinds.
Frozen = Mapping[tuple[date, Kinds], int]


@dataclass(frozen=True)
class Told:
    """The stay as one answer showed it."""

    check_in: date
    check_out: date
    rooms: tuple[BookedRoom, ...]
    price: Price

    @property
    def kinds(self) -> Kinds:
        """The categories of the stay's rooms."""
        return kinds_of(booked.category for booked in self.rooms)


def told_now(booking: Booking) -> Told:
    """The stay as an answer would show it now."""
    return Told(booking.check_in, booking.check_out, booking.rooms, booking.price)


def told_under(booking: Booking, digest: str) -> Told | None:
    """The stay in the answer that this key got when it made or adopted the booking.

    None if that answer is gone, because an earlier release retired the key.
    """
    key = booking.key_for(digest)
    body = key.body if key else booking.retired_answers.get(digest)
    return None if body is None else _read(body)


def told_when_changed(booking: Booking, actors: Iterable[str]) -> Told | None:
    """The stay in the answer to the last change of it that one of these callers asked for."""
    named = set(actors)
    for change in reversed(booking.history):
        if change.event in STAY_CHANGED and change.actor in named and change.body is not None:
            return _read(change.body)
    return None


def told_when_made(booking: Booking) -> list[Told]:
    """The stay in the answer that each of the booking's keys got."""
    return [_read(body) for body in _answers_when_made(booking)]


def frozen_amounts(booking: Booking) -> Frozen:
    """The price of each night for this booking, in each kind of rooms that it ever had.

    If the booking has the night now, its present price counts, since an earlier release may have
    moved it without a look at the answers. Otherwise the first answer with the night counts, so a
    night that comes back costs what it did. Owners give up the price of nights that they leave, so
    if they came back to a night, its latest price counts.
    """
    changed = [change.body for change in booking.history if change.event in STAY_CHANGED]
    answers = [
        *reversed(changed),
        *_answers_when_made(booking),
        *(change.body for change in booking.history),
    ]
    told = [told_now(booking), *(_read(body) for body in answers if body is not None)]
    amounts: dict[tuple[date, Kinds], int] = {}
    for stay in told:
        if stay.price.currency == booking.price.currency:
            kinds = stay.kinds
            for night, amount in stay.price.nights:
                amounts.setdefault((night, kinds), amount)
    return amounts


def kinds_of(categories: Iterable[str]) -> Kinds:
    """The categories of some rooms as Kinds."""
    return tuple(sorted(categories))


def _answers_when_made(booking: Booking) -> list[bytes]:
    return [*(key.body for key in booking.keys), *booking.retired_answers.values()]


def _read(body: bytes) -> Told:
    booking = json.loads(body)["booking"]
    price = booking["price"]
    return Told(
        check_in=date.fromisoformat(booking["checkIn"]),
        check_out=date.fromisoformat(booking["checkOut"]),
        rooms=tuple(
            BookedRoom(room["resourceId"], room["categoryId"], room["guests"])
            for room in booking["rooms"]
        ),
        price=Price(
            price["currency"],
            tuple(
                (date.fromisoformat(night["date"]), night["amount"]) for night in price["nights"]
            ),
        ),
    )
