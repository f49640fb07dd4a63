"""A block that comes again every so many weeks: its dates, what is in the way, and making each one.

Each date has a block of its own, and a key of its own that is made from the form's key, the rooms
and the nights. So a form that is sent again, after a crash or a lost answer, makes the blocks that
are missing and no other. If it was changed meanwhile, it is answered for what it says now.
"""

import hashlib
import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date, timedelta

from bookings.availability import occupancy
from bookings.availability.occupancy import Occupant
from bookings.catalogue import inventory
from bookings.domain.booking import EXPIRED, nights_between
from bookings.domain.callers import Caller
from bookings.domain.stay_request import MAX_SLOTS
from bookings.front_desk.blocks import block_rooms
from bookings.infrastructure import clock
from bookings.infrastructure.deadlines import Deadline
from bookings.refusals import Fault, InvalidIdempotencyKey, TryAgain, ValidationFailed
from bookings.stays.outcomes import Outcome, read_key

# A year of weeks. One request makes them all, in about a second.
MAX_TIMES = 52

# The most nights, in all rooms together, for which one form says what is in the way: some tenths of
# a second.
MAX_LOOKED = 20_000
TOO_MANY = f"Choose fewer rooms, nights or weeks: at most {MAX_LOOKED:,} nights in all rooms."

Dates = tuple[date, date]


@dataclass(frozen=True)
class Repetition:
    """Every so many weeks, on these weekdays (0 is Monday), until a last first night."""

    every_weeks: int
    weekdays: frozenset[int]
    until: date


@dataclass(frozen=True)
class Made:
    """One of the dates, and what became of its block."""

    first: date
    end: date
    outcome: Outcome


def list_dates(first: date, end: date, repetition: Repetition) -> list[Dates]:
    """The first night and the end of each block, from the first on. Raises ValidationFailed."""
    judge_length(first, end)
    length = end - first
    if repetition.until < first:
        raise ValidationFailed([Fault("until", "This day is before the first night.")])
    weekdays = sorted(repetition.weekdays or {first.weekday()})
    week = first - timedelta(days=first.weekday())
    found: list[Dates] = []
    while week <= repetition.until:
        for weekday in weekdays:
            night = week + timedelta(days=weekday)
            if first <= night <= repetition.until:
                found.append((night, night + length))
        if len(found) > MAX_TIMES:
            text = f"A block comes again at most {MAX_TIMES} times; choose an earlier day."
            raise ValidationFailed([Fault("until", text)])
        week += timedelta(weeks=repetition.every_weeks)
    if not found:
        text = "No such weekday lies between the first night and this day."
        raise ValidationFailed([Fault("until", text)])
    if any(later[0] < earlier[1] for earlier, later in zip(found, found[1:], strict=False)):
        text = "The next block would begin before this one ends; choose fewer nights or weekdays."
        raise ValidationFailed([Fault("end", text)])
    return found


def judge_length(first: date, end: date) -> None:
    """Raises ValidationFailed unless a block of one room can have these nights."""
    if end <= first:
        raise ValidationFailed([Fault("end", "The end must be after the first night.")])
    if (end - first).days > MAX_SLOTS:
        text = f"A block can have at most {MAX_SLOTS} nights in all its rooms."
        raise ValidationFailed([Fault("end", text)])


def find_in_the_way(
    hotel: str, room_ids: Iterable[str], dates: Sequence[Dates]
) -> list[list[Occupant]]:
    """For each of the dates, who is in one of the rooms, by one read of bookings. Raises
    ValidationFailed for more than MAX_LOOKED nights in all rooms."""
    rooms = set(room_ids)
    if len(rooms) * sum((end - first).days for first, end in dates) > MAX_LOOKED:
        raise ValidationFailed([Fault("end", TOO_MANY)])
    nights = [night for first, end in dates for night in nights_between(first, end)]
    now = clock.now()
    found = [
        occupant
        for occupant in occupancy.list_in(hotel, rooms, nights)
        if occupant.status_at(now) != EXPIRED
    ]
    return [
        sorted(
            (who for who in found if who.check_in < end and first < who.keeps_until),
            key=lambda who: (who.check_in, who.reference),
        )
        for first, end in dates
    ]


def judge_days(hotel_id: str, dates: Sequence[Dates]) -> list[str]:
    """For each of the dates, why nothing can be blocked then; "" if it can."""
    hotel = inventory.find_hotel(hotel_id)
    if hotel is None:
        return ["" for _ in dates]
    return [
        " ".join(fault.message for fault in inventory.judge_dates(hotel, *each, at_desk=True))
        for each in dates
    ]


def block_repeatedly(
    *,
    actor: Caller,
    room_ids: tuple[str, ...],
    dates: Sequence[Dates],
    reason: str,
    key_header: str | None,
    deadline: Deadline,
) -> list[Made]:
    """For staff: makes a block for each of the dates on which all of the rooms are free.

    Each Outcome is 201 or the refusal of that block. Raises ValidationFailed for rooms or a reason
    that no date would make right, and what `block_rooms` raises: then some blocks may be made, and
    the same key makes the others. If the key comes again with other rooms or nights, the blocks
    that it has made are in the way like any other.
    """
    key = read_key(key_header)
    if key is None:
        raise InvalidIdempotencyKey("Send a new Idempotency-Key for each series of blocks.")
    made = []
    for first, end in dates:
        outcome = block_rooms(
            actor=actor,
            room_ids=room_ids,
            first=first,
            end=end,
            reason=reason,
            key_header=_key_of(key, room_ids, first, end),
            deadline=deadline,
        )
        if outcome.code == TryAgain.code:
            raise TryAgain
        faults = [
            Fault(fault["field"], fault["message"])
            for fault in outcome.content.get("errors", ())
            if fault["field"] in ("rooms", "reason")
        ]
        if faults:
            raise ValidationFailed(faults)
        made.append(Made(first, end, outcome))
    return made


def _key_of(key: str, room_ids: Iterable[str], first: date, end: date) -> str:
    told = json.dumps([sorted(set(room_ids)), end.isoformat()])
    return f"{key}:{first}:{hashlib.sha256(told.encode()).hexdigest()[:32]}"
