"""Servers as children: they start, keep their data, and never outlive their parent."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pymongo
import pymongo.errors
import pytest
import redis

from local.binaries import library_problem, redis_kind
from local.ports import free_port, port_is_free
from local.servers import Server, ServerFailed, start_mongod, start_redis

ROOT = Path(__file__).resolve().parents[2]

PARENT = """
import sys, time
from pathlib import Path
from local.servers import free_port, start_redis
folder = Path(sys.argv[1])
server = start_redis(free_port(), folder / "data", folder / "log")
sys.stdout.write(f"{server.pid}\\n")
sys.stdout.flush()
time.sleep(60)
"""


def wait_until(is_so: Callable[[], bool], *, timeout_s: float = 10.0) -> None:
    deadline = time.monotonic() + timeout_s
    while not is_so():
        assert time.monotonic() < deadline, "it took too long"
        time.sleep(0.02)


def is_alive(pid: int) -> bool:
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except FileNotFoundError:
        return False
    return state != "Z"


def test_keeps_what_mongod_acknowledged_through_a_kill(own_mongod: Server) -> None:
    with pymongo.MongoClient(own_mongod.uri, w="majority") as client:
        client.shop.things.insert_one({"_id": 1})

        own_mongod.kill()
        own_mongod.start()

        assert client.shop.things.find_one() == {"_id": 1}


@pytest.mark.slow
def test_takes_mongod_data_to_another_port(own_mongod: Server) -> None:
    with pymongo.MongoClient(own_mongod.uri, w="majority") as client:
        client.shop.things.insert_one({"_id": 1})
    own_mongod.stop()

    moved = start_mongod(
        free_port(), own_mongod.data_dir, own_mongod.log_path, death_signal=signal.SIGKILL
    )

    try:
        with pymongo.MongoClient(moved.uri, w="majority") as client:
            assert client.shop.things.find_one() == {"_id": 1}
            assert client.admin.command("hello")["hosts"] == [f"127.0.0.1:{moved.port}"]
            client.shop.things.insert_one({"_id": 2})
    finally:
        moved.kill()


def test_bounds_transactions_that_a_killed_process_left_open(own_mongod: Server) -> None:
    with pymongo.MongoClient(own_mongod.uri) as client:
        answer = client.admin.command({"getParameter": 1, "transactionLifetimeLimitSeconds": 1})

    assert answer["transactionLifetimeLimitSeconds"] == 5


def test_never_drops_keys_for_want_of_memory(own_redis: Server) -> None:
    with redis.Redis.from_url(own_redis.uri) as client:
        assert client.config_get("maxmemory-policy") == {"maxmemory-policy": "noeviction"}


def test_freezes_and_thaws_a_server(own_redis: Server) -> None:
    with redis.Redis.from_url(own_redis.uri, socket_timeout=0.2, retry=None) as client:
        own_redis.freeze()
        with pytest.raises(redis.TimeoutError):
            client.ping()
        own_redis.thaw()

        assert client.ping()


def test_keeps_redis_data_in_its_log_of_writes(tmp_path: Path) -> None:
    server = start_redis(free_port(), tmp_path / "data", tmp_path / "log")
    try:
        with redis.Redis.from_url(server.uri) as client:
            client.set("a", "1")
            server.stop()
            server.start()
            assert client.get("a") == b"1"
    finally:
        server.kill()


def test_stops_a_frozen_server_and_frees_its_port(own_redis: Server) -> None:
    own_redis.freeze()

    own_redis.stop(timeout_s=5)

    assert not is_alive(own_redis.pid)
    assert port_is_free(own_redis.port)


def test_names_the_log_of_a_server_that_does_not_start(tmp_path: Path) -> None:
    with pytest.raises(ServerFailed, match=str(tmp_path / "log")):
        start_redis(free_port(), tmp_path / "data", tmp_path / "log", extra=["--no-such-option"])


def test_refuses_a_port_that_another_server_answers_on(own_redis: Server, tmp_path: Path) -> None:
    with pytest.raises(ServerFailed):
        start_redis(own_redis.port, tmp_path / "data", tmp_path / "log")


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells children of a death")
def test_ends_the_server_of_a_parent_that_was_killed(tmp_path: Path) -> None:
    parent = subprocess.Popen(
        [sys.executable, "-c", PARENT, str(tmp_path)], cwd=ROOT, stdout=subprocess.PIPE, text=True
    )
    with parent:
        server_pid = int(parent.stdout.readline())  # type: ignore[union-attr]
        assert is_alive(server_pid)

        parent.kill()

    wait_until(lambda: not is_alive(server_pid))


def test_removes_the_files_of_a_killed_test_run(tmp_path: Path) -> None:
    folder = tmp_path / "files"
    folder.mkdir()
    (folder / "data").write_text("x")
    script = (
        "import subprocess, sys, os; subprocess.Popen([sys.executable, '-m', 'tests.sweeper', "
        f"str(os.getpid()), {str(folder)!r}])"
    )

    subprocess.run([sys.executable, "-c", script], cwd=ROOT, check=True)

    wait_until(lambda: not folder.exists())


def test_gives_each_worker_a_database_of_its_own() -> None:
    worker = os.environ.get("PYTEST_XDIST_WORKER", "main")

    assert os.environ["MONGODB_NAME"] == f"test_bookingsite_{worker}"
    number = 0 if worker == "main" else int(worker[2:]) + 1
    assert os.environ["REDIS_URL"].endswith(f"/{number}")


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        ("Redis server v=7.0.15 sha=00000000:0 malloc=jemalloc-5.3.0", "redis-7"),
        ("Redis server v=6.2.1 sha=0", None),
        ("Valkey server v=9.1.2 sha=0", "valkey-9"),
        ("Valkey server v=7.2.8 sha=0", None),
        ("", None),
    ],
)
def test_tells_engines_and_versions_apart(text: str, kind: str | None) -> None:
    assert redis_kind(text) == kind


def test_names_the_package_of_a_missing_library(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("shutil.which", lambda name: f"/usr/bin/{name}")

    problem = library_problem("\tlibcurl.so.4 => not found\n\tlibm.so.6 => /lib/libm.so.6 (0x1)\n")

    assert problem == "mongod lacks libcurl.so.4: type sudo apt-get install libcurl4"


def test_says_what_to_do_about_libraries_without_a_known_package() -> None:
    problem = library_problem("\tlibodd.so.1 => not found\n")

    assert problem is not None
    assert "libodd.so.1" in problem
    assert "MONGODB_URI" in problem


def test_recognises_a_system_that_is_too_old() -> None:
    problem = library_problem("mongod: /lib/libc.so.6: version `GLIBC_2.34' not found\n")

    assert problem is not None
    assert "GLIBC_2.34" in problem


def test_is_content_with_complete_libraries() -> None:
    assert library_problem("\tlibm.so.6 => /lib/libm.so.6 (0x1)\n") is None
