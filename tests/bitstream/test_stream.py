"""The bitstream as a sequence of units: every prefix and every disorder is refused, the rate adds up."""

from __future__ import annotations

import io
from collections.abc import Callable

import pytest
from hypothesis import given

from vcm_ref.bitstream.elements import Part
from vcm_ref.bitstream.limits import DecoderLimits
from vcm_ref.bitstream.stream import BitstreamReader, BitstreamWriter, CodedPicture, locate_units
from vcm_ref.bitstream.syntax import LayerHeader, LayerPicture, PictureHeader, StreamHeader, Substream
from vcm_ref.bitstream.values import Arrangement, Grid, InnerCodecId, Mode, RangeScope, ReorderCoding, UnitType
from vcm_ref.errors import BitstreamError, LimitError

from .samples import (
    RawUnit,
    bitstreams,
    join_units,
    lossless_header,
    lossless_pictures,
    raw_units,
    read_stream,
    video_header,
    video_pictures,
    write_stream,
)

Made = tuple[StreamHeader, list[CodedPicture]]
STREAMS: dict[str, Callable[[], Made]] = {
    "lossless": lambda: (lossless_header(), lossless_pictures()),
    "without digest": lambda: (lossless_header(0), lossless_pictures(0)),
    "vvc": lambda: (video_header(InnerCodecId.VVC), video_pictures(InnerCodecId.VVC)),
    "hevc": lambda: (video_header(InnerCodecId.HEVC), video_pictures(InnerCodecId.HEVC)),
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
    found = list(reader.pictures())
    assert reader.header == header
    assert found == pictures
    assert +reader.part_bits == +writer.part_bits
    assert sum(reader.part_bits.values()) == 8 * len(data)
    assert reader.picture_count == len(pictures)
    assert write_stream(reader.header, [CodedPicture(p.header, p.substreams, p.digests) for p in found]) == data


def test_the_parts_of_the_rate_add_up(made: Made, data: bytes) -> None:
    """Of the whole, 8 times the file's size; a picture's are the bytes between its header and the next."""
    reader = BitstreamReader(io.BytesIO(data))
    pictures = list(reader.pictures())
    assert sum(reader.part_bits.values()) == 8 * len(data)
    units = raw_units(data)
    starts = [index for index, unit in enumerate(units) if unit.type == UnitType.PICTURE_HEADER]
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


@pytest.mark.parametrize("reserved", [0, *range(6, 16)])
def test_a_reserved_unit_type_is_refused(data: bytes, reserved: int) -> None:
    """Also between pictures, where nothing else were disturbed by it."""
    units = raw_units(data)
    for place in (0, 1, len(units) - 1):
        with pytest.raises(BitstreamError, match="unit_type"):
            read_stream(join_units([*units[:place], RawUnit(reserved, b"abc"), *units[place:]]))


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
        if unit.type in (UnitType.STREAM_HEADER, UnitType.PICTURE_HEADER, UnitType.DIGEST):
            longer = RawUnit(unit.type, unit.payload + b"\x00")
            with pytest.raises(BitstreamError, match="goes on"):
                read_stream(join_units([*units[:index], longer, *units[index + 1 :]]))


def test_a_unit_one_byte_short_is_refused(data: bytes) -> None:
    """Of any type but lossless data, which is as long as its unit."""
    units = raw_units(data)
    lossless = read_stream(data)[0].inner_codec == InnerCodecId.LOSSLESS
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


@pytest.mark.parametrize(
    ("sizes", "level"),
    [
        ([(1024, 1024)], 1),  # 8 frames of 1024 x 1024: 2**23 samples a picture
        ([(1024, 1025)], 2),
        ([(1, 1), (1024, 1025), (1, 1)], 2),
        ([(8193, 1)], 2),  # a side above 8192
        ([(1, 16385)], 3),
        ([(32769, 1)], 4),
        ([(8193, 1), (2048, 2049)], 3),  # 8 * 2048 * 2049 samples: above 2**25
    ],
)
def test_the_level_is_the_lowest_that_fits_every_picture(sizes: list[tuple[int, int]], level: int) -> None:
    """It is known at the end, and written over the one at the start."""
    header = StreamHeader(level=4, range_scope=RangeScope.FIXED, layers=[LayerHeader("p2", 8)])
    pictures = [CodedPicture(PictureHeader(8, 8, [], [LayerPicture(*size)]), [Substream()]) for size in sizes]
    assert read_stream(write_stream(header, pictures))[0].level == level


def test_a_picture_beyond_every_level_is_a_limit() -> None:
    """The encoder says so before it writes a stream that nobody may decode."""
    header = StreamHeader(range_scope=RangeScope.FIXED, layers=[LayerHeader("p2", 8192)])
    picture = CodedPicture(PictureHeader(8, 8, [], [LayerPicture(256, 257)]), [Substream()])
    with pytest.raises(LimitError, match="max_picture_samples"):
        write_stream(header, [picture])


def test_a_picture_above_its_declared_level_is_refused() -> None:
    """Level 1 has frames of at most 2**23 samples."""
    header = StreamHeader(range_scope=RangeScope.FIXED, layers=[LayerHeader("p2", 8)])
    layers = [LayerPicture(1024, 1025)]
    data = bytearray(write_stream(header, [CodedPicture(PictureHeader(8, 8, [], layers), [Substream()])]))
    assert data[7] >> 5 == 2
    data[7] -= 32
    with pytest.raises(BitstreamError, match="level 1 allows max_picture_samples 8388608; the picture has 8396800"):
        read_stream(bytes(data))


def test_a_codec_outside_the_profile_is_refused() -> None:
    """VVC in the profile HEVC."""
    data = bytearray(write_stream(video_header(), video_pictures()))
    data[6] = 2 << 4 | 1 << 1
    with pytest.raises(BitstreamError, match="profile HEVC does not have"):
        read_stream(bytes(data))


def test_limits_are_checked_picture_by_picture() -> None:
    """A picture within the limits is given out before one beyond them is refused."""
    data = write_stream(lossless_header(), lossless_pictures())
    pictures = BitstreamReader(io.BytesIO(data), limits=DecoderLimits(pictures=1)).pictures()
    next(pictures)
    with pytest.raises(LimitError, match="pictures would be 2; the limit is 1"):
        next(pictures)
    # float32 features of the two pictures: 4 * (4 * 5 * 7 + 2 * 3 * 4) and 4 * (4 * 9 * 6 + 2 * 5 * 3) bytes
    BitstreamReader(io.BytesIO(data), limits=DecoderLimits(output_bytes=656 + 984))
    assert len(list(BitstreamReader(io.BytesIO(data), limits=DecoderLimits(output_bytes=656 + 984)).pictures())) == 2
    with pytest.raises(LimitError, match="output_bytes would be 1640; the limit is 1639"):
        list(BitstreamReader(io.BytesIO(data), limits=DecoderLimits(output_bytes=656 + 983)).pictures())
    with pytest.raises(LimitError, match="layers would be 2; the limit is 1"):
        BitstreamReader(io.BytesIO(data), limits=DecoderLimits(layers=1))


@pytest.mark.parametrize("scope", [RangeScope.FIXED, RangeScope.PICTURE, RangeScope.LAYER])
@pytest.mark.parametrize(("height", "width"), [(800, 1088), (2304, 4096)])
@pytest.mark.parametrize("arrangement", [Arrangement.FRAMES, Arrangement.TILED])
@pytest.mark.parametrize("digest_length", [0, 8])
def test_headers_of_a_four_layer_picture_cost_at_most_96_bytes(
    scope: RangeScope, height: int, width: int, arrangement: Arrangement, digest_length: int
) -> None:
    """The design's budget: all but substreams, reorder index and digest, with a first substream of a megabyte."""
    pair = [(-23.5, 20.25)]
    tiled = arrangement == Arrangement.TILED
    grids = [Grid(16, 16), Grid(32, 8), Grid(64, 4), Grid(128, 2)] if tiled else [Grid(4, 4), Grid(16, 16)] * 2
    header = StreamHeader(
        profile=2,
        inner_codec=InnerCodecId.VVC,
        arrangement=arrangement,
        range_scope=scope,
        reorder_coding=ReorderCoding.EXACT,
        digest_length=digest_length,
        layers=[
            LayerHeader(f"p{index + 2}", 256, grid, Mode.AI if tiled else Mode.RA) for index, grid in enumerate(grids)
        ],
        fixed_range=pair[0] if scope == RangeScope.FIXED else (0.0, 0.0),
    )
    layers = [
        LayerPicture(height >> i, width >> i, pair if scope == RangeScope.LAYER else [], list(range(255, -1, -1)))
        for i in range(2, 6)
    ]
    sizes = [1_000_000] if tiled else [1_000_000, 250_000, 70_000, 66_000]
    coded = [Substream([], [b"\x00\x01" + b"\x55" * size]) for size in sizes]
    digests = [bytes(digest_length)] * 4 if digest_length else []
    picture = CodedPicture(
        PictureHeader(height, width, pair if scope == RangeScope.PICTURE else [], layers), coded, digests
    )
    reader = BitstreamReader(io.BytesIO(write_stream(header, [picture])))
    list(reader.pictures())
    assert reader.part_bits[Part.HEADER] <= 8 * 96
    assert reader.part_bits[Part.REORDER] == 4 * 1684
