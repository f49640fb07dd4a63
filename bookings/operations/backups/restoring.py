"""Restoring a backup into an empty database.

A restore first marks the database as unfinished, and removes that mark last. While the mark is
there the doctor reports FAIL, the site is not ready, and only another restore may go on.
"""

import gzip
import secrets
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any, BinaryIO, cast

from bson import CodecOptions, decode_file_iter
from bson.errors import BSONError
from bson.raw_bson import RawBSONDocument
from pymongo.database import Database
from pymongo.errors import BulkWriteError, OperationFailure

from bookings.domain.booking import VERSION
from bookings.infrastructure.quantities import quantity
from bookings.operations.backups import folders
from bookings.operations.backups.errors import RestoreFailed
from bookings.points import reached

MARKER = "unfinished_restore"

# A drill restores into this database and drops it. The next drill also clears what a killed one
# left there.
DRILL_SUFFIX = "_drill"

_RAW: CodecOptions[RawBSONDocument] = CodecOptions(document_class=RawBSONDocument)

# Something else wrote: a collection or an index exists, or a unique index has a value twice.
_WRITTEN_BESIDE = frozenset({48, 85, 86, 11000})

# The disk that a restore needs on each member, as a multiple of the database's size. Moving the
# versions keeps the earlier documents for a while, a quarter (bench/backup.py), and indexes are
# sorted on disk.
ROOM = 1.5

# A few megabytes of bookings.
BATCH_SIZE = 1000


def name_drill(database: str) -> str:
    """The name of the database in which drills of this one take place."""
    return f"{database}{DRILL_SUFFIX}"


@dataclass(frozen=True)
class Restored:
    """What was restored. `source` is the database that was backed up, `taken_at` the moment of the
    backup (ISO 8601). If `is_older`, migrations are due."""

    source: str
    documents: int
    collections: int
    taken_at: str
    is_older: bool


def is_unfinished(database: Database) -> bool:
    """Whether a restore into this database began and did not finish."""
    return database[MARKER].find_one({}, {"_id": 1}) is not None


def refuse_filled(database: Database) -> None:
    """Raises RestoreFailed unless the database is empty or an unfinished restore."""
    names = database.list_collection_names()
    if names and not is_unfinished(database):
        raise RestoreFailed(_filled(database, len(names)))


def restore_backup(database: Database, backup: Path, *, known_migrations: set[str]) -> Restored:
    """Fills the database, which must be empty or an unfinished restore, and marks it as finished.

    Raises RestoreFailed, OSError or a driver's error. The database is then unchanged, or marked as
    unfinished, and the same call starts over.
    """
    restored, owner = fill(database, backup, known_migrations=known_migrations)
    finished = database[MARKER].delete_one({"_id": MARKER, "owner": owner})
    if finished.deleted_count != 1:
        raise RestoreFailed(_taken_over(database))
    database.drop_collection(MARKER)
    return restored


def fill(database: Database, backup: Path, *, known_migrations: set[str]) -> tuple[Restored, str]:
    """Like `restore_backup`, but leaves the mark; returns the mark's owner, too."""
    manifest = folders.read_manifest(backup, verify=True)
    collections = manifest["collections"]
    migrations = set(_migrations(backup, collections))
    _refuse_newer(backup, migrations, known_migrations)
    owner = _take(database, backup)
    try:
        _refuse_without_room(database, manifest)
        for described in collections:
            _run(database, {"create": described["name"], **described["options"]})
            if described["file"]:
                _fill_collection(database, described, backup)
        for described in collections:
            if indexes := list(_indexes(described)):
                _run(database, {"createIndexes": described["name"], "indexes": indexes})
        _move_versions(database, collections)
    except (RestoreFailed, OperationFailure) as error:
        if _is_ours(database, owner):
            raise
        raise RestoreFailed(_taken_over(database)) from error
    if not _is_ours(database, owner):
        raise RestoreFailed(_taken_over(database))
    documents = sum(described["documents"] for described in collections)
    restored = Restored(
        source=manifest["database"],
        documents=documents,
        collections=len(collections),
        taken_at=manifest["taken_at"],
        # A database that never had a migration is not an older site but something else.
        is_older=set() < migrations < known_migrations,
    )
    return restored, owner


def _move_versions(database: Database, collections: list[dict[str, Any]]) -> None:
    """Moves every booking's version past any that the lost database may have given out.

    Partners ignore versions lower than the last one they saw, and the ids of new events contain
    the version. The time in seconds, by MongoDB's clock, is past all of them: a version begins at
    1, or at the time of the previous restore, and no booking changes every second.
    """
    restored_at_s = {"$toLong": {"$divide": [{"$toLong": "$$NOW"}, 1000]}}
    for described in collections:
        if described["name"] == "bookings":
            database["bookings"].update_many(
                {},
                [{"$set": {"version": {"$max": [{"$add": [VERSION, 1]}, restored_at_s]}}}],
                bypass_document_validation=_has_validator(described),
            )


def said_by(error: OperationFailure) -> str:
    """MongoDB's code and message; those of the first document if it refused documents."""
    details: Any = error.details or {}
    errors = [*details.get("writeErrors", ()), *details.get("writeConcernErrors", ()), details]
    return f"MongoDB's {errors[0].get('code')}: {errors[0].get('errmsg')}"


def _is_ours(database: Database, owner: str) -> bool:
    return database[MARKER].find_one({"_id": MARKER, "owner": owner}, {"_id": 1}) is not None


def _filled(database: Database, collections: int) -> str:
    return (
        f"{database.name} holds {quantity(collections, 'collection')}, and a restore never "
        "overwrites anything; name a database that does not exist yet."
    )


def _taken_over(database: Database) -> str:
    return (
        f"Another restore into {database.name} began, or someone emptied the database; find out "
        "which before you restore again."
    )


def _run(database: Database, command: dict[str, Any]) -> None:
    """Runs the command, and waits until a majority has written the result."""
    try:
        database.command({**command, "writeConcern": database.write_concern.document})
    except OperationFailure as error:
        if error.code not in _WRITTEN_BESIDE:
            raise
        raise RestoreFailed(
            f"{database.name} holds data that this restore did not write ({said_by(error)}); make "
            "sure that nothing else writes into it, and run the same command again."
        ) from error


def empty(database: Database) -> None:
    """Drops every collection, the mark last; this needs no right to drop a whole database."""
    for name in database.list_collection_names():
        if name != MARKER:
            database.drop_collection(name)
    database.drop_collection(MARKER)


def _take(database: Database, backup: Path) -> str:
    """Marks the database as unfinished, empties it of an earlier try, returns the mark's owner."""
    names = set(database.list_collection_names())
    owner = secrets.token_hex(16)
    mark = {"owner": owner, "backup": backup.name}
    # Asks for the mark itself, since the restore that made it may have ended a moment ago.
    marked = database[MARKER].update_one(
        {"_id": MARKER}, {"$set": mark, "$currentDate": {"began_at": True}}, upsert=not names
    )
    if not marked.matched_count and marked.upserted_id is None:
        raise RestoreFailed(_filled(database, len(names)))
    for name in names - {MARKER}:
        database.drop_collection(name)
    return owner


def _fill_collection(database: Database, described: dict[str, Any], backup: Path) -> None:
    name = described["name"]
    collection = database.get_collection(name, codec_options=_RAW)
    try:
        with gzip.open(backup / described["file"]) as file:
            documents = decode_file_iter(cast(BinaryIO, file), _RAW)
            while batch := list(islice(documents, BATCH_SIZE)):
                collection.insert_many(batch, bypass_document_validation=_has_validator(described))
    except (BSONError, zlib.error, EOFError, gzip.BadGzipFile) as error:
        raise RestoreFailed(
            f"{described['file']} cannot be read; restore another backup."
        ) from error
    except BulkWriteError as error:
        raise RestoreFailed(
            f"MongoDB refused documents of {name} ({said_by(error)}); make sure that nothing else "
            f"writes into {database.name}, and run the same command again."
        ) from error
    reached("in_restore")
    found = collection.count_documents({})
    if found != described["documents"]:
        raise RestoreFailed(
            f"{name} has {quantity(found, 'document')} instead of {described['documents']:,}; make "
            f"sure that nothing else writes into {database.name}, and run the same command again."
        )


def _has_validator(described: dict[str, Any]) -> bool:
    """If so, writes bypass it, since stored documents may be older. That needs a right."""
    return "validator" in described["options"]


def _refuse_newer(backup: Path, migrations: set[str], known_migrations: set[str]) -> None:
    """This version would misread data that a newer version has changed."""
    unknown = sorted(migrations - known_migrations)
    if unknown:
        raise RestoreFailed(
            f"{backup} has migrations that this version does not know ({', '.join(unknown)}); "
            "restore it with the version that made it, or a newer one."
        )


def _refuse_without_room(database: Database, manifest: dict[str, Any]) -> None:
    """Every member writes the same data, so a full disk may stop all of them at once."""
    # MongoDB reports 0 for a database that does not exist yet; this one has its mark.
    stats = database.command("dbStats")
    # Older backups do not say their size, and some servers do not report their disk.
    needed_bytes, total_bytes = manifest.get("bytes_on_disk", 0), stats.get("fsTotalSize", 0)
    free_bytes = total_bytes - stats.get("fsUsedSize", 0)
    if total_bytes and free_bytes < needed_bytes * ROOM:
        # Dropped files stay for minSnapshotHistoryWindowInSeconds, 300 by default.
        # https://www.mongodb.com/docs/manual/reference/parameters/
        raise RestoreFailed(
            f"{database.name} would need {needed_bytes * ROOM / 1e9:.1f} GB, and MongoDB's disk "
            f"has {free_bytes / 1e9:.1f} GB left; give every member more room, or, after a failed "
            "try, wait six minutes for MongoDB to remove the dropped files."
        )


def _migrations(backup: Path, collections: list[dict[str, Any]]) -> Iterator[str]:
    for described in collections:
        if described["name"] == "django_migrations" and described["file"]:
            with gzip.open(backup / described["file"]) as file:
                for document in decode_file_iter(cast(BinaryIO, file)):
                    yield f"{document['app']}.{document['name']}"


def _indexes(described: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """The definitions in the form that createIndexes takes."""
    for index in described["indexes"]:
        if index["name"] == "_id_":
            continue
        definition = {name: value for name, value in index.items() if name != "ns"}
        # Without a collation an index compares bytes; created without one, it would inherit the
        # collection's.
        if "collation" in described["options"]:
            definition.setdefault("collation", {"locale": "simple"})
        yield definition
