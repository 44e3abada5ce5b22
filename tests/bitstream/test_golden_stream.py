"""A stream worked out by hand: written, read, counted and traced; and refused with any of its elements changed."""

from __future__ import annotations

import io

import pytest

from vcm_ref.bitstream.coder import TracedElement
from vcm_ref.bitstream.elements import Part
from vcm_ref.bitstream.stream import BitstreamReader
from vcm_ref.errors import BitstreamError, UnsupportedError

from .golden import GOLDEN, HEADER_DIGEST, golden_group, golden_header
from .samples import read_stream, write_stream


def test_golden_stream_is_written_bit_by_bit() -> None:
    """The bytes follow from the tables by hand."""
    assert write_stream(golden_header(), [golden_group()]) == GOLDEN


def test_golden_stream_is_read() -> None:
    """And give back what they stand for."""
    header, groups = read_stream(GOLDEN)
    assert header == golden_header()
    expected = golden_group()
    assert (groups[0].header, groups[0].substreams, groups[0].digests) == (
        expected.header,
        expected.substreams,
        expected.digests,
    )


def test_golden_stream_is_counted_by_part() -> None:
    """Coded data 3 bytes, reorder index 5 bits, digests and their unit header 6 bytes, and the rest is headers."""
    reader = BitstreamReader(io.BytesIO(GOLDEN))
    list(reader.groups())
    assert {part: bits for part, bits in reader.part_bits.items() if bits} == {
        Part.CODED_DATA: 24,
        Part.REORDER: 5,
        Part.DIGEST: 48,
        Part.HEADER: 8 * len(GOLDEN) - 24 - 5 - 48,
    }


def test_golden_stream_is_traced() -> None:
    """Every element with its place, its clause and its descriptor."""
    traced: list[TracedElement] = []
    list(BitstreamReader(io.BytesIO(GOLDEN), trace=traced.append).groups())
    assert traced == [
        TracedElement(*line)
        for line in [
            (0, "6.2", "signature", "u(32)", 0x56434D46),
            (32, "6.3", "unit_type", "u(4)", 1),
            (36, "6.3", "unit_size_bytes", "u(4)", 1),
            (40, "6.3", "unit_size", "u(v)", 9),
            (48, "6.4", "version", "u(4)", 3),
            (52, "6.4", "profile_idc", "u(3)", 0),
            (55, "6.4", "level_idc", "u(4)", 1),
            (59, "6.4", "digest_length", "u(6)", 2),
            (65, "6.4", "digest_idc", "u(1)", 0),
            (66, "6.4", "num_layers_minus1", "ue(v)", 0),
            (67, "6.5", "layer_name_length_minus1", "ue(v)", 1),
            (70, "6.5", "layer_name", "b(v)", b"p2"),
            (86, "6.5", "channels_delta", "se(v)", 4),
            (93, "6.4", "num_stages", "ue(v)", 0),
            (94, "6.9", "bit_depth_minus1", "u(4)", 7),
            (98, "6.9", "inner_codec_idc", "u(3)", 0),
            (101, "6.9", "range_scope_idc", "u(2)", 2),
            (103, "6.9", "reorder_coding_idc", "u(2)", 1),
            (105, "6.9", "packing_idc", "u(2)", 0),
            (107, "6.8", "grid_columns_minus1", "ue(v)", 1),
            (110, "6.8", "grid_rows_minus1", "ue(v)", 0),
            (111, "6.8", "allocation_idc", "u(1)", 1),
            (112, "6.20", "extension_size", "ue(v)", 0),
            (113, "6.20", "extension_data", "b(v)", b""),
            (113, "6.21", "alignment_zero_bit", "u(v)", 0),
            (120, "6.3", "unit_type", "u(4)", 2),
            (124, "6.3", "unit_size_bytes", "u(4)", 1),
            (128, "6.3", "unit_size", "u(v)", 11),
            (136, "6.11", "num_pictures_minus1", "ue(v)", 0),
            (137, "6.11", "picture_height_minus1", "ue(v)", 4),
            (142, "6.11", "picture_width_minus1", "ue(v)", 6),
            (147, "6.11", "layer_height_minus1", "ue(v)", 1),
            (150, "6.11", "layer_width_minus1", "ue(v)", 2),
            (153, "6.10", "range_min", "f(32)", -1.0),
            (185, "6.10", "range_max", "f(32)", 2.5),
            (217, "6.13", "reorder_index", "u(v)", 7),
            (222, "6.20", "extension_size", "ue(v)", 0),
            (223, "6.20", "extension_data", "b(v)", b""),
            (223, "6.21", "alignment_zero_bit", "u(v)", 0),
            (224, "6.3", "unit_type", "u(4)", 3),
            (228, "6.3", "unit_size_bytes", "u(4)", 1),
            (232, "6.3", "unit_size", "u(v)", 3),
            (240, "6.14", "lossless_data", "b(v)", b"\xaa\xbb\xcc"),
            (264, "6.3", "unit_type", "u(4)", 4),
            (268, "6.3", "unit_size_bytes", "u(4)", 1),
            (272, "6.3", "unit_size", "u(v)", 4),
            (280, "6.17", "header_digest", "b(v)", bytes.fromhex(HEADER_DIGEST)),
            (296, "6.17", "t1_digest", "b(v)", b"\xd1\xd2"),
            (312, "6.3", "unit_type", "u(4)", 5),
            (316, "6.3", "unit_size_bytes", "u(4)", 0),
            (320, "6.3", "unit_size", "u(v)", 0),
        ]
    ]
    assert 8 * len(GOLDEN) == 320


def patched(data: bytes, bit: int, bits: str) -> bytes:
    """``data`` with some of its bits replaced."""
    text = "".join(f"{byte:08b}" for byte in data)
    text = text[:bit] + bits + text[bit + len(bits) :]
    return int(text, 2).to_bytes(len(data), "big")


@pytest.mark.parametrize(
    ("bit", "bits", "name"),
    [
        (0, "11111111", "VCMF"),
        (36, "0101", "unit_size_bytes"),
        (48, "0000", "version"),
        (59, "100001", "digest_length"),
        (70, "00100000", "layer's name"),
        (70, "10000000", "layer's name"),
        (86, "0001001", "channels"),  # -4
        (86, "0001010", "grid"),  # 5 channels do not fill 2x1
        (103, "11", "reorder_coding_idc"),
        (105, "11", "packing_idc"),
        (119, "1", "alignment_zero_bit"),
        (153, "01111111100000000000000000000000", "finite"),
        (153, "10000000000000000000000000000000", "-0"),
        (153, "01000000010000000000000000000000", "above"),
        (217, "11000", "permutation"),  # 24 = 4!
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


@pytest.mark.parametrize(
    ("bit", "bits", "element", "value"),
    [
        (120, "0000", "unit_type", 0),
        (120, "0111", "unit_type", 7),
        (48, "0010", "version", 2),
        (48, "0100", "version", 4),
        (48, "1111", "version", 15),
        (52, "100", "profile_idc", 4),
        (55, "0000", "level_idc", 0),
        (55, "0101", "level_idc", 5),
        (65, "1", "digest_idc", 1),
        (98, "100", "inner_codec_idc", 4),
        (98, "111", "inner_codec_idc", 7),
    ],
)
def test_a_value_for_later_editions_is_not_supported(bit: int, bits: str, element: str, value: int) -> None:
    """It may be conformant, but not to the text that this decoder knows: exit code 11, with the values as data."""
    with pytest.raises(UnsupportedError, match=f"{element} is {value}") as caught:
        read_stream(patched(GOLDEN, bit, bits))
    assert (caught.value.element, caught.value.value) == (element, value)


@pytest.mark.parametrize("length", range(7, len(GOLDEN)))
def test_another_version_is_told_however_little_there_is(length: int) -> None:
    """Version 4, cut anywhere after its version: nothing else is judged."""
    with pytest.raises(UnsupportedError, match="version is 4"):
        read_stream(patched(GOLDEN, 48, "0100")[:length])


@pytest.mark.parametrize("beginning", [b"", b"V", b"VCM", b"vcmf", b"\x89PNG\r\n\x1a\n"])
def test_another_file_is_told_as_such(beginning: bytes) -> None:
    """Whoever mistakes a file is told so."""
    with pytest.raises(BitstreamError, match='not a vcm_ref bitstream: it does not begin with "VCMF"'):
        read_stream(beginning)


@pytest.mark.parametrize("bit", [*range(48, 120), *range(136, 224)])
def test_no_bit_of_a_header_can_be_damaged(bit: int) -> None:
    """The ranges and the picture's size, which nothing else would notice, among them."""
    with pytest.raises((BitstreamError, UnsupportedError)):
        read_stream(patched(GOLDEN, bit, str(1 - (GOLDEN[bit // 8] >> (7 - bit % 8) & 1))))


def test_the_header_digest_is_named() -> None:
    """A range whose last bit has been turned over."""
    with pytest.raises(BitstreamError, match="header digest") as caught:
        read_stream(patched(GOLDEN, 216, "1"))
    assert (caught.value.clause, caught.value.bit_offset) == ("6.17", 296)
