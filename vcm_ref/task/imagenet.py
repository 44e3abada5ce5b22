"""Pictures with one class each, as ImageNet has them; accuracy as top-1 and top-5."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from vcm_ref.errors import DatasetError
from vcm_ref.task.classification import Classification
from vcm_ref.task.dataset import ImageId, Item, Result, Sizes, content_digest
from vcm_ref.task.faults import shown
from vcm_ref.task.imagenet_files import (
    ClassNames,
    PictureFiles,
    classes_of_folders,
    in_folders,
    read_classes,
    read_list,
)
from vcm_ref.task.tally import Classified, Tally

_WITH_BACKGROUND = 1001  # outputs of ImageNet networks, such as TensorFlow's, whose class 0 is none of the 1,000


class ImageNetDataset:
    """A folder a class in ``images``, or an ``image_list`` of pictures and classes, with paths relative to ``images``.

    A class in a list is its index from 0, or its name where ``classes`` names them. The index of a folder's class is
    its line in ``classes``, or, without that file, its place among the folders: in the order of numbers where all names
    are numbers, else by name. So a selection of ImageNet's folders needs the file, and so do names such as
    ``class_2`` and ``class_10``.
    """

    frame_rate = None

    def __init__(
        self, name: str, images: Path | None = None, *, image_list: Path | None = None, classes: Path | None = None
    ) -> None:
        """Find the pictures; :class:`DatasetError` where there are none, or a class is unknown."""
        self.name = name
        self.problems: list[str] = []
        names = read_classes(classes) if classes else None
        if image_list is not None:
            folder = images or image_list.parent
            self._labels = read_list(image_list, folder, names or ClassNames([]))
        else:
            folder = images or Path()
            names = names or classes_of_folders(folder)
            self._labels = in_folders(folder, names)
        if not self._labels:
            where = f"in the list {image_list}" if image_list else f"in folders in {images}, a folder a class"
            raise DatasetError(f"data set {name}: there are no pictures {where}")
        self._named = names is not None
        self.classes: Mapping[int, str] = (
            dict(enumerate(names.shown)) if names else {label: str(label) for label in sorted({*self._labels.values()})}
        )
        files = PictureFiles(folder)
        self.items = [Item(path, files(path)) for path in self._labels]

    def digest(self) -> str:
        """SHA-256 over the pictures' paths and classes."""
        return content_digest(f"{path} {label}" for path, label in self._labels.items())

    def evaluate(self, results: Mapping[ImageId, Result], sizes: Sizes) -> dict[str, float]:
        """``top1`` and ``top5``, each from 0 to 1; of equal logits the class of the lower index comes first."""
        return self.tallied(results, sizes)[0]

    def tallied(self, results: Mapping[ImageId, Result], sizes: Sizes) -> tuple[dict[str, float], Tally]:
        """The metrics of :meth:`evaluate`, and each picture's rank, from which they come."""
        if not results:
            raise DatasetError("there are no pictures to measure")
        ranks = []
        counts: set[int] = set()
        for image_id, result in results.items():
            if not isinstance(result, Classification):
                raise DatasetError(f"picture {image_id}: the network detects, the data set is of pictures to classify")
            if len(result.logits) not in counts:
                self._check_count(len(result.logits))
                counts.add(len(result.logits))
            ranks.append(self._rank(str(image_id), result.logits))
        metrics = {f"top{k}": sum(rank < k for rank in ranks) / len(ranks) for k in (1, 5)}
        return metrics, Tally(tuple(results), (Classified(np.array(ranks, np.int64)),))

    def _check_count(self, count: int) -> None:
        """Check that the network's ``count`` classes can be those of the data set, whichever picture is looked at."""
        if self._named and len(self.classes) != count:
            raise DatasetError(
                f"data set {self.name} has {len(self.classes)} classes, the network {count}: name all classes in the "
                "order of the network's outputs in a file, as 'classes' of the data set's description"
            )
        if not self._named and count == _WITH_BACKGROUND and _WITH_BACKGROUND - 1 not in self._labels.values():
            raise DatasetError(
                f"the network has {count} classes, of which the first may be the background, and data set {self.name} "
                "does not say whether it counts that: name all classes in the order of the network's outputs in a "
                "file, as 'classes' of the data set's description"
            )
        picture, label = max(self._labels.items(), key=lambda entry: entry[1])
        if label >= count:
            counts_from_1 = (
                "; the list seems to count from 1" if {0, count} & {*self._labels.values()} == {count} else ""
            )
            raise DatasetError(
                f"data set {self.name}: picture {shown(picture)} is of class {label}; the network has {count} classes, "
                f"0 to {count - 1}{counts_from_1}"
            )

    def _rank(self, image_id: str, logits: NDArray[np.float32]) -> int:
        """Count the classes that come before the right one."""
        label = self._labels[image_id]
        return int(np.count_nonzero(logits > logits[label]) + np.count_nonzero(logits[:label] == logits[label]))
