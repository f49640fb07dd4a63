"""The account pages: log in and out, register, choose a new password, find bookings.

No answer reveals whether an e-mail address has an account. Only the letter sent to it does. The
token of a letter's link moves from the URL into a cookie before a page is shown. So it does not
stay in the browser's history, and no other site receives it in a referrer.
"""

from typing import Any

from django.conf import settings
from django.contrib.auth import authenticate, login, logout
from django.contrib.auth.models import User
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import redirect, render, resolve_url
from django.urls import reverse
from django.utils.http import url_has_allowed_host_and_scheme
from django.views.decorators.cache import never_cache
from django.views.decorators.csrf import csrf_protect
from django.views.decorators.debug import sensitive_post_parameters
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from bookings.people import account_letters, accounts, adoption
from bookings.refusals import NotAuthenticated
from bookings.web import limits, visitors
from bookings.web.account_forms import (
    AddressForm,
    LoginForm,
    NewAccountForm,
    PasswordForm,
    RegisterForm,
)

_BACKEND = "django.contrib.auth.backends.ModelBackend"

# Keeps the token of an opened letter, for the page with its form only. The session would not do:
# it is replaced at login, so a second click would find no token.
_LETTER_COOKIE = "letter"

_show_or_take = require_http_methods(["GET", "HEAD", "POST"])


@never_cache
@sensitive_post_parameters()
@csrf_protect
@_show_or_take
def log_in(request: HttpRequest) -> HttpResponse:
    """Shows the login form, or logs in. Too many attempts are refused before the password check."""
    context = {"next": _next_of(request)}
    if request.method != "POST":
        return render(request, "account/login.html", {**context, "form": LoginForm(request)})
    typed = request.POST.get("username", "")
    if left_s := limits.login_wait_s(request, lambda: accounts.name_of(typed)):
        form = LoginForm(request, initial={"username": typed})
        return _ask_to_wait(request, "account/login.html", left_s, **context, form=form)
    form = LoginForm(request, data=request.POST)
    if not form.is_valid():
        return render(request, "account/login.html", {**context, "form": form}, status=400)
    user = form.get_user()
    _welcome(request, user)
    response = HttpResponseRedirect(context["next"] or resolve_url(settings.LOGIN_REDIRECT_URL))
    limits.know_browser(response, user.get_username())
    return response


@never_cache
@csrf_protect
@require_POST
def log_out(request: HttpRequest) -> HttpResponse:
    """Logs out and forgets the guest, since the next person at this browser is someone else."""
    # A later login would not find these bookings, since the guest is forgotten below.
    visitors.adopt_rest(request)
    logout(request)
    response = redirect(settings.LOGOUT_REDIRECT_URL)
    visitors.forget_guest(response)
    return response


def register(request: HttpRequest) -> HttpResponse:
    """Asks for an e-mail address, and for the letter that leads to a new account."""
    return _ask_for_letter(request, account_letters.REGISTER, RegisterForm, "account/register.html")


def password(request: HttpRequest) -> HttpResponse:
    """Asks for an e-mail address, and for the letter that leads to a new password."""
    return _ask_for_letter(request, account_letters.RESET, AddressForm, "account/password.html")


def find(request: HttpRequest) -> HttpResponse:
    """Asks for an e-mail address, and for the letter that lists its bookings."""
    return _ask_for_letter(request, account_letters.FIND, AddressForm, "account/find.html")


@never_cache
@csrf_protect
@_show_or_take
@limits.limit_posts
def _ask_for_letter(
    request: HttpRequest, purpose: str, form_class: type[AddressForm], template: str
) -> HttpResponse:
    """Gives the same answer and does the same work for every address."""
    form = form_class(request.POST if request.method == "POST" else None)
    if form.is_valid():
        address = form.cleaned_data["email"]
        if left_s := limits.letter_wait_s(request, purpose, address):
            return _ask_to_wait(request, template, left_s, form=form_class(initial=request.POST))
        account_letters.ask_for_letter(purpose=purpose, address=address)
        return redirect("letter_sent")
    return render(request, template, {"form": form}, status=400 if form.is_bound else 200)


@never_cache
@require_safe
def letter_sent(request: HttpRequest) -> HttpResponse:
    return render(request, "account/letter_sent.html", {"hours": _letter_hours()})


@never_cache
@require_safe
def open_register(request: HttpRequest, token: str) -> HttpResponse:
    """Opens a letter's link to register, and redirects to the form without the token."""
    opened = account_letters.open_letter(purpose=account_letters.REGISTER, token=token)
    if opened is None or opened.account:
        return _link_ended(request, "register")
    return _keep_token(token, "finish_register")


@never_cache
@require_safe
def open_password(request: HttpRequest, token: str) -> HttpResponse:
    """Opens a letter's link to choose a password, and redirects to the form without the token."""
    if account_letters.open_letter(purpose=account_letters.RESET, token=token) is None:
        return _link_ended(request, "password")
    return _keep_token(token, "new_password")


def _keep_token(token: str, page: str) -> HttpResponse:
    response = redirect(page)
    response.set_cookie(
        _LETTER_COOKIE,
        token,
        path=reverse(page),
        secure=settings.SESSION_COOKIE_SECURE,
        httponly=True,
        samesite="Lax",
    )
    return response


def _forget_token(response: HttpResponse, page: str) -> HttpResponse:
    response.delete_cookie(_LETTER_COOKIE, path=reverse(page), samesite="Lax")
    return response


@never_cache
@sensitive_post_parameters()
@csrf_protect
@_show_or_take
@limits.limit_posts
def finish_register(request: HttpRequest) -> HttpResponse:
    """Asks for a name and password, and creates the account of the letter's address."""
    token = request.COOKIES.get(_LETTER_COOKIE, "")
    opened = account_letters.open_letter(purpose=account_letters.REGISTER, token=token)
    if opened is None:
        return _forget_token(_link_ended(request, "register"), "finish_register")
    if opened.account:
        return _end_as_the_first_click(request, opened.address)
    someone = User(username=opened.address, email=opened.address)
    form = NewAccountForm(someone, request.POST if request.method == "POST" else None)
    context = {"form": form, "address": opened.address}
    if not form.is_valid():
        status = 400 if form.is_bound else 200
        return render(request, "account/finish_register.html", context, status=status)
    user = accounts.make_account(
        address=opened.address,
        name=form.cleaned_data["name"],
        password=form.cleaned_data["new_password1"],
    )
    if user is None:  # another click or another letter came first
        return _end_as_the_first_click(request, opened.address)
    return _forget_token(_enter(request, user), "finish_register")


def _end_as_the_first_click(request: HttpRequest, address: str) -> HttpResponse:
    """Logs in a person who created the account with the first of two clicks.

    The password they sent must match. This counts as a login attempt like any other.
    """
    user = None
    if request.method == "POST":
        name = accounts.name_of(address)
        if left_s := limits.login_wait_s(request, lambda: name):
            return limits.refuse_post(request, left_s)
        password = request.POST.get("new_password1", "")
        user = authenticate(request, username=name, password=password)
    response = _enter(request, user) if user else _link_ended(request, "register")
    return _forget_token(response, "finish_register")


@never_cache
@sensitive_post_parameters()
@csrf_protect
@_show_or_take
@limits.limit_posts
def new_password(request: HttpRequest) -> HttpResponse:
    """Sets a new password for the letter's account, which ends its other sessions."""
    token = request.COOKIES.get(_LETTER_COOKIE, "")
    opened = account_letters.open_letter(purpose=account_letters.RESET, token=token)
    if opened is None or opened.account is None:
        return _forget_token(_link_ended(request, "password"), "new_password")
    form = PasswordForm(opened.account, request.POST if request.method == "POST" else None)
    context = {"form": form, "address": opened.address}
    if not form.is_valid():
        status = 400 if form.is_bound else 200
        return render(request, "account/new_password.html", context, status=status)
    password = form.cleaned_data["new_password1"]
    if not accounts.choose_password(user=opened.account, password=password):
        return _forget_token(_link_ended(request, "password"), "new_password")
    return _forget_token(_enter(request, opened.account), "new_password")


def _enter(request: HttpRequest, user: Any) -> HttpResponse:
    """Logs in a person who has followed a letter's link."""
    _welcome(request, user)
    response = redirect("admin:index" if user.is_staff else settings.LOGIN_REDIRECT_URL)
    limits.know_browser(response, user.get_username())
    return response


def _welcome(request: HttpRequest, user: Any) -> None:
    """Adopts the guest's bookings, then logs in. If adopting fails, the same form works again.

    Raises PermissionDenied if the account is being deleted. `NotAuthenticated` would advise the
    visitor to log in first, which would not help.
    """
    try:
        adoption.gather_bookings(user=user, guest=visitors.guest_of(request))
    except NotAuthenticated as error:
        raise PermissionDenied from error
    login(request, user, backend=_BACKEND)
    visitors.join_guest(request)


def _link_ended(request: HttpRequest, again: str) -> HttpResponse:
    """Shows one page for every dead link: used, forged, replaced or expired."""
    context = {"again": again, "hours": _letter_hours()}
    return render(request, "account/link_ended.html", context, status=410)


def _ask_to_wait(request: HttpRequest, template: str, left_s: int, **context: Any) -> HttpResponse:
    """Shows the form again, with its values except passwords, and says how long to wait."""
    context["wait"] = limits.sentence_to_wait(left_s)
    return limits.told_to_wait(render(request, template, context), left_s)


def _next_of(request: HttpRequest) -> str:
    """The path to open after login; empty unless it belongs to this site."""
    target = request.POST.get("next", request.GET.get("next", ""))
    is_here = url_has_allowed_host_and_scheme(
        target, allowed_hosts={request.get_host()}, require_https=request.is_secure()
    )
    return target if is_here and target.startswith("/") else ""


def _letter_hours() -> int:
    return int(account_letters.LETTER_LIFE.total_seconds() // 3600)
