"""Bringing a backup back, into a database that is empty.

The first thing written is a mark that the database is unfinished, the last thing done is to take
it away. While it is there the doctor FAILs, the site is not ready, and only a restore goes on.
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

from bookings.backups import folders
from bookings.backups.errors import RestoreFailed
from bookings.points import reached

MARKER = "unfinished_restore"

# What a drill restores into, and drops; of a killed one the next drill begins with.
DRILL_SUFFIX = "_drill"

_RAW: CodecOptions[RawBSONDocument] = CodecOptions(document_class=RawBSONDocument)

# A collection or an index that is there already, and a value twice under a unique index.
_WRITTEN_BESIDE = frozenset({48, 85, 86, 11000})

# A few megabytes of bookings.
BATCH_SIZE = 1000


def name_drill(database: str) -> str:
    """The database that drills of this one take place in."""
    return f"{database}{DRILL_SUFFIX}"


@dataclass(frozen=True)
class Restored:
    """What came back; `taken_at` is the moment that it is of (ISO 8601)."""

    documents: int
    collections: int
    taken_at: str


def is_unfinished(database: Database) -> bool:
    """Whether a restore into this database began, and did not come to its end."""
    return database[MARKER].find_one({}, {"_id": 1}) is not None


def restore_backup(database: Database, backup: Path, *, known_migrations: set[str]) -> Restored:
    """Fills the database, which must be empty or an unfinished restore, and marks it as finished.

    Raises RestoreFailed, OSError or a driver's error; the database is then as it was, or marked
    as unfinished, and the same call begins anew.
    """
    restored, owner = fill(database, backup, known_migrations=known_migrations)
    finished = database[MARKER].delete_one({"_id": MARKER, "owner": owner})
    if finished.deleted_count != 1:
        raise RestoreFailed(f"Another restore took {database.name} over; wait for it.")
    database.drop_collection(MARKER)
    return restored


def fill(database: Database, backup: Path, *, known_migrations: set[str]) -> tuple[Restored, str]:
    """As `restore_backup`, but the database stays marked; returns with whose mark that is."""
    manifest = folders.read_manifest(backup, verify=True)
    collections = manifest["collections"]
    _refuse_newer(backup, collections, known_migrations)
    owner = _take(database, backup)
    for described in collections:
        _run(database, {"create": described["name"], **described["options"]})
        if described["file"]:
            _fill_collection(database, described, backup)
    for described in collections:
        indexes = [_index(index) for index in described["indexes"] if index["name"] != "_id_"]
        if indexes:
            _run(database, {"createIndexes": described["name"], "indexes": indexes})
    documents = sum(described["documents"] for described in collections)
    return Restored(documents, len(collections), manifest["taken_at"]), owner


def _run(database: Database, command: dict[str, Any]) -> None:
    """Whatever is written here is on a majority when it is done."""
    try:
        database.command({**command, "writeConcern": database.write_concern.document})
    except OperationFailure as error:
        if error.code not in _WRITTEN_BESIDE:
            raise
        raise RestoreFailed(
            f"Something else writes into {database.name}; stop it, and run the same command again."
        ) from error


def empty(database: Database) -> None:
    """Drops every collection, the mark last; no right to drop a whole database is needed."""
    for name in database.list_collection_names():
        if name != MARKER:
            database.drop_collection(name)
    database.drop_collection(MARKER)


def _take(database: Database, backup: Path) -> str:
    """Marks the database as unfinished and empties it of an earlier try; returns whose mark."""
    names = set(database.list_collection_names())
    if names and not is_unfinished(database):
        raise RestoreFailed(
            f"{database.name} holds {len(names)} collections, and nothing is ever overwritten; "
            "name a database that does not exist yet."
        )
    owner = secrets.token_hex(16)
    mark = {"owner": owner, "backup": backup.name}
    database[MARKER].update_one(
        {"_id": MARKER}, {"$set": mark, "$currentDate": {"began_at": True}}, upsert=True
    )
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
                collection.insert_many(batch)
    except (BSONError, zlib.error, EOFError, gzip.BadGzipFile) as error:
        raise RestoreFailed(f"{described['file']} cannot be read; restore another.") from error
    except BulkWriteError as error:
        raise RestoreFailed(
            f"MongoDB refused documents of {name}; see that nothing else writes into "
            f"{database.name}, and run the same command again."
        ) from error
    reached("in_restore")
    found = collection.count_documents({})
    if found != described["documents"]:
        raise RestoreFailed(
            f"{name} has {found} documents instead of {described['documents']}; see that nothing "
            f"else writes into {database.name}, and run the same command again."
        )


def _refuse_newer(
    backup: Path, collections: list[dict[str, Any]], known_migrations: set[str]
) -> None:
    """Data that a newer version has changed would be misread by this one."""
    unknown = sorted(set(_migrations(backup, collections)) - known_migrations)
    if unknown:
        raise RestoreFailed(
            f"{backup} has had migrations that this version does not know ({', '.join(unknown)}); "
            "restore it with the version that made it, or a newer one."
        )


def _migrations(backup: Path, collections: list[dict[str, Any]]) -> Iterator[str]:
    for described in collections:
        if described["name"] == "django_migrations" and described["file"]:
            with gzip.open(backup / described["file"]) as file:
                for document in decode_file_iter(cast(BinaryIO, file)):
                    yield f"{document['app']}.{document['name']}"


def _index(index: dict[str, Any]) -> dict[str, Any]:
    """The definition as createIndexes takes it."""
    return {name: value for name, value in index.items() if name != "ns"}
