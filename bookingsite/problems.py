"""Under /api/, every answer that is not a success is a problem document (RFC 9457).

Refusals carry their own code. Errors of Django, DRF and the drivers are translated here, in one
table, and nowhere else.
"""

import logging
import sys
from typing import Any

from django.conf import settings
from django.core import exceptions as django_errors
from django.http import Http404, HttpRequest, HttpResponse, UnreadablePostError
from django.http.multipartparser import MultiPartParserError
from django.shortcuts import render
from django.views import csrf
from rest_framework import exceptions as drf

from bookings import refusals
from bookings.infrastructure import metrics
from bookings.infrastructure.embedding import is_embedded
from bookings.infrastructure.mongodb import errors, outage
from bookings.refusals import Refusal
from bookings.stays import answers
from bookings.web import visitors
from bookings.web.messages import explain, title_of
from idempotency import keys
from idempotency.errors import InvalidKey

logger = logging.getLogger(__name__)

TRANSLATIONS: list[tuple[type[BaseException], type[Refusal]]] = [
    (drf.NotAuthenticated, refusals.NotAuthenticated),
    (drf.AuthenticationFailed, refusals.NotAuthenticated),
    (drf.PermissionDenied, refusals.PermissionDenied),
    (django_errors.PermissionDenied, refusals.PermissionDenied),
    (drf.NotFound, refusals.NotFound),
    (Http404, refusals.NotFound),
    (drf.MethodNotAllowed, refusals.MethodNotAllowed),
    (drf.NotAcceptable, refusals.NotAcceptable),
    (drf.UnsupportedMediaType, refusals.UnsupportedMediaType),
    (drf.ParseError, refusals.MalformedJson),
    (django_errors.RequestDataTooBig, refusals.PayloadTooLarge),
    (UnreadablePostError, refusals.MalformedJson),
    # The admin looks up any id it receives; a text that is not an id names nothing.
    (django_errors.ValidationError, refusals.NotFound),
    (django_errors.SuspiciousOperation, refusals.MalformedJson),
    (django_errors.BadRequest, refusals.MalformedJson),
    (MultiPartParserError, refusals.MalformedJson),
]


def handle_exception(error: Exception, context: dict[str, Any]) -> HttpResponse:
    """DRF's exception handler: answers with the problem document of the matching refusal."""
    refusal = refusal_for(error)
    if isinstance(refusal, refusals.ServerError):
        _log_unexpected(error)
    response = respond(refusal, context["request"])
    if isinstance(error, drf.APIException):
        if header := getattr(error, "auth_header", None):
            response["WWW-Authenticate"] = header
        if isinstance(error, drf.MethodNotAllowed):
            response["Allow"] = ", ".join(context["view"].allowed_methods)
    return response


def _key_in_force(request: HttpRequest) -> str | None:
    """The request's own key, for answers given before or outside its claim."""
    try:
        key = keys.read_key(request.headers.get("Idempotency-Key"), accept_server_made=True)
    except InvalidKey:
        return None
    return None if key is None else keys.write_key(key)


def refusal_for(error: BaseException) -> Refusal:
    """The refusal that stands for an error; ServerError if the error is unexpected."""
    if isinstance(error, Refusal):
        return error
    if failed := errors.driver_error(error):
        is_passing = errors.is_passing(failed)
        metrics.mongodb_errors.labels("passing" if is_passing else "other").inc()
        if not is_passing:
            return refusals.ServerError()
        logger.warning("mongodb_failed", extra=errors.describe(failed))
        outage.report(failed)
        return refusals.TryAgain()
    if isinstance(error, drf.Throttled):
        return refusals.Throttled(retry_after_s=max(1, round(getattr(error, "wait", None) or 1)))
    for known, refusal in TRANSLATIONS:
        if isinstance(error, known):
            return refusal()
    return refusals.ServerError()


def _log_unexpected(error: BaseException | None) -> None:
    about = errors.describe(error) if error else {}
    logger.error("unexpected_error", exc_info=error, extra=about)


def respond(refusal: Refusal, request: HttpRequest) -> HttpResponse:
    """The refusal as a problem document, with the request's own key in the header."""
    answer = answers.problem(refusal)
    response = HttpResponse(answer.body, status=answer.status, content_type=answer.content_type)
    if refusal.retry_after_s is not None:
        response["Retry-After"] = str(refusal.retry_after_s)
    if key := _key_in_force(request):
        response["Idempotency-Key"] = key
    return response


def bad_request(request: HttpRequest, exception: Exception) -> HttpResponse:
    """Answers what Django calls a bad request, and logs errors that are not in the table."""
    refusal = refusal_for(exception)
    if isinstance(refusal, refusals.ServerError):
        _log_unexpected(exception)
    if isinstance(refusal, refusals.MalformedJson):
        # The fault is in a header or the URL, not in JSON.
        refusal = refusals.MalformedJson("The request cannot be read; check its URL and headers.")
        refusal.title = "Bad request"
    return answer_refusal(request, refusal)


def permission_denied(request: HttpRequest, exception: Exception) -> HttpResponse:
    return answer_refusal(request, refusals.PermissionDenied())


def page_not_found(request: HttpRequest, exception: Exception) -> HttpResponse:
    return answer_refusal(request, refusals.NotFound())


def csrf_failure(request: HttpRequest, reason: str = "") -> HttpResponse:
    """Answers a form without the token of this browser.

    In a frame without any cookie the browser keeps none there; the page says how to go on.
    """
    if is_embedded() and settings.CSRF_COOKIE_NAME not in request.COOKIES:
        return render(request, "no_cookies.html", status=403)
    response: HttpResponse = csrf.csrf_failure(request, reason)
    return response


def server_error(request: HttpRequest) -> HttpResponse:
    """Answers errors that no view handled, including those of a session look-up before the view."""
    error = sys.exc_info()[1]
    refusal = refusal_for(error) if error else refusals.ServerError()
    if isinstance(refusal, refusals.ServerError):
        _log_unexpected(error)
    return answer_refusal(request, refusal)


def answer_refusal(request: HttpRequest, refusal: Refusal) -> HttpResponse:
    """The refusal as a problem document under /api/, and as a page elsewhere."""
    if request.path_info.startswith("/api/"):
        return respond(refusal, request)
    template = "try_again.html" if isinstance(refusal, refusals.TryAgain) else "error.html"
    is_for_staff = request.path_info.startswith("/admin/")
    context = {
        "title": title_of(refusal.code),
        "sentence": explain(refusal.code),
        "is_for_staff": is_for_staff,
    }
    if isinstance(refusal, refusals.MethodNotAllowed) and not is_for_staff:
        context["own_booking"] = _booking_of_button(request)
    response = render(request, template, context, status=refusal.status)
    if refusal.retry_after_s is not None:
        response["Retry-After"] = str(refusal.retry_after_s)
    return response


def _booking_of_button(request: HttpRequest) -> str | None:
    """The id of the booking whose button has this URL, if the visitor can open that booking."""
    match = request.resolver_match
    booking_id: str | None = match.kwargs.get("booking_id") if match else None
    try:
        return booking_id if booking_id and visitors.has_booking(request, booking_id) else None
    except Exception as error:
        # The page is right without the link, so it need not become a 503.
        if errors.driver_error(error) is None:
            raise
        return None
