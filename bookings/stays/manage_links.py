"""Links that open one booking to anyone who has the link, so that guests need no account.

A link contains the booking's id and a last day, and is signed. So it cannot be guessed, and ends by
itself some time after the stay.
"""

from datetime import date, timedelta

from django.core import signing

from bookings.infrastructure import clock

_SALT = "bookings.manage_links"

# Long enough to find an invoice, short enough that an old mail opens nothing.
LIFE_AFTER_STAY = timedelta(days=30)


def make_link_token(booking_id: str, check_out: date) -> str:
    """The token in a booking's link, valid until `last_day`."""
    return signing.dumps([booking_id, last_day(check_out).isoformat()], salt=_SALT)


def read_link_token(token: str) -> str | None:
    """The id of the booking that the token opens, or None if it is forged or has expired."""
    try:
        booking_id, until = signing.loads(token, salt=_SALT)
    except signing.BadSignature:
        return None
    # The hotel's day differs from this one by a day at most.
    return booking_id if clock.today("UTC") <= date.fromisoformat(until) else None


def last_day(check_out: date) -> date:
    """The last day on which a link made for a stay that ends on this day opens it."""
    return check_out + LIFE_AFTER_STAY
