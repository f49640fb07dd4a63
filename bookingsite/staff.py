"""How long staff stay logged in.

Their session opens every booking and every guest's address, and it stays behind on the desk's
computer. So it ends twelve hours after the log-in, a long shift, whatever was done meanwhile.
Guests keep Django's two weeks.
"""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

from django.contrib.auth.models import AnonymousUser
from django.contrib.auth.signals import user_logged_in
from django.dispatch import receiver
from django.http import HttpRequest, HttpResponse
from django.utils.functional import SimpleLazyObject

from bookings import clock

SESSION_LIFE = timedelta(hours=12)

# In everybody's session, since a guest may become staff: seconds since 1970, by MongoDB's clock.
LOGGED_IN_AT = "logged_in_at"


@receiver(user_logged_in)
def note_login(request: HttpRequest, **_: Any) -> None:
    request.session[LOGGED_IN_AT] = clock.now().timestamp()


class StaffMiddleware:
    """After Django's AuthenticationMiddleware: whose session is over is logged out."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self._get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        user = request.user
        # Looked up by who asks for it, as before: most requests of partners never do.
        request.user = SimpleLazyObject(lambda: _unless_over(request, user))  # type: ignore[assignment]
        return self._get_response(request)


def _unless_over(request: HttpRequest, user: Any) -> Any:
    if user.is_authenticated and user.is_staff and _is_over(request):
        request.session.flush()
        return AnonymousUser()
    return user


def _is_over(request: HttpRequest) -> bool:
    begun_at = request.session.get(LOGGED_IN_AT)
    if not isinstance(begun_at, float):
        return True  # from before staff's sessions had an end
    return not clock.now().timestamp() - begun_at < SESSION_LIFE.total_seconds()
