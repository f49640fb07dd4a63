"""The sweep over dead holds: batch after batch, beside rivals, stopped and killed half-way."""

from __future__ import annotations

import dataclasses
import logging
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from io import StringIO
from pathlib import Path
from threading import Barrier, local
from typing import Any

import pymongo
import pytest
from bson import ObjectId
from django.core.management import call_command

from bookings import points
from bookings.infrastructure import connections
from bookings.operations import sweep, sweep_tally
from bookings.stays import due_work
from bookings.stays.writing import expiry
from local.servers import free_port, start_mongod
from tests.calls import book, confirm, let_hold_end, stored
from tests.faults import Faults
from tests.site import ROOT

pytestmark = pytest.mark.mongo

Patch = pytest.MonkeyPatch
StartCommand = Callable[..., subprocess.Popen[str]]


@pytest.fixture(autouse=True)
def _points() -> Iterator[None]:
    yield
    points.install(None)


def make_dead_holds(number: int, **fields: Any) -> None:
    """Makes this many holds, each in its own room, all dead for 6 s."""
    book(hold=True)
    let_hold_end()
    bookings = connections.collection("bookings")
    document = bookings.find_one_and_delete({})
    assert document is not None
    bookings.insert_many(
        {
            **document,
            "_id": ObjectId(),
            "reference": f"DEMO-{index}",
            "rooms": [{**document["rooms"][0], "room": f"room_{index}"}],
            "slots": [f"{document['check_in']}|room_{index}"],
            "keys": [{**document["keys"][0], "digest": f"{index:064}"}],
            **fields,
        }
        for index in range(number)
    )


def once(point: str, meanwhile: Callable[[], object]) -> None:
    """Lets something happen the first time that the flow reaches the point."""
    waiting = [meanwhile]

    def handle(name: str) -> None:
        if name == point and waiting:
            waiting.pop()()

    points.install(handle)


def change_all(*update: dict[str, Any]) -> None:
    connections.collection("bookings").update_many({}, list(update))


def events(booking: dict[str, Any]) -> list[str]:
    return [change["event"] for change in booking["history"]]


def totals() -> tuple[int, int, int]:
    tally = sweep_tally.read()
    return tally.found, tally.expired, tally.races_lost


def test_goes_on_batch_after_batch_until_nothing_dead_is_left(monkeypatch: Patch) -> None:
    monkeypatch.setattr(sweep, "BATCH_SIZE", 3)
    make_dead_holds(7)
    book("alive", hold=True)

    done = sweep.expire_holds()

    assert (done.found, done.expired, done.races_lost, done.is_complete) == (7, 7, 0, True)
    assert sorted(booking["status"] for booking in stored()) == ["expired"] * 7 + ["pending"]
    assert totals() == (7, 7, 0)


def test_takes_the_longest_dead_first_and_says_for_how_long(monkeypatch: Patch) -> None:
    monkeypatch.setattr(sweep, "BATCH_SIZE", 1)
    monkeypatch.setattr(sweep, "RUN_LIMIT_S", 0)
    book("young", hold=True)
    let_hold_end(minutes_ago=1)
    book("old", hold=True, resourceId="room_B")
    connections.collection("bookings").update_one(
        {"rooms.room": "room_B"},
        [{"$set": {"expires_at": {"$subtract": ["$$NOW", 5 * 60_000]}}}],
    )

    done = sweep.expire_holds()

    assert [booking["status"] for booking in stored()] == ["pending", "expired"]
    assert 300 <= done.oldest_age_s < 310
    assert 300 <= sweep_tally.read().last_oldest_age_s < 310


def test_leaves_the_rest_to_the_next_run_when_its_time_is_up(monkeypatch: Patch) -> None:
    monkeypatch.setattr(sweep, "BATCH_SIZE", 3)
    monkeypatch.setattr(sweep, "RUN_LIMIT_S", 0)
    make_dead_holds(4)

    first, second = sweep.expire_holds(), sweep.expire_holds()

    assert (first.expired, first.is_complete) == (3, False)
    assert (second.expired, second.is_complete) == (1, True)


def test_ends_within_half_an_interval(monkeypatch: Patch, settings: Any) -> None:
    monkeypatch.setattr(sweep, "BATCH_SIZE", 1)
    settings.EXPIRY_INTERVAL_S = 0
    make_dead_holds(2)

    assert sweep.expire_holds().expired == 1


def test_shares_the_work_with_a_sweep_beside_it(monkeypatch: Patch, rounds: int) -> None:
    monkeypatch.setattr(sweep, "BATCH_SIZE", 20)
    for _ in range(rounds):
        connections.collection("bookings").delete_many({})
        connections.collection("sweeps").delete_many({})
        make_dead_holds(100)
        both_have_read, seen = Barrier(2), local()

        def meet(name: str, barrier: Barrier = both_have_read, seen: local = seen) -> None:
            if name == "after_sweep_read" and not hasattr(seen, "batch"):
                seen.batch = True
                barrier.wait(10)

        points.install(meet)

        with ThreadPoolExecutor(2) as pool:
            runs = [pool.submit(sweep.expire_holds) for _ in range(2)]
            done = [run.result() for run in runs]

        assert all(events(booking) == ["created", "expired"] for booking in stored())
        assert sum(run.expired for run in done) == 100
        assert sum(run.races_lost for run in done) >= 20
        assert totals() == (
            sum(run.found for run in done),
            100,
            sum(run.races_lost for run in done),
        )


def test_leaves_alone_what_was_confirmed_while_it_swept() -> None:
    held = book(hold=True)
    let_hold_end()
    once("after_sweep_read", lambda: confirm(held))

    done = sweep.expire_holds()

    assert (done.found, done.expired, done.races_lost) == (1, 0, 1)
    assert events(stored()[0]) == ["created", "confirmed"]
    assert totals() == (1, 0, 1)


@pytest.mark.parametrize(
    ("meanwhile", "status"),
    [
        # The real change when a hold is extended …
        (
            {
                "$set": {
                    "expires_at": {"$add": ["$$NOW", 900_000]},
                    "history": {"$concatArrays": ["$history", [{"event": "extended"}]]},
                }
            },
            "pending",
        ),
        # … and the fields that are compared, each alone.
        ({"$set": {"expires_at": {"$add": ["$$NOW", 900_000]}}}, "pending"),
        ({"$set": {"status": "cancelled"}}, "cancelled"),
    ],
)
def test_leaves_alone_what_was_extended_or_settled_while_it_swept(
    meanwhile: dict[str, Any], status: str
) -> None:
    make_dead_holds(1)
    once("after_sweep_read", lambda: change_all(meanwhile))

    done = sweep.expire_holds()

    assert (done.expired, done.races_lost) == (0, 1)
    assert stored()[0]["status"] == status
    assert "expired" not in events(stored()[0])


def test_does_not_overwrite_a_change_it_has_not_seen() -> None:
    make_dead_holds(1)
    moved = {"$set": {"history": {"$concatArrays": ["$history", [{"event": "moved"}]]}}}
    once("after_sweep_read", lambda: change_all(moved))

    first, second = sweep.expire_holds(), sweep.expire_holds()

    assert (first.expired, first.races_lost) == (0, 1)
    assert (second.expired, second.races_lost) == (1, 0)
    assert events(stored()[0]) == ["created", "moved", "expired"]


def test_leaves_a_pending_booking_without_an_end_to_the_doctor() -> None:
    make_dead_holds(1, expires_at=None)

    done = sweep.expire_holds()

    assert done.found == 0
    assert stored()[0]["status"] == "pending"


@pytest.mark.parametrize("batch_size", [1, 2, 500])
@pytest.mark.parametrize("damage", [{"history": "lost"}, {"outbox": "lost"}])
def test_is_not_stopped_by_a_document_it_cannot_expire(
    monkeypatch: Patch, batch_size: int, damage: dict[str, Any]
) -> None:
    monkeypatch.setattr(sweep, "BATCH_SIZE", batch_size)
    make_dead_holds(2, owner="client:1")
    connections.collection("bookings").update_one({"reference": "DEMO-0"}, {"$set": damage})

    done = sweep.expire_holds(started_by="beat")

    assert (done.expired, done.failed, done.races_lost, done.is_complete) == (1, 1, 0, True)
    assert "beat" in sweep_tally.read().last_run_age_s


@pytest.fixture
def faults(tmp_path: Path) -> Faults:
    return Faults(tmp_path)


@pytest.fixture
def start_command(environment: dict[str, str], faults: Faults) -> Iterator[StartCommand]:
    """Starts `manage.py expire_bookings`, in batches of three, with faults that can be armed."""
    script = (
        "import signal, sys, django; from pathlib import Path; django.setup()\n"
        # If the tests run in the background, their children may ignore Ctrl-C.
        "signal.signal(signal.SIGINT, signal.default_int_handler)\n"
        "from bookings import points\n"
        "from bookings.operations import sweep; from tests.faults import Faults\n"
        "sweep.BATCH_SIZE = 3; points.install(Faults(Path(sys.argv.pop())))\n"
        # A site that runs from this checkout must not pass its variables to the test.
        "import manage; manage.RUN_ENV = Path('nowhere')\n"
        "sys.argv = ['manage.py', 'expire_bookings']; manage.main()\n"
    )
    processes: list[subprocess.Popen[str]] = []

    def start(**variables: str) -> subprocess.Popen[str]:
        process = subprocess.Popen(
            [sys.executable, "-c", script, str(faults.folder)],
            cwd=ROOT,
            env={**environment, **variables},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        processes.append(process)
        return process

    yield start
    for process in processes:
        process.kill()
        process.wait()


@pytest.mark.parametrize(("point", "expired"), [("after_sweep_read", 0), ("after_sweep_write", 3)])
def test_is_finished_by_the_next_run_when_it_was_killed(
    start_command: StartCommand, faults: Faults, point: str, expired: int
) -> None:
    make_dead_holds(7)
    faults.arm(point, "kill")

    killed = start_command()
    killed.wait(60)
    half_way = [booking["status"] for booking in stored()]
    done = sweep.expire_holds()

    assert killed.returncode == -signal.SIGKILL
    assert half_way.count("expired") == expired
    assert (done.expired, done.races_lost) == (7 - expired, 0)
    assert all(events(booking) == ["created", "expired"] for booking in stored())
    # A batch that was written, but not yet counted when the process died, stays uncounted.
    assert totals() == (7 - expired, 7 - expired, 0)


def test_leaves_everything_right_when_it_is_interrupted(
    start_command: StartCommand, faults: Faults
) -> None:
    make_dead_holds(4)
    faults.arm("after_sweep_write", "pause")

    stopped = start_command()
    faults.wait_for("paused", 30)
    stopped.send_signal(signal.SIGINT)
    _, said = stopped.communicate(timeout=30)
    done = sweep.expire_holds()

    assert stopped.returncode == 130
    assert said.strip().endswith(
        "Stopped; what was expired stays expired, and the next run does the rest."
    )
    assert "Traceback" not in said
    assert done.expired == 1
    assert all(events(booking) == ["created", "expired"] for booking in stored())


@pytest.mark.slow
def test_gives_up_in_a_sentence_when_a_batch_hangs(
    start_command: StartCommand, tmp_path: Path
) -> None:
    server = start_mongod(
        free_port(),
        tmp_path / "data",
        tmp_path / "log",
        parameters={"enableTestCommands": True},
        death_signal=signal.SIGKILL,
    )
    with pymongo.MongoClient(server.uri) as client:
        long_ago = datetime(2020, 1, 1, tzinfo=UTC)
        dead = {"status": "pending", "expires_at": long_ago, "history": [{}]}
        client["test_own"]["bookings"].insert_one(dead)
        # As without a majority for writes: the server answers everything else.
        client.admin.command(
            "configureFailPoint",
            "failCommand",
            mode="alwaysOn",
            data={"failCommands": ["update"], "blockConnection": True, "blockTimeMS": 60_000},
        )

    started_s = time.monotonic()
    command = start_command(MONGODB_URI=server.uri, MONGODB_NAME="test_own")
    _, said = command.communicate(timeout=90)
    took_s = time.monotonic() - started_s
    server.kill()

    assert said == "MongoDB cannot be reached; start it (make run), or fix MONGODB_URI.\n"
    assert command.returncode == 1
    assert took_s < 40


def test_prints_one_line_of_figures() -> None:
    make_dead_holds(3)
    said = StringIO()

    call_command("expire_bookings", stdout=said)

    assert said.getvalue() == (
        "Found 3 dead holds: expired 3, lost 0 to other processes; "
        "the oldest had been dead for 6 s.\n"
    )


def test_says_when_it_left_some(monkeypatch: Patch) -> None:
    monkeypatch.setattr(sweep, "BATCH_SIZE", 1)
    monkeypatch.setattr(sweep, "RUN_LIMIT_S", 0)
    make_dead_holds(2)
    said = StringIO()

    call_command("expire_bookings", stdout=said)

    assert said.getvalue().endswith("s, and more are left: run this again.\n")


def test_logs_one_line_a_run(monkeypatch: Patch, caplog: pytest.LogCaptureFixture) -> None:
    monkeypatch.setattr(sweep, "BATCH_SIZE", 1)
    make_dead_holds(2)
    caplog.set_level(logging.INFO, "bookings.operations.sweep")

    done = sweep.expire_holds(started_by="beat")

    (line,) = caplog.records
    assert line.getMessage() == "holds_expired"
    said = {field: getattr(line, field) for field in ("found", "expired", "races_lost")}
    assert said == {"found": 2, "expired": 2, "races_lost": 0}
    assert (line.__dict__["is_complete"], line.__dict__["started_by"]) == (True, "beat")
    assert line.__dict__["oldest_age_s"] == round(done.oldest_age_s, 3) >= 6


def test_notes_who_had_asked_for_it() -> None:
    sweep.expire_holds(started_by="beat")
    beat_only = sweep_tally.read()
    connections.collection("sweeps").update_one(
        {}, [{"$set": {"last_run_at.beat": {"$subtract": ["$$NOW", 60_000]}}}]
    )
    sweep.expire_holds()

    ages_s = sweep_tally.read().last_run_age_s

    assert set(beat_only.last_run_age_s) == {"beat"}
    assert 0 <= ages_s["command"] < 10
    assert 60 <= ages_s["beat"] < 70


def test_counts_first_runs_that_meet_once_each() -> None:
    batch = expiry.Batch(found=3, expired=2, oldest_age_s=1.0)
    starts = Barrier(8)

    def count(_: int) -> None:
        starts.wait(10)
        sweep_tally.add(batch)

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(count, range(8)))

    assert totals() == (24, 16, 8)
    assert connections.collection("sweeps").count_documents({}) == 1


def test_reads_and_writes_by_index_and_no_more_than_it_needs() -> None:
    make_dead_holds(3, notes="x" * 100_000)
    database = connections.database()
    database.command("profile", 2)
    try:
        sweep.expire_holds()
        sweep.read_figures()
    finally:
        database.command("profile", 0)
        profile = list(database["system.profile"].find({"ns": f"{database.name}.bookings"}))
        database["system.profile"].drop()

    operations = {entry["op"] for entry in profile}
    plans = {entry["planSummary"] for entry in profile if "planSummary" in entry}

    assert {"query", "update", "command"} <= operations
    assert all(
        plan.startswith(("IXSCAN { status: 1, expires_at: 1 }", "IDHACK", "IXSCAN { _id: 1 }"))
        for plan in plans
    ), plans
    assert max(entry.get("responseLength", 0) for entry in profile) < 2_000


def test_counts_what_waits_only_as_far_as_is_quick(monkeypatch: Patch) -> None:
    monkeypatch.setattr(due_work, "MAX_COUNTED", 2)
    make_dead_holds(3)
    connections.collection("bookings").update_one(
        {"reference": "DEMO-2"},
        [{"$set": {"expires_at": {"$subtract": ["$$NOW", 60_000]}}}],
    )

    figures = sweep.read_figures()

    assert figures.dead_holds == 2
    assert 60 <= figures.oldest_dead_hold_age_s < 70


def test_tells_what_waits_for_the_next_sweep() -> None:
    make_dead_holds(2)
    book("alive", hold=True)
    before = sweep.read_figures()
    sweep.expire_holds()

    after = sweep.read_figures()

    assert before.dead_holds == 2
    assert 6 <= before.oldest_dead_hold_age_s < 16
    assert dataclasses.astuple(after)[1:] == (0, 0.0)


def test_expires_the_others_beside_a_hold_with_a_damaged_version() -> None:
    for room in ("room_A", "room_B"):
        book(room, hold=True, resourceId=room)
    connections.collection("bookings").update_one({}, {"$set": {"version": "three"}})
    let_hold_end()

    sweep.expire_holds()

    assert [booking["status"] for booking in stored()] == ["expired", "expired"]


def test_forgets_what_failed_once_it_is_no_dead_hold_any_more() -> None:
    hold = book("hold", hold=True)
    let_hold_end()
    connections.collection("bookings").update_one({}, {"$rename": {"history": "lost"}})
    sweep.expire_holds()
    failed = connections.collection("failed_work").count_documents({})
    connections.collection("bookings").delete_many({})

    sweep.expire_holds()

    assert hold.code is None
    assert (failed, connections.collection("failed_work").count_documents({})) == (1, 0)
