"""Photos of every kind, made by Pillow."""

from __future__ import annotations

import io
from typing import Any

from PIL import Image, ImageDraw

RED, BLUE = (200, 30, 30), (30, 30, 200)


def draw(width: int = 1200, height: int = 800) -> Image.Image:
    """Returns a red picture whose left half is blue."""
    image = Image.new("RGB", (width, height), RED)
    ImageDraw.Draw(image).rectangle((0, 0, width // 2 - 1, height), fill=BLUE)
    return image


def save(image: Image.Image, kind: str = "JPEG", **options: Any) -> bytes:
    file = io.BytesIO()
    image.save(file, kind, **options)
    return file.getvalue()


def photo(width: int = 1200, height: int = 800, kind: str = "JPEG", **options: Any) -> bytes:
    return save(draw(width, height), kind, **options)


def is_near(seen: Any, wanted: tuple[int, int, int], by: int = 12) -> bool:
    return all(abs(each - other) <= by for each, other in zip(seen[:3], wanted, strict=True))
