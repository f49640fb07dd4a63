"""Reading what owners wrote: texts by language, kept for two seconds, one round trip each."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from django.core.exceptions import ValidationError

from bookings.content import reading
from bookings.content.wording import Wording, word
from bookings.infrastructure import recent_reads
from bookings.infrastructure.connections import collection
from bookings.models import CategoryContent, Hotel, HotelContent, RoomCategory, TextsField

pytestmark = pytest.mark.mongo


@pytest.fixture
def contents(inn: None) -> Iterator[None]:
    """Removes the content of the inn at the end."""
    yield
    HotelContent.objects.filter(pk="inn").delete()
    CategoryContent.objects.filter(category__in=["inn_double", "inn_single"]).delete()


def stored(hotel_id: str = "inn") -> dict[str, Any]:
    found = collection("hotel_contents").find_one({"_id": hotel_id})
    assert found is not None
    return found


def test_chooses_the_readers_language_or_the_sites_or_any() -> None:
    both = {"de": "Haus", "en": "House"}

    assert word(both, "de") == Wording("de", "Haus")
    assert word(both, "fr") == Wording("en", "House")
    assert word({"de": "Haus"}, "en") == Wording("de", "Haus")
    assert word({"de": "Haus", "en": ""}, "en") == Wording("de", "Haus")
    # A language that the site had once is shown to no one.
    assert word({"fr": "Maison"}, "fr") is None
    assert word({}, "en") is None


def test_stores_texts_of_the_sites_languages_that_are_not_empty(contents: None) -> None:
    texts = {"de": " Haus\n", "fr": "Maison", "en": "  "}
    HotelContent.objects.create(hotel_id="inn", description=texts, city="Köln")

    assert stored()["description"] == {"de": "Haus"}
    assert stored()["terms"] == {}

    HotelContent.objects.filter(pk="inn").update(description={"de": "$city", "en": "A"})
    # In our order, and never an expression.
    assert list(stored()["description"].items()) == [("en", "A"), ("de", "$city")]
    same = HotelContent.objects.filter(description={"en": "A", "de": "$city"})
    assert same.count() == 1
    assert HotelContent.objects.filter(description={"en": "A"}).count() == 0


def test_refuses_texts_that_are_too_long_or_none() -> None:
    field = TextsField(max_length=5)

    assert field.clean({"en": "12345"}, None) == {"en": "12345"}
    for value in ({"en": "123456"}, {"en": 1}, ["en"], "en"):
        with pytest.raises(ValidationError):
            field.clean(value, None)


def test_reads_a_row_of_another_release_that_lacks_a_field(contents: None) -> None:
    collection("hotel_contents").insert_one({"_id": "inn", "city": "Köln", "of_later": 1})

    assert HotelContent.objects.get(pk="inn").terms == {}
    about = reading.find_hotel_content("inn")
    assert about == reading.AboutHotel(hotel="inn", city="Köln")


def test_says_nothing_about_a_hotel_without_content(inn: None) -> None:
    assert reading.find_hotel_content("inn") == reading.AboutHotel(hotel="inn")
    assert reading.find_hotel_content("nowhere") is None
    assert reading.list_category_contents("nowhere") == {}
    # Nothing about a hotel is kept like something: a page of it costs no further round trip.
    reading.recent_hotel_content("inn")
    reading.recent_category_contents("inn")
    assert reading._hotels.peek("inn") is not None
    assert reading._categories.peek("inn") is not None


def test_reads_everything_that_the_models_have(contents: None) -> None:
    """So a field that is added later is not forgotten."""
    for model, about in (
        (HotelContent, reading.AboutHotel),
        (CategoryContent, reading.AboutCategory),
    ):
        fields = {field.name for field in model._meta.concrete_fields}
        assert fields <= set(about.__dataclass_fields__)

    filled: dict[str, Any] = {}
    for field in HotelContent._meta.concrete_fields:
        if isinstance(field, TextsField):
            filled[field.name] = {"en": f"Our {field.name}"}
        elif field.name == "amenities":
            filled[field.name] = ["wifi"]
        elif not field.primary_key:
            filled[field.name] = field.name[: field.max_length]
    HotelContent.objects.create(hotel_id="inn", **filled)
    about = reading.find_hotel_content("inn")
    assert about is not None
    assert {name: getattr(about, name) for name in filled} == {**filled, "amenities": ("wifi",)}

    told = {"size_m2": 20, "beds": {"double": 1}, "adults": 1, "children": 1}
    told |= {"description": {"de": "Ruhig"}, "amenities": ["tv", "desk"]}
    CategoryContent.objects.create(category_id="inn_double", **told)
    found = reading.list_category_contents("inn")
    assert found.keys() == {"inn_double", "inn_single", "inn_cabin"}
    double = found["inn_double"]
    assert {name: getattr(double, name) for name in told} == {**told, "amenities": ("tv", "desk")}
    assert (double.occupancy, double.who) == (
        2,
        "Up to 2 guests: at most 1 adult, at most 1 child.",
    )
    assert found["inn_single"] == reading.AboutCategory("inn_single", 1)


def test_keeps_what_it_read_until_something_changes(contents: None) -> None:
    content = HotelContent.objects.create(hotel_id="inn", city="Köln")
    CategoryContent.objects.create(category_id="inn_double", size_m2=20)

    def cities_and_sizes() -> tuple[str, int | None]:
        about = reading.recent_hotel_content("inn")
        assert about is not None
        return about.city, reading.recent_category_contents("inn")["inn_double"].size_m2

    assert cities_and_sizes() == ("Köln", 20)
    before = recent_reads.last_change()
    assert cities_and_sizes() == ("Köln", 20)
    assert recent_reads.last_change() is before

    HotelContent.objects.filter(pk="inn").update(city="Bonn")
    assert cities_and_sizes() == ("Bonn", 20)
    CategoryContent.objects.filter(pk="inn_double").update(size_m2=30)
    assert cities_and_sizes() == ("Bonn", 30)
    content.delete()
    assert cities_and_sizes() == ("", 30)


def test_goes_with_its_hotel_and_category(database: None) -> None:
    hotel = Hotel.objects.create(id="hut", code="HUT", name="Hut")
    category = RoomCategory.objects.create(id="hut_bunk", hotel=hotel, name="Bunk")
    HotelContent.objects.create(hotel=hotel, city="Alm")
    CategoryContent.objects.create(category=category, size_m2=9)

    category.delete()
    hotel.delete()

    assert not HotelContent.objects.filter(pk="hut").exists()
    assert not CategoryContent.objects.filter(pk="hut_bunk").exists()
