"""Guests' bookings become bookings of an account once it turns out to be theirs.

Each booking changes in one update, and everything is safe to repeat. Only guests' bookings change
hands: never a partner's, and never another account's.
"""

import logging

from django.conf import settings
from django.contrib.auth.models import User

from bookings.domain.callers import Caller, caller_of_user
from bookings.people import accounts
from bookings.stays.hold_limits import HoldLimits
from bookings.stays.writing import ownership

logger = logging.getLogger(__name__)


def gather_bookings(*, user: User, guest: Caller | None) -> int:
    """Adopts, at each login, this browser's bookings, and those with the account's address."""
    adopted = adopt_guest(guest=guest, user=user) if guest else 0
    return adopted + adopt_by_address(user=user)


def adopt_guest(*, guest: Caller, user: User) -> int:
    """Gives the user what this guest has booked; returns how many bookings."""
    if guest.kind != "guest":
        raise ValueError(f"{guest.kind} is no guest.")
    limits = HoldLimits(holds=settings.MAX_LIVE_HOLDS, room_nights=settings.MAX_HELD_ROOM_NIGHTS)
    adopted = ownership.adopt_bookings_of(str(guest), caller_of_user(user.pk), limits=limits)
    return _told(adopted)


def adopt_by_address(*, user: User) -> int:
    """Gives the user what guests have booked with the account's address, if it is verified.

    Holds stay with the browser that made them: anyone can hold a room with any address.
    """
    if not accounts.is_verified(user):
        return 0
    return _told(ownership.adopt_bookings_for(user.email, caller_of_user(user.pk)))


def _told(adopted: int) -> int:
    if adopted:
        logger.info("bookings_adopted", extra={"bookings": adopted})
    return adopted
