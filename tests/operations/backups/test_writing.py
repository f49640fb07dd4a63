"""`manage.py backup`: from one moment, complete or absent, and readable for no one else."""

from __future__ import annotations

import fcntl
import io
import os
import re
import resource
import signal
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pymongo
import pytest
from django.core.management import CommandError, call_command

from bookings.infrastructure import connections
from bookings.management.commands import backup as command
from bookings.operations.backups import folders, writing
from bookings.operations.backups.errors import BackupFailed
from local.servers import Server, free_port, start_mongod
from tests.faults import Faults
from tests.operations.backups.conftest import (
    back_up,
    held,
    manage,
    names,
    rename,
    restore,
    seal_again,
)

pytestmark = pytest.mark.mongo

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


@pytest.mark.slow
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


@pytest.mark.parametrize(
    "number", [signal.SIGTERM, pytest.param(signal.SIGINT, marks=pytest.mark.slow)]
)
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
        f"CommandError: No room is left in {folder}, so nothing of this backup is kept; free some, "
        "or keep fewer backups (--keep).\n"
    )
    assert (run.returncode, held(folder)) == (1, [])


def test_says_what_is_wrong_with_its_folder(folder: Path, tmp_path: Path) -> None:
    (tmp_path / "file").touch()

    for path, sentence in (
        (tmp_path / "nowhere", f"{tmp_path / 'nowhere'} is not a folder; make it, or mount"),
        (tmp_path / "file", f"{tmp_path / 'file'} is not a folder; make it, or mount"),
        # Not even root makes a folder here.
        (Path("/proc"), r"/proc/\.lock cannot be written \(.*\); fix that first\."),
    ):
        with pytest.raises(CommandError, match=f"^{sentence}"):
            back_up(path)


def test_leaves_a_folder_to_who_works_in_it(folder: Path) -> None:
    descriptor = os.open(folder / ".lock", os.O_RDWR | os.O_CREAT)
    fcntl.flock(descriptor, fcntl.LOCK_EX)
    try:
        (folder / ".unfinished-20270101T000000Z").mkdir()
        with pytest.raises(CommandError, match="Another backup is running in"):
            back_up(folder)
        assert [path.name for path in held(folder)] == [".unfinished-20270101T000000Z"]
    finally:
        os.close(descriptor)


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


def test_goes_past_odd_folders(folder: Path, other: Any) -> None:
    nameless, alien, directory, denied = (
        rename(back_up(folder), f"2999010{number}T000000Z") for number in (1, 2, 3, 4)
    )
    seal_again(nameless, lambda manifest: manifest.pop("database"))
    (alien / "manifest.json").unlink()
    (alien / "manifest.json").mkdir()
    (directory / "SHA256SUMS").unlink()
    (directory / "SHA256SUMS").mkdir()
    (denied / "SHA256SUMS").unlink()
    (denied / "SHA256SUMS").symlink_to("SHA256SUMS")  # not even root reads it

    backup = back_up(folder, keep=1)
    said = restore(folder, other.name)

    assert held(folder) == [backup, nameless, alien, directory, denied]
    own = connections.database().name
    assert said.startswith(f"{backup} of {own} is in {other.name}: ")


def test_has_another_name_a_second_later_though_nothing_was_written(folder: Path) -> None:
    first = back_up(folder)
    time.sleep(1.1)

    assert back_up(folder) > first


# --- Moments that have passed, servers that fail ----------------------------------------------


@pytest.mark.slow
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


@pytest.fixture
def alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """A database on a separate server, which the command backs up."""
    server = start_mongod(
        free_port(),
        tmp_path / "data",
        tmp_path / "log",
        parameters={"enableTestCommands": True},
        death_signal=signal.SIGKILL,
    )
    with pymongo.MongoClient(server.uri) as client:
        client["site"]["a"].insert_one({})
        monkeypatch.setattr(command, "database", lambda: client["site"])
        yield client["site"]
    server.kill()


@pytest.mark.slow
def test_warns_once_it_takes_half_of_the_window(folder: Path, alone: Any, at_point: Any) -> None:
    alone.client.admin.command({"setParameter": 1, writing.WINDOW_PARAMETER: 4})
    at_point("in_backup", lambda: time.sleep(2.1))
    slow, quick = io.StringIO(), io.StringIO()

    call_command("backup", to=folder, stdout=slow)
    call_command("backup", to=folder, stdout=quick)

    assert re.fullmatch(
        r"Backed up: .*\n"
        r"Soon too slow: reading took \d+ s, and fails at 4 s; start every member of MongoDB with "
        r"a higher minSnapshotHistoryWindowInSeconds\.\n",
        slow.getvalue(),
    )
    assert re.fullmatch(r"Backed up: .*\n", quick.getvalue())


def test_takes_the_default_for_the_window_of_a_server_that_does_not_say(
    folder: Path, alone: Any
) -> None:
    alone.client.admin.command({"setParameter": 1, writing.WINDOW_PARAMETER: 1200})
    said = rename(back_up(folder), "20260101T000000Z")
    alone.client.admin.command(
        "configureFailPoint",
        "failCommand",
        mode="alwaysOn",
        data={"failCommands": ["getParameter"], "errorCode": 13},
    )
    unsaid = back_up(folder)

    assert [folders.read_manifest(one)["window_s"] for one in (said, unsaid)] == [1200, 300]


def test_fails_when_collections_change_meanwhile(extra: Any, folder: Path, at_point: Any) -> None:
    at_point("in_backup", lambda: extra["extra_late"].insert_one({}) and None)

    with pytest.raises(CommandError, match="changed during the backup; try again"):
        back_up(folder)

    assert held(folder) == []


@pytest.mark.slow
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

    with pytest.raises(CommandError, match="extra_capped is capped, so no snapshot can read it"):
        back_up(folder)


def test_leaves_views_and_time_series_out_and_says_so(extra: Any, folder: Path, other: Any) -> None:
    extra.create_collection("extra_view", viewOn="bookings", pipeline=[])
    extra.create_collection("extra_series", timeseries={"timeField": "at"})
    said = io.StringIO()

    call_command("backup", to=folder, stdout=said)
    restore(folder, other.name)

    assert sorted(said.getvalue().splitlines()[1:]) == [
        "Left out: extra_series, since its type is timeseries; a restore does not bring it back.",
        "Left out: extra_view, since its type is view; a restore does not bring it back.",
    ]
    assert not {"extra_view", "extra_series"} & set(names(other))


def test_has_nothing_to_keep_of_an_empty_database(folder: Path, other: Any) -> None:
    with pytest.raises(BackupFailed, match="is empty; name the site's database"):
        writing.write_backup(other, folder, application="x", keep=None)
