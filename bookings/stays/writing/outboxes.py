"""Taking news that was passed on out of the outboxes."""

from collections.abc import Mapping

from bson import ObjectId
from pymongo import UpdateOne

from bookings.infrastructure.connections import collection


def empty_outboxes(passed_on: Mapping[ObjectId, list[str]]) -> None:
    """Takes the news with these ids, by booking, out of the outboxes; safe to repeat.

    The version stays: it is no change of the booking, and must not make one fail.
    """
    pulled = [
        UpdateOne({"_id": booking_id}, {"$pull": {"outbox": {"id": {"$in": ids}}}})
        for booking_id, ids in passed_on.items()
    ]
    if pulled:
        collection("bookings").bulk_write(pulled, ordered=False)
