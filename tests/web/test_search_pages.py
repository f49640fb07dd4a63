"""Looking for a stay: the first page, the results, a month of prices."""

from __future__ import annotations

from datetime import date, timedelta

import pytest
from django.test import Client

from bookings.infrastructure import clock
from bookings.models import Hotel
from tests.browsing import hold, open_page, press, stays_path
from tests.calls import book
from tests.conftest import night
from tests.hotels import put_night

pytestmark = pytest.mark.mongo


@pytest.fixture
def browser() -> Client:
    return Client()


def test_begins_with_tomorrow_and_leaves_no_trace(browser: Client) -> None:
    page = open_page(browser)

    form = page.form_to("/stays")
    tomorrow = clock.today("Europe/Berlin") + timedelta(days=1)
    assert form.fields["hotel"] == "demo"
    assert date.fromisoformat(form.fields["arrival"]) <= tomorrow
    assert form.fields["guests"] == "2"
    assert not browser.cookies


def test_shows_what_a_stay_costs_and_how_many_are_left(browser: Client, inn: None) -> None:
    book(resourceId="inn_A", checkIn=night(), checkOut=night(32))

    page = open_page(browser, stays_path(hotel="inn"))

    assert "EUR 100.00 per night" in page.text.replace("\xa0", " ")
    assert "EUR 200.00 in total" in page.text.replace("\xa0", " ")
    assert "2 rooms left" in page.text
    assert "We hold the room for up to 15 minutes while you enter your details." in page.text
    assert page.holdable == ["inn_double"]


def test_says_in_words_until_when_a_stay_can_be_cancelled(browser: Client, inn: None) -> None:
    said = f"Free cancellation until 15:00 on {date.fromisoformat(night()):%-d %B %Y}"

    offered = open_page(browser, stays_path(hotel="inn", guests=1))
    held = press(browser, offered.hold_form("inn_double"))
    Hotel.objects.filter(id="inn").update(cancel_hours=24 * 365)
    never = open_page(browser, stays_path(hotel="inn", guests=1))

    assert said in offered.text
    assert said in held.text
    assert "This stay can’t be cancelled." in never.text


def test_shows_a_price_that_differs_by_night(browser: Client, inn: None) -> None:
    put_night("inn_double", night(31), price=13_000)

    page = open_page(browser, stays_path(hotel="inn"))

    assert "EUR 100.00 to EUR 130.00 per night" in page.text.replace("\xa0", " ")
    assert page.hold_form("inn_double").fields["total"] == "23000"


def test_multiplies_by_rooms(browser: Client, inn: None) -> None:
    page = open_page(browser, stays_path(hotel="inn", rooms=3))

    assert page.hold_form("inn_double").fields["total"] == "60000"
    assert "for 3 rooms" in page.text
    assert "EUR 100.00 per night for each room" in page.text.replace("\xa0", " ")


def test_says_how_few_are_left_where_more_are_wanted(browser: Client, inn: None) -> None:
    page = open_page(browser, stays_path(hotel="inn", rooms=4))

    arrival = date.fromisoformat(night())
    last = arrival + timedelta(days=1)
    assert (
        f"Fewer than 4 of these rooms are free on {arrival:%-d %B} to {last:%-d %B}." in page.text
    )
    assert page.holdable == []


def test_names_the_nearest_dates_for_several_rooms(browser: Client, inn: None) -> None:
    book(resourceId="inn_A", date=night())
    book("other", resourceId="inn_B", date=night(31))
    book("third", resourceId="inn_C", date=night(29))

    page = open_page(browser, stays_path(hotel="inn", rooms=2))
    fewer = open_page(browser, stays_path(hotel="inn", rooms=1))

    assert "Only 1 of these rooms is free on every night." in page.text
    assert fewer.holdable == ["inn_double"]
    nearest = [url for text, url in page.links.items() if " to " in text and "arrival=" in url]
    ends = [(30, 31), (31, 33), (28, 30)]
    for (first, last), url in zip(ends, nearest, strict=True):
        assert f"arrival={night(first)}&departure={night(last)}&" in url
        assert open_page(browser, url).hold_form("inn_double").fields["rooms"] == "2"


def test_links_no_day_of_a_month_with_too_few_rooms(browser: Client, inn: None) -> None:
    first = next_month_but_one()
    book(resourceId="inn_A", date=first.isoformat())

    days = {
        rooms: open_page(browser, f"/calendar/inn_double?month={first:%Y-%m}&rooms={rooms}").links
        for rooms in (2, 3)
    }

    assert "1" in days[2]
    assert "1" not in days[3]
    assert "2" in days[3]


def test_names_the_taken_nights_and_the_nearest_dates(browser: Client, inn: None) -> None:
    for room in "ABC":
        book(room, resourceId=f"inn_{room}", date=night(31))

    page = open_page(browser, stays_path(hotel="inn"))

    taken = date.fromisoformat(night(31))
    assert f"Sold out on {taken:%-d %B}." in page.text
    assert page.holdable == []
    nearest = [url for text, url in page.links.items() if " to " in text and "arrival=" in url]
    assert len(nearest) == 3
    assert page.text.count(", 1 night") == 1, "how long it is, where that is not what was asked"
    for url in nearest:
        assert open_page(browser, url).holdable == ["inn_double"]


@pytest.mark.parametrize(
    ("fields", "sentence"),
    [
        ({"closed": True}, "Not available on"),
        ({"min_stay": 3}, ": 3 nights."),
        ({"closed_to_arrival": True}, "Check-in is not possible on"),
    ],
)
def test_gives_the_reason_why_a_stay_does_not_fit(
    browser: Client, inn: None, fields: dict[str, object], sentence: str
) -> None:
    put_night("inn_double", night(), **fields)

    page = open_page(browser, stays_path(hotel="inn"))

    assert sentence in page.text
    assert "inn_double" not in page.holdable


def test_says_which_rooms_are_too_small(browser: Client, inn: None) -> None:
    page = open_page(browser, stays_path(hotel="inn", guests=3))

    assert "Sleeps 2. Choose a larger room, or fewer guests per room." in page.text
    assert page.holdable == []


def test_leads_back_to_what_is_held_already(browser: Client) -> None:
    hold(browser)

    page = open_page(browser, stays_path())

    assert "You’re holding this." in page.text
    assert page.holdable == []
    assert "Your room is held" in open_page(browser, page.links["Continue booking"]).text


def test_shows_the_last_room_as_held_to_its_holder_alone(browser: Client, inn: None) -> None:
    hold(browser, stays_path(hotel="inn", guests=1), category="inn_single")

    own = open_page(browser, stays_path(hotel="inn", guests=1))
    others = open_page(Client(), stays_path(hotel="inn", guests=1))

    assert "You’re holding this." in own.text
    assert own.text.index("Single") < own.text.index("Cabin"), "what cannot be had comes last"
    assert "You’re holding this." not in others.text
    assert "Sold out" in others.text
    assert others.holdable == ["inn_double"]


@pytest.mark.parametrize(
    ("query", "field"),
    [
        ({"arrival": "2031-02-29"}, "id_arrival"),
        ({"arrival": "x"}, "id_arrival"),
        ({"arrival": "٢٠٣١-٠١-٠١"}, "id_arrival"),
        ({"arrival": "a\x00b"}, "id_arrival"),
        ({"arrival": "2020-01-01", "departure": "2020-01-02"}, "id_arrival"),
        ({"departure": "9999-12-31"}, "id_departure"),
        ({"departure": "2020-01-01"}, "id_departure"),
        ({"arrival": "2099-01-01", "departure": "2099-01-02"}, "id_departure"),
        ({"guests": "0"}, "id_guests"),
        ({"guests": "9" * 5000}, "id_guests"),
        ({"rooms": "11"}, "id_rooms"),
        ({"hotel": "nowhere"}, "id_hotel"),
        ({"departure": night(115), "rooms": "4"}, "id_rooms"),
    ],
)
def test_says_what_is_wrong_with_a_search_and_keeps_it(
    browser: Client, query: dict[str, str], field: str
) -> None:
    page = open_page(browser, stays_path(**query), expect=400)  # type: ignore[arg-type]

    assert f'aria-describedby="{field}_error"' in page.html
    assert page.holdable == []
    kept = page.form_to("/stays").fields
    assert all(kept[name] == value for name, value in query.items() if name != "hotel")


@pytest.mark.parametrize("path", ["/stays", "/stays?from=newsletter"])
def test_shows_the_empty_form_where_nothing_was_searched_for(browser: Client, path: str) -> None:
    page = open_page(browser, path)

    form = page.form_to("/stays")
    assert form.fields == {
        "hotel": "demo", "arrival": "", "departure": "", "guests": "2", "rooms": "1",
    }  # fmt: skip
    assert "aria-invalid" not in page.html
    assert page.holdable == []


def test_says_what_is_missing_from_half_a_search(browser: Client) -> None:
    page = open_page(browser, "/stays?hotel=demo", expect=400)

    assert 'aria-describedby="id_arrival_error"' in page.html


@pytest.mark.parametrize("path", ["/", "/stays?hotel=demo", "/bookings", "/calendar/demo_double"])
def test_never_lets_a_page_be_kept(browser: Client, path: str) -> None:
    assert "no-store" in browser.get(path).headers["Cache-Control"]


# --- A month --------------------------------------------------------------------------------


def next_month_but_one() -> date:
    return (date.today().replace(day=1) + timedelta(days=64)).replace(day=1)  # noqa: DTZ011


def test_shows_a_month_with_prices_and_ways_to_book(browser: Client, inn: None) -> None:
    first = next_month_but_one()
    put_night("inn_double", (first + timedelta(days=1)).isoformat(), closed=True)
    for room in "ABC":
        book(room, resourceId=f"inn_{room}", date=(first + timedelta(days=2)).isoformat())
    put_night("inn_double", (first + timedelta(days=3)).isoformat(), price=12_300, min_stay=3)

    page = open_page(browser, f"/calendar/inn_double?month={first:%Y-%m}&guests=1&rooms=2")

    days = {text: url for text, url in page.links.items() if text.isdigit()}
    assert "323.00" in page.text, "of the whole of the shortest stay"
    assert page.text.count("3 nights") == 1
    arrival, departure = first + timedelta(days=3), first + timedelta(days=6)
    assert f"arrival={arrival}&departure={departure}" in days["4"]
    assert "guests=1&rooms=2" in days["4"]
    assert "1" in days
    assert "2" not in days
    assert "3" not in days
    assert "full" in page.text
    assert "not available" in page.text
    assert open_page(browser, days["4"]).holdable == ["inn_double"]


def test_links_no_day_on_which_no_stay_can_begin(browser: Client, inn: None) -> None:
    first = next_month_but_one()
    for ahead in range(3):
        put_night("inn_single", (first + timedelta(days=ahead)).isoformat(), min_stay=3)
    book(resourceId="inn_S", date=(first + timedelta(days=3)).isoformat())

    page = open_page(browser, f"/calendar/inn_single?month={first:%Y-%m}&guests=1")

    assert [day for day in "12345" if day in page.links] == ["1", "5"]
    assert page.text.count("no arrivals") == 2


@pytest.mark.parametrize(
    ("category", "query", "offered"),
    [
        ("inn_double", "guests=3", 0),
        ("inn_double", "guests=2", 31),
        ("inn_double", "", 31),
        # If the number of guests is not given, a small room is shown for as many as it takes.
        ("inn_single", "", 31),
        ("inn_single", "guests=2", 0),
        ("inn_double", "rooms=4", 0),
        ("inn_double", "rooms=0&guests=0", 31),
        ("inn_double", "rooms=999&guests=999", 31),
    ],
)
def test_links_days_only_for_as_many_as_fit(
    browser: Client, inn: None, category: str, query: str, offered: int
) -> None:
    page = open_page(browser, f"/calendar/{category}?month={date.today().year + 1}-01&{query}")  # noqa: DTZ011

    days = [url for text, url in page.links.items() if text.isdigit()]
    assert len(days) == offered
    assert ("Choose a larger room" in page.text) == ("guests=" in query and not offered)
    for url in days[::10]:
        assert category in open_page(browser, url).holdable


def test_links_no_day_that_the_results_refuse(browser: Client, inn: None) -> None:
    last = clock.today("UTC") + timedelta(days=730)
    put_night("inn_double", (last - timedelta(days=1)).isoformat(), min_stay=2)

    page = open_page(browser, f"/calendar/inn_double?month={last:%Y-%m}")

    days = [int(text) for text in page.links if text.isdigit()]
    assert last.day not in days
    assert last.day - 1 not in days
    for url in (url for text, url in page.links.items() if text.isdigit()):
        assert open_page(browser, url).holdable == ["inn_double"]


def test_walks_from_month_to_month_to_the_end_of_what_is_sold(browser: Client) -> None:
    path = "/calendar/demo_double?guests=2"
    months = 0
    while path:
        page = open_page(browser, path)
        months += 1
        path = page.links.get("Later", "")

    assert 24 <= months <= 26
    assert "Earlier" in page.links
    assert "Earlier" not in open_page(browser, "/calendar/demo_double").links


@pytest.mark.parametrize("month", ["2020-01", "2099-01", "0000-01", "2027-13", "x", "2027-1\x00"])
def test_knows_no_month_that_is_not_sold(browser: Client, month: str) -> None:
    page = open_page(browser, f"/calendar/demo_double?month={month}", expect=400)

    assert "Enter a valid month, as YYYY-MM." in page.text


def test_knows_no_calendar_of_nothing(browser: Client) -> None:
    open_page(browser, "/calendar/nothing", expect=404)


def test_needs_no_login_to_see_anything(browser: Client) -> None:
    page = open_page(browser, stays_path())

    assert page.holdable == ["demo_double"]
    assert "Log in" in page.links
    assert press(browser, page.hold_form("demo_double")).forms_to("/logout") == []
