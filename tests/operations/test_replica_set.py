"""`manage.py init_replica_set` on three real members that share a keyfile and ask for logins."""

from __future__ import annotations

import io
import os
import re
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any
from urllib.parse import quote_plus

import pytest
from django.core.management import CommandError, call_command
from django.test import override_settings
from pymongo import MongoClient, WriteConcern
from pymongo.errors import OperationFailure

from bookings.operations.replica_set import changes, initiation
from local.children import Child
from local.servers import REPLICA_SET, Server
from tests.servers import make_keyfile, plan_member, start_and_wait
from tests.site import ROOT

# Each starts sets of its own, of up to three members.
pytestmark = [pytest.mark.mongo, pytest.mark.slow]

NAME = "inn_of_its_own"

Patch = pytest.MonkeyPatch

# The commands that the site, as the application's user, sends from its first start on.
FIRST_DAY = """
import pathlib, tempfile
import django
django.setup()
from django.core.management import call_command
from bookings.infrastructure.mongodb import members
from bookings.operations import demo_data
from tests.calls import book, cancel

# The disk of the machine that runs the tests may be as full as it likes.
members.MIN_FREE_SHARE = 0.0

call_command("migrate", verbosity=0)
demo_data.seed(bench_rooms=1)
book("first")
print("cancelled", cancel(book("second", resourceId="room_B")).content["booking"]["status"])
call_command("expire_bookings")
with tempfile.TemporaryDirectory() as folder:
    call_command("backup", to=pathlib.Path(folder))
    call_command("restore", folder, verify=True)
call_command("doctor")
"""


@dataclass
class Set:
    """Three members; the passwords are those of the last `init`."""

    members: list[Server]
    keyfile: Path
    password: str = "of the@app/"
    admin_password: str = "of:admin"
    before_all_were_up: str = ""
    made: list[str] = field(default_factory=list)

    def uri(self, *, members: int = 3) -> str:
        hosts = ",".join(f"127.0.0.1:{member.port}" for member in self.members[:members])
        return (
            f"mongodb://inn:{quote_plus(self.password)}@{hosts}/{NAME}?replicaSet={REPLICA_SET}"
            f"&authSource={NAME}"
        )

    def init(self, *, wait_s: float = 30, **settings: str) -> list[str]:
        """Runs the command and returns its lines."""
        said = io.StringIO()
        usual = {
            "MONGODB_URI": self.uri(),
            "MONGODB_NAME": NAME,
            "MONGODB_KEYFILE": str(self.keyfile),
            "MONGODB_ADMIN_PASSWORD": self.admin_password,
        }
        with override_settings(**{**usual, **settings}):
            call_command("init_replica_set", wait=wait_s, stdout=said)
        return said.getvalue().splitlines()

    def change(self, *arguments: str, **settings: str) -> str:
        """Runs `change_replica_set` and returns its line."""
        said = io.StringIO()
        usual = {"MONGODB_URI": self.uri(), "MONGODB_ADMIN_PASSWORD": self.admin_password}
        with override_settings(**{**usual, **settings}):
            call_command("change_replica_set", *arguments, stdout=said)
        return said.getvalue().strip()

    def names(self) -> list[str]:
        return [f"127.0.0.1:{member.port}" for member in self.members]

    def wait_for_secondaries(self) -> None:
        """Returns once two members follow the third and vote."""
        deadline_s = time.monotonic() + 60
        while True:
            with self.as_admin() as client:
                states = client.admin.command("replSetGetStatus")["members"]
                config = client.admin.command("replSetGetConfig")["config"]
            found = sorted(state["stateStr"] for state in states)
            votes = [member["votes"] for member in config["members"]]
            if (found, votes) == (["PRIMARY", "SECONDARY", "SECONDARY"], [1, 1, 1]):
                return
            assert time.monotonic() < deadline_s, states
            time.sleep(0.1)

    def as_application(self) -> MongoClient:
        return MongoClient(self.uri(), serverSelectionTimeoutMS=10_000)

    def as_member(self, name: str) -> MongoClient:
        return MongoClient(
            name, username="admin", password=self.admin_password, directConnection=True
        )

    def as_admin(self) -> MongoClient:
        hosts = [f"127.0.0.1:{member.port}" for member in self.members]
        return MongoClient(
            hosts, username="admin", password=self.admin_password, replicaSet=REPLICA_SET
        )

    def kept(self) -> dict[str, Any]:
        """The set's configuration, the role, and the users with the proofs of their passwords."""
        with self.as_admin() as client:
            return {
                "config": client.admin.command("replSetGetConfig")["config"],
                "roles": client.admin.command("rolesInfo", 1, showPrivileges=True)["roles"],
                "users": client.admin.command(
                    {"usersInfo": {"forAllDBs": True}, "showCredentials": True}
                )["users"],
            }


@pytest.fixture(autouse=True)
def look_briefly(monkeypatch: Patch) -> None:
    """The killed members stay down, so the command need not look for long."""
    monkeypatch.setattr(changes, "LOOK_S", 0.5)


@pytest.fixture(scope="module")
def own_set() -> Iterator[Set]:
    """Members that were made a set twice: when one was missing, and when all were up."""
    folder = Path(tempfile.mkdtemp(dir=os.environ["TEST_SERVERS_FOLDER"]))
    keyfile = make_keyfile(folder)
    one_set = Set([plan_member(folder, number, keyfile) for number in range(3)], keyfile)
    try:
        for member in one_set.members[:2]:
            start_and_wait(member)
        with pytest.raises(CommandError) as refusal:
            one_set.init(wait_s=1)
        one_set.before_all_were_up = str(refusal.value)
        Child.start(one_set.members[2])
        said = one_set.init()
        one_set.made = said[1:] if said[0].startswith("Waiting for ") else said
        yield one_set
    finally:
        for member in one_set.members:
            member.kill()
        shutil.rmtree(folder)


def test_makes_nothing_while_a_member_is_missing(own_set: Set) -> None:
    missing = own_set.members[2].port

    assert re.fullmatch(
        rf"No answer from 127\.0\.0\.1:{missing} in 1 s: every member must be up .*\.",
        own_set.before_all_were_up,
    )
    # Otherwise the next command would have found a set.
    assert own_set.made[0].startswith(f"Replica set {REPLICA_SET} made of 127.0.0.1:")


def test_makes_everything_once_and_changes_nothing_the_second_time(own_set: Set) -> None:
    before = own_set.kept()

    said = own_set.init()

    assert own_set.made[1:] == [
        "Role readParameters made.",
        "User admin of admin made.",
        f"User inn of {NAME} made.",
    ]
    assert said == [
        f"Replica set {REPLICA_SET} is in place.",
        "Role readParameters is in place.",
        "User admin of admin is in place.",
        f"User inn of {NAME} is in place.",
    ]
    assert own_set.kept() == before
    assert before["config"]["settings"]["electionTimeoutMillis"] == initiation.ELECTION_TIMEOUT_MS


def test_gives_the_application_a_user_that_carries_it(
    own_set: Set, environment: dict[str, str]
) -> None:
    day = subprocess.run(
        [sys.executable, "-c", FIRST_DAY],
        env={**environment, "MONGODB_URI": own_set.uri(), "MONGODB_NAME": NAME},
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )

    assert "cancelled cancelled" in day.stdout, day.stderr
    assert "Backed up: " in day.stdout
    assert f"This was a drill: {NAME}_drill is dropped." in day.stdout
    assert "transaction lifetime: 5 s on the primary." in day.stdout
    assert "members: Serving: 3 of 3; 1 may be lost." in day.stdout
    wrong = re.findall(r"^(?:FAIL|warn) +(.*?):", day.stdout, re.MULTILINE)
    assert set(wrong) <= {"worker", "beat", "Redis persistence"}


def test_lets_the_application_read_who_the_members_are(own_set: Set) -> None:
    with own_set.as_application() as client:
        config = client.admin.command("replSetGetConfig")["config"]

    assert [member["hidden"] for member in config["members"]] == [False] * 3


def test_keeps_the_application_out_of_everything_else(own_set: Set) -> None:
    with own_set.as_admin() as client:
        client["of_somebody_else"]["secrets"].insert_one({"_id": 1})

    with own_set.as_application() as client:
        assert client[NAME]["things"].count_documents({}) == 0
        for forbidden in (
            lambda: client["of_somebody_else"]["secrets"].find_one(),
            lambda: client["of_somebody_else"]["secrets"].insert_one({}),
            lambda: client[f"{NAME}_back"]["bookings"].insert_one({}),
            lambda: client["admin"]["system.users"].find_one(),
            lambda: client["local"]["oplog.rs"].find_one(),
            lambda: client[NAME].command("createUser", "rogue", pwd="x", roles=["dbOwner"]),
            lambda: client[NAME].command("grantRolesToUser", "inn", roles=["dbOwner"]),
            lambda: client.admin.command("shutdown"),
            lambda: client.admin.command("setParameter", 1, quiet=True),
            lambda: client.admin.command("replSetReconfig", {}, force=True),
            lambda: client.admin.command("replSetStepDown", 1),
        ):
            with pytest.raises(OperationFailure) as refusal:
                forbidden()
            assert refusal.value.code == 13
        # Its own database exists once something is in it.
        client[NAME]["things"].insert_one({})
        assert client.list_database_names() == [NAME]
        client[NAME]["things"].drop()


def test_sets_passwords_that_were_changed(own_set: Set) -> None:
    old = replace(own_set)
    own_set.password, own_set.admin_password = "a new one", "for admin too"

    said = own_set.init()

    assert said[2:] == [
        "User admin of admin given its password and roles.",
        f"User inn of {NAME} given its password and roles.",
    ]
    assert own_set.init()[2:] == [
        "User admin of admin is in place.",
        f"User inn of {NAME} is in place.",
    ]
    for client in (old.as_application(), old.as_admin()):
        with client, pytest.raises(OperationFailure) as refusal:
            client.admin.command("ping")
        assert refusal.value.code == 18
    with own_set.as_application() as client:
        client.admin.command("ping")


def test_takes_away_rights_that_somebody_added(own_set: Set) -> None:
    with own_set.as_admin() as client:
        client[NAME].command("grantRolesToUser", "inn", roles=[{"role": "root", "db": "admin"}])
        client.admin.command("grantRolesToRole", "readParameters", roles=["clusterMonitor"])

    said = own_set.init()

    assert said[1:] == [
        "Role readParameters corrected.",
        "User admin of admin is in place.",
        f"User inn of {NAME} given its password and roles.",
    ]
    with own_set.as_application() as client:
        roles = client.admin.command("connectionStatus")["authInfo"]["authenticatedUserRoles"]
    assert {(role["role"], role["db"]) for role in roles} == {
        ("readWrite", NAME),
        ("readWrite", f"{NAME}_drill"),
        ("readParameters", "admin"),
    }


def test_makes_sure_of_users_while_a_member_is_down(own_set: Set) -> None:
    with own_set.as_admin() as client:
        client[NAME].command("dropUser", "inn")
    down = own_set.members[2]
    down.kill()
    try:
        said = own_set.init()

        assert said[0] == f"Replica set {REPLICA_SET} is in place."
        assert said[3] == f"User inn of {NAME} made."
        with own_set.as_application() as client:
            client.admin.command("ping")
    finally:
        start_and_wait(down)


def test_says_so_when_the_keyfile_is_another_one(own_set: Set, tmp_path: Path) -> None:
    other = tmp_path / "keyfile"
    other.write_text("ABCDEFGH" * 8)

    with pytest.raises(CommandError, match="do not accept the key in MONGODB_KEYFILE"):
        own_set.init(MONGODB_KEYFILE=str(other))


def test_takes_the_first_key_while_keys_are_changed(own_set: Set, tmp_path: Path) -> None:
    both = tmp_path / "keyfile"
    key = "".join(own_set.keyfile.read_text().split())
    both.write_text(f"- {key}\n- {'ABCDEFGH' * 8}\n")

    assert own_set.init(MONGODB_KEYFILE=str(both))[0].endswith("is in place.")


def test_says_where_set_and_uri_differ(own_set: Set) -> None:
    said = own_set.init(MONGODB_URI=own_set.uri(members=2))

    assert re.match(
        r"The members are .*, but MONGODB_URI names .*: run manage\.py change_replica_set", said[-1]
    )


def test_refuses_a_set_of_another_name(own_set: Set) -> None:
    uri = own_set.uri().replace(f"={REPLICA_SET}", "=other")

    with pytest.raises(CommandError, match=f"belong to replica set {REPLICA_SET}; name that"):
        own_set.init(MONGODB_URI=uri)


def test_says_so_when_there_is_no_primary(own_set: Set) -> None:
    with own_set.as_admin() as client:
        primary = client.admin.command("hello")["primary"]
    # A primary that lost the others would go on for an election time-out.
    fallen = sorted(own_set.members, key=lambda member: primary != f"127.0.0.1:{member.port}")[:2]
    for member in fallen:
        member.kill()
    try:
        with pytest.raises(CommandError, match="has no primary in reach: start its members"):
            own_set.init(wait_s=1)
    finally:
        for member in fallen:
            start_and_wait(member)


def test_takes_a_member_out_and_in_again(own_set: Set) -> None:
    with own_set.as_admin() as client:
        primary = client.admin.command("hello")["primary"]
    other, third = [name for name in own_set.names() if name != primary]

    assert own_set.change("--remove", other) == f"{other} is removed."
    assert {member["host"] for member in own_set.kept()["config"]["members"]} == {primary, third}
    for asked, refusal in (
        (("--remove", other), f"{other} is not a member; name one of "),
        (("--remove", primary), "MongoDB refused: "),
        (("--add", third), f"{third} is a member already; "),
        (("--add", "127.0.0.1:1"), "127.0.0.1:1 does not answer; start it, then add it."),
        (("--add", "127.0.0.1:99999"), "Fix MONGODB_URI or the member's name: "),
        (("--add", "127.0.0.1:one"), "Error: argument --add: a member is HOST:PORT, "),
        (("--remove", ""), "Error: argument --remove: a member is HOST:PORT, "),
        (("--only-left", third), f"The set has a primary, {primary}; use --remove and --add."),
    ):
        with pytest.raises(CommandError, match=f"^{re.escape(refusal)}"):
            own_set.change(*asked)
    assert own_set.change("--add", other).startswith(f"{other} is added; ")

    own_set.wait_for_secondaries()


def test_makes_a_change_again_that_was_made_from_an_older_configuration(
    own_set: Set, monkeypatch: Patch
) -> None:
    with own_set.as_admin() as client:
        primary = client.admin.command("hello")["primary"]
    other = next(name for name in own_set.names() if name != primary)
    read, reads = changes._configuration, []

    def read_before_another_change(client: MongoClient) -> dict[str, Any]:
        config = read(client)
        reads.append(config["version"])
        if len(reads) == 1:
            changes._change(client, lambda now: now["members"])
        return config

    monkeypatch.setattr(changes, "_configuration", read_before_another_change)

    assert own_set.change("--remove", other) == f"{other} is removed."
    assert own_set.change("--add", other).startswith(f"{other} is added; ")
    first, between, third, *_ = reads
    assert first == between < third
    own_set.wait_for_secondaries()


def test_adds_no_other_name_of_a_member_that_lives(own_set: Set) -> None:
    own_set.wait_for_secondaries()
    before = own_set.kept()["config"]

    for name in own_set.names():
        alias = name.replace("127.0.0.1", "localhost")
        refusal = f"{alias} is {name} of the set {REPLICA_SET} already, a member of this set; "
        with pytest.raises(CommandError, match=f"^{re.escape(refusal)}"):
            own_set.change("--add", alias)

    assert own_set.kept()["config"] == before


def test_adds_no_member_of_another_set(own_set: Set, monkeypatch: Patch) -> None:
    # The set of the whole suite is such a set, with the same name.
    monkeypatch.setattr(changes, "REMOVAL_TIMEOUT_S", 0.1)
    with MongoClient(os.environ["MONGODB_URI"]) as client:
        stranger = client.admin.command("hello")["me"]

    with pytest.raises(CommandError, match=rf"^{stranger} is .* already; .* start it empty, .*\.$"):
        own_set.change("--add", stranger)


def test_says_that_a_change_without_an_answer_may_have_been_made(
    own_set: Set, monkeypatch: Patch
) -> None:
    own_set.wait_for_secondaries()
    with own_set.as_admin() as client:
        primary = client.admin.command("hello")["primary"]
    server = next(member for member in own_set.members if primary == f"127.0.0.1:{member.port}")
    read = changes._configuration

    def read_and_freeze(client: MongoClient) -> dict[str, Any]:
        config = read(client)
        server.freeze()
        return config

    monkeypatch.setattr(changes, "_configuration", read_and_freeze)
    monkeypatch.setattr(initiation, "COMMAND_TIMEOUT_MS", 1_000)
    try:
        # The commands that it refuses after it continues.
        with pytest.raises(CommandError, match=r"^The change was requested and may have been made"):
            own_set.change("--remove", primary)
    finally:
        server.thaw()

    own_set.wait_for_secondaries()


def test_changes_members_for_the_administrator_alone(own_set: Set) -> None:
    for password, refusal in (
        ("", "Set MONGODB_ADMIN_PASSWORD, for MongoDB's user admin."),
        ("another", "MongoDB refused this MONGODB_ADMIN_PASSWORD for the user admin; "),
    ):
        with pytest.raises(CommandError, match=f"^{refusal}"):
            own_set.change("--remove", own_set.names()[2], MONGODB_ADMIN_PASSWORD=password)


def lose_two(own_set: Set) -> tuple[str, list[Server]]:
    """Writes a document, then ends the primary and another member; the first is the one left."""
    own_set.wait_for_secondaries()
    with own_set.as_application() as client:
        things = client[NAME].get_collection("things", write_concern=WriteConcern(3))
        things.replace_one({"_id": "kept"}, {}, upsert=True)
    with own_set.as_admin() as client:
        primary = client.admin.command("hello")["primary"]
    first, second, last = sorted(
        own_set.members, key=lambda member: primary != f"127.0.0.1:{member.port}"
    )
    for member in (first, second):
        member.kill()
    left = f"127.0.0.1:{last.port}"
    wait_until_alone(own_set, left)
    return left, [first, second]


def wait_until_alone(own_set: Set, left: str) -> None:
    deadline_s = time.monotonic() + 60
    with own_set.as_member(left) as client:
        while client.admin.command("hello").get("primary"):
            assert time.monotonic() < deadline_s
            time.sleep(0.1)


def start_empty(member: Server) -> None:
    shutil.rmtree(member.data_dir)
    member.data_dir.mkdir()
    start_and_wait(member)


def test_goes_on_with_the_one_that_is_left(own_set: Set) -> None:
    left, fallen = lose_two(own_set)

    looked = own_set.change("--only-left", left)
    with own_set.as_member(left) as client:
        assert len(client.admin.command("replSetGetConfig")["config"]["members"]) == 3
    kept = own_set.change("--only-left", left, "--yes")
    with own_set.as_application() as client:
        assert client[NAME]["things"].find_one() == {"_id": "kept"}
    for member in fallen:
        start_empty(member)
        own_set.change("--add", f"127.0.0.1:{member.port}")

    *others, end = looked.splitlines()
    assert sorted(others) == sorted(
        f"127.0.0.1:{member.port} is gone: it refuses connections." for member in fallen
    )
    assert re.fullmatch(rf"{left} has everything written until \S+Z\. Nothing was .*", end)
    assert kept == f"{left} is the primary of a set of its own."
    own_set.wait_for_secondaries()


def test_lets_members_that_come_back_empty_vote_for_the_one_that_is_left(own_set: Set) -> None:
    left, fallen = lose_two(own_set)

    start_empty(fallen[0])
    with pytest.raises(CommandError, match=r"answers; start members until|has a primary"):
        own_set.change("--only-left", left, "--yes")
    start_empty(fallen[1])

    own_set.wait_for_secondaries()
    with own_set.as_application() as client:
        assert client[NAME]["things"].find_one() == {"_id": "kept"}


def test_takes_no_silent_member_for_a_lost_one(own_set: Set) -> None:
    own_set.wait_for_secondaries()
    with own_set.as_admin() as client:
        primary = client.admin.command("hello")["primary"]
    first, second, last = sorted(
        own_set.members, key=lambda member: primary != f"127.0.0.1:{member.port}"
    )
    lost, silent, left = (f"127.0.0.1:{member.port}" for member in (first, second, last))

    def look(*arguments: str) -> tuple[list[str], str]:
        """Returns the lines of the look, and the reason why it would go no further."""
        said = io.StringIO()
        access = {"MONGODB_URI": own_set.uri(), "MONGODB_ADMIN_PASSWORD": own_set.admin_password}
        with override_settings(**access):
            try:
                call_command("change_replica_set", "--only-left", left, *arguments, stdout=said)
            except CommandError as error:
                return sorted(said.getvalue().splitlines()), str(error)
        return sorted(said.getvalue().splitlines()), ""

    for member in (first, second):
        member.freeze()
    try:
        wait_until_alone(own_set, left)
        may_live = "may live: it does not answer, and nothing says that it is gone."
        lines, refusal = look()
        assert lines == sorted([f"{lost} {may_live}", f"{silent} {may_live}"])
        assert "name each one that is gone for good with --gone" in refusal
        assert "--gone" in look("--yes")[1]
        assert look("--gone", "elsewhere:1")[1].startswith("elsewhere:1 is not a member; ")
        assert look("--gone", left)[1].startswith(f"{left} is the one to keep; ")

        first.kill()
        assert look()[0] == sorted(
            [f"{lost} is gone: it refuses connections.", f"{silent} {may_live}"]
        )
        lines, refusal = look("--gone", silent)
        assert f"{silent} is gone: it does not answer, and you say so." in lines
        assert refusal == ""

        second.thaw()
        # Whatever the operator says of a live member; and two of them may have a primary by now.
        assert re.search("answers; start|has a primary", look("--gone", silent, "--yes")[1])
    finally:
        second.thaw()
        start_and_wait(first)
    own_set.wait_for_secondaries()
    with own_set.as_admin() as client:
        assert len(client.admin.command("replSetGetConfig")["config"]["members"]) == 3


def test_takes_one_that_starts_again_for_no_lost_one(own_set: Set, monkeypatch: Patch) -> None:
    own_set.wait_for_secondaries()
    restarted = own_set.members[0]
    name = f"127.0.0.1:{restarted.port}"
    restarted.kill()
    why_gone = changes._why_gone

    def look_and_start(name: str) -> str | None:
        why = why_gone(name)
        if why:
            start_and_wait(restarted)
        return why

    monkeypatch.setattr(changes, "_why_gone", look_and_start)
    monkeypatch.setattr(changes, "LOOK_S", 60.0)
    other = changes._look_at(name, changes.read_uri(own_set.uri()), given_up=())

    assert str(other).startswith(f"{name} lives: ")


@pytest.mark.parametrize(
    ("name", "why"),
    [
        ("127.0.0.1:1", "it refuses connections"),
        ("[::1]:1", "it refuses connections"),
        ("nowhere.invalid:27017", "its name has no IP address"),
    ],
)
def test_knows_what_is_gone_by_its_address(name: str, why: str) -> None:
    assert changes._why_gone(name) == why


def test_takes_a_name_service_that_is_silent_for_no_loss(monkeypatch: Patch) -> None:
    def fail(*_: Any, **__: Any) -> None:
        raise socket.gaierror(socket.EAI_AGAIN, "Temporary failure in name resolution")

    monkeypatch.setattr(socket, "getaddrinfo", fail)

    assert changes._why_gone("member:27017") is None


def test_goes_on_with_a_hidden_member_that_stays_behind(own_set: Set) -> None:
    own_set.wait_for_secondaries()
    with own_set.as_admin() as client:
        primary = client.admin.command("hello")["primary"]
        first, second, last = sorted(
            own_set.members, key=lambda member: primary != f"127.0.0.1:{member.port}"
        )
        left = f"127.0.0.1:{last.port}"
        hidden = {"hidden": True, "priority": 0, "votes": 0, "secondaryDelaySecs": 5}
        changes._change(
            client,
            lambda config: [
                {**member, **hidden} if member["host"] == left else member
                for member in config["members"]
            ],
        )
    for fallen in (first, second):
        fallen.kill()
    wait_until_alone(own_set, left)
    with own_set.as_member(left) as client:
        client.admin.command("replSetMaintenance", 1)
        with pytest.raises(CommandError, match=f"^{left} is not a secondary now: "):
            own_set.change("--only-left", left)
        client.admin.command("replSetMaintenance", 0)

    own_set.change("--only-left", left)
    kept = own_set.change("--only-left", left, "--yes")
    with own_set.as_member(left) as client:
        [member] = client.admin.command("replSetGetConfig")["config"]["members"]
    for fallen in (first, second):
        start_empty(fallen)
        own_set.change("--add", f"127.0.0.1:{fallen.port}")

    assert kept == f"{left} is the primary of a set of its own."
    assert (member["hidden"], member["secondaryDelaySecs"], member["votes"]) == (False, 0, 1)
    own_set.wait_for_secondaries()


@pytest.mark.parametrize(
    ("traits", "state", "refusal"),
    [
        ({"arbiterOnly": True}, "ARBITER", "is an arbiter and has no data; "),
        ({"buildIndexes": False, "votes": 0}, "SECONDARY", "builds no indexes, so it cannot be "),
    ],
)
def test_keeps_none_that_can_be_no_primary(
    own_set: Set, tmp_path: Path, traits: dict[str, Any], state: str, refusal: str
) -> None:
    own_set.wait_for_secondaries()
    fourth = plan_member(tmp_path, 3, own_set.keyfile)
    name = f"127.0.0.1:{fourth.port}"
    start_and_wait(fourth)
    try:
        with own_set.as_admin() as client:
            # With an arbiter, MongoDB requires an explicit write concern.
            client.admin.command("setDefaultRWConcern", defaultWriteConcern={"w": "majority"})
            changes._change(
                client,
                lambda config: [
                    *config["members"],
                    {"_id": 9, "host": name, "priority": 0, **traits},
                ],
            )
            deadline_s = time.monotonic() + 60
            while state not in (
                found["stateStr"]
                for found in client.admin.command("replSetGetStatus")["members"]
                if found["name"] == name
            ):
                assert time.monotonic() < deadline_s
                time.sleep(0.1)

        with pytest.raises(CommandError, match=f"^{name} {refusal}"):
            own_set.change("--only-left", name)

        own_set.change("--remove", name)
    finally:
        fourth.kill()
    own_set.wait_for_secondaries()


def test_takes_gone_ones_for_the_last_one_only(own_set: Set) -> None:
    with pytest.raises(CommandError, match="^Give --gone only with --only-left; "):
        own_set.change("--remove", own_set.names()[0], "--gone", own_set.names()[1])
