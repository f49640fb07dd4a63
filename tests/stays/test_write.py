"""The write itself: two indexes in one insert, and a verdict that is durable."""

from __future__ import annotations

import os
import time
import uuid
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from pymongo import MongoClient
from pymongo.errors import DuplicateKeyError
from pymongo.monitoring import CommandListener, CommandStartedEvent

from bookings import points
from bookings.domain.callers import Caller
from bookings.infrastructure import connections
from bookings.infrastructure.deadlines import Deadline
from bookings.stays import create, lately_sold, slot_locks
from bookings.stays.writing import new_bookings
from tests.calls import book, cancel, stored
from tests.conftest import night

pytestmark = pytest.mark.mongo


def test_lets_the_index_refuse_a_second_active_booking_of_a_night() -> None:
    book()
    document = stored()[0]
    rival = {**document, "_id": "rival", "reference": "X-1", "keys": []}

    with pytest.raises(DuplicateKeyError, match="one_active_booking_per_slot"):
        connections.collection("bookings").insert_one(rival)


def test_lets_the_index_refuse_a_second_booking_of_a_key() -> None:
    book()
    document = stored()[0]
    twin = {**document, "_id": "twin", "reference": "X-1", "slots": ["2099-01-01|room_X"]}

    with pytest.raises(DuplicateKeyError, match="one_booking_per_key"):
        connections.collection("bookings").insert_one(twin)


def test_books_adjacent_stays() -> None:
    first = book("first", checkIn=night(10), checkOut=night(12))
    second = book("second", checkIn=night(12), checkOut=night(13))
    before = book("third", checkIn=night(9), checkOut=night(10))

    assert [made.answer.status for made in (first, second, before)] == [201, 201, 201]


def test_refuses_a_stay_that_shares_one_night() -> None:
    book("first", checkIn=night(10), checkOut=night(15))

    overlapping = book("second", checkIn=night(14), checkOut=night(20))

    assert overlapping.code == "ALREADY_BOOKED"


def test_prefers_the_keys_own_booking_when_both_indexes_complain() -> None:
    first = book()
    connections.redis().flushdb()

    again = book()

    assert again.answer.body == first.answer.body
    assert again.replayed


def test_finds_the_keys_booking_though_another_room_was_asked_for() -> None:
    first = book()
    connections.redis().flushdb()

    other = book(resourceId="room_B", date=night(31))

    assert other.answer.body == first.answer.body
    assert other.payload_mismatch
    assert len(stored()) == 1


def test_books_again_when_the_rival_went_away_between_the_two_transactions(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    made = book("first")
    original = new_bookings._resolve_conflict
    resolved: list[Any] = []

    def resolve_late(*arguments: Any) -> Any:
        if not resolved:
            cancel(made)
        resolved.append(original(*arguments))
        return resolved[-1]

    monkeypatch.setattr(new_bookings, "_resolve_conflict", resolve_late)

    second = book("second")

    assert resolved == ["gone"]
    assert second.answer.status == 201


class Commands(CommandListener):
    """Records the commands that are sent while it is on."""

    def __init__(self) -> None:
        self.sent: list[CommandStartedEvent] = []

    def started(self, event: CommandStartedEvent) -> None:
        self.sent.append(event)

    def succeeded(self, event: Any) -> None:
        """Nothing to record."""

    def failed(self, event: Any) -> None:
        """Nothing to record."""


def test_commits_on_a_majority_even_where_it_only_read(monkeypatch: pytest.MonkeyPatch) -> None:
    commands = Commands()
    client: MongoClient[Any] = MongoClient(os.environ["MONGODB_URI"], event_listeners=[commands])
    watched = client[connections.database().name]
    monkeypatch.setattr(connections, "database", lambda: watched)

    book("first")
    lately_sold.forget()  # or there is a look before the insert, too
    refused = book("second")
    client.close()

    assert refused.code == "ALREADY_BOOKED"
    commits = [event for event in commands.sent if event.command_name == "commitTransaction"]
    assert len(commits) == 2  # the first booking's, and the refusal's look
    for commit in commits:
        assert commit.command["writeConcern"] == {"w": "majority", "j": True}
    starts = [e.command for e in commands.sent if e.command.get("startTransaction")]
    assert all(start["readConcern"]["level"] == "snapshot" for start in starts)
    inserts = [event for event in commands.sent if event.command_name == "insert"]
    assert len(inserts) == 2
    finds = [event for event in commands.sent if event.command_name == "find"]
    assert {
        find.command["readConcern"]["level"] for find in finds if "readConcern" in find.command
    } <= {"majority", "snapshot"}


def test_starts_nothing_after_its_deadline() -> None:
    outcome = create.create_booking(
        caller=Caller("client", "late"),
        key_header="key",
        read_payload=lambda: {"resourceId": "room_A", "date": night()},
        deadline=Deadline.after(0),
    )

    assert outcome.code == "TRY_AGAIN"
    assert outcome.retry_after_s is not None
    assert stored() == []


def test_writes_nothing_once_its_time_is_up_while_it_holds_the_lock() -> None:
    points.install(lambda name: time.sleep(0.1) if name == "after_lock" else None)
    try:
        outcome = create.create_booking(
            caller=Caller("client", "late"),
            key_header="key",
            read_payload=lambda: {"resourceId": "room_A", "date": night()},
            deadline=Deadline.after(0.09),
        )
    finally:
        points.install(None)

    assert outcome.code == "TRY_AGAIN"
    assert stored() == []
    assert book("key").answer.status == 201  # neither the lock nor the claim was left behind


def test_does_not_write_under_a_lock_it_has_lost(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(slot_locks, "LOCK_TTL_MS", 50)
    points.install(lambda name: time.sleep(0.1) if name == "after_lock" else None)
    try:
        outcome = book()
    finally:
        points.install(None)

    assert outcome.code == "RESOURCE_LOCKED"
    assert stored() == []


def test_keeps_its_promises_when_threads_book_cancel_and_hold_the_same_night(rounds: int) -> None:
    """A small storm against the services themselves; the indexes must hold at its end."""
    callers = [Caller("client", f"c{number}", True) for number in range(6)]

    def storm(caller: Caller) -> None:
        for _ in range(8 * rounds):
            made = book(str(uuid.uuid4()), caller=caller, hold=True)
            if made.answer.status == 201:
                cancel(made, actor=caller)

    with ThreadPoolExecutor(6) as pool:
        list(pool.map(storm, callers))

    slots: dict[str, int] = {}
    for booking in stored():
        if booking["status"] in ("pending", "confirmed"):
            for slot in booking["slots"]:
                slots[slot] = slots.get(slot, 0) + 1
    assert all(count == 1 for count in slots.values())
    final = book("final")
    assert final.answer.status == 201
