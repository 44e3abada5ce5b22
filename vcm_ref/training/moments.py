"""Means and covariances of integer vectors, summed exactly: in any order, by any number of workers, the same."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from .sums import Sums

#: Numbers have 16 bits: a product has 30, and a sum of 2**20 of them is exact in binary64.
BITS = 16
_CHUNK = 1 << 20
#: What a number of 16 bits is at most, in root mean squares: rarer values are clipped.
_REACH = 64.0


def moments(vectors: NDArray[np.float64]) -> Sums:
    """Number, sums ``(n,)`` and sums of products ``(n, n)`` of vectors ``(n, count)`` of integers of 16 bits."""
    size, count = vectors.shape
    sums, products = np.zeros(size, np.int64), np.zeros((size, size), np.int64)
    for start in range(0, count, _CHUNK):
        part = vectors[:, start : start + _CHUNK]
        sums += part.sum(axis=1).astype(np.int64)
        products += (part @ part.T).astype(np.int64)
    return {"count": np.array(count), "sums": sums, "products": products}


def mean_and_covariance(
    found: Mapping[str, NDArray[np.int64]], units: NDArray[np.float64]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """The mean ``(n,)`` and the covariance ``(n, n)`` of vectors whose numbers count in ``units`` ``(n,)``."""
    count = int(found["count"])
    mean = found["sums"] / count
    covariance = found["products"] / count
    covariance -= np.multiply.outer(mean, mean)
    covariance *= units
    covariance *= units[:, None]
    return mean * units, covariance


def fraction_bits(tensor: NDArray[np.float32]) -> int:
    """How many fraction bits a layer's numbers of 16 bits have, from its root mean square in one picture."""
    square = float(np.mean(np.square(tensor.astype(np.float64))))
    return int(np.floor(BITS - 1 - np.log2(_REACH * np.sqrt(square)))) if square > 0 else 0


def integers(values: NDArray[np.floating], fraction: int) -> NDArray[np.float64]:
    """Values as integers of 16 bits with this number of fraction bits, clipped."""
    top = float((1 << (BITS - 1)) - 1)
    found: NDArray[np.float64] = np.clip(np.rint(values.astype(np.float64) * 2.0**fraction), -top, top)
    return found


def blocks(numbers: NDArray[np.float64], shift: int, rows: int, columns: int) -> NDArray[np.float64]:
    """Vectors ``(C * 4**shift, rows * columns)`` of a layer ``(C, H, W)``, which is repeated beyond its edges."""
    side = 1 << shift
    channels, height, width = numbers.shape
    wanted = ((0, 0), (0, rows * side - height), (0, columns * side - width))
    padded = np.pad(numbers, wanted, mode="edge")
    split = padded.reshape(channels, rows, side, columns, side).transpose(0, 2, 4, 1, 3)
    return split.reshape(channels * side * side, rows * columns)
