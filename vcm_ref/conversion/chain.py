"""The chain of stages between restored layers and frames, written once: encoder, decoder, digests, suite call it.

Forward: reduction, quantisation, channel order, packing, depth. Inverse: the same in reverse order (docs/bitstream.md,
8.1). Conversion writes nothing.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import reduce
from types import MappingProxyType
from typing import TYPE_CHECKING, Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from ..bitstream.headers import Model, Pair, PictureHeader, StreamHeader, TensorPicture, names
from ..bitstream.values import (
    IntegerTensor,
    RangeScope,
    ReorderCoding,
    Samples,
    Shape,
    ValueRange,
    coded_size,
)
from ..models.cost import StageCost
from .covered import WHOLE, Covered, clear_outside
from .depth import lower_depth, raise_depth
from .least_error import fitted_ends
from .levels import in_steps, level_samples, quantise_levels
from .packing import pack, unpack
from .quantisation import Rounding, check_finite, dequantise, highest_value, measure_ranges, quantise

if TYPE_CHECKING:
    from .order import OrderMethod

#: The ends of a measured range: the extremes, or those with the least squared error.
Ends = Literal["extremes", "least_error"]
Levels = NDArray[np.int32]
#: Chooses int32 levels for float64 values in steps, both ``(C, H, W)``, and whether they are to be coded as differences
#: from the picture before. Is also told the tensor's number, and its levels in that picture of the group, or None.
LevelChoice = Callable[[NDArray[np.float64], int, Levels | None], tuple[Levels, bool]]


class Choices(NamedTuple):
    """The encoder's own choices, which a decoder need not know; without ``levels``, values are rounded to them."""

    rounding: Rounding = "nearest"
    order_method: OrderMethod = "none"
    levels: LevelChoice | None = None
    ends: Ends = "extremes"


class Side(NamedTuple):
    """The range and the channel order of each coded tensor of one picture."""

    ranges: list[ValueRange]
    orders: list[NDArray[np.intp]]


@dataclass
class ConvertedPicture:
    """One picture after conversion: side information, and the frames of each substream.

    Frames are uint16 ``(F, H, W)`` of the inner bit depth, at their coded size; levels are int32 ``(C, H, W)``.
    ``as_differences`` says of each tensor of levels, by its number, whether it is to be coded as differences from the
    picture before.
    """

    side: Side
    frames: list[IntegerTensor]
    as_differences: dict[int, bool] = field(default_factory=dict)


class Chain:
    """The stages as a stream header sets them, with the models in force by their numbers.

    ``reduction_s`` and ``restoration_s`` are the seconds that reduction and restoration have taken so far.

    Raises :class:`~vcm_ref.errors.ModelError` where a model is damaged or does not fit its stage's tensors.
    """

    def __init__(self, header: StreamHeader, models: Mapping[int, Model] = MappingProxyType({})) -> None:
        self.header = header
        self.reduction_s = self.restoration_s = 0.0
        self._transforms = [
            stage.ready(header.before_stage(i), b"" if stage.model_id is None else models[stage.model_id].data)
            for i, stage in enumerate(header.stages)
        ]
        self._members = header.substreams
        self._formats = [tensor.format for tensor in header.tensors]

    def forward(
        self,
        layers: Mapping[str, NDArray[np.float32]],
        choices: Choices,
        ranges: list[ValueRange] | None = None,
        common_orders: Sequence[NDArray[np.intp]] | None = None,
        covered: Covered = WHOLE,
        before: Mapping[int, Levels] = MappingProxyType({}),
    ) -> ConvertedPicture:
        """Turn float32 layers ``(C, H, W)`` into frames.

        Each tensor has its own range and channel order, unless they are given. ``covered`` is that of
        :class:`~vcm_ref.feature_set.FeatureSet`. ``before`` has the levels of the picture before in the group, by the
        tensor's number.
        """
        from .order import channel_order  # a decoder does not need it

        tensors = self._reduced(layers, covered)
        ranges = self._ranges(tensors, choices.ends) if ranges is None else ranges
        quantised: list[IntegerTensor] = []
        orders: list[NDArray[np.intp]] = []
        as_differences: dict[int, bool] = {}
        for number, (tensor, value_range, form) in enumerate(zip(tensors, ranges, self._formats, strict=True)):
            if form.levels is not None:
                levels, as_differences[number] = self._levels(tensor, number, choices, before.get(number))
                quantised.append(levels)
                orders.append(np.arange(len(tensor)))
                continue
            q, sums = quantise(tensor, value_range, form.bit_depth, choices.rounding)
            quantised.append(q)
            if common_orders is None:
                orders.append(channel_order(q, choices.order_method, bit_depth=form.bit_depth, sums=sums))
            else:
                orders.append(common_orders[number])
        return ConvertedPicture(Side(ranges, orders), self.to_frames(quantised, orders), as_differences)

    def forward_group(
        self, pictures: Sequence[Mapping[str, NDArray[np.float32]]], choices: Choices, covered: Covered = WHOLE
    ) -> list[ConvertedPicture]:
        """Turn the layers of a group's pictures into frames, with the ranges of all and the first one's channel order.

        The layers are reduced twice, so that memory is that of the frames.
        """
        measured = [self._ranges(self._reduced(layers, covered), choices.ends) for layers in pictures]
        ranges = [
            ValueRange(np.minimum.reduce([one.lo for one in own]), np.maximum.reduce([one.hi for one in own]))
            for own in zip(*measured, strict=True)
        ]
        made = [self.forward(pictures[0], choices, ranges, covered=covered)]
        orders = made[0].side.orders
        for layers in pictures[1:]:
            made.append(self.forward(layers, choices, ranges, orders, covered, self.levels_of(made[-1])))
        return made

    def levels_of(self, picture: ConvertedPicture) -> dict[int, Levels]:
        """The levels of each tensor that has them, by its number."""
        return {
            members[0]: frames.astype(np.int32, copy=False)
            for members, frames in zip(self._members, picture.frames, strict=True)
            if self._formats[members[0]].levels is not None
        }

    def _reduced(self, layers: Mapping[str, NDArray[np.float32]], covered: Covered) -> list[NDArray[np.float32]]:
        """The coded tensors, before quantisation."""
        if self.header.stages:
            check_finite(layers)
        tensors = list(layers.values())
        start = time.perf_counter()
        for transform in self._transforms:
            tensors = transform.forward(tensors)
        self.reduction_s += time.perf_counter() - start if self._transforms else 0.0
        if covered != WHOLE and self._transforms and self._transforms[-1].clears_outside:
            clear_outside(tensors, covered)
        return tensors

    def to_frames(self, tensors: Sequence[IntegerTensor], orders: Sequence[NDArray[np.intp]]) -> list[IntegerTensor]:
        """Turn integer tensors ``(C, H, W)`` into frames ``(F, H, W)`` of the inner bit depth at their coded size."""

        def size(number: int, height: int, width: int) -> tuple[int, int]:
            return coded_size(self._formats[self._members[number][0]].inner_codec, height, width)

        frames = pack(tensors, orders, self.header.placements, coded_size=size)
        formats = [self._formats[members[0]] for members in self._members]
        return [
            clip if form.bit_depth == form.inner_bit_depth else raise_depth(clip, form.bit_depth, form.inner_bit_depth)
            for clip, form in zip(frames, formats, strict=True)
        ]

    def to_tensors(
        self, planes: Sequence[IntegerTensor], shapes: Sequence[Shape], orders: Sequence[NDArray[np.intp]]
    ) -> dict[str, IntegerTensor]:
        """Turn decoded planes (tier T0), which stay as they are, into integer tensors of ``shapes`` (tier T1).

        Levels are such a tensor already.
        """
        frames = []
        for plane, members in zip(planes, self._members, strict=True):
            form = self._formats[members[0]]
            same = form.bit_depth == form.inner_bit_depth
            frames.append(plane if same else lower_depth(plane.copy(), form.bit_depth, form.inner_bit_depth))
        tensors = unpack(frames, shapes, orders, self.header.placements)
        return dict(zip(names(self.header.coded), tensors, strict=True))

    def to_layers(
        self, tensors: Mapping[str, IntegerTensor], ranges: Sequence[ValueRange], shapes: Sequence[Shape]
    ) -> dict[str, NDArray[np.float32]]:
        """Turn integer tensors (tier T1) into float32 layers of ``shapes`` (tier T2)."""
        samples = [
            Samples(q, value_range, highest_value(form.bit_depth))
            if form.levels is None
            else level_samples(q.astype(np.int32, copy=False), form.levels)
            for q, value_range, form in zip(tensors.values(), ranges, self._formats, strict=True)
        ]
        before, current = [], list(shapes)
        for stage in self.header.stages:
            before.append(current)
            current = stage.shapes(current)
        start = time.perf_counter()
        for transform, wanted in zip(reversed(self._transforms), reversed(before), strict=True):
            samples = transform.inverse(samples, wanted)
        self.restoration_s += time.perf_counter() - start if self._transforms else 0.0
        return {layer.name: dequantise(tensor) for layer, tensor in zip(self.header.layers, samples, strict=True)}

    def cost(self, shapes: Sequence[Shape]) -> StageCost | None:
        """The cost of reduction and restoration for a picture with layers of ``shapes``; None without such stages."""
        costs, current = [], list(shapes)
        for stage, transform in zip(self.header.stages, self._transforms, strict=True):
            costs.append(transform.cost(current))
            current = stage.shapes(current)
        return reduce(StageCost.plus, costs) if costs else None

    def _levels(
        self, tensor: NDArray[np.float32], number: int, choices: Choices, before: Levels | None
    ) -> tuple[Levels, bool]:
        levels = self._formats[number].levels
        assert levels is not None
        values = in_steps(tensor, levels.qp)
        if choices.levels is None:
            return quantise_levels(values, 0.5), False
        return choices.levels(values, number, before)

    def _ranges(self, tensors: Sequence[NDArray[np.float32]], ends: Ends) -> list[ValueRange]:
        """The range of each tensor; those of scope ``PICTURE`` have one together."""
        named = dict(zip(names(self.header.coded), tensors, strict=True))
        shared = {
            name: tensor
            for (name, tensor), form in zip(named.items(), self._formats, strict=True)
            if form.range_scope == RangeScope.PICTURE
        }
        whole = measure_ranges(shared, RangeScope.PICTURE)[0] if shared else None
        ranges = [
            whole
            if whole is not None and name in shared
            else measure_ranges({name: tensor}, form.range_scope, form.fixed_range)[0]
            for (name, tensor), form in zip(named.items(), self._formats, strict=True)
        ]
        if ends == "extremes":
            return ranges
        return [
            _fitted(tensor, value_range, form.bit_depth)
            if form.levels is None and form.range_scope in (RangeScope.TENSOR, RangeScope.CHANNEL)
            else value_range
            for tensor, value_range, form in zip(tensors, ranges, self._formats, strict=True)
        ]


def _fitted(tensor: NDArray[np.float32], measured: ValueRange, bits: int) -> ValueRange:
    """The range with the least squared error, of a tensor ``(C, H, W)`` or of each of its maps."""
    parts = list(tensor) if len(measured.lo) > 1 else [tensor]
    ends = [
        fitted_ends(part, low, high, bits)
        for part, low, high in zip(parts, measured.lo.tolist(), measured.hi.tolist(), strict=True)
    ]
    lo, hi = (np.array(column, np.float32) + np.float32(0) for column in zip(*ends, strict=True))
    return ValueRange(lo, hi)


def split_pictures(planes: Sequence[IntegerTensor], pictures: int) -> list[list[IntegerTensor]]:
    """The frames of each picture, out of a group's substreams, in which picture follows picture (clause 8.3)."""
    parts = [np.split(clip, pictures) for clip in planes]
    return [list(own) for own in zip(*parts, strict=True)]


def to_picture_header(header: StreamHeader, side: Side) -> PictureHeader:
    """The picture's table: ranges as ``range_scope_idc`` spreads them, channel orders where they are coded."""
    tensors, shared = [], []
    for tensor, value_range, order in zip(header.tensors, side.ranges, side.orders, strict=True):
        scope = tensor.format.range_scope
        own = _pairs(value_range) if scope in (RangeScope.TENSOR, RangeScope.CHANNEL) else []
        reordered = tensor.format.reorder_coding != ReorderCoding.NONE
        tensors.append(TensorPicture(own, order.tolist() if reordered else []))
        if scope == RangeScope.PICTURE:
            shared = _pairs(value_range)
    return PictureHeader(shared, tensors)


def side_of(header: StreamHeader, picture: PictureHeader) -> Side:
    """The range and the channel order of each tensor; the inverse of :func:`to_picture_header`."""
    ranges, orders = [], []
    for layer, tensor, own in zip(header.coded, header.tensors, picture.tensors, strict=True):
        fixed = tensor.format.range_scope == RangeScope.FIXED
        ranges.append(_from_pairs(own.ranges or ([tensor.format.fixed_range] if fixed else picture.ranges)))
        reordered = tensor.format.reorder_coding != ReorderCoding.NONE
        orders.append(np.array(own.order, np.intp) if reordered else np.arange(layer.channels))
    return Side(ranges, orders)


def _pairs(value_range: ValueRange) -> list[Pair]:
    return list(zip(value_range.lo.tolist(), value_range.hi.tolist(), strict=True))


def _from_pairs(pairs: Sequence[Pair]) -> ValueRange:
    lo, hi = np.array(pairs, np.float32).T
    return ValueRange(lo.copy(), hi.copy())
