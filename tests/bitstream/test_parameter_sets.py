"""Compact parameter sets: byte for byte the same again, and coded in one way only."""

from __future__ import annotations

import json
from importlib.resources import files

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vcm_ref.bitstream import substream_syntax
from vcm_ref.bitstream.coder import Reader, Writer
from vcm_ref.bitstream.elements import Part
from vcm_ref.bitstream.headers import Substream
from vcm_ref.bitstream.nal import escape, join_byte_stream, split_byte_stream, unescape
from vcm_ref.bitstream.parameter_sets import (
    BitString,
    ParameterSetCode,
    apply_code,
    best_code,
    templates,
    to_bit_string,
    to_nal_unit,
)
from vcm_ref.bitstream.stream import Bases
from vcm_ref.bitstream.values import InnerCodecId
from vcm_ref.errors import BitstreamError, CodecError

VIDEO_CODECS = [InnerCodecId.HEVC, InnerCodecId.VVC]
bit_strings = st.integers(0, 80).flatmap(
    lambda length: st.builds(BitString, st.integers(0, (1 << length) - 1), st.just(length))
)
#: Bytes of which many are 0, 1, 2 or 3.
tricky = st.lists(st.integers(0, 4) | st.integers(0, 255), max_size=30).map(bytes)


def bits(text: str) -> BitString:
    """A bit string from zeros and ones."""
    return BitString(int(text or "0", 2), len(text))


def escaped_by_hand(payload: bytes) -> bytes:
    """Emulation prevention as H.265, 7.4.2, words it: a 3 before whatever would follow two zeros as 0, 1, 2 or 3."""
    out, zeros = bytearray(), 0
    for byte in payload:
        if zeros >= 2 and byte <= 3:
            out.append(3)
            zeros = 0
        out.append(byte)
        zeros = zeros + 1 if byte == 0 else 0
    return bytes(out)


@pytest.mark.parametrize(
    ("payload", "nal_unit"),
    [
        ("000000", "00000300"), ("000001", "00000301"), ("000002", "00000302"), ("000003", "00000303"),
        ("000004", "000004"), ("00000000", "0000030000"), ("0000000000", "000003000003" "00"),
        ("000001000001", "0000030100000301"), ("0000", "0000"), ("010000", "010000"), ("00000303", "0000030303"),
    ],
)  # fmt: skip
def test_emulation_prevention(payload: str, nal_unit: str) -> None:
    """Two zeros never come before 0, 1, 2 or 3, also in a row and at the end."""
    assert escape(bytes.fromhex(payload)).hex() == nal_unit
    assert unescape(bytes.fromhex(nal_unit)).hex() == payload


@given(tricky)
def test_emulation_prevention_is_that_of_the_standard(payload: bytes) -> None:
    """Against a byte-wise second implementation; and its inverse."""
    assert escape(payload) == escaped_by_hand(payload)
    assert unescape(escape(payload)) == payload


@given(st.lists(tricky.map(lambda unit: b"\x00\x01" + escaped_by_hand(unit) + b"\x80"), max_size=5))
def test_a_byte_stream_comes_apart_as_it_was_joined(nal_units: list[bytes]) -> None:
    """Start codes only between NAL units."""
    assert list(split_byte_stream(join_byte_stream(nal_units))) == nal_units


def test_short_start_codes_and_zero_bytes_belong_to_no_nal_unit() -> None:
    """Annex B: leading zeros, three-byte start codes, trailing zeros."""
    stream = b"\x00\x00\x00\x00\x01ab\x00\x00\x01c\x00\x00\x00\x00\x01d"
    assert list(split_byte_stream(stream)) == [b"ab", b"c", b"d"]


@given(bit_strings)
def test_to_bit_string_is_the_inverse_of_to_nal_unit(string: BitString) -> None:
    """Of any length."""
    assert to_bit_string(to_nal_unit(string)) == string


@pytest.mark.parametrize(
    ("string", "nal_unit"),
    [("", "80"), ("1", "c0"), ("1010101", "ab"), ("10101010", "aa80"), ("0" * 16 + "0000001", "00000303")],
)
def test_trailing_bits_are_a_one_and_zeros(string: str, nal_unit: str) -> None:
    """rbsp_trailing_bits(), also where it takes a byte of its own; emulation prevention comes after it."""
    assert to_nal_unit(bits(string)).hex() == nal_unit
    assert to_bit_string(bytes.fromhex(nal_unit)) == bits(string)


@pytest.mark.parametrize("nal_unit", ["", "7900", "79008000", "0000018080", "79000003", "790000030480"])
def test_a_parameter_set_that_could_not_be_made_again_is_refused(nal_unit: str) -> None:
    """Without trailing bits, with bytes after them, with too little or too much emulation prevention."""
    with pytest.raises(CodecError, match="irregular"):
        to_bit_string(bytes.fromhex(nal_unit))


@given(st.lists(bit_strings, max_size=4), bit_strings)
def test_apply_code_is_the_inverse_of_best_code(bases: list[BitString], target: BitString) -> None:
    """Whatever the bases; the first is empty."""
    bases = [BitString(0, 0), *bases]
    code = best_code(bases, target)
    assert apply_code(bases[code.base], code) == target
    assert code.prefix_bits + code.suffix_bits <= bases[code.base].length
    assert code.cost <= 3 + 2 * (target.length + 1).bit_length() - 1 + target.length


def test_a_difference_worked_by_hand() -> None:
    """11001 010 and 11001 11 010 share five bits before and three behind; two are sent.

    ue(1), ue(5), ue(3) and ue(2) take 3, 5, 5 and 3 bits, the two bits 2. From the empty base it were
    1 + 1 + 1 + 7 + 10.
    """
    base, target = bits("11001010"), bits("1100111010")
    code = best_code([bits(""), base], target)
    assert code == ParameterSetCode(base=1, prefix_bits=5, suffix_bits=3, middle_bits=2, middle=0b11)
    assert code.cost == 18
    assert best_code([bits("")], target) == ParameterSetCode(0, 0, 0, 10, 0b1100111010)
    assert best_code([bits("")], target).cost == 20


def test_a_set_that_was_sent_costs_least_and_the_first_of_equals_is_taken() -> None:
    """The same again is all prefix; of two equal bases the first is named."""
    known = bits("1100101011110000")
    assert best_code([bits(""), bits("1"), known, known], known) == ParameterSetCode(2, 16, 0, 0, 0)


@pytest.mark.parametrize(("base", "target"), [("0000", "00000000"), ("00000000", "0000"), ("1111", "11111")])
def test_prefix_and_suffix_do_not_overlap(base: str, target: str) -> None:
    """Bits that are all alike are shared once."""
    code = best_code([bits(""), bits(base)], bits(target))
    assert code.prefix_bits + code.suffix_bits <= min(len(base), len(target))
    assert apply_code([bits(""), bits(base)][code.base], code) == bits(target)


@pytest.mark.parametrize("codec", VIDEO_CODECS)
def test_templates_come_back_byte_for_byte(codec: InnerCodecId) -> None:
    """Each template of Annex A, through the bit string and through the syntax, and each costs a few bytes."""
    listed = json.loads(files("vcm_ref.bitstream").joinpath("templates.json").read_text())[codec.name.lower()]
    assert len(templates(codec)) == len(listed) > 3
    for entry, template in zip(listed, templates(codec), strict=True):
        nal_unit = bytes.fromhex(entry["nal_unit"])
        assert to_nal_unit(template) == nal_unit
        writer = Writer()
        substream_syntax.substream(writer, codec, Substream([nal_unit], []), Bases().of(codec))
        assert len(writer.to_bytes()) <= 5
        found = Substream()
        substream_syntax.substream(Reader(writer.to_bytes()), codec, found, Bases().of(codec))
        assert found.parameter_sets == [nal_unit]


def coded_by_hand(base: int, prefix: int, suffix: int, middle: str) -> bytes:
    """A substream of one parameter set, with the given code."""
    writer = Writer()
    writer("num_parameter_sets", 1)
    writer("ps_base_idc", base)
    writer("ps_prefix_bits", prefix)
    writer("ps_suffix_bits", suffix)
    writer("ps_middle_bits", len(middle))
    writer("ps_middle", int(middle or "0", 2), bits=len(middle))
    writer.align(Part.PARAMETER_SETS)
    return writer.to_bytes()


def restored(data: bytes, bases: list[BitString]) -> list[bytes]:
    """The parameter sets of a VVC substream."""
    found = Substream()
    substream_syntax.substream(Reader(data), InnerCodecId.VVC, found, bases)
    return found.parameter_sets


PICTURE_PARAMETER_SET = "00000000" "10000001" "1100"  # fmt: skip


@pytest.mark.parametrize(
    ("base", "prefix", "suffix", "middle"),
    [
        (0, 0, 0, PICTURE_PARAMETER_SET),  # without the base that has it all
        (1, 19, 0, PICTURE_PARAMETER_SET[19:]),  # a shared bit is sent
        (1, 0, 20, ""),  # shared bits are behind instead of before
        (1, 10, 10, ""),
        (2, 20, 0, ""),  # the second of two equal bases
    ],
)
def test_a_code_that_is_not_the_shortest_is_refused(base: int, prefix: int, suffix: int, middle: str) -> None:
    """Each content has exactly one valid encoding."""
    bases = [bits(""), bits(PICTURE_PARAMETER_SET), bits(PICTURE_PARAMETER_SET)]
    expected = bytes([0x00, 0x81, 0b11001000])
    assert restored(coded_by_hand(1, 20, 0, ""), list(bases)) == [expected]
    with pytest.raises(BitstreamError, match="one valid way"):
        restored(coded_by_hand(base, prefix, suffix, middle), list(bases))


@pytest.mark.parametrize(
    ("base", "prefix", "suffix", "name"),
    [
        (2, 0, 0, "ps_base_idc"),
        (1, 21, 0, "ps_prefix_bits"),
        (1, 11, 10, "ps_suffix_bits"),
        (0, 1, 0, "ps_prefix_bits"),
    ],
)
def test_a_code_cannot_share_more_than_the_base_has(base: int, prefix: int, suffix: int, name: str) -> None:
    """Nor name a base that is not there."""
    with pytest.raises(BitstreamError, match=name):
        restored(coded_by_hand(base, prefix, suffix, ""), [bits(""), bits(PICTURE_PARAMETER_SET)])


@pytest.mark.parametrize("string", ["", "0", "0" * 15, "00000000000000011", "00000000101000011"])
def test_only_parameter_sets_are_coded_as_parameter_sets(string: str) -> None:
    """Shorter than a NAL unit header; a slice; an access unit delimiter."""
    with pytest.raises(BitstreamError, match=r"coded as a parameter set has another type|NAL unit header"):
        restored(coded_by_hand(0, 0, 0, string), [bits("")])


def test_a_parameter_set_cannot_grow_without_bound() -> None:
    """The range of table 6.1 holds beside the one that the base gives."""
    writer = Writer()
    with pytest.raises(BitstreamError, match=r"allowed: 0\.\.16384"):
        writer("ps_prefix_bits", 16385, high=1_000_000)
    with pytest.raises(CodecError, match="16384 fit"):
        to_bit_string(b"\x00\x79" + b"\x55" * 2048)
