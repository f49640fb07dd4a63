"""How far the clocks of workers' machines are from MongoDB's.

No decision here depends on a worker's clock. But its logs, the dates of its mails and other
programs on its machine do, and a clock that was a few seconds off once stopped all mails. So each
worker measures its clock at every sweep, for the doctor and for Prometheus.
"""

import socket
import time
from dataclasses import dataclass
from datetime import UTC
from typing import Any

from bookings.infrastructure.connections import collection, database
from bookings.infrastructure.deadlines import request_limits

# A worker that has not swept for this long is gone, or another one does all the sweeps.
KEPT_MS = 3_600_000

# After a longer wait, MongoDB's time could be from the beginning of it or from the end.
LONGEST_SAMPLE_S = 0.5

_ID = {"_id": "clocks"}
_IS_FRESH = {"$gt": ["$$this.at", {"$subtract": ["$$NOW", KEPT_MS]}]}


@dataclass(frozen=True)
class WorkerClock:
    """`skew_s` is positive if the machine is ahead of MongoDB."""

    machine: str
    skew_s: float


def report() -> None:
    """Notes how far this machine's clock is off, and forgets machines that are gone."""
    with request_limits():
        before_s = time.time()
        local_time = database().client.admin.command("hello")["localTime"]
        after_s = time.time()
        if not 0 <= after_s - before_s <= LONGEST_SAMPLE_S:
            return
        skew_s = (before_s + after_s) / 2 - local_time.replace(tzinfo=UTC).timestamp()
        machine = socket.gethostname()
        measured = {"machine": {"$literal": machine}, "skew_s": skew_s, "at": "$$NOW"}
        is_another = {"$ne": ["$$this.machine", {"$literal": machine}]}
        others = {
            "$filter": {
                "input": {"$ifNull": ["$workers", []]},
                "cond": {"$and": [is_another, _IS_FRESH]},
            }
        }
        collection("sweeps").update_one(
            _ID, [{"$set": {"workers": {"$concatArrays": [others, [measured]]}}}], upsert=True
        )


def read() -> list[WorkerClock]:
    """The clocks measured within the last hour, sorted by machine."""
    fresh = {"$filter": {"input": {"$ifNull": ["$workers", []]}, "cond": _IS_FRESH}}
    found: dict[str, Any] = next(
        collection("sweeps").aggregate([{"$match": _ID}, {"$project": {"workers": fresh}}]), {}
    )
    told = (WorkerClock(one["machine"], one["skew_s"]) for one in found.get("workers", []))
    return sorted(told, key=lambda clock: clock.machine)


def furthest_skew_s() -> float:
    """How far the worst clock is off, in either direction; 0 if none was measured."""
    return max((abs(clock.skew_s) for clock in read()), default=0.0)
