"""Two-factor login of staff, with the codes that an app would show."""

from __future__ import annotations

import base64
import re
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from io import StringIO
from typing import Any

import pytest
from cryptography.hazmat.primitives.hashes import SHA1
from cryptography.hazmat.primitives.twofactor.totp import TOTP
from django.contrib.admin.models import LogEntry
from django.contrib.auth.models import User
from django.core.management import CommandError, call_command
from django.test import Client
from pytest_django import Settings

from bookings.admin.second_factor import PROVED
from bookings.infrastructure import clock, connections
from bookings.people import second_factor
from bookings.refusals import Throttled

pytestmark = pytest.mark.mongo

ASK, DEVICE, ADMIN = "/admin/second-factor/", "/admin/second-factor/device/", "/admin/"
LOGIN = {"username": "ada", "password": "a long secret"}


@pytest.fixture
def ada() -> User:
    return User.objects.create_superuser("ada", password="a long secret")


@pytest.fixture
def browser(ada: User) -> Client:
    return log_in()


def log_in(path: str = "/admin/login/") -> Client:
    client = Client()
    assert client.post(path, LOGIN).status_code == 302
    return client


def secret_of(page: Any) -> str:
    found = re.search(r'id="secret">([A-Z2-7 ]+)<', page.content.decode())
    assert found, "the page shows a key to type"
    return found[1].replace(" ", "")


def code_at(secret: str, *, steps: int = 1) -> str:
    """Returns the code that an app shows this many half minutes from now.

    The next one is good already, stays good if the half minute ends meanwhile, and was not used by
    a device that was set up just now.
    """
    now_s = clock.now().timestamp() + steps * 30
    return TOTP(base64.b32decode(secret), 6, SHA1(), 30).generate(now_s).decode()


def set_up(browser: Client) -> tuple[str, list[str]]:
    """Sets up a device with the current code; returns its secret, and recovery codes."""
    secret = secret_of(browser.get(DEVICE))
    page = browser.post(DEVICE, {"code": code_at(secret, steps=0)})
    return secret, re.findall(r"<li><code>([^<]+)</code>", page.content.decode())


def is_let_in(browser: Client) -> bool:
    return browser.get(ADMIN).status_code == 200


def test_sets_up_a_device_with_a_code_of_it(browser: Client, ada: User) -> None:
    page = browser.get(DEVICE)
    secret = secret_of(page)

    done = browser.post(DEVICE, {"code": code_at(secret)})

    assert "<svg" in page.content.decode()
    assert f"otpauth://totp/Bookingsite:ada?digits=6&amp;secret={secret}" in page.content.decode()
    assert len(re.findall(r"<li><code>[a-z2-7 ]{19}</code>", done.content.decode())) == 10
    assert is_let_in(browser)
    assert LogEntry.objects.get().change_message == "Set up two-factor login."


def test_shows_the_same_key_until_it_is_confirmed(browser: Client) -> None:
    first = secret_of(browser.get(DEVICE))
    wrong = browser.post(DEVICE, {"code": "000000" if code_at(first) != "000000" else "111111"})

    assert secret_of(wrong) == first == secret_of(browser.get(DEVICE))
    assert is_let_in(log_in())


def test_keeps_the_key_sealed_and_recovery_codes_as_digests(browser: Client) -> None:
    secret, codes = set_up(browser)

    stored = str(connections.collection("second_factors").find_one())

    assert secret not in stored
    assert not any(code in stored or code.replace(" ", "") in stored for code in codes)


@pytest.mark.parametrize("path", ["/admin/login/", "/login"])
def test_asks_for_a_code_wherever_the_log_in_was(browser: Client, path: str) -> None:
    secret, _ = set_up(browser)
    other = log_in(path)

    led_to = other.get("/admin/bookings/hotel/?q=a")["Location"]
    refused = other.post("/admin/bookings/hotel/add/", {})["Location"]
    entered = other.post(led_to, {"code": code_at(secret), "next": "/admin/bookings/hotel/?q=a"})

    assert led_to == f"{ASK}?next=%2Fadmin%2Fbookings%2Fhotel%2F%3Fq%3Da"
    assert refused == ASK
    assert entered["Location"] == "/admin/bookings/hotel/?q=a"
    assert is_let_in(other)


def test_asks_after_a_log_in_by_a_letters_link_too(browser: Client, ada: User) -> None:
    set_up(browser)
    other = Client()

    other.force_login(ada)

    assert other.get(ADMIN)["Location"].startswith(ASK)
    assert other.get("/admin/desk/today/")["Location"].startswith(ASK)
    assert other.get(DEVICE)["Location"].startswith(ASK)
    assert other.post(DEVICE, {"code": "1", "remove": "1"})["Location"] == ASK
    assert other.post("/admin/logout/").status_code in (200, 302)


@pytest.mark.parametrize("target", ["https://evil.example/", "//evil.example/", "javascript:1"])
def test_leads_nowhere_else_after_the_code(browser: Client, target: str) -> None:
    secret, _ = set_up(browser)

    entered = log_in().post(ASK, {"code": code_at(secret), "next": target})

    assert entered["Location"] == ADMIN


def test_takes_a_code_once(browser: Client) -> None:
    secret, _ = set_up(browser)
    code = code_at(secret)

    first, second = log_in(), log_in()
    first.post(ASK, {"code": f"{code[:3]} {code[3:]}"})
    again = second.post(ASK, {"code": code})

    assert is_let_in(first)
    assert again.status_code == 200
    assert b"wrong or was used before" in again.content
    assert not is_let_in(second)


def test_takes_no_code_from_before_one_that_was_taken(browser: Client) -> None:
    secret, _ = set_up(browser)
    connections.collection("second_factors").update_one({}, {"$set": {"last_step": 0}})
    log_in().post(ASK, {"code": code_at(secret)})

    other = log_in()
    other.post(ASK, {"code": code_at(secret, steps=0)})

    assert not is_let_in(other)


@pytest.mark.parametrize("steps", [-3, 3])
def test_takes_no_code_of_another_time(browser: Client, steps: int) -> None:
    secret, _ = set_up(browser)

    other = log_in()
    other.post(ASK, {"code": code_at(secret, steps=steps)})

    assert not is_let_in(other)


@pytest.mark.parametrize("kind", ["app", "recovery"])
def test_takes_a_code_once_when_many_requests_bring_it_together(
    browser: Client, ada: User, kind: str
) -> None:
    secret, codes = set_up(browser)
    code = code_at(secret) if kind == "app" else codes[0]

    with ThreadPoolExecutor(8) as pool:
        taken = list(pool.map(lambda _: second_factor.prove(ada.pk, code), range(16)))

    assert sum(device is not None for device in taken) == 1


def test_takes_each_recovery_code_once_however_it_is_typed(browser: Client, ada: User) -> None:
    _, codes = set_up(browser)

    typed = codes[3].upper().replace(" ", "-")
    first, second = log_in(), log_in()
    first.post(ASK, {"code": typed})
    second.post(ASK, {"code": codes[3]})

    assert is_let_in(first)
    assert not is_let_in(second)
    factor = second_factor.find_factor(ada.pk)
    assert factor is not None
    assert factor.recovery_left == 9


def test_takes_no_code_of_another_person(browser: Client) -> None:
    secret, codes = set_up(browser)
    bob = User.objects.create_superuser("bob")
    other = Client()
    other.force_login(bob)
    set_up(other)
    again = Client()
    again.force_login(bob)

    for code in (code_at(secret), codes[0]):
        again.post(ASK, {"code": code})

    assert not is_let_in(again)


def test_gives_each_session_a_secret_of_its_own(browser: Client, ada: User) -> None:
    """Otherwise a stranger with the password would know the owner's device as well."""
    thief = Client()
    thief.force_login(ada)
    stolen = secret_of(thief.get(DEVICE))

    secret, _ = set_up(browser)
    thief.post(ASK, {"code": code_at(stolen)})

    assert secret != stolen
    assert not is_let_in(thief)


def test_limits_guesses_also_from_many_sessions(
    browser: Client, ada: User, settings: Settings
) -> None:
    secret, _ = set_up(browser)
    settings.API_THROTTLE = "on"
    sessions = [Client() for _ in range(6)]
    for session in sessions:
        session.force_login(ada)

    answers = [session.post(ASK, {"code": "123456"}) for session in sessions]
    right = sessions[0].post(ASK, {"code": code_at(secret)})

    assert [answer.status_code for answer in answers] == [200] * 5 + [429]
    assert right.status_code == 429
    assert b"Wait " in right.content
    with pytest.raises(Throttled):
        second_factor.confirm_set_up(ada.pk, second_factor.new_secret(), "123456")


def test_lets_staff_without_a_device_in_unless_the_operator_wants_one(
    browser: Client, settings: Settings
) -> None:
    was_let_in = is_let_in(browser)

    settings.STAFF_SECOND_FACTOR = "required"
    led_to = browser.get(ADMIN)["Location"]
    set_up(browser)

    assert was_let_in
    assert led_to.startswith(DEVICE)
    assert is_let_in(browser)


def test_leaves_customers_and_strangers_to_the_admins_log_in(settings: Settings) -> None:
    settings.STAFF_SECOND_FACTOR = "required"
    customer = Client()
    customer.force_login(User.objects.create_user("customer"))

    for someone in (Client(), customer):
        assert someone.get(ADMIN)["Location"].startswith("/admin/login/")
        assert someone.get(DEVICE)["Location"].startswith("/admin/login/")
    assert customer.get("/bookings").status_code == 200


def test_wants_a_new_code_to_take_the_device_away_or_make_recovery_codes(
    browser: Client, ada: User
) -> None:
    secret, codes = set_up(browser)

    browser.post(DEVICE, {"code": "wrong", "remove": "1"})
    kept = second_factor.find_factor(ada.pk)
    page = browser.post(DEVICE, {"code": codes[0]})
    new = re.findall(r"<li><code>([^<]+)</code>", page.content.decode())
    old_one = second_factor.prove(ada.pk, codes[1])
    gone = browser.post(DEVICE, {"code": code_at(secret), "remove": "1"})

    assert kept is not None
    assert len(new) == 10
    assert old_one is None
    assert gone["Location"] == ADMIN
    assert second_factor.find_factor(ada.pk) is None
    assert is_let_in(log_in())


def test_asks_again_after_another_device_was_set_up(browser: Client) -> None:
    set_up(browser)
    call_command("reset_second_factor", "ada", stdout=StringIO())
    other = log_in()
    set_up(other)

    assert browser.session[PROVED]
    assert not is_let_in(browser)
    assert is_let_in(other)


def test_is_reset_by_a_command(browser: Client) -> None:
    set_up(browser)
    said = StringIO()

    for _ in range(2):
        call_command("reset_second_factor", "ada", stdout=said)

    assert said.getvalue().splitlines() == [
        "ada logs in by password until they set up a device again.",
        "ada has no device set up; nothing was changed.",
    ]
    assert is_let_in(log_in())
    with pytest.raises(CommandError, match="There is no user bob"):
        call_command("reset_second_factor", "bob")


def test_is_forgotten_with_the_account(browser: Client, ada: User) -> None:
    set_up(browser)

    ada.delete()

    assert connections.collection("second_factors").count_documents({}) == 0


def test_goes_on_through_a_rotation_of_the_sites_secret_key(
    browser: Client, settings: Settings
) -> None:
    secret, codes = set_up(browser)
    old_key = settings.SECRET_KEY
    settings.SECRET_KEY, settings.SECRET_KEY_FALLBACKS = "new " * 20, [old_key]
    first = log_in()
    first.post(ASK, {"code": code_at(secret)})
    settings.SECRET_KEY_FALLBACKS = []
    second = log_in()
    second.post(ASK, {"code": codes[0]})
    connections.collection("second_factors").update_one({}, {"$set": {"last_step": 0}})
    third = log_in()
    third.post(ASK, {"code": code_at(secret, steps=0)})

    assert is_let_in(second)
    assert is_let_in(third)


def test_says_so_when_the_sites_secret_key_was_replaced(
    browser: Client, settings: Settings
) -> None:
    secret, codes = set_up(browser)
    settings.SECRET_KEY = "another " * 20
    other = log_in()

    page = other.post(ASK, {"code": code_at(secret)})
    other.post(ASK, {"code": codes[0]})

    assert b"use a recovery code" in page.content
    assert is_let_in(other)


def test_changes_the_sessions_key_when_a_code_was_taken(browser: Client) -> None:
    secret, _ = set_up(browser)
    other = log_in()
    before = other.session.session_key

    other.post(ASK, {"code": code_at(secret)})

    assert other.session.session_key != before


def test_counts_twelve_hours_from_the_log_in_not_from_the_code(browser: Client) -> None:
    from bookingsite.staff import LOGGED_IN_AT, SESSION_LIFE

    secret, _ = set_up(browser)
    other = log_in()
    session = other.session
    session[LOGGED_IN_AT] -= (SESSION_LIFE - timedelta(minutes=1)).total_seconds()
    session.save()
    other.post(ASK, {"code": code_at(secret)})
    session = other.session
    session[LOGGED_IN_AT] -= 60
    session.save()

    assert other.get(ADMIN)["Location"].startswith("/admin/login/")
