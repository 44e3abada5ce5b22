"""What the tests of the bitstream draw from and build with."""

from __future__ import annotations

import io
import struct
from collections.abc import Sequence
from typing import NamedTuple

from hypothesis import strategies as st

from vcm_ref.bitstream.geometry import substream_geometries
from vcm_ref.bitstream.stream import BitstreamReader, BitstreamWriter, CodedPicture
from vcm_ref.bitstream.syntax import LayerHeader, LayerPicture, PictureHeader, StreamHeader, Substream
from vcm_ref.bitstream.values import (
    Allocation,
    Arrangement,
    Grid,
    InnerCodecId,
    Mode,
    RangeScope,
    ReorderCoding,
)

#: Profiles that have each inner codec (docs/bitstream.md, clause 9).
PROFILES = {InnerCodecId.LOSSLESS: (0, 1, 2), InnerCodecId.HEVC: (1,), InnerCodecId.VVC: (2,)}
#: The two header bytes of a slice, and of parameter sets, in each video codec.
SLICE_HEADER = {InnerCodecId.HEVC: b"\x02\x01", InnerCodecId.VVC: b"\x00\x01"}
PARAMETER_SET_HEADERS = {
    InnerCodecId.HEVC: (b"\x40\x01", b"\x42\x01", b"\x44\x01"),
    InnerCodecId.VVC: (b"\x00\x71", b"\x00\x79", b"\x00\x81"),
}
names = st.text("ABCXYZabcxyz0189_.-", min_size=1, max_size=32)
float32s = st.floats(width=32, allow_nan=False, allow_infinity=False)
pairs = st.tuples(float32s, float32s).map(lambda pair: (min(pair), max(pair)))


@st.composite
def stream_headers(draw: st.DrawFn) -> StreamHeader:
    """Any valid stream header."""
    codec = draw(st.sampled_from(InnerCodecId))
    arrangement = draw(st.sampled_from(Arrangement))
    tiled = arrangement == Arrangement.TILED
    layers = []
    for name in draw(st.lists(names, min_size=1, max_size=4, unique=True)):
        grid = Grid(draw(st.integers(1, 4)), draw(st.integers(1, 4)))
        frames = 1 if tiled else draw(st.integers(1, 3))
        mode = Mode.AI if tiled else draw(st.sampled_from(Mode))
        layers.append(LayerHeader(name, frames * grid.maps, grid, mode))
    scope = draw(st.sampled_from(RangeScope))
    return StreamHeader(
        profile=draw(st.sampled_from(PROFILES[codec])),
        level=draw(st.integers(1, 4)),
        bit_depth=draw(st.integers(2, 16 if codec == InnerCodecId.LOSSLESS else 10)),
        inner_codec=codec,
        arrangement=arrangement,
        allocation=Allocation.SPATIAL if tiled else draw(st.sampled_from(Allocation)),
        range_scope=scope,
        reorder_coding=draw(st.sampled_from(ReorderCoding)),
        digest_length=draw(st.integers(0, 32)),
        layers=layers,
        fixed_range=draw(pairs) if scope == RangeScope.FIXED else (0.0, 0.0),
    )


@st.composite
def picture_headers(draw: st.DrawFn, stream: StreamHeader, *, largest: int = 65536) -> PictureHeader:
    """Any valid picture header of ``stream``, with layers of at most ``largest`` rows and columns."""
    sides = st.integers(1, min(largest, 40)) | st.integers(1, largest)
    layers = []
    for layer in stream.layers:
        count = {RangeScope.LAYER: 1, RangeScope.CHANNEL: layer.channels}.get(stream.range_scope, 0)
        ranges = draw(st.lists(pairs, min_size=count, max_size=count))
        reordered = stream.reorder_coding != ReorderCoding.NONE
        order = draw(st.permutations(range(layer.channels))) if reordered else []
        layers.append(LayerPicture(draw(sides), draw(sides), ranges, order))
    shared = [draw(pairs)] if stream.range_scope == RangeScope.PICTURE else []
    return PictureHeader(draw(st.integers(1, 65536)), draw(st.integers(1, 65536)), shared, layers)


def without_zeros(payload: bytes) -> bytes:
    """``payload`` with each zero byte made a one, so that nothing in it looks like a start code."""
    return payload.replace(b"\x00", b"\x01")


@st.composite
def substreams(draw: st.DrawFn, codec: InnerCodecId) -> Substream:
    """Any valid substream of ``codec``; some contain emulation prevention bytes."""
    if codec == InnerCodecId.LOSSLESS:
        return Substream(lossless_data=draw(st.binary(max_size=40)))
    bodies = st.lists(st.binary(max_size=12) | st.just(b"\x00\x00\x03\x01"), max_size=4).map(
        lambda parts: b"".join(p if p == b"\x00\x00\x03\x01" else without_zeros(p) for p in parts) + b"\x80"
    )
    headers = draw(st.lists(st.sampled_from(PARAMETER_SET_HEADERS[codec]), max_size=3))
    parameter_sets = [header + draw(bodies) for header in headers]
    nal_units = [SLICE_HEADER[codec] + draw(bodies) for _ in range(draw(st.integers(0, 3)))]
    return Substream(parameter_sets, nal_units)


@st.composite
def bitstreams(draw: st.DrawFn) -> tuple[StreamHeader, list[CodedPicture]]:
    """A stream header with one to three pictures that fit one of the levels."""
    header = draw(stream_headers())
    pictures = []
    for _ in range(draw(st.integers(1, 3))):
        picture = draw(picture_headers(header, largest=60))
        count = len(substream_geometries(header, picture))
        coded = [draw(substreams(header.inner_codec)) for _ in range(count)]
        digests = [draw(st.binary(min_size=header.digest_length, max_size=header.digest_length)) for _ in header.layers]
        pictures.append(CodedPicture(picture, coded, digests if header.digest_length else []))
    return header, pictures


def write_stream(header: StreamHeader, pictures: Sequence[CodedPicture]) -> bytes:
    """The bitstream of ``pictures``."""
    file = io.BytesIO()
    writer = BitstreamWriter(file, header)
    for picture in pictures:
        writer.write(picture)
    writer.close()
    return file.getvalue()


def read_stream(data: bytes) -> tuple[StreamHeader, list[CodedPicture]]:
    """Everything that a bitstream holds."""
    reader = BitstreamReader(io.BytesIO(data))
    return reader.header, list(reader.pictures())


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
    """The stream header of :func:`lossless_pictures`: two layers of 4 and 2 channels."""
    return StreamHeader(
        bit_depth=8,
        allocation=Allocation.TEMPORAL,
        reorder_coding=ReorderCoding.EXACT,
        digest_length=digest_length,
        layers=[LayerHeader("p2", 4, Grid(2, 1), Mode.RA), LayerHeader("p3", 2, Grid(1, 2))],
    )


def lossless_pictures(digest_length: int = 2) -> list[CodedPicture]:
    """Two pictures of different sizes."""
    sizes = [((5, 7), (3, 4)), ((9, 6), (5, 3))]
    return [
        CodedPicture(
            PictureHeader(
                10 * index + 11,
                10 * index + 12,
                [],
                [
                    LayerPicture(*p2, [(-1.0, 2.5)], [1, 0, 3, 2]),
                    LayerPicture(*p3, [(0.0, 0.0)], [1, 0]),
                ],
            ),
            [Substream(lossless_data=b"first %d" % index), Substream(lossless_data=b"second")],
            [b"\x01" * digest_length, b"\x02" * digest_length] if digest_length else [],
        )
        for index, (p2, p3) in enumerate(sizes)
    ]


def video_header(codec: InnerCodecId = InnerCodecId.VVC) -> StreamHeader:
    """A stream header for :func:`video_pictures`."""
    return StreamHeader(
        profile=int(codec),
        inner_codec=codec,
        range_scope=RangeScope.CHANNEL,
        reorder_coding=ReorderCoding.FIXED_LENGTH,
        layers=[LayerHeader("p2", 4, Grid(2, 1), Mode.RA), LayerHeader("p3", 2, Grid(1, 2))],
    )


def video_pictures(codec: InnerCodecId = InnerCodecId.VVC) -> list[CodedPicture]:
    """One picture of two layers with made-up NAL units."""
    slices = [SLICE_HEADER[codec] + b"slice %d" % index for index in range(3)]
    sets = [header + b"\x0b\x02\x33\x80" for header in PARAMETER_SET_HEADERS[codec]]
    layers = [
        LayerPicture(20, 30, [(0.0, 1.0), (-0.5, 0.5), (1.0, 1.0), (-3.0, -2.0)], [3, 1, 0, 2]),
        LayerPicture(10, 15, [(0.0, 1.0), (0.0, 2.0)], [0, 1]),
    ]
    return [
        CodedPicture(PictureHeader(80, 120, [], layers), [Substream(sets, slices), Substream(sets[1:], slices[:1])]),
        CodedPicture(PictureHeader(81, 121, [], layers), [Substream(sets[:2], slices), Substream([], slices[:2])]),
    ]
