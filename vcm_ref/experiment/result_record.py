"""The results of networks as JSON, from which they come back to the bit."""

from __future__ import annotations

import base64

import numpy as np
from numpy.typing import NDArray

from ..errors import NetworkError
from ..task.classification import Classification
from ..task.detections import Detections
from .records import Record


def to_record(result: Detections | Classification) -> Record:
    """A network's result as JSON. Raises :class:`NetworkError` where a number in it is not finite."""
    if isinstance(result, Classification):
        _check_finite(result.logits, "logits")
        return {"logits": base64.b64encode(result.logits.astype("<f4").tobytes()).decode()}
    _check_finite(result.boxes, "boxes")
    _check_finite(result.scores, "scores")
    record = {name: getattr(result, name).tolist() for name in ("boxes", "scores", "labels")}
    if result.masks is not None:
        record["mask_size"] = list(result.masks.shape[1:])
        record["masks"] = [_run_lengths(mask) for mask in result.masks]
    return record


def from_record(record: Record) -> Detections | Classification:
    """The inverse of :func:`to_record`, to the bit."""
    if "logits" in record:
        return Classification(np.frombuffer(base64.b64decode(record["logits"]), "<f4").astype(np.float32))
    masks = None
    if "masks" in record:
        height, width = record["mask_size"]
        masks = np.zeros((len(record["masks"]), height, width), np.bool_)
        for mask, counts in zip(masks, record["masks"], strict=True):
            mask[:] = _from_run_lengths(counts, height, width)
    return Detections(
        np.array(record["boxes"], np.float32).reshape(-1, 4),
        np.array(record["scores"], np.float32),
        np.array(record["labels"], np.int64),
        masks,
    )


def _check_finite(values: NDArray[np.float32], what: str) -> None:
    if not np.isfinite(values).all():
        raise NetworkError(f"the network's {what} are not all finite numbers")


def _run_lengths(mask: NDArray[np.bool_]) -> str:
    from pycocotools import mask as coco_mask

    return str(coco_mask.encode(np.asfortranarray(mask, np.uint8))["counts"].decode("ascii"))


def _from_run_lengths(counts: str, height: int, width: int) -> NDArray[np.bool_]:
    from pycocotools import mask as coco_mask

    encoded = {"size": [height, width], "counts": counts.encode("ascii")}
    return np.asarray(coco_mask.decode([encoded])[..., 0], np.bool_)
