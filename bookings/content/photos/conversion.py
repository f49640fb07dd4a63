"""The worker's share: it converts photos, and removes the files of those that are deleted.

A row is due while the worker has something to do for it. A worker takes the oldest due row for a
lease, by compare-and-set:

- waiting: convert the original, write the pictures, and only then say that the photo is ready.
- ready or failed: remove the original, which nothing needs any more and which may say where and
  by whom it was taken.
- deleting: remove all files, then the row.
- uploading: its lease belongs to the request that uploads it. A worker that may take it finds a
  request that never ended, and deletes the photo.

Before each photo the worker makes sure that the storage is the one with the photos. Where a volume
was not mounted, or the settings name another bucket, every original would seem to be gone.

A worker that is late renews its lease before each file and finds it lost. If it wrote a file of a
photo that was deleted meanwhile, it removes the file again.
"""

import json
import logging
import secrets
import subprocess
import sys
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pymongo import ReturnDocument

from bookings.content.photos import files, judging
from bookings.content.photos.files import StorageAway
from bookings.content.photos.rows import (
    DELETING,
    FAILED,
    READY,
    UPLOADING,
    WAITING,
    change_seen,
    change_unseen,
)
from bookings.infrastructure.connections import collection
from bookings.infrastructure.deadlines import request_limits
from bookings.infrastructure.mongodb import outage
from bookings.infrastructure.mongodb.errors import driver_error
from bookings.infrastructure.queues import failed_work
from bookings.infrastructure.queues.failed_work import PHOTOS, NeverFinished
from bookings.infrastructure.queues.retries import counted
from bookings.infrastructure.queues.single_run import RunTime, one_at_a_time
from bookings.points import reached

logger = logging.getLogger(__name__)

# The worst photo takes a third of this (docs/decisions/0047-photos.md). A run starts nothing new
# after 20 s, and a worker that must end has a minute.
CONVERT_TIMEOUT_S = 35.0

# Longer than a conversion; renewed before each file, which takes the storage a few seconds at most.
LEASE_MS = 60_000

# While the storage is away, or when a conversion took too long on a busy machine.
PAUSE_MS = 15_000

MAX_TRIES = 3

# How many ready photos may have lost their files, before the storage counts as another one.
_LOOKED_AT = 3

TOO_HARD = (
    "This photo takes too long to convert; save it again with fewer pixels, delete this one, and "
    "upload it again."
)
GONE = "The file of this photo is gone; delete this one, and upload it again."
UNREADABLE = (
    "This photo could not be read, because it is damaged or incomplete; save it again, delete this "
    "one, and upload it again."
)

_PROGRAM = Path(__file__).with_name("converting.py")


class _Unreadable(Exception):
    """The photo's pixels cannot be decoded."""


class _Unfinished(Exception):
    """The conversion took too long, took too much memory, or broke the decoder."""


class _LeaseLost(Exception):
    """Another worker has the photo, or it is being deleted."""


@dataclass(frozen=True)
class Converted:
    """A photo's width and height in pixels, and its pictures by width and format."""

    width: int
    height: int
    pictures: dict[tuple[int, str], bytes]

    @property
    def widths(self) -> list[int]:
        return sorted({width for width, _ in self.pictures})


@dataclass(frozen=True)
class PhotoFigures:
    """How many photos wait to be converted, for how long the oldest has, and how many failed."""

    waiting: int = 0
    failed: int = 0
    oldest_age_s: float = 0.0


@one_at_a_time
def work_on_photos() -> int:
    """Does what is due, the oldest first, until nothing is left or the run's time is up.

    Returns how many photos were converted.
    """
    if not files.are_on():
        return 0
    run, converted = RunTime(), 0
    while not run.is_up and (photo := _take()):
        try:
            _make_sure_of_storage()
            converted += _work_on(photo)
        except _LeaseLost:
            logger.warning("photo_lost", extra={"photo": str(photo["_id"])})
            _tidy_after(photo)
        except StorageAway:
            _put_off(photo)
            break
    return converted


def read_figures() -> PhotoFigures:
    """The figures of the photos that staff have uploaded and that are not ready."""
    photos = collection("photos")
    waiting = list(
        photos.aggregate(
            [
                {"$match": {"is_due": True, "state": WAITING}},
                {"$group": {"_id": None, "count": {"$sum": 1}, "first": {"$min": "$created_at"}}},
                {"$project": {"count": 1, "age_ms": {"$subtract": ["$$NOW", "$first"]}}},
            ]
        )
    )
    failed = photos.count_documents({"state": FAILED})
    if not waiting:
        return PhotoFigures(failed=failed)
    return PhotoFigures(waiting[0]["count"], failed, max(0.0, waiting[0]["age_ms"] / 1000))


def convert(content: bytes) -> Converted:
    """Converts a photo in a process of its own. Raises _Unreadable or _Unfinished."""
    arguments = [judging.kind_of(content) or "", judging.MAX_PIXELS, *files.WIDTHS]
    try:
        # Without variables, so that no password is near the decoders.
        done = subprocess.run(
            [sys.executable, "-I", _PROGRAM, *map(str, arguments)],
            input=content,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            env={},
            timeout=CONVERT_TIMEOUT_S,
            check=True,
        )
        head, _, data = done.stdout.partition(b"\n")
        told = json.loads(head)
    except (subprocess.SubprocessError, ValueError) as error:
        raise _Unfinished from error
    if error_name := told.get("error"):
        if error_name == "MemoryError":
            raise _Unfinished
        raise _Unreadable
    pictures, at = {}, 0
    for each in told["pictures"]:
        pictures[each["width"], each["format"]] = data[at : at + each["bytes"]]
        at += each["bytes"]
    return Converted(told["width"], told["height"], pictures)


def _take() -> dict[str, Any] | None:
    """Takes the oldest due photo for a lease; None if there is none."""
    with request_limits():
        return collection("photos").find_one_and_update(
            # No lease is null, which sorts before every date.
            {"is_due": True, "$expr": {"$lt": ["$lease_until", "$$NOW"]}},
            [
                {
                    "$set": {
                        "taken_by": secrets.token_hex(16),
                        "lease_until": {"$add": ["$$NOW", LEASE_MS]},
                        "tries": {"$add": [counted("$tries"), 1]},
                    }
                }
            ],
            sort=[("created_at", 1), ("_id", 1)],
            return_document=ReturnDocument.AFTER,
        )


def _make_sure_of_storage() -> None:
    """Raises StorageAway if photos are ready and the storage has not one of the first few."""
    with request_limits():
        ready = list(collection("photos").find({"state": READY}).limit(_LOOKED_AT))
    if ready and not any(files.exists(files.pictures(photo)[0]) for photo in ready):
        logger.error("photo_storage_is_another", extra={"photo": str(ready[0]["_id"])})
        raise StorageAway


def _work_on(photo: dict[str, Any]) -> bool:
    """Returns whether the photo is now ready. Raises _LeaseLost or StorageAway."""
    if photo["state"] == UPLOADING:
        _change(photo, {"$set": {"state": DELETING}}, of=UPLOADING)
        photo = {**photo, "state": DELETING}
    if photo["state"] == DELETING:
        files.remove_all(photo)
        reached("photo_files_removed")
        with request_limits():
            collection("photos").delete_one({"_id": photo["_id"], "state": DELETING})
        return False
    if photo["state"] in (READY, FAILED):
        _drop_original(photo)
        return False
    try:
        return _convert(photo)
    except (_LeaseLost, StorageAway):
        raise
    except Exception as error:
        if driver_error(error):
            # The lease runs out, and a worker tries again.
            if not outage.is_to_blame(error):
                logger.warning("photo_interrupted", extra={"photo": str(photo["_id"])})
            raise
        _fail(photo, TOO_HARD if isinstance(error, NeverFinished) else UNREADABLE)
        failed_work.note(PHOTOS, photo["_id"], error, is_over=True)
        said = {"photo": str(photo["_id"]), **failed_work.describe(error)}
        logger.error("photo_failed", extra=said)
        return False


def _convert(photo: dict[str, Any]) -> bool:
    # Each try may have ended with the death of its worker.
    if photo["tries"] > MAX_TRIES:
        raise NeverFinished
    content = files.read(files.original(photo))
    if content is None:
        _fail(photo, GONE)
        return False
    try:
        made = convert(content)
    except _Unreadable:
        _fail(photo, UNREADABLE)
        return False
    except _Unfinished:
        if photo["tries"] < MAX_TRIES:
            _put_off(photo, is_try=True)
        else:
            _fail(photo, TOO_HARD)
        return False
    # From now on the row says which files there may be.
    # A worker of another release may have written other widths before it died.
    planned = {"$setUnion": ["$planned_widths", made.widths]}
    _change(photo, [{"$set": {"planned_widths": planned}}], of=WAITING)
    for (width, extension), data in made.pictures.items():
        _renew(photo)
        files.write(files.picture(photo, width, extension), data)
        reached("photo_file_written")
    if not _is_of_something(photo):
        _change(photo, {"$set": {"state": DELETING}}, of=WAITING)
        raise _LeaseLost
    with request_limits():
        ready = change_seen(
            {"_id": photo["_id"], "taken_by": photo["taken_by"], "state": WAITING},
            {
                "$set": {
                    "state": READY,
                    "width": made.width,
                    "height": made.height,
                    "widths": made.widths,
                    "tries": 0,
                }
            },
        )
    if ready is None:
        raise _LeaseLost
    reached("photo_ready")
    logger.info("photo_ready", extra={"photo": str(photo["_id"])})
    _drop_original(ready)
    return True


def _is_of_something(photo: dict[str, Any]) -> bool:
    """Whether the photo's hotel or category still exists.

    The upload looks, too, but may die before it does.
    """
    name, key = (
        ("room_categories", photo["category_id"])
        if photo["category_id"] is not None
        else ("hotels", photo["hotel_id"])
    )
    with request_limits():
        return collection(name).find_one({"_id": key}, {"_id": 1}) is not None


def _fail(photo: dict[str, Any], sentence: str) -> None:
    failed = {"state": FAILED, "error": sentence, "tries": 0}
    _drop_original(_change(photo, {"$set": failed}, of=WAITING))


def _drop_original(photo: dict[str, Any]) -> None:
    files.remove([files.original(photo)])
    _change(photo, {"$set": {"is_due": False, "lease_until": None}}, of=photo["state"])


def _renew(photo: dict[str, Any]) -> None:
    _change(photo, [{"$set": {"lease_until": {"$add": ["$$NOW", LEASE_MS]}}}], of=WAITING)


def _change(photo: dict[str, Any], change: Any, *, of: str) -> dict[str, Any]:
    """Changes the row if it is still ours and in this state; raises _LeaseLost if it is not."""
    ours = {"_id": photo["_id"], "taken_by": photo["taken_by"], "state": of}
    with request_limits():
        row = change_unseen(ours, change)
    if row is None:
        raise _LeaseLost
    return row


def _put_off(photo: dict[str, Any], *, is_try: bool = False) -> None:
    """Leaves the photo for later. It counts as a try only if the photo itself is to blame."""
    later = {"lease_until": {"$add": ["$$NOW", PAUSE_MS]}}
    tries = photo["tries"] if is_try else photo["tries"] - 1
    with request_limits():
        change_unseen(
            {"_id": photo["_id"], "taken_by": photo["taken_by"]},
            [{"$set": {**later, "tries": tries}}],
        )


def _tidy_after(photo: dict[str, Any]) -> None:
    """Removes what this worker wrote late, if the photo has been deleted meanwhile."""
    with request_limits():
        row = collection("photos").find_one({"_id": photo["_id"]}, {"state": 1})
    if row is None or row["state"] == DELETING:
        # Without the storage the row is still due, unless another worker has just removed it.
        with suppress(StorageAway):
            files.remove_all(photo)
