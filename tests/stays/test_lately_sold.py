"""A slot that was sold a moment ago costs its next asker a look, and no write that fails."""

from __future__ import annotations

from datetime import date

import pytest

from bookings.availability import occupancy
from bookings.availability.assignment import GAP_LOOK_NIGHTS
from bookings.domain import account_deletion
from bookings.domain.callers import caller_of_guest
from bookings.infrastructure import connections
from bookings.points import install
from bookings.stays import lately_sold
from bookings.stays.outcomes import Outcome
from tests.calls import CUSTOMER, PARTNER, book, cancel, let_hold_end
from tests.conftest import night

pytestmark = pytest.mark.mongo

SLOT = f"demo|{night()}|room_A"


@pytest.fixture
def reached() -> list[str]:
    """The points that requests reach from now on."""
    points: list[str] = []
    install(points.append)
    return points


def test_tells_the_next_one_without_a_write(reached: list[str]) -> None:
    book("first")
    reached.clear()

    refused = book("second", userId="bob")

    assert (refused.code, refused.stored) == ("ALREADY_BOOKED", True)
    assert reached == ["after_claim", "after_lock", "before_refusal", "before_answer"]
    assert book("second", userId="bob").replayed


def test_sells_again_what_was_given_back() -> None:
    cancel(book("first"))

    assert lately_sold.any_of([SLOT])
    assert book("second", userId="bob").answer.status == 201


def test_sells_what_a_dead_hold_leaves() -> None:
    book("first", hold=True)
    let_hold_end()

    assert book("second", userId="bob").answer.status == 201


def test_gives_a_guest_who_comes_back_the_hold() -> None:
    held = book("first", hold=True)

    again = book("second", hold=True)

    assert again.answer.status == 201
    assert again.content["booking"]["id"] == held.content["booking"]["id"]


def test_replays_what_its_key_has_booked_when_redis_forgot() -> None:
    first = book("first")
    connections.redis().flushdb()

    again = book("first")

    assert again.replayed
    assert again.answer.body == first.answer.body


def test_replays_even_if_someone_else_has_the_slot_now() -> None:
    first = book("first")
    cancel(first)
    book("second", userId="bob")
    connections.redis().flushdb()

    again = book("first")

    assert again.replayed
    assert again.answer.body == first.answer.body


def test_looks_only_where_something_was_sold() -> None:
    book("first", resourceId="room_B")

    assert not lately_sold.any_of([SLOT])
    assert book("second").answer.status == 201


def test_lets_another_guest_of_a_partner_lose_as_quickly(reached: list[str]) -> None:
    book("first", userId="ada")
    reached.clear()

    assert book("second", userId="bob", caller=PARTNER).code == "ALREADY_BOOKED"
    assert "in_transaction" not in reached


def test_tells_a_guest_as_well(reached: list[str]) -> None:
    book("first")
    reached.clear()

    assert book("second", caller=caller_of_guest("someone")).code == "ALREADY_BOOKED"
    assert "in_transaction" not in reached


def test_remembers_a_bounded_number_for_a_bounded_time(monkeypatch: pytest.MonkeyPatch) -> None:
    now_s = 1_000.0
    monkeypatch.setattr(lately_sold.time, "monotonic", lambda: now_s)
    lately_sold.note(f"hotel|{number}" for number in range(lately_sold.MOST + 1))

    assert not lately_sold.any_of(["hotel|0"])
    assert lately_sold.any_of(["hotel|1"])
    now_s += lately_sold.KEPT_S
    assert not lately_sold.any_of(["hotel|1"])


@pytest.mark.parametrize(
    "user_id", ["$ada", "$$ada", "$", "$user_id", "$$ROOT", "a$b", "$a.b", "$a..b"]
)
def test_takes_a_guest_with_a_dollar_literally(user_id: str) -> None:
    held = book("first", hold=True, userId=user_id)
    again = book("second", hold=True, userId=user_id)

    assert again.answer.status == 201, again.content
    assert again.content["booking"]["id"] == held.content["booking"]["id"]
    assert book("third", userId="bob").code == "ALREADY_BOOKED"


def test_tells_a_deleted_account_what_a_write_would() -> None:
    book("first")
    account_deletion.begin_deletion(str(CUSTOMER))

    with_hint = book("second", caller=CUSTOMER)
    lately_sold.forget()
    without = book("third", caller=CUSTOMER)

    assert {with_hint.code, without.code} == {"NOT_AUTHENTICATED"}


@pytest.fixture
def spans(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """How many nights each look at the taken rooms spans, from now on."""
    looked: list[int] = []

    def look(hotel: str, first: date, end: date) -> dict[str, set[date]]:
        looked.append((end - first).days)
        return taken_nights(hotel, first, end)

    taken_nights = occupancy.taken_nights
    monkeypatch.setattr(occupancy, "taken_nights", look)
    return looked


def sell_out() -> list[Outcome]:
    """Books every room of a category; the last outcome is a refusal."""
    outcomes = [book("0", categoryId="demo_double")]
    while outcomes[-1].code is None:
        outcomes.append(book(f"{len(outcomes)}", categoryId="demo_double"))
    return outcomes


def test_looks_at_no_other_nights_while_a_category_is_sold_out(spans: list[int]) -> None:
    sell_out()
    spans.clear()

    assert book("late", userId="bob", categoryId="demo_double").code == "SOLD_OUT"
    assert spans == [1]


def test_sells_a_room_of_a_category_that_was_given_back(spans: list[int]) -> None:
    first, *_ = sell_out()
    cancel(first)
    spans.clear()

    assert book("late", userId="bob", categoryId="demo_double").answer.status == 201
    assert spans == [1, 1 + 2 * GAP_LOOK_NIGHTS]


def test_looks_around_the_stay_where_nothing_was_sold_out(spans: list[int]) -> None:
    sell_out()
    spans.clear()

    other = book("other", categoryId="demo_double", checkIn=night(31), checkOut=night(32))

    assert other.answer.status == 201
    assert spans == [1 + 2 * GAP_LOOK_NIGHTS]


def test_replays_the_last_room_of_a_category_when_redis_forgot() -> None:
    first, *_ = sell_out()
    connections.redis().flushdb()

    assert book("0", categoryId="demo_double").answer.body == first.answer.body
