"""`manage.py restore`: byte for byte, into an empty database, finished or marked as unfinished."""

from __future__ import annotations

import gzip
import hashlib
import io
import os
import re
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from pymongo.collation import Collation

from bookings.indexes import make_failed_work_indexes
from bookings.infrastructure import clock, connections
from bookings.infrastructure.mongodb import errors
from bookings.operations.backups import folders, restoring, writing
from bookings.operations.doctor import mongodb
from tests.calls import book, cancel, confirm
from tests.conftest import night
from tests.faults import Faults
from tests.operations.backups.conftest import (
    back_up,
    documents,
    held,
    manage,
    names,
    rename,
    restore,
    seal_again,
)
from tests.site import ROOT

pytestmark = pytest.mark.mongo

# --- What comes back ------------------------------------------------------------------------


def test_brings_every_document_index_and_option_back(extra: Any, folder: Path, other: Any) -> None:
    book("stay", guest={"name": "Ada", "email": "ada@example.org"})
    book("hold", hold=True, resourceId="room_B")
    extra.create_collection(
        "extra/odd name",
        collation=Collation("sv"),
        validator={"n": {"$type": "int"}},
    )
    extra["extra/odd name"].create_index(
        [("n", -1)], unique=True, sparse=True, collation=Collation("de")
    )
    extra["extra/odd name"].create_index("simple", collation=Collation("simple"))
    extra["extra/odd name"].create_index("as the collection")
    extra["extra/odd name"].insert_many([{"n": n} for n in range(5)])
    extra["extra/odd name"].insert_one({"n": "old"}, bypass_document_validation=True)

    extra["extra_ttl"].create_index("at", expireAfterSeconds=10**9)

    restore(back_up(folder), other.name)

    assert names(other) == names(extra)
    for name in set(names(extra)) - writing.LEFT_OUT.keys():
        assert documents(other, name) == documents(extra, name), name
    described = [
        sorted((one["name"], one["options"]) for one in database.list_collections())
        for database in (extra, other)
    ]
    assert described[0] == described[1]
    for name in names(extra):
        indexes = [list(database[name].list_indexes()) for database in (extra, other)]
        assert indexes[0] == indexes[1], name


def test_brings_bookings_back_that_are_older_than_their_validator(
    folder: Path, other: Any, extra: Any
) -> None:
    book("stay")
    extra.command({"collMod": "bookings", "validator": {"added_later": {"$exists": True}}})
    try:
        backup = back_up(folder)
    finally:
        extra.command({"collMod": "bookings", "validator": {}})

    restore(backup, other.name)

    assert documents(other, "bookings") == documents(extra, "bookings")
    assert other["bookings"].find_one()["version"] > 1_700_000_000


def test_leaves_out_what_would_act_again(folder: Path, other: Any) -> None:
    own = connections.database()
    for name in writing.LEFT_OUT:
        own[name].insert_one({"_id": f"one of {name}"})

    restore(back_up(folder), other.name)

    assert {name: other[name].count_documents({}) for name in writing.LEFT_OUT} == dict.fromkeys(
        writing.LEFT_OUT, 0
    )
    assert set(writing.LEFT_OUT) <= set(names(other))


def test_is_of_one_moment_while_others_book(extra: Any, folder: Path, other: Any) -> None:
    # The first and the last collection that is read; each transaction writes both.
    first, last = extra["aaa_extra"], extra["zzz_extra"]
    for collection in (first, last):
        collection.insert_one({"_id": 1, "n": 0})
    extra["extra_bulk"].insert_many({"x": "x" * 1000} for _ in range(3000))
    is_over = threading.Event()
    made: list[int] = []

    def count_together() -> None:
        while not is_over.is_set():
            with extra.client.start_session() as session, session.start_transaction():
                for collection in (first, last):
                    collection.update_one({"_id": 1}, {"$inc": {"n": 1}}, session=session)

    def sell_nights() -> None:
        for number in range(1000):
            if is_over.is_set():
                break
            book(f"key-{number}", resourceId=f"room_{'ABC'[number % 3]}", date=night(30 + number))
            made.append(number)

    threads = [threading.Thread(target=work) for work in (count_together, sell_nights)]
    for thread in threads:
        thread.start()
    try:
        while len(made) < 20:
            time.sleep(0.01)
        backup = back_up(folder)
    finally:
        is_over.set()
        for thread in threads:
            thread.join()
        extra.drop_collection("aaa_extra")
        extra.drop_collection("zzz_extra")

    said = restore(backup, other.name)

    assert other["aaa_extra"].find_one()["n"] == other["zzz_extra"].find_one()["n"] > 0
    assert 20 <= other["bookings"].count_documents({}) <= len(made)
    assert [line[:4] for line in said.splitlines() if line[:4] in ("ok  ", "warn", "FAIL")] == [
        "ok  "
    ] * 7


def test_is_a_database_that_the_doctor_finds_sound(
    environment: dict[str, str], folder: Path, other: Any, tmp_path: Path
) -> None:
    book(guest={"name": "Ada Lovelace", "phone": "030 4455667"})
    restore(back_up(folder), other.name)

    variables = {**environment, "MONGODB_NAME": other.name}
    said, _ = manage(variables, tmp_path / "faults", "doctor").communicate(timeout=60)

    findings = {line[6:].split(":")[0]: line[:4] for line in said.splitlines()}
    for check in (
        *("restore", "indexes", "nights sold once", "keys used once", "documents"),
        "search terms",
    ):
        assert findings[check] == "ok  ", said


def test_tells_how_to_switch_and_fails_what_is_unsound(folder: Path, other: Any) -> None:
    book()
    own = connections.database()
    own["bookings"].update_one({}, {"$set": {"status": "lost"}})
    backup = back_up(folder)
    said = io.StringIO()

    with pytest.raises(SystemExit) as exit:
        call_command("restore", str(backup), into=other.name, stdout=said)

    assert exit.value.code == 1
    assert "FAIL  documents: 1 of 1 booking with fields that disagree" in said.getvalue()
    assert "1. manage.py idempotency purge --all" in said.getvalue()
    assert f"2. set MONGODB_NAME={other.name}" in said.getvalue()


@pytest.fixture
def older(extra: Any) -> Iterator[Callable[[], None]]:
    """Puts the site's database into the state before migration 0012, and back into the newest."""

    def age() -> None:
        extra.drop_collection("failed_work")
        extra["auth_user"].drop_index("one_account_per_address")
        extra["django_migrations"].delete_many({"app": "bookings", "name": {"$gte": "0012"}})

    yield age
    call_command("migrate", verbosity=0)


def test_warns_of_what_comes_with_migrating(folder: Path, other: Any, older: Any) -> None:
    """Otherwise a good backup of an older release would seem bad, and its drill would fail."""
    book("stay")
    older()
    backup = back_up(folder)

    for said in (restore(backup, other.name), drill(backup)):
        findings = {line[6:].split(":")[0]: line for line in said.splitlines()}
        first = "The backup is of an older version: run manage.py migrate first. Until then: "
        for check, missing in (
            ("indexes", "failed_work is missing"),
            ("indexes", "one_account_per_address of auth_user is missing"),
            ("accounts", "the index one_account_per_address is missing"),
        ):
            assert findings[check].startswith(f"warn  {check}: {first}"), said
            assert missing in findings[check]
        assert findings["nights sold once"].startswith("ok")

    with connections.looking_into(other.name):
        assert mongodb.indexes().level == "FAIL"


def test_fails_bookings_of_an_older_version_that_are_unsound(
    folder: Path, other: Any, older: Any
) -> None:
    book()
    connections.database()["bookings"].update_one({}, {"$set": {"status": "lost"}})
    older()

    with pytest.raises(SystemExit):
        restore(back_up(folder), other.name)


def test_fails_a_backup_of_this_version_that_lacks_an_index(
    folder: Path, other: Any, extra: Any
) -> None:
    extra["failed_work"].drop_index("failed_work_of_a_queue")
    backup = back_up(folder)
    make_failed_work_indexes(extra)
    said = io.StringIO()

    with pytest.raises(SystemExit):
        call_command("restore", str(backup), into=other.name, stdout=said)

    assert "FAIL  indexes: failed_work_of_a_queue of failed_work is missing" in said.getvalue()


def test_books_anew_what_was_lost_once_redis_has_forgotten_it(folder: Path, other: Any) -> None:
    backup = back_up(folder)
    lost = book("lost").content["booking"]["id"]
    restore(backup, other.name)

    with connections.looking_into(other.name):
        remembered = book("lost")
        call_command("idempotency", "purge", "--all", stdout=io.StringIO())
        again = book("lost")

    # The runbook's step: until then a partner hears of a booking that does not exist.
    assert (remembered.replayed, remembered.content["booking"]["id"]) == (True, lost)
    assert (again.replayed, again.answer.status) == (False, 201)
    assert other["bookings"].count_documents({}) == 1


# --- What is not restored -------------------------------------------------------------------


def change(path: Path) -> None:
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)


@pytest.mark.parametrize(
    ("damage", "sentence"),
    [
        (lambda b: change(b / "bookings.bson.gz"), "bookings.bson.gz has changed"),
        (lambda b: (b / "rooms.bson.gz").unlink(), "rooms.bson.gz is missing or cut short"),
        (lambda b: os.truncate(b / "rooms.bson.gz", 9), "rooms.bson.gz is missing or cut short"),
        (lambda b: change(b / "manifest.json"), "manifest.json has changed"),
        (lambda b: (b / "SHA256SUMS").write_text(""), "manifest.json has changed"),
        (lambda b: (b / "SHA256SUMS").unlink(), "is no backup; name a folder that backup made"),
        (lambda b: (b / "manifest.json").unlink(), "is no backup; name a folder that backup made"),
    ],
)
def test_restores_nothing_of_a_damaged_backup(
    folder: Path, other: Any, damage: Callable[[Path], Any], sentence: str
) -> None:
    book()
    backup = back_up(folder)
    damage(backup)

    with pytest.raises(CommandError, match=sentence):
        restore(backup, other.name)

    assert names(other) == []


def test_restores_no_other_format(
    folder: Path, other: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    backup = back_up(folder)
    monkeypatch.setattr(folders, "FORMAT", 2)

    with pytest.raises(CommandError, match="has another format than this version's 2"):
        restore(backup, other.name)

    assert names(other) == []


def test_restores_nothing_that_a_newer_version_wrote(folder: Path, other: Any) -> None:
    migrations = connections.database()["django_migrations"]
    migrations.insert_one({"app": "bookings", "name": "9999_later", "applied": None})
    try:
        backup = back_up(folder)
    finally:
        migrations.delete_one({"name": "9999_later"})

    with pytest.raises(CommandError, match=r"does not know \(bookings.9999_later\); restore it"):
        restore(backup, other.name)

    assert names(other) == []


def test_fills_no_disk(folder: Path, other: Any) -> None:
    backup = back_up(folder)
    seal_again(backup, lambda manifest: manifest.update(bytes_on_disk=10**15))

    with pytest.raises(
        CommandError, match=r"need 1500000\.0 GB, and MongoDB's disk has \d+\.\d GB"
    ):
        restore(backup, other.name)

    assert names(other) == ["unfinished_restore"]


def test_restores_what_an_earlier_release_backed_up(folder: Path, other: Any) -> None:
    backup = back_up(folder)
    seal_again(backup, lambda manifest: manifest.pop("bytes_on_disk"))

    restore(backup, other.name)

    assert "bookings" in names(other)


def test_never_overwrites_anything(folder: Path, other: Any) -> None:
    book()
    backup = back_up(folder)
    own = connections.database()
    other["theirs"].insert_one({"_id": 1})

    for database in (own, other):
        with pytest.raises(CommandError, match="never overwrites anything; name a database"):
            restore(backup, database.name)

    assert own["bookings"].count_documents({}) == 1
    assert names(other) == ["theirs"]


@pytest.mark.parametrize("name", ["a.b", "a b", "a/b", "$a"])
def test_says_what_is_no_name(folder: Path, other: Any, name: str) -> None:
    backup = back_up(folder)

    with pytest.raises(CommandError, match="cannot name a database"):
        restore(backup, name)


def test_wants_a_name(folder: Path, other: Any) -> None:
    backup = back_up(folder)

    with pytest.raises(CommandError, match="^'' cannot name a database"):
        restore(backup, "")

    assert f"{connections.database().name}_drill" not in other.client.list_database_names()


@pytest.mark.parametrize("which", ["in capitals", "too long", "its own"])
def test_says_which_name_mongodb_refuses(folder: Path, other: Any, which: str) -> None:
    backup = back_up(folder)
    own = connections.database().name
    name = {"in capitals": own.upper(), "too long": "x" * 64, "its own": "$external"}[which]
    code = 13297 if which == "in capitals" else 73

    with pytest.raises(
        CommandError,
        match=rf"^MongoDB refuses a database named {re.escape(name)} \(MongoDB's {code}: ",
    ):
        restore(backup, name)


def test_says_why_mongodb_refuses_documents(folder: Path, other: Any) -> None:
    book()
    backup = back_up(folder)
    file = backup / "bookings.bson.gz"
    before = hashlib.sha256(file.read_bytes()).hexdigest()
    file.write_bytes(gzip.compress(gzip.decompress(file.read_bytes()) * 2))
    seal_again(
        backup,
        lambda manifest: [
            held.update(bytes=file.stat().st_size)
            for held in manifest["collections"]
            if held["name"] == "bookings"
        ],
    )
    sums = backup / "SHA256SUMS"
    digest = hashlib.sha256(file.read_bytes()).hexdigest()
    sums.write_text(sums.read_text().replace(before, digest))

    with pytest.raises(
        CommandError,
        match=r"^MongoDB refused documents of bookings \(MongoDB's 11000: E11000 duplicate key",
    ):
        restore(backup, other.name)


def lack(*names: str) -> Callable[[dict[str, Any]], Any]:
    def change(manifest: dict[str, Any]) -> None:
        for described in manifest["collections"]:
            if described["name"] == "bookings":
                (described["indexes"][1] if names[0] == "indexes" and names[1:] else described).pop(
                    names[-1]
                )

    return change


def call_bookings(name: str) -> Callable[[dict[str, Any]], Any]:
    def change(manifest: dict[str, Any]) -> None:
        for described in manifest["collections"]:
            if described["name"] == "bookings":
                described["file"] = name

    return change


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        (lambda manifest: manifest.pop("taken_at"), "manifest.json is incomplete"),
        (lambda manifest: manifest.pop("collections"), "manifest.json is incomplete"),
        (lack("documents"), "manifest.json is incomplete"),
        (lack("options"), "manifest.json is incomplete"),
        (lack("indexes"), "manifest.json is incomplete"),
        (lack("indexes", "name"), "manifest.json is incomplete"),
        (call_bookings("../bookings.bson.gz"), "SHA256SUMS and manifest.json list different files"),
        (call_bookings("/bookings.bson.gz"), "SHA256SUMS and manifest.json list different files"),
    ],
)
def test_restores_nothing_by_a_manifest_that_is_not_one(
    folder: Path, other: Any, change: Callable[[dict[str, Any]], Any], sentence: str
) -> None:
    backup = back_up(folder)
    seal_again(backup, change)

    with pytest.raises(CommandError, match=sentence):
        restore(backup, other.name)

    assert names(other) == []


@pytest.mark.parametrize("name", ["../outside.gz", "..", "/outside.gz"])
def test_reads_no_file_outside_of_the_backup(folder: Path, other: Any, name: str) -> None:
    backup = back_up(folder)
    data = (backup / "bookings.bson.gz").read_bytes()
    (folder / "outside.gz").write_bytes(data)
    seal_again(backup, call_bookings(name))
    sums = backup / "SHA256SUMS"
    sums.write_text(sums.read_text().replace("  bookings.bson.gz", f"  {name}"))

    with pytest.raises(CommandError, match="is damaged: "):
        restore(backup, other.name)

    assert names(other) == []


# --- Owners of databases --------------------------------------------------------------------


def test_takes_the_newest_of_this_site_and_says_whose_it_is(
    folder: Path, other: Any, neighbour: Any
) -> None:
    ours = rename(back_up(folder), "20260101T000000Z")
    back_up_neighbour(folder, neighbour)

    said = restore(folder, other.name)
    drilled = drill(folder)

    own = connections.database().name
    assert said.startswith(f"{ours} of {own} is in {other.name}: ")
    assert drilled.startswith(f"{ours} of {own} is in {own}_drill: ")
    assert "theirs" not in names(other)


def back_up_neighbour(folder: Path, neighbour: Any) -> Path:
    return folder / writing.write_backup(neighbour, folder, application="1", keep=None)


def test_restores_another_sites_only_by_its_name(folder: Path, other: Any, neighbour: Any) -> None:
    theirs = back_up_neighbour(folder, neighbour)
    own = connections.database().name

    for way in ({"into": other.name}, {"verify": True}):
        with pytest.raises(CommandError) as none_of_ours:
            call_command("restore", str(folder), **way)
        with pytest.raises(CommandError) as another_one:
            call_command("restore", str(theirs), **way)
        assert str(none_of_ours.value) == (
            f"{folder} has no backup of {own}, only of {neighbour.name}; to restore one of "
            "these, name it with --database."
        )
        assert str(another_one.value) == (
            f"{theirs} is of the database {neighbour.name}, not of {own}; if you want it, add "
            f"--database {neighbour.name}."
        )
    assert names(other) == []
    said = io.StringIO()
    with pytest.raises(SystemExit):  # since it belongs to no site
        call_command("restore", str(folder), into=other.name, database=neighbour.name, stdout=said)

    assert said.getvalue().startswith(f"{theirs} of {neighbour.name} is in {other.name}: ")
    assert names(other) == ["theirs"]


def test_refuses_its_own_when_another_sites_was_asked_for(folder: Path, other: Any) -> None:
    backup = back_up(folder)

    for asked in (folder, backup):
        with pytest.raises(CommandError, match="--database"):
            call_command("restore", str(asked), into=other.name, database="another")

    assert names(other) == []


def test_removes_no_old_backup_of_another_site(folder: Path, neighbour: Any) -> None:
    theirs = rename(back_up_neighbour(folder, neighbour), "20260101T000000Z")
    rename(back_up(folder), "20260201T000000Z")
    damaged = rename(back_up_neighbour(folder, neighbour), "20260102T000000Z")
    (damaged / "SHA256SUMS").unlink()

    newest = back_up(folder, keep=1)

    assert [path.name for path in held(folder)] == [theirs.name, damaged.name, newest.name]


# --- Nothing repeats ------------------------------------------------------------------------


def test_gives_no_version_and_no_event_a_second_time(folder: Path, other: Any) -> None:
    made = book("stay", hold=True)
    own = connections.database()
    backup = back_up(folder)

    def confirm_and_cancel(database: Any) -> tuple[list[int], set[str]]:
        call_command("idempotency", "purge", "--all", stdout=io.StringIO())
        with connections.looking_into(database.name):
            versions = [database["bookings"].find_one()["version"]]
            for change in (lambda: confirm(made, "stay"), lambda: cancel(made)):
                assert change().answer.status == 200
                versions.append(database["bookings"].find_one()["version"])
        return versions, {one["id"] for one in database["bookings"].find_one()["outbox"]}

    lost, told = confirm_and_cancel(own)
    restore(backup, other.name)
    versions, told_again = confirm_and_cancel(other)

    # Partners drop events with a lower version than they know, and ids that they have processed.
    assert lost == [1, 2, 3]
    assert versions == [versions[0] + number for number in range(3)]
    assert versions[0] > 1_700_000_000
    # An event that waited in the outbox is the same event, and keeps its id.
    assert {one.rsplit("-", 1)[1] for one in told & told_again} == {"expiring"}
    for events in (told - told_again, told_again - told):
        assert sorted(one.rsplit("-", 1)[1] for one in events) == ["cancelled", "confirmed"]


@pytest.mark.slow
def test_moves_versions_further_with_each_restore(folder: Path, other: Any) -> None:
    book("stay")
    backup = back_up(folder)
    versions = []

    for _ in range(2):
        other.client.drop_database(other.name)
        restore(backup, other.name)
        versions.append(other["bookings"].find_one()["version"])
        # Versions count seconds, and no site is restored twice in one second.
        while clock.now().timestamp() < versions[-1] + 1:
            pass

    first, second = versions
    assert first < second
    other["bookings"].update_one({}, {"$set": {"version": 2**40}})
    later = back_up_neighbour(folder, other)
    other.client.drop_database(other.name)
    call_command("restore", str(later), into=other.name, database=other.name, stdout=io.StringIO())
    assert other["bookings"].find_one()["version"] == 2**40 + 1


# --- Half-way -------------------------------------------------------------------------------


def kill_half_way(environment: dict[str, str], tmp_path: Path, backup: Path, *way: str) -> None:
    faults = Faults(tmp_path / "faults")
    faults.folder.mkdir()
    faults.arm("in_restore", "kill")
    killed = manage(environment, faults.folder, "restore", str(backup), *way)
    killed.communicate(timeout=60)
    assert killed.returncode == -signal.SIGKILL


@pytest.mark.slow
def test_says_that_it_was_killed_and_can_be_run_again(
    environment: dict[str, str],
    folder: Path,
    other: Any,
    tmp_path: Path,
    client: Any,
) -> None:
    book()
    backup = back_up(folder)
    kill_half_way(environment, tmp_path, backup, "--into", other.name)

    with connections.looking_into(other.name):
        found, ready = mongodb.restore(), client.get("/api/ready").status_code
        with pytest.raises(CommandError, match="is an unfinished restore, so there is nothing"):
            back_up(folder)
    restore(backup, other.name)
    with connections.looking_into(other.name):
        found_after, ready_after = mongodb.restore(), client.get("/api/ready").status_code

    assert (found.level, ready) == ("FAIL", 503)
    assert f"{other.name} is an unfinished restore; run manage.py restore" in found.text
    assert (found_after.level, ready_after) == ("ok", 200)
    assert documents(other, "bookings") == documents(connections.database(), "bookings")
    assert restoring.MARKER not in names(other)


def test_is_not_finished_while_another_one_is_at_it(
    folder: Path, other: Any, at_point: Any
) -> None:
    book()
    backup = back_up(folder)
    at_point("in_restore", lambda: restore(backup, other.name) and None)

    with pytest.raises(CommandError, match="Another restore into .* began, or someone emptied"):
        restore(backup, other.name)

    assert documents(other, "bookings") == documents(connections.database(), "bookings")


def test_does_not_call_too_few_documents_a_restore(folder: Path, other: Any, at_point: Any) -> None:
    book()
    backup = back_up(folder)

    def write_beside() -> None:
        other["api_clients"].insert_one({"_id": "not in the backup"})

    at_point("in_restore", write_beside)

    with pytest.raises(CommandError, match="api_clients has 1 document instead of 0"):
        restore(backup, other.name)

    assert restoring.is_unfinished(other)


# --- Drills ---------------------------------------------------------------------------------


def drill(backup: Path) -> str:
    said = io.StringIO()
    call_command("restore", str(backup), verify=True, stdout=said)
    return said.getvalue()


def test_restores_the_newest_to_verify_it_and_leaves_nothing(folder: Path, other: Any) -> None:
    rename(back_up(folder), "20260101T000000Z")
    book()
    newest = back_up(folder)
    own = connections.database()

    said = drill(folder)

    assert said.startswith(f"{newest} of {own.name} is in {own.name}_drill: ")
    assert "ok    documents: 1 booking" in said
    assert f"{own.name}_drill is dropped" in said
    assert f"{own.name}_drill" not in own.client.list_database_names()


@pytest.mark.slow
def test_begins_a_drill_with_what_a_killed_one_left(
    environment: dict[str, str], folder: Path, other: Any, tmp_path: Path
) -> None:
    backup = back_up(folder)
    kill_half_way(environment, tmp_path, backup, "--verify")

    assert "is dropped" in drill(backup)


def test_drills_in_no_database_that_holds_something(folder: Path, other: Any) -> None:
    backup = back_up(folder)
    own = connections.database()
    theirs = own.client[f"{own.name}_drill"]
    theirs["theirs"].insert_one({})

    with pytest.raises(CommandError, match="never overwrites anything"):
        drill(backup)

    assert names(theirs) == ["theirs"]


@pytest.mark.slow
@pytest.mark.parametrize("command", ["backup", "restore", "expire_bookings"])
def test_says_that_a_password_is_wrong_and_no_right_is_missing(
    folder: Path, other: Any, environment: dict[str, str], command: str
) -> None:
    arguments = {
        "backup": ["--to", str(folder)],
        "restore": [str(folder), "--into", other.name],
        "expire_bookings": [],
    }[command]
    if command == "restore":
        back_up(folder)
    uri = environment["MONGODB_URI"].replace("://", "://inn:wrong@")

    done = subprocess.run(
        [sys.executable, "manage.py", command, *arguments],
        cwd=ROOT,
        env={**environment, "MONGODB_URI": uri},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )

    said = done.stderr.strip().removeprefix("CommandError: ")
    assert (done.returncode, said) == (1, errors.UNKNOWN_LOGIN)
