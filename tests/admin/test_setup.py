"""The guided set-up, from an empty hotel to one that guests can book."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from typing import Any

import pytest
from django.contrib.auth.models import Group, Permission, User
from django.core import mail
from django.test import Client
from pytest_django import Settings

from bookings.catalogue import setting_up
from bookings.catalogue.setting_up import read_room_names
from bookings.content import reading
from bookings.infrastructure import clock
from bookings.infrastructure.connections import collection
from bookings.infrastructure.recent_reads import announce_change
from bookings.models import (
    ApiClient,
    Hotel,
    HotelContent,
    Room,
    RoomCategory,
    VerifiedAddress,
)
from bookings.operations import checklist
from bookings.people import account_letters, colleagues, roles
from bookings.people.tokens import issue_token
from tests.calls import book
from tests.conftest import night
from tests.pages import Page

SETUP = "/admin/setup/"
SEASIDE = f"{SETUP}seaside-inn/"
HOTEL = {
    "name": "Seaside Inn",
    "time_zone": "Europe/Berlin",
    "currency": "EUR",
    "check_in_time": "15:00",
    "check_out_time": "11:00",
    "email": "info@seaside.example",
    "id": "",
}


@pytest.fixture
def owner(client: Client, database: None) -> Iterator[Client]:
    client.force_login(User.objects.create_superuser("owner", "owner@seaside.example"))
    yield client
    mine = {"_id": {"$regex": "^seaside-inn"}}
    for name in ("hotel_contents", "category_contents", "rooms", "room_categories", "hotels"):
        collection(name).delete_many(mine)
    announce_change()


def text_of(response: Any) -> str:
    return Page(response.content.decode()).text


def seen(response: Any) -> str:
    return response.context["seen"]


def add_hotel(owner: Client, **changes: str) -> Any:
    return owner.post(f"{SETUP}new/", {**HOTEL, **changes})


def save_categories(owner: Client, *rows: tuple[str, str, str], **more: str) -> Any:
    """Types the rows into the empty ones."""
    form = {"seen": seen(owner.get(f"{SEASIDE}categories/")), **more}
    for number, (name, occupancy, price) in enumerate(rows):
        form |= {
            f"new{number}-name": name,
            f"new{number}-occupancy": occupancy,
            f"new{number}-price": price,
        }
    return owner.post(f"{SEASIDE}categories/", form)


@pytest.fixture
def begun(owner: Client) -> Client:
    """The hotel with a category of two rooms, not open."""
    add_hotel(owner)
    save_categories(owner, ("Double", "2", "120"))
    owner.post(f"{SEASIDE}rooms/", {"seaside-inn-double": "101-102"})
    return owner


# --- Names of rooms -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ("", []),
        (" , ;\n", []),
        ("101", ["101"]),
        ("101-103, 201", ["101", "102", "103", "201"]),
        ("101 - 103;201\n202", ["101", "102", "103", "201", "202"]),
        ("A1-A3", ["A1", "A2", "A3"]),
        ("A1-3", ["A1", "A2", "A3"]),
        ("a1-A2", ["a1", "a2"]),
        ("Room 9 - Room 11", ["Room 9", "Room 10", "Room 11"]),
        ("008-011", ["008", "009", "010", "011"]),
        ("98–101", ["98", "99", "100", "101"]),
        ("101, 101-102", ["101", "102"]),
        ("Garden-House, A-1", ["Garden-House", "A-1"]),
        ("A1-B3", ["A1-B3"]),
        ("  Garden   House ", ["Garden House"]),
        ("1-500", [str(number) for number in range(1, 501)]),
    ],
)
def test_reads_the_names_of_rooms(text: str, names: list[str]) -> None:
    assert read_room_names(text) == names


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("110-101", "Write the smaller number first: 101-110."),
        ("1-501", "Add at most 500 rooms at a time."),
        ("1-300, 1001-1300", "Add at most 500 rooms at a time."),
        ("1-999999999", "Add at most 500 rooms at a time."),
        ("x" * 201, "Use at most 200 characters"),
        ("bell\x07", "Write this on one line"),
    ],
)
def test_refuses_other_texts_with_a_sentence(text: str, sentence: str) -> None:
    with pytest.raises(ValueError, match=sentence):
        read_room_names(text)


pytestmark = pytest.mark.mongo


# --- From nothing to open -----------------------------------------------------------------------


def test_goes_from_nothing_to_a_hotel_that_can_be_booked(owner: Client, client: Client) -> None:
    added = add_hotel(owner)
    assert added.url == f"{SEASIDE}categories/"
    assert save_categories(owner, ("Double", "2", "120"), ("Suite", "4", "250.50")).url == (
        f"{SEASIDE}rooms/"
    )
    rooms = {"seaside-inn-double": "101-103", "seaside-inn-suite": "Loft"}
    assert owner.post(f"{SEASIDE}rooms/", rooms).url == f"{SEASIDE}photos/"
    for step in ("photos", "colleagues", "preview"):
        assert owner.get(f"{SEASIDE}{step}/").status_code == 200

    hotel = Hotel.objects.get(pk="seaside-inn")
    assert (hotel.code, hotel.time_zone, hotel.currency) == ("SEASI", "Europe/Berlin", "EUR")
    assert HotelContent.objects.get(pk="seaside-inn").email == "info@seaside.example"
    found = RoomCategory.objects.filter(hotel="seaside-inn")
    assert {(each.pk, each.occupancy, each.default_price) for each in found} == {
        ("seaside-inn-double", 2, 12_000),
        ("seaside-inn-suite", 4, 25_050),
    }
    assert set(Room.objects.filter(hotel="seaside-inn").values_list("pk", "name", "is_sold")) == {
        *((f"seaside-inn-{name}", name, True) for name in ("101", "102", "103")),
        ("seaside-inn-loft", "Loft", True),
    }
    assert "There is no such room." in str(book(resourceId="seaside-inn-101").content)

    opened = owner.post(f"{SEASIDE}preview/", follow=True)

    assert "Seaside Inn is open for booking." in text_of(opened)
    assert book(resourceId="seaside-inn-101").code is None


# --- Before it opens ----------------------------------------------------------------------------


def search(hotel: str = "seaside-inn") -> str:
    return f"/stays?hotel={hotel}&arrival={night(2)}&departure={night(3)}&guests=1&rooms=1"


def test_shows_guests_nothing_until_it_opens(
    begun: Client,
) -> None:
    token = issue_token(ApiClient.objects.create(name="partner").pk)
    guest, headers = Client(), {"authorization": f"Bearer {token}"}
    dates = f"checkIn={night(2)}&checkOut={night(3)}"
    api = (
        f"/api/availability?hotelId=seaside-inn&{dates}",
        f"/api/resources/available?hotelId=seaside-inn&date={night(2)}",
        f"/api/calendar?categoryId=seaside-inn-double&month={night(2)[:7]}",
    )
    pages = ("/hotels/seaside-inn", "/calendar/seaside-inn-double", "/hotels/seaside-inn/terms")

    for url in pages:
        assert guest.get(url).status_code == 404, url
    assert "Seaside" not in text_of(guest.get("/"))
    assert "seaside" not in guest.get("/sitemap.xml").content.decode()
    assert guest.get(search()).status_code == 400
    for url in api:
        answer = guest.get(url, headers=headers)
        assert answer.status_code == 400, url
        assert "There is no such" in answer.content.decode()

    begun.post(f"{SEASIDE}preview/")

    for url in pages[:2]:
        assert guest.get(url).status_code == 200, url
    assert "Seaside" in text_of(guest.get("/"))
    assert "seaside" in guest.get("/sitemap.xml").content.decode()
    assert guest.get(search()).status_code == 200
    for url in api:
        assert guest.get(url, headers=headers).status_code == 200, url


def test_lets_staff_see_the_page_before_guests_do(begun: Client, client: Client) -> None:
    page = text_of(begun.get("/hotels/seaside-inn"))
    assert "Only staff see this page" in page
    assert "Double" in page

    desk = User.objects.create_user("desk", is_staff=True)
    desk.groups.set([Group.objects.get(name=roles.FRONT_DESK)])
    other = Client()
    other.force_login(desk)
    assert other.get("/hotels/seaside-inn").status_code == 404


def test_lets_the_desk_look_at_it_before_it_opens(begun: Client) -> None:
    rooms = begun.get(
        f"/admin/desk/rooms/?hotel=seaside-inn&check_in={night(2)}&check_out={night(3)}&guests=1"
    )
    assert "101" in text_of(rooms)


def test_counts_hotels_without_the_field_as_open(begun: Client) -> None:
    collection("hotels").update_one({"_id": "seaside-inn"}, {"$unset": {"is_open": ""}})
    announce_change()

    assert Client().get("/hotels/seaside-inn").status_code == 200
    assert book(resourceId="seaside-inn-101").code is None


def test_does_not_open_a_hotel_without_rooms(owner: Client) -> None:
    add_hotel(owner)
    save_categories(owner, ("Double", "2", "120"))
    assert "Open for booking" not in owner.get(f"{SEASIDE}preview/").content.decode()

    refused = owner.post(f"{SEASIDE}preview/", follow=True)

    assert "Add a room for sale first" in text_of(refused)
    assert not Hotel.objects.get(pk="seaside-inn").is_open


# --- What is wrong, and what is sent again ------------------------------------------------------


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"name": ""}, "name"),
        ({"name": "a\x07"}, "name"),
        ({"time_zone": ""}, "time_zone"),
        ({"time_zone": "Mars/Base"}, "time_zone"),
        ({"currency": "XAU"}, "currency"),
        ({"check_in_time": "25:00"}, "check_in_time"),
        ({"email": "info"}, "email"),
        ({"id": "a b"}, "id"),
        ({"id": "demo"}, "id"),
    ],
)
def test_says_what_is_wrong_with_the_hotel_and_keeps_the_rest(
    owner: Client, changes: dict[str, str], field: str
) -> None:
    refused = add_hotel(owner, **changes)

    form = refused.context["form"]
    assert list(form.errors) == [field]
    assert {name: form[name].value() for name in HOTEL} == {**HOTEL, **changes}
    assert not Hotel.objects.filter(name="Seaside Inn").exists()


def test_adds_a_hotel_once_when_it_is_sent_again(owner: Client) -> None:
    add_hotel(owner)
    again = owner.post(f"{SETUP}new/", HOTEL, follow=True)

    assert "Seaside Inn is being set up already, and nothing was added." in text_of(again)
    assert again.redirect_chain[-1][0] == f"{SEASIDE}hotel/"
    assert Hotel.objects.filter(name="Seaside Inn").count() == 1


def test_adds_a_hotel_once_when_two_owners_add_it_at_once(owner: Client) -> None:
    start = threading.Barrier(4)
    told: list[str] = []

    def add() -> None:
        start.wait()
        fields = {"time_zone": "UTC", "currency": "EUR"}
        try:
            told.append(setting_up.add_hotel(name="Seaside Inn", **fields))
        except setting_up.SetUpAlready as already:
            told.append(f"known {already.hotel}")

    threads = [threading.Thread(target=add) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert sorted(told) == ["known seaside-inn"] * 3 + ["seaside-inn"]
    assert Hotel.objects.filter(name="Seaside Inn").count() == 1


def test_finds_a_hotel_that_was_added_between_id_and_look(
    owner: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    make_id = setting_up.make_hotel_id
    fields = {"time_zone": "UTC", "currency": "EUR"}

    def come_second(name: str) -> str:
        monkeypatch.setattr(setting_up, "make_hotel_id", make_id)
        setting_up.add_hotel(name=name, **fields)
        return make_id(name)

    monkeypatch.setattr(setting_up, "make_hotel_id", come_second)

    with pytest.raises(setting_up.SetUpAlready):
        setting_up.add_hotel(name="Seaside Inn", **fields)
    assert Hotel.objects.filter(name="Seaside Inn").count() == 1


def test_makes_another_id_and_code_for_a_second_hotel_of_the_name(begun: Client) -> None:
    begun.post(f"{SEASIDE}preview/")

    add_hotel(begun)

    second = Hotel.objects.get(pk="seaside-inn-2")
    assert second.code == "SEASI2"
    assert not second.is_open


def test_changes_the_hotel_while_it_is_not_open(begun: Client) -> None:
    page = begun.get(f"{SEASIDE}hotel/")
    assert 'name="id"' not in page.content.decode()
    form = {**HOTEL, "seen": seen(page), "name": "Seaview", "check_in_time": "16:00", "email": ""}

    begun.post(f"{SEASIDE}hotel/", form)

    hotel = Hotel.objects.get(pk="seaside-inn")
    assert (hotel.name, f"{hotel.check_in_time:%H:%M}") == ("Seaview", "16:00")
    assert HotelContent.objects.get(pk="seaside-inn").email == ""
    # Sent again, as after going back, it asks for what is there.
    assert begun.post(f"{SEASIDE}hotel/", form).status_code == 302


def test_writes_nothing_over_what_another_owner_changed(begun: Client) -> None:
    page = begun.get(f"{SEASIDE}hotel/")
    Hotel.objects.filter(pk="seaside-inn").update(name="Seaview")
    form = {**HOTEL, "seen": seen(page), "check_in_time": "16:00"}

    refused = begun.post(f"{SEASIDE}hotel/", form)

    assert "Someone else has changed this since you opened the page" in text_of(refused)
    assert refused.context["form"]["check_in_time"].value() == "16:00"
    assert Hotel.objects.get(pk="seaside-inn").name == "Seaview"
    begun.post(f"{SEASIDE}hotel/", {**form, "seen": seen(refused)})
    assert Hotel.objects.get(pk="seaside-inn").name == "Seaside Inn"


@pytest.mark.parametrize(
    ("had", "theirs"),
    [("", "theirs@seaside.example"), ("was@seaside.example", "theirs@seaside.example")],
)
def test_keeps_the_address_that_another_owner_saves_at_the_same_moment(
    begun: Client, monkeypatch: pytest.MonkeyPatch, had: str, theirs: str
) -> None:
    if had:
        HotelContent.objects.filter(pk="seaside-inn").update(email=had)
    else:
        HotelContent.objects.filter(pk="seaside-inn").delete()
    sent = {**HOTEL, "seen": seen(begun.get(f"{SEASIDE}hotel/")), "email": "mine@seaside.example"}
    read = reading.find_hotel_content

    def read_and_be_overtaken(hotel_id: str) -> Any:
        found = read(hotel_id)
        monkeypatch.setattr(reading, "find_hotel_content", read)
        HotelContent.objects.update_or_create(hotel_id=hotel_id, defaults={"email": theirs})
        return found

    monkeypatch.setattr(reading, "find_hotel_content", read_and_be_overtaken)
    refused = begun.post(f"{SEASIDE}hotel/", {**sent, "check_in_time": "16:00"})

    assert "Someone else has changed this since you opened the page" in text_of(refused)
    assert refused.context["form"]["email"].value() == "mine@seaside.example"
    assert HotelContent.objects.get(pk="seaside-inn").email == theirs
    assert f"{Hotel.objects.get(pk='seaside-inn').check_in_time:%H:%M}" == "15:00"
    # Saved once more, what was typed counts.
    again = {**sent, "seen": seen(refused)}
    assert begun.post(f"{SEASIDE}hotel/", again).status_code == 302
    assert HotelContent.objects.get(pk="seaside-inn").email == "mine@seaside.example"


def test_changes_no_address_if_another_owner_changes_the_hotel_at_the_same_moment(
    begun: Client,
) -> None:
    before = {"name": "Seaview", "email": HOTEL["email"]}

    with pytest.raises(setting_up.ChangedMeanwhile):
        setting_up.change_hotel(
            "seaside-inn", before=before, after={"name": "Mine", "email": "mine@seaside.example"}
        )

    assert HotelContent.objects.get(pk="seaside-inn").email == HOTEL["email"]


def test_leaves_no_address_behind_if_the_hotel_is_deleted_meanwhile(owner: Client) -> None:
    with pytest.raises(setting_up.ChangedMeanwhile):
        setting_up.change_hotel("seaside-inn", before={"email": ""}, after={"email": "a@b.example"})

    assert not HotelContent.objects.filter(pk="seaside-inn").exists()


def test_warns_of_prices_after_the_currency_changed(begun: Client) -> None:
    form = {**HOTEL, "seen": seen(begun.get(f"{SEASIDE}hotel/")), "currency": "JPY"}

    page = begun.post(f"{SEASIDE}hotel/", form, follow=True)

    assert "Look at the prices below again: they are in JPY now." in text_of(page)


def test_keeps_the_currency_of_bookings(begun: Client) -> None:
    begun.post(f"{SEASIDE}preview/")
    book(resourceId="seaside-inn-101")
    Hotel.objects.filter(pk="seaside-inn").update(is_open=False)
    form = {**HOTEL, "seen": seen(begun.get(f"{SEASIDE}hotel/")), "currency": "JPY"}

    refused = begun.post(f"{SEASIDE}hotel/", form)

    assert list(refused.context["form"].errors) == ["currency"]


def test_leaves_an_open_hotel_to_the_admins_own_page(begun: Client) -> None:
    begun.post(f"{SEASIDE}preview/")

    assert begun.get(f"{SEASIDE}hotel/").url.startswith("/admin/bookings/hotel/seaside-inn/")


# --- Categories ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("row", "field", "sentence"),
    [
        (("", "2", "120"), "name", "Give the category a name"),
        (("Suite", "", "120"), "occupancy", "Say how many guests"),
        (("Suite", "0", "120"), "occupancy", "greater than or equal to 1"),
        (("Suite", "2", ""), "price", "Write what a night usually costs."),
        (("Suite", "2", "0"), "price", "Write a price above 0."),
        (("Suite", "2", "120.505"), "price", "with at most 2 decimals"),
        (("Double", "2", "120"), "name", "There is a category Double already"),
        (("double", "2", "120"), "name", "There is a category double already"),
    ],
)
def test_says_what_is_wrong_beside_the_category(
    begun: Client, row: tuple[str, str, str], field: str, sentence: str
) -> None:
    page = begun.get(f"{SEASIDE}categories/")
    before = {
        "category-seaside-inn-double-name": "Double",
        "category-seaside-inn-double-occupancy": "3",
        "category-seaside-inn-double-price": "120.00",
    }
    new = dict(zip(("new1-name", "new1-occupancy", "new1-price"), row, strict=True))

    refused = begun.post(f"{SEASIDE}categories/", {"seen": seen(page), **before, **new})

    rows = {each.prefix: each for each in refused.context["form"].rows}
    assert sentence in str(rows["new1"].errors[field])
    assert rows["category-seaside-inn-double"]["occupancy"].value() == "3"
    assert [rows["new1"][name].value() for name in ("name", "occupancy", "price")] == list(row)
    assert RoomCategory.objects.get(hotel="seaside-inn").occupancy == 2


def test_asks_about_a_price_far_from_the_hotels_others(begun: Client) -> None:
    asked = save_categories(begun, ("Suite", "4", "12000"))

    told = text_of(asked).replace("\xa0", " ")
    assert "EUR 12,000.00 is more than ten times the usual EUR 120.00." in told
    assert RoomCategory.objects.filter(hotel="seaside-inn").count() == 1
    row = next(each for each in asked.context["form"].rows if each.prefix == "new0")
    again = {"new0-asked_price": row["asked_price"].value()}
    save_categories(begun, ("Suite", "4", "12000"), **again)
    assert RoomCategory.objects.get(name="Suite", hotel="seaside-inn").default_price == 1_200_000


def test_compares_new_categories_with_those_above_them(owner: Client) -> None:
    add_hotel(owner)

    asked = save_categories(owner, ("Single", "1", "100"), ("Double", "2", "120"), ("S", "4", "1"))

    assert "is less than a tenth of the usual" in text_of(asked)
    assert save_categories(owner, ("Single", "1", "0.01")).status_code == 302


def test_takes_categories_once_when_they_are_sent_again(owner: Client) -> None:
    add_hotel(owner)
    form = {
        "seen": seen(owner.get(f"{SEASIDE}categories/")),
        "new0-name": "Double",
        "new0-occupancy": "2",
        "new0-price": "120",
    }

    for _ in range(2):
        assert owner.post(f"{SEASIDE}categories/", form).status_code == 302
    other = owner.post(f"{SEASIDE}categories/", {**form, "new0-price": "130"})

    assert "Someone else has changed this" in text_of(other)
    (only,) = RoomCategory.objects.filter(hotel="seaside-inn")
    assert only.default_price == 12_000


@pytest.mark.parametrize("their_price", [12_000, 13_000])
def test_adds_a_category_once_when_two_owners_add_it_at_once(
    owner: Client, monkeypatch: pytest.MonkeyPatch, their_price: int
) -> None:
    """The other one's comes after the look at the categories, and before the id is made."""
    add_hotel(owner)
    make_ids = setting_up.make_category_ids
    theirs = {"name": "Double", "occupancy": 2, "default_price": their_price}

    def come_second(*arguments: Any) -> Any:
        monkeypatch.setattr(setting_up, "make_category_ids", make_ids)
        setting_up.add_category("seaside-inn", **theirs)
        return make_ids(*arguments)

    monkeypatch.setattr(setting_up, "make_category_ids", come_second)
    answer = save_categories(owner, ("Double", "2", "120"))

    (only,) = RoomCategory.objects.filter(hotel="seaside-inn")
    assert only.default_price == their_price
    if their_price == 12_000:
        assert answer.status_code == 302
        return
    assert "Someone else has just changed the categories." in text_of(answer)
    assert [row["name"].value() for row in answer.context["form"].rows[:2]] == ["Double"] * 2
    # The page is made of what is there now, so the next one is judged against it.
    other = {"new0-name": "Twin", "new0-occupancy": "2", "new0-price": "120"}
    owner.post(f"{SEASIDE}categories/", {"seen": seen(answer), **other})
    assert RoomCategory.objects.filter(hotel="seaside-inn").count() == 2


def test_adds_a_category_once_in_a_race_of_owners(begun: Client) -> None:
    start = threading.Barrier(4)
    told: list[str] = []

    def add(name: str) -> None:
        start.wait()
        try:
            setting_up.add_category("seaside-inn", name=name, occupancy=2, default_price=9_000)
            told.append("added")
        except setting_up.ChangedMeanwhile:
            told.append("meanwhile")

    threads = [threading.Thread(target=add, args=(name,)) for name in ("Suite", "suite") * 2]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert sorted(told) == ["added", *["meanwhile"] * 3]
    assert RoomCategory.objects.filter(hotel="seaside-inn").count() == 2


def test_changes_categories_and_keeps_what_another_owner_changed(begun: Client) -> None:
    page = begun.get(f"{SEASIDE}categories/")
    name = "category-seaside-inn-double"
    form = {
        "seen": seen(page),
        f"{name}-name": "Double",
        f"{name}-occupancy": "3",
        f"{name}-price": "130",
    }
    RoomCategory.objects.filter(pk="seaside-inn-double").update(name="Twin")

    refused = begun.post(f"{SEASIDE}categories/", form)
    assert "Someone else has changed this" in text_of(refused)
    assert RoomCategory.objects.get(pk="seaside-inn-double").occupancy == 2

    begun.post(f"{SEASIDE}categories/", {**form, "seen": seen(refused)})
    changed = RoomCategory.objects.get(pk="seaside-inn-double")
    assert (changed.name, changed.occupancy, changed.default_price) == ("Double", 3, 13_000)


def test_takes_amounts_with_the_decimals_of_the_currency(owner: Client) -> None:
    add_hotel(owner, currency="KWD")

    save_categories(owner, ("Double", "2", "12,345"))

    assert RoomCategory.objects.get(hotel="seaside-inn").default_price == 12_345


# --- Rooms --------------------------------------------------------------------------------------


def test_says_which_rooms_there_are_and_adds_the_others(begun: Client) -> None:
    page = begun.post(f"{SEASIDE}rooms/", {"seaside-inn-double": "101-103"}, follow=True)

    text = text_of(page)
    assert "Double: 1 room added." in text
    assert "Double has these rooms already: 101, 102." in text
    assert Room.objects.filter(hotel="seaside-inn").count() == 3


def test_refuses_names_of_another_category_and_keeps_what_was_typed(begun: Client) -> None:
    save_categories(begun, ("Suite", "4", "250"))
    typed = {"seaside-inn-double": "201", "seaside-inn-suite": "101, 301"}

    refused = begun.post(f"{SEASIDE}rooms/", typed)

    assert "These rooms are in another category already: 101 (Double)." in text_of(refused)
    assert {name: refused.context["form"][name].value() for name in typed} == typed
    assert Room.objects.filter(hotel="seaside-inn").count() == 2
    twice = {"seaside-inn-double": "201-203", "seaside-inn-suite": "203"}
    assert "203: listed under Double, too." in text_of(begun.post(f"{SEASIDE}rooms/", twice))


def test_adds_each_room_once_when_two_owners_add_them_at_once(begun: Client) -> None:
    start = threading.Barrier(3)
    told: list[str] = []
    names = [str(number) for number in range(200, 260)]

    def add() -> None:
        start.wait()
        try:
            done = setting_up.add_rooms("seaside-inn", "seaside-inn-double", names)
            told.append("added" if done.added else "known")
        except setting_up.ChangedMeanwhile:
            told.append("meanwhile")

    threads = [threading.Thread(target=add) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert told.count("added") == 1
    assert Room.objects.filter(hotel="seaside-inn").count() == 62


def test_puts_rooms_on_sale_that_a_dead_process_left_off(
    begun: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It died after the insert, and the owner presses again."""

    def die(*_: Any) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(setting_up, "_put_on_sale", die)
        with pytest.raises(KeyboardInterrupt):
            setting_up.add_rooms("seaside-inn", "seaside-inn-double", ["301"])
    assert not Room.objects.get(name="301", hotel="seaside-inn").is_sold

    begun.post(f"{SEASIDE}rooms/", {"seaside-inn-double": "301"})

    assert Room.objects.get(name="301", hotel="seaside-inn").is_sold


def test_adds_no_rooms_to_a_category_that_was_deleted_meanwhile(
    begun: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    save_categories(begun, ("Suite", "4", "250"))
    run = setting_up.in_transaction

    def delete_after(write: Any) -> Any:
        done = run(write)
        collection("room_categories").delete_one({"_id": "seaside-inn-suite"})
        return done

    monkeypatch.setattr(setting_up, "in_transaction", delete_after)
    answer = begun.post(f"{SEASIDE}rooms/", {"seaside-inn-suite": "301"})

    assert answer.status_code == 404
    assert not Room.objects.filter(name="301", hotel="seaside-inn").exists()


# --- Colleagues ---------------------------------------------------------------------------------


def invite(owner: Client, address: str, role: str = roles.FRONT_DESK, name: str = "Ada") -> Any:
    row = {"row0-address": address, "row0-name": name, "row0-role": role}
    return owner.post(f"{SEASIDE}colleagues/", row, follow=True)


def test_gives_a_role_once_though_a_twin_gives_it_at_the_same_moment(
    begun: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    ada = User.objects.create_user("ada")
    group = Group.objects.get(name=roles.MANAGER)
    ada.groups.add(group)
    # What the twin reads that looked before this one had written.
    looks = type(ada.groups)
    monkeypatch.setattr(looks, "_get_missing_target_ids", lambda *_: {group.pk})

    colleagues._give_role(ada, group)

    monkeypatch.undo()
    assert list(ada.groups.all()) == [group]


def test_invites_a_colleague_who_chooses_a_password(begun: Client) -> None:
    page = invite(begun, "ada@Seaside.example")

    assert "A mail with a link to choose a password goes to ada@seaside.example." in text_of(page)
    user = User.objects.get(email="ada@seaside.example")
    assert (user.is_staff, user.is_superuser, user.has_usable_password()) == (True, False, False)
    assert [group.name for group in user.groups.all()] == [roles.FRONT_DESK]
    account_letters.send_letters()
    (letter,) = mail.outbox
    assert letter.to == ["ada@seaside.example"]
    assert letter.subject == "You’re invited to Bookingsite"
    link = next(line for line in letter.body.splitlines() if "/password/" in line)
    ada = Client()
    opened = ada.get(link[link.index("/password/") :], follow=True)
    assert opened.status_code == 200
    assert "new password" not in text_of(opened)
    assert "You’ll log in as ada@seaside.example with this password." in text_of(opened)
    missing = text_of(ada.post("/password/new", {}))
    assert "Choose a password." in missing
    assert "Enter the password again." in missing
    password = {"new_password1": "a long one of hers", "new_password2": "a long one of hers"}
    entered = ada.post("/password/new", password)
    assert entered.url == "/admin/"
    assert ada.get("/admin/desk/today/").status_code == 200
    assert ada.get("/admin/bookings/hotel/add/").status_code == 403
    assert VerifiedAddress.objects.filter(pk="ada@seaside.example").exists()


def test_invites_once_when_the_form_is_sent_again(begun: Client) -> None:
    invite(begun, "ada@seaside.example")
    invite(begun, "ada@seaside.example", roles.MANAGER)

    user = User.objects.get(email="ada@seaside.example")
    assert {group.name for group in user.groups.all()} == {roles.FRONT_DESK, roles.MANAGER}


def test_gives_a_guest_with_a_proved_address_the_role(begun: Client) -> None:
    guest = User.objects.create_user("ada@seaside.example", "ada@seaside.example", "secret")
    VerifiedAddress.objects.create(
        address="ada@seaside.example", user=guest, verified_at=clock.now()
    )

    page = invite(begun, "ada@seaside.example")

    assert "who was a guest here, has the role front desk now." in text_of(page)
    guest.refresh_from_db()
    assert (guest.is_staff, guest.check_password("secret")) == (True, True)


@pytest.mark.parametrize(
    ("account", "sentence"),
    [
        ({"is_active": False}, "The account of this address is closed."),
        ({}, "no one has proved that the address is theirs"),
    ],
)
def test_says_why_an_account_cannot_join(
    begun: Client, account: dict[str, Any], sentence: str
) -> None:
    User.objects.create_user("ada", "ada@seaside.example", "secret", **account)

    refused = invite(begun, "ada@seaside.example")

    assert sentence in text_of(refused)
    assert not User.objects.get(username="ada").is_staff


@pytest.mark.parametrize(
    ("row", "sentence"),
    [
        ({"row0-address": "ada"}, "Enter an e-mail address such as"),
        ({"row0-name": "Ada"}, "Write the e-mail address of your colleague."),
        ({"row0-address": "a@b.example", "row0-role": "superuser"}, "valid choice"),
    ],
)
def test_says_what_is_wrong_with_an_invitation(
    begun: Client, row: dict[str, str], sentence: str
) -> None:
    form = {"row0-role": roles.FRONT_DESK, **row}

    refused = begun.post(f"{SEASIDE}colleagues/", form)

    assert sentence in text_of(refused)
    assert User.objects.count() == 1


def test_lets_only_administrators_invite(begun: Client, client: Client) -> None:
    manager = User.objects.create_user("manager", is_staff=True)
    manager.groups.set([Group.objects.get(name=roles.MANAGER)])
    client.force_login(manager)

    assert "Only administrators invite colleagues." in text_of(client.get(f"{SEASIDE}colleagues/"))
    assert invite(client, "ada@seaside.example").status_code == 403
    assert not User.objects.filter(email="ada@seaside.example").exists()


@pytest.mark.parametrize("lacks", ["change_hotel", "add_room", "change_roomcategory"])
def test_needs_the_right_to_all_that_it_adds(client: Client, begun: Client, lacks: str) -> None:
    names = {"add_hotel", "change_hotel", "add_roomcategory", "change_roomcategory", "add_room"}
    user = User.objects.create_user("limited", is_staff=True)
    user.user_permissions.set(Permission.objects.filter(codename__in=names - {lacks}))
    client.force_login(user)

    for step in ("", "new/", "seaside-inn/rooms/", "seaside-inn/preview/"):
        assert client.get(f"{SETUP}{step}").status_code == 403
    user.user_permissions.set(Permission.objects.filter(codename__in=names))
    assert client.get(f"{SEASIDE}rooms/").status_code == 200


def test_leaves_those_who_may_add_no_hotel_at_the_ones_that_were_begun(
    client: Client, begun: Client
) -> None:
    names = {"change_hotel", "add_roomcategory", "change_roomcategory", "add_room"}
    user = User.objects.create_user("limited", is_staff=True)
    user.user_permissions.set(Permission.objects.filter(codename__in=names))
    client.force_login(user)

    page = text_of(client.get(SETUP))

    assert "Seaside Inn" in page
    assert "Set up another hotel" not in page
    assert client.get(f"{SETUP}new/").status_code == 403
    Hotel.objects.filter(pk="seaside-inn").update(is_open=True)
    assert "All your hotels are open for booking." in text_of(client.get(SETUP))


# --- The checklist ------------------------------------------------------------------------------


def lines(page: Any) -> dict[str, str]:
    """What the first page says is missing, with where it leads to."""
    content = page.content.decode()
    start = content.index("checklists-heading")
    part = content[start : content.index("</section>", start)]
    return {
        line.split(">", 1)[1].split("<")[0]: line.split('href="')[1].split('"')[0]
        for line in part.split("<li>")[1:]
        if "href" in line
    }


def test_lists_what_is_missing_with_links(begun: Client) -> None:
    Hotel.objects.exclude(pk="seaside-inn").update(is_open=True)
    page = begun.get("/admin/")
    found = lines(page)

    assert "Seaside Inn, not open yet" in text_of(page)
    for text in (
        "Describe the hotel",
        "Add photos",
        "Say where the hotel is: street and city",
        "Write the imprint: who runs the hotel",
        "Open the hotel for booking",
        "Set up two-factor login for yourself",
    ):
        assert begun.get(found[text]).status_code == 200, text
    HotelContent.objects.filter(pk="seaside-inn").update(description={"en": "Quiet."})
    begun.post(f"{SEASIDE}preview/")

    assert "Seaside Inn, not open yet" not in text_of(begun.get("/admin/"))
    assert "Describe the hotel" not in text_of(begun.get(f"{SEASIDE}preview/"))


def test_reads_the_checklists_of_all_hotels_with_one_query(
    begun: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[str] = []
    real = checklist.collection

    def note_collection(name: str) -> Any:
        asked.append(name)
        return real(name)

    monkeypatch.setattr(checklist, "collection", note_collection)
    announce_change()
    begun.get("/admin/")
    begun.get("/admin/")

    assert asked == ["hotels"]


def test_shows_no_checklist_to_the_desk(client: Client, begun: Client) -> None:
    desk = User.objects.create_user("desk", is_staff=True)
    desk.groups.set([Group.objects.get(name=roles.FRONT_DESK)])
    client.force_login(desk)

    assert "checklists-heading" not in client.get("/admin/").content.decode()


def test_says_so_if_the_site_sends_no_mail(begun: Client, settings: Settings) -> None:
    settings.EMAIL_HOST, settings.LETTERS_FOLDER = "", ""
    assert "The site sends no mail" in text_of(begun.get("/admin/"))
    assert "This site sends no mail yet" in text_of(begun.get(f"{SEASIDE}colleagues/"))
    settings.EMAIL_HOST = "mail.example"
    assert "The site sends no mail" not in text_of(begun.get("/admin/"))


def test_says_so_if_photos_have_no_place(begun: Client, settings: Settings) -> None:
    settings.PHOTOS_FOLDER, settings.PHOTOS_BUCKET = "", ""
    assert "Photos are off" in text_of(begun.get(f"{SEASIDE}photos/"))


# --- An empty site ------------------------------------------------------------------------------


@pytest.fixture
def empty(owner: Client) -> Iterator[Client]:
    """No hotel is open, as on an empty site."""
    collection("hotels").update_many({}, {"$set": {"is_open": False}})
    announce_change()
    yield owner
    collection("hotels").update_many({}, {"$unset": {"is_open": ""}})
    announce_change()


def test_leads_staff_from_an_empty_site_to_the_set_up(empty: Client) -> None:
    guest = Client()

    for_guests = text_of(guest.get("/"))
    for_staff = text_of(empty.get("/"))

    assert "We’re preparing this site. Come back soon to find and book a room." in for_guests
    assert "For staff: set up this site" in for_guests
    assert "Set up your hotel" in for_staff
    assert guest.get(SETUP).status_code == 302
    assert guest.get(search("demo")).status_code == 400
