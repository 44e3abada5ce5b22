"""Which network is trained: an MSFC network of random weights, a restoration after a KLT, or both of its sides."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from torch import nn

from vcm_ref.codec.coefficients.tables import CONTEXT_COUNTS, SCALES
from vcm_ref.configuration.sections import Training
from vcm_ref.conversion.reduction.klt_model import KltModel
from vcm_ref.errors import ConfigError, ModelError
from vcm_ref.models.tensors import read_tensors

from .losses.context_rate import ContextRate
from .networks.learned import LearnedKlt
from .networks.msfc import Architecture, Msfc
from .networks.reduction_network import ReductionNetwork
from .networks.restoration import RestoredKlt, linear_inverse

Layers = Mapping[str, NDArray[np.floating[Any]]]

_MSFC_DEVIATION = 1.0
"""The deviation of coded maps from which the rate's scales start; batch normalisation begins with it."""


class Design(NamedTuple):
    """A network that can be built, and what else its model holds: the tables that its levels are coded with.

    ``origin`` identifies what it is built from, besides the settings. ``rate`` builds the module that gives the rate of
    its levels in training, without which it is a Laplace distribution a map. With ``own_levels``, the levels are not
    the KLT's, whose tables do not suit them.
    """

    build: Callable[[], ReductionNetwork]
    tables: Mapping[str, NDArray[Any]] = {}
    origin: str = ""
    rate: Callable[[], nn.Module] | None = None
    own_levels: bool = False


def design_for(settings: Training, layers: Layers, klt: bytes | None = None) -> Design:
    """The network of ``settings`` for pictures with layers like these.

    ``klt`` is the model of a KLT, for a network that needs one. Raises `ConfigError`.
    """
    if settings.architecture == "msfc":
        architecture = architecture_for(settings, layers)
        if not settings.noise_qps:
            return Design(lambda: Msfc(architecture))
        deviations = [_MSFC_DEVIATION] * architecture.coded
        return Design(lambda: Msfc(architecture), rate=lambda: ContextRate(deviations), own_levels=True)
    if klt is None:
        raise ConfigError("training.klt: the model of the KLT is missing; name one")
    try:
        return _after_klt(settings, layers, klt)
    except ModelError as error:
        raise ConfigError(f"training.klt: the model does not fit: {error}") from error


def _after_klt(settings: Training, layers: Layers, data: bytes) -> Design:
    model, tensors = KltModel.of(data), read_tensors(data)
    count = settings.coded_channels
    if count > model.components:
        raise ModelError(f"it has {model.components} components, and training.coded_channels is {count}")
    channels = [len(layer) for layer in layers.values()]
    if len(channels) != len(model.layers):
        raise ModelError(f"it is for {len(model.layers)} layers, and there are {len(channels)}")
    inverse = linear_inverse(model, channels, count)
    _, height, width = list(layers.values())[-1].shape
    last = inverse.shifts[-1]
    for (name, layer), shift in zip(layers.items(), inverse.shifts, strict=True):
        if (layer.shape[1] << last, layer.shape[2] << last) != (height << shift, width << shift):
            raise ModelError(f"layer {name} is {layer.shape[2]}x{layer.shape[1]}, which has parts of its blocks alone")
    scales, counts = tensors.get(SCALES), tensors.get(CONTEXT_COUNTS)
    if scales is None or counts is None or len(scales) != model.components:
        raise ModelError("it has no tables for levels; train it with vcm_train")
    deviations = np.sqrt(2) * 2.0 ** ((scales[:count].astype(float) - 128) / 6)  # of Laplacian variables (8.10.5)
    learned = settings.architecture == "learned"
    kind = LearnedKlt if learned else RestoredKlt
    return Design(
        lambda: kind(inverse, model.gain, deviations.tolist(), settings.width, settings.blocks),
        {SCALES: scales[:count], CONTEXT_COUNTS: counts},
        hashlib.sha256(data).hexdigest(),
        (lambda: ContextRate(deviations.tolist())) if learned else None,
        learned,
    )


def architecture_for(settings: Training, layers: Layers) -> Architecture:
    """The sizes of the network for layers like these.

    Raises `ConfigError` where a layer's height and width are not the coarsest layer's times a power of two.
    """
    _, height, width = list(layers.values())[-1].shape
    shifts = []
    for name, layer in layers.items():
        shift = max(0, round(np.log2(layer.shape[1] / height)))
        if layer.shape[1:] != (height << shift, width << shift):
            raise ConfigError(
                f"layer {name} is {layer.shape[2]}x{layer.shape[1]}, which is not a power of two times the last "
                f"layer's {width}x{height}"
            )
        shifts.append(shift)
    if shifts != sorted(shifts, reverse=True):
        raise ConfigError(f"the layers {', '.join(layers)} do not come finest first")
    return Architecture(
        tuple(len(layer) for layer in layers.values()),
        tuple(shifts),
        settings.direction,
        settings.coded_channels,
        settings.width,
        settings.squeezed,
        settings.placed,
    )
