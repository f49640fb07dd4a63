"""Mails to guests about their bookings: confirmed, moved, cancelled; held, and running out.

Each mail is one delivery of the channel `mail`. It is written when it is sent, from the booking as
of then. It leaves out what is no longer true, since later news has a mail of its own. Guests
without an address get no mail. A mail that fails does not hold up the others.
"""

import logging
import smtplib
from collections.abc import Collection, Iterable
from contextlib import suppress
from datetime import datetime
from typing import Any

from django.core.mail import EmailMessage
from django.utils import translation
from pymongo.errors import PyMongoError

from bookings.catalogue.inventory import HotelFacts, find_hotel, name_booked
from bookings.content.brand.reading import recent_brand
from bookings.content.reading import AboutHotel, find_hotel_content
from bookings.domain.booking import (
    ACTIVE,
    CANCELLED,
    CHANGED,
    CONFIRMED,
    CORRECTIONS_TOLD,
    EXPECTED,
    EXPIRED,
    Booking,
    Change,
)
from bookings.domain.email_addresses import respell_address
from bookings.infrastructure import clock
from bookings.infrastructure.deadlines import request_limits
from bookings.infrastructure.mail import make_mail, render_html, render_text
from bookings.infrastructure.mongodb import outage
from bookings.infrastructure.queues import failed_work
from bookings.infrastructure.queues.failed_work import MAILS, NeverFinished
from bookings.infrastructure.queues.single_run import RunTime, one_at_a_time
from bookings.news import deliveries
from bookings.news.deliveries import GIVEN_UP, NOT_NEEDED, SENT, WAITING, Delivery
from bookings.news.guest_letters import GuestLetter, write_farewell, write_letter
from bookings.news.relay import is_about_to_end
from bookings.news.reminders import arrives_at
from bookings.points import reached
from bookings.stays import queries
from bookings.stays.calendar_file import write_stay_file
from bookings.stays.notices import FORMER

logger = logging.getLogger(__name__)

_WAITS = "A worker is about to send it."


class NotSendable(Exception):
    """A mail cannot be sent again; the message says why."""


@one_at_a_time
def send_notifications() -> int:
    """Sends due mails until its time is up; returns how many were sent."""
    run_time = RunTime()
    sent = 0
    while delivery := _take():
        sent += _send(delivery)
        if run_time.is_up:
            break
    return sent


def _take() -> Delivery | None:
    with request_limits():
        return deliveries.take_mail()


def _send(delivery: Delivery) -> bool:
    """Writes the mail and hands it to the mail server. No log line has the address."""
    about = {"event_id": delivery.event_id, "news": delivery.event, "tries": delivery.tries}
    try:
        if delivery.tries > deliveries.RETRIES.max_tries:
            raise NeverFinished
        with request_limits():
            mail, reason = _write(delivery)
        reached("before_mail")
        if mail:
            mail.send()
    except Exception as error:
        if outage.is_to_blame(error):
            with suppress(PyMongoError), request_limits():
                deliveries.give_back(delivery)
            raise
        _fail(delivery, error, about)
        return False
    reached("after_mail")
    with request_limits():
        deliveries.settle(delivery, SENT if mail else NOT_NEEDED, error=reason)
    if delivery.tries > 1:
        failed_work.forget(MAILS, [delivery.id])
    logger.info("notification_sent" if mail else "notification_not_needed", extra=about)
    return mail is not None


def _fail(delivery: Delivery, error: Exception, about: dict[str, Any]) -> None:
    """Leaves the mail to its next try, or gives it up. Staff see unexpected errors."""
    said = {"reason": type(error).__name__}
    if isinstance(error, (smtplib.SMTPException, OSError)):
        with request_limits():
            is_over = _refuse(delivery, error)
    else:
        with request_limits():
            is_over = deliveries.fail(
                delivery, "It could not be written; the worker's log says why."
            )
        if failed_work.note(MAILS, delivery.id, error, is_over=is_over).is_new:
            said = failed_work.describe(error)
    name = "notification_given_up" if is_over else "notification_not_sent"
    logger.warning(name, extra={**about, **said})


def _refuse(delivery: Delivery, error: Exception) -> bool:
    """Handles a mail that the mail server did not accept; True if there is no further try."""
    text = _describe_failure(error)
    if isinstance(error, smtplib.SMTPRecipientsRefused) and all(
        code >= 500 for code, _text in error.recipients.values()
    ):
        # There is no such mailbox, so trying again is useless (RFC 5321, 4.2.1).
        deliveries.settle(delivery, GIVEN_UP, error=text)
        return True
    return deliveries.fail(delivery, text)


def _describe_failure(error: Exception) -> str:
    """The mail server's answer without the address, which it may repeat."""
    if isinstance(error, smtplib.SMTPRecipientsRefused):
        codes = sorted({str(code) for code, _text in error.recipients.values()})
        return f"The mail server refused the address ({', '.join(codes)})."
    if isinstance(error, smtplib.SMTPResponseException):
        return f"The mail server answered {error.smtp_code}."
    return f"The mail server could not be reached ({type(error).__name__})."


def _write(delivery: Delivery) -> tuple[EmailMessage | None, str]:
    """The mail as of now; or None, and the reason why none is needed."""
    booking = queries.find_booking(delivery.booking)
    if booking is None or not booking.guest.email:
        return None, "The booking no longer has an address."
    now = clock.now()
    if not _is_still_true(delivery, booking, now):
        return None, "The booking has changed since this news."
    with translation.override(booking.language):
        return _write_about(delivery, booking, now), ""


def list_again(booking: Booking) -> dict[str, str | None]:
    """The booking's mails, by their ids, each with why it cannot be sent again; None if it can."""
    now = clock.now()
    mails = deliveries.list_mails(booking.id)
    waiting = _waiting_news(mails)
    return {
        delivery.id: _why_not_again(delivery, waiting, booking, now)
        for delivery, _state, _error in mails
    }


def send_again(booking: Booking, delivery_id: str, *, key: str) -> str:
    """Has a mail sent again to the guest's present address, as the booking is now; returns its
    event. Acts once for each key: "" if it was done before. Raises NotSendable, which says why.
    """
    now = clock.now()
    mails = deliveries.list_mails(booking.id)
    chosen = next((mail for mail, _state, _error in mails if mail.id == delivery_id), None)
    if chosen is None:
        raise NotSendable("There is no such mail any more.")
    alike = [mail for mail, _state, _error in mails if mail.news_id == chosen.news_id]
    if key in {mail.again_key for mail in alike}:
        return ""
    if fault := _why_not_again(chosen, _waiting_news(mails), booking, now):
        raise NotSendable(fault)
    number = 1 + max(mail.again_number for mail in alike)
    if not deliveries.make_again(chosen, key=key, number=number, now=now):
        # Two presses at once. A press that repeats this one finds its key the next time.
        raise NotSendable(_WAITS)
    return chosen.event


def _waiting_news(mails: Iterable[tuple[Delivery, str, str]]) -> set[str]:
    """The news of which a mail still waits, the first or one that staff asked for."""
    return {mail.news_id for mail, state, _error in mails if state == WAITING and mail.to != FORMER}


def _why_not_again(
    delivery: Delivery, waiting: Collection[str], booking: Booking, now: datetime
) -> str | None:
    """A sentence that says why this mail cannot be sent again; None if it can be."""
    if booking.is_erased:
        return "The guest’s details were erased."
    if delivery.to == FORMER:
        return "The former address is not kept."
    if delivery.news_id in waiting:
        return _WAITS
    if not booking.guest.email:
        return "The guest has no e-mail address."
    if booking.status_at(now) == EXPIRED:
        return "The hold has ended."
    if not _is_still_true(delivery, booking, now):
        return "The booking has changed since this news."
    return None


def _is_still_true(delivery: Delivery, booking: Booking, now: datetime) -> bool:
    status = booking.status_at(now)
    match delivery.event:
        case "confirmed":
            return status == CONFIRMED
        case "moved":
            # Of two moves, the later one has the present rooms and dates.
            return status in ACTIVE and _last_move(booking).at == delivery.at
        case "arriving":
            hotel = find_hotel(booking.hotel)
            return (
                status == CONFIRMED
                and booking.presence == EXPECTED
                and booking.check_in.isoformat() == delivery.payload["checkIn"]
                and hotel is not None
                and now < arrives_at(hotel, booking.check_in)
            )
        case "corrected":
            lines = [change.at for change in booking.history if change.event in CORRECTIONS_TOLD]
            return status == CONFIRMED and lines[-1] == delivery.at
        case "readdressed":
            # Unless the booking has come back to this address.
            return respell_address(delivery.address) != respell_address(booking.guest.email)
        case "cancelled":
            return status == CANCELLED
        case "expired":
            return status == EXPIRED
        case _:
            return is_about_to_end(booking, delivery.ends_at, now)


def _last_move(booking: Booking) -> Change:
    """The last time that staff moved the stay, or its owner changed it."""
    return [change for change in booking.history if change.event in ("moved", CHANGED)][-1]


def _write_about(delivery: Delivery, booking: Booking, now: datetime) -> EmailMessage:
    hotel = find_hotel(booking.hotel)
    assert hotel is not None, "a hotel with bookings cannot be deleted"
    about = find_hotel_content(hotel.id) or AboutHotel(hotel.id)
    if delivery.to == FORMER:
        letter = write_farewell(booking, hotel=hotel, about=about)
        return _make_mail(delivery, letter, hotel, about, to=delivery.address)
    names = name_booked(booking.rooms)
    rooms = [names[room_id] for room_id in booking.room_ids]
    letter = write_letter(delivery.event, booking, hotel=hotel, about=about, rooms=rooms, now=now)
    mail = _make_mail(delivery, letter, hotel, about, to=booking.guest.email)
    if booking.was_booked:
        is_off = booking.status == CANCELLED
        content = write_stay_file(
            booking, hotel=hotel, address=about.address, rooms=rooms, is_off=is_off
        )
        method = "CANCEL" if is_off else "PUBLISH"
        mail.attach(f"{booking.reference}.ics", content.decode(), f"text/calendar; method={method}")
    return mail


def _make_mail(
    delivery: Delivery, letter: GuestLetter, hotel: HotelFacts, about: AboutHotel, *, to: str
) -> EmailMessage:
    context = {"letter": letter, "hotel": hotel, "language": translation.get_language()}
    return make_mail(
        delivery.event_id,
        to=to,
        subject=letter.subject,
        text=render_text("stay", context),
        html=render_html("stay", context),
        sender=recent_brand().chosen_sender or hotel.name,
        reply_to=about.email,
    )
