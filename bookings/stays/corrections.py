"""Guests correct their details on a booking: name, e-mail address, telephone, special requests.

A hold takes its details from the form that confirms it, so this is for what is booked. The address
decides who gets the mails, and with them the link to the booking. So only the owner can change it:
the browser or the account that booked. Someone with only the link cannot, and after every
correction a mail goes to the address of the booking. docs/decisions/0052 has the reasons.
"""

import dataclasses

from bookings.domain.booking import CANCELLED, CONFIRMED, CORRECTED, EXPECTED, Booking
from bookings.domain.callers import Caller
from bookings.domain.stay_request import Guest, judge_guest
from bookings.infrastructure.deadlines import Deadline
from bookings.refusals import (
    InvalidIdempotencyKey,
    NotChangeable,
    PermissionDenied,
)
from bookings.stays.keyed_change import claim_change, find_to_change
from bookings.stays.outcomes import Outcome, read_key

# Each correction sends a mail, which a stranger could have sent to any address, and adds a line to
# the history.
MAX_CORRECTIONS = 5


def correct_guest(
    *,
    actor: Caller,
    booking_id: str,
    key_header: str | None,
    deadline: Deadline,
    seen: tuple[Guest, str],
    guest: Guest,
    notes: str,
) -> Outcome:
    """Replaces the guest's details and notes of a booking, until the guest has checked in.

    `seen` has the details and notes that the actor was shown; if they are others by now, nothing is
    changed. Raises NotFound, InvalidIdempotencyKey or ValidationFailed before the claim. The
    outcome is 200, NOT_CHANGEABLE, or PERMISSION_DENIED for another address by someone who only has
    the booking's link.
    """
    # 1. Find the booking and the key.
    guest, notes = judge_guest(guest, notes)
    booking = find_to_change(booking_id, actor)
    key = read_key(key_header)
    if key is None:
        raise InvalidIdempotencyKey("Send a new Idempotency-Key for each correction.")

    # 2. Claim the key. If it has its answer already, replay that.
    with claim_change(
        booking, operation="correct", key=key, actor=actor, deadline=deadline
    ) as change:
        for current, _now in change.attempts():
            # 3. Decide.
            judge_correctable(current)
            if (current.guest, current.notes) != seen:
                text = "The details were changed since this form was opened; check them again."
                raise NotChangeable(text, why="details")
            if guest.email != current.guest.email and not may_change_address(current, actor):
                raise PermissionDenied("Only the owner of this booking can change its address.")
            corrected = dataclasses.replace(current, guest=guest, notes=notes)

            # 4. Write. The answer has no details of the guest, as no answer has.
            change.make(CORRECTED, corrected, "The guest's details are changed.")

    # 5. Finished by the `with`: the answer is stored under the key.
    return change.outcome


def may_change_address(booking: Booking, viewer: Caller) -> bool:
    """Whether the viewer owns the booking, and does not merely have its link."""
    return booking.owner in viewer.owners


def judge_correctable(booking: Booking) -> None:
    """Raises NotChangeable, which says why, if the details can no longer be corrected here."""
    if booking.status != CONFIRMED:
        what = "was cancelled" if booking.status == CANCELLED else "is not confirmed"
        raise NotChangeable(f"This booking {what}, so it has no details to correct.", why="over")
    if booking.presence != EXPECTED:
        text = "The hotel has noted this guest's arrival; tell the hotel what to correct."
        raise NotChangeable(text, why="arrival")
    if sum(line.event == CORRECTED for line in booking.history) >= MAX_CORRECTIONS:
        raise NotChangeable("These details were changed too often; ask the hotel.", why="often")
