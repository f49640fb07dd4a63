"""What marks and their buttons are called."""

from datetime import date

from bookings.availability.occupancy import Occupant
from bookings.domain.booking import CHECKED_IN, CHECKED_OUT, EXPECTED, NO_SHOW, Booking
from bookings.front_desk.marks import UNDO, first_to_release, possible_marks

BUTTONS = {
    CHECKED_IN: "Check in",
    CHECKED_OUT: "Check out",
    NO_SHOW: "No-show",
    UNDO: "Undo",
}
PRESENCE_LABELS = {
    EXPECTED: "expected",
    CHECKED_IN: "checked in",
    CHECKED_OUT: "checked out",
    NO_SHOW: "no-show",
}


def mark_buttons(stay: Booking | Occupant, status: str, today: date) -> tuple[tuple[str, str], ...]:
    """What can be marked about the stay now, as (mark, button)."""
    possible = possible_marks(
        status=status,
        presence=stay.presence,
        check_in=stay.check_in,
        check_out=stay.check_out,
        today=today,
    )
    return tuple((mark, BUTTONS[mark]) for mark in possible)


def night_to_release(
    stay: Booking | Occupant, buttons: tuple[tuple[str, str], ...], tonight: date
) -> date | None:
    """From which night on a no-show could be sold again, where there is a button for it."""
    if NO_SHOW not in dict(buttons):
        return None
    return first_to_release(stay.check_in, stay.check_out, tonight)
