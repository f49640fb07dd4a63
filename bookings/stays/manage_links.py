"""The links that open one booking to whoever has them: guests need no account.

A link says which booking and until when, and is signed: it cannot be guessed, and ends by
itself a while after the stay.
"""

from datetime import date, timedelta

from django.core import signing

from bookings.infrastructure import clock

_SALT = "bookings.manage_links"

# Long enough to find an invoice, short enough that an old mail opens nothing.
LIFE_AFTER_STAY = timedelta(days=30)


def make_link_token(booking_id: str, check_out: date) -> str:
    """The token for a booking's link; see `last_day`."""
    return signing.dumps([booking_id, last_day(check_out).isoformat()], salt=_SALT)


def read_link_token(token: str) -> str | None:
    """The id of the booking that the token opens; None if it is forged or its time is over."""
    try:
        booking_id, until = signing.loads(token, salt=_SALT)
    except signing.BadSignature:
        return None
    # Whichever day it is at the hotel, it is one more at most.
    return booking_id if clock.today("UTC") <= date.fromisoformat(until) else None


def last_day(check_out: date) -> date:
    """The last day on which a link made for a stay that ends on this day opens it."""
    return check_out + LIFE_AFTER_STAY
