"""Resize: a tensor coded at a half or a quarter of its height and width (docs/bitstream.md, 6.7 and 8.9)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from ...bitstream.coder import Coder
from ...bitstream.table import fill, table
from ...bitstream.values import Layer, Samples, Shape, StageId
from ...models.cost import PartCost, StageCost


@dataclass
class Resize:
    """Tensor ``i`` is coded at ``1 / 2**shifts[i]`` of its size, rounded up."""

    shifts: list[int] = field(default_factory=list)

    idc: ClassVar[int] = StageId.RESIZE
    clears_outside: ClassVar[bool] = False
    model_id: ClassVar[None] = None

    def layers(self, layers: Sequence[Layer]) -> list[Layer]:
        """The same names and channels."""
        return list(layers)

    def shapes(self, shapes: Sequence[Shape]) -> list[Shape]:
        """Height and width divided and rounded up."""
        return [
            (channels, -(-height >> shift), -(-width >> shift))
            for (channels, height, width), shift in zip(shapes, self.shifts, strict=True)
        ]

    def ready(self, layers: Sequence[Layer], model: bytes) -> Resize:
        """The stage itself, which needs no model."""
        return self

    def forward(self, tensors: Sequence[NDArray[np.float32]]) -> list[NDArray[np.float32]]:
        """Take the mean of each block of ``2**shift`` by ``2**shift`` values; the last row and column repeat."""
        return [_means(tensor, shift) for tensor, shift in zip(tensors, self.shifts, strict=True)]

    def inverse(self, tensors: Sequence[Samples], shapes: Sequence[Shape]) -> list[Samples]:
        """Interpolate linearly between the blocks' centres, without rounding: samples gain ``2 * (shift + 1)`` bits."""
        return [
            _interpolated(tensor, shift, shape) if shift else tensor
            for tensor, shift, shape in zip(tensors, self.shifts, shapes, strict=True)
        ]

    def cost(self, shapes: Sequence[Shape]) -> StageCost:
        """A mean of four values is four multiply–accumulates, an interpolation two along each axis."""
        reduction = restoration = 0
        for (channels, height, width), shift in zip(shapes, self.shifts, strict=True):
            if shift:
                restoration += 2 * channels * height * (-(-width >> shift) + width)
            for step in range(1, shift + 1):
                reduction += 4 * channels * -(-height >> step) * -(-width >> step)
        return StageCost(PartCost(reduction, 0), PartCost(restoration, 0))

    def syntax(self, s: Coder, layers: Sequence[Layer]) -> None:
        """Code the shift of each tensor."""
        resize(s, self.shifts, len(layers))


@table("6.7")
def resize(s: Coder, shifts: list[int], num_tensors: int) -> None:
    """The parameters of the stage RESIZE: how far each tensor's height and width are shifted."""
    fill(s, shifts, num_tensors, int)
    for i in range(num_tensors):
        shifts[i] = s("resize_shift", shifts[i])
    s.require(any(shifts), "a stage RESIZE does not resize a tensor")


def _means(tensor: NDArray[np.float32], shift: int) -> NDArray[np.float32]:
    """Halve height and width ``shift`` times; each step adds four values in a fixed order."""
    for _ in range(shift):
        _, height, width = tensor.shape
        padded = np.pad(tensor, ((0, 0), (0, height % 2), (0, width % 2)), mode="edge") * np.float32(0.25)
        top = padded[:, ::2, ::2] + padded[:, ::2, 1::2]
        tensor = top + (padded[:, 1::2, ::2] + padded[:, 1::2, 1::2])
    return tensor


def _interpolated(tensor: Samples, shift: int, shape: Shape) -> Samples:
    top = tensor.top << 2 * (shift + 1)
    narrow = tensor.samples.dtype == np.uint16  # below 2**16, and so far below 2**31 after the steps
    samples: NDArray[Any] = tensor.samples.astype(np.int32 if narrow else np.int64, copy=False)
    for axis, size in ((1, shape[1]), (2, shape[2])):
        samples = _along(samples, axis, size, shift)
    return Samples(samples, tensor.value_range, top)


def _along(samples: NDArray[Any], axis: int, size: int, shift: int) -> NDArray[Any]:
    """Interpolate along one axis to ``size`` samples, each a sum of two whose weights add up to ``2 << shift``."""
    place = 2 * np.arange(size) + 1 - (1 << shift)
    index, weight = place >> (shift + 1), place & ((2 << shift) - 1)
    last = samples.shape[axis] - 1
    weight = weight.astype(samples.dtype).reshape((-1, *(1,) * (2 - axis)))
    result: NDArray[Any] = samples.take(np.clip(index, 0, last), axis)
    result *= (2 << shift) - weight
    after = samples.take(np.clip(index + 1, 0, last), axis)
    after *= weight
    result += after
    return result
