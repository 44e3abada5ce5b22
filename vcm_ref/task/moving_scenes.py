"""Moving scenes: the objects of :mod:`~vcm_ref.task.scenes`, each with an identity and a path, under a moving camera.

A world larger than the picture is painted once. The camera moves over it in a straight line and turns back at the
edges, and so do the objects, in whole pixels. Light is fixed to the picture; noise is drawn anew for each picture. The
same seed and size give the same pictures, byte for byte, on every machine.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from vcm_ref.task.scene_draw import Draw, Plane
from vcm_ref.task.scene_shapes import SHAPES
from vcm_ref.task.scene_surfaces import Canvas, add_strokes, background, light, paint
from vcm_ref.task.scenes import (
    SMALLEST_SIDE,
    TWO_COLOURED,
    SceneObject,
    coco_annotations,
    coco_categories,
    contrasting,
    seen,
    sizes_of,
    surface_of,
)

#: Of an object's own area, what must be visible for it to be annotated; and pixels of its box's shorter side.
LEAST_VISIBLE, LEAST_SHORT_SIDE = 0.3, 8
_MARGIN = 48  # of the world around the picture, in pixels
_FASTEST, _FASTEST_CAMERA = 4.0, 1.5  # pixels a picture, along each side
_MOST_NOISE = 3.0
_LEAST_OBJECTS, _MOST_OBJECTS = 6, 12


@dataclass(frozen=True)
class MovingObject:
    """One object of a picture: what is visible of it, its identity from 1, and the visible share of its area."""

    seen: SceneObject
    identity: int
    visible: float


@dataclass(frozen=True)
class Picture:
    """A picture (H, W, 3) uint8 RGB, and its objects: all that are visible at all."""

    image: NDArray[np.uint8]
    objects: tuple[MovingObject, ...]


@dataclass(frozen=True)
class _Path:
    """A way to and fro: where it begins, how fast, from ``low`` on, ``span`` long; in pixels and pixels a picture."""

    start: float
    speed: float
    low: float
    span: float

    def at(self, number: int) -> int:
        """The whole pixel at picture ``number``."""
        there = (self.start + self.speed * number) % (2 * self.span)
        return int(np.floor(self.low + min(there, 2 * self.span - there)))


@dataclass(frozen=True)
class _Sprite:
    """An object as it is painted: class, cover and mask (h, w), surface (3, h, w), whole area, paths of its corner."""

    category_id: int
    cover: Plane
    mask: NDArray[np.bool_]
    surface: Canvas
    down: _Path
    across: _Path


def moving_scene(seed: int, width: int = 512, height: int = 384) -> Iterator[Picture]:
    """The pictures of the moving scene of ``seed`` (an integer from 0), without end.

    Raises ``ValueError`` for a negative seed or a side below `SMALLEST_SIDE`.
    """
    if seed < 0 or width < SMALLEST_SIDE or height < SMALLEST_SIDE:
        raise ValueError(
            f"scene {seed} of {width}x{height}: the seed counts from 0 and each side from {SMALLEST_SIDE} pixels"
        )
    draw = Draw(seed)
    world = background(draw, height + 2 * _MARGIN, width + 2 * _MARGIN)
    add_strokes(world, draw)
    sizes: list[float] = []
    while len(sizes) < _LEAST_OBJECTS:
        sizes += sizes_of(draw, width, height)
    sprites = [_sprite(draw, world, size) for size in sorted(sizes[:_MOST_OBJECTS], reverse=True)]
    camera = [_path(draw, _FASTEST_CAMERA, 0.0, 2.0 * _MARGIN) for _ in range(2)]
    light_seed, noise_seed = draw.integer(2**32), draw.integer(2**32)
    strength = np.float32(draw.uniform(0.0, _MOST_NOISE))
    number = 0
    while True:
        top, left = (path.at(number) for path in camera)
        canvas = world[:, top : top + height, left : left + width].copy()
        owner = np.zeros((height, width), np.uint8)
        for index, sprite in enumerate(sprites, start=1):
            _lay(canvas, owner, sprite, index, sprite.down.at(number) - top, sprite.across.at(number) - left)
        light(canvas, Draw(light_seed))
        noisy = canvas + Draw(noise_seed + number).grain(*canvas.shape) * strength
        levels = np.floor(np.clip(noisy, 0.0, 255.0) + np.float32(0.5)).astype(np.uint8)
        yield Picture(np.ascontiguousarray(levels.transpose(1, 2, 0)), tuple(_objects(owner, sprites)))
        number += 1


def _sprite(draw: Draw, world: Canvas, size: float) -> _Sprite:
    """Draw an object of ``size`` pixels and its path; its colours stand out from the place where it begins."""
    category_id = 1 + draw.integer(len(SHAPES))
    shape = SHAPES[category_id - 1]
    half_x, half_y = 0.5 * size, 0.5 * size * draw.uniform(0.78, 1.0)
    cosine, sine = draw.rotation()
    side = int(1.24 * size) + 6  # the square's corners reach 0.85 · √2 half sizes
    place = np.arange(side, dtype=np.float32) - np.float32(0.5 * (side - 1))
    y, x = place[:, None], place[None, :]
    along = (x * np.float32(cosine) + y * np.float32(sine)) * np.float32(1.0 / half_x)
    across = (y * np.float32(cosine) - x * np.float32(sine)) * np.float32(1.0 / half_y)
    depth = shape.outline(along, across) * np.float32(half_y)
    mask = depth >= 0
    paths = [_path(draw, _FASTEST, 0.5 * (_MARGIN - side), float(length - _MARGIN)) for length in world.shape[1:]]
    top, left = (min(max(path.at(0), 0), length - side) for path, length in zip(paths, world.shape[1:], strict=True))
    beneath = world[:, top : top + side, left : left + side]
    surface = surface_of(beneath, draw, mask, depth, size)
    second = np.clip(shape.inner(along, across) * np.float32(half_y) + np.float32(0.5), 0.0, 1.0)
    if category_id in TWO_COLOURED:
        other = contrasting(draw, surface[:, mask][:, :1].reshape(3, 1))
        paint(surface, second, np.array(other, np.float32)[:, None, None])
    return _Sprite(category_id, np.clip(depth + np.float32(0.5), 0.0, 1.0), mask, surface, *paths)


def _path(draw: Draw, fastest: float, low: float, span: float) -> _Path:
    return _Path(draw.uniform(0.0, 2.0 * span), draw.uniform(-fastest, fastest), low, span)


def _lay(canvas: Canvas, owner: NDArray[np.uint8], sprite: _Sprite, index: int, top: int, left: int) -> None:
    """Paint an object whose corner is at ``top``, ``left``, as far as the picture reaches."""
    height, width = owner.shape
    side = len(sprite.mask)
    rows, columns = slice(max(top, 0), min(top + side, height)), slice(max(left, 0), min(left + side, width))
    if rows.start >= rows.stop or columns.start >= columns.stop:
        return
    inside = slice(rows.start - top, rows.stop - top), slice(columns.start - left, columns.stop - left)
    paint(canvas[:, rows, columns], sprite.cover[inside], sprite.surface[:, inside[0], inside[1]])
    owner[rows, columns][sprite.mask[inside]] = index


def _objects(owner: NDArray[np.uint8], sprites: list[_Sprite]) -> Iterator[MovingObject]:
    for index, sprite in enumerate(sprites, start=1):
        found = seen(owner, index, sprite.category_id)
        if found.area:
            yield MovingObject(found, index, found.area / int(np.count_nonzero(sprite.mask)))


def annotated(one: MovingObject) -> bool:
    """Tell whether enough of an object is visible for it to be one that a detector should find."""
    return one.visible >= LEAST_VISIBLE and min(one.seen.bbox[2:]) >= LEAST_SHORT_SIDE


def write_sequence(
    folder: str | Path, seed: int, frames: int, width: int = 512, height: int = 384, frame_rate: int = 25
) -> Path:
    """Render a moving scene into ``folder``: PNG files, COCO annotations, MOT's ground truth, and ``sequence.yaml``.

    ``instances.json`` has the objects that :func:`annotated` tells, ``gt.txt`` all (MOT16's format: picture from 1,
    identity, left, top, width, height, whether it counts, class, visible share). Gives the path of ``sequence.yaml``,
    the data set of both, which is written last.
    """
    from PIL import Image

    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    images: list[dict[str, Any]] = []
    annotations: list[dict[str, Any]] = []
    truth = []
    for number, picture in enumerate(islice(moving_scene(seed, width, height), frames), start=1):
        name = f"scene_{seed:08d}_{number:06d}.png"
        Image.fromarray(picture.image).save(folder / name)
        images.append({"id": number, "file_name": name, "width": width, "height": height})
        kept = [one.seen for one in picture.objects if annotated(one)]
        annotations += coco_annotations(kept, number, len(annotations) + 1, (height, width))
        for one in picture.objects:
            x, y, wide, high = one.seen.bbox
            counts = int(annotated(one))
            place = f"{number},{one.identity},{x + 1},{y + 1},{wide},{high}"
            truth.append(f"{place},{counts},{one.seen.category_id},{one.visible:.4f}\n")
    document = {"images": images, "annotations": annotations, "categories": coco_categories()}
    (folder / "instances.json").write_text(json.dumps(document), encoding="utf-8")
    (folder / "gt.txt").write_text("".join(truth), encoding="utf-8")
    path = folder / "sequence.yaml"
    lines = ["kind: coco", "annotations: instances.json", "tracks: gt.txt", f"frame_rate: {frame_rate}", ""]
    path.write_text("\n".join(lines), encoding="utf-8")
    return path
