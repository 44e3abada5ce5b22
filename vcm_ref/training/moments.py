"""Means and covariances of integer vectors, summed exactly: in any order, by any number of workers, the same."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

#: Numbers have 16 bits: a product has 30, and a sum of 2**20 of them is exact in binary64.
BITS = 16
_CHUNK = 1 << 20
#: What a number of 16 bits is at most, in root mean squares: rarer values are clipped.
_REACH = 64.0


@dataclass
class Moments:
    """Sums over ``count`` vectors of n numbers: ``sums`` int64 ``(n,)``, ``products`` int64 ``(n, n)``."""

    count: int
    sums: NDArray[np.int64]
    products: NDArray[np.int64]

    @classmethod
    def none(cls, size: int) -> Moments:
        """Of no vectors."""
        return cls(0, np.zeros(size, np.int64), np.zeros((size, size), np.int64))

    @classmethod
    def of(cls, vectors: NDArray[np.float64]) -> Moments:
        """Of vectors ``(n, count)`` of integers of 16 bits."""
        found = cls.none(len(vectors))
        for start in range(0, vectors.shape[1], _CHUNK):
            part = vectors[:, start : start + _CHUNK]
            found.sums += part.sum(axis=1).astype(np.int64)
            found.products += (part @ part.T).astype(np.int64)
        found.count = vectors.shape[1]
        return found

    def add(self, other: Moments) -> None:
        """Add the sums of other vectors."""
        self.count += other.count
        self.sums += other.sums
        self.products += other.products

    def mean(self, units: NDArray[np.float64]) -> NDArray[np.float64]:
        """The mean ``(n,)``, of numbers that count in ``units`` ``(n,)``."""
        found: NDArray[np.float64] = self.sums / self.count * units
        return found

    def covariance(self, units: NDArray[np.float64]) -> NDArray[np.float64]:
        """The covariance ``(n, n)``, of numbers that count in ``units`` ``(n,)``."""
        mean = self.sums / self.count
        found: NDArray[np.float64] = self.products / self.count
        found -= np.multiply.outer(mean, mean)
        found *= units
        found *= units[:, None]
        return found


def fraction_bits(tensor: NDArray[np.float32]) -> int:
    """How many fraction bits a layer's numbers of 16 bits have, from its root mean square in one picture."""
    square = float(np.mean(np.square(tensor.astype(np.float64))))
    return int(np.floor(BITS - 1 - np.log2(_REACH * np.sqrt(square)))) if square > 0 else 0


def integers(tensor: NDArray[np.float32], fraction: int) -> NDArray[np.float64]:
    """A layer as integers of 16 bits, clipped."""
    top = float((1 << (BITS - 1)) - 1)
    found: NDArray[np.float64] = np.clip(np.rint(tensor.astype(np.float64) * 2.0**fraction), -top, top)
    return found


def blocks(numbers: NDArray[np.float64], shift: int, rows: int, columns: int) -> NDArray[np.float64]:
    """Vectors ``(C * 4**shift, rows * columns)`` of a layer ``(C, H, W)``, which is repeated beyond its edges."""
    side = 1 << shift
    channels, height, width = numbers.shape
    wanted = ((0, 0), (0, rows * side - height), (0, columns * side - width))
    padded = np.pad(numbers, wanted, mode="edge")
    split = padded.reshape(channels, rows, side, columns, side).transpose(0, 2, 4, 1, 3)
    return split.reshape(channels * side * side, rows * columns)
