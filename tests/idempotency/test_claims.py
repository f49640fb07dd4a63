"""Claims on idempotency keys: every state and every transition between them.

A dictionary stands for the durable store: its entries were stored together with their effects.
"""

from __future__ import annotations

import os
import random
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from typing import Any

import pytest
from redis import BlockingConnectionPool, Redis
from redis.backoff import NoBackoff
from redis.client import Pipeline
from redis.exceptions import ResponseError
from redis.exceptions import TimeoutError as RedisTimeoutError
from redis.retry import Retry
from redis.sentinel import Sentinel

from idempotency import claims as claims_module
from idempotency.claims import UNKNOWN, Answer, Claims
from idempotency.errors import InProgress
from local.servers import Server
from locks import connection
from locks.connection import GuardedPipeline, GuardedRedis, connect

pytestmark = pytest.mark.redis

DIGEST = "d" * 64
KEY = f"idempotency:{DIGEST}"
DAY_MS = 24 * 60 * 60 * 1000

# Bytes must never be read as text on the way.
EVERY_BYTE = bytes(range(256)) + b"\xff\xfe\0\r\n$-1\r\n" + "ü€🏨".encode()

BOOKED = Answer(201, EVERY_BYTE, "application/json", "f" * 64)
CANCELLED = Answer(200, b'{"cancelled":true}')
TAKEN = Answer(409, b"taken\0" + EVERY_BYTE, "application/problem+json", "e" * 64)
BUSY = Answer(409, b"busy", "application/problem+json")


class Store(dict[str, Answer]):
    """The durable store; counts how often it was asked."""

    asked = 0

    def recover(self, digest: str) -> Answer | None:
        self.asked += 1
        return self.get(digest)


@pytest.fixture
def store() -> Store:
    return Store()


@pytest.fixture
def claims(client: GuardedRedis) -> Claims:
    return Claims(client)


@pytest.fixture
def hasty(client: GuardedRedis) -> Claims:
    """Claims whose lease ends while the test watches."""
    return Claims(client, lease_ms=40)


def wait_for_the_lease() -> None:
    time.sleep(0.06)


def state_of(client: GuardedRedis) -> str | None:
    state = client.hget(KEY, "state")
    return state.decode() if state else None


# --- Free → in progress → completed -----------------------------------------------------------


def test_claims_a_free_key_for_the_length_of_a_lease(
    claims: Claims, client: GuardedRedis, store: Store
) -> None:
    with claims.claim(DIGEST, recover=store.recover) as claim:
        assert claim.replay is None
        assert claim.is_known
        assert state_of(client) == "in_progress"
        assert client.hget(KEY, "owner") == claim.owner.encode()
        assert 29_000 < client.pttl(KEY) <= 30_000
        claim.succeed(BOOKED, answer_ttl_ms=DAY_MS)

    assert store.asked == 0, "the usual way does not ask the durable store"


@pytest.mark.parametrize("answer", [BOOKED, CANCELLED], ids=["every byte", "plain"])
def test_replays_a_success_to_the_byte(claims: Claims, store: Store, answer: Answer) -> None:
    with claims.claim(DIGEST, recover=store.recover) as claim:
        settled = claim.succeed(answer, answer_ttl_ms=DAY_MS)

    with claims.claim(DIGEST, recover=store.recover) as again:
        assert again.replay == answer
    assert (settled.answer, settled.replayed, settled.stored) == (answer, False, True)
    assert store.asked == 0


def test_replays_a_refusal_to_the_byte(claims: Claims, store: Store) -> None:
    with claims.claim(DIGEST, recover=store.recover) as claim:
        settled = claim.refuse(TAKEN, answer_ttl_ms=DAY_MS)

    with claims.claim(DIGEST, recover=store.recover) as again:
        assert again.replay == TAKEN
    assert (settled.answer, settled.replayed, settled.stored) == (TAKEN, False, True)


def test_keeps_an_answer_for_as_long_as_it_is_told(
    claims: Claims, client: GuardedRedis, store: Store
) -> None:
    with claims.claim(DIGEST, recover=store.recover) as claim:
        claim.refuse(TAKEN, answer_ttl_ms=120_000)

    assert 119_000 < client.pttl(KEY) <= 120_000


def test_leaves_a_replayed_answer_as_it_is(
    claims: Claims, client: GuardedRedis, store: Store
) -> None:
    with claims.claim(DIGEST, recover=store.recover) as claim:
        claim.succeed(BOOKED, answer_ttl_ms=DAY_MS)
    before = client.hgetall(KEY)

    with claims.claim(DIGEST, recover=store.recover):
        pass
    with pytest.raises(ZeroDivisionError), claims.claim(DIGEST, recover=store.recover):
        raise ZeroDivisionError

    assert client.hgetall(KEY) == before


def test_keeps_keys_apart(claims: Claims, store: Store) -> None:
    with claims.claim(DIGEST, recover=store.recover) as claim:
        claim.succeed(BOOKED, answer_ttl_ms=DAY_MS)

    with claims.claim("e" * 64, recover=store.recover) as other:
        assert other.replay is None


@pytest.mark.parametrize("lease_ms", [0, -1, 1.5, True])
def test_takes_no_lease_that_redis_cannot_keep(client: GuardedRedis, lease_ms: Any) -> None:
    with pytest.raises(ValueError, match="lease_ms is .*: give whole milliseconds"):
        Claims(client, lease_ms=lease_ms)


def test_has_an_owner_of_its_own_although_an_application_seeds_random() -> None:
    state = random.getstate()
    try:
        random.seed(1)
        one = claims_module._new_owner()
        random.seed(1)
        assert claims_module._new_owner() != one
    finally:
        random.setstate(state)


FORK = """
import os
from idempotency.claims import _new_owner

reader, writer = os.pipe()
if os.fork() == 0:
    os.write(writer, _new_owner().encode())
    os._exit(0)
os.wait()
print(_new_owner(), os.read(reader, 100).decode())
"""


def test_has_an_owner_of_its_own_in_a_forked_process() -> None:
    run = subprocess.run([sys.executable, "-c", FORK], capture_output=True, text=True, check=True)
    here, there = run.stdout.split()
    assert here != there


URL = "redis://127.0.0.1:1/0"


@pytest.mark.parametrize(
    "make",
    [
        lambda **options: Redis.from_url(URL, **options),
        lambda **options: Redis.from_url("unix:///tmp/redis.sock", **options),
        lambda **options: Redis.from_pool(BlockingConnectionPool.from_url(URL, **options)),
        lambda **options: Sentinel([("127.0.0.1", 1)], **options).master_for("shop"),
    ],
    ids=["url", "unix socket", "blocking pool", "Sentinel"],
)
def test_takes_no_client_that_waits_without_end(make: Callable[..., Redis]) -> None:
    Claims(make(socket_timeout=0.25))

    for options in ({}, {"socket_timeout": None}, {"socket_connect_timeout": 0.25}):
        with pytest.raises(ValueError, match="Give the Redis client a socket_timeout"):
            Claims(make(**options))


def test_takes_every_client_whose_url_names_a_time_out() -> None:
    Claims(Redis.from_url(f"{URL}?socket_timeout=0.25"))
    Claims(connect(URL))
    Claims(connect("redis+sentinel://127.0.0.1:1/shop/0"))


def test_takes_no_client_that_returns_text(client: GuardedRedis) -> None:
    """Its answers would match no state, so each claim would seem to be granted."""
    with Redis(connection_pool=client.connection_pool) as same:
        Claims(same)

    with (
        Redis.from_url(os.environ["REDIS_URL"], decode_responses=True) as texts,
        pytest.raises(ValueError, match="decode_responses"),
    ):
        Claims(texts)


# --- In progress ------------------------------------------------------------------------------


def test_tells_a_twin_to_wait(claims: Claims, client: GuardedRedis, store: Store) -> None:
    with claims.claim(DIGEST, recover=store.recover) as claim:
        with pytest.raises(InProgress) as caught, claims.claim(DIGEST, recover=store.recover):
            pytest.fail("two owners at once")

        assert caught.value.retry_after_s == 1
        assert store.asked == 1, "the first owner may have died after its write"
        assert client.hget(KEY, "owner") == claim.owner.encode(), "and its claim is untouched"


def test_replays_what_an_owner_wrote_before_it_died(
    claims: Claims, client: GuardedRedis, store: Store
) -> None:
    with claims.claim(DIGEST, recover=store.recover):
        store[DIGEST] = BOOKED  # committed, and then the process is gone

        with claims.claim(DIGEST, recover=store.recover) as again:
            assert again.replay == BOOKED
        assert state_of(client) == "in_progress", "a replay takes nobody's claim away"


def test_can_be_claimed_when_the_lease_of_a_dead_owner_ran_out(hasty: Claims, store: Store) -> None:
    with hasty.claim(DIGEST, recover=store.recover) as dead:
        wait_for_the_lease()

        with hasty.claim(DIGEST, recover=store.recover) as heir:
            assert heir.replay is None
            assert heir.owner != dead.owner
            heir.succeed(BOOKED, answer_ttl_ms=DAY_MS)


# --- Giving back ------------------------------------------------------------------------------


@pytest.mark.parametrize("error", [None, ZeroDivisionError, KeyboardInterrupt])
def test_is_given_back_when_nobody_finished(
    claims: Claims, client: GuardedRedis, store: Store, error: type[BaseException] | None
) -> None:
    if error is None:
        with claims.claim(DIGEST, recover=store.recover):
            pass
    else:
        with pytest.raises(error), claims.claim(DIGEST, recover=store.recover):
            raise error

    assert not client.exists(KEY)


def test_is_given_back_by_its_owner_only(
    hasty: Claims, claims: Claims, client: GuardedRedis, store: Store
) -> None:
    with hasty.claim(DIGEST, recover=store.recover) as late:
        wait_for_the_lease()
        with claims.claim(DIGEST, recover=store.recover) as heir:
            late.abandon()

            assert client.hget(KEY, "owner") == heir.owner.encode()


def test_is_not_given_back_once_it_is_completed(
    claims: Claims, client: GuardedRedis, store: Store
) -> None:
    with claims.claim(DIGEST, recover=store.recover) as claim:
        claim.succeed(BOOKED, answer_ttl_ms=DAY_MS)
        claim.abandon()

    assert state_of(client) == "completed"


# --- Refusals ---------------------------------------------------------------------------------


def test_does_not_keep_a_refusal_that_may_turn_out_differently(
    claims: Claims, client: GuardedRedis, store: Store
) -> None:
    with claims.claim(DIGEST, recover=store.recover) as claim:
        settled = claim.refuse(BUSY, answer_ttl_ms=None)

    assert (settled.answer, settled.replayed) == (BUSY, False)
    assert not client.exists(KEY)


def test_sends_an_earlier_success_rather_than_a_refusal_that_is_not_kept(
    claims: Claims, client: GuardedRedis, store: Store
) -> None:
    """Redis forgot the key, and the lock that refused belonged to the first booking itself."""
    store[DIGEST] = BOOKED

    with claims.claim(DIGEST, recover=store.recover) as claim:
        settled = claim.refuse(BUSY, answer_ttl_ms=None)

    assert (settled.answer, settled.replayed) == (BOOKED, True)
    assert not client.exists(KEY)


def test_is_given_back_when_the_durable_store_cannot_be_asked(
    claims: Claims, client: GuardedRedis
) -> None:
    def fail(digest: str) -> Answer | None:
        raise ConnectionResetError

    batches: list[Pipeline] = []

    with pytest.raises(ConnectionResetError), claims.claim(DIGEST, recover=fail) as claim:
        claim.refuse(BUSY, answer_ttl_ms=None, also=batches.append)

    assert not client.exists(KEY)
    assert len(batches) == 1, "what goes with it (the lock's release) was sent"


def test_replays_what_another_owner_finished_meanwhile(
    hasty: Claims, claims: Claims, store: Store
) -> None:
    with hasty.claim(DIGEST, recover=store.recover) as late:
        wait_for_the_lease()
        with claims.claim(DIGEST, recover=store.recover) as heir:
            heir.succeed(BOOKED, answer_ttl_ms=DAY_MS)

        settled = late.refuse(TAKEN, answer_ttl_ms=DAY_MS)

    assert (settled.answer, settled.replayed) == (BOOKED, True)
    with claims.claim(DIGEST, recover=store.recover) as again:
        assert again.replay == BOOKED


def test_does_not_refuse_while_another_owner_is_at_work(
    hasty: Claims, claims: Claims, client: GuardedRedis, store: Store
) -> None:
    with hasty.claim(DIGEST, recover=store.recover) as late:
        wait_for_the_lease()
        with claims.claim(DIGEST, recover=store.recover) as heir:
            with pytest.raises(InProgress):
                late.refuse(TAKEN, answer_ttl_ms=DAY_MS)

            assert client.hget(KEY, "owner") == heir.owner.encode()
            assert state_of(client) == "in_progress"
            heir.succeed(BOOKED, answer_ttl_ms=DAY_MS)

    with claims.claim(DIGEST, recover=store.recover) as again:
        assert again.replay == BOOKED


@pytest.mark.parametrize("how", ["flushed", "lease ran out"])
def test_stores_no_refusal_once_its_claim_is_gone(
    hasty: Claims, client: GuardedRedis, store: Store, how: str
) -> None:
    with hasty.claim(DIGEST, recover=store.recover) as claim:
        if how == "flushed":
            client.flushdb()
        else:
            wait_for_the_lease()

        with pytest.raises(InProgress):
            claim.refuse(TAKEN, answer_ttl_ms=DAY_MS)

    assert not client.exists(KEY)


def test_sends_a_success_in_place_of_a_refusal_stored_before_it(
    claims: Claims, client: GuardedRedis, store: Store
) -> None:
    """Redis forgets; the heir is refused; the first owner succeeds and cannot report it."""
    with claims.claim(DIGEST, recover=store.recover) as first:
        client.flushdb()
        with claims.claim(DIGEST, recover=store.recover) as heir:
            heir.refuse(TAKEN, answer_ttl_ms=DAY_MS)
        store[DIGEST] = BOOKED
        first.is_done = True  # its finish never reached Redis

    with claims.claim(DIGEST, recover=store.recover) as again:
        assert again.replay == BOOKED


# --- Successes --------------------------------------------------------------------------------


@pytest.mark.parametrize("found", ["refusal", "another's claim", "nothing"])
def test_stores_a_success_over_whatever_is_there(
    claims: Claims, client: GuardedRedis, store: Store, found: str
) -> None:
    with claims.claim(DIGEST, recover=store.recover) as claim:
        client.flushdb()
        if found == "refusal":
            with claims.claim(DIGEST, recover=store.recover) as heir:
                heir.refuse(TAKEN, answer_ttl_ms=DAY_MS)
        elif found == "another's claim":
            client.hset(KEY, mapping={"state": "in_progress", "owner": "heir"})

        settled = claim.succeed(BOOKED, answer_ttl_ms=DAY_MS)

    assert (settled.answer, settled.replayed) == (BOOKED, False)
    with claims.claim(DIGEST, recover=store.recover) as again:
        assert again.replay == BOOKED
    assert 0 < client.pttl(KEY) <= DAY_MS


def test_asks_the_durable_store_every_time_for_an_answer_that_is_elsewhere(
    claims: Claims, client: GuardedRedis, store: Store
) -> None:
    with claims.claim(DIGEST, recover=store.recover) as claim:
        store[DIGEST] = BOOKED
        claim.succeed(BOOKED, answer_ttl_ms=120_000, elsewhere=True)

    for times in (1, 2):
        with claims.claim(DIGEST, recover=store.recover) as again:
            assert (again.replay, again.is_recovered) == (BOOKED, True)
        assert store.asked == times
    assert client.hgetall(KEY) == {b"state": b"elsewhere"}
    assert 119_000 < client.pttl(KEY) <= 120_000


def test_keeps_no_answer_that_another_owner_found_to_be_elsewhere(
    claims: Claims, client: GuardedRedis, store: Store
) -> None:
    """The heir ran an earlier release, in which this answer did not expire."""
    with claims.claim(DIGEST, recover=store.recover) as late:
        client.flushdb()
        with claims.claim(DIGEST, recover=store.recover) as heir:
            heir.succeed(BOOKED, answer_ttl_ms=DAY_MS)

        late.succeed(BOOKED, answer_ttl_ms=120_000, elsewhere=True)

    assert client.hgetall(KEY) == {b"state": b"elsewhere"}


def test_claims_again_what_the_durable_store_no_longer_answers(
    claims: Claims, client: GuardedRedis, store: Store
) -> None:
    with claims.claim(DIGEST, recover=store.recover) as claim:
        claim.succeed(BOOKED, answer_ttl_ms=120_000, elsewhere=True)

    with claims.claim(DIGEST, recover=store.recover) as again:
        assert again.replay is None
        assert client.hget(KEY, "owner") == again.owner.encode()
        with pytest.raises(InProgress), claims.claim(DIGEST, recover=store.recover):
            pass
        again.succeed(CANCELLED, answer_ttl_ms=DAY_MS)

    with claims.claim(DIGEST, recover=store.recover) as third:
        assert third.replay == CANCELLED


def test_lets_one_of_two_claim_what_the_durable_store_no_longer_answers(
    claims: Claims, store: Store
) -> None:
    with claims.claim(DIGEST, recover=store.recover) as claim:
        claim.succeed(BOOKED, answer_ttl_ms=120_000, elsewhere=True)
    meeting = threading.Barrier(2)
    won: list[bool] = []

    def recover_together(digest: str) -> None:
        with suppress(threading.BrokenBarrierError):
            meeting.wait(timeout=1)

    def claim_again() -> None:
        try:
            with claims.claim(DIGEST, recover=recover_together):
                time.sleep(0.05)
                won.append(True)
        except InProgress:
            won.append(False)

    threads = [threading.Thread(target=claim_again) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert sorted(won) == [False, True]


def test_lets_no_later_owner_refuse_what_succeeded_elsewhere(
    claims: Claims, client: GuardedRedis, store: Store
) -> None:
    """The heir looked before the first owner's commit, so its refusal must not be stored."""
    with claims.claim(DIGEST, recover=store.recover) as first:
        client.flushdb()
        with claims.claim(DIGEST, recover=store.recover) as heir:
            store[DIGEST] = BOOKED
            first.succeed(BOOKED, answer_ttl_ms=120_000, elsewhere=True)

            with pytest.raises(InProgress):
                heir.refuse(TAKEN, answer_ttl_ms=DAY_MS)

    assert state_of(client) == "elsewhere"


def test_refuses_unstored_beside_an_answer_elsewhere_if_the_claim_is_unknown(
    claims: Claims, monkeypatch: pytest.MonkeyPatch, store: Store
) -> None:
    with claims.claim(DIGEST, recover=store.recover) as first:
        first.succeed(BOOKED, answer_ttl_ms=120_000, elsewhere=True)

    def late(*_: object, **__: object) -> list[bytes]:
        return [UNKNOWN]

    with monkeypatch.context() as patch:
        patch.setattr(claims, "_ask", late)
        with claims.claim(DIGEST, recover=store.recover) as claim:
            patch.undo()
            settled = claim.refuse(TAKEN, answer_ttl_ms=1_000)

    assert (settled.answer, settled.stored) == (TAKEN, False)


@pytest.mark.parametrize("elsewhere", [False, True])
def test_sends_more_commands_in_the_same_batch(
    claims: Claims, client: GuardedRedis, store: Store, elsewhere: bool
) -> None:
    client.set("lock", "held")
    with claims.claim(DIGEST, recover=store.recover) as claim:
        claim.succeed(
            BOOKED,
            answer_ttl_ms=DAY_MS,
            elsewhere=elsewhere,
            also=lambda pipeline: pipeline.delete("lock"),
        )
    assert not client.exists("lock")

    client.set("lock", "held")
    with claims.claim("e" * 64, recover=store.recover) as claim:
        claim.refuse(
            TAKEN,
            answer_ttl_ms=None if elsewhere else DAY_MS,
            also=lambda pipeline: pipeline.delete("lock"),
        )
    assert not client.exists("lock")


# --- Redis is down ----------------------------------------------------------------------------


@pytest.fixture
def own_claims(own_redis: Server) -> Iterator[tuple[Server, Claims]]:
    """Claims on a separate server, and that server."""
    client = connect(own_redis.uri)
    yield own_redis, Claims(client)
    client.close()


@pytest.fixture
def fast_probes(monkeypatch: pytest.MonkeyPatch) -> float:
    """Probes twenty times as often; returns the interval in seconds."""
    monkeypatch.setattr(connection, "PROBE_INTERVAL_S", 0.05)
    return 0.05


def break_by_kill(server: Server) -> None:
    server.kill()


def break_by_freeze(server: Server) -> None:
    server.freeze()


BREAKING = pytest.mark.parametrize("break_it", [break_by_kill, break_by_freeze])


@BREAKING
def test_goes_on_unclaimed_when_redis_does_not_answer(
    own_claims: tuple[Server, Claims], store: Store, break_it: Callable[[Server], None]
) -> None:
    server, claims = own_claims
    break_it(server)
    started_s = time.monotonic()

    with claims.claim(DIGEST, recover=store.recover) as claim:
        assert claim.replay is None
        assert not claim.is_known
        settled = claim.succeed(BOOKED, answer_ttl_ms=DAY_MS)

    assert settled.answer == BOOKED
    assert time.monotonic() - started_s < 0.6


@pytest.fixture
def warnings(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> Callable[[], list[str]]:
    """What the claims warned of, in a process that has not warned yet."""
    monkeypatch.setattr(claims_module, "_warned_at_s", {})
    return lambda: [
        record.getMessage()
        for record in caplog.records
        if record.name == "idempotency.claims" and record.levelname == "WARNING"
    ]


class Alone:
    """A company that asks nothing."""

    def queue(self, pipeline: Pipeline) -> None: ...
    def answered(self, results: Sequence[Any]) -> None: ...
    def failed(self) -> None: ...


@pytest.mark.parametrize("company", [None, Alone()], ids=["alone", "in company"])
def test_warns_once_a_minute_that_redis_does_not_answer(
    own_redis: Server,
    store: Store,
    warnings: Callable[[], list[str]],
    company: Any,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    claims = Claims(Redis.from_url(own_redis.uri, socket_timeout=0.25))
    own_redis.kill()

    def ask() -> None:
        with claims.claim(DIGEST, recover=store.recover, company=company) as claim:
            assert not claim.is_known

    ask()
    ask()
    assert warnings() == ["claims_without_redis: ConnectionError"]

    monkeypatch.setattr(claims_module, "WARN_EVERY_S", 0)
    ask()
    assert len(warnings()) == 2


@pytest.mark.parametrize("company", [None, Alone()], ids=["alone", "in company"])
def test_tells_a_redis_that_refuses_from_one_that_is_away(
    own_redis: Server, store: Store, warnings: Callable[[], list[str]], company: Any, caplog: Any
) -> None:
    with Redis.from_url(own_redis.uri) as admin:
        admin.config_set("requirepass", "right")
        admin.execute_command("AUTH", "right")
        admin.acl_setuser("narrow", enabled=True, passwords=["+hush"], keys=["none"])
    address = own_redis.uri.removeprefix("redis://")

    for login in (":hush-hush", "narrow:hush"):
        claims_module._warned_at_s.clear()
        claims = Claims(Redis.from_url(f"redis://{login}@{address}", socket_timeout=0.25))
        with claims.claim(DIGEST, recover=store.recover, company=company) as claim:
            assert not claim.is_known

    assert warnings() == [
        "claims_refused_by_redis: AuthenticationError",
        "claims_refused_by_redis: NoPermissionError",
    ]
    assert "hush" not in caplog.text


@BREAKING
def test_gives_the_same_success_when_redis_fails_before_it_is_stored(
    own_claims: tuple[Server, Claims], store: Store, break_it: Callable[[Server], None]
) -> None:
    server, claims = own_claims

    with claims.claim(DIGEST, recover=store.recover) as claim:
        break_it(server)
        settled = claim.succeed(BOOKED, answer_ttl_ms=DAY_MS)

    assert (settled.answer, settled.replayed) == (BOOKED, False)


@pytest.mark.parametrize("when", ["before the claim", "before the finish"])
@BREAKING
def test_says_that_a_refusal_could_not_be_stored(
    own_claims: tuple[Server, Claims],
    store: Store,
    break_it: Callable[[Server], None],
    when: str,
) -> None:
    server, claims = own_claims
    if when == "before the claim":
        break_it(server)

    with claims.claim(DIGEST, recover=store.recover) as claim:
        if when == "before the finish":
            break_it(server)
        settled = claim.refuse(TAKEN, answer_ttl_ms=DAY_MS)

    assert (settled.answer, settled.stored) == (TAKEN, False)


def test_says_so_too_when_redis_came_back_without_the_claim(
    own_claims: tuple[Server, Claims], store: Store, fast_probes: float
) -> None:
    server, claims = own_claims
    server.kill()

    with claims.claim(DIGEST, recover=store.recover) as claim:
        server.start()
        time.sleep(fast_probes)
        settled = claim.refuse(TAKEN, answer_ttl_ms=DAY_MS)

    assert (settled.answer, settled.stored) == (TAKEN, False)
    assert claims.look_up(DIGEST) is None


@pytest.mark.parametrize("outcome", ["success", "refusal", "abandoned"])
def test_finishes_a_claim_of_unknown_outcome_with_its_token(
    own_redis: Server, store: Store, outcome: str
) -> None:
    """The frozen server carries the claim out once it thaws, after the client gave up on it."""
    retry = Retry(NoBackoff(), 0)
    with Redis.from_url(own_redis.uri, socket_timeout=0.25, retry=retry) as plain:
        claims = Claims(plain)
        assert claims.look_up(DIGEST) is None  # connects, so that the command reaches the server
        own_redis.freeze()

        with claims.claim(DIGEST, recover=store.recover) as claim:
            assert not claim.is_known
            own_redis.thaw()
            record = claims.look_up(DIGEST)
            assert record is not None
            assert record.state == "in_progress", "the claim was carried out after all"
            if outcome == "success":
                claim.succeed(BOOKED, answer_ttl_ms=DAY_MS)
            elif outcome == "refusal":
                assert claim.refuse(TAKEN, answer_ttl_ms=DAY_MS).stored

        record = claims.look_up(DIGEST)
    if outcome == "abandoned":
        assert record is None
    else:
        assert record is not None
        assert record.kind == outcome


@pytest.mark.parametrize("has_company", [False, True])
@pytest.mark.parametrize("is_elsewhere", [False, True])
def test_is_given_back_behind_a_claim_whose_answer_was_lost(
    own_claims: tuple[Server, Claims],
    store: Store,
    fast_probes: float,
    has_company: bool,
    is_elsewhere: bool,
) -> None:
    """The breaker is open when the request ends, so only what was sent at once can free the key."""
    server, claims = own_claims
    company = Company() if has_company else None
    assert claims.look_up(DIGEST) is None  # connects, so that the command reaches the server
    if is_elsewhere:
        with claims.claim(DIGEST, recover=store.recover) as earlier:
            earlier.succeed(BOOKED, answer_ttl_ms=DAY_MS, elsewhere=True)

    def freeze_and_find(digest: str) -> Answer | None:
        server.freeze()
        return None

    if not is_elsewhere:
        server.freeze()
    with claims.claim(DIGEST, recover=freeze_and_find, company=company) as claim:
        assert not claim.is_known
    server.thaw()
    time.sleep(fast_probes)

    record = claims.look_up(DIGEST)
    assert record is None, "a retry must wait for the end of the lease"
    if has_company and not is_elsewhere:
        with Redis.from_url(server.uri) as plain:
            assert plain.get("counted") == b"1", "the server did get the batch"


def test_replays_from_the_durable_store_what_redis_forgot(
    claims: Claims, client: GuardedRedis, store: Store
) -> None:
    """After FLUSHDB the key is free; the writer then finds its twin and reports success again."""
    with claims.claim(DIGEST, recover=store.recover) as claim:
        store[DIGEST] = BOOKED
        claim.succeed(BOOKED, answer_ttl_ms=DAY_MS)
    client.flushdb()

    with claims.claim(DIGEST, recover=store.recover) as again:
        assert again.replay is None
        settled = again.succeed(store[DIGEST], answer_ttl_ms=DAY_MS)

    assert settled.answer == BOOKED


def test_raises_what_the_durable_store_raises_although_it_is_an_error_of_redis(
    claims: Claims, store: Store
) -> None:
    """A store may use Redis. Its failure says nothing about the claim."""

    def fail(digest: str) -> Answer | None:
        raise RedisTimeoutError

    with claims.claim(DIGEST, recover=store.recover) as claim:
        claim.succeed(BOOKED, answer_ttl_ms=DAY_MS, elsewhere=True)

    with pytest.raises(RedisTimeoutError), claims.claim(DIGEST, recover=fail):
        raise AssertionError("the work went on as if Redis were down")


# --- Many at once -----------------------------------------------------------------------------


def test_lets_one_of_many_twins_work(claims: Claims, store: Store, rounds: int) -> None:
    for round_number in range(5 * rounds):
        digest = f"{round_number:064}"
        start = threading.Barrier(12)
        everybody_came = threading.Barrier(12)

        def come(
            _: int,
            digest: str = digest,
            start: threading.Barrier = start,
            everybody_came: threading.Barrier = everybody_came,
        ) -> str:
            start.wait()
            try:
                with claims.claim(digest, recover=store.recover) as claim:
                    everybody_came.wait(5)
                    claim.succeed(BOOKED, answer_ttl_ms=DAY_MS)
            except InProgress:
                everybody_came.wait(5)
                return "told to wait"
            return "worked"

        with ThreadPoolExecutor(12) as pool:
            outcomes = list(pool.map(come, range(12)))

        assert sorted(outcomes) == ["told to wait"] * 11 + ["worked"]


# --- For operators ----------------------------------------------------------------------------


def test_shows_what_redis_remembers(claims: Claims, client: GuardedRedis, store: Store) -> None:
    assert claims.look_up(DIGEST) is None

    with claims.claim(DIGEST, recover=store.recover) as claim:
        record = claims.look_up(DIGEST)
        assert record is not None
        assert (record.state, record.kind, record.answer) == ("in_progress", "", None)
        assert 29_000 < record.expires_in_ms <= 30_000
        claim.refuse(TAKEN, answer_ttl_ms=DAY_MS)

    record = claims.look_up(DIGEST)
    assert record is not None
    assert (record.state, record.kind, record.answer) == ("completed", "refusal", TAKEN)
    assert DAY_MS - 1000 < record.expires_in_ms <= DAY_MS


def test_forgets_on_demand(claims: Claims, client: GuardedRedis, store: Store) -> None:
    client.set("other", "stays")
    for number in range(3):
        with claims.claim(f"{number:064}", recover=store.recover) as claim:
            claim.refuse(TAKEN, answer_ttl_ms=DAY_MS)

    assert sorted(claims.digests()) == [f"{number:064}" for number in range(3)]
    assert claims.forget(f"{0:064}") is True
    assert claims.forget(f"{0:064}") is False
    assert sorted(claims.digests()) == [f"{number:064}" for number in (1, 2)]
    assert client.get("other") == b"stays"


class Company:
    """Travels with a claim; `refusal` is raised once it knows its result."""

    def __init__(self, refusal: Exception | None = None) -> None:
        self.refusal = refusal
        self.results: list[Any] | None = None

    def queue(self, pipeline: Pipeline) -> None:
        pipeline.incr("counted")
        pipeline.get("counted")

    def answered(self, results: Sequence[Any]) -> None:
        self.results = list(results)
        self.failed()

    def failed(self) -> None:
        if self.refusal:
            raise self.refusal


def test_asks_for_its_company_in_the_same_round_trip(
    claims: Claims, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    sent, execute = [], GuardedPipeline.execute

    def execute_seen(self: GuardedPipeline, raise_on_error: bool = True) -> list[Any]:
        sent.append(len(self.command_stack))
        return execute(self, raise_on_error)

    monkeypatch.setattr(GuardedPipeline, "execute", execute_seen)
    company = Company()
    with claims.claim(DIGEST, recover=store.recover, company=company) as claim:
        in_one = list(sent)

    assert (in_one, company.results) == ([3], [1, b"1"])
    assert claim.is_known


@pytest.mark.parametrize("is_lost", [False, True])
def test_is_given_back_if_its_company_refuses(
    claims: Claims, store: Store, monkeypatch: pytest.MonkeyPatch, is_lost: bool
) -> None:
    execute = GuardedPipeline.execute

    def lose_the_answer(self: GuardedPipeline, raise_on_error: bool = True) -> list[Any]:
        monkeypatch.undo()
        execute(self, raise_on_error)
        raise RedisTimeoutError

    if is_lost:
        monkeypatch.setattr(GuardedPipeline, "execute", lose_the_answer)
    refused = claims.claim(DIGEST, recover=store.recover, company=Company(ZeroDivisionError()))

    with pytest.raises(ZeroDivisionError), refused:
        pass
    with claims.claim(DIGEST, recover=store.recover) as claim:
        assert claim.is_known


def test_goes_on_if_only_its_company_fails(claims: Claims, store: Store, client: Any) -> None:
    client.lpush("counted", "no number")
    company = Company()

    with claims.claim(DIGEST, recover=store.recover, company=company) as claim:
        assert claim.is_known

    assert company.results is not None
    assert [type(result) for result in company.results] == [ResponseError] * 2
