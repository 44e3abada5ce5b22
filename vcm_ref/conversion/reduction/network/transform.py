"""The stage NETWORK at work: layers to tensors and back (docs/bitstream.md, 8.9 and 8.11)."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from ....bitstream.values import Samples, Shape
from ....errors import DatasetError, ModelError
from ....models.cost import PartCost, StageCost
from ...quantisation import fixed_point_range, to_fixed_point
from .evaluation import Evaluator
from .graph import Graph
from .model import NetworkModel

#: A layer is refused where a value is this many times the largest integer that stands for one.
_MOST_EXCESS = 16.0


class NetworkTransform:
    """A model with the shift of each layer, and the number that its graphs are given besides the tensors."""

    def __init__(self, model: NetworkModel, shifts: Sequence[int], condition: int) -> None:
        self._model, self._shifts, self._condition = model, shifts, condition
        self.clears_outside = model.clears_outside

    def check_forward(self) -> None:
        """:class:`ModelError` where the model has no graph for an encoder, or an unfit one."""
        analysis = self._model.analysis
        if analysis is None:
            raise ModelError("it has no graph for an encoder, or a damaged one")
        if _ends(analysis) != _ends(self._model.graph)[::-1]:
            raise ModelError("its graph for an encoder does not give the tensors that the decoder's graph takes")

    def forward(self, tensors: Sequence[NDArray[np.float32]]) -> list[NDArray[np.float32]]:
        """Make tensors of layers with the encoder's graph, in integers, and so the same on every machine.

        Values a little beyond its integers are clipped. Raises :class:`ModelError` where the model has no graph for
        such layers, :class:`DatasetError` for NaN, infinity, and values far beyond.
        """
        if not all(np.isfinite(layer).all() for layer in tensors):
            raise DatasetError("a layer holds NaN or infinity, which no model can take")
        graph = self._analysis.graph
        points = lattice([(len(layer), *layer.shape[1:]) for layer in tensors], self._shifts)
        for layer, given in zip(tensors, graph.inputs, strict=True):
            if np.abs(layer).max() >= np.ldexp(_MOST_EXCESS, given.bits - 1 - given.fraction):
                raise DatasetError("the features are many times larger than those that the model was trained on")
        inputs = [
            _integers(_continued(layer, points, shift), given.fraction, given.bits)
            for layer, shift, given in zip(tensors, self._shifts, graph.inputs, strict=True)
        ]
        results = self._analysis(inputs, self._condition)
        return [
            np.ldexp(result.astype(np.float64), -output.fraction).astype(np.float32)
            for result, output in zip(results, graph.outputs, strict=True)
        ]

    def inverse(self, tensors: Sequence[Samples], shapes: Sequence[Shape]) -> list[Samples]:
        """Restore layers of ``shapes`` as int32 samples, which stand for themselves by a power of two."""
        graph = self._model.graph
        inputs = [
            to_fixed_point(tensor, given.fraction, given.bits)
            for tensor, given in zip(tensors, graph.inputs, strict=True)
        ]
        results = self._restoration(inputs, self._condition)
        return [
            Samples(result[:, :height, :width], fixed_point_range(output.fraction), 1)
            for result, output, (_, height, width) in zip(results, graph.outputs, shapes, strict=True)
        ]

    def cost(self, shapes: Sequence[Shape]) -> StageCost:
        """The products of both graphs' convolutions; a model without a graph for an encoder reduces nothing."""
        points = lattice(shapes, self._shifts)
        own, analysis = self._model.graph, self._model.analysis
        restoration = PartCost(own.products(points), own.parameters)
        if analysis is None:
            return StageCost(PartCost(0, 0), restoration)
        return StageCost(PartCost(analysis.products(points), analysis.parameters), restoration)

    @cached_property
    def _restoration(self) -> Evaluator:
        return Evaluator(self._model.graph)

    @cached_property
    def _analysis(self) -> Evaluator:
        self.check_forward()
        assert self._model.analysis is not None
        return Evaluator(self._model.analysis)


def lattice(shapes: Sequence[Shape], shifts: Sequence[int]) -> tuple[int, int]:
    """Height and width of the smallest lattice that covers tensors of ``shapes`` ``(C, H, W)`` (7.25)."""
    height = max(-(-shape[1] >> shift) for shape, shift in zip(shapes, shifts, strict=True))
    width = max(-(-shape[2] >> shift) for shape, shift in zip(shapes, shifts, strict=True))
    return height, width


def _ends(graph: Graph) -> tuple[list[tuple[int, int | None]], list[tuple[int, int | None]]]:
    """Channels and shifts of what a graph takes, and of what it gives."""
    forms = [graph.forms[output.tensor] for output in graph.outputs]
    return [given[:2] for given in graph.inputs], [(form.channels, form.shift) for form in forms]


def _continued(layer: NDArray[np.float32], points: tuple[int, int], shift: int) -> NDArray[np.float32]:
    """The layer with its last line and column repeated up to the lattice's edge."""
    below, right = ((side << shift) - size for side, size in zip(points, layer.shape[1:], strict=True))
    return np.pad(layer, ((0, 0), (0, below), (0, right)), mode="edge")


def _integers(layer: NDArray[np.float32], fraction: int, bits: int) -> NDArray[np.int32]:
    """Values rounded to fixed point and clipped, as :func:`to_fixed_point` does with samples."""
    values = np.floor(np.ldexp(layer.astype(np.float64), fraction) + 0.5)
    return np.clip(values, -(1 << (bits - 1)), (1 << (bits - 1)) - 1).astype(np.int32)
