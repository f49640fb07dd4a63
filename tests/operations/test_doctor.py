"""`manage.py doctor` reports what is broken; the tests here really break each thing."""

from __future__ import annotations

import dataclasses
import json
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from threading import Event, Thread
from types import SimpleNamespace
from typing import Any

import pymongo
import pytest
from bson import ObjectId
from kombu.exceptions import OperationalError
from pymongo import _csot
from pymongo.collation import Collation
from pymongo.errors import PyMongoError
from pytest_django import Settings

from bookings import indexes
from bookings.infrastructure import connections
from bookings.infrastructure.mongodb import errors
from bookings.operations import doctor, sweep_tally
from bookings.operations.doctor import background, clocks, mongodb, recount, redis_server
from bookings.operations.doctor.findings import Finding, ok
from local.servers import Server, free_port, plan_mongod, start_mongod, start_redis
from locks.connection import connect
from tests.calls import book, let_hold_end, stored
from tests.conftest import night
from tests.locks.quorum import redis_servers
from tests.site import ROOT

pytestmark = pytest.mark.mongo

Patch = pytest.MonkeyPatch


@pytest.fixture(autouse=True)
def _hurry(monkeypatch: Patch) -> None:
    """No worker runs here, so the doctor need not wait for its answer."""
    monkeypatch.setattr(background, "WORKER_TIMEOUT_S", 0.05)


@pytest.fixture(autouse=True)
def _have_room(monkeypatch: Patch) -> None:
    """The disk of the machine that runs the tests may be full."""
    monkeypatch.setattr("bookings.infrastructure.mongodb.members.MIN_FREE_SHARE", 0.0)


@pytest.fixture
def bookings(database: None) -> Iterator[Any]:
    """The collection, to change in ways that the site never would; its indexes come back."""
    yield connections.database()["bookings"]
    connections.database()["bookings"].drop()
    indexes.make_booking_indexes(connections.database())


def examine() -> dict[str, Finding]:
    return dict(doctor.examine())


def levels(findings: dict[str, Finding]) -> dict[str, str]:
    return {name: finding.level for name, finding in findings.items()}


def run(environment: dict[str, str], **variables: str) -> subprocess.CompletedProcess[str]:
    """Runs the command itself, in its own process."""
    return subprocess.run(
        [sys.executable, "manage.py", "doctor"],
        cwd=ROOT,
        env={**environment, **variables},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


# --- The whole command ----------------------------------------------------------------------


def test_finds_a_sound_site_sound() -> None:
    book("stay", checkIn=night(3), checkOut=night(6))
    book("hold", hold=True)
    sweep_tally.end_run(started_by="beat", oldest_age_s=0.0)

    findings = examine()

    # The tests' Redis keeps nothing, and no worker runs beside them.
    but = {"Redis persistence": "warn", "worker": "FAIL"}
    assert levels(findings) == {name: but.get(name, "ok") for name in findings}
    assert len(findings) == 24
    assert findings["nights sold once"].text == "4 nights of active bookings, none sold twice."
    assert findings["keys used once"].text == "2 keys, none in two bookings."


def test_writes_nothing() -> None:
    book("stay")
    book("hold", hold=True)
    let_hold_end()
    database = connections.database()

    before = database.command("dbHash")["md5"]
    examine()

    assert database.command("dbHash")["md5"] == before


def test_prints_a_line_a_check_and_exits_1_when_one_fails(environment: dict[str, str]) -> None:
    done = run(environment)

    lines = done.stdout.splitlines()
    assert len(lines) == 24
    assert all(re.fullmatch(r"(ok  |warn|FAIL)  [A-Za-z ]+: .+\.", line) for line in lines), lines
    assert done.returncode == 1
    assert "FAIL  worker: No worker answers" in done.stdout


@pytest.mark.slow
def test_goes_on_without_mongodb_and_never_hangs(
    environment: dict[str, str], own_mongod: Server
) -> None:
    own_mongod.freeze()

    with subprocess.Popen(
        [sys.executable, "manage.py", "doctor"],
        cwd=ROOT,
        env={**environment, "MONGODB_URI": own_mongod.uri},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    ) as process:
        assert process.stdout is not None
        first = process.stdout.readline()
        knows_s = time.monotonic()
        # Not communicate(), which would miss lines that arrived together with the first one.
        rest = process.stdout.read()
        took_s = time.monotonic() - knows_s

    assert process.returncode == 1
    assert "MongoDB does not answer, or has no primary; start it" in first
    assert rest.count("MongoDB does not answer, or has no primary; start it") == 17
    assert "ok    Redis: " in rest
    assert "Traceback" not in rest
    # Fourteen more would wait for twenty seconds if each of them asked again.
    assert took_s < 10


@pytest.mark.parametrize("how", ["kill", "freeze"])
def test_goes_on_without_redis(settings: Settings, own_redis: Server, how: str) -> None:
    settings.REDIS_URL = settings.CELERY_BROKER_URL = own_redis.uri
    getattr(own_redis, how)()

    started_s = time.monotonic()
    findings = examine()

    silent = {name for name, finding in findings.items() if "does not answer" in finding.text}
    assert silent == {"Redis", "Redis persistence", "Redis eviction", "clock of Redis", "worker"}
    assert {findings[name].level for name in silent} == {"FAIL"}
    assert findings["Redis"].text.startswith(f"Redis at 127.0.0.1:{own_redis.port} does not")
    assert findings["nights sold once"].level == "ok"
    assert time.monotonic() - started_s < 5


def test_does_not_take_an_unfinished_recount_for_a_good_one(monkeypatch: Patch) -> None:
    book("stay")
    monkeypatch.setattr(doctor, "RECOUNT_SHARE", 1e-7)

    findings = examine()

    for name in ("nights sold once", "keys used once", "documents", "search terms"):
        assert findings[name].level == "FAIL"
        assert "so nothing is proven" in findings[name].text
    assert findings["stale holds"].level == "ok"


def test_lets_a_recount_take_most_of_the_window_of_a_moment(database: None) -> None:
    def limit() -> Finding:
        return ok(f"{_csot.get_timeout():.0f} s")

    admin = connections.database().client.admin
    limits = []
    for window_s in (1000, 300):
        admin.command({"setParameter": 1, "minSnapshotHistoryWindowInSeconds": window_s})
        check = doctor.Check("limit", "away", limit, is_recount=True)
        limits += [finding.text for _, finding in doctor._ask([check])]

    assert limits == ["800 s", "240 s"]


def test_says_what_a_user_may_not_ask(
    own_mongod_with_failures: Callable[..., None], monkeypatch: Patch
) -> None:
    own_mongod_with_failures("listIndexes", errorCode=13)

    assert "does not let this user ask; grant it" in examine()["indexes"].text


def test_says_that_a_password_is_wrong(
    own_mongod_with_failures: Callable[..., None], monkeypatch: Patch
) -> None:
    own_mongod_with_failures("listIndexes", errorCode=18)

    assert examine()["indexes"].text == errors.UNKNOWN_LOGIN


def test_waits_for_no_answer_longer_than_its_limit(
    own_mongod_with_failures: Callable[..., None], monkeypatch: Patch
) -> None:
    monkeypatch.setattr(doctor, "CHECK_TIMEOUT_S", 0.5)
    # Unlike a frozen server it keeps answering the driver's own questions.
    own_mongod_with_failures("getParameter", blockConnection=True, blockTimeMS=20_000)

    started_s = time.monotonic()
    findings = examine()

    assert "MongoDB does not answer" in findings["transaction lifetime"].text
    assert time.monotonic() - started_s < 15


# --- MongoDB --------------------------------------------------------------------------------


@pytest.fixture
def use_mongod(monkeypatch: Patch) -> Iterator[Callable[[str], pymongo.MongoClient]]:
    """Makes the checks of MongoDB's set-up look at another server."""
    clients: list[pymongo.MongoClient] = []

    def use(uri: str) -> pymongo.MongoClient:
        client: pymongo.MongoClient = pymongo.MongoClient(
            uri, serverSelectionTimeoutMS=2_000, heartbeatFrequencyMS=500
        )
        clients.append(client)
        monkeypatch.setattr(mongodb, "database", lambda: client["test_doctor"])
        monkeypatch.setattr(mongodb, "collection", lambda name: client["test_doctor"][name])
        return client

    yield use
    for client in clients:
        client.close()


@pytest.fixture
def own_mongod_with_failures(
    tmp_path: Path, use_mongod: Callable[[str], pymongo.MongoClient]
) -> Iterator[Callable[..., None]]:
    """A MongoDB that fails at a command on demand."""
    server = start_mongod(
        free_port(),
        tmp_path / "data",
        tmp_path / "log",
        parameters={"enableTestCommands": True},
        death_signal=signal.SIGKILL,
    )
    client = use_mongod(server.uri)

    def fail(command: str, **how: Any) -> None:
        client.admin.command(
            "configureFailPoint",
            "failCommand",
            mode="alwaysOn",
            data={"failCommands": [command], **how},
        )

    yield fail
    server.kill()


def test_fails_a_mongodb_that_is_no_replica_set(
    tmp_path: Path, use_mongod: Callable[[str], pymongo.MongoClient]
) -> None:
    planned = plan_mongod(free_port(), tmp_path / "data", tmp_path / "log")

    def answers(server: Server) -> bool:
        with pymongo.MongoClient("127.0.0.1", server.port, timeoutMS=500) as client:
            try:
                return bool(client.admin.command("ping"))
            except PyMongoError:
                return False

    argv = [part for part in planned.argv if part not in ("--replSet", "rs0")]
    alone = dataclasses.replace(planned, argv=argv, answers=answers, death_signal=signal.SIGKILL)
    alone.start()
    use_mongod(f"mongodb://127.0.0.1:{alone.port}/")

    found = mongodb.replica_set()
    alone.kill()

    assert found.level == "FAIL"
    assert "start it with --replSet and run rs.initiate()" in found.text


def test_fails_a_replica_set_without_a_primary(
    own_mongod: Server, use_mongod: Callable[[str], pymongo.MongoClient]
) -> None:
    client = use_mongod(own_mongod.uri)
    assert mongodb.replica_set().level == "ok"
    client.admin.command({"replSetStepDown": 60, "force": True})

    found = mongodb.replica_set()

    assert (found.level, "has no primary" in found.text) == ("FAIL", True)


def test_fails_a_mongodb_that_is_too_old(monkeypatch: Patch) -> None:
    monkeypatch.setattr(mongodb, "OLDEST_MAJOR", 99)

    assert "is too old; use 99.0 or newer" in mongodb.replica_set().text


@pytest.mark.parametrize(
    "weak", [pymongo.WriteConcern(1, j=True), pymongo.WriteConcern("majority")]
)
def test_fails_bookings_that_are_acknowledged_too_soon(
    monkeypatch: Patch, weak: pymongo.WriteConcern
) -> None:
    monkeypatch.setattr(connections, "DURABLE", weak)
    monkeypatch.setattr(connections, "_made", {})

    found = mongodb.write_concern()

    assert found.level == "FAIL"
    assert found.text.startswith("Bookings are written with {")


def test_warns_of_an_address_that_asks_for_less(
    environment: dict[str, str], settings: Settings
) -> None:
    separator = "&" if "?" in settings.MONGODB_URI else "?"
    done = run(environment, MONGODB_URI=f"{settings.MONGODB_URI}{separator}w=1&journal=false")

    # Only a warning, since the site itself overrides it.
    assert "warn  write concern: MONGODB_URI asks for w=1 and journal=false" in done.stdout


def test_reads_an_address_of_several_members_by_number(database: None, settings: Settings) -> None:
    settings.MONGODB_URI = "mongodb://one:1,[::1]:2,[2001:db8::1]:3/?w=1"

    assert mongodb.write_concern().text.startswith("MONGODB_URI asks for w=1, ")


def test_warns_of_transactions_that_may_live_long(
    own_mongod: Server, use_mongod: Callable[[str], pymongo.MongoClient]
) -> None:
    client = use_mongod(own_mongod.uri)
    client.admin.command({"setParameter": 1, "transactionLifetimeLimitSeconds": 60})

    found = mongodb.transaction_lifetime()

    assert found.level == "warn"
    assert found.text.startswith("It is 60 s")
    assert "db.adminCommand({setParameter: 1, transactionLifetimeLimitSeconds: 5})" in found.text


def test_warns_when_it_may_not_ask_how_long_transactions_live(
    own_mongod_with_failures: Callable[..., None],
) -> None:
    own_mongod_with_failures("getParameter", errorCode=13)

    found = mongodb.transaction_lifetime()

    assert found.level == "warn"
    assert "db.adminCommand({setParameter: 1, transactionLifetimeLimitSeconds: 5})" in found.text


def test_says_how_to_make_a_missing_index(bookings: Any) -> None:
    bookings.drop_index("one_active_booking_per_slot")

    found = mongodb.indexes()
    keys, options = re.findall(r"createIndex\((\{.*?\}), (\{.*\})\)", found.text)[0]
    bookings.create_index(list(json.loads(keys).items()), **json.loads(options))

    assert (found.level, found.text.split(":")[0]) == (
        "FAIL",
        "one_active_booking_per_slot is missing",
    )
    assert mongodb.indexes().level == "ok"


@pytest.mark.parametrize(
    ("keys", "options"),
    [
        ([("hotel", 1), ("slots", 1)], {"unique": True}),
        (
            [("hotel", 1), ("slots", 1)],
            {"partialFilterExpression": {"status": {"$in": ["pending", "confirmed"]}}},
        ),
        (
            [("hotel", 1), ("slots", 1)],
            {"unique": True, "partialFilterExpression": {"status": "confirmed"}},
        ),
        (
            [("slots", 1), ("hotel", 1)],
            {
                "unique": True,
                "partialFilterExpression": {"status": {"$in": ["pending", "confirmed"]}},
            },
        ),
    ],
)
def test_fails_an_index_that_guards_something_else(
    bookings: Any, keys: list[tuple[str, int]], options: dict[str, Any]
) -> None:
    bookings.drop_index("one_active_booking_per_slot")
    bookings.create_index(keys, name="one_active_booking_per_slot", **options)

    found = mongodb.indexes()

    assert found.level == "FAIL"
    assert found.text.startswith("one_active_booking_per_slot is different: run db.bookings.drop")


def test_fails_an_index_that_compares_addresses_otherwise(bookings: Any) -> None:
    name = "bookings_by_guest_address"
    (index,) = [i for i in indexes.booking_indexes() if i.document["name"] == name]
    bookings.drop_index(name)
    options = {option: index.document[option] for option in ("name", "partialFilterExpression")}
    keys = list(index.document["key"].items())
    bookings.create_index(keys, **options, collation=Collation("en", strength=2))

    found = mongodb.indexes()

    assert found.level == "FAIL"
    assert found.text.startswith("bookings_by_guest_address is different")


def test_fails_an_index_that_queries_do_not_see(bookings: Any) -> None:
    connections.database().command(
        {"collMod": "bookings", "index": {"name": "holds_by_end", "hidden": True}}
    )

    found = mongodb.indexes()

    assert found == Finding(
        "FAIL", 'holds_by_end is hidden: run db.bookings.unhideIndex("holds_by_end").'
    )


def test_warns_of_an_index_that_nobody_asked_for(bookings: Any) -> None:
    bookings.create_index("notes", name="mine")

    found = mongodb.indexes()

    assert (found.level, found.text.split(" and ")[0]) == ("warn", "mine is unexpected")


def test_warns_of_an_index_under_another_name(bookings: Any) -> None:
    bookings.drop_index("one_booking_per_reference")
    bookings.create_index("reference", unique=True)

    found = mongodb.indexes()

    assert found == Finding("warn", "one_booking_per_reference is called reference_1.")


def test_fails_an_index_that_deletes_bookings(bookings: Any) -> None:
    bookings.create_index("created_at", name="mine", expireAfterSeconds=3600)

    found = mongodb.indexes()

    assert (found.level, found.text.split(":")[0]) == ("FAIL", "mine lets MongoDB delete bookings")


def test_fails_a_database_that_was_never_migrated(bookings: Any) -> None:
    bookings.drop()

    found = mongodb.indexes()

    assert found.level == "FAIL"
    assert found.text.startswith(
        "bookings is missing: run manage.py migrate; if that finds nothing to do, run "
        'db.createCollection("bookings") and db.bookings.createIndex('
    )
    assert found.text.count("createIndex") == len(indexes.booking_indexes())


def test_fails_an_empty_database(database: None) -> None:
    with connections.looking_into(f"{connections.database().name}_empty"):
        found = mongodb.indexes()

    assert found == Finding("FAIL", "There are none: run manage.py migrate.")


@pytest.fixture
def spoilt(database: None) -> Iterator[Callable[[str], Any]]:
    """A collection of the site's to damage; its documents and indexes come back."""
    own = connections.database()
    before: dict[str, tuple[list[Any], list[Any]]] = {}

    def spoil(name: str) -> Any:
        before[name] = [dict(one) for one in own[name].list_indexes()], list(own[name].find())
        return own[name]

    yield spoil
    for name, (described, documents) in before.items():
        own.drop_collection(name)
        own.command("create", name)
        own.command("createIndexes", name, indexes=described)
        if documents:
            own[name].insert_many(documents)


@pytest.mark.parametrize(
    "name",
    ["auth_user", "auth_group", "django_session", "django_admin_log", "django_content_type",
     "auth_permission", "auth_user_groups", "letters", "holders", "deliveries", "failed_work",
     "api_tokens", "nights_jobs", "webhook_endpoints", "verified_addresses"],
)  # fmt: skip
def test_misses_each_index_of_every_collection(spoilt: Any, name: str) -> None:
    collection = spoilt(name)
    lost = [index["name"] for index in collection.list_indexes() if index["name"] != "_id_"]
    assert lost

    for index in lost:
        collection.drop_index(index)
        found = mongodb.indexes()
        assert (found.level, f"{index} of {name} is missing: run db." in found.text) == (
            "FAIL",
            True,
        ), found
    # Those commands are for mongosh, and restore the earlier state.
    for keys, options in re.findall(r"createIndex\((\{.*?\}), (\{.*?\})\)(?:;|\.$)", found.text):
        collection.create_index(list(json.loads(keys).items()), **json.loads(options))
    assert mongodb.indexes().level == "ok"


@pytest.mark.parametrize("name", ["bookings", "auth_user", "auth_user_groups", "rooms", "letters"])
def test_misses_every_collection(spoilt: Any, name: str) -> None:
    spoilt(name).drop()

    found = mongodb.indexes()

    assert found.level == "FAIL"
    assert found.text.startswith(f"{name} is missing: run manage.py migrate; if that finds")


@pytest.mark.parametrize(
    ("name", "index", "otherwise"),
    [
        ("letters", "forgotten_later", {"expireAfterSeconds": 1}),
        ("letters", "forgotten_later", {}),
        ("letters", "letters_to_send", {}),
        ("auth_user", "one_account_per_address", {"unique": True}),
        ("auth_user", "one_account_per_address", {"partialFilterExpression": {"email": ""}}),
    ],
)
def test_fails_an_index_of_another_collection_that_does_something_else(
    spoilt: Any, name: str, index: str, otherwise: dict[str, Any]
) -> None:
    collection = spoilt(name)
    keys = collection.index_information()[index]["key"]
    collection.drop_index(index)
    collection.create_index(keys, name=index, **otherwise)

    found = mongodb.indexes()

    assert found.level == "FAIL"
    assert found.text.startswith(f"{index} of {name} is different: run db.{name}.dropIndex(")


def test_fails_an_index_that_deletes_people(spoilt: Any) -> None:
    spoilt("auth_user").create_index("date_joined", name="mine", expireAfterSeconds=3600)

    found = mongodb.indexes()

    assert found == Finding(
        "FAIL", 'mine lets MongoDB delete auth_user: run db.auth_user.dropIndex("mine").'
    )


# --- Clocks ---------------------------------------------------------------------------------


@pytest.mark.parametrize(("by_s", "said"), [(5, "behind"), (-5, "ahead of")])
def test_warns_of_clocks_that_differ(monkeypatch: Patch, by_s: float, said: str) -> None:
    monkeypatch.setattr(clocks, "time", SimpleNamespace(time=lambda: time.time() + by_s))

    for found in (clocks.mongodb(), clocks.redis(connections.redis())):
        assert found.level == "warn"
        assert re.match(rf"It is (5\.0|4\.9)\d\d s {said} this machine's", found.text)


# --- Redis ----------------------------------------------------------------------------------


@pytest.fixture
def redis(own_redis: Server) -> Any:
    return connect(own_redis.uri)


def test_warns_of_a_redis_that_keeps_nothing(redis: Any) -> None:
    nothing = redis_server.persistence(redis)
    redis.config_set("save", "60 1")
    snapshots = redis_server.persistence(redis)
    redis.config_set("appendonly", "yes")
    log = redis_server.persistence(redis)

    assert nothing.level == "warn"
    assert "CONFIG SET appendonly yes" in nothing.text
    assert (snapshots.level, snapshots.text) == ("ok", "Snapshots (save 60 1).")
    assert (log.level, log.text) == ("ok", "An append-only file.")


def test_warns_when_redis_does_not_say_what_it_keeps(tmp_path: Path) -> None:
    server = start_redis(
        free_port(),
        tmp_path / "data",
        tmp_path / "log",
        appendonly=False,
        extra=["--rename-command", "CONFIG", ""],
        death_signal=signal.SIGKILL,
    )

    found = redis_server.persistence(connect(server.uri))
    server.kill()

    assert (found.level, "does not say" in found.text) == ("warn", True)


def test_fails_a_redis_that_throws_things_away(redis: Any) -> None:
    redis.config_set("maxmemory-policy", "allkeys-lru")
    some_day = redis_server.eviction(redis)
    redis.config_set("maxmemory", "100mb")

    soon = redis_server.eviction(redis)

    assert (some_day.level, soon.level) == ("warn", "FAIL")
    for found in (some_day, soon):
        assert "Under allkeys-lru Redis throws claims, locks and tasks away" in found.text


def test_fails_a_redis_that_takes_no_writes(redis: Any) -> None:
    redis.replicaof("127.0.0.1", free_port())

    found = redis_server.server(redis)

    assert (found.level, "is a read-only replica" in found.text) == ("FAIL", True)


def test_fails_a_redis_that_is_too_old(redis: Any, monkeypatch: Patch) -> None:
    monkeypatch.setattr(redis_server, "OLDEST_MAJOR", {"Redis": 99, "Valkey": 99})

    assert "is too old; use 99.0 or newer" in redis_server.server(redis).text


def test_looks_at_every_lock_server(settings: Settings) -> None:
    with redis_servers(3) as servers:
        settings.LOCK_REDIS_URLS = [server.uri for server in servers]
        servers[0].kill()
        connect(servers[1].uri).config_set("maxmemory-policy", "volatile-lru")

        findings = examine()

    found = [findings[f"lock server 127.0.0.1:{server.port}"] for server in servers]
    assert [finding.level for finding in found] == ["FAIL", "warn", "ok"]
    assert found[0].text.endswith("does not answer; start it, or fix LOCK_REDIS_URLS.")
    assert "Under volatile-lru" in found[1].text


# --- Worker, beat, holds --------------------------------------------------------------------


def age_last_run(started_by: str, by_s: int) -> None:
    sweep_tally.end_run(started_by=started_by, oldest_age_s=0.0)  # type: ignore[arg-type]
    connections.collection("sweeps").update_one(
        {}, [{"$set": {f"last_run_at.{started_by}": {"$subtract": ["$$NOW", by_s * 1000]}}}]
    )


@pytest.mark.parametrize("how", ["kill", "freeze"])
def test_asks_no_worker_through_a_broker_that_hangs(
    settings: Settings, own_redis: Server, how: str
) -> None:
    settings.CELERY_BROKER_URL = own_redis.uri
    getattr(own_redis, how)()

    started_s = time.monotonic()
    with pytest.raises(OperationalError):
        background.worker()

    assert time.monotonic() - started_s < 2


def test_fails_a_beat_that_never_asked_for_a_sweep() -> None:
    found = background.beat()

    assert found.level == "FAIL"
    assert "No sweep that beat asked for has ever run; start beat" in found.text


def test_knows_beat_by_the_sweeps_it_asks_for() -> None:
    age_last_run("beat", 189)
    alive = background.beat()
    age_last_run("beat", 200)
    silent = background.beat()

    assert (alive.level, silent.level) == ("ok", "FAIL")
    assert "The last sweep that beat asked for ended 200 s ago; start beat" in silent.text


def test_does_not_take_a_command_for_beat() -> None:
    age_last_run("beat", 200)
    age_last_run("command", 100)
    by_cron = background.beat()
    age_last_run("command", 200)
    by_nobody = background.beat()

    assert (by_cron.level, by_nobody.level) == ("warn", "FAIL")
    assert "but a command swept 100 s ago" in by_cron.text


def test_warns_of_holds_that_nobody_tidies() -> None:
    book(hold=True)
    let_hold_end(minutes_ago=1)
    waiting = background.stale_holds()
    let_hold_end(minutes_ago=4)

    stale = background.stale_holds()

    assert (waiting.level, waiting.text) == ("ok", "Waiting for the next sweep: 1 hold.")
    assert stale.level == "warn"
    assert "1 hold ran out without being tidied, the oldest 240 s ago" in stale.text


# --- The recount ----------------------------------------------------------------------------


def copy_booking(bookings: Any, **changes: Any) -> dict[str, Any]:
    """Copies the only booking, with its own reference and key."""
    (document,) = stored()
    copy = {
        **document,
        "_id": ObjectId(),
        "reference": "DEMO-COPY",
        "keys": [{**document["keys"][0], "digest": "f" * 64}],
        **changes,
    }
    bookings.insert_one(copy)
    return copy


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"status": "pending"},
        {"kind": "block"},
        # Another stay that has a night in common, with its fields in another order.
        {"check_in": night(29), "slots": [f"{night(30)}|room_A", f"{night(29)}|room_A"]},
    ],
)
def test_fails_a_night_sold_twice(bookings: Any, changes: dict[str, Any]) -> None:
    book()
    bookings.drop_index("one_active_booking_per_slot")
    copy = copy_booking(bookings, **changes)

    found = recount.slots()

    assert found.level == "FAIL"
    first, second = sorted([stored()[0]["_id"], copy["_id"]])
    assert found.text == (
        f"1 night sold twice: demo {night()}|room_A in bookings {first} and {second}. "
        "Cancel or move one of each two."
    )


@pytest.mark.parametrize(
    "changes", [{"status": "cancelled"}, {"status": "expired"}, {"hotel": "b"}]
)
def test_counts_only_what_keeps_others_out(bookings: Any, changes: dict[str, Any]) -> None:
    book()
    bookings.drop_index("one_active_booking_per_slot")
    copy_booking(bookings, **changes)

    assert recount.slots().level == "ok"


def test_fails_a_key_that_made_two_bookings(bookings: Any) -> None:
    book()
    bookings.drop_index("one_booking_per_key")
    copy = copy_booking(bookings, status="cancelled", keys=stored()[0]["keys"])

    found = recount.keys()

    assert found.level == "FAIL"
    assert found.text.startswith(f"1 key made two bookings: {copy['keys'][0]['digest'][:12]}…")


@pytest.mark.parametrize(
    ("changes", "fault"),
    [
        ({"slots": []}, "its slots are not its rooms on its nights"),
        ({"slots": [f"{night(30)}|room_B"]}, "its slots are not its rooms on its nights"),
        ({"slots": [f"{night(31)}|room_A"]}, "its slots are not its rooms on its nights"),
        ({"slots": [f"{night(30)}|room_A"] * 2}, "its slots are not its rooms on its nights"),
        ({"check_out": night(32)}, "its slots are not its rooms on its nights"),
        ({"check_out": night(30), "slots": []}, "its slots are not its rooms on its nights"),
        ({"check_out": "9999-12-31"}, "its slots are not its rooms on its nights"),
        ({"check_out": "soon"}, "its rooms, dates or slots cannot be read"),
        ({"rooms": "room_A"}, "its rooms, dates or slots cannot be read"),
        ({"slots": None}, "its rooms, dates or slots cannot be read"),
        ({"hotel": None}, "it has no hotel"),
        ({"status": "lost"}, "its status is unknown"),
        ({"status": "pending", "expires_at": None}, "it is pending without an end"),
        ({"status": "pending", "expires_at": "soon"}, "it is pending without an end"),
        ({"guests": 2}, "its guests are not those of its rooms"),
        ({"rooms.0.guests": 2}, "its guests are not those of its rooms"),
        ({"category": None}, "its category is not that of its rooms"),
        ({"rooms.0.category": "demo_single"}, "its category is not that of its rooms"),
        ({"price.nights": []}, "its price is not for its nights"),
        ({"price.nights.0.date": night(31)}, "its price is not for its nights"),
        ({"price.total": 1}, "its price is not the sum of its nights"),
        ({"price.nights.0.amount": 1}, "its price is not the sum of its nights"),
        ({"status": "cancelled"}, "its status is not what its history says"),
        ({"history.0.event": "extended"}, "its status is not what its history says"),
        ({"history": []}, "its status is not what its history says"),
        ({"version": 0}, "its version is less than the lines of its history"),
        ({"version": "1"}, "its guests, price, category or history cannot be read"),
        ({"history": "created"}, "its guests, price, category or history cannot be read"),
    ],
)
def test_fails_a_document_that_is_written_wrongly(
    bookings: Any, changes: dict[str, Any], fault: str
) -> None:
    book()
    bookings.update_one({}, {"$set": changes})

    found = recount.documents()

    assert found.level == "FAIL"
    assert (
        f"1 of 1 booking with fields that disagree: {stored()[0]['reference']}: {fault}."
        in found.text
    )


@pytest.mark.parametrize(
    "events", [["moved"], ["adopted", "erased"], ["confirmed_again", "no_show"]]
)
def test_takes_lines_that_leave_the_status_as_it_was(bookings: Any, events: list[str]) -> None:
    book()
    lines = [{"event": event} for event in events]
    bookings.update_one({}, {"$push": {"history": {"$each": lines}}, "$unset": {"version": ""}})

    assert recount.documents().level == "ok"


def test_does_not_count_out_the_nights_of_thousands_of_years(
    bookings: Any, monkeypatch: Patch
) -> None:
    book()
    bookings.update_one({}, {"$set": {"check_out": "9999-12-31"}})
    monkeypatch.setattr(recount, "nights_between", None)

    assert recount.documents().level == "FAIL"


def test_takes_several_rooms_and_blocks_as_they_are(bookings: Any) -> None:
    book()
    rooms = ["room_B", "room_C"]
    copy_booking(
        bookings,
        kind="block",
        rooms=[{"room": room, "category": "demo_double", "guests": 0} for room in rooms],
        guests=0,
        price={"total": 0, "currency": "EUR", "nights": []},
        history=[{"event": "blocked"}],
        check_in=night(30),
        check_out=night(32),
        slots=[f"{night(day)}|{room}" for day in (31, 30) for room in rooms],
    )

    assert recount.documents().text == "2 bookings, whose fields agree with each other."
    assert recount.slots().text.startswith("5 nights")


def test_reads_every_document_as_of_one_moment_without_an_index(bookings: Any) -> None:
    book()
    bookings.create_index("status")  # which would be enough for the active ones
    database = connections.database()
    database.command("profile", 2)
    try:
        recount.slots()
        recount.keys()
        recount.documents()
    finally:
        database.command("profile", 0)
        profile = list(database["system.profile"].find({"ns": f"{database.name}.bookings"}))
        database["system.profile"].drop()

    assert [entry["planSummary"] for entry in profile] == ["COLLSCAN"] * 3
    assert {entry["command"]["readConcern"]["level"] for entry in profile} == {"snapshot"}
    assert [entry["command"].get("allowDiskUse") for entry in profile] == [True, True, None]


def test_does_not_see_a_night_twice_that_changes_hands_meanwhile(bookings: Any) -> None:
    book()
    first = stored()[0]
    bookings.insert_many(
        {
            **first,
            "_id": ObjectId(),
            "reference": f"DEMO-{number}",
            "status": "cancelled",
            "keys": [{**first["keys"][0], "digest": f"{number:064}"}],
        }
        for number in range(5_000)
    )
    last = stored()[-1]
    is_over = Event()

    def hand_over_and_back() -> None:
        while not is_over.is_set():
            for giver, taker in ((first, last), (last, first)):
                bookings.update_one({"_id": giver["_id"]}, {"$set": {"status": "cancelled"}})
                bookings.update_one({"_id": taker["_id"]}, {"$set": {"status": "confirmed"}})

    thread = Thread(target=hand_over_and_back)
    thread.start()
    try:
        found = {recount.slots().level for _ in range(30)}
    finally:
        is_over.set()
        thread.join()

    assert found == {"ok"}
