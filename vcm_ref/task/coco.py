"""Data sets in COCO's JSON format, and accuracy as COCO measures it, by pycocotools."""

from __future__ import annotations

import contextlib
import io
import json
from collections.abc import Iterable, Mapping
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np

from vcm_ref.errors import DatasetError
from vcm_ref.files.document import load
from vcm_ref.files.tree import ParseError
from vcm_ref.task.coco_check import Document, Instances, check_instances
from vcm_ref.task.coco_tally import coco_tally
from vcm_ref.task.dataset import (
    ImageId,
    Item,
    Result,
    Sizes,
    check_picture_files,
    check_size,
    content_digest,
    need_detections,
    read_text,
)
from vcm_ref.task.detections import Detections, MasksSeen
from vcm_ref.task.faults import shown
from vcm_ref.task.tally import Detected, Tally
from vcm_ref.task.tracking import Truth, read_truth, track_metrics

_STATS = ("", "50", "75", "_small", "_medium", "_large")


class CocoDataset:
    """Pictures, boxes and masks from ``annotations``, a COCO instances file; the generated scenes are of this kind.

    ``images`` is the folder of the pictures: by default ``images`` beside the file where there is one, else the file's.
    ``frame_rate``, in pictures a second, says that the pictures are a sequence in the order of the file. ``tracks`` is
    the ground truth of a sequence in MOT16's format, whose classes are those of the file.
    """

    def __init__(
        self,
        name: str,
        annotations: Path,
        images: Path | None = None,
        frame_rate: float | None = None,
        tracks: Path | None = None,
    ) -> None:
        """Read and check the annotations, and the sizes of the pictures that are there.

        :class:`DatasetError` tells what cannot be measured rightly.
        """
        self.name = name
        self.frame_rate = None if frame_rate is None else Fraction(str(frame_rate))
        document = _document(annotations)
        self._instances = check_instances(document, str(annotations))
        if images is None:
            beside = annotations.parent / "images"
            images = beside if beside.is_dir() else annotations.parent
        self.items = [
            Item(image.id, images / image.file_name, (image.height, image.width))
            for image in self._instances.images.values()
        ]
        self.classes = self._instances.categories
        self.problems = self._instances.problems
        check_picture_files(self.items)
        listed = "\n".join(f"{item.id} {item.path.name}" for item in self.items)
        parts = [json.dumps(document, sort_keys=True, separators=(",", ":")), listed]
        self._tracks: list[Truth] | None = None
        if tracks is not None:
            self._tracks = read_truth(tracks, len(self.items), self.classes)
            parts.append(read_text(tracks, "the tracks"))
        self._digest = content_digest(parts)

    @property
    def instances(self) -> Instances:
        """The pictures, classes and annotations, checked."""
        return self._instances

    def digest(self) -> str:
        """SHA-256 over the annotations' content, in whatever order and form the file has its keys, and the list."""
        return self._digest

    def evaluate(self, results: Mapping[ImageId, Result], sizes: Sizes) -> dict[str, float]:
        """COCO's six APs for boxes, and for masks, with ``mask_`` before, where truth and all detections have them.

        With tracks, MOTA and IDF1 as well. A metric that no object is large or small enough for is left out. ``sizes``
        are checked against the annotations.
        """
        return self.tallied(results, sizes)[0]

    def tallied(self, results: Mapping[ImageId, Result], sizes: Sizes) -> tuple[dict[str, float], Tally]:
        """The metrics of :meth:`evaluate`, and the tally from which they come."""
        boxes: list[Document] = []
        masks: list[Document] = []
        seen, truth_has_masks = MasksSeen(), len(self._instances.without_mask) < len(self._instances.annotations)
        items = {item.id: item for item in self.items}
        followed: dict[ImageId, Detections] = {}
        for image_id, result in results.items():
            found = need_detections(result, image_id)
            if self._tracks is not None:
                followed[image_id] = found
            if image_id in items and image_id in sizes:
                check_size(items[image_id], *sizes[image_id])
            boxes += box_results(image_id, found)
            seen.see(image_id, found)
            if found.masks is not None and truth_has_masks:
                if image_id in items:
                    check_size(items[image_id], *found.masks.shape[1:])
                masks += _mask_results(image_id, found)
        metrics, tally = evaluate(self._instances, boxes, list(results), "bbox")
        parts = [tally]
        if truth_has_masks and seen.given():
            self._need_all_masks()
            by_mask, tally = evaluate(self._instances, masks, list(results), "segm", "mask_AP")
            metrics |= by_mask
            parts.append(tally)
        if self._tracks is not None and len(followed) == len(self.items):
            metrics |= track_metrics(self._tracks, [followed[item.id] for item in self.items])
        return metrics, Tally(tuple(sorted(results)), tuple(parts))

    def _need_all_masks(self) -> None:
        """Raise where only some of the annotations have a mask: the others' objects would count as not found."""
        if without := self._instances.without_mask:
            raise DatasetError(
                f"data set {self.name}: annotation {without[0]} has no segmentation ({len(without)} of "
                f"{len(self._instances.annotations)} annotations have none), so the network's masks cannot be "
                "measured: add the segmentations, or remove all of them to measure boxes alone"
            )


def evaluate_boxes(instances: str | Path | Mapping[str, Any], detections: Mapping[int, Detections]) -> dict[str, float]:
    """Compare ``detections``, by image id, with the COCO ``instances`` (a JSON file or its contents).

    Only the pictures in ``detections`` count, so that a run over part of a data set is measured on that part.
    Gives ``AP`` (mean over IoU 0.50, 0.55 … 0.95) and ``AP50``, each from 0 to 1, at most 100 detections a picture.
    Raises `DatasetError` if the annotations cannot be used, if pycocotools is missing, if there are no pictures, or if
    an image id is not in the annotations.
    """
    checked = _checked(instances)
    entries = [entry for image_id, found in detections.items() for entry in box_results(image_id, found)]
    return _main_figures(checked, entries, list(detections), "bbox")


def evaluate_masks(instances: str | Path | Mapping[str, Any], detections: Mapping[int, Detections]) -> dict[str, float]:
    """As `evaluate_boxes`, by the masks of the annotations and of the ``detections``.

    Raises `DatasetError` also where an annotation or a picture's detections have no masks.
    """
    checked = _checked(instances)
    if checked.without_mask:
        raise DatasetError(f"annotation {checked.without_mask[0]} has no segmentation")
    if without := [image_id for image_id, found in detections.items() if found.masks is None]:
        raise DatasetError(f"the detections of picture {without[0]} have no masks")
    entries = [entry for image_id, found in detections.items() for entry in _mask_results(image_id, found)]
    return _main_figures(checked, entries, list(detections), "segm")


def _checked(instances: str | Path | Mapping[str, Any]) -> Instances:
    is_file = not isinstance(instances, Mapping)
    document = _document(Path(instances)) if isinstance(instances, (str, Path)) else dict(instances)
    return check_instances(document, str(instances) if is_file else "annotations", with_files=False)


def _main_figures(instances: Instances, entries: list[Document], pictures: list[Any], kind: str) -> dict[str, float]:
    metrics, _ = evaluate(instances, entries, pictures, kind)
    return {name: metrics.get(name, -1.0) for name in ("AP", "AP50")}


def evaluate(
    instances: Instances, entries: list[Document], pictures: list[Any], kind: str, metric: str = "AP"
) -> tuple[dict[str, float], Detected]:
    """COCO's APs of the results ``entries`` over ``pictures``, with their tally; ``kind`` is ``bbox`` or ``segm``.

    The name of each begins with ``metric``. Raises :class:`DatasetError`.
    """
    try:
        from pycocotools.coco import COCO
        from pycocotools.cocoeval import COCOeval
    except ImportError as error:
        raise DatasetError("measuring AP needs pycocotools, which is not installed: pip install pycocotools") from error

    if not pictures:
        raise DatasetError("there are no pictures to measure")
    for image_id in pictures:
        if image_id not in instances.images:
            raise DatasetError(f"image id {shown(image_id)} is not in the annotations")
    images = [{"id": i.id, "height": i.height, "width": i.width} for i in instances.images.values()]
    categories = [{"id": number, "name": name} for number, name in instances.categories.items()]
    truth, found = COCO(), COCO()
    # pycocotools writes into the entries that it is given
    truth.dataset = {"images": images, "categories": categories, "annotations": list(map(dict, instances.annotations))}
    numbered = [{"id": number, **entry} for number, entry in enumerate(entries, start=1)]
    found.dataset = {"images": images, "categories": categories, "annotations": numbered}
    with contextlib.redirect_stdout(io.StringIO()):
        truth.createIndex()
        found.createIndex()
        evaluation = COCOeval(truth, found, kind)
        evaluation.params.imgIds = sorted(pictures)
        evaluation.evaluate()
        evaluation.accumulate()
        evaluation.summarize()
    values = zip(_STATS, (float(value) for value in evaluation.stats), strict=False)
    return {metric + name: value for name, value in values if value >= 0}, coco_tally(evaluation, metric)


def _document(path: Path) -> Any:
    try:
        return load(path, "json", error=DatasetError).value
    except DatasetError as error:
        raise DatasetError(f"{error}{_annotation(path, error.__cause__)}") from error


def _annotation(path: Path, problem: BaseException | None) -> str:
    """Name the annotation that a loaded document's problem is in, in brackets; empty if it is in none."""
    if not isinstance(problem, ParseError) or problem.path[:1] != ("annotations",) or len(problem.path) < 2:
        return ""
    entry = json.loads(path.read_text(encoding="utf-8-sig"))["annotations"][problem.path[1]]
    return f" (annotation {shown(entry['id'])})" if isinstance(entry, dict) and "id" in entry else ""


def box_results(image_id: ImageId, found: Detections) -> Iterable[Document]:
    """The detections of a picture as COCO's entries, with the fields of annotations."""
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
