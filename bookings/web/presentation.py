"""Prepares stays and bookings for the pages: names, sentences and prices."""

import datetime as dt
from collections.abc import Callable, Iterable
from dataclasses import dataclass

from django.utils.functional import Promise
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from bookings.availability import search
from bookings.availability.search import CategoryStay
from bookings.catalogue import calendars, inventory
from bookings.catalogue.calendars import Obstacle
from bookings.catalogue.inventory import HotelFacts
from bookings.content.photos.facts import PhotoFacts
from bookings.content.reading import AboutCategory
from bookings.domain.booking import (
    CANCELLED,
    CONFIRMED,
    EXPIRED,
    LATE_CONFIRM,
    PENDING,
    Booking,
    Price,
    common_category,
)
from bookings.domain.money import format_money
from bookings.domain.stay_request import Guest, SeenStay
from bookings.domain.told import Told, told_now, told_when_made
from bookings.presentation.days import describe_days, long_day_text
from bookings.presentation.moments import at_hotel, time_text
from bookings.refusals import NotChangeable
from bookings.stays.cancellation_rule import describe_cancellation
from bookings.stays.corrections import judge_correctable
from bookings.stays.lifecycle import LONGEST_HOLD, MAX_EXTENSIONS
from bookings.stays.rebooking import judge_changeable
from bookings.web.descriptions import ShownCategory, show_category
from bookings.web.forms import RELEASED, STATUS_LABELS
from bookings.web.intents import Intent


@dataclass(frozen=True)
class Offered:
    """One category for the stay in the search, with the values for its form."""

    id: str
    name: str
    occupancy: int
    rooms_left: int
    total: int
    price: str
    night_price: str
    reasons: tuple[str, ...]
    # Arrival, departure and number of nights.
    nearest: tuple[tuple[dt.date, dt.date, int], ...]
    about: ShownCategory | None
    # If the stay can be booked: the form's key, or the id of the visitor's own hold.
    key: str = ""
    held_as: str | None = None
    photo: PhotoFacts | None = None

    @property
    def can_be_had(self) -> bool:
        return not self.reasons

    @property
    def beds(self) -> range:
        """Beds for the drawing, which has space for four."""
        return range(min(self.occupancy, 4))


@dataclass(frozen=True)
class ShownBooking:
    """A booking with everything that its page shows."""

    id: str
    reference: str
    status: str
    label: str | Promise
    hotel: HotelFacts
    rooms: tuple[str, ...]
    check_in: dt.date
    check_out: dt.date
    guests: int
    guest: Guest
    notes: str
    nights: tuple[tuple[dt.date, str], ...]
    price: str
    total: int
    expires_at: dt.datetime | None
    may_extend: bool
    may_confirm_late: bool
    cancel_until: dt.datetime
    may_cancel: bool
    may_change: bool
    may_correct: bool
    was_booked: bool
    was_cancelled_by_staff: bool
    intent: Intent | None
    shown_at: dt.datetime

    @property
    def is_held(self) -> bool:
        return self.status == PENDING

    @property
    def expires_at_hotel(self) -> dt.datetime | None:
        """The end of the hold in the hotel's local time."""
        return self.expires_at and at_hotel(self.expires_at, self.hotel.time_zone)

    @property
    def held_until(self) -> str:
        """The end of the hold as a time of day at the hotel, such as `14:35`."""
        return time_text(self.expires_at, self.hotel.time_zone) if self.expires_at else ""

    @property
    def cancellation(self) -> str:
        """The rule for cancelling, in words."""
        return describe_cancellation(self.hotel, self.check_in, now=self.shown_at)

    @property
    def cancel_until_hotel(self) -> dt.datetime:
        """The deadline for cancelling in the hotel's local time."""
        return at_hotel(self.cancel_until, self.hotel.time_zone)

    @property
    def night_count(self) -> int:
        return (self.check_out - self.check_in).days


def offer_stay(
    stay: CategoryStay,
    *,
    intent: Intent,
    key: str,
    held_as: str | None,
    about: AboutCategory | None,
    photo: PhotoFacts | None,
) -> Offered:
    """Prepares a category for the search results."""
    reasons = [
        describe_obstacle(
            obstacle,
            occupancy=stay.category.occupancy,
            rooms_left=stay.rooms_left,
            room_count=intent.rooms,
        )
        for obstacle in stay.obstacles
    ]
    price = stay.price
    return Offered(
        id=stay.category.id,
        name=stay.category.local_name,
        occupancy=stay.category.occupancy,
        rooms_left=stay.rooms_left,
        total=price.total * intent.rooms if price else 0,
        price=format_money(price.total * intent.rooms, price.currency) if price else "",
        night_price=_describe_night_price(price) if price else "",
        # The visitor's own hold may be the reason that the last room looks taken.
        reasons=() if held_as else tuple(reasons),
        nearest=tuple((first, last, (last - first).days) for first, last in stay.nearest),
        about=show_category(about) if about else None,
        key=key,
        held_as=held_as,
        photo=photo,
    )


def show_bookings(bookings: Iterable[Booking], *, now: dt.datetime) -> list[ShownBooking]:
    """Adds the names of hotels and rooms to the bookings. It reads each catalogue once."""
    bookings = list(bookings)
    names = inventory.name_booked(room for booking in bookings for room in booking.rooms)
    hotels = {hotel.id: hotel for hotel in inventory.list_hotels()}
    shown = []
    for booking in bookings:
        hotel = hotels[booking.hotel]
        shown.append(
            _show(
                booking,
                hotel=hotel,
                rooms=tuple(names[room_id] for room_id in booking.room_ids),
                now=now,
            )
        )
    return shown


def _show(
    booking: Booking, *, hotel: HotelFacts, rooms: tuple[str, ...], now: dt.datetime
) -> ShownBooking:
    status = booking.status_at(now)
    cancel_until = hotel.last_cancellation(booking.check_in)
    currency = booking.price.currency
    return ShownBooking(
        id=str(booking.id),
        reference=booking.reference,
        status=status,
        label=STATUS_LABELS[status] if status != CANCELLED or booking.was_booked else RELEASED,
        hotel=hotel,
        rooms=rooms,
        check_in=booking.check_in,
        check_out=booking.check_out,
        guests=booking.guests,
        guest=booking.guest,
        notes=booking.notes,
        nights=tuple(
            (night, format_money(amount, currency)) for night, amount in booking.price.nights
        ),
        price=format_money(booking.price.total, currency),
        total=booking.price.total,
        expires_at=booking.expires_at,
        may_extend=status == PENDING and _may_extend(booking),
        may_confirm_late=(
            status == EXPIRED
            and booking.expires_at is not None
            and now < booking.expires_at + LATE_CONFIRM
        ),
        cancel_until=cancel_until,
        may_cancel=status == PENDING or (status == CONFIRMED and now < cancel_until),
        may_change=_is_allowed(lambda: judge_changeable(booking, now)),
        may_correct=_is_allowed(lambda: judge_correctable(booking)),
        was_booked=booking.was_booked,
        was_cancelled_by_staff=booking.was_cancelled_by_staff,
        intent=intent_of(booking),
        shown_at=now,
    )


def _is_allowed(judge: Callable[[], None]) -> bool:
    try:
        judge()
    except NotChangeable:
        return False
    return True


def _may_extend(booking: Booking) -> bool:
    extensions = sum(change.event == "extended" for change in booking.history)
    last_end = booking.created_at + LONGEST_HOLD
    return (
        extensions < MAX_EXTENSIONS
        and booking.expires_at is not None
        and booking.expires_at < last_end
    )


def describe_changes(booking: Booking, seen: SeenStay) -> list[str]:
    """What differs from the stay that was seen, a few words for each change."""
    told = []
    if (seen.check_in or booking.check_in, seen.check_out or booking.check_out) != (
        booking.check_in,
        booking.check_out,
    ):
        days = {
            "first": long_day_text(booking.check_in),
            "last": long_day_text(booking.check_out),
        }
        told.append(_("dates now %(first)s to %(last)s") % days)
    if seen.rooms is not None and sorted(seen.rooms) != sorted(booking.room_ids):
        names = inventory.name_booked(booking.rooms)
        rooms = "; ".join(names[room_id] for room_id in booking.room_ids)
        told.append(_("room now %(rooms)s") % {"rooms": rooms})
    if seen.total not in (None, booking.price.total):
        currency = booking.price.currency
        prices = {
            "now": format_money(booking.price.total, currency),
            "before": format_money(seen.total or 0, currency),
        }
        told.append(_("price now %(now)s instead of %(before)s") % prices)
    return told


def intent_of(booking: Booking) -> Intent | None:
    """The intent from which a page would make this booking; None if no page could."""
    return _intent_for(booking.hotel, told_now(booking))


def intents_of(booking: Booking) -> list[Intent]:
    """The intents from which a page may have made this booking.

    Staff may have moved it since, so the booking as it is now may not match its intent.
    """
    stays = [told_now(booking), *told_when_made(booking)]
    intents = (_intent_for(booking.hotel, stay) for stay in stays)
    return list(dict.fromkeys(intent for intent in intents if intent is not None))


def _intent_for(hotel: str, stay: Told) -> Intent | None:
    category = common_category(stay.rooms)
    guests = {room.guests for room in stay.rooms}
    if category is None or len(guests) != 1:
        return None
    return Intent(
        hotel=hotel,
        category=category,
        arrival=stay.check_in,
        departure=stay.check_out,
        guests=guests.pop(),
        rooms=len(stay.rooms),
    )


def _describe_night_price(price: Price) -> str:
    """`EUR 120.00` for one room, or `EUR 110.00 to EUR 130.00` if the nights differ."""
    amounts = [amount for _, amount in price.nights]
    low, high = (format_money(amount, price.currency) for amount in (min(amounts), max(amounts)))
    return low if low == high else _("%(low)s to %(high)s") % {"low": low, "high": high}


def describe_obstacle(
    obstacle: Obstacle, *, occupancy: int, rooms_left: int, room_count: int
) -> str:
    """Why the stay cannot be booked, in the reader's language."""
    days = describe_days(obstacle.days)
    match obstacle.code:
        case calendars.CLOSED:
            return _("Not available on %(days)s.") % {"days": days}
        case calendars.MIN_STAY:
            return ngettext(
                "Minimum stay from %(days)s: %(count)s night.",
                "Minimum stay from %(days)s: %(count)s nights.",
                obstacle.min_stay or 1,
            ) % {"days": days, "count": obstacle.min_stay}
        case calendars.CLOSED_TO_ARRIVAL:
            return _("Check-in is not possible on %(days)s.") % {"days": days}
        case calendars.CLOSED_TO_DEPARTURE:
            return _("Check-out is not possible on %(days)s.") % {"days": days}
        case search.TOO_MANY_GUESTS:
            return _("Sleeps %(count)s. Choose a larger room, or fewer guests per room.") % {
                "count": occupancy
            }
        case search.TOO_FEW_ROOMS if obstacle.days:
            return _("Fewer than %(count)s of these rooms are free on %(days)s.") % {
                "count": room_count,
                "days": days,
            }
        case search.TOO_FEW_ROOMS:
            return _too_few_rooms(rooms_left)
        case search.SOLD_OUT:
            return _("Sold out on %(days)s.") % {"days": days}
        case search.NO_SINGLE_ROOM:
            return _("Every night has a free room, but you’d have to change rooms.")
    return obstacle.message


def _too_few_rooms(rooms_left: int) -> str:
    return ngettext(
        "Only %(count)s of these rooms is free on every night.",
        "Only %(count)s of these rooms are free on every night.",
        rooms_left,
    ) % {"count": rooms_left}
