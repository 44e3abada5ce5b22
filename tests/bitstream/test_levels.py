"""Profiles and levels: each constraint at its edge."""

from __future__ import annotations

import pytest

from vcm_ref.bitstream.levels import (
    Level,
    check_level,
    check_profile,
    level_for,
    levels,
    needs_of,
    profile_for,
    profiles,
)
from vcm_ref.bitstream.syntax import LayerHeader, LayerPicture, PictureHeader, StreamHeader
from vcm_ref.bitstream.values import Arrangement, Grid, InnerCodecId
from vcm_ref.errors import BitstreamError, LimitError

CONSTRAINTS = (
    "max_layers",
    "max_channels",
    "max_side",
    "max_frames",
    "max_frame_samples",
    "max_picture_samples",
)
#: The level table of docs/bitstream.md, clause 9.
TABLE = {
    1: (4, 256, 8192, 256, 2**23, 2**23),
    2: (8, 1024, 16384, 1024, 2**25, 2**25),
    3: (16, 2048, 32768, 2048, 2**27, 2**27),
    4: (64, 8192, 65536, 8192, 2**29, 2**29),
}


def needs(**values: int) -> Level:
    """What a picture needs: the given values, and 1 of everything else."""
    return Level(0, *(values.get(name, 1) for name in CONSTRAINTS))


def test_the_level_table_is_that_of_the_specification() -> None:
    """In rising order, and numbered as check_level looks them up."""
    assert {level.level_idc: tuple(getattr(level, name) for name in CONSTRAINTS) for level in levels()} == TABLE
    assert [level.level_idc for level in levels()] == [1, 2, 3, 4]


@pytest.mark.parametrize("idc", TABLE)
@pytest.mark.parametrize("place", range(len(CONSTRAINTS)))
def test_each_constraint_holds_up_to_its_edge_and_not_one_more(idc: int, place: int) -> None:
    """A picture that needs exactly what a level allows has that level; with one more it has the next."""
    name, edge = CONSTRAINTS[place], TABLE[idc][place]
    assert level_for(needs(**{name: edge})) == idc
    if idc < 4:
        assert level_for(needs(**{name: edge + 1})) == idc + 1
    else:
        with pytest.raises(LimitError, match=rf"{name} {edge + 1}; the highest level allows {edge}"):
            level_for(needs(**{name: edge + 1}))


def test_what_exceeds_a_level_is_named() -> None:
    """Every constraint, in the table's order."""
    exceeded = levels()[0].exceeded_by(needs(max_layers=5, max_frames=300))
    assert list(exceeded) == [("max_layers", 5, 4), ("max_frames", 300, 256)]


def test_needs_of_frames() -> None:
    """Worked by hand: 256 maps of 5x7 in 4x4, 64 maps of 3x4 in 8x8; VVC codes at least 32x32, and even sizes."""
    stream = StreamHeader(
        inner_codec=InnerCodecId.VVC, layers=[LayerHeader("a", 256, Grid(4, 4)), LayerHeader("b", 64, Grid(8, 8))]
    )
    picture = PictureHeader(1, 1, [], [LayerPicture(5, 7), LayerPicture(3, 5)])
    # a: 16 frames of 20x28, coded 32x32; b: 1 frame of 24x40, coded 32x40
    assert needs_of(stream, picture) == Level(0, 2, 256, 40, 16, 1280, 16 * 1024 + 1280)


def test_needs_of_tiled() -> None:
    """All layers in one frame: 4 * 5 + 1 * 3 rows, 4 * 7 columns."""
    stream = StreamHeader(
        arrangement=Arrangement.TILED, layers=[LayerHeader("a", 16, Grid(4, 4)), LayerHeader("b", 3, Grid(3, 1))]
    )
    picture = PictureHeader(1, 1, [], [LayerPicture(5, 7), LayerPicture(3, 5)])
    assert needs_of(stream, picture) == Level(0, 2, 16, 28, 1, 23 * 28, 23 * 28)


def test_check_level_names_constraint_and_values() -> None:
    """A bitstream that declares too low a level is not conformant."""
    stream = StreamHeader(level=1, layers=[LayerHeader(f"p{index}", 1) for index in range(5)])
    picture = PictureHeader(1, 1, [], [LayerPicture(1, 1)] * 5)
    with pytest.raises(BitstreamError, match="level 1 allows max_layers 4; the picture has 5"):
        check_level(stream, picture)
    stream.level = 2
    check_level(stream, picture)


def test_profiles_have_the_codecs_of_the_specification() -> None:
    """Core has the lossless one, the others add a video codec."""
    lossless, hevc, vvc = InnerCodecId.LOSSLESS, InnerCodecId.HEVC, InnerCodecId.VVC
    assert profiles() == {0: ("Core", {lossless}), 1: ("HEVC", {lossless, hevc}), 2: ("VVC", {lossless, vvc})}
    assert [profile_for(codec) for codec in (lossless, hevc, vvc)] == [0, 1, 2]


@pytest.mark.parametrize("profile", [0, 1, 2])
@pytest.mark.parametrize("codec", list(InnerCodecId))
def test_a_profile_without_the_inner_codec_is_refused(profile: int, codec: InnerCodecId) -> None:
    """Every pair: the lossless codec is in all profiles, a video codec in its own."""
    stream = StreamHeader(profile=profile, inner_codec=codec)
    if codec == InnerCodecId.LOSSLESS or profile == int(codec):
        check_profile(stream)
    else:
        with pytest.raises(BitstreamError, match=f"does not have the inner codec {codec.name}"):
            check_profile(stream)
