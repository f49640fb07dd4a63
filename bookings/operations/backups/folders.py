"""Backups as folders on a disk: whole or absent, and readable only by their owner.

A backup is written under a name that begins with a dot. Once everything is on the disk it gets its
final name, the time in UTC. A process that is killed before that leaves nothing that looks whole.
One process at a time works in a folder, so it finds only leftovers under names with that dot.
"""

import contextlib
import fcntl
import hashlib
import os
import re
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

from bson import json_util
from bson.errors import BSONError

from bookings.operations.backups.errors import BackupFailed, RestoreFailed

# The layout of a backup's files. A backup with another number needs another version of the program.
FORMAT = 1

# A backup with an archive of photos, which earlier versions cannot restore.
FORMAT_WITH_PHOTOS = 2

MANIFEST = "manifest.json"

# In the format of `sha256sum`, so that a backup can be checked without Python.
DIGESTS = "SHA256SUMS"

# The process that works in a folder locks this file.
LOCK = ".lock"

_NAME = re.compile(r"\d{8}T\d{6}Z")
_UNFINISHED = ".unfinished-"
_DIGEST_LINE = re.compile(r"([0-9a-f]{64})  ([^/\0\n]+)")

# What a restore reads from a manifest, from its collections, and from their indexes.
_FIELDS = {"database": str, "taken_at": str, "collections": list}
_COLLECTION_FIELDS = {
    "name": str,
    "options": dict,
    "indexes": list,
    "file": str | None,
    "documents": int,
    "bytes": int,
}
_INDEX_FIELDS = {"name": str}
_PHOTO_FIELDS = {"file": str | None, "bytes": int, "files": int, "missing": list}

# Backups hold guests' names and addresses.
FOLDER_MODE, FILE_MODE = 0o700, 0o600

# At most this much of a file is in memory at a time.
CHUNK_BYTES = 1024 * 1024


@contextmanager
def only_process_in(folder: Path) -> Iterator[None]:
    """Keeps other backups out of the folder; the kernel ends that when this process is gone.

    Removes what a killed process left. Raises BackupFailed if another backup is running there.
    """
    if not folder.is_dir():
        raise BackupFailed(f"{folder} is not a folder; make it, or mount its volume.")
    # A file and not the folder, since NFS locks only what is open for writing. The file stays:
    # removing it could remove the lock of the next process.
    descriptor = os.open(folder / LOCK, os.O_RDWR | os.O_CREAT, FILE_MODE)
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise BackupFailed(f"Another backup is running in {folder}; wait for it.") from None
        for leftover in folder.glob(f"{_UNFINISHED}*"):
            if _NAME.fullmatch(leftover.name.removeprefix(_UNFINISHED)):
                shutil.rmtree(leftover)
        yield
    finally:
        os.close(descriptor)


@contextmanager
def new_backup(folder: Path, name: str) -> Iterator["UnfinishedBackup"]:
    """A backup to write. It gets its final name at the end of the `with`, or is removed.

    Call it inside `only_process_in` the folder.
    """
    unfinished, whole = folder / f"{_UNFINISHED}{name}", folder / name
    if whole.exists():
        raise BackupFailed(f"{whole} exists already; try again in a second.")
    try:
        unfinished.mkdir(mode=FOLDER_MODE)
        draft = UnfinishedBackup(unfinished, {})
        yield draft
        draft.seal()
        unfinished.rename(whole)
        _flush_folder(folder)
    except BaseException:
        shutil.rmtree(unfinished, ignore_errors=True)
        raise


@dataclass(frozen=True)
class UnfinishedBackup:
    """A backup that is being written; `digests` are of the files written so far."""

    path: Path
    digests: dict[str, str]

    @contextmanager
    def new_file(self, name: str) -> Iterator["DigestedFile"]:
        """A file to write; it is on the disk at the end of the `with`."""
        descriptor = os.open(self.path / name, os.O_WRONLY | os.O_CREAT | os.O_EXCL, FILE_MODE)
        with os.fdopen(descriptor, "wb", buffering=CHUNK_BYTES) as file:
            digested = DigestedFile(file)
            yield digested
            file.flush()
            os.fsync(descriptor)
        self.digests[name] = digested.sha256.hexdigest()

    def write_manifest(self, manifest: dict[str, Any]) -> None:
        """Writes the manifest as JSON, with MongoDB's extended JSON for what only BSON can hold."""
        text = json_util.dumps(
            {"format": FORMAT, **manifest},
            json_options=json_util.RELAXED_JSON_OPTIONS,
            indent=1,
            ensure_ascii=False,
        )
        with self.new_file(MANIFEST) as file:
            file.write(f"{text}\n".encode())

    def seal(self) -> None:
        """Writes the digests. Without them a folder does not count as a backup."""
        lines = "".join(f"{digest}  {name}\n" for name, digest in sorted(self.digests.items()))
        with self.new_file(DIGESTS) as file:
            file.write(lines.encode())
        _flush_folder(self.path)


class DigestedFile:
    """Counts and digests the bytes that it writes."""

    def __init__(self, file: IO[bytes]) -> None:
        self._file = file
        self.sha256 = hashlib.sha256()
        self.size = 0

    def write(self, data: bytes) -> int:
        """Returns the number of bytes written."""
        self.sha256.update(data)
        self.size += len(data)
        return self._file.write(data)

    def flush(self) -> None:
        self._file.flush()


def remove_oldest(folder: Path, *, keep: int, made: str, database: str) -> list[str]:
    """Removes this database's oldest backups until `keep` are left; returns the removed names.

    `made` always stays, whatever its name, since a clock may have been ahead. Folders that are not
    whole, or that belong to another database, neither count nor are touched. Call it inside
    `only_process_in` the folder.
    """
    removed = []
    others = [name for name in list_backups(folder, database=database) if name != made]
    for name in others[: max(0, len(others) - (keep - 1))]:
        # Under this name it is a leftover, if this process is killed half-way.
        doomed = folder / f"{_UNFINISHED}{name}"
        (folder / name).rename(doomed)
        _flush_folder(folder)
        shutil.rmtree(doomed)
        removed.append(name)
    return removed


def list_backups(folder: Path, *, database: str | None = None) -> list[str]:
    """The names of the whole backups in the folder, of one database or of any, oldest first.

    Whole means that every file is there at its size; `read_manifest(verify=True)` checks the bytes.
    """
    names = []
    for path in folder.iterdir():
        if _NAME.fullmatch(path.name) and not path.is_symlink():
            # A stray file or a damaged folder under such a name is no reason to fail.
            with contextlib.suppress(RestoreFailed, OSError):
                if database in (None, read_manifest(path)["database"]):
                    names.append(path.name)
    return sorted(names)


def read_manifest(backup: Path, *, verify: bool = False) -> dict[str, Any]:
    """What a whole backup holds; `verify` compares the digest of every file.

    Raises RestoreFailed if the folder is no backup, or is not whole.
    """
    damaged = f"{backup} is damaged: {{}}; restore another backup."
    try:
        lines = (backup / DIGESTS).read_text(encoding="utf-8").splitlines()
        matches = [_DIGEST_LINE.fullmatch(line) for line in lines]
        digests = {match[2]: match[1] for match in matches if match}
        data = (backup / MANIFEST).read_bytes()
    except (FileNotFoundError, NotADirectoryError, UnicodeDecodeError):
        raise RestoreFailed(f"{backup} is no backup; name a folder that backup made.") from None
    if digests.pop(MANIFEST, None) != hashlib.sha256(data).hexdigest():
        raise RestoreFailed(damaged.format(f"{MANIFEST} has changed"))
    try:
        manifest: Any = json_util.loads(data.decode())
    except (ValueError, TypeError, BSONError):
        manifest = None
    formats = (FORMAT, FORMAT_WITH_PHOTOS)
    if not isinstance(manifest, dict) or manifest.get("format") not in formats:
        raise RestoreFailed(
            f"{backup} has another format than this version's {FORMAT_WITH_PHOTOS}; restore it "
            "with the version that made it."
        )
    if not _is_complete(manifest):
        raise RestoreFailed(damaged.format(f"{MANIFEST} is incomplete"))
    described = [*manifest["collections"], *filter(None, [manifest.get("photos")])]
    files = {held["file"]: held["bytes"] for held in described if held["file"]}
    if files.keys() != digests.keys():
        raise RestoreFailed(damaged.format(f"{DIGESTS} and {MANIFEST} list different files"))
    for name, size in files.items():
        path = backup / name
        if not path.is_file() or path.stat().st_size != size:
            raise RestoreFailed(damaged.format(f"{name} is missing or cut short"))
        if verify and _digest(path) != digests[name]:
            raise RestoreFailed(damaged.format(f"{name} has changed"))
    return manifest


def _is_complete(manifest: dict[str, Any]) -> bool:
    """Whether the manifest has everything that a restore reads."""
    return (
        _has(manifest, _FIELDS)
        and all(
            _has(held, _COLLECTION_FIELDS)
            and all(_has(index, _INDEX_FIELDS) for index in held["indexes"])
            for held in manifest["collections"]
        )
        # Earlier versions knew no photos.
        and (manifest.get("photos") is None or _has(manifest["photos"], _PHOTO_FIELDS))
    )


def _has(value: object, fields: dict[str, Any]) -> bool:
    return isinstance(value, dict) and all(
        isinstance(value.get(name), kind) for name, kind in fields.items()
    )


def _digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _flush_folder(folder: Path) -> None:
    """Writes the names in the folder to the disk, too."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
