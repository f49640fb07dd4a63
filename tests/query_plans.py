"""Watches every query of the site for plans that become slow as collections grow.

Each process of the site writes each kind of query down once. After each test MongoDB explains the
kinds that are new. The test fails if no index serves one of them: if MongoDB has to read a whole
collection or a whole index for it, or to sort in memory. How much a query reads among many
documents is the subject of `stays/test_explain.py`.

MongoDB may choose a worse plan for the few documents of a test. So a query passes if one of its
possible plans does.
"""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from types import CodeType
from typing import Any

import bson
from bson.codec_options import CodecOptions
from pymongo import MongoClient, monitoring
from pymongo.database import Database
from pymongo.errors import OperationFailure

from tests.only_writer import ROOT, SITE, TESTS

ORM = "/django_mongodb_backend/"
THE_ORM = "the ORM"
A_TEST = "a test"

HAVE_A_PLAN = frozenset(
    {"find", "aggregate", "count", "distinct", "update", "delete", "findAndModify"}
)

# Fields of the session, not of the question.
OF_THE_SESSION = frozenset(
    {
        "lsid", "txnNumber", "startTransaction", "autocommit", "readConcern", "writeConcern",
        "$db", "$clusterTime", "$readPreference", "maxTimeMS",
    }
)  # fmt: skip

# What does not decide which index serves a query.
BESIDE_THE_POINT = OF_THE_SESSION | {
    *("projection", "fields", "u", "update", "new", "upsert", "multi", "ordered", "cursor"),
    *("batchSize", "singleBatch", "$project", "$set", "$addFields"),
}

# Partial indexes depend on the values of these fields, so queries with other values are of another
# kind.
TELL_APART = frozenset({"status", "kind"})

ADMIN_LIST = "bookingsite/admin_site.py NamesItsList.changelist_view"

SORTS = "a sort in memory"

# Collections that neither guests nor time make large.
SMALL = {
    "hotels": "the owner's",
    "room_categories": "a few for each hotel",
    "rooms": "those that are built",
    "hotel_contents": "at most one for each hotel",
    "category_contents": "at most one for each category",
    "brands": "the owner's one",
    "api_clients": "partners, by contract",
    "webhook_endpoints": "one for each partner",
    "auth_group": "roles of the staff",
    "auth_group_permissions": "rights of the roles",
    "auth_permission": "a few for each model",
    "auth_user_user_permissions": "rights of single members of the staff",
    "staff_hotels": "at most one for each member of the staff",
    "retention_rules": "at most one for each hotel",
    "roles": "what the site gave its roles",
    "django_content_type": "one for each model",
    "django_migrations": "one for each migration",
    "nights_jobs": "changes that staff made by hand",
    "failed_work": "what failed for good in the last thirty days, to be looked at one by one",
}

# Code that may ask for more, also through other code, of which collection ("" for any), and why.
ACCEPTED = [
    ("bookings/migrations/", "", "runs once"),
    ("bookings/management/commands/migrate.py", "", "runs once"),
    ("bookings/operations/", "", "the doctor and backups read everything"),
    ("bookings/people/erasure.py", "", "an erasure looks everywhere, and is rare"),
    ("bookings/people/guest_links.py replace_author", "guest_links", "deletes an account"),
    ("bookings/people/guest_export.py", "", "an export looks everywhere, and is rare"),
    ("bookings/stays/writing/ownership.py replace_person", "bookings", "deletes an account"),
    ("bookings/stays/remarks.py replace_author", "remarks", "deletes an account"),
    ("bookings/stays/queries.py find_referred", "bookings", "staff delete a room or a hotel"),
    ("bookings/stays/queries.py _list_of_night", "bookings", "sorts an owner's one night"),
    ("bookings/stays/queries.py list_changed_bookings", "bookings", "sorts what one person booked"),
    ("bookings/front_desk/guest_search.py _newest_ids", "bookings", "bounded in test_explain"),
    ("bookings/news/webhooks/backlog.py _find_oldest", "deliveries", "what waits for one partner"),
    ("bookings/news/webhooks/backlog.py find_probes", "deliveries", "what waits for one partner"),
    ("bookings/news/webhooks/backlog.py _find_first_of", "deliveries", "those of one booking"),
    (ADMIN_LIST, "bookings", "bounded among many: test_explain"),
    (ADMIN_LIST, "deliveries", "bounded among many: test_explain"),
    (ADMIN_LIST, "nights", "a hotel decides how many there are"),
    (ADMIN_LIST, "auth_user", "staff see all accounts, by name"),
]


@dataclass(frozen=True)
class Asked:
    """One query, the function of the site and the process that asked it, and whether by the ORM."""

    command: dict[str, Any]
    by: str
    by_orm: bool
    pid: int


class Queries(monitoring.CommandListener):
    """Writes each new kind of query into a file that all processes of a worker share."""

    def __init__(self, path: Path | None) -> None:
        self.path = path
        self._seen: set[object] = set()

    def started(self, event: monitoring.CommandStartedEvent) -> None:
        if event.command_name not in HAVE_A_PLAN or self.path is None:
            return
        places, by_orm = stack_of_the_site()
        if not places or is_accepted(places, of=event.command[event.command_name]):
            return
        by = places[0]
        for command in one_by_one(event.command):
            kind = (by, kind_of(command))
            if kind in self._seen:
                continue
            self._seen.add(kind)
            asked = {"command": command, "by": by, "by_orm": by_orm, "pid": os.getpid()}
            with self.path.open("ab", buffering=0) as file:
                file.write(bson.encode(asked))

    def succeeded(self, event: monitoring.CommandSucceededEvent) -> None: ...

    def failed(self, event: monitoring.CommandFailedEvent) -> None: ...


def stack_of_the_site() -> tuple[tuple[str, ...], bool]:
    """Where the site asks, innermost first; and whether it asks through the ORM.

    There are no places if a test asks by itself.
    """
    places: list[str] = []
    by_orm = False
    frame = sys._getframe(2)
    while frame is not None:
        place = place_of(frame.f_code)
        if place == A_TEST:
            break
        if place == THE_ORM:
            by_orm = by_orm or not places
        elif place:
            places.append(place)
        frame = frame.f_back  # type: ignore[assignment]
    return tuple(places), by_orm


# For each command the whole stack is looked at, whose code is always the same.
@cache
def place_of(code: CodeType) -> str:
    """The site's file and function; for other code A_TEST, THE_ORM or nothing."""
    path = code.co_filename
    if path.startswith(SITE):
        return f"{path.removeprefix(f'{ROOT}/')} {code.co_qualname}"
    return A_TEST if path.startswith(TESTS) else THE_ORM if ORM in path else ""


@cache
def is_accepted(places: tuple[str, ...], *, of: object) -> bool:
    """Whether one of these places may ask this collection for everything."""
    return any(
        collection in ("", of) and any(place.startswith(by) for place in places)
        for by, collection, _ in ACCEPTED
    )


def file_of_this_worker() -> Path | None:
    """Where the processes of this worker write; None where nothing is tested."""
    folder = os.environ.get("TEST_SERVERS_FOLDER")
    return Path(folder) / f"asked-{os.environ['MONGODB_NAME']}" if folder else None


def one_by_one(command: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    """The command without its session.

    MongoDB explains updates and deletes one by one, so of a batch there is one for each set of
    fields by which they look.
    """
    question = {name: value for name, value in command.items() if name not in OF_THE_SESSION}
    for several in ("updates", "deletes"):
        if several in question:
            unlike = {tuple(one["q"]): one for one in reversed(question[several])}
            yield from ({**question, several: [one]} for one in unlike.values())
            return
    yield question


def kind_of(value: Any, field: str = "") -> object:
    """The command without its values, to compare with others."""
    if isinstance(value, dict):
        return tuple(
            [
                (name, kind_of(inner, field if name[:1] == "$" else name))
                for name, inner in value.items()
                if name not in BESIDE_THE_POINT
            ]
        )
    if isinstance(value, (list, tuple)):
        kinds = [kind_of(inner, field) for inner in value]
        has_parts = any(isinstance(kind, (tuple, frozenset)) for kind in kinds)
        return tuple(kinds) if has_parts else frozenset(kinds)
    if isinstance(value, str):
        return value if field in TELL_APART or value[:1] == "$" else "str"
    if isinstance(value, int):
        return value if -1 <= value <= 1 else "int"
    if isinstance(value, (bson.Regex, re.Pattern)):
        return "regex", value.pattern[:1], value.flags
    return type(value).__name__


class Plans:
    """Has MongoDB explain what was asked since the last look."""

    def __init__(self) -> None:
        self._database: Database[Any] | None = None
        self._read = 0
        self._known: dict[object, list[str]] = {}
        self._told: set[object] = set()

    def start(self, database: Database[Any]) -> None:
        """Use this database, which has all indexes. Before that nothing is explained."""
        client: MongoClient[Any] = MongoClient(os.environ["MONGODB_URI"])
        self._database = client[database.name]

    def unserved(self) -> list[str]:
        """A message for each new kind of query that no index serves."""
        messages = []
        for asked in self._new() if self._database is not None else ():
            kind = kind_of(asked.command)
            if (asked.by, kind) in self._told:  # by another process
                continue
            self._told.add((asked.by, kind))
            if faults := self._faults_of(asked, kind):
                messages.append(f"{' and '.join(faults)}, asked by {asked.by}:\n{asked.command}")
        return messages

    def _new(self) -> Iterator[Asked]:
        path = file_of_this_worker()
        if path is None or not path.exists() or path.stat().st_size == self._read:
            return
        with path.open("rb") as file:
            file.seek(self._read)
            written = file.read()
        # The last line may not be complete yet.
        while len(written) >= 4 and len(written) >= (size := int.from_bytes(written[:4], "little")):
            line: dict[str, Any] = bson.decode(written[:size], CodecOptions(tz_aware=True))
            written = written[size:]
            self._read += size
            yield Asked(**line)

    def _faults_of(self, asked: Asked, kind: object) -> list[str]:
        collection = next(iter(asked.command.values()))
        if not isinstance(collection, str) or collection in SMALL:
            return []
        if kind not in self._known:
            assert self._database is not None
            self._known[kind] = list(find_faults(self._database, asked.command))
        # The ORM puts a stage before each sort that keeps MongoDB from sorting by an index.
        return [each for each in self._known[kind] if not (asked.by_orm and each == SORTS)]


def find_faults(database: Database[Any], command: dict[str, Any]) -> Iterator[str]:
    """What makes this query slow in a large database."""
    try:
        explained = database.command("explain", command, verbosity="queryPlanner")
    except OperationFailure as error:  # such as a hint to an index that is missing
        yield f"no plan ({error})"
        return
    for planned in find_all(explained, "queryPlanner"):
        plans = [planned["winningPlan"], *planned["rejectedPlans"]]
        of_each = [faults_of_plan(plan.get("queryPlan", plan)) for plan in plans]
        if all(of_each):
            yield from of_each[0]
    if any("$sort" in stage for stage in explained.get("stages", ())):
        yield SORTS
    for join in find_all(command.get("pipeline"), "$lookup"):
        if join["from"] not in SMALL and not has_index(database, join):
            yield f"a join without an index of {join['from']}"


def faults_of_plan(stage: dict[str, Any], *, picks: bool = True) -> list[str]:
    """What a plan has to read or to sort. It `picks` unless it takes the first that come."""
    name = stage["stage"]
    inner = [stage["inputStage"]] if "inputStage" in stage else stage.get("inputStages", [])
    picks = (picks and name != "LIMIT") or "filter" in stage or name == "SORT"
    if name == "COLLSCAN" and picks:
        return ["a scan of a collection"]
    if name == "IXSCAN" and picks and not stage["isPartial"]:
        first, *_ = stage["indexBounds"].values()
        if first in (["[MinKey, MaxKey]"], ["[MaxKey, MinKey]"]):
            return [f"a scan of the whole index {stage['indexName']}"]
    found = [fault for each in inner for fault in faults_of_plan(each, picks=picks)]
    if name == "SORT" and not all(map(names_its_documents, find_leaves(stage))):
        found.append(SORTS)
    return found


def find_leaves(stage: dict[str, Any]) -> list[dict[str, Any]]:
    """The stages that read."""
    inner = [stage["inputStage"]] if "inputStage" in stage else stage.get("inputStages", [])
    return [leaf for each in inner for leaf in find_leaves(each)] or [stage]


def names_its_documents(stage: dict[str, Any]) -> bool:
    """Whether it reads documents by their ids, at most as many as the question has."""
    if stage["stage"] != "IXSCAN" or stage["indexName"] != "_id_":
        return stage["stage"] == "IDHACK"
    return all(map(is_point, stage["indexBounds"]["_id"]))


def is_point(bound: str) -> bool:
    """Whether a bound such as [1, 1] has one value."""
    both = bound[1:-1]
    half = (len(both) - 2) // 2
    return both == f"{both[:half]}, {both[:half]}"


def has_index(database: Database[Any], join: dict[str, Any]) -> bool:
    """Whether the joined collection has an index that begins with the field of the join."""
    indexes = database[join["from"]].index_information().values()
    return any(index["key"][0][0] == join.get("foreignField") for index in indexes)


def find_all(explained: Any, name: str) -> list[Any]:
    """Returns everything under this name, at any depth."""
    if isinstance(explained, list):
        return [found for item in explained for found in find_all(item, name)]
    if not isinstance(explained, dict):
        return []
    return [
        found
        for key, value in explained.items()
        for found in ([value] if key == name else []) + find_all(value, name)
    ]


queries = Queries(file_of_this_worker())
plans = Plans()
