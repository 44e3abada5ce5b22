"""Trainings of tests: small pyramids in files, and workers that are none."""

from __future__ import annotations

import pickle
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from vcm_ref.configuration import load_configuration
from vcm_ref.experiment.tasks import Batch, Finished, Task
from vcm_ref.feature_set import FeatureSet
from vcm_ref.files.feature_file import save_feature_file
from vcm_ref.training.job import Job

#: A network that is trained in a second.
SMALL = [
    "training.coded_channels=6",
    "training.width=8",
    "training.steps=4",
    "training.batch=2",
    "training.evaluate_every=2",
    "training.average=0",
    "training.device=cpu",
]


def correlated(seed: int, channels: Sequence[int] = (3, 4), size: tuple[int, int] = (10, 14)) -> FeatureSet:
    """Layers, each of half the size of the one before, that share a few smooth sources; means are not 0."""
    random = np.random.default_rng(seed)
    mixing = np.random.default_rng(99)
    height, width = size
    sources = random.normal(size=(2, height, width)).cumsum(axis=1).cumsum(axis=2) / 8
    layers = {}
    for number, count in enumerate(channels):
        part = sources[:, :: 1 << number, :: 1 << number]
        values = (
            np.tensordot(mixing.normal(size=(count, 2)), part, 1) + random.normal(size=(count, *part.shape[1:])) / 20
        )
        layers[f"p{number}"] = (values + mixing.normal(size=(count, 1, 1))).astype(np.float32)
    return FeatureSet(4 * height, 4 * width, layers)


def saved(folder: Path, count: int, **shape: Any) -> list[Path]:
    """Feature files, of which the last has another size."""
    folder.mkdir(exist_ok=True)
    found = []
    for number in range(count):
        own = {**shape, "size": (6, 9)} if number == count - 1 else shape
        path = folder / f"{number:03}.safetensors"
        with path.open("wb") as file:
            save_feature_file(file, ".safetensors", correlated(number, **own))
        found.append(path)
    return found


def inline(batches: Iterator[Batch]) -> Iterator[Finished]:
    """Do tasks here, with arguments that have been in a pickle."""
    for batch in batches:
        for task in batch:
            assert isinstance(task, Task)
            function, arguments = pickle.loads(pickle.dumps((task.function, task.arguments)))
            yield Finished(task.name, task.kept_as or "", function(*arguments))


@contextmanager
def silent(total: int, description: str) -> Iterator[Any]:
    """No progress."""
    yield lambda done: None


def job(inputs: Sequence[Path], part: Path, *settings: str, lines: list[str] | None = None) -> Job:
    """A training of ``inputs``."""
    part.mkdir(exist_ok=True)
    configuration = load_configuration([], ["reduction.method=klt", *settings])
    record = {"network": {"name": "refnet", "sha256": ""}, "data": {}, "pictures": {"count": len(inputs), "sha256": []}}
    tell = (lines if lines is not None else []).append
    return Job(configuration, inputs, record, part, inline, silent, tell)
