"""A night becomes free of charge only after a confirmation, in whatever way it would."""

from __future__ import annotations

from datetime import date
from io import StringIO
from typing import Any

import pytest
from bson import ObjectId
from django.contrib.auth.models import User
from django.core.files.uploadedfile import SimpleUploadedFile
from django.core.management import CommandError, call_command
from django.test import Client

from bookings.catalogue import night_jobs, nights
from bookings.catalogue.nights import NightRow
from bookings.infrastructure.connections import collection
from bookings.models import Hotel, NightsJob, RoomCategory
from bookings.refusals import ValidationFailed
from tests.conftest import night
from tests.hotels import put_night
from tests.pages import Page

pytestmark = pytest.mark.mongo

PRICES = "/admin/bookings/pricecalendar/?hotel=chalet"
FILES = "/admin/bookings/nightsfile/"
NIGHTS = "/admin/bookings/night/"
JOBS = "/admin/bookings/nightsjob/"
CATEGORY = "/admin/bookings/roomcategory/chalet_5Fattic/change/"
DAY, NEXT_DAY = night(30), night(31)
WEEKDAYS = ["mon", "tue", "wed", "thu", "fri", "sat", "sun"]


@pytest.fixture
def staff(client: Client, chalet: Hotel) -> Client:
    client.force_login(User.objects.create_superuser("staff"))
    return client


def prices() -> dict[str, int]:
    return {found["_id"]: found["price"] for found in collection("nights").find()}


def text_of(response: Any) -> str:
    return Page(response.content.decode()).text


# --- The price calendar -------------------------------------------------------------------------


def change(staff: Client, *, tick: bool, **wish: str) -> Any:
    """Has the change shown, and applies it."""
    form = {
        "hotel": "chalet",
        "key": str(ObjectId()),
        "categories": ["chalet_attic"],
        "first": DAY,
        "last": NEXT_DAY,
        "weekdays": WEEKDAYS,
        **wish,
    }
    shown = staff.post(PRICES, form)
    form |= {"seen": shown.context["form"]["seen"].value(), "apply": "Apply"}
    return staff.post(PRICES, form | ({"allow_free": "on"} if tick else {}), follow=True)


@pytest.mark.parametrize(
    ("wish", "price"),
    [
        ({"price": "0"}, 8_000),
        ({"percent": "-100"}, 8_000),
        # Less than half a cent is left, which is rounded to nothing.
        ({"percent": "-96"}, 12),
    ],
)
def test_asks_before_a_change_makes_nights_free(
    staff: Client, wish: dict[str, str], price: int
) -> None:
    for day in (DAY, NEXT_DAY):
        put_night("chalet_attic", day, price=price)
    before = prices()

    asked = change(staff, tick=False, **wish)

    assert "2 nights would be free of charge, at a price of 0." in text_of(asked)
    assert "Yes, make 2 nights free of charge" in text_of(asked)
    assert prices() == before
    assert NightsJob.objects.count() == 0

    change(staff, tick=True, **wish)

    assert set(prices().values()) == {0}


def test_does_not_ask_about_other_changes_nor_about_what_is_free_already(staff: Client) -> None:
    change(staff, tick=False, percent="-50")
    assert prices() == {f"chalet_attic|{day}": 4_000 for day in (DAY, NEXT_DAY)}
    collection("nights").update_many({}, {"$set": {"price": 0}})

    done = change(staff, tick=False, min_stay="2")

    assert "Done." in text_of(done)


def test_asks_before_a_change_opens_nights_that_cost_nothing(staff: Client) -> None:
    put_night("chalet_attic", DAY, price=0, closed=True)
    put_night("chalet_attic", NEXT_DAY, price=100, closed=True)

    asked = change(staff, tick=False, closed="no")

    assert "1 night would be free of charge" in text_of(asked)
    assert {found["closed"] for found in collection("nights").find()} == {True}


# --- Files --------------------------------------------------------------------------------------


def upload(staff: Client, content: str, **more: str) -> Any:
    file = SimpleUploadedFile("nights.csv", content.encode(), content_type="text/csv")
    form = {"hotel": "chalet", "key": str(ObjectId()), "file": file, **more}
    return staff.post(FILES, form, follow=True)


def box_of(response: Any) -> str:
    """Returns the value of the box that confirms."""
    (form,) = Page(response.content.decode()).forms_to(FILES)
    return form.fields["allow_free"]


def test_asks_before_an_import_makes_nights_free(staff: Client) -> None:
    content = f"category,date,price\nchalet_attic,{DAY},0\nchalet_suite,{DAY},100\n"

    asked = upload(staff, content)

    assert "Nothing was imported: 1 night would be free of charge" in text_of(asked)
    assert prices() == {}

    upload(staff, content, allow_free=box_of(asked))

    assert prices() == {f"chalet_attic|{DAY}": 0, f"chalet_suite|{DAY}": 10_000}


def test_asks_again_about_another_file(staff: Client) -> None:
    asked = upload(staff, f"category,date,price\nchalet_attic,{DAY},0\n")

    again = upload(staff, f"category,date,price\nchalet_suite,{DAY},0\n", allow_free=box_of(asked))

    assert "Nothing was imported" in text_of(again)
    assert prices() == {}


def test_imports_what_is_free_already_without_asking(staff: Client) -> None:
    put_night("chalet_attic", DAY, price=0)

    upload(staff, f"category,date,price,min_stay\nchalet_attic,{DAY},0,3\n")

    assert collection("nights").find_one({})["min_stay"] == 3


def test_counts_nights_that_an_import_makes_at_a_default_price_of_nothing(staff: Client) -> None:
    RoomCategory.objects.filter(id="chalet_attic").update(default_price=0)

    asked = upload(staff, f"category,date,min_stay\nchalet_attic,{DAY},3\n")

    assert "1 night would be free of charge" in text_of(asked)
    assert prices() == {}


def test_adds_no_free_nights_by_any_door() -> None:
    rows = [NightRow("chalet_attic", DAY, {"price": 0}, 8_000)]

    with pytest.raises(ValidationFailed):
        night_jobs.add_job(
            job_id=ObjectId(),
            kind=night_jobs.IMPORT,
            hotel_id="chalet",
            rows=rows,
            summary="",
            user_id=None,
        )

    assert collection("nights_jobs").count_documents({}) == 0


# --- Jobs that make nights ----------------------------------------------------------------------


def generate(*more: str) -> str:
    said = StringIO()
    call_command(
        "generate_nights",
        *("--hotel", "chalet", "--start", "2027-03-01", "--end", "2027-03-02", *more),
        stdout=said,
    )
    return said.getvalue()


def test_makes_free_nights_by_the_command_only_if_told_to(chalet: Hotel) -> None:
    with pytest.raises(CommandError) as refused:
        generate("--price", "0")

    assert "4 nights would be free of charge, at a price of 0." in str(refused.value)
    assert "--allow-free" in str(refused.value)
    assert prices() == {}
    assert "4 made" in generate("--price", "0", "--allow-free")


def test_asks_about_a_default_price_of_nothing_too(chalet: Hotel) -> None:
    RoomCategory.objects.filter(id="chalet_attic").update(default_price=0)

    with pytest.raises(CommandError) as refused:
        generate()

    assert "2 nights would be free of charge" in str(refused.value)
    assert "4 made" in generate("--price", "100")


def test_asks_before_a_job_makes_free_nights(staff: Client) -> None:
    wish = {
        "hotel": "chalet",
        "start": "2027-03-01",
        "end": "2027-03-02",
        "weekdays": WEEKDAYS,
        "price": "0",
        "key": str(ObjectId()),
    }

    asked = staff.post(f"{JOBS}add/", wish)

    assert "4 nights would be free of charge" in text_of(asked)
    assert '<input type="checkbox" name="allow_free"' in asked.content.decode()
    assert NightsJob.objects.count() == 0

    staff.post(f"{JOBS}add/", {**wish, "allow_free": "on"})
    night_jobs.work_on_jobs()

    assert [*prices().values()] == [0] * 4


# --- One night, one category --------------------------------------------------------------------


def test_asks_before_one_night_is_made_free(staff: Client) -> None:
    form = {"category": "chalet_attic", "date": DAY, "price": "0", "min_stay": "1"}

    asked = staff.post(f"{NIGHTS}add/", form)

    assert "Nights would be free of charge, at a price of 0." in text_of(asked)
    assert prices() == {}

    staff.post(f"{NIGHTS}add/", {**form, "allow_free": "on"})

    assert prices() == {f"chalet_attic|{DAY}": 0}


def test_asks_before_a_night_becomes_free_or_is_opened_so(staff: Client) -> None:
    nights.generate_nights(hotel_id="chalet", start=date(2027, 3, 1), end=date(2027, 3, 1))
    page = f"{NIGHTS}chalet_5Fattic|2027-03-01/change/"

    asked = staff.post(page, {"price": "0", "min_stay": "1"})

    assert "Tick this box if you want that." in text_of(asked)
    assert prices()["chalet_attic|2027-03-01"] == 8_000

    staff.post(page, {"price": "0", "min_stay": "1", "closed": "on", "allow_free": "on"})
    kept = staff.post(page, {"price": "0", "min_stay": "2", "closed": "on"}, follow=True)
    opened = staff.post(page, {"price": "0", "min_stay": "2"})

    assert "was changed successfully" in text_of(kept)
    assert "Tick this box if you want that." in text_of(opened)
    stored = collection("nights").find_one({"_id": "chalet_attic|2027-03-01"})
    assert (stored["price"], stored["closed"], stored["min_stay"]) == (0, True, 2)


def test_opens_no_selected_nights_that_cost_nothing(staff: Client) -> None:
    put_night("chalet_attic", DAY, price=0, closed=True)
    put_night("chalet_attic", NEXT_DAY, price=100, closed=True)

    answer = staff.post(
        NIGHTS,
        {"action": "open_selected", "_selected_action": [*prices()]},
        follow=True,
    )

    assert "1 night would be free of charge" in text_of(answer)
    assert [found["closed"] for found in collection("nights").find().sort("_id")] == [True, False]


def test_asks_before_a_category_becomes_free(staff: Client) -> None:
    form = {"name": "Attic", "occupancy": "2", "default_price": "0", "sell_by_default": "on"}

    asked = staff.post(CATEGORY, form)

    assert "Tick this box if you want that." in text_of(asked)
    assert RoomCategory.objects.get(id="chalet_attic").default_price == 8_000

    staff.post(CATEGORY, {**form, "sell_by_default": "", "allow_free": "on"})
    sold = staff.post(CATEGORY, form)

    assert RoomCategory.objects.get(id="chalet_attic").default_price == 0
    assert "Tick this box if you want that." in text_of(sold)
    assert not RoomCategory.objects.get(id="chalet_attic").sell_by_default
