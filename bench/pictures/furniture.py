"""Rooms and what stands in them, in metres. Things stand on y = 0 around x = z = 0, facing -z."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from bench.pictures.light import Bulb, Daylight
from bench.pictures.materials import cloth, grainy, paint
from bench.pictures.noise import Array, cloudy, look_up
from bench.pictures.tracer import (
    Colour,
    Distance,
    Group,
    Material,
    Shape,
    Texture,
    Vector,
    column,
    turn,
)


def box(low: Vector, high: Vector, material: Material) -> Shape:
    """A box with sharp edges, from one corner to the opposite one."""
    middle = tuple((a + b) / 2 for a, b in zip(low, high, strict=True))
    half = tuple(abs(b - a) / 2 for a, b in zip(low, high, strict=True))
    return Shape((middle[0], middle[1], middle[2]), (half[0], half[1], half[2]), material)


def move(shapes: Sequence[Shape], at: Vector, yaw: float = 0) -> list[Shape]:
    """Turns things around y and puts them somewhere."""
    turned = turn(yaw)
    moved = []
    for shape in shapes:
        x, y, z = (turned @ column(shape.centre))[:, 0]
        place = (float(x) + at[0], float(y) + at[1], float(z) + at[2])
        moved.append(replace(shape, centre=place, turned=turned @ shape.turned))
    return moved


def rounded(half: Vector, radius: float, folds: float = 0, seed: int = 30) -> Distance:
    """A box with round edges, and with folds as high as `folds`."""
    inner = column(half) - radius - folds

    def distance(points: Array) -> Array:
        out = np.abs(points) - inner
        far = np.sqrt((np.maximum(out, 0) ** 2).sum(0)) + np.minimum(out.max(0), 0) - radius
        if folds:
            u, v = points[0] + 0.5 * points[1], points[2] - 0.5 * points[1]
            wave = look_up(cloudy(seed, 1.9), u / 2.4, v / 2.4)
            far = (far - folds * 3 * (wave - 0.5)) * np.float32(0.75)
        return far

    return distance


def pillowy(half: Vector, seed: int = 31) -> Distance:
    """A cushion, thick in the middle along y, thin at its edges."""
    wide, thick, deep = half

    def distance(points: Array) -> Array:
        x, z = points[0] / wide, points[2] / deep
        # Corners stand out, and sides are drawn in.
        x, z = x * (1 + 0.07 * (1 - z * z)), z * (1 + 0.07 * (1 - x * x))
        room = np.clip(1 - x**4, 0, 1) * np.clip(1 - z**4, 0, 1)
        crease = look_up(cloudy(seed, 1.7), points[0] / 1.1, points[2] / 1.1) - 0.5
        height = thick * (0.86 + 0.5 * crease) * np.sqrt(room) - 0.004 * (room <= 0)
        return (np.abs(points[1]) - height) * np.float32(0.4)

    return distance


def round_post(half: Vector, top: float = 1) -> Distance:
    """A post or cone around y; `top` is its width there, as a share of the width below."""
    wide, tall, _ = half

    def distance(points: Array) -> Array:
        share = (points[1] / tall + 1) / 2
        width = wide * (1 + (top - 1) * np.clip(share, 0, 1))
        if top > 1:
            width = width / top
        side = (np.hypot(points[0], points[2]) - width) * np.float32(0.9)
        return np.maximum(side, np.abs(points[1]) - tall * 0.995).astype(np.float32)

    return distance


def ball(half: Vector) -> Distance:
    def distance(points: Array) -> Array:
        out = np.sqrt(((points / column(half)) ** 2).sum(0))
        steep = np.sqrt(((points / column(half) ** 2) ** 2).sum(0))
        return (out * (out - 1) / np.maximum(steep, 1e-6)).astype(np.float32)

    return distance


def hanging(half: Vector, waves: float) -> Distance:
    """A curtain with folds, `waves` of them a metre."""
    depth = half[2] * 0.8

    def distance(points: Array) -> Array:
        sway = 0.5 * np.sin(points[1] * 1.3 + 4 * points[0])
        fold = np.sin(points[0] * waves * 2 * np.pi + sway) * 0.7
        fold += np.sin(points[0] * waves * 3.7 + 1.3) * 0.3
        return ((np.abs(points[2] - depth * fold) - 0.004) * 0.35).astype(np.float32)

    return distance


def soft_box(
    centre: Vector, half: Vector, material: Material, radius: float = 0.03, folds: float = 0
) -> Shape:
    return Shape(centre, half, material, rounded(half, radius, folds))


def post(centre: Vector, radius: float, tall: float, material: Material, top: float = 1) -> Shape:
    wide = radius * max(top, 1)
    half = (wide, tall / 2, wide)
    return Shape(centre, half, material, round_post(half, top))


def cushion(
    centre: Vector,
    half: Vector,
    material: Material,
    *,
    lean: float = 90,
    yaw: float = 0,
    seed: int = 31,
) -> Shape:
    """A cushion that lies (0) or stands (90 degrees) with its broad side to -z."""
    return Shape(centre, half, material, pillowy(half, seed), turned=turn(yaw, -lean))


def room(
    low: Vector,
    high: Vector,
    *,
    floor: Material,
    walls: Material,
    ceiling: Material,
    hole: tuple[float, float, float, float] | None = None,
    side_hole: tuple[float, float, float, float] | None = None,
) -> list[Group]:
    """Four walls, with a hole in the back one (x, x, y, y) and the right one (z, z, y, y)."""
    (x0, y0, z0), (x1, y1, z1), thick = low, high, 0.22
    parts = [
        box((x0 - 1, y0 - 0.2, z0), (x1 + 1, y0, z1 + thick), floor),
        box((x0 - 1, y1, z0), (x1 + 1, y1 + 0.2, z1 + 1), ceiling),
        box((x0 - thick, y0, z0), (x0, y1, z1 + thick), walls),
        box((x0, y0, z0 - thick), (x1, y1, z0), walls),
    ]
    if hole:
        left, right, bottom, top = hole
        parts += [
            box((x0, y0, z1), (left, y1, z1 + thick), walls),
            box((right, y0, z1), (x1, y1, z1 + thick), walls),
            box((left, y0, z1), (right, bottom, z1 + thick), walls),
            box((left, top, z1), (right, y1, z1 + thick), walls),
        ]
    else:
        parts.append(box((x0, y0, z1), (x1, y1, z1 + thick), walls))
    if side_hole:
        near, far, bottom, top = side_hole
        parts += [
            box((x1, y0, z0), (x1 + thick, y1, near), walls),
            box((x1, y0, far), (x1 + thick, y1, z1 + thick), walls),
            box((x1, y0, near), (x1 + thick, bottom, far), walls),
            box((x1, top, near), (x1 + thick, y1, far), walls),
        ]
    else:
        parts.append(box((x1, y0, z0), (x1 + thick, y1, z1 + thick), walls))
    return [Group([part]) for part in parts]


def skirting(low: Vector, high: Vector, material: Material) -> Group:
    """Boards along the foot of the left, the right and the back wall."""
    (x0, y0, z0), (x1, _, z1) = low, high
    return Group(
        [
            box((x0, y0, z0), (x0 + 0.02, y0 + 0.11, z1), material),
            box((x1 - 0.02, y0, z0), (x1, y0 + 0.11, z1), material),
            box((x0, y0, z1 - 0.02), (x1, y0 + 0.11, z1), material),
        ]
    )


def window(
    hole: tuple[float, float, float, float],
    z: float,
    frame: Material,
    *,
    panes: int = 2,
    rows: Sequence[float] = (),
    sill: bool = True,
) -> Group:
    """A frame in a hole of the back wall: upright bars between panes, level bars at `rows`."""
    left, right, bottom, top = hole
    thin, z0, z1 = 0.05, z + 0.06, z + 0.13
    parts = [
        box((left, bottom, z0), (left + thin, top, z1), frame),
        box((right - thin, bottom, z0), (right, top, z1), frame),
        box((left, bottom, z0), (right, bottom + thin, z1), frame),
        box((left, top - thin, z0), (right, top, z1), frame),
    ]
    for at in range(1, panes):
        x = left + (right - left) * at / panes
        parts.append(box((x - 0.04, bottom, z0 - 0.01), (x + 0.04, top, z1), frame))
    for row in rows:
        y = bottom + (top - bottom) * row
        parts.append(box((left, y - 0.018, z0 + 0.01), (right, y + 0.018, z1), frame))
    if sill:
        low, high = (left - 0.06, bottom - 0.04, z - 0.1), (right + 0.06, bottom, z + 0.1)
        parts.append(box(low, high, frame))
    return Group(parts)


def opening_of(hole: tuple[float, float, float, float], z: float, colour: Colour) -> Daylight:
    """The light that comes through a hole of the back wall."""
    left, right, bottom, top = hole
    return Daylight(
        ((left + right) / 2, (bottom + top) / 2, z + 0.2),
        ((right - left) / 2, 0, 0),
        (0, (top - bottom) / 2, 0),
        colour,
    )


def curtain(
    x: float, wide: float, y: tuple[float, float], z: float, material: Material, *, sheer: bool
) -> Shape:
    bottom, top = y
    half = (wide / 2, (top - bottom) / 2, 0.06)
    shape = Shape((x, (bottom + top) / 2, z), half, material, hanging(half, 5))
    return replace(shape, casts_shadow=not sheer)


def shining_cloth(colour: Colour, light: Colour) -> Material:
    """Thin cloth with light behind it."""

    def emission(points: Array, normals: Array) -> Array:
        facing = np.abs(normals[2])
        fine = look_up(cloudy(13, 0.9), points[0] / 0.4, points[1] / 0.8) - 0.5
        return column(light) * (0.45 + 0.55 * facing + 0.15 * fine)

    return Material(cloth(colour, amount=0.1), emission)


def bed(
    *,
    wide: float,
    frame: Material,
    head: Material,
    sheets: Material,
    cover: Material,
    accent: Material,
    pillows: int = 2,
    long: float = 2.05,
) -> Group:
    """A bed with its head at z = long / 2."""
    half, end = wide / 2, long / 2
    each = wide / pillows
    parts = [
        soft_box((0, 0.2, 0), (half + 0.03, 0.09, end), frame, 0.015),
        box((-half + 0.1, 0, -end + 0.1), (half - 0.1, 0.12, end - 0.1), frame),
        soft_box((0, 0.39, 0), (half, 0.13, end - 0.02), sheets, 0.06),
        soft_box((0, 0.405, -0.23), (half + 0.085, 0.235, end - 0.27), cover, 0.1, 0.018),
        soft_box((0, 0.455, 0.42), (half + 0.09, 0.205, 0.17), sheets, 0.075, 0.014),
        soft_box((0, 0.405, -0.52), (half + 0.1, 0.252, 0.26), accent, 0.09, 0.012),
        soft_box((0, 0.62, end + 0.05), (half + 0.1, 0.52, 0.06), head, 0.04),
    ]
    for number in range(pillows):
        x = (number - (pillows - 1) / 2) * each
        size = (min(each * 0.46, 0.4), 0.13, 0.3)
        parts.append(cushion((x, 0.8, end - 0.12), size, sheets, lean=68, seed=31 + number))
        low = (min(each * 0.44, 0.38), 0.12, 0.24)
        parts.append(
            cushion((x + 0.02, 0.7, end - 0.34), low, sheets, lean=52, yaw=4, seed=33 + number)
        )
    small = (min(0.3, each * 0.4), 0.09, 0.17)
    parts.append(cushion((0.03, 0.71, end - 0.54), small, accent, lean=56, yaw=-6, seed=37))
    return Group(parts)


def lamp(
    shade: Colour, light: Colour, foot: Material, *, tall: float = 0.46, wide: float = 0.15
) -> tuple[list[Shape], Vector]:
    """A lamp with a shade of cloth, and where its bulb is."""
    shines = Material(paint("#f4e6cc"), shine_down(shade, light))
    top = tall - 0.11
    hood = post((0, top, 0), wide, 0.22, shines, 0.72)
    parts = [
        post((0, 0.012, 0), wide * 0.55, 0.024, foot),
        Shape(
            (0, tall * 0.3, 0), (0.065, tall * 0.28, 0.065), foot, ball((0.065, tall * 0.28, 0.065))
        ),
        post((0, tall * 0.55, 0), 0.012, tall * 0.4, foot),
        replace(hood, casts_shadow=False),
    ]
    return parts, (0, top, 0)


def shine_down(shade: Colour, light: Colour) -> Texture:
    """A shade, brightest in the middle where the bulb is."""

    def texture(points: Array, normals: Array) -> Array:
        bright = np.exp(-((points[1] / 0.09) ** 2)) * 0.7 + 0.45
        weave = look_up(cloudy(13, 0.9), points[0] / 0.3, points[1] / 0.3) - 0.5
        return column(light) * column(shade) * bright * (1 + 0.12 * weave)

    return texture


def bulb_at(place: Vector, at: Vector, colour: Colour, radius: float = 0.07) -> Bulb:
    return Bulb((place[0] + at[0], place[1] + at[1], place[2] + at[2]), radius, colour)


def table(
    half_x: float, half_z: float, tall: float, wood: Material, *, thick: float = 0.035
) -> list[Shape]:
    """A table with four legs."""
    parts = [soft_box((0, tall - thick / 2, 0), (half_x, thick / 2, half_z), wood, 0.008)]
    for x in (-half_x + 0.05, half_x - 0.05):
        for z in (-half_z + 0.05, half_z - 0.05):
            parts.append(post((x, (tall - thick) / 2, z), 0.016, tall - thick, wood, 1.5))
    parts.append(
        box(
            (-half_x + 0.05, tall - 0.11, -half_z + 0.04),
            (half_x - 0.05, tall - thick, half_z - 0.04),
            wood,
        )
    )
    return parts


def round_table(radius: float, tall: float, wood: Material, foot: Material) -> list[Shape]:
    return [
        post((0, tall - 0.018, 0), radius, 0.036, wood),
        post((0, tall / 2, 0), 0.035, tall - 0.04, foot),
        post((0, 0.02, 0), radius * 0.55, 0.04, foot, 0.7),
    ]


def nightstand(wood: Material, knob: Material) -> list[Shape]:
    return [
        soft_box((0, 0.29, 0), (0.23, 0.24, 0.2), wood, 0.012),
        box((-0.2, 0.32, -0.206), (0.2, 0.48, -0.19), wood),
        box((-0.2, 0.1, -0.206), (0.2, 0.29, -0.19), wood),
        Shape((0, 0.4, -0.22), (0.018, 0.018, 0.018), knob, ball((0.018, 0.018, 0.018))),
        Shape((0, 0.2, -0.22), (0.018, 0.018, 0.018), knob, ball((0.018, 0.018, 0.018))),
    ]


def chair(wood: Material, seat: Material) -> list[Shape]:
    """A chair that looks to -z."""
    parts = [
        soft_box((0, 0.45, 0), (0.215, 0.022, 0.21), wood, 0.015),
        soft_box((0, 0.485, 0), (0.2, 0.03, 0.195), seat, 0.025),
        soft_box((0, 0.84, 0.215), (0.2, 0.06, 0.014), wood, 0.012),
        soft_box((0, 0.66, 0.208), (0.19, 0.025, 0.01), wood, 0.008),
    ]
    for x in (-0.19, 0.19):
        parts.append(post((x, 0.22, -0.18), 0.014, 0.44, wood, 1.4))
        parts.append(post((x, 0.45, 0.21), 0.017, 0.9, wood))
    return parts


def armchair(fabric: Material, wood: Material, pillow: Material) -> list[Shape]:
    parts = [
        soft_box((0, 0.3, 0), (0.36, 0.11, 0.36), fabric, 0.05),
        soft_box((0, 0.44, -0.03), (0.27, 0.075, 0.33), fabric, 0.06, 0.006),
        Shape(
            (0, 0.68, 0.33),
            (0.36, 0.34, 0.1),
            fabric,
            rounded((0.36, 0.34, 0.1), 0.08),
            turned=turn(0, 10),
        ),
        soft_box((-0.36, 0.44, 0), (0.08, 0.19, 0.36), fabric, 0.07),
        soft_box((0.36, 0.44, 0), (0.08, 0.19, 0.36), fabric, 0.07),
        cushion((0.05, 0.66, 0.16), (0.23, 0.08, 0.21), pillow, lean=70, yaw=8, seed=38),
    ]
    for x in (-0.34, 0.34):
        for z in (-0.32, 0.34):
            parts.append(post((x, 0.1, z), 0.018, 0.2, wood, 1.5))
    return parts


def sofa(wide: float, fabric: Material, wood: Material, pillows: Sequence[Material]) -> list[Shape]:
    half = wide / 2
    parts = [
        soft_box((0, 0.27, 0), (half, 0.12, 0.43), fabric, 0.05),
        Shape(
            (0, 0.62, 0.37),
            (half - 0.1, 0.3, 0.12),
            fabric,
            rounded((half - 0.1, 0.3, 0.12), 0.1),
            turned=turn(0, 9),
        ),
        soft_box((-half + 0.06, 0.46, 0), (0.1, 0.2, 0.43), fabric, 0.08),
        soft_box((half - 0.06, 0.46, 0), (0.1, 0.2, 0.43), fabric, 0.08),
    ]
    for x in (-half / 2 + 0.05, half / 2 - 0.05):
        parts.append(
            soft_box((x, 0.45, -0.05), (half / 2 - 0.06, 0.085, 0.37), fabric, 0.07, 0.008)
        )
    for number, material in enumerate(pillows):
        x = -half + 0.4 + number * (wide - 0.8) / max(1, len(pillows) - 1)
        parts.append(
            cushion((x, 0.68, 0.13), (0.25, 0.1, 0.23), material, lean=66, yaw=9 - 14 * number)
        )
    for x in (-half + 0.1, half - 0.1):
        parts.append(post((x, 0.08, -0.34), 0.022, 0.16, wood, 1.4))
    return parts


def framed(
    wide: float, tall: float, frame: Material, inside: Material, *, mount: Material | None = None
) -> list[Shape]:
    """A picture on a wall behind it at z = 0."""
    a, b, thin = wide / 2, tall / 2, 0.025
    parts = [
        box((-a, -b, -0.03), (-a + thin, b, 0), frame),
        box((a - thin, -b, -0.03), (a, b, 0), frame),
        box((-a, -b, -0.03), (a, -b + thin, 0), frame),
        box((-a, b - thin, -0.03), (a, b, 0), frame),
        box((-a, -b, -0.012), (a, b, 0), mount or inside),
    ]
    if mount:
        parts.append(box((-a * 0.66, -b * 0.66, -0.014), (a * 0.66, b * 0.66, 0), inside))
    return parts


def vase(material: Material, tall: float = 0.24) -> list[Shape]:
    body = (tall * 0.36, tall * 0.4, tall * 0.36)
    return [
        Shape((0, tall * 0.4, 0), body, material, ball(body)),
        post((0, tall * 0.85, 0), tall * 0.13, tall * 0.3, material, 1.3),
    ]


def twigs(leaf: Material, stem: Material, *, seed: int, tall: float = 0.5) -> list[Shape]:
    """Twigs with leaves, such as stand in a vase."""
    rng = np.random.default_rng(seed)
    parts: list[Shape] = []
    for _ in range(6):
        yaw, lean = float(rng.uniform(0, 360)), float(rng.uniform(6, 26))
        turned = turn(yaw, lean)
        up = turned @ column((0, 1, 0))
        length = tall * float(rng.uniform(0.7, 1.1))
        half = (0.004, length / 2, 0.004)
        x, y, z = (up * (length / 2))[:, 0]
        parts.append(Shape((float(x), float(y), float(z)), half, stem, turned=turned))
        for along in np.linspace(0.35, 1, 6):
            x, y, z = (up * (length * along))[:, 0] + rng.uniform(-0.035, 0.035, 3)
            size = float(rng.uniform(0.022, 0.04))
            leaf_half = (size, size * 0.28, size * 0.62)
            parts.append(
                Shape(
                    (float(x), float(y), float(z)),
                    leaf_half,
                    leaf,
                    ball(leaf_half),
                    turned=turn(*(float(v) for v in rng.uniform(-180, 180, 3))),
                )
            )
    return parts


def cup(china: Material) -> list[Shape]:
    return [
        post((0, 0.006, 0), 0.075, 0.012, china),
        post((0, 0.05, 0), 0.036, 0.075, china, 1.3),
    ]


def plate(china: Material, radius: float = 0.13) -> Shape:
    return post((0, 0.009, 0), radius, 0.018, china)


def beam(low: Vector, high: Vector, seed: int = 0) -> Shape:
    """An old beam of oak, along its longest side."""
    sides = [abs(b - a) for a, b in zip(low, high, strict=True)]
    wood = grainy(paint("#3a2416"), paint("#7a5233"), along=int(np.argmax(sides)), size=0.8)
    shape = box(low, high, Material(wood))
    return Shape(
        shape.centre, shape.half, shape.material, rounded(shape.half, 0.018, 0.008, 40 + seed)
    )
