"""Sizes that follow from the headers, worked by hand."""

from __future__ import annotations

import pytest

from vcm_ref.bitstream.geometry import (
    SubstreamGeometry,
    coded_size,
    inner_bit_depth,
    substream_geometries,
)
from vcm_ref.bitstream.syntax import LayerHeader, LayerPicture, PictureHeader, StreamHeader
from vcm_ref.bitstream.values import Arrangement, Grid, InnerCodecId


@pytest.mark.parametrize("codec", [InnerCodecId.HEVC, InnerCodecId.VVC])
@pytest.mark.parametrize(
    ("size", "coded"),
    [((1, 1), (32, 32)), ((31, 33), (32, 34)), ((32, 32), (32, 32)), ((33, 100), (34, 100)), ((101, 7), (102, 32))],
)
def test_video_frames_are_even_and_at_least_32(
    codec: InnerCodecId, size: tuple[int, int], coded: tuple[int, int]
) -> None:
    """Up to the next even number, each side by itself."""
    assert coded_size(codec, *size) == coded


def test_lossless_frames_are_as_they_are() -> None:
    """No padding."""
    assert coded_size(InnerCodecId.LOSSLESS, 1, 33) == (1, 33)


@pytest.mark.parametrize("depth", [2, 8, 10])
def test_inner_bit_depth(depth: int) -> None:
    """10 for video, the features' own for lossless."""
    assert [inner_bit_depth(codec, depth) for codec in InnerCodecId] == [depth, 10, 10]


LAYERS = [LayerHeader("a", 24, Grid(3, 2)), LayerHeader("b", 24, Grid(24, 1))]
SIZES = [LayerPicture(5, 7), LayerPicture(3, 2)]


@pytest.mark.parametrize("arrangement", [Arrangement.FRAMES, Arrangement.QUILTED])
def test_each_layer_is_a_substream(arrangement: Arrangement) -> None:
    """Channels over maps a frame."""
    stream = StreamHeader(inner_codec=InnerCodecId.VVC, arrangement=arrangement, layers=LAYERS)
    assert substream_geometries(stream, PictureHeader(1, 1, [], SIZES)) == [
        SubstreamGeometry(4, 10, 21, 32, 32),
        SubstreamGeometry(1, 3, 48, 32, 48),
    ]


def test_tiled_layers_are_one_substream() -> None:
    """Heights add up, the widest gives the width."""
    layers = [LayerHeader("a", 6, Grid(3, 2)), LayerHeader("b", 24, Grid(24, 1))]
    stream = StreamHeader(inner_codec=InnerCodecId.VVC, arrangement=Arrangement.TILED, layers=layers)
    assert substream_geometries(stream, PictureHeader(1, 1, [], SIZES)) == [SubstreamGeometry(1, 13, 48, 32, 48)]
