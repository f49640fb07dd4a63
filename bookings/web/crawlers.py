"""What search engines ask for: which pages they may read, and which pages there are."""

from xml.sax.saxutils import escape, quoteattr

from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.urls import reverse
from django.views.decorators.http import require_safe

from bookings.catalogue import inventory
from bookings.infrastructure.recent_reads import hear_of_changes
from bookings.web.languages import page_in

# Everything else is about one visitor, or about a search of its own.
FORBIDDEN = (
    "/admin/",
    "/api/",
    "/book/",
    "/bookings",
    "/calendar/",
    "/embedded/",
    "/find",
    "/forget",
    "/hold",
    "/letter",
    "/login",
    "/manage/",
    "/metrics",
    "/password",
    "/register",
    "/stays",
)

# Crawlers ask again after this time.
MAX_AGE_S = 3600


@require_safe
def robots(request: HttpRequest) -> HttpResponse:
    """The rules for crawlers, and where the sitemap is."""
    rules = "".join(f"Disallow: {path}\n" for path in FORBIDDEN)
    text = f"User-agent: *\n{rules}\nSitemap: {settings.SITE_URL}{reverse('sitemap')}\n"
    return _public(HttpResponse(text, content_type="text/plain; charset=utf-8"))


@require_safe
def sitemap(request: HttpRequest) -> HttpResponse:
    """The pages of the hotels in each language (https://www.sitemaps.org)."""
    hear_of_changes()
    hotels = inventory.open_hotels()
    paths = [reverse("home")]
    if len(hotels) > 1:
        paths += [reverse("hotel", args=[hotel.id]) for hotel in hotels]
    entries = "".join(
        _entry(path, language) for path in paths for language, _name in settings.LANGUAGES
    )
    text = (
        '<?xml version="1.0" encoding="UTF-8"?>\n'
        '<urlset xmlns="http://www.sitemaps.org/schemas/sitemap/0.9" '
        f'xmlns:xhtml="http://www.w3.org/1999/xhtml">\n{entries}</urlset>\n'
    )
    return _public(HttpResponse(text, content_type="application/xml; charset=utf-8"))


def _entry(path: str, language: str) -> str:
    others = "".join(
        f'<xhtml:link rel="alternate" hreflang="{code}" '
        f"href={quoteattr(settings.SITE_URL + page_in(path, code))}/>"
        for code, _name in settings.LANGUAGES
    )
    return f"<url><loc>{escape(settings.SITE_URL + page_in(path, language))}</loc>{others}</url>\n"


def _public(response: HttpResponse) -> HttpResponse:
    response["Cache-Control"] = f"public, max-age={MAX_AGE_S}"
    return response
