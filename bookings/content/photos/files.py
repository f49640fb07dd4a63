"""The files of a photo in the storage, by name. Settings say which storage: a folder or a bucket.

A photo's files are in a folder `<id>-<digest>` of their own: `original` until the photo has been
converted, and then one file for each width and format. A file is never changed once it is there,
which is why browsers may keep it for a year.
"""

import logging
import re
import secrets
import time
from collections.abc import Callable, Iterable
from typing import Any, TypeVar

from django.conf import settings
from django.core.files.base import ContentFile
from django.core.files.storage import Storage, storages

logger = logging.getLogger(__name__)

Result = TypeVar("Result")

# None of a photo's pictures is wider than the photo, so a small photo has fewer.
WIDTHS = (480, 960, 1600, 2400)
FORMATS = {"avif": "image/avif", "webp": "image/webp", "jpg": "image/jpeg"}

# What a URL may name. A width of another release has files of its own.
PICTURE = re.compile(r"[0-9a-f]{24}-[0-9a-f]{16}/[1-9][0-9]{0,4}\.(?P<format>avif|webp|jpg)")

# Every name in the storage. A backup holds these and nothing else.
STORED = re.compile(r"[0-9a-f]{24}-[0-9a-f]{16}/(original|[1-9][0-9]{0,4}\.(avif|webp|jpg))")

# A storage that has just failed is not asked again for this long, and then by one thread first.
# Otherwise every photo on a page would hold a thread for as long as the storage may be silent.
PAUSE_S = 5.0

_silent_until_s = 0.0


class StorageAway(Exception):
    """The storage of the photos does not answer; try again in a minute."""


def are_on() -> bool:
    """Whether the settings name a storage for photos."""
    return "photos" in settings.STORAGES


def folder_of(photo: dict[str, Any]) -> str:
    """The folder of a row's files, which is also the part of their URLs that names the photo."""
    return f"{photo['_id']}-{photo['digest'][:16]}"


def original(photo: dict[str, Any]) -> str:
    """The name of the file as it was uploaded."""
    return f"{folder_of(photo)}/original"


def picture(photo: dict[str, Any], width: int, extension: str) -> str:
    """The name of the picture of this width in pixels and this format."""
    return f"{folder_of(photo)}/{width}.{extension}"


def pictures(photo: dict[str, Any]) -> list[str]:
    """The names of all pictures of a photo that is ready."""
    return [picture(photo, width, each) for width in photo["widths"] for each in FORMATS]


def write(name: str, content: bytes) -> None:
    """Writes a file, whole or not at all. Raises StorageAway."""
    _ask(lambda storage: storage.save(name, ContentFile(content)))


def read(name: str) -> bytes | None:
    """What is in the file; None if there is none. Raises StorageAway."""

    def read_all(storage: Storage) -> bytes:
        with storage.open(name) as file:
            content: bytes = file.read()
            return content

    try:
        return _ask(read_all)
    except FileNotFoundError:
        return None


def exists(name: str) -> bool:
    """Whether there is a file of this name. Raises StorageAway."""
    return _ask(lambda storage: storage.exists(name))


def remove(names: Iterable[str]) -> None:
    """Removes these files, if they are there. Raises StorageAway."""

    def remove_each(storage: Storage) -> None:
        for name in names:
            storage.delete(name)

    _ask(remove_each)


def remove_all(photo: dict[str, Any]) -> None:
    """Removes every file that the photo may have. Raises StorageAway."""
    widths = {*WIDTHS, *photo["widths"], *photo["planned_widths"]}
    made = [picture(photo, width, each) for width in sorted(widths) for each in FORMATS]
    remove([*made, original(photo)])


def can_be_used() -> bool:
    """Whether a file can be written, read and removed, and a missing one is known to be missing."""
    name, content = f"probe-{secrets.token_hex(8)}/original", b"probe"
    try:
        write(name, content)
        is_right = read(name) == content
        remove([name])
        is_right = is_right and read(name) is None
    except StorageAway:
        return False
    return is_right


def _ask(question: Callable[[Storage], Result]) -> Result:
    """Raises StorageAway or FileNotFoundError."""
    global _silent_until_s
    now_s = time.monotonic()
    if now_s < _silent_until_s:
        raise StorageAway
    if _silent_until_s:
        # This thread tries; others wait no longer than it does.
        _silent_until_s = now_s + PAUSE_S
    try:
        result = question(storages["photos"])
    except FileNotFoundError:
        _silent_until_s = 0.0
        raise
    except OSError as error:
        _silent_until_s = time.monotonic() + PAUSE_S
        logger.warning("photo_storage_away", extra={"reason": type(error).__name__})
        raise StorageAway from error
    _silent_until_s = 0.0
    return result
