"""Corrections of a guest's details: name, e-mail address, telephone, special requests, language.

Guests correct their own. A hold takes its details from the form that confirms it, so this is for
what is booked. The address decides who gets the mails, and with them the link to the booking. So
only the owner can change it: the browser or the account that booked. Someone with only the link
cannot, and after every correction a mail goes to the address of the booking. docs/decisions/0052
has the reasons.

Staff correct them at any time while the booking stands, a hold's as well, and choose whether the
guest hears of it. docs/decisions/0060 has the reasons.
"""

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from django.conf import settings
from django.core.exceptions import ValidationError
from django.utils.crypto import salted_hmac

from bookings.domain.booking import (
    ACTIVE,
    CANCELLED,
    CONFIRMED,
    CORRECTED,
    EDITED,
    EDITED_AND_TOLD,
    EXPECTED,
    Booking,
)
from bookings.domain.callers import Caller
from bookings.domain.email_addresses import normalise_address
from bookings.domain.stay_request import Guest, judge_guest
from bookings.infrastructure.deadlines import Deadline
from bookings.refusals import (
    Fault,
    InvalidIdempotencyKey,
    NotChangeable,
    PermissionDenied,
    ValidationFailed,
)
from bookings.stays.keyed_change import claim_change, find_to_change
from bookings.stays.outcomes import Outcome, read_key
from idempotency.keys import canonical

# Each correction sends a mail, which a stranger could have sent to any address, and adds a line to
# the history.
MAX_CORRECTIONS = 5

# What the history calls the details. It never has the details themselves: an erasure could not find
# those of a former guest.
_NAMES = {
    "name": "name",
    "email": "e-mail",
    "phone": "telephone",
    "notes": "notes",
    "language": "language",
}


def key_for(key: str, typed: Sequence[object]) -> str:
    """The key under which a form with these details is sent: its own, and a digest of what it says.

    An answer has no details, so a replay could not tell that something else was typed since, and
    would call it saved. The history keeps the key for ever, so the site's secret is in the digest:
    without that, names could be tried on it once the guest is erased.
    """
    digest = salted_hmac("bookings.corrections", canonical(list(typed)), algorithm="sha256")
    return f"{key}:{digest.hexdigest()[:32]}"


@dataclass(frozen=True)
class Details:
    """What staff see and correct of a guest: the guest, the notes, the language of the mails."""

    guest: Guest
    notes: str
    language: str

    @property
    def values(self) -> dict[str, str]:
        """All of them in one mapping, by the names that faults use."""
        return {**vars(self.guest), "notes": self.notes, "language": self.language}


def details_of(booking: Booking) -> Details:
    """The details that staff can correct, as they are stored."""
    return Details(booking.guest, booking.notes, booking.language)


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


def correct_for_guest(
    *,
    actor: Caller,
    booking_id: str,
    key_header: str | None,
    deadline: Deadline,
    seen: Details,
    details: Details,
    tell: bool = False,
) -> Outcome:
    """For staff: replaces the details of a booking or of a hold.

    `seen` are the details that the actor was shown; if they are others by now, nothing is changed.
    With `tell` the guest has the mails of a correction; a hold's guest cannot, since it is no
    booking yet. The history names what was changed, without the details.

    Raises NotFound, InvalidIdempotencyKey or ValidationFailed before the claim. The outcome is 200,
    NOT_CHANGEABLE, or a VALIDATION_ERROR that is not kept.
    """
    # 1. Find the booking and the key.
    details = _judge_details(details, seen)
    booking = find_to_change(booking_id, actor, as_staff=True)
    key = read_key(key_header)
    if key is None:
        raise InvalidIdempotencyKey("Send a new Idempotency-Key for each correction.")

    # 2. Claim the key. If it has its answer already, replay that.
    with claim_change(
        booking, operation="correct", key=key, actor=actor, deadline=deadline
    ) as change:
        for current, now in change.attempts():
            # 3. Decide.
            if fault := judge_editable(current, now):
                raise NotChangeable(fault, why="over")
            stored = details_of(current)
            if stored != seen:
                raise NotChangeable(CHANGED_SINCE, why="details")
            changed = [
                _NAMES[name]
                for name, value in details.values.items()
                if value != stored.values[name]
            ]
            if not changed:
                raise ValidationFailed([Fault("", "These are the details already.")])
            if tell and (fault := judge_telling(current, details.guest.email)):
                raise ValidationFailed([Fault("tell", fault)])
            corrected = dataclasses.replace(
                current, guest=details.guest, notes=details.notes, language=details.language
            )

            # 4. Write. The answer has no details of the guest, as no answer has.
            change.make(
                EDITED_AND_TOLD if tell else EDITED,
                corrected,
                "The guest's details are changed.",
                reason=", ".join(changed),
            )

    # 5. Finished by the `with`: the answer is stored under the key.
    return change.outcome


CHANGED_SINCE = "The details were changed since this form was opened; check them and save again."


def _judge_details(details: Details, seen: Details) -> Details:
    """The details as they are stored. Raises ValidationFailed.

    An address that stays as it was is not judged: earlier rules may have accepted it.
    """
    guest, notes = judge_guest(details.guest, details.notes)
    if guest.email and guest.email != seen.guest.email:
        try:
            guest = dataclasses.replace(guest, email=normalise_address(guest.email))
        except ValidationError as error:
            raise ValidationFailed([Fault("email", error.messages[0])]) from error
    if details.language != seen.language and details.language not in dict(settings.LANGUAGES):
        raise ValidationFailed([Fault("language", "Mails are not written in this language.")])
    return Details(guest, notes, details.language)


def judge_editable(booking: Booking, now: datetime) -> str | None:
    """A sentence that says why staff can't correct the details; None if they can."""
    if booking.is_erased:
        return "The guest's details were erased."
    status = booking.status_at(now)
    if status not in ACTIVE:
        return "It was cancelled." if status == CANCELLED else "The hold has ended."
    return None


def judge_telling(booking: Booking, address: str) -> str | None:
    """A sentence that says why a correction can't be mailed to this address; None if it can be."""
    if booking.status != CONFIRMED:
        return "The guest of a hold has no mail about a correction: it is not booked yet."
    if not address:
        return "Without an e-mail address the guest cannot have a mail."
    return None
