"""Sizes that follow from the headers, worked by hand."""

from __future__ import annotations

import pytest

from vcm_ref.bitstream.geometry import SubstreamGeometry, substream_geometries, tensor_shapes
from vcm_ref.bitstream.headers import GroupHeader, PictureHeader, StreamHeader, TensorFormat, TensorHeader
from vcm_ref.bitstream.values import Grid, InnerCodecId, Layer, Packing, coded_size, inner_bit_depth
from vcm_ref.conversion.reduction import Resize


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
    """10 for video, the tensor's own for the others."""
    assert [inner_bit_depth(codec, depth) for codec in InnerCodecId] == [depth, 10, 10, depth]


LAYERS = [Layer("a", 24), Layer("b", 24)]
GROUP = GroupHeader(1, 1, [(5, 7), (3, 2)], [PictureHeader()] * 2)


def stream_of(packing: Packing, *grids: Grid, codec: InnerCodecId = InnerCodecId.VVC) -> StreamHeader:
    """A header for two layers of 24 channels."""
    form = TensorFormat(inner_codec=codec, packing=packing)
    return StreamHeader(layers=LAYERS, tensors=[TensorHeader(form, grid) for grid in grids])


@pytest.mark.parametrize("packing", [Packing.FRAMES, Packing.QUILTED])
def test_each_tensor_is_a_substream(packing: Packing) -> None:
    """Channels over maps a frame; the group has two pictures."""
    stream = stream_of(packing, Grid(3, 2), Grid(24, 1))
    assert substream_geometries(stream, GROUP) == [
        SubstreamGeometry(stream.tensors[0], 4, 8, 10, 21, 32, 32),
        SubstreamGeometry(stream.tensors[1], 1, 2, 3, 48, 32, 48),
    ]


def test_stacked_tensors_are_one_substream() -> None:
    """Heights add up, the widest gives the width."""
    stream = stream_of(Packing.STACKED, Grid(6, 4), Grid(24, 1))
    assert substream_geometries(stream, GROUP) == [SubstreamGeometry(stream.tensors[0], 1, 2, 23, 48, 32, 48)]


def test_a_resized_tensor_has_smaller_frames() -> None:
    """5x7 by 4, rounded up: 2x2; 3x2 by 2: 2x1."""
    stream = stream_of(Packing.FRAMES, Grid(3, 2), Grid(24, 1), codec=InnerCodecId.LOSSLESS)
    stream.stages = [Resize([2, 1])]
    assert tensor_shapes(stream, GROUP) == [(24, 2, 2), (24, 2, 1)]
    assert [(g.height, g.width) for g in substream_geometries(stream, GROUP)] == [(4, 6), (2, 24)]
