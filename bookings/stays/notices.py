"""The news that a change of a booking puts into its outbox.

The same update writes the change and its news, so neither exists without the other.
bookings/news/relay.py passes the news on.
"""

from datetime import datetime, timedelta

from bson import ObjectId

from bookings.domain.booking import (
    CONFIRMED,
    CORRECTIONS_TOLD,
    PENDING,
    STAY,
    Booking,
    Change,
    FormerAddress,
    Notice,
    Seen,
)

NEWS_CONFIRMED, NEWS_EXPIRING, NEWS_EXPIRED = "confirmed", "expiring", "expired"
NEWS_CANCELLED, NEWS_MOVED, NEWS_CORRECTED = "cancelled", "moved", "corrected"
# For guests and partners. A correction is for the guest alone: partners never hear who that is.
NEWS = (NEWS_CONFIRMED, NEWS_EXPIRING, NEWS_EXPIRED, NEWS_CANCELLED, NEWS_MOVED)

# A correction of the address is told to the former address, too. It shares the notice of the
# correction (bookings/news/relay.py).
NEWS_READDRESSED = "readdressed"

# The receiver of its delivery. Other mails have none, since the booking has its guest's address. A
# worker of the release before takes only those, and leaves this one to a worker of this release.
FORMER = "former"

# A reminder of a stay comes from no change, so it is in no outbox (bookings/news/reminders.py).
NEWS_ARRIVING = "arriving"

# A reminder leaves the guest some minutes to act. For a hold that is hardly longer there is none:
# its guest is probably still at work on it.
REMINDED_BEFORE_END = timedelta(minutes=5)
SHORTEST_REMINDED = 2 * REMINDED_BEFORE_END

# A change adds one to the version; a restore sets it to the time in seconds. So every restored
# booking has at least this version, and no other booking reaches it.
FIRST_RESTORED_VERSION = 1_000_000_000


def has_reader(*, kind: str, owner: str, address: str) -> bool:
    """Whether news of the booking has a reader: a partner, or a guest with an address."""
    return kind == STAY and (bool(address) or owner.startswith("client:"))


def notices_of(booking: Booking, change: Change, *, seen: Seen) -> tuple[Notice, ...]:
    """The news in the change that led to this booking. `seen` is its state after the change."""
    if not has_reader(kind=booking.kind, owner=booking.owner, address=booking.guest.email):
        return ()
    match change.event:
        case "created" | "extended" if booking.status == PENDING:
            return _reminders(booking, change.at, seen)
        case "created" if booking.status == CONFIRMED:
            return (notice(booking.id, NEWS_CONFIRMED, at=change.at, seen=seen),)
        case "changed":
            # The same news as a move by staff, which an earlier release beside this one knows.
            return (notice(booking.id, NEWS_MOVED, at=change.at, seen=seen),)
        case "edited_told":
            # The same news as the guest's own correction, which an earlier release knows.
            return (notice(booking.id, NEWS_CORRECTED, at=change.at, seen=seen),)
        case "confirmed" | "cancelled" | "moved" | "corrected":
            return (notice(booking.id, change.event, at=change.at, seen=seen),)
    return ()


def former_addresses_of(
    booking: Booking, corrected: Booking, change: Change, news: tuple[Notice, ...]
) -> list[FormerAddress]:
    """The address that this correction replaced; none for any other change.

    A confirmation may also replace the address of a hold, but that was no booking yet.
    """
    if change.event not in CORRECTIONS_TOLD or booking.guest.email in ("", corrected.guest.email):
        return []
    return [FormerAddress(notice.id, booking.guest.email) for notice in news]


def notice(booking_id: ObjectId, event: str, *, at: datetime, seen: Seen) -> Notice:
    """One notice that is due at once."""
    return Notice(
        _notice_id(booking_id, seen, event), event, at=at, due_at=at, version=seen.version
    )


def _reminders(hold: Booking, at: datetime, seen: Seen) -> tuple[Notice, ...]:
    ends_at = hold.expires_at
    assert ends_at is not None, "a hold has an end"
    if ends_at - at < SHORTEST_REMINDED:
        return ()
    reminder = Notice(
        _notice_id(hold.id, seen, NEWS_EXPIRING),
        NEWS_EXPIRING,
        at=at,
        due_at=ends_at - REMINDED_BEFORE_END,
        version=seen.version,
        ends_at=ends_at,
    )
    return (reminder,)


def _notice_id(booking_id: ObjectId, seen: Seen, event: str) -> str:
    """The same id for the same change, however often it is passed on: receivers compare it.

    It contains the number of the change's line in the history, which no other change has, whichever
    release wrote it. A restored booking may have lost lines that were announced. So its id contains
    the version instead, which a restore moves past all earlier ones.
    """
    number = seen.lines if seen.version < FIRST_RESTORED_VERSION else seen.version
    return f"{booking_id}-{number}-{event}"
