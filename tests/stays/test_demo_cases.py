"""The five cases of the demo this project grew from, over HTTP."""

from __future__ import annotations

import uuid
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import pytest
import requests

from bookings.infrastructure import connections
from tests.conftest import night
from tests.site import Site, all_at_once, codes

pytestmark = pytest.mark.site


def booking_count() -> int:
    return connections.collection("bookings").count_documents({})


def test_answers_the_same_booking_for_the_same_key(site: Site) -> None:
    key = str(uuid.uuid4())

    first = site.book(key, userId="ada", resourceId="room_A", date=night())
    again = site.book(key, userId="ada", resourceId="room_A", date=night())

    assert (first.status_code, again.status_code) == (201, 201)
    assert again.content == first.content
    assert first.json()["idempotencyKey"] == key
    assert "Idempotency-Replayed" not in first.headers
    assert again.headers["Idempotency-Replayed"] == "true"
    assert booking_count() == 1


def test_ignores_another_payload_under_the_same_key(site: Site) -> None:
    key = str(uuid.uuid4())

    first = site.book(key, userId="ada", resourceId="room_A", date=night())
    other = site.book(key, userId="bob", resourceId="room_B", date=night(31))

    assert other.content == first.content
    assert other.headers["Idempotency-Payload-Mismatch"] == "true"
    assert booking_count() == 1


def test_reuses_the_key_it_made_for_a_repeated_payload(site: Site) -> None:
    wish = {"userId": "ada", "resourceId": "room_A", "date": night()}

    first, again = site.book(**wish), site.book(**wish)

    assert again.content == first.content
    assert first.headers["Idempotency-Key"] == again.headers["Idempotency-Key"]
    assert first.headers["Idempotency-Key"].startswith("auto:")
    assert booking_count() == 1


def test_makes_one_booking_of_two_concurrent_requests_with_one_key(site: Site) -> None:
    site.faults.arm("after_lock", "pause")
    with ThreadPoolExecutor(1) as pool:
        slow = pool.submit(site.book, "key", userId="ada", resourceId="room_A", date=night())
        site.faults.wait_for("paused")
        twin = site.book("key", userId="ada", resourceId="room_A", date=night())
        site.faults.go()

    assert twin.json()["code"] == "IDEMPOTENCY_IN_PROGRESS"
    assert int(twin.headers["Retry-After"]) >= 1
    assert twin.headers["Idempotency-Key"] == "key"
    assert slow.result().status_code == 201
    assert booking_count() == 1


def test_lets_one_of_two_rivals_have_the_room(site: Site) -> None:
    calls: list[Callable[[], requests.Response]] = [
        lambda: site.book(str(uuid.uuid4()), userId="ada", resourceId="room_A", date=night()),
        lambda: site.book(str(uuid.uuid4()), userId="bob", resourceId="room_A", date=night()),
    ]

    outcome = codes(all_at_once(calls))

    assert outcome.pop("201") == 1
    assert set(outcome) <= {"RESOURCE_LOCKED", "ALREADY_BOOKED"}
    assert booking_count() == 1
