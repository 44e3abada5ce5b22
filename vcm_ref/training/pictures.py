"""Where examples come from: pictures through part 1 of a network, or feature files."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from vcm_ref.errors import ConfigError, DatasetError
from vcm_ref.feature_set import FeatureSet
from vcm_ref.files.feature_file import load_feature_file
from vcm_ref.files.kind import READ_FEATURE_SUFFIXES
from vcm_ref.inputs.picture_file import picture_size, read_picture
from vcm_ref.reporting.progress import Begin, no_progress
from vcm_ref.task.coco import CocoDataset
from vcm_ref.task.dataset import Dataset, match_names

from .crops import changed_part
from .examples import Example, StoredExamples

if TYPE_CHECKING:
    from vcm_ref.network import Network

_Target = tuple[NDArray[np.float32], NDArray[np.int64]]
_NOTHING: _Target = np.empty((0, 4), np.float32), np.empty(0, np.int64)


def are_features(inputs: Sequence[Path]) -> bool:
    """Whether the inputs are feature files, so that no network computes them. Raises `ConfigError` for a mixture."""
    kinds = {path.suffix.lower() in READ_FEATURE_SUFFIXES for path in inputs}
    if len(kinds) > 1:
        raise ConfigError("the data have both pictures and feature files; give one kind")
    return kinds == {True}


def store_feature_files(folder: Path, inputs: Sequence[Path], *, begin: Begin = no_progress) -> StoredExamples:
    """The examples of feature files, with their layers in ``folder``."""
    paths = named(inputs)
    with begin(len(paths), "feature files") as advance:
        examples = []
        for name, path in paths.items():
            found = load_feature_file(path, (1, 1))  # no rate is measured, so the picture's size does not matter
            examples.append(Example(name, found.height, found.width))
        return StoredExamples(folder, examples, lambda example: load_feature_file(paths[example.name], (1, 1)), advance)


def store_pictures(
    folder: Path,
    inputs: Sequence[Path],
    network: Network,
    dataset: Dataset | None = None,
    *,
    mirror: bool,
    crops: int = 0,
    upright: bool = True,
    begin: Begin = no_progress,
) -> StoredExamples:
    """The examples of pictures, with their layers in ``folder``.

    A ``dataset`` of COCO's kind gives boxes and labels. ``crops`` are the parts of each picture that are examples as
    well, without boxes. ``upright`` says whether pictures are turned as their Exif
    orientation says. Raises `DatasetError`.
    """
    targets = _targets(dataset, network.class_names) if isinstance(dataset, CocoDataset) else {}
    paths = named(inputs)
    examples = []
    for name, path in paths.items():
        height, width = picture_size(path, apply_orientation=upright)
        boxes, labels = targets.get(path, _NOTHING)
        examples.append(Example(name, height, width, False, boxes, labels))
        if mirror:
            examples.append(Example(name, height, width, True, _mirrored(boxes, width), labels))
        examples += [Example(name, height, width, crop=number) for number in range(1, crops + 1)]

    def features(example: Example) -> FeatureSet:
        picture = read_picture(paths[example.name], apply_orientation=upright)
        if example.crop:
            return network.extract(changed_part(picture, example.name, example.crop))
        return network.extract(np.ascontiguousarray(picture[:, ::-1]) if example.mirrored else picture)

    with begin(len(examples), "pictures") as advance:
        return StoredExamples(folder, examples, features, advance)


def named(inputs: Sequence[Path]) -> dict[str, Path]:
    """The inputs by the names of their files. Raises `DatasetError` where two have the same."""
    named = {path.name: path for path in inputs}
    if len(named) < len(inputs):
        twice = next(path.name for path in inputs if named[path.name] != path)
        raise DatasetError(f"two of the inputs are called {twice}; the split into training and selection goes by names")
    return named


def _targets(dataset: CocoDataset, classes: Mapping[int, str]) -> dict[Path, _Target]:
    """Boxes and the network's labels of each picture; crowds, empty boxes and classes it does not know are left out."""
    instances = dataset.instances
    label_of = {category: label for label, category in match_names(classes, instances.categories).items()}
    path_of = {item.id: item.path for item in dataset.items}
    found: dict[Path, tuple[list[list[float]], list[int]]] = {}
    for entry in instances.annotations:
        label = label_of.get(entry["category_id"])
        x, y, width, height = entry["bbox"]
        if label is None or entry.get("iscrowd") or width <= 0 or height <= 0:
            continue
        boxes, labels = found.setdefault(path_of[entry["image_id"]], ([], []))
        boxes.append([x, y, x + width, y + height])
        labels.append(label)
    return {path: (np.array(boxes, np.float32), np.array(labels, np.int64)) for path, (boxes, labels) in found.items()}


def _mirrored(boxes: NDArray[np.float32], width: int) -> NDArray[np.float32]:
    mirrored = boxes.copy()
    mirrored[:, 0], mirrored[:, 2] = width - boxes[:, 2], width - boxes[:, 0]
    return mirrored
