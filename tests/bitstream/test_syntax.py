"""The syntax tables: written and read again, every value of each enumeration, and what they refuse."""

from __future__ import annotations

import copy
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vcm_ref.bitstream import substream_syntax, syntax
from vcm_ref.bitstream.coder import Reader, Writer
from vcm_ref.bitstream.elements import Part
from vcm_ref.bitstream.headers import (
    GroupHeader,
    LevelFormat,
    PictureHeader,
    StreamHeader,
    Substream,
    TensorFormat,
    TensorHeader,
    TensorPicture,
    Unit,
    format_of_levels,
)
from vcm_ref.bitstream.stream import Bases
from vcm_ref.bitstream.values import (
    Allocation,
    Grid,
    InnerCodecId,
    Layer,
    Mode,
    Packing,
    RangeScope,
    ReorderCoding,
    UnitType,
)
from vcm_ref.conversion.reduction import Resize
from vcm_ref.errors import BitstreamError

from .samples import group_headers, stream_headers, substreams


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
def test_any_group_header_comes_back(data: st.DataObject) -> None:
    """Write, read, write: equal values, and the same bytes."""
    stream = data.draw(stream_headers())
    group = data.draw(group_headers(stream))
    writer = Writer()
    syntax.group_header(writer, stream, copy.deepcopy(group))
    writer.align(Part.HEADER)
    found = GroupHeader()
    syntax.group_header(Reader(writer.to_bytes()), stream, found)
    assert found == group
    again = Writer()
    syntax.group_header(again, stream, found)
    again.align(Part.HEADER)
    assert again.to_bytes() == writer.to_bytes()


@given(st.data(), st.sampled_from(InnerCodecId))
def test_any_substream_comes_back(data: st.DataObject, codec: InnerCodecId) -> None:
    """Write, read, write: equal values, and the same bytes; two substreams of a group share their bases."""
    given_bases, found_bases = Bases().of(codec), Bases().of(codec)
    for _ in range(2):
        substream = data.draw(substreams(codec))
        writer = Writer()
        substream_syntax.substream(writer, codec, copy.deepcopy(substream), given_bases)
        found = Substream()
        reader = Reader(writer.to_bytes())
        substream_syntax.substream(reader, codec, found, found_bases)
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


@pytest.mark.parametrize("packing", list(Packing))
@pytest.mark.parametrize("scope", list(RangeScope))
@pytest.mark.parametrize("coding", list(ReorderCoding))
@pytest.mark.parametrize("codec", [InnerCodecId.LOSSLESS, InnerCodecId.HEVC, InnerCodecId.VVC])
@pytest.mark.parametrize("mode", list(Mode))
def test_every_enumerated_value_comes_back(
    packing: Packing, scope: RangeScope, coding: ReorderCoding, codec: InnerCodecId, mode: Mode
) -> None:
    """All combinations of the code points; a stacked tensor has one frame, and the lossless codec no mode."""
    frames = 1 if packing == Packing.STACKED else 2
    for allocation in Allocation:
        form = TensorFormat(10, codec, scope, coding, packing)
        tensor = TensorHeader(
            form,
            Grid(2, 1),
            allocation if frames > 1 else Allocation.FRAME_MAJOR,
            Mode.AI if codec == InnerCodecId.LOSSLESS else mode,
        )
        header = StreamHeader(layers=[Layer("p2", 2 * frames)], tensors=[tensor])
        found = StreamHeader()
        syntax.stream_header(Reader(written(header)), found)
        assert found == header


@pytest.mark.parametrize("qp", [0, 32, 63])
@pytest.mark.parametrize("offsets", [(-8, 23), (0, 0), (23, -8)])
@pytest.mark.parametrize("picture_before", [False, True])
def test_every_level_format_comes_back(qp: int, offsets: tuple[int, int], picture_before: bool) -> None:
    """And so does one that is like the tensor's before."""
    tensor = TensorHeader(format_of_levels(LevelFormat(qp, offsets, False, picture_before)))
    header = StreamHeader(layers=[Layer("p2", 3), Layer("p3", 5)], tensors=[tensor] * 2)
    found = StreamHeader()
    syntax.stream_header(Reader(written(header)), found)
    assert found == header


def test_levels_have_sixteen_bits() -> None:
    """No other depth is their one code."""
    form = replace(format_of_levels(LevelFormat()), bit_depth=15)
    with pytest.raises(BitstreamError, match="levels have the bit depth 16"):
        written(StreamHeader(layers=[Layer("p2", 1)], tensors=[TensorHeader(form)]))


def test_tables_of_a_model_need_a_stage_with_one() -> None:
    """There is no stage, or the last one is RESIZE."""
    tensor = TensorHeader(format_of_levels(LevelFormat(model_tables=True)))
    for stages in ([], [Resize([1])]):
        with pytest.raises(BitstreamError, match="the last stage has no model"):
            written(StreamHeader(layers=[Layer("p2", 1)], stages=list(stages), tensors=[tensor]))


@pytest.mark.parametrize("depth", range(11, 17))
def test_more_than_ten_bits_need_the_lossless_codec(depth: int) -> None:
    """The inner video codecs have 10 bits."""
    layer = [Layer("p2", 1)]
    written(StreamHeader(layers=layer, tensors=[TensorHeader(TensorFormat(depth))]))
    with pytest.raises(BitstreamError, match="needs the lossless"):
        written(StreamHeader(layers=layer, tensors=[TensorHeader(TensorFormat(depth, InnerCodecId.VVC))]))


def test_two_layers_of_one_name_are_refused() -> None:
    """A layer is known by its name."""
    with pytest.raises(BitstreamError, match="two layers are named p2"):
        written(StreamHeader(layers=[Layer("p2", 1), Layer("p2", 1)], tensors=[TensorHeader()] * 2))


def test_a_stacked_tensor_fits_in_one_frame() -> None:
    """2 columns and 2 rows are 4 of 5 maps."""
    tensor = TensorHeader(TensorFormat(packing=Packing.STACKED), Grid(2, 2))
    with pytest.raises(BitstreamError, match="does not divide"):
        written(StreamHeader(layers=[Layer("p2", 5)], tensors=[tensor]))


@pytest.mark.parametrize("changed", [{"bit_depth": 8}, {"inner_codec": InnerCodecId.LOSSLESS}, {"mode": Mode.RA}])
def test_stacked_tensors_share_depth_codec_and_mode(changed: dict[str, Any]) -> None:
    """They are in one substream."""
    form = TensorFormat(inner_codec=InnerCodecId.VVC, packing=Packing.STACKED)
    mode = changed.pop("mode", Mode.AI)
    tensors = [TensorHeader(form), TensorHeader(replace(form, **changed), mode=mode)]
    with pytest.raises(BitstreamError, match="stacked tensor b"):
        written(StreamHeader(profile=2, layers=[Layer("a", 1), Layer("b", 1)], tensors=tensors))


def test_a_tensor_like_the_one_before_costs_one_bit() -> None:
    """A second layer of the same channels: 3 + 8 bits of its name, 1 of its channels, 1 of its tensor."""
    first = TensorHeader(TensorFormat(inner_codec=InnerCodecId.VVC), Grid(4, 4), Allocation.INTERLEAVED, Mode.RA)
    sizes = []
    for count in (1, 2):
        writer = Writer()
        header = StreamHeader(layers=[Layer("abc"[i], 64) for i in range(count)], tensors=[first] * count)
        syntax.stream_header(writer, header)
        sizes.append(writer.position)
    assert sizes[1] - sizes[0] == 1 + 8 + 1 + 1 + 2  # and num_layers_minus1 takes 3 bits instead of 1


def test_a_stage_says_the_length_of_its_payload() -> None:
    """Two shifts of 2 bits: stage_idc and stage_payload_bits are ue(1) and ue(4), 3 and 5 bits."""
    plain = StreamHeader(layers=[Layer("a", 1), Layer("b", 1)], tensors=[TensorHeader()] * 2)
    staged = replace(plain, stages=[Resize([2, 0])])
    bits = [f"{int.from_bytes(written(one), 'big'):0{8 * len(written(one))}b}" for one in (plain, staged)]
    # version, profile, level, digest length: 17; num_layers_minus1: 3; names and channels: 9 + 3 and 9 + 1; num_stages
    assert bits[0][42] == "1"
    assert bits[1][42:45] + bits[1][45:48] + bits[1][48:53] + bits[1][53:57] == "010" + "010" + "00101" + "1000"


def test_fixed_length_indices_that_are_no_permutation_are_refused() -> None:
    """An index that comes twice leaves another out."""
    form = TensorFormat(range_scope=RangeScope.FIXED, reorder_coding=ReorderCoding.FIXED_LENGTH)
    stream = StreamHeader(layers=[Layer("p2", 4)], tensors=[TensorHeader(form)])
    group = GroupHeader(1, 1, [(1, 1)], [PictureHeader([], [TensorPicture([], [0, 1, 1, 3])])])
    with pytest.raises(BitstreamError, match="not a permutation"):
        syntax.group_header(Writer(), stream, group)


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
        (b"\x01\x01ab", "layer other than 0"),
    ],
)
def test_nal_units_that_must_not_be_stored(nal_unit: bytes, rule: str) -> None:
    """What a byte stream could not carry, what is taken out, and what is coded compactly."""
    codec = InnerCodecId.VVC
    with pytest.raises(BitstreamError, match=rule):
        substream_syntax.substream(Writer(), codec, Substream([], [nal_unit]), Bases().of(codec))


def test_a_parameter_set_may_come_again_later() -> None:
    """Only the first NAL unit stored as it is must not be a parameter set; emulation prevention is no start code."""
    codec = InnerCodecId.VVC
    stored = Substream([], [b"\x00\x01ab\x00\x00\x03\x01", b"\x00\x81ab"])
    writer = Writer()
    substream_syntax.substream(writer, codec, stored, Bases().of(codec))
    found = Substream()
    substream_syntax.substream(Reader(writer.to_bytes()), codec, found, Bases().of(codec))
    assert found == stored


def test_a_repeated_parameter_set_is_not_stored() -> None:
    """The only leading one of its type, again, is left out; with another between it may be there."""
    codec, pps, slice_ = InnerCodecId.VVC, b"\x00\x81ab", b"\x00\x01c"
    with pytest.raises(BitstreamError, match="repeats"):
        substream_syntax.substream(Writer(), codec, Substream([pps], [slice_, pps]), Bases().of(codec))
    allowed = Substream([pps], [slice_, b"\x00\x81cd", pps])
    substream_syntax.substream(Writer(), codec, allowed, Bases().of(codec))


def test_sizes_are_relative_to_half_the_layer_before() -> None:
    """A pyramid whose layers halve, rounding up, costs one bit a dimension after the first layer."""
    form = TensorFormat(range_scope=RangeScope.FIXED)
    stream = StreamHeader(layers=[Layer(f"p{i}", 1) for i in range(2, 6)], tensors=[TensorHeader(form)] * 4)
    sizes = [(200, 267), (100, 134), (50, 67), (25, 34)]
    picture = PictureHeader([], [TensorPicture()] * 4)
    writer = Writer()
    syntax.group_header(writer, stream, GroupHeader(800, 1067, sizes, [picture]))
    # ue(0), ue(799), ue(1066), ue(199), ue(266): 1, 19, 21, 15 and 17 bits; 6 times 1 bit; ue(0)
    assert writer.position == 1 + 19 + 21 + 15 + 17 + 6 + 1


def test_what_is_as_in_the_picture_before_costs_one_bit() -> None:
    """A picture with the ranges and orders of the one before costs two bits, one with nothing of its own none."""
    form = TensorFormat(reorder_coding=ReorderCoding.EXACT)
    for tensor, bits in ((TensorHeader(form), 2), (TensorHeader(TensorFormat(range_scope=RangeScope.FIXED)), 0)):
        own = TensorPicture([(0.0, 1.0)], [1, 0]) if bits else TensorPicture()
        stream = StreamHeader(layers=[Layer("p2", 2)], tensors=[tensor])
        sizes = []
        for count in (4, 5):
            writer = Writer()
            pictures = [PictureHeader([], [own]) for _ in range(count)]
            syntax.group_header(writer, stream, GroupHeader(1, 1, [(1, 1)], pictures))
            sizes.append(writer.position)
        assert sizes[1] - sizes[0] == bits
