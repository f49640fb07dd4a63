"""The hotels' own pages: what they show, in which language, and what they keep."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any

import pytest
from bson import ObjectId
from django.contrib.auth.models import User
from django.test import Client

from bookings.content import amenities
from bookings.infrastructure.connections import collection
from bookings.models import CategoryContent, Hotel, HotelContent, Room
from bookings.web import hotels, structured_data
from tests.browsing import hold, open_page, stays_path
from tests.calls import book
from tests.conftest import night, says
from tests.hotels import put_night
from tests.pages import Page

pytestmark = pytest.mark.mongo

GERMAN = {"accept-language": "de"}


@pytest.fixture
def content(inn: None) -> Iterator[HotelContent]:
    """What the owner wrote about the inn."""
    about = HotelContent.objects.create(
        hotel_id="inn",
        description={"en": "A **quiet** house.\n\nBy the lake.", "de": "Ein **ruhiges** Haus."},
        amenities=["wifi", "pool"],
        street="Lakeside 1",
        postal_code="1234",
        city="Lakeville",
        country="CH",
        phone="+41 44 123 45 67",
        email="inn@example.org",
        map_url="https://maps.example/inn",
        directions={"en": "From the station, turn left."},
        house_rules={"en": "- No shoes"},
        arrival={"de": "Schlüssel im Kasten."},
        terms={"en": "Pay on arrival."},
        imprint={"de": "Inn AG"},
    )
    CategoryContent.objects.create(
        category_id="inn_double", description={"en": "With a view."}, size_m2=24, beds={"queen": 1}
    )
    yield about
    CategoryContent.objects.filter(category_id="inn_double").delete()
    about.delete()


def put_photo(category: str | None, alt: str, position: int = 1) -> str:
    """A photo that is ready; returns the part of its URLs that names it."""
    photo = ObjectId()
    collection("photos").insert_one(
        {
            "_id": photo,
            "hotel_id": "inn",
            "category_id": category,
            "position": position,
            "alt": {"en": alt},
            "state": "ready",
            "width": 2000,
            "height": 1500,
            "digest": "0123456789abcdef" * 4,
            "widths": [480, 960],
        }
    )
    return f"{photo}-0123456789abcdef"


@pytest.fixture
def photos(inn: None) -> Iterator[list[str]]:
    """Two of the inn and one of its double, by the part of their URLs."""
    yield [
        put_photo(None, "The lake"),
        put_photo(None, "The bar", 2),
        put_photo("inn_double", "Bed"),
    ]
    collection("photos").delete_many({"hotel_id": "inn"})


def inn_page(**headers: str) -> Page:
    return open_page(Client(headers=headers), "/hotels/inn")


def structured(page: Page) -> dict[str, Any]:
    (text,) = re.findall(r'<script type="application/ld\+json">(.*?)</script>', page.html)
    data: dict[str, Any] = json.loads(text)
    return data


def test_shows_what_the_owner_wrote(content: HotelContent) -> None:
    page = inn_page()

    for shown in (
        "A <strong>quiet</strong> house.",
        "Lakeside 1, 1234 Lakeville, Switzerland",
        'href="https://maps.example/inn"',
        "From the station, turn left.",
        "<li>No shoes</li>",
        'href="tel:+41441234567"',
        'href="mailto:inn@example.org"',
        "Wi-Fi",
        "With a view.",
        "24 m²",
        "queen-size bed",
    ):
        assert shown in page.html, shown
    # What exists in another language only is shown, and marked.
    assert '<div class="prose" dir="auto" lang="de"><p>Schlüssel im Kasten.</p>' in page.html


def test_speaks_the_visitors_language(content: HotelContent) -> None:
    page = inn_page(**GERMAN)

    assert "Ein <strong>ruhiges</strong> Haus." in page.html
    assert "Lakeside 1, 1234 Lakeville, Schweiz" in page.html
    assert "quiet</strong>" not in page.html
    assert 'lang="en"><p>From the station, turn left.</p>' in page.html


def test_shows_a_hotel_without_content(inn: None) -> None:
    page = inn_page()

    assert "<h1>Inn</h1>" in page.html
    assert "How to find us" not in page.html
    assert "Double" in page.text


def test_shows_each_categorys_lowest_price(inn: None) -> None:
    put_night("inn_double", night(11), price=8_050)

    page = inn_page()

    assert "Rooms from <strong>EUR\N{NO-BREAK SPACE}70.00</strong> a night" in page.html
    assert "from <strong>EUR\N{NO-BREAK SPACE}80.50</strong> a night" in page.html
    assert "Not available in the next two months." in page.text  # the cabin


def test_offers_no_category_without_rooms(inn: None) -> None:
    Room.objects.filter(pk="inn_S").update(is_sold=False)

    assert "Single" not in inn_page().text


def test_shows_photos_with_their_texts(content: HotelContent, photos: list[str]) -> None:
    page = inn_page()

    hero, bar, bed = photos
    shown = page.html.partition("<body>")[2]
    assert shown.index(hero) < shown.index(bed) < shown.index(bar)
    for text in ("The lake", "The bar", "Bed"):
        assert f'alt="{text}"' in page.html
    # The first one is seen at once, and the others are loaded when they are needed.
    assert page.html.count('loading="lazy"') == 2


def test_says_when_guests_may_cancel(inn: None) -> None:
    for hours, sentence in (
        (0, "Free of charge until check-in begins."),
        (1, "Free of charge until one hour before check-in begins."),
        (36, "Free of charge until 36 hours before check-in begins."),
        (24, "Free of charge until one day before check-in begins."),
        (72, "Free of charge until 3 days before check-in begins."),
    ):
        Hotel.objects.filter(pk="inn").update(cancel_hours=hours)
        assert sentence in inn_page().text


def test_describes_itself_to_search_engines(content: HotelContent, photos: list[str]) -> None:
    page = inn_page()

    data = structured(page)
    assert data["@type"] == "Hotel"
    assert data["name"] == "Inn"
    assert data["description"] == "A quiet house. By the lake."
    assert data["address"] == {
        "@type": "PostalAddress",
        "streetAddress": "Lakeside 1",
        "postalCode": "1234",
        "addressLocality": "Lakeville",
        "addressCountry": "CH",
    }
    assert data["image"][0].endswith(f"/photos/{photos[0]}/960.jpg")
    double = next(room for room in data["containsPlace"] if room["name"] == "Double")
    assert double["floorSize"]["value"] == 24
    assert double["occupancy"]["maxValue"] == 2
    assert '<meta name="description" content="A quiet house. By the lake.">' in page.html
    assert f'<meta property="og:image" content="{data["image"][0]}">' in page.html


@pytest.mark.parametrize("language", [{}, GERMAN])
def test_names_beds_in_english_words_for_search_engines(
    content: HotelContent, language: dict[str, str]
) -> None:
    beds = {"bunk": 2, "queen": 1, "hammock": 1, "cot": 0}
    CategoryContent.objects.filter(category_id="inn_double").update(beds=beds)

    rooms = structured(inn_page(**language))["containsPlace"]

    assert [room["bed"] for room in rooms if "bed" in room] == [
        [
            {"@type": "BedDetails", "typeOfBed": "Queen", "numberOfBeds": 1},
            {"@type": "BedDetails", "typeOfBed": "Bunk bed", "numberOfBeds": 2},
        ]
    ]


def test_knows_a_word_for_every_kind_of_bed() -> None:
    assert structured_data._BEDS.keys() == amenities.BEDS.keys()


def test_lets_no_text_end_the_script(inn: None) -> None:
    """A name or description may hold anything."""
    name = '</script><script>alert(1)</script><!-- & " \N{LINE SEPARATOR}'
    Hotel.objects.filter(pk="inn").update(name=name)

    page = inn_page()

    assert structured(page)["name"] == name
    assert "<script>alert" not in page.html
    assert "<!--" not in page.html


@pytest.mark.parametrize("path", ["/hotels/inn", "/"])
def test_names_one_url_for_each_language(inn: None, path: str) -> None:
    base = f"http://127.0.0.1:8000{path}"
    links = re.compile(
        r'<link rel="(canonical|alternate)"(?: hreflang="([a-z-]+)")? href="([^"]+)">'
    )

    english = links.findall(open_page(Client(), path).html)
    german = links.findall(open_page(Client(), f"{path}?lang=de").html)

    others = [
        ("alternate", "en", base),
        ("alternate", "de", f"{base}?lang=de"),
        ("alternate", "x-default", base),
    ]
    assert english == [("canonical", "", base), *others]
    assert german == [("canonical", "", f"{base}?lang=de"), *others]


def test_lists_the_hotels_if_there_are_several(content: HotelContent, photos: list[str]) -> None:
    page = open_page(Client())

    assert "<h1>Find a room</h1>" in page.html
    assert 'href="/hotels/inn"' in page.html
    assert 'href="/hotels/demo"' in page.html
    assert "Lakeville" in page.text
    assert photos[0] in page.html


def test_draws_a_house_for_each_hotel_without_a_photo(
    content: HotelContent, photos: list[str]
) -> None:
    cards = open_page(Client()).html.split('<li class="hotel-card">')[1:]

    drawn = {("inn" if "/hotels/inn" in card else "other"): "<svg" in card for card in cards}
    assert drawn == {"inn": False, "other": True}
    assert not any("style=" in card for card in cards)


def test_is_the_first_page_if_it_is_the_only_hotel(inn: None, monkeypatch: Any) -> None:
    others = list(collection("hotels").find({"_id": {"$ne": "inn"}}))
    collection("hotels").delete_many({"_id": {"$ne": "inn"}})
    try:
        first, own = (open_page(Client(), path).html for path in ("/", "/hotels/inn"))
    finally:
        collection("hotels").insert_many(others)

    for page in (first, own):
        assert "<h1>Inn</h1>" in page
        assert '<link rel="canonical" href="http://127.0.0.1:8000/">' in page


@pytest.mark.parametrize("path", ["/hotels/nowhere", "/hotels/inn/secrets", "/hotels/inn/privacy"])
def test_knows_no_page_that_there_is_not(content: HotelContent, path: str) -> None:
    open_page(Client(), path, expect=404)


def test_shows_legal_texts_on_pages_of_their_own(content: HotelContent, settings: Any) -> None:
    footer = inn_page().html.partition("<footer")[2]

    assert 'href="/hotels/inn/terms"' in footer
    assert 'href="/hotels/inn/imprint"' in footer
    assert "privacy" not in footer
    assert "Pay on arrival." in open_page(Client(), "/hotels/inn/terms").text
    assert 'lang="de"><p>Inn AG</p>' in open_page(Client(), "/hotels/inn/imprint").html
    terms = open_page(Client(), "/hotels/inn/terms?lang=de").html
    assert f'rel="canonical" href="{settings.SITE_URL}/hotels/inn/terms?lang=de"' in terms
    assert f'hreflang="en" href="{settings.SITE_URL}/hotels/inn/terms"' in terms


@pytest.mark.parametrize("is_demo", [True, False])
def test_explains_how_it_works_on_a_demo_alone(inn: None, settings: Any, is_demo: bool) -> None:
    settings.DEMO = is_demo

    assert ("/how-it-works" in inn_page().html) == is_demo


def test_is_kept_for_strangers_and_not_for_others(content: HotelContent) -> None:
    known = Client()
    known.force_login(User.objects.create_user("ada"))

    for _ in range(2):
        assert not says(inn_page().text, "ada")
        assert "ada" in open_page(known, "/hotels/inn").text


def test_changes_at_once(content: HotelContent) -> None:
    assert "Lakeside 1" in inn_page().text

    content.street = "Hillside 2"
    content.save()

    assert "Hillside 2" in inn_page().text


def test_shows_no_room_as_free_that_is_taken(inn: None) -> None:
    put_night("inn_cabin", night(12), price=19_000)
    assert "190.00" in inn_page().text
    assert book("cabin", resourceId="inn_X", date=night(12)).code is None

    hotels._pages.drop()  # two seconds later
    assert "190.00" not in inn_page().text


def test_fills_in_no_mail(content: HotelContent) -> None:
    content.email = "inn?cc=b&body=c@example.org"
    content.save()

    assert 'href="mailto:inn%3Fcc%3Db%26body%3Dc@example.org"' in inn_page().html


def test_describes_some_hotels_and_names_the_others(
    content: HotelContent, photos: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each takes several round trips, and a chain may have hundreds."""
    monkeypatch.setattr(hotels, "_MOST_DESCRIBED", 1)

    page = open_page(Client())

    assert "Inn" in page.text
    assert 'href="/hotels/inn"' in page.html
    assert "Lakeville" not in page.text


def test_leads_from_the_hold_to_the_terms(content: HotelContent) -> None:
    page = hold(Client(), stays_path(hotel="inn"), category="inn_double")

    assert 'href="/hotels/inn/terms"' in page.html


def test_leads_to_the_list_from_the_folder_of_hotels() -> None:
    assert Client().get("/hotels")["Location"] == "/"
