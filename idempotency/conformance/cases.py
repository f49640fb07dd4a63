"""The cases: what a client may rely on, whatever happens to the processes that serve it."""

import dataclasses
import sys
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta, tzinfo
from typing import Any

import pytest
from redis import Redis

from idempotency import keys
from idempotency.answers import Answer, Kept
from idempotency.conformance.processes import (
    AFTER_CLAIM,
    AFTER_EFFECT,
    AFTER_FINISH,
    AFTER_LOOK,
    AFTER_WRITE,
    BEFORE_EFFECT,
    BEFORE_FINISH,
    BUSY,
    GONE,
    INSIDE_THE_WRITE,
    PATIENCE_S,
    POLICY,
    Process,
    new_answer,
    refuse,
    unreachable_redis,
)
from idempotency.conformance.subjects import Subject
from idempotency.errors import IdempotencyError, InProgress, NotKnown, PayloadMismatch
from idempotency.outcomes import KeyedOutcome, KeyedRequest, Refused
from idempotency.policy import DAY_MS

POINTS = [AFTER_CLAIM, BEFORE_EFFECT, AFTER_EFFECT, AFTER_WRITE, BEFORE_FINISH, AFTER_FINISH]

# Between these an effect has happened, and Redis does not know it.
UNKNOWN_TO_REDIS = (AFTER_EFFECT, AFTER_WRITE, BEFORE_FINISH)

# A key of a client, and one that the server derived, whose answer expires.
KEYS = pytest.mark.parametrize("key", ["key", keys.make_key("wish")], ids=["client's", "derived"])

TWINS = 4
DIGEST = "d" * 64

# In this time a short lease ends, and an answer that is kept for a millisecond is forgotten.
SOON_S = 3.0
DAY_S = 24 * 60 * 60


class StoreConformance:
    """Subclass it with the fixtures `subject` and `redis_client`; each is made for each case.

    A lease that ends and a Redis that loses its memory look the same to a request: its record is
    gone. So the cases flush Redis instead of waiting.
    """

    @pytest.fixture
    def subject(self) -> Subject:
        """The store without answers, and its effect without effects."""
        raise NotImplementedError("Give the class a fixture `subject`.")

    @pytest.fixture
    def redis_client(self) -> Redis:
        """A client whose database belongs to the cases alone, since they flush it. It returns
        bytes, and has a `socket_timeout`."""
        raise NotImplementedError("Give the class a fixture `redis_client`.")

    @pytest.fixture(autouse=True)
    def _empty_redis(self, redis_client: Redis) -> None:
        redis_client.flushdb()

    # --- Repeats ------------------------------------------------------------------------------

    @KEYS
    def test_repeats_the_first_answer(
        self, subject: Subject, redis_client: Redis, key: str
    ) -> None:
        first = _first(Process(subject, redis_client).send(key))

        for _ in range(3):
            again = Process(subject, redis_client)
            _assert_replays(again.send(key), first)
            assert again.runs == 0, "a repeat must not even begin the effect"
        assert subject.count_effects() == 1

    @KEYS
    def test_repeats_it_after_redis_forgot(
        self, subject: Subject, redis_client: Redis, key: str
    ) -> None:
        _needs_durable(subject, "an answer that survives the loss of Redis")
        first = _first(Process(subject, redis_client).send(key))

        for _ in range(3):
            redis_client.flushdb()
            _assert_replays(Process(subject, redis_client).send(key), first)
        assert subject.count_effects() == 1

    @pytest.mark.parametrize(
        "other",
        [{"caller": "user:2"}, {"operation": "cancel"}, {"target": "2"}, {"key": "2"}],
        ids=str,
    )
    def test_keeps_requests_apart(
        self, subject: Subject, redis_client: Redis, other: dict[str, Any]
    ) -> None:
        process = Process(subject, redis_client)
        first = _first(process.send())

        second = _first(process.send(**other))

        assert second != first, "one request got the answer of another"
        assert subject.count_effects() == 2

    @pytest.mark.parametrize("has_forgotten", [False, True])
    def test_tells_that_the_payload_was_another(
        self, subject: Subject, redis_client: Redis, has_forgotten: bool
    ) -> None:
        first = _first(Process(subject, redis_client).send(payload={"nights": 1}))
        if has_forgotten:
            _needs_durable(subject, "an answer that survives the loss of Redis")
            redis_client.flushdb()

        other = Process(subject, redis_client).send(payload={"nights": 2})

        _assert_replays(other, first)
        assert isinstance(other, KeyedOutcome)
        assert other.payload_mismatch, "the client must learn that its payload was another"
        same = Process(subject, redis_client).send(payload={"nights": 1})
        assert isinstance(same, KeyedOutcome)
        assert not same.payload_mismatch
        assert subject.count_effects() == 1

    @pytest.mark.parametrize("has_forgotten", [False, True])
    def test_rejects_another_payload(
        self, subject: Subject, redis_client: Redis, has_forgotten: bool
    ) -> None:
        policy = dataclasses.replace(POLICY, on_mismatch="reject")
        first = _first(Process(subject, redis_client, policy=policy).send(payload=1))
        if has_forgotten:
            _needs_durable(subject, "an answer that survives the loss of Redis")
            redis_client.flushdb()

        other = Process(subject, redis_client, policy=policy).send(payload=2)

        assert isinstance(other, PayloadMismatch), f"not rejected: {other!r}"
        _assert_replays(Process(subject, redis_client, policy=policy).send(payload=1), first)
        assert subject.count_effects() == 1

    def test_tells_it_after_a_refusal(self, subject: Subject, redis_client: Redis) -> None:
        refusal = _first(Process(subject, redis_client).send(does=refuse(GONE), payload=1))

        other = Process(subject, redis_client).send(payload=2)

        _assert_replays(other, refusal)
        assert isinstance(other, KeyedOutcome)
        assert other.payload_mismatch, "the client must learn that its payload was another"

    # --- Twins --------------------------------------------------------------------------------

    def test_tells_a_twin_to_wait(self, subject: Subject, redis_client: Redis) -> None:
        with Process(subject, redis_client).paused_at(AFTER_CLAIM) as owner:
            twin = Process(subject, redis_client)
            _assert_waits(twin.send())
            assert twin.runs == 0
            first = _first(owner.go_on())

        _assert_replays(Process(subject, redis_client).send(), first)
        assert subject.count_effects() == 1

    @KEYS
    def test_gives_twins_one_effect(self, subject: Subject, redis_client: Redis, key: str) -> None:
        answers = _send_twins(subject, redis_client, key)

        assert len(answers) == 1, "twins got different answers"
        assert subject.count_effects() == 1

    @pytest.mark.parametrize("keep_ms", [None, DAY_MS], ids=["for ever", "for a day"])
    def test_writes_one_of_two_answers(self, subject: Subject, keep_ms: int | None) -> None:
        _needs_durable(subject, "one effect if the claim is lost")
        first, second = new_answer(), new_answer()

        assert _write(subject, first, keep_ms=keep_ms) == Kept(first)
        assert subject.store.find(DIGEST) == first
        assert _write(subject, second, keep_ms=keep_ms) == Kept(first, is_twin=True)

        assert subject.store.find(DIGEST) == first
        assert subject.count_effects() == 1

    # --- Crashes ------------------------------------------------------------------------------

    @pytest.mark.parametrize("point", POINTS)
    def test_survives_a_crash(self, subject: Subject, redis_client: Redis, point: str) -> None:
        if point in UNKNOWN_TO_REDIS:
            _needs_durable(subject, "one effect if a process dies between effect and answer")
        Process(subject, redis_client).crash_at(point).send_and_crash()
        has_effect = subject.count_effects() == 1

        retry = Process(subject, redis_client).send()
        if has_effect:
            written = _answer(retry)  # at once, without waiting for the lease
            assert isinstance(retry, KeyedOutcome)
            assert retry.replayed
        else:
            _assert_waits(retry)
        assert subject.count_effects() == has_effect

        redis_client.flushdb()
        if has_effect and not subject.store.is_durable:
            return  # with the memory of Redis went the answer
        late = _answer(Process(subject, redis_client).send())
        assert not has_effect or late == written
        _assert_replays(Process(subject, redis_client).send(), late)
        assert subject.count_effects() == 1

    def test_frees_the_key_of_a_dead_process_after_its_lease(
        self, subject: Subject, redis_client: Redis
    ) -> None:
        Process(subject, redis_client, lease_ms=20).crash_at(AFTER_CLAIM).send_and_crash()

        heir = Process(subject, redis_client)
        _first(_send_until_answered(heir, patience_s=SOON_S))

        assert subject.count_effects() == 1

    # --- A claim that is gone while its owner works -------------------------------------------

    @pytest.mark.parametrize("point", POINTS)
    def test_has_one_effect_if_the_claim_is_lost(
        self, subject: Subject, redis_client: Redis, point: str
    ) -> None:
        _needs_durable(subject, "one effect if Redis forgets, or the work outlasts the lease")
        with Process(subject, redis_client).paused_at(point) as owner:
            redis_client.flushdb()
            if point in INSIDE_THE_WRITE:
                # The store may let the twin wait for the end of the owner's transaction.
                with Process(subject, redis_client).paused_at(AFTER_CLAIM) as twin:
                    twin.release()
                    answers = {_answer(owner.go_on()), _answer(twin.go_on())}
            else:
                answers = {_answer(Process(subject, redis_client).send()), _answer(owner.go_on())}

        assert len(answers) == 1, "the key has two answers"
        assert subject.count_effects() == 1

    @KEYS
    def test_keeps_the_answer_of_an_heir(
        self, subject: Subject, redis_client: Redis, key: str
    ) -> None:
        with Process(subject, redis_client).paused_at(AFTER_CLAIM, key=key) as owner:
            redis_client.flushdb()
            heirs = _first(Process(subject, redis_client).send(key))

            _assert_replays(owner.go_on(), heirs)

        _assert_replays(Process(subject, redis_client).send(key), heirs)

    @KEYS
    def test_keeps_the_answer_of_an_owner_before_its_heirs(
        self, subject: Subject, redis_client: Redis, key: str
    ) -> None:
        with Process(subject, redis_client).paused_at(AFTER_CLAIM, key=key) as owner:
            redis_client.flushdb()
            with Process(subject, redis_client).paused_at(AFTER_CLAIM, key=key) as heir:
                owners = _first(owner.go_on())

                _assert_replays(heir.go_on(), owners)

        _assert_replays(Process(subject, redis_client).send(key), owners)

    def test_replaces_the_refusal_of_an_heir_by_a_success(
        self, subject: Subject, redis_client: Redis
    ) -> None:
        with Process(subject, redis_client).paused_at(AFTER_CLAIM) as owner:
            redis_client.flushdb()
            _first(Process(subject, redis_client).send(does=refuse(GONE)))
            success = _first(owner.go_on())

        _assert_replays(Process(subject, redis_client).send(), success)
        assert subject.count_effects() == 1

    def test_replaces_it_even_if_the_owner_dies_then(
        self, subject: Subject, redis_client: Redis
    ) -> None:
        _needs_durable(subject, "one effect if a process dies between effect and answer")
        owner = Process(subject, redis_client).crash_at(AFTER_WRITE)

        def lose_the_claim() -> None:
            redis_client.flushdb()
            _first(Process(subject, redis_client).send(does=refuse(GONE)))

        owner.at(AFTER_CLAIM, lose_the_claim).send_and_crash()

        retry = Process(subject, redis_client).send()
        assert _answer(retry).status == 201, "a refusal hides a success"
        assert subject.count_effects() == 1

    def test_keeps_no_refusal_of_a_lost_owner(self, subject: Subject, redis_client: Redis) -> None:
        refused = Process(subject, redis_client).at(AFTER_CLAIM, redis_client.flushdb)

        _assert_waits(refused.send(does=refuse(GONE)))

        _first(Process(subject, redis_client).send())
        assert subject.count_effects() == 1

    @pytest.mark.parametrize("status", [GONE, BUSY])
    def test_keeps_the_claim_of_an_heir_from_a_lost_owner(
        self, subject: Subject, redis_client: Redis, status: int
    ) -> None:
        with Process(subject, redis_client).paused_at(AFTER_CLAIM, does=refuse(status)) as owner:
            redis_client.flushdb()
            with Process(subject, redis_client).paused_at(AFTER_CLAIM) as heir:
                late = owner.go_on()

                if status == GONE:
                    _assert_waits(late)
                _assert_waits(Process(subject, redis_client).send())
                success = _first(heir.go_on())

        _assert_replays(Process(subject, redis_client).send(), success)
        assert subject.count_effects() == 1

    def test_repeats_the_first_of_two_refusals(self, subject: Subject, redis_client: Redis) -> None:
        with Process(subject, redis_client).paused_at(AFTER_CLAIM, does=refuse(GONE)) as owner:
            redis_client.flushdb()
            refusal = _first(Process(subject, redis_client).send(does=refuse(GONE)))

            _assert_replays(owner.go_on(), refusal)

        _assert_replays(Process(subject, redis_client).send(), refusal)
        assert subject.count_effects() == 0

    # --- Refusals -----------------------------------------------------------------------------

    def test_repeats_a_final_refusal(self, subject: Subject, redis_client: Redis) -> None:
        refusal = _first(Process(subject, redis_client).send(does=refuse(GONE)))

        _assert_replays(Process(subject, redis_client).send(), refusal)
        assert subject.count_effects() == 0

    def test_frees_the_key_after_another_refusal(
        self, subject: Subject, redis_client: Redis
    ) -> None:
        _first(Process(subject, redis_client).send(does=refuse(BUSY)))

        _first(Process(subject, redis_client).send())
        assert subject.count_effects() == 1

    @KEYS
    @pytest.mark.parametrize("status", [GONE, BUSY])
    def test_hides_no_success_behind_a_refusal(
        self, subject: Subject, redis_client: Redis, status: int, key: str
    ) -> None:
        """Its own first effect may be what refuses a request, once Redis has forgotten."""
        _needs_durable(subject, "an answer that survives the loss of Redis")
        success = _first(Process(subject, redis_client).send(key))
        redis_client.flushdb()

        _assert_replays(Process(subject, redis_client).send(key, does=refuse(status)), success)
        _assert_replays(Process(subject, redis_client).send(key), success)

    @KEYS
    def test_hides_none_that_was_written_after_the_look(
        self, subject: Subject, redis_client: Redis, key: str
    ) -> None:
        """The heir looks, the lost owner succeeds, and only then the heir's refusal is kept."""
        with Process(subject, redis_client).paused_at(AFTER_CLAIM, key=key) as owner:
            redis_client.flushdb()
            heir = Process(subject, redis_client)
            with heir.paused_at(
                AFTER_LOOK if subject.store.is_durable else BEFORE_FINISH,
                key=key,
                does=refuse(GONE),
            ) as refused:
                success = _first(owner.go_on())
                late = refused.go_on()

        if isinstance(late, KeyedOutcome):
            _assert_replays(late, success)
        else:
            _assert_waits(late)
        _assert_replays(Process(subject, redis_client).send(key), success)
        assert subject.count_effects() == 1

    # --- Effects that fail --------------------------------------------------------------------

    def test_frees_the_key_after_an_error(self, subject: Subject, redis_client: Redis) -> None:
        def fail(keyed: KeyedRequest) -> Answer:
            raise ZeroDivisionError

        with pytest.raises(ZeroDivisionError):
            Process(subject, redis_client).send(does=fail)
        assert subject.count_effects() == 0

        _first(Process(subject, redis_client).send())
        assert subject.count_effects() == 1

    def test_leaves_the_key_to_an_heir_after_an_error(
        self, subject: Subject, redis_client: Redis
    ) -> None:
        def fail(keyed: KeyedRequest) -> Answer:
            raise ZeroDivisionError

        with Process(subject, redis_client).paused_at(AFTER_CLAIM, does=fail) as owner:
            redis_client.flushdb()
            with Process(subject, redis_client).paused_at(AFTER_CLAIM) as heir:
                with pytest.raises(ZeroDivisionError):
                    owner.go_on()
                _assert_waits(Process(subject, redis_client).send())
                _first(heir.go_on())

        assert subject.count_effects() == 1

    @KEYS
    def test_hides_no_success_behind_an_error(
        self, subject: Subject, redis_client: Redis, key: str
    ) -> None:
        """Its own first effect may be what an effect stumbles over, once Redis has forgotten."""
        _needs_durable(subject, "an answer that survives the loss of Redis")
        success = _first(Process(subject, redis_client).send(key))
        redis_client.flushdb()

        def stumble(keyed: KeyedRequest) -> Answer:
            raise LookupError("It is sold already.")

        _assert_replays(Process(subject, redis_client).send(key, does=stumble), success)
        _assert_replays(Process(subject, redis_client).send(key), success)
        assert subject.count_effects() == 1

    @pytest.mark.parametrize("error", [ZeroDivisionError(), Refused(new_answer(BUSY))], ids=repr)
    def test_undoes_what_an_effect_wrote_before_it_raised(
        self, subject: Subject, redis_client: Redis, error: Exception
    ) -> None:
        if not subject.undoes_effects:
            pytest.skip("does not promise to undo what an effect wrote before it raised")

        def write_and_raise(keyed: KeyedRequest) -> Answer:
            subject.effect(keyed, new_answer())
            raise error

        process = Process(subject, redis_client)
        if isinstance(error, Refused):
            assert _first(process.send(does=write_and_raise)).status == BUSY
        else:
            with pytest.raises(ZeroDivisionError):
                process.send(does=write_and_raise)
        assert subject.count_effects() == 0

        _first(Process(subject, redis_client).send())
        assert subject.count_effects() == 1

    # --- Redis is down ------------------------------------------------------------------------

    def test_does_nothing_without_redis(self, subject: Subject, redis_client: Redis) -> None:
        if subject.store.is_durable:
            pytest.skip("works without Redis")
        with unreachable_redis() as down:
            process = Process(subject, down)
            result = process.send()

        assert isinstance(result, NotKnown), f"nothing would stop a second effect: {result!r}"
        assert process.runs == subject.count_effects() == 0

    def test_works_without_redis(self, subject: Subject, redis_client: Redis) -> None:
        _needs_durable(subject, "to work without Redis")
        with unreachable_redis() as down:
            sent = Process(subject, down).send()
            first = _first(sent)
            assert isinstance(sent, KeyedOutcome)
            assert sent.stored
            _assert_replays(Process(subject, down).send(), first)
            _assert_replays(Process(subject, down).send(does=refuse(GONE)), first)

        _assert_replays(Process(subject, redis_client).send(), first)
        assert subject.count_effects() == 1

    @KEYS
    def test_gives_twins_one_effect_without_redis(
        self, subject: Subject, redis_client: Redis, key: str
    ) -> None:
        _needs_durable(subject, "to work without Redis")
        with unreachable_redis() as down:
            answers = _send_twins(subject, down, key)

        assert len(answers) == 1, "twins got different answers"
        assert subject.count_effects() == 1

    def test_says_whether_an_answer_is_kept_if_redis_fails_before_it(
        self, subject: Subject, redis_client: Redis
    ) -> None:
        with unreachable_redis() as down:
            process = Process(subject, redis_client)
            process.at(BEFORE_FINISH, lambda: setattr(process, "client", down))
            sent = process.send()
        first = _first(sent)
        assert isinstance(sent, KeyedOutcome)
        assert sent.stored == subject.store.is_durable

        retry = Process(subject, redis_client).send()
        if subject.store.is_durable:
            _assert_replays(retry, first)
        else:
            _assert_waits(retry)
        assert subject.count_effects() == 1

    @pytest.mark.parametrize("comes_back", [False, True])
    def test_says_that_a_refusal_is_not_kept_without_redis(
        self, subject: Subject, redis_client: Redis, comes_back: bool
    ) -> None:
        _needs_durable(subject, "to work without Redis")
        with unreachable_redis() as down:
            process = Process(subject, down)
            if comes_back:
                process.at(BEFORE_FINISH, lambda: setattr(process, "client", redis_client))
            refused = process.send(does=refuse(GONE))
        assert _first(refused).status == GONE
        assert isinstance(refused, KeyedOutcome)
        assert not refused.stored

        _first(Process(subject, redis_client).send())
        assert subject.count_effects() == 1

    # --- Time ---------------------------------------------------------------------------------

    @KEYS
    @pytest.mark.parametrize("days", [-1, 1])
    def test_does_not_trust_the_clock_of_a_process(
        self,
        subject: Subject,
        redis_client: Redis,
        monkeypatch: pytest.MonkeyPatch,
        key: str,
        days: int,
    ) -> None:
        """It moves `time.time`, and the clock that the store's module imported by name."""
        with Process(subject, redis_client).paused_at(AFTER_CLAIM, key=key) as owner:
            with monkeypatch.context() as patch:
                _move_clock(patch, subject, days)
                _assert_waits(Process(subject, redis_client).send(key))
                first = _first(owner.go_on())
                _assert_replays(Process(subject, redis_client).send(key), first)
            _assert_replays(Process(subject, redis_client).send(key), first)
        if subject.store.is_durable:
            redis_client.flushdb()
            _assert_replays(Process(subject, redis_client).send(key), first)
            redis_client.flushdb()
            with monkeypatch.context() as patch:
                _move_clock(patch, subject, -days)
                _assert_replays(Process(subject, redis_client).send(key), first)
        assert subject.count_effects() == 1

    def test_forgets_an_answer_after_its_time(
        self, subject: Subject, redis_client: Redis, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        if subject.store.is_durable and subject.expire_answers is None:
            pytest.skip("does not promise to forget an answer")
        policy = dataclasses.replace(POLICY, derived_ms=1)
        key = keys.make_key("wish")
        with monkeypatch.context() as patch:
            _move_clock(patch, subject, 1)  # decides nothing
            _first(Process(subject, redis_client, policy=policy).send(key))

        ends_at = time.monotonic() + SOON_S
        while subject.count_effects() == 1 and time.monotonic() < ends_at:
            _send_until_answered(Process(subject, redis_client, policy=policy), key=key)

        assert subject.count_effects() == 2, "the same wish a day later gets the old answer"

    def test_forgets_a_refusal_with_its_derived_key(
        self, subject: Subject, redis_client: Redis
    ) -> None:
        policy = dataclasses.replace(POLICY, derived_ms=1)
        key = keys.make_key("wish")
        _first(Process(subject, redis_client, policy=policy).send(key, does=refuse(GONE)))

        ends_at = time.monotonic() + SOON_S
        while subject.count_effects() == 0 and time.monotonic() < ends_at:
            Process(subject, redis_client, policy=policy).send(key)

        assert subject.count_effects() == 1, "the same wish a day later gets the old refusal"

    @pytest.mark.parametrize("has_forgotten", [False, True])
    def test_repeats_no_answer_that_its_store_let_expire(
        self, subject: Subject, redis_client: Redis, has_forgotten: bool
    ) -> None:
        """No answer lives longer in Redis than in its store."""
        expire = _needs_expiry(subject)
        key = keys.make_key("wish")
        first = _first(Process(subject, redis_client).send(key))
        if has_forgotten:
            redis_client.flushdb()
            _assert_replays(Process(subject, redis_client).send(key), first)
        expire()

        second = _first(Process(subject, redis_client).send(key))

        _assert_replays(Process(subject, redis_client).send(key), second)
        assert subject.count_effects() == 2

    def test_writes_again_if_an_answer_expires_while_it_is_looked_for(
        self, subject: Subject, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """It refuses the write, and is gone before it is found."""
        expire = _needs_expiry(subject)
        first, second = new_answer(), new_answer()
        _write(subject, first, keep_ms=DAY_MS)
        find = subject.store.find

        def find_late(digest: str) -> Answer | None:
            expire()
            return find(digest)

        try:
            monkeypatch.setattr(subject.store, "find", find_late)
        except AttributeError:
            pytest.skip("its `find` cannot be replaced")
        kept = _write(subject, second, keep_ms=DAY_MS)

        assert kept in (Kept(first, is_twin=True), Kept(second))
        assert subject.count_effects() == (1 if kept.is_twin else 2)

    @pytest.mark.parametrize("remember_ms", [DAY_MS, None], ids=["for a day", "for ever"])
    def test_remembers_as_long_as_its_policy_says(
        self, subject: Subject, redis_client: Redis, remember_ms: int | None
    ) -> None:
        """However soon Redis may forget what another store keeps."""
        policy = dataclasses.replace(POLICY, remember_ms=remember_ms, cached_ms=1)
        first = _first(Process(subject, redis_client, policy=policy).send())
        time.sleep(0.01)

        _assert_replays(Process(subject, redis_client, policy=policy).send(), first)
        assert subject.count_effects() == 1

    def test_tells_a_twin_to_wait_after_an_answer_expired(
        self, subject: Subject, redis_client: Redis
    ) -> None:
        expire = _needs_expiry(subject)
        key = keys.make_key("wish")
        _first(Process(subject, redis_client).send(key))
        expire()

        with Process(subject, redis_client).paused_at(AFTER_CLAIM, key=key) as owner:
            _assert_waits(Process(subject, redis_client).send(key))
            _first(owner.go_on())

        assert subject.count_effects() == 2

    def test_keeps_the_answers_to_clients_keys_when_others_expire(
        self, subject: Subject, redis_client: Redis
    ) -> None:
        expire = _needs_expiry(subject)
        first = _first(Process(subject, redis_client).send())
        expire()
        redis_client.flushdb()

        _assert_replays(Process(subject, redis_client).send(), first)
        assert subject.count_effects() == 1


def _write(subject: Subject, answer: Answer, *, keep_ms: int | None) -> Kept:
    """Writes to the store as a request without a claim does."""

    def effect(transaction: Any) -> Answer:
        subject.effect(KeyedRequest("key", DIGEST, "", keep_ms, transaction), answer)
        return answer

    return subject.store.write(DIGEST, effect, keep_ms=keep_ms)


def _answer(result: KeyedOutcome | IdempotencyError) -> Answer:
    assert isinstance(result, KeyedOutcome), f"no answer, but {result!r}"
    return result.answer


def _first(result: KeyedOutcome | IdempotencyError) -> Answer:
    """The answer of the request that was the first with its key."""
    answer = _answer(result)
    assert isinstance(result, KeyedOutcome)
    assert not result.replayed, "the key is used already"
    return answer


def _assert_replays(result: KeyedOutcome | IdempotencyError, first: Answer) -> None:
    answer = _answer(result)
    assert answer == first, "the answer is not the first one to the byte"
    assert isinstance(result, KeyedOutcome)
    assert result.replayed, "the answer does not say that it is a replay"


def _assert_waits(result: KeyedOutcome | IdempotencyError) -> None:
    assert isinstance(result, InProgress), f"it should wait for another request: {result!r}"


def _needs_durable(subject: Subject, promise: str) -> None:
    if not subject.store.is_durable:
        pytest.skip(f"does not promise {promise}")


def _needs_expiry(subject: Subject) -> Callable[[], None]:
    if subject.expire_answers is None:
        pytest.skip("does not promise to forget an answer")
    return subject.expire_answers


def _send_until_answered(
    process: Process, *, patience_s: float = PATIENCE_S, **request: Any
) -> KeyedOutcome | IdempotencyError:
    """As a client that retries while its first request is in progress."""
    ends_at = time.monotonic() + patience_s
    while isinstance(result := process.send(**request), InProgress):
        if time.monotonic() > ends_at:
            break
        time.sleep(0.005)
    return result


def _send_twins(subject: Subject, client: Redis, key: str) -> set[Answer]:
    """The answers of requests that begin at the same moment."""
    start = threading.Barrier(TWINS)

    def come(_: int) -> Answer:
        process = Process(subject, client)
        start.wait(PATIENCE_S)
        return _answer(_send_until_answered(process, key=key))

    with ThreadPoolExecutor(TWINS) as pool:
        return set(pool.map(come, range(TWINS)))


def _move_clock(patch: pytest.MonkeyPatch, subject: Subject, days: int) -> None:
    real, real_ns = time.time, time.time_ns

    class MovedClock(datetime):
        @classmethod
        def now(cls, tz: tzinfo | None = None) -> datetime:  # type: ignore[override]
            return datetime.now(tz) + timedelta(days=days)

    patch.setattr(time, "time", lambda: real() + days * DAY_S)
    patch.setattr(time, "time_ns", lambda: real_ns() + days * DAY_S * 10**9)
    module = sys.modules[type(subject.store).__module__]
    for name, value in list(vars(module).items()):
        if value is real:
            patch.setattr(module, name, time.time)
        elif value is datetime:
            patch.setattr(module, name, MovedClock)
