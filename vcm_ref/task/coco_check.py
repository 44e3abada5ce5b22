"""Checks of a COCO instances document: all that pycocotools will use is looked at before it is used.

pycocotools (2.0) looks at nothing. It takes an annotation with the id 0 for one that no detection has found, a polygon
of four numbers for a box, run lengths of any sum, and ends with a ``KeyError`` for a field that is missing. What is
accepted here, it measures rightly; docs/evaluation.md, "COCO", lists the rules.
"""

from __future__ import annotations

import os.path
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from math import isfinite
from typing import Any

from vcm_ref.task.dataset import ImageId, class_key
from vcm_ref.task.faults import Faults, can_name_file, shown
from vcm_ref.task.run_lengths import fault_of_runs

Document = dict[str, Any]

_NUMBERS = {int, float}
_OF_LVIS = "not_exhaustive_category_ids"  # Gupta et al., "LVIS", 2019, 3.1: not all objects of these are annotated
_EXACT = 2**53  # floats are integers one by one up to here
_LARGEST = 2**63  # labels are int64
_MOST_AREA = 2  # times its box's, with the box one pixel larger each way: rounding, and the box of a turned object
_SLACK = 1  # pixels by which a box's corner may lie beyond the picture


@dataclass(frozen=True)
class Image:
    """One entry of ``images``; ``file_name`` is empty where it was not asked for. Sides are in pixels."""

    id: ImageId
    file_name: str
    height: int
    width: int


@dataclass(frozen=True)
class Instances:
    """A document that was checked.

    ``annotations`` are those that can be measured, each with the fields that pycocotools reads and ids from 1;
    ``problems`` names those that cannot; ``without_mask`` has the ids of the annotations without a segmentation.
    """

    images: Mapping[ImageId, Image]
    categories: Mapping[int, str]
    annotations: list[Document]
    problems: list[str]
    without_mask: list[int]


def check_instances(document: Any, file: str, with_files: bool = True) -> Instances:
    """Check a COCO instances document and give what a measurement needs of it.

    ``file`` names it in messages; ``with_files``: every image needs a ``file_name``. Raises
    :class:`~vcm_ref.errors.DatasetError`, which tells the first few faults and how many there are.
    """
    faults = Faults(file)
    if not isinstance(document, dict):
        faults.add("", "it is not a JSON object; COCO's instances format is needed")
        faults.check()
    for key in ("images", "annotations", "categories"):
        if key not in document:
            faults.add("", f"it has no {key!r}; COCO's instances format is needed")
        elif not isinstance(document[key], list):
            faults.add("", f"{key!r} is {shown(document[key])}, not a list")
    faults.check()
    if any(isinstance(entry, dict) and _OF_LVIS in entry for entry in document["images"]):
        faults.add("", f"its images have {_OF_LVIS!r}: it is a file of LVIS, whose metric differs from COCO's")
    images = _images(document["images"], faults, with_files)
    categories = _categories(document["categories"], faults)
    faults.check()
    return _Annotations(images, categories, faults).checked(document["annotations"])


def whole_number(value: Any) -> int | None:
    """Give ``value`` as an integer where it is one: 1 and 1.0 are; true, "1" and 1.5 are not, nor is 2 to the 63rd."""
    if type(value) is int and -_LARGEST <= value < _LARGEST:
        return value
    if type(value) is float and value.is_integer() and abs(value) < _EXACT:
        return int(value)
    return None


def _entries(key: str, entries: list[Any], faults: Faults) -> Iterator[tuple[str, Document]]:
    """Give each entry with a name for messages: by its id, or by its place where it has no sound one."""
    for place, entry in enumerate(entries):
        if not isinstance(entry, dict):
            faults.add(f"{key}[{place}]", f"it is {shown(entry)}, not an object")
            continue
        number = entry.get("id")
        named = type(number) in (int, str, float)
        yield f"{_ONE[key]} {shown(number)}" if named else f"{key}[{place}]", entry


_ONE = {"images": "image", "categories": "category", "annotations": "annotation"}


def _told(entry: Document, key: str, wanted: str) -> str:
    """Say that a field is not as it should be."""
    return f"{key} is {shown(entry[key])}, not {wanted}" if key in entry else f"it has no {key}; it needs {wanted}"


def _images(entries: list[Any], faults: Faults, with_files: bool) -> dict[ImageId, Image]:
    images: dict[ImageId, Image] = {}
    ids_of_files: dict[str, str] = {}
    for where, entry in _entries("images", entries, faults):
        number = entry.get("id")
        image_id = number if isinstance(number, str) and can_name_file(number) else whole_number(number)
        height, width = whole_number(entry.get("height")), whole_number(entry.get("width"))
        file_name = entry.get("file_name") if with_files else ""
        if image_id is None:
            faults.add(where, _told(entry, "id", "an integer or a text"))
        elif image_id in images:
            faults.add(where, "another image has the same id")
        for key, side in (("height", height), ("width", width)):
            if side is None or side <= 0:
                faults.add(where, _told(entry, key, "a number of pixels"))
        if with_files and not (isinstance(file_name, str) and file_name and can_name_file(file_name)):
            faults.add(where, _told(entry, "file_name", "the name of a file"))
            continue
        if file_name:
            other = ids_of_files.setdefault(os.path.normpath(file_name), where)
            if other != where:
                faults.add(where, f"its file_name {shown(file_name)} is also the file_name of {other}")
        if image_id is not None and height and width:
            images[image_id] = Image(image_id, str(file_name), height, width)
    if not entries:
        faults.add("", "'images' is empty")
    if len({type(image_id) for image_id in images}) > 1:
        faults.add("", "some ids of images are numbers and some are texts")
    return images


def _categories(entries: list[Any], faults: Faults) -> dict[int, str]:
    categories: dict[int, str] = {}
    for where, entry in _entries("categories", entries, faults):
        number, name = whole_number(entry.get("id")), entry.get("name")
        if number is None:
            faults.add(where, _told(entry, "id", "an integer"))
        elif number in categories:
            faults.add(where, "another category has the same id")
        elif not (isinstance(name, str) and name.strip() and can_name_file(name)):
            faults.add(where, _told(entry, "name", "a text"))
        else:
            categories[number] = name
    return categories


class _Annotations:
    """Checks the annotations of a document whose images and categories are sound."""

    def __init__(self, images: Mapping[ImageId, Image], categories: Mapping[int, str], faults: Faults) -> None:
        self._images = images
        self._categories = categories
        self._faults = faults
        self._problems: list[str] = []
        self._without_mask: list[int] = []
        self._boxes: list[tuple[list[float], Image]] = []

    def checked(self, entries: list[Any]) -> Instances:
        kept: list[Document] = []
        ids: set[int] = set()
        for where, entry in _entries("annotations", entries, self._faults):
            number = whole_number(entry.get("id"))
            if number is None:
                self._faults.add(where, _told(entry, "id", "an integer"))
                continue
            if number in ids:
                self._faults.add(where, "another annotation has the same id")
            ids.add(number)
            known = self._known(where, entry)
            if (annotation := self._annotation(where, entry, known)) is None:
                continue
            if known is not None:
                kept.append({"id": len(kept) + 1, **annotation})
                if annotation["segmentation"] is None:
                    self._without_mask.append(number)
        if guess := _misread(self._boxes):
            self._faults.add("", guess)
        self._faults.check()
        categories = _distinct(self._categories, {entry["category_id"] for entry in kept})
        return Instances(self._images, categories, kept, self._problems, self._without_mask)

    def _known(self, where: str, entry: Document) -> Image | None:
        """Give the annotation's image; None, and a problem, where it or its category is not in the data set."""
        given = entry.get("image_id")
        image_id = given if isinstance(given, str) else whole_number(given)
        category = whole_number(entry.get("category_id"))
        if image_id is None:
            self._faults.add(where, _told(entry, "image_id", "the id of an image"))
        elif category is None:
            self._faults.add(where, _told(entry, "category_id", "the id of a category"))
        elif image_id not in self._images:
            self._problems.append(f"{where}: its picture {shown(given)} is not in the data set{self._other(image_id)}")
        elif category not in self._categories:
            self._problems.append(f"{where}: its category {category} is not in the data set")
        else:
            return self._images[image_id]
        return None

    def _other(self, image_id: ImageId) -> str:
        """Say so where the id is there as the other type."""
        if isinstance(image_id, str):
            other = int(image_id) if image_id.isascii() and image_id.isdecimal() and len(image_id) < 19 else None
        else:
            other = str(image_id)  # type: ignore[assignment]
        return f", which has the id {shown(other)}" if other in self._images else ""

    def _annotation(self, where: str, entry: Document, image: Image | None) -> Document | None:
        """Give the fields that pycocotools reads; None, and faults or a problem, where they are not sound."""
        box = entry.get("bbox")
        if not isinstance(box, list) or len(box) != 4 or not all(map(_finite, box)):
            self._faults.add(where, _told(entry, "bbox", "four numbers: x, y, width, height"))
            return None
        area: Any = entry.get("area")
        crowd = entry.get("iscrowd", 0)
        if not _finite(area):
            self._faults.add(where, _told(entry, "area", "the object's area in pixels"))
        if type(crowd) not in (int, float, bool) or crowd not in (0, 1):
            self._faults.add(where, _told(entry, "iscrowd", "0 or 1"))
        if image is not None and (fault := _fault_of_segmentation(entry.get("segmentation"), image)) is not None:
            self._faults.add(where, fault)
        x, y, width, height = box
        if width < 0 or height < 0:
            self._faults.add(where, f"bbox {shown(box)} has a negative width or height")
        elif width == 0 or height == 0:
            self._problems.append(f"{where}: its bbox {shown(box)} has no width or no height, so nothing can find it")
            return None
        elif image is not None:
            if x >= image.width or y >= image.height or x + width <= 0 or y + height <= 0:
                self._faults.add(where, f"bbox {shown(box)} is outside the picture, {image.width}x{image.height}")
            self._boxes.append((box, image))
        if _finite(area) and (fault := _fault_of_area(area, box)):
            self._faults.add(where, fault)
        return {
            "image_id": image.id if image else None,
            "category_id": whole_number(entry.get("category_id")),
            "bbox": box,
            "area": area,
            "iscrowd": int(crowd) if crowd in (0, 1) else 0,
            "segmentation": entry.get("segmentation") or None,
        }


def _finite(value: Any) -> bool:
    """Say whether ``value`` is a number that a float can hold."""
    return type(value) in _NUMBERS and -_LARGEST < value < _LARGEST and isfinite(value)


def _distinct(categories: Mapping[int, str], used: set[int]) -> dict[int, str]:
    """Give the names, where a category without objects does not take another's name.

    Some tools write a root category with the name of its only child. It has no objects, so that no figure depends on
    it, but a network's label of that name would become either.
    """
    taken = {class_key(categories[number]) for number in used}
    return {
        number: f"{name} (category {number}, without objects)"
        if number not in used and class_key(name) in taken
        else name
        for number, name in categories.items()
    }


def _fault_of_area(area: float, box: list[float]) -> str | None:
    """Say what is wrong with an object's area in a ``box`` that has a width and a height, or None.

    ``AP_small``, ``AP_medium`` and ``AP_large`` go by the area, matching by the box; so both must be of one object, in
    pixels. A polygon of a few pixels may have no area at all.
    """
    width, height = box[2:]
    if area < 0:
        return f"area is {shown(area)}; the object's bbox is {shown(box)}"
    if area > _MOST_AREA * (width + 1) * (height + 1):
        return f"area is {shown(area)}, more than its bbox {shown(box)} can hold; one of them is not in pixels"
    if area < 1 and width * height >= 100:
        return f"area is {shown(area)}, less than a pixel; its bbox is {width:g}x{height:g}"
    return None


def _misread(boxes: list[tuple[list[float], Image]]) -> str | None:
    """Say so where all boxes look like something other than x, y, width, height in pixels."""
    if not boxes:
        return None
    values = [value for box, _ in boxes for value in box]
    if max(values) <= 1 and any(value % 1 for value in values):
        return "all boxes are within 0 … 1: they seem to be shares of the picture; COCO's are in pixels"
    if not any(_leaves(x, y, x + width, y + height, image) for (x, y, width, height), image in boxes):
        return None
    if not any(x0 >= x1 or y0 >= y1 or _leaves(x0, y0, x1, y1, image) for (x0, y0, x1, y1), image in boxes):
        return "all boxes seem to be x0, y0, x1, y1; COCO's are x, y, width, height"
    if not any(_leaves(x - w / 2, y - h / 2, x + w / 2, y + h / 2, image) for (x, y, w, h), image in boxes):
        return "all boxes seem to begin with their centres; COCO's are x, y, width, height, from the top left corner"
    return None


def _leaves(x0: float, y0: float, x1: float, y1: float, image: Image) -> bool:
    """Say whether a box reaches beyond its picture by more than rounding explains."""
    return min(x0, y0) < -_SLACK or x1 > image.width + _SLACK or y1 > image.height + _SLACK


def _fault_of_segmentation(given: Any, image: Image) -> str | None:
    """Say what is wrong with a segmentation, or None; null and an empty list are none at all."""
    if given is None or given == []:
        return None
    if isinstance(given, dict):
        size = given.get("size")
        if size != [image.height, image.width]:
            return f"its mask has the size {shown(size)}, its picture [{image.height}, {image.width}]"
        fault = fault_of_runs(given.get("counts"), image.height, image.width)
        return f"its mask cannot be read: {fault}" if fault else None
    if not isinstance(given, list):
        return f"segmentation is {shown(given)}, not polygons or run lengths"
    if {type(value) for value in given} <= _NUMBERS:
        return "segmentation is a flat list of numbers; a polygon goes into a list of its own: [[x0, y0, x1, y1, …]]"
    for polygon in given:
        if not isinstance(polygon, list) or not {type(value) for value in polygon} <= _NUMBERS:
            return f"segmentation has {shown(polygon)}, which is not a list of numbers x0, y0, x1, y1, …"
        if len(polygon) < 6 or len(polygon) % 2:
            return (
                f"segmentation has a polygon of {len(polygon)} numbers; three points or more, of two each, are needed"
            )
        for side, values in ((image.width, polygon[::2]), (image.height, polygon[1::2])):
            if not all(-side <= value <= 2 * side for value in values):
                return f"segmentation has a polygon that is far outside the picture, {image.width}x{image.height}"
    return None
