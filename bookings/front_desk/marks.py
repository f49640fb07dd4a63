"""What the desk marks about a stay: the guest checked in, checked out, or never came.

A mark is a change of the booking like any other: under a key, by compare-and-set, with a line in
the history. Of a no-show the nights after the hotel's current one can be given back with it; status
and price stay. No other mark gives a night back: a stay that ends early is moved to shorter dates.
"""

import dataclasses
from collections.abc import Iterable
from datetime import date, timedelta

from bookings.catalogue import inventory
from bookings.domain.booking import (
    CHECKED_IN,
    CHECKED_OUT,
    CONFIRMED,
    EXPECTED,
    NO_SHOW,
    STAY,
    Booking,
    Change,
)
from bookings.domain.callers import Caller
from bookings.infrastructure import clock
from bookings.infrastructure.clock import Deadline
from bookings.refusals import (
    AlreadyBooked,
    Fault,
    InvalidIdempotencyKey,
    NotFound,
    ValidationFailed,
)
from bookings.stays import answers, lookups
from bookings.stays.keyed_change import claim_change
from bookings.stays.outcomes import Outcome, read_key

# Takes back the newest mark that stands. In the history each mark is an event of its own name.
UNDO = "undo"
UNDONE = "mark_undone"
MARKS = (CHECKED_IN, CHECKED_OUT, NO_SHOW)

_SAID = {
    CHECKED_IN: "The guest is checked in.",
    CHECKED_OUT: "The guest is checked out.",
    NO_SHOW: "The guest is marked as a no-show.",
}

CHANGED_SINCE = "The mark was changed since this page was opened, and nothing is undone. Now: {}"


def mark_stay(
    *,
    actor: Caller,
    booking_id: str,
    mark: str,
    key_header: str | None,
    deadline: Deadline,
    seen: str = "",
    release: bool = False,
) -> Outcome:
    """For staff: sets one of MARKS, or takes the newest back with UNDO, if that is the one that
    was `seen`; once for each key.

    With `release` a no-show gives back the nights that `first_to_release` says. Undoing it takes
    them again; if somebody else has one by then, it is refused with who that is.

    Raises NotFound, InvalidIdempotencyKey or ValidationFailed before anything is claimed; what
    does not fit the booking as it is by then is a VALIDATION_ERROR, which is not kept.
    """
    # 1. Find the stay, its hotel and the key.
    booking = lookups.find_booking(booking_id)
    if booking is None or booking.kind != STAY:
        raise NotFound
    if mark not in (*MARKS, UNDO):
        raise ValidationFailed([Fault("mark", "There is no such mark.")])
    key = read_key(key_header)
    if key is None:
        raise InvalidIdempotencyKey("Send a new Idempotency-Key for each mark.")
    hotel = inventory.find_hotel(booking.hotel)
    if hotel is None:
        raise NotFound

    # 2. Claim the key. Whoever has an answer already is sent that answer.
    with claim_change(booking, operation="mark", key=key, actor=actor, deadline=deadline) as change:
        for current, now in change.attempts():
            # 3. Decide.
            fault = judge_mark(
                mark,
                status=current.status_at(now),
                presence=current.presence,
                check_in=current.check_in,
                check_out=current.check_out,
                today=clock.today(hotel.time_zone),
            )
            if fault:
                raise ValidationFailed([Fault("mark", fault)])
            if mark == UNDO and current.presence != seen:
                raise ValidationFailed(
                    [Fault("mark", CHANGED_SINCE.format(_SAID[current.presence]))]
                )

            # 4. Write. Only an undo can need nights that somebody else has by now.
            if mark != UNDO:
                marked, text = _set(current, mark, hotel.desk_day(), release=release)
                change.make(mark, marked, text)
                continue
            undone, text = _undo(current)
            try:
                change.make(UNDONE, undone, text)
            except AlreadyBooked as error:
                raise answers.name_in_the_way(undone) from error

    # 5. Finished by the `with`: the answer is stored under the key.
    return change.outcome


def _set(current: Booking, mark: str, tonight: date, *, release: bool) -> tuple[Booking, str]:
    """The stay with this mark, and what is said of it."""
    marked = dataclasses.replace(current, presence=mark)
    if mark == NO_SHOW and release:
        first = first_to_release(current.check_in, current.check_out, tonight)
        if first is not None:
            text = f"{_SAID[mark].rstrip('.')}; nights from {first} on can be sold again."
            return dataclasses.replace(marked, released_from=first), text
    return marked, _SAID[mark]


def _undo(current: Booking) -> tuple[Booking, str]:
    """The whole stay without its newest mark, and what is said of it."""
    before = presence_before(current.history)
    text = _SAID.get(before, "The mark is undone; the guest is expected.")
    return dataclasses.replace(current, presence=before, released_from=None), text


def first_to_release(check_in: date, check_out: date, tonight: date) -> date | None:
    """The night from which on a no-show's rooms can be sold again; None if there is none.

    The one that has begun at the hotel is kept for a guest who comes late, and so is the first.
    """
    first = max(tonight, check_in) + timedelta(days=1)
    return first if first < check_out else None


def judge_mark(
    mark: str, *, status: str, presence: str, check_in: date, check_out: date, today: date
) -> str | None:
    """Why the mark cannot be set on a stay like this, in a sentence; None if it can."""
    if status != CONFIRMED:
        return f"Only a confirmed stay can be marked, and this one is {status}."
    if mark == UNDO:
        return "There is no mark to undo." if presence == EXPECTED else None
    if mark == CHECKED_OUT:
        if presence == CHECKED_IN:
            return None
        return "The guest is not checked in." if presence != CHECKED_OUT else _is_already(presence)
    if presence != EXPECTED:
        return _is_already(presence)
    if today < check_in:
        return f"The day of arrival, {check_in}, has not begun at the hotel."
    # Who arrives after midnight does so on the next day, be it the day of departure.
    if mark == CHECKED_IN and today > check_out:
        return "This stay is over."
    return None


def possible_marks(
    *, status: str, presence: str, check_in: date, check_out: date, today: date
) -> list[str]:
    """The marks that can be set on a stay like this."""
    return [
        mark
        for mark in (*MARKS, UNDO)
        if not judge_mark(
            mark,
            status=status,
            presence=presence,
            check_in=check_in,
            check_out=check_out,
            today=today,
        )
    ]


def presence_before(history: Iterable[Change]) -> str:
    """What the newest mark that stands was set on: marks and undos are read as a pile."""
    standing = [EXPECTED]
    for made in history:
        if made.event in MARKS:
            standing.append(made.event)
        elif made.event == UNDONE and len(standing) > 1:
            standing.pop()
    return standing[-2] if len(standing) > 1 else EXPECTED


def _is_already(presence: str) -> str:
    return f"{_SAID[presence].rstrip('.')} already; undo that first."
