"""The customer's pages: read the form, make one service call, show what it says.

Every POST ends in a redirect to the first page, which reads the state anew; what came of the
POST is told there in one message.
"""

import datetime as dt
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode

from django.contrib import messages
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import render
from django.urls import reverse
from django.utils.dateformat import format as format_date
from django.utils.dateparse import parse_datetime
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_POST, require_safe

from bookings import availability, clock, inventory, lifecycle, services
from bookings.availability import FreeRooms
from bookings.callers import Caller, caller_of_user
from bookings.documents import ACTIVE, STATUSES
from bookings.errors import KeyReused, NotFound, Refusal, ValidationFailed
from bookings.inventory import HotelFacts
from bookings.money import format_money
from bookings.payloads import MAX_TOTAL, parse_date
from bookings.web.forms import STATUS_LABELS, SearchForm
from bookings.web.intents import Intent, IntentKeys
from bookings.web.messages import CANCELLED_SINCE, explain

HOTEL_ID = "demo"

# After these the same key would only tell the same again, so the intent gets another one.
DEFINITE_CODES = {
    KeyReused.code,
    *(refusal.code for refusal in Refusal.__subclasses__() if refusal.is_definite),
}


@never_cache
@require_safe
def home(request: HttpRequest) -> HttpResponse:
    """The rooms that are free on a night and, for whoever is logged in, their bookings."""
    hotel = inventory.find_hotel(HOTEL_ID)
    today = clock.today(hotel.time_zone if hotel else "UTC")
    tomorrow = today + dt.timedelta(days=1)
    asked = {name: value for name, value in request.GET.dict().items() if value}
    form = SearchForm({"date": tomorrow.isoformat(), **asked})
    form.is_valid()
    # Rooms first: one that was booked in between then shows among the bookings at least.
    free = _find_free(form, hotel)
    context: dict[str, Any] = {
        "form": form,
        "hotel": hotel,
        "today": today,
        "last_night": today + dt.timedelta(days=inventory.HORIZON_DAYS - 1),
        "night": form.cleaned_data.get("date"),
        "free": free,
        "rooms": _room_rows(free, request) if free else [],
    }
    if free and free.next_after:
        context["more_rooms_url"] = _home_url({**asked, "after": free.next_after})
    if request.user.is_authenticated and not form.has_error("status"):
        found, cursor = services.list_bookings(
            viewer=caller_of_user(request.user.pk),
            status=form.cleaned_data["status"] or None,
            cursor=form.cleaned_data.get("cursor"),
        )
        context["bookings"] = _booking_rows(found, today)
        if cursor:
            context["older_url"] = _home_url({**asked, "cursor": cursor})
        if "cursor" in asked:
            context["newest_url"] = _home_url({**asked, "cursor": ""})
    return render(request, "home.html", context, status=400 if form.errors else 200)


@require_POST
def book(request: HttpRequest) -> HttpResponse:
    """Books one room for one night, once for each key that a page handed out."""
    room, night = request.POST.get("room", ""), request.POST.get("date", "")
    back = _home_url({"date": night if parse_date(night) else ""})
    caller = _caller_of(request)
    if caller is None:
        return _log_in_first(request, back)
    intent_keys = IntentKeys(request.session, request.user.pk)
    intent = Intent(HOTEL_ID, room, night)
    key = intent_keys.accept(intent, request.POST.get("key", ""))
    payload = {
        "resourceId": room,
        "date": night,
        "quotedTotal": _whole_number(request.POST.get("total", "")),
    }
    try:
        outcome = services.create_booking(
            caller=caller,
            key_header=key,
            read_payload=lambda: payload,
            deadline=request.deadline,  # type: ignore[attr-defined]
        )
        answer = outcome.content
    except Refusal as refusal:
        outcome, answer = None, _answer_of(refusal)

    if outcome is None or outcome.code:
        code = answer["code"]
        if code in DEFINITE_CODES:
            intent_keys.settle(intent, key)
        name = inventory.room_names([room]).get(room)
        sentence = explain(code, answer.get("errors", ()))
        messages.error(request, f"{name}: {sentence}" if name else sentence)
        return HttpResponseRedirect(back)

    booking = answer["booking"]
    if outcome.replayed:
        # The answer is as it was then; the booking may have been cancelled since.
        booking = services.get_booking(viewer=caller, booking_id=booking["id"])
    intent_keys.settle(intent, key)
    row = _booking_rows([booking])[0]
    if booking["status"] in ACTIVE:
        messages.success(
            request, f"{row.room} is booked for you: {row.stay}. Your reference is {row.reference}."
        )
        return HttpResponseRedirect(f"{back}#{row.anchor}")
    messages.warning(request, f"{row.room}: {CANCELLED_SINCE}")
    return HttpResponseRedirect(back)


@require_POST
def cancel(request: HttpRequest, booking_id: str) -> HttpResponse:
    """Cancels one of the person's own bookings; cancelling again says the same."""
    status = request.POST.get("status", "")
    date = request.POST.get("date", "")
    back = _home_url(
        {
            "date": date if parse_date(date) else "",
            "status": status if status in STATUSES else "",
        }
    )
    caller = _caller_of(request)
    if caller is None:
        return _log_in_first(request, back)
    try:
        outcome = lifecycle.cancel_booking(
            actor=caller,
            booking_id=booking_id,
            key_header=None,
            deadline=request.deadline,  # type: ignore[attr-defined]
        )
        answer = outcome.content
    except NotFound as error:
        raise Http404 from error
    except Refusal as refusal:
        answer = _answer_of(refusal)
    if "code" in answer:
        messages.error(request, explain(answer["code"], answer.get("errors", ()), cancelling=True))
    else:
        row = _booking_rows([answer["booking"]])[0]
        messages.success(request, f"Your booking {row.reference} is cancelled: {row.room}.")
    return HttpResponseRedirect(back)


@dataclass(frozen=True)
class RoomRow:
    """A free room as the page shows it, with what its form sends."""

    id: str
    name: str
    guests: int
    price: str
    total: int
    key: str


@dataclass(frozen=True)
class BookingRow:
    """A booking as the page shows it."""

    id: str
    reference: str
    room: str
    stay: str
    price: str
    status: str
    label: str
    expires_at: dt.datetime | None
    may_cancel: bool

    @property
    def anchor(self) -> str:
        return f"booking-{self.id}"


def _find_free(form: SearchForm, hotel: HotelFacts | None) -> FreeRooms | None:
    if hotel is None or form.has_error("date") or form.has_error("after"):
        return None
    try:
        return availability.find_free_rooms(
            hotel_id=hotel.id,
            night=form.cleaned_data["date"],
            after=form.cleaned_data["after"],
        )
    except ValidationFailed as refusal:
        for _, message in refusal.errors:
            form.add_error("date", message)
        return None


def _room_rows(free: FreeRooms, request: HttpRequest) -> list[RoomRow]:
    intent_keys = None
    if request.user.is_authenticated:
        intent_keys = IntentKeys(request.session, request.user.pk)
    rows = []
    for free_room in free.rooms:
        price = free_room.price
        intent = Intent(free.hotel, free_room.room.id, free.night.isoformat())
        rows.append(
            RoomRow(
                id=free_room.room.id,
                name=free_room.room.name,
                guests=free_room.category.occupancy,
                price=format_money(price.total, price.currency),
                total=price.total,
                key=intent_keys.current(intent) if intent_keys else "",
            )
        )
    return rows


def _booking_rows(found: list[dict[str, Any]], today: dt.date | None = None) -> list[BookingRow]:
    """The bookings as rows. Without `today` none is offered for cancelling."""
    names = inventory.room_names(
        room["resourceId"] for booking in found for room in booking["rooms"]
    )
    rows = []
    for booking in found:
        check_in = dt.date.fromisoformat(booking["checkIn"])
        check_out = dt.date.fromisoformat(booking["checkOut"])
        rooms = [room["resourceId"] for room in booking["rooms"]]
        rows.append(
            BookingRow(
                id=booking["id"],
                reference=booking["reference"],
                room=", ".join(names.get(room, room) for room in rooms),
                stay=_describe_stay(check_in, check_out),
                price=format_money(booking["price"]["total"], booking["price"]["currency"]),
                status=booking["status"],
                label=STATUS_LABELS[booking["status"]],
                expires_at=parse_datetime(booking["expiresAt"] or ""),
                may_cancel=(
                    today is not None and booking["status"] in ACTIVE and check_out > today
                ),
            )
        )
    return rows


def _describe_stay(check_in: dt.date, check_out: dt.date) -> str:
    """`Monday 15 February 2027, 1 night`."""
    nights = (check_out - check_in).days
    return f"{format_date(check_in, 'l j F Y')}, {nights} night{'' if nights == 1 else 's'}"


def _caller_of(request: HttpRequest) -> Caller | None:
    return caller_of_user(request.user.pk) if request.user.is_authenticated else None


def _log_in_first(request: HttpRequest, back: str) -> HttpResponse:
    messages.warning(request, explain("NOT_AUTHENTICATED"))
    return HttpResponseRedirect(f"{reverse('login')}?{urlencode({'next': back})}")


def _answer_of(refusal: Refusal) -> dict[str, Any]:
    return {"code": refusal.code, **refusal.extra()}


def _whole_number(text: str) -> int | str:
    """The number, or the text itself for the payload's judge to refuse."""
    is_number = text.isascii() and text.isdigit() and len(text) <= len(str(MAX_TOTAL))
    return int(text) if is_number else text


def _home_url(query: dict[str, str]) -> str:
    given = {name: value for name, value in query.items() if value}
    return reverse("home") + (f"?{urlencode(given)}" if given else "")
