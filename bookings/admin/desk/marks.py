"""The names of marks and of their buttons."""

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
    """The marks that can be set on the stay now, as (mark, button)."""
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
    """The first night of a no-show to sell again; None if the stay has no *No-show* button."""
    if NO_SHOW not in dict(buttons):
        return None
    return first_to_release(stay.check_in, stay.check_out, tonight)
