"""The rules of inner streams: which NAL units decide samples, and what they may say (clauses 8.3 and 8.4)."""

from __future__ import annotations

import pytest

from vcm_ref.bitstream.inner_stream import check_inner_stream, kept_nal_units
from vcm_ref.bitstream.values import InnerCodecId
from vcm_ref.errors import BitstreamError

from .inner_streams import HEVC, SEQUENCE_PARAMETERS, VVC, hevc_set, nal_unit, vvc_set

OTHER_LAYERS = {HEVC: [(1, 1), (33, 63)], VVC: [(0, 1), (15, 63)]}  # nal_unit_type, nuh_layer_id
IGNORED = {
    HEVC: [(kind, 0) for kind in (10, 15, 22, 31, 35, 38, 39, 40, 41, 48, 63)] + OTHER_LAYERS[HEVC],
    VVC: [(kind, 0) for kind in (4, 6, 11, 12, 13, 20, 23, 24, 25, 26, 31)] + OTHER_LAYERS[VVC],
}
KEPT = {HEVC: [0, 9, 16, 21, 32, 34, 36, 37], VVC: [0, 3, 7, 10, 14, 16, 17, 18, 19, 21, 22]}


@pytest.mark.parametrize("codec", [HEVC, VVC])
def test_nal_units_that_decide_samples(codec: InnerCodecId) -> None:
    kept = [SEQUENCE_PARAMETERS[codec], *(nal_unit(codec, kind) for kind in KEPT[codec])]
    ignored = [b"", b"\x02", *(nal_unit(codec, *header) for header in IGNORED[codec])]
    mixed = ignored + [one for pair in zip(kept, ignored * 2, strict=False) for one in pair]
    assert list(kept_nal_units(codec, mixed)) == kept


@pytest.mark.parametrize(
    ("codec", "pictures", "other"),
    [
        (HEVC, [(1, b"\x80\x80"), (19, b"\x80\x80")], [(1, b"\x7f\x80"), (19, b"\x7f\x80"), (39, b"\x80"), (1, b"")]),
        # a picture header of its own, or the first bit of a slice
        (VVC, [(19, b"\x7f\x80"), (8, b"\x80\x80")], [(0, b"\x7f\x80"), (8, b"\x7f\x80"), (23, b"\x80"), (0, b"")]),
    ],
)
def test_pictures_are_counted(
    codec: InnerCodecId, pictures: list[tuple[int, bytes]], other: list[tuple[int, bytes]]
) -> None:
    units = [nal_unit(codec, kind, 0, payload) for begin in pictures for kind, payload in (begin, *other)]
    check_inner_stream(codec, [SEQUENCE_PARAMETERS[codec], *units], 2, 800, 1088)
    with pytest.raises(BitstreamError, match="has 2 pictures, where 3 were expected"):
        check_inner_stream(codec, [SEQUENCE_PARAMETERS[codec], *units], 3, 800, 1088)


@pytest.mark.parametrize("codec", [HEVC, VVC])
def test_rules(codec: InnerCodecId) -> None:
    make = hevc_set if codec == HEVC else vvc_set
    slice_unit = nal_unit(codec, 1, 0, b"\x80\x80")

    def check(*nal_units: bytes, count: int = 1, size: tuple[int, int] = (64, 96)) -> None:
        check_inner_stream(codec, nal_units, count, *size)

    check(make(), slice_unit)
    check(make(), make(), slice_unit, slice_unit, make(), count=2)
    for chroma in range(4):
        check(make(chroma=chroma), slice_unit)
    for size in ((64, 96), (33, 96), (64, 33), (1, 33)):
        check(make(), slice_unit, size=size)
    for size in ((65, 96), (64, 97), (0, 96), (64, 32)):
        words = rf"has pictures of 96x64 before cropping, where {size[1]}x{size[0]} and less than 64 more"
        with pytest.raises(BitstreamError, match=words) as caught:
            check(make(), slice_unit, size=size)
        assert caught.value.clause == "8.3"
    for count in (0, 2):
        with pytest.raises(BitstreamError, match=f"has 1 pictures, where {count} were expected"):
            check(make(), slice_unit, count=count)
    with pytest.raises(BitstreamError, match="two different sequence parameter sets"):
        check(make(), slice_unit, make((64, 104)))
    with pytest.raises(BitstreamError, match="has no sequence parameter set"):
        check(slice_unit)
    profiles = {HEVC: {1, 2, 3, 4}, VVC: {1, 33, 65, 97}}[codec]
    for profile in range(32 if codec == HEVC else 128):
        if profile in profiles:
            check(make(profile=profile), slice_unit)
        else:
            with pytest.raises(BitstreamError, match=f"has the profile {profile}; allowed are {min(profiles)}, "):
                check(make(profile=profile), slice_unit)


def test_depths() -> None:
    slice_unit = nal_unit(HEVC, 1, 0, b"\x80\x80")
    for changed, words in [
        ({"luma": 8, "colour": 8}, "8 bits"),
        ({"colour": 8}, "8 and 10 bits"),
        ({"luma": 12}, "10 and 12 bits"),
        ({"chroma": 3, "separate": 1}, "10 bits in separate planes"),
    ]:
        with pytest.raises(BitstreamError, match=f"has samples of {words}; 10 bits are right"):
            check_inner_stream(HEVC, [hevc_set(**changed), slice_unit], 1, 64, 96)
    with pytest.raises(BitstreamError, match="has samples of 8 bits; 10 bits are right"):
        check_inner_stream(VVC, [vvc_set(depth=8), nal_unit(VVC, 0, 0, b"\x80")], 1, 64, 96)
