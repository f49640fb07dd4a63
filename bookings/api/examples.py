"""The examples of the OpenAPI description; a test checks them against its schemas."""

from typing import Any

from drf_spectacular.utils import OpenApiExample

_PRICE: dict[str, Any] = {
    "total": 24000,
    "currency": "EUR",
    "nights": [{"date": "2027-02-15", "amount": 12000}, {"date": "2027-02-16", "amount": 12000}],
}
_ONE_NIGHT = {
    "total": 12000,
    "currency": "EUR",
    "nights": [{"date": "2027-02-15", "amount": 12000}],
}
_BOOKING = {
    "id": "65cdd1a0f1d2c3b4a5968778",
    "reference": "GRAND-7K2MQ4XP",
    "hotelId": "grand",
    "userId": "ada",
    "resourceId": "grand_101",
    "categoryId": "grand_double",
    "rooms": [{"resourceId": "grand_101", "categoryId": "grand_double", "guests": 2}],
    "date": None,
    "checkIn": "2027-02-15",
    "checkOut": "2027-02-17",
    "status": "confirmed",
    "expiresAt": None,
    "createdAt": "2027-01-10T09:30:00.000Z",
    "price": _PRICE,
}
_HOLD = {**_BOOKING, "status": "pending", "expiresAt": "2027-01-10T09:45:00.000Z"}


def _change(booking: dict[str, Any], message: str, key: str = "order-1001") -> dict[str, Any]:
    return {"success": True, "message": message, "idempotencyKey": key, "booking": booking}


WISHES = [
    OpenApiExample(
        "One particular room for one night",
        value={"userId": "ada", "resourceId": "grand_101", "date": "2027-02-15"},
        request_only=True,
    ),
    OpenApiExample(
        "Any room of a category, at the price that was shown",
        value={
            "userId": "ada",
            "categoryId": "grand_double",
            "checkIn": "2027-02-15",
            "checkOut": "2027-02-17",
            "guests": 2,
            "guest": {"name": "Ada Lovelace", "email": "ada@example.org", "phone": "+44 20 7946 1"},
            "notes": "We arrive late.",
            "quotedTotal": 24000,
        },
        request_only=True,
    ),
    OpenApiExample(
        "Several rooms, held until they are confirmed",
        value={
            "rooms": [
                {"categoryId": "grand_double", "guests": 2},
                {"categoryId": "grand_single", "guests": 1},
            ],
            "checkIn": "2027-02-15",
            "checkOut": "2027-02-17",
            "hold": True,
        },
        request_only=True,
    ),
]

SEEN = [
    OpenApiExample(
        "Nothing: the stay is still what the key was told",
        value={},
        request_only=True,
    ),
    OpenApiExample(
        "The stay that the guest saw after the hotel moved the hold",
        value={
            "checkIn": "2027-02-15",
            "checkOut": "2027-02-17",
            "quotedTotal": 24000,
            "resourceIds": ["grand_101"],
        },
        request_only=True,
    ),
]

BOOKED = _change(_BOOKING, "The room is booked.")
CONFIRMED = BOOKED
EXTENDED = _change(
    {**_HOLD, "expiresAt": "2027-01-10T09:58:00.000Z"}, "The hold is extended.", "longer-1001"
)
CANCELLED = _change({**_BOOKING, "status": "cancelled"}, "The booking is cancelled.", "cancel-1001")
MOVED_MEANWHILE = {
    **_HOLD,
    "checkIn": "2027-02-17",
    "checkOut": "2027-02-18",
    "date": "2027-02-17",
    "price": {
        "total": 15000,
        "currency": "EUR",
        "nights": [{"date": "2027-02-17", "amount": 15000}],
    },
}
READ = {
    "success": True,
    "booking": {
        **_HOLD,
        "updatedAt": "2027-01-10T09:30:00.000Z",
        "guest": {"name": "Ada Lovelace", "email": "ada@example.org", "phone": "+44 20 7946 1"},
        "notes": "We arrive late.",
    },
}
CHANGES = [
    OpenApiExample(
        "A night longer, in the same category",
        value={"checkIn": "2027-02-15", "checkOut": "2027-02-18", "quotedTotal": 39000},
        request_only=True,
    ),
    OpenApiExample(
        "The same nights in another category",
        value={
            "checkIn": "2027-02-15",
            "checkOut": "2027-02-17",
            "categoryId": "grand_suite",
            "quotedTotal": 48000,
        },
        request_only=True,
    ),
]
# The first two nights keep their price, the third one costs what it costs today.
CHANGED_PRICE = {
    "total": 39000,
    "currency": "EUR",
    "nights": [*_PRICE["nights"], {"date": "2027-02-17", "amount": 15000}],
}
CHANGED = _change(
    {**_BOOKING, "checkOut": "2027-02-18", "price": CHANGED_PRICE},
    "The stay is changed.",
    "change-1001",
)
LISTED = {"success": True, "bookings": [_BOOKING], "next": "65cdd1a0f1d2c3b4a5968778"}

STAYS = {
    "success": True,
    "hotelId": "grand",
    "checkIn": "2027-02-15",
    "checkOut": "2027-02-17",
    "guests": 2,
    "categories": [
        {
            "categoryId": "grand_double",
            "name": "Double",
            "occupancy": 2,
            "available": True,
            "roomsLeft": 3,
            "price": _PRICE,
            "reasons": [],
            "nearest": [],
        },
        {
            "categoryId": "grand_suite",
            "name": "Suite",
            "occupancy": 4,
            "available": False,
            "roomsLeft": 0,
            "price": {**_PRICE, "total": 48000},
            "reasons": [
                {
                    "code": "SOLD_OUT",
                    "message": "Sold out on 2027-02-16.",
                    "dates": ["2027-02-16"],
                }
            ],
            "nearest": [{"checkIn": "2027-02-17", "checkOut": "2027-02-19"}],
        },
    ],
}

MONTH = {
    "success": True,
    "categoryId": "grand_double",
    "month": "2027-02",
    "guests": 2,
    "days": [
        {
            "date": "2027-02-01",
            "forSale": True,
            "shortestStay": {"checkOut": "2027-02-03", "price": _PRICE},
            "roomsLeft": 3,
            "price": 12000,
            "minStay": 2,
            "closed": False,
            "closedToArrival": False,
            "closedToDeparture": True,
        }
    ],
}

FREE = {
    "success": True,
    "date": "2027-02-15",
    "resources": [
        {"resourceId": "grand_101", "name": "Room 101", "hotelId": "grand", "price": _ONE_NIGHT}
    ],
    "next": None,
}
