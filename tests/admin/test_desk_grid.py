"""The page of occupancy: rooms, dates and bars, in one query on bookings."""

from __future__ import annotations

import re
from datetime import date, timedelta
from html.parser import HTMLParser
from typing import Any

import pytest
from django.contrib.auth.models import Permission, User
from django.test import Client
from pymongo import monitoring

from bookings.admin.desk.cells import MayDo, render_sections
from bookings.admin.desk.grid import lay_out
from bookings.availability import occupancy
from bookings.availability.occupancy import Occupant
from bookings.catalogue.inventory import CategoryFacts, RoomFacts
from bookings.infrastructure import clock, connections
from bookings.models import Room
from bookings.presentation.days import day_text, stay_text
from tests.admin.test_blocks import block
from tests.calls import book, cancel
from tests.conftest import night
from tests.query_plans import find_all

GRID = "/admin/desk/occupancy/"

pytestmark = [pytest.mark.mongo, pytest.mark.usefixtures("inn")]


@pytest.fixture
def staff() -> User:
    return User.objects.create_superuser("staff")


@pytest.fixture
def desk(client: Client, staff: User) -> Client:
    client.force_login(staff)
    return client


class Grid(HTMLParser):
    """The rows of the grid by the room's name, with the span, look and text of each cell."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.rows: dict[str, list[tuple[int, str, str]]] = {}
        self._room: str | None = None
        self._open: list[str] = []
        self._cell: tuple[int, str] | None = None
        self._text = ""
        self.feed(html.split('<table id="grid"')[1].split("</table>")[0])

    def handle_starttag(self, tag: str, attrs: Any) -> None:
        values = dict(attrs)
        if tag == "th" and values.get("scope") == "row":
            self._open.append("th")
            self._text = ""
        if tag == "td":
            self._cell = (int(values.get("colspan", "1")), values.get("class", ""))
            self._text = ""

    def handle_endtag(self, tag: str) -> None:
        if tag == "th" and self._open:
            self._open.pop()
            self._room = self._text
            self.rows[self._room] = []
        if tag == "td" and self._cell is not None and self._room is not None:
            self.rows[self._room].append((*self._cell, self._text))
            self._cell = None

    def handle_data(self, data: str) -> None:
        self._text += data


def grid(page: Client, **query: str) -> Grid:
    return Grid(page.get(GRID, {"hotel": "inn", "days": "7", **query}).content.decode())


def stay(key: str, room: str, first: int, end: int, **more: Any) -> Any:
    dates = {"checkIn": night(first), "checkOut": night(end)}
    return book(key, resourceId=room, **dates, guest={"name": key}, **more)


def test_shows_bars_where_bookings_are_and_cuts_them_at_the_ends(desk: Client) -> None:
    stay("Ada", "inn_A", 1, 3)
    stay("Bea", "inn_B", 0, 30)
    stay("Cleo", "inn_C", 9, 12)

    shown, next_week = grid(desk).rows, grid(desk, start=night(7)).rows

    assert shown["Room A"] == [
        *((1, "free", ""), (2, "bar booked", "Ada")),
        *[(1, "free", "")] * 4,
    ]
    assert shown["Room B"] == [(7, "bar booked cut-end", "Bea")]
    assert shown["Room C"] == [(1, "free", "")] * 7
    assert next_week["Room B"] == [(7, "bar booked cut-start cut-end", "Bea")]
    assert next_week["Room C"][2:3] == [(3, "bar booked", "Cleo")]


def test_covers_every_night_of_every_row_once(desk: Client) -> None:
    wish = {"rooms": [{"categoryId": "inn_double"}, {"categoryId": "inn_double"}]}
    book("two", **wish, checkIn=night(2), checkOut=night(4))

    rows = grid(desk, days="31").rows

    assert {room: sum(span for span, _, _ in cells) for room, cells in rows.items()} == {
        f"Room {letter}": 31 for letter in "XABCS"
    }
    assert sum(look == "bar booked" for cells in rows.values() for _, look, _ in cells) == 2


def test_tells_blocks_holds_and_marks_apart_in_words_too(desk: Client, staff: User) -> None:
    stay("Ada", "inn_A", 0, 2)
    stay("Hold", "inn_B", 0, 2, hold=True)
    stay("Dead", "inn_C", 0, 2, hold=True)
    block(staff, "inn_S")
    bookings = connections.collection("bookings")
    bookings.update_one({"guest.name": "Ada"}, {"$set": {"presence": "checked_in"}})
    ended = clock.now() - timedelta(minutes=3)
    bookings.update_one({"guest.name": "Dead"}, {"$set": {"expires_at": ended}})

    rows = grid(desk, days="14").rows

    assert rows["Room A"][0] == (2, "bar checked_in", "Checked in: Ada")
    assert rows["Room B"][0] == (2, "bar held", "Hold: 15 min: Hold")
    assert rows["Room C"][0] == (2, "bar dead", "Hold that ran out: Dead")
    assert (2, "bar block", "Room block: New carpet") in rows["Room S"]


def test_shows_nothing_that_is_cancelled(desk: Client) -> None:
    cancel(stay("Ada", "inn_A", 1, 3))

    assert {look for _, look, _ in grid(desk).rows["Room A"]} == {"free"}


def test_shows_a_room_that_is_not_for_sale_only_with_something_in_it(desk: Client) -> None:
    stay("Ada", "inn_A", 1, 3)
    Room.objects.filter(id__in=("inn_A", "inn_B")).update(is_sold=False)

    rows = grid(desk).rows

    assert "Room A not for sale" in rows
    # It has its own look, its own words, and no link to a form that would refuse it.
    assert rows["Room A not for sale"][0] == (1, "unsold", "Not for sale")
    assert 'href="inn_A/' not in desk.get(GRID, {"hotel": "inn"}).content.decode()
    assert not any(room.startswith("Room B") for room in rows)


def test_leads_to_the_booking_and_from_a_free_night_to_the_form(desk: Client) -> None:
    made = stay("Ada", "inn_A", 1, 3)
    page = desk.get(GRID, {"hotel": "inn"}).content.decode()

    links = re.findall(r'href="([^"]+)"', page)
    identity = made.content["booking"]["id"]
    to_stay = desk.get(f"{GRID}{identity}/")
    opened = desk.get(f"{GRID}inn_A/{night(3)}/", follow=True)

    assert {f"{identity}/", f"inn_A/{night(3)}/"} <= set(links)
    assert to_stay.url == f"/admin/bookings/bookingrecord/{identity}/change/"
    shown = opened.context["form"]
    assert (shown["room"].value(), str(shown["check_in"].value())) == ("inn_A", night(3))
    assert shown["hotel"].value() == "inn"


def test_offers_no_night_that_is_over(desk: Client) -> None:
    assert [look for _, look, _ in grid(desk, start=night(-2)).rows["Room A"]] == [
        *["", ""],
        *["free"] * 5,
    ]


def test_escapes_what_guests_typed(desk: Client) -> None:
    stay("x", "inn_A", 1, 3)
    evil = {"guest.name": '"><script>alert(1)</script>'}
    connections.collection("bookings").update_one({}, {"$set": evil})
    Room.objects.filter(id="inn_B").update(name='%s"><script>')

    page = desk.get(GRID, {"hotel": "inn"}).content.decode()

    assert "<script>alert" not in page
    assert "%s&quot;&gt;&lt;script&gt;</th>" in page


def test_names_free_nights_by_their_row_and_column(desk: Client) -> None:
    stay("Ada", "inn_A", 1, 3)
    page = desk.get(GRID, {"hotel": "inn", "days": "7"}).content.decode()

    (names,) = re.findall(rf'href="inn_A/{night(3)}/" aria-labelledby="(.*?)"', page)
    verb, row, column = (
        re.sub("<.*?>", "", re.findall(rf'id="{name}"[^>]*>(.*?)</(?:span|th)>', page)[0])
        for name in names.split()
    )

    day = date.fromisoformat(night(3))
    assert (verb, row, column) == ("Book", "Room A", f"{day:%a} {day.day} {day:%b}")


def test_gives_bars_that_can_be_moved_the_version_that_is_shown(
    desk: Client, staff: User, client: Client
) -> None:
    made = stay("Ada", "inn_A", 1, 3).content["booking"]["id"]
    stay("Dead", "inn_C", 0, 2, hold=True)
    ended = clock.now() - timedelta(minutes=3)
    connections.collection("bookings").update_one(
        {"guest.name": "Dead"}, {"$set": {"expires_at": ended}}
    )
    block(staff, "inn_S")
    viewer = User.objects.create_user("viewer", is_staff=True)
    viewer.user_permissions.set(Permission.objects.filter(codename="view_bookingrecord"))

    page = desk.get(GRID, {"hotel": "inn", "days": "14"}).content.decode()
    client.force_login(viewer)
    for_viewer = client.get(GRID, {"hotel": "inn", "days": "14"}).content.decode()

    assert re.findall(r'<a href="(\w+)/" data-v="(\d+)">', page) == [(made, "1")]
    assert "data-v=" not in for_viewer
    assert "data-move=" not in for_viewer


# --- The details of a bar -----------------------------------------------------------------------


def test_tells_of_a_bar_in_words(desk: Client) -> None:
    made = stay("Ada", "inn_A", 1, 3, notes="Late.\nWith a dog").content["booking"]

    told = desk.get(f"{GRID}{made['id']}/details/").content.decode()

    for text in (
        *("<h2>Ada</h2>", made["reference"], "Booked", "Room A", "EUR\xa0200.00"),
        f"{stay_text(night(1), night(3))}, 2 nights",
        "Late.<br>With a dog",
        f'href="/admin/bookings/bookingrecord/{made["id"]}/change/"',
        'data-move="1"',
    ):
        assert text in told
    assert "<html" not in told


def test_tells_why_a_room_is_blocked_to_those_who_may_know(
    desk: Client, client: Client, staff: User
) -> None:
    blocked = block(staff, "inn_S")
    viewer = User.objects.create_user("viewer", is_staff=True)
    viewer.user_permissions.set(Permission.objects.filter(codename="view_bookingrecord"))

    told = desk.get(f"{GRID}{blocked}/details/").content.decode()
    to_block = desk.get(f"{GRID}{blocked}/").url
    client.force_login(viewer)
    of_viewer = [client.get(f"{GRID}{blocked}/{rest}").status_code for rest in ("", "details/")]

    assert "New carpet" in told
    assert f'href="/admin/bookings/roomblock/{blocked}/change/"' in told
    assert "data-move" not in told
    assert "EUR" not in told
    assert to_block == f"/admin/bookings/roomblock/{blocked}/change/"
    assert of_viewer == [404, 404]


def test_offers_viewers_no_move_in_the_details(client: Client) -> None:
    made = stay("Ada", "inn_A", 1, 3).content["booking"]["id"]
    viewer = User.objects.create_user("viewer", is_staff=True)
    viewer.user_permissions.set(Permission.objects.filter(codename="view_bookingrecord"))
    client.force_login(viewer)

    told = client.get(f"{GRID}{made}/details/").content.decode()

    assert "Ada" in told
    assert "Move" not in told


@pytest.mark.parametrize("address", ["nowhere/", "65f0c0c0c0c0c0c0c0c0c0c0/", "x%00/"])
def test_knows_no_bar_that_does_not_exist(desk: Client, address: str) -> None:
    assert desk.get(f"{GRID}{address}").status_code == 404
    assert desk.get(f"{GRID}{address}details/").status_code == 404


def test_leads_who_may_only_block_from_a_free_night_to_the_form_that_blocks(client: Client) -> None:
    limited = User.objects.create_user("limited", is_staff=True)
    names = ("view_bookingrecord", "add_roomblock")
    limited.user_permissions.set(Permission.objects.filter(codename__in=names))
    client.force_login(limited)

    page = client.get(GRID, {"hotel": "inn", "days": "7"}).content.decode()

    assert f'href="inn_A/{night(3)}/"' in page
    assert '<span id="b" hidden>Block</span>' in page
    assert client.get(f"{GRID}inn_A/{night(3)}/").url == (
        f"/admin/bookings/roomblock/add/?rooms=inn_A&first={night(3)}"
    )


@pytest.mark.parametrize(
    "query",
    [
        {"start": "2031-02-29"},
        {"start": "9999-12-31"},
        {"start": "0001-01-01", "days": "31"},
        {"days": "99999"},
        {"days": "{$ne: 1}"},
        {"hotel": "nowhere"},
        {"hotel": "inn\x00"},
    ],
)
def test_takes_what_is_no_choice_for_the_usual(desk: Client, query: dict[str, str]) -> None:
    response = desk.get(GRID, query)

    assert response.status_code == 200
    assert response.context["length"] in (14, 31)
    assert response.context["first"] == response.context["choice"].today


# --- What it costs ------------------------------------------------------------------------------


class Commands(monitoring.CommandListener):
    def __init__(self) -> None:
        self.finds: list[dict[str, Any]] = []

    def started(self, event: monitoring.CommandStartedEvent) -> None:
        if event.command_name in ("find", "aggregate", "count", "distinct"):
            self.finds.append(dict(event.command))

    def succeeded(self, event: Any) -> None:
        """Nothing to remember."""

    failed = succeeded


def test_is_one_query_on_bookings_by_the_slots_index(
    desk: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    for number in range(12):
        stay(f"g{number}", "inn_A", 2 * number, 2 * number + 1)
    commands = Commands()
    listened = type(connections.database().client)(
        connections.database().client.address[0],
        connections.database().client.address[1],
        event_listeners=[commands],
    )
    name = connections.database().name
    monkeypatch.setattr(connections, "database", lambda: listened[name])
    monkeypatch.setattr(occupancy, "database", lambda: listened[name])

    response = desk.get(GRID, {"hotel": "inn", "start": night(3), "days": "7"})
    asked = [(str(next(iter(c.values()))), c) for c in commands.finds]
    on_bookings = [command for where, command in asked if where == "bookings"]

    assert response.status_code == 200
    # The session and its stamp, whether a code is due, the hotels to choose from, and all
    # categories with their rooms. The ORM, which reads the user, is not watched.
    expected = [
        *("django_session", "session_stamps", "second_factors"),
        *("hotels", "room_categories", "bookings"),
    ]
    assert [where for where, _ in asked] == expected
    (find,) = on_bookings
    question = {k: find[k] for k in ("find", "filter", "projection")}
    told = listened[name].command("explain", question, verbosity="executionStats")
    assert find_all(told["queryPlanner"]["winningPlan"], "indexName") == [
        "one_active_booking_per_slot"
    ]
    assert told["executionStats"]["totalDocsExamined"] == 3
    assert not {"keys", "history"} & find["projection"].keys()
    listened.close()


def test_stays_small_for_a_month_of_sixty_rooms() -> None:
    first, may = date(2027, 2, 1), MayDo(open_blocks=True, move=True, book=True, block=True)
    category = CategoryFacts("c", "h", "C", 2, 1, True)
    rooms = [RoomFacts(f"seaside_{n:03}", "c", f"Room {n}") for n in range(60)]
    everyone = [
        Occupant(
            *(f"{room.id:0>24}", "SEASIDE-ABCDEF", "stay", "confirmed", None, "expected"),
            *(first + timedelta(days=day), first + timedelta(days=day + 1)),
            *((room.id,), 1, "Ada Lovelace", "", ""),
        )
        for room in rooms
        for day in range(31)
    ]

    def size(occupants: list[Occupant]) -> int:
        dates = (first, first + timedelta(days=31))
        house = lay_out([(category, rooms)], occupants, *dates, today=first, now=clock.now())
        return sum(len(rows) for _, rows in render_sections(house, may))

    # The page may have 200 kB, and has 12 kB besides its rows.
    assert size([]) < 185_000
    assert size(everyone) < 185_000


def test_never_lets_bars_overlap_or_leave_the_dates() -> None:
    first = date(2027, 2, 1)
    category = CategoryFacts("c", "h", "C", 2, 1, True)
    rooms = [RoomFacts("r1", "c", "R1"), RoomFacts("r2", "c", "R2")]

    def occupant(rooms: tuple[str, ...], start: int, end: int) -> Occupant:
        dates = (first + timedelta(days=start), first + timedelta(days=end))
        return Occupant(
            "1", "REF", "stay", "confirmed", None, "expected", *dates, rooms, 1, "", "", ""
        )

    (section,) = lay_out(
        [(category, rooms)],
        [occupant(("r1", "r2"), -5, 2), occupant(("r1",), 2, 3), occupant(("r2",), 6, 90)],
        first,
        first + timedelta(days=7),
        today=first,
        now=clock.now(),
    )

    assert [[cell.span for cell in row.cells] for row in section.rows] == [
        [2, 1, 1, 1, 1, 1],
        [2, 1, 1, 1, 1, 1],
    ]
    assert section.rows[0].cells[0].text == "REF"


# --- Permissions --------------------------------------------------------------------------------

NIGHT = f"{GRID}inn_A/2027-02-01/"

PAGES = {
    GRID: {"view_bookingrecord", "change_bookingrecord"},
    "/admin/desk/today/": {"view_bookingrecord", "change_bookingrecord"},
    "/admin/desk/guests/": {"view_bookingrecord", "change_bookingrecord"},
    "/admin/desk/rooms/": {"add_bookingrecord"},
}


@pytest.mark.parametrize("address", PAGES)
@pytest.mark.parametrize(
    "codename",
    ["view_bookingrecord", "add_bookingrecord", "change_bookingrecord", "view_roomblock"],
)
def test_is_for_who_has_the_permission(client: Client, address: str, codename: str) -> None:
    limited = User.objects.create_user("limited", is_staff=True)
    limited.user_permissions.set(Permission.objects.filter(codename=codename))
    client.force_login(limited)

    assert client.get(address).status_code == (200 if codename in PAGES[address] else 403)


@pytest.mark.parametrize("address", PAGES)
def test_sends_customers_to_the_login(client: Client, address: str) -> None:
    client.force_login(User.objects.create_user("guest"))

    assert client.get(address).url.startswith("/admin/login/")


def test_links_only_what_may_be_opened(client: Client, staff: User) -> None:
    block(staff, "inn_S")
    limited = User.objects.create_user("limited", is_staff=True)
    limited.user_permissions.set(Permission.objects.filter(codename="view_bookingrecord"))
    client.force_login(limited)

    page = client.get(GRID, {"hotel": "inn", "days": "14"}).content.decode()

    assert "New carpet" in page
    assert "/admin/bookings/roomblock/" not in page
    assert "/admin/bookings/bookingrecord/add/" not in page
    assert f'href="inn_A/{night(3)}/"' not in page


def test_is_linked_from_the_start_page(desk: Client) -> None:
    assert f'href="{GRID}"' in desk.get("/admin/").content.decode()


def test_stays_english_whatever_the_browser_asks_for(desk: Client) -> None:
    page = desk.get(GRID, {"hotel": "inn"}, headers={"accept-language": "de"}).content.decode()

    assert f"nights of {day_text(night(0))}" in page
    assert '<html lang="en' in page
