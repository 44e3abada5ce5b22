"""The bitstream as a sequence of units: every prefix and every disorder is refused, the rate adds up."""

from __future__ import annotations

import hashlib
import io
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given

from vcm_ref.bitstream.elements import Part
from vcm_ref.bitstream.geometry import substream_geometries
from vcm_ref.bitstream.headers import (
    GroupHeader,
    Model,
    PictureDigests,
    PictureHeader,
    StreamHeader,
    Substream,
    TensorFormat,
    TensorHeader,
    TensorPicture,
    UserData,
)
from vcm_ref.bitstream.limits import DecoderLimits
from vcm_ref.bitstream.stream import BitstreamReader, BitstreamWriter, CodedGroup
from vcm_ref.bitstream.units import locate_units
from vcm_ref.bitstream.values import (
    Allocation,
    Grid,
    InnerCodecId,
    Layer,
    Mode,
    ModelSource,
    Packing,
    RangeScope,
    ReorderCoding,
    UnitType,
)
from vcm_ref.errors import BitstreamError, LimitError, UnsupportedError

from .inner_streams import sequence_set
from .samples import (
    RawUnit,
    bitstreams,
    join_units,
    lossless_groups,
    lossless_header,
    raw_units,
    read_stream,
    video_groups,
    video_header,
    write_stream,
)

Made = tuple[StreamHeader, list[CodedGroup]]
STREAMS: dict[str, Callable[[], Made]] = {
    "lossless": lambda: (lossless_header(), lossless_groups()),
    "without digest": lambda: (lossless_header(0), lossless_groups(0)),
    "vvc": lambda: (video_header(InnerCodecId.VVC), video_groups(InnerCodecId.VVC)),
    "hevc": lambda: (video_header(InnerCodecId.HEVC), video_groups(InnerCodecId.HEVC)),
}


@pytest.fixture(params=STREAMS)
def made(request: pytest.FixtureRequest) -> Made:
    """A stream header and two pictures of different sizes."""
    return STREAMS[request.param]()


@pytest.fixture
def data(made: Made) -> bytes:
    """A valid bitstream of two pictures."""
    return write_stream(*made)


def test_a_bitstream_comes_back(made: Made, data: bytes) -> None:
    """Pictures of different sizes, one after another."""
    header, pictures = read_stream(data)
    assert header == made[0]
    assert [(p.header, p.substreams, p.digests) for p in pictures] == [
        (p.header, p.substreams, p.digests) for p in made[1]
    ]


@given(bitstreams())
def test_any_bitstream_comes_back(made: Made) -> None:
    """Write, read, write; writer and reader count the same bits, which are those of the file."""
    header, pictures = made
    file = io.BytesIO()
    writer = BitstreamWriter(file, header)
    for picture in pictures:
        writer.write(picture)
    writer.close()
    data = file.getvalue()
    reader = BitstreamReader(io.BytesIO(data))
    found = list(reader.groups())
    assert reader.header == header
    assert found == pictures
    assert +reader.part_bits == +writer.part_bits
    assert sum(reader.part_bits.values()) == 8 * len(data)
    assert reader.picture_count == sum(len(group.header.pictures) for group in pictures)
    assert write_stream(reader.header, [CodedGroup(p.header, p.substreams, p.digests) for p in found]) == data


def test_the_parts_of_the_rate_add_up(made: Made, data: bytes) -> None:
    """Of the whole, 8 times the file's size; a picture's are the bytes between its header and the next."""
    reader = BitstreamReader(io.BytesIO(data))
    pictures = list(reader.groups())
    assert sum(reader.part_bits.values()) == 8 * len(data)
    units = raw_units(data)
    starts = [index for index, unit in enumerate(units) if unit.type == UnitType.GROUP_HEADER]
    for picture, start, end in zip(pictures, starts, [*starts[1:], len(units) - 1], strict=True):
        assert sum(picture.part_bits.values()) == 8 * sum(len(bytes(unit)) for unit in units[start:end])
        stored = [len(unit.payload) for unit in units[start:end] if unit.type == UnitType.SUBSTREAM]
        assert picture.substream_bytes == stored
    assert all(bits >= 0 for bits in reader.part_bits.values())
    assert (reader.part_bits[Part.DIGEST] > 0) == (made[0].digest_length > 0)


def test_every_prefix_is_refused(data: bytes) -> None:
    """A bitstream cut anywhere is no bitstream, and that is known before a picture is given out."""
    for length in range(len(data)):
        with pytest.raises(BitstreamError) as caught:
            BitstreamReader(io.BytesIO(data[:length]))
        assert caught.value.clause is not None
        assert caught.value.bit_offset is not None
        assert caught.value.bit_offset <= 8 * length


@pytest.mark.parametrize("tail", [b"\x00", b"\x50", b"VCMF", b"\x00" * 100])
def test_what_follows_the_end_is_refused(data: bytes, tail: bytes) -> None:
    """Also a second end unit."""
    with pytest.raises(BitstreamError, match="follows the end unit") as caught:
        BitstreamReader(io.BytesIO(data + tail))
    assert caught.value.bit_offset == 8 * len(data)


def test_an_end_unit_has_no_payload(data: bytes) -> None:
    """Its size is zero."""
    with pytest.raises(BitstreamError):
        read_stream(data[:-1] + bytes(RawUnit(5, b"x")))


def test_a_missing_unit_is_refused(data: bytes) -> None:
    """Whichever it is."""
    units = raw_units(data)
    for index in range(len(units)):
        with pytest.raises(BitstreamError):
            read_stream(join_units(units[:index] + units[index + 1 :]))


def test_a_duplicated_unit_is_refused(data: bytes) -> None:
    """Whichever it is."""
    units = raw_units(data)
    for index in range(len(units)):
        with pytest.raises(BitstreamError):
            read_stream(join_units([*units[: index + 1], *units[index:]]))


def test_units_out_of_order_are_refused(data: bytes) -> None:
    """Any two neighbours of different types exchanged."""
    units = raw_units(data)
    for index in range(len(units) - 1):
        if units[index].type != units[index + 1].type:
            swapped = [*units[:index], units[index + 1], units[index], *units[index + 2 :]]
            with pytest.raises(BitstreamError):
                read_stream(join_units(swapped))


@pytest.mark.parametrize("unit_type", [0, 7, *range(9, 16)])
def test_unknown_units(data: bytes, unit_type: int) -> None:
    """Critical ones are not supported, ancillary ones skipped, wherever they stand after the stream header."""
    units = raw_units(data)
    for place in range(1, len(units)):
        more = join_units([*units[:place], RawUnit(unit_type, b"abc"), *units[place:]])
        if unit_type < 8:
            with pytest.raises(UnsupportedError, match=f"unit_type is {unit_type}"):
                read_stream(more)
        else:
            header, groups = read_stream(more)
            expected = read_stream(data)
            assert (header, [group.header for group in groups]) == (expected[0], [one.header for one in expected[1]])
            reader = BitstreamReader(io.BytesIO(more))
            list(reader.groups())
            assert sum(reader.part_bits.values()) == 8 * len(more)
            assert reader.part_bits[Part.USER_DATA] == 8 * 5
    for place in (0, len(units)):
        with pytest.raises(BitstreamError):
            read_stream(join_units([*units[:place], RawUnit(unit_type, b"abc"), *units[place:]]))


def test_models_and_user_data() -> None:
    """Written, read, in force until replaced, and counted apart; a reference finds what is in force."""
    file = io.BytesIO()
    writer = BitstreamWriter(file, lossless_header(0))
    first, second = lossless_groups(0)
    writer.write_model(Model(3, 1, ModelSource.DATA, b"model"))
    digest = hashlib.sha256(b"model").digest()
    writer.write_user_data(UserData(bytes(range(16)), b"anything"))
    writer.write(first)
    writer.write_model(Model(4, 2, ModelSource.REFERENCE, b"", digest))
    writer.write_model(Model(3, 1, ModelSource.DATA, b"other"))
    writer.write(second)
    writer.close()
    reader = BitstreamReader(io.BytesIO(file.getvalue()))
    in_force = []
    for _ in reader.groups():
        in_force.append({number: (model.kind, model.data) for number, model in reader.models.in_force.items()})
    assert in_force == [{3: (1, b"model")}, {3: (1, b"other"), 4: (2, b"model")}]
    assert sum(reader.part_bits.values()) == 8 * len(file.getvalue())
    assert reader.part_bits[Part.MODEL] == 8 * (2 * (2 + 2 + 5) + 2 + 2 + 8)
    assert reader.part_bits[Part.USER_DATA] == 8 * (2 + 16 + 8)
    assert +reader.part_bits == +writer.part_bits


def test_a_model_that_is_not_here_is_named() -> None:
    """By its reference."""
    file = io.BytesIO()
    writer = BitstreamWriter(file, lossless_header(0))
    writer.write_model(Model(0, 1, ModelSource.REFERENCE, b"", bytes(range(32))))
    writer.write(lossless_groups(0)[0])
    writer.close()
    with pytest.raises(UnsupportedError, match="needs model 0001020304050607,"):
        read_stream(file.getvalue())


class Pipe(io.RawIOBase):
    """A file without a place to go to."""

    def __init__(self, data: bytes = b"") -> None:
        self.data = io.BytesIO(data)

    def seekable(self) -> bool:
        return False

    def readable(self) -> bool:
        return True

    def writable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        return self.data.readinto(buffer)

    def write(self, data: Any) -> int:
        return self.data.write(data)


def test_pipes_will_do(made: Made, data: bytes) -> None:
    """For writer and reader."""
    pipe = Pipe()
    writer = BitstreamWriter(pipe, made[0])  # type: ignore[arg-type]
    for group in made[1]:
        writer.write(CodedGroup(group.header, group.substreams, group.digests))
    writer.close()
    assert pipe.data.getvalue() == data
    assert len(list(BitstreamReader(Pipe(data)).groups())) == 2  # type: ignore[arg-type]


def test_a_size_with_a_leading_zero_is_refused(data: bytes) -> None:
    """The size of a unit has one encoding."""
    place = 4
    for unit in raw_units(data):
        length = data[place] & 15
        if length < 4:
            longer = bytes([data[place] + 1, 0]) + data[place + 1 :]
            with pytest.raises(BitstreamError, match="leading zero") as caught:
                read_stream(data[:place] + longer)
            assert caught.value.bit_offset in range(8 * place, 8 * (place + length + 2) + 1)
        place += len(bytes(unit))


def test_bytes_after_the_last_element_of_a_unit_are_refused(data: bytes) -> None:
    """Only what fills a unit to its end can take them: lossless data, and NAL units."""
    units = raw_units(data)
    for index, unit in enumerate(units):
        if unit.type in (UnitType.STREAM_HEADER, UnitType.GROUP_HEADER, UnitType.DIGEST):
            longer = RawUnit(unit.type, unit.payload + b"\x00")
            with pytest.raises(BitstreamError, match="goes on"):
                read_stream(join_units([*units[:index], longer, *units[index + 1 :]]))


def test_a_unit_one_byte_short_is_refused(data: bytes) -> None:
    """Of any type but lossless data, which is as long as its unit."""
    units = raw_units(data)
    lossless = read_stream(data)[0].tensors[0].format.inner_codec == InnerCodecId.LOSSLESS
    for index, unit in enumerate(units):
        if unit.payload and not (lossless and unit.type == UnitType.SUBSTREAM):
            shorter = RawUnit(unit.type, unit.payload[:-1])
            with pytest.raises(BitstreamError):
                read_stream(join_units([*units[:index], shorter, *units[index + 1 :]]))


def test_units_are_located_without_decoding(data: bytes) -> None:
    """Each layer's substream, also where the payloads make no sense."""
    units = raw_units(data)
    nonsense = join_units([RawUnit(unit.type, b"\xff" * len(unit.payload)) for unit in units])
    place, expected = 4, []
    for unit in units:
        header = len(bytes(unit)) - len(unit.payload)
        expected.append((unit.type, place, place + header, len(unit.payload)))
        place += len(bytes(unit))
    assert list(map(tuple, locate_units(io.BytesIO(nonsense)))) == expected


def large(level: int, *sizes: tuple[int, int]) -> bytes:
    """A bitstream of one layer of 8 channels, of the given size in each group."""
    form = TensorFormat(range_scope=RangeScope.FIXED)
    header = StreamHeader(level=level, layers=[Layer("p2", 8)], tensors=[TensorHeader(form)])
    picture = PictureHeader([], [TensorPicture()])
    return write_stream(header, [CodedGroup(GroupHeader(8, 8, [size], [picture]), [Substream()]) for size in sizes])


@pytest.mark.parametrize(
    ("sizes", "constraint", "allowed", "needed"),
    [
        ([(8193, 1)], "max_side", 8192, 8193),
        ([(1, 1), (8193, 1)], "max_side", 8192, 8193),
        ([(2048, 1025)], "max_group_samples", 2**24, 8 * 2048 * 1025),
    ],
)
def test_a_group_above_its_declared_level_is_refused(
    sizes: list[tuple[int, int]], constraint: str, allowed: int, needed: int
) -> None:
    """Before anything is decoded, whichever group it is; a higher level allows it."""
    with pytest.raises(BitstreamError, match=f"level 1 allows {constraint} {allowed}; the bitstream needs {needed}"):
        BitstreamReader(io.BytesIO(large(1, *sizes)))
    assert read_stream(large(2, *sizes))[0].level == 2


def test_a_codec_outside_the_profile_is_refused() -> None:
    """VVC in the profile HEVC."""
    data = bytearray(write_stream(video_header(), video_groups()))
    data[6] = 3 << 4 | 1 << 1
    with pytest.raises(BitstreamError, match="profile HEVC does not have"):
        read_stream(bytes(data))


def test_limits_are_checked_before_anything_is_decoded() -> None:
    """On all groups together: three pictures."""
    data = write_stream(lossless_header(), lossless_groups())
    with pytest.raises(LimitError, match="pictures would be 3; the limit is 2"):
        BitstreamReader(io.BytesIO(data), limits=DecoderLimits(pictures=2))
    # float32 layers: 4 * (4 * 5 * 7 + 2 * 3 * 4), and twice 4 * (4 * 9 * 6 + 2 * 5 * 3) bytes
    BitstreamReader(io.BytesIO(data), limits=DecoderLimits(output_bytes=656 + 2 * 984))
    with pytest.raises(LimitError, match="output_bytes would be 2624; the limit is 2623"):
        BitstreamReader(io.BytesIO(data), limits=DecoderLimits(output_bytes=656 + 2 * 984 - 1))
    with pytest.raises(LimitError, match="layers would be 2; the limit is 1"):
        BitstreamReader(io.BytesIO(data), limits=DecoderLimits(layers=1))


@pytest.mark.parametrize("scope", [RangeScope.FIXED, RangeScope.PICTURE, RangeScope.TENSOR])
@pytest.mark.parametrize(("height", "width"), [(800, 1088), (2304, 4096)])
@pytest.mark.parametrize("packing", [Packing.FRAMES, Packing.STACKED])
@pytest.mark.parametrize("digest_length", [0, 8])
def test_headers_of_a_four_layer_picture_cost_at_most_96_bytes(
    scope: RangeScope, height: int, width: int, packing: Packing, digest_length: int
) -> None:
    """The budget: all but substreams, reorder index and digest, with a first substream of a megabyte."""
    pair = [(-23.5, 20.25)]
    stacked = packing == Packing.STACKED
    grids = [Grid(16, 16), Grid(32, 8), Grid(64, 4), Grid(128, 2)] if stacked else [Grid(4, 4), Grid(16, 16)] * 2
    form = TensorFormat(
        inner_codec=InnerCodecId.VVC,
        packing=packing,
        range_scope=scope,
        reorder_coding=ReorderCoding.EXACT,
        fixed_range=pair[0] if scope == RangeScope.FIXED else (0.0, 0.0),
    )
    header = StreamHeader(
        profile=2,
        level=4,
        digest_length=digest_length,
        layers=[Layer(f"p{index + 2}", 256) for index in range(4)],
        tensors=[
            TensorHeader(
                form,
                grid,
                Allocation.INTERLEAVED if grid.maps < 256 else Allocation.FRAME_MAJOR,
                Mode.RA if grid.maps < 256 else Mode.AI,
            )
            for grid in grids
        ],
    )
    order = list(range(255, -1, -1))
    tensors = [TensorPicture(pair if scope == RangeScope.TENSOR else [], order)] * 4
    picture = PictureHeader(pair if scope == RangeScope.PICTURE else [], tensors)
    sizes = [(height >> i, width >> i) for i in range(2, 6)]
    counts = [1] if stacked else [16, 1, 16, 1]
    weights = [1_000_000] if stacked else [1_000_000, 250_000, 70_000, 66_000]
    headers = GroupHeader(height, width, sizes, [picture])
    sets = [
        sequence_set(InnerCodecId.VVC, one.coded_height, one.coded_width)
        for one in substream_geometries(header, headers)
    ]
    coded = [
        Substream([own], [b"\x00\x01\xc1" + b"\x55" * (weight // count)] * count)
        for own, weight, count in zip(sets, weights, counts, strict=True)
    ]
    digests = [PictureDigests([bytes(digest_length)] * 4)] if digest_length else []
    group = CodedGroup(headers, coded, digests)
    data = write_stream(header, [group])
    reader = BitstreamReader(io.BytesIO(data))
    list(reader.groups())
    assert reader.part_bits[Part.HEADER] <= 8 * 96
    assert reader.part_bits[Part.REORDER] == 4 * 1684


def test_a_group_of_one_costs_no_more_than_its_parts() -> None:
    """Sizes, one bit that says it is one picture, one that says there is no extension."""
    form = TensorFormat(range_scope=RangeScope.FIXED)
    header = StreamHeader(layers=[Layer("p2", 1)], tensors=[TensorHeader(form)])
    group = CodedGroup(GroupHeader(1, 1, [(1, 1)], [PictureHeader([], [TensorPicture()])]), [Substream()])
    unit = raw_units(write_stream(header, [group]))[1]
    assert unit.payload == bytes([0b11111100])
