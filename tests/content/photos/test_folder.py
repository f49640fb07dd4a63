"""The folder of photos: files are whole or absent, and no empty folder stays."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from django.core.exceptions import SuspiciousFileOperation
from django.core.files.base import ContentFile

from bookingsite import photo_storage
from bookingsite.photo_storage import Folder

NAME = "a-b/480.jpg"


class Interrupted(ContentFile):
    """A file of which only the beginning can be read."""

    def chunks(self, chunk_size: int | None = None) -> Iterator[bytes]:
        yield b"the beginning"
        raise OSError("the disk is full")


@pytest.fixture
def storage(tmp_path: Path) -> Folder:
    return Folder(location=str(tmp_path / "photos"), allow_overwrite=True)


def test_shows_no_part_of_a_file(storage: Folder, tmp_path: Path) -> None:
    with pytest.raises(OSError, match="the disk is full"):
        storage.save(NAME, Interrupted(b""))

    assert [path for path in (tmp_path / "photos").rglob("*") if path.is_file()] == []


def test_keeps_the_whole_file_while_it_is_written_again(storage: Folder) -> None:
    storage.save(NAME, ContentFile(b"whole"))

    with pytest.raises(OSError, match="the disk is full"):
        storage.save(NAME, Interrupted(b""))

    with storage.open(NAME) as file:
        assert file.read() == b"whole"


def test_writes_under_the_same_name_again(storage: Folder) -> None:
    assert [storage.save(NAME, ContentFile(b"x")) for _ in range(2)] == [NAME, NAME]


def test_leaves_no_empty_folder_and_misses_no_file_that_is_gone(
    storage: Folder, tmp_path: Path
) -> None:
    storage.save(NAME, ContentFile(b"x"))
    storage.save("a-b/960.jpg", ContentFile(b"x"))

    for name in (NAME, NAME, "a-b/960.jpg", "a-b/960.jpg"):
        storage.delete(name)

    assert list((tmp_path / "photos").iterdir()) == []


def test_writes_while_another_process_removes_the_last_file(
    storage: Folder, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The folder may go between its making and the writing into it."""
    names = iter(["first", "second"])

    def choose_draft(_: int) -> str:
        if (name := next(names)) == "first":
            storage.delete("a-b/other")
        return name

    monkeypatch.setattr(photo_storage.secrets, "token_hex", choose_draft)

    storage.save(NAME, ContentFile(b"x"))

    assert next(names, None) is None, "the folder was there at once"
    assert storage.open(NAME).read() == b"x"


def test_writes_nowhere_else(storage: Folder, tmp_path: Path) -> None:
    with pytest.raises(SuspiciousFileOperation):
        storage.save("../evil", ContentFile(b"x"))

    assert not (tmp_path / "evil").exists()


def test_removes_what_a_writer_left_that_was_killed(storage: Folder, tmp_path: Path) -> None:
    storage.save(NAME, ContentFile(b"x"))
    storage.save("a-b/960.jpg", ContentFile(b"y"))
    (tmp_path / "photos" / "a-b" / ".480.jpg.0123").write_bytes(b"half")

    storage.delete(NAME)

    assert [path.name for path in (tmp_path / "photos").rglob("*.jpg*")] == ["960.jpg"]
