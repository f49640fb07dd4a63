"""The real Celery worker and beat. They tidy ended holds and make nights, unasked; and the doctor
knows which of the two is missing."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import redis

from bookings.infrastructure import clock, connections
from bookings.models import NightsJob
from bookings.operations import sweep_tally
from bookings.people import account_letters
from bookingsite.celery import app
from local.servers import Server
from tests.calls import book, let_hold_end, stored
from tests.conftest import night
from tests.pickles import Bomb
from tests.site import ROOT

pytestmark = pytest.mark.site


@dataclass
class Parts:
    """A running worker, and a beat that fires every second."""

    worker: subprocess.Popen[bytes]
    beat: subprocess.Popen[bytes]
    worker_log: Path
    variables: dict[str, str]

    def sweeps(self) -> list[dict[str, Any]]:
        """Returns the lines that the worker has written about its sweeps."""
        lines = self.worker_log.read_text().splitlines()
        entries = [json.loads(line) for line in lines if line[:1] == "{"]
        return [entry for entry in entries if entry["event"] == "holds_expired"]

    def doctor(self) -> tuple[dict[str, str], int]:
        """Returns the level of each check, and the exit status."""
        done = subprocess.run(
            [sys.executable, "manage.py", "doctor"],
            cwd=ROOT,
            env=self.variables,
            stdout=subprocess.PIPE,
            text=True,
            check=False,
        )
        rows = (line.partition("  ")[::2] for line in done.stdout.splitlines())
        return {text.strip().split(":")[0]: level.strip() for level, text in rows}, done.returncode


@pytest.fixture
def parts(database: None, environment: dict[str, str], tmp_path: Path) -> Iterator[Parts]:
    with running(environment, tmp_path) as parts:
        yield parts


# Celery's command line in a process whose clock is this many seconds ahead of the machine's.
CELERY_AHEAD = """
import sys, time
import time_machine
time_machine.travel(time.time() + float(sys.argv.pop(1)), tick=True).start()
from celery.__main__ import main
main()
"""


@contextmanager
def running(
    environment: dict[str, str],
    folder: Path,
    *,
    worker_ahead_s: float = 0.0,
    options: tuple[str, ...] = (),
) -> Iterator[Parts]:
    variables = {**environment, "EXPIRY_INTERVAL_S": "1"}

    def start(name: str, *arguments: str) -> subprocess.Popen[bytes]:
        celery = ["-m", "celery"]
        if worker_ahead_s and name == "worker":
            celery = ["-c", CELERY_AHEAD, str(worker_ahead_s)]
        with (folder / f"{name}.log").open("wb") as log:
            return subprocess.Popen(
                [sys.executable, *celery, "-A", "bookingsite", name, *arguments],
                cwd=ROOT,
                env=variables,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )

    worker = start("worker", "--concurrency", "2", "--loglevel", "INFO", *options)
    beat = start("beat", "--schedule", str(folder / "schedule"))
    try:
        yield Parts(worker, beat, folder / "worker.log", variables)
    finally:
        for process in (worker, beat):
            process.terminate()
        for process in (worker, beat):
            try:
                process.wait(15)
            except subprocess.TimeoutExpired:
                os.killpg(process.pid, signal.SIGKILL)
                process.wait()


def wait_for_sweep_by_beat() -> None:
    deadline_s = time.monotonic() + 30
    while "beat" not in sweep_tally.read().last_run_age_s:
        assert time.monotonic() < deadline_s
        time.sleep(0.1)


@pytest.mark.slow
def test_tidies_holds_that_ran_out(parts: Parts) -> None:
    book("dead", hold=True)
    let_hold_end()
    book("alive", hold=True, resourceId="room_B", date=night())

    deadline_s = time.monotonic() + 30
    while not any(entry["expired"] for entry in parts.sweeps()):
        assert time.monotonic() < deadline_s
        time.sleep(0.2)

    sweeps = parts.sweeps()
    assert [booking["status"] for booking in stored()] == ["expired", "pending"]
    assert connections.collection("bookings").count_documents({"history.event": "expired"}) == 1
    assert sum(entry["expired"] for entry in sweeps) == 1
    assert all(entry["task"] == "bookings.expire_holds" for entry in sweeps)
    assert {entry["started_by"] for entry in sweeps} == {"beat"}
    assert len({entry["request_id"] for entry in sweeps}) == len(sweeps)


@pytest.mark.slow
def test_makes_the_nights_that_staff_asked_for(parts: Parts) -> None:
    job = NightsJob.objects.create(
        hotel_id="grand",
        start="2027-01-01",
        end="2027-12-31",
        weekdays="sat,sun",
        total=3 * 104,
        created_at=clock.now(),
    )
    # Beat sends it too, but only every fifteen seconds.
    app.send_task("bookings.generate_nights")

    deadline_s = time.monotonic() + 30
    while NightsJob.objects.get(pk=job.pk).state != "done" and time.monotonic() < deadline_s:
        time.sleep(0.2)

    assert NightsJob.objects.get(pk=job.pk).done == 3 * 104
    assert connections.collection("nights").count_documents({}) == 3 * 104


@pytest.mark.slow
@pytest.mark.parametrize("ahead_s", [6.0, -6.0, 3 * 3600.0])
def test_does_what_beat_asks_for_whatever_its_own_clock_says(
    database: None, environment: dict[str, str], tmp_path: Path, ahead_s: float
) -> None:
    account_letters.ask_for_letter(purpose=account_letters.REGISTER, address="ada@example.org")

    with running(environment, tmp_path, worker_ahead_s=ahead_s) as parts:
        wait_for(lambda: account_letters.read_figures().waiting == 0, 40)
        wait_for_sweep_by_beat()
        found, status = parts.doctor()

    assert (found["worker"], found["clocks of workers"], status) == ("ok", "warn", 0)


@pytest.mark.slow
def test_asks_for_nothing_that_waits_already(
    database: None, environment: dict[str, str], own_redis: Server, tmp_path: Path
) -> None:
    """However long there is no worker."""
    client = redis.Redis(port=own_redis.port)
    with running({**environment, "REDIS_URL": own_redis.uri}, tmp_path) as parts:
        wait_for(lambda: "beat" in sweep_tally.read().last_run_age_s)
        os.killpg(parts.worker.pid, signal.SIGKILL)
        parts.worker.wait()
        # Of another program, or of another release.
        client.lpush("celery", "no task", '{"headers": null}')
        # Beat asks for a sweep each second, and for news every five: so in between it only sends
        # sweeps.
        for _ in range(2):
            wait_for(
                lambda: (
                    {"bookings.expire_holds", "bookings.pass_on_news"} <= set(waiting_tasks(client))
                )
            )
            waiting = waiting_tasks(client)
            for message in client.lrange("celery", 0, -1):
                if b"pass_on_news" in message:
                    client.lrem("celery", 0, message)

            assert max(Counter(waiting).values()) == 1
    client.close()


def waiting_tasks(client: redis.Redis) -> list[str]:
    """Returns the tasks that wait for a worker to fetch them."""
    messages = client.lrange("celery", 0, -1)
    return [json.loads(message)["headers"]["task"] for message in messages if b'task":' in message]


@pytest.mark.slow
def test_asks_workers_of_an_earlier_release_too(
    database: None, environment: dict[str, str], own_redis: Server, tmp_path: Path
) -> None:
    """Those take tasks only from Celery's own queue, and stay alive during a rollout."""
    options = ("--queues", "celery")
    with running({**environment, "REDIS_URL": own_redis.uri}, tmp_path, options=options) as parts:
        wait_for_sweep_by_beat()
        found, _ = parts.doctor()

    assert (found["worker"], found["beat"]) == ("ok", "ok")


@pytest.mark.slow
def test_is_missed_by_the_doctor_where_it_takes_nothing_that_beat_asks_for(
    database: None, environment: dict[str, str], own_redis: Server, tmp_path: Path
) -> None:
    options = ("--queues", "others")
    with running({**environment, "REDIS_URL": own_redis.uri}, tmp_path, options=options) as parts:
        wait_for(lambda: probe(parts.variables) == 0)
        found, status = parts.doctor()

    assert (found["worker"], status) == ("FAIL", 1)


@pytest.mark.slow
def test_refuses_a_pickle_in_the_queue_and_goes_on(parts: Parts, tmp_path: Path) -> None:
    exploded = tmp_path / "exploded"
    bomb = {"bomb": Bomb(exploded)}
    app.send_task("bookings.generate_nights", kwargs=bomb, serializer="pickle")

    deadline_s = time.monotonic() + 60
    while "Refusing to deserialize" not in parts.worker_log.read_text():
        assert time.monotonic() < deadline_s
        time.sleep(0.1)
    wait_for_sweep_by_beat()

    assert not exploded.exists()


@pytest.mark.slow
def test_is_found_alive_by_the_doctor_and_missed_when_it_is_dead(parts: Parts) -> None:
    wait_for_sweep_by_beat()

    both, status = parts.doctor()
    os.killpg(parts.worker.pid, signal.SIGKILL)
    parts.worker.wait()
    without_worker, status_without = parts.doctor()

    assert (both["worker"], both["beat"], status) == ("ok", "ok", 0)
    assert "FAIL" not in both.values()
    # Its last sweep is still fresh.
    assert (without_worker["worker"], without_worker["beat"], status_without) == ("FAIL", "ok", 1)


@pytest.mark.slow
def test_is_alive_without_beat_which_is_missed_once_it_is_late(parts: Parts) -> None:
    wait_for_sweep_by_beat()
    os.killpg(parts.beat.pid, signal.SIGKILL)
    parts.beat.wait()
    time.sleep(2)  # beat's messages have been processed by then
    connections.collection("sweeps").update_one(
        {"_id": "expiry"}, [{"$set": {"last_run_at.beat": {"$subtract": ["$$NOW", 14_000]}}}]
    )

    found, status = parts.doctor()

    assert (found["worker"], found["beat"], status) == ("ok", "FAIL", 1)


def probe(variables: dict[str, str]) -> int:
    """Returns the answer that Kubernetes gets about the worker on this machine."""
    command = [sys.executable, "-m", "bookingsite.worker_probe"]
    return subprocess.run(command, cwd=ROOT, env=variables, check=False).returncode


@pytest.mark.slow
def test_is_told_from_a_frozen_worker_by_its_probe(parts: Parts) -> None:
    wait_for_sweep_by_beat()
    alive = probe(parts.variables)
    os.kill(parts.worker.pid, signal.SIGSTOP)
    try:
        frozen = probe(parts.variables)
    finally:
        os.kill(parts.worker.pid, signal.SIGCONT)

    assert (alive, frozen) == (0, 1)


def test_is_not_blamed_by_its_probe_for_a_broker_that_is_away(environment: dict[str, str]) -> None:
    assert probe({**environment, "REDIS_URL": "redis://127.0.0.1:1/0"}) == 0


# --- Errors that Redis answers with -------------------------------------------------------------


def fail_to_save(server: Server, client: redis.Redis) -> None:
    (server.data_dir / "dump.rdb").mkdir()
    client.config_set("save", "1 1")
    client.set("changed", 1)
    client.bgsave()
    wait_for(lambda: client.info("persistence")["rdb_last_bgsave_status"] == "err")


# The cause of each, and its end. During a failover the middle one answers even reads.
TROUBLES: dict[str, tuple[Callable[..., Any], Callable[..., Any]]] = {
    "READONLY": (
        lambda server, client: client.replicaof("127.0.0.1", "1"),
        lambda server, client: client.replicaof("NO", "ONE"),
    ),
    "MASTERDOWN": (
        lambda server, client: (
            client.config_set("replica-serve-stale-data", "no"),
            client.replicaof("127.0.0.1", "1"),
        ),
        lambda server, client: client.replicaof("NO", "ONE"),
    ),
    "OOM": (
        lambda server, client: client.config_set("maxmemory", 1),
        lambda server, client: client.config_set("maxmemory", 0),
    ),
    "NOPERM": (
        lambda server, client: client.execute_command("ACL SETUSER default -@write -@pubsub"),
        lambda server, client: client.execute_command("ACL SETUSER default +@all"),
    ),
    "MISCONF": (
        fail_to_save,
        lambda server, client: (
            client.config_set("save", ""),
            (server.data_dir / "dump.rdb").rmdir(),
        ),
    ),
    "silence": (lambda server, client: server.freeze(), lambda server, client: server.thaw()),
    "absence": (lambda server, client: server.kill(), lambda server, client: server.start()),
}


def wait_for(is_so: Callable[[], Any], timeout_s: float = 90.0) -> None:
    deadline_s = time.monotonic() + timeout_s
    while not is_so():
        assert time.monotonic() < deadline_s
        time.sleep(0.1)


@pytest.mark.slow
def test_outlives_whatever_redis_answers_and_goes_on(
    database: None, environment: dict[str, str], own_redis: Server, tmp_path: Path
) -> None:
    client = redis.Redis(port=own_redis.port)
    with running({**environment, "REDIS_URL": own_redis.uri}, tmp_path) as parts:
        wait_for(lambda: "beat" in sweep_tally.read().last_run_age_s)
        for name, (begin, end) in TROUBLES.items():
            begin(own_redis, client)
            # Beat asks for a sweep each second, so both have met it by then.
            wait_for(lambda: sweep_tally.read().last_run_age_s["beat"] > 5)
            ended_with = (parts.worker.poll(), parts.beat.poll())
            end(own_redis, client)
            connections.collection("sweeps").delete_many({})

            assert ended_with == (None, None), name
            wait_for(lambda: "beat" in sweep_tally.read().last_run_age_s)
            assert (parts.worker.poll(), parts.beat.poll()) == (None, None), name
            assert probe(parts.variables) == 0
    client.close()


@pytest.mark.parametrize("name", ["MASTERDOWN", "OOM", "NOPERM"])
def test_is_not_blamed_by_its_probe_for_what_redis_answers(
    environment: dict[str, str], own_redis: Server, name: str
) -> None:
    with redis.Redis(port=own_redis.port) as client:
        TROUBLES[name][0](own_redis, client)

        assert probe({**environment, "REDIS_URL": own_redis.uri}) == 0
