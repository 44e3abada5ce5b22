"""From the outputs of an exported network to detections or a classification."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from vcm_ref.errors import NetworkError
from vcm_ref.network.checks import check_extent
from vcm_ref.network.onnx_pictures import Placement
from vcm_ref.task.classification import Classification
from vcm_ref.task.detections import Detections

Array = NDArray[Any]
YOLOX_STRIDES = (8, 16, 32)
_ROUNDING = 1e-3  # how far a probability computed in half precision may lie outside 0 to 1
_SHARES = 1.5  # how far boxes in fractions of the input's sides may reach; some reach beyond it
_SMALL_INPUT = 16  # in an input of so few samples a side a box of one sample is possible


@dataclass(frozen=True)
class Selection:
    """Which candidate boxes count: those of at least ``score``, none overlapping a better one of its class by more
    than the intersection over union ``overlap``, the ``count`` best of them."""

    score: float
    overlap: float
    count: int


def yolox_detections(
    raw: Array,
    input_size: tuple[int, int],
    place: Placement,
    category_ids: Sequence[int],
    selection: Selection,
    decoded: bool = False,
) -> Detections:
    """Take YOLOX's predictions (Ge et al., "YOLOX", 2021), sigmoids already applied.

    ``raw`` is (1, N, 5 + K): for each cell of the three strides' grids in raster order the box's centre relative to
    the cell and the logarithm of its size, in units of the stride, its objectness, and K class scores. With
    ``decoded``, centre and size are in samples of the input already, as ``--decode_in_inference`` exports them. A box
    counts for its best class alone, with objectness times class score, as in the authors' evaluation.

    Raises `NetworkError` where N and K are not those of ``input_size`` (height, width) and ``category_ids``, where
    scores are not probabilities, and where the boxes are of the other kind.
    """
    offsets, strides = _yolox_cells(input_size)
    expected = (1, len(strides), 5 + len(category_ids))
    if raw.shape != expected:
        transposed = "; it is transposed" if raw.shape == (1, expected[2], expected[1]) else ""
        raise NetworkError(
            f"network.head yolox: the output for an input of {input_size[1]}x{input_size[0]} and {len(category_ids)} "
            f"classes is {expected}; got {raw.shape}{transposed}"
        )
    cells = as_numbers(raw, "yolox")[0]
    _check_probabilities(cells[:, 4:], "yolox")
    _check_kind(cells[:, :2], offsets, strides, decoded)
    if decoded and (cells[:, 2:4] >= cells[:, :2]).all():  # a width of at least x, at the right edge too
        raise NetworkError(
            "network.head yolox_decoded: boxes seem to be corners, x0, y0, x1, y1; they must be a centre and a size"
        )
    classes = cells[:, 5:].argmax(axis=1)
    scores = cells[:, 4] * cells[np.arange(len(cells)), 5 + classes]
    chosen = np.flatnonzero(scores >= np.float32(selection.score))
    centres, sizes = cells[chosen, :2], cells[chosen, 2:4]
    if not decoded:
        centres = (centres + offsets[chosen]) * strides[chosen]
        with np.errstate(over="ignore"):  # what is infinite is refused as a box
            sizes = np.exp(sizes) * strides[chosen]
    halves = sizes / np.float32(2)
    boxes = np.concatenate((centres - halves, centres + halves), axis=1).astype(np.float32)
    check_extent(boxes, max(input_size), "network.head yolox")
    kept = suppress(boxes, scores[chosen], classes[chosen], selection)
    labels = np.asarray(category_ids, np.int64)[classes[chosen][kept]]
    return Detections(place.to_picture(boxes[kept]), scores[chosen][kept], labels)


def box_detections(
    boxes: Array,
    labels: Array,
    scores: Array,
    input_size: tuple[int, int],
    place: Placement,
    selection: Selection,
) -> Detections:
    """Take what torchvision's exported detectors give: boxes (N, 4) x0, y0, x1, y1 in samples of the input, labels
    (N,) and scores (N,), each also with a leading dimension of 1.

    They were suppressed inside the network, so ``selection.overlap`` is not used again. Raises `NetworkError` for
    other shapes, and for scores that are not probabilities.
    """
    boxes, labels, scores = (
        values[0] if values.ndim == dimensions + 1 and len(values) == 1 else values
        for values, dimensions in ((boxes, 2), (labels, 1), (scores, 1))
    )
    if boxes.shape != (*scores.shape, 4) or labels.shape != scores.shape or scores.ndim != 1:
        raise NetworkError(
            "network.head boxes: the outputs must be boxes (N, 4), labels (N,) and scores (N,), in this order; "
            f"got {boxes.shape}, {labels.shape} and {scores.shape}: name them with network.outputs"
        )
    scores, boxes = as_numbers(scores, "boxes"), as_numbers(boxes, "boxes")
    _check_probabilities(scores, "boxes")
    order = np.argsort(-scores, kind="stable")
    order = order[scores[order] >= np.float32(selection.score)][: selection.count]
    _check_unit(boxes[order], input_size)
    if not np.array_equal(labels[order], np.trunc(labels[order])):
        raise NetworkError("network.head boxes: labels are not whole numbers; are they the scores?")
    return Detections(place.to_picture(boxes[order]), scores[order], labels[order].astype(np.int64))


def logits_classification(logits: Array, classes: int) -> Classification:
    """Take a classifier's output, (K,) or with further dimensions of 1.

    Raises `NetworkError` unless it has a finite number for each of the ``classes``.
    """
    if logits.size != classes or max(logits.shape, default=0) != classes:
        raise NetworkError(
            f"network.head logits: the output for {classes} classes is (1, {classes}); got {logits.shape}"
        )
    return Classification(as_numbers(logits, "logits").reshape(-1))


def as_numbers(values: Array, head: str) -> NDArray[np.float32]:
    """An output as float32, C order. Raises `NetworkError` for another kind of values, NaN and infinity."""
    if values.dtype.kind not in "fiu" or not np.isfinite(values).all():
        kind = "NaN or infinity" if values.dtype.kind == "f" else f"{values.dtype}"
        raise NetworkError(f"network.head {head}: an output holds {kind}; it must hold finite numbers")
    return np.ascontiguousarray(values, np.float32)


def _check_probabilities(scores: NDArray[np.float32], head: str) -> None:
    if scores.size and (scores.min() < -_ROUNDING or scores.max() > 1 + _ROUNDING):
        raise NetworkError(
            f"network.head {head}: scores range from {scores.min():.4g} to {scores.max():.4g}; they must be "
            "probabilities from 0 to 1: is the sigmoid or softmax missing from the graph, or is it another output?"
        )


def _check_kind(
    centres: NDArray[np.float32], offsets: NDArray[np.float32], strides: NDArray[np.float32], decoded: bool
) -> None:
    """Tell boxes that the graph has decoded from those that it has not: centres (N, 2) lie near their own cells."""
    from_raw = float(np.median(np.abs(centres - 0.5)))
    from_decoded = float(np.median(np.abs(centres / strides - offsets - 0.5)))
    if decoded and from_raw < from_decoded:
        raise NetworkError(
            "network.head yolox_decoded: centres do not lie near their cells; the graph seems not to decode its boxes: "
            "set network.head: yolox"
        )
    if not decoded and from_decoded < from_raw:
        raise NetworkError(
            "network.head yolox: centres do not lie near their cells; the graph seems to decode its boxes (an export "
            "with --decode_in_inference): set network.head: yolox_decoded"
        )


def _check_unit(boxes: NDArray[np.float32], input_size: tuple[int, int]) -> None:
    """Refuse boxes (N, 4) x0, y0, x1, y1 that are not in samples of an input of ``input_size`` (height, width)."""
    height, width = input_size
    some = boxes[boxes.any(axis=1)]  # exporters fill up with zeros
    if not len(some):
        return
    if np.abs(some).max() <= _SHARES and max(input_size) > _SMALL_INPUT:
        raise NetworkError(
            "network.head boxes: all boxes end at about 1; they seem to be fractions of the input's sides, "
            "and must be in its samples"
        )
    centres = (some[:, :2] + some[:, 2:]) / 2
    outside = ((centres < 0) | (centres > np.array([width, height]))).any(axis=1)
    if 2 * np.count_nonzero(outside) > len(some):
        raise NetworkError(
            f"network.head boxes: {np.count_nonzero(outside)} of {len(some)} boxes lie outside the input of "
            f"{width}x{height}, in whose samples they must be; are they in pixels of the picture?"
        )


def suppress(
    boxes: NDArray[np.float32], scores: NDArray[np.float32], classes: NDArray[np.int64], selection: Selection
) -> NDArray[np.int64]:
    """Greedy non-maximum suppression within each class: the indices of what is kept, best first.

    ``boxes`` is (N, 4), ``scores`` and ``classes`` (N,). Of equal scores the first counts as the better.
    """
    order = np.argsort(-scores, kind="stable")
    areas = (boxes[:, 2] - boxes[:, 0]) * (boxes[:, 3] - boxes[:, 1])
    kept: list[int] = []
    while len(order) and len(kept) < selection.count:
        best, others = order[0], order[1:]
        kept.append(int(best))
        corners0 = np.maximum(boxes[others, :2], boxes[best, :2])
        corners1 = np.minimum(boxes[others, 2:], boxes[best, 2:])
        common = np.prod(np.maximum(corners1 - corners0, np.float32(0)), axis=1)
        overlap = common / np.maximum(areas[others] + areas[best] - common, np.float32(1e-12))
        order = others[(classes[others] != classes[best]) | (overlap <= np.float32(selection.overlap))]
    return np.array(kept, np.int64)


def _yolox_cells(input_size: tuple[int, int]) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Each cell's column and row, (N, 2), and its stride, (N, 1), of all grids one after the other."""
    offsets, strides = [], []
    for stride in YOLOX_STRIDES:
        rows, columns = input_size[0] // stride, input_size[1] // stride
        y, x = np.mgrid[:rows, :columns]
        offsets.append(np.stack((x.ravel(), y.ravel()), axis=1))
        strides.append(np.full((rows * columns, 1), stride))
    return np.concatenate(offsets).astype(np.float32), np.concatenate(strides).astype(np.float32)
