"""Judging an uploaded file by its first bytes and its header. No pixel is decoded here."""

import io
import struct
import warnings

from PIL import Image

MAX_BYTES = 25_000_000

# The worker holds all pixels of a photo in memory, three or four bytes each.
MAX_PIXELS = 50_000_000
# What a JPEG, a WebP or a browser can have on one side ends at about this.
MAX_SIDE = 16_000

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
    width, height = _size_of(content, kind)
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
    # The brand says which of the many formats in this container it is; HEIC is another one.
    if content[4:12] in (b"ftypavif", b"ftypavis"):
        return "AVIF"
    return None


def _size_of(content: bytes, kind: str) -> tuple[int, int]:
    if kind == "WEBP":
        # Pillow makes the whole canvas as it opens a WebP.
        return _size_of_webp(content)
    try:
        with warnings.catch_warnings():
            # Pillow warns of large pictures, which are judged above.
            warnings.simplefilter("ignore", Image.DecompressionBombWarning)
            with Image.open(io.BytesIO(content), formats=[kind]) as opened:
                return opened.size
    except Image.DecompressionBombError:
        raise PhotoRefused(
            f"This photo has far too many pixels; make it smaller, to at most "
            f"{MAX_PIXELS // 1_000_000} megapixels."
        ) from None
    except Exception:
        # Pillow's readers raise nearly any error for a header that makes no sense.
        raise PhotoRefused(DAMAGED) from None


def _size_of_webp(content: bytes) -> tuple[int, int]:
    """Width and height as the first chunk states them: https://www.rfc-editor.org/rfc/rfc9649."""
    if len(content) < 30 or len(content) < 8 + struct.unpack_from("<I", content, 4)[0]:
        raise PhotoRefused(DAMAGED)
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
    raise PhotoRefused(DAMAGED)
