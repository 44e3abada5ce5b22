"""What is taken from an inner stream, and what the inner decoder is given."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vcm_ref.bitstream.headers import Substream
from vcm_ref.bitstream.substreams import to_inner_stream, to_substream
from vcm_ref.bitstream.values import InnerCodecId
from vcm_ref.errors import CodecError

from .samples import substreams

VVC, HEVC = InnerCodecId.VVC, InnerCodecId.HEVC
# nal_unit_type is in bits 3..7 of VVC's second byte, in bits 1..6 of HEVC's first.
AUD = {VVC: bytes([0, 20 << 3 | 1, 0x28]), HEVC: bytes([35 << 1, 1, 0x50])}
VPS = {VVC: bytes([0, 14 << 3 | 1]), HEVC: bytes([32 << 1, 1])}
SPS = {VVC: bytes([0, 15 << 3 | 1]), HEVC: bytes([33 << 1, 1])}
PPS = {VVC: bytes([0, 16 << 3 | 1]), HEVC: bytes([34 << 1, 1])}
SLICE = {VVC: bytes([0, 0 << 3 | 1]), HEVC: bytes([1 << 1, 1])}
SEI = {VVC: bytes([0, 23 << 3 | 1]), HEVC: bytes([39 << 1, 1])}
CODECS = [HEVC, VVC]


def byte_stream(*nal_units: bytes) -> bytes:
    """Annex B, with start codes of four and three bytes in turn."""
    return b"".join((b"\x00" * (3 - index % 2) + b"\x01") + unit for index, unit in enumerate(nal_units))


@pytest.mark.parametrize("codec", CODECS)
def test_leading_parameter_sets_are_set_apart_and_delimiters_go(codec: InnerCodecId) -> None:
    """Access unit delimiters anywhere; what follows the first other NAL unit stays in its order."""
    vps, sps, pps = VPS[codec] + b"v", SPS[codec] + b"s", PPS[codec] + b"p"
    one, two, sei = SLICE[codec] + b"1", SLICE[codec] + b"2", SEI[codec] + b"e"
    stream = byte_stream(AUD[codec], vps, sps, AUD[codec], pps, sei, one, AUD[codec], two)
    assert to_substream(codec, stream) == Substream([vps, sps, pps], [sei, one, two])


@pytest.mark.parametrize("codec", CODECS)
def test_a_repetition_goes_while_nothing_has_replaced_it(codec: InnerCodecId) -> None:
    """Parameter sets before each intra picture, as encoders write them."""
    sps, pps, one, two = SPS[codec] + b"s", PPS[codec] + b"p", SLICE[codec] + b"1", SLICE[codec] + b"2"
    stream = byte_stream(sps, pps, one, sps, pps, two, pps, one)
    assert to_substream(codec, stream) == Substream([sps, pps], [one, two, one])


@pytest.mark.parametrize("codec", CODECS)
def test_a_set_that_changes_is_kept_and_so_is_what_comes_after(codec: InnerCodecId) -> None:
    """A changed SPS may take the place of the first, and invalidate the PPS: both must be there again."""
    sps, other, pps, one = SPS[codec] + b"s", SPS[codec] + b"t", PPS[codec] + b"p", SLICE[codec] + b"1"
    stream = byte_stream(sps, pps, one, other, pps, one, sps, pps, one)
    assert to_substream(codec, stream) == Substream([sps, pps], [one, other, pps, one, sps, pps, one])


@pytest.mark.parametrize("codec", CODECS)
def test_of_two_leading_sets_of_a_type_a_repetition_is_kept(codec: InnerCodecId) -> None:
    """The second may have replaced the first, so that the first again is a change."""
    first, second, one = SPS[codec] + b"s", SPS[codec] + b"t", SLICE[codec] + b"1"
    stream = byte_stream(first, second, one, first, one)
    assert to_substream(codec, stream) == Substream([first, second], [one, first, one])


def test_types_are_read_where_each_codec_has_them() -> None:
    """The same two bytes are a slice for one and a parameter set for the other."""
    unit = bytes([32 << 1, 1]) + b"x"  # VVC: type 0, a slice
    assert to_substream(VVC, byte_stream(unit)) == Substream([], [unit])
    assert to_substream(HEVC, byte_stream(unit, SLICE[HEVC] + b"1")).parameter_sets == [unit]


@pytest.mark.parametrize("codec", CODECS)
@pytest.mark.parametrize("kind", ["empty", "delimiter", "sets", "short", "no start code"])
def test_a_stream_without_pictures_is_the_codecs_failure(codec: InnerCodecId, kind: str) -> None:
    """It is no internal error, whatever the executable returned."""
    stream = {
        "empty": b"",
        "delimiter": byte_stream(AUD[codec]),
        "sets": byte_stream(SPS[codec] + b"s"),
        "short": byte_stream(SPS[codec] + b"s", b"\x02"),
        "no start code": b"abcdef",
    }[kind]
    with pytest.raises(CodecError):
        to_substream(codec, stream)


@given(st.data(), st.sampled_from(CODECS))
def test_what_is_stored_is_what_the_decoder_is_given(data: st.DataObject, codec: InnerCodecId) -> None:
    """A stream without delimiters and repetitions comes back, with four-byte start codes."""
    stored = data.draw(substreams(codec).filter(lambda substream: bool(substream.nal_units)))
    inner = to_inner_stream(codec, stored)
    assert inner == b"".join(b"\x00\x00\x00\x01" + unit for unit in [*stored.parameter_sets, *stored.nal_units])
    assert to_substream(codec, inner) == stored


@given(st.binary())
def test_lossless_data_is_stored_as_it_is(data: bytes) -> None:
    """It has no NAL units."""
    assert to_substream(InnerCodecId.LOSSLESS, data) == Substream(lossless_data=data)
    assert to_inner_stream(InnerCodecId.LOSSLESS, to_substream(InnerCodecId.LOSSLESS, data)) == data
