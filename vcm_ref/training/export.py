"""From a trained network to a model of the kind NETWORK (docs/bitstream.md, 8.11), and the difference that it makes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from vcm_ref.bitstream.values import Samples
from vcm_ref.conversion.quantisation import dequantise, fixed_point_range
from vcm_ref.conversion.reduction.network.model import NetworkModel, read_model
from vcm_ref.conversion.reduction.network.transform import NetworkTransform

from .examples import Examples
from .integer import Widths, to_graph
from .networks.reduction_network import ReductionNetwork

CALIBRATION = 16
"""Pictures from which the widths of the integers follow."""

_ACTIVATIONS = {8: 12, 16: 16}
"""Bits of the tensors between, by those of the weights. Twelve change little beside weights of eight bits, and parts of
most sums are then exact in binary32."""

_FRACTION = 24
"""Fraction bits in which a tensor passes from one graph to the other where nothing is to be lost."""


class Exported(NamedTuple):
    """A model's bytes, and the largest relative change that integers make.

    It is the square root of the mean squared difference of a layer restored by integers from the same restored in
    float32, over the layer's deviation; of the layers the largest.
    """

    data: bytes
    change: float


def export(
    model: ReductionNetwork,
    examples: Examples,
    chosen: Sequence[int],
    metadata: Mapping[str, str],
    *,
    weight_bits: int = 16,
    tables: Mapping[str, NDArray[Any]] | None = None,
    qps: Sequence[int | None] = (None,),
) -> Exported:
    """The integer model of ``model``, calibrated on the first of the examples ``chosen``.

    ``weight_bits``, 8 or 16, are those of both graphs. ``tables`` are what levels are coded with; ``qps`` are
    those of the values from which the decoder's graph is calibrated. Raises :class:`~vcm_ref.errors.NetworkError` and
    :class:`~vcm_ref.errors.ModelError` where the network cannot be an integer graph.
    """
    model = model.eval()
    layers = [_tensors(examples, index) for index in chosen[:CALIBRATION]]
    widths = Widths(activations=_ACTIVATIONS[weight_bits], weights=weight_bits)
    with torch.no_grad():
        given = [model.given(model.analysed(own, qp), qp) for own in layers for qp in qps]
    taken = [model.taken(own, qp) for own in layers for qp in (qps if model.analysis_conditioned else qps[:1])]
    conditioned = model.analysis_conditioned
    analysis = to_graph(model.analysis, taken, model.shifts, conditioned=conditioned, widths=widths)
    graph = to_graph(model.synthesis, given, [0], conditioned=model.conditioned, widths=widths)
    data = NetworkModel(graph, analysis).to_bytes(metadata, tables)
    return Exported(data, max(_change(model, data, own, qp) for own in layers[:4] for qp in qps))


@torch.no_grad()
def _change(model: ReductionNetwork, data: bytes, layers: list[Tensor], qp: int | None) -> float:
    """The largest relative difference between the layers that integers restore and those of the network itself."""
    restored = _restored(data, model.shifts, qp or 0, [layer[0].numpy() for layer in layers])
    expected = model.restored(model.analysed(layers, qp), qp)
    return max(
        float(np.sqrt(np.mean((ours - theirs[0].numpy()) ** 2)) / max(float(layer.std()), 1e-9))
        for ours, theirs, layer in zip(restored, expected, layers, strict=True)
    )


def _restored(
    data: bytes, shifts: Sequence[int], condition: int, layers: Sequence[NDArray[np.float32]]
) -> list[NDArray[np.float32]]:
    """What integers make of ``layers`` (C, H, W) when the tensor between both graphs is not quantised."""
    transform = NetworkTransform(read_model(data), shifts, condition)
    shapes = [(len(layer), *layer.shape[1:]) for layer in layers]
    tensors = []
    for tensor in transform.forward(layers):
        scaled = np.rint(np.ldexp(tensor.astype(np.float64), _FRACTION)).astype(np.int64)
        tensors.append(Samples(scaled, fixed_point_range(_FRACTION), 1))
    return [dequantise(samples) for samples in transform.inverse(tensors, shapes)]


def _tensors(examples: Examples, index: int) -> list[Tensor]:
    return [torch.from_numpy(layer.astype(np.float32))[None] for layer in examples.layers(index).values()]
