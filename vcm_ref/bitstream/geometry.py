"""Sizes that follow from the headers: frames, their coded size, and how many there are (docs/bitstream.md, 8.3).

Everything is computed in Python integers, so that a product in a hostile header can be compared with a limit before
anything is allocated.
"""

from __future__ import annotations

from dataclasses import dataclass

from .syntax import PictureHeader, StreamHeader
from .values import InnerCodecId, Shape, frame_shapes

#: The inner bit depth of the video codecs.
VIDEO_BIT_DEPTH = 10


def inner_bit_depth(inner_codec: InnerCodecId, bit_depth: int) -> int:
    """Bits of a sample in the inner codec: the feature's own for lossless, 10 for video."""
    return bit_depth if inner_codec == InnerCodecId.LOSSLESS else VIDEO_BIT_DEPTH


def coded_size(inner_codec: InnerCodecId, height: int, width: int) -> tuple[int, int]:
    """Height and width of a frame as the inner codec sees it: for video, even and at least 32."""
    if inner_codec == InnerCodecId.LOSSLESS:
        return height, width
    return max(32, height + height % 2), max(32, width + width % 2)


@dataclass(frozen=True)
class SubstreamGeometry:
    """Frames of one substream: how many, their size, and their size as coded (never smaller)."""

    frames: int
    height: int
    width: int
    coded_height: int
    coded_width: int

    @property
    def coded_samples(self) -> int:
        """Samples of one coded frame."""
        return self.coded_height * self.coded_width


def layer_shapes(stream: StreamHeader, picture: PictureHeader) -> list[Shape]:
    """The shape ``(C, H, W)`` of each layer's tensor."""
    return [
        (layer.channels, dims.height, dims.width) for layer, dims in zip(stream.layers, picture.layers, strict=True)
    ]


def substream_geometries(stream: StreamHeader, picture: PictureHeader) -> list[SubstreamGeometry]:
    """One entry a substream: a layer each, or a single one for the tiled arrangement."""
    shapes = frame_shapes(layer_shapes(stream, picture), [layer.grid for layer in stream.layers], stream.arrangement)
    return [
        SubstreamGeometry(frames, height, width, *coded_size(stream.inner_codec, height, width))
        for frames, height, width in shapes
    ]
