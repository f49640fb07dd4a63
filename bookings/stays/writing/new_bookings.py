"""Writing a new booking: one insert, and two unique indexes that decide whether it may be there.

Nothing here trusts a lock; see bookings/indexes.py.
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
from bookings.stays import lookups, notices
from bookings.stays.hold_limits import HoldLimits, judge_hold
from bookings.stays.writing.expiry import expire, has_reader
from bookings.stays.writing.versioned import Write, in_transaction_of, write_versioned
from idempotency.claims import Answer

AnswerFor = Callable[[Booking, datetime], Answer]


# How often a booking whose rivals vanished between its two transactions is tried again. A
# fourth time has never been needed; giving up then is a refusal that may be retried.
WRITE_ATTEMPTS = 3


@dataclass(frozen=True)
class Written:
    """What came of writing a booking: ours is `booked`, or this key's answer was found.

    `twin` is the key's own booking, `adopted` the caller's hold that took the key in. `key` is as
    it is stored, with the answer to send. `over` is what was in the way of one that was booked at
    the second try.
    """

    outcome: Literal["booked", "twin", "adopted"]
    key: Key
    over: Literal["dead_holds", "retired_key"] | None = None


class QuoteIsOver(Exception):
    """The booking that rooms or price were taken from is not there any more as it was seen."""


def write_booking(
    booking: Booking,
    *,
    key: Key,
    limits: HoldLimits | None = None,
    answer_for: AnswerFor | None = None,
    only_as: Booking | None = None,
) -> Written:
    """Writes a new booking under its first key, which carries its answer.

    `limits` and `answer_for` are for holds: how much may be held with it (None for anything), and
    how the answer is worded for a hold that the caller has already, and which then takes the key.
    What `answer_for` raises undoes the whole transaction and is raised here.

    `only_as` is the booking that rooms or price were taken from, as it was seen. No calendar was
    asked about them, so nothing new is made of them: this is its twin, or is adopted by it.

    Raises AlreadyBooked if somebody has one of its slots, what `judge_hold` raises if it is more
    than the limits allow, QuoteIsOver if it cannot be `only_as`, ResourceLocked if rivals kept
    coming and going, NotAuthenticated if it is in the name of an account that was deleted
    meanwhile. Whatever it returns is durable.
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
            # Another rival came between our look and our insert.
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
    # One insert: what is booked, the key that it is booked under, and who is to be told.
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
    """Looks up the key first, then every active rival, and decides; one snapshot for all.

    It returns its verdict rather than raising it, so that the transaction commits: only the
    commit makes sure that what was read here cannot be rolled back.
    """
    bookings = collection("bookings")
    now = clock.now()

    twin_document = bookings.find_one({"keys.digest": key.digest}, session=session)
    if twin_document is not None:
        twin = from_document(twin_document)
        found = twin.key_for(key.digest)
        assert found is not None
        if lookups.still_replays(found, twin, now):
            return Written("twin", found)
        # From here on the key means the new wish, but what it has made can still be confirmed.
        retire = {
            "$pull": {"keys": {"digest": key.digest}},
            "$addToSet": {"retired_keys": key.digest},
            "$set": {f"retired_answers.{key.digest}": found.body},
        }
        write_versioned(Write({"_id": twin.id}, twin.seen, retire), session=session)

    live, dead = lookups.find_rivals(booking, session)

    if [rival.is_same_stay(booking) for rival in live] == [True]:
        hold = live[0]
        # Only who wants to hold: a 201 to who wants to book must mean that it is booked.
        may_adopt = hold.status == booking.status == PENDING and len(hold.keys) < lookups.MAX_KEYS
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
    """Gives the caller who came back their own hold, under the key they came with.

    Who comes may be told otherwise this time: guests, and what is said of them, are taken over.
    """
    before = hold
    guests = {booked.room: booked.guests for booked in booking.rooms}
    hold = dataclasses.replace(
        hold,
        version=before.version + 1,
        # They were priced as what they were then, whatever category they are sold in by now.
        rooms=tuple(
            dataclasses.replace(booked, guests=guests[booked.room]) for booked in hold.rooms
        ),
        guests=booking.guests,
        guest=hold.guest if booking.guest == Guest() else booking.guest,
        notes=booking.notes or hold.notes,
        language=booking.language,
    )
    answer = answer_for(hold, now)
    key = dataclasses.replace(key, status=answer.status, body=answer.body)
    document = to_document(hold)
    pushed: dict[str, Any] = {"keys": key_document(key)}
    if not has_reader(before):
        # Nobody was to be reminded of it until now.
        news = notices.notices_of(hold, hold.history[0], seen=hold.seen)
        pushed["outbox"] = {"$each": [notice_document(notice) for notice in news]}
    taken_over = ("rooms", "guests", "notes", "language")
    fields = {name: document[name] for name in taken_over} | guest_document(hold)
    # It was read in this transaction's snapshot, so a change in between undoes all of it.
    write_versioned(
        Write({"_id": hold.id}, before.seen, {"$push": pushed, "$set": fields}), session=session
    )
    return Written("adopted", key)
