"""The language of a page, how a visitor chooses another, and what stays English."""

from __future__ import annotations

from datetime import date
from typing import Any

import pytest
from django.conf import settings as site_settings
from django.http import HttpRequest, HttpResponse
from django.test import Client, RequestFactory
from django.utils import translation

from bookings.domain.money import format_amount, format_money
from bookings.presentation.days import describe_days
from bookings.web.messages import (
    CANCEL_SENTENCES,
    CONFIRM_SENTENCES,
    EXTEND_SENTENCES,
    FORM_SENTENCES,
    GONE_ON_SENTENCES,
    HOLD_SENTENCES,
    SENTENCES,
    TITLES,
    explain,
    title_of,
)
from bookings.web.search import FAULTS
from bookingsite.middleware import LanguageMiddleware
from tests.pages import Page

GERMAN = {"accept-language": "de-AT,de;q=0.8,en;q=0.5"}

NBSP = "\N{NO-BREAK SPACE}"


def choose(language: str = "de", *, next: str = "/", **options: Any) -> Any:
    return Client(**options).post("/language", {"language": language, "next": next})


@pytest.mark.parametrize(
    ("accepted", "chosen", "spoken"),
    [
        ("", "", "en"),
        ("de", "", "de"),
        ("de-CH,fr;q=0.9", "", "de"),
        ("fr,de;q=0.5", "", "de"),
        ("en;q=0.9,de;q=0.8", "", "en"),
        ("fr", "", "en"),
        ("tlh,*;q=0.1", "", "en"),
        ("de", "en", "en"),
        ("en", "de", "de"),
        ("de", "fr", "de"),
        ("x" * 10_000, "", "en"),
    ],
)
def test_speaks_as_was_chosen_or_else_as_the_browser_asks(
    accepted: str, chosen: str, spoken: str
) -> None:
    browser = Client(headers={"accept-language": accepted})
    if chosen:
        browser.cookies[site_settings.LANGUAGE_COOKIE_NAME] = chosen

    response = browser.get("/no-such-page")

    assert response["Content-Language"] == spoken
    assert f'<html lang="{spoken}">' in response.content.decode()
    assert {"Accept-Language", "Cookie"} <= set(response["Vary"].split(", "))


@pytest.mark.parametrize("path", ["/api/bookings", "/admin/login/", "/metrics", "/static/site.css"])
@pytest.mark.parametrize("language", ["de", "en"])
def test_lets_only_pages_speak_another_language(path: str, language: str) -> None:
    """The language of this page is the one that a booking remembers for its guest."""
    spoken = []

    def answer(request: HttpRequest) -> HttpResponse:
        spoken.append(translation.get_language())
        return HttpResponse()

    middleware = LanguageMiddleware(answer)

    with translation.override(language):  # whatever this thread did before
        others = middleware(RequestFactory().get(path, headers=GERMAN))
        page = middleware(RequestFactory().get("/hold", headers=GERMAN))
        assert translation.get_language() == language

    assert spoken == ["en", "de"]
    assert "Content-Language" not in others
    assert "Vary" not in others
    assert page["Content-Language"] == "de"


@pytest.mark.parametrize("path", ["/api/no-such-page", "/api/bookings/x"])
def test_answers_programs_in_english(path: str) -> None:
    answers = [Client(headers=headers).get(path) for headers in (GERMAN, {"accept-language": "en"})]

    assert answers[0].content == answers[1].content
    assert answers[0].status_code >= 400


@pytest.mark.parametrize("secure", [True, ""])
def test_keeps_the_language_that_was_chosen(settings: Any, secure: bool | str) -> None:
    settings.SESSION_COOKIE_SECURE = bool(secure)

    response = choose(next="/stays?hotel=demo&guests=2")

    assert (response.status_code, response["Location"]) == (302, "/stays?hotel=demo&guests=2")
    cookie = response.cookies[site_settings.LANGUAGE_COOKIE_NAME]
    assert cookie.value == "de"
    assert (cookie["samesite"], cookie["httponly"], cookie["path"]) == ("Lax", True, "/")
    assert cookie["secure"] == secure
    assert cookie["max-age"] == 400 * 24 * 60 * 60
    assert "no-store" in response["Cache-Control"]


def test_needs_neither_a_token_nor_a_session() -> None:
    assert choose(enforce_csrf_checks=True).cookies.keys() == {site_settings.LANGUAGE_COOKIE_NAME}


@pytest.mark.parametrize("language", ["", "fr", "de-AT", "../de", "DE"])
def test_keeps_no_language_that_there_is_not(language: str) -> None:
    response = choose(language, next="/login")

    assert (response.status_code, response["Location"]) == (302, "/login")
    assert not response.cookies


@pytest.mark.parametrize(
    "target",
    [
        "",
        "https://evil.example/",
        "//evil.example",
        "/\\evil.example",
        "javascript:alert(1)",
        "login",
    ],
)
def test_leads_to_no_other_site(target: str) -> None:
    assert choose(next=target)["Location"] == "/"


@pytest.mark.parametrize(
    ("sent_to", "page"),
    [
        ("/hold", "/"),
        ("/forget", "/"),
        ("/logout", "/"),
        ("/language", "/"),
        ("/bookings/5f/confirm", "/bookings/5f"),
        ("/bookings/5f/extend", "/bookings/5f"),
        ("/bookings/5f/cancel", "/bookings/5f"),
        ("/bookings/5f/stay.ics", "/bookings/5f"),
        ("/login?next=/hold", "/login?next=/hold"),
        ("/no-such-page", "/no-such-page"),
    ],
)
def test_leads_back_to_a_page_that_can_be_opened(sent_to: str, page: str) -> None:
    assert choose(next=sent_to)["Location"] == page


@pytest.mark.parametrize(
    ("sent_to", "page"),
    [
        ("/?lang=de", "/"),
        ("/stays?hotel=demo&lang=de&guests=2", "/stays?hotel=demo&guests=2"),
        ("/no-such-page?lang=de", "/no-such-page"),
        ("/stays?hotel=lang", "/stays?hotel=lang"),
    ],
)
def test_lets_no_url_overrule_what_was_chosen(sent_to: str, page: str) -> None:
    assert choose("en", next=sent_to)["Location"] == page


@pytest.mark.parametrize(
    ("query", "spoken"),
    [
        ("lang=de", "de"),
        ("a=1&lang=de&b=2", "de"),
        ("lang=fr", "en"),
        ("lang=DE", "en"),
        ("lang=", "en"),
        ("slang=de", "en"),
        ("a=1;lang=de", "en"),
        (f"lang={'d' * 10_000}", "en"),
        ("lang=%64%65", "en"),
    ],
)
def test_speaks_as_the_url_says(query: str, spoken: str) -> None:
    response = Client().get(f"/no-such-page?{query}")

    assert response["Content-Language"] == spoken
    assert f'<html lang="{spoken}">' in response.content.decode()


def test_stays_in_the_language_of_the_url() -> None:
    """A guest follows a link from a German page to the site, and goes on in German."""
    browser = Client(headers={"accept-language": "en"})

    first = browser.get("/no-such-page?lang=de")
    again = browser.get("/no-such-page?lang=de")

    assert first.cookies[site_settings.LANGUAGE_COOKIE_NAME].value == "de"
    assert not again.cookies
    assert browser.get("/other-page")["Content-Language"] == "de"


@pytest.mark.parametrize("path", ["/api/bookings", "/admin/login/", "/metrics"])
def test_speaks_english_to_programs_and_staff_whatever_the_url_says(path: str) -> None:
    response = Client().get(f"{path}?lang=de")

    assert site_settings.LANGUAGE_COOKIE_NAME not in response.cookies
    assert "Content-Language" not in response


def test_chooses_nothing_by_a_link() -> None:
    response = Client().get("/language?language=de")

    assert response.status_code == 405
    assert not response.cookies


def test_offers_the_other_language_on_every_page_and_stays_there() -> None:
    page = Page(Client(headers=GERMAN).get("/no-such-page?x=1&y=2").content.decode())

    form = page.form_to("/language")
    assert form.fields["next"] == "/no-such-page?x=1&y=2"
    assert '<button class="quiet" type="submit" name="language" value="en" lang="en">' in page.html
    assert 'value="de"' not in page.html


def test_writes_amounts_and_days_as_the_language_does() -> None:
    days = (date(2027, 2, 15), date(2027, 3, 1), date(2027, 3, 2))

    with translation.override("de"):
        assert format_money(123_450, "EUR") == f"1.234,50{NBSP}€"
        assert format_money(1_200, "JPY") == f"1.200{NBSP}JPY"
        assert format_money(1_200, "KWD") == f"1,200{NBSP}KWD"
        assert format_amount(5, "EUR") == "0,05"
        assert describe_days(days) == f"15.{NBSP}Februar, 1.{NBSP}März bis 2.{NBSP}März"
    assert describe_days(days) == "15 February, 1 March to 2 March"


def test_says_every_refusal_in_german() -> None:
    tables = [
        None,
        FORM_SENTENCES,
        HOLD_SENTENCES,
        CONFIRM_SENTENCES,
        EXTEND_SENTENCES,
        CANCEL_SENTENCES,
        GONE_ON_SENTENCES,
    ]
    asked = [(code, table) for table in tables for code in (table or SENTENCES)]

    english = [explain(code, instead=table) for code, table in asked]
    titles = [title_of(code) for code in [*TITLES, "ANY"]]
    faults = [str(sentence) for _, sentence in FAULTS.values()]
    with translation.override("de"):
        german = [explain(code, instead=table) for code, table in asked]
        german_titles = [title_of(code) for code in [*TITLES, "ANY"]]
        german_faults = [str(sentence) for _, sentence in FAULTS.values()]

    for ours, theirs in ((english, german), (titles, german_titles), (faults, german_faults)):
        assert not set(ours) & set(theirs)
