"""Middleware that only browsers need: static files, sessions, log-ins, messages.

A program that sends its token, a probe, a photo and the logo need none of these, and pass them by.
Together they would cost a replay a sixth of its time.
"""

import json
from collections.abc import Callable
from http import HTTPStatus
from typing import Any

from django.contrib.auth.middleware import AuthenticationMiddleware as DjangoAuthentication
from django.contrib.messages.middleware import MessageMiddleware as DjangoMessages
from django.contrib.sessions.middleware import SessionMiddleware as DjangoSessions
from django.http import HttpRequest, HttpResponse, HttpResponseNotAllowed, HttpResponseRedirect
from django.http.response import HttpResponseBase
from django.utils import timezone
from whitenoise.middleware import WhiteNoiseMiddleware
from whitenoise.responders import StaticFile

from bookings.admin.office_time import zone_of
from bookings.api.authentication import token_of
from bookings.web.script_answers import is_scripted
from bookingsite import staff
from bookingsite.probes import PROBES


def is_from_program(request: HttpRequest) -> bool:
    """Whether the request is for the API and carries a token, asks how a process is, or is for a
    photo or a part of the brand, which are the same for everybody.

    A token alone decides who is calling, even if it is wrong and a session comes with it
    (bookings/api/authentication.py).
    """
    known: bool | None = getattr(request, "_is_from_program", None)
    if known is None:
        path = request.path_info
        known = (
            (path.startswith("/api/") and token_of(request) is not None)
            or path.startswith(("/photos/", "/brand/"))
            or path in PROBES
        )
        # Each middleware below asks again.
        request._is_from_program = known  # type: ignore[attr-defined]
    return known


class _ForPages:
    """Goes in front of a middleware class and lets the requests of programs pass it by."""

    get_response: Any

    def __call__(self, request: HttpRequest) -> HttpResponse:
        if is_from_program(request):
            response: HttpResponse = self.get_response(request)
            return response
        return super().__call__(request)  # type: ignore[misc]


class StaticFiles(_ForPages, WhiteNoiseMiddleware):
    """Serves style sheets and scripts."""

    @staticmethod
    def serve(static_file: StaticFile, request: HttpRequest) -> HttpResponseBase:
        """Refuses other methods as views do, so that RequestMiddleware adds the same page."""
        if request.method not in ("GET", "HEAD"):
            return HttpResponseNotAllowed(("GET", "HEAD"))
        response: HttpResponseBase = WhiteNoiseMiddleware.serve(static_file, request)
        return response


class Sessions(_ForPages, DjangoSessions):
    """Opens the session that the cookie names."""


class Authentication(_ForPages, DjangoAuthentication):
    """Finds out who is logged in, on demand."""


class Staff(_ForPages, staff.StaffMiddleware):
    """Ends the sessions of staff, and asks for their second factor."""


class OfficeForms:
    """Tells a script of the admin that sent a form where the answer leads.

    The script cannot read a redirection, and if it followed one, it would take away the messages of
    the page that it leads to. It asks for JSON, like the scripts of the guests' pages
    (bookings/web/script_answers.py).
    """

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        response = self.get_response(request)
        if (
            isinstance(response, HttpResponseRedirect)
            and request.method == "POST"
            and request.path_info.startswith("/admin/")
            and is_scripted(request)
        ):
            # The cookies and headers that others have set stay.
            response.status_code = HTTPStatus.OK
            response.content = json.dumps({"location": response["Location"]})
            del response["Location"]
            response["Content-Type"] = "application/json"
        return response


class OfficeClock:
    """Shows moments in the admin by the clock of the hotels that the user belongs to."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        if not request.path_info.startswith("/admin/"):
            return self.get_response(request)
        user: Any = request.user
        with timezone.override(zone_of(request) if user.is_staff else None):
            return self.get_response(request)


class Messages(_ForPages, DjangoMessages):
    """Keeps messages for the next page."""
