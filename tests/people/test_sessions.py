"""Ending all sessions of one person."""

from __future__ import annotations

import pytest
from django.contrib.auth.models import User
from django.test import Client

from bookings.infrastructure.connections import collection
from bookings.people import sessions

pytestmark = pytest.mark.mongo

SECRET = "a long secret"


def person(name: str, *, is_staff: bool = True) -> User:
    return User.objects.create_user(name, password=SECRET, is_staff=is_staff)


def log_in(name: str) -> Client:
    client = Client()
    assert client.post("/login", {"username": name, "password": SECRET}).status_code == 302
    return client


def is_in(client: Client) -> bool:
    user: User = client.get("/bookings").context["user"]
    return user.is_authenticated


@pytest.mark.parametrize("is_staff", [True, False])
def test_ends_every_session_of_one_person_and_none_of_others(is_staff: bool) -> None:
    ada = person("ada", is_staff=is_staff)
    person("bob", is_staff=is_staff)
    of_ada, of_bob = [log_in("ada"), log_in("ada")], log_in("bob")
    assert all(map(is_in, [*of_ada, of_bob]))

    sessions.end_sessions(ada.pk)

    assert [is_in(client) for client in (*of_ada, of_bob)] == [False, False, True]


def test_lets_the_person_log_in_again_and_ends_that_session_next_time() -> None:
    ada = person("ada")
    sessions.end_sessions(ada.pk)

    again = log_in("ada")
    assert is_in(again)
    assert is_in(again)

    sessions.end_sessions(ada.pk)
    assert not is_in(again)


def test_keeps_the_digest_of_those_whose_sessions_were_never_ended() -> None:
    """So an update logs no one out, and both releases know the sessions."""
    ada = person("ada")

    assert ada.get_session_auth_hash() == sessions._of_password(ada)


def test_knows_sessions_from_before_the_secret_key_was_replaced(
    settings: pytest.FixtureRequest,
) -> None:
    ada = person("ada")
    sessions.end_sessions(ada.pk)
    before = log_in("ada")

    settings.SECRET_KEY_FALLBACKS = [settings.SECRET_KEY]  # type: ignore[attr-defined]
    settings.SECRET_KEY = "another"  # type: ignore[attr-defined]

    # Its cookie is random, so only the digest in the session depends on the key.
    assert ada.get_session_auth_hash() not in [before.session["_auth_user_hash"]]
    assert before.session["_auth_user_hash"] in list(ada.get_session_auth_fallback_hash())


def test_ends_the_session_of_a_request_that_stores_its_digest_meanwhile() -> None:
    """A change of one's own password stores the digest again."""
    ada = person("ada")
    under_way = User.objects.get(pk=ada.pk)
    under_way.get_session_auth_hash()

    sessions.end_sessions(ada.pk)

    assert under_way.get_session_auth_hash() != User.objects.get(pk=ada.pk).get_session_auth_hash()


def test_forgets_the_stamp_with_the_account() -> None:
    ada = person("ada")
    sessions.end_sessions(ada.pk)

    ada.delete()

    assert collection("session_stamps").find_one() is None
