"""The stores of docs/idempotency/stores.md, run as written there on real servers."""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from redis import Redis

from idempotency import Answer, Idempotency, KeyedRequest, Refused
from idempotency.conformance import StoreConformance, Subject
from tests.idempotency.conftest import client

__all__ = ["client"]

pytestmark = [pytest.mark.mongo, pytest.mark.redis]

PAGE = Path(__file__).resolve().parents[2] / "docs" / "idempotency" / "stores.md"


@pytest.fixture(scope="module")
def page() -> Iterator[ModuleType]:
    """The page's Python, as one module, with a database that no other run of it uses."""
    os.environ["SHOP_DATABASE"] = f"shop_{os.getpid()}"
    blocks = re.findall(r"^```python\n(.*?)^```$", PAGE.read_text(), re.MULTILINE | re.DOTALL)
    # The store with Django's models needs a project of its own; see test_django_answers.py.
    blocks = [block for block in blocks if "from django" not in block]
    assert len(blocks) == 4
    module = ModuleType("docs_idempotency_stores")
    exec(compile("\n".join(blocks), str(PAGE), "exec"), vars(module))
    sys.modules[module.__name__] = module  # the suite moves the clock that a store's module reads
    yield module
    del sys.modules[module.__name__]
    module.shop.client.drop_database(module.shop.name)
    module.shop.client.close()


@pytest.fixture(autouse=True)
def _empty(page: ModuleType, client: Any) -> None:
    for name in ("orders", "answers", "accounts"):
        page.shop[name].delete_many({})
    page.shop.accounts.insert_many([{"_id": "ada", "cents": 1000}, {"_id": "bob", "cents": 0}])


def run(keyed: Idempotency, effect: Any, key: str = "k1") -> tuple[bytes, bool]:
    outcome = keyed.run(key, f"digest-of-{key}", lambda: {"wish": 1}, effect)
    return outcome.answer.body, outcome.replayed


def test_repeats_an_answer_that_only_redis_knows(page: ModuleType) -> None:
    assert run(page.mails, page.send_mail) == (b'{"sent": true}', False)
    assert run(page.mails, page.send_mail) == (b'{"sent": true}', True)


def test_places_one_order_though_redis_forgets(page: ModuleType, client: Any) -> None:
    first = run(page.placing, page.place_order)
    client.flushdb()
    again = run(page.placing, page.place_order)

    assert (first, again) == ((b'{"placed": true}', False), (b'{"placed": true}', True))
    assert page.orders.count_documents({}) == 1
    found = page.find_order("digest-of-k1")
    assert found.headers == (("Location", "/orders/7"),)


def test_transfers_once_though_redis_forgets(page: ModuleType, client: Any) -> None:
    first = run(page.transfers, page.transfer)
    client.flushdb()
    again = run(page.transfers, page.transfer)

    assert (first[1], again[1]) == (False, True)
    assert page.shop.accounts.find_one({"_id": "bob"})["cents"] == 500


def make_tickets(page: ModuleType, folder: Path) -> tuple[Idempotency, Any, Any]:
    """Tickets in SQLite with the page's store: how to run, the effect, and the count of tickets."""
    store = page.SqliteAnswers(folder / "shop.db")

    def ask(sql: str) -> Any:
        with closing(store._connect()) as connection:
            return connection.execute(sql).fetchone()

    ask("CREATE TABLE tickets (number INTEGER PRIMARY KEY)")

    def sell(request: KeyedRequest) -> Answer:
        cursor = request.transaction.execute("INSERT INTO tickets DEFAULT VALUES")
        headers = (("Location", f"/tickets/{cursor.lastrowid}"),)
        return Answer(201, f"ticket {cursor.lastrowid}".encode(), headers=headers)

    def count() -> int:
        return ask("SELECT count(*) FROM tickets")[0]

    return Idempotency(page.claims, store), sell, count


def test_sells_one_ticket_to_twins_of_which_redis_knows_nothing(
    page: ModuleType, client: Any, tmp_path: Path
) -> None:
    keyed, sell, count = make_tickets(page, tmp_path)

    def request(_: int) -> bytes:
        client.flushdb()
        return keyed.answers.write("d1", lambda db: sell(made(db)), keep_ms=None).answer.body

    with ThreadPoolExecutor(8) as pool:
        bodies = set(pool.map(request, range(8)))

    assert bodies == {b"ticket 1"}
    assert count() == 1
    found = keyed.answers.find("d1")
    assert found is not None
    assert found.headers == (("Location", "/tickets/1"),)


def test_sells_none_if_the_work_is_refused(page: ModuleType, client: Any, tmp_path: Path) -> None:
    keyed, sell, count = make_tickets(page, tmp_path)

    def refuse(request: KeyedRequest) -> Answer:
        sell(request)
        raise Refused(Answer(409, b"sold out"))

    assert run(keyed, refuse) == (b"sold out", False)
    assert count() == 0
    assert run(keyed, sell) == (b"ticket 1", False)
    assert count() == 1


def test_forgets_an_answer_after_its_time(page: ModuleType, tmp_path: Path) -> None:
    keyed, sell, count = make_tickets(page, tmp_path)

    keyed.answers.write("d1", lambda db: sell(made(db)), keep_ms=-1)
    assert keyed.answers.find("d1") is None
    again = keyed.answers.write("d1", lambda db: sell(made(db)), keep_ms=None)

    assert (again.answer.body, again.is_twin) == (b"ticket 2", False)
    assert count() == 2


class TestSqliteAnswers(StoreConformance):
    """The suite for stores, against the store that the page writes."""

    @pytest.fixture
    def redis_client(self, client: Any) -> Redis:
        return client

    @pytest.fixture
    def subject(self, page: ModuleType, tmp_path: Path) -> Subject:
        keyed, sell, count = make_tickets(page, tmp_path)
        expired = "UPDATE answers SET until_ms = 0 WHERE until_ms IS NOT NULL"
        return Subject(
            store=keyed.answers,
            effect=lambda request, answer: sell(request),
            count_effects=count,
            expire_answers=lambda: keyed.answers._connect().execute(expired),  # type: ignore[attr-defined]
        )


def made(transaction: Any) -> KeyedRequest:
    return KeyedRequest("k1", "d1", "", None, transaction)
