"""Photos in a backup: the files that the rows of its moment name, and back into an empty folder."""

from __future__ import annotations

import hashlib
import io
import re
import shutil
import subprocess
import tarfile
from pathlib import Path
from typing import Any

import pytest
from bson import ObjectId
from django.core.management import CommandError, call_command
from pytest_django import Settings

from bookings import tasks
from bookings.content.photos import changes, files
from bookings.content.photos.facts import files_of
from bookings.infrastructure.connections import collection
from bookings.operations.backups import folders
from tests.content.photos.pictures import photo
from tests.operations.backups.conftest import back_up, restore, seal_again

pytestmark = [pytest.mark.mongo, pytest.mark.usefixtures("photo_folder")]


def add(*, is_converted: bool = True) -> dict[str, Any]:
    photo_id = ObjectId()
    changes.add_photo(photo_id=photo_id, hotel_id="demo", category_id=None, content=photo(500, 300))
    if is_converted:
        tasks.convert_photos()
    row = collection("photos").find_one({"_id": photo_id})
    assert row is not None
    return row


def kept(folder: Path) -> dict[str, bytes]:
    found = (path for path in folder.rglob("*") if path.is_file())
    return {str(path.relative_to(folder)): path.read_bytes() for path in found}


def said_of(backup: Path) -> dict[str, Any]:
    photos: dict[str, Any] = folders.read_manifest(backup, verify=True)["photos"]
    return photos


def test_brings_photos_back_as_they_were(folder: Path, photo_folder: Path, other: Any) -> None:
    add()
    waiting = add(is_converted=False)
    (photo_folder / "a-stray-file").write_bytes(b"stray")
    before = {name: each for name, each in kept(photo_folder).items() if "/" in name}
    backup = back_up(folder)
    shutil.rmtree(photo_folder)

    said = restore(backup, other.name)

    assert len(before) == 3 + 1
    assert kept(photo_folder) == before
    assert files.original(waiting) in before
    assert "4 files of photos are in the photos' folder." in said
    assert other["photos"].count_documents({}) == 2


def test_is_checked_like_everything_else(folder: Path) -> None:
    add()
    backup = back_up(folder)
    subprocess.run(["sha256sum", "--check", "--strict", "SHA256SUMS"], cwd=backup, check=True)
    archive = backup / "photos.tar"
    content = bytearray(archive.read_bytes())
    content[700] ^= 1
    archive.write_bytes(content)

    with pytest.raises(CommandError, match=r"photos.tar has changed; restore another backup"):
        call_command("restore", str(backup), verify=True)


def test_says_which_files_went_during_the_backup(folder: Path, at_point: Any) -> None:
    gone, stays = add(), add()

    def delete() -> None:
        changes.delete_photo("demo", None, gone["_id"])
        tasks.convert_photos()

    at_point("in_backup", delete)
    said = io.StringIO()
    call_command("backup", to=folder, stdout=said)

    backup = Path(said.getvalue().splitlines()[0].removeprefix("Backed up: "))
    assert sorted(said_of(backup)["missing"]) == sorted(files_of(gone))
    assert "Missing: 3 files of photos" in said.getvalue()
    with tarfile.open(backup / "photos.tar") as tar:
        assert sorted(tar.getnames()) == sorted(files_of(stays))


def test_makes_no_archive_without_photos(folder: Path) -> None:
    backup = back_up(folder)

    manifest = folders.read_manifest(backup)

    assert (manifest["format"], manifest["photos"]["file"]) == (folders.FORMAT, None)
    assert not (backup / "photos.tar").exists()


def test_has_another_format_with_photos(folder: Path) -> None:
    """An earlier version would call such a backup damaged."""
    add()

    assert folders.read_manifest(back_up(folder))["format"] == folders.FORMAT_WITH_PHOTOS


def test_reads_a_backup_of_a_version_without_photos(folder: Path, other: Any) -> None:
    backup = back_up(folder)
    seal_again(backup, lambda manifest: manifest.pop("photos"))

    said = restore(backup, other.name)

    assert "files of photos" not in said


def test_says_that_files_are_left_out(folder: Path, settings: Settings, other: Any) -> None:
    add()
    whole = back_up(folder)
    settings.STORAGES = {name: each for name, each in settings.STORAGES.items() if name != "photos"}
    said = io.StringIO()
    call_command("backup", to=folder.parent, stdout=said)

    assert "Left out: the files of photos, since PHOTOS_FOLDER is not set" in said.getvalue()
    assert "The files of photos were not put back" in restore(whole, other.name)


def test_fails_if_the_photos_cannot_be_read(
    folder: Path, photo_folder: Path, monkeypatch: pytest.MonkeyPatch, other: Any
) -> None:
    add()
    backup = back_up(folder)
    shutil.rmtree(photo_folder)
    photo_folder.write_text("no folder")
    with pytest.raises(CommandError, match="The photos' folder cannot be read"):
        back_up(folder.parent)
    monkeypatch.setattr(files, "_silent_until_s", 0.0)
    with pytest.raises(CommandError, match="so nothing was restored"):
        restore(backup, other.name)

    assert folders.list_backups(folder.parent) == []
    assert other.list_collection_names() == []


def test_puts_no_file_beside_the_photos(folder: Path, photo_folder: Path, other: Any) -> None:
    """Whoever can seal a backup could otherwise write anywhere."""
    add()
    backup = back_up(folder)
    archive = backup / "photos.tar"
    with tarfile.open(archive, "w") as tar:
        member = tarfile.TarInfo("../evil")
        member.size = 4
        tar.addfile(member, io.BytesIO(b"evil"))
    seal_again(backup, lambda manifest: manifest["photos"].update(bytes=archive.stat().st_size))
    sums = backup / folders.DIGESTS
    digest = hashlib.sha256(archive.read_bytes()).hexdigest()
    sums.write_text(re.sub(r"[0-9a-f]{64}  photos.tar", f"{digest}  photos.tar", sums.read_text()))

    with pytest.raises(CommandError, match="is no archive that a backup made"):
        restore(backup, other.name)

    assert not (photo_folder.parent / "evil").exists()
    assert other.list_collection_names() == []


def test_fails_if_the_storage_has_none_of_the_photos(folder: Path, photo_folder: Path) -> None:
    """A volume that was not mounted looks like an empty folder, and good backups would be lost."""
    add()
    shutil.rmtree(photo_folder)

    with pytest.raises(CommandError, match="mount the folder that web and worker use"):
        back_up(folder)


def test_brings_no_photo_back_for_a_database_that_is_refused(
    folder: Path, photo_folder: Path, other: Any
) -> None:
    add()
    backup = back_up(folder)
    shutil.rmtree(photo_folder)
    other["guests"].insert_one({})

    with pytest.raises(CommandError, match="never overwrites anything"):
        restore(backup, other.name)

    assert not photo_folder.exists()
