"""robots.txt and the sitemap."""

from __future__ import annotations

import xml.etree.ElementTree as ET

import pytest
from django.test import Client
from django.urls import get_resolver

from bookings.infrastructure.mongodb import outage
from bookings.web.crawlers import FORBIDDEN

BASE = "http://127.0.0.1:8000"
NAMES = {
    "site": "http://www.sitemaps.org/schemas/sitemap/0.9",
    "xhtml": "http://www.w3.org/1999/xhtml",
}


def test_forbids_what_is_about_one_visitor() -> None:
    answer = Client().get("/robots.txt")

    assert answer["Content-Type"] == "text/plain; charset=utf-8"
    lines = answer.content.decode().splitlines()
    assert lines[0] == "User-agent: *"
    assert f"Sitemap: {BASE}/sitemap.xml" in lines
    for path in ("/admin/", "/api/", "/bookings", "/manage/", "/stays"):
        assert f"Disallow: {path}" in lines


def test_forgets_no_page() -> None:
    """Each URL is either for everyone or forbidden."""
    for_everyone = (
        *("hotels", "how-it-works", "photos/", "brand/"),
        *("robots.txt", "sitemap.xml", "language"),
    )
    routes = {str(pattern.pattern).lstrip("^") for pattern in _all_patterns()}

    left = {
        route
        for route in routes
        if route and not f"/{route}".startswith(FORBIDDEN) and not route.startswith(for_everyone)
    }
    assert left == {"logout"}  # takes no GET


def _all_patterns() -> list[object]:
    patterns: list[object] = []
    for each in get_resolver().url_patterns:
        # Pages are at the top; other parts have prefixes.
        patterns += each.url_patterns if not str(each.pattern) else [each]
    return patterns


def test_needs_no_mongodb_for_the_rules(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(outage, "is_away", lambda: True)

    assert Client().get("/robots.txt").status_code == 200


@pytest.mark.mongo
def test_lists_the_hotels_in_each_language(inn: None) -> None:
    answer = Client(headers={"accept-language": "de"}).get("/sitemap.xml")

    assert answer["Content-Type"] == "application/xml; charset=utf-8"
    assert "Vary" not in answer
    urls = ET.fromstring(answer.content).findall("site:url", NAMES)
    found = {}
    for url in urls:
        location = url.findtext("site:loc", namespaces=NAMES)
        found[location] = {
            link.attrib["hreflang"]: link.attrib["href"]
            for link in url.findall("xhtml:link", NAMES)
        }
    for path in ("/", "/hotels/inn", "/hotels/demo"):
        both = {"en": f"{BASE}{path}", "de": f"{BASE}{path}?lang=de"}
        assert found[both["en"]] == found[both["de"]] == both


@pytest.mark.mongo
@pytest.mark.parametrize("path", ["/robots.txt", "/sitemap.xml"])
def test_may_be_kept_by_anyone(inn: None, path: str) -> None:
    answer = Client().get(path)

    assert answer["Cache-Control"] == "public, max-age=3600"
    assert not answer.cookies
    assert Client().post(path).status_code == 405
