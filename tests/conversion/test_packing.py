from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from vcm_ref.bitstream.values import Allocation, Grid, Packing, Placement, Shape
from vcm_ref.bitstream.values import frame_shapes as shapes_of_frames
from vcm_ref.conversion.grids import stacked_grids
from vcm_ref.conversion.packing import cell_positions, pack, unpack

from .strategies import allocations, layers

Maps = NDArray[np.uint16]
Layers = tuple[list[Maps], list[NDArray[np.intp]], list[Grid]]

IDENTITY = np.arange(4)
FOUR = np.arange(1, 5, dtype=np.uint16).reshape(4, 1, 1)  # maps of one sample: 1, 2, 3, 4


def placements(grids: Sequence[Grid], packing: Packing, allocation: Allocation) -> list[Placement]:
    return [Placement(grid, packing, allocation) for grid in grids]


def frame_shapes(shapes: Sequence[Shape], grids: Sequence[Grid], packing: Packing) -> list[Shape]:
    return shapes_of_frames(shapes, placements(grids, packing, Allocation.FRAME_MAJOR))


def arrange(
    qs: list[Maps],
    orders: list[NDArray[np.intp]],
    grids: list[Grid],
    packing: Packing,
    allocation: Allocation,
    **options: Any,
) -> list[Maps]:
    return pack(qs, orders, placements(grids, packing, allocation), **options)


def restore(
    frames: list[Maps],
    shapes: list[Shape],
    orders: list[NDArray[np.intp]],
    grids: list[Grid],
    packing: Packing,
    allocation: Allocation,
    **options: Any,
) -> list[Maps]:
    return unpack(frames, shapes, orders, placements(grids, packing, allocation), **options)


def naive_frames(
    q: Maps, order: NDArray[np.intp], grid: Grid, packing: Packing, allocation: Allocation
) -> list[list[list[int]]]:
    """One layer's frames, sample by sample, as the words of the specification have it."""
    channels, height, width = q.shape
    count = channels // (grid.columns * grid.rows)
    frames = [[[-1] * (grid.columns * width) for _ in range(grid.rows * height)] for _ in range(count)]
    places = [(frame, cell) for frame in range(count) for cell in range(grid.columns * grid.rows)]
    if allocation == Allocation.INTERLEAVED:
        places.sort(key=lambda place: (place[1], place[0]))
    for (frame, cell), channel in zip(places, order, strict=True):
        row, column = cell // grid.columns, cell % grid.columns
        for y in range(height):
            for x in range(width):
                if packing == Packing.QUILTED:
                    frames[frame][y * grid.rows + row][x * grid.columns + column] = int(q[channel, y, x])
                else:
                    frames[frame][row * height + y][column * width + x] = int(q[channel, y, x])
    return frames


def shapes_of(qs: list[Maps]) -> list[Shape]:
    return [(q.shape[0], q.shape[1], q.shape[2]) for q in qs]


def equal(one: list[Maps], other: list[Maps]) -> bool:
    return len(one) == len(other) and all(np.array_equal(a, b) for a, b in zip(one, other, strict=True))


def padded(number: int, height: int, width: int) -> tuple[int, int]:
    return -(-height // 8) * 8, -(-width // 16) * 16


def test_frame_major_and_interleaved_by_hand() -> None:
    """Rhee, Lee, Kim 2022, Figure 8, with four maps in two frames of 2x1."""
    (frame_major,) = arrange([FOUR], [IDENTITY], [Grid(2, 1)], Packing.FRAMES, Allocation.FRAME_MAJOR)
    assert frame_major.tolist() == [[[1, 2]], [[3, 4]]]
    (interleaved,) = arrange([FOUR], [IDENTITY], [Grid(2, 1)], Packing.FRAMES, Allocation.INTERLEAVED)
    assert interleaved.tolist() == [[[1, 3]], [[2, 4]]]


def test_figure_8_positions() -> None:
    """256 maps in 16 frames of 4x4: the seventeenth map opens the second frame, or the second cell."""
    frame, cell = cell_positions(256, Grid(4, 4), Allocation.FRAME_MAJOR)
    assert (frame[[0, 1, 15, 16, 255]].tolist(), cell[[0, 1, 15, 16, 255]].tolist()) == (
        [0, 0, 0, 1, 15],
        [0, 1, 15, 0, 15],
    )
    frame, cell = cell_positions(256, Grid(4, 4), Allocation.INTERLEAVED)
    assert (frame[[0, 1, 15, 16, 255]].tolist(), cell[[0, 1, 15, 16, 255]].tolist()) == (
        [0, 1, 15, 0, 15],
        [0, 0, 0, 1, 15],
    )


def test_order_by_hand() -> None:
    order = np.array([2, 0, 3, 1])
    (frames,) = arrange([FOUR], [order], [Grid(2, 2)], Packing.FRAMES, Allocation.FRAME_MAJOR)
    assert frames.tolist() == [[[3, 1], [4, 2]]]
    (restored,) = restore([frames], [(4, 1, 1)], [order], [Grid(2, 2)], Packing.FRAMES, Allocation.FRAME_MAJOR)
    assert np.array_equal(restored, FOUR)


def test_tiling_and_quilting_by_hand() -> None:
    """Rhee, Lee, Kim 2022, Figure 2, with two maps of 2x2 side by side: quilting puts equal places side by side."""
    q = np.array([[[1, 2], [3, 4]], [[5, 6], [7, 8]]], np.uint16)
    (tiles,) = arrange([q], [np.arange(2)], [Grid(2, 1)], Packing.FRAMES, Allocation.FRAME_MAJOR)
    assert tiles.tolist() == [[[1, 2, 5, 6], [3, 4, 7, 8]]]
    (quilt,) = arrange([q], [np.arange(2)], [Grid(2, 1)], Packing.QUILTED, Allocation.FRAME_MAJOR)
    assert quilt.tolist() == [[[1, 5, 2, 6], [3, 7, 4, 8]]]
    (quilt,) = arrange([q], [np.arange(2)], [Grid(1, 2)], Packing.QUILTED, Allocation.FRAME_MAJOR)
    assert quilt.tolist() == [[[1, 2], [5, 6], [3, 4], [7, 8]]]


def test_stacked_by_hand() -> None:
    """Two layers in one frame: rows of the narrower one repeat their last sample, and padding the border."""
    first = np.array([[[1, 2, 3]], [[4, 5, 6]]], np.uint16)
    second = np.array([[[7]], [[8]], [[9]], [[10]]], np.uint16)
    qs, orders, grids = [first, second], [np.arange(2), np.arange(4)], [Grid(2, 1), Grid(2, 2)]
    (frame,) = arrange(qs, orders, grids, Packing.STACKED, Allocation.FRAME_MAJOR)
    assert frame.tolist() == [[[1, 2, 3, 4, 5, 6], [7, 8, 8, 8, 8, 8], [9, 10, 10, 10, 10, 10]]]
    (frame,) = arrange(
        qs, orders, grids, Packing.STACKED, Allocation.FRAME_MAJOR, coded_size=lambda number, height, width: (4, 7)
    )
    assert frame.tolist() == [
        [[1, 2, 3, 4, 5, 6, 6], [7, 8, 8, 8, 8, 8, 8], [9, *[10] * 6], [9, *[10] * 6]],
    ]


def test_the_anchor_s_stack() -> None:
    """MPEG's four layers: an eighth of 4864x4250, where halves round up, and a dyadic example."""
    shapes = [(256, 28, 38), (256, 14, 19), (256, 7, 10), (256, 4, 5)]
    assert frame_shapes(shapes, stacked_grids(shapes), Packing.STACKED) == [(1, 448 + 112 + 56 + 16, 608)]
    dyadic = [(256, 16, 24), (256, 8, 12), (256, 4, 6), (256, 2, 3)]
    grids = stacked_grids(dyadic)
    assert [grid.columns * shape[2] for grid, shape in zip(grids, dyadic, strict=True)] == [384] * 4
    qs = [np.full(shape, layer, np.uint16) for layer, shape in enumerate(dyadic)]
    (frame,) = arrange(qs, [np.arange(256)] * 4, grids, Packing.STACKED, Allocation.INTERLEAVED)
    assert frame.shape == (1, 256 + 64 + 16 + 4, 384)
    assert frame[0, [0, 255, 256, 319, 320, 335, 336, 339]].min(axis=1).tolist() == [0, 0, 1, 1, 2, 2, 3, 3]
    assert frame[0, [0, 255, 256, 319, 320, 335, 336, 339]].max(axis=1).tolist() == [0, 0, 1, 1, 2, 2, 3, 3]


@pytest.mark.parametrize("packing", [Packing.FRAMES, Packing.QUILTED])
@given(st.data(), allocations)
def test_positions_against_the_slow_way(packing: Packing, data: st.DataObject, allocation: Allocation) -> None:
    qs, orders, grids = data.draw(layers(packing))
    substreams = arrange(qs, orders, grids, packing, allocation)
    for frames, q, order, grid in zip(substreams, qs, orders, grids, strict=True):
        assert frames.tolist() == naive_frames(q, order, grid, packing, allocation)


@given(layers(Packing.STACKED), allocations)
def test_stacked_against_the_slow_way(drawn: Layers, allocation: Allocation) -> None:
    qs, orders, grids = drawn
    (frame,) = arrange(qs, orders, grids, Packing.STACKED, allocation)
    expected: list[list[int]] = []
    for q, order, grid in zip(qs, orders, grids, strict=True):
        expected += naive_frames(q, order, grid, Packing.STACKED, allocation)[0]
    width = max(map(len, expected))
    assert frame[0].tolist() == [row + [row[-1]] * (width - len(row)) for row in expected]


@pytest.mark.parametrize("packing", list(Packing))
@given(st.data(), allocations)
def test_restore_undoes_arrange(packing: Packing, data: st.DataObject, allocation: Allocation) -> None:
    qs, orders, grids = data.draw(layers(packing))
    for coded_size in (None, padded):
        substreams = arrange(qs, orders, grids, packing, allocation, coded_size=coded_size)
        assert equal(restore(substreams, shapes_of(qs), orders, grids, packing, allocation), qs)


@pytest.mark.parametrize("packing", list(Packing))
@given(st.data(), allocations)
def test_padding_repeats_the_border(packing: Packing, data: st.DataObject, allocation: Allocation) -> None:
    qs, orders, grids = data.draw(layers(packing))
    plain = arrange(qs, orders, grids, packing, allocation)
    coded = arrange(qs, orders, grids, packing, allocation, coded_size=padded)
    assert [frames.shape for frames in plain] == frame_shapes(shapes_of(qs), grids, packing)
    for before, after in zip(plain, coded, strict=True):
        height, width = padded(0, *before.shape[1:])
        rows = np.minimum(np.arange(height), before.shape[1] - 1)
        columns = np.minimum(np.arange(width), before.shape[2] - 1)
        assert np.array_equal(after, before[:, rows][:, :, columns])


@given(layers(Packing.STACKED), allocations, st.integers(0, 65535))
def test_what_no_map_covers_is_not_read(drawn: Layers, allocation: Allocation, noise: int) -> None:
    qs, orders, grids = drawn
    (frame,) = arrange(qs, orders, grids, Packing.STACKED, allocation, coded_size=padded)
    top = 0
    for q, grid in zip(qs, grids, strict=True):
        bottom = top + grid.rows * q.shape[1]
        frame[0, top:bottom, grid.columns * q.shape[2] :] = noise
        top = bottom
    frame[0, top:] = noise
    assert equal(restore([frame], shapes_of(qs), orders, grids, Packing.STACKED, allocation), qs)


@pytest.mark.parametrize("packing", list(Packing))
def test_threads_do_not_matter(packing: Packing) -> None:
    random = np.random.default_rng(5)
    qs = [random.integers(0, 1024, (16, 40, 200)).astype(np.uint16) for _ in range(3)]
    orders = [random.permutation(16) for _ in qs]
    grids = [Grid(4, 4), Grid(8, 2), Grid(2, 8)]
    for allocation in Allocation:
        expected = arrange(qs, orders, grids, packing, allocation, threads=1)
        for threads in (1, 2, 5):
            assert equal(arrange(qs, orders, grids, packing, allocation, threads=threads), expected)
            found = restore(expected, shapes_of(qs), orders, grids, packing, allocation, threads=threads)
            assert equal(found, qs)


def test_sizes_that_cannot_be_are_internal_errors() -> None:
    with pytest.raises(ValueError, match="below the frame"):
        arrange(
            [FOUR],
            [IDENTITY],
            [Grid(2, 2)],
            Packing.FRAMES,
            Allocation.FRAME_MAJOR,
            coded_size=lambda number, height, width: (height, width - 1),
        )
    for shape in [(2, 2, 2), (1, 1, 2), (1, 2, 1)]:
        with pytest.raises(ValueError, match="do not hold"):
            restore(
                [np.zeros(shape, np.uint16)],
                [(4, 1, 1)],
                [IDENTITY],
                [Grid(2, 2)],
                Packing.FRAMES,
                Allocation.FRAME_MAJOR,
            )


def test_two_runs_of_stacked_tensors_by_hand() -> None:
    """A tensor that is not stacked divides them; each run is one substream."""
    maps = [np.full((2, 1, 1), value, np.uint16) for value in range(5)]
    packings = [Packing.STACKED, Packing.STACKED, Packing.FRAMES, Packing.STACKED, Packing.STACKED]
    placed = [
        Placement(Grid(1, 1) if packing == Packing.FRAMES else Grid(2, 1), packing, Allocation.FRAME_MAJOR)
        for packing in packings
    ]
    frames = pack(maps, [np.arange(2)] * 5, placed)
    assert [clip.tolist() for clip in frames] == [[[[0, 0], [1, 1]]], [[[2]], [[2]]], [[[3, 3], [4, 4]]]]
    assert equal(unpack(frames, shapes_of(maps), [np.arange(2)] * 5, placed), maps)
