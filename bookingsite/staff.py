"""How long staff stay logged in, and what they prove besides their password.

Their session opens every booking and every guest's address, and it stays behind on the desk's
computer. So it ends twelve hours after the log-in, a long shift, whatever was done meanwhile.
Guests keep Django's two weeks.

What staff may do is all under /admin/. So that is where a code of their device is asked for,
however the session began: the admin's log-in, the customers', or a letter's link.
"""

from collections.abc import Callable
from datetime import timedelta
from typing import Any
from urllib.parse import urlencode

from django.conf import settings
from django.contrib.auth.models import AnonymousUser
from django.contrib.auth.signals import user_logged_in
from django.dispatch import receiver
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import reverse
from django.utils.functional import SimpleLazyObject

from bookings.admin.second_factor import PROVED
from bookings.infrastructure import clock
from bookings.people import second_factor

SESSION_LIFE = timedelta(hours=12)

# In every session, since a guest may become staff: seconds since 1970, by MongoDB's clock.
LOGGED_IN_AT = "logged_in_at"


@receiver(user_logged_in)
def note_login(request: HttpRequest, **_: Any) -> None:
    request.session[LOGGED_IN_AT] = clock.now().timestamp()


class StaffMiddleware:
    """After Django's AuthenticationMiddleware: whose session is over is logged out, and who has
    not shown a code that is due is led to where it is asked for."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self._get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        user = request.user
        # Looked up by who asks for it, as before: most requests of partners never do.
        request.user = SimpleLazyObject(lambda: _unless_over(request, user))  # type: ignore[assignment]
        if request.path_info.startswith("/admin/") and (step := _step_before(request)):
            return step
        return self._get_response(request)


def _step_before(request: HttpRequest) -> HttpResponse | None:
    """What stands between this member of staff and the admin; None if nothing does.

    It says nothing of people who are not logged in, or no staff: the admin turns them away.
    """
    user: Any = request.user
    is_leaving = request.path in (reverse("admin:logout"), reverse("admin:login"))
    if is_leaving or not (user.is_authenticated and user.is_staff):
        return None
    page = page_due(request, user)
    if page is None or request.path == page:
        return None
    came_for = request.get_full_path() if request.method in ("GET", "HEAD") else ""
    return HttpResponseRedirect(f"{page}?{urlencode({'next': came_for})}" if came_for else page)


def page_due(request: HttpRequest, user: Any) -> str | None:
    """Where this member of staff proves what the session lacks; None if it lacks nothing."""
    factor = second_factor.find_factor(user.pk)
    if factor is None:
        is_required = settings.STAFF_SECOND_FACTOR == "required"
        return reverse("second_factor:device") if is_required else None
    is_proved = request.session.get(PROVED) == factor.device
    return None if is_proved else reverse("second_factor:ask")


def _unless_over(request: HttpRequest, user: Any) -> Any:
    if user.is_authenticated and user.is_staff and is_over(request):
        request.session.flush()
        return AnonymousUser()
    return user


def is_over(request: HttpRequest) -> bool:
    """Whether the session, of staff, began too long ago."""
    begun_at = request.session.get(LOGGED_IN_AT)
    if not isinstance(begun_at, float):
        return True  # from before staff's sessions had an end
    return not clock.now().timestamp() - begun_at < SESSION_LIFE.total_seconds()
