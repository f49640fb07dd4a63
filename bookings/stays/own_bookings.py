"""The bookings that one caller may see: one by its id, or a page of them, newest first.

Every search here is limited to the caller's own bookings. `queries` has the searches without that
limit.
"""

from datetime import date
from typing import Any

from bson import ObjectId

from bookings.domain.booking import Booking
from bookings.domain.callers import Caller
from bookings.infrastructure import clock
from bookings.refusals import NotFound
from bookings.stays import answers, queries


def get_booking(*, viewer: Caller, booking_id: str) -> dict[str, Any]:
    """One of the viewer's bookings as the API shows it. Raises NotFound for other bookings."""
    booking = find_own_booking(viewer=viewer, booking_id=booking_id)
    return answers.describe(booking, now=clock.now())


def find_own_booking(*, viewer: Caller, booking_id: str) -> Booking:
    """One of the viewer's bookings, with the guest's details. Raises NotFound for others."""
    booking = queries.find_booking(booking_id, owners=viewer.owners_to_match(booking_id))
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
        limit=limit + 1,
    )
    page = found[:limit]
    return page, str(page[-1].id) if len(found) > limit else None
