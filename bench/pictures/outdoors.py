"""Landscapes: sky, sea, hills, grasses, trees. Places are in units of the finished picture."""

from collections.abc import Sequence

import numpy as np

from bench.pictures.canvas import HEIGHT, WIDTH, Canvas, Paint, Point
from bench.pictures.noise import Array, cloudy, look_up


def mix(low: Paint, high: Paint, share: float) -> Paint:
    a, b, c = (x + (y - x) * share for x, y in zip(low, high, strict=True))
    return a, b, c


def rise(field: Array, low: float, high: float) -> Array:
    """Returns 0 up to `low`, 1 from `high` on, and a smooth way between them."""
    share = np.clip((field - low) / (high - low), 0, 1)
    return (share * share * (3 - 2 * share)).astype(np.float32)


def sky(
    canvas: Canvas, stops: Sequence[tuple[float, Paint]], sun: Point, glow: Paint, strength: float
) -> None:
    """A gradient with the light of a low sun in it."""
    canvas.blend(canvas.gradient(stops))
    x, y = sun
    for radius, share in ((90, 0.55), (300, 0.4), (900, 0.3)):
        wide = np.exp(-(((canvas.x - x) / (radius * 1.6)) ** 2) - ((canvas.y - y) / radius) ** 2)
        canvas.add(glow, (wide * strength * share).astype(np.float32))


def clouds(
    canvas: Canvas,
    horizon: float,
    lit: Paint,
    shade: Paint,
    sun: Point,
    *,
    seed: int,
    amount: float = 0.5,
    thickness: float = 0.8,
) -> None:
    """Layers of cloud in perspective: longer and flatter towards the horizon."""
    height = np.maximum(horizon - canvas.y, 1) / horizon
    depth = 1 / (height + 0.16)
    u = (canvas.x - WIDTH / 2) / 3600 * depth + 0.37
    v = depth * 0.42 + np.zeros_like(canvas.x)
    field = look_up(cloudy(seed, 1.75), u, v)
    up = look_up(cloudy(seed, 1.75), u - (sun[0] - canvas.x) / 1e5, v + 0.012)
    cover = rise(field, 0.62 - 0.25 * amount, 0.9 - 0.2 * amount)
    cover = cover * rise(np.broadcast_to(height, cover.shape), 0.0, 0.12) * thickness
    # The side towards the sun is bright, and clouds near it are.
    edge = np.clip((field - up) * 7 + 0.45, 0, 1)
    near = np.exp(-(((canvas.x - sun[0]) / 1300) ** 2) - ((canvas.y - sun[1]) / 700) ** 2)
    share = np.clip(edge * (0.35 + 0.9 * near), 0, 1)[..., None]
    colours = np.asarray(shade, np.float32) * (1 - share) + np.asarray(lit, np.float32) * share
    canvas.blend(colours, cover * (1 - 0.25 * edge))


def sea(
    canvas: Canvas,
    horizon: float,
    near: Paint,
    far: Paint,
    sun_x: float,
    glitter: Paint,
    *,
    seed: int,
    strength: float = 1,
    bottom: float = HEIGHT,
) -> None:
    """Water with waves in perspective, and the sun's light on it."""
    below = np.maximum(canvas.y - horizon, 0.5)
    depth = 420 / below
    u = (canvas.x - WIDTH / 2) / WIDTH * depth
    v = depth * 3.2 + np.zeros_like(canvas.x)
    small = look_up(cloudy(seed, 1.1), u * 1.6, v * 1.5)
    large = look_up(cloudy(seed + 1, 1.7), u * 0.35, v * 0.55)
    # Waves are too small to see far away.
    seen = np.clip(below / 160, 0.12, 1)
    share = np.clip(below / max(1, bottom - horizon), 0, 1) ** 0.75
    share = np.clip(share + (large - 0.5) * 0.55 * seen, 0, 1)[..., None]
    colours = np.asarray(far, np.float32) * (1 - share) + np.asarray(near, np.float32) * share
    waves = (small - 0.5) * seen
    colours = colours * (1 + 0.75 * waves[..., None])
    inside = (canvas.y > horizon).astype(np.float32)
    cover = np.broadcast_to(inside, waves.shape)
    canvas.blend(colours, cover)
    width = 60 + 0.42 * below
    column = np.exp(-(((canvas.x - sun_x) / width) ** 2))
    wide = np.exp(-(((canvas.x - sun_x) / (width * 3.2)) ** 2))
    sparks = rise(small + 0.16 * column + 0.1 * wide, 0.58, 0.74)
    light = (column * (0.3 + 0.9 * sparks) + wide * 0.28 * sparks + 0.1 * wide) * strength
    light *= np.exp(-below / 1100) * (0.35 + 0.65 * np.exp(-below / 420))
    canvas.add(glitter, (light * cover).astype(np.float32))


def ridge(
    seed: int, points: Sequence[Point], *, rough: float, step: float = 6, fine: float = 1
) -> list[Point]:
    """A line through points, made uneven by noise as high as `rough`."""
    xs = np.arange(points[0][0], points[-1][0] + step, step, dtype=np.float32)
    ys = np.interp(xs, [x for x, _ in points], [y for _, y in points])
    # Corners become round.
    reach = np.hanning(41)
    ys = np.convolve(np.pad(ys, 20, "edge"), reach / reach.sum(), "valid")
    noise = look_up(cloudy(seed, 1.6), xs / 2600 * fine, np.full_like(xs, 0.31)) - 0.5
    jag = look_up(cloudy(seed + 1, 1.0), xs / 700 * fine, np.full_like(xs, 0.77)) - 0.5
    ys = ys + noise * rough * 2 + jag * rough * 0.5
    return [(float(x), float(y)) for x, y in zip(xs, ys, strict=True)]


def hill(
    canvas: Canvas,
    line: Sequence[Point],
    top: Paint,
    foot: Paint,
    *,
    foot_y: float,
    seed: int,
    texture: float = 0.3,
    size: float = 500,
    rim: Paint | None = None,
    haze: Paint | None = None,
    soft: float = 0,
) -> Array:
    """Land below a line, down to `foot_y`: returns where it is."""
    outline = [*line, (line[-1][0], foot_y), (line[0][0], foot_y)]
    cover = canvas.mask(outline, soft=soft)
    xs, ys = zip(*line, strict=True)
    ridge_y = np.interp(canvas.x, xs, ys)
    share = np.clip((canvas.y - ridge_y) / np.maximum(foot_y - ridge_y, 1), 0, 1)[..., None]
    colours = np.asarray(top, np.float32) * (1 - share) + np.asarray(foot, np.float32) * share
    field = canvas.noise(seed, size, 1.35, 1.5)
    # Lit from above: what rises towards the light is brighter.
    slope = field - np.roll(field, round(6 * canvas.scale), axis=0)
    colours = colours * (1 + texture * ((field - 0.5) * 1.3 + slope * 1.6)[..., None])
    if rim is not None:
        edge = np.exp(-(((canvas.y - ridge_y) / 9) ** 2)) * 0.6
        edge += np.exp(-np.clip(canvas.y - ridge_y, 0, None) / 60) * 0.3 * field
        colours = colours + (np.asarray(rim, np.float32) - colours) * edge[..., None]
    if haze is not None:
        fog = (share**2.2) * 0.85
        colours = colours + (np.asarray(haze, np.float32) - colours) * fog
    canvas.blend(colours.astype(np.float32), cover)
    return cover


def blades(
    rng: np.random.Generator,
    count: int,
    area: tuple[float, float, float, float],
    paints: Sequence[Paint],
    *,
    tall: float,
    wind: float = 0.35,
    wide: float = 5,
) -> list[tuple[list[Point], Paint]]:
    """Blades of grass, the farther ones first; `area` is left, top, right, bottom of the feet."""
    left, top, right, bottom = area
    feet = np.sort(rng.uniform(top, bottom, count))
    found = []
    for y in feet:
        x = rng.uniform(left, right)
        size = tall * rng.uniform(0.5, 1.15) * (0.55 + 0.45 * (y - top) / max(1, bottom - top))
        lean = size * (wind + rng.normal(0, 0.22))
        thick = wide * rng.uniform(0.6, 1.2) * size / tall
        curve = np.linspace(0, 1, 7)
        xs = x + lean * curve**2
        ys = y - size * (curve - 0.12 * curve**3)
        widths = thick * (1 - curve**1.6)
        there = [(float(a - w), float(b)) for a, b, w in zip(xs, ys, widths, strict=True)]
        back = [(float(a + w), float(b)) for a, b, w in zip(xs, ys, widths, strict=True)]
        paint = mix(paints[int(rng.integers(len(paints)))], paints[0], rng.uniform(0, 0.3))
        paint = mix(paint, (0, 0, 0), rng.uniform(0, 0.25))
        found.append((there + back[::-1], paint))
    return found


def plumes(
    rng: np.random.Generator,
    count: int,
    area: tuple[float, float, float, float],
    stem: Paint,
    head: Sequence[Paint],
    *,
    tall: float,
    wind: float = 0.3,
) -> list[tuple[list[Point], Paint]]:
    """Stems of grass with ears at their tips."""
    found = blades(rng, count, area, [stem], tall=tall, wind=wind, wide=2.6)
    ears: list[tuple[list[Point], Paint]] = []
    for polygon, paint in found:
        ears.append((polygon, paint))
        tip_x, tip_y = polygon[len(polygon) // 2]
        base_x, base_y = polygon[len(polygon) // 2 - 2]
        along = np.array([tip_x - base_x, tip_y - base_y])
        along = along / max(1e-6, float(np.hypot(*along)))
        across = np.array([-along[1], along[0]])
        length = tall * 0.3 * rng.uniform(0.7, 1.2)
        tint = head[int(rng.integers(len(head)))]
        for part in np.linspace(-0.1, 1, 22):
            middle = np.array([tip_x, tip_y]) + along * (part - 0.5) * length
            size = length * 0.085 * np.sin(np.pi * np.clip(part * 0.92 + 0.08, 0, 1)) + 1
            for side in (-1, 1):
                out = across * side * size * rng.uniform(0.5, 1.4) + along * size * 1.5
                seed = [middle, middle + out * 0.5 + across * side, middle + out * 1.4]
                ears.append(
                    (
                        [(float(p[0]), float(p[1])) for p in seed],
                        mix(tint, stem, rng.uniform(0, 0.4)),
                    )
                )
    return ears


def foliage(
    rng: np.random.Generator,
    middle: Point,
    size: Point,
    paints: tuple[Paint, Paint, Paint],
    *,
    count: int,
    leaf: float,
    light: Point = (-0.6, -0.8),
) -> list[tuple[list[Point], Paint]]:
    """A crown of leaves: shade, colour and light; `light` is the way to the sun."""
    places = rng.normal(0, 0.42, (count, 2))
    lumps = rng.normal(0, 0.5, (9, 2))
    near = lumps[rng.integers(9, size=count)]
    places = np.clip(places * 0.62 + near * 0.62, -1.15, 1.15)
    inside = np.hypot(*places.T)
    lit = (places * np.array(light)).sum(1) + rng.normal(0, 0.3, count)
    order = np.argsort(lit + rng.normal(0, 0.25, count))
    found = []
    for at in order:
        if inside[at] > 1.2:
            continue
        share = float(np.clip(lit[at] * 0.75 + 0.45, 0, 1))
        paint = (
            mix(paints[0], paints[1], share * 2)
            if share < 0.5
            else mix(paints[1], paints[2], share * 2 - 1)
        )
        x, y = middle[0] + places[at, 0] * size[0], middle[1] + places[at, 1] * size[1]
        found.append((petal(rng, x, y, leaf * rng.uniform(0.6, 1.3)), paint))
    return found


def petal(rng: np.random.Generator, x: float, y: float, size: float) -> list[Point]:
    """A small leaf, turned anyhow."""
    angle = rng.uniform(0, 2 * np.pi)
    c, s = np.cos(angle), np.sin(angle)
    outline = [(-1, 0), (-0.35, 0.42), (0.3, 0.4), (1, 0), (0.3, -0.4), (-0.35, -0.42)]
    return [
        (float(x + size * (a * c - b * s)), float(y + size * (a * s + b * c))) for a, b in outline
    ]


def stars(canvas: Canvas, rng: np.random.Generator, count: int, below: float) -> None:
    for _ in range(count):
        x, y = rng.uniform(0, WIDTH), rng.uniform(0, below) ** 1.0
        canvas.glow(x, y, rng.uniform(1.2, 2.6), (0.9, 0.95, 1), rng.uniform(0.2, 0.9))


def bokeh(canvas: Canvas, rng: np.random.Generator, places: Sequence[Point], paint: Paint) -> None:
    """Lights out of focus."""
    for x, y in places:
        radius = rng.uniform(14, 34)
        distance = np.hypot(canvas.x - x, canvas.y - y)
        disc = rise(-distance, -radius - 2, -radius + 2) * (0.7 + 0.3 * (distance / radius) ** 4)
        canvas.add(paint, (disc * rng.uniform(0.08, 0.3)).astype(np.float32))


def mist(canvas: Canvas, paint: Paint, top: float, bottom: float, thick: float, seed: int) -> None:
    """A band of haze that fades up and down."""
    middle, reach = (top + bottom) / 2, (bottom - top) / 2
    band = np.exp(-(((canvas.y - middle) / reach) ** 2) * 2.2)
    canvas.blend(paint, band * thick * (0.65 + 0.7 * (canvas.noise(seed, 1600, 2, 2.5) - 0.3)))
