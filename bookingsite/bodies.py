"""Takes a request's body in before anything else does, within the limits of its address.

CSRF's check reads a form before any view is asked, and DRF parses what it gets: both find a body
that is whole and small enough, in memory. No file is written for it.
"""

from importlib import import_module

from django.conf import settings
from django.contrib.auth import get_user
from django.http import HttpRequest, UnreadablePostError

from bookings.clock import request_limits
from bookings.errors import MalformedJson, PayloadTooLarge, Refusal, RequestTimeout
from bookingsite import staff
from bookingsite.body_limits import DEFAULT, limit_for


def receive_body(request: HttpRequest) -> Refusal | None:
    """Reads the body to its end; what is to be answered instead, if it cannot be taken.

    The worker has brought up to 64 kB already. Only a larger one is still to come from its
    client, and only staff may have a thread wait for it.
    """
    length = _length_of(request)
    if length > DEFAULT.max_bytes:
        limit = limit_for(request.path_info)
        if length > limit.max_bytes or (limit.for_staff and not _is_staff(request)):
            return PayloadTooLarge()
    try:
        request.body  # noqa: B018 (Django keeps it)
    except UnreadablePostError as error:
        return RequestTimeout() if _is_late(error) else MalformedJson()
    return None


def _is_late(error: BaseException | None) -> bool:
    """Whether a time-out is behind it; Django wraps one twice."""
    while error is not None and not isinstance(error, TimeoutError):
        error = error.__cause__
    return error is not None


def _length_of(request: HttpRequest) -> int:
    try:
        return int(request.META.get("CONTENT_LENGTH") or 0)
    except ValueError:
        return 0  # so Django takes it, and reads nothing


def _is_staff(request: HttpRequest) -> bool:
    """Whether the request comes with the session of staff; no middleware has asked yet."""
    sessions = import_module(settings.SESSION_ENGINE)
    with request_limits():
        request.session = sessions.SessionStore(request.COOKIES.get(settings.SESSION_COOKIE_NAME))
        user = get_user(request)
        return user.is_active and getattr(user, "is_staff", False) and not staff.is_over(request)
