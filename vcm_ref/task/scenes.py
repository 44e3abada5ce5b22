"""Rendered scenes with known objects: what `refnet` is trained and measured on.

A scene is a cluttered, textured background with objects of ten classes on it, from about 12 to 300 pixels across, that
occlude each other, under uneven light and sensor noise. Colours and textures are drawn without regard to the class, so
only shape and inner structure tell the classes apart. The same seed and size give the same scene, byte for byte,
on every machine (see :mod:`vcm_ref.task.scene_draw` for what that takes).
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from vcm_ref.task.scene_draw import Colour, Draw, Plane
from vcm_ref.task.scene_shapes import CLASS_NAMES, SHAPES
from vcm_ref.task.scene_surfaces import Canvas, add_strokes, background, expose, filling, light, paint

Found = TypeVar("Found")

SMALLEST_SIDE = 64
"""Narrowest and lowest scene, in pixels."""

_SMALLEST, _LARGEST = 12.0, 300.0
_SIZE_STEP = 1.05
_LEAST_VISIBLE = 0.6  # of an object's own area
_LEAST_SHORT_SIDE = 8  # pixels of the visible box
_TRIES = 12


@dataclass(frozen=True)
class SceneObject:
    """One object of a scene, as far as it is visible.

    ``bbox`` is (x, y, width, height) of the visible pixels, tight; ``area`` counts them; ``counts`` are the lengths of
    the runs of the (H, W) visible mask read column by column, the first run outside (COCO's uncompressed RLE).
    """

    category_id: int
    bbox: tuple[int, int, int, int]
    area: int
    counts: tuple[int, ...]


@dataclass(frozen=True)
class Scene:
    """A picture, (H, W, 3) uint8 RGB, and its objects."""

    image: NDArray[np.uint8]
    objects: tuple[SceneObject, ...]


@dataclass
class _Placed:
    """An object while the scene grows: where it was painted and how many pixels it had when whole."""

    category_id: int
    rows: slice
    columns: slice
    whole: int


def render_scene(seed: int, width: int = 512, height: int = 384) -> Scene:
    """Render the scene of ``seed`` (an integer from 0) at ``width`` × ``height`` pixels.

    Raises ``ValueError`` for a negative seed or a side below `SMALLEST_SIDE`.
    """
    if seed < 0 or width < SMALLEST_SIDE or height < SMALLEST_SIDE:
        raise ValueError(
            f"scene {seed} of {width}x{height}: the seed counts from 0 and each side from {SMALLEST_SIDE} pixels"
        )
    draw = Draw(seed)
    canvas = background(draw, height, width)
    add_strokes(canvas, draw)
    owner = np.zeros((height, width), np.uint8)
    placed: list[_Placed] = []
    for size in sizes_of(draw, width, height):
        for _ in range(_TRIES):
            if _place(canvas, owner, placed, draw, size):
                break
    light(canvas, draw)
    return Scene(
        expose(canvas, draw), tuple(seen(owner, index, item.category_id) for index, item in enumerate(placed, start=1))
    )


def sizes_of(draw: Draw, width: int, height: int) -> list[float]:
    """Draw the objects' sizes in pixels, log-uniformly; large ones first, since they would hide the others."""
    limit = min(_LARGEST, 0.8 * min(width, height))
    table = [_SMALLEST]
    while table[-1] * _SIZE_STEP <= limit:
        table.append(table[-1] * _SIZE_STEP)
    most = min(40, max(2, width * height // 11000))
    count = max(1, most // 4) + draw.integer(most)
    return sorted((table[draw.integer(len(table))] for _ in range(count)), reverse=True)


def _place(canvas: Canvas, owner: NDArray[np.uint8], placed: list[_Placed], draw: Draw, size: float) -> bool:
    """Try to put one object of ``size`` pixels somewhere; tell whether it and all others stay visible enough."""
    height, width = owner.shape
    category_id = 1 + draw.integer(len(SHAPES))
    shape = SHAPES[category_id - 1]
    squeeze = draw.uniform(0.78, 1.0)
    half_x, half_y = 0.5 * size, 0.5 * size * squeeze
    cosine, sine = draw.rotation()
    centre_x, centre_y = draw.uniform(0.0, width), draw.uniform(0.0, height)

    reach = 0.62 * size + 2.0  # the square's corners reach 0.85 · √2 half sizes
    top, left = int(centre_y - reach + height) - height, int(centre_x - reach + width) - width
    side = int(2.0 * reach) + 2
    y = np.arange(top, top + side, dtype=np.float32)[:, None] - np.float32(centre_y)
    x = np.arange(left, left + side, dtype=np.float32)[None, :] - np.float32(centre_x)
    along = (x * np.float32(cosine) + y * np.float32(sine)) * np.float32(1.0 / half_x)
    across = (y * np.float32(cosine) - x * np.float32(sine)) * np.float32(1.0 / half_y)
    depth = shape.outline(along, across) * np.float32(half_y)

    whole = int(np.count_nonzero(depth >= 0))
    rows, columns = slice(max(top, 0), min(top + side, height)), slice(max(left, 0), min(left + side, width))
    if rows.start >= rows.stop or columns.start >= columns.stop:
        return False
    inside = (slice(rows.start - top, rows.stop - top), slice(columns.start - left, columns.stop - left))
    depth, along, across = depth[inside], along[inside], across[inside]
    mask = depth >= 0
    if not _allowed(owner, placed, mask, rows, columns, whole):
        return False

    surface = surface_of(canvas[:, rows, columns], draw, mask, depth, size)
    second = np.clip(shape.inner(along, across) * np.float32(half_y) + np.float32(0.5), 0.0, 1.0)
    if category_id in TWO_COLOURED:
        other = contrasting(draw, surface[:, mask][:, :1].reshape(3, 1))
        paint(surface, second, np.array(other, np.float32)[:, None, None])
    paint(canvas[:, rows, columns], np.clip(depth + np.float32(0.5), 0.0, 1.0), surface)
    placed.append(_Placed(category_id, rows, columns, whole))
    owner[rows, columns][mask] = len(placed)
    return True


TWO_COLOURED = frozenset(key for key, name in CLASS_NAMES.items() if name in ("checker", "target"))


def _allowed(
    owner: NDArray[np.uint8], placed: list[_Placed], mask: NDArray[np.bool_], rows: slice, columns: slice, whole: int
) -> bool:
    """Tell whether an object with ``mask`` (h, w) there is visible enough and leaves the others so."""
    if np.count_nonzero(mask) < max(_LEAST_VISIBLE * whole, 1) or not _wide_enough(mask):
        return False
    under = np.bincount(owner[rows, columns][mask], minlength=1)
    for index in np.flatnonzero(under[1:]) + 1:
        item = placed[index - 1]
        before = owner[item.rows, item.columns] == index
        hidden = int(under[index])
        if np.count_nonzero(before) - hidden < _LEAST_VISIBLE * item.whole:
            return False
        after = owner == index
        after[rows, columns] &= ~mask
        if not _wide_enough(after[item.rows, item.columns]):
            return False
    return True


def _wide_enough(mask: NDArray[np.bool_]) -> bool:
    _, _, width, height = _box(mask)
    return min(width, height) >= _LEAST_SHORT_SIDE


def _box(mask: NDArray[np.bool_]) -> tuple[int, int, int, int]:
    """Give the tight (x, y, width, height) of the true samples of ``mask`` (H, W); zeros if there are none."""
    columns, rows = np.flatnonzero(mask.any(axis=0)), np.flatnonzero(mask.any(axis=1))
    if not len(columns):
        return (0, 0, 0, 0)
    x, y = int(columns[0]), int(rows[0])
    return (x, y, int(columns[-1]) - x + 1, int(rows[-1]) - y + 1)


def surface_of(canvas: Canvas, draw: Draw, mask: NDArray[np.bool_], depth: Plane, size: float) -> Canvas:
    """Give the (3, h, w) look of an object that stands out from the ``canvas`` (3, h, w) beneath its ``mask``."""
    ys, xs = np.nonzero(mask)
    picks = (np.arange(9) * (len(ys) - 1)) // 8
    colour = contrasting(draw, canvas[:, ys[picks], xs[picks]])
    surface = filling(draw, colour, *mask.shape)
    if draw.chance(0.3):
        rim = np.clip(np.float32(0.04 * size) - depth + np.float32(0.5), 0.0, 1.0)
        darker = np.array(colour, np.float32) * np.float32(draw.uniform(0.4, 0.8))
        paint(surface, rim, darker[:, None, None])
    return surface


def contrasting(draw: Draw, samples: NDArray[np.float32]) -> Colour:
    """Draw a colour that differs from each of the ``samples`` (3, N), or the best of a number of draws."""
    best, best_gap = (0.0, 0.0, 0.0), -1.0
    for _ in range(8):
        colour = draw.colour()
        apart = np.abs(samples - np.array(colour, np.float32)[:, None])
        gap = float(np.min(apart[0] + apart[1] + apart[2]))
        if gap > best_gap:
            best, best_gap = colour, gap
        if gap >= 110.0:
            break
    return best


def seen(owner: NDArray[np.uint8], index: int, category_id: int) -> SceneObject:
    """Describe what the finished scene shows of the object numbered ``index`` in ``owner`` (H, W)."""
    mask = owner == index
    flat = mask.T.ravel()
    edges = np.flatnonzero(flat[1:] != flat[:-1]) + 1
    runs = np.diff(np.concatenate(([0], edges, [flat.size])))
    counts = ([0] if flat[0] else []) + [int(run) for run in runs]
    return SceneObject(category_id, _box(mask), int(np.count_nonzero(mask)), tuple(counts))


def coco_categories() -> list[dict[str, Any]]:
    """Give the ``categories`` part of the COCO annotations."""
    return [{"id": key, "name": name, "supercategory": "shape"} for key, name in CLASS_NAMES.items()]


def coco_annotations(
    objects: Sequence[SceneObject], image_id: int, first_id: int, size: tuple[int, int]
) -> list[dict[str, Any]]:
    """Give the COCO annotations of a scene of ``size`` (height, width), numbered from ``first_id``."""
    return [
        {
            "id": first_id + offset,
            "image_id": image_id,
            "category_id": item.category_id,
            "bbox": list(item.bbox),
            "area": item.area,
            "iscrowd": 0,
            "segmentation": {"size": list(size), "counts": list(item.counts)},
        }
        for offset, item in enumerate(objects)
    ]


def analysed_scenes(
    network: Callable[[NDArray[np.uint8]], Found], first_seed: int, count: int
) -> tuple[dict[str, Any], dict[int, Found]]:
    """Render ``count`` scenes from ``first_seed`` on: their COCO document, and what ``network`` finds in each, by id.

    The ids count from 1.
    """
    document: dict[str, Any] = {"images": [], "annotations": [], "categories": coco_categories()}
    found = {}
    for image_id in range(1, count + 1):
        scene = render_scene(first_seed + image_id - 1)
        size = (scene.image.shape[0], scene.image.shape[1])
        document["images"].append({"id": image_id, "height": size[0], "width": size[1]})
        first = len(document["annotations"]) + 1
        document["annotations"] += coco_annotations(scene.objects, image_id, first, size)
        found[image_id] = network(scene.image)
    return document, found


def write_dataset(folder: str | Path, first_seed: int, count: int, width: int = 512, height: int = 384) -> Path:
    """Render ``count`` scenes from ``first_seed`` on into ``folder``: PNG files and ``instances.json``.

    The image id in the annotations is the scene's seed plus 1, since COCO's ids count from 1.
    Gives the path of ``instances.json``, which is written last and appears whole.
    """
    from PIL import Image

    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    images: list[dict[str, Any]] = []
    annotations: list[dict[str, Any]] = []
    for seed in range(first_seed, first_seed + count):
        scene = render_scene(seed, width, height)
        name = f"scene_{seed:08d}.png"
        Image.fromarray(scene.image).save(folder / name)
        images.append({"id": seed + 1, "file_name": name, "width": width, "height": height})
        annotations += coco_annotations(scene.objects, seed + 1, len(annotations) + 1, (height, width))
    document = {"images": images, "annotations": annotations, "categories": coco_categories()}
    path = folder / "instances.json"
    beside = folder / "instances.json.part"
    beside.write_text(json.dumps(document), encoding="utf-8")
    beside.replace(path)
    return path
