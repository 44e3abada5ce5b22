"""Sums over all inputs, by workers, that an interrupted training keeps.

What is summed are arrays of integers, so that neither the order nor the workers have a part in the result.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..errors import ConfigError
from ..experiment.stages.values import stage
from ..experiment.tasks import Task, TaskError
from ..files.atomic import atomic_file
from .job import Job

Sums = dict[str, NDArray[np.int64]]
Summed = Callable[..., Sums]

#: Inputs of one task: their sums are added up before they leave the worker.
CHUNK = 8
_DONE = "done"


def summed(job: Job, name: str, function: Summed, *arguments: Any) -> Sums:
    """The sum of ``function(input, *arguments)`` over all inputs; what an earlier run has of it is not done again.

    ``name`` is that of the file in the job's folder. Raises :class:`~vcm_ref.experiment.tasks.TaskError`.
    """
    kept = job.part / f"{name}.npz"
    chunks = [job.inputs[start : start + CHUNK] for start in range(0, len(job.inputs), CHUNK)]
    done, total = _load(kept)
    left = [number for number in range(len(chunks)) if number not in done]
    if not left:
        return total
    batches = ([Task(str(number), _chunk, (function, chunks[number], arguments), "sums")] for number in left)
    with job.progress(sum(len(chunks[number]) for number in left), "pictures") as advance:
        for finished in job.run_batches(iter(batches)):
            if isinstance(finished.result, TaskError):
                raise finished.result
            _add(total, finished.result)
            done.add(int(finished.name))
            _save(kept, done, total)
            advance(len(chunks[int(finished.name)]))
    return total


@stage
def _chunk(function: Summed, inputs: Sequence[Path], arguments: tuple[Any, ...]) -> Sums:
    total: Sums = {}
    for path in inputs:
        _add(total, function(path, *arguments))
    return total


def _add(total: Sums, more: Sums) -> None:
    for name, array in more.items():
        if name in total:
            total[name] += array
        else:
            total[name] = array


def _save(path: Path, done: set[int], total: Sums) -> None:
    with atomic_file(path) as file:
        arrays: dict[str, Any] = {_DONE: np.array(sorted(done), np.int64), **total}
        np.savez(file, **arrays)


def _load(path: Path) -> tuple[set[int], Sums]:
    if not os.path.isfile(path):
        return set(), {}
    try:
        with np.load(path, allow_pickle=False) as file:
            arrays: Iterator[tuple[str, NDArray[Any]]] = ((name, file[name]) for name in file.files)
            total = dict(arrays)
        return {int(number) for number in total.pop(_DONE)}, total
    except Exception as error:  # numpy, zipfile and zlib each have their own kinds
        raise ConfigError(f"{path}: is damaged; remove {path.parent} to start again") from error
