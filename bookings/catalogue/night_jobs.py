"""Jobs that make, change or import nights: staff add them to MongoDB, where workers find them.

Workers process one job at a time, the oldest first, so that of two jobs for the same nights the
later one has the last word. A worker takes a job by compare-and-set for a lease. If the worker is
killed, the next one takes the job when the lease has run out. The transaction that writes nights
also stores the job's progress, so no work is done twice: not by the next worker, which could not
tell a night not yet changed from one that was changed back, and not by a worker that is late.

A job with an unexpected error fails at once, since other jobs wait behind it. A job that never
ends, because its worker or MongoDB is gone each time, is started ten times.

A change or an import is checked before its job is added, so a job holds only valid rows. A change
is checked again before its first night is written, since earlier jobs or other people may have
changed the nights on which it was based. An import sets its nights whatever they are by then.
"""

import json
import logging
import secrets
import zlib
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import date
from typing import Any

from bson import Binary, ObjectId
from pymongo import ReturnDocument
from pymongo.client_session import ClientSession
from pymongo.errors import DuplicateKeyError, PyMongoError

from bookings.catalogue import nights
from bookings.catalogue.nights import NightRow, Progress
from bookings.domain import account_deletion
from bookings.domain.callers import caller_of_user
from bookings.infrastructure import clock
from bookings.infrastructure.connections import collection
from bookings.infrastructure.deadlines import MONGODB_TIMEOUT_S, request_limits
from bookings.infrastructure.mongodb import outage
from bookings.infrastructure.mongodb.errors import driver_error
from bookings.infrastructure.mongodb.transactions import in_transaction
from bookings.infrastructure.queues import failed_work
from bookings.infrastructure.queues.failed_work import NIGHTS_JOBS, NeverFinished
from bookings.infrastructure.queues.retries import counted
from bookings.models import NightsJob
from bookings.refusals import Fault, NotAuthenticated, ValidationFailed

logger = logging.getLogger(__name__)

# Each batch or category renews the lease and has 8 s, so the renewal comes long before another
# worker may take the job. A worker that has lost its lease all the same writes nothing: see
# `_change`.
LEASE_MS = int(3 * MONGODB_TIMEOUT_S * 1000)

# Deployments and elections of MongoDB interrupt jobs; after this many tries the job is at fault.
MAX_TRIES = 10

WAITING, RUNNING = NightsJob.State.WAITING.value, NightsJob.State.RUNNING.value
DONE, FAILED = NightsJob.State.DONE.value, NightsJob.State.FAILED.value

GENERATE, CHANGE = NightsJob.Kind.GENERATE.value, NightsJob.Kind.CHANGE.value
IMPORT = NightsJob.Kind.IMPORT.value

# A request writes this many nights in a second or two; a worker does larger jobs.
MAX_ROWS_AT_ONCE = 10_000

_OPEN: dict[str, Any] = {"state": {"$in": [WAITING, RUNNING]}}


@dataclass(frozen=True)
class JobFigures:
    """How many jobs are open, and how many seconds ago the oldest of them was added."""

    open_jobs: int = 0
    oldest_age_s: float = 0.0


class _LeaseLost(Exception):
    """Another worker has the job, or it was deleted."""


def add_job(
    *,
    job_id: ObjectId,
    kind: str,
    hotel_id: str,
    rows: Sequence[NightRow],
    summary: str,
    user_id: Any,
    allow_free: bool = False,
    also: Callable[[ClientSession], object] | None = None,
) -> bool:
    """Adds a job that sets these nights; returns False if a job with this id exists already.

    `also` writes in the transaction that adds the job. Raises ValidationFailed for the field
    nights.ALLOW_FREE if nights would become free of charge and `allow_free` is not set.
    """
    if not allow_free and (free := nights.count_free(rows)):
        raise ValidationFailed([Fault(nights.ALLOW_FREE, nights.tell_free(free))])
    days = [row.day for row in rows]
    job = {
        "_id": job_id,
        "kind": kind,
        "hotel_id": hotel_id,
        "start": min(days),
        "end": max(days),
        "exclude_end": False,
        "price": None,
        # Without weekdays, a worker of an earlier release, which does not know rows, refuses the
        # job and makes no nights.
        "weekdays": "",
        "overwrite": False,
        "summary": summary,
        "rows": Binary(pack(rows)),
        "requested_by_id": None,
        "state": WAITING,
        "done": 0,
        "total": len(rows),
        "error": "",
        "taken_by": "",
        "lease_until": None,
        "created_at": clock.now(),
        "started_at": None,
        "finished_at": None,
    }

    def insert(session: ClientSession) -> None:
        collection("nights_jobs").insert_one(job, session=session)
        if also is not None:
            also(session)

    try:
        in_transaction(insert)
    except DuplicateKeyError:
        return False
    sign_job(job_id, user_id)
    return True


def sign_job(job_id: ObjectId, user_id: Any) -> None:
    """Notes in the job who added it. If the account has been deleted meanwhile, the job stays
    without a name, like the account's earlier jobs."""

    def write(session: ClientSession) -> None:
        collection("nights_jobs").update_one(
            {"_id": job_id}, {"$set": {"requested_by_id": user_id}}, session=session
        )

    with suppress(NotAuthenticated):
        account_deletion.write_as(str(caller_of_user(user_id)), write)


def work_on_small(job_id: ObjectId) -> None:
    """Does the job at once if it is small and no older job is open."""
    small = {"_id": job_id, "total": {"$lte": MAX_ROWS_AT_ONCE}}
    if collection("nights_jobs").find_one(small, {"_id": 1}) and (job := _take_oldest(only=job_id)):
        _work_on_taken(job)


def work_on_jobs() -> int:
    """Does one job after the other until none is left or another worker has one.

    Returns how many jobs ended here. After an error of MongoDB the job can be taken again.
    """
    ended = 0
    while job := _take_oldest():
        ended += _work_on_taken(job)
    return ended


def read_figures() -> JobFigures:
    """The figures of the jobs that are waiting or running."""
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
        return JobFigures()
    return JobFigures(found[0]["count"], max(0.0, found[0]["age_ms"] / 1000))


def pack(rows: Sequence[NightRow]) -> bytes:
    """Compresses the rows: even the largest job stays far below the size limit of a document."""
    told = [[row.category, row.day, row.values, row.base_price, row.seen] for row in rows]
    return zlib.compress(json.dumps(told, separators=(",", ":")).encode())


def unpack(packed: bytes) -> list[NightRow]:
    """The rows that `pack` compressed."""
    return [NightRow(*told) for told in json.loads(zlib.decompress(packed))]


def _take_oldest(*, only: ObjectId | None = None) -> dict[str, Any] | None:
    """Takes the oldest open job for a lease.

    Returns None if no job is open, if another worker has the oldest one, or if that is not `only`.
    """
    jobs = collection("nights_jobs")
    with request_limits():
        oldest = jobs.find_one(_OPEN, {"_id": 1}, sort=[("created_at", 1), ("_id", 1)])
        if oldest is None or only not in (None, oldest["_id"]):
            return None
        # A waiting job has no lease, and null sorts before every date.
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
                        # A new job has no tries yet.
                        "tries": {"$add": [counted("$tries"), 1]},
                    }
                }
            ],
            return_document=ReturnDocument.AFTER,
        )


def _work_on_taken(job: dict[str, Any]) -> bool:
    """Does the job; returns whether it ended here."""
    try:
        _work_on(job)
    except _LeaseLost:
        logger.warning("nights_job_lost", extra={"job": str(job["_id"])})
        return False
    return True


def _work_on(job: dict[str, Any]) -> None:
    """Raises _LeaseLost as soon as the job is no longer ours."""
    try:
        if job["tries"] > MAX_TRIES:
            raise NeverFinished
        # Jobs that an earlier release added have no kind.
        result = _generate(job) if job.get("kind", GENERATE) == GENERATE else _set(job)
    except ValidationFailed as refusal:
        _end(job, FAILED, error=" ".join(fault.message for fault in refusal.faults))
    except _LeaseLost:
        raise
    except Exception as error:
        if driver_error(error):
            # The lease runs out, and a worker tries again; an outage does not count as a try.
            if outage.is_to_blame(error):
                with suppress(PyMongoError), request_limits():
                    _change(job, {"tries": job["tries"] - 1})
            raise
        _end(job, FAILED, error="Something went wrong; see the worker's log.")
        failed_work.note(NIGHTS_JOBS, job["_id"], error, is_over=True)
        said = {"job": str(job["_id"]), **failed_work.describe(error)}
        logger.error("nights_job_failed", extra=said)
    else:
        _end(job, DONE)
        logger.info("nights_job_done", extra={"job": str(job["_id"]), **vars(result)})


def _generate(job: dict[str, Any]) -> Progress:
    return nights.generate_nights(
        hotel_id=job["hotel_id"],
        start=date.fromisoformat(job["start"]),
        end=date.fromisoformat(job["end"]),
        exclude_end=job["exclude_end"],
        price=job["price"],
        weekdays=job["weekdays"].split(","),
        overwrite=job["overwrite"],
        # Staff were asked when they added the job.
        allow_free=True,
        begun=_begun(job),
        record=lambda progress, session: _renew(job, progress, session),
    )


def _set(job: dict[str, Any]) -> Progress:
    rows = unpack(job["rows"])
    if not job.get("is_judged"):
        nights.judge_rows(rows, on_progress=lambda _: _renew(job, Progress(len(rows))))
        with request_limits():
            _change(job, {"is_judged": True})
    result = nights.set_nights(
        rows,
        begun=_begun(job),
        record=lambda progress, written, session: _record_rows(job, progress, written, session),
    )
    if result.refused:
        raise ValidationFailed([Fault("", nights.tell_refused(result.refused))])
    return result


def _record_rows(
    job: dict[str, Any], progress: Progress, written: Sequence[int], session: ClientSession
) -> None:
    """Stores the progress and, if the change can be undone, which of its rows were written."""
    _renew(job, progress, session)
    if written:
        collection("night_changes").update_one(
            {"_id": job["_id"]}, {"$push": {"written": {"$each": list(written)}}}, session=session
        )


def _begun(job: dict[str, Any]) -> Progress | None:
    """The progress that an earlier worker stored, or None; earlier releases stored no progress."""
    progress = job.get("progress")
    return (
        Progress(**{**progress, "categories": tuple(progress["categories"])}) if progress else None
    )


def _renew(job: dict[str, Any], progress: Progress, session: ClientSession | None = None) -> None:
    """Renews the lease and, in a transaction that writes nights, stores the progress."""
    fields = {"lease_until": _lease_end(), "done": progress.done, "total": progress.total}
    if session is not None:
        fields["progress"] = {**vars(progress), "categories": list(progress.categories)}
    _change(job, fields, session)


def _end(job: dict[str, Any], state: str, *, error: str = "") -> None:
    with request_limits():
        ended = {"state": state, "error": error, "lease_until": None, "finished_at": "$$NOW"}
        _change(job, {**ended, "rows": None})


def _change(
    job: dict[str, Any], fields: dict[str, Any], session: ClientSession | None = None
) -> None:
    """Raises _LeaseLost, which undoes a transaction, if the job is no longer ours."""
    result = collection("nights_jobs").update_one(
        {"_id": job["_id"], "taken_by": job["taken_by"]}, [{"$set": fields}], session=session
    )
    if result.matched_count == 0:
        raise _LeaseLost


def _lease_end() -> dict[str, Any]:
    """When a lease taken now ends by MongoDB's clock, as an expression of a pipeline."""
    return {"$add": ["$$NOW", LEASE_MS]}
