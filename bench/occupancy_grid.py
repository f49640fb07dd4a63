"""Measures what the desk's grid costs: `python -m bench.occupancy_grid [ROOMS] [DAYS] [ROUNDS]`.

On its own servers, books every room for every single night (the most bars there can be) and gets
the page through Django's test client. It prints the processor time of the whole request: this
process's, and MongoDB's. Then it does the same with an empty grid, in which every cell is a link.
"""

import gzip
import sys
import time
from collections.abc import Callable
from datetime import date, timedelta
from statistics import median
from typing import Any

from bench.own_servers import own_servers


def main(rooms: int = 60, days: int = 31, rounds: int = 20) -> None:
    import django
    from django.core.management import call_command

    django.setup()
    from django.contrib.auth import get_user_model
    from django.test import Client

    from bookings.infrastructure import connections

    call_command("migrate", verbosity=0)
    first = date.today() + timedelta(days=1)  # noqa: DTZ011
    make_hotel(rooms)
    book_everything(rooms, first, days)
    client = Client(SERVER_NAME="127.0.0.1")
    client.force_login(get_user_model()._default_manager.create_superuser("desk"))
    path = f"/admin/desk/occupancy/?hotel=bench&start={first}&days={days}"

    def ask() -> bytes:
        response = client.get(path)
        assert response.status_code == 200
        return response.content

    filled = measure("filled", ask, rounds)
    assert filled.count(b'class="bar booked"') >= rooms * days
    connections.collection("bookings").delete_many({})
    empty = measure("empty", ask, rounds)
    assert empty.count(b'class="free"') == rooms * days


def measure(name: str, ask: Callable[[], bytes], rounds: int) -> bytes:
    """Prints the median processor time of `ask`; returns the page."""
    page = ask()  # each process reads and compiles its templates once
    here_ms, there_ms = [], []
    for _ in range(rounds):
        before_s, before_there_s = time.process_time(), mongod_s()
        page = ask()
        here_ms.append((time.process_time() - before_s) * 1000)
        there_ms.append((mongod_s() - before_there_s) * 1000)
    print(  # noqa: T201
        f"{name:6}  {len(page) / 1000:5.0f} kB, {len(gzip.compress(page)) / 1000:.0f} kB as gzip  "
        f"processor time of the request: median "
        f"{median(here_ms):.0f} ms, most {max(here_ms):.0f} ms; of MongoDB meanwhile: median "
        f"{median(there_ms):.0f} ms"
    )
    return page


def mongod_s() -> float:
    """Processor seconds that MongoDB has used so far."""
    from bookings.infrastructure import connections

    used: dict[str, Any] = connections.database().client.admin.command("serverStatus")["extra_info"]
    return (used["user_time_us"] + used["system_time_us"]) / 1_000_000


def make_hotel(rooms: int) -> None:
    from bookings.models import Hotel, Room, RoomCategory

    hotel = Hotel.objects.create(id="bench", code="BENCH", name="Bench")
    for number in range(4):
        RoomCategory.objects.create(id=f"bench_{number}", hotel=hotel, name=f"Category {number}")
    Room.objects.bulk_create(
        Room(id=f"bench_r{number:03}", category_id=f"bench_{number % 4}", name=f"Room {number}")
        for number in range(rooms)
    )


def book_everything(rooms: int, first: date, days: int) -> None:
    """Makes one booking through the service, and a copy of it for each cell."""
    from bson import ObjectId

    from bookings.domain.booking import slot_of
    from bookings.domain.callers import Caller
    from bookings.infrastructure import connections
    from bookings.infrastructure.deadlines import Deadline
    from bookings.stays import create

    create.create_booking(
        caller=Caller("client", "bench", may_act_for_others=True),
        key_header="pattern",
        read_payload=lambda: {
            "resourceId": "bench_r000",
            "date": first.isoformat(),
            "guest": {"name": "Ada Lovelace", "email": "ada@example.org", "phone": "+44 20 1"},
        },
        deadline=Deadline.after(10),
    )
    bookings = connections.collection("bookings")
    pattern = bookings.find_one_and_delete({})
    assert pattern is not None
    documents = []
    for number in range(rooms):
        for ahead in range(days):
            night, room = first + timedelta(days=ahead), f"bench_r{number:03}"
            unique = f"{number}-{ahead}"
            documents.append(
                {
                    **pattern,
                    "_id": ObjectId(),
                    "reference": f"BENCH-{unique}",
                    "keys": [{**pattern["keys"][0], "digest": unique}],
                    "rooms": [{"room": room, "category": f"bench_{number % 4}", "guests": 1}],
                    "check_in": night.isoformat(),
                    "check_out": (night + timedelta(days=1)).isoformat(),
                    "slots": [slot_of(night, room)],
                }
            )
    bookings.insert_many(documents, ordered=False)


if __name__ == "__main__":
    with own_servers():
        main(*map(int, sys.argv[1:]))
