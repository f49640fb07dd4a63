"""Changing one booking by compare-and-set: only if it is still as it was read."""

from datetime import timedelta
from typing import Any, Literal

from pymongo.client_session import ClientSession
from pymongo.errors import DuplicateKeyError

from bookings.domain import account_deletion
from bookings.domain.booking import (
    PENDING,
    Booking,
    Change,
    change_document,
    guest_document,
    notice_document,
    stay_document,
)
from bookings.infrastructure import metrics
from bookings.points import reached
from bookings.refusals import AlreadyBooked, ResourceLocked
from bookings.stays import notices, rivals
from bookings.stays.hold_limits import HoldLimits, judge_hold
from bookings.stays.writing.expiry import expire
from bookings.stays.writing.new_bookings import WRITE_ATTEMPTS
from bookings.stays.writing.versioned import (
    Write,
    in_transaction_of,
    with_one_line_more,
    write_versioned,
)


def change_booking(
    booking: Booking,
    changed: Booking,
    change: Change,
    *,
    only_before: timedelta | None = None,
    limits: HoldLimits | None = None,
) -> bool:
    """Turns `booking` into `changed`, unless the stored booking has changed since it was read.

    Returns False if the change was not made. With `only_before` it is made only until that long
    after `expires_at`, by MongoDB's clock. Dead holds in its way are expired. `limits` bounds what
    the holder of a changed hold may hold. Raises AlreadyBooked if a live booking has a slot that
    the change needs, the errors of `judge_hold` if a limit is exceeded, NotAuthenticated if the
    actor's account was deleted meanwhile, ResourceLocked if rivals keep coming and going. Every
    change moves the version, so a retry that read the booking before its first try was written
    cannot act twice.

    A move relies on the catalogue as it was read, and that must not be long before the write: see
    bookings/catalogue/withdrawal.py. The driver checks the time limit before it sends an update,
    and again before a transaction commits.
    """
    named = (change.actor,)
    is_one_update = _is_where_it_was(booking, changed) and not account_deletion.with_accounts(named)

    def apply(session: ClientSession | None = None) -> bool:
        return _change(
            booking, changed, change, only_before=only_before, limits=limits, session=session
        )

    try:
        return apply() if is_one_update else in_transaction_of(apply, named=named)
    except DuplicateKeyError:
        pass
    for _ in range(WRITE_ATTEMPTS):
        try:
            verdict = in_transaction_of(
                lambda session: _change_over_dead_holds(
                    booking, changed, change, only_before, limits, session
                ),
                named=named,
            )
        except DuplicateKeyError:
            # A rival wrote between our look and our change.
            metrics.conflicts.labels("overtaken").inc()
            continue
        metrics.conflicts.labels(verdict).inc()
        if verdict == "taken":
            raise AlreadyBooked
        return verdict != "stale"
    raise ResourceLocked


def _is_where_it_was(booking: Booking, changed: Booking) -> bool:
    return stay_document(changed) == stay_document(booking)


def _change(
    booking: Booking,
    changed: Booking,
    change: Change,
    *,
    only_before: timedelta | None,
    limits: HoldLimits | None,
    session: ClientSession | None = None,
) -> bool:
    """The compare-and-set itself. Raises DuplicateKeyError if a slot is not free, and the errors of
    `judge_hold`."""
    condition: dict[str, Any] = {"_id": booking.id, "status": booking.status}
    if only_before is not None:
        ends_at = {"$add": ["$expires_at", int(only_before.total_seconds() * 1000)]}
        condition["$expr"] = {"$gt": [ends_at, "$$NOW"]}
    fields: dict[str, Any] = {"status": changed.status, "updated_at": change.at}
    if changed.expires_at != booking.expires_at:
        fields["expires_at"] = changed.expires_at
    if not _is_where_it_was(booking, changed):
        fields.update(stay_document(changed))
    if (changed.guest, changed.notes) != (booking.guest, booking.notes):
        fields.update({**guest_document(changed), "notes": changed.notes})
    if changed.language != booking.language:
        fields["language"] = changed.language
    if changed.presence != booking.presence:
        fields["presence"] = changed.presence
    if changed.released_from != booking.released_from:
        released_from = changed.released_from
        fields["released_from"] = released_from.isoformat() if released_from else None
    if changed.change_fingerprints != booking.change_fingerprints:
        fields["change_fingerprints"] = dict(changed.change_fingerprints)
    pushed: dict[str, Any] = {"history": change_document(change)}
    if news := notices.notices_of(changed, change, seen=with_one_line_more(booking.seen)):
        pushed["outbox"] = {"$each": [notice_document(notice) for notice in news]}
        if former := notices.former_addresses_of(booking, changed, change, news):
            pushed["former_addresses"] = {"$each": [vars(address) for address in former]}
    write = Write(condition, booking.seen, {"$set": fields, "$push": pushed})
    done = write_versioned(write, session=session) == 1
    if session is not None:
        if done and changed.status == PENDING and limits is not None:
            judge_hold(changed, limits, session)
        reached("in_transaction")
    return done


def _change_over_dead_holds(
    booking: Booking,
    changed: Booking,
    change: Change,
    only_before: timedelta | None,
    limits: HoldLimits | None,
    session: ClientSession,
) -> Literal["dead_holds", "gone", "stale", "taken"]:
    """Finds the rivals, and changes the booking if all are dead holds, in one snapshot."""
    live, dead = rivals.find_rivals(changed, session)
    if live:
        return "taken"
    for hold in dead:
        expire(hold, session=session)
    done = _change(
        booking, changed, change, only_before=only_before, limits=limits, session=session
    )
    if not done:
        return "stale"
    return "dead_holds" if dead else "gone"
