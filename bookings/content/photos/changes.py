"""What staff do with photos: upload, describe, order, delete.

An upload writes the row first, then the file, and then sets the photo waiting for the worker. If
its process dies in between, the row stays *uploading* for an hour and the worker removes both.
"""

import hashlib
from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import Any

from bson import ObjectId
from pymongo import UpdateOne
from pymongo.errors import DuplicateKeyError

from bookings.content.photos import files
from bookings.content.photos.judging import PhotoRefused, judge_file
from bookings.content.photos.rows import (
    DELETING,
    FAILED,
    READY,
    SHOWN,
    UPLOADING,
    WAITING,
    change_seen,
    change_unseen,
)
from bookings.infrastructure import clock, deadlines
from bookings.infrastructure.connections import collection
from bookings.infrastructure.recent_reads import announce_change
from bookings.points import reached

# For each hotel and each category. A few uploads at the same moment may exceed it by as many,
# which harms no one.
MAX_PHOTOS = 50

MAX_ALT = 300

# No request lasts this long, so an upload that is older has died.
UPLOAD_LEASE = timedelta(hours=1)

NOT_FOUND = "This hotel or category has been deleted, so the photo was not kept."
ENDED = "This photo was deleted while you uploaded it; open the page again and upload it once more."
USED = "This form has already uploaded another photo; open the page again."


def add_photo(
    *, photo_id: ObjectId, hotel_id: str, category_id: str | None, content: bytes
) -> bool:
    """Keeps a photo for the worker to convert; False if this form did so before.

    Raises PhotoRefused or StorageAway. After StorageAway the same call may be made again.
    """
    judge_file(content)
    photos = collection("photos")
    of = {"hotel_id": hotel_id, "category_id": category_id}
    digest = hashlib.sha256(content).hexdigest()
    others = list(photos.find({**of, "state": {"$in": SHOWN}}, {"position": 1}))
    row: dict[str, Any] = {
        "_id": photo_id,
        **of,
        "position": max((each["position"] for each in others), default=-1) + 1,
        "alt": {},
        "state": UPLOADING,
        "is_due": True,
        "error": "",
        "digest": digest,
        "width": 0,
        "height": 0,
        "widths": [],
        "planned_widths": [],
        "tries": 0,
        "taken_by": "",
        "lease_until": None,
        "created_at": clock.now(),
    }
    earlier = photos.find_one({"_id": photo_id})
    if earlier is None:
        if len(others) >= MAX_PHOTOS:
            raise PhotoRefused(f"There are {MAX_PHOTOS} photos here already; delete one first.")
        try:
            _insert_unseen(row)
        except DuplicateKeyError:
            earlier = photos.find_one({"_id": photo_id})
    if earlier is not None:
        if any(earlier[name] != row[name] for name in (*of, "digest")):
            raise PhotoRefused(USED)
        if earlier["state"] == DELETING:
            raise PhotoRefused(ENDED)
        if earlier["state"] != UPLOADING:
            return False
        # The same file again, after an answer that was lost: what is missing is done now.
    reached("photo_row_written")
    files.write(files.original(row), content)
    reached("photo_original_written")
    # The storage may have used up the request's time for MongoDB.
    return deadlines.with_new_budget(lambda: _hand_over(row))


def list_photos(hotel_id: str, category_id: str | None) -> list[dict[str, Any]]:
    """The rows of photos that staff see of a hotel itself or of a category, in their order."""
    of = {"hotel_id": hotel_id, "category_id": category_id}
    found = collection("photos").find({**of, "state": {"$in": SHOWN}})
    return list(found.sort([("position", 1), ("_id", 1)]))


def count_photos() -> dict[tuple[str, str | None], int]:
    """How many photos staff see, by hotel and category."""
    group = {"_id": {"hotel": "$hotel_id", "category": "$category_id"}, "n": {"$sum": 1}}
    found = collection("photos").aggregate(
        [{"$match": {"state": {"$in": SHOWN}}}, {"$group": group}]
    )
    return {(each["_id"]["hotel"], each["_id"]["category"]): each["n"] for each in found}


def hotels_with_photos(hotel_ids: Sequence[str]) -> set[str]:
    """Those of the hotels that have photos, their own or of a category."""
    of = {"hotel_id": {"$in": list(hotel_ids)}, "state": {"$in": SHOWN}}
    return {row["hotel_id"] for row in collection("photos").find(of, {"hotel_id": 1})}


def categories_with_photos(hotels: Mapping[str, str]) -> set[str]:
    """Those of the categories that have photos; `hotels` has the hotel of each by its id."""
    of = {
        "hotel_id": {"$in": sorted(set(hotels.values()))},
        "category_id": {"$in": list(hotels)},
        "state": {"$in": SHOWN},
    }
    return {row["category_id"] for row in collection("photos").find(of, {"category_id": 1})}


def order_photos(hotel_id: str, category_id: str | None, photo_ids: Sequence[ObjectId]) -> None:
    """Puts these photos first, in this order; those that are not named follow as they were."""
    rows = list_photos(hotel_id, category_id)
    wanted = {photo_id: place for place, photo_id in enumerate(photo_ids)}
    rows.sort(key=lambda row: wanted.get(row["_id"], len(wanted)))
    moved = [
        UpdateOne({"_id": row["_id"]}, {"$set": {"position": place}})
        for place, row in enumerate(rows)
        if row["position"] != place
    ]
    if moved:
        try:
            collection("photos").bulk_write(moved)
        finally:
            announce_change()


def describe_photo(
    hotel_id: str, category_id: str | None, photo_id: ObjectId, alt: Mapping[str, str]
) -> bool:
    """Sets the alternative texts in these languages, and leaves the others; an empty text removes
    what there was. False if there is no such photo."""
    of = {"_id": photo_id, "hotel_id": hotel_id, "category_id": category_id}
    change = {
        "$set": {f"alt.{language}": text for language, text in alt.items() if text},
        "$unset": {f"alt.{language}": "" for language, text in alt.items() if not text},
    }
    change = {how: fields for how, fields in change.items() if fields}
    shown = {**of, "state": {"$in": SHOWN}}
    if not change:
        return collection("photos").find_one(shown, {"_id": 1}) is not None
    return change_seen(shown, change) is not None


def delete_photo(hotel_id: str, category_id: str | None, photo_id: ObjectId) -> bool:
    """Takes the photo from the pages at once; a worker removes its files. False if there is none.

    A worker that is converting it keeps its lease, so that no one removes files beside it.
    """
    of = {"hotel_id": hotel_id, "category_id": category_id, "state": {"$in": SHOWN}}
    deleting = {"state": DELETING, "is_due": True, "tries": 0}
    return change_seen({"_id": photo_id, **of}, {"$set": deleting}) is not None


def _insert_unseen(row: dict[str, Any]) -> None:
    """Inserts a row that no guest sees yet, and that the worker leaves alone for an hour."""
    lease_until = row["created_at"] + UPLOAD_LEASE
    collection("photos").insert_one({**row, "lease_until": lease_until})


def _hand_over(row: dict[str, Any]) -> bool:
    """Gives the photo to the worker, unless what it shows has been deleted meanwhile.

    A deletion of a hotel or category looks for photos after it has deleted, so one of the two sees
    the other.
    """
    mine = {"_id": row["_id"], "state": UPLOADING, "taken_by": ""}
    name, key = (
        ("room_categories", row["category_id"])
        if row["category_id"] is not None
        else ("hotels", row["hotel_id"])
    )
    waiting = change_unseen(mine, {"$set": {"state": WAITING, "lease_until": None}})
    if waiting is not None:
        if collection(name).find_one({"_id": key}, {"_id": 1}) is None:
            deleting = {"state": DELETING, "is_due": True}
            change_unseen({"_id": row["_id"]}, {"$set": deleting})
            raise PhotoRefused(NOT_FOUND)
        return True
    found = collection("photos").find_one({"_id": row["_id"]}, {"state": 1})
    if found is None or found["state"] in (UPLOADING, DELETING):
        # The worker took the upload for dead, and may have removed its files already.
        files.remove([files.original(row)])
        raise PhotoRefused(ENDED)
    # The same form, sent twice at the same moment, and this one may have written last.
    _drop_late_original(row["_id"])
    return False


def _drop_late_original(photo_id: ObjectId) -> None:
    """Has the worker remove the original again, if it had done so before we wrote it."""
    change_unseen(
        {"_id": photo_id, "state": {"$in": [READY, FAILED]}},
        {"$set": {"is_due": True, "lease_until": None}},
    )
