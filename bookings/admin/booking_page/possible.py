"""What staff can do with a booking now, and what they cannot, each with its reason.

Only the page asks this. The services judge again, since the booking may have changed meanwhile.
"""

from dataclasses import dataclass
from datetime import date, datetime

from bookings.domain.booking import (
    ACTIVE,
    CANCELLED,
    CHECKED_IN,
    CHECKED_OUT,
    CONFIRMED,
    EXPECTED,
    LATE_CONFIRM,
    NO_SHOW,
    Booking,
)
from bookings.front_desk.marks import UNDO, judge_mark
from bookings.presentation.days import day_text
from bookings.refusals import NotCancellable
from bookings.stays import corrections, lifecycle

CONFIRM, MOVE, EDIT, CANCEL, PRINT = "confirm", "move", "edit", "cancel", "print"

# In the order of the buttons, each with the beginning of the sentence that says why not.
ACTIONS = {
    CONFIRM: "It cannot be confirmed",
    CHECKED_IN: "The guest cannot be checked in",
    CHECKED_OUT: "The guest cannot be checked out",
    NO_SHOW: "The guest cannot be marked as a no-show",
    UNDO: "No mark can be undone",
    MOVE: "It cannot be moved",
    EDIT: "The guest’s details cannot be edited",
    PRINT: "There is no registration card",
    CANCEL: "It cannot be cancelled",
}
_MARKS = (CHECKED_IN, CHECKED_OUT, NO_SHOW, UNDO)


@dataclass(frozen=True)
class Possible:
    """Each of ACTIONS is in exactly one of the three. `cannot` has the reasons; `no_matter` is what
    no clerk would expect to do with such a booking."""

    can: tuple[str, ...]
    cannot: dict[str, str]
    no_matter: tuple[str, ...]

    @property
    def sentences(self) -> list[str]:
        """What cannot be done, and why: a sentence for each reason."""
        actions: dict[str, list[str]] = {}
        for action, reason in self.cannot.items():
            actions.setdefault(reason, []).append(ACTIONS[action])
        return [f"{_join(begun)}: {reason}." for reason, begun in actions.items()]


def judge_actions(
    booking: Booking, *, now: datetime, today: date, desk_day: date, may_act: bool
) -> Possible:
    """Sorts the actions. `today` is the day at the hotel, `desk_day` the day of its desk."""
    found = {
        action: "you may only read bookings"
        if not may_act and action != PRINT
        else _why_not(action, booking, now, today, desk_day)
        for action in ACTIONS
    }
    why_not = {action: reason.rstrip(".") for action, reason in found.items() if reason is not None}
    status = booking.status_at(now)
    no_matter = tuple(action for action in why_not if _is_no_matter(action, booking, status))
    return Possible(
        tuple(action for action in found if action not in why_not),
        {action: reason for action, reason in why_not.items() if action not in no_matter},
        no_matter,
    )


def _is_no_matter(action: str, booking: Booking, status: str) -> bool:
    """Whether the page of a booking like this is silent on an action that is impossible: it was
    done before, or has nothing to act on."""
    if action == CONFIRM:
        return booking.status in (CONFIRMED, CANCELLED)
    if action == CANCEL:
        return status == CANCELLED
    if action == CHECKED_OUT:
        return booking.presence != CHECKED_IN
    if action in (CHECKED_IN, NO_SHOW):
        return status not in ACTIVE or booking.presence != EXPECTED
    return action == UNDO


def _join(sentences: list[str]) -> str:
    """The beginnings of sentences as one: `It cannot be moved, and it cannot be cancelled`."""
    first, *others = sentences
    return ", and ".join([first, *(other[:1].lower() + other[1:] for other in others)])


def _why_not(
    action: str, booking: Booking, now: datetime, today: date, desk_day: date
) -> str | None:
    """Why the action is impossible, as the second half of a sentence; None if it is possible."""
    status = booking.status_at(now)
    if action in _MARKS:
        return _why_no_mark(action, booking, status, today)
    if action == CONFIRM:
        return _why_not_confirmed(booking, now)
    if action == EDIT:
        return _continue(corrections.judge_editable(booking, now))
    if action == CANCEL:
        return _why_not_cancelled(booking, status, now)
    if action == PRINT:
        if booking.is_erased:
            return "the guest’s details were erased"
        return None if status in ACTIVE else _why_over(status)
    return _why_not_moved(booking, status, desk_day)


def _why_no_mark(mark: str, booking: Booking, status: str, today: date) -> str | None:
    fault = judge_mark(
        mark,
        status=status,
        presence=booking.presence,
        check_in=booking.check_in,
        check_out=booking.check_out,
        today=today,
    )
    if fault is None:
        return None
    if status != CONFIRMED:
        return "it is not confirmed" if status in ACTIVE else _why_over(status)
    if booking.presence == EXPECTED and today < booking.check_in and mark in (CHECKED_IN, NO_SHOW):
        return f"the day of arrival is {day_text(booking.check_in)}"
    return _continue(fault)


def _why_not_confirmed(booking: Booking, now: datetime) -> str | None:
    if booking.status == CONFIRMED:
        return "it is confirmed already"
    if booking.status == CANCELLED:
        return _why_over(CANCELLED)
    if booking.expires_at is None or now >= booking.expires_at + LATE_CONFIRM:
        return "the hold has ended"
    return None


def _why_not_cancelled(booking: Booking, status: str, now: datetime) -> str | None:
    if status == CANCELLED:
        return "it was cancelled before"
    if booking.presence in (CHECKED_IN, CHECKED_OUT):
        now_is = "in" if booking.presence == CHECKED_IN else "out"
        return f"the guest is checked {now_is}; undo that first"
    try:
        lifecycle.judge_cancellation(booking, now, as_staff=True)
    except NotCancellable as refusal:
        return _continue(refusal.detail)
    return None


def _why_not_moved(booking: Booking, status: str, desk_day: date) -> str | None:
    if status not in ACTIVE:
        return _why_over(status)
    if booking.check_out < desk_day:
        return "the stay has ended"
    if booking.released_from is not None:
        first = day_text(booking.released_from)
        return f"the nights from {first} on were given back; undo the no-show first"
    return None


def _why_over(status: str) -> str:
    return "it was cancelled" if status == CANCELLED else "the hold has ended"


def _continue(sentence: str | None) -> str | None:
    """The sentence as the second half of another one."""
    return None if sentence is None else sentence[:1].lower() + sentence[1:]
