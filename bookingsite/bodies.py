"""Reads a request's body before anything else does, within the limits of its URL.

The CSRF check reads a form before any view runs, and DRF parses whatever it gets. Both find a
complete body in memory that is small enough. Nothing is written to disk for it.
"""

import codecs
import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from importlib import import_module

from django.conf import settings
from django.contrib.auth import get_user
from django.http import HttpRequest, UnreadablePostError

from bookings.infrastructure.deadlines import request_limits
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

# A file, its form and the rows parsed from it take up to a hundred MB together, so a process holds
# one such body at a time. Nothing waits for its turn: threads that wait would serve no one else.
LARGE_AT_ONCE = 1
_large = threading.BoundedSemaphore(LARGE_AT_ONCE)


@contextmanager
def received_body(request: HttpRequest) -> Iterator[Refusal | None]:
    """Yields once the body is read; a large body keeps its turn until the block ends.

    Yields the refusal to answer with if the body cannot be taken, else None.
    """
    with ExitStack() as until_answered:
        yield receive_body(request, until_answered)


def receive_body(request: HttpRequest, until_answered: ExitStack) -> Refusal | None:
    """Reads the body to its end. Returns the refusal to answer with if it cannot be taken.

    The worker has already collected bodies of up to 64 kB. A larger body is still on its way from
    the client, and only staff may make a thread wait for it. If another large body is still being
    processed, it is refused unread, and its client may try again. A body that is
    not in UTF-8 is always refused.
    """
    if not _is_in_utf_8(request):
        return UnreadableRequest("Send the request in UTF-8.")
    length = _length_of(request)
    limit = limit_for(request.path_info) if length else DEFAULT
    if length > DEFAULT.max_bytes:
        if length > limit.max_bytes or (limit.for_staff and not _is_staff(request)):
            return PayloadTooLarge()
        if not _large.acquire(blocking=False):
            return TryAgain()
        until_answered.callback(_large.release)
    elif limit.takes_turn and _is_staff(request):
        if not _large.acquire(blocking=False):
            return TryAgain()
        until_answered.callback(_large.release)
    try:
        request.body  # noqa: B018 (Django keeps it)
    except UnreadablePostError as error:
        return RequestTimeout() if _is_late(error) else MalformedJson()
    return None


def _is_late(error: BaseException | None) -> bool:
    """Whether a time-out caused the error; Django wraps one twice."""
    while error is not None and not isinstance(error, TimeoutError):
        error = error.__cause__
    return error is not None


def _is_in_utf_8(request: HttpRequest) -> bool:
    """Whether the request declares UTF-8, its subset ASCII, or nothing.

    Django decodes the URL's query and parts of a form with the declared codec, and Python has
    codecs that are no text encodings (rot13 raises an error) or that take very long (punycode).
    """
    if not getattr(request, "is_readable", True):
        return False
    named = request.encoding
    return named is None or codecs.lookup(named).name in ("utf-8", "ascii")


def _length_of(request: HttpRequest) -> int:
    try:
        return int(request.META.get("CONTENT_LENGTH") or 0)
    except ValueError:
        return 0  # Django treats it the same way and reads nothing


def _is_staff(request: HttpRequest) -> bool:
    """Whether the request carries the session of staff who have proved all that the admin asks for.

    No middleware has checked the session yet.
    """
    sessions = import_module(settings.SESSION_ENGINE)
    with request_limits():
        request.session = sessions.SessionStore(request.COOKIES.get(settings.SESSION_COOKIE_NAME))
        user = get_user(request)
        is_staff = user.is_active and getattr(user, "is_staff", False)
        return is_staff and not staff.is_over(request) and not staff.page_due(request, user)
