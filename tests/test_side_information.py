"""Sizes, ranges and channel orders into the picture header and out of it."""

from __future__ import annotations

import numpy as np
import pytest

from vcm_ref.bitstream.syntax import LayerHeader, LayerPicture, StreamHeader
from vcm_ref.bitstream.values import RangeScope, ReorderCoding, ValueRange
from vcm_ref.feature_set import FeatureSet
from vcm_ref.side_information import from_picture_header, to_picture_header

FEATURES = FeatureSet(
    50, 70, {"p2": np.zeros((3, 5, 7), np.float32), "p3": np.zeros((2, 3, 4), np.float32)}
)  # fmt: skip
ORDERS = [np.array([2, 0, 1]), np.array([1, 0])]
TENTH = float(np.float32(0.1))


def ranges_of(scope: RangeScope) -> list[ValueRange]:
    """Ranges as measure_ranges gives them."""
    counts = (3, 2) if scope == RangeScope.CHANNEL else (1, 1)
    own = scope in (RangeScope.LAYER, RangeScope.CHANNEL)
    return [
        ValueRange(
            np.full(count, -index if own else -1, np.float32) - np.arange(count, dtype=np.float32),
            np.full(count, 0.1, np.float32),
        )
        for index, count in enumerate(counts)
    ]


def stream_for(scope: RangeScope, coding: ReorderCoding) -> StreamHeader:
    """A header for two layers."""
    fixed = (-1.0, TENTH) if scope == RangeScope.FIXED else (0.0, 0.0)
    layers = [LayerHeader("p2", 3), LayerHeader("p3", 2)]
    return StreamHeader(range_scope=scope, reorder_coding=coding, layers=layers, fixed_range=fixed)


@pytest.mark.parametrize("scope", list(RangeScope))
@pytest.mark.parametrize("coding", list(ReorderCoding))
def test_what_goes_in_comes_out(scope: RangeScope, coding: ReorderCoding) -> None:
    """Float32 ranges to the bit; where no order is coded, it is the network's."""
    ranges = ranges_of(scope)
    stream = stream_for(scope, coding)
    found_ranges, found_orders = from_picture_header(stream, to_picture_header(stream, FEATURES, ranges, ORDERS))
    for found, given in zip(found_ranges, ranges, strict=True):
        assert found.lo.dtype == found.hi.dtype == np.float32
        np.testing.assert_array_equal(found.lo, given.lo)
        np.testing.assert_array_equal(found.hi, given.hi)
    expected = [np.arange(3), np.arange(2)] if coding == ReorderCoding.NONE else ORDERS
    for order, wanted in zip(found_orders, expected, strict=True):
        np.testing.assert_array_equal(order, wanted)


@pytest.mark.parametrize(
    ("scope", "shared", "first", "second"),
    [
        (RangeScope.FIXED, [], [], []),
        (RangeScope.PICTURE, [(-1.0, TENTH)], [], []),
        (RangeScope.LAYER, [], [(0.0, TENTH)], [(-1.0, TENTH)]),
        (RangeScope.CHANNEL, [], [(0.0, TENTH), (-1.0, TENTH), (-2.0, TENTH)], [(-1.0, TENTH), (-2.0, TENTH)]),
    ],
)
def test_each_scope_puts_its_ranges_in_its_place(
    scope: RangeScope,
    shared: list[tuple[float, float]],
    first: list[tuple[float, float]],
    second: list[tuple[float, float]],
) -> None:
    """In the stream header, the picture, each layer, or each channel; and sizes of picture and layers."""
    header = to_picture_header(stream_for(scope, ReorderCoding.EXACT), FEATURES, ranges_of(scope), ORDERS)
    assert (header.height, header.width, header.ranges) == (50, 70, shared)
    assert header.layers == [LayerPicture(5, 7, first, [2, 0, 1]), LayerPicture(3, 4, second, [1, 0])]
