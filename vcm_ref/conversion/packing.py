"""Packing of quantised maps into frames, and its inverse.

Rhee, Lee, Kim 2022, sections II.1, III.2 and III.3 (Figures 2, 6 and 8); the stack of packing ``STACKED`` is that of
the MPEG-VCM feature anchor. Inverse: docs/bitstream.md, 8.5.

Forward and inverse share one description of places: `_places` pairs each map with the view of the frames
where it lies. The forward copies from map to view, the inverse from view to map.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from vcm_ref.bitstream.values import (
    Allocation,
    Grid,
    IntegerTensor,
    Packing,
    Placement,
    Shape,
    frame_shapes,
    substream_members,
)
from vcm_ref.conversion.parallel import block_maps, share_out

#: Takes the number of a substream, height and width of its frames; returns those to be coded.
CodedSize = Callable[[int, int, int], tuple[int, int]]


def cell_positions(channels: int, grid: Grid, allocation: Allocation) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """Return frame and cell ``(C,)`` of each position in the channel order; cells count in raster scan.

    ``FRAME_MAJOR`` fills a frame before the next; ``INTERLEAVED`` fills one cell of every frame before the
    next cell.
    """
    position = np.arange(channels)
    if allocation == Allocation.FRAME_MAJOR:
        return position // grid.maps, position % grid.maps
    frames = channels // grid.maps
    return position % frames, position // frames


def pack(
    qs: Sequence[IntegerTensor],
    orders: Sequence[NDArray[np.intp]],
    placements: Sequence[Placement],
    *,
    coded_size: CodedSize | None = None,
    threads: int | None = None,
) -> list[Any]:
    """Pack the tensors' quantised maps ``(C, H, W)`` into frames; returns ``(F, H, W)`` for each substream.

    ``orders`` and ``placements`` are those of the tensors, each grid checked by `check_grid`. ``coded_size``
    returns a height and width neither of which is smaller than the frames'; the padding repeats the last
    column and row. Right of a tensor narrower than its ``STACKED`` frame, each row repeats its last sample
    too: cheap to code, and ignored by the decoder.
    """
    shapes: list[Shape] = [(len(q), q.shape[1], q.shape[2]) for q in qs]
    substreams: list[IntegerTensor] = []
    members = substream_members(placements)
    for number, (frames, height, width) in enumerate(frame_shapes(shapes, placements)):
        coded_height, coded_width = coded_size(number, height, width) if coded_size else (height, width)
        if coded_height < height or coded_width < width:
            raise ValueError(f"coded size {coded_width}x{coded_height} is below the frame's {width}x{height}")
        substreams.append(np.empty((frames, coded_height, coded_width), qs[members[number][0]].dtype))
    regions = _regions(substreams, shapes, placements)

    def work(drawn: Iterator[list[_Place]]) -> None:
        for places in drawn:
            for tensor, channel, view in places:
                np.copyto(view, qs[tensor][channel])

    share_out(work, _places(regions, shapes, orders, placements), threads)
    for region, (_, map_height, map_width), placement in zip(regions, shapes, placements, strict=True):
        height, width = placement.grid.rows * map_height, placement.grid.columns * map_width
        region[:, :height, width:] = region[:, :height, width - 1 : width]
        region[:, height:] = region[:, height - 1 : height]
    return substreams


def unpack(
    substreams: Sequence[IntegerTensor],
    shapes: Sequence[Shape],
    orders: Sequence[NDArray[np.intp]],
    placements: Sequence[Placement],
    *,
    threads: int | None = None,
) -> list[IntegerTensor]:
    """Take the tensors' quantised maps ``(C, H, W)`` out of the frames ``(F, H, W)`` of each substream.

    Normative (docs/bitstream.md, 8.5). ``shapes`` are those of the tensors. Frames may be larger
    than `frame_shapes` says; what lies beyond is not read.
    """
    for frames, needed in zip(substreams, frame_shapes(shapes, placements), strict=True):
        if frames.shape[0] != needed[0] or frames.shape[1] < needed[1] or frames.shape[2] < needed[2]:
            raise ValueError(f"frames of shape {frames.shape} do not hold {needed}")
    regions = _regions(substreams, shapes, placements)
    qs = [np.empty(shape, region.dtype) for shape, region in zip(shapes, regions, strict=True)]

    def work(drawn: Iterator[list[_Place]]) -> None:
        for places in drawn:
            for tensor, channel, view in places:
                np.copyto(qs[tensor][channel], view)

    share_out(work, _places(regions, shapes, orders, placements), threads)
    return qs


class _Place(NamedTuple):
    """One map and where it lies: ``view`` is its samples ``(H, W)`` in the frames."""

    tensor: int
    channel: int
    view: IntegerTensor


def _places(
    regions: Sequence[IntegerTensor],
    shapes: Sequence[Shape],
    orders: Sequence[NDArray[np.intp]],
    placements: Sequence[Placement],
) -> list[list[_Place]]:
    """Return the places of all maps of all tensors, in lists worth a thread's while."""
    blocks = []
    for tensor, (channels, height, width) in enumerate(shapes):
        grid, packing = placements[tensor].grid, placements[tensor].packing
        columns, rows = grid.columns, grid.rows
        frames, cells = cell_positions(channels, grid, placements[tensor].allocation)
        places = []
        for channel, frame, cell in zip(orders[tensor].tolist(), frames.tolist(), cells.tolist(), strict=True):
            row, column = divmod(cell, columns)
            if packing == Packing.QUILTED:
                # Sample (y, x) of all maps of a frame forms one patch, whose first sample is (y * rows, x *
                # columns).
                view = regions[tensor][frame, row : rows * height : rows, column : columns * width : columns]
            else:
                top, left = row * height, column * width
                view = regions[tensor][frame, top : top + height, left : left + width]
            places.append(_Place(tensor, channel, view))
        maps = block_maps(height, width)
        blocks += [places[start : start + maps] for start in range(0, channels, maps)]
    return blocks


def _regions(
    substreams: Sequence[IntegerTensor], shapes: Sequence[Shape], placements: Sequence[Placement]
) -> list[IntegerTensor]:
    """Return the part ``(F, H, W)`` of the frames that is each tensor's own, padding included."""
    regions: list[Any] = []
    for frames, members in zip(substreams, substream_members(placements), strict=True):
        heights = [placements[i].grid.rows * shapes[i][1] for i in members]
        regions += np.split(frames, np.cumsum(heights)[:-1], axis=1)
    return regions
