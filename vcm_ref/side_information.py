"""What the decoder needs beside the frames, into the picture header and out of it again."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from .bitstream.syntax import LayerPicture, PictureHeader, StreamHeader
from .bitstream.values import RangeScope, ReorderCoding, ValueRange
from .feature_set import FeatureSet


def to_picture_header(
    stream: StreamHeader, features: FeatureSet, ranges: Sequence[ValueRange], orders: Sequence[NDArray[np.intp]]
) -> PictureHeader:
    """The picture header: original size, layer sizes, ranges as ``range_scope_idc`` spreads them, channel orders."""
    own_ranges = stream.range_scope in (RangeScope.LAYER, RangeScope.CHANNEL)
    reordered = stream.reorder_coding != ReorderCoding.NONE
    layers = [
        LayerPicture(height, width, _pairs(pair) if own_ranges else [], order.tolist() if reordered else [])
        for (_, height, width), pair, order in zip(
            (layer.shape for layer in features.layers.values()), ranges, orders, strict=True
        )
    ]
    shared = _pairs(ranges[0]) if stream.range_scope == RangeScope.PICTURE else []
    return PictureHeader(features.height, features.width, shared, layers)


def layer_sizes(features: FeatureSet) -> PictureHeader:
    """The picture header as far as sizes go: what the level depends on."""
    sizes = [LayerPicture(*layer.shape[1:]) for layer in features.layers.values()]
    return PictureHeader(features.height, features.width, layers=sizes)


def from_picture_header(
    stream: StreamHeader, picture: PictureHeader
) -> tuple[list[ValueRange], list[NDArray[np.intp]]]:
    """The range and the channel order of each layer; the inverse of :func:`to_picture_header`."""
    shared = [stream.fixed_range] if stream.range_scope == RangeScope.FIXED else picture.ranges
    ranges = [_from_pairs(layer.ranges or shared) for layer in picture.layers]
    orders = [
        np.array(dims.order, np.intp) if stream.reorder_coding != ReorderCoding.NONE else np.arange(layer.channels)
        for layer, dims in zip(stream.layers, picture.layers, strict=True)
    ]
    return ranges, orders


def _pairs(value_range: ValueRange) -> list[tuple[float, float]]:
    return list(zip(value_range.lo.tolist(), value_range.hi.tolist(), strict=True))


def _from_pairs(pairs: Sequence[tuple[float, float]]) -> ValueRange:
    lo, hi = np.array(pairs, np.float32).T
    return ValueRange(lo.copy(), hi.copy())
