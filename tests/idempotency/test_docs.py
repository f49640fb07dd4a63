"""The code in docs/idempotency/claims.md, run exactly as written on real servers."""

from __future__ import annotations

import json
import re
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest
from django.http import HttpResponse
from django.test import RequestFactory
from pytest_django import Settings

from bookings.infrastructure import connections
from local.servers import free_port

pytestmark = pytest.mark.mongo

PAGE = Path(__file__).resolve().parents[2] / "docs" / "idempotency" / "claims.md"


@pytest.fixture(scope="module")
def page() -> ModuleType:
    """The page's Python, as one module."""
    blocks = re.findall(r"^```python\n(.*?)^```$", PAGE.read_text(), re.MULTILINE | re.DOTALL)
    assert len(blocks) == 2
    module = ModuleType("docs_idempotency")
    exec(compile("\n".join(blocks), str(PAGE), "exec"), vars(module))
    return module


@pytest.fixture(autouse=True)
def _vouchers(database: None, page: ModuleType) -> Iterator[None]:
    """An empty collection with the page's index."""
    page.vouchers().drop()
    page.make_index()
    yield
    page.vouchers().drop()


def post(
    page: ModuleType, *, key: str | None = "k1", user: int = 1, body: Any = None
) -> HttpResponse:
    headers = {} if key is None else {"Idempotency-Key": key}
    request = RequestFactory().post(
        "/vouchers",
        data=json.dumps({"amount": 5000} if body is None else body),
        content_type="application/json",
        headers=headers,
    )
    request.user = SimpleNamespace(pk=user)
    return page.register_voucher(request)


def count(page: ModuleType) -> int:
    return page.vouchers().count_documents({})


def test_answers_one_key_with_one_voucher_and_the_same_bytes(page: ModuleType) -> None:
    first = post(page)
    again = post(page)

    assert first.status_code == again.status_code == 201
    assert json.loads(first.content)["amount"] == 5000
    assert again.content == first.content
    assert "Idempotency-Replayed" not in first
    assert again["Idempotency-Replayed"] == "true"
    assert count(page) == 1


def test_answers_the_same_bytes_when_redis_was_flushed(page: ModuleType) -> None:
    first = post(page)
    connections.redis().flushdb()
    again = post(page)

    assert again.status_code == 201
    assert again.content == first.content
    assert again["Idempotency-Replayed"] == "true"
    assert count(page) == 1


def test_answers_the_same_bytes_when_redis_is_down(page: ModuleType, settings: Settings) -> None:
    first = post(page)
    cache = {**settings.CACHES["default"], "LOCATION": f"redis://127.0.0.1:{free_port()}/0"}
    settings.CACHES = {**settings.CACHES, "default": cache}

    again = post(page)

    assert again.content == first.content
    assert count(page) == 1


def test_answers_the_first_bytes_to_another_payload(page: ModuleType) -> None:
    first = post(page)
    again = post(page, body={"amount": 7000})

    assert again.content == first.content
    assert count(page) == 1


def test_gives_another_caller_a_voucher_of_their_own(page: ModuleType) -> None:
    first = post(page, user=1)
    other = post(page, user=2)

    assert other.status_code == 201
    assert other.content != first.content
    assert "Idempotency-Replayed" not in other
    assert count(page) == 2


@pytest.mark.parametrize("redis", ["claims", "is flushed all the while"])
def test_makes_one_voucher_for_threads_with_one_key(page: ModuleType, redis: str) -> None:
    start = threading.Barrier(8)

    def request(_: int) -> HttpResponse:
        start.wait()
        if redis != "claims":
            connections.redis().flushdb()
        return post(page)

    with ThreadPoolExecutor(8) as pool:
        responses = list(pool.map(request, range(8)))
    settled = post(page)

    assert count(page) == 1
    made = {response.content for response in responses if response.status_code == 201}
    assert made == {settled.content}
    waiting = [response for response in responses if response.status_code != 201]
    assert {response.status_code for response in waiting} <= {409}
    assert {response["Retry-After"] for response in waiting} <= {"1"}


def test_finds_the_voucher_of_a_request_that_died_before_its_answer(page: ModuleType) -> None:
    from idempotency.claims import Claims
    from idempotency.keys import digest_of

    digest = digest_of(caller="user:1", operation="register_voucher", target="", key="k1")
    with Claims(connections.redis()).claim(digest, recover=page.recover):
        written, _ = page.write_voucher(digest, {"amount": 5000})

        again = post(page)

    assert again.content == written.body
    assert count(page) == 1


def test_lets_a_refused_key_try_again(page: ModuleType) -> None:
    refused = post(page, body={"amount": "many"})
    mended = post(page)

    assert refused.status_code == 400
    assert mended.status_code == 201
    assert count(page) == 1


@pytest.mark.parametrize("key", [None, "", "a b", "auto:x", "k" * 256])
def test_asks_for_a_usable_key(page: ModuleType, key: str | None) -> None:
    assert post(page, key=key).status_code == 400
    assert count(page) == 0
