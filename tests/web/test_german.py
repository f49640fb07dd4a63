"""German for every visitor who asks for it: every page and letter of a stay, and nothing else."""

from __future__ import annotations

import json
import re
from html.parser import HTMLParser
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.core import mail
from django.shortcuts import render
from django.test import Client, RequestFactory
from django.utils import translation

from bookings import tasks
from bookings.content.brand import changes
from bookings.domain.callers import caller_of_guest
from bookings.infrastructure.mongodb import outage
from bookings.people import account_letters, accounts
from bookings.web import limits
from bookingsite import openapi
from tests.browsing import ADA, booking_path, confirm_form, stays_path
from tests.calls import CUSTOMER, book, cancel, let_hold_end, stored
from tests.conftest import night
from tests.hotels import put_night
from tests.news.test_outbox import let_reminders_be_due, move
from tests.pages import Page
from tests.translations import ROOT, read

pytestmark = pytest.mark.mongo

GERMAN = {"accept-language": "de-DE,de;q=0.9,en;q=0.8"}
PASSWORD = "richtig pferd batterie"

WORD = re.compile(r"[^\W\d_]{2,}")
PLACEHOLDER = re.compile(r"%\(\w+\)\w|{\w+}")

# Thursday in short, and a currency's code.
FALSE_FRIENDS = {"do", "eur"}

# Names that are the same in every language: the demo's rooms, and the switch to English.
NAMES = re.compile(
    r"Bookingsite|English|Double|Single|Suite|Bench|Room [A-Z]|Demo Hotel|Grand Hotel|New York"
)


def words_of(text: str) -> set[str]:
    return {word.lower() for word in WORD.findall(PLACEHOLDER.sub(" ", text))}


def english_words() -> set[str]:
    """Words that our texts have in English and in no translation."""
    english: set[str] = set()
    german: set[str] = set()
    for message in read(ROOT / "locale/de/LC_MESSAGES/django.po"):
        for words, text in ((english, message.id), (german, message.string)):
            for form in text if isinstance(text, tuple) else (text,):
                words |= words_of(form)
    return english - german - FALSE_FRIENDS


ENGLISH = english_words()


class Texts(HTMLParser):
    """All texts of a page that people read or hear, or that its scripts show them."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.texts: list[str] = []
        self._is_code = False
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self._is_code = tag in ("script", "style")
        values = dict(attrs)
        for name, value in values.items():
            is_said = name in ("aria-label", "title", "alt") or (
                name.startswith("data-") and " " in (value or "")
            )
            if is_said or (name == "content" and values.get("name") == "description"):
                self.texts.append(value or "")

    def handle_data(self, data: str) -> None:
        if not self._is_code:
            self.texts.append(data)

    def handle_endtag(self, tag: str) -> None:
        self._is_code = False


def english_in(text: str) -> set[str]:
    return words_of(NAMES.sub(" ", text)) & ENGLISH


class Reader:
    """A German browser that notes the templates of its pages, and each English word."""

    def __init__(self) -> None:
        self.browser = Client(headers=GERMAN)
        self.templates: set[str] = set()
        self.found: dict[str, set[str]] = {}

    def open(self, path: str, status: int = 200) -> Page:
        return self.read(self.browser.get(path, follow=True), status)

    def press(self, path: str, fields: dict[str, str], status: int = 200) -> Page:
        return self.read(self.browser.post(path, fields, follow=True), status)

    def read(self, response: Any, status: int = 200) -> Page:
        html = response.content.decode()
        assert response.status_code == status, html[:2000]
        assert '<html lang="de"' in html or "<html" not in html
        self.templates |= {template.name for template in response.templates if template.name}
        if found := english_in(" ".join(Texts(html).texts)):
            self.found[response.request["PATH_INFO"]] = found
        return Page(html)


def customer_templates() -> set[str]:
    folder = ROOT / "templates"
    return {
        path.relative_to(folder).as_posix()
        for path in folder.rglob("*.html")
        if path.parent == folder and path.name != "try_again.html"
    }


def test_finds_an_english_word() -> None:
    assert english_in("Suchen and find 2 Gäste in {seconds}, Demo Hotel") == {"and", "find"}
    assert Texts('<p title="a b">c<script>d</script>e').texts == ["a b", "c", "e"]


def test_shows_no_english_word_on_any_page(settings: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    settings.DEMO = True
    reader = Reader()
    visitor = reader.browser

    # Searching, and the mistakes one can make there.
    reader.open("/")
    put_night("demo_double", night(61), closed=True)
    put_night("demo_double", night(70), min_stay=3)
    put_night("demo_double", night(80), closed_to_arrival=True)
    put_night("demo_double", night(92), closed_to_departure=True)
    for day in (60, 70, 80, 90):
        reader.open(stays_path(night(day), night(day + 2)))
    reader.open(stays_path(rooms=10, guests=9))
    reader.open(stays_path(night(-3), night(-1)), 400)
    reader.open(stays_path(night(900), night(901)), 400)
    reader.open(stays_path(night(5), night(4), hotel="none"), 400)
    reader.open("/stays")
    reader.open("/stays?hotel=", 400)
    reader.open("/calendar/demo_double")
    reader.open("/calendar/demo_double?month=2020-01", 400)

    # A hold, its confirmation, and the end of both.
    held = reader.press("/hold", reader.open(stays_path()).hold_form("demo_double").fields)
    reader.open(stays_path())
    reader.open("/bookings")
    form = confirm_form(held)
    reader.press(form.action, form.fields, 400)
    reader.press(form.action.replace("confirm", "extend"), form.fields)
    let_hold_end()
    over = confirm_form(reader.open(form.action.removesuffix("/confirm")))
    reader.press(form.action.replace("confirm", "extend"), over.fields, 409)
    reader.press(form.action, {**over.fields, **ADA})
    reader.open("/bookings?status=confirmed")
    change = form.action.replace("confirm", "change")
    reader.open(change)
    for first, last, status in ((30, 33, 200), (30, 32, 200), (60, 62, 200), (-3, 2, 400)):
        reader.open(f"{change}?arrival={night(first)}&departure={night(last)}", status)
    preview = reader.open(f"{change}?arrival={night(30)}&departure={night(33)}")
    (sell,) = [each for each in preview.forms if "total" in each.fields]
    reader.press(change, {**sell.fields, "total": "1"}, 409)
    reader.press(change, sell.fields)
    details = form.action.replace("confirm", "details")
    correct = reader.open(details).form_to(details)
    reader.press(details, {**correct.fields, "name": ""}, 400)
    reader.press(details, correct.fields)
    reader.press(form.action.replace("confirm", "cancel"), {})
    reader.open(change)
    reader.open(details)
    reader.open("/bookings?status=expired")
    reader.open("/bookings?status=none", 400)
    reader.open("/manage/forged")
    reader.press("/forget", {})

    # Accounts.
    reader.open("/login")
    reader.press("/login", {"username": "ada", "password": "wrong"}, 400)
    for path in ("/register", "/password", "/find"):
        reader.press(path, {"email": "nobody"}, 400)
        reader.press(path, {"email": "ada@example.org"})
    account_letters.send_letters()
    (link,) = re.findall(r"(/register/\S+)", mail.outbox[0].body)
    reader.open(link)
    reader.press(
        "/register/finish", {"name": "\x00", "new_password1": "1", "new_password2": "2"}, 400
    )
    reader.press(
        "/register/finish", {"name": "Ada", "new_password1": "1", "new_password2": "1"}, 400
    )
    passwords = {"new_password1": PASSWORD, "new_password2": PASSWORD}
    reader.press("/register/finish", {"name": "Ada", **passwords})
    account_letters.ask_for_letter(purpose=account_letters.RESET, address="ada@example.org")
    account_letters.send_letters()
    (link,) = re.findall(r"(/password/\S+)", mail.outbox[-1].body)
    reader.open(link)
    reader.press("/password/new", {"new_password1": "12345678", "new_password2": "12345678"}, 400)
    reader.open("/register/forged", 410)

    # A guest who wants a room where guests hold many.
    asked = stays_path().partition("?")[2]
    reader.open(f"/hold/address?{asked}")
    reader.press(f"/hold/address?{asked}", {"email": "ada"}, 400)
    reader.press(f"/hold/address?{asked}", {"email": "ada@example.org"})
    account_letters.send_letters()
    (link,) = re.findall(r"(/hold/address/\S+)", mail.outbox[-1].body)
    reader.open(link)

    # The lesson, and pages that only refuse.
    reader.open("/how-it-works")
    reader.open("/how-it-works/live")
    reader.open("/no-such-page", 404)
    strict = Client(headers=GERMAN, enforce_csrf_checks=True)
    reader.read(strict.post("/login"), 403)
    changes.set_origins(0, ["https://seaside.example"])
    reader.read(strict.post("/embedded/hold"), 403)
    monkeypatch.setattr(limits, "wait_s", lambda limit, whose: 100)
    reader.read(visitor.post("/find", {"email": "ada@example.org"}), 429)

    assert reader.found == {}
    assert reader.templates >= customer_templates()


def test_says_in_german_that_the_system_is_away() -> None:
    outage._is_away.set()
    outage._next_probe_at_s, before = float("inf"), outage._next_probe_at_s
    try:
        shown = Client(headers=GERMAN).get("/bookings")
        sent = Client(headers=GERMAN).post("/hold", {"key": "k"})
        chosen = Client(headers=GERMAN).post("/language", {"language": "en", "next": "/bookings"})
    finally:
        outage._next_probe_at_s = before
        outage._is_away.clear()

    for response in (shown, sent):
        assert response.status_code == 503
        assert response["Content-Language"] == "de"
        assert english_in(" ".join(Texts(response.content.decode()).texts)) == set()
    assert chosen["Location"] == "/bookings"
    assert chosen.cookies["django_language"].value == "en"


def test_tells_the_pages_script_in_german() -> None:
    reader = Reader()
    scripted = Client(headers={**GERMAN, "accept": "application/json"})
    page = Page(scripted.get(stays_path()).content.decode())
    held = scripted.post("/hold", page.hold_form("demo_double").fields).json()
    path = held["location"]

    refused = scripted.post(f"{path}/confirm", {"email": "nobody"}).json()
    longer = scripted.post(f"{path}/extend").json()

    said = [refused["message"], *sum(refused["errors"].values(), []), longer["message"]]
    assert english_in(" ".join(said)) == set()
    assert len(said) == 4
    assert re.fullmatch(r"\d\d:\d\d\N{NO-BREAK SPACE}Uhr", longer["until"])
    assert reader.found == {}


def test_writes_days_and_amounts_as_germans_do() -> None:
    reader = Reader()

    offered = reader.open("/stays?hotel=demo&arrival=2027-02-15&departure=2027-03-01")
    month = reader.open("/calendar/demo_double?month=2027-02")

    text = offered.text.replace("\N{NO-BREAK SPACE}", " ")
    assert "Montag, 15. Februar 2027 bis Montag, 1. März 2027 , 14 Nächte" in text
    assert "120,00 € pro Nacht" in text
    assert "1.680,00 €" in text
    assert "Februar 2027" in month.text
    assert "Mo Di Mi Do Fr Sa So" in month.text
    assert "120,00" in month.text
    # Programs get the same text as before.
    form = offered.hold_form("demo_double")
    assert (form.fields["arrival"], form.fields["total"]) == ("2027-02-15", "168000")


def test_gives_a_calendar_file_in_german() -> None:
    reader = Reader()
    page = reader.press("/hold", reader.open(stays_path()).hold_form("demo_double").fields)
    form = confirm_form(page)
    reader.press(form.action, {**form.fields, **ADA})

    file = reader.browser.get(f"{booking_path(stored()[0])}/stay.ics").content.decode()

    assert "SUMMARY:Aufenthalt: Demo Hotel" in file
    assert f"DESCRIPTION:Buchungsnummer {stored()[0]['reference']}" in file
    assert "PRODID:-//Bookingsite//stays//DE" in file


@pytest.mark.parametrize("known", [True, False])
@pytest.mark.parametrize(
    ("path", "subjects"),
    [
        ("/register", {True: "Sie haben bereits ein Konto", False: "Ihr Konto: noch ein Schritt"}),
        ("/password", {True: "Ein neues Passwort", False: "Zu dieser Adresse gibt es kein Konto"}),
        ("/find", {True: "Ihre Buchungen", False: "Ihre Buchungen"}),
    ],
)
def test_writes_the_letter_in_the_language_of_who_asked(
    known: bool, path: str, subjects: dict[bool, str]
) -> None:
    if known:
        accounts.make_account(address="ada@example.org", name="Ada", password=PASSWORD)
        guest = {"name": "Ada", "email": "ada@example.org"}
        book(caller=caller_of_guest("a"), guest=guest, date="2027-02-15")
    for headers in (GERMAN, {"accept-language": "en"}):
        Client(headers=headers).post(path, {"email": "ada@example.org"})

    account_letters.send_letters()  # by a worker, which speaks English

    german, english = mail.outbox
    assert german.subject == subjects[known]
    assert english_in(re.sub(r"\S*://\S*", " ", german.body)) == set()
    assert german.body.startswith("Guten Tag,\n\n")
    assert english.body.startswith("Hello,\n\n")
    if known and path == "/find":
        assert "15.\N{NO-BREAK SPACE}Februar 2027" in german.body


def test_answers_the_api_in_english_whatever_is_asked_for() -> None:
    ada = User.objects.create_user("ada")
    asked: list[tuple[str, str, Any]] = [
        ("GET", "/api/bookings?limit=none", None),
        ("GET", "/api/bookings/none", None),
        ("PUT", "/api/bookings", {}),
        ("POST", "/api/bookings", {"resourceId": "room_A", "checkIn": "soon", "guests": -1}),
        ("POST", "/api/bookings", ["no object"]),
        ("GET", "/api/availability?hotelId=demo&checkIn=2020-01-01&checkOut=2020-01-02", None),
        ("GET", "/api/docs", None),
        ("GET", "/api/schema?format=json", None),
        ("GET", "/api/none", None),
    ]

    def answers(headers: dict[str, str], cookie: str) -> list[tuple[int, str]]:
        openapi.write_description.cache_clear()
        client = Client(headers=headers, raise_request_exception=False)
        client.force_login(ada)
        client.cookies["django_language"] = cookie
        found = []
        for method, path, payload in asked:
            response = client.generic(method, path, json.dumps(payload), "application/json")
            assert "Content-Language" not in response
            assert "Accept-Language" not in response.get("Vary", "")
            found.append((response.status_code, response.content.decode()))
        return found

    assert answers(GERMAN, "de") == answers({"accept-language": "en"}, "en")


def test_keeps_the_schema_apart_from_who_asks_for_it_first() -> None:
    found = []
    for headers in (GERMAN, {"accept-language": "en"}):
        openapi.write_description.cache_clear()
        found.append(Client(headers=headers).get("/api/schema?lang=de").content)

    assert found[0] == found[1]


def test_keeps_the_admin_english() -> None:
    staff = User.objects.create_superuser("staff", password="x")
    texts = []
    for headers, cookie in ((GERMAN, "de"), ({"accept-language": "en"}, "en")):
        client = Client(headers=headers)
        client.cookies["django_language"] = cookie
        login = client.get("/admin/login/")
        client.force_login(staff)
        pages = [login, *(client.get(path) for path in ("/admin/", "/admin/bookings/hotel/"))]
        texts.append([Page(page.content.decode()).text for page in pages])
        assert all('lang="en' in page.content.decode() for page in pages)

    assert texts[0] == texts[1]
    assert "Log in" in texts[0][0]


def test_throttles_the_admins_login_in_english(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "wait_s", lambda limit, whose: 30)

    response = Client(headers=GERMAN).post("/admin/login/", {"username": "a", "password": "b"})

    page = Page(response.content.decode())
    assert response.status_code == 429
    assert "Wait 30 seconds, then try again." in page.text
    # A choice would change nothing here.
    assert page.forms_to("/language") == []


def test_shows_the_same_page_to_each_in_their_own_language() -> None:
    """One browser that changes its language does not see its earlier pages."""
    browser = Client(headers=GERMAN)
    german = browser.get("/login")

    browser.post("/language", {"language": "en", "next": "/login"})
    english = browser.get("/login")

    assert "Anmelden" in german.content.decode()
    assert "Log in" in english.content.decode()
    assert english["Content-Language"] == "en"
    for response in (german, english):
        assert "no-store" in response["Cache-Control"]
        assert "ETag" not in response


def test_offers_the_form_again_in_german() -> None:
    request = RequestFactory().post("/bookings/5f/confirm", {"name": "Ada"}, headers=GERMAN)

    with translation.override("de"):
        html = render(request, "try_again.html", {}).content.decode()

    assert english_in(" ".join(Texts(html).texts)) == set()


def test_answers_with_the_same_bytes_in_every_language() -> None:
    """A kept answer is for every sender of its key; only the language is the guest's own."""
    reader = Reader()
    reader.press("/hold", reader.open(stays_path()).hold_form("demo_double").fields)

    (booking,) = stored()
    answer = json.loads(booking["keys"][0]["body"])
    assert answer["message"].startswith("The room is held for you; ")
    assert "language" not in answer["booking"]
    assert booking["language"] == "de"


def test_writes_to_partners_guests_in_english() -> None:
    client = Client(headers=GERMAN)
    client.force_login(User.objects.create_user("ada"))
    client.cookies["django_language"] = "de"

    made = client.post(
        "/api/bookings",
        {"resourceId": "room_A", "date": night()},
        content_type="application/json",
        headers={"idempotency-key": "k"},
    )

    assert made.status_code == 201
    assert stored()[0]["language"] == "en"


def test_writes_what_becomes_of_a_booking_in_its_guests_language() -> None:
    guest = {"name": "Ada", "email": "ada@example.org"}
    with translation.override("de"):
        booked = book(caller=CUSTOMER, guest=guest, date="2027-02-15")
        held = book("held", caller=CUSTOMER, guest=guest, resourceId="room_C", hold=True)
    tasks.pass_on_news()
    tasks.send_notifications()
    move(booked)
    tasks.pass_on_news()
    tasks.send_notifications()
    cancel(booked, actor=CUSTOMER)
    let_reminders_be_due()
    tasks.pass_on_news()
    tasks.send_notifications()
    move(held, "room_D")
    tasks.pass_on_news()
    tasks.send_notifications()
    let_hold_end()
    tasks.expire_holds()
    tasks.pass_on_news()
    tasks.send_notifications()

    told = {message.subject.partition(":")[0] for message in mail.outbox}
    assert told == {
        "Gebucht",
        "Geändert",
        "Storniert",
        "Ihre Reservierung läuft bald ab",
        "Ihre Reservierung ist abgelaufen",
    }
    for message in mail.outbox:
        text = re.sub(r"\S*(?:://|@)\S*", " ", f"{message.subject} {message.body}")
        assert english_in(text) == set(), message.body
    first = mail.outbox[0]
    assert "Anreise: 15.\N{NO-BREAK SPACE}Februar 2027, ab 15:00\N{NO-BREAK SPACE}Uhr" in first.body
    assert "Preis: 120,00\N{NO-BREAK SPACE}€" in first.body
    assert "SUMMARY:Aufenthalt: Demo Hotel" in first.attachments[0][1]
