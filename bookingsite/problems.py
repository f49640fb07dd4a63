"""Everything under /api/ that is not a success is a problem document (RFC 9457).

Refusals carry their own code. Django's, DRF's and the drivers' errors are translated here,
in one table, and nowhere else.
"""

import logging
import sys
from typing import Any

from django.core import exceptions as django_errors
from django.db import DatabaseError
from django.http import Http404, HttpRequest, HttpResponse, UnreadablePostError
from django.shortcuts import render
from pymongo import errors as mongo_errors
from pymongo.errors import PyMongoError
from rest_framework import exceptions as drf

from bookings import answers, errors, outage
from bookings.errors import Refusal
from bookings.web.messages import explain, title_of
from idempotency import keys
from idempotency.errors import InvalidKey

logger = logging.getLogger(__name__)

TRANSLATIONS: list[tuple[type[BaseException], type[Refusal]]] = [
    (drf.NotAuthenticated, errors.NotAuthenticated),
    (drf.AuthenticationFailed, errors.NotAuthenticated),
    (drf.PermissionDenied, errors.PermissionDenied),
    (django_errors.PermissionDenied, errors.PermissionDenied),
    (drf.NotFound, errors.NotFound),
    (Http404, errors.NotFound),
    (drf.MethodNotAllowed, errors.MethodNotAllowed),
    (drf.NotAcceptable, errors.NotAcceptable),
    (drf.UnsupportedMediaType, errors.UnsupportedMediaType),
    (drf.ParseError, errors.MalformedJson),
    (django_errors.RequestDataTooBig, errors.PayloadTooLarge),
    (UnreadablePostError, errors.MalformedJson),
    # The admin looks up whatever id it was sent; what is no id names nothing.
    (django_errors.ValidationError, errors.NotFound),
    (django_errors.SuspiciousOperation, errors.MalformedJson),
]


def handle_exception(error: Exception, context: dict[str, Any]) -> HttpResponse:
    """DRF's exception handler: the refusal that the error amounts to, as a problem document."""
    refusal = refusal_for(error)
    if isinstance(refusal, errors.ServerError):
        logger.exception("unexpected_error", exc_info=error)
    response = respond(refusal, context["request"])
    if isinstance(error, drf.APIException):
        if header := getattr(error, "auth_header", None):
            response["WWW-Authenticate"] = header
        if isinstance(error, drf.MethodNotAllowed):
            response["Allow"] = ", ".join(context["view"].allowed_methods)
    return response


def _key_in_force(request: HttpRequest) -> str | None:
    """The key that the request brought, for an answer given before or outside its claim."""
    try:
        key = keys.read_key(request.headers.get("Idempotency-Key"), accept_server_made=True)
    except InvalidKey:
        return None
    return None if key is None else keys.write_key(key)


def refusal_for(error: BaseException) -> Refusal:
    """The refusal an error amounts to; ServerError when nobody foresaw it."""
    if isinstance(error, Refusal):
        return error
    if passing := passing_error(error):
        outage.report(passing)
        return errors.TryAgain()
    if isinstance(error, drf.Throttled):
        return errors.Throttled(retry_after_s=max(1, round(getattr(error, "wait", None) or 1)))
    for known, refusal in TRANSLATIONS:
        if isinstance(error, known):
            return refusal()
    return errors.ServerError()


def passing_error(error: BaseException | None) -> PyMongoError | None:
    """The driver's error, if MongoDB failed in a way that may be over at the next try.

    A time-out, a lost or missing primary, or a commit whose outcome is unknown. The ORM wraps
    the driver's error, so its cause is looked at as well.
    """
    if isinstance(error, DatabaseError):
        error = error.__cause__
    if not isinstance(error, PyMongoError):
        return None
    is_passing = (
        error.timeout
        or isinstance(error, (mongo_errors.ConnectionFailure, mongo_errors.WTimeoutError))
        or error.has_error_label("RetryableWriteError")
        or error.has_error_label("TransientTransactionError")
        or error.has_error_label("UnknownTransactionCommitResult")
        or getattr(error, "code", None) in RETRYABLE_CODES
    )
    return error if is_passing else None


# Interrupted, stepped down, recovering, shutting down, not primary, exceeded time limit,
# lock busy, transaction aborted: mongod's own list of what a driver may retry.
RETRYABLE_CODES = frozenset(
    {6, 7, 24, 46, 50, 89, 91, 134, 189, 251, 262, 9001, 10107, 11600, 11602, 13435, 13436}
)


def respond(refusal: Refusal, request: HttpRequest) -> HttpResponse:
    """The refusal as a response of its own, with the key that the request brought."""
    answer = answers.problem(refusal)
    response = HttpResponse(answer.body, status=answer.status, content_type=answer.content_type)
    if refusal.retry_after_s is not None:
        response["Retry-After"] = str(refusal.retry_after_s)
    if key := _key_in_force(request):
        response["Idempotency-Key"] = key
    return response


def bad_request(request: HttpRequest, exception: Exception) -> HttpResponse:
    refusal = refusal_for(exception)
    if isinstance(refusal, errors.MalformedJson):
        # It was a header or an address, not JSON.
        refusal = errors.MalformedJson("The request cannot be read.")
        refusal.title = "Bad request"
    return answer_refusal(request, refusal)


def permission_denied(request: HttpRequest, exception: Exception) -> HttpResponse:
    return answer_refusal(request, errors.PermissionDenied())


def page_not_found(request: HttpRequest, exception: Exception) -> HttpResponse:
    return answer_refusal(request, errors.NotFound())


def server_error(request: HttpRequest) -> HttpResponse:
    """Whatever no view handled, also what a session look-up met before there was a view."""
    error = sys.exc_info()[1]
    refusal = refusal_for(error) if error else errors.ServerError()
    if isinstance(refusal, errors.ServerError):
        logger.error("unexpected_error", exc_info=error)
    return answer_refusal(request, refusal)


def answer_refusal(request: HttpRequest, refusal: Refusal) -> HttpResponse:
    """The refusal for whoever asks: a problem document under /api/, elsewhere a page."""
    if request.path.startswith("/api/"):
        return respond(refusal, request)
    template = "try_again.html" if isinstance(refusal, errors.TryAgain) else "error.html"
    context = {"title": title_of(refusal.code), "sentence": explain(refusal.code)}
    response = render(request, template, context, status=refusal.status)
    if refusal.retry_after_s is not None:
        response["Retry-After"] = str(refusal.retry_after_s)
    return response
