"""What the conformance suite cannot see of a store: its database's own errors, and its members."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor, wait
from typing import Any

import pytest
from pymongo.client_session import ClientSession
from pymongo.collection import Collection
from pymongo.database import Database
from pymongo.errors import DuplicateKeyError
from pymongo.read_concern import ReadConcern
from redis import Redis

from idempotency import Answer, Claims, Idempotency, KeyedRequest, OwnAnswers
from idempotency.mongodb import MongoAnswers
from tests.operations.test_members import Trio, ask, made_trio, wait_until

__all__ = ["made_trio"]

DIGEST = "d" * 64
PAID = Answer(201, b"paid")
LATE = Answer(201, b"late")


@pytest.fixture
def vouchers(shop: Database[Any]) -> Iterator[Collection[Any]]:
    for name in ("vouchers", "answers"):
        shop[name].delete_many({})
    yield shop["vouchers"]
    shop["vouchers"].drop()


@pytest.fixture
def store(shop: Database[Any]) -> MongoAnswers:
    return MongoAnswers(shop["answers"])


def test_has_one_effect_although_mongodb_runs_it_again(
    vouchers: Collection[Any], store: MongoAnswers
) -> None:
    vouchers.insert_one({"_id": "budget", "left": 10})
    runs: list[int] = []

    def effect(session: ClientSession) -> Answer:
        runs.append(vouchers.find_one({"_id": "budget"}, session=session)["left"])
        if len(runs) == 1:
            # Another request is quicker, so this transaction has read what is no longer true.
            vouchers.update_one({"_id": "budget"}, {"$inc": {"left": -1}})
        vouchers.update_one({"_id": "budget"}, {"$inc": {"left": -1}}, session=session)
        vouchers.insert_one({"of": "guest"}, session=session)
        return PAID

    kept = store.write(DIGEST, effect, keep_ms=None)

    assert runs == [10, 9]
    assert (kept.answer, kept.is_twin) == (PAID, False)
    assert store.find(DIGEST) == PAID
    assert vouchers.count_documents({"of": "guest"}) == 1
    assert vouchers.find_one({"_id": "budget"}) == {"_id": "budget", "left": 8}


def test_keeps_no_answer_of_a_transaction_that_was_lost(
    vouchers: Collection[Any], store: MongoAnswers
) -> None:
    """An answer that is written beside the transaction would stay without its effect."""
    runs: list[int] = []

    def effect(session: ClientSession) -> Answer:
        runs.append(len(runs))
        vouchers.insert_one({"run": len(runs)}, session=session)
        if len(runs) == 1:
            vouchers.database.client.admin.command("killSessions", [session.session_id])
        return Answer(201, str(len(runs)).encode())

    kept = store.write(DIGEST, effect, keep_ms=None)

    assert (kept.answer.body, kept.is_twin) == (b"2", False)
    assert [voucher["run"] for voucher in vouchers.find()] == [2]


def test_raises_what_an_effects_own_index_refuses(
    vouchers: Collection[Any], store: MongoAnswers
) -> None:
    vouchers.insert_one({"_id": 1})

    def effect(session: ClientSession | None) -> Answer:
        vouchers.insert_one({"_id": 1}, session=session)
        return PAID

    retired: list[str] = []
    own = OwnAnswers(lambda digest: None, twin_errors=(DuplicateKeyError,))
    retiring = OwnAnswers(
        lambda digest: None, twin_errors=(DuplicateKeyError,), retire=retired.append
    )
    for each in (store, own, retiring):
        with pytest.raises(DuplicateKeyError):
            each.write(DIGEST, effect, keep_ms=None)
    assert store.find(DIGEST) is None
    assert retired == [DIGEST], "the effect is tried again once"


def test_raises_what_an_effect_raised_although_its_store_does_not_answer(client: Redis) -> None:
    def find(digest: str) -> Answer | None:
        raise ConnectionResetError

    def effect(keyed: KeyedRequest) -> Answer:
        raise ZeroDivisionError

    keyed = Idempotency(Claims(client), OwnAnswers(find, twin_errors=()))
    for _ in range(2):  # the key is free again
        with pytest.raises(ZeroDivisionError):
            keyed.run("key", DIGEST, dict, effect)


def test_lets_mongodb_delete_answers_that_have_expired(
    shop: Database[Any], store: MongoAnswers
) -> None:
    store.make_indexes()
    store.make_indexes()  # once more changes nothing

    assert shop["answers"].index_information()["until_1"]["expireAfterSeconds"] == 0


@pytest.mark.slow
def test_finds_only_what_a_majority_has_and_waits_for_a_twin_to_get_there(
    made_trio: Trio,
) -> None:
    answers = made_trio.client["shop"]["answers"]
    answers.insert_one({"_id": "makes the collection"})
    store = MongoAnswers(answers)
    late_came = threading.Event()

    def come_late(session: ClientSession) -> Answer:
        late_came.set()
        return LATE

    def hold(mode: str) -> None:
        for server in made_trio.servers[1:]:
            ask(server, "configureFailPoint", "rsSyncApplyStop", mode=mode)

    with ThreadPoolExecutor(2) as pool:
        hold("alwaysOn")
        try:
            first = pool.submit(store.write, DIGEST, lambda session: PAID, keep_ms=None)
            local = answers.with_options(read_concern=ReadConcern("local"))
            wait_until(lambda: local.find_one({"_id": DIGEST}) is not None)
            assert store.find(DIGEST) is None, "it could still be rolled back"

            twin = pool.submit(store.write, DIGEST, come_late, keep_ms=None)
            assert late_came.wait(5)
            wait([first, twin], timeout=0.5, return_when="FIRST_COMPLETED")
            assert not first.done()
            assert not twin.done(), twin.exception()
        finally:
            hold("off")
        assert first.result(10).answer == PAID
        assert (twin.result(10).answer, twin.result().is_twin) == (PAID, True)
    assert store.find(DIGEST) == PAID
