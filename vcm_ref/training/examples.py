"""Examples: the layers of the pictures that a network is trained with, computed once and kept on disk as float16."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from vcm_ref.atomic import atomic_file
from vcm_ref.errors import DatasetError
from vcm_ref.feature_set import FeatureSet

_LARGEST = float(np.finfo(np.float16).max)


@dataclass(frozen=True)
class Example:
    """One picture: its name, its size in pixels, and what is in it where that is known.

    ``boxes`` are (K, 4) x0, y0, x1, y1 in pixels, ``labels`` (K,) the network's. A ``mirrored`` example is the same
    picture from left to right; it is for training alone.
    """

    name: str
    height: int
    width: int
    mirrored: bool = False
    boxes: NDArray[np.float32] = field(default_factory=lambda: np.empty((0, 4), np.float32))
    labels: NDArray[np.int64] = field(default_factory=lambda: np.empty(0, np.int64))


class Examples(Protocol):
    """A list of examples, and the layers of each."""

    examples: Sequence[Example]

    def layers(self, index: int) -> dict[str, NDArray[np.floating[Any]]]:
        """The layers of one example by name, finest first."""
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
    ) -> None:
        """``features`` gives the layers of an example; it is called once for each that has no file in ``folder``."""
        self.examples: Sequence[Example] = list(examples)
        self._folder = folder
        folder.mkdir(parents=True, exist_ok=True)
        for example in self.examples:
            path = self._path(example)
            if not path.exists():
                _store(path, example, features(example))
            progress(1)

    def layers(self, index: int) -> dict[str, NDArray[np.floating[Any]]]:
        """The layers of one example, float16, finest first."""
        with np.load(self._path(self.examples[index]), allow_pickle=False) as stored:
            return {name: stored[name] for name in stored.files}

    def digest(self) -> str:
        """SHA-256 over names, targets and layers."""
        whole = hashlib.sha256()
        for index, example in enumerate(self.examples):
            whole.update(f"{example.name} {example.mirrored} {example.height} {example.width}\n".encode())
            whole.update(example.boxes.tobytes() + example.labels.tobytes())
            for name, layer in self.layers(index).items():
                whole.update(f"{name} {layer.shape}\n".encode() + layer.tobytes())
        return whole.hexdigest()

    def _path(self, example: Example) -> Path:
        name = hashlib.sha256(f"{example.name} {example.mirrored}".encode()).hexdigest()[:24]
        return self._folder / f"{name}.npz"


def _store(path: Path, example: Example, features: FeatureSet) -> None:
    for name, layer in features.layers.items():
        if not np.isfinite(layer).all() or np.abs(layer).max() > _LARGEST:
            raise DatasetError(f"{example.name}: layer {name} holds a value beyond {_LARGEST:g}; it cannot be used")
    with atomic_file(path) as file:
        np.savez(file, **{name: layer.astype(np.float16) for name, layer in features.layers.items()})  # type: ignore[arg-type]


def split(examples: Sequence[Example], share: float, seed: int) -> tuple[list[int], list[int]]:
    """The indices for training, and those for selection: about ``share`` of the pictures, by a digest of their names.

    A picture and its mirror image are never on two sides; mirrored examples are not used for selection. Raises
    `DatasetError` where either side would be empty.
    """
    names = sorted(
        {example.name for example in examples}, key=lambda name: hashlib.sha256(f"{seed} {name}".encode()).digest()
    )
    chosen = set(names[: max(1, round(share * len(names)))]) if share else set()
    training = [index for index, example in enumerate(examples) if example.name not in chosen]
    selection = [index for index, example in enumerate(examples) if example.name in chosen and not example.mirrored]
    if not training or not selection:
        raise DatasetError(f"{len(names)} pictures cannot be split into training and selection; give more")
    return training, selection
