"""OpenImages V6 in its own CSV files, and MPEG-VCM's lists of 5,000 pictures, which are cut from them.

The tables may have more columns than are read, in any order. Boxes: ImageID, LabelName, XMin, XMax, YMin, YMax, and
IsGroupOf. Image-level labels: ImageID, LabelName and Confidence, of which either value verifies a class. Masks:
ImageID, LabelName, the box as BoxXMin … or XMin …, and MaskPath or, in MPEG's file, Mask.
"""

from __future__ import annotations

import os.path
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path

import numpy as np

from vcm_ref.errors import DatasetError
from vcm_ref.task.dataset import ImageId, Item, Result, Sizes, content_digest, need_detections, read_text
from vcm_ref.task.detections import Detections, MasksSeen
from vcm_ref.task.faults import can_name_file, shown
from vcm_ref.task.openimages_files import (
    Row,
    check_mask,
    check_verified,
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
    without_repeats,
)
from vcm_ref.task.openimages_join import MaskJoin, Object, join_masks
from vcm_ref.task.openimages_metric import (
    Rle,
    TruthOfClass,
    judge_boxes,
    judge_masks,
)
from vcm_ref.task.openimages_tally import JudgedClasses
from vcm_ref.task.tally import Tally

PlacedRow = tuple[str, Row]
_KEYS = ("ImageID", "LabelName")
ObjectsOf = dict[str, dict[int, list[Object]]]
"""Objects by picture and class."""


class OpenImagesDataset:
    """Boxes, image-level labels, and ``masks`` where they are given; measured by the OpenImages Challenge's mAP.

    ``image_list`` selects pictures, one name a line, else all that the tables name are meant; ``classes`` selects and
    orders classes, one a line, else all that occur are meant; ``descriptions`` gives class labels (``/m/01g317``) their
    names (``Person``). ``mask_join`` says how masks are given to the objects that have their boxes
    (:mod:`~vcm_ref.task.openimages_join`).
    """

    frame_rate = None

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
        mask_join: MaskJoin = "rounded",
        descriptions: Path | None = None,
        classes: Path | None = None,
    ) -> None:
        """Read the files; :class:`DatasetError` names file and line of what cannot be read."""
        self.name = name
        self.problems: list[str] = []
        self.has_masks = masks is not None
        self._mask_folder = mask_folder or (masks.parent if masks else Path())
        tables = {path: read_text(path, "annotations") for path in (boxes, labels, masks) if path}
        box_rows = [*read_rows(boxes, tables[boxes], (*_KEYS, "XMin", "XMax", "YMin", "YMax", "IsGroupOf"))]
        label_rows = [*read_rows(labels, tables[labels], (*_KEYS, "Confidence"))]
        mask_rows = [*read_rows(masks, tables[masks], _KEYS)] if masks else []
        everything = [row for _, row in (*box_rows, *label_rows, *mask_rows)]

        listed = read_image_list(image_list) if image_list else dict.fromkeys(_values(everything, "ImageID"))
        if not listed.keys() & {row["ImageID"] for row in everything}:
            which = f"for any picture of {image_list}" if image_list else "at all"
            raise DatasetError(f"data set {name}: the tables have no row {which}")
        for image_id, file in listed.items():
            if not can_name_file(file or f"{image_id}.jpeg"):
                raise DatasetError(f"data set {name}: {shown(image_id)} cannot be the name of a picture's file")
        self.items = [Item(image_id, picture_path(images, image_id, file)) for image_id, file in listed.items()]
        described = read_descriptions(descriptions) if descriptions else {}
        occurring = _values(everything, "LabelName")
        class_labels = read_classes(classes, described, occurring) if classes else occurring
        self._numbers = {label: number for number, label in enumerate(class_labels, start=1)}
        self.classes: Mapping[int, str] = {
            number: described.get(label, label) for label, number in self._numbers.items()
        }

        self._distinct = _distinct(self.classes, class_labels)
        self._verified: dict[str, set[int]] = {image_id: set() for image_id in listed}
        for where, row in self._selected(label_rows):
            check_verified(where, row)
            self._verified[row["ImageID"]].add(self._numbers[row["LabelName"]])
        self._boxed = self._collected(
            (row, Object(read_box(where, row), is_group(where, row)))
            for where, row in without_repeats(self._selected(box_rows), self.problems)
        )
        mask_objects = self._collected(self._mask_objects(mask_rows))
        by_group = all("IsGroupOf" in row for _, row in (*box_rows[:1], *mask_rows[:1]))
        self._joined: ObjectsOf = {
            image_id: {
                number: join_masks(boxed.get(number, []), mask_objects[image_id].get(number, []), mask_join, by_group)
                for number in boxed.keys() | mask_objects[image_id].keys()
            }
            for image_id, boxed in self._boxed.items()
        }
        chosen = [f"{item.id} {item.path.name}" for item in self.items], class_labels, [*self.classes.values()]
        self._digest = content_digest([*tables.values(), *("\n".join(part) for part in chosen), mask_join])

    def digest(self) -> str:
        """SHA-256 over the tables, the list of pictures and the classes; of masks in files, over their names only."""
        return self._digest

    def evaluate(self, results: Mapping[ImageId, Result], sizes: Sizes) -> dict[str, float]:
        """``mAP50``, the AP of each class that occurs as ``AP50/name``, and ``classes``, how many those are.

        Where the data set has masks and all detections have, the same for masks, with ``mask_`` before each name.
        """
        return self.tallied(results, sizes)[0]

    def tallied(self, results: Mapping[ImageId, Result], sizes: Sizes) -> tuple[dict[str, float], Tally]:
        """The metrics of :meth:`evaluate`, and the tally from which ``mAP50`` and ``mask_mAP50`` come."""
        if not results:
            raise DatasetError("there are no pictures to measure")
        boxes, masks = JudgedClasses(self._distinct, ""), JudgedClasses(self._distinct, "mask_")
        seen = MasksSeen()
        for place, (image_id, result) in enumerate(results.items()):
            found = need_detections(result, image_id)
            self._judge_boxes(str(image_id), found, sizes[image_id], boxes, place)
            seen.see(image_id, found)
            if self.has_masks and (found.masks is not None or not len(found)):
                self._judge_masks(str(image_id), found, sizes[image_id], masks, place)
        judged = [boxes, masks] if self.has_masks and seen.given() else [boxes]
        metrics = {name: value for one in judged for name, value in one.metrics().items()}
        return metrics, Tally(tuple(results), tuple(one.tally() for one in judged))

    def _judge_boxes(
        self, image_id: str, found: Detections, size: tuple[int, int], tally: JudgedClasses, place: int
    ) -> None:
        """Count one picture's truth and detections, of its verified classes only: of others nothing is known."""
        height, width = size
        shares = found.boxes.astype(np.float64) / np.array([width, height, width, height], np.float64)
        objects = self._boxed[image_id]
        for number in sorted(self._verified[image_id] | objects.keys()):
            mine = found.labels == number
            truth = _truth(objects.get(number, []))
            judged = judge_boxes(shares[mine], found.scores[mine].astype(np.float64), truth)
            tally.add(number, place, len(truth.boxes), judged)

    def _judge_masks(
        self, image_id: str, found: Detections, size: tuple[int, int], tally: JudgedClasses, place: int
    ) -> None:
        """The same by masks; objects that have a mask only are among the truth here."""
        objects = self._joined[image_id]
        for number in sorted(self._verified[image_id] | objects.keys()):
            mine = np.flatnonzero(found.labels == number)
            own = objects.get(number, [])
            truth = _truth(own, [self._mask(one, size) for one in own])
            encoded = [encode_mask(found.masks[index]) for index in mine] if found.masks is not None else []
            count = sum(mask is not None for mask in truth.masks)
            tally.add(number, place, count, judge_masks(encoded, found.scores[mine].astype(np.float64), truth))

    def _mask(self, one: Object, size: tuple[int, int]) -> Rle | None:
        from pycocotools import mask as coco_mask

        if one.mask is None:
            return None
        mask = read_mask(self._mask_folder, one.mask, size)
        return mask if coco_mask.area(mask) else None

    def _selected(self, rows: Iterable[PlacedRow]) -> Iterator[PlacedRow]:
        """The rows about the data set's pictures and classes."""
        for where, row in rows:
            if row["ImageID"] in self._verified and row["LabelName"] in self._numbers:
                yield where, row

    def _collected(self, objects: Iterable[tuple[Row, Object]]) -> ObjectsOf:
        """Objects, each with its row, by picture and class."""
        collected: ObjectsOf = {image_id: {} for image_id in self._verified}
        for row, one in objects:
            collected[row["ImageID"]].setdefault(self._numbers[row["LabelName"]], []).append(one)
        return collected

    def _mask_objects(self, rows: Iterable[PlacedRow]) -> Iterator[tuple[Row, Object]]:
        for where, row in without_repeats(self._selected(rows), self.problems):
            path = mask_path(self._mask_folder, row)
            if path is not None and not os.path.isfile(path):
                self.problems.append(f"picture {row['ImageID']}: its mask {path} is missing")
            else:
                check_mask(where, self._mask_folder, row)
                box = read_box(where, row, "Box" if "BoxXMin" in row else "")
                yield row, Object(box, is_group(where, row), row)


def _truth(objects: Sequence[Object], masks: Sequence[Rle | None] = ()) -> TruthOfClass:
    boxes = np.array([one.box for one in objects], np.float64).reshape(-1, 4)
    return TruthOfClass(boxes, np.array([one.group for one in objects], np.bool_), masks)


def _distinct(classes: Mapping[int, str], labels: Sequence[str]) -> dict[int, str]:
    """Give each class a name of its own: where several labels have one name, with the label behind it."""
    times = Counter(classes.values())
    return {
        number: f"{name} ({label})" if times[name] > 1 else name
        for (number, name), label in zip(classes.items(), labels, strict=True)
    }


def _values(rows: Iterable[Row], column: str) -> list[str]:
    return sorted({row[column] for row in rows})
