"""What waits for a worker: dead holds to mark, and news to pass on."""

from collections.abc import Iterable
from datetime import date
from typing import Any

from bson import ObjectId

from bookings.domain.booking import ACTIVE, CONFIRMED, DEAD, EXPECTED, STAY
from bookings.infrastructure import clock
from bookings.infrastructure.connections import collection

# A metric should say quickly that there are many; the exact number is not worth the wait.
MAX_COUNTED = 10_000


def dead_among(booking_ids: Iterable[Any]) -> set[Any]:
    """Those of these bookings that are dead holds which no sweep has marked."""
    found = collection("bookings").find({**DEAD, "_id": {"$in": list(booking_ids)}}, {"_id": 1})
    return {hold["_id"] for hold in found}


def count_dead_holds() -> tuple[int, float]:
    """How many dead holds no sweep has marked, up to MAX_COUNTED, and for how many seconds the
    oldest one has been dead."""
    counted = list(
        collection("bookings").aggregate(
            [
                {"$match": DEAD},
                {"$sort": {"expires_at": 1}},
                {"$limit": MAX_COUNTED},
                {"$group": {"_id": None, "count": {"$sum": 1}, "first": {"$min": "$expires_at"}}},
                {"$project": {"count": 1, "age_ms": {"$subtract": ["$$NOW", "$first"]}}},
            ]
        )
    )
    return (counted[0]["count"], counted[0]["age_ms"] / 1000) if counted else (0, 0.0)


def find_arrivals(hotel: str, first: date, end: date) -> dict[ObjectId, date]:
    """The day of arrival of each confirmed stay of the hotel that begins in [first, end), by id."""
    found = collection("bookings").find(
        {
            "hotel": hotel,
            # One range of the index on slots, which is partial: the query repeats its condition.
            "slots": {"$elemMatch": {"$gte": f"{first}|", "$lt": f"{end}|"}},
            "status": {"$in": list(ACTIVE)},
            "check_in": {"$gte": first.isoformat(), "$lt": end.isoformat()},
        },
        {"check_in": 1, "status": 1, "kind": 1, "presence": 1},
    )
    return {
        stay["_id"]: date.fromisoformat(stay["check_in"])
        for stay in found
        if stay["status"] == CONFIRMED
        and stay["kind"] == STAY
        and stay.get("presence", EXPECTED) == EXPECTED
    }


def list_outboxes(*, limit: int, besides: list[Any]) -> list[dict[str, Any]]:
    """Documents of bookings with due news, roughly in the order in which it became due.

    `besides` are ids to leave out. The documents are not parsed: a damaged one must not hide the
    others.
    """
    condition = {"outbox.due_at": {"$lte": clock.now()}, "_id": {"$nin": besides}}
    return list(collection("bookings").find(condition, hint="outboxes").limit(limit))


def oldest_due_news_age_s(*, besides: list[Any]) -> float:
    """For how many seconds the oldest due news has waited; 0 if none is due.

    `besides` are ids of bookings to leave out.
    """
    now = clock.now()
    found = list(
        collection("bookings").aggregate(
            [
                {"$match": {"outbox.due_at": {"$lte": now}, "_id": {"$nin": besides}}},
                {"$limit": MAX_COUNTED},
                {"$project": {"due_at": {"$min": "$outbox.due_at"}}},
                {"$group": {"_id": None, "due_at": {"$min": "$due_at"}}},
            ],
            hint="outboxes",
        )
    )
    return (now - found[0]["due_at"]).total_seconds() if found else 0.0
