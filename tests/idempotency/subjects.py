"""The stores of answers that the tests know, each with an effect that can be counted."""

from __future__ import annotations

import inspect
import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
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
    if "monkeypatch" in inspect.signature(method).parameters:
        parameters["monkeypatch"] = patch
    client.flushdb()
    try:
        method(subject=subject, redis_client=client, **parameters)
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
    orders.create_index("digest", unique=True)

    def find(digest: str) -> Answer | None:
        order = orders.find_one({"digest": digest})
        if order is None:
            return None
        return Answer(
            *(order["status"], order["body"], order["content_type"], order["fingerprint"]),
            headers=tuple(map(tuple, order["headers"])),
        )

    def effect(keyed: KeyedRequest, answer: Answer) -> None:
        orders.insert_one(
            {
                "digest": keyed.digest,
                "fingerprint": keyed.fingerprint,
                "status": answer.status,
                "body": answer.body,
                "content_type": answer.content_type,
                "headers": [list(header) for header in answer.headers],
            }
        )

    return Subject(
        store=OwnAnswers(find, twin_errors=(DuplicateKeyError,)),
        effect=effect,
        count_effects=lambda: orders.count_documents({}),
        undoes_effects=False,
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
