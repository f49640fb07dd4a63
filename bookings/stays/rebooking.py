"""Changing a stay: other dates, another category, or both, by the owner of the booking.

`change_stay` takes `POST /api/bookings/{id}/change` from key to answer. It sells the new nights as
`create_booking` does, and writes the change as `bookings/stays/keyed_change.py` does. Staff move
bookings by `move_booking` instead, which no calendar binds. docs/decisions/0052 has the reasons.
"""

import dataclasses
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta
from typing import Any

from bookings.availability import occupancy, stay_changes
from bookings.availability.assignment import GAP_LOOK_NIGHTS, keep_or_choose_rooms
from bookings.availability.stay_changes import StayOffer
from bookings.catalogue import inventory
from bookings.domain.booking import (
    CANCELLED,
    CHANGED,
    CHANGED_AGAIN,
    EXPECTED,
    EXPIRED,
    MAX_HISTORY,
    NO_SHOW,
    PENDING,
    STAY_CHANGED,
    BookedRoom,
    Booking,
    common_category,
    slots_of,
)
from bookings.domain.callers import Caller
from bookings.domain.stay_request import ChangeWish, judge_change
from bookings.infrastructure.deadlines import Deadline
from bookings.points import reached
from bookings.refusals import (
    AlreadyBooked,
    InvalidIdempotencyKey,
    NotChangeable,
    PriceChanged,
    ResourceLocked,
    SoldOut,
)
from bookings.stays import answers, lately_sold, slot_locks
from bookings.stays.hold_limits import HoldLimits, limits_of
from bookings.stays.keyed_change import claim_change, find_to_change
from bookings.stays.outcomes import Outcome, read_key
from locks import Lock, LockBusy

# How often an owner may change one stay. Each change sends a mail and adds a line to the history,
# of which the desk needs some, too.
MAX_CHANGES = 20


def change_stay(
    *,
    actor: Caller,
    booking_id: str,
    key_header: str | None,
    read_payload: Callable[[], Any],
    deadline: Deadline,
    remote_address: str | None = None,
    mailbox_digest: str | None = None,
) -> Outcome:
    """Gives a hold or a booking other dates, another category, or both; all or nothing.

    Nights that it keeps in the same category keep their price, others cost today's and must be for
    sale. It keeps its room if that is free, and gets another of the category if not. Without the
    client's quoted total nothing is changed. `read_payload` returns the received JSON, as
    `judge_change` reads it, or raises a Refusal; it is called after the claim. `remote_address` and
    `mailbox_digest` are as for `create_booking`, for the limits on holds.

    Returns the Outcome: 200 with the changed booking, or a refusal that was found after the claim;
    SoldOut is kept under the key. Raises NotFound or InvalidIdempotencyKey before the claim,
    IdempotencyInProgress while another request holds it, and a driver's error if the change may or
    may not have been made.
    """
    # 1. Find the booking and the key.
    booking = find_to_change(booking_id, actor)
    key = read_key(key_header)
    if key is None:
        raise InvalidIdempotencyKey("Send a new Idempotency-Key for each change of a stay.")

    # 2. Claim the key. If it has its answer already, replay that.
    with claim_change(
        booking,
        operation="change",
        key=key,
        actor=actor,
        deadline=deadline,
        read_payload=read_payload,
    ) as change:
        for current, now in change.attempts():
            # 3. Decide whether the booking may be changed at all.
            wish = judge_change(read_payload())
            judge_changeable(current, now)
            is_hold = current.status == PENDING
            lost: tuple[BookedRoom, ...] | None = None
            while True:
                # 4. Quote at the price that the calendar has now, choose rooms and lock their new
                #    slots. A lock saves rivals a wasted write; it decides nothing.
                offer = _quote(current, wish)
                try:
                    with change.steps.timed("lock"):
                        rooms, lock = _lock_rooms(current, offer, deadline)
                except SoldOut:
                    # This answer is kept, so it must be about the booking as it is.
                    if change.is_up_to_date():
                        raise
                    break
                with _releasing(lock):
                    reached("after_lock")
                    deadline.check()
                    slot_locks.check_held(lock)

                    # 5. Write. The index decides whether the rooms are free.
                    changed = _with_offer(current, offer, rooms)
                    is_there = changed == current
                    limits = None
                    if is_hold and not set(changed.slots) <= set(current.slots):
                        limits = _limits_of(current, remote_address, mailbox_digest)
                    try:
                        # Also where nothing changes: once another key has changed the stay, a retry
                        # with this one must not change it back.
                        change.make(
                            CHANGED_AGAIN if is_there else CHANGED,
                            changed,
                            _say_again(wish) if is_there else "The stay is changed.",
                            only_before=timedelta(0) if is_hold else None,
                            limits=limits,
                        )
                        break
                    except AlreadyBooked as error:
                        # A rival was quicker; another room may be free. If the same rooms are
                        # chosen again, the rival came and went.
                        lately_sold.note(slot_locks.names_of(current.hotel, changed.slots))
                        if rooms == lost:
                            raise ResourceLocked from error
                        lost = rooms

    # 6. Finished by the `with`: the answer is stored under the key.
    return change.outcome


def judge_changeable(booking: Booking, now: datetime) -> None:
    """Raises NotChangeable, which says why, if the owner may not change the stay at this moment."""
    if booking.status == CANCELLED:
        raise NotChangeable("This booking was cancelled; make a new one.", why="over")
    if booking.status_at(now) == EXPIRED:
        raise NotChangeable("This hold has run out; make a new booking.", why="over")
    if booking.presence == NO_SHOW:
        text = "The hotel has marked this guest as not arrived; ask the hotel."
        raise NotChangeable(text, why="arrival")
    if booking.presence != EXPECTED:
        text = "The guest has checked in; ask the hotel to change this stay."
        raise NotChangeable(text, why="arrival")
    if booking.status != PENDING:
        hotel = inventory.recent_hotel(booking.hotel)
        if hotel is None or now >= hotel.last_cancellation(booking.check_in):
            text = "The hotel's deadline for changing this stay has passed."
            raise NotChangeable(text, why="deadline")
    changes = sum(line.event in STAY_CHANGED for line in booking.history)
    if changes >= MAX_CHANGES or len(booking.history) >= MAX_HISTORY:
        text = "This stay was changed too often; ask the hotel to change it again."
        raise NotChangeable(text, why="often")


def _quote(booking: Booking, wish: ChangeWish) -> StayOffer:
    """Raises ValidationFailed or NotChangeable if the stay is not for sale, PriceChanged if it does
    not cost what the client showed."""
    offer = stay_changes.offer_change(booking, wish)
    if wish.quoted_total != offer.price.total:
        raise PriceChanged(
            f"The changed stay costs {offer.price.total} {offer.price.currency} in minor units; "
            "send that as quotedTotal if you agree.",
            price=answers.describe_price(offer.price),
        )
    return offer


def _lock_rooms(
    booking: Booking, offer: StayOffer, deadline: Deadline
) -> tuple[tuple[BookedRoom, ...], Lock | None]:
    """Rooms for the changed stay, and the lock on those of their slots that the booking lacks.

    The lock is None if there are no such slots, or if Redis does not answer. Raises SoldOut, or
    ResourceLocked if only locks are in the way.
    """
    if not offer.has_new_nights:
        return booking.rooms, None
    around = timedelta(days=GAP_LOOK_NIGHTS)
    taken = occupancy.taken_nights(
        booking.hotel, offer.check_in - around, offer.check_out + around, besides=booking.id
    )
    has_already = set(booking.slots)
    locked: set[str] = set()
    while True:
        deadline.check()
        rooms = keep_or_choose_rooms(
            offer.wanted,
            booking.room_ids,
            taken,
            offer.check_in,
            offer.check_out,
            locked=locked,
        )
        slots = slots_of(rooms, offer.check_in, offer.check_out)
        new = [slot for slot in slots if slot not in has_already]
        try:
            return rooms, slot_locks.lock_slots(booking.hotel, new) if new else None
        except LockBusy as busy:
            locked.add(slot_locks.room_of(busy))


@contextmanager
def _releasing(lock: Lock | None) -> Iterator[None]:
    try:
        yield
    finally:
        slot_locks.release(lock)


def _with_offer(booking: Booking, offer: StayOffer, rooms: tuple[BookedRoom, ...]) -> Booking:
    return dataclasses.replace(
        booking,
        rooms=rooms,
        category=common_category(rooms),
        check_in=offer.check_in,
        check_out=offer.check_out,
        price=offer.price,
    )


def _limits_of(
    hold: Booking, remote_address: str | None, mailbox_digest: str | None
) -> HoldLimits | None:
    """What the holder may hold once this hold has other nights: as much as if it were made now."""
    hotel = inventory.recent_hotel(hold.hotel)
    assert hotel is not None, "a hotel cannot be deleted before its bookings"
    return limits_of(
        owner=hold.owner,
        crowd_percent=hotel.anonymous_hold_percent,
        remote_address=remote_address,
        mailbox_digest=mailbox_digest,
    )


def _say_again(wish: ChangeWish) -> str:
    what = "these dates and this category" if wish.category else "these dates"
    return f"The booking has {what} already."
