"""Pages inside a frame of a hotel's own website: their URLs, their cookies, and who may frame them.

A frame is another browser, as far as the site is concerned. Its cookies have names and a path of
their own, and browsers keep them apart for each website that has a frame (*partitioned*). Whatever
else a browser sends is not looked at: the person who is logged in in another tab is a stranger
here.
"""

from collections.abc import Callable
from http.cookies import Morsel
from typing import Any
from urllib.parse import urlsplit

from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.urls import set_urlconf
from django.utils.functional import SimpleLazyObject

from bookings.content.brand.reading import known_brand, recent_brand
from bookings.infrastructure.embedding import PREFIX, URLCONF
from bookings.infrastructure.recent_reads import hear_of_changes
from bookings.web.frames import tab_url

# Before the names of a frame's cookies.
OWN = "embedded-"

# Says that the browser keeps cookies here.
KEPT = "kept"


class PartitionedMorsel(Morsel):
    """A cookie with the attribute `Partitioned`, which `http.cookies` knows from Python 3.14 on.

    https://datatracker.ietf.org/doc/draft-cutler-httpbis-partitioned-cookies/
    """

    _reserved = {**Morsel._reserved, "partitioned": "Partitioned"}  # type: ignore[attr-defined]
    _flags = {*Morsel._flags, "partitioned"}  # type: ignore[attr-defined]


class EmbeddingMiddleware:
    """Gives requests under PREFIX their URL configuration and their cookies.

    It comes before everything that may answer, so that errors are pages of the frame, too.
    """

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self._get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        if not request.path_info.startswith(PREFIX):
            return self._get_response(request)
        frame: Any = request
        frame.is_embedded = True
        frame.urlconf = URLCONF
        frame.COOKIES = {
            name.removeprefix(OWN): value
            for name, value in request.COOKIES.items()
            if name.startswith(OWN)
        }
        frame.keeps_no_cookies = KEPT not in frame.COOKIES and _comes_from_frame(request)
        frame.tab_url = SimpleLazyObject(lambda: tab_url(request))
        # Until the request is finished, when Django forgets it.
        set_urlconf(URLCONF)
        response = self._get_response(request)
        if KEPT not in frame.COOKIES and framed_by(request):
            response.set_cookie(KEPT, "1")
        _move_cookies(response)
        # The same pages outside of the frame are there for search engines.
        response["X-Robots-Tag"] = "noindex"
        return response


class EmbeddingGate:
    """Reads which websites may have frames. Without any there is nothing under PREFIX.

    It comes behind the deadline of the request, since it may have to ask MongoDB.
    """

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self._get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        frame: Any = request
        if is_embedded(request):
            hear_of_changes()
            frame.frame_origins = recent_brand().origins
            if not frame.frame_origins:
                frame.urlconf = settings.ROOT_URLCONF
                set_urlconf(settings.ROOT_URLCONF)
        return self._get_response(request)


def is_embedded(request: HttpRequest) -> bool:
    """Whether the request is for something under PREFIX."""
    return getattr(request, "is_embedded", False)


def framed_by(request: HttpRequest) -> tuple[str, ...]:
    """The origins that may frame the answer to this request. It asks no server.

    For an answer that was given before the gate, such as while MongoDB is away, they are those
    that the process read last.
    """
    if not is_embedded(request):
        return ()
    origins: tuple[str, ...] | None = getattr(request, "frame_origins", None)
    return known_brand().origins if origins is None else origins


def _comes_from_frame(request: HttpRequest) -> bool:
    """Whether a page of ours led here, which has set a cookie before."""
    if request.method not in ("GET", "HEAD"):
        return False
    site = request.headers.get("Sec-Fetch-Site")
    if site is not None:
        return site == "same-origin"
    try:
        before = urlsplit(request.headers.get("Referer", ""))
    except ValueError:
        return False
    is_here = before.netloc == request.headers.get("Host")
    return is_here and before.path.startswith(PREFIX)


def _move_cookies(response: HttpResponseBase) -> None:
    """Renames all cookies of the answer, whichever code has set or deleted them."""
    for name in list(response.cookies):
        before = response.cookies.pop(name)
        own: Any = PartitionedMorsel()
        own.set(f"{OWN}{before.key}", before.value, before.coded_value)
        own.update({attribute: value for attribute, value in before.items() if value != ""})
        own.update(
            {
                "path": PREFIX,
                "samesite": "None",
                "secure": True,
                "httponly": True,
                "partitioned": True,
            }
        )
        response.cookies[own.key] = own
