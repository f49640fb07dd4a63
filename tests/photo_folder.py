"""The folder of photos that a test fills."""

from __future__ import annotations

from pathlib import Path

import pytest
from pytest_django import Settings

from bookings.content.photos import files


@pytest.fixture
def photo_folder(settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "photos"
    backend = {
        "BACKEND": "bookingsite.photo_storage.Folder",
        "OPTIONS": {"location": str(folder), "allow_overwrite": True},
    }
    settings.STORAGES = {**settings.STORAGES, "photos": backend}
    monkeypatch.setattr(files, "_silent_until_s", 0.0)
    return folder
