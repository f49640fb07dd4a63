"""A worker is killed at each point of the flow; the same key then gives the one booking."""

from __future__ import annotations

import time
import uuid
from concurrent.futures import ThreadPoolExecutor

import pytest
import requests

from bookings.infrastructure import connections
from tests.conftest import night
from tests.site import Site

pytestmark = pytest.mark.site

POINTS = ("after_claim", "after_lock", "in_transaction", "after_commit", "before_answer")

# The longest time for which a dead process may keep others waiting: its lock (12 s) or its claim
# (13 s), and mongod's own limit on an open transaction (5 s, checked every few seconds).
LEASE_S, TRANSACTION_S = 13.0, 12.0

# For what a busy machine takes to start another process.
SLACK_S = 20.0

HOUR_MS = 3_600_000


def retry_until_definite(site: Site, key: str, limit_s: float, **wish: object) -> tuple:
    """Repeats the request as a client would; returns the answer and how long it took."""
    started_s = time.monotonic()
    while True:
        try:
            response = site.book(key, **wish)
        except requests.ConnectionError:
            response = None
        waited_s = time.monotonic() - started_s
        if response is not None and response.status_code not in (409, 503):
            return response, waited_s
        if response is not None and response.json()["code"] == "ALREADY_BOOKED":
            return response, waited_s
        assert waited_s < limit_s, f"still {response and response.json()} after {waited_s:.0f} s"
        time.sleep(0.3)


@pytest.mark.slow
@pytest.mark.parametrize("point", POINTS)
def test_gives_the_one_booking_to_the_retry_of_a_killed_request(site: Site, point: str) -> None:
    key = str(uuid.uuid4())
    wish = {"userId": "ada", "resourceId": "room_A", "date": night()}
    site.faults.arm(point, "kill")

    with pytest.raises(requests.ConnectionError):
        site.book(key, **wish)
    site.faults.wait_for("killed")
    was_made = point in ("after_commit", "before_answer")
    if was_made:
        # A retry that waits for the end of a dead process's lease waits for an hour.
        for name in connections.redis().scan_iter("idempotency:*"):
            connections.redis().pexpire(name, HOUR_MS)
    response, _ = retry_until_definite(site, key, LEASE_S + SLACK_S, **wish)

    assert response.status_code == 201
    bookings = list(connections.collection("bookings").find({}))
    assert [str(booking["_id"]) for booking in bookings] == [response.json()["booking"]["id"]]
    if was_made:
        assert response.headers["Idempotency-Replayed"] == "true"


@pytest.mark.slow
def test_refuses_the_retry_of_a_request_killed_with_its_refusal(site: Site) -> None:
    wish = {"userId": "ada", "resourceId": "room_A", "date": night()}
    site.book("rival", **wish)
    site.faults.arm("before_refusal", "kill")
    with pytest.raises(requests.ConnectionError):
        site.book("late", **wish)
    site.faults.wait_for("killed")
    connections.redis().flushdb()

    first, second = (retry_until_definite(site, "late", SLACK_S, **wish)[0] for _ in range(2))

    assert (first.status_code, first.json()["code"]) == (409, "ALREADY_BOOKED")
    assert second.content == first.content
    assert connections.collection("bookings").count_documents({}) == 1


@pytest.mark.slow
def test_tells_no_refusal_once_the_same_key_has_succeeded(site: Site) -> None:
    """A request stands still with its refusal past the end of its lock and claim. Meanwhile the
    room is free again, and a retry gets it."""
    wish = {"userId": "ada", "resourceId": "room_A", "date": night()}
    rival = site.book("rival", **wish).json()["booking"]["id"]
    site.faults.arm("before_refusal", "pause 30")
    with ThreadPoolExecutor(1) as client:
        late = client.submit(site.book, "late", **wish)
        site.faults.wait_for("paused")
        assert site.post(f"/api/bookings/{rival}/cancel", "cancel").status_code == 200
        connections.redis().flushdb()
        retry = site.book("late", **wish)
        site.faults.go()

    assert retry.status_code == 201
    assert late.result().content == retry.content
    assert late.result().headers["Idempotency-Replayed"] == "true"
    assert site.book("late", **wish).content == retry.content


@pytest.mark.slow
def test_frees_the_night_of_a_worker_killed_in_its_transaction(site: Site) -> None:
    wish = {"userId": "ada", "resourceId": "room_A", "date": night()}
    site.faults.arm("in_transaction", "kill")
    with pytest.raises(requests.ConnectionError):
        site.book("dies", **wish)
    site.faults.wait_for("killed")

    response, waited_s = retry_until_definite(site, "rival", 15 + TRANSACTION_S, **wish)

    assert response.status_code == 201
    assert connections.collection("bookings").count_documents({}) == 1


CHANGE_BY_A_NIGHT = {"checkIn": night(), "checkOut": night(32), "quotedTotal": 24_000}


@pytest.mark.parametrize(
    ("operation", "point"),
    [
        *(
            (operation, point)
            for operation in ("confirm", "cancel", "change")
            for point in ("after_claim", "after_commit", "before_answer")
        ),
        ("change", "after_lock"),
        ("change", "in_transaction"),
    ],
)
@pytest.mark.slow
def test_acts_once_when_a_change_is_killed_and_retried(
    site: Site, operation: str, point: str
) -> None:
    key = str(uuid.uuid4())
    made = site.book(key, userId="ada", resourceId="room_A", date=night(), hold=True).json()
    path = f"/api/bookings/{made['booking']['id']}/{operation}"
    body = {"json_body": CHANGE_BY_A_NIGHT} if operation == "change" else {}
    site.faults.arm(point, "kill")
    with pytest.raises(requests.ConnectionError):
        site.post(path, key, **body)
    site.faults.wait_for("killed")
    # The test does not wait for a dead claim: Redis forgets everything instead.
    connections.redis().flushdb()

    if point == "in_transaction":
        # The dead process's transaction keeps the booking until mongod ends it.
        deadline_s = time.monotonic() + TRANSACTION_S
        while site.post(path, key, **body).status_code != 200:
            assert time.monotonic() < deadline_s
            time.sleep(0.3)
        connections.redis().flushdb()
    first, second = (site.post(path, key, **body) for _ in range(2))

    assert first.status_code == second.status_code == 200
    assert first.content == second.content
    history = connections.collection("bookings").find_one({})["history"]
    assert [entry["event"] for entry in history] == [
        "created",
        {"confirm": "confirmed", "cancel": "cancelled", "change": "changed"}[operation],
    ]
