"""Demo data: a small hotel on sale for every date, and a larger one with three categories."""

import datetime as dt
from typing import Any

from bookings.models import CategoryContent, Hotel, HotelContent, Room, RoomCategory

DEMO_ROOMS = ("room_A", "room_B", "room_C", "room_D")

# (id, name, guests, price of a night in cents, rooms): about sixty rooms in all.
GRAND_CATEGORIES = (
    ("grand_single", "Single", 1, 8_900, 15),
    ("grand_double", "Double", 2, 12_900, 35),
    ("grand_suite", "Suite", 4, 24_900, 10),
)

HOTEL_CONTENT: dict[str, dict[str, Any]] = {
    "demo": {
        "description": {
            "en": "A small house between the park and the river. Breakfast is served until noon, "
            "and **all four rooms** look onto the garden.",
            "de": "Ein kleines Haus zwischen Park und Fluss. Frühstück gibt es bis zum Mittag, und "
            "**alle vier Zimmer** liegen zum Garten.",
        },
        "amenities": ["wifi", "breakfast", "luggage", "garden", "bicycles", "no_smoking"],
        "street": "Musterstraße 12",
        "postal_code": "10115",
        "city": "Berlin",
        "country": "DE",
        "map_url": "https://www.openstreetmap.org/?mlat=52.5323&mlon=13.3846#map=17",
        "directions": {
            "en": "From the main station it is a walk of ten minutes along the water.",
            "de": "Vom Hauptbahnhof sind es zehn Minuten zu Fuß am Wasser entlang.",
        },
        "phone": "+49 30 1234567",
        "email": "hello@demo.example",
        "house_rules": {
            "en": "- Please be quiet from 22:00 to 7:00.\n- Smoke in the garden only.",
            "de": "- Bitte seien Sie von 22 bis 7 Uhr leise.\n- Rauchen Sie nur im Garten.",
        },
        "arrival": {
            "en": "After 20:00 the key is in the box beside the door. We send you its code.",
            "de": "Nach 20 Uhr liegt der Schlüssel im Kasten neben der Tür. Den Code senden wir "
            "Ihnen.",
        },
        "terms": {
            "en": "This hotel exists in this demo only, so nothing is sold here.\n\n"
            "# Payment\nGuests would pay on arrival.",
            "de": "Dieses Hotel gibt es nur in dieser Demo, hier wird also nichts verkauft.\n\n"
            "# Bezahlung\nGäste würden bei der Anreise bezahlen.",
        },
        "imprint": {
            "en": "Demo Hotel, Musterstraße 12, 10115 Berlin",
            "de": "Demo Hotel, Musterstraße 12, 10115 Berlin",
        },
    },
    "grand": {
        "description": {
            "en": "Sixty rooms above the avenue, with a restaurant, a pool and a bar on the roof.",
            "de": "Sechzig Zimmer über der Allee, mit Restaurant, Pool und einer Bar auf dem Dach.",
        },
        "amenities": [
            *("wifi", "parking", "breakfast", "restaurant", "bar", "reception_24h", "luggage"),
            *("lift", "step_free", "terrace", "pool", "gym"),
        ],
        "street": "100 Example Avenue",
        "postal_code": "NY 10001",
        "city": "New York",
        "country": "US",
        "phone": "+1 212-555-0100",
        "email": "desk@grand.example",
    },
}
CATEGORY_CONTENT: dict[str, dict[str, Any]] = {
    "demo_double": {
        "description": {
            "en": "A quiet room with a view of the garden.",
            "de": "Ein ruhiges Zimmer mit Blick in den Garten.",
        },
        "size_m2": 20,
        "beds": {"double": 1},
        "amenities": ["bathroom", "shower", "hair_dryer", "view", "heating", "desk", "kettle"],
    },
    "grand_single": {
        "description": {
            "en": "A room for one, with a wide bed and a large desk.",
            "de": "Ein Zimmer für eine Person, mit breitem Bett und großem Schreibtisch.",
        },
        "size_m2": 16,
        "beds": {"queen": 1},
        "amenities": ["bathroom", "shower", "air_conditioning", "desk", "tv", "safe"],
    },
    "grand_double": {
        "description": {
            "en": "A room with two windows on the avenue.",
            "de": "Ein Zimmer mit zwei Fenstern zur Allee.",
        },
        "size_m2": 26,
        "beds": {"king": 1},
        "amenities": ["bathroom", "bath", "air_conditioning", "desk", "tv", "safe", "fridge"],
    },
    "grand_suite": {
        "description": {
            "en": "Two rooms under the roof, with a balcony.",
            "de": "Zwei Räume unter dem Dach, mit Balkon.",
        },
        "size_m2": 52,
        "beds": {"king": 1, "sofa": 1},
        "amenities": [
            *("bathroom", "shower", "bath", "balcony", "view", "air_conditioning", "tv", "safe"),
            *("kitchenette", "fridge", "kettle", "coffee", "soundproof"),
        ],
        "adults": 3,
        "children": 2,
    },
}


def seed(*, bench_rooms: int = 0) -> None:
    """Makes what is missing and leaves the rest alone, so it is safe to repeat."""
    demo, _ = Hotel.objects.get_or_create(
        id="demo",
        defaults={
            "code": "DEMO",
            "name": "Demo Hotel",
            "time_zone": "Europe/Berlin",
            "currency": "EUR",
            "check_in_time": dt.time(15),
            "check_out_time": dt.time(11),
        },
    )
    category = _category(demo, "demo_double", "Double", 2, 12_000)
    for room_id in DEMO_ROOMS:
        _room(category, room_id, room_id.replace("_", " ").title())
    for number in range(1, bench_rooms + 1):
        _room(category, f"bench_{number:05}", f"Bench {number:05}")

    grand, _ = Hotel.objects.get_or_create(
        id="grand",
        defaults={
            "code": "GRAND",
            "name": "Grand Hotel",
            "time_zone": "America/New_York",
            "currency": "USD",
            "check_in_time": dt.time(16),
            "check_out_time": dt.time(11),
            "cancel_hours": 24,
        },
    )
    floor = 1
    for category_id, name, guests, price, rooms in GRAND_CATEGORIES:
        category = _category(grand, category_id, name, guests, price)
        for number in range(1, rooms + 1):
            door = f"{floor}{number:02}"
            _room(category, f"grand_{door}", f"{name} {door}")
        floor += 1

    for hotel_id, content in HOTEL_CONTENT.items():
        HotelContent.objects.get_or_create(hotel_id=hotel_id, defaults=content)
    for category_id, content in CATEGORY_CONTENT.items():
        CategoryContent.objects.get_or_create(category_id=category_id, defaults=content)


def _category(hotel: Hotel, id: str, name: str, guests: int, price: int) -> RoomCategory:
    category, _ = RoomCategory.objects.get_or_create(
        id=id,
        defaults={"hotel": hotel, "name": name, "occupancy": guests, "default_price": price},
    )
    return category


def _room(category: RoomCategory, id: str, name: str) -> None:
    Room.objects.get_or_create(id=id, defaults={"category": category, "name": name})
