"""Keeps the rules for how long guests' data is kept (bookings/people/retention_rules.py).

The run erases as `erase_guest` would. Nights, prices and history stay: the hotel's books need them.
"""

import logging
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from typing import Any

from bson import ObjectId
from pymongo.client_session import ClientSession

from bookings.domain.booking import STAY
from bookings.infrastructure import clock
from bookings.infrastructure.connections import collection
from bookings.infrastructure.queues.single_run import RunTime, one_at_a_time
from bookings.people import erasure, retention_rules
from bookings.people.retention_rules import Rule
from bookings.points import reached
from bookings.stays.writing import guest_details

logger = logging.getLogger(__name__)

# How many a preview counts, and how many it names.
MAX_COUNTED, MAX_NAMED = 10_000, 5

# A rule is kept once a day, and the run looks every hour whether it is time.
EVERY = timedelta(hours=20)

# One window takes some hundredths of a second to look through.
WINDOW = 10_000

# A run that had to stop in the middle begins there the next time. The rest of a day's work takes no
# longer than this.
RUN_LIMIT_S = 20.0


@dataclass(frozen=True)
class Preview:
    """What a rule would erase now: stays that ended before `limit`. Counts MAX_COUNTED at most."""

    limit: date
    count: int
    references: tuple[str, ...]


def preview(hotel_id: str, years: int) -> Preview:
    """What this rule would erase if it applied now."""
    limit = limit_of(years)
    due = {"_id": {"$lt": _made_by(limit)}, **_due(hotel_id, limit)}
    found = list(
        collection("bookings").find(due, {"reference": 1}).sort("_id", 1).limit(MAX_COUNTED)
    )
    return Preview(limit, len(found), tuple(each["reference"] for each in found[:MAX_NAMED]))


def limit_of(years: int) -> date:
    """The day before which stays must have ended. On 29 February it is a day later."""
    today = clock.today("UTC")
    try:
        return today.replace(year=today.year - years)
    except ValueError:
        return date(today.year - years, 3, 1)


@one_at_a_time
def keep_rules() -> int:
    """Erases what the rules say, if that was not done today; returns in how many bookings.

    It looks through the bookings by id, a window at a time. It may be stopped at any point, run
    again, and run in two workers at once: what was erased does not come back.
    """
    now = clock.now()
    due = [
        rule
        for rule in retention_rules.list_rules().values()
        if rule.kept_at is None or rule.kept_at <= now - EVERY
    ]
    run_time = RunTime(RUN_LIMIT_S)
    return sum(_keep(rule, now, run_time) for rule in due if not run_time.is_up)


def _keep(rule: Rule, now: datetime, run_time: RunTime) -> int:
    limit = limit_of(rule.years)
    last = _made_by(limit)
    progress = {"_id": rule.hotel, "years": rule.years}
    after: ObjectId | None = None
    erased = 0
    # The rule may have been changed or switched off meanwhile.
    while (known := collection("retention_rules").find_one(progress)) is not None:
        after = after or known.get("looked_through", ObjectId(bytes(12)))
        end = _end_of_window(after, last)
        window = {"_id": {"$gt": after, "$lte": end or last}}
        due = {"$and": [window, _due(rule.hotel, limit)]}
        erased += erasure.erase_bookings(due, still=lambda session: _still(progress, session))
        reached("after_retention_window")
        if end is None:
            kept = {"$set": {"kept_at": now}, "$unset": {"looked_through": ""}}
            collection("retention_rules").update_one(progress, kept)
            break
        after = end
        if run_time.is_up:
            collection("retention_rules").update_one(progress, {"$set": {"looked_through": end}})
            break
    if erased:
        logger.info("retention_kept", extra={"hotel": rule.hotel, "bookings": erased})
    return erased


def _still(progress: dict[str, Any], session: ClientSession) -> bool:
    """Whether the rule is still there. The write lets someone who switches it off at this moment
    wait, or the erasure see it."""
    looked = collection("retention_rules").update_one(
        progress, {"$inc": {"batches": 1}}, session=session
    )
    return looked.matched_count == 1


def _end_of_window(after: ObjectId, last: ObjectId) -> ObjectId | None:
    """The id that ends the window after this one; None for the last window."""
    ids = collection("bookings").find({"_id": {"$gt": after, "$lte": last}}, {"_id": 1})
    found = next(ids.sort("_id", 1).skip(WINDOW - 1).limit(1), None)
    return found["_id"] if found else None


def _due(hotel_id: str, limit: date) -> dict[str, Any]:
    """The condition for stays of the hotel that ended before the day and were not erased."""
    over = {"hotel": hotel_id, "kind": STAY, "check_out": {"$lt": limit.isoformat()}}
    return {**over, **guest_details.IS_NOT_ERASED}


def _made_by(limit: date) -> ObjectId:
    """An id after those of all bookings of stays that ended before the day: none is made for a time
    that is over. A day is added for time zones and clocks."""
    moment = datetime.combine(limit + timedelta(days=1), time(), tzinfo=UTC)
    return ObjectId.from_datetime(moment)
