"""Writing a backup: every collection as of one moment, while bookings go on.

MongoDB keeps that moment for `minSnapshotHistoryWindowInSeconds`, 300 by default, and then reads
fail; so a backup is of one moment, or there is none. The manifest notes how much of that time the
backup took: backups grow with the site, and one that takes half of the time prints a warning.
"""

import gzip
import time
from datetime import UTC
from pathlib import Path
from typing import Any, cast
from urllib.parse import quote

from bson import CodecOptions, Timestamp
from pymongo.client_session import ClientSession
from pymongo.database import Database
from pymongo.errors import OperationFailure
from pymongo.read_concern import ReadConcern
from pymongo.read_preferences import ReadPreference

from bookings.operations.backups import folders, restoring
from bookings.operations.backups.errors import BackupFailed
from bookings.operations.backups.folders import FORMAT, FORMAT_WITH_PHOTOS
from bookings.operations.backups.photos import copy_photos, list_photo_files
from bookings.points import reached

# Collections that are restored empty, each with the reason.
LEFT_OUT = {
    "django_session": "a restored one would log people in again who have logged out since",
    "night_changes": "each can be undone for a day, and its nights are restored as they were",
    "letters": "each would be sent again, and its link ends within a day anyway",
    "holders": "it counts the present holds, and the next holds write it again",
}

# The fastest level. A higher one makes the file a little smaller in twice the time.
GZIP_LEVEL = 1

WINDOW_PARAMETER = "minSnapshotHistoryWindowInSeconds"

# MongoDB's default, assumed for a server that may not be asked.
DEFAULT_WINDOW_S = 300

# The moment is too old, or MongoDB cannot show it because a collection or an index is newer.
_TOO_OLD, _UNAVAILABLE = 239, 246


def write_backup(database: Database, folder: Path, *, application: str, keep: int | None) -> str:
    """Writes the database into a new folder inside `folder`, and returns the new folder's name.

    With `keep`, removes older backups of this database until that many are left, the new one
    included. Raises BackupFailed, OSError or a driver's error; then nothing of it is left.
    """
    with folders.only_process_in(folder):
        if restoring.is_unfinished(database):
            raise BackupFailed(
                f"{database.name} is an unfinished restore, so there is nothing to back up; finish "
                "it, or name another database in MONGODB_NAME."
            )
        try:
            name = _write(database, folder, application)
        except OperationFailure as error:
            if error.code not in (_TOO_OLD, _UNAVAILABLE):
                raise
            raise BackupFailed(
                "MongoDB no longer shows the moment of this backup, which took longer than "
                f"{WINDOW_PARAMETER} or met a migration; start every member with a higher value, "
                "or try again when the site is quieter."
            ) from error
        if keep is not None:
            folders.remove_oldest(folder, keep=keep, made=name, database=database.name)
    return name


def ask_window_s(database: Database) -> int:
    """For how many seconds the primary keeps a moment readable; the default if it may not say."""
    try:
        answer = database.client.admin.command({"getParameter": 1, WINDOW_PARAMETER: 1})
    except OperationFailure:
        return DEFAULT_WINDOW_S
    return int(answer[WINDOW_PARAMETER])


def _write(database: Database, folder: Path, application: str) -> str:
    collections = _describe_collections(database)
    if not collections:
        raise BackupFailed(f"{database.name} is empty; name the site's database in MONGODB_NAME.")
    window_s = ask_window_s(database)
    with database.client.start_session(snapshot=True) as session:
        started_s = time.monotonic()
        moment = _take_snapshot(database, collections[0]["name"], session)
        taken_at = moment.as_datetime().astimezone(UTC)
        # MongoDB's wall clock: the snapshot's own time stands still while nothing is written.
        began_at = database.command("hello")["localTime"]
        name = f"{began_at:%Y%m%dT%H%M%SZ}"
        with folders.new_backup(folder, name) as draft:
            for described in collections:
                described |= {"file": None, "documents": 0, "bytes": 0}
                if described["name"] not in LEFT_OUT:
                    described |= _copy(database, described["name"], session, draft)
                reached("in_backup")
            photo_files = list_photo_files(database, session)
            took_s = time.monotonic() - started_s
            # A snapshot does not show which collections and indexes existed at its moment.
            if _describe_collections(database) != [_definition(one) for one in collections]:
                raise BackupFailed(
                    "Collections or indexes changed during the backup; try again when the "
                    "migration has ended."
                )
            # Files never change, so they need no snapshot and no part of its time.
            photos = copy_photos(photo_files, draft)
            draft.write_manifest(
                {
                    "format": FORMAT_WITH_PHOTOS if photos["file"] else FORMAT,
                    "photos": photos,
                    "application": application,
                    "database": database.name,
                    "server": database.client.server_info()["version"],
                    "taken_at": taken_at.isoformat(),
                    "cluster_time": {"t": moment.time, "i": moment.inc},
                    "bytes_on_disk": int(database.command("dbStats")["totalSize"]),
                    "read_in_s": round(took_s, 1),
                    "window_s": window_s,
                    "left_out": LEFT_OUT | _not_collections(database),
                    "collections": collections,
                }
            )
    return name


def _describe_collections(database: Database) -> list[dict[str, Any]]:
    """Every collection's name, options and indexes, in the order of their names."""
    found = []
    for described in database.list_collections():
        name = described["name"]
        if name.startswith("system.") or name == restoring.MARKER:
            continue
        if described["type"] != "collection":
            continue
        if described["options"].get("capped"):
            raise BackupFailed(f"{name} is capped, so no snapshot can read it; move it elsewhere.")
        indexes = [dict(index) for index in database[name].list_indexes()]
        found.append({"name": name, "options": described["options"], "indexes": indexes})
    return sorted(found, key=lambda one: one["name"])


def _not_collections(database: Database) -> dict[str, str]:
    """Views and time series, which a session cannot read as of a moment; the site has none."""
    kinds = {one["name"]: one["type"] for one in database.list_collections()}
    return {
        name: f"its type is {kind}"
        for name, kind in kinds.items()
        if kind != "collection" and not name.startswith("system.")
    }


def _definition(described: dict[str, Any]) -> dict[str, Any]:
    return {name: described[name] for name in ("name", "options", "indexes")}


def _take_snapshot(database: Database, name: str, session: ClientSession) -> Timestamp:
    """The moment that the session shows from now on; any collection's first read sets it."""
    question = {"find": name, "limit": 1, "singleBatch": True, "projection": {"_id": 1}}
    answer = database.command(question, session=session, read_preference=ReadPreference.PRIMARY)
    return cast(Timestamp, answer["cursor"]["atClusterTime"])


def _copy(
    database: Database, name: str, session: ClientSession, draft: folders.UnfinishedBackup
) -> dict[str, Any]:
    """Writes the collection's documents, byte for byte, into a file of its own."""
    # A collection's name may contain a slash.
    file_name = f"{quote(name, safe='')}.bson.gz"
    documents = 0
    collection = database.get_collection(
        name,
        codec_options=CodecOptions(),
        read_concern=ReadConcern(),  # the session's
        read_preference=ReadPreference.PRIMARY,
    )
    with draft.new_file(file_name) as file:
        # The header has neither name nor time, so that equal data make equal files.
        with gzip.GzipFile("", "wb", GZIP_LEVEL, cast(Any, file), mtime=0) as packed:
            for batch in collection.find_raw_batches({}, session=session):
                packed.write(batch)
                documents += _count(batch)
        return {"file": file_name, "documents": documents, "bytes": file.size}


def _count(batch: bytes) -> int:
    """How many documents the bytes hold one after another; each begins with its length."""
    count = at = 0
    while at < len(batch):
        at += int.from_bytes(batch[at : at + 4], "little")
        count += 1
    return count
