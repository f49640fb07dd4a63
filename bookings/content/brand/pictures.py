"""A logo or an icon as staff upload it: judged by its first bytes, and converted by a program."""

import hashlib
import json
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from bookings.content.photos.judging import NoSize, kind_of, size_of

MAX_BYTES = 1_000_000
MAX_PIXELS = 4_000_000
MAX_SIDE = 8_000

ACCEPTED = "PNG, JPEG or WebP"
_KINDS = ("PNG", "JPEG", "WEBP")

# The slowest takes a thirtieth of this on an idle machine. The system ends a harmful one after ten
# seconds of its processor.
TIMEOUT_S = 20.0

_PROGRAM = Path(__file__).with_name("converting.py")

Use = Literal["logo", "icon"]


class PictureRefused(Exception):
    """Why a file is not accepted, in one sentence for staff."""


@dataclass(frozen=True)
class Rendering:
    """A converted picture. `format` is `png` or `webp`."""

    format: str
    width: int
    height: int
    content: bytes


@dataclass(frozen=True)
class Artwork:
    """The pictures that were made of one file, the smallest first.

    `digest` names them in their addresses. `tone` is `dark` or `light` if a logo needs a ground of
    its own on pages of that kind, else empty.
    """

    digest: str
    tone: str
    pictures: tuple[Rendering, ...]


def convert(content: bytes, use: Use) -> Artwork:
    """Judges an uploaded file and makes the pictures of it. Raises PictureRefused."""
    kind = _judge(content)
    try:
        # Without variables, so that no password is near the decoders.
        done = subprocess.run(
            [sys.executable, "-I", _PROGRAM, kind, use, str(MAX_PIXELS)],
            input=content,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            env={},
            timeout=TIMEOUT_S,
            check=True,
        )
        head, _, data = done.stdout.partition(b"\n")
        told = json.loads(head)
    except (subprocess.SubprocessError, ValueError) as error:
        raise PictureRefused(
            f"This picture takes too long to convert; save it smaller, as {ACCEPTED}."
        ) from error
    if "error" in told:
        raise PictureRefused(_DAMAGED)
    pictures, at = [], 0
    for each in told["pictures"]:
        own = data[at : at + each["bytes"]]
        pictures.append(Rendering(each["format"], each["width"], each["height"], own))
        at += each["bytes"]
    digest = hashlib.sha256(data).hexdigest()[:32]
    return Artwork(digest, told["tone"], tuple(pictures))


_DAMAGED = f"This file is damaged or incomplete; save it again as {ACCEPTED}."


def _judge(content: bytes) -> str:
    """The file's format. Raises PictureRefused."""
    if not content:
        raise PictureRefused("This file is empty; choose another one.")
    if len(content) > MAX_BYTES:
        raise PictureRefused("This file is too large; choose one of at most 1 MB.")
    kind = kind_of(content)
    if kind is None or kind not in _KINDS:
        if b"<svg" in content[:2000].lower():
            raise PictureRefused(f"This is an SVG; save it as {ACCEPTED}.")
        raise PictureRefused(f"This is not a picture in a known format; save it as {ACCEPTED}.")
    try:
        width, height = size_of(content, kind)
    except NoSize:
        raise PictureRefused(_DAMAGED) from None
    if width * height > MAX_PIXELS or max(width, height) > MAX_SIDE:
        raise PictureRefused(
            f"This picture has {width:,} × {height:,} pixels; make it smaller, to at most "
            f"{MAX_PIXELS // 1_000_000} megapixels and {MAX_SIDE:,} pixels on a side."
        )
    if not width or not height:
        raise PictureRefused(_DAMAGED)
    return kind
