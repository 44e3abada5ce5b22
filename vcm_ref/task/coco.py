"""Data sets in COCO's JSON format, and accuracy as COCO measures it, by pycocotools."""

from __future__ import annotations

import contextlib
import io
import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from vcm_ref.errors import DatasetError, reason
from vcm_ref.task.dataset import ImageId, Item, Result, Sizes, content_digest, need_detections
from vcm_ref.task.detections import Detections

Document = dict[str, Any]

_STATS = ("AP", "AP50", "AP75", "AP_small", "AP_medium", "AP_large")


class CocoDataset:
    """Pictures, boxes and masks from ``annotations``, a COCO instances file; the generated scenes are of this kind.

    ``images`` is the folder of the pictures: by default ``images`` beside the file where there is one, else the file's.
    """

    def __init__(self, name: str, annotations: Path, images: Path | None = None) -> None:
        """Read the annotations; :class:`DatasetError` where they cannot be used."""
        self.name = name
        self._document = _document(annotations)
        if images is None:
            beside = annotations.parent / "images"
            images = beside if beside.is_dir() else annotations.parent
        entries = self._document["images"]
        try:
            self.items = [Item(entry["id"], images / entry["file_name"], _size(entry)) for entry in entries]
            self.classes: Mapping[int, str] = {
                entry["id"]: str(entry["name"]) for entry in self._document["categories"]
            }
        except (TypeError, KeyError) as error:
            raise DatasetError(f"annotations {annotations}: an image or a category lacks {error}") from error
        if len({item.id for item in self.items}) != len(self.items):
            raise DatasetError(f"annotations {annotations}: two images have the same id")
        self.problems = self._without_place()
        listed = "\n".join(f"{item.id} {item.path.name}" for item in self.items)
        content = json.dumps(self._document, sort_keys=True, separators=(",", ":"))
        self._digest = content_digest([content, listed])  # now: pycocotools changes what it is given

    def digest(self) -> str:
        """SHA-256 over the annotations' content, in whatever order and form the file has its keys, and the list."""
        return self._digest

    def evaluate(self, results: Mapping[ImageId, Result], sizes: Sizes) -> dict[str, float]:
        """COCO's six APs for boxes, and for masks, with ``mask_`` before, where truth and all detections have them.

        One that no object is large or small enough for is left out.
        """
        boxes: list[Document] = []
        masks: list[Document] | None = [] if self._has_masks() else None
        for image_id, result in results.items():
            found = need_detections(result, image_id)
            for entry in _results(image_id, found):
                boxes.append({"id": len(boxes) + 1, **entry})
            if found.masks is None:
                masks = None
            elif masks is not None:
                for entry in _mask_results(image_id, found):
                    masks.append({"id": len(masks) + 1, **entry})
        metrics = _evaluate(self._document, boxes, list(results), "bbox")
        if masks is not None:
            by_mask = _evaluate(self._document, masks, list(results), "segm")
            metrics |= {f"mask_{name}": value for name, value in by_mask.items()}
        return metrics

    def _has_masks(self) -> bool:
        return all(entry.get("segmentation") for entry in self._document["annotations"])

    def _without_place(self) -> list[str]:
        """Annotations of a picture or a category that there is none of."""
        pictures = {item.id for item in self.items}
        problems = []
        for entry in self._document["annotations"]:
            named = f"annotation {entry.get('id')}"
            if entry.get("image_id") not in pictures:
                problems.append(f"{named}: its picture {entry.get('image_id')} is not in the data set")
            elif entry.get("category_id") not in self.classes:
                problems.append(f"{named}: its category {entry.get('category_id')} is not in the data set")
        return problems


def evaluate_boxes(instances: str | Path | Mapping[str, Any], detections: Mapping[int, Detections]) -> dict[str, float]:
    """Compare ``detections``, by image id, with the COCO ``instances`` (a JSON file or its contents).

    Only the pictures in ``detections`` count, so that a run over part of a data set is measured on that part.
    Gives ``AP`` (mean over IoU 0.50, 0.55 … 0.95) and ``AP50``, each from 0 to 1, at most 100 detections a picture.
    Raises `DatasetError` if the annotations cannot be read, if pycocotools is missing, if there are no pictures, or if
    an image id is not in the annotations.
    """
    entries = [entry for image_id, found in detections.items() for entry in _results(image_id, found)]
    numbered = [{"id": number, **entry} for number, entry in enumerate(entries, start=1)]
    metrics = _evaluate(_document(instances), numbered, list(detections), "bbox")
    return {name: metrics.get(name, -1.0) for name in ("AP", "AP50")}


def _evaluate(document: Document, entries: list[Document], pictures: list[Any], kind: str) -> dict[str, float]:
    """COCO's APs of the results ``entries`` over ``pictures``; ``kind`` is ``bbox`` or ``segm``."""
    try:
        from pycocotools.coco import COCO
        from pycocotools.cocoeval import COCOeval
    except ImportError as error:
        raise DatasetError("measuring AP needs pycocotools, which is not installed: pip install pycocotools") from error

    truth = COCO()
    truth.dataset = document
    with contextlib.redirect_stdout(io.StringIO()):
        truth.createIndex()
        unknown = sorted(set(pictures) - set(truth.imgs))
        if unknown or not pictures:
            what = f"image id {unknown[0]} is not in the annotations" if unknown else "there are no pictures to measure"
            raise DatasetError(what)
        found = COCO()
        found.dataset = {"images": document["images"], "categories": document["categories"], "annotations": entries}
        found.createIndex()
        evaluation = COCOeval(truth, found, kind)
        evaluation.params.imgIds = sorted(pictures)
        evaluation.evaluate()
        evaluation.accumulate()
        evaluation.summarize()
    values = zip(_STATS, (float(value) for value in evaluation.stats), strict=False)
    return {name: value for name, value in values if value >= 0}


def _size(entry: Document) -> tuple[int, int] | None:
    """The annotated height and width of a picture."""
    height, width = entry.get("height"), entry.get("width")
    return (height, width) if isinstance(height, int) and isinstance(width, int) else None


def _document(instances: str | Path | Mapping[str, Any]) -> Document:
    if isinstance(instances, Mapping):
        return dict(instances)
    try:
        document = json.loads(Path(instances).read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise DatasetError(f"annotations {instances} cannot be read: {reason(error)}") from error
    missing = [key for key in ("images", "annotations", "categories") if key not in document]
    if missing:
        raise DatasetError(f"annotations {instances} have no {missing[0]!r}; COCO's instances format is needed")
    return dict(document)


def _results(image_id: ImageId, found: Detections) -> Iterable[Document]:
    for box, score, label in zip(found.boxes.tolist(), found.scores.tolist(), found.labels.tolist(), strict=True):
        x, y, width, height = box[0], box[1], box[2] - box[0], box[3] - box[1]
        yield {
            "image_id": image_id,
            "category_id": label,
            "bbox": [x, y, width, height],
            "area": width * height,
            "iscrowd": 0,
            "score": score,
        }


def _mask_results(image_id: ImageId, found: Detections) -> Iterable[Document]:
    from pycocotools import mask as coco_mask

    assert found.masks is not None
    for mask, score, label in zip(found.masks, found.scores.tolist(), found.labels.tolist(), strict=True):
        encoded = coco_mask.encode(np.asfortranarray(mask, np.uint8))
        yield {
            "image_id": image_id,
            "category_id": label,
            "segmentation": encoded,
            "area": float(coco_mask.area(encoded)),
            "iscrowd": 0,
            "score": score,
        }
