"""Mean average precision as the OpenImages Challenge defines it, for boxes and for masks.

Source: the challenge's own pages (storage.googleapis.com/openimages/web/evaluation.html) and, where they leave
something open, the behaviour of the TF Object Detection API's ``OpenImagesChallengeEvaluator`` in its default settings.
What follows from the two, and how ties are broken, stands in docs/evaluation.md.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

THRESHOLD = 0.5
"""Least overlap of a match; an overlap of exactly this much is one."""

Overlaps = NDArray[np.float64]
Rle = dict[str, Any]
"""A mask in COCO's compressed run-length encoding: ``size`` (height, width) and ``counts``."""


@dataclass(frozen=True)
class TruthOfClass:
    """What a picture has of one class.

    ``boxes`` is (M, 4) float64, each x0, y0, x1, y1; ``group`` is (M,) bool, whether a box is around a group of
    objects; ``masks`` has M entries, ``None`` where an object has a box only. To judge boxes, it may be left out.
    """

    boxes: NDArray[np.float64]
    group: NDArray[np.bool_]
    masks: Sequence[Rle | None] = ()


class Judged(NamedTuple):
    """The detections of one class that count: ``scores`` (K,) float64, and ``hits`` (K,) bool, right or wrong."""

    scores: NDArray[np.float64]
    hits: NDArray[np.bool_]


def judge_boxes(boxes: NDArray[np.float64], scores: NDArray[np.float64], truth: TruthOfClass) -> Judged:
    """Judge one picture's detections of one class by their boxes (N, 4), in the coordinates of the truth's.

    Boxes without width or height are no detections.
    """
    valid = np.flatnonzero((boxes[:, 0] < boxes[:, 2]) & (boxes[:, 1] < boxes[:, 3]))
    order = valid[_best_first(scores[valid])]
    boxes, scores = boxes[order], scores[order]
    objects, groups = truth.boxes[~truth.group], truth.boxes[truth.group]
    hits = _match_objects(_box_iou(boxes, objects))
    absorbed, finds = _match_groups(_box_ioa(boxes, groups), ~hits, scores)
    return _judged(scores, hits | finds, absorbed & ~finds)


def judge_masks(masks: Sequence[Rle], scores: NDArray[np.float64], truth: TruthOfClass) -> Judged:
    """Judge one picture's detections of one class by their masks; empty masks are no detections.

    Not every object has a mask. A detection that fits no mask, but whose box fits an object with a box only, is neither
    right nor wrong.
    """
    from pycocotools import mask as coco_mask

    areas = coco_mask.area(list(masks)) if len(masks) else np.zeros(0)
    valid = np.flatnonzero(np.asarray(areas) > 0)
    order = valid[_best_first(scores[valid])]
    found, scores = [masks[index] for index in order], scores[order]
    boxes = np.array([_mask_box(mask) for mask in found], np.float64).reshape(-1, 4)

    has_mask = np.array([mask is not None for mask in truth.masks], np.bool_)
    with_mask = [mask for mask in truth.masks if mask is not None]
    group = truth.group[has_mask]
    objects = [mask for mask, is_group in zip(with_mask, group, strict=True) if not is_group]
    groups = [mask for mask, is_group in zip(with_mask, group, strict=True) if is_group]
    hits = _match_objects(_mask_overlap(found, objects, by_detection=False))
    absorbed, finds = _match_groups(_mask_overlap(found, groups, by_detection=True), ~hits, scores)

    only_boxes, only_groups = truth.boxes[~has_mask & ~truth.group], truth.boxes[~has_mask & truth.group]
    ignored = _match_objects(_box_iou(boxes, only_boxes), ~hits & ~absorbed)
    beside, _ = _match_groups(_box_ioa(boxes, only_groups), ~hits & ~absorbed & ~ignored, scores)
    return _judged(scores, hits | finds, (absorbed & ~finds) | ignored | beside)


def average_precision(judged: Iterable[Judged], count: int) -> float:
    """The area under the curve of precision over recall, made monotonous (PASCAL VOC since 2010), from 0 to 1.

    ``judged`` are the pictures' detections of one class, in the data set's order; ``count``, at least 1, is how many
    could be right. Equal scores keep their order.
    """
    parts = list(judged)
    scores = np.concatenate([part.scores for part in parts]) if parts else np.zeros(0)
    hits = np.concatenate([part.hits for part in parts]) if parts else np.zeros(0, np.bool_)
    right = np.cumsum(hits[_best_first(scores)])
    precision = right / np.arange(1, len(right) + 1)
    ceiling = np.maximum.accumulate(precision[::-1])[::-1]
    steps = np.diff(right, prepend=0) / count
    return float(np.sum(steps * ceiling))


def _best_first(scores: NDArray[np.float64]) -> NDArray[np.intp]:
    return np.argsort(-scores, kind="stable")


def _match_objects(overlap: Overlaps, open_to: NDArray[np.bool_] | None = None) -> NDArray[np.bool_]:
    """Which detections, best first, find an object: ``overlap`` is (N, M).

    A detection is for the object that it overlaps most, whether or not that one has been found already.
    """
    hits = np.zeros(len(overlap), np.bool_)
    if not overlap.size:
        return hits
    found = np.zeros(overlap.shape[1], np.bool_)
    for index, target in enumerate(np.argmax(overlap, axis=1)):
        allowed = open_to is None or open_to[index]
        if allowed and overlap[index, target] >= THRESHOLD and not found[target]:
            hits[index] = found[target] = True
    return hits


def _match_groups(
    overlap: Overlaps, open_to: NDArray[np.bool_], scores: NDArray[np.float64]
) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
    """Which detections, best first, lie in a group, and which of them are the best in theirs: ``overlap`` is (N, M).

    A detection of score 0 lies in its group but does not find it: so it is in the evaluator that is followed.
    """
    absorbed, finds = np.zeros(len(overlap), np.bool_), np.zeros(len(overlap), np.bool_)
    found = np.zeros(overlap.shape[1], np.bool_)
    if overlap.size:
        for index, target in enumerate(np.argmax(overlap, axis=1)):
            if open_to[index] and overlap[index, target] >= THRESHOLD:
                absorbed[index] = True
                if scores[index] > 0 and not found[target]:
                    finds[index] = found[target] = True
    return absorbed, finds


def _judged(scores: NDArray[np.float64], hits: NDArray[np.bool_], left_out: NDArray[np.bool_]) -> Judged:
    return Judged(scores[~left_out], hits[~left_out])


def _areas(boxes: NDArray[np.float64]) -> NDArray[np.float64]:
    return (boxes[:, 2] - boxes[:, 0]) * (boxes[:, 3] - boxes[:, 1])


def _intersection(first: NDArray[np.float64], second: NDArray[np.float64]) -> Overlaps:
    corner = np.maximum(first[:, None, :2], second[None, :, :2])
    opposite = np.minimum(first[:, None, 2:], second[None, :, 2:])
    sides = np.maximum(opposite - corner, 0.0)
    return np.asarray(sides[..., 0] * sides[..., 1], np.float64)


def _box_iou(boxes: NDArray[np.float64], objects: NDArray[np.float64]) -> Overlaps:
    common = _intersection(boxes, objects)
    return common / (_areas(boxes)[:, None] + _areas(objects)[None, :] - common)


def _box_ioa(boxes: NDArray[np.float64], groups: NDArray[np.float64]) -> Overlaps:
    """The share of each detection's area that lies in each group."""
    return _intersection(boxes, groups) / _areas(boxes)[:, None]


def _mask_overlap(masks: list[Rle], truth: list[Rle], by_detection: bool) -> Overlaps:
    """Intersection over union, or over the detection's own area ``by_detection``."""
    from pycocotools import mask as coco_mask

    if not masks or not truth:
        return np.zeros((len(masks), len(truth)))
    return np.asarray(coco_mask.iou(masks, truth, [int(by_detection)] * len(truth)), np.float64)


def _mask_box(mask: Rle) -> tuple[float, float, float, float]:
    """The tight box of a mask, as shares of the picture's width and height: x0, y0, x1, y1."""
    from pycocotools import mask as coco_mask

    x, y, width, height = (float(value) for value in coco_mask.toBbox(mask))
    rows, columns = mask["size"]
    return x / columns, y / rows, (x + width) / columns, (y + height) / rows
