"""Makes the showcase hotels. What is missing is made, and what staff changed stays."""

import hashlib
from datetime import timedelta
from pathlib import Path

from bson import ObjectId

from bookings.catalogue import inventory, nights
from bookings.catalogue.nights import NightRow
from bookings.content.photos import changes, files
from bookings.domain.booking import nights_between
from bookings.infrastructure import clock
from bookings.models import CategoryContent, Hotel, HotelContent, Room, RoomCategory
from bookings.operations.showcase.hotels import HOTELS, Both, Picture, ShowcaseHotel
from bookings.operations.showcase.season import FRIDAY, price_on
from bookings.operations.showcase.stays import first_bookings
from bookings.stays.writing.first_bookings import write_first_bookings

FOLDER = Path(__file__).parent

# As far ahead as most guests look.
PRICED_DAYS = 365

LONG_STAY_MONTHS = (7, 8)


def seed() -> None:
    """Makes both hotels with prices and bookings, and leaves their pictures to the worker."""
    for hotel in HOTELS:
        _make_hotel(hotel)
        _set_prices(hotel)
        _make_bookings(hotel)
        if files.are_on():
            _add_pictures(hotel, None, hotel.pictures)
            for category in hotel.categories:
                _add_pictures(hotel, category.id, category.pictures)


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
                "name": each.name[0],
                "names": {"de": each.name[1]},
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


def _make_bookings(hotel: ShowcaseHotel) -> None:
    """Makes the first bookings; a hotel that has any keeps them as they are."""
    facts = inventory.find_hotel(hotel.id)
    if facts is not None:
        write_first_bookings(hotel.id, first_bookings(hotel, facts, clock.now()))


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
