"""Staff log in again every twelve hours, whatever they did meanwhile; guests stay logged in."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.conf import settings
from django.contrib.auth.models import User
from django.contrib.sessions.models import Session
from django.test import Client, RequestFactory

from bookings.infrastructure import clock
from bookings.refusals import PayloadTooLarge, TryAgain
from bookingsite.bodies import received_body
from bookingsite.body_limits import DEFAULT
from bookingsite.staff import LOGGED_IN_AT, SESSION_LIFE

pytestmark = pytest.mark.mongo

DESK = "/admin/"
MINE = "/bookings"


def log_in(client: Client, *, is_staff: bool) -> User:
    user = User.objects.create_user("ada", password="a long secret", is_staff=is_staff)
    user.is_superuser = is_staff
    user.save()
    answer = client.post("/login", {"username": "ada", "password": "a long secret"})
    assert answer.status_code == 302
    return user


def let_pass(client: Client, time: timedelta) -> None:
    session = client.session
    session[LOGGED_IN_AT] -= time.total_seconds()
    session.save()


def is_logged_in(client: Client) -> bool:
    return client.get(MINE).context["user"].is_authenticated


def test_ends_the_session_of_staff_twelve_hours_after_log_in(client: Client) -> None:
    log_in(client, is_staff=True)
    let_pass(client, SESSION_LIFE - timedelta(minutes=1))
    was_open = client.get(DESK, follow=True).status_code == 200

    let_pass(client, timedelta(minutes=1))

    assert was_open
    assert timedelta(hours=12) == SESSION_LIFE
    assert client.get(DESK)["Location"].startswith("/admin/login/")
    assert not is_logged_in(client)
    assert Session.objects.count() == 0


def test_takes_no_large_body_once_the_session_is_over(client: Client) -> None:
    """The body is judged before any middleware has looked at the session."""
    log_in(client, is_staff=True)
    session_name = settings.SESSION_COOKIE_NAME
    ask = RequestFactory()
    ask.cookies[session_name] = client.cookies[session_name].value
    path = "/admin/bookings/nightsfile/"
    large = {"file": "x" * 2 * DEFAULT.max_bytes}

    with received_body(ask.post(path, large)) as while_open:
        let_pass(client, SESSION_LIFE)

    assert while_open is None
    with received_body(ask.post(path, large)) as once_over:
        assert isinstance(once_over, PayloadTooLarge)


def test_takes_one_large_body_at_a_time(client: Client) -> None:
    """Each takes a hundred MB until it is answered; small ones come and go meanwhile."""
    log_in(client, is_staff=True)
    session_name = settings.SESSION_COOKIE_NAME
    ask = RequestFactory()
    ask.cookies[session_name] = client.cookies[session_name].value
    path = "/admin/bookings/nightsfile/"
    large, small = ({"file": "x" * number * DEFAULT.max_bytes} for number in (2, 0))

    with received_body(ask.post(path, large)) as first:
        with received_body(ask.post(path, large)) as second:
            pass
        with received_body(ask.post(path, small)) as beside:
            pass
    with received_body(ask.post(path, large)) as afterwards:
        pass

    assert (first, beside, afterwards) == (None, None, None)
    assert isinstance(second, TryAgain)


def test_lets_a_small_logo_take_its_turn(client: Client) -> None:
    """It may have millions of pixels. A stranger's form takes no turn, since nothing is made of
    it."""
    log_in(client, is_staff=True)
    session_name = settings.SESSION_COOKIE_NAME
    small = {"file": "x"}
    stranger, ask = RequestFactory(), RequestFactory()
    ask.cookies[session_name] = client.cookies[session_name].value

    with (
        received_body(stranger.post("/admin/bookings/brand/", small)) as first,
        received_body(ask.post("/admin/bookings/brand/", small)) as second,
        received_body(ask.post("/admin/bookings/brand/", small)) as third,
        received_body(stranger.post("/admin/bookings/brand/", small)) as fourth,
    ):
        pass

    assert (first, second, fourth) == (None, None, None)
    assert isinstance(third, TryAgain)


def test_does_not_let_work_make_it_longer(client: Client) -> None:
    log_in(client, is_staff=True)

    for _ in range(4):
        let_pass(client, SESSION_LIFE / 4)
        session = client.session
        session["something"] = "new"
        session.save()
        client.get(DESK)

    assert not is_logged_in(client)


def test_leaves_guests_logged_in(client: Client) -> None:
    log_in(client, is_staff=False)

    let_pass(client, timedelta(days=13))

    assert is_logged_in(client)


def test_counts_from_the_log_in_also_for_a_guest_who_becomes_staff(client: Client) -> None:
    user = log_in(client, is_staff=False)
    let_pass(client, timedelta(days=1))

    User.objects.filter(pk=user.pk).update(is_staff=True)

    assert not is_logged_in(client)


@pytest.mark.parametrize("begun_at", [None, "yesterday", -1.0, float("nan")])
def test_ends_a_session_of_staff_that_does_not_say_when_it_began(
    client: Client, begun_at: object
) -> None:
    log_in(client, is_staff=True)
    session = client.session
    session[LOGGED_IN_AT] = begun_at
    session.save()

    assert not is_logged_in(client)


def test_begins_again_with_the_next_log_in(client: Client) -> None:
    log_in(client, is_staff=True)
    let_pass(client, SESSION_LIFE)
    client.get(DESK)

    client.post("/login", {"username": "ada", "password": "a long secret"})

    assert is_logged_in(client)
    assert client.session[LOGGED_IN_AT] == pytest.approx(clock.now().timestamp(), abs=60)
