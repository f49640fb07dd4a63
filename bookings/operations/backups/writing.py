"""Writing a backup: every collection as it was at one moment, read past whoever is booking.

MongoDB keeps that moment for `minSnapshotHistoryWindowInSeconds`, 300 by default, and then the
reads fail; so a backup is of one moment or it is none. How much of that time it took stands in its
manifest, since backups grow with the site: one that takes half of it is a warning.
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
from bookings.points import reached

# Collections that come back empty, each with its reason.
LEFT_OUT = {
    "django_session": "who has logged out since would be logged in again",
    "letters": "each would be sent once more, and its link ends within a day anyway",
    "holders": "it counts what is held just now, and is written anew by the next holds",
}

# The fastest level. Another one makes a file that is a little smaller in twice the time.
GZIP_LEVEL = 1

WINDOW_PARAMETER = "minSnapshotHistoryWindowInSeconds"

# MongoDB's own, which is taken for the window of a server that may not be asked.
DEFAULT_WINDOW_S = 300

# Too old a moment, and one that MongoDB cannot show because a collection or an index is newer.
_TOO_OLD, _UNAVAILABLE = 239, 246


def write_backup(database: Database, folder: Path, *, application: str, keep: int | None) -> str:
    """Writes the database into a new folder inside `folder` and returns that one's name.

    With `keep` older backups of this database are removed until so many are left, this one
    included. Raises BackupFailed, OSError or a driver's error; then nothing is left of it.
    """
    with folders.only_process_in(folder):
        if restoring.is_unfinished(database):
            raise BackupFailed(
                f"{database.name} is an unfinished restore, so there is nothing to keep; finish "
                "it, or name another database in MONGODB_NAME."
            )
        try:
            name = _write(database, folder, application)
        except OperationFailure as error:
            if error.code not in (_TOO_OLD, _UNAVAILABLE):
                raise
            raise BackupFailed(
                "MongoDB no longer shows the moment that this backup is of, since it took longer "
                f"than {WINDOW_PARAMETER} or a migration ran; raise that parameter where every "
                "member is started, or try again when the site is quieter."
            ) from error
        if keep is not None:
            folders.remove_oldest(folder, keep=keep, made=name, database=database.name)
    return name


def ask_window_s(database: Database) -> int:
    """For how many seconds the primary shows a moment, or by default would."""
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
        # MongoDB's own clock: the moment itself stands still while nothing is written.
        began_at = database.command("hello")["localTime"]
        name = f"{began_at:%Y%m%dT%H%M%SZ}"
        with folders.new_backup(folder, name) as draft:
            for described in collections:
                described |= {"file": None, "documents": 0, "bytes": 0}
                if described["name"] not in LEFT_OUT:
                    described |= _copy(database, described["name"], session, draft)
                reached("in_backup")
            took_s = time.monotonic() - started_s
            # Reads of a moment do not show which collections and indexes there were at it.
            if _describe_collections(database) != [_definition(one) for one in collections]:
                raise BackupFailed(
                    "Collections or indexes changed meanwhile; try again once the migration is "
                    "over."
                )
            draft.write_manifest(
                {
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
            raise BackupFailed(f"{name} is no plain collection, so no moment of it can be read.")
        indexes = [dict(index) for index in database[name].list_indexes()]
        found.append({"name": name, "options": described["options"], "indexes": indexes})
    return sorted(found, key=lambda one: one["name"])


def _not_collections(database: Database) -> dict[str, str]:
    """What no session can show as of a moment, and none of which is the site's."""
    kinds = {one["name"]: one["type"] for one in database.list_collections()}
    return {
        name: f"its type is {kind}"
        for name, kind in kinds.items()
        if kind != "collection" and not name.startswith("system.")
    }


def _definition(described: dict[str, Any]) -> dict[str, Any]:
    return {name: described[name] for name in ("name", "options", "indexes")}


def _take_snapshot(database: Database, name: str, session: ClientSession) -> Timestamp:
    """The moment that the session shows from now on, by whichever collection it asks first."""
    question = {"find": name, "limit": 1, "singleBatch": True, "projection": {"_id": 1}}
    answer = database.command(question, session=session, read_preference=ReadPreference.PRIMARY)
    return cast(Timestamp, answer["cursor"]["atClusterTime"])


def _copy(
    database: Database, name: str, session: ClientSession, draft: folders.UnfinishedBackup
) -> dict[str, Any]:
    """Writes the collection's documents, byte for byte, into a file of its own."""
    # A collection's name may have a slash in it.
    file_name = f"{quote(name, safe='')}.bson.gz"
    documents = 0
    collection = database.get_collection(
        name,
        codec_options=CodecOptions(),
        read_concern=ReadConcern(),  # the session's own
        read_preference=ReadPreference.PRIMARY,
    )
    with draft.new_file(file_name) as file:
        # Neither name nor time in its header, so that equal data make equal files.
        with gzip.GzipFile("", "wb", GZIP_LEVEL, cast(Any, file), mtime=0) as packed:
            for batch in collection.find_raw_batches({}, session=session):
                packed.write(batch)
                documents += _count(batch)
        return {"file": file_name, "documents": documents, "bytes": file.size}


def _count(batch: bytes) -> int:
    """How many documents follow each other in the bytes; each begins with its length."""
    count = at = 0
    while at < len(batch):
        at += int.from_bytes(batch[at : at + 4], "little")
        count += 1
    return count
