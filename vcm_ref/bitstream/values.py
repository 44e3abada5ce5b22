"""Value types of the syntax, shared with the rooms that produce and consume them.

The numbers of the enumerations are the code points of ``docs/bitstream.md``.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import IntEnum
from itertools import groupby

import numpy as np
from numpy.typing import NDArray


class Packing(IntEnum):
    """How feature maps become frames (``packing_idc``)."""

    FRAMES = 0
    QUILTED = 1
    STACKED = 2


class Allocation(IntEnum):
    """Which place the next map of the channel order takes (``allocation_idc``)."""

    FRAME_MAJOR = 0
    INTERLEAVED = 1


class Mode(IntEnum):
    """All-Intra, Random-Access or Low-Delay (``mode_idc``)."""

    AI = 0
    RA = 1
    LD = 2


class RangeScope(IntEnum):
    """What one pair of range values spans (``range_scope_idc``)."""

    FIXED = 0
    PICTURE = 1
    TENSOR = 2
    CHANNEL = 3


class InnerCodecId(IntEnum):
    """The inner codec of a substream (``inner_codec_idc``)."""

    LOSSLESS = 0
    HEVC = 1
    VVC = 2
    COEFFICIENTS = 3

    @property
    def is_video(self) -> bool:
        """Whether frames of a video are coded."""
        return self in (InnerCodecId.HEVC, InnerCodecId.VVC)


class ReorderCoding(IntEnum):
    """How channel orders are coded (``reorder_coding_idc``): not at all, by exact rank, or index by index."""

    NONE = 0
    EXACT = 1
    FIXED_LENGTH = 2


class ModelSource(IntEnum):
    """Where a model's bytes are (``model_idc``): in the unit, or with the decoder."""

    DATA = 0
    REFERENCE = 1


#: Bytes of a model's SHA-256 that refer to it (``model_digest``): an encoder's choice, and the least and the most.
REFERENCE_BYTES = 8
MIN_REFERENCE_BYTES, MAX_REFERENCE_BYTES = 4, 32


class DigestAlgorithm(IntEnum):
    """How digests are computed (``digest_idc``)."""

    SHA256 = 0


class StageId(IntEnum):
    """A reduction stage (``stage_idc``)."""

    RESIZE = 1
    KLT = 2
    PCA = 3
    NETWORK = 4


class GraphOperation(IntEnum):
    """An operation of an integer graph (clause 8.11)."""

    CONVOLUTION = 0
    ADD = 1
    MULTIPLY = 2
    SCALE = 3
    CONCATENATE = 4
    SLICE = 5
    SHUFFLE = 6
    UNSHUFFLE = 7
    UPSAMPLE = 8
    POOL = 9
    MEAN = 10
    RELU = 11
    PRELU = 12
    TABLE = 13


class UnitType(IntEnum):
    """Content of a unit (``unit_type``). Types from ``FIRST_ANCILLARY`` on are ancillary, the others critical."""

    STREAM_HEADER = 1
    GROUP_HEADER = 2
    SUBSTREAM = 3
    DIGEST = 4
    END = 5
    MODEL = 6
    USER_DATA = 8


FIRST_ANCILLARY = 8


@dataclass(frozen=True)
class Layer:
    """Name and number of channels of a restored layer or of a coded tensor."""

    name: str = ""
    channels: int = 0


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
class Placement:
    """How the maps of one tensor lie in frames."""

    grid: Grid
    packing: Packing = Packing.FRAMES
    allocation: Allocation = Allocation.FRAME_MAJOR


@dataclass(frozen=True)
class ValueRange:
    """Range of one tensor: float32 arrays ``lo`` and ``hi`` of shape ``(n,)``.

    ``n`` is 1 (one pair for all channels of the tensor) or C (scope ``CHANNEL``). Finite, ``lo <= hi``.
    """

    lo: NDArray[np.float32]
    hi: NDArray[np.float32]


@dataclass(frozen=True)
class Samples:
    """An integer tensor and the values that it stands for: ``lo + samples * ((hi - lo) / top)``.

    ``samples`` has shape ``(C, H, W)``; a sample is below ``2**53``.
    """

    samples: NDArray[np.integer]
    value_range: ValueRange
    top: int


#: A coded tensor ``(C, H, W)``, or frames: uint16 samples, or int32 levels.
IntegerTensor = NDArray[np.uint16] | NDArray[np.int32]
#: Channels, or frames; then height and width.
Shape = tuple[int, int, int]


def substream_members(placements: Sequence[Placement]) -> list[list[int]]:
    """Return the numbers of the tensors in each substream: one tensor, or a run of ``STACKED`` ones."""
    runs = groupby(range(len(placements)), lambda i: -1 if placements[i].packing == Packing.STACKED else i)
    return [list(members) for _, members in runs]


def frame_shapes(shapes: Sequence[Shape], placements: Sequence[Placement]) -> list[Shape]:
    """Return the frames ``(F, H, W)`` of each substream of one picture, before padding.

    ``shapes`` and ``placements`` are those of the tensors. Stacked tensors lie one below the other.
    """
    found = []
    for members in substream_members(placements):
        own = [(*shapes[i], placements[i].grid) for i in members]
        frames = own[0][0] // own[0][3].maps
        found.append(
            (frames, sum(grid.rows * h for _, h, _, grid in own), max(grid.columns * w for *_, w, grid in own))
        )
    return found


def coded_size(inner_codec: InnerCodecId, height: int, width: int) -> tuple[int, int]:
    """Height and width of a frame as the inner codec sees it: for video, even and at least 32."""
    if not inner_codec.is_video:
        return height, width
    return max(32, height + height % 2), max(32, width + width % 2)


#: The inner bit depth of the video codecs.
VIDEO_BIT_DEPTH = 10


def inner_bit_depth(inner_codec: InnerCodecId, bit_depth: int) -> int:
    """Bits of a sample in the inner codec: 10 for video, else the tensor's own."""
    return VIDEO_BIT_DEPTH if inner_codec.is_video else bit_depth
