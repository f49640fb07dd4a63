"""What an admin page is asked with, and what its asker may do."""

from typing import TypeGuard

from django.contrib.auth.models import AnonymousUser, User
from django.http import HttpRequest

from bookings.infrastructure.clock import TimedRequest


class StaffRequest(TimedRequest):
    """A request as the admin site lets it through to a page; a name for types.

    Django's own methods are given an HttpRequest: they tell by `is_of_staff` that it is one.
    """

    user: User


def is_of_staff(request: HttpRequest) -> TypeGuard[StaffRequest]:
    """Whether a user has logged in, and the request has its limits."""
    return isinstance(request.user, User) and hasattr(request, "deadline")


def may(request: HttpRequest, *permissions: str) -> bool:
    """Whether the user, if any, has all of the permissions."""
    return isinstance(request.user, User | AnonymousUser) and request.user.has_perms(permissions)
