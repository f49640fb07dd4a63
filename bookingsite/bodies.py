"""Takes a request's body in before anything else does, within the limits of its URL.

CSRF's check reads a form before any view is asked, and DRF parses what it gets: both find a body
that is whole and small enough, in memory. No file is written for it.
"""

import codecs
import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from importlib import import_module

from django.conf import settings
from django.contrib.auth import get_user
from django.http import HttpRequest, UnreadablePostError

from bookings.infrastructure.clock import request_limits
from bookings.refusals import (
    MalformedJson,
    PayloadTooLarge,
    Refusal,
    RequestTimeout,
    TryAgain,
    UnreadableRequest,
)
from bookingsite import staff
from bookingsite.body_limits import DEFAULT, limit_for

# A file, the form that it comes in and the rows that it is found to be take a hundred MB: a process
# has one such body at a time. The next waits for longer than the largest takes to be judged.
LARGE_AT_ONCE = 1
LARGE_WAIT_S = 5.0
_large = threading.BoundedSemaphore(LARGE_AT_ONCE)


@contextmanager
def received_body(request: HttpRequest) -> Iterator[Refusal | None]:
    """Receives the body for as long as the request is worked on."""
    with ExitStack() as until_answered:
        yield receive_body(request, until_answered)


def receive_body(request: HttpRequest, until_answered: ExitStack) -> Refusal | None:
    """Reads the body to its end; what is to be answered instead, if it cannot be taken.

    The worker has brought up to 64 kB already. Only a larger one is still to come from its
    client, and only staff may have a thread wait for it. One that comes while another is worked on
    is not read. Nor is one in another coding than UTF-8.
    """
    if not _is_in_utf_8(request):
        return UnreadableRequest("Send the request in UTF-8.")
    length = _length_of(request)
    if length > DEFAULT.max_bytes:
        limit = limit_for(request.path_info)
        if length > limit.max_bytes or (limit.for_staff and not _is_staff(request)):
            return PayloadTooLarge()
        if not _large.acquire(timeout=LARGE_WAIT_S):
            return TryAgain()
        until_answered.callback(_large.release)
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


def _is_in_utf_8(request: HttpRequest) -> bool:
    """Whether the request says of itself nothing else; ASCII is a part of it.

    Django reads the URL's query and parts of a form by what is named there, whatever Python has
    under that name: what is no coding of texts (rot13) raises an error, and some take very long
    (punycode).
    """
    if not getattr(request, "is_readable", True):
        return False
    named = request.encoding
    return named is None or codecs.lookup(named).name in ("utf-8", "ascii")


def _length_of(request: HttpRequest) -> int:
    try:
        return int(request.META.get("CONTENT_LENGTH") or 0)
    except ValueError:
        return 0  # so Django takes it, and reads nothing


def _is_staff(request: HttpRequest) -> bool:
    """Whether the request comes with the session of staff who have proved all that the admin asks
    for; no middleware has asked yet."""
    sessions = import_module(settings.SESSION_ENGINE)
    with request_limits():
        request.session = sessions.SessionStore(request.COOKIES.get(settings.SESSION_COOKIE_NAME))
        user = get_user(request)
        is_staff = user.is_active and getattr(user, "is_staff", False)
        return is_staff and not staff.is_over(request) and not staff.page_due(request, user)
