"""OpenImages V6 in its own CSV files, and MPEG-VCM's lists of 5,000 pictures, which are cut from them.

The tables may have more columns than are read, in any order. Boxes: ImageID, LabelName, XMin, XMax, YMin, YMax, and
IsGroupOf. Image-level labels: ImageID, LabelName and Confidence, of which either value verifies a class. Masks:
ImageID, LabelName, the box as BoxXMin … or XMin …, and MaskPath or, in MPEG's file, Mask.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np

from vcm_ref.errors import DatasetError
from vcm_ref.task.dataset import ImageId, Item, Result, Sizes, content_digest, need_detections, read_text
from vcm_ref.task.detections import Detections
from vcm_ref.task.openimages_files import (
    Coordinates,
    Row,
    encode_mask,
    is_group,
    mask_path,
    picture_path,
    read_box,
    read_classes,
    read_descriptions,
    read_image_list,
    read_mask,
    read_rows,
)
from vcm_ref.task.openimages_metric import (
    Judged,
    Rle,
    TruthOfClass,
    average_precision,
    judge_boxes,
    judge_masks,
    truth_count,
)

_TOLERANCES = {"exact": 0.0, "rounded": 1.001e-6}  # the masks' table has six decimals, however they were rounded
PlacedRow = tuple[str, Row]


@dataclass
class _Object:
    """One object: its box, whether that is around a group, and the row about its mask, if it has one."""

    box: Coordinates
    group: bool
    mask: Row | None = None


class OpenImagesDataset:
    """Boxes, image-level labels, and ``masks`` where they are given; measured by the OpenImages Challenge's mAP.

    ``image_list`` selects pictures, one name a line, else all that the tables name are meant; ``classes`` selects and
    orders classes, one a line, else all that occur are meant; ``descriptions`` gives class labels (``/m/01g317``) their
    names (``Person``). ``mask_join`` says when a mask's box and an object's box are one: alike to six decimals, as if
    ``rounded``, or only where the tables have them ``exact``-ly alike.
    """

    def __init__(
        self,
        name: str,
        images: Path,
        boxes: Path,
        labels: Path,
        *,
        image_list: Path | None = None,
        masks: Path | None = None,
        mask_folder: Path | None = None,
        mask_join: Literal["rounded", "exact"] = "rounded",
        descriptions: Path | None = None,
        classes: Path | None = None,
    ) -> None:
        """Read the files; :class:`DatasetError` names file and line of what cannot be read."""
        self.name = name
        self.problems: list[str] = []
        self.has_masks = masks is not None
        self._mask_folder = mask_folder or (masks.parent if masks else Path())
        tables = {path: read_text(path, "annotations") for path in (boxes, labels, masks) if path}
        box_rows = [*read_rows(boxes, tables[boxes], ("ImageID", "LabelName", "XMin", "XMax", "YMin", "YMax"))]
        label_rows = [*read_rows(labels, tables[labels], ("ImageID", "LabelName", "Confidence"))]
        mask_rows = [*read_rows(masks, tables[masks], ("ImageID", "LabelName"))] if masks else []
        everything = [row for _, row in (*box_rows, *label_rows, *mask_rows)]

        listed = read_image_list(image_list) if image_list else dict.fromkeys(_values(everything, "ImageID"))
        self.items = [Item(image_id, picture_path(images, image_id, file)) for image_id, file in listed.items()]
        described = read_descriptions(descriptions) if descriptions else {}
        class_labels = read_classes(classes, described) if classes else _values(everything, "LabelName")
        self._numbers = {label: number for number, label in enumerate(class_labels, start=1)}
        self.classes: Mapping[int, str] = {
            number: described.get(label, label) for label, number in self._numbers.items()
        }

        self._verified: dict[str, set[int]] = {image_id: set() for image_id in listed}
        self._objects: dict[str, dict[int, list[_Object]]] = {image_id: {} for image_id in listed}
        for where, row in self._selected(box_rows):
            self._add(row, _Object(read_box(where, row), is_group(where, row)))
        for _, row in self._selected(label_rows):
            self._verified[row["ImageID"]].add(self._numbers[row["LabelName"]])
        self._join_masks(self._selected(mask_rows), _TOLERANCES[mask_join])
        chosen = [f"{item.id} {item.path.name}" for item in self.items], class_labels, [*self.classes.values()]
        self._digest = content_digest([*tables.values(), *("\n".join(part) for part in chosen), mask_join])

    def digest(self) -> str:
        """SHA-256 over the tables, the list of pictures and the classes; of masks in files, over their names only."""
        return self._digest

    def evaluate(self, results: Mapping[ImageId, Result], sizes: Sizes) -> dict[str, float]:
        """``mAP50``, the AP of each class that occurs as ``AP50/name``, and ``classes``, how many those are.

        Where the data set has masks and all detections have, the same for masks, with ``mask_`` before each name.
        """
        if not results:
            raise DatasetError("there are no pictures to measure")
        boxes, masks = _Tally(self.classes), _Tally(self.classes)
        by_masks = self.has_masks
        for image_id, result in results.items():
            found = need_detections(result, image_id)
            by_masks = by_masks and found.masks is not None
            self._judge(str(image_id), found, sizes[image_id], boxes, masks if by_masks else None)
        return {**boxes.metrics(""), **(masks.metrics("mask_") if by_masks else {})}

    def _judge(
        self, image_id: str, found: Detections, size: tuple[int, int], boxes: _Tally, masks: _Tally | None
    ) -> None:
        """Count one picture's truth and detections, of its verified classes only: of others nothing is known."""
        height, width = size
        shares = found.boxes.astype(np.float64) / np.array([width, height, width, height], np.float64)
        scores = found.scores.astype(np.float64)
        objects = self._objects[image_id]
        for number in sorted(self._verified[image_id] | objects.keys()):
            mine = np.flatnonzero(found.labels == number)
            truth = self._truth(objects.get(number, []), size, with_masks=masks is not None)
            boxes.add(number, truth_count(truth, by_masks=False), judge_boxes(shares[mine], scores[mine], truth))
            if masks is not None and found.masks is not None:
                encoded = [encode_mask(found.masks[index]) for index in mine]
                masks.add(number, truth_count(truth, by_masks=True), judge_masks(encoded, scores[mine], truth))

    def _truth(self, objects: list[_Object], size: tuple[int, int], with_masks: bool) -> TruthOfClass:
        boxes = np.array([item.box for item in objects], np.float64).reshape(-1, 4)
        group = np.array([item.group for item in objects], np.bool_)
        return TruthOfClass(boxes, group, [self._mask(item, size) for item in objects] if with_masks else [])

    def _mask(self, item: _Object, size: tuple[int, int]) -> Rle | None:
        from pycocotools import mask as coco_mask

        if item.mask is None:
            return None
        mask = read_mask(self._mask_folder, item.mask, size)
        return mask if coco_mask.area(mask) else None

    def _selected(self, rows: Iterable[PlacedRow]) -> Iterator[PlacedRow]:
        """The rows about the data set's pictures and classes."""
        for where, row in rows:
            if row["ImageID"] in self._objects and row["LabelName"] in self._numbers:
                yield where, row

    def _add(self, row: Row, item: _Object) -> None:
        self._objects[row["ImageID"]].setdefault(self._numbers[row["LabelName"]], []).append(item)

    def _join_masks(self, rows: Iterable[PlacedRow], tolerance: float) -> None:
        """Give each mask to the object with its box; a mask without one is an object of its own."""
        for where, row in rows:
            path = mask_path(self._mask_folder, row)
            if path is not None and not path.is_file():
                self.problems.append(f"picture {row['ImageID']}: its mask {path} is missing")
                continue
            box = read_box(where, row, "Box" if "BoxXMin" in row else "")
            objects = self._objects[row["ImageID"]].get(self._numbers[row["LabelName"]], [])
            waiting = [item for item in objects if item.mask is None]
            nearest = min(waiting, key=lambda item: _difference(item.box, box), default=None)
            if nearest is not None and _difference(nearest.box, box) <= tolerance:
                nearest.mask = row
            else:
                self._add(row, _Object(box, is_group(where, row), row))


class _Tally:
    """What has been counted of each class over the pictures."""

    def __init__(self, classes: Mapping[int, str]) -> None:
        self._classes = classes
        self._counts = dict.fromkeys(classes, 0)
        self._judged: dict[int, list[Judged]] = {number: [] for number in classes}

    def add(self, number: int, count: int, judged: Judged) -> None:
        self._counts[number] += count
        self._judged[number].append(judged)

    def metrics(self, prefix: str) -> dict[str, float]:
        """The mean over the classes that occur, and each; nothing where no class occurs."""
        each = {
            f"{prefix}AP50/{self._classes[number]}": average_precision(self._judged[number], count)
            for number, count in self._counts.items()
            if count
        }
        if not each:
            return {}
        return {f"{prefix}mAP50": sum(each.values()) / len(each), f"{prefix}classes": len(each), **each}


def _difference(first: Coordinates, second: Coordinates) -> float:
    return max(abs(one - other) for one, other in zip(first, second, strict=True))


def _values(rows: Iterable[Row], column: str) -> list[str]:
    return sorted({row[column] for row in rows})
