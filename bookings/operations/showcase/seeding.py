"""Makes the showcase hotels. What is missing is made, and what staff changed stays."""

import hashlib
from datetime import date, timedelta
from pathlib import Path

from bson import ObjectId

from bookings.catalogue import nights
from bookings.catalogue.nights import NightRow
from bookings.content.photos import changes, files
from bookings.domain.booking import nights_between
from bookings.infrastructure import clock
from bookings.models import CategoryContent, Hotel, HotelContent, Room, RoomCategory
from bookings.operations.showcase.hotels import HOTELS, Both, Picture, ShowcaseHotel

FOLDER = Path(__file__).parent

# As far ahead as most guests look.
PRICED_DAYS = 365

# The share of the spring's price by month, from January on, in hundredths.
SEASON = (80, 80, 90, 100, 110, 130, 145, 145, 120, 100, 85, 95)
WEEKEND = 115  # Friday and Saturday nights
HOLIDAYS = 150  # from 24 December to 1 January
FRIDAY, SATURDAY = 4, 5
LONG_STAY_MONTHS = (7, 8)

# Prices end in 0 or 5 in the currency.
ROUND_TO = 500


def seed() -> None:
    """Makes both hotels with a year of prices, and leaves their pictures to the worker."""
    for hotel in HOTELS:
        _make_hotel(hotel)
        _set_prices(hotel)
        if files.are_on():
            _add_pictures(hotel, None, hotel.pictures)
            for category in hotel.categories:
                _add_pictures(hotel, category.id, category.pictures)


def price_on(day: date, price: int) -> int:
    """The price of a night for a category that costs `price` in spring, both in minor units."""
    share = SEASON[day.month - 1]
    if (day.month, day.day) >= (12, 24) or (day.month, day.day) == (1, 1):
        share = HOLIDAYS
    if day.weekday() in (FRIDAY, SATURDAY):
        share = share * WEEKEND // 100
    return round(price * share / 100 / ROUND_TO) * ROUND_TO


def _make_hotel(hotel: ShowcaseHotel) -> None:
    made, _ = Hotel.objects.get_or_create(
        id=hotel.id, defaults={"code": hotel.code, "name": hotel.name, **hotel.settings}
    )
    texts = {name: _by_language(text) for name, text in hotel.texts.items()}
    HotelContent.objects.get_or_create(hotel=made, defaults={**texts, **hotel.content})
    for each in hotel.categories:
        category, _ = RoomCategory.objects.get_or_create(
            id=each.id,
            defaults={
                "hotel": made,
                "name": each.name,
                "occupancy": each.occupancy,
                "default_price": each.price,
            },
        )
        described = {"description": _by_language(each.description), **each.content}
        CategoryContent.objects.get_or_create(category=category, defaults=described)
        for number in each.rooms:
            Room.objects.get_or_create(
                id=f"{hotel.id}-{number}", defaults={"category": category, "name": f"Room {number}"}
            )


def _set_prices(hotel: ShowcaseHotel) -> None:
    """Prices the days that have no price yet."""
    today = clock.today(hotel.settings["time_zone"])
    rows = [
        NightRow(
            category=category.id,
            day=day.isoformat(),
            values={
                "price": price_on(day, category.price),
                "min_stay": 2 if day.month in LONG_STAY_MONTHS and day.weekday() == FRIDAY else 1,
            },
            base_price=category.price,
            # A day that exists is refused, and stays as it is.
            seen={},
        )
        for category in hotel.categories
        for day in nights_between(today, today + timedelta(days=PRICED_DAYS))
    ]
    nights.set_nights(rows)


def _add_pictures(
    hotel: ShowcaseHotel, category_id: str | None, pictures: tuple[Picture, ...]
) -> None:
    """Adds the pictures where there are no photos."""
    if changes.list_photos(hotel.id, category_id):
        return
    for picture in pictures:
        path = FOLDER / hotel.id / f"{picture.name}.jpg"
        photo_id = ObjectId(hashlib.sha256(f"{hotel.id}/{picture.name}".encode()).digest()[:12])
        changes.add_photo(
            photo_id=photo_id,
            hotel_id=hotel.id,
            category_id=category_id,
            content=path.read_bytes(),
        )
        changes.describe_photo(hotel.id, category_id, photo_id, _by_language(picture.alt))


def _by_language(text: Both) -> dict[str, str]:
    english, german = text
    return {"en": english, "de": german}
