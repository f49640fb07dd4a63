"""Changing a booking that exists: confirm, extend, cancel, and move by staff.

bookings/stays/rebooking.py has the change of dates that owners make themselves.

Each function reads down: find the booking and its key, claim the key, decide, write, finish.
bookings/stays/keyed_change.py has the steps that they share.

All take the actor, the booking's id (24 hexadecimal digits) and the key's header as received. All
return the Outcome: 200 with the changed booking, or a refusal that was found after the claim. They
raise a Refusal that was found before the claim, IdempotencyInProgress while another request holds
it, and a driver's error if the change may or may not have been made.
"""

import dataclasses
from collections.abc import Callable
from dataclasses import dataclass
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
from bookings.domain.stay_request import (
    MAX_REASON,
    Guest,
    SeenStay,
    judge_guest,
    judge_seen,
)
from bookings.domain.told import Told, told_now, told_under, told_when_changed
from bookings.infrastructure.deadlines import Deadline
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
    PriceChanged,
    ValidationFailed,
)
from bookings.stays import answers, hold_limits
from bookings.stays.keyed_change import claim_change, find_to_change
from bookings.stays.outcomes import Outcome, read_key
from idempotency import keys

# WCAG 2.2.1 asks that people can extend a time limit at least ten times. A room is kept from others
# without a booking for an hour at most.
MAX_EXTENSIONS = 10
LONGEST_HOLD = timedelta(minutes=60)


CHANGED_SINCE = (
    "This booking was changed since this form was opened. Check its rooms and dates below, and "
    "move it from there."
)


@dataclass(frozen=True)
class ShownDetails:
    """The guest and the notes of a hold when a page was made, and those that its form began with.

    They differ where the form took what the hold lacked from the account or from an earlier form.
    """

    held: tuple[Guest, str]
    form: tuple[Guest, str]


def confirm_booking(
    *,
    actor: Caller,
    booking_id: str,
    key_header: str | None,
    deadline: Deadline,
    as_staff: bool = False,
    guest: Guest | None = None,
    notes: str | None = None,
    shown: ShownDetails | None = None,
    read_seen: Callable[[], Any] = dict,
) -> Outcome:
    """Turns a hold into a booking, with the key that made it. Staff need no key.

    A hold that ended up to ten minutes ago is revived if its slots are still free. Confirming
    again replays. `guest` and `notes`, if given, replace those of the hold. With `shown`, what
    staff corrected since then stays where the guest changed nothing. `read_seen` returns the JSON
    that says which stay the caller has seen, or raises a Refusal. If the stay is a different one by
    now, the outcome is PriceChanged with the stay as it is.

    Raises NotFound, KeyMismatch, InvalidIdempotencyKey or ValidationFailed before the claim.
    """
    # 1. Find the booking and its key.
    told_guest, told_notes = judge_guest(guest or Guest(), notes or "")
    booking = find_to_change(booking_id, actor, as_staff=as_staff)
    if as_staff:
        key = keys.make_key(str(actor), "confirm", booking_id)
    else:
        key = read_key(key_header, accept_server_made=True) or ""
        if not key:
            raise InvalidIdempotencyKey("Confirm with the Idempotency-Key of the booking.")
        if not is_key_of(booking, key, viewer=actor):
            raise KeyMismatch
    reader = translation.get_language() or settings.LANGUAGE_CODE

    # 2. Claim the key. If it has its answer already, replay that.
    with claim_change(
        booking, operation="confirm", key=key, actor=actor, deadline=deadline
    ) as change:
        for current, now in change.attempts():
            # 3. Decide. The stay that is booked must be the one that the caller has seen.
            seen = judge_seen(read_seen())
            if current.status == CANCELLED:
                raise HoldExpired("This booking was cancelled; make a new one.")
            if current.status == CONFIRMED:
                change.make("confirmed_again", current, answers.message_for(current))
                continue
            if current.expires_at is None or now >= current.expires_at + LATE_CONFIRM:
                raise HoldExpired
            digest = None if as_staff else _create_digest(current, key, viewer=actor)
            told = _told(current, digest, viewer=actor) if digest else None
            if not _is_as_seen(current, seen, told):
                described = answers.describe(current, now=now)
                raise PriceChanged(_say_other_stay(current, as_staff=as_staff), booking=described)
            typed_guest, typed_notes = told_guest, told_notes
            # An erased guest who confirms gives the details again.
            if shown is not None and not current.is_erased:
                typed_guest, typed_notes = _keep_corrected(current, (told_guest, told_notes), shown)
            confirmed = dataclasses.replace(
                current,
                status=CONFIRMED,
                guest=current.guest if guest is None else typed_guest,
                notes=current.notes if notes is None else typed_notes,
                # The guest is written to in the language of this request, but not in that of staff.
                language=current.language if as_staff else reader,
            )

            # 4. Write. The index decides whether the slots of a dead hold are still free.
            message = answers.message_for(confirmed)
            try:
                change.make("confirmed", confirmed, message, only_before=LATE_CONFIRM)
            except AlreadyBooked as error:
                raise HoldExpired from error

    # 5. Finished by the `with`: the answer is stored under the key.
    return change.outcome


def _keep_corrected(
    current: Booking, typed: tuple[Guest, str], shown: ShownDetails
) -> tuple[Guest, str]:
    """What was typed, with what staff corrected since the page was made in place of what the guest
    only left as it was."""

    def list_values(details: tuple[Guest, str]) -> list[str]:
        return [*vars(details[0]).values(), details[1]]

    columns = zip(
        list_values((current.guest, current.notes)),
        list_values(shown.held),
        list_values(shown.form),
        list_values(typed),
        strict=True,
    )
    name, email, phone, notes = (
        now if now != held and value in (held, form) else value
        for now, held, form, value in columns
    )
    return Guest(name, email, phone), notes


def is_key_of(booking: Booking, key: str, *, viewer: Caller) -> bool:
    """Whether this key made or adopted the booking.

    The key may have been used by the caller who made the booking, perhaps a guest who has logged in
    since; by the viewer, who came back to the hold; or by the guest that the viewer's browser was
    before the login.
    """
    return _create_digest(booking, key, viewer=viewer) is not None


def _create_digest(booking: Booking, key: str, *, viewer: Caller) -> str | None:
    """The key's digest if it made or adopted the booking, else None."""
    digests = (
        keys.digest_of(caller=caller, operation="create", target="", key=key)
        for caller in (booking.caller, str(viewer), viewer.guest)
        if caller
    )
    return next(filter(booking.was_made_under, digests), None)


def _told(booking: Booking, digest: str, *, viewer: Caller) -> Told | None:
    """The stay that the viewer relies on: as they changed it, or else as this key was answered."""
    changed = told_when_changed(booking, (str(viewer), viewer.guest))
    return changed or told_under(booking, digest)


def _is_as_seen(booking: Booking, seen: SeenStay, told: Told | None) -> bool:
    """Whether the stay is still the one that the caller has seen.

    What `seen` leaves out is taken from what the caller was told: when they changed the stay
    themselves, or else under their key. Another room of the same kind counts as the same, unless
    `seen` names the rooms.
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
    # Partners know rooms by their ids, and staff by their names.
    names = inventory.room_names(booking.room_ids) if as_staff else {}
    rooms = ", ".join(names.get(room, room) for room in booking.room_ids)
    stay = f"{rooms} from {booking.check_in} to {booking.check_out}"
    total, currency = booking.price.total, booking.price.currency
    if as_staff:
        return (
            f"It was moved since this page was opened: {stay} for {format_money(total, currency)}. "
            "Check it, and confirm again."
        )
    return (
        f"The stay has changed. It is now {stay} for {total} {currency} in minor units; send that "
        "as resourceIds, checkIn, checkOut and quotedTotal if you agree."
    )


def extend_hold(
    *, actor: Caller, booking_id: str, key_header: str | None, deadline: Deadline
) -> Outcome:
    """Makes a live hold last the hotel's hold length from now, once for each key.

    A hold can be extended ten times, up to an hour after it was made. A guest's hold in a crowd
    gets five minutes from now, up to a quarter of an hour. If the end would not move, nothing
    changes and the key may be used again. Raises NotFound or InvalidIdempotencyKey before the
    claim.
    """
    # 1. Find the booking and the key.
    booking = find_to_change(booking_id, actor)
    key = read_key(key_header)
    if key is None:
        raise InvalidIdempotencyKey("Send a new Idempotency-Key each time you extend a hold.")

    # 2. Claim the key. If it has its answer already, replay that.
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

            # 4. Write, but only while the hold lives by MongoDB's clock: another request may be
            #    taking the slots of a dead one.
            change.make("extended", extended, "The hold is extended.", only_before=timedelta(0))

    # 5. Finished by the `with`: the answer is stored under the key.
    return change.outcome


def _judge_end(hold: Booking, now: datetime) -> datetime:
    """The end of this live hold if it is extended now.

    Raises ExtensionLimit after ten extensions or at the last possible end, HeldLongEnough if the
    end would not move.
    """
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
        # The hotel's holds have become shorter. Nothing is written, so neither an extension nor the
        # key is used up: nearer the end the same request may succeed.
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
    """Cancels a booking, which frees its slots at once. Cancelling again succeeds again.

    Customers and partners may cancel until the hotel's deadline. Staff give a reason, are bound by
    no deadline, and can lift blocks. No one can cancel once the guest is checked in. Raises
    NotFound, InvalidIdempotencyKey or ValidationFailed before the claim.
    """
    # 1. Find the booking, or the block, and the key.
    as_staff = staff_reason is not None
    if staff_reason is not None:
        staff_reason = _judge_reason(staff_reason)
    booking = find_to_change(booking_id, actor, as_staff=as_staff, kinds=(STAY, BLOCK))
    key = read_key(key_header) or keys.make_key(str(actor), "cancel", booking_id)
    what, done = ("block", "lifted") if booking.kind == BLOCK else ("booking", "cancelled")

    # 2. Claim the key. If it has its answer already, replay that.
    with claim_change(
        booking, operation="cancel", key=key, actor=actor, deadline=deadline
    ) as change:
        for current, now in change.attempts():
            # 3. Decide. A cancelled booking stays cancelled, so there is nothing to write.
            if current.status == CANCELLED:
                change.make(None, current, f"The {what} was {done} before.")
                continue
            judge_cancellation(current, now, as_staff=as_staff)
            cancelled = dataclasses.replace(current, status=CANCELLED)

            # 4. Write. The new status takes the booking out of the index, which frees its slots.
            change.make("cancelled", cancelled, f"The {what} is {done}.", reason=staff_reason)

    # 5. Finished by the `with`: the answer is stored under the key.
    return change.outcome


def judge_cancellation(booking: Booking, now: datetime, *, as_staff: bool) -> None:
    """Raises NotCancellable if it is too late."""
    if booking.status_at(now) == EXPIRED:
        raise NotCancellable("This hold has ended, so there is nothing to cancel.")
    if booking.presence in (CHECKED_IN, CHECKED_OUT):
        text = "The guest has checked in, so this stay cannot be cancelled"
        raise NotCancellable(f"{text} until that is undone." if as_staff else f"{text}.")
    if not as_staff and booking.status == CONFIRMED:
        hotel = inventory.find_hotel(booking.hotel)
        if hotel is None or now >= hotel.last_cancellation(booking.check_in):
            raise NotCancellable("The hotel's deadline for cancelling this stay has passed.")


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
    quoted: tuple[int, str] | None = None,
) -> Outcome:
    """For staff: moves a booking to other rooms, other dates, or both; all or nothing.

    `room_ids` are in the order of the booking's rooms. Nights that the booking has, or once had in
    rooms of the same kinds, keep their price; other nights cost their present price. The rooms must
    be free, but the calendar need not sell them. With `seen_version` the booking is moved only if
    that is still its version; with `quoted`, a total in minor units and its currency, only if it
    costs that then, and otherwise the outcome is PriceChanged with the price. Raises NotFound,
    InvalidIdempotencyKey or ValidationFailed before the claim.
    """
    # 1. Find the booking and the key.
    booking = find_to_change(booking_id, actor, as_staff=True)
    key = read_key(key_header)
    if key is None:
        raise InvalidIdempotencyKey("Send a new Idempotency-Key for each move.")

    # 2. Claim the key. If it has its answer already, replay that.
    with claim_change(booking, operation="move", key=key, actor=actor, deadline=deadline) as change:
        for current, now in change.attempts():
            # 3. Decide.
            if current.status_at(now) not in ACTIVE:
                raise ValidationFailed([Fault("status", "Only an active booking can be moved.")])
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
            _judge_quoted(moved.price, quoted)
            # A move to where the booking is already goes into the history, too: once another key
            # has moved it on, a retry with this one must not move it back.
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


def _judge_quoted(price: Price, quoted: tuple[int, str] | None) -> None:
    """Raises PriceChanged unless this is the price that the form showed."""
    if quoted not in (None, (price.total, price.currency)):
        total = format_money(price.total, price.currency)
        raise PriceChanged(f"The moved stay costs {total}.", price=answers.describe_price(price))


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
