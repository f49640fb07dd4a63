"""The admin's first page: `{% first_page %}`, today's figures and what needs attention."""

from dataclasses import dataclass
from datetime import timedelta
from typing import Any
from urllib.parse import urlencode

from django import template
from django.http import HttpRequest
from django.template import Context
from django.urls import reverse

from bookings.catalogue import inventory
from bookings.catalogue.inventory import HotelFacts
from bookings.domain.booking import PENDING
from bookings.front_desk import days
from bookings.infrastructure import clock
from bookings.infrastructure.quantities import quantity
from bookings.infrastructure.recent_reads import hear_of_changes
from bookings.models import DeliveryRecord
from bookings.news.deliveries import GIVEN_UP
from bookings.people.chosen_hotel import choose_hotel
from bookings.people.staff_hotels import hotels_of
from bookings.stays import refused_holds

register = template.Library()

# As in the admin, the right to change records includes seeing them.
SEES_BOOKINGS = ("bookings.view_bookingrecord", "bookings.change_bookingrecord")

# The most holds that the page names, and the most mails that it counts.
MAX_NAMED, MAX_COUNTED = 5, 100

# So many refused holds in a day are no longer guests who change their minds.
IN_BULK = 20

# Older failures have been seen, or no one waits for them any more.
RECENTLY = timedelta(days=7)


@dataclass(frozen=True)
class Matter:
    """Something that needs attention, with the page where to see to it."""

    text: str
    url: str


@register.inclusion_tag("admin/first_page.html", takes_context=True)
def first_page(context: Context) -> dict[str, Any]:
    """A day at one of the user's hotels, for those who may see bookings."""
    request = context["request"]
    user = request.user
    if not any(user.has_perm(right) for right in SEES_BOOKINGS):
        return {}
    hear_of_changes()
    own = hotels_of(user)
    hotels = [each for each in inventory.recent_hotels() if own is None or each.id in own]
    shown = choose_hotel(request, hotels, request.GET.get("hotel", ""))
    if shown is None:
        return {}
    hotel = shown.hotel
    now, today = clock.now(), hotel.desk_day()
    figures = days.count_day(hotel, today, now)
    return {
        "is_shown": True,
        "hotels": hotels,
        "hotel": hotel,
        "fault": shown.fault,
        "today": today,
        "figures": figures,
        "matters": _matters(request, hotel, figures.overdue),
        "ending": days.list_ending_holds(now, only=own, limit=MAX_NAMED),
        "now": now,
        "today_url": _page_of("desk:today", hotel),
        "calendar_url": _page_of("desk:occupancy", hotel),
        "rooms_url": _page_of("desk:rooms", hotel),
        "may_book": user.has_perm("bookings.add_bookingrecord"),
    }


def _matters(request: HttpRequest, hotel: HotelFacts, overdue: int) -> list[Matter]:
    found = []
    if overdue:
        text = f"{quantity(overdue, 'stay')} of earlier days without a mark"
        found.append(Matter(f"{text}: say who came, and who left.", _page_of("desk:today", hotel)))
    if (refused := refused_holds.count(hotel.id)) >= IN_BULK:
        text = f"{refused} holds were refused in the last {refused_holds.HOURS} hours"
        url = f"{_page_of('admin:bookings_bookingrecord_changelist', hotel)}&status={PENDING}"
        found.append(Matter(f"{text}: look whether someone holds rooms in bulk.", url))
    if lost := _count_lost_news(request):
        text = f"{quantity(lost, 'notification')} of the last seven days could not be sent"
        url = f"{reverse('admin:bookings_deliveryrecord_changelist')}?state={GIVEN_UP}"
        found.append(Matter(f"{text}: look why, and send again.", url))
    return found


def _page_of(name: str, hotel: HotelFacts) -> str:
    return f"{reverse(name)}?{urlencode({'hotel': hotel.id})}"


def _count_lost_news(request: HttpRequest) -> int:
    user: Any = request.user
    if not user.has_perm("bookings.view_deliveryrecord"):
        return 0
    lost = DeliveryRecord.objects.filter(state=GIVEN_UP, created_at__gte=clock.now() - RECENTLY)
    own = hotels_of(user)
    if own is not None:
        lost = lost.filter(payload__hotelId__in=sorted(own))
    return len(lost.order_by("-created_at").values_list("pk")[:MAX_COUNTED])
