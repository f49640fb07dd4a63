"""The admin's calendar: nights one by one, and jobs for many."""

from __future__ import annotations

import json
from datetime import date
from typing import Any

import pytest
from bson import ObjectId
from django.contrib.admin.models import LogEntry
from django.contrib.auth.models import Permission, User
from django.test import Client

from bookings.admin.nights import NightForm
from bookings.catalogue import night_jobs
from bookings.catalogue.nights import generate_nights
from bookings.infrastructure.connections import collection, database
from bookings.models import Hotel, Night, NightsJob, RoomCategory

pytestmark = pytest.mark.mongo

NIGHTS = "/admin/bookings/night/"
JOBS = "/admin/bookings/nightsjob/"
CATEGORIES = "/admin/bookings/roomcategory/"
FIRST = "chalet_attic|2027-03-01"


@pytest.fixture
def desk(client: Client, chalet: Hotel) -> Client:
    client.force_login(User.objects.create_superuser("staff"))
    return client


@pytest.fixture
def week(chalet: Hotel) -> None:
    generate_nights(hotel_id="chalet", start=date(2027, 3, 1), end=date(2027, 3, 7))


def listed(response: Any) -> list[str]:
    return [night.pk for night in response.context["cl"].result_list]


def errors_of(response: Any) -> dict[str, list[str]]:
    return response.context["adminform"].form.errors


def page_of(night_id: str) -> str:
    return f"{NIGHTS}{night_id.replace('_', '_5F')}/change/"


def night(**changes: Any) -> dict[str, Any]:
    fields = {"category": "chalet_attic", "date": "2027-03-01", "price": "90.00", "min_stay": "2"}
    return {**fields, **changes}


def wish(**changes: Any) -> dict[str, Any]:
    return {
        "hotel": "chalet",
        "start": "2027-03-01",
        "end": "2027-03-07",
        "weekdays": ["mon", "tue", "wed", "thu", "fri", "sat", "sun"],
        "key": str(ObjectId()),
        **changes,
    }


# --- The list -----------------------------------------------------------------------------------


def test_lists_nights_with_their_category_hotel_and_price(desk: Client, week: None) -> None:
    page = desk.get(NIGHTS).content.decode()

    for text in ("2027-03-07", "Attic", "Suite", "Chalet", "CHF\xa080.00", "CHF\xa0120.00"):
        assert text in page


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ("?hotel=chalet", 14),
        ("?hotel=grand", 0),
        ("?hotel=chalet&category=chalet_suite", 7),
        ("?first=2027-03-03&last=2027-03-04", 4),
        ("?first=2027-03-06", 4),
        ("?last=2027-03-01", 2),
        ("?first=&last=", 14),
        ("?hotel=chalet&category=chalet_attic&first=2027-03-02&last=2027-03-02", 1),
    ],
)
def test_filters_nights(desk: Client, week: None, query: str, found: int) -> None:
    assert len(listed(desk.get(NIGHTS + query))) == found


def test_offers_the_categories_of_the_chosen_hotel(desk: Client) -> None:
    page = desk.get(f"{NIGHTS}?hotel=chalet").content.decode()

    assert "Suite (chalet_suite)" in page
    assert "grand_suite" not in page


def test_keeps_the_other_filters_when_dates_are_chosen(desk: Client, week: None) -> None:
    page = desk.get(f"{NIGHTS}?hotel=chalet&first=2027-03-03&p=1").content.decode()

    assert '<input type="hidden" name="hotel" value="chalet">' in page
    assert 'value="2027-03-03"' in page
    assert 'name="p"' not in page


def test_does_not_filter_by_what_is_no_date(desk: Client, week: None) -> None:
    assert desk.get(f"{NIGHTS}?first=soon").url == f"{NIGHTS}?e=1"


@pytest.mark.parametrize(
    "query",
    [
        "?hotel=chalet",
        "?category=chalet_attic",
        "?first=2027-03-03&last=2027-03-04",
        "?hotel=chalet&first=2027-03-03",
        "?category=chalet_attic&first=2027-03-03&last=2027-03-04",
    ],
)
def test_reads_by_the_index_and_little_else(desk: Client, week: None, query: str) -> None:
    generate_nights(hotel_id="grand", start=date(2027, 3, 1), end=date(2027, 12, 31))

    changelist = desk.get(NIGHTS + query).context["cl"]
    page = changelist.queryset[: changelist.list_per_page].query
    pipeline = page.get_compiler("default").build_query().get_pipeline()
    explained = database().command(
        "explain", {"aggregate": "nights", "pipeline": pipeline, "cursor": {}}
    )

    plan = json.dumps(explained["queryPlanner"]["winningPlan"], default=str)
    assert '"nights_of_a_category"' in plan
    assert "COLLSCAN" not in plan
    assert explained["executionStats"]["totalDocsExamined"] == changelist.result_count


def test_closes_and_opens_what_is_selected(desk: Client, week: None) -> None:
    chosen = {"_selected_action": [FIRST, "chalet_suite|2027-03-02"]}

    closed = desk.post(f"{NIGHTS}?hotel=chalet", {**chosen, "action": "close_selected"})
    found = sorted(Night.objects.filter(closed=True).values_list("pk", flat=True))
    desk.post(NIGHTS, {"_selected_action": [FIRST], "action": "open_selected"})

    assert closed.status_code == 302
    assert found == sorted(chosen["_selected_action"])
    assert list(Night.objects.filter(closed=True)) == [Night(pk="chalet_suite|2027-03-02")]
    noted = LogEntry.objects.order_by("pk").values_list("change_message", flat=True)
    assert list(noted) == ["Nights closed: 2.", "Nights opened: 1."]


def test_deletes_what_is_selected(desk: Client, week: None) -> None:
    chosen = {"_selected_action": [FIRST], "action": "delete_selected", "post": "yes"}

    desk.post(f"{NIGHTS}?category=chalet_attic&first=2027-03-01", chosen)

    assert Night.objects.count() == 13
    assert not Night.objects.filter(pk=FIRST).exists()


def test_lets_who_may_only_look_change_nothing(client: Client, week: None) -> None:
    user = User.objects.create_user("viewer", is_staff=True)
    user.user_permissions.set(Permission.objects.filter(codename="view_night"))
    client.force_login(user)

    client.post(NIGHTS, {"_selected_action": [FIRST], "action": "close_selected"})
    refused = client.post(page_of(FIRST), night(closed="on"))

    assert client.get(NIGHTS).status_code == 200
    assert refused.status_code == 403
    assert not Night.objects.filter(closed=True).exists()
    assert client.get(JOBS).status_code == 403
    assert client.get(f"{JOBS}add/").status_code == 403


# --- One night ----------------------------------------------------------------------------------


def test_adds_one_night(desk: Client) -> None:
    response = desk.post(f"{NIGHTS}add/", night(closed_to_arrival="on"))

    assert response.status_code == 302
    assert list(collection("nights").find()) == [
        {
            "_id": FIRST,
            "category_id": "chalet_attic",
            "date": "2027-03-01",
            "price": 9_000,
            "closed": False,
            "min_stay": 2,
            "closed_to_arrival": True,
            "closed_to_departure": False,
        }
    ]


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("date", "2027-02-29"),
        ("date", "tomorrow"),
        ("date", ""),
        ("category", "nowhere"),
        ("price", "-1"),
        ("price", "10000000.01"),
        ("price", "12.505"),
        ("min_stay", "0"),
        ("min_stay", "91"),
    ],
)
def test_refuses_a_night_with_a_fault(desk: Client, field: str, value: str) -> None:
    response = desk.post(f"{NIGHTS}add/", night(**{field: value}))

    assert list(errors_of(response)) == [field]
    assert not Night.objects.exists()


def test_does_not_add_a_night_twice(desk: Client, week: None) -> None:
    response = desk.post(f"{NIGHTS}add/", night())

    assert "This night is already in the calendar" in response.content.decode()
    assert Night.objects.get(pk=FIRST).price == 8_000


def test_does_not_overwrite_a_night_that_came_meanwhile(
    desk: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    save = Night.save

    def save_late(self: Night, *arguments: Any, **options: Any) -> None:
        generate_nights(hotel_id="chalet", start=date(2027, 3, 1), end=date(2027, 3, 1))
        save(self, *arguments, **options)

    monkeypatch.setattr(Night, "save", save_late)

    response = desk.post(f"{NIGHTS}add/", night(price="91.00"), follow=True)

    assert "This night is already in the calendar; change it there." in response.content.decode()
    assert response.context["adminform"].form["price"].value() == "91.00"
    assert Night.objects.get(pk=FIRST).price == 8_000


def test_edits_a_night_but_not_which_it_is(desk: Client, week: None) -> None:
    fields = night(
        closed="on", closed_to_departure="on", category="chalet_suite", date="2030-01-01"
    )

    response = desk.post(page_of(FIRST), fields)

    assert response.status_code == 302
    found = Night.objects.get(pk=FIRST)
    assert (found.category_id, found.date, found.price) == ("chalet_attic", "2027-03-01", 9_000)
    assert (found.closed, found.min_stay) == (True, 2)
    assert (found.closed_to_arrival, found.closed_to_departure) == (False, True)
    assert Night.objects.count() == 14


def test_keeps_a_price_that_was_set_while_the_form_was_judged(
    desk: Client, week: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    judge = NightForm.clean

    def change_then(self: NightForm) -> None:
        judge(self)
        collection("nights").update_one({"_id": FIRST}, {"$set": {"price": 1}})

    monkeypatch.setattr(NightForm, "clean", change_then)

    page = desk.post(page_of(FIRST), night(price="80.00", min_stay="1", closed="on"), follow=True)

    found = Night.objects.get(pk=FIRST)
    assert (found.price, found.closed) == (1, False)
    assert "save once more to replace theirs." in page.content.decode()


def test_does_not_delete_a_category_with_nights(desk: Client, week: None) -> None:
    address = f"{CATEGORIES}chalet_attic/delete/"

    refused = desk.post(address, {"post": "yes"}).content.decode()
    kept = RoomCategory.objects.filter(pk="chalet_attic").exists()
    Night.objects.filter(category="chalet_attic").delete()
    desk.post(address, {"post": "yes"})

    assert "Attic (chalet_attic) has nights in the calendar; delete those first." in refused
    assert kept
    assert not RoomCategory.objects.filter(pk="chalet_attic").exists()


# --- Jobs ---------------------------------------------------------------------------------------


def test_adds_a_job_that_a_worker_does(desk: Client) -> None:
    response = desk.post(
        f"{JOBS}add/", wish(price="70.00", weekdays=["fri", "sat"], overwrite="on")
    )
    waiting = desk.get(JOBS).content.decode()
    night_jobs.work_on_jobs()

    (job,) = NightsJob.objects.all()
    assert response.url == JOBS
    assert str(job.requested_by) == "staff"
    assert (job.price, job.weekdays, job.overwrite, job.exclude_end) == (
        7000,
        "fri,sat",
        True,
        False,
    )
    assert "0 of 4" in waiting
    page = desk.get(JOBS).content.decode()
    assert "4 of 4" in page
    assert ">Done<" in page
    assert sorted(collection("nights").distinct("date")) == ["2027-03-05", "2027-03-06"]


def test_adds_one_job_when_the_form_is_sent_twice(desk: Client) -> None:
    key = desk.get(f"{JOBS}add/").context["adminform"].form["key"].value()
    desk.post(f"{JOBS}add/", wish(key=key))

    again = desk.post(f"{JOBS}add/", wish(key=key), follow=True)

    assert [str(job.pk) for job in NightsJob.objects.all()] == [key]
    assert "This form has already added its job" in again.content.decode()
    assert LogEntry.objects.count() == 1


@pytest.mark.parametrize(
    ("changes", "field", "sentence"),
    [
        ({"key": "mine"}, "key", "Open this form again"),
        ({"hotel": "nowhere"}, "hotel", "valid choice"),
        ({"hotel": "empty"}, "hotel", "This hotel has no room categories; add one first."),
        ({"start": "2027-02-29"}, "start", "Enter a valid date."),
        ({"end": "2027-02-28"}, "end", "Choose an end that is not before the start."),
        ({"end": "2029-03-01"}, "end", "Make at most 731 nights at a time."),
        ({"end": "2027-03-01", "exclude_end": "on"}, "end", "Choose an end after the start"),
        ({"weekdays": []}, "weekdays", "This field is required."),
        ({"weekdays": ["noday"]}, "weekdays", "valid choice"),
        ({"end": "2027-03-05", "weekdays": ["sat"]}, "weekdays", "between start and end"),
        ({"price": "-1"}, "price", "Write the price in CHF as 120.00"),
        ({"price": "10000001"}, "price", "Give at most CHF\xa010,000,000.00."),
    ],
)
def test_refuses_a_job_that_cannot_be_done(
    desk: Client, changes: dict[str, Any], field: str, sentence: str
) -> None:
    Hotel.objects.create(id="empty", code="EMPTY", name="Empty")

    response = desk.post(f"{JOBS}add/", wish(**changes))

    Hotel.objects.filter(id="empty").delete()
    ((found, texts),) = errors_of(response).items()
    assert found == field
    assert sentence in texts[0]
    assert not NightsJob.objects.exists()


def test_offers_every_weekday_and_says_what_overwrite_leaves(desk: Client) -> None:
    page = desk.get(f"{JOBS}add/").content.decode()

    assert page.count('type="checkbox" name="weekdays"') == 7
    assert page.count("checked") == 7
    assert "stays and other restrictions stay." in page


def test_shows_a_job_and_never_edits_it(desk: Client) -> None:
    desk.post(f"{JOBS}add/", wish())
    (job,) = NightsJob.objects.all()
    address = f"{JOBS}{job.pk}/change/"

    page = desk.get(address).content.decode()
    refused = desk.post(address, wish(price="1"))

    assert "0 of 14" in page
    assert 'name="start"' not in page
    assert refused.status_code == 403
    assert NightsJob.objects.get().price is None


def test_shows_why_a_job_failed(desk: Client) -> None:
    desk.post(f"{JOBS}add/", wish())
    (job,) = NightsJob.objects.all()
    RoomCategory.objects.filter(hotel="chalet").delete()
    night_jobs.work_on_jobs()

    page = desk.get(f"{JOBS}{job.pk}/change/").content.decode()

    assert "This hotel has no room categories; add one first." in page
    assert "Failed" in page


def test_takes_a_waiting_job_back(desk: Client) -> None:
    desk.post(f"{JOBS}add/", wish())
    (job,) = NightsJob.objects.all()

    desk.post(f"{JOBS}{job.pk}/delete/", {"post": "yes"})

    assert night_jobs.work_on_jobs() == 0
    assert not NightsJob.objects.exists()
