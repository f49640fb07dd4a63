"""How long staff stay logged in, and what they prove besides their password.

A staff session opens every booking and every guest's address, and it stays open on the front
desk's computer. So it ends twelve hours after the login, a long shift, however much it was used.
Guests keep Django's two weeks.

Everything that staff may do is under /admin/. The code from their device is therefore asked for
there, however the session began: at the admin's login, at the customers' login or through a link in
an e-mail.
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

# Kept in every session, since a guest may become staff: seconds since 1970, by MongoDB's clock.
LOGGED_IN_AT = "logged_in_at"


@receiver(user_logged_in)
def note_login(request: HttpRequest, **_: Any) -> None:
    """Writes the time of the login into the session."""
    request.session[LOGGED_IN_AT] = clock.now().timestamp()


class StaffMiddleware:
    """Logs out staff whose session has ended, and asks for a second factor that is due.

    Runs after Django's AuthenticationMiddleware.
    """

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        user = request.user
        # Still looked up only on demand: most of partners' requests never need the user.
        request.user = SimpleLazyObject(lambda: _unless_over(request, user))  # type: ignore[assignment]
        if request.path_info.startswith("/admin/") and (step := _step_before(request)):
            return step
        return self.get_response(request)


def _step_before(request: HttpRequest) -> HttpResponse | None:
    """The redirect to the step that staff must still take before the admin; None if there is none.

    It decides nothing about visitors who are not staff or not logged in: the admin refuses them.
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
    """The page on which staff prove what their session lacks; None if it lacks nothing."""
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
    """Whether a staff session began too long ago."""
    begun_at = request.session.get(LOGGED_IN_AT)
    if not isinstance(begun_at, float):
        return True  # it is older than the rule that staff sessions end
    return not clock.now().timestamp() - begun_at < SESSION_LIFE.total_seconds()
