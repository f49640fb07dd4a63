"""The customer's pages, on the real servers."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.test import Client

from bookings import clock, connections, lifecycle, points, services
from bookings.callers import Caller, caller_of_user
from bookings.clock import Deadline
from bookings.errors import Refusal
from bookings.models import RoomCategory
from bookings.web.messages import CANCELLED_SINCE, SENTENCES
from idempotency import keys
from idempotency.claims import Claims
from tests.conftest import night
from tests.pages import Form, Page

RIVAL = Caller("user", "somebody-else")


@pytest.fixture
def ada(database: None) -> User:
    return User.objects.create_user("ada", password="correct horse")


@pytest.fixture
def browser(ada: User) -> Client:
    """Ada's browser, logged in."""
    client = Client()
    client.force_login(ada)
    return client


@pytest.fixture
def stranger(database: None) -> Client:
    """A browser in which nobody is logged in."""
    return Client()


def open_page(browser: Client, path: str = "/", *, expect: int = 200, **query: str) -> Page:
    response = browser.get(path, query or None)
    assert response.status_code == expect
    return Page(response.content.decode())


def press(browser: Client, form: Form, **typed: str) -> Page:
    """Sends the form as it is, and follows to the page it ends on."""
    response = browser.post(form.action, {**form.fields, **typed}, follow=True)
    assert response.redirect_chain, "a POST ends in a redirect"
    assert response.status_code == 200
    return Page(response.content.decode())


def book_for(caller: Caller, room: str = "room_A", date: str = "", key: str | None = None) -> Any:
    outcome = services.create_booking(
        caller=caller,
        key_header=key,
        read_payload=lambda: {"resourceId": room, "date": date or night()},
        deadline=Deadline.after(10),
    )
    assert outcome.answer.status == 201
    return outcome.content["booking"]


def bookings() -> list[dict[str, Any]]:
    return list(connections.collection("bookings").find({}).sort("_id"))


def create_digest(user: User, key: str) -> str:
    return keys.digest_of(
        caller=str(caller_of_user(user.pk)), operation="create", target="", key=key
    )


# --- What is shown --------------------------------------------------------------------------


def test_shows_free_rooms_with_prices_to_anybody(stranger: Client) -> None:
    book_for(RIVAL, "room_B")

    page = open_page(stranger, date=night())

    assert "Room A" in page.text
    assert "Room B" not in page.text
    assert "EUR 120.00" in page.text
    assert page.bookable == []
    assert page.links["Log in to book"].startswith("/login?next=")
    assert not stranger.cookies


def test_shows_tomorrow_at_the_hotel_unless_asked(browser: Client) -> None:
    page = open_page(browser)

    today = clock.today("Europe/Berlin")
    form = page.booking_form("room_A")
    assert form.fields["date"] == (today + timedelta(days=1)).isoformat()
    assert page.forms_to("/")[0].fields["date"] == form.fields["date"]


@pytest.mark.parametrize(
    "date", ["2031-02-29", "2031-99-99", "x", "2031-2-5", "9999-12-31", "٢٠٣١-٠١-٠١"]
)
def test_says_what_is_wrong_with_a_date_and_keeps_it(browser: Client, date: str) -> None:
    page = open_page(browser, expect=400, date=date)

    assert "Choose a date that exists, written YYYY-MM-DD." in page.text
    assert "date-errors" in page.ids
    assert page.bookable == []
    assert page.forms_to("/")[0].fields["date"] == date


@pytest.mark.parametrize("days", [-2, 5000])
def test_refuses_a_night_that_cannot_be_sold(browser: Client, days: int) -> None:
    page = open_page(browser, expect=400, date=night(days))

    assert "date-errors" in page.ids
    assert page.bookable == []


@pytest.mark.parametrize(
    "query", [{"status": "$ne"}, {"cursor": "x"}, {"after": "a b"}, {"date": "a\x00b"}]
)
def test_refuses_a_query_that_nobody_was_given(browser: Client, query: dict[str, str]) -> None:
    book_for(RIVAL)

    open_page(browser, expect=400, **query)


def test_never_lets_a_page_be_kept(browser: Client) -> None:
    assert "no-store" in browser.get("/").headers["Cache-Control"]


def test_shows_each_person_their_own_bookings(browser: Client) -> None:
    theirs = book_for(RIVAL, "room_B")

    page = open_page(browser)

    assert theirs["reference"] not in page.text
    assert "You have no bookings yet." in page.text


def test_filters_bookings_by_status(browser: Client, ada: User) -> None:
    kept = book_for(caller_of_user(ada.pk), "room_A")
    dropped = book_for(caller_of_user(ada.pk), "room_B")
    press(browser, open_page(browser).forms_to(f"/bookings/{dropped['id']}/cancel")[0])

    page = open_page(browser, status="cancelled")

    assert dropped["reference"] in page.text
    assert kept["reference"] not in page.text


def test_leads_on_to_older_bookings(browser: Client, ada: User) -> None:
    made = [book_for(caller_of_user(ada.pk), date=night(40 + n)) for n in range(21)]

    newest = open_page(browser)
    older = open_page(browser, newest.links["Older bookings"])

    assert made[0]["reference"] not in newest.text
    assert made[20]["reference"] in newest.text
    assert made[0]["reference"] in older.text
    assert made[20]["reference"] not in older.text
    assert "Older bookings" not in older.links
    assert made[20]["reference"] in open_page(browser, older.links["Newest bookings"]).text


@pytest.mark.parametrize("path", ["/", "/login", "/nothing"])
def test_would_pass_a_strict_content_security_policy(browser: Client, path: str) -> None:
    page = Page(browser.get(path).content.decode())

    assert not page.tags & {"script", "style", "iframe"}
    assert "style" not in page.attributes
    assert not [name for name in page.attributes if name.startswith("on")]
    assert len(page.ids) == len(set(page.ids))
    assert '<html lang="en">' in page.html


# --- Booking --------------------------------------------------------------------------------


def test_books_a_room(browser: Client, ada: User) -> None:
    form = open_page(browser, date=night()).booking_form("room_A")

    page = press(browser, form)

    (booking,) = bookings()
    assert booking["owner"] == str(caller_of_user(ada.pk))
    assert booking["slots"] == [f"{night()}|room_A"]
    assert booking["reference"] in page.status
    assert "Room A is booked for you" in page.status
    assert f"booking-{booking['_id']}" in page.ids
    assert "room_A" not in page.bookable


def test_books_once_however_often_a_form_is_sent(browser: Client) -> None:
    """The second POST comes after the first has replaced the key in the session."""
    form = open_page(browser, date=night()).booking_form("room_A")

    pages = [press(browser, form) for _ in range(3)]

    (booking,) = bookings()
    assert [booking["reference"] in page.status for page in pages] == [True] * 3


def test_sends_one_key_from_a_reloaded_page_and_a_second_tab(browser: Client) -> None:
    first, second = (open_page(browser, date=night()).booking_form("room_A") for _ in range(2))

    press(browser, first)
    page = press(browser, second)

    assert first.fields["key"] == second.fields["key"]
    assert bookings()[0]["reference"] in page.status
    assert len(bookings()) == 1


def test_books_anew_after_cancelling(browser: Client) -> None:
    form = open_page(browser, date=night()).booking_form("room_A")
    press(browser, form)
    page = press(
        browser, open_page(browser).forms_to(f"/bookings/{bookings()[0]['_id']}/cancel")[0]
    )
    assert "is cancelled" in page.status

    fresh = open_page(browser, date=night()).booking_form("room_A")
    press(browser, fresh)

    assert fresh.fields["key"] != form.fields["key"]
    assert [booking["status"] for booking in bookings()] == ["cancelled", "confirmed"]


def test_says_when_the_booking_of_an_old_form_was_cancelled(browser: Client) -> None:
    form = open_page(browser, date=night()).booking_form("room_A")
    press(browser, form)
    press(browser, open_page(browser).forms_to(f"/bookings/{bookings()[0]['_id']}/cancel")[0])

    page = press(browser, form)

    assert page.status == f"Room A: {CANCELLED_SINCE}"
    assert len(bookings()) == 1
    assert "is booked for you" in press(browser, page.booking_form("room_A")).status


def test_gets_over_a_session_that_lost_its_new_key(browser: Client) -> None:
    """Two requests save one session, and the later one did not know of the earlier one's key."""
    session = browser.session
    before = dict(session.items())
    press(browser, open_page(browser, date=night()).booking_form("room_A"))
    press(browser, open_page(browser).forms_to(f"/bookings/{bookings()[0]['_id']}/cancel")[0])
    session = browser.session
    session.clear()
    session.update(before)
    session.save()

    page = press(browser, open_page(browser, date=night()).booking_form("room_A"))

    assert page.status == f"Room A: {CANCELLED_SINCE}"
    assert "is booked for you" in press(browser, page.booking_form("room_A")).status


@pytest.mark.parametrize("forged", ["", "forged", "auto:1", "x" * 300, "ключ", 'a"b'])
def test_takes_only_keys_that_it_handed_out(browser: Client, ada: User, forged: str) -> None:
    form = open_page(browser, date=night()).booking_form("room_A")

    press(browser, form, key=forged)

    (booking,) = bookings()
    assert [key["digest"] for key in booking["keys"]] == [create_digest(ada, form.fields["key"])]


def test_takes_no_key_of_another_intent(browser: Client) -> None:
    page = open_page(browser, date=night())
    room_a, room_b = page.booking_form("room_A"), page.booking_form("room_B")
    press(browser, room_a)

    page = press(browser, room_b, key=room_a.fields["key"])

    assert "Room B is booked for you" in page.status
    assert [booking["slots"] for booking in bookings()] == [
        [f"{night()}|room_A"],
        [f"{night()}|room_B"],
    ]


def test_takes_no_key_of_another_person(browser: Client) -> None:
    theirs = open_page(browser, date=night()).booking_form("room_A")
    ben = User.objects.create_user("ben")
    other = Client()
    other.force_login(ben)

    press(other, open_page(other, date=night()).booking_form("room_A"), key=theirs.fields["key"])

    (booking,) = bookings()
    assert create_digest(ben, theirs.fields["key"]) not in [k["digest"] for k in booking["keys"]]


def test_gives_every_intent_a_new_key_once_too_many_are_settled(
    browser: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("bookings.web.intents.MAX_SETTLED", 2)
    page = open_page(browser, date=night())
    forms = {room: page.booking_form(room) for room in page.bookable}

    for room in ("room_A", "room_B", "room_C"):
        press(browser, forms[room])

    assert len(browser.session["booking_nonces"]) == 2
    later = open_page(browser, date=night()).booking_form("room_D")
    assert later.fields["key"] != forms["room_D"].fields["key"]
    assert "Room A is booked for you" in press(browser, forms["room_A"]).status
    assert len(bookings()) == 3


def test_stays_booked_when_the_session_ends_at_that_moment(browser: Client) -> None:
    form = open_page(browser, date=night()).booking_form("room_A")

    def log_out_elsewhere(point: str) -> None:
        if point == "after_commit":
            connections.collection("django_session").delete_many({})

    points.install(log_out_elsewhere)
    try:
        response = browser.post("/book", form.fields)
    finally:
        points.install(None)

    assert response.status_code == 302
    assert len(bookings()) == 1


# --- What is refused ------------------------------------------------------------------------


def test_keeps_the_key_while_it_is_being_booked(browser: Client, ada: User) -> None:
    form = open_page(browser, date=night()).booking_form("room_A")
    claims = Claims(connections.redis())

    with claims.claim(create_digest(ada, form.fields["key"]), recover=lambda _: None):
        page = press(browser, form)

    assert page.status == f"Room A: {SENTENCES['IDEMPOTENCY_IN_PROGRESS']}"
    again = page.booking_form("room_A")
    assert again.fields["key"] == form.fields["key"]
    assert "is booked for you" in press(browser, again).status


def test_keeps_the_key_while_somebody_else_is_booking(browser: Client) -> None:
    form = open_page(browser, date=night()).booking_form("room_A")
    lock = connections.locks().acquire([f"demo|{night()}|room_A"], ttl_ms=5_000)

    page = press(browser, form)
    connections.locks().release(lock)

    assert page.status == f"Room A: {SENTENCES['RESOURCE_LOCKED']}"
    again = page.booking_form("room_A")
    assert again.fields["key"] == form.fields["key"]
    assert "is booked for you" in press(browser, again).status


def test_gives_a_new_key_after_somebody_else_was_first(browser: Client) -> None:
    form = open_page(browser, date=night()).booking_form("room_A")
    theirs = book_for(RIVAL)

    page = press(browser, form)

    assert page.status == f"Room A: {SENTENCES['ALREADY_BOOKED']}"
    assert "room_A" not in page.bookable
    lifecycle.cancel_booking(
        actor=RIVAL, booking_id=theirs["id"], key_header=None, deadline=Deadline.after(10)
    )
    later = open_page(browser, date=night()).booking_form("room_A")
    assert later.fields["key"] != form.fields["key"]
    assert "is booked for you" in press(browser, later).status


@pytest.fixture
def dearer() -> Iterator[Any]:
    """Raises the demo's prices when called."""
    category = RoomCategory.objects.filter(id="demo_double")
    before = category.get().default_price
    yield lambda: category.update(default_price=13_050)
    category.update(default_price=before)


def test_shows_the_new_price_before_it_is_paid(browser: Client, dearer: Any) -> None:
    form = open_page(browser, date=night()).booking_form("room_A")
    dearer()

    page = press(browser, form)

    assert page.status == f"Room A: {SENTENCES['PRICE_CHANGED']}"
    assert "EUR 130.50" in page.text
    assert bookings() == []
    press(browser, page.booking_form("room_A"))
    assert bookings()[0]["price"]["total"] == 13_050


@pytest.mark.parametrize(
    "typed",
    [
        {"room": "nowhere"},
        {"room": "a b"},
        {"date": "2031-02-29"},
        {"date": "2020-01-01"},
        {"date": ""},
        {"total": ""},
        {"total": "-1"},
        {"total": "9" * 5000},
        {"total": "\u0663"},
        {"room": "\x00", "date": "\x00", "total": "\x00", "key": "\x00"},
        {"room": "", "date": "", "total": "", "key": ""},
    ],
)
def test_refuses_a_form_that_no_page_showed(browser: Client, typed: dict[str, str]) -> None:
    form = open_page(browser, date=night()).booking_form("room_A")

    response = browser.post("/book", {**form.fields, **typed}, follow=True)

    assert SENTENCES["VALIDATION_ERROR"] in Page(response.content.decode()).status
    assert bookings() == []


@pytest.mark.parametrize("refusal", [Refusal, *Refusal.__subclasses__()], ids=lambda r: r.code)
@pytest.mark.parametrize("action", ["create_booking", "cancel_booking"])
def test_shows_every_refusal_as_a_sentence(
    browser: Client,
    ada: User,
    monkeypatch: pytest.MonkeyPatch,
    action: str,
    refusal: type[Refusal],
) -> None:
    booking = book_for(caller_of_user(ada.pk), "room_B")
    page = open_page(browser, date=night())
    form = page.booking_form("room_A")
    if action == "cancel_booking":
        if refusal.code == "NOT_FOUND":
            return  # a page of its own, see below
        (form,) = page.forms_to(f"/bookings/{booking['id']}/cancel")

    def refuse(**_: Any) -> None:
        raise refusal([("date", "So it is.")] if refusal.code == "VALIDATION_ERROR" else None)  # type: ignore[arg-type]

    monkeypatch.setattr(lifecycle if action == "cancel_booking" else services, action, refuse)
    page = press(browser, form)

    assert page.status
    if action == "create_booking":
        assert SENTENCES[refusal.code] in page.status


def test_asks_to_log_in_before_booking(stranger: Client, ada: User) -> None:
    sent = {"room": "room_A", "date": night(), "total": "12000", "key": "k"}

    response = stranger.post("/book", sent, follow=True)

    page = Page(response.content.decode())
    assert response.redirect_chain[0][0].startswith("/login?next=")
    assert SENTENCES["NOT_AUTHENTICATED"] in page.status
    assert bookings() == []
    (form,) = page.forms_to("/login")
    page = press(stranger, form, username="ada", password="correct horse")
    assert page.booking_form("room_A").fields["date"] == night()


@pytest.mark.parametrize("path", ["/book", "/login", "/logout"])
def test_refuses_forms_of_other_sites(ada: User, path: str) -> None:
    browser = Client(enforce_csrf_checks=True)
    browser.force_login(ada)

    response = browser.post(path, {"room": "room_A", "date": night(), "total": "12000"})

    assert response.status_code == 403
    assert "Open the page again" in Page(response.content.decode()).text
    assert bookings() == []


# --- Cancelling -----------------------------------------------------------------------------


def test_cancels_a_booking_and_frees_the_room(browser: Client, ada: User) -> None:
    booking = book_for(caller_of_user(ada.pk))
    (form,) = open_page(browser, date=night()).forms_to(f"/bookings/{booking['id']}/cancel")

    pages = [press(browser, form) for _ in range(2)]

    assert all(booking["reference"] in page.status for page in pages)
    assert "room_A" in pages[0].bookable
    assert pages[0].forms_to(form.action) == []
    assert bookings()[0]["status"] == "cancelled"


@pytest.mark.parametrize("booking_id", ["theirs", "x", "0" * 24, "a\x00b"])
def test_knows_no_booking_but_the_persons_own(browser: Client, booking_id: str) -> None:
    theirs = book_for(RIVAL)
    if booking_id == "theirs":
        booking_id = theirs["id"]

    response = browser.post(f"/bookings/{booking_id}/cancel")

    assert response.status_code == 404
    assert "Not found" in Page(response.content.decode()).text
    assert bookings()[0]["status"] == "confirmed"


def test_cancels_nothing_for_a_stranger(stranger: Client) -> None:
    theirs = book_for(RIVAL)

    response = stranger.post(f"/bookings/{theirs['id']}/cancel")

    assert response.status_code == 302
    assert bookings()[0]["status"] == "confirmed"


def test_cancels_nothing_by_a_link(browser: Client, ada: User) -> None:
    booking = book_for(caller_of_user(ada.pk))

    response = browser.get(f"/bookings/{booking['id']}/cancel")

    assert response.status_code == 405
    assert bookings()[0]["status"] == "confirmed"


# --- Logging in and out ---------------------------------------------------------------------


def test_logs_in_and_out(stranger: Client, ada: User) -> None:
    (form,) = open_page(stranger, "/login").forms_to("/login")

    page = press(stranger, form, username="ada", password="correct horse")
    assert "ada" in page.text
    (form,) = page.forms_to("/logout")
    page = press(stranger, form)

    assert page.links["Log in"].startswith("/login")
    assert page.forms_to("/logout") == []


def test_keeps_the_name_after_a_wrong_password(stranger: Client, ada: User) -> None:
    response = stranger.post("/login", {"username": "ada", "password": "wrong"})

    page = Page(response.content.decode())
    (form,) = page.forms_to("/login")
    assert form.fields["username"] == "ada"
    assert form.fields["password"] == ""
    assert "correct username and password" in page.text


def test_sends_nobody_to_another_site(stranger: Client, ada: User) -> None:
    response = stranger.post(
        "/login?next=https://evil.example/", {"username": "ada", "password": "correct horse"}
    )

    assert response.headers["Location"] == "/"
