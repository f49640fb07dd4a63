"""What was told of a booking, read in the answers that it keeps.

Every success is in its booking to the byte. So what a caller saw under a key, and each price that
was ever frozen for a night, stands there already: nothing else has to be remembered, and bookings
of earlier releases know it as well.
"""

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date

from bookings.domain.booking import BookedRoom, Booking, Price

# The kinds of a booking's rooms, each as often as it has such rooms, in the order of their names.
Kinds = tuple[str, ...]

# What a night costs all the rooms of a booking together, by the night and their kinds.
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
        return kinds_of(booked.category for booked in self.rooms)


def told_now(booking: Booking) -> Told:
    """The stay as an answer would show it now."""
    return Told(booking.check_in, booking.check_out, booking.rooms, booking.price)


def told_under(booking: Booking, digest: str) -> Told | None:
    """The stay as this key was shown it when it made or adopted the booking; None where that is
    not kept, since an earlier release retired the key."""
    key = booking.key_for(digest)
    body = key.body if key else booking.retired_answers.get(digest)
    return None if body is None else _read(body)


def told_when_made(booking: Booking) -> list[Told]:
    """The stay as each of its keys was shown it."""
    return [_read(body) for body in _answers_when_made(booking)]


def frozen_amounts(booking: Booking) -> Frozen:
    """What each night costs this booking in each kind of rooms that it was ever in.

    The first answer counts: a night that comes back costs what it cost. What it costs now goes
    before that, since an earlier release may have moved it, which looked at no answers.
    """
    answers = [*_answers_when_made(booking), *(change.body for change in booking.history)]
    told = [told_now(booking), *(_read(body) for body in answers if body is not None)]
    amounts: dict[tuple[date, Kinds], int] = {}
    for stay in told:
        if stay.price.currency == booking.price.currency:
            kinds = stay.kinds
            for night, amount in stay.price.nights:
                amounts.setdefault((night, kinds), amount)
    return amounts


def kinds_of(categories: Iterable[str]) -> Kinds:
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
