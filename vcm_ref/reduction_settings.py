"""From a configuration and the layers to the reduction: its stages, and the models that they need."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from typing import NamedTuple

from .bitstream.headers import Model
from .bitstream.values import Layer, ModelSource
from .configuration import Configuration
from .conversion.reduction import Resize, Stage
from .errors import ModelError
from .feature_set import FeatureSet
from .models.choice import named_model
from .pca_settings import pca_stage


class Reduction(NamedTuple):
    """The stages in the order of coding, and the models that will be in force."""

    stages: list[Stage]
    models: list[Model]


def reduction_for(configuration: Configuration, layers: Sequence[Layer], features: FeatureSet) -> Reduction:
    """The reduction of pictures with these layers, of which the first is that of ``features``.

    Raises :class:`~vcm_ref.errors.ConfigError`.
    """
    method = configuration.get("reduction.method", "none")
    if method == "pca":
        return Reduction([pca_stage(configuration, features)], [])
    made = METHODS[method](configuration, layers)
    for stage, tensors in zip(made.stages, _before(made.stages, layers), strict=True):
        data = next((model.data for model in made.models if model.number == stage.model_id), b"")
        try:
            stage.ready(tensors, data)
        except ModelError as error:
            raise configuration.error("reduction.model", f"it does not fit: {error}") from error
    return made


def chosen_model(configuration: Configuration, kind: int, number: int = 0) -> Model:
    """The model that the configuration chooses for its reduction, as a model ``number`` of a ``kind`` of stage.

    It is the one that ``reduction.model`` or ``reduction.model_sha256`` names. Raises
    :class:`~vcm_ref.errors.ConfigError`.
    """
    path, digest = (configuration.get(f"reduction.{key}") for key in ("model", "model_sha256"))
    if path is None and digest is None:
        raise configuration.error("reduction.model", "a model is needed and none is named")
    try:
        data = named_model(path, digest)
    except ModelError as error:
        raise configuration.error("reduction.model", str(error)) from error
    source = ModelSource.DATA if configuration.get("reduction.carry_model") else ModelSource.REFERENCE
    return Model(number, kind, source, data, hashlib.sha256(data).digest())


def _none(configuration: Configuration, layers: Sequence[Layer]) -> Reduction:
    return Reduction([], [])


def _resize(configuration: Configuration, layers: Sequence[Layer]) -> Reduction:
    factors = configuration.per_layer("reduction.factor", [layer.name for layer in layers], 1)
    if all(factor == 1 for factor in factors):
        raise configuration.error("reduction.factor", "resizes no layer; give 2 or 4, or by layer")
    return Reduction([Resize([factor.bit_length() - 1 for factor in factors])], [])


#: By ``reduction.method``.
METHODS: dict[str, Callable[[Configuration, Sequence[Layer]], Reduction]] = {"none": _none, "resize": _resize}


def _before(stages: Sequence[Stage], layers: Sequence[Layer]) -> list[list[Layer]]:
    """The tensors that go into each stage."""
    before, current = [], list(layers)
    for stage in stages:
        before.append(current)
        current = stage.layers(current)
    return before
