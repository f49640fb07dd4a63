"""Staff write prices in the hotel's currency, and are asked about those that look wrong."""

from __future__ import annotations

import re
from typing import Any

import pytest
from bson import ObjectId
from django.contrib.auth.models import Permission, User
from django.core.exceptions import ValidationError
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client

from bookings.admin.money import MoneyField
from bookings.catalogue import night_jobs
from bookings.infrastructure.connections import collection
from bookings.models import Hotel, NightsJob, RoomCategory
from tests.conftest import night
from tests.hotels import put_night
from tests.pages import Page

CATEGORIES = "/admin/bookings/roomcategory/"
ATTIC = f"{CATEGORIES}chalet_5Fattic/change/"
NIGHTS = "/admin/bookings/night/"
JOBS = "/admin/bookings/nightsjob/"
FILES = "/admin/bookings/nightsfile/"
PRICES = "/admin/bookings/pricecalendar/?hotel=chalet"
DAY = night(30)
WEEKDAYS = ["mon", "tue", "wed", "thu", "fri", "sat", "sun"]


@pytest.fixture
def staff(client: Client, chalet: Hotel) -> Client:
    client.force_login(User.objects.create_superuser("staff"))
    return client


def text_of(response: Any) -> str:
    return Page(response.content.decode()).text


def value_of(response: Any, name: str) -> str:
    """What the field shows, in a page with one form."""
    found = re.search(rf'<input[^>]*name="{name}"[^>]*>', response.content.decode())
    assert found, f"the page has no field {name}"
    value = re.search(r'value="([^"]*)"', found[0])
    return value[1] if value else ""


# --- The field ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("currency", "text", "minor"),
    [
        ("EUR", "120", 12_000),
        ("EUR", "120.5", 12_050),
        ("EUR", " 120,50 ", 12_050),
        ("JPY", "12000", 12_000),
        ("KWD", "12.345", 12_345),
        ("KWD", "12", 12_000),
        ("EUR", "10000000", 1_000_000_000),
        ("JPY", "1000000000", 1_000_000_000),
    ],
)
def test_reads_a_price_with_the_decimals_of_its_currency(
    currency: str, text: str, minor: int
) -> None:
    field = MoneyField(currency=currency)

    assert field.clean(text) == minor
    assert not field.has_changed(minor, text)
    assert field.has_changed(minor + 1, text)
    assert field.clean(field.prepare_value(minor)) == minor


@pytest.mark.parametrize(
    ("currency", "text", "sentence"),
    [
        ("EUR", "120.505", "Write the price in EUR as 120.00, without thousands separators"),
        ("EUR", "1,200.00", "with at most 2 decimals"),
        ("EUR", "-1", "Write the price"),
        ("EUR", "EUR 5", "Write the price"),
        ("JPY", "120.5", "as 12000, without thousands separators and without decimals."),
        ("JPY", "12,000", "without decimals"),
        ("KWD", "1.2345", "with at most 3 decimals"),
        ("EUR", "10000000.01", "Give at most EUR\xa010,000,000.00."),
        ("JPY", "1000000001", "Give at most JPY\xa01,000,000,000."),
    ],
)
def test_refuses_other_amounts_and_rounds_none(currency: str, text: str, sentence: str) -> None:
    field = MoneyField(currency=currency)

    with pytest.raises(ValidationError) as refused:
        field.clean(text)
    assert sentence in refused.value.messages[0]
    assert field.has_changed(12_000, text)


# --- Categories ---------------------------------------------------------------------------------

pytestmark = pytest.mark.mongo


@pytest.mark.parametrize(
    ("currency", "shown", "typed", "stored"),
    [
        ("CHF", "80.00", "95,50", 9_550),
        ("JPY", "8000", "9550", 9_550),
        ("KWD", "8.000", "9.5", 9_500),
    ],
)
def test_shows_and_takes_the_price_of_a_category_in_the_hotels_currency(
    staff: Client, currency: str, shown: str, typed: str, stored: int
) -> None:
    Hotel.objects.filter(id="chalet").update(currency=currency)

    page = staff.get(ATTIC)

    assert value_of(page, "default_price") == shown
    assert f"In {currency}, such as" in text_of(page)
    form = {"name": "Attic", "occupancy": "2", "sell_by_default": "on"}
    assert staff.post(ATTIC, {**form, "default_price": typed}).status_code == 302
    assert RoomCategory.objects.get(id="chalet_attic").default_price == stored


def test_asks_once_about_a_price_far_from_the_one_before(staff: Client) -> None:
    form = {"name": "Attic", "occupancy": "2", "sell_by_default": "on", "default_price": "8000"}

    asked = staff.post(ATTIC, form)

    told = "CHF\xa08,000.00 is more than ten times the usual CHF\xa080.00."
    assert f"{told} If this is right, save once more.".replace("\xa0", " ") in text_of(
        asked
    ).replace("\xa0", " ")
    assert RoomCategory.objects.get(id="chalet_attic").default_price == 8_000
    assert value_of(asked, "default_price") == "8000"

    # Another unusual price is another question.
    again = staff.post(
        ATTIC, {**form, "default_price": "1", "asked_price": value_of(asked, "asked_price")}
    )
    assert "is less than a tenth of the usual" in text_of(again)

    done = staff.post(
        ATTIC, {**form, "default_price": "1.00", "asked_price": value_of(again, "asked_price")}
    )
    assert done.status_code == 302
    assert RoomCategory.objects.get(id="chalet_attic").default_price == 100


def test_does_not_ask_about_a_price_that_stays(staff: Client) -> None:
    form = {"name": "Loft", "occupancy": "2", "sell_by_default": "on", "default_price": "80"}

    assert staff.post(ATTIC, form).status_code == 302
    assert RoomCategory.objects.get(id="chalet_attic").name == "Loft"


def test_compares_a_new_category_with_the_hotels_others(staff: Client) -> None:
    form = {
        "id": "chalet_hut",
        "hotel": "chalet",
        "name": "Hut",
        "occupancy": "2",
        "default_price": "9000",
        "sell_by_default": "on",
    }
    assert value_of(staff.get(f"{CATEGORIES}add/"), "default_price") == ""

    asked = staff.post(f"{CATEGORIES}add/", form)

    assert "more than ten times the usual" in text_of(asked)
    assert not RoomCategory.objects.filter(id="chalet_hut").exists()
    again = {**form, "asked_price": value_of(asked, "asked_price")}
    assert staff.post(f"{CATEGORIES}add/", again).status_code == 302
    assert RoomCategory.objects.get(id="chalet_hut").default_price == 900_000


def test_does_not_ask_about_the_first_category_of_a_hotel(staff: Client) -> None:
    RoomCategory.objects.filter(hotel="chalet").delete()
    form = {"id": "chalet_hut", "hotel": "chalet", "name": "Hut", "occupancy": "2"}

    assert staff.post(f"{CATEGORIES}add/", {**form, "default_price": "9000"}).status_code == 302


def test_says_that_the_hotel_is_missing_and_nothing_about_the_price(staff: Client) -> None:
    answer = staff.post(
        f"{CATEGORIES}add/",
        {"id": "chalet_hut", "name": "Hut", "occupancy": "2", "default_price": "90.50"},
    )

    assert list(answer.context["adminform"].form.errors) == ["hotel"]
    assert value_of(answer, "default_price") == "90.50"


@pytest.mark.parametrize(("page", "right"), [(ATTIC, "view_roomcategory"), ("night", "view_night")])
def test_shows_prices_in_currency_to_those_who_may_only_look(
    client: Client, chalet: Hotel, page: str, right: str
) -> None:
    put_night("chalet_attic", DAY, price=8_000)
    user = User.objects.create_user("viewer", is_staff=True)
    user.user_permissions.add(Permission.objects.get(codename=right))
    client.force_login(user)
    if page == "night":
        page = f"{NIGHTS}chalet_5Fattic|{DAY}/change/"

    text = text_of(client.get(page)).replace("\xa0", " ")

    assert "CHF 80.00" in text
    assert "8000" not in text


# --- Nights, jobs, files, the calendar ----------------------------------------------------------


def test_asks_about_a_night_far_from_its_categorys_price(staff: Client) -> None:
    form = {"category": "chalet_attic", "date": DAY, "price": "8000", "min_stay": "1"}

    asked = staff.post(f"{NIGHTS}add/", form)

    assert "more than ten times the usual" in text_of(asked)
    assert collection("nights").count_documents({}) == 0
    staff.post(f"{NIGHTS}add/", {**form, "asked_price": value_of(asked, "asked_price")})
    assert collection("nights").find_one()["price"] == 800_000


def test_shows_a_night_in_currency_and_keeps_its_price(staff: Client) -> None:
    put_night("chalet_attic", DAY, price=9_550)
    page = f"{NIGHTS}chalet_5Fattic|{DAY}/change/"

    assert value_of(staff.get(page), "price") == "95.50"
    # The price has been unusual since before, and is not what changes.
    collection("nights").update_one({}, {"$set": {"price": 1}})
    assert staff.post(page, {"price": "0.01", "min_stay": "2"}).status_code == 302
    stored = collection("nights").find_one()
    assert (stored["price"], stored["min_stay"]) == (1, 2)


def test_asks_about_a_job_if_its_price_is_unusual_in_a_category(staff: Client) -> None:
    wish = {
        "hotel": "chalet",
        "start": "2027-03-01",
        "end": "2027-03-02",
        "weekdays": WEEKDAYS,
        # More than ten times the attic's price, but not the suite's.
        "price": "900",
        "key": str(ObjectId()),
    }

    asked = staff.post(f"{JOBS}add/", wish)

    assert "CHF 900.00 is more than ten times the usual CHF 80.00." in text_of(asked).replace(
        "\xa0", " "
    )
    assert NightsJob.objects.count() == 0
    added = staff.post(
        f"{JOBS}add/", {**wish, "asked_price": value_of(asked, "asked_price")}, follow=True
    )
    assert added.status_code == 200
    assert NightsJob.objects.get().price == 90_000
    night_jobs.work_on_jobs()
    page = staff.get(f"{JOBS}{wish['key']}/change/")
    assert "CHF 900.00" in text_of(page).replace("\xa0", " ")


def test_warns_of_unusual_prices_before_a_change_is_applied(staff: Client) -> None:
    form = {
        "hotel": "chalet",
        "key": str(ObjectId()),
        "categories": ["chalet_attic", "chalet_suite"],
        "first": DAY,
        "last": DAY,
        "weekdays": WEEKDAYS,
        "price": "900",
    }

    shown = staff.post(PRICES, form)

    assert "1 night would cost less than a tenth, or more than ten times" in text_of(shown)
    usual = staff.post(PRICES, {**form, "price": "90"})
    assert "would cost less than a tenth" not in text_of(usual)


def test_asks_about_a_file_with_unusual_prices(staff: Client) -> None:
    content = f"category,date,price\nchalet_attic,{DAY},8000\nchalet_suite,{DAY},120".encode()

    def send(**fields: str) -> Any:
        file = SimpleUploadedFile("nights.csv", content, "text/csv")
        form = {"hotel": "chalet", "key": str(ObjectId()), "file": file, **fields}
        return staff.post(FILES, form, follow=True)

    asked = send()

    assert "Nothing was imported: 1 night would cost" in text_of(asked)
    assert collection("nights").count_documents({}) == 0
    assert "Nothing was imported: 1 night" in text_of(send(allow_unusual="another file"))
    send(allow_unusual=value_of(asked, "allow_unusual"))
    assert collection("nights").count_documents({}) == 2


def test_keeps_a_yes_to_unusual_prices_while_it_asks_about_free_nights(staff: Client) -> None:
    content = f"category,date,price\nchalet_attic,{DAY},8000\nchalet_suite,{DAY},0".encode()

    def send(**fields: str) -> Any:
        file = SimpleUploadedFile("nights.csv", content, "text/csv")
        form = {"hotel": "chalet", "key": str(ObjectId()), "file": file, **fields}
        return staff.post(FILES, form, follow=True)

    digest = value_of(send(), "allow_unusual")
    asked = send(allow_unusual=digest)

    assert "1 night would be free of charge" in text_of(asked)
    assert "checked" in asked.content.decode().split('name="allow_unusual"')[1][:120]
    send(allow_unusual=digest, allow_free=value_of(asked, "allow_free"))
    assert collection("nights").count_documents({}) == 2
