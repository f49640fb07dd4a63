"""Guests read what owners wrote, in their own language."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from django.test import Client

from bookings.infrastructure.connections import collection
from bookings.models import CategoryContent, HotelContent
from tests.browsing import open_page, stays_path
from tests.conftest import night

pytestmark = [pytest.mark.mongo, pytest.mark.usefixtures("inn")]

RESULTS = stays_path(hotel="inn")
MONTH = f"/calendar/inn_double?month={night()[:7]}"
GERMAN = {"headers": {"accept-language": "de"}}

HOTEL = {
    "description": {"en": "A **house**.", "de": "Ein **Haus**."},
    "amenities": ["lift", "wifi"],
    "street": "Lindenstrasse 12",
    "postal_code": "10115",
    "city": "Berlin",
    "map_url": "https://maps.example/?a=1&b=2",
}
CATEGORY = {
    "description": {"de": "Ruhig <script>."},
    "size_m2": 24,
    "beds": {"double": 1, "sofa": 2},
    "amenities": ["tv"],
    "adults": 1,
    "children": 1,
}


@pytest.fixture(autouse=True)
def contents(inn: None) -> Iterator[None]:
    HotelContent.objects.create(hotel_id="inn", **HOTEL)
    CategoryContent.objects.create(category_id="inn_double", **CATEGORY)
    yield
    HotelContent.objects.filter(pk="inn").delete()
    CategoryContent.objects.filter(pk="inn_double").delete()


def test_describes_the_rooms_among_the_results() -> None:
    page = open_page(Client(), RESULTS)

    assert "24 m², 1 double bed, 2 sofa beds" in page.text
    assert "TV" in page.text
    assert "Up to 2 guests: at most 1 adult, at most 1 child." in page.text
    # The category has no English text, so readers of the screen hear German.
    assert '<div class="prose" dir="auto" lang="de"><p>Ruhig &lt;script&gt;.</p>' in page.html
    # Nothing was written about the single.
    assert "for one guest" in page.text


def test_describes_them_in_german() -> None:
    html = Client().get(RESULTS, **GERMAN).content.decode()

    assert '<div class="prose" dir="auto"><p>Ruhig' in html
    assert "24 m², 1 Doppelbett, 2 Schlafsofas" in html
    assert "Bis zu 2 Gäste: höchstens 1 Erwachsener, höchstens 1 Kind." in html


def test_describes_the_category_beside_its_prices() -> None:
    page = open_page(Client(), MONTH)

    assert "Ruhig <script>." in page.text
    assert "24 m², 1 double bed, 2 sofa beds" in page.text
    assert "Up to 2 guests: at most 1 adult, at most 1 child." in page.text


def test_says_nothing_where_nothing_was_written() -> None:
    HotelContent.objects.filter(pk="inn").update(
        **{name: "" if isinstance(value, str) else type(value)() for name, value in HOTEL.items()}
    )
    CategoryContent.objects.filter(pk="inn_double").delete()

    for path in (RESULTS, MONTH):
        page = open_page(Client(), path)
        assert 'aria-label="Description"' not in page.html
        assert "prose" not in page.html
        assert "<address>" not in page.html


def test_says_no_more_who_may_stay_once_more_guests_fit() -> None:
    """The sentence would contradict itself: nobody says who else may come."""
    double = collection("room_categories").find_one({"_id": "inn_double"})
    assert double is not None

    def occupy(guests: int) -> str:
        collection("room_categories").update_one(
            {"_id": "inn_double"}, {"$set": {"occupancy": guests}}
        )
        return open_page(Client(), RESULTS).text

    try:
        assert "for up to 3 guests" in occupy(3)
        assert "at most" not in occupy(3)
    finally:
        collection("room_categories").replace_one({"_id": "inn_double"}, double)


@pytest.mark.parametrize("path", [RESULTS, MONTH])
def test_follows_a_change_at_once(path: str) -> None:
    browser = Client()
    open_page(browser, path)

    CategoryContent.objects.filter(pk="inn_double").update(size_m2=31)

    assert "31 m²" in open_page(browser, path).text


def test_reads_content_of_a_later_release(client: Any) -> None:
    collection("category_contents").update_one(
        {"_id": "inn_double"},
        {"$set": {"amenities": ["hologram", "tv"], "beds": {"pod": 1}, "description.xx": "?"}},
    )

    text = open_page(Client(), RESULTS).text

    assert "TV" in text
    assert "hologram" not in text
    assert "pod" not in text
