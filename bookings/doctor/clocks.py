"""How far the servers' clocks are from this machine's.

Bookings go by MongoDB's clock alone. The others stand in logs, and tell people the time.
"""

import time
from collections.abc import Callable
from datetime import UTC

from bookings.connections import database
from bookings.doctor.findings import Finding, ok, warn
from locks.connection import GuardedRedis

# NTP keeps machines within some milliseconds of each other.
MAX_SKEW_S = 1.0


def mongodb() -> Finding:
    return _compare(_mongodb_time_s)


def redis(client: GuardedRedis) -> Finding:
    return _compare(lambda: _redis_time_s(client))


def _mongodb_time_s() -> float:
    local_time = database().client.admin.command("hello")["localTime"]
    return float(local_time.replace(tzinfo=UTC).timestamp())


def _redis_time_s(client: GuardedRedis) -> float:
    seconds, microseconds = client.time()
    return float(seconds + microseconds / 1_000_000)


def _compare(read_server_time_s: Callable[[], float]) -> Finding:
    before_s = time.time()
    server_time_s = read_server_time_s()
    # The server looked at its clock somewhere in between.
    skew_s = server_time_s - (before_s + time.time()) / 2
    said = f"It is {abs(skew_s):.3f} s {'ahead of' if skew_s > 0 else 'behind'} this machine's"
    if abs(skew_s) > MAX_SKEW_S:
        return warn(f"{said}; let NTP set both. Bookings go by MongoDB's clock, so they are right.")
    return ok(f"{said}.")
