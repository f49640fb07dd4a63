"""`manage.py migrate` may be killed, lose MongoDB or meet another one, and then run again."""

from __future__ import annotations

import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from importlib import import_module
from types import SimpleNamespace
from typing import Any

import pymongo
import pytest
from django.apps.registry import Apps
from django.core.management import CommandError, call_command
from django.db import DatabaseError, connection, models
from django_mongodb_backend.fields import ObjectIdAutoField
from django_mongodb_backend.schema import DatabaseSchemaEditor as BackendSchemaEditor
from pymongo import monitoring
from pymongo.database import Database

from bookings import indexes
from bookings.indexes import IndexInTheWay
from bookings.infrastructure import connections
from bookings.management.commands import migrate
from bookings.operations import migration_lease
from local.servers import Server
from tests.site import ROOT

pytestmark = pytest.mark.mongo

# More writes than all migrations make: so many that a run which is never killed reaches its end.
MANY_WRITES = 1000


class Migrating:
    """A database to migrate, by processes that die when the test wants it."""

    def __init__(self, server_uri: str, name: str, environment: dict[str, str]) -> None:
        self.database: Database[Any] = pymongo.MongoClient(server_uri)[name]
        self.drop()
        self.process = subprocess.Popen(
            [sys.executable, "-m", "tests.operations.dying"],
            cwd=ROOT,
            env={**environment, "MONGODB_URI": server_uri, "MONGODB_NAME": name},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def migrate(self, *, until: int = 0, number: int = signal.SIGKILL, pid: int = 0) -> int:
        """Returns how it ended: 0 if it was completed."""
        assert self.process.stdin
        assert self.process.stdout
        self.process.stdin.write(f"{until} {int(number)} {pid}\n")
        self.process.stdin.flush()
        return int(self.process.stdout.readline())

    def end_lease(self) -> None:
        """Does what the clock does once its holder has been gone for long enough."""
        self.database[migration_lease.COLLECTION].update_many({}, [{"$set": {"until": "$$NOW"}}])

    def drop(self) -> None:
        self.database.client.drop_database(self.database.name)

    def say(self) -> str:
        """Returns everything that the processes have printed; no more are started."""
        return self.process.communicate(timeout=60)[1]


def _migrating(uri: str, name: str, environment: dict[str, str]) -> Iterator[Migrating]:
    migrating = Migrating(uri, name, environment)
    yield migrating
    migrating.process.kill()
    migrating.process.communicate()
    migrating.drop()
    migrating.database.client.close()


@pytest.fixture
def migrating(migrated: None, environment: dict[str, str]) -> Iterator[Migrating]:
    own = connections.database().name
    yield from _migrating(environment["MONGODB_URI"], f"{own}_migrating", environment)


def state(database: Database[Any]) -> dict[str, Any]:
    """Returns the result of migrating, without random ids."""
    types = {one["_id"]: one for one in database["django_content_type"].find()}
    rights = {
        one["_id"]: f"{types[one['content_type_id']]['model']}.{one['codename']}: {one['name']}"
        for one in database["auth_permission"].find()
    }
    groups = {one["_id"]: one["name"] for one in database["auth_group"].find()}
    return {
        "collections": sorted(
            (one["name"], str(one["options"])) for one in database.list_collections()
        ),
        "indexes": {
            name: sorted(map(str, database[name].list_indexes()))
            for name in database.list_collection_names()
        },
        "migrations": sorted(
            f"{one['app']}.{one['name']}" for one in database["django_migrations"].find()
        ),
        "types": sorted(f"{one['app_label']}.{one['model']}" for one in types.values()),
        "rights": sorted(rights.values()),
        "groups": sorted(groups.values()),
        "rights of groups": sorted(
            f"{groups[one['group_id']]}: {rights[one['permission_id']]}"
            for one in database["auth_group_permissions"].find()
        ),
        "roles": sorted(map(str, database["roles"].find())),
        "leases": list(database[migration_lease.COLLECTION].find()),
    }


# --- Killed ---------------------------------------------------------------------------------


@pytest.mark.slow
def test_goes_on_after_it_was_killed_before_any_of_its_writes(
    migrating: Migrating, rounds: int
) -> None:
    """Everyday runs try every 28th write; ROUNDS=28 tries all of them."""
    assert migrating.migrate() == 0
    undisturbed = state(migrating.database)
    deaths = 0

    for write in range(1, MANY_WRITES, max(1, 28 // rounds)):
        migrating.drop()
        if migrating.migrate(until=write) == 0:
            break
        deaths += 1
        migrating.end_lease()
        assert migrating.migrate() == 0, write
        assert state(migrating.database) == undisturbed, write

    assert deaths >= 5
    assert undisturbed["leases"] == []


@pytest.mark.slow
def test_goes_on_however_often_it_was_killed(migrating: Migrating) -> None:
    assert migrating.migrate() == 0
    undisturbed = state(migrating.database)
    migrating.drop()

    # Each time a little more is repeated, and a little is new.
    for write in range(4, MANY_WRITES, 3):
        migrating.end_lease()
        if migrating.migrate(until=write) == 0:
            break

    assert write > 10
    assert state(migrating.database) == undisturbed


def test_goes_on_after_ctrl_c_at_once(migrating: Migrating) -> None:
    ended = migrating.migrate(until=30, number=signal.SIGINT)
    left = list(migrating.database[migration_lease.COLLECTION].find())
    again = migrating.migrate()

    assert (ended, left, again) == (130, [], 0)
    assert migrating.say() == (
        "Stopped; what was done stays done, and manage.py migrate goes on from there.\n"
    )


@pytest.mark.slow
def test_goes_on_after_mongodb_was_lost(
    migrated: None, environment: dict[str, str], own_mongod: Server
) -> None:
    for migrating in _migrating(own_mongod.uri, "test_migrating", environment):
        assert migrating.migrate() == 0
        undisturbed = state(migrating.database)

        migrating.drop()
        lost = migrating.migrate(until=60, pid=own_mongod.pid)
        own_mongod.kill()
        own_mongod.start()
        migrating.end_lease()
        again = migrating.migrate()

        assert (lost, again) == (1, 0)
        assert state(migrating.database) == undisturbed


# --- Two at once ----------------------------------------------------------------------------


@pytest.mark.slow
def test_migrates_once_when_two_begin_together(
    migrating: Migrating, environment: dict[str, str]
) -> None:
    both = [
        subprocess.Popen(
            [sys.executable, "manage.py", "migrate"],
            cwd=ROOT,
            env={**environment, "MONGODB_NAME": migrating.database.name},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        for _ in range(2)
    ]
    said = [one.communicate(timeout=120) for one in both]

    assert [one.returncode for one in both] == [0, 0], said
    assert sorted("No migrations to apply" in output for output, _ in said) == [False, True]
    migrations = state(migrating.database)["migrations"]
    assert len(migrations) == len(set(migrations)) > 10


def test_says_that_it_changed_nothing_when_it_only_waited(
    lease: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    lease.insert_one({"_id": "migrate", "owner": "another", "until": None})
    lease.update_one({"_id": "migrate"}, [{"$set": {"until": {"$add": ["$$NOW", 3_600_000]}}}])
    monkeypatch.setattr(
        migrate.Command, "_say_waiting", lambda self: signal.raise_signal(signal.SIGTERM)
    )

    with pytest.raises(CommandError) as said:
        call_command("migrate", verbosity=0)

    assert (str(said.value), said.value.returncode) == (migrate.STOPPED_WAITING, 130)
    assert lease.find_one()["owner"] == "another"


@pytest.fixture
def lease(database: None) -> Iterator[Any]:
    leases = connections.database()[migration_lease.COLLECTION]
    yield leases
    leases.delete_many({})


def test_waits_for_one_that_was_killed_until_its_lease_ends(
    lease: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    lease.update_one(
        {"_id": "migrate"},
        [{"$set": {"owner": "one that was killed", "until": {"$add": ["$$NOW", 700]}}}],
        upsert=True,
    )

    call_command("migrate", verbosity=0)

    assert "Another manage.py migrate is running" in capsys.readouterr().err
    assert list(lease.find()) == []


def test_asks_for_no_lease_to_look(lease: Any, capsys: pytest.CaptureFixture[str]) -> None:
    lease.insert_one({"_id": "migrate", "owner": "another", "until": None})
    lease.update_one({"_id": "migrate"}, [{"$set": {"until": {"$add": ["$$NOW", 3_600_000]}}}])

    call_command("migrate", check_unapplied=True)
    call_command("migrate", plan=True)

    assert "No planned migration operations" in capsys.readouterr().out


def test_keeps_its_lease_for_as_long_as_it_works(
    lease: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(migration_lease, "RENEWAL_INTERVAL_S", 0.01)
    with migration_lease.held(on_waiting=pytest.fail) as held:
        first = lease.find_one()["until"]
        while lease.find_one()["until"] == first:
            held.check()

        held.check()

    assert lease.find_one() is None


def test_stops_when_its_lease_is_another_ones(lease: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(migration_lease, "RENEWAL_INTERVAL_S", 0.01)

    def lose_it() -> None:
        with migration_lease.held(on_waiting=pytest.fail) as held:
            lease.update_one({}, {"$set": {"owner": "another"}})
            while True:
                held.check()

    with pytest.raises(migration_lease.LeaseLost):
        lose_it()

    assert lease.find_one()["owner"] == "another"


# --- Each step of the editor ----------------------------------------------------------------


def thing(**fields: Any) -> Any:
    """A model that no application has, as a migration sees it at some moment."""
    table = fields.pop("table", "trial_things")
    options = {"apps": Apps(), "app_label": "trial", "db_table": table, **fields.pop("options", {})}
    return type(
        "Thing",
        (models.Model,),
        {
            "__module__": __name__,
            "Meta": type("Meta", (), options),
            "id": ObjectIdAutoField(primary_key=True),
            **fields,
        },
    )


def field(model: Any, name: str) -> Any:
    return model._meta.get_field(name)


@pytest.fixture
def trial(database: None) -> Iterator[Any]:
    """Migrates something, twice, and returns the result."""
    own = connections.database()

    def drop() -> None:
        for name in ("trial_things", "trial_others"):
            own.drop_collection(name)

    def twice(step: Callable[[Any], None]) -> list[str]:
        seen = []
        for _ in range(2):
            with connection.schema_editor() as editor:
                step(editor)
            seen.append(
                [
                    f"{name} {sorted(own[name].index_information())}"
                    for name in sorted(own.list_collection_names())
                    if name.startswith("trial_")
                ]
            )
        assert seen[0] == seen[1]
        return seen[0]

    drop()
    yield twice
    drop()


def test_makes_renames_and_drops_collections_twice(trial: Any) -> None:
    model = thing(name=models.CharField(max_length=9, unique=True))

    made = trial(lambda editor: editor.create_model(model))
    renamed = trial(lambda editor: editor.alter_db_table(model, "trial_things", "trial_others"))
    gone = trial(lambda editor: editor.delete_model(thing(table="trial_others")))

    assert made == renamed_back(renamed)
    assert gone == []


def renamed_back(found: list[str]) -> list[str]:
    return [one.replace("trial_others", "trial_things", 1) for one in found]


def test_makes_and_drops_indexes_twice(trial: Any) -> None:
    model = thing(name=models.CharField(max_length=9), size=models.IntegerField())
    index = models.Index(fields=["name"], name="by_name")
    unique = models.UniqueConstraint(fields=["name", "size"], name="one_of_each")
    trial(lambda editor: editor.create_model(model))

    made = [
        *trial(lambda editor: editor.add_index(model, index)),
        *trial(lambda editor: editor.add_constraint(model, unique)),
    ]
    together = trial(lambda editor: editor.alter_unique_together(model, [], [("name",)]))
    gone = trial(
        lambda editor: (
            editor.alter_unique_together(model, [("name",)], []),
            editor.remove_constraint(model, unique),
            editor.remove_index(model, index),
        )
    )

    assert "'by_name', 'one_of_each'" in made[1]
    assert together != made[1:]
    assert gone == ["trial_things ['_id_']"]


def test_changes_fields_twice(trial: Any) -> None:
    plain = thing(name=models.CharField(max_length=9))
    indexed = thing(name=models.CharField(max_length=9, db_index=True))
    unique = thing(name=models.CharField(max_length=9, unique=True))
    renamed = thing(name=models.CharField(max_length=9, unique=True, db_column="title"))
    things = connections.database()["trial_things"]
    trial(lambda editor: editor.create_model(plain))
    things.insert_many([{"name": "a"}, {"name": "b"}])

    steps = [
        trial(
            lambda editor, old=old, new=new: editor.alter_field(
                old, field(old, "name"), field(new, "name")
            )
        )
        for old, new in (
            (plain, indexed), (indexed, unique), (unique, renamed), (renamed, plain)
        )
    ]  # fmt: skip

    assert ["_uniq" in found[0] for found in steps] == [False, True, True, False]
    assert [found[0].count(", '") for found in steps] == [1, 1, 1, 0]
    assert sorted(one["name"] for one in things.find()) == ["a", "b"]


def test_adds_and_removes_fields_twice_and_keeps_what_was_written_meanwhile(trial: Any) -> None:
    before = thing(name=models.CharField(max_length=9))
    after = thing(
        name=models.CharField(max_length=9), size=models.IntegerField(default=3, db_index=True)
    )
    things = connections.database()["trial_things"]
    trial(lambda editor: editor.create_model(before))
    things.insert_many([{"name": "a"}, {"name": "b"}])

    times: list[Any] = []

    def add(editor: Any) -> None:
        editor.add_field(before, field(after, "size"))
        # The first time it is killed here, and then staff change one.
        if not times:
            things.update_one({"name": "a"}, {"$set": {"size": 7}})
        times.append(editor)

    trial(add)
    sizes = {one["name"]: one["size"] for one in things.find()}
    trial(lambda editor: editor.remove_field(after, field(after, "size")))

    assert sizes == {"a": 7, "b": 3}
    assert all("size" not in one for one in things.find())


def test_drops_no_index_that_is_in_the_way_unasked(trial: Any) -> None:
    model = thing(name=models.CharField(max_length=9))
    trial(lambda editor: editor.create_model(model))
    theirs = connections.database()["trial_things"]
    theirs.create_index("size", name="by_name")

    with pytest.raises(IndexInTheWay, match="^An index of trial_things is in the way of a new one"):
        trial(lambda editor: editor.add_index(model, models.Index(fields=["name"], name="by_name")))

    assert theirs.index_information()["by_name"]["key"] == [("size", 1)]


def test_corrects_the_editor_only_while_it_needs_it(trial: Any) -> None:
    """If this fails, the backend does it itself: remove bookingsite/database/schema.py."""
    model = thing(name=models.CharField(max_length=9))
    trial(lambda editor: editor.create_model(model))

    with pytest.raises(DatabaseError), BackendSchemaEditor(connection) as editor:
        editor.create_model(model)


class Rival(monitoring.CommandListener):
    """Makes a collection in the moment after the look for it, or before it is made."""

    def __init__(self, database: Database[Any]) -> None:
        self.database = database

    def _make(self, name: str) -> None:
        if name not in self.database.list_collection_names():
            self.database.create_collection(name, capped=True, size=4096)

    def started(self, event: monitoring.CommandStartedEvent) -> None:
        if event.command_name == "create":
            self._make(event.command["create"])

    def succeeded(self, event: monitoring.CommandSucceededEvent) -> None:
        if event.command_name == "listCollections":
            self._make("people")

    def failed(self, event: monitoring.CommandFailedEvent) -> None:
        """The process that asked reports it."""


def test_makes_people_where_another_one_makes_them_in_that_moment(migrating: Migrating) -> None:
    own = migrating.database
    make_people = import_module("bookings.migrations.0018_people").make_people
    address = connections.database().client.address
    with pymongo.MongoClient(*address, event_listeners=[Rival(own)]) as client:
        editor = SimpleNamespace(connection=SimpleNamespace(database=client[own.name]))
        make_people(None, editor)

    assert {"people", "second_factors"} <= set(own.list_collection_names())


def test_makes_the_sites_own_collections_and_indexes_twice(database: None) -> None:
    own = connections.database()
    before = {name: own[name].index_information() for name in indexes.indexes_by_collection()}

    for make in (
        indexes.make_booking_indexes, indexes.make_account_indexes, indexes.make_letter_indexes,
        indexes.make_log_indexes, indexes.make_delivery_indexes, indexes.make_failed_work_indexes,
    ):  # fmt: skip
        make(own)

    assert {name: own[name].index_information() for name in before} == before
