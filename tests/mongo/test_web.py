"""The customer's page: one form, one key, one booking, and a sentence for everything."""

from __future__ import annotations

import re
from html import unescape
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.test import Client

from bookings import connections, services
from bookings.callers import Caller
from bookings.errors import (
    AlreadyBooked,
    HoldExpired,
    IdempotencyInProgress,
    PriceChanged,
    Refusal,
    ResourceLocked,
    Throttled,
    TryAgain,
)
from bookings.web.messages import SENTENCES
from tests.conftest import night
from tests.mongo.conftest import book, stored

ROOM = "room_A"


@pytest.fixture
def ada() -> Client:
    """A browser in which Ada is logged in."""
    return browser_of("ada")


def browser_of(name: str) -> Client:
    browser = Client(enforce_csrf_checks=False)
    browser.force_login(User.objects.create_user(name, password="correct horse"))  # noqa: S106
    return browser


def form_of(browser: Client, room: str = ROOM, date: str | None = None) -> dict[str, str]:
    """What pressing Book next to the room would send."""
    page = browser.get("/", {"date": date or night()}).content.decode()
    for form in re.findall(r'<form method="post" action="/book">.*?</form>', page, re.DOTALL):
        fields = dict(re.findall(r'name="(\w+)" value="([^"]*)"', form))
        if fields["room"] == room:
            return {name: unescape(value) for name, value in fields.items()}
    raise AssertionError(f"{room} has no form on the page")


def press(browser: Client, form: dict[str, str]) -> str:
    """Sends the form and follows to the page that is shown."""
    return unescape(browser.post("/book", form, follow=True).content.decode())


def message_on(page: str) -> str:
    """The newest message."""
    return (re.findall(r'<p class="message[^"]*">(.*?)</p>', page, re.DOTALL) or [""])[-1]


def test_shows_free_rooms_to_everybody_and_asks_to_log_in() -> None:
    book("taken", resourceId="room_B")

    page = Client().get("/", {"date": night()}).content.decode()

    assert "Room A" in page
    assert "Room B" not in page
    assert "EUR\N{NO-BREAK SPACE}120.00" in page
    assert "Log in to book" in page
    assert 'action="/book"' not in page


def test_books_a_room_and_shows_it(ada: Client) -> None:
    page = press(ada, form_of(ada))

    assert len(stored()) == 1
    assert stored()[0]["reference"] in page
    assert "Room A is booked for you" in message_on(page)
    assert stored()[0]["price"]["total"] == 12_000


def test_books_once_when_the_form_is_sent_twice(ada: Client) -> None:
    form = form_of(ada)

    first, second = press(ada, form), press(ada, form)

    assert len(stored()) == 1
    assert message_on(first) == message_on(second)


def test_books_once_from_two_tabs(ada: Client) -> None:
    first_tab, second_tab = form_of(ada), form_of(ada)

    press(ada, first_tab)
    page = press(ada, second_tab)

    assert len(stored()) == 1
    assert "Room A is booked for you" in message_on(page)


def test_books_anew_after_a_cancellation(ada: Client) -> None:
    press(ada, form_of(ada))
    ada.post(f"/bookings/{stored()[0]['_id']}/cancel")

    page = press(ada, form_of(ada))

    assert [booking["status"] for booking in stored()] == ["cancelled", "confirmed"]
    assert "Room A is booked for you" in message_on(page)


def test_says_that_an_old_form_was_cancelled_since(ada: Client) -> None:
    old = form_of(ada)
    press(ada, old)
    ada.post(f"/bookings/{stored()[0]['_id']}/cancel")

    page = press(ada, old)

    assert len(stored()) == 1
    assert "has been cancelled since" in message_on(page)


def test_takes_a_key_from_another_form_for_none_at_all(ada: Client) -> None:
    press(ada, form_of(ada))
    stolen = form_of(ada, "room_B")["key"]

    press(ada, {**form_of(ada, "room_C"), "key": stolen})
    press(ada, {**form_of(ada, "room_D"), "key": "made-up"})

    assert sorted(booking["rooms"][0]["room"] for booking in stored()) == [
        "room_A",
        "room_C",
        "room_D",
    ]
    digests = {booking["keys"][0]["digest"] for booking in stored()}
    assert len(digests) == 3


def test_takes_no_key_from_another_person(ada: Client) -> None:
    form = form_of(ada)
    press(ada, form)

    page = press(browser_of("bob"), form)

    assert len(stored()) == 1
    assert "already taken" in message_on(page)


def test_gives_a_new_key_after_a_definite_refusal(ada: Client) -> None:
    form = form_of(ada)
    rival = book("rival")
    refused = press(ada, form)
    services.cancel_booking(
        actor=Caller("client", "partner"),
        booking_id=rival.content["booking"]["id"],
        key_header=None,
        deadline=services.Deadline.after(10),
    )

    page = press(ada, form_of(ada))

    assert "already taken" in message_on(refused)
    assert "Room A is booked for you" in message_on(page)


def test_asks_again_when_the_price_has_changed(ada: Client) -> None:
    form = form_of(ada)
    categories = connections.database()["room_categories"]
    categories.update_one({"_id": "demo_double"}, {"$set": {"default_price": 15_050}})
    try:
        page = press(ada, form)
    finally:
        categories.update_one({"_id": "demo_double"}, {"$set": {"default_price": 12_000}})

    assert stored() == []
    assert "price has changed" in message_on(page)
    assert "EUR\N{NO-BREAK SPACE}150.50" in page


def test_filters_and_cancels_ones_own_bookings(ada: Client) -> None:
    press(ada, form_of(ada))
    press(ada, form_of(ada, "room_B"))
    booking = stored()[0]

    cancelled = ada.post(f"/bookings/{booking['_id']}/cancel", {"status": "confirmed"}, follow=True)
    page = cancelled.content.decode()

    assert f"Your booking {booking['reference']} is cancelled" in message_on(page)
    listed = page.split('id="bookings-heading"')[1]
    assert stored()[1]["reference"] in listed
    assert booking["reference"] not in listed


def test_hides_other_peoples_bookings(ada: Client) -> None:
    press(ada, form_of(ada))
    bob = browser_of("bob")

    refused = bob.post(f"/bookings/{stored()[0]['_id']}/cancel")

    assert refused.status_code == 404
    assert stored()[0]["status"] == "confirmed"
    assert stored()[0]["reference"] not in bob.get("/").content.decode()


def test_sends_a_stranger_to_the_login_and_back(ada: Client) -> None:
    form = form_of(ada)

    answer = Client().post("/book", form)

    assert answer.status_code == 302
    assert answer["Location"].startswith("/login?next=")
    assert stored() == []


def test_refuses_a_form_from_another_site(ada: Client) -> None:
    form = form_of(ada)
    strict = Client(enforce_csrf_checks=True)
    strict.force_login(User.objects.get(username="ada"))

    answer = strict.post("/book", form)

    assert answer.status_code == 403
    assert "Open the page again" in answer.content.decode()
    assert stored() == []


@pytest.mark.parametrize(
    "query",
    [
        {"date": "2031-02-29"},
        {"date": "tomorrow"},
        {"date": "2031-02-01\x00"},
        {"date": "2020-01-01"},
        {"date": "9999-12-31"},
        {"status": "open"},
        {"cursor": "x"},
        {"after": "room A"},
    ],
)
def test_answers_a_wrong_address_with_a_page_that_says_so(
    ada: Client, query: dict[str, str]
) -> None:
    answer = ada.get("/", query)

    assert answer.status_code == 400
    assert 'class="error"' in answer.content.decode()


@pytest.mark.parametrize(
    "form",
    [
        {},
        {"room": "room_Z", "date": "2031-01-01", "total": "1", "key": "k"},
        {"room": ROOM, "date": "2031-02-29", "total": "x", "key": "é"},
        {"room": "\x00", "date": "\x00", "total": "9" * 400, "key": "\x00"},
    ],
)
def test_books_nothing_for_a_forged_form(ada: Client, form: dict[str, str]) -> None:
    page = press(ada, form)

    assert stored() == []
    assert message_on(page)


def every_code() -> list[str]:
    return [refusal.code for refusal in Refusal.__subclasses__()]


def test_has_a_sentence_for_every_code() -> None:
    assert set(every_code()) <= set(SENTENCES)


def test_has_different_words_for_what_needs_a_different_next_step() -> None:
    kinds = (
        ResourceLocked,
        AlreadyBooked,
        HoldExpired,
        PriceChanged,
        Throttled,
        TryAgain,
        IdempotencyInProgress,
    )

    assert len({SENTENCES[kind.code] for kind in kinds}) == len(kinds)


@pytest.mark.parametrize("kind", Refusal.__subclasses__())
def test_shows_the_sentence_of_every_refusal(
    ada: Client, kind: type[Refusal], monkeypatch: pytest.MonkeyPatch
) -> None:
    form = form_of(ada)

    def refuse(**_: Any) -> None:
        raise kind([("guests", "Too many.")]) if kind.code == "VALIDATION_ERROR" else kind()

    monkeypatch.setattr(services, "create_booking", refuse)

    page = press(ada, form)

    assert SENTENCES[kind.code] in message_on(page)
