"""From the outputs of an exported network to detections or a classification."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from vcm_ref.errors import NetworkError
from vcm_ref.network.onnx_pictures import Placement
from vcm_ref.task.classification import Classification
from vcm_ref.task.detections import Detections

YOLOX_STRIDES = (8, 16, 32)


@dataclass(frozen=True)
class Selection:
    """Which candidate boxes count: those of at least ``score``, none overlapping a better one of its class by more
    than the intersection over union ``overlap``, the ``count`` best of them."""

    score: float
    overlap: float
    count: int


def yolox_detections(
    raw: NDArray[np.float32],
    input_size: tuple[int, int],
    place: Placement,
    category_ids: Sequence[int],
    selection: Selection,
) -> Detections:
    """Decode YOLOX's raw predictions (Ge et al., "YOLOX", 2021), sigmoids already applied.

    ``raw`` is (1, N, 5 + K): for each cell of the three strides' grids in raster order the box's centre relative to
    the cell and the logarithm of its size, in units of the stride, its objectness, and K class scores. A box counts
    for its best class alone, with objectness times class score, as in the authors' evaluation.

    Raises `NetworkError` where N and K are not those of ``input_size`` (height, width) and ``category_ids``.
    """
    offsets, strides = _yolox_cells(input_size)
    expected = (1, len(strides), 5 + len(category_ids))
    if raw.shape != expected:
        raise NetworkError(
            f"network.head yolox: the output for an input of {input_size[1]}x{input_size[0]} and {len(category_ids)} "
            f"classes is {expected}; got {raw.shape}"
        )
    cells = raw[0]
    classes = cells[:, 5:].argmax(axis=1)
    scores = cells[:, 4] * cells[np.arange(len(cells)), 5 + classes]
    chosen = np.flatnonzero(scores >= np.float32(selection.score))
    centres = (cells[chosen, :2] + offsets[chosen]) * strides[chosen]
    halves = np.exp(cells[chosen, 2:4]) * strides[chosen] / np.float32(2)
    boxes = np.concatenate((centres - halves, centres + halves), axis=1).astype(np.float32)
    kept = suppress(boxes, scores[chosen], classes[chosen], selection)
    labels = np.asarray(category_ids, np.int64)[classes[chosen][kept]]
    return Detections(place.to_picture(boxes[kept]), scores[chosen][kept], labels)


def box_detections(
    boxes: NDArray[np.float32],
    labels: NDArray[np.int64],
    scores: NDArray[np.float32],
    place: Placement,
    selection: Selection,
) -> Detections:
    """Take what torchvision's exported detectors give: boxes (N, 4) x0, y0, x1, y1 in samples of the input, labels
    (N,) and scores (N,). They were suppressed inside the network, so ``selection.overlap`` is not used again."""
    order = np.argsort(-scores, kind="stable")
    order = order[scores[order] >= np.float32(selection.score)][: selection.count]
    return Detections(
        place.to_picture(boxes[order].reshape(-1, 4)), scores[order].astype(np.float32), labels[order].astype(np.int64)
    )


def logits_classification(logits: NDArray[np.float32]) -> Classification:
    """Take a classifier's output, (1, K) or (K,)."""
    return Classification(np.ascontiguousarray(logits, np.float32).reshape(-1))


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
