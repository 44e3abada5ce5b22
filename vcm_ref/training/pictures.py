"""Where examples come from: the pictures of a data set through part 1 of a network, or feature files."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from vcm_ref.errors import DatasetError
from vcm_ref.feature_file import READ_SUFFIXES, load_feature_file
from vcm_ref.feature_set import FeatureSet
from vcm_ref.picture_file import picture_size, read_picture
from vcm_ref.task.coco import CocoDataset
from vcm_ref.task.dataset import ImageId, load_dataset, match_names

from .examples import Example, StoredExamples

if TYPE_CHECKING:
    from vcm_ref.network import Network

Progress = Callable[[float], None]
Begin = Callable[[int, str], AbstractContextManager[Progress]]
"""Begins to tell of the progress of so many things, in words."""


def no_progress(total: int, description: str) -> AbstractContextManager[Progress]:
    """Tell nobody."""
    return nullcontext(lambda done: None)


def store_pictures(
    folder: Path, data: Path, network: Network, *, mirror: bool, begin: Begin = no_progress
) -> StoredExamples:
    """The examples of a data set's pictures, with their layers in ``folder``.

    ``data`` is what `load_dataset` takes; of COCO's kind, it gives boxes and labels as well. Raises `DatasetError`.
    """
    dataset = load_dataset(data)
    targets = _targets(dataset, network.class_names) if isinstance(dataset, CocoDataset) else {}
    examples: list[Example] = []
    paths: dict[str, Path] = {}
    for item in dataset.items:
        height, width = item.size or picture_size(item.path)
        boxes, labels = targets.get(item.id, _NOTHING)
        for mirrored in (False, True) if mirror else (False,):
            shown = _mirrored(boxes, width) if mirrored else boxes
            examples.append(Example(item.path.name, height, width, mirrored, shown, labels))
        if paths.setdefault(item.path.name, item.path) != item.path:
            raise DatasetError(f"data set {dataset.name}: two pictures are called {item.path.name}")

    def features(example: Example) -> FeatureSet:
        picture = read_picture(paths[example.name])
        return network.extract(np.ascontiguousarray(picture[:, ::-1]) if example.mirrored else picture)

    with begin(len(examples), "pictures") as advance:
        return StoredExamples(folder, examples, features, advance)


def store_feature_files(folder: Path, files: Sequence[Path], *, begin: Begin = no_progress) -> StoredExamples:
    """The examples of feature files, with their layers in ``folder``."""
    paths = {path.name: path for path in files}
    examples = []
    for name, path in paths.items():
        found = load_feature_file(path)
        examples.append(Example(name, found.height, found.width))
    with begin(len(examples), "feature files") as advance:
        return StoredExamples(folder, examples, lambda example: load_feature_file(paths[example.name]), advance)


def feature_files(folder: Path) -> list[Path]:
    """The feature files of a folder, by name. Raises `DatasetError` where there is none."""
    found = sorted(path for path in folder.iterdir() if path.suffix.lower() in READ_SUFFIXES)
    if not found:
        raise DatasetError(f"{folder}: holds no feature files ({', '.join(READ_SUFFIXES)})")
    return found


_Target = tuple[NDArray[np.float32], NDArray[np.int64]]
_NOTHING: _Target = np.empty((0, 4), np.float32), np.empty(0, np.int64)


def _targets(dataset: CocoDataset, classes: Mapping[int, str]) -> dict[ImageId, _Target]:
    """Boxes and the network's labels of each picture; crowds, empty boxes and classes it does not know are left out."""
    instances = dataset.instances
    label_of = {category: label for label, category in match_names(classes, instances.categories).items()}
    found: dict[ImageId, tuple[list[list[float]], list[int]]] = {}
    for entry in instances.annotations:
        label = label_of.get(entry["category_id"])
        x, y, width, height = entry["bbox"]
        if label is None or entry.get("iscrowd") or width <= 0 or height <= 0:
            continue
        boxes, labels = found.setdefault(entry["image_id"], ([], []))
        boxes.append([x, y, x + width, y + height])
        labels.append(label)
    return {key: (np.array(boxes, np.float32), np.array(labels, np.int64)) for key, (boxes, labels) in found.items()}


def _mirrored(boxes: NDArray[np.float32], width: int) -> NDArray[np.float32]:
    mirrored = boxes.copy()
    mirrored[:, 0], mirrored[:, 2] = width - boxes[:, 2], width - boxes[:, 0]
    return mirrored
