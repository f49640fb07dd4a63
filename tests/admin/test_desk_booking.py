"""Booking by phone and moving by choosing: lists of free rooms, and no ids to type."""

from __future__ import annotations

from typing import Any

import pytest
from django.contrib.auth.models import User
from django.test import Client

from bookings.models import Room, RoomCategory
from tests.admin.test_bookings import ADD, LIST
from tests.calls import book, stored
from tests.conftest import night
from tests.hotels import put_night

ROOMS = "/admin/desk/rooms/"

pytestmark = [pytest.mark.mongo, pytest.mark.usefixtures("inn")]


@pytest.fixture
def desk(client: Client) -> Client:
    client.force_login(User.objects.create_superuser("staff"))
    return client


def options(form: Any, name: str) -> dict[str, list[str]]:
    """Returns the ids in a list by the label of their group; with several lists, in the first."""
    widget = form.fields[name].widget
    groups = widget.positions[0][1] if name == "rooms" else widget.choices
    return {
        label: [key for key, _ in listed] for label, listed in groups if isinstance(listed, list)
    }


def opened(page: Client, **query: str) -> Any:
    dates = {"check_in": night(10), "check_out": night(12)}
    return page.get(ADD, {"hotel": "inn", **dates, **query}).context["form"]


def test_offers_free_rooms_and_categories_with_prices(desk: Client) -> None:
    book("other", resourceId="inn_A", date=night(11))
    put_night("inn_cabin", night(10), price=20_000)

    form = opened(desk, guests="2")

    assert options(form, "room") == {"Double, EUR\xa0200.00": ["inn_B", "inn_C"]}
    assert options(form, "category") == {"Any room of": ["inn_double"]}
    assert form.offered == "Free for these dates and guests: 2 rooms."


def test_shows_what_is_free_on_other_dates_keeping_what_was_typed_and_the_key(
    desk: Client,
) -> None:
    book("other", resourceId="inn_A", date=night(20))
    first = opened(desk)
    typed = {name: first[name].value() or "" for name in first.fields}
    typed |= {"check_in": night(20), "check_out": night(21), "guest_name": "Ada", "room": "inn_B"}

    response = desk.post(ADD, {**typed, "show": "Show free rooms"})

    form = response.context["form"]
    assert "inn_A" not in options(form, "room")["Double, EUR\xa0100.00"]
    assert {name: form[name].value() for name in ("guest_name", "room", "key")} == {
        "guest_name": "Ada",
        "room": "inn_B",
        "key": first["key"].value(),
    }
    assert stored()[-1]["guest"]["name"] == ""
    assert not form.errors


def test_keeps_a_room_that_is_not_free_in_the_list_and_says_so(desk: Client) -> None:
    book("other", resourceId="inn_A", checkIn=night(10), checkOut=night(12))

    form = opened(desk, room="inn_A")

    assert options(form, "room")["Not free for these dates"] == ["inn_A"]


@pytest.mark.parametrize(
    ("query", "said"),
    [
        ({"check_out": night(10)}, "after"),
        ({"check_in": "2001-01-01"}, "Free for"),  # which is not a choice, so the page shows today
        ({"guests": "x"}, "Choose dates"),
        ({"guests": "101"}, "Choose dates"),
    ],
)
def test_says_what_is_missing_to_show_rooms(desk: Client, query: dict[str, str], said: str) -> None:
    assert said in opened(desk, **query).offered


def test_leads_from_free_rooms_to_the_form(desk: Client) -> None:
    book("other", resourceId="inn_A", date=night(11))
    dates = {"check_in": night(10), "check_out": night(12), "guests": "2"}

    page = desk.get(ROOMS, {"hotel": "inn", **dates})

    cabin, double, single = page.context["lines"]
    assert (double.price, [name for name, *_ in double.rooms]) == (
        "EUR\xa0200.00",
        ["Room B", "Room C"],
    )
    assert "Not for sale" in cabin.why_not
    assert "at most 1 guest" in single.why_not
    form = desk.get(f"{ADD}?{double.rooms[0][1]}").context["form"]
    assert [str(form[name].value()) for name in ("room", "check_in", "check_out", "guests")] == [
        *("inn_B", night(10), night(12), "2"),
    ]


def test_says_why_no_rooms_can_be_shown(desk: Client) -> None:
    wrong = {"hotel": "inn", "check_in": night(10), "check_out": night(9)}

    assert "errornote" in desk.get(ROOMS, wrong).content.decode()


# --- Moving -------------------------------------------------------------------------------------


def move_form(page: Client, made: Any, **query: str) -> Any:
    return page.get(f"{LIST}{made.content['booking']['id']}/move/", query).context["form"]


def stay(key: str = "key", room: str = "inn_A", **more: Any) -> Any:
    return book(key, resourceId=room, checkIn=night(10), checkOut=night(12), **more)


def suite() -> None:
    """A dearer category of the inn, for four."""
    category = RoomCategory.objects.create(
        id="inn_suite", hotel_id="inn", name="Suite", occupancy=4, default_price=15_000
    )
    Room.objects.create(id="inn_Z", category=category, name="Room Z")


def test_offers_free_rooms_its_own_category_first_with_the_difference_in_price(
    desk: Client,
) -> None:
    suite()
    made, _ = stay(guests=2), stay("other", "inn_B")

    same_dates = options(move_form(desk, made), "rooms")
    longer = options(move_form(desk, made, check_out=night(14)), "rooms")

    # The single takes one guest; a booked night keeps its price in any room.
    assert same_dates == {
        "Double: same price": ["inn_A", "inn_C"],
        "Cabin: same price": ["inn_X"],
        "Suite: same price": ["inn_Z"],
    }
    assert longer == {
        "Double: EUR\xa0200.00 more": ["inn_A", "inn_C"],
        "Cabin: EUR\xa0400.00 more": ["inn_X"],
        "Suite: EUR\xa0300.00 more": ["inn_Z"],
    }


def test_tells_the_difference_that_the_move_then_makes(desk: Client) -> None:
    suite()
    made = stay(guests=2)
    shown = move_form(desk, made)
    sent = {name: shown[name].value() for name in shown.fields}
    sent |= {"rooms": "inn_Z", "check_in": night(11), "check_out": night(13)}
    address = f"{LIST}{made.content['booking']['id']}/move/"

    again = desk.post(address, {**sent, "show": "1"}).context["form"]
    desk.post(address, sent | {name: again[name].value() for name in ("quoted", "currency")})

    assert "inn_Z" in options(again, "rooms")["Suite: EUR\xa050.00 more"]
    assert stored()[0]["price"]["total"] == 25_000
    assert len(stored()[0]["history"]) == 2


def test_leaves_out_rooms_of_live_bookings_and_not_of_dead_holds(desk: Client) -> None:
    made = stay()
    stay("dead", "inn_B", hold=True)
    stay("live", "inn_C", hold=True)
    from bookings.infrastructure import clock, connections

    connections.collection("bookings").update_one(
        {"rooms.room": "inn_B"}, {"$set": {"expires_at": clock.now()}}
    )

    assert options(move_form(desk, made), "rooms")["Double: same price"] == ["inn_A", "inn_B"]


def test_has_a_list_for_each_room_of_a_booking(desk: Client) -> None:
    wish = {"rooms": [{"categoryId": "inn_double"}, {"categoryId": "inn_single"}]}
    made = book(**wish, checkIn=night(10), checkOut=night(12))
    address = f"{LIST}{made.content['booking']['id']}/move/"
    sent = {
        "key": "k",
        "version": "1",
        "check_in": night(10),
        "check_out": night(12),
        "rooms": ["inn_S", "inn_C"],
        "quoted": str(made.content["booking"]["price"]["total"]),
        "currency": "EUR",
    }

    page = desk.get(address).content.decode()
    desk.post(address, sent)

    assert page.count('name="rooms"') == 2
    assert 'aria-label="Room 2: Room S now, 1 guest"' in page
    assert [booked["room"] for booked in stored()[0]["rooms"]] == ["inn_S", "inn_C"]


def test_keeps_every_room_that_was_chosen_after_a_definite_refusal(desk: Client) -> None:
    wish = {"rooms": [{"categoryId": "inn_double"}, {"categoryId": "inn_double"}]}
    made = book("two", **wish, checkIn=night(10), checkOut=night(12))
    stay("other", "inn_C")
    sent = {
        "key": "k",
        "version": "1",
        "check_in": night(10),
        "check_out": night(12),
        "rooms": ["inn_B", "inn_C"],
        "quoted": "40000",
        "currency": "EUR",
    }

    refused = desk.post(f"{LIST}{made.content['booking']['id']}/move/", sent)

    assert refused.context["form"]["rooms"].value() == "inn_B\ninn_C"
    assert refused.context["form"]["key"].value() != "k"


@pytest.mark.parametrize("query", [{"check_out": night(9)}, {"check_in": "2031-02-29"}])
def test_says_why_no_room_can_be_chosen_for_these_dates(
    desk: Client, query: dict[str, str]
) -> None:
    form = move_form(desk, stay(), **query)

    assert form.offered
    assert options(form, "rooms") == {}
