"""Removing news from the outboxes: after it was passed on, and where a guest is erased."""

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


def forget_former_addresses(spellings: list[str]) -> None:
    """Removes these addresses where a worker has yet to tell them that they were replaced.

    The version stays, since no one's decision depends on them.
    """
    # The first condition is that of the relay's index: they wait as long as their notice.
    waiting = {"outbox.due_at": {"$exists": True}, "former_addresses.email": {"$in": spellings}}
    removed = {"$pull": {"former_addresses": {"email": {"$in": spellings}}}}
    collection("bookings").update_many(waiting, removed)
