"""Measures what web's processes keep: `python -m bench.long_run [REQUESTS]`.

Starts MongoDB, Redis and the site with production's settings, and sends it all kinds of requests in
turn: creates, replays, refusals, cancellations, lists, availability and pages, each time for other
guests, rooms and nights. It prints each worker's memory (`Pss`) after 1,000 requests and as it goes
on, and the last figure over the first. It ends with status 1 if a worker has grown by more than a
twentieth, if another process answers than at the beginning, or if an answer is wrong.
"""

import random
import sys
import tempfile
from collections import Counter
from datetime import date, timedelta
from itertools import count
from pathlib import Path

from bench.load.driving import Crowd, Flow, raw_request
from bench.load.filling import CATEGORY, HOTEL
from bench.load.scenarios import (
    CREATED,
    FIRST_DAY,
    NIGHTS,
    OK,
    REFUSED,
    booking_of,
    new_key,
    path_of,
    post,
)
from bench.load.stack import ROOT, MeasuredSite, NotStarted, Sender, Stack, Target
from bench.memory import read_each_mib

FIRST_LOOK = 1_000
LOOKS = (1_000, 2_000, 5_000, 10_000, 20_000, 35_000, 50_000, 75_000)

# Growth beyond this is a leak, or a cache without a bound.
MOST = 1.05

CONNECTIONS = 16

# Visits whose answers are kept until they are counted.
VISITS, REQUESTS_OF_VISIT = 200, 10

PARTNERS_PATHS = (
    "/api/availability?hotelId={hotel}&checkIn={day}&checkOut={fifth}",
    "/api/calendar?categoryId={category}&month={month}",
    "/api/bookings?limit=50",
    "/api/bookings?userId={user}",
    "/api/bookings?date={day}",
)
GUESTS_PATHS = (
    "/",
    "/stays?hotel={hotel}&arrival={day}&departure={fifth}&guests=2&rooms=1",
    "/calendar/{category}?month={month}",
    "/bookings",
)


def main(requests: int = 100_000) -> int:
    if requests <= FIRST_LOOK:
        raise SystemExit(f"Ask for more than {FIRST_LOOK:,} requests.")
    with tempfile.TemporaryDirectory(prefix="bookingsite-bench-") as name:
        try:
            stack = Stack(Path(name))
        except NotStarted as error:
            raise SystemExit(error) from None
        try:
            return watch(stack.start_site(ROOT, "site"), requests)
        finally:
            stack.close()


def watch(site: MeasuredSite, requests: int) -> int:
    """Sends the requests and prints the figures; returns the exit status."""
    crowd = Crowd(site.target.url, CONNECTIONS)
    numbers, statuses, sent = count(1), Counter[int](), 0
    sizes_mib: list[list[float]] = []
    try:
        # One that was there already is no part of what requests leave behind.
        pids = site.workers()
        for look in [*(each for each in LOOKS if each < requests), requests]:
            while sent < look:
                # Few waves, since a connection that waits for the slowest visit may be closed.
                left = min(VISITS, -(-(look - sent) // REQUESTS_OF_VISIT))
                visits = (visit(site.target, next(numbers)) for _ in range(left))
                answers = crowd.all_flows(visits)
                statuses.update(answer.status for answer in answers)
                sent += len(answers)
            sizes_mib.append(read_each_mib(site.master)[1:])
            said = " and ".join(f"{size:.1f}" for size in sizes_mib[-1])
            print(f"{sent:7} requests: {said} MiB", flush=True)  # noqa: T201
    finally:
        crowd.close()
    ratios = [now / first for first, now in zip(sizes_mib[0], sizes_mib[-1], strict=True)]
    said = " and ".join(f"{ratio:.3f}" for ratio in ratios)
    print(f"{said} × of that after {FIRST_LOOK:,}; by status: {dict(statuses)}")  # noqa: T201
    if site.workers() != pids:
        print("Other processes answered than at the beginning.", file=sys.stderr)  # noqa: T201
        return 1
    return 1 if max(ratios) > MOST or set(statuses) - {OK, CREATED, REFUSED} else 0


def visit(target: Target, number: int) -> Flow:
    """A booking and what goes with it: ten requests of a partner and of a guest."""
    chance = random.Random(number)
    body, key = booking_of(number), new_key()
    made = yield post(target, body, key)
    yield post(target, body, key)
    yield post(target, body | {"userId": f"rival-{number}"}, new_key())
    yield post(target, body, None)
    day = date.today() + FIRST_DAY + timedelta(days=chance.randrange(NIGHTS - 5))  # noqa: DTZ011
    names = {
        "hotel": HOTEL,
        "category": CATEGORY,
        "day": day,
        "fifth": day + timedelta(days=5),
        "month": f"{day:%Y-%m}",
        "user": body["userId"],
    }
    for sender, paths, number_of in (("partner", PARTNERS_PATHS, 3), ("guest", GUESTS_PATHS, 2)):
        for path in chance.sample(paths, number_of):
            yield get(target, path.format(**names), sender)
    if made.status == CREATED:
        yield post(target, None, new_key(), f"{path_of(made)}/cancel")


def get(target: Target, path: str, sender: Sender) -> bytes:
    return raw_request(target.url, "GET", path, headers=target.headers_of(sender))


if __name__ == "__main__":
    sys.exit(main(*map(int, sys.argv[1:])))
