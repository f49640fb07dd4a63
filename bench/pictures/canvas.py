"""A canvas for landscapes: gradients, silhouettes, glows, and the last touches of every picture."""

from collections.abc import Sequence
from io import BytesIO

import numpy as np
from PIL import Image, ImageDraw

from bench.pictures.noise import Array, cloudy, look_up

# Of a finished picture, in pixels. Landscapes are drawn in these units at any scale.
WIDTH, HEIGHT = 2400, 1600

Paint = tuple[float, float, float]
Point = tuple[float, float]


def colour(code: str) -> Paint:
    """Reads `#rrggbb`."""
    red, green, blue = (int(code[at : at + 2], 16) / 255 for at in (1, 3, 5))
    return red, green, blue


def resize(field: Array, columns: int, rows: int) -> Array:
    """Scales a field of one value a pixel."""
    way = Image.Resampling.BOX if columns < field.shape[1] else Image.Resampling.BICUBIC
    return np.asarray(Image.fromarray(field).resize((columns, rows), way), dtype=np.float32)


def blur(field: Array, radius: float) -> Array:
    """Blurs a field of one value a pixel, without the steps of 8 bits."""
    if radius < 0.5:
        return field
    rows, columns = field.shape
    shrink = max(1, int(radius / 4))
    small = resize(field, max(8, columns // shrink), max(8, rows // shrink))
    narrow = radius / shrink
    reach = int(narrow * 2.5) + 1
    kernel = np.exp(-(np.arange(-reach, reach + 1) ** 2) / (2 * narrow**2)).astype(np.float32)
    kernel /= kernel.sum()
    for axis in (0, 1):
        padded = np.pad(small, [(reach, reach) if a == axis else (0, 0) for a in (0, 1)], "edge")
        length = small.shape[axis]
        small = sum(
            (
                weight * padded.take(range(at, at + length), axis)
                for at, weight in enumerate(kernel)
            ),
            start=np.zeros_like(small),
        ).astype(np.float32)
    return small if small.shape == field.shape else resize(small, columns, rows)


def bloom(light: Array, strength: float) -> Array:
    """Adds a soft glow around whatever is brighter than paper."""
    bright = np.clip(light - 0.8, 0, 5)
    wide = light.shape[1]
    glows = [
        np.stack([blur(bright[..., at], wide * size) for at in range(3)], axis=-1)
        for size in (0.004, 0.015, 0.05)
    ]
    return light + np.float32(strength) * (glows[0] + glows[1] + glows[2])


class Canvas:
    """Colours from 0 to 1. Every place and length is in units of the finished picture."""

    def __init__(self, scale: float) -> None:
        self.scale = scale
        self.columns, self.rows = round(WIDTH * scale), round(HEIGHT * scale)
        self.pixels = np.zeros((self.rows, self.columns, 3), dtype=np.float32)
        self.x = (np.arange(self.columns, dtype=np.float32)[None, :] + 0.5) / scale
        self.y = (np.arange(self.rows, dtype=np.float32)[:, None] + 0.5) / scale

    def blend(self, paint: Array | Paint, cover: Array | float = 1.0) -> None:
        """Lays a colour over everything, as thick as `cover` says."""
        cover = np.asarray(cover, dtype=np.float32)
        if cover.ndim == 2:
            cover = cover[..., None]
        self.pixels += (np.asarray(paint, dtype=np.float32) - self.pixels) * cover

    def add(self, paint: Paint, strength: Array) -> None:
        """Adds light."""
        self.pixels += np.asarray(paint, dtype=np.float32) * strength[..., None]

    def gradient(self, stops: Sequence[tuple[float, Paint]]) -> Array:
        """Returns a gradient from top to bottom: heights and their colours."""
        heights = [height for height, _ in stops]
        bands = [np.interp(self.y, heights, [paint[at] for _, paint in stops]) for at in range(3)]
        return np.stack(bands, axis=-1).astype(np.float32)

    def glow(self, x: float, y: float, radius: float, paint: Paint, strength: float) -> None:
        """Adds light that fades with the distance from a place."""
        reach = radius * 3
        left, right = (round(np.clip(v, 0, WIDTH) * self.scale) for v in (x - reach, x + reach))
        top, bottom = (round(np.clip(v, 0, HEIGHT) * self.scale) for v in (y - reach, y + reach))
        squares = (self.x[:, left:right] - x) ** 2 + (self.y[top:bottom] - y) ** 2
        fade = np.exp(-squares / (radius * radius * 0.9)) * np.float32(strength)
        part = self.pixels[top:bottom, left:right]
        part += fade[..., None] * np.asarray(paint, dtype=np.float32)

    def mask(self, *polygons: Sequence[Point], soft: float = 0) -> Array:
        """Returns 1 inside polygons and 0 outside, blurred by `soft`."""
        image = Image.new("L", (self.columns, self.rows))
        draw = ImageDraw.Draw(image)
        for polygon in polygons:
            draw.polygon([(x * self.scale, y * self.scale) for x, y in polygon], fill=255)
        field = np.asarray(image, dtype=np.float32) / 255
        return blur(field, soft * self.scale) if soft else field

    def strokes(
        self,
        polygons: Sequence[tuple[Sequence[Point], Paint]],
        soft: float = 0,
        opacity: float = 1,
    ) -> None:
        """Paints many small polygons, each in its own colour, the last on top."""
        image = Image.new("RGBA", (self.columns, self.rows))
        draw = ImageDraw.Draw(image)
        for polygon, paint in polygons:
            fill = tuple(round(np.clip(part, 0, 1) * 255) for part in paint)
            draw.polygon([(x * self.scale, y * self.scale) for x, y in polygon], fill=fill)
        layer: Array = np.asarray(image, dtype=np.float32) / 255
        cover = layer[..., 3]
        if soft:
            cover = blur(cover, soft * self.scale)
            paints = [blur(layer[..., at] * layer[..., 3], soft * self.scale) for at in range(3)]
            layer = np.stack(paints, axis=-1) / np.maximum(cover, 1e-3)[..., None]
        self.blend(layer[..., :3], cover * opacity)

    def noise(self, seed: int, size: float, roughness: float = 1.8, stretch: float = 1) -> Array:
        """Returns clouds around 0.5 that repeat after `size` units, longer in x by `stretch`."""
        u = np.broadcast_to(self.x / (size * stretch), (self.rows, self.columns))
        v = np.broadcast_to(self.y / size, (self.rows, self.columns))
        return look_up(cloudy(seed, roughness), u, v)


def finish(picture: Array, seed: int, *, vignette: float = 0.22, grain: float = 0.012) -> Array:
    """Scales a picture to its final size, and adds grain and darker corners."""
    if picture.shape[1] != WIDTH:
        picture = np.stack([resize(picture[..., at], WIDTH, HEIGHT) for at in range(3)], axis=-1)
    rows, columns = picture.shape[:2]
    x = np.linspace(-1, 1, columns, dtype=np.float32)[None, :]
    y = np.linspace(-1, 1, rows, dtype=np.float32)[:, None]
    dark = 1 - vignette * np.clip((x**2 + y**2) / 2, 0, 1) ** 1.5
    rng = np.random.default_rng(seed)
    grains = rng.standard_normal((rows, columns), dtype=np.float32) * np.float32(grain)
    return np.clip(picture * dark[..., None] + grains[..., None], 0, 1)


def jpeg(picture: Array, max_bytes: int = 400_000) -> bytes:
    """Encodes a picture, as well as it can be within `max_bytes`."""
    image = Image.fromarray((picture * 255 + 0.5).astype(np.uint8))
    for quality in range(86, 50, -4):
        file = BytesIO()
        image.save(file, "JPEG", quality=quality, optimize=True, progressive=True)
        if file.tell() <= max_bytes:
            break
    return file.getvalue()
