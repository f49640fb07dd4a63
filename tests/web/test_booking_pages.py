"""The page of a booking: ending the booking, its file, and the link that opens it elsewhere."""

from __future__ import annotations

import datetime as dt
import re
from datetime import date, timedelta

import pytest
from django.test import Client
from icalendar import Calendar

from bookings import tasks
from bookings.domain.callers import Caller
from bookings.infrastructure import clock, connections
from bookings.infrastructure.deadlines import Deadline
from bookings.models import Hotel
from bookings.stays import lifecycle, manage_links
from bookings.web.visitors import MAX_MANAGED
from tests.browsing import (
    ADA,
    book,
    booking_path,
    hold,
    open_page,
    press,
    stays_path,
    stored,
)
from tests.calls import book as book_by_api
from tests.calls import cancel as cancel_by_api
from tests.conftest import night
from tests.hotels import content_of_demo
from tests.pages import Page

pytestmark = pytest.mark.mongo


@pytest.fixture
def browser() -> Client:
    """The browser of a person without an account."""
    return Client()


# --- Ending ---------------------------------------------------------------------------------


def test_cancels_before_the_deadline_and_says_so_again(browser: Client) -> None:
    page = book(browser)
    form = page.form_to(f"{booking_path(stored()[0])}/cancel")
    arrival = date.fromisoformat(night())
    deadline = f"{arrival:%A %-d %B %Y}, 15:00 (local time at Demo Hotel)"
    assert f"You can cancel until {deadline}." in page.text

    pages = [press(browser, form) for _ in range(2)]

    assert all("This booking is cancelled" in page.text for page in pages)
    assert stored()[0]["status"] == "cancelled"
    assert pages[0].forms_to(form.action) == []


def test_does_not_say_that_the_guest_released_what_a_partner_cancelled() -> None:
    made = book_by_api(hold=True)
    booking_id = made.content["booking"]["id"]
    guest = Client()
    guest.get(f"/manage/{manage_links.make_link_token(booking_id, date.fromisoformat(night(32)))}")
    cancel_by_api(made)

    page = open_page(guest, f"/bookings/{booking_id}")

    assert "Your room has been released" in page.text
    assert "You’ve" not in page.text
    assert "The hotel has" not in page.text


@pytest.mark.parametrize(
    ("rooms", "said"),
    [
        (1, "Your room has been released Your"),
        (2, "Your rooms have been released Your"),
    ],
)
def test_says_that_a_hold_is_released_and_not_cancelled(
    browser: Client, inn: None, rooms: int, said: str
) -> None:
    page = press(
        browser,
        open_page(browser, stays_path(hotel="inn", rooms=rooms)).hold_form("inn_double"),
    )
    assert ("Your rooms are held" in page.text) == (rooms == 2)
    assert ("Price per night for 2 rooms" in page.text) == (rooms == 2)

    released = press(browser, page.form_to(f"{booking_path(stored()[0])}/cancel"))

    assert said in released.text
    assert "cancelled" not in released.text.lower()
    assert "Released" in open_page(browser, "/bookings").text


def test_says_that_it_was_the_hotel_that_released_a_hold(browser: Client) -> None:
    hold(browser)
    booking = stored()[0]

    lifecycle.cancel_booking(
        actor=Caller("user", "staff"),
        booking_id=str(booking["_id"]),
        key_header=None,
        deadline=Deadline.after(10),
        staff_reason="Called",
    )

    assert "The hotel has released your room" in open_page(browser, booking_path(booking)).text


def test_says_cancelled_of_what_was_booked_without_a_hold(browser: Client) -> None:
    cancel_by_api(book_by_api())
    token = manage_links.make_link_token(str(stored()[0]["_id"]), date.fromisoformat(night(31)))

    page = Page(browser.get(f"/manage/{token}", follow=True).content.decode())

    assert "This booking is cancelled" in page.text


def test_says_when_the_time_for_cancelling_is_over(browser: Client) -> None:
    page = book(browser)
    form = page.form_to(f"{booking_path(stored()[0])}/cancel")
    Hotel.objects.filter(id="demo").update(cancel_hours=24 * 365)
    try:
        late = open_page(browser, booking_path(stored()[0]))
        refused = press(browser, form, expect=409)
    finally:
        Hotel.objects.filter(id="demo").update(cancel_hours=0)

    assert "The deadline for cancelling here was" in late.text
    assert late.forms_to(form.action) == []
    assert "You can no longer cancel this here" in refused.status
    assert stored()[0]["status"] == "confirmed"


@pytest.mark.parametrize("action", ["", "/confirm", "/extend", "/cancel", "/stay.ics"])
@pytest.mark.parametrize("booking_id", ["theirs", "x", "0" * 24, "a\x00b"])
def test_knows_no_booking_but_ones_own(browser: Client, booking_id: str, action: str) -> None:
    if booking_id == "theirs":
        booking_id = book_by_api().content["booking"]["id"]
    path = f"/bookings/{booking_id}{action}"

    response = browser.get(path) if action in ("", "/stay.ics") else browser.post(path, ADA)

    assert response.status_code == 404
    assert all(booking["status"] == "confirmed" for booking in stored())


@pytest.mark.parametrize("action", ["confirm", "extend", "cancel"])
def test_does_nothing_by_a_link(browser: Client, action: str) -> None:
    hold(browser)

    assert browser.get(f"{booking_path(stored()[0])}/{action}").status_code == 405
    assert browser.get("/hold").status_code == 405
    assert stored()[0]["status"] == "pending"


@pytest.mark.parametrize(
    "path", ["/hold", "/bookings/1/confirm", "/bookings/1/extend", "/bookings/1/cancel"]
)
def test_refuses_forms_of_other_sites(path: str) -> None:
    browser = Client(enforce_csrf_checks=True)

    response = browser.post(path, ADA)

    assert response.status_code == 403
    assert "Reload the page" in response.content.decode()


def test_leads_back_from_the_form_of_a_page_before_the_login() -> None:
    browser = Client(enforce_csrf_checks=True)

    page = Page(browser.post("/bookings/1/extend", ADA).content.decode())

    assert page.links["Back to your booking"] == "/bookings/1"


# --- What was sent --------------------------------------------------------------------------


def test_says_to_which_address_a_mail_is_on_its_way_and_was_sent(browser: Client) -> None:
    page = book(browser)
    path = booking_path(stored()[0])

    tasks.pass_on_news()
    waiting = open_page(browser, path)
    tasks.send_notifications()
    sent = open_page(browser, path)

    assert "A mail about your booking is on its way to ada@example.org." in page.text
    assert "is on its way to ada@example.org" in waiting.text
    assert "We’ve sent a mail about your booking to ada@example.org." in sent.text


def test_says_that_a_mail_could_not_be_sent(browser: Client) -> None:
    book(browser)
    tasks.pass_on_news()
    deliveries = connections.collection("deliveries")
    path = booking_path(stored()[0])

    deliveries.update_many({}, {"$set": {"tries": 2}})
    delayed = open_page(browser, path)
    deliveries.update_many({}, {"$set": {"state": "given_up"}})
    given_up = open_page(browser, path)
    deliveries.update_many({}, {"$set": {"state": "not_needed"}})
    not_needed = open_page(browser, path)

    assert "We couldn’t send the mail to ada@example.org yet" in delayed.text
    assert "We couldn’t send a mail to ada@example.org. Please check" in given_up.text
    assert "is on its way" in not_needed.text


def test_says_nothing_of_mails_to_a_former_address(browser: Client) -> None:
    book(browser)
    tasks.pass_on_news()
    tasks.send_notifications()
    deliveries = connections.collection("deliveries")
    (told,) = deliveries.find()
    later = {"at": told["at"] + dt.timedelta(seconds=1), "to": "former", "state": "given_up"}
    deliveries.insert_one({**told, **later, "_id": "later"})

    page = open_page(browser, booking_path(stored()[0]))

    assert "We’ve sent a mail about your booking to ada@example.org." in page.text


# --- The file and the link ------------------------------------------------------------------


def test_writes_the_stay_for_a_calendar(browser: Client) -> None:
    book(browser)

    response = browser.get(f"{booking_path(stored()[0])}/stay.ics")

    (event,) = Calendar.from_ical(response.content).walk("VEVENT")
    assert response["Content-Type"].startswith("text/calendar")
    assert event.decoded("dtstart") == clock.local_moment(
        date.fromisoformat(night()), Hotel.objects.get(id="demo").check_in_time, "Europe/Berlin"
    )
    assert event.decoded("dtend").date() == date.fromisoformat(night(32))
    assert stored()[0]["reference"] in event["description"]
    assert b"example.org" not in response.content


def test_writes_where_the_hotel_is_into_the_calendar(browser: Client) -> None:
    place = {"postal_code": "10969", "city": "Berlin", "country": "DE"}
    book(browser)

    with content_of_demo(street="Hof 3; Tor B, links", **place):
        file = browser.get(f"{booking_path(stored()[0])}/stay.ics").content

    (event,) = Calendar.from_ical(file).walk("VEVENT")
    assert event["location"] == "Demo Hotel, Hof 3; Tor B, links, 10969 Berlin, Germany"
    (line,) = re.findall(rb"^LOCATION:(.*)\r$", file.replace(b"\r\n ", b""), re.M)
    assert line == rb"Demo Hotel\, Hof 3\; Tor B\, links\, 10969 Berlin\, Germany"


def test_writes_no_file_for_a_hold(browser: Client) -> None:
    hold(browser)

    assert browser.get(f"{booking_path(stored()[0])}/stay.ics").status_code == 404


def test_opens_and_cancels_by_the_link_in_another_browser(browser: Client) -> None:
    page = book(browser)
    link = page.html.split('id="manage-link" readonly value="')[1].split('"')[0]
    other = Client()

    response = other.get(link.removeprefix("http://testserver"))

    assert response.headers["Location"] == booking_path(stored()[0])
    page = open_page(other, booking_path(stored()[0]))
    assert stored()[0]["reference"] in page.text
    press(other, page.form_to(f"{booking_path(stored()[0])}/cancel"))
    assert stored()[0]["status"] == "cancelled"
    assert "You have no bookings yet." in open_page(other, "/bookings").text


def test_opens_nothing_else_by_a_link(browser: Client) -> None:
    book(browser)
    theirs = book_by_api().content["booking"]["id"]
    other = Client()
    token = manage_links.make_link_token(str(stored()[0]["_id"]), date.fromisoformat(night()))
    other.get(f"/manage/{token}")

    open_page(other, f"/bookings/{theirs}", expect=404)


def test_remembers_only_so_many_links(browser: Client) -> None:
    book(browser)
    booking_id = str(stored()[0]["_id"])
    other = Client()
    session = other.session
    session["managed_bookings"] = [str(number) for number in range(MAX_MANAGED)]
    session.save()
    other.cookies["sessionid"] = session.session_key

    other.get(f"/manage/{manage_links.make_link_token(booking_id, date.fromisoformat(night()))}")

    assert len(other.session["managed_bookings"]) == MAX_MANAGED
    assert other.session["managed_bookings"][-1] == booking_id


@pytest.mark.parametrize("fault", ["forged", "over", "empty"])
def test_refuses_a_link_that_is_forged_or_over(browser: Client, fault: str) -> None:
    book(browser)
    booking_id = str(stored()[0]["_id"])
    today = clock.today("UTC")
    token = manage_links.make_link_token(booking_id, today)
    if fault == "forged":
        token = token[:-1] + ("A" if token[-1] != "A" else "B")
    elif fault == "over":
        token = manage_links.make_link_token(booking_id, today - timedelta(days=31))
    else:
        token = "x"

    response = Client().get(f"/manage/{token}", follow=True)

    assert "This link is invalid or has expired." in Page(response.content.decode()).status
