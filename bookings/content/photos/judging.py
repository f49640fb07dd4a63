"""Judging an uploaded file by its first bytes and its header. No decoder is asked here."""

import struct
from collections.abc import Iterator

MAX_BYTES = 25_000_000

# The worker holds all pixels of a photo in memory, three or four bytes each.
MAX_PIXELS = 50_000_000
# What a JPEG, a WebP or a browser can have on one side ends at about this.
MAX_SIDE = 16_000

# Cameras and programs write a few dozen at most.
MAX_SEGMENTS = 1_000

# The markers of JPEG that begin a frame.
_FRAMES = {0xC0, 0xC1, 0xC2, 0xC3, 0xC5, 0xC6, 0xC7, 0xC9, 0xCA, 0xCB, 0xCD, 0xCE, 0xCF}

ACCEPTED = "JPEG, PNG, WebP or AVIF"
DAMAGED = f"This file is damaged or incomplete; save it again as {ACCEPTED}."


class PhotoRefused(Exception):
    """Why a photo is not accepted, in one sentence for staff."""


def judge_file(content: bytes) -> None:
    """Raises PhotoRefused unless this looks like a photo that the worker can convert."""
    if not content:
        raise PhotoRefused("This file is empty; choose another one.")
    if len(content) > MAX_BYTES:
        raise PhotoRefused(f"This file is too large; choose one of at most {MAX_MB} MB.")
    kind = kind_of(content)
    if kind is None:
        raise PhotoRefused(f"This is not a photo in a known format; save it as {ACCEPTED}.")
    try:
        width, height = size_of(content, kind)
    except NoSize:
        raise PhotoRefused(DAMAGED) from None
    if width * height > MAX_PIXELS or max(width, height) > MAX_SIDE:
        raise PhotoRefused(
            f"This photo has {width:,} × {height:,} pixels; make it smaller, to at most "
            f"{MAX_PIXELS // 1_000_000} megapixels and {MAX_SIDE:,} pixels on a side."
        )


MAX_MB = MAX_BYTES // 1_000_000


def kind_of(content: bytes) -> str | None:
    """JPEG, PNG, WEBP or AVIF by the first bytes, whatever the file is called; else None."""
    if content.startswith(b"\xff\xd8\xff"):
        return "JPEG"
    if content.startswith(b"\x89PNG\r\n\x1a\n"):
        return "PNG"
    if content[:4] == b"RIFF" and content[8:12] == b"WEBP":
        return "WEBP"
    # The brand says which of the many formats in this container it is; HEIC and films are others.
    if content[4:12] == b"ftypavif":
        return "AVIF"
    return None


class NoSize(Exception):
    """The file does not say how large its picture is."""


def size_of(content: bytes, kind: str) -> tuple[int, int]:
    """Width and height as the header states them; `kind` is from `kind_of`. Raises NoSize.

    The library's readers look at all of a file, some in quadratic time or with much memory, and
    this runs in a process that serves guests. So only a bounded part is read here.
    """
    read = {
        "JPEG": _size_of_jpeg,
        "PNG": _size_of_png,
        "WEBP": _size_of_webp,
        "AVIF": _size_of_avif,
    }
    try:
        return read[kind](content)
    except (struct.error, IndexError):
        raise NoSize from None


def _size_of_png(content: bytes) -> tuple[int, int]:
    """https://www.w3.org/TR/png-3/#11IHDR: the first chunk has the size."""
    if content[12:16] != b"IHDR":
        raise NoSize
    width, height, *_rest = struct.unpack_from(">IIBBBBBI", content, 16)
    return width, height


def _size_of_jpeg(content: bytes) -> tuple[int, int]:
    """ITU-T T.81, B.2: segments with a marker and a length, until that of a frame."""
    at = 2
    for _ in range(MAX_SEGMENTS):
        mark, marker, length = struct.unpack_from(">BBH", content, at)
        if mark != 0xFF:
            raise NoSize
        if marker in _FRAMES:
            height, width = struct.unpack_from(">HH", content, at + 5)
            return width, height
        at += 2 + length
    raise NoSize


def _size_of_webp(content: bytes) -> tuple[int, int]:
    """Width and height as the first chunk states them: https://www.rfc-editor.org/rfc/rfc9649."""
    if len(content) < 30 or len(content) < 8 + struct.unpack_from("<I", content, 4)[0]:
        raise NoSize
    chunk = content[12:16]
    if chunk == b"VP8X":
        wide, high = content[24:27], content[27:30]
        return int.from_bytes(wide, "little") + 1, int.from_bytes(high, "little") + 1
    if chunk == b"VP8L":
        bits = struct.unpack_from("<I", content, 21)[0]
        return (bits & 0x3FFF) + 1, (bits >> 14 & 0x3FFF) + 1
    if chunk == b"VP8 " and content[23:26] == b"\x9d\x01\x2a":
        width, height = struct.unpack_from("<HH", content, 26)
        return width & 0x3FFF, height & 0x3FFF
    raise NoSize


def _size_of_avif(content: bytes) -> tuple[int, int]:
    """ISO/IEC 23008-12, 6.5.3: the largest of the sizes among the properties of its pictures."""
    begin, end = _find_box(content, b"meta", 0, len(content))
    begin, end = _find_box(content, b"iprp", begin + 4, end)  # behind version and flags
    begin, end = _find_box(content, b"ipco", begin, end)
    sizes = []
    for name, start, _stop in _boxes(content, begin, end):
        if name == b"ispe":
            width, height = struct.unpack_from(">II", content, start + 4)
            sizes.append((width, height))
    if not sizes:
        raise NoSize
    return max(width for width, _ in sizes), max(height for _, height in sizes)


def _find_box(content: bytes, wanted: bytes, begin: int, end: int) -> tuple[int, int]:
    """Where the contents of the first box of this name begin and end."""
    for name, start, stop in _boxes(content, begin, end):
        if name == wanted:
            return start, stop
    raise NoSize


def _boxes(content: bytes, begin: int, end: int) -> Iterator[tuple[bytes, int, int]]:
    """The name of each box, and where its contents begin and end: ISO/IEC 14496-12, 4.2."""
    for _ in range(MAX_SEGMENTS):
        if begin >= end:
            return
        length, name = struct.unpack_from(">I4s", content, begin)
        if length < 8 or begin + length > end:  # also those that go on to the end, or need 64 bits
            raise NoSize
        yield name, begin + 8, begin + length
        begin += length
    raise NoSize
