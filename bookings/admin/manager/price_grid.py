"""A month of a hotel's prices as a grid: a row for each category, a cell for each night."""

import calendar
from dataclasses import dataclass
from datetime import date, timedelta
from functools import lru_cache
from typing import Any

from django.contrib.admin.utils import quote
from django.urls import reverse
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString

from bookings.catalogue import inventory
from bookings.catalogue.calendars import Calendar, CalendarNight, read_calendars
from bookings.catalogue.inventory import CategoryFacts, HotelFacts
from bookings.catalogue.nights import night_id
from bookings.domain.money import write_amount

# Stands for the night's id in the address of its page, which differs in nothing else.
_SOME_NIGHT = "night-id"

_SIGN = '<small class="{}">{}</small>'
_USUAL = format_html(_SIGN, "usual", "default")
_NOT_SOLD = format_html(_SIGN, "unsold", "not sold")


@dataclass(frozen=True)
class NightCell:
    """One night, with its signs as HTML.

    `kind` is "stored" or "closed" for a night in the calendar. Others are sold at the "default"
    price, or, if their category is not sold by default, "none".
    """

    day: date
    amount: str
    kind: str
    signs: SafeString
    url: str


def days_of(month: date) -> list[date]:
    """The days of the month that begins on this day."""
    count = calendar.monthrange(month.year, month.month)[1]
    return [month + timedelta(days=number) for number in range(count)]


def draw_month(hotel: HotelFacts, month: date) -> list[tuple[CategoryFacts, list[NightCell]]]:
    """Each category, by name, with its cells."""
    categories = inventory.list_categories(hotel.id)
    days = days_of(month)
    calendars = read_calendars(categories, days[0], days[-1])
    # The admin quotes ids in addresses like this; to ask for each one takes longer than the rest.
    page = reverse("admin:bookings_night_change", args=[_SOME_NIGHT])
    return [
        (category, [_cell(calendars[category.id], day, hotel.currency, page) for day in days])
        for category in categories
    ]


def _cell(days: Calendar, day: date, currency: str, page: str) -> NightCell:
    night = days.days.get(day)
    if night is None:
        if not days.category.sell_by_default:
            return NightCell(day, "–", "none", _NOT_SOLD, "")
        amount = write_amount(days.category.default_price, currency)
        return NightCell(day, amount, "default", _USUAL, "")
    return NightCell(
        day,
        write_amount(night.price, currency),
        "closed" if night.is_closed else "stored",
        _signs(night),
        page.replace(_SOME_NIGHT, quote(night_id(days.category.id, day.isoformat()))),
    )


# A month has few different nights; to look their signs up is faster than to write them.
@lru_cache(maxsize=500)
def _signs(night: CalendarNight) -> SafeString:
    signs: list[tuple[Any, str, str]] = [
        (night.is_closed, "shut", "closed"),
        (night.min_stay > 1, "min", f"min {night.min_stay}"),
        (night.is_closed_to_arrival, "arr", "no arrival"),
        (night.is_closed_to_departure, "dep", "no departure"),
    ]
    return format_html_join("", _SIGN, ((name, text) for applies, name, text in signs if applies))


def list_restrictions(night: CalendarNight) -> list[str]:
    """The night's restrictions in words."""
    words: list[tuple[Any, str]] = [
        (night.is_closed, "closed"),
        (night.min_stay > 1, f"at least {night.min_stay} nights"),
        (night.is_closed_to_arrival, "no arrival"),
        (night.is_closed_to_departure, "no departure"),
    ]
    return [word for applies, word in words if applies]
