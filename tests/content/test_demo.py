"""The demo hotels describe themselves, and leave alone what staff changed."""

from __future__ import annotations

from typing import Any

import pytest
from django.conf import settings

from bookings.content.amenities import BEDS, OF_HOTELS, OF_ROOMS
from bookings.content.occupants import judge_who
from bookings.infrastructure.connections import collection
from bookings.models import CategoryContent, HotelContent, RoomCategory
from bookings.operations import demo_data

pytestmark = pytest.mark.mongo


def everything() -> dict[str, list[dict[str, Any]]]:
    return {
        name: list(collection(name).find().sort("_id"))
        for name in ("hotel_contents", "category_contents")
    }


def test_changes_nothing_when_it_is_seeded_again() -> None:
    HotelContent.objects.filter(pk="demo").update(city="Ours")
    CategoryContent.objects.filter(pk="grand_suite").delete()
    before = everything()

    demo_data.seed(bench_rooms=5)

    after = everything()
    try:
        assert after["hotel_contents"] == before["hotel_contents"]
        assert HotelContent.objects.get(pk="demo").city == "Ours"
        # Only what is missing is made.
        made = [each for each in after["category_contents"] if each["_id"] == "grand_suite"]
        assert after["category_contents"] == [*before["category_contents"], *made]
        assert made
    finally:
        HotelContent.objects.filter(pk="demo").update(city="Berlin")


def test_says_what_the_admin_would_accept() -> None:
    languages = {code for code, _ in settings.LANGUAGES}
    for content in HotelContent.objects.all():
        content.full_clean()
        assert set(content.amenities) <= OF_HOTELS.keys()
        assert content.description.keys() == languages
    for category in RoomCategory.objects.filter(pk__in=demo_data.CATEGORY_CONTENT):
        about = category.content
        about.full_clean()
        assert set(about.amenities) <= OF_ROOMS.keys()
        assert about.beds.keys() <= BEDS.keys()
        assert about.description.keys() == languages
        faults = judge_who(category.occupancy, adults=about.adults, children=about.children)
        assert faults == {}
