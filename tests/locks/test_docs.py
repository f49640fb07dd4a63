"""The code in docs/locks.md, run exactly as written on real servers."""

from __future__ import annotations

import os
import re
import time
from collections.abc import Iterator
from types import ModuleType
from typing import Any

import pytest
from pymongo import MongoClient
from pymongo.collection import Collection

from locks.connection import GuardedRedis
from locks.redis_lock import RedisLocks
from tests.servers import ROOT

pytestmark = pytest.mark.redis

PAGE = ROOT / "docs" / "locks.md"


@pytest.fixture(scope="module")
def page() -> ModuleType:
    """The page's Python, as one module."""
    blocks = re.findall(r"^```python\n(.*?)^```$", PAGE.read_text(), re.MULTILINE | re.DOTALL)
    assert len(blocks) == 3
    module = ModuleType("docs_locks")
    exec(compile("\n".join(blocks), str(PAGE), "exec"), vars(module))
    return module


@pytest.fixture
def locks(page: ModuleType, client: GuardedRedis) -> RedisLocks:
    """On the Redis of the run, which `client` empties."""
    made: RedisLocks = page.make_locks(os.environ["REDIS_URL"])
    return made


@pytest.fixture
def reports() -> Iterator[Collection[dict[str, Any]]]:
    """A collection with one empty report."""
    with MongoClient[dict[str, Any]](os.environ["MONGODB_URI"]) as mongo:
        reports = mongo[f"{os.environ['MONGODB_NAME']}_locks"].reports
        reports.insert_one({"_id": "may", "fence": 0, "text": ""})
        yield reports
        mongo.drop_database(reports.database.name)


def test_begins_with_what_a_lock_does_not_promise() -> None:
    headings = re.findall(r"^## (.*)$", PAGE.read_text(), re.MULTILINE)

    assert headings[0] == "What a lock does not promise"


def test_does_the_work_unless_another_worker_has_the_room(
    page: ModuleType, locks: RedisLocks
) -> None:
    done: list[str] = []

    assert page.clean(locks, 7, lambda: done.append("first")) == "done"
    with locks.hold(["room:7"], ttl_ms=15_000):
        refused = page.clean(locks, 7, lambda: done.append("second"))

    assert refused == "Another worker has room:7."
    assert done == ["first"]


def test_refuses_the_write_of_an_owner_that_slept(
    page: ModuleType, locks: RedisLocks, reports: Collection[dict[str, Any]]
) -> None:
    asleep = locks.acquire(["report:may"], ttl_ms=300, fenced=True)
    page.begin(reports, "may", asleep)
    while asleep.is_held:
        time.sleep(0.01)
    page.append(locks, reports, "may", "the later owner's line")

    with pytest.raises(page.TooLate):
        page.finish(reports, "may", asleep, "the sleeper's line")
    with pytest.raises(page.TooLate):
        page.begin(reports, "may", asleep)

    assert reports.find_one({"_id": "may"})["text"] == "the later owner's line"  # type: ignore[index]


def test_refuses_the_sleeper_as_soon_as_the_later_owner_has_read(
    page: ModuleType, locks: RedisLocks, reports: Collection[dict[str, Any]]
) -> None:
    asleep = locks.acquire(["report:may"], ttl_ms=300, fenced=True)
    page.begin(reports, "may", asleep)
    later = locks.acquire(["report:may"], ttl_ms=15_000, wait_ms=60_000, fenced=True)
    page.begin(reports, "may", later)

    with pytest.raises(page.TooLate):
        page.finish(reports, "may", asleep, "the sleeper's line")
    page.finish(reports, "may", later, "the later owner's line")

    assert reports.find_one({"_id": "may"})["text"] == "the later owner's line"  # type: ignore[index]


def test_refuses_a_report_that_no_one_made(
    page: ModuleType, locks: RedisLocks, reports: Collection[dict[str, Any]]
) -> None:
    with pytest.raises(page.TooLate):
        page.append(locks, reports, "june", "a line")

    assert reports.count_documents({}) == 1


def test_lets_one_owner_after_the_other_write(
    page: ModuleType, locks: RedisLocks, reports: Collection[dict[str, Any]]
) -> None:
    for line in ("a", "b", "c"):
        page.append(locks, reports, "may", line)

    assert reports.find_one({"_id": "may"})["text"] == "abc"  # type: ignore[index]


def test_stops_long_work_once_its_lock_is_lost(page: ModuleType, locks: RedisLocks) -> None:
    cleaned: list[int] = []

    def clean_one(room: int) -> None:
        cleaned.append(room)
        if room == 2:
            locks.break_lock("cleaning")

    assert page.clean_all(locks, [1], cleaned.append) is True
    assert page.clean_all(locks, [1, 2, 3], clean_one) is False
    assert cleaned == [1, 1, 2]
