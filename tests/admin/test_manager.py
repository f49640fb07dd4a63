"""The manager's pages: bulk changes of prices, nights as CSV, figures, and the log of actions."""

from __future__ import annotations

import csv
import io
import json
import os
import threading
from datetime import UTC, datetime, timedelta
from typing import Any

import pymongo
import pytest
from bson import ObjectId
from django.contrib.admin.models import ADDITION, CHANGE, LogEntry
from django.contrib.auth.models import Group, User
from django.contrib.contenttypes.models import ContentType
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client
from pymongo import MongoClient

from bookings.admin.manager import log
from bookings.catalogue import night_files, night_jobs
from bookings.domain.booking import BLOCK
from bookings.infrastructure import connections, deadlines
from bookings.infrastructure.connections import collection
from bookings.models import BookingRecord, Hotel, Night, NightsJob, Room
from bookings.people.roles import FRONT_DESK, MANAGER
from bookings.presentation.days import day_text
from tests.calls import book
from tests.conftest import night
from tests.hotels import put_night
from tests.pages import Page
from tests.query_plans import OF_THE_SESSION
from tests.stays.test_explain import Commands

pytestmark = pytest.mark.mongo

PRICES = "/admin/bookings/pricecalendar/"
FILES = "/admin/bookings/nightsfile/"
FIGURES = "/admin/bookings/figures/"
LOG = "/admin/admin/logentry/"
DAY, NEXT_DAY = night(30), night(31)


def log_in(client: Client, group: str) -> Client:
    user = User.objects.create_user(group.replace(" ", "-"), is_staff=True)
    user.groups.add(Group.objects.get(name=group))
    client.force_login(user)
    return client


@pytest.fixture
def manager(client: Client, chalet: Hotel) -> Client:
    return log_in(client, MANAGER)


def said(response: Any) -> list[str]:
    return [str(message) for message in response.context["messages"]]


def noted() -> list[tuple[str, str]]:
    found = LogEntry.objects.order_by("pk").select_related("user")
    return [(entry.user.username, entry.get_change_message()) for entry in found]


def prices() -> list[int]:
    return [found["price"] for found in collection("nights").find().sort("_id")]


# --- The index ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("group", "shown"),
    [(MANAGER, {PRICES, FILES, FIGURES, LOG}), (FRONT_DESK, {PRICES, FILES})],
)
def test_links_each_role_to_its_pages(
    client: Client, database: None, group: str, shown: Any
) -> None:
    reader = log_in(client, group)
    links = Page(reader.get("/admin/").content.decode()).links
    sections = [links[name] for name in ("Bookings", "Prices", "Team") if name in links]

    found = {
        url for page in sections for url in Page(reader.get(page).content.decode()).links.values()
    }

    assert {PRICES, FILES, FIGURES, LOG} & found == shown


@pytest.mark.parametrize("address", [PRICES, FILES, FIGURES, LOG])
def test_has_no_style_and_no_script_in_its_pages(manager: Client, address: str) -> None:
    book("a", resourceId="room_A", date=DAY)

    page = Page(manager.get(address, {"hotel": "demo"}).content.decode())

    assert page.inline == []
    assert "style" not in page.attributes
    assert not [name for name in page.attributes if name.startswith("on")]
    assert "data:" not in page.html


# --- Prices -------------------------------------------------------------------------------------


def form(**changes: Any) -> dict[str, Any]:
    """10 % more for the attic on two nights."""
    return {
        "hotel": "chalet",
        "key": str(ObjectId()),
        "categories": ["chalet_attic"],
        "first": DAY,
        "last": NEXT_DAY,
        "weekdays": ["mon", "tue", "wed", "thu", "fri", "sat", "sun"],
        "percent": "10",
        **changes,
    }


def look(client: Client, wish: dict[str, Any]) -> Any:
    return client.post(f"{PRICES}?hotel=chalet", wish)


def apply(client: Client, wish: dict[str, Any]) -> Any:
    """Sends the rows just shown, with the other button."""
    seen = look(client, wish).context["form"]["seen"].value()
    return client.post(
        f"{PRICES}?hotel=chalet", {**wish, "seen": seen, "apply": "Apply"}, follow=True
    )


def test_shows_a_month_of_every_category(manager: Client) -> None:
    put_night("chalet_attic", DAY, price=9_500, closed=True, min_stay=3)

    response = manager.get(PRICES, {"hotel": "chalet", "month": DAY[:7]})

    page = Page(response.content.decode())
    cells = {
        (category.name, cell.day.isoformat()): cell
        for category, found in response.context["grid"]
        for cell in found
    }
    assert (cells["Attic", DAY].amount, cells["Attic", DAY].kind) == ("95.00", "closed")
    assert Page(cells["Attic", DAY].signs).text == "closed min 3"
    assert (cells["Suite", DAY].amount, cells["Suite", DAY].kind) == ("120.00", "default")
    assert manager.get(page.links["95.00"]).status_code == 200
    assert "in CHF" in page.text


@pytest.mark.parametrize("month", ["", "2027-13", "soon", "0000-01", "9999-12", "1999-01"])
def test_shows_some_month_whatever_is_asked_for(manager: Client, month: str) -> None:
    assert manager.get(PRICES, {"hotel": "chalet", "month": month}).status_code == 200


def test_opens_each_form_with_a_key_of_its_own(manager: Client) -> None:
    keys = [manager.get(PRICES).context["form"]["key"].value() for _ in range(2)]
    keys += [manager.get(FILES).context["import_form"]["key"].value() for _ in range(2)]

    assert len(set(filter(ObjectId.is_valid, keys))) == 4


def test_shows_what_would_change_and_changes_nothing(manager: Client) -> None:
    put_night("chalet_attic", DAY, price=9_995)

    response = look(manager, form())

    text = Page(response.content.decode()).text
    assert "2 nights would change, 1 of them new in the calendar. Bookings keep" in text
    assert f"{day_text(DAY)} Attic CHF\xa099.95 CHF\xa0109.95".replace("\xa0", " ") in text
    assert f"{day_text(NEXT_DAY)} Attic CHF 80.00 (by default) CHF 88.00" in text
    assert prices() == [9_995]
    assert not NightsJob.objects.exists()


def test_changes_what_was_shown_and_writes_down_who_did(manager: Client) -> None:
    response = apply(manager, form(min_stay="2", closed_to_arrival="yes"))

    summary = (
        f"Set price +10 %, arrival closed, minimum stay 2 from {day_text(DAY)} to "
        f"{day_text(NEXT_DAY)} for Attic: 2 nights, 2 of them new."
    )
    assert said(response) == [f"Done. {summary}"]
    assert prices() == [8_800, 8_800]
    assert noted() == [("manager", summary)]
    job = NightsJob.objects.get()
    assert (job.summary, job.kind, str(job.requested_by)) == (summary, "change", "manager")
    assert summary in manager.get(f"/admin/bookings/nightsjob/{job.pk}/change/").content.decode()


def test_raises_prices_once_when_the_form_is_sent_twice(manager: Client) -> None:
    wish = form()
    wish["seen"] = look(manager, wish).context["form"]["seen"].value()

    first, second = (
        manager.post(f"{PRICES}?hotel=chalet", {**wish, "apply": "Apply"}, follow=True)
        for _ in range(2)
    )

    assert prices() == [8_800, 8_800]
    (text,) = said(second)
    assert text.startswith("This form has already changed nights; nothing was changed again.")
    assert text.endswith("for Attic: 2 nights, 2 of them new.")
    assert len(noted()) == 1
    assert first.redirect_chain == second.redirect_chain


def test_raises_prices_once_when_clicked_twice_at_once(manager: Client) -> None:
    wish = form()
    wish["seen"] = look(manager, wish).context["form"]["seen"].value()
    barrier = threading.Barrier(4)

    def click() -> None:
        client = Client()
        client.cookies = manager.cookies
        barrier.wait()
        client.post(f"{PRICES}?hotel=chalet", {**wish, "apply": "Apply"})

    threads = [threading.Thread(target=click) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert prices() == [8_800, 8_800]
    assert NightsJob.objects.count() == 1


def test_shows_anew_what_changed_since_it_was_shown(manager: Client) -> None:
    wish = form()
    wish["seen"] = look(manager, wish).context["form"]["seen"].value()
    put_night("chalet_attic", DAY, price=10_000)

    response = manager.post(f"{PRICES}?hotel=chalet", {**wish, "apply": "Apply"})

    assert "The nights or the form have changed since" in said(response)[0]
    assert "CHF\xa0110.00" in response.content.decode()
    assert prices() == [10_000]


def test_does_not_apply_what_was_not_shown(manager: Client) -> None:
    manager.post(f"{PRICES}?hotel=chalet", {**form(), "apply": "Apply"})

    assert prices() == []


def test_leaves_a_large_change_to_the_worker(
    manager: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(night_jobs, "MAX_ROWS_AT_ONCE", 1)

    response = apply(manager, form())
    before = prices()
    night_jobs.work_on_jobs()

    assert "Added as a job; a worker does it after the earlier ones" in said(response)[0]
    assert (before, prices()) == ([], [8_800, 8_800])


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"categories": []}, "categories"),
        ({"categories": ["demo_double"]}, "categories"),
        ({"first": night(-3)}, "first"),
        ({"first": "0001-01-01", "last": "9999-12-31"}, "first,last"),
        ({"last": "2027-02-30"}, "last"),
        ({"weekdays": ["noday"]}, "weekdays"),
        ({"percent": "lots"}, "percent"),
        ({"percent": "1000"}, "percent"),
        ({"percent": "NaN"}, "percent"),
        ({"price": "95.50"}, "percent"),
        ({"percent": "", "price": "1,200.00"}, "price"),
        ({"percent": "", "price": "99999999"}, "price"),
        ({"percent": "", "min_stay": "91"}, "min_stay"),
        ({"percent": ""}, "__all__"),
        ({"key": "mine"}, "key"),
        ({"hotel": "grand"}, "__all__"),
        ({"closed": "perhaps"}, "closed"),
    ],
)
def test_shows_a_fault_beside_its_field(
    manager: Client, changes: dict[str, Any], field: str
) -> None:
    response = look(manager, form(**changes))

    assert list(response.context["form"].errors) == field.split(",")
    assert response.context["plan"] is None


def test_shows_the_front_desk_prices_and_no_form(client: Client, chalet: Hotel) -> None:
    desk = log_in(client, FRONT_DESK)

    page = desk.get(PRICES, {"hotel": "chalet"}).content.decode()

    assert "80.00" in page
    assert "Change many nights" not in page
    assert desk.post(f"{PRICES}?hotel=chalet", {"hotel": "chalet"}).status_code == 403


# --- Nights as CSV ------------------------------------------------------------------------------


def upload(client: Client, content: bytes, **changes: Any) -> Any:
    file = SimpleUploadedFile("prices.csv", content)
    fields = {"hotel": "chalet", "key": str(ObjectId()), "file": file}
    return client.post(FILES, {**fields, **changes}, follow=True)


def rows_of(response: Any) -> list[list[str]]:
    text = b"".join(response.streaming_content).decode("utf-8-sig")
    return list(csv.reader(io.StringIO(text, newline="")))


def test_imports_a_file_and_writes_down_who_did(manager: Client) -> None:
    response = upload(manager, f"category;date;price\r\nchalet_attic;{DAY};95,50\r\n".encode())

    assert prices() == [9_550]
    assert said(response) == ["Done. Import of prices.csv: 1 night."]
    assert noted() == [("manager", "Import of prices.csv: 1 night.")]
    assert "1 of 1" in response.content.decode()


def test_imports_nothing_of_a_file_with_a_wrong_row(manager: Client) -> None:
    response = upload(
        manager, f"category,date,price\nchalet_attic,{DAY},1\nchalet_attic,{DAY},<b>\n".encode()
    )

    text = Page(response.content.decode()).text
    assert "Nothing was imported. The file has 1 fault." in text
    assert "3 price Write a price as 120.00" in text
    assert "<b>" not in response.content.decode()
    assert prices() == []
    assert not NightsJob.objects.exists()
    assert noted() == []


def test_imports_once_when_the_form_is_sent_twice(manager: Client) -> None:
    key = str(ObjectId())
    upload(manager, f"category,date,price\nchalet_attic,{DAY},90\n".encode(), key=key)

    again = upload(manager, f"category,date,price\nchalet_attic,{DAY},91\n".encode(), key=key)

    assert prices() == [9_000]
    assert said(again) == ["This form has already imported a file; nothing was imported again."]
    assert len(noted()) == 1


@pytest.mark.parametrize(
    ("price", "count"), [("90", 1), ("dear", 0)], ids=["a good file", "a faulty file"]
)
def test_answers_after_judging_for_longer_than_mongodb_is_waited_for(
    manager: Client, monkeypatch: pytest.MonkeyPatch, price: str, count: int
) -> None:
    read = night_files._Judge._read_price

    def read_for_long(*arguments: Any) -> Any:
        # MongoDB's share of this request's time ends at once, as after eight seconds.
        pymongo.timeout(1e-9).__enter__()
        return read(*arguments)

    monkeypatch.setattr(night_files._Judge, "_read_price", read_for_long)
    content = f"category,date,price\nchalet_attic,{DAY},{price}\n".encode()
    file = SimpleUploadedFile("prices.csv", content)

    response = manager.post(FILES, {"hotel": "chalet", "key": str(ObjectId()), "file": file})

    assert response.status_code == (302 if count else 200)
    assert len(prices()) == len(noted()) == count


def test_adds_no_job_after_a_request_has_taken_its_time(
    manager: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(deadlines, "REQUEST_TIMEOUT_S", 0)
    manager.raise_request_exception = False

    response = upload(manager, f"category,date,price\nchalet_attic,{DAY},90\n".encode())

    assert response.status_code == 503
    assert NightsJob.objects.count() == 0


@pytest.mark.parametrize(
    ("changes", "field"),
    [({"hotel": "nowhere"}, "hotel"), ({"key": ""}, "key"), ({"file": ""}, "file")],
)
def test_wants_a_hotel_and_a_file(manager: Client, changes: dict[str, str], field: str) -> None:
    response = upload(manager, b"", **changes)

    assert list(response.context["import_form"].errors) == [field]


def test_exports_what_it_imports(manager: Client) -> None:
    put_night("chalet_attic", DAY, closed=True)

    response = manager.get(f"{FILES}export/", {"hotel": "chalet"})
    rows = rows_of(response)

    assert response["Content-Type"] == "text/csv; charset=utf-8"
    assert response["Content-Disposition"].startswith('attachment; filename="nights-chalet-')
    assert rows[1:] == [["chalet", "chalet_attic", DAY, "111.00", "yes", "1", "no", "no"]]
    assert noted() == [("manager", f"Exported the nights from {night(0)} to {night(730)}.")]


@pytest.mark.parametrize(
    ("query", "field"),
    [
        ({"hotel": "nowhere"}, "hotel"),
        ({"first": "soon"}, "first"),
        ({"first": NEXT_DAY, "last": DAY}, "last"),
        ({"first": night(-400)}, "first"),
        ({"last": night(740)}, "first"),
    ],
)
def test_exports_no_range_with_a_fault(manager: Client, query: dict[str, str], field: str) -> None:
    response = manager.get(f"{FILES}export/", {"hotel": "chalet", **query})

    assert list(response.context["export_form"].errors) == [field]


def test_offers_the_front_desk_the_export_alone(client: Client, chalet: Hotel) -> None:
    desk = log_in(client, FRONT_DESK)

    assert desk.get(FILES).context["import_form"] is None
    assert desk.get(f"{FILES}export/", {"hotel": "chalet"}).status_code == 200
    assert desk.post(FILES, {"hotel": "chalet"}).status_code == 403


# --- Occupancy and revenue ----------------------------------------------------------------------


@pytest.fixture
def sold(chalet: Hotel) -> Any:
    """One of the attic's two rooms is sold for a night."""
    for number in (1, 2):
        Room.objects.create(id=f"chalet_{number}", category_id="chalet_attic", name=f"No. {number}")
    book("a", resourceId="chalet_1", date=DAY)
    yield
    Room.objects.filter(id__startswith="chalet_").delete()


def test_shows_figures_as_chart_and_table(manager: Client, sold: None) -> None:
    response = manager.get(FIGURES, {"hotel": "chalet", "first": DAY, "last": NEXT_DAY})

    page = Page(response.content.decode())
    assert "Occupancy 25.0 % Revenue CHF 80.00 ADR CHF 80.00 RevPAR CHF 20.00" in page.text
    assert f"{day_text(DAY)} 2 1 0 0 50.0 % CHF 80.00 CHF 80.00 CHF 40.00" in page.text
    assert f"{day_text(NEXT_DAY)} 2 0 0 0 0.0 % CHF 0.00 – CHF 0.00" in page.text
    occupancy, revenue = response.context["chart"]
    assert [bar.title for bar in occupancy.bars] == [f"{day_text(DAY)}: 50 %"]
    assert [bar.title for bar in revenue.bars] == [f"{day_text(DAY)}: CHF\xa080.00"]
    assert {"svg", "rect", "title"} <= page.tags


def test_draws_a_year_within_its_frame(manager: Client, sold: None) -> None:
    response = manager.get(FIGURES, {"hotel": "chalet", "first": DAY, "last": night(30 + 365)})

    for panel in response.context["chart"]:
        assert len(panel.days) <= 10
        assert len({day.at for day in panel.days}) == len(panel.days)
        for bar in panel.bars:
            assert bar.x >= 100
            assert bar.x + bar.width <= 1000
            assert 0 <= bar.y <= bar.y + bar.height <= 170


def test_downloads_figures(manager: Client, sold: None) -> None:
    shown = manager.get(FIGURES, {"hotel": "chalet", "first": DAY, "last": NEXT_DAY})

    rows = rows_of(manager.get(FIGURES + shown.context["csv_url"]))

    assert rows[1] == [DAY, "", "CHF", "2", "1", "0", "0", "50.0", "80.00", "80.00", "40.00"]
    assert rows[2] == [NEXT_DAY, "", "CHF", "2", "0", "0", "0", "0.0", "0.00", "", "0.00"]
    assert rows[3][:5] == [DAY, "chalet_attic", "CHF", "2", "1"]
    assert len(rows) == 1 + 2 * 3
    assert noted() == [("manager", f"Downloaded occupancy and revenue from {DAY} to {NEXT_DAY}.")]


def test_downloads_what_was_booked_in_another_currency_too(manager: Client, sold: None) -> None:
    Hotel.objects.filter(id="chalet").update(currency="EUR")

    rows = rows_of(manager.get(f"{FIGURES}csv/", {"hotel": "chalet", "first": DAY, "last": DAY}))

    assert rows[1][8] == "0.00"
    assert rows[-1] == ["", "Booked in another currency", "CHF", *[""] * 5, "80.00", "", ""]


@pytest.mark.parametrize("is_sold", [True, False])
def test_changes_the_currency_of_a_hotel_without_stays_alone(
    manager: Client, sold: None, is_sold: bool
) -> None:
    address = "/admin/bookings/hotel/chalet/change/"
    fields = manager.get(address).context["adminform"].form.initial
    if not is_sold:
        collection("bookings").update_many({}, {"$set": {"kind": BLOCK}})

    response = manager.post(address, {**fields, "currency": "EUR"})

    assert Hotel.objects.get(pk="chalet").currency == ("CHF" if is_sold else "EUR")
    if is_sold:
        text = "Stays or holds from today on are priced in CHF; change it once they have ended."
        assert response.context["adminform"].form.errors == {"currency": [text]}


@pytest.mark.parametrize("address", [FIGURES, f"{FIGURES}csv/"])
@pytest.mark.parametrize(
    ("query", "field"),
    [
        ({"hotel": "nowhere"}, "hotel"),
        ({"first": "soon"}, "first"),
        ({"first": NEXT_DAY, "last": DAY}, "last"),
        ({"first": DAY, "last": night(30 + 366)}, "last"),
    ],
)
def test_shows_no_figures_of_a_range_with_a_fault(
    manager: Client, address: str, query: dict[str, str], field: str
) -> None:
    response = manager.get(address, query)

    assert list(response.context["form"].errors) == [field]
    assert noted() == []


def test_shows_thirty_nights_from_today_without_a_range(manager: Client) -> None:
    found = manager.get(FIGURES, {"hotel": "chalet"}).context["found"]

    assert (found.first.isoformat(), found.last.isoformat()) == (night(0), night(29))


# --- Days at the ends of the calendar ------------------------------------------------------------

RECORDS = "/admin/bookings/bookingrecord/"
NIGHTS = "/admin/bookings/night/"
ANY_ID = "0" * 24


@pytest.mark.parametrize("address", [LOG, FIGURES, f"{FIGURES}csv/", f"{FILES}export/"])
def test_says_which_days_it_knows(manager: Client, address: str) -> None:
    for name in ("first", "last"):
        for day in ("1969-12-31", "9999-12-31"):
            context = manager.get(address, {name: day}).context

            form = context["export_form" if "export" in address else "form"]
            assert form.errors == {name: ["Choose a day from 1970-01-01 to 2105-12-31."]}


@pytest.mark.parametrize("address", [RECORDS, NIGHTS])
def test_lists_by_days_at_the_ends(manager: Client, address: str) -> None:
    for name in ("first", "last"):
        for day in ("1970-01-01", "2105-12-31"):
            assert manager.get(address, {name: day}).status_code == 200
        for day in ("1969-12-31", "9999-12-31"):
            assert manager.get(address, {name: day}).url == f"{address}?e=1"


@pytest.mark.parametrize("moment", ["9999-12-31T23:59:59-23:59", "0001-01-01T00:00:00+23:59"])
def test_begins_the_log_again_after_a_moment_that_cannot_be(manager: Client, moment: str) -> None:
    form = manager.get(LOG, {"before": f"{moment}_{ANY_ID}"}).context["form"]

    assert form.errors == {"before": ["Start again from the newest entry."]}


# --- The log of actions -------------------------------------------------------------------------


@pytest.fixture
def entries(manager: Client) -> list[LogEntry]:
    """Fifty-five of one user and five of another, an hour apart, the last ones at one moment."""
    ada, bob = User.objects.create_user("ada"), User.objects.create_user("bob")
    kind = ContentType.objects.get_for_model(Night)
    start = datetime(2026, 1, 1, tzinfo=UTC)
    made = [
        LogEntry(
            user=bob if number % 12 == 0 else ada,
            action_time=start + timedelta(hours=min(number, 50)),
            action_flag=CHANGE if number % 2 else ADDITION,
            content_type=kind,
            object_id=f"x|{number}",
            object_repr=f"Night {number}",
            change_message=json.dumps([{"changed": {"fields": ["Price"]}}]),
        )
        for number in range(60)
    ]
    return LogEntry.objects.bulk_create(made)


def listed(response: Any) -> list[str]:
    return [entry["object"] for entry in response.context["entries"]]


def test_lists_the_newest_first_page_by_page(manager: Client, entries: Any) -> None:
    first = manager.get(LOG)
    second = manager.get(LOG + first.context["next_url"])

    pages = listed(first), listed(second)
    assert len(pages[0]) == 50
    assert sorted(pages[0] + pages[1]) == sorted(entry.object_repr for entry in entries)
    assert pages[1][-1] == "Night 0"
    assert second.context["next_url"] == ""
    assert "Changed Price." in first.content.decode()
    assert "ada" in first.content.decode()


@pytest.mark.parametrize(
    ("query", "count"),
    [
        ({"user": "bob"}, 5),
        ({"kind": "2"}, 30),
        ({"user": "ada", "kind": "1"}, 25),
        ({"first": "2026-01-02", "last": "2026-01-02"}, 24),
        ({"last": "2026-01-01"}, 24),
        ({"first": "2026-01-03"}, 12),
        ({"first": "2027-01-01"}, 0),
        ({"user": "bob", "first": "2026-01-02", "last": "2026-01-02"}, 2),
    ],
)
def test_finds_by_user_date_and_kind(
    manager: Client, entries: Any, query: dict[str, str], count: int
) -> None:
    assert len(listed(manager.get(LOG, query))) == count


@pytest.mark.parametrize(
    ("query", "field"),
    [
        ({"user": "nobody"}, "user"),
        ({"booking": "DEMO-0000"}, "booking"),
        ({"kind": "9"}, "kind"),
        ({"first": "soon"}, "first"),
        ({"before": "x"}, "before"),
        ({"before": "2026-01-01T00:00:00_x"}, "before"),
    ],
)
def test_says_what_is_wrong_with_a_wish_for_entries(
    manager: Client, query: dict[str, str], field: str
) -> None:
    assert list(manager.get(LOG, query).context["form"].errors) == [field]


@pytest.mark.parametrize(
    ("query", "index"),
    [
        ({}, "newest_actions"),
        ({"first": "2026-01-02", "last": "2026-01-02"}, "newest_actions"),
        ({"user": "bob"}, "newest_actions_of_a_user"),
        ({"kind": "3"}, "newest_actions_of_a_kind"),
        ({"before": "2026-01-02T00:00:00+00:00_" + "0" * 24}, "newest_actions"),
    ],
)
def test_reads_the_log_by_an_index(
    manager: Client,
    entries: Any,
    monkeypatch: pytest.MonkeyPatch,
    query: dict[str, str],
    index: str,
) -> None:
    form = log.LogForm(query)
    assert form.is_valid()

    commands = Commands()
    watched = MongoClient(os.environ["MONGODB_URI"], event_listeners=[commands])
    with watched as client, monkeypatch.context() as patch:
        patch.setattr(connections, "database", lambda: client[os.environ["MONGODB_NAME"]])
        form.find()
    asked = {
        name: value
        for name, value in commands.sent[0].command.items()
        if name not in OF_THE_SESSION
    }
    explained = connections.database().command("explain", asked)

    plan = json.dumps(explained["queryPlanner"]["winningPlan"], default=str)
    assert f'"{index}"' in plan
    assert '"COLLSCAN"' not in plan
    assert '"SORT"' not in plan


def log_of_a_booking(ada: User) -> tuple[str, str]:
    """Makes entries about two bookings, one of them by Ada too; returns a reference and an id."""
    made = [book(key=name, resourceId=f"room_{name}").content["booking"] for name in "AB"]
    kind = ContentType.objects.get_for_model(BookingRecord)
    for one, user in ((made[0], ada), (made[1], ada), (made[0], User.objects.get(username="bob"))):
        LogEntry.objects.create(
            user=user,
            action_time=datetime(2026, 2, 1, tzinfo=UTC),
            action_flag=CHANGE,
            content_type=kind,
            object_id=one["id"],
            object_repr=one["reference"],
        )
    return made[0]["reference"], made[0]["id"]


def test_finds_by_booking(manager: Client, entries: Any) -> None:
    reference, booking = log_of_a_booking(User.objects.get(username="ada"))

    assert listed(manager.get(LOG, {"booking": f" {reference.lower()} "})) == [reference] * 2
    assert listed(manager.get(LOG, {"booking": reference, "user": "ada"})) == [reference]
    assert listed(manager.get(LOG, {"booking": reference, "last": "2026-01-31"})) == []
    page = Page(manager.get(f"/admin/bookings/bookingrecord/{booking}/change/").content.decode())
    assert listed(manager.get(page.links["Who did what here"])) == [reference] * 2


def test_reads_the_entries_of_a_booking_by_an_index(manager: Client, entries: Any) -> None:
    reference, _ = log_of_a_booking(User.objects.get(username="ada"))
    form = log.LogForm({"booking": reference})
    assert form.is_valid()
    condition = {"object_id": form.cleaned_data["booking"]}
    sort = {"action_time": -1, "_id": -1}

    asked = {"find": "django_admin_log", "filter": condition, "sort": sort}
    explained = connections.database().command("explain", asked)

    plan = json.dumps(explained["queryPlanner"]["winningPlan"], default=str)
    assert '"newest_actions_on_an_object"' in plan
    assert '"SORT"' not in plan


def test_lets_nobody_change_the_log(manager: Client) -> None:
    entry = LogEntry.objects.create(
        user=User.objects.get(username="manager"), action_flag=CHANGE, object_repr="x"
    )

    for action in ("change", "delete", "history"):
        assert manager.post(f"{LOG}{entry.pk}/{action}/", {"post": "yes"}).status_code == 404
    assert manager.post(LOG, {"action": "delete_selected"}).status_code == 405
    assert LogEntry.objects.count() == 1
