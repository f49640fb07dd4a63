"""Who may open the desk's pages, and the context that all of them share."""

from collections.abc import Callable
from functools import wraps
from typing import Any

from django.contrib import admin
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse

from bookings.admin.staff_requests import may

View = Callable[..., HttpResponse]

# As in the admin, the permission to change records includes seeing them.
LOOK = ("bookings.view_bookingrecord", "bookings.change_bookingrecord")
ACT = ("bookings.change_bookingrecord",)
BOOK = ("bookings.add_bookingrecord",)
ERASE = ("bookings.erase_bookingrecord",)
BLOCK_ROOMS = ("bookings.add_roomblock",)


def may_any(request: HttpRequest, permissions: tuple[str, ...]) -> bool:
    """Whether the user has one of the permissions."""
    return any(may(request, permission) for permission in permissions)


def desk_page(permissions: tuple[str, ...]) -> Callable[[View], View]:
    """Makes a view a page of the admin site, for staff with one of the permissions."""

    def decorate(view: View) -> View:
        @wraps(view)
        def guarded(request: HttpRequest, *arguments: Any, **named: Any) -> HttpResponse:
            if not may_any(request, permissions):
                raise PermissionDenied
            return view(request, *arguments, **named)

        return admin.site.admin_view(guarded)

    return decorate


def show(request: HttpRequest, template: str, title: str, **context: Any) -> TemplateResponse:
    """The response with one of the desk's pages."""
    return TemplateResponse(
        request,
        f"admin/desk/{template}",
        {**admin.site.each_context(request), "title": title, **context},
    )
