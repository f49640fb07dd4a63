"""Many clients at once, over HTTP, against two processes of four threads."""

from __future__ import annotations

import uuid

import pytest

from bookings import connections
from tests.conftest import night
from tests.site.site import Site, all_at_once, codes

CLIENTS = 200


def active_bookings() -> int:
    return connections.collection("bookings").count_documents(
        {"status": {"$in": ["pending", "confirmed"]}}
    )


def rivals(site: Site, clients: int = CLIENTS) -> list:
    """As many calls for one room and night, each with a key of its own."""
    return [
        lambda: site.book(str(uuid.uuid4()), userId="ada", resourceId="room_A", date=night())
        for _ in range(clients)
    ]


def twins(site: Site, clients: int = CLIENTS) -> list:
    """As many calls with one key."""
    key = str(uuid.uuid4())
    return [
        lambda: site.book(key, userId="ada", resourceId="room_A", date=night())
        for _ in range(clients)
    ]


def check_rivals(responses: list, also: frozenset[str] = frozenset()) -> None:
    """One has the night, and everybody else was told so (or one of the codes in `also`)."""
    outcome = codes(responses)
    assert outcome.pop("201") == 1
    assert set(outcome) <= {"RESOURCE_LOCKED", "ALREADY_BOOKED"} | also
    assert active_bookings() == 1


def check_twins(responses: list) -> None:
    """One booking, and every success is the same bytes."""
    outcome = codes(responses)
    assert outcome.pop("201") >= 1
    assert set(outcome) <= {"IDEMPOTENCY_IN_PROGRESS", "RESOURCE_LOCKED"}
    assert len({r.content for r in responses if r.status_code == 201}) == 1
    assert active_bookings() == 1


def test_sells_a_night_once_to_200_rivals(site: Site, rounds: int) -> None:
    for _ in range(rounds):
        connections.collection("bookings").delete_many({})

        responses = all_at_once(rivals(site))

        check_rivals(responses)


def test_makes_one_booking_of_200_requests_with_one_key(site: Site, rounds: int) -> None:
    for _ in range(rounds):
        connections.collection("bookings").delete_many({})

        responses = all_at_once(twins(site))

        check_twins(responses)


@pytest.mark.parametrize("check", ["rivals", "twins"])
def test_needs_no_locks_to_be_right(start: object, check: str) -> None:
    site = start(TEST_WITHOUT_LOCKS="1")

    if check == "rivals":
        check_rivals(all_at_once(rivals(site)))
    else:
        check_twins(all_at_once(twins(site)))
