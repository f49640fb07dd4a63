"""Times a large file of nights: `python -m bench.night_files [ROWS]`.

Starts its own MongoDB, set up as in `make run`. It judges, adds, imports and exports as many
nights as a file may have: first where there are none, then with another price for each.
"""

import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import date, timedelta

from bench.own_servers import own_servers

NIGHTS_A_CATEGORY = 700


@contextmanager
def timed(what: str) -> Iterator[None]:
    wall_s, cpu_s = time.perf_counter(), time.process_time()
    yield
    wall_s, cpu_s = time.perf_counter() - wall_s, time.process_time() - cpu_s
    print(f"{wall_s:6.2f} s, {cpu_s:5.2f} s of our CPU  {what}")  # noqa: T201


def main(rows: int = 100_000) -> None:
    import django
    from django.core.management import call_command

    django.setup()
    from bson import ObjectId

    from bookings.catalogue import night_files, night_jobs
    from bookings.catalogue.inventory import find_hotel
    from bookings.infrastructure import clock
    from bookings.models import Hotel, RoomCategory

    call_command("migrate", verbosity=0)
    Hotel.objects.create(id="bench", code="BENCH", name="Bench")
    ids = [f"bench_{number:03}" for number in range(-(-rows // NIGHTS_A_CATEGORY))]
    for name in ids:
        RoomCategory.objects.create(id=name, hotel_id="bench", name=name)
    hotel = find_hotel("bench")
    assert hotel is not None
    today = clock.today(hotel.time_zone)
    for dearer in (0, 1):
        content = make_file(ids, today, rows, dearer)
        with timed(f"judge {rows:,} rows, {len(content) / 1e6:.1f} MB"):
            judged = night_files.judge_file(content, hotel)
        with timed(f"add them as a job in {len(night_jobs.pack(judged)) / 1e6:.2f} MB"):
            night_jobs.add_job(
                job_id=ObjectId(),
                kind=night_jobs.IMPORT,
                hotel_id="bench",
                rows=judged,
                summary="",
                user_id=None,
            )
        with timed("write them, as the worker does"):
            night_jobs.work_on_jobs()
    with timed("export them"):
        first, last = night_files.exportable_days(hotel)
        size = sum(map(len, night_files.export_nights(hotel, first, last)))
    print(f"{size / 1e6:.1f} MB")  # noqa: T201


def make_file(ids: list[str], today: date, rows: int, dearer: int) -> bytes:
    """A CSV file with this many rows, whose prices are `dearer` euros higher."""
    days = [(today + timedelta(days=number)).isoformat() for number in range(NIGHTS_A_CATEGORY)]
    lines = [
        f"bench,{name},{day},{80 + number % 60 + dearer}.50,no,{1 + number % 3},no,no"
        for name in ids
        for number, day in enumerate(days)
    ][:rows]
    return "\r\n".join([",".join(_columns()), *lines, ""]).encode()


def _columns() -> tuple[str, ...]:
    from bookings.catalogue.night_files import COLUMNS

    return COLUMNS


if __name__ == "__main__":
    with own_servers():
        main(*map(int, sys.argv[1:]))
