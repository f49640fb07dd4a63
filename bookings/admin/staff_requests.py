"""Requests for admin pages, and what their users may do."""

from typing import TypeGuard

from django.contrib.auth.models import AnonymousUser, User
from django.http import HttpRequest

from bookings.infrastructure.deadlines import TimedRequest


class StaffRequest(TimedRequest):
    """The type of a request that the admin site lets through to a page.

    Django's own methods take an HttpRequest, and narrow it with `is_of_staff`.
    """

    user: User


def is_of_staff(request: HttpRequest) -> TypeGuard[StaffRequest]:
    """Whether a user is logged in and the request has a deadline."""
    return isinstance(request.user, User) and hasattr(request, "deadline")


def may(request: HttpRequest, *permissions: str) -> bool:
    """Whether there is a user who has all of the permissions."""
    return isinstance(request.user, User | AnonymousUser) and request.user.has_perms(permissions)
