"""The page on which guests give their stay other dates or another category.

A GET shows the form and, with dates in the URL, a preview: the stay now and then, and what the
change costs. Each preview that is opened has a key of its own, so that its button acts once however
often it is pressed. A refused POST shows a new preview with what is possible now.
"""

import datetime as dt
import uuid
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils.formats import date_format
from django.utils.translation import gettext as _
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods

from bookings.availability.change_search import ChangeFound, find_change
from bookings.catalogue import inventory
from bookings.domain.booking import Booking
from bookings.domain.money import format_money
from bookings.domain.stay_request import ChangeWish
from bookings.infrastructure import clock
from bookings.infrastructure.deadlines import TimedRequest
from bookings.infrastructure.recent_reads import hear_of_changes
from bookings.infrastructure.throttles import remote_address_of
from bookings.refusals import NotChangeable
from bookings.stays import rebooking
from bookings.stays.cancellation_rule import describe_cancellation
from bookings.web import limits, visitors
from bookings.web.booking_pages import booking_url, find_booking
from bookings.web.forms import NewStayForm
from bookings.web.messages import (
    CHANGE_SENTENCES,
    CHANGED,
    PASSING_CODES,
    UNCHANGEABLE,
    explain,
)
from bookings.web.presentation import ShownBooking, describe_obstacle, show_bookings
from bookings.web.script_answers import ask_again, go, is_scripted
from bookings.web.search import FAULTS
from bookings.web.service_call import Said, ask


@dataclass(frozen=True)
class ShownChange:
    """The stay as it would be, if it can be had; otherwise the reasons and the nearest stays."""

    arrival: dt.date
    departure: dt.date
    night_count: int
    rooms: tuple[str, ...]
    category: str
    is_new_category: bool
    is_the_same: bool = False
    total: int = 0
    price: str = ""
    difference: str = ""
    # Each night, its price, and whether that is the price it had.
    nights: tuple[tuple[dt.date, str, bool], ...] = ()
    key: str = ""
    cancellation: str = ""
    reasons: tuple[str, ...] = ()
    nearest: tuple[tuple[dt.date, dt.date, int], ...] = ()

    @property
    def kept_count(self) -> int:
        return sum(is_kept for _night, _amount, is_kept in self.nights)

    @property
    def new_count(self) -> int:
        return len(self.nights) - self.kept_count


@never_cache
@require_http_methods(["GET", "HEAD", "POST"])
@limits.limit_posts
def change(request: TimedRequest, booking_id: str) -> HttpResponse:
    """Shows what a change would cost, and makes it."""
    hear_of_changes()
    booking = find_booking(request, booking_id)
    if request.method != "POST":
        return _show(request, booking, request.GET)
    form = _form_of(booking, request.POST)
    total, key = request.POST.get("total", ""), request.POST.get("key", "")
    if not form.is_valid() or not (total.isascii() and total.isdigit() and len(total) < 16):
        fault = explain("VALIDATION_ERROR")
        return _show(request, booking, request.POST, fault=fault, status=400)
    wish = _wish_of(booking, form, int(total))
    payload: dict[str, Any] = {
        "checkIn": wish.check_in.isoformat(),
        "checkOut": wish.check_out.isoformat(),
        "quotedTotal": wish.quoted_total,
    }
    if wish.category:
        payload["categoryId"] = wish.category
    said = ask(
        lambda: rebooking.change_stay(
            actor=visitors.caller_of(request),
            booking_id=booking_id,
            key_header=key or None,
            read_payload=lambda: payload,
            deadline=request.deadline,
            remote_address=remote_address_of(request),
            mailbox_digest=visitors.confirmed_mailbox_digest(request),
        )
    )
    if said.code:
        return _refuse(request, booking_id, said)
    messages.success(request, CHANGED)
    return go(request, booking_url(booking))


def _refuse(request: HttpRequest, booking_id: str, said: Said) -> HttpResponse:
    """Shows what is possible now. A script lets the browser load that page, unless it only has to
    send the form again."""
    assert said.code is not None
    sentence = explain(said.code, instead=CHANGE_SENTENCES)
    if is_scripted(request) and said.code in PASSING_CODES:
        return ask_again(
            code=said.code,
            sentence=sentence,
            status=said.status,
            retry_after_s=said.retry_after_s,
        )
    booking = find_booking(request, booking_id)
    return _show(request, booking, request.POST, fault=sentence, status=said.status)


def _show(
    request: HttpRequest, booking: Booking, asked: Any, *, fault: str = "", status: int = 200
) -> HttpResponse:
    now = clock.now()
    (shown,) = show_bookings([booking], now=now)
    hotel = shown.hotel
    today = clock.today(hotel.time_zone)
    context: dict[str, Any] = {
        "booking": shown,
        "category_names": _names_of(booking),
        "fault": fault,
        "today": today,
        "last_day": today + dt.timedelta(days=inventory.HORIZON_DAYS),
    }
    try:
        rebooking.judge_changeable(booking, now)
        form = _form_of(booking, asked if "arrival" in asked or "departure" in asked else None)
        context["form"] = form
        if form.is_bound and form.is_valid():
            found = find_change(booking, _wish_of(booking, form, 0))
            of_dates = [wrong.field for wrong in found.faults if wrong.field in FAULTS]
            for name in of_dates:
                field, sentence = FAULTS[name]
                form.add_error(field, sentence % {"days": inventory.HORIZON_DAYS})
            if not of_dates:
                context["change"] = _preview(booking, shown, form, found)
    except NotChangeable as refusal:
        context["unchangeable"] = _explain_refusal(refusal, shown)
    if status == 200 and "form" in context and context["form"].errors:
        status = 400
    return render(request, "booking/change.html", context, status=status)


def _explain_refusal(refusal: NotChangeable, shown: ShownBooking) -> str:
    time = date_format(shown.cancel_until_hotel, _("l j F Y, H:i"))
    return str(UNCHANGEABLE[refusal.why]) % {"time": time, "hotel": shown.hotel.name}


def _form_of(booking: Booking, asked: Any) -> NewStayForm:
    """The form, filled in with the stay as it is. It asks for a category if there is one to ask."""
    categories = []
    if booking.category is not None:
        categories = [
            (category.id, category.local_name)
            for category, rooms in inventory.recent_house(booking.hotel)
            if category.id == booking.category or any(room.is_sold for room in rooms)
        ]
    return NewStayForm(
        asked,
        categories=categories if len(categories) > 1 else [],
        room_count=len(booking.rooms),
        initial={
            "arrival": booking.check_in.isoformat(),
            "departure": booking.check_out.isoformat(),
            "category": booking.category or "",
        },
    )


def _wish_of(booking: Booking, form: NewStayForm, total: int) -> ChangeWish:
    asked = form.cleaned_data
    category = asked["category"] or None
    if category == booking.category:
        category = None
    return ChangeWish(asked["arrival"], asked["departure"], category, total)


def _preview(
    booking: Booking, shown: ShownBooking, form: NewStayForm, found: ChangeFound
) -> ShownChange:
    wish = _wish_of(booking, form, 0)
    names = _names_of(booking, wish.category)
    what: dict[str, Any] = {
        "arrival": wish.check_in,
        "departure": wish.check_out,
        "night_count": (wish.check_out - wish.check_in).days,
        "rooms": names,
        "category": wish.category or booking.category or "",
        "is_new_category": wish.category is not None,
    }
    if found.offer is None:
        reasons = [
            describe_obstacle(
                obstacle,
                occupancy=found.occupancy,
                rooms_left=found.rooms_left,
                room_count=len(booking.rooms),
            )
            for obstacle in found.obstacles
        ]
        return ShownChange(
            **what,
            # Without an obstacle, the category is gone or has no room for sale.
            reasons=tuple(reasons) or (_("No rooms of this kind are for sale."),),
            nearest=tuple((first, last, (last - first).days) for first, last in found.nearest),
        )
    price = found.offer.price
    return ShownChange(
        **what,
        is_the_same=(
            wish.category is None
            and (wish.check_in, wish.check_out) == (booking.check_in, booking.check_out)
        ),
        total=price.total,
        price=format_money(price.total, price.currency),
        difference=_describe_difference(price.total - shown.total, price.currency),
        nights=tuple(
            (night, format_money(amount, price.currency), night in found.offer.kept)
            for night, amount in price.nights
        ),
        key=str(uuid.uuid4()),
        cancellation=describe_cancellation(shown.hotel, wish.check_in, now=shown.shown_at),
    )


def _names_of(booking: Booking, category: str | None = None) -> tuple[str, ...]:
    """The category of each room."""
    ids = [category or booked.category for booked in booking.rooms]
    names = inventory.category_names(ids)
    return tuple(_counted(names.get(each, each) for each in ids))


def _counted(names: Iterable[str]) -> list[str]:
    """`2 × Double`, in the order in which the names first come."""
    counts: dict[str, int] = {}
    for name in names:
        counts[name] = counts.get(name, 0) + 1
    return [f"{count} × {name}" if count > 1 else name for name, count in counts.items()]


def _describe_difference(amount: int, currency: str) -> str:
    if amount == 0:
        return _("The price stays the same.")
    money = format_money(abs(amount), currency)
    if amount > 0:
        return _("%(money)s more than now.") % {"money": money}
    return _("%(money)s less than now.") % {"money": money}
