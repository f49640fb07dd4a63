"""A guest's bookings become those of the account that turns out to be theirs.

Everything here is one update of each booking, and safe to repeat. Only guests' bookings change
hands: never a partner's, nor those of another account.
"""

import logging

from django.contrib.auth.models import User

from bookings import repository
from bookings.callers import Caller, caller_of_user
from bookings.models import VerifiedAddress

logger = logging.getLogger(__name__)


def gather_bookings(*, user: User, guest: Caller | None) -> int:
    """At each login: what this browser's guest booked, and what was booked with their address."""
    adopted = adopt_guest(guest=guest, user=user) if guest else 0
    for verified in VerifiedAddress.objects.filter(user=user):
        adopted += adopt_by_address(user=user, address=verified.address)
    return adopted


def adopt_guest(*, guest: Caller, user: User) -> int:
    """Gives the user what this guest has booked; returns how many bookings."""
    if guest.kind != "guest":
        raise ValueError(f"{guest.kind} is no guest.")
    adopted = repository.adopt_bookings_of(str(guest), caller_of_user(user.pk))
    return _told(adopted)


def adopt_by_address(*, user: User, address: str) -> int:
    """Gives the user what guests have booked with this address, if it is verified as theirs.

    Holds stay with the browser that made them: anybody can hold with anybody's address.
    """
    if not VerifiedAddress.objects.filter(pk=address, user=user).exists():
        return 0
    return _told(repository.adopt_bookings_for(address, caller_of_user(user.pk)))


def _told(adopted: int) -> int:
    if adopted:
        logger.info("bookings_adopted", extra={"bookings": adopted})
    return adopted
