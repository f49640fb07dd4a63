"""The OpenAPI description of reading hotels, categories and rooms."""

from typing import Any

from django.conf import settings
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework import serializers

from bookings import refusals
from bookings.api.schema import HEADERS, HOTEL_UNLESS_GIVEN, ID, answers_of, invalid
from bookings.content import amenities
from bookings.content.photos.files import FORMATS

LANGUAGES = [code for code, _ in settings.LANGUAGES]


def _texts(help_text: str) -> serializers.DictField:
    return serializers.DictField(
        child=serializers.CharField(),
        help_text=f"{help_text} Markdown by language ({', '.join(LANGUAGES)}); languages without a "
        "text are missing.",
    )


class PictureSerializer(serializers.Serializer):
    url = serializers.URLField(
        help_text="What it shows never changes; keep it as long as you like."
    )
    width = serializers.IntegerField(help_text="Pixels.")
    type = serializers.ChoiceField(choices=list(FORMATS.values()))


class PhotoSerializer(serializers.Serializer):
    alt = serializers.DictField(
        child=serializers.CharField(), help_text="What it shows, by language."
    )
    width = serializers.IntegerField(help_text="Pixels of the original.")
    height = serializers.IntegerField()
    pictures = PictureSerializer(many=True)


class HotelSerializer(serializers.Serializer):
    id = serializers.CharField()
    name = serializers.CharField()
    city = serializers.CharField(allow_blank=True)
    country = serializers.CharField(allow_blank=True, help_text="ISO 3166-1.")
    timeZone = serializers.CharField(help_text="IANA's name, such as Europe/Berlin.")
    currency = serializers.CharField(help_text="ISO 4217.")
    url = serializers.URLField(help_text="The hotel's page for guests.")


class HotelInFullSerializer(HotelSerializer):
    checkInFrom = serializers.RegexField(r"^\d\d:\d\d$", help_text="By the hotel's clock.")
    checkOutUntil = serializers.RegexField(r"^\d\d:\d\d$", help_text="By the hotel's clock.")
    cancelHours = serializers.IntegerField(
        help_text="Guests may cancel until so many hours before `checkInFrom` of their first day."
    )
    street = serializers.CharField(allow_blank=True)
    postalCode = serializers.CharField(allow_blank=True)
    mapUrl = serializers.CharField(allow_blank=True)
    phone = serializers.CharField(allow_blank=True)
    email = serializers.CharField(allow_blank=True)
    amenities = serializers.ListField(
        child=serializers.CharField(),
        help_text=f"Known today: {', '.join(amenities.OF_HOTELS)}. More may come.",
    )
    description = _texts("What the hotel is like.")
    directions = _texts("How to get there.")
    houseRules = _texts("What guests should know.")
    arrival = _texts("What to know about arriving.")
    terms = _texts("The terms of business.")
    privacy = _texts("The privacy notice.")
    imprint = _texts("Who is responsible.")
    photos = PhotoSerializer(many=True)


class CategorySerializer(serializers.Serializer):
    id = serializers.CharField()
    hotelId = serializers.CharField()
    name = serializers.CharField()
    names = serializers.DictField(
        child=serializers.CharField(), help_text="Names in other languages, by language."
    )
    occupancy = serializers.IntegerField(help_text="The most guests in a room.")
    adults = serializers.IntegerField(
        allow_null=True, help_text="The most adults; null if not said."
    )
    children = serializers.IntegerField(
        allow_null=True, help_text="The most children; null if not said."
    )
    rooms = serializers.IntegerField(help_text="How many are for sale.")
    sizeM2 = serializers.IntegerField(allow_null=True)
    beds = serializers.DictField(
        child=serializers.IntegerField(),
        help_text=f"Numbers by kind. Known today: {', '.join(amenities.BEDS)}. More may come.",
    )
    amenities = serializers.ListField(
        child=serializers.CharField(),
        help_text=f"Known today: {', '.join(amenities.OF_ROOMS)}. More may come.",
    )
    description = _texts("What the rooms are like.")
    photos = PhotoSerializer(many=True)


class RoomSerializer(serializers.Serializer):
    id = serializers.CharField(help_text="`resourceId` of a booking.")
    name = serializers.CharField()
    hotelId = serializers.CharField()
    categoryId = serializers.CharField()
    forSale = serializers.BooleanField()


class HotelsSerializer(serializers.Serializer):
    success = serializers.BooleanField()
    hotels = HotelSerializer(many=True)
    next = serializers.CharField(allow_null=True)


class OneHotelSerializer(serializers.Serializer):
    success = serializers.BooleanField()
    hotel = HotelInFullSerializer()


class CategoriesSerializer(serializers.Serializer):
    success = serializers.BooleanField()
    hotelId = serializers.CharField()
    categories = CategorySerializer(many=True)


class RoomsSerializer(serializers.Serializer):
    success = serializers.BooleanField()
    hotelId = serializers.CharField()
    rooms = RoomSerializer(many=True)
    next = serializers.CharField(allow_null=True)


_HOTEL: dict[str, Any] = {
    "id": "grand",
    "name": "Grand Hotel",
    "city": "Lübeck",
    "country": "DE",
    "timeZone": "Europe/Berlin",
    "currency": "EUR",
    "url": "https://bookings.example/hotels/grand",
}
_PHOTO = {
    "alt": {"en": "A double room with a view of the river."},
    "width": 2400,
    "height": 1600,
    "pictures": [
        {
            "url": "https://bookings.example/photos/65cdd1a0f1d2c3b4a5968778-0123456789abcdef/480.webp",
            "width": 480,
            "type": "image/webp",
        }
    ],
}
_PAGE = [
    OpenApiParameter("cursor", ID, description="`next` of the previous page."),
    OpenApiParameter(
        "limit",
        {"type": "integer", "minimum": 1, "maximum": 100, "default": 20},
        description="The most on a page.",
    ),
    *HEADERS,
]
_OF_HOTEL = OpenApiParameter("hotelId", ID, description=HOTEL_UNLESS_GIVEN)
_WRONG_LIMIT = invalid("limit", "This must be a number from 1 to 100.")
_NO_HOTEL = invalid("hotelId", "There is no such hotel.")

hotels_schema = extend_schema(
    operation_id="list_hotels",
    summary="List the hotels",
    description="Every hotel of the site, ordered by id. `next` is the `cursor` of the next page, "
    "and null on the last one.",
    parameters=_PAGE,
    responses=answers_of(
        200,
        HotelsSerializer,
        {"success": True, "hotels": [_HOTEL], "next": None},
        _WRONG_LIMIT,
    ),
)
hotel_schema = extend_schema(
    operation_id="get_hotel",
    summary="Read a hotel: address, texts, photos",
    description="The hotel with all that its owner says about it, in each language. Texts are "
    "CommonMark without HTML. What the owner has not written is empty.",
    parameters=[
        OpenApiParameter(
            "hotel_id", OpenApiTypes.STR, OpenApiParameter.PATH, description="`id` of the hotel."
        ),
        *HEADERS,
    ],
    responses=answers_of(
        200,
        OneHotelSerializer,
        {
            "success": True,
            "hotel": {
                **_HOTEL,
                "checkInFrom": "15:00",
                "checkOutUntil": "11:00",
                "cancelHours": 48,
                "street": "Markt 9",
                "postalCode": "23552",
                "mapUrl": "https://www.openstreetmap.org/?mlat=53.8667&mlon=10.6850",
                "phone": "+49 451 000000",
                "email": "hello@grand.example",
                "amenities": ["wifi", "breakfast"],
                "description": {"en": "A **quiet** house.", "de": "Ein **stilles** Haus."},
                "directions": {},
                "houseRules": {"en": "- No smoking"},
                "arrival": {},
                "terms": {},
                "privacy": {},
                "imprint": {},
                "photos": [_PHOTO],
            },
        },
        refusals.NotFound("There is no such hotel."),
    ),
)
categories_schema = extend_schema(
    operation_id="list_categories",
    summary="List the room categories of a hotel",
    description="The hotel's categories by name, with beds, size, amenities, texts and photos. "
    "Prices are in `/api/availability` and `/api/calendar`.",
    parameters=[_OF_HOTEL, *HEADERS],
    responses=answers_of(
        200,
        CategoriesSerializer,
        {
            "success": True,
            "hotelId": "grand",
            "categories": [
                {
                    "id": "grand_double",
                    "hotelId": "grand",
                    "name": "Double room",
                    "names": {"de": "Doppelzimmer"},
                    "occupancy": 2,
                    "adults": 2,
                    "children": 1,
                    "rooms": 40,
                    "sizeM2": 21,
                    "beds": {"double": 1},
                    "amenities": ["shower", "desk"],
                    "description": {"en": "A view of the river."},
                    "photos": [_PHOTO],
                }
            ],
        },
        _NO_HOTEL,
    ),
)
rooms_schema = extend_schema(
    operation_id="list_rooms",
    summary="List the rooms of a hotel",
    description="Every room of the hotel with its name, ordered by id. `next` is the `cursor` of "
    "the next page, and null on the last one. `/api/resources/available` says which are free.",
    parameters=[_OF_HOTEL, *_PAGE],
    responses=answers_of(
        200,
        RoomsSerializer,
        {
            "success": True,
            "hotelId": "grand",
            "rooms": [
                {
                    "id": "grand_101",
                    "name": "Room 101",
                    "hotelId": "grand",
                    "categoryId": "grand_double",
                    "forSale": True,
                }
            ],
            "next": None,
        },
        _NO_HOTEL,
    ),
)
