"""The methods of reduction that have something to train, by ``reduction.method``."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

from . import klt
from .beside import files_beside
from .job import Job
from .record import metadata


class Method(NamedTuple):
    """A function that trains a model, and the files that it writes beside the model of that name."""

    train: Callable[[Job], bytes]
    beside: Callable[[Path], list[Path]]


def _network(job: Job) -> bytes:
    """A network, by torch, which is imported only here."""
    from .network_method import train_network, write_beside

    trained = train_network(
        job.configuration,
        job.inputs,
        job.part,
        dataset=job.dataset,
        metadata=metadata(job),
        begin=job.progress,
    )
    write_beside(job.output, trained)
    return trained.exported.data


METHODS = {"klt": Method(klt.train, klt.files_beside), "network": Method(_network, files_beside)}
