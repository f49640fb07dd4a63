"""Where photos are stored: a folder, for Django's storage API. Every error is an OSError."""

import contextlib
import os
import secrets
from pathlib import Path
from typing import Any

from django.core.files import File
from django.core.files.storage import FileSystemStorage


class Folder(FileSystemStorage):
    """A folder whose files are whole or absent, and which leaves no empty folders behind."""

    def _save(self, name: str, content: File) -> str:
        """Writes beside the name, and renames: a reader, or another writer of the same file, never
        sees a part of it."""
        path = Path(self.path(name))
        # Again if another process has just removed the folder of its last file.
        for is_last in (False, True):
            path.parent.mkdir(parents=True, exist_ok=True)
            # Named after the file, so that a draft of a process that died goes with it.
            draft = path.with_name(f".{path.name}.{secrets.token_hex(8)}")
            try:
                with draft.open("xb") as file:
                    for chunk in content.chunks():
                        file.write(chunk)
                    file.flush()
                    os.fsync(file.fileno())
                draft.replace(path)
            except FileNotFoundError:
                if is_last:
                    raise
            except BaseException:
                draft.unlink(missing_ok=True)
                raise
            else:
                break
        _flush(path.parent)
        return name

    def delete(self, name: str) -> None:
        """Removes the file, and its folder if that is empty now; a file that is gone is fine."""
        path = Path(self.path(name))
        path.unlink(missing_ok=True)
        for draft in path.parent.glob(f".{path.name}.*"):
            draft.unlink(missing_ok=True)
        with contextlib.suppress(OSError):
            path.parent.rmdir()


def _flush(folder: Path) -> None:
    """Writes the names in the folder to the disk, too."""
    descriptor: Any = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
