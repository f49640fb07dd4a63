"""The page on which guests change the dates or the room of their stay."""

from __future__ import annotations

import datetime as dt
from typing import Any
from urllib.parse import urlencode

import pytest
from django.test import Client

from bookings.models import Hotel, RoomCategory
from bookings.stays import manage_links
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
from tests.conftest import night
from tests.hotels import put_night
from tests.pages import Form, Page

pytestmark = [pytest.mark.mongo, pytest.mark.usefixtures("inn")]


@pytest.fixture
def browser() -> Client:
    """The browser of a person without an account."""
    return Client()


def book_in_the_inn(browser: Client, *, category: str = "inn_double", guests: int = 1) -> str:
    """Two nights a month ahead; returns the path of the change."""
    book(browser, stays_path(hotel="inn", guests=guests), category=category)
    return f"{booking_path(stored()[0])}/change"


def preview_path(path: str, first: int = 30, last: int = 33, **more: str) -> str:
    return f"{path}?{urlencode({'arrival': night(first), 'departure': night(last), **more})}"


def change_form(page: Page) -> Form:
    (form,) = [form for form in page.forms if "total" in form.fields]
    return form


def can_change(page: Page) -> bool:
    return any("total" in form.fields for form in page.forms)


def events() -> list[str]:
    return [change["event"] for change in stored()[0]["history"]]


def test_shows_the_stay_before_and_after_and_changes_it(browser: Client) -> None:
    path = book_in_the_inn(browser)
    put_night("inn_double", night(32), price=15_000)
    page = open_page(
        browser, open_page(browser, path.removesuffix("/change")).links["Change dates or room"]
    )
    assert not can_change(page)

    preview = open_page(browser, preview_path(path))

    assert "EUR 150.00 more than now." in preview.text
    assert "Total EUR 350.00" in preview.text
    assert "Free cancellation until" in preview.text
    assert preview.text.count("as booked") == 2
    done = press(browser, change_form(preview))
    assert "Your stay is changed." in done.status
    assert "Total EUR 350.00" in done.text
    assert (stored()[0]["check_out"], events()[-1]) == (night(33), "changed")


def test_changes_once_however_often_the_button_is_pressed(browser: Client) -> None:
    path = book_in_the_inn(browser)
    preview = open_page(browser, preview_path(path))
    back = open_page(browser, preview_path(path, 30, 32))

    press(browser, change_form(preview))
    press(browser, change_form(preview))
    press(browser, change_form(open_page(browser, preview_path(path, 30, 31))))
    again = press(browser, change_form(preview))

    assert not can_change(back)
    assert events() == ["created", "confirmed", "changed", "changed"]
    # An old page that is sent again does not change the stay back.
    assert stored()[0]["check_out"] == night(31)
    assert "Total EUR 100.00" in again.text


def test_gives_each_preview_a_key_of_its_own(browser: Client) -> None:
    path = book_in_the_inn(browser)

    keys = {change_form(open_page(browser, preview_path(path))).fields["key"] for _ in range(2)}

    assert len(keys) == 2


def test_changes_the_category_at_todays_price(browser: Client) -> None:
    path = book_in_the_inn(browser)

    preview = open_page(browser, preview_path(path, 30, 32, category="inn_single"))
    done = press(browser, change_form(preview))

    assert "EUR 60.00 less than now. All nights cost today’s price." in preview.text
    assert "Single, Room S" in done.text


def test_asks_for_no_category_where_rooms_differ(browser: Client) -> None:
    made = book_by_api(
        rooms=[{"categoryId": "inn_double"}, {"categoryId": "inn_single"}],
        checkIn=night(30),
        checkOut=night(32),
    )
    booking_id = made.content["booking"]["id"]
    token = manage_links.make_link_token(booking_id, dt.date.fromisoformat(night(32)))
    browser.get(f"/manage/{token}")

    preview = open_page(browser, preview_path(f"/bookings/{booking_id}/change"))
    press(browser, change_form(preview))

    assert all("category" not in form.fields for form in preview.forms)
    assert "Double, Single" in preview.text
    assert stored()[0]["check_out"] == night(33)


@pytest.mark.parametrize(
    ("hotel", "category", "words"),
    [
        ("inn", "inn_double", "Choose other dates or another room to change it."),
        ("demo", "demo_double", "Choose other dates to change it."),
    ],
)
def test_offers_another_room_only_where_there_is_one(
    browser: Client, hotel: str, category: str, words: str
) -> None:
    book(browser, stays_path(hotel=hotel), category=category)
    (booking,) = stored()
    dates = {"arrival": booking["check_in"], "departure": booking["check_out"]}

    page = open_page(browser, f"{booking_path(booking)}/change?{urlencode(dates)}")

    assert words in page.text


def test_says_that_the_price_has_changed_and_shows_the_new_one(browser: Client) -> None:
    path = book_in_the_inn(browser)
    form = change_form(open_page(browser, preview_path(path)))
    category = RoomCategory.objects.get(id="inn_double")
    category.default_price = 20_000
    category.save()

    refused = press(browser, form, expect=409)
    done = press(browser, change_form(refused))

    assert "The price has changed since you opened this page" in refused.status
    assert "EUR 200.00 more than now." in refused.text
    assert "Total EUR 400.00" in done.text


def test_says_that_a_stay_is_sold_out_and_what_is_near(browser: Client) -> None:
    path = book_in_the_inn(browser, category="inn_single")
    form = change_form(open_page(browser, preview_path(path)))
    book_by_api("rival", categoryId="inn_single", date=night(32))

    refused = press(browser, form, expect=409)

    assert "Someone else has just taken the last room for these nights" in refused.status
    assert "Sold out on" in refused.text
    assert "Your present stay is not affected." in refused.text
    near = [link for link in refused.links.values() if "arrival=" in link]
    assert near
    assert can_change(open_page(browser, near[0]))
    assert events() == ["created", "confirmed"]


def test_says_why_the_calendar_does_not_sell_a_stay(browser: Client) -> None:
    path = book_in_the_inn(browser)
    put_night("inn_double", night(33), price=10_000, closed_to_departure=True)

    page = open_page(browser, preview_path(path))

    assert "Check-out is not possible on" in page.text
    assert not can_change(page)


def test_does_not_say_of_its_own_nights_that_they_are_sold_out(browser: Client) -> None:
    path = book_in_the_inn(browser, category="inn_single")

    assert can_change(open_page(browser, preview_path(path, 31, 33)))


@pytest.mark.parametrize(
    ("asked", "said"),
    [
        ({"arrival": "x", "departure": "y"}, "Enter a valid date"),
        ({"arrival": "", "departure": ""}, "Choose a date."),
        ({"departure": night(29)}, "after the arrival date"),
        ({"arrival": night(-2)}, "this day has already ended"),
        ({"arrival": night(729), "departure": night(732)}, "within the next 730 days"),
        ({"departure": night(121)}, "at most 90 nights"),
        ({"category": "nowhere"}, None),
    ],
)
def test_says_what_is_wrong_with_the_dates(
    browser: Client, asked: dict[str, str], said: str | None
) -> None:
    path = book_in_the_inn(browser)
    query = urlencode({"arrival": night(30), "departure": night(33), **asked})

    page = open_page(browser, f"{path}?{query}", expect=400)

    assert not can_change(page)
    if said:
        assert said in page.text


@pytest.mark.parametrize("field", ["total", "key", "arrival"])
@pytest.mark.parametrize("value", ["", "\x00", "auto:x", "9" * 400])
def test_changes_nothing_for_a_damaged_form(browser: Client, field: str, value: str) -> None:
    path = book_in_the_inn(browser)
    form = change_form(open_page(browser, preview_path(path)))

    response = browser.post(form.action, {**form.fields, field: value})

    assert response.status_code == 400
    assert events() == ["created", "confirmed"]


def test_says_when_it_is_too_late(browser: Client) -> None:
    path = book_in_the_inn(browser)
    form = change_form(open_page(browser, preview_path(path)))
    hotel = Hotel.objects.get(id="inn")
    hotel.cancel_hours = 24 * 365
    hotel.save()

    refused = press(browser, form, expect=409)
    page = open_page(browser, path)

    assert "We haven’t changed anything." in refused.status
    assert "The deadline for changing this stay here was" in refused.text
    assert page.forms_to(path) == []
    assert "Change dates or room" not in open_page(browser, path.removesuffix("/change")).text


def test_says_that_a_cancelled_stay_is_over(browser: Client) -> None:
    path = book_in_the_inn(browser)
    page = open_page(browser, path.removesuffix("/change"))
    press(browser, page.form_to(path.replace("/change", "/cancel")))

    assert "This booking is over" in open_page(browser, path).text


def test_changes_a_hold_which_is_confirmed_afterwards(browser: Client) -> None:
    page = hold(browser, stays_path(hotel="inn", guests=1), category="inn_double")
    preview = open_page(browser, preview_path(page.links["Change dates or room"]))

    held = press(browser, change_form(preview))
    (form,) = [form for form in held.forms if form.action.endswith("/confirm")]
    done = press(browser, form, name="Ada", email="ada@example.org")

    assert "Your room is booked" in done.text
    assert stored()[0]["check_out"] == night(33)


def test_holds_the_first_dates_again_after_the_hold_was_changed(browser: Client) -> None:
    """The key of the search that made the hold still names it, but the guest asks for other
    dates."""
    path = stays_path(hotel="inn", guests=1)
    page = hold(browser, path, category="inn_double")
    preview = preview_path(page.links["Change dates or room"], 40, 42)
    press(browser, change_form(open_page(browser, preview)))

    results = open_page(browser, path)
    held = press(browser, results.hold_form("inn_double"))
    again = press(browser, results.hold_form("inn_double"))

    assert "Your room is held" in held.text
    stays = [(each["check_in"], each["check_out"]) for each in stored()]
    assert stays == [(night(40), night(42)), (night(30), night(32))]
    assert str(stored()[1]["_id"]) in confirm_form(again).action
    done = press(browser, confirm_form(again), **ADA)
    assert "Your room is booked" in done.text
    assert [each["status"] for each in stored()] == ["pending", "confirmed"]


def test_says_of_an_old_page_of_the_hold_that_the_stay_has_changed(browser: Client) -> None:
    page = hold(browser, stays_path(hotel="inn", guests=1), category="inn_double")
    (old,) = [form for form in page.forms if form.action.endswith("/confirm")]
    press(
        browser, change_form(open_page(browser, preview_path(page.links["Change dates or room"])))
    )

    refused = press(browser, old, name="Ada", email="ada@example.org", expect=409)

    assert "Changed since you opened this page: dates now" in refused.status


def test_knows_no_booking_but_ones_own(browser: Client) -> None:
    booking_id = book_by_api().content["booking"]["id"]
    path = f"/bookings/{booking_id}/change"

    assert browser.get(path).status_code == 404
    assert browser.post(path, {"arrival": night(30), "departure": night(33)}).status_code == 404


def test_opens_by_the_link_in_another_browser(browser: Client) -> None:
    path = book_in_the_inn(browser)
    token = manage_links.make_link_token(str(stored()[0]["_id"]), dt.date.fromisoformat(night(32)))
    other = Client()
    other.get(f"/manage/{token}")

    press(other, change_form(open_page(other, preview_path(path))))

    assert stored()[0]["check_out"] == night(33)


def test_tells_its_script_where_to_go_and_what_is_wrong(browser: Client) -> None:
    path = book_in_the_inn(browser)
    form = change_form(open_page(browser, preview_path(path)))

    done: Any = ask(browser, form).json()
    # A refusal comes as a page, which shows what is possible now.
    refused = ask(browser, form, key="other", total="1")

    assert done == {"location": path.removesuffix("/change")}
    assert refused.status_code == 409
    assert refused["Content-Type"].startswith("text/html")
