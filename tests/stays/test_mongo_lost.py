"""Without MongoDB nothing is booked, clients hear so within 10 s, and the site recovers by
itself."""

from __future__ import annotations

import subprocess
import sys
import time
from pathlib import Path

import pytest
import requests
from pymongo import MongoClient

from local.servers import Server
from tests.conftest import night
from tests.site import ROOT, Site, all_at_once
from tests.site_fixtures import Starter
from tests.stays.test_redis_lost import until_healthy

pytestmark = pytest.mark.site

# The design's own limit for a request.
REQUEST_LIMIT_S = 10.0


def prepare(environment: dict[str, str], mongod: Server) -> tuple[dict[str, str], str]:
    """Migrates a database on the server; returns its variables and a partner's token."""
    variables = {"MONGODB_URI": mongod.uri, "MONGODB_NAME": "test_own"}

    def manage(*arguments: str) -> str:
        return subprocess.run(
            [sys.executable, str(Path(ROOT) / "manage.py"), *arguments],
            env={**environment, **variables},
            cwd=ROOT,
            check=True,
            capture_output=True,
            text=True,
        ).stdout

    manage("migrate", "-v0")
    manage("seed_demo")
    return variables, manage("issue_token", "partner", "--act-for-others").split()[-1]


def test_starts_without_mongodb_and_says_that_it_is_not_ready(start: Starter) -> None:
    site = start(MONGODB_URI="mongodb://127.0.0.1:1/")

    statuses = {
        name: site.get(f"/api/{name}").status_code for name in ("health", "ready", "health-mongo")
    }

    assert statuses == {"health": 200, "ready": 503, "health-mongo": 503}


@pytest.mark.slow
def test_answers_try_again_while_mongodb_is_frozen_and_recovers(
    start: Starter, environment: dict[str, str], own_mongod: Server
) -> None:
    variables, token = prepare(environment, own_mongod)
    site = start(**variables)
    site.token = token
    assert site.book("before", userId="ada", resourceId="room_A", date=night()).ok
    own_mongod.freeze()

    started_s = time.monotonic()
    # Three times as many as there are threads, and the look-up of the token hangs.
    answers = all_at_once(
        [
            lambda number=number: site.book(
                f"frozen-{number}", userId="ada", resourceId="room_B", date=night()
            )
            for number in range(24)
        ]
    )
    took_s = time.monotonic() - started_s

    assert took_s < REQUEST_LIMIT_S
    for answer in answers:
        assert (answer.status_code, answer.json()["code"]) == (503, "TRY_AGAIN")
        assert int(answer.headers["Retry-After"]) > 0
        assert answer.headers["Idempotency-Key"].startswith("frozen-")
        assert answer.headers["Content-Type"] == "application/problem+json"
    assert site.get("/api/health-mongo").status_code == 503
    assert site.get("/api/ready").status_code == 503
    assert site.get("/api/health").status_code == 200
    page = site.get("/", token="")
    assert (page.status_code, "Please try again" in page.text) == (503, True)

    assert site.get("/api/bookings").json()["code"] == "TRY_AGAIN"

    own_mongod.thaw()
    healed = until_booked(site, "frozen-0", userId="ada", resourceId="room_B", date=night())

    assert healed.status_code == 201
    # Each process finds out for itself, within a second.
    until_healthy(site, "/api/bookings")
    assert site.get("/api/ready").status_code == 200
    listed = site.get("/api/bookings").json()["bookings"]
    assert [booking["resourceId"] for booking in listed] == ["room_B", "room_A"]


@pytest.mark.slow
def test_answers_try_again_without_a_primary_and_recovers(
    start: Starter, environment: dict[str, str], own_mongod: Server
) -> None:
    variables, token = prepare(environment, own_mongod)
    site = start(**variables)
    site.token = token
    wish = {"userId": "ada", "resourceId": "room_A", "date": night()}
    with MongoClient(own_mongod.uri) as client:
        # It steps down, and may not be elected again until the test allows it.
        client.admin.command("replSetStepDown", 60, force=True)

        started_s = time.monotonic()
        answer = site.book("no-primary", **wish)
        took_s = time.monotonic() - started_s
        ready = site.get("/api/ready").status_code

    with MongoClient(own_mongod.uri, directConnection=True) as client:
        client.admin.command("replSetFreeze", 0)
    healed = until_booked(site, "no-primary", **wish)

    assert (answer.status_code, answer.json()["code"]) == (503, "TRY_AGAIN")
    assert took_s < REQUEST_LIMIT_S
    assert ready == 503
    assert healed.status_code == 201


def until_booked(site: Site, key: str, limit_s: float = 20.0, **wish: object) -> requests.Response:
    """Retries with the same key, as the 503 says."""
    deadline_s = time.monotonic() + limit_s
    while True:
        response = site.book(key, **wish)
        if response.status_code not in (409, 503):
            return response
        assert time.monotonic() < deadline_s, response.json()
        time.sleep(0.3)
