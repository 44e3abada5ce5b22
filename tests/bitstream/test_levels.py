"""Profiles and levels: each constraint at its edge."""

from __future__ import annotations

import pytest

from vcm_ref.bitstream.headers import GroupHeader, Model, PictureHeader, StreamHeader, TensorFormat, TensorHeader
from vcm_ref.bitstream.levels import (
    Level,
    check_level,
    check_profile,
    level_for,
    levels,
    needs_of,
    profile_for,
    profiles,
    together,
)
from vcm_ref.bitstream.values import Grid, InnerCodecId, Layer, Packing
from vcm_ref.errors import BitstreamError, LimitError

CONSTRAINTS = (
    "max_layers",
    "max_channels",
    "max_side",
    "max_frames",
    "max_frame_samples",
    "max_group_samples",
    "max_pictures",
    "max_total_samples",
    "max_model_bytes",
    "max_graph_operations",
    "max_graph_products",
    "max_graph_samples",
)
#: The level table of docs/bitstream.md, clause 9.
TABLE = {
    1: (4, 256, 8192, 1024, 2**23, 2**24, 2**16, 2**34, 2**20, 64, 2**32, 2**26),
    2: (8, 1024, 16384, 4096, 2**25, 2**26, 2**18, 2**36, 2**22, 128, 2**35, 2**28),
    3: (16, 2048, 32768, 16384, 2**27, 2**28, 2**20, 2**38, 2**24, 256, 2**38, 2**30),
    4: (64, 8192, 65536, 65536, 2**29, 2**30, 2**24, 2**40, 2**28, 4096, 2**42, 2**32),
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
    exceeded = levels()[0].exceeded_by(needs(max_layers=5, max_frames=1100))
    assert list(exceeded) == [("max_layers", 5, 4), ("max_frames", 1100, 1024)]


PICTURES = [PictureHeader()] * 2


def test_needs_of_frames() -> None:
    """Worked by hand: 256 maps of 5x7 in 4x4, 64 maps of 3x5 in 8x8; VVC codes at least 32x32, and even sizes."""
    form = TensorFormat(inner_codec=InnerCodecId.VVC)
    stream = StreamHeader(
        layers=[Layer("a", 256), Layer("b", 64)],
        tensors=[TensorHeader(form, Grid(4, 4)), TensorHeader(form, Grid(8, 8))],
    )
    group = GroupHeader(1, 1, [(5, 7), (3, 5)], PICTURES)
    # a: 16 frames of 20x28, coded 32x32; b: 1 frame of 24x40, coded 32x40; of each of two pictures
    samples = 2 * (16 * 1024 + 1280)
    models = [Model(data=b"123"), Model(1, data=b"4567")]
    assert needs_of(stream, group, models) == Level(0, 2, 256, 40, 32, 1280, samples, 2, samples, 7)


def test_needs_of_stacked() -> None:
    """All tensors in one frame: 4 * 5 + 1 * 3 rows, 4 * 7 columns."""
    form = TensorFormat(packing=Packing.STACKED)
    stream = StreamHeader(
        layers=[Layer("a", 16), Layer("b", 3)],
        tensors=[TensorHeader(form, Grid(4, 4)), TensorHeader(form, Grid(3, 1))],
    )
    group = GroupHeader(1, 1, [(5, 7), (3, 5)], PICTURES[:1])
    assert needs_of(stream, group) == Level(0, 2, 16, 28, 1, 23 * 28, 23 * 28, 1, 23 * 28)


def test_parts_need_together_the_sum_of_pictures_and_samples() -> None:
    """And the larger of all else."""
    first = Level(0, 2, 30, 4, 50, 6, 70, 1, 100, 3)
    second = Level(0, 1, 40, 3, 60, 5, 80, 2, 200, 4)
    assert together(first, second) == Level(0, 2, 40, 4, 60, 6, 80, 3, 300, 4)


def test_check_level_names_constraint_and_values() -> None:
    """A bitstream that declares too low a level is not conformant; the values are data, too."""
    with pytest.raises(BitstreamError, match="level 1 allows max_layers 4; the bitstream needs 5") as caught:
        check_level(1, needs(max_layers=5))
    assert (caught.value.element, caught.value.value, caught.value.allowed) == ("max_layers", 5, "4")
    check_level(2, needs(max_layers=5))


def test_profiles_have_the_codecs_of_the_specification() -> None:
    """Core has the lossless one, HEVC and VVC add a video codec, and Transform adds levels to VVC."""
    lossless, hevc, vvc, levels = InnerCodecId
    core = {0: ("Core", {lossless}), 1: ("HEVC", {lossless, hevc}), 2: ("VVC", {lossless, vvc})}
    assert profiles() == {**core, 3: ("Transform", {lossless, vvc, levels})}
    assert [profile_for([codec]) for codec in (lossless, hevc, vvc, levels)] == [0, 1, 2, 3]
    assert profile_for([lossless, vvc]) == 2
    assert profile_for([vvc, levels]) == 3
    assert profile_for([hevc, levels]) is None
    assert profile_for([hevc, vvc]) is None


@pytest.mark.parametrize("profile", [0, 1, 2])
@pytest.mark.parametrize("codec", list(InnerCodecId))
def test_a_profile_without_the_inner_codec_is_refused(profile: int, codec: InnerCodecId) -> None:
    """Every pair: the lossless codec is in all profiles, a video codec in its own."""
    stream = StreamHeader(profile=profile, tensors=[TensorHeader(TensorFormat(inner_codec=codec))])
    if codec == InnerCodecId.LOSSLESS or profile == int(codec):
        check_profile(stream)
    else:
        with pytest.raises(BitstreamError, match=f"does not have the inner codec {codec.name}"):
            check_profile(stream)
