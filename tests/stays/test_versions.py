"""Changes that cross each other, and clocks that are wrong: every change is a compare-and-set."""

from __future__ import annotations

import ast
import dataclasses
import re
import threading
from collections.abc import Callable, Iterator
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from bookings.domain.booking import MAX_HISTORY, Change, change_document, from_document
from bookings.domain.callers import Caller, caller_of_guest
from bookings.infrastructure import clock, connections
from bookings.infrastructure.deadlines import Deadline
from bookings.news import relay
from bookings.operations import sweep
from bookings.stays import lifecycle, queries
from bookings.stays.hold_limits import HoldLimits
from bookings.stays.outcomes import Outcome
from bookings.stays.writing import changes, guest_details, ownership, versioned
from tests.calls import (
    book,
    cancel,
    change_stay,
    check_fields_agree,
    confirm,
    extend,
    let_hold_end,
    let_server_keys_end,
    stored,
)
from tests.conftest import night
from tests.only_writer import only_writer

pytestmark = pytest.mark.mongo

Patch = pytest.MonkeyPatch

ROOT = Path(__file__).resolve().parents[2]

GUEST = caller_of_guest("0123456789abcdef")


def before(patch: Patch, name: str, meanwhile: Callable[[], object]) -> None:
    """Lets something happen once, between a read and the write called `name`."""
    original = getattr(changes, name)
    waiting = [meanwhile]

    def write(*arguments: Any, **options: Any) -> Any:
        if waiting:
            waiting.pop()()
        return original(*arguments, **options)

    patch.setattr(changes, name, write)


def put_clock(patch: Patch, by: timedelta) -> None:
    """Makes this process wrong about the time; MongoDB's own clock stays right."""
    right: Callable[[], datetime] = clock.now
    patch.setattr(clock, "now", lambda: right() + by)


def events() -> list[str]:
    return [change["event"] for change in stored()[0]["history"]]


def test_does_not_confirm_what_was_cancelled_meanwhile(monkeypatch: Patch) -> None:
    held = book(hold=True)
    before(monkeypatch, "change_booking", lambda: cancel(held))

    outcome = confirm(held)

    assert outcome.code == "HOLD_EXPIRED"
    assert events() == ["created", "cancelled"]


def test_cancels_what_was_confirmed_meanwhile(monkeypatch: Patch) -> None:
    held = book(hold=True)
    before(monkeypatch, "change_booking", lambda: confirm(held))

    outcome = cancel(held)

    assert outcome.content["booking"]["status"] == "cancelled"
    assert events() == ["created", "confirmed", "cancelled"]


def test_acts_once_for_two_confirmations_whose_claims_redis_lost(monkeypatch: Patch) -> None:
    made = book()

    def twin() -> None:
        connections.redis().flushdb()
        confirm(made)

    before(monkeypatch, "change_booking", twin)

    outcome = confirm(made)

    assert outcome.answer.status == 200
    assert outcome.replayed
    assert events() == ["created", "confirmed_again"]


def after_look(patch: Patch, meanwhile: Callable[[], Any]) -> None:
    """Has this happen once, between the next look at a booking and the claim that follows it."""
    original = queries.find_booking
    waiting = [meanwhile]

    def find(*arguments: Any, **options: Any) -> Any:
        found = original(*arguments, **options)
        if waiting:
            waiting.pop()()
        return found

    patch.setattr(queries, "find_booking", find)


def longer(outcome: Outcome) -> Outcome:
    """Its owner takes a night more."""
    return change_stay(outcome, first=30, last=32, total=24_000)


@pytest.mark.parametrize(
    "change",
    [confirm, extend, cancel, lambda held: move(held, "room_B"), longer],
    ids=["confirm", "extend", "cancel", "move", "change"],
)
@pytest.mark.parametrize("forgetful", [False, True], ids=["", "redis forgot"])
def test_acts_once_where_its_twin_came_between_the_look_and_the_claim(
    monkeypatch: Patch, change: Callable[[Outcome], Outcome], forgetful: bool
) -> None:
    held = book(hold=True)
    twins: list[Outcome] = []

    def twin() -> None:
        twins.append(change(held))
        if forgetful:
            connections.redis().flushdb()

    after_look(monkeypatch, twin)

    outcome = change(held)

    assert outcome.replayed
    assert outcome.answer.body == twins[0].answer.body
    assert len(events()) == 2


def test_decides_again_where_the_hold_was_cancelled_between_the_look_and_the_claim(
    monkeypatch: Patch,
) -> None:
    held = book(hold=True)
    after_look(monkeypatch, lambda: cancel(held))

    outcome = confirm(held)

    assert outcome.code == "HOLD_EXPIRED"
    assert events() == ["created", "cancelled"]


def test_decides_again_where_the_hold_was_confirmed_between_the_look_and_the_claim(
    monkeypatch: Patch,
) -> None:
    held = book(hold=True)
    after_look(monkeypatch, lambda: confirm(held))

    outcome = extend(held)

    assert outcome.code == "EXTENSION_LIMIT"
    assert events() == ["created", "confirmed"]


@pytest.mark.parametrize(
    ("meanwhile", "change"),
    [(lambda held: extend(held, "other"), extend), (confirm, cancel)],
    ids=["extended", "confirmed"],
)
def test_refuses_nothing_by_a_look_that_is_out_of_date(
    monkeypatch: Patch,
    meanwhile: Callable[[Outcome], Outcome],
    change: Callable[[Outcome], Outcome],
) -> None:
    """The look showed a hold at its end; someone else changed it before the claim was made."""
    held = book(hold=True)
    original, looks = queries.find_booking, []

    def find(*arguments: Any, **options: Any) -> Any:
        found = original(*arguments, **options)
        looks.append(found)
        if len(looks) == 1:
            found = dataclasses.replace(found, expires_at=clock.now())
            monkeypatch.setattr(queries, "find_booking", original)
            meanwhile(held)
            monkeypatch.setattr(queries, "find_booking", find)
        return found

    monkeypatch.setattr(queries, "find_booking", find)

    first = change(held)
    second = change(held)

    assert first.code == "TRY_AGAIN"
    assert second.answer.status == 200


def test_never_sweeps_a_live_hold_by_a_clock_that_is_ahead(monkeypatch: Patch) -> None:
    book(hold=True)
    put_clock(monkeypatch, timedelta(hours=1))

    swept = sweep.expire_holds()

    assert (swept.found, swept.expired) == (0, 0)
    assert stored()[0]["status"] == "pending"


def test_never_sells_a_live_hold_by_a_clock_that_is_ahead(monkeypatch: Patch) -> None:
    book("first", hold=True)
    put_clock(monkeypatch, timedelta(hours=1))

    rival = book("second", resourceId="room_A", userId="bob")

    assert rival.code == "ALREADY_BOOKED"
    assert [booking["status"] for booking in stored()] == ["pending"]


def test_never_revives_a_hold_too_late_by_a_clock_that_is_behind(monkeypatch: Patch) -> None:
    held = book(hold=True)
    let_hold_end(minutes_ago=11)
    put_clock(monkeypatch, -timedelta(hours=1))

    outcome = confirm(held)

    assert outcome.code == "TRY_AGAIN"
    assert stored()[0]["status"] == "pending"


def test_never_extends_a_dead_hold_by_a_clock_that_is_behind(monkeypatch: Patch) -> None:
    held = book(hold=True)
    let_hold_end()
    put_clock(monkeypatch, -timedelta(minutes=10))

    outcome = extend(held)

    assert outcome.code == "TRY_AGAIN"
    assert events() == ["created"]


def test_never_moves_a_dead_hold_by_a_clock_that_is_behind(monkeypatch: Patch) -> None:
    held = book(hold=True)
    let_hold_end()
    put_clock(monkeypatch, -timedelta(hours=1))

    outcome = move(held, "room_B")

    assert outcome.code == "TRY_AGAIN"
    assert events() == ["created"]


def test_extends_once_for_two_requests_whose_claims_redis_lost(monkeypatch: Patch) -> None:
    held = book(hold=True)

    def twin() -> None:
        connections.redis().flushdb()
        extend(held)

    before(monkeypatch, "change_booking", twin)

    outcome = extend(held)

    assert outcome.replayed
    assert events() == ["created", "extended"]


# --- Every write moves the version -------------------------------------------------------------


def hold_again() -> None:
    """The holder comes back to their hold under another key, this time with one guest."""
    assert book("again", hold=True, guests=1).answer.status == 201


def move(outcome: Outcome, room: str) -> Outcome:
    return lifecycle.move_booking(
        actor=Caller("user", "staff"),
        booking_id=outcome.content["booking"]["id"],
        key_header="move",
        deadline=Deadline.after(10),
        room_ids=(room,),
        check_in=date.fromisoformat(night()),
        check_out=date.fromisoformat(night(31)),
    )


@pytest.mark.parametrize(
    "change",
    [confirm, extend, cancel, lambda held: move(held, "room_B"), longer],
    ids=["confirm", "extend", "cancel", "move", "change"],
)
def test_reads_again_what_was_held_again_meanwhile(
    monkeypatch: Patch, change: Callable[[Outcome], Outcome]
) -> None:
    held = book(hold=True, guests=2)
    before(monkeypatch, "change_booking", hold_again)

    outcome = change(held)

    (booking,) = stored()
    check_fields_agree(booking)
    assert outcome.content["booking"]["rooms"][0]["guests"] == booking["guests"] == 1


def versions() -> list[int]:
    return [booking["version"] for booking in stored()]


def adopt_the_browsers() -> None:
    ownership.adopt_bookings_of(
        str(GUEST), Caller("user", "ada"), limits=HoldLimits(holds=5, room_nights=90)
    )


def adopt_the_addresses() -> None:
    ownership.adopt_bookings_for("ada@example.org", Caller("user", "ada"))


def erase() -> None:
    guest_details.erase_guests({"guest.email": "ada@example.org"})


def forget() -> None:
    ownership.replace_person(str(GUEST), "gone:1")


@pytest.mark.parametrize("write", [adopt_the_browsers, adopt_the_addresses, erase, forget])
@pytest.mark.parametrize("is_full", [False, True])
def test_moves_the_version_once_with_whatever_is_written(
    write: Callable[[], None], is_full: bool
) -> None:
    book(caller=GUEST, guest={"name": "Ada", "email": "ada@example.org"})
    if is_full:
        fill_history()
    (version,) = versions()

    write()
    write()

    assert versions() == [version + 1]


def fill_history() -> None:
    """As in a booking of the release before this one, which knew no other version."""
    line = stored()[0]["history"][0]
    connections.collection("bookings").update_one(
        {}, {"$set": {"history": [line] * MAX_HISTORY, "version": MAX_HISTORY}}
    )


def test_moves_the_version_with_every_change_of_a_hold() -> None:
    held = book(hold=True)
    seen = [versions()]
    for change in (hold_again_for_two, extend_it, confirm, move_it, cancel):
        change(held)
        seen.append(versions())

    assert seen == [[1], [2], [3], [4], [5], [6]]
    assert events() == ["created", "extended", "confirmed", "moved", "cancelled"]


def hold_again_for_two(_held: Outcome) -> None:
    book("again", hold=True, guests=2)


def extend_it(held: Outcome) -> None:
    extend(held)


def move_it(held: Outcome) -> None:
    move(held, "room_B")


def test_moves_the_version_of_a_booking_whose_key_means_another_by_now() -> None:
    made = book(None)
    let_server_keys_end()

    cancel(made)
    book(None)

    assert versions() == [3, 1]
    assert [len(booking["history"]) for booking in stored()] == [2, 1]


def test_moves_the_version_of_a_swept_hold() -> None:
    book(hold=True)
    let_hold_end()

    sweep.expire_holds()

    assert versions() == [2]


def test_leaves_the_version_when_news_is_passed_on() -> None:
    book(guest={"name": "Ada", "email": "ada@example.org"})

    relay.pass_on_news()

    assert stored()[0]["outbox"] == []
    assert versions() == [1]


@pytest.mark.parametrize("change", [confirm, extend, cancel, lambda held: move(held, "room_B")])
def test_changes_what_the_release_before_this_one_has_written(
    change: Callable[[Outcome], Outcome],
) -> None:
    """It knew no version but the length of the history, and may still run beside this one."""
    held = book(hold=True)
    connections.collection("bookings").update_one({}, {"$unset": {"version": ""}})

    outcome = change(held)

    assert outcome.answer.status == 200
    assert versions() == [2]


@pytest.mark.parametrize("version", [None, 1])
def test_sees_a_change_that_the_release_before_this_one_makes(
    monkeypatch: Patch, version: int | None
) -> None:
    held = book(hold=True)
    bookings = connections.collection("bookings")
    bookings.update_one(
        {}, {"$set": {"version": version}} if version else {"$unset": {"version": ""}}
    )
    line = {**stored()[0]["history"][0], "event": "adopted"}
    before(
        monkeypatch, "change_booking", lambda: bookings.update_one({}, {"$push": {"history": line}})
    )

    cancel(held)

    assert versions() == [3]
    assert events() == ["created", "adopted", "cancelled"]


WRITES = re.compile(r"(insert|update|replace|delete)_(one|many)|find_one_and_.*|bulk_write")


def writers_in(path: Path) -> Iterator[str]:
    """Returns the functions of a module that write `bookings` themselves."""
    for function in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if not isinstance(function, ast.FunctionDef):
            continue
        for node in ast.walk(function):
            if isinstance(node, ast.Attribute) and WRITES.fullmatch(node.attr):
                where = ast.unparse(node.value)
                if where in ("bookings", "collection('bookings')"):
                    yield f"{path.name}: {function.name}"


def test_has_one_function_that_writes_what_is_there() -> None:
    modules = [
        path for folder in ("bookings", "bookingsite") for path in (ROOT / folder).rglob("*.py")
    ]
    # Inserts find nothing there; an outbox is not part of the comparison; and search terms are
    # made only from the very guest that was read.
    assert sorted({writer for path in modules for writer in writers_in(path)}) == [
        "first_bookings.py: _insert_if_none",
        "guest_details.py: refresh_search_terms",
        "new_bookings.py: _insert",
        "outboxes.py: empty_outboxes",
        "outboxes.py: forget_former_addresses",
        "versioned.py: write_versioned",
    ]


@pytest.mark.parametrize(
    "write",
    [
        "found.update_one({'_id': 1}, {'$set': {'notes': 'seen'}})",
        "found.find_one_and_update({'_id': 1}, {'$set': {'notes': 'seen'}})",
        "list(found.aggregate([{'$match': {'_id': 1}}, {'$merge': {'into': 'bookings'}}]))",
    ],
)
def test_notices_a_write_that_comes_from_somewhere_else(write: str) -> None:
    """Also where the collection came through a variable, which the source does not tell."""
    path = ROOT / "bookings" / "front_desk" / "marks.py"
    elsewhere: dict[str, Any] = {}
    exec(compile(f"def mark(found): {write}", path, "exec"), elsewhere)

    elsewhere["mark"](connections.collection("bookings"))
    confirm(book("key", hold=True))

    others, only_writer.others = only_writer.others, []
    assert others == [f"{path}:1 mark"]


def test_notices_a_write_in_a_thread_that_shows_no_code() -> None:
    write = connections.collection("bookings").update_many
    thread = threading.Thread(target=write, args=({}, {"$set": {"notes": "seen"}}))

    thread.start()
    thread.join()

    others, only_writer.others = only_writer.others, []
    assert others == ["a thread without any code of the site"]


def test_cannot_write_without_a_version() -> None:
    with pytest.raises(TypeError, match="seen"):
        versioned.Write(condition={}, update={})  # type: ignore[call-arg]


def test_sees_a_line_that_an_earlier_release_added() -> None:
    """That release leaves the version, which may be ahead of the lines."""
    book("key")
    bookings = connections.collection("bookings")
    bookings.update_one({}, {"$set": {"version": 5}})
    read = from_document(bookings.find_one({}))
    line = Change(at=read.created_at, event="moved", actor="system")
    bookings.update_one({}, {"$push": {"history": change_document(line)}})

    cancelled = dataclasses.replace(read, status="cancelled")
    change = dataclasses.replace(line, event="cancelled")

    assert not changes.change_booking(read, cancelled, change)
    assert bookings.find_one({})["status"] == "confirmed"


def test_names_news_by_the_line_that_made_it_as_every_release_does() -> None:
    """Taking in another key moves the version and leaves no line. An earlier release, which counts
    lines, would give a later change the number that the version has here."""
    held = book("first", hold=True)
    book("again", hold=True, notes="We come late.")
    (hold,) = stored()
    assert (hold["version"], len(hold["history"])) == (2, 1)

    confirm(held, "first")

    (booking,) = stored()
    assert booking["version"] == 3
    assert booking["outbox"][-1]["id"] == f"{booking['_id']}-2-confirmed"
