"""Redis is an accelerator: gone, frozen or wiped, bookings go on with the same promises."""

from __future__ import annotations

import threading
import time
import uuid
from collections.abc import Iterator

import pytest

from local.servers import Server
from tests.conftest import night
from tests.servers import own_server, start_redis_in_memory
from tests.site import Site, all_at_once, start_site
from tests.stays.test_races import check_rivals, check_twins, rivals, twins

pytestmark = pytest.mark.site

# A booking with a dead Redis still answers within this limit.
SLOWEST_BOOKING_S = 3.0


@pytest.fixture(scope="module")
def redis() -> Iterator[Server]:
    """The Redis that the site here uses, and the other tests do not."""
    yield from own_server(start_redis_in_memory)


@pytest.fixture(scope="module")
def running_site(
    redis: Server,
    migrated: None,
    environment: dict[str, str],
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Site]:
    """One for all tests here: it must recover after each of them anyway."""
    variables = {**environment, "REDIS_URL": redis.uri}
    site = start_site(variables, tmp_path_factory.mktemp("site"))
    yield site
    site.stop()


@pytest.fixture(autouse=True)
def heal(site: Site, redis: Server) -> None:
    """Starts with an empty Redis that every process of the site knows to be there."""
    if redis.is_running:
        redis.thaw()
    else:
        redis.start()
    connect(redis).flushall()
    until_healthy(site, "/api/health-redis")


@pytest.mark.slow
def test_keeps_its_promises_while_redis_is_wiped(site: Site, redis: Server) -> None:
    client = connect(redis)
    stop = threading.Event()

    def wipe() -> None:
        while not stop.wait(0.02):
            client.flushall()

    wiping = threading.Thread(target=wipe)
    wiping.start()
    try:
        # A refusal whose claim was wiped is not definite: its sender is told to ask again.
        check_rivals(all_at_once(rivals(site)), also=frozenset({"IDEMPOTENCY_IN_PROGRESS"}))
        forget_bookings()
        check_twins(all_at_once(twins(site)))
    finally:
        stop.set()
        wiping.join()


@pytest.mark.slow
def test_keeps_its_promises_without_redis(site: Site, redis: Server) -> None:
    redis.kill()

    check_rivals(all_at_once(rivals(site)))
    forget_bookings()
    check_twins(all_at_once(twins(site)))


@pytest.mark.slow
def test_keeps_its_promises_with_a_frozen_redis(site: Site, redis: Server) -> None:
    site.book("warm", userId="ada", resourceId="room_B", date=night())
    redis.freeze()

    started_s = time.monotonic()
    alone = site.book("alone", userId="ada", resourceId="room_C", date=night())
    took_s = time.monotonic() - started_s

    assert alone.status_code == 201
    assert took_s < SLOWEST_BOOKING_S
    forget_bookings()
    check_rivals(all_at_once(rivals(site)))
    forget_bookings()
    check_twins(all_at_once(twins(site)))


def test_says_that_a_refusal_was_not_stored(site: Site, redis: Server) -> None:
    site.book("first", userId="ada", resourceId="room_A", date=night())
    redis.kill()

    refused = site.book("second", userId="bob", resourceId="room_A", date=night())

    assert refused.json()["code"] == "ALREADY_BOOKED"
    assert refused.headers["Idempotency-Stored"] == "false"
    assert site.get("/api/health-redis").status_code == 503
    assert site.get("/api/ready").status_code == 200
    assert site.get("/api/health").status_code == 200


def test_uses_redis_again_when_it_is_back(site: Site, redis: Server) -> None:
    redis.freeze()
    site.book("first", userId="ada", resourceId="room_A", date=night())
    redis.thaw()

    until_healthy(site, "/api/health-redis")
    refused = site.book("second", userId="bob", resourceId="room_A", date=night())
    again = site.book("second", userId="bob", resourceId="room_A", date=night())

    assert "Idempotency-Stored" not in refused.headers
    assert again.headers["Idempotency-Replayed"] == "true"
    assert again.content == refused.content


def test_replays_a_success_that_redis_forgot(site: Site, redis: Server) -> None:
    key = str(uuid.uuid4())
    first = site.book(key, userId="ada", resourceId="room_A", date=night())
    connect(redis).flushall()

    again = site.book(key, userId="ada", resourceId="room_A", date=night())
    connect(redis).flushall()
    not_even_valid = site.book(key, userId="ada", resourceId="room_A", date="2020-01-01")
    connect(redis).flushall()
    malformed = site.request("POST", "/api/bookings", data=b"{", key=key)

    for replay in (again, not_even_valid, malformed):
        assert (replay.status_code, replay.content) == (201, first.content)
        assert replay.headers["Idempotency-Replayed"] == "true"
    assert "Idempotency-Payload-Mismatch" not in again.headers
    assert not_even_valid.headers["Idempotency-Payload-Mismatch"] == "true"
    assert malformed.headers["Idempotency-Payload-Mismatch"] == "true"


def until_healthy(site: Site, path: str, limit_s: float = 10.0) -> None:
    deadline_s = time.monotonic() + limit_s
    # Every process has its own breaker, so a few answers in a row must be good.
    good = 0
    while good < 8:
        good = good + 1 if site.get(path).status_code == 200 else 0
        assert time.monotonic() < deadline_s, f"{path} is still down"
        time.sleep(0.15)


def connect(server: Server):  # noqa: ANN201
    from redis import Redis

    return Redis.from_url(server.uri)


def forget_bookings() -> None:
    from bookings.infrastructure import connections

    connections.collection("bookings").delete_many({})
