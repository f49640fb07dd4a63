"""Whether the files of photos are where the rows say."""

import time

from bookings.content.photos import files
from bookings.content.photos.facts import files_of
from bookings.content.photos.files import StorageAway
from bookings.content.photos.rows import READY, WAITING
from bookings.infrastructure.connections import collection
from bookings.infrastructure.quantities import quantity
from bookings.operations.doctor.findings import Finding, ok, warn

# A bucket may need longer than this for all of them; the newest come first.
LOOK_FOR_S = 2.5


def photos() -> Finding:
    """Looks for the files of each photo, the newest photos first, until the time is up."""
    if not files.are_on():
        return ok("Photos are off; PHOTOS_FOLDER or PHOTOS_BUCKET would turn them on.")
    ends_at_s = time.monotonic() + LOOK_FOR_S
    looked_at, missing = 0, []
    rows = collection("photos").find({"state": {"$in": [READY, WAITING]}}).sort("_id", -1)
    try:
        for row in rows:
            if time.monotonic() > ends_at_s:
                break
            if not all(files.exists(name) for name in files_of(row)):
                missing.append(str(row["_id"]))
            looked_at += 1
    except StorageAway:
        return warn("The storage of the photos does not answer; mount the folder, or fix PHOTOS_*.")
    if missing:
        return warn(
            f"{quantity(len(missing), 'photo')} of {looked_at:,} "
            f"{'lacks' if len(missing) == 1 else 'lack'} files, such as {missing[0]}; restore "
            "the folder from a backup, or delete these photos in the admin."
        )
    return ok(f"{quantity(looked_at, 'photo')} looked at, none lacks a file.")
