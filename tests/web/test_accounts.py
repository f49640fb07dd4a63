"""Accounts on the pages: made, used, left, and never revealed to anyone else."""

from __future__ import annotations

import copy
import re
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from typing import Any

import pytest
import time_machine
from django.contrib.auth.hashers import MD5PasswordHasher
from django.contrib.auth.models import User
from django.contrib.sessions.models import Session
from django.core import mail
from django.core.cache import caches
from django.db import connection
from django.http import HttpResponse
from django.test import Client
from django.test.utils import CaptureQueriesContext

from bookings.domain.callers import caller_of_guest, caller_of_user
from bookings.domain.email_addresses import normalise_address
from bookings.infrastructure.connections import collection
from bookings.models import VerifiedAddress
from bookings.people import account_letters, accounts
from bookings.web import limits, visitors
from tests.calls import book, stored
from tests.pages import Page

pytestmark = pytest.mark.mongo

ADDRESS = "ada@example.org"
PASSWORD = "correct horse battery"


def twice(password: str) -> dict[str, str]:
    return {"new_password1": password, "new_password2": password}


NEW = twice(PASSWORD)


@pytest.fixture
def browser(database: None) -> Client:
    return Client()


@pytest.fixture
def ada(database: None) -> User:
    """An account that its owner has made."""
    user = accounts.make_account(address=ADDRESS, name="Ada", password=PASSWORD)
    assert user is not None
    return user


@pytest.fixture
def throttled(settings: Any) -> Iterator[None]:
    settings.API_THROTTLE = "on"
    caches["process"].clear()
    with time_machine.travel(datetime(2026, 11, 22, 9, 0, tzinfo=UTC), tick=False):
        yield


def ask(browser: Client, path: str, address: str = ADDRESS) -> Any:
    return browser.post(path, {"email": address})


def link_for(browser: Client, path: str, address: str = ADDRESS) -> str:
    """Asks for a letter, has it sent, and returns the path of its link."""
    assert ask(browser, path, address).status_code == 302
    account_letters.send_letters()
    (link,) = re.findall(r"^http://127\.0\.0\.1:8000(/\S+/\S+)$", mail.outbox[-1].body, re.M)
    return link


def follow(browser: Client, link: str) -> str:
    """Opens a letter's link and returns the path of the page that it leads to."""
    response = browser.get(link)
    assert response.status_code == 302
    return response["Location"]


def log_in(browser: Client, name: str = ADDRESS, password: str = PASSWORD, **fields: str) -> Any:
    return browser.post("/login", {"username": name, "password": password, **fields})


def user_in(browser: Client) -> str | None:
    return browser.session.get("_auth_user_id")


def with_guest(browser: Client) -> str:
    """Makes the browser a guest's, with one booking."""
    request = type("Request", (), {"user": type("Nobody", (), {"is_authenticated": False})()})()
    request.get_signed_cookie = lambda *_, **__: None
    request.session = {}
    guest = visitors.caller_of(request)
    browser.cookies.update(visitors.keep_guest(request, HttpResponse()).cookies)
    book("guests", caller=guest)
    return str(guest)


# --- Addresses -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("typed", "address"),
    [
        (" Ada@Example.ORG ", "ada@example.org"),
        ("ada@bücher.example", "ada@xn--bcher-kva.example"),
        ("anna@straße.example", "anna@xn--strae-oqa.example"),
        ("o'brien+x@example.org", "o'brien+x@example.org"),
    ],
)
def test_spells_an_address_in_one_way(typed: str, address: str) -> None:
    assert normalise_address(typed) == address


@pytest.mark.parametrize(
    "typed",
    [
        "", "@", "ada", "ada@", "@example.org", "ada@example", "ada@exa mple.org",
        "ada@example.org\nBcc: eve@example.org", "ada@example.org, eve@example.org",
        "ada\r\n@example.org", "Ada <ada@example.org>", "adа@example.org",
        "a" * 250 + "@example.org", "ada@" + "a" * 70 + ".org", "ada\x00@example.org",
    ],
)  # fmt: skip
@pytest.mark.parametrize("path", ["/register", "/password", "/find"])
def test_takes_nothing_for_an_address_that_is_none(browser: Client, path: str, typed: str) -> None:
    response = ask(browser, path, typed)

    assert response.status_code == 400
    assert collection("letters").count_documents({}) == 0
    page = Page(response.content.decode())
    assert "id_email_error" in page.ids


# --- Register ------------------------------------------------------------------------------


def test_makes_an_account_and_logs_in(browser: Client) -> None:
    page = follow(browser, link_for(browser, "/register", "Ada@Example.org"))

    response = browser.post(page, {"name": "Ada L.", **NEW})

    user = User.objects.get()
    assert response.status_code == 302
    assert (user.username, user.email, user.first_name) == (ADDRESS, ADDRESS, "Ada L.")
    assert user_in(browser) == str(user.pk)
    assert VerifiedAddress.objects.get().user == user
    assert log_in(Client()).status_code == 302


def test_makes_one_account_from_one_letter_or_two(browser: Client) -> None:
    first, second = (link_for(browser, "/register") for _ in range(2))
    others = Client(), Client()
    pages = [follow(other, link) for other, link in zip(others, (first, second), strict=True)]
    browser.post(follow(browser, first), {"name": "Ada", **NEW})

    for other, page, link in zip(others, pages, (first, second), strict=True):
        assert other.get(page).status_code == 410
        assert Client().get(link).status_code == 410
        response = other.post(page, {"name": "Eve", **twice("another horse")})
        assert response.status_code == 410
        assert "Request a new link" in Page(response.content.decode()).links
        assert user_in(other) is None

    assert User.objects.get().first_name == "Ada"


@pytest.mark.parametrize("password", [PASSWORD, "another horse", ""])
def test_ends_a_second_click_as_the_first_if_the_password_is_right(
    browser: Client, password: str
) -> None:
    page = follow(browser, link_for(browser, "/register"))
    second = Client()
    second.cookies = copy.deepcopy(browser.cookies)
    first_answer = browser.post(page, {"name": "Ada", **NEW})

    answer = second.post(page, {"name": "Ada", **twice(password)})

    user = User.objects.get()
    assert (first_answer.status_code, first_answer["Location"]) == (302, "/bookings")
    if password == PASSWORD:
        assert (answer.status_code, answer["Location"]) == (302, "/bookings")
        assert user_in(second) == str(user.pk)
    else:
        assert answer.status_code == 410
        assert user_in(second) is None


def test_ends_two_clicks_at_one_moment_alike(
    browser: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    page = follow(browser, link_for(browser, "/register"))
    clicks = Client(), Client()
    both_have_looked = threading.Barrier(2, timeout=10)
    look = account_letters.open_letter

    def look_together(**what: str) -> Any:
        opened = look(**what)
        both_have_looked.wait()
        return opened

    monkeypatch.setattr(account_letters, "open_letter", look_together)
    for click in clicks:
        click.cookies = copy.deepcopy(browser.cookies)

    with ThreadPoolExecutor(2) as pool:
        answers = list(pool.map(lambda click: click.post(page, {"name": "Ada", **NEW}), clicks))

    assert [(answer.status_code, answer["Location"]) for answer in answers] == [
        (302, "/bookings")
    ] * 2
    assert {user_in(click) for click in clicks} == {str(User.objects.get().pk)}


def test_lets_nobody_in_by_a_used_link_whose_account_is_closed(browser: Client) -> None:
    page = follow(browser, link_for(browser, "/register"))
    second = Client()
    second.cookies = copy.deepcopy(browser.cookies)
    browser.post(page, {"name": "Ada", **NEW})
    User.objects.update(is_active=False)

    assert second.post(page, {"name": "Ada", **NEW}).status_code == 410
    assert user_in(second) is None


def test_stops_guessing_by_a_used_link(browser: Client, throttled: None) -> None:
    page = follow(browser, link_for(browser, "/register"))
    thief = Client()
    thief.cookies = copy.deepcopy(browser.cookies)
    assert browser.post(page, {"name": "Ada", **NEW}).status_code == 302
    cookies = copy.deepcopy(thief.cookies)
    for number in range(limits.LOGINS_OF_ACCOUNT.number):
        thief.cookies = copy.deepcopy(cookies)
        thief.defaults["REMOTE_ADDR"] = f"192.0.2.{number}"
        guess = {"name": "Ada", **twice("wrong horse")}
        assert thief.post(page, guess).status_code == 410
    thief.cookies = copy.deepcopy(cookies)

    assert thief.post(page, {"name": "Ada", **NEW}).status_code == 429
    assert user_in(thief) is None


def test_counts_no_look_at_a_used_link_as_a_login(browser: Client, throttled: None) -> None:
    page = follow(browser, link_for(browser, "/register"))
    second = Client()
    second.cookies = copy.deepcopy(browser.cookies)
    cookies = copy.deepcopy(browser.cookies)
    browser.post(page, {"name": "Ada", **NEW})
    for _ in range(limits.LOGINS_OF_ACCOUNT.number + 1):
        second.cookies = copy.deepcopy(cookies)
        assert second.get(page).status_code == 410
    second.cookies = copy.deepcopy(cookies)

    assert second.post(page, {"name": "Ada", **NEW}).status_code == 302


def test_makes_one_account_from_two_clicks(
    browser: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    page = follow(browser, link_for(browser, "/register"))
    monkeypatch.setattr(accounts, "find_account", lambda _: None)
    User.objects.create_user(ADDRESS, ADDRESS)

    assert browser.post(page, {"name": "Ada", **NEW}).status_code == 410
    assert User.objects.count() == 1


@pytest.mark.parametrize("password", ["short", "password1", "1234567890", "ada@example.org"])
def test_refuses_a_weak_password_and_keeps_the_name(browser: Client, password: str) -> None:
    page = follow(browser, link_for(browser, "/register"))

    response = browser.post(page, {"name": "Ada", **twice(password)})

    assert response.status_code == 400
    html = response.content.decode()
    assert 'value="Ada"' in html
    assert f'value="{password}"' not in html
    assert not User.objects.exists()


@pytest.mark.parametrize("name", ["", "   ", "x" * 151, "Ada\x1b[2J"])
def test_refuses_a_name_that_cannot_be_shown(browser: Client, name: str) -> None:
    page = follow(browser, link_for(browser, "/register"))

    assert browser.post(page, {"name": name, **NEW}).status_code == 400
    assert not User.objects.exists()


def test_adopts_what_the_guest_had_booked(browser: Client) -> None:
    with_guest(browser)

    browser.post(follow(browser, link_for(browser, "/register")), {"name": "Ada", **NEW})

    assert stored()[0]["owner"] == str(caller_of_user(User.objects.get().pk))


def test_gathers_earlier_bookings_once_the_address_is_verified(browser: Client) -> None:
    guest = {"name": "Ada", "email": "ADA@example.org"}
    book("earlier", caller=caller_of_guest("elsewhere"), guest=guest)

    browser.post(follow(browser, link_for(browser, "/register")), {"name": "Ada", **NEW})

    assert stored()[0]["owner"] == str(caller_of_user(User.objects.get().pk))


# --- Log in and out ------------------------------------------------------------------------


@pytest.mark.parametrize("name", [ADDRESS, " ADA@example.org"])
def test_logs_in_by_address(browser: Client, ada: User, name: str) -> None:
    assert log_in(browser, name)["Location"] == "/bookings"
    assert user_in(browser) == str(ada.pk)


def test_logs_in_by_the_name_that_staff_gave(browser: Client) -> None:
    user = User.objects.create_user("guest", password=PASSWORD)

    log_in(browser, "guest")

    assert user_in(browser) == str(user.pk)


def test_logs_in_with_the_address_of_an_account_that_staff_made(browser: Client) -> None:
    user = User.objects.create_user("guest", ADDRESS, PASSWORD)

    log_in(browser)

    assert user_in(browser) == str(user.pk)


def test_adopts_and_gathers_at_each_login(browser: Client, ada: User) -> None:
    with_guest(browser)
    guest = {"name": "Ada", "email": ADDRESS}
    book("elsewhere", caller=caller_of_guest("x"), resourceId="room_B", guest=guest)

    log_in(browser)

    assert {booking["owner"] for booking in stored()} == {str(caller_of_user(ada.pk))}


def test_adopts_nothing_without_a_login(browser: Client, ada: User) -> None:
    guest = with_guest(browser)

    log_in(browser, password="wrong")

    assert stored()[0]["owner"] == guest


@pytest.mark.parametrize(
    ("target", "location"),
    [
        ("/bookings?status=confirmed", "/bookings?status=confirmed"),
        ("https://evil.example/", "/bookings"),
        ("//evil.example/", "/bookings"),
        ("/\\evil.example", "/bookings"),
        ("javascript:alert(1)", "/bookings"),
        ("foo", "/bookings"),
        ("logout", "/bookings"),
        ("home", "/bookings"),
        ("http://testserver/bookings?status=confirmed", "/bookings"),
        (" /bookings?status=confirmed", "/bookings"),
        ("/" + "a" * 20_000, "/bookings"),
        ("", "/bookings"),
    ],
)
def test_leads_on_within_this_site_alone(
    browser: Client, ada: User, target: str, location: str
) -> None:
    assert log_in(browser, next=target)["Location"] == location


def test_gives_a_new_session_at_login(browser: Client, ada: User) -> None:
    session = browser.session
    session["planted"] = True
    session.save()
    before = session.session_key

    log_in(browser)

    assert browser.session.session_key not in (None, before)


def test_makes_the_browser_a_new_guest_at_logout(browser: Client, ada: User) -> None:
    with_guest(browser)
    log_in(browser)

    browser.post("/logout")

    assert browser.cookies["guest"].value == ""
    assert user_in(browser) is None
    assert browser.get("/logout").status_code == 405


def test_says_the_same_of_a_wrong_password_and_no_account(
    browser: Client, ada: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    User.objects.create_user("closed@example.org", password=PASSWORD, is_active=False)
    hashed = []
    encode = MD5PasswordHasher.encode

    def count(self: Any, password: str, salt: str) -> str:
        hashed.append(password)
        return encode(self, password, salt)

    monkeypatch.setattr(MD5PasswordHasher, "encode", count)
    answers = {}
    for name, password in [
        (ADDRESS, "wrong"), ("nobody@example.org", "wrong"), ("closed@example.org", PASSWORD),
    ]:  # fmt: skip
        hashed.clear()
        with CaptureQueriesContext(connection) as queries:
            response = log_in(browser, name, password)
        html = response.content.decode().replace(name, "NAME")
        html = re.sub(r'(csrfmiddlewaretoken" value=")[^"]+', r"\1", html)
        answers[name] = (response.status_code, html, len(hashed), len(queries))

    assert len(set(answers.values())) == 1
    assert (answers[ADDRESS][0], answers[ADDRESS][2]) == (400, 1)
    assert "Wrong e-mail or password" in answers[ADDRESS][1]


# --- Passwords -----------------------------------------------------------------------------


def test_changes_the_password_and_ends_every_other_session(browser: Client, ada: User) -> None:
    elsewhere = Client()
    log_in(elsewhere)
    page = follow(browser, link_for(browser, "/password"))

    response = browser.post(
        page, {"new_password1": "another horse", "new_password2": "another horse"}
    )

    assert response.status_code == 302
    assert user_in(browser) == str(ada.pk)
    assert "/logout" in browser.get("/").content.decode()
    assert "/logout" not in elsewhere.get("/").content.decode()
    assert log_in(Client()).status_code == 400
    assert log_in(Client(), password="another horse").status_code == 302


def test_changes_a_password_once_by_one_letter(browser: Client, ada: User) -> None:
    link = link_for(browser, "/password")
    late = Client()
    page = follow(late, link)
    browser.post(follow(browser, link), twice("one horse"))
    other = Client()

    for client in (other, late):
        assert client.get(page).status_code == 410
        assert client.post(page, NEW).status_code == 410
    assert other.get(link).status_code == 410
    assert log_in(Client(), password="one horse").status_code == 302


def test_ends_a_link_when_the_password_changes_otherwise(browser: Client, ada: User) -> None:
    link = link_for(browser, "/password")
    page = follow(browser, link)
    ada.set_password("by staff")
    ada.save()

    assert browser.get(page).status_code == 410
    assert browser.get(link).status_code == 410


@pytest.mark.parametrize("path", ["/register", "/password"])
def test_ends_a_link_after_a_day(browser: Client, path: str) -> None:
    if path == "/password":
        accounts.make_account(address=ADDRESS, name="Ada", password=PASSWORD)
    link = link_for(browser, path)
    page = follow(browser, link)
    assert browser.get(page).status_code == 200
    opened = Client()
    follow(opened, link)
    day_ms = 24 * 60 * 60 * 1000
    collection("letters").update_many(
        {}, [{"$set": {"created_at": {"$subtract": ["$created_at", day_ms]}}}]
    )

    assert opened.get(page).status_code == 410
    assert browser.get(link).status_code == 410


@pytest.mark.parametrize("token", ["x", "x~y", "000000000000000000000000~abc", "%00", "é"])
@pytest.mark.parametrize("path", ["/register/", "/password/"])
def test_takes_no_forged_token_and_keeps_nothing_of_it(
    browser: Client, path: str, token: str
) -> None:
    response = browser.get(path + token)

    assert response.status_code == 410
    assert "Request a new link" in Page(response.content.decode()).links
    assert "sessionid" not in browser.cookies
    assert not Session.objects.exists()


@pytest.mark.parametrize("path", ["/register/finish", "/password/new"])
def test_makes_no_session_for_who_comes_without_a_letter(browser: Client, path: str) -> None:
    browser.cookies["letter"] = "x"

    assert browser.get(path).status_code == browser.post(path, NEW).status_code == 410

    assert not Session.objects.exists()


def test_keeps_another_letter_that_was_opened_when_a_link_has_ended(browser: Client) -> None:
    page = follow(browser, link_for(browser, "/register"))

    assert browser.get("/register/x").status_code == 410

    assert browser.get(page).status_code == 200


def test_takes_no_letters_token_for_another_purpose(browser: Client) -> None:
    link = link_for(browser, "/register")

    assert browser.get(link.replace("register", "password")).status_code == 410
    # The page for the other purpose does not accept it either, if a browser sends it there.
    follow(browser, link)
    for cookie in browser.cookies.values():
        cookie["path"] = "/"
    assert browser.get("/password/new").status_code == 410


def test_verifies_the_address_of_an_account_that_staff_made(browser: Client) -> None:
    user = User.objects.create_user("guest", email="Ada@example.org", password="x")
    page = follow(browser, link_for(browser, "/password"))
    assert not VerifiedAddress.objects.exists()

    browser.post(page, NEW)

    assert VerifiedAddress.objects.get().user == user
    assert log_in(Client()).status_code == 302


def test_lets_nobody_in_whose_account_is_closed(browser: Client, ada: User) -> None:
    link = link_for(browser, "/password")
    page = follow(browser, link)
    User.objects.update(is_active=False)

    assert browser.get(page).status_code == 410
    assert browser.get(link).status_code == 410


def test_keeps_the_token_out_of_the_page_and_its_address(browser: Client, ada: User) -> None:
    link = link_for(browser, "/password")
    opened = browser.get(link)

    html = browser.get(opened["Location"]).content.decode()

    assert opened["Location"] == "/password/new"
    assert opened["Referrer-Policy"] == "same-origin"
    assert link.split("/")[-1] not in html
    assert "no-store" in browser.get(opened["Location"])["Cache-Control"]


# --- Owners of addresses -------------------------------------------------------------------


@pytest.mark.parametrize("path", ["/register", "/password", "/find"])
def test_does_and_says_the_same_whether_the_address_is_known(
    browser: Client, ada: User, path: str
) -> None:
    book("hers", caller=caller_of_guest("x"), guest={"name": "Ada", "email": "guest@example.org"})
    seen = []
    for address in (ADDRESS, "guest@example.org", "nobody@example.org"):
        with CaptureQueriesContext(connection) as queries:
            response = ask(browser, path, address)
        seen.append((response.status_code, response["Location"], len(queries)))
        assert not mail.outbox

    assert seen == [(302, "/letter", 0)] * 3
    written = list(collection("letters").find({}, {"_id": 0, "created_at": 0, "next_try_at": 0}))
    assert [letter.pop("address") for letter in written] == [
        ADDRESS, "guest@example.org", "nobody@example.org",
    ]  # fmt: skip
    assert written[0] == written[1] == written[2]


def test_keeps_addresses_out_of_the_log(browser: Client, caplog: pytest.LogCaptureFixture) -> None:
    browser.post(follow(browser, link_for(browser, "/register")), {"name": "Ada Love", **NEW})
    log_in(browser)
    log_in(browser, password="wrong s3cret")
    link = link_for(browser, "/password")
    follow(browser, link)

    logged = " ".join(str(vars(record)) for record in caplog.records)

    assert "letter_sent" in logged
    assert "example.org" not in logged
    assert "Love" not in logged
    assert "s3cret" not in logged
    assert link.split("/")[-1] not in logged


# --- Limits --------------------------------------------------------------------------------


def test_stops_guessing_from_one_address(browser: Client, ada: User, throttled: None) -> None:
    for number in range(limits.LOGINS_OF_REMOTE_ADDRESS.number):
        assert log_in(browser, f"nobody{number}@example.org").status_code == 400

    response = log_in(browser, "typed@example.org", "s3cret")

    assert (response.status_code, response["Retry-After"]) == (429, "300")
    html = response.content.decode()
    assert "Wait 5 minutes, then try again." in html
    assert 'value="typed@example.org"' in html
    assert "s3cret" not in html


def test_looks_for_no_account_once_an_address_has_guessed_too_often(
    browser: Client, ada: User, throttled: None
) -> None:
    for _ in range(limits.LOGINS_OF_REMOTE_ADDRESS.number):
        log_in(browser, "nobody@example.org")

    with CaptureQueriesContext(connection) as queries:
        response = log_in(browser, ADDRESS)

    assert response.status_code == 429
    assert "auth_user" not in str(queries.captured_queries)


def test_stops_guessing_one_account_from_many_addresses(
    browser: Client, ada: User, throttled: None
) -> None:
    names = [ADDRESS, "ADA@example.org"]
    for number in range(limits.LOGINS_OF_ACCOUNT.number):
        browser.defaults["REMOTE_ADDR"] = f"192.0.2.{number}"
        assert log_in(browser, names[number % 2], "wrong").status_code == 400
    browser.defaults["REMOTE_ADDR"] = "198.51.100.1"

    assert log_in(browser).status_code == 429
    assert log_in(browser, "nobody@example.org", "wrong").status_code == 400


# Letters that Django takes for those of a plain name; each name has one number.
_WIDE = [
    "".join(chr(ord(c) + 0xFEE0) if number >> n & 1 else c for n, c in enumerate("ada@example"))
    for number in range(limits.LOGINS_OF_ACCOUNT.number)
]


@pytest.mark.parametrize("is_named_otherwise", [False, True])
def test_counts_look_alikes_of_a_name_as_one_account(
    browser: Client, ada: User, throttled: None, is_named_otherwise: bool
) -> None:
    if is_named_otherwise:
        User.objects.update(username="guest")
    for number, name in enumerate(_WIDE):
        browser.defaults["REMOTE_ADDR"] = f"192.0.2.{number}"
        assert log_in(browser, f"{name}.org", "wrong").status_code == 400
    browser.defaults["REMOTE_ADDR"] = "198.51.100.1"

    for name in (
        ADDRESS,
        f"\u3000{_WIDE[-1]}.\u24c4rg",
        "guest" if is_named_otherwise else ADDRESS,
    ):
        assert log_in(browser, name).status_code == 429


def test_counts_look_alikes_of_a_name_as_one_account_at_the_admins_login(
    browser: Client, throttled: None
) -> None:
    User.objects.create_superuser("ada@example", password=PASSWORD)
    admin = "/admin/login/?next=/admin/"
    for number, name in enumerate(_WIDE):
        browser.defaults["REMOTE_ADDR"] = f"192.0.2.{number}"
        wrong = {"username": f" {name.upper()}", "password": "wrong"}
        assert browser.post(admin, wrong).status_code == 200
    browser.defaults["REMOTE_ADDR"] = "198.51.100.1"

    for name in ("ada@example", _WIDE[-1]):
        right = {"username": name, "password": PASSWORD}
        assert browser.post(admin, right).status_code == 429


def test_lets_the_owner_in_where_they_were_before_while_strangers_guess(
    ada: User, throttled: None
) -> None:
    known, stranger = Client(REMOTE_ADDR="198.51.100.1"), Client()
    assert log_in(known).status_code == 302
    known.post("/logout")
    for number in range(limits.LOGINS_OF_ACCOUNT.number + 1):
        stranger.defaults["REMOTE_ADDR"] = f"192.0.2.{number}"
        log_in(stranger, password="wrong")
    assert log_in(stranger).status_code == 429

    assert log_in(known).status_code == 302
    # The letter's way stays open as well.
    owner = Client(REMOTE_ADDR="198.51.100.2")
    assert owner.post(follow(owner, link_for(owner, "/password")), NEW).status_code == 302


def test_stops_guessing_in_a_known_browser_too(ada: User, throttled: None) -> None:
    known = Client()
    log_in(known)
    for number in range(limits.LOGINS_OF_BROWSER.number):
        known.defaults["REMOTE_ADDR"] = f"192.0.2.{number}"
        log_in(known, password="wrong")

    assert log_in(known).status_code == 429


def test_stops_guessing_at_the_admins_login(ada: User, throttled: None) -> None:
    User.objects.create_superuser("staff", password=PASSWORD)
    browser = Client()
    fields = {"username": "staff", "password": "wrong"}
    for number in range(limits.LOGINS_OF_ACCOUNT.number):
        browser.defaults["REMOTE_ADDR"] = f"192.0.2.{number}"
        assert browser.post("/admin/login/?next=/admin/", fields).status_code == 200

    refused = browser.post("/admin/login/?next=/admin/", {**fields, "password": PASSWORD})

    assert refused.status_code == 429
    page = Page(refused.content.decode())
    assert page.links["Back to the form"] == "/admin/login/?next=/admin/"
    assert PASSWORD not in page.html


@pytest.mark.parametrize("path", ["/register", "/password", "/find"])
def test_fills_no_mailbox(browser: Client, throttled: None, path: str) -> None:
    for number in range(limits.LETTERS_TO_MAILBOX.number):
        browser.defaults["REMOTE_ADDR"] = f"192.0.2.{number}"
        assert ask(browser, path, "Ada@example.org").status_code == 302

    response = ask(browser, path)

    assert response.status_code == 429
    assert f'value="{ADDRESS}"' in response.content.decode()
    assert collection("letters").count_documents({}) == limits.LETTERS_TO_MAILBOX.number
    assert ask(browser, path, "other@example.org").status_code == 302


def test_sends_one_address_only_so_many_letters(browser: Client, throttled: None) -> None:
    for number in range(limits.LETTERS_OF_REMOTE_ADDRESS.number):
        ask(browser, "/register", f"nobody{number}@example.org")

    assert ask(browser, "/password").status_code == 429


# --- Forms ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("path", "names"),
    [
        ("/login", {"username": "username", "password": "current-password"}),
        ("/register", {"email": "email"}),
        ("/password", {"email": "email"}),
        ("/find", {"email": "email"}),
        ("/register/finish", {"name": "name", "new_password1": "new-password"}),
        ("/password/new", {"new_password1": "new-password", "new_password2": "new-password"}),
    ],
)
def test_labels_every_field_and_says_what_belongs_there(
    browser: Client, path: str, names: dict[str, str]
) -> None:
    if path == "/register/finish":
        follow(browser, link_for(browser, "/register"))
    if path == "/password/new":
        accounts.make_account(address=ADDRESS, name="Ada", password=PASSWORD)
        follow(browser, link_for(browser, "/password"))

    fresh = browser.get(path).content.decode()
    wrong = browser.post(path, {}).content.decode()

    for name, autocomplete in names.items():
        (field,) = re.findall(rf'<input [^>]*name="{name}"[^>]*>', fresh)
        assert f'autocomplete="{autocomplete}"' in field
        assert f'<label for="id_{name}">' in fresh
        (field,) = re.findall(rf'<input [^>]*name="{name}"[^>]*>', wrong)
        described = re.search(r'aria-describedby="([^"]*)"', field)
        assert described is not None
        assert f"id_{name}_error" in described[1]
        assert set(described[1].split()) <= set(Page(wrong).ids)


@pytest.mark.parametrize(
    "path",
    ["/login", "/logout", "/register", "/password", "/find", "/register/finish", "/password/new"],
)
def test_takes_no_form_from_another_site(database: None, path: str) -> None:
    assert Client(enforce_csrf_checks=True).post(path, {"email": ADDRESS}).status_code == 403


def test_keeps_the_cookies_to_itself(browser: Client, ada: User) -> None:
    log_in(browser)

    for name in ("sessionid", "known"):
        cookie = browser.cookies[name]
        assert cookie["httponly"]
        assert cookie["samesite"] == "Lax"
    assert ADDRESS not in str(browser.cookies)


def test_keeps_a_digest_that_only_the_site_can_make(ada: User, settings: Any) -> None:
    def known() -> str:
        browser = Client()
        assert log_in(browser).status_code == 302
        return browser.cookies["known"].value.split(":")[0]

    before = known(), known()
    settings.SECRET_KEY = "another key, of as many characters as a key should have"

    assert before[0] == before[1]
    assert known() != before[0]


@pytest.mark.parametrize("path", ["/register", "/password"])
def test_gives_a_letters_token_to_its_page_alone(browser: Client, path: str) -> None:
    if path == "/password":
        accounts.make_account(address=ADDRESS, name="Ada", password=PASSWORD)

    page = follow(browser, link_for(browser, path))

    cookie = browser.cookies["letter"]
    assert (cookie["path"], cookie["httponly"], cookie["samesite"]) == (page, True, "Lax")
    assert not Session.objects.exists()
    browser.post(page, {"name": "Ada", **NEW})
    assert browser.cookies["letter"].value == ""
