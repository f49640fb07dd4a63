"""Finding stays for a guest at the desk, and the list of bookings, without reading them all."""

from __future__ import annotations

import unicodedata
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.test import Client

from bookings import clock, connections, erasure, guest_search
from bookings.admin import stays
from bookings.admin.stays import BookingAdmin
from bookings.doctor import mongodb
from tests.conftest import night
from tests.mongo.conftest import book
from tests.mongo.test_admin_blocks import block
from tests.mongo.test_admin_bookings import sent_messages

BOOKINGS = "/admin/bookings/bookingrecord/"
GUESTS = "/admin/desk/guests/"

pytestmark = pytest.mark.usefixtures("inn")

NAMES = {
    "Ada Lovelace": ("ada.lovelace@example.org", "+44 20 7946123"),
    "José Ángel Müller-O'Neil": ("jose@example.net", "030 4455667"),
    "Łukasz Żak": ("", ""),
}


@pytest.fixture
def desk(client: Client) -> Client:
    client.force_login(User.objects.create_superuser("staff"))
    return client


@pytest.fixture
def guests(inn: None) -> dict[str, str]:
    """The reference of each guest's booking."""
    found = {}
    for number, (name, (email, phone)) in enumerate(NAMES.items()):
        guest = {"name": name, "email": email, "phone": phone}
        made = book(f"k{number}", resourceId="inn_A", date=night(10 + number), guest=guest)
        assert made.code is None, made.content
        found[name] = made.content["booking"]["reference"]
    return found


def search(typed: str) -> list[str]:
    """The names of who is found."""
    ids = guest_search.find_stay_ids(typed, hotel_codes=["DEMO", "INN"], limit=50)
    found = connections.collection("bookings").find({"_id": {"$in": ids}}).sort("_id", -1)
    return [document["guest"]["name"] for document in found]


ADA, JOSE, LUKASZ = NAMES


@pytest.mark.usefixtures("guests")
@pytest.mark.parametrize(
    ("typed", "names"),
    [
        ("lovelace", [ADA]),
        ("LOVELACE ada", [ADA]),
        ("jose angel", [JOSE]),
        ("muller", [JOSE]),
        ("O'Neil", [JOSE]),
        ("müller-o", [JOSE]),
        ("żak", [LUKASZ]),
        ("zak", [LUKASZ]),
        ("ada müller", []),
        ("lovel", []),  # a part of a word
        ("ada.lovelace@example.org", [ADA]),
        ("ADA.Lovelace@EX", [ADA]),
        ("jose@", [JOSE]),
        ("ada.l", [ADA]),  # the beginning of an address
        ("example.org", []),
        ("7946123", [ADA]),
        ("+44 20 7946123", [ADA]),
        ("030/4455667", [JOSE]),
        ("44", []),
        ("20", []),
        ("", []),
        ("   ", []),
        (".*", []),
        ("$where", []),
        ("-lovelace", [ADA]),
        ('"ada', [ADA]),
        ("x" * 5000, []),
    ],
)
def test_finds_guests_by(typed: str, names: list[str]) -> None:
    assert search(typed) == names


@pytest.mark.parametrize("change", [str, str.lower, lambda reference: reference.split("-")[1]])
def test_finds_a_booking_by_its_reference(guests: dict[str, str], change: Any) -> None:
    assert search(change(guests[ADA])) == [ADA]


def test_finds_cancelled_stays_and_no_blocks(guests: dict[str, str], desk: Client) -> None:
    staff = User.objects.get(username="staff")
    block(staff, "inn_B", reason="Lovelace")
    bookings = connections.collection("bookings")
    bookings.update_one({"reference": guests[ADA]}, {"$set": {"status": "cancelled"}})
    reference = bookings.find_one({"kind": "block"})["reference"]  # type: ignore[index]

    assert search("lovelace") == [ADA]
    assert search(reference) == []


def test_finds_nobody_who_was_erased(guests: dict[str, str]) -> None:
    erasure.erase_guest("ada.lovelace@example.org", including_upcoming=True)

    assert search("lovelace") == search("ada.lovelace@") == search("7946123") == []
    assert search(guests[ADA]) == [""]


def test_shows_whom_it_found(desk: Client, guests: dict[str, str]) -> None:
    page = desk.get(GUESTS, {"q": " lovelace "}).content.decode()

    for text in (ADA, guests[ADA], "confirmed", night(10), "Room A", "+44 20 7946123"):
        assert text in page
    assert "1 found." in page
    assert "Nothing was found for “&lt;b&gt;”." in desk.get(GUESTS, {"q": "<b>"}).content.decode()
    assert desk.get(GUESTS, {"q": "a\x00b"}).status_code == 200


def test_shows_the_newest_and_says_that_there_are_more(
    desk: Client, guests: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    from bookings.admin.desk import guests as page_of_guests

    book("again", resourceId="inn_B", date=night(40), guest={"name": "Ada Other"})
    monkeypatch.setattr(page_of_guests, "MAX_FOUND", 1)

    response = desk.get(GUESTS, {"q": "ada"})

    assert [record.guest["name"] for record, _, _ in response.context["found"]] == ["Ada Other"]
    assert "The newest 1; type more" in response.content.decode()


def test_filters_everybody_who_was_found_in_the_list_of_bookings(
    desk: Client, guests: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    book("again", resourceId="inn_B", date=night(40), guest={"name": "Ada Other"}, hold=True)
    monkeypatch.setattr(BookingAdmin, "list_per_page", 1)

    found = desk.get(BOOKINGS, {"q": "ada", "status": "confirmed"})
    monkeypatch.setattr(stays, "MAX_FOUND", 1)
    cut = desk.get(BOOKINGS, {"q": "ada", "status": "confirmed"})

    assert [record.guest["name"] for record in found.context["cl"].result_list] == [ADA]
    assert sent_messages(found) == []
    assert sent_messages(cut) == [
        "More bookings fit than can be looked through; these are of the newest 1. Type more."
    ]


@pytest.mark.parametrize(
    "query", ["reference__regex=(", "guest__name__regex=.", "kind=block", "pk__gt=0", "notes=x"]
)
def test_lets_nobody_look_up_fields_by_the_address(desk: Client, query: str) -> None:
    assert desk.get(f"{BOOKINGS}?{query}").status_code == 400


def test_takes_the_parameters_of_its_filters(desk: Client, guests: dict[str, str]) -> None:
    today = clock.now().date().isoformat()
    query = {"status": "confirmed", "hotel": "inn", "first": today, "last": today}

    assert len(desk.get(BOOKINGS, query).context["cl"].result_list) == len(NAMES)
    blocks = {"status": "lifted", "hotel": "inn"}
    assert desk.get("/admin/bookings/roomblock/", blocks).status_code == 200


SUNITA, MINSU, JURGEN = "सुनीता शर्मा", "김민수", unicodedata.normalize("NFD", "Jürgen Groß")


@pytest.mark.parametrize(
    ("typed", "name"),
    [
        (SUNITA, SUNITA),
        ("शर्मा", SUNITA),
        (JURGEN, JURGEN),
        ("Jürgen", JURGEN),
        (unicodedata.normalize("NFD", "김민수"), MINSU),
        (unicodedata.normalize("NFD", "Müller"), JOSE),
        (unicodedata.normalize("NFD", "Żak"), LUKASZ),
    ],
)
@pytest.mark.usefixtures("guests")
def test_finds_names_with_combining_marks(typed: str, name: str) -> None:
    for number, other in enumerate((SUNITA, MINSU, JURGEN)):
        book(f"m{number}", resourceId="inn_B", date=night(10 + number), guest={"name": other})

    assert search(typed) == [name]


def test_has_its_indexes_as_the_doctor_expects_them() -> None:
    healthy = mongodb.indexes()
    bookings = connections.collection("bookings")
    bookings.drop_index("guests_by_words")
    bookings.create_index(
        [("guest.name", "text")],
        name="guests_by_words",
        default_language="none",
        language_override="no_language",
    )
    try:
        other = mongodb.indexes()
    finally:
        bookings.drop_index("guests_by_words")
        from bookings.indexes import make_booking_indexes

        make_booking_indexes(connections.database())

    assert healthy.level == "ok"
    assert other.text.startswith("guests_by_words is different")
    assert mongodb.indexes().level == "ok"
