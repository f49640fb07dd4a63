"""Among 100,000 bookings every query uses an index, and reads little besides.

No query is written down here. The tests call the services, record the commands that these send to
MongoDB, and ask MongoDB to explain exactly those. With -s each test prints how much its queries
read.
"""

from __future__ import annotations

import itertools
import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import date, timedelta
from functools import partial
from typing import Any

import pytest
from bson import ObjectId
from django.contrib import admin
from django.contrib.auth.models import User
from django.db import connections as connections_of_django
from django.test import RequestFactory
from pymongo import MongoClient
from pymongo.database import Database
from pymongo.monitoring import CommandListener, CommandStartedEvent

from bookings.admin import newest
from bookings.availability import occupancy, search
from bookings.catalogue import inventory
from bookings.domain.booking import STATUSES
from bookings.domain.callers import Caller, caller_of_guest
from bookings.front_desk import blocks, figures, guest_search
from bookings.indexes import make_delivery_indexes
from bookings.infrastructure import clock, connections
from bookings.infrastructure.deadlines import Deadline
from bookings.models import BookingRecord, Night, RoomBlock
from bookings.news import deliveries
from bookings.stays import create, due_work, lifecycle, queries, rivals
from bookings.stays.hold_limits import HoldLimits
from bookings.stays.writing import expiry, ownership
from tests.calls import book, cancel, change_stay, confirm, extend
from tests.conftest import night
from tests.query_plans import HAVE_A_PLAN, find_all, one_by_one

pytestmark = pytest.mark.mongo

BOOKINGS = 100_000
HOTELS = 10
CATEGORIES_A_HOTEL = 4
ROOMS_A_CATEGORY = 12
NIGHTS_A_CATEGORY = 730

# Two thirds of the bookings belong to one partner, whose guests come again and again.
BIG = Caller("client", "big", may_act_for_others=True)
GUESTS = 4_999

# With each of these addresses about a thousand bookings were made, twenty of them by guests.
ADDRESSES = 103
GUESTS_WITH_ADDRESS = 20

# Each of the other addresses has about a hundred.
OWNER = "user:1000"

# The ways in which a command may look for documents; servers newer than 6.0 know more.
BY_INDEX = {"IXSCAN", "IDHACK", "COUNT_SCAN", "DISTINCT_SCAN", "EXPRESS_IXSCAN", "EXPRESS_IDHACK"}

# No guest, room or night of the partner has more bookings than this.
MOST_OF_ONE = 300
FILTERS = [
    chosen
    for number in range(4)
    for chosen in itertools.combinations(("user_id", "room", "night"), number)
]


class Commands(CommandListener):
    """Records the commands that are sent."""

    def __init__(self) -> None:
        self.sent: list[CommandStartedEvent] = []

    def started(self, event: CommandStartedEvent) -> None:
        self.sent.append(event)

    def succeeded(self, event: Any) -> None:
        """Nothing to record."""

    def failed(self, event: Any) -> None:
        """Nothing to record."""


@dataclass(frozen=True)
class Plan:
    """How MongoDB answered one command, and how much it read for that."""

    asked: str
    stages: tuple[str, ...]
    keys: int
    documents: int
    returned: int

    def __str__(self) -> str:
        return (
            f"{self.returned:4} of {self.keys} keys, {self.documents} documents"
            f" by {' '.join(self.stages)}: {self.asked[:300]}"
        )


# For the session: a worker that leaves this file for another one may come back to it.
@pytest.fixture(scope="session")
def crowd(migrated: None) -> Iterator[tuple[Database[Any], Commands]]:
    """A separate database with the same indexes, and many bookings and nights in it."""
    commands = Commands()
    client: MongoClient[Any] = MongoClient(os.environ["MONGODB_URI"], event_listeners=[commands])
    empty = connections.database()
    crowd = client[f"{empty.name}_crowd"]
    client.drop_database(crowd.name)
    fill(crowd)
    for name in ("bookings", "holders", "nights", "rooms", "room_categories", "hotels"):
        indexes = [
            {option: value for option, value in index.items() if option not in ("v", "ns")}
            for index in empty[name].list_indexes()
            if index["name"] != "_id_"
        ]
        if indexes:
            crowd.command("createIndexes", name, indexes=indexes)
    yield crowd, commands
    client.drop_database(crowd.name)
    client.close()


@pytest.fixture(autouse=True)
def in_the_crowd(
    use_database: None,
    crowd: tuple[Database[Any], Commands],
    monkeypatch: pytest.MonkeyPatch,
    settings: Any,
) -> None:
    """Sends all commands of the services to the crowded database."""
    for module in (connections, rivals, figures, occupancy, clock):
        monkeypatch.setattr(module, "database", lambda: crowd[0])
    settings.MAX_LIVE_HOLDS = 5


Explain = Callable[[Callable[[], object]], list[Plan]]


@pytest.fixture
def explain(crowd: tuple[Database[Any], Commands]) -> Explain:
    """Calls a function, and has MongoDB explain every query that it sent."""
    database, commands = crowd

    def explain(call: Callable[[], object]) -> list[Plan]:
        commands.sent.clear()
        call()
        asked = [event.command for event in commands.sent if event.command_name in HAVE_A_PLAN]
        plans = [plan for command in asked for plan in explain_one(database, dict(command))]
        assert plans, "nothing was asked"
        for plan in plans:
            print(f"\n{plan}", end="")  # noqa: T201
        return plans

    return explain


def check(plans: list[Plan], *, spare: int) -> None:
    """Every query used an index, and read at most `spare` documents that it did not return."""
    for plan in plans:
        if plan.asked.startswith("{'find': 'hotels', 'filter': {}"):
            continue  # a site has few hotels, and a process keeps all of them for a moment
        assert set(plan.stages) & BY_INDEX, plan
        assert "COLLSCAN" not in plan.stages, plan
        assert plan.documents <= plan.returned + spare, plan


# --- Availability, calendar and month ------------------------------------------------------


def test_finds_stays(explain: Explain) -> None:
    plans = explain(
        lambda: search.find_stays(hotel_id="h3", check_in=day(30), check_out=day(37), guests=2)
    )

    check(plans, spare=0)


def test_finds_other_dates_for_a_stay_that_cannot_be_had(explain: Explain) -> None:
    plans = explain(
        lambda: search.find_stays(hotel_id="h3", check_in=day(30), check_out=day(90), guests=2)
    )

    assert sum("elemMatch" in plan.asked for plan in plans) == 2  # the stay, and around it
    check(plans, spare=0)


def test_reads_a_month(explain: Explain) -> None:
    month = day(62)

    plans = explain(
        lambda: search.read_month(category_id="h3c1", year=month.year, month=month.month)
    )

    check(plans, spare=0)


def test_finds_free_rooms(explain: Explain) -> None:
    plans = explain(lambda: search.find_free_rooms(hotel_id="h3", night=day(30)))
    next_page = explain(
        lambda: search.find_free_rooms(hotel_id="h3", night=day(30), after="h3c1r05")
    )

    # A page of rooms is cut from all the rooms of the hotel.
    check(plans + next_page, spare=CATEGORIES_A_HOTEL * ROOMS_A_CATEGORY)


# --- Figures -------------------------------------------------------------------------------


def test_reads_figures_of_a_month(explain: Explain) -> None:
    in_it = connections.database()["bookings"].count_documents(
        {
            "hotel": "h3",
            "slots": {"$elemMatch": {"$gte": f"{day(30)}|", "$lt": f"{day(61)}|"}},
            "status": {"$in": ["pending", "confirmed"]},
        }
    )

    plans = explain(lambda: figures.read_figures("h3", day(30), day(60)))

    (reading,) = [plan for plan in plans if "elemMatch" in plan.asked]
    # It returns sums, so the documents read are compared with the documents to sum up.
    assert 0 < in_it < BOOKINGS / 50
    assert reading.documents == in_it
    assert reading.keys <= 3 * in_it
    check([plan for plan in plans if plan is not reading], spare=0)
    check([reading], spare=in_it)


# --- The sweep -----------------------------------------------------------------------------


def test_sweeps(explain: Explain) -> None:
    plans = explain(lambda: expiry.expire_dead_holds(limit=100))

    check(plans, spare=1)
    assert plans[0].returned == 100


def test_counts_what_is_to_be_swept(explain: Explain) -> None:
    dead, _ = due_work.count_dead_holds()

    check(explain(due_work.count_dead_holds), spare=dead)


# --- Guests and their addresses ------------------------------------------------------------


def test_looks_for_news(explain: Explain) -> None:
    """Every hold of the crowd has a reminder in its outbox, and one of them is due."""
    reminded = connections.collection("bookings").count_documents({"outbox.0": {"$exists": True}})
    one = connections.collection("bookings").find_one({}, {"_id": 1}, sort=[("_id", -1)])
    due = {"$set": {"outbox.0.due_at": clock.now()}}
    connections.collection("bookings").update_one(one, due)

    plans = explain(
        lambda: (
            due_work.list_outboxes(limit=200, besides=[]),
            due_work.oldest_due_news_age_s(besides=[]),
        )
    )

    assert reminded > BOOKINGS / 2
    check(plans, spare=0)


def test_finds_the_newest_deliveries(explain: Explain) -> None:
    make_delivery_indexes(connections.database())

    for state in (None, "given_up"):
        (plan,) = explain(partial(deliveries.nth_newest_at, 1_000, state=state))

        assert "IXSCAN" in plan.stages
        assert not {"COLLSCAN", "SORT"} & set(plan.stages)


def test_finds_guests_by_address(explain: Explain) -> None:
    plans = explain(
        lambda: queries.list_guest_bookings("ada7@example.org", from_day=day(0), limit=50)
    )

    assert 0 < plans[0].returned < plans[0].keys < 50
    check(plans, spare=50)  # those that are cancelled or have ended


def test_gathers_what_guests_booked(explain: Explain) -> None:
    ada = Caller("user", "ada")

    by_address = explain(lambda: ownership.adopt_bookings_for("ada8@example.org", ada))
    by_guest = explain(
        lambda: ownership.adopt_bookings_of(
            "guest:680", ada, limits=HoldLimits(holds=5, room_nights=90)
        )
    )
    again = explain(lambda: ownership.adopt_bookings_for("ada8@example.org", ada))

    check(by_guest, spare=1)
    # Holds made with the address are looked at, and stay with their guests.
    check(by_address + again, spare=GUESTS_WITH_ADDRESS)
    assert queries.list_bookings(owners=[str(ada)], limit=1)


# --- Booking and changing ------------------------------------------------------------------


def test_books(explain: Explain) -> None:
    plans = explain(lambda: book("instant", caller=BIG, resourceId="h0c0r00", date=night(600)))

    check(plans, spare=0)


def test_counts_holds(explain: Explain) -> None:
    plans = explain(
        lambda: book("hold", caller=BIG, resourceId="h0c0r01", date=night(600), hold=True)
    )

    assert any("'aggregate': 'bookings'" in plan.asked for plan in plans)
    check(plans, spare=1)  # an update reads its documents and does not return them


def test_counts_what_guests_hold_together(explain: Explain) -> None:
    def hold(guest: str, rooms: int) -> str | None:
        payload = {
            "rooms": [{"categoryId": "h0c1"}] * rooms,
            "checkIn": night(600),
            "checkOut": night(614),
            "hold": True,
        }
        return create.create_booking(
            caller=caller_of_guest(guest),
            key_header=guest,
            read_payload=lambda: payload,
            deadline=Deadline.after(10),
            remote_address="192.0.2.1",
        ).code

    assert hold("first", 4) is None
    assert hold("second", 3) is None

    def call() -> None:
        assert hold("third", 1) == "EMAIL_NEEDED"

    plans = explain(call)

    assert sum("'check_out': {'$gt'" in plan.asked for plan in plans) == 1
    # An update reads its documents and does not return them, and rooms are counted by reading them.
    check(plans, spare=ROOMS_A_CATEGORY)


def test_looks_for_rivals_and_twins(explain: Explain) -> None:
    book("first", caller=BIG, resourceId="h0c0r02", checkIn=night(600), checkOut=night(690))

    def call() -> None:
        refused = book(
            "second", caller=BIG, resourceId="h0c0r02", checkIn=night(600), checkOut=night(690)
        )
        assert refused.code == "ALREADY_BOOKED"

    check(explain(call), spare=0)


def test_finds_the_answer_of_a_key_that_redis_forgot(explain: Explain) -> None:
    book("forgotten", caller=BIG, resourceId="h0c0r03", date=night(600))
    connections.redis().flushdb()

    plans = explain(lambda: book("forgotten", caller=BIG, resourceId="h0c0r03", date="2000-01-01"))

    check(plans, spare=0)


def test_looks_for_stays_that_can_get_another_price(
    explain: Explain, monkeypatch: pytest.MonkeyPatch
) -> None:
    # All of them were made a moment ago, and it looks at the recent ones.
    later = clock.now() + queries.CONFIRMABLE_FOR + timedelta(minutes=10)
    monkeypatch.setattr(clock, "now", lambda: later)

    check(explain(lambda: queries.may_be_repriced("h1", date.fromisoformat(night(900)))), spare=0)


def test_finds_own_rooms_where_a_category_is_sold_out(explain: Explain) -> None:
    for number in range(ROOMS_A_CATEGORY):
        book(f"{number}", caller=BIG, resourceId=f"h1c0r{number:02}", date=night(600))

    def call() -> None:
        refused = book("late", caller=BIG, categoryId="h1c0", date=night(600), hold=True)
        assert refused.code == "SOLD_OUT"

    # The guest's own holds, at most as many as one guest may have.
    check(explain(call), spare=5)


def test_looks_whether_a_guest_is_refused_over_their_own_hold(explain: Explain) -> None:
    for number in range(ROOMS_A_CATEGORY):
        book(f"guest-{number}", caller=BIG, resourceId=f"h2c0r{number:02}", date=night(600))
    guest = caller_of_guest("0123456789abcdef")

    def call() -> None:
        refused = book("late", caller=guest, resourceId="h2c0r00", date=night(600))
        assert refused.code == "ALREADY_BOOKED"

    # The bookings that have the hotel's rooms on that night.
    check(explain(call), spare=ROOMS_A_CATEGORY)


def test_confirms_extends_moves_cancels_and_blocks(explain: Explain) -> None:
    held = book("hold", caller=BIG, resourceId="h0c0r04", date=night(600), hold=True)
    book("other", caller=BIG, resourceId="h0c0r05", date=night(600))

    def call() -> None:
        assert extend(held, "more", actor=BIG).code is None
        assert confirm(held, "hold", actor=BIG).code is None
        moved = lifecycle.move_booking(
            actor=Caller("user", "staff"),
            booking_id=held.content["booking"]["id"],
            key_header="move",
            deadline=Deadline.after(10),
            room_ids=("h0c0r05",),
            check_in=day(600),
            check_out=day(602),
        )
        assert moved.code == "ALREADY_BOOKED"
        blocked = blocks.block_rooms(
            actor=Caller("user", "staff"),
            room_ids=("h0c0r04", "h0c0r05"),
            first=day(600),
            end=day(610),
            reason="New carpet",
            key_header="block",
            deadline=Deadline.after(10),
        )
        assert blocked.code == "ALREADY_BOOKED"
        assert cancel(held, actor=BIG).code is None

    check(explain(call), spare=1)


def test_changes_a_stay(explain: Explain) -> None:
    held = book("to-change", caller=BIG, resourceId="h0c0r06", date=night(600), hold=True)
    total = held.content["booking"]["price"]["total"]

    def call() -> None:
        changed = change_stay(held, actor=BIG, first=600, last=602, total=2 * total)
        assert changed.code is None, changed.content

    check(explain(call), spare=ROOMS_A_CATEGORY)


# --- The list ------------------------------------------------------------------------------


def test_lists_bookings_by_any_filters(explain: Explain) -> None:
    guest, room, cursor = one_of(OWNER)
    # The person who is logged in, alone, and with the guest that their browser is.
    both = [OWNER, "guest:680"]
    whole = queries.list_bookings(owners=both, limit=BOOKINGS)

    for owners, user_id, room_id, of_night, status, before in itertools.product(
        ([OWNER], both), (None, guest), (None, room), (None, day(30)), (None, *STATUSES),
        (None, cursor),
    ):  # fmt: skip
        plans = explain(
            partial(
                queries.list_bookings,
                owners=owners,
                user_id=user_id,
                room=room_id,
                night=of_night,
                status=status,
                before=before,
                limit=21,
            )
        )

        check(plans, spare=len(whole))


@pytest.mark.parametrize("before", [False, True])
@pytest.mark.parametrize("status", [None, *STATUSES])
@pytest.mark.parametrize("others", FILTERS)
def test_reads_little_of_a_partners_many_bookings(
    explain: Explain, others: tuple[str, ...], status: str | None, before: bool
) -> None:
    """A few times what is returned, or what one guest, room and night have."""
    guest, room, cursor = one_of(str(BIG))
    chosen = {"user_id": guest, "room": room, "night": day(30)}

    plans = explain(
        lambda: queries.list_bookings(
            owners=[str(BIG)],
            status=status,
            before=cursor if before else None,
            limit=21,
            **{name: chosen[name] for name in others},  # type: ignore[arg-type]
        )
    )

    check(plans, spare=MOST_OF_ONE)


def test_lists_a_partners_newest_bookings(explain: Explain) -> None:
    plans = explain(lambda: queries.list_bookings(owners=[str(BIG)], limit=21))

    check(plans, spare=0)


def test_never_reads_another_owners_bookings(explain: Explain) -> None:
    """For owners with few bookings, the planner is tempted to go by id."""
    _, room, cursor = one_of(str(BIG))
    count = connections.collection("bookings").count_documents({"owner": str(BIG)})

    plans = explain(
        lambda: queries.list_bookings(
            owners=[str(BIG)], user_id="nobody", room=room, before=cursor, limit=21
        )
    )

    assert count < BOOKINGS * 0.7
    check(plans, spare=count)


def one_of(owner: str) -> tuple[str, str, ObjectId]:
    """Guest, room and id of one of the owner's newer bookings."""
    booking = queries.list_bookings(owners=[owner], limit=20)[-1]
    return booking.user_id, booking.rooms[0].room, booking.id


# --- The desk ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("typed", "spare"),
    [
        ("nr123", 0),
        ("nr12", 0),
        ("ada7 nr123", 12 * BOOKINGS // GUESTS),  # the rarer one decides
        ("nr123 ada7", 12 * BOOKINGS // GUESTS),
        ("ada7@exam", 0),
        ("0170 4711", 0),
        ("47yy", 0),
        ("H3-47YYZZZ", 0),
        ("nobody", 0),
    ],
)
def test_finds_guests_at_the_desk(explain: Explain, typed: str, spare: int) -> None:
    plans = explain(
        lambda: guest_search.find_stay_ids(typed, hotels=inventory.list_hotels(), limit=BOOKINGS)
    )

    of_bookings = [plan for plan in plans if "'bookings'" in plan.asked]
    assert of_bookings
    check(of_bookings, spare=spare)


@pytest.mark.parametrize("typed", ["an", "ada", "ada nr", "nr ada 0170", "01"])
def test_reads_little_for_what_very_many_begin_with(explain: Explain, typed: str) -> None:
    """For a short beginning the list shows the newest, from which the way back is short."""
    plans = explain(
        lambda: guest_search.find_stay_ids(typed, hotels=inventory.list_hotels(), limit=50)
    )

    for plan in plans:
        if "'bookings'" in plan.asked:
            assert set(plan.stages) & BY_INDEX, plan
            assert plan.documents <= BOOKINGS / 100, plan


def test_takes_the_newest_of_a_thousand_from_the_index_alone(explain: Explain) -> None:
    plans = explain(
        lambda: guest_search.find_stay_ids("ada99", hotels=inventory.list_hotels(), limit=50)
    )

    (plan,) = [plan for plan in plans if "search_terms" in plan.asked]
    assert (plan.returned, plan.documents) == (50, 0), plan


def test_finds_a_rare_name_after_a_common_one(explain: Explain) -> None:
    """MongoDB keeps the plan of a question, and both are the same kind of question."""

    def find(typed: str) -> list[ObjectId]:
        return guest_search.find_stay_ids(typed, hotels=inventory.list_hotels(), limit=50)

    for _ in range(3):
        find("ada")
    plans = explain(lambda: find("nr4998"))

    check([plan for plan in plans if "search_terms" in plan.asked], spare=0)


@pytest.mark.parametrize(
    "typed", ["ada", "ada nr", "ada99", "nr123", "ada7@exam", "0170", "nobody"]
)
def test_finds_guests_while_a_name_is_typed(explain: Explain, typed: str) -> None:
    """One question for the newest, and one for those by their ids, however many there are."""
    plans = explain(lambda: guest_search.find_known_guests(typed, hotels=inventory.list_hotels()))

    of_bookings = [plan for plan in plans if "'bookings'" in plan.asked]
    assert 1 <= len(of_bookings) <= 2
    for plan in of_bookings:
        assert set(plan.stages) & BY_INDEX, plan
        assert plan.documents <= BOOKINGS / 100, plan


def test_reads_a_months_occupancy(explain: Explain) -> None:
    plans = explain(lambda: occupancy.list_occupants("h3", day(30), day(61)))

    assert plans[0].returned > 300
    check(plans, spare=0)


@pytest.fixture
def show_list(
    crowd: tuple[Database[Any], Commands], monkeypatch: pytest.MonkeyPatch
) -> Callable[..., Any]:
    """Opens the admin's list of bookings, or of another model, on the crowd, as its view does."""
    orm = connections_of_django["default"]
    orm.ensure_connection()
    monkeypatch.setitem(vars(orm), "database", crowd[0])

    def show_list(model: Any = BookingRecord, **query: str) -> Any:
        request = RequestFactory().get(f"/admin/bookings/{model._meta.model_name}/", query)
        request.user = User(pk=ObjectId(), is_staff=True, is_superuser=True)
        response = admin.site.get_model_admin(model).changelist_view(request)
        assert response.status_code == 200, response
        return response.render()

    return show_list


def test_lists_the_newest_bookings_and_counts_to_a_bound(
    explain: Explain, show_list: Callable[..., Any]
) -> None:
    plans = explain(show_list)
    last_page = explain(partial(show_list, p="10"))

    on_bookings = [plan for plan in plans + last_page if "'bookings'" in plan.asked]
    assert len(on_bookings) >= 4
    check(on_bookings, spare=newest.MAX_LISTED)
    assert f"{newest.MAX_LISTED} bookings" in show_list().content.decode()


@pytest.mark.parametrize(
    "query",
    [
        {"hotel": "h3"},
        {"hotel": "nowhere"},
        {"status": "confirmed"},
        {"status": "cancelled", "hotel": "h3"},
        {"status": "expired"},
        {"status": "pending"},
        {"q": "ada7"},
        {"q": "a"},
        {"q": "ad"},
        {"q": "ada7", "hotel": "h3"},
        {"first": "2026-01-01", "last": "2026-01-02"},
    ],
)
def test_filters_the_list_among_the_newest(
    explain: Explain, show_list: Callable[..., Any], query: dict[str, str]
) -> None:
    plans = explain(partial(show_list, **query))

    for plan in plans:
        if "'bookings'" in plan.asked:
            assert set(plan.stages) & BY_INDEX, plan
            assert plan.documents <= newest.LOOKED_THROUGH + 1, plan


@pytest.mark.parametrize(
    "query", [{}, {"status": "confirmed"}, {"hotel": "h3"}, {"q": "paint"}, {"q": "H3-47"}]
)
def test_lists_blocks_without_reading_stays(
    explain: Explain, show_list: Callable[..., Any], query: dict[str, str]
) -> None:
    plans = explain(partial(show_list, RoomBlock, **query))

    on_bookings = [plan for plan in plans if "'bookings'" in plan.asked]
    assert on_bookings
    check(on_bookings, spare=0)


@pytest.mark.parametrize(
    "query",
    [
        {"hotel": "h3"},
        {"category": "h3c1"},
        {"category": "h3c1", "first": night(30), "last": night(31)},
        {"first": night(30), "last": night(31)},
    ],
)
def test_filters_the_list_of_nights(
    explain: Explain, show_list: Callable[..., Any], query: dict[str, str]
) -> None:
    plans = explain(partial(show_list, Night, **query))

    of_nights = [plan for plan in plans if "'aggregate': 'nights'" in plan.asked]
    assert of_nights
    check(of_nights, spare=0)


# --- The crowd -----------------------------------------------------------------------------


def day(ahead: int) -> date:
    return date.fromisoformat(night(ahead))


def fill(crowd: Database[Any]) -> None:
    """Fills ten hotels, two years of their nights, and rooms that are booked for over a year.

    MongoDB makes the bookings itself, after the pattern of one that was booked here.
    """
    rooms = fill_catalogue(crowd)
    connections.database()["bookings"].delete_many({})
    book("pattern", hold=True)
    pattern = connections.database()["bookings"].find_one({}, {"_id": 0})
    assert pattern is not None
    days = [night(ahead) for ahead in range(-60, NIGHTS_A_CATEGORY)]
    crowd.aggregate(
        [
            {"$documents": [{"number": {"$range": [0, BOOKINGS]}}]},
            {"$unwind": "$number"},
            # Each room in turn is booked for a night or two; at its next turn, two days later.
            {
                "$set": {
                    "room": {"$arrayElemAt": [rooms, part(len(rooms))]},
                    "turn": {"$floor": {"$divide": ["$number", len(rooms)]}},
                    "nights": {"$add": [1, part(2)]},
                    "by": part(1_009),
                }
            },
            {
                "$set": {
                    "days": {
                        "$slice": [days, {"$multiply": [2, "$turn"]}, {"$add": ["$nights", 1]}]
                    },
                    "category": {"$first": {"$split": ["$room", "r"]}},
                    # Two thirds are the partner's, and one in fifty is a guest's.
                    "owner": {
                        "$switch": {
                            "branches": [
                                {"case": {"$lt": ["$by", 670]}, "then": str(BIG)},
                                {
                                    "case": {"$lt": ["$by", 690]},
                                    "then": {"$concat": ["guest:", {"$toString": "$by"}]},
                                },
                            ],
                            "default": {"$concat": ["user:", {"$toString": "$by"}]},
                        }
                    },
                }
            },
            {"$replaceWith": {"$mergeObjects": [{"$literal": pattern}, one_of_the_crowd(pattern)]}},
            {"$out": "bookings"},
        ]
    )


def one_of_the_crowd(pattern: dict[str, Any]) -> dict[str, Any]:
    """The fields that differ from booking to booking."""
    number = {"$toString": "$number"}
    hotel = {"$first": {"$split": ["$category", "c"]}}
    # References have neither 0 nor 1.
    as_letters: Any = number
    for digit, letter in (("0", "X"), ("1", "Y")):
        as_letters = {"$replaceAll": {"input": as_letters, "find": digit, "replacement": letter}}
    key = {"$literal": {**pattern["keys"][0], "body": b""}}
    return {
        "reference": {"$concat": [{"$toUpper": hotel}, "-", as_letters, "ZZZ"]},
        "keys": [{"$mergeObjects": [key, {"digest": number}]}],
        "caller": "$owner",
        "owner": "$owner",
        "user_id": {"$concat": ["guest-", {"$toString": part(GUESTS)}]},
        "guest": {
            "name": {
                "$concat": [
                    *("Ada", {"$toString": part(ADDRESSES)}),
                    *(" Nr", {"$toString": part(GUESTS)}),
                ]
            },
            "email": {"$concat": ["ada", {"$toString": part(ADDRESSES)}, "@example.org"]},
            "phone": {"$concat": ["0170 ", number]},
        },
        "search_terms": [
            {"$concat": ["0170", number]},
            {"$concat": ["ada", {"$toString": part(ADDRESSES)}]},
            {"$concat": ["nr", {"$toString": part(GUESTS)}]},
        ],
        "hotel": hotel,
        "category": "$category",
        "rooms": [{"room": "$room", "category": "$category", "guests": 1}],
        "check_in": {"$first": "$days"},
        "check_out": {"$last": "$days"},
        "slots": {
            "$map": {
                "input": {"$slice": ["$days", "$nights"]},
                "as": "day",
                "in": {"$concat": ["$$day", "|", "$room"]},
            }
        },
        "status": {
            "$switch": {
                "branches": [
                    {"case": {"$lt": [part(101), percent]}, "then": status}
                    for percent, status in ((60, "confirmed"), (85, "cancelled"), (97, "expired"))
                ],
                "default": "pending",
            }
        },
        # A third of the holds have run out.
        "expires_at": {
            "$add": [pattern["created_at"], {"$multiply": [60_000, less(part(31), 10)]}]
        },
    }


def part(of: int) -> dict[str, Any]:
    """A number below `of`. Different primes give independent numbers."""
    return {"$mod": ["$number", of]}


def less(number: Any, by: int) -> dict[str, Any]:
    return {"$subtract": [number, by]}


def fill_catalogue(crowd: Database[Any]) -> list[str]:
    demo = connections.database()
    hotel = demo["hotels"].find_one({"_id": "demo"})
    category = demo["room_categories"].find_one({"_id": "demo_double"})
    assert hotel is not None
    assert category is not None
    hotels = [f"h{number}" for number in range(HOTELS)]
    categories = [f"{hotel}c{number}" for hotel in hotels for number in range(CATEGORIES_A_HOTEL)]
    rooms = [
        f"{category}r{number:02}" for category in categories for number in range(ROOMS_A_CATEGORY)
    ]
    crowd["hotels"].insert_many([{**hotel, "_id": name, "code": name.upper()} for name in hotels])
    crowd["room_categories"].insert_many(
        [
            {**category, "_id": name, "hotel_id": name.partition("c")[0], "name": name}
            for name in categories
        ]
    )
    crowd["rooms"].insert_many(
        [
            {"_id": name, "category_id": name.partition("r")[0], "name": name, "is_sold": True}
            for name in rooms
        ]
    )
    days = [night(ahead) for ahead in range(NIGHTS_A_CATEGORY)]
    crowd["nights"].insert_many(
        [
            {
                "_id": f"{name}|{day}",
                "category_id": name,
                "date": day,
                "price": 11_100,
                "closed": False,
                "min_stay": 1,
                "closed_to_arrival": False,
                "closed_to_departure": False,
            }
            for name in categories
            for day in days
        ],
        ordered=False,
    )
    return rooms


# --- What MongoDB says ---------------------------------------------------------------------


def explain_one(database: Database[Any], command: dict[str, Any]) -> Iterator[Plan]:
    """Returns how the command looked for its documents, and then each of its joins."""
    question = next(one_by_one(command))  # in a batch all are alike
    explained = database.command("explain", question, verbosity="executionStats")
    [plan] = find_all(explained, "winningPlan")
    [read] = find_all(explained, "executionStats")
    yield Plan(
        asked=str(question),
        stages=tuple(find_all(plan, "stage")),
        keys=read["totalKeysExamined"],
        # A document that a stage below had read already is counted again.
        documents=read["totalDocsExamined"] - sum(find_all(read, "alreadyHasObj")),
        returned=read["nReturned"],
    )
    joins = [stage for stage in explained.get("stages", ()) if "$lookup" in stage]
    if joins:
        found = list(database[question["aggregate"]].aggregate(question["pipeline"]))
    for join in joins:
        yield Plan(
            asked=str(join["$lookup"]),
            stages=("COLLSCAN",) if join["collectionScans"] else ("IXSCAN",),
            keys=join["totalKeysExamined"],
            documents=join["totalDocsExamined"],
            returned=sum(len(document[join["$lookup"]["as"]]) for document in found),
        )
