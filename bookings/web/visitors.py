"""The visitor of a page: the user who is logged in, else this browser's guest.

A guest's id is random and is kept in a signed cookie, so no one can use another guest's id. The
first page with a booking form sets the cookie, since two clicks on that form must come from one
guest.
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
from bookings.people.staff_hotels import hotels_of
from bookings.refusals import NotAuthenticated, NotFound
from bookings.stays import own_bookings
from bookings.stays.hold_limits import digest_of
from bookings.stays.lifecycle import LONGEST_HOLD

GUEST_COOKIE = "guest"
_SALT = "bookings.web.visitors"

# The longest lifetime that browsers allow (RFC 6265bis), since stays can be two years ahead.
GUEST_COOKIE_AGE = timedelta(days=400)

_NEW_GUEST = "_new_guest"

# In the session: until when its user also counts as the browser's guest. Only a login that adopts
# bookings sets it, since staff who log in at the admin need not be this browser's guest. When the
# time ends, every hold that the guest can have made before the login is dead. A booking that the
# cookie makes later, perhaps from another computer, does not belong to this user.
_GUEST_UNTIL = "guest_until"
GUEST_LIFE = LONGEST_HOLD + LATE_CONFIRM

# In the session: the bookings that links have opened, the newest last.
_MANAGED = "managed_bookings"
MAX_MANAGED = 20

# In the session: the digest of the mailbox that the visitor has confirmed, and until when this
# counts. The next person at this browser may be someone else.
_MAILBOX = "confirmed_mailbox"
MAILBOX_LIFE = timedelta(minutes=30)

# In the session: the details that were entered for a hold that could not be made.
_TYPED = "typed_guest"


def caller_of(request: HttpRequest) -> Caller:
    """The caller behind this request. A new browser becomes a guest; see `keep_guest`.

    A user who logged in as a customer also sees the bookings of the browser's guest; see
    `adopt_late`.
    """
    if request.user.is_authenticated:
        before = guest_before(request)
        # What staff booked at the desk is theirs here, too.
        caller = dataclasses.replace(
            caller_of_user(request.user.pk),
            guest=str(before) if before else "",
            hotels=hotels_of(request.user),
        )
    elif (guest := guest_of(request)) is not None:
        caller = guest
    else:
        caller = caller_of_guest(secrets.token_hex(16))
        setattr(request, _NEW_GUEST, caller)
    return dataclasses.replace(caller, manages=frozenset(request.session.get(_MANAGED, ())))


def is_new(request: HttpRequest) -> bool:
    """Whether this request's visitor cannot own any bookings: it has just become a guest."""
    caller_of(request)
    return hasattr(request, _NEW_GUEST)


def has_booking(request: HttpRequest, booking_id: str) -> bool:
    """Whether the visitor can open the page of this booking."""
    try:
        own_bookings.find_own_booking(viewer=caller_of(request), booking_id=booking_id)
    except NotFound:
        return False
    return True


def adopt_late(request: HttpRequest, found: Iterable[Booking]) -> bool:
    """Moves the guest's bookings to the account of the same visitor, if `found` has one of them.

    Returns whether any were moved. The login has already moved them once, but an earlier request
    from another tab may make a hold for the guest after that. Holds beyond the account's limit
    stay with the guest. The visitor can see, confirm and cancel them as long as this browser counts
    as both.
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
    """This browser's guest, even while a user is logged in; None if it has none."""
    if new := getattr(request, _NEW_GUEST, None):
        return new
    guest_id = request.get_signed_cookie(GUEST_COOKIE, default=None, salt=_SALT)
    return caller_of_guest(guest_id) if guest_id else None


def adopt_rest(request: HttpRequest) -> None:
    """Does the same for any booking of the guest.

    Call it before an action that looks at the account alone, and before the browser forgets the
    guest.
    """
    if guest := guest_before(request):
        found, _cursor = own_bookings.list_own_bookings(viewer=guest, limit=1)
        adopt_late(request, found)


def guest_before(request: HttpRequest) -> Caller | None:
    """The guest that the logged-in customer was before the login; None for anyone else."""
    until = request.session.get(_GUEST_UNTIL)
    if until is None or not request.user.is_authenticated:
        return None
    return guest_of(request) if clock.now() < datetime.fromisoformat(until) else None


def join_guest(request: HttpRequest) -> None:
    """Records that the user who has just logged in is this browser's guest."""
    request.session[_GUEST_UNTIL] = (clock.now() + GUEST_LIFE).isoformat()


def let_manage(request: HttpRequest, booking_id: str) -> None:
    """Lets this session see and change one booking of any owner: the visitor has its link."""
    managed = [known for known in request.session.get(_MANAGED, ()) if known != booking_id]
    request.session[_MANAGED] = [*managed, booking_id][-MAX_MANAGED:]


def confirm_mailbox(request: HttpRequest, address: str) -> None:
    """Remembers the digest of an address whose letter was opened here, not the address."""
    until = clock.now() + MAILBOX_LIFE
    request.session[_MAILBOX] = [digest_of(f"mailbox:{address}"), until.isoformat()]


def confirmed_mailbox_digest(request: HttpRequest) -> str | None:
    """The digest of the mailbox that this browser confirmed recently, or None."""
    digest, until = request.session.get(_MAILBOX, (None, ""))
    if digest is None or datetime.fromisoformat(until) <= clock.now():
        return None
    return digest


def keep_typed(request: HttpRequest, typed: dict[str, str]) -> None:
    """Keeps the details of a form that could not be completed, for the next form."""
    request.session[_TYPED] = typed


def typed_before(request: HttpRequest) -> dict[str, str]:
    """The details that `keep_typed` kept."""
    return request.session.get(_TYPED, {})


def forget_typed(request: HttpRequest) -> None:
    """Drops the kept details once a booking has them."""
    if _TYPED in request.session:
        del request.session[_TYPED]


def keep_guest(request: HttpRequest, response: HttpResponse) -> HttpResponse:
    """Sets a new guest's cookie, so that the next request comes from the same guest."""
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
    """For the admin's own logout page: a user who also counts as the guest leaves as both.

    Otherwise the guest may be another person, and the browser keeps the cookie.
    """

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
    """Deletes the guest's cookie, so that the next person at this browser is a new guest."""
    response.delete_cookie(GUEST_COOKIE, samesite="Lax")
