"""Holding on the pages: one hold for a wish, and words for each refusal."""

from __future__ import annotations

from datetime import date
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from django.contrib.auth.models import User
from django.test import Client

from bookings import points
from bookings.domain.callers import caller_of_user
from bookings.infrastructure import connections
from bookings.refusals import Fault, NotFound, Refusal, ValidationFailed
from bookings.stays import create, lifecycle
from bookings.stays.answers import iso
from bookings.web.intents import MAX_SETTLED, Intent, IntentKeys
from bookings.web.messages import HOLD_SENTENCES, NOT_YOURS_ANY_MORE, SENTENCES
from idempotency import keys
from idempotency.claims import Claims
from tests.browsing import (
    ADA,
    ask,
    book,
    booking_path,
    confirm_form,
    hold,
    open_page,
    press,
    stays_path,
    stored,
)
from tests.calls import book as book_by_api
from tests.calls import let_hold_end
from tests.conftest import night
from tests.pages import Page

pytestmark = pytest.mark.mongo


@pytest.fixture
def browser() -> Client:
    """The browser of a person without an account."""
    return Client()


@pytest.fixture
def ada(database: None) -> User:
    return User.objects.create_user(
        "ada", password="correct horse", first_name="Ada", email="ada@example.org"
    )


def digest_of(document: dict[str, Any], key: str) -> str:
    return keys.digest_of(caller=document["caller"], operation="create", target="", key=key)


def fill_up() -> None:
    """Books every double room of the inn for another guest."""
    for room in "ABC":
        book_by_api(f"rival-{room}", resourceId=f"inn_{room}", date=night())


# --- Holding --------------------------------------------------------------------------------


def test_holds_for_a_guest_without_an_account(browser: Client) -> None:
    page = hold(browser)

    (booking,) = stored()
    assert booking["status"] == "pending"
    assert booking["owner"] == booking["caller"]
    assert booking["owner"].startswith("guest:")
    assert booking["user_id"] == booking["owner"].removeprefix("guest:")
    assert "Price per night" in page.text
    assert page.text.replace("\xa0", " ").count("EUR 120.00") == 2
    assert "EUR 240.00" in page.text.replace("\xa0", " ")
    assert iso(booking["expires_at"]) in page.html


def test_prints_the_holds_end_by_the_hotels_clock(browser: Client) -> None:
    page = hold(browser, stays_path(hotel="grand"), category="grand_double")

    (booking,) = stored()
    at_hotel = booking["expires_at"].astimezone(ZoneInfo("America/New_York"))
    assert f"Held for you until {at_hotel:%H:%M} (local time at Grand Hotel)" in page.text


def test_holds_several_rooms_all_or_none(browser: Client, inn: None) -> None:
    page = press(
        browser, open_page(browser, stays_path(hotel="inn", rooms=3)).hold_form("inn_double")
    )

    (booking,) = stored()
    assert len(booking["rooms"]) == 3
    assert "Double, Room A; Double, Room B; Double, Room C" in page.text
    assert "Your rooms are booked" in press(browser, confirm_form(page), **ADA).text


def test_holds_once_however_often_the_form_is_sent(browser: Client) -> None:
    form = open_page(browser, stays_path()).hold_form("demo_double")

    pages = [press(browser, form) for _ in range(3)]

    (booking,) = stored()
    assert all(booking_path(booking) + "/confirm" == confirm_form(page).action for page in pages)


def test_hands_out_one_key_to_a_reloaded_page_and_a_second_tab(browser: Client) -> None:
    first, second = (open_page(browser, stays_path()).hold_form("demo_double") for _ in range(2))

    press(browser, first)
    press(browser, second)

    assert first.fields["key"] == second.fields["key"]
    assert len(stored()) == 1


def test_leads_an_old_form_to_the_booking_it_made(browser: Client) -> None:
    """Back, after the hold was confirmed, and the button once more."""
    form = open_page(browser, stays_path()).hold_form("demo_double")
    press(browser, confirm_form(press(browser, form)), **ADA)

    page = press(browser, form)

    assert len(stored()) == 1
    assert "You’ve already booked this. We didn’t book it twice." in page.status
    assert stored()[0]["reference"] in page.text


def test_books_the_same_once_more_from_a_page_opened_anew(browser: Client) -> None:
    book(browser)

    book(browser)

    assert [booking["status"] for booking in stored()] == ["confirmed", "confirmed"]


@pytest.mark.parametrize("end", ["cancelled", "expired"])
def test_holds_anew_with_a_form_whose_hold_is_over(browser: Client, end: str) -> None:
    form = open_page(browser, stays_path()).hold_form("demo_double")
    page = press(browser, form)
    if end == "cancelled":
        press(browser, page.form_to(f"{booking_path(stored()[0])}/cancel"))
    else:
        let_hold_end()

    pages = [press(browser, form) for _ in range(2)]

    assert all("Your room is held" in page.text for page in pages)
    assert len(stored()) == 2


def test_agrees_on_the_next_key_when_two_requests_lose_each_others_session(
    browser: Client,
) -> None:
    """Both clicks on an old form find that its hold has ended, and neither knows of the other."""
    form = open_page(browser, stays_path()).hold_form("demo_double")
    press(browser, form)
    let_hold_end()
    before = dict(browser.session.items())

    press(browser, form)
    session = browser.session
    session.clear()
    session.update(before)
    session.save()
    press(browser, form)

    assert len(stored()) == 2


@pytest.mark.parametrize("forged", ["forged", "auto:1", "x" * 250, "ключ", 'a"b'])
def test_takes_only_keys_that_it_handed_out(browser: Client, forged: str) -> None:
    form = open_page(browser, stays_path()).hold_form("demo_double")

    press(browser, form, key=forged)

    (booking,) = stored()
    assert booking["keys"][0]["digest"] == digest_of(booking, form.fields["key"])


def test_takes_no_key_of_another_intent(browser: Client) -> None:
    two, one = (
        open_page(browser, stays_path(guests=guests)).hold_form("demo_double") for guests in (2, 1)
    )
    press(browser, two)

    press(browser, one, key=two.fields["key"])

    assert [booking["guests"] for booking in stored()] == [2, 1]


def test_takes_no_key_of_another_browser(browser: Client) -> None:
    theirs = open_page(browser, stays_path()).hold_form("demo_double")
    other = Client()

    press(other, open_page(other, stays_path()).hold_form("demo_double"), key=theirs.fields["key"])

    (booking,) = stored()
    assert booking["keys"][0]["digest"] != digest_of(booking, theirs.fields["key"])


def test_remembers_only_so_many_settled_intents(browser: Client) -> None:
    hold(browser)
    session = browser.session
    session["booking_nonces"] = {f"intent {number}": "nonce" for number in range(MAX_SETTLED)}
    session.save()
    page = open_page(browser, booking_path(stored()[0]))

    press(browser, page.form_to(f"{booking_path(stored()[0])}/cancel"))

    assert len(browser.session["booking_nonces"]) == MAX_SETTLED
    assert "intent 0" not in browser.session["booking_nonces"]


def test_keeps_the_booking_when_the_session_ends_at_that_moment(browser: Client, ada: User) -> None:
    browser.force_login(ada)
    page = hold(browser)

    def log_out_elsewhere(point: str) -> None:
        if point == "after_commit":
            connections.collection("django_session").delete_many({})

    points.install(log_out_elsewhere)
    try:
        response = browser.post(confirm_form(page).action, {**confirm_form(page).fields, **ADA})
    finally:
        points.install(None)

    assert response.status_code == 302
    assert stored()[0]["status"] == "confirmed"


# --- Refusals -------------------------------------------------------------------------------


def test_keeps_the_key_while_the_first_click_is_at_work(browser: Client) -> None:
    form = open_page(browser, stays_path()).hold_form("demo_double")
    guest_id = browser.cookies["guest"].value.split(":")[0]
    digest = keys.digest_of(
        caller=f"guest:{guest_id}", operation="create", target="", key=form.fields["key"]
    )

    with Claims(connections.redis()).claim(digest, recover=lambda _: None):
        page = press(browser, form)
        told = ask(browser, form)

    assert page.status == SENTENCES["IDEMPOTENCY_IN_PROGRESS"]
    assert told.status_code == 409
    assert told.json()["retry"] is True
    assert int(told["Retry-After"]) >= 1
    assert page.hold_form("demo_double").fields["key"] == form.fields["key"]
    assert "Your room is held" in press(browser, page.hold_form("demo_double")).text


def test_keeps_the_key_while_somebody_else_is_at_it(browser: Client, inn: None) -> None:
    path = stays_path(hotel="inn", guests=1)
    form = open_page(browser, path).hold_form("inn_single")
    names = [f"inn|{night(30 + day)}|inn_S" for day in range(2)]
    lock = connections.locks().acquire(names, ttl_ms=5_000)

    page = press(browser, form)
    connections.locks().release(lock)

    assert page.status == SENTENCES["RESOURCE_LOCKED"]
    assert page.hold_form("inn_single").fields["key"] == form.fields["key"]
    assert "Your room is held" in press(browser, page.hold_form("inn_single")).text


def test_says_that_it_is_taken_and_gives_a_new_key(browser: Client, inn: None) -> None:
    form = open_page(browser, stays_path(hotel="inn")).hold_form("inn_double")
    fill_up()

    page = press(browser, form)

    assert page.status == SENTENCES["SOLD_OUT"]
    assert page.holdable == []
    connections.collection("bookings").delete_many({})
    later = open_page(browser, stays_path(hotel="inn")).hold_form("inn_double")
    assert later.fields["key"] != form.fields["key"]
    assert "Your room is held" in press(browser, later).text


def test_shows_the_new_price_before_it_is_paid(browser: Client, dearer: Any) -> None:
    form = open_page(browser, stays_path()).hold_form("demo_double")
    dearer()

    page = press(browser, form)

    assert page.status == SENTENCES["PRICE_CHANGED"]
    assert "EUR 130.50" in page.text.replace("\xa0", " ")
    assert stored() == []
    press(browser, page.hold_form("demo_double"))
    assert stored()[0]["price"]["total"] == 26_100


def test_keeps_the_price_of_a_hold(browser: Client, dearer: Any) -> None:
    page = hold(browser)
    dearer()

    press(browser, confirm_form(page), **ADA)

    assert stored()[0]["price"]["total"] == 24_000


def test_shows_the_holds_of_who_has_too_many(browser: Client) -> None:
    for number in range(5):
        hold(browser, stays_path(night(40 + number), night(41 + number)))

    page = press(browser, open_page(browser, stays_path()).hold_form("demo_double"))

    assert page.status == SENTENCES["TOO_MANY_HOLDS"]
    assert page.text.count("Continue booking") == 5
    assert len(stored()) == 5


@pytest.mark.parametrize(
    "typed",
    [
        {"category": "nowhere"},
        {"category": "a b"},
        {"hotel": "nowhere"},
        {"arrival": "2031-02-29"},
        {"arrival": "2020-01-01", "departure": "2020-01-02"},
        {"departure": ""},
        {"guests": "3"},
        {"rooms": "11"},
        {"total": ""},
        {"total": "-1"},
        {"total": "9" * 5000},
        {"total": "9" * 100},
        {"key": ""},
        {"category": "\x00", "arrival": "\x00", "total": "\x00", "key": "\x00"},
    ],
)
def test_refuses_a_form_that_no_page_showed(browser: Client, typed: dict[str, str]) -> None:
    form = open_page(browser, stays_path()).hold_form("demo_double")

    response = browser.post("/hold", {**form.fields, **typed}, follow=True)

    assert str(HOLD_SENTENCES["VALIDATION_ERROR"]) in Page(response.content.decode()).status
    assert stored() == []


@pytest.mark.parametrize("action", ["create", "confirm", "extend", "cancel"])
def test_shows_every_refusal_in_words_and_keeps_what_was_typed(
    browser: Client, monkeypatch: pytest.MonkeyPatch, action: str
) -> None:
    page = hold(browser, stays_path(guests=1))
    path = booking_path(stored()[0])
    form, to, typed = confirm_form(page), "", {**ADA, "notes": "Late, and with a dog."}
    if action == "create":
        form, typed = open_page(browser, stays_path()).hold_form("demo_double"), {}
    elif action == "cancel":
        form, typed = page.form_to(f"{path}/cancel"), {}
    elif action == "extend":
        to = f"{path}/extend"
    service = {
        "create": (create, "create_booking"),
        "confirm": (lifecycle, "confirm_booking"),
        "extend": (lifecycle, "extend_hold"),
        "cancel": (lifecycle, "cancel_booking"),
    }[action]

    for refusal in (Refusal, *Refusal.__subclasses__()):
        raised = (
            ValidationFailed([Fault("date", "So.")]) if refusal is ValidationFailed else refusal()
        )

        def refuse(raised: Refusal = raised, **_: Any) -> None:
            raise raised

        monkeypatch.setattr(*service, refuse)
        response = browser.post(to or form.action, {**form.fields, **typed}, follow=True)

        if refusal is NotFound:
            assert response.status_code == 404
            continue
        shown = Page(response.content.decode())
        assert shown.status, refusal
        if typed:
            assert response.status_code == refusal.status
            kept = confirm_form(shown).fields
            assert {name: kept[name] for name in typed} == typed
            assert kept["key"] == form.fields["key"]


def test_shows_no_hold_of_somebody_who_is_logged_out(browser: Client, ada: User) -> None:
    """An earlier form is sent again after another person has logged in here."""
    browser.force_login(ada)
    form = open_page(browser, stays_path()).hold_form("demo_double")
    press(browser, form)
    browser.force_login(User.objects.create_user("ben"))

    page = press(browser, form)

    assert [booking["owner"] for booking in stored()] == [
        str(caller_of_user(ada.pk)),
        str(caller_of_user(User.objects.get(username="ben").pk)),
    ]
    assert stored()[0]["reference"] not in page.text


def test_shows_no_hold_that_went_to_an_account(browser: Client, ada: User) -> None:
    """Its guest logged in, and the session ended by itself: the browser is the guest again."""
    form = open_page(browser, stays_path()).hold_form("demo_double")
    press(browser, form)
    connections.collection("bookings").update_one({}, {"$set": {"owner": f"user:{ada.pk}"}})

    page = press(browser, form)

    assert page.status == NOT_YOURS_ANY_MORE
    assert len(stored()) == 1
    assert "Your room is held" in press(browser, page.hold_form("demo_double")).text


# --- People with an account -----------------------------------------------------------------


def test_begins_with_what_the_account_knows(browser: Client, ada: User) -> None:
    browser.force_login(ada)

    page = hold(browser)

    assert confirm_form(page).fields["name"] == "Ada"
    assert confirm_form(page).fields["email"] == "ada@example.org"
    assert stored()[0]["owner"] == str(caller_of_user(ada.pk))


def test_takes_a_guests_form_after_logging_in(browser: Client, ada: User) -> None:
    """The results were open in one tab while the person logged in, in another."""
    form = open_page(browser, stays_path()).hold_form("demo_double")
    guest_id = guest_id_of(browser)
    log_in(browser, ada)

    pages = [press(browser, form) for _ in range(2)]

    (booking,) = stored()
    assert (booking["caller"], booking["owner"]) == (
        f"guest:{guest_id}",
        str(caller_of_user(ada.pk)),
    )
    assert "Your room is booked" in press(browser, confirm_form(pages[0]), **ADA).text


def test_confirms_a_guests_hold_after_logging_in(browser: Client, ada: User) -> None:
    page = hold(browser)
    log_in(browser, ada)

    opened = open_page(browser, booking_path(stored()[0]))
    assert confirm_form(opened).fields["key"] == confirm_form(page).fields["key"]
    assert "Your room is booked" in press(browser, confirm_form(opened), **ADA).text


def log_in(browser: Client, ada: User) -> None:
    """Gives the account what the browser's guest has."""
    answer = browser.post("/login", {"username": ada.username, "password": "correct horse"})
    assert answer.status_code == 302


def guest_id_of(browser: Client) -> str:
    guest_id: str = browser.cookies["guest"].value.split(":")[0]
    return guest_id


def test_holds_again_after_logging_in_what_the_guest_held(
    browser: Client, ada: User, inn: None
) -> None:
    for room in "BC":
        book_by_api(f"rival-{room}", resourceId=f"inn_{room}", checkIn=night(), checkOut=night(32))
    form = open_page(browser, stays_path(hotel="inn")).hold_form("inn_double")
    hold(browser, stays_path(hotel="inn"), category="inn_double")
    log_in(browser, ada)
    # As another session of the account would send it.
    nights = date.fromisoformat(night()), date.fromisoformat(night(32))
    intent = Intent("inn", "inn_double", *nights, guests=2, rooms=1)
    user = caller_of_user(ada.pk)
    key = IntentKeys(browser.session, user, None).current(intent)

    page = press(browser, form, key=key)

    assert "Your room is held" in page.text
    assert "Your room is booked" in press(browser, confirm_form(page), **ADA).text
    assert len([booking for booking in stored() if booking["owner"] == str(user)]) == 1


def test_confirms_on_a_second_device_what_a_guest_held_on_the_first(ada: User, inn: None) -> None:
    """Both browsers were guests when their pages were opened."""
    for room in "BC":
        book_by_api(f"rival-{room}", resourceId=f"inn_{room}", checkIn=night(), checkOut=night(32))
    first, second = Client(), Client()
    form = open_page(second, stays_path(hotel="inn")).hold_form("inn_double")
    hold(first, stays_path(hotel="inn"), category="inn_double")
    log_in(first, ada)
    log_in(second, ada)

    page = press(second, form)

    assert "Your room is held" in page.text
    assert "Your room is booked" in press(second, confirm_form(page), **ADA).text
    assert len([booking for booking in stored() if booking["owner"] == f"user:{ada.pk}"]) == 1


def test_confirms_on_another_device_what_was_held_on_one(ada: User) -> None:
    first, second = Client(), Client()
    first.force_login(ada)
    second.force_login(ada)
    hold(first)

    results = open_page(second, stays_path())
    page = open_page(second, results.links["Continue booking"])

    assert "Your room is booked" in press(second, confirm_form(page), **ADA).text
    assert len(stored()) == 1


def test_confirms_after_logging_out_and_in(browser: Client, ada: User) -> None:
    browser.force_login(ada)
    press(browser, hold(browser).form_to(f"{booking_path(stored()[0])}/cancel"))
    hold(browser)
    browser.logout()
    browser.force_login(ada)

    page = open_page(browser, booking_path(stored()[1]))

    assert "Your room is booked" in press(browser, confirm_form(page), **ADA).text


def test_confirms_a_guests_hold_when_the_session_is_lost(browser: Client) -> None:
    press(browser, hold(browser).form_to(f"{booking_path(stored()[0])}/cancel"))
    hold(browser)
    del browser.cookies["sessionid"]

    page = open_page(browser, booking_path(stored()[1]))

    assert "Your room is booked" in press(browser, confirm_form(page), **ADA).text


def test_says_where_a_hold_of_the_api_is_confirmed(browser: Client, ada: User) -> None:
    browser.force_login(ada)
    book_by_api(caller=caller_of_user(ada.pk), hold=True)

    page = open_page(browser, booking_path(stored()[0]))

    assert "This hold was made in another browser or app." in page.text
    press(browser, page.form_to(f"{booking_path(stored()[0])}/cancel"))
    assert stored()[0]["status"] == "cancelled"
