"""The syntax tables: written and read again, every value of each enumeration, and a stream worked out by hand."""

from __future__ import annotations

import copy
import hashlib
import io

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vcm_ref.bitstream import syntax
from vcm_ref.bitstream.coder import Reader, TracedElement, Writer
from vcm_ref.bitstream.elements import Part
from vcm_ref.bitstream.stream import BitstreamReader, CodedPicture, parameter_set_bases
from vcm_ref.bitstream.syntax import LayerHeader, LayerPicture, PictureHeader, StreamHeader, Substream, Unit
from vcm_ref.bitstream.values import (
    Allocation,
    Arrangement,
    Grid,
    InnerCodecId,
    Mode,
    RangeScope,
    ReorderCoding,
    UnitType,
)
from vcm_ref.errors import BitstreamError, UnsupportedError

from .samples import picture_headers, read_stream, stream_headers, substreams, write_stream

# A stream of one picture with one layer of four channels, element by element.
STREAM_HEADER = [
    "0010",  # version 2
    "000",  # profile_idc: Core
    "0001",  # level_idc 1
    "0111",  # bit_depth_minus1: 8 bits
    "000",  # inner_codec_idc: lossless
    "00",  # arrangement_idc: frames
    "10",  # range_scope_idc: layer
    "01",  # reorder_coding_idc: exact
    "000010",  # digest_length 2
    "1",  # allocation_idc: temporal
    "1",  # num_layers_minus1 0
    "010",  # layer_name_length_minus1: 2 characters
    "01110000" "00110010",  # "p2"
    "0001000",  # channels_delta +4: code number 7
    "010",  # grid_columns_minus1 1
    "1",  # grid_rows_minus1 0
    "0",  # mode_idc: AI
    "0",  # alignment: 63 bits to 64
]  # fmt: skip
PICTURE_HEADER = [
    "00101",  # picture_height_minus1 4
    "00111",  # picture_width_minus1 6
    "00100",  # layer_height_delta +2: code number 3
    "00110",  # layer_width_delta +3: code number 5
    "10111111100000000000000000000000",  # range_min -1.0
    "01000000001000000000000000000000",  # range_max 2.5
    "00111",  # reorder_index of 1 0 3 2: 1 * 3! + 0 * 2! + 1 * 1! = 7, in ceil(log2(24)) = 5 bits
    "0000000",  # alignment: 89 bits to 96
]
#: The level's four bits, 7 to 10, are taken as 0.
WITHOUT_LEVEL = ["0010", "000", "0000", *STREAM_HEADER[3:]]
HEADER_DIGEST = hashlib.sha256(
    int("".join(WITHOUT_LEVEL), 2).to_bytes(8, "big") + int("".join(PICTURE_HEADER), 2).to_bytes(12, "big")
).hexdigest()[:4]
GOLDEN = bytes.fromhex(
    "56434d46"  # VCMF
    "1108" + "".join(f"{int(''.join(STREAM_HEADER)[i : i + 4], 2):x}" for i in range(0, 64, 4))
    + "210c" + "".join(f"{int(''.join(PICTURE_HEADER)[i : i + 4], 2):x}" for i in range(0, 96, 4))
    + "3103aabbcc"  # substream
    f"4104{HEADER_DIGEST}d1d2"  # digests
    "50"  # end
)  # fmt: skip


def golden_header() -> StreamHeader:
    """What the golden stream's header says."""
    return StreamHeader(
        bit_depth=8,
        allocation=Allocation.TEMPORAL,
        range_scope=RangeScope.LAYER,
        reorder_coding=ReorderCoding.EXACT,
        digest_length=2,
        layers=[LayerHeader("p2", 4, Grid(2, 1), Mode.AI)],
    )


def golden_picture() -> CodedPicture:
    """What the golden stream's picture is."""
    layer = LayerPicture(2, 3, [(-1.0, 2.5)], [1, 0, 3, 2])
    return CodedPicture(PictureHeader(5, 7, [], [layer]), [Substream(lossless_data=b"\xaa\xbb\xcc")], [b"\xd1\xd2"])


def test_golden_stream_is_written_bit_by_bit() -> None:
    """The bytes follow from the tables by hand."""
    assert write_stream(golden_header(), [golden_picture()]) == GOLDEN


def test_golden_stream_is_read() -> None:
    """And give back what they stand for."""
    header, pictures = read_stream(GOLDEN)
    assert header == golden_header()
    assert (pictures[0].header, pictures[0].substreams, pictures[0].digests) == (
        golden_picture().header,
        golden_picture().substreams,
        [b"\xd1\xd2"],
    )


def test_golden_stream_is_counted_by_part() -> None:
    """Coded data 3 bytes, reorder index 5 bits, digests and their unit header 6 bytes, and the rest is headers."""
    reader = BitstreamReader(io.BytesIO(GOLDEN))
    list(reader.pictures())
    assert {part: bits for part, bits in reader.part_bits.items() if bits} == {
        Part.CODED_DATA: 24,
        Part.REORDER: 5,
        Part.DIGEST: 48,
        Part.HEADER: 8 * len(GOLDEN) - 24 - 5 - 48,
    }


def test_golden_stream_is_traced() -> None:
    """Every element with its place, its clause and its descriptor."""
    traced: list[TracedElement] = []
    list(BitstreamReader(io.BytesIO(GOLDEN), trace=traced.append).pictures())
    assert traced == [
        TracedElement(*line)
        for line in [
            (0, "6.2", "signature", "u(32)", 0x56434D46),
            (32, "6.3", "unit_type", "u(4)", 1),
            (36, "6.3", "unit_size_bytes", "u(4)", 1),
            (40, "6.3", "unit_size", "u(v)", 8),
            (48, "6.4", "version", "u(4)", 2),
            (52, "6.4", "profile_idc", "u(3)", 0),
            (55, "6.4", "level_idc", "u(4)", 1),
            (59, "6.4", "bit_depth_minus1", "u(4)", 7),
            (63, "6.4", "inner_codec_idc", "u(3)", 0),
            (66, "6.4", "arrangement_idc", "u(2)", 0),
            (68, "6.4", "range_scope_idc", "u(2)", 2),
            (70, "6.4", "reorder_coding_idc", "u(2)", 1),
            (72, "6.4", "digest_length", "u(6)", 2),
            (78, "6.4", "allocation_idc", "u(1)", 1),
            (79, "6.4", "num_layers_minus1", "ue(v)", 0),
            (80, "6.5", "layer_name_length_minus1", "ue(v)", 1),
            (83, "6.5", "layer_name", "b(v)", b"p2"),
            (99, "6.5", "channels_delta", "se(v)", 4),
            (106, "6.5", "grid_columns_minus1", "ue(v)", 1),
            (109, "6.5", "grid_rows_minus1", "ue(v)", 0),
            (110, "6.5", "mode_idc", "u(1)", 0),
            (111, "6.13", "alignment_zero_bit", "u(v)", 0),
            (112, "6.3", "unit_type", "u(4)", 2),
            (116, "6.3", "unit_size_bytes", "u(4)", 1),
            (120, "6.3", "unit_size", "u(v)", 12),
            (128, "6.7", "picture_height_minus1", "ue(v)", 4),
            (133, "6.7", "picture_width_minus1", "ue(v)", 6),
            (138, "6.7", "layer_height_delta", "se(v)", 2),
            (143, "6.7", "layer_width_delta", "se(v)", 3),
            (148, "6.6", "range_min", "f(32)", -1.0),
            (180, "6.6", "range_max", "f(32)", 2.5),
            (212, "6.8", "reorder_index", "u(v)", 7),
            (217, "6.13", "alignment_zero_bit", "u(v)", 0),
            (224, "6.3", "unit_type", "u(4)", 3),
            (228, "6.3", "unit_size_bytes", "u(4)", 1),
            (232, "6.3", "unit_size", "u(v)", 3),
            (240, "6.9", "lossless_data", "b(v)", b"\xaa\xbb\xcc"),
            (264, "6.3", "unit_type", "u(4)", 4),
            (268, "6.3", "unit_size_bytes", "u(4)", 1),
            (272, "6.3", "unit_size", "u(v)", 4),
            (280, "6.12", "header_digest", "b(v)", bytes.fromhex(HEADER_DIGEST)),
            (296, "6.12", "t1_digest", "b(v)", b"\xd1\xd2"),
            (312, "6.3", "unit_type", "u(4)", 5),
            (316, "6.3", "unit_size_bytes", "u(4)", 0),
            (320, "6.3", "unit_size", "u(v)", 0),
        ]
    ]
    assert 8 * len(GOLDEN) == 320


def written(header: StreamHeader) -> bytes:
    """The payload of a stream header."""
    writer = Writer()
    syntax.stream_header(writer, header)
    writer.align(Part.HEADER)
    return writer.to_bytes()


@given(stream_headers())
def test_any_stream_header_comes_back(header: StreamHeader) -> None:
    """Write, read, write: equal values, and the same bytes."""
    data = written(header)
    found = StreamHeader()
    reader = Reader(data)
    syntax.stream_header(reader, found)
    assert found == header
    assert 0 <= 8 * len(data) - reader.position < 8
    assert written(found) == data


@given(st.data())
def test_any_picture_header_comes_back(data: st.DataObject) -> None:
    """Write, read, write: equal values, and the same bytes."""
    stream = data.draw(stream_headers())
    picture = data.draw(picture_headers(stream))
    writer = Writer()
    syntax.picture_header(writer, stream, copy.deepcopy(picture))
    writer.align(Part.HEADER)
    found = PictureHeader()
    syntax.picture_header(Reader(writer.to_bytes()), stream, found)
    assert found == picture
    again = Writer()
    syntax.picture_header(again, stream, found)
    again.align(Part.HEADER)
    assert again.to_bytes() == writer.to_bytes()


@given(st.data(), st.sampled_from(InnerCodecId))
def test_any_substream_comes_back(data: st.DataObject, codec: InnerCodecId) -> None:
    """Write, read, write: equal values, and the same bytes; two substreams of a picture share their bases."""
    stream = StreamHeader(inner_codec=codec)
    given_bases, found_bases = parameter_set_bases(codec), parameter_set_bases(codec)
    for _ in range(2):
        substream = data.draw(substreams(codec))
        writer = Writer()
        syntax.substream(writer, stream, copy.deepcopy(substream), given_bases)
        found = Substream()
        reader = Reader(writer.to_bytes())
        syntax.substream(reader, stream, found, found_bases)
        assert found == substream
        assert not reader.more_data(True)
        assert writer.part_bits == reader.part_bits
        assert sum(writer.part_bits.values()) == writer.position
    assert given_bases == found_bases


@given(st.sampled_from(UnitType), st.integers(0, 2**32 - 1))
def test_any_unit_header_comes_back(unit_type: UnitType, size: int) -> None:
    """unit_size has as many bytes as it needs."""
    writer = Writer()
    syntax.unit_header(writer, Unit(unit_type, size))
    data = writer.to_bytes()
    length = len(f"{size:x}") + 1 >> 1 if size else 0
    assert data == bytes([unit_type << 4 | length]) + size.to_bytes(length, "big")
    found = Unit()
    syntax.unit_header(Reader(data), found)
    assert found == Unit(unit_type, size)


@pytest.mark.parametrize("arrangement", list(Arrangement))
@pytest.mark.parametrize("scope", list(RangeScope))
@pytest.mark.parametrize("coding", list(ReorderCoding))
@pytest.mark.parametrize("codec", list(InnerCodecId))
@pytest.mark.parametrize("mode", list(Mode))
def test_every_enumerated_value_comes_back(
    arrangement: Arrangement, scope: RangeScope, coding: ReorderCoding, codec: InnerCodecId, mode: Mode
) -> None:
    """All combinations of the code points; the tiled arrangement has neither mode nor allocation."""
    tiled = arrangement == Arrangement.TILED
    for allocation in Allocation:
        header = StreamHeader(
            inner_codec=codec,
            arrangement=arrangement,
            allocation=Allocation.SPATIAL if tiled else allocation,
            range_scope=scope,
            reorder_coding=coding,
            layers=[LayerHeader("p2", 2, Grid(2, 1), Mode.AI if tiled else mode)],
        )
        found = StreamHeader()
        syntax.stream_header(Reader(written(header)), found)
        assert found == header


def patched(data: bytes, bit: int, bits: str) -> bytes:
    """``data`` with some of its bits replaced."""
    text = "".join(f"{byte:08b}" for byte in data)
    text = text[:bit] + bits + text[bit + len(bits) :]
    return int(text, 2).to_bytes(len(data), "big")


@pytest.mark.parametrize(
    ("bit", "bits", "name"),
    [
        (0, "11111111", 'does not begin with "VCMF"'),
        (32, "0000", "unit_type"),
        (32, "0110", "unit_type"),
        (32, "1111", "unit_type"),
        (36, "0101", "unit_size_bytes"),
        (48, "0000", "version"),
        (52, "011", "profile_idc"),
        (55, "0000", "level_idc"),
        (55, "0101", "level_idc"),
        (59, "0000", "bit_depth_minus1"),
        (63, "011", "inner_codec_idc"),
        (63, "111", "inner_codec_idc"),
        (66, "11", "arrangement_idc"),
        (70, "11", "reorder_coding_idc"),
        (72, "100001", "digest_length"),
        (83, "00100000", "layer's name"),
        (83, "10000000", "layer's name"),
        (99, "0001001", "channels"),  # -4
        (99, "0001010", "grid"),  # 5 channels do not fill 2x1
        (111, "1", "alignment_zero_bit"),
        (148, "01111111100000000000000000000000", "not finite"),
        (148, "01000000010000000000000000000000", "above"),
        (212, "11000", "permutation"),  # 24 = 4!
        (223, "1", "alignment_zero_bit"),
    ],
)
def test_a_reserved_or_impossible_value_is_refused(bit: int, bits: str, name: str) -> None:
    """One element of the golden stream at a time; the message names it, and the place is not far."""
    with pytest.raises(BitstreamError, match=name) as caught:
        read_stream(patched(GOLDEN, bit, bits))
    assert caught.value.clause is not None
    assert caught.value.bit_offset is not None
    assert bit - 8 <= caught.value.bit_offset <= bit + 64


@pytest.mark.parametrize("bit", [*range(48, 55), *range(59, 112), *range(128, 224)])
def test_no_bit_of_a_header_can_be_damaged(bit: int) -> None:
    """The ranges and the picture's size, which nothing else would notice, among them; but for level_idc."""
    with pytest.raises((BitstreamError, UnsupportedError)):
        read_stream(patched(GOLDEN, bit, str(1 - (GOLDEN[bit // 8] >> (7 - bit % 8) & 1))))


def test_the_header_digest_is_named() -> None:
    """A range whose last bit has been turned over."""
    with pytest.raises(BitstreamError, match="header digest") as caught:
        read_stream(patched(GOLDEN, 211, "1"))
    assert (caught.value.clause, caught.value.bit_offset) == ("6.12", 296)


@pytest.mark.parametrize("version", [1, 3, 15])
def test_another_version_is_not_supported(version: int) -> None:
    """It may be conformant, but not to the text that this decoder knows: exit code 11."""
    with pytest.raises(UnsupportedError, match=f"version {version}"):
        read_stream(patched(GOLDEN, 48, f"{version:04b}"))


@pytest.mark.parametrize("depth", range(11, 17))
def test_more_than_ten_bits_need_the_lossless_codec(depth: int) -> None:
    """The inner video codecs have 10 bits."""
    layer = [LayerHeader("p2", 1)]
    written(StreamHeader(bit_depth=depth, layers=layer))
    with pytest.raises(BitstreamError, match="needs the lossless"):
        written(StreamHeader(bit_depth=depth, inner_codec=InnerCodecId.VVC, layers=layer))


def test_two_layers_of_one_name_are_refused() -> None:
    """A layer is known by its name."""
    with pytest.raises(BitstreamError, match="two layers are named p2"):
        written(StreamHeader(layers=[LayerHeader("p2", 1), LayerHeader("p2", 1)]))


def test_a_tiled_layer_fits_in_one_grid() -> None:
    """The tiled arrangement has one frame."""
    with pytest.raises(BitstreamError, match="one grid"):
        written(StreamHeader(arrangement=Arrangement.TILED, layers=[LayerHeader("p2", 4, Grid(2, 1))]))


def test_fixed_length_indices_that_are_no_permutation_are_refused() -> None:
    """An index that comes twice leaves another out."""
    stream = StreamHeader(
        range_scope=RangeScope.FIXED, reorder_coding=ReorderCoding.FIXED_LENGTH, layers=[LayerHeader("p2", 4)]
    )
    with pytest.raises(BitstreamError, match="no permutation"):
        syntax.picture_header(Writer(), stream, PictureHeader(1, 1, [], [LayerPicture(1, 1, [], [0, 1, 1, 3])]))


@pytest.mark.parametrize(
    ("nal_unit", "rule"),
    [
        (b"\x00\x01ab\x00\x00\x01c", "start code"),
        (b"\x00\x01ab\x00\x00\x00c", "start code"),
        (b"\x00\x01ab\x00\x00\x02c", "start code"),
        (b"\x00\x01ab\x00", "zero byte"),
        (b"\x00\xa1\x10", "access unit delimiter"),
        (b"\x00\x81ab", "leading parameter set"),
        (b"\x00", "nal_unit_size"),
    ],
)
def test_nal_units_that_must_not_be_stored(nal_unit: bytes, rule: str) -> None:
    """What a byte stream could not carry, what is taken out, and what is coded compactly."""
    stream = StreamHeader(inner_codec=InnerCodecId.VVC)
    with pytest.raises(BitstreamError, match=rule):
        syntax.substream(Writer(), stream, Substream([], [nal_unit]), parameter_set_bases(InnerCodecId.VVC))


def test_a_parameter_set_may_come_again_later() -> None:
    """Only the first NAL unit stored as it is must not be a parameter set; emulation prevention is no start code."""
    stream = StreamHeader(inner_codec=InnerCodecId.VVC)
    stored = Substream([], [b"\x00\x01ab\x00\x00\x03\x01", b"\x00\x81ab"])
    writer = Writer()
    syntax.substream(writer, stream, stored, parameter_set_bases(InnerCodecId.VVC))
    found = Substream()
    syntax.substream(Reader(writer.to_bytes()), stream, found, parameter_set_bases(InnerCodecId.VVC))
    assert found == stored


def test_sizes_are_relative_to_half_the_layer_before() -> None:
    """A pyramid whose layers halve, rounding up, costs one bit a dimension after the first layer."""
    stream = StreamHeader(range_scope=RangeScope.FIXED, layers=[LayerHeader(f"p{i}", 1) for i in range(2, 6)])
    layers = [LayerPicture(200, 267), LayerPicture(100, 134), LayerPicture(50, 67), LayerPicture(25, 34)]
    writer = Writer()
    syntax.picture_header(writer, stream, PictureHeader(800, 1067, [], layers))
    # ue(799), ue(1066): 19 and 21 bits; se(200), se(267): code numbers 399 and 533, 17 and 19 bits; then 6 times 1 bit
    assert writer.position == 19 + 21 + 17 + 19 + 6
