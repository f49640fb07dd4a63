"""The rule for cancelling a stay in words, in the guest's language and the hotel's own time."""

from datetime import date, datetime

from django.utils.translation import gettext as _

from bookings.catalogue.inventory import HotelFacts
from bookings.presentation.days import long_day_text
from bookings.presentation.moments import at_hotel, time_text


def describe_cancellation(hotel: HotelFacts, check_in: date, *, now: datetime) -> str:
    """What applies to a stay in this hotel that begins on this day, if it is booked now."""
    last = hotel.last_cancellation(check_in)
    if now >= last:
        return _("This stay can’t be cancelled.")
    told = {
        "time": time_text(last, hotel.time_zone),
        "day": long_day_text(at_hotel(last, hotel.time_zone)),
    }
    return _("Free cancellation until %(time)s on %(day)s (local time at the hotel).") % told
