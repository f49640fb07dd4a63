"""docs/examples/vouchers.py among twins, killed workers and a lost Redis: each key has one
voucher and one answer."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor, wait
from itertools import product

import pytest
import requests

from local.servers import Server
from tests.idempotency.vouchers.shop import (
    Shop,
    all_the_while,
    ask_all,
    kill_a_worker,
    open_shop,
)
from tests.servers import own_server, start_redis_in_memory
from tests.site import all_at_once

pytestmark = pytest.mark.site

TWINS = 64


@pytest.fixture(scope="module")
def redis() -> Iterator[Server]:
    yield from own_server(start_redis_in_memory)


@pytest.fixture(scope="module")
def running_shop(redis: Server, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shop]:
    with open_shop(redis, tmp_path_factory.mktemp("shop")) as shop:
        yield shop


@pytest.fixture
def shop(running_shop: Shop) -> Shop:
    running_shop.forget()
    return running_shop


def check_twins(shop: Shop, responses: list[requests.Response]) -> None:
    """One did the work, each other one has its answer or waits for it."""
    made = [response for response in responses if response.status_code == 201]
    waiting = [response for response in responses if response.status_code != 201]

    assert len([r for r in made if "Idempotency-Replayed" not in r.headers]) == 1
    assert {r.json()["code"] for r in waiting} <= {"IDEMPOTENCY_IN_PROGRESS"}
    assert {r.headers["Retry-After"] for r in waiting} <= {"1"}
    shop.check_one_each({"twin": made})


def test_issues_one_voucher_to_64_twins(shop: Shop, rounds: int) -> None:
    for _ in range(rounds):
        shop.forget()

        check_twins(shop, all_at_once([lambda: shop.post("twin")] * TWINS))


def test_issues_one_voucher_to_64_twins_without_redis(shop: Shop) -> None:
    shop.redis.kill()

    check_twins(shop, all_at_once([lambda: shop.post("twin")] * TWINS))


def test_issues_a_voucher_for_each_user_and_key(shop: Shop) -> None:
    wishes = [(user, f"key-{n}") for user in ("ada", "bob") for n in range(4)] * 2
    responses = all_at_once(
        [lambda user=user, key=key: shop.post(key, user=user) for user, key in wishes]
    )

    made = {r.json()["code"] for r in responses if r.status_code == 201}
    assert len(made) == shop.vouchers.count_documents({}) == 8
    assert shop.vouchers.count_documents({"owner": "ada"}) == 4


def test_leaves_the_key_of_a_refusal_free(shop: Shop) -> None:
    refused = shop.post("k", amount="many")
    made = shop.post("k")

    assert (refused.status_code, made.status_code) == (400, 201)
    assert shop.vouchers.count_documents({}) == 1


def test_repeats_the_answer_after_redis_forgot_everything(shop: Shop) -> None:
    first = shop.post("k")
    shop.redis.kill()
    without = shop.post("k")
    shop.redis.start()
    empty = shop.post("k", amount=7000)

    shop.check_one_each({"k": [first, without, empty]})
    assert empty.headers["Idempotency-Payload-Mismatch"] == "true"
    assert "Idempotency-Payload-Mismatch" not in without.headers


# A dead worker's transaction keeps the key's answer until mongod ends it, here after five seconds.
POINTS = (
    *("before_insert", "after_insert", "before_answer", "after_answer"),
    *("before_commit", "after_commit", "before_finish", "after_finish"),
)
QUICK = {("after_insert", False), ("after_commit", False), ("after_commit", True)}


@pytest.mark.parametrize(
    ("point", "redis_too"),
    [
        pytest.param(*case, marks=() if case in QUICK else pytest.mark.slow)
        for case in product(POINTS, (False, True))
    ],
)
def test_issues_one_voucher_when_its_worker_is_killed(
    shop: Shop, point: str, redis_too: bool
) -> None:
    shop.faults.arm(point, "kill")
    with pytest.raises(requests.ConnectionError):
        shop.post("k")
    shop.faults.wait_for("killed")
    if redis_too:
        shop.redis.kill()
        shop.redis.start()

    if point in ("after_commit", "before_finish", "after_finish"):
        answer = shop.post("k")  # at once: no one waits for the lease of a dead worker
        assert "Idempotency-Replayed" in answer.headers
    else:
        answer = shop.insist("k")
        assert "Idempotency-Replayed" not in answer.headers

    shop.check_one_each({"k": [answer]})


def test_lets_a_request_that_slept_past_its_lease_hear_of_its_twin(shop: Shop) -> None:
    shop.faults.arm("before_insert", "pause")
    with ThreadPoolExecutor(1) as pool:
        slept = pool.submit(shop.post, "k")
        shop.faults.wait_for("paused")
        twin = shop.insist("k")  # once the lease has ended
        shop.faults.go()
        late = slept.result()

    assert "Idempotency-Replayed" not in twin.headers
    assert late.headers["Idempotency-Replayed"] == "true"
    shop.check_one_each({"k": [twin, late]})


def test_issues_one_voucher_for_each_key_in_a_storm(shop: Shop) -> None:
    storm(shop, rounds=1, keys=4, twins=4, every_s=0.4)


@pytest.mark.slow
def test_issues_one_voucher_for_each_key_in_a_long_storm(shop: Shop, rounds: int) -> None:
    storm(shop, rounds=40 * rounds, keys=8, twins=4, every_s=0.3)


def storm(shop: Shop, *, rounds: int, keys: int, twins: int, every_s: float) -> None:
    """Workers are killed while clients ask, and so is Redis, which is empty when it is back."""
    answers: dict[str, list[requests.Response]] = {}
    with (
        ThreadPoolExecutor(1) as pool,
        all_the_while(lambda: kill_a_worker(shop), every_s=every_s) as killed,
    ):
        number = 0
        while number < rounds or not killed:
            names = [f"key-{number}-{n}" for n in range(keys)]
            asked = pool.submit(ask_all, shop, names, twins=twins)
            while not asked.done():
                wait([asked], timeout=every_s / 4)
                shop.redis.kill()
                wait([asked], timeout=every_s / 4)
                shop.redis.start()
            answers |= asked.result()
            number += 1

    shop.check_one_each(answers)
