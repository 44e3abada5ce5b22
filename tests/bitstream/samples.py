"""What the tests of the bitstream draw from and build with."""

from __future__ import annotations

import io
import struct
from collections.abc import Sequence
from typing import NamedTuple

from hypothesis import strategies as st

from vcm_ref.bitstream.geometry import SubstreamGeometry, substream_geometries
from vcm_ref.bitstream.headers import (
    GroupHeader,
    LevelFormat,
    PictureDigests,
    PictureHeader,
    StreamHeader,
    Substream,
    TensorFormat,
    TensorHeader,
    TensorPicture,
    format_of_levels,
    has_choice,
)
from vcm_ref.bitstream.levels import profile_for
from vcm_ref.bitstream.stream import BitstreamReader, BitstreamWriter, CodedGroup
from vcm_ref.bitstream.values import (
    Allocation,
    Grid,
    InnerCodecId,
    Layer,
    Mode,
    Packing,
    RangeScope,
    ReorderCoding,
)
from vcm_ref.conversion.reduction import Resize

from .inner_streams import sequence_set

#: The two header bytes of a slice, and of parameter sets, in each video codec.
SLICE_HEADER = {InnerCodecId.HEVC: b"\x02\x01", InnerCodecId.VVC: b"\x00\x01"}
PARAMETER_SET_HEADERS = {
    InnerCodecId.HEVC: (b"\x40\x01", b"\x42\x01", b"\x44\x01"),
    InnerCodecId.VVC: (b"\x00\x71", b"\x00\x79", b"\x00\x81"),
}
names = st.text("ABCXYZabcxyz0189_.-", min_size=1, max_size=32)
float32s = st.floats(width=32, allow_nan=False, allow_infinity=False).map(lambda value: value + 0.0)  # no -0
pairs = st.tuples(float32s, float32s).map(lambda pair: (min(pair), max(pair)))


@st.composite
def tensor_formats(draw: st.DrawFn, codecs: Sequence[InnerCodecId] = tuple(InnerCodecId)) -> TensorFormat:
    """Any valid tensor format."""
    codec = draw(st.sampled_from(codecs))
    if codec == InnerCodecId.COEFFICIENTS:
        offsets = draw(st.integers(-8, 23)), draw(st.integers(-8, 23))
        return format_of_levels(LevelFormat(draw(st.integers(0, 63)), offsets, False, draw(st.booleans())))
    scope = draw(st.sampled_from(RangeScope))
    return TensorFormat(
        draw(st.integers(2, 16 if codec == InnerCodecId.LOSSLESS else 10)),
        codec,
        scope,
        draw(st.sampled_from(ReorderCoding)),
        draw(st.sampled_from(Packing)),
        draw(pairs) if scope == RangeScope.FIXED else (0.0, 0.0),
    )


@st.composite
def tensor_headers(draw: st.DrawFn, form: TensorFormat) -> tuple[TensorHeader, int]:
    """Any valid tensor header of a format, and the channels of its tensor."""
    if form.levels is not None:
        return TensorHeader(form), draw(st.integers(1, 9))
    grid = Grid(draw(st.integers(1, 4)), draw(st.integers(1, 4)))
    frames = 1 if form.packing == Packing.STACKED else draw(st.integers(1, 3))
    channels = frames * grid.maps
    allocation = draw(st.sampled_from(Allocation)) if has_choice(grid, channels) else Allocation.FRAME_MAJOR
    mode = Mode.AI if form.inner_codec == InnerCodecId.LOSSLESS else draw(st.sampled_from(Mode))
    return TensorHeader(form, grid, allocation, mode), channels


@st.composite
def stream_headers(draw: st.DrawFn, *, lossless: bool = False) -> StreamHeader:
    """Any valid stream header; ``lossless``: without video."""
    video = InnerCodecId.LOSSLESS if lossless else draw(st.sampled_from([InnerCodecId.HEVC, InnerCodecId.VVC]))
    levels = [] if video == InnerCodecId.HEVC else [InnerCodecId.COEFFICIENTS]
    layers: list[Layer] = []
    tensors: list[TensorHeader] = []
    for name in draw(st.lists(names, min_size=1, max_size=4, unique=True)):
        if tensors and (tensors[-1].format.packing == Packing.STACKED or draw(st.booleans())):
            form = tensors[-1].format
        else:
            form = draw(tensor_formats([InnerCodecId.LOSSLESS, video, *levels]))
        tensor, channels = draw(tensor_headers(form))
        if tensors and form.packing == Packing.STACKED and tensors[-1].format == form:
            tensor = TensorHeader(form, tensor.grid, tensor.allocation, tensors[-1].mode)
        layers.append(Layer(name, channels))
        tensors.append(tensor)
    shifts = st.lists(st.integers(0, 2), min_size=len(layers), max_size=len(layers)).filter(any)
    digest_length = draw(st.integers(0, 32))
    stages = [Resize(one) for one in draw(st.lists(shifts, max_size=2))]
    return StreamHeader(
        profile=profile_for(tensor.format.inner_codec for tensor in tensors),
        level=draw(st.integers(1, 4)),
        digest_length=digest_length,
        t2_digest=digest_length > 0 and len(stages) > 0 and draw(st.booleans()),
        layers=layers,
        stages=stages,
        tensors=tensors,
        extension=draw(st.binary(max_size=3)),
    )


@st.composite
def group_headers(draw: st.DrawFn, stream: StreamHeader, *, largest: int = 65536) -> GroupHeader:
    """Any valid group header of ``stream``, with layers of at most ``largest`` rows and columns."""
    sides = st.integers(1, min(largest, 40)) | st.integers(1, largest)
    pictures: list[PictureHeader] = []
    for _ in range(draw(st.integers(1, 3))):
        if pictures and draw(st.booleans()):
            pictures.append(pictures[-1])
            continue
        tensors = []
        for layer, tensor in zip(stream.coded, stream.tensors, strict=True):
            form = tensor.format
            count = {RangeScope.TENSOR: 1, RangeScope.CHANNEL: layer.channels}.get(form.range_scope, 0)
            ranges = draw(st.lists(pairs, min_size=count, max_size=count))
            reordered = form.reorder_coding != ReorderCoding.NONE
            order = draw(st.permutations(range(layer.channels))) if reordered else []
            tensors.append(TensorPicture(ranges, order))
        pictures.append(PictureHeader([draw(pairs)] if stream.shared_range() else [], tensors))
    size = st.integers(1, 65536)
    sizes = [(draw(sides), draw(sides)) for _ in stream.layers]
    return GroupHeader(draw(size), draw(size), sizes, pictures, draw(st.binary(max_size=3)))


def without_zeros(payload: bytes) -> bytes:
    """``payload`` with each zero byte made a one, so that nothing in it looks like a start code."""
    return payload.replace(b"\x00", b"\x01")


@st.composite
def substreams(draw: st.DrawFn, codec: InnerCodecId, geometry: SubstreamGeometry | None = None) -> Substream:
    """Any substream of ``codec`` in valid syntax; some contain emulation prevention bytes.

    With ``geometry``, it keeps the rules of inner streams, too.
    """
    if codec == InnerCodecId.LOSSLESS:
        return Substream(lossless_data=draw(st.binary(max_size=40)))
    if codec == InnerCodecId.COEFFICIENTS:
        return Substream(level_data=draw(st.binary(max_size=40)))
    bodies = st.lists(st.binary(max_size=12) | st.just(b"\x00\x00\x03\x01"), max_size=4).map(
        lambda parts: b"".join(p if p == b"\x00\x00\x03\x01" else without_zeros(p) for p in parts) + b"\x80"
    )
    vps, sps, pps = PARAMETER_SET_HEADERS[codec]
    allowed = (vps, sps, pps) if geometry is None else (vps, pps)  # of a sequence, the reader looks at the content
    headers = draw(st.lists(st.sampled_from(allowed), max_size=3))
    parameter_sets = [header + draw(bodies) for header in headers]
    if geometry is not None:
        sequence = sequence_set(codec, geometry.coded_height, geometry.coded_width)
        parameter_sets.insert(draw(st.integers(0, len(parameter_sets))), sequence)
    count = draw(st.integers(0, 3)) if geometry is None else geometry.frames
    nal_units = [SLICE_HEADER[codec] + b"\xc1" + draw(bodies) for _ in range(count)]
    return Substream(parameter_sets, nal_units)


@st.composite
def bitstreams(draw: st.DrawFn) -> tuple[StreamHeader, list[CodedGroup]]:
    """A stream header with one to three groups; level 4 allows them."""
    header = draw(stream_headers())
    header.level = 4
    length = header.digest_length
    digest = st.binary(min_size=length, max_size=length)
    groups = []
    for _ in range(draw(st.integers(1, 3))):
        group = draw(group_headers(header, largest=60))
        coded = [
            draw(substreams(geometry.tensor.format.inner_codec, geometry))
            for geometry in substream_geometries(header, group)
        ]
        digests = [
            PictureDigests([draw(digest) for _ in header.tensors], draw(digest) if header.t2_digest else b"")
            for _ in group.pictures
        ]
        groups.append(CodedGroup(group, coded, digests if length else []))
    return header, groups


def write_stream(header: StreamHeader, groups: Sequence[CodedGroup]) -> bytes:
    """The bitstream of ``groups``."""
    file = io.BytesIO()
    writer = BitstreamWriter(file, header)
    for group in groups:
        writer.write(group)
    writer.close()
    return file.getvalue()


def read_stream(data: bytes) -> tuple[StreamHeader, list[CodedGroup]]:
    """The whole content of a bitstream."""
    reader = BitstreamReader(io.BytesIO(data))
    return reader.header, list(reader.groups())


class RawUnit(NamedTuple):
    """One unit, taken apart by this file's own reading of clause 6.3."""

    type: int
    payload: bytes

    def __bytes__(self) -> bytes:
        size = len(self.payload)
        length = (size.bit_length() + 7) // 8
        return bytes([self.type << 4 | length]) + size.to_bytes(length, "big") + self.payload


def raw_units(data: bytes) -> list[RawUnit]:
    """The units of a valid bitstream, after its signature."""
    units, place = [], 4
    while place < len(data):
        length = data[place] & 15
        size = int.from_bytes(data[place + 1 : place + 1 + length], "big")
        start = place + 1 + length
        units.append(RawUnit(data[place] >> 4, data[start : start + size]))
        place = start + size
    return units


def join_units(units: Sequence[RawUnit]) -> bytes:
    """A bitstream of ``units``."""
    return b"VCMF" + b"".join(map(bytes, units))


def float32(value: float) -> float:
    """``value`` rounded to float32."""
    return float(struct.unpack("f", struct.pack("f", value))[0])


def lossless_header(digest_length: int = 2) -> StreamHeader:
    """The stream header of :func:`lossless_groups`: two layers of 4 and 2 channels."""
    form = TensorFormat(bit_depth=8, reorder_coding=ReorderCoding.EXACT)
    return StreamHeader(
        digest_length=digest_length,
        layers=[Layer("p2", 4), Layer("p3", 2)],
        tensors=[TensorHeader(form, Grid(2, 1), Allocation.INTERLEAVED), TensorHeader(form, Grid(1, 2))],
    )


def lossless_groups(digest_length: int = 2) -> list[CodedGroup]:
    """Two groups of different sizes: of one picture, and of two."""
    groups = []
    for index, sizes in enumerate([[(5, 7), (3, 4)], [(9, 6), (5, 3)]]):
        pictures = [
            PictureHeader([], [TensorPicture([(-1.0, 2.5)], [1, 0, 3, 2]), TensorPicture([(0.0, number)], [1, 0])])
            for number in range(index + 1)
        ]
        digests = [PictureDigests([b"\x01" * digest_length, b"\x02" * digest_length]) for _ in pictures]
        groups.append(
            CodedGroup(
                GroupHeader(10 * index + 11, 10 * index + 12, sizes, pictures),
                [Substream(lossless_data=b"first %d" % index), Substream(lossless_data=b"second")],
                digests if digest_length else [],
            )
        )
    return groups


def video_header(codec: InnerCodecId = InnerCodecId.VVC) -> StreamHeader:
    """A stream header for :func:`video_groups`."""
    form = TensorFormat(inner_codec=codec, range_scope=RangeScope.CHANNEL, reorder_coding=ReorderCoding.FIXED_LENGTH)
    return StreamHeader(
        profile=int(codec),
        layers=[Layer("p2", 4), Layer("p3", 2)],
        tensors=[TensorHeader(form, Grid(2, 1), mode=Mode.RA), TensorHeader(form, Grid(1, 2))],
    )


def video_groups(codec: InnerCodecId = InnerCodecId.VVC) -> list[CodedGroup]:
    """Two groups of one picture with two layers, with made-up NAL units: 2 and 1 coded pictures."""
    slices = [SLICE_HEADER[codec] + b"\xc1slice %d" % index for index in range(2)]
    vps, _, pps = (header + b"\x0b\x02\x33\x80" for header in PARAMETER_SET_HEADERS[codec])
    first, second = sequence_set(codec, 32, 60), sequence_set(codec, 32, 32)
    picture = PictureHeader(
        [],
        [
            TensorPicture([(0.0, 1.0), (-0.5, 0.5), (1.0, 1.0), (-3.0, -2.0)], [3, 1, 0, 2]),
            TensorPicture([(0.0, 1.0), (0.0, 2.0)], [0, 1]),
        ],
    )
    sizes = [(20, 30), (10, 15)]
    return [
        CodedGroup(
            GroupHeader(80, 120, sizes, [picture]),
            [Substream([vps, first, pps], slices), Substream([second, pps], slices[:1])],
        ),
        CodedGroup(
            GroupHeader(81, 121, sizes, [picture]),
            [Substream([vps, first], slices), Substream([second], slices[1:])],
        ),
    ]
