"""Noise that repeats at its edges, so that it can be looked up at any place."""

from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

# Mostly of 32 bits, since pictures are large.
Array = NDArray[np.floating[Any]]

SIZE = 512


@lru_cache(maxsize=64)
def cloudy(seed: int, roughness: float = 1.8, stretch: float = 1.0) -> Array:
    """Fractal noise around 0.5: a higher `roughness` is smoother, `stretch` makes it long in x."""
    rng = np.random.default_rng(seed)
    x = np.fft.fftfreq(SIZE)[None, :] * SIZE * stretch
    y = np.fft.fftfreq(SIZE)[:, None] * SIZE
    distance = np.hypot(x, y)
    distance[0, 0] = 1
    waves = np.fft.fft2(rng.standard_normal((SIZE, SIZE))) / distance**roughness
    waves[0, 0] = 0
    field = np.fft.ifft2(waves).real
    return np.clip(0.5 + 0.2 * field / field.std(), 0, 1).astype(np.float32)


def look_up(table: Array, u: Array, v: Array) -> Array:
    """Reads a table smoothly; one unit of `u` and `v` is the whole table, which repeats."""
    x = (u * SIZE) % SIZE
    y = (v * SIZE) % SIZE
    left, top = x.astype(np.int32) % SIZE, y.astype(np.int32) % SIZE
    right, low = (left + 1) % SIZE, (top + 1) % SIZE
    across, down = x - np.floor(x), y - np.floor(y)
    upper = table[top, left] * (1 - across) + table[top, right] * across
    lower = table[low, left] * (1 - across) + table[low, right] * across
    return (upper * (1 - down) + lower * down).astype(np.float32)


def pick(cell: Array, seed: int = 0) -> Array:
    """Returns a number from 0 to 1 for each whole number, as if it were thrown by dice."""
    table = np.random.default_rng(seed).random(4096, dtype=np.float32)
    return table[cell.astype(np.int64) % 4096]
