"""Writing a new booking: one insert, and two unique indexes that decide whether it succeeds.

Nothing here relies on a lock; bookings/indexes.py explains the indexes.
"""

import dataclasses
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal

from pymongo.client_session import ClientSession
from pymongo.errors import DuplicateKeyError

from bookings.domain.booking import (
    PENDING,
    Booking,
    Key,
    from_document,
    guest_document,
    key_document,
    notice_document,
    to_document,
)
from bookings.domain.stay_request import Guest
from bookings.infrastructure import clock, metrics
from bookings.infrastructure.connections import collection
from bookings.points import reached
from bookings.refusals import AlreadyBooked, ResourceLocked
from bookings.stays import kept_answers, notices, rivals
from bookings.stays.hold_limits import HoldLimits, judge_hold
from bookings.stays.writing.expiry import expire, has_reader
from bookings.stays.writing.versioned import Write, in_transaction_of, write_versioned
from idempotency.claims import Answer

AnswerFor = Callable[[Booking, datetime], Answer]


# How often to try if rivals vanish between the two transactions. A fourth try has never been
# needed. Giving up is a refusal that the client may retry.
WRITE_ATTEMPTS = 3


@dataclass(frozen=True)
class Written:
    """The result of writing a booking: `booked`, or an existing booking that has the key now.

    `twin` means that this key had made a booking before; `adopted`, that the caller's own hold has
    adopted the key. `key` is the key as stored, with the answer to send. `over` says what was
    removed from the way of a new booking, if anything.
    """

    outcome: Literal["booked", "twin", "adopted"]
    key: Key
    over: Literal["dead_holds", "retired_key"] | None = None


class QuoteIsOver(Exception):
    """The booking that supplied rooms or price has changed since it was read."""


def write_booking(
    booking: Booking,
    *,
    key: Key,
    limits: HoldLimits | None = None,
    answer_for: AnswerFor | None = None,
    only_as: Booking | None = None,
) -> Written:
    """Writes a new booking under its first key, which carries its answer.

    `limits` and `answer_for` are for holds. `limits` bounds what the holder may hold; None means
    no limit. `answer_for` makes the answer if the caller's own hold adopts the key. If it raises,
    the transaction is undone, and the exception is raised here.

    `only_as` is the booking that supplied rooms or price, as it was read. The calendar was not
    asked about them, so no new booking is made of them: either the key has made that booking
    already, or that booking adopts the key.

    Raises AlreadyBooked if a live booking has one of the slots, the errors of `judge_hold` if a
    limit is exceeded, QuoteIsOver if `only_as` has changed, ResourceLocked if rivals keep coming
    and going, NotAuthenticated if the caller's or the owner's account was deleted meanwhile. A
    result that it returns is durable.
    """
    named = (booking.caller, booking.owner)
    for _ in range(WRITE_ATTEMPTS):
        try:
            if only_as is None:
                in_transaction_of(
                    lambda session: _insert(booking, key, limits, session), named=named
                )
                return Written("booked", key)
        except DuplicateKeyError:
            pass
        try:
            written = in_transaction_of(
                lambda session: _resolve_conflict(
                    booking, key, limits, answer_for, only_as, session
                ),
                named=named,
            )
        except DuplicateKeyError:
            # Another rival wrote between our look and our insert.
            metrics.conflicts.labels("overtaken").inc()
            continue
        if isinstance(written, Written):
            metrics.conflicts.labels(written.over or written.outcome).inc()
            return written
        metrics.conflicts.labels(written).inc()
        if written == "taken":
            raise AlreadyBooked
        if written == "stale":
            raise QuoteIsOver
    raise ResourceLocked


def _insert(booking: Booking, key: Key, limits: HoldLimits | None, session: ClientSession) -> None:
    news = notices.notices_of(booking, booking.history[0], seen=booking.seen)
    # One insert: the booking, its key and its news.
    document = to_document(booking) | {
        "keys": [key_document(key)],
        "outbox": [notice_document(notice) for notice in news],
    }
    collection("bookings").insert_one(document, session=session)
    if booking.status == PENDING and limits is not None:
        judge_hold(booking, limits, session)
    reached("in_transaction")


def _resolve_conflict(
    booking: Booking,
    key: Key,
    limits: HoldLimits | None,
    answer_for: AnswerFor | None,
    only_as: Booking | None,
    session: ClientSession,
) -> Written | Literal["taken", "gone", "stale"]:
    """Looks up the key, then all active rivals, and decides, in one snapshot.

    It returns its verdict instead of raising it, so that the transaction commits: only the commit
    guarantees that what was read here cannot be rolled back.
    """
    bookings = collection("bookings")
    now = clock.now()

    twin_document = bookings.find_one({"keys.digest": key.digest}, session=session)
    if twin_document is not None:
        twin = from_document(twin_document)
        found = twin.key_for(key.digest)
        assert found is not None
        if kept_answers.still_replays(found, twin, now):
            return Written("twin", found)
        # From now on the key means the new wish. It can still confirm its earlier booking.
        retire = {
            "$pull": {"keys": {"digest": key.digest}},
            "$addToSet": {"retired_keys": key.digest},
            "$set": {f"retired_answers.{key.digest}": found.body},
        }
        write_versioned(Write({"_id": twin.id}, twin.seen, retire), session=session)

    live, dead = rivals.find_rivals(booking, session)

    if [rival.is_same_stay(booking) for rival in live] == [True]:
        hold = live[0]
        # Only a hold adopts, and only for a request to hold: a 201 to a request to book must mean
        # that the stay is booked.
        may_adopt = hold.status == booking.status == PENDING and len(hold.keys) < rivals.MAX_KEYS
        is_as_seen = only_as is None or (hold.id, hold.seen) == (only_as.id, only_as.seen)
        if may_adopt and is_as_seen and answer_for:
            return _adopt(booking, key, hold, answer_for, now, session)
    if only_as is not None:
        return "stale"
    if live:
        return "taken"
    if not dead and twin_document is None:
        return "gone"
    for hold in dead:
        expire(hold, session=session)
    _insert(booking, key, limits, session)
    return Written("booked", key, over="dead_holds" if dead else "retired_key")


def _adopt(
    booking: Booking,
    key: Key,
    hold: Booking,
    answer_for: AnswerFor,
    now: datetime,
    session: ClientSession,
) -> Written:
    """Lets the caller's own hold adopt the key of this request.

    The request may name other guests than the first one did. Their number and details, the notes
    and the language are taken over.
    """
    before = hold
    guests = {booked.room: booked.guests for booked in booking.rooms}
    hold = dataclasses.replace(
        hold,
        version=before.version + 1,
        # Only the number of guests changes. The hold keeps the categories by which it was priced,
        # even if its rooms are sold in others now.
        rooms=tuple(
            dataclasses.replace(booked, guests=guests[booked.room]) for booked in hold.rooms
        ),
        guests=booking.guests,
        guest=hold.guest if booking.guest == Guest() else booking.guest,
        notes=booking.notes or hold.notes,
        language=booking.language,
        updated_at=now,
    )
    answer = answer_for(hold, now)
    key = dataclasses.replace(key, status=answer.status, body=answer.body)
    document = to_document(hold)
    pushed: dict[str, Any] = {"keys": key_document(key)}
    if not has_reader(before):
        # The hold had no reader until now, so it has no reminder yet.
        news = notices.notices_of(hold, hold.history[0], seen=hold.seen)
        pushed["outbox"] = {"$each": [notice_document(notice) for notice in news]}
    taken_over = ("rooms", "guests", "notes", "language", "updated_at")
    fields = {name: document[name] for name in taken_over} | guest_document(hold)
    # The hold was read in this transaction's snapshot, so a change in between undoes all of this.
    write_versioned(
        Write({"_id": hold.id}, before.seen, {"$push": pushed, "$set": fields}), session=session
    )
    return Written("adopted", key)
