"""Reminders of stays: one mail some days before arrival, in hotels that wish it.

A worker looks at each hotel's next arrivals and writes one delivery for each stay that is due. The
delivery is named by the booking and its day of arrival, so the stay is reminded once however often
and wherever this runs, and once more if it gets another day. The mail is written when it is sent,
and only if the stay still arrives on that day (bookings/news/guest_mails.py).
"""

from collections.abc import Iterator
from datetime import date, datetime, time, timedelta

from bson import ObjectId

from bookings.catalogue.inventory import HotelFacts, list_hotels
from bookings.domain.booking import CHANGED, CONFIRMED, Booking
from bookings.infrastructure import clock
from bookings.news import deliveries
from bookings.news.deliveries import MAIL, Delivery
from bookings.stays import answers, due_work, queries
from bookings.stays.notices import NEWS_ARRIVING

# A mail at midnight would be read with a fright, or not at all.
SENT_FROM = time(9)


def remind_of_arrivals() -> int:
    """Writes a delivery for each stay whose reminder is due; returns how many were new."""
    now = clock.now()
    return sum(
        deliveries.record(_deliveries(hotel, now))
        for hotel in list_hotels()
        if hotel.reminder_days > 0
    )


def _deliveries(hotel: HotelFacts, now: datetime) -> Iterator[Delivery]:
    today = clock.today(hotel.time_zone)
    arrivals = due_work.find_arrivals(
        hotel.id, today, today + timedelta(days=hotel.reminder_days + 1)
    )
    due = {
        booking_id: check_in
        for booking_id, check_in in arrivals.items()
        if _due_at(hotel, check_in) <= now < arrives_at(hotel, check_in)
    }
    ids = {booking_id: _event_id(booking_id, check_in) for booking_id, check_in in due.items()}
    known = deliveries.find_known(f"{event_id}:{MAIL}" for event_id in ids.values())
    for booking_id, check_in in due.items():
        if f"{ids[booking_id]}:{MAIL}" in known:
            continue
        booking = queries.find_booking(booking_id)
        if booking and _needs_reminder(booking, check_in, _due_at(hotel, check_in)):
            yield Delivery(
                channel=MAIL,
                to="",
                event_id=ids[booking_id],
                event=NEWS_ARRIVING,
                at=now,
                booking=booking.id,
                reference=booking.reference,
                version=booking.version,
                payload=answers.describe(booking, now=now),
                created_at=now,
            )


def _needs_reminder(booking: Booking, check_in: date, due_at: datetime) -> bool:
    """Who booked, moved or changed the stay since then has just had a mail that says it all."""
    settled_at = max(
        (
            line.at
            for line in booking.history
            if line.event in ("created", "confirmed", "moved", CHANGED)
        ),
        default=booking.created_at,
    )
    return (
        booking.status == CONFIRMED
        and booking.check_in == check_in
        and bool(booking.guest.email)
        and settled_at < due_at
    )


def arrives_at(hotel: HotelFacts, check_in: date) -> datetime:
    """The moment of check-in. A reminder would come too late from then on."""
    return clock.local_moment(check_in, hotel.check_in_time, hotel.time_zone)


def _due_at(hotel: HotelFacts, check_in: date) -> datetime:
    day = check_in - timedelta(days=hotel.reminder_days)
    return clock.local_moment(day, SENT_FROM, hotel.time_zone)


def _event_id(booking_id: ObjectId, check_in: date) -> str:
    return f"{booking_id}-{check_in:%Y%m%d}-{NEWS_ARRIVING}"
