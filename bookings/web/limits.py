"""How often a browser may send forms; bookings/infrastructure/throttles.py counts.

The limits are far above what a person does and far below what a program would need. The
windows are short, so that people who share a remote address with a program wait minutes, not days.
"""

import secrets
from collections.abc import Callable
from datetime import timedelta
from functools import wraps
from typing import Any

from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils.crypto import salted_hmac
from django.utils.translation import gettext, ngettext

from bookings.infrastructure.texts import normalise
from bookings.infrastructure.throttles import Limit, remote_address_of, wait_s
from bookings.web.script_answers import is_scripted, tell_fault

View = Callable[..., HttpResponse]

MINUTE_S, HOUR_S = 60, 60 * 60

# A hotel's lobby or an office is one remote address; a person sends a form every few seconds.
POSTS = Limit("posts", 60, MINUTE_S)

# Guests are free to make, so their limit of live holds alone would not keep a program from
# holding a whole hotel. A hold that is asked for again counts as well.
HOLDS = Limit("holds", 30, 10 * MINUTE_S)

# Each costs a password's hash, so it is few; an office that begins its day still gets in.
LOGINS_OF_REMOTE_ADDRESS = Limit("login-address", 20, 5 * MINUTE_S)

# From any number of remote addresses: 20 guesses in five minutes find no password that validators
# let through. A stranger who uses them up keeps the owner out for minutes in a new browser only;
# a browser that the owner has logged in with counts for itself, and so does the reset's letter.
LOGINS_OF_ACCOUNT = Limit("login-account", 20, 5 * MINUTE_S)
LOGINS_OF_BROWSER = Limit("login-browser", 20, 5 * MINUTE_S)

# Forms that send a letter: by who asks, and by whose mailbox it would fill. Who has used up a
# mailbox's letters has sent it as many, so its owner has a link that works.
LETTERS_OF_REMOTE_ADDRESS = Limit("letters-address", 20, HOUR_S)
LETTERS_TO_MAILBOX = Limit("letters-mailbox", 5, HOUR_S)

_BROWSER_COOKIE = "known"
_SALT = "bookings.web.limits"
_BROWSER_COOKIE_AGE = timedelta(days=400)  # the longest that browsers keep one

# What a field is called whose content is never sent back.
_SECRET = "password"


def limit_posts(view: View) -> View:
    """For a page with a form: at most so many POSTs a minute from one remote address."""

    @wraps(view)
    def limited(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        if request.method == "POST" and (left_s := wait_s(POSTS, remote_address_of(request))):
            return refuse_post(request, left_s)
        return view(request, *args, **kwargs)

    return limited


def limit_holds(view: View) -> View:
    """For the form that keeps a room from others: whoever drops their cookies is a new guest."""

    @wraps(view)
    def limited(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        if left_s := wait_s(HOLDS, remote_address_of(request)):
            return refuse_post(request, left_s)
        return view(request, *args, **kwargs)

    return limited


def limit_logins(view: View) -> View:
    """For a login with a form of its own, the admin's."""

    @wraps(view)
    def limited(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        if request.method == "POST":
            left_s = login_wait_s(request, lambda: request.POST.get("username", ""))
            if left_s:
                return refuse_post(request, left_s)
        return view(request, *args, **kwargs)

    return limited


def refuse_post(request: HttpRequest, left_s: int) -> HttpResponse:
    """A page that says how long to wait, and offers the same form again, without passwords.

    To the pages' script it is told in words alone: the form is still before its reader.
    """
    if is_scripted(request):
        sentence = sentence_to_wait(left_s)
        told = tell_fault(code="THROTTLED", sentence=sentence, status=429)
        return told_to_wait(told, left_s)
    typed = [
        (name, value)
        for name, values in request.POST.lists()
        if name != "csrfmiddlewaretoken"
        for value in values
    ]
    has_secret = any(_SECRET in name for name, _ in typed)
    context = {
        "sentence": sentence_to_wait(left_s),
        "typed": typed,
        "has_secret": has_secret,
    }
    return told_to_wait(render(request, "throttled.html", context), left_s)


def told_to_wait(response: HttpResponse, left_s: int) -> HttpResponse:
    """Makes the page a 429."""
    response.status_code = 429
    response["Retry-After"] = str(left_s)
    return response


def sentence_to_wait(left_s: int) -> str:
    """What a person reads: what happened, and what to do next."""
    if left_s <= 90:
        wait = ngettext("Wait %(n)d second", "Wait %(n)d seconds", left_s) % {"n": left_s}
    else:
        minutes = -(-left_s // 60)
        wait = ngettext("Wait %(n)d minute", "Wait %(n)d minutes", minutes) % {"n": minutes}
    return gettext("This was sent too often in a short time. %(wait)s, then try again.") % {
        "wait": wait
    }


def login_wait_s(request: HttpRequest, account: Callable[[], str]) -> int | None:
    """Counts a try to log in to the account of this name; the seconds until the next, if too many.

    To be called before the password is looked at, for names that exist and others alike. The name
    is asked for last: a remote address that has sent too much makes no more work.
    """
    left_s = wait_s(LOGINS_OF_REMOTE_ADDRESS, remote_address_of(request))
    if left_s:
        return left_s
    name = _digest(account())
    cookie = request.get_signed_cookie(_BROWSER_COOKIE, default=None, salt=_SALT)
    known_name, _, browser = (cookie or "").partition(":")
    if known_name == name:
        return wait_s(LOGINS_OF_BROWSER, f"{name}:{browser}")
    return wait_s(LOGINS_OF_ACCOUNT, name)


def know_browser(response: HttpResponse, account: str) -> None:
    """Remembers in the browser that the account's owner has logged in with it."""
    response.set_signed_cookie(
        _BROWSER_COOKIE,
        f"{_digest(account)}:{secrets.token_hex(8)}",
        salt=_SALT,
        max_age=int(_BROWSER_COOKIE_AGE.total_seconds()),
        secure=settings.SESSION_COOKIE_SECURE,
        httponly=True,
        samesite="Lax",
    )


def letter_wait_s(request: HttpRequest, purpose: str, mailbox: str) -> int | None:
    """Counts a wish for a letter to this mailbox, whether anybody is known by it or not."""
    by_remote_address = wait_s(LETTERS_OF_REMOTE_ADDRESS, remote_address_of(request))
    return by_remote_address or wait_s(LETTERS_TO_MAILBOX, f"{purpose}:{_digest(mailbox)}")


def _digest(name: str) -> str:
    """Whose it is without saying so: names and e-mail addresses stay out of Redis and of cookies.

    All spellings that the login's form takes for one name are one. The digest is keyed, so that
    nobody else can compare it with those of names they know.
    """
    spelled = normalise("NFKC", name).strip().casefold().encode("utf-8", "replace")
    return salted_hmac(_SALT, spelled, algorithm="sha256").hexdigest()[:32]
