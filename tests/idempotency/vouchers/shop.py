"""The example in processes of gunicorn, and clients that ask it until they know."""

from __future__ import annotations

import os
import random
import signal
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import requests
from pymongo import MongoClient
from pymongo.collection import Collection
from redis import Redis

from local.children import Child
from local.servers import Server, free_port
from tests.faults import Faults
from tests.site import PROCESSES, THREADS

# Nothing that a test does keeps a client from its answer for longer: the lease, the lifetime that
# the tests' mongod gives a dead worker's transaction (5 s, checked every few seconds), new workers.
LIMIT_S = 30.0


@dataclass(kw_only=True)
class Shop:
    """A running shop. Its Redis may be killed, and its workers too."""

    gunicorn: Child
    port: int
    faults: Faults
    redis: Server
    vouchers: Collection[dict[str, Any]]

    def post(
        self, key: str, *, amount: int | str = 5000, user: str = "ada", timeout_s: float = LIMIT_S
    ) -> requests.Response:
        return requests.post(
            f"http://127.0.0.1:{self.port}/vouchers",
            data={"amount": amount},
            headers={"Idempotency-Key": key, "X-User": user},
            timeout=timeout_s,
        )

    def insist(self, key: str, **options: Any) -> requests.Response:
        """Asks with the same key, as a client would, until the answer is definite."""
        deadline_s = time.monotonic() + LIMIT_S
        last: Any = None
        while time.monotonic() < deadline_s:
            try:
                last = self.post(key, **options)
            except requests.RequestException as error:
                last = error
            else:
                if last.status_code not in (409, 500, 503):
                    return last
            time.sleep(random.uniform(0.02, 0.1))
        raise AssertionError(f"no definite answer to {key}: {last} {self.log[-3000:]}")

    def check_one_each(self, answers: dict[str, list[requests.Response]]) -> None:
        """Each key has one voucher, and all its answers are the same to the byte."""
        for key, responses in answers.items():
            again = self.insist(key)
            assert again.headers["Idempotency-Replayed"] == "true"
            for response in responses:
                assert response.status_code == 201, response.text
                assert response.content == again.content
                for name in ("Content-Type", "Location", "Idempotency-Key"):
                    assert response.headers[name] == again.headers[name]
            assert self.vouchers.count_documents({"_id": again.json()["code"]}) == 1
            first = [r for r in responses if "Idempotency-Replayed" not in r.headers]
            assert len(first) <= 1, "only one request heard that it did the work"
        assert self.vouchers.count_documents({}) == len(answers)

    @property
    def log(self) -> str:
        return self.gunicorn.log_path.read_text(errors="replace")

    def workers(self) -> list[int]:
        """The ids of gunicorn's own children."""
        pid = self.gunicorn.pid
        return [
            int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
        ]

    def forget(self) -> None:
        """Empties both servers; Redis runs afterwards."""
        self.faults.clear()
        if not self.redis.is_running:
            self.redis.start()
        with Redis.from_url(self.redis.uri) as redis:
            redis.flushall()
        self.vouchers.delete_many({})
        self.vouchers.database["answers"].delete_many({})

    def until_ready(self) -> None:
        deadline_s = time.monotonic() + LIMIT_S
        while time.monotonic() < deadline_s:
            with suppress(requests.RequestException):
                if self.post("ready", timeout_s=5).status_code == 201:
                    return
            time.sleep(0.05)
        raise AssertionError(f"the shop did not start:\n{self.log[-3000:]}")


@contextmanager
def open_shop(redis: Server, folder: Path) -> Iterator[Shop]:
    """Starts the example with a database of its own, in two processes of four threads."""
    name = f"{os.environ['MONGODB_NAME']}_shop"
    uri = os.environ["MONGODB_URI"].replace("/?", f"/{name}?")
    faults = Faults(Path(tempfile.mkdtemp(dir=folder)))
    port = free_port()
    gunicorn = Child(
        name="gunicorn",
        argv=[
            sys.executable, "-m", "gunicorn", "tests.idempotency.vouchers.served:application",
            "--workers", str(PROCESSES), "--threads", str(THREADS),
            "--bind", f"127.0.0.1:{port}",
        ],
        log_path=folder / "gunicorn.log",
        death_signal=signal.SIGKILL,
        env={
            "SHOP_MONGODB_URI": uri,
            "SHOP_REDIS_URL": redis.uri,
            "TEST_FAULTS": str(faults.folder),
        },
    )  # fmt: skip
    with MongoClient[dict[str, Any]](uri) as client:
        client.drop_database(name)
        shop = Shop(
            gunicorn=gunicorn,
            port=port,
            faults=faults,
            redis=redis,
            vouchers=client[name]["vouchers"],
        )
        gunicorn.start()
        try:
            shop.until_ready()
            yield shop
        finally:
            gunicorn.kill()
            client.drop_database(name)


def ask_all(shop: Shop, keys: list[str], *, twins: int) -> dict[str, list[requests.Response]]:
    """Definite answers to each key, from this many clients of each."""
    start = threading.Barrier(len(keys) * twins)

    def client(key: str) -> requests.Response:
        start.wait()
        return shop.insist(key)

    with ThreadPoolExecutor(len(keys) * twins) as pool:
        asked = {key: [pool.submit(client, key) for _ in range(twins)] for key in keys}
        return {key: [each.result() for each in futures] for key, futures in asked.items()}


@contextmanager
def all_the_while(disturb: Any, *, every_s: float) -> Iterator[list[Any]]:
    """Disturbs again and again, in a thread, until the block ends; yields what happened."""
    happened: list[Any] = []
    stop = threading.Event()

    def work() -> None:
        while not stop.wait(every_s * random.uniform(0.5, 1.5)):
            happened.append(disturb())

    thread = threading.Thread(target=work)
    thread.start()
    try:
        yield happened
    finally:
        stop.set()
        thread.join()


def kill_a_worker(shop: Shop) -> int | None:
    """Kills one worker in the middle of whatever it does."""
    workers = shop.workers()
    if not workers:
        return None
    victim = random.choice(workers)
    with suppress(ProcessLookupError):
        os.kill(victim, signal.SIGKILL)
    return victim
