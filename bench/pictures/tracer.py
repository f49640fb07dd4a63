"""Follows rays of light through a scene of solid shapes.

Points, directions and colours of many rays are arrays of 3 rows. Lengths are metres: x goes to the
right, y up, z into the picture.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import cast

import numpy as np
from numpy.typing import NDArray

from bench.pictures.noise import Array

Indexes = NDArray[np.intp]
Colour = tuple[float, float, float]
Vector = tuple[float, float, float]
# From points and normals in the frame of a shape to one colour each.
Texture = Callable[[Array, Array], Array]
# From points in the frame of a shape to their distance from its surface, never too large.
Distance = Callable[[Array], Array]

STEPS = 40
# For shadows, whose edges are soft anyway.
ROUGH_STEPS = 14
NEAR = 1e-3
FAR = 1e4


@dataclass(frozen=True)
class Material:
    colour: Colour | Texture
    emission: Colour | Texture = (0, 0, 0)
    # How much of a mirror it is, and how blurred.
    gloss: float = 0
    blur: float = 0.05


@dataclass(frozen=True, eq=False)
class Shape:
    """A box, or whatever `distance` describes inside this box."""

    centre: Vector
    half: Vector
    material: Material
    distance: Distance | None = None
    turned: Array = field(default_factory=lambda: np.eye(3, dtype=np.float32))
    casts_shadow: bool = True

    @property
    def is_turned(self) -> bool:
        return bool(self.turned[0, 0] != 1 or self.turned[1, 1] != 1)

    def inward(self, points: Array) -> Array:
        """Brings points into the frame of the shape."""
        return self.turned.T @ (points - column(self.centre))

    def corners(self) -> Array:
        signs = np.array(np.meshgrid([-1, 1], [-1, 1], [-1, 1]), dtype=np.float32).reshape(3, 8)
        return self.turned @ (signs * column(self.half)) + column(self.centre)


@dataclass(eq=False)
class Group:
    """Shapes near each other: a ray that misses their common box misses them all."""

    shapes: Sequence[Shape]

    def __post_init__(self) -> None:
        corners = np.concatenate([shape.corners() for shape in self.shapes], axis=1)
        self.low, self.high = corners.min(1, keepdims=True), corners.max(1, keepdims=True)


def column(values: Sequence[float]) -> Array:
    return np.array(values, dtype=np.float32)[:, None]


def turn(yaw: float = 0, pitch: float = 0, roll: float = 0) -> Array:
    """Returns a rotation, in degrees: around y, then x, then z."""
    a, b, c = np.radians([yaw, pitch, roll])
    around_y = np.array([[np.cos(a), 0, np.sin(a)], [0, 1, 0], [-np.sin(a), 0, np.cos(a)]])
    around_x = np.array([[1, 0, 0], [0, np.cos(b), -np.sin(b)], [0, np.sin(b), np.cos(b)]])
    around_z = np.array([[np.cos(c), -np.sin(c), 0], [np.sin(c), np.cos(c), 0], [0, 0, 1]])
    return (around_y @ around_x @ around_z).astype(np.float32)


def enter_box(starts: Array, ways: Array, low: Array, high: Array) -> tuple[Array, Array]:
    """Returns how far along its way each ray enters and leaves a box."""
    enter: Array = np.full(1, -FAR, dtype=np.float32)
    leave: Array = np.full(1, FAR, dtype=np.float32)
    for axis in range(3):
        inverse = 1 / (ways[axis] + np.float32(1e-9))
        first = (low[axis] - starts[axis]) * inverse
        second = (high[axis] - starts[axis]) * inverse
        enter = np.maximum(enter, np.minimum(first, second))
        leave = np.minimum(leave, np.maximum(first, second))
    return enter, leave


def hit_shape(
    shape: Shape, starts: Array, ways: Array, limits: Array, *, roughly: bool = False
) -> tuple[Indexes, Array]:
    """Returns which rays hit a shape before their limits, and how far away."""
    starts = starts - column(shape.centre)
    if shape.is_turned:
        starts, ways = shape.turned.T @ starts, shape.turned.T @ ways
    half = column(shape.half)
    enter, leave = enter_box(starts, ways, -half, half)
    hit = np.flatnonzero((leave > np.maximum(enter, NEAR)) & (enter < limits))
    if shape.distance is None:
        # A shadow also falls on what touches the inside of a box, such as the end of a wall.
        if not roughly:
            hit = hit[enter[hit] > NEAR]
        return hit, enter[hit]
    # Copies of what is needed only: most rays miss.
    return march(
        shape.distance,
        hit,
        starts[:, hit],
        ways[:, hit],
        np.maximum(enter[hit], NEAR),
        np.minimum(leave[hit], limits[hit]),
        *((ROUGH_STEPS, 4e-3) if roughly else (STEPS, 8e-4)),
    )


def march(
    distance: Distance,
    rays: Indexes,
    starts: Array,
    ways: Array,
    along: Array,
    leave: Array,
    steps: int,
    near: float,
) -> tuple[Indexes, Array]:
    """Walks along rays in steps as long as the distance to the surface allows."""
    found_at: list[Indexes] = []
    found: list[Array] = []
    for _ in range(steps):
        if rays.size == 0:
            break
        gap = distance(starts + ways * along)
        there = gap < near
        found_at.append(rays[there])
        found.append(along[there])
        along = along + np.maximum(gap, near)
        going = np.flatnonzero(~there & (along < leave))
        rays, along, leave = rays[going], along[going], leave[going]
        starts, ways = starts[:, going], ways[:, going]
    if not found:
        return rays, along
    return np.concatenate(found_at), np.concatenate(found)


def trace(
    groups: Sequence[Group], starts: Array, ways: Array
) -> tuple[Array, NDArray[np.int32], list[Shape]]:
    """Returns for each ray how far it gets, and the index of what it hits, -1 for nothing."""
    shapes = [shape for group in groups for shape in group.shapes]
    far = np.full(starts.shape[1], FAR, dtype=np.float32)
    who = np.full(starts.shape[1], -1, dtype=np.int32)
    index = 0
    for group in groups:
        if len(group.shapes) == 1:
            hit, along = hit_shape(group.shapes[0], starts, ways, far)
            far[hit], who[hit] = along, index
            index += 1
            continue
        enter, leave = enter_box(starts, ways, group.low, group.high)
        some = np.flatnonzero((leave > np.maximum(enter, 0)) & (enter < far))
        near_starts, near_ways = starts[:, some], ways[:, some]
        for shape in group.shapes:
            hit, along = hit_shape(shape, near_starts, near_ways, far[some])
            closer = along < far[some[hit]]
            far[some[hit[closer]]] = along[closer]
            who[some[hit[closer]]] = index
            index += 1
    return far, who, shapes


def is_blocked(
    groups: Sequence[Group], starts: Array, ways: Array, reach: Array
) -> NDArray[np.bool_]:
    """Tells which rays meet something that casts a shadow within their reach."""
    limits = reach.copy()
    for group in groups:
        if len(group.shapes) == 1:
            if group.shapes[0].casts_shadow:
                hit, _ = hit_shape(group.shapes[0], starts, ways, limits, roughly=True)
                limits[hit] = -1
            continue
        enter, leave = enter_box(starts, ways, group.low, group.high)
        some = np.flatnonzero((leave > np.maximum(enter, 0)) & (enter < limits))
        if some.size == 0:
            continue
        near_starts, near_ways = starts[:, some], ways[:, some]
        for shape in group.shapes:
            if shape.casts_shadow:
                hit, _ = hit_shape(shape, near_starts, near_ways, limits[some], roughly=True)
                limits[some[hit]] = -1
    return limits < 0


def normals_of(shape: Shape, points: Array) -> Array:
    """Returns the normals at points of a surface, both in the frame of the shape."""
    if shape.distance is None:
        face = np.argmax(np.abs(points) - column(shape.half), axis=0)
        normals = np.zeros_like(points)
        at = np.arange(points.shape[1])
        normals[face, at] = np.sign(points[face, at])
        return normals
    normals = np.empty_like(points)
    for axis in range(3):
        step = np.zeros((3, 1), dtype=np.float32)
        step[axis] = 2e-3
        normals[axis] = shape.distance(points + step) - shape.distance(points - step)
    return normalise(normals)


def normalise(vectors: Array) -> Array:
    return cast(Array, vectors / np.maximum(np.sqrt((vectors**2).sum(0)), 1e-9))


def colour_of(colour: Colour | Texture, points: Array, normals: Array) -> Array:
    if callable(colour):
        return colour(points, normals)
    return np.broadcast_to(column(colour), points.shape)


@dataclass
class Surfaces:
    """What rays have hit: places, normals in the world, and colours."""

    points: Array
    normals: Array
    colours: Array
    emissions: Array
    gloss: Array
    blur: Array
    far: Array
    who: NDArray[np.int32]


def see(groups: Sequence[Group], starts: Array, ways: Array) -> Surfaces:
    """Traces rays and describes what they hit."""
    far, who, shapes = trace(groups, starts, ways)
    points = starts + ways * far
    seen = Surfaces(
        points,
        -ways.copy(),
        np.zeros_like(points),
        np.zeros_like(points),
        np.zeros_like(far),
        np.zeros_like(far),
        far,
        who,
    )
    for index in np.unique(who[who >= 0]):
        shape = shapes[index]
        at = np.flatnonzero(who == index)
        inside = shape.inward(points[:, at])
        normals = normals_of(shape, inside)
        seen.normals[:, at] = shape.turned @ normals
        seen.colours[:, at] = colour_of(shape.material.colour, inside, normals)
        seen.emissions[:, at] = colour_of(shape.material.emission, inside, normals)
        seen.gloss[at] = shape.material.gloss
        seen.blur[at] = shape.material.blur
    return seen
