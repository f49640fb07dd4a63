"""A stay as a file for the guest's own calendar (iCalendar, RFC 5545)."""

from collections.abc import Sequence
from email.utils import parseaddr

from django.conf import settings
from django.utils.translation import get_language
from django.utils.translation import gettext as _
from icalendar import Calendar, Event, vCalAddress

from bookings.catalogue.inventory import HotelFacts
from bookings.domain.booking import Booking
from bookings.infrastructure import clock
from bookings.infrastructure.texts import on_one_line


def write_stay_file(
    booking: Booking,
    *,
    hotel: HotelFacts,
    address: str,
    rooms: Sequence[str],
    is_off: bool = False,
) -> bytes:
    """One event from check-in to check-out. It does not name the guest: calendars are shared.

    A later file of the same booking replaces an earlier one. With `is_off` it removes the stay from
    the calendar. Both follow RFC 5546, which requires an organizer. `address` is the hotel's, or
    empty.
    """
    name = on_one_line(hotel.name)
    event = Event()
    # Never changes, so that importing the file again replaces the event.
    event.add("uid", f"{booking.id}@bookingsite")
    event.add("sequence", booking.version)
    event.add("dtstamp", clock.now())
    event.add("dtstart", clock.local_moment(booking.check_in, hotel.check_in_time, hotel.time_zone))
    event.add("dtend", clock.local_moment(booking.check_out, hotel.check_out_time, hotel.time_zone))
    event.add("summary", _("Stay at %(hotel)s") % {"hotel": name})
    event.add(
        "description",
        _("Reference %(reference)s: %(rooms)s")
        % {"reference": booking.reference, "rooms": on_one_line("; ".join(rooms))},
    )
    # Programs look for this place on a map. The library escapes its commas and semicolons.
    event.add("location", ", ".join(part for part in (name, on_one_line(address)) if part))
    # The hotel, at the address that sends its mails, so that replies reach the same people.
    organizer = vCalAddress(f"mailto:{parseaddr(settings.DEFAULT_FROM_EMAIL)[1]}")
    organizer.params["CN"] = name.replace('"', "'")  # a parameter can quote no quotation mark
    event.add("organizer", organizer)
    event.add("status", "CANCELLED" if is_off else "CONFIRMED")
    calendar = Calendar()
    calendar.add("prodid", f"-//Bookingsite//stays//{get_language().upper()}")
    calendar.add("version", "2.0")
    calendar.add("method", "CANCEL" if is_off else "PUBLISH")
    calendar.add_component(event)
    return bytes(calendar.to_ical())
