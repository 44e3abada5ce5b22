"""Principal components of one tensor, the same on every machine: sums are of integers and exact, the rest elementwise.

The samples of the analysis are the tensor's C channels, its variables the H×W positions, as in Park et al., JBE 27(1),
2022: so components are maps, and each channel has a coefficient for each.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ...errors import DatasetError
from .eigen import eigenvectors

#: Fraction bits of the eigenvectors before they enter a product.
_VECTOR_BITS = 24


@dataclass(frozen=True)
class Components:
    """Mean map and components of a tensor of C channels and N = H·W positions, by falling energy.

    ``maps`` ``(n + 1, N)`` is the mean, then each component times the root of its energy a channel; ``coefficients``
    ``(C, n)`` have mean square 1. The tensor is the mean plus the product of coefficients and components. ``energies``
    ``(n,)`` are the sums of squares that each component explains, and ``total`` is that of the tensor less its mean.
    """

    maps: NDArray[np.float64]
    coefficients: NDArray[np.float64]
    energies: NDArray[np.float64]
    total: float


def components_of(tensor: NDArray[np.float32], most: int) -> Components:
    """The ``most`` first components of a tensor ``(C, H, W)``, or all that it has; those without energy are zero.

    Raises :class:`~vcm_ref.errors.DatasetError` where it holds NaN or infinity.
    """
    if not np.isfinite(tensor).all():
        raise DatasetError("a layer holds NaN or infinity; features must be finite")
    channels, positions = len(tensor), tensor[0].size
    values, exponent = _integers(tensor.reshape(channels, positions))
    mean = np.rint(values.sum(axis=0) / channels)
    values -= mean
    by_channel = channels <= positions
    matrix = values @ values.T if by_channel else values.T @ values
    energies, vectors = eigenvectors(matrix)
    count = min(most, len(energies))
    energies = np.maximum(energies[:count], 0)
    rounded = np.rint(vectors[:, :count] * 2.0**_VECTOR_BITS) / 2.0**_VECTOR_BITS
    root = math.sqrt(channels)
    scale = np.sqrt(energies)
    alive = energies > 2.0**-40 * (energies[0] if count else 0)
    inverse = np.where(alive, root / np.where(alive, scale, 1), 0)
    if by_channel:
        coefficients, maps = rounded * root, (rounded.T @ values) / root
    else:
        coefficients, maps = (values @ rounded) * inverse, rounded.T * (scale[:, None] / root)
    coefficients[:, ~alive] = 0
    maps[~alive] = 0
    _fix_signs(coefficients, maps)
    unit = 2.0**-exponent
    maps = np.concatenate([mean[None], maps]) * unit
    return Components(maps, coefficients, energies * unit * unit, float(matrix.trace()) * unit * unit)


def _integers(values: NDArray[np.float32]) -> tuple[NDArray[np.float64], int]:
    """The values times a power of two, rounded to integers so small that sums of their products are exact."""
    bits = min(20, (52 - max(values.shape).bit_length()) // 2 - 1)
    greatest = float(np.abs(values).max())
    exponent = bits - math.frexp(greatest)[1]
    return np.rint(values.astype(np.float64) * 2.0**exponent), exponent


def _fix_signs(coefficients: NDArray[np.float64], maps: NDArray[np.float64]) -> None:
    """Turn each component so that its greatest coefficient, the first of equals, is above zero."""
    greatest = np.abs(coefficients).argmax(axis=0)
    turned = np.flatnonzero(coefficients[greatest, np.arange(coefficients.shape[1])] < 0)
    coefficients[:, turned] *= -1
    maps[turned] *= -1
