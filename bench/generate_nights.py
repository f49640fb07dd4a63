"""Times a large hotel's calendar: `python -m bench.generate_nights [CATEGORIES] [NIGHTS]`.

Starts its own MongoDB, set up as in `make run`, and runs the real command three times: on an empty
calendar, again with nothing to do, and overwriting every price.
"""

import io
import sys
import time
from datetime import date, timedelta

from bench.own_servers import own_servers

START = date(2027, 1, 1)


def main(categories: int = 100, nights: int = 730) -> None:
    import django
    from django.core.management import call_command

    django.setup()
    from bookings.models import Hotel, RoomCategory

    call_command("migrate", verbosity=0)
    hotel = Hotel.objects.create(id="bench", code="BENCH", name="Bench")
    for number in range(categories):
        RoomCategory.objects.create(id=f"bench_{number:03}", hotel=hotel, name=f"No. {number}")
    end = (START + timedelta(days=nights - 1)).isoformat()
    arguments = ["--hotel", "bench", "--start", START.isoformat(), "--end", end]
    for more in ([], [], ["--overwrite", "--price", "9900"]):
        said = io.StringIO()
        started_s = time.perf_counter()
        call_command("generate_nights", *arguments, *more, stdout=said)
        took_s = time.perf_counter() - started_s
        print(f"{took_s:5.1f} s  {' '.join(more):24}  {said.getvalue().strip()}")  # noqa: T201


if __name__ == "__main__":
    with own_servers():
        main(*map(int, sys.argv[1:]))
