"""Who a page is for: the person who is logged in, else the guest that this browser is.

A guest's id is random and lives in a signed cookie, so nobody can name another's. It is given
out with the first page that has a form for booking on it, since two clicks on that form must
come from one guest.
"""

import dataclasses
import secrets
from collections.abc import Callable, Iterable
from datetime import datetime, timedelta
from functools import wraps
from typing import Any

from django.conf import settings
from django.contrib.auth.models import User
from django.http import HttpRequest, HttpResponse

from bookings.domain.booking import LATE_CONFIRM, Booking
from bookings.domain.callers import Caller, caller_of_guest, caller_of_user
from bookings.infrastructure import clock
from bookings.people import adoption
from bookings.refusals import NotAuthenticated
from bookings.stays import reading
from bookings.stays.hold_limits import digest_of
from bookings.stays.lifecycle import LONGEST_HOLD

GUEST_COOKIE = "guest"
_SALT = "bookings.web.visitors"

# The longest that browsers keep a cookie (RFC 6265bis), since stays are booked two years ahead.
GUEST_COOKIE_AGE = timedelta(days=400)

_NEW_GUEST = "_new_guest"

# What the session holds: until when its person is the browser's guest as well, if it began with a
# login at which bookings are gathered. Staff who log in at the admin need not be the guest that
# this browser is. By then no hold lives that the guest can have made before the login: what the
# cookie makes later, perhaps from another computer, is not this person's.
_GUEST_UNTIL = "guest_until"
GUEST_LIFE = LONGEST_HOLD + LATE_CONFIRM

# And the bookings that links opened, the newest last.
_MANAGED = "managed_bookings"
MAX_MANAGED = 20

# And the mailbox that this browser showed to be its person's: its digest, and until when that is
# taken for so. The next person there is another one.
_MAILBOX = "confirmed_mailbox"
MAILBOX_LIFE = timedelta(minutes=30)

# And the guest that was typed in for a hold that could not be made.
_TYPED = "typed_guest"


def caller_of(request: HttpRequest) -> Caller:
    """Who asks. A browser that is new becomes a guest; see `keep_guest`.

    A person who has logged in as a customer sees what is their browser's guest's as well; see
    `adopt_late`.
    """
    if request.user.is_authenticated:
        before = guest_before(request)
        caller = dataclasses.replace(
            caller_of_user(request.user.pk), guest=str(before) if before else ""
        )
    elif (guest := guest_of(request)) is not None:
        caller = guest
    else:
        caller = caller_of_guest(secrets.token_hex(16))
        setattr(request, _NEW_GUEST, caller)
    return dataclasses.replace(caller, manages=frozenset(request.session.get(_MANAGED, ())))


def adopt_late(request: HttpRequest, found: Iterable[Booking]) -> bool:
    """Gives who is logged in what is still their browser's guest's, if any of these bookings is;
    returns whether something was.

    The login did so. But a request that came before it, from another tab, may have made a hold for
    the guest after it. Holds that are too many for the account stay the guest's; they are seen,
    confirmed and cancelled as long as this browser is both.
    """
    guest = guest_before(request)
    if not isinstance(request.user, User) or guest is None:
        return False
    if not any(booking.owner == str(guest) for booking in found):
        return False
    try:
        return adoption.adopt_guest(guest=guest, user=request.user) > 0
    except NotAuthenticated:
        return False  # the account was deleted meanwhile


def guest_of(request: HttpRequest) -> Caller | None:
    """The guest that this browser is, also while somebody is logged in; None if it is none."""
    if new := getattr(request, _NEW_GUEST, None):
        return new
    guest_id = request.get_signed_cookie(GUEST_COOKIE, default=None, salt=_SALT)
    return caller_of_guest(guest_id) if guest_id else None


def adopt_rest(request: HttpRequest) -> None:
    """The same with whatever is the guest's: before something that looks at the account alone, and
    before the browser forgets the guest."""
    if guest := guest_before(request):
        found, _cursor = reading.list_own_bookings(viewer=guest, limit=1)
        adopt_late(request, found)


def guest_before(request: HttpRequest) -> Caller | None:
    """The guest that the person who is logged in was before, by their own login; else None."""
    until = request.session.get(_GUEST_UNTIL)
    if until is None or not request.user.is_authenticated:
        return None
    return guest_of(request) if clock.now() < datetime.fromisoformat(until) else None


def join_guest(request: HttpRequest) -> None:
    """Says that the person who has just logged in is the guest that this browser is."""
    request.session[_GUEST_UNTIL] = (clock.now() + GUEST_LIFE).isoformat()


def let_manage(request: HttpRequest, booking_id: str) -> None:
    """Lets this session see and change one booking, whoever owns it: a link said so."""
    managed = [known for known in request.session.get(_MANAGED, ()) if known != booking_id]
    request.session[_MANAGED] = [*managed, booking_id][-MAX_MANAGED:]


def confirm_mailbox(request: HttpRequest, address: str) -> None:
    """Remembers that a letter to this address was opened here; not which address it was."""
    until = clock.now() + MAILBOX_LIFE
    request.session[_MAILBOX] = [digest_of(f"mailbox:{address}"), until.isoformat()]


def confirmed_mailbox_digest(request: HttpRequest) -> str | None:
    """The digest of the mailbox that this browser confirmed lately, or None."""
    digest, until = request.session.get(_MAILBOX, (None, ""))
    if digest is None or datetime.fromisoformat(until) <= clock.now():
        return None
    return digest


def keep_typed(request: HttpRequest, typed: dict[str, str]) -> None:
    """Remembers what was typed into a form that led elsewhere, for the next one."""
    request.session[_TYPED] = typed


def typed_before(request: HttpRequest) -> dict[str, str]:
    """What `keep_typed` remembers."""
    return request.session.get(_TYPED, {})


def forget_typed(request: HttpRequest) -> None:
    """It has arrived where it was meant to."""
    if _TYPED in request.session:
        del request.session[_TYPED]


def keep_guest(request: HttpRequest, response: HttpResponse) -> HttpResponse:
    """Gives a new guest their cookie, so that the next request comes from the same one."""
    if new := getattr(request, _NEW_GUEST, None):
        response.set_signed_cookie(
            GUEST_COOKIE,
            new.id,
            salt=_SALT,
            max_age=int(GUEST_COOKIE_AGE.total_seconds()),
            secure=settings.SESSION_COOKIE_SECURE,
            httponly=True,
            samesite="Lax",
        )
    return response


def leave_with_guest(view: Callable[..., HttpResponse]) -> Callable[..., HttpResponse]:
    """For a log-out with a page of its own, the admin's: who logged in as a customer, and so is the
    guest as well, leaves as both. Without that login the guest is another person, and stays."""

    @wraps(view)
    def leave(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        was_guest = guest_before(request) is not None
        adopt_rest(request)
        response = view(request, *args, **kwargs)
        if was_guest and not request.user.is_authenticated:
            forget_guest(response)
        return response

    return leave


def forget_guest(response: HttpResponse) -> None:
    """Makes the browser a new guest, so that the next person at it is not this one."""
    response.delete_cookie(GUEST_COOKIE, samesite="Lax")
