"""Pictures with one class each, as ImageNet has them; accuracy as top-1 and top-5."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from vcm_ref.errors import DatasetError
from vcm_ref.task.classification import Classification
from vcm_ref.task.dataset import ImageId, Item, Result, Sizes, content_digest, read_text


class ImageNetDataset:
    """A folder a class in ``images``, or an ``image_list`` of lines ``path class``, with paths relative to ``images``.

    A class in a list is its index from 0, or its name where ``classes`` names them. The index of a folder's class is
    its line in ``classes``, or, without that file, its place among the folders by name; so a selection of ImageNet's
    folders needs the file.
    """

    def __init__(
        self, name: str, images: Path | None = None, *, image_list: Path | None = None, classes: Path | None = None
    ) -> None:
        """Find the pictures; :class:`DatasetError` where there are none, or a class is unknown."""
        self.name = name
        self.problems: list[str] = []
        names = _class_names(classes) if classes else None
        self._guessed = image_list is None and names is None
        if image_list is not None:
            folder = images or image_list.parent
            self._labels = _from_list(image_list, names or [])
        else:
            folder = images or Path()
            names = _folders(folder) if names is None else names
            self._labels = _from_folders(folder, names)
        if not self._labels:
            raise DatasetError(f"data set {name}: there are no pictures in {image_list or images}")
        self.classes: Mapping[int, str] = (
            dict(enumerate(names)) if names else {label: str(label) for label in sorted({*self._labels.values()})}
        )
        self.items = [Item(path, folder / path) for path in self._labels]

    def digest(self) -> str:
        """SHA-256 over the pictures' paths and classes."""
        return content_digest(f"{path} {label}" for path, label in self._labels.items())

    def evaluate(self, results: Mapping[ImageId, Result], sizes: Sizes) -> dict[str, float]:
        """``top1`` and ``top5``, each from 0 to 1; of equal logits the class of the lower index comes first."""
        if not results:
            raise DatasetError("there are no pictures to measure")
        ranks = []
        for image_id, result in results.items():
            if not isinstance(result, Classification):
                raise DatasetError(f"picture {image_id}: the network detects, the data set is of pictures to classify")
            ranks.append(self._rank(str(image_id), result.logits))
        return {f"top{k}": sum(rank < k for rank in ranks) / len(ranks) for k in (1, 5)}

    def _rank(self, image_id: str, logits: NDArray[np.float32]) -> int:
        """How many classes come before the right one."""
        label = self._labels[image_id]
        if self._guessed and len(self.classes) != len(logits):
            raise DatasetError(
                f"data set {self.name} has {len(self.classes)} folders, the network {len(logits)} classes: "
                "name all classes in order in a file, as 'classes' of the data set's description"
            )
        if label >= len(logits):
            raise DatasetError(f"picture {image_id} is of class {label}; the network has {len(logits)} classes")
        return int(np.count_nonzero(logits > logits[label]) + np.count_nonzero(logits[:label] == logits[label]))


def _class_names(path: Path) -> list[str]:
    return [line.strip() for line in read_text(path, "list of classes").splitlines() if line.strip()]


def _folders(images: Path) -> list[str]:
    return sorted(entry.name for entry in images.iterdir() if entry.is_dir()) if images.is_dir() else []


def _from_folders(images: Path, names: list[str]) -> dict[str, int]:
    """Every file counts, so that one that is no picture is noticed when it is read."""
    return {
        f"{name}/{path.name}": label
        for label, name in enumerate(names)
        if (images / name).is_dir()
        for path in sorted((images / name).iterdir())
        if not path.name.startswith(".")
    }


def _from_list(path: Path, names: list[str]) -> dict[str, int]:
    index = {name: label for label, name in enumerate(names)}
    labelled: dict[str, int] = {}
    for number, line in enumerate(read_text(path, "list of pictures").splitlines(), start=1):
        picture, _, text = line.strip().rpartition(" ")
        picture, label = picture.strip(), index.get(text, int(text) if text.isdecimal() else None)
        if not line.strip():
            continue
        if not picture or label is None:
            raise DatasetError(f"{path}, line {number}: is {line.strip()!r}; write it as path and class")
        if picture in labelled:
            raise DatasetError(f"{path}, line {number}: {picture} is listed twice")
        labelled[picture] = label
    return labelled
