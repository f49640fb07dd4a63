"""A program of its own: reads a logo or an icon from its input, and writes pictures to its output.

`pictures.py` starts it for each upload, as the worker does for photos: it may be killed, the system
bounds its memory, and whatever a harmful file does to a decoder happens where there are no
passwords. It imports nothing of the site.

The output is a line of JSON and then the bytes of the pictures in its order: for each its `format`,
`width`, `height` and `bytes`, and the `tone` of a logo; or `error` alone.
"""

import io
import json
import resource
import sys
from typing import Any

from PIL import Image, ImageCms, ImageOps

# Four megapixels of any format took up to 113 MB; web has 160 MiB for them
# (docs/operations/memory.md).
MEMORY_BYTES = 160_000_000
CPU_S = 10

# Twice what pages show (static/site.css), for screens with small pixels.
LOGO_SIZE = (448, 80)
# What browsers show in a tab, and what telephones put on their first screen.
ICON_SIZES = (32, 180)

# Every page sends the logo to a new visitor. Drawn logos have a few kB.
MOST_PNG_BYTES = 12_000

# The lightest and darkest that a logo with a clear ground may be on average to be seen on dark and
# on light pages without a ground of its own: parts of 255.
DARK_BELOW, LIGHT_ABOVE = 90, 200

Made = tuple[str, Image.Image, bytes]


def convert(content: bytes, *, kind: str, use: str, max_pixels: int) -> tuple[str, list[Made]]:
    """The tone of a logo, and the pictures with their format and bytes.

    Raises Pillow's errors, and ValueError if there are too many pixels.
    """
    opened = Image.open(io.BytesIO(content), formats=[kind])
    if opened.width * opened.height > max_pixels:
        raise ValueError("too many pixels")
    image = _in_srgb(ImageOps.exif_transpose(opened), opened.info.get("icc_profile"))
    if use == "logo":
        image.thumbnail(LOGO_SIZE, Image.Resampling.LANCZOS)
        return _tone_of(image), [_small(image)]
    return "", [_square(image, side) for side in ICON_SIZES]


def _in_srgb(image: Image.Image, profile: bytes | None) -> Image.Image:
    """The image as RGBA, in the colours of its profile, without anything but its pixels."""
    if image.mode.startswith("I"):
        # 16 bits of grey; Pillow's own conversion cuts off everything above 255.
        image = image.point(lambda value: value / 256).convert("L")
    if image.mode in ("CMYK", "RGB", "L") and profile and "transparency" not in image.info:
        try:
            source = ImageCms.ImageCmsProfile(io.BytesIO(profile))
            target = ImageCms.createProfile("sRGB")
            image = ImageCms.profileToProfile(image, source, target, outputMode="RGB") or image
        except (ImageCms.PyCMSError, OSError):
            pass  # a damaged profile, or one for other channels: take the colours as they are
    coloured = image.convert("RGBA")
    bare = Image.new("RGBA", coloured.size)
    bare.paste(coloured)
    return bare


def _tone_of(image: Image.Image) -> str:
    """`dark` or `light` if a logo with a clear ground could not be seen on such a page."""
    alpha = image.getchannel("A")
    if not any(alpha.histogram()[:200]):
        return ""
    seen = alpha.point(lambda value: 255 if value > 128 else 0)
    counts = image.convert("RGB").convert("L").histogram(seen)
    total = sum(counts)
    if not total:
        return ""
    average = sum(value * count for value, count in enumerate(counts)) / total
    return "dark" if average < DARK_BELOW else "light" if average > LIGHT_ABOVE else ""


def _small(image: Image.Image) -> Made:
    """A PNG, which is exact; a WebP if that would be large, as for a photo."""
    png = _save(image, "PNG", optimize=True)
    if len(png) <= MOST_PNG_BYTES:
        return "png", image, png
    return "webp", image, _save(image, "WEBP", quality=85, method=6)


def _square(image: Image.Image, side: int) -> Made:
    """The image in the middle of a clear square."""
    shrunk = ImageOps.contain(image, (side, side), Image.Resampling.LANCZOS)
    square = Image.new("RGBA", (side, side))
    square.paste(shrunk, ((side - shrunk.width) // 2, (side - shrunk.height) // 2))
    return "png", square, _save(square, "PNG", optimize=True)


def _save(image: Image.Image, kind: str, **options: Any) -> bytes:
    file = io.BytesIO()
    image.save(file, kind, **options)
    return file.getvalue()


def main() -> None:
    """Reads `kind`, `use` and `max_pixels` from the command line."""
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY_BYTES, MEMORY_BYTES))
    resource.setrlimit(resource.RLIMIT_CPU, (CPU_S, CPU_S))
    kind, use, max_pixels = sys.argv[1:]
    Image.MAX_IMAGE_PIXELS = None  # judged above, with a limit of our own
    output = sys.stdout.buffer
    try:
        tone, made = convert(
            sys.stdin.buffer.read(), kind=kind, use=use, max_pixels=int(max_pixels)
        )
    except Exception as error:
        output.write(json.dumps({"error": type(error).__name__}).encode() + b"\n")
        return
    told = [
        {"format": name, "width": image.width, "height": image.height, "bytes": len(data)}
        for name, image, data in made
    ]
    head = json.dumps({"tone": tone, "pictures": told}).encode()
    output.write(head + b"\n" + b"".join(data for _, _, data in made))


if __name__ == "__main__":
    main()
