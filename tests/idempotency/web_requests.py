"""Requests to views under keys, with a logged-in user, and an idempotency layer for them."""

from __future__ import annotations

import json
from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import pytest
from django.http import HttpRequest, HttpResponse
from django.test import RequestFactory
from pymongo.client_session import ClientSession
from pymongo.collection import Collection

from bookings.infrastructure.connections import database as mongodb
from idempotency import Answer, Claims, Idempotency, KeyPolicy, RedisAnswers
from idempotency.mongodb import MongoAnswers
from idempotency.policy import DAY_MS
from local.servers import free_port
from locks.connection import GuardedRedis, connect

ADA, BOB = (SimpleNamespace(pk=pk, is_authenticated=True) for pk in (1, 2))
NO_ONE = SimpleNamespace(pk=None, is_authenticated=False)


def only_redis(client: GuardedRedis, **policy: Any) -> Idempotency:
    return Idempotency(
        Claims(client), RedisAnswers(), KeyPolicy(**{"remember_ms": DAY_MS, **policy})
    )


def without_redis() -> Idempotency:
    return only_redis(connect(f"redis://127.0.0.1:{free_port()}/0"))


@pytest.fixture
def vouchers(database: None) -> Collection:
    return mongodb()["test_vouchers"]


@pytest.fixture
def in_mongo(vouchers: Collection, client: GuardedRedis) -> Iterator[Idempotency]:
    answers = mongodb()["test_answers"]
    store = MongoAnswers(answers)
    store.make_indexes()

    def issue(session: ClientSession) -> Answer:
        vouchers.insert_one({"_id": "pot", "left": 100}, session=session)
        return Answer(200, b"")

    # Soon after collections are made, MongoDB runs a transaction twice.
    store.write("first", issue, keep_ms=None)
    yield Idempotency(Claims(client), store, KeyPolicy(kept_refusals=frozenset({409})))
    vouchers.drop()
    answers.drop()


def request_of(
    body: Any = None,
    *,
    key: str | None = "k1",
    user: Any = ADA,
    method: str = "POST",
    content_type: str = "application/json",
    **headers: str,
) -> HttpRequest:
    """A request with a JSON body, or with `body` as it is if it is bytes."""
    data = body if isinstance(body, bytes) else json.dumps({"amount": 50} if body is None else body)
    if key is not None:
        headers["Idempotency-Key"] = key
    request = RequestFactory().generic(
        method, "/vouchers", data, content_type=content_type, headers=headers
    )
    request.user = user
    return request


def form_of(*, boundary: str, name: str = "a.csv", content: bytes = b"one", amount: str = "50"):  # noqa: ANN201
    """A multipart form with a field and a file, as a browser with this boundary sends it."""
    parts = (
        f'--{boundary}\r\nContent-Disposition: form-data; name="amount"\r\n\r\n{amount}\r\n'
        f'--{boundary}\r\nContent-Disposition: form-data; name="list"; filename="{name}"\r\n'
        "Content-Type: text/csv\r\n\r\n"
    ).encode()
    return {
        "body": parts + content + f"\r\n--{boundary}--\r\n".encode(),
        "content_type": f"multipart/form-data; boundary={boundary}",
    }


def problem(response: HttpResponse, status: int, code: str) -> dict[str, Any]:
    """Checks that the response is this problem, and returns its members (RFC 9457)."""
    assert response.status_code == status
    assert response["Content-Type"] == "application/problem+json"
    members = json.loads(response.content)
    assert (members["type"], members["status"]) == ("about:blank", status)
    assert members["title"]
    assert members["detail"]
    assert members["code"] == code
    return members
