"""Occupancy and revenue: what counts, on which nights, compared with a count in plain Python."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, timedelta
from decimal import Decimal
from typing import Any

import pytest
from bson import ObjectId
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from bookings.domain.callers import Caller
from bookings.front_desk import blocks
from bookings.front_desk.figures import SEVERAL, HotelFigures, RoomCount, read_figures
from bookings.infrastructure import clock
from bookings.infrastructure.connections import collection
from bookings.infrastructure.deadlines import Deadline
from bookings.models import Hotel, Room
from bookings.refusals import Fault, ValidationFailed
from bookings.stays import lifecycle
from tests.calls import book, cancel, let_hold_end
from tests.conftest import night
from tests.hotels import put_night

pytestmark = pytest.mark.mongo

STAFF = Caller("user", "staff")


@pytest.fixture(autouse=True)
def use_inn(inn: None) -> None:
    """Every figure here is of the inn."""


def day(ahead: int) -> date:
    return date.fromisoformat(night(ahead))


def figures(first: int = 30, last: int = 30) -> HotelFigures:
    return read_figures("inn", day(first), day(last))


def stay(key: str, room: str, first: int, nights: int = 1, **more: Any) -> Any:
    return book(
        key, resourceId=f"inn_{room}", checkIn=night(first), checkOut=night(first + nights), **more
    )


# --- What counts --------------------------------------------------------------------------------


def test_counts_an_empty_night() -> None:
    total = figures().total

    assert total == RoomCount(rooms=5)
    assert (total.for_sale, total.occupancy, total.adr, total.revpar) == (5, 0, None, 0)


def test_counts_what_is_sold_at_its_frozen_price() -> None:
    stay("a", "A", 30)
    put_night("inn_double", night(30), price=99_999)

    total = figures().total

    assert total == RoomCount(rooms=5, sold=1, revenue=10_000, priced=1)
    assert (total.occupancy, total.adr, total.revpar) == (20, 10_000, 2_000)


def test_counts_only_the_nights_of_a_stay_that_are_in_the_range() -> None:
    stay("over-first", "A", 28, 4)
    stay("over-last", "B", 32, 5)
    stay("over-both", "C", 20, 30)
    stay("before", "S", 29, 1)
    stay("behind", "S", 34, 1)

    found = figures(30, 33)

    assert [found.of_day(one).sold for one in found.days()] == [2, 2, 2, 2]
    assert found.total.revenue == 8 * 10_000


def test_counts_live_holds_apart_and_dead_ones_not_at_all() -> None:
    stay("dead", "A", 30, hold=True)
    let_hold_end()
    stay("alive", "B", 30, hold=True)

    assert figures().total == RoomCount(rooms=5, held=1)


def test_counts_no_cancelled_stay() -> None:
    cancel(stay("a", "A", 30))

    assert figures().total == RoomCount(rooms=5)


def test_takes_a_blocked_room_from_what_is_for_sale() -> None:
    blocks.block_rooms(
        actor=STAFF,
        room_ids=("inn_A", "inn_S"),
        first=day(29),
        end=day(31),
        reason="Paint",
        key_header="block",
        deadline=Deadline.after(10),
    )
    stay("b", "B", 30)

    total = figures().total

    assert total == RoomCount(rooms=5, sold=1, blocked=2, revenue=10_000, priced=1)
    assert (total.for_sale, total.occupancy) == (3, Decimal(100) / 3)


def test_counts_a_room_that_was_taken_out_of_sale_where_it_is_sold() -> None:
    stay("a", "A", 30)
    Room.objects.filter(id="inn_A").update(is_sold=False)

    found = figures(30, 31)

    assert found.of_day(day(30)) == RoomCount(rooms=5, sold=1, revenue=10_000, priced=1)
    assert found.of_day(day(31)) == RoomCount(rooms=4)


def test_counts_every_room_of_a_booking_of_one_category() -> None:
    book(
        "two",
        rooms=[{"categoryId": "inn_double"}, {"categoryId": "inn_double"}],
        checkIn=night(30),
        checkOut=night(31),
    )

    assert figures().of_category("inn_double") == RoomCount(
        rooms=3, sold=2, revenue=20_000, priced=2
    )


def test_keeps_the_revenue_of_several_categories_in_one_booking_apart() -> None:
    book(
        "two",
        rooms=[{"categoryId": "inn_double"}, {"categoryId": "inn_single"}],
        checkIn=night(30),
        checkOut=night(31),
    )

    found = figures()

    assert found.of_category("inn_double") == RoomCount(rooms=3, sold=1)
    assert found.of_category("inn_single") == RoomCount(rooms=1, sold=1)
    assert found.of_category(SEVERAL) == RoomCount(revenue=17_000, priced=2)
    assert found.total == RoomCount(rooms=5, sold=2, revenue=17_000, priced=2)
    assert found.total.adr == 8_500


def test_counts_a_stay_where_it_was_moved_to() -> None:
    made = stay("a", "A", 30)
    lifecycle.move_booking(
        actor=STAFF,
        booking_id=made.content["booking"]["id"],
        key_header="move",
        deadline=Deadline.after(10),
        room_ids=("inn_S",),
        check_in=day(31),
        check_out=day(32),
    )

    found = figures(30, 31)

    assert found.of_day(day(30)).sold == 0
    assert found.of_category("inn_single") == RoomCount(rooms=2, sold=1, revenue=7_000, priced=1)


def test_adds_up_no_two_currencies() -> None:
    stay("francs", "A", 30)
    collection("bookings").update_one({}, {"$set": {"price.currency": "CHF"}})
    stay("euros", "B", 30)

    found = figures()

    assert found.other_currencies == {"CHF": 10_000}
    assert found.total == RoomCount(rooms=5, sold=2, revenue=10_000, priced=1)
    assert found.total.adr == 10_000


def test_counts_one_hotel_alone() -> None:
    book("demo", resourceId="room_A", date=night(30))
    Hotel.objects.filter(id="inn").update(currency="USD")
    stay("a", "A", 30)

    assert (figures().total.sold, figures().total.revenue) == (1, 10_000)
    assert figures().hotel.currency == "USD"
    assert read_figures("demo", day(30), day(30)).total.sold == 1


@pytest.mark.parametrize(
    ("hotel", "last", "field", "sentence"),
    [
        ("nowhere", 30, "hotel", "There is no such hotel."),
        ("inn", 29, "last", "Choose a last night that is not before the first."),
        ("inn", 30 + 366, "last", "Choose at most 366 nights."),
    ],
)
def test_refuses_a_range_with_a_fault(hotel: str, last: int, field: str, sentence: str) -> None:
    with pytest.raises(ValidationFailed) as caught:
        read_figures(hotel, day(30), day(last))

    assert caught.value.faults == [Fault(field, sentence)]


def test_reads_a_whole_leap_year() -> None:
    assert figures(30, 30 + 365).total == RoomCount(rooms=366 * 5)


# --- The same count in plain Python -------------------------------------------------------------

CATEGORY_OF = {
    "inn_A": "inn_double",
    "inn_B": "inn_double",
    "inn_C": "inn_double",
    "inn_S": "inn_single",
    "inn_X": "inn_cabin",
}
UNSOLD = {"inn_C"}
FIRST, LAST = date(2027, 3, 5), date(2027, 3, 12)


@dataclass(frozen=True)
class Made:
    """A booking as it goes into the collection."""

    kind: str
    status: str
    is_dead: bool
    rooms: tuple[str, ...]
    check_in: date
    amounts: tuple[int, ...]
    currency: str

    @property
    def nights(self) -> list[date]:
        return [self.check_in + timedelta(days=number) for number in range(len(self.amounts))]


bookings = st.lists(
    st.builds(
        Made,
        kind=st.sampled_from(["stay", "stay", "stay", "block"]),
        status=st.sampled_from(["confirmed", "confirmed", "pending", "cancelled", "expired"]),
        is_dead=st.booleans(),
        rooms=st.lists(
            st.sampled_from(sorted(CATEGORY_OF)), min_size=1, max_size=3, unique=True
        ).map(tuple),
        check_in=st.dates(FIRST - timedelta(days=4), LAST + timedelta(days=2)),
        amounts=st.lists(st.integers(0, 500), min_size=1, max_size=6).map(tuple),
        currency=st.sampled_from(["EUR", "EUR", "EUR", "USD"]),
    ),
    max_size=14,
)


def put(made: list[Made]) -> None:
    """Inserts all of them that fit beside each other under the unique index."""
    collection("bookings").delete_many({})
    documents = [
        {
            "reference": f"INN-{number}",
            "hotel": "inn",
            "kind": one.kind,
            "status": one.status,
            "expires_at": clock.now() + timedelta(minutes=-1 if one.is_dead else 5)
            if one.status == "pending"
            else None,
            "category": _common(one.rooms),
            "rooms": [{"room": room, "category": CATEGORY_OF[room]} for room in one.rooms],
            "slots": sorted(f"{each}|{room}" for each in one.nights for room in one.rooms),
            "price": {
                "currency": one.currency,
                "nights": []
                if one.kind == "block"
                else [
                    {"date": each.isoformat(), "amount": amount}
                    for each, amount in zip(one.nights, one.amounts, strict=True)
                ],
            },
            "keys": [{"digest": str(ObjectId())}],
        }
        for number, one in enumerate(made)
    ]
    if documents:
        collection("bookings").insert_many(documents)


def fit(made: list[Made]) -> list[Made]:
    taken: set[tuple[date, str]] = set()
    fitting = []
    for one in made:
        slots = {(each, room) for each in one.nights for room in one.rooms}
        if one.status not in ("pending", "confirmed"):
            fitting.append(one)
        elif not slots & taken:
            taken |= slots
            fitting.append(one)
    return fitting


def recount(made: list[Made], each: date, category: str) -> RoomCount:
    """Computes the figures of one night and category, one after the other."""
    rooms = {room for room in CATEGORY_OF if CATEGORY_OF[room] == category}
    sold, held, blocked, revenue, priced = set(), set(), set(), 0, 0
    for one in made:
        if each not in one.nights or one.status in ("cancelled", "expired"):
            continue
        if one.status == "pending" and one.is_dead:
            continue
        mine = rooms.intersection(one.rooms)
        if one.kind == "block":
            blocked |= mine
        elif one.status == "pending":
            held |= mine
        else:
            sold |= mine
            if (_common(one.rooms) or SEVERAL) == category and one.currency == "EUR":
                revenue += one.amounts[one.nights.index(each)]
                priced += len(one.rooms)
    there = (rooms - UNSOLD) | sold | held | blocked
    return RoomCount(len(there), len(sold), len(held), len(blocked), revenue, priced)


def _common(rooms: tuple[str, ...]) -> str | None:
    categories = {CATEGORY_OF[room] for room in rooms}
    return categories.pop() if len(categories) == 1 else None


@pytest.fixture
def without_c(inn: None) -> Iterator[None]:
    Room.objects.filter(id__in=UNSOLD).update(is_sold=False)
    yield
    collection("bookings").delete_many({})


@given(made=bookings)
@settings(
    max_examples=40,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
def test_counts_as_plain_python_does(without_c: None, made: list[Made]) -> None:
    made = fit(made)
    put(made)

    found = read_figures("inn", FIRST, LAST)

    for each in found.days():
        for category in ("inn_double", "inn_single", "inn_cabin", SEVERAL):
            assert found.cell(each, category) == recount(made, each, category), (each, category)
    others = sum(
        amount
        for one in made
        for each, amount in zip(one.nights, one.amounts, strict=True)
        if (one.kind, one.status, one.currency) == ("stay", "confirmed", "USD")
        and FIRST <= each <= LAST
    )
    assert sum(found.other_currencies.values()) == others
