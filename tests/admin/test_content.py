"""Owners describe a hotel and its categories in the admin."""

from __future__ import annotations

import re
from collections.abc import Iterator
from html.parser import HTMLParser
from typing import Any

import pytest
from django.contrib.admin import ModelAdmin
from django.contrib.auth.models import Group, Permission, User
from django.test import Client

from bookings.admin.catalogue import HotelAdmin
from bookings.content.amenities import BEDS, OF_HOTELS
from bookings.infrastructure.connections import collection
from bookings.models import (
    LONG_TEXT,
    SHORT_TEXT,
    CategoryContent,
    Hotel,
    HotelContent,
    RoomCategory,
)
from bookings.people.roles import FRONT_DESK, MANAGER
from bookingsite.body_limits import limit_for

pytestmark = [pytest.mark.mongo, pytest.mark.usefixtures("inn")]

HOTELS = "/admin/bookings/hotelcontent/"
CATEGORIES = "/admin/bookings/categorycontent/"
STALE = "What you typed is below; save once more to replace theirs."
INN = f"{HOTELS}inn/change/"
DOUBLE = f"{CATEGORIES}inn_5Fdouble/change/"


@pytest.fixture(autouse=True)
def _remove_contents() -> Iterator[None]:
    yield
    HotelContent.objects.exclude(pk__in=["demo", "grand"]).delete()
    of_demo = ["demo_double", "grand_single", "grand_double", "grand_suite"]
    CategoryContent.objects.exclude(pk__in=of_demo).delete()


@pytest.fixture
def desk(client: Client) -> Client:
    client.force_login(User.objects.create_superuser("staff"))
    return client


class Fields(HTMLParser):
    """The fields of a form as a browser would send them, by their names, and their languages."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.sent: dict[str, Any] = {}
        self.languages: dict[str, str] = {}
        self.labelled: set[str] = set()
        self.ids: dict[str, str] = {}
        self._area = self._select = ""
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = {name: value or "" for name, value in attrs}
        name = given.get("name", "")
        if tag == "label":
            self.labelled.add(given.get("for", ""))
        if tag in ("input", "textarea", "select") and name:
            self.ids[name] = given.get("id", "")
        if tag == "textarea":
            self._area, self.sent[name] = name, ""
            self.languages[name] = given.get("lang", "")
        elif tag == "select":
            self._select = name
        elif tag == "option" and "selected" in given:
            self.sent[self._select] = given["value"]
        elif tag == "input" and given.get("type") == "checkbox":
            if "checked" in given:
                self.sent.setdefault(name, []).append(given["value"])
        elif tag == "input" and given.get("type") not in ("submit", "button") and name:
            self.sent[name] = given.get("value", "")

    def handle_endtag(self, tag: str) -> None:
        if tag == "textarea":
            # Browsers leave out the line break that Django puts first, and send CRLF.
            self.sent[self._area] = self.sent[self._area].removeprefix("\n").replace("\n", "\r\n")
            self._area = ""

    def handle_data(self, data: str) -> None:
        if self._area:
            self.sent[self._area] += data


def read(desk: Client, path: str) -> Fields:
    answer = desk.get(path)
    assert answer.status_code == 200
    return Fields(answer.content.decode())


def save(desk: Client, path: str, **typed: Any) -> str:
    """Opens the form, types this, and sends it; returns the page that comes then."""
    sent = {**read(desk, path).sent, **typed}
    sent.pop("_addanother", None)
    return desk.post(path, sent, follow=True).content.decode()


def faults(page: str) -> list[str]:
    lists = re.findall(r'<ul class="errorlist"[^>]*>(.*?)</ul>', page, re.DOTALL)
    return [each for found in lists for each in re.findall(r"<li>(.*?)</li>", found)]


def document(name: str, key: str) -> dict[str, Any]:
    found = collection(name).find_one({"_id": key})
    assert found is not None
    return found


EVERYTHING = {
    "description_en": "A house.\r\n\r\n- quiet",
    "description_de": " Ein Haus. ",
    "amenities": ["bar", "wifi"],
    "street": "Lindenstrasse 12",
    "postal_code": "10115",
    "city": "Berlin",
    "country": "DE",
    "map_url": "https://maps.example/@1,2",
    "directions_en": "By bus.",
    "phone": "030 1234567",
    "email": "Hello@Inn.Example",
    "house_rules_de": "Leise.",
    "arrival_en": "From 15:00.",
    "terms_en": "Pay.",
    "privacy_en": "We keep nothing.",
    "imprint_de": "Wir.",
}


def test_stores_what_an_owner_writes_about_a_hotel(desk: Client) -> None:
    page = save(desk, f"{HOTELS}add/?hotel=inn", **EVERYTHING)

    assert "was added successfully" in page
    assert document("hotel_contents", "inn") == {
        "_id": "inn",
        "description": {"en": "A house.\n\n- quiet", "de": "Ein Haus."},
        "amenities": ["wifi", "bar"],
        "street": "Lindenstrasse 12",
        "postal_code": "10115",
        "city": "Berlin",
        "country": "DE",
        "map_url": "https://maps.example/@1,2",
        "directions": {"en": "By bus."},
        "phone": "+49 30 1234567",
        "email": "hello@inn.example",
        "house_rules": {"de": "Leise."},
        "arrival": {"en": "From 15:00."},
        "terms": {"en": "Pay."},
        "privacy": {"en": "We keep nothing."},
        "imprint": {"de": "Wir."},
    }


def test_stores_what_an_owner_writes_about_a_category(desk: Client) -> None:
    typed = {
        "description_de": "Ruhig.",
        "size_m2": "24",
        "beds_double": "1",
        "beds_cot": "0",
        "beds_sofa": "2",
        "amenities": ["tv", "bath"],
        "adults": "2",
        "children": "1",
    }
    save(desk, f"{CATEGORIES}add/?category=inn_double", **typed)

    assert document("category_contents", "inn_double") == {
        "_id": "inn_double",
        "description": {"de": "Ruhig."},
        "size_m2": 24,
        "beds": {"double": 1, "sofa": 2},
        "amenities": ["bath", "tv"],
        "adults": 2,
        "children": 1,
    }


@pytest.mark.parametrize("path", [f"{HOTELS}add/", f"{CATEGORIES}add/"])
def test_labels_an_input_for_each_language_and_each_bed(desk: Client, path: str) -> None:
    fields = read(desk, path)
    groups = re.findall('role="group" aria-label="(.+?)"', desk.get(path).content.decode())

    assert groups[0] == "Description"
    assert "None" not in groups
    assert (fields.languages["description_en"], fields.languages["description_de"]) == ("en", "de")
    parts = [name for name in fields.ids if re.fullmatch(r"(description|beds|terms)_\w+", name)]
    assert len(parts) == (4 if path.startswith(HOTELS) else 2 + len(BEDS))
    assert {fields.ids[name] for name in parts} <= fields.labelled


def test_shows_again_what_is_stored_and_what_was_typed(desk: Client) -> None:
    save(desk, f"{HOTELS}add/?hotel=inn", **EVERYTHING)

    sent = read(desk, INN).sent
    shown = {name: sent[name] for name in EVERYTHING if name not in ("email", "phone")}
    assert shown == {
        **{name: EVERYTHING[name] for name in shown},
        "description_de": "Ein Haus.",
        "amenities": ["wifi", "bar"],
    }
    assert "inn" not in sent.values(), "the hotel never changes"

    page = save(desk, INN, description_de="Neu <b>", amenities=["pool"], email="nobody")
    again = Fields(page).sent
    assert (again["description_de"], again["amenities"]) == ("Neu <b>", ["pool"])


def test_writes_nothing_if_nothing_was_changed(desk: Client) -> None:
    save(desk, f"{HOTELS}add/?hotel=inn", **EVERYTHING)
    before = document("hotel_contents", "inn")

    page = save(desk, INN)

    assert "was changed successfully" in page
    assert document("hotel_contents", "inn") == before
    history = desk.get(f"{HOTELS}inn/history/").content.decode()
    assert "Changed" not in history.replace("No fields changed", "")


@pytest.mark.parametrize(
    ("typed", "fault"),
    [
        ({"email": "ada@localhost"}, "Enter an e-mail address such as ada@example.org."),
        ({"phone": "12"}, "Enter the number with its country code, such as +49 30 1234567."),
        ({"phone": "030 1234567"}, "Enter the number with its country code"),
        ({"map_url": "http://a.example"}, "Enter a URL that begins with https://"),
        ({"country": "XX"}, "Choose a country from the list."),
        (
            {"description_de": "a" * (SHORT_TEXT + 1)},
            f"German: use at most {SHORT_TEXT:,} characters.",
        ),
        ({"terms_en": "a" * (LONG_TEXT + 1)}, f"English: use at most {LONG_TEXT:,} characters."),
        ({"description_en": "a\x07"}, "This has a control character; leave it out."),
        ({"city": "a\tb"}, "Write this on one line"),
        ({"amenities": ["waterfall"]}, "waterfall is not one of the available choices"),
        ({"hotel": "demo"}, "This hotel has content already, or is gone; choose another one."),
        ({"hotel": "nowhere"}, "This hotel has content already, or is gone; choose another one."),
        ({"hotel": ""}, "This field is required."),
    ],
)
def test_says_what_is_wrong_with_a_hotels_content(
    desk: Client, typed: dict[str, Any], fault: str
) -> None:
    page = save(desk, f"{HOTELS}add/?hotel=inn", **typed)

    (said,) = faults(page)
    assert fault in said
    assert not HotelContent.objects.filter(pk="inn").exists()


@pytest.mark.parametrize(
    ("typed", "said"),
    [
        ({"adults": "3"}, ["This category takes at most 2 per room; enter 2 or less."]),
        ({"children": "3"}, ["This category takes at most 2 per room; enter 2 or less."]),
        (
            {"adults": "1", "children": "0"},
            ["A room takes 2, and these are 1 together; raise one of the two, or leave one empty."],
        ),
        ({"adults": "0"}, ["Ensure this value is greater than or equal to 1."]),
        ({"beds_bunk": "21"}, ["Bunk beds: enter a whole number from 0 to 20."]),
        ({"beds_bunk": "-1"}, ["Bunk beds: enter a whole number from 0 to 20."]),
        (
            {"beds_bunk": "two", "beds_cot": "x"},
            [
                "Bunk beds: enter a whole number from 0 to 20.",
                "Cots: enter a whole number from 0 to 20.",
            ],
        ),
        ({"size_m2": "0"}, ["Ensure this value is greater than or equal to 1."]),
        ({"adults": "2", "children": "0"}, []),
        ({"adults": "", "children": "1"}, []),
    ],
)
def test_says_what_is_wrong_with_a_categorys_content(
    desk: Client, typed: dict[str, str], said: list[str]
) -> None:
    CategoryContent.objects.create(category_id="inn_double")

    assert faults(save(desk, DOUBLE, **typed)) == said


def test_takes_a_local_number_for_one_of_the_hotels_country(desk: Client) -> None:
    Hotel.objects.filter(pk="inn").update(time_zone="Europe/Vienna")

    save(desk, f"{HOTELS}add/?hotel=inn", phone="01 5880012")
    assert document("hotel_contents", "inn")["phone"] == "+43 1 5880012"
    save(desk, INN, phone="030 1234567", country="DE")
    assert document("hotel_contents", "inn")["phone"] == "+49 30 1234567"


def test_offers_the_form_only_for_what_has_no_content(desk: Client) -> None:
    page = desk.get(f"{HOTELS}add/").content.decode()

    assert re.findall('<option value="(.+?)"', page.partition('name="hotel"')[2])[0] == "inn"
    assert '<option value="demo"' not in page


def test_leads_from_a_hotel_to_its_content_and_back(desk: Client) -> None:
    for page, add, change in (
        ("hotel/inn/", f"{HOTELS}add/?hotel=inn", INN),
        ("roomcategory/inn_5Fdouble/", f"{CATEGORIES}add/?category=inn_double", DOUBLE),
    ):
        whole = f"/admin/bookings/{page}change/"
        assert f'<a href="{add}">Content for guests</a>' in desk.get(whole).content.decode()
        save(desk, add)
        assert f'<a href="{change}">Content for guests</a>' in desk.get(whole).content.decode()
        assert f'<a href="{whole}">' in desk.get(change).content.decode()


@pytest.mark.parametrize(
    ("content", "path"),
    [(HotelContent(hotel_id="inn"), INN), (CategoryContent(category_id="inn_double"), DOUBLE)],
)
def test_leads_to_the_page_that_guests_read(desk: Client, content: Any, path: str) -> None:
    content.save()

    page = desk.get(path).content.decode()

    assert re.search(r'<a href="/hotels/inn" class="viewsitelink">View on site</a>', page)


def test_shows_no_link_to_staff_who_may_not_follow_it(client: Client) -> None:
    user = User.objects.create_user("user", is_staff=True)
    client.force_login(user)
    user.groups.add(Group.objects.get(name=FRONT_DESK))
    page = "/admin/bookings/hotel/demo/change/"
    assert "Content for guests" not in client.get(page).content.decode()

    user.groups.add(Group.objects.get(name=MANAGER))
    assert "Content for guests" in client.get(page).content.decode()


def test_shows_content_to_staff_who_may_only_view_it(client: Client) -> None:
    HotelContent.objects.create(hotel_id="inn", description={"de": "Häuschen"}, amenities=["bar"])
    user = User.objects.create_user("user", is_staff=True)
    user.user_permissions.add(Permission.objects.get(codename="view_hotelcontent"))
    client.force_login(user)

    page = client.get(INN).content.decode()

    assert "Häuschen" in page
    assert "<textarea" not in page
    assert client.post(INN, {"city": "Bonn"}).status_code == 403


# --- Two people at once -------------------------------------------------------------------------


def test_keeps_what_someone_else_wrote_since_the_form_was_opened(desk: Client) -> None:
    save(desk, f"{HOTELS}add/?hotel=inn", **EVERYTHING)
    for change in ({"terms": {"en": "Pay twice."}}, {"amenities": ["pool"]}):
        sent = read(desk, INN).sent
        HotelContent.objects.filter(pk="inn").update(**change)

        page = desk.post(INN, {**sent, "city": "Bonn", "house_rules_de": "Ruhe, bitte."})

        assert STALE in page.content.decode()
        assert document("hotel_contents", "inn")["city"] == "Berlin"
        # All that was typed is still there, and counts when it is saved once more.
        typed = Fields(page.content.decode()).sent
        assert (typed["city"], typed["house_rules_de"]) == ("Bonn", "Ruhe, bitte.")
        assert desk.post(INN, typed).status_code == 302
        assert document("hotel_contents", "inn")["city"] == "Bonn"
        HotelContent.objects.filter(pk="inn").update(city="Berlin")


@pytest.mark.parametrize(
    "change",
    [
        {"description": {"en": "Theirs"}},
        {"description": {}},
        {"amenities": []},
        {"city": "Bonn"},
    ],
)
def test_writes_only_if_nothing_has_changed_while_the_form_was_judged(
    desk: Client, monkeypatch: pytest.MonkeyPatch, change: dict[str, Any]
) -> None:
    save(desk, f"{HOTELS}add/?hotel=inn", **EVERYTHING)
    sent = read(desk, INN).sent
    get_object = ModelAdmin.get_object
    reads: list[str] = []

    def read_and_be_overtaken(*args: Any) -> Any:
        found = get_object(*args)
        if not reads:
            HotelContent.objects.filter(pk="inn").update(**change)
        reads.append("content")
        return found

    monkeypatch.setattr(ModelAdmin, "get_object", read_and_be_overtaken)
    page = desk.post(INN, {**sent, "street": "Mine 1"}).content.decode()

    assert STALE in page
    assert Fields(page).sent["street"] == "Mine 1"
    stored = document("hotel_contents", "inn")
    assert {name: stored[name] for name in change} == change
    assert stored["street"] == "Lindenstrasse 12"


def test_writes_only_what_was_changed_and_texts_as_they_are(desk: Client) -> None:
    save(desk, f"{HOTELS}add/?hotel=inn", **EVERYTHING)
    of_later = {"of_later": 1, "amenities": ["wifi", "of_later"]}
    collection("hotel_contents").update_one({"_id": "inn"}, {"$set": of_later})

    save(desk, INN, description_en="$city", house_rules_de="")

    stored = document("hotel_contents", "inn")
    assert stored["description"] == {"en": "$city", "de": "Ein Haus."}
    assert stored["house_rules"] == {}
    assert {name: stored[name] for name in of_later} == of_later


def test_adds_content_once(desk: Client) -> None:
    sent = {**read(desk, f"{HOTELS}add/?hotel=inn").sent, "city": "Bonn"}
    HotelContent.objects.create(hotel_id="inn", city="Köln")

    page = desk.post(f"{HOTELS}add/", sent, follow=True).content.decode()

    assert faults(page) == ["This hotel has content already, or is gone; choose another one."]
    assert document("hotel_contents", "inn")["city"] == "Köln"


def test_adds_content_once_even_if_both_were_judged(
    desk: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    sent = {**read(desk, f"{HOTELS}add/?hotel=inn").sent, "city": "Bonn"}
    save_model = HotelContent.save

    def save_later(self: HotelContent, *args: Any, **options: Any) -> None:
        collection("hotel_contents").insert_one({"_id": "inn", "city": "Köln"})
        save_model(self, *args, **options)

    monkeypatch.setattr(HotelContent, "save", save_later)
    page = desk.post(f"{HOTELS}add/", sent, follow=True).content.decode()

    assert faults(page) == ["This hotel has content already, or is gone; choose another one."]
    assert Fields(page).sent["city"] == "Bonn"
    assert document("hotel_contents", "inn")["city"] == "Köln"


# --- What goes with a hotel ---------------------------------------------------------------------


@pytest.fixture
def hut(database: None) -> Iterator[Hotel]:
    """A hotel that may be deleted, with its content."""
    hotel = Hotel.objects.create(id="hut", code="HUT", name="Hut")
    HotelContent.objects.create(hotel=hotel, city="Alm")
    yield hotel
    RoomCategory.objects.filter(hotel="hut").delete()
    Hotel.objects.filter(pk="hut").delete()
    HotelContent.objects.filter(pk="hut").delete()


def delete(desk: Client, hotel: str = "hut") -> str:
    path = f"/admin/bookings/hotel/{hotel}/delete/"
    return desk.post(path, {"post": "yes"}, follow=True).content.decode()


def test_goes_with_its_hotel(client: Client, hut: Hotel) -> None:
    manager = User.objects.create_user("manager", is_staff=True)
    manager.groups.add(Group.objects.get(name=MANAGER))
    client.force_login(manager)

    assert "was deleted successfully" in delete(client)

    assert not Hotel.objects.filter(pk="hut").exists()
    assert not HotelContent.objects.filter(pk="hut").exists()


def test_adds_no_content_to_a_hotel_that_is_deleted_meanwhile(
    desk: Client, hut: Hotel, monkeypatch: pytest.MonkeyPatch
) -> None:
    HotelContent.objects.filter(pk="hut").delete()
    sent = {**read(desk, f"{HOTELS}add/?hotel=hut").sent, "city": "Bonn"}
    save_model = HotelContent.save

    def delete_then_save(self: HotelContent, *args: Any, **options: Any) -> None:
        Hotel.objects.filter(pk="hut").delete()
        save_model(self, *args, **options)

    monkeypatch.setattr(HotelContent, "save", delete_then_save)
    page = desk.post(f"{HOTELS}add/", sent, follow=True).content.decode()

    assert "has been deleted, so nothing was saved" in page
    assert not HotelContent.objects.filter(pk="hut").exists()


def test_leaves_no_content_that_is_added_while_its_hotel_is_deleted(
    desk: Client, hut: Hotel, monkeypatch: pytest.MonkeyPatch
) -> None:
    HotelContent.objects.filter(pk="hut").delete()
    delete_hotel = Hotel.delete

    def add_then_delete(self: Hotel, *args: Any, **options: Any) -> Any:
        # After Django has looked for what goes with the hotel, and before the hotel is gone.
        done = delete_hotel(self, *args, **options)
        collection("hotel_contents").insert_one({"_id": "hut", "city": "Bonn"})
        return done

    monkeypatch.setattr(Hotel, "delete", add_then_delete)
    delete(desk)

    assert collection("hotels").find_one({"_id": "hut"}) is None
    assert collection("hotel_contents").find_one({"_id": "hut"}) is None


def test_comes_back_with_a_hotel_that_got_a_category_while_it_was_deleted(
    desk: Client, hut: Hotel, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = document("hotel_contents", "hut")
    refuse = HotelAdmin.refuse_deletion
    looks: list[list[str]] = []

    def add_category(self: Any, objects: list[Hotel]) -> list[str]:
        if not Hotel.objects.filter(pk="hut").exists():
            RoomCategory.objects.create(id="hut_bunk", hotel_id="hut", name="Bunk")
        looks.append(refuse(self, objects))
        return looks[-1]

    monkeypatch.setattr(HotelAdmin, "refuse_deletion", add_category)
    page = delete(desk)

    assert looks[-1], "it was looked for again after the deletion"
    assert "was not deleted" in page
    assert Hotel.objects.filter(pk="hut").exists()
    assert document("hotel_contents", "hut") == before


def test_deletes_content_alone(desk: Client) -> None:
    save(desk, f"{HOTELS}add/?hotel=inn", **EVERYTHING)
    HotelContent.objects.create(hotel=Hotel.objects.create(id="hut", code="HUT", name="Hut"))
    selected = {"action": "delete_selected", "_selected_action": ["inn", "hut"], "post": "yes"}

    page = desk.post(f"{HOTELS}?q=hut", selected, follow=True).content.decode()

    assert "Successfully deleted" in page
    assert not HotelContent.objects.filter(pk="hut").exists()
    assert Hotel.objects.filter(pk="inn").exists()
    Hotel.objects.filter(pk="hut").delete()


# --- Large forms ---------------------------------------------------------------------------------


def test_takes_the_longest_texts_in_every_language(desk: Client) -> None:
    """In letters that take nine bytes each in a form."""
    long = {
        f"{name}_{language}": "あ" * most
        for name, most in (
            *((name, SHORT_TEXT) for name in ("description", "directions", "house_rules")),
            *((name, SHORT_TEXT) for name in ("arrival", "imprint")),
            *((name, LONG_TEXT) for name in ("terms", "privacy")),
        )
        for language in ("en", "de")
    }
    size = sum(9 * len(text) for text in long.values()) + 10_000

    assert limit_for(INN).for_staff
    assert size < limit_for(INN).max_bytes
    assert size < limit_for(f"{HOTELS}add/").max_bytes
    save(desk, f"{HOTELS}add/?hotel=inn", **long)
    assert document("hotel_contents", "inn")["terms"]["de"] == "あ" * LONG_TEXT


def test_lists_what_there_is(desk: Client) -> None:
    save(desk, f"{HOTELS}add/?hotel=inn", **EVERYTHING)
    save(desk, f"{CATEGORIES}add/?category=inn_double")

    hotels = desk.get(f"{HOTELS}?q=Inn").content.decode()
    assert "Inn" in hotels
    assert "Berlin" in hotels
    categories = desk.get(f"{CATEGORIES}?category__hotel__id__exact=inn").content.decode()
    assert "Double" in categories
    assert len(OF_HOTELS) > 15


def test_writes_a_row_of_a_release_that_did_not_know_a_field(desk: Client) -> None:
    """The form shows the missing text as an empty one."""
    HotelContent.objects.create(pk="inn", city="Old Town")
    collection("hotel_contents").update_one({"_id": "inn"}, {"$unset": {"directions": ""}})

    save(desk, INN, city="New Town")

    assert document("hotel_contents", "inn")["city"] == "New Town"


def test_lets_no_browser_cut_off_a_long_text(desk: Client) -> None:
    page = desk.get(f"{HOTELS}add/").content.decode()

    assert 'name="terms_en"' in page
    assert not re.findall(r"<textarea[^>]*maxlength", page)
