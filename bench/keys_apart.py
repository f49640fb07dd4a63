"""Measures bookings with separate keys: `python -m bench.keys_apart [BOOKINGS] [ROUNDS]`.

A cluster sharded by hotel needs the keys in a collection of their own; see docs/scaling.md. Starts
its own MongoDB, makes one booking through the service, and writes copies of it in both ways, in
turns, with four threads: as one insert with both unique indexes, and as two inserts in one
transaction without the index on keys. Then pairs of threads race for two rooms under one key, and
each race must leave one booking.
"""

import contextlib
import copy
import statistics
import sys
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import date, timedelta
from typing import Any

from bench.own_servers import own_servers

THREADS = 4
RACES = 200
KEYS = "booking_keys"


def main(bookings: int = 2_000, rounds: int = 5) -> None:
    import django
    from django.core.management import call_command

    django.setup()
    from bookings.infrastructure import connections
    from bookings.operations import demo_data

    call_command("migrate", verbosity=0)
    demo_data.seed(bench_rooms=1)
    pattern = make_pattern()
    rates: dict[str, list[float]] = {"together": [], "apart": []}
    for _ in range(rounds):
        for name, write in (("together", write_together), ("apart", write_apart)):
            prepare(apart=name == "apart")
            rates[name].append(measure(write, pattern, bookings))
    for name, found in rates.items():
        print(  # noqa: T201
            f"{name:9} {min(found):5.0f} {statistics.median(found):5.0f} {max(found):5.0f} "
            "bookings a second (least, median, most)"
        )
    ratios = [apart / together for together, apart in zip(*rates.values(), strict=True)]
    print(f"apart / together {statistics.median(ratios):.2f}")  # noqa: T201

    prepare(apart=True)
    race(pattern)
    made = connections.collection("bookings").count_documents({})
    print(f"{RACES} races under one key left {made} bookings")  # noqa: T201


def make_pattern() -> dict[str, Any]:
    from bookings.domain.callers import Caller
    from bookings.infrastructure import connections
    from bookings.infrastructure.deadlines import Deadline
    from bookings.stays import create

    made = create.create_booking(
        caller=Caller("client", "bench"),
        key_header="pattern",
        read_payload=lambda: {
            "resourceId": "room_A",
            "date": (date.today() + timedelta(days=30)).isoformat(),  # noqa: DTZ011
        },
        deadline=Deadline.after(10),
    )
    document = connections.collection("bookings").find_one()
    assert document is not None, made.content
    return document


def prepare(*, apart: bool) -> None:
    """Makes empty collections with the indexes that this way of writing needs."""
    from bookings import indexes
    from bookings.infrastructure import connections

    database = connections.database()
    for name in ("bookings", KEYS):
        database.drop_collection(name)
    indexes.make_booking_indexes(database)
    if apart:
        database["bookings"].drop_index("one_booking_per_key")
        database.create_collection(KEYS)


def numbered(pattern: dict[str, Any], number: int) -> dict[str, Any]:
    """A copy of the pattern with an id, reference, slot and key of its own."""
    from bson import ObjectId

    document = copy.deepcopy(pattern)
    document["_id"] = ObjectId()
    document["reference"] = f"BENCH-{number}"
    document["slots"] = [f"2027-01-01|room_{number}"]
    document["keys"][0]["digest"] = f"digest-{number}"
    return document


def write_together(document: dict[str, Any]) -> None:
    from bookings.infrastructure.connections import collection

    _commit(lambda session: collection("bookings").insert_one(document, session=session))


def write_apart(document: dict[str, Any]) -> None:
    from bookings.infrastructure.connections import collection

    def insert_both(session: Any) -> None:
        key = {
            "_id": document["keys"][0]["digest"],
            "hotel": document["hotel"],
            "booking": document["_id"],
        }
        collection(KEYS).insert_one(key, session=session)
        collection("bookings").insert_one(document, session=session)

    _commit(insert_both)


def _commit(callback: Callable[[Any], Any]) -> None:
    from pymongo.read_concern import ReadConcern

    from bookings.infrastructure.connections import DURABLE, database

    with database().client.start_session() as session:
        session.with_transaction(
            callback, read_concern=ReadConcern("snapshot"), write_concern=DURABLE
        )


def measure(
    write: Callable[[dict[str, Any]], None], pattern: dict[str, Any], bookings: int
) -> float:
    """Bookings written a second."""
    documents = [numbered(pattern, number) for number in range(bookings)]
    started_s = time.perf_counter()
    with ThreadPoolExecutor(THREADS) as pool:
        list(pool.map(write, documents))
    return bookings / (time.perf_counter() - started_s)


def race(pattern: dict[str, Any]) -> None:
    """Has pairs of threads write two rooms under one key."""
    from pymongo.errors import DuplicateKeyError

    def attempt(document: dict[str, Any]) -> None:
        with contextlib.suppress(DuplicateKeyError):  # the twin has made it
            write_apart(document)

    with ThreadPoolExecutor(2) as pool:
        for number in range(RACES):
            twins = [numbered(pattern, 2 * number), numbered(pattern, 2 * number + 1)]
            twins[1]["keys"][0]["digest"] = twins[0]["keys"][0]["digest"]
            list(pool.map(attempt, twins))


if __name__ == "__main__":
    with own_servers():
        main(*map(int, sys.argv[1:]))
