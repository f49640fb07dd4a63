"""Confirming a hold on the pages, and extending it."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from datetime import date
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from django.contrib.auth.models import User
from django.test import Client

from bookings.domain.booking import from_document
from bookings.domain.callers import Caller
from bookings.infrastructure import connections
from bookings.infrastructure.deadlines import Deadline
from bookings.people import erasure
from bookings.stays import corrections, lifecycle
from bookings.stays.corrections import Details
from bookings.web.messages import CONFIRM_SENTENCES, FORM_SENTENCES, SENTENCES
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
from tests.hotels import put_night

pytestmark = pytest.mark.mongo


@pytest.fixture
def browser() -> Client:
    """The browser of a person without an account."""
    return Client()


# --- Confirming -----------------------------------------------------------------------------


def test_confirms_with_the_key_that_held_and_tells_the_hotel_who_comes(browser: Client) -> None:
    page = press(browser, confirm_form(hold(browser)), **{**ADA, "notes": "Late.\r\nWith a dog."})

    (booking,) = stored()
    assert booking["status"] == "confirmed"
    assert booking["guest"] == {"name": "Ada", "email": "ada@example.org", "phone": ""}
    assert booking["notes"].splitlines() == ["Late.", "With a dog."]
    assert booking["reference"] in page.text
    assert "Ada" in page.text
    assert "ada@example.org" not in page.html.split("<main")[0]


def test_confirms_once_however_often_the_form_is_sent(browser: Client) -> None:
    form = confirm_form(hold(browser))

    pages = [press(browser, form, **ADA) for _ in range(3)]

    (booking,) = stored()
    assert [change["event"] for change in booking["history"]].count("confirmed") == 1
    assert all(booking["reference"] in page.text for page in pages)


def correct(notes: str = "", **changes: str) -> None:
    """Staff correct the hold's guest."""
    booking = from_document(stored()[0])
    done = corrections.correct_for_guest(
        actor=Caller("user", "clerk"),
        booking_id=str(booking.id),
        key_header=str(booking.version),
        deadline=Deadline.after(10),
        seen=corrections.details_of(booking),
        details=Details(dataclasses.replace(booking.guest, **changes), notes, booking.language),
    )
    assert done.code is None


def hold_for_ada(browser: Client) -> Any:
    """The page of a hold that has details, as after *Hold it again*."""
    hold(browser)
    correct("Late.", name="Ada", email="ada@example.org", phone="030 1234")
    return open_page(browser, booking_path(stored()[0]))


def test_keeps_what_staff_corrected_and_takes_what_the_guest_changed(browser: Client) -> None:
    form = confirm_form(hold_for_ada(browser))
    correct("Ground floor.", name="Ada Lovelace", email="ada@example.com")

    press(browser, form, name="Ada King")

    (booking,) = stored()
    assert booking["guest"] == {
        "name": "Ada King",
        "email": "ada@example.com",
        "phone": "030 1234",
    }
    assert booking["notes"] == "Ground floor."


@pytest.mark.parametrize("to", ["", "/extend"])
def test_keeps_what_staff_corrected_when_the_page_is_shown_again(browser: Client, to: str) -> None:
    form = confirm_form(hold_for_ada(browser))
    correct("Late.", email="ada@example.com")
    path = booking_path(stored()[0])

    again = press(
        browser,
        form,
        to=path + to if to else "",
        expect=200 if to else 400,
        phone="" if to else "abc",
    )
    press(browser, confirm_form(again), phone="030 99")

    assert stored()[0]["guest"] == {
        "name": "Ada",
        "email": "ada@example.com",
        "phone": "030 99",
    }


def test_keeps_what_staff_filled_in_where_the_form_began_with_the_account(
    browser: Client,
) -> None:
    account = {"first_name": "Ada", "email": "ada@example.org"}
    browser.force_login(User.objects.create_user("ada", **account))
    form = confirm_form(hold(browser))
    correct("", name="Ada Lovelace", email="ada@example.com")

    press(browser, form)

    assert form.fields["email"] == "ada@example.org"
    assert stored()[0]["guest"]["name"] == "Ada Lovelace"
    assert stored()[0]["guest"]["email"] == "ada@example.com"


def test_takes_the_details_again_of_an_erased_guest_who_confirms(browser: Client) -> None:
    form = confirm_form(hold_for_ada(browser))
    erasure.erase_guest("ada@example.org", including_upcoming=True)

    press(browser, form)

    assert stored()[0]["guest"]["email"] == "ada@example.org"


@pytest.mark.parametrize("shown", ["", "no JSON", "{}", "[[], []]", "[1, 2]", "[" * 5000])
def test_takes_what_the_form_says_if_it_does_not_say_what_it_showed(
    browser: Client, shown: str
) -> None:
    press(browser, confirm_form(hold(browser)), **{**ADA, "shown": shown})

    assert stored()[0]["guest"]["email"] == "ada@example.org"


@pytest.mark.parametrize(
    ("typed", "field"),
    [
        ({"name": ""}, "id_name"),
        ({"name": " "}, "id_name"),
        ({"name": "x" * 201}, "id_name"),
        ({"email": ""}, "id_email"),
        ({"email": "nobody"}, "id_email"),
        ({"email": "a@b.example\nBcc: c@d.example"}, "id_email"),
        ({"phone": "1" * 41}, "id_phone"),
        ({"phone": "1\x002"}, "id_phone"),
        ({"phone": "abc"}, "id_phone"),
        ({"phone": "112"}, "id_phone"),
        ({"notes": "x" * 2001}, "id_notes"),
        ({"notes": "\x07"}, "id_notes"),
    ],
)
def test_says_what_is_wrong_with_a_guest_and_keeps_the_rest(
    browser: Client, typed: dict[str, str], field: str
) -> None:
    form = confirm_form(hold(browser))

    page = press(browser, form, expect=400, **{**ADA, **typed})

    assert f'aria-describedby="{field}_error"' in page.html
    assert page.status.startswith(str(FORM_SENTENCES["VALIDATION_ERROR"]))
    kept = confirm_form(page).fields
    assert all(kept[name] == value for name, value in ADA.items() if name not in typed)
    told = ask(browser, form, **{**ADA, **typed})
    assert told.status_code == 400
    assert list(told.json()["errors"]) == [field.removeprefix("id_")]
    assert stored()[0]["status"] == "pending"


@pytest.mark.parametrize(
    "phone", ["", "4000", "030 123 45", "+49 30 123 ext. 5", "(0)20-7946 Ada’s", "٠٣٠١٢٣٤"]
)
def test_takes_every_text_that_may_be_a_phone_number(browser: Client, phone: str) -> None:
    press(browser, confirm_form(hold(browser)), **{**ADA, "phone": phone})

    assert stored()[0]["guest"]["phone"] == phone


def test_confirms_again_with_a_text_that_an_earlier_release_took_for_a_number(
    browser: Client,
) -> None:
    form = confirm_form(hold(browser))
    press(browser, form, **{**ADA, "phone": "030 1234"})
    connections.collection("bookings").update_one({}, {"$set": {"guest.phone": "ask me"}})

    page = press(browser, form, **{**ADA, "phone": "ask me"})

    assert "Your room is booked" in page.text
    assert stored()[0]["guest"]["phone"] == "ask me"


def test_confirms_late_while_the_room_is_free(browser: Client) -> None:
    hold(browser)
    let_hold_end(minutes_ago=5)
    page = open_page(browser, booking_path(stored()[0]))
    assert "Your hold has expired" in page.text

    page = press(browser, confirm_form(page), **ADA)

    assert "Your room is booked" in page.text


def test_offers_to_hold_again_what_was_typed_included(browser: Client, inn: None) -> None:
    hold(browser, stays_path(hotel="inn", guests=1), category="inn_single")
    let_hold_end(minutes_ago=11)
    page = open_page(browser, booking_path(stored()[0]))
    assert "Confirm booking" not in page.text
    assert page.buttons == ["/hold"]

    page = press(browser, confirm_form(page), to="/hold", **{**ADA, "email": "not yet"})

    assert "Your room is held" in page.text
    assert len(stored()) == 2
    assert confirm_form(page).fields["name"] == "Ada"
    assert confirm_form(page).fields["email"] == ""
    assert "Your room is booked" in press(browser, confirm_form(page), **ADA).text


def test_keeps_what_was_typed_when_the_price_has_changed_meanwhile(
    browser: Client, dearer: Any
) -> None:
    page = hold(browser)
    let_hold_end(minutes_ago=11)
    dearer()

    results = press(browser, confirm_form(page), to="/hold", **{**ADA, "notes": "With a dog."})
    page = press(browser, results.hold_form("demo_double"))

    assert results.status == SENTENCES["PRICE_CHANGED"]
    kept = confirm_form(page).fields
    assert (kept["name"], kept["email"], kept["notes"]) == ("Ada", ADA["email"], "With a dog.")
    press(browser, confirm_form(page), **ADA)
    assert "typed_guest" not in browser.session
    assert confirm_form(hold(browser, stays_path(night(50), night(51)))).fields["name"] == ""


def test_says_that_the_hold_ran_out_and_the_room_is_gone(browser: Client, inn: None) -> None:
    page = hold(browser, stays_path(hotel="inn", guests=1), category="inn_single")
    let_hold_end()
    book_by_api("rival", resourceId="inn_S", date=night())

    page = press(browser, confirm_form(page), expect=409, **ADA)

    assert "Your hold has expired, and someone else may have booked the room." in page.status
    assert confirm_form(page).fields["email"] == "ada@example.org"
    page = press(browser, confirm_form(page), to="/hold", **ADA)
    assert page.status == SENTENCES["SOLD_OUT"]


def test_books_a_wish_once_where_an_old_page_is_confirmed_late(browser: Client) -> None:
    """The hold ran out and was made again; its old page is still open in another tab."""
    old = hold(browser)
    let_hold_end()
    new = press(browser, confirm_form(old), to="/hold", **ADA)
    late = open_page(browser, booking_path(stored()[0]))
    press(browser, confirm_form(new), **ADA)

    page = press(browser, confirm_form(old), expect=409, **ADA)

    assert [booking["status"] for booking in stored()] == ["expired", "confirmed"]
    assert "you have since continued with another one" in page.status
    assert "Confirm booking" not in late.text


def test_confirms_late_where_holding_again_came_to_nothing(browser: Client, dearer: Any) -> None:
    old = hold(browser)
    let_hold_end()
    dearer()
    press(browser, confirm_form(old), to="/hold", **ADA)

    page = press(browser, confirm_form(old), **ADA)

    assert "Your room is booked" in page.text
    assert stored()[0]["price"]["total"] == 24_000


def test_books_a_wish_once_where_both_of_its_holds_ran_out(browser: Client) -> None:
    old = hold(browser)
    let_hold_end()
    new = press(browser, confirm_form(old), to="/hold", **ADA)
    let_hold_end()
    press(browser, confirm_form(old), **ADA)

    page = press(browser, confirm_form(new), expect=409, **ADA)

    assert [booking["status"] for booking in stored()].count("confirmed") == 1
    assert "you have since continued with another one" in page.status


def test_says_what_else_there_is_for_the_same_stay(browser: Client) -> None:
    book(browser)

    page = hold(browser)

    assert page.links[stored()[0]["reference"]] == booking_path(stored()[0])
    assert "Confirm this one only if you want another." in page.status
    assert "very stay" not in hold(browser, stays_path(night(50), night(51))).text


def test_confirms_nothing_under_another_key(browser: Client) -> None:
    page = press(browser, confirm_form(hold(browser)), expect=409, **{**ADA, "key": "another"})

    assert page.status.startswith(str(SENTENCES["KEY_MISMATCH"]))
    assert stored()[0]["status"] == "pending"


# --- After staff have moved the hold ---------------------------------------------------------


def move(first: int = 50, last: int = 51, room: str = "") -> None:
    moved = lifecycle.move_booking(
        actor=Caller("user", "staff"),
        booking_id=str(stored()[0]["_id"]),
        key_header="move",
        deadline=Deadline.after(10),
        room_ids=(room or stored()[0]["rooms"][0]["room"],),
        check_in=date.fromisoformat(night(first)),
        check_out=date.fromisoformat(night(last)),
    )
    assert moved.code is None


@pytest.fixture
def dear_night() -> Iterator[None]:
    put_night("demo_double", night(50), price=99_900)
    yield
    connections.collection("nights").delete_many({"category_id": "demo_double"})


@pytest.mark.usefixtures("dear_night")
def test_shows_what_is_held_now_instead_of_booking_it(browser: Client) -> None:
    old = hold(browser)
    move()

    page = press(browser, confirm_form(old), expect=409, **{**ADA, "notes": "With a dog."})

    assert stored()[0]["status"] == "pending"
    assert page.status.startswith(str(CONFIRM_SENTENCES["PRICE_CHANGED"]))
    first, last = (date.fromisoformat(night(ahead)) for ahead in (50, 51))
    told = page.status.replace("\xa0", " ")
    assert f"dates now {first:%-d %B %Y} to {last:%-d %B %Y}; price now EUR 999.00" in told
    assert "instead of EUR 240.00" in told
    assert "room now" not in told
    assert "EUR 999.00" in page.text.replace("\xa0", " ")
    assert confirm_form(page).fields["notes"] == "With a dog."
    assert "Your room is booked" in press(browser, confirm_form(page)).text
    assert stored()[0]["notes"] == "With a dog."


def test_shows_another_room_of_the_same_kind_before_it_is_booked(browser: Client) -> None:
    old = hold(browser)
    other = "C" if stored()[0]["rooms"][0]["room"] != "room_C" else "B"
    move(30, 32, f"room_{other}")

    page = press(browser, confirm_form(old), expect=409, **ADA)

    assert f"Changed since you opened this page: room now Double, Room {other}." in page.status


@pytest.mark.usefixtures("dear_night")
def test_leaves_a_page_with_another_stay_to_the_browser(browser: Client) -> None:
    """The script sends the form once more in the ordinary way, and shows the result."""
    form = confirm_form(hold(browser))
    move()

    for to in ("", f"{booking_path(stored()[0])}/extend"):
        assert ask(browser, form, to=to, **ADA).headers["Content-Type"].startswith("text/html")
    assert ask(browser, form, **{**ADA, "email": ""}).headers["Content-Type"].startswith("text/")


@pytest.mark.usefixtures("dear_night")
@pytest.mark.parametrize("to", ["", "/extend"])
def test_says_what_the_hotel_changed_whatever_was_pressed(browser: Client, to: str) -> None:
    form = confirm_form(hold(browser))
    move()
    path = booking_path(stored()[0])

    page = press(
        browser,
        form,
        to=path + to if to else "",
        expect=200 if to else 400,
        **{**ADA, "email": ""},
    )

    assert "Changed since you opened this page: dates now" in page.status
    assert "Changed since you opened this page" not in open_page(browser, path).text


@pytest.mark.usefixtures("dear_night")
def test_books_nothing_else_from_a_page_that_says_nothing_of_what_it_showed(
    browser: Client,
) -> None:
    """The form of an earlier release: then the stay that its key was told counts."""
    form = confirm_form(hold(browser))
    del form.fields["seen"]
    move()

    page = press(browser, form, expect=409, **ADA)

    assert page.status.startswith(str(CONFIRM_SENTENCES["PRICE_CHANGED"]))
    assert "Your room is booked" in press(browser, confirm_form(page), **ADA).text


@pytest.mark.parametrize("seen", ["", "no JSON", "[]", "[" * 5000, '{"quotedTotal": "x"}'])
def test_confirms_nothing_from_a_damaged_form(browser: Client, seen: str) -> None:
    page = press(browser, confirm_form(hold(browser)), expect=400, **{**ADA, "seen": seen})

    assert stored()[0]["status"] == "pending"
    assert "try again." in page.status


# --- Extending a hold -----------------------------------------------------------------------


def test_keeps_a_hold_longer_and_what_was_typed(browser: Client) -> None:
    form = confirm_form(hold(browser))
    path = booking_path(stored()[0])
    before = stored()[0]["expires_at"]

    page = press(browser, form, to=f"{path}/extend", **{**ADA, "email": "half@"})

    assert stored()[0]["expires_at"] > before
    assert f"Your hold now lasts until {end_of_hold()}, local time at the hotel." in page.status
    assert confirm_form(page).fields["email"] == "half@"
    assert "aria-invalid" not in page.html


def end_of_hold() -> str:
    """Returns when the only hold ends, by the hotel's clock."""
    return f"{stored()[0]['expires_at'].astimezone(ZoneInfo('Europe/Berlin')):%H:%M}"


def test_says_nothing_of_more_time_once_the_hold_is_booked(browser: Client) -> None:
    form = confirm_form(hold(browser))
    path = f"{booking_path(stored()[0])}/extend"
    press(browser, form, to=path)
    press(browser, form, **ADA)

    again = ask(browser, form, to=path).json()

    assert (again["state"], again["message"]) == ("confirmed", "")


def test_extends_once_for_two_clicks_that_show_the_same_end(browser: Client) -> None:
    form = confirm_form(hold(browser))
    path = booking_path(stored()[0])

    for _ in range(3):
        press(browser, form, to=f"{path}/extend")

    assert [change["event"] for change in stored()[0]["history"]] == ["created", "extended"]


@pytest.mark.parametrize("scripted", [False, True])
def test_does_not_say_that_a_hold_is_longer_where_it_is_not(
    browser: Client, scripted: bool
) -> None:
    """The hotel's holds have become shorter since."""
    form = confirm_form(hold(browser))
    path = f"{booking_path(stored()[0])}/extend"
    before = stored()
    hotels = connections.database()["hotels"]
    hotels.update_one({"_id": "demo"}, {"$set": {"hold_minutes": 5}})
    try:
        if scripted:
            told = ask(browser, form, to=path)
            said = (told.status_code, told.json()["message"])
        else:
            page = press(browser, form, to=path, expect=409, **ADA)
            said = (409, page.status)
            assert confirm_form(page).fields["name"] == "Ada"
            assert path in page.buttons
        assert stored() == before
    finally:
        hotels.update_one({"_id": "demo"}, {"$set": {"hold_minutes": 15}})
    pressed_later = press(browser, form, to=path, **ADA)

    assert said == (409, str(SENTENCES["HELD_LONG_ENOUGH"]))
    assert "Your hold now lasts until" in pressed_later.status


def test_tells_the_script_the_new_end(browser: Client) -> None:
    form = confirm_form(hold(browser))

    told = ask(browser, form, to=f"{booking_path(stored()[0])}/extend").json()

    assert told["expiresAt"].endswith("Z")
    assert told["now"] < told["expiresAt"]
    assert told["mayExtend"] is True
    again = {**form.fields, "shown_end": told["expiresAt"]}
    more = browser.post(
        f"{booking_path(stored()[0])}/extend", again, headers={"accept": "application/json"}
    )
    assert more.json()["expiresAt"] >= told["expiresAt"]
    assert len(stored()[0]["history"]) == 3


def test_offers_no_more_time_than_there_is(browser: Client) -> None:
    hold(browser)
    connections.collection("bookings").update_one(
        {}, [{"$set": {"created_at": {"$subtract": ["$created_at", 3_600_000]}}}]
    )

    page = open_page(browser, booking_path(stored()[0]))

    assert "You can’t extend it again." in page.text
    assert not any(url.endswith("/extend") for url in page.buttons)
