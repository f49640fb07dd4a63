"""Guests read the names of room categories in their own language, wherever rooms are named."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from django.contrib.auth.models import User
from django.core import mail
from django.test import Client

from bookings import tasks
from bookings.models import RoomCategory
from tests.browsing import ADA, booking_path, confirm_form, open_page, press, stays_path, stored
from tests.conftest import night

pytestmark = pytest.mark.mongo

GERMAN, ENGLISH = "Zweibettzimmer", "Double"

PAGES = (
    "/hotels/inn",
    stays_path(hotel="inn"),
    f"/calendar/inn_double?month={night()[:7]}",
)


@pytest.fixture(autouse=True)
def _named(inn: None) -> Iterator[None]:
    RoomCategory.objects.filter(pk="inn_double").update(names={"de": GERMAN})
    yield
    RoomCategory.objects.filter(pk="inn_double").update(names={})


@pytest.mark.parametrize("path", PAGES)
def test_are_in_the_language_of_the_page(database: None, path: str) -> None:
    german = open_page(Client(headers={"accept-language": "de"}), path)
    english = open_page(Client(headers={"accept-language": "en"}), path)

    assert GERMAN in german.text
    assert GERMAN in german.html.partition("<title>")[2] or "calendar" not in path
    assert GERMAN not in english.html
    assert ENGLISH in english.text


def test_are_in_the_language_of_the_guest_from_the_hold_to_the_mail(database: None) -> None:
    browser = Client(headers={"accept-language": "de"})
    held = press(browser, open_page(browser, PAGES[1]).hold_form("inn_double"))
    booked = press(browser, confirm_form(held), **ADA)
    (document,) = stored()
    own = open_page(browser, "/bookings")
    change = open_page(browser, f"{booking_path(document)}/change")
    tasks.pass_on_news()
    assert tasks.send_notifications() == 1

    for page in (held, booked, own, change):
        assert GERMAN in page.text
        assert f"{ENGLISH}," not in page.text
    assert GERMAN in mail.outbox[0].body


def test_fall_back_to_the_name_and_stay_it_for_staff(database: None) -> None:
    german = open_page(Client(headers={"accept-language": "de"}), PAGES[1])
    desk = Client(headers={"accept-language": "de"})
    desk.force_login(User.objects.create_superuser("desk"))

    rooms = open_page(desk, f"/admin/desk/rooms/?hotel=inn&arrival={night()}&departure={night(31)}")

    assert "Single" in german.text
    assert ENGLISH in rooms.text
    assert GERMAN not in rooms.text


def test_are_written_by_the_owner_in_each_language(database: None) -> None:
    desk = Client()
    desk.force_login(User.objects.create_superuser("desk"))
    path = "/admin/bookings/roomcategory/inn_double/change/"
    (form,) = [form for form in open_page(desk, path).forms if "names_de" in form.fields]

    press(desk, form, names_de="Doppelzimmer", to=path)

    assert RoomCategory.objects.get(pk="inn_double").names == {"de": "Doppelzimmer"}
    press(desk, form, names_de="x" * 201, to=path)
    assert RoomCategory.objects.get(pk="inn_double").names == {"de": "Doppelzimmer"}
