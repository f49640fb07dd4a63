"""The API's JSON for hotels, categories and rooms.

Texts are Markdown by language, as their owner wrote them. An address of a picture never changes
what it shows.
"""

from collections.abc import Sequence
from typing import Any

from django.conf import settings

from bookings.catalogue.inventory import CategoryFacts, HotelFacts, RoomFacts
from bookings.content.photos.facts import PhotoFacts
from bookings.content.photos.files import FORMATS
from bookings.content.reading import AboutCategory, AboutHotel


def describe_hotel(hotel: HotelFacts, about: AboutHotel | None) -> dict[str, Any]:
    """The hotel as in a list."""
    about = about or AboutHotel(hotel.id)
    return {
        "id": hotel.id,
        "name": hotel.name,
        "city": about.city,
        "country": about.country,
        "timeZone": hotel.time_zone,
        "currency": hotel.currency,
        "url": f"{settings.SITE_URL}/hotels/{hotel.id}",
    }


def describe_hotel_in_full(
    hotel: HotelFacts, about: AboutHotel | None, photos: Sequence[PhotoFacts]
) -> dict[str, Any]:
    """The hotel with everything that its page says about it."""
    about = about or AboutHotel(hotel.id)
    return {
        **describe_hotel(hotel, about),
        "checkInFrom": f"{hotel.check_in_time:%H:%M}",
        "checkOutUntil": f"{hotel.check_out_time:%H:%M}",
        "cancelHours": hotel.cancel_hours,
        "street": about.street,
        "postalCode": about.postal_code,
        "mapUrl": about.map_url,
        "phone": about.phone,
        "email": about.email,
        "amenities": list(about.amenities),
        "description": dict(about.description),
        "directions": dict(about.directions),
        "houseRules": dict(about.house_rules),
        "arrival": dict(about.arrival),
        "terms": dict(about.terms),
        "privacy": dict(about.privacy),
        "imprint": dict(about.imprint),
        "photos": [_describe_photo(photo) for photo in photos],
    }


def describe_category(
    category: CategoryFacts,
    about: AboutCategory | None,
    photos: Sequence[PhotoFacts],
    *,
    rooms: int,
) -> dict[str, Any]:
    """The category; `rooms` is how many are for sale."""
    about = about or AboutCategory(category.id, category.occupancy)
    return {
        "id": category.id,
        "hotelId": category.hotel,
        "name": category.name,
        "names": dict(category.names),
        "occupancy": category.occupancy,
        "adults": about.adults,
        "children": about.children,
        "rooms": rooms,
        "sizeM2": about.size_m2,
        "beds": dict(about.beds),
        "amenities": list(about.amenities),
        "description": dict(about.description),
        "photos": [_describe_photo(photo) for photo in photos],
    }


def describe_room(room: RoomFacts, hotel_id: str) -> dict[str, Any]:
    """The room, also if it is not for sale."""
    return {
        "id": room.id,
        "name": room.name,
        "hotelId": hotel_id,
        "categoryId": room.category,
        "forSale": room.is_sold,
    }


def _describe_photo(photo: PhotoFacts) -> dict[str, Any]:
    return {
        "alt": dict(photo.alt),
        "width": photo.width,
        "height": photo.height,
        "pictures": [
            {
                "url": f"{settings.SITE_URL}{photo.url(width, extension)}",
                "width": width,
                "type": media_type,
            }
            for width in photo.widths
            for extension, media_type in FORMATS.items()
        ],
    }
