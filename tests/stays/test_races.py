"""Many clients at once, over HTTP, against two processes of four threads."""

from __future__ import annotations

import time
import uuid
from collections.abc import Callable, Iterator

import pytest
import requests

from bookings.infrastructure import connections
from bookings.models import RoomCategory
from tests.conftest import night
from tests.site import Site, all_at_once, codes, start_site
from tests.site_fixtures import issue_token

pytestmark = pytest.mark.site

CLIENTS = 200

# How far one request of a burst starts after the one before.
APART_S = 0.002


def active_bookings() -> int:
    return connections.collection("bookings").count_documents(
        {"status": {"$in": ["pending", "confirmed"]}}
    )


def rivals(site: Site, clients: int = CLIENTS) -> list:
    """This many calls for one room and night, each with its own key."""
    return [
        lambda: site.book(str(uuid.uuid4()), userId="ada", resourceId="room_A", date=night())
        for _ in range(clients)
    ]


def twins(site: Site, clients: int = CLIENTS) -> list:
    """This many calls with one key."""
    key = str(uuid.uuid4())
    return [
        lambda: site.book(key, userId="ada", resourceId="room_A", date=night())
        for _ in range(clients)
    ]


def check_rivals(responses: list, also: frozenset[str] = frozenset()) -> None:
    """One has the night, and all others hear so (or get one of the codes in `also`)."""
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


def test_makes_no_hold_at_an_old_price_around_the_end_of_ones_own(
    site: Site, prices: Callable[[int], None], rounds: int
) -> None:
    """The holder sends the old price again and again while the hold runs out, at the beginning of
    the burst in one round and at its end in another."""

    def come_back(number: int) -> requests.Response:
        time.sleep(number * APART_S)
        return hold_room_a(site, 12_000)

    def come_back_at(number: int) -> Callable[[], requests.Response]:
        return lambda: come_back(number)

    for number in range(6 * rounds):
        connections.collection("bookings").delete_many({})
        prices(12_000)
        held = hold_room_a(site, 12_000).json()["booking"]["id"]
        prices(60_000)
        connections.collection("bookings").update_one(
            {}, [{"$set": {"expires_at": {"$add": ["$$NOW", 80 * (number + 1)]}}}]
        )

        responses = all_at_once([come_back_at(number) for number in range(18)])

        assert set(codes(responses)) <= {"201", "PRICE_CHANGED", "RESOURCE_LOCKED"}
        assert {r.json()["booking"]["id"] for r in responses if r.status_code == 201} <= {held}
        assert connections.collection("bookings").count_documents({}) == 1


def hold_room_a(site: Site, quoted: int) -> requests.Response:
    wish = {"resourceId": "room_A", "date": night(), "hold": True, "quotedTotal": quoted}
    return site.book(str(uuid.uuid4()), userId="ada", **wish)


@pytest.fixture
def prices(database: None) -> Iterator[Callable[[int], None]]:
    """Sets the price of a night in room_A."""
    category = RoomCategory.objects.filter(id="demo_double")
    before = category.get().default_price
    yield lambda price: category.update(default_price=price)
    category.update(default_price=before)


@pytest.fixture(scope="module")
def running_without_locks(
    migrated: None, environment: dict[str, str], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Site]:
    site = start_site({**environment, "TEST_WITHOUT_LOCKS": "1"}, tmp_path_factory.mktemp("site"))
    yield site
    site.stop()


@pytest.fixture
def without_locks(running_without_locks: Site, database: None) -> Site:
    running_without_locks.token = issue_token("partner")
    return running_without_locks


@pytest.mark.parametrize("check", ["rivals", "twins"])
def test_needs_no_locks_to_be_right(without_locks: Site, check: str) -> None:
    if check == "rivals":
        check_rivals(all_at_once(rivals(without_locks)))
    else:
        check_twins(all_at_once(twins(without_locks)))
