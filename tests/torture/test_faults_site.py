"""Faults of Redis, of the site's processes, and of clocks, on the real stack.

Each really breaks what it says, and puts everything right, also when it is cut short.
"""

from __future__ import annotations

import json
import math
import os
import signal
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from datetime import datetime
from email.utils import parsedate_to_datetime
from pathlib import Path

import pytest
from redis import Redis, RedisError
from redis.backoff import NoBackoff
from redis.retry import Retry

from local.children import Child
from torture import world
from torture.faults import FAULTS, choose, clocks, points
from torture.nemesis import Nemesis, Planned
from torture.options import Options
from torture.stack import Stack

pytestmark = pytest.mark.slow

MINE = ("clocks", "deployments", "outside", "points", "redis", "site", "worker")


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    options = Options(
        seed=1,
        minutes=1,
        round_s=60,
        clients=1,
        faults=("none",),
        variant="plain",
        without=(),
        release_before=None,
        folder=tmp_path_factory.mktemp("stack"),
    )
    stack = Stack(options)
    choose(("all",))
    try:
        stack.start()
        yield stack
    finally:
        stack.close()


@pytest.fixture
def link(stack: Stack) -> Iterator[Redis]:
    """Redis as the site reaches it, asked once, for as long as the site waits."""
    with Redis(
        port=stack.ports["redis"],
        socket_timeout=0.25,
        retry=Retry(NoBackoff(), 0),
        decode_responses=True,
    ) as client:
        yield client


def during(stack: Stack, name: str, look: Callable[[], None], *, lasts_s: float = 1.0) -> str:
    """Looks once, while the fault lasts. Returns its problem."""
    nemesis = Nemesis(stack, [Planned(0, 0.0, lasts_s, FAULTS[name], seed=1)])
    looked: list[bool] = []

    def look_once() -> None:
        if not looked:
            looked.append(True)
            look()

    nemesis.keep_round(0, lasts_s, look_once)
    assert looked
    return nemesis.happened[0].problem


def book(stack: Stack, web: str, key: str, night: int = 0) -> int:
    """The status of a booking's answer; 0 if there is none."""
    request = urllib.request.Request(
        stack.web_url(web) + "/api/bookings",
        data=json.dumps({"resourceId": world.ROOMS[0], "date": world.night(night)}).encode(),
        headers={
            "Authorization": f"Bearer {stack.prepared.tokens[5]}",
            "Content-Type": "application/json",
            "X-Forwarded-Proto": "https",
            "Idempotency-Key": key,
        },
    )
    try:
        with urllib.request.urlopen(request, timeout=15) as answer:
            return int(answer.status)
    except urllib.error.HTTPError as error:
        return error.code
    except OSError:
        return 0


def until(holds: Callable[[], bool], within_s: float) -> bool:
    """Whether it holds within so many seconds."""
    deadline_s = time.monotonic() + within_s
    while not holds():
        if time.monotonic() > deadline_s:
            return False
        time.sleep(0.1)
    return True


# --- What is broken -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "fails"),
    [
        ("redis.killed", True),
        ("redis.frozen", True),
        ("redis.full", True),
        ("redis.read_only", True),
        ("redis.cut", True),
        ("redis.answers_lost", True),
        ("redis.emptied", False),
    ],
)
def test_breaks_redis_and_brings_it_back(stack: Stack, link: Redis, name: str, fails: bool) -> None:
    link.set("before", "1")

    def look() -> None:
        if fails:
            with pytest.raises(RedisError):
                link.set("during", "1")
        else:
            assert link.get("before") is None

    assert during(stack, name, look) == ""
    assert until(lambda: bool(link.set("after", "1")), 1.0)
    assert link.role()[0] == "master"
    assert link.config_get("maxmemory") == {"maxmemory": "0"}


def test_has_redis_answer_late(stack: Stack, link: Redis) -> None:
    link.ping()

    def look() -> None:
        with pytest.raises(RedisError):
            link.ping()

    assert during(stack, "redis.slow", look, lasts_s=0.5) == ""
    assert link.ping()


def test_has_a_request_done_whose_answer_is_lost(stack: Stack, link: Redis) -> None:
    link.delete("lost")

    def look() -> None:
        with pytest.raises(RedisError):
            link.set("lost", "done")

    during(stack, "redis.answers_lost", look)

    assert link.get("lost") == "done"


def test_kills_a_web_process_at_its_point_and_keeps_the_booking(stack: Stack) -> None:
    statuses: list[int] = []

    def look() -> None:
        statuses.extend([book(stack, "web_a", "killed"), book(stack, "web_b", "killed")])

    before = set(stack.web_pids())
    assert during(stack, "points.web_killed_after_commit", look) == ""

    # The index has the booking, and what the killed process left in Redis is in the way at most.
    assert statuses[0] == 0
    assert statuses[1] in (201, 409)
    assert until(lambda: book(stack, "web_b", "killed") == 201, 40)
    assert until(lambda: len(before - set(stack.web_pids())) == 1, 10)
    assert until(lambda: len(stack.web_pids()) == len(before), 10)


def test_says_that_no_process_met_the_point_and_takes_it_back(stack: Stack) -> None:
    assert during(stack, "points.web_killed_after_lock", lambda: None) == (
        "no process met after_lock"
    )
    assert list((stack.folder / "points").rglob("after_lock")) == []


def test_kills_the_worker_at_its_point_and_starts_it_again(stack: Stack) -> None:
    before = stack.worker.pid
    book(stack, "web_a", "news", night=1)
    problem = during(
        stack,
        "points.worker_killed_before_deliveries",
        lambda: None,
        lasts_s=10.0,
    )

    assert problem == ""
    assert stack.worker.pid != before
    assert stack.worker.is_running


def test_stops_one_web_process(stack: Stack) -> None:
    def stopped() -> list[int]:
        return [pid for pid in stack.web_pids() if state(pid) == "T"]

    seen: list[bool] = []

    def look() -> None:
        # A process stops, and continues, when the processor next turns to it.
        seen.append(until(lambda: len(stopped()) == 1, 10))

    during(stack, "site.web_process_stopped", look, lasts_s=0.5)

    assert seen == [True]
    assert until(lambda: stopped() == [], 10)


def state(pid: int) -> str:
    """A process's state: T if it is stopped."""
    return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]


def off_s(stack: Stack, web: str) -> float:
    """How far a web server's clock is off; endlessly far while it does not answer."""
    try:
        with urllib.request.urlopen(f"{stack.web_url(web)}/api/health", timeout=5) as answer:
            return parsedate_to_datetime(answer.headers["Date"]).timestamp() - time.time()
    except OSError:
        return math.inf


def test_moves_the_clocks_of_web_processes_and_they_serve_on(stack: Stack) -> None:
    def is_off(by_s: float) -> bool:
        return all(abs(off_s(stack, web) - by_s) < 5 for web in stack.webs)

    def move(by_s: float) -> None:
        stack.set_clock("web", by_s)
        assert until(lambda: is_off(by_s), 10)

    def books(key: str, night: int) -> bool:
        return until(lambda: book(stack, "web_a", key, night) == 201, 30)

    try:
        move(3600.0)
        assert books("ahead", 4)
        move(-3600.0)
        assert books("behind", 5)
        # A process that starts later has the same clock.
        killed = stack.web_pids()
        for pid in killed:
            os.kill(pid, signal.SIGKILL)
        assert until(lambda: is_off(-3600.0), 60)
        assert not {*killed} & {*stack.web_pids()}
        assert books("behind", 5)
    finally:
        stack.set_clock("web", 0.0)
    assert until(lambda: is_off(0.0), 10)


@pytest.mark.parametrize("part", ["worker", "beat"])
def test_moves_the_clocks_of_worker_and_beat(stack: Stack, part: str) -> None:
    log = (stack.worker if part == "worker" else stack.beat).log_path
    read = log.stat().st_size
    sweeps = stack.logs / "worker.log"
    try:
        stack.set_clock(part, 3600.0)
        time.sleep(1)
        before = sweeps.stat().st_size
        assert until(lambda: sweeps.stat().st_size > before, 20), "no task is done"
        if part == "worker":
            with log.open() as lines:
                lines.seek(read)
                last = json.loads(lines.read().splitlines()[-1])["timestamp"]
            assert datetime.fromisoformat(last).timestamp() - time.time() > 3000
    finally:
        stack.set_clock(part, 0.0)
    time.sleep(1)
    # Beat's clock has gone back an hour.
    before = sweeps.stat().st_size
    assert until(lambda: sweeps.stat().st_size > before, 20), "no task is done"


# --- What is put right ----------------------------------------------------------------------------


def test_puts_everything_right_also_when_every_fault_is_cut_short(stack: Stack) -> None:
    before = {name: part.pid for name, part in parts_of(stack).items()}
    keys = list(stack.secret_keys)
    failed = {}
    for fault in choose(MINE):
        problem = during(stack, fault.name, lambda: None, lasts_s=0.2)
        if problem and not fault.missing(stack) and not problem.startswith("no process met"):
            failed[fault.name] = problem

    assert failed == {}
    assert all(part.is_running for part in parts_of(stack).values())
    # All of them were ended in the meantime.
    assert all(part.pid != before[name] for name, part in parts_of(stack).items())
    assert stack.secret_keys[2] == keys[0]
    armed = [*points.WEB, *points.WORKER]
    assert not {file.name for file in (stack.folder / "points").rglob("*")} & {*armed}
    offsets = [float((stack.folder / "clocks" / part).read_text()) for part in clocks.PARTS]
    assert offsets == [0.0] * len(offsets)
    assert (stack.folder / "outside" / "mode").read_text() == "well"
    for name in ("web_a", "web_b"):
        stack.wait_for_web(name)
    # The key that the first processes signed with is still accepted. The session gets another id.
    request = urllib.request.Request(
        stack.web_url("web_a") + "/admin/",
        headers={
            "Cookie": f"sessionid={stack.prepared.sessions['desk'][0]}",
            "X-Forwarded-Proto": "https",
        },
    )
    with urllib.request.urlopen(request, timeout=15) as answer:
        assert answer.url == request.full_url
    assert until(lambda: book(stack, "web_a", "after", night=3) == 201, 5)


def parts_of(stack: Stack) -> dict[str, Child]:
    return {**stack.webs, "worker": stack.worker, "beat": stack.beat, "outside": stack.outside}
