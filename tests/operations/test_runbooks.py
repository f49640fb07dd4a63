"""The runbooks are true: their commands do what the page says, on real servers.

MongoDB and Redis ask for logins, as in production, and the site's user has the rights that
`init_replica_set` gives it and no others.
"""

from __future__ import annotations

import dataclasses
import io
import os
import re
import shlex
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import dropwhile
from pathlib import Path

import pytest
import redis
from django.core.management import call_command
from django.db import connection
from django.test import override_settings
from pymongo import MongoClient

from bookings.infrastructure import connections
from bookings.models import ApiClient
from bookings.operations import demo_data, sweep_tally
from bookings.people.tokens import issue_token
from local.children import Child
from local.servers import ONE_TRY, REPLICA_SET, Server, plan_redis
from tests.calls import book, let_hold_end
from tests.servers import make_keyfile, plan_member, start_and_wait, start_throwaway
from tests.site import ROOT

pytestmark = pytest.mark.site

FOLDER = ROOT / "docs" / "runbooks"
PAGES = sorted(path.name for path in FOLDER.glob("*.md"))

# Commands that no test runs, each with the reason, by the beginning of the command.
NOT_RUN = {
    "kubectl": "there is no cluster here; tests/manifests/test_commands.py checks names and flags",
    "docker compose": "there are no containers here; the same checks services",
    ". compose/made-by-make-secrets.sh": "for these; manifests/test_image.py makes that folder",
    "echo | openssl s_client": "it asks a public name",
    "manage.py change_replica_set": "tests/operations/test_replica_set.py runs it on three members",
    "read -rs": "it asks at a terminal",
    "export MONGODB_": "the test sets these variables, to servers that are here",
}

# The name of the new database on the page about restoring.
RESTORED = "bookingsite_back"

# The names of MongoDB's users of the site on the pages, and the database that keeps these users.
USER, NEW_USER, USERS_DATABASE = "bookingsite", "newname", "bookingsite"

PASSWORD = "of-all-but-admin"
ADMIN_PASSWORD = "of-admin"

_BLOCK = re.compile(r"^```console(?: (test)(?: ([a-z-]+))?)?\n(.*?)^```$", re.DOTALL | re.MULTILINE)


@dataclass(frozen=True)
class Block:
    """Commands of a page, each with its output, and its exit status if that is not 0."""

    is_tested: bool
    situation: str
    commands: list[tuple[str, list[str], int]]


def read_blocks(page: str) -> list[Block]:
    blocks = []
    for tested, situation, text in _BLOCK.findall((FOLDER / page).read_text(encoding="utf-8")):
        commands = []
        for part in text.removeprefix("$ ").split("\n$ "):
            command, *lines = part.strip("\n").split("\n")
            status = 0
            if lines and (match := re.fullmatch(r"exit status (\d+)", lines[-1])):
                status = int(match[1])
                lines = lines[:-1]
            commands.append((command, lines, status))
        blocks.append(Block(bool(tested), situation, commands))
    return blocks


@dataclass(frozen=True)
class Stage:
    """A site without its web: servers, worker and beat, and a shell that reaches them."""

    variables: dict[str, str]
    redis: Server
    worker: Child
    beat: Child
    # The MongoDB servers that the pages' situations have started.
    others: list[Server] = field(default_factory=list)

    def wait_until_alive(self) -> None:
        """Returns once the worker has swept for beat, and answers."""
        deadline_s = time.monotonic() + 60
        with connections.looking_into(self.variables["MONGODB_NAME"]):
            while "beat" not in sweep_tally.read().last_run_age_s:
                assert time.monotonic() < deadline_s, self.worker.log_path.read_text()[-2000:]
                time.sleep(0.1)
        # In a separate process: Celery keeps connections, and pages break them.
        ping = [sys.executable, "-m", "celery", "-A", "bookingsite", "inspect", "ping"]
        while subprocess.run(
            ping, cwd=ROOT, env=self.variables, capture_output=True, check=False
        ).returncode:
            assert time.monotonic() < deadline_s, self.worker.log_path.read_text()[-2000:]

    def restart_parts(self) -> None:
        """Restarts worker and beat, with the variables as they are now."""
        for part in (self.worker, self.beat):
            part.kill()
            part.env = self.variables
            part.start()
        self.wait_until_alive()

    def run(self, command: str) -> tuple[str, int]:
        done = subprocess.run(
            ["bash", "-c", command],
            cwd=ROOT,
            env=self.variables,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=60,
            check=False,
        )
        return done.stdout, done.returncode


def address(port: int, *, user: str) -> str:
    """MongoDB's URI, for a user of the site or for admin."""
    if user == "admin":
        return f"mongodb://admin:{ADMIN_PASSWORD}@127.0.0.1:{port}/?replicaSet={REPLICA_SET}"
    return (
        f"mongodb://{user}:{PASSWORD}@127.0.0.1:{port}/"
        f"?replicaSet={REPLICA_SET}&authSource={USERS_DATABASE}"
    )


@pytest.fixture(scope="module")
def guarded(migrated: None, tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, str]]:
    """A MongoDB that asks for logins, migrated by the site's user; yields the variables to reach
    it.

    This process itself writes there as admin, beside the site's user.
    """
    folder = tmp_path_factory.mktemp("guarded")
    keyfile = make_keyfile(folder)
    member = plan_member(folder, 0, keyfile)
    start_and_wait(member)
    variables = {
        "MONGODB_URI": address(member.port, user=USER),
        "MONGODB_NAME": connections.database().name,
        "MONGODB_KEYFILE": str(keyfile),
        "MONGODB_ADMIN_PASSWORD": ADMIN_PASSWORD,
    }
    make_users(variables)
    try:
        with reaching(variables["MONGODB_URI"]):
            call_command("migrate", verbosity=0)
            demo_data.seed(bench_rooms=1)
        variables["MONGODB_ADMIN_URI"] = address(member.port, user="admin")
        with reaching(variables["MONGODB_ADMIN_URI"]):
            yield variables
    finally:
        member.kill()
        shutil.rmtree(folder)


def make_users(variables: dict[str, str]) -> None:
    """Gives the site's user its rights on the database that the variables name, and on no other."""
    names = ("MONGODB_URI", "MONGODB_NAME", "MONGODB_KEYFILE", "MONGODB_ADMIN_PASSWORD")
    with override_settings(**{name: variables[name] for name in names}):
        call_command("init_replica_set", stdout=io.StringIO())


@contextmanager
def reaching(uri: str) -> Iterator[None]:
    """Makes this process, with all its threads, ask the MongoDB at this URI meanwhile."""
    own = connections.database()
    # The one client of Django's backend, for threads that start meanwhile.
    pools = connection._connection_pools  # type: ignore[attr-defined]
    options = {**connection.get_connection_params(), "host": uri}
    with MongoClient(**options) as client:
        pools[connection.alias] = connection.connection = client
        connection.database = client[own.name]
        try:
            yield
        finally:
            pools[connection.alias] = connection.connection = own.client
            connection.database = own


def start_guarded_redis(
    port: int, data_dir: Path, log_path: Path, *, death_signal: signal.Signals
) -> Server:
    """A Redis in memory that asks for the password, like that of compose.yaml and Kubernetes."""

    def answers(server: Server) -> bool:
        with redis.Redis(port=server.port, password=PASSWORD, retry=ONE_TRY) as client:
            try:
                return client.info("server")["process_id"] == server.pid
            except redis.RedisError:
                return False

    extra = ("--requirepass", PASSWORD)
    planned = plan_redis(
        port, data_dir, log_path, appendonly=False, extra=extra, death_signal=death_signal
    )
    server = dataclasses.replace(
        planned, uri=f"redis://:{PASSWORD}@127.0.0.1:{port}/0", answers=answers
    )
    server.start()
    return server


@pytest.fixture(scope="module")
def whole_stage(
    guarded: dict[str, str],
    environment: dict[str, str],
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Stage]:
    folder = tmp_path_factory.mktemp("runbooks")
    server = start_throwaway(start_guarded_redis, folder / "redis")
    shims = folder / "bin"
    shims.mkdir()
    for name, runs in (("manage.py", "manage.py"), ("redis-cli", "-m tests.redis_cli")):
        (shims / name).write_text(f'#!/bin/sh\nexec "{sys.executable}" {runs} "$@"\n')
        (shims / name).chmod(0o755)
    variables = {
        **environment,
        **guarded,
        "PATH": f"{shims}:{os.environ['PATH']}",
        "SECRET_KEY": "only-for-tests",
        "REDIS_URL": server.uri,
        "REDIS_HOST": "127.0.0.1",
        "REDIS_PORT": str(server.port),
        "REDISCLI_AUTH": PASSWORD,
        # Its sweeps come at once, and are late only when the page says so.
        "EXPIRY_INTERVAL_S": "1",
    }
    parts = [
        Child(
            name=name,
            argv=[sys.executable, "-m", "celery", "-A", "bookingsite", name, *arguments],
            log_path=folder / f"{name}.log",
            death_signal=signal.SIGKILL,
            env=variables,
        )
        for name, arguments in (
            ("worker", ["--concurrency", "1", "--loglevel", "INFO"]),
            ("beat", ["--schedule", str(folder / "schedule")]),
        )
    ]
    for part in parts:
        part.start()
    yield Stage(variables, server, *parts)
    for child in (*parts, server):
        child.kill()


@pytest.fixture
def stage(whole_stage: Stage, database: None, tmp_path: Path, page: str) -> Iterator[Stage]:
    """Everything alive and one booking made, whatever the previous page has broken."""
    own = connections.database()
    # The page about restoring names its database, and may be tried beside another page.
    copies = [f"{own.name}_drill", *([RESTORED] if page == "restore.md" else [])]
    for name in copies:
        own.client.drop_database(name)
    for child in (whole_stage.redis, whole_stage.worker, whole_stage.beat):
        if not child.is_running:
            child.start()
    client, _ = ApiClient.objects.get_or_create(name="partner")
    issue_token(client.pk)
    book("stay")
    (tmp_path / "backups").mkdir()
    variables = {
        **whole_stage.variables,
        "BACKUPS": str(tmp_path / "backups"),
        "OLD_NAME": own.name,
        "SINCE": "2020-01-01T00:00:00+00:00",
        "IS_REGRANTED": "",
    }
    stage = dataclasses.replace(whole_stage, variables=variables)
    stage.wait_until_alive()
    yield stage
    while stage.others:
        stage.others[-1].kill()
        shutil.rmtree(stage.others.pop().data_dir)
    if "NEW_PASSWORD" in stage.variables:
        stage.redis.kill()  # and its passwords with it
    if stage.variables["IS_REGRANTED"]:
        make_users(whole_stage.variables)
        # To logged-in clients, a user that was dropped and made again is another user.
        for part in (stage.worker, stage.beat):
            part.kill()
            part.env = whole_stage.variables
    for name in copies:
        own.client.drop_database(name)


def _let_beat_die(stage: Stage) -> None:
    stage.beat.kill()
    time.sleep(1.5)  # for the messages it has already sent
    connections.collection("sweeps").update_one(
        {}, [{"$set": {"last_run_at.beat": {"$subtract": ["$$NOW", 3600 * 1000]}}}]
    )


def _leave_a_hold(stage: Stage) -> None:
    _let_beat_die(stage)
    book("hold", hold=True, resourceId="room_B")
    let_hold_end(minutes_ago=60)


def _back_up(stage: Stage) -> str:
    said, _ = stage.run('manage.py backup --to "$BACKUPS"')
    return said.removeprefix("Backed up: ").strip()


def _damage(stage: Stage) -> None:
    """Loses the booking after a backup, and has the broken database backed up as well."""
    stage.variables["BACKUP"] = _back_up(stage)
    connections.collection("bookings").delete_many({})
    book("later", resourceId="room_B")
    time.sleep(1)  # names have a resolution of one second
    assert _back_up(stage) > stage.variables["BACKUP"]


def _name_restored(stage: Stage) -> None:
    """Names the new database, on which the site's user has no rights yet."""
    restored = connections.database().client[RESTORED]
    rooms = [
        database["bookings"].distinct("rooms.room")
        for database in (restored, connections.database())
    ]
    assert rooms == [["room_A"], ["room_B"]]
    stage.variables.update(MONGODB_NAME=RESTORED, IS_REGRANTED="yes")
    said, ended = stage.run("manage.py migrate --check")
    assert (ended, f"not authorized on {RESTORED}" in said, "'code': 13," in said) == (
        1,
        True,
        True,
    )


def _go_back(stage: Stage) -> None:
    stage.variables["MONGODB_NAME"] = connections.database().name


def _lose_mongodb(stage: Stage) -> None:
    stage.variables["MONGODB_URI"] = "mongodb://127.0.0.1:1/?replicaSet=rs0"


def _empty_mongodb(stage: Stage) -> None:
    """Names a member that waits for its set, with a backup of the previous one at hand."""
    stage.variables["MONGODB_URI"] = stage.variables["MONGODB_ADMIN_URI"]
    _back_up(stage)
    keyfile = Path(stage.variables["MONGODB_KEYFILE"])
    member = plan_member(Path(stage.variables["BACKUPS"]).parent, 0, keyfile)
    stage.others.append(member)
    start_and_wait(member)
    stage.variables.update(
        MONGODB_URI=address(member.port, user=USER),
        MONGODB_ADMIN_URI=address(member.port, user="admin"),
    )


def _choose_password(stage: Stage) -> None:
    stage.variables.update(
        OLD_PASSWORD=PASSWORD,
        NEW_PASSWORD="new-password",
        NEW_REDIS_URL=f"redis://:new-password@127.0.0.1:{stage.redis.port}/0",
    )


def _choose_user(stage: Stage) -> None:
    """Names another user of MongoDB's, whom MongoDB does not know yet."""
    stage.variables["MONGODB_URI"] = stage.variables["MONGODB_URI"].replace(
        f"//{USER}:", f"//{NEW_USER}:"
    )
    stage.variables["IS_REGRANTED"] = "yes"
    said, ended = stage.run("manage.py migrate --check")
    assert (ended, "does not accept this user and password" in said) == (1, True)


SITUATIONS: dict[str, Callable[[Stage], object]] = {
    "": lambda stage: None,
    "redis-dead": lambda stage: stage.redis.kill(),
    "redis-empty": lambda stage: (
        stage.redis.kill(),
        stage.redis.start(),
        stage.wait_until_alive(),
    ),
    "redis-password": _choose_password,
    "mongodb-user": _choose_user,
    "beat-dead": _let_beat_die,
    "holds-left": _leave_a_hold,
    "damaged": _damage,
    "mongodb-dead": _lose_mongodb,
    "mongodb-empty": _empty_mongodb,
    "restored": _name_restored,
    "restarted": Stage.restart_parts,
    "going-back": _go_back,
}


@pytest.mark.slow
@pytest.mark.parametrize("page", PAGES)
def test_have_commands_that_do_as_the_page_says(page: str, stage: Stage) -> None:
    for block in read_blocks(page):
        if not block.is_tested:
            continue
        SITUATIONS[block.situation](stage)
        for command, lines, status in block.commands:
            said, ended = stage.run(command)

            rest = said
            for line in lines:
                pattern = "^" + ".*".join(map(re.escape, line.split("…"))) + "$"
                found = re.search(pattern, rest, re.MULTILINE)
                assert found, f"{page}: {command}\ndoes not say: {line}\nbut:\n{said}"
                rest = rest[found.end() :]
            assert ended == status, f"{page}: {command}\n{said}"
            assert "Traceback" not in said


def test_say_which_commands_are_not_run_and_why() -> None:
    commands = {
        command
        for page in PAGES
        for block in read_blocks(page)
        if not block.is_tested
        for command, _, _ in block.commands
    }

    unexplained = [c for c in commands if not c.startswith(tuple(NOT_RUN))]
    unused = [start for start in NOT_RUN if not any(c.startswith(start) for c in commands)]
    assert (unexplained, unused) == ([], [])


def test_give_redis_cli_no_password_as_an_argument() -> None:
    for page in PAGES:
        for block in read_blocks(page):
            for command, _, _ in block.commands:
                _, _, arguments = command.partition("redis-cli ")
                assert not re.search(r"URL|PASSWORD|password", arguments.split("<<<")[0]), page


def test_give_no_program_a_login_as_an_argument() -> None:
    """Only the program itself reads its variables and its input, and builtins start none."""
    for page in PAGES:
        for block in read_blocks(page):
            for command, _, _ in block.commands:
                words = shlex.split(command.split("<<<")[0])
                program, *arguments = dropwhile(re.compile(r"\w+=").match, words)
                if program not in ("export", "read", "."):
                    shown = re.findall(r"\$\{?\w*(?:PASSWORD|UR[IL])\w*", " ".join(arguments))
                    assert not shown, f"{page}: {command}"


def test_show_no_command_outside_a_block() -> None:
    for page in PAGES:
        text = (FOLDER / page).read_text(encoding="utf-8")
        assert text.count("```console") == len(read_blocks(page)), page
        assert not re.search(r"^\$ ", _BLOCK.sub("", text), re.MULTILINE), page
        known = {block.situation for block in read_blocks(page)}
        assert known <= SITUATIONS.keys(), page
