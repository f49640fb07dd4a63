"""Limits on how often a browser may send forms. bookings/infrastructure/throttles.py counts.

The limits are far above what a person does and far below what an attacking program needs. The
windows are short, so people who share a remote address with such a program wait minutes, not days.
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

# All guests in a hotel lobby share one remote address. A person sends a form every few seconds.
POSTS = Limit("posts", 60, MINUTE_S)

# Creating a guest costs nothing, so the limit on a guest's live holds alone would not stop a
# program from holding a whole hotel. A repeated request for a hold counts too.
HOLDS = Limit("holds", 30, 10 * MINUTE_S)

# Each attempt costs a password hash, so few are allowed: enough for an office that starts its day.
LOGINS_OF_REMOTE_ADDRESS = Limit("login-address", 20, 5 * MINUTE_S)

# This counts all remote addresses together: 20 guesses in five minutes do not find a password that
# the validators accept. A stranger who uses them up locks the owner out of new browsers for a few
# minutes. Browsers in which the owner has logged in before have their own count, and so do letters
# for a new password.
LOGINS_OF_ACCOUNT = Limit("login-account", 20, 5 * MINUTE_S)
LOGINS_OF_BROWSER = Limit("login-browser", 20, 5 * MINUTE_S)

# Forms that send a letter count by sender and by mailbox. If a stranger uses up a mailbox's limit,
# the mailbox has received that many letters, so its owner has a working link.
LETTERS_OF_REMOTE_ADDRESS = Limit("letters-address", 20, HOUR_S)
LETTERS_TO_MAILBOX = Limit("letters-mailbox", 5, HOUR_S)

_BROWSER_COOKIE = "known"
_SALT = "bookings.web.limits"
_BROWSER_COOKIE_AGE = timedelta(days=400)  # the longest lifetime that browsers allow

# A field with this in its name is never sent back to the page.
_SECRET = "password"


def limit_posts(view: View) -> View:
    """Limits the POSTs of a page from one remote address."""

    @wraps(view)
    def limited(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        if request.method == "POST" and (left_s := wait_s(POSTS, remote_address_of(request))):
            return refuse_post(request, left_s)
        return view(request, *args, **kwargs)

    return limited


def limit_holds(view: View) -> View:
    """Limits holds from one remote address, since dropping the cookies makes a new guest."""

    @wraps(view)
    def limited(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        if left_s := wait_s(HOLDS, remote_address_of(request)):
            return refuse_post(request, left_s)
        return view(request, *args, **kwargs)

    return limited


def limit_logins(view: View) -> View:
    """Limits a login that has its own form: the admin's."""

    @wraps(view)
    def limited(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        if request.method == "POST":
            left_s = login_wait_s(request, lambda: request.POST.get("username", ""))
            if left_s:
                return refuse_post(request, left_s)
        return view(request, *args, **kwargs)

    return limited


def refuse_post(request: HttpRequest, left_s: int) -> HttpResponse:
    """A page that says how long to wait and offers the same form again, without passwords.

    The pages' script gets only the sentence, since its form is still on screen.
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
    """The sentence that says what happened and what to do next."""
    if left_s <= 90:
        wait = ngettext("Wait %(n)d second", "Wait %(n)d seconds", left_s) % {"n": left_s}
    else:
        minutes = -(-left_s // 60)
        wait = ngettext("Wait %(n)d minute", "Wait %(n)d minutes", minutes) % {"n": minutes}
    return gettext("You’ve sent this too many times. %(wait)s, then try again.") % {"wait": wait}


def login_wait_s(request: HttpRequest, account: Callable[[], str]) -> int | None:
    """Counts a login attempt; the seconds to wait if there were too many, else None.

    Call it before checking the password, whether or not the account exists. `account` gives the
    account's name and is called last, so a remote address over its limit causes no more work.
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
    """Sets a cookie that says the account's owner has logged in with this browser."""
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
    """Counts a request for a letter to this mailbox, known or not; the seconds to wait, or None."""
    by_remote_address = wait_s(LETTERS_OF_REMOTE_ADDRESS, remote_address_of(request))
    return by_remote_address or wait_s(LETTERS_TO_MAILBOX, f"{purpose}:{_digest(mailbox)}")


def _digest(name: str) -> str:
    """A digest that keeps names and e-mail addresses out of Redis and cookies.

    Spellings that the login form treats as one name share a digest. It is keyed, so outsiders
    cannot compare it with digests of names they know.
    """
    spelled = normalise("NFKC", name).strip().casefold().encode("utf-8", "replace")
    return salted_hmac(_SALT, spelled, algorithm="sha256").hexdigest()[:32]
