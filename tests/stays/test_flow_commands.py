"""Each operation of the flow sends exactly these commands to MongoDB and Redis, in this order.

Every entry is one round trip: a command to MongoDB and its collection, or the scripts of one batch
to Redis.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from datetime import date, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from pymongo import MongoClient
from pymongo.monitoring import CommandListener, CommandStartedEvent

from bookings.availability import occupancy, stock
from bookings.catalogue import inventory
from bookings.domain.booking import CHECKED_IN
from bookings.domain.callers import Caller
from bookings.front_desk import blocks, marks
from bookings.infrastructure import connections, recent_reads
from bookings.infrastructure.deadlines import Deadline
from bookings.infrastructure.opening import Opening
from bookings.refusals import KeyMismatch
from bookings.stays import lately_sold, lifecycle
from bookings.stays.outcomes import Outcome
from idempotency import claims
from locks.connection import GuardedPipeline, GuardedRedis
from locks.scripts import script
from tests.calls import book, cancel, change_stay, confirm, extend
from tests.conftest import night

pytestmark = pytest.mark.mongo

Patch = pytest.MonkeyPatch
Sent = list[str]
Change = Callable[[Outcome], Outcome]

STAFF = Caller("user", "staff")

SCRIPTS = {
    claims._CLAIM: "claim",
    claims._FINISH: "finish",
    claims._ABANDON: "abandon",
    script("acquire"): "lock",
    script("release"): "release",
}


class Commands(CommandListener):
    """Records the commands that are sent to MongoDB."""

    def __init__(self, sent: Sent) -> None:
        self.sent = sent

    def started(self, event: CommandStartedEvent) -> None:
        target = event.command[event.command_name]
        self.sent.append(
            f"{event.command_name} {target if isinstance(target, str) else ''}".strip()
        )

    def succeeded(self, event: Any) -> None:
        """Nothing to record."""

    def failed(self, event: Any) -> None:
        """Nothing to record."""


@pytest.fixture
def sent(monkeypatch: Patch) -> Iterator[Sent]:
    """The commands of this process, as they are sent."""
    sent: Sent = []
    client: MongoClient[Any] = MongoClient(
        os.environ["MONGODB_URI"], event_listeners=[Commands(sent)]
    )
    watched = client[connections.database().name]
    execute_command, execute = GuardedRedis.execute_command, GuardedPipeline.execute

    def execute_command_seen(self: GuardedRedis, *arguments: Any, **options: Any) -> Any:
        sent.append(f"redis: {_name_of(arguments)}")
        return execute_command(self, *arguments, **options)

    def execute_seen(self: GuardedPipeline, raise_on_error: bool = True) -> list[Any]:
        named = ", ".join(_name_of(arguments) for arguments, _ in self.command_stack)
        sent.append(f"redis: {named}")
        return execute(self, raise_on_error)

    for module in (connections, occupancy):
        monkeypatch.setattr(module, "database", lambda: watched)
    monkeypatch.setattr(GuardedRedis, "execute_command", execute_command_seen)
    monkeypatch.setattr(GuardedPipeline, "execute", execute_seen)
    yield sent
    client.close()


def _name_of(arguments: tuple[Any, ...]) -> str:
    """The script's name, or the command's own."""
    return SCRIPTS.get(arguments[1], str(arguments[0])) if arguments[1:] else str(arguments[0])


def sent_by(operation: Callable[[], object], sent: Sent) -> Sent:
    """Returns the commands that only this function sends."""
    sent.clear()
    operation()
    return list(sent)


def move(made: Outcome) -> Outcome:
    return lifecycle.move_booking(
        actor=STAFF,
        booking_id=made.content["booking"]["id"],
        key_header="move",
        deadline=Deadline.after(10),
        room_ids=("room_B",),
        check_in=date.fromisoformat(night()),
        check_out=date.fromisoformat(night(31)),
    )


def check_in(made: Outcome) -> Outcome:
    return marks.mark_stay(
        actor=STAFF,
        booking_id=made.content["booking"]["id"],
        mark=CHECKED_IN,
        key_header="mark",
        deadline=Deadline.after(10),
    )


def block() -> Outcome:
    return blocks.block_rooms(
        actor=STAFF,
        room_ids=("room_A",),
        first=date.fromisoformat(night(10)),
        end=date.fromisoformat(night(12)),
        reason="New carpet",
        key_header="block",
        deadline=Deadline.after(10),
    )


def know_the_catalogue() -> None:
    """Has this process read what it sells, as it has after any booking."""
    opening = Opening()
    recent_reads.queue_generation(opening)
    opening.send()
    stay = date.fromisoformat(night())
    assert stock.recent_room_stock("room_A", stay, stay + timedelta(days=1))


def test_books_with_one_insert(sent: Sent) -> None:
    know_the_catalogue()

    assert sent_by(book, sent) == [
        *("redis: GET, claim", "redis: lock"),
        *("insert bookings", "commitTransaction", "redis: finish, release"),
    ]


def test_looks_at_the_catalogue_that_it_does_not_know(sent: Sent) -> None:
    recent_reads.announce_change()

    assert sent_by(book, sent)[:5] == [
        *("redis: GET, claim", "find rooms", "find rooms", "aggregate room_categories"),
        "redis: lock",
    ]


def test_holds_with_two_counts_of_what_is_held_besides(sent: Sent) -> None:
    know_the_catalogue()

    assert sent_by(lambda: book(hold=True), sent) == [
        *("redis: GET, claim", "redis: lock", "insert bookings"),
        *("update holders", "aggregate bookings", "update holders", "aggregate bookings"),
        *("commitTransaction", "redis: finish, release"),
    ]


def test_replays_a_booking_by_the_claim_alone(sent: Sent) -> None:
    book()

    assert sent_by(book, sent) == ["redis: GET, claim"]


def test_replays_a_booking_that_redis_forgot_by_its_insert(sent: Sent) -> None:
    book()
    connections.redis().flushdb()
    lately_sold.forget()

    assert sent_by(book, sent) == [
        *(
            "redis: GET, claim",
            "redis: lock",
            "insert bookings",
            "abortTransaction",
        ),
        *("find bookings", "commitTransaction", "redis: finish, release"),
    ]


def test_tells_of_a_slot_that_was_just_sold_by_one_look_that_commits(sent: Sent) -> None:
    """The commit proves that the primary is one; without it a stale refusal could be kept."""
    book()

    assert sent_by(lambda: book("second", userId="bob"), sent) == [
        *("redis: GET, claim", "redis: lock", "aggregate bookings", "commitTransaction"),
        "redis: finish, release",
    ]


def test_asks_for_an_answer_that_may_have_ended_before_the_claim(sent: Sent) -> None:
    book(None)

    assert sent_by(lambda: book(None), sent) == [
        *("redis: GET, claim", "find bookings", "commitTransaction"),
    ]


@pytest.mark.parametrize("change", [confirm, cancel], ids=["confirm", "cancel"])
def test_changes_a_hold_with_one_look_and_one_update(change: Change, sent: Sent) -> None:
    held = book(hold=True)

    assert sent_by(lambda: change(held), sent) == [
        *("find bookings", "redis: GET, claim", "update bookings", "redis: finish"),
    ]


def test_extends_with_one_look_at_the_hotel_besides(sent: Sent) -> None:
    held = book(hold=True)

    assert sent_by(lambda: extend(held), sent) == [
        *("find bookings", "redis: GET, claim", "find hotels", "update bookings", "redis: finish"),
    ]


@pytest.mark.parametrize(
    "change",
    [confirm, extend, cancel, lambda held: longer(held)],
    ids=["confirm", "extend", "cancel", "change"],
)
def test_replays_a_change_by_one_look_and_the_claim(change: Change, sent: Sent) -> None:
    held = book(hold=True)
    change(held)

    assert sent_by(lambda: change(held), sent) == ["find bookings", "redis: GET, claim"]


@pytest.mark.parametrize(
    "change",
    [confirm, extend, cancel, lambda held: longer(held)],
    ids=["confirm", "extend", "cancel", "change"],
)
def test_replays_a_change_that_redis_forgot_by_the_same_look(change: Change, sent: Sent) -> None:
    held = book(hold=True)
    change(held)
    connections.redis().flushdb()

    assert sent_by(lambda: change(held), sent) == [
        *("find bookings", "redis: GET, claim", "redis: finish"),
    ]


def test_refuses_a_change_after_a_second_look_for_its_key(sent: Sent) -> None:
    held = book(hold=True)
    cancel(held)

    assert sent_by(lambda: confirm(held), sent) == [
        *("find bookings", "redis: GET, claim", "find bookings", "redis: abandon"),
    ]


def test_claims_nothing_for_a_key_that_did_not_make_the_booking(sent: Sent) -> None:
    held = book(hold=True)
    sent.clear()

    with pytest.raises(KeyMismatch):
        confirm(held, "other")

    assert sent == ["find bookings"]


def test_moves_with_one_look_at_the_booking(sent: Sent) -> None:
    held = book(hold=True)

    assert sent_by(lambda: move(held), sent) == [
        *(
            "find bookings",
            "redis: GET, claim",
            "find hotels",
            "find rooms",
            "find room_categories",
        ),
        *("find room_categories", "find nights", "findAndModify people", "update bookings"),
        *("commitTransaction", "redis: finish"),
    ]


def in_one_month() -> int:
    """The first of two nights, of one month: what a process remembers of a calendar are months."""
    today = date.today()  # noqa: DTZ011
    return next(
        ahead
        for ahead in range(30, 40)
        if (today + timedelta(ahead)).month == (today + timedelta(ahead + 2)).month
    )


def know_the_category() -> None:
    """Has this process read all rooms of the category, and the hotel."""
    stay = date.fromisoformat(night(in_one_month()))
    assert stock.recent_category_stock(["demo_double"], stay, stay + timedelta(days=2))
    assert inventory.recent_hotels()


def longer(made: Outcome) -> Outcome:
    first = in_one_month()
    return change_stay(made, first=first, last=first + 2, total=24_000)


def test_changes_a_stay_with_one_look_at_the_booking_and_one_at_the_rooms(sent: Sent) -> None:
    made = book(date=night(in_one_month()))
    know_the_catalogue()
    know_the_category()

    assert sent_by(lambda: longer(made), sent) == [
        *("find bookings", "redis: GET, claim"),
        *("find bookings", "redis: lock", "update bookings", "commitTransaction"),
        *("redis: release", "redis: finish"),
    ]


def test_changes_a_hold_with_two_counts_of_what_is_held_besides(sent: Sent) -> None:
    held = book(hold=True, date=night(in_one_month()))
    know_the_catalogue()
    know_the_category()

    assert sent_by(lambda: longer(held), sent) == [
        *("find bookings", "redis: GET, claim"),
        *("find bookings", "redis: lock", "update bookings"),
        *("update holders", "aggregate bookings", "update holders", "aggregate bookings"),
        *("commitTransaction", "redis: release", "redis: finish"),
    ]


def test_makes_a_stay_shorter_without_a_look_at_the_rooms(sent: Sent) -> None:
    made = longer(book(date=night(in_one_month())))
    know_the_catalogue()
    know_the_category()

    first = in_one_month()

    def shorter() -> Outcome:
        return change_stay(made, "shorter", first=first, last=first + 1, total=12_000)

    assert sent_by(shorter, sent) == [
        *("find bookings", "redis: GET, claim", "update bookings"),
        *("commitTransaction", "redis: finish"),
    ]


def test_marks_with_one_look_at_the_booking(sent: Sent) -> None:
    hotel = inventory.find_hotel("demo")
    assert hotel is not None
    # In some hours of the day, the hotel's day is another than ours.
    made = book(date=datetime.now(ZoneInfo(hotel.time_zone)).date().isoformat())

    assert sent_by(lambda: check_in(made), sent) == [
        *("find bookings", "find hotels", "redis: GET, claim", "findAndModify people"),
        *("update bookings", "commitTransaction", "redis: finish"),
    ]


def test_blocks_rooms_without_a_lock(sent: Sent) -> None:
    assert sent_by(block, sent) == [
        *("redis: GET, claim", "find rooms", "find room_categories", "find hotels"),
        *("findAndModify people", "insert bookings", "commitTransaction", "redis: finish"),
    ]
