"""The conformance suite, run for each store of answers; and what the weakest one really loses."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import pytest
from pymongo.database import Database
from redis import Redis

from idempotency import RedisAnswers
from idempotency.conformance import StoreConformance, Subject
from idempotency.conformance.cases import POINTS, UNKNOWN_TO_REDIS
from idempotency.conformance.processes import BUSY, GONE
from tests.idempotency import subjects

pytestmark = pytest.mark.redis


class InTheRunsRedis(StoreConformance):
    @pytest.fixture
    def redis_client(self, client: Redis) -> Redis:
        return client


class TestRedisAnswers(InTheRunsRedis):
    @pytest.fixture
    def subject(self) -> Subject:
        return subjects.redis_subject()


class TestMongoAnswers(InTheRunsRedis):
    @pytest.fixture
    def subject(self, shop: Database[Any]) -> Subject:
        return subjects.mongo_subject(shop)


class TestOwnAnswers(InTheRunsRedis):
    @pytest.fixture
    def subject(self, shop: Database[Any]) -> Subject:
        return subjects.document_subject(shop)


class TestSqlAnswers(InTheRunsRedis):
    @pytest.fixture
    def subject(self, tmp_path: Path) -> Subject:
        return subjects.sql_subject(tmp_path)


class Boaster(RedisAnswers):
    """Promises what only a durable store can keep."""

    is_durable = True  # type: ignore[misc]


@pytest.mark.parametrize(
    ("case", "parameters"),
    [
        ("test_repeats_it_after_redis_forgot", {"key": "key"}),
        ("test_tells_that_the_payload_was_another", {"has_forgotten": True}),
        ("test_rejects_another_payload", {"has_forgotten": True}),
        *(("test_survives_a_crash", {"point": point}) for point in UNKNOWN_TO_REDIS),
        *(("test_has_one_effect_if_the_claim_is_lost", {"point": point}) for point in POINTS),
        ("test_replaces_it_even_if_the_owner_dies_then", {}),
        ("test_hides_no_success_behind_a_refusal", {"key": "key", "status": GONE}),
        ("test_hides_no_success_behind_a_refusal", {"key": "key", "status": BUSY}),
        ("test_hides_no_success_behind_an_error", {"key": "key"}),
        ("test_writes_one_of_two_answers", {"keep_ms": None}),
        ("test_works_without_redis", {}),
        ("test_gives_twins_one_effect_without_redis", {"key": "key"}),
    ],
    ids=lambda value: value if isinstance(value, str) else "-".join(map(str, value.values())),
)
def test_redis_alone_really_loses_what_it_does_not_promise(
    client: Redis, monkeypatch: pytest.MonkeyPatch, case: str, parameters: dict[str, Any]
) -> None:
    """Each of these is skipped for RedisAnswers."""
    boaster = dataclasses.replace(subjects.redis_subject(), store=Boaster())

    with pytest.raises((AssertionError, LookupError)):
        subjects.run_case(case, boaster, client, monkeypatch, **parameters)
