"""Which news a change of a booking leaves in its outbox.

News is written together with the change, in the same update, so that neither can be there
without the other. bookings/news/relay.py passes it on.
"""

from datetime import datetime, timedelta

from bson import ObjectId

from bookings.domain.booking import CONFIRMED, PENDING, STAY, Booking, Change, Notice, Seen

NEWS_CONFIRMED, NEWS_EXPIRING, NEWS_EXPIRED = "confirmed", "expiring", "expired"
NEWS_CANCELLED, NEWS_MOVED = "cancelled", "moved"
NEWS = (NEWS_CONFIRMED, NEWS_EXPIRING, NEWS_EXPIRED, NEWS_CANCELLED, NEWS_MOVED)

# Who reads that a hold is about to end needs some minutes to do something about it. Who has made
# a hold that is hardly longer is still at it, and is not reminded.
REMINDED_BEFORE_END = timedelta(minutes=5)
SHORTEST_REMINDED = 2 * REMINDED_BEFORE_END

# A version grows by one with each change, and a restore moves it to the time in seconds. So none
# that has come here by changes alone, and every restored one, is this large.
FIRST_RESTORED_VERSION = 1_000_000_000


def has_reader(*, kind: str, owner: str, address: str) -> bool:
    """Whether anybody is to be told: a partner, or a guest with an address."""
    return kind == STAY and (bool(address) or owner.startswith("client:"))


def notices_of(booking: Booking, change: Change, *, seen: Seen) -> tuple[Notice, ...]:
    """The news in the change that made the booking what it is, as it is `seen` from then on."""
    if not has_reader(kind=booking.kind, owner=booking.owner, address=booking.guest.email):
        return ()
    match change.event:
        case "created" | "extended" if booking.status == PENDING:
            return _reminders(booking, change.at, seen)
        case "created" if booking.status == CONFIRMED:
            return (notice(booking.id, NEWS_CONFIRMED, at=change.at, seen=seen),)
        case "confirmed" | "cancelled" | "moved":
            return (notice(booking.id, change.event, at=change.at, seen=seen),)
    return ()


def notice(booking_id: ObjectId, event: str, *, at: datetime, seen: Seen) -> Notice:
    """News that is due at once."""
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
    """Of the same change the same, however often it is passed on: receivers know it by that.

    By its line in the history, which no other change has, whichever release wrote it. A restored
    booking has lost lines that were told of, so there it is the version, which a restore moves past
    all that there were.
    """
    number = seen.lines if seen.version < FIRST_RESTORED_VERSION else seen.version
    return f"{booking_id}-{number}-{event}"
