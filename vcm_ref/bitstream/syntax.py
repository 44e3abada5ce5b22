"""The syntax: one function a table of docs/bitstream.md, clause 6, in its order.

Each function codes its elements through a :class:`~.coder.Coder`, which reads or writes. The attributes of the
dataclasses are the variables of the semantics (clause 7).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import wraps
from math import factorial
from typing import Concatenate, ParamSpec, TypeVar

from ..errors import UnsupportedError
from .coder import Coder
from .elements import MAX_CHANNELS, MAX_PARAMETER_SET_BITS, MAX_SIZE, SIGNATURE, VERSION, Part
from .nal import START_CODE_LIKE, NalUnits, is_access_unit_delimiter, is_parameter_set
from .parameter_sets import BitString, ParameterSetCode, apply_code, best_code, to_bit_string, to_nal_unit
from .permutation import fixed_index_bits, index_bits, rank, unrank
from .values import Allocation, Arrangement, Grid, InnerCodecId, Mode, RangeScope, ReorderCoding, UnitType

P = ParamSpec("P")
T = TypeVar("T")
NAME_CHARACTERS = frozenset(b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_.-")


@dataclass
class LayerHeader:
    """What does not change from picture to picture in one layer."""

    name: str = ""
    channels: int = 0
    grid: Grid = field(default_factory=lambda: Grid(1, 1))
    mode: Mode = Mode.AI


@dataclass
class StreamHeader:
    """What holds for the whole bitstream."""

    version: int = VERSION
    profile: int = 0
    level: int = 1
    bit_depth: int = 10
    inner_codec: InnerCodecId = InnerCodecId.LOSSLESS
    arrangement: Arrangement = Arrangement.FRAMES
    allocation: Allocation = Allocation.SPATIAL
    range_scope: RangeScope = RangeScope.LAYER
    reorder_coding: ReorderCoding = ReorderCoding.NONE
    digest_length: int = 0
    layers: list[LayerHeader] = field(default_factory=list)
    fixed_range: tuple[float, float] = (0.0, 0.0)


@dataclass
class LayerPicture:
    """One layer of one picture: its size, its ranges ``(lo, hi)``, and its channel order where one is coded."""

    height: int = 0
    width: int = 0
    ranges: list[tuple[float, float]] = field(default_factory=list)
    order: list[int] = field(default_factory=list)


@dataclass
class PictureHeader:
    """Size of the original picture, and its layers; ``ranges`` where the picture has one pair for all layers."""

    height: int = 1
    width: int = 1
    ranges: list[tuple[float, float]] = field(default_factory=list)
    layers: list[LayerPicture] = field(default_factory=list)


@dataclass
class Substream:
    """One inner elementary stream: parameter sets and the NAL units that follow, or the bytes of a lossless one."""

    parameter_sets: list[bytes] = field(default_factory=list)
    nal_units: Sequence[bytes] = field(default_factory=NalUnits)
    lossless_data: bytes = b""


@dataclass
class Unit:
    """Type and payload size, in bytes, of one unit."""

    unit_type: UnitType = UnitType.END
    size: int = 0


#: The syntax tables: clause number to function.
TABLES: dict[str, Callable[..., object]] = {}


def table(clause: str) -> Callable[[Callable[Concatenate[Coder, P], T]], Callable[Concatenate[Coder, P], T]]:
    """Marks a function as the syntax table of ``clause``; its elements are traced and reported under that number."""

    def decorate(function: Callable[Concatenate[Coder, P], T]) -> Callable[Concatenate[Coder, P], T]:
        def coded(s: Coder, /, *args: P.args, **kwargs: P.kwargs) -> T:
            outer, s.clause = s.clause, clause
            result = function(s, *args, **kwargs)
            s.clause = outer
            return result

        TABLES[clause] = function
        return wraps(function)(coded)

    return decorate


def resize(s: Coder, items: list[T], count: int, make: Callable[[], T]) -> None:
    """When reading, give ``items`` the ``count`` entries that the elements to come will fill."""
    if s.reading:
        items[:] = [make() for _ in range(count)]


@table("6.2")
def signature(s: Coder) -> None:
    """The first four bytes of a bitstream."""
    s("signature", SIGNATURE)


@table("6.3")
def unit_header(s: Coder, unit: Unit) -> None:
    """What stands before each unit's payload."""
    unit.unit_type = UnitType(s("unit_type", unit.unit_type))
    size_bytes = s("unit_size_bytes", (unit.size.bit_length() + 7) // 8)
    unit.size = s("unit_size", unit.size, bits=8 * size_bytes)
    s.require(size_bytes == (unit.size.bit_length() + 7) // 8, "unit_size has a leading zero byte")


@table("6.4")
def stream_header(s: Coder, h: StreamHeader) -> None:
    """What holds for every picture of the bitstream."""
    h.version = s("version", h.version)
    if h.version != VERSION:
        raise UnsupportedError(f"the bitstream has version {h.version}; this decoder knows version {VERSION}")
    h.profile = s("profile_idc", h.profile)
    h.level = s("level_idc", h.level)
    h.bit_depth = s("bit_depth_minus1", h.bit_depth - 1) + 1
    h.inner_codec = InnerCodecId(s("inner_codec_idc", h.inner_codec))
    s.require(
        h.inner_codec == InnerCodecId.LOSSLESS or h.bit_depth <= 10,
        f"bit depth {h.bit_depth} needs the lossless inner codec",
    )
    h.arrangement = Arrangement(s("arrangement_idc", h.arrangement))
    h.range_scope = RangeScope(s("range_scope_idc", h.range_scope))
    h.reorder_coding = ReorderCoding(s("reorder_coding_idc", h.reorder_coding))
    h.digest_length = s("digest_length", h.digest_length)
    if h.arrangement != Arrangement.TILED:
        h.allocation = Allocation(s("allocation_idc", h.allocation))
    num_layers = s("num_layers_minus1", len(h.layers) - 1) + 1
    resize(s, h.layers, num_layers, LayerHeader)
    for i in range(num_layers):
        layer_header(s, h, i)
    if h.range_scope == RangeScope.FIXED:
        h.fixed_range = value_range(s, h.fixed_range)


@table("6.5")
def layer_header(s: Coder, h: StreamHeader, i: int) -> None:
    """What holds for one layer in every picture. Channels are coded relative to the layer before."""
    layer = h.layers[i]
    name_length = s("layer_name_length_minus1", len(layer.name) - 1) + 1
    name = s("layer_name", layer.name.encode("ascii"), bits=8 * name_length)
    s.require(NAME_CHARACTERS.issuperset(name), "a layer's name has a character other than A-Z a-z 0-9 _ . -")
    layer.name = name.decode("ascii")
    s.require(all(layer.name != other.name for other in h.layers[:i]), f"two layers are named {layer.name}")
    predicted_channels = h.layers[i - 1].channels if i > 0 else 0
    layer.channels = predicted_channels + s("channels_delta", layer.channels - predicted_channels)
    s.require(1 <= layer.channels <= MAX_CHANNELS, f"layer {layer.name} has {layer.channels} channels")
    columns = s("grid_columns_minus1", layer.grid.columns - 1) + 1
    rows = s("grid_rows_minus1", layer.grid.rows - 1) + 1
    layer.grid = Grid(columns, rows)
    s.require(
        layer.channels % layer.grid.maps == 0,
        f"grid {layer.grid} of layer {layer.name} does not divide its {layer.channels} channels",
    )
    if h.arrangement != Arrangement.TILED:
        layer.mode = Mode(s("mode_idc", layer.mode))
    else:
        s.require(layer.channels == layer.grid.maps, f"tiled layer {layer.name} must fit in one grid")


@table("6.6")
def value_range(s: Coder, pair: tuple[float, float]) -> tuple[float, float]:
    """The smallest and the largest value that the quantised samples stand for."""
    lo, hi = pair
    lo = s("range_min", lo)
    hi = s("range_max", hi)
    s.require(lo <= hi, f"range_min {lo} is above range_max {hi}")
    return lo, hi


@table("6.7")
def picture_header(s: Coder, h: StreamHeader, p: PictureHeader) -> None:
    """Sizes, ranges and channel orders of one picture. A layer's size is coded relative to half the one before."""
    p.height = s("picture_height_minus1", p.height - 1) + 1
    p.width = s("picture_width_minus1", p.width - 1) + 1
    num_layers = len(h.layers)
    resize(s, p.layers, num_layers, LayerPicture)
    for i in range(num_layers):
        predicted_height, predicted_width = predicted_size(p, i)
        p.layers[i].height = predicted_height + s("layer_height_delta", p.layers[i].height - predicted_height)
        p.layers[i].width = predicted_width + s("layer_width_delta", p.layers[i].width - predicted_width)
        s.require(
            1 <= p.layers[i].height <= MAX_SIZE and 1 <= p.layers[i].width <= MAX_SIZE,
            f"layer {h.layers[i].name} has size {p.layers[i].height}x{p.layers[i].width}",
        )
    if h.range_scope == RangeScope.PICTURE:
        resize(s, p.ranges, 1, lambda: (0.0, 0.0))
        p.ranges[0] = value_range(s, p.ranges[0])
    for i in range(num_layers):
        num_ranges = {RangeScope.LAYER: 1, RangeScope.CHANNEL: h.layers[i].channels}.get(h.range_scope, 0)
        resize(s, p.layers[i].ranges, num_ranges, lambda: (0.0, 0.0))
        for c in range(num_ranges):
            p.layers[i].ranges[c] = value_range(s, p.layers[i].ranges[c])
    for i in range(num_layers):
        if h.reorder_coding != ReorderCoding.NONE:
            reorder_index(s, h, p, i)


def predicted_size(p: PictureHeader, i: int) -> tuple[int, int]:
    """Half the size of the layer before, rounded up: what a feature pyramid has."""
    if i == 0:
        return 0, 0
    return (p.layers[i - 1].height + 1) // 2, (p.layers[i - 1].width + 1) // 2


@table("6.8")
def reorder_index(s: Coder, h: StreamHeader, p: PictureHeader, i: int) -> None:
    """The channel order of one layer, by its rank or index by index."""
    channels = h.layers[i].channels
    if h.reorder_coding == ReorderCoding.EXACT:
        index = s("reorder_index", rank(p.layers[i].order), bits=index_bits(channels))
        s.require(index < factorial(channels), f"reorder_index of layer {h.layers[i].name} is no permutation")
        p.layers[i].order = unrank(index, channels)
    else:
        resize(s, p.layers[i].order, channels, int)
        for k in range(channels):
            p.layers[i].order[k] = s("channel_index", p.layers[i].order[k], bits=fixed_index_bits(channels))
        s.require(
            sorted(p.layers[i].order) == list(range(channels)),
            f"the channel indices of layer {h.layers[i].name} are no permutation",
        )


@table("6.9")
def substream(s: Coder, h: StreamHeader, u: Substream, bases: list[BitString]) -> None:
    """One inner elementary stream. ``bases`` grows by each parameter set coded."""
    if h.inner_codec == InnerCodecId.LOSSLESS:
        u.lossless_data = s("lossless_data", u.lossless_data, bits=s.bits_to_end(u.lossless_data))
        return
    num_parameter_sets = s("num_parameter_sets", len(u.parameter_sets))
    resize(s, u.parameter_sets, num_parameter_sets, bytes)
    for i in range(num_parameter_sets):
        parameter_set(s, h, u, i, bases)
    s.align(Part.PARAMETER_SETS)
    i = 0
    while s.more_data(i < len(u.nal_units)):
        nal_unit_record(s, h, u, i)
        i += 1


@table("6.10")
def parameter_set(s: Coder, h: StreamHeader, u: Substream, i: int, bases: list[BitString]) -> None:
    """One parameter set, as the difference from a base."""
    code = ParameterSetCode() if s.reading else best_code(bases, to_bit_string(u.parameter_sets[i]))
    base = s("ps_base_idc", code.base, high=len(bases) - 1)
    prefix_bits = s("ps_prefix_bits", code.prefix_bits, high=bases[base].length)
    suffix_bits = s("ps_suffix_bits", code.suffix_bits, high=bases[base].length - prefix_bits)
    middle_bits = s("ps_middle_bits", code.middle_bits)
    middle = s("ps_middle", code.middle, bits=middle_bits)
    code = ParameterSetCode(base, prefix_bits, suffix_bits, middle_bits, middle)
    restored = apply_code(bases[base], code)
    s.require(restored.length <= MAX_PARAMETER_SET_BITS, f"a parameter set has {restored.length} bits")
    s.require(best_code(bases, restored) == code, "a parameter set is not coded in the one valid way")
    u.parameter_sets[i] = to_nal_unit(restored)
    s.require(
        restored.length >= 16 and is_parameter_set(h.inner_codec, u.parameter_sets[i]),
        "a parameter set has the NAL unit type of something else",
    )
    bases.append(restored)


@table("6.11")
def nal_unit_record(s: Coder, h: StreamHeader, u: Substream, i: int) -> None:
    """One NAL unit after the leading parameter sets, without its start code."""
    nal_unit = b"" if s.reading else u.nal_units[i]
    size = s("nal_unit_size", len(nal_unit))
    nal_unit = s("nal_unit", nal_unit, bits=8 * size)
    s.require(START_CODE_LIKE.search(nal_unit) is None, "a NAL unit holds a start code or ends in a zero byte")
    s.require(not is_access_unit_delimiter(h.inner_codec, nal_unit), "an access unit delimiter is stored")
    s.require(i > 0 or not is_parameter_set(h.inner_codec, nal_unit), "a leading parameter set is stored as it is")
    if s.reading:
        assert isinstance(u.nal_units, NalUnits), "a substream that is read into begins empty"
        u.nal_units.append(nal_unit)


@table("6.12")
def digest(s: Coder, h: StreamHeader, expected: bytes, digests: list[bytes]) -> None:
    """The picture's header digest, which is ``expected``, and the T1 digest of each layer: their leading bytes."""
    header_digest = s("header_digest", expected[: h.digest_length], bits=8 * h.digest_length)
    s.require(expected.startswith(header_digest), "the header digest differs: a header is damaged")
    resize(s, digests, len(h.layers), bytes)
    for i in range(len(h.layers)):
        digests[i] = s("t1_digest", digests[i], bits=8 * h.digest_length)
