"""The page of a day, and the buttons on it."""

from __future__ import annotations

import re
from datetime import date
from typing import Any

import pytest
from django.contrib.admin.models import LogEntry
from django.contrib.auth.models import Group, Permission, User
from django.test import Client
from django.utils.dateformat import format as date_words

from bookings.availability import occupancy
from bookings.domain.booking import CHECKED_IN, CHECKED_OUT, EXPECTED, NO_SHOW
from bookings.infrastructure.connections import collection
from bookings.models import Hotel
from bookings.people import staff_hotels
from bookings.people.roles import FRONT_DESK
from bookings.presentation.days import day_text
from bookings.stays.outcomes import Outcome
from tests.admin.test_bookings import LIST, sent_messages
from tests.calls import book, stored
from tests.conftest import night
from tests.pages import Page

TODAY = "/admin/desk/today/"

pytestmark = [pytest.mark.mongo, pytest.mark.usefixtures("inn")]


@pytest.fixture
def staff() -> User:
    return User.objects.create_superuser("staff")


@pytest.fixture
def desk(client: Client, staff: User) -> Client:
    client.force_login(staff)
    return client


def stay(key: str = "Ada", room: str = "inn_A", first: int = 0, end: int = 2) -> Outcome:
    dates = {"checkIn": night(first), "checkOut": night(end)}
    return book(key, resourceId=room, **dates, guest={"name": key})


def listed(page: Client, **query: str) -> dict[str, list[str]]:
    """Returns the names under each heading."""
    response = page.get(TODAY, {"hotel": "inn", **query})
    return {
        heading: [line.stay.guest_name for line in lines]
        for heading, lines in response.context["lists"]
    }


def said_by(response: Any) -> str:
    """Returns the first message without its button."""
    return sent_messages(response)[0].partition("<form")[0].strip()


def line_of(page: Client, name: str, **query: str) -> tuple[str, Any]:
    """Returns the list with the guest, and the guest's line."""
    ((heading, line),) = [
        (heading, line)
        for heading, lines in page.get(TODAY, {"hotel": "inn", **query}).context["lists"]
        for line in lines
        if line.stay.guest_name == name
    ]
    return heading, line


def move_back(ago: int, *, nights: int) -> None:
    """Lets the only stay begin so many days ago, as if they had passed."""
    first, end = -ago, nights - ago
    collection("bookings").update_one(
        {},
        {
            "$set": {
                "check_in": night(first),
                "check_out": night(end),
                "slots": [f"{night(day)}|inn_A" for day in range(first, end)],
            }
        },
    )


def words(day: str) -> str:
    return date_words(date.fromisoformat(day), "D j M")


def press(page: Client, made: Outcome, what: str, **more: str) -> Any:
    """Sends the form on the page, with a new key unless one is given."""
    seen = stored()[0].get("presence", EXPECTED)
    sent = {"mark": what, "key": f"key-{len(stored()[0]['history'])}", "back": TODAY, "seen": seen}
    sent |= more
    address = f"/admin/desk/mark/{made.content['booking']['id']}/"
    return page.post(address, sent, follow=True)


def test_is_found_from_the_first_page_under_the_name_that_the_guide_gives(desk: Client) -> None:
    assert Page(desk.get("/admin/").content.decode()).links["Today"] == TODAY


def test_lists_the_confirmed_stays_of_a_day(desk: Client) -> None:
    stay("Ada")
    stay("Bea", "inn_B", first=1, end=4)
    stay("Cleo", "inn_C", first=2, end=4)
    book("hold", resourceId="inn_S", date=night(0), guest={"name": "Hold"}, hold=True)

    assert listed(desk)["Arrivals"] == ["Ada"]
    assert listed(desk, day=night(1))["Arrivals"] == ["Bea"]
    assert listed(desk, day=night(2)) == {
        "Arrivals": ["Cleo"],
        "Late arrivals": [],
        "In house": ["Bea"],
        "Departures": ["Ada"],
        "Done": [],
    }


def test_checks_in_and_out_and_undoes(desk: Client, staff: User) -> None:
    made = stay()
    reference = made.content["booking"]["reference"]

    said = [said_by(press(desk, made, what)) for what in (CHECKED_IN, "undo", NO_SHOW)]

    assert said == [
        f"Ada, Room A ({reference}): The guest is checked in.",
        f"Ada, Room A ({reference}): The mark is undone; the guest is expected.",
        f"Ada, Room A ({reference}): The guest is marked as a no-show.",
    ]
    assert stored()[0]["presence"] == NO_SHOW
    assert LogEntry.objects.filter(user_id=staff.pk, action_flag=2).count() == 3


def test_shows_the_buttons_that_fit_and_acts_by_the_form_on_the_page(desk: Client) -> None:
    made = stay()
    page = desk.get(TODAY, {"hotel": "inn"})
    ((_, [line]), *_) = page.context["lists"]
    press(desk, made, CHECKED_IN, key=line.key)

    _, after = line_of(desk, "Ada")

    assert [mark for mark, _ in line.buttons] == [CHECKED_IN, NO_SHOW]
    assert [mark for mark, _ in after.buttons] == [CHECKED_OUT, "undo"]
    assert 'name="seen" value="expected"' in page.content.decode()
    assert f'name="key" value="{line.key}"' in page.content.decode()


def test_marks_once_when_pressed_twice(desk: Client) -> None:
    made = stay()
    press(desk, made, CHECKED_IN, key="k")
    press(desk, made, "undo", key="k")

    again = press(desk, made, CHECKED_IN, key="k")

    assert "This form has already done that. It is now expected." in sent_messages(again)[0]
    assert [change["event"] for change in stored()[0]["history"]] == [
        *("created", "checked_in", "mark_undone"),
    ]


def test_moves_a_guest_of_one_night_through_the_lists_and_back(desk: Client) -> None:
    made = stay(end=1)
    walked = []

    for what in ("", CHECKED_IN, CHECKED_OUT, "undo", "undo", NO_SHOW):
        if what:
            press(desk, made, what)
        heading, line = line_of(desk, "Ada")
        walked.append((heading, line.nights_left, [mark for mark, _ in (*line.main, *line.more)]))

    assert walked == [
        ("Arrivals", 1, [CHECKED_IN, NO_SHOW]),
        ("In house", 1, [CHECKED_OUT, "undo"]),
        ("Done", 1, ["undo"]),
        ("In house", 1, [CHECKED_OUT, "undo"]),
        ("Arrivals", 1, [CHECKED_IN, NO_SHOW]),
        ("Done", 1, ["undo"]),
    ]


def test_undoes_by_the_button_in_the_message(desk: Client) -> None:
    made = stay()
    pressed = press(desk, made, CHECKED_IN)
    (message,) = sent_messages(pressed)
    form = dict(re.findall(r'name="(key|seen|back)" value="([^"]*)"', message))
    form["mark"] = re.findall(r'name="mark" value="([^"]*)"', message)[0]
    address = re.findall(r'action="([^"]*)"', message)[0]

    undone = [said_by(desk.post(address, form, follow=True)) for _ in range(2)]

    reference = made.content["booking"]["reference"]
    assert message in pressed.content.decode()
    assert undone == [
        f"Ada, Room A ({reference}): The mark is undone; the guest is expected.",
        f"Ada, Room A ({reference}): This form has already done that. It is now expected.",
    ]
    assert stored()[0]["presence"] == EXPECTED


def test_undoes_nothing_by_a_message_that_is_out_of_date(desk: Client) -> None:
    made = stay()
    press(desk, made, CHECKED_IN)
    press(desk, made, CHECKED_OUT)

    late = press(desk, made, "undo", seen=CHECKED_IN)

    assert "The mark has changed since" in sent_messages(late)[0]
    assert stored()[0]["presence"] == CHECKED_OUT


def test_escapes_what_a_message_says(desk: Client) -> None:
    book("odd", resourceId="inn_A", date=night(0), guest={"name": "<b>"})

    response = press(desk, stay("Ada", "inn_B"), "<b>", back="/admin/desk/today/?<b>", seen="")

    assert "<b>" not in response.content.decode()


def test_names_who_comes_late_with_the_nights_that_are_left(desk: Client) -> None:
    stay("Ada", end=3)

    found = []
    for ago in range(5):
        move_back(ago, nights=3)
        found.append(line_of(desk, "Ada"))

    assert [(heading, line.nights_left, line.is_overdue) for heading, line in found] == [
        ("Arrivals", 3, False),
        ("Late arrivals", 2, True),
        ("Late arrivals", 1, True),
        ("Late arrivals", 0, True),
        ("Late arrivals", 0, True),
    ]


def test_calls_the_guest_and_shows_the_notes_in_full(desk: Client) -> None:
    notes = "Arrives late. " * 30 + "Needs a cot."
    guest = {"name": "Ada", "phone": "+49 (30) 123-45 67"}
    book("Ada", resourceId="inn_A", date=night(0), guest=guest, notes=notes)
    book("Bea", resourceId="inn_B", date=night(0), guest={"name": "Bea"})

    page = desk.get(TODAY, {"hotel": "inn"}).content.decode()

    assert '<a href="tel:+49301234567">+49 (30) 123-45 67</a>' in page
    assert page.count('href="tel:') == 1
    assert "Needs a cot." in page
    assert f"{words(night(0))} – {words(night(1))}" in page


def test_shows_staff_of_another_hotel_none_of_the_guests(client: Client) -> None:
    made = stay()
    other = User.objects.create_user("other", is_staff=True)
    other.groups.add(Group.objects.get(name=FRONT_DESK))
    assert staff_hotels.set_hotels(other.pk, frozenset({"demo"}), before=None)
    client.force_login(other)

    page = client.get(TODAY, {"hotel": "inn"})
    press(client, made, CHECKED_IN)

    assert page.context["choice"].hotel.id == "demo"
    assert "Ada" not in page.content.decode()
    assert "presence" not in stored()[0]


def test_says_why_a_mark_cannot_be_set(desk: Client) -> None:
    made = stay()
    press(desk, made, CHECKED_IN)

    twice = press(desk, made, CHECKED_IN, key="other")
    unknown = press(desk, made, "asleep")
    without_key = press(desk, made, "undo", key="")

    assert "is checked in already. Undo that first." in sent_messages(twice)[0]
    assert sent_messages(unknown) == ["There is no such mark."]
    assert sent_messages(without_key) == ["Open the page again."]
    assert sent_messages(press(desk, made, "undo", key="é")) == ["Open the page again."]
    assert stored()[0]["presence"] == CHECKED_IN


def test_says_that_an_early_departure_frees_no_night_and_leads_to_the_move(desk: Client) -> None:
    made = stay(end=3)
    press(desk, made, CHECKED_IN)

    response = press(desk, made, CHECKED_OUT)

    warning = sent_messages(response)[1]
    move = f"/admin/bookings/bookingrecord/{made.content['booking']['id']}/move/"
    assert f"The nights until {day_text(night(3))} are still booked." in warning
    assert f'href="{move}?check_out={night(1)}"' in warning
    opened = desk.get(f"{move}?check_out={night(1)}").context["form"]
    assert opened["check_out"].value() == night(1)


@pytest.mark.parametrize("back", ["https://evil.example/", "//evil.example/", "javascript:1", ""])
def test_leads_back_nowhere_else(desk: Client, back: str) -> None:
    response = press(desk, stay(), CHECKED_IN, back=back)

    assert response.redirect_chain[-1][0] == TODAY


def test_can_be_pressed_on_the_page_of_a_booking(desk: Client) -> None:
    made = stay()
    address = f"/admin/bookings/bookingrecord/{made.content['booking']['id']}/change/"
    before = desk.get(address)
    press(desk, made, CHECKED_IN, back=address)
    after = desk.get(address)

    assert [mark for mark, _ in before.context["marks"]] == [CHECKED_IN, NO_SHOW]
    assert 'name="seen" value="checked_in"' in after.content.decode()
    assert "staff (staff) checked the guest in</li>" in after.content.decode()
    assert "Cancel…" not in after.content.decode()


def test_marks_for_who_may_change_bookings_alone(client: Client) -> None:
    made = stay()
    limited = User.objects.create_user("limited", is_staff=True)
    limited.user_permissions.set(Permission.objects.filter(codename="view_bookingrecord"))
    client.force_login(limited)
    address = f"/admin/desk/mark/{made.content['booking']['id']}/"

    page = client.get(TODAY, {"hotel": "inn"})

    assert client.post(address, {"mark": CHECKED_IN, "key": "k"}).status_code == 403
    assert ">Check in" not in page.content.decode()
    assert "presence" not in stored()[0]


def test_marks_by_post_with_a_csrf_token_alone(desk: Client, staff: User) -> None:
    made = stay()
    address = f"/admin/desk/mark/{made.content['booking']['id']}/"
    strict = Client(enforce_csrf_checks=True)
    strict.force_login(staff)

    assert desk.get(address).status_code == 405
    assert strict.post(address, {"mark": CHECKED_IN, "key": "k"}).status_code == 403
    assert desk.post("/admin/desk/mark/zzz/", {"mark": CHECKED_IN, "key": "k"}).status_code == 302
    assert "presence" not in stored()[0]


# --- The nights of a no-show --------------------------------------------------------------------


@pytest.mark.parametrize("is_default", [True, False])
def test_asks_for_the_nights_of_a_no_show_as_the_hotel_says(desk: Client, is_default: bool) -> None:
    Hotel.objects.filter(pk="inn").update(release_no_shows=is_default)
    made = stay(end=3)

    pages = [
        desk.get(address, {"hotel": "inn"}).content.decode()
        for address in (TODAY, f"{LIST}{made.content['booking']['id']}/change/")
    ]

    box = '<input type="checkbox" name="release"' + (" checked" if is_default else "")
    for page in pages:
        assert f"{box}> if a no-show, sell the nights from {words(night(1))} on again" in page


def test_asks_for_no_nights_where_there_are_none_or_no_button(desk: Client) -> None:
    stay("short", end=1)
    press(desk, stay("there", "inn_B"), CHECKED_IN, seen=EXPECTED)

    page = desk.get(TODAY, {"hotel": "inn"})

    assert 'name="release"' not in page.content.decode()


def test_gives_nights_back_and_says_what_became_of_them(desk: Client) -> None:
    made = stay(end=3)

    marked = press(desk, made, NO_SHOW, release="on")
    page = desk.get(f"{LIST}{made.content['booking']['id']}/change/").content.decode()
    other = book("other", resourceId="inn_A", date=night(1))
    refused = press(desk, made, "undo")

    assert f"nights from {day_text(night(1))} on can be sold again" in sent_messages(marked)[0]
    assert f"Guest: no-show; nights from {day_text(night(1))} on were given back" in page
    assert page.count(f"nights from {day_text(night(1))} on can be sold again") >= 1
    assert f"In the way: {other.content['booking']['reference']}" in sent_messages(refused)[0]


def test_gives_no_nights_back_unless_the_box_is_ticked(desk: Client) -> None:
    made = stay(end=3)

    press(desk, made, NO_SHOW)

    assert len(stored()[0]["slots"]) == 3


@pytest.fixture
def bea_is_there() -> Outcome:
    """The stay of a guest who should have left Room A today, and is not checked out."""
    bea = stay("Bea", end=1)
    collection("bookings").update_one({}, {"$set": {"presence": CHECKED_IN}})
    move_back(2, nights=2)
    return bea


def told(page: Client, name: str) -> list[tuple[str, str]]:
    """The rooms and guests that the row of this guest says are still there."""
    _, line = line_of(page, name)
    return [(each.rooms, each.guest.guest_name) for each in line.still_there]


def test_says_who_has_not_left_the_room_of_an_arrival(desk: Client, bea_is_there: Outcome) -> None:
    ada = stay("Ada")
    stay("Cleo", "inn_B")

    page = desk.get(TODAY, {"hotel": "inn"}).content.decode()
    own = desk.get(f"{LIST}{ada.content['booking']['id']}/change/").content.decode()

    bea = bea_is_there.content["booking"]
    link = f'<a href="{LIST}{bea["id"]}/change/">Bea</a> ({bea["reference"]})'
    for text in (page, own):
        assert text.count(f"Room A is still occupied: {link} has not checked out.") == 1
    assert told(desk, "Ada") == [("Room A", "Bea")]
    assert told(desk, "Bea") == told(desk, "Cleo") == []


def test_checks_in_all_the_same_and_says_so(desk: Client, bea_is_there: Outcome) -> None:
    ada = stay("Ada")

    said = [said_by_all(desk, ada, what) for what in (CHECKED_IN, "undo", CHECKED_IN)]

    bea = bea_is_there.content["booking"]["reference"]
    assert all("still occupied" in each for each in (said[0], said[2]))
    assert f">Bea</a> ({bea}) has not checked out." in said[0]
    assert "still occupied" not in said[1]
    (stored_ada,) = [each for each in stored() if each["guest"]["name"] == "Ada"]
    assert stored_ada["presence"] == CHECKED_IN


def said_by_all(page: Client, made: Outcome, what: str) -> str:
    """All messages after a press."""
    (document,) = [each for each in stored() if str(each["_id"]) == made.content["booking"]["id"]]
    key = f"key-{len(document['history'])}"
    return " ".join(sent_messages(press(page, made, what, key=key, seen=CHECKED_IN)))


def test_judges_the_room_when_the_button_is_pressed(desk: Client, bea_is_there: Outcome) -> None:
    ada = stay("Ada")
    assert told(desk, "Ada")
    collection("bookings").update_one({"guest.name": "Bea"}, {"$set": {"presence": CHECKED_OUT}})

    assert "still occupied" not in said_by_all(desk, ada, CHECKED_IN)
    assert "still occupied" not in desk.get(TODAY, {"hotel": "inn"}).content.decode()


@pytest.mark.parametrize(
    ("presence", "status"),
    [(EXPECTED, "confirmed"), (NO_SHOW, "confirmed"), (CHECKED_IN, "cancelled")],
)
def test_takes_only_guests_in_the_house_for_still_there(
    desk: Client, bea_is_there: Outcome, presence: str, status: str
) -> None:
    ada = stay("Ada")
    collection("bookings").update_one(
        {"guest.name": "Bea"}, {"$set": {"presence": presence, "status": status}}
    )

    assert told(desk, "Ada") == []
    assert "still occupied" not in said_by_all(desk, ada, CHECKED_IN)


def test_says_of_no_guest_that_the_room_is_occupied_by_themselves(desk: Client) -> None:
    ada = stay("Ada", end=1)
    # A guest may arrive after midnight, on the day of departure.
    move_back(1, nights=1)

    said = said_by_all(desk, ada, CHECKED_IN)

    assert "is checked in" in said
    assert "still occupied" not in said


def test_says_of_a_coming_stay_nothing_about_the_room(desk: Client, bea_is_there: Outcome) -> None:
    ada = stay("Ada", first=1, end=3)

    page = desk.get(f"{LIST}{ada.content['booking']['id']}/change/").content.decode()
    tomorrow = desk.get(TODAY, {"hotel": "inn", "day": night(1)}).content.decode()

    assert "still occupied" not in page
    assert "still occupied" not in tomorrow


def test_finds_who_is_still_there_for_all_rows_with_the_one_look_of_the_page(
    desk: Client, bea_is_there: Outcome, monkeypatch: pytest.MonkeyPatch
) -> None:
    stay("Ada")
    stay("Cleo", "inn_B")
    looks = []
    for name in ("list_marked", "list_in", "list_occupants"):
        look = getattr(occupancy, name)
        monkeypatch.setattr(
            occupancy, name, lambda *asked, look=look, name=name: looks.append(name) or look(*asked)
        )

    assert told(desk, "Ada") == [("Room A", "Bea")]
    assert looks == ["list_marked"]
