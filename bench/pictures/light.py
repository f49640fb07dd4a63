"""Lights a scene of solid shapes and turns what the eye gets into a picture."""

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from bench.pictures.canvas import HEIGHT, WIDTH, bloom
from bench.pictures.noise import Array
from bench.pictures.tracer import (
    FAR,
    Colour,
    Group,
    Indexes,
    Surfaces,
    Vector,
    column,
    is_blocked,
    normalise,
    see,
    turn,
)

# The light on surfaces is worked out for every sixth pixel each way: it changes slowly.
COARSE = 6
STRIP_ROWS = 64
MIRRORED_RAYS = 3


@dataclass(frozen=True)
class Daylight:
    """A window or door that lets the sky's light in: its middle and its two half sides."""

    centre: Vector
    across: Vector
    up: Vector
    colour: Colour


@dataclass(frozen=True)
class Bulb:
    centre: Vector
    radius: float
    colour: Colour


@dataclass(frozen=True)
class Sun:
    way: Vector
    colour: Colour
    spread: float = 0.012


@dataclass
class Scene:
    groups: Sequence[Group]
    eye: Vector
    # In widths of the picture.
    focal: float = 0.7
    # The horizon in heights from the top, the vanishing point in widths from the left.
    horizon: float = 0.45
    vanishing: float = 0.5
    yaw: float = 0
    openings: Sequence[Daylight] = ()
    bulbs: Sequence[Bulb] = ()
    sun: Sun | None = None
    # Light from wherever nothing is: overhead, and at the horizon.
    sky: tuple[Colour, Colour] | None = None
    ambient: Colour = (0.02, 0.02, 0.02)
    samples: int = 16
    seed: int = 1
    # What is behind everything: a picture of any size, in amounts of light.
    backdrop: Array | None = None
    exposure: float = 1.0
    glow: float = 0.12
    _rng: np.random.Generator = field(init=False)

    def __post_init__(self) -> None:
        self._rng = np.random.default_rng(self.seed)

    def rays(self, columns: int, rows: int, top: int, bottom: int) -> tuple[Array, Array]:
        """Returns starts and ways of the rays through rows `top` to `bottom` of a raster."""
        across = (np.arange(columns, dtype=np.float32) + 0.5) / columns - self.vanishing
        down = (np.arange(top, bottom, dtype=np.float32) + 0.5) / rows
        up = (self.horizon - down) * HEIGHT / WIDTH
        x, y = np.meshgrid(across, up)
        ways = np.stack([x.ravel(), y.ravel(), np.full(x.size, self.focal, np.float32)])
        ways = normalise(turn(self.yaw) @ ways).astype(np.float32)
        starts = np.repeat(column(self.eye), ways.shape[1], axis=1)
        return starts, ways

    def on_screen(self, ways: Array) -> tuple[Array, Array]:
        """Returns where in the picture ways from the eye are, in widths and heights."""
        x, y, z = turn(self.yaw).T @ ways
        z = np.maximum(z, 1e-3)
        u = x / z * self.focal + self.vanishing
        v = self.horizon - y / z * self.focal * WIDTH / HEIGHT
        return np.clip(u, 0, 0.9999), np.clip(v, 0, 0.9999)

    def behind(self, ways: Array) -> Array:
        """Returns what is seen where nothing is in the way."""
        if self.backdrop is None:
            return self.sky_light(ways)
        u, v = self.on_screen(ways)
        rows, columns = self.backdrop.shape[:2]
        found = self.backdrop[(v * rows).astype(int), (u * columns).astype(int)].T
        # The eye is used to the room: outdoors must not be paler than it was painted.
        return found / np.float32(self.exposure * 0.85)

    def sky_light(self, ways: Array) -> Array:
        if self.sky is None:
            return np.zeros_like(ways)
        overhead, level = column(self.sky[0]), column(self.sky[1])
        height = np.clip(ways[1], 0, 1) ** 0.6
        below = np.where(ways[1] < 0, np.float32(0.35), np.float32(1))
        return (level + (overhead - level) * height) * below


def direct_light(scene: Scene, points: Array, normals: Array, count: int) -> Array:
    """Returns the light of openings and bulbs at points, from `count` places of each."""
    light = np.zeros_like(points)
    points = points + normals * 4e-3
    for opening in scene.openings:
        light += opening_light(scene, opening, points, normals, count)
    for bulb in scene.bulbs:
        light += bulb_light(scene, bulb, points, normals, max(1, count // 2))
    return light


def opening_light(
    scene: Scene, opening: Daylight, points: Array, normals: Array, count: int
) -> Array:
    across, up = column(opening.across), column(opening.up)
    facing = np.cross(opening.across, opening.up)
    area = 4 * float(np.linalg.norm(facing))
    facing = (facing / np.linalg.norm(facing)).astype(np.float32)[:, None]
    total = np.zeros(points.shape[1], dtype=np.float32)
    side = max(1, int(np.sqrt(count)))
    for cell in range(side * side):
        places = scene._rng.random((2, points.shape[1]), dtype=np.float32)
        a = (cell % side + places[0]) / side * 2 - 1
        b = (cell // side + places[1]) / side * 2 - 1
        ways = column(opening.centre) + across * a + up * b - points
        reach = np.sqrt((ways**2).sum(0))
        ways = ways / np.maximum(reach, 1e-4)
        strength = np.clip((ways * normals).sum(0), 0, 1) * np.abs((ways * facing).sum(0))
        # The sky is brighter than the ground.
        strength *= np.clip(0.75 + 1.2 * ways[1], 0.35, 1.3)
        total += seen_strength(scene, points, ways, reach, strength / np.maximum(reach**2, 0.04))
    return total * column(opening.colour) * np.float32(area / (side * side * np.pi))


def bulb_light(scene: Scene, bulb: Bulb, points: Array, normals: Array, count: int) -> Array:
    total = np.zeros(points.shape[1], dtype=np.float32)
    for _ in range(count):
        places = scene._rng.standard_normal(points.shape, dtype=np.float32)
        ways = column(bulb.centre) + normalise(places) * bulb.radius - points
        reach = np.sqrt((ways**2).sum(0))
        ways = ways / np.maximum(reach, 1e-4)
        strength = np.clip((ways * normals).sum(0), 0, 1) / np.maximum(reach**2, 0.02)
        total += seen_strength(scene, points, ways, reach, strength)
    return total * column(bulb.colour) / np.float32(count)


def seen_strength(scene: Scene, points: Array, ways: Array, reach: Array, strength: Array) -> Array:
    """Returns the strength where nothing is in the way, 0 elsewhere."""
    some = np.flatnonzero(strength > 1e-5)
    blocked = is_blocked(scene.groups, points[:, some], ways[:, some], reach[some] * 0.995)
    strength = strength.copy()
    strength[np.setdiff1d(np.arange(strength.size), some, assume_unique=True)] = 0
    strength[some[blocked]] = 0
    return strength


def sun_light(scene: Scene, points: Array, normals: Array, count: int) -> Array:
    if scene.sun is None:
        return np.zeros_like(points)
    total = np.zeros(points.shape[1], dtype=np.float32)
    points = points + normals * 4e-3
    reach = np.full(points.shape[1], FAR, dtype=np.float32)
    for _ in range(count):
        spread = scene._rng.standard_normal(points.shape, dtype=np.float32) * scene.sun.spread
        ways = normalise(normalise(column(scene.sun.way)) + spread).astype(np.float32)
        strength = np.clip((ways * normals).sum(0), 0, 1)
        total += seen_strength(scene, points, ways, reach, strength)
    return total * column(scene.sun.colour) / np.float32(count)


def bounced_light(scene: Scene, points: Array, normals: Array, count: int) -> Array:
    """Returns the light that comes from other surfaces, and from the sky."""
    light = np.zeros_like(points)
    points = points + normals * 4e-3
    for _ in range(count):
        around = normalise(scene._rng.standard_normal(points.shape, dtype=np.float32))
        ways = normalise(normals + around * 0.999).astype(np.float32)
        seen = see(scene.groups, points, ways)
        back = (seen.normals * ways).sum(0) > 0
        seen.normals = np.where(back, -seen.normals, seen.normals)
        lit = direct_light(scene, seen.points, seen.normals, 1) + column(scene.ambient)
        lit += sun_light(scene, seen.points, seen.normals, 1)
        coming = np.where(seen.who < 0, scene.sky_light(ways), seen.colours * lit + seen.emissions)
        light += np.minimum(coming, 3)
    return light / np.float32(count)


def smooth(light: Array, normals: Array, points: Array, far: Array, rounds: int) -> Array:
    """Evens the grain out, but not across edges. All arrays are of 3, rows, columns."""
    for step in [2**round_ for round_ in range(rounds)]:
        total, weights = np.zeros_like(light), np.zeros_like(far)
        for down in (-2, -1, 0, 1, 2):
            for across in (-2, -1, 0, 1, 2):
                shift = (down * step, across * step)
                other = np.roll(normals, shift, (1, 2))
                alike = np.clip((normals * other).sum(0), 0, 1) ** 16
                apart = ((np.roll(points, shift, (1, 2)) - points) * normals).sum(0)
                alike *= np.exp(-np.abs(apart) / (0.006 * far + 0.004))
                alike *= np.float32(np.exp(-(down**2 + across**2) / 4))
                total += np.roll(light, shift, (1, 2)) * alike
                weights += alike
        light = total / np.maximum(weights, 1e-6)
    return light


@dataclass
class CoarseLight:
    """Light on what is seen, on a coarse raster: arrays of 3, rows, columns."""

    light: Array
    normals: Array
    points: Array
    far: Array

    def at(self, u: Array, v: Array, seen: Surfaces) -> Array:
        """Returns the light at places of the picture, from cells with the same surface."""
        rows, columns = self.far.shape
        x, y = u * columns - 0.5, v * rows - 0.5
        left, top = np.floor(x).astype(int), np.floor(y).astype(int)
        total, weights = np.zeros_like(seen.points), np.zeros_like(u)
        for down in (0, 1):
            for across in (0, 1):
                row = np.clip(top + down, 0, rows - 1)
                cell = np.clip(left + across, 0, columns - 1)
                near = np.abs(1 - across - (x - left)) * np.abs(1 - down - (y - top))
                alike = np.clip((self.normals[:, row, cell] * seen.normals).sum(0), 0, 1) ** 8
                apart = ((self.points[:, row, cell] - seen.points) * seen.normals).sum(0)
                alike *= np.exp(-np.abs(apart) / (0.01 * seen.far + 0.002))
                weight = near * (alike + 1e-4)
                total += self.light[:, row, cell] * weight
                weights += weight
        return total / np.maximum(weights, 1e-9)


def light_coarsely(scene: Scene, columns: int, rows: int, *, is_final: bool) -> CoarseLight:
    starts, ways = scene.rays(columns, rows, 0, rows)
    seen = see(scene.groups, starts, ways)
    count = scene.samples if is_final else max(8, scene.samples // 2)
    light = direct_light(scene, seen.points, seen.normals, count)
    light += bounced_light(scene, seen.points, seen.normals, count)
    shape = (3, rows, columns)
    normals, points = seen.normals.reshape(shape), seen.points.reshape(shape)
    far = seen.far.reshape(shape[1:])
    light = smooth(light.reshape(shape), normals, points, far, 4)
    return CoarseLight(light, normals, points, far)


def sun_coarsely(scene: Scene, columns: int, rows: int) -> CoarseLight:
    starts, ways = scene.rays(columns, rows, 0, rows)
    seen = see(scene.groups, starts, ways)
    light = sun_light(scene, seen.points, seen.normals, 8)
    shape = (3, rows, columns)
    normals, points = seen.normals.reshape(shape), seen.points.reshape(shape)
    far = seen.far.reshape(shape[1:])
    light = smooth(light.reshape(shape), normals, points, far, 1)
    return CoarseLight(light, normals, points, far)


def render(scene: Scene, scale: float) -> tuple[Array, Array]:
    """Returns the light that reaches the eye, and where something was hit (1) or nothing (0)."""
    columns, rows = round(WIDTH * scale), round(HEIGHT * scale)
    coarse = max(2, round(COARSE * scale))
    lit = light_coarsely(scene, columns // coarse, rows // coarse, is_final=scale > 0.5)
    sunny = sun_coarsely(scene, columns // 2, rows // 2) if scene.sun else None
    picture = np.zeros((rows, columns, 3), dtype=np.float32)
    cover = np.zeros((rows, columns), dtype=np.float32)
    for top in range(0, rows, STRIP_ROWS):
        bottom = min(top + STRIP_ROWS, rows)
        starts, ways = scene.rays(columns, rows, top, bottom)
        colours, who = look(scene, lit, sunny, starts, ways)
        hit = (who >= 0).astype(np.float32)
        brightness = np.minimum(colours.mean(0), 1).reshape(bottom - top, columns)
        edges = edges_of(who.reshape(bottom - top, columns), brightness)
        for across, down in ((-0.3, -0.1), (0.1, -0.3), (0.3, 0.1), (-0.1, 0.3)):
            more, there = look(
                scene,
                lit,
                sunny,
                starts[:, edges],
                nudge(scene, ways[:, edges], across, down, columns),
            )
            colours[:, edges] += more
            hit[edges] += there >= 0
        colours[:, edges] /= 5
        hit[edges] /= 5
        picture[top:bottom] = colours.T.reshape(bottom - top, columns, 3)
        cover[top:bottom] = hit.reshape(bottom - top, columns)
    return picture, cover


def edges_of(who: NDArray[np.int32], brightness: Array) -> Indexes:
    """Returns the pixels beside which something else begins: they need more rays."""
    differs = np.zeros(who.shape, dtype=bool)
    for axis in (0, 1):
        other = (np.diff(who, axis=axis) != 0) | (np.abs(np.diff(brightness, axis=axis)) > 0.12)
        before = [(0, 1) if a == axis else (0, 0) for a in (0, 1)]
        after = [(1, 0) if a == axis else (0, 0) for a in (0, 1)]
        differs |= np.pad(other, before) | np.pad(other, after)
    return np.flatnonzero(differs)


def nudge(scene: Scene, ways: Array, across: float, down: float, columns: int) -> Array:
    """Moves rays by a part of a pixel."""
    turned = turn(scene.yaw)
    flat = turned.T @ ways
    flat = flat * (scene.focal / flat[2])
    flat[0] += across / columns
    flat[1] -= down / columns
    return normalise(turned @ flat).astype(np.float32)


def look(
    scene: Scene, lit: CoarseLight, sunny: CoarseLight | None, starts: Array, ways: Array
) -> tuple[Array, NDArray[np.int32]]:
    """Returns the light that comes along rays to the eye, and what it comes from."""
    seen = see(scene.groups, starts, ways)
    u, v = scene.on_screen(ways)
    light = lit.at(u, v, seen) + column(scene.ambient)
    if sunny:
        light += sunny.at(u, v, seen)
    colours = seen.colours * light + seen.emissions
    add_mirrored(scene, lit, colours, seen, ways)
    colours = np.where(seen.who < 0, scene.behind(ways), colours)
    # Very bright spots would leave jagged edges.
    return np.minimum(colours, 6).astype(np.float32), seen.who


def add_mirrored(
    scene: Scene, lit: CoarseLight, colours: Array, seen: Surfaces, ways: Array
) -> None:
    """Adds to glossy surfaces what they mirror."""
    at = np.flatnonzero(seen.gloss > 0)
    if at.size == 0:
        return
    normals, ways, points = seen.normals[:, at], ways[:, at], seen.points[:, at]
    facing = np.clip(-(normals * ways).sum(0), 0, 1)
    rows, columns = lit.far.shape
    total = np.zeros_like(points)
    for _ in range(MIRRORED_RAYS):
        jitter = scene._rng.standard_normal(normals.shape, dtype=np.float32) * seen.blur[at]
        tilted = normalise(normals + jitter).astype(np.float32)
        mirrored = normalise(ways - 2 * (ways * tilted).sum(0) * tilted).astype(np.float32)
        there = see(scene.groups, points + normals * 4e-3, mirrored)
        u, v = scene.on_screen(there.points - column(scene.eye))
        light = lit.light[:, (v * rows).astype(int), (u * columns).astype(int)]
        found = there.colours * (light + column(scene.ambient)) + there.emissions
        total += np.where(there.who < 0, scene.behind(mirrored), np.minimum(found, 1.6))
    gloss = seen.gloss[at] / MIRRORED_RAYS
    colours[:, at] += total * (gloss * (0.25 + 0.75 * (1 - facing) ** 3))


def develop(light: Array, exposure: float = 1, glow: float = 0.12) -> Array:
    """Turns amounts of light into colours of a screen, with a glow around what is bright."""
    light = light * np.float32(exposure)
    light = bloom(light, glow)
    # Each colour alone would turn bright orange into yellow; the brightest alone would look flat.
    brightest = light.max(axis=-1, keepdims=True)
    together = light * ((1 + brightest / 9) / (1 + brightest))
    toned = 0.45 * light * (1 + light / 9) / (1 + light) + 0.55 * together
    shown = np.clip(toned * 1.18, 0, 1) ** np.float32(1 / 2.2)
    # A little more contrast.
    return shown + 0.16 * (shown - 0.5) * shown * (1 - shown) * 2


def picture_of(scene: Scene, scale: float) -> Array:
    light, _ = render(scene, scale)
    return develop(light, scene.exposure, scene.glow)


def to_light(colours: Array) -> Array:
    """Turns a painted picture into amounts of light that `develop` brings back about the same."""
    # What is too bright keeps its hue: orange must not turn yellow.
    colours = np.maximum(colours, 0) / np.maximum(colours.max(axis=-1, keepdims=True) / 0.98, 1)
    toned = np.clip(colours, 0, 0.98) ** np.float32(2.2) / 1.18
    # Solves light * (1 + light / 9) / (1 + light) = toned.
    half = (1 - toned) * 4.5
    return np.sqrt(half**2 + 9 * toned) - half
