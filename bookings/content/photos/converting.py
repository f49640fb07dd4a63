"""A program of its own: reads a photo from its input, and writes its pictures to its output.

The worker starts it for each photo (conversion.py). It may be killed when it takes too long, the
system bounds its memory, and whatever a harmful file does to a decoder happens where there are no
passwords. It imports nothing of the site.

The output is a line of JSON and then the bytes of the pictures in its order: `width` and `height`
of the photo, and `pictures` with `width`, `format` and `bytes` each; or `error` alone.
"""

import io
import json
import os
import resource
import sys
from collections.abc import Sequence
from typing import Any

from PIL import Image, ImageCms, ImageOps

# Fifty megapixels take up to 790 MB, a JPEG less than half of that (docs/decisions/0047-photos.md).
MEMORY_BYTES = 1_000_000_000
CPU_S = 60

# The largest side that a picture gets, however narrow it is.
LONGEST_SIDE = 6_000

SAVED_AS: dict[str, dict[str, Any]] = {
    "avif": {"format": "AVIF", "quality": 60, "speed": 8, "max_threads": 1},
    "webp": {"format": "WEBP", "quality": 80, "method": 4},
    "jpg": {"format": "JPEG", "quality": 80, "progressive": True, "optimize": True},
}


def convert(
    content: bytes, *, kind: str, widths: Sequence[int], max_pixels: int
) -> tuple[int, int, list[tuple[int, str, bytes]]]:
    """The photo's width and height, and its pictures as width, format and bytes.

    Raises Pillow's errors, and ValueError if there are too many pixels.
    """
    opened = Image.open(io.BytesIO(content), formats=[kind])
    if opened.width * opened.height > max_pixels:
        raise ValueError("too many pixels")
    turned = opened.getexif().get(0x0112, 1) in (5, 6, 7, 8)
    width, height = opened.size[::-1] if turned else opened.size
    widest = max(widths)
    if kind == "JPEG":
        # The decoder then makes fewer pixels, at least twice as many as are needed.
        opened.draft(None, (2 * min(widest, opened.width), 2 * min(widest, opened.height)))
    profile = opened.info.get("icc_profile")
    # The shrinking is by the side that becomes the width.
    wanted = min(widest, width)
    scale = min(wanted / width, LONGEST_SIDE / max(width, height), 1)
    image = _as_colours(opened)
    longest = round(max(image.size) * scale * max(width, height) / max(image.size))
    image.thumbnail((longest, longest), reducing_gap=2.0)
    ImageOps.exif_transpose(image, in_place=True)
    image = _in_srgb(image, profile)
    made: list[tuple[int, str, bytes]] = []
    sizes = [each for each in widths if each <= image.width] or [image.width]
    for each in sorted(sizes, reverse=True):
        # Each picture is made of the one before, which is not much larger.
        high = max(1, round(image.height * each / image.width))
        image = image.resize((each, high), Image.Resampling.LANCZOS, reducing_gap=2.0)
        # A new image has no metadata that a format would write: EXIF, XMP, profile, comment.
        bare = Image.new("RGB", image.size)
        bare.paste(image)
        for extension, options in SAVED_AS.items():
            file = io.BytesIO()
            bare.save(file, **options)
            made.append((each, extension, file.getvalue()))
    return width, height, made


def _as_colours(image: Image.Image) -> Image.Image:
    """The image in a mode that can be shrunk well: no palette, no 16 bits a channel."""
    if image.mode.startswith("I"):
        # 16 bits of grey; Pillow's own conversion cuts off everything above 255.
        return image.point(lambda value: value / 256).convert("L")
    if image.mode in ("1", "P", "PA", "LA", "La", "RGBa") or "transparency" in image.info:
        return image.convert("RGBA")
    return image


def _in_srgb(image: Image.Image, profile: bytes | None) -> Image.Image:
    """The image as RGB, on white where it is transparent, in the colours of its profile."""
    if image.mode == "RGBA":
        under = Image.new("RGB", image.size, "white")
        under.paste(image, mask=image.getchannel("A"))
        image = under
    if profile and image.mode in ("RGB", "CMYK", "L"):
        try:
            source = ImageCms.ImageCmsProfile(io.BytesIO(profile))
            target = ImageCms.createProfile("sRGB")
            image = ImageCms.profileToProfile(image, source, target, outputMode="RGB") or image
        except (ImageCms.PyCMSError, OSError):
            pass  # a damaged profile, or one for other channels: take the colours as they are
    return image if image.mode == "RGB" else image.convert("RGB")


def main() -> None:
    """Reads `kind`, `max_pixels` and the widths from the command line."""
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY_BYTES, MEMORY_BYTES))
    resource.setrlimit(resource.RLIMIT_CPU, (CPU_S, CPU_S))
    # Guests' pages come first.
    os.nice(10)
    kind, max_pixels, *widths = sys.argv[1:]
    Image.MAX_IMAGE_PIXELS = None  # judged above, with a limit of our own
    output = sys.stdout.buffer
    try:
        width, height, made = convert(
            sys.stdin.buffer.read(),
            kind=kind,
            widths=[int(each) for each in widths],
            max_pixels=int(max_pixels),
        )
    except Exception as error:
        output.write(json.dumps({"error": type(error).__name__}).encode() + b"\n")
        return
    told = [{"width": each, "format": name, "bytes": len(data)} for each, name, data in made]
    head = {"width": width, "height": height, "pictures": told}
    output.write(json.dumps(head).encode() + b"\n" + b"".join(data for _, _, data in made))


if __name__ == "__main__":
    main()
