"""What becomes of a booking after it was made: confirmed, extended, cancelled, moved.

Each function is one story: find the booking and judge the key, claim it, decide, write, finish.
What they have in common is in bookings/stays/keyed_change.py.

All take the caller who acts, the booking's id in 24 hexadecimal digits and the header with the key
as it came. All return the Outcome: 200 with the booking as it is then, or a refusal that was found
after the claim. They raise what was refused before it, IdempotencyInProgress while another request
works under the key, and a driver's error for what may have happened or not.
"""

import dataclasses
from collections.abc import Callable
from datetime import date, datetime, timedelta
from typing import Any

from django.conf import settings
from django.utils import translation

from bookings.availability import offers
from bookings.catalogue import inventory
from bookings.domain.booking import (
    ACTIVE,
    BLOCK,
    CANCELLED,
    CHECKED_IN,
    CHECKED_OUT,
    CONFIRMED,
    EXPIRED,
    LATE_CONFIRM,
    PENDING,
    STAY,
    Booking,
    Price,
    common_category,
)
from bookings.domain.callers import Caller
from bookings.domain.money import format_money
from bookings.domain.stay_request import Guest, SeenStay, judge_guest, judge_seen
from bookings.domain.told import Told, told_now, told_under
from bookings.infrastructure.clock import Deadline
from bookings.infrastructure.texts import BadText, read_line
from bookings.refusals import (
    AlreadyBooked,
    ExtensionLimit,
    Fault,
    HeldLongEnough,
    HoldExpired,
    InvalidIdempotencyKey,
    KeyMismatch,
    NotCancellable,
    NotFound,
    PriceChanged,
    ValidationFailed,
)
from bookings.stays import answers, hold_limits, lookups
from bookings.stays.keyed_change import claim_change
from bookings.stays.outcomes import Outcome, read_key
from idempotency import keys

# WCAG 2.2.1 asks that a time limit can be extended at least ten times, so ten it is; and an
# hour in all is as long as a room may be kept from others without being booked.
MAX_EXTENSIONS = 10
LONGEST_HOLD = timedelta(minutes=60)

MAX_REASON = 200

CHANGED_SINCE = (
    "This booking was changed since this form was opened; below is where it is now. "
    "Look at it, and move it from there."
)


def confirm_booking(
    *,
    actor: Caller,
    booking_id: str,
    key_header: str | None,
    deadline: Deadline,
    as_staff: bool = False,
    guest: Guest | None = None,
    notes: str | None = None,
    read_seen: Callable[[], Any] = dict,
) -> Outcome:
    """Turns a hold into a booking, with the key that made it; staff need no key.

    A hold that ran out up to ten minutes ago is revived if its slots are still free.
    Confirming again replays. `guest` and `notes`, where given, replace what the hold was told.
    `read_seen` returns what was sent of the stay as who confirms has seen it, or raises a Refusal;
    where the stay is another by now it is not confirmed, but answered as it is.
    Raises NotFound, KeyMismatch, InvalidIdempotencyKey or ValidationFailed before anything is
    claimed.
    """
    # 1. Find the booking and the key, which must be one that it was made under.
    told_guest, told_notes = judge_guest(guest or Guest(), notes or "")
    booking = _find(booking_id, actor, as_staff=as_staff)
    if as_staff:
        key = keys.make_key(str(actor), "confirm", booking_id)
    else:
        key = read_key(key_header, accept_server_made=True) or ""
        if not key:
            raise InvalidIdempotencyKey("Confirm with the Idempotency-Key of the booking.")
        if not is_key_of(booking, key, viewer=actor):
            raise KeyMismatch
    reader = translation.get_language() or settings.LANGUAGE_CODE

    # 2. Claim the key. Whoever has an answer already is sent that answer.
    with claim_change(
        booking, operation="confirm", key=key, actor=actor, deadline=deadline
    ) as change:
        for current, now in change.attempts():
            # 3. Decide. What is booked is what was seen.
            seen = judge_seen(read_seen())
            if current.status == CANCELLED:
                raise HoldExpired("This booking was cancelled; make a new one.")
            if current.status == CONFIRMED:
                change.make("confirmed_again", current, answers.message_for(current))
                continue
            if current.expires_at is None or now >= current.expires_at + LATE_CONFIRM:
                raise HoldExpired
            digest = None if as_staff else _create_digest(current, key, viewer=actor)
            told = told_under(current, digest) if digest else None
            if not _is_as_seen(current, seen, told):
                described = answers.describe(current, now=now)
                raise PriceChanged(_say_other_stay(current, as_staff=as_staff), booking=described)
            confirmed = dataclasses.replace(
                current,
                status=CONFIRMED,
                guest=current.guest if guest is None else told_guest,
                notes=current.notes if notes is None else told_notes,
                # Who confirms reads on in their own language; staff do it for somebody.
                language=current.language if as_staff else reader,
            )

            # 4. Write. The index decides whether the slots of a hold that ran out are still free.
            message = answers.message_for(confirmed)
            try:
                change.make("confirmed", confirmed, message, only_before=LATE_CONFIRM)
            except AlreadyBooked as error:
                raise HoldExpired from error

    # 5. Finished by the `with`: the answer is stored under the key.
    return change.outcome


def is_key_of(booking: Booking, key: str, *, viewer: Caller) -> bool:
    """Whether this key made or adopted the booking.

    It did so for the caller who made the booking, who may have been a guest that logged in since;
    for the viewer, who came back to it; or for the guest that the viewer's browser was then.
    """
    return _create_digest(booking, key, viewer=viewer) is not None


def _create_digest(booking: Booking, key: str, *, viewer: Caller) -> str | None:
    """The digest of the key where it made or adopted the booking, else None."""
    digests = (
        keys.digest_of(caller=caller, operation="create", target="", key=key)
        for caller in (booking.caller, str(viewer), viewer.guest)
    )
    return next(filter(booking.was_made_under, digests), None)


def _is_as_seen(booking: Booking, seen: SeenStay, told: Told | None) -> bool:
    """Whether the stay is still the one that who confirms has in mind.

    Where they do not say what they have seen, it is what their key was told. Which room of a kind
    it is matters only to those who say so.
    """
    now = told_now(booking)
    told = told or now
    return (
        (seen.check_in or told.check_in) == now.check_in
        and (seen.check_out or told.check_out) == now.check_out
        and (told.price.total if seen.total is None else seen.total) == now.price.total
        and (
            told.kinds == now.kinds
            if seen.rooms is None
            else sorted(seen.rooms) == sorted(booking.room_ids)
        )
    )


def _say_other_stay(booking: Booking, *, as_staff: bool) -> str:
    rooms = ", ".join(booking.room_ids)
    stay = f"{rooms} from {booking.check_in} to {booking.check_out}"
    total, currency = booking.price.total, booking.price.currency
    if as_staff:
        return (
            f"It was moved since this page was opened: {stay} for {format_money(total, currency)}; "
            "look at it, and confirm again."
        )
    return (
        f"This is not the stay that you have seen: it is now {stay} for {total} {currency} in "
        "minor units; send that as resourceIds, checkIn, checkOut and quotedTotal if you agree."
    )


def extend_hold(
    *, actor: Caller, booking_id: str, key_header: str | None, deadline: Deadline
) -> Outcome:
    """Makes a live hold last the hotel's hold length from now, once for each key.

    At most ten times, and to an hour after the hold was made; where guests crowd, a guest's by
    minutes and to a quarter of an hour. Where its end would not move, nothing is changed and the
    key may be used again. Raises NotFound or InvalidIdempotencyKey before anything
    is claimed.
    """
    # 1. Find the booking and the key.
    booking = _find(booking_id, actor)
    key = read_key(key_header)
    if key is None:
        raise InvalidIdempotencyKey("Send a new Idempotency-Key for each time you extend.")

    # 2. Claim the key. Whoever has an answer already is sent that answer.
    with claim_change(
        booking, operation="extend", key=key, actor=actor, deadline=deadline
    ) as change:
        for current, now in change.attempts():
            # 3. Decide.
            if current.status == CONFIRMED:
                raise ExtensionLimit("This is booked already, so there is no hold to extend.")
            if current.status_at(now) != PENDING or current.expires_at is None:
                raise HoldExpired
            extended = dataclasses.replace(current, expires_at=_judge_end(current, now))

            # 4. Write, only while it lives, by MongoDB's clock: a dead hold's slots may be on
            #    their way to somebody else.
            change.make("extended", extended, "The hold is extended.", only_before=timedelta(0))

    # 5. Finished by the `with`: the answer is stored under the key.
    return change.outcome


def _judge_end(hold: Booking, now: datetime) -> datetime:
    """Where this live hold ends if it is made longer now. Raises ExtensionLimit or
    HeldLongEnough where that is no later than it ends already."""
    hotel = inventory.find_hotel(hold.hotel)
    assert hotel is not None, "a hotel cannot be deleted before its bookings"
    assert hold.expires_at is not None, "a hold has an end"
    extensions = sum(change.event == "extended" for change in hold.history)
    length, longest = hotel.hold_length, LONGEST_HOLD
    if hold.owner.startswith("guest:") and hold_limits.is_crowded(
        hold, hotel.anonymous_hold_percent
    ):
        length, longest = hold_limits.CROWDED_HOLD, hold_limits.LONGEST_CROWDED_HOLD
    last_end = hold.created_at + longest
    if extensions >= MAX_EXTENSIONS or hold.expires_at >= last_end:
        raise ExtensionLimit
    ends_at = min(now + length, last_end)
    if ends_at <= hold.expires_at:
        # Holds have become shorter since. Nothing is written, so neither a try nor the key is
        # used up: nearer its end the same request may make it longer.
        raise HeldLongEnough
    return ends_at


def cancel_booking(
    *,
    actor: Caller,
    booking_id: str,
    key_header: str | None,
    deadline: Deadline,
    staff_reason: str | None = None,
) -> Outcome:
    """Gives the slots back at once. Cancelling again answers the same.

    Customers and partners may do it until the hotel's deadline; staff, who give a reason, always,
    and they lift blocks with it; nobody once the guest is checked in. Raises
    NotFound, InvalidIdempotencyKey or ValidationFailed before anything is claimed.
    """
    # 1. Find the booking, or the block, and the key.
    as_staff = staff_reason is not None
    if staff_reason is not None:
        staff_reason = _judge_reason(staff_reason)
    booking = _find(booking_id, actor, as_staff=as_staff, kinds=(STAY, BLOCK))
    key = read_key(key_header) or keys.make_key(str(actor), "cancel", booking_id)
    what, done = ("block", "lifted") if booking.kind == BLOCK else ("booking", "cancelled")

    # 2. Claim the key. Whoever has an answer already is sent that answer.
    with claim_change(
        booking, operation="cancel", key=key, actor=actor, deadline=deadline
    ) as change:
        for current, now in change.attempts():
            # 3. Decide. What is cancelled stays so, and nothing is written about it again.
            if current.status == CANCELLED:
                change.make(None, current, f"The {what} was {done} before.")
                continue
            _judge_cancellation(current, now, as_staff=as_staff)
            cancelled = dataclasses.replace(current, status=CANCELLED)

            # 4. Write. With its status the booking leaves the index, and its slots are free.
            change.make("cancelled", cancelled, f"The {what} is {done}.", reason=staff_reason)

    # 5. Finished by the `with`: the answer is stored under the key.
    return change.outcome


def _judge_cancellation(booking: Booking, now: datetime, *, as_staff: bool) -> None:
    """Raises NotCancellable where it is too late for that."""
    if booking.status_at(now) == EXPIRED:
        raise NotCancellable("This hold has run out, so there is nothing to cancel.")
    if booking.presence in (CHECKED_IN, CHECKED_OUT):
        text = "The guest has checked in, so this stay cannot be cancelled"
        raise NotCancellable(f"{text} until that is undone." if as_staff else f"{text}.")
    if not as_staff and booking.status == CONFIRMED:
        hotel = inventory.find_hotel(booking.hotel)
        if hotel is None or now >= hotel.last_cancellation(booking.check_in):
            raise NotCancellable("The hotel's time for cancelling this stay is over.")


def move_booking(
    *,
    actor: Caller,
    booking_id: str,
    key_header: str | None,
    deadline: Deadline,
    room_ids: tuple[str, ...],
    check_in: date,
    check_out: date,
    seen_version: int | None = None,
) -> Outcome:
    """For staff: puts a booking into other rooms, on other dates, or both; all or nothing.

    `room_ids` are in the order of the booking's rooms. Nights it has, or once had in such rooms,
    keep their price, others cost what they cost now. The desk may put a guest where the calendar
    would not sell; the rooms must be free. `seen_version` is the booking's that the wish is about:
    if it was changed since, it is not moved. Raises NotFound, InvalidIdempotencyKey or
    ValidationFailed before anything is claimed.
    """
    # 1. Find the booking and the key.
    booking = _find(booking_id, actor, as_staff=True)
    key = read_key(key_header)
    if key is None:
        raise InvalidIdempotencyKey("Send a new Idempotency-Key for each move.")

    # 2. Claim the key. Whoever has an answer already is sent that answer.
    with claim_change(booking, operation="move", key=key, actor=actor, deadline=deadline) as change:
        for current, now in change.attempts():
            # 3. Decide.
            if current.status_at(now) not in ACTIVE:
                raise ValidationFailed(
                    [Fault("status", "Only a booking that is alive can be moved.")]
                )
            if seen_version is not None and current.version != seen_version:
                raise ValidationFailed([Fault("version", CHANGED_SINCE)])
            rooms = offers.judge_move(current, room_ids, check_in, check_out)
            amounts = offers.amounts_after_move(current, rooms, check_in, check_out)
            moved = dataclasses.replace(
                current,
                rooms=rooms,
                category=common_category(rooms),
                check_in=check_in,
                check_out=check_out,
                price=Price(current.price.currency, amounts),
            )
            # Where it is there already that is written down too: once another key has moved it
            # on, a retry with this one must not move it back.
            is_there = dataclasses.replace(moved, price=current.price) == current
            event, message = (
                ("moved_again", "The booking is there already.")
                if is_there
                else ("moved", "The booking is moved.")
            )

            # 4. Write. The index decides whether the rooms are free.
            is_hold = current.status == PENDING
            change.make(event, moved, message, only_before=timedelta(0) if is_hold else None)

    # 5. Finished by the `with`: the answer is stored under the key.
    return change.outcome


def _find(
    booking_id: str,
    viewer: Caller,
    *,
    as_staff: bool = False,
    kinds: tuple[str, ...] = (STAY,),
) -> Booking:
    owners = None if as_staff else viewer.owners_to_match(booking_id)
    booking = lookups.find_booking(booking_id, owners=owners)
    if booking is None or booking.kind not in kinds:
        raise NotFound
    return booking


def _judge_reason(reason: str) -> str:
    try:
        reason = read_line(reason.strip())
    except BadText as bad:
        raise ValidationFailed([Fault("reason", str(bad))]) from None
    if not reason:
        raise ValidationFailed([Fault("reason", "Say why.")])
    if len(reason) > MAX_REASON:
        raise ValidationFailed([Fault("reason", f"This has at most {MAX_REASON} characters.")])
    return reason
