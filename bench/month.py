"""Measures what a category's month costs: `python -m bench.month [ROOMS] [ROUNDS]`.

On its own servers, makes a category with that many rooms. Then it reads a month, gets the month's
page through Django's test client, and searches for a stay that cannot be booked. It prints how long
each took, and the processor time of this process and of MongoDB. The first pass has all rooms free
and a minimum stay of 60 nights, which makes the most nights to look at. In the second, stays of one
to five nights take nine nights of ten, and most days have restrictions.
"""

import random
import sys
import time
from collections.abc import Callable
from datetime import date, timedelta
from statistics import median

from bench.occupancy_grid import mongod_s
from bench.own_servers import own_servers

CATEGORY = "bench_double"
# A month, all nights that a stay from its last day may reach, and the days around a search.
DAYS = 190
LONG_STAY = 60


def main(rooms: int = 60, rounds: int = 30) -> None:
    import django
    from django.core.management import call_command

    django.setup()
    from django.test import Client

    from bookings.availability import search
    from bookings.infrastructure import connections

    call_command("migrate", verbosity=0)
    today = date.today()  # noqa: DTZ011
    first = (today.replace(day=1) + timedelta(days=62)).replace(day=1)
    make_hotel(rooms)
    chance = random.Random(1)
    # Starts some weeks before the month, since a search looks there as well.
    begin = first - timedelta(days=28)
    client = Client(SERVER_NAME="127.0.0.1")

    def read() -> None:
        search.read_month(category_id=CATEGORY, year=first.year, month=first.month)

    def show() -> None:
        page = client.get(f"/calendar/{CATEGORY}?month={first:%Y-%m}")
        assert page.status_code == 200

    def search_in_vain() -> None:
        (stay,) = search.find_stays(
            hotel_id="bench",
            check_in=first + timedelta(days=5),
            check_out=first + timedelta(days=25),
        )
        assert stay.obstacles

    asks = (("month", read), ("page", show), ("search in vain", search_in_vain))
    restrict(begin, chance)
    nights = connections.collection("nights")
    nights.update_many({}, {"$set": {"min_stay": LONG_STAY, "closed": False}})
    print(f"{rooms} rooms, all free, {LONG_STAY} nights at least")  # noqa: T201
    for name, ask in asks:
        measure(name, ask, rounds)
    nights.delete_many({})
    restrict(begin, chance)
    taken = book_most(rooms, begin, chance)
    print(f"{rooms} rooms, {taken} of {rooms * DAYS} nights taken")  # noqa: T201
    for name, ask in asks:
        measure(name, ask, rounds)


def measure(name: str, ask: Callable[[], None], rounds: int) -> None:
    """Prints the median time of `ask`, and its processor time here and in MongoDB."""
    ask()  # each process reads and compiles its templates once
    took_ms, here_ms, there_ms = [], [], []
    for _ in range(rounds):
        before, before_s, before_there_s = time.perf_counter(), time.process_time(), mongod_s()
        ask()
        here_ms.append((time.process_time() - before_s) * 1000)
        took_ms.append((time.perf_counter() - before) * 1000)
        there_ms.append((mongod_s() - before_there_s) * 1000)
    print(  # noqa: T201
        f"  {name:14}  median {median(took_ms):5.1f} ms; processor time here "
        f"{median(here_ms):5.1f} ms, most {max(here_ms):5.1f} ms; of MongoDB "
        f"{median(there_ms):5.1f} ms"
    )


def make_hotel(rooms: int) -> None:
    from bookings.models import Hotel, Room, RoomCategory

    hotel = Hotel.objects.create(id="bench", code="BENCH", name="Bench")
    RoomCategory.objects.create(id=CATEGORY, hotel=hotel, name="Double", default_price=10_000)
    Room.objects.bulk_create(
        Room(id=f"bench_r{number:03}", category_id=CATEGORY, name=f"Room {number}")
        for number in range(rooms)
    )


def book_most(rooms: int, first: date, chance: random.Random) -> int:
    """Books nine nights of ten in every room, by copies of one real booking. Returns how many."""
    from bson import ObjectId

    from bookings.domain.booking import nights_between, slot_of
    from bookings.domain.callers import Caller
    from bookings.infrastructure import connections
    from bookings.infrastructure.deadlines import Deadline
    from bookings.stays import create

    create.create_booking(
        caller=Caller("client", "bench", may_act_for_others=True),
        key_header="pattern",
        read_payload=lambda: {"resourceId": "bench_r000", "date": first.isoformat()},
        deadline=Deadline.after(10),
    )
    bookings = connections.collection("bookings")
    pattern = bookings.find_one_and_delete({})
    assert pattern is not None
    documents = []
    taken = 0
    for number in range(rooms):
        room, day = f"bench_r{number:03}", first
        while day < first + timedelta(days=DAYS):
            end = day + timedelta(days=chance.randint(1, 5))
            unique = f"{number}-{day}"
            documents.append(
                {
                    **pattern,
                    "_id": ObjectId(),
                    "reference": f"BENCH-{unique}",
                    "keys": [{**pattern["keys"][0], "digest": unique}],
                    "rooms": [{"room": room, "category": CATEGORY, "guests": 1}],
                    "check_in": day.isoformat(),
                    "check_out": end.isoformat(),
                    "slots": [slot_of(night, room) for night in nights_between(day, end)],
                }
            )
            taken += (end - day).days
            day = end + timedelta(days=1 if chance.random() < 0.33 else 0)
    bookings.insert_many(documents, ordered=False)
    return taken


def restrict(first: date, chance: random.Random) -> None:
    """Gives every day its own price, and most days a restriction."""
    from bookings.infrastructure import connections

    days = [first + timedelta(days=ahead) for ahead in range(DAYS)]
    connections.collection("nights").insert_many(
        {
            "_id": f"{CATEGORY}|{day}",
            "category_id": CATEGORY,
            "date": day.isoformat(),
            "price": chance.randint(8_000, 20_000),
            "closed": chance.random() < 0.05,
            "min_stay": chance.randint(1, 4),
            "closed_to_arrival": chance.random() < 0.2,
            "closed_to_departure": chance.random() < 0.4,
        }
        for day in days
    )


if __name__ == "__main__":
    with own_servers():
        main(*map(int, sys.argv[1:]))
