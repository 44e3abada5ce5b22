"""Training of a model for ``reduction.method: network``: from data to the model's file, its record and its curve."""

from __future__ import annotations

import json
import shutil
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any, NamedTuple

from safetensors.torch import load, save
from torch import Tensor

from vcm_ref.atomic import atomic_file, companion
from vcm_ref.configuration import Configuration
from vcm_ref.configuration.sections import Training
from vcm_ref.errors import ConfigError, reason
from vcm_ref.network import Network, load_network
from vcm_ref.provenance import versions

from .curve import draw_curve, need_matplotlib
from .examples import StoredExamples, split
from .export import export
from .network_training import Result, train
from .networks.msfc import multiplications
from .part2 import part2_of
from .pictures import Begin, feature_files, no_progress, store_feature_files, store_pictures


class Trained(NamedTuple):
    """A training that has ended: its record, and what integers change."""

    record: Mapping[str, Any]
    change: float


def outputs(output: Path) -> list[Path]:
    """All files that a training writes: the model, its record, the curve of its losses, and the weights in float32."""
    return [
        output,
        companion(output),
        *(output.with_name(output.name + end) for end in (".png", ".weights.safetensors")),
    ]


def part_folder(output: Path) -> Path:
    """The folder of a training that has not ended: features and checkpoints."""
    return output.with_name(output.name + ".part")


def train_network(configuration: Configuration, data: Path, output: Path, begin: Begin = no_progress) -> Trained:
    """Train on ``data`` and write the model to ``output``, or go on where a run was stopped.

    ``data`` is a data set, whose pictures go through the configuration's network, or a folder of feature files. Raises
    `ConfigError`, `DatasetError` and `NetworkError`.
    """
    need_matplotlib()
    settings = configuration.coding.training or Training()
    part = part_folder(output)
    from_files = data.is_dir()
    if from_files and settings.loss == "task":
        raise ConfigError("training.loss: feature files have no labels; set it to distillation or features")
    network = None if from_files and settings.loss == "features" else _network(configuration)
    examples = _examples(part / "features", data, network, settings, begin)
    part2 = part2_of(network) if network is not None and settings.loss != "features" else None
    described = network.describe() if network is not None else {}
    with begin(settings.steps, "steps") as advance:
        result = train(
            settings,
            examples,
            part2,
            part,
            network=described,
            start=_start(settings.start),
            progress=lambda done, told: advance(done),
        )
    training, selection = split(examples.examples, settings.selection_share, settings.seed)
    record = {
        "method": "network",
        "training": asdict(settings),
        "network": described,
        "data": {
            "name": data.name,
            "sha256": examples.digest(),
            "training": len(training),
            "selection": len(selection),
        },
        "best": {"step": result.best_step, "loss": result.best_loss},
        "history": result.history,
        "products": _products(result, examples),
        "versions": versions(),
    }
    exported = export(result.model, examples, training, {"vcm_ref": json.dumps(record)})
    with atomic_file(output) as file:
        file.write(exported.data)
    _, beside, curve, weights = outputs(output)
    with atomic_file(beside) as file:
        file.write(json.dumps({**record, "integer_change": exported.change}, indent=1).encode() + b"\n")
    draw_curve(curve, result.history, result.best_step)
    with atomic_file(weights) as file:
        file.write(save(dict(result.model.state_dict())))
    shutil.rmtree(part, ignore_errors=True)
    return Trained(record, exported.change)


def _start(path: str | None) -> dict[str, Tensor] | None:
    """The weights in a file that a training wrote."""
    if path is None:
        return None
    try:
        return load(Path(path).read_bytes())
    except Exception as error:  # safetensors has its own kinds
        raise ConfigError(f"training.start: {path} cannot be read: {reason(error)}") from error


def _network(configuration: Configuration) -> Network:
    options = {key: value for key, value in configuration.get("network").items() if value is not None}
    return load_network(options.pop("name"), **options)


def _examples(folder: Path, data: Path, network: Network | None, settings: Training, begin: Begin) -> StoredExamples:
    if data.is_dir():
        return store_feature_files(folder, feature_files(data), begin=begin)
    assert network is not None
    return store_pictures(folder, data, network, mirror=settings.mirror, begin=begin)


def _products(result: Result, examples: StoredExamples) -> dict[str, int]:
    """Multiply–accumulates of analysis and synthesis for the first example."""
    *_, last = examples.layers(0).values()
    return multiplications(result.model.architecture, last.shape[1], last.shape[2])
