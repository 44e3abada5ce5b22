"""Arrangement of quantised maps in frames, and its inverse.

Seed 1, sections II.1, III.2 and III.3 (Figures 2, 6 and 8); the stack of arrangement ``TILED`` is that of the
MPEG-VCM feature anchor. Inverse: docs/bitstream.md, Decoding process.

Forward and inverse share one description of places: `_places` pairs each map with the view of the frames
where it lies. The forward copies from map to view, the inverse from view to map.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from vcm_ref.bitstream.values import Allocation, Arrangement, Grid, Shape, frame_shapes
from vcm_ref.conversion.parallel import block_maps, share_out

CodedSize = Callable[[int, int], tuple[int, int]]


def cell_positions(channels: int, grid: Grid, allocation: Allocation) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """Return frame and cell ``(C,)`` of each position in the channel order; cells count in raster scan.

    ``SPATIAL`` fills a frame before the next; ``TEMPORAL`` fills one cell of every frame before the next
    cell.
    """
    position = np.arange(channels)
    if allocation == Allocation.SPATIAL:
        return position // grid.maps, position % grid.maps
    frames = channels // grid.maps
    return position % frames, position // frames


def arrange(
    qs: Sequence[NDArray[np.uint16]],
    orders: Sequence[NDArray[np.intp]],
    grids: Sequence[Grid],
    arrangement: Arrangement,
    allocation: Allocation,
    *,
    coded_size: CodedSize | None = None,
    threads: int | None = None,
) -> list[NDArray[np.uint16]]:
    """Arrange the layers' quantised maps ``(C, H, W)`` in frames; returns ``(F, H, W)`` for each substream.

    ``orders`` and ``grids`` are those of the layers, each grid checked by `check_grid`. ``coded_size`` takes
    height and width of a substream's frames and returns those to be coded, neither of them smaller; the
    padding repeats the last column and row. Right of a layer narrower than its ``TILED`` frame, each row
    repeats its last sample too: cheap to code, and ignored by the decoder.
    """
    shapes: list[Shape] = [(len(q), q.shape[1], q.shape[2]) for q in qs]
    substreams = []
    for frames, height, width in frame_shapes(shapes, grids, arrangement):
        coded_height, coded_width = coded_size(height, width) if coded_size else (height, width)
        if coded_height < height or coded_width < width:
            raise ValueError(f"coded size {coded_width}x{coded_height} is below the frame's {width}x{height}")
        substreams.append(np.empty((frames, coded_height, coded_width), np.uint16))
    regions = _regions(substreams, shapes, grids, arrangement)

    def work(drawn: Iterator[list[_Place]]) -> None:
        for places in drawn:
            for layer, channel, view in places:
                np.copyto(view, qs[layer][channel])

    share_out(work, _places(regions, shapes, orders, grids, arrangement, allocation), threads)
    for region, (_, map_height, map_width), grid in zip(regions, shapes, grids, strict=True):
        height, width = grid.rows * map_height, grid.columns * map_width
        region[:, :height, width:] = region[:, :height, width - 1 : width]
        region[:, height:] = region[:, height - 1 : height]
    return substreams


def restore(
    substreams: Sequence[NDArray[np.uint16]],
    shapes: Sequence[Shape],
    orders: Sequence[NDArray[np.intp]],
    grids: Sequence[Grid],
    arrangement: Arrangement,
    allocation: Allocation,
    *,
    threads: int | None = None,
) -> list[NDArray[np.uint16]]:
    """Take the layers' quantised maps ``(C, H, W)`` out of the frames ``(F, H, W)`` of each substream.

    Normative (docs/bitstream.md, Decoding process). ``shapes`` are those of the layers. Frames may be larger
    than `frame_shapes` says; what lies beyond is not read.
    """
    for frames, needed in zip(substreams, frame_shapes(shapes, grids, arrangement), strict=True):
        if frames.shape[0] != needed[0] or frames.shape[1] < needed[1] or frames.shape[2] < needed[2]:
            raise ValueError(f"frames of shape {frames.shape} do not hold {needed}")
    qs = [np.empty(shape, np.uint16) for shape in shapes]
    regions = _regions(substreams, shapes, grids, arrangement)

    def work(drawn: Iterator[list[_Place]]) -> None:
        for places in drawn:
            for layer, channel, view in places:
                np.copyto(qs[layer][channel], view)

    share_out(work, _places(regions, shapes, orders, grids, arrangement, allocation), threads)
    return qs


class _Place(NamedTuple):
    """One map and where it lies: ``view`` is its samples ``(H, W)`` in the frames."""

    layer: int
    channel: int
    view: NDArray[np.uint16]


def _places(
    regions: Sequence[NDArray[np.uint16]],
    shapes: Sequence[Shape],
    orders: Sequence[NDArray[np.intp]],
    grids: Sequence[Grid],
    arrangement: Arrangement,
    allocation: Allocation,
) -> list[list[_Place]]:
    """Return the places of all maps of all layers, in lists worth a thread's while."""
    blocks = []
    for layer, (channels, height, width) in enumerate(shapes):
        columns, rows = grids[layer].columns, grids[layer].rows
        frames, cells = cell_positions(channels, grids[layer], allocation)
        places = []
        for channel, frame, cell in zip(orders[layer].tolist(), frames.tolist(), cells.tolist(), strict=True):
            row, column = divmod(cell, columns)
            if arrangement == Arrangement.QUILTED:
                # Sample (y, x) of all maps of a frame forms one patch, whose first sample is (y * rows, x *
                # columns).
                view = regions[layer][frame, row : rows * height : rows, column : columns * width : columns]
            else:
                top, left = row * height, column * width
                view = regions[layer][frame, top : top + height, left : left + width]
            places.append(_Place(layer, channel, view))
        maps = block_maps(height, width)
        blocks += [places[start : start + maps] for start in range(0, channels, maps)]
    return blocks


def _regions(
    substreams: Sequence[NDArray[np.uint16]],
    shapes: Sequence[Shape],
    grids: Sequence[Grid],
    arrangement: Arrangement,
) -> list[NDArray[np.uint16]]:
    """Return the part ``(F, H, W)`` of the frames that is each layer's own, padding included."""
    if arrangement != Arrangement.TILED:
        return list(substreams)
    heights = [grid.rows * map_height for (_, map_height, _), grid in zip(shapes, grids, strict=True)]
    return np.split(substreams[0], np.cumsum(heights)[:-1], axis=1)
