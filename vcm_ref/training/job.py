"""What a training has to do: its configuration, its inputs, and where it works."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from ..configuration import Configuration
from ..experiment.records import Record
from ..experiment.tasks import RunBatches
from ..reporting.progress import Begin
from ..task.dataset import Dataset


@dataclass(frozen=True)
class Job:
    """One training.

    ``inputs`` are pictures or feature files, in order; ``record`` is what the model will say of their origin and of the
    network. ``part`` is the folder of what has been done; it is there, beside the output, whose name it has with
    ``.part`` at the end. ``tell`` takes lines for the user. ``dataset`` is the one that the inputs are of, if any.
    """

    configuration: Configuration
    inputs: Sequence[Path]
    record: Record
    part: Path
    run_batches: RunBatches
    progress: Begin
    tell: Callable[[str], None]
    dataset: Dataset | None = None
