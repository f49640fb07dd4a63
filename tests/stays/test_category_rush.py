"""Many clients want any room of one category on one night: each room is sold, and sold once.

Every client has its own key, and asks again with it until the answer is definite. With -s the test
prints how long that took. ROUNDS=10 makes it 1,000 clients for 100 rooms.
"""

from __future__ import annotations

import threading
import time
import uuid
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

import pytest
import requests

from bookings.infrastructure import connections
from local.servers import Server
from tests.conftest import night
from tests.site import Site, all_at_once, codes
from tests.site_fixtures import Starter
from tests.stays.test_redis_lost import connect

pytestmark = pytest.mark.site

ROOMS = 10
MOST_ROOMS = 100
CLIENTS_A_ROOM = 10

# Retry-After is in whole seconds, and the wait takes milliseconds here.
LONGEST_WAIT_S = 0.1

# Longer than the slowest client of a thousand waits for its turn at eight threads.
PATIENCE_S = 60.0


@pytest.fixture
def rooms(rounds: int, migrated: None) -> Iterator[list[str]]:
    """The rooms of the category `rush`, in a hotel that has no other."""
    database = connections.database()
    rooms = [f"rush_{number:03}" for number in range(min(ROOMS * rounds, MOST_ROOMS))]
    database["hotels"].insert_one(
        {**database["hotels"].find_one({"_id": "demo"}), "_id": "rush", "code": "RUSH"}
    )
    database["room_categories"].insert_one(
        {**database["room_categories"].find_one({"_id": "demo_double"}), "_id": "rush"}
        | {"hotel_id": "rush"}
    )
    database["rooms"].insert_many(
        [{"_id": room, "category_id": "rush", "name": room, "is_sold": True} for room in rooms]
    )
    yield rooms
    for name in ("hotels", "room_categories", "rooms"):
        database[name].delete_many({"_id": {"$regex": "^rush"}})


def test_sells_every_room_of_a_category_once(site: Site, rooms: list[str]) -> None:
    rush(site, rooms)


@pytest.mark.slow
def test_sells_every_room_of_a_category_once_without_locks(
    start: Starter, rooms: list[str]
) -> None:
    rush(start(TEST_WITHOUT_LOCKS="1"), rooms)


@pytest.mark.slow
def test_sells_every_room_of_a_category_once_though_redis_forgets(
    start: Starter, own_redis: Server, rooms: list[str]
) -> None:
    site = start(REDIS_URL=own_redis.uri)
    client = connect(own_redis)
    done = threading.Event()

    def forget() -> None:
        # The claims and locks of the moment are lost nine times, and every answer so far.
        for tenths in range(1, 10):
            while sold(rooms) < len(rooms) * tenths // 10 and not done.wait(0.005):
                pass
            client.flushall()

    forgetting = threading.Thread(target=forget)
    forgetting.start()
    try:
        rush(site, rooms)
    finally:
        done.set()
        forgetting.join()


@dataclass
class Asker:
    """A client with one key: its answers on the way, and the time it took."""

    site: Site
    key: str = field(default_factory=lambda: str(uuid.uuid4()))
    on_the_way: Counter[str] = field(default_factory=Counter)
    took_s: float = 0.0

    def ask(self) -> requests.Response:
        """Asks until the answer is definite."""
        started_s = time.monotonic()
        while True:
            try:
                response = self.site.book(
                    self.key, userId=self.key, categoryId="rush", date=night(), timeout_s=PATIENCE_S
                )
            except requests.ConnectionError:
                if time.monotonic() - started_s > PATIENCE_S:
                    raise
                self.on_the_way["refused connection"] += 1
                time.sleep(LONGEST_WAIT_S)
                continue
            self.took_s = time.monotonic() - started_s
            wait_s = response.headers.get("Retry-After")
            if wait_s is None or response.status_code >= 500:
                return response
            self.on_the_way[response.json()["code"]] += 1
            time.sleep(min(float(wait_s), LONGEST_WAIT_S))


def rush(site: Site, rooms: list[str]) -> None:
    askers = [Asker(site) for _ in range(len(rooms) * CLIENTS_A_ROOM)]
    calls: list[Callable[[], requests.Response]] = [asker.ask for asker in askers]
    started_s = time.monotonic()

    responses = all_at_once(calls)

    took_s = time.monotonic() - started_s
    print_rush(askers, took_s)
    assert codes(responses) == {"201": len(rooms), "SOLD_OUT": len(askers) - len(rooms)}
    told = [r.json()["booking"]["resourceId"] for r in responses if r.status_code == 201]
    booked = [
        booked["room"]
        for booking in connections.collection("bookings").find({"status": "confirmed"})
        for booked in booking["rooms"]
    ]
    assert sorted(told) == sorted(booked) == rooms


def sold(rooms: list[str]) -> int:
    return connections.collection("bookings").count_documents({"rooms.room": {"$in": rooms}})


def print_rush(askers: list[Asker], took_s: float) -> None:
    on_the_way = sum((asker.on_the_way for asker in askers), Counter[str]())
    waits_s = sorted(asker.took_s for asker in askers)
    requests_sent = len(askers) + on_the_way.total()
    print(  # noqa: T201
        f"\n{len(askers)} clients in {took_s:.1f} s, {requests_sent} requests"
        f" ({requests_sent / len(askers):.2f} a client, {requests_sent / took_s:.0f} a second);"
        f" median {waits_s[len(waits_s) // 2]:.2f} s, slowest {waits_s[-1]:.2f} s;"
        f" on the way: {dict(on_the_way)}"
    )
