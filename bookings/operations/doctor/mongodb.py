"""Whether MongoDB is set up as the promises need it."""

import json
from collections import defaultdict
from typing import Any
from urllib.parse import parse_qsl

from django.apps import apps
from django.conf import settings
from django.db import connection
from django_mongodb_backend.schema import DatabaseSchemaEditor
from pymongo import IndexModel, ReadPreference
from pymongo.errors import OperationFailure

from bookings.indexes import indexes_by_collection
from bookings.infrastructure.connections import collection, database
from bookings.operations.backups import restoring
from bookings.operations.doctor.findings import Finding, fail, ok, warn

OLDEST_MAJOR = 6

# A process killed between insert and commit blocks its nights for about as long.
TRANSACTION_LIFETIME_S = 5

# Options of an index that do not change what it guards.
INCIDENTAL = frozenset({"v", "ns", "name", "background", "hidden"})


def replica_set() -> Finding:
    """Transactions need a replica set, and bookings need its primary."""
    client = database().client
    # Without a primary, a secondary can still report that.
    hello = client.admin.command("hello", read_preference=ReadPreference.PRIMARY_PREFERRED)
    if hello.get("msg") == "isdbgrid":
        return fail("This is the router of a sharded cluster; name a replica set in MONGODB_URI.")
    if "setName" not in hello:
        return fail(
            "This MongoDB is not a replica set, so it has no transactions; start it with --replSet "
            "and run rs.initiate()."
        )
    if not hello["isWritablePrimary"]:
        return fail(f"Replica set {hello['setName']} has no primary; start its other members.")
    version = client.server_info()["version"]
    if int(version.split(".")[0]) < OLDEST_MAJOR:
        return fail(f"MongoDB {version} is too old; use {OLDEST_MAJOR}.0 or newer.")
    return ok(f"MongoDB {version}, {hello['me']} is primary of {hello['setName']}.")


def write_concern() -> Finding:
    """Promise 4 depends on it: acknowledged means written to the journals of a majority."""
    for name, used, place in (
        (
            "Bookings",
            collection("bookings").write_concern,
            "DURABLE in bookings/infrastructure/connections.py",
        ),
        ("Logins", database().client.write_concern, "DATABASES in bookingsite/settings.py"),
    ):
        if used.document.get("w") != "majority" or used.document.get("j") is not True:
            return fail(
                f"{name} are written with {used.document}; set w=majority and the journal: {place}."
            )
    weaker = [
        f"{name}={value}"
        # As the driver does; urlsplit is for URLs of one host.
        for name, value in parse_qsl(settings.MONGODB_URI.partition("?")[2])
        if (name.lower() == "w" and value != "majority")
        or (name.lower() in ("journal", "j") and value.lower() != "true")
    ]
    if weaker:
        return warn(
            f"MONGODB_URI asks for {' and '.join(weaker)}, which the settings overrule; remove it, "
            "since other programs would follow it."
        )
    return ok("A majority, journaled, for bookings and everything else.")


def transaction_lifetime() -> Finding:
    """A killed process must not block nights for long between its insert and its commit."""
    name = "transactionLifetimeLimitSeconds"
    command = f"db.adminCommand({{setParameter: 1, {name}: {TRANSACTION_LIFETIME_S}}})"
    advice = f"run {command} on every member, and put it under setParameter in its configuration."
    try:
        found = database().client.admin.command({"getParameter": 1, name: 1})[name]
    except OperationFailure as error:
        if error.timeout:
            raise
        return warn(f"MongoDB does not say ({error.code}); have an administrator {advice}")
    if found != TRANSACTION_LIFETIME_S:
        return warn(f"It is {found} s, so a killed process may block nights for longer; {advice}")
    return ok(f"{found} s on the primary.")


def restore() -> Finding:
    """A backup that is only half restored lacks bookings, and nothing else shows that."""
    if restoring.is_unfinished(database()):
        return fail(
            f"{database().name} is an unfinished restore; run manage.py restore again, or name "
            "another database in MONGODB_NAME."
        )
    return ok("No restore is unfinished.")


def indexes() -> Finding:
    """Two indexes keep promises 1 and 2. Others keep one account for a name, or one right for a
    person. Without the rest the site is slow."""
    wanted = _wanted_indexes()
    # Every wanted collection is asked, even one that is missing: a user without the right to ask
    # then gets MongoDB's refusal, and not the finding that there are no indexes.
    found = {
        name: {index["name"]: dict(index) for index in collection(name).list_indexes()}
        for name in wanted
    }
    if not any(found.values()):
        return fail("There are none: run manage.py migrate.")
    bad, odd = [], []
    for name in sorted(wanted):
        # Every collection that exists has at least the index of _id.
        if found[name]:
            worse, better = _compare(name, wanted[name], found[name])
            bad += worse
            odd += better
        else:
            creates = [f'db.createCollection("{name}")', *(_create(name, i) for i in wanted[name])]
            bad.append(
                f"{name} is missing: run manage.py migrate; if that finds nothing to do, run "
                f"{' and '.join(creates)}"
            )
    text = "; ".join(bad + odd) + "."
    if bad:
        return fail(text)
    count = sum(map(len, wanted.values()))
    return warn(text) if odd else ok(f"All {count} are there and right.")


class _Wanted(DatabaseSchemaEditor):
    """Makes nothing; notes the indexes that the backend would make for a model."""

    def __init__(self) -> None:
        super().__init__(connection)
        self.noted: list[IndexModel] = []

    def add_index(self, model: Any, index: Any, *, parent_model: Any = None, **how: Any) -> None:
        made = index.get_pymongo_index_model(model, schema_editor=self, **how)
        if made:
            self.noted.append(made)


def _wanted_indexes() -> dict[str, list[dict[str, Any]]]:
    """By collection: the indexes of every model, Django's own included, and the site's own."""
    wanted: dict[str, list[IndexModel]] = defaultdict(list)
    for model in apps.get_models(include_auto_created=True):
        if model._meta.can_migrate(connection):
            editor = _Wanted()
            # As a migration makes them for a new collection; no public method does only this.
            editor._create_model_indexes(model)
            wanted[model._meta.db_table] += editor.noted
    for name, own in indexes_by_collection().items():
        wanted[name] += own
    return {name: [dict(index.document) for index in found] for name, found in wanted.items()}


def _compare(
    collection_name: str, wanted: list[dict[str, Any]], found: dict[str, dict[str, Any]]
) -> tuple[list[str], list[str]]:
    """A collection's faulty indexes: first those that a promise may depend on, then the rest."""
    unexpected = found.keys() - {"_id_"} - {index["name"] for index in wanted}
    place = f"db.{collection_name}"
    # Most indexes are of bookings; the same name may occur in several of the other collections.
    of = "" if collection_name == "bookings" else f" of {collection_name}"
    bad: list[str] = []
    odd: list[str] = []
    for index in wanted:
        name = index["name"]
        create = _create(collection_name, index)
        drop = f'{place}.dropIndex("{name}")'
        if name not in found:
            twins = {other for other in unexpected if _same(found[other], index)}
            if twins:
                unexpected = unexpected - twins
                odd.append(f"{name}{of} is called {', '.join(sorted(twins))}")
            else:
                bad.append(f"{name}{of} is missing: run {create}")
        elif not _same(found[name], index):
            bad.append(f"{name}{of} is different: run {drop} and {create}")
        elif found[name].get("hidden"):
            bad.append(f'{name}{of} is hidden: run {place}.unhideIndex("{name}")')
    for name in sorted(unexpected):
        drop = f'{place}.dropIndex("{name}")'
        if "expireAfterSeconds" in found[name]:
            bad.append(f"{name} lets MongoDB delete {collection_name}: run {drop}")
        else:
            odd.append(
                f"{name}{of} is unexpected and slows every write: if nothing needs it, {drop}"
            )
    return bad, odd


def _create(collection_name: str, index: dict[str, Any]) -> str:
    return f"db.{collection_name}.createIndex({_json(index['key'])}, {_json(_options(index))})"


def _same(one: dict[str, Any], other: dict[str, Any]) -> bool:
    """Whether both guard the same; the order of the fields matters."""
    return list(one["key"].items()) == list(other["key"].items()) and _guarded(one) == _guarded(
        other
    )


def _guarded(index: dict[str, Any]) -> dict[str, Any]:
    """The options that change what the index guards; MongoDB completes a collation."""
    guarded = {name: index[name] for name in index.keys() - INCIDENTAL - {"key"}}
    if collation := guarded.get("collation"):
        guarded["collation"] = (collation["locale"], collation.get("strength"))
    return guarded


def _options(index: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in index.items() if name != "key"}


def _json(document: Any) -> str:
    return json.dumps(document, default=str)
