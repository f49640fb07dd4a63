"""Which files are accepted, by their bytes, without decoding a pixel."""

from __future__ import annotations

import struct
import sys
import zlib
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from PIL import Image

from bookings.content.photos import judging
from bookings.content.photos.judging import PhotoRefused, judge_file
from tests.content.photos.pictures import photo

SVG = b'<?xml version="1.0"?><svg xmlns="http://www.w3.org/2000/svg" width="9" height="9"/>'


def png_of(width: int, height: int) -> bytes:
    """A PNG that states a size and has no pixels to speak of."""

    def chunk(name: bytes, data: bytes) -> bytes:
        crc = struct.pack(">I", zlib.crc32(name + data))
        return struct.pack(">I", len(data)) + name + data + crc

    head = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return (
        b"\x89PNG\r\n\x1a\n"
        + chunk(b"IHDR", head)
        + chunk(b"IDAT", zlib.compress(b"\0" * 1000))
        + chunk(b"IEND", b"")
    )


def webp_of(width: int, height: int) -> bytes:
    """A WebP whose canvas is as large as it says, around one small picture."""
    inner = photo(16, 16, "WEBP")[12:]
    canvas = b"VP8X" + struct.pack("<I", 10) + b"\0\0\0\0"
    canvas += (width - 1).to_bytes(3, "little") + (height - 1).to_bytes(3, "little")
    return b"RIFF" + struct.pack("<I", 4 + len(canvas) + len(inner)) + b"WEBP" + canvas + inner


def refusal(content: bytes) -> str:
    with pytest.raises(PhotoRefused) as refused:
        judge_file(content)
    return str(refused.value)


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP", "AVIF"])
def test_accepts_the_four_formats(kind: str) -> None:
    judge_file(photo(kind=kind))


def test_accepts_every_kind_of_webp() -> None:
    for options in ({"quality": 80}, {"lossless": True}, {"exif": b"Exif\0\0MM\0*\0\0\0\x08\0\0"}):
        content = photo(321, 123, "WEBP", **options)
        assert judging._size_of_webp(content) == (321, 123)


@pytest.mark.parametrize(
    "content",
    [
        SVG,
        photo(kind="GIF"),
        photo(kind="TIFF"),
        photo(kind="BMP"),
        photo(kind="PDF"),
        b"\0\0\0\x18ftypheic\0\0\0\0mif1heic",
        b"%!PS-Adobe-3.0 EPSF-3.0\n" + photo(),
        b"GIF89a" + photo(),
        b"<script>alert(1)</script>",
    ],
)
def test_refuses_other_formats_whatever_they_contain(content: bytes) -> None:
    assert refusal(content) == (
        "This is not a photo in a known format; save it as JPEG, PNG, WebP or AVIF."
    )


def test_refuses_an_empty_file() -> None:
    assert refusal(b"") == "This file is empty; choose another one."


def test_refuses_more_than_25_mb() -> None:
    content = photo()
    judge_file(content + bytes(25_000_000 - len(content)))

    assert refusal(content + bytes(26_000_000)) == (
        "This file is too large; choose one of at most 25 MB."
    )


@pytest.mark.parametrize(
    ("content", "size"),
    [(png_of(10_000, 6_000), "10,000 × 6,000"), (webp_of(12_000, 5_000), "12,000 × 5,000")],
)
def test_refuses_60_megapixels(content: bytes, size: str) -> None:
    assert refusal(content) == (
        f"This photo has {size} pixels; make it smaller, to at most 50 megapixels and 16,000 "
        "pixels on a side."
    )


def test_refuses_a_bomb_without_making_its_pixels() -> None:
    assert "make it smaller" in refusal(png_of(60_000, 60_000))
    assert "make it smaller" in refusal(webp_of(16_383, 16_383))


def test_refuses_a_long_thin_strip() -> None:
    assert "16,000 pixels on a side" in refusal(png_of(20_000, 10))


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP", "AVIF"])
def test_refuses_a_file_of_which_only_the_beginning_arrived(kind: str) -> None:
    assert refusal(photo(kind=kind)[:24]) == (
        "This file is damaged or incomplete; save it again as JPEG, PNG, WebP or AVIF."
    )


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP", "AVIF"])
def test_reads_the_size_that_the_header_states(kind: str) -> None:
    content = photo(1234, 567, kind)

    assert judging.size_of(content, kind) == (1234, 567)


def test_reads_the_size_of_a_progressive_jpeg_behind_its_metadata() -> None:
    content = photo(
        321, 123, progressive=True, exif=b"Exif\0\0" + bytes(60_000), comment=b"x" * 999
    )

    assert judging.size_of(content, "JPEG") == (321, 123)


@pytest.mark.parametrize(
    "content",
    [
        b"\xff\xd8" + b"\xff\xe1\x00\x12Exif\0\0" + bytes(10) + b"\xff\xe5\x00\x02" * 5_000_000,
        b"\xff\xd8" + b"\xff" * 20_000_000,
        b"\xff\xd8" + b"\xff\xe5\x00\x00" * 5_000_000,
        photo(kind="AVIF")[:32] + struct.pack(">I4s", 8, b"free") * 3_000_000,
        photo(kind="AVIF")[:28] + struct.pack(">I4s", 0, b"meta") + bytes(9_000_000),
    ],
    ids=["segments", "fill", "no length", "boxes", "endless box"],
)
def test_looks_at_a_bounded_part_of_a_file(content: bytes) -> None:
    """All of it would take seconds, in a process that serves guests."""
    with limited_steps():
        assert "damaged or incomplete" in refusal(content)


@contextmanager
def limited_steps() -> Iterator[None]:
    """Fails after more lines of Python than a header needs."""
    left = 50_000

    def step(frame: object, event: str, argument: object) -> object:
        nonlocal left
        left -= 1
        assert left > 0, "it reads on and on"
        return step

    sys.settrace(step)
    try:
        yield
    finally:
        sys.settrace(None)


def test_asks_no_decoder(monkeypatch: pytest.MonkeyPatch) -> None:
    """A harmful file may be made for any of them; the worker asks one, in a process of its own."""

    def refuse(*_: object, **__: object) -> None:
        raise AssertionError("a decoder was asked")

    contents = [photo(kind=kind) for kind in ("JPEG", "PNG", "WEBP", "AVIF")]
    monkeypatch.setattr(Image, "open", refuse)

    for content in contents:
        judge_file(content)
