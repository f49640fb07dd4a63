"""The showcase hotels: what they sell, what they show, and what a second seed leaves alone."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, date, datetime
from pathlib import Path
from threading import Barrier
from typing import Any

import pytest
from django.core.management import call_command

from bookings.availability import search
from bookings.catalogue import inventory
from bookings.content.amenities import BEDS, OF_HOTELS, OF_ROOMS
from bookings.content.occupants import judge_who
from bookings.content.photos import changes
from bookings.domain.booking import (
    BLOCK,
    CHECKED_IN,
    CHECKED_OUT,
    CONFIRMED,
    EXPECTED,
    PRESENCES,
    STATUSES,
    STAY,
    from_document,
)
from bookings.infrastructure import clock
from bookings.infrastructure.connections import collection
from bookings.models import CategoryContent, Hotel, HotelContent, Night, Room, RoomCategory
from bookings.operations.doctor import recount
from bookings.operations.showcase import seeding
from bookings.operations.showcase.hotels import HOTELS
from bookings.operations.showcase.season import price_on
from bookings.operations.showcase.seeding import FOLDER, PRICED_DAYS
from bookings.operations.showcase.stays import DAYS_AFTER, DAYS_BEFORE, first_bookings
from tests.conftest import night

pytestmark = pytest.mark.mongo

IDS = [hotel.id for hotel in HOTELS]


@pytest.fixture
def showcase(database: None) -> Iterator[None]:
    call_command("seed_demo", showcase=True)
    yield
    Night.objects.filter(category__hotel__in=IDS).delete()
    Room.objects.filter(category__hotel__in=IDS).delete()
    RoomCategory.objects.filter(hotel__in=IDS).delete()
    Hotel.objects.filter(pk__in=IDS).delete()


def everything() -> dict[str, list[dict[str, Any]]]:
    return {
        name: list(collection(name).find().sort("_id"))
        for name in (
            *("hotels", "hotel_contents", "room_categories", "category_contents"),
            *("rooms", "nights", "photos", "bookings"),
        )
    }


def test_says_what_the_admin_would_accept(showcase: None) -> None:
    for hotel in Hotel.objects.filter(pk__in=IDS):
        hotel.full_clean()
        hotel.content.full_clean()
        assert set(hotel.content.amenities) <= OF_HOTELS.keys()
        for category in hotel.categories.all():
            category.full_clean()
            about = category.content
            about.full_clean()
            assert set(about.amenities) <= OF_ROOMS.keys()
            assert about.beds.keys() <= BEDS.keys()
            assert judge_who(category.occupancy, adults=about.adults, children=about.children) == {}
            assert category.rooms.count() > 1


def test_sells_every_category(showcase: None) -> None:
    for hotel_id in IDS:
        stays = search.find_stays(
            hotel_id=hotel_id,
            check_in=date.fromisoformat(night()),
            check_out=date.fromisoformat(night(32)),
        )
        assert len(stays) == 3
        assert not [stay for stay in stays if stay.obstacles]


def test_costs_more_in_summer_at_weekends_and_at_christmas() -> None:
    spring = date(2027, 4, 14)

    assert price_on(spring, 10_000) == 10_000
    assert price_on(date(2027, 4, 16), 10_000) == 11_500
    assert price_on(date(2027, 7, 14), 10_000) == 14_500
    assert price_on(date(2027, 1, 13), 10_000) == 8_000
    assert price_on(date(2027, 12, 28), 10_000) == price_on(date(2028, 1, 1), 8_700) == 15_000


def test_changes_nothing_when_it_is_seeded_again(showcase: None) -> None:
    changed = Night.objects.filter(category="seaside-single").first()
    assert changed is not None
    Night.objects.filter(pk=changed.pk).update(price=1_234, closed=True)
    HotelContent.objects.filter(pk="seaside").update(city="Ours")
    CategoryContent.objects.filter(pk="altstadt-double").update(size_m2=77)
    before = everything()

    call_command("seed_demo", showcase=True)

    assert everything() == before


def test_prices_a_year(showcase: None) -> None:
    assert Night.objects.filter(category="seaside-double").count() == PRICED_DAYS


def test_has_bookings_in_every_state_around_today(showcase: None) -> None:
    for hotel_id in IDS:
        hotel = inventory.find_hotel(hotel_id)
        assert hotel is not None
        today = clock.today(hotel.time_zone)
        found = [from_document(each) for each in collection("bookings").find({"hotel": hotel_id})]

        assert {booking.status for booking in found} == set(STATUSES)
        assert {booking.presence for booking in found} == set(PRESENCES)
        assert {booking.kind for booking in found} == {STAY, BLOCK}
        assert any(len(booking.rooms) > 1 for booking in found)
        assert any(booking.notes for booking in found if booking.kind == STAY)
        days = [(booking.check_in - today).days for booking in found]
        assert min(days) <= -DAYS_BEFORE
        assert max(days) >= DAYS_AFTER
        stays = [booking for booking in found if booking.status == CONFIRMED]
        arrive = {stay.presence for stay in stays if stay.check_in == today}
        leave = {stay.presence for stay in stays if stay.check_out == today}
        assert {EXPECTED, CHECKED_IN} <= arrive
        assert {CHECKED_IN, CHECKED_OUT} <= leave
        assert any(stay.check_in < today < stay.check_out for stay in stays)
        # Nothing has happened that lies ahead.
        for booking in found:
            assert booking.created_at < booking.updated_at or len(booking.history) == 1
            assert booking.updated_at <= clock.now()


def test_has_bookings_that_the_doctor_finds_nothing_in(showcase: None) -> None:
    looked_for = (recount.slots, recount.keys, recount.documents, recount.search_terms)
    findings = [look() for look in looked_for]

    assert {finding.level for finding in findings} == {"ok"}, findings


def test_makes_the_same_bookings_relative_to_each_day(showcase: None) -> None:
    hotel = HOTELS[0]
    facts = inventory.find_hotel(hotel.id)
    assert facts is not None
    made = [
        [
            ((each.check_in - now.date()).days, each.status, each.room_ids, each.guest)
            for each in first_bookings(hotel, facts, now)
        ]
        for now in (datetime(2027, 5, 5, 12, tzinfo=UTC), datetime(2027, 5, 6, 12, tzinfo=UTC))
    ]

    assert made[0] == made[1]


def test_leaves_a_hotel_alone_that_has_bookings(showcase: None) -> None:
    collection("bookings").delete_many({"hotel": "seaside", "status": {"$ne": CONFIRMED}})
    before = everything()["bookings"]

    seeding.seed()

    assert everything()["bookings"] == before


def test_makes_bookings_once_though_two_seed_at_once(showcase: None) -> None:
    count = collection("bookings").count_documents({})
    collection("bookings").delete_many({})

    barrier = Barrier(4)

    def seed(_: int) -> None:
        barrier.wait()
        seeding.seed()

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(seed, range(4)))

    assert collection("bookings").count_documents({}) == count


def test_shows_a_picture_of_everything(showcase: None, photo_folder: Path) -> None:
    seeding.seed()
    seeding.seed()

    for hotel in HOTELS:
        for category_id, pictures in (
            (None, hotel.pictures),
            *((category.id, category.pictures) for category in hotel.categories),
        ):
            rows = changes.list_photos(hotel.id, category_id)
            assert [row["alt"] for row in rows] == [
                {"en": picture.alt[0], "de": picture.alt[1]} for picture in pictures
            ]
    collection("photos").delete_many({"hotel_id": {"$in": IDS}})


def test_names_each_painted_picture() -> None:
    named = {
        f"{hotel.id}/{picture.name}.jpg"
        for hotel in HOTELS
        for pictures in (hotel.pictures, *(category.pictures for category in hotel.categories))
        for picture in pictures
    }

    assert named == {str(path.relative_to(FOLDER)) for path in FOLDER.rglob("*.jpg")}
