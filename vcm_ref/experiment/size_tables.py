"""The sizes of a picture, of its layers and of a reduced tensor: Tables 1 and 3 of Han et al. 2022, for any network.

The paper's own figures come of two ways of counting. Its Table 1 has 8 bits a sample and a picture of 1024×768: the
layers are then 7.84 times the picture (the text says 7.7; P4 is given as 750 KB, and 68·50·256 bytes are 850). Its
Table 3 has 32 bits a sample, as float32 has, and a picture of 640×480. With 4 times the bits, and 2.56 times fewer
pixels in the picture, the layers are 80.28 times the picture.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from fractions import Fraction
from math import prod
from typing import NamedTuple

Shape = tuple[int, int, int]

_PICTURE_BITS = 8 * 3  # of a pixel
_KILOBYTE = 8 * 1024  # bits


class Row(NamedTuple):
    """One line of a table: what it is, bits a sample, samples ``(C, H, W)``, and the ratio to the picture's bits."""

    name: str
    bits: int
    shape: Shape
    total: int
    ratio: Fraction

    @property
    def kilobytes(self) -> float:
        """The size in units of 1024 bytes, as the paper counts."""
        return self.total / _KILOBYTE


def layer_rows(size: tuple[int, int], layers: Mapping[str, Shape], bits: int = 8) -> list[Row]:
    """Table 1: the picture of ``size`` (height, width), its layers with ``bits`` a sample, and the layers together."""
    picture = _PICTURE_BITS * prod(size)
    rows = [_row("input image", 8, (3, *size), picture)]
    rows += [_row(name, bits, shape, picture) for name, shape in layers.items()]
    total = sum(row.total for row in rows[1:])
    samples = sum(prod(shape) for shape in layers.values())
    return [*rows, Row("all layers", bits, (samples, 1, 1), total, Fraction(total, picture))]


def reduction_rows(
    size: tuple[int, int], layers: Mapping[str, Shape], coded: Shape, depths: Sequence[int] = (8, 4, 2)
) -> list[Row]:
    """Table 3: the picture, its layers in float32, the coded tensor in float32, and the same at each of ``depths``."""
    picture = _PICTURE_BITS * prod(size)
    image, *_, together = layer_rows(size, layers, 32)
    quantised = [_row(f"{bits}-bit tensor", bits, coded, picture) for bits in depths]
    return [image, together, _row("float32 tensor", 32, coded, picture), *quantised]


def told(rows: Sequence[Row]) -> str:
    """The rows as a table."""
    from tabulate import tabulate

    cells = [
        (row.name, row.bits, "x".join(map(str, row.shape)), f"{row.kilobytes:,.1f}", f"{float(row.ratio):.3f}")
        for row in rows
    ]
    return tabulate(cells, ("", "bits", "CxHxW", "KB", "of the picture"), disable_numparse=True)


def _row(name: str, bits: int, shape: Shape, picture: int) -> Row:
    total = bits * prod(shape)
    return Row(name, bits, shape, total, Fraction(total, picture))
