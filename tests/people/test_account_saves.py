"""An account that was read is saved after another person deleted or changed it."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor, as_completed
from itertools import islice
from threading import Event
from typing import Any
from urllib.parse import urlencode

import pytest
from django.contrib import admin
from django.contrib.auth.models import User
from django.core import mail
from django.db import DatabaseError
from django.db.models.signals import pre_save
from django.test import Client

from bookings.domain import account_deletion
from bookings.infrastructure import clock
from bookings.models import VerifiedAddress
from bookings.people import account_letters, accounts, erasure
from bookings.people.accounts import AccountDeleted
from bookings.refusals import TryAgain
from bookingsite import passwords
from tests.admin.test_stale_forms import fill, page_of
from tests.pages import Page

Patch = pytest.MonkeyPatch

pytestmark = [pytest.mark.mongo, pytest.mark.usefixtures("database")]

ADDRESS = "ada@example.org"
FORM = "application/x-www-form-urlencoded"
OLD, NEW, OTHER = "old pass phrase", "a long new passphrase", "another long passphrase"


@pytest.fixture
def ada() -> User:
    return User.objects.create_user(ADDRESS, ADDRESS, OLD, first_name="Ada Lovelace")


@pytest.fixture
def desk() -> Client:
    desk = Client()
    desk.force_login(User.objects.create_superuser("desk"))
    return desk


def erase(_: User) -> None:
    erasure.erase_guest(ADDRESS)


def deactivate(user: User) -> None:
    User.objects.filter(pk=user.pk).update(is_active=False)


def move(user: User) -> None:
    """Staff take the account off a mailbox that a stranger reads."""
    User.objects.filter(pk=user.pk).update(email="lovelace@example.org")


def log_in(user: User) -> None:
    """This ends a letter's link, as another password does."""
    User.objects.filter(pk=user.pk).update(last_login=clock.now())


def choose_another(user: User) -> None:
    """The same letter, in another tab."""
    again = User.objects.get(pk=user.pk)
    again.set_password(OTHER)
    again.save()


def once_hashed(patch: Patch, act: Callable[[], Any]) -> None:
    """Has this happen once, while the next password is hashed, which takes time."""
    hash_it = User.set_password

    def set_password(user: User, raw_password: str | None) -> None:
        hash_it(user, raw_password)
        patch.setattr(User, "set_password", hash_it)
        act()

    patch.setattr(User, "set_password", set_password)


def once_judged(act: Callable[[], Any]) -> Callable[..., None]:
    """Has this happen once, after all the looks and before the write; keep the result alive."""

    def meanwhile(**_: Any) -> None:
        pre_save.disconnect(meanwhile, sender=User)
        act()

    pre_save.connect(meanwhile, sender=User)
    return meanwhile


def reset(browser: Client, patch: Patch, meanwhile: Callable[[], Any]) -> Any:
    """Chooses a new password by a letter's link, and has something happen while it is hashed."""
    browser.post("/password", {"email": ADDRESS})
    account_letters.send_letters()
    link = re.findall(r"https?://[^/\s]+(/password/\S+)", mail.outbox[-1].body)[-1]
    page = browser.get(link, follow=True).request["PATH_INFO"]
    once_hashed(patch, meanwhile)
    return browser.post(page, {"new_password1": NEW, "new_password2": NEW})


# --- By a letter -------------------------------------------------------------------------------


@pytest.mark.parametrize("meanwhile", [erase, deactivate, move, log_in, choose_another])
def test_ends_a_letter_whose_account_is_another_by_the_time_its_password_is_written(
    ada: User, monkeypatch: Patch, meanwhile: Callable[[User], None]
) -> None:
    browser = Client()

    answer = reset(browser, monkeypatch, lambda: meanwhile(ada))

    assert answer.status_code == 410
    assert "_auth_user_id" not in browser.session
    assert not VerifiedAddress.objects.exists()
    left = User.objects.filter(pk=ada.pk).first()
    assert left is None or not left.check_password(NEW)
    assert (left is None) == (meanwhile is erase)
    assert left is None or left.is_active == (meanwhile is not deactivate)


def test_chooses_no_password_for_an_account_that_is_being_deleted(
    ada: User, monkeypatch: Patch
) -> None:
    """The account is closed but still there; a login would only be refused."""
    answer = reset(Client(), monkeypatch, lambda: accounts.close_account(ada))

    assert answer.status_code == 410
    assert User.objects.get().check_password(OLD)


# --- At a log-in -------------------------------------------------------------------------------


@pytest.fixture
def _another_hasher(ada: User, settings: Any) -> None:
    """Makes logins hash earlier passwords once more."""
    settings.PASSWORD_HASHERS = ["bookingsite.passwords.PasswordHasher", *settings.PASSWORD_HASHERS]


def log_in_with(password: str) -> Client:
    browser = Client()
    browser.post("/login", {"username": ADDRESS, "password": password})
    return browser


def is_logged_in(browser: Client) -> bool:
    """Whether its session is still valid: its next request comes from a person, not a guest."""
    return browser.get("/bookings").wsgi_request.user.is_authenticated


@pytest.mark.usefixtures("_another_hasher")
def test_hashes_a_password_once_more_at_its_log_in(ada: User) -> None:
    browser = log_in_with(OLD)

    (stored,) = User.objects.filter(pk=ada.pk).values_list("password", flat=True)
    assert stored.startswith("argon2$argon2id$v=19$m=19456,t=2,p=1$")
    assert is_logged_in(browser)
    assert is_logged_in(log_in_with(OLD))


@pytest.mark.parametrize("meanwhile", [erase, choose_another])
@pytest.mark.usefixtures("_another_hasher")
def test_brings_no_password_back_that_was_changed_during_a_log_in(
    ada: User, monkeypatch: Patch, meanwhile: Callable[[User], None]
) -> None:
    once_hashed(monkeypatch, lambda: meanwhile(ada))

    browser = log_in_with(OLD)

    assert "_auth_user_id" not in browser.session
    left = User.objects.filter(pk=ada.pk).first()
    assert left is None or left.check_password(OTHER)
    assert (left is None) == (meanwhile is erase)


@pytest.mark.usefixtures("_another_hasher")
def test_keeps_a_password_that_was_changed_after_the_hash_was_made(ada: User) -> None:
    kept = once_judged(lambda: choose_another(User.objects.get(pk=ada.pk)))

    browser = log_in_with(OLD)

    assert kept
    assert User.objects.get(pk=ada.pk).check_password(OTHER)
    # The password was right when it was judged, and is no longer valid.
    assert not is_logged_in(browser)


@pytest.mark.usefixtures("_another_hasher")
def test_lets_two_in_who_log_in_at_once(ada: User, monkeypatch: Patch) -> None:
    """A double click: the first to finish changes the hash by which the other was judged."""
    quicker: list[Client] = []
    once_hashed(monkeypatch, lambda: quicker.append(log_in_with(OLD)))

    slower = log_in_with(OLD)

    assert [is_logged_in(browser) for browser in (*quicker, slower)] == [True, True]


@pytest.mark.usefixtures("_another_hasher")
def test_saves_the_password_that_is_stored_after_it_was_judged(
    ada: User, monkeypatch: Patch
) -> None:
    """An account that was judged by its password is saved for another reason afterwards."""
    judged = User.objects.get(pk=ada.pk)
    assert judged.check_password(OLD)
    choose_another(ada)

    judged.last_name = "Lovelace"
    judged.save()

    ada.refresh_from_db()
    assert (ada.last_name, ada.check_password(OTHER)) == ("Lovelace", True)


@pytest.mark.parametrize("path", ["/login", "/admin/login/"])
@pytest.mark.usefixtures("_another_hasher")
def test_says_to_try_again_when_too_many_log_in(ada: User, monkeypatch: Patch, path: str) -> None:
    monkeypatch.setattr(passwords, "WAIT_S", 0.01)
    release, has_begun = Event(), Event()
    passwords._hashing.submit(lambda: (has_begun.set(), release.wait(30)))
    assert has_begun.wait(30)
    browser = Client(raise_request_exception=False)
    try:
        answer = browser.post(path, {"username": "nobody@example.org", "password": OLD})
    finally:
        release.set()

    assert (answer.status_code, answer["Retry-After"]) == (503, "2")
    assert "Please try again" in answer.content.decode()


@pytest.fixture
def held() -> Iterator[Event]:
    """Keeps the hashing thread busy until the event is set."""
    release, has_begun = Event(), Event()
    passwords._hashing.submit(lambda: (has_begun.set(), release.wait(60)))
    assert has_begun.wait(30)
    yield release
    release.set()


@pytest.mark.usefixtures("_another_hasher")
def test_leaves_threads_to_others_while_many_log_in(held: Event, monkeypatch: Patch) -> None:
    """Four log-ins at once, as many as a process has threads, and a booking's page behind them."""
    monkeypatch.setattr(passwords, "WAIT_S", 60)

    def ask(method: str, path: str) -> int:
        sent = {"username": "nobody@example.org", "password": OLD} if method == "POST" else {}
        browser = Client(raise_request_exception=False)
        return browser.generic(method, path, urlencode(sent), FORM).status_code

    with ThreadPoolExecutor(4) as threads:
        try:
            log_ins = [threads.submit(ask, "POST", "/login") for _ in range(4)]
            sent_away = [done.result() for done in islice(as_completed(log_ins, 20), 2)]
            others = [threads.submit(ask, "GET", path).result(20) for path in ("/", "/api/health")]
        finally:
            held.set()
        answers = sorted(log_in.result(50) for log_in in log_ins)

    assert (sent_away, others) == ([503, 503], [200, 200])
    assert answers == [400, 400, 503, 503]


@pytest.mark.usefixtures("_another_hasher")
def test_lets_in_whose_hash_could_not_be_replaced_for_a_crowd(
    ada: User, monkeypatch: Patch
) -> None:
    def have_no_turn(*_: Any) -> None:
        raise TryAgain

    monkeypatch.setattr(User, "set_password", have_no_turn)

    browser = log_in_with(OLD)

    assert is_logged_in(browser)
    (stored,) = User.objects.filter(pk=ada.pk).values_list("password", flat=True)
    assert stored == ada.password


# --- In the admin ------------------------------------------------------------------------------


def while_saved(patch: Patch, act: Callable[[], Any]) -> None:
    """Has this happen once, after the admin's form was judged and before it is written."""
    account_admin: Any = type(admin.site.get_model_admin(User))
    save = account_admin.save_model

    def save_model(*arguments: Any) -> None:
        patch.setattr(account_admin, "save_model", save)
        act()
        save(*arguments)

    patch.setattr(account_admin, "save_model", save_model)


@pytest.mark.parametrize(
    ("meanwhile", "sentence"),
    [
        (erase, "Perhaps it was deleted?"),
        (deactivate, "These differ: Last name, Active."),
        (move, "These differ: Last name, Email address."),
    ],
)
def test_saves_no_form_of_an_account_that_changed_since_it_was_judged(
    ada: User, desk: Client, monkeypatch: Patch, meanwhile: Callable[[User], None], sentence: str
) -> None:
    sent = fill(desk, page_of(ada))
    these = User.objects.filter(pk=ada.pk).values()
    before: list[Any] = []

    def change() -> None:
        meanwhile(ada)
        before.extend(these.all())

    while_saved(monkeypatch, change)

    answer = desk.post(page_of(ada), {**sent, "last_name": "L"}, follow=True)

    assert sentence in Page(answer.content.decode()).text
    assert list(these.all()) == before


def test_keeps_a_password_that_was_chosen_since_the_form_was_judged(
    ada: User, desk: Client, monkeypatch: Patch
) -> None:
    """The form does not show it, so it is judged again and saved."""
    sent = fill(desk, page_of(ada))
    while_saved(monkeypatch, lambda: choose_another(ada))

    desk.post(page_of(ada), {**sent, "last_name": "L"})

    ada.refresh_from_db()
    assert (ada.last_name, ada.check_password(OTHER)) == ("L", True)


def test_says_so_if_a_form_is_overtaken_twice(ada: User, desk: Client, monkeypatch: Patch) -> None:
    def once_more() -> None:
        choose_another(ada)
        while_saved(monkeypatch, lambda: choose_another(ada))

    sent = fill(desk, page_of(ada))
    while_saved(monkeypatch, once_more)

    answer = desk.post(page_of(ada), {**sent, "last_name": "L"}, follow=True)

    assert "Someone else changed this while you were saving" in answer.content.decode()
    ada.refresh_from_db()
    assert ada.last_name == ""


@pytest.mark.parametrize("meanwhile", [erase, deactivate])
def test_writes_the_password_alone_on_the_page_for_it(
    ada: User, desk: Client, monkeypatch: Patch, meanwhile: Callable[[User], None]
) -> None:
    once_hashed(monkeypatch, lambda: meanwhile(ada))
    page = f"/admin/auth/user/{ada.pk}/password/"
    sent = {"password1": NEW, "password2": NEW, "usable_password": "true", "set-password": "1"}

    answer = desk.post(page, sent, follow=True)

    left = User.objects.filter(pk=ada.pk).first()
    if meanwhile is erase:
        assert left is None
        assert "This account was deleted meanwhile" in answer.content.decode()
    else:
        assert left is not None
        assert (left.is_active, left.check_password(NEW)) == (False, True)


def test_forgets_what_was_verified_when_the_form_has_another_address(
    ada: User, desk: Client
) -> None:
    accounts.verify_address(user=ada, address=ADDRESS)

    desk.post(page_of(ada), {**fill(desk, page_of(ada)), "email": "Lovelace@Example.org"})

    assert User.objects.get(pk=ada.pk).email == "lovelace@example.org"
    assert not VerifiedAddress.objects.exists()


# --- Other ways to save ------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("fields", "refusal"),
    [(None, AccountDeleted), (["password"], DatabaseError), (["last_login"], DatabaseError)],
)
def test_saves_no_account_that_was_deleted_since_it_was_read(
    ada: User, fields: list[str] | None, refusal: type[Exception]
) -> None:
    stale = User.objects.get(pk=ada.pk)
    erase(ada)

    with pytest.raises(refusal):
        stale.save(update_fields=fields)

    assert not User.objects.exists()


def test_looks_before_it_saves(ada: User, monkeypatch: Patch) -> None:
    """An erased account does not come back, not even for a moment, unless erased in that moment."""
    stale = User.objects.get(pk=ada.pk)
    erase(ada)
    saved: list[str] = []
    monkeypatch.setattr(account_deletion, "is_closed", lambda person: not saved.append(person))

    with pytest.raises(AccountDeleted):
        stale.save()

    assert saved == []


def test_takes_out_what_came_back_since_it_was_deleted_after_the_look(ada: User) -> None:
    stale = User.objects.get(pk=ada.pk)
    kept = once_judged(lambda: erase(ada))

    with pytest.raises(AccountDeleted):
        stale.save()

    assert kept
    assert not User.objects.exists()


def test_keeps_what_others_changed_and_it_did_not() -> None:
    ada = User.objects.create_user("ada", ADDRESS, OLD, is_staff=True, first_name="Ada")
    stale = User.objects.get(pk=ada.pk)
    User.objects.filter(pk=ada.pk).update(is_active=False, is_staff=False, first_name="A.")

    stale.set_password(NEW)
    stale.last_name = "Lovelace"
    stale.save()

    ada.refresh_from_db()
    assert (ada.is_active, ada.is_staff, ada.first_name) == (False, False, "A.")
    assert (ada.last_name, ada.check_password(NEW)) == ("Lovelace", True)
