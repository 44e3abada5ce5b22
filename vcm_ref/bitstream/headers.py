"""What the headers of a bitstream hold: the variables of the semantics (docs/bitstream.md, clause 7)."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from itertools import chain

from ..conversion.reduction.stage import Stage
from .elements import VERSION
from .nal import NalUnits
from .values import (
    Allocation,
    DigestAlgorithm,
    Grid,
    InnerCodecId,
    Layer,
    Mode,
    ModelSource,
    Packing,
    Placement,
    RangeScope,
    ReorderCoding,
    UnitType,
    inner_bit_depth,
    substream_members,
)

#: The magnitude of a level is below two to the power of this.
LEVEL_BITS = 16
#: lo and hi of clause 8.6.
Pair = tuple[float, float]


@dataclass(frozen=True)
class LevelFormat:
    """How levels are coded, and what they stand for (table 6.22); ``offsets`` are in 1/32 of a step."""

    qp: int = 32
    offsets: tuple[int, int] = (0, 0)
    model_tables: bool = False
    picture_before: bool = False


@dataclass(frozen=True)
class TensorFormat:
    """The part of a coded tensor's parameters that tensors of other shapes often share (table 6.9).

    Where the inner codec is ``COEFFICIENTS``, ``levels`` takes the place of all else (:func:`format_of_levels`).
    """

    bit_depth: int = 10
    inner_codec: InnerCodecId = InnerCodecId.LOSSLESS
    range_scope: RangeScope = RangeScope.TENSOR
    reorder_coding: ReorderCoding = ReorderCoding.NONE
    packing: Packing = Packing.FRAMES
    fixed_range: Pair = (0.0, 0.0)
    levels: LevelFormat | None = None

    @property
    def inner_bit_depth(self) -> int:
        """Bits of a sample in the inner codec."""
        return inner_bit_depth(self.inner_codec, self.bit_depth)


def format_of_levels(levels: LevelFormat) -> TensorFormat:
    """The format of a tensor of the inner codec ``COEFFICIENTS``: maps as they are, each in a frame, and no ranges."""
    return TensorFormat(LEVEL_BITS, InnerCodecId.COEFFICIENTS, RangeScope.FIXED, levels=levels)


@dataclass(frozen=True)
class TensorHeader:
    """How one tensor is coded in every picture (table 6.8)."""

    format: TensorFormat = field(default_factory=TensorFormat)
    grid: Grid = field(default_factory=lambda: Grid(1, 1))
    allocation: Allocation = Allocation.FRAME_MAJOR
    mode: Mode = Mode.AI

    @property
    def placement(self) -> Placement:
        """How its maps lie in frames."""
        return Placement(self.grid, self.format.packing, self.allocation)

    def inherited(self, channels: int) -> TensorHeader | None:
        """The same parameters for a tensor of ``channels`` channels; None where they do not fit it (7.8)."""
        grid = self.grid
        if self.format.packing == Packing.STACKED:
            grid = Grid(grid.columns, channels // grid.columns)
        if channels % grid.columns or channels % grid.maps:
            return None
        return replace(self, grid=grid, allocation=self.allocation if has_choice(grid, channels) else Allocation(0))


def has_choice(grid: Grid, channels: int) -> bool:
    """Whether the two allocations differ: several frames of several maps."""
    return 1 < grid.maps < channels


@dataclass
class StreamHeader:
    """What holds for the whole bitstream (table 6.4)."""

    version: int = VERSION
    profile: int = 0
    level: int = 1
    digest_length: int = 0
    digest_algorithm: DigestAlgorithm = DigestAlgorithm.SHA256
    t2_digest: bool = False
    layers: list[Layer] = field(default_factory=list)
    stages: list[Stage] = field(default_factory=list)
    tensors: list[TensorHeader] = field(default_factory=list)
    extension: bytes = b""

    @property
    def coded(self) -> list[Layer]:
        """Name and channels of each coded tensor: the layers, after all stages."""
        return self.before_stage(len(self.stages))

    def before_stage(self, number: int) -> list[Layer]:
        """Name and channels of the tensors that go into a stage."""
        tensors = list(self.layers)
        for stage in self.stages[:number]:
            tensors = stage.layers(tensors)
        return tensors

    @property
    def placements(self) -> list[Placement]:
        """How each tensor's maps lie in frames."""
        return [tensor.placement for tensor in self.tensors]

    @property
    def substreams(self) -> list[list[int]]:
        """The numbers of the tensors in each substream."""
        return substream_members(self.placements)

    def shared_range(self) -> bool:
        """Whether a picture has one pair of range values for several tensors."""
        return any(tensor.format.range_scope == RangeScope.PICTURE for tensor in self.tensors)


@dataclass
class TensorPicture:
    """One tensor of one picture: its ranges ``(lo, hi)``, and its channel order where one is coded."""

    ranges: list[Pair] = field(default_factory=list)
    order: list[int] = field(default_factory=list)


@dataclass
class PictureHeader:
    """The tensors of one picture; ``ranges`` has one pair where tensors share it (scope ``PICTURE``)."""

    ranges: list[Pair] = field(default_factory=list)
    tensors: list[TensorPicture] = field(default_factory=list)


@dataclass
class GroupHeader:
    """Size of the original pictures, height and width of each restored layer, and the pictures (table 6.10)."""

    height: int = 1
    width: int = 1
    sizes: list[tuple[int, int]] = field(default_factory=list)
    pictures: list[PictureHeader] = field(default_factory=list)
    extension: bytes = b""


@dataclass
class Substream:
    """One inner elementary stream: parameter sets and the NAL units that follow, or the bytes of one of our own."""

    parameter_sets: list[bytes] = field(default_factory=list)
    nal_units: Sequence[bytes] = field(default_factory=NalUnits)
    lossless_data: bytes = b""
    level_data: bytes = b""

    @property
    def inner_nal_units(self) -> Iterator[bytes]:
        """The NAL units of the inner stream, in order."""
        return chain(self.parameter_sets, self.nal_units)


@dataclass
class PictureDigests:
    """The digests of one picture, or their leading bytes: T1 of each coded tensor, T2 where there is one."""

    t1: list[bytes] = field(default_factory=list)
    t2: bytes = b""


@dataclass
class Model:
    """A model in force under ``number``: its bytes and their SHA-256 (table 6.18).

    A model whose source is REFERENCE stands in the bitstream as its ``reference``, the first bytes of its SHA-256.
    """

    number: int = 0
    kind: int = 0
    source: ModelSource = ModelSource.DATA
    data: bytes = b""
    digest: bytes = b""
    reference: bytes = b""


@dataclass
class UserData:
    """Bytes that no decoding process uses (table 6.19)."""

    uuid: bytes = bytes(16)
    data: bytes = b""


@dataclass
class Unit:
    """Type and payload size, in bytes, of one unit; the type may be unknown."""

    unit_type: int = UnitType.END
    size: int = 0


def names(layers: Sequence[Layer]) -> list[str]:
    """The names of ``layers``."""
    return [layer.name for layer in layers]
