"""The results of an evaluation as the data set knows them: with its class ids, in its order; written, and drawn."""

from __future__ import annotations

import csv
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from functools import cached_property
from itertools import islice
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray

from ..errors import ConfigError, DatasetError, reason
from ..files.kind import check_kind
from ..inputs.source import read_picture
from ..reporting.printable import printable
from ..reporting.render import save_png
from ..task.dataset import Dataset, ImageId, Result, Sizes, class_key, match_names
from ..task.detections import Detections
from ..task.draw import draw_detections
from ..task.faults import shown
from .records import Record
from .result_record import from_record

LABELS = ("names", "ids", "from0", "from1")
"""How a network's labels become the data set's class ids, where no file says."""

_BLANK = 64  # the canvas where a picture is not there
_CANDIDATES = 5
_SHOWN_CLASSES = 4


class Results(Mapping[ImageId, Result]):
    """Results by picture id, in the data set's order, read one by one when they are asked for."""

    def __init__(
        self, records: Mapping[ImageId, Record], dataset: Dataset, class_names: Mapping[int, str], labels: str
    ) -> None:
        """``records`` are the results as JSON; ``class_names`` are the network's, by label.

        ``labels`` is one of :data:`LABELS` or a file.
        """
        self._records = records
        self._dataset = dataset
        self._class_names = class_names
        self._labels = labels
        self._order = [item.id for item in dataset.items if item.id in records]

    @cached_property
    def label_table(self) -> dict[int, int]:
        """The data set's class id for each of the network's labels that it has one for."""
        return label_table(self._labels, self._class_names, self._dataset.classes)

    @property
    def labels_used(self) -> dict[str, int]:
        """The table as JSON; empty where nothing had labels."""
        used = self.__dict__.get("label_table", {})
        return {str(label): number for label, number in used.items()}

    def __getitem__(self, image_id: ImageId) -> Result:
        result = from_record(self._records[image_id])
        return relabelled(result, self.label_table) if isinstance(result, Detections) else result

    def __iter__(self) -> Iterator[ImageId]:
        return iter(self._order)

    def __len__(self) -> int:
        return len(self._order)


def label_table(labels: str, class_names: Mapping[int, str], classes: Mapping[int, str]) -> dict[int, int]:
    """The data set's class id for each label of the network.

    ``names``: of the class of the same name; ``ids``: the label itself; ``from0`` and ``from1``: counted in the order
    of ids; else a CSV file of two columns, the network's name and the data set's, for those that differ, as the others
    go by name. Raises :class:`DatasetError` where no class is in both, and where numbers contradict names,
    :class:`ConfigError` for a file that is none.
    """
    if labels in ("ids", "from0", "from1"):
        numbers = sorted(classes)
        by_number = (
            dict(zip(numbers, numbers, strict=True))
            if labels == "ids"
            else dict(enumerate(numbers, start=int(labels[-1])))
        )
        _check_numbers(labels, by_number, class_names, classes)
        return by_number
    renamed = {} if labels == "names" else _read_names(Path(labels))
    wanted = {label: renamed.get(class_key(name), class_key(name)) for label, name in class_names.items()}
    table = match_names(wanted, classes)
    if not table:
        raise DatasetError(
            f"no class of the network ({_some(class_names)}) has the name of a class of the data set "
            f"({_some(classes)}): take a network that knows these classes, or match in another way with --labels"
        )
    return table


def _some(names: Mapping[int, str]) -> str:
    shown = [printable(name) for name in islice(names.values(), _SHOWN_CLASSES)]
    return ", ".join([*shown, "…"] if len(names) > len(shown) else shown)


def _check_numbers(
    labels: str, table: Mapping[int, int], class_names: Mapping[int, str], classes: Mapping[int, str]
) -> None:
    """Refuse numbers that give none of the network's labels a class, or give one a class while another has its name."""
    if table and class_names and not table.keys() & class_names.keys():
        raise DatasetError(
            f"--labels {labels}: none of the network's labels, {min(class_names)} to {max(class_names)}, is a class of "
            f"the data set then; these are {min(table)} to {max(table)}"
        )
    numbers = {class_key(name): number for number, name in classes.items()}
    for label, name in class_names.items():
        number, same = table.get(label), numbers.get(class_key(name))
        if number is not None and same is not None and class_key(classes[number]) != class_key(name):
            raise DatasetError(
                f"--labels {labels}: the network's label {label} is {shown(name)} and would become class {number}, "
                f"{shown(classes[number])}; class {same} of the data set has its name: match by names, or correct the "
                "names (network.classes)"
            )


def _read_names(path: Path) -> dict[str, str]:
    check_kind(path, ConfigError)
    try:
        rows = list(csv.reader(path.read_text(encoding="utf-8").splitlines()))
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise ConfigError(
            f"--labels {path}: must be one of {', '.join(LABELS)}, or a readable file: {reason(error)}"
        ) from error
    bad = next((row for row in rows if len(row) != 2), None)
    if bad is not None:
        raise ConfigError(f"--labels {path}: the line {','.join(bad)!r} has no two fields")
    return {class_key(first): class_key(second) for first, second in rows}


def relabelled(found: Detections, table: Mapping[int, int]) -> Detections:
    """The detections with the labels that ``table`` gives them; those that it gives none are left out."""
    kept = np.array([int(label) in table for label in found.labels], np.bool_)
    labels = np.array([table[int(label)] for label in found.labels[kept]], np.int64)
    masks = found.masks[kept] if found.masks is not None else None
    return replace(found, boxes=found.boxes[kept], scores=found.scores[kept], labels=labels, masks=masks)


def write_results(file: BinaryIO, results: Mapping[ImageId, Result]) -> int:
    """Write all results as one JSON list, a line each; returns how many.

    Detections are in COCO's result format: image_id, category_id, bbox (x, y, width, height in pixels), score, and for
    masks segmentation, in run lengths. For a classified picture: image_id, and category_id, the five best classes.
    """
    count = 0
    for image_id, result in results.items():
        for entry in _entries(image_id, result):
            file.write(b",\n" if count else b"[\n")
            file.write(json.dumps(entry, allow_nan=False).encode())
            count += 1
    file.write(b"\n]\n" if count else b"[]\n")
    return count


def _entries(image_id: ImageId, result: Result) -> Iterator[dict[str, Any]]:
    if not isinstance(result, Detections):
        best = np.argsort(-result.logits, kind="stable")[:_CANDIDATES]
        yield {"image_id": image_id, "category_id": best.tolist()}
        return
    masks: Sequence[NDArray[np.bool_] | None] = [None] * len(result) if result.masks is None else list(result.masks)
    rows = zip(result.boxes.tolist(), result.scores.tolist(), result.labels.tolist(), masks, strict=True)
    for (x0, y0, x1, y1), score, label, mask in rows:
        entry = {"image_id": image_id, "category_id": label, "bbox": [x0, y0, x1 - x0, y1 - y0], "score": score}
        yield entry if mask is None else {**entry, "segmentation": _run_lengths(mask)}


def _run_lengths(mask: NDArray[np.bool_]) -> dict[str, Any]:
    from pycocotools import mask as coco_mask

    encoded = coco_mask.encode(np.asfortranarray(mask, np.uint8))
    return {"size": list(mask.shape), "counts": encoded["counts"].decode("ascii")}


def check_drawable(image_id: ImageId, result: Result) -> Detections:
    """``result``, where there is something to draw; :class:`DatasetError` otherwise."""
    if not isinstance(result, Detections):
        raise DatasetError(f"picture {image_id}: is classified, so there is nothing to draw")
    return result


def draw_results(
    folder: Path,
    dataset: Dataset,
    results: Mapping[ImageId, Result],
    sizes: Sizes,
    least: float,
    upright: bool = True,
) -> None:
    """Draw the detections of at least the score ``least`` into a PNG each, named as the picture.

    Where the picture is not there, they are drawn on grey.
    """
    paths = {item.id: item.path for item in dataset.items}
    distinct = len({path.stem for path in paths.values()}) == len(paths)
    for image_id, result in results.items():
        result = check_drawable(image_id, result)
        path = paths[image_id]
        if path.is_file():
            canvas = read_picture(path, apply_orientation=upright)
        else:
            canvas = np.full((*sizes[image_id], 3), _BLANK, np.uint8)
        if canvas.shape[:2] != sizes[image_id]:
            height, width = sizes[image_id]
            raise DatasetError(
                f"{path}: is {canvas.shape[1]}x{canvas.shape[0]}; the analysed picture was {width}x{height}"
            )
        name = path.stem if distinct else str(image_id).replace("/", "_")
        save_png(folder / f"{name}.png", draw_detections(canvas, result, dataset.classes, least))
