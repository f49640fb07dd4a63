"""What can be done with bookings. Every entrance (API, page, admin, task) makes one call here.

`create_booking` is the story of `POST /api/bookings`, from the key to the answer. Why it is
right when things fail is told in docs/sequence.md.
"""

import dataclasses
import logging
import secrets
from collections.abc import Callable
from datetime import date, datetime
from typing import Any

from bson import ObjectId
from redis.exceptions import RedisError

from bookings import answers, clock, connections, inventory, repository
from bookings.callers import Caller, caller_of_user
from bookings.changes import Step, change
from bookings.clock import Deadline
from bookings.documents import (
    CANCELLED,
    CONFIRMED,
    EXPIRED,
    LATE_CONFIRM,
    PENDING,
    BookedRoom,
    Booking,
    Change,
    Key,
    new_id,
    new_reference,
)
from bookings.errors import (
    HoldExpired,
    InvalidIdempotencyKey,
    KeyMismatch,
    NotCancellable,
    NotFound,
    PermissionDenied,
    PriceChanged,
    Refusal,
    ResourceLocked,
)
from bookings.outcomes import (
    ANSWER_TTL_MS,
    SERVER_KEY_LIFE,
    Outcome,
    claim_key,
    read_key,
    refuse,
    replay,
)
from bookings.payloads import StayRequest, judge_payload
from bookings.points import reached
from bookings.timing import Steps
from idempotency import keys
from idempotency.claims import Answer, Claim
from locks.errors import LockBusy
from locks.redis_lock import Lock

logger = logging.getLogger(__name__)

# Longer than a request may last, so that the lock outlives its holder's work, and short
# enough that a dead holder's rivals need not wait long.
LOCK_TTL_MS = 15_000


def create_booking(
    *,
    caller: Caller,
    key_header: str | None,
    read_payload: Callable[[], Any],
    deadline: Deadline,
    owner: Caller | None = None,
) -> Outcome:
    """Books, or holds, a room for a stay; at most once for each caller and key.

    `read_payload` returns the received JSON or raises a Refusal; with a key it is called only
    once the key is claimed, so that a key that is done replays whatever came with it. `owner`
    is for staff who book for somebody else. Raises a Refusal for what is wrong with the key
    itself, TryAgain or a driver's error for what may have happened or not; every other
    refusal is in the Outcome.
    """
    steps = Steps()

    # 1. Resolve the key. Without one it is made from what is booked, so the body comes first.
    key = read_key(key_header)
    if key is None:
        wish = judge_payload(read_payload())
        key = keys.make_key(str(caller), wish.user_id, wish.booked)
    digest = keys.digest_of(caller=str(caller), operation="create", target="", key=key)

    # 2. Claim it. Whoever has an answer already is sent that answer.
    with claim_key(digest, recover=repository.find_answer, steps=steps) as claim:
        if claim.replay:
            return replay(claim.replay, key, read_payload, steps)
        reached("after_claim")
        lock: Lock | None = None
        try:
            payload = read_payload()
            booking = _draft_booking(
                judge_payload(payload), caller, owner or caller, key, digest, payload
            )

            # 3. Lock the slots. It spares rivals a wasted write, and decides nothing.
            deadline.check()
            with steps.timed("lock"):
                lock = _lock_slots(booking)
            reached("after_lock")

            # 4. Write. Two unique indexes look for a rival on the night and a twin of the key.
            deadline.check()
            if lock and not lock.is_held:
                raise ResourceLocked
            with steps.timed("txn"):
                written = repository.write_booking(
                    booking, answer_for=lambda hold, now: _answer_hold(hold, key, now)
                )
            reached("after_commit")

        # 5. Finish: store the answer and release the lock, in one batch. A success is in the
        #    booking already and cannot change; a refusal counts once it is stored.
        except Refusal as refusal:
            release = _release_in_batch(lock)
            outcome = refuse(claim, refusal, key, steps, also=release, read_payload=read_payload)
        except BaseException:
            _release(lock)
            raise
        else:
            outcome = _succeed(claim, written, key, steps, lock, read_payload)
    reached("before_answer")
    return outcome


def confirm_booking(
    *,
    actor: Caller,
    booking_id: str,
    key_header: str | None,
    deadline: Deadline,
    as_staff: bool = False,
) -> Outcome:
    """Turns a hold into a booking, with the key that made it; staff need no key.

    A hold that ran out up to ten minutes ago is revived if its slots are still free.
    Confirming again replays. Raises NotFound, KeyMismatch or InvalidIdempotencyKey before
    anything is claimed.
    """
    booking = _find_visible(booking_id, actor, as_staff)
    if as_staff:
        key = keys.make_key(str(actor), "confirm", booking_id)
    else:
        key = read_key(key_header, accept_server_made=True) or ""
        if not key:
            raise InvalidIdempotencyKey("Confirm with the Idempotency-Key of the booking.")
        created = keys.digest_of(caller=str(actor), operation="create", target="", key=key)
        if booking.key_for(created) is None:
            raise KeyMismatch

    def confirm(current: Booking, now: datetime) -> Step:
        if current.status == CANCELLED:
            raise HoldExpired("This booking was cancelled; make a new one.")
        if current.status == CONFIRMED:
            return Step("confirmed_again", CONFIRMED, answers.MESSAGES[CONFIRMED])
        if current.expires_at is None or now >= current.expires_at + LATE_CONFIRM:
            raise HoldExpired
        return Step("confirmed", CONFIRMED, answers.MESSAGES[CONFIRMED], only_before=LATE_CONFIRM)

    return change(
        booking.id, operation="confirm", key=key, actor=actor, deadline=deadline, decide=confirm
    )


def cancel_booking(
    *,
    actor: Caller,
    booking_id: str,
    key_header: str | None,
    deadline: Deadline,
    as_staff: bool = False,
) -> Outcome:
    """Gives the slots back at once. Cancelling again answers the same.

    Customers and partners may do it until the hotel's deadline, staff always. Raises NotFound
    or InvalidIdempotencyKey before anything is claimed.
    """
    booking = _find_visible(booking_id, actor, as_staff)
    key = read_key(key_header) or keys.make_key(str(actor), "cancel", booking_id)

    def cancel(current: Booking, now: datetime) -> Step:
        if current.status == CANCELLED:
            return Step(None, CANCELLED, "The booking was cancelled before.")
        if current.status_at(now) == EXPIRED:
            raise NotCancellable("This hold has run out, so there is nothing to cancel.")
        if not as_staff and current.status == CONFIRMED:
            hotel = inventory.find_hotel(current.hotel)
            if hotel is None or now >= hotel.last_cancellation(current.check_in):
                raise NotCancellable("The hotel's time for cancelling this stay is over.")
        return Step("cancelled", CANCELLED, "The booking is cancelled.")

    return change(
        booking.id, operation="cancel", key=key, actor=actor, deadline=deadline, decide=cancel
    )


def get_booking(*, viewer: Caller, booking_id: str) -> dict[str, Any]:
    """One of the viewer's bookings as the API shows it. Raises NotFound for any other."""
    return answers.describe(_find_visible(booking_id, viewer, False), now=clock.now())


def list_bookings(
    *,
    viewer: Caller,
    user_id: str | None = None,
    room: str | None = None,
    night: date | None = None,
    status: str | None = None,
    cursor: ObjectId | None = None,
    limit: int = 20,
) -> tuple[list[dict[str, Any]], str | None]:
    """The viewer's bookings, newest first, and the cursor of the next page (None at the end)."""
    found = repository.list_bookings(
        owner=str(viewer),
        user_id=user_id,
        room=room,
        night=night,
        status=status,
        before=cursor,
        limit=limit + 1,
    )
    page = found[:limit]
    now = clock.now()
    next_cursor = str(page[-1].id) if len(found) > limit else None
    return [answers.describe(booking, now=now) for booking in page], next_cursor


def expire_holds() -> tuple[int, int]:
    """Tidies one batch of holds that ran out; returns how many were found and how many expired.

    It only tidies: a dead hold blocks nobody even if this never runs.
    """
    found, expired = repository.expire_dead_holds()
    logger.info(
        "holds_expired", extra={"found": found, "expired": expired, "races_lost": found - expired}
    )
    return found, expired


def forget_user(*, user_id: object) -> None:
    """Cuts the bookings loose from an account that is about to be deleted.

    All of them get one random pseudonym in its place, so that they still belong together.
    """
    pseudonym = f"gone:{secrets.token_hex(12)}"
    changed = repository.replace_person(str(caller_of_user(user_id)), pseudonym)
    logger.info("user_forgotten", extra={"bookings": changed})


# --- The steps of create_booking ------------------------------------------------------------


def _draft_booking(
    wish: StayRequest, caller: Caller, owner: Caller, key: str, digest: str, payload: Any
) -> Booking:
    """The booking as it would be written, with the answer it would be acknowledged with."""
    user_id = _judge_user(wish, caller, owner)
    offer = inventory.find_offer(wish)
    price = offer.price(wish.check_in, wish.check_out)
    if wish.quoted_total is not None and wish.quoted_total != price.total:
        raise PriceChanged(f"The price is now {price.total} {price.currency} in minor units.")
    now = clock.now()
    status = PENDING if wish.hold else CONFIRMED
    booking = Booking(
        id=new_id(now),
        reference=new_reference(offer.hotel.code),
        caller=str(caller),
        owner=str(owner),
        user_id=user_id,
        hotel=offer.hotel.id,
        category=offer.category,
        rooms=(BookedRoom(offer.room, offer.category, wish.guests),),
        check_in=wish.check_in,
        check_out=wish.check_out,
        guests=wish.guests,
        guest=wish.guest,
        notes=wish.notes,
        price=price,
        status=status,
        expires_at=now + offer.hotel.hold_length if wish.hold else None,
        created_at=now,
        updated_at=now,
        history=(Change(at=now, event="created", actor=str(caller), key=digest),),
    )
    answer = answers.success(
        booking, key=key, message=answers.MESSAGES[status], status=201, now=now
    )
    server_made = keys.is_server_made(key)
    made = Key(
        digest=digest,
        made_by="server" if server_made else "client",
        until=now + SERVER_KEY_LIFE if server_made else None,
        fingerprint=keys.fingerprint_of(payload),
        status=answer.status,
        body=answer.body,
    )
    return dataclasses.replace(booking, keys=(made,))


def _judge_user(wish: StayRequest, caller: Caller, owner: Caller) -> str:
    """Whom the booking is for. A customer is itself; a partner's guests are the partner's names."""
    if wish.user_id is None or wish.user_id == caller.id:
        return owner.id
    if caller.kind == "client" and caller.may_act_for_others:
        return wish.user_id
    raise PermissionDenied("You may book only for yourself; leave userId out.")


def _lock_slots(booking: Booking) -> Lock | None:
    """Locks every slot of the booking, or none; None when Redis cannot say."""
    names = [f"{booking.hotel}|{slot}" for slot in booking.slots]
    try:
        return connections.locks().acquire(names, ttl_ms=LOCK_TTL_MS)
    except LockBusy as error:
        raise ResourceLocked from error
    except RedisError:
        return None


def _answer_hold(hold: Booking, key: str, now: datetime) -> Answer:
    message = "You hold this room already; confirm with this Idempotency-Key before expiresAt."
    return answers.success(hold, key=key, message=message, status=201, now=now)


def _succeed(
    claim: Claim,
    written: repository.Written,
    key: str,
    steps: Steps,
    lock: Lock | None,
    read_payload: Callable[[], Any],
) -> Outcome:
    made = written.key
    answer = Answer(status=made.status, body=made.body, fingerprint=made.fingerprint)
    # A server-made key means what its booking means, so the booking is asked every time: once
    # it is cancelled, the same wish is a new one.
    answer_ttl_ms = None if keys.is_server_made(key) else ANSWER_TTL_MS
    with steps.timed("finish"):
        claim.succeed(answer, answer_ttl_ms=answer_ttl_ms, also=_release_in_batch(lock))
    if written.outcome == "twin":
        return replay(answer, key, read_payload, steps)
    return Outcome(answer, key, steps=steps)


def _release_in_batch(lock: Lock | None) -> Callable[[Any], None] | None:
    if lock is None:
        return None
    return lambda pipeline: connections.locks().queue_release(pipeline, lock)


def _release(lock: Lock | None) -> None:
    """Releases at once, when there is no answer to store with it."""
    if lock is None or lock.released:
        return
    try:
        connections.locks().release(lock)
    except RedisError:
        logger.warning("lock_release_failed")


def _find_visible(booking_id: str, viewer: Caller, as_staff: bool) -> Booking:
    booking = repository.find_booking(booking_id, owner=None if as_staff else str(viewer))
    if booking is None:
        raise NotFound
    return booking
