"""The chain of stages, and its side information into the picture header and out of it."""

from __future__ import annotations

import numpy as np
import pytest

from vcm_ref.bitstream.headers import StreamHeader, TensorFormat, TensorHeader, TensorPicture
from vcm_ref.bitstream.values import Grid, Layer, Mode, RangeScope, ReorderCoding, ValueRange
from vcm_ref.conversion.chain import Chain, Choices, Side, side_of, to_picture_header
from vcm_ref.conversion.reduction import Resize

ORDERS = [np.array([2, 0, 1]), np.array([1, 0])]
TENTH = float(np.float32(0.1))


def ranges_of(scope: RangeScope) -> list[ValueRange]:
    """Ranges as measure_ranges gives them."""
    counts = (3, 2) if scope == RangeScope.CHANNEL else (1, 1)
    own = scope in (RangeScope.TENSOR, RangeScope.CHANNEL)
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
    form = TensorFormat(range_scope=scope, reorder_coding=coding, fixed_range=fixed)
    return StreamHeader(layers=[Layer("p2", 3), Layer("p3", 2)], tensors=[TensorHeader(form)] * 2)


@pytest.mark.parametrize("scope", list(RangeScope))
@pytest.mark.parametrize("coding", list(ReorderCoding))
def test_what_goes_in_comes_out(scope: RangeScope, coding: ReorderCoding) -> None:
    """Float32 ranges to the bit; where no order is coded, it is the network's."""
    ranges = ranges_of(scope)
    stream = stream_for(scope, coding)
    found_ranges, found_orders = side_of(stream, to_picture_header(stream, Side(ranges, ORDERS)))
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
        (RangeScope.TENSOR, [], [(0.0, TENTH)], [(-1.0, TENTH)]),
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
    header = to_picture_header(stream_for(scope, ReorderCoding.EXACT), Side(ranges_of(scope), ORDERS))
    assert header.ranges == shared
    assert header.tensors == [TensorPicture(first, [2, 0, 1]), TensorPicture(second, [1, 0])]


def test_each_tensor_goes_its_own_way() -> None:
    """Another depth, scope and grid; the resized layer comes back at its size, within the step of its range."""
    layers = {
        "a": np.arange(4 * 6 * 5, dtype=np.float32).reshape(4, 6, 5),
        "b": np.linspace(-1, 1, 2 * 3 * 3, dtype=np.float32).reshape(2, 3, 3),
    }
    header = StreamHeader(
        layers=[Layer("a", 4), Layer("b", 2)],
        stages=[Resize([1, 0])],
        tensors=[
            TensorHeader(TensorFormat(bit_depth=8, range_scope=RangeScope.CHANNEL), Grid(2, 1), mode=Mode.RA),
            TensorHeader(TensorFormat(bit_depth=16), Grid(2, 1)),
        ],
    )
    chain = Chain(header)
    converted = chain.forward(layers, Choices())
    assert [clip.shape for clip in converted.frames] == [(2, 3, 6), (1, 3, 6)]
    tensors = chain.to_tensors(converted.frames, [(4, 3, 3), (2, 3, 3)], converted.side.orders)
    assert {name: q.shape for name, q in tensors.items()} == {"a": (4, 3, 3), "b": (2, 3, 3)}
    restored = chain.to_layers(tensors, converted.side.ranges, [(4, 6, 5), (2, 3, 3)])
    assert restored["a"].shape == (4, 6, 5)
    np.testing.assert_allclose(restored["b"], layers["b"], atol=2 / 65535)
    np.testing.assert_allclose(restored["a"][:, 1:-1, 1:-2], layers["a"][:, 1:-1, 1:-2], atol=30 / 255)


def test_stages_are_undone_in_reverse_order() -> None:
    """Two resizes of a map of 5 rows: 5 to 3 to 1 rows, and one sample restores to itself everywhere."""
    header = StreamHeader(
        layers=[Layer("a", 1)], stages=[Resize([1]), Resize([2])], tensors=[TensorHeader(TensorFormat(bit_depth=8))]
    )
    chain = Chain(header)
    whole = ValueRange(np.zeros(1, np.float32), np.full(1, 255, np.float32))
    restored = chain.to_layers({"a": np.full((1, 1, 1), 7, np.uint16)}, [whole], [(1, 5, 4)])
    np.testing.assert_array_equal(restored["a"], np.full((1, 5, 4), 7, np.float32))
