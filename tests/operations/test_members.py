"""A lost member is noticed, although the set continues without it: three real members."""

from __future__ import annotations

import os
import re
import shutil
import signal
import socket
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from pymongo import MongoClient
from pymongo.errors import OperationFailure
from pytest_django import Settings

from bookings.infrastructure.mongodb import members
from bookings.operations import doctor as whole
from bookings.operations.doctor import members as doctor
from bookings.operations.doctor import mongodb
from bookings.operations.doctor.findings import Finding
from bookings.operations.doctor.members import Ahead, Member, MemberAnswer
from bookings.operations.replica_set import changes
from local.children import Child
from local.servers import REPLICA_SET, Server, free_port, plan_mongod

pytestmark = pytest.mark.mongo

Patch = pytest.MonkeyPatch

# So that the set replaces a lost member, and shows a lag, in a moment.
ELECTION_TIMEOUT_MS = 1_000

# What a check may take on a busy machine. One member after the other would take longer.
MOST_S = 2 * whole.CHECK_TIMEOUT_S


@dataclass
class Trio:
    """A replica set; the first one is its primary, and the others cannot be."""

    servers: list[Server]
    client: MongoClient

    @property
    def names(self) -> list[str]:
        return [name_of(server) for server in self.servers]

    def uri(self, *, names: list[str] | None = None) -> str:
        return f"mongodb://{','.join(names or self.names)}/?replicaSet={REPLICA_SET}"

    def write(self) -> None:
        self.client["trio"]["things"].insert_one({})

    def reconfigure(self, change: Callable[[list[dict[str, Any]]], object]) -> None:
        def changed(config: dict[str, Any]) -> list[dict[str, Any]]:
            change(config["members"])
            members: list[dict[str, Any]] = config["members"]
            return members

        changes._change(self.client, changed)

    @contextmanager
    def reconfigured(self, change: Callable[[list[dict[str, Any]]], object]) -> Iterator[None]:
        before = self.client.admin.command("replSetGetConfig")["config"]["members"]
        self.reconfigure(change)
        try:
            yield
        finally:
            self.reconfigure(lambda current: current.__setitem__(slice(None), before))

    def wait_until_whole(self) -> None:
        """Waits until each member has everything; starts those that are down."""
        for server in self.servers:
            server.thaw()
            if not server.is_running:
                Child.start(server)
        wait_until(lambda: doctor.members().level == "ok" and "primary" in seen())


def name_of(server: Server) -> str:
    return f"127.0.0.1:{server.port}"


def wait_until(is_true: Callable[[], bool]) -> None:
    deadline_s = time.monotonic() + 30
    while not is_true():
        assert time.monotonic() < deadline_s, "it did not come"
        time.sleep(0.05)


def ask(server: Server, command: str, *arguments: Any, **options: Any) -> dict[str, Any]:
    with MongoClient("127.0.0.1", server.port, directConnection=True) as client:
        return client.admin.command(command, *arguments, **options)


@pytest.fixture(scope="module")
def made_trio() -> Iterator[Trio]:
    folder = Path(tempfile.mkdtemp(dir=os.environ["TEST_SERVERS_FOLDER"]))
    servers = [
        plan_mongod(
            free_port(),
            folder / f"data{number}",
            folder / f"log{number}",
            parameters={"enableTestCommands": True},
            death_signal=signal.SIGKILL,
        )
        for number in range(3)
    ]
    try:
        for server in servers:
            server.data_dir.mkdir()
            Child.start(server)
        for server in servers:
            ask(server, "ping")
        configured = [
            {"_id": number, "host": name_of(server), "priority": int(number == 0)}
            for number, server in enumerate(servers)
        ]
        settings = {
            "electionTimeoutMillis": ELECTION_TIMEOUT_MS,
            "heartbeatIntervalMillis": 200,
            # Otherwise a member that copies from one which is told to stand still stands still as
            # well.
            "chainingAllowed": False,
        }
        config = {"_id": REPLICA_SET, "members": configured, "settings": settings}
        ask(servers[0], "replSetInitiate", config)
        client: MongoClient = MongoClient(
            [name_of(server) for server in servers],
            replicaSet=REPLICA_SET,
            w="majority",
            heartbeatFrequencyMS=500,
            connectTimeoutMS=500,
            timeoutMS=10_000,
        )
        # MongoDB reports no disk for a database that does not exist.
        client["trio"]["things"].insert_one({})
        yield Trio(servers, client)
        client.close()
    finally:
        for server in servers:
            server.kill()
        shutil.rmtree(folder)


@pytest.fixture
def trio(made_trio: Trio, monkeypatch: Patch, settings: Settings) -> Trio:
    """A healthy set, which the site uses."""
    settings.MONGODB_URI = made_trio.uri()
    for module in (members, doctor):
        monkeypatch.setattr(module, "database", lambda: made_trio.client["trio"])
    # The disk of the machine that runs the tests may be full.
    monkeypatch.setattr(members, "MIN_FREE_SHARE", 0.0)
    made_trio.wait_until_whole()
    return made_trio


def seen() -> dict[str, int]:
    return {state: number for state, number in members.count_by_state().items() if number}


# --- The doctor's findings ------------------------------------------------------------------


def test_finds_three_members_that_serve(trio: Trio) -> None:
    assert doctor.members() == Finding("ok", "Serving: 3 of 3; 1 may be lost.")


def test_warns_of_an_address_that_names_a_member_which_was_removed(
    trio: Trio, settings: Settings
) -> None:
    settings.MONGODB_URI = trio.uri(names=[*reversed(trio.names), "127.0.0.1:1"])

    found = doctor.members()

    assert found.level == "warn"
    assert found.text == (
        "Serving: 3 of 3; 1 may be lost. MONGODB_URI names 127.0.0.1:1, not in the set: "
        f"name {', '.join(sorted(trio.names))} there."
    )


def test_warns_of_a_member_that_does_not_answer(trio: Trio) -> None:
    assert seen() == {"primary": 1, "secondary": 2}
    trio.servers[2].freeze()

    started_s = time.monotonic()
    found = doctor.members()
    took_s = time.monotonic() - started_s

    assert found.level == "warn"
    assert found.text.startswith(f"Serving: 2 of 3; {trio.names[2]} does not answer: start it")
    assert found.text.endswith(" One more loss stops bookings.")
    assert took_s < MOST_S
    wait_until(lambda: seen() == {"primary": 1, "secondary": 1, "away": 1})


@pytest.mark.slow
def test_warns_of_two_that_do_not_answer_in_no_more_time(trio: Trio) -> None:
    for server in trio.servers[1:]:
        server.freeze()

    started_s = time.monotonic()
    found = doctor.members()
    took_s = time.monotonic() - started_s

    assert found.level == "FAIL"
    assert found.text.startswith("Serving: 1 of 3, too few to acknowledge a booking; ")
    assert all(f"{name} does not answer" in found.text for name in trio.names[1:])
    assert took_s < MOST_S


@pytest.mark.slow
def test_tells_who_answers_where_there_is_no_primary(trio: Trio) -> None:
    trio.servers[0].kill()
    wait_until(lambda: "primary" not in ask(trio.servers[1], "hello"))

    found = doctor.members()

    assert (found.level, found.text[:15]) == ("warn", "Serving: 2 of 3")
    assert f"{trio.names[0]} does not answer" in found.text


def examine_members(trio: Trio, monkeypatch: Patch, uri: str) -> tuple[Finding, Finding, float]:
    """What a doctor that starts now finds about the set and its members; the second one's time."""
    with MongoClient(uri) as client:
        for module in (mongodb, doctor):
            monkeypatch.setattr(module, "database", lambda: client["trio"])
        checks = whole.examine()
        (name, of_set), knows_s = next(checks), time.monotonic()
        other_name, of_members = next(checks)
        took_s = time.monotonic() - knows_s
    assert (name, other_name) == ("replica set", "members")
    # As the fixture has it, for the next test.
    monkeypatch.setattr(doctor, "database", lambda: trio.client["trio"])
    return of_set, of_members, took_s


@pytest.mark.slow
def test_names_those_that_are_lost_where_the_set_has_no_primary(
    trio: Trio, monkeypatch: Patch
) -> None:
    for server in trio.servers[:2]:
        server.kill()
    wait_until(lambda: not ask(trio.servers[2], "hello").get("primary"))

    of_set, of_members, _ = examine_members(trio, monkeypatch, trio.uri())

    assert of_set.level == of_members.level == "FAIL"
    assert of_members.text.startswith("Serving: 1 of 3, too few to acknowledge a booking; ")
    assert all(f"{name} does not answer" in of_members.text for name in trio.names[:2])


@pytest.mark.slow
def test_names_those_of_the_address_where_none_answers(
    trio: Trio, monkeypatch: Patch, settings: Settings
) -> None:
    settings.MONGODB_URI = trio.uri(names=trio.names[:2])
    trio.servers[0].freeze()
    trio.servers[1].kill()

    of_set, of_members, took_s = examine_members(trio, monkeypatch, settings.MONGODB_URI)

    assert of_set.text == whole.MONGODB_AWAY
    assert of_members.text.startswith("Serving: 0 of 2, too few to acknowledge a booking; ")
    assert all(f"{name} does not answer" in of_members.text for name in trio.names[:2])
    assert took_s < MOST_S


@pytest.mark.slow
def test_goes_by_what_a_member_says_that_no_client_may_use(
    trio: Trio, monkeypatch: Patch, settings: Settings
) -> None:
    settings.MONGODB_URI = trio.uri(names=trio.names[2:])
    for server in trio.servers[:2]:
        server.kill()
    wait_until(lambda: not ask(trio.servers[2], "hello").get("primary"))
    ask(trio.servers[2], "replSetMaintenance", True)
    try:
        of_set, of_members, took_s = examine_members(trio, monkeypatch, settings.MONGODB_URI)
    finally:
        ask(trio.servers[2], "replSetMaintenance", False)

    assert of_set.text == whole.MONGODB_AWAY
    assert of_members.text.startswith("Serving: 0 of 3, too few to acknowledge a booking; ")
    assert f"{trio.names[2]} starts, copies, recovers or rolls back" in of_members.text
    assert all(f"{name} does not answer" in of_members.text for name in trio.names[:2])
    assert took_s < MOST_S


@pytest.mark.slow
def test_warns_of_a_member_that_is_far_behind(trio: Trio, monkeypatch: Patch) -> None:
    for module in (members, doctor):
        monkeypatch.setattr(module, "MAX_LAG_S", 0.5)
    ask(trio.servers[2], "configureFailPoint", "rsSyncApplyStop", mode="alwaysOn")
    try:
        # The times of writes are in whole seconds.
        time.sleep(1.1)
        trio.write()

        found = doctor.members()
        wait_until(lambda: seen() == {"primary": 1, "secondary": 1, "behind": 1})
    finally:
        ask(trio.servers[2], "configureFailPoint", "rsSyncApplyStop", mode="off")

    assert found.level == "warn"
    said = rf"{trio.names[2]} is \d+ s behind: check its disk, its processor and its network\."
    assert re.search(said, found.text), found.text


@pytest.mark.slow
def test_warns_of_a_hidden_member_that_is_lost(trio: Trio) -> None:
    with trio.reconfigured(lambda configured: configured[2].update(hidden=True)):
        trio.servers[2].kill()
        assert trio.names[2] not in str(ask(trio.servers[0], "hello"))

        found = doctor.members()

        assert found.text.startswith(f"Serving: 2 of 3; {trio.names[2]} does not answer")
        trio.wait_until_whole()


def test_counts_on_no_vote_of_a_member_that_has_none(trio: Trio) -> None:
    with trio.reconfigured(lambda configured: configured[2].update(votes=0)):
        assert doctor.members().text == "Serving: 3 of 3; none may be lost."


def test_goes_by_what_drivers_are_told_if_it_may_not_see_the_configuration(trio: Trio) -> None:
    ask(
        trio.servers[0],
        "configureFailPoint",
        "failCommand",
        mode="alwaysOn",
        data={"failCommands": ["replSetGetConfig"], "errorCode": 13},
    )
    try:
        with pytest.raises(OperationFailure):
            trio.client.admin.command("replSetGetConfig")
        found = doctor.members()
    finally:
        ask(trio.servers[0], "configureFailPoint", "failCommand", mode="off")

    assert found.text == "Serving: 3 of 3; 1 may be lost."


@pytest.mark.slow
def test_tells_a_server_of_another_set_from_a_member(trio: Trio, tmp_path: Path) -> None:
    trio.servers[2].kill()
    planned = plan_mongod(trio.servers[2].port, tmp_path / "data", tmp_path / "log")
    argv = [part if part != REPLICA_SET else "other" for part in planned.argv]
    other = replace(planned, argv=argv, death_signal=signal.SIGKILL)
    other.data_dir.mkdir()
    Child.start(other)
    try:
        ask(other, "ping")
        in_none = doctor.members()
        wait_until(
            lambda: (
                seen()
                in (
                    {"primary": 1, "secondary": 1, "away": 1},
                    {"primary": 1, "secondary": 1, "recovering": 1},
                )
            )
        )
        ask(
            other,
            "replSetInitiate",
            {"_id": "other", "members": [{"_id": 0, "host": name_of(other)}]},
        )
        in_another = doctor.members()
        for _ in range(20):
            assert sum(seen().values()) == 3
            time.sleep(0.05)
    finally:
        other.kill()

    assert f"{trio.names[2]} answers but is in no replica set: read its log" in in_none.text
    assert f"{trio.names[2]} belongs to the replica set other: start the right" in in_another.text
    assert {in_none.level, in_another.level} == {"warn"}


@pytest.mark.slow
def test_warns_of_a_member_that_copies(trio: Trio) -> None:
    empty = trio.servers[2]
    empty.kill()
    shutil.rmtree(empty.data_dir)
    empty.data_dir.mkdir()
    # The copy hangs there for as long as the test wants.
    hang = '{"mode": "alwaysOn"}'
    slow = replace(
        empty,
        argv=[
            *empty.argv,
            "--setParameter",
            f"failpoint.initialSyncHangBeforeCopyingDatabases={hang}",
        ],
    )
    Child.start(slow)
    try:
        wait_until(lambda: "setName" in ask(slow, "hello"))
        found = doctor.members()
        wait_until(lambda: seen() == {"primary": 1, "secondary": 1, "recovering": 1})
    finally:
        slow.kill()

    assert found.level == "warn"
    assert f"{trio.names[2]} starts, copies, recovers or rolls back: wait" in found.text


@pytest.mark.slow
def test_waits_no_longer_for_a_name_service_that_is_silent(trio: Trio, monkeypatch: Patch) -> None:
    resolve = socket.getaddrinfo

    def be_silent(host: Any, *arguments: Any, **options: Any) -> Any:
        if host == "lost.example":
            time.sleep(6)
        return resolve(host, *arguments, **options)

    monkeypatch.setattr(socket, "getaddrinfo", be_silent)
    monkeypatch.setattr(
        doctor,
        "_read_configuration",
        lambda *_: [*map(Member, trio.names), Member("lost.example:1")],
    )

    started_s = time.monotonic()
    found = doctor.members()

    assert "lost.example:1 does not answer" in found.text
    assert time.monotonic() - started_s < 3


def test_warns_of_a_disk_that_is_nearly_full(trio: Trio, monkeypatch: Patch) -> None:
    monkeypatch.setattr(members, "MIN_FREE_SHARE", 1.0)
    monkeypatch.setattr(members, "MIN_FREE_BYTES", 2**60)

    found = doctor.members()

    assert found.level == "warn"
    assert found.text.count("%) of its disk free: give it a larger one") == 3
    assert found.text.endswith(". 1 more may be lost.")


def test_takes_a_small_share_of_a_large_disk_for_enough(trio: Trio, monkeypatch: Patch) -> None:
    monkeypatch.setattr(members, "MIN_FREE_SHARE", 1.0)
    monkeypatch.setattr(members, "MIN_FREE_BYTES", 1)

    assert doctor.members().level == "ok"


def test_asks_as_the_address_says(settings: Settings, trio: Trio) -> None:
    settings.MONGODB_URI = (
        "mongodb://inn:of%20the%40app@one:1,two:2/inn?replicaSet=rs0&w=1&timeoutMS=99"
        "&tls=true&tlsAllowInvalidHostnames=true&authMechanism=SCRAM-SHA-256"
    )

    access = doctor._Access.read()
    with (
        access.connect(Member("[::1]:27017"), logged_in=True) as known,
        access.connect(Member("two:2"), logged_in=False) as stranger,
    ):
        options = known.options
        credentials = options.pool_options._credentials
        assert stranger.options.pool_options._credentials is None

    assert options.direct_connection
    assert options.replica_set_name is None
    assert options.timeout is None
    assert options.pool_options._ssl_context is not None
    assert (credentials.source, credentials.username, credentials.password) == (
        "inn",
        "inn",
        "of the@app",
    )


# --- The driver's view ----------------------------------------------------------------------


def test_counts_the_only_one_that_it_was_told_to_ask(trio: Trio, monkeypatch: Patch) -> None:
    with MongoClient("127.0.0.1", trio.servers[0].port, directConnection=True) as client:
        client.admin.command("ping")
        monkeypatch.setattr(members, "database", lambda: client["trio"])

        assert seen() == {"primary": 1}


# --- The conclusion -------------------------------------------------------------------------

NOW = datetime(2027, 1, 1)  # noqa: DTZ001 as the driver reads it
DATA, ARBITER, VOTELESS = Member(""), Member("", holds_data=False), Member("", votes=False)
PRIMARY = {"isWritablePrimary": True, "lastWrite": {"lastWriteDate": NOW}}
SECONDARY = {"secondary": True, "lastWrite": {"lastWriteDate": NOW}}
HOUR_AGO = {"lastWrite": {"lastWriteDate": NOW - timedelta(hours=1)}}
HOUR_BEHIND = {"secondary": True, **HOUR_AGO}
VOTER = {"arbiterOnly": True}
GONE = None


@pytest.mark.parametrize(
    ("configured", "said", "level", "end"),
    [
        ([DATA], [PRIMARY], "ok", "Serving: 1 of 1; none may be lost."),
        # With an arbiter there is a primary without the other one, but no majority of disks.
        ([DATA, DATA, ARBITER], [PRIMARY, SECONDARY, VOTER], "ok", "; none may be lost."),
        ([DATA, DATA, ARBITER], [PRIMARY, GONE, VOTER], "FAIL", "its network and its name."),
        (
            [DATA, DATA, ARBITER],
            [PRIMARY, SECONDARY, GONE],
            "warn",
            "One more loss stops bookings.",
        ),
        # Both disks are there, but no majority of votes.
        ([*[DATA] * 2, *[ARBITER] * 3], [SECONDARY, SECONDARY, *[GONE] * 3], "FAIL", " its name."),
        ([DATA] * 5, [PRIMARY, *[SECONDARY] * 3, GONE], "warn", " 1 more may be lost."),
        # A member without a vote does not take part in acknowledging.
        (
            [*[DATA] * 3, VOTELESS],
            [PRIMARY, *[SECONDARY] * 2, GONE],
            "warn",
            " 1 more may be lost.",
        ),
        ([DATA, DATA, VOTELESS], [PRIMARY, SECONDARY, SECONDARY], "ok", "; none may be lost."),
        # A delayed member may be as far behind as it is told to be, and no further.
        (
            [*[DATA] * 3, replace(VOTELESS, delay_s=3600)],
            [PRIMARY, SECONDARY, SECONDARY, HOUR_BEHIND],
            "ok",
            "Serving: 4 of 4; 1 may be lost.",
        ),
        (
            [*[DATA] * 3, replace(VOTELESS, delay_s=60)],
            [PRIMARY, SECONDARY, SECONDARY, HOUR_BEHIND],
            "warn",
            "m3 is 3540 s behind: check its disk, its processor and its network. "
            "1 more may be lost.",
        ),
        # A member of another set does not say how far members are behind.
        (
            [DATA] * 3,
            [{**PRIMARY, **HOUR_AGO}, {**SECONDARY, **HOUR_AGO}, {**SECONDARY, "setName": "other"}],
            "warn",
            "Serving: 2 of 3; m2 belongs to the replica set other: start the right member there. "
            "One more loss stops bookings.",
        ),
        ([DATA], [{**PRIMARY, "me": "b"}], "FAIL", "m0 leads to b: check the address of its name."),
    ],
)
def test_says_how_many_may_be_lost(
    configured: list[Member], said: list[dict[str, Any] | None], level: str, end: str
) -> None:
    named = [replace(member, name=f"m{number}") for number, member in enumerate(configured)]
    answers = [
        MemberAnswer({"setName": "rs0", "me": member.name, **hello} if hello else None)
        for member, hello in zip(named, said, strict=True)
    ]

    found = doctor.judge("rs0", named, answers)

    assert found.level == level
    assert found.text.endswith(end), found.text


@pytest.mark.parametrize(
    ("named", "configured", "said"),
    [
        ("b:1 A:1 c:1", "a:1 b:1 C:1", None),
        # A socket leads to only one machine, and reveals no name.
        ("", "a:1", None),
        ("a:1 b:1", "a:1 b:1 c:1", None),
        # Without the other one there is no primary either.
        ("a:1", "a:1 b:1", None),
        ("a:1", "a:1 b:1 c:1", "MONGODB_URI names only a:1 of 3 members, and nothing starts "),
        ("a:1 b:1", "a:1 b:1 c:1 d:1 e:1", "MONGODB_URI names only a:1, b:1 of 5 members, and "),
        ("a:1 x:1", "a:1 b:1 c:1", "MONGODB_URI names x:1, not in the set: name "),
        ("a:2", "a:1", "MONGODB_URI names a:2, not in the set: name a:1 there."),
    ],
)
def test_compares_the_address_with_the_set(named: str, configured: str, said: str | None) -> None:
    found = doctor._fault_of_hosts(
        tuple(named.split()), [Member(name) for name in configured.split()]
    )

    assert found == said or (found and said and found.startswith(said)), found


def test_says_when_it_may_not_ask_for_the_room() -> None:
    hello = {"setName": "rs0", "me": "m0", **PRIMARY}

    found = doctor.judge("rs0", [Member("m0")], [MemberAnswer(hello, refusal_code=18)])

    assert found.level == "warn"
    assert "m0 does not say how full its disk is (18): let the site's user log in" in found.text


@pytest.mark.parametrize(
    ("ahead", "said"),
    [
        ([(0.5, 0.6), (-1.4, -1.3), (0, 0)], None),
        # A slow answer leaves open how far apart they are.
        ([(0, 3), (-1, 0)], None),
        ([(0, 0), None], None),
        ([(-1.5, -1.4), None, (1.1, 1.2)], "the clock of m2 is 2.5 s ahead of m0's: let NTP set "),
    ],
)
def test_warns_of_clocks_that_are_apart(
    ahead: list[tuple[float, float] | None], said: str | None
) -> None:
    named = [Member(f"m{number}") for number in range(len(ahead))]
    answers = [
        MemberAnswer(
            {"setName": "rs0", "me": member.name, **(SECONDARY if number else PRIMARY)},
            ahead=Ahead(*bounds) if bounds else None,
        )
        for number, (member, bounds) in enumerate(zip(named, ahead, strict=True))
    ]

    found = doctor.judge("rs0", named, answers)

    assert found.level == ("warn" if said else "ok"), found.text
    assert (said or "") in found.text


@pytest.mark.slow
def test_reads_the_clock_of_each_member(trio: Trio) -> None:
    access = doctor._Access.read()

    answers = [doctor._ask(Member(name), access) for name in trio.names]

    for answer in answers:
        assert answer.ahead
        # All are on this machine.
        assert answer.ahead.least_s <= 0.001
        assert answer.ahead.most_s >= -0.001
