"""KLT: all layers become components by a trained linear map, and are restored from them (docs/bitstream.md, 8.9).

Both directions sum products of integers in binary64 matrix products. No partial sum reaches 2**53, so that each is
exact, and the results are the same in any order of summation, on any machine, with any number of threads.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from ...bitstream.coder import Coder
from ...bitstream.table import fill, table
from ...bitstream.values import Layer, Samples, Shape, StageId
from ...errors import DatasetError, ModelError
from ...models.cost import PartCost, StageCost
from ..quantisation import fixed_point_range, to_fixed_point
from .klt_model import KltModel, LayerModel, LinearMap

NAME = "klt"
#: Bits, and of these fraction bits, of components: those decoded, and those between the two steps.
BITS, FRACTION = 20, 8
#: Fraction bits of ``scale``.
SCALE_FRACTION = 20
#: Fraction bits of restored layers; they have 32 bits.
LAYER_FRACTION = 14
#: Bits and fraction bits of layers in the encoder.
_GIVEN_BITS, _GIVEN_FRACTION = 24, 10
_BLOCK = 1 << 20
_ROWS = 1 << 12

Numbers = NDArray[np.float64]


@dataclass
class Klt:
    """``components`` of a model's are coded; layer i is taken in blocks of ``2**shifts[i]`` by ``2**shifts[i]``."""

    components: int = 1
    shifts: list[int] = field(default_factory=list)
    model_id: int = 0

    idc: ClassVar[int] = StageId.KLT

    def layers(self, layers: Sequence[Layer]) -> list[Layer]:
        """One tensor of all components."""
        return [Layer(NAME, self.components)]

    def shapes(self, shapes: Sequence[Shape]) -> list[Shape]:
        """The components lie at the positions of the layer that has most blocks."""
        blocks = [_blocks(shape, shift) for shape, shift in zip(shapes, self.shifts, strict=True)]
        return [(self.components, max(rows for rows, _ in blocks), max(columns for _, columns in blocks))]

    def ready(self, layers: Sequence[Layer], model: bytes) -> KltTransform:
        """The transform with its model. Raises :class:`ModelError`."""
        known = KltModel.of(model)
        if known.shifts(layers) != self.shifts:
            raise ModelError(f"its layers have the shifts {known.shifts(layers)}, the stage has {self.shifts}")
        if self.components > known.components:
            raise ModelError(f"it has {known.components} components, and {self.components} are coded")
        return KltTransform(self, known)

    def syntax(self, s: Coder, layers: Sequence[Layer]) -> None:
        """Code the model's number, the components and the shifts."""
        klt(s, self, len(layers))


@table("6.23")
def klt(s: Coder, stage: Klt, num_tensors: int) -> None:
    """The parameters of the stage KLT: the model, how many of its components are coded, and the layers' blocks."""
    stage.model_id = s("model_id", stage.model_id)
    stage.components = s("klt_components_minus1", stage.components - 1) + 1
    fill(s, stage.shifts, num_tensors, int)
    for i in range(num_tensors):
        stage.shifts[i] = s("klt_shift", stage.shifts[i])


@dataclass(frozen=True)
class KltTransform:
    """The stage with its model."""

    stage: Klt
    model: KltModel

    clears_outside: ClassVar[bool] = True

    def forward(self, tensors: Sequence[NDArray[np.float32]]) -> list[NDArray[np.float32]]:
        """Project float32 layers ``(C, H, W)`` on the components; beyond its edges a layer repeats them.

        Raises :class:`DatasetError` where layers or components are larger than the numbers that stand for them.
        """
        for tensor in tensors:
            _check_size(tensor, 2.0 ** (_GIVEN_BITS - 1 - _GIVEN_FRACTION - self.model.gain))
        shapes: list[Shape] = [(len(tensor), *tensor.shape[1:]) for tensor in tensors]
        ((components, height, width),) = self.stage.shapes(shapes)
        sums = np.zeros((components, height * width))
        for tensor, layer, shift in zip(tensors, self.model.layers, self.stage.shifts, strict=True):
            numbers, fraction = (
                given_numbers(tensor, self.model.gain, (height << shift, width << shift)),
                _GIVEN_FRACTION,
            )
            if layer.first is not None:
                first_shift = _first_shift(layer, len(tensor))
                numbers, fraction, shift = first_step(numbers, layer.first, first_shift), FRACTION, shift - first_shift
                _check_size(numbers, (1 << BITS - 1) - 1)
            mean = _rounded(layer.joint.mean.astype(np.float64), _mean_fraction(layer) - fraction)
            _add_products(sums, numbers, layer.joint, mean, shift, fraction)
        sums *= layer.joint.scale[:components, None] * 2.0 ** -(SCALE_FRACTION + _GIVEN_FRACTION)
        _check_size(sums, 2.0 ** (BITS - 1 - FRACTION))
        return [sums.astype(np.float32).reshape(components, height, width)]

    def inverse(self, tensors: Sequence[Samples], shapes: Sequence[Shape]) -> list[Samples]:
        """Restore layers of ``shapes`` as int32 with ``LAYER_FRACTION`` + gain fraction bits."""
        (tensor,) = tensors
        components = to_fixed_point(tensor, FRACTION, BITS)
        value_range = fixed_point_range(LAYER_FRACTION + self.model.gain)
        return [
            Samples(_restored(components, layer, shift, shape), value_range, 1)
            for layer, shift, shape in zip(self.model.layers, self.stage.shifts, shapes, strict=True)
        ]

    def cost(self, shapes: Sequence[Shape]) -> StageCost:
        """The products of the maps. Both directions use the same numbers: of the joint map those that are coded."""
        ((count, height, width),) = self.stage.shapes(shapes)
        macs, numbers = [0, 0], count
        for layer, shift, shape in zip(self.model.layers, self.stage.shifts, shapes, strict=True):
            rows, columns = _blocks(shape, shift)
            macs[0] += count * layer.joint.entries * height * width
            macs[1] += count * layer.joint.entries * rows * columns
            numbers += (count + 1) * layer.joint.entries
            if layer.first is not None:
                first_shift = _first_shift(layer, shape[0])
                rows, columns = _blocks(shape, first_shift)
                more = shift - first_shift
                macs[0] += layer.first.basis.size * (height << more) * (width << more)
                macs[1] += layer.first.basis.size * rows * columns
                numbers += layer.first.basis.size + layer.first.entries + layer.first.components
        return StageCost(*(PartCost(own, numbers) for own in macs))


def _restored(components: NDArray[np.int32], layer: LayerModel, shift: int, shape: Shape) -> NDArray[np.int32]:
    """One layer ``(C, H, W)`` from the components ``(K, h, w)``."""
    channels, _, _ = shape
    rows, columns = _blocks(shape, shift)
    own = components[:, :rows, :columns]
    if layer.first is None:
        return _expanded(own, layer.joint, shift, shape, LAYER_FRACTION, 32)
    first_shift = _first_shift(layer, channels)
    size = _blocks(shape, first_shift)
    between = _expanded(own, layer.joint, shift - first_shift, (layer.first.components, *size), FRACTION, BITS)
    return _expanded(between, layer.first, first_shift, shape, LAYER_FRACTION, 32)


def _expanded(
    components: NDArray[np.int32], linear: LinearMap, shift: int, shape: Shape, fraction: int, bits: int
) -> NDArray[np.int32]:
    """The entries that components ``(K, h, w)`` stand for, as a tensor of ``shape``: clause 8.9, one step.

    A sum has at most 1024 products of an int8, a uint16 and a number of 20 bits: it is at most 2**52.
    """
    channels, height, width = shape
    count, rows, columns = components.shape
    made = np.empty(shape, np.int32)
    scale = linear.scale[:count, None].astype(np.float64)
    down = FRACTION + SCALE_FRACTION - fraction
    low, high = -(1 << (bits - 1)), (1 << (bits - 1)) - 1
    side = 1 << shift
    for strip in _strips(rows, columns):
        part = components[:, strip]
        scaled = part.reshape(count, -1) * scale
        places = slice(strip.start << shift, min(strip.stop << shift, height))
        for block in _channel_blocks(channels, side * side * scaled.shape[1]):
            entries = slice(block.start << 2 * shift, block.stop << 2 * shift)
            sums = linear.basis[:count, entries].T.astype(np.float64) @ scaled
            sums += 2.0 ** (down - 1)
            sums *= 2.0**-down
            np.floor(sums, out=sums)
            sums += linear.mean[entries, None]
            np.clip(sums, low, high, out=sums)
            split = sums.reshape(-1, side, side, part.shape[1], columns).transpose(0, 3, 1, 4, 2)
            if not shift and part.shape[1] == places.stop - places.start:
                np.copyto(made[block, places], split.reshape(-1, part.shape[1], columns), casting="unsafe")
                continue
            whole = split.astype(np.int32).reshape(len(split), part.shape[1] * side, columns * side)
            made[block, places] = whole[:, : places.stop - places.start, :width]
    return made


def _add_products(
    sums: Numbers, numbers: NDArray[np.int32], linear: LinearMap, mean: Numbers, shift: int, fraction: int
) -> None:
    """Add the products of basis and numbers ``(C, H, W)`` less the mean to ``sums``, ``(K, positions)``."""
    count, side = len(sums), 1 << shift
    channels, height, width = numbers.shape
    rows, columns = height >> shift, width >> shift
    up = 2.0 ** (_GIVEN_FRACTION - fraction)
    for strip in _strips(rows, columns):
        positions = slice(strip.start * columns, strip.stop * columns)
        for block in _channel_blocks(channels, side * side * (positions.stop - positions.start)):
            entries = slice(block.start << 2 * shift, block.stop << 2 * shift)
            part = numbers[block, strip.start << shift : strip.stop << shift]
            split = part.reshape(len(part), -1, side, columns, side).transpose(0, 2, 4, 1, 3)
            given = split.reshape(len(part) * side * side, -1) - mean[entries, None]
            given *= up
            sums[:, positions] += linear.basis[:count, entries].astype(np.float64) @ given


def _check_size(values: NDArray[Any], limit: float) -> None:
    """:class:`DatasetError` where values would be clipped, which decoded layers would not tell."""
    if np.abs(values).max() >= limit:
        raise DatasetError("the features are many times larger than those that the model was trained on")


def first_step(numbers: NDArray[np.int32], linear: LinearMap, shift: int) -> NDArray[np.int32]:
    """The blocks of a layer ``(C, H, W)`` projected on its first components, as numbers between the two steps.

    Height and width are multiples of ``2**shift``, the side of a block.
    """
    _, height, width = numbers.shape
    sums = np.zeros((linear.components, (height >> shift) * (width >> shift)))
    mean = _rounded(linear.mean.astype(np.float64), LAYER_FRACTION - _GIVEN_FRACTION)
    _add_products(sums, numbers, linear, mean, shift, _GIVEN_FRACTION)
    sums *= linear.scale[:, None] * 2.0 ** (FRACTION - SCALE_FRACTION - _GIVEN_FRACTION)
    return _clipped(sums, BITS).reshape(-1, height >> shift, width >> shift)


def given_numbers(tensor: NDArray[np.float32], gain: int, size: tuple[int, int]) -> NDArray[np.int32]:
    """A float32 layer as integers of the encoder, of ``size``: beyond its edges it is repeated."""
    channels, height, width = tensor.shape
    made = np.empty((channels, *size), np.int32)
    for channel, values in zip(made, tensor, strict=True):  # one by one, to save memory
        channel[:height, :width] = _clipped(values * 2.0 ** (_GIVEN_FRACTION + gain), _GIVEN_BITS)
    made[:, height:, :width] = made[:, height - 1 : height, :width]
    made[:, :, width:] = made[:, :, width - 1 : width]
    return made


def _clipped(values: Numbers, bits: int) -> NDArray[np.int32]:
    """The nearest integers of ``bits`` bits."""
    return np.clip(np.floor(values + 0.5), -(1 << (bits - 1)), (1 << (bits - 1)) - 1).astype(np.int32)


def _rounded(values: Numbers, down: int) -> Numbers:
    found: Numbers = np.floor(values * 2.0**-down + 0.5)
    return found


def _mean_fraction(layer: LayerModel) -> int:
    """The fraction bits of the joint map's mean."""
    return LAYER_FRACTION if layer.first is None else FRACTION


def _first_shift(layer: LayerModel, channels: int) -> int:
    """b of a layer whose model fits."""
    found = layer.shifts(channels)
    assert found is not None, "the model has been checked"
    return found[0]


def _blocks(shape: Shape, shift: int) -> tuple[int, int]:
    """Rows and columns of blocks that a layer has."""
    return -(-shape[1] >> shift), -(-shape[2] >> shift)


def _strips(rows: int, columns: int) -> Iterator[slice]:
    """Rows of positions that are computed together."""
    step = max(1, _ROWS // columns)
    yield from (slice(start, min(start + step, rows)) for start in range(0, rows, step))


def _channel_blocks(channels: int, numbers: int) -> Iterator[slice]:
    """Channels that are computed together, each of ``numbers`` numbers."""
    step = max(1, _BLOCK // numbers)
    yield from (slice(start, min(start + step, channels)) for start in range(0, channels, step))
