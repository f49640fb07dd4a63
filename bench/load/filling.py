"""Fills a site's database for a benchmark, and prints what the benchmark needs as JSON.

Runs inside the site's folder as a program (`python bench/load/filling.py [BOOKINGS]`), since the
site may be another version. Without a number it makes a hotel of sixty rooms and a member of staff,
and logs that one in. With a number it copies the newest booking that often: the partner `bench` and
each of its hundreds of neighbours gets bookings of its own, over years past and to come.
"""

import json
import random
import sys
from datetime import date, timedelta
from typing import Any

import django

HOTEL, CATEGORY, ROOMS = "sixty", "sixty_double", 60

# The benchmark's partner has this share of the copies: 20,000 of a million.
OUR_SHARE = 0.02
PARTNERS = 200
BATCH = 2_000

# Copies are in rooms of their own, each with one booking a night.
NIGHTS = 900
FIRST_DAYS_AGO = 200


def main() -> None:
    django.setup()
    if len(sys.argv) > 1:
        print(json.dumps({"copied": copy_newest(int(sys.argv[1]))}))  # noqa: T201
        return
    make_hotel()
    print(json.dumps({"session": log_in()}))  # noqa: T201


def make_hotel() -> None:
    """A hotel of sixty equal rooms."""
    from bookings.models import Hotel, Room, RoomCategory

    hotel, _ = Hotel.objects.get_or_create(
        id=HOTEL, defaults={"code": "SIXTY", "name": "Sixty Rooms"}
    )
    RoomCategory.objects.get_or_create(
        id=CATEGORY, defaults={"hotel": hotel, "name": "Double", "default_price": 10_000}
    )
    for number in range(1, ROOMS + 1):
        Room.objects.get_or_create(
            id=f"sixty_{number:03}",
            defaults={"category_id": CATEGORY, "name": f"Room {number}"},
        )


def log_in() -> str:
    """The session key of a member of staff who may do everything. No password exists."""
    from django.contrib.auth import login
    from django.contrib.auth.models import User
    from django.contrib.sessions.backends.db import SessionStore
    from django.http import HttpRequest

    user, _ = User.objects.get_or_create(
        username="bench", defaults={"is_staff": True, "is_superuser": True}
    )
    request = HttpRequest()
    request.session = SessionStore()
    login(request, user, backend="django.contrib.auth.backends.ModelBackend")
    request.session.save()
    return str(request.session.session_key)


def copy_newest(number: int) -> int:
    """Copies the newest booking; returns how many copies there are."""
    from bson import ObjectId
    from django.db import connection

    bookings = connection.database["bookings"]  # type: ignore[attr-defined]
    pattern = bookings.find_one(sort=[("_id", -1)])
    chance = random.Random(1)
    partners = [f"client:{ObjectId()}" for _ in range(PARTNERS)]
    first = date.today() - timedelta(days=FIRST_DAYS_AGO)  # noqa: DTZ011
    for begin in range(0, number, BATCH):
        bookings.insert_many(
            [
                _copy(pattern, each, first, partners, chance)
                for each in range(begin, min(begin + BATCH, number))
            ],
            ordered=False,
        )
    return number


def _copy(
    pattern: dict[str, Any], number: int, first: date, partners: list[str], chance: random.Random
) -> dict[str, Any]:
    from bson import ObjectId

    room, night = f"filled_{number // NIGHTS:05}", first + timedelta(days=number % NIGHTS)
    owner = pattern["owner"] if chance.random() < OUR_SHARE else chance.choice(partners)
    return {
        **pattern,
        "_id": ObjectId(),
        "reference": f"FILLED-{number}",
        "caller": owner,
        "owner": owner,
        "user_id": f"guest-{number % 5000}",
        "keys": [{**pattern["keys"][0], "digest": f"filled-{number}"}],
        "rooms": [{**pattern["rooms"][0], "room": room}],
        "check_in": night.isoformat(),
        "check_out": (night + timedelta(days=1)).isoformat(),
        "slots": [f"{night.isoformat()}|{room}"],
    }


if __name__ == "__main__":
    main()
