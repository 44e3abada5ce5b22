"""The object classes of the rendered scenes: what each looks like, as geometry.

Every class is a function of the plane that gives how deep a point lies inside the shape, in units of the shape's own
radius: positive inside, negative outside. Intersections are minima and unions are maxima, so a shape is written as
half-planes and circles, and an anti-aliased outline comes from the depth in pixels without supersampling.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from vcm_ref.task.scene_draw import Plane

_STAR = (  # normals of the five lines
    (0.0, -1.0),
    (0.9510565, -0.3090170),
    (0.5877853, 0.8090170),
    (-0.5877853, 0.8090170),
    (-0.9510565, -0.3090170),
)


def _both(first: Plane, second: Plane) -> Plane:
    """Give the depth inside an intersection."""
    depth: Plane = np.minimum(first, second)
    return depth


def _either(first: Plane, second: Plane) -> Plane:
    """Give the depth inside a union."""
    depth: Plane = np.maximum(first, second)
    return depth


def _radius(x: Plane, y: Plane) -> Plane:
    radius: Plane = np.sqrt(x * x + y * y)
    return radius


def _box(x: Plane, y: Plane, half_width: float, half_height: float) -> Plane:
    return _both(np.float32(half_width) - np.abs(x), np.float32(half_height) - np.abs(y))


def _disc(x: Plane, y: Plane) -> Plane:
    return np.float32(1.0) - _radius(x, y)


def _ring(x: Plane, y: Plane) -> Plane:
    radius = _radius(x, y)
    return _both(np.float32(1.0) - radius, radius - np.float32(0.55))


def _square(x: Plane, y: Plane) -> Plane:
    return _box(x, y, 0.85, 0.85)


def _triangle(x: Plane, y: Plane) -> Plane:
    # Equilateral, centroid in the middle: three half-planes at distance 0.55.
    side = np.abs(x) * np.float32(0.8660254) - y * np.float32(0.5)
    return _both(np.float32(0.55) - side, np.float32(0.55) - y)


def _cross(x: Plane, y: Plane) -> Plane:
    return _either(_box(x, y, 1.0, 0.32), _box(x, y, 0.32, 1.0))


def _star(x: Plane, y: Plane) -> Plane:
    # A pentagram's points lie inside at least four of its five lines: the second smallest depth decides.
    first = second = np.full(np.broadcast_shapes(x.shape, y.shape), np.inf, np.float32)
    for normal_x, normal_y in _STAR:
        depth: Plane = np.float32(0.38) - (x * np.float32(normal_x) + y * np.float32(normal_y))
        second = _both(second, _either(first, depth))
        first = _both(first, depth)
    return second


def _crescent(x: Plane, y: Plane) -> Plane:
    return _both(np.float32(1.0) - _radius(x, y), _radius(x - np.float32(0.55), y) - np.float32(0.75))


def _arrow(x: Plane, y: Plane) -> Plane:
    # Points along +x: a head from x = 0 to x = 1 and a shaft behind it.
    short_of_tip: Plane = np.float32(1.0) - x
    off_axis: Plane = np.abs(y)
    slope: Plane = short_of_tip * np.float32(0.6401844) - off_axis * np.float32(0.7682213)
    head = _both(slope, x + np.float32(0.05))
    return _either(head, _box(x + np.float32(0.45), y, 0.55, 0.26))


def _no_inner(x: Plane, y: Plane) -> Plane:
    return np.full(np.broadcast_shapes(x.shape, y.shape), -1.0, np.float32)


def _checks(x: Plane, y: Plane) -> Plane:
    # Three by three cells; the depth inside the four odd ones.
    cell = np.float32(0.85 * 2.0 / 3.0)
    inside_x, inside_y = cell * np.float32(0.5) - np.abs(x), cell * np.float32(0.5) - np.abs(y)
    return _either(_both(inside_x, -inside_y), _both(-inside_x, inside_y))


def _bands(x: Plane, y: Plane) -> Plane:
    radius = _radius(x, y)
    return _both(np.float32(0.7) - radius, radius - np.float32(0.36))


@dataclass(frozen=True)
class Shape:
    """One object class.

    ``outline(x, y)`` gives the depth inside the shape and ``inner(x, y)`` that inside its second colour; both take
    coordinates in units of the shape's radius that broadcast to (H, W), and give (H, W) float32.
    """

    name: str
    outline: Callable[[Plane, Plane], Plane]
    inner: Callable[[Plane, Plane], Plane] = _no_inner


SHAPES: tuple[Shape, ...] = (
    Shape("disc", _disc),
    Shape("ring", _ring),
    Shape("square", _square),
    Shape("triangle", _triangle),
    Shape("cross", _cross),
    Shape("star", _star),
    Shape("crescent", _crescent),
    Shape("arrow", _arrow),
    Shape("checker", _square, _checks),
    Shape("target", _disc, _bands),
)
"""The classes in the order of their category ids, which count from 1."""

CLASS_NAMES: dict[int, str] = {index: shape.name for index, shape in enumerate(SHAPES, start=1)}
"""Category id to class name."""
