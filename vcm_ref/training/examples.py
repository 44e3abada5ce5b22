"""Examples: the layers of the pictures that a network is trained with, computed once and kept on disk as float16."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from vcm_ref.conversion.covered import Covered
from vcm_ref.errors import DatasetError
from vcm_ref.feature_set import FeatureSet
from vcm_ref.files.atomic import atomic_file

_LARGEST = float(np.finfo(np.float16).max)
_COVERED = "/covered"  # beside the layers in a file; no layer has such a name


@dataclass(frozen=True)
class Example:
    """One picture: its name, its size in pixels, and what is in it where that is known.

    ``boxes`` are (K, 4) x0, y0, x1, y1 in pixels, ``labels`` (K,) the network's. A ``mirrored`` example is the same
    picture from left to right, and one with a number of a ``crop`` above 0 a changed part of it; these are for training
    alone.
    """

    name: str
    height: int
    width: int
    mirrored: bool = False
    boxes: NDArray[np.float32] = field(default_factory=lambda: np.empty((0, 4), np.float32))
    labels: NDArray[np.int64] = field(default_factory=lambda: np.empty(0, np.int64))
    crop: int = 0

    @property
    def whole(self) -> bool:
        """Whether the example is the picture as it is."""
        return not self.mirrored and not self.crop


class Examples(Protocol):
    """A list of examples, and the layers of each."""

    examples: Sequence[Example]

    def layers(self, index: int) -> dict[str, NDArray[np.floating[Any]]]:
        """The layers of one example by name, finest first."""
        ...

    def covered(self, index: int) -> Covered:
        """Which parts of the layers' height and width the picture covers."""
        ...

    def digest(self) -> str:
        """SHA-256, in hexadecimal, over all that the training sees of them."""
        ...


class StoredExamples:
    """Examples in a folder, one file each. What a run has not computed yet is computed; the rest is read."""

    def __init__(
        self,
        folder: Path,
        examples: Sequence[Example],
        features: Callable[[Example], FeatureSet],
        progress: Callable[[float], None] = lambda done: None,
        *,
        known_by: str = "",
    ) -> None:
        """``features`` gives the layers of an example; it is called once for each that has no file in ``folder``.

        That is now, or, with ``known_by``, when they are wanted: it says what the layers follow from.
        """
        self.examples: Sequence[Example] = list(examples)
        self._folder = folder
        self._features = features
        self._known_by = known_by
        folder.mkdir(parents=True, exist_ok=True)
        for example in () if known_by else self.examples:
            self._stored(example)
            progress(1)

    def layers(self, index: int) -> dict[str, NDArray[np.floating[Any]]]:
        """The layers of one example, float16, finest first."""
        with np.load(self._stored(self.examples[index]), allow_pickle=False) as stored:
            return {name: stored[name] for name in stored.files if name != _COVERED}

    def covered(self, index: int) -> Covered:
        """Which parts of the layers' height and width the picture covers."""
        with np.load(self._stored(self.examples[index]), allow_pickle=False) as stored:
            down, across = stored[_COVERED].tolist()
        return down, across

    def digest(self) -> str:
        """SHA-256 over names, targets and layers, or over what the layers follow from."""
        whole = hashlib.sha256(self._known_by.encode())
        if self._known_by:
            whole.update("".join(f"\n{_identity(example)}" for example in self.examples).encode())
            return whole.hexdigest()
        for index, example in enumerate(self.examples):
            whole.update(f"{_identity(example)} {example.height} {example.width} {self.covered(index)}\n".encode())
            whole.update(example.boxes.tobytes() + example.labels.tobytes())
            for name, layer in self.layers(index).items():
                whole.update(f"{name} {layer.shape}\n".encode() + layer.tobytes())
        return whole.hexdigest()

    def _stored(self, example: Example) -> Path:
        path = self._path(example)
        if not path.exists():
            _store(path, example, self._features(example))
        return path

    def _path(self, example: Example) -> Path:
        return self._folder / f"{hashlib.sha256(_identity(example).encode()).hexdigest()[:24]}.npz"


def _identity(example: Example) -> str:
    return f"{example.name} {example.mirrored} {example.crop}"


def _store(path: Path, example: Example, features: FeatureSet) -> None:
    for name, layer in features.layers.items():
        if not np.isfinite(layer).all() or np.abs(layer).max() > _LARGEST:
            raise DatasetError(f"{example.name}: layer {name} holds a value beyond {_LARGEST:g}; it cannot be used")
    arrays: dict[str, Any] = {name: layer.astype(np.float16) for name, layer in features.layers.items()}
    with atomic_file(path) as file:
        np.savez(file, **arrays | {_COVERED: np.array(features.covered, np.float64)})


def split(examples: Sequence[Example], share: float, seed: int) -> tuple[list[int], list[int]]:
    """The indices for training, and those for selection: about ``share`` of the pictures, by a digest of their names.

    A picture, its mirror image and its parts are never on two sides; only whole pictures are used for selection. Raises
    `DatasetError` where either side would be empty.
    """
    names = sorted(
        {example.name for example in examples}, key=lambda name: hashlib.sha256(f"{seed} {name}".encode()).digest()
    )
    chosen = set(names[: max(1, round(share * len(names)))]) if share else set()
    training = [index for index, example in enumerate(examples) if example.name not in chosen]
    selection = [index for index, example in enumerate(examples) if example.name in chosen and example.whole]
    if not training or not selection:
        raise DatasetError(f"{len(names)} pictures cannot be split into training and selection; give more")
    return training, selection
