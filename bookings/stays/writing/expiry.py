"""Marking dead holds as expired, in a sweep or when one is in the way of a booking."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from bson import ObjectId
from pymongo.client_session import ClientSession
from pymongo.errors import BulkWriteError, WriteError

from bookings.domain.booking import (
    DEAD,
    EXPIRED,
    LINES,
    VERSION,
    Booking,
    Change,
    Seen,
    change_document,
    notice_document,
)
from bookings.infrastructure import clock
from bookings.infrastructure.connections import collection
from bookings.points import reached
from bookings.stays import notices
from bookings.stays.writing.versioned import Write, with_one_line_more, write_versioned


@dataclass(frozen=True)
class Batch:
    """The result of one batch of a sweep.

    `found` and `expired` count holds; `failed` has the error of each hold that could not be
    expired, by its id. The remaining ones were confirmed, extended, cancelled or expired by another
    request in between.
    """

    found: int = 0
    expired: int = 0
    oldest_age_s: float = 0.0
    failed: Mapping[Any, Exception] = field(default_factory=dict)


class DamagedHold(Exception):
    """The document of a hold is damaged; run manage.py doctor for details."""


def expire_dead_holds(*, limit: int, besides: Sequence[Any] = ()) -> Batch:
    """Marks up to `limit` dead holds as expired, the longest dead first.

    `besides` are ids of holds to leave out. A sweep that runs late, twice or beside another one
    changes only dead holds. It reads no answers and no guests' names: the versions, and whether the
    news has a reader, are enough.
    """
    found = list(
        collection("bookings")
        .find(
            {**DEAD, "_id": {"$nin": list(besides)}},
            {
                # A history that is no array has no length, so no update would match.
                "version": VERSION,
                "lines": LINES,
                "has_history": {"$isArray": "$history"},
                "age_ms": {"$subtract": ["$$NOW", "$expires_at"]},
                "kind": 1,
                "owner": 1,
                "address": "$guest.email",
            },
        )
        .sort("expires_at")
        .limit(limit)
    )
    reached("after_sweep_read")
    if not found:
        return Batch()
    now = clock.now()
    failed: dict[Any, Exception] = {
        hold["_id"]: DamagedHold() for hold in found if not hold["has_history"]
    }
    expiries = [
        _expiry(
            hold["_id"],
            Seen(int(hold["version"]), hold["lines"]),
            now,
            # If the document lacks these fields, it is left to the doctor.
            has_reader=notices.has_reader(
                kind=hold.get("kind", ""),
                owner=str(hold.get("owner", "")),
                address=hold.get("address", ""),
            ),
        )
        for hold in found
    ]
    try:
        expired = write_versioned(*expiries)
    except WriteError as error:
        expired = 0
        failed[found[0]["_id"]] = error
    except BulkWriteError as error:
        if error.details["writeConcernErrors"]:
            raise
        # All the others were written.
        expired = error.details["nModified"]
        for refused in error.details["writeErrors"]:
            hold_id = found[refused["index"]]["_id"]
            failed[hold_id] = WriteError(refused["errmsg"], refused["code"])
    reached("after_sweep_write")
    return Batch(len(found), expired, found[0]["age_ms"] / 1000, failed)


def expire(hold: Booking, *, session: ClientSession) -> None:
    """Marks one dead hold as expired, in the session's transaction."""
    expiry = _expiry(hold.id, hold.seen, clock.now(), has_reader=has_reader(hold))
    write_versioned(expiry, session=session)


def has_reader(booking: Booking) -> bool:
    """Whether news of the booking has a reader; see `notices.has_reader`."""
    return notices.has_reader(kind=booking.kind, owner=booking.owner, address=booking.guest.email)


def _expiry(booking_id: ObjectId, seen: Seen, now: datetime, *, has_reader: bool) -> Write:
    """The write that marks a dead hold, unless the hold has changed since it was `seen`."""
    change = Change(at=now, event="expired", actor="system")
    pushed = {"history": change_document(change)}
    if has_reader:
        news = notices.notice(
            booking_id, notices.NEWS_EXPIRED, at=now, seen=with_one_line_more(seen)
        )
        pushed["outbox"] = notice_document(news)
    return Write(
        {"_id": booking_id, **DEAD},
        seen,
        {"$set": {"status": EXPIRED, "updated_at": change.at}, "$push": pushed},
    )
