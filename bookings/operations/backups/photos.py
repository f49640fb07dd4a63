"""The files of photos in a backup: one archive, with the files that the snapshot's rows name.

A file is never changed once it is written, so it can be copied after the snapshot. A photo that was
deleted in between has lost its files, and one that was converted has lost its original: the
manifest names what is missing.
"""

import io
import tarfile
from pathlib import Path
from typing import Any, cast

from django.conf import settings
from pymongo.client_session import ClientSession
from pymongo.database import Database
from pymongo.read_concern import ReadConcern
from pymongo.read_preferences import ReadPreference

from bookings.content.photos import files
from bookings.content.photos.facts import files_of
from bookings.content.photos.files import StorageAway
from bookings.operations.backups import folders
from bookings.operations.backups.errors import BackupFailed, RestoreFailed

ARCHIVE = "photos.tar"


def list_photo_files(database: Database, session: ClientSession) -> list[str]:
    """The names of the files that photos need, as of the session's moment."""
    photos = database.get_collection(
        "photos", read_concern=ReadConcern(), read_preference=ReadPreference.PRIMARY
    )
    rows = photos.find({}, session=session).sort("_id")
    return [name for row in rows for name in files_of(row)]


def copy_photos(names: list[str], draft: folders.UnfinishedBackup) -> dict[str, Any]:
    """Copies these files into the backup, and returns what the manifest says of them.

    Raises BackupFailed if the storage does not answer.
    """
    said: dict[str, Any] = {"file": None, "bytes": 0, "files": 0, "missing": []}
    if not names:
        return said
    if not files.are_on():
        return {**said, "left_out": "PHOTOS_FOLDER is not set where the backup runs"}
    if settings.PHOTOS_BUCKET:
        # It keeps its files by itself, and may hold more than a volume for backups.
        reason = f"they are in the bucket {settings.PHOTOS_BUCKET}, whose versions keep them"
        return {**said, "left_out": reason}
    with draft.new_file(ARCHIVE) as file:
        with tarfile.open(fileobj=cast(Any, file), mode="w|", format=tarfile.USTAR_FORMAT) as tar:
            for name in names:
                content = _read(name)
                if content is None:
                    said["missing"].append(name)
                    continue
                # Neither time nor owner, so that equal photos make equal archives.
                member = tarfile.TarInfo(name)
                member.size, member.mode = len(content), folders.FILE_MODE
                tar.addfile(member, io.BytesIO(content))
                said["files"] += 1
        said |= {"file": ARCHIVE, "bytes": file.size}
    if not said["files"]:
        raise BackupFailed(
            "The storage has none of the photos that the database names; mount the folder that web "
            "and worker use, and try again."
        )
    return said


def put_back(backup: Path) -> int | None:
    """Puts the files into the storage, and returns how many; None if photos are off here.

    Checks the backup first. A file that is there already is written again, and is the same. Raises
    RestoreFailed.
    """
    photos = folders.read_manifest(backup, verify=True).get("photos")
    if not photos or not photos["file"]:
        return 0
    if not files.are_on():
        return None
    count = 0
    try:
        with tarfile.open(backup / photos["file"]) as tar:
            for member in tar:
                content = tar.extractfile(member)
                if not files.STORED.fullmatch(member.name) or content is None:
                    raise RestoreFailed(f"{photos['file']} is no archive that a backup made.")
                files.write(member.name, content.read())
                count += 1
    except tarfile.TarError as error:
        raise RestoreFailed(f"{photos['file']} cannot be read; restore another backup.") from error
    except StorageAway as error:
        raise RestoreFailed(
            "The photos cannot be written into PHOTOS_FOLDER, so nothing was restored; fix that, "
            "and run the same command again."
        ) from error
    return count


def _read(name: str) -> bytes | None:
    try:
        return files.read(name)
    except StorageAway as error:
        raise BackupFailed(
            "The photos' folder cannot be read; mount it where the backup runs, or fix "
            "PHOTOS_FOLDER."
        ) from error
