"""Removing news from the outboxes after it was passed on."""

from collections.abc import Mapping

from bson import ObjectId
from pymongo import UpdateOne

from bookings.infrastructure.connections import collection


def empty_outboxes(passed_on: Mapping[ObjectId, list[str]]) -> None:
    """Removes the notices with these ids, and their former addresses; safe to repeat.

    The version stays: this does not change the booking, and must not make a change fail.
    """
    pulled = [
        UpdateOne(
            {"_id": booking_id},
            {
                "$pull": {
                    "outbox": {"id": {"$in": ids}},
                    "former_addresses": {"notice": {"$in": ids}},
                }
            },
        )
        for booking_id, ids in passed_on.items()
    ]
    if pulled:
        collection("bookings").bulk_write(pulled, ordered=False)
