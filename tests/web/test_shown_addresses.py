"""E-mail addresses as people read them, and the organizer that a calendar file names."""

from __future__ import annotations

from email.utils import parseaddr

import pytest
from django.contrib.auth.models import User
from django.test import Client
from icalendar import Calendar
from pytest_django import Settings

from bookings.catalogue.inventory import find_hotel
from bookings.domain.email_addresses import as_people_write
from bookings.models import Hotel
from bookings.people import account_letters
from bookings.stays import queries
from bookings.stays.calendar_file import write_stay_file
from tests.browsing import ADA, booking_path, confirm_form, hold, open_page, press, stored
from tests.calls import book

pytestmark = pytest.mark.mongo

PEOPLE, MAIL = "ada@bücher.example", "ada@xn--bcher-kva.example"


@pytest.mark.parametrize(
    ("address", "shown"),
    [
        (MAIL, PEOPLE),
        ("ada@example.org", "ada@example.org"),
        ("ada@xn--.example", "ada@xn--.example"),
        ("ada@xn--a.example", "ada@xn--a.example"),  # no word of other letters
        ("xn--bcher-kva@example.org", "xn--bcher-kva@example.org"),
        ("frontdesk", "frontdesk"),
        ("", ""),
    ],
)
def test_writes_a_domain_in_its_own_letters(address: str, shown: str) -> None:
    assert as_people_write(address) == shown


def test_shows_a_guest_their_address_as_they_typed_it() -> None:
    browser = Client()

    page = press(browser, confirm_form(hold(browser)), **{**ADA, "email": PEOPLE})
    found = open_page(browser, booking_path(stored()[0]))

    assert stored()[0]["guest"]["email"] == MAIL
    for shown in (page, found):
        assert PEOPLE in shown.text
        assert "xn--" not in shown.text


def test_shows_people_their_own_account_so() -> None:
    browser = Client()
    browser.force_login(User.objects.create_user(MAIL, email=MAIL))

    page = browser.get("/bookings").content.decode()
    form = confirm_form(hold(browser))

    assert f'<span class="who">{PEOPLE}</span>' in page
    assert form.fields["email"] == PEOPLE


def test_shows_the_address_of_a_letter_so() -> None:
    account_letters.ask_for_letter(purpose=account_letters.REGISTER, address=MAIL)
    token = account_letters._signer(account_letters.REGISTER).sign(
        str(account_letters.collection("letters").find_one({})["_id"])  # type: ignore[index]
    )
    browser = Client()

    page = browser.get(f"/register/{token}", follow=True).content.decode()

    assert PEOPLE in page
    assert "xn--" not in page


# --- Calendar files ------------------------------------------------------------------------


def organizer(*, is_off: bool = False) -> tuple[str, str]:
    """Returns name and address in the file of a stay, as another program reads them."""
    book()
    booking = queries.find_booking(str(stored()[0]["_id"]), owners=None)
    hotel = find_hotel("demo")
    assert booking is not None
    assert hotel is not None
    written = write_stay_file(booking, hotel=hotel, address="", rooms=["Room A"], is_off=is_off)
    (event,) = Calendar.from_ical(written).walk("VEVENT")
    return str(event["organizer"].params["CN"]), str(event["organizer"])


@pytest.mark.parametrize("is_off", [False, True])
def test_names_the_hotel_as_the_organizer(settings: Settings, is_off: bool) -> None:
    settings.DEFAULT_FROM_EMAIL = "Bookings <bookings@bookings.example>"

    assert organizer(is_off=is_off) == ("Demo Hotel", "mailto:bookings@bookings.example")


def test_takes_the_address_that_letters_are_from(settings: Settings) -> None:
    settings.DEFAULT_FROM_EMAIL = "desk@hotel.example"

    assert organizer()[1] == f"mailto:{parseaddr(settings.DEFAULT_FROM_EMAIL)[1]}"


@pytest.mark.parametrize("name", ['Hotel "Zur Post"; a, b: c', "Hotel\r\nATTENDEE:mailto:e@x"])
def test_is_not_broken_by_a_hotels_name(settings: Settings, name: str) -> None:
    hotel = Hotel.objects.get(pk="demo")
    Hotel.objects.filter(pk="demo").update(name=name)
    try:
        called, address = organizer()
    finally:
        hotel.save()

    assert address.startswith("mailto:")
    assert "\n" not in called
    assert called.replace("'", '"') == name.replace("\r\n", " ")
