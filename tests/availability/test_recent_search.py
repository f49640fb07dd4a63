"""Searches and pages use what the process read in the last two seconds, except for the bookings."""

from __future__ import annotations

import random
import secrets
from collections.abc import Iterator
from datetime import date, timedelta
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.test import Client
from pymongo import monitoring
from pymongo.synchronous.mongo_client import MongoClient

from bookings.availability import occupancy, search, stock
from bookings.availability.stock import FreeCounts, free_rooms
from bookings.catalogue.inventory import RoomFacts
from bookings.infrastructure import connections, recent_reads
from bookings.infrastructure.connections import collection
from bookings.infrastructure.recent_reads import GENERATION
from bookings.models import ApiClient, CategoryContent
from bookings.web import hotels, how_it_works
from tests.announced import announced
from tests.browsing import hold, open_page, stays_path
from tests.calls import book
from tests.conftest import night, says
from tests.hotels import put_night
from tests.site_fixtures import issue_token

pytestmark = pytest.mark.mongo

Patch = pytest.MonkeyPatch

FIRST = (date.fromisoformat(night()).replace(day=1) + timedelta(days=31)).replace(day=1)
NEXT_MONTH = (FIRST + timedelta(days=31)).replace(day=1)

STAYS = stays_path(hotel="inn")
MONTH = f"/calendar/inn_double?month={night()[:7]}"
STAY = f"checkIn={night()}&checkOut={night(32)}"
AVAILABILITY = f"/api/availability?hotelId=inn&{STAY}"
CALENDAR = f"/api/calendar?categoryId=inn_double&month={night()[:7]}"
RESOURCES = f"/api/resources/available?hotelId=inn&date={night()}"
FREE_ROOMS = f"/admin/desk/rooms/?hotel=inn&check_in={night()}&check_out={night(32)}"
GRID = f"/admin/desk/occupancy/?hotel=inn&start={night()}&days=7"


@pytest.fixture
def elsewhere(inn: None, monkeypatch: Patch) -> Iterator[None]:
    """Another process makes the changes, so this one only hears of them if it asks Redis."""
    monkeypatch.setattr(recent_reads, "announce_change", lambda: None)
    yield
    monkeypatch.undo()
    recent_reads.announce_change()
    announced.unannounced()


def tell() -> None:
    """What the other process does once its change is durable."""
    connections.redis().set(GENERATION, secrets.token_hex(8))


@pytest.fixture
def reader(client: Client) -> Client:
    """May read every page, and everything that the API lists."""
    client.force_login(User.objects.create_superuser("staff"))
    token = issue_token(ApiClient.objects.create(name="reader").pk)
    client.defaults["HTTP_AUTHORIZATION"] = f"Bearer {token}"
    return client


def read(reader: Client, path: str) -> str:
    answer = reader.get(path)
    assert answer.status_code == 200, answer.content.decode()[:1000]
    return answer.content.decode()


@pytest.mark.parametrize("path", ["/", STAYS, MONTH, AVAILABILITY, CALENDAR, FREE_ROOMS, GRID])
def test_counts_another_process_change_at_once(elsewhere: None, reader: Client, path: str) -> None:
    before = read(reader, path)

    collection("hotels").update_one({"_id": "inn"}, {"$set": {"name": "Inn Renamed"}})
    collection("room_categories").update_one(
        {"_id": "inn_double"}, {"$set": {"name": "Twin Renamed", "default_price": 31_700}}
    )
    try:
        kept = read(reader, path)
        tell()
        after = read(reader, path)
    finally:
        collection("hotels").update_one({"_id": "inn"}, {"$set": {"name": "Inn"}})
        collection("room_categories").update_one(
            {"_id": "inn_double"}, {"$set": {"name": "Double", "default_price": 10_000}}
        )

    signs = ("Renamed", "317", "31700")
    assert not any(sign in text for text in (before, kept) for sign in signs), "it was kept"
    assert any(sign in after for sign in signs)


@pytest.mark.parametrize("path", [STAYS, MONTH])
def test_counts_content_that_another_process_changed(
    elsewhere: None, reader: Client, path: str
) -> None:
    CategoryContent.objects.create(category_id="inn_double", size_m2=21)
    tell()
    assert "21 m²" in read(reader, path)

    try:
        collection("category_contents").update_one({"_id": "inn_double"}, {"$set": {"size_m2": 34}})
        assert "21 m²" in read(reader, path), "it was kept"
        tell()
        assert "34 m²" in read(reader, path)
    finally:
        CategoryContent.objects.filter(pk="inn_double").delete()


def test_counts_a_room_that_another_process_took_off_sale(elsewhere: None, reader: Client) -> None:
    assert "inn_A" in read(reader, RESOURCES)

    put_night("inn_single", night(), closed=True)
    put_night("inn_double", night(), closed=True)
    assert "inn_A" in read(reader, RESOURCES), "it was kept"
    tell()

    assert "inn_A" not in read(reader, RESOURCES)


def test_offers_the_booking_form_what_is_for_sale_now(elsewhere: None, reader: Client) -> None:
    path = f"/admin/bookings/bookingrecord/add/?hotel=inn&check_in={night()}&check_out={night(32)}"
    before = read(reader, path)

    collection("rooms").update_one({"_id": "inn_A"}, {"$set": {"name": "Renamed"}})
    try:
        tell()
        after = read(reader, path)
    finally:
        collection("rooms").update_one({"_id": "inn_A"}, {"$set": {"name": "inn_A"}})

    assert ("Renamed" in before, "Renamed" in after) == (False, True)


def test_tries_a_room_that_is_for_sale_now(
    elsewhere: None, client: Client, settings: Any, monkeypatch: Patch
) -> None:
    settings.DEMO = True
    for name in ("FIRST_DAY", "LAST_DAY"):
        monkeypatch.setattr(how_it_works, name, 40)

    def begin() -> int:
        return client.post("/how-it-works/try", {"do": "begin"}).status_code

    before = begin()
    of_demo = {"hotel_id": "demo", "sell_by_default": True}
    off = [each["_id"] for each in collection("room_categories").find(of_demo)]
    change = collection("room_categories").update_many
    change({"_id": {"$in": off}}, {"$set": {"sell_by_default": False}})
    try:
        kept = begin()
        tell()
        after = begin()
    finally:
        change({"_id": {"$in": off}}, {"$set": {"sell_by_default": True}})

    assert (before, kept, after) == (200, 200, 409)


class Reads(monitoring.CommandListener):
    """The collections that were read."""

    def __init__(self) -> None:
        self.names: list[str] = []

    def started(self, event: monitoring.CommandStartedEvent) -> None:
        if event.command_name in ("find", "aggregate"):
            self.names.append(event.command[event.command_name])

    def succeeded(self, event: Any) -> None:
        """Nothing to remember."""

    failed = succeeded


@pytest.fixture
def reads(inn: None, monkeypatch: Patch) -> Iterator[list[str]]:
    listener = Reads()
    own = connections.database()
    host, port = own.client.address
    client: MongoClient[Any] = MongoClient(host, port, event_listeners=[listener])
    monkeypatch.setattr(connections, "database", lambda: client[own.name])
    monkeypatch.setattr(occupancy, "database", lambda: client[own.name])
    yield listener.names
    client.close()


@pytest.mark.parametrize("path", [stays_path(), MONTH])
def test_reads_only_the_bookings_again(reads: list[str], path: str) -> None:
    open_page(Client(), path)
    reads.clear()

    open_page(Client(), path)

    assert reads == ["bookings"]


def test_reads_nothing_for_the_first_page_again(reads: list[str]) -> None:
    open_page(Client())
    reads.clear()

    open_page(Client())

    assert reads == []


def test_sees_a_booking_at_once(elsewhere: None) -> None:
    before = open_page(Client(), STAYS).text

    book(resourceId="inn_A", checkIn=night(), checkOut=night(32))

    assert "3 rooms left" in before
    assert "2 rooms left" in open_page(Client(), STAYS).text


def test_has_no_total_that_was_never_valid(elsewhere: None) -> None:
    """As in test_recent_stock.py: two months of two moments would have one."""
    last = NEXT_MONTH - timedelta(days=1)
    far = NEXT_MONTH + timedelta(days=20)
    for day in (last, NEXT_MONTH):
        put_night("inn_double", day.isoformat(), price=100)

    def total(check_out: date) -> list[int]:
        stays = search.find_stays(hotel_id="inn", check_in=last, check_out=check_out)
        (price,) = [each.price for each in stays if each.category.id == "inn_double"]
        assert price
        return [amount for _, amount in price.nights][:2]

    kept = total(NEXT_MONTH + timedelta(days=1))
    for day, price in ((last, 50), (NEXT_MONTH, 500)):
        collection("nights").update_one({"_id": f"inn_double|{day}"}, {"$set": {"price": price}})

    assert kept == [100, 100]
    assert total(NEXT_MONTH + timedelta(days=1)) == [100, 100]
    assert total(far) == [50, 500], "a stay beyond what is kept was read in one look"


def test_keeps_nothing_of_hotels_and_categories_that_do_not_exist(inn: None) -> None:
    for each in range(20):
        assert stock.recent_hotel_stocks(f"none_{each}", FIRST, FIRST) == []
        assert stock.recent_month_stock(f"none_{each}", FIRST) is None

    for kept in (stock._hotel_months, stock._long_months):
        assert not any("none" in key[0] for key in kept._entries)


@pytest.mark.parametrize("seed", range(20))
def test_counts_as_many_rooms_as_it_lists(seed: int) -> None:
    chance = random.Random(seed)
    rooms = [RoomFacts(f"room_{each}", "double", "") for each in range(chance.randrange(6))]
    days = [FIRST + timedelta(days=each) for each in range(8)]
    taken = {
        room: {day for day in days if chance.random() < 0.3}
        for room in (*(room.id for room in rooms), "of_another_category")
        if chance.random() < 0.8
    }
    counts = FreeCounts(rooms, taken)

    for check_in in days:
        for length in range(1, 4):
            check_out = check_in + timedelta(days=length)
            listed = free_rooms(rooms, taken, check_in, check_out)
            assert counts.between(check_in, check_out) == len(listed)


# --- The first page ------------------------------------------------------------------------------


def test_says_the_same_to_someone_it_knows(inn: None) -> None:
    stranger, visitor = Client(), Client()
    hold(visitor, STAYS, category="inn_double")
    visitor.get("/")  # shows the message about the hold

    assert visitor.cookies
    assert visitor.get("/").content == stranger.get("/").content


def test_greets_people_by_name_and_in_their_language(inn: None) -> None:
    known = Client()
    known.force_login(User.objects.create_user("ada"))
    for _ in range(2):
        assert not says(open_page(Client()).text, "ada")
        assert "ada" in open_page(known).text
        german = Client(headers={"accept-language": "de"}).get("/").content.decode()
        assert '<html lang="de">' in german
        assert '<html lang="en">' in Client().get("/").content.decode()


def test_keeps_the_query_out_of_what_others_get(inn: None) -> None:
    asked = Client().get("/?from=letter").content.decode()

    assert "from=letter" in asked
    assert "from=letter" not in Client().get("/").content.decode()


def test_makes_the_first_page_of_nothing_that_was_kept(elsewhere: None, monkeypatch: Patch) -> None:
    """Or the page could be four seconds old."""
    open_page(Client(), "/?known")  # keeps the hotels
    hotels._pages.drop()
    collection("hotels").update_one({"_id": "inn"}, {"$set": {"name": "Inn Renamed"}})
    try:
        assert "Inn Renamed" in open_page(Client()).text
    finally:
        collection("hotels").update_one({"_id": "inn"}, {"$set": {"name": "Inn"}})
