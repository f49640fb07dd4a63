"""Failed work: one line for staff about each item that failed unexpectedly in a worker.

Every queue tries its items one by one. An error, however surprising, is a failed try of one item
and of no other. The number of tries is limited, and an item that keeps failing is listed here, with
the error and its place. A refusal by a mail server or a partner is no surprise; it is recorded
with the letter or delivery.

A line has no personal data: the text of an error may contain an address, so only the error's name
and place are kept.
"""

import traceback
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from pymongo import ReturnDocument

from bookings.infrastructure.connections import collection
from bookings.infrastructure.deadlines import request_limits
from bookings.infrastructure.queues.retries import Schedule

LETTERS, NEWS, MAILS, WEBHOOKS = "letters", "news", "mails", "webhooks"
ENDPOINTS, WEBHOOK_NOTES = "webhook_endpoints", "webhook_notes"
NIGHTS_JOBS, DEAD_HOLDS, PHOTOS = "nights_jobs", "dead_holds", "photos"
QUEUES = (
    *(LETTERS, NEWS, MAILS, WEBHOOKS),
    *(ENDPOINTS, WEBHOOK_NOTES, NIGHTS_JOBS, DEAD_HOLDS, PHOTOS),
)

# For items without a schedule of their own. After an hour a newer worker may run; after a day staff
# must look.
RETRIES = Schedule(first_wait_ms=3_600_000, longest_wait_ms=3_600_000, max_tries=24)


class NeverFinished(Exception):
    """Every try ended with the death of its worker, so the next one probably would, too."""


@dataclass(frozen=True)
class Failure:
    """A recorded failure. `is_new`: the item's first one; `is_over`: there is no further try."""

    is_new: bool
    is_over: bool


def note(queue: str, item: Any, error: BaseException, *, is_over: bool) -> Failure:
    """Records the item's error at this try. Its queue says whether this was the last try."""
    return _keep(queue, item, error, {"is_over": is_over, "next_try_at": "$$REMOVE"})


def put_off(queue: str, item: Any, error: BaseException) -> Failure:
    """Records the error of an item that its queue would find again at once.

    `left_alone` lists the item until its next try, and for good after a day.
    """
    is_over = RETRIES.is_spent("$tries")
    later = {"$add": ["$$NOW", RETRIES.wait_ms(earlier_failures={"$subtract": ["$tries", 1]})]}
    return _keep(
        queue, item, error, {"is_over": is_over, "next_try_at": {"$cond": [is_over, None, later]}}
    )


def left_alone(queue: str) -> list[Any]:
    """The items not to try now, as they were passed to `put_off`."""
    waits = {"$gt": ["$next_try_at", "$$NOW"]}
    found = collection("failed_work").find(
        {"queue": queue, "$expr": {"$or": ["$is_over", waits]}}, {"item": 1}
    )
    return [line["item"] for line in found]


def items_of(queue: str) -> list[Any]:
    """All failed items of the queue, as they were passed to `note` or `put_off`."""
    return [line["item"] for line in collection("failed_work").find({"queue": queue}, {"item": 1})]


def forget(queue: str, items: Iterable[Any]) -> None:
    """Removes the lines of items that succeeded after all."""
    if names := [_name(queue, item) for item in items]:
        with request_limits():
            collection("failed_work").delete_many({"_id": {"$in": names}})


def count() -> dict[str, int]:
    """The number of lines for each queue."""
    found = collection("failed_work").aggregate(
        [{"$group": {"_id": "$queue", "count": {"$sum": 1}}}]
    )
    return {**dict.fromkeys(QUEUES, 0), **{group["_id"]: group["count"] for group in found}}


def describe(error: BaseException) -> dict[str, str]:
    """The error's name and stack for the log, without the text of the error."""
    return {
        "reason": type(error).__name__,
        "stack": "".join(traceback.format_tb(error.__traceback__)),
    }


def _keep(queue: str, item: Any, error: BaseException, outlook: dict[str, Any]) -> Failure:
    with request_limits():
        line = collection("failed_work").find_one_and_update(
            {"_id": _name(queue, item)},
            [
                {
                    "$set": {
                        "queue": queue,
                        "item": {"$literal": item},
                        "label": {"$literal": str(item)},
                        "error": {"$literal": type(error).__name__},
                        "place": {"$literal": _place(error)},
                        "tries": {"$add": [{"$ifNull": ["$tries", 0]}, 1]},
                        "first_failed_at": {"$ifNull": ["$first_failed_at", "$$NOW"]},
                        "failed_at": "$$NOW",
                    }
                },
                {"$set": outlook},
            ],
            upsert=True,
            return_document=ReturnDocument.AFTER,
        )
    assert line is not None, "an upsert finds or makes it"
    return Failure(is_new=line["tries"] == 1, is_over=line["is_over"])


def _name(queue: str, item: Any) -> str:
    return f"{queue}:{item}"


def _place(error: BaseException) -> str:
    """The last line of this site's code in the traceback."""
    frames = traceback.extract_tb(error.__traceback__)
    ours = [frame for frame in frames if "/bookings/" in frame.filename] or frames
    if not ours:
        return ""
    return f"{ours[-1].filename.rpartition('/')[2]}, line {ours[-1].lineno}"
