"""The rows of photos. Guests see those that are ready, so changes of these are announced."""

from typing import Any

from pymongo import ReturnDocument

from bookings.infrastructure.connections import collection
from bookings.infrastructure.recent_reads import announce_change
from bookings.models import Photo

UPLOADING, WAITING = Photo.State.UPLOADING.value, Photo.State.WAITING.value
READY, FAILED = Photo.State.READY.value, Photo.State.FAILED.value
DELETING = Photo.State.DELETING.value

# The states in which staff see a photo.
SHOWN = (WAITING, READY, FAILED)

# The order of a hotel's photos: its own first, then those of each category.
ORDER = [("category_id", 1), ("position", 1), ("_id", 1)]


def change_unseen(condition: dict[str, Any], change: Any) -> dict[str, Any] | None:
    """Changes a row in a way that guests do not see. Returns it, or None if no row fits."""
    return collection("photos").find_one_and_update(
        condition, change, return_document=ReturnDocument.AFTER
    )


def change_seen(condition: dict[str, Any], change: Any) -> dict[str, Any] | None:
    """Like `change_unseen`, and tells every process."""
    try:
        return collection("photos").find_one_and_update(
            condition, change, return_document=ReturnDocument.AFTER
        )
    finally:
        # Even after an error: the row may have been written all the same.
        announce_change()
