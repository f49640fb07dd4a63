"""`manage.py backup` and `manage.py restore`: of one moment, whole or not there, and sound."""

from __future__ import annotations

import fcntl
import gzip
import hashlib
import io
import json
import os
import re
import resource
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pymongo
import pytest
from bson import CodecOptions
from bson.raw_bson import RawBSONDocument
from django.core.management import CommandError, call_command
from pymongo.collation import Collation

from bookings import connections, points
from bookings.backups import folders, restoring, writing
from bookings.backups.errors import BackupFailed
from bookings.doctor import mongodb
from local.servers import Server, free_port, start_mongod
from tests.conftest import night
from tests.faults import Faults
from tests.mongo.conftest import book
from tests.site.site import ROOT

RAW: Any = CodecOptions(document_class=RawBSONDocument)

# manage.py as it is, with faults to arm.
MANAGE = """
import os, pathlib, sys
import manage
from bookings import points
from tests.faults import Faults
manage.RUN_ENV = pathlib.Path("nowhere")
points.install(Faults(pathlib.Path(os.environ["TEST_FAULTS"])))
sys.argv[0] = "manage.py"
manage.main()
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    folder = tmp_path / "backups"
    folder.mkdir()
    return folder


@pytest.fixture
def other(database: None) -> Iterator[Any]:
    """A database to restore into, which is not there before and after the test."""
    own = connections.database()
    for name in (f"{own.name}_back", f"{own.name}_drill"):
        own.client.drop_database(name)
    yield own.client[f"{own.name}_back"]
    for name in (f"{own.name}_back", f"{own.name}_drill"):
        own.client.drop_database(name)


@pytest.fixture
def extra(database: None) -> Iterator[Any]:
    """The site's database, whose collections named extra_… go with the test."""
    own = connections.database()
    yield own
    for name in own.list_collection_names(filter={"name": {"$regex": "^extra"}}):
        own.drop_collection(name)


@pytest.fixture
def at_point() -> Iterator[Callable[[str, Callable[[], None]], None]]:
    """Calls something the first time that this process comes to a point."""

    def install(point: str, call: Callable[[], None]) -> None:
        def reached(name: str) -> None:
            if name == point:
                points.install(None)
                call()

        points.install(reached)

    yield install
    points.install(None)


def back_up(folder: Path, **options: Any) -> Path:
    said = io.StringIO()
    call_command("backup", to=folder, stdout=said, **options)
    return Path(said.getvalue().splitlines()[0].removeprefix("Backed up: "))


def restore(backup: Path, into: str) -> str:
    said = io.StringIO()
    call_command("restore", str(backup), into=into, stdout=said)
    return said.getvalue()


def manage(
    environment: dict[str, str], faults: Path, *arguments: str, **options: Any
) -> subprocess.Popen[str]:
    """The command in a process of its own."""
    faults.mkdir(exist_ok=True)
    return subprocess.Popen(
        [sys.executable, "-c", MANAGE, *arguments],
        cwd=ROOT,
        env={**environment, "TEST_FAULTS": str(faults)},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        **options,
    )


def documents(database: Any, name: str) -> list[bytes]:
    return sorted(doc.raw for doc in database.get_collection(name, codec_options=RAW).find())


def names(database: Any) -> list[str]:
    return sorted(database.list_collection_names())


def held(folder: Path) -> list[Path]:
    """What is in the folder but for the lock of who worked in it."""
    return sorted(path for path in folder.iterdir() if path.name != folders.LOCK)


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
    ] * 4


def test_is_a_database_that_the_doctor_finds_sound(
    environment: dict[str, str], folder: Path, other: Any, tmp_path: Path
) -> None:
    book()
    restore(back_up(folder), other.name)

    variables = {**environment, "MONGODB_NAME": other.name}
    said, _ = manage(variables, tmp_path / "faults", "doctor").communicate(timeout=60)

    findings = {line[6:].split(":")[0]: line[:4] for line in said.splitlines()}
    for check in ("restore", "indexes", "nights sold once", "keys used once", "documents"):
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
    assert "FAIL  documents: 1 of 1 bookings are written wrongly" in said.getvalue()
    assert f"1. set MONGODB_NAME={other.name}" in said.getvalue()
    assert "3. manage.py idempotency purge --all" in said.getvalue()


def test_books_anew_what_was_lost_once_redis_has_forgotten_it(folder: Path, other: Any) -> None:
    backup = back_up(folder)
    lost = book("lost").content["booking"]["id"]
    restore(backup, other.name)

    with connections.looking_into(other.name):
        remembered = book("lost")
        call_command("idempotency", "purge", "--all", stdout=io.StringIO())
        again = book("lost")

    # The runbook's step: until then a partner is told of a booking that is nowhere.
    assert (remembered.replayed, remembered.content["booking"]["id"]) == (True, lost)
    assert (again.replayed, again.answer.status) == (False, 201)
    assert other["bookings"].count_documents({}) == 1


# --- Folders --------------------------------------------------------------------------------


def test_lets_nobody_else_read_it(folder: Path) -> None:
    backup = back_up(folder)

    modes = {path.stat().st_mode & 0o777 for path in backup.iterdir()}

    assert (backup.stat().st_mode & 0o777, modes) == (0o700, {0o600})


def test_can_be_checked_by_sha256sum(folder: Path) -> None:
    backup = back_up(folder)

    subprocess.run(["sha256sum", "--check", "--strict", "SHA256SUMS"], cwd=backup, check=True)

    listed = (backup / "SHA256SUMS").read_text().count("\n")
    assert listed == len(list(backup.iterdir())) - 1


def test_leaves_nothing_whole_when_it_is_killed_and_tidies_the_next_time(
    environment: dict[str, str], folder: Path, tmp_path: Path
) -> None:
    faults = Faults(tmp_path / "faults")
    faults.folder.mkdir()
    faults.arm("in_backup", "kill")

    killed = manage(environment, faults.folder, "backup", "--to", str(folder))
    killed.communicate(timeout=60)
    (leftover,) = held(folder)
    whole_before = folders.list_backups(folder)
    (folder / ".unfinished-mine").mkdir()
    backup = back_up(folder)

    assert killed.returncode == -signal.SIGKILL
    assert leftover.name.startswith(".unfinished-")
    assert whole_before == []
    assert held(folder) == [folder / ".unfinished-mine", backup]


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_leaves_nothing_when_it_is_stopped(
    environment: dict[str, str], folder: Path, tmp_path: Path, number: signal.Signals
) -> None:
    faults = Faults(tmp_path / "faults")
    faults.folder.mkdir()
    faults.arm("in_backup", "pause")

    stopped = manage(environment, faults.folder, "backup", "--to", str(folder))
    faults.wait_for("paused", timeout_s=40)
    stopped.send_signal(number)
    _, said = stopped.communicate(timeout=60)

    assert said == "CommandError: Stopped; nothing is left of this backup.\n"
    assert (stopped.returncode, held(folder)) == (130, [])


def test_says_that_no_room_is_left(
    environment: dict[str, str], folder: Path, tmp_path: Path, extra: Any
) -> None:
    extra["extra_bulk"].insert_many({"x": os.urandom(1000)} for _ in range(100))

    def fill_disk() -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (50_000, 50_000))

    run = manage(
        environment, tmp_path / "faults", "backup", "--to", str(folder), preexec_fn=fill_disk
    )
    _, said = run.communicate(timeout=60)

    assert said == (
        f"CommandError: No room is left in {folder}, so nothing is kept of this backup; free some, "
        "or keep fewer (--keep).\n"
    )
    assert (run.returncode, held(folder)) == (1, [])


def test_says_what_is_wrong_with_its_folder(folder: Path, tmp_path: Path) -> None:
    (tmp_path / "file").touch()

    for path, sentence in (
        (tmp_path / "nowhere", f"{tmp_path / 'nowhere'} is no folder; make it, or mount"),
        (tmp_path / "file", f"{tmp_path / 'file'} is no folder; make it, or mount"),
        # Not even root makes a folder here.
        (Path("/proc"), r"/proc/\.lock cannot be written \(.*\); mend that first\."),
    ):
        with pytest.raises(CommandError, match=f"^{sentence}"):
            back_up(path)


def test_leaves_a_folder_to_who_works_in_it(folder: Path) -> None:
    descriptor = os.open(folder / ".lock", os.O_RDWR | os.O_CREAT)
    fcntl.flock(descriptor, fcntl.LOCK_EX)
    try:
        (folder / ".unfinished-20270101T000000Z").mkdir()
        with pytest.raises(CommandError, match="Another backup is at work in"):
            back_up(folder)
        assert [path.name for path in held(folder)] == [".unfinished-20270101T000000Z"]
    finally:
        os.close(descriptor)


def rename(backup: Path, name: str) -> Path:
    return backup.rename(backup.parent / name)


def test_keeps_so_many_and_removes_only_its_own_whole_ones(
    folder: Path, other: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    oldest, second, third, damaged = (
        rename(back_up(folder), f"2026010{day}T000000Z") for day in (2, 3, 4, 1)
    )
    (damaged / "bookings.bson.gz").unlink()
    restore(third, other.name)
    theirs = rename(
        folder / writing.write_backup(other, folder, application="x", keep=1), "20260105T000000Z"
    )
    (folder / "20260101T000000Z.tar").touch()
    (folder / "20260106T000000Z").mkdir()

    newest = back_up(folder, keep=2)

    assert sorted(path.name for path in held(folder)) == sorted(
        [
            *(path.name for path in (third, newest, damaged, theirs)),
            *("20260101T000000Z.tar", "20260106T000000Z"),
        ]
    )
    assert not oldest.exists()
    assert not second.exists()


def test_keeps_what_it_has_just_made_though_a_clock_was_ahead(folder: Path) -> None:
    oldest, ahead, far_ahead = (
        rename(back_up(folder), name)
        for name in ("20260101T000000Z", "29990101T000000Z", "29990102T000000Z")
    )
    said = io.StringIO()

    call_command("backup", to=folder, keep=2, stdout=said)

    made, warning = said.getvalue().splitlines()
    assert held(folder) == [Path(made.removeprefix("Backed up: ")), far_ahead]
    assert warning.startswith("A clock was ahead: 29990102T000000Z counts as newer than this one;")
    assert not oldest.exists()
    assert not ahead.exists()


def test_keeps_one_if_that_is_what_is_asked_and_none_too_many(folder: Path) -> None:
    rename(back_up(folder), "29990101T000000Z")

    alone = back_up(folder, keep=1)
    assert held(folder) == [alone]

    older = rename(alone, "20260101T000000Z")
    assert held(folder) == [older]
    newest = back_up(folder, keep=9)
    assert held(folder) == [older, newest]


def seal_anew(backup: Path, change: Callable[[dict[str, Any]], Any]) -> None:
    """Changes the manifest, and its digest with it."""
    path = backup / "manifest.json"
    manifest = json.loads(path.read_text())
    before = hashlib.sha256(path.read_bytes()).hexdigest()
    change(manifest)
    path.write_text(json.dumps(manifest))
    sums = backup / "SHA256SUMS"
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    sums.write_text(sums.read_text().replace(before, digest))


def test_goes_past_odd_folders(folder: Path, other: Any) -> None:
    nameless, alien, directory, denied = (
        rename(back_up(folder), f"2999010{number}T000000Z") for number in (1, 2, 3, 4)
    )
    seal_anew(nameless, lambda manifest: manifest.pop("database"))
    (alien / "manifest.json").unlink()
    (alien / "manifest.json").mkdir()
    (directory / "SHA256SUMS").unlink()
    (directory / "SHA256SUMS").mkdir()
    (denied / "SHA256SUMS").unlink()
    (denied / "SHA256SUMS").symlink_to("SHA256SUMS")  # not even root reads it

    backup = back_up(folder, keep=1)
    said = restore(folder, other.name)

    assert held(folder) == [backup, nameless, alien, directory, denied]
    assert said.startswith(f"{backup} is in {other.name}: ")


def lack(*names: str) -> Callable[[dict[str, Any]], Any]:
    def change(manifest: dict[str, Any]) -> None:
        for held in manifest["collections"]:
            if held["name"] == "bookings":
                (held["indexes"][1] if names[0] == "indexes" and names[1:] else held).pop(names[-1])

    return change


def call_bookings(name: str) -> Callable[[dict[str, Any]], Any]:
    def change(manifest: dict[str, Any]) -> None:
        for held in manifest["collections"]:
            if held["name"] == "bookings":
                held["file"] = name

    return change


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        (lambda manifest: manifest.pop("taken_at"), "manifest.json lacks something"),
        (lambda manifest: manifest.pop("collections"), "manifest.json lacks something"),
        (lack("documents"), "manifest.json lacks something"),
        (lack("options"), "manifest.json lacks something"),
        (lack("indexes"), "manifest.json lacks something"),
        (lack("indexes", "name"), "manifest.json lacks something"),
        (call_bookings("../bookings.bson.gz"), "SHA256SUMS and manifest.json name other files"),
        (call_bookings("/bookings.bson.gz"), "SHA256SUMS and manifest.json name other files"),
    ],
)
def test_restores_nothing_by_a_manifest_that_is_not_one(
    folder: Path, other: Any, change: Callable[[dict[str, Any]], Any], sentence: str
) -> None:
    backup = back_up(folder)
    seal_anew(backup, change)

    with pytest.raises(CommandError, match=sentence):
        restore(backup, other.name)

    assert names(other) == []


@pytest.mark.parametrize("name", ["../outside.gz", "..", "/outside.gz"])
def test_reads_no_file_outside_of_the_backup(folder: Path, other: Any, name: str) -> None:
    backup = back_up(folder)
    data = (backup / "bookings.bson.gz").read_bytes()
    (folder / "outside.gz").write_bytes(data)
    seal_anew(backup, call_bookings(name))
    sums = backup / "SHA256SUMS"
    sums.write_text(sums.read_text().replace("  bookings.bson.gz", f"  {name}"))

    with pytest.raises(CommandError, match="is damaged: "):
        restore(backup, other.name)

    assert names(other) == []


def test_has_another_name_a_second_later_though_nothing_was_written(folder: Path) -> None:
    first = back_up(folder)
    time.sleep(1.1)

    assert back_up(folder) > first


# --- Moments that are gone, servers that fail -----------------------------------------------


def test_fails_in_a_sentence_when_the_moment_is_gone(
    folder: Path, tmp_path: Path, at_point: Any
) -> None:
    server = start_mongod(
        free_port(),
        tmp_path / "data",
        tmp_path / "log",
        parameters={"minSnapshotHistoryWindowInSeconds": 0},
        death_signal=signal.SIGKILL,
    )
    database = pymongo.MongoClient(server.uri)["site"]
    for name in "abc":
        database[name].insert_many({"x": n} for n in range(1000))

    def go_on() -> None:
        for _ in range(4):
            time.sleep(0.5)
            database["c"].update_many({}, {"$inc": {"x": 1}})

    at_point("in_backup", go_on)

    with pytest.raises(BackupFailed, match="longer than minSnapshotHistoryWindowInSeconds"):
        writing.write_backup(database, folder, application="x", keep=None)

    server.kill()
    assert held(folder) == []


def test_fails_when_collections_change_meanwhile(extra: Any, folder: Path, at_point: Any) -> None:
    at_point("in_backup", lambda: extra["extra_late"].insert_one({}) and None)

    with pytest.raises(CommandError, match="changed meanwhile; try again once the migration"):
        back_up(folder)

    assert held(folder) == []


def test_does_not_wait_for_a_mongodb_that_is_gone(
    environment: dict[str, str], folder: Path, tmp_path: Path, own_mongod: Server
) -> None:
    client: Any = pymongo.MongoClient(own_mongod.uri)
    client["site"]["a"].insert_one({})
    client["site"]["b"].insert_one({})
    faults = Faults(tmp_path / "faults")
    faults.folder.mkdir()
    faults.arm("in_backup", "pause")
    variables = {**environment, "MONGODB_URI": own_mongod.uri, "MONGODB_NAME": "site"}

    run = manage(variables, faults.folder, "backup", "--to", str(folder))
    faults.wait_for("paused", timeout_s=40)
    own_mongod.freeze()
    faults.go()
    _, said = run.communicate(timeout=60)

    assert said.startswith("MongoDB cannot be reached; start it")
    assert "Traceback" not in said
    assert (run.returncode, held(folder)) == (1, [])


def test_backs_up_no_part_of_what_it_cannot_read(extra: Any, folder: Path) -> None:
    extra.create_collection("extra_capped", capped=True, size=4096)

    with pytest.raises(CommandError, match="extra_capped is no plain collection"):
        back_up(folder)


def test_leaves_views_and_time_series_out_and_says_so(extra: Any, folder: Path, other: Any) -> None:
    extra.create_collection("extra_view", viewOn="bookings", pipeline=[])
    extra.create_collection("extra_series", timeseries={"timeField": "at"})
    said = io.StringIO()

    call_command("backup", to=folder, stdout=said)
    restore(folder, other.name)

    assert sorted(said.getvalue().splitlines()[1:]) == [
        "Left out: extra_series, since its type is timeseries; restoring does not make it.",
        "Left out: extra_view, since its type is view; restoring does not make it.",
    ]
    assert not {"extra_view", "extra_series"} & set(names(other))


def test_has_nothing_to_keep_of_an_empty_database(folder: Path, other: Any) -> None:
    with pytest.raises(BackupFailed, match="is empty; name the site's database"):
        writing.write_backup(other, folder, application="x", keep=None)


# --- What is not restored -------------------------------------------------------------------


def change(path: Path) -> None:
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)


@pytest.mark.parametrize(
    ("damage", "sentence"),
    [
        (lambda b: change(b / "bookings.bson.gz"), "bookings.bson.gz is not as it was written"),
        (lambda b: (b / "rooms.bson.gz").unlink(), "rooms.bson.gz is missing or cut short"),
        (lambda b: os.truncate(b / "rooms.bson.gz", 9), "rooms.bson.gz is missing or cut short"),
        (lambda b: change(b / "manifest.json"), "manifest.json is not as it was written"),
        (lambda b: (b / "SHA256SUMS").write_text(""), "manifest.json is not as it was written"),
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


def test_never_overwrites_anything(folder: Path, other: Any) -> None:
    book()
    backup = back_up(folder)
    own = connections.database()
    other["theirs"].insert_one({"_id": 1})

    for database in (own, other):
        with pytest.raises(CommandError, match="nothing is ever overwritten; name a database"):
            restore(backup, database.name)

    assert own["bookings"].count_documents({}) == 1
    assert names(other) == ["theirs"]


@pytest.mark.parametrize("name", ["a.b", "a b", "a/b", "$a"])
def test_says_what_is_no_name(folder: Path, other: Any, name: str) -> None:
    backup = back_up(folder)

    with pytest.raises(CommandError, match="is no name for a database"):
        restore(backup, name)


def test_wants_a_name(folder: Path, other: Any) -> None:
    backup = back_up(folder)

    with pytest.raises(CommandError, match="^'' is no name for a database"):
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
        match=rf"^MongoDB takes no database named {re.escape(name)} \(MongoDB's {code}: ",
    ):
        restore(backup, name)


def test_says_why_mongodb_refuses_documents(folder: Path, other: Any) -> None:
    book()
    backup = back_up(folder)
    file = backup / "bookings.bson.gz"
    before = hashlib.sha256(file.read_bytes()).hexdigest()
    file.write_bytes(gzip.compress(gzip.decompress(file.read_bytes()) * 2))
    seal_anew(
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


# --- Half-way -------------------------------------------------------------------------------


def kill_half_way(environment: dict[str, str], tmp_path: Path, backup: Path, *way: str) -> None:
    faults = Faults(tmp_path / "faults")
    faults.folder.mkdir()
    faults.arm("in_restore", "kill")
    killed = manage(environment, faults.folder, "restore", str(backup), *way)
    killed.communicate(timeout=60)
    assert killed.returncode == -signal.SIGKILL


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

    with pytest.raises(CommandError, match="is this restore's no more, since another one began"):
        restore(backup, other.name)

    assert documents(other, "bookings") == documents(connections.database(), "bookings")


def test_does_not_call_too_few_documents_a_restore(folder: Path, other: Any, at_point: Any) -> None:
    book()
    backup = back_up(folder)

    def write_beside() -> None:
        other["api_clients"].insert_one({"_id": "not in the backup"})

    at_point("in_restore", write_beside)

    with pytest.raises(CommandError, match="api_clients has 1 documents instead of 0"):
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

    assert said.startswith(f"{newest} is in {own.name}_drill: ")
    assert "ok    documents: 1 bookings" in said
    assert f"{own.name}_drill is dropped" in said
    assert f"{own.name}_drill" not in own.client.list_database_names()


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

    with pytest.raises(CommandError, match="nothing is ever overwritten"):
        drill(backup)

    assert names(theirs) == ["theirs"]
