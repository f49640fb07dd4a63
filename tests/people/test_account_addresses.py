"""An account is found by its own address, and by nothing that only looks like it."""

from __future__ import annotations

import importlib
import inspect
import io
import re
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import django_mongodb_backend.operations
import pytest
from django.apps import apps
from django.contrib import admin
from django.contrib.auth.models import Group, User
from django.core import mail
from django.core.exceptions import ValidationError
from django.core.management import CommandError, call_command
from django.db import IntegrityError, connection
from django.test import Client

from bookings.domain.callers import caller_of_guest
from bookings.domain.email_addresses import (
    as_people_write,
    mentions,
    normalise_address,
    spellings_of,
)
from bookings.indexes import make_account_indexes
from bookings.infrastructure.connections import collection
from bookings.infrastructure.connections import database as site_database
from bookings.models import ApiClient, VerifiedAddress
from bookings.operations import doctor
from bookings.people import account_letters, accounts, adoption, erasure
from bookings.people.accounts import AddressTaken
from bookings.people.roles import MANAGER
from tests.calls import book, stored

pytestmark = pytest.mark.mongo

PASSWORD = "correct horse battery"
BOSS = "boss@hotel.example"

# A mail server accepts each of these addresses, and as a regular expression each matches the
# boss's.
ATTACKS = [
    "boss|x@evil.example", "x|boss@hotel.example", "b.ss@hotel.example", "bos+@hotel.example",
    "bos*@hotel.example", "boss?@hotel.example", "boss$|x@evil.example", "bo{1}ss@hotel.example",
    "^boss@hotel.example",
]  # fmt: skip

# Signs with a meaning in a regular expression.
SIGNS = r".|$^*+?(){}[]\-"


@pytest.fixture(autouse=True)
def use_database(database: None) -> None:
    """Gives every test here an empty database."""


@pytest.fixture
def boss() -> User:
    return User.objects.create_superuser("boss", BOSS, PASSWORD)


@pytest.fixture
def without_index() -> Any:
    """Accounts as an earlier release kept them: in any spelling, and two may share one address."""
    users = site_database()["auth_user"]
    users.drop_index("one_account_per_address")
    yield users
    users.delete_many({})
    make_account_indexes(site_database())


def ask(path: str, address: str) -> None:
    assert Client().post(path, {"email": address}).status_code == 302
    account_letters.send_letters()


def migrate() -> None:
    migration = importlib.import_module("bookings.migrations.0012_account_addresses")
    with connection.schema_editor() as editor:
        migration.normalise(apps, editor)


# --- Letters --------------------------------------------------------------------------------


@pytest.mark.parametrize("typed", ATTACKS)
@pytest.mark.parametrize("path", ["/password", "/register"])
def test_sends_nothing_about_an_account_to_an_address_that_only_fits_it(
    boss: User, path: str, typed: str
) -> None:
    ask(path, typed)

    (letter,) = mail.outbox
    assert letter.subject in ("There’s no account for this address", "Your account: one more step")
    assert letter.to == [typed]


def test_sends_what_it_says_of_an_account_to_the_address_in_it(boss: User) -> None:
    ask("/password", " Boss@HOTEL.example ")

    assert mail.outbox[0].subject == "Your new password"
    assert mail.outbox[0].to == [BOSS]


def test_gives_no_account_to_whose_mailbox_has_its_name() -> None:
    """Staff did not rename the account when its owner got another address."""
    user = User.objects.create_user("old@hotel.example", "old@hotel.example", PASSWORD)
    accounts.verify_address(user=user, address="old@hotel.example")
    user.email = "new@hotel.example"
    user.save()

    ask("/password", "old@hotel.example")
    other = accounts.make_account(address="old@hotel.example", name="Another", password=PASSWORD)

    assert mail.outbox[0].subject == "There’s no account for this address"
    assert other is not None
    assert accounts.name_of("old@hotel.example") == other.get_username()
    assert accounts.name_of("new@hotel.example") == "old@hotel.example"
    assert Client().login(username=accounts.name_of("old@hotel.example"), password=PASSWORD)


def test_ends_the_links_to_an_address_that_the_account_has_no_more(boss: User) -> None:
    ask("/password", BOSS)
    (link,) = re.findall(r"(/\S+/\S+)$", mail.outbox[0].body, re.M)
    boss.email = "chief@hotel.example"
    boss.save()

    assert Client().get(link).status_code == 410


def test_lets_two_register_whose_addresses_fit_each_other() -> None:
    first = accounts.make_account(address="annaxlee@ex.example", name="X", password=PASSWORD)
    second = accounts.make_account(address="anna.lee@ex.example", name="Y", password=PASSWORD)

    assert first is not None
    assert second is not None
    assert accounts.find_account("anna.lee@ex.example") == second


# --- Every way of writing an address ----------------------------------------------------------


@pytest.mark.parametrize(
    "write",
    [
        lambda typed: User.objects.create_user("ada", typed),
        lambda typed: User(username="ada", email=typed).save(),
        lambda typed: call_command(
            "createsuperuser", interactive=False, username="ada", email=typed, verbosity=0
        ),
    ],
    ids=["manager", "save", "createsuperuser"],
)
def test_keeps_one_spelling_however_an_address_is_written(write: Any) -> None:
    write("Ada@BÜCHER.example")

    assert User.objects.get().email == "ada@xn--bcher-kva.example"
    with pytest.raises(ValidationError):
        User.objects.create_user("ben", "ada@bücher.EXAMPLE")
    with pytest.raises(ValidationError):
        User.objects.create_user("ben", "ada@localhost")


def test_gives_an_address_to_one_of_two_who_want_it_at_once() -> None:
    def take(name: str) -> bool:
        try:
            User.objects.create_user(name, "ada@example.org")
        except (IntegrityError, AddressTaken):
            return False
        finally:
            connection.close()
        return True

    with ThreadPoolExecutor(4) as pool:
        taken = list(pool.map(take, ["a", "b", "c", "d"]))

    assert sum(taken) == 1


def test_lets_the_index_decide_where_the_look_before_saw_nothing(
    boss: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(accounts, "judge_address", lambda typed, **_: typed)

    with pytest.raises(IntegrityError):
        User.objects.create_user("rival", BOSS)


def test_says_in_the_admin_that_an_address_is_taken_or_none(boss: User) -> None:
    browser = Client()
    browser.force_login(boss)
    new = {"username": "ada", "usable_password": "true", "password1": PASSWORD,
           "password2": PASSWORD}  # fmt: skip

    taken = browser.post("/admin/auth/user/add/", {**new, "email": "BOSS@hotel.example"})
    bad = browser.post("/admin/auth/user/add/", {**new, "email": "ada@localhost"})
    good = browser.post("/admin/auth/user/add/", {**new, "email": "Ada@Example.org"})

    assert "Another account has this address" in taken.content.decode()
    assert "Enter an e-mail address such as" in bad.content.decode()
    assert good.status_code == 302
    assert User.objects.get(username="ada").email == "ada@example.org"


def test_keeps_what_was_typed_long_ago_and_is_no_address(without_index: Any, boss: User) -> None:
    without_index.update_one({"_id": boss.pk}, {"$set": {"email": "boss@localhost"}})
    boss.refresh_from_db()

    boss.first_name = "Bea"
    boss.save()

    assert User.objects.get().first_name == "Bea"


# --- Verified addresses -----------------------------------------------------------------------


def test_forgets_that_an_address_was_verified_when_the_account_gets_another() -> None:
    user = accounts.make_account(address="ada@example.org", name="Ada", password=PASSWORD)
    assert user is not None
    book("1", caller=caller_of_guest("a"), guest={"email": "ada@example.org"})

    user.email = "ada@example.com"
    user.save()

    assert not VerifiedAddress.objects.exists()
    assert adoption.gather_bookings(user=user, guest=None) == 0
    assert stored()[0]["owner"] == "guest:a"


def test_lets_who_has_an_address_now_verify_it_whose_ever_it_was(boss: User) -> None:
    VerifiedAddress.objects.create(
        address="ada@example.org", user=boss, verified_at=boss.date_joined
    )

    user = accounts.make_account(address="ada@example.org", name="Ada", password=PASSWORD)

    assert user is not None
    assert accounts.is_verified(user)
    assert not accounts.is_verified(boss)


def test_gives_back_no_address_that_staff_changed_while_a_password_was_hashed(boss: User) -> None:
    """Staff take an account off a mailbox that a stranger reads."""
    resetting = User.objects.get(pk=boss.pk)
    boss.email = "chief@hotel.example"
    boss.save()

    resetting.set_password(PASSWORD)
    resetting.save()

    boss.refresh_from_db()
    assert boss.email == "chief@hotel.example"
    assert boss.check_password(PASSWORD)
    assert not accounts.verify_address(user=resetting, address=BOSS)


def test_keeps_what_was_verified_when_a_change_of_address_fails(
    boss: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    accounts.verify_address(user=boss, address=BOSS)
    User.objects.create_user("ada", "ada@example.org")
    monkeypatch.setattr(accounts, "judge_address", lambda typed, **_: typed)
    boss.email = "ada@example.org"

    with pytest.raises(IntegrityError):
        boss.save()

    assert accounts.is_verified(User.objects.get(pk=boss.pk))


# --- Erasing ----------------------------------------------------------------------------------


def test_erases_nobody_whose_address_only_fits() -> None:
    User.objects.create_user("annaxlee@ex.example", "annaxlee@ex.example")
    bold = User.objects.create_user("Anna.Lee@ex.example", "anna.lee@ex.example")
    VerifiedAddress.objects.create(
        address="anna.lee@ex.example", user=bold, verified_at=bold.date_joined
    )

    traces = erasure.erase_guest("anna.lee@EX.example")

    assert traces.accounts == 1
    assert [user.email for user in User.objects.all()] == ["annaxlee@ex.example"]
    assert not VerifiedAddress.objects.exists()


def test_erases_no_account_by_an_address_that_was_verified_for_it_once() -> None:
    """A person who had taken an account over would have left it in this state."""
    boss = User.objects.create_user("boss", BOSS)
    VerifiedAddress.objects.create(
        address="boss|x@evil.example", user=boss, verified_at=boss.date_joined
    )

    assert erasure.erase_guest("boss|x@evil.example").accounts == 0
    assert User.objects.count() == 1
    assert not VerifiedAddress.objects.exists()


@pytest.mark.parametrize(
    ("text", "is_said"),
    [
        ("ann@ex.example", True), ("Wrote to ANN@ex.example.", True), ('"ann@ex.example"', True),
        ("<ann@ex.example>,", True), ("joann@ex.example", False), ("o.ann@ex.example", False),
        ("ann@ex.example.org", False), ("ann@ex.examples", False), ("annxex.example", False),
    ],
)  # fmt: skip
def test_finds_an_address_in_a_text_as_a_whole(text: str, is_said: bool) -> None:
    assert mentions(text, ["ann@ex.example"]) is is_said


# --- Spelling ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "typed",
    ["\u212aate@example.org", "m\u00fcller@example.org", "a" * 65 + "@example.org",
     "ada@localhost", "ada@example", "ada@[127.0.0.1]x", "ada", '"a\x01"@example.org'],
)  # fmt: skip
def test_takes_for_no_address_what_no_letter_reaches_or_another_one_would(typed: str) -> None:
    with pytest.raises(ValidationError):
        normalise_address(typed)


@pytest.mark.parametrize(
    "typed", ["ada+hotel@example.org", "a.d.a@example.org", "a" * 64 + "@example.org"]
)
def test_removes_nothing_from_an_address(typed: str) -> None:
    assert normalise_address(typed) == typed


def test_erases_also_what_is_not_taken_any_more() -> None:
    assert "ada@localhost" in spellings_of("ada@localhost")
    assert spellings_of("a" * 65 + "@example.org")
    assert as_people_write("ada@xn--bcher-kva.example") == "ada@bücher.example"


# --- Regular expressions ----------------------------------------------------------------------


@pytest.mark.parametrize(
    "lookup",
    ["iexact", "exact", "contains", "icontains", "startswith", "istartswith", "endswith",
     "iendswith"],
)  # fmt: skip
def test_finds_by_no_look_up_what_only_fits_it(lookup: str) -> None:
    User.objects.create_user("plain")
    for sign in SIGNS:
        User.objects.create_user(f"a{sign}b")

    for sign in SIGNS:
        wanted = f"a{sign}b"
        found = User.objects.filter(**{f"username__{lookup}": wanted})
        assert [user.username for user in found] == [wanted]
    for pattern in ("a.b.*", "(plain)", "plain|x", "^plain", "[p]lain", ".*"):
        assert not User.objects.filter(**{f"username__{lookup}": pattern}).exists()


def test_corrects_the_backend_only_while_it_needs_it() -> None:
    """If this fails, the backend does it itself: remove it from bookingsite/database/base.py."""
    source = inspect.getsource(django_mongodb_backend.operations)

    assert "def prep_for_like_query" in source
    assert "prep_for_iexact_query" not in source


@pytest.mark.parametrize(
    "asked",
    ["{}__regex=(a%2B)%2B$", "{}__iregex=(a%2B)%2B$", "{}__startswith=a", "{}__contains=a",
     "{}__gt=a", "{}__in=a,b", "{}__iexact=a", "{}__search=a"],
)  # fmt: skip
def test_lets_no_address_of_a_list_ask_more_than_its_filters_do(boss: User, asked: str) -> None:
    ApiClient.objects.create(name="aaaa")
    manager = User.objects.create_user("manager", is_staff=True)
    manager.groups.set(Group.objects.filter(name=MANAGER))
    lists = 0
    for model, model_admin in admin.site._registry.items():
        field = model._meta.pk.name if model is not User else "username"
        names = [field, *(one.name for one in model._meta.fields if one.get_internal_type()
                          in ("CharField", "EmailField", "TextField"))]  # fmt: skip
        for name in dict.fromkeys(names):
            lookup, _, value = asked.format(name).partition("=")
            assert not model_admin.lookup_allowed(lookup, value, None), (model, lookup)
            lists += 1
    assert lists > 20

    browser = Client()
    browser.force_login(manager)
    assert browser.get(f"/admin/auth/user/?{asked.format('username')}").status_code == 400
    assert browser.get(f"/admin/bookings/apiclient/?{asked.format('name')}").status_code == 400
    assert browser.get(f"/admin/bookings/hotel/?{asked.format('name')}").status_code == 400


def test_filters_the_lists_as_before(boss: User) -> None:
    browser = Client()
    browser.force_login(boss)

    for path in (
        "auth/user/?is_staff__exact=1&is_active__exact=1&q=boss",
        "bookings/roomcategory/?hotel__id__exact=demo&sell_by_default__exact=1",
        "bookings/room/?is_sold__exact=1&category__hotel__id__exact=demo",
        "bookings/apiclient/?is_active__exact=1",
        "bookings/webhookendpoint/?state=failing",
        "bookings/night/?hotel=demo&first=2027-01-01&last=2027-02-01",
        "bookings/bookingrecord/?status=pending&hotel=demo&q=x",
        "bookings/deliveryrecord/?state=failed",
        "bookings/nightsjob/?state__exact=done",
    ):
        assert browser.get(f"/admin/{path}").status_code == 200, path


# --- The migration ----------------------------------------------------------------------------


def test_brings_every_account_to_one_spelling(without_index: Any) -> None:
    for name, email in (
        ("ada", "Ada@Example.ORG"), ("staff", ""), ("ben@example.org", ""),
        ("cleo@example.org", "cleo@example.com"), ("odd", "odd@localhost"),
    ):  # fmt: skip
        without_index.insert_one({"username": name, "email": email})

    migrate()
    migrate()

    found = {user["username"]: user["email"] for user in without_index.find()}
    assert found == {
        "ada": "ada@example.org", "staff": "", "ben@example.org": "ben@example.org",
        "cleo@example.org": "cleo@example.com", "odd": "odd@localhost",
    }  # fmt: skip
    assert "one_account_per_address" in without_index.index_information()


def test_names_accounts_that_have_one_address_and_changes_nothing(without_index: Any) -> None:
    without_index.insert_many(
        [
            {"username": "ada", "email": "Ada@Example.org"},
            {"username": "lovelace", "email": "ada@EXAMPLE.org"},
            {"username": "ben", "email": "Ben@example.org"},
        ]
    )

    with pytest.raises(CommandError, match=r"ada@example\.org of ada, lovelace\. Give each"):
        migrate()

    assert without_index.find_one({"username": "ben"})["email"] == "Ben@example.org"
    assert "one_account_per_address" not in without_index.index_information()


def test_leaves_an_address_to_the_account_that_has_it_not_to_one_called_so(
    without_index: Any,
) -> None:
    without_index.insert_many(
        [
            {"username": "ada@example.org", "email": ""},
            {"username": "ada", "email": "ada@example.org"},
        ]
    )

    migrate()

    assert [user["email"] for user in without_index.find()] == ["", "ada@example.org"]


# --- The doctor -------------------------------------------------------------------------------


def examine() -> Any:
    return dict(doctor.examine_data(site_database().name))["accounts"]


def test_finds_nothing_wrong_with_accounts_that_are_right(boss: User) -> None:
    accounts.verify_address(user=boss, address=BOSS)

    assert examine().level == "ok"
    assert "1 account with an address" in examine().text


def test_finds_addresses_that_drifted(without_index: Any, boss: User) -> None:
    first = without_index.insert_one({"username": "ada", "email": "Ada@Example.org"}).inserted_id
    second = without_index.insert_one({"username": "b", "email": "ada@example.org"}).inserted_id
    VerifiedAddress.objects.create(
        address="boss|x@evil.example", user=boss, verified_at=boss.date_joined
    )

    found = examine()

    assert found.level == "FAIL"
    assert f"accounts {first} and {second} share one address" in found.text
    assert f"the address of account {first} is not in the site's spelling" in found.text
    assert f"an address that is not its own was verified for account {boss.pk}" in found.text
    assert "one_account_per_address is missing" in found.text
    assert "ample.org" not in found.text


def test_finds_an_account_whose_deletion_was_cut_short(boss: User) -> None:
    other = User.objects.create_user("other")
    accounts.close_account(other)

    found = examine()

    assert found.level == "FAIL"
    assert f"the deletion of account {other.pk} did not finish" in found.text
    other.delete()
    assert examine().level == "ok"


def test_finds_accounts_called_like_anothers_address(boss: User) -> None:
    named = User.objects.create_user(BOSS)

    found = examine()

    assert found.level == "warn"
    assert f"the name of account {named.pk} is the address of account {boss.pk}" in found.text


def test_finds_an_account_by_the_index(boss: User) -> None:
    query = User.objects.filter(email=BOSS)

    plan = str(query.explain())

    assert "one_account_per_address" in plan
    assert "COLLSCAN" not in plan


def test_writes_no_address_into_the_log_of_the_command(boss: User) -> None:
    out = io.StringIO()
    call_command("erase_guest", "boss|x@hotel.example", stdout=out)

    assert out.getvalue() == "Nothing is known of this address.\n"
    assert collection("auth_user").count_documents({}) == 1
