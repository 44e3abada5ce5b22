"""The range coder against plain arithmetic on whole numbers, and its end."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vcm_ref.codec.coefficients.range_coder import RangeDecoder, RangeEncoder
from vcm_ref.errors import CodecError

#: Of 65536 the probability of 0, and the bit; or a number of bits, and the number.
Decision = tuple[str, int, int]


@st.composite
def decisions(draw: st.DrawFn) -> list[Decision]:
    probability = st.one_of(st.integers(1, 65535), st.sampled_from([1, 16, 32768, 65520, 65535]))
    bit = st.tuples(st.just("bit"), probability, st.integers(0, 1))
    number = st.integers(0, 16).flatmap(lambda n: st.tuples(st.just("bits"), st.just(n), st.integers(0, 2**n - 1)))
    return draw(st.lists(st.one_of(bit, number), max_size=300))


def encoded(coded: list[Decision]) -> bytes:
    coder = RangeEncoder()
    for kind, parameter, value in coded:
        assert getattr(coder, kind)(parameter, value) == value
    return coder.finish()


def interval(coded: list[Decision]) -> tuple[int, int, int]:
    """Beginning and size of the same interval in whole numbers of any length, without carries, and bytes shifted out.

    docs/bitstream.md, 8.10.4, from the encoder's side.
    """
    low, size, shifted = 0, 1 << 32, 0
    for kind, parameter, value in coded:
        if kind == "bit":
            zero = (size >> 16) * parameter
            low, size = (low + zero, size - zero) if value else (low, zero)
        else:
            size >>= parameter
            low += size * value
        while size < 1 << 24:
            low, size, shifted = low << 8, size << 8, shifted + 1
    return low, size, shifted


def by_whole_numbers(coded: list[Decision]) -> bytes:
    """The shortest beginning of a number in the interval that has one byte more than were shifted out; the least."""
    low, _, shifted = interval(coded)
    return (-(-low >> 24)).to_bytes(shifted + 1, "big")


@given(decisions())
def test_streams_are_those_of_whole_numbers(coded: list[Decision]) -> None:
    assert encoded(coded) == by_whole_numbers(coded)


@given(decisions())
def test_what_is_written_is_read(coded: list[Decision]) -> None:
    decoder = RangeDecoder(encoded(coded))
    for kind, parameter, value in coded:
        assert getattr(decoder, kind)(parameter) == value
    decoder.finish()


def test_a_carry_runs_through_bytes_of_ones() -> None:
    """Many decisions at the upper end, then one that goes over it."""
    coded: list[Decision] = [("bit", 65535, 1)] * 3 + [("bits", 16, 65535)] * 20 + [("bit", 1, 1)] * 40
    assert encoded(coded) == by_whole_numbers(coded)


@given(decisions(), st.binary(min_size=1, max_size=3))
def test_bytes_after_the_end_are_refused(coded: list[Decision], more: bytes) -> None:
    with pytest.raises(CodecError, match="end"):
        read(encoded(coded) + more, coded)


def test_a_number_outside_the_range_is_refused() -> None:
    """A range of 0x4fff100 leaves 0xf100 at its upper end, where no number of 16 bits lies."""
    coded: list[Decision] = [("bit", 1, 0), ("bit", 3, 1), ("bit", 5, 0)]
    low, size, shifted = interval(coded)
    assert size == 0x4FFF100
    decoder = RangeDecoder((low + size - 1).to_bytes(shifted + 4, "big"))
    assert [decoder.bit(p) for _, p, _ in coded] == [0, 1, 0]
    with pytest.raises(CodecError, match="outside"):
        decoder.bits(16)


def read(stream: bytes, coded: list[Decision]) -> None:
    decoder = RangeDecoder(stream)
    for kind, parameter, _ in coded:
        getattr(decoder, kind)(parameter)
    decoder.finish()
