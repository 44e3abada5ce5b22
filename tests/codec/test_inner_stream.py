"""Inner streams before a decoder gets them: which NAL units stay, what their headers say, which rules they keep."""

from __future__ import annotations

import tracemalloc

import pytest

from vcm_ref.bitstream.values import InnerCodecId
from vcm_ref.codec.inner_stream import checked_inner_stream, read_inner_stream
from vcm_ref.codec.sequence_parameters import SequenceParameters, read_sequence_parameters
from vcm_ref.errors import CodecError

from .streams import HEVC, SEQUENCE_PARAMETERS, START, VVC, acceptable_stream, hevc_set, ue, vvc_set

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
    with pytest.raises(CodecError, match="more subpictures than CTUs"):
        read_sequence_parameters(VVC, vvc_set(subpictures="1" + ue(6)))


@pytest.mark.parametrize("codec", [HEVC, VVC])
def test_a_set_that_ends_too_early(codec: InnerCodecId) -> None:
    whole = hevc_set() if codec == HEVC else vvc_set()
    for size in range(2, len(whole) - 2):
        with pytest.raises(CodecError, match=r"ends too early|too long a code|without a profile"):
            read_sequence_parameters(codec, whole[:size])
    with pytest.raises(CodecError, match=r"ends too early|too long a code|without a profile"):
        read_sequence_parameters(codec, whole[:2] + bytes(4000))


OTHER_LAYERS = {HEVC: [(1, 1), (33, 63)], VVC: [(0, 1), (15, 63)]}  # nal_unit_type, nuh_layer_id
IGNORED = {
    HEVC: [(kind, 0) for kind in (10, 15, 22, 31, 35, 38, 39, 40, 41, 48, 63)] + OTHER_LAYERS[HEVC],
    VVC: [(kind, 0) for kind in (4, 6, 11, 12, 13, 20, 23, 24, 25, 26, 31)] + OTHER_LAYERS[VVC],
}
KEPT = {HEVC: [0, 9, 16, 21, 32, 34, 36, 37], VVC: [0, 3, 7, 10, 14, 16, 17, 18, 19, 21, 22]}


def unit(codec: InnerCodecId, kind: int, layer: int = 0, payload: bytes = b"\x55\x80") -> bytes:
    header = [kind << 1 | layer >> 5, (layer & 31) << 3 | 1] if codec == HEVC else [layer, kind << 3 | 1]
    return bytes(header) + payload


@pytest.mark.parametrize("codec", [HEVC, VVC])
def test_nal_units_that_change_no_sample_go(codec: InnerCodecId) -> None:
    kept = [SEQUENCE_PARAMETERS[codec], *(unit(codec, kind) for kind in KEPT[codec])]
    mixed = [unit(codec, *header) for header in IGNORED[codec]]
    mixed += [one for pair in zip(kept, [unit(codec, *IGNORED[codec][0])] * len(kept), strict=True) for one in pair]
    for start in (START, START[1:], b"\0\0" + START):
        stream = start.join([b"", *mixed]) + b"\0\0"
        assert bytes(read_inner_stream(codec, stream).data) == START.join([b"", *kept])
    assert bytes(read_inner_stream(codec, START.join([b"junk", *kept, b"", b"\x02"])).data) == START.join([b"", *kept])


def test_pictures_are_counted() -> None:
    first, other = b"\x80\x80", b"\x7f\x80"
    hevc = [
        SEQUENCE_PARAMETERS[HEVC],
        *(unit(HEVC, kind, 0, bits) for kind in (1, 19) for bits in (first, other, other)),
    ]
    assert read_inner_stream(HEVC, START.join([b"", *hevc])).pictures == 2
    vvc = [SEQUENCE_PARAMETERS[VVC], unit(VVC, 19, 0, other), unit(VVC, 0, 0, other), unit(VVC, 0, 0, other)]
    vvc += [unit(VVC, 8, 0, first), unit(VVC, 0, 0, b"")]
    assert read_inner_stream(VVC, START.join([b"", *vvc])).pictures == 2


@pytest.mark.parametrize("codec", [HEVC, VVC])
def test_rules(codec: InnerCodecId) -> None:
    make = hevc_set if codec == HEVC else vvc_set
    slice_unit = unit(codec, 1, 0, b"\x80\x80")

    def check(first: bytes, *others: bytes, count: int = 1, size: tuple[int, int] = (64, 96)) -> None:
        checked_inner_stream(codec, START.join([b"", first, *others]), count, *size)

    check(make(), slice_unit)
    check(make(), make(), slice_unit, slice_unit, make(), count=2)
    for size in ((64, 96), (33, 96), (64, 33), (1, 33)):
        check(make(), slice_unit, size=size)
    for size in ((65, 96), (64, 97), (0, 96), (64, 32)):
        with pytest.raises(
            CodecError, match=rf"has pictures of 96x64 before cropping, where {size[1]}x{size[0]} and less"
        ):
            check(make(), slice_unit, size=size)
    for count in (0, 2):
        with pytest.raises(CodecError, match=f"has 1 pictures, where {count} were expected"):
            check(make(), slice_unit, count=count)
    with pytest.raises(CodecError, match="two different sequence parameter sets"):
        check(make(), slice_unit, make((64, 104)))
    with pytest.raises(CodecError, match="has no sequence parameter set"):
        check(slice_unit)
    profiles = {HEVC: {1, 2, 3, 4}, VVC: {1, 33, 65, 97}}[codec]
    for profile in range(32 if codec == HEVC else 128):
        if profile in profiles:
            check(make(profile=profile), slice_unit)
        else:
            with pytest.raises(CodecError, match=f"has the profile {profile}; allowed are {min(profiles)}, "):
                check(make(profile=profile), slice_unit)


def test_depths() -> None:
    slice_unit = unit(HEVC, 1, 0, b"\x80\x80")
    for changed, words in [
        ({"luma": 8, "colour": 8}, "8 bits"),
        ({"colour": 8}, "8 and 10 bits"),
        ({"luma": 12}, "10 and 12 bits"),
        ({"chroma": 3, "separate": 1}, "10 bits in separate planes"),
    ]:
        with pytest.raises(CodecError, match=f"has samples of {words}; 10 bits are right"):
            checked_inner_stream(HEVC, START.join([b"", hevc_set(**changed), slice_unit]), 1, 64, 96)
    with pytest.raises(CodecError, match="has samples of 8 bits; 10 bits are right"):
        checked_inner_stream(VVC, START.join([b"", vvc_set(depth=8), unit(VVC, 0, 0, b"\x80")]), 1, 64, 96)


@pytest.mark.parametrize("codec", [HEVC, VVC])
def test_memory_is_that_of_the_stream(codec: InnerCodecId) -> None:
    """However small the NAL units are, and whether they go or stay."""
    kinds = [38, 36] if codec == HEVC else [25, 21]
    stream = START.join([b"", SEQUENCE_PARAMETERS[codec], *[unit(codec, kind, 0, b"") for kind in kinds] * 20000])
    tracemalloc.start()
    try:
        read_inner_stream(codec, stream)
        assert tracemalloc.get_traced_memory()[1] < 2 * len(stream)
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize("codec", [HEVC, VVC])
def test_streams_of_other_tests_are_acceptable(codec: InnerCodecId) -> None:
    checked_inner_stream(codec, acceptable_stream(codec, 3, 32, 40), 3, 32, 40)
