"""Which answers are kept under a key, and for whom (DESIGN: the table of codes)."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest

from bookings.infrastructure import connections
from tests.conftest import night
from tests.site import Site
from tests.site_fixtures import Starter, issue_token

pytestmark = pytest.mark.site


@pytest.fixture
def wish() -> Iterator[dict]:
    return {"userId": "ada", "resourceId": "room_A", "date": night()}


def test_keeps_a_refusal_after_the_room_is_free_again(site: Site, wish: dict) -> None:
    made = site.book("winner", **wish).json()["booking"]
    refused = site.book("loser", **wish)
    site.post(f"/api/bookings/{made['id']}/cancel")

    again = site.book("loser", **wish)

    assert refused.json()["code"] == "ALREADY_BOOKED"
    assert again.content == refused.content
    assert again.headers["Idempotency-Replayed"] == "true"
    assert again.headers["Content-Type"] == "application/problem+json"


def test_lets_a_refusal_become_a_success_once_redis_forgot(site: Site, wish: dict) -> None:
    made = site.book("winner", **wish).json()["booking"]
    site.book("loser", **wish)
    site.post(f"/api/bookings/{made['id']}/cancel")
    connections.redis().flushdb()

    assert site.book("loser", **wish).status_code == 201


def test_does_not_keep_a_locked_room(site: Site, wish: dict) -> None:
    site.faults.arm("after_lock", "pause")
    with ThreadPoolExecutor(1) as pool:
        slow = pool.submit(site.book, "first", **{**wish, "quotedTotal": 1})
        slow.result()
    site.faults.clear()
    site.faults.arm("after_lock", "pause")
    with ThreadPoolExecutor(1) as pool:
        slow = pool.submit(site.book, "winner", **wish)
        site.faults.wait_for("paused")
        locked = site.book("loser", **wish)
        site.faults.go()
        made = slow.result().json()["booking"]
    site.post(f"/api/bookings/{made['id']}/cancel")

    again = site.book("loser", **wish)

    assert locked.json()["code"] == "RESOURCE_LOCKED"
    assert again.status_code == 201


@pytest.mark.parametrize(
    ("fault", "code"),
    [
        ({"date": "2020-01-01"}, "VALIDATION_ERROR"),
        ({"resourceId": "no_such_room"}, "VALIDATION_ERROR"),
        ({"quotedTotal": 1}, "PRICE_CHANGED"),
    ],
)
def test_does_not_keep_a_fault_that_can_be_mended(
    site: Site, wish: dict, fault: dict, code: str
) -> None:
    wrong = site.book("key", **{**wish, **fault})
    mended = site.book("key", **wish)

    assert wrong.json()["code"] == code
    assert mended.status_code == 201


def test_books_again_without_a_key_after_a_cancellation(site: Site, wish: dict) -> None:
    first = site.book(**wish).json()
    cancelled = site.post(f"/api/bookings/{first['booking']['id']}/cancel")

    second = site.book(**wish)

    assert cancelled.json()["booking"]["status"] == "cancelled"
    assert second.status_code == 201
    assert "Idempotency-Replayed" not in second.headers
    assert second.json()["booking"]["id"] != first["booking"]["id"]


def test_replays_a_success_after_its_booking_was_cancelled(site: Site, wish: dict) -> None:
    first = site.book("key", **wish)
    site.post(f"/api/bookings/{first.json()['booking']['id']}/cancel")

    from_redis = site.book("key", **wish)
    connections.redis().flushdb()
    from_mongodb = site.book("key", **wish)

    assert from_redis.content == from_mongodb.content == first.content
    assert from_mongodb.status_code == 201
    assert from_mongodb.headers["Idempotency-Replayed"] == "true"


def test_makes_a_new_booking_when_the_key_it_made_is_too_old(site: Site, wish: dict) -> None:
    first = site.book(**wish).json()
    connections.collection("bookings").update_one(
        {}, [{"$set": {"keys": {"$map": {
            "input": "$keys",
            "in": {"$mergeObjects": ["$$this", {"until": {"$subtract": ["$$NOW", 1000]}}]},
        }}}}],
    )  # fmt: skip

    second = site.book(**wish)

    assert second.json()["code"] == "ALREADY_BOOKED"
    assert site.get(f"/api/bookings/{first['booking']['id']}").status_code == 200


def test_never_shows_one_callers_answer_to_another(site: Site, wish: dict) -> None:
    other_token = issue_token("other partner")
    mine = site.book("same-key", **wish)

    theirs = site.book("same-key", token=other_token, **{**wish, "resourceId": "room_B"})
    booking_id = mine.json()["booking"]["id"]

    assert theirs.status_code == 201
    assert theirs.json()["booking"]["id"] != booking_id
    assert site.get(f"/api/bookings/{booking_id}", token=other_token).status_code == 404
    assert site.post(f"/api/bookings/{booking_id}/cancel", token=other_token).status_code == 404
    confirm = site.post(f"/api/bookings/{booking_id}/confirm", "same-key", token=other_token)
    assert confirm.status_code == 404
    listed = site.get("/api/bookings", token=other_token).json()["bookings"]
    assert [booking["resourceId"] for booking in listed] == ["room_B"]


def test_refuses_another_payload_where_the_setting_says_so(start: Starter, wish: dict) -> None:
    site = start(IDEMPOTENCY_ON_MISMATCH="reject")
    first = site.book("key", **wish)

    other = site.book("key", **{**wish, "resourceId": "room_B"})
    connections.redis().flushdb()
    other_from_mongodb = site.book("key", **{**wish, "resourceId": "room_B"})
    again = site.book("key", **wish)

    assert (other.status_code, other.json()["code"]) == (422, "IDEMPOTENCY_KEY_REUSED")
    assert other_from_mongodb.json()["code"] == "IDEMPOTENCY_KEY_REUSED"
    assert again.content == first.content
