"""The style sheet, the logo and the icon of the brand, at addresses that never change what they
show. None of them asks for a session."""

from django.http import HttpRequest, HttpResponse
from django.views.decorators.http import require_safe

from bookings.content.brand import colours
from bookings.content.brand.reading import read_picture
from bookings.web.photos import KEEP

TYPES = {"png": "image/png", "webp": "image/webp"}


@require_safe
def style(request: HttpRequest, colour: str, digest: str) -> HttpResponse:
    """The style sheet of an accent colour. The colour alone decides what it says.

    While two releases run, a page of one may ask the other. That one sends its own shades, which
    then must not be kept under this address.
    """
    text = colours.write_style(f"#{colour}")
    response = HttpResponse(text, content_type="text/css; charset=utf-8")
    if digest == colours.style_digest(f"#{colour}"):
        response["Cache-Control"] = KEEP
    return response


@require_safe
def logo(request: HttpRequest, digest: str, format: str) -> HttpResponse:
    """The logo, if it is still the one with this digest."""
    part = read_picture("logo", digest)
    if part is None or part["format"] != format:
        return _missing()
    return _picture(part["content"], TYPES[format])


@require_safe
def icon(request: HttpRequest, digest: str, side: str) -> HttpResponse:
    """The icon with so many pixels on a side, if it is still the one with this digest."""
    part = read_picture("icon", digest)
    content = part["pictures"].get(side) if part else None
    return _missing() if content is None else _picture(content, TYPES["png"])


def _picture(content: bytes, kind: str) -> HttpResponse:
    response = HttpResponse(content, content_type=kind)
    response["Cache-Control"] = KEEP
    return response


def _missing() -> HttpResponse:
    text = "Another picture has taken its place.\n"
    return HttpResponse(text, content_type="text/plain; charset=utf-8", status=404)
