"""A pytest plugin that gives the tests a real MongoDB and a real Redis.

It starts one of each for a whole run, before pytest-django reads the settings, and removes them
with their files at the end. Under xdist only the controlling process does so; its workers share the
two servers, each with its own database. The plugin ignores servers named in the environment, so no
test ever writes to a server in use.
"""

from __future__ import annotations

import atexit
import base64
import gc
import os
import secrets
import shutil
import signal
import tempfile
from collections.abc import Callable, Generator, Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from pymongo import MongoClient

from local.children import Child, ask_for_death_signal
from local.servers import (
    Server,
    ServerFailed,
    free_port,
    plan_mongod,
    start_mongod,
    start_redis,
)
from tests.sweeper import sweep_when_killed

ROOT = Path(__file__).resolve().parent.parent

# No server listens here: for runs that only look at the tests.
NOWHERE = {"MONGODB_URI": "mongodb://127.0.0.1:1/", "REDIS_URL": "redis://127.0.0.1:1/0"}

# A file system without a disk. MongoDB waits for its files at each write, which is half of the time
# of a write. The servers of single tests are here as well: some 0.3 GB for each mongod.
IN_MEMORY = Path("/dev/shm")
NEEDED_IN_MEMORY_BYTES = 6_000_000_000


@pytest.hookimpl(wrapper=True)
def pytest_load_initial_conftests(early_config: pytest.Config) -> Generator[None]:
    worker = os.environ.get("PYTEST_XDIST_WORKER")
    if worker is None:
        if _only_looks(early_config):
            os.environ.update(NOWHERE)
        else:
            _start_servers(early_config)
    else:
        # A worker in the middle of a test does not notice the end of its controlling process.
        ask_for_death_signal(signal.SIGKILL)
    os.environ.update(_database_of(worker))
    # Hundreds of processes import the site: the first ones keep their compiled files for the
    # others.
    os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
    return (yield)


@pytest.hookimpl(wrapper=True)
def pytest_collection() -> Generator[None, object, object]:
    """Make the garbage collector skip the thousands of tests, which stay until the end.

    Otherwise it visits all of them again and again, which is a seventh of the run's work.
    """
    gc.disable()
    try:
        return (yield)
    finally:
        gc.freeze()
        gc.enable()


def _only_looks(config: pytest.Config) -> bool:
    """Whether this run executes no test."""
    options = config.known_args_namespace
    flags = ("collectonly", "help", "version", "markers", "showfixtures", "show_fixtures_per_test")
    return any(getattr(options, flag, False) for flag in flags)


def _database_of(worker: str | None) -> dict[str, str]:
    """Name the databases of one worker; the run without workers is called main."""
    number = 0 if worker is None else int(worker.removeprefix("gw")) + 1
    server, _, _ = os.environ["REDIS_URL"].rpartition("/")
    return {
        "MONGODB_NAME": f"test_bookingsite_{worker or 'main'}",
        "REDIS_URL": f"{server}/{number}",
    }


def _start_servers(config: pytest.Config) -> None:
    folder = Path(tempfile.mkdtemp(prefix="bookingsite-tests-", dir=quickest_place()))
    remove_folder = sweep_when_killed(folder)
    servers: list[Server] = []

    def take_away() -> None:
        while servers:
            servers.pop().kill()
        remove_folder()

    # pytest runs its cleanup even after Ctrl-C; atexit is for a plugin that ends the process before
    # pytest gets that far.
    config.add_cleanup(take_away)
    atexit.register(take_away)

    servers.append(start_throwaway(start_mongod, folder / "mongod"))
    servers.append(start_throwaway(start_redis_in_memory, folder / "redis"))
    os.environ["MONGODB_URI"], os.environ["REDIS_URL"] = (server.uri for server in servers)
    # The folder for the private servers of single tests, in workers too.
    os.environ["TEST_SERVERS_FOLDER"] = str(folder)


def quickest_place() -> Path | None:
    """Choose where the servers' files go: into memory if there is room, else to temporary files."""
    try:
        has_room = shutil.disk_usage(IN_MEMORY).free >= NEEDED_IN_MEMORY_BYTES
    except OSError:
        return None
    return IN_MEMORY if has_room and os.access(IN_MEMORY, os.W_OK) else None


def start_redis_in_memory(
    port: int, data_dir: Path, log_path: Path, *, death_signal: signal.Signals
) -> Server:
    return start_redis(port, data_dir, log_path, appendonly=False, death_signal=death_signal)


def start_throwaway(start: Callable[..., Server], folder: Path) -> Server:
    """Start a server that may be killed with its data, on its own port."""
    for attempt in range(1, 4):
        try:
            return start(
                free_port(),
                folder / "data",
                folder / "log",
                death_signal=signal.SIGKILL,
            )
        except ServerFailed as error:
            # Another run may have taken the port between the look and the start.
            log = (folder / "log").read_text(errors="replace")
            if attempt == 3 or "already in use" not in log:
                raise pytest.UsageError(f"{error}\n{log[-2000:]}") from error
    raise AssertionError("the loop above returns or raises")


@pytest.fixture
def own_mongod() -> Iterator[Server]:
    """A MongoDB for this test alone, to stop, freeze or kill (and `start` again)."""
    yield from own_server(start_mongod)


@pytest.fixture
def own_redis() -> Iterator[Server]:
    """A Redis for this test alone, in memory, to stop, freeze, flush or kill (and `start`
    again)."""
    yield from own_server(start_redis_in_memory)


def own_server(start: Callable[..., Server]) -> Iterator[Server]:
    """For a fixture: start a server on its own port, and remove it with its files at the end."""
    folder = Path(tempfile.mkdtemp(dir=os.environ["TEST_SERVERS_FOLDER"]))
    server = start_throwaway(start, folder)
    yield server
    server.kill()
    shutil.rmtree(folder, ignore_errors=True)


def make_keyfile(folder: Path) -> Path:
    """Make the key by which members know each other; with it, members ask clients for a login."""
    keyfile = folder / "keyfile"
    # With line ends, as `openssl rand -base64 756` writes it.
    keyfile.write_bytes(base64.encodebytes(secrets.token_bytes(600)))
    keyfile.chmod(0o400)
    return keyfile


def plan_member(folder: Path, number: int, keyfile: Path) -> Server:
    """A mongod that belongs to no set yet, and admits only clients that know its key."""
    server = plan_mongod(
        free_port(),
        folder / f"data{number}",
        folder / f"log{number}",
        # The command must not get in only because it runs on the same machine.
        parameters={"enableLocalhostAuthBypass": False},
    )
    server.data_dir.mkdir()
    return replace(server, argv=[*server.argv, "--keyFile", str(keyfile)])


def start_and_wait(member: Server) -> None:
    """Start a member and return when it answers; it may belong to no set, or have no primary."""
    Child.start(member)
    with MongoClient("127.0.0.1", member.port, directConnection=True) as client:
        client.admin.command("ping")


@pytest.fixture(scope="session")
def rounds() -> int:
    """How many times as often as in an everyday run a race is run: ROUNDS of the environment."""
    return int(os.environ.get("ROUNDS", "1"))


def pytest_report_header() -> str | None:
    """Say which tests are left out, since under xdist pytest's closing line does not."""
    return None if _runs_slow() else "without the tests marked slow; SLOW=1 runs them too"


def _runs_slow() -> bool:
    return os.environ.get("SLOW") == "1"


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leave out the tests marked slow unless the environment says SLOW=1."""
    if _runs_slow():
        return
    slow = [item for item in items if item.get_closest_marker("slow")]
    if slow:
        config.hook.pytest_deselected(items=slow)
        items[:] = [item for item in items if not item.get_closest_marker("slow")]
