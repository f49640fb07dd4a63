"""A program's request passes by what only browsers need, and has the same headers."""

from __future__ import annotations

from typing import Any

import pytest
from django.contrib.auth.middleware import AuthenticationMiddleware
from django.contrib.auth.models import User
from django.contrib.messages.middleware import MessageMiddleware
from django.contrib.sessions.middleware import SessionMiddleware
from django.test import Client

from tests.site_fixtures import issue_token

pytestmark = pytest.mark.mongo

SAFETY = (
    *("Content-Security-Policy", "Permissions-Policy", "X-Frame-Options"),
    *("X-Content-Type-Options", "Referrer-Policy", "Cross-Origin-Opener-Policy"),
)


@pytest.fixture
def token(database: None) -> str:
    return issue_token("partner")


def bearer(token: str, keyword: str = "Bearer") -> dict[str, str]:
    return {"Authorization": f"{keyword} {token}"}


@pytest.fixture
def visitor(client: Client, database: None) -> Client:
    client.force_login(User.objects.create_user("ada"))
    return client


def test_opens_no_session_for_a_token(
    visitor: Client, token: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: Any) -> None:
        raise AssertionError("a program has no session")

    for middleware in (SessionMiddleware, AuthenticationMiddleware, MessageMiddleware):
        monkeypatch.setattr(middleware, "process_request", fail)

    assert visitor.get("/api/bookings", headers=bearer(token)).status_code == 200


def test_lets_no_session_speak_for_a_wrong_token(visitor: Client) -> None:
    answers = [
        visitor.get("/api/bookings", headers=bearer("wrong")),
        visitor.get("/api/bookings", headers=bearer("", keyword="bearer")),
    ]

    assert [answer.status_code for answer in answers] == [401, 401]


@pytest.mark.parametrize("header", [{}, bearer("any", keyword="Basic")])
def test_knows_who_is_logged_in_without_a_token(visitor: Client, header: dict[str, str]) -> None:
    assert visitor.get("/api/bookings", headers=header).status_code == 200


def test_knows_who_is_logged_in_on_a_page_whatever_token_is_sent(
    visitor: Client, token: str
) -> None:
    page = visitor.get("/bookings", headers=bearer(token))

    assert "Log out" in page.content.decode()


def test_gives_a_program_the_headers_of_a_page(visitor: Client, token: str) -> None:
    page = visitor.get("/")
    answer = visitor.get("/api/bookings", headers=bearer(token))

    for name in SAFETY:
        assert answer[name] == page[name]
    assert answer["Cache-Control"] == "no-store"


def test_leaves_a_view_its_own_policy(client: Client) -> None:
    assert "img-src 'self' data:" in client.get("/api/docs")["Content-Security-Policy"]
    assert "data:" not in client.get("/")["Content-Security-Policy"]
