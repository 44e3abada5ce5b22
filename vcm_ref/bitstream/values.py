"""Value types of the syntax, shared with the rooms that produce and consume them.

The numbers of the enumerations are the code points of ``docs/bitstream.md``.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import IntEnum

import numpy as np
from numpy.typing import NDArray


class Arrangement(IntEnum):
    """How feature maps become frames (``arrangement_idc``)."""

    FRAMES = 0
    QUILTED = 1
    TILED = 2


class Allocation(IntEnum):
    """Which place the next map of the channel order takes (``allocation_idc``)."""

    SPATIAL = 0
    TEMPORAL = 1


class Mode(IntEnum):
    """All-Intra or Random-Access (``mode_idc``)."""

    AI = 0
    RA = 1


class RangeScope(IntEnum):
    """What one pair of range values spans (``range_scope_idc``)."""

    FIXED = 0
    PICTURE = 1
    LAYER = 2
    CHANNEL = 3


class InnerCodecId(IntEnum):
    """The inner codec of the substreams (``inner_codec_idc``)."""

    LOSSLESS = 0
    HEVC = 1
    VVC = 2


@dataclass(frozen=True)
class Grid:
    """How many maps a frame holds: ``columns`` across, ``rows`` down."""

    columns: int
    rows: int

    @property
    def maps(self) -> int:
        """Maps in one frame."""
        return self.columns * self.rows

    def __str__(self) -> str:
        return f"{self.columns}x{self.rows}"


@dataclass(frozen=True)
class ValueRange:
    """Range of one layer: float32 arrays ``lo`` and ``hi`` of shape ``(n,)``.

    ``n`` is 1 (one pair for all channels of the layer) or C (scope ``CHANNEL``). Finite, ``lo <= hi``.
    """

    lo: NDArray[np.float32]
    hi: NDArray[np.float32]


class ReorderCoding(IntEnum):
    """How channel orders are coded (``reorder_coding_idc``): not at all, by exact rank, or index by index."""

    NONE = 0
    EXACT = 1
    FIXED_LENGTH = 2


class UnitType(IntEnum):
    """What a unit holds (``unit_type``)."""

    STREAM_HEADER = 1
    PICTURE_HEADER = 2
    SUBSTREAM = 3
    DIGEST = 4
    END = 5


#: Channels, or frames; then height and width.
Shape = tuple[int, int, int]


def frame_shapes(shapes: Sequence[Shape], grids: Sequence[Grid], arrangement: Arrangement) -> list[Shape]:
    """Return the frames ``(F, H, W)`` of each substream, before padding.

    ``shapes`` and ``grids`` are those of the layers. Each layer is a substream; with ``TILED`` there is one
    in all.
    """
    layers = list(zip(shapes, grids, strict=True))
    if arrangement == Arrangement.TILED:
        height = sum(grid.rows * map_height for (_, map_height, _), grid in layers)
        width = max(grid.columns * map_width for (_, _, map_width), grid in layers)
        return [(1, height, width)]
    return [
        (channels // grid.maps, grid.rows * map_height, grid.columns * map_width)
        for (channels, map_height, map_width), grid in layers
    ]
