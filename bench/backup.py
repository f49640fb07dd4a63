"""Measures the size of a backup, and times it and its drill: `python -m bench.backup [BOOKINGS]`.

Starts its own MongoDB, set up as in `make run`. It makes one real booking, writes copies of it
under other ids, nights, guests and keys, and runs the real commands. Guests' names and numbers are
random, so that they compress no better than real ones. Speeds are per second of one core, which the
command and MongoDB share, whatever else the machine does. The sizes and times in
tests/manifests/sizes.py are based on its output.
"""

import io
import secrets
import sys
import tempfile
import time
from dataclasses import asdict
from datetime import date, timedelta
from pathlib import Path
from typing import Any

from bson import ObjectId

from bench.own_servers import own_servers

FIRST = date(2027, 1, 1)

# The doctor's checks that read every booking. The first one's line includes all checks before it.
RECOUNTS = ("nights sold once", "keys used once", "documents", "search terms")


def main(bookings: int = 100_000) -> None:
    import django
    from django.core.management import call_command

    django.setup()
    from bookings.domain.callers import Caller
    from bookings.domain.search_terms import terms_of
    from bookings.domain.stay_request import Guest
    from bookings.infrastructure import connections
    from bookings.infrastructure.deadlines import Deadline
    from bookings.operations import demo_data, doctor
    from bookings.stays import create

    call_command("migrate", verbosity=0)
    demo_data.seed()
    ada = {"name": "Ada Lovelace", "email": "ada@example.org", "phone": "+44 20 7946 0958"}
    payload = {"categoryId": "demo_double", "date": FIRST.isoformat(), "guest": ada}
    create.create_booking(
        caller=Caller("client", "bench", may_act_for_others=True),
        key_header="bench",
        read_payload=lambda: payload,
        deadline=Deadline.after(10),
    )
    database = connections.database()
    model: dict[str, Any] = database["bookings"].find_one({}) or {}

    def another(number: int) -> dict[str, Any]:
        night, room = FIRST + timedelta(days=number % 700), f"bench_{number // 700:05}"
        made_at = model["created_at"] - timedelta(milliseconds=secrets.randbelow(3 * 10**10))
        identity, reference, digest = ObjectId(), f"BENCH-{number:08}", secrets.token_hex(32)
        guest = Guest(
            name=f"{secrets.token_hex(3)} {secrets.token_hex(4)}",
            email=f"{secrets.token_hex(6)}@example.org",
            phone=f"+4420{secrets.randbelow(10**8):08}",
        )
        answer = model["keys"][0]["body"]
        for old, new in (
            (model["_id"], identity),
            (model["reference"], reference),
            (FIRST, night),
            (model["rooms"][0]["room"], room),
        ):
            answer = answer.replace(str(old).encode(), str(new).encode())
        return {
            **model,
            "_id": identity,
            "reference": reference,
            "check_in": night.isoformat(),
            "check_out": (night + timedelta(days=1)).isoformat(),
            "rooms": [{**model["rooms"][0], "room": room}],
            "slots": [f"{night}|{room}"],
            "price": {
                **model["price"],
                "nights": [{**model["price"]["nights"][0], "date": night.isoformat()}],
            },
            "guest": {**model["guest"], **asdict(guest)},
            "search_terms": terms_of(guest, country=model["country"]),
            "notes": secrets.token_urlsafe(30),
            "created_at": made_at,
            "updated_at": made_at,
            "keys": [
                {
                    **model["keys"][0],
                    "digest": digest,
                    "fingerprint": secrets.token_hex(32),
                    "body": answer,
                }
            ],
            "history": [{**model["history"][0], "at": made_at, "key": digest}],
            "outbox": [],
        }

    for start in range(0, bookings, 1000):
        numbers = range(start, min(start + 1000, bookings))
        database["bookings"].insert_many(another(number) for number in numbers)
    size_bytes = database.command("dbStats")["dataSize"]
    disk_bytes = _size_on_disk(database)
    print(  # noqa: T201
        f"{bookings} bookings, {size_bytes / 1e6:.0f} MB of BSON, "
        f"{disk_bytes / 1e6:.0f} MB on the disk, indexes included"
    )

    since_s, since_core_s = time.perf_counter(), _core_s(database)

    def tell(name: str) -> None:
        """Prints what was used since the last call."""
        nonlocal since_s, since_core_s
        took_s, took_core_s = time.perf_counter() - since_s, _core_s(database) - since_core_s
        print(  # noqa: T201
            f"{took_s:6.1f} s  {took_core_s:6.1f} s of a core  "
            f"{size_bytes / 1e6 / took_core_s:5.1f} MB/s of BSON  "
            f"{disk_bytes / 1e6 / took_core_s:5.1f} MB/s of the disk  {name}"
        )
        since_s, since_core_s = time.perf_counter(), _core_s(database)

    with tempfile.TemporaryDirectory(prefix="bookingsite-bench-") as folder:
        call_command("backup", to=Path(folder), stdout=io.StringIO())
        tell("backup")
        call_command("restore", folder, verify=True)
        tell("drill")
        for name, _ in doctor.examine():
            if name in RECOUNTS:
                tell(name)
        backup_bytes = sum(path.stat().st_size for path in Path(folder).glob("*Z/*"))
    cache = (mongod := database.client.admin.command("serverStatus"))["wiredTiger"]["cache"]
    print(  # noqa: T201
        f"MongoDB has {mongod['mem']['resident']} MiB of memory, "
        f"{cache['maximum bytes configured'] / 2**20:.0f} of them for its cache, and "
        f"{cache['history store table on-disk size'] / 1e6:.0f} MB of history on the disk"
    )
    print(  # noqa: T201
        f"A backup of {backup_bytes / 1e6:.0f} MB, {backup_bytes / disk_bytes:.2f} of the size on "
        "the disk"
    )


def _core_s(database: Any) -> float:
    """Core seconds of this process and MongoDB, which other programs do not change."""
    mongod = database.client.admin.command("serverStatus")["extra_info"]
    return time.process_time() + (mongod["user_time_us"] + mongod["system_time_us"]) / 1e6


def _size_on_disk(database: Any) -> int:
    """Bytes of collections and indexes, as a checkpoint leaves them."""
    database.client.admin.command("fsync")
    return int(database.command("dbStats")["totalSize"])


if __name__ == "__main__":
    with own_servers():
        main(*map(int, sys.argv[1:]))
