"""Demo data: a small hotel on sale for every date, and a larger one with three categories."""

import datetime as dt

from bookings.models import Hotel, Room, RoomCategory

DEMO_ROOMS = ("room_A", "room_B", "room_C", "room_D")

# (id, name, guests, price of a night in cents, rooms): about sixty rooms in all.
GRAND_CATEGORIES = (
    ("grand_single", "Single", 1, 8_900, 15),
    ("grand_double", "Double", 2, 12_900, 35),
    ("grand_suite", "Suite", 4, 24_900, 10),
)


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


def _category(hotel: Hotel, id: str, name: str, guests: int, price: int) -> RoomCategory:
    category, _ = RoomCategory.objects.get_or_create(
        id=id,
        defaults={"hotel": hotel, "name": name, "occupancy": guests, "default_price": price},
    )
    return category


def _room(category: RoomCategory, id: str, name: str) -> None:
    Room.objects.get_or_create(id=id, defaults={"category": category, "name": name})
