"""Finding stays for a guest at the desk, and the list of bookings, without reading them all."""

from __future__ import annotations

import io
import itertools
import unicodedata
from collections.abc import Callable, Iterator
from functools import partial
from importlib import import_module
from types import SimpleNamespace
from typing import Any

import pytest
from django.contrib.auth.models import Permission, User
from django.core.management import call_command
from django.db import connection
from django.test import Client

from bookings import points
from bookings.admin import stays
from bookings.admin.stays import BookingAdmin
from bookings.catalogue import inventory
from bookings.domain.stay_request import Guest
from bookings.front_desk import guest_search
from bookings.indexes import make_booking_indexes
from bookings.infrastructure import clock, connections
from bookings.infrastructure.deadlines import Deadline
from bookings.operations.doctor import mongodb, recount
from bookings.people import erasure, staff_hotels
from bookings.presentation.days import short_day_text
from bookings.stays import lifecycle
from bookings.stays.writing import guest_details
from tests.admin.test_blocks import block
from tests.admin.test_bookings import sent_messages
from tests.calls import PARTNER, book, stored
from tests.conftest import night

BOOKINGS = "/admin/bookings/bookingrecord/"
GUESTS = "/admin/desk/guests/"

pytestmark = [pytest.mark.mongo, pytest.mark.usefixtures("inn")]

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
    """Returns the names of the guests found."""
    ids = guest_search.find_stay_ids(typed, hotels=inventory.list_hotels(), limit=50)
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
        ("lovel", [ADA]),  # the beginning of a word
        ("l", []),  # of too many
        ("velace", []),
        ("lovelaces", []),
        ("neil jo mul", [JOSE]),
        ("angel-müller", [JOSE]),
        ("ada.lovelace@example.org", [ADA]),
        ("ADA.Lovelace@EX", [ADA]),
        ("jose@", [JOSE]),
        ("ada.l", [ADA]),  # the beginning of an address
        ("example.org", []),
        ("7946123", [ADA]),
        ("+44 20 7946123", [ADA]),
        ("+44 (0)20 79", [ADA]),
        ("4420794", [ADA]),
        ("ada 7946", [ADA]),
        ("jose 7946", []),
        ("946123", []),
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


@pytest.mark.parametrize(
    "change",
    [
        str,
        str.lower,
        lambda reference: reference.split("-")[1],
        lambda reference: reference.split("-")[1][:4].lower(),
        lambda reference: reference[:-4],
    ],
)
def test_finds_a_booking_by_its_reference(guests: dict[str, str], change: Any) -> None:
    """The search may omit the hotel's code, or the end."""
    assert search(change(guests[ADA])) == [ADA]


def test_finds_no_booking_by_the_code_of_its_hotel(guests: dict[str, str]) -> None:
    assert search("INN") == search("INN-") == search(guests[ADA][:7]) == []


# The typed text, and the guests it must find.
SPELLINGS = [
    ("gross", "Groß"),
    ("orsted", "Hans Christian Ørsted"),
    ("oersted", "Hans Christian Ørsted"),
    ("lukasz zolc", "Łukasz Żółć"),
    ("zolc łukasz", "Łukasz Żółć"),
    ("ipek", "İpek Yılmaz"),
    ("İPEK yilmaz", "İpek Yılmaz"),
    ("hamid", "Ħamid"),
    ("ohara", "Scarlett O'Hara"),
    ("o’hara", "Scarlett O'Hara"),
    ("o´h", "Scarlett O'Hara"),
    ("hara", "Scarlett O'Hara"),
    ("darcy", "Fitzwilliam D’Arcy"),
    ("d'arcy", "Fitzwilliam D’Arcy"),
    ("muller", "Max Müller"),
    ("mueller", "Max Müller"),
    ("mülle", "Max Müller"),
    ("müller", "Anna Mueller"),
    ("muster", "Erika Mustermann"),
    ("mustermann, erika", "Erika Mustermann"),
    ("aase", "Åse Strøm"),
    ("ase stroem", "Åse Strøm"),
    ("annalena", "Anna-Lena Æble"),
    ("anna-lena aeble", "Anna-Lena Æble"),
    ("山田", "山田太郎"),
    ("tanaka", "タナカ"),
    ("タナカ", "ﾀﾅｶ"),
    ("ivanov", "Иванов"),
    ("ИВАН", "Иванов"),
    ("γιωργος", "Γιώργος"),
    ("mueller", "Ｍüｌｌｅｒ"),
    ("ｍｕｓｔｅｒ", "Erika Mustermann"),
]


@pytest.mark.parametrize(("typed", "name"), SPELLINGS)
def test_finds_a_name_however_it_is_spelled(typed: str, name: str) -> None:
    book("other", resourceId="inn_B", date=night(10), guest={"name": "Zoë Other"})
    book("one", resourceId="inn_A", date=night(10), guest={"name": name})

    assert search(typed) == [name]


@pytest.mark.parametrize(
    ("one", "other"),
    [("山田太郎", "杉田玄白"), ("ガトウ", "カトウ")],
    ids=["alike in ASCII", "apart by a mark that is no accent"],
)
def test_tells_apart_other_letters_than_latin_ones(one: str, other: str) -> None:
    for room, name in (("inn_A", one), ("inn_B", other)):
        book(room, resourceId=room, date=night(10), guest={"name": name})

    assert search(one[:2]) == [one]
    assert search(other[:2]) == [other]


@pytest.mark.parametrize(
    ("typed", "phone"),
    [
        ("1234503", "123 4503"),
        ("123 45", "123 4503"),
        ("4503", "123 4503"),
        ("01701234567", "+49 170 1234567"),
        ("0170/12", "+49 170 1234567"),
        ("0049 170 1234567", "+49 170 1234567"),
        ("+49 (0)170 1234567", "+49 170 1234567"),
        ("1701234567", "+49 170 1234567"),
        ("1234567", "+491701234567"),
        ("+49 170 1234567", "0170 1234567"),
        ("4917012", "0170-1234567"),
        ("００４９１７０", "0170 1234567"),
        ("0170–1234567", "0170 1234567"),
        ("0612345678", "+33 6 12 34 56 78"),
        ("0170 1234567", "mobile: ٠١٧٠ ١٢٣٤٥٦٧"),
        ("030445566", "0170 1234567 or 030 445566"),
        ("+49 30 445566", "0170 1234567 / 030 445566"),
        ("0049 170 1234567", "0170 1234567, 030 445566"),
    ],
)
def test_finds_a_phone_number_however_it_is_dialled(typed: str, phone: str) -> None:
    """The demo hotel is in Germany by its time zone."""
    book("other", resourceId="room_B", guest={"name": "Other", "phone": "+44 20 7946123"})
    book("one", resourceId="room_A", guest={"name": "One", "phone": phone})

    assert search(typed) == ["One"]


def test_reads_a_number_as_the_hotels_country_dials_it() -> None:
    """A hotel with the time zone of New York is in the United States."""
    book("one", resourceId="grand_101", guest={"name": "One", "phone": "(212) 555-0123"})

    assert search("+1 212 555 01") == search("011 1 212 5550123") == ["One"]
    assert search("+49 212") == []


# Every way in which a guest's details get into a booking, change, or leave it.
def confirm_for_another() -> None:
    held = book(hold=True, resourceId="inn_A", guest={"name": "Ada", "phone": "030 4455667"})
    lifecycle.confirm_booking(
        actor=PARTNER,
        booking_id=held.content["booking"]["id"],
        key_header="key",
        deadline=Deadline.after(10),
        guest=Guest(name="Grace Hopper"),
    )


def hold_again_for_another() -> None:
    book("first", hold=True, resourceId="inn_A", guest={"name": "Ada", "phone": "030 4455667"})
    book("again", hold=True, resourceId="inn_A", guest={"name": "Grace Hopper"})


def hold_again_without_saying_for_whom() -> None:
    book("first", hold=True, resourceId="inn_A", guest={"name": "Grace Hopper"})
    book("again", hold=True, resourceId="inn_A")


@pytest.mark.parametrize(
    "write", [confirm_for_another, hold_again_for_another, hold_again_without_saying_for_whom]
)
def test_finds_who_the_guest_became(write: Callable[[], None]) -> None:
    write()

    assert (search("hopper"), search("ada"), search("4455667")) == (["Grace Hopper"], [], [])
    assert [recount.search_terms().level, len(stored())] == ["ok", 1]


def test_keeps_no_terms_of_who_was_erased(guests: dict[str, str]) -> None:
    erasure.erase_guest("ada.lovelace@example.org", including_upcoming=True)

    assert "search_terms" not in stored()[0]
    assert recount.search_terms().level == "ok"


def test_keeps_no_terms_of_nobody() -> None:
    """Partners say nothing about their guests, so their bookings have no terms."""
    book(resourceId="inn_A", userId="guest-7")

    assert "search_terms" not in stored()[0]


def test_lets_the_doctor_find_terms_that_are_not_the_guests(guests: dict[str, str]) -> None:
    bookings = connections.collection("bookings")
    bookings.update_one({"reference": guests[ADA]}, {"$set": {"guest.name": "Ada King"}})
    stale = recount.search_terms()
    bookings.update_one(
        {"reference": guests[ADA]}, {"$set": {"guest": {"name": "", "email": "", "phone": ""}}}
    )
    left_behind = recount.search_terms()
    changed = [guest_details.refresh_search_terms() for _ in range(2)]
    bookings.update_one({"reference": guests[JOSE]}, {"$set": {"guest": {"name": None}}})
    unreadable = recount.search_terms()

    assert (stale.level, left_behind.level, unreadable.level) == ("warn", "FAIL", "FAIL")
    assert guests[ADA] in stale.text
    assert guests[ADA] in left_behind.text
    assert "search_terms" not in stored()[0]
    assert changed == [1, 0]
    assert guest_details.refresh_search_terms() == 0


def test_reads_numbers_anew_when_a_hotel_says_where_it_is(inn: None) -> None:
    book(resourceId="inn_A", guest={"name": "Ada", "phone": "020 79461234"})
    before = search("+44 20")
    connections.collection("hotels").update_one(
        {"_id": "inn"}, {"$set": {"time_zone": "Europe/London"}}
    )

    finding = recount.search_terms()
    said = io.StringIO()
    call_command("refresh_search_terms", stdout=said)

    assert (before, finding.level, search("+44 20")) == ([], "warn", ["Ada"])
    assert said.getvalue() == "Corrected the terms of 1 booking; all others were right.\n"


@pytest.fixture
def as_before(guests: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """Bookings as the release before search terms left them, and the migration."""
    bookings = connections.database()["bookings"]
    bookings.update_many({}, {"$unset": {"search_terms": "", "country": ""}})
    bookings.drop_index("guests_by_terms")
    bookings.create_index(
        [("guest.name", "text"), ("guest.phone", "text")],
        name="guests_by_words",
        default_language="none",
        language_override="no_language",
    )
    monkeypatch.setattr(guest_details, "TERMS_BATCH", 1)
    migration = import_module("bookings.migrations.0014_search_terms")
    yield partial(migration.find_by_terms, None, SimpleNamespace(connection=connection))
    points.install(None)
    if "guests_by_words" in bookings.index_information():
        bookings.drop_index("guests_by_words")
    make_booking_indexes(connections.database())


def test_gives_terms_to_the_bookings_of_earlier_releases(as_before: Callable[[], None]) -> None:
    assert mongodb.indexes().level == "FAIL"
    assert search("lovelace") == []

    as_before()

    assert search("lovelace") == [ADA]
    assert [mongodb.indexes().level, recount.search_terms().level] == ["ok", "ok"]


def test_goes_on_giving_terms_where_it_was_killed(as_before: Callable[[], None]) -> None:
    """The index of words stays until every booking has its terms."""
    batches = itertools.count()

    def die_in_the_second(point: str) -> None:
        if point == "after_terms_batch" and next(batches) == 1:
            raise KeyboardInterrupt

    points.install(die_in_the_second)
    with pytest.raises(KeyboardInterrupt):
        as_before()
    given = sum("search_terms" in booking for booking in stored())
    indexes = connections.database()["bookings"].index_information().keys()
    points.install(None)
    as_before()
    after = stored()
    as_before()

    assert given == 2
    assert {"guests_by_words", "guests_by_terms"} < indexes
    assert stored() == after
    assert [mongodb.indexes().level, recount.search_terms().level] == ["ok", "ok"]


def test_leaves_a_guest_who_is_written_while_terms_are_given(
    as_before: Callable[[], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Details that were read of a guest are not written beside another guest."""
    make_terms = guest_details.terms_of

    def write_another(guest: Guest, *, country: str) -> list[str]:
        connections.collection("bookings").update_one(
            {"guest.name": ADA}, {"$set": {"guest.name": "Grace", "search_terms": ["grace"]}}
        )
        return make_terms(guest, country=country)

    monkeypatch.setattr(guest_details, "terms_of", write_another)

    as_before()

    assert stored()[0]["search_terms"] == ["grace"]


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

    for text in (
        ADA,
        guests[ADA],
        "confirmed",
        short_day_text(night(10)),
        "Room A",
        "+44 20 7946123",
    ):
        assert text in page
    assert "1 found." in page
    assert "No bookings match “&lt;b&gt;”." in desk.get(GUESTS, {"q": "<b>"}).content.decode()
    assert desk.get(GUESTS, {"q": "a\x00b"}).status_code == 200


def test_shows_the_newest_and_says_that_there_are_more(
    desk: Client, guests: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    from bookings.admin.desk import guests as page_of_guests

    book("again", resourceId="inn_B", date=night(40), guest={"name": "Ada Other"})
    monkeypatch.setattr(page_of_guests, "MAX_FOUND", 1)

    response = desk.get(GUESTS, {"q": "ada"})

    assert [record.guest["name"] for record, *_ in response.context["found"]] == ["Ada Other"]
    assert "These are the newest 1. Type more" in response.content.decode()


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
        "Too many bookings match. These are among the newest 1; type more to narrow the search."
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


@pytest.mark.parametrize("between", ["-", " ", ""])
def test_finds_a_reference_however_its_parts_are_written(inn: None, between: str) -> None:
    book(resourceId="inn_A", guest={"name": "Ada"})
    code, _hyphen, letters = stored()[0]["reference"].partition("-")

    assert search(f"{code}{between}{letters}".lower()) == ["Ada"]


@pytest.mark.usefixtures("inn")
def test_lists_the_stays_of_a_room_by_arrival_with_their_hotel(desk: Client) -> None:
    for day in (3, 1, 2):
        book(f"k{day}", resourceId="inn_A", date=night(day), guest={"name": f"Guest {day}"})

    page: Any = desk.get("/admin/desk/guests/", {"q": "room  a"})
    by_name: Any = desk.get("/admin/desk/guests/", {"q": "guest"})

    assert [found[0].check_in for found in page.context["found"]] == [night(1), night(2), night(3)]
    assert [found[0].check_in for found in by_name.context["found"]] == [
        night(2),
        night(1),
        night(3),
    ]
    assert '<th scope="col">Hotel</th>' in page.content.decode()
    assert '<td data-label="Hotel">Inn</td>' in page.content.decode()


def test_shows_no_hotel_to_who_has_one(client: Client, inn: None) -> None:
    user = User.objects.create_user("one", is_staff=True)
    user.user_permissions.add(Permission.objects.get(codename="view_bookingrecord"))
    assert staff_hotels.set_hotels(user.pk, frozenset({"inn"}), before=None)
    client.force_login(user)
    book(resourceId="inn_A", guest={"name": "Ada"})

    page = client.get("/admin/desk/guests/", {"q": "ada"}).content.decode()

    assert "1 found." in page
    assert '<th scope="col">Hotel</th>' not in page


@pytest.mark.usefixtures("inn")
def test_lists_bookings_with_the_mark_of_the_desk(desk: Client) -> None:
    book(resourceId="inn_A", date=night(0))
    connections.collection("bookings").update_one({}, {"$set": {"presence": "checked_in"}})

    assert "checked in" in desk.get("/admin/bookings/bookingrecord/").content.decode()
