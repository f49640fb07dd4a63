"""Surfaces of traced scenes: wood, plaster, cloth, tiles, books."""

import numpy as np

from bench.pictures.canvas import Paint
from bench.pictures.noise import Array, cloudy, look_up, pick
from bench.pictures.tracer import Colour, Texture, column


def paint(code: str) -> Colour:
    """Reads `#rrggbb` as a share of the light that a surface gives back."""
    red, green, blue = ((int(code[at : at + 2], 16) / 255) ** 2.2 for at in (1, 3, 5))
    return red, green, blue


def blend(low: Colour | Paint, high: Colour | Paint, share: Array) -> Array:
    return column(low) + (column(high) - column(low)) * share


def boards(dark: Colour, light: Colour, *, width: float = 0.16, length: float = 2.2) -> Texture:
    """A floor of boards that run along z."""

    def texture(points: Array, normals: Array) -> Array:
        x, z = points[0] / width, points[2] / length
        board = np.floor(x)
        end = z + pick(board, 3)
        plank = board * 57 + np.floor(end)
        grain = look_up(cloudy(5, 1.3), x * 0.31 + pick(plank, 4), z * 0.12 + pick(plank, 5))
        share = np.clip(0.55 * pick(plank, 6) + 0.9 * (grain - 0.5) + 0.25, 0, 1)
        gap = np.minimum(edge(x, 0.025), edge(end, 0.0025))
        return blend(dark, light, share) * (0.35 + 0.65 * gap)

    return texture


def edge(place: Array, width: float) -> Array:
    """Returns 0 at whole numbers, and 1 farther from them than `width`."""
    inside = place - np.floor(place)
    return np.clip(np.minimum(inside, 1 - inside) / width, 0, 1)


def grainy(dark: Colour, light: Colour, *, along: int = 0, size: float = 1.2) -> Texture:
    """Wood in one piece: `along` is the axis of its grain."""

    def texture(points: Array, normals: Array) -> Array:
        others = [axis for axis in range(3) if axis != along]
        across = points[others[0]] + 0.7 * points[others[1]]
        share = look_up(cloudy(7, 1.4), points[along] * 0.1 / size, across / size)
        return blend(dark, light, np.clip(1.8 * (share - 0.5) + 0.5, 0, 1))

    return texture


def plaster(colour: Colour, *, amount: float = 0.16, size: float = 2.6) -> Texture:
    """A wall painted by hand."""

    def texture(points: Array, normals: Array) -> Array:
        flat = np.abs(normals)
        u = np.where(flat[0] > 0.7, points[2], points[0])
        v = np.where(flat[1] > 0.7, points[2], points[1])
        wide = look_up(cloudy(11, 1.7), u / size, v / size) - 0.5
        fine = look_up(cloudy(12, 1.0), u / 0.9, v / 0.9) - 0.5
        return column(colour) * (1 + amount * wide + 0.5 * amount * fine)

    return texture


def cloth(colour: Colour, *, amount: float = 0.25, thread: float = 0.35) -> Texture:
    """Linen or wool."""

    def texture(points: Array, normals: Array) -> Array:
        u, v = points[0] + 0.3 * points[1], points[2] + 0.8 * points[1]
        fine = look_up(cloudy(13, 0.8), u / thread, v / thread) - 0.5
        wide = look_up(cloudy(14, 1.8), u / 1.7, v / 1.7) - 0.5
        return column(colour) * (1 + amount * fine + 0.7 * amount * wide)

    return texture


def striped(ground: Colour, stripe: Colour, *, period: float, share: float, axis: int) -> Texture:
    """Cloth with stripes across an axis."""

    def texture(points: Array, normals: Array) -> Array:
        place = points[axis] / period
        inside = place - np.floor(place)
        is_stripe = np.clip((share - np.abs(inside - 0.5) * 2) / 0.06, 0, 1)
        fine = look_up(cloudy(13, 0.8), points[0] / 0.35, points[2] / 0.35) - 0.5
        return blend(ground, stripe, is_stripe) * (1 + 0.3 * fine)

    return texture


def rug(ground: Colour, border: Colour, mark: Colour, half_x: float, half_z: float) -> Texture:
    """A woven rug with a border and small marks."""

    def texture(points: Array, normals: Array) -> Array:
        to_edge = np.minimum(half_x - np.abs(points[0]), half_z - np.abs(points[2]))
        weave = look_up(cloudy(15, 0.7), points[0] / 0.5, points[2] / 0.5) - 0.5
        u, v = points[0] / 0.22, points[2] / 0.22
        diamond = np.abs(u - np.round(u)) + np.abs(v - np.round(v))
        colours = blend(ground, mark, np.clip((0.28 - diamond) / 0.08, 0, 1))
        line = np.clip((0.018 - np.abs(to_edge - 0.14)) / 0.006, 0, 1)
        colours = colours + (column(border) - colours) * np.maximum(line, to_edge < 0.07)
        return colours * (1 + 0.45 * weave)

    return texture


def tiles(colours: list[Colour], joint: Colour, *, size: float) -> Texture:
    """Square tiles of stone, on a floor or a wall."""

    def texture(points: Array, normals: Array) -> Array:
        flat = np.abs(normals)
        u = np.where(flat[0] > 0.7, points[2], points[0]) / size
        v = np.where(flat[1] > 0.7, points[2], points[1]) / size
        tile = np.floor(u) * 131 + np.floor(v)
        palette = np.array(colours, dtype=np.float32).T
        found = palette[:, (pick(tile, 8) * len(colours)).astype(int)]
        stain = look_up(cloudy(16, 1.5), u * 0.3 + pick(tile, 9), v * 0.3) - 0.5
        found = found * (0.85 + 0.3 * pick(tile, 10) + 0.5 * stain)
        whole = np.minimum(edge(u, 0.02), edge(v, 0.02))
        return column(joint) + (found - column(joint)) * whole

    return texture


def books(palette: list[Colour], *, shelf: float) -> Texture:
    """Rows of backs of books; `shelf` is the height of a row, and the front faces -z or x."""

    def texture(points: Array, normals: Array) -> Array:
        along = np.where(np.abs(normals[0]) > 0.7, points[2], points[0])
        row = np.floor(points[1] / shelf)
        height = points[1] / shelf - row
        # Widths differ: the ruler itself is uneven.
        ruler = along / 0.034 + 0.9 * np.sin(along * 23 + row * 5) + row * 17.3
        book = np.floor(ruler) + row * 211
        inside = ruler - np.floor(ruler)
        colours = np.array(palette, dtype=np.float32).T
        found = colours[:, (pick(book, 20) * len(palette)).astype(int)]
        found = found * (0.6 + 0.8 * pick(book, 21))
        gilt = (np.abs(height - 0.2) < 0.012) | (np.abs(height - 0.62) < 0.02)
        gilt = gilt & (pick(book, 22) > 0.45)
        found = np.where(gilt, column((0.55, 0.38, 0.14)), found)
        # Backs are round, and the top of a row is in the shelf's shadow.
        found = found * (0.35 + 0.65 * np.sin(np.pi * inside) ** 0.7)
        top = 0.68 + 0.24 * pick(book, 23)
        return np.where(height < top, found, column((0.012, 0.008, 0.006)))

    return texture
