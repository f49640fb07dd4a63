"""What the doctor says of photos and their files."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest
from bson import ObjectId
from pytest_django import Settings

from bookings import tasks
from bookings.content.photos import changes, files
from bookings.infrastructure.connections import collection
from bookings.operations.doctor import background, photos
from tests.content.photos.pictures import photo

pytestmark = [pytest.mark.mongo, pytest.mark.usefixtures("photo_folder")]


def add() -> ObjectId:
    photo_id = ObjectId()
    changes.add_photo(photo_id=photo_id, hotel_id="demo", category_id=None, content=photo(500, 300))
    return photo_id


def test_finds_the_files_of_photos() -> None:
    add()
    tasks.convert_photos()
    add()

    finding = photos.photos()

    assert (finding.level, finding.text) == ("ok", "2 photos looked at, none lacks a file.")


def test_names_a_photo_without_its_files(photo_folder: Path) -> None:
    photo_id = add()
    tasks.convert_photos()
    add()
    (lost,) = photo_folder.glob(f"{photo_id}-*/480.webp")
    lost.unlink()

    finding = photos.photos()

    assert finding.level == "warn"
    assert f"1 photo of 2 lacks files, such as {photo_id};" in finding.text


def test_warns_of_a_storage_that_is_away(photo_folder: Path) -> None:
    add()
    files._silent_until_s = float("inf")
    try:
        finding = photos.photos()
    finally:
        files._silent_until_s = 0.0

    assert (finding.level, "does not answer" in finding.text) == ("warn", True)


def test_says_that_photos_are_off(settings: Settings) -> None:
    settings.STORAGES = {name: each for name, each in settings.STORAGES.items() if name != "photos"}

    assert photos.photos().text.startswith("Photos are off")


def test_warns_of_a_photo_that_no_worker_converts() -> None:
    add()
    assert background.late_work().level == "ok"
    (row,) = collection("photos").find()
    earlier = row["created_at"] - timedelta(minutes=5)
    collection("photos").update_one({}, {"$set": {"created_at": earlier}})

    finding = background.late_work()

    assert finding.level == "warn"
    assert "a photo for 30" in finding.text
