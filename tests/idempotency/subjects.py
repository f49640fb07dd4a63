"""The stores of answers that the tests know, each with an effect that can be counted."""

from __future__ import annotations

import inspect
import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from bson import ObjectId
from pymongo.database import Database
from pymongo.errors import DuplicateKeyError
from redis import Redis

from idempotency import Answer, KeyedRequest, OwnAnswers, RedisAnswers
from idempotency.conformance import StoreConformance, Subject
from idempotency.mongodb import MongoAnswers
from tests.idempotency.sql_answers import SqlAnswers


def run_case(
    case: str, subject: Subject, client: Redis, patch: pytest.MonkeyPatch, **parameters: Any
) -> None:
    """Runs one case of the suite. Fails if it is skipped."""
    method = getattr(StoreConformance(), case)
    fixtures = {"subject": subject, "redis_client": client, "monkeypatch": patch}
    wanted = inspect.signature(method).parameters
    client.flushdb()
    try:
        method(**{name: fixtures[name] for name in fixtures if name in wanted}, **parameters)
    except pytest.skip.Exception as skipped:
        pytest.fail(f"{case} {skipped}")


def redis_subject() -> Subject:
    effects: list[Answer] = []
    return Subject(
        store=RedisAnswers(),
        effect=lambda keyed, answer: effects.append(answer),
        count_effects=lambda: len(effects),
        undoes_effects=False,
    )


def mongo_subject(database: Database[Any]) -> Subject:
    """Vouchers, and the answers in a collection beside them."""
    for name in ("vouchers", "answers"):
        database[name].delete_many({})

    def effect(keyed: KeyedRequest, answer: Answer) -> None:
        database["vouchers"].insert_one({}, session=keyed.transaction)

    def expire() -> None:
        database["answers"].update_many(
            {"until": {"$ne": None}},
            [{"$set": {"until": {"$subtract": ["$$NOW", 1]}}}],
        )

    return Subject(
        store=MongoAnswers(database["answers"]),
        effect=effect,
        count_effects=lambda: database["vouchers"].count_documents({}),
        expire_answers=expire,
    )


def document_subject(database: Database[Any]) -> Subject:
    """Orders that keep the answers to their own keys, under a unique index."""
    orders = database["orders"]
    orders.delete_many({})
    is_there = {"digest": {"$exists": True}}
    orders.create_index("digest", unique=True, partialFilterExpression=is_there)

    has_expired = {"$expr": {"$lte": ["$until", "$$NOW"]}, "until": {"$ne": None}}

    def find(digest: str) -> Answer | None:
        order = orders.find_one({"digest": digest, "$nor": [has_expired]})
        if order is None:
            return None
        return Answer(
            *(order["status"], order["body"], order["content_type"], order["fingerprint"]),
            headers=tuple(map(tuple, order["headers"])),
        )

    def retire(digest: str) -> None:
        orders.update_one({"digest": digest, **has_expired}, {"$unset": {"digest": ""}})

    def effect(keyed: KeyedRequest, answer: Answer) -> None:
        order = {
            "digest": keyed.digest,
            "fingerprint": keyed.fingerprint,
            "status": answer.status,
            "body": answer.body,
            "content_type": answer.content_type,
            "headers": [list(header) for header in answer.headers],
        }
        until = None if keyed.keep_ms is None else {"$add": ["$$NOW", keyed.keep_ms]}
        literals = {name: {"$literal": value} for name, value in order.items()}
        # Only a pipeline knows the server's clock. The filter finds no order, so it inserts.
        orders.update_one(
            {"_id": ObjectId()},
            [{"$replaceWith": {"_id": "$_id", "until": until, **literals}}],
            upsert=True,
        )

    def expire() -> None:
        orders.update_many(
            {"until": {"$ne": None}}, [{"$set": {"until": {"$subtract": ["$$NOW", 1]}}}]
        )

    return Subject(
        store=OwnAnswers(find, twin_errors=(DuplicateKeyError,), retire=retire),
        effect=effect,
        count_effects=lambda: orders.count_documents({}),
        undoes_effects=False,
        expire_answers=expire,
    )


def sql_subject(folder: Path) -> Subject:
    def connect() -> sqlite3.Connection:
        connection = sqlite3.connect(folder / "shop.db", isolation_level=None, timeout=10)
        # The tests' power does not fail.
        connection.execute("PRAGMA synchronous = OFF")
        return connection

    def run(sql: str) -> Any:
        with closing(connect()) as connection:
            return connection.execute(sql).fetchone()

    run("CREATE TABLE tickets (number INTEGER PRIMARY KEY)")

    def expire() -> None:
        run("UPDATE answers SET until_ms = 0 WHERE until_ms IS NOT NULL")

    count: Callable[[], int] = lambda: run("SELECT count(*) FROM tickets")[0]  # noqa: E731
    return Subject(
        store=SqlAnswers(connect),
        effect=lambda keyed, answer: keyed.transaction.execute("INSERT INTO tickets VALUES (NULL)"),
        count_effects=count,
        expire_answers=expire,
    )
