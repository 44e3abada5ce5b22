"""Sequence parameter sets: those of encoders, those written down from the tables of H.265 and H.266, damaged ones."""

from __future__ import annotations

import pytest

from vcm_ref.bitstream.sequence_parameters import SequenceParameters, read_sequence_parameters
from vcm_ref.bitstream.values import InnerCodecId
from vcm_ref.errors import BitstreamError

from .inner_streams import HEVC, SEQUENCE_PARAMETERS, VVC, hevc_set, ue, vvc_set

TEN = frozenset({10})


@pytest.mark.parametrize("codec", [HEVC, VVC])
def test_sets_that_encoders_write(codec: InnerCodecId) -> None:
    """Those of Annex A are for pictures of 1088x800."""
    found = read_sequence_parameters(codec, SEQUENCE_PARAMETERS[codec])
    assert (found.width, found.height, found.bit_depths) == (1088, 800, TEN)
    assert (found.profile, found.chroma_format) == ((4, 0) if codec == HEVC else (1, 1))


def test_a_set_of_hevc() -> None:
    assert read_sequence_parameters(HEVC, hevc_set()) == SequenceParameters(2, 64, 96, 1, TEN, False)
    some = "0111" + "0" * 12 + "0" * 8 + "0" * 96  # the first sublayer has a level, the second profile and level
    assert read_sequence_parameters(HEVC, hevc_set(sublayers=some)) == SequenceParameters(2, 64, 96, 1, TEN, False)
    found = read_sequence_parameters(HEVC, hevc_set(chroma=3, separate=1, luma=8, colour=9, profile=4))
    assert found == SequenceParameters(4, 64, 96, 3, frozenset({8, 9}), True)
    assert read_sequence_parameters(HEVC, hevc_set(chroma=0, luma=10, colour=8)).bit_depths == TEN


def test_a_set_of_vvc() -> None:
    assert read_sequence_parameters(VVC, vvc_set()) == SequenceParameters(1, 64, 96, 1, TEN, False)
    general = "1" + "01" * 35 + "0" + "00000011" + "101"
    assert read_sequence_parameters(VVC, vvc_set(constraints=general, profile=33)).profile == 33
    # 3 x 2 CTUs: a column number has two bits, a row number one
    two = "1" + ue(1) + "0" + "0" + "00" + "1" + "11" + "10" + "1" + "01"
    same = "1" + ue(2) + "1" + "1" + "00" + "1"
    for subpictures in ("1" + ue(0), two, same):
        found = read_sequence_parameters(VVC, vvc_set(subpictures=subpictures, depth=9))
        assert found == SequenceParameters(1, 64, 96, 1, frozenset({9}), False)


def test_subpictures_are_bounded() -> None:
    """At most 600, whose places and flags stand before the bit depth."""
    assert read_sequence_parameters(VVC, vvc_set((32, 32), subpictures="1" + ue(599) + "11")).bit_depths == TEN
    flags = "11"  # and of 128 x 64 CTUs 13 bits for a place, 13 for a size
    most = "1" + ue(599) + "00" + "1" * 13 + flags + ("1" * 26 + flags) * 598 + "1" * 13 + flags
    assert read_sequence_parameters(VVC, vvc_set((2048, 4096), subpictures=most)).bit_depths == TEN
    with pytest.raises(BitstreamError, match="with 601 subpictures, where 600 are allowed"):
        read_sequence_parameters(VVC, vvc_set(subpictures="1" + ue(600) + "11"))


@pytest.mark.parametrize("codec", [HEVC, VVC])
def test_a_set_that_ends_too_early(codec: InnerCodecId) -> None:
    whole = hevc_set() if codec == HEVC else vvc_set()
    for damaged in [whole[:size] for size in range(2, len(whole) - 2)] + [whole[:2] + bytes(4000)]:
        with pytest.raises(BitstreamError, match=r"ends too early|too long a code|without a profile") as caught:
            read_sequence_parameters(codec, damaged)
        assert caught.value.clause == "8.3"
