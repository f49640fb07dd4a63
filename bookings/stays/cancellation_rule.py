"""The rule for cancelling a stay in words, in the guest's language and the hotel's own time."""

from datetime import date, datetime
from zoneinfo import ZoneInfo

from django.utils.formats import date_format
from django.utils.translation import gettext as _

from bookings.catalogue.inventory import HotelFacts


def describe_cancellation(hotel: HotelFacts, check_in: date, *, now: datetime) -> str:
    """What applies to a stay in this hotel that begins on this day, if it is booked now."""
    last = hotel.last_cancellation(check_in)
    if now >= last:
        return _("This stay can’t be cancelled.")
    time = last.astimezone(ZoneInfo(hotel.time_zone))
    told = {"time": date_format(time, _("H:i")), "day": date_format(time, _("j F Y"))}
    return _("Free cancellation until %(time)s on %(day)s (local time at the hotel).") % told
