"""The whole site, worker and all, on a Redis that Sentinels watch."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import requests
from redis import Redis

from bookings.infrastructure import connections
from bookings.operations import sweep_tally
from local.children import spawn
from tests.conftest import night
from tests.locks.watched import PASSWORD, Watch, watched_redis
from tests.site import Site
from tests.site_fixtures import Starter

pytestmark = pytest.mark.site


@pytest.fixture
def watch() -> Iterator[Watch]:
    with watched_redis() as watch:
        yield watch


@pytest.fixture
def watched_site(watch: Watch, start: Starter) -> Site:
    return start(REDIS_URL=watch.url, API_THROTTLE="on")


def book(site: Site, number: int) -> requests.Response:
    return site.book(f"key-{number}", resourceId="room_A", date=night(10 + number), userId="ada")


@pytest.mark.slow
def test_goes_on_booking_while_another_primary_takes_over(watch: Watch, watched_site: Site) -> None:
    old = watch.primary
    first = book(watched_site, 0)

    old.kill()
    meanwhile = []
    deadline_s = time.monotonic() + 20
    while watch.primary is old or not watched_site.get("/api/health-redis").ok:
        meanwhile.append(book(watched_site, len(meanwhile) + 1))
        assert time.monotonic() < deadline_s, "nobody took over"
        time.sleep(0.1)
    again = book(watched_site, 0)
    refused = watched_site.book("other", resourceId="room_A", date=night(10), userId="ada")
    replayed = watched_site.book("other", resourceId="room_A", date=night(10), userId="ada")

    assert {answer.status_code for answer in (first, *meanwhile)} == {201}
    assert (again.content, again.headers["Idempotency-Replayed"]) == (first.content, "true")
    assert refused.json()["code"] == "ALREADY_BOOKED"
    # Each process finds the new primary by itself, within a second of its asking.
    assert replayed.content == refused.content
    stored = connections.collection("bookings").count_documents({})
    assert stored == 1 + len(meanwhile)
    # The throttles count there too, and not in each process.
    with Redis(port=watch.primary.port, password=PASSWORD) as client:
        assert client.keys("throttle:*")


@pytest.mark.slow
def test_sweeps_again_once_another_primary_took_over(
    watch: Watch, database: None, environment: dict[str, str], tmp_path: Path
) -> None:
    variables = {**environment, "EXPIRY_INTERVAL_S": "1", "REDIS_URL": watch.url}
    processes: list[subprocess.Popen[bytes]] = []
    try:
        for name, *arguments in (
            ("worker", "--concurrency", "1", "--loglevel", "INFO"),
            ("beat", "--schedule", str(tmp_path / "schedule")),
        ):
            with (tmp_path / f"{name}.log").open("wb") as log:
                processes.append(
                    spawn(
                        [sys.executable, "-m", "celery", "-A", "bookingsite", name, *arguments],
                        output=log,
                        env=variables,
                        death_signal=signal.SIGKILL,
                    )
                )
        wait_for_sweeps(1)
        old = watch.primary
        old.kill()
        watch.wait_for_another(old)

        wait_for_sweeps(2)
    finally:
        for process in processes:
            process.terminate()
        for process in processes:
            process.wait(20)


def wait_for_sweeps(number: int) -> None:
    """Waits until this many sweeps that beat asked for have ended since the call."""
    deadline_s = time.monotonic() + 40
    seen: set[float] = set()
    while len(seen) < number:
        assert time.monotonic() < deadline_s, "beat's sweeps do not come"
        age_s = sweep_tally.read().last_run_age_s.get("beat")
        if age_s is not None and age_s < 1.0:
            seen.add(round(time.time() - age_s))
        time.sleep(0.2)
