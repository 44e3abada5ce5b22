"""The size of a picture, of its layers and of its coded tensors before coding, counted as Han et al. count them.

A tensor has bits × C × W × H bits (Han et al. 2022, "Multi-scale feature compression for VCM", Table 3), the picture
8 × 3 × W × H. Nothing is coded here, so ranges, headers and entropy coding have no part in these sizes.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from math import prod

from ..bitstream.geometry import tensor_shapes
from ..bitstream.headers import GroupHeader, StreamHeader, names
from ..bitstream.values import Shape

FLOAT_BITS = 32
PICTURE_BITS = 8


@dataclass(frozen=True)
class Size:
    """What is counted, its shape where it is one tensor, its number of values, and the bits of the picture."""

    step: str
    shape: Shape | None
    values: int
    picture_bits: int

    def bits(self, depth: int) -> int:
        """Bits of all values at ``depth`` bits a value."""
        return self.values * depth

    def ratio(self, depth: int) -> float:
        """How many times the bits of the picture these are."""
        return self.bits(depth) / self.picture_bits


def picture_shape(picture: tuple[int, int]) -> Shape:
    """The shape (3, H, W) of a ``picture`` (height, width)."""
    return (3, *picture)


def sizes(picture: tuple[int, int], layers: Mapping[str, Shape], coded: Mapping[str, Shape]) -> Iterator[Size]:
    """The sizes for a ``picture`` (height, width): each layer, all layers, then likewise the coded tensors.

    Coded tensors that are the layers, as without reduction, have no rows.
    """
    whole = PICTURE_BITS * prod(picture_shape(picture))
    yield from _each_and_all("", "all layers", layers, whole)
    if list(coded.values()) != list(layers.values()):
        yield from _each_and_all("coded ", "all coded tensors", coded, whole)


def _each_and_all(before: str, together: str, tensors: Mapping[str, Shape], whole: int) -> Iterator[Size]:
    for name, shape in tensors.items():
        yield Size(f"{before}{name}", shape, prod(shape), whole)
    yield Size(together, None, sum(map(prod, tensors.values())), whole)


def coded_shapes(header: StreamHeader, picture: tuple[int, int], layers: Mapping[str, Shape]) -> dict[str, Shape]:
    """The shape of each coded tensor of a ``picture`` (height, width) with ``layers``, as the stages give it."""
    group = GroupHeader(*picture, [(height, width) for _, height, width in layers.values()])
    return dict(zip(names(header.coded), tensor_shapes(header, group), strict=True))
