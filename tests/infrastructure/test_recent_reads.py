"""What a process read a moment ago is used again, for two seconds, and never after a change."""

from __future__ import annotations

import secrets
import threading
import time
from collections.abc import Iterator
from typing import Any

import pytest
from django.core.management import call_command
from django.test import Client

from bookings.api.throttling import CallerThrottle, RemoteAddressThrottle
from bookings.infrastructure import clock, connections, recent_reads
from bookings.infrastructure.connections import collection
from bookings.infrastructure.opening import Opening
from bookings.infrastructure.recent_reads import GENERATION, MAX_AGE_S, RecentReads
from bookings.models import ApiClient
from bookings.people import tokens
from local.servers import Server
from tests.conftest import night
from tests.site import Site
from tests.site_fixtures import Starter, issue_token
from tests.stays.test_redis_lost import until_healthy

pytestmark = pytest.mark.redis

Patch = pytest.MonkeyPatch


class Store:
    """Counts how often it is read."""

    def __init__(self) -> None:
        self.values = {"a": 1, "b": 2, "c": 3}
        self.reads = 0

    def read(self, key: str) -> int | None:
        self.reads += 1
        return self.values.get(key)


@pytest.fixture
def store() -> Store:
    return Store()


@pytest.fixture
def recent(store: Store) -> Iterator[RecentReads[str, int]]:
    made: RecentReads[str, int] = RecentReads("callers", store.read, most=2)
    yield made
    recent_reads._all.remove(made)


def ask_generation() -> bool:
    """Asks Redis as a request does; returns whether something has changed."""
    before = recent_reads.last_change()
    opening = Opening()
    recent_reads.queue_generation(opening)
    opening.send()
    return recent_reads.last_change() is not before


def test_reads_once_for_many_requests(store: Store, recent: RecentReads[str, int]) -> None:
    assert [recent.get("a") for _ in range(5)] == [1] * 5
    assert store.reads == 1


def test_reads_again_after_two_seconds(
    store: Store, recent: RecentReads[str, int], monkeypatch: Patch
) -> None:
    recent.get("a")
    store.values["a"] = 10
    now_s = time.monotonic()

    monkeypatch.setattr(recent_reads.time, "monotonic", lambda: now_s + MAX_AGE_S - 0.1)
    early = recent.get("a")
    monkeypatch.setattr(recent_reads.time, "monotonic", lambda: now_s + MAX_AGE_S)

    assert (early, recent.get("a")) == (1, 10)


def test_counts_the_age_from_before_the_read(
    store: Store, recent: RecentReads[str, int], monkeypatch: Patch
) -> None:
    now_s = [time.monotonic()]
    monkeypatch.setattr(recent_reads.time, "monotonic", lambda: now_s[0])

    def read_slowly(key: str) -> int:
        now_s[0] += MAX_AGE_S
        return 1

    monkeypatch.setattr(recent, "_read", read_slowly)
    recent.get("a")

    assert recent.peek("a") is None


def test_keeps_nothing_of_what_does_not_exist(store: Store, recent: RecentReads[str, int]) -> None:
    assert [recent.get("x"), recent.get("x")] == [None, None]
    assert store.reads == 2


def test_makes_room_for_the_entry_used_last(store: Store, recent: RecentReads[str, int]) -> None:
    for key in ("a", "b", "a", "c"):
        recent.get(key)

    assert (recent.peek("a"), recent.peek("b"), recent.peek("c")) == (1, None, 3)


def test_lets_one_thread_read_for_all(store: Store, recent: RecentReads[str, int]) -> None:
    begun, may_end = threading.Event(), threading.Event()

    def read(key: str) -> int:
        begun.set()
        may_end.wait(10)
        return store.read(key) or 0

    recent._read = read
    found: list[int | None] = []
    threads = [threading.Thread(target=lambda: found.append(recent.get("a"))) for _ in range(4)]
    threads[0].start()
    begun.wait(10)
    for thread in threads[1:]:
        thread.start()
    may_end.set()
    for thread in threads:
        thread.join(10)

    assert found == [1] * 4
    assert store.reads == 1


def test_makes_no_queue_while_mongodb_is_slow(store: Store, recent: RecentReads[str, int]) -> None:
    all_read = threading.Barrier(3)

    def read(key: str) -> int | None:
        all_read.wait(10)  # none of them ends before all have begun
        return store.read(key)

    recent._read = read
    found: list[int | None] = []
    threads = [
        threading.Thread(target=lambda key=key: found.append(recent.get(key))) for key in "abc"
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(20)

    assert sorted(found) == [1, 2, 3]  # type: ignore[type-var]


def test_keeps_nothing_that_was_read_while_something_changed(
    store: Store, recent: RecentReads[str, int]
) -> None:
    def read(key: str) -> int | None:
        value = store.read(key)
        store.values["a"] = 10
        recent_reads.announce_change()
        return value

    recent._read = read
    first = recent.get("a")
    recent._read = store.read

    assert (first, recent.get("a")) == (1, 10)


def test_drops_its_entries_when_another_process_changes_something(
    recent: RecentReads[str, int],
) -> None:
    ask_generation()
    recent.get("a")
    unchanged = ask_generation(), recent.peek("a")
    connections.redis().set(GENERATION, "of another process")

    assert unchanged == (False, 1)
    assert ask_generation()
    assert recent.peek("a") is None


def test_never_takes_an_earlier_value_for_the_present_one(recent: RecentReads[str, int]) -> None:
    """A Redis that lost its memory begins again, and a number would then repeat itself."""
    values = set()
    for _ in range(3):
        recent_reads.announce_change()
        values.add(connections.redis().get(GENERATION))
        connections.redis().delete(GENERATION)

    assert len(values) == 3


@pytest.mark.mongo
@pytest.mark.usefixtures("database")
@pytest.mark.parametrize("change", ["update", "save", "delete", "revoke"])
def test_announces_every_change_of_a_caller(change: str) -> None:
    token = issue_token("partner")
    client = ApiClient.objects.get(name="partner")
    tokens.find_caller(token)
    assert tokens.is_kept(token)
    before = connections.redis().get(GENERATION)

    if change == "update":
        ApiClient.objects.filter(name="partner").update(is_active=False)
    elif change == "save":
        client.is_active = False
        client.save()
    elif change == "delete":
        client.delete()
    else:
        tokens.revoke_tokens(client.pk)

    assert not tokens.is_kept(token)
    assert connections.redis().get(GENERATION) != before
    assert tokens.find_caller(token) is None


@pytest.mark.site
def test_refuses_a_revoked_token_in_every_process_at_once(site: Site) -> None:
    # Enough for both processes to know the caller.
    assert {site.get("/api/bookings").status_code for _ in range(12)} == {200}

    call_command("issue_token", "partner", "--revoke")

    assert {site.get("/api/bookings").status_code for _ in range(12)} == {401}


@pytest.mark.mongo
@pytest.mark.usefixtures("database")
@pytest.mark.parametrize("requests", [2, 5])
def test_refuses_a_revoked_token_to_requests_that_begin_together(
    monkeypatch: Patch, requests: int
) -> None:
    """The first of them learns of the change, and the others find it known already."""
    token = issue_token("partner")
    headers = {"Authorization": f"Bearer {token}"}
    assert Client().get("/api/bookings", headers=headers).status_code == 200
    # Another process revokes it: this one hears of that from Redis alone.
    kept = tokens._callers._entries[tokens.digest_of_token(token)]
    collection("api_tokens").update_many({}, {"$set": {"revoked_at": clock.now()}})
    tokens._callers._entries[tokens.digest_of_token(token)] = kept
    connections.redis().set(GENERATION, "of another process")
    all_know, send, own = threading.Barrier(requests), Opening.send, threading.local()

    def send_together(opening: Opening) -> None:
        if not hasattr(own, "has_waited"):
            own.has_waited = True
            all_know.wait(10)
        send(opening)

    monkeypatch.setattr(Opening, "send", send_together)
    found: list[int] = []

    def ask() -> None:
        found.append(Client().get("/api/bookings", headers=headers).status_code)

    threads = [threading.Thread(target=ask) for _ in range(requests)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)

    assert found == [401] * requests


@pytest.mark.mongo
@pytest.mark.usefixtures("database")
def test_counts_a_request_that_starts_again_once(settings: Any) -> None:
    settings.API_THROTTLE = "on"
    token = issue_token("partner")
    headers = {"Authorization": f"Bearer {token}"}
    Client().get("/api/bookings", headers=headers)
    for each in range(3):
        connections.redis().set(GENERATION, f"change {each}")
        assert Client().get("/api/bookings", headers=headers).status_code == 200

    counts = [connections.redis().get(name) for name in throttle_names()]

    assert counts == [b"4", b"4"]


@pytest.mark.mongo
@pytest.mark.usefixtures("database")
def test_lets_no_change_hide_a_limit(settings: Any, monkeypatch: Patch) -> None:
    settings.API_THROTTLE = "on"
    monkeypatch.setitem(CallerThrottle.THROTTLE_RATES, "caller", "2/day")
    headers = {"Authorization": f"Bearer {issue_token('partner')}"}
    statuses = []
    for each in range(5):
        connections.redis().set(GENERATION, f"change {each}")
        statuses.append(Client().get("/api/bookings", headers=headers).status_code)

    assert statuses == [200, 200, 429, 429, 429]


@pytest.mark.mongo
@pytest.mark.usefixtures("database")
def test_goes_on_when_something_changes_while_a_request_starts_again(monkeypatch: Patch) -> None:
    headers = {"Authorization": f"Bearer {issue_token('partner')}"}
    Client().get("/api/bookings", headers=headers)
    send = Opening.send

    def change_and_send(opening: Opening) -> None:
        connections.redis().set(GENERATION, secrets.token_hex(4))
        send(opening)

    monkeypatch.setattr(Opening, "send", change_and_send)

    assert Client().get("/api/bookings", headers=headers).status_code == 200


def throttle_names() -> list[bytes]:
    return sorted(connections.redis().scan_iter(match="throttle:*"))


@pytest.mark.site
def test_gives_back_the_claim_of_a_token_that_was_revoked(site: Site) -> None:
    assert {site.book(f"key-{each}").status_code for each in range(12)} == {400}
    call_command("issue_token", "partner", "--revoke")
    wish = {"resourceId": "room_A", "date": night()}
    refused = {site.book("key", **wish).status_code for _ in range(12)}

    assert refused == {401}
    assert not list(connections.redis().scan_iter(match="idempotency:*"))


@pytest.mark.slow
@pytest.mark.site
def test_refuses_a_revoked_token_within_two_seconds_without_redis(
    start: Starter, own_redis: Server
) -> None:
    site = start(REDIS_URL=own_redis.uri)
    until_healthy(site, "/api/health-redis")
    assert {site.get("/api/bookings").status_code for _ in range(12)} == {200}
    own_redis.freeze()
    try:
        call_command("issue_token", "partner", "--revoke")
        revoked_at_s = time.monotonic()
        while site.get("/api/bookings").status_code == 200:
            assert time.monotonic() < revoked_at_s + MAX_AGE_S + 0.5
        while time.monotonic() < revoked_at_s + MAX_AGE_S:
            site.get("/api/bookings")
        later = {site.get("/api/bookings").status_code for _ in range(12)}
    finally:
        own_redis.thaw()

    assert later == {401}


@pytest.mark.slow
@pytest.mark.site
def test_counts_strangers_by_address_before_it_asks_mongodb(start: Starter) -> None:
    site = start(API_THROTTLE="on", API_RATE_PER_ADDRESS="3/day")
    guesses = [site.get("/api/bookings", token=f"bks_guess{each}") for each in range(5)]

    assert [guess.status_code for guess in guesses] == [401] * 3 + [429] * 2


@pytest.mark.mongo
@pytest.mark.usefixtures("database")
def test_asks_mongodb_for_no_stranger_over_the_limit(
    client: Client, settings: Any, monkeypatch: Patch
) -> None:
    settings.API_THROTTLE = "on"
    monkeypatch.setitem(RemoteAddressThrottle.THROTTLE_RATES, "address", "2/day")
    looked_up: list[str] = []
    monkeypatch.setattr(tokens._callers, "_read", looked_up.append)

    statuses = [
        client.get("/api/bookings", headers={"Authorization": f"Bearer guess-{each}"}).status_code
        for each in range(4)
    ]

    assert statuses == [401, 401, 429, 429]
    assert len(looked_up) == 2


@pytest.mark.slow
@pytest.mark.site
@pytest.mark.parametrize("key", ["key", "", "a key that is too long" * 20])
def test_counts_a_request_that_is_refused_before_its_claim(start: Starter, key: str) -> None:
    site = start(API_THROTTLE="on", API_RATE_PER_CALLER="3/day")
    answers = [site.book(key, date="never") for _ in range(5)]

    assert [answer.status_code for answer in answers] == [400] * 3 + [429] * 2


@pytest.mark.mongo
@pytest.mark.usefixtures("database")
@pytest.mark.parametrize("asked", [{"Accept": "text/csv"}, {}])
def test_counts_a_request_for_another_format(
    client: Client, settings: Any, asked: dict[str, str]
) -> None:
    settings.API_THROTTLE = "on"
    headers = {"Authorization": f"Bearer {issue_token('partner')}", **asked}
    path = "/api/bookings" if asked else "/api/bookings?format=csv"

    for _ in range(2):
        assert client.get(path, headers=headers).status_code in (404, 406)

    counts = [connections.redis().get(name) for name in throttle_names()]
    assert counts == [b"2", b"2"]


@pytest.mark.site
def test_claims_nothing_for_a_request_over_the_limit(start: Starter) -> None:
    site = start(API_THROTTLE="on", API_RATE_PER_CALLER="1/day")
    site.get("/api/bookings")
    refused = site.book("key", resourceId="room_A", date=night())

    assert refused.status_code == 429
    assert not list(connections.redis().scan_iter(match="idempotency:*"))
