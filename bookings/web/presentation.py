"""Stays and bookings as the pages show them: looked up, worded and priced."""

import datetime as dt
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from zoneinfo import ZoneInfo

from django.utils.formats import date_format
from django.utils.functional import Promise
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from bookings.availability import search
from bookings.availability.search import CategoryStay
from bookings.catalogue import calendars, inventory
from bookings.catalogue.calendars import Obstacle
from bookings.catalogue.inventory import HotelFacts
from bookings.domain.booking import (
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
from bookings.stays.lifecycle import LONGEST_HOLD, MAX_EXTENSIONS
from bookings.web.forms import STATUS_LABELS
from bookings.web.intents import Intent

# Longer stays are told by their total and, where nights differ, their range.
MAX_NAMED_DAYS = 10


@dataclass(frozen=True)
class Offered:
    """One category for the stay that was searched for, and what its form sends."""

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
    # Once it can be had: the key of the form, or where the hold is that the visitor has already.
    key: str = ""
    held_as: str | None = None

    @property
    def can_be_had(self) -> bool:
        return not self.reasons

    @property
    def beds(self) -> range:
        """For the drawing, which has room for four."""
        return range(min(self.occupancy, 4))


@dataclass(frozen=True)
class ShownBooking:
    """A booking with all that its page says of it."""

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
    intent: Intent | None

    @property
    def is_held(self) -> bool:
        return self.status == PENDING

    @property
    def expires_at_hotel(self) -> dt.datetime | None:
        """The hold's end as the hotel's clocks show it."""
        return self.expires_at and self._at_hotel(self.expires_at)

    @property
    def cancel_until_hotel(self) -> dt.datetime:
        """The end of the time for cancelling, likewise."""
        return self._at_hotel(self.cancel_until)

    def _at_hotel(self, moment: dt.datetime) -> dt.datetime:
        # Without its zone, or the templates would turn it into the server's time again.
        return moment.astimezone(ZoneInfo(self.hotel.time_zone)).replace(tzinfo=None)

    @property
    def night_count(self) -> int:
        return (self.check_out - self.check_in).days


def offer_stay(stay: CategoryStay, *, intent: Intent, key: str, held_as: str | None) -> Offered:
    """A category as the results show it."""
    reasons = [_describe_obstacle(obstacle, stay, intent) for obstacle in stay.obstacles]
    price = stay.price
    return Offered(
        id=stay.category.id,
        name=stay.category.name,
        occupancy=stay.category.occupancy,
        rooms_left=stay.rooms_left,
        total=price.total * intent.rooms if price else 0,
        price=format_money(price.total * intent.rooms, price.currency) if price else "",
        night_price=_describe_night_price(price) if price else "",
        # Somebody's own hold is what makes the last room look taken to them.
        reasons=() if held_as else tuple(reasons),
        nearest=tuple((first, last, (last - first).days) for first, last in stay.nearest),
        key=key,
        held_as=held_as,
    )


def show_bookings(bookings: Iterable[Booking], *, now: dt.datetime) -> list[ShownBooking]:
    """The bookings with the names of what they are about; each catalogue is read once."""
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
        label=STATUS_LABELS[status],
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
        intent=intent_of(booking),
    )


def _may_extend(booking: Booking) -> bool:
    extensions = sum(change.event == "extended" for change in booking.history)
    last_end = booking.created_at + LONGEST_HOLD
    return (
        extensions < MAX_EXTENSIONS
        and booking.expires_at is not None
        and booking.expires_at < last_end
    )


def describe_changes(booking: Booking, seen: SeenStay) -> list[str]:
    """What is another than was seen, each in a few words."""
    told = []
    if (seen.check_in or booking.check_in, seen.check_out or booking.check_out) != (
        booking.check_in,
        booking.check_out,
    ):
        days = {
            "first": date_format(booking.check_in, _("j F Y")),
            "last": date_format(booking.check_out, _("j F Y")),
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
    """The wish that a page would make it from; None if it is none of a page's."""
    return _intent_for(booking.hotel, told_now(booking))


def intents_of(booking: Booking) -> list[Intent]:
    """The wishes that a page may have made it from. Staff may have moved it since, and then it is
    no longer for the stay that was wished for."""
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
    """`EUR 120.00`, or `EUR 110.00 to EUR 130.00` where nights differ; for one room."""
    amounts = [amount for _, amount in price.nights]
    low, high = (format_money(amount, price.currency) for amount in (min(amounts), max(amounts)))
    return low if low == high else _("%(low)s to %(high)s") % {"low": low, "high": high}


def _describe_obstacle(obstacle: Obstacle, stay: CategoryStay, intent: Intent) -> str:
    """Why a stay cannot be had, in the reader's language."""
    days = describe_days(obstacle.days)
    match obstacle.code:
        case calendars.CLOSED:
            return _("Not for sale on %(days)s.") % {"days": days}
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
            return _("Sleeps %(count)s. Choose a larger room or add a room.") % {
                "count": stay.category.occupancy
            }
        case search.TOO_FEW_ROOMS if obstacle.days:
            return _("Fewer than %(count)s such rooms are free on %(days)s.") % {
                "count": intent.rooms,
                "days": days,
            }
        case search.TOO_FEW_ROOMS:
            return _too_few_rooms(stay.rooms_left)
        case search.SOLD_OUT:
            return _("Sold out on %(days)s.") % {"days": days}
        case search.NO_SINGLE_ROOM:
            return _("Every night has a free room, but you would have to change rooms.")
        case search.NO_ROOMS:
            return _("No rooms of this kind are for sale.")
    return obstacle.message


def _too_few_rooms(rooms_left: int) -> str:
    return ngettext(
        "Only %(count)s such room is free on all these nights.",
        "Only %(count)s such rooms are free on all these nights.",
        rooms_left,
    ) % {"count": rooms_left}


def describe_days(days: tuple[dt.date, ...]) -> str:
    """`3 March, 5 March to 8 March`; of very many runs only the first are named."""
    runs = list(_runs_of(days))
    texts = []
    for first, last in runs[:MAX_NAMED_DAYS]:
        text = date_format(first, _("j F"))
        if last > first:
            text = _("%(first)s to %(last)s") % {"first": text, "last": date_format(last, _("j F"))}
        texts.append(text)
    if len(runs) > MAX_NAMED_DAYS:
        texts.append(_("and more days"))
    return ", ".join(texts)


def _runs_of(days: tuple[dt.date, ...]) -> Iterator[tuple[dt.date, dt.date]]:
    """First and last of each run of days in a row."""
    known = set(days)
    for day in sorted(known):
        if day - dt.timedelta(days=1) not in known:
            last = day
            while last + dt.timedelta(days=1) in known:
                last += dt.timedelta(days=1)
            yield day, last
