"""How long a backup and its drill take: `python -m bench.backup [BOOKINGS]`.

It starts a MongoDB of its own, set up as `make run` does, makes one real booking and writes it
again and again under other ids, nights and keys, and runs the real commands.
"""

import io
import secrets
import sys
import tempfile
import time
from datetime import date, timedelta
from typing import Any

from bson import ObjectId

from bench.own_servers import own_servers

FIRST = date(2027, 1, 1)


def main(bookings: int = 100_000) -> None:
    import django
    from django.core.management import call_command

    django.setup()
    from bookings import connections, demo, services
    from bookings.callers import Caller
    from bookings.clock import Deadline

    call_command("migrate", verbosity=0)
    demo.seed()
    guest = {"name": "Ada Lovelace", "email": "ada@example.org", "phone": "+44 20 7946 0958"}
    payload = {"categoryId": "demo_double", "date": FIRST.isoformat(), "guest": guest}
    services.create_booking(
        caller=Caller("client", "bench", may_act_for_others=True),
        key_header="bench",
        read_payload=lambda: payload,
        deadline=Deadline.after(10),
    )
    database = connections.database()
    model: dict[str, Any] = database["bookings"].find_one({}) or {}

    def another(number: int) -> dict[str, Any]:
        night, room = FIRST + timedelta(days=number % 700), f"bench_{number // 700:05}"
        digest = secrets.token_hex(32)
        return {
            **model,
            "_id": ObjectId(),
            "reference": f"BENCH-{number:08}",
            "check_in": night.isoformat(),
            "check_out": (night + timedelta(days=1)).isoformat(),
            "rooms": [{**model["rooms"][0], "room": room}],
            "slots": [f"{night}|{room}"],
            "guest": {**guest, "email": f"{secrets.token_hex(6)}@example.org"},
            "keys": [{**model["keys"][0], "digest": digest}],
            "history": [{**model["history"][0], "key": digest}],
        }

    for start in range(0, bookings, 1000):
        numbers = range(start, min(start + 1000, bookings))
        database["bookings"].insert_many(another(number) for number in numbers)
    size_bytes = database.command("collStats", "bookings")["size"]
    print(f"{bookings} bookings, {size_bytes / 1e6:.0f} MB of BSON")  # noqa: T201

    with tempfile.TemporaryDirectory(prefix="bookingsite-bench-") as folder:
        for name, arguments in (
            ("backup", ["--to", folder]),
            ("restore", [folder, "--verify"]),
        ):
            said = io.StringIO()
            started_s = time.perf_counter()
            call_command(name, *arguments, stdout=said)
            took_s = time.perf_counter() - started_s
            print(f"{took_s:6.1f} s  {size_bytes / 1e6 / took_s:5.0f} MB/s  {name}")  # noqa: T201


if __name__ == "__main__":
    with own_servers():
        main(*map(int, sys.argv[1:]))
