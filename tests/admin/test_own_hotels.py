"""Staff with one hotel: every page of the admin knows that one, and nothing of the others."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from datetime import date
from typing import Any
from urllib.parse import unquote_plus, urlencode

import pytest
from bson import ObjectId
from django.contrib.admin import site
from django.contrib.admin.utils import quote, unquote
from django.contrib.auth.models import Group, Permission, User
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client

from bookings.admin import records
from bookings.admin.own_hotels import OfHotels
from bookings.admin.setup.forms import CategoriesForm
from bookings.catalogue import inventory
from bookings.domain.callers import Caller
from bookings.front_desk import blocks
from bookings.front_desk.guest_search import find_stay_ids
from bookings.infrastructure import clock
from bookings.infrastructure.connections import collection
from bookings.infrastructure.deadlines import Deadline
from bookings.models import (
    BookingRecord,
    CategoryContent,
    Hotel,
    HotelContent,
    NightsJob,
)
from bookings.news import relay
from bookings.people import staff_hotels
from bookings.people.roles import FRONT_DESK, MANAGER
from tests.admin.test_stale_forms import fill, page_of
from tests.calls import CUSTOMER, book, stored
from tests.conftest import night
from tests.hotels import put_night
from tests.site import ROOT
from tests.url_patterns import patterns_of_site

pytestmark = [pytest.mark.mongo, pytest.mark.usefixtures("inn")]

ADMIN = "/admin/"
BOOKINGS = f"{ADMIN}bookings/bookingrecord/"

# What only people of the other hotel may read. It is the demo's, apart from its own names.
SECRETS = (
    "Demo Hotel",
    "demo_",
    "room_A",
    "room_B",
    "Adalbertine",
    "ada@example.org",
    "Repaint",
    "DEMO-",
)


def staff_of(*hotels: str, role: str = MANAGER) -> User:
    user = User.objects.create_user(f"staff-{ObjectId()}", is_staff=True)
    user.groups.add(Group.objects.get(name=role))
    if hotels:
        assert staff_hotels.set_hotels(user.pk, frozenset(hotels), before=None)
    return user


@pytest.fixture
def manager(client: Client) -> Client:
    """The manager of the inn."""
    client.force_login(staff_of("inn"))
    return client


@pytest.fixture
def others() -> Iterator[dict[str, str]]:
    """What there is at the demo, by model: bookings, a block, a night, a job, news."""
    contents = [HotelContent.objects.get(pk="demo"), CategoryContent.objects.get(pk="demo_double")]
    put_night("demo_double", night(40))
    job = NightsJob.objects.create(
        hotel_id="demo",
        start=night(1),
        end=night(2),
        weekdays="mon",
        total=1,
        created_at=clock.now(),
    )
    guest = {"name": "Adalbertine", "email": "ada@example.org", "phone": "+49 30 1234567"}
    booking = book(caller=CUSTOMER, guest=guest, notes="Repaint").content["booking"]
    relay.pass_on_news()
    delivery = collection("deliveries").find_one()
    assert delivery is not None
    yield {
        "hotel": "demo",
        "roomcategory": "demo_double",
        "room": "room_A",
        "hotelcontent": "demo",
        "categorycontent": "demo_double",
        "night": f"demo_double|{night(40)}",
        "nightsjob": str(job.pk),
        "bookingrecord": booking["id"],
        "roomblock": block("demo", "room_B"),
        "deliveryrecord": delivery["_id"],
    }
    for content in contents:
        content.save()


def block(key: str, room: str) -> str:
    made = blocks.block_rooms(
        actor=Caller("user", "staff"),
        room_ids=(room,),
        first=date.fromisoformat(night(3)),
        end=date.fromisoformat(night(5)),
        reason="Repaint",
        key_header=f"block-{key}",
        deadline=Deadline.after(10),
    )
    identity: str = made.content["booking"]["id"]
    return identity


def secrets_in(response: Any) -> list[str]:
    """Returns the other hotel's secrets that the response tells."""
    if response.streaming:
        text = b"".join(response.streaming_content).decode()
    else:
        text = response.content.decode()
    return [secret for secret in SECRETS if secret in text]


def pages(others: dict[str, str]) -> list[str]:
    """Returns every page of the admin without the objects of others, and with them, and with
    what people could type into URLs to learn of them."""
    found = []
    for pattern in patterns_of_site():
        if not pattern.startswith("admin/") or "app_label" in pattern or "url>" in pattern:
            continue
        if "<" not in pattern:
            found.append(f"/{pattern}")
            continue
        model = pattern.split("/")[2]
        if model in others:
            found.append("/" + re.sub("<.*?>", quote(others[model]), pattern))
        elif model == "photo":
            found += [f"{ADMIN}bookings/photo/hotel/demo/"]
            found += [f"{ADMIN}bookings/photo/category/demo_double/"]
        elif pattern.startswith("admin/desk/occupancy/<str:booking_id>/"):
            for kind in ("bookingrecord", "roomblock"):
                found.append("/" + re.sub("<.*?>", others[kind], pattern))
        elif pattern.startswith("admin/desk/occupancy/"):
            found.append(f"{ADMIN}desk/occupancy/room_A/{night(3)}/")
        elif pattern.startswith("admin/setup/"):
            found.append("/" + re.sub("<.*?>", "demo", pattern))
    typed = {
        BOOKINGS: (
            {"q": "Adalbertine"},
            {"q": "room_A"},
            {"hotel": "demo"},
            {"q": "ada@example.org"},
        ),
        f"{BOOKINGS}add/": (
            {"hotel": "demo"},
            {"room": "room_A"},
            {"category": "demo_double"},
            {"hotel": "inn", "room": "room_A"},
        ),
        f"{ADMIN}bookings/roomblock/add/": (
            {"hotel": "demo"},
            {"rooms": "room_A"},
            {"hotel": "inn", "rooms": "room_A"},
        ),
        f"{ADMIN}bookings/roomblock/": ({"hotel": "demo"}, {"q": "Repaint"}),
        f"{ADMIN}bookings/deliveryrecord/": ({"state": "waiting"}, {"q": "DEMO"}),
        f"{ADMIN}bookings/night/": ({"hotel": "demo"}, {"category": "demo_double"}),
        f"{ADMIN}bookings/room/": ({"category__hotel__id__exact": "demo"}, {"q": "room"}),
        f"{ADMIN}bookings/roomcategory/": ({"hotel__id__exact": "demo"}, {"q": "demo"}),
        f"{ADMIN}bookings/hotel/": ({"q": "demo"},),
        f"{ADMIN}bookings/hotelcontent/": ({"q": "demo"},),
        f"{ADMIN}bookings/categorycontent/": (
            {"q": "demo"},
            {"category__hotel__id__exact": "demo"},
        ),
        f"{ADMIN}bookings/pricecalendar/": ({"hotel": "demo"},),
        f"{ADMIN}bookings/nightsfile/export/": ({"hotel": "demo"}, {}),
        f"{ADMIN}bookings/figures/": ({"hotel": "demo"},),
        f"{ADMIN}bookings/figures/csv/": ({"hotel": "demo"}, {}),
        f"{ADMIN}desk/today/": ({"hotel": "demo", "day": night()},),
        f"{ADMIN}desk/occupancy/": ({"hotel": "demo", "start": night()},),
        f"{ADMIN}desk/rooms/": ({"hotel": "demo", "check_in": night(10)},),
        f"{ADMIN}desk/guests/": ({"q": "Adalbertine"}, {"q": "ada@example.org"}, {"q": "Room A"}),
        f"{ADMIN}autocomplete/": tuple(
            {"app_label": "bookings", "model_name": model, "field_name": field, "term": "demo"}
            for model, field in (
                ("night", "category"),
                ("room", "category"),
                ("roomcategory", "hotel"),
                ("nightsjob", "hotel"),
            )
        ),
    }
    return found + [f"{url}?{urlencode(each)}" for url, asked in typed.items() for each in asked]


def told_by(reader: Client, urls: list[str]) -> dict[str, list[str]]:
    """Returns by URL the secrets that its page tells, in whatever it leads to as well."""
    found = {}
    for url in urls:
        response = reader.get(url, follow=True)
        assert response.status_code < 500, url
        # A page may say what was typed into its URL.
        typed = unquote(unquote_plus(url))
        told = [secret for secret in secrets_in(response) if secret not in typed]
        if told:
            found[url] = told
    return found


@pytest.mark.parametrize("role", [FRONT_DESK, MANAGER])
def test_tells_staff_nothing_of_another_hotel(
    client: Client, others: dict[str, str], role: str
) -> None:
    client.force_login(staff_of("inn", role=role))

    assert told_by(client, pages(others)) == {}


def test_would_notice_what_a_page_tells(client: Client, others: dict[str, str]) -> None:
    client.force_login(staff_of())

    found = told_by(client, pages(others))

    told = {re.sub(r"[^a-z/].*", "", url.removeprefix(ADMIN)) for url in found}
    assert {
        "bookings/bookingrecord/",
        "bookings/roomblock/",
        "bookings/deliveryrecord/",
        "bookings/hotel/",
        "bookings/roomcategory/",
        "bookings/room/",
        "bookings/hotelcontent/",
        "bookings/categorycontent/",
        "bookings/night/",
        "bookings/nightsjob/",
        "bookings/pricecalendar/",
        "bookings/nightsfile/export/",
        "bookings/figures/",
        "bookings/figures/csv/",
        "bookings/photo/",
        "desk/today/",
        "desk/occupancy/",
        "desk/rooms/",
        "desk/guests/",
        "setup/demo/preview/",
        "autocomplete/",
    } <= told


def test_tells_nothing_of_the_job_of_another_hotel_by_its_key(
    manager: Client, others: dict[str, str]
) -> None:
    NightsJob.objects.filter(pk=others["nightsjob"]).update(summary="Set price 99 for demo_double")
    url = f"{ADMIN}bookings/pricecalendar/?hotel=inn"
    nights = {"first": night(30), "last": night(30), "categories": "inn_double", "price": "120"}
    weekdays = ["mon", "tue", "wed", "thu", "fri", "sat", "sun"]
    fields = {"hotel": "inn", "key": others["nightsjob"], "weekdays": weekdays, **nights}

    asked = manager.post(url, fields, follow=True)
    seen = re.findall('name="seen" value="(.+?)"', asked.content.decode())
    applied = manager.post(url, {**fields, "seen": seen, "apply": "1"}, follow=True)

    assert "This form has already changed nights" not in asked.content.decode()
    assert "This form has already changed nights" in applied.content.decode()
    assert secrets_in(asked) == secrets_in(applied) == []


@pytest.mark.parametrize(
    ("form", "field", "own", "other"),
    [
        ("night", "category", "inn_double", "demo_double"),
        ("roomcategory", "hotel", "inn", "demo"),
        ("nightsjob", "hotel", "inn", "demo"),
    ],
)
def test_tells_no_currency_of_another_hotel(
    manager: Client, form: str, field: str, own: str, other: str
) -> None:
    def shown(key: str) -> bool:
        url = f"{ADMIN}bookings/{form}/add/"
        pages = [manager.get(url, {field: key}), manager.post(url, {field: key})]
        told = ["In EUR, such as" in page.content.decode() for page in pages]
        assert told[0] == told[1]
        return told[0]

    assert (shown(own), shown(other)) == (True, False)


# --- Changing what belongs to others ------------------------------------------------------------

Forms = tuple[str, dict[str, Any]]


def booking_form(others: dict[str, str]) -> Forms:
    dates = {"check_in": night(20), "check_out": night(21), "guests": "1", "key": "k"}
    price = {"quoted": "12000", "currency": "EUR"}
    return f"{BOOKINGS}add/", {"hotel": "demo", "room": "room_C", **dates, **price}


def booking_of_a_category(others: dict[str, str]) -> Forms:
    dates = {"check_in": night(20), "check_out": night(21), "guests": "1", "key": "k"}
    price = {"quoted": "12000", "currency": "EUR"}
    return f"{BOOKINGS}add/", {"hotel": "inn", "category": "demo_double", **dates, **price}


def block_form(others: dict[str, str]) -> Forms:
    nights = {"first": night(20), "end": night(21), "reason": "Repair", "key": "k"}
    return f"{ADMIN}bookings/roomblock/add/", {"hotel": "demo", "rooms": "room_C", **nights}


def cancelling(others: dict[str, str]) -> Forms:
    return f"{BOOKINGS}{others['bookingrecord']}/cancel/", {"reason": "Ours"}


def cancelling_several(others: dict[str, str]) -> Forms:
    chosen = {"action": "cancel_selected", "_selected_action": others["bookingrecord"]}
    return BOOKINGS, {**chosen, "reason": "Ours"}


def moving(others: dict[str, str]) -> Forms:
    dates = {"check_in": night(25), "check_out": night(26), "version": "1", "key": "k"}
    found = collection("bookings").find_one({"_id": ObjectId(others["bookingrecord"])})
    assert found is not None
    price = {"quoted": str(found["price"]["total"]), "currency": found["price"]["currency"]}
    return f"{BOOKINGS}{others['bookingrecord']}/move/", {"rooms": "room_A", **dates, **price}


def marking(others: dict[str, str]) -> Forms:
    collection("bookings").update_one(
        {"_id": ObjectId(others["bookingrecord"])},
        {"$set": {"check_in": night(0), "check_out": night(1)}},
    )
    return f"{ADMIN}desk/mark/{others['bookingrecord']}/", {"mark": "checked_in", "key": "k"}


def lifting(others: dict[str, str]) -> Forms:
    return f"{ADMIN}bookings/roomblock/{others['roomblock']}/cancel/", {"reason": "Dry"}


def sending_again(others: dict[str, str]) -> Forms:
    chosen = {"action": "send_again", "_selected_action": others["deliveryrecord"]}
    return f"{ADMIN}bookings/deliveryrecord/", chosen


def category_form(others: dict[str, str]) -> Forms:
    fields = {"id": "taken", "hotel": "demo", "name": "Attic", "occupancy": "2"}
    return f"{ADMIN}bookings/roomcategory/add/", {**fields, "default_price": "120"}


def room_form(others: dict[str, str]) -> Forms:
    fields = {"category": "demo_double", "name": "Attic", "is_sold": "on"}
    return f"{ADMIN}bookings/room/add/", fields


def taking_off_sale(others: dict[str, str]) -> Forms:
    return f"{ADMIN}bookings/room/", {"action": "take_off_sale", "_selected_action": "room_A"}


def night_form(others: dict[str, str]) -> Forms:
    fields = {"category": "demo_double", "date": night(50), "price": "120", "min_stay": "1"}
    return f"{ADMIN}bookings/night/add/", fields


def closing(others: dict[str, str]) -> Forms:
    chosen = {"action": "close_selected", "_selected_action": others["night"]}
    return f"{ADMIN}bookings/night/", chosen


def deleting(others: dict[str, str]) -> Forms:
    return f"{ADMIN}bookings/night/{quote(others['night'])}/delete/", {"post": "yes"}


def job_form(others: dict[str, str]) -> Forms:
    fields = {"hotel": "demo", "start": night(50), "end": night(56), "weekdays": ["mon", "tue"]}
    return f"{ADMIN}bookings/nightsjob/add/", {**fields, "key": str(ObjectId()), "price": "120"}


def stopping(others: dict[str, str]) -> Forms:
    return f"{ADMIN}bookings/nightsjob/{others['nightsjob']}/delete/", {"post": "yes"}


def importing(others: dict[str, str]) -> Forms:
    rows = f"category,date,price,closed\ndemo_double,{night(60)},111.00,no\n"
    file = SimpleUploadedFile("nights.csv", rows.encode())
    url = f"{ADMIN}bookings/nightsfile/"
    return url, {"hotel": "demo", "key": str(ObjectId()), "file": file}


def content_form(others: dict[str, str]) -> Forms:
    HotelContent.objects.filter(pk="demo").delete()
    return f"{ADMIN}bookings/hotelcontent/add/", {"hotel": "demo", "description_en": "Ours"}


def category_content(others: dict[str, str]) -> Forms:
    return f"{ADMIN}bookings/categorycontent/demo_double/change/", {"description_en": "Ours"}


def hotel_form(others: dict[str, str]) -> Forms:
    fields = {"name": "Ours", "code": "DEMO", "time_zone": "UTC", "currency": "EUR"}
    times = {"check_in_time": "15:00", "check_out_time": "11:00", "end_of_day": "05:00"}
    numbers = {"hold_minutes": "15", "cancel_hours": "0", "anonymous_hold_percent": "50"}
    more = {**times, **numbers, "reminder_days": "0"}
    return f"{ADMIN}bookings/hotel/demo/change/", {**fields, **more}


def set_up_of_categories(others: dict[str, str]) -> Forms:
    hotel = inventory.find_hotel("demo")
    assert hotel is not None
    seen = CategoriesForm(hotel, inventory.list_categories("demo")).seen
    fields = {"new0-name": "Attic", "new0-occupancy": "2", "new0-price": "120", "seen": seen}
    return f"{ADMIN}setup/demo/categories/", fields


def set_up_of_rooms(others: dict[str, str]) -> Forms:
    return f"{ADMIN}setup/demo/rooms/", {"demo_double": "attic"}


FORMS: list[Callable[[dict[str, str]], Forms]] = [
    booking_form,
    booking_of_a_category,
    block_form,
    cancelling,
    cancelling_several,
    moving,
    marking,
    lifting,
    sending_again,
    category_form,
    room_form,
    taking_off_sale,
    night_form,
    closing,
    deleting,
    job_form,
    stopping,
    importing,
    content_form,
    category_content,
    hotel_form,
    set_up_of_categories,
    set_up_of_rooms,
]

KEPT = (
    "bookings",
    "deliveries",
    "hotels",
    "hotel_contents",
    "room_categories",
    "category_contents",
    "rooms",
    "nights",
    "nights_jobs",
)


@pytest.fixture
def restored() -> Iterator[None]:
    """Puts the catalogue back as it was, since other tests find it there."""
    names = [name for name in KEPT if name not in ("bookings", "deliveries", "nights_jobs")]
    before = {name: list(collection(name).find()) for name in names}
    yield
    for name, documents in before.items():
        collection(name).delete_many({})
        if documents:
            collection(name).insert_many(documents)


def everything() -> dict[str, list[dict[str, Any]]]:
    return {name: list(collection(name).find().sort("_id", 1)) for name in KEPT}


@pytest.mark.parametrize("form", FORMS, ids=lambda form: form.__name__)
def test_changes_nothing_of_another_hotel(
    client: Client, others: dict[str, str], restored: None, form: Callable[..., Forms]
) -> None:
    url, fields = form(others)
    before = everything()
    client.force_login(staff_of("inn"))

    answer = client.post(url, fields, follow=True)

    assert answer.status_code < 500
    assert everything() == before
    # The same form makes a change if the hotel is theirs.
    if "file" in fields:
        fields["file"].seek(0)
    client.force_login(staff_of("demo"))
    answer = client.post(url, fields, follow=True)
    assert everything() != before, re.findall('class="error.*', answer.content.decode())


def test_shows_a_person_nothing_of_what_they_booked_where_they_no_longer_work(
    client: Client,
) -> None:
    clerk = staff_of(role=FRONT_DESK)
    client.force_login(clerk)
    dates = {"check_in": night(20), "check_out": night(21), "guests": "1"}
    for hotel, room, total in (("demo", "room_A", "12000"), ("inn", "inn_A", "10000")):
        fields = {"hotel": hotel, "room": room, **dates, "key": hotel, "guest_name": "Ada"}
        client.post(f"{BOOKINGS}add/", {**fields, "quoted": total, "currency": "EUR"})
    theirs, own = stored()
    pages = ["/bookings", "/api/bookings", f"/bookings/{theirs['_id']}"]
    pages += [f"/api/bookings/{theirs['_id']}", f"/bookings/{theirs['_id']}/stay.ics"]
    client.get(ADMIN)  # shows the messages about both

    def told() -> list[str]:
        answers = {url: client.get(url).content.decode() for url in pages}
        return [url for url, text in answers.items() if theirs["reference"] in text]

    assert told() == pages
    assert staff_hotels.set_hotels(clerk.pk, frozenset({"inn"}), before=None)
    assert told() == []
    client.post(f"/bookings/{theirs['_id']}/cancel")
    assert stored()[0]["status"] == "confirmed"
    assert own["reference"] in client.get("/bookings").content.decode()


# --- Working at one's own -----------------------------------------------------------------------


def test_works_at_its_own_hotel_as_before(manager: Client) -> None:
    dates = {"check_in": night(20), "check_out": night(21), "guests": "1", "key": "k"}
    shown = {"quoted": "10000", "currency": "EUR", "guest_name": "Eve"}
    manager.post(f"{BOOKINGS}add/", {"hotel": "inn", "room": "inn_A", **dates, **shown})
    nights = {"first": night(20), "end": night(21), "reason": "Repair", "key": "b"}
    manager.post(f"{ADMIN}bookings/roomblock/add/", {"hotel": "inn", "rooms": "inn_B", **nights})
    stay, block = stored()

    assert (stay["rooms"][0]["room"], block["rooms"][0]["room"]) == ("inn_A", "inn_B")
    assert stay["reference"] in manager.get(BOOKINGS).content.decode()
    assert stay["reference"] in manager.get(BOOKINGS, {"q": "eve"}).content.decode()
    assert stay["reference"] in manager.get(f"{ADMIN}desk/guests/", {"q": "eve"}).content.decode()
    manager.post(f"{BOOKINGS}{stay['_id']}/cancel/", {"reason": "Asked for"})
    assert stored()[0]["status"] == "cancelled"


def test_finds_its_own_guests_however_many_others_are_called_alike(manager: Client) -> None:
    own = book("own", resourceId="inn_A", guest={"name": "Ada"}).content["booking"]["reference"]
    for number in range(3):
        book(f"demo-{number}", date=night(40 + number), guest={"name": "Ada"})

    found = find_stay_ids("ada", hotels=inventory.list_hotels(), limit=1, only=frozenset({"inn"}))

    assert [BookingRecord.objects.get(pk=pk).reference for pk in found] == [own]
    assert own in manager.get(BOOKINGS, {"q": "ada"}).content.decode()


def test_lists_its_own_bookings_before_the_newest_of_all(
    manager: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    own = book("own", resourceId="inn_A").content["booking"]["reference"]
    for number in range(3):
        book(f"demo-{number}", date=night(40 + number))
    monkeypatch.setattr(records, "MAX_LISTED", 2)

    assert own in manager.get(BOOKINGS).content.decode()


def test_offers_no_free_rooms_of_another_hotel(manager: Client) -> None:
    dates = {"check_in": night(20), "check_out": night(21), "guests": "1", "key": "k"}
    chosen = {"room": "room_D", "category": "demo_double"}

    for hotel in ("demo", "inn", "nowhere"):
        page = manager.post(f"{BOOKINGS}add/", {"hotel": hotel, **dates, **chosen, "show": "Show"})
        form = page.context["form"]
        listed = [form.fields[name].widget.choices for name in ("room", "category")]
        assert "Room D" not in str(listed)
        assert ("Room B" in str(listed)) == (hotel == "inn")
    assert form.offered == "There is no such hotel."


def test_offers_the_names_of_its_own_hotels_alone(manager: Client) -> None:
    for url in ("bookings/night/", "bookings/bookingrecord/", "desk/today/"):
        page = manager.get(f"{ADMIN}{url}").content.decode()
        assert "Inn" in page
        assert "Demo" not in page


def test_is_told_what_its_own_hotels_lack(manager: Client) -> None:
    page = manager.get(ADMIN).content.decode()

    assert "/admin/setup/inn/" in page
    assert "demo" not in page
    assert "Set up a hotel" not in page


def test_shows_a_hotel_that_is_not_open_to_its_own_staff_alone(client: Client) -> None:
    Hotel.objects.filter(pk="inn").update(is_open=False)

    client.force_login(staff_of("inn"))
    assert client.get("/hotels/inn").status_code == 200
    client.force_login(staff_of("demo"))
    assert client.get("/hotels/inn").status_code == 404
    client.force_login(staff_of())
    assert client.get("/hotels/inn").status_code == 200


# --- Who belongs to which hotels ----------------------------------------------------------------


@pytest.fixture
def owner(client: Client) -> Client:
    client.force_login(User.objects.create_superuser("owner", email="owner@inn.example"))
    return client


def test_limits_an_account_to_the_hotels_that_were_ticked(owner: Client) -> None:
    colleague = staff_of()

    answer = owner.post(page_of(colleague), {**fill(owner, page_of(colleague)), **ONLY_INN})

    assert answer.status_code == 302, answer.context["adminform"].form.errors
    assert staff_hotels.read_hotels(colleague.pk) == {"inn"}
    shown = fill(owner, page_of(colleague))
    assert (shown.get("all_hotels"), shown["hotels"]) == (None, ["inn"])
    again = {**shown, "hotels": ["inn", "demo"]}
    owner.post(page_of(colleague), again)
    assert staff_hotels.read_hotels(colleague.pk) == {"inn", "demo"}
    shown = fill(owner, page_of(colleague))
    del shown["hotels"]
    owner.post(page_of(colleague), {**shown, "all_hotels": "on"})
    assert staff_hotels.read_hotels(colleague.pk) is None


ONLY_INN = {"all_hotels": "", "hotels": ["inn"]}


@pytest.mark.parametrize(
    ("typed", "error"),
    [
        ({"all_hotels": ""}, "Choose at least one hotel, or tick “All hotels”."),
        ({"all_hotels": "on", "hotels": ["inn"]}, "Untick “All hotels” to choose some of them."),
    ],
)
def test_asks_which_hotels_are_meant(owner: Client, typed: dict[str, Any], error: str) -> None:
    colleague = staff_of()

    answer = owner.post(page_of(colleague), {**fill(owner, page_of(colleague)), **typed})

    assert answer.context["adminform"].form.errors["hotels"] == [error]
    assert staff_hotels.read_hotels(colleague.pk) is None


def test_does_not_undo_a_limit_that_was_set_meanwhile(owner: Client) -> None:
    colleague = staff_of()
    opened = fill(owner, page_of(colleague))
    assert staff_hotels.set_hotels(colleague.pk, frozenset({"inn"}), before=None)

    owner.post(page_of(colleague), {**opened, "first_name": "Ada"})

    assert staff_hotels.read_hotels(colleague.pk) == {"inn"}
    assert User.objects.get(pk=colleague.pk).first_name == ""


def test_does_not_undo_a_limit_that_is_set_while_it_saves(
    owner: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    colleague = staff_of("demo")
    opened = {**fill(owner, page_of(colleague)), "hotels": ["inn", "demo"], "first_name": "Ada"}
    save = staff_hotels.set_hotels

    def be_overtaken(*args: Any, **named: Any) -> bool:
        assert save(colleague.pk, frozenset({"inn"}), before=frozenset({"demo"}))
        return save(*args, **named)

    monkeypatch.setattr(staff_hotels, "set_hotels", be_overtaken)
    owner.post(page_of(colleague), opened)

    assert staff_hotels.read_hotels(colleague.pk) == {"inn"}
    assert User.objects.get(pk=colleague.pk).first_name == ""


@pytest.mark.parametrize("before", [None, {"demo"}, {"demo", "inn"}])
@pytest.mark.parametrize("after", [None, {"inn"}, {"demo"}])
def test_sets_hotels_only_if_they_are_those_from_before(
    before: set[str] | None, after: set[str] | None
) -> None:
    account, asked = ObjectId(), None if after is None else frozenset(after)
    if before is not None:
        assert staff_hotels.set_hotels(account, frozenset(before), before=None)
    other = frozenset({"other"})

    # Nothing was there, and nothing is to be there: there is no change that could be too late.
    assert staff_hotels.set_hotels(account, asked, before=other) is False
    assert staff_hotels.read_hotels(account) == before
    seen = None if before is None else frozenset(before)
    assert staff_hotels.set_hotels(account, asked, before=seen) is True
    assert staff_hotels.read_hotels(account) == after


def test_sets_hotels_that_invitations_added_one_after_the_other(owner: Client) -> None:
    colleague = staff_of("inn")
    staff_hotels.add_hotel(colleague.pk, "demo", is_new=False)

    owner.post(page_of(colleague), {**fill(owner, page_of(colleague)), "hotels": ["demo"]})

    assert staff_hotels.read_hotels(colleague.pk) == {"demo"}


def test_gives_no_more_hotels_if_the_rest_of_the_form_is_refused(
    owner: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    colleague = staff_of("inn")
    opened = {**fill(owner, page_of(colleague)), "hotels": ["inn", "demo"], "first_name": "Ada"}
    save = staff_hotels.set_hotels

    def rename_meanwhile(*args: Any, **named: Any) -> bool:
        User.objects.filter(pk=colleague.pk).update(first_name="Eve")
        return save(*args, **named)

    monkeypatch.setattr(staff_hotels, "set_hotels", rename_meanwhile)
    owner.post(page_of(colleague), opened)

    assert User.objects.get(pk=colleague.pk).first_name == "Eve"
    assert staff_hotels.read_hotels(colleague.pk) == {"inn"}


def test_takes_hotels_away_even_if_the_rest_of_the_form_is_refused(
    owner: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    colleague = staff_of("inn", "demo")
    opened = {**fill(owner, page_of(colleague)), "hotels": ["inn"], "first_name": "Ada"}
    save = staff_hotels.set_hotels

    def rename_meanwhile(*args: Any, **named: Any) -> bool:
        User.objects.filter(pk=colleague.pk).update(first_name="Eve")
        return save(*args, **named)

    monkeypatch.setattr(staff_hotels, "set_hotels", rename_meanwhile)
    owner.post(page_of(colleague), opened)

    assert staff_hotels.read_hotels(colleague.pk) == {"inn"}


def test_does_not_give_the_hotel_of_an_id_that_is_used_again(owner: Client) -> None:
    Hotel.objects.create(pk="annex", name="Annex", code="ANX")
    of_both, of_annex = staff_of("annex", "inn"), staff_of("annex")

    owner.post(f"{ADMIN}bookings/hotel/annex/delete/", {"post": "yes"})

    assert not Hotel.objects.filter(pk="annex").exists()
    assert staff_hotels.read_hotels(of_both.pk) == {"inn"}
    assert staff_hotels.read_hotels(of_annex.pk) == frozenset()
    owner.post(page_of(of_annex), {**fill(owner, page_of(of_annex)), "hotels": ["inn"]})
    assert staff_hotels.read_hotels(of_annex.pk) == {"inn"}


def test_forgets_the_limit_of_an_account_that_is_deleted(owner: Client) -> None:
    colleague = staff_of("inn")

    owner.post(f"{ADMIN}auth/user/{colleague.pk}/delete/", {"post": "yes"})

    assert not User.objects.filter(pk=colleague.pk).exists()
    assert staff_hotels.read_hotels(colleague.pk) is None


def test_lets_a_superuser_do_everything_whatever_their_limit(client: Client) -> None:
    boss = User.objects.create_superuser("boss")
    assert staff_hotels.set_hotels(boss.pk, frozenset({"inn"}), before=None)
    client.force_login(boss)

    assert client.get(f"{ADMIN}bookings/hotel/demo/change/").status_code == 200
    assert client.get(f"{ADMIN}bookings/apiclient/").status_code == 200


def test_keeps_every_right_about_the_whole_site_from_those_with_one_hotel() -> None:
    limited, unlimited = staff_of("inn"), staff_of()
    everything = [*Permission.objects.select_related("content_type")]
    for user in (limited, unlimited):
        user.user_permissions.set(everything)

    def rights(user: User) -> set[str]:
        names = {f"{each.content_type.app_label}.{each.codename}" for each in everything}
        return {name for name in names if user.has_perm(name)}

    assert rights(limited) == staff_hotels.OF_A_HOTEL
    assert rights(limited) < rights(unlimited)
    assert limited.has_module_perms("bookings")
    assert not limited.has_module_perms("auth")
    assert unlimited.has_module_perms("auth")


def test_knows_of_which_models_every_right_about_one_hotel_is() -> None:
    """A page of a model of hotels narrows its rows; any other is for those with all hotels."""
    narrowed = {
        model._meta.model_name
        for model, page in site._registry.items()
        if isinstance(page, OfHotels)
    }
    # These find their hotels by themselves, through the same door.
    by_page = {"photo", "figures"}

    models = {right.partition(".")[2].partition("_")[2] for right in staff_hotels.OF_A_HOTEL}
    assert models == narrowed | by_page


def test_finds_hotels_through_one_door() -> None:
    # Those who set the hotels of accounts belong to all.
    besides = {"own_hotels.py", "accounts.py"}
    found = {
        f"{path.name}: {name}"
        for path in (ROOT / "bookings/admin").rglob("*.py")
        if path.name not in besides
        for name in re.findall(
            r"(list_hotels|recent_hotels|open_hotels|hotel_countries)\b", path.read_text()
        )
    }

    assert found == set()
