"""`manage.py setup` makes the first administrator, and says where to set up a hotel."""

from __future__ import annotations

from io import StringIO
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.core.management import CommandError, call_command
from django.test import Client

pytestmark = [pytest.mark.mongo, pytest.mark.usefixtures("database")]


def setup(*arguments: str) -> str:
    out = StringIO()
    call_command("setup", *arguments, stdout=out)
    return out.getvalue()


def link_in(text: str) -> str:
    """The path of the link with which to choose a password."""
    (link,) = [word for word in text.split() if "/password/" in word]
    return link[link.index("/password/") :]


def choose_password(link: str) -> Any:
    browser = Client()
    browser.get(link, follow=True)
    password = "a long one to keep"  # noqa: S105 a test's own
    return browser, browser.post(
        "/password/new", {"new_password1": password, "new_password2": password}
    )


def test_makes_the_first_administrator_who_chooses_a_password_once() -> None:
    text = setup("--email", "Owner@Hotel.example")

    assert "Choose the password of owner@hotel.example" in text
    assert "/admin/setup/" in text
    owner = User.objects.get()
    assert (owner.username, owner.is_staff, owner.is_superuser) == (
        "owner@hotel.example",
        True,
        True,
    )
    assert not owner.has_usable_password()
    browser, entered = choose_password(link_in(text))
    assert entered.url == "/admin/"
    assert browser.get("/admin/setup/new/").status_code == 200
    assert Client().get(link_in(text), follow=True).status_code == 410


def test_gives_another_link_until_the_password_is_chosen() -> None:
    first = link_in(setup("--email", "owner@hotel.example"))

    again = setup()

    assert User.objects.count() == 1
    choose_password(link_in(again))
    assert Client().get(first, follow=True).status_code == 410
    assert "/password/" not in setup()
    assert "Log in and set up your hotel" in setup()


def test_only_says_where_to_go_if_there_is_an_administrator() -> None:
    User.objects.create_superuser("admin", "admin@hotel.example", "secret")

    text = setup("--email", "other@hotel.example")

    assert User.objects.count() == 1
    assert "Log in and set up your hotel" in text
    assert "/password/" not in text


@pytest.mark.parametrize(
    ("typed", "sentence"),
    [
        ("", "Give the address of the first administrator"),
        ("owner", "Enter an e-mail address such as"),
        ("guest@hotel.example", "There is an account for guest@hotel.example already"),
    ],
)
def test_says_what_is_missing(typed: str, sentence: str, monkeypatch: pytest.MonkeyPatch) -> None:
    User.objects.create_user("guest", "guest@hotel.example", "secret")
    monkeypatch.setattr("sys.stdin", StringIO())

    with pytest.raises(CommandError, match=sentence):
        setup("--email", typed)

    assert not User.objects.filter(is_superuser=True).exists()
