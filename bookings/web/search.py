"""The search pages: the results, and a month of prices."""

import datetime as dt
import re
from collections.abc import Callable, Mapping
from typing import Any
from urllib.parse import urlencode

from django.conf import settings
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import render
from django.urls import reverse
from django.utils.dates import WEEKDAYS, WEEKDAYS_ABBR
from django.utils.translation import gettext_lazy as _
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe

from bookings.availability import search
from bookings.availability.search import CalendarDay
from bookings.catalogue import inventory
from bookings.catalogue.inventory import CategoryFacts, HotelFacts
from bookings.content import reading
from bookings.content.photos.facts import recent_photos
from bookings.domain.booking import PENDING, Booking
from bookings.domain.money import format_amount
from bookings.domain.stay_request import MAX_GUESTS, MAX_ROOMS
from bookings.infrastructure import clock
from bookings.infrastructure.recent_reads import hear_of_changes
from bookings.refusals import ValidationFailed
from bookings.stays import own_bookings
from bookings.stays.cancellation_rule import describe_cancellation
from bookings.web import visitors
from bookings.web.descriptions import show_category
from bookings.web.forms import MonthForm, SearchForm
from bookings.web.intents import Intent, keys_of
from bookings.web.messages import NO_SUCH_MONTH
from bookings.web.presentation import offer_stay

# The number of guests in a new search.
DEFAULT_GUESTS = 2

# Faults that only the hotel's own calendar can find, by the service's field: the form's field and
# its sentence.
FAULTS: dict[str, tuple[str, Any]] = {
    "hotelId": ("hotel", _("Choose a hotel from the list.")),
    "checkIn": ("arrival", _("Choose a later date: this day has already ended at the hotel.")),
    "checkOut": ("departure", _("Choose a date within the next %(days)s days.")),
}


@never_cache
@require_safe
def stays(request: HttpRequest) -> HttpResponse:
    """Shows every category of a hotel for a stay: its price, or why not and the nearest dates.

    Without a search in the URL it shows the empty form.
    """
    hear_of_changes()
    hotels = inventory.open_hotels()
    form = _read_search(request, hotels)
    context: dict[str, Any] = {"form": form, "hotels": hotels, **_bounds(_first_today(hotels))}
    if form.is_valid():
        asked = form.cleaned_data
        try:
            found = search.find_stays(
                hotel_id=asked["hotel"],
                check_in=asked["arrival"],
                check_out=asked["departure"],
                guests=asked["guests"],
                room_count=asked["rooms"],
            )
        except ValidationFailed as refusal:
            for fault in refusal.faults:
                shown_field, sentence = FAULTS[fault.field]
                form.add_error(shown_field, sentence % {"days": inventory.HORIZON_DAYS})
        else:
            hotel = next(hotel for hotel in hotels if hotel.id == asked["hotel"])
            held = find_holds(request)
            keys = keys_of(request)
            about = reading.recent_category_contents(hotel.id)
            photos = recent_photos(hotel.id)
            context["hotel"] = hotel
            context["asked"] = asked
            context["cancellation"] = describe_cancellation(
                hotel, asked["arrival"], now=clock.now()
            )
            context["night_count"] = (asked["departure"] - asked["arrival"]).days
            context["hold_minutes"] = int(hotel.hold_length.total_seconds() // 60)
            offered = [
                offer_stay(
                    stay,
                    intent=intent,
                    key=keys.current(intent),
                    held_as=held_as(held, intent),
                    about=about.get(stay.category.id),
                    photo=photos.first_of(stay.category.id),
                )
                for stay in found
                if search.NO_ROOMS not in {obstacle.code for obstacle in stay.obstacles}
                for intent in [_intent_for(asked, stay.category.id)]
            ]
            # Available categories come first. Each group keeps the order by name.
            context["offered"] = sorted(offered, key=lambda offer: not offer.can_be_had)
    response = render(request, "search/stays.html", context, status=400 if form.errors else 200)
    return visitors.keep_guest(request, response)


@never_cache
@require_safe
def month(request: HttpRequest, category_id: str) -> HttpResponse:
    """Shows a month of one category, with the shortest stay that can begin on each day."""
    hear_of_changes()
    category = inventory.recent_category(category_id)
    hotel = inventory.open_hotel(category.hotel) if category else None
    if category is None or hotel is None or not _has_rooms(category):
        raise Http404
    today = clock.today(hotel.time_zone)
    form = MonthForm({"month": request.GET.get("month") or today.strftime("%Y-%m")})
    context: dict[str, Any] = {"category": category, "hotel": hotel, "form": form}
    if about := reading.recent_category_contents(hotel.id).get(category.id):
        context["about"] = show_category(about)
    last = today + dt.timedelta(days=inventory.HORIZON_DAYS)
    first = form.cleaned_data["month"] if form.is_valid() else today.replace(day=1)
    if form.errors or not today.replace(day=1) <= first <= last:
        context["fault"] = NO_SUCH_MONTH
        first = today.replace(day=1)
    carried = carried_numbers(request)
    # If the URL gives no number of guests, a small room is shown for as many as it sleeps.
    guests = carried.get("guests", min(DEFAULT_GUESTS, category.occupancy))
    rooms = carried.get("rooms", 1)
    days = search.read_month(
        category_id=category.id,
        year=first.year,
        month=first.month,
        guests=guests,
        room_count=rooms,
    )
    context |= {
        "is_too_small": guests > category.occupancy,
        "first": first,
        "weekdays": [(WEEKDAYS[number], WEEKDAYS_ABBR[number]) for number in range(7)],
        "weeks": _weeks(days, hotel, today, guests=guests, rooms=rooms),
        "previous": _month_url(request, category.id, first - dt.timedelta(days=1), today, last),
        "next": _month_url(request, category.id, first + dt.timedelta(days=31), today, last),
    }
    return render(request, "search/month.html", context, status=400 if "fault" in context else 200)


def stays_url(
    *,
    hotel: str,
    arrival: dt.date,
    departure: dt.date,
    guests: int = DEFAULT_GUESTS,
    rooms: int = 1,
) -> str:
    """The URL of the search results for a stay."""
    return _stays_urls(hotel, guests, rooms)(arrival, departure)


def _stays_urls(hotel: str, guests: int, rooms: int) -> Callable[[dt.date, dt.date], str]:
    """Makes `stays_url` for many stays in a fifth of the time."""
    before = f"{reverse('stays')}?{urlencode({'hotel': hotel})}"
    after = urlencode({"guests": guests, "rooms": rooms})

    def url(arrival: dt.date, departure: dt.date) -> str:
        return f"{before}&arrival={arrival.isoformat()}&departure={departure.isoformat()}&{after}"

    return url


def empty_search(
    hotels: list[HotelFacts], carried: Mapping[str, int] | None = None
) -> dict[str, Any]:
    """The context of the search form for these hotels, filled in for tomorrow night and for the
    guests and rooms that were carried here."""
    today = _first_today(hotels)
    tomorrow = today + dt.timedelta(days=1)
    begin_with = {
        "hotel": hotels[0].id if hotels else "",
        "arrival": tomorrow.isoformat(),
        "departure": (tomorrow + dt.timedelta(days=1)).isoformat(),
        "guests": DEFAULT_GUESTS,
        "rooms": 1,
        **(carried or {}),
    }
    form = SearchForm(begin_with, hotels=hotels)
    return {"form": form, "hotels": hotels, **_bounds(today)}


def _read_search(request: HttpRequest, hotels: list[HotelFacts]) -> SearchForm:
    """The search in the URL. If it has none, the form is empty and finds no fault."""
    defaults = {"guests": DEFAULT_GUESTS, "rooms": 1}
    if SearchForm.base_fields.keys().isdisjoint(request.GET):
        return SearchForm(None, hotels=hotels, initial=defaults)
    return SearchForm({**defaults, **request.GET.dict()}, hotels=hotels)


def _first_today(hotels: list[HotelFacts]) -> dt.date:
    """Today at the hotel where the date is earliest. No hotel has an earlier date."""
    return min((clock.today(hotel.time_zone) for hotel in hotels), default=clock.today("UTC"))


def _bounds(today: dt.date) -> dict[str, dt.date]:
    return {"today": today, "last_day": today + dt.timedelta(days=inventory.HORIZON_DAYS)}


def _intent_for(asked: dict[str, Any], category_id: str) -> Intent:
    return Intent(
        asked["hotel"],
        category_id,
        asked["arrival"],
        asked["departure"],
        asked["guests"],
        asked["rooms"],
    )


def find_holds(request: HttpRequest) -> list[Booking]:
    """The visitor's live holds."""
    if visitors.is_new(request):
        return []
    found, _cursor = own_bookings.list_own_bookings(
        viewer=visitors.caller_of(request), status=PENDING, limit=settings.MAX_LIVE_HOLDS
    )
    return found


def held_as(holds: list[Booking], intent: Intent) -> str | None:
    """The id of the visitor's own live hold of this exact stay, or None."""
    for hold in holds:
        if (hold.category, hold.check_in, hold.check_out) == (
            intent.category,
            intent.arrival,
            intent.departure,
        ) and [room.guests for room in hold.rooms] == [intent.guests] * intent.rooms:
            return str(hold.id)
    return None


def _weeks(
    days: list[CalendarDay], hotel: HotelFacts, today: dt.date, *, guests: int, rooms: int
) -> list[list[dict[str, Any] | None]]:
    """The days in weeks from Monday to Sunday, with None for days of another month."""
    cells: list[dict[str, Any] | None] = [None] * days[0].date.weekday()
    url_of = _stays_urls(hotel.id, guests, rooms)
    for day in days:
        cell: dict[str, Any] = {
            # Text, since templates ask how each number is written in the visitor's language.
            "number": str(day.date.day),
            "is_over": day.date < today,
            "is_full": day.night and not day.night.is_closed and day.rooms_left < rooms,
            "is_sold": day.night and not day.night.is_closed,
        }
        if day.shortest:
            # The currency stands once, above the month, so that seven columns fit on a phone.
            cell["amount"] = format_amount(day.shortest.price.total, hotel.currency)
            cell["night_count"] = (day.shortest.check_out - day.date).days
            cell["url"] = url_of(day.date, day.shortest.check_out)
        cells.append(cell)
    cells += [None] * (-len(cells) % 7)
    return [cells[start : start + 7] for start in range(0, len(cells), 7)]


def _has_rooms(category: CategoryFacts) -> bool:
    """Whether the category has a room for sale. One without any is not offered."""
    house = inventory.recent_house(category.hotel)
    return any(room.is_sold for each, rooms in house if each.id == category.id for room in rooms)


def carried_numbers(request: HttpRequest) -> dict[str, int]:
    """The guests and rooms of the search that led here. Impossible numbers are left out."""
    most = {"guests": MAX_GUESTS, "rooms": MAX_ROOMS}
    given = {name: request.GET.get(name, "") for name in most}
    return {
        name: int(text)
        for name, text in given.items()
        if re.fullmatch("[0-9]{1,3}", text) and 1 <= int(text) <= most[name]
    }


def _month_url(
    request: HttpRequest, category_id: str, day: dt.date, today: dt.date, last: dt.date
) -> str | None:
    """The URL of the day's month; None if no night of that month can be booked."""
    if not today.replace(day=1) <= day.replace(day=1) <= last:
        return None
    query = urlencode({"month": day.strftime("%Y-%m"), **carried_numbers(request)})
    return f"{reverse('month', args=[category_id])}?{query}"
