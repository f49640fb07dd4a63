"""What a key has made, and the answer that its booking keeps under the key."""

from datetime import datetime

from pymongo.client_session import ClientSession

from bookings.domain.booking import ACTIVE, BLOCK, CHANGED, Booking, Key, from_document
from bookings.domain.told import told_now, told_under
from bookings.infrastructure import clock
from bookings.infrastructure.connections import collection
from bookings.infrastructure.mongodb.transactions import in_transaction
from bookings.models import BookingRecord, RoomBlock
from bookings.stays import queries
from idempotency.claims import Answer
from idempotency.django.lookup import Effect


def find_booking_by_key(digest: str) -> Booking | None:
    """The booking that was made, or adopted, under this key."""
    document = collection("bookings").find_one({"keys.digest": digest})
    return from_document(document) if document else None


def find_answer(digest: str) -> Answer | None:
    """The success that a booking keeps under this key, or None.

    It is durable: majority reads see only what cannot be rolled back.
    """
    return _find_answer(digest, None)


def find_valid_answer(digest: str) -> Answer | None:
    """As `find_answer`, for a server-made key, whose answer is valid only as long as its booking.

    A primary that was deposed and does not know it yet would answer a majority read with a booking
    that was cancelled since. It cannot commit. (A linearizable read would say the same, but waits
    for the journal's next flush, up to a tenth of a second.)
    """
    return in_transaction(lambda session: _find_answer(digest, session))


def _find_answer(digest: str, session: ClientSession | None) -> Answer | None:
    document = collection("bookings").find_one({"keys.digest": digest}, session=session)
    if document is None:
        return None
    booking = from_document(document)
    key = booking.key_for(digest)
    if key is None or not still_replays(key, booking, clock.now()):
        return None
    return Answer(status=key.status, body=key.body, fingerprint=key.fingerprint)


def still_replays(key: Key, booking: Booking, now: datetime) -> bool:
    """Whether the key still replays: a client's key always, a server-made key until its time is up,
    its booking is no longer active, or the owner has changed that to another stay."""
    if key.until is None:
        return True
    is_active = now < key.until and booking.status_at(now) in ACTIVE
    return is_active and not _has_left(booking, key)


def _has_left(booking: Booking, key: Key) -> bool:
    """Whether the owner has changed the booking, and it is no longer the stay that the key made.

    The same request then asks for a stay that no one has. Staff who move a booking do so for the
    one request that there was.
    """
    if not any(line.event == CHANGED for line in booking.history):
        return False
    made, now = told_under(booking, key.digest), told_now(booking)
    return made is not None and (
        (made.check_in, made.check_out, made.kinds) != (now.check_in, now.check_out, now.kinds)
    )


def find_effect(digest: str, target: str) -> Effect | None:
    """For operators: the booking that this key made. If the target is a booking's id, the change
    that the key made to that booking."""
    booking = queries.find_booking(target) if target else find_booking_by_key(digest)
    if booking is None:
        return None
    made = booking.key_for(digest) or booking.change_for(digest)
    if made is None:
        return None
    answer = None
    if made.status is not None and made.body is not None:
        answer = Answer(status=made.status, body=made.body)
    rooms = ", ".join(booked.room for booked in booking.rooms)
    return Effect(
        label=f"{booking.reference}, {rooms}, {booking.check_in} to {booking.check_out}, "
        + booking.status_at(clock.now()),
        model=(RoomBlock if booking.kind == BLOCK else BookingRecord)._meta.label_lower,
        pk=str(booking.id),
        answer=answer,
    )
