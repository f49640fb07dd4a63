"""Surrounds every request with its id, its limits and its log line."""

import logging
import random
import re
import time
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from functools import lru_cache

from csp.constants import HEADER
from csp.middleware import CSPMiddleware
from csp.utils import build_policy
from django.conf import settings
from django.http import (
    HttpRequest,
    HttpResponse,
    HttpResponseNotAllowed,
    HttpResponsePermanentRedirect,
)
from django.http.response import HttpResponseBase
from django.middleware.common import CommonMiddleware
from django.urls import Resolver404, resolve
from django.utils import translation
from django.utils.cache import patch_vary_headers

from bookings.infrastructure.deadlines import TimedRequest, request_limits
from bookings.infrastructure.mongodb import outage
from bookings.refusals import MethodNotAllowed, Refusal, TryAgain
from bookings.web.languages import chosen_in_url, keep_choice
from bookingsite import logs, metrics
from bookingsite.bodies import received_body
from bookingsite.embedding import framed_by
from bookingsite.probes import PROBES
from bookingsite.problems import answer_refusal

logger = logging.getLogger(__name__)

# A client's own id is kept if it is short and plain, so that a client cannot forge log lines.
_PLAIN_ID = re.compile(r"[A-Za-z0-9._-]{1,64}")


# Probes report on MongoDB themselves, and style sheets and photos are files.
_STATIC = f"/{settings.STATIC_URL.strip('/')}/"
WITHOUT_MONGODB = (
    *PROBES,
    _STATIC,
    "/photos/",
    "/brand/style/",
    "/language",
    "/embedded/language",
    "/robots.txt",
)

# Programs and staff get English, whatever language their browser prefers. Photos and logos have no
# language, so that a cache keeps one copy for everybody.
IN_ENGLISH = (
    *("/api", "/admin", "/metrics", "/photos/", "/brand/", _STATIC),
    *("/robots.txt", "/sitemap.xml"),
)


def needs_mongodb(request: HttpRequest) -> bool:
    """Whether the answer needs MongoDB, as every page and nearly all of the API do."""
    return not request.path_info.startswith(WITHOUT_MONGODB)


class PolicyMiddleware(CSPMiddleware):
    """Tells browsers what they may do with an answer: content policy, no devices, no copies."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponseBase]) -> None:
        super().__init__(get_response)
        self._policy = build_policy()

    def process_request(self, request: HttpRequest) -> None:
        """Makes no nonce: pages have no scripts of their own to let through."""

    def process_response(
        self, request: HttpRequest, response: HttpResponseBase
    ) -> HttpResponseBase:
        response.setdefault("Permissions-Policy", settings.PERMISSIONS_POLICY)
        # Nearly every answer contains personal data, so an answer that may be cached says so
        # itself, as style sheets and the API's description do.
        response.setdefault("Cache-Control", "no-store")
        # A view with a policy of its own has marked its response, and the library works that out.
        if hasattr(response, "_csp_update"):
            return super().process_response(request, response)
        origins = framed_by(request)
        if not origins:
            response.setdefault(HEADER, self._policy)
            return response
        # Browsers that know neither do not know partitioned cookies.
        response.headers.pop("X-Frame-Options", None)
        response[HEADER] = _policy_framed_by(origins)
        return response


@lru_cache(maxsize=4)
def _policy_framed_by(origins: tuple[str, ...]) -> str:
    """The site's policy for pages that these websites, and no others, may have in a frame."""
    return build_policy(replace={"frame-ancestors": list(origins)})


class LanguageMiddleware:
    """Serves customers' pages in the visitor's language, and everything else in English.

    Django's LocaleMiddleware would translate the API and the admin as well. This one comes before
    everything that may answer by itself, so that refusals and errors are translated too.
    """

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self._get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        if request.path_info.startswith(IN_ENGLISH):
            if translation.get_language() == settings.LANGUAGE_CODE:
                # As nearly always, since nothing activates another one for good.
                return self._get_response(request)
            with translation.override(settings.LANGUAGE_CODE):
                return self._get_response(request)
        chosen = chosen_in_url(request)
        language = chosen or translation.get_language_from_request(request)
        # templates/base.html offers the other languages.
        request.LANGUAGE_CODE = language
        with translation.override(language):
            response = self._get_response(request)
        if chosen and request.COOKIES.get(settings.LANGUAGE_COOKIE_NAME) != chosen:
            keep_choice(response, chosen)
        response.headers.setdefault("Content-Language", language)
        patch_vary_headers(response, ("Accept-Language", "Cookie"))
        return response


class HostMiddleware(CommonMiddleware):
    """Refuses host names that do not belong to the site, except on probes.

    A probe names the host of the one process it asks, which no ALLOWED_HOSTS can list. Its answer
    depends on no name.
    """

    def process_request(self, request: HttpRequest) -> HttpResponsePermanentRedirect | None:
        if request.path_info in PROBES:
            return None
        return super().process_request(request)


class RequestMiddleware:
    """Puts a deadline around everything that can hang, token and session look-ups included."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self._get_response = get_response

    def __call__(self, request: TimedRequest) -> HttpResponse:
        sent_id = request.headers.get("X-Request-ID", "")
        request_id = sent_id if _PLAIN_ID.fullmatch(sent_id) else f"{random.getrandbits(128):032x}"
        logs.bind(request_id=request_id)
        started_s = time.perf_counter()
        try:
            # The body is read before the deadline starts, since a file may take longer to arrive.
            with self._received(request) as refusal, request_limits() as deadline:
                request.deadline = deadline
                if refusal is not None:
                    response = answer_refusal(request, refusal)
                else:
                    response = _with_page(request, self._get_response(request))
            response["X-Request-ID"] = request_id
            duration_s = time.perf_counter() - started_s
            route = _route_of(request)
            metrics.count_request(request, route, response.status_code, duration_s)
            # Anyone may probe without end, and a log that fills up loses its oldest lines.
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
            logs.bind()

    def _received(self, request: HttpRequest) -> AbstractContextManager[Refusal | None]:
        if needs_mongodb(request) and outage.is_away():
            return nullcontext(TryAgain())
        return received_body(request)


def _with_page(request: HttpRequest, response: HttpResponse) -> HttpResponse:
    """The response; for Django's empty 405, with a page that says what to do instead.

    People meet it when they reload or bookmark the URL of a button. Headers and cookies stay.
    """
    if isinstance(response, HttpResponseNotAllowed):
        page = answer_refusal(request, MethodNotAllowed())
        response["Content-Type"] = page["Content-Type"]
        response.content = page.content
        response["Content-Length"] = str(len(page.content))  # HostMiddleware wrote 0
    return response


def _route_of(request: HttpRequest) -> str:
    """The pattern that the path matches, never the path: there is no end of paths."""
    if request.resolver_match:
        return request.resolver_match.route
    if request.path_info.startswith(_STATIC):
        return "static"
    # The answer was given before the URL was resolved, such as while MongoDB is away.
    try:
        return resolve(request.path_info).route
    except Resolver404:
        return "unmatched"
