"""The hotel Altstadt: a narrow house in an old town, in autumn."""

from dataclasses import replace

import numpy as np

from bench.pictures import furniture as rooms
from bench.pictures.canvas import HEIGHT, Canvas, Paint, Point, colour
from bench.pictures.light import Bulb, Scene, Sun, to_light
from bench.pictures.materials import (
    blend,
    boards,
    books,
    cloth,
    grainy,
    paint,
    plaster,
    rug,
    tiles,
)
from bench.pictures.noise import Array, pick
from bench.pictures.outdoors import clouds, hill, mist, mix, ridge, sky
from bench.pictures.tracer import Colour, Distance, Group, Material, Shape, Vector, column

OAK = Material(grainy(paint("#4a2f1c"), paint("#80552f")))
OAK_UP = Material(grainy(paint("#4a2f1c"), paint("#80552f"), along=1))
LIME = Material(plaster(paint("#e9dcc4"), amount=0.2))
LINEN = Material(cloth(paint("#efe7da"), amount=0.12))
RUST = Material(cloth(paint("#a4512f"), amount=0.3))
GREEN = Material(cloth(paint("#3f4f3a"), amount=0.35))
OCHRE = Material(cloth(paint("#c48b3a"), amount=0.3))
LEATHER = Material(plaster(paint("#7a4526"), amount=0.35), gloss=0.06, blur=0.15)
BRASS = Material(paint("#b88b45"), gloss=0.25, blur=0.15)
IRON = Material(paint("#24221f"))
CHINA = Material(paint("#efe9dc"), gloss=0.08, blur=0.05)
PLANKS = Material(boards(paint("#5a3920"), paint("#94653a"), width=0.22), gloss=0.14, blur=0.06)
CREAM = Material(plaster(paint("#efe6d3"), amount=0.06))

ROOFS = [
    colour("#8a4630"),
    colour("#a0583a"),
    colour("#6f3b2c"),
    colour("#b56b45"),
    colour("#7c4a3a"),
]


def facade(
    colour_: Colour, wide: float, floors: int, *, seed: int, lit: float
) -> tuple[Material, float]:
    """A front with rows of windows, some lit, in the frame of a box with its front at -z or x."""
    floor = 2.9
    tall = floors * floor
    each = wide / max(2, round(wide / 1.55))

    def places(points: Array, normals: Array) -> tuple[Array, Array, Array, Array]:
        across = np.where(np.abs(normals[0]) > 0.7, points[2], points[0]) + wide / 2
        up = points[1] + tall / 2
        column_, row = np.floor(across / each), np.floor(up / floor)
        u = (across / each - column_ - 0.5) * each
        v = up - row * floor - 1.55
        return u, v, column_, row

    def colours(points: Array, normals: Array) -> Array:
        u, v, column_, row = places(points, normals)
        wall = plaster(colour_, amount=0.35, size=3)(points, normals)
        frame = (np.abs(u) < 0.56) & (np.abs(v) < 0.98)
        glass = (np.abs(u) < 0.44) & (np.abs(v) < 0.86)
        bars = (np.abs(u) < 0.03) | (np.abs(v - 0.25) < 0.03)
        stone = column((0.5, 0.44, 0.36))
        found = np.where(frame, stone, wall)
        found = np.where(glass & ~bars, column((0.02, 0.025, 0.035)), found)
        ledge = np.abs(v + 1.42) < 0.07
        return np.where(ledge & ~frame, stone * 0.8, found)

    def shines(points: Array, normals: Array) -> Array:
        u, v, column_, row = places(points, normals)
        glass = (np.abs(u) < 0.44) & (np.abs(v) < 0.86)
        bars = (np.abs(u) < 0.03) | (np.abs(v - 0.25) < 0.03)
        cell = column_ * 7 + row * 31 + seed
        on = pick(cell, 50) < lit
        curtain = np.where(np.abs(u) > 0.27, 0.55, 1.0)
        glow = glass & ~bars & on & (np.abs(normals[1]) < 0.5)
        return column((1.5, 0.78, 0.3)) * (glow * curtain * (0.5 + 0.9 * pick(cell, 51)))

    return Material(colours, shines), tall


def house(
    x: float,
    z: float,
    wide: float,
    deep: float,
    floors: int,
    colour_: Colour,
    *,
    seed: int,
    lit: float,
    yaw: float,
) -> Group:
    """A gabled house: its front is in the middle of x and z and looks to -z before it is turned."""
    skin, tall = facade(colour_, wide, floors, seed=seed, lit=lit)
    tile = Material(
        tiles([paint("#7d402c"), paint("#94523a"), paint("#693526")], paint("#3a1f18"), size=0.3)
    )
    half = (wide / 2, tall / 2, deep / 2)
    gable_half = (wide / 2, wide * 0.46, deep / 2)
    parts = [
        Shape((0, tall / 2, deep / 2), half, skin),
        Shape(
            (0, tall + gable_half[1], deep / 2 + 0.02),
            gable_half,
            Material(plaster(colour_, amount=0.35, size=3)),
            ridge_along_z(gable_half),
        ),
        Shape(
            (0, tall + gable_half[1] + 0.22, deep / 2 + 0.3),
            (wide / 2 + 0.2, gable_half[1] + 0.1, deep / 2),
            tile,
            ridge_along_z((wide / 2 + 0.2, gable_half[1] + 0.1, deep / 2)),
        ),
        rooms.box(
            (-0.4, tall + 0.5, -0.03),
            (0.4, tall + 1.8, 0.1),
            Material(paint("#1c1c1c"), (1.5, 0.75, 0.25) if seed % 2 else (0, 0, 0)),
        ),
        rooms.box(
            (wide * 0.2, tall + 1, 2),
            (wide * 0.2 + 0.7, tall + gable_half[1] * 2 + 0.5, 2.7),
            Material(paint("#6b3a2a")),
        ),
    ]
    return Group(rooms.move(parts, (x, 0, z), yaw))


def ridge_along_z(half: Vector) -> Distance:
    """A roof or the gable below it, with its ridge along z."""
    wide, tall, deep = half
    slope = np.hypot(2 * tall, wide)

    def distance(points: Array) -> Array:
        side = (np.abs(points[0]) * 2 * tall + (points[1] - tall) * wide) / slope
        return np.maximum(side, np.abs(points[2]) - deep).astype(np.float32)

    return distance


def cobbles(points: Array, normals: Array) -> Array:
    """Stones in rows, each a little different, and dark joints."""
    row = np.floor(points[2] / 0.17)
    u = points[0] / 0.2 + 0.5 * (row % 2) + 0.2 * pick(row, 60)
    stone = np.floor(u) + row * 133
    inside_u, inside_v = u - np.floor(u) - 0.5, points[2] / 0.17 - row - 0.5
    bulge = np.clip(1 - (inside_u**4 + inside_v**4) * 11, 0.12, 1)
    tint = blend(paint("#4a4540"), paint("#8d8378"), pick(stone, 61))
    return tint * bulge


def lantern(x: float, z: float, light: float) -> tuple[Group, Bulb]:
    """A street lamp."""
    glass = Material(paint("#f4e6cc"), (light * 3.2, light * 1.8, light * 0.7))
    parts = [
        rooms.post((x, 1.7, z), 0.045, 3.4, IRON),
        rooms.post((x, 0.3, z), 0.09, 0.6, IRON, 0.6),
        rooms.post((x, 3.66, z), 0.12, 0.42, glass, 1.5),
        rooms.post((x, 3.97, z), 0.22, 0.2, IRON, 0.15),
    ]
    for part in parts[2:3]:
        parts[2] = Shape(part.centre, part.half, part.material, part.distance, casts_shadow=False)
    return Group(parts), Bulb((x, 3.62, z), 0.1, (light * 5.5, light * 3.1, light * 1.2))


def dusk(scale: float, horizon: float) -> Array:
    """The sky above the town just after sunset."""
    canvas = Canvas(scale)
    level = horizon * HEIGHT
    stops = [
        (0, colour("#22375c")),
        (level * 0.45, colour("#4d6488")),
        (level * 0.8, colour("#c08f86")),
        (level, colour("#f0b37c")),
    ]
    sky(canvas, stops, (1250, level), colour("#ff9a70"), 0.25)
    clouds(
        canvas,
        level,
        colour("#f4b48a"),
        colour("#6a6484"),
        (1250, level),
        seed=25,
        amount=0.6,
        thickness=0.75,
    )
    return to_light(canvas.pixels)


def square(scale: float) -> Scene:
    """A lane of gabled houses after rain, with the hotel at its end."""
    palette = [
        paint(code)
        for code in ("#c98f4e", "#d9c6a0", "#a85c40", "#8f9a84", "#d8a873", "#b9a58c", "#9c5140")
    ]
    groups: list[Group] = []
    z = 1.0
    for at, (wide, floors) in enumerate(
        ((6.2, 3), (5.2, 3), (6.0, 4), (5.0, 3), (6.4, 3), (5.4, 4), (6.0, 3))
    ):
        tone = palette[at % 7]
        groups.append(
            house(
                -6.2 + 0.25 * (at % 3),
                z + wide / 2,
                wide - 0.06,
                8,
                floors,
                tone,
                seed=at * 3,
                lit=0.5,
                yaw=-90,
            )
        )
        z += wide
    z = -1.0
    for at, (wide, floors) in enumerate(
        ((5.6, 3), (6.2, 4), (5.0, 3), (5.8, 3), (6.2, 4), (5.4, 3), (6.0, 3))
    ):
        tone = palette[(at + 3) % 7]
        groups.append(
            house(
                6.4 - 0.25 * (at % 2),
                z + wide / 2,
                wide - 0.06,
                8,
                floors,
                tone,
                seed=at * 5 + 1,
                lit=0.45,
                yaw=90,
            )
        )
        z += wide
    groups.append(house(-2.3, 40, 5.0, 8, 3, paint("#d7b98c"), seed=4, lit=0.6, yaw=0))
    groups.append(house(2.6, 38.5, 4.6, 8, 4, paint("#b2593c"), seed=9, lit=0.85, yaw=0))
    spire = Material(tiles([paint("#4f6a5e"), paint("#5d7a6c")], paint("#35473f"), size=0.6))
    tower = [
        rooms.box(
            (-3.4, 0, 62), (2.0, 24, 67), Material(plaster(paint("#9c6a4e"), amount=0.3, size=5))
        ),
        rooms.post((-0.7, 33, 64.5), 3.4, 18, spire, 0.02),
    ]
    groups.append(Group(tower))
    groups.append(
        Group([rooms.box((-40, -0.3, -6), (40, 0, 90), Material(cobbles, gloss=0.85, blur=0.055))])
    )
    bulbs = []
    for x, z, light in (
        (-4.3, 7.5, 1.0),
        (4.4, 12.5, 1.0),
        (-4.2, 19, 1.0),
        (4.3, 26, 1.0),
        (-4.0, 33, 1.0),
    ):
        lamp, bulb = lantern(x, z, light)
        groups.append(lamp)
        bulbs.append(bulb)
    groups += cafe_tables()
    return Scene(
        groups,
        (0.5, 1.75, -1.5),
        focal=0.66,
        horizon=0.6,
        vanishing=0.53,
        bulbs=bulbs,
        sky=((0.16, 0.23, 0.4), (0.5, 0.36, 0.32)),
        ambient=(0.02, 0.022, 0.035),
        samples=8,
        backdrop=dusk(scale, 0.6),
        exposure=1.5,
        glow=0.3,
    )


def cafe_tables() -> list[Group]:
    groups = []
    for x, z in ((3.6, 5.4), (4.3, 7.6)):
        parts = rooms.move(rooms.round_table(0.36, 0.74, OAK, IRON), (x, 0, z))
        parts += rooms.move(rooms.chair(IRON, OAK), (x - 0.6, 0, z + 0.1), -80)
        candle = Material(paint("#f2e6cf"), (3, 1.6, 0.6))
        parts += rooms.move([rooms.post((0, 0.05, 0), 0.035, 0.1, candle)], (x, 0.74, z))
        groups.append(Group(parts))
    return groups


def over_the_roofs(scale: float, level: float, *, bright: bool = True) -> Canvas:
    """Tiled roofs, gables and towers in the haze of an autumn afternoon; `level` is the horizon."""
    rng = np.random.default_rng(12)
    canvas = Canvas(scale)
    sun = (1750.0, level - 120)
    stops = [
        (0, colour("#6f8fae")),
        (level * 0.5, colour("#b9bcb8")),
        (level * 0.85, colour("#ebbf9c")),
        (level, colour("#f4c9a4")),
    ]
    sky(canvas, stops, sun, colour("#ffac80"), 0.3)
    clouds(
        canvas, level, colour("#ffe2bb"), colour("#a99a9f"), sun, seed=27, amount=0.5, thickness=0.7
    )
    haze = colour("#f0c595")
    far = ridge(
        14, [(0, level - 60), (800, level - 110), (1500, level - 50), (2400, level - 90)], rough=30
    )
    hill(
        canvas,
        far,
        colour("#b09a94"),
        colour("#d8b596"),
        foot_y=level + 60,
        seed=5,
        texture=0.1,
        haze=haze,
    )
    church(canvas, 620, level - 10, 0.8, mix(colour("#6f5a58"), haze, 0.45))
    church(canvas, 1980, level + 10, 0.5, mix(colour("#6f5a58"), haze, 0.6))
    rows = 9
    for row in range(rows):
        share = row / (rows - 1)
        base = level + 10 + (HEIGHT - level) * 1.02 * share**1.5
        size = 34 + 430 * share**1.6
        polygons: list[tuple[list[Point], Paint]] = []
        x = -size * rng.uniform(0.2, 1)
        while x < 2400 + size:
            x += roof_with_gable(
                rng,
                polygons,
                x,
                base + rng.uniform(-0.3, 0.2) * size,
                size,
                mix(haze, (0, 0, 0), 0.0),
                1 - share,
            )
        canvas.strokes(polygons)
        grain = canvas.noise(80 + row, 30 + size * 0.9, 1.0, 3) - 0.5
        below = (canvas.y > base - size * 1.3).astype(np.float32)
        canvas.pixels *= (1 + 0.22 * grain * below)[..., None]
        if row < rows - 1:
            mist(canvas, haze, base - size * 0.6, base + size * 1.4, 0.24 * (1 - share), 30 + row)
    canvas.glow(sun[0], sun[1], 620, colour("#ffb869"), 0.2)
    return canvas


def roof_with_gable(
    rng: np.random.Generator,
    polygons: list[tuple[list[Point], Paint]],
    x: float,
    y: float,
    size: float,
    haze: Paint,
    far: float,
) -> float:
    """Adds a house seen over the roofs, lit from the right, and returns its width."""
    wide, tall = size * rng.uniform(0.8, 1.3), size * rng.uniform(0.55, 0.85)
    deep = size * rng.uniform(0.9, 1.7)
    fog = far**1.4 * 0.72
    tile = ROOFS[rng.integers(len(ROOFS))]
    wall = [colour("#cdb48c"), colour("#b99772"), colour("#d8c6a6"), colour("#a9745a")][
        rng.integers(4)
    ]
    top = y - tall
    front = [
        (x, y),
        (x + wide / 2, top),
        (x + wide, y),
        (x + wide, y + size * 3),
        (x, y + size * 3),
    ]
    slope = [(x + wide / 2, top), (x + wide / 2 + deep, top), (x + wide + deep, y), (x + wide, y)]
    eaves = [
        (x + wide, y),
        (x + wide + deep, y),
        (x + wide + deep, y + size * 3),
        (x + wide, y + size * 3),
    ]
    polygons.append((eaves, mix(mix(wall, (1, 0.8, 0.55), 0.3), haze, fog)))
    polygons.append((slope, mix(mix(tile, (1, 0.72, 0.42), 0.22), haze, fog)))
    rows = 11 if size > 120 else 4
    for at in range(rows):
        a, b = at / rows, (at + 0.35) / rows
        band = [
            (x + wide / 2 * (1 + a), top + tall * a),
            (x + wide / 2 * (1 + a) + deep, top + tall * a),
            (x + wide / 2 * (1 + b) + deep, top + tall * b),
            (x + wide / 2 * (1 + b), top + tall * b),
        ]
        polygons.append((band, mix(mix(tile, (0.1, 0.05, 0.05), 0.16), haze, fog)))
    polygons.append((front, mix(mix(wall, (0.22, 0.16, 0.2), 0.42), haze, fog)))
    thick = size * 0.05
    verge = [
        (x - thick, y + thick),
        (x + wide / 2, top - thick),
        (x + wide + thick, y + thick),
        (x + wide, y + thick * 2),
        (x + wide / 2, top + thick * 1.4),
        (x, y + thick * 2),
    ]
    polygons.append((verge, mix(mix(tile, (0, 0, 0), 0.35), haze, fog)))
    for number in range(2):
        wx, wy, s = x + wide * (0.3 + 0.4 * number), y + size * 0.32, size * 0.085
        pane = [
            (wx - s, wy - s * 1.5),
            (wx + s, wy - s * 1.5),
            (wx + s, wy + s * 1.5),
            (wx - s, wy + s * 1.5),
        ]
        is_lit = rng.random() < 0.4
        polygons.append((pane, mix(colour("#ffc873") if is_lit else colour("#3d3a44"), haze, fog)))
    cx, ct = x + wide / 2 + deep * rng.uniform(0.3, 0.7), top - size * 0.3
    stack = size * 0.09
    polygons.append(
        (
            [(cx, ct), (cx + stack, ct), (cx + stack, top + size * 0.12), (cx, top + size * 0.12)],
            mix(colour("#6e4233"), haze, fog),
        )
    )
    polygons.append(
        (
            [
                (cx + stack, ct),
                (cx + stack * 1.6, ct),
                (cx + stack * 1.6, top + size * 0.12),
                (cx + stack, top + size * 0.12),
            ],
            mix(colour("#c08a62"), haze, fog),
        )
    )
    return float(wide + deep * 0.72)


def church(canvas: Canvas, x: float, y: float, size: float, paint_: Paint) -> None:
    """A church with a pointed tower, far away."""
    tower = [
        (x, y),
        (x, y - 240 * size),
        (x + 44 * size, y - 470 * size),
        (x + 88 * size, y - 240 * size),
        (x + 88 * size, y),
    ]
    nave = [
        (x + 80 * size, y),
        (x + 80 * size, y - 110 * size),
        (x + 110 * size, y - 190 * size),
        (x + 330 * size, y - 190 * size),
        (x + 370 * size, y - 90 * size),
        (x + 370 * size, y),
    ]
    lit = [
        (x + 50 * size, y),
        (x + 50 * size, y - 240 * size),
        (x + 44 * size, y - 470 * size),
        (x + 88 * size, y - 240 * size),
        (x + 88 * size, y),
    ]
    canvas.strokes(
        [
            (nave, paint_),
            (tower, mix(paint_, (0, 0, 0), 0.12)),
            (lit, mix(paint_, (1, 0.8, 0.55), 0.35)),
        ]
    )


def roof_view(scale: float) -> Array:
    return over_the_roofs(scale, 560).pixels


def roofs_behind(scale: float, horizon: float) -> Array:
    return to_light(over_the_roofs(scale, horizon * HEIGHT).pixels)


def table_lamp(
    x: float, y: float, z: float, light: float, shade: Colour = (1, 0.8, 0.5)
) -> tuple[Group, Bulb]:
    parts, place = rooms.lamp(shade, (light, light * 0.7, light * 0.38), BRASS)
    bulb = rooms.bulb_at(place, (x, y, z), (light * 0.5, light * 0.29, light * 0.12))
    return Group(rooms.move(parts, (x, y, z))), bulb


def slanting(
    low_x: float, high_x: float, low_y: float, high_y: float, z: tuple[float, float], skin: Material
) -> Shape:
    """The slope of an attic, from one height at one side to another at the other."""
    angle = float(np.degrees(np.arctan2(high_y - low_y, high_x - low_x)))
    length = float(np.hypot(high_x - low_x, high_y - low_y)) / 2
    middle = ((low_x + high_x) / 2, (low_y + high_y) / 2 + 0.1, (z[0] + z[1]) / 2)
    return Shape(
        middle, (length + 0.2, 0.06, (z[1] - z[0]) / 2), skin, turned=rooms.turn(0, 0, angle)
    )


def double_room(scale: float) -> Scene:
    low, high, hole = (-2.4, 0.0, -0.6), (2.4, 2.75, 4.5), (0.0, 1.7, 0.85, 2.2)
    eye, horizon = (0.3, 1.4, -0.5), 0.43
    bed = rooms.bed(
        wide=1.7,
        frame=OAK,
        head=GREEN,
        sheets=LINEN,
        cover=Material(cloth(paint("#e8dcc6"), amount=0.14)),
        accent=RUST,
    )
    groups = [
        *rooms.room(low, high, floor=PLANKS, walls=LIME, ceiling=CREAM, hole=hole),
        rooms.skirting(low, (2.4, 0, 4.5), OAK),
        rooms.window(hole, 4.5, OAK_UP, panes=2, rows=(0.68,)),
        *(
            Group([rooms.beam((-2.4, 2.52, z), (2.4, 2.75, z + 0.2), seed)])
            for seed, z in enumerate((0.4, 1.55, 2.7, 3.85))
        ),
        Group(
            [
                rooms.beam((-2.4, 0, 4.36), (-2.2, 2.6, 4.52)),
                rooms.beam((2.2, 0, 4.36), (2.4, 2.6, 4.52)),
            ]
        ),
        Group(
            [
                rooms.beam((-2.4, 2.36, -0.6), (-2.2, 2.56, 4.5)),
                rooms.beam((2.2, 2.36, -0.6), (2.4, 2.56, 4.5)),
            ]
        ),
        Group(
            [
                rooms.beam((-0.45, 0, 4.4), (-0.27, 2.6, 4.52)),
                rooms.beam((-2.3, 1.25, 4.42), (-0.4, 1.42, 4.52)),
            ]
        ),
        Group(rooms.move(bed.shapes, (-1.25, 0, 2.6), -90)),
        Group(rooms.move(rooms.armchair(LEATHER, OAK_UP, OCHRE), (1.72, 0, 3.2), 42)),
        Group(rooms.move(rooms.round_table(0.24, 0.5, OAK, IRON), (1.05, 0, 3.75))),
        Group(
            [
                rooms.soft_box(
                    (0.65, 0.012, 2.3),
                    (1.1, 0.012, 1.0),
                    Material(rug(paint("#8d3f2c"), paint("#2f3a3a"), paint("#d2a45c"), 1.1, 1.0)),
                    0.008,
                )
            ]
        ),
        Group(
            [
                rooms.curtain(-0.2, 0.36, (0.6, 2.4), 4.33, OCHRE, sheer=False),
                rooms.curtain(1.9, 0.36, (0.6, 2.4), 4.33, OCHRE, sheer=False),
                rooms.box((-0.5, 2.4, 4.32), (2.2, 2.43, 4.345), IRON),
            ]
        ),
    ]
    bulbs = []
    for z in (3.78, 1.42):
        groups.append(Group(rooms.move(rooms.nightstand(OAK, BRASS), (-2.1, 0, z))))
        lamp, bulb = table_lamp(-2.1, 0.53, z, 1.5)
        groups.append(lamp)
        bulbs.append(bulb)
    return Scene(
        groups,
        eye,
        focal=0.54,
        horizon=horizon,
        vanishing=0.53,
        openings=[rooms.opening_of(hole, 4.5, (5.6, 4.9, 4.0))],
        bulbs=bulbs,
        sun=Sun((0.3, 0.42, 0.75), (6.0, 3.5, 1.6)),
        ambient=(0.06, 0.05, 0.045),
        backdrop=roofs_behind(scale, horizon),
        exposure=1.9,
    )


def attic_single(scale: float) -> Scene:
    low, high, hole = (-1.9, 0.0, -0.6), (1.9, 2.9, 3.8), (-0.45, 0.65, 0.9, 2.1)
    eye, horizon = (0.1, 1.35, -0.5), 0.45
    bed = rooms.bed(
        wide=0.95,
        frame=OAK,
        head=OAK,
        sheets=LINEN,
        cover=Material(cloth(paint("#e8dcc6"), amount=0.14)),
        accent=OCHRE,
        pillows=1,
    )
    lamp, bulb = table_lamp(1.15, 0.75, 3.45, 1.4)
    groups = [
        *rooms.room(low, high, floor=PLANKS, walls=LIME, ceiling=CREAM, hole=hole),
        rooms.window(hole, 3.8, OAK_UP, panes=2, rows=(0.5,)),
        Group([slanting(-1.9, -0.5, 1.15, 2.9, (-0.8, 4.0), CREAM)]),
        Group([slanting(0.5, 1.9, 2.9, 1.15, (-0.8, 4.0), CREAM)]),
        *(
            Group(
                [
                    slanting(-1.95, -0.45, 1.02, 2.8, (z, z + 0.16), OAK),
                    slanting(0.45, 1.95, 2.8, 1.02, (z, z + 0.16), OAK),
                    rooms.beam((-0.85, 2.42, z), (0.85, 2.58, z + 0.16)),
                ]
            )
            for z in (0.9, 2.1, 3.3)
        ),
        Group(rooms.move(bed.shapes, (-1.25, 0, 2.6))),
        Group(rooms.move(rooms.table(0.5, 0.27, 0.75, OAK), (0.95, 0, 3.45))),
        Group(rooms.move(rooms.chair(OAK_UP, RUST), (0.85, 0, 2.95), 160)),
        lamp,
        Group(
            [
                rooms.box((0.62, 0.755, 3.36), (0.84, 0.79, 3.52), RUST),
                rooms.box((0.64, 0.79, 3.37), (0.83, 0.82, 3.5), GREEN),
            ]
        ),
        Group(
            [
                rooms.soft_box(
                    (0.1, 0.01, 1.9),
                    (0.55, 0.01, 0.9),
                    Material(rug(paint("#8d3f2c"), paint("#2f3a3a"), paint("#d2a45c"), 0.55, 0.9)),
                    0.006,
                )
            ]
        ),
    ]
    return Scene(
        groups,
        eye,
        focal=0.58,
        horizon=horizon,
        openings=[rooms.opening_of(hole, 3.8, (6.4, 5.6, 4.6))],
        bulbs=[bulb],
        sun=Sun((0.2, 0.5, 0.75), (6.0, 3.6, 1.7)),
        ambient=(0.07, 0.06, 0.055),
        backdrop=roofs_behind(scale, horizon),
        exposure=1.9,
    )


def apartment(scale: float) -> Scene:
    low, high, hole = (-3.1, 0.0, -0.8), (2.9, 2.8, 4.8), (-0.2, 1.6, 0.8, 2.25)
    eye, horizon = (0.1, 1.45, -0.7), 0.43
    sage = Material(plaster(paint("#6f7d68"), amount=0.1))
    stone = Material(plaster(paint("#d8d0c2"), amount=0.15), gloss=0.1)
    wall_tiles = Material(
        tiles([paint("#ece4d4"), paint("#e2d8c4"), paint("#f2ebdd")], paint("#b9ad98"), size=0.13),
        gloss=0.08,
    )
    kitchen = [
        rooms.box((-3.1, 0.1, 1.6), (-2.5, 0.88, 4.8), sage),
        rooms.box((-3.1, 0.88, 1.56), (-2.46, 0.92, 4.8), stone),
        rooms.box((-3.1, 0.92, 1.6), (-3.085, 1.5, 4.8), wall_tiles),
    ]
    for z in (1.64, 2.44, 3.24, 4.04):
        kitchen += [
            rooms.box((-2.5, 0.14, z), (-2.48, 0.84, z + 0.72), sage),
            rooms.box((-2.48, 0.7, z + 0.2), (-2.46, 0.72, z + 0.52), BRASS),
        ]
    shelf = [
        rooms.box((-3.1, 1.62, 1.8), (-2.82, 1.66, 4.6), OAK),
        rooms.box((-3.1, 2.02, 1.8), (-2.82, 2.06, 4.6), OAK),
    ]
    for at, z in enumerate(np.arange(1.95, 4.5, 0.21)):
        y = 1.66 if at % 2 else 2.06
        pot = [CHINA, RUST, OCHRE, CHINA, GREEN][at % 5]
        shelf.append(
            rooms.post((-2.95, y + 0.07, float(z)), 0.055, 0.14 + 0.05 * (at % 3), pot, 0.85)
        )
    kettle = rooms.move(rooms.vase(BRASS, 0.26), (-2.8, 0.92, 2.6))
    bread = (0.15, 0.06, 0.08)
    kettle += [
        Shape(
            (-2.75, 0.99, 3.4),
            bread,
            Material(cloth(paint("#b9783c"), amount=0.5)),
            rooms.ball(bread),
        )
    ]
    dining = rooms.move(rooms.round_table(0.52, 0.75, OAK, IRON), (-0.7, 0, 3.35))
    dining += rooms.move(rooms.vase(CHINA, 0.2), (-0.7, 0.75, 3.35))
    dining += rooms.move(
        rooms.twigs(Material(paint("#b5622c")), OAK, seed=6, tall=0.4), (-0.7, 0.92, 3.35)
    )
    pendant = rooms.post(
        (-0.7, 1.95, 3.35), 0.24, 0.2, Material(paint("#2f3a33"), (0.25, 0.13, 0.05)), 0.25
    )
    pendant = Shape(
        pendant.centre, pendant.half, pendant.material, pendant.distance, casts_shadow=False
    )
    lamp, bulb = table_lamp(2.5, 0.55, 4.3, 1.6)
    groups = [
        *rooms.room(low, high, floor=PLANKS, walls=LIME, ceiling=CREAM, hole=hole),
        rooms.skirting((-2.4, 0, -0.8), (2.9, 0, 4.8), OAK),
        rooms.window(hole, 4.8, OAK_UP, panes=3, rows=(0.68,)),
        *(
            Group([rooms.beam((-3.1, 2.56, z), (2.9, 2.8, z + 0.2), seed)])
            for seed, z in enumerate((0.6, 1.9, 3.2, 4.5))
        ),
        Group(
            [
                rooms.beam((-3.1, 2.4, -0.8), (-2.9, 2.6, 4.8)),
                rooms.beam((2.7, 2.4, -0.8), (2.9, 2.6, 4.8)),
            ]
        ),
        Group(kitchen),
        Group(shelf),
        Group(kettle),
        Group(dining),
        Group([pendant, rooms.post((-0.7, 2.3, 3.35), 0.006, 0.6, IRON)]),
        Group(rooms.move(rooms.chair(OAK_UP, RUST), (-1.35, 0, 3.5), -75)),
        Group(rooms.move(rooms.chair(OAK_UP, RUST), (-0.35, 0, 2.65), 160)),
        Group(rooms.move(rooms.sofa(1.9, GREEN, OAK_UP, [RUST, OCHRE, LINEN]), (2.3, 0, 2.75), 90)),
        Group(rooms.move(rooms.round_table(0.36, 0.38, OAK, IRON), (1.2, 0, 2.6))),
        Group(
            [
                rooms.soft_box(
                    (1.2, 0.012, 2.5),
                    (1.05, 0.012, 1.3),
                    Material(rug(paint("#8d3f2c"), paint("#2f3a3a"), paint("#d2a45c"), 1.05, 1.3)),
                    0.008,
                )
            ]
        ),
        Group(rooms.move(rooms.nightstand(OAK, BRASS), (2.5, 0, 4.3))),
        lamp,
        Group(
            rooms.move(
                rooms.framed(
                    1.1,
                    0.8,
                    OAK,
                    Material(plaster(paint("#c98a4a"), amount=1.4, size=0.9)),
                    mount=CREAM,
                ),
                (2.9, 1.7, 2.7),
                90,
            )
        ),
    ]
    return Scene(
        groups,
        eye,
        focal=0.53,
        horizon=horizon,
        openings=[rooms.opening_of(hole, 4.8, (6.0, 5.3, 4.4))],
        bulbs=[bulb, Bulb((-0.7, 1.84, 3.35), 0.06, (0.9, 0.5, 0.22))],
        sun=Sun((0.12, 0.42, 0.75), (6.0, 3.5, 1.6)),
        ambient=(0.065, 0.055, 0.05),
        backdrop=roofs_behind(scale, horizon),
        exposure=1.9,
    )


def library(scale: float) -> Scene:
    low, high, hole = (-2.6, 0.0, -0.7), (2.6, 3.0, 4.6), (-0.6, 0.6, 0.9, 2.5)
    eye, horizon = (0.0, 1.4, -0.6), 0.45
    spines = [
        paint(code)
        for code in (
            "#6d2a20",
            "#3f4f3a",
            "#8a6a35",
            "#2f3d52",
            "#a8793e",
            "#54351f",
            "#7d4a3a",
            "#c0a877",
        )
    ]
    shelf = 0.36
    backs = Material(books(spines, shelf=shelf))
    cases: list[Group] = []
    for x0, x1 in ((-2.6, -2.3), (2.3, 2.6)):
        case = [rooms.box((x0, 0.4, 0.2), (x1, 0.4 + shelf * 6, 4.6), backs)]
        face = x1 if x0 < 0 else x0
        for row in range(7):
            y = 0.4 + shelf * row
            case.append(
                rooms.box(
                    (min(face, face), y - 0.015, 0.2),
                    (face + (0.03 if x0 < 0 else -0.03), y + 0.015, 4.6),
                    OAK,
                )
            )
        for z in (0.2, 1.3, 2.4, 3.5, 4.56):
            case.append(
                rooms.box(
                    (face, 0, z - 0.03), (face + (0.05 if x0 < 0 else -0.05), 2.7, z + 0.03), OAK_UP
                )
            )
        case.append(rooms.box((x0, 0, 0.2), (x1, 0.4, 4.6), OAK))
        case.append(rooms.box((x0, 2.56, 0.1), (x1 + (0.06 if x0 < 0 else 0), 2.74, 4.6), OAK))
        cases.append(Group(case))
    for x0, x1 in ((-2.3, -0.85), (0.85, 2.3)):
        case = [
            rooms.box((x0, 0.4, 4.3), (x1, 0.4 + shelf * 6, 4.6), backs),
            rooms.box((x0, 0, 4.28), (x1, 0.4, 4.6), OAK),
            rooms.box((x0, 2.56, 4.24), (x1, 2.74, 4.6), OAK),
        ]
        for row in range(7):
            y = 0.4 + shelf * row
            case.append(rooms.box((x0, y - 0.015, 4.27), (x1, y + 0.015, 4.4), OAK))
        for x in (x0, (x0 + x1) / 2, x1):
            case.append(rooms.box((x - 0.03, 0, 4.25), (x + 0.03, 2.7, 4.4), OAK_UP))
        cases.append(Group(case))
    bulbs, lamps = [], []
    for x, y, z, light in ((-0.66, 0.5, 3.35, 2.0), (0.66, 0.5, 3.35, 2.0)):
        lamp, bulb = table_lamp(x, y, z, light)
        lamps += [lamp, Group(rooms.move(rooms.round_table(0.25, 0.5, OAK, BRASS), (x, 0, z)))]
        bulbs.append(bulb)
    groups = [
        *rooms.room(
            low,
            high,
            floor=PLANKS,
            walls=Material(plaster(paint("#43513f"), amount=0.2)),
            ceiling=CREAM,
            hole=hole,
        ),
        rooms.window(hole, 4.6, OAK_UP, panes=2, rows=(0.5, 0.75)),
        *cases,
        *lamps,
        Group(rooms.move(rooms.armchair(LEATHER, OAK_UP, OCHRE), (-1.3, 0, 2.6), -50)),
        Group(rooms.move(rooms.armchair(LEATHER, OAK_UP, RUST), (1.15, 0, 2.5), 50)),
        Group(
            [
                *rooms.move(rooms.round_table(0.38, 0.42, OAK, BRASS), (0.0, 0, 2.1)),
                rooms.box((-0.18, 0.42, 2.0), (0.06, 0.45, 2.2), RUST),
                rooms.box((-0.16, 0.45, 2.02), (0.05, 0.48, 2.19), GREEN),
                *rooms.move(rooms.cup(CHINA), (0.18, 0.42, 2.02)),
            ]
        ),
        Group(
            [
                rooms.soft_box(
                    (0, 0.012, 2.2),
                    (1.5, 0.012, 1.4),
                    Material(rug(paint("#7a3326"), paint("#26302f"), paint("#c89a55"), 1.5, 1.4)),
                    0.008,
                )
            ]
        ),
        *(
            Group([rooms.beam((-2.6, 2.8, z), (2.6, 3.0, z + 0.2), seed)])
            for seed, z in enumerate((0.7, 2.0, 3.3))
        ),
    ]
    return Scene(
        groups,
        eye,
        focal=0.56,
        horizon=horizon,
        openings=[rooms.opening_of(hole, 4.6, (1.6, 1.7, 2.1))],
        bulbs=bulbs,
        ambient=(0.03, 0.026, 0.022),
        backdrop=roofs_behind(scale, horizon),
        exposure=2.8,
        glow=0.2,
    )


def vines(
    seed: int, low: tuple[float, float, float], high: tuple[float, float, float], count: int
) -> list[Group]:
    """Autumn leaves on a wall, thicker at the top."""
    rng = np.random.default_rng(seed)
    leaves = [
        Material(cloth(paint(code), amount=0.4))
        for code in ("#a8452a", "#c9772f", "#7d8a45", "#8c2f24", "#d7a23e")
    ]
    parts: list[Shape] = []
    for _ in range(count):
        share = rng.random() ** 0.5
        x, z = rng.uniform(low[0], high[0]), rng.uniform(low[2], high[2])
        y = low[1] + (high[1] - low[1]) * share
        size = float(rng.uniform(0.06, 0.12))
        half = (size, size * 0.2, size * 0.8)
        parts.append(
            Shape(
                (float(x), float(y), float(z)),
                half,
                leaves[rng.integers(5)],
                rooms.ball(half),
                turned=rooms.turn(*(float(v) for v in rng.uniform(-180, 180, 3))),
            )
        )
    parts.sort(
        key=lambda part: (round(part.centre[2] * 1.2), round(part.centre[1]), part.centre[0])
    )
    return [Group(parts[at : at + 14]) for at in range(0, len(parts), 14)]


def courtyard(scale: float) -> Scene:
    eye, horizon = (0.1, 1.55, -1.6), 0.5
    wall = Material(plaster(paint("#d8bd92"), amount=0.35, size=3))
    skin, tall = facade(paint("#cfa878"), 7.0, 3, seed=3, lit=0.55)
    lamp_glass = Material(paint("#f4e6cc"), (3.4, 1.9, 0.75))
    groups = [
        Group([rooms.box((-8, -0.2, -3), (8, 0, 9), Material(cobbles, gloss=0.2, blur=0.08))]),
        Group([Shape((0, tall / 2, 7.2), (3.5, tall / 2, 0.4), skin)]),
        Group([rooms.box((-3.7, 0, -2), (-3.2, 5.6, 7), wall)]),
        Group([rooms.box((3.2, 0, -2), (3.7, 4.2, 7), wall)]),
        *vines(5, (-3.2, 1.4, 0.3), (-3.05, 5.4, 6.8), 560),
        *vines(6, (-3.3, 3.2, 6.65), (-0.5, 7.5, 6.78), 380),
        *vines(7, (3.05, 2.2, 1.0), (3.2, 4.3, 6.8), 360),
        Group(
            [
                rooms.box((1.2, 0, 6.7), (2.3, 2.3, 6.82), GREEN),
                rooms.box((1.1, 0, 6.72), (2.4, 2.42, 6.81), CREAM),
            ]
        ),
        Group([rooms.box((0.75, 2.1, 6.6), (0.95, 2.42, 6.78), lamp_glass)]),
        Group([rooms.box((-3.2, 1.9, 3.1), (-3.0, 2.25, 3.3), lamp_glass)]),
        Group(rooms.move(rooms.round_table(0.45, 0.74, OAK, IRON), (-0.9, 0, 3.0))),
        Group(
            rooms.move(
                [*rooms.cup(CHINA), *rooms.move(rooms.vase(RUST, 0.2), (0.15, 0, 0.1))],
                (-0.95, 0.74, 2.95),
            )
        ),
        Group(rooms.move(rooms.chair(OAK_UP, OCHRE), (-1.8, 0, 3.2), -80)),
        Group(rooms.move(rooms.chair(OAK_UP, OCHRE), (0.0, 0, 3.25), 70)),
    ]
    pot = Material(plaster(paint("#a85c3f"), amount=0.3))
    for at, (x, z) in enumerate(((2.4, 3.4), (-2.6, 5.6), (2.75, 5.2))):
        parts = rooms.move([rooms.post((0, 0.22, 0), 0.18, 0.44, pot, 1.35)], (x, 0, z))
        for seed in range(3):
            tone = Material(paint(("#b5622c", "#8a8f45", "#a8392a")[seed]))
            parts += rooms.move(
                rooms.twigs(tone, OAK, seed=40 + at * 5 + seed, tall=0.75), (x, 0.42, z), seed * 70
            )
        groups.append(Group(parts))
    return Scene(
        groups,
        eye,
        focal=0.6,
        horizon=horizon,
        bulbs=[
            Bulb((0.85, 2.25, 6.35), 0.08, (0.9, 0.5, 0.2)),
            Bulb((-2.8, 2.05, 3.2), 0.08, (0.9, 0.5, 0.2)),
        ],
        sun=Sun((0.75, 0.62, -0.25), (1.7, 1.05, 0.55)),
        sky=((0.36, 0.42, 0.52), (0.5, 0.4, 0.32)),
        ambient=(0.03, 0.028, 0.03),
        samples=8,
        backdrop=dusk(scale, horizon),
        exposure=1.15,
        glow=0.2,
    )


def double_at_the_window(scale: float) -> Scene:
    """The same room, nearer to the window."""
    return replace(double_room(scale), eye=(-0.35, 1.3, 0.9), yaw=20, vanishing=0.5)


def attic_at_the_desk(scale: float) -> Scene:
    """The same room, nearer to the desk."""
    return replace(attic_single(scale), eye=(-0.4, 1.3, 1.0), yaw=16, vanishing=0.5)


def apartment_kitchen(scale: float) -> Scene:
    """The same rooms, towards the kitchen."""
    return replace(apartment(scale), eye=(0.7, 1.45, 0.2), yaw=-34, vanishing=0.5)


LANDSCAPES = {"roofs": roof_view}
TRACED = {
    "square": square,
    "double": double_room,
    "courtyard": courtyard,
    "library": library,
    "attic-single": attic_single,
    "apartment": apartment,
    "double-armchair": double_at_the_window,
    "attic-single-desk": attic_at_the_desk,
    "apartment-kitchen": apartment_kitchen,
}
