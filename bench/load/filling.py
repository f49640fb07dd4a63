"""Fills a site's database for a benchmark, and prints what the benchmark needs as JSON.

Runs inside the site's folder as a program (`python bench/load/filling.py [BOOKINGS]`), since the
site may be another version. Without a number it makes two hotels and a member of staff, and logs
that one in. With a number it copies the newest booking that often.

The first copies are the same whatever the number: what the lists and pages of the scenarios show.
All others are what these should not have to read: years of the hotel with sixty rooms, tens of
thousands of bookings of the partner `bench`, and those of its neighbours.
"""

import json
import random
import sys
from collections import deque
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from datetime import date, timedelta
from itertools import islice
from typing import Any

import django
from bson import ObjectId

HOTEL, CATEGORY, ROOMS = "sixty", "sixty_double", 60

# Where a night sells out within seconds.
HOT_HOTEL, HOT_CATEGORY, HOT_ROOMS = "hot", "hot_double", 100

# Half of the hotel's rooms are booked on each of this many nights from today.
CORE_NIGHTS = 92
CORE = CORE_NIGHTS * ROOMS // 2

# These of them are the member of staff's own, and the first has this id.
OWN = 40
OWN_ID = f"{1:024x}"

# The rest: one in so many is the benchmark's partner's, or another partner's of so many; one in so
# many was at the hotel with sixty rooms, one in so many was cancelled.
OUR_SHARE = 33
PARTNERS = 200
HOTEL_SHARE = 20
CANCELLED_SHARE = 20
GUESTS = 50_000

# Guests with a name that the desk looks for: those of the first copies, and one in so many of all.
RARE_NAME, COMMON_NAME, OTHER_NAMES = "Lovelace", "Schmidt", 5_000
COMMON_SHARE = 100

# In the hotel `demo` they are in rooms of their own, each with one booking a night.
NIGHTS = 900
FIRST_DAYS_AGO = 200

# At most so many, which take a few GB and a quarter of an hour.
MOST = 5_000_000
BATCH = 1_000
WRITERS = 2


def main() -> None:
    django.setup()
    if len(sys.argv) > 1:
        print(json.dumps({"copied": copy_newest(int(sys.argv[1]))}))  # noqa: T201
        return
    make_hotel(HOTEL, CATEGORY, ROOMS)
    make_hotel(HOT_HOTEL, HOT_CATEGORY, HOT_ROOMS)
    print(json.dumps({"session": log_in()}))  # noqa: T201


def make_hotel(hotel_id: str, category: str, rooms: int) -> None:
    """A hotel of equal rooms."""
    from bookings.models import Hotel, Room, RoomCategory

    hotel, _ = Hotel.objects.get_or_create(
        id=hotel_id, defaults={"code": hotel_id.upper(), "name": hotel_id.capitalize()}
    )
    RoomCategory.objects.get_or_create(
        id=category, defaults={"hotel": hotel, "name": "Double", "default_price": 10_000}
    )
    for number in range(1, rooms + 1):
        Room.objects.get_or_create(
            id=room_of(hotel_id, number),
            defaults={"category_id": category, "name": f"Room {number}"},
        )


def room_of(hotel_id: str, number: int) -> str:
    """The id of a room of one of these hotels, from 1."""
    return f"{hotel_id}_{number:03}"


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
    """Copies the newest booking, as often as this at least; returns how many copies there are.

    Without its indexes a collection takes copies several times as fast, and then each index is made
    from sorted keys. Nothing else may be written meanwhile.
    """
    from django.contrib.auth.models import User
    from django.db import connection

    bookings = connection.database["bookings"]  # type: ignore[attr-defined]
    pattern = bookings.find_one(sort=[("_id", -1)])
    # A booking's own news was sent long ago.
    pattern["outbox"] = []
    staff = f"user:{User.objects.get(username='bench').pk}"
    number = max(number, CORE)
    indexes = [index for index in bookings.list_indexes() if index["name"] != "_id_"]
    bookings.drop_indexes()
    with ThreadPoolExecutor(WRITERS) as pool:
        written: deque[Future[Any]] = deque()
        for batch in _batches(_copies(pattern, staff, number)):
            written.append(pool.submit(bookings.insert_many, batch, ordered=False))
            # No more than a few batches are kept in memory.
            if len(written) > WRITERS:
                written.popleft().result()
        for each in written:
            each.result()
    connection.database.command(  # type: ignore[attr-defined]
        "createIndexes", bookings.name, indexes=[dict(index) for index in indexes]
    )
    return number


def _batches(copies: Iterator[dict[str, Any]]) -> Iterator[list[dict[str, Any]]]:
    while batch := list(islice(copies, BATCH)):
        yield batch


def _copies(pattern: dict[str, Any], staff: str, number: int) -> Iterator[dict[str, Any]]:
    today, chance = date.today(), random.Random(1)  # noqa: DTZ011
    for each in range(CORE):
        night, room = divmod(each, ROOMS // 2)
        # Every second room, and the others on the next night.
        room_id = room_of(HOTEL, 2 * room + night % 2 + 1)
        copy = _copy(pattern, each, HOTEL, room_id, today + timedelta(days=night))
        copy |= {"user_id": f"guest-{each % 100}", "category": CATEGORY}
        if each % 100 == 0:
            _name(copy, RARE_NAME)
        if each < OWN:
            copy |= {"_id": ObjectId(f"{each + 1:024x}"), "owner": staff, "caller": staff}
            copy["user_id"] = staff.partition(":")[2]
        yield copy
    partners = [f"client:{ObjectId()}" for _ in range(PARTNERS)]
    first = today - timedelta(days=FIRST_DAYS_AGO)
    for each in range(CORE, number):
        stayed, other = divmod(each - CORE, HOTEL_SHARE)
        if other == 0:
            # In the past, so that what the hotel has ahead is always the same.
            past, room = divmod(stayed, ROOMS)
            hotel, room_id, night = HOTEL, room_of(HOTEL, room + 1), today - timedelta(past + 1)
        else:
            hotel, room_id = pattern["hotel"], f"filled_{each // NIGHTS:05}"
            night = first + timedelta(days=each % NIGHTS)
        copy = _copy(pattern, each, hotel, room_id, night)
        if chance.randrange(OUR_SHARE):
            copy["owner"] = copy["caller"] = chance.choice(partners)
        yield copy


def _copy(
    pattern: dict[str, Any], number: int, hotel: str, room: str, night: date
) -> dict[str, Any]:
    copy = {
        **pattern,
        "_id": ObjectId(),
        "reference": f"FILLED-{number}",
        "hotel": hotel,
        "user_id": f"guest-{number % GUESTS}",
        "keys": [{**pattern["keys"][0], "digest": f"filled-{number}"}],
        "rooms": [{**pattern["rooms"][0], "room": room}],
        "check_in": night.isoformat(),
        "check_out": (night + timedelta(days=1)).isoformat(),
        "slots": [f"{night.isoformat()}|{room}"],
        "status": "confirmed" if number % CANCELLED_SHARE else "cancelled",
    }
    is_common = number % COMMON_SHARE == 1
    _name(copy, COMMON_NAME if is_common else f"Guest{number % OTHER_NAMES}")
    return copy


def _name(copy: dict[str, Any], name: str) -> None:
    email = f"{name.lower()}.{copy['reference'].lower()}@example.org"
    copy["guest"] = {**copy["guest"], "name": name, "email": email}
    copy["search_terms"] = [name.lower()]


if __name__ == "__main__":
    main()
