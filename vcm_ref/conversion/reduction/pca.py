"""PCA: a tensor as a mean map, component maps and a coefficient for each channel (docs/bitstream.md, 6.24 and 8.9).

After Park et al., "A Feature Map Compression Method for Multi-resolution Feature Map with PCA-based Transformation",
JBE 27(1), 2022: the components are those of the picture itself, and all of them are in the bitstream.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import ClassVar, TypeVar

import numpy as np
from numpy.typing import NDArray

from ...bitstream.coder import Coder
from ...bitstream.table import fill, table
from ...bitstream.values import Layer, Samples, Shape, StageId
from ...errors import DatasetError
from ...models.cost import PartCost, StageCost
from ..quantisation import fixed_point_range, to_fixed_point
from .pca_analysis import Components, components_of

T = TypeVar("T")

#: Bits of fixed-point maps and coefficients, and the fraction bits of the latter (8.9).
MAP_BITS, COEFFICIENT_BITS, COEFFICIENT_FRACTION = 20, 18, 5
#: The most by which a component's coefficients are smaller than the first one's, as a shift.
MOST_SHIFT = 8
#: The fraction bits of maps are at most this, and at least minus this: so no restored value exceeds binary32.
MOST_FRACTION = 96
#: Maps that are restored at a time.
_CHUNK = 16
#: A stream's later pictures may have values up to this many times the first picture's, as a shift.
_HEADROOM = 2


@dataclass
class TensorComponents:
    """How one tensor is taken apart; without components it stays as it is.

    A map's fixed-point number has ``fraction_bits``. A coefficient's stands for 1 where it is ``1 << unit_shift``, of
    component k before the left shift by ``sum(deltas[:k])``.
    """

    components: int = 0
    fraction_bits: int = 0
    unit_shift: int = 0
    deltas: list[int] = field(default_factory=list)

    @property
    def shifts(self) -> NDArray[np.int64]:
        """The left shift of each component's coefficients ``(K,)``."""
        return np.cumsum([0, *self.deltas], dtype=np.int64)

    @classmethod
    def fitted(cls, found: Components, components: int) -> TensorComponents:
        """Parameters with which one step serves the coefficients of all components: that of an error in the maps.

        Powers of two bring the root mean square of a component's coefficients near that of its map in steps of
        a 1/1023 of the maps' range.
        """
        maps = found.maps[: components + 1]
        greatest, span = float(np.abs(maps).max()), float(maps.max() - maps.min())
        scale = found.coefficients.shape[0] * maps.shape[1]
        sizes = [
            _log2(energy / scale * (1023 / span) ** 2) for energy in found.energies[:components].tolist() if energy
        ]
        unit_shift = min(max([0, *sizes[:1]]), 15)
        lower = [min(max(unit_shift - size, 0), MOST_SHIFT) for size in sizes]
        shifts = np.maximum.accumulate([0, *lower[1:]]) if lower else np.zeros(1, np.int64)
        deltas = np.diff(shifts).tolist()
        deltas += [0] * (components - 1 - len(deltas))
        fraction_bits = MAP_BITS - 1 - _HEADROOM - math.frexp(greatest)[1]
        return cls(components, min(max(fraction_bits, -MOST_FRACTION), MOST_FRACTION), unit_shift, deltas)


def _log2(square: float) -> int:
    """The logarithm to base 2 of a square's root, rounded: exact, as a library's need not be."""
    return math.frexp(2 * square)[1] - 1 >> 1


@dataclass
class Pca:
    """Tensor ``i`` is coded by ``parameters[i]``."""

    parameters: list[TensorComponents] = field(default_factory=list)

    idc: ClassVar[int] = StageId.PCA
    clears_outside: ClassVar[bool] = False
    model_id: ClassVar[None] = None

    def layers(self, layers: Sequence[Layer]) -> list[Layer]:
        """Maps, or the tensor itself, in each tensor's place; then the coefficients of all."""
        maps = [
            Layer(f"{layer.name}.maps", own.components + 1) if own.components else layer
            for layer, own in self._each(layers)
        ]
        return [
            *maps,
            *(
                Layer(f"{layer.name}.coefficients", own.components)
                for layer, own in self._each(layers)
                if own.components
            ),
        ]

    def shapes(self, shapes: Sequence[Shape]) -> list[Shape]:
        """One map more than components, and coefficients ``(K, 1, C)``."""
        maps = [(own.components + 1, *shape[1:]) if own.components else shape for shape, own in self._each(shapes)]
        return [*maps, *((own.components, 1, shape[0]) for shape, own in self._each(shapes) if own.components)]

    def ready(self, layers: Sequence[Layer], model: bytes) -> Pca:
        """The stage itself, which needs no model."""
        return self

    def forward(self, tensors: Sequence[NDArray[np.float32]]) -> list[NDArray[np.float32]]:
        """Take each tensor apart.

        Raises :class:`~vcm_ref.errors.DatasetError` where its values are too large for the fraction bits.
        """
        maps, coefficients = [], []
        for tensor, own in self._each(tensors):
            if not own.components:
                maps.append(tensor)
                continue
            _, height, width = tensor.shape
            found = components_of(tensor, own.components)
            made = np.zeros((own.components + 1, height, width), np.float32)
            made[: len(found.maps)] = found.maps.reshape(-1, height, width)
            if np.abs(made).max() * 2.0**own.fraction_bits >= 1 << MAP_BITS - 1:
                if own.fraction_bits == -MOST_FRACTION:
                    raise DatasetError("a layer has values too large for pca; scale the features down")
                raise DatasetError(
                    "a picture's features are many times larger than the first one's; code it on its own"
                )
            maps.append(made)
            weights = 2.0 ** (own.unit_shift - COEFFICIENT_FRACTION - own.shifts)
            levels = np.zeros((own.components, 1, len(tensor)), np.float32)
            levels[: len(found.energies), 0] = (found.coefficients * weights[: len(found.energies)]).T
            coefficients.append(levels)
        return [*maps, *coefficients]

    def inverse(self, tensors: Sequence[Samples], shapes: Sequence[Shape]) -> list[Samples]:
        """Put each tensor together again, in integers below ``2**53``."""
        coefficients = iter(tensors[len(shapes) :])
        return [
            _restored(maps, next(coefficients), own) if own.components else maps
            for maps, own in self._each(tensors[: len(shapes)])
        ]

    def cost(self, shapes: Sequence[Shape]) -> StageCost:
        """The products of matrices; the search for eigenvectors is not counted, as its length depends on values."""
        reduction = restoration = 0
        for (channels, height, width), own in self._each(shapes):
            if own.components:
                values = channels * height * width
                reduction += values * (min(channels, height * width) + own.components)
                restoration += values * own.components
        return StageCost(PartCost(reduction, 0), PartCost(restoration, 0))

    def syntax(self, s: Coder, layers: Sequence[Layer]) -> None:
        """Code the parameters of each tensor."""
        pca(s, self, len(layers))
        after = self.layers(layers)
        s.require(len({layer.name for layer in after}) == len(after), "a stage PCA gives two tensors the same name")

    def _each(self, items: Sequence[T]) -> Iterator[tuple[T, TensorComponents]]:
        return zip(items, self.parameters, strict=True)


@table("6.24")
def pca(s: Coder, stage: Pca, num_tensors: int) -> None:
    """The parameters of the stage PCA: the components of each tensor, and their scales."""
    fill(s, stage.parameters, num_tensors, TensorComponents)
    for i in range(num_tensors):
        own = stage.parameters[i]
        components = s("pca_components", own.components)
        own.components = components
        if components > 0:
            own.fraction_bits = s("pca_fraction_bits", own.fraction_bits)
            own.unit_shift = s("pca_unit_shift", own.unit_shift)
            fill(s, own.deltas, components - 1, int)
            for k in range(components - 1):
                own.deltas[k] = s("pca_shift_delta", own.deltas[k])
            s.require(sum(own.deltas) <= MOST_SHIFT, f"shifts of components add up to {sum(own.deltas)}")
    s.require(any(own.components for own in stage.parameters), "a stage PCA does not split a tensor")


def _restored(maps: Samples, coefficients: Samples, own: TensorComponents) -> Samples:
    """The mean map plus the product of coefficients and components, rounded to the maps' fraction bits."""
    count, height, width = maps.samples.shape
    basis = to_fixed_point(maps, own.fraction_bits, MAP_BITS).reshape(count, -1).astype(np.float64)
    weights = to_fixed_point(coefficients, COEFFICIENT_FRACTION, COEFFICIENT_BITS)[:, 0].T.astype(np.float64)
    weights *= 2.0**own.shifts
    unit = float(1 << own.unit_shift)
    basis[0] *= unit
    basis[0] += 1 << own.unit_shift >> 1
    restored = np.empty((len(weights), height * width), np.int32)
    for first in range(0, len(weights), _CHUNK):
        values = weights[first : first + _CHUNK] @ basis[1:]
        values += basis[0]
        values /= unit
        np.floor(values, out=values)
        np.clip(values, -(2.0**31), 2.0**31 - 1, out=values)
        restored[first : first + _CHUNK] = values
    return Samples(restored.reshape(-1, height, width), fixed_point_range(own.fraction_bits), 1)
