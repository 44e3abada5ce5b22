"""Eigenvectors of a symmetric matrix, the same to the last bit on every machine and with any number of threads.

LAPACK's sums have an order that depends on the machine. Here all is made of single binary64 operations, each rounded
once, and sums are of halves. Reflections make the matrix tridiagonal, and rotations make that diagonal (QL with
implicit shifts): Martin, Reinsch and Wilkinson, "Householder's tridiagonalization of a symmetric matrix", Numer. Math.
11 (1968); Dubrulle, Martin and Wilkinson, "The implicit QL algorithm", Numer. Math. 12 (1968).
"""

from __future__ import annotations

from math import copysign, sqrt
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

Matrix = NDArray[np.float64]

#: Entries beside the diagonal that are smaller than this, relative to the greatest of all, count as zero.
TOLERANCE = 2.0**-50


class _Reflection(NamedTuple):
    """Of the rows from ``first`` on: the identity less ``factor`` times the outer product of ``vector`` with itself."""

    first: int
    vector: Matrix
    factor: float


def eigenvectors(matrix: Matrix) -> tuple[Matrix, Matrix]:
    """Eigenvalues ``(n,)`` in falling order, and eigenvectors ``(n, n)``, one a column, of a symmetric matrix.

    Vectors have length 1 up to rounding; equal values keep the order in which they are found.
    """
    diagonal, beside, reflections = _tridiagonal(matrix)
    values, rows = _diagonalised(diagonal, beside)
    vectors = np.ascontiguousarray(rows.T)
    for first, vector, factor in reversed(reflections):
        own = vectors[first:]
        own -= (factor * vector)[:, None] * _sum(vector[:, None] * own)
    order = np.argsort(-values, kind="stable")
    return values[order], vectors[:, order]


def _tridiagonal(matrix: Matrix) -> tuple[Matrix, Matrix, list[_Reflection]]:
    """The diagonal ``(n,)`` and the entries beside it ``(n - 1,)`` of what the reflections, one by one, make of it."""
    rest = matrix.astype(np.float64)
    size = len(rest)
    diagonal, beside = np.zeros(size), np.zeros(max(size - 1, 0))
    reflections = []
    for place in range(size):
        diagonal[place] = rest[0, 0]
        vector, rest = rest[1:, 0].copy(), rest[1:, 1:]
        if not vector[1:].any():
            beside[place : place + 1] = vector[:1]
            continue
        scale = float(np.abs(vector).max())  # so that no square is too small or too large
        vector /= scale
        length = copysign(sqrt(_sum(vector * vector)), -vector[0])
        vector[0] -= length
        factor = 2 / float(_sum(vector * vector))
        beside[place] = scale * length
        reflections.append(_Reflection(place + 1, vector, factor))
        turned = factor * _sum(vector[:, None] * rest)
        turned -= factor / 2 * float(_sum(vector * turned)) * vector
        once = vector[:, None] * turned
        rest = rest - (once + once.T)
    return diagonal, beside, reflections


def _diagonalised(diagonal: Matrix, beside: Matrix) -> tuple[Matrix, Matrix]:
    """Eigenvalues ``(n,)`` and eigenvectors ``(n, n)``, one a row, of a tridiagonal matrix."""
    d, e = diagonal.tolist(), [*beside.tolist(), 0.0]
    size = len(d)
    rows = np.eye(size)
    least = TOLERANCE * max(map(abs, d + e))
    for first in range(size):
        while (last := next(k for k in range(first, size) if abs(e[k]) <= least)) > first:
            _sweep(d, e, first, last, rows)
        e[first] = 0.0
    return np.array(d), rows


def _sweep(d: list[float], e: list[float], first: int, last: int, rows: Matrix) -> None:
    """One step of QL on the rows ``first`` to ``last`` of a tridiagonal matrix; ``rows`` are rotated along."""
    ratio = (d[first + 1] - d[first]) / (2 * e[first])
    g = d[last] - d[first] + e[first] / (ratio + copysign(sqrt(ratio * ratio + 1), ratio))
    sine = cosine = 1.0
    p = 0.0
    crossed = np.empty((2, 1))
    for i in range(last - 1, first - 1, -1):
        f, b = sine * e[i], cosine * e[i]
        r = sqrt(f * f + g * g)
        e[i + 1] = r
        if r == 0:
            d[i + 1] -= p
            e[last] = 0.0
            return
        sine, cosine = f / r, g / r
        g = d[i + 1] - p
        r = (d[i] - g) * sine + 2 * cosine * b
        p = sine * r
        d[i + 1] = g + p
        g = cosine * r - b
        pair = rows[i : i + 2]
        crossed[0], crossed[1] = -sine, sine
        other = pair[::-1] * crossed
        pair *= cosine
        pair += other
    d[first] -= p
    e[first] = g
    e[last] = 0.0


def _sum(values: Matrix) -> Matrix:
    """The sum over the first axis: the second half is added to the first until one is left."""
    while len(values) > 1:
        half = (len(values) + 1) // 2
        added = values[:half].copy()
        added[: len(values) - half] += values[half:]
        values = added
    total: Matrix = values[0]
    return total
