"""Blocks that come again: their dates, what is in the way, and making each once."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import date, timedelta
from typing import Any

import pytest

from bookings import points
from bookings.availability import occupancy
from bookings.domain.callers import Caller
from bookings.front_desk.repeated_blocks import (
    MAX_TIMES,
    Dates,
    Made,
    Repetition,
    block_repeatedly,
    find_in_the_way,
    list_dates,
)
from bookings.infrastructure import connections
from bookings.infrastructure.deadlines import Deadline
from bookings.refusals import (
    IdempotencyInProgress,
    InvalidIdempotencyKey,
    TryAgain,
    ValidationFailed,
)
from tests.calls import book, let_hold_end, stored
from tests.conftest import night
from tests.query_plans import find_all

STAFF = Caller("user", "staff")
OTHER_STAFF = Caller("user", "other")

# A Wednesday.
FIRST = date(2027, 2, 3)

pytestmark = [pytest.mark.mongo, pytest.mark.usefixtures("inn")]


def dates(
    nights: int = 1, *, weeks: int = 1, weekdays: tuple[int, ...] = (), until: int = 21
) -> list[str]:
    """The first nights, for blocks until so many days after the first one."""
    repetition = Repetition(weeks, frozenset(weekdays), FIRST + timedelta(days=until))
    found = list_dates(FIRST, FIRST + timedelta(days=nights), repetition)
    assert all((end - first).days == nights for first, end in found)
    return [f"{first:%a} {first:%d.%m}" for first, _ in found]


def three_weeks() -> list[Dates]:
    first = date.fromisoformat(night(10))
    return [
        (first + timedelta(weeks=week), first + timedelta(weeks=week, days=2)) for week in range(3)
    ]


def block(
    *,
    key: str | None = "series",
    actor: Caller = STAFF,
    rooms: tuple[str, ...] = ("inn_A",),
    reason: str = "Cleaning",
    deadline: Deadline | None = None,
    nights: int = 2,
) -> list[Made]:
    return block_repeatedly(
        actor=actor,
        room_ids=rooms,
        dates=[(first, first + timedelta(days=nights)) for first, _ in three_weeks()],
        reason=reason,
        key_header=key,
        deadline=deadline or Deadline.after(10),
    )


def codes(made: list[Made]) -> list[str | None]:
    return [each.outcome.code for each in made]


# --- Dates --------------------------------------------------------------------------------------


def test_comes_again_on_the_weekday_of_the_first_night() -> None:
    assert dates() == ["Wed 03.02", "Wed 10.02", "Wed 17.02", "Wed 24.02"]


def test_comes_every_second_week_on_several_weekdays() -> None:
    # The Monday of the first week is before the first night.
    assert dates(weeks=2, weekdays=(0, 4)) == ["Fri 05.02", "Mon 15.02", "Fri 19.02"]


def test_ends_with_its_last_day() -> None:
    assert dates(until=7) == ["Wed 03.02", "Wed 10.02"]
    assert dates(until=6) == ["Wed 03.02"]


def test_comes_at_most_a_year_of_weeks() -> None:
    assert len(dates(until=7 * (MAX_TIMES - 1))) == MAX_TIMES
    with pytest.raises(ValidationFailed) as refused:
        dates(until=7 * MAX_TIMES)
    assert [fault.field for fault in refused.value.faults] == ["until"]


def test_takes_no_time_for_a_day_in_another_century() -> None:
    with pytest.raises(ValidationFailed):
        list_dates(FIRST, FIRST + timedelta(days=1), Repetition(1, frozenset(), date(2105, 12, 31)))


@pytest.mark.parametrize(
    ("asked", "field"),
    [
        ({"until": -1}, "until"),
        ({"weekdays": (0,), "until": 2}, "until"),
        ({"nights": 0}, "end"),
        ({"nights": -2}, "end"),
        ({"nights": 8}, "end"),
        ({"nights": 3, "weekdays": (0, 2)}, "end"),
    ],
)
def test_refuses_dates_that_make_no_sense(asked: dict[str, Any], field: str) -> None:
    with pytest.raises(ValidationFailed) as refused:
        dates(**asked)
    assert [fault.field for fault in refused.value.faults] == [field]


def test_may_begin_on_the_day_on_which_the_one_before_ends() -> None:
    assert dates(7, until=7) == ["Wed 03.02", "Wed 10.02"]


# --- What is in the way -------------------------------------------------------------------------


def test_finds_who_is_in_the_way_on_each_date() -> None:
    book("before", resourceId="inn_A", checkIn=night(8), checkOut=night(10))
    book("Bea", resourceId="inn_A", checkIn=night(16), checkOut=night(18), guest={"name": "Bea"})
    book("beside", resourceId="inn_B", date=night(10))
    book("dead", resourceId="inn_A", date=night(25), hold=True)
    let_hold_end()

    found = find_in_the_way("inn", ["inn_A"], three_weeks())

    assert [[who.guest_name for who in each] for each in found] == [[], ["Bea"], []]


def test_looks_once_by_the_slots_index() -> None:
    for number in range(6):
        book(str(number), resourceId="inn_A", date=night(10 + number))
    (first, _), *_ = three_weeks()
    asked = {
        "find": "bookings",
        "filter": {
            "hotel": "inn",
            "slots": {"$in": [f"{first}|inn_A"]},
            "status": {"$in": ["pending", "confirmed"]},
        },
    }

    found = occupancy.list_in("inn", ["inn_A"], [first])
    told = connections.database().command("explain", asked, verbosity="executionStats")

    assert len(found) == 1
    assert find_all(told["queryPlanner"]["winningPlan"], "indexName") == [
        "one_active_booking_per_slot"
    ]
    assert told["executionStats"]["totalDocsExamined"] == 1


# --- Making them --------------------------------------------------------------------------------


def test_blocks_the_dates_that_are_free_and_says_which_are_not() -> None:
    taken = book(resourceId="inn_A", date=night(18)).content["booking"]["reference"]

    made = block()

    assert codes(made) == [None, "ALREADY_BOOKED", None]
    assert taken in made[1].outcome.content["error"]
    blocks = [each for each in stored() if each["kind"] == "block"]
    assert [each["check_in"] for each in blocks] == [night(10), night(24)]
    assert {each["notes"] for each in blocks} == {"Cleaning"}


def test_blocks_each_date_once_for_a_key() -> None:
    block()
    connections.redis().flushdb()

    again = block()

    assert [each.outcome.replayed for each in again] == [True] * 3
    assert len(stored()) == 3


@pytest.fixture
def dying() -> Iterator[None]:
    """The process dies after the second block is written, before anyone hears of it."""
    commits = itertools.count(1)

    def die(point: str) -> None:
        if point == "after_commit" and next(commits) == 2:
            raise KeyboardInterrupt

    points.install(die)
    yield
    points.install(None)


def test_goes_on_where_it_died(dying: None) -> None:
    with pytest.raises(KeyboardInterrupt):
        block()
    half = len(stored())
    points.install(None)
    connections.redis().flushdb()

    made = block()

    assert half == 2
    assert codes(made) == [None] * 3
    assert [each.outcome.replayed for each in made] == [True, True, False]
    assert [each["check_in"] for each in stored()] == [night(10), night(17), night(24)]


def test_goes_on_with_other_rooms_and_says_what_is_in_the_way(dying: None) -> None:
    """It died after the second block. The clerk adds a room before sending the form again."""
    with pytest.raises(KeyboardInterrupt):
        block()
    points.install(None)
    before = [each["reference"] for each in stored()]

    made = block(rooms=("inn_A", "inn_B"))

    assert codes(made) == ["ALREADY_BOOKED", "ALREADY_BOOKED", None]
    for each, reference in zip(made, before, strict=False):
        assert f"In the way: {reference} (Room A" in each.outcome.content["error"]
    assert stored()[-1]["slots"] == [
        f"{night(day)}|{room}" for day in (24, 25) for room in ("inn_A", "inn_B")
    ]


@pytest.mark.parametrize("changed", [{"rooms": ("inn_B",)}, {"nights": 1}, {"nights": 3}])
def test_answers_a_repeated_key_for_the_same_rooms_and_nights_only(changed: dict[str, Any]) -> None:
    block()

    made = block(**changed)

    assert not any(each.outcome.replayed for each in made)
    assert codes(made) == [None if "rooms" in changed else "ALREADY_BOOKED"] * 3


def test_takes_rooms_in_another_order_for_the_same() -> None:
    block(rooms=("inn_A", "inn_B"))

    again = block(rooms=("inn_B", "inn_A", "inn_B"))

    assert [each.outcome.replayed for each in again] == [True] * 3


def test_stops_at_the_deadline_and_goes_on_with_the_same_key() -> None:
    with pytest.raises(TryAgain):
        block(deadline=Deadline.after(0))

    assert codes(block()) == [None] * 3


def test_blocks_each_date_once_for_two_clerks() -> None:
    def send(actor: Caller) -> list[str | None]:
        return codes(block(key=str(actor), actor=actor))

    with ThreadPoolExecutor() as pool:
        told = list(pool.map(send, [STAFF, OTHER_STAFF]))

    assert sorted(each["check_in"] for each in stored()) == [night(10), night(17), night(24)]
    for one, other in zip(*told, strict=True):
        assert sorted([str(one), str(other)]) == ["ALREADY_BOOKED", "None"]


def test_blocks_each_date_once_for_two_presses_of_one_form() -> None:
    def send(_: int) -> list[Made] | None:
        try:
            return block()
        except IdempotencyInProgress:
            return None

    with ThreadPoolExecutor() as pool:
        told = list(pool.map(send, range(2)))

    assert any(told)
    assert sorted(each["check_in"] for each in stored()) == [night(10), night(17), night(24)]


@pytest.mark.parametrize(
    "wrong", [{"rooms": ("nowhere",)}, {"rooms": ()}, {"reason": " "}, {"reason": "x" * 2001}]
)
def test_blocks_nothing_for_what_no_date_makes_right(wrong: dict[str, Any]) -> None:
    with pytest.raises(ValidationFailed):
        block(**wrong)

    assert stored() == []


def test_knows_no_room_of_another_hotel() -> None:
    elsewhere = Caller("user", "staff", hotels=frozenset({"demo"}))

    with pytest.raises(ValidationFailed):
        block(actor=elsewhere)

    assert stored() == []


def test_wants_a_key() -> None:
    with pytest.raises(InvalidIdempotencyKey):
        block(key=None)
