"""Training of a model for ``reduction.method: network``: from data to the model, and the files beside it."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any, NamedTuple

from numpy.typing import NDArray
from safetensors.torch import load, save
from torch import Tensor

from vcm_ref.configuration import Configuration
from vcm_ref.configuration.sections import Training
from vcm_ref.conversion.levels import OFFSET_UNIT
from vcm_ref.conversion.reduction.network.model import CLEARED, OUTSIDE
from vcm_ref.encoding.level_settings import level_rounding
from vcm_ref.encoding.model_choice import shipped_digest
from vcm_ref.errors import ConfigError, ModelError, NetworkError, reason
from vcm_ref.files.atomic import atomic_file
from vcm_ref.models.choice import named_model
from vcm_ref.network import Network, load_network
from vcm_ref.reporting.progress import Begin, no_progress
from vcm_ref.reporting.provenance import versions
from vcm_ref.task.dataset import Dataset

from .curve import draw_curve, need_matplotlib
from .designs import Design, design_for
from .drawn.feed import drawn_examples, drawn_feed
from .drawn.parts import DRAWN
from .examples import StoredExamples, split
from .export import Exported, export
from .feeds import Fed
from .job import Job
from .klt import TABLE_QPS
from .level_tables import fitted_tables
from .methods import NETWORK_FILES
from .network_training import Result, train
from .networks.noise import Levels
from .networks.reduction_network import ReductionNetwork, multiplications
from .part2 import part2_of
from .pictures import are_features, store_feature_files, store_pictures
from .record import metadata


class Trained(NamedTuple):
    """A training that has ended: the model, and what is told beside it."""

    exported: Exported
    result: Result
    record: dict[str, Any]


def train_job(job: Job) -> bytes:
    """Train as ``vcm_train`` asks, write the files beside the output, and give the model."""
    described = metadata(job)
    trained = train_network(
        job.configuration, job.inputs, job.part, dataset=job.dataset, metadata=described, begin=job.progress
    )
    write_beside(job.part.with_name(job.part.name.removesuffix(".part")), trained)
    best = trained.record["best"]
    job.tell(f"best of {len(trained.result.history)} selections: loss {best['loss']:.4f} in step {best['step']}")
    job.tell(f"integers change the restored layers by {trained.exported.change:.3%} of their deviation")
    for name, count in trained.record["products"].items():
        job.tell(f"{name}: {count} multiply-accumulates for the first picture")
    return trained.exported.data


def train_network(
    configuration: Configuration,
    inputs: Sequence[Path],
    part: Path,
    *,
    dataset: Dataset | None = None,
    metadata: Mapping[str, str] | None = None,
    begin: Begin = no_progress,
) -> Trained:
    """Train on ``inputs``, pictures or feature files, or go on where a run was stopped that worked in ``part``.

    ``dataset`` gives the labels of pictures, which the loss ``task`` needs; ``metadata`` goes into the model. Raises
    `ConfigError`, `DatasetError` and `NetworkError`.
    """
    need_matplotlib()
    settings = configuration.coding.training or Training()
    from_files = are_features(inputs)
    drawn = settings.examples == "drawn"
    if (settings.crops or drawn) and settings.loss == "task":
        key = "examples" if drawn else "crops"
        raise ConfigError(f"training.{key}: parts of pictures have no labels; set training.loss to distillation")
    if from_files and drawn:
        raise ConfigError("training.examples: parts cannot be drawn of feature files; give pictures")
    if from_files and settings.loss == "task":
        raise ConfigError("training.loss: feature files have no labels; set it to distillation or features")
    start, klt = _start(settings.start), _klt(configuration, settings)
    fed: Fed | None = None
    network = None if from_files and settings.loss == "features" else _network(configuration)
    if from_files:
        examples = store_feature_files(part / "features", inputs, begin=begin)
    else:
        assert network is not None
        folder, upright = part / "features", configuration.get("apply_exif_orientation", True)
        if drawn:
            examples, read = drawn_examples(folder, inputs, network, upright=upright, begin=begin)
            fed = drawn_feed(settings, network, read)
        else:
            mirror, crops = settings.mirror, settings.crops
            examples = store_pictures(
                folder, inputs, network, dataset, mirror=mirror, crops=crops, upright=upright, begin=begin
            )
    described = network.describe() if network is not None else {}
    levels = _levels(configuration)
    with begin(settings.steps, "steps") as advance:
        result = train(
            settings,
            examples,
            part2_of(network) if network is not None and settings.loss != "features" else None,
            part,
            network=described,
            start=start,
            klt=klt,
            levels=levels,
            fed=fed,
            progress=advance,
        )
    training, selection = split(examples.examples, settings.selection_share, settings.seed)
    design = design_for(settings, examples.layers(0), klt)
    exported = export(
        result.model,
        examples,
        training,
        {**(metadata or {}), **({OUTSIDE: CLEARED} if settings.clear_outside else {})},
        weight_bits=settings.weight_bits,
        tables=_tables(design, result.model, examples, training, settings, levels),
        qps=tuple(dict.fromkeys(settings.noise_qps or (None,))),
    )
    record = {
        "training": asdict(settings),
        "network": described,
        "examples": {
            "sha256": examples.digest(),
            "training": len(training),
            "selection": len(selection),
            **({"drawn": DRAWN} if drawn else {}),
        },
        "klt_sha256": design.origin,
        "best": {"step": result.best_step, "loss": result.best_loss},
        "integer_change": exported.change,
        "products": _products(result, examples),
        "history": result.history,
        "versions": versions(),
    }
    return Trained(exported, result, record)


def write_beside(output: Path, trained: Trained) -> None:
    """Write the files that stand beside the model ``output``."""
    record, curve, weights = (output.with_name(output.name + end) for end in NETWORK_FILES)
    with atomic_file(record) as file:
        file.write(json.dumps(trained.record, indent=1).encode() + b"\n")
    draw_curve(curve, trained.result.history, trained.result.best_step)
    with atomic_file(weights) as file:
        file.write(save(dict(trained.result.model.state_dict())))


def _start(path: str | None) -> dict[str, Tensor] | None:
    """The weights in a file that a training wrote."""
    if path is None:
        return None
    try:
        data = named_model(path, None)
    except ModelError as error:
        raise ConfigError(f"training.start: {error}") from error
    try:
        return load(data)
    except Exception as error:  # safetensors has its own kinds
        raise ConfigError(f"training.start: {path}: is not a readable safetensors file: {reason(error)}") from error


def _klt(configuration: Configuration, settings: Training) -> bytes | None:
    """The model of the KLT after which a network restores: the one that is named, or that shipped for the network."""
    if settings.architecture == "msfc":
        return None
    try:
        return named_model(settings.klt, None if settings.klt else shipped_digest(configuration, "klt"))
    except (ModelError, NetworkError) as error:
        raise ConfigError(f"training.klt: {error}") from error


def _tables(
    design: Design,
    model: ReductionNetwork,
    examples: StoredExamples,
    training: Sequence[int],
    settings: Training,
    levels: Levels,
) -> Mapping[str, NDArray[Any]]:
    """The tables for the network's levels: the KLT's, or those of levels of its own."""
    if not design.own_levels:
        return design.tables
    return fitted_tables(model, examples, training, settings.noise_qps or TABLE_QPS, levels.rounding)


def _levels(configuration: Configuration) -> Levels:
    """How the configuration's codec makes levels, and what they stand for."""
    rounding, (one, more) = level_rounding(configuration)
    return Levels(rounding, (one / OFFSET_UNIT, more / OFFSET_UNIT))


def _network(configuration: Configuration) -> Network:
    options = {key: value for key, value in configuration.get("network").items() if value is not None}
    return load_network(options.pop("name"), **options)


def _products(result: Result, examples: StoredExamples) -> dict[str, int]:
    """Multiply–accumulates of analysis and synthesis for the first example."""
    *_, last = examples.layers(0).values()
    return multiplications(result.model, last.shape[1], last.shape[2])
