"""How far the servers' clocks are from this machine's, and workers' clocks from MongoDB's.

Bookings go by MongoDB's clock alone. The other clocks date log lines and tell people the time.
"""

import time
from collections.abc import Callable
from datetime import UTC

from bookings.infrastructure.connections import database
from bookings.operations import worker_clocks
from bookings.operations.doctor.findings import Finding, ok, warn
from locks.connection import GuardedRedis

# NTP keeps machines within a few milliseconds of each other.
MAX_SKEW_S = 1.0


def mongodb() -> Finding:
    """Compares MongoDB's clock with this machine's."""
    return _compare(_mongodb_time_s)


def redis(client: GuardedRedis) -> Finding:
    """Compares Redis's clock with this machine's."""
    return _compare(lambda: _redis_time_s(client))


def workers() -> Finding:
    """Judges what workers measured at their last sweeps."""
    measured = worker_clocks.read()
    off = [clock for clock in measured if abs(clock.skew_s) > MAX_SKEW_S]
    if off:
        said = ", ".join(f"{clock.machine} by {_say(clock.skew_s)}" for clock in off)
        return warn(
            f"Off from MongoDB's clock: {said}; let NTP set both. Workers' tasks go by MongoDB's "
            "clock, so they still run on time."
        )
    if not measured:
        return ok("No worker has swept within the last hour, so none has reported its time.")
    furthest_s = max(abs(clock.skew_s) for clock in measured)
    return ok(
        f"Machines with workers: {len(measured)}, the furthest {furthest_s:.3f} s off MongoDB's."
    )


def _mongodb_time_s() -> float:
    local_time = database().client.admin.command("hello")["localTime"]
    return float(local_time.replace(tzinfo=UTC).timestamp())


def _redis_time_s(client: GuardedRedis) -> float:
    seconds, microseconds = client.time()
    return float(seconds + microseconds / 1_000_000)


def _say(skew_s: float) -> str:
    return f"{abs(skew_s):.3f} s {'ahead' if skew_s > 0 else 'behind'}"


def _compare(read_server_time_s: Callable[[], float]) -> Finding:
    before_s = time.time()
    server_time_s = read_server_time_s()
    # The server read its clock somewhere in between.
    skew_s = server_time_s - (before_s + time.time()) / 2
    said = f"It is {_say(skew_s)}{' of' if skew_s > 0 else ''} this machine's"
    if abs(skew_s) > MAX_SKEW_S:
        return warn(f"{said}; let NTP set both. Bookings go by MongoDB's clock, so they are right.")
    return ok(f"{said}.")
