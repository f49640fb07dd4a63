"""The bookings that one caller may see: one by its id, or a page of them, newest first.

Every search here is limited to the caller's own bookings. `queries` has the searches without that
limit.
"""

import re
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import Any

from bson import ObjectId

from bookings.domain.booking import Booking
from bookings.domain.callers import Caller
from bookings.infrastructure import clock
from bookings.infrastructure.deadlines import REQUEST_TIMEOUT_S
from bookings.refusals import NotFound
from bookings.stays import answers, queries

# Milliseconds until the year 2286, which no booking reaches.
_CHANGED_CURSOR = re.compile(r"(?P<ms>[0-9]{1,13})-(?P<id>[0-9a-f]{24})")

# A change has the time at which it was decided, and is written before its request's deadline. So a
# change that is younger than this may still be on its way.
SETTLED_AFTER = timedelta(seconds=REQUEST_TIMEOUT_S)


@dataclass(frozen=True)
class ChangedCursor:
    """Where a page of changed bookings begins: behind the booking with this id and time of change.

    Its text is `<milliseconds since 1970>-<id>`.
    """

    updated_at: datetime
    id: ObjectId

    def __str__(self) -> str:
        return f"{round(self.updated_at.timestamp() * 1000)}-{self.id}"


def read_changed_cursor(text: str) -> ChangedCursor | None:
    """The cursor in the text, or None."""
    found = _CHANGED_CURSOR.fullmatch(text)
    if found is None:
        return None
    moment = datetime(1970, 1, 1, tzinfo=UTC) + timedelta(milliseconds=int(found["ms"]))
    return ChangedCursor(moment, ObjectId(found["id"]))


def get_booking(*, viewer: Caller, booking_id: str) -> dict[str, Any]:
    """One of the viewer's bookings as the API shows it, with the guest's details and the notes.

    No other answer has those two, and none that is kept: an erasure could not reach it. Raises
    NotFound for bookings of others.
    """
    booking = find_own_booking(viewer=viewer, booking_id=booking_id)
    return {
        **_with_time_of_change(booking, clock.now()),
        "guest": vars(booking.guest).copy(),
        "notes": booking.notes,
    }


def find_own_booking(*, viewer: Caller, booking_id: str) -> Booking:
    """One of the viewer's bookings, with the guest's details. Raises NotFound for others."""
    booking = queries.find_booking(
        booking_id, owners=viewer.owners_to_match(booking_id), hotels=viewer.hotels
    )
    if booking is None:
        raise NotFound
    return booking


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
    """A page of the viewer's bookings, newest first, as the API shows them.

    Also returns the cursor of the next page, None at the end. `night` is a night of the stay.
    """
    page, next_cursor = list_own_bookings(
        viewer=viewer,
        user_id=user_id,
        room=room,
        night=night,
        status=status,
        cursor=cursor,
        limit=limit,
    )
    now = clock.now()
    return [answers.describe(booking, now=now) for booking in page], next_cursor


def list_changed_bookings(
    *, viewer: Caller, since: datetime, cursor: ChangedCursor | None, limit: int
) -> tuple[list[dict[str, Any]], str | None]:
    """A page of the viewer's bookings that were changed at `since` or later, in the order of their
    last change, as the API shows them.

    Also returns the cursor of the next page, None at the end. Changes of the last SETTLED_AFTER are
    left for later. A booking that is changed meanwhile moves to the end and may come again. Who
    goes on from the last time that was listed misses none.
    """
    now = clock.now()
    found = queries.list_changed_bookings(
        owners=viewer.owners,
        since=cursor.updated_at if cursor else since,
        until=now - SETTLED_AFTER,
        after=cursor.id if cursor else None,
        hotels=viewer.hotels,
        limit=limit + 1,
    )
    page = found[:limit]
    last = page[-1] if len(found) > limit else None
    return (
        [_with_time_of_change(booking, now) for booking in page],
        str(ChangedCursor(last.updated_at, last.id)) if last else None,
    )


def _with_time_of_change(booking: Booking, now: datetime) -> dict[str, Any]:
    return {**answers.describe(booking, now=now), "updatedAt": answers.iso(booking.updated_at)}


def list_own_bookings(
    *,
    viewer: Caller,
    user_id: str | None = None,
    room: str | None = None,
    night: date | None = None,
    status: str | None = None,
    cursor: ObjectId | None = None,
    limit: int = 20,
) -> tuple[list[Booking], str | None]:
    """The page that `list_bookings` describes, with the guests' details."""
    found = queries.list_bookings(
        owners=viewer.owners,
        user_id=user_id,
        room=room,
        night=night,
        status=status,
        before=cursor,
        hotels=viewer.hotels,
        limit=limit + 1,
    )
    page = found[:limit]
    return page, str(page[-1].id) if len(found) > limit else None
