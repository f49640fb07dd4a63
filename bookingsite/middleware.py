"""What surrounds every request: its id, its limits, and one line in the log."""

import logging
import re
import time
import uuid
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext

import structlog
from csp.middleware import CSPMiddleware
from django.conf import settings
from django.http import HttpRequest, HttpResponse, HttpResponsePermanentRedirect
from django.http.response import HttpResponseBase
from django.middleware.common import CommonMiddleware
from django.urls import Resolver404, resolve
from django.utils import translation
from django.utils.cache import patch_vary_headers

from bookings.infrastructure.clock import TimedRequest, request_limits
from bookings.infrastructure.mongodb import outage
from bookings.refusals import Refusal, TryAgain
from bookingsite import metrics
from bookingsite.bodies import received_body
from bookingsite.problems import answer_refusal

logger = logging.getLogger(__name__)

# A client's own id is kept when it is short and plain, so that it cannot forge a log.
_PLAIN_ID = re.compile(r"[A-Za-z0-9._-]{1,64}")


# Whatever asks one process how it is.
PROBES = ("/api/health", "/api/health-mongo", "/api/health-redis", "/api/ready", "/metrics")

# They say themselves what they found, and style sheets are files.
_STATIC = f"/{settings.STATIC_URL.strip('/')}/"
WITHOUT_MONGODB = (*PROBES, _STATIC, "/language")

# What programs and staff read is English, whatever their browser would rather have.
IN_ENGLISH = ("/api", "/admin", "/metrics", _STATIC)


def needs_mongodb(request: HttpRequest) -> bool:
    """Whether answering the request takes MongoDB, as every page and nearly all of the API does."""
    return not request.path_info.startswith(WITHOUT_MONGODB)


class PolicyMiddleware(CSPMiddleware):
    """What a browser may do with an answer: its content's policy, no devices, and no copies."""

    def process_response(
        self, request: HttpRequest, response: HttpResponseBase
    ) -> HttpResponseBase:
        response.setdefault("Permissions-Policy", settings.PERMISSIONS_POLICY)
        # Nearly every answer is about somebody, so what may be kept says so itself: style sheets
        # and the API's description do.
        response.setdefault("Cache-Control", "no-store")
        return super().process_response(request, response)


class LanguageMiddleware:
    """Lets customers' pages speak the visitor's language, and everything else English.

    Not Django's LocaleMiddleware, which would translate the API and the admin as well. It stands
    before all that may answer by itself, so that refusals and errors are in the language too.
    """

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self._get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        if request.path_info.startswith(IN_ENGLISH):
            with translation.override(settings.LANGUAGE_CODE):
                return self._get_response(request)
        language = translation.get_language_from_request(request)
        # Whoever has it may choose another one: templates/base.html.
        request.LANGUAGE_CODE = language
        with translation.override(language):
            response = self._get_response(request)
        response.headers.setdefault("Content-Language", language)
        patch_vary_headers(response, ("Accept-Language", "Cookie"))
        return response


class HostMiddleware(CommonMiddleware):
    """Refuses names that are not the site's.

    Whoever probes one process of many names its host, which no ALLOWED_HOSTS can list; and what
    probes are told depends on no name.
    """

    def process_request(self, request: HttpRequest) -> HttpResponsePermanentRedirect | None:
        if request.path_info in PROBES:
            return None
        return super().process_request(request)


class RequestMiddleware:
    """Before all that can hang, in a token or session look-up too: it hangs inside this."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self._get_response = get_response

    def __call__(self, request: TimedRequest) -> HttpResponse:
        sent_id = request.headers.get("X-Request-ID", "")
        request_id = sent_id if _PLAIN_ID.fullmatch(sent_id) else uuid.uuid4().hex
        structlog.contextvars.bind_contextvars(request_id=request_id)
        started_s = time.perf_counter()
        try:
            # Its body before its time begins, since a file may take longer to arrive.
            with self._received(request) as refusal, request_limits() as deadline:
                request.deadline = deadline
                if refusal is not None:
                    response = answer_refusal(request, refusal)
                else:
                    response = self._get_response(request)
            response["X-Request-ID"] = request_id
            duration_s = time.perf_counter() - started_s
            route = _route_of(request)
            metrics.count_request(request, route, response.status_code, duration_s)
            # Anybody may probe without end, and a log that is full loses what it began with.
            is_routine = request.path_info in PROBES and response.status_code < 400
            logger.log(
                logging.DEBUG if is_routine else logging.INFO,
                "request",
                extra={
                    "method": request.method,
                    "route": route,
                    "status": response.status_code,
                    "duration_ms": round(duration_s * 1000, 1),
                },
            )
            return response
        finally:
            structlog.contextvars.clear_contextvars()

    def _received(self, request: HttpRequest) -> AbstractContextManager[Refusal | None]:
        if needs_mongodb(request) and outage.is_away():
            return nullcontext(TryAgain())
        return received_body(request)


def _route_of(request: HttpRequest) -> str:
    """The pattern that the path matches, never the path, of which there is no end."""
    if request.resolver_match:
        return request.resolver_match.route
    if request.path_info.startswith(_STATIC):
        return "static"
    # It was answered before anybody looked, such as while MongoDB is away.
    try:
        return resolve(request.path_info).route
    except Resolver404:
        return "unmatched"
