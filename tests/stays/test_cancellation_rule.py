"""The rule for cancelling, in words and in the hotel's own time."""

from __future__ import annotations

import dataclasses
from datetime import date, datetime, timedelta

import pytest
from django.utils import translation

from bookings.catalogue import inventory
from bookings.catalogue.inventory import HotelFacts
from bookings.infrastructure import clock
from bookings.stays.cancellation_rule import describe_cancellation

pytestmark = pytest.mark.mongo

ARRIVAL = date(2027, 3, 5)


@pytest.fixture
def hotel(database: None) -> HotelFacts:
    """In Berlin, with check-in at 15:00 and 45 hours for cancelling."""
    demo = inventory.find_hotel("demo")
    assert demo is not None
    return dataclasses.replace(demo, cancel_hours=45, time_zone="Europe/Berlin")


@pytest.mark.parametrize(
    ("language", "said"),
    [
        ("en", "Free cancellation until 18:00 on 3 March 2027 (local time at the hotel)."),
        ("de", "Kostenlos stornierbar bis 18:00 Uhr am 3. März 2027 (Ortszeit des Hotels)."),
    ],
)
def test_says_until_when_in_the_time_of_the_hotel(
    hotel: HotelFacts, language: str, said: str
) -> None:
    with translation.override(language):
        told = describe_cancellation(hotel, ARRIVAL, now=clock.now())

    assert " ".join(told.split()) == said


def test_says_that_a_stay_cannot_be_cancelled_from_the_last_moment_on(hotel: HotelFacts) -> None:
    last: datetime = hotel.last_cancellation(ARRIVAL)

    before = describe_cancellation(hotel, ARRIVAL, now=last - timedelta(seconds=1))

    assert before.startswith("Free cancellation until 18:00")
    assert describe_cancellation(hotel, ARRIVAL, now=last) == "This stay can’t be cancelled."
