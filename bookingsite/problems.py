"""Everything under /api/ that is not a success is a problem document (RFC 9457).

Refusals carry their own code. Django's, DRF's and the drivers' errors are translated here,
in one table, and nowhere else.
"""

import logging
from collections.abc import Callable
from typing import Any

from django.core import exceptions as django_errors
from django.db import DatabaseError
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import render
from pymongo import errors as mongo_errors
from pymongo.errors import PyMongoError
from rest_framework import exceptions as drf

from bookings import answers, errors
from bookings.errors import Refusal
from idempotency.claims import Answer

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
    (django_errors.SuspiciousOperation, errors.MalformedJson),
]


def handle_exception(error: Exception, context: dict[str, Any]) -> HttpResponse:
    """DRF's exception handler: the refusal that the error amounts to, as a problem document."""
    refusal = refusal_for(error)
    if isinstance(refusal, errors.ServerError):
        logger.exception("unexpected_error", exc_info=error)
    response = respond(refusal)
    if isinstance(error, drf.APIException):
        if header := getattr(error, "auth_header", None):
            response["WWW-Authenticate"] = header
        if isinstance(error, drf.MethodNotAllowed):
            response["Allow"] = ", ".join(context["view"].allowed_methods)
    return response


def refusal_for(error: BaseException) -> Refusal:
    """The refusal an error amounts to; ServerError when nobody foresaw it."""
    if isinstance(error, Refusal):
        return error
    if is_passing(error):
        return errors.TryAgain()
    if isinstance(error, drf.Throttled):
        return errors.Throttled(retry_after_s=max(1, round(error.wait or 1)))
    for known, refusal in TRANSLATIONS:
        if isinstance(error, known):
            return refusal()
    return errors.ServerError()


def is_passing(error: BaseException | None) -> bool:
    """Whether MongoDB failed in a way that may be over at the next try.

    A time-out, a lost or missing primary, or a commit whose outcome is unknown. The ORM wraps
    the driver's error, so its cause is looked at as well.
    """
    if isinstance(error, DatabaseError):
        error = error.__cause__
    if not isinstance(error, PyMongoError):
        return False
    return (
        error.timeout
        or isinstance(error, (mongo_errors.ConnectionFailure, mongo_errors.WTimeoutError))
        or error.has_error_label("RetryableWriteError")
        or error.has_error_label("TransientTransactionError")
        or error.has_error_label("UnknownTransactionCommitResult")
        or getattr(error, "code", None) in RETRYABLE_CODES
    )


# Interrupted, stepped down, recovering, shutting down, not primary, exceeded time limit,
# lock busy, transaction aborted: mongod's own list of what a driver may retry.
RETRYABLE_CODES = frozenset(
    {6, 7, 24, 46, 50, 89, 91, 134, 189, 251, 262, 9001, 10107, 11600, 11602, 13435, 13436}
)


def respond(refusal: Refusal) -> HttpResponse:
    """The refusal as a response of its own."""
    return _respond(answers.problem(refusal), refusal.retry_after_s)


def _respond(answer: Answer, retry_after_s: int | None) -> HttpResponse:
    response = HttpResponse(answer.body, status=answer.status, content_type=answer.content_type)
    if retry_after_s is not None:
        response["Retry-After"] = str(retry_after_s)
    return response


def is_api(request: HttpRequest) -> bool:
    return request.path.startswith("/api/")


class ApiProblemMiddleware:
    """Turns what happens outside a view (a session look-up that hangs, an unknown path) into
    problem documents under /api/, and into a short page elsewhere."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self._get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        response = self._get_response(request)
        if not is_api(request) or response.status_code < 400:
            return response
        if response.headers.get("Content-Type") == answers.PROBLEM_JSON:
            return response
        by_status = {refusal.status: refusal for refusal in (errors.NotFound, errors.TryAgain)}
        return respond(by_status.get(response.status_code, errors.ServerError)())

    def process_exception(self, request: HttpRequest, error: Exception) -> HttpResponse | None:
        return answer_for(request, error)


def answer_for(request: HttpRequest, error: Exception) -> HttpResponse | None:
    """The response to an error that no view handled; None leaves it to Django's own 500."""
    refusal = refusal_for(error)
    if isinstance(refusal, errors.ServerError):
        return None
    if is_api(request):
        return respond(refusal)
    if isinstance(refusal, errors.TryAgain):
        response = render(request, "try_again.html", status=refusal.status)
        response["Retry-After"] = str(refusal.retry_after_s)
        return response
    return None


def bad_request(request: HttpRequest, exception: Exception) -> HttpResponse:
    return _page_or_problem(request, errors.MalformedJson("The request cannot be read."))


def permission_denied(request: HttpRequest, exception: Exception) -> HttpResponse:
    return _page_or_problem(request, errors.PermissionDenied())


def page_not_found(request: HttpRequest, exception: Exception) -> HttpResponse:
    return _page_or_problem(request, errors.NotFound())


def server_error(request: HttpRequest) -> HttpResponse:
    return _page_or_problem(request, errors.ServerError())


def _page_or_problem(request: HttpRequest, refusal: Refusal) -> HttpResponse:
    if is_api(request):
        return respond(refusal)
    return render(request, "error.html", {"refusal": refusal}, status=refusal.status)
