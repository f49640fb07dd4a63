"""Faults of the replica set happen for real, and leave it whole: three members behind proxies."""

from __future__ import annotations

import contextlib
import os
import random
import signal
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pymongo
import pymongo.errors
import pytest
from bson import decode_file_iter
from pytest_django import Settings

from bookings.operations.doctor import members as doctor
from local.servers import Server
from torture.faults import FAULTS, Phases
from torture.faults.mongodb import healing
from torture.options import read_options
from torture.proxies import SITE
from torture.stack import ELECTION_TIMEOUT_MS, MEMBERS, Stack

pytestmark = [pytest.mark.mongo, pytest.mark.slow]

Begin = Callable[..., "Run"]

# What a busy machine needs for an election or a start.
PATIENCE_S = 60.0


@pytest.fixture(scope="module")
def started() -> Iterator[Stack]:
    folder = Path(tempfile.mkdtemp(dir=os.environ["TEST_SERVERS_FOLDER"]))
    stack = Stack(read_options({"OUT": str(folder)}))
    try:
        # The set alone: no site.
        stack._plan_servers()
        stack._start_proxies()
        stack._start_members()
        yield stack
    finally:
        stack.close()


@pytest.fixture
def stack(started: Stack) -> Stack:
    is_whole(started)
    return started


@pytest.fixture
def begin(stack: Stack) -> Iterator[Begin]:
    """Begins a fault by its name. All are over after the test, also if it failed."""
    runs: list[Run] = []

    def begun(name: str, *, seed: int = 1) -> Run:
        runs.append(Run(name, stack, seed))
        return runs[-1]

    yield begun
    for run in runs:
        run.phases.close()


def wait_until(is_true: Callable[[], object]) -> None:
    deadline_s = time.monotonic() + PATIENCE_S
    while not is_true():
        assert time.monotonic() < deadline_s, "it did not come"
        time.sleep(0.05)


@contextlib.contextmanager
def client_of(stack: Stack, **options: Any) -> Iterator[pymongo.MongoClient[Any]]:
    """A client as the site has it: over the links, with majority writes."""
    with pymongo.MongoClient(
        stack.mongodb_uri, w="majority", serverSelectionTimeoutMS=500, **options
    ) as client:
        yield client


def is_whole(stack: Stack) -> None:
    """Waits until all members have a write that came over the links."""

    def wrote() -> bool:
        with contextlib.suppress(pymongo.errors.PyMongoError), client_of(stack) as client:
            concern = pymongo.WriteConcern(MEMBERS, wtimeout=2_000)
            client["t"].get_collection("whole", write_concern=concern).insert_one({})
            return True
        return False

    wait_until(wrote)


def primary_of(stack: Stack, *but: Server) -> Server:
    found: list[Server] = []

    def look() -> bool:
        found.extend(
            each
            for each in stack.members
            if each not in but and stack.hello(each).get("isWritablePrimary")
        )
        return bool(found)

    wait_until(look)
    return found[0]


@dataclass
class Run:
    """A fault, continued by hand."""

    name: str
    stack: Stack
    seed: int
    problem: str | None = field(default=None, init=False)

    def __post_init__(self) -> None:
        dice = random.Random(self.seed)
        self.phases: Phases = FAULTS[f"mongodb.{self.name}"].run(self.stack, dice)

    def go_on(self) -> float | None:
        """The next phase. Returns for how long it is to last; None until the end."""
        return next(self.phases)

    def break_it(self) -> None:
        """Continues it until it waits for its end."""
        while (wait_s := self.go_on()) is not None:
            time.sleep(wait_s)

    def end(self, look: Callable[[], object] = lambda: None) -> None:
        """Continues it to its end, as slowly as it wants; looks before each phase."""
        try:
            while True:
                look()
                time.sleep(self.go_on() or 0)
        except StopIteration as stop:
            self.problem = stop.value


def logged(member: Server, text: str) -> int:
    return member.log_path.read_text(errors="replace").count(text)


def test_takes_back_what_only_the_old_primary_has(stack: Stack, begin: Begin) -> None:
    old = primary_of(stack)
    before = logged(old, "Rollback summary")
    with client_of(stack) as client:
        client["t"]["mine"].insert_one({"_id": "all have it"})

    fault = begin("rolled_back")
    wait_s = fault.go_on()
    with stack.direct(old) as client:
        alone = client["t"].get_collection("mine", write_concern=pymongo.WriteConcern(1))
        alone.insert_one({"_id": "only here"})
    time.sleep(wait_s or 0)
    fault.end()

    assert fault.problem is None
    assert logged(old, "Rollback summary") == before + 1
    with client_of(stack) as client:
        assert [each["_id"] for each in client["t"]["mine"].find()] == ["all have it"]
    kept = [
        each["_id"]
        for path in (old.data_dir / "rollback").rglob("*.bson")
        for each in decode_file_iter(path.open("rb"))
    ]
    assert "only here" in kept


def test_cuts_a_primary_off_from_everyone(stack: Stack, begin: Begin) -> None:
    old = primary_of(stack)

    fault = begin("primary_cut_off")
    fault.break_it()
    new = primary_of(stack, old)
    wait_until(lambda: not stack.hello(old)["isWritablePrimary"])

    assert (
        stack.hello(old)["lastWrite"]["opTime"]["t"] < stack.hello(new)["lastWrite"]["opTime"]["t"]
    )
    with pytest.raises(pymongo.errors.ServerSelectionTimeoutError), over_link(stack, old) as client:
        client.admin.command("hello")
    fault.end()
    assert fault.problem is None


def term_of(stack: Stack, member: Server) -> int:
    return int(stack.hello(member)["lastWrite"]["opTime"]["t"])


def over_link(stack: Stack, member: Server) -> pymongo.MongoClient[Any]:
    return pymongo.MongoClient(
        "127.0.0.1", stack.ports[member.name], directConnection=True, serverSelectionTimeoutMS=500
    )


def test_leaves_a_stale_primary_within_reach_of_the_site(stack: Stack, begin: Begin) -> None:
    old = primary_of(stack)

    fault = begin("primary_stale")
    fault.break_it()

    with over_link(stack, old) as client:
        # It takes the write, and no majority gets it.
        stale = client["t"].get_collection(
            "stale", write_concern=pymongo.WriteConcern("majority", wtimeout=500)
        )
        with pytest.raises(pymongo.errors.WTimeoutError):
            stale.insert_one({})
        primary_of(stack, old)
        assert client.admin.command("hello")["setName"]
    fault.end()
    assert fault.problem is None


def test_keeps_the_primary_that_only_the_site_cannot_reach(stack: Stack, begin: Begin) -> None:
    old = primary_of(stack)

    fault = begin("primary_cut_from_site")
    fault.break_it()
    with pytest.raises(pymongo.errors.PyMongoError), client_of(stack) as client:
        client["t"]["cut"].insert_one({})
    time.sleep(1.5 * ELECTION_TIMEOUT_MS / 1000)

    assert primary_of(stack) is old
    fault.end()


def test_loses_answers_to_what_was_done(stack: Stack) -> None:
    primary = primary_of(stack)
    with over_link(stack, primary) as client:
        # Known before, so that only the insert is without an answer.
        client.admin.command("hello")
        stack.set_link(primary.name, "lose", of=(SITE,))
        try:
            with pytest.raises(pymongo.errors.AutoReconnect):
                client["t"]["lost"].with_options(write_concern=pymongo.WriteConcern(1)).insert_one(
                    {"_id": "done"}
                )
        finally:
            stack.set_link(primary.name, "pass")

    with stack.direct(primary) as direct:
        assert direct["t"]["lost"].find_one({"_id": "done"})


def test_loses_only_a_share_of_the_answers(stack: Stack) -> None:
    primary = primary_of(stack)
    lost = done = 0
    stack.set_link(primary.name, "lose", of=(SITE,), share=0.2)
    try:
        with over_link(stack, primary) as client:
            for _ in range(50):
                try:
                    client.admin.command("ping")
                    done += 1
                except pymongo.errors.PyMongoError:
                    lost += 1
    finally:
        stack.set_link(primary.name, "pass")

    assert done > 10
    assert lost > 1


# With these, the first one is a primary and comes back with nothing, the second one follows and
# comes back with its data.
@pytest.mark.parametrize("seed", [4, 7])
def test_kills_a_member_without_room_and_brings_it_back(
    stack: Stack, begin: Begin, seed: int
) -> None:
    if missing := FAULTS["mongodb.disk_full"].missing(stack):
        pytest.skip(missing)
    died: set[int] = set()

    def look() -> None:
        for number, member in enumerate(stack.members):
            if member.process and member.process.poll() == -signal.SIGABRT:
                died.add(number)

    fault = begin("disk_full", seed=seed)
    fault.end(look)

    assert fault.problem is None
    assert len(died) == 1
    member = stack.members[died.pop()]
    assert logged(member, "No space left on device")
    assert not (member.data_dir / "filler").exists()
    is_whole(stack)


def test_sets_unsure_answers_on_all_members_and_takes_them_away(stack: Stack, begin: Begin) -> None:
    primary_of(stack)

    fault = begin("writes_unconfirmed")
    fault.break_it()
    problems = 0
    with client_of(stack, retryWrites=False) as client:
        for number in range(200):
            try:
                client["t"]["unsure"].insert_one({"_id": number})
            except pymongo.errors.PyMongoError:
                problems += 1
        fault.end()
        assert 0 < problems < 200
        assert client["t"]["unsure"].count_documents({}) == 200
        for number in range(200, 300):
            client["t"]["unsure"].insert_one({"_id": number})


def test_moves_the_clocks_of_members_and_sets_them_right(stack: Stack, begin: Begin) -> None:
    if stack.no_member_clocks:
        pytest.skip(stack.no_member_clocks)

    fault = begin("clocks_apart")
    fault.break_it()
    apart = [ahead_s(stack, each) for each in stack.members]
    fault.end()

    assert 0.1 < max(apart) - min(apart) < 2.1
    assert all(abs(ahead_s(stack, each)) < 0.1 for each in stack.members)


def test_has_the_doctor_warn_of_clocks_too_far_apart(
    stack: Stack, monkeypatch: pytest.MonkeyPatch, settings: Settings
) -> None:
    if stack.no_member_clocks:
        pytest.skip(stack.no_member_clocks)
    settings.MONGODB_URI = stack.mongodb_uri
    first, last, _ = stack.members

    with client_of(stack) as client:
        monkeypatch.setattr(doctor, "database", lambda: client["t"])
        before = doctor.members()
        stack.set_member_clock(first, 1.2)
        stack.set_member_clock(last, -1.2)
        try:
            found = doctor.members()
        finally:
            for member in stack.members:
                stack.set_member_clock(member, 0)

    assert "clock" not in before.text
    assert found.level == "warn"
    said = (
        f"the clock of 127.0.0.1:{stack.ports[first.name]} is 2.4 s ahead of "
        f"127.0.0.1:{stack.ports[last.name]}'s"
    )
    assert said in found.text


def ahead_s(stack: Stack, member: Server) -> float:
    with stack.direct(member) as client:
        before = datetime.now(UTC)
        told = client.admin.command("hello")["localTime"].replace(tzinfo=UTC)
        return (told - before).total_seconds()


@pytest.mark.parametrize(
    "name", ["all_killed", "two_stopped", "primary_stopped", "primary_stepped_down"]
)
def test_leaves_the_set_whole(stack: Stack, begin: Begin, name: str) -> None:
    fault = begin(name)
    fault.break_it()
    time.sleep(1)
    fault.end()

    assert fault.problem is None
    is_whole(stack)


def test_heals_what_a_fault_leaves_that_is_ended_early(stack: Stack, begin: Begin) -> None:
    fault = begin("rolled_back")
    fault.go_on()

    fault.phases.close()

    is_whole(stack)


def test_heals_a_member_that_died_meanwhile(stack: Stack, begin: Begin) -> None:
    fault = begin("primary_stopped")
    fault.break_it()
    for member in stack.members:
        member.kill()

    fault.end()

    is_whole(stack)


def test_stops_waiting_when_its_end_has_come(stack: Stack) -> None:
    began_s = time.monotonic()

    # As the schedule does at a fault's end: it continues at once.
    waited = list(healing.wait_until(lambda: False))

    assert waited == [healing.POLL_S]
    assert time.monotonic() - began_s < healing.POLL_S
