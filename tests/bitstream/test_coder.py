"""Each descriptor, bit by bit, and what the reader refuses."""

from __future__ import annotations

import math
import struct
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vcm_ref.bitstream import coder
from vcm_ref.bitstream.coder import Reader, TracedElement, Writer
from vcm_ref.bitstream.elements import Element, Part
from vcm_ref.errors import BitstreamError

#: Table 9-2 of H.265: bit string and code number.
EXP_GOLOMB = ["1", "010", "011", "00100", "00101", "00110", "00111", "0001000", "0001001"]
#: Table 9-3 of H.265: the value of each code number.
SIGNED = [0, 1, -1, 2, -2, 3, -3, 4, -4]


@pytest.fixture(autouse=True)
def elements(monkeypatch: pytest.MonkeyPatch) -> None:
    """Elements of each descriptor without a range of their own."""
    made = {
        "u5": Element("u(5)"),
        "uv": Element("u(v)"),
        "ue": Element("ue(v)"),
        "se": Element("se(v)"),
        "leb": Element("leb(v)"),
        "f": Element("f(32)"),
        "b": Element("b(v)"),
        "small": Element("u(5)", 3, 17),
        "coded": Element("u(5)", part=Part.CODED_DATA),
        "alignment_zero_bit": Element("u(v)", 0, 0),
    }
    monkeypatch.setattr(coder, "ELEMENTS", made)


def bits_of(name: str, value: Any, bits: int | None = None) -> str:
    """What the writer makes of one element, as a string of bits."""
    writer = Writer()
    assert writer(name, value, bits=bits) == value
    length = writer.position
    writer.align(Part.HEADER)
    return "".join(f"{byte:08b}" for byte in writer.to_bytes())[:length]


def read(name: str, text: str, bits: int | None = None) -> Any:
    """What the reader makes of a string of bits, which it must use up."""
    padded = text + "1" * (-len(text) % 8)
    reader = Reader(int(padded or "0", 2).to_bytes(len(padded) // 8, "big"))
    value = reader(name, None, bits=bits)
    assert reader.position == len(text)
    return value


@pytest.mark.parametrize(("value", "text"), [(0, "00000"), (1, "00001"), (20, "10100"), (31, "11111")])
def test_unsigned_integers_have_their_most_significant_bit_first(value: int, text: str) -> None:
    """u(5)."""
    assert bits_of("u5", value) == text
    assert read("u5", text) == value


def test_a_u_of_no_bits_is_zero() -> None:
    """u(v) of length 0: the rank of a single channel."""
    assert bits_of("uv", 0, 0) == ""
    assert read("uv", "", 0) == 0


@pytest.mark.parametrize(("number", "text"), list(enumerate(EXP_GOLOMB)))
def test_exp_golomb_codes_are_those_of_the_video_standards(number: int, text: str) -> None:
    """ue(v) and se(v), after Tables 9-2 and 9-3 of H.265."""
    assert bits_of("ue", number) == text
    assert read("ue", text) == number
    assert bits_of("se", SIGNED[number]) == text
    assert read("se", text) == SIGNED[number]


def test_long_exp_golomb_codes() -> None:
    """A value v has bit_length(v + 1) - 1 zeros before the bits of v + 1."""
    assert bits_of("ue", 65535) == "0" * 16 + "1" + "0" * 16
    assert read("ue", "0" * 16 + "1" + "0" * 16) == 65535


@pytest.mark.parametrize("kind", ["ue", "se"])
def test_an_exp_golomb_code_of_33_zeros_is_refused(kind: str) -> None:
    """It could hold no value of this specification; 32 zeros are still read."""
    assert read(kind, "0" * 32 + "1" + "0" * 32) in (2**32 - 1, -(2**31), 2**31)
    with pytest.raises(BitstreamError, match="longer"):
        Reader(bytes(20))(kind, None)


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (0, "00"), (1, "01"), (127, "7f"), (128, "8001"), (300, "ac02"), (16383, "ff7f"), (16384, "808001"),
        (2**32 - 1, "ffffffff0f"),
    ],
)  # fmt: skip
def test_leb_has_seven_bits_a_byte_the_least_significant_first(value: int, expected: str) -> None:
    """leb(v) is LEB128, as in AV1 and WebAssembly."""
    data = bytes.fromhex(expected)
    assert bits_of("leb", value) == "".join(f"{byte:08b}" for byte in data)
    assert Reader(data)("leb", 0) == value


@pytest.mark.parametrize("data", ["8000", "808000", "ff8000", "80808080 00"])
def test_a_leb_longer_than_it_needs_to_be_is_refused(data: str) -> None:
    """Each content has exactly one valid encoding."""
    with pytest.raises(BitstreamError, match="longer than it needs"):
        Reader(bytes.fromhex(data))("leb", 0)


def test_a_leb_of_six_bytes_is_refused() -> None:
    """Five bytes are the longest."""
    with pytest.raises(BitstreamError, match="longer than 5 bytes"):
        Reader(b"\x80\x80\x80\x80\x80\x01")("leb", 0)


@pytest.mark.parametrize(("value", "text"), [(1.0, "3f800000"), (-2.5, "c0200000"), (0.0, "00000000")])
def test_floats_are_big_endian_binary32(value: float, text: str) -> None:
    """f(32)."""
    assert bits_of("f", value) == f"{int(text, 16):032b}"
    found = Reader(bytes.fromhex(text))("f", 0.0)
    assert found == value


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf, -0.0])
def test_floats_that_are_not_finite_or_minus_zero_are_refused(value: float) -> None:
    """A range has finite ends, and zero has one code."""
    with pytest.raises(BitstreamError, match="finite numbers, and no -0"):
        Writer()("f", value)
    with pytest.raises(BitstreamError, match="finite numbers, and no -0"):
        Reader(struct.pack(">f", value))("f", 0.0)


def test_bytes_need_not_stand_at_a_byte_boundary() -> None:
    """b(v) after five bits, and after eight."""
    writer = Writer()
    writer("u5", 0b10101)
    writer("b", b"\x0f\xf0", bits=16)
    writer.align(Part.HEADER)
    assert writer.to_bytes() == bytes([0b10101000, 0b01111111, 0b10000000])
    reader = Reader(writer.to_bytes())
    reader("u5", 0)
    assert reader("b", b"", bits=16) == b"\x0f\xf0"
    assert read("b", "0000111111110000", 16) == b"\x0f\xf0"


@pytest.mark.parametrize(
    ("name", "data", "bits"),
    [
        ("u5", b"", None), ("uv", b"\x01", 9), ("ue", b"\x00", None), ("ue", b"\x01", None), ("se", b"\x01", None),
        ("leb", b"\x80", None), ("f", b"\x3f\x80\x00", None), ("b", b"abc", 32),
    ],
)  # fmt: skip
def test_an_element_cut_short_names_its_place(name: str, data: bytes, bits: int | None) -> None:
    """Truncation gives the clause, and the bit at which the element begins."""
    reader = Reader(data, base_bit=800)
    with reader.in_clause("6.99"), pytest.raises(BitstreamError) as caught:
        reader(name, b"" if name == "b" else 0, bits=bits)
    assert caught.value.bit_offset == 800
    assert caught.value.clause == "6.99"
    assert "bit 800, clause 6.99" in str(caught.value)


def test_an_unaligned_element_cut_short_names_its_place() -> None:
    """The offset is that of the element's first bit, not of its last."""
    reader = Reader(b"\x00", base_bit=16)
    reader("u5", 0)
    with pytest.raises(BitstreamError) as caught:
        reader("b", b"", bits=8)
    assert caught.value.bit_offset == 21


@pytest.mark.parametrize("value", [2, 18])
def test_reader_and_writer_hold_an_element_to_its_range(value: int) -> None:
    """The range 3..17 is named."""
    with pytest.raises(BitstreamError, match=rf"small is {value}; allowed: 3\.\.17"):
        Writer()("small", value)
    with pytest.raises(BitstreamError, match=rf"small is {value}; allowed: 3\.\.17"):
        Reader(bytes([value << 3]))("small", 0)


@pytest.mark.parametrize(("value", "bits"), [(32, None), (-1, None), (8, 3), (1, 0)])
def test_a_value_that_does_not_fit_is_not_written(value: int, bits: int | None) -> None:
    """Nor is a part of it."""
    writer = Writer()
    with pytest.raises(BitstreamError, match="does not fit"):
        writer("u5" if bits is None else "uv", value, bits=bits)
    assert writer.position == 0


def test_alignment_is_of_zero_bits_and_counts_where_it_is_told() -> None:
    """byte_alignment() adds to the part of the rate that it belongs to."""
    writer = Writer()
    writer("coded", 1)
    writer.align(Part.CODED_DATA)
    assert writer.to_bytes() == b"\x08"
    assert {part: bits for part, bits in writer.part_bits.items() if bits} == {Part.CODED_DATA: 8}
    reader = Reader(b"\x0c")
    reader("coded", 0)
    with pytest.raises(BitstreamError, match="alignment_zero_bit"):
        reader.align(Part.HEADER)


def test_the_trace_names_each_element_in_order() -> None:
    """Offset from the start of the bitstream, clause, name, descriptor, value; from writer and reader alike."""
    expected = [TracedElement(40, "6.1", "ue", "ue(v)", 2), TracedElement(43, "6.1", "u5", "u(5)", 9)]
    traced: list[TracedElement] = []
    writer = Writer(base_bit=40, trace=traced.append)
    with writer.in_clause("6.1"):
        writer("ue", 2)
        writer("u5", 9)
    assert traced == expected
    traced.clear()
    reader = Reader(writer.to_bytes(), base_bit=40, trace=traced.append)
    with reader.in_clause("6.1"):
        reader("ue", 0)
        reader("u5", 0)
    assert traced == expected


@given(st.lists(st.tuples(st.sampled_from(["ue", "se", "leb", "f", "u5"]), st.integers(0, 31)), max_size=20))
def test_what_is_written_is_read(values: list[tuple[str, int]]) -> None:
    """Any sequence of elements."""
    writer = Writer()
    for name, value in values:
        writer(name, float(value) if name == "f" else value)
    writer.align(Part.HEADER)
    reader = Reader(writer.to_bytes())
    assert [reader(name, 0) for name, _ in values] == [value for _, value in values]
    assert reader.position <= writer.position
