"""Orders to make nights, which staff leave in MongoDB and workers find there.

One job is worked on at a time, the oldest first, so that of two orders for the same nights the
later one has the last word. A job is taken by compare-and-set for a lease; a worker that is
killed leaves it to whoever looks after the lease has run out, and making nights twice is
making them once.
"""

import logging
import secrets
from dataclasses import dataclass
from datetime import date
from typing import Any

from pymongo import ReturnDocument
from pymongo.errors import PyMongoError

from bookings import nights
from bookings.clock import MONGODB_TIMEOUT_S, request_limits
from bookings.connections import collection
from bookings.errors import ValidationFailed
from bookings.models import NightsJob
from bookings.nights import Progress

logger = logging.getLogger(__name__)

# The lease is renewed before each category, and one time-out covers both: so a worker writes for
# at most 8 s after it renewed, and long before somebody else may take its job.
LEASE_MS = int(3 * MONGODB_TIMEOUT_S * 1000)

WAITING, RUNNING = NightsJob.State.WAITING.value, NightsJob.State.RUNNING.value
DONE, FAILED = NightsJob.State.DONE.value, NightsJob.State.FAILED.value

_OPEN: dict[str, Any] = {"state": {"$in": [WAITING, RUNNING]}}


@dataclass(frozen=True)
class Figures:
    """How many jobs are not done, and how long ago the oldest of them was ordered."""

    open_jobs: int = 0
    oldest_age_s: float = 0.0


class _LeaseLost(Exception):
    """Somebody else has the job, or it was deleted."""


def work_on_jobs() -> int:
    """Does one job after the other until none is left or another worker has one.

    Returns how many came to an end here. An error of MongoDB leaves the job to be taken again.
    """
    ended = 0
    while job := _take_oldest():
        try:
            _work_on(job)
        except _LeaseLost:
            logger.warning("nights_job_lost", extra={"job": str(job["_id"])})
        else:
            ended += 1
    return ended


def read_figures() -> Figures:
    """What waits or is being worked on now."""
    found = list(
        collection("nights_jobs").aggregate(
            [
                {"$match": _OPEN},
                {"$group": {"_id": None, "count": {"$sum": 1}, "first": {"$min": "$created_at"}}},
                {"$project": {"count": 1, "age_ms": {"$subtract": ["$$NOW", "$first"]}}},
            ]
        )
    )
    if not found:
        return Figures()
    return Figures(found[0]["count"], max(0.0, found[0]["age_ms"] / 1000))


def _take_oldest() -> dict[str, Any] | None:
    """The oldest open job, for a lease; None if there is none or somebody is working on it."""
    jobs = collection("nights_jobs")
    with request_limits():
        oldest = jobs.find_one(_OPEN, {"_id": 1}, sort=[("created_at", 1), ("_id", 1)])
        if oldest is None:
            return None
        # A waiting job has no lease, and nothing is less than any moment.
        is_free = {"$lt": ["$lease_until", "$$NOW"]}
        return jobs.find_one_and_update(
            {"_id": oldest["_id"], **_OPEN, "$expr": is_free},
            [
                {
                    "$set": {
                        "state": RUNNING,
                        "taken_by": secrets.token_hex(16),
                        "lease_until": _lease_end(),
                        "started_at": {"$ifNull": ["$started_at", "$$NOW"]},
                    }
                }
            ],
            return_document=ReturnDocument.AFTER,
        )


def _work_on(job: dict[str, Any]) -> None:
    """Raises _LeaseLost as soon as the job is no longer ours."""
    try:
        result = nights.generate_nights(
            hotel_id=job["hotel_id"],
            start=date.fromisoformat(job["start"]),
            end=date.fromisoformat(job["end"]),
            exclude_end=job["exclude_end"],
            price=job["price"],
            weekdays=job["weekdays"].split(","),
            overwrite=job["overwrite"],
            on_progress=lambda progress: _renew(job, progress),
        )
    except ValidationFailed as refusal:
        _end(job, FAILED, error=" ".join(text for _, text in refusal.errors))
    except (_LeaseLost, PyMongoError):
        raise
    except Exception:
        _end(job, FAILED, error="Something went wrong here; the worker's log says what.")
        raise
    else:
        _end(job, DONE)
        logger.info("nights_job_done", extra={"job": str(job["_id"]), **vars(result)})


def _renew(job: dict[str, Any], progress: Progress) -> None:
    _change(job, {"lease_until": _lease_end(), "done": progress.done, "total": progress.total})


def _end(job: dict[str, Any], state: str, *, error: str = "") -> None:
    with request_limits():
        _change(job, {"state": state, "error": error, "lease_until": None, "finished_at": "$$NOW"})


def _change(job: dict[str, Any], fields: dict[str, Any]) -> None:
    result = collection("nights_jobs").update_one(
        {"_id": job["_id"], "taken_by": job["taken_by"]}, [{"$set": fields}]
    )
    if result.matched_count == 0:
        raise _LeaseLost


def _lease_end() -> dict[str, Any]:
    """By MongoDB's clock, for a pipeline."""
    return {"$add": ["$$NOW", LEASE_MS]}
