"""The watch over queries finds those that no index serves, in all processes of the site."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from typing import Any

import bson
import pytest
from pymongo.database import Database

from bookings.indexes import booking_indexes
from bookings.infrastructure import connections
from tests.only_writer import ROOT
from tests.query_plans import find_faults, plans, queries
from tests.site import Site

pytestmark = pytest.mark.mongo


@pytest.fixture
def ask() -> Callable[[str], list[str]]:
    """Runs a line as if it stood in the site, and returns what the watch then says."""

    def ask(line: str) -> list[str]:
        plans.unserved()
        source = compile(f"def look(bookings): {line}", f"{ROOT}/bookings/made_up.py", "exec")
        names: dict[str, Any] = {}
        exec(source, names)  # noqa: S102
        names["look"](connections.collection("bookings"))
        return plans.unserved()

    return ask


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("bookings.find_one({'notes': 'late'})", "a scan of a collection"),
        ("bookings.find_one({'notes': 'late'}, sort=[('_id', 1)])", "a scan of the whole index"),
        ("list(bookings.find({'owner': 'me'}).sort('created_at'))", "a sort in memory"),
        ("bookings.count_documents({'notes': 'late'})", "a scan of a collection"),
        ("bookings.distinct('notes')", "a scan of a collection"),
        ("bookings.update_many({'notes': 'late'}, {'$set': {'notes': ''}})", "a scan of a coll"),
        ("bookings.delete_one({'notes': 'late'})", "a scan of a collection"),
        ("list(bookings.find({'owner': 'me'}, hint='gone'))", "no plan"),
        (
            "list(bookings.aggregate([{'$match': {'owner': 'me'}}, {'$group': {'_id': '$hotel'}},"
            " {'$sort': {'_id': 1}}]))",
            "a sort in memory",
        ),
        (
            "list(bookings.aggregate([{'$match': {'owner': 'me'}}, {'$lookup': {'from': 'letters',"
            " 'localField': 'notes', 'foreignField': 'address', 'as': 'letters'}}]))",
            "a join without an index of letters",
        ),
    ],
)
def test_names_what_no_index_serves(
    ask: Callable[[str], list[str]], line: str, said: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    if "gone" in line:
        line = f"\n try: {line}\n except Exception: pass"
    if "update" in line or "delete" in line:  # not by the only writer of bookings
        line = line.replace("bookings.", "bookings.database['letters'].")

    (one,) = ask(line)

    assert one.startswith(said)
    assert "asked by bookings/made_up.py look" in one
    assert ask(line) == []  # said once


@pytest.mark.parametrize(
    "line",
    [
        "bookings.find_one({'_id': 1})",
        "bookings.find_one({})",
        "list(bookings.find({'owner': 'me'}).sort('_id', -1).limit(20))",
        "list(bookings.find({'_id': {'$in': [1, 2]}}).sort('check_in'))",
        "list(bookings.find({'kind': 'block'}).sort('_id', -1))",
        "list(bookings.database['hotels'].find({'name': 'Inn'}).sort('name'))",
    ],
)
def test_is_content_with_an_index(ask: Callable[[str], list[str]], line: str) -> None:
    assert ask(line) == []


def test_leaves_out_what_a_test_asks() -> None:
    connections.collection("bookings").find_one({"notes": "a test's"})

    assert plans.unserved() == []


def test_tells_values_apart_on_which_partial_indexes_depend(
    ask: Callable[[str], list[str]],
) -> None:
    assert ask("list(bookings.find({'kind': 'block'}))") == []
    assert ask("list(bookings.find({'kind': 'stay'}))") != []


@pytest.mark.site
def test_sees_what_other_processes_of_the_site_ask(site: Site) -> None:
    assert site.get("/api/bookings").ok

    assert queries.path is not None
    pids = {line["pid"] for line in bson.decode_all(queries.path.read_bytes())}
    assert pids - {os.getpid()}


@pytest.fixture
def unindexed() -> Iterator[Database[Any]]:
    """A database whose bookings lack one index."""
    own = connections.database()
    other: Database[Any] = own.client[f"{own.name}_unindexed"]
    other["bookings"].create_indexes(
        [each for each in booking_indexes() if each.document["name"] != "bookings_of_an_owner"]
    )
    yield other
    own.client.drop_database(other.name)


def test_notices_that_an_index_is_gone(unindexed: Database[Any]) -> None:
    newest = {"find": "bookings", "filter": {"owner": "me"}, "sort": {"_id": -1}}

    assert list(find_faults(connections.database(), newest)) == []
    assert list(find_faults(unindexed, newest)) != []
