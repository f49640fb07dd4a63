"""What workers could not do although nobody refused it: one line for each piece, for staff.

Every queue tries its items one by one. What goes wrong with one, however surprising, is a failed
try of that item and of no other; tries are bounded, and what is left over stands here, with what
went wrong and where. What a mail server or a partner refuses is no surprise and is told elsewhere.

Nothing here says whose the work is: an error's own words may repeat an address, so only its name
and the place where it came up are kept.
"""

import traceback
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from pymongo import ReturnDocument

from bookings.infrastructure.clock import request_limits
from bookings.infrastructure.connections import collection
from bookings.infrastructure.queues.retries import Schedule

LETTERS, NEWS, MAILS, WEBHOOKS = "letters", "news", "mails", "webhooks"
ENDPOINTS, WEBHOOK_NOTES = "webhook_endpoints", "webhook_notes"
NIGHTS_JOBS, DEAD_HOLDS = "nights_jobs", "dead_holds"
QUEUES = (
    *(LETTERS, NEWS, MAILS, WEBHOOKS),
    *(ENDPOINTS, WEBHOOK_NOTES, NIGHTS_JOBS, DEAD_HOLDS),
)

# For items that have no schedule of their own. A newer worker may be there after an hour, and
# after a day somebody has to look.
RETRIES = Schedule(first_wait_ms=3_600_000, longest_wait_ms=3_600_000, max_tries=24)


class NeverFinished(Exception):
    """Every try ended together with its worker, and so would the next one."""


@dataclass(frozen=True)
class Failure:
    """`is_new` for the first of an item, `is_over` if there is no further try."""

    is_new: bool
    is_over: bool


def note(queue: str, item: Any, error: BaseException, *, is_over: bool) -> Failure:
    """Keeps what went wrong with the item at this try; its queue knows whether it was the last."""
    return _keep(queue, item, error, {"is_over": is_over, "next_try_at": "$$REMOVE"})


def put_off(queue: str, item: Any, error: BaseException) -> Failure:
    """Likewise of an item that would be met again at once: `left_alone` names it for a while,
    and for good after a day."""
    is_over = RETRIES.is_spent("$tries")
    later = {"$add": ["$$NOW", RETRIES.wait_ms(earlier_failures={"$subtract": ["$tries", 1]})]}
    return _keep(
        queue, item, error, {"is_over": is_over, "next_try_at": {"$cond": [is_over, None, later]}}
    )


def left_alone(queue: str) -> list[Any]:
    """The items that are not to be tried now, as they were named to `put_off`."""
    waits = {"$gt": ["$next_try_at", "$$NOW"]}
    found = collection("failed_work").find(
        {"queue": queue, "$expr": {"$or": ["$is_over", waits]}}, {"item": 1}
    )
    return [line["item"] for line in found]


def items_of(queue: str) -> list[Any]:
    """All that failed, as it was named to `note` or `put_off`."""
    return [line["item"] for line in collection("failed_work").find({"queue": queue}, {"item": 1})]


def forget(queue: str, items: Iterable[Any]) -> None:
    """They were done after all."""
    if names := [_name(queue, item) for item in items]:
        with request_limits():
            collection("failed_work").delete_many({"_id": {"$in": names}})


def count() -> dict[str, int]:
    """How many lines each queue has now."""
    found = collection("failed_work").aggregate(
        [{"$group": {"_id": "$queue", "count": {"$sum": 1}}}]
    )
    return {**dict.fromkeys(QUEUES, 0), **{group["_id"]: group["count"] for group in found}}


def describe(error: BaseException) -> dict[str, str]:
    """For the log: what it was and the way to it, without the error's own words."""
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
    assert line is not None, "it was made if it was not there"
    return Failure(is_new=line["tries"] == 1, is_over=line["is_over"])


def _name(queue: str, item: Any) -> str:
    return f"{queue}:{item}"


def _place(error: BaseException) -> str:
    """The line of this site that the error went through last."""
    frames = traceback.extract_tb(error.__traceback__)
    ours = [frame for frame in frames if "/bookings/" in frame.filename] or frames
    if not ours:
        return ""
    return f"{ours[-1].filename.rpartition('/')[2]}, line {ours[-1].lineno}"
