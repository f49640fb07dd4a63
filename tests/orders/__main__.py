"""Plays small worlds in every order, on servers of its own: `python -m tests.orders`.

    PAIRS     `all` (without a value), `none`, or such as `create+confirm,cancel+sweep`
    TRIPLES   `all` (without a value), `none`, such as `create+cancel+sweep`, or every n-th: `1/20`
    UNMERGED  pairs to play without counting equal places as one, `none`, or the usual ones
    WORLDS    live, dead, booked, or several of them (all without a value)
    CRASHES   0 to let no process of a pair die
    TIME      1 to let the time of all holds run out at any moment
    SWITCHES  the most changes of the process in an order of a triple (3)
    OFF       guards to take out, such as `slots` (tests/orders/guards.py)
    OUT       the file for the figures (var/orders.json)

It prints each world while it plays, then a table, and ends with 1 if a promise was broken.
"""

from __future__ import annotations

import os
import signal
import sys
import tempfile
from pathlib import Path

from local.servers import free_port, start_mongod, start_redis
from tests.servers import quickest_place


def main() -> int:
    place = quickest_place()
    with tempfile.TemporaryDirectory(prefix="bookingsite-orders-", dir=place) as folder:
        own = Path(folder)
        mongod = start_mongod(
            free_port(), own / "mongod", own / "mongod.log", death_signal=signal.SIGKILL
        )
        try:
            redis = start_redis(
                free_port(),
                own / "redis",
                own / "redis.log",
                appendonly=False,
                death_signal=signal.SIGKILL,
            )
            try:
                os.environ.update(
                    BOOKINGSITE_ENV="development",
                    SECRET_KEY="orders",
                    MONGODB_URI=mongod.uri,
                    MONGODB_NAME="orders",
                    REDIS_URL=redis.uri,
                    LOCK_REDIS_URLS="",
                    LOG_LEVEL="CRITICAL",
                    DJANGO_SETTINGS_MODULE="bookingsite.settings",
                )
                from tests.orders import run

                return run.main(os.environ)
            finally:
                redis.kill()
        finally:
            mongod.kill()


if __name__ == "__main__":
    sys.exit(main())
