"""From a configuration and the layers to the reduction: its stages, and the models that they need."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np

from ..bitstream.headers import Model
from ..bitstream.values import Layer, ModelSource
from ..codec.coefficients.tables import SCALES
from ..configuration import Configuration
from ..conversion.reduction import Klt, Network, Resize, Stage
from ..conversion.reduction.klt_model import KltModel
from ..errors import ModelError
from ..feature_set import FeatureSet
from ..models.choice import named_model
from ..models.tensors import Tensors, read_metadata, read_tensors
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
    return METHODS[method](configuration, layers)


def chosen_model(configuration: Configuration, kind: int, number: int = 0) -> Model:
    """The model that the configuration chooses for its reduction, as a model ``number`` of a ``kind`` of stage.

    It is the one that ``reduction.model`` or ``reduction.model_sha256`` names. Raises
    :class:`~vcm_ref.errors.ConfigError`.
    """
    path, digest = (configuration.get(f"reduction.{key}") for key in ("model", "model_sha256"))
    if path is None and digest is None:
        raise configuration.error("reduction.model", "the model is missing; name one")
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
        raise configuration.error("reduction.factor", "does not resize a layer; give 2 or 4, or a value for each layer")
    return Reduction([Resize([factor.bit_length() - 1 for factor in factors])], [])


def _klt(configuration: Configuration, layers: Sequence[Layer]) -> Reduction:
    model = chosen_model(configuration, Klt.idc)
    try:
        known = KltModel.of(model.data)
        shifts = known.shifts(layers)
    except ModelError as error:
        raise configuration.error("reduction.model", f"the model does not fit: {error}{_trained_for(model)}") from error
    components = configuration.get("reduction.components")
    if components is None:
        components = _worthwhile(configuration, known, read_tensors(model.data))
    if not isinstance(components, int) or components == 0:
        raise configuration.error("reduction.components", "is by layer, or 0; the KLT is of all layers together")
    if components > known.components:
        raise configuration.error("reduction.components", f"the model has {known.components} components")
    return Reduction([Klt(components, shifts, model.number)], [model])


#: A component is coded where its mean magnitude is at least 2**(-20/6) steps: 20 QPs. More components than these cost
#: next to nothing and bring nothing.
_LEAST_MEAN = 20


def _worthwhile(configuration: Configuration, model: KltModel, tensors: Tensors) -> int:
    """How many of a model's components are worth their bits: all but the last ones that the step size makes noise."""
    scales = tensors.get(SCALES)
    if configuration.get("codec.name") != "coefficients" or scales is None or len(scales) != model.components:
        return model.components
    step = 128 + configuration.get("codec.qp") - 32  # as a scale: the mean magnitude of 8.10.5
    large = np.flatnonzero(scales.astype(int) >= step - _LEAST_MEAN)
    return int(large[-1]) + 1 if len(large) else 1


def _trained_for(model: Model) -> str:
    """What a model's record says of its network, for messages."""
    try:
        network = read_metadata(model.data).get("network")
    except ModelError:
        return ""
    return f"; it was trained for the network {network[:100]}" if network else ""


def _network(configuration: Configuration, layers: Sequence[Layer]) -> Reduction:
    model = chosen_model(configuration, Network.idc)
    try:
        stage = Network.of(model.data, layers, model.number, _condition(configuration))
    except ModelError as error:
        raise configuration.error("reduction.model", f"the model does not fit: {error}{_trained_for(model)}") from error
    return Reduction([stage], [model])


def _condition(configuration: Configuration) -> int:
    """The number that a network is given besides the tensors."""
    given: int | None = configuration.get("reduction.condition")
    if given is not None:
        return given
    qp: int = 0 if configuration.get("codec.name") == "lossless" else configuration.get("codec.qp")
    return qp


#: By ``reduction.method``.
METHODS: dict[str, Callable[[Configuration, Sequence[Layer]], Reduction]] = {
    "none": _none,
    "resize": _resize,
    "klt": _klt,
    "network": _network,
}
