"""Sizes that follow from the headers: frames, their coded size, and how many there are (docs/bitstream.md, 8.3).

Everything is computed in Python integers, so that a product in a hostile header can be compared with a limit before
anything is allocated.
"""

from __future__ import annotations

from dataclasses import dataclass

from .headers import GroupHeader, StreamHeader, TensorHeader
from .values import Shape, coded_size, frame_shapes


@dataclass(frozen=True)
class SubstreamGeometry:
    """Frames of one substream of a group: of each picture, of the group, their size, and their size as coded.

    ``tensor`` is the header of the substream's first tensor, which has its inner codec, bit depth and mode.
    """

    tensor: TensorHeader
    picture_frames: int
    frames: int
    height: int
    width: int
    coded_height: int
    coded_width: int

    @property
    def coded_samples(self) -> int:
        """Samples of one coded frame."""
        return self.coded_height * self.coded_width

    @property
    def inner_bit_depth(self) -> int:
        """Bits of a sample in the inner codec."""
        return self.tensor.format.inner_bit_depth


def layer_shapes(stream: StreamHeader, group: GroupHeader) -> list[Shape]:
    """The shape ``(C, H, W)`` of each restored layer."""
    return [(layer.channels, *size) for layer, size in zip(stream.layers, group.sizes, strict=True)]


def tensor_shapes(stream: StreamHeader, group: GroupHeader) -> list[Shape]:
    """The shape ``(C, H, W)`` of each coded tensor: the layers', after all stages."""
    shapes = layer_shapes(stream, group)
    for stage in stream.stages:
        shapes = stage.shapes(shapes)
    return shapes


def substream_geometries(stream: StreamHeader, group: GroupHeader) -> list[SubstreamGeometry]:
    """One entry a substream: a tensor each, or a run of stacked ones."""
    shapes = frame_shapes(tensor_shapes(stream, group), stream.placements)
    found = []
    for members, (frames, height, width) in zip(stream.substreams, shapes, strict=True):
        tensor = stream.tensors[members[0]]
        coded = coded_size(tensor.format.inner_codec, height, width)
        found.append(SubstreamGeometry(tensor, frames, frames * len(group.pictures), height, width, *coded))
    return found
