"""The hotel Seaside: a white house above a bay, at early evening."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from bench.pictures import furniture as rooms
from bench.pictures.canvas import HEIGHT, Canvas, Paint, Point, colour, resize
from bench.pictures.light import Bulb, Scene, Sun, develop, render, to_light
from bench.pictures.materials import boards, cloth, grainy, paint, plaster, rug, striped, tiles
from bench.pictures.noise import Array
from bench.pictures.outdoors import (
    blades,
    clouds,
    foliage,
    hill,
    mist,
    mix,
    plumes,
    ridge,
    rise,
    sea,
    sky,
    stars,
)
from bench.pictures.tracer import Group, Material, Shape

EVENING = [
    (0, colour("#5b7fa6")),
    (260, colour("#8fa9bd")),
    (460, colour("#cfb6b0")),
    (600, colour("#e9b898")),
    (700, colour("#f2c3a0")),
]
GLOW = colour("#ffac8c")
SUNLIT = colour("#ffe3b4")

WHITE = Material(plaster(paint("#f1ece2"), amount=0.1))
LINEN = Material(cloth(paint("#f3efe8"), amount=0.1))
BLUE = Material(cloth(paint("#3f6a86"), amount=0.3))
SAND = Material(cloth(paint("#cdb491"), amount=0.25))
OAK = Material(grainy(paint("#8a6540"), paint("#c49c6c")))
OAK_UP = Material(grainy(paint("#8a6540"), paint("#c49c6c"), along=1))
PAINTED = Material(plaster(paint("#f6f3ec"), amount=0.05))
FLOOR = Material(boards(paint("#93683f"), paint("#c99e6b")), gloss=0.16, blur=0.05)
BRASS = Material(paint("#b88b45"), gloss=0.25, blur=0.15)
CHINA = Material(paint("#f2f0ea"), gloss=0.08, blur=0.05)
RATTAN = Material(cloth(paint("#b98d58"), amount=0.5, thread=0.15))
WARM = (1.0, 0.62, 0.3)


def sea_view(scale: float, horizon: float, sun: Point, *, night: bool = False) -> Array:
    """What windows look out on: the bay, with its horizon where the room's is."""
    canvas = Canvas(scale)
    level = horizon * HEIGHT
    shift = level - 720
    if night:
        stops = [
            (0, colour("#101a33")),
            (level * 0.6, colour("#22365a")),
            (level, colour("#54688a")),
        ]
        sky(canvas, stops, sun, colour("#9fb6d8"), 0.5)
        stars(canvas, np.random.default_rng(8), 240, level * 0.8)
        canvas.glow(sun[0], sun[1], 26, colour("#fff6dd"), 1.2)
        sea(
            canvas,
            level,
            colour("#16263f"),
            colour("#3c5070"),
            sun[0],
            colour("#cfdcf0"),
            seed=3,
            strength=0.4,
        )
        land, foot = colour("#1b2a42"), colour("#22334d")
    else:
        sky(canvas, [(y + shift, c) for y, c in EVENING], sun, GLOW, 0.55)
        clouds(
            canvas,
            level,
            colour("#ffe2bd"),
            colour("#b69aa0"),
            sun,
            seed=21,
            amount=0.55,
            thickness=0.7,
        )
        sea(canvas, level, colour("#2f6480"), colour("#c2b7a8"), sun[0], SUNLIT, seed=3)
        land, foot = colour("#7d7f8c"), colour("#b99f90")
    line = ridge(
        4, [(0, level - 90), (500, level - 60), (900, level - 22), (1180, level + 3)], rough=26
    )
    hill(canvas, line, land, foot, foot_y=level + 4, seed=5, texture=0.2)
    far = ridge(9, [(1500, level + 2), (1900, level - 34), (2400, level - 50)], rough=18)
    hill(canvas, far, mix(land, foot, 0.5), foot, foot_y=level + 3, seed=6, texture=0.15)
    return to_light(canvas.pixels)


def bedside(x: float, z: float, light: float) -> tuple[Group, Bulb]:
    """A nightstand with a lamp on it."""
    stand = rooms.move(rooms.nightstand(OAK, BRASS), (x, 0, z))
    parts, place = rooms.lamp((1, 0.86, 0.66), (light, light * 0.72, light * 0.42), CHINA)
    parts = rooms.move(parts, (x, 0.53, z))
    strength = light * 0.55
    bulb = rooms.bulb_at(place, (x, 0.53, z), (strength, strength * 0.62, strength * 0.3))
    return Group(stand + parts), bulb


def sheet_of_sea(points: Array, normals: Array) -> Array:
    """A painting of sea and sky for a wall."""
    height = points[1] / 0.5 + 0.5
    bands = [paint("#2d5a75"), paint("#6f9aab"), paint("#e9c9a0"), paint("#f0dfc4")]
    stops = [0.2, 0.46, 0.48, 0.8]
    return np.stack([np.interp(height, stops, [b[at] for b in bands]) for at in range(3)]).astype(
        np.float32
    )


def double_room(scale: float, *, night: bool) -> Scene:
    low, high, hole = (-2.3, 0.0, -0.6), (2.4, 2.75, 4.6), (-0.3, 1.95, 0.28, 2.4)
    eye, horizon = (0.3, 1.42, -0.5), 0.42
    walls = Material(plaster(paint("#ebe3d4"), amount=0.1))
    lamp_light = 1.5 if night else 0.9
    left, bulb = bedside(-2.0, 3.78, lamp_light)
    right, second = bedside(-2.0, 1.42, lamp_light)
    bed = rooms.bed(
        wide=1.75,
        frame=OAK,
        head=Material(cloth(paint("#8aa0a8"), amount=0.3)),
        sheets=LINEN,
        cover=Material(cloth(paint("#efe9de"), amount=0.12)),
        accent=BLUE,
    )
    bed = Group(rooms.move(bed.shapes, (-1.15, 0, 2.6), -90))
    shine = (0.03, 0.035, 0.05) if night else (0.8, 0.64, 0.46)
    sheer = rooms.shining_cloth(paint("#f4eee2"), shine)
    drape = Material(cloth(paint("#b9c4c2") if not night else paint("#8f9ea3"), amount=0.2))
    rod = rooms.box((-0.9, 2.53, 4.42), (2.35, 2.555, 4.445), BRASS)
    hangings = Group(
        [
            rooms.curtain(-0.52, 0.5, (0.03, 2.53), 4.43, drape, sheer=False),
            rooms.curtain(2.12, 0.44, (0.03, 2.53), 4.43, drape, sheer=False),
            rooms.curtain(-0.12, 0.4, (0.03, 2.53), 4.52, sheer, sheer=True),
            rod,
        ]
    )
    seat = rooms.armchair(SAND, OAK_UP, BLUE)
    stool = rooms.round_table(0.24, 0.5, OAK, BRASS)
    bunch = rooms.move(rooms.vase(CHINA, 0.2), (1.12, 0.5, 3.75))
    bunch += rooms.move(
        rooms.twigs(Material(paint("#7f9472")), Material(paint("#5d5a3d")), seed=4, tall=0.34),
        (1.12, 0.68, 3.75),
    )
    carpet = Material(rug(paint("#d9cbb2"), paint("#54788c"), paint("#a98f6b"), 1.1, 0.95))
    print_ = rooms.framed(0.95, 0.7, OAK, Material(sheet_of_sea), mount=PAINTED)
    groups = [
        *rooms.room(low, high, floor=FLOOR, walls=walls, ceiling=WHITE, hole=hole),
        rooms.skirting(low, (2.4, 0, 4.6), PAINTED),
        rooms.window(hole, 4.6, PAINTED, panes=3, rows=(0.72,)),
        hangings,
        bed,
        left,
        right,
        Group(rooms.move(seat, (1.72, 0, 3.35), 38)),
        Group(rooms.move(stool, (1.12, 0, 3.75))),
        Group(bunch),
        Group([rooms.soft_box((0.62, 0.012, 2.4), (1.1, 0.012, 0.95), carpet, 0.008)]),
        Group(rooms.move(print_, (-2.3, 1.75, 2.6), -90)),
    ]
    sun = None if night else Sun((0.32, 0.36, 0.72), (5.2, 3.5, 1.9), 0.01)
    return Scene(
        groups,
        eye,
        focal=0.54,
        horizon=horizon,
        vanishing=0.53,
        openings=[rooms.opening_of(hole, 4.6, (0.1, 0.14, 0.24) if night else (4.2, 3.9, 3.7))],
        bulbs=[bulb, second],
        sun=sun,
        ambient=(0.014, 0.016, 0.024) if night else (0.045, 0.045, 0.05),
        backdrop=sea_view(scale, horizon, (1700, 250) if night else (1560, 520), night=night),
        exposure=2.0 if night else 1.75,
    )


def double_with_sea_view(scale: float) -> Scene:
    return double_room(scale, night=False)


def double_by_night(scale: float) -> Scene:
    return double_room(scale, night=True)


def single_room(scale: float) -> Scene:
    low, high, hole = (-1.6, 0.0, -0.6), (1.65, 2.6, 3.7), (-0.25, 0.95, 0.95, 2.15)
    eye, horizon = (0.0, 1.4, -0.5), 0.43
    stripes = striped(paint("#eae3d6"), paint("#6f93a6"), period=0.16, share=0.35, axis=2)
    bed = rooms.bed(
        wide=0.95,
        frame=PAINTED,
        head=PAINTED,
        sheets=LINEN,
        cover=Material(cloth(paint("#efe9de"), amount=0.12)),
        accent=Material(stripes),
        pillows=1,
    )
    desk = rooms.move(rooms.table(0.55, 0.28, 0.75, OAK), (0.95, 0, 3.36))
    parts, place = rooms.lamp((1, 0.88, 0.7), (1.6, 1.15, 0.65), BRASS, tall=0.42, wide=0.12)
    things = rooms.move(parts, (1.3, 0.75, 3.42))
    things += rooms.move(rooms.vase(BLUE, 0.16), (0.58, 0.75, 3.45))
    things += rooms.move(
        rooms.twigs(Material(paint("#8b9c6c")), Material(paint("#5d5a3d")), seed=9, tall=0.3),
        (0.58, 0.9, 3.45),
    )
    for at, cover in enumerate(("#b5573f", "#e8dcc2", "#44708a")):
        y = 0.755 + at * 0.03
        things.append(
            rooms.box((0.85, y, 3.28), (1.07 - at * 0.02, y + 0.028, 3.44), Material(paint(cover)))
        )
    sheer = rooms.shining_cloth(paint("#f4eee2"), (0.8, 0.66, 0.5))
    walls = Material(plaster(paint("#d5dedd"), amount=0.1))
    groups = [
        *rooms.room(low, high, floor=FLOOR, walls=walls, ceiling=WHITE, hole=hole),
        rooms.skirting(low, (1.65, 0, 3.7), PAINTED),
        rooms.window(hole, 3.7, PAINTED, panes=2, rows=(0.5,)),
        Group(
            [
                rooms.curtain(-0.36, 0.34, (0.7, 2.3), 3.55, sheer, sheer=True),
                rooms.curtain(1.06, 0.34, (0.7, 2.3), 3.55, sheer, sheer=True),
                rooms.box((-0.6, 2.3, 3.54), (1.3, 2.32, 3.56), BRASS),
            ]
        ),
        Group(rooms.move(bed.shapes, (-1.02, 0, 2.5))),
        Group(desk),
        Group(things),
        Group(rooms.move(rooms.chair(OAK_UP, BLUE), (0.92, 0, 2.86), 165)),
        Group(
            rooms.move(
                rooms.framed(0.55, 0.75, OAK, Material(sheet_of_sea), mount=PAINTED),
                (1.65, 1.6, 2.4),
                90,
            )
        ),
        Group(
            [
                rooms.soft_box(
                    (0.15, 0.01, 1.9),
                    (0.5, 0.01, 0.85),
                    Material(
                        striped(paint("#e0d5c0"), paint("#5f8496"), period=0.24, share=0.4, axis=2)
                    ),
                    0.006,
                )
            ]
        ),
    ]
    return Scene(
        groups,
        eye,
        focal=0.56,
        horizon=horizon,
        openings=[rooms.opening_of(hole, 3.7, (5.4, 5.0, 4.7))],
        bulbs=[rooms.bulb_at(place, (1.3, 0.75, 3.42), (0.5, 0.32, 0.16))],
        sun=Sun((0.22, 0.5, 0.75), (5.2, 3.6, 2.0)),
        ambient=(0.07, 0.07, 0.075),
        backdrop=sea_view(scale, horizon, (1350, 500)),
        exposure=1.75,
    )


def balustrade(x0: float, x1: float, z: float, tall: float, material: Material) -> Group:
    """Slender posts under a rail, from left to right."""
    rail = rooms.soft_box(((x0 + x1) / 2, tall, z), ((x1 - x0) / 2, 0.03, 0.05), material, 0.02)
    parts = [rail, rooms.box((x0, 0.08, z - 0.02), (x1, 0.12, z + 0.02), material)]
    for x in np.arange(x0 + 0.07, x1, 0.14):
        parts.append(rooms.box((x - 0.011, 0.1, z - 0.011), (x + 0.011, tall, z + 0.011), material))
    return Group(parts)


def family_suite(scale: float) -> Scene:
    low, high, hole = (-3.0, 0.0, -0.8), (3.0, 2.8, 4.9), (-1.0, 1.25, 0.02, 2.35)
    eye, horizon = (0.15, 1.45, -0.65), 0.43
    walls = Material(plaster(paint("#eee4d2"), amount=0.1))
    large = rooms.bed(
        wide=1.7,
        frame=OAK,
        head=Material(cloth(paint("#a9b7a4"), amount=0.3)),
        sheets=LINEN,
        cover=Material(cloth(paint("#f0eadf"), amount=0.12)),
        accent=Material(cloth(paint("#7d957f"), amount=0.3)),
    )
    small = rooms.bed(
        wide=0.95,
        frame=OAK,
        head=OAK,
        sheets=LINEN,
        cover=Material(cloth(paint("#f0eadf"), amount=0.12)),
        accent=Material(cloth(paint("#c98f5c"), amount=0.3)),
        pillows=1,
        long=1.95,
    )
    stand, bulb = bedside(-2.7, 3.95, 0.8)
    sheer = rooms.shining_cloth(paint("#f4eee2"), (0.8, 0.66, 0.5))
    stone = Material(
        tiles([paint("#cfc1a8"), paint("#c4b396"), paint("#d8ccb6")], paint("#9c8e78"), size=0.4)
    )
    pouf = rooms.soft_box((0.6, 0.2, 2.2), (0.27, 0.2, 0.27), RATTAN, 0.12)
    carpet = Material(rug(paint("#ddd0b8"), paint("#8a9c84"), paint("#c08d5f"), 1.0, 1.2))
    seat = rooms.move(rooms.chair(OAK_UP, LINEN), (0.75, 0, 5.85), 60)
    groups = [
        *rooms.room(low, high, floor=FLOOR, walls=walls, ceiling=WHITE, hole=hole),
        rooms.skirting(low, (3.0, 0, 4.9), PAINTED),
        rooms.window(hole, 4.9, PAINTED, panes=3, rows=(0.36,), sill=False),
        Group([rooms.box((-3, -0.2, 5.1), (3, 0, 6.4), stone)]),
        balustrade(-3, 3, 6.3, 1.0, PAINTED),
        Group(seat),
        Group(
            [
                rooms.curtain(-1.2, 0.5, (0.03, 2.55), 4.76, sheer, sheer=True),
                rooms.curtain(1.45, 0.5, (0.03, 2.55), 4.76, sheer, sheer=True),
                rooms.box((-1.6, 2.55, 4.75), (1.85, 2.575, 4.775), BRASS),
            ]
        ),
        Group(rooms.move(large.shapes, (-1.85, 0, 2.75), -90)),
        Group(rooms.move(small.shapes, (2.0, 0, 3.3), 90)),
        stand,
        Group([pouf]),
        Group([rooms.soft_box((0.3, 0.012, 2.4), (1.0, 0.012, 1.2), carpet, 0.008)]),
        Group(
            rooms.move(
                rooms.framed(0.8, 0.6, OAK, Material(sheet_of_sea), mount=PAINTED),
                (3.0, 1.6, 3.3),
                90,
            )
        ),
        Group(
            rooms.move(
                rooms.framed(1.0, 0.7, OAK, Material(sheet_of_sea), mount=PAINTED),
                (-3.0, 1.75, 2.75),
                -90,
            )
        ),
    ]
    return Scene(
        groups,
        eye,
        focal=0.52,
        horizon=horizon,
        openings=[rooms.opening_of(hole, 4.9, (4.6, 4.3, 4.0))],
        bulbs=[bulb],
        sun=Sun((-0.18, 0.4, 0.75), (5.2, 3.6, 2.0)),
        ambient=(0.06, 0.06, 0.062),
        backdrop=sea_view(scale, horizon, (980, 480)),
        exposure=1.65,
    )


def laid_table(top: float) -> list[Shape]:
    """Breakfast for two, on a table whose top is at a height."""
    bread = Material(cloth(paint("#b9783c"), amount=0.5))
    orange = Material(paint("#e0852b"))
    jam = Material(paint("#a8342b"), gloss=0.1)
    parts = [
        rooms.plate(CHINA),
        rooms.plate(CHINA),
        rooms.plate(RATTAN, 0.2),
    ]
    places = [(-0.38, top, -0.12), (0.4, top, -0.08), (0.02, top, 0.12)]
    laid = [rooms.move([p], at)[0] for p, at in zip(parts, places, strict=True)]
    for x, z, yaw in ((-0.06, 0.1, 20), (0.09, 0.15, -35), (0.02, 0.05, 70)):
        half = (0.1, 0.045, 0.05)
        roll = Shape((x, top + 0.06, z), half, bread, rooms.ball(half))
        laid += rooms.move([Shape((0, 0, 0), half, bread, rooms.ball(half))], roll.centre, yaw)
    laid += rooms.move(rooms.cup(CHINA), (-0.62, top, 0.02))
    laid += rooms.move(rooms.cup(CHINA), (0.64, top, 0.06))
    for x, z in ((0.28, 0.3), (0.36, 0.27), (0.32, 0.35)):
        half = (0.042, 0.042, 0.042)
        laid.append(Shape((x, top + 0.042, z), half, orange, rooms.ball(half)))
    laid += rooms.move([rooms.post((0, 0.045, 0), 0.032, 0.09, jam)], (-0.22, top, 0.16))
    laid += rooms.move([rooms.post((0, 0.1, 0), 0.028, 0.012, BRASS)], (-0.22, top, 0.16))
    half = (0.05, 0.03, 0.035)
    laid.append(Shape((-0.38, top + 0.035, -0.12), half, bread, rooms.ball(half)))
    laid += rooms.move(rooms.vase(BLUE, 0.22), (-0.2, top, 0.36))
    laid += rooms.move(
        rooms.twigs(Material(paint("#e9d8c0")), Material(paint("#6c7a4a")), seed=5, tall=0.34),
        (-0.2, top + 0.19, 0.36),
    )
    return laid


def breakfast(scale: float) -> Scene:
    low, high, hole = (-2.4, 0.0, -0.6), (2.4, 2.7, 3.0), (-1.75, 1.45, 0.8, 2.35)
    eye, horizon = (-0.1, 1.36, 0.1), 0.4
    sheer = rooms.shining_cloth(paint("#f4eee2"), (0.8, 0.66, 0.5))
    linen = Material(cloth(paint("#f2ece0"), amount=0.14))
    walls = Material(plaster(paint("#e6e0d2"), amount=0.1))
    groups = [
        *rooms.room(low, high, floor=FLOOR, walls=walls, ceiling=WHITE, hole=hole),
        rooms.window(hole, 3.0, PAINTED, panes=4, rows=(0.7,)),
        Group(
            [
                rooms.curtain(-1.85, 0.5, (0.05, 2.5), 2.86, sheer, sheer=True),
                rooms.curtain(1.6, 0.5, (0.05, 2.5), 2.86, sheer, sheer=True),
                rooms.box((-2.3, 2.5, 2.85), (2.2, 2.53, 2.875), BRASS),
            ]
        ),
        Group(
            [
                *rooms.move(rooms.table(0.85, 0.5, 0.76, OAK), (0, 0, 1.75)),
                rooms.soft_box((0, 0.764, 1.75), (0.3, 0.006, 0.53), linen, 0.004),
            ]
        ),
        Group(rooms.move(laid_table(0.768), (0, 0, 1.72))),
        Group(rooms.move(rooms.chair(OAK_UP, BLUE), (-1.15, 0, 1.95), -80)),
        Group(rooms.move(rooms.chair(OAK_UP, BLUE), (1.2, 0, 1.95), 80)),
    ]
    return Scene(
        groups,
        eye,
        focal=0.64,
        horizon=horizon,
        openings=[rooms.opening_of(hole, 3.0, (4.4, 4.3, 4.2))],
        sun=Sun((0.42, 0.42, 0.62), (5.0, 3.7, 2.2)),
        ambient=(0.07, 0.07, 0.075),
        backdrop=sea_view(scale, horizon, (1750, 460)),
        exposure=1.65,
    )


def terrace(scale: float) -> Scene:
    eye, horizon = (0.2, 1.5, -0.35), 0.42
    stone = Material(
        tiles(
            [paint("#c9b99d"), paint("#bfae92"), paint("#d6c8af"), paint("#b8a78d")],
            paint("#8d7f6b"),
            size=0.5,
        ),
        gloss=0.06,
        blur=0.1,
    )
    pot = Material(plaster(paint("#b3684a"), amount=0.3))
    leaf, stem = Material(paint("#7c8f66")), Material(paint("#6a5a45"))
    olive: list[Shape] = []
    for at, (x, z) in enumerate(((-2.35, 3.1), (2.65, 3.4))):
        olive += rooms.move([rooms.post((0, 0.26, 0), 0.2, 0.52, pot, 1.35)], (x, 0, z))
        for seed in range(5):
            olive += rooms.move(
                rooms.twigs(leaf, stem, seed=20 + seed + at * 7, tall=1.0), (x, 0.5, z), seed * 50
            )
    cloth_ = Material(cloth(paint("#f4efe6"), amount=0.1))
    laid = rooms.move(rooms.cup(CHINA), (-0.2, 0.75, 0.1))
    laid += rooms.move([rooms.plate(CHINA, 0.12)], (0.18, 0.75, -0.12))
    laid += rooms.move(
        [rooms.post((0, 0.14, 0), 0.038, 0.28, Material(paint("#3d5c3a"), gloss=0.2), 0.8)],
        (0.12, 0.75, 0.2),
    )
    for x, z in ((-0.05, -0.2), (0.3, 0.08)):
        wine = Material(paint("#d9c89a"), gloss=0.25)
        laid += rooms.move(
            [
                rooms.post((0, 0.06, 0), 0.005, 0.12, CHINA),
                rooms.post((0, 0.16, 0), 0.028, 0.09, wine, 1.4),
            ],
            (x, 0.75, z),
        )
    candle = Material(paint("#f2e6cf"), (2.6, 1.5, 0.6))
    laid += rooms.move([rooms.post((0, 0.05, 0), 0.035, 0.1, candle)], (-0.2, 0.75, -0.16))
    wall = [
        rooms.box((-6, 0, 4.6), (6, 0.42, 4.85), WHITE),
        rooms.box((-6, 0.42, 4.55), (6, 0.48, 4.9), WHITE),
    ]
    pergola = [
        rooms.post((x, 1.4, z), 0.07, 2.8, PAINTED) for x in (-2.7, 2.95) for z in (1.2, 4.5)
    ]
    pergola += [rooms.box((x - 0.06, 2.75, -1), (x + 0.06, 2.9, 5.1), OAK) for x in (-2.7, 2.95)]
    pergola += [
        rooms.box((-3.2, 2.9, z - 0.04), (3.4, 3.03, z + 0.04), OAK)
        for z in np.arange(0.2, 5.2, 0.55)
    ]
    groups = [
        Group([rooms.box((-8, -0.2, -3), (8, 0, 5), stone)]),
        Group(wall),
        Group(pergola),
        Group(rooms.move(rooms.round_table(0.5, 0.75, cloth_, BRASS), (0.35, 0, 2.5))),
        Group(rooms.move(laid, (0.35, 0, 2.5))),
        Group(rooms.move(rooms.chair(OAK_UP, LINEN), (-0.6, 0, 2.75), -80)),
        Group(rooms.move(rooms.chair(OAK_UP, LINEN), (1.35, 0, 2.7), 75)),
        *(Group(olive[at : at + len(olive) // 2]) for at in (0, len(olive) // 2)),
        Group([rooms.box((-9, -0.2, -6), (9, 5, -3.2), WHITE)]),
    ]
    return Scene(
        groups,
        eye,
        focal=0.62,
        horizon=horizon,
        vanishing=0.47,
        bulbs=[Bulb((0.15, 0.92, 2.34), 0.03, (0.16, 0.09, 0.035))],
        sun=Sun((0.5, 0.3, 0.62), (2.8, 1.75, 0.9)),
        sky=((0.3, 0.42, 0.62), (0.95, 0.72, 0.5)),
        ambient=(0.03, 0.03, 0.04),
        backdrop=sea_view(scale, horizon, (1750, 560)),
        exposure=1.25,
    )


def roof(
    centre: tuple[float, float, float], half: tuple[float, float, float], tile: Material
) -> Shape:
    """A roof with its ridge along x."""
    _, tall, deep = half
    slope = np.hypot(2 * tall, deep)

    def distance(points: Array) -> Array:
        side = (np.abs(points[2]) * 2 * tall + (points[1] - tall) * deep) / slope
        return np.maximum(side, np.abs(points[0]) - half[0]).astype(np.float32)

    return Shape(centre, half, tile, distance)


def lit_window(x: float, y: float, z: float, glass: Material, shutter: Material) -> list[Shape]:
    """A window in a wall that faces -z, with shutters open beside it."""
    return [
        rooms.box((x - 0.5, y - 0.75, z - 0.03), (x + 0.5, y + 0.75, z + 0.1), glass),
        rooms.box((x - 0.03, y - 0.75, z - 0.07), (x + 0.03, y + 0.75, z), PAINTED),
        rooms.box((x - 0.5, y + 0.2, z - 0.07), (x + 0.5, y + 0.25, z), PAINTED),
        rooms.box((x - 0.62, y - 0.86, z - 0.16), (x + 0.62, y - 0.76, z), PAINTED),
        rooms.box((x - 1.08, y - 0.76, z - 0.07), (x - 0.54, y + 0.76, z), shutter),
        rooms.box((x + 0.54, y - 0.76, z - 0.07), (x + 1.08, y + 0.76, z), shutter),
    ]


def white_house(scale: float) -> tuple[Array, Array]:
    """The house on its slope: its colours, and where it is."""
    wall = Material(plaster(paint("#f3eee4"), amount=0.14, size=6))
    slate = Material(grainy(paint("#8a4f38"), paint("#b8765a"), size=0.5))
    glass = Material(paint("#1c1c1c"), (1.7, 0.9, 0.33))
    blue = Material(paint("#47748c"))
    front: list[Shape] = []
    for x in (-4.2, -1.4, 1.4, 4.2):
        front += lit_window(x, 4.6, -3.5, glass, blue)
        if x != 1.4:
            front += lit_window(x, 1.7, -3.5, glass, blue)
    front += [
        rooms.box((0.85, 0, -3.56), (1.95, 2.4, -3.4), blue),
        rooms.box((1.1, 1.5, -3.6), (1.7, 2.2, -3.5), glass),
        rooms.box((0.4, -0.3, -4.6), (2.4, 0.12, -3.4), wall),
    ]
    side = rooms.move(lit_window(-1.4, 4.6, 0, glass, blue), (5.8, 0, 0), -90)
    side += rooms.move(lit_window(1.6, 1.7, 0, glass, blue), (5.8, 0, 0), -90)
    side += rooms.move(lit_window(-1.4, 1.7, 0, glass, blue), (5.8, 0, 0), -90)
    body = [
        rooms.box((-5.8, -4, -3.5), (5.8, 6.4, 3.5), wall),
        roof((0, 7.55, 0), (6.15, 1.25, 4.0), slate),
        roof((0, 7.35, 0), (5.8, 1.2, 3.55), wall),
        rooms.box((-3.9, 7.4, 0.2), (-3.0, 10.0, 1.0), wall),
        rooms.box((3.0, 7.4, 0.2), (3.9, 10.0, 1.0), wall),
        rooms.box((-4.0, 9.9, 0.1), (-2.9, 10.1, 1.1), slate),
        rooms.box((2.9, 9.9, 0.1), (4.0, 10.1, 1.1), slate),
    ]
    wing = [
        rooms.box((-9.6, -4, -2.4), (-5.8, 3.4, 2.9), wall),
        roof((-7.6, 4.1, 0.25), (2.15, 0.75, 3.1), slate),
        *lit_window(-7.7, 1.6, -2.4, glass, blue),
    ]
    at, yaw = (-12.0, -6.7, 46.0), 16
    groups = [Group(rooms.move(part, at, yaw)) for part in (body, front, side, wing)]
    scene = Scene(
        groups,
        (0, 0, 0),
        focal=0.95,
        horizon=0.43,
        sun=Sun((0.86, 0.24, 0.12), (1.9, 1.05, 0.5)),
        sky=((0.3, 0.42, 0.6), (0.72, 0.58, 0.5)),
        bulbs=[],
        ambient=(0.05, 0.055, 0.075),
        samples=9,
    )
    light, cover = render(scene, scale)
    return develop(light, 1.05, 0.1), cover


def boat(canvas: Canvas, x: float, y: float, size: float, sail: Paint, hull: Paint) -> None:
    """A sailing boat and its mirror image in the water."""

    def outline(points: list[Point], flip: float) -> list[Point]:
        return [(x + a * size, y + b * size * flip) for a, b in points]

    body = [(-0.5, -0.1), (0.55, -0.12), (0.38, 0.05), (-0.4, 0.05)]
    main_sail, fore_sail = (
        [(-0.03, -0.16), (-0.03, -1.5), (-0.46, -0.2)],
        [(0.03, -0.2), (0.02, -1.35), (0.48, -0.18)],
    )
    mast = [(-0.02, -0.1), (-0.02, -1.6), (0.01, -1.6), (0.01, -0.1)]
    mirror = canvas.mask(
        outline(main_sail, -0.8), outline(fore_sail, -0.8), outline(body, -1), soft=4
    )
    canvas.blend(mix(hull, sail, 0.35), mirror * 0.4)
    canvas.strokes(
        [
            (outline(mast, 1), hull),
            (outline(main_sail, 1), sail),
            (outline(fore_sail, 1), mix(sail, (1, 0.85, 0.65), 0.6)),
            (outline(body, 1), hull),
        ]
    )


def bay(scale: float) -> Array:
    rng = np.random.default_rng(77)
    canvas, sun, level = Canvas(scale), (1690.0, 610.0), 688.0
    stops = [
        (0, colour("#41658f")),
        (200, colour("#7394b0")),
        (380, colour("#b8b3b6")),
        (520, colour("#eebf9a")),
        (640, colour("#f9c49a")),
        (690, colour("#fbcda6")),
    ]
    sky(canvas, stops, sun, GLOW, 0.42)
    clouds(
        canvas,
        level,
        colour("#ffd9ae"),
        colour("#9d8f9f"),
        sun,
        seed=24,
        amount=0.62,
        thickness=0.8,
    )
    canvas.glow(sun[0], sun[1], 44, colour("#fff4d8"), 1.0)
    sea(canvas, level, colour("#2a5c7a"), colour("#d3b59c"), sun[0], SUNLIT, seed=3, strength=0.85)
    haze = colour("#f0c49a")
    far = ridge(
        14,
        [
            (1050, level + 2),
            (1300, level - 26),
            (1560, level - 62),
            (1900, level - 92),
            (2400, level - 128),
        ],
        rough=26,
    )
    hill(
        canvas,
        far,
        colour("#a79aa4"),
        colour("#d9b79d"),
        foot_y=level + 3,
        seed=5,
        texture=0.12,
        haze=haze,
    )
    mid = ridge(
        34,
        [(1880, level + 14), (2010, level - 30), (2180, level - 108), (2400, level - 190)],
        rough=36,
    )
    hill(
        canvas,
        mid,
        colour("#5f6f78"),
        colour("#97897f"),
        foot_y=level + 18,
        seed=6,
        texture=0.3,
        size=380,
        rim=colour("#e8b98a"),
        haze=haze,
    )
    left = ridge(
        18,
        [
            (0, level - 300),
            (260, level - 262),
            (560, level - 170),
            (820, level - 84),
            (1010, level - 26),
            (1130, level + 6),
        ],
        rough=34,
    )
    hill(
        canvas,
        left,
        colour("#748379"),
        colour("#b39c86"),
        foot_y=level + 10,
        seed=7,
        texture=0.3,
        size=420,
        rim=colour("#ecc497"),
        haze=haze,
    )
    mist(canvas, colour("#ffdcae"), level - 70, level + 60, 0.42, 31)
    boat(canvas, 1380, 800, 62, colour("#fff0d6"), colour("#5b4a48"))
    boat(canvas, 1960, 745, 38, colour("#f6dcc0"), colour("#6a5654"))
    boat(canvas, 1210, 736, 26, colour("#f6dcc0"), colour("#7a6662"))
    slope = ridge(
        44,
        [(0, 872), (420, 900), (900, 985), (1300, 1120), (1700, 1330), (2080, 1560), (2400, 1700)],
        rough=22,
    )
    behind = [(x, y - 46) for x, y in slope]
    hill(
        canvas,
        behind,
        colour("#6f7a4f"),
        colour("#4f5a3c"),
        foot_y=1700,
        seed=8,
        texture=0.45,
        size=300,
        rim=colour("#d9b56f"),
    )
    trees = [
        *cypress(rng, 70, 905, 330),
        *cypress(rng, 160, 915, 250),
        *cypress(rng, 1010, 1030, 170),
    ]
    canvas.strokes(trees)
    house, cover = white_house(scale / 2.5)
    lay(canvas, house, cover)
    for x, y in ((470, 800), (640, 800), (560, 900), (800, 860), (720, 930)):
        canvas.glow(x, y, 120, colour("#ffb25e"), 0.07)
    hill(
        canvas,
        [(x, y + 62) for x, y in slope],
        colour("#7f8452"),
        colour("#3c4730"),
        foot_y=1760,
        seed=9,
        texture=0.5,
        size=420,
        rim=colour("#e2bd74"),
    )
    shrubs = []
    for x in sorted(rng.uniform(-40, 1150, 26)):
        foot = height_at([(0, 985), (900, 1090), (1300, 1210)], x) + rng.uniform(-22, 46)
        size = float(rng.uniform(26, 58))
        shrubs += foliage(
            rng,
            (float(x), float(foot)),
            (size * 1.25, size * 0.8),
            (colour("#2c3a2c"), colour("#5d6d43"), colour("#c0ab66")),
            count=230,
            leaf=6,
            light=(0.8, -0.6),
        )
    canvas.strokes(shrubs)
    greens = [colour("#5f6b3e"), colour("#8a8a4e"), colour("#3f4e33"), colour("#b39d5a")]
    for top, tall, count in ((1150, 90, 1500), (1290, 140, 1500), (1440, 200, 1300)):
        grass = blades(
            rng,
            count,
            (-60, top, 1500 + (top - 1150) * 2.2, top + 190),
            greens,
            tall=tall,
            wind=0.3,
            wide=3.6,
        )
        inside = [(p, c) for p, c in grass if p[0][1] > height_at(slope, p[0][0]) + 90]
        canvas.strokes(inside)
    flowers = []
    for _ in range(420):
        at = float(rng.uniform(-20, 1900))
        down = height_at(slope, at) + 130 + rng.exponential(150)
        span = 4.0 + (down - 1000) / 110
        tint = [colour("#e9dfe6"), colour("#c79bb8"), colour("#efc6a0"), colour("#a98bc0")][
            rng.integers(4)
        ]
        flowers += [(petal_ring(at, down, span, turn_), tint) for turn_ in (0.0, 0.7)]
    canvas.strokes(flowers)
    front = plumes(
        rng,
        60,
        (-50, 1560, 900, 1680),
        colour("#6b6a40"),
        [colour("#e6c58c"), colour("#cfa76c")],
        tall=420,
    )
    canvas.strokes(front, soft=1.6)
    mist(canvas, colour("#ffcf96"), 560, 1000, 0.1, 33)
    return canvas.pixels


def height_at(line: Sequence[Point], x: float) -> float:
    """Returns where a line is at `x`."""
    return float(np.interp(x, [at for at, _ in line], [y for _, y in line]))


def petal_ring(x: float, y: float, size: float, turned: float) -> list[Point]:
    return [
        (x + size * float(np.cos(angle + turned)), y + size * 0.7 * float(np.sin(angle + turned)))
        for angle in np.linspace(0, 2 * np.pi, 5)[:-1]
    ]


def cypress(
    rng: np.random.Generator, x: float, y: float, tall: float
) -> list[tuple[list[Point], Paint]]:
    found = []
    for share in np.linspace(0, 1, 9):
        wide = tall * 0.11 * np.sin(np.pi * (0.18 + 0.8 * share)) + 4
        found += foliage(
            rng,
            (x, y - tall * (1 - share * 0.9)),
            (float(wide), tall * 0.09),
            (colour("#1f2d2a"), colour("#3c4c38"), colour("#a48f58")),
            count=150,
            leaf=7,
            light=(0.9, -0.4),
        )
    return found


def lay(canvas: Canvas, picture: Array, cover: Array) -> None:
    """Lays a traced picture onto a canvas of any scale."""
    rows, columns = canvas.rows, canvas.columns
    bands = [resize(np.ascontiguousarray(picture[..., at]), columns, rows) for at in range(3)]
    canvas.blend(np.stack(bands, axis=-1), np.clip(resize(cover, columns, rows), 0, 1))


def beach_path(scale: float) -> Array:
    rng = np.random.default_rng(91)
    canvas, sun, level = Canvas(scale), (820.0, 560.0), 640.0
    stops = [
        (0, colour("#4d719a")),
        (240, colour("#8ca5b8")),
        (420, colour("#d4bcb0")),
        (560, colour("#f0bd98")),
        (645, colour("#fbcca4")),
    ]
    sky(canvas, stops, sun, GLOW, 0.38)
    clouds(
        canvas,
        level,
        colour("#ffdcb4"),
        colour("#a796a3"),
        sun,
        seed=28,
        amount=0.5,
        thickness=0.75,
    )
    canvas.glow(sun[0], sun[1], 40, colour("#fff4d8"), 0.9)
    sea(
        canvas,
        level,
        colour("#3d7288"),
        colour("#d5b89f"),
        sun[0],
        SUNLIT,
        seed=3,
        strength=0.8,
        bottom=900,
    )
    land = ridge(14, [(1500, level + 2), (1750, level - 40), (2400, level - 110)], rough=28)
    hill(
        canvas,
        land,
        colour("#9b94a0"),
        colour("#cfae98"),
        foot_y=level + 3,
        seed=5,
        texture=0.15,
        haze=colour("#f0c49a"),
    )
    mist(canvas, colour("#ffdcae"), level - 50, level + 40, 0.4, 31)
    foam = ridge(61, [(0, 822), (1200, 835), (2400, 815)], rough=12)
    hill(
        canvas,
        foam,
        colour("#f4e6d2"),
        colour("#dcbf96"),
        foot_y=1700,
        seed=10,
        texture=0.08,
        soft=2,
    )
    beach = [(x, y + 16) for x, y in foam]
    hill(
        canvas,
        beach,
        colour("#c9a67e"),
        colour("#e3c598"),
        foot_y=1700,
        seed=11,
        texture=0.12,
        size=260,
        soft=3,
    )
    path = [
        (880, 930),
        (1010, 990),
        (960, 1070),
        (1060, 1180),
        (1010, 1320),
        (760, 1640),
        (1900, 1640),
        (1560, 1330),
        (1330, 1190),
        (1130, 1070),
        (1120, 990),
        (960, 930),
    ]
    dunes = [
        ([(0, 760), (260, 790), (560, 850), (860, 935), (990, 1010), (1010, 1060)], 12, 900, 90),
        ([(1080, 1050), (1150, 985), (1420, 880), (1800, 800), (2400, 720)], 13, 900, 90),
        (
            [
                (0, 930),
                (360, 975),
                (700, 1080),
                (960, 1230),
                (1010, 1330),
                (900, 1480),
                (780, 1640),
            ],
            14,
            1100,
            150,
        ),
        ([(1230, 1180), (1420, 1100), (1800, 985), (2400, 880)], 15, 1100, 150),
    ]
    greens = [colour("#8c8c56"), colour("#b7a566"), colour("#5f6c45"), colour("#d6bd7e")]
    sand, shade = colour("#ecd0a2"), colour("#b48f6a")
    for points, seed, _, tall in dunes:
        line = ridge(seed + 60, points, rough=16)
        hill(
            canvas,
            line,
            sand,
            shade,
            foot_y=1760,
            seed=seed,
            texture=0.22,
            size=330,
            rim=colour("#ffe6b6"),
            soft=1.5,
        )
        if seed in (13, 15):
            canvas.blend(colour("#e0bd8d"), canvas.mask(path, soft=26) * 0.85)
        grass = blades(
            rng,
            1500,
            (
                points[0][0] - 60,
                min(y for _, y in points),
                points[-1][0] + 60,
                max(y for _, y in points) + 120,
            ),
            greens,
            tall=tall,
            wind=0.4,
            wide=3.2,
        )
        xs, ys = zip(*line, strict=True)
        canvas.strokes(
            [
                (p, c)
                for p, c in grass
                if 4 < p[0][1] - np.interp(p[0][0], xs, ys) < 150 and xs[0] < p[0][0] < xs[-1]
            ]
        )
    steps = canvas.noise(70, 240, 1.2, 2.5)
    inside = canvas.mask(path, soft=40)
    canvas.blend(colour("#a9835f"), inside * rise(steps, 0.5, 0.75) * 0.35)
    for top, tall in ((1240, 230), (1360, 290), (1500, 370)):
        grass = blades(
            rng, 2600, (-60, top, 2460, top + 200), greens, tall=tall, wind=0.36, wide=4.2
        )
        # Thick at the sides, thin towards the path.
        canvas.strokes(
            [(p, c) for p, c in grass if abs(p[0][0] - 1230) > 560 + rng.exponential(240)]
        )
    ears = plumes(
        rng,
        34,
        (-40, 1560, 520, 1700),
        colour("#7c7448"),
        [colour("#f0d29a"), colour("#d8b277")],
        tall=560,
    )
    ears += plumes(
        rng,
        34,
        (1850, 1560, 2440, 1700),
        colour("#7c7448"),
        [colour("#f0d29a"), colour("#d8b277")],
        tall=520,
        wind=0.1,
    )
    canvas.strokes(ears, soft=1.5)
    canvas.glow(sun[0], sun[1], 700, colour("#ffb869"), 0.14)
    return canvas.pixels


def single_at_the_desk(scale: float) -> Scene:
    """The same room, nearer to the desk."""
    return replace(single_room(scale), eye=(-0.75, 1.3, 0.9), yaw=24, vanishing=0.5)


def suite_with_balcony(scale: float) -> Scene:
    """The same suite, nearer to the balcony."""
    return replace(family_suite(scale), eye=(-0.5, 1.4, 1.7), yaw=6, vanishing=0.5)


LANDSCAPES = {"bay": bay, "beach-path": beach_path}
TRACED = {
    "terrace": terrace,
    "breakfast": breakfast,
    "double-sea-view": double_with_sea_view,
    "double-sea-view-night": double_by_night,
    "single": single_room,
    "family-suite": family_suite,
    "single-desk": single_at_the_desk,
    "family-suite-balcony": suite_with_balcony,
}
