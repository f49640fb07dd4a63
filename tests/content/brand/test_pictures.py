"""Logos and icons: judged by their bytes, converted, and small."""

from __future__ import annotations

import io
import random
import struct
import zlib
from typing import Any

import pytest
from PIL import Image

from bookings.content.brand import pictures
from bookings.content.brand.pictures import Artwork, PictureRefused, Use, convert
from tests.content.photos.pictures import draw, is_near, photo, save


def opened(converted: Artwork, at: int = 0) -> Image.Image:
    return Image.open(io.BytesIO(converted.pictures[at].content))


def clear(colour: tuple[int, int, int], width: int = 300, height: int = 60) -> bytes:
    """A bar of a colour on a clear ground."""
    image = Image.new("RGBA", (width, height))
    image.paste((*colour, 255), (10, 10, width - 10, height - 10))
    return save(image, "PNG")


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "WEBP"])
def test_makes_a_logo_no_larger_than_pages_show_on_a_fine_screen(kind: str) -> None:
    made = convert(photo(1200, 800, kind), "logo")

    (picture,) = made.pictures
    assert (picture.width, picture.height) == (120, 80)
    image = opened(made).convert("RGB")
    assert image.size == (120, 80)
    assert is_near(image.getpixel((10, 40)), (30, 30, 200), 40)
    assert is_near(image.getpixel((110, 40)), (200, 30, 30), 40)


def test_makes_a_wide_logo_fit() -> None:
    (picture,) = convert(photo(2000, 100, "PNG"), "logo").pictures

    assert (picture.width, picture.height) == (448, 22)


def test_leaves_a_small_logo_as_it_is() -> None:
    (picture,) = convert(photo(60, 30, "PNG"), "logo").pictures

    assert (picture.width, picture.height) == (60, 30)


def test_keeps_what_is_clear() -> None:
    made = convert(clear((200, 30, 30)), "logo")

    assert opened(made).convert("RGBA").getpixel((2, 2))[3] == 0  # type: ignore[index]


@pytest.mark.parametrize(
    ("colour", "tone"),
    [((20, 20, 30), "dark"), ((250, 250, 250), "light"), ((200, 60, 60), "")],
)
def test_knows_a_logo_that_needs_a_ground(colour: tuple[int, int, int], tone: str) -> None:
    assert convert(clear(colour), "logo").tone == tone
    # With a ground of its own, it can be seen anywhere.
    assert convert(save(Image.new("RGB", (300, 60), colour), "PNG"), "logo").tone == ""


def test_makes_an_icon_square() -> None:
    made = convert(photo(400, 200, "PNG"), "icon")

    assert [(each.width, each.height) for each in made.pictures] == [(32, 32), (180, 180)]
    small = opened(made).convert("RGBA")
    assert small.getpixel((16, 2))[3] == 0  # type: ignore[index]
    assert small.getpixel((16, 16))[3] == 255  # type: ignore[index]


def test_keeps_nothing_but_pixels() -> None:
    exif = Image.Exif()
    exif[0x010E] = "secret place"
    content = photo(300, 200, "JPEG", exif=exif, comment=b"secret comment")
    assert b"secret place" in content

    for use in ("logo", "icon"):
        for picture in convert(content, use).pictures:  # type: ignore[arg-type]
            assert b"secret" not in picture.content
            image = Image.open(io.BytesIO(picture.content))
            assert not image.getexif()
            assert "icc_profile" not in image.info


def test_turns_a_photo_as_its_camera_says() -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    (picture,) = convert(photo(300, 200, "JPEG", exif=exif), "logo").pictures

    assert picture.width < picture.height


def test_stays_small_whatever_it_shows() -> None:
    noise = random.Random(1)
    image = Image.frombytes("RGB", (896, 160), noise.randbytes(896 * 160 * 3))

    made = convert(save(image, "PNG"), "logo")

    (picture,) = made.pictures
    assert picture.format == "webp"
    assert len(picture.content) < 25_000
    assert len(convert(save(image, "PNG"), "icon").pictures[0].content) < 5_000


def test_gives_the_same_file_the_same_name() -> None:
    assert convert(photo(kind="PNG"), "logo").digest == convert(photo(kind="PNG"), "logo").digest
    assert convert(photo(kind="PNG"), "logo").digest != convert(photo(60, 60), "logo").digest


@pytest.mark.parametrize(
    ("image", "options"),
    [
        (draw(90, 60).convert("P"), {}),
        (draw(90, 60).convert("LA"), {}),
        (draw(90, 60).convert("I;16"), {}),
        (draw(90, 60).convert("1"), {}),
        (draw(90, 60).convert("P"), {"transparency": 0}),
    ],
)
def test_converts_every_mode_of_png(image: Image.Image, options: dict[str, Any]) -> None:
    assert convert(save(image, "PNG", **options), "logo").pictures[0].width == 90


def test_converts_the_colours_of_printers() -> None:
    content = save(draw(90, 60).convert("CMYK"), "JPEG")

    assert convert(content, "logo").pictures[0].width == 90


def bomb(width: int, height: int) -> bytes:
    """A PNG that says how large it is, and has next to nothing in it."""

    def chunk(name: bytes, data: bytes) -> bytes:
        check = zlib.crc32(name + data)
        return struct.pack(">I", len(data)) + name + data + struct.pack(">I", check)

    head = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    rows = zlib.compress(bytes(1000))
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", rows) + chunk(b"IEND", b"")


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        (b"", "This file is empty; choose another one."),
        (bytes(1_000_001), "This file is too large; choose one of at most 1 MB."),
        (
            b'<?xml version="1.0"?>\n<svg xmlns="http://www.w3.org/2000/svg"></svg>',
            "This is an SVG; save it as PNG, JPEG or WebP.",
        ),
        (b"<SVG onload=alert(1)>", "This is an SVG; save it as PNG, JPEG or WebP."),
        (
            b"GIF89a" + bytes(100),
            "This is not a picture in a known format; save it as PNG, JPEG or WebP.",
        ),
        (
            photo(60, 40, "AVIF"),
            "This is not a picture in a known format; save it as PNG, JPEG or WebP.",
        ),
        (
            bomb(30_000, 30_000),
            "This picture has 30,000 × 30,000 pixels; make it smaller, to at most 4 megapixels and "
            "8,000 pixels on a side.",
        ),
        (
            bomb(0, 30),
            "This file is damaged or incomplete; save it again as PNG, JPEG or WebP.",
        ),
        (
            photo(60, 40, "PNG")[:60],
            "This file is damaged or incomplete; save it again as PNG, JPEG or WebP.",
        ),
        (
            b"\x89PNG\r\n\x1a\nshort",
            "This file is damaged or incomplete; save it again as PNG, JPEG or WebP.",
        ),
    ],
)
@pytest.mark.parametrize("use", ["logo", "icon"])
def test_refuses_with_one_sentence(content: bytes, sentence: str, use: Use) -> None:
    with pytest.raises(PictureRefused) as refused:
        convert(content, use)

    assert str(refused.value) == sentence


def test_converts_the_largest_that_is_allowed() -> None:
    assert convert(photo(2000, 2000, "WEBP", quality=30), "icon").pictures


def test_refuses_what_takes_too_long(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pictures, "TIMEOUT_S", 0.001)

    with pytest.raises(PictureRefused, match="takes too long"):
        convert(photo(), "logo")
