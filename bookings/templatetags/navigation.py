"""The admin's navigation, on every page: sections of work with their pages: `{% navigation %}`."""

from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from django import template
from django.apps import apps
from django.contrib import admin
from django.http import HttpRequest
from django.template import Context
from django.urls import reverse

register = template.Library()

# As in the admin, the right to change records includes seeing them.
_LOOK = ("bookings.view_bookingrecord", "bookings.change_bookingrecord")
_ERASE = ("bookings.erase_bookingrecord",)
_BOOK = ("bookings.add_bookingrecord",)
_SET_UP = ("bookings.change_hotel",)
_TEAM = ("auth.view_user", "auth.change_user")


@dataclass(frozen=True)
class Page:
    """A page of the navigation: a list of the admin's `model`, or a page of our own with its URL's
    name and the rights, one of which opens it. No rights means that all staff may."""

    label: str
    model: str = ""
    url_name: str = ""
    needs: tuple[str, ...] = ()

    @cached_property
    def url(self) -> str:
        """The same for all requests, so it is looked up once."""
        if self.model:
            return reverse(f"admin:{self.model.replace('.', '_')}_changelist")
        return reverse(self.url_name)


@dataclass(frozen=True)
class Work:
    """A section. Choosing it opens the first of its pages that the user may see."""

    label: str
    pages: tuple[Page, ...]


# Each list of the admin is in one section; tests/admin/test_navigation.py refuses to forget one.
SECTIONS = (
    Work("Today", (Page("Today", url_name="desk:today", needs=_LOOK),)),
    Work(
        "Calendar",
        (
            Page("Calendar", url_name="desk:occupancy", needs=_LOOK),
            Page("Free rooms", url_name="desk:rooms", needs=_BOOK),
        ),
    ),
    Work(
        "Bookings",
        (
            Page("All bookings", model="bookings.bookingrecord"),
            Page("New booking", url_name="admin:bookings_bookingrecord_add", needs=_BOOK),
            Page("Notifications", model="bookings.deliveryrecord"),
            Page("Occupancy and revenue", model="bookings.figures"),
        ),
    ),
    Work(
        "Guests",
        (
            Page("Find a guest", url_name="desk:guests", needs=_LOOK),
            Page("How long data is kept", url_name="desk:retention", needs=_ERASE),
        ),
    ),
    Work(
        "Prices",
        (
            Page("Price calendar", model="bookings.pricecalendar"),
            Page("Nights", model="bookings.night"),
            Page("Nights as CSV", model="bookings.nightsfile"),
            Page("Nights jobs", model="bookings.nightsjob"),
        ),
    ),
    Work(
        "Rooms",
        (
            Page("Rooms", model="bookings.room"),
            Page("Room categories", model="bookings.roomcategory"),
            Page("Room blocks", model="bookings.roomblock"),
            Page("Photos", model="bookings.photo"),
            Page("Texts about categories", model="bookings.categorycontent"),
        ),
    ),
    Work(
        "Team",
        (
            Page("Team", url_name="team:team", needs=_TEAM),
            Page("Accounts", model="auth.user"),
            Page("Roles", model="auth.group"),
            Page("Who did what", model="admin.logentry"),
        ),
    ),
    Work(
        "Connections",
        (
            Page("API clients", model="bookings.apiclient"),
            Page("Webhook endpoints", model="bookings.webhookendpoint"),
            Page("Failed work", model="bookings.failedwork"),
            Page("Idempotency keys", model="idempotency.idempotencykey"),
        ),
    ),
    Work(
        "Settings",
        (
            Page("Hotels", model="bookings.hotel"),
            Page("Texts about hotels", model="bookings.hotelcontent"),
            Page("Brand", model="bookings.brand"),
            Page("Set up a hotel", url_name="setup:start", needs=_SET_UP),
            Page("Two-factor login", url_name="second_factor:device"),
            Page("Change password", url_name="admin:password_change"),
        ),
    ),
)


@dataclass(frozen=True)
class Shown:
    """A section as the user sees it: its pages as (label, URL), and which of them is open."""

    label: str
    pages: tuple[tuple[str, str], ...]
    # The URL of the open page, "" if it is in another section.
    here: str

    @property
    def url(self) -> str:
        return self.pages[0][1]


@register.inclusion_tag("admin/navigation.html", takes_context=True)
def navigation(context: Context) -> dict[str, Any]:
    """The sections that the user may see; nothing before the login."""
    if not context.get("has_permission"):
        return {}
    return {"sections": list_sections(context["request"])}


def list_sections(request: HttpRequest) -> list[Shown]:
    """The sections with a page that the user may see."""
    found = [(section.label, _urls_of(section, request)) for section in SECTIONS]
    here = _find_here(request.path, (url for _, pages in found for _, url in pages))
    return [
        Shown(label, pages, here if any(url == here for _, url in pages) else "")
        for label, pages in found
        if pages
    ]


def _urls_of(section: Work, request: HttpRequest) -> tuple[tuple[str, str], ...]:
    return tuple((page.label, page.url) for page in section.pages if _may(request, page))


def _may(request: HttpRequest, page: Page) -> bool:
    if not page.model:
        user: Any = request.user
        return not page.needs or any(user.has_perm(right) for right in page.needs)
    listed = admin.site.get_model_admin(apps.get_model(page.model))
    return listed.has_view_permission(request) or listed.has_change_permission(request)


def _find_here(path: str, urls: Iterable[str]) -> str:
    """The URL that the path is at or below, the longest: *New booking* is below *Bookings*."""
    return max((url for url in urls if path.startswith(url)), key=len, default="")
