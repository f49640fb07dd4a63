"""Pages in a frame of another website: which ones, for whom, and with which cookies."""

from __future__ import annotations

import re
import secrets
from collections.abc import Iterator
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.http import HttpResponse
from django.test import Client
from django.urls import get_urlconf, resolve, reverse

from bookings.content.brand import changes
from bookings.infrastructure import connections, recent_reads
from bookings.infrastructure.connections import collection
from bookings.infrastructure.embedding import PREFIX, is_embedded
from bookings.infrastructure.mongodb import outage
from bookings.infrastructure.recent_reads import GENERATION
from bookings.models import HotelContent
from bookings.web import urls as web
from bookingsite.embedded_urls import FRAMED
from bookingsite.embedding import PartitionedMorsel
from tests.announced import announced
from tests.brands import set_brand
from tests.browsing import ADA, confirm_form, open_page, press, stays_path, stored
from tests.conftest import night
from tests.pages import Page
from tests.url_patterns import patterns_of_site

pytestmark = pytest.mark.mongo

HOTEL, OTHER = "https://www.seaside.example", "https://partner.example:8443"
ANCESTORS = f"frame-ancestors {HOTEL} {OTHER}"

# Every page for guests, and whether it may be in a frame. A new page has to be judged: it may be,
# if it is part of searching, of booking, or of the guest's own booking.
MAY_BE_FRAMED = {
    "home": True,
    "hotel": True,
    "legal": True,
    "book_now": True,
    "stays": True,
    "month": True,
    "hold": True,
    "hold_address": True,
    "letter_sent": True,
    "bookings": True,
    "forget": True,
    "booking": True,
    "confirm": True,
    "extend": True,
    "change": True,
    "details": True,
    "cancel": True,
    "stay_file": True,
    "manage": True,
    "choose_language": True,
    # A link in a letter, which opens a tab.
    "open_hold_address": False,
    "robots": False,
    "sitemap": False,
    "picture": False,
    "brand_style": False,
    "brand_logo": False,
    "brand_icon": False,
    "how_it_works": False,
    "live_parts": False,
    "try_it": False,
    "login": False,
    "logout": False,
    "register": False,
    "finish_register": False,
    "open_register": False,
    "password": False,
    "new_password": False,
    "open_password": False,
    "find": False,
}

VALUES = {
    "hotel_id": "demo",
    "text": "terms",
    "category_id": "demo_double",
    "booking_id": "0" * 24,
    "token": "token",
    "name": "x",
    "colour": "ffff00",
    "digest": "0" * 32,
    "format": "png",
    "side": "32",
}


@pytest.fixture(autouse=True)
def origins(database: None) -> None:
    changes.set_origins(0, [HOTEL, OTHER])


def path_of(pattern: Any) -> str:
    """The path of a page, outside of frames, with a value for each parameter."""
    converters = pattern.pattern.converters or pattern.pattern.regex.groupindex
    values = {name: VALUES[name] for name in converters}
    if pattern.name == "brand_style":
        values["digest"] = "0" * 16
    return reverse(pattern.name, kwargs=values)


NAMED = {pattern.name: pattern for pattern in web.urlpatterns if pattern.name}


def framed(path: str) -> str:
    return f"{PREFIX}{path.removeprefix('/')}"


def ancestors(answer: HttpResponse) -> str:
    (found,) = re.findall("frame-ancestors[^;]*", answer["Content-Security-Policy"])
    return str(found)


def check_closed(answer: HttpResponse) -> None:
    assert ancestors(answer) == "frame-ancestors 'none'"
    assert answer.get("X-Frame-Options", "DENY") == "DENY"
    for cookie in answer.cookies.values():
        assert not cookie.key.startswith("embedded-")
        assert cookie["samesite"] == "Lax"
        assert cookie["path"] != PREFIX


def check_open(answer: HttpResponse) -> None:
    assert ancestors(answer) == ANCESTORS
    assert "X-Frame-Options" not in answer
    assert answer["X-Robots-Tag"] == "noindex"
    for cookie in answer.cookies.values():
        assert cookie.key.startswith("embedded-")
        text = cookie.OutputString()
        assert text.count("Path=/embedded/") == text.count("Path=") == 1
        for attribute in ("SameSite=None", "Secure", "Partitioned", "HttpOnly"):
            assert text.split("; ").count(attribute) == 1
        assert "Lax" not in text


def test_judges_every_page() -> None:
    assert NAMED.keys() == MAY_BE_FRAMED.keys()
    assert {name for name, may in MAY_BE_FRAMED.items() if may} == set(FRAMED)


@pytest.mark.parametrize("name", NAMED)
def test_opens_only_these_pages_to_frames(name: str) -> None:
    path = path_of(NAMED[name])
    for method in ("get", "post"):
        beside = getattr(Client(), method)(path)
        within = getattr(Client(), method)(framed(path))

        check_closed(beside)
        check_open(within)
        if not MAY_BE_FRAMED[name]:
            assert within.status_code == 404


def test_has_nothing_else_of_the_site_in_frames() -> None:
    guests = {pattern.lstrip("^") for pattern in patterns_of_site()}
    others = [path for path in guests if path.startswith(("admin/", "api/", "metrics"))]
    assert len(others) > 50
    for pattern in others:
        path = framed(re.sub(r"<[^>]+>|\(.*", "x", pattern))
        answer = Client().get(path)
        assert answer.status_code == 404, path
        check_open(answer)


@pytest.mark.parametrize("path", ["/embedded", "/embeddedx/", "/x/embedded/"])
def test_has_no_other_prefix(path: str) -> None:
    answer = Client().get(path)
    assert answer.status_code in (301, 404)
    check_closed(answer)


@pytest.mark.parametrize("path", ["/embedded/", framed(stays_path()), "/embedded/nothing"])
def test_has_no_frames_without_a_website(path: str) -> None:
    changes.set_origins(1, [])

    answer = Client().get(path)

    assert answer.status_code == 404
    assert ancestors(answer) == "frame-ancestors 'none'"
    page = Page(answer.content.decode())
    assert page.forms_to("/language")
    assert not [link for link in page.links.values() if link.startswith(PREFIX)]


def test_forgets_the_frame_with_its_request() -> None:
    Client().get(framed(stays_path()))

    assert get_urlconf() is None
    assert not is_embedded()
    assert reverse("stays") == "/stays"
    assert "/embedded/" not in Client().get(stays_path()).content.decode()


@pytest.fixture
def elsewhere(origins: None, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Another process makes the changes, so this one only hears of them if it asks Redis."""
    monkeypatch.setattr(recent_reads, "announce_change", lambda: None)
    yield
    monkeypatch.undo()
    recent_reads.announce_change()
    announced.unannounced()


@pytest.mark.parametrize("path", ["/embedded/", "/embedded/bookings", "/embedded/nothing"])
def test_counts_another_process_list_at_once(elsewhere: None, path: str) -> None:
    check_open(Client().get(path))

    collection("brands").update_one({}, {"$set": {"origins": [HOTEL]}})
    assert ancestors(Client().get(path)) == ANCESTORS, "it was kept"
    connections.redis().set(GENERATION, secrets.token_hex(8))

    assert ancestors(Client().get(path)) == f"frame-ancestors {HOTEL}"


# --- Errors -------------------------------------------------------------------------------------


def test_shows_in_the_frame_what_failed(monkeypatch: pytest.MonkeyPatch) -> None:
    Client().get("/embedded/")

    def fail(*_: Any, **__: Any) -> None:
        raise RuntimeError

    with monkeypatch.context() as patch:
        patch.setattr("bookings.catalogue.inventory.recent_hotels", fail)
        browser = Client(raise_request_exception=False)
        failed, beside = browser.get("/embedded/stays"), browser.get("/stays")
    with monkeypatch.context() as patch:
        patch.setattr(outage, "is_away", lambda: True)
        away, away_beside = Client().get("/embedded/stays"), Client().get("/stays")
    too_large = Client().post("/embedded/hold", {"x": "x" * 100_000})

    assert [each.status_code for each in (failed, away, too_large)] == [500, 503, 413]
    for answer in (failed, away, too_large):
        check_open(answer)
        assert 'href="/embedded/"' in answer.content.decode()
    for answer in (beside, away_beside):
        check_closed(answer)


def test_refuses_a_form_of_another_website() -> None:
    browser = Client(enforce_csrf_checks=True)
    page = open_page(browser, framed(stays_path()))
    form = page.forms_to("/embedded/hold")[0]

    answer = browser.post(form.action, form.fields, headers={"origin": HOTEL})

    assert answer.status_code == 403
    check_open(answer)
    assert stored() == []


# --- Cookies ------------------------------------------------------------------------------------


def test_books_in_a_frame_with_cookies_of_its_own() -> None:
    browser = Client(enforce_csrf_checks=True)
    set_cookies: set[str] = set()

    page = open_page(browser, framed(stays_path()))
    (form, *_) = page.forms_to("/embedded/hold")
    held = press(browser, form)
    assert "Your room is held" in held.text
    booked = press(browser, confirm_form(held), **ADA)
    assert "Your room is booked" in booked.text
    (cancel,) = [form for form in booked.forms if form.action.endswith("/cancel")]
    assert "cancelled" in press(browser, cancel).text
    set_cookies |= browser.cookies.keys()

    assert set_cookies >= {"embedded-guest", "embedded-csrftoken", "embedded-sessionid"}
    assert all(name.startswith("embedded-") for name in set_cookies)
    assert [booking["status"] for booking in stored()] == ["cancelled"]


def test_does_not_know_who_is_logged_in_beside() -> None:
    browser = Client()
    browser.force_login(User.objects.create_user("ada"))
    assert "Log out" in open_page(browser, "/bookings").html

    page = open_page(browser, "/embedded/bookings")

    assert "Log out" not in page.html
    assert "Log in" in page.html


def test_does_not_know_the_guest_beside_nor_the_language() -> None:
    browser = Client()
    press(browser, open_page(browser, stays_path()).hold_form("demo_double"))
    press(browser, open_page(browser, "/").form_to("/language"), language="de")
    assert '<html lang="de"' in open_page(browser, "/bookings").html
    (booking,) = stored()

    assert browser.get(f"/bookings/{booking['_id']}").status_code == 200
    assert browser.get(f"/embedded/bookings/{booking['_id']}").status_code == 404
    assert '<html lang="en" class="embedded"' in open_page(browser, "/embedded/bookings").html


def test_keeps_the_language_of_the_frame() -> None:
    browser = Client()
    answer = browser.post("/embedded/language", {"language": "de", "next": "/embedded/stays"})

    check_open(answer)
    assert answer["Location"] == "/embedded/stays"
    assert '<html lang="de" class="embedded"' in open_page(browser, "/embedded/stays").html
    assert '<html lang="en"' in open_page(browser, "/stays").html


def test_forgets_the_guest_of_the_frame() -> None:
    browser = Client()
    press(browser, open_page(browser, framed(stays_path())).forms_to("/embedded/hold")[0])

    answer = browser.post("/embedded/forget")

    check_open(answer)
    deleted = answer.cookies["embedded-guest"]
    assert "Max-Age=0" in deleted.OutputString()
    # Without it a browser would keep the partitioned cookie.
    assert "Partitioned" in deleted.OutputString()


def test_writes_what_python_does_not_know_yet() -> None:
    cookie = PartitionedMorsel()
    cookie.set("a", "b", "b")
    cookie.update({"partitioned": True, "secure": True})

    assert cookie.OutputString() == "a=b; Partitioned; Secure"


# --- Where the links lead -----------------------------------------------------------------------


@pytest.fixture
def content(inn: None) -> Iterator[None]:
    HotelContent.objects.create(
        hotel_id="inn",
        description={"en": "See [our house](https://inn.example/?<a=1)."},
        terms={"en": "See [more](https://inn.example/)."},
        map_url="https://maps.example/",
        email="desk@inn.example",
    )
    yield
    HotelContent.objects.filter(pk="inn").delete()


LINK = re.compile(r"<a ([^>]*)>")
FORM = re.compile(r"<(?:form|button)[^>]* (?:form)?action=\"([^\"]*)\"")


def check_links(html: str) -> int:
    """Checks that every link stays in the frame or opens a tab, and that every form stays."""
    links = LINK.findall(html)
    for attributes in links:
        (href,) = re.findall(r'href="([^"]*)"', attributes)
        if href.startswith(("#", "/embedded/", "mailto:", "tel:")):
            assert "target=" not in attributes
        else:
            assert attributes.count('target="_blank"') == 1, attributes
            assert attributes.count("noopener") == 1, attributes
            assert attributes.count("rel=") == 1, attributes
    for action in FORM.findall(html):
        assert action.startswith("/embedded/"), action
    return len(links)


def test_leads_nowhere_that_may_not_be_framed(content: None, settings: Any) -> None:
    settings.DEMO = True
    recent_reads.announce_change()
    set_brand(version=1, links=[{"texts": {"en": "Home"}, "url": "/hotels/inn/terms"}])
    browser = Client()
    stays = framed(stays_path(hotel="inn"))
    full = framed(stays_path(hotel="inn", rooms=9))
    for path in ("/", "/hotels/inn", "/hotels/inn/terms", "/calendar/inn_double", "/bookings"):
        assert check_links(open_page(browser, framed(path)).html) > 3
    for path in (stays, full, f"/embedded/hold/address?{stays.partition('?')[2]}"):
        assert check_links(open_page(browser, path).html) > 3
    check_links(open_page(browser, "/embedded/letter").html)
    check_links(open_page(browser, "/embedded/nothing", expect=404).html)
    held = press(browser, open_page(browser, stays).forms_to("/embedded/hold")[0])
    check_links(held.html)
    check_links(open_page(browser, held.links["Change dates or room"]).html)
    booked = press(browser, confirm_form(held), **ADA)
    check_links(booked.html)
    for link in ("Change dates or room", "Correct your details or add a request"):
        assert check_links(open_page(browser, booked.links[link]).html) > 3
    check_links(open_page(browser, "/embedded/bookings").html)


def test_gives_out_addresses_outside_of_the_frame() -> None:
    browser = Client()
    held = press(browser, open_page(browser, framed(stays_path())).forms_to("/embedded/hold")[0])
    booked = press(browser, confirm_form(held), **ADA)

    assert re.findall(r"http://testserver(/[a-z]+)/", booked.html) == ["/manage"]
    for path in ("/embedded/", "/embedded/hotels/demo"):
        page = open_page(browser, path).html
        outside = open_page(browser, path.replace("/embedded", "")).html
        seen = [
            re.findall(r'<(?:link rel="(?:canonical|alternate)|meta property="og:url)[^>]*>', each)
            for each in (page, outside)
        ]
        assert len(seen[0]) > 3
        assert seen[0] == seen[1]
        assert "/embedded" not in "".join(seen[0])


@pytest.mark.parametrize("path", ["/", "/hotels/demo"])
def test_keeps_a_page_inside_and_outside_apart(path: str) -> None:
    inside = open_page(Client(), framed(path))
    outside = open_page(Client(), path)
    recent_reads.announce_change()
    outside_first = open_page(Client(), path)
    inside_later = open_page(Client(), framed(path))

    for page in (inside, inside_later):
        assert page.forms_to("/embedded/stays")
        assert not page.forms_to("/stays")
    for page in (outside, outside_first):
        assert page.forms_to("/stays")
        assert not page.forms_to("/embedded/stays")


def test_leads_on_inside_of_the_frame() -> None:
    browser = Client()
    answer = browser.get(f"/embedded/book/demo?arrival={night()}&departure={night(32)}&lang=de")

    assert answer["Location"].startswith("/embedded/stays?hotel=demo&")
    assert browser.get("/embedded/book/demo")["Location"] == "/embedded/hotels/demo"
    assert browser.get("/embedded/manage/forged")["Location"] == "/embedded/bookings"


def test_tells_its_script_who_is_around_it() -> None:
    page = open_page(Client(), "/embedded/").html

    assert f'data-framed-by="{HOTEL} {OTHER}"' in page
    assert "embedded.js" in page
    beside = open_page(Client(), "/").html
    assert "data-framed-by" not in beside
    assert "embedded.js" not in beside


def test_knows_all_of_its_pages() -> None:
    for name in FRAMED:
        match = resolve(framed(path_of(NAMED[name])), urlconf="bookingsite.embedded_urls")
        assert match.url_name == name


# --- Browsers without cookies -------------------------------------------------------------------

SENTENCE = "Your browser keeps no cookies on this page"


def test_says_that_no_cookies_are_kept_before_anything_is_typed() -> None:
    """The browser has seen a page before, and sends nothing of what that page set."""
    own = {"sec-fetch-site": "same-origin"}
    path = framed(stays_path())

    first = Page(Client().get(path, headers={"sec-fetch-site": "cross-site"}).content.decode())
    second = Page(Client().get(path, headers=own).content.decode())
    older = Client().get(
        path, headers={"referer": "http://testserver/embedded/", "host": "testserver"}
    )
    keeping = Client()
    keeping.get("/embedded/")

    assert SENTENCE not in first.text
    assert SENTENCE in second.text
    assert second.links["Go on in a new tab"] == stays_path()
    assert SENTENCE in older.content.decode()
    assert SENTENCE not in keeping.get(path, headers=own).content.decode()
    assert SENTENCE not in Client().get(stays_path(), headers=own).content.decode()


def test_keeps_the_wish_of_a_browser_without_cookies() -> None:
    form = open_page(Client(), framed(stays_path())).forms_to("/embedded/hold")[0]

    answer = Client(enforce_csrf_checks=True).post(form.action, form.fields)

    assert answer.status_code == 403
    check_open(answer)
    page = Page(answer.content.decode())
    assert SENTENCE in page.text
    assert page.links["Go on in a new tab"] == stays_path()
    assert stored() == []


def test_leads_a_browser_without_cookies_to_the_first_page_after_another_form() -> None:
    answer = Client(enforce_csrf_checks=True).post("/embedded/forget", {})

    assert Page(answer.content.decode()).links["Go on in a new tab"] == "/"


def test_asks_to_reload_where_cookies_are_kept() -> None:
    browser = Client(enforce_csrf_checks=True)
    form = open_page(browser, framed(stays_path())).forms_to("/embedded/hold")[0]

    answer = browser.post(form.action, {**form.fields, "csrfmiddlewaretoken": "x" * 64})

    assert answer.status_code == 403
    assert "Reload the page" in answer.content.decode()
