"""The methods of reduction that have something to train, by ``reduction.method``."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

from ..errors import NetworkError
from . import klt
from .job import Job

#: The ends of the names of the files that stand beside a network's model: record, curve of the losses, float32 weights.
NETWORK_FILES = (".json", ".png", ".weights.safetensors")


class Method(NamedTuple):
    """What trains a method's model, and the ends of the names of the files that it writes beside the model."""

    train: Callable[[Job], bytes]
    beside: tuple[str, ...] = ()

    def files_beside(self, output: Path) -> list[Path]:
        """The files beside the model ``output``."""
        return [output.with_name(output.name + end) for end in self.beside]


def _network(job: Job) -> bytes:
    """Train a network; torch is imported only here."""
    try:
        from .network_method import train_job
    except ImportError as error:
        if (error.name or "").startswith("vcm_ref"):
            raise
        raise NetworkError(f"training needs the package {error.name}: pip install 'vcm-ref[training]'") from error
    return train_job(job)


METHODS = {"klt": Method(klt.train, (klt.FIGURE,)), "network": Method(_network, NETWORK_FILES)}
