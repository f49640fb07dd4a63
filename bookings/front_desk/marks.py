"""The desk's marks on a stay: the guest checked in, checked out, or never came.

A mark changes the booking like any other change: under a key, by compare-and-set, with a line in
the history. A no-show can also give back the nights after the hotel's current one; its status and
price stay. No other mark gives nights back: staff move a stay that ends early to shorter dates.
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
from bookings.infrastructure.deadlines import Deadline
from bookings.refusals import (
    AlreadyBooked,
    Fault,
    InvalidIdempotencyKey,
    NotFound,
    ValidationFailed,
)
from bookings.stays import answers, queries
from bookings.stays.keyed_change import claim_change
from bookings.stays.outcomes import Outcome, read_key

# Takes back the newest mark in force. In the history, each mark is an event with its own name.
UNDO = "undo"
UNDONE = "mark_undone"
MARKS = (CHECKED_IN, CHECKED_OUT, NO_SHOW)

_SAID = {
    CHECKED_IN: "The guest is checked in.",
    CHECKED_OUT: "The guest is checked out.",
    NO_SHOW: "The guest is marked as a no-show.",
}

CHANGED_SINCE = "The mark has changed since this page was opened, so nothing was undone. Now: {}"


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
    """For staff: sets one of MARKS, or takes back the newest mark with UNDO if that mark was
    `seen`. Acts once for each key.

    With `release`, a no-show gives back the nights from `first_to_release` on. Undoing it takes
    them again. If another booking has one of them by then, the refusal names that booking.

    Raises NotFound, InvalidIdempotencyKey or ValidationFailed before anything is claimed. A mark
    that does not fit the booking after that is a VALIDATION_ERROR, which is not kept.
    """
    # 1. Find the stay, its hotel and the key.
    booking = queries.find_booking(booking_id, hotels=actor.hotels)
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

    # 2. Claim the key. If it has an answer already, send that.
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

            # 4. Write. Only an undo can need nights that another booking has by now.
            if mark != UNDO:
                marked, text = _set(current, mark, hotel.desk_day(), release=release)
                change.make(mark, marked, text)
                continue
            undone, text = _undo(current)
            try:
                change.make(UNDONE, undone, text)
            except AlreadyBooked as error:
                raise answers.name_in_the_way(undone) from error

    # 5. Leaving the `with` stores the answer under the key.
    return change.outcome


def _set(current: Booking, mark: str, tonight: date, *, release: bool) -> tuple[Booking, str]:
    """The stay with this mark, and the message about it."""
    marked = dataclasses.replace(current, presence=mark)
    if mark == NO_SHOW and release:
        first = first_to_release(current.check_in, current.check_out, tonight)
        if first is not None:
            text = f"{_SAID[mark].rstrip('.')}; nights from {first} on can be sold again."
            return dataclasses.replace(marked, released_from=first), text
    return marked, _SAID[mark]


def _undo(current: Booking) -> tuple[Booking, str]:
    """The stay with all its nights and without its newest mark, and the message about it."""
    before = presence_before(current.history)
    text = _SAID.get(before, "The mark is undone; the guest is expected.")
    return dataclasses.replace(current, presence=before, released_from=None), text


def first_to_release(check_in: date, check_out: date, tonight: date) -> date | None:
    """The first night on which a no-show's rooms can be sold again; None if there is none.

    The stay's first night and the one that has begun at the hotel are kept, for a late guest.
    """
    first = max(tonight, check_in) + timedelta(days=1)
    return first if first < check_out else None


def judge_mark(
    mark: str, *, status: str, presence: str, check_in: date, check_out: date, today: date
) -> str | None:
    """A sentence that says why the mark cannot be set on a stay like this; None if it can be."""
    if status != CONFIRMED:
        return f"Only a confirmed stay can be marked; this one is {status}."
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
    # A guest may arrive after midnight, even on the day of departure.
    if mark == CHECKED_IN and today > check_out:
        return "This stay has ended."
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
    """The presence before the newest mark in force; marks and undos are read as a stack."""
    standing = [EXPECTED]
    for made in history:
        if made.event in MARKS:
            standing.append(made.event)
        elif made.event == UNDONE and len(standing) > 1:
            standing.pop()
    return standing[-2] if len(standing) > 1 else EXPECTED


def _is_already(presence: str) -> str:
    return f"{_SAID[presence].rstrip('.')} already. Undo that first."
