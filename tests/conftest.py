"""Fixtures for all tests: a migrated database, emptied instead of made again, and a demo hotel."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from datetime import date, timedelta
from typing import Any

import hypothesis
import pytest
from django.core.management import call_command
from pymongo import monitoring

from tests.announced import announced
from tests.hotels import chalet, dearer, inn
from tests.mailbox import mailbox, worker
from tests.only_writer import only_writer
from tests.photo_folder import photo_folder
from tests.query_plans import plans
from tests.site_fixtures import folder_of_servers, running_site, site, start

__all__ = [
    "chalet",
    "dearer",
    "folder_of_servers",
    "inn",
    "mailbox",
    "photo_folder",
    "running_site",
    "site",
    "start",
    "worker",
]

# A speed is measured by a benchmark, and a busy machine is slow.
hypothesis.settings.register_profile("site", hypothesis.settings(), deadline=None)
hypothesis.settings.load_profile("site")

# Must come before the first client is made, which takes the listeners registered by then.
monitoring.register(only_writer)
monitoring.register(announced)

# Collections that a test fills and the next one must not see. The catalogue stays.
EMPTIED = (
    "bookings",
    "holders",
    "remarks",
    "people",
    "sweeps",
    "nights",
    "nights_jobs",
    "night_changes",
    "photos",
    "brands",
    "api_clients",
    "api_tokens",
    "auth_user",
    "staff_hotels",
    "session_stamps",
    "leaving",
    "verified_addresses",
    "second_factors",
    "guest_links",
    "retention_rules",
    "letters",
    "letter_tally",
    "failed_work",
    "webhook_endpoints",
    "deliveries",
    "delivery_tally",
    "django_session",
    "django_admin_log",
)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Begin with the tests among many bookings, which take ten seconds to make.

    A worker takes over the last tests of another one, so only one makes them.
    """
    items.sort(key=lambda item: "crowd" not in getattr(item, "fixturenames", ()))


@pytest.fixture(autouse=True)
def watch_the_only_writer() -> Iterator[None]:
    """Fail a test in which other code of the site writes bookings."""
    yield
    others, only_writer.others = only_writer.others, []
    assert not others, "these write bookings past their only writer"


@pytest.fixture(autouse=True)
def watch_announcements() -> Iterator[None]:
    """Fail a test in which the site changes what processes keep, and does not announce it."""
    yield
    assert not announced.unannounced(), "these changes were announced to no process"


@pytest.fixture(autouse=True)
def watch_queries() -> Iterator[None]:
    """Fail a test in which the site asks MongoDB something that no index serves."""
    yield
    unserved = plans.unserved()
    assert not unserved, "no index serves these queries:\n\n" + "\n\n".join(unserved)


@pytest.fixture(scope="session")
def migrated(django_db_blocker: object) -> Iterator[None]:
    """Make this worker's own database with its indexes and the demo hotels; drop it at the end."""
    from bookings.infrastructure import connections
    from bookings.operations import demo_data

    with django_db_blocker.unblock():  # type: ignore[attr-defined]
        database = connections.database()
        assert database.name.startswith("test_"), "tests only ever write to a throw-away database"
        database.client.drop_database(database.name)
        call_command("migrate", verbosity=0)
        demo_data.seed(bench_rooms=5)
        plans.start(database)
        yield
        database.client.drop_database(database.name)


@pytest.fixture(autouse=True)
def use_database(request: pytest.FixtureRequest) -> None:
    """Every test that is marked `mongo` has an empty database."""
    if request.node.get_closest_marker("mongo"):
        request.getfixturevalue("database")


@pytest.fixture
def database(migrated: None) -> None:
    """Empty the database of bookings, people and tokens, and empty Redis."""
    from bookings.stays import lately_sold

    lately_sold.forget()
    empty_database()
    read_the_clock_well()


def read_the_clock_well() -> None:
    """Make sure that work due now is also due by MongoDB's clock.

    Read on a busy machine, the site's clock may be ahead by more than a test takes to look for the
    work.
    """
    from bookings.infrastructure import clock

    clock.now()
    for _ in range(20):
        if clock._clock.reading.error_s < 0.002:  # type: ignore[union-attr]
            break
        clock._clock.ask()


def empty_database() -> None:
    """Ask MongoDB once which collections to empty, since most tests fill one or two."""
    from bookings.infrastructure import connections

    first, *others = EMPTIED
    filled = connections.database()[first].aggregate(
        [
            *name_if_filled(first),
            *({"$unionWith": {"coll": name, "pipeline": name_if_filled(name)}} for name in others),
        ]
    )
    for collection in filled:
        connections.database()[collection["name"]].delete_many({})
    connections.redis().flushdb()


def name_if_filled(collection: str) -> list[dict[str, Any]]:
    """A pipeline that returns the collection's name unless the collection is empty."""
    return [{"$limit": 1}, {"$project": {"_id": 0, "name": {"$literal": collection}}}]


@pytest.fixture(scope="session")
def environment() -> dict[str, str]:
    """The variables that a process of this test run's site needs."""
    return {**os.environ, "DJANGO_SETTINGS_MODULE": "tests.settings"}


def says(text: str, name: str) -> bool:
    """Whether the text says the name as a word of its own: an id may have its letters in it."""
    return re.search(rf"\b{re.escape(name)}\b", text, re.IGNORECASE) is not None


def night(days_ahead: int = 30) -> str:
    """A bookable date, as the API writes it."""
    return (date.today() + timedelta(days=days_ahead)).isoformat()  # noqa: DTZ011
